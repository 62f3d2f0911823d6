/* Matrix products. Both sides of Glia's products run along their last axis, so the right side is taken with its last
 * two axes swapped; a constant matrix becomes the weight of `linear`. */
#include "net/emitter.h"
#include "net/ops_words.h"

static glia_value swapped(glia_emit *m, glia_value v)
{
    int64_t perm[GLIA_RANK_MAX];
    const int rank = glia_emit_rank(m, v);
    if (!v.id || rank < 2) return v;
    for (int i = 0; i < rank; i++) perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return glia_emit_transpose(m, v, perm);
}

/* Integers: products spread out and summed, exact and wrapping as integers do. */
static glia_value integer_product(glia_emit *m, glia_value a, glia_value w)
{
    const glia_type ta = *glia_emit_type(m, a), tw = *glia_emit_type(m, w);
    int64_t da[GLIA_RANK_MAX], dw[GLIA_RANK_MAX];
    if (ta.rank >= GLIA_RANK_MAX || tw.rank >= GLIA_RANK_MAX) {
        glia_emit_refuse(m, "a product of integers with %d axes", GLIA_RANK_MAX);
        return (glia_value){0};
    }
    memcpy(da, ta.dims, sizeof da);
    memcpy(dw, tw.dims, sizeof dw);
    da[ta.rank] = ta.dims[ta.rank - 1];
    da[ta.rank - 1] = 1;
    dw[tw.rank] = tw.dims[tw.rank - 1];
    dw[tw.rank - 1] = tw.dims[tw.rank - 2];
    dw[tw.rank - 2] = 1;
    a = glia_emit_reshape(m, a, ta.rank + 1, da);
    w = glia_emit_reshape(m, w, tw.rank + 1, dw);
    const int64_t last[] = {-1};
    return glia_word_reduce(m, "sum", glia_emit_binary(m, "mul", a, w), last, 1, false);
}

/* A weight, also one whose bytes are read only when the plan is made. */
static bool is_constant(glia_emit *m, glia_value v)
{
    const glia_value_info *i = v.id ? &m->g->values[v.id] : NULL;
    return i && (i->kind == GLIA_VALUE_CONSTANT || i->kind == GLIA_VALUE_WEIGHT);
}

/* x w^T + bias in f32, its weight as it is kept. */
static glia_value linear(glia_emit *m, glia_value x, glia_value w, glia_value bias)
{
    const glia_dtype t = glia_emit_dtype(m, x);
    if (bias.id) bias = glia_emit_cast(m, bias, GLIA_F32);
    glia_value y = glia_emit_node(m, "linear", NULL, bias.id ? 3 : 2, glia_emit_cast(m, x, GLIA_F32),
                                  glia_emit_as_weight(m, w), bias);
    return glia_emit_cast(m, y, t);
}

static glia_value matmul(glia_emit *m, glia_value a, glia_value w)
{
    const glia_dtype t = glia_emit_dtype(m, a);
    return glia_emit_cast(m, glia_emit_binary(m, "matmul", glia_word_wide(m, a), glia_word_wide(m, w)), t);
}

