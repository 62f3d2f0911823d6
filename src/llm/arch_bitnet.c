/* BitNet b1.58: LLaMA with ternary weights.
 *
 * Traps
 * - Each half has a norm of its own before its last product: attn_sub_norm, ffn_sub_norm.
 * - Two names: `bitnet` files use silu unless `hidden_activation` says relu2 (the square of relu), files of
 *   `bitnet-b1.58` (the 2B model of 2025) relu2.
 * - A weight may have a factor beside it, `NAME.scale`; TQ1_0 and TQ2_0 blocks also carry scales of their
 * own.
 * - Rotary pairs are halves. The output is tied.
 * - The training code quantises activations per token; here they are quantised per block of 256, as for every
 *   weight in blocks of 256 (docs/numerics.md). */
#include "llm/arch.h"

static void build_with(glia_lm_builder *b, const char *activation)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true, .sub_norms = true, .activation = activation});
}

static void build(glia_lm_builder *b) { build_with(b, "silu"); }
static void build_b158(glia_lm_builder *b) { build_with(b, "relu2"); }

const glia_arch glia_arch_bitnet = {"bitnet", build, {NULL}};
const glia_arch glia_arch_bitnet_b158 = {"bitnet-b1.58", build_b158, {NULL}};
