/* SentencePiece unigram, kind "t5": of all ways to spell a text with tokens, the one whose scores add up
 * highest.
 *
 *     best[0] = 0;  best[j] = max over tokens that end at j of best[i] + score(token)
 *
 * by one pass over the characters with a walk of the trie at each (Viterbi). A character that no token of its
 * own spells may always be unknown, for less than any token; runs of unknown ones become one.
 *
 * Traps: of equal sums the first found stays, which is the one with the earlier beginning. The mark U+2581
 * stands for a space; keys keep it, pieces have the space. A walk is at most key_max bytes, so time is
 * linear. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"

#include <string.h>

static const char mark[3] = {'\xe2', '\x96', '\x81'};
#define UNKNOWN_PENALTY 10.0

static glia_status unigram_plan(glia_tokenizer *t, const glia_vocab_source *v, tok_norm *norm, glia_error *e)
{
    tok_norm_step *step;
    bool ok = true;
    if (v->charsmap && v->charsmap_size > 0) {
        step = glia_tok_norm_add(norm, glia_tok_norm_charsmap, 0);
        if (!step) return glia_tok_nomem(e);
        const glia_status s = glia_tok_charsmap_read(&step->map, &t->arena, v->charsmap, v->charsmap_size, e);
        if (s) return s;
    }
    if (v->remove_extra_spaces > 0) ok &= glia_tok_norm_add(norm, glia_tok_norm_collapse, 0) != NULL;
    step = ok ? glia_tok_norm_add(norm, glia_tok_norm_replace, 0) : NULL;
    if (!step) return glia_tok_nomem(e);
    step->text = " ";
    step->text_size = 1;
    step->with = mark;
    step->with_size = 3;
    const struct {
        tok_norm_run *run;
        bool wanted; /* marks at the end go with the spaces there, one that was written, too */
    } ends[] = {{glia_tok_norm_prepend, t->adds_space}, {glia_tok_norm_trim, v->remove_extra_spaces > 0}};
    for (int i = 0; i < GLIA_COUNT(ends); i++) {
        if (!ends[i].wanted) continue;
        step = glia_tok_norm_add(norm, ends[i].run, 0);
        if (!step) return glia_tok_nomem(e);
        step->text = mark;
        step->text_size = 3;
    }
    return GLIA_OK;
}

/* Copies s with marks as spaces; returns the size. */
static int64_t unescape(char *to, const char *s, int64_t size)
{
    int64_t n = 0;
    for (int64_t i = 0; i < size;) {
        const bool space = i + 3 <= size && !memcmp(s + i, mark, 3);
        to[n++] = space ? ' ' : s[i];
        i += space ? 3 : 1;
    }
    return n;
}

static bool has_key(const glia_tokenizer *t, int32_t i)
{
    const int type = t->type[i];
    return (type == GLIA_TOK_TYPE_NORMAL || type == GLIA_TOK_TYPE_USER_DEFINED ||
            type == GLIA_TOK_TYPE_UNUSED) &&
           tok_size(&t->text, i) > 0 && tok_size(&t->text, i) <= TOK_KEY_MAX;
}

static glia_status unigram_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    (void)v;
    t->piece.at = GLIA_NEW_ARRAY(&t->arena, int64_t, (int64_t)t->count + 1);
    t->piece.bytes = GLIA_NEW_ARRAY(&t->arena, char, t->text.at[t->count]);
    if (!t->piece.at || !t->piece.bytes || !glia_tok_trie_create(&t->trie, &t->arena, t->text.at[t->count]))
        return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        const char *text = tok_at(&t->text, i);
        char *to = t->piece.bytes + t->piece.at[i];
        int64_t size = tok_size(&t->text, i);
        const int byte = glia_tok_byte_of_text(text, size);
        if (byte >= 0 && (t->type[i] == GLIA_TOK_TYPE_BYTE || t->byte_fallback)) {
            if (t->byte_id[byte] < 0) t->byte_id[byte] = i;
            t->type[i] = GLIA_TOK_TYPE_BYTE;
            *to = (char)byte;
            size = 1;
        } else if (t->type[i] == GLIA_TOK_TYPE_BYTE)
            return glia_fail(e, GLIA_E_FORMAT, "G0604", "byte token %d is not of the form <0x00> to <0xFF>",
                             (int)i);
        else if (t->type[i] == GLIA_TOK_TYPE_CONTROL || t->type[i] == GLIA_TOK_TYPE_UNKNOWN)
            memcpy(to, text, (size_t)size);
        else size = unescape(to, text, size);
        t->piece.at[i + 1] = t->piece.at[i] + size;
        t->keyed[i] = has_key(t, i);
        if (!t->keyed[i]) continue;
        t->key_max = glia_max(t->key_max, tok_size(&t->text, i));
        if (!glia_tok_trie_add(&t->trie, text, tok_size(&t->text, i), i))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
    for (int b = 0; b < 256; b++) t->byte_fallback |= t->byte_id[b] >= 0;
    return GLIA_OK;
}

