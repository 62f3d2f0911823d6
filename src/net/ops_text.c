/* Operators on tensors of strings. Texts are UTF-8; bytes that are none pass unchanged. ImageDecoder is refused by
 * name: image formats are not part of this library. */
#include "base/check.h"
#include "base/utf8.h"
#include "net/host_ops.h"
#include "net/host_util.h"
#include "text/regex.h"
#include "text/tpl.h"

#include <string.h>

static glia_status give(glia_host *h, int i, glia_object *o)
{
    if (!o) return glia_host_error(h)->status;
    glia_host_set(h, i, o);
    return GLIA_OK;
}

/* ---- two tensors that broadcast */

typedef struct pair {
    const glia_object *a, *b;
    int rank;
    int64_t dims[GLIA_RANK_MAX], step_a[GLIA_RANK_MAX], step_b[GLIA_RANK_MAX];
    int64_t at[GLIA_RANK_MAX], ia, ib; /* the element that is next */
} pair;

static void steps_of(const glia_object *o, const pair *p, int64_t *step)
{
    int64_t next = 1;
    for (int i = p->rank - 1; i >= 0; i--) {
        const int axis = i - (p->rank - o->rank);
        const int64_t dim = axis < 0 ? 1 : o->dims[axis];
        step[i] = dim == 1 ? 0 : next;
        if (dim) next *= dim;
    }
}

static glia_status pair_begin(glia_host *h, pair *p)
{
    p->a = glia_host_need(h, 0, GLIA_OBJECT_STRINGS);
    p->b = p->a ? glia_host_need(h, 1, GLIA_OBJECT_STRINGS) : NULL;
    if (!p->b) return glia_host_error(h)->status;
    p->rank = p->a->rank > p->b->rank ? p->a->rank : p->b->rank;
    for (int i = 0; i < p->rank; i++) {
        const int ia = i - (p->rank - p->a->rank), ib = i - (p->rank - p->b->rank);
        const int64_t da = ia < 0 ? 1 : p->a->dims[ia], db = ib < 0 ? 1 : p->b->dims[ib];
        if (da != db && da != 1 && db != 1)
            return glia_host_wrong(h, "G1043", "axes of %lld and %lld do not broadcast", (long long)da,
                                   (long long)db);
        p->dims[i] = da == 1 ? db : da;
    }
    steps_of(p->a, p, p->step_a);
    steps_of(p->b, p, p->step_b);
    return GLIA_OK;
}

static void pair_next(pair *p)
{
    for (int i = p->rank - 1; i >= 0; i--) {
        p->ia += p->step_a[i];
        p->ib += p->step_b[i];
        if (++p->at[i] < p->dims[i]) return;
        p->ia -= p->step_a[i] * p->dims[i];
        p->ib -= p->step_b[i] * p->dims[i];
        p->at[i] = 0;
    }
}

static bool same_text(const glia_object *a, int64_t i, const glia_object *b, int64_t j)
{
    int64_t m, n;
    const char *s = glia_object_string(a, i, &m), *t = glia_object_string(b, j, &n);
    return m == n && !memcmp(s, t, (size_t)m);
}

glia_status glia_host_equal_strings(glia_host *h)
{
    pair p = {0};
    void *data;
    glia_status status = pair_begin(h, &p);
    if (status) return status;
    glia_object *o = glia_host_tensor(h, GLIA_BOOL, p.rank, p.dims, &data);
    for (int64_t i = 0; o && i < o->count; i++, pair_next(&p))
        ((uint8_t *)data)[i] = same_text(p.a, p.ia, p.b, p.ib);
    return give(h, 0, o);
}

static glia_status string_concat(glia_host *h)
{
    pair p = {0};
    glia_arena a;
    glia_status status = pair_begin(h, &p);
    glia_object *o = status ? NULL : glia_host_strings(h, p.rank, p.dims);
    if (!o) return glia_host_error(h)->status;
    glia_arena_init(&a, glia_host_os(h), 0);
    char *text = NULL;
    int64_t room = 0;
    for (int64_t i = 0; !status && i < o->count; i++, pair_next(&p)) {
        int64_t m, n;
        const char *s = glia_object_string(p.a, p.ia, &m), *t = glia_object_string(p.b, p.ib, &n);
        if (m + n > room) {
            room = 2 * (m + n);
            glia_arena_free(&a);
            text = glia_arena_alloc(&a, room, 1);
        }
        if (text && m) memcpy(text, s, (size_t)m);
        if (text && n) memcpy(text + m, t, (size_t)n);
        if ((!text && m + n) || !glia_object_put_string(o, i, text, m + n)) status = glia_host_no_object(h);
    }
    glia_arena_free(&a);
    if (!status) return give(h, 0, o);
    glia_object_release(o);
    return status;
}

/* ---- StringSplit */

