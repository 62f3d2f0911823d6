/* GPT-2.
 *
 * Traps
 * - Positions are learned (`position_embd.weight`), added to the token embedding; a context beyond that table
 * is refused.
 * - q, k and v come from one matrix, one after the other; its rows are split here into three weights, so that
 *   each slot can keep its own heads. GELU is the tanh form. Norms have biases. The output is tied. */
#include "llm/arch.h"

/* The product with rows [part * width, (part + 1) * width) of the fused matrix, by heads. */
static glia_value part_of(glia_lm_builder *b, glia_value x, int64_t layer, int part, const char *name)
{
    long long l = layer;
    glia_value v = glia_lm_linear_rows(b, x, glia_lm_name(b, "blk.%lld.attn_qkv", l), part * b->width,
                                       b->width, glia_lm_name(b, "blk.%lld.%s", l, name));
    return glia_lm_heads(b, v, b->heads, b->head_dim, glia_lm_name(b, "blk.%lld.%s_heads", l, name));
}

static void build(glia_lm_builder *b)
{
    glia_lm_common(b, "attention.layer_norm_epsilon");
    glia_value x = glia_lm_begin(b), positions = glia_lm_weight(b, "position_embd.weight");
    glia_type t;
    if (b->status || !glia_value_type(b->g, positions, &t)) return;
    if (t.rank == 2 && t.dims[0] < b->options.context) {
        glia_lm_fail(b, GLIA_E_CONTEXT, "G0509",
                     "a context of %lld tokens was asked for; the model has %lld learned positions",
                     (long long)b->options.context, (long long)t.dims[0]);
        return;
    }
    x = glia_lm_add(b, x,
                    glia_graph_node(b->g, "embed", "position", (glia_value[]){positions, b->pos}, 2, NULL),
                    "embed.sum");
    for (int64_t i = 0; i < b->layers && !b->status; i++) {
        long long l = i;
        glia_value h = glia_lm_layer_norm(b, x, glia_lm_name(b, "blk.%lld.attn_norm", l));
        glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.attn_qkv.weight", l), 3 * b->width,
                            "embedding_length");
        glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.attn_qkv.bias", l), 3 * b->width,
                            "embedding_length");
        glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.ffn_up.weight", l), b->hidden,
                            "feed_forward_length");
        glia_value q = part_of(b, h, i, 0, "attn_q"), k = part_of(b, h, i, 1, "attn_k"),
                   v = part_of(b, h, i, 2, "attn_v");
        h = glia_lm_linear(b, glia_lm_attend(b, i, q, k, v, NULL),
                           glia_lm_name(b, "blk.%lld.attn_output", l));
        x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.attn_residual", l));
        h = glia_lm_layer_norm(b, x, glia_lm_name(b, "blk.%lld.ffn_norm", l));
        h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.ffn_up", l));
        h = b->status ? h : glia_graph_node(b->g, "gelu", glia_lm_name(b, "blk.%lld.gelu", l), &h, 1, NULL);
        h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.ffn_down", l));
        x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.ffn_residual", l));
    }
    glia_lm_end(b, glia_lm_layer_norm(b, x, "output_norm"));
}

const glia_arch glia_arch_gpt2 = {"gpt2", build, {NULL}};
