/* Elementwise arithmetic, comparisons, selection and conversion, with broadcasting.
 *
 * Floats follow IEEE; NaN is never dropped: min and max give NaN if either side is NaN. Integers wrap.
 * Integer division and remainder truncate towards zero, and a divisor of 0 gives 0: a graph that must notice
 * puts a guard before it. Conversions are never implicit; `cast` is the only one. */
#include <math.h>

#include "base/fmath.h"
#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"

static void unary_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 40)}};
    s->lo[0] = -3, s->hi[0] = 3;
}

static void positive_sample(glia_sample *s)
{
    unary_sample(s);
    s->lo[0] = 0.25;
}

/* Away from the kinks of abs, relu and their kin, so that differences see one side. */
static void binary_sample(glia_sample *s)
{
    int64_t m = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20), form = s->pick(s->ctx, 0, 3);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {m, form == 2 ? 1 : n}};
    s->in[1] =
        form == 1 ? (glia_type){GLIA_F32, 1, 0, {n}} : (glia_type){GLIA_F32, 2, 0, {form == 3 ? 1 : m, n}};
    for (int i = 0; i < 2; i++) s->lo[i] = -3, s->hi[i] = 3;
}

static void quotient_sample(glia_sample *s)
{
    binary_sample(s);
    s->lo[1] = 0.5;
}

static void power_sample(glia_sample *s)
{
    binary_sample(s);
    s->lo[0] = 0.5, s->lo[1] = -2, s->hi[1] = 2;
}

static glia_value call1(glia_graph *g, const char *op, glia_value a) { return glia_build_call(g, op, 1, a); }
static glia_value call2(glia_graph *g, const char *op, glia_value a, glia_value b)
{
    return glia_build_call(g, op, 2, a, b);
}

static void cheap_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 1, out); }
static void heavy_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 15, out); }

/* ================ one input ================ */

static float neg_f32(float x, const glia_attr *a)
{
    (void)a;
    return -x;
}
static double neg_f64(double x, const glia_attr *a)
{
    (void)a;
    return -x;
}
static int64_t neg_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return (int64_t)(0 - (uint64_t)x);
}
static void neg_reference(const glia_kargs *k)
{
    static const glia_unary f = {neg_f32, neg_f64, neg_i64, NULL};
    glia_unary_run(k, &f);
}
static void neg_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    (void)n;
    din[0] = call1(g, "neg", dout[0]);
}

static float abs_f32(float x, const glia_attr *a)
{
    (void)a;
    return fabsf(x);
}
static double abs_f64(double x, const glia_attr *a)
{
    (void)a;
    return fabs(x);
}
static int64_t abs_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
}
static void abs_reference(const glia_kargs *k)
{
    static const glia_unary f = {abs_f32, abs_f64, abs_i64, NULL};
    glia_unary_run(k, &f);
}
static void abs_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call2(g, "mul", dout[0], call1(g, "sign", n->in[0]));
}

