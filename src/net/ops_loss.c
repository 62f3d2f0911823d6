/* Losses over classes in axis 1, and the optimiser steps of ai.onnx.preview.training. */
#include <math.h>

#include "net/ops_words.h"

/* ---- losses ------------------------------------------------------------------------------------------------ */

/* x [n, c, d..] as [n, d.., c], and labels [n, d..]. A label that is ignored or out of range picks nothing: its place
 * counts 0 and weighs 0. */
typedef struct picked {
    glia_value loss, weight; /* [n, d..] */
} picked;

static picked pick(glia_emit *m, glia_value log_p, glia_value labels, glia_value weight)
{
    const int rank = glia_emit_rank(m, log_p);
    const int64_t classes = glia_emit_dim(m, log_p, 1), last[] = {-1};
    const glia_dtype t = glia_emit_dtype(m, log_p);
    const glia_attr_arg hot[] = {GLIA_INT("depth", classes), GLIA_TYPE_ATTR("to", GLIA_BOOL), {0}};
    glia_value x = rank > 2 ? glia_word_move(m, log_p, 1, false) : log_p;
    glia_value zero = glia_emit_scalar(m, t, 0), one = glia_emit_scalar(m, t, 1);
    if (glia_emit_has_attr(m, "ignore_index")) { /* -1 is no class */
        glia_value ignored = glia_emit_with(m, "eq", labels, (double)glia_emit_int(m, "ignore_index", 0));
        labels = glia_word_where(m, ignored, glia_emit_scalar(m, glia_emit_dtype(m, labels), -1), labels);
    }
    glia_value here = glia_emit_node(m, "one_hot", hot, 1, labels);
    glia_value w = weight.id ? glia_emit_cast(m, weight, t) : one;
    picked p;
    p.weight = glia_word_reduce(m, "sum", glia_word_where(m, here, w, zero), last, 1, false);
    p.loss = glia_word_reduce(m, "sum", glia_word_where(m, here, x, zero), last, 1, false);
    p.loss = glia_word_1(m, "neg", glia_emit_binary(m, "mul", p.loss, p.weight));
    return p;
}

