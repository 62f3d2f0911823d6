/* LLaMA 1, 2, 3, 3.1 and what shares their graph: Mistral, TinyLlama, SmolLM.
 *
 * Traps
 * - GGUF files store q and k rows permuted, so rotary pairs are neighbours (2i, 2i+1), not halves.
 * - LLaMA 3.1's scaling lies in `rope_freqs.weight` (divisors of the frequencies), not in metadata.
 * - With `expert_count` it is Mixtral: a mixture in every layer, the chosen weights divided by their sum, and
 *   `feed_forward_length` that of one expert.
 * - Mistral files are LLaMA files; where one has `attention.sliding_window`, every layer has that window.
 * - Without `output.weight` the token embedding serves (tied), in the same layout. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    b->mixture = (glia_lm_mixture){.normalise = true};
    glia_lm_experts(b);
    glia_lm_decode(b, &(glia_lm_decoder){.window = glia_lm_window(b), .ffn = glia_lm_mixture_if(b)});
}

const glia_arch glia_arch_llama = {"llama", build, {"attention.sliding_window", "expert_count"}};