static float exp_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_expf(x);
}
static double exp_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_exp(x);
}
static void exp_reference(const glia_kargs *k)
{
    static const glia_unary f = {exp_f32, exp_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void exp_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call2(g, "mul", dout[0], n->out[0]);
}

static float log_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_logf(x);
}
static double log_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_log(x);
}
static void log_reference(const glia_kargs *k)
{
    static const glia_unary f = {log_f32, log_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void log_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call2(g, "div", dout[0], n->in[0]);
}

static float sqrt_f32(float x, const glia_attr *a)
{
    (void)a;
    return sqrtf(x);
}
static double sqrt_f64(double x, const glia_attr *a)
{
    (void)a;
    return sqrt(x);
}
static void sqrt_reference(const glia_kargs *k)
{
    static const glia_unary f = {sqrt_f32, sqrt_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* 0.5 / sqrt(x) */
static void sqrt_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_scale(g, call2(g, "div", dout[0], n->out[0]), 0.5);
}

static float rsqrt_f32(float x, const glia_attr *a)
{
    (void)a;
    return 1.0f / sqrtf(x);
}
static double rsqrt_f64(double x, const glia_attr *a)
{
    (void)a;
    return 1.0 / sqrt(x);
}
static void rsqrt_reference(const glia_kargs *k)
{
    static const glia_unary f = {rsqrt_f32, rsqrt_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* -0.5 y / x */
static void rsqrt_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value slope = call2(g, "div", n->out[0], n->in[0]);
    din[0] = glia_build_scale(g, call2(g, "mul", dout[0], slope), -0.5);
}

static float reciprocal_f32(float x, const glia_attr *a)
{
    (void)a;
    return 1.0f / x;
}
static double reciprocal_f64(double x, const glia_attr *a)
{
    (void)a;
    return 1.0 / x;
}
static void reciprocal_reference(const glia_kargs *k)
{
    static const glia_unary f = {reciprocal_f32, reciprocal_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* -y^2 */
static void reciprocal_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call1(g, "neg", call2(g, "mul", dout[0], call2(g, "mul", n->out[0], n->out[0])));
}

static float sin_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_sinf(x);
}
static double sin_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_sin(x);
}
static void sin_reference(const glia_kargs *k)
{
    static const glia_unary f = {sin_f32, sin_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void sin_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call2(g, "mul", dout[0], call1(g, "cos", n->in[0]));
}

static float cos_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_cosf(x);
}
static double cos_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_cos(x);
}
static void cos_reference(const glia_kargs *k)
{
    static const glia_unary f = {cos_f32, cos_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void cos_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call1(g, "neg", call2(g, "mul", dout[0], call1(g, "sin", n->in[0])));
}

static float tanh_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_tanhf(x);
}
static double tanh_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_tanh(x);
}
static void tanh_reference(const glia_kargs *k)
{
    static const glia_unary f = {tanh_f32, tanh_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* 1 - y^2 */
static void tanh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value y = n->out[0];
    din[0] = call2(g, "sub", dout[0], call2(g, "mul", dout[0], call2(g, "mul", y, y)));
}

static float erf_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_erff(x);
}
static double erf_f64(double x, const glia_attr *a)
{
    (void)a;
    return glia_erf(x);
}
static void erf_reference(const glia_kargs *k)
{
    static const glia_unary f = {erf_f32, erf_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* 2 / sqrt(pi) exp(-x^2) */
static void erf_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value bell = call1(g, "exp", call1(g, "neg", call2(g, "mul", n->in[0], n->in[0])));
    din[0] = call2(g, "mul", dout[0], glia_build_scale(g, bell, 1.12837916709551257390));
}

static float sigmoid_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_sigmoidf(x);
}
static double sigmoid_f64(double x, const glia_attr *a)
{
    (void)a;
    return 1.0 / (1.0 + glia_exp(-x));
}
static void sigmoid_reference(const glia_kargs *k)
{
    static const glia_unary f = {sigmoid_f32, sigmoid_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* y - y^2 */
static void sigmoid_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value y = n->out[0];
    din[0] = call2(g, "mul", dout[0], call2(g, "sub", y, call2(g, "mul", y, y)));
}

static float relu_f32(float x, const glia_attr *a)
{
    (void)a;
    return x > 0.0f || x != x ? x : 0.0f;
}
static double relu_f64(double x, const glia_attr *a)
{
    (void)a;
    return x > 0.0 || x != x ? x : 0.0;
}
static int64_t relu_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return x > 0 ? x : 0;
}
static void relu_reference(const glia_kargs *k)
{
    static const glia_unary f = {relu_f32, relu_f64, relu_i64, NULL};
    glia_unary_run(k, &f);
}
/* The slope at 0 is 0. */
static glia_value positive_part_slope(glia_graph *g, glia_value x, glia_value slope, glia_value rest)
{
    glia_value positive = call2(g, "gt", x, glia_build_scalar(g, x, 0.0));
    return glia_build_call(g, "where", 3, positive, slope, rest);
}
static void relu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = positive_part_slope(g, n->in[0], dout[0], glia_build_scalar(g, dout[0], 0.0));
}

static const glia_attr_spec leaky_attrs[] = {{"alpha", GLIA_ATTR_FLOAT, false, 0.01}, {0}};
static const glia_attr_spec elu_attrs[] = {{"alpha", GLIA_ATTR_FLOAT, false, 1.0}, {0}};

