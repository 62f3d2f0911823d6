/* Byte-level BPE, kind "gpt2". An expression cuts the text into words; the bytes of a word are its first
 * symbols; the pair that comes first in the merge list becomes one, leftmost first, until none is left.
 *
 * Vocabularies spell bytes as printable characters (space as U+0120 and so on). Here that spelling is undone
 * once, when the vocabulary is loaded; encoding works on raw bytes.
 *
 * Traps: a token whose spelling has other characters stands for itself and is only ever a special token. Some
 * models take a word that is a token as that token even where merging would not reach it (ignore_merges). */
#include "base/check.h"
#include "llm/tok.h"

#include <string.h>

/* The byte that a character of the alphabet spells, or -1: printable Latin-1 is itself, the others are
 * U+0100, U+0101, ... in ascending order of the byte. */
static int byte_of_char(uint32_t cp)
{
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255)) return (int)cp;
    if (cp < 256 || cp >= 256 + 68) return -1;
    cp -= 256;
    return (int)(cp <= 32 ? cp : cp < 67 ? cp - 33 + 127 : 173);
}

/* Writes the bytes that s spells (at most `size`); -1 when it has a character outside the alphabet, whose
 * characters have one byte or two. */
static int64_t unspell(const glia_tokenizer *t, char *to, const char *s, int64_t size)
{
    int64_t n = 0;
    for (int64_t i = 0; i < size; n++) {
        uint32_t c = (uint8_t)s[i++];
        if (c >= 0x80) {
            if (c < 0xC2 || c > 0xC5 || i == size || ((uint8_t)s[i] & 0xC0) != 0x80) return -1;
            c = (c & 0x1F) << 6 | ((uint8_t)s[i++] & 0x3F);
        }
        if (t->spelled[c] < 0) return -1;
        to[n] = (char)t->spelled[c];
    }
    return n;
}

static glia_status bpe_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    (void)v;
    for (uint32_t c = 0; c < TOK_SPELLED; c++) t->spelled[c] = (int16_t)byte_of_char(c);
    t->piece.at = GLIA_NEW_ARRAY(&t->arena, int64_t, (int64_t)t->count + 1);
    t->piece.bytes = GLIA_NEW_ARRAY(&t->arena, char, t->text.at[t->count]);
    if (!t->piece.at || !t->piece.bytes || !glia_tok_table_create(&t->by_key, &t->arena, t->count))
        return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        const char *text = tok_at(&t->text, i);
        const int64_t size = tok_size(&t->text, i);
        const int type = t->type[i];
        const bool verbatim = type == GLIA_TOK_TYPE_CONTROL || type == GLIA_TOK_TYPE_UNKNOWN ||
                              type == GLIA_TOK_TYPE_USER_DEFINED;
        char *to = t->piece.bytes + t->piece.at[i];
        int64_t n = unspell(t, to, text, size);
        const bool same = n == size && !memcmp(to, text, (size_t)size);
        const bool keyed =
            n > 0 && n <= TOK_KEY_MAX && (!verbatim || (type == GLIA_TOK_TYPE_USER_DEFINED && same));
        if (verbatim || n < 0) {
            memcpy(to, text, (size_t)size);
            n = size;
        }
        t->piece.at[i + 1] = t->piece.at[i] + n;
        if (!keyed) continue;
        tok_key_set(t, i, TOK_KEY_IS);
        t->key_max = glia_max(t->key_max, n);
    }
    const int32_t attacked = glia_tok_table_add_all(&t->by_key, t, &t->piece, t->count, true);
    if (attacked >= 0)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "the vocabulary's texts are made to collide (token %d)",
                         (int)attacked);
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        t->byte_id[b] = tok_key_find(t, &c, 1);
    }
    return GLIA_OK;
}

static bool bpe_symbols(const glia_tokenizer *t, const char *s, int64_t size, tok_scratch *to)
{
    if (!glia_tok_scratch_reserve(to, size)) return false;
    for (int64_t i = 0; i < size; i++) {
        const int32_t id = t->byte_id[(uint8_t)s[i]];
        to->id[i] = id < 0 ? TOK_BYTE((uint8_t)s[i]) : id;
    }
    to->used = size;
    return true;
}

