/* Models that are split over several GGUF files.
 *
 * The metadata lie in the first file; each file has the keys split.no (from 0), split.count and
 * split.tensors.count (of all files together), and some of the tensors. The files are found by the rule
 * "PREFIX-%05d-of-%05d.gguf" with numbers from 1, applied to the path that was given. Refused by name: any
 * file but the first, names that differ from the keys, missing files, files of another model, tensors that
 * are there twice or not at all. */
#include "format/gguf_internal.h"

#include "base/check.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define PARTS_MAX 1024
#define SUFFIX "-00001-of-00003.gguf"
enum { SUFFIX_SIZE = sizeof SUFFIX - 1 };

typedef struct split {
    int64_t no, count, tensors;
} split;

static glia_status read_split(const glia_gguf *g, split *s, glia_error *e)
{
    glia_status st = glia_gguf_i64(g, "split.count", &s->count, e);
    if (!st) st = glia_gguf_i64(g, "split.no", &s->no, e);
    if (!st) st = glia_gguf_i64(g, "split.tensors.count", &s->tensors, e);
    if (st) {
        glia_error_clear(e);
        return glia_fail(e, GLIA_E_FORMAT, "G0341",
                         "%s: split.no, split.count and split.tensors.count are not all there, as integers",
                         g->file_name);
    }
    if (s->count < 2 || s->count > PARTS_MAX || s->no < 0 || s->no >= s->count || s->tensors < 0)
        return glia_fail(e, GLIA_E_FORMAT, "G0341",
                         "%s: split.no is %lld (from 0) and split.count %lld; there may be 2 to %d parts",
                         g->file_name, (long long)s->no, (long long)s->count, PARTS_MAX);
    return GLIA_OK;
}

