/* SentencePiece BPE, kind "llama", and BPE over characters with merges, kind "gemma4". Text is split into
 * characters; the neighbours whose joined text is the token of highest score merge, leftmost first among
 * equals; a character without a token is spelled with the tokens of its bytes.
 *
 * Joined texts are looked up once, when the vocabulary is loaded: every way to cut a token into two symbols
 * becomes a row of the pair table, with the score as rank. So encoding compares no strings.
 *
 * Traps: the space mark U+2581 stands for a space; here keys hold real spaces, and a mark written in the text
 * counts as a space, as in the original. A space goes before the text, and again after each special
 * token. Score order is descending. Malformed bytes become byte tokens one by one. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"

#include <string.h>

static const char space_mark[3] = {'\xe2', '\x96', '\x81'};

/* Copies s with marks as spaces; returns the size. */
static int64_t unescape(char *to, const char *s, int64_t size)
{
    int64_t n = 0;
    for (int64_t i = 0; i < size;) {
        if (i + 3 <= size && !memcmp(s + i, space_mark, 3)) {
            to[n++] = ' ';
            i += 3;
        } else to[n++] = s[i++];
    }
    return n;
}

static glia_status spm_byte_tokens(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    for (int32_t i = 0; i < t->count; i++) {
        const int b = glia_tok_byte_of_text(tok_at(&t->text, i), tok_size(&t->text, i));
        if (b >= 0 && !v->types) t->type[i] = GLIA_TOK_TYPE_BYTE;
        if (t->type[i] != GLIA_TOK_TYPE_BYTE) continue;
        if (b < 0)
            return glia_fail(e, GLIA_E_FORMAT, "G0604", "byte token %d is not of the form <0x00> to <0xFF>",
                             (int)i);
        if (t->byte_id[b] < 0) t->byte_id[b] = i;
    }
    for (int32_t i = 0; i < t->count; i++) { /* files whose types do not tell bytes */
        const int b = glia_tok_byte_of_text(tok_at(&t->text, i), tok_size(&t->text, i));
        if (b >= 0 && t->byte_id[b] < 0) t->byte_id[b] = i;
    }
    return GLIA_OK;
}

static bool has_key(const glia_tokenizer *t, int64_t id)
{
    const int type = t->type[id];
    const int64_t size = tok_size(&t->piece, id);
    if (type == GLIA_TOK_TYPE_CONTROL || type == GLIA_TOK_TYPE_UNKNOWN || type == GLIA_TOK_TYPE_BYTE)
        return false;
    return size > 0 && size <= TOK_KEY_MAX &&
           !memchr(tok_at(&t->text, id), ' ', (size_t)tok_size(&t->text, id));
}

/* The size of the first character, malformed bytes alone. */
static int first_char(const char *s, int64_t size)
{
    int len;
    bool ok;
    glia_utf8_decode(s, size, &len, &ok);
    return len;
}

/* The size of the last character. */
static int last_char(const char *s, int64_t size)
{
    for (int n = 1; n <= 4 && n <= size; n++)
        if (((uint8_t)s[size - n] & 0xC0) != 0x80) return first_char(s + size - n, n) == n ? n : 1;
    return 1;
}

/* A token may begin or end with a character that is no token; it needs a number to stand in a pair. */
static glia_status spm_virtuals(glia_tokenizer *t, glia_error *e)
{
    int64_t need = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < t->count; i++) {
            if (!tok_key_get(t, i)) continue;
            const char *s = tok_at(&t->piece, i);
            const int64_t size = tok_size(&t->piece, i);
            const int n[2] = {first_char(s, size), last_char(s, size)};
            for (int k = 0; k < 2; k++) {
                const char *c = k ? s + size - n[k] : s;
                if (tok_key_find(t, c, n[k]) >= 0) continue;
                if (!pass) {
                    need++;
                    continue;
                }
                if (glia_tok_table_find(&t->by_virt, &t->virt, c, n[k], tok_hash(c, n[k])) >= 0) continue;
                const int32_t v = t->virtual_count++;
                memcpy(t->virt.bytes + t->virt.at[v], c, (size_t)n[k]);
                t->virt.at[v + 1] = t->virt.at[v] + n[k];
                if (!glia_tok_table_add(&t->by_virt, &t->virt, v))
                    return glia_fail(e, GLIA_E_LIMIT, "G0608",
                                     "the vocabulary's texts are made to collide (token %d)", (int)i);
            }
        }
        if (pass || !need) break;
        t->virt.at = GLIA_NEW_ARRAY(&t->arena, int64_t, need + 1);
        t->virt.bytes = GLIA_NEW_ARRAY(&t->arena, char, need * 4);
        if (!t->virt.at || !t->virt.bytes || !glia_tok_table_create(&t->by_virt, &t->arena, need))
            return glia_tok_nomem(e);
    }
    return GLIA_OK;
}

