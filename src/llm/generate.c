/* Generation: the loop of sampling, detokenising and stepping over sequence 0. Everything it needs is taken
 * before the first step. */
#include "llm/internal.h"

#include "base/check.h"
#include "llm/sampler.h"
#include "llm/speculate.h"

#include <string.h>

typedef struct generation {
    glia_session *s;
    glia_generate_options o;
    glia_sampler *sampler;
    glia_speculation speculation;
    glia_detok detok;
    char *text;
    int64_t text_bytes;
} generation;

static glia_status open_generation(generation *g, glia_error *e)
{
    const glia_model *m = g->s->m;
    const glia_os *os = m->options.os;
    glia_sampler_options so = GLIA_SAMPLER_OPTIONS_INIT;
    so.temperature = g->o.temperature;
    so.top_k = g->o.top_k;
    so.top_p = g->o.top_p;
    so.min_p = g->o.min_p;
    so.repeat_penalty = g->o.repeat_penalty;
    so.presence_penalty = g->o.presence_penalty;
    so.frequency_penalty = g->o.frequency_penalty;
    so.penalty_last_n = g->o.penalty_last_n;
    so.seed = g->o.seed;
    if (g->o.bias_count < 0 || (g->o.bias_count && (!g->o.bias_ids || !g->o.bias_values)))
        return glia_fail(e, GLIA_E_ARG, "G0716", "%d logit biases without ids or values", g->o.bias_count);
    int64_t bias_bytes = g->o.bias_count * (int64_t)sizeof(glia_logit_bias);
    glia_logit_bias *bias = bias_bytes ? os->mem_alloc(os->ctx, (size_t)bias_bytes, 16) : NULL;
    if (bias_bytes && !bias) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for logit biases");
    for (int32_t i = 0; i < g->o.bias_count; i++)
        bias[i] = (glia_logit_bias){g->o.bias_ids[i], g->o.bias_values[i]};
    so.biases = bias;
    so.bias_count = g->o.bias_count;
    glia_status st = glia_sampler_create(os, m->lm.vocab, &so, &g->sampler, e);
    if (bias) os->mem_free(os->ctx, bias, (size_t)bias_bytes);
    if (st) return st;
    g->text_bytes = glia_tokenizer_piece_max(m->tokenizer) + 64;
    g->text = os->mem_alloc(os->ctx, (size_t)g->text_bytes, 16);
    if (!g->text) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a token's text");
    glia_detok_init(m->tokenizer, &g->detok, GLIA_TOK_CONTINUE);
    return GLIA_OK;
}

static void close_generation(generation *g)
{
    const glia_os *os = g->s->m->options.os;
    glia_sampler_destroy(g->sampler);
    if (g->text) os->mem_free(os->ctx, g->text, (size_t)g->text_bytes);
}

static glia_status loop(generation *g, const float *logits, int64_t *made, glia_error *e)
{
    glia_session *s = g->s;
    const glia_model *m = s->m;
    for (;;) {
        int32_t id;
        glia_status st =
            glia_sampler_sample(g->sampler, logits, s->sequences[0].tokens, g->speculation.length, &id, e);
        if (st) return st;
        if (!g->o.ignore_end && id < glia_tokenizer_vocab_size(m->tokenizer) &&
            glia_tokenizer_is_eog(m->tokenizer, id))
            return GLIA_OK;
        ++*made;
        int64_t n = glia_detok_push(m->tokenizer, &g->detok, id, g->text, g->text_bytes);
        if (g->o.on_token && g->o.on_token(g->o.user, id, g->text, n < 0 ? 0 : n)) return GLIA_OK;
        if (g->o.tokens_max && *made >= g->o.tokens_max) return GLIA_OK;
        if (g->speculation.length == m->options.context) {
            if (!g->o.tokens_max) return GLIA_OK;
            return glia_fail(e, GLIA_E_CONTEXT, "G0718",
                             "the context of %lld tokens is full after %lld of %lld new tokens",
                             (long long)m->options.context, (long long)*made, (long long)g->o.tokens_max);
        }
        st = glia_speculation_next(&g->speculation, id, &logits, e);
        if (st) return st;
    }
}

glia_status glia_session_generate(glia_session *s, const int32_t *ids, int64_t count,
                                  const glia_generate_options *options, int64_t *made, glia_error *e)
{
    generation g = {.s = s, .o = GLIA_GENERATE_OPTIONS_INIT};
    int64_t unused;
    const float *logits = NULL;
    glia_error_clear(e);
    if (!made) made = &unused;
    *made = 0;
    if (!s) return glia_fail(e, GLIA_E_ARG, "G0714", "the session is null");
    if (options) memcpy(&g.o, options, options->size < sizeof g.o ? options->size : sizeof g.o);
    if (g.o.tokens_max < 0)
        return glia_fail(e, GLIA_E_ARG, "G0716", "tokens_max is %lld; it must be 0 or more",
                         (long long)g.o.tokens_max);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = glia_speculation_open(&g.speculation, s, &g.o, e);
    if (!st) st = open_generation(&g, e);
    if (!st) st = glia_session_fill_held(s, 0, ids, count, &logits, e);
    glia_speculation_begin(&g.speculation);
    if (!st) st = loop(&g, logits, made, e);
    glia_speculation_close(&g.speculation);
    if (g.text && g.o.on_token) {
        int64_t n = glia_detok_flush(&g.detok, g.text, g.text_bytes);
        g.o.on_token(g.o.user, -1, g.text, n < 0 ? 0 : n);
    }
    close_generation(&g);
    glia_session_leave(s);
    return st;
}
