/* GPT-OSS.
 *
 * Traps
 * - Every other layer, from the first on, sees only a window. Each head has a sink: a logit in the softmax's
 * sum that no value belongs to.
 * - Softmax comes after the choice of experts, over the chosen logits; router, experts and attention have
 * biases.
 * - The activation is not SwiGLU: gate and up are cut at 7, the slope is 1.702, and 1 is added to up.
 * - The norm before the experts is called post_attention_norm.
 * - Yarn's ramp lies between exact dims, where other models round them outwards to whole ones; cosines and
 * sines are scaled by 0.1 ln(factor) + 1.
 * - Rotary pairs are halves; heads are wider than embedding / heads. Experts are published in MXFP4. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    b->mixture = (glia_lm_mixture){.softmax_of_chosen = true, .alpha = 1.702, .limit = 7};
    glia_lm_experts(b);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true,
                                         .sinks = true,
                                         .exact_ramp = true,
                                         .window = glia_lm_window(b),
                                         .global_every = 2,
                                         .ffn_norm = "post_attention_norm",
                                         .ffn = glia_lm_mixture_if(b)});
}

const glia_arch glia_arch_gptoss = {"gpt-oss", build, {"expert_count", "attention.sliding_window"}};
