/* SmolLM3.
 *
 * Traps
 * - LLaMA, but every fourth layer (3, 7, 11 …) does not rotate; no key says so.
 * - As in LLaMA files, rotary pairs are neighbours. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.unrotated_every = 4});
}

const glia_arch glia_arch_smollm3 = {"smollm3", build, {NULL}};
