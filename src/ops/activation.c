/* Activations: silu, gelu in both forms, swiglu, swiglu_limited, and the loops that all elementwise ops
 * share. */
#include "ops/activation.h"

#include <math.h>

#include "base/fmath.h"
#include "ops/build.h"
#include "ops/ops.h"

void glia_unary_run(const glia_kargs *k, const glia_unary *f)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int64_t n = glia_last_dim(y);
    bool floats = glia_is_float(y->dtype);
    for (glia_box b = glia_box_rows(k, glia_leading(y)); b.more; glia_box_next(&b)) {
        for (int64_t i = b.row * n + glia_box_begin(k), e = b.row * n + glia_box_end(k); i < e; i++) {
            if (!floats) glia_set_i64(y, i, f->i64(glia_get_i64(x, i), k->attr));
            else if (f->alone) glia_set_f64(y, i, f->alone(glia_get_f64(x, i)));
            else if (y->dtype == GLIA_F64) glia_set_f64(y, i, f->f64(glia_get_f64(x, i), k->attr));
            else glia_set_f32(y, i, f->f32(glia_get_f32(x, i), k->attr));
        }
    }
}

static void binary_one(const glia_kargs *k, const glia_binary *f, int64_t ia, int64_t ib, int64_t o)
{
    const glia_tensor *a = &k->in[0], *b = &k->in[1], *y = &k->out[0];
    if (y->dtype == GLIA_F64) glia_set_f64(y, o, f->f64(glia_get_f64(a, ia), glia_get_f64(b, ib)));
    else if (glia_is_float(y->dtype)) glia_set_f32(y, o, f->f32(glia_get_f32(a, ia), glia_get_f32(b, ib)));
    else if (y->dtype == GLIA_U64 && f->u64)
        glia_set_i64(y, o, (int64_t)f->u64((uint64_t)glia_get_i64(a, ia), (uint64_t)glia_get_i64(b, ib)));
    else glia_set_i64(y, o, f->i64(glia_get_i64(a, ia), glia_get_i64(b, ib)));
}

void glia_binary_run(const glia_kargs *k, const glia_binary *f)
{
    const glia_tensor *y = &k->out[0];
    int64_t sa[GLIA_RANK_MAX + 1] = {0}, sb[GLIA_RANK_MAX + 1] = {0}, n = glia_last_dim(y);
    int lead = glia_leading(y);
    glia_broadcast_strides(&k->in[0], y, sa);
    glia_broadcast_strides(&k->in[1], y, sb);
    for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
        int64_t ia = 0, ib = 0;
        for (int a = 0; a < lead; a++) {
            ia += b.index[a] * sa[a];
            ib += b.index[a] * sb[a];
        }
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++)
            binary_one(k, f, ia + i * sa[lead], ib + i * sb[lead], b.row * n + i);
    }
}

void glia_elementwise_cost(const glia_kargs *k, double flops, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = flops * e;
    out->bytes = e * glia_dtype_get(k->out[0].dtype)->block_bytes * (1 + k->in_count);
}

static void heavy_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 15, out); }

static void unary_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 40)}};
    s->lo[0] = -4, s->hi[0] = 4;
}

/* ---- silu(x) = x / (1 + exp(-x)) ---- */

static double silu_f64(double x) { return x / (1.0 + glia_exp(-x)); }
static float silu_op_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_siluf(x);
}
static double silu_op_f64(double x, const glia_attr *a)
{
    (void)a;
    return silu_f64(x);
}
static void silu_reference(const glia_kargs *k)
{
    static const glia_unary f = {silu_op_f32, silu_op_f64, NULL, NULL};
    glia_unary_run(k, &f);
}

/* With s = sigmoid(x): silu'(x) = s * (1 + x * (1 - s)) = s + silu(x) * (1 - s). */
static glia_value silu_slope(glia_graph *g, glia_value x)
{
    glia_value s = glia_build_call(g, "sigmoid", 1, x), y = glia_build_call(g, "mul", 2, x, s);
    return glia_build_call(g, "add", 2, s,
                           glia_build_call(g, "sub", 2, y, glia_build_call(g, "mul", 2, y, s)));
}

static void silu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "mul", 2, dout[0], silu_slope(g, n->in[0]));
}

