/* Embeddings: hidden states of a text's tokens, pooled. A decoder's text is computed in steps, an encoder's
 * in one. Pooling sums in double precision, tokens ascending, and rounds once, so that it does not depend on
 * the steps. */
#include "llm/internal.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

glia_pooling glia_model_pooling(const glia_model *m)
{
    if (!m) return GLIA_POOLING_DEFAULT;
    if (m->lm.pooling != GLIA_POOLING_DEFAULT) return m->lm.pooling;
    return m->lm.encoder ? GLIA_POOLING_MEAN : GLIA_POOLING_LAST;
}

void glia_embedding_normalize(float *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    const double length = sqrt(sum);
    for (int64_t i = 0; i < n && length > 0; i++) v[i] = (float)((double)v[i] / length);
}

static glia_status check_text(const glia_session *s, int64_t count, glia_pooling pooling, glia_error *e)
{
    const glia_model_options *o = &s->m->options;
    const bool all = pooling == GLIA_POOLING_MEAN || pooling == GLIA_POOLING_NONE;
    if (count < 1)
        return glia_fail(e, GLIA_E_ARG, "G0716", "a text of %lld tokens; at least one is needed",
                         (long long)count);
    if (count > o->context)
        return glia_fail(e, GLIA_E_CONTEXT, "G0718", "the text has %lld tokens; the context is %lld",
                         (long long)count, (long long)o->context);
    if (s->m->lm.encoder && (count > o->batch || (all && count > o->logit_rows)))
        return glia_fail(
            e, GLIA_E_LIMIT, "G0543",
            "the text has %lld tokens, and architecture `%s` reads a text in one step; a step has at "
            "most %lld tokens here, and gives at most %lld of their states",
            (long long)count, glia_model_architecture(s->m), (long long)o->batch, (long long)o->logit_rows);
    return GLIA_OK;
}

/* Which rows of a step of n tokens are wanted, when `left` tokens come after it. */
static void want_rows(glia_session *s, glia_pooling pooling, int64_t at, int64_t left, glia_batch *b)
{
    b->rows = s->all_rows;
    if (pooling == GLIA_POOLING_MEAN || pooling == GLIA_POOLING_NONE) b->row_count = b->count;
    else if (pooling == GLIA_POOLING_FIRST) b->row_count = at == 0;
    else b->row_count = left == 0;
}

/* The sums are kept in the session's row of doubles; for the mean they are divided at the end. */
static void pool(glia_session *s, glia_pooling pooling, const float *rows, const glia_batch *b, int64_t at,
                 float *out)
{
    const int64_t width = s->m->lm.width;
    if (!b->row_count) return;
    if (pooling == GLIA_POOLING_MEAN) {
        for (int64_t t = 0; t < b->row_count; t++)
            for (int64_t i = 0; i < width; i++) s->pooled[i] += (double)rows[t * width + i];
        return;
    }
    float *to = pooling == GLIA_POOLING_NONE ? out + at * width : out;
    memcpy(to, rows, (size_t)(b->row_count * width) * sizeof *to);
}

static glia_status embed_held(glia_session *s, const int32_t *ids, int64_t count, glia_pooling pooling,
                              float *out, glia_error *e)
{
    const glia_model_options *o = &s->m->options;
    const int64_t width = s->m->lm.width;
    glia_status st = GLIA_OK;
    glia_session_trim_held(s, 0, 0);
    memset(s->pooled, 0, (size_t)width * sizeof *s->pooled);
    for (int64_t at = 0; at < count && !st;) {
        const int64_t most = s->m->lm.encoder ? o->batch : glia_min(o->batch, o->logit_rows);
        const float *rows = NULL;
        int32_t last;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = (int32_t)glia_min(most, count - at);
        b.ids = ids + at;
        want_rows(s, pooling, at, count - at - b.count, &b);
        if (pooling == GLIA_POOLING_LAST) {
            last = b.count - 1;
            b.rows = &last;
        }
        st = glia_session_step_held(s, &b, &rows, e);
        if (!st) pool(s, pooling, rows, &b, at, out);
        at += b.count;
    }
    glia_session_trim_held(s, 0, 0);
    for (int64_t i = 0; !st && pooling == GLIA_POOLING_MEAN && i < width; i++)
        out[i] = (float)(s->pooled[i] / (double)count);
    return st;
}

glia_status glia_session_embed(glia_session *s, const int32_t *ids, int64_t count, glia_pooling pooling,
                               float *out, glia_error *e)
{
    glia_error_clear(e);
    if (!s || !ids || !out) return glia_fail(e, GLIA_E_ARG, "G0714", "the session, ids or out is null");
    if ((int)pooling < GLIA_POOLING_DEFAULT || pooling > GLIA_POOLING_NONE)
        return glia_fail(e, GLIA_E_ARG, "G0544", "there is no pooling number %d", (int)pooling);
    if (!s->m->options.embeddings)
        return glia_fail(e, GLIA_E_STATE, "G0542",
                         "the model was opened for logits; open it with options.embeddings 1");
    if (pooling == GLIA_POOLING_DEFAULT) pooling = glia_model_pooling(s->m);
    glia_status st = check_text(s, count, pooling, e);
    if (!st) st = glia_session_enter(s, e);
    if (st) return st;
    st = embed_held(s, ids, count, pooling, out, e);
    glia_session_leave(s);
    return st;
}
