/* softmax and log_softmax over the last axis. With m = max x: p = exp(x - m), sums in 16 lanes (sum.h).
 * A row that holds NaN, or only -inf, gives NaN. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/sum.h"

static float row_max_f32(const glia_tensor *x, int64_t at, int64_t n)
{
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float v = glia_get_f32(x, at + i);
        if (v > m) m = v;
    }
    return m;
}

static double row_max_f64(const glia_tensor *x, int64_t at, int64_t n)
{
    double m = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = glia_get_f64(x, at + i);
        if (v > m) m = v;
    }
    return m;
}

/* The exponentials are taken twice rather than kept, so that a narrow output does not round them. */
static void softmax_row(const glia_kargs *k, int64_t at, int64_t n, bool logarithm)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    if (y->dtype == GLIA_F64) {
        double m = row_max_f64(x, at, n);
        glia_lanes_f64 l = {.at = 0};
        for (int64_t i = 0; i < n; i++) glia_lanes_add_f64(&l, glia_exp(glia_get_f64(x, at + i) - m), 1.0);
        double sum = glia_lanes_done_f64(&l), log_sum = logarithm ? glia_log(sum) : 0;
        for (int64_t i = 0; i < n; i++) {
            double d = glia_get_f64(x, at + i) - m;
            glia_set_f64(y, at + i, logarithm ? d - log_sum : glia_exp(d) / sum);
        }
        return;
    }
    float m = row_max_f32(x, at, n);
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < n; i++) glia_lanes_add_f32(&l, glia_expf(glia_get_f32(x, at + i) - m), 1.0f);
    float sum = glia_lanes_done_f32(&l), log_sum = logarithm ? glia_logf(sum) : 0;
    for (int64_t i = 0; i < n; i++) {
        float d = glia_get_f32(x, at + i) - m;
        glia_set_f32(y, at + i, logarithm ? d - log_sum : glia_expf(d) / sum);
    }
}

static void softmax_reference(const glia_kargs *k)
{
    int64_t n = glia_last_dim(&k->in[0]);
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b))
        softmax_row(k, b.row * n, n, false);
}

static void log_softmax_reference(const glia_kargs *k)
{
    int64_t n = glia_last_dim(&k->in[0]);
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b))
        softmax_row(k, b.row * n, n, true);
}

/* dx = y * (dy - sum(dy * y)) */
static void softmax_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value y = n->out[0], dy = dout[0];
    int axis = glia_build_type(g, y)->rank - 1;
    glia_value s = glia_build_sum_keep(g, glia_build_call(g, "mul", 2, dy, y), axis);
    din[0] = glia_build_call(g, "mul", 2, y, glia_build_call(g, "sub", 2, dy, s));
}

/* dx = dy - exp(y) * sum(dy) */
static void log_softmax_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value y = n->out[0], dy = dout[0];
    int axis = glia_build_type(g, y)->rank - 1;
    glia_value p = glia_build_call(g, "exp", 1, y);
    din[0] =
        glia_build_call(g, "sub", 2, dy, glia_build_call(g, "mul", 2, p, glia_build_sum_keep(g, dy, axis)));
}

static void softmax_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 30 * e;
    out->bytes = 8 * e;
}

static void softmax_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 40)}};
    s->lo[0] = -4, s->hi[0] = 4;
}

const glia_op glia_op_softmax = {
    .name = "softmax",
    .signature = "x: F[.., n!] -> y: like(x)",
    .traits = GLIA_INPLACE_0,
    .infer = glia_infer_plain,
    .grad = softmax_grad,
    .cost = softmax_cost,
    .reference = softmax_reference,
    .sample = softmax_sample,
};

const glia_op glia_op_log_softmax = {
    .name = "log_softmax",
    .signature = "x: F[.., n!] -> y: like(x)",
    .traits = GLIA_INPLACE_0,
    .infer = glia_infer_plain,
    .grad = log_softmax_grad,
    .cost = softmax_cost,
    .reference = log_softmax_reference,
    .sample = softmax_sample,
};