/* a [.., m, k] and w [.., n, k], both of at least two axes, their leading axes broadcast. */
static glia_value rows_by_rows(glia_emit *m, glia_value a, glia_value w)
{
    const glia_type ta = *glia_emit_type(m, a), tw = *glia_emit_type(m, w);
    const int rank = ta.rank > tw.rank ? ta.rank : tw.rank;
    int64_t dims[GLIA_RANK_MAX];
    bool grows = rank > ta.rank;
    if (!a.id || !w.id) return (glia_value){0};
    if (ta.dims[ta.rank - 1] != tw.dims[tw.rank - 1]) {
        glia_emit_fail(m, "a product over %lld and %lld elements", (long long)ta.dims[ta.rank - 1],
                       (long long)tw.dims[tw.rank - 1]);
        return (glia_value){0};
    }
    for (int i = 0; i < rank; i++) {
        const int ia = i - (rank - ta.rank), iw = i - (rank - tw.rank);
        const int64_t x = ia >= 0 ? ta.dims[ia] : 1, y = iw >= 0 && i < rank - 2 ? tw.dims[iw] : 1;
        dims[i] = x == 1 && i < rank - 2 ? y : x;
        grows |= dims[i] != x;
    }
    if (dims[rank - 1] == 0) { /* sums of nothing */
        dims[rank - 1] = tw.dims[tw.rank - 2];
        return glia_emit_fill(m, ta.dtype, rank, dims, 0);
    }
    if (glia_word_is_int(ta.dtype)) return integer_product(m, a, w);
    if (tw.rank == 2)
        return is_constant(m, w) && ta.dtype != GLIA_F64 ? linear(m, a, w, (glia_value){0}) : matmul(m, a, w);
    /* matmul broadcasts its right side alone: the left one is expanded first. */
    return matmul(m, grows ? glia_emit_expand(m, a, rank, dims) : a, w);
}

/* numpy's matmul of a and b, whose right side is given with its last two axes swapped when `rows`. */
static glia_value product(glia_emit *m, glia_value a, glia_value b, bool rows)
{
    const glia_type ta = *glia_emit_type(m, a), tb = *glia_emit_type(m, b);
    int64_t dims[GLIA_RANK_MAX];
    if (!a.id || !b.id) return (glia_value){0};
    if (ta.rank < 1 || tb.rank < 1) {
        glia_emit_fail(m, "a product with a scalar");
        return (glia_value){0};
    }
    if (ta.rank == 1) a = glia_emit_reshape(m, a, 2, (int64_t[]){1, ta.dims[0]});
    if (tb.rank == 1) b = glia_emit_reshape(m, b, 2, (int64_t[]){1, tb.dims[0]});
    else if (!rows) b = swapped(m, b);
    glia_value y = rows_by_rows(m, a, b);
    if (ta.rank > 1 && tb.rank > 1) return y;
    const glia_type t = *glia_emit_type(m, y);
    int rank = 0;
    for (int i = 0; i < t.rank; i++)
        if (!(i == t.rank - 2 && ta.rank == 1) && !(i == t.rank - 1 && tb.rank == 1))
            dims[rank++] = t.dims[i];
    return y.id ? glia_emit_reshape(m, y, rank, dims) : y;
}

static bool emit_matmul(glia_emit *m)
{
    glia_emit_set(m, 0, product(m, glia_emit_in(m, 0), glia_emit_in(m, 1), false));
    return true;
}

/* alpha op(a) op(b) + beta c. Factors of constants are folded, so that none is left at run time. */
static bool emit_gemm(glia_emit *m)
{
    glia_value a = glia_emit_in(m, 0), b = glia_emit_in(m, 1), c = glia_emit_in(m, 2);
    const double alpha = glia_emit_float(m, "alpha", 1), beta = glia_emit_float(m, "beta", 1);
    const bool rows = glia_emit_int(m, "transB", 0) != 0;
    if (!a.id || !b.id) return false;
    if (glia_emit_rank(m, a) != 2 || glia_emit_rank(m, b) != 2)
        return glia_emit_fail(m, "a Gemm of tensors with %d and %d axes", glia_emit_rank(m, a),
                              glia_emit_rank(m, b));
    if (glia_emit_int(m, "transA", 0)) a = swapped(m, a);
    const glia_dtype t = glia_emit_dtype(m, a);
    glia_value w = rows ? b : swapped(m, b), y = {0};
    if (c.id && beta != 1 && beta != 0) c = glia_emit_with(m, "mul", c, beta);
    const bool row_bias = c.id && beta != 0 && glia_emit_dim(m, w, 1) > 0 &&
                          glia_emit_elements(m, c) == glia_emit_dim(m, w, 0) &&
                          (glia_emit_rank(m, c) == 1 || glia_emit_dim(m, c, 0) == 1);
    if (!glia_word_is_int(t) && t != GLIA_F64 && is_constant(m, w) && row_bias && alpha == 1) {
        glia_emit_set(m, 0, linear(m, a, w, glia_word_reshape1(m, c, glia_emit_dim(m, w, 0))));
        return true;
    }
    y = rows_by_rows(m, a, w);
    if (alpha != 1) y = glia_emit_with(m, "mul", y, alpha);
    if (c.id && beta != 0) y = glia_emit_binary(m, "add", y, c);
    glia_emit_set(m, 0, y);
    return true;
}

