/* Mixtures of experts: the choice of experts, products over stacked weights, the weighted sum.
 *
 *     ids, w = expert_route(logits)        which experts a token takes, and how much of each
 *     h      = expert_linear(x, W, ids)    the product with each chosen expert's matrix
 *     y      = expert_sum(h, w)
 *
 * Ids are trusted: those of expert_route lie in [0, experts) whatever the logits; others need a guard_range
 * before the consumer. None of these ops has a gradient: experts are run here, not trained. */
#include "ops/expert.h"

#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/ops.h"
#include "ops/sum.h"
#include "tensor/layout.h"

#define NO_GRADIENT "mixtures of experts are run here, not trained"

/* ---- expert_route: the k greatest logits of a row, greatest first; of equal ones the lower index first; NaN
 * counts as the greatest. softmax 1: probabilities over all experts, 0: over the chosen ones. normalise: the
 * chosen weights are divided by their sum. scale multiplies them at last. ---- */

enum { ROUTE_K, ROUTE_SOFTMAX, ROUTE_NORMALISE, ROUTE_SCALE };
static const glia_attr_spec route_attrs[] = {{"k", GLIA_ATTR_INT, true, 0},
                                             {"softmax", GLIA_ATTR_INT, false, 1},
                                             {"normalise", GLIA_ATTR_INT, false, 0},
                                             {"scale", GLIA_ATTR_FLOAT, false, 1},
                                             {0}};

/* Does logit i come before logit j? A strict order. */
static bool comes_before(const glia_tensor *x, int64_t base, int64_t i, int64_t j)
{
    double a = glia_get_f64(x, base + i), b = glia_get_f64(x, base + j);
    bool a_nan = a != a, b_nan = b != b;
    if (a_nan || b_nan) return a_nan && b_nan ? i < j : a_nan;
    return a == b ? i < j : a > b;
}

static int64_t next_best(const glia_tensor *x, int64_t base, int64_t n, int64_t last)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        if (last >= 0 && !comes_before(x, base, last, i)) continue;
        if (best < 0 || comes_before(x, base, i, best)) best = i;
    }
    return best;
}

/* exp(logit - max) / sum, the sum in lanes over all experts, or over the chosen in the order of choice. */
static void route_weights(const glia_kargs *k, int64_t row)
{
    const glia_tensor *x = &k->in[0], *ids = &k->out[0], *w = &k->out[1];
    const int64_t n = x->dims[1], count = ids->dims[1], base = row * n, at = row * count;
    const bool all = k->attr[ROUTE_SOFTMAX].i != 0;
    const float scale = (float)k->attr[ROUTE_SCALE].f;
    float most = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        float v = glia_get_f32(x, base + glia_get_i64(ids, at + i));
        if (v > most) most = v;
    }
    glia_lanes_f32 sum = {.at = 0}, chosen = {.at = 0};
    for (int64_t i = 0; i < (all ? n : count); i++) {
        int64_t from = base + (all ? i : glia_get_i64(ids, at + i));
        glia_lanes_add_f32(&sum, glia_expf(glia_get_f32(x, from) - most), 1.0f);
    }
    const float total = glia_lanes_done_f32(&sum);
    for (int64_t i = 0; i < count; i++) {
        float v = glia_expf(glia_get_f32(x, base + glia_get_i64(ids, at + i)) - most) / total;
        glia_lanes_add_f32(&chosen, v, 1.0f);
        glia_set_f32(w, at + i, v);
    }
    const float share = k->attr[ROUTE_NORMALISE].i ? glia_lanes_done_f32(&chosen) : 1.0f;
    for (int64_t i = 0; i < count; i++) glia_set_f32(w, at + i, glia_get_f32(w, at + i) / share * scale);
}

static void expert_route_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *ids = &k->out[0];
    const int64_t n = x->dims[1], count = ids->dims[1];
    for (int64_t row = k->begin[0]; row < k->end[0]; row++) {
        int64_t last = -1;
        for (int64_t i = 0; i < count; i++) {
            last = next_best(x, row * n, n, last);
            glia_set_i64(ids, row * count + i, last);
        }
        route_weights(k, row);
    }
}