static float leaky_relu_f32(float x, const glia_attr *a) { return x > 0.0f ? x : x * (float)a[0].f; }
static double leaky_relu_f64(double x, const glia_attr *a) { return x > 0.0 ? x : x * a[0].f; }
static void leaky_relu_reference(const glia_kargs *k)
{
    static const glia_unary f = {leaky_relu_f32, leaky_relu_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void leaky_relu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = positive_part_slope(g, n->in[0], dout[0], glia_build_scale(g, dout[0], n->attr[0].f));
}

/* x if x > 0, else alpha (exp(x) - 1); through tanh(x / 2), since exp(x) - 1 cancels near 0:
 *     exp(x) - 1 = 2 t / (1 - t)   with t = tanh(x / 2) */
static float elu_f32(float x, const glia_attr *a)
{
    if (x > 0.0f) return x;
    float t = glia_tanhf(0.5f * x);
    return (float)a[0].f * (2.0f * t / (1.0f - t));
}
static double elu_f64(double x, const glia_attr *a)
{
    if (x > 0.0) return x;
    double t = glia_tanh(0.5 * x);
    return a[0].f * (2.0 * t / (1.0 - t));
}
static void elu_reference(const glia_kargs *k)
{
    static const glia_unary f = {elu_f32, elu_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
/* For x <= 0 the slope is alpha exp(x). */
static void elu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], low = call2(g, "min", x, glia_build_scalar(g, x, 0.0));
    glia_value slope = glia_build_scale(g, call1(g, "exp", low), n->attr[0].f);
    din[0] = positive_part_slope(g, x, dout[0], call2(g, "mul", dout[0], slope));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)); the second term by log of 1 + e with e in (0, 1]. */
