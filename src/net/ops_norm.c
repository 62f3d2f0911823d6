/* Normalisations, and dropout. */
#include <math.h>

#include "net/ops_words.h"

static double eps_of(glia_emit *m) { return glia_emit_float(m, "epsilon", (double)1e-5f); }

/* ---- over the last axes: layer and RMS normalisation ------------------------------------------------------- */

/* x as [rows, n], n the elements from `axis` on; a scale that broadcasts over them as [n]. */
typedef struct tail {
    glia_type type;
    int axis;
    int64_t rows, n;
} tail;

static bool tail_of(glia_emit *m, glia_value x, tail *t)
{
    *t = (tail){*glia_emit_type(m, x), 0, 1, 1};
    if (!x.id || !glia_emit_axis(m, glia_emit_int(m, "axis", -1), t->type.rank, &t->axis)) return false;
    for (int i = 0; i < t->type.rank; i++) *(i < t->axis ? &t->rows : &t->n) *= t->type.dims[i];
    return true;
}

/* A scale of the tail's shape (or one that broadcasts to it) as [n]; null if it reaches beyond the tail. */
static glia_value tail_weights(glia_emit *m, const tail *t, glia_value w)
{
    const int rank = t->type.rank - t->axis;
    if (!w.id || glia_emit_elements(m, w) == t->n) return w.id ? glia_word_reshape1(m, w, t->n) : w;
    if (glia_emit_rank(m, w) > rank) return (glia_value){0};
    return glia_word_reshape1(m, glia_emit_expand(m, w, rank, t->type.dims + t->axis), t->n);
}

/* Mean and 1 / deviation, in stash_type's precision, with the axes from `axis` on kept at one. */
static bool layer_statistics(glia_emit *m, const tail *t, glia_value rows)
{
    const int64_t last[] = {-1};
    glia_type s = t->type;
    for (int i = t->axis; i < s.rank; i++) s.dims[i] = 1;
    const glia_dtype out = glia_onnx_dtype((int32_t)glia_emit_int(m, "stash_type", 1));
    glia_value x = glia_word_wide(m, rows), mean = glia_word_reduce(m, "mean", x, last, 1, true);
    glia_value c = glia_emit_binary(m, "sub", x, mean);
    glia_value variance =
        glia_emit_with(m, "div", glia_word_reduce(m, "sum_squares", c, last, 1, true), (double)t->n);
    glia_value r = glia_word_1(m, "rsqrt", glia_emit_with(m, "add", variance, eps_of(m)));
    if (glia_emit_wants(m, 1))
        glia_emit_set(m, 1, glia_emit_cast(m, glia_emit_reshape(m, mean, s.rank, s.dims), out));
    if (glia_emit_wants(m, 2))
        glia_emit_set(m, 2, glia_emit_cast(m, glia_emit_reshape(m, r, s.rank, s.dims), out));
    return true;
}

static bool emit_layer_norm(glia_emit *m)
{
    const bool rms = strstr(glia_emit_op(m), "RMS") || strstr(glia_emit_op(m), "Simplified");
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, 1), b = glia_emit_in(m, 2);
    tail t;
    if (!tail_of(m, x, &t)) return false;
    const glia_attr_arg attrs[] = {GLIA_FLOAT("eps", eps_of(m)), {0}};
    glia_value rows = glia_emit_reshape(m, x, 2, (int64_t[]){t.rows, t.n}), weights = tail_weights(m, &t, w);
    /* Weights that vary beyond the tail multiply afterwards. */
    const bool beyond = w.id && !weights.id;
    if (!weights.id) weights = glia_emit_fill(m, t.type.dtype, 1, &t.n, 1);
    if (glia_emit_dtype(m, weights) != t.type.dtype)
        rows = glia_emit_cast(m, rows, glia_emit_dtype(m, weights));
    const glia_dtype t2 = glia_emit_dtype(m, rows);
    glia_value bias = b.id && !beyond ? tail_weights(m, &t, b) : (glia_value){0};
    if (bias.id) bias = glia_emit_cast(m, bias, t2);
    glia_value y = rms       ? glia_emit_node(m, "rms_norm", attrs, 2, rows, weights)
                   : bias.id ? glia_emit_node(m, "layer_norm", attrs, 3, rows, weights, bias)
                             : glia_emit_node(m, "layer_norm", attrs, 2, rows, weights);
    y = glia_emit_reshape(m, y, t.type.rank, t.type.dims);
    if (beyond) y = glia_emit_binary(m, "mul", y, w);
    if (b.id && !bias.id) y = glia_emit_binary(m, "add", y, b);
    glia_emit_set(m, 0, y);
    if (rms && glia_emit_wants(m, 1)) return glia_emit_refuse(m, "the second output of an RMS normalisation");
    return glia_emit_wants(m, 1) || glia_emit_wants(m, 2) ? layer_statistics(m, &t, rows) : true;
}