/* The symbol that is spelled s, or -1. */
static int32_t symbol_find(const glia_tokenizer *t, const char *s, int64_t size, uint64_t hash)
{
    const int32_t id = glia_tok_table_find(&t->by_key, &t->piece, s, size, hash);
    if (id >= 0 || !t->virtual_count || size > 4) return id;
    const int32_t v = glia_tok_table_find(&t->by_virt, &t->virt, s, size, hash);
    return v < 0 ? -1 : t->count + v;
}

static glia_status spm_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    glia_status s = spm_byte_tokens(t, v, e);
    if (s) return s;
    t->piece.at = GLIA_NEW_ARRAY(&t->arena, int64_t, (int64_t)t->count + 1);
    t->piece.bytes = GLIA_NEW_ARRAY(&t->arena, char, t->text.at[t->count]);
    if (!t->piece.at || !t->piece.bytes || !glia_tok_table_create(&t->by_key, &t->arena, t->count))
        return glia_tok_nomem(e);
    t->words_end_at_spaces = true;
    for (int32_t i = 0; i < t->count; i++) {
        const char *text = tok_at(&t->text, i);
        char *to = t->piece.bytes + t->piece.at[i];
        int64_t size = tok_size(&t->text, i);
        if (t->type[i] == GLIA_TOK_TYPE_BYTE) {
            *to = (char)glia_tok_byte_of_text(text, size);
            size = 1;
        } else if (t->type[i] == GLIA_TOK_TYPE_CONTROL || t->type[i] == GLIA_TOK_TYPE_UNKNOWN) {
            memcpy(to, text, (size_t)size);
        } else size = unescape(to, text, size);
        t->piece.at[i + 1] = t->piece.at[i] + size;
        if (!has_key(t, i)) continue;
        tok_key_set(t, i, TOK_KEY_IS);
        t->key_max = glia_max(t->key_max, size);
        for (int64_t k = 1; k < size; k++)
            if (to[k] == ' ' && to[k - 1] != ' ') t->words_end_at_spaces = false;
        if (!glia_tok_table_add(&t->by_key, &t->piece, i))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
    return spm_virtuals(t, e);
}

/* Maps scores to ranks: a higher score is a lower rank, equal ones are equal. Floats compare as their bits do
 * once the sign is folded in. */
static uint32_t rank_of_score(float score)
{
    uint32_t u;
    memcpy(&u, &score, sizeof u);
    return ~(u >> 31 ? ~u : u | 0x80000000u);
}

/* Every cut of token i into two symbols; add false: only counts. */
static bool spm_cuts(glia_tokenizer *t, int32_t i, bool add, int64_t *count)
{
    uint64_t left[TOK_KEY_MAX + 1], right[TOK_KEY_MAX + 1], power = 1;
    const char *s = tok_at(&t->piece, i);
    const int64_t size = tok_size(&t->piece, i);
    left[0] = right[size] = 0;
    for (int64_t k = 0; k < size; k++) left[k + 1] = tok_hash_add(left[k], (uint8_t)s[k]);
    for (int64_t k = size; k-- > 0; power *= TOK_HASH_BASE)
        right[k] = right[k + 1] + power * ((uint8_t)s[k] + 1u);
    const uint32_t rank = rank_of_score(t->score ? t->score[i] : 0.0f);
    for (int64_t k = 1; k < size; k++) {
        if (((uint8_t)s[k] & 0xC0) == 0x80) continue; /* inside a character */
        const int32_t a = symbol_find(t, s, k, tok_hash_end(left[k]));
        const int32_t b = a < 0 ? -1 : symbol_find(t, s + k, size - k, tok_hash_end(right[k]));
        if (b < 0) continue;
        ++*count;
        if (add && !glia_tok_pairs_add(&t->merges, a, b, rank, i)) return false;
    }
    return true;
}

