/* Normalisations over channels, and determinants.
 *
 * group_norm, over the last two axes (channels of a group, places), with weights by channel: sums in 16 lanes as in
 * layer_norm; c = (x - mean) / sqrt(var + eps), y = fma(c, w, b).
 * lrn: y = x / (bias + alpha / size * s)^beta, s the squares of `size` channels around its own, one chain ascending;
 * for beta 3/4 the power is sqrt(v) sqrt(sqrt(v)). det: by rows eliminated with the greatest pivot, in f64. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/sum.h"

static const glia_attr_spec group_attrs[] = {{"eps", GLIA_ATTR_FLOAT, false, 1e-5}, {0}};

static void group_f32(const glia_kargs *k, int64_t row, int64_t channels, int64_t places)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int64_t n = channels * places, at = row * n, first = row % y->dims[1] * channels;
    glia_lanes_f32 s = {.at = 0}, v = {.at = 0};
    for (int64_t i = 0; i < n; i++) glia_lanes_add_f32(&s, glia_get_f32(x, at + i), 1.0f);
    const float mean = glia_lanes_done_f32(&s) / (float)n;
    for (int64_t i = 0; i < n; i++) {
        float c = glia_get_f32(x, at + i) - mean;
        glia_lanes_add_f32(&v, c, c);
    }
    const float r = 1.0f / sqrtf(glia_lanes_done_f32(&v) / (float)n + (float)k->attr[0].f);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = first + i / places;
        glia_set_f32(y, at + i,
                     fmaf((glia_get_f32(x, at + i) - mean) * r, glia_get_f32(&k->in[1], c),
                          glia_get_f32(&k->in[2], c)));
    }
}

static void group_f64(const glia_kargs *k, int64_t row, int64_t channels, int64_t places)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int64_t n = channels * places, at = row * n, first = row % y->dims[1] * channels;
    glia_lanes_f64 s = {.at = 0}, v = {.at = 0};
    for (int64_t i = 0; i < n; i++) glia_lanes_add_f64(&s, glia_get_f64(x, at + i), 1.0);
    const double mean = glia_lanes_done_f64(&s) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double c = glia_get_f64(x, at + i) - mean;
        glia_lanes_add_f64(&v, c, c);
    }
    const double r = 1.0 / sqrt(glia_lanes_done_f64(&v) / (double)n + k->attr[0].f);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = first + i / places;
        glia_set_f64(y, at + i,
                     fma((glia_get_f64(x, at + i) - mean) * r, glia_get_f64(&k->in[1], c),
                         glia_get_f64(&k->in[2], c)));
    }
}

static void group_norm_reference(const glia_kargs *k)
{
    const int64_t channels = k->out[0].dims[2], places = k->out[0].dims[3];
    for (glia_box b = glia_box_rows(k, 2); b.more; glia_box_next(&b)) {
        if (k->out[0].dtype == GLIA_F64) group_f64(k, b.row, channels, places);
        else group_f32(k, b.row, channels, places);
    }
}

static bool group_norm_infer(glia_infer *x)
{
    const double eps = x->attr[0].f;
    if (!(eps >= 0) || eps > 1e30)
        return glia_infer_fail(x, GLIA_E_ARG, "G0151",
                               "`group_norm`: eps is %g; it has to be finite and not negative", eps);
    return glia_infer_plain(x);
}

static void whole_rows_cost(const glia_kargs *k, glia_cost *out)
{
    const double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 8 * e;
    out->bytes = 8 * e;
}

/* As layer_norm's, with means over both axes. */
static void group_norm_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], dy = dout[0], w = n->in[1];
    const glia_type t = *glia_build_type(g, x);
    const int64_t both[] = {2, 3};
    glia_attr_arg mean[] = {GLIA_INTS("axes", both, 2), GLIA_INT("keepdims", 1), {0}};
    const glia_dim by_channel[] = {t.dims[1], t.dims[2], 1};
    glia_value centred = glia_build_call(g, "sub", 2, x, glia_build_attr(g, "mean", mean, 1, x));
    glia_value variance = glia_build_attr(g, "mean", mean, 1, glia_build_call(g, "mul", 2, centred, centred));
    glia_value r = glia_build_call(
        g, "rsqrt", 1, glia_build_call(g, "add", 2, variance, glia_build_scalar(g, x, n->attr[0].f)));
    glia_value c = glia_build_call(g, "mul", 2, centred, r);
    glia_value h = glia_build_call(g, "mul", 2, dy, glia_build_reshape(g, w, by_channel, 3));
    glia_value ch = glia_build_attr(g, "mean", mean, 1, glia_build_call(g, "mul", 2, c, h));
    glia_value rest = glia_build_call(g, "sub", 2, h, glia_build_attr(g, "mean", mean, 1, h));
    rest = glia_build_call(g, "sub", 2, rest, glia_build_call(g, "mul", 2, c, ch));
    din[0] = glia_build_call(g, "mul", 2, rest, r);
    glia_value like = glia_build_reshape(g, w, by_channel, 3);
    const glia_dim flat[] = {t.dims[1], t.dims[2]};
    din[1] = glia_build_reshape(g, glia_build_sum_to(g, glia_build_call(g, "mul", 2, dy, c), like), flat, 2);
    din[2] = glia_build_reshape(g, glia_build_sum_to(g, dy, like), flat, 2);
}