static glia_status unigram_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    const double *fine = v->pipeline ? v->pipeline->scores : NULL;
    if (!t->score) return glia_fail(e, GLIA_E_FORMAT, "G0605", "a unigram vocabulary without scores");
    t->fine_score = GLIA_NEW_ARRAY(&t->arena, double, t->count);
    if (!t->fine_score) return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        t->fine_score[i] = fine ? fine[i] : (double)t->score[i];
        const bool counts = fine ? tok_size(&t->text, i) > 0 : t->type[i] == GLIA_TOK_TYPE_NORMAL;
        if (counts && t->fine_score[i] < t->score_min) t->score_min = t->fine_score[i];
    }
    return GLIA_OK;
}

typedef struct place { /* the best way to get here */
    double score;
    int32_t from, id; /* from -1: not reached; id -1: an unknown character */
} place;

/* Fills best[0..size] from left to right. */
static void search(const glia_tokenizer *t, const char *text, int64_t size, place *best)
{
    const double unknown = t->score_min - UNKNOWN_PENALTY;
    int len;
    bool ok;
    for (int64_t i = 0; i <= size; i++) best[i].from = -1;
    best[0] = (place){0, 0, -1};
    for (int64_t i = 0; i < size; i += len) {
        const double here = best[i].score;
        bool single = false;
        glia_utf8_decode(text + i, size - i, &len, &ok);
        int32_t node = 0;
        for (int64_t j = i; j < size; j++) {
            node = glia_tok_trie_step(&t->trie, node, (uint8_t)text[j]);
            if (node < 0) break;
            const int32_t id = t->trie.id[node];
            if (id < 0) continue;
            const double sum = here + (t->type[id] == GLIA_TOK_TYPE_USER_DEFINED ? 0.0 : t->fine_score[id]);
            single |= j + 1 == i + len;
            if (best[j + 1].from < 0 || sum > best[j + 1].score) best[j + 1] = (place){sum, (int32_t)i, id};
        }
        if (!single && (best[i + len].from < 0 || here + unknown > best[i + len].score))
            best[i + len] = (place){here + unknown, (int32_t)i, -1};
    }
}

/* The text [begin, end) is unknown: its bytes, or one token. */
static glia_status emit_unknown(const glia_tokenizer *t, const char *text, int64_t begin, int64_t end,
                                tok_out *out, glia_error *e)
{
    bool bytes = t->byte_fallback;
    for (int64_t i = begin; i < end && bytes; i++) bytes = t->byte_id[(uint8_t)text[i]] >= 0;
    for (int64_t i = begin; i < end && bytes; i++) tok_emit(out, t->byte_id[(uint8_t)text[i]]);
    if (bytes) return GLIA_OK;
    if (t->unk < 0)
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0609",
                         "the vocabulary cannot spell a character, and has no token for the unknown");
    tok_emit(out, t->unk);
    return GLIA_OK;
}

static glia_status unigram_encode(const glia_tokenizer *t, const char *text, int64_t size, bool first,
                                  tok_scratch *s, tok_out *out, glia_error *e)
{
    (void)first;
    int64_t bytes;
    if (!glia_mul(size + 1, (int64_t)sizeof(place), &bytes) || size >= INT32_MAX) return glia_tok_nomem(e);
    place *best = t->os->mem_alloc(t->os->ctx, (size_t)bytes, 64);
    if (!best) return glia_tok_nomem(e);
    search(t, text, size, best);
    glia_status status = GLIA_OK;
    s->used = 0; /* the ends of the tokens, last first */
    for (int64_t at = size; at > 0 && !status; at = best[at].from)
        if (!tok_scratch_push(s, (int32_t)at)) status = glia_tok_nomem(e);
    int64_t begin = 0, unknown = -1; /* where a run of unknown characters began */
    for (int64_t i = s->used; i-- > 0 && !status;) {
        const int64_t end = s->id[i];
        const int32_t id = best[end].id;
        if (id < 0 && unknown < 0) unknown = begin;
        if (unknown >= 0 && (id >= 0 || !t->fuse_unknown)) {
            status = emit_unknown(t, text, unknown, id >= 0 ? begin : end, out, e);
            unknown = -1;
        }
        if (id >= 0) tok_emit(out, id);
        begin = end;
    }
    if (!status && unknown >= 0) status = emit_unknown(t, text, unknown, size, out, e);
    t->os->mem_free(t->os->ctx, best, (size_t)bytes);
    return status;
}

const tok_kind glia_tok_kind_unigram = {.name = "t5",
                                        .adds_eos = true,
                                        .space_prefix = true,
                                        .keys = unigram_keys,
                                        .pairs = unigram_pairs,
                                        .plan = unigram_plan,
                                        .encode = unigram_encode};