static float softplus_f32(float x, const glia_attr *a)
{
    (void)a;
    float e = glia_expf(-fabsf(x)), top = relu_f32(x, NULL);
    /* Below 2^-12 the logarithm is e - e^2/2 to f32's last bit. */
    return top + (e < 0x1p-12f ? fmaf(-0.5f * e, e, e) : glia_logf(1.0f + e));
}
static double softplus_f64(double x, const glia_attr *a)
{
    (void)a;
    double e = glia_exp(-fabs(x)), top = relu_f64(x, NULL);
    return top + (e < 0x1p-26 ? fma(-0.5 * e, e, e) : glia_log(1.0 + e));
}
static void softplus_reference(const glia_kargs *k)
{
    static const glia_unary f = {softplus_f32, softplus_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void softplus_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = call2(g, "mul", dout[0], call1(g, "sigmoid", n->in[0]));
}

static float floor_f32(float x, const glia_attr *a)
{
    (void)a;
    return floorf(x);
}
static double floor_f64(double x, const glia_attr *a)
{
    (void)a;
    return floor(x);
}
static void floor_reference(const glia_kargs *k)
{
    static const glia_unary f = {floor_f32, floor_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static float ceil_f32(float x, const glia_attr *a)
{
    (void)a;
    return ceilf(x);
}
static double ceil_f64(double x, const glia_attr *a)
{
    (void)a;
    return ceil(x);
}
static void ceil_reference(const glia_kargs *k)
{
    static const glia_unary f = {ceil_f32, ceil_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static float round_f32(float x, const glia_attr *a)
{
    (void)a;
    return rintf(x);
}
static double round_f64(double x, const glia_attr *a)
{
    (void)a;
    return rint(x);
}
static void round_reference(const glia_kargs *k)
{
    static const glia_unary f = {round_f32, round_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static float sign_f32(float x, const glia_attr *a)
{
    (void)a;
    return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
}
static double sign_f64(double x, const glia_attr *a)
{
    (void)a;
    return x > 0 ? 1.0 : x < 0 ? -1.0 : x;
}
static int64_t sign_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return (x > 0) - (x < 0);
}
static void sign_reference(const glia_kargs *k)
{
    static const glia_unary f = {sign_f32, sign_f64, sign_i64, NULL};
    glia_unary_run(k, &f);
}
/* Steps: the gradient is zero almost everywhere, a symbolic zero here. */
static void zero_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    (void)g, (void)n, (void)dout, (void)din;
}

static const glia_attr_spec clip_attrs[] = {
    {"min", GLIA_ATTR_FLOAT, true, 0}, {"max", GLIA_ATTR_FLOAT, true, 0}, {0}};
static float clip_f32(float x, const glia_attr *a)
{
    float lo = (float)a[0].f, hi = (float)a[1].f;
    return x < lo ? lo : x > hi ? hi : x;
}
static double clip_f64(double x, const glia_attr *a) { return x < a[0].f ? a[0].f : x > a[1].f ? a[1].f : x; }
static void clip_reference(const glia_kargs *k)
{
    static const glia_unary f = {clip_f32, clip_f64, NULL, NULL};
    glia_unary_run(k, &f);
}
static void clip_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0];
    glia_value above = call2(g, "ge", x, glia_build_scalar(g, x, n->attr[0].f));
    glia_value below = call2(g, "le", x, glia_build_scalar(g, x, n->attr[1].f));
    din[0] = glia_build_call(g, "where", 3, call2(g, "and", above, below), dout[0],
                             glia_build_scalar(g, dout[0], 0.0));
}
static bool clip_infer(glia_infer *x)
{
    if (!(x->attr[0].f <= x->attr[1].f))
        return glia_infer_fail(x, GLIA_E_ARG, "G0157", "`clip`: min %g is above max %g", x->attr[0].f,
                               x->attr[1].f);
    return glia_infer_plain(x);
}
static void clip_sample(glia_sample *s)
{
    unary_sample(s);
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("min", -1.5);
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("max", 1.0);
}

#define IN_PLACE (GLIA_INPLACE_0 | GLIA_ELEMENTWISE)
#define FLOATS "x: F[..] -> y: like(x)"
#define NUMBERS "x: F|I[..] -> y: like(x)"
#define UNARY(op, sig, gradient, price, sampler)                                                             \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = sig,                                                          \
                                  .traits = IN_PLACE,                                                        \
                                  .infer = glia_infer_plain,                                                 \
                                  .grad = gradient,                                                          \
                                  .cost = price,                                                             \
                                  .reference = op##_reference,                                               \
                                  .sample = sampler}

UNARY(neg, NUMBERS, neg_grad, cheap_cost, unary_sample);
UNARY(abs, NUMBERS, abs_grad, cheap_cost, unary_sample);
UNARY(exp, FLOATS, exp_grad, heavy_cost, unary_sample);
UNARY(log, FLOATS, log_grad, heavy_cost, positive_sample);
UNARY(sqrt, FLOATS, sqrt_grad, heavy_cost, positive_sample);
UNARY(rsqrt, FLOATS, rsqrt_grad, heavy_cost, positive_sample);
UNARY(reciprocal, FLOATS, reciprocal_grad, heavy_cost, positive_sample);
UNARY(sin, FLOATS, sin_grad, heavy_cost, unary_sample);
UNARY(cos, FLOATS, cos_grad, heavy_cost, unary_sample);
UNARY(tanh, FLOATS, tanh_grad, heavy_cost, unary_sample);
UNARY(erf, FLOATS, erf_grad, heavy_cost, unary_sample);
UNARY(sigmoid, FLOATS, sigmoid_grad, heavy_cost, unary_sample);
UNARY(relu, NUMBERS, relu_grad, cheap_cost, unary_sample);
UNARY(softplus, FLOATS, softplus_grad, heavy_cost, unary_sample);
UNARY(floor, FLOATS, zero_grad, cheap_cost, unary_sample);
UNARY(ceil, FLOATS, zero_grad, cheap_cost, unary_sample);
UNARY(round, FLOATS, zero_grad, cheap_cost, unary_sample);
UNARY(sign, NUMBERS, zero_grad, cheap_cost, unary_sample);

const glia_op glia_op_leaky_relu = {.name = "leaky_relu",
                                    .signature = FLOATS,
                                    .traits = IN_PLACE,
                                    .attrs = leaky_attrs,
                                    .infer = glia_infer_plain,
                                    .grad = leaky_relu_grad,
                                    .cost = cheap_cost,
                                    .reference = leaky_relu_reference,
                                    .sample = unary_sample};
const glia_op glia_op_elu = {.name = "elu",
                             .signature = FLOATS,
                             .traits = IN_PLACE,
                             .attrs = elu_attrs,
                             .infer = glia_infer_plain,
                             .grad = elu_grad,
                             .cost = heavy_cost,
                             .reference = elu_reference,
                             .sample = unary_sample};
const glia_op glia_op_clip = {.name = "clip",
                              .signature = FLOATS,
                              .traits = IN_PLACE,
                              .attrs = clip_attrs,
                              .infer = clip_infer,
                              .grad = clip_grad,
                              .cost = cheap_cost,
                              .reference = clip_reference,
                              .sample = clip_sample};

/* ================ two inputs ================ */

static float add_f32(float x, float y) { return x + y; }
static double add_f64(double x, double y) { return x + y; }
static int64_t add_i64(int64_t x, int64_t y) { return (int64_t)((uint64_t)x + (uint64_t)y); }
static void add_reference(const glia_kargs *k)
{
    static const glia_binary f = {add_f32, add_f64, add_i64, NULL};
    glia_binary_run(k, &f);
}
static void add_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    for (int i = 0; i < 2; i++) din[i] = glia_build_sum_to(g, dout[0], n->in[i]);
}

static float sub_f32(float x, float y) { return x - y; }
static double sub_f64(double x, double y) { return x - y; }
static int64_t sub_i64(int64_t x, int64_t y) { return (int64_t)((uint64_t)x - (uint64_t)y); }
static void sub_reference(const glia_kargs *k)
{
    static const glia_binary f = {sub_f32, sub_f64, sub_i64, NULL};
    glia_binary_run(k, &f);
}
static void sub_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_sum_to(g, dout[0], n->in[0]);
    din[1] = call1(g, "neg", glia_build_sum_to(g, dout[0], n->in[1]));
}