static void group_norm_sample(glia_sample *s)
{
    const int64_t g = s->pick(s->ctx, 1, 3), c = s->pick(s->ctx, 1, 3);
    s->in_count = 3;
    s->in[0] = (glia_type){GLIA_F32, 4, 0, {s->pick(s->ctx, 1, 2), g, c, s->pick(s->ctx, 1, 12)}};
    s->in[1] = s->in[2] = (glia_type){GLIA_F32, 2, 0, {g, c}};
    s->lo[0] = -2, s->hi[0] = 2, s->lo[1] = 0.5, s->hi[1] = 1.5, s->lo[2] = -1, s->hi[2] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("eps", 1e-2);
}

const glia_op glia_op_group_norm = {
    .name = "group_norm",
    .signature = "x: F[n, g, c!, s!], w: F[g, c], b: F[g, c] -> y: like(x)",
    .traits = GLIA_INPLACE_0,
    .attrs = group_attrs,
    .infer = group_norm_infer,
    .grad = group_norm_grad,
    .cost = whole_rows_cost,
    .reference = group_norm_reference,
    .sample = group_norm_sample,
};

/* ---- lrn over [n, channels, places] ---- */

static const glia_attr_spec lrn_attrs[] = {{"size", GLIA_ATTR_INT, true, 0},
                                           {"alpha", GLIA_ATTR_FLOAT, false, 1e-4},
                                           {"beta", GLIA_ATTR_FLOAT, false, 0.75},
                                           {"bias", GLIA_ATTR_FLOAT, false, 1},
                                           {0}};

static float lrn_f32(const glia_tensor *x, const glia_attr *a, int64_t at, int64_t c, int64_t channels,
                     int64_t places)
{
    const int64_t size = a[0].i, first = glia_max(c - (size - 1) / 2, 0),
                  last = glia_min(c + size / 2, channels - 1);
    float s = 0;
    for (int64_t i = first; i <= last; i++) {
        const float v = glia_get_f32(x, at + (i - c) * places);
        s = fmaf(v, v, s);
    }
    const float v = fmaf((float)(a[1].f / (double)size), s, (float)a[3].f);
    return glia_get_f32(x, at) / (a[2].f == 0.75 ? sqrtf(v) * sqrtf(sqrtf(v)) : glia_powf(v, (float)a[2].f));
}