static bool set_loss(glia_emit *m, glia_value log_p, glia_dtype t)
{
    const char *how = glia_emit_string(m, "reduction", "mean");
    glia_value labels = glia_emit_in(m, 1), weight = glia_emit_in(m, 2);
    const int rank = glia_emit_rank(m, labels);
    int64_t axes[GLIA_RANK_MAX];
    if (!log_p.id || !labels.id) return false;
    if (glia_emit_rank(m, log_p) != rank + 1 || rank < 1)
        return glia_emit_fail(m, "labels of %d axes for scores of %d", rank, glia_emit_rank(m, log_p));
    if (strcmp(how, "none") && strcmp(how, "sum") && strcmp(how, "mean"))
        return glia_emit_fail(m, "reduction is none, sum or mean, not `%.20s`", how);
    for (int i = 0; i < rank; i++) axes[i] = i;
    picked p = pick(m, log_p, labels, weight);
    glia_value y = p.loss;
    if (*how != 'n') y = glia_word_reduce(m, "sum", y, axes, rank, false);
    if (*how == 'm')
        y = glia_emit_binary(m, "div", y, glia_word_reduce(m, "sum", p.weight, axes, rank, false));
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

static bool emit_nll(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    return set_loss(m, glia_word_wide(m, x), glia_emit_dtype(m, x));
}

static bool emit_cross_entropy(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    const glia_dtype t = glia_emit_dtype(m, in);
    if (!in.id) return false;
    if (glia_emit_rank(m, in) < 2)
        return glia_emit_fail(m, "scores of %d axes have no classes", glia_emit_rank(m, in));
    x = glia_word_move(m, glia_word_1(m, "log_softmax", glia_word_move(m, x, 1, false)), 1, true);
    if (glia_emit_wants(m, 1)) glia_emit_set(m, 1, glia_emit_cast(m, x, t));
    return set_loss(m, x, t);
}

/* ---- optimiser steps: R, T, then n tensors of each kind; outputs are the new tensors in the same order */

typedef struct step {
    glia_value rate, count; /* R, T as a float of the tensors' dtype */
    double decay;           /* norm_coefficient */
    glia_dtype type;
} step;

static step step_begin(glia_emit *m)
{
    step s = {glia_emit_in(m, 0), glia_emit_in(m, 1), glia_emit_float(m, "norm_coefficient", 0),
              glia_emit_dtype(m, glia_emit_in(m, 2))};
    s.rate = glia_emit_cast(m, s.rate, s.type);
    s.count = glia_emit_cast(m, s.count, s.type);
    return s;
}

static glia_value scaled(glia_emit *m, glia_value v, double by) { return glia_emit_with(m, "mul", v, by); }
static glia_value sum(glia_emit *m, glia_value a, glia_value b) { return glia_emit_binary(m, "add", a, b); }

/* g + norm_coefficient x */
static glia_value regularised(glia_emit *m, const step *s, glia_value g, glia_value x)
{
    return s->decay == 0 ? g : sum(m, g, scaled(m, x, s->decay));
}

static bool kinds(glia_emit *m, int of, int *n)
{
    *n = (glia_emit_in_count(m) - 2) / of;
    return *n * of + 2 == glia_emit_in_count(m) && *n > 0
               ? true
               : glia_emit_fail(m, "%d inputs", glia_emit_in_count(m));
}

/* r = R / (1 + T decay); h' = h + g^2; x' = x - r g / (sqrt(h') + eps) */
static bool emit_adagrad(glia_emit *m)
{
    int n;
    if (!kinds(m, 3, &n)) return false;
    const step s = step_begin(m);
    const double decay = glia_emit_float(m, "decay_factor", 0), eps = glia_emit_float(m, "epsilon", 1e-6);
    glia_value below = glia_emit_with(m, "add", scaled(m, s.count, decay), 1);
    glia_value rate = glia_emit_binary(m, "div", s.rate, below);
    for (int i = 0; i < n; i++) {
        glia_value x = glia_emit_in(m, 2 + i), g = regularised(m, &s, glia_emit_in(m, 2 + n + i), x);
        glia_value h = sum(m, glia_emit_in(m, 2 + 2 * n + i), glia_emit_binary(m, "mul", g, g));
        glia_value by = glia_emit_with(m, "add", glia_word_1(m, "sqrt", h), eps);
        glia_value change = glia_emit_binary(m, "div", glia_emit_binary(m, "mul", rate, g), by);
        glia_emit_set(m, i, glia_emit_binary(m, "sub", x, change));
        glia_emit_set(m, n + i, h);
    }
    return true;
}

/* v' = alpha v + b g with b = 1 in the first step, beta later; x' = x - R v' (Nesterov: x - R (g + alpha v')) */
static bool emit_momentum(glia_emit *m)
{
    int n;
    if (!kinds(m, 3, &n)) return false;
    const step s = step_begin(m);
    const double alpha = glia_emit_float(m, "alpha", 0), beta = glia_emit_float(m, "beta", 0);
    const bool nesterov = !strcmp(glia_emit_string(m, "mode", "standard"), "nesterov");
    glia_value later = glia_emit_with(m, "gt", s.count, 0);
    glia_value b =
        glia_word_where(m, later, glia_emit_scalar(m, s.type, beta), glia_emit_scalar(m, s.type, 1));
    for (int i = 0; i < n; i++) {
        glia_value x = glia_emit_in(m, 2 + i), g = regularised(m, &s, glia_emit_in(m, 2 + n + i), x);
        glia_value v =
            sum(m, scaled(m, glia_emit_in(m, 2 + 2 * n + i), alpha), glia_emit_binary(m, "mul", b, g));
        glia_value way = nesterov ? sum(m, g, scaled(m, v, alpha)) : v;
        glia_value x2 = glia_emit_binary(m, "sub", x, glia_emit_binary(m, "mul", s.rate, way));
        glia_emit_set(m, i, x2);
        glia_emit_set(m, n + i, v);
    }
    return true;
}

/* v' = alpha v + (1 - alpha) g, h' = beta h + (1 - beta) g^2, r = R sqrt(1 - beta^T) / (1 - alpha^T) (R in step 0),
 * x' = (1 - norm_coefficient_post) (x - r v' / (sqrt(h') + eps)) */
static bool emit_adam(glia_emit *m)
{
    int n;
    if (!kinds(m, 4, &n)) return false;
    const step s = step_begin(m);
    const double alpha = glia_emit_float(m, "alpha", (double)0.9f),
                 beta = glia_emit_float(m, "beta", (double)0.999f);
    const double eps = glia_emit_float(m, "epsilon", (double)1e-6f),
                 post = glia_emit_float(m, "norm_coefficient_post", 0);
    glia_value one = glia_emit_scalar(m, s.type, 1);
    glia_value a = glia_emit_binary(m, "sub", one,
                                    glia_emit_binary(m, "pow", glia_emit_scalar(m, s.type, alpha), s.count));
    glia_value b = glia_emit_binary(m, "sub", one,
                                    glia_emit_binary(m, "pow", glia_emit_scalar(m, s.type, beta), s.count));
    glia_value later =
        glia_emit_binary(m, "div", glia_emit_binary(m, "mul", s.rate, glia_word_1(m, "sqrt", b)), a);
    glia_value rate = glia_word_where(m, glia_emit_with(m, "gt", s.count, 0), later, s.rate);
    for (int i = 0; i < n; i++) {
        glia_value x = glia_emit_in(m, 2 + i), g = regularised(m, &s, glia_emit_in(m, 2 + n + i), x);
        glia_value v = sum(m, scaled(m, glia_emit_in(m, 2 + 2 * n + i), alpha), scaled(m, g, 1 - alpha));
        glia_value h = sum(m, scaled(m, glia_emit_in(m, 2 + 3 * n + i), beta),
                           scaled(m, glia_emit_binary(m, "mul", g, g), 1 - beta));
        glia_value by = glia_emit_with(m, "add", glia_word_1(m, "sqrt", h), eps);
        glia_value x2 = glia_emit_binary(m, "sub", x,
                                         glia_emit_binary(m, "div", glia_emit_binary(m, "mul", rate, v), by));
        glia_emit_set(m, i, post == 0 ? x2 : scaled(m, x2, 1 - post));
        glia_emit_set(m, n + i, v);
        glia_emit_set(m, 2 * n + i, h);
    }
    return true;
}

static bool emit_gradient(glia_emit *m)
{
    return glia_emit_refuse(m, "gradients inside of a file are not built");
}

const glia_net_op glia_net_ops_loss[] = {
    {"", "NegativeLogLikelihoodLoss", emit_nll, NULL, 0},
    {"", "SoftmaxCrossEntropyLoss", emit_cross_entropy, NULL, 0},
    {"ai.onnx.preview.training", "Adagrad", emit_adagrad, NULL, 0},
    {"ai.onnx.preview.training", "Adam", emit_adam, NULL, 0},
    {"ai.onnx.preview.training", "Gradient", emit_gradient, NULL, 0},
    {"ai.onnx.preview.training", "Momentum", emit_momentum, NULL, 0},
    {0},
};
