/* Qwen3 with experts, and Qwen2 with experts.
 *
 * Traps
 * - Qwen3 divides the chosen weights by their sum, Qwen2 does not; both take the softmax over all experts
 * first.
 * - `feed_forward_length` is of no use where every layer is a mixture; `expert_feed_forward_length` counts.
 * - Qwen2's shared expert has a gate of its own, a single row, through a sigmoid.
 * - Attention is that of the dense models: Qwen3 normalises q and k per head, Qwen2 has biases. */
#include "llm/arch.h"

static void qwen3(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    b->mixture = (glia_lm_mixture){.normalise = true};
    glia_lm_experts(b);
    glia_lm_decode(b, &(glia_lm_decoder){
                          .neox = true, .head_norms = GLIA_LM_HEADS_NORMED, .ffn = glia_lm_mixture_if(b)});
}

static void qwen2(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_experts(b);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true, .ffn = glia_lm_mixture_if(b)});
}

const glia_arch glia_arch_qwen3moe = {"qwen3moe", qwen3, {"expert_count"}};
const glia_arch glia_arch_qwen2moe = {"qwen2moe", qwen2, {"expert_count"}};
