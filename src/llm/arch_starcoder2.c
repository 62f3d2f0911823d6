/* StarCoder2.
 *
 * Traps
 * - Norms with a mean and a bias (`attention.layer_norm_epsilon`), biases on all products, and a feed-forward
 * half without a gate: down(gelu(up)), GELU in the tanh form.
 * - Rotary pairs are halves. Files do not tell the window of 4096 that the models were trained with. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_NORM_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){.neox = true,
                                         .layer_norms = true,
                                         .gateless = true,
                                         .activation = "gelu_pytorch_tanh",
                                         .window = glia_lm_window(b)});
}

const glia_arch glia_arch_starcoder2 = {"starcoder2", build, {"attention.sliding_window"}};
