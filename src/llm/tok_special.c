/* Tokens that are looked for in text: control tokens, user-defined ones, and what tokenizer.json adds. Sorted
 * by key; a place in the text narrows the list byte by byte, and the longest that fits wins.
 *
 * Traps: some are looked for in the text as it is, some in the normalized text, where their own key is
 * normalized, too. White characters around a token may belong to it, but never those that an earlier token
 * has taken. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/unicode.h"

#include <string.h>

/* The first index in [lo, hi) whose byte at `depth` is at least c (ended ones come first). */
static int32_t bound(const tok_specials *l, int32_t lo, int32_t hi, int64_t depth, int c)
{
    while (lo < hi) {
        const int32_t mid = lo + (hi - lo) / 2;
        const int have = tok_size(&l->keys, mid) <= depth ? -1 : (uint8_t)tok_at(&l->keys, mid)[depth];
        if (have < c) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static bool word_char(const glia_tokenizer *t, const char *s, int64_t left)
{
    int64_t steps = 0;
    bool far;
    tok_trail trail = {0};
    return left > 0 && glia_tok_regex_match(&t->word, s, 0, left, &trail, &steps, &far) > 0;
}

/* Where the character before s[at] begins. */
static int64_t before(const char *s, int64_t at)
{
    int64_t i = at - 1;
    int len;
    bool ok;
    while (i > 0 && at - i < 4 && ((uint8_t)s[i] & 0xC0) == 0x80) i--;
    glia_utf8_decode(s + i, at - i, &len, &ok);
    return ok && i + len == at ? i : at - 1;
}

static bool white(const char *s, int64_t left, int *len)
{
    bool ok;
    const uint32_t cp = glia_utf8_decode(s, left, len, &ok);
    return ok && tok_unicode_in(cp, TOK_UNI_SPACES);
}

/* Whether the token may stand at [at, end), and what belongs to it. */
static bool fits(const glia_tokenizer *t, int32_t id, const char *text, int64_t from, int64_t at,
                 int64_t size, int64_t *begin, int64_t *end)
{
    const int attributes = t->attributes ? t->attributes[id] : 0;
    int len;
    *begin = at;
    if (attributes & GLIA_TOK_ATTR_WORD) {
        const int64_t b = at > 0 ? before(text, at) : 0;
        if ((at > 0 && word_char(t, text + b, size - b)) || word_char(t, text + *end, size - *end))
            return false;
    }
    if (attributes & GLIA_TOK_ATTR_LSTRIP)
        while (*begin > from) {
            const int64_t b = before(text, *begin);
            if (!white(text + b, size - b, &len)) break;
            *begin = b;
        }
    if (attributes & GLIA_TOK_ATTR_RSTRIP)
        while (*end < size && white(text + *end, size - *end, &len)) *end += len;
    return true;
}

/* Control tokens are the template's alone; in data the tokens that `denied` names are plain text, too. */
static bool is_allowed(const glia_tokenizer *t, int32_t id, bool data, const tok_trust *trust)
{
    if (t->type[id] != GLIA_TOK_TYPE_USER_DEFINED) return trust->control && !data;
    return !(data && trust->denied && trust->denied[id]);
}

int32_t glia_tok_special_at(const glia_tokenizer *t, const tok_specials *l, const char *text, int64_t from,
                            int64_t at, int64_t size, const tok_trust *trust, int64_t *begin, int64_t *end)
{
    int32_t lo = 0, hi = l->count, best = -1;
    bool data = trust->all_data;
    for (int64_t depth = 0; depth < size - at && depth < l->max; depth++) {
        const int c = (uint8_t)text[at + depth];
        data = data || (trust->marks && trust->marks[at + depth]);
        lo = bound(l, lo, hi, depth, c);
        hi = bound(l, lo, hi, depth, c + 1);
        if (lo >= hi) break;
        const int32_t id = l->ids[lo];
        if (tok_size(&l->keys, lo) == depth + 1 && is_allowed(t, id, data, trust)) {
            best = id;
            *end = at + depth + 1;
        }
    }
    return best >= 0 && fits(t, best, text, from, at, size, begin, end) ? best : -1;
}

/* ---- building */

typedef struct order { /* what sorting needs */
    const tok_strings *keys;
    const int32_t *ids;
} order;

/* Orders by bytes, a prefix before what it begins, equal texts by id. */
static int compare(const order *o, int32_t a, int32_t b)
{
    const int64_t na = tok_size(o->keys, a), nb = tok_size(o->keys, b);
    const int c = memcmp(tok_at(o->keys, a), tok_at(o->keys, b), (size_t)glia_min(na, nb));
    if (c) return c;
    if (na != nb) return na < nb ? -1 : 1;
    return o->ids[a] < o->ids[b] ? -1 : o->ids[a] > o->ids[b];
}

static void sift_down(const order *o, int32_t *a, int64_t root, int64_t n)
{
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && compare(o, a[child], a[child + 1]) < 0) child++;
        if (compare(o, a[root], a[child]) >= 0) return;
        const int32_t swap = a[root];
        a[root] = a[child];
        a[child] = swap;
    }
}

