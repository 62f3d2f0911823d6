/* Sampling: from the logits of one position to the next token, and grammars that say which may come.
 *
 * The steps, each only where its option asks for it:
 *
 *     1 logit bias      l[id] += bias
 *     2 grammar         tokens that the grammar does not allow here are forbidden
 *     3 the chain, in the order of `order`:
 *         penalties     over the last penalty_last_n recent tokens; c = how often a token is among them:
 *                       l > 0 ? l / repeat_penalty : l * repeat_penalty, then l -= c * frequency + presence
 *         dry           a token that would continue a repetition of n >= dry_allowed_length tokens loses
 *                       dry_multiplier * dry_base^(n - dry_allowed_length)
 *         top_n_sigma   keeps l >= max - top_n_sigma * (standard deviation of the logits that are finite)
 *         top_k         keeps the k highest, of equal ones the lowest ids
 *         typ_p         keeps the tokens whose -log p is nearest to the entropy, until p passes typical_p
 *         top_p         keeps the fewest, highest first, whose probabilities reach top_p
 *         min_p         keeps those whose probability is at least min_p times the highest
 *         xtc           with xtc_probability: of the tokens of at least xtc_threshold, only the least likely
 *         temperature   l / temperature; with dynatemp_range r the temperature lies in temperature -+ r, as
 *                       (entropy / log n)^dynatemp_exponent goes from 0 to 1
 *     4 draw            p ~ exp(l), with number n of the seed, from a counter-based generator
 *
 * Temperature 0 is greedy: the steps up to dry, then the highest logit, of equal ones the lowest id.
 * Mirostat replaces every cut: bias, grammar, penalties, dry, temperature, then the cut that its state asks
 * for. Every probability is over what earlier steps have left. Zero in an option means that it is off, or
 * the default that stands beside it; the defaults are those that people know, but for temperature.
 *
 * Softmax and sums have a fixed order (docs/sampling.md), so a seed gives the same ids on every machine.
 * Nothing is allocated after creation. A sampler belongs to one sequence: not for two threads at once. */
#ifndef GLIA_SAMPLER_H
#define GLIA_SAMPLER_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glia_sampler glia_sampler;
typedef struct glia_vocab_tree glia_vocab_tree;
typedef struct glia_grammar glia_grammar;

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
    float typical_p;             /* 0..1; 0 and 1: off */
    float top_n_sigma;           /* >= 0; 0: off */
    float xtc_probability;       /* 0..1; 0: off */
    float xtc_threshold;         /* 0..1; 0: 0.1; above 0.5 nothing can be excluded */
    float dynatemp_range;        /* >= 0; 0: off */
    float dynatemp_exponent;     /* >= 0; 0: 1 */
    int32_t min_keep;            /* the cuts top_p, typ_p, min_p and xtc leave at least so many; 0: 1 */
    int32_t mirostat;            /* 0: off, 1, 2 */
    float mirostat_tau;          /* >= 0, the surprise that is aimed at, in bits; 0: 5 */
    float mirostat_eta;          /* >= 0, how fast; 0: 0.1 */
    float dry_multiplier;        /* >= 0; 0: off */
    float dry_base;              /* >= 1; 0: 1.75 */
    int32_t dry_allowed_length;  /* 0: 2 */
    int32_t dry_last_n;          /* recent tokens that are looked at; 0 and -1: 65536 */
    const int32_t *dry_breakers; /* sequences of ids that end a repetition, each followed by -1; copied */
    int64_t dry_breaker_count;   /* entries, the -1 included */
    const char *order;           /* names of the chain separated by ; null: as listed above */
    const glia_grammar *grammar; /* null: none; must outlive the sampler */
} glia_sampler_options;
#define GLIA_SAMPLER_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        .size = sizeof(glia_sampler_options)                                                                 \
    }

/* os null: the default table; options null: greedy. GLIA_E_ARG (G0620, G0622, G0665), GLIA_E_NOMEM. */
GLIA_API glia_status glia_sampler_create(const glia_os *os, int64_t vocab_size,
                                         const glia_sampler_options *options, glia_sampler **out,
                                         glia_error *e);
/* Null is allowed. */
GLIA_API void glia_sampler_destroy(glia_sampler *s);

/* logits [vocab_size], not changed. recent [count]: the tokens so far, newest last (null when count is 0).
 * Chooses a token and takes it: position, mirostat's state and the grammar go on.
 * GLIA_E_GUARD (G0621: a logit is NaN or +infinity, or all are -infinity; G0656: no token fits the grammar),
 * GLIA_E_ARG (G0622), GLIA_E_LIMIT (G0657: the grammar's step budget). On error nothing is drawn. Never
 * allocates. */
