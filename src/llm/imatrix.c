/* Reads importance matrices; see imatrix.h. */
#include "llm/imatrix.h"

#include "base/check.h"
#include "base/reader.h"
#include "format/file.h"
#include "format/gguf.h"
#include "format/sort.h"

#include <math.h>
#include <string.h>

#define DAT_BYTES_MAX ((int64_t)4 << 30)
#define ENTRIES_MAX 65536
#define SUMS ".in_sum2"
#define COUNTS ".counts"

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for an importance matrix");
}

static glia_status cut(glia_error *e)
{
    return glia_fail(e, GLIA_E_FORMAT, "G0523",
                     "neither a GGUF file nor an importance matrix of the older kind");
}

/* Sums over counts. An entry has `each` columns for each count. */
static glia_status settle(const char *name, float *values, int64_t each, const float *counts, int64_t n,
                          glia_error *e)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < each; k++) {
            float *v = &values[i * each + k];
            if (!(*v >= 0) || !isfinite(*v) || !(counts[i] >= 0) || !isfinite(counts[i]))
                return glia_fail(e, GLIA_E_FORMAT, "G0523",
                                 "`%.128s`: %g over %g calls is no mean of squares", name, (double)*v,
                                 (double)counts[i]);
            *v = counts[i] > 0 ? *v / counts[i] : 1;
        }
    }
    return GLIA_OK;
}

/* ---- GGUF ------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

static glia_status read_entry(glia_imatrix *m, const glia_gguf *g, const glia_gguf_tensor *sums,
                              glia_imatrix_entry *out, glia_error *e)
{
    int64_t each = sums->dims[sums->rank - 1], n = 1;
    for (int i = 0; i + 1 < sums->rank; i++)
        n *= sums->dims[i]; /* within the file: checked when it was read */
    char *name = glia_arena_strndup(&m->arena, sums->name, (int64_t)(strlen(sums->name) - strlen(SUMS)));
    char *counts_name = name ? glia_arena_printf(&m->arena, "%s" COUNTS, name) : NULL;
    float *values = GLIA_NEW_ARRAY(&m->arena, float, n *each), *counts = GLIA_NEW_ARRAY(&m->arena, float, n);
    if (!counts_name || !values || !counts) return no_memory(e);
    const glia_gguf_tensor *c = glia_gguf_tensor_find(g, counts_name);
    if (!c || c->dtype != GLIA_F32 || c->bytes != 4 * n || sums->dtype != GLIA_F32)
        return glia_fail(e, GLIA_E_FORMAT, "G0523", "`%.128s` has no %lld counts beside its sums", name,
                         (long long)n);
    glia_status s = glia_gguf_read(g, sums, 0, sums->bytes, values, e);
    if (!s) s = glia_gguf_read(g, c, 0, c->bytes, counts, e);
    *out = (glia_imatrix_entry){name, n * each, values};
    return s ? s : settle(name, values, each, counts, n, e);
}

static glia_status read_gguf(glia_imatrix *m, const glia_gguf *g, glia_error *e)
{
    int64_t tensors = glia_gguf_tensor_count(g);
    glia_gguf_string text = {NULL, 0};
    const glia_gguf_value *texts;
    glia_status s = glia_gguf_string_of(g, "general.type", &text, e);
    if (s || text.size != 7 || memcmp(text.text, "imatrix", 7)) {
        glia_error_clear(e);
        return glia_fail(e, GLIA_E_FORMAT, "G0523",
                         "a GGUF file, but no importance matrix: general.type is not `imatrix`");
    }
    s = glia_gguf_array_or_null(g, "imatrix.datasets", GLIA_GGUF_STRING, &texts, e);
    if (!s) s = glia_gguf_i64_or(g, "imatrix.chunk_count", 0, &m->chunks, e);
    if (s) return s;
    if (texts && texts->count)
        m->text = glia_arena_strndup(&m->arena, texts->strings[0].text, texts->strings[0].size);
    m->entries = GLIA_NEW_ARRAY(&m->arena, glia_imatrix_entry, tensors);
    if (!m->entries || !m->text) return no_memory(e);
    for (int64_t i = 0; i < tensors && !s; i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        if (ends_with(t->name, SUMS)) s = read_entry(m, g, t, &m->entries[m->count++], e);
    }
    return s;
}

/* ---- the older kind --------------------------------------------------------------------------------- */