/* Heap sort: in place, without recursion, n log n on any input. */
static void sort(const order *o, int32_t *a, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(o, a, i, n);
    for (int64_t i = n - 1; i > 0; i--) {
        const int32_t swap = a[0];
        a[0] = a[i];
        a[i] = swap;
        sift_down(o, a, 0, i);
    }
}

static int attributes_of(const glia_tokenizer *t, int64_t id)
{
    return t->attributes ? t->attributes[id] : 0;
}

static bool is_special(const glia_tokenizer *t, int64_t id, int list)
{
    return (t->type[id] == GLIA_TOK_TYPE_CONTROL || t->type[id] == GLIA_TOK_TYPE_USER_DEFINED ||
            t->type[id] == GLIA_TOK_TYPE_UNKNOWN) &&
           tok_size(&t->text, id) > 0 && !!(attributes_of(t, id) & GLIA_TOK_ATTR_NORMALIZED) == list;
}

/* The key of a token: its piece, normalized for the second list. */
static glia_status add_key(const glia_tokenizer *t, tok_specials *l, int list, int32_t id, tok_text *all,
                           tok_text work[2], int64_t *at, glia_error *e)
{
    const char *key = tok_at(&t->piece, id);
    int64_t size = tok_size(&t->piece, id);
    if (list && t->norm) {
        const glia_status s = glia_tok_norm_apply(t->norm, key, size, false, work, &key, &size, e);
        if (s) return s;
    }
    if (size > TOK_KEY_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "special token %d has %lld bytes; the limit is %d",
                         (int)id, (long long)size, TOK_KEY_MAX);
    if (!size) return GLIA_OK;
    if (!glia_tok_text_push(all, key, size)) return glia_tok_nomem(e);
    l->ids[l->count++] = id;
    at[l->count] = all->size;
    return GLIA_OK;
}

/* Puts ids and keys in order, equal keys once. */
static glia_status arrange(glia_tokenizer *t, tok_specials *l, const tok_strings *keys, glia_error *e)
{
    int32_t *rank = GLIA_NEW_ARRAY(&t->arena, int32_t, l->count + 1);
    int32_t *ids = GLIA_NEW_ARRAY(&t->arena, int32_t, l->count + 1);
    l->keys.at = GLIA_NEW_ARRAY(&t->arena, int64_t, l->count + 1);
    l->keys.bytes = glia_arena_alloc(&t->arena, keys->at[l->count] + 1, 1);
    if (!rank || !ids || !l->keys.at || !l->keys.bytes) return glia_tok_nomem(e);
    for (int32_t i = 0; i < l->count; i++) rank[i] = i;
    const order o = {keys, l->ids};
    sort(&o, rank, l->count);
    int32_t kept = 0;
    for (int32_t i = 0; i < l->count; i++) {
        const char *key = tok_at(keys, rank[i]);
        const int64_t size = tok_size(keys, rank[i]);
        if (kept && tok_size(&l->keys, kept - 1) == size &&
            !memcmp(tok_at(&l->keys, kept - 1), key, (size_t)size))
            continue;
        memcpy(l->keys.bytes + l->keys.at[kept], key, (size_t)size);
        l->keys.at[kept + 1] = l->keys.at[kept] + size;
        ids[kept++] = l->ids[rank[i]];
        l->max = glia_max(l->max, size);
        l->begins[(uint8_t)key[0]] = 1;
    }
    l->ids = ids;
    l->count = kept;
    return GLIA_OK;
}

static glia_status build_list(glia_tokenizer *t, int list, glia_error *e)
{
    tok_specials *l = &t->special[list];
    tok_text all, work[2];
    int64_t n = 0;
    for (int64_t i = 0; i < t->count; i++) n += is_special(t, i, list);
    if (n > TOK_SPECIAL_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "%lld special tokens; the limit is %d", (long long)n,
                         TOK_SPECIAL_MAX);
    if (!n) return GLIA_OK;
    l->ids = GLIA_NEW_ARRAY(&t->arena, int32_t, n + 1);
    int64_t *at = GLIA_NEW_ARRAY(&t->arena, int64_t, n + 1);
    if (!l->ids || !at) return glia_tok_nomem(e);
    glia_tok_text_init(&all, t->os, (int64_t)TOK_KEY_MAX * TOK_SPECIAL_MAX);
    glia_tok_text_init(&work[0], t->os, 0);
    glia_tok_text_init(&work[1], t->os, 0);
    glia_status s = GLIA_OK;
    for (int32_t i = 0; i < t->count && !s; i++)
        if (is_special(t, i, list)) s = add_key(t, l, list, i, &all, work, at, e);
    const tok_strings keys = {all.bytes, at, 0};
    if (!s && l->count) s = arrange(t, l, &keys, e);
    glia_tok_text_free(&all);
    glia_tok_text_free(&work[0]);
    glia_tok_text_free(&work[1]);
    return s;
}

glia_status glia_tok_specials_build(glia_tokenizer *t, glia_error *e)
{
    bool words = false;
    for (int64_t i = 0; i < t->count && t->attributes; i++) words |= t->attributes[i] & GLIA_TOK_ATTR_WORD;
    glia_status s = words ? glia_tok_regex_compile(&t->word, &t->arena, "\\w", 2, false, e) : GLIA_OK;
    for (int list = 0; list < 2 && !s; list++) s = build_list(t, list, e);
    return s;
}