static bool expert_route_infer(glia_infer *x)
{
    int64_t least, most, k = x->attr[ROUTE_K].i;
    double scale = x->attr[ROUTE_SCALE].f;
    glia_dim_bounds(x->g, x->in[0].dims[1], &least, &most);
    if (k < 1 || k > least)
        return glia_infer_fail(x, GLIA_E_ARG, "G0169",
                               "`expert_route`: %lld experts a token, of at least %lld", (long long)k,
                               (long long)least);
    if (!(fabs(scale) <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0169", "`expert_route`: scale is not finite");
    return glia_infer_plain(x);
}

static void expert_route_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, 1) * (double)k->in[0].dims[1];
    out->flops = (20 + 4 * (double)k->attr[ROUTE_K].i) * e;
    out->bytes = 4 * e;
}

static void expert_route_sample(glia_sample *s)
{
    int64_t e = s->pick(s->ctx, 1, 24);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), e}};
    s->lo[0] = -4, s->hi[0] = 4;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("k", s->pick(s->ctx, 1, e));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("softmax", s->pick(s->ctx, 0, 1));
    s->attrs[2] = (glia_attr_arg)GLIA_INT("normalise", s->pick(s->ctx, 0, 1));
    s->attrs[3] = (glia_attr_arg)GLIA_FLOAT("scale", 1.5);
}

const glia_op glia_op_expert_route = {
    .name = "expert_route",
    .signature = "x: F[t, e!] -> ids: i32[t, #k], w: f32[t, #k]",
    .attrs = route_attrs,
    .infer = expert_route_infer,
    .no_grad = NO_GRADIENT,
    .cost = expert_route_cost,
    .reference = expert_route_reference,
    .sample = expert_route_sample,
};

/* ---- expert_linear: y[t, s, :] = linear(x[t, :] or x[t, s, :], w[ids[t, s]], b[ids[t, s]]) ---- */

enum { GATHER = 16 /* rows of one expert that are multiplied together */ };

/* Where the rows of one call lie. */
typedef struct expert_call {
    const glia_kargs *k;
    glia_kernel linear;
    int64_t choices, n, depth;                  /* s, rows of a matrix, their length */
    int64_t x_bytes, y_bytes, w_bytes, b_bytes; /* of a row, a row, a matrix, a row */
    bool shared;                                /* x has one row a token, not one a choice */
    char *x, *y, *scratch;                      /* [GATHER] rows of x and of y; linear's own scratch */
} expert_call;

static expert_call call_of(const glia_kargs *k, glia_kernel linear)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *b = glia_optional(k, 3), *y = &k->out[0];
    expert_call c = {.k = k, .linear = linear, .choices = y->dims[1], .n = w->dims[1], .depth = w->dims[2]};
    c.shared = x->rank == 2;
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_dtype_row_bytes(y->dtype, c.n, &c.y_bytes);
    glia_layout_bytes(w->layout, w->dtype, c.n, c.depth, &c.w_bytes);
    if (b) glia_dtype_row_bytes(b->dtype, c.n, &c.b_bytes);
    return c;
}

/* Bytes of a row, rounded so that rows behind it stay aligned. */
static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static const char *row_of_x(const expert_call *c, int64_t at)
{
    return (const char *)c->k->in[0].data + (c->shared ? at / c->choices : at) * c->x_bytes;
}
static char *row_of_y(const expert_call *c, int64_t at)
{
    return (char *)c->k->out[0].data + at * c->y_bytes;
}

/* The product of `count` rows with one expert's matrix; at[i] = token * choices + choice. One row is read and
 * written where it lies; several are gathered, so that the kernel sees neighbours. */
