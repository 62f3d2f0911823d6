/* Speculation: tokens are guessed, several of them checked in one step, and only those kept that plain
 * decoding would have given.
 *
 * The sampler draws from the model's logits in turn, as ever; guesses only decide whether the logits of the
 * next token are there already. Since a step of five tokens gives the bits of five steps of one, so does
 * generation, greedy or sampled, whatever the guesses. They come from a second, smaller model with the same
 * vocabulary, or from what followed the last tokens when they occurred before. */
#ifndef GLIA_LLM_SPECULATE_H
#define GLIA_LLM_SPECULATE_H

#include "llm/internal.h"

enum { GLIA_GUESSES_MAX = 64, GLIA_GUESSES_DEFAULT = 8 };

typedef struct glia_speculation {
    glia_session *s, *draft; /* draft null: none */
    int32_t sequence;        /* of s; the draft's is 0 */
    int32_t ngram;           /* tokens that must have occurred before; 0: none */
    int32_t most;            /* guesses a step; 0: plain decoding */
    int64_t length;          /* tokens of the sequence that are decided; the guesses lie behind them */
    int32_t row, guessed;    /* of the last step: whose logits were given out, and its guesses */
    uint64_t draft_deadline_ns;
    glia_draft_counts *counts, none;
} glia_speculation;

/* Takes the draft session for this thread. GLIA_E_ARG (G0726, G0727), GLIA_E_BUSY. */
glia_status glia_speculation_open(glia_speculation *x, glia_session *s, const glia_generate_options *o,
                                  glia_error *e);
/* The sequence holds what was handed over; from here on it may hold guesses too. */
void glia_speculation_begin(glia_speculation *x);
/* `id` is the next token; *logits are those after it. Statuses of glia_session_step. */
glia_status glia_speculation_next(glia_speculation *x, int32_t id, const float **logits, glia_error *e);
/* The sequence holds the decided tokens alone again. Also after a failed open. */
void glia_speculation_close(glia_speculation *x);

#endif
