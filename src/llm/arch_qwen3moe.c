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
    b->takes_experts = true;
    b->mixture = (glia_lm_mixture){.normalise = true};
    glia_lm_rotary_decoder(b, true, true);
}

static void qwen2(glia_lm_builder *b)
{
    b->takes_experts = true;
    glia_lm_rotary_decoder(b, true, false);
}

const glia_arch glia_arch_qwen3moe = {"qwen3moe", qwen3};
const glia_arch glia_arch_qwen2moe = {"qwen2moe", qwen2};