/* Whether a merge is of tokens that are there, but one of them is never made of plain text. */
static bool makes_special(const glia_tokenizer *t, const char *s, int64_t left, int64_t size)
{
    char joined[4 * TOK_KEY_MAX + 1];
    memcpy(joined, s, (size_t)left);
    memcpy(joined + left, s + left + 1, (size_t)(size - left - 1));
    return glia_tokenizer_find(t, s, left) >= 0 &&
           glia_tokenizer_find(t, s + left + 1, size - left - 1) >= 0 &&
           glia_tokenizer_find(t, joined, size - 1) >= 0;
}

static glia_status merges_collide(int64_t i, glia_error *e)
{
    return glia_fail(e, GLIA_E_LIMIT, "G0608", "the merges are made to collide (merge %lld)", (long long)i);
}

/* "left right": both and what they join to must be tokens. */
static glia_status add_merge(glia_tokenizer *t, const char *s, int64_t size, int64_t i, glia_error *e)
{
    char joined[3 * TOK_KEY_MAX];
    const char *gap = size > 2 ? memchr(s + 1, ' ', (size_t)size - 1) : NULL;
    if (!gap || size > 4 * TOK_KEY_MAX + 1)
        return glia_fail(e, GLIA_E_FORMAT, "G0606", "merge %lld is not two tokens with a space between",
                         (long long)i);
    /* A byte is spelled with one or two; longer sides cannot be keys. */
    const int64_t left = gap - s, right = size - left - 1;
    const int64_t n = left > 2 * TOK_KEY_MAX ? -1 : unspell(t, joined, s, left);
    const int64_t m =
        n < 1 || n > TOK_KEY_MAX || right > 2 * TOK_KEY_MAX ? -1 : unspell(t, joined + n, gap + 1, right);
    const int32_t a = n > 0 ? tok_key_find(t, joined, n) : -1,
                  b = m > 0 ? tok_key_find(t, joined + n, m) : -1;
    const int32_t ab = a < 0 || b < 0 ? -1 : tok_key_find(t, joined, n + m);
    if (ab < 0 && makes_special(t, s, left, size)) return GLIA_OK;
    if (ab < 0)
        return glia_fail(e, GLIA_E_FORMAT, "G0606",
                         "merge %lld, \"%.*s\", names a token that the vocabulary does not have",
                         (long long)i, (int)glia_min(size, 80), s);
    return glia_tok_pairs_add(&t->merges, a, b, (uint32_t)i, ab) ? GLIA_OK : merges_collide(i, e);
}

/* A merge on its way. Most merges are found by their spelling as it stands in the list: the lowest token of a
 * spelling, if it has a key, is the one that the key finds. Each step asks memory for what a later one reads.
 */
typedef struct pending {
    const char *text; /* "left right" */
    int64_t left, right;
    uint64_t hash[3]; /* of left, right, and both together */
    int32_t id[3];
} pending;
enum { STRIDE = 8, RING = 4 * STRIDE };

static void merge_hash(const glia_tokenizer *t, pending *m, const char *s, int64_t size)
{
    const char *gap = size > 2 ? memchr(s + 1, ' ', (size_t)size - 1) : NULL;
    *m = (pending){.text = s, .left = gap ? gap - s : 0, .right = gap ? size - (gap - s) - 1 : 0};
    uint64_t l = 0, r = 0;
    for (int64_t i = 0; i < m->left; i++) l = tok_hash_add(l, (uint8_t)s[i]);
    m->hash[0] = tok_hash_end(l);
    for (int64_t i = 0; i < m->right; i++) {
        r = tok_hash_add(r, (uint8_t)gap[1 + i]);
        l = tok_hash_add(l, (uint8_t)gap[1 + i]);
    }
    m->hash[1] = tok_hash_end(r);
    m->hash[2] = tok_hash_end(l);
    for (int i = 0; i < 3; i++) __builtin_prefetch(&t->by_text.slots[m->hash[i] & t->by_text.mask]);
}

/* The first token with the tag of each hash: which it is, the next step will see. */
static void merge_guess(const glia_tokenizer *t, pending *m)
{
    for (int i = 0; i < 3; i++) {
        uint64_t at = m->hash[i] & t->by_text.mask;
        while (t->by_text.slots[at].id >= 0 && t->by_text.slots[at].tag != (uint32_t)(m->hash[i] >> 32))
            at = (at + 1) & t->by_text.mask;
        m->id[i] = t->by_text.slots[at].id;
        if (m->id[i] < 0) continue;
        __builtin_prefetch(&t->text.at[m->id[i]]);
        __builtin_prefetch(&t->keyed[m->id[i]]);
    }
}

