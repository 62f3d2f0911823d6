/* linear: rows of activations times a weight matrix that is kept by rows, with an optional bias.
 *
 *     y[.., n] = tree(segments of sum_k x[.., k] * w[n, k]) + b[n]
 *
 * The arithmetic follows the types: float activations meet decoded weights in segments of 256 (weights with
 * fewer than 16 rows: 16 lanes), quantised activations meet block formats as the format's row says. */
#include "base/check.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/epilogue.h"
#include "ops/linear.h"
#include "ops/ops.h"
#include "ops/sum.h"
#include "ops/unpacked.h"
#include "tensor/dot.h"
#include "tensor/layout.h"

#define PANEL 16

/* The sum along the vector, for weights with too few rows to fill a panel. */
static float lane_dot_f32(const float *w, const float *x, int64_t k)
{
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < k; i++) glia_lanes_add_f32(&l, w[i], x[i]);
    return glia_lanes_done_f32(&l);
}

static double lane_dot_f64(const double *w, const double *x, int64_t k)
{
    glia_lanes_f64 l = {.at = 0};
    for (int64_t i = 0; i < k; i++) glia_lanes_add_f64(&l, w[i], x[i]);
    return glia_lanes_done_f64(&l);
}

static void put(const glia_kargs *k, int64_t row, int64_t col, double sum)
{
    const glia_tensor *y = &k->out[0], *b = k->in_count > 2 ? glia_optional(k, 2) : NULL;
    int64_t at = row * glia_last_dim(y) + col;
    if (y->dtype == GLIA_F64) glia_set_f64(y, at, b ? sum + glia_get_f64(b, col) : sum);
    else glia_set_f32(y, at, b ? (float)sum + glia_get_f32(b, col) : (float)sum);
}

/* x [.., k] quantised, w [n, k] a block format: the format's own dot over plain rows. */
static void linear_quant(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1];
    int64_t depth = glia_last_dim(x), x_row = 0, w_row = 0;
    glia_dtype_row_bytes(x->dtype, depth, &x_row);
    glia_dtype_row_bytes(w->dtype, depth, &w_row);
    int lead = glia_leading(&k->out[0]);
    for (int64_t n = glia_box_begin(k); n < glia_box_end(k); n++) {
        const void *row = (const char *)w->data + n * w_row;
        if (w->layout != GLIA_LAYOUT_PLAIN) {
            glia_layout_unpack_row(w->layout, w->dtype, w->dims[0], depth, w->data, n, k->scratch);
            row = k->scratch;
        }
        for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
            const void *xr = (const char *)x->data + b.row * x_row;
            put(k, b.row, n, (double)glia_dot_quant(w->dtype, row, xr, depth));
        }
    }
}

/* x in f32, f16 or bf16; each weight row is decoded once for all rows of x. */
static void linear_f32(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1];
    int64_t depth = glia_last_dim(x);
    float *row = k->scratch, *wide = row + depth;
    int lead = glia_leading(&k->out[0]);
    bool lanes = w->dims[0] < PANEL;
    for (int64_t n = glia_box_begin(k); n < glia_box_end(k); n++) {
        glia_layout_row(w->layout, w->dtype, w->dims[0], depth, w->data, n, row);
        for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
            const float *xr = x->dtype == GLIA_F32 ? (const float *)x->data + b.row * depth : wide;
            if (xr == wide)
                for (int64_t i = 0; i < depth; i++) wide[i] = glia_get_f32(x, b.row * depth + i);
            float sum = lanes ? lane_dot_f32(row, xr, depth) : glia_dot_f32(row, xr, depth);
            put(k, b.row, n, (double)sum);
        }
    }
}

static void linear_f64(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1];
    int64_t depth = glia_last_dim(x);
    double *row = k->scratch;
    float *narrow = (float *)(row + depth);
    int lead = glia_leading(&k->out[0]);
    bool lanes = w->dims[0] < PANEL;
    for (int64_t n = glia_box_begin(k); n < glia_box_end(k); n++) {
        if (w->dtype == GLIA_F64) {
            memcpy(row, (const double *)w->data + n * depth, (size_t)depth * sizeof *row);
        } else {
            glia_layout_row(w->layout, w->dtype, w->dims[0], depth, w->data, n, narrow);
            for (int64_t i = 0; i < depth; i++) row[i] = (double)narrow[i];
        }
        for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
            const double *xr = (const double *)x->data + b.row * depth;
            put(k, b.row, n, lanes ? lane_dot_f64(row, xr, depth) : glia_dot_f64(row, xr, depth));
        }
    }
}