static void multiply(const expert_call *c, int64_t expert, const int64_t *at, int64_t count)
{
    const glia_tensor *x = &c->k->in[0], *w = &c->k->in[1], *b = glia_optional(c->k, 3), *y = &c->k->out[0];
    const int64_t xd[2] = {count, c->depth}, wd[2] = {c->n, c->depth}, yd[2] = {count, c->n};
    const int64_t begin[2] = {0, c->k->begin[2]}, end[2] = {count, c->k->end[2]};
    const int64_t from = begin[1] * (c->y_bytes / c->n), bytes = end[1] * (c->y_bytes / c->n) - from;
    glia_tensor in[3] = {{(void *)(uintptr_t)row_of_x(c, at[0]), xd, 2, 0, x->dtype},
                         {(char *)w->data + expert * c->w_bytes, wd, 2, w->layout, w->dtype},
                         {0}};
    glia_tensor out = {row_of_y(c, at[0]), yd, 2, 0, y->dtype};
    if (b) in[2] = (glia_tensor){(char *)b->data + expert * c->b_bytes, &c->n, 1, 0, b->dtype};
    if (count > 1) {
        in[0].data = c->x;
        out.data = c->y;
        for (int64_t i = 0; i < count; i++)
            memcpy(c->x + i * c->x_bytes, row_of_x(c, at[i]), (size_t)c->x_bytes);
    }
    glia_kargs k = {in, &out, 3, 1, begin, end, NULL, c->scratch, NULL};
    c->linear(&k);
    for (int64_t i = 0; count > 1 && i < count; i++)
        memcpy(row_of_y(c, at[i]) + from, c->y + i * c->y_bytes + from, (size_t)bytes);
}

void glia_expert_products(const glia_kargs *k, glia_kernel linear)
{
    const int32_t *ids = k->in[2].data;
    const int64_t experts = k->in[1].dims[0];
    expert_call c = call_of(k, linear);
    if (k->end[2] <= k->begin[2]) return;
    c.x = k->scratch;
    c.y = c.x + padded(GATHER * c.x_bytes);
    c.scratch = c.y + padded(GATHER * c.y_bytes);
    for (int64_t expert = 0; expert < experts; expert++) {
        int64_t at[GATHER], count = 0;
        for (int64_t t = k->begin[0]; t < k->end[0]; t++)
            for (int64_t s = k->begin[1]; s < k->end[1]; s++) {
                if (ids[t * c.choices + s] != expert) continue;
                at[count++] = t * c.choices + s;
                if (count < GATHER) continue;
                multiply(&c, expert, at, count);
                count = 0;
            }
        if (count) multiply(&c, expert, at, count);
    }
}

static void expert_linear_reference(const glia_kargs *k)
{
    glia_expert_products(k, glia_op_linear.reference);
}

static int64_t expert_linear_scratch(const glia_kargs *k)
{
    int64_t depth = k->in[1].dims[2], n = k->in[1].dims[1], x = 0, y = 0, bytes = 0;
    const glia_kargs one = {.in = k->in};
    int64_t own = glia_op_linear.scratch(&one);
    if (own < 0 || !glia_dtype_row_bytes(k->in[0].dtype, depth, &x) ||
        !glia_dtype_row_bytes(k->out[0].dtype, n, &y) || !glia_add(x, y, &bytes) ||
        !glia_mul(bytes, GATHER, &bytes) || !glia_add(bytes, own, &bytes) || !glia_add(bytes, 192, &bytes))
        return -1;
    return bytes;
}

static int64_t expert_linear_granule(const glia_kargs *k, int axis)
{
    (void)k;
    return axis == 2 ? 16 : 1;
}

/* A matrix is read once for all tokens that chose it; at the most every choice is another expert. */
static void expert_linear_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_dtype_info *w = glia_dtype_get(k->in[1].dtype), *x = glia_dtype_get(k->in[0].dtype);
    double depth = (double)k->in[1].dims[2], rows = (double)glia_box_count(k, 2);
    double cols = (double)(glia_box_end(k) - glia_box_begin(k));
    double read = rows < (double)k->in[1].dims[0] ? rows : (double)k->in[1].dims[0];
    out->flops = 2 * rows * cols * depth;
    out->bytes = read * cols * depth / w->block_elements * w->block_bytes +
                 rows * depth / x->block_elements * x->block_bytes + 4 * rows * cols;
}

