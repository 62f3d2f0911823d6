/* OLMo 2.
 *
 * Traps
 * - No norms before the halves of a layer; each half is normalised before it is added.
 * - q and k are normalised over all their heads at once, before they are cut into heads.
 * - Rotary pairs are halves. OLMo 3 has windows (`attention.sliding_window`) and is refused. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(
        b, &(glia_lm_decoder){
               .neox = true, .no_pre_norms = true, .post_norms = true, .head_norms = GLIA_LM_WIDTH_NORMED});
}

const glia_arch glia_arch_olmo2 = {"olmo2", build, {NULL}};