static void linear_reference(const glia_kargs *k)
{
    if (k->in[0].dtype == GLIA_F64) linear_f64(k);
    else if (glia_is_class(k->in[0].dtype, GLIA_CLASS_ACTIVATION)) linear_quant(k);
    else linear_f32(k);
}

/* Rows of x, where the call states its output. */
static int64_t rows_of(const glia_kargs *k)
{
    return k->out ? glia_tensor_elements(&k->in[0]) / glia_max(1, glia_last_dim(&k->in[0])) : 0;
}

static int64_t linear_scratch(const glia_kargs *k)
{
    int64_t depth = glia_last_dim(&k->in[0]), bytes = 0;
    int64_t each = k->in[0].dtype == GLIA_F64 ? 12 : 8;
    if (depth > (int64_t)1 << 40 || !glia_mul(depth, each, &bytes)) return -1;
    if (glia_is_class(k->in[0].dtype, GLIA_CLASS_ACTIVATION) && rows_of(k) >= GLIA_UNPACKED_ROWS)
        bytes = glia_max(bytes, glia_unpacked_bytes(depth));
    return bytes;
}

static int64_t linear_granule(const glia_kargs *k, int axis)
{
    return axis == k->out[0].rank - 1 ? PANEL : 1;
}

static void linear_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_dtype_info *w = glia_dtype_get(k->in[1].dtype), *x = glia_dtype_get(k->in[0].dtype);
    double depth = (double)glia_last_dim(&k->in[0]);
    double rows = (double)glia_box_count(k, glia_leading(&k->out[0]));
    double cols = (double)(glia_box_end(k) - glia_box_begin(k));
    out->flops = 2 * rows * cols * depth;
    out->bytes = cols * depth / w->block_elements * w->block_bytes +
                 rows * depth / x->block_elements * x->block_bytes + 4 * rows * cols;
}

/* y is f64 if x is; quantised activations meet only weights that ask for them. */
static bool linear_infer(glia_infer *x)
{
    glia_dtype xt = x->in[0].dtype, wt = x->in[1].dtype;
    const glia_dtype_info *w = glia_dtype_get(wt);
    bool quant = (w->classes & GLIA_CLASS_QUANT) != 0;
    if (glia_is_class(xt, GLIA_CLASS_ACTIVATION) && (!quant || w->activation != xt))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0150",
                               "`linear`: activations in %s do not meet a weight in %s (it takes %s)",
                               glia_dtype_name(xt), glia_dtype_name(wt), glia_dtype_name(w->activation));
    if (wt == GLIA_F64 && xt != GLIA_F64)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0150",
                               "`linear`: a weight in f64 takes activations in f64, these are %s",
                               glia_dtype_name(xt));
    x->out[0].dtype = xt == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    return true;
}

/* dx = dy w, dw = dy^T x and db = sum of dy, both over all leading axes; matmul goes rows by rows. A weight
 * in a block format is frozen: gradients pass through it and end there. */
static void linear_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value dy = dout[0], x = n->in[0], w = n->in[1];
    glia_dtype yt = glia_build_type(g, dy)->dtype;
    bool frozen = !glia_build_is_float(g, w);
    glia_value wide = frozen ? glia_build_call(g, "decode", 1, w) : w;
    glia_value columns = glia_build_transpose(g, glia_build_cast(g, wide, yt));
    din[0] = glia_build_cast(g, glia_build_call(g, "matmul", 2, dy, columns), glia_build_type(g, x)->dtype);
    glia_value dy2 = glia_build_rows(g, dy);
    if (n->in_count > 2 && !glia_is_null(n->in[2])) din[2] = glia_build_sum_to(g, dy2, n->in[2]);
    if (frozen) return;
    glia_value x2 = glia_build_rows(g, glia_build_cast(g, x, yt));
    glia_value dw =
        glia_build_call(g, "matmul", 2, glia_build_transpose(g, dy2), glia_build_transpose(g, x2));
    din[1] = glia_build_cast(g, dw, glia_build_type(g, w)->dtype);
}

