/* Operators of com.microsoft that stand for a few of ai.onnx: activations with a bias, embeddings. */
#include "net/ops_words.h"

/* x (+ bias), then an activation: BiasGelu, FastGelu, Gelu, QuickGelu */
static bool emit_gelu(glia_emit *m)
{
    const char *name = glia_emit_op(m);
    glia_value x = glia_emit_in(m, 0), b = *name == 'Q' ? (glia_value){0} : glia_emit_in(m, 1),
               y = glia_word_wide(m, x);
    const double alpha = glia_emit_float(m, "alpha", (double)1.702f);
    if (b.id) y = glia_emit_binary(m, "add", y, glia_word_wide(m, b));
    if (*name == 'Q')
        y = glia_emit_binary(m, "mul", y, glia_word_1(m, "sigmoid", glia_emit_with(m, "mul", y, alpha)));
    else y = glia_word_1(m, *name == 'F' ? "gelu" : "gelu_erf", y);
    glia_emit_set(m, 0, glia_emit_cast(m, y, glia_emit_dtype(m, x)));
    return true;
}

/* Rows of a table; ids outside of it stop the run. */
static glia_value rows_of(glia_emit *m, glia_value table, glia_value ids)
{
    const glia_attr_arg range[] = {GLIA_INT("max", glia_emit_dim(m, table, 0)), {0}};
    ids = glia_emit_node(m, "guard_range", range, 1, ids);
    return glia_emit_node(m, "gather", (glia_attr_arg[]){GLIA_INT("axis", 0), {0}}, 2, table, ids);
}

/* ids, segments?, words, positions, segment table?, gamma, beta, mask?, position ids? */
static bool emit_embed_layer_norm(glia_emit *m)
{
    glia_value ids = glia_emit_in(m, 0), segments = glia_emit_in(m, 1), words = glia_emit_in(m, 2),
               positions = glia_emit_in(m, 3), kinds = glia_emit_in(m, 4), mask = glia_emit_in(m, 7),
               at = glia_emit_in(m, 8);
    const glia_attr_arg eps[] = {GLIA_FLOAT("eps", glia_emit_float(m, "epsilon", (double)1e-12f)), {0}};
    if (!ids.id || !words.id || !positions.id) return false;
    const int64_t n = glia_emit_dim(m, ids, 1), rows[] = {glia_emit_dim(m, ids, 0)}, last[] = {-1};
    if (glia_emit_rank(m, ids) != 2 || n > glia_emit_dim(m, positions, 0))
        return glia_emit_fail(m, "%lld ids for %lld positions", (long long)n,
                              (long long)glia_emit_dim(m, positions, 0));
    glia_value sum = rows_of(m, words, ids);
    sum = glia_emit_binary(m, "add", sum,
                           at.id ? rows_of(m, positions, at) : glia_emit_slice(m, positions, 0, 0, n));
    if (segments.id && kinds.id) sum = glia_emit_binary(m, "add", sum, rows_of(m, kinds, segments));
    glia_emit_set(m, 0, glia_emit_node(m, "layer_norm", eps, 3, sum, glia_emit_in(m, 5), glia_emit_in(m, 6)));
    if (glia_emit_wants(m, 1))
        glia_emit_set(m, 1,
                      mask.id ? glia_word_reduce(m, "sum", glia_emit_cast(m, mask, GLIA_I32), last, 1, false)
                              : glia_emit_fill(m, GLIA_I32, 1, rows, 0));
    if (glia_emit_wants(m, 2)) glia_emit_set(m, 2, sum);
    return true;
}

/* x + bias (+ skip) */
static bool emit_bias_add(glia_emit *m)
{
    glia_value y = glia_emit_binary(m, "add", glia_emit_in(m, 0), glia_emit_in(m, 1));
    if (glia_emit_has(m, 2)) y = glia_emit_binary(m, "add", y, glia_emit_in(m, 2));
    glia_emit_set(m, 0, y);
    return true;
}

const glia_net_op glia_net_ops_fused[] = {
    {"com.microsoft", "BiasAdd", emit_bias_add, NULL, 0},
    {"com.microsoft", "BiasGelu", emit_gelu, NULL, 0},
    {"com.microsoft", "EmbedLayerNormalization", emit_embed_layer_norm, NULL, 0},
    {"com.microsoft", "FastGelu", emit_gelu, NULL, 0},
    {"com.microsoft", "Gelu", emit_gelu, NULL, 0},
    {"com.microsoft", "QuickGelu", emit_gelu, NULL, 0},
    {0},
};
