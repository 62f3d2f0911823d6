/* Gemma 3, text.
 *
 * Traps
 * - As in Gemma 2: norm weights with their 1, embeddings times sqrt(width), four norms a layer, tanh GELU,
 * tied.
 * - q and k are normalised per head before the rotation; there is no soft cap on scores, and one on logits
 * only if the metadata have it.
 * - Five layers with a window, then one that sees all. The former turn with base 10000 (or
 *   `rope.freq_base_swa`) and never with a scaling; the latter with `rope.freq_base`, 1e6, and from 4B on
 * with a linear scaling by 8.
 * - Scores are scaled by 1 / sqrt(head's length), except in the 27B model (62 layers): width / heads. */
#include "llm/arch.h"

#include <math.h>

enum { LAYERS_27B = 62, WINDOW = 1024, PATTERN = 6 };

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
                          .head_norms = GLIA_LM_HEADS_NORMED,
                          .post_norms = true,
                          .activation = "gelu_pytorch_tanh",
                          .embed_scale = sqrt((double)b->width),
                          .attention_scale = attention_scale(b),
                          .final_softcap = glia_lm_float_if(b, "final_logit_softcapping"),
                          .window = glia_lm_int(b, "attention.sliding_window", WINDOW, INT32_MAX),
                          .global_every = glia_lm_int(b, "attention.sliding_window_pattern", PATTERN, 512),
                          .local_base = glia_lm_float(b, "rope.freq_base_swa", 10000, false),
                      });
}

const glia_arch glia_arch_gemma3 = {"gemma3",
                                    build,
                                    {"attention.sliding_window", "attention.sliding_window_pattern",
                                     "attention.scale", "final_logit_softcapping", "rope.freq_base_swa"}};