static void linear_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 5), k = s->pick(s->ctx, 1, 40), n = s->pick(s->ctx, 1, 40);
    s->in_count = 3;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {t, k}};
    s->in[1] = (glia_type){GLIA_F32, 2, 0, {n, k}};
    s->in[2] = (glia_type){GLIA_F32, 1, 0, {n}};
    for (int i = 0; i < 3; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_linear = {
    .name = "linear",
    .signature = "x: F|A[.., k], w: F|Q[n, k], b?: F[n] -> y: f32[.., n]",
    .traits = GLIA_PRODUCT,
    .infer = linear_infer,
    .grad = linear_grad,
    .cost = linear_cost,
    .scratch = linear_scratch,
    .granule = linear_granule,
    .reference = linear_reference,
    .sample = linear_sample,
};

/* ---- linear_act: act(x w + b + r), the sum as linear's, then r, then the activation of ops/epilogue.def */

static const glia_attr_spec linear_act_attrs[] = {{"activation", GLIA_ATTR_INT, false, 0},
                                                  {"alpha", GLIA_ATTR_FLOAT, false, 0},
                                                  {"beta", GLIA_ATTR_FLOAT, false, 0},
                                                  {0}};

void glia_linear_act_finish(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0], *r = k->in_count > 3 ? glia_optional(k, 3) : NULL;
    const int64_t n = glia_last_dim(y), act = k->attr[0].i;
    const double alpha = k->attr[1].f, beta = k->attr[2].f;
    for (glia_box b = glia_box_rows(k, glia_leading(y)); b.more; glia_box_next(&b))
        for (int64_t i = b.row * n + glia_box_begin(k), e = b.row * n + glia_box_end(k); i < e; i++) {
            if (y->dtype == GLIA_F64) {
                const double v = glia_get_f64(y, i) + (r ? glia_get_f64(r, i) : 0.0);
                glia_set_f64(y, i, glia_epilogue_f64(act, r ? v : glia_get_f64(y, i), alpha, beta));
            } else {
                const float v = glia_get_f32(y, i);
                glia_set_f32(
                    y, i, glia_epilogue_f32(act, r ? v + glia_get_f32(r, i) : v, (float)alpha, (float)beta));
            }
        }
}

static void linear_act_reference(const glia_kargs *k)
{
    linear_reference(k);
    glia_linear_act_finish(k);
}

static bool linear_act_infer(glia_infer *x)
{
    if (!glia_epilogue_name(x->attr[0].i))
        return glia_infer_fail(x, GLIA_E_ARG, "G0211", "`linear_act`: there is no activation number %lld",
                               (long long)x->attr[0].i);
    if (!linear_infer(x)) return false;
    if (x->in_count > 3 && x->in[3].dtype != GLIA_DTYPE_NONE && x->in[3].dtype != x->out[0].dtype)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0211", "`linear_act`: what is added is %s, the product %s",
                               glia_dtype_name(x->in[3].dtype), glia_dtype_name(x->out[0].dtype));
    return true;
}

static void linear_act_cost(const glia_kargs *k, glia_cost *out)
{
    linear_cost(k, out);
    out->flops +=
        (k->attr[0].i > GLIA_EPILOGUE_clip ? 15.0 : 2.0) * (double)glia_box_count(k, k->out[0].rank);
}

static void linear_act_sample(glia_sample *s)
{
    linear_sample(s);
    const int64_t form = s->pick(s->ctx, 0, 2);
    s->in[3] = (glia_type){GLIA_F32, 2, 0, {s->in[0].dims[0], s->in[1].dims[0]}};
    s->lo[3] = -1, s->hi[3] = 1;
    s->in_count = form == 2 ? 3 : 4;
    if (form == 1) s->in[2] = (glia_type){0};
    s->attrs[0] = (glia_attr_arg)GLIA_INT("activation", s->pick(s->ctx, 0, GLIA_EPILOGUE_COUNT - 1));
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("alpha", 0.125);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("beta", 0.5);
}

const glia_op glia_op_linear_act = {
    .name = "linear_act",
    .signature = "x: F|A[..b, k], w: F|Q[n, k], b?: F[n], r?: F[..b, n] -> y: f32[..b, n]",
    .traits = GLIA_PRODUCT,
    .attrs = linear_act_attrs,
    .infer = linear_act_infer,
    .no_grad = "fused for inference; train with the product and the activation that it is made of",
    .cost = linear_act_cost,
    .scratch = linear_scratch,
    .granule = linear_granule,
    .reference = linear_act_reference,
    .sample = linear_act_sample,
};
