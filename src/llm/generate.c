/* Generation: the loop of sampling, detokenising and stepping over a sequence. Everything it needs is taken
 * before the first step. */
#include "llm/internal.h"

#include "base/check.h"
#include "llm/sampler.h"
#include "llm/speculate.h"

#include <math.h>
#include <string.h>

typedef struct generation {
    glia_session *s;
    glia_generate_options o;
    glia_sampler *sampler;
    glia_speculation speculation;
    glia_detok detok;
    char *text;
    int64_t text_bytes;
    glia_logprob *top; /* [o.logprobs] */
} generation;

/* The sampler's options, but for the biases. */
static glia_sampler_options sampler_options(const glia_generate_options *g)
{
    glia_sampler_options o = GLIA_SAMPLER_OPTIONS_INIT;
    if (g->sampler) {
        memcpy(&o, g->sampler, g->sampler->size < sizeof o ? g->sampler->size : sizeof o);
        o.size = sizeof o;
        return o;
    }
    o.temperature = g->temperature;
    o.top_k = g->top_k;
    o.top_p = g->top_p;
    o.min_p = g->min_p;
    o.repeat_penalty = g->repeat_penalty;
    o.presence_penalty = g->presence_penalty;
    o.frequency_penalty = g->frequency_penalty;
    o.penalty_last_n = g->penalty_last_n;
    o.seed = g->seed;
    return o;
}

/* All biases in one list: the sampler's, the generation's, and end tokens that are not to come. */
static glia_logit_bias *gather_biases(const glia_model *m, const glia_generate_options *g, glia_arena *a,
                                      const glia_sampler_options *o, int64_t *count)
{
    const int64_t vocab = g->ignore_end == 2 ? glia_tokenizer_vocab_size(m->tokenizer) : 0;
    int64_t n = 0, ends = 0;
    for (int64_t id = 0; id < vocab; id++) ends += glia_tokenizer_is_eog(m->tokenizer, (int32_t)id);
    glia_logit_bias *all = GLIA_NEW_ARRAY(a, glia_logit_bias, o->bias_count + g->bias_count + ends);
    if (!all) return NULL;
    for (int64_t i = 0; i < o->bias_count; i++) all[n++] = o->biases[i];
    for (int32_t i = 0; i < g->bias_count; i++)
        all[n++] = (glia_logit_bias){g->bias_ids[i], g->bias_values[i]};
    for (int64_t id = 0; id < vocab; id++)
        if (glia_tokenizer_is_eog(m->tokenizer, (int32_t)id))
            all[n++] = (glia_logit_bias){(int32_t)id, -INFINITY};
    *count = n;
    return all;
}

glia_status glia_generate_sampler(const glia_model *m, const glia_generate_options *g, glia_sampler **out,
                                  glia_error *e)
{
    glia_sampler_options o = sampler_options(g);
    *out = NULL;
    if (g->bias_count < 0 || (g->bias_count && (!g->bias_ids || !g->bias_values)))
        return glia_fail(e, GLIA_E_ARG, "G0716", "%d logit biases without ids or values", g->bias_count);
    if (o.bias_count < 0 || (o.bias_count && !o.biases))
        return glia_fail(e, GLIA_E_ARG, "G0620", "sampling option bias_count is out of range");
    if (o.dry_last_n <= 0 && o.dry_multiplier > 0 && o.dry_last_n >= -1)
        o.dry_last_n = (int32_t)m->options.context;
    glia_arena a;
    glia_arena_init(&a, m->options.os, 0);
    glia_status st = GLIA_OK;
    o.biases = gather_biases(m, g, &a, &o, &o.bias_count);
    if (!o.biases) st = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for logit biases");
    else st = glia_sampler_create(m->options.os, m->lm.vocab, &o, out, e);
    glia_arena_free(&a);
    return st;
}