const glia_op glia_op_silu = {
    .name = "silu",
    .signature = "x: F[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,
    .infer = glia_infer_plain,
    .grad = silu_grad,
    .cost = heavy_cost,
    .reference = silu_reference,
    .sample = unary_sample,
};

/* ---- gelu, tanh form ---- */

#define GELU_ROOT 0.79788456080286535588 /* sqrt(2 / pi) */
#define GELU_CUBE 0.044715

static double gelu_f64(double x)
{
    double u = GELU_ROOT * fma(GELU_CUBE * x * x, x, x);
    return 0.5 * x * (1.0 + glia_tanh(u));
}
static float gelu_op_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_gelu_tanhf(x);
}
static double gelu_op_f64(double x, const glia_attr *a)
{
    (void)a;
    return gelu_f64(x);
}
static void gelu_reference(const glia_kargs *k)
{
    static const glia_unary f = {gelu_op_f32, gelu_op_f64, NULL, NULL};
    glia_unary_run(k, &f);
}

/* With t = tanh(u), u = c (x + 0.044715 x^3):
 *     gelu' = (1 + t) / 2 + x (1 - t^2) c (1 + 3 * 0.044715 x^2) / 2. */
static void gelu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], one = glia_build_scalar(g, x, 1.0), square = glia_build_call(g, "mul", 2, x, x);
    glia_value inner = glia_build_call(g, "add", 2, one, glia_build_scale(g, square, GELU_CUBE));
    glia_value t =
        glia_build_call(g, "tanh", 1, glia_build_scale(g, glia_build_call(g, "mul", 2, x, inner), GELU_ROOT));
    glia_value slope = glia_build_call(g, "add", 2, one, glia_build_scale(g, square, 3 * GELU_CUBE));
    glia_value flat = glia_build_call(g, "sub", 2, one, glia_build_call(g, "mul", 2, t, t));
    glia_value second = glia_build_call(g, "mul", 2, glia_build_scale(g, x, GELU_ROOT),
                                        glia_build_call(g, "mul", 2, flat, slope));
    glia_value both = glia_build_call(g, "add", 2, glia_build_call(g, "add", 2, one, t), second);
    din[0] = glia_build_call(g, "mul", 2, dout[0], glia_build_scale(g, both, 0.5));
}

const glia_op glia_op_gelu = {
    .name = "gelu",
    .signature = "x: F[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,
    .infer = glia_infer_plain,
    .grad = gelu_grad,
    .cost = heavy_cost,
    .reference = gelu_reference,
    .sample = unary_sample,
};

/* ---- gelu, erf form ---- */

static float gelu_erf_op_f32(float x, const glia_attr *a)
{
    (void)a;
    return glia_gelu_erff(x);
}
static double gelu_erf_op_f64(double x, const glia_attr *a)
{
    (void)a;
    return 0.5 * x * (1.0 + glia_erf(x * 0.70710678118654752440));
}
static void gelu_erf_reference(const glia_kargs *k)
{
    static const glia_unary f = {gelu_erf_op_f32, gelu_erf_op_f64, NULL, NULL};
    glia_unary_run(k, &f);
}

/* gelu' = (1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi) */
static void gelu_erf_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], one = glia_build_scalar(g, x, 1.0);
    glia_value e = glia_build_call(g, "erf", 1, glia_build_scale(g, x, 0.70710678118654752440));
    glia_value bell =
        glia_build_call(g, "exp", 1, glia_build_scale(g, glia_build_call(g, "mul", 2, x, x), -0.5));
    glia_value second = glia_build_scale(g, glia_build_call(g, "mul", 2, x, bell), 0.39894228040143267794);
    glia_value first = glia_build_scale(g, glia_build_call(g, "add", 2, one, e), 0.5);
    din[0] = glia_build_call(g, "mul", 2, dout[0], glia_build_call(g, "add", 2, first, second));
}

const glia_op glia_op_gelu_erf = {
    .name = "gelu_erf",
    .signature = "x: F[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,
    .infer = glia_infer_plain,
    .grad = gelu_erf_grad,
    .cost = heavy_cost,
    .reference = gelu_erf_reference,
    .sample = unary_sample,
};

/* ---- swiglu(gate, up) = silu(gate) * up ---- */