/* The symbol of the character at s; *len its bytes. */
static int32_t spm_symbol(const glia_tokenizer *t, const char *s, int64_t left, int *len)
{
    bool ok;
    *len = 1;
    if ((uint8_t)*s < 0x80) return t->ascii_id[(uint8_t)*s];
    const uint32_t cp = glia_utf8_decode(s, left, len, &ok);
    if (!ok) return TOK_BYTE((uint8_t)*s);
    if (cp == 0x2581) return t->ascii_id[' '];
    const int32_t id = symbol_find(t, s, *len, tok_hash(s, *len));
    return id < 0 ? TOK_CHAR(cp) : id;
}

static bool spm_symbols(const glia_tokenizer *t, const char *s, int64_t size, tok_scratch *to)
{
    int len;
    for (int64_t i = 0; i < size; i += len)
        if (!tok_scratch_push(to, spm_symbol(t, s + i, size - i, &len))) return false;
    return true;
}

/* The tokens of "left right" and of what they join to; -1 for one that plain text never becomes, such as a
 * control token: that merge has no effect. False: a token is missing. */
static bool merge_parts(const glia_tokenizer *t, const char *s, int64_t size, int32_t parts[3])
{
    char text[2 * TOK_KEY_MAX], joined[2 * TOK_KEY_MAX];
    const char *gap = s && size > 2 && size <= 2 * TOK_KEY_MAX ? memchr(s + 1, ' ', (size_t)size - 1) : NULL;
    if (!gap) return false;
    const int64_t left = gap - s, right = size - left - 1;
    memcpy(text, s, (size_t)left);
    memcpy(text + left, gap + 1, (size_t)right);
    const int64_t at[3] = {0, left, 0}, n[3] = {left, right, left + right};
    for (int i = 0; i < 3; i++) {
        if (!n[i] || glia_tokenizer_find(t, text + at[i], n[i]) < 0) return false;
        parts[i] = tok_key_find(t, joined, unescape(joined, text + at[i], n[i]));
    }
    return true;
}

/* Merges with a rank of their own, "left right", in place of scores. */
static glia_status spm_merges(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    if (v->merge_count > TOK_VOCAB_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "%lld merges; the limit is %lld",
                         (long long)v->merge_count, (long long)TOK_VOCAB_MAX);
    if (!glia_tok_pairs_create(&t->merges, &t->arena, v->merge_count)) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->merge_count; i++) {
        int32_t parts[3]; /* left, right, joined */
        if (!merge_parts(t, v->merges[i], v->merge_size[i], parts))
            return glia_fail(e, GLIA_E_FORMAT, "G0606",
                             "merge %lld is not two tokens with a space between, whose text is a token, too",
                             (long long)i);
        if (parts[0] < 0 || parts[1] < 0 || parts[2] < 0) continue;
        if (!glia_tok_pairs_add(&t->merges, parts[0], parts[1], (uint32_t)i, parts[2]))
            return glia_fail(e, GLIA_E_LIMIT, "G0608", "the merges are made to collide (merge %lld)",
                             (long long)i);
    }
    return GLIA_OK;
}

static glia_status spm_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    int64_t count = 0, again = 0;
    for (int c = 0; c < 128; c++) {
        const char s = (char)c;
        const int32_t id = symbol_find(t, &s, 1, tok_hash(&s, 1));
        t->ascii_id[c] = id < 0 ? TOK_CHAR(c) : id;
    }
    if (t->kind == &glia_tok_kind_gemma || v->pipeline) return spm_merges(t, v, e);
    for (int32_t i = 0; i < t->count; i++)
        if (tok_key_get(t, i) && tok_key_find(t, tok_at(&t->piece, i), tok_size(&t->piece, i)) == i)
            spm_cuts(t, i, false, &count);
    if (!glia_tok_pairs_create(&t->merges, &t->arena, count)) return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        if (!tok_key_get(t, i) || tok_key_find(t, tok_at(&t->piece, i), tok_size(&t->piece, i)) != i)
            continue;
        if (!spm_cuts(t, i, true, &again))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
    return GLIA_OK;
}

/* The bytes of a symbol that is no token. */
static int64_t symbol_bytes(const glia_tokenizer *t, int32_t symbol, char c[4])
{
    if (symbol >= 0) {
        const int64_t size = tok_size(&t->virt, symbol - t->count);
        memcpy(c, tok_at(&t->virt, symbol - t->count), (size_t)size);
        return size;
    }
    if (symbol > TOK_BYTE(0)) return glia_utf8_encode((uint32_t)(-1 - symbol), c);
    c[0] = (char)(TOK_BYTE(0) - symbol);
    return 1;
}

