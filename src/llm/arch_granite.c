/* Granite 3 (dense).
 *
 * Traps
 * - LLaMA with four multipliers: embeddings times `embedding_scale`, what each half adds times
 * `residual_scale`, scores times `attention.scale` in place of 1 / sqrt(head's length), logits divided by
 * `logit_scale`.
 * - As in LLaMA files, rotary pairs are neighbours. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, GLIA_LM_RMS_EPS);
    glia_lm_decode(b, &(glia_lm_decoder){
                          .embed_scale = glia_lm_float_if(b, "embedding_scale"),
                          .residual_scale = glia_lm_float_if(b, "residual_scale"),
                          .attention_scale = glia_lm_float_if(b, "attention.scale"),
                          .logit_divisor = glia_lm_float_if(b, "logit_scale"),
                      });
}

const glia_arch glia_arch_granite = {
    "granite", build, {"embedding_scale", "residual_scale", "attention.scale", "logit_scale"}};