/* The axes of a tensor as FusedMatMul may ask for them: transBatch moves the first axis before the last but one, trans
 * then swaps the last two. */
static glia_value arranged(glia_emit *m, glia_value v, bool batch)
{
    int64_t perm[GLIA_RANK_MAX];
    const int rank = glia_emit_rank(m, v);
    if (!batch || rank < 3) return v;
    for (int i = 0; i < rank - 2; i++) perm[i] = i + 1;
    perm[rank - 2] = 0;
    perm[rank - 1] = rank - 1;
    return glia_emit_transpose(m, v, perm);
}

static bool emit_fused_matmul(glia_emit *m)
{
    const double alpha = glia_emit_float(m, "alpha", 1);
    glia_value a = arranged(m, glia_emit_in(m, 0), glia_emit_int(m, "transBatchA", 0) != 0);
    glia_value b = arranged(m, glia_emit_in(m, 1), glia_emit_int(m, "transBatchB", 0) != 0);
    if (glia_emit_int(m, "transA", 0)) a = swapped(m, a);
    glia_value y = product(m, a, b, glia_emit_int(m, "transB", 0) != 0);
    glia_emit_set(m, 0, alpha == 1 ? y : glia_emit_with(m, "mul", y, alpha));
    return true;
}

static bool emit_fused_gemm(glia_emit *m)
{
    static const struct {
        const char *onnx, *op;
    } plain[] = {{"Relu", "relu"}, {"Sigmoid", "sigmoid"}, {"Tanh", "tanh"}, {"Softplus", "softplus"}};
    const char *act = glia_emit_string(m, "activation", "");
    glia_value a = glia_emit_in(m, 0), w = glia_emit_in(m, 1), c = glia_emit_in(m, 2);
    const double alpha = glia_emit_float(m, "alpha", 1), beta = glia_emit_float(m, "beta", 1);
    if (glia_emit_int(m, "transA", 0)) a = swapped(m, a);
    if (!glia_emit_int(m, "transB", 0)) w = swapped(m, w);
    glia_value y = rows_by_rows(m, a, w);
    if (alpha != 1) y = glia_emit_with(m, "mul", y, alpha);
    if (c.id) y = glia_emit_binary(m, "add", y, beta == 1 ? c : glia_emit_with(m, "mul", c, beta));
    if (!strcmp(act, "LeakyRelu")) {
        const double slope = glia_emit_float(m, "activation_alpha", (double)0.01f);
        glia_emit_set(
            m, 0, glia_emit_node(m, "leaky_relu", (glia_attr_arg[]){GLIA_FLOAT("alpha", slope), {0}}, 1, y));
        return true;
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(act, plain[i].onnx)) {
            glia_emit_set(m, 0, glia_word_1(m, plain[i].op, y));
            return true;
        }
    return glia_emit_refuse(m, "the activation `%.40s`", act);
}

const glia_net_op glia_net_ops_product[] = {
    {"", "Gemm", emit_gemm, NULL, 0},
    {"", "MatMul", emit_matmul, NULL, 0},
    {"com.microsoft", "FusedGemm", emit_fused_gemm, NULL, 0},
    {"com.microsoft", "FusedMatMul", emit_fused_matmul, NULL, 0},
    {"com.microsoft", "TransposeMatMul", emit_fused_matmul, NULL, 0},
    {0},
};
