/* Normalisations over the last axis. Sums run in 16 lanes per segment of 4096 (sum.h). */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/sum.h"

static const glia_attr_spec norm_attrs[] = {{"eps", GLIA_ATTR_FLOAT, false, 1e-5}, {0}};

static bool norm_infer(glia_infer *x)
{
    double eps = x->attr[0].f;
    if (!(eps >= 0) || eps > 1e30)
        return glia_infer_fail(x, GLIA_E_ARG, "G0151",
                               "`%s`: eps is %g; it has to be finite and not negative", x->op->name, eps);
    return glia_infer_plain(x);
}

/* y = (x * r) * w with r = 1 / sqrt(sum(x^2) / n + eps). */
static void rms_norm_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    int64_t n = glia_last_dim(x);
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        int64_t at = b.row * n;
        if (y->dtype == GLIA_F64) {
            glia_lanes_f64 l = {.at = 0};
            for (int64_t i = 0; i < n; i++)
                glia_lanes_add_f64(&l, glia_get_f64(x, at + i), glia_get_f64(x, at + i));
            double r = 1.0 / sqrt(glia_lanes_done_f64(&l) / (double)n + k->attr[0].f);
            for (int64_t i = 0; i < n; i++)
                glia_set_f64(y, at + i, glia_get_f64(x, at + i) * r * glia_get_f64(w, i));
        } else {
            glia_lanes_f32 l = {.at = 0};
            for (int64_t i = 0; i < n; i++)
                glia_lanes_add_f32(&l, glia_get_f32(x, at + i), glia_get_f32(x, at + i));
            float r = 1.0f / sqrtf(glia_lanes_done_f32(&l) / (float)n + (float)k->attr[0].f);
            for (int64_t i = 0; i < n; i++)
                glia_set_f32(y, at + i, glia_get_f32(x, at + i) * r * glia_get_f32(w, i));
        }
    }
}

static void norm_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, glia_leading(&k->out[0])) * (double)glia_last_dim(&k->out[0]);
    out->flops = 5 * e;
    out->bytes = 8 * e;
}

/* With r = rsqrt(mean(x^2) + eps) and h = w * dy, means over the last axis:
 *     dx = r * (h - x * r^2 * mean(x * h)),   dw = sum over rows of dy * x * r. */
static void rms_norm_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], w = n->in[1], dy = dout[0];
    int axis = glia_build_type(g, x)->rank - 1;
    glia_value square = glia_build_mean_keep(g, glia_build_call(g, "mul", 2, x, x), axis);
    glia_value eps = glia_build_scalar(g, x, n->attr[0].f);
    glia_value r = glia_build_call(g, "rsqrt", 1, glia_build_call(g, "add", 2, square, eps));
    glia_value h = glia_build_call(g, "mul", 2, dy, w);
    glia_value xr = glia_build_call(g, "mul", 2, x, r);
    glia_value m = glia_build_mean_keep(g, glia_build_call(g, "mul", 2, xr, h), axis);
    din[0] =
        glia_build_call(g, "mul", 2, glia_build_call(g, "sub", 2, h, glia_build_call(g, "mul", 2, xr, m)), r);
    din[1] = glia_build_sum_to(g, glia_build_call(g, "mul", 2, dy, xr), w);
}

static void norm_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 4), n = s->pick(s->ctx, 1, 40);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {t, n}};
    s->in[1] = (glia_type){GLIA_F32, 1, 0, {n}};
    s->lo[0] = -2, s->hi[0] = 2, s->lo[1] = 0.5, s->hi[1] = 1.5;
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("eps", 1e-3);
}

static void layer_norm_sample(glia_sample *s)
{
    norm_sample(s);
    s->in_count = 3;
    s->in[2] = s->in[1];
    s->lo[2] = -1, s->hi[2] = 1;
}

const glia_op glia_op_rms_norm = {
    .name = "rms_norm",
    .signature = "x: F[.., n!], w: F[n] -> y: like(x)",
    .traits = GLIA_INPLACE_0,
    .attrs = norm_attrs,
    .infer = norm_infer,
    .grad = rms_norm_grad,
    .cost = norm_cost,
    .reference = rms_norm_reference,
    .sample = norm_sample,
};