static glia_status open_generation(generation *g, glia_error *e)
{
    const glia_model *m = g->s->m;
    const glia_os *os = m->options.os;
    if (g->o.logprobs < 0 || g->o.logprobs > m->lm.vocab)
        return glia_fail(e, GLIA_E_ARG, "G0716", "logprobs is %d; it must be 0 to %lld", g->o.logprobs,
                         (long long)m->lm.vocab);
    glia_status st = glia_generate_sampler(m, &g->o, &g->sampler, e);
    if (st) return st;
    g->text_bytes = glia_tokenizer_piece_max(m->tokenizer) + 64;
    g->text = os->mem_alloc(os->ctx, (size_t)g->text_bytes, 16);
    if (!g->text) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a token's text");
    if (g->o.logprobs && g->o.on_logprobs) {
        g->top = os->mem_alloc(os->ctx, (size_t)g->o.logprobs * sizeof *g->top, 16);
        if (!g->top) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for log-probabilities");
    }
    glia_detok_init(m->tokenizer, &g->detok, GLIA_TOK_CONTINUE);
    return GLIA_OK;
}

static void close_generation(generation *g)
{
    const glia_os *os = g->s->m->options.os;
    glia_sampler_destroy(g->sampler);
    if (g->text) os->mem_free(os->ctx, g->text, (size_t)g->text_bytes);
    if (g->top) os->mem_free(os->ctx, g->top, (size_t)g->o.logprobs * sizeof *g->top);
}

static glia_status tell_logprobs(generation *g, const float *logits, int32_t id, glia_error *e)
{
    glia_logprob chosen = {id, 0};
    int64_t found = 0;
    if (!g->o.on_logprobs) return GLIA_OK;
    const glia_status st =
        glia_sampler_logprobs(g->sampler, logits, g->top, g->top ? g->o.logprobs : 0, &found, &chosen, e);
    if (!st) g->o.on_logprobs(g->o.user, &chosen, g->top, found);
    return st;
}

static glia_status loop(generation *g, const float *logits, int64_t *made, glia_error *e)
{
    glia_session *s = g->s;
    const glia_model *m = s->m;
    for (;;) {
        int32_t id;
        if (glia_sampler_done(g->sampler)) return GLIA_OK;
        glia_status st = glia_sampler_sample(g->sampler, logits, s->sequences[g->o.sequence].tokens,
                                             g->speculation.length, &id, e);
        if (st) return st;
        if (!g->o.ignore_end && id < glia_tokenizer_vocab_size(m->tokenizer) &&
            glia_tokenizer_is_eog(m->tokenizer, id))
            return GLIA_OK;
        st = tell_logprobs(g, logits, id, e);
        if (st) return st;
        ++*made;
        int64_t n = glia_detok_push(m->tokenizer, &g->detok, id, g->text, g->text_bytes);
        if (g->o.on_token && g->o.on_token(g->o.user, id, g->text, n < 0 ? 0 : n)) return GLIA_OK;
        if (g->o.tokens_max && *made >= g->o.tokens_max) return GLIA_OK;
        if (glia_sampler_done(g->sampler)) return GLIA_OK; /* without a step that nobody needs */
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
    if (s->m->options.embeddings)
        return glia_fail(e, GLIA_E_STATE, "G0542",
                         "the model was opened for embeddings; its steps give no logits to generate from");
    if (options) memcpy(&g.o, options, options->size < sizeof g.o ? options->size : sizeof g.o);
    if (g.o.tokens_max < 0)
        return glia_fail(e, GLIA_E_ARG, "G0716", "tokens_max is %lld; it must be 0 or more",
                         (long long)g.o.tokens_max);
    if (g.o.sequence < 0 || g.o.sequence >= s->m->options.sequences)
        return glia_fail(e, GLIA_E_ARG, "G0714", "there is no sequence %d", g.o.sequence);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = glia_speculation_open(&g.speculation, s, &g.o, e);
    if (!st) st = open_generation(&g, e);
    if (!st) st = glia_session_fill_held(s, g.o.sequence, ids, count, &logits, e);
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
