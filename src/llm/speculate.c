/* See speculate.h. One step holds the token that was drawn last and the guesses behind it; row i of its
 * logits follows guess i. As long as the sampler draws what was guessed, the next row is handed out; at the
 * first other token the rest is dropped. */
#include "llm/speculate.h"

#include "base/check.h"

#include <string.h>

/* The pieces of two vocabularies must be the same, id by id, as far as both go. */
static glia_status check_vocabularies(const glia_model *a, const glia_model *b, glia_error *e)
{
    int64_t n = glia_tokenizer_vocab_size(a->tokenizer), m = glia_tokenizer_vocab_size(b->tokenizer);
    if (n != m)
        return glia_fail(e, GLIA_E_ARG, "G0727", "the draft model has %lld tokens, this model %lld",
                         (long long)m, (long long)n);
    for (int64_t id = 0; id < n; id++) {
        char x[256], y[256];
        int64_t p = glia_tokenizer_piece(a->tokenizer, (int32_t)id, x, sizeof x, GLIA_TOK_RENDER);
        int64_t q = glia_tokenizer_piece(b->tokenizer, (int32_t)id, y, sizeof y, GLIA_TOK_RENDER);
        if (p != q || memcmp(x, y, (size_t)glia_max(0, glia_min(p, sizeof x))))
            return glia_fail(e, GLIA_E_ARG, "G0727", "token %lld is another one in the draft model",
                             (long long)id);
    }
    return GLIA_OK;
}

static glia_status check_options(const glia_speculation *x, const glia_generate_options *o, glia_error *e)
{
    const glia_model_options *mo = &x->s->m->options;
    int64_t room = glia_min(mo->logit_rows, mo->batch) - 1;
    if (o->draft_ngram < 0 || o->draft_ngram > GLIA_GUESSES_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0726", "draft_ngram is %d; it must be 0 to %d", o->draft_ngram,
                         GLIA_GUESSES_MAX);
    if (o->draft && o->draft_ngram)
        return glia_fail(e, GLIA_E_ARG, "G0726",
                         "guesses come from a draft session or from n-grams, not both");
    if (o->draft_max < 0 || o->draft_max > glia_min(room, GLIA_GUESSES_MAX) || room < 1)
        return glia_fail(e, GLIA_E_ARG, "G0726",
                         "draft_max is %d; it must be 0 to %lld, one below the model's logit_rows and batch "
                         "and at most %d",
                         o->draft_max, (long long)room, GLIA_GUESSES_MAX);
    if (o->draft && o->draft->m->options.embeddings)
        return glia_fail(e, GLIA_E_ARG, "G0726", "the draft model was opened for embeddings");
    if (o->draft == x->s) return glia_fail(e, GLIA_E_ARG, "G0726", "a session cannot draft for itself");
    return GLIA_OK;
}

glia_status glia_speculation_open(glia_speculation *x, glia_session *s, const glia_generate_options *o,
                                  glia_error *e)
{
    *x = (glia_speculation){.s = s, .sequence = o->sequence};
    x->counts = o->draft_counts ? o->draft_counts : &x->none;
    *x->counts = (glia_draft_counts){0, 0, 0};
    if (!o->draft && !o->draft_ngram) return GLIA_OK;
    glia_status st = check_options(x, o, e);
    if (!st && o->draft) st = check_vocabularies(s->m, o->draft->m, e);
    if (!st && o->draft) st = glia_session_enter(o->draft, e);
    if (st) return st;
    int64_t room = glia_min(s->m->options.logit_rows, s->m->options.batch) - 1;
    x->most = o->draft_max ? o->draft_max : (int32_t)glia_min(room, GLIA_GUESSES_DEFAULT);
    x->ngram = o->draft_ngram;
    x->draft = o->draft;
    if (x->draft) {
        x->draft_deadline_ns = x->draft->deadline_ns;
        x->draft->deadline_ns = s->deadline_ns;
        x->draft->cancelled_by = s->cancelled_by;
    }
    return GLIA_OK;
}

void glia_speculation_begin(glia_speculation *x) { x->length = x->s->sequences[x->sequence].length; }

void glia_speculation_close(glia_speculation *x)
{
    if (x->most && x->length < x->s->sequences[x->sequence].length)
        glia_session_trim_held(x->s, x->sequence, x->length);
    if (!x->draft) return;
    x->draft->deadline_ns = x->draft_deadline_ns;
    x->draft->cancelled_by = &x->draft->cancel;
    glia_session_leave(x->draft);
}

/* ---- guesses ------------------------------------------------------------------------------------------ */