static float mul_f32(float x, float y) { return x * y; }
static double mul_f64(double x, double y) { return x * y; }
static int64_t mul_i64(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }
static void mul_reference(const glia_kargs *k)
{
    static const glia_binary f = {mul_f32, mul_f64, mul_i64, NULL};
    glia_binary_run(k, &f);
}
static void mul_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    for (int i = 0; i < 2; i++)
        din[i] = glia_build_sum_to(g, call2(g, "mul", dout[0], n->in[1 - i]), n->in[i]);
}

static float div_f32(float x, float y) { return x / y; }
static double div_f64(double x, double y) { return x / y; }
static int64_t div_i64(int64_t x, int64_t y)
{
    return y == 0 ? 0 : y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}
static uint64_t div_u64(uint64_t x, uint64_t y) { return y == 0 ? 0 : x / y; }
static void div_reference(const glia_kargs *k)
{
    static const glia_binary f = {div_f32, div_f64, div_i64, div_u64};
    glia_binary_run(k, &f);
}
/* d(x / y) = dx / y - (x / y) dy / y */
static void div_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value dx = call2(g, "div", dout[0], n->in[1]);
    din[0] = glia_build_sum_to(g, dx, n->in[0]);
    din[1] = call1(g, "neg", glia_build_sum_to(g, call2(g, "mul", dx, n->out[0]), n->in[1]));
}

static float pow_f32(float x, float y) { return glia_powf(x, y); }
static double pow_f64(double x, double y) { return glia_pow(x, y); }
/* Integers wrap; a negative exponent cuts towards zero, so that only 1 and -1 are left. */
static int64_t pow_i64(int64_t x, int64_t y)
{
    uint64_t base = (uint64_t)x, p = 1;
    if (y < 0) return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
    for (; y; y >>= 1, base *= base)
        if (y & 1) p *= base;
    return (int64_t)p;
}
static uint64_t pow_u64(uint64_t x, uint64_t y)
{
    uint64_t p = 1;
    for (; y; y >>= 1, x *= x)
        if (y & 1) p *= x;
    return p;
}
static void pow_reference(const glia_kargs *k)
{
    static const glia_binary f = {pow_f32, pow_f64, pow_i64, pow_u64};
    glia_binary_run(k, &f);
}
/* dx = dy * y x^(y-1), dy = z log(x); the logarithm counts only where x > 0, else the exponent's gradient is
 * 0. */
static void pow_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], y = n->in[1], one = glia_build_scalar(g, y, 1.0);
    glia_value slope = call2(g, "mul", y, call2(g, "pow", x, call2(g, "sub", y, one)));
    din[0] = glia_build_sum_to(g, call2(g, "mul", dout[0], slope), x);
    glia_value positive = call2(g, "gt", x, glia_build_scalar(g, x, 0.0));
    glia_value safe = glia_build_call(g, "where", 3, positive, x, glia_build_scalar(g, x, 1.0));
    din[1] =
        glia_build_sum_to(g, call2(g, "mul", dout[0], call2(g, "mul", n->out[0], call1(g, "log", safe))), y);
}