/* com.microsoft: input + skip (+ bias), normalised; the sum itself is output 3. */
static bool emit_skip_layer_norm(glia_emit *m)
{
    const bool rms = strstr(glia_emit_op(m), "Simplified") != NULL;
    glia_value x = glia_emit_in(m, 0), skip = glia_emit_in(m, 1), w = glia_emit_in(m, 2);
    glia_value beta = rms ? (glia_value){0} : glia_emit_in(m, 3), bias = glia_emit_in(m, rms ? 3 : 4);
    const glia_attr_arg attrs[] = {GLIA_FLOAT("eps", glia_emit_float(m, "epsilon", (double)1e-5f)), {0}};
    const glia_dtype t = glia_emit_dtype(m, x);
    if (glia_emit_wants(m, 1) || glia_emit_wants(m, 2))
        return glia_emit_refuse(m, "mean and deviation as outputs");
    glia_value sum = glia_emit_binary(m, "add", glia_word_wide(m, x), glia_word_wide(m, skip));
    if (bias.id) sum = glia_emit_binary(m, "add", sum, glia_word_wide(m, bias));
    w = glia_word_wide(m, w);
    if (beta.id) beta = glia_word_wide(m, beta);
    glia_value y = rms       ? glia_emit_node(m, "rms_norm", attrs, 2, sum, w)
                   : beta.id ? glia_emit_node(m, "layer_norm", attrs, 3, sum, w, beta)
                             : glia_emit_node(m, "layer_norm", attrs, 2, sum, w);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    if (glia_emit_wants(m, 3)) glia_emit_set(m, 3, glia_emit_cast(m, sum, t));
    return true;
}

/* ---- over channels -------------------------------------------------------------------------------------------- */

/* [n, c, ..] as [n, groups, c / groups, places], weights by channel. */
static bool group_norm(glia_emit *m, glia_value x, glia_value w, glia_value b, int64_t groups, double eps)
{
    const glia_type t = *glia_emit_type(m, x);
    const int64_t c = t.rank > 1 ? t.dims[1] : 1;
    int64_t places = 1;
    if (!x.id || !w.id || !b.id) return false;
    if (t.rank < 2 || groups < 1 || c % groups)
        return glia_emit_fail(m, "%lld channels in %lld groups", (long long)c, (long long)groups);
    for (int i = 2; i < t.rank; i++) places *= t.dims[i];
    const int64_t by_group[] = {groups, c / groups}, each[] = {groups, 1};
    const bool per_group = glia_emit_elements(m, w) == groups && groups != c;
    if (!per_group && glia_emit_elements(m, w) != c)
        return glia_emit_fail(m, "scales for other channels than %lld", (long long)c);
    w = per_group ? glia_emit_expand(m, glia_emit_reshape(m, w, 2, each), 2, by_group)
                  : glia_emit_reshape(m, w, 2, by_group);
    b = per_group ? glia_emit_expand(m, glia_emit_reshape(m, b, 2, each), 2, by_group)
                  : glia_emit_reshape(m, b, 2, by_group);
    glia_value y = glia_emit_reshape(m, x, 4, (int64_t[]){t.dims[0], groups, c / groups, places});
    const glia_dtype by = glia_emit_dtype(m, w);
    y = glia_emit_node(m, "group_norm", (glia_attr_arg[]){GLIA_FLOAT("eps", eps), {0}}, 3,
                       glia_emit_cast(m, y, by), w, glia_emit_cast(m, b, by));
    glia_emit_set(m, 0, glia_emit_reshape(m, glia_emit_cast(m, y, t.dtype), t.rank, t.dims));
    return true;
}