static glia_status read_dat_entry(glia_imatrix *m, glia_reader *r, glia_imatrix_entry *out, glia_error *e)
{
    int32_t size = (int32_t)glia_read_u32(r);
    const char *text = (const char *)glia_read_bytes(r, size);
    int32_t calls = (int32_t)glia_read_u32(r), count = (int32_t)glia_read_u32(r);
    if (r->failed || size < 1 || memchr(text, 0, (size_t)size) || calls < 0 || count < 1 ||
        count > glia_reader_left(r) / 4)
        return cut(e);
    char *name = glia_arena_strndup(&m->arena, text, size);
    float *values = GLIA_NEW_ARRAY(&m->arena, float, count), n = (float)calls;
    if (!name || !values) return no_memory(e);
    memcpy(values, glia_read_bytes(r, 4 * (int64_t)count), 4 * (size_t)count);
    *out = (glia_imatrix_entry){name, count, values};
    return settle(name, values, count, &n, 1, e);
}

static glia_status read_dat(glia_imatrix *m, const char *data, int64_t size, glia_error *e)
{
    glia_reader r = glia_reader_make(data, size);
    int32_t entries = (int32_t)glia_read_u32(&r);
    if (r.failed || entries < 1 || entries > ENTRIES_MAX || entries > glia_reader_left(&r) / 17)
        return cut(e);
    m->entries = GLIA_NEW_ARRAY(&m->arena, glia_imatrix_entry, entries);
    if (!m->entries) return no_memory(e);
    glia_status s = GLIA_OK;
    while (m->count < entries && !s) s = read_dat_entry(m, &r, &m->entries[m->count++], e);
    if (s || glia_reader_left(&r) == 0) return s;
    m->chunks = (int32_t)glia_read_u32(&r);
    int32_t n = (int32_t)glia_read_u32(&r);
    const char *text = (const char *)glia_read_bytes(&r, n);
    if (r.failed || n < 0 || m->chunks < 0) return cut(e);
    m->text = glia_arena_strndup(&m->arena, text, n);
    return m->text ? GLIA_OK : no_memory(e);
}

/* ---- either ----------------------------------------------------------------------------------------- */

static bool name_less(const void *ctx, int32_t a, int32_t b)
{
    const glia_imatrix_entry *v = ctx;
    return strcmp(v[a].name, v[b].name) < 0;
}

static glia_status sort_entries(glia_imatrix *m, glia_error *e)
{
    int32_t *order = GLIA_NEW_ARRAY(&m->arena, int32_t, m->count);
    glia_imatrix_entry *sorted = GLIA_NEW_ARRAY(&m->arena, glia_imatrix_entry, m->count);
    if (!order || !sorted) return no_memory(e);
    glia_sort_order(order, m->count, name_less, m->entries);
    for (int64_t i = 0; i < m->count; i++) {
        sorted[i] = m->entries[order[i]];
        if (i && !strcmp(sorted[i].name, sorted[i - 1].name))
            return glia_fail(e, GLIA_E_FORMAT, "G0523", "`%.128s` is there twice", sorted[i].name);
    }
    m->entries = sorted;
    return GLIA_OK;
}

static glia_status load_dat(const glia_os *os, const char *path, glia_imatrix *m, glia_error *e)
{
    char *data;
    int64_t size;
    glia_status s = glia_file_load(os, path, DAT_BYTES_MAX, &data, &size, e);
    if (s) return s;
    s = read_dat(m, data, size, e);
    os->mem_free(os->ctx, data, (size_t)size + 1);
    return s;
}

glia_status glia_imatrix_load(const glia_os *os, const char *path, glia_imatrix *out, glia_error *e)
{
    glia_gguf *g;
    *out = (glia_imatrix){.text = ""};
    if (!os) os = glia_os_default();
    glia_arena_init(&out->arena, os, 0);
    glia_error not_gguf = GLIA_ERROR_INIT;
    glia_status s = glia_gguf_open(os, path, NULL, &g, &not_gguf);
    if (!s) {
        s = read_gguf(out, g, e);
        glia_gguf_close(g);
    } else if (!strcmp(not_gguf.code, "G0301")) {
        s = load_dat(os, path, out, e);
    } else {
        return glia_fail_at(e, s, not_gguf.code, not_gguf.offset, "%s", not_gguf.text);
    }
    if (!s) s = sort_entries(out, e);
    if (s) {
        glia_error_context(e, "%.512s", path);
        glia_imatrix_free(out);
    }
    return s;
}

void glia_imatrix_free(glia_imatrix *m)
{
    if (m->arena.os) glia_arena_free(&m->arena);
    *m = (glia_imatrix){.text = ""};
}

const glia_imatrix_entry *glia_imatrix_find(const glia_imatrix *m, const char *name)
{
    int64_t low = 0, high = m->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(name, m->entries[middle].name);
        if (order == 0) return &m->entries[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}
