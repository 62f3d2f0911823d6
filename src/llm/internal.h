/* What model.c, session.c and generate.c share. */
#ifndef GLIA_LLM_INTERNAL_H
#define GLIA_LLM_INTERNAL_H

#include "llm/arch.h"
#include "llm/model.h"
#include "session/queue.h"

enum { GLIA_ADAPTERS_MAX = 16 };

struct glia_model {
    glia_model_options options; /* filled in */
    glia_gguf *file;
    glia_gguf *adapters[GLIA_ADAPTERS_MAX];
    glia_lm_graph lm;
    glia_plan *plan;
    glia_tokenizer *tokenizer;
    glia_lane *lane;
    glia_queue queue; /* whose turn on the lane it is */
    void *weights, *packed;
    int64_t pages_a_sequence;
    uint32_t ids, pos, seq, table, rows, logits; /* value ids */
};

struct glia_session {
    glia_model *m;
    _Atomic uint32_t busy, cancel;
    uint64_t deadline_ns;
    void *state;
    int64_t *lengths; /* [sequences] tokens held */
    int64_t *added;   /* [sequences] tokens of the step at hand */
    int32_t *table;   /* [sequences, pages] */
    int32_t *free_pages;
    int64_t free_count;
    int32_t *tokens; /* [context] of sequence 0 */
    float *logits;   /* [logit_rows, vocab] */
};

/* Takes the session for this thread (GLIA_E_BUSY, G0715), and gives it back. */
glia_status glia_session_enter(glia_session *s, glia_error *e);
void glia_session_leave(glia_session *s);
/* glia_session_step and glia_session_prefix, by the thread that holds the session. */
glia_status glia_session_step_held(glia_session *s, const glia_batch *b, const float **logits, glia_error *e);
glia_status glia_session_prefix_held(glia_session *s, const int32_t *ids, int64_t count, const float **logits,
                                     glia_error *e);

/* Bytes of one session's tables. */
int64_t glia_session_bytes(const glia_model *m);

#endif
