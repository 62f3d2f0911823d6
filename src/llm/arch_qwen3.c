/* Qwen3 (dense).
 *
 * Traps
 * - The head's length is its own (`attention.key_length`), not embedding / heads.
 * - q and k are normalised per head, with one weight for all heads, before the rotation.
 * - Rotary pairs are halves (i, i + d/2). No biases. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true, .head_norms = GLIA_LM_HEADS_NORMED});
}

const glia_arch glia_arch_qwen3 = {"qwen3", build, {NULL}};
