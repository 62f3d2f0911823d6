/* Sampling: from the logits of one position to the next token.
 *
 * The steps, each only where its option asks for it, in this order:
 *
 *     1 logit bias      l[id] += bias
 *     2 penalties       over the last penalty_last_n recent tokens; c = how often a token is among them:
 *                       l > 0 ? l / repeat_penalty : l * repeat_penalty, then l -= c * frequency + presence
 *     3 greedy          temperature 0: the highest logit, of equal ones the lowest id; the rest is skipped
 *     4 top-k           the k highest, of equal ones the lowest ids
 *     5 top-p           the fewest of these, highest first, whose probabilities reach top_p
 *     6 min-p           of these, those whose probability is at least min_p times the highest
 *     7 temperature     p ~ exp(l / temperature)
 *     8 draw            number n of the seed, from a counter-based generator
 *
 * Sums are in double precision in a fixed order with our own exp, so that a seed gives the same ids on
 * every machine. Nothing is allocated after creation, and the work is bounded by vocabulary * log(kept).
 * A sampler belongs to one sequence: not for two threads at once. */
#ifndef GLIA_LLM_SAMPLER_H
#define GLIA_LLM_SAMPLER_H

#include <glia/os.h>

typedef struct glia_logit_bias {
    int32_t id;
    float bias; /* -infinity forbids the token */
} glia_logit_bias;

typedef struct glia_sampler_options {
    uint32_t size;           /* sizeof, set by GLIA_SAMPLER_OPTIONS_INIT */
    float temperature;       /* >= 0; 0: greedy */
    int32_t top_k;           /* 0: off */
    float top_p;             /* 0..1; 0 and 1: off */
    float min_p;             /* 0..1; 0: off */
    float repeat_penalty;    /* >= 0; 0 and 1: off */
    float presence_penalty;  /* finite; 0: off */
    float frequency_penalty; /* finite; 0: off */
    int32_t penalty_last_n;  /* recent tokens that are looked at; 0: 64, -1: all that are given */
    uint64_t seed;
    const glia_logit_bias *biases; /* copied; entries for one id add up */
    int64_t bias_count;
} glia_sampler_options;
#define GLIA_SAMPLER_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        .size = sizeof(glia_sampler_options)                                                                 \
    }

typedef struct glia_sampler glia_sampler;

/* os null: the default table; options null: greedy. GLIA_E_ARG (G0620), GLIA_E_NOMEM. */
glia_status glia_sampler_create(const glia_os *os, int64_t vocab_size, const glia_sampler_options *options,
                                glia_sampler **out, glia_error *e);
/* Null is allowed. */
void glia_sampler_destroy(glia_sampler *s);

/* logits [vocab_size], not changed. recent [count]: the tokens so far, newest last (null when count is 0).
 * GLIA_E_GUARD (G0621: a logit is NaN or +infinity, or all are -infinity), GLIA_E_ARG (G0622). On error
 * nothing is drawn. Never allocates. */
glia_status glia_sampler_sample(glia_sampler *s, const float *logits, const int32_t *recent, int64_t count,
                                int32_t *id, glia_error *e);

/* How many tokens were sampled; the next draw is that number of the seed. Setting it replays or rewinds. */
uint64_t glia_sampler_position(const glia_sampler *s);
void glia_sampler_seek(glia_sampler *s, uint64_t position);

#endif
