/* Gemma 2.
 *
 * Traps
 * - Files store norm weights with the 1 of (1 + w) already added.
 * - The embedding is multiplied by sqrt(width), rounded to f32 (not to bf16, as the training code did).
 * - Four norms a layer: before and after each half. Layers 0, 2, 4 … have the window, the others see all.
 * - Scores and logits are soft-capped; both caps are in the metadata, 50 and 30 where they are missing.
 * - Scores are scaled by 1 / sqrt(query_pre_attn_scalar), which no key holds: the head's length, except in
 * the 27B model (46 layers), where it is width / heads. `attention.scale`, where a file has it, overrides.
 * - Heads are wider than width / heads (`attention.key_length`). The output is tied. GELU is the tanh form.
 */
#include "llm/arch.h"

#include <math.h>

enum { LAYERS_27B = 46, WINDOW = 4096 };

static double attention_scale(glia_lm_builder *b)
{
    double own = glia_lm_float_if(b, "attention.scale");
    if (own > 0) return own;
    return 1 / sqrt((double)(b->layers == LAYERS_27B ? b->width / b->heads : b->head_dim));
}

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    if (b->status) return;
    glia_lm_decode(b, &(glia_lm_decoder){
                          .neox = true,
                          .post_norms = true,
                          .activation = "gelu_pytorch_tanh",
                          .embed_scale = sqrt((double)b->width),
                          .attention_scale = attention_scale(b),
                          .softcap = glia_lm_float(b, "attn_logit_softcapping", 50, false),
                          .final_softcap = glia_lm_float(b, "final_logit_softcapping", 30, false),
                          .window = glia_lm_int(b, "attention.sliding_window", WINDOW, INT32_MAX),
                          .global_every = 2,
                      });
}

const glia_arch glia_arch_gemma2 = {
    "gemma2",
    build,
    {"attention.sliding_window", "attention.scale", "attn_logit_softcapping", "final_logit_softcapping"}};