static void layer_norm_row_f32(const glia_kargs *k, int64_t at, int64_t n)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2), *y = &k->out[0];
    glia_lanes_f32 s = {.at = 0}, v = {.at = 0};
    for (int64_t i = 0; i < n; i++) glia_lanes_add_f32(&s, glia_get_f32(x, at + i), 1.0f);
    float mean = glia_lanes_done_f32(&s) / (float)n;
    for (int64_t i = 0; i < n; i++) {
        float c = glia_get_f32(x, at + i) - mean;
        glia_lanes_add_f32(&v, c, c);
    }
    float r = 1.0f / sqrtf(glia_lanes_done_f32(&v) / (float)n + (float)k->attr[0].f);
    for (int64_t i = 0; i < n; i++) {
        float c = (glia_get_f32(x, at + i) - mean) * r, wi = glia_get_f32(w, i);
        glia_set_f32(y, at + i, bias ? fmaf(c, wi, glia_get_f32(bias, i)) : c * wi);
    }
}

static void layer_norm_row_f64(const glia_kargs *k, int64_t at, int64_t n)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2), *y = &k->out[0];
    glia_lanes_f64 s = {.at = 0}, v = {.at = 0};
    for (int64_t i = 0; i < n; i++) glia_lanes_add_f64(&s, glia_get_f64(x, at + i), 1.0);
    double mean = glia_lanes_done_f64(&s) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double c = glia_get_f64(x, at + i) - mean;
        glia_lanes_add_f64(&v, c, c);
    }
    double r = 1.0 / sqrt(glia_lanes_done_f64(&v) / (double)n + k->attr[0].f);
    for (int64_t i = 0; i < n; i++) {
        double c = (glia_get_f64(x, at + i) - mean) * r, wi = glia_get_f64(w, i);
        glia_set_f64(y, at + i, bias ? fma(c, wi, glia_get_f64(bias, i)) : c * wi);
    }
}

/* c = (x - mean) * r, y = fma(c, w, b); the variance is the mean of (x - mean)^2, taken in a second pass. */
static void layer_norm_reference(const glia_kargs *k)
{
    int64_t n = glia_last_dim(&k->in[0]);
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b)) {
        if (k->out[0].dtype == GLIA_F64) layer_norm_row_f64(k, b.row * n, n);
        else layer_norm_row_f32(k, b.row * n, n);
    }
}

/* With c = (x - mean) * r and h = w * dy, means over the last axis:
 *     dx = r * (h - mean(h) - c * mean(c * h)),   dw = sum of dy * c,   db = sum of dy. */
static void layer_norm_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], w = n->in[1], dy = dout[0];
    int axis = glia_build_type(g, x)->rank - 1;
    glia_value centred = glia_build_call(g, "sub", 2, x, glia_build_mean_keep(g, x, axis));
    glia_value variance = glia_build_mean_keep(g, glia_build_call(g, "mul", 2, centred, centred), axis);
    glia_value eps = glia_build_scalar(g, x, n->attr[0].f);
    glia_value r = glia_build_call(g, "rsqrt", 1, glia_build_call(g, "add", 2, variance, eps));
    glia_value c = glia_build_call(g, "mul", 2, centred, r);
    glia_value h = glia_build_call(g, "mul", 2, dy, w);
    glia_value ch = glia_build_mean_keep(g, glia_build_call(g, "mul", 2, c, h), axis);
    glia_value t = glia_build_call(g, "sub", 2, h, glia_build_mean_keep(g, h, axis));
    t = glia_build_call(g, "sub", 2, t, glia_build_call(g, "mul", 2, c, ch));
    din[0] = glia_build_call(g, "mul", 2, t, r);
    din[1] = glia_build_sum_to(g, glia_build_call(g, "mul", 2, dy, c), w);
    if (n->in_count > 2 && !glia_is_null(n->in[2])) din[2] = glia_build_sum_to(g, dy, n->in[2]);
}

const glia_op glia_op_layer_norm = {
    .name = "layer_norm",
    .signature = "x: F[.., n!], w: F[n], b?: F[n] -> y: like(x)",
    .traits = GLIA_INPLACE_0,
    .attrs = norm_attrs,
    .infer = norm_infer,
    .grad = layer_norm_grad,
    .cost = norm_cost,
    .reference = layer_norm_reference,
    .sample = layer_norm_sample,
};
