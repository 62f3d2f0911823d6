/* Qwen2 and Qwen2.5.
 *
 * Traps
 * - Rotary pairs are halves (i, i + d/2), unlike LLaMA files.
 * - q, k and v have biases, the output projection has none. */
#include "llm/arch.h"

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, "attention.layer_norm_rms_epsilon");
    glia_value x = glia_lm_begin(b);
    glia_lm_rope_table(b);
    for (int64_t i = 0; i < b->layers && !b->status; i++) {
        long long l = i;
        glia_value h = glia_lm_rms_norm(b, x, glia_lm_name(b, "blk.%lld.attn_norm", l));
        glia_value q = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.attn_q", l));
        glia_value k = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.attn_k", l));
        glia_value v = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.attn_v", l));
        q = glia_lm_heads(b, q, b->heads, b->head_dim, glia_lm_name(b, "blk.%lld.q_heads", l));
        k = glia_lm_heads(b, k, b->groups, b->head_dim, glia_lm_name(b, "blk.%lld.k_heads", l));
        v = glia_lm_heads(b, v, b->groups, b->head_dim, glia_lm_name(b, "blk.%lld.v_heads", l));
        q = glia_lm_rope(b, q, true, glia_lm_name(b, "blk.%lld.q_rope", l));
        k = glia_lm_rope(b, k, true, glia_lm_name(b, "blk.%lld.k_rope", l));
        h = glia_lm_attend(b, i, q, k, v);
        h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.attn_output", l));
        x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.attn_residual", l));
        h = glia_lm_rms_norm(b, x, glia_lm_name(b, "blk.%lld.ffn_norm", l));
        x = glia_lm_add(b, x, glia_lm_swiglu(b, i, h), glia_lm_name(b, "blk.%lld.ffn_residual", l));
    }
    glia_lm_end(b, glia_lm_rms_norm(b, x, "output_norm"));
}

const glia_arch glia_arch_qwen2 = {"qwen2", build};