/* What followed the last n of ids [0, count) when they occurred before, the latest time; how many. */
static int32_t guess_by_ngram(const int32_t *ids, int64_t count, int32_t n, int32_t most, int32_t *guesses)
{
    const int32_t *last = ids + count - n;
    for (int64_t at = count - n - 1; at >= 0; at--) {
        if (memcmp(ids + at, last, (size_t)n * sizeof *ids)) continue;
        int32_t found = (int32_t)glia_min(most, count - at - n);
        memcpy(guesses, ids + at + n, (size_t)found * sizeof *ids);
        return found;
    }
    return 0;
}

static int32_t likeliest(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

/* The draft model's likeliest tokens after ids [0, count); as many as its context has room for. */
static glia_status guess_by_model(glia_session *draft, int64_t vocab, const int32_t *ids, int64_t count,
                                  int32_t most, int32_t *guesses, int32_t *found, glia_error *e)
{
    const float *logits = NULL;
    int64_t known = glia_min(vocab, draft->m->lm.vocab), room = draft->m->options.context - count;
    *found = 0;
    if (room < 0) return GLIA_OK;
    most = (int32_t)glia_min(most, room + 1);
    glia_status st = glia_session_fill_held(draft, 0, ids, count, &logits, e);
    while (!st && *found < most) {
        int32_t id = likeliest(logits, known), zero = 0;
        guesses[(*found)++] = id;
        if (*found == most) break;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = b.row_count = 1;
        b.ids = &id;
        b.rows = &zero;
        st = glia_session_step_held(draft, &b, &logits, e);
    }
    return st;
}

static glia_status guess(glia_speculation *x, int32_t *guesses, int32_t *found, glia_error *e)
{
    const glia_sequence *q = &x->s->sequences[x->sequence];
    int64_t count = x->length + 1; /* with the token drawn last */
    int32_t most = (int32_t)glia_min(x->most, x->s->m->options.context - count);
    *found = 0;
    if (most < 1) return GLIA_OK;
    if (x->draft) {
        glia_status st =
            guess_by_model(x->draft, x->s->m->lm.vocab, q->tokens, count, most, guesses, found, e);
        if (st != GLIA_E_LIMIT) return st;
        glia_error_clear(e); /* no pages for the draft: what was guessed until then */
        return GLIA_OK;
    }
    if (x->ngram && count > x->ngram) *found = guess_by_ngram(q->tokens, count, x->ngram, most, guesses);
    return GLIA_OK;
}

/* ---- steps -------------------------------------------------------------------------------------------- */

static glia_status step(glia_speculation *x, const int32_t *ids, int32_t count, const float **logits,
                        glia_error *e)
{
    int32_t rows[1 + GLIA_GUESSES_MAX], sequences[1 + GLIA_GUESSES_MAX];
    glia_batch b = GLIA_BATCH_INIT;
    for (int32_t i = 0; i < count; i++) {
        rows[i] = i;
        sequences[i] = x->sequence;
    }
    b.sequences = sequences;
    b.count = b.row_count = count;
    b.ids = ids;
    b.rows = rows;
    return glia_session_step_held(x->s, &b, logits, e);
}

/* A token whose logits are there already is given out without a step; what would have stopped the step stops
 * it too. */
static glia_status check_stop(const glia_session *s, glia_error *e)
{
    const glia_os *os = s->m->options.os;
    if (atomic_exchange(s->cancelled_by, 0)) return glia_fail(e, GLIA_E_CANCELLED, "G0706", "cancelled");
    if (s->deadline_ns && os->clock_ns(os->ctx) >= s->deadline_ns)
        return glia_fail(e, GLIA_E_DEADLINE, "G0707", "the deadline passed");
    return GLIA_OK;
}

glia_status glia_speculation_next(glia_speculation *x, int32_t id, const float **logits, glia_error *e)
{
    int32_t ids[1 + GLIA_GUESSES_MAX] = {id}, found;
    glia_sequence *q = &x->s->sequences[x->sequence];
    if (x->row < x->guessed && q->tokens[x->length] == id) {
        glia_status stop = check_stop(x->s, e);
        if (stop) return stop;
        x->row++;
        x->length++;
        x->counts->accepted++;
        *logits = x->s->logits + x->row * x->s->m->lm.vocab;
        return GLIA_OK;
    }
    x->row = x->guessed = 0;
    glia_session_trim_held(x->s, x->sequence, x->length);
    if (x->length == x->s->m->options.context) return step(x, ids, 1, logits, e); /* which refuses it */
    q->tokens[x->length] = id; /* behind what the sequence holds */
    glia_status st = guess(x, ids + 1, &found, e);
    if (st) return st;
    st = step(x, ids, 1 + found, logits, e);
    if (st == GLIA_E_LIMIT && found) { /* no pages for guesses: then without */
        glia_error_clear(e);
        found = 0;
        st = step(x, ids, 1, logits, e);
    }
    if (st) return st;
    x->length++;
    x->guessed = found;
    x->counts->steps++;
    x->counts->guessed += found;
    return GLIA_OK;
}
