/* Phi-3, Phi-3.5 and Phi-4 (dense).
 *
 * Traps
 * - q, k and v come from one matrix, gate and up from another (gate first); their rows are split here.
 * - Long-context models have two sets of divisors, rope_factors_long and _short; the session's context
 * decides which serves (see rope.c), and the magnitude of the table is their attn_factor in both cases.
 * - Phi-4-mini rotates a part of the head only (`rope.dimension_count`) and shares the embedding.
 * - `attention.sliding_window` is on all layers; 0 is none. A token sees itself and window - 1 before it. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true, .fused = true, .window = glia_lm_window(b)});
}

const glia_arch glia_arch_phi3 = {"phi3", build, {"attention.sliding_window"}};
