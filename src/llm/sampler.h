/* What the sampler's own files share. The interface is include/glia/sampler.h.
 *
 *     sampler.c          the object, bias, grammar, mirostat, the draw, log-probabilities
 *     sampler_chain.c    the steps of the chain that keep or weigh candidates
 *     sampler_penalty.c  the steps that look at recent tokens: penalties and dry
 *     sampler_select.c   heaps: the best k, the best until a sum
 *
 * Candidates are two arrays, logit and id, of which a step keeps a part, in an order of its own. */
#ifndef GLIA_LLM_SAMPLER_H
#define GLIA_LLM_SAMPLER_H

#include <glia/sampler.h>

#include "base/arena.h"
#include "llm/grammar.h"
#include "provider/cpu/kernel.h"

enum {
    SAMPLER_STEPS_MAX = 16,
    SAMPLER_DRY_LAST_N = 65536, /* of dry_last_n 0 */
    SAMPLER_STREAM_DRAW = 0,    /* of the generator; block n belongs to position n */
    SAMPLER_STREAM_XTC = 1
};

typedef struct sampler_candidate {
    float key;
    int32_t id;
} sampler_candidate;

typedef struct sampler_dry { /* all null where dry is off */
    int32_t window;
    int32_t *first;  /* [vocab] 1 + the first breaker that begins with the token, 0: none */
    int32_t *next;   /* [breakers] 1 + the next one with the same first token */
    int64_t *begin;  /* [breakers + 1] in o.dry_breakers; each ends with its -1 */
    int32_t *recent; /* [window] newest first */
    int32_t *match;  /* [window] */
} sampler_dry;

struct glia_sampler {
    glia_arena arena;
    const glia_os *os;
    glia_sampler_options o; /* defaults filled in, pointers into the arena */
    int64_t vocab;
    uint8_t steps[SAMPLER_STEPS_MAX]; /* rows of glia_sampler_chain, in order */
    int32_t step_count;
    glia_bound_kernel softmax;
    glia_matcher *matcher; /* null: no grammar */

    uint64_t position;
    double mu; /* mirostat's bound on surprise, in bits */

    int64_t n;
    float *logit;            /* [vocab] of the n candidates */
    int32_t *id;             /* [vocab] */
    bool sorted;             /* best first */
    float *p;                /* [vocab] probabilities, where a step has asked for them */
    sampler_candidate *heap; /* [vocab] */
    int32_t *times;          /* [vocab] all zero between steps */
    sampler_dry dry;
};

typedef struct sampler_step {
    const char *name, *other_name; /* the second is also understood; null: none */
    bool greedy;                   /* also taken at temperature 0, and with mirostat */
    bool (*on)(const glia_sampler_options *o);
    void (*run)(glia_sampler *s, const int32_t *recent, int64_t count);
} sampler_step;
extern const sampler_step glia_sampler_chain[]; /* in the default order, ends with a null name */

/* ---- generate.c: the sampler that these options ask for */
glia_status glia_generate_sampler(const glia_model *m, const glia_generate_options *g, glia_sampler **out,
                                  glia_error *e);

/* ---- sampler_penalty.c */
void glia_sampler_penalise(glia_sampler *s, const int32_t *recent, int64_t count);
void glia_sampler_dry(glia_sampler *s, const int32_t *recent, int64_t count);
/* Indexes o.dry_breakers. GLIA_E_ARG, GLIA_E_NOMEM. */
glia_status glia_sampler_dry_open(glia_sampler *s, glia_error *e);

/* ---- sampler_chain.c */
/* p of the candidates: softmax of logit, in their present order. */
void glia_sampler_probabilities(glia_sampler *s);
float glia_sampler_max(const glia_sampler *s);
void glia_sampler_temper(glia_sampler *s, double temperature);

/* ---- sampler_select.c. Better: the higher key, of equal keys the lower id. */
void glia_sampler_heap(sampler_candidate *h, int64_t n, bool worst_on_top);
void glia_sampler_sift(sampler_candidate *h, int64_t n, bool worst_on_top);
/* The k best of n, best first, into heap; ids null: 0, 1, 2 ..; -infinity is left out. How many there are. */
int64_t glia_sampler_best(const float *keys, const int32_t *ids, int64_t n, int64_t k,
                          sampler_candidate *heap);
/* Keeps the k best candidates, best first. */
void glia_sampler_keep_best(glia_sampler *s, int64_t k);
/* Keeps the fewest candidates, best first, whose probabilities reach `sum`, but at least `least`. */
void glia_sampler_keep_sum(glia_sampler *s, double sum, int64_t least);

#endif
