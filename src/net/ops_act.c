/* Activations, most of them compositions: what they are in one line stands above each. */
#include <math.h>

#include "net/ops_words.h"

static bool done(glia_emit *m, glia_value y, glia_dtype t)
{
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

static glia_value with_alpha(glia_emit *m, const char *op, glia_value x, double alpha)
{
    return glia_emit_node(m, op, (glia_attr_arg[]){GLIA_FLOAT("alpha", alpha), {0}}, 1, x);
}

static bool emit_leaky_relu(glia_emit *m)
{
    glia_emit_set(
        m, 0, with_alpha(m, "leaky_relu", glia_emit_in(m, 0), glia_emit_float(m, "alpha", (double)0.01f)));
    return true;
}

static bool emit_elu(glia_emit *m)
{
    glia_emit_set(m, 0, with_alpha(m, "elu", glia_emit_in(m, 0), glia_emit_float(m, "alpha", 1)));
    return true;
}

/* gamma * elu(x, alpha); the first version's constants had four places */
static bool emit_selu(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    const bool first = glia_emit_version(m) < 6;
    x = with_alpha(m, "elu", x,
                   glia_emit_float(m, "alpha", (double)(first ? 1.6732f : 1.67326319217681884765625f)));
    const double gamma = glia_emit_float(m, "gamma", (double)(first ? 1.0507f : 1.05070102214813232421875f));
    return done(m, glia_emit_with(m, "mul", x, gamma), glia_emit_dtype(m, in));
}

/* alpha * elu(x / alpha) below 0, x above */
static bool emit_celu(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    const double alpha = glia_emit_float(m, "alpha", 1);
    if (alpha == 0) return glia_emit_fail(m, "alpha is 0");
    if (alpha == 1) return done(m, with_alpha(m, "elu", x, 1), glia_emit_dtype(m, in));
    glia_value low = glia_emit_with(m, "div", glia_emit_with(m, "min", x, 0), alpha);
    low = glia_emit_with(m, "mul", with_alpha(m, "elu", low, 1), alpha);
    if (alpha > 0)
        return done(m, glia_emit_binary(m, "add", glia_emit_with(m, "max", x, 0), low),
                    glia_emit_dtype(m, in));
    low = glia_emit_with(m, "mul", with_alpha(m, "elu", glia_emit_with(m, "div", x, alpha), 1), alpha);
    glia_value high = glia_emit_with(m, "max", x, 0);
    return done(m, glia_emit_binary(m, "add", high, glia_emit_with(m, "min", low, 0)),
                glia_emit_dtype(m, in));
}

static bool emit_gelu(glia_emit *m)
{
    const char *how = glia_emit_string(m, "approximate", "none");
    if (strcmp(how, "none") && strcmp(how, "tanh")) return glia_emit_fail(m, "approximate is none or tanh");
    glia_emit_set(m, 0, glia_word_1(m, *how == 't' ? "gelu" : "gelu_erf", glia_emit_in(m, 0)));
    return true;
}

static glia_value clipped(glia_emit *m, glia_value x, double low, double high)
{
    return glia_emit_node(m, "clip", (glia_attr_arg[]){GLIA_FLOAT("min", low), GLIA_FLOAT("max", high), {0}},
                          1, x);
}

/* clip(alpha x + beta, 0, 1) */
static bool emit_hard_sigmoid(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    x = glia_word_affine(m, x, glia_emit_float(m, "alpha", (double)0.2f), glia_emit_float(m, "beta", 0.5));
    return done(m, clipped(m, x, 0, 1), glia_emit_dtype(m, in));
}

/* x clip(x / 6 + 1/2, 0, 1) */
static bool emit_hard_swish(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    glia_value gate = clipped(m, glia_word_affine(m, x, 1.0 / 6, 0.5), 0, 1);
    return done(m, glia_emit_binary(m, "mul", x, gate), glia_emit_dtype(m, in));
}

/* x tanh(softplus(x)) */
static bool emit_mish(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    glia_value t = glia_word_1(m, "tanh", glia_word_1(m, "softplus", x));
    return done(m, glia_emit_binary(m, "mul", x, t), glia_emit_dtype(m, in));
}

/* x sigmoid(alpha x) */
static glia_value swish(glia_emit *m, glia_value x, double alpha)
{
    if (alpha == 1) return glia_word_1(m, "silu", x);
    return glia_emit_binary(m, "mul", x, glia_word_1(m, "sigmoid", glia_emit_with(m, "mul", x, alpha)));
}

static bool emit_swish(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0);
    return done(m, swish(m, glia_word_wide(m, in), glia_emit_float(m, "alpha", 1)), glia_emit_dtype(m, in));
}

/* swish(a) b */
static bool emit_swiglu(glia_emit *m)
{
    glia_value a = glia_emit_in(m, 0), b = glia_emit_in(m, 1);
    glia_value y = swish(m, glia_word_wide(m, a), glia_emit_float(m, "alpha", 1));
    return done(m, glia_emit_binary(m, "mul", y, glia_word_wide(m, b)), glia_emit_dtype(m, a));
}

/* x / (1 + |x|) */
static bool emit_softsign(glia_emit *m)
{
    glia_value in = glia_emit_in(m, 0), x = glia_word_wide(m, in);
    glia_value below = glia_emit_with(m, "add", glia_word_1(m, "abs", x), 1);
    return done(m, glia_emit_binary(m, "div", x, below), glia_emit_dtype(m, in));
}

/* x + bias below -lambd, x - bias above lambd, else 0 */
static bool emit_shrink(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_dtype t = glia_emit_dtype(m, x);
    const double lambd = glia_emit_float(m, "lambd", 0.5), bias = glia_emit_float(m, "bias", 0);
    glia_value v = glia_emit_cast(m, x, t == GLIA_F64 || glia_word_is_int(t) ? GLIA_F64 : GLIA_F32);
    glia_value zero = glia_emit_scalar(m, glia_emit_dtype(m, v), 0);
    glia_value y =
        glia_word_where(m, glia_emit_with(m, "gt", v, lambd), glia_emit_with(m, "sub", v, bias), zero);
    return done(
        m, glia_word_where(m, glia_emit_with(m, "lt", v, -lambd), glia_emit_with(m, "add", v, bias), y), t);
}

/* x above alpha, else 0 */
static bool emit_thresholded_relu(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), above = glia_emit_with(m, "gt", x, glia_emit_float(m, "alpha", 1));
    glia_emit_set(m, 0, glia_word_where(m, above, x, glia_emit_scalar(m, glia_emit_dtype(m, x), 0)));
    return true;
}

const glia_net_op glia_net_ops_act[] = {
    {"", "Celu", emit_celu, NULL, 0},
    {"", "Elu", emit_elu, NULL, 0},
    {"", "Gelu", emit_gelu, NULL, 0},
    {"", "HardSigmoid", emit_hard_sigmoid, NULL, 0},
    {"", "HardSwish", emit_hard_swish, NULL, 0},
    {"", "LeakyRelu", emit_leaky_relu, NULL, 0},
    {"", "Mish", emit_mish, NULL, 0},
    {"", "Selu", emit_selu, NULL, 0},
    {"", "Shrink", emit_shrink, NULL, 0},
    {"", "Softsign", emit_softsign, NULL, 0},
    {"", "SwiGLU", emit_swiglu, NULL, 0},
    {"", "Swish", emit_swish, NULL, 0},
    {"", "ThresholdedRelu", emit_thresholded_relu, NULL, 0},
    {0},
};