/* Bytes of the blank at s, 0: none. */
static int blank_at(const char *s, int64_t left)
{
    int len;
    bool good;
    if (left <= 0) return 0;
    const uint32_t c = glia_utf8_decode(s, left, &len, &good);
    const bool is = (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
                    c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
                    c == 0x202F || c == 0x205F || c == 0x3000;
    return good && is ? len : 0;
}

typedef struct splitter {
    const char *at, *end, *delimiter;
    int64_t delimiter_size, left; /* splits that may still be made; -1: any number */
    bool done;
} splitter;

static void skip_blanks(splitter *s)
{
    int n;
    while ((n = blank_at(s->at, s->end - s->at)) > 0) s->at += n;
}

/* The next part; false: there is none. */
static bool next_part(splitter *s, const char **part, int64_t *size)
{
    if (s->done) return false;
    if (!s->delimiter_size) skip_blanks(s);
    if (!s->delimiter_size && s->at == s->end) return false;
    const char *from = s->at, *to = s->end;
    if (s->left == 0) {
        s->done = true;
    } else if (s->delimiter_size) {
        const char *hit =
            s->at < s->end ? memmem(s->at, (size_t)(s->end - s->at), s->delimiter, (size_t)s->delimiter_size)
                           : NULL;
        if (!hit) s->done = true;
        else to = hit, s->at = hit + s->delimiter_size;
    } else {
        to = s->at;
        while (to < s->end && !blank_at(to, s->end - to)) to++;
        s->at = to;
    }
    if (s->left > 0) s->left--;
    *part = from;
    *size = to - from;
    return true;
}

static splitter split_of(const glia_host *h, const glia_object *x, int64_t i)
{
    const glia_onnx_attr *d = glia_host_attr_of(h, "delimiter", GLIA_ONNX_ATTR_STRING);
    const int64_t most = glia_host_int(h, "maxsplit", -1);
    splitter s = {.left = most < 0 ? -1 : most};
    int64_t size;
    s.at = glia_object_string(x, i, &size);
    s.end = s.at + size;
    if (d) {
        s.delimiter = d->s.text;
        s.delimiter_size = d->s.size;
    }
    return s;
}

static glia_status string_split(glia_host *h)
{
    const glia_object *x = glia_host_need(h, 0, GLIA_OBJECT_STRINGS);
    int64_t dims[GLIA_RANK_MAX], most = 0, size;
    const char *part;
    void *data;
    if (!x) return glia_host_error(h)->status;
    if (x->rank >= GLIA_RANK_MAX) return glia_host_refuse(h, "parts of a tensor of rank %d", x->rank);
    glia_object *counts = glia_host_tensor(h, GLIA_I64, x->rank, x->dims, &data);
    if (!counts) return glia_host_error(h)->status;
    int64_t *count = data;
    for (int64_t i = 0; i < x->count; i++) {
        splitter s = split_of(h, x, i);
        while (next_part(&s, &part, &size)) count[i]++;
        most = glia_max(most, count[i]);
    }
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = most;
    glia_object *o = glia_host_strings(h, x->rank + 1, dims);
    bool good = o != NULL;
    for (int64_t i = 0; good && i < x->count; i++) {
        splitter s = split_of(h, x, i);
        for (int64_t j = 0; good && next_part(&s, &part, &size); j++)
            good = glia_object_put_string(o, i * most + j, part, size);
    }
    if (!good) {
        glia_object_release(o);
        glia_object_release(counts);
        return glia_host_no_object(h);
    }
    glia_host_set(h, 0, o);
    glia_host_set(h, 1, counts);
    return GLIA_OK;
}

/* ---- StringNormalizer */

typedef uint32_t (*case_fn)(uint32_t);

static uint32_t as_it_is(uint32_t c) { return c; }

/* A string in another case, in the arena; the sharp s has two letters in upper case. */
static char *in_case(glia_arena *a, const char *s, int64_t size, case_fn change, int64_t *out_size)
{
    int64_t room, n = 0;
    char *out = glia_mul(size, 4, &room) ? glia_arena_alloc(a, room + 1, 1) : NULL;
    for (int64_t i = 0; out && i < size;) {
        int len;
        bool good;
        const uint32_t c = glia_utf8_decode(s + i, size - i, &len, &good);
        if (!good) out[n++] = s[i];
        else if (c == 0xDF && change == glia_tpl_upper) out[n++] = 'S', out[n++] = 'S';
        else n += glia_utf8_encode(change(c), out + n);
        i += len;
    }
    *out_size = n;
    return out;
}

static bool is_stopword(glia_arena *a, const glia_onnx_attr *stops, const char *s, int64_t size, bool exact,
                        bool *nomem)
{
    int64_t low = size;
    const char *text = exact ? s : in_case(a, s, size, glia_tpl_lower, &low);
    for (int64_t i = 0; text && i < stops->count; i++) {
        int64_t n = stops->strings[i].size;
        const char *stop = stops->strings[i].text;
        if (!exact) stop = in_case(a, stop, n, glia_tpl_lower, &n);
        if (!stop) text = NULL;
        else if (n == low && !memcmp(stop, text, (size_t)n)) return true;
    }
    *nomem |= !text;
    return false;
}

/* Which elements stay: their indices. */
static int64_t *kept_words(glia_host *h, glia_arena *a, const glia_object *x, int64_t *count)
{
    const glia_onnx_attr *stops = glia_host_attr_of(h, "stopwords", GLIA_ONNX_ATTR_STRINGS);
    const bool exact = glia_host_int(h, "is_case_sensitive", 0) != 0;
    int64_t *kept = GLIA_NEW_ARRAY(a, int64_t, x->count);
    glia_arena work;
    bool nomem = !kept;
    *count = 0;
    glia_arena_init(&work, glia_host_os(h), 0);
    for (int64_t i = 0; !nomem && i < x->count; i++) {
        int64_t size;
        const char *s = glia_object_string(x, i, &size);
        const bool drop = stops && is_stopword(&work, stops, s, size, exact, &nomem);
        if (!drop) kept[(*count)++] = i;
        glia_arena_free(&work);
    }
    return nomem ? NULL : kept;
}

static glia_status string_normalizer(glia_host *h)
{
    const glia_object *x = glia_host_need(h, 0, GLIA_OBJECT_STRINGS);
    const char *action = glia_host_string(h, "case_change_action", "NONE");
    const case_fn change = !strcmp(action, "LOWER")   ? glia_tpl_lower
                           : !strcmp(action, "UPPER") ? glia_tpl_upper
                                                      : as_it_is;
    if (!x) return glia_host_error(h)->status;
    if (x->rank < 1 || x->rank > 2 || (x->rank == 2 && x->dims[0] != 1))
        return glia_host_fail(h, "StringNormalizer takes [C] or [1, C]");
    if (change == as_it_is && strcmp(action, "NONE"))
        return glia_host_fail(h, "case_change_action `%.40s`", action);
    glia_arena a;
    glia_arena_init(&a, glia_host_os(h), 0);
    int64_t count, size;
    const int64_t *kept = kept_words(h, &a, x, &count);
    const int64_t dims[2] = {x->rank == 2 ? 1 : glia_max(count, 1), glia_max(count, 1)};
    glia_object *o = kept ? glia_host_strings(h, x->rank, dims) : NULL;
    bool good = o != NULL;
    for (int64_t i = 0; good && i < count; i++) {
        const char *s = glia_object_string(x, kept[i], &size);
        if (change == as_it_is) {
            glia_object_put_handle(o, i, glia_object_handles(x)[kept[i]]);
            continue;
        }
        s = in_case(&a, s, size, change, &size);
        good = s && glia_object_put_string(o, i, s, size);
    }
    glia_arena_free(&a);
    if (good) return give(h, 0, o);
    glia_object_release(o);
    return glia_host_no_object(h);
}

/* ---- RegexFullMatch */

static glia_status regex_full_match(glia_host *h)
{
    const glia_object *x = glia_host_need(h, 0, GLIA_OBJECT_STRINGS);
    const glia_onnx_attr *pattern = glia_host_attr_of(h, "pattern", GLIA_ONNX_ATTR_STRING);
    if (!x) return glia_host_error(h)->status;
    if (!pattern || pattern->kind != GLIA_ONNX_ATTR_STRING)
        return glia_host_fail(h, "RegexFullMatch without a pattern");
    glia_arena a;
    glia_regex *r;
    void *data;
    glia_arena_init(&a, glia_host_os(h), 0);
    glia_status status = glia_regex_compile(&a, pattern->s.text, pattern->s.size, &r, glia_host_error(h));
    glia_object *o = status ? NULL : glia_host_tensor(h, GLIA_BOOL, x->rank, x->dims, &data);
    for (int64_t i = 0; o && i < x->count; i++) {
        int64_t size;
        const char *s = glia_object_string(x, i, &size);
        ((uint8_t *)data)[i] = glia_regex_full_match(r, s, size);
    }
    glia_arena_free(&a);
    return status ? status : give(h, 0, o);
}

static glia_status image_decoder(glia_host *h)
{
    return glia_host_refuse(h, "image formats are not decoded here");
}

const glia_net_op glia_net_ops_text[] = {
    {"", "StringNormalizer", NULL, string_normalizer, 0},
    {"", "StringConcat", NULL, string_concat, 0},
    {"", "StringSplit", NULL, string_split, 0},
    {"", "RegexFullMatch", NULL, regex_full_match, 0},
    {"", "TfIdfVectorizer", NULL, glia_host_tfidf, 0},
    {"", "ImageDecoder", NULL, image_decoder, 0},
    {0},
};
