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
enum {
#ifdef GLIA_HOSTILE
    SETTLE = 1,
#else
    SETTLE = 256, /* bytes that are worth settling */
#endif
};

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

static glia_status fill_keys(glia_tokenizer *t, tok_trie_build *b, glia_error *e)
{
    t->piece.at = GLIA_NEW_ARRAY(&t->arena, int64_t, (int64_t)t->count + 1);
    t->piece.bytes = GLIA_NEW_ARRAY(&t->arena, char, t->text.at[t->count]);
    if (!t->piece.at || !t->piece.bytes) return glia_tok_nomem(e);
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
        tok_key_set(t, i, has_key(t, i) ? TOK_KEY_IS : TOK_KEY_NONE);
        if (!tok_key_get(t, i)) continue;
        t->key_max = glia_max(t->key_max, tok_size(&t->text, i));
        if (!glia_tok_trie_add(b, text, tok_size(&t->text, i), i))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
    for (int k = 0; k < 256; k++) t->byte_fallback |= t->byte_id[k] >= 0;
    return GLIA_OK;
}

static glia_status unigram_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    tok_trie_build b;
    (void)v;
    glia_status s =
        glia_tok_trie_begin(&b, t->os, t->text.at[t->count]) ? fill_keys(t, &b, e) : glia_tok_nomem(e);
    if (!s && !glia_tok_trie_end(&b, &t->trie, &t->arena)) s = glia_tok_nomem(e);
    glia_tok_trie_free(&b);
    return s;
}

static glia_status unigram_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    const double *fine = v->pipeline ? v->pipeline->scores : NULL;
    if (!t->score) return glia_fail(e, GLIA_E_FORMAT, "G0605", "a unigram vocabulary without scores");
    t->walk_score = GLIA_NEW_ARRAY(&t->arena, double, t->count);
    if (!t->walk_score) return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        const double score = fine ? fine[i] : (double)t->score[i];
        t->walk_score[i] = t->type[i] == GLIA_TOK_TYPE_USER_DEFINED ? 0.0 : score;
        const bool counts = fine ? tok_size(&t->text, i) > 0 : t->type[i] == GLIA_TOK_TYPE_NORMAL;
        if (counts && score < t->score_min) t->score_min = score;
    }
    return GLIA_OK;
}

typedef struct place { /* the best way to get here */
    double score;
    int32_t from, id; /* from -1: not reached; id -1: an unknown character */
} place;

/* A search over text[base..size). What lies between base and a place that no token spans is settled there: it
 * is emitted, and the search goes on with the sum it has, so that few places are kept at a time. */
typedef struct search {
    const glia_tokenizer *t;
    const char *text;
    int64_t size, base;
    int64_t ready, reach; /* the last place that there is, and that is reached */
    int64_t unknown;      /* where a run of unknown characters began, or -1 */
    place *best;          /* [ready - base + 1] in the scratch */
    int64_t room;
} search;

/* Makes places up to `to` at least, not reached yet. */
static bool prepare(search *c, int64_t to, tok_scratch *s)
{
    to = glia_min(to + SETTLE, c->size);
    if (to - c->base >= c->room) {
        c->best = glia_tok_scratch_extra(s, (to - c->base + 1) * (int64_t)sizeof(place), &c->room);
        c->room /= (int64_t)sizeof(place);
        if (!c->best) return false;
    }
    while (c->ready < to) c->best[++c->ready - c->base].from = -1;
    return true;
}

/* All ways on from the character [i, i + len). The places are there. */
static void ways_from(search *c, int64_t i, int len)
{
    const glia_tokenizer *t = c->t;
    const tok_trie *r = &t->trie;
    const char *text = c->text + i;
    const int64_t left = c->size - i;
    place *best = c->best + (i - c->base);
    const double here = best->score, unknown = here + (t->score_min - UNKNOWN_PENALTY);
    int64_t far = len;
    int32_t node = 0;
    bool single = false;
    for (int64_t n = 1; n <= left && (node = tok_trie_step(r, node, (uint8_t)text[n - 1])) >= 0; n++) {
        const tok_trie_node *at = &r->nodes[node];
        if (at->id < 0) continue;
        const double sum = here + t->walk_score[at->id];
        single |= n == len;
        far = glia_max(far, n);
        if (best[n].from < 0 || sum > best[n].score) best[n] = (place){sum, (int32_t)i, at->id};
    }
    if (!single && (best[len].from < 0 || unknown > best[len].score))
        best[len] = (place){unknown, (int32_t)i, -1};
    c->reach = glia_max(c->reach, i + far);
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

/* Emits the best way from base to `end`, which becomes the new base. */
static glia_status settle(search *c, int64_t end, tok_scratch *s, tok_out *out, glia_error *e)
{
    const glia_tokenizer *t = c->t;
    glia_status status = GLIA_OK;
    int64_t begin = c->base;
    s->used = 0; /* the ends of the tokens, last first */
    for (int64_t at = end; at > c->base; at = c->best[at - c->base].from)
        if (!tok_scratch_push(s, (int32_t)at)) return glia_tok_nomem(e);
    for (int64_t i = s->used; i-- > 0 && !status;) {
        const int64_t to = s->id[i];
        const int32_t id = c->best[to - c->base].id;
        if (id < 0 && c->unknown < 0) c->unknown = begin;
        if (c->unknown >= 0 && (id >= 0 || !t->fuse_unknown)) {
            status = emit_unknown(t, c->text, c->unknown, id >= 0 ? begin : to, out, e);
            c->unknown = -1;
        }
        if (id >= 0) tok_emit(out, id);
        begin = to;
    }
    c->best[0] = c->best[end - c->base];
    c->base = c->ready = end;
    return status;
}

static glia_status unigram_encode(const glia_tokenizer *t, const char *text, int64_t size, bool first,
                                  tok_scratch *s, tok_out *out, glia_error *e)
{
    search c = {.t = t, .text = text, .size = size, .ready = -1, .unknown = -1};
    const int64_t ahead = glia_max(t->key_max, 4); /* bytes that a key or a character may have */
    glia_status status = GLIA_OK;
    int len;
    bool ok;
    (void)first;
    if (size >= INT32_MAX || !prepare(&c, 0, s)) return glia_tok_nomem(e);
    c.best[0] = (place){0, 0, -1};
    for (int64_t i = 0; i < size; i += len) {
        if (i == c.reach && i - c.base >= SETTLE) status = settle(&c, i, s, out, e);
        if (status) break;
        if ((uint8_t)text[i] < 0x80) len = 1;
        else glia_utf8_decode(text + i, size - i, &len, &ok);
        if (c.ready < glia_min(i + ahead, size) && !prepare(&c, i + ahead, s)) return glia_tok_nomem(e);
        ways_from(&c, i, len);
    }
    if (!status) status = settle(&c, size, s, out, e);
    if (!status && c.unknown >= 0) status = emit_unknown(t, text, c.unknown, size, out, e);
    return status;
}

const tok_kind glia_tok_kind_unigram = {.name = "t5",
                                        .adds_eos = true,
                                        .space_prefix = true,
                                        .keys = unigram_keys,
                                        .pairs = unigram_pairs,
                                        .plan = unigram_plan,
                                        .encode = unigram_encode};