/* The second if equal, NaN if either is NaN. */
static float min_f32(float x, float y) { return x < y || x != x ? x : y; }
static double min_f64(double x, double y) { return x < y || x != x ? x : y; }
static int64_t min_i64(int64_t x, int64_t y) { return x < y ? x : y; }
static uint64_t min_u64(uint64_t x, uint64_t y) { return x < y ? x : y; }
static void min_reference(const glia_kargs *k)
{
    static const glia_binary f = {min_f32, min_f64, min_i64, min_u64};
    glia_binary_run(k, &f);
}
static float max_f32(float x, float y) { return x > y || x != x ? x : y; }
static double max_f64(double x, double y) { return x > y || x != x ? x : y; }
static int64_t max_i64(int64_t x, int64_t y) { return x > y ? x : y; }
static uint64_t max_u64(uint64_t x, uint64_t y) { return x > y ? x : y; }
static void max_reference(const glia_kargs *k)
{
    static const glia_binary f = {max_f32, max_f64, max_i64, max_u64};
    glia_binary_run(k, &f);
}
/* To the side that was taken; at a tie to the second, as the value. */
static void choose_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din,
                        const char *compare)
{
    glia_value first = call2(g, compare, n->in[0], n->in[1]), zero = glia_build_scalar(g, dout[0], 0.0);
    din[0] = glia_build_sum_to(g, glia_build_call(g, "where", 3, first, dout[0], zero), n->in[0]);
    din[1] = glia_build_sum_to(g, glia_build_call(g, "where", 3, first, zero, dout[0]), n->in[1]);
}
static void min_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    choose_grad(g, n, dout, din, "lt");
}
static void max_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    choose_grad(g, n, dout, din, "gt");
}

/* prelu: x if x > 0, else x * slope; the slope broadcasts. */
static float prelu_f32(float x, float slope) { return x > 0.0f ? x : x * slope; }
static double prelu_f64(double x, double slope) { return x > 0.0 ? x : x * slope; }
static int64_t prelu_i64(int64_t x, int64_t slope) { return x > 0 ? x : mul_i64(x, slope); }
static uint64_t prelu_u64(uint64_t x, uint64_t slope)
{
    (void)slope;
    return x;
}
static void prelu_reference(const glia_kargs *k)
{
    static const glia_binary f = {prelu_f32, prelu_f64, prelu_i64, prelu_u64};
    glia_binary_run(k, &f);
}
static void prelu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], zero = glia_build_scalar(g, dout[0], 0.0);
    glia_value slope = positive_part_slope(g, x, dout[0], call2(g, "mul", dout[0], n->in[1]));
    din[0] = glia_build_sum_to(g, slope, x);
    din[1] = glia_build_sum_to(g, positive_part_slope(g, x, zero, call2(g, "mul", dout[0], x)), n->in[1]);
}

#define BOTH (GLIA_INPLACE_0 | GLIA_INPLACE_1 | GLIA_ELEMENTWISE)
#define BINARY_SIG "a: T[..x], b: T[..y] -> z: T[..x^y]"
#define BINARY(op, more, gradient, price, sampler)                                                           \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = BINARY_SIG,                                                   \
                                  .traits = BOTH | (more),                                                   \
                                  .infer = numbers_infer,                                                    \
                                  .grad = gradient,                                                          \
                                  .cost = price,                                                             \
                                  .reference = op##_reference,                                               \
                                  .sample = sampler}

/* Arithmetic is for numbers: booleans and block formats have their own ops. */
static bool numbers_infer(glia_infer *x)
{
    if (!glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0157", "`%s` takes floats or integers, not %s", x->op->name,
                               glia_dtype_name(x->in[0].dtype));
    return glia_infer_plain(x);
}

BINARY(add, GLIA_COMMUTATIVE, add_grad, cheap_cost, binary_sample);
BINARY(sub, 0, sub_grad, cheap_cost, binary_sample);
BINARY(mul, GLIA_COMMUTATIVE, mul_grad, cheap_cost, binary_sample);
BINARY(div, 0, div_grad, cheap_cost, quotient_sample);
BINARY(min, 0, min_grad, cheap_cost, binary_sample);
BINARY(max, 0, max_grad, cheap_cost, binary_sample);
BINARY(prelu, 0, prelu_grad, cheap_cost, binary_sample);
const glia_op glia_op_pow = {.name = "pow",
                             .signature = BINARY_SIG,
                             .traits = BOTH,
                             .infer = numbers_infer,
                             .grad = pow_grad,
                             .cost = heavy_cost,
                             .reference = pow_reference,
                             .sample = power_sample};
