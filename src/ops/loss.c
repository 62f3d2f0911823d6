/* Losses. cross_entropy gives one number per row, so that masks, weights and means stay visible in the graph;
 * mse gives the mean over all elements. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/sum.h"

/* y = log(sum_i exp(x_i - m)) + (m - x_label), m = max x, the sum in 16 lanes. A negative label means that
 * the row does not count: 0. A label beyond the row is excluded by a guard before. */
static void cross_entropy_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *labels = &k->in[1], *y = &k->out[0];
    int64_t n = glia_last_dim(x);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t label = glia_get_i64(labels, b.row), at = b.row * n;
        if (label < 0) {
            glia_set_f32(y, b.row, 0.0f);
            continue;
        }
        if (y->dtype == GLIA_F64) {
            double m = -INFINITY;
            glia_lanes_f64 l = {.at = 0};
            for (int64_t i = 0; i < n; i++) m = glia_get_f64(x, at + i) > m ? glia_get_f64(x, at + i) : m;
            for (int64_t i = 0; i < n; i++)
                glia_lanes_add_f64(&l, glia_exp(glia_get_f64(x, at + i) - m), 1.0);
            glia_set_f64(y, b.row, glia_log(glia_lanes_done_f64(&l)) + (m - glia_get_f64(x, at + label)));
        } else {
            float m = -INFINITY;
            glia_lanes_f32 l = {.at = 0};
            for (int64_t i = 0; i < n; i++) m = glia_get_f32(x, at + i) > m ? glia_get_f32(x, at + i) : m;
            for (int64_t i = 0; i < n; i++)
                glia_lanes_add_f32(&l, glia_expf(glia_get_f32(x, at + i) - m), 1.0f);
            glia_set_f32(y, b.row, glia_logf(glia_lanes_done_f32(&l)) + (m - glia_get_f32(x, at + label)));
        }
    }
}

/* dx = (softmax(x) - one_hot(label)) * dy, and 0 in rows that do not count. */
static void cross_entropy_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], labels = n->in[1], dy = dout[0];
    const glia_type t = *glia_build_type(g, x);
    glia_dim classes = t.dims[t.rank - 1];
    if (classes < 0) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131",
                        "`cross_entropy` over a symbolic number of classes has no gradient yet");
        return;
    }
    glia_attr_arg attrs[] = {GLIA_INT("depth", classes), GLIA_TYPE_ATTR("to", t.dtype), {0}};
    glia_value hot = glia_build_attr(g, "one_hot", attrs, 1, labels);
    glia_value d = glia_build_call(g, "sub", 2, glia_build_call(g, "softmax", 1, x), hot);
    glia_value zero = glia_build_scalar(g, dy, 0.0);
    glia_value origin = glia_build_i32(g, 0);
    glia_value counted =
        glia_build_call(g, "where", 3, glia_build_call(g, "ge", 2, labels, origin), dy, zero);
    din[0] = glia_build_call(g, "mul", 2, d, glia_build_unsqueeze(g, counted, t.rank - 1));
}

static void row_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank) * (double)glia_last_dim(&k->in[0]);
    out->flops = 20 * e;
    out->bytes = 8 * e;
}

static void cross_entropy_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {t, n}};
    s->in[1] = (glia_type){GLIA_I32, 1, 0, {t}};
    s->lo[0] = -2, s->hi[0] = 2, s->lo[1] = -1, s->hi[1] = (double)(n - 1);
}

const glia_op glia_op_cross_entropy = {
    .name = "cross_entropy",
    .signature = "x: F[.., n!], labels: i32[..] -> y: F[..]",
    .infer = glia_infer_plain,
    .grad = cross_entropy_grad,
    .cost = row_cost,
    .reference = cross_entropy_reference,
    .sample = cross_entropy_sample,
};

/* y = sum((a - b)^2) / count, in 16 lanes over all elements in row-major order. */
static void mse_reference(const glia_kargs *k)
{
    const glia_tensor *a = &k->in[0], *b = &k->in[1], *y = &k->out[0];
    int64_t n = glia_tensor_elements(a);
    if (y->dtype == GLIA_F64) {
        glia_lanes_f64 l = {.at = 0};
        for (int64_t i = 0; i < n; i++) {
            double d = glia_get_f64(a, i) - glia_get_f64(b, i);
            glia_lanes_add_f64(&l, d, d);
        }
        glia_set_f64(y, 0, glia_lanes_done_f64(&l) / (double)n);
        return;
    }
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < n; i++) {
        float d = glia_get_f32(a, i) - glia_get_f32(b, i);
        glia_lanes_add_f32(&l, d, d);
    }
    glia_set_f32(y, 0, glia_lanes_done_f32(&l) / (float)n);
}

/* da = 2 (a - b) dy / count = mean's gradient of the squares; db = -da. */
static void mse_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value a = n->in[0], b = n->in[1];
    glia_attr_arg attrs[] = {GLIA_INT("keepdims", 0), {0}};
    glia_value count = glia_build_attr(g, "sum", attrs, 1, glia_build_fill(g, a, 1.0));
    glia_value scale = glia_build_scale(g, glia_build_call(g, "div", 2, dout[0], count), 2.0);
    din[0] = glia_build_call(g, "mul", 2, glia_build_call(g, "sub", 2, a, b), scale);
    din[1] = glia_build_call(g, "neg", 1, din[0]);
}

static void mse_sample(glia_sample *s)
{
    s->in_count = 2;
    s->in[0] = s->in[1] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 20)}};
    for (int i = 0; i < 2; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_mse = {
    .name = "mse",
    .signature = "a: F[..], b: F[..] -> y: F[]",
    .infer = glia_infer_plain,
    .grad = mse_grad,
    .reference = mse_reference,
    .sample = mse_sample,
};
