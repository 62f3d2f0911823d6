/* BERT and what shares its graph (MiniLM, BGE, E5 and others): an encoder that gives embeddings.
 *
 * Traps
 * - Norms come after the sums, also after the embeddings; there is none at the end.
 * - A token's embedding is the sum of its own, its position's and its type's; the type is 0 here, as one text
 * is read at a time.
 * - Every token sees all of its text, so a text is read in one step. Keys and values still pass through the
 * cache, and a token's last position to see is the text's.
 * - GELU is the exact one, by erf. The epsilon is 1e-12.
 * - Positions are learned; a context beyond their table is refused.
 *
 * Refused by name: files without `attention.causal` false, a classifier behind the pooling. */
#include "llm/arch.h"

static glia_value one_row(glia_lm_builder *b, const char *name)
{
    glia_value w = glia_lm_weight_rows(b, name, 0, 1, true);
    return b->status ? w : glia_graph_node(b->g, "decode", glia_lm_name(b, "%s.row", name), &w, 1, NULL);
}

static glia_value embeddings(glia_lm_builder *b)
{
    glia_value x = glia_lm_begin(b), positions = glia_lm_weight(b, "position_embd.weight");
    glia_type t;
    if (b->status || !glia_value_type(b->g, positions, &t)) return x;
    if (t.rank == 2 && t.dims[0] < b->options.context) {
        glia_lm_fail(b, GLIA_E_CONTEXT, "G0509",
                     "a context of %lld tokens was asked for; the model has %lld learned positions",
                     (long long)b->options.context, (long long)t.dims[0]);
        return x;
    }
    x = glia_lm_add(b, x, one_row(b, "token_types.weight"), "embed.typed");
    glia_value p =
        b->status ? (glia_value){0}
                  : glia_graph_node(b->g, "embed", "position", (glia_value[]){positions, b->pos}, 2, NULL);
    x = glia_lm_add(b, x, p, "embed.sum");
    return glia_lm_layer_norm(b, x, "token_embd_norm");
}

static glia_value heads_of(glia_lm_builder *b, long long layer, glia_value x, char which)
{
    x = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.attn_%c", layer, which));
    return glia_lm_heads(b, x, b->heads, b->head_dim, glia_lm_name(b, "blk.%lld.%c_heads", layer, which));
}

static glia_value layer(glia_lm_builder *b, int64_t i, glia_value x)
{
    long long l = i;
    glia_value q = heads_of(b, l, x, 'q'), k = heads_of(b, l, x, 'k'), v = heads_of(b, l, x, 'v');
    glia_value h = glia_lm_attend(b, i, q, k, v, NULL);
    h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.attn_output", l));
    x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.attn_residual", l));
    x = glia_lm_layer_norm(b, x, glia_lm_name(b, "blk.%lld.attn_output_norm", l));
    glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.ffn_up.weight", l), b->hidden, "feed_forward_length");
    h = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.ffn_up", l));
    h = b->status ? h : glia_graph_node(b->g, "gelu_erf", glia_lm_name(b, "blk.%lld.gelu", l), &h, 1, NULL);
    h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.ffn_down", l));
    x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.ffn_residual", l));
    return glia_lm_layer_norm(b, x, glia_lm_name(b, "blk.%lld.layer_output_norm", l));
}

static void build(glia_lm_builder *b)
{
    if (!b->encoder)
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0505",
                     "`%s.attention.causal` is not false; only the encoder is built here", b->arch);
    glia_lm_common(b, GLIA_LM_NORM_EPS);
    glia_value x = embeddings(b);
    for (int64_t i = 0; i < b->layers && !b->status; i++) x = layer(b, i, x);
    glia_lm_embeddings(b, x);
}

const glia_arch glia_arch_bert = {"bert", build, {"attention.causal"}};