static bool emit_instance_norm(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    return group_norm(m, x, glia_emit_in(m, 1), glia_emit_in(m, 2), glia_emit_dim(m, x, 1), eps_of(m));
}

static bool emit_group_norm(glia_emit *m)
{
    return group_norm(m, glia_emit_in(m, 0), glia_emit_in(m, 1), glia_emit_in(m, 2),
                      glia_emit_int(m, "num_groups", 0), eps_of(m));
}

/* y = (x - mean) scale / sqrt(var + eps) + b as x s + t, where s and t are constants of most networks. */
static glia_value batch_affine(glia_emit *m, glia_value x, glia_value mean, glia_value var,
                               const int64_t *dims, int rank)
{
    glia_value scale = glia_word_wide(m, glia_emit_in(m, 1)), b = glia_word_wide(m, glia_emit_in(m, 2));
    const glia_dtype t = glia_emit_dtype(m, x), by = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    glia_value root = glia_word_1(m, "sqrt", glia_emit_with(m, "add", glia_emit_cast(m, var, by), eps_of(m)));
    glia_value s = glia_emit_binary(m, "div", glia_emit_cast(m, scale, by), root);
    glia_value shift = glia_emit_binary(m, "sub", glia_emit_cast(m, b, by),
                                        glia_emit_binary(m, "mul", glia_emit_cast(m, mean, by), s));
    s = glia_emit_reshape(m, s, rank, dims);
    shift = glia_emit_reshape(m, shift, rank, dims);
    return glia_emit_cast(
        m, glia_emit_binary(m, "add", glia_emit_binary(m, "mul", glia_emit_cast(m, x, by), s), shift), t);
}

/* running = momentum * old + (1 - momentum) * new */
static glia_value running(glia_emit *m, glia_value old, glia_value now, double momentum)
{
    const glia_dtype t = glia_emit_dtype(m, old);
    glia_value a = glia_emit_with(m, "mul", glia_word_wide(m, old), momentum);
    glia_value b = glia_emit_with(m, "mul", glia_emit_cast(m, now, glia_emit_dtype(m, a)), 1 - momentum);
    return glia_emit_cast(m, glia_emit_binary(m, "add", a, b), t);
}

/* Version 1 to 6 had is_test, 7 to 13 took training from the number of outputs, 14 has training_mode. */
static bool batch_trains(glia_emit *m)
{
    const int64_t v = glia_emit_version(m);
    if (v >= 14) return glia_emit_int(m, "training_mode", 0) != 0;
    if (v < 7) return !glia_emit_int(m, "is_test", 0) && glia_emit_out_count(m) > 1;
    return glia_emit_wants(m, 1) || glia_emit_wants(m, 2) || glia_emit_wants(m, 3) || glia_emit_wants(m, 4);
}

