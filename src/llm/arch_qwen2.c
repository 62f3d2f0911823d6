/* Qwen2 and Qwen2.5.
 *
 * Traps
 * - Rotary pairs are halves (i, i + d/2), unlike LLaMA files.
 * - q, k and v have biases, the output projection has none. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true});
}

const glia_arch glia_arch_qwen2 = {"qwen2", build, {NULL}};