/* Bytes for a character without a token; where the model has none for them, its unknown token, of which
 * neighbours become one if it says so. Without an unknown token such a model drops the character. */
static glia_status emit_stranger(const glia_tokenizer *t, const char *s, int64_t size, bool *unknown,
                                 tok_out *out, glia_error *e)
{
    bool bytes = t->byte_fallback || !t->by_pipeline;
    for (int64_t i = 0; i < size && bytes && t->by_pipeline; i++) bytes = t->byte_id[(uint8_t)s[i]] >= 0;
    for (int64_t i = 0; i < size && bytes; i++) {
        const glia_status status = glia_tok_emit_byte(t, (uint8_t)s[i], out, e);
        if (status) return status;
    }
    if (!bytes && t->unk >= 0 && !(*unknown && t->fuse_unknown)) tok_emit(out, t->unk);
    *unknown = !bytes;
    return GLIA_OK;
}

static glia_status spm_emit(const glia_tokenizer *t, int32_t symbol, bool *unknown, tok_out *out,
                            glia_error *e)
{
    char c[4];
    if (symbol >= 0 && symbol < t->count) {
        tok_emit(out, symbol);
        *unknown = false;
        return GLIA_OK;
    }
    const int64_t size = symbol_bytes(t, symbol, c);
    if (size == 1 && *c == ' ') return emit_stranger(t, space_mark, 3, unknown, out, e);
    return emit_stranger(t, c, size, unknown, out, e);
}

/* The end of the word that begins at `at`: before the next space that follows something else; *hash is the
 * hash of its bytes. Merges never cross there, because no key does. */
static int64_t word_end(const glia_tokenizer *t, const char *s, int64_t at, int64_t size, uint64_t *hash)
{
    uint64_t h = 0;
    int64_t i = at;
    if (!t->words_end_at_spaces) i = size;
    for (; i < size; i++) {
        if (s[i] == ' ' && i > at && s[i - 1] != ' ' && !(i - at >= 3 && !memcmp(s + i - 3, space_mark, 3)))
            break;
        h = tok_hash_add(h, (uint8_t)s[i]);
    }
    *hash = tok_hash_end(h);
    return i;
}

static glia_status spm_encode(const glia_tokenizer *t, const char *text, int64_t size, bool first,
                              tok_scratch *s, tok_out *out, glia_error *e)
{
    bool prefix = first && t->adds_space, unknown = false;
    for (int64_t at = 0, end; at < size; at = end, prefix = false) {
        uint64_t hash;
        end = word_end(t, text, at, size, &hash);
        int32_t key = -1;
        if (!prefix && t->words_end_at_spaces && end - at <= t->key_max)
            key = glia_tok_table_find(&t->by_key, &t->piece, text + at, end - at, hash);
        if (key >= 0 && tok_key_get(t, key) == TOK_KEY_WHOLE) {
            tok_emit(out, key);
            unknown = false;
            continue;
        }
        s->used = 0;
        if (prefix && !tok_scratch_push(s, t->ascii_id[' '])) return glia_tok_nomem(e);
        if (!spm_symbols(t, text + at, end - at, s)) return glia_tok_nomem(e);
        glia_tok_merge(&t->merges, s);
        tok_key_learn(t, key, s);
        for (int64_t i = 0; i < s->used; i++) {
            glia_status status = spm_emit(t, s->id[i], &unknown, out, e);
            if (status) return status;
        }
    }
    return GLIA_OK;
}

const tok_kind glia_tok_kind_spm = {.name = "llama",
                                    .adds_bos = true,
                                    .space_prefix = true,
                                    .keys = spm_keys,
                                    .pairs = spm_pairs,
                                    .encode = spm_encode};

/* Gemma 4: merges of their own, cut at newlines, no space before the text. */
static glia_status gemma_plan(glia_tokenizer *t, const glia_vocab_source *v, tok_norm *norm, glia_error *e)
{
    static const tok_stage stage = TOK_STAGE("[^\\n]+|[\\n]+", TOK_ISOLATED);
    (void)v;
    (void)norm;
    return glia_tok_pretok_build(&t->pretok, &t->arena, &stage, 1, e);
}

const tok_kind glia_tok_kind_gemma = {.name = "gemma4",
                                      .adds_bos = true,
                                      .words = true,
                                      .keys = spm_keys,
                                      .pairs = spm_pairs,
                                      .plan = gemma_plan,
                                      .encode = spm_encode};