static bool emit_batch_norm(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), mean = glia_emit_in(m, 3), var = glia_emit_in(m, 4);
    const glia_type t = *glia_emit_type(m, x);
    const double momentum = glia_emit_float(m, "momentum", (double)0.9f);
    const bool spatial = glia_emit_version(m) >= 9 || glia_emit_int(m, "spatial", 1) != 0;
    int64_t dims[GLIA_RANK_MAX], axes[GLIA_RANK_MAX];
    int count = 0, rank = t.rank > 1 ? t.rank - 1 : 1;
    if (!x.id || !mean.id || !var.id) return false;
    for (int i = 0; i < rank; i++) dims[i] = spatial && i > 0 ? 1 : t.rank > 1 ? t.dims[i + 1] : t.dims[0];
    if (t.rank == 1) dims[0] = glia_emit_elements(m, mean); /* one axis: a batch of single channels */
    if (!batch_trains(m)) {
        glia_emit_set(m, 0, batch_affine(m, x, mean, var, dims, rank));
        for (int i = 1; i < 5; i++)
            if (glia_emit_wants(m, i)) glia_emit_set(m, i, i & 1 ? mean : var);
        return true;
    }
    for (int i = 0; i < t.rank; i++)
        if (i == 0 || (spatial && i > 1)) axes[count++] = i;
    glia_value wide = glia_word_wide(m, x), mu = glia_word_reduce(m, "mean", wide, axes, count, true);
    glia_value c = glia_emit_binary(m, "sub", wide, mu);
    glia_value now = glia_word_reduce(m, "mean", glia_emit_binary(m, "mul", c, c), axes, count, true);
    const glia_type s = *glia_emit_type(m, mean);
    mu = glia_emit_reshape(m, mu, s.rank, s.dims);
    now = glia_emit_reshape(m, now, s.rank, s.dims);
    glia_emit_set(m, 0, batch_affine(m, x, mu, now, dims, rank));
    glia_emit_set(m, 1, running(m, mean, mu, momentum));
    glia_emit_set(m, 2, running(m, var, now, momentum));
    if (glia_emit_wants(m, 3)) glia_emit_set(m, 3, glia_emit_cast(m, mu, s.dtype));
    if (glia_emit_wants(m, 4)) glia_emit_set(m, 4, glia_emit_cast(m, now, s.dtype));
    return true;
}

static bool emit_lrn(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_type t = *glia_emit_type(m, x);
    const glia_attr_arg attrs[] = {GLIA_INT("size", glia_emit_int(m, "size", 0)),
                                   GLIA_FLOAT("alpha", glia_emit_float(m, "alpha", (double)1e-4f)),
                                   GLIA_FLOAT("beta", glia_emit_float(m, "beta", 0.75)),
                                   GLIA_FLOAT("bias", glia_emit_float(m, "bias", 1)),
                                   {0}};
    int64_t dims[3] = {1, 1, 1};
    if (!x.id) return false;
    if (t.rank < 2) return glia_emit_fail(m, "an input of %d axes has no channels", t.rank);
    for (int i = 0; i < t.rank; i++) dims[i < 2 ? i : 2] *= t.dims[i];
    glia_value y = glia_emit_node(m, "lrn", attrs, 1, glia_emit_reshape(m, x, 3, dims));
    glia_emit_set(m, 0, glia_emit_reshape(m, y, t.rank, t.dims));
    return true;
}

/* ---- over any axes ----------------------------------------------------------------------------------------------- */

/* x over its norm along the axis; where that is 0, so is the result. */
static bool emit_lp_norm(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    const int64_t p = glia_emit_int(m, "p", 2);
    int axis;
    if (!x.id || !glia_emit_axis(m, glia_emit_int(m, "axis", -1), glia_emit_rank(m, x), &axis)) return false;
    if (p != 1 && p != 2) return glia_emit_fail(m, "p is %lld; it is 1 or 2", (long long)p);
    const int64_t axes[] = {axis};
    glia_value norm = p == 1 ? glia_word_reduce(m, "sum", glia_word_1(m, "abs", x), axes, 1, true)
                             : glia_word_1(m, "sqrt", glia_word_reduce(m, "sum_squares", x, axes, 1, true));
    glia_value one = glia_emit_scalar(m, glia_emit_dtype(m, x), 1);
    norm = glia_word_where(m, glia_emit_with(m, "eq", norm, 0), one, norm);
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_binary(m, "div", x, norm), glia_emit_dtype(m, in)));
    return true;
}