static double lrn_f64(const glia_tensor *x, const glia_attr *a, int64_t at, int64_t c, int64_t channels,
                      int64_t places)
{
    const int64_t size = a[0].i, first = glia_max(c - (size - 1) / 2, 0),
                  last = glia_min(c + size / 2, channels - 1);
    double s = 0;
    for (int64_t i = first; i <= last; i++) {
        const double v = glia_get_f64(x, at + (i - c) * places);
        s = fma(v, v, s);
    }
    const double v = fma(a[1].f / (double)size, s, a[3].f);
    return glia_get_f64(x, at) / (a[2].f == 0.75 ? sqrt(v) * sqrt(sqrt(v)) : glia_pow(v, a[2].f));
}

static void lrn_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int64_t channels = y->dims[1], places = y->dims[2];
    for (glia_box b = glia_box_rows(k, 2); b.more; glia_box_next(&b))
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            const int64_t at = b.row * places + i;
            if (y->dtype == GLIA_F64)
                glia_set_f64(y, at, lrn_f64(x, k->attr, at, b.index[1], channels, places));
            else glia_set_f32(y, at, lrn_f32(x, k->attr, at, b.index[1], channels, places));
        }
}

static bool lrn_infer(glia_infer *x)
{
    if (x->attr[0].i < 1)
        return glia_infer_fail(x, GLIA_E_ARG, "G0193", "`lrn`: a window of %lld channels",
                               (long long)x->attr[0].i);
    return glia_infer_plain(x);
}

static void lrn_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 2), s->pick(s->ctx, 1, 7), s->pick(s->ctx, 1, 9)}};
    s->lo[0] = -2, s->hi[0] = 2;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("size", s->pick(s->ctx, 1, 5));
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("alpha", 0.5);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("beta", s->pick(s->ctx, 0, 1) ? 0.75 : 0.6);
    s->attrs[3] = (glia_attr_arg)GLIA_FLOAT("bias", 1.5);
}

const glia_op glia_op_lrn = {
    .name = "lrn",
    .signature = "x: F[n, c!, s] -> y: like(x)",
    .attrs = lrn_attrs,
    .infer = lrn_infer,
    .no_grad = "networks with this normalisation are run here, not trained",
    .cost = whole_rows_cost,
    .reference = lrn_reference,
    .sample = lrn_sample,
};

/* ---- det ---- */

static double eliminate(double *a, int64_t n)
{
    double det = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c])) pivot = r;
        if (pivot != c) {
            for (int64_t i = c; i < n; i++) {
                double t = a[c * n + i];
                a[c * n + i] = a[pivot * n + i];
                a[pivot * n + i] = t;
            }
            det = -det;
        }
        det *= a[c * n + c];
        if (a[c * n + c] == 0) return a[c * n + c] * det;
        for (int64_t r = c + 1; r < n; r++) {
            const double by = a[r * n + c] / a[c * n + c];
            for (int64_t i = c + 1; i < n; i++) a[r * n + i] = fma(-by, a[c * n + i], a[r * n + i]);
        }
    }
    return det;
}

static void det_reference(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]);
    double *a = k->scratch;
    for (glia_box b = glia_box_rows(k, k->out[0].rank); b.more; glia_box_next(&b)) {
        for (int64_t i = 0; i < n * n; i++) a[i] = glia_get_f64(&k->in[0], b.row * n * n + i);
        glia_set_f64(&k->out[0], b.row, eliminate(a, n));
    }
}

static int64_t det_scratch(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]);
    return n * n * (int64_t)sizeof(double);
}

static void det_cost(const glia_kargs *k, glia_cost *out)
{
    const double n = (double)glia_last_dim(&k->in[0]), e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = e * n * n * n;
    out->bytes = e * n * n * 8;
}

static void det_sample(glia_sample *s)
{
    const int64_t n = s->pick(s->ctx, 1, 5);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 4), n, n}};
    s->lo[0] = -1, s->hi[0] = 1;
}

const glia_op glia_op_det = {
    .name = "det",
    .signature = "x: F[.., n!, n!] -> y: F[..]",
    .infer = glia_infer_plain,
    .no_grad = "its gradient needs an inverse, which is not built",
    .cost = det_cost,
    .scratch = det_scratch,
    .reference = det_reference,
    .sample = det_sample,
};
