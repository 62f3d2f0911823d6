/* What model.c and session.c share. */
#ifndef GLIA_LLM_INTERNAL_H
#define GLIA_LLM_INTERNAL_H

#include "llm/arch.h"
#include "llm/model.h"
#include "session/queue.h"

struct glia_model {
    glia_model_options options; /* filled in */
    glia_gguf *file;
    glia_lm_graph lm;
    glia_plan *plan;
    glia_tokenizer *tokenizer;
    glia_lane *lane;
    glia_queue queue; /* whose turn on the lane it is */
    void *weights, *packed;
    int64_t pages_a_sequence;
    uint32_t ids, pos, seq, table, rows, logits; /* value ids */
};

/* Bytes of one session's tables. */
int64_t glia_session_bytes(const glia_model *m);

#endif