/* (x - mean) / (deviation + 1e-9) */
static bool emit_mvn(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    int64_t axes[GLIA_RANK_MAX] = {0, 2, 3};
    int count = glia_emit_attr_ints(m, "axes", axes, GLIA_RANK_MAX);
    if (count < 0) count = 3;
    for (int i = 0; i < count; i++) {
        int a;
        if (!glia_emit_axis(m, axes[i], glia_emit_rank(m, x), &a)) return false;
    }
    glia_value c = glia_emit_binary(m, "sub", x, glia_word_reduce(m, "mean", x, axes, count, true));
    glia_value var = glia_word_reduce(m, "mean", glia_emit_binary(m, "mul", c, c), axes, count, true);
    glia_value below = glia_emit_with(m, "add", glia_word_1(m, "sqrt", var), 1e-9);
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_binary(m, "div", c, below), glia_emit_dtype(m, in)));
    return true;
}

/* ---- dropout */

/* The ratio and whether elements are dropped at all. */
static bool dropout_settings(glia_emit *m, double *ratio, bool *drops)
{
    double training = 0;
    const int64_t v = glia_emit_version(m);
    *ratio = 0.5;
    if (v < 12) {
        *ratio = glia_emit_float(m, "ratio", 0.5);
        *drops = v < 7 && !glia_emit_int(m, "is_test", 0) && *ratio > 0;
        return true;
    }
    if (glia_emit_has(m, 2) && !glia_emit_number(m, 2, &training)) return false;
    if (training != 0 && glia_emit_has(m, 1) && !glia_emit_number(m, 1, ratio)) return false;
    *drops = training != 0 && *ratio > 0;
    return true;
}

static bool emit_dropout(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_type t = *glia_emit_type(m, x);
    const glia_dtype mask_type = glia_emit_version(m) >= 10 ? GLIA_BOOL : t.dtype;
    double ratio;
    bool drops;
    if (!x.id || !dropout_settings(m, &ratio, &drops)) return false;
    if (!drops) {
        glia_emit_set(m, 0, x);
        if (glia_emit_wants(m, 1)) glia_emit_set(m, 1, glia_emit_fill(m, mask_type, t.rank, t.dims, 1));
        return true;
    }
    const glia_attr_arg attrs[] = {GLIA_INT("seed", glia_emit_int(m, "seed", 0)), {0}};
    glia_value wide = glia_word_wide(m, x), zero = glia_emit_scalar(m, glia_emit_dtype(m, wide), 0);
    glia_value u = glia_emit_node(m, "noise", attrs, 1, wide), kept = glia_emit_with(m, "ge", u, ratio);
    glia_value y = ratio < 1 ? glia_emit_with(m, "mul", wide, 1 / (1 - ratio)) : wide;
    glia_emit_set(m, 0, glia_emit_cast(m, glia_word_where(m, kept, y, zero), t.dtype));
    if (glia_emit_wants(m, 1)) glia_emit_set(m, 1, glia_emit_cast(m, kept, mask_type));
    return true;
}

const glia_net_op glia_net_ops_norm[] = {
    {"", "BatchNormalization", emit_batch_norm, NULL, 0},
    {"", "Dropout", emit_dropout, NULL, 0},
    {"", "GroupNormalization", emit_group_norm, NULL, 0},
    {"", "InstanceNormalization", emit_instance_norm, NULL, 0},
    {"", "LRN", emit_lrn, NULL, 0},
    {"", "LayerNormalization", emit_layer_norm, NULL, 0},
    {"", "LpNormalization", emit_lp_norm, NULL, 0},
    {"", "MeanVarianceNormalization", emit_mvn, NULL, 0},
    {"", "RMSNormalization", emit_layer_norm, NULL, 0},
    {"", "SimplifiedLayerNormalization", emit_layer_norm, NULL, 0},
    {"com.microsoft", "SimplifiedLayerNormalization", emit_layer_norm, NULL, 0},
    {"com.microsoft", "SkipLayerNormalization", emit_skip_layer_norm, NULL, 0},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", emit_skip_layer_norm, NULL, 0},
    {0},
};
