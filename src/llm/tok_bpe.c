/* Byte-level BPE, kind "gpt2". An expression cuts the text into words; the bytes of a word are its first
 * symbols; the pair that comes first in the merge list becomes one, leftmost first, until none is left.
 *
 * Vocabularies spell bytes as printable characters (space as U+0120 and so on). Here that spelling is undone
 * once, when the vocabulary is loaded; encoding works on raw bytes.
 *
 * Traps: a token whose spelling has other characters stands for itself and is only ever a special token. Some
 * models take a word that is a token as that token even where merging would not reach it (ignore_merges). */
#include "base/check.h"
#include "base/utf8.h"
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

/* Writes the bytes that s spells (at most `size`); -1 when it has a character outside the alphabet. */
static int64_t unspell(char *to, const char *s, int64_t size)
{
    int64_t n = 0;
    int len;
    bool ok;
    for (int64_t i = 0; i < size; i += len) {
        const uint32_t cp = glia_utf8_decode(s + i, size - i, &len, &ok);
        const int b = ok ? byte_of_char(cp) : -1;
        if (b < 0) return -1;
        to[n++] = (char)b;
    }
    return n;
}

static glia_status bpe_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    (void)v;
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
        int64_t n = unspell(to, text, size);
        const bool same = n == size && !memcmp(to, text, (size_t)size);
        const bool keyed =
            n > 0 && n <= TOK_KEY_MAX && (!verbatim || (type == GLIA_TOK_TYPE_USER_DEFINED && same));
        if (verbatim || n < 0) {
            memcpy(to, text, (size_t)size);
            n = size;
        }
        t->piece.at[i + 1] = t->piece.at[i] + n;
        if (!keyed) continue;
        t->keyed[i] = 1;
        t->key_max = glia_max(t->key_max, n);
        if (!glia_tok_table_add(&t->by_key, &t->piece, i))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
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
    const int64_t n = left > 2 * TOK_KEY_MAX ? -1 : unspell(joined, s, left);
    const int64_t m =
        n < 1 || n > TOK_KEY_MAX || right > 2 * TOK_KEY_MAX ? -1 : unspell(joined + n, gap + 1, right);
    const int32_t a = n > 0 ? tok_key_find(t, joined, n) : -1,
                  b = m > 0 ? tok_key_find(t, joined + n, m) : -1;
    const int32_t ab = a < 0 || b < 0 ? -1 : tok_key_find(t, joined, n + m);
    if (ab < 0 && makes_special(t, s, left, size)) return GLIA_OK;
    if (ab < 0)
        return glia_fail(e, GLIA_E_FORMAT, "G0606",
                         "merge %lld, \"%.*s\", names a token that the vocabulary does not have",
                         (long long)i, (int)glia_min(size, 80), s);
    if (!glia_tok_pairs_add(&t->merges, a, b, (uint32_t)i, ab))
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "the merges are made to collide (merge %lld)",
                         (long long)i);
    return GLIA_OK;
}

static glia_status bpe_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    if (v->merge_count > TOK_VOCAB_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "%lld merges; the limit is %lld",
                         (long long)v->merge_count, (long long)TOK_VOCAB_MAX);
    if (!glia_tok_pairs_create(&t->merges, &t->arena, v->merge_count)) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->merge_count; i++) {
        if (v->merge_size[i] < 0 || !v->merges[i])
            return glia_fail(e, GLIA_E_ARG, "G0606", "merge %lld has no text", (long long)i);
        const glia_status s = add_merge(t, v->merges[i], v->merge_size[i], i, e);
        if (s) return s;
    }
    if (!t->ignore_merges) return glia_tok_mark_whole(t, bpe_symbols, e);
    for (int32_t i = 0; i < t->count; i++)
        if (t->keyed[i]) t->keyed[i] = 2;
    return GLIA_OK;
}

/* One word: a token as it is, or what merging its bytes gives. */
static glia_status bpe_encode(const glia_tokenizer *t, const char *word, int64_t size, bool first,
                              tok_scratch *s, tok_out *out, glia_error *e)
{
    (void)first;
    if (size <= t->key_max) {
        const int32_t id = tok_key_find(t, word, size);
        if (id >= 0 && t->keyed[id] == 2) {
            tok_emit(out, id);
            return GLIA_OK;
        }
    }
    if (!bpe_symbols(t, word, size, s)) return glia_tok_nomem(e);
    glia_tok_merge(&t->merges, s);
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