static bool expert_linear_infer(glia_infer *x)
{
    glia_dtype xt = x->in[0].dtype, wt = x->in[1].dtype;
    const glia_dtype_info *w = glia_dtype_get(wt);
    bool quant = (w->classes & GLIA_CLASS_QUANT) != 0;
    if (glia_is_class(xt, GLIA_CLASS_ACTIVATION) && (!quant || w->activation != xt))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0169",
                               "`expert_linear`: activations in %s do not meet weights in %s (they take %s)",
                               glia_dtype_name(xt), glia_dtype_name(wt), glia_dtype_name(w->activation));
    if (wt == GLIA_F64 && xt != GLIA_F64)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0169",
                               "`expert_linear`: weights in f64 take activations in f64, these are %s",
                               glia_dtype_name(xt));
    for (int i = 1; i < 3; i++)
        if (x->in[1].dims[i] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0169",
                                   "`expert_linear`: a matrix has constant sizes of at least 1");
    if (x->in[0].rank != 2 && x->in[0].rank != 3)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0169",
                               "`expert_linear`: x has one row a token or one a choice, [t, d] or [t, s, d]");
    if (x->in[0].rank == 3 &&
        !glia_infer_equal(x, x->in[0].dims[1], x->in[2].dims[1], "x's rows a token and its choices"))
        return false;
    x->out[0].dtype = xt == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    return true;
}

static void expert_linear_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 9), c = s->pick(s->ctx, 1, 4), e = s->pick(s->ctx, 1, 5),
            d = s->pick(s->ctx, 1, 40), n = s->pick(s->ctx, 1, 40);
    s->in_count = s->pick(s->ctx, 0, 1) ? 4 : 3;
    s->in[0] =
        s->pick(s->ctx, 0, 1) ? (glia_type){GLIA_F32, 2, 0, {t, d}} : (glia_type){GLIA_F32, 3, 0, {t, c, d}};
    s->in[1] = (glia_type){GLIA_F32, 3, 0, {e, n, d}};
    s->in[2] = (glia_type){GLIA_I32, 2, 0, {t, c}};
    s->in[3] = (glia_type){GLIA_F32, 2, 0, {e, n}};
    for (int i = 0; i < 4; i++) s->lo[i] = -1, s->hi[i] = 1;
    s->lo[2] = 0, s->hi[2] = (double)(e - 1);
}

const glia_op glia_op_expert_linear = {
    .name = "expert_linear",
    .signature = "x: F|A[t, .., d], w: F|Q[e, n, d], ids: i32[t, s], b?: F[e, n] -> y: f32[t, s, n]",
    .traits = GLIA_PRODUCT,
    .infer = expert_linear_infer,
    .no_grad = NO_GRADIENT,
    .cost = expert_linear_cost,
    .scratch = expert_linear_scratch,
    .granule = expert_linear_granule,
    .reference = expert_linear_reference,
    .sample = expert_linear_sample,
};

/* ---- expert_sum: y[t, n] = sum_s w[t, s] x[t, s, n], one fma chain over s ascending from zero ---- */

static void expert_sum_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    const int64_t choices = x->dims[1], n = x->dims[2];
    for (int64_t t = k->begin[0]; t < k->end[0]; t++)
        for (int64_t i = k->begin[1]; i < k->end[1]; i++) {
            float sum = 0.0f;
            double wide = 0.0;
            for (int64_t s = 0; s < choices; s++) {
                const int64_t at = t * choices + s;
                if (y->dtype == GLIA_F64) wide = fma(glia_get_f64(w, at), glia_get_f64(x, at * n + i), wide);
                else sum = fmaf(glia_get_f32(w, at), glia_get_f32(x, at * n + i), sum);
            }
            if (y->dtype == GLIA_F64) glia_set_f64(y, t * n + i, wide);
            else glia_set_f32(y, t * n + i, sum);
        }
}

static void expert_sum_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, 2) * (double)k->in[0].dims[1];
    out->flops = 2 * e;
    out->bytes = 5 * e;
}

static void expert_sum_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 5), c = s->pick(s->ctx, 1, 6), n = s->pick(s->ctx, 1, 40);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {t, c, n}};
    s->in[1] = (glia_type){GLIA_F32, 2, 0, {t, c}};
    for (int i = 0; i < 2; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_expert_sum = {
    .name = "expert_sum",
    .signature = "x: F[t, s, n], w: F[t, s] -> y: F[t, n]",
    .infer = glia_infer_plain,
    .no_grad = NO_GRADIENT,
    .cost = expert_sum_cost,
    .reference = expert_sum_reference,
    .sample = expert_sum_sample,
};