GLIA_API glia_status glia_sampler_sample(glia_sampler *s, const float *logits, const int32_t *recent,
                                         int64_t count, int32_t *id, glia_error *e);
/* Takes a token that was chosen elsewhere, as if it had been sampled. GLIA_E_ARG (G0622),
 * GLIA_E_GUARD (G0658: the grammar does not allow it; nothing is changed), GLIA_E_LIMIT (G0657). */
GLIA_API glia_status glia_sampler_accept(glia_sampler *s, int32_t id, glia_error *e);
/* 1: the grammar is at its end and no text can follow (0 without a grammar). */
GLIA_API int glia_sampler_done(const glia_sampler *s);

/* How many tokens were sampled; the next draw is that number of the seed. Setting it replays or rewinds the
 * draws alone; glia_sampler_copy rewinds everything. */
GLIA_API uint64_t glia_sampler_position(const glia_sampler *s);
GLIA_API void glia_sampler_seek(glia_sampler *s, uint64_t position);
/* Back to the beginning: position 0, mirostat and grammar at their start. */
GLIA_API void glia_sampler_reset(glia_sampler *s);
/* Another sampler in the same state, for a fork. GLIA_E_ARG, GLIA_E_NOMEM. */
GLIA_API glia_status glia_sampler_clone(const glia_sampler *s, glia_sampler **out, glia_error *e);
/* Sets `to`, a clone of `from` or the other way round, to the state of `from`. Never allocates.
 * GLIA_E_ARG (G0622: they are not clones). */
GLIA_API glia_status glia_sampler_copy(glia_sampler *to, const glia_sampler *from, glia_error *e);

/* Texts that shall break a repetition (people use "\n", ":", "\"" and "*") as entries for dry_breakers.
 * *count is the number of entries; up to capacity are written, so a first call with capacity 0 tells how
 * many. GLIA_E_ARG (G0622), GLIA_E_NOMEM. */
GLIA_API glia_status glia_sampler_breakers(const glia_model *m, const char *const *texts, int64_t text_count,
                                           int32_t *ids, int64_t capacity, int64_t *count, glia_error *e);

/* Log-probabilities of the model itself: softmax of the raw logits, before bias, grammar and chain. */
typedef struct glia_logprob {
    int32_t id;
    float logprob; /* natural logarithm; -infinity where the logit is */
} glia_logprob;
/* The `count` likeliest, best first (0 <= count <= vocab_size; *found is how many: those of -infinity are
 * left out), and *chosen's own (may be null). GLIA_E_GUARD (G0621), GLIA_E_ARG (G0622). Never allocates. */
GLIA_API glia_status glia_sampler_logprobs(glia_sampler *s, const float *logits, glia_logprob *top,
                                           int64_t count, int64_t *found, glia_logprob *chosen,
                                           glia_error *e);

/* The tokens of a model as a tree of bytes, which grammars are matched against. Immutable: make it once for
 * a model, which must outlive it; any number of threads may share it. GLIA_E_ARG (G0666), GLIA_E_NOMEM,
 * GLIA_E_LIMIT (G0654). */
GLIA_API glia_status glia_vocab_tree_create(const glia_model *m, glia_vocab_tree **out, glia_error *e);
GLIA_API void glia_vocab_tree_destroy(glia_vocab_tree *v); /* after its grammars; null is allowed */

/* A grammar in GBNF (docs/sampling.md). text [size] bytes, not kept. Immutable; threads may share it.
 * GLIA_E_FORMAT with line and column (G0650 to G0653, G0655, G0659), GLIA_E_LIMIT (G0654), GLIA_E_NOMEM,
 * GLIA_E_ARG (G0666). */
GLIA_API glia_status glia_grammar_create(const glia_vocab_tree *v, const char *text, int64_t size,
                                         glia_grammar **out, glia_error *e);
/* The grammar of the JSON texts that a JSON schema allows. GLIA_E_FORMAT (G0401 to G0403, G0660, G0662,
 * G0663), GLIA_E_UNSUPPORTED (G0661, G0664: what is named cannot be kept), GLIA_E_LIMIT (G0654),
 * GLIA_E_NOMEM. */
GLIA_API glia_status glia_grammar_create_json_schema(const glia_vocab_tree *v, const char *text, int64_t size,
                                                     glia_grammar **out, glia_error *e);
/* After the samplers that use it. Null is allowed. */
GLIA_API void glia_grammar_destroy(glia_grammar *g);

#ifdef __cplusplus
}
#endif
#endif