static bool read_digits(const char *text, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < 5; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

/* The two numbers at the end of a path; false if it does not end in that way. */
static bool read_name(const char *path, int64_t *no, int64_t *count)
{
    size_t n = strlen(path);
    const char *end = path + n - SUFFIX_SIZE;
    return n > SUFFIX_SIZE && end[0] == '-' && read_digits(end + 1, no) && !memcmp(end + 6, "-of-", 4) &&
           read_digits(end + 10, count) && !memcmp(end + 15, ".gguf", 5);
}

/* The path of part `no` (from 0). */
static const char *part_path(glia_gguf *g, const char *path, int64_t no, int64_t count)
{
    return glia_arena_printf(&g->arena, "%.*s-%05lld-of-%05lld.gguf", (int)(strlen(path) - SUFFIX_SIZE), path,
                             (long long)no + 1, (long long)count);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for the parts of a model");
}

static glia_status check_name(glia_gguf *g, const char *path, const split *s, glia_error *e)
{
    int64_t no, count;
    if (!read_name(path, &no, &count) || no != s->no + 1 || count != s->count)
        return glia_fail(e, GLIA_E_FORMAT, "G0342",
                         "the file says that it is part %lld of %lld; its name should end in "
                         "-%05lld-of-%05lld.gguf",
                         (long long)s->no + 1, (long long)s->count, (long long)s->no + 1,
                         (long long)s->count);
    if (s->no == 0) return GLIA_OK;
    const char *first = part_path(g, path, 0, s->count);
    if (!first) return no_memory(e);
    return glia_fail(e, GLIA_E_ARG, "G0343", "this is part %lld of %lld; open the first, `%s`", (long long)no,
                     (long long)count, last_part(first));
}

static bool same_value(const glia_gguf_value *a, const glia_gguf_value *b)
{
    if (a->type != b->type || a->element != b->element || a->count != b->count) return false;
    if (a->type == GLIA_GGUF_STRING)
        return a->strings[0].size == b->strings[0].size &&
               !memcmp(a->strings[0].text, b->strings[0].text, (size_t)a->strings[0].size);
    return a->type == GLIA_GGUF_ARRAY || a->bits == b->bits;
}

/* That part `no`, just opened, belongs to g. */
static glia_status check_part(const glia_gguf *g, const glia_gguf *p, int64_t no, const split *s,
                              glia_error *e)
{
    split own;
    glia_status st = read_split(p, &own, e);
    if (st) return st;
    if (own.no != no || own.count != s->count || own.tensors != s->tensors)
        return glia_fail(e, GLIA_E_FORMAT, "G0345",
                         "%s says that it is part %lld of %lld with %lld tensors together; part %lld of %lld "
                         "with %lld is wanted",
                         p->file_name, (long long)own.no + 1, (long long)own.count, (long long)own.tensors,
                         (long long)no + 1, (long long)s->count, (long long)s->tensors);
    for (int64_t i = 0; i < p->value_count; i++) {
        const glia_gguf_value *v = &p->values[i], *first = glia_gguf_find(g, v->key);
        if (first && !same_value(v, first) && strcmp(v->key, "split.no") &&
            strcmp(v->key, "general.alignment"))
            return glia_fail(e, GLIA_E_FORMAT, "G0345",
                             "%s is of another model: its `%.128s` differs from the first part's",
                             p->file_name, v->key);
    }
    return GLIA_OK;
}

static glia_status open_part(glia_gguf *g, const char *path, int no, const split *s, glia_error *e)
{
    const char *own_path = part_path(g, path, no, s->count);
    if (!own_path) return no_memory(e);
    glia_gguf *p = glia_gguf_create(g->os, &g->limits, e);
    if (!p) return GLIA_E_NOMEM;
    g->parts[no] = p;
    g->part_count = no + 1;
    const char *name = last_part(own_path);
    size_t size = strlen(name) < sizeof p->file_name ? strlen(name) : sizeof p->file_name - 1;
    memcpy(p->file_name, name, size);
    glia_status st = glia_gguf_open_file(p, own_path, e);
    if (st == GLIA_E_IO && !p->file_open) {
        glia_error_clear(e);
        return glia_fail(e, GLIA_E_IO, "G0344", "part %d of %lld is missing: `%s` cannot be opened", no + 1,
                         (long long)s->count, name);
    }
    if (st) {
        glia_error_context(e, "%s", p->file_name);
        return st;
    }
    return check_part(g, p, no, s, e);
}

static glia_status check_twice(const glia_gguf *g, glia_error *e)
{
    for (int64_t i = 1; i < g->tensor_count; i++) {
        const glia_gguf_tensor *a = &g->tensors[g->tensors_by_name[i - 1]],
                               *b = &g->tensors[g->tensors_by_name[i]];
        if (strcmp(a->name, b->name) == 0)
            return glia_fail(e, GLIA_E_FORMAT, "G0347", "the tensor '%.64s' is both in %s and in %s", a->name,
                             glia_gguf_tensor_file(g, a->part < b->part ? a : b),
                             glia_gguf_tensor_file(g, a->part < b->part ? b : a));
    }
    return GLIA_OK;
}

/* All tensors of all parts become g's. */
static glia_status merge(glia_gguf *g, const split *s, glia_error *e)
{
    int64_t total = 0, at = 0;
    for (int i = 0; i < g->part_count; i++) total += g->parts[i]->tensor_count; /* below 2^41 */
    if (total != s->tensors)
        return glia_fail(e, GLIA_E_FORMAT, "G0346",
                         "the parts hold %lld tensors, split.tensors.count is %lld", (long long)total,
                         (long long)s->tensors);
    if (total > g->limits.tensors)
        return glia_fail(e, GLIA_E_LIMIT, "G0305", "%lld tensors, the limit is %lld", (long long)total,
                         (long long)g->limits.tensors);
    glia_gguf_tensor *all = GLIA_NEW_ARRAY(&g->arena, glia_gguf_tensor, total);
    if (!all) return no_memory(e);
    for (int i = 0; i < g->part_count; i++) {
        const glia_gguf *p = g->parts[i];
        for (int64_t t = 0; t < p->tensor_count; t++) {
            all[at] = p->tensors[t];
            all[at++].part = i;
        }
    }
    g->tensors = all;
    g->tensor_count = total;
    g->tensors_by_name = glia_gguf_by_name(g);
    return g->tensors_by_name ? check_twice(g, e) : no_memory(e);
}

glia_status glia_gguf_join(glia_gguf *g, const char *path, glia_error *e)
{
    const glia_gguf_value *count = glia_gguf_find(g, "split.count");
    int64_t parts;
    split s;
    if (!count || (glia_gguf_element_i64(count, 0, &parts) && count->type != GLIA_GGUF_ARRAY && parts <= 1 &&
                   parts >= 0))
        return GLIA_OK;
    glia_status st = read_split(g, &s, e);
    if (!st) st = check_name(g, path, &s, e);
    if (st) return st;
    g->parts = GLIA_NEW_ARRAY(&g->arena, glia_gguf *, s.count);
    if (!g->parts) return no_memory(e);
    g->parts[0] = g;
    for (int i = 1; !st && i < s.count; i++) st = open_part(g, path, i, &s, e);
    return st ? st : merge(g, &s, e);
}