/* memcmp for a few bytes, without the call. */
static inline bool same(const char *a, const char *b, int64_t n)
{
    int differ = 0;
    for (int64_t i = 0; i < n; i++) differ |= a[i] ^ b[i];
    return !differ;
}

/* Forgets the guesses unless all of them hold. */
static void merge_check(const glia_tokenizer *t, pending *m)
{
    const int64_t size[3] = {m->left, m->right, m->left + m->right};
    bool ok = m->left > 0;
    for (int i = 0; i < 3 && ok; i++)
        ok = m->id[i] >= 0 && tok_key_get(t, m->id[i]) && tok_size(&t->text, m->id[i]) == size[i];
    const char *right = m->text + m->left + 1;
    ok = ok && same(tok_at(&t->text, m->id[0]), m->text, m->left) &&
         same(tok_at(&t->text, m->id[1]), right, m->right) &&
         same(tok_at(&t->text, m->id[2]), m->text, m->left) &&
         same(tok_at(&t->text, m->id[2]) + m->left, right, m->right);
    if (!ok) m->id[0] = -1;
    else glia_tok_pairs_prefetch(&t->merges, m->id[0], m->id[1]);
}

static glia_status add_merges(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    pending ring[RING];
    for (int64_t i = 0; i < v->merge_count + 3 * STRIDE; i++) {
        const int64_t guess = i - STRIDE, check = guess - STRIDE, add = check - STRIDE;
        if (i < v->merge_count) merge_hash(t, &ring[i % RING], v->merges[i], v->merge_size[i]);
        if (guess >= 0 && guess < v->merge_count) merge_guess(t, &ring[guess % RING]);
        if (check >= 0 && check < v->merge_count) merge_check(t, &ring[check % RING]);
        if (add < 0) continue;
        const pending *m = &ring[add % RING];
        glia_status s = GLIA_OK;
        if (m->id[0] < 0) s = add_merge(t, v->merges[add], v->merge_size[add], add, e);
        else if (!glia_tok_pairs_add(&t->merges, m->id[0], m->id[1], (uint32_t)add, m->id[2]))
            s = merges_collide(add, e);
        if (s) return s;
    }
    return GLIA_OK;
}

static glia_status bpe_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    if (v->merge_count > TOK_VOCAB_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "%lld merges; the limit is %lld",
                         (long long)v->merge_count, (long long)TOK_VOCAB_MAX);
    if (!glia_tok_pairs_create(&t->merges, &t->arena, v->merge_count)) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->merge_count; i++)
        if (v->merge_size[i] < 0 || !v->merges[i])
            return glia_fail(e, GLIA_E_ARG, "G0606", "merge %lld has no text", (long long)i);
    const glia_status s = add_merges(t, v, e);
    for (int32_t i = 0; i < t->count && !s && t->ignore_merges; i++)
        if (tok_key_get(t, i)) tok_key_set(t, i, TOK_KEY_WHOLE);
    return s;
}

/* One word: a token as it is, or what merging its bytes gives. */
static glia_status bpe_encode(const glia_tokenizer *t, const char *word, int64_t size, bool first,
                              tok_scratch *s, tok_out *out, glia_error *e)
{
    (void)first;
    const int32_t key = size <= t->key_max ? tok_key_find(t, word, size) : -1;
    if (key >= 0 && tok_key_get(t, key) == TOK_KEY_WHOLE) {
        tok_emit(out, key);
        return GLIA_OK;
    }
    if (!bpe_symbols(t, word, size, s)) return glia_tok_nomem(e);
    glia_tok_merge(&t->merges, s);
    tok_key_learn(t, key, s);
    for (int64_t i = 0; i < s->used; i++) {
        if (s->id[i] >= 0) {
            tok_emit(out, s->id[i]);
            continue;
        }
        const glia_status status = glia_tok_emit_byte(t, (uint8_t)(TOK_BYTE(0) - s->id[i]), out, e);
        if (status) return status;
    }
    return GLIA_OK;
}

const tok_kind glia_tok_kind_bpe = {
    .name = "gpt2", .words = true, .keys = bpe_keys, .pairs = bpe_pairs, .encode = bpe_encode};
