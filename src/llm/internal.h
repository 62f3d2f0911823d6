/* What model.c, session.c, snapshot.c, speculate.c and generate.c share. */
#ifndef GLIA_LLM_INTERNAL_H
#define GLIA_LLM_INTERNAL_H

#include "llm/arch.h"
#include "llm/cache.h"
#include "llm/model.h"
#include "llm/pack.h"
#include "session/queue.h"

enum { GLIA_ADAPTERS_MAX = 16 };

struct glia_model {
    glia_model_options options; /* filled in */
    bool observe;               /* the graph has the outputs of glia_lm_observe */
    glia_gguf *file;
    glia_gguf *adapters[GLIA_ADAPTERS_MAX];
    glia_lm_graph lm;
    glia_plan *plan;
    glia_tokenizer *tokenizer;
    glia_lane *lane;
    glia_queue queue;       /* whose turn on the lane it is */
    void *weights, *packed; /* ours, or in pack.map */
    glia_pack pack;
    int64_t pages_a_sequence, pages;             /* that a table has room for; that a cache has */
    uint32_t ids, pos, seq, table, rows, logits; /* value ids; logits: what steps give */
    uint32_t until;                              /* 0 but for encoders */
    uint8_t graph_identity[32];
};

typedef struct glia_sequence {
    int64_t length;   /* tokens held */
    int64_t added;    /* tokens of the step at hand */
    int32_t *table;   /* [pages_a_sequence], of which the first that hold `length` tokens count */
    int32_t *tokens;  /* [context], of which the first `length` count */
    int32_t replaced; /* the page whose copy the step at hand writes, or -1 */
} glia_sequence;

struct glia_session {
    glia_model *m;
    glia_cache *cache;
    bool owns_cache;
    _Atomic uint32_t busy, cancel;
    _Atomic uint32_t *cancelled_by; /* what stops a step: `cancel`, or that of the session it drafts for */
    uint64_t deadline_ns;
    glia_sequence *sequences;
    int32_t *table;    /* [sequences, pages_a_sequence] */
    float *logits;     /* [logit_rows, glia_model_row_size] */
    int32_t *all_rows; /* [logit_rows] 0, 1, ..; for embeddings */
    double *pooled;    /* [width]; for embeddings */
};

/* Takes the session for this thread (GLIA_E_BUSY, G0715), and gives it back. */
glia_status glia_session_enter(glia_session *s, glia_error *e);
void glia_session_leave(glia_session *s);
/* The calls of the same names, by the thread that holds the session. */
glia_status glia_session_step_held(glia_session *s, const glia_batch *b, const float **logits, glia_error *e);
glia_status glia_session_fill_held(glia_session *s, int32_t sequence, const int32_t *ids, int64_t count,
                                   const float **logits, glia_error *e);
void glia_session_trim_held(glia_session *s, int32_t sequence, int64_t length);

/* Memory for the weights, committed; and back. GLIA_E_NOMEM. */
glia_status glia_model_take_weights(glia_model *m, glia_error *e);
void glia_model_give_weights(glia_model *m);

/* Bytes of one session's tables, its cache not counted. */
int64_t glia_session_bytes(const glia_model *m);

/* identity.c: what distinguishes a graph beyond its file; and a model, for snapshots. GLIA_E_IO. */
void glia_graph_identity(const glia_graph *g, uint8_t out[32]);
glia_status glia_model_identity(const glia_model *m, uint8_t out[32], glia_error *e);

/* Elements of what a step gives of a token: logits, or the hidden state. */
static inline int64_t glia_model_row_size(const glia_model *m)
{
    return m->options.embeddings ? m->lm.width : m->lm.vocab;
}

static inline int64_t glia_pages_of(int64_t tokens)
{
    return (tokens + GLIA_PAGE_TOKENS - 1) / GLIA_PAGE_TOKENS;
}

/* glia_model_open, with what each matrix meets as further outputs of the step's graph. */
glia_status glia_model_prepare_observed(const char *path, const glia_model_options *options, glia_model **out,
                                        glia_error *e);

#endif