static float swiglu_f32(float gate, float up) { return glia_siluf(gate) * up; }
static double swiglu_f64(double gate, double up) { return silu_f64(gate) * up; }
static void swiglu_reference(const glia_kargs *k)
{
    static const glia_binary f = {swiglu_f32, swiglu_f64, NULL, NULL};
    glia_binary_run(k, &f);
}

static void swiglu_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value dy_up = glia_build_call(g, "mul", 2, dout[0], n->in[1]);
    din[0] = glia_build_call(g, "mul", 2, dy_up, silu_slope(g, n->in[0]));
    din[1] = glia_build_call(g, "mul", 2, dout[0], glia_build_call(g, "silu", 1, n->in[0]));
}

static void swiglu_sample(glia_sample *s)
{
    unary_sample(s);
    s->in_count = 2;
    s->in[1] = s->in[0];
    s->lo[1] = -2, s->hi[1] = 2;
}

const glia_op glia_op_swiglu = {
    .name = "swiglu",
    .signature = "gate: F[..], up: F[..] -> y: like(gate)",
    .traits = GLIA_INPLACE_0 | GLIA_INPLACE_1 | GLIA_ELEMENTWISE,
    .infer = glia_infer_plain,
    .grad = swiglu_grad,
    .cost = heavy_cost,
    .reference = swiglu_reference,
    .sample = swiglu_sample,
};

/* ---- swiglu_limited(gate, up) = g / (1 + exp(-alpha g)) * (u + 1), where g is gate cut from above at limit
 * and u is up cut to [-limit, limit]. A NaN stays one. ---- */

static const glia_attr_spec swiglu_limited_attrs[] = {
    {"alpha", GLIA_ATTR_FLOAT, false, 1.702}, {"limit", GLIA_ATTR_FLOAT, false, 7}, {0}};

static float limited_f32(float gate, float up, float alpha, float limit)
{
    float g = gate > limit ? limit : gate, u = up > limit ? limit : up < -limit ? -limit : up;
    return g / (1.0f + glia_expf(-(alpha * g))) * (u + 1.0f);
}
static double limited_f64(double gate, double up, double alpha, double limit)
{
    double g = gate > limit ? limit : gate, u = up > limit ? limit : up < -limit ? -limit : up;
    return g / (1.0 + glia_exp(-(alpha * g))) * (u + 1.0);
}

static void swiglu_limited_reference(const glia_kargs *k)
{
    const glia_tensor *gate = &k->in[0], *up = &k->in[1], *y = &k->out[0];
    const double alpha = k->attr[0].f, limit = k->attr[1].f;
    int64_t n = glia_last_dim(y);
    for (glia_box b = glia_box_rows(k, glia_leading(y)); b.more; glia_box_next(&b)) {
        for (int64_t i = b.row * n + glia_box_begin(k), e = b.row * n + glia_box_end(k); i < e; i++) {
            if (y->dtype == GLIA_F64)
                glia_set_f64(y, i, limited_f64(glia_get_f64(gate, i), glia_get_f64(up, i), alpha, limit));
            else
                glia_set_f32(
                    y, i,
                    limited_f32(glia_get_f32(gate, i), glia_get_f32(up, i), (float)alpha, (float)limit));
        }
    }
}

static bool swiglu_limited_infer(glia_infer *x)
{
    if (!(fabs(x->attr[0].f) <= 1e30) || !(x->attr[1].f > 0 && x->attr[1].f <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0170",
                               "`swiglu_limited`: alpha is finite, limit finite and above 0");
    return glia_infer_plain(x);
}

static void swiglu_limited_sample(glia_sample *s)
{
    swiglu_sample(s);
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("limit", 1.5);
}

const glia_op glia_op_swiglu_limited = {
    .name = "swiglu_limited",
    .signature = "gate: F[..], up: F[..] -> y: like(gate)",
    .traits = GLIA_INPLACE_0 | GLIA_INPLACE_1 | GLIA_ELEMENTWISE,
    .attrs = swiglu_limited_attrs,
    .infer = swiglu_limited_infer,
    .no_grad = "models with this activation are run here, not trained",
    .cost = heavy_cost,
    .reference = swiglu_limited_reference,
    .sample = swiglu_limited_sample,
};
