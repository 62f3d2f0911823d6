/* Convolutions over one to three spatial axes, channels before them:
 *
 *     conv            y[n, m, o] = act(tree(segments of sum over taps t, then channels c
 *                                      x[n, g c.., o stride + t dilation - pad] * w[m, c, t]) + bias[m] + residual)
 *     conv_transpose  the same sum over the x that a strided convolution would have met y from
 *     conv_weight_grad  the gradient of a weight: sums over n, then o
 *
 * A position in the padding counts as a zero. Weights are [m, c / group, taps..], plain or packed (C16); those of
 * conv_transpose are [c, m / group, taps..]. Refuses more than three spatial axes and dtypes that are mixed. */
#include "ops/build.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/sum.h"
#include "ops/window.h"
#include "tensor/layout.h"

enum { STRIDES, DILATIONS, PADS, GROUP, ACTIVATION, ALPHA, BETA };

static const glia_attr_spec conv_attrs[] = {
    {"strides", GLIA_ATTR_INTS, false, 0},   {"dilations", GLIA_ATTR_INTS, false, 0},
    {"pads", GLIA_ATTR_INTS, false, 0},      {"group", GLIA_ATTR_INT, false, 1},
    {"activation", GLIA_ATTR_INT, false, 0}, {"alpha", GLIA_ATTR_FLOAT, false, 0},
    {"beta", GLIA_ATTR_FLOAT, false, 0},     {0}};

/* Where the weight of an output channel lies: element (c, t) at base + c * by_c + t * by_t. */
typedef struct rows {
    int64_t base, by_c, by_t;
} rows;

static rows row_of(const glia_tensor *w, int64_t m, int64_t c, int64_t taps)
{
    if (w->layout == GLIA_LAYOUT_C16) return (rows){m / 16 * (c * taps * 16) + m % 16, 16, c * 16};
    return (rows){m * c * taps, taps, 1};
}

/* One sum. x: the first channel of the group's first element. */
static float sum_f32(const glia_kargs *k, const glia_window *g, const int64_t *o, int64_t x, rows w,
                     int64_t c)
{
    const bool plain = k->in[0].dtype == GLIA_F32;
    glia_chain_f32 s = {.at = 0};
    for (glia_taps t = glia_taps_begin(g, o); glia_taps_more(&t); glia_taps_next(&t)) {
        int64_t at = w.base + t.tap * w.by_t;
        for (int64_t i = 0; i < c; i++, at += w.by_c) {
            const int64_t from = x + i * g->in_plane + t.at;
            if (plain) {
                const float v = t.at < 0 ? 0.0f : ((const float *)k->in[0].data)[from];
                glia_chain_add_f32(&s, ((const float *)k->in[1].data)[at], v);
            } else {
                glia_chain_add_f32(&s, glia_get_f32(&k->in[1], at),
                                   t.at < 0 ? 0.0f : glia_get_f32(&k->in[0], from));
            }
        }
    }
    return glia_chain_done_f32(&s);
}

static double sum_f64(const glia_kargs *k, const glia_window *g, const int64_t *o, int64_t x, rows w,
                      int64_t c)
{
    glia_chain_f64 s = {.at = 0};
    for (glia_taps t = glia_taps_begin(g, o); glia_taps_more(&t); glia_taps_next(&t))
        for (int64_t i = 0; i < c; i++)
            glia_chain_add_f64(&s, glia_get_f64(&k->in[1], w.base + t.tap * w.by_t + i * w.by_c),
                               t.at < 0 ? 0.0 : glia_get_f64(&k->in[0], x + i * g->in_plane + t.at));
    return glia_chain_done_f64(&s);
}

/* Bias, residual, activation, store. */
static void finish(const glia_kargs *k, int64_t m, int64_t at, double sum)
{
    const glia_tensor *y = &k->out[0], *bias = glia_optional(k, 2), *residual = glia_optional(k, 3);
    const int64_t activation = k->attr[ACTIVATION].i;
    const double alpha = k->attr[ALPHA].f, beta = k->attr[BETA].f;
    if (y->dtype == GLIA_F64) {
        if (bias) sum += glia_get_f64(bias, m);
        if (residual) sum += glia_get_f64(residual, at);
        glia_set_f64(y, at, glia_epilogue_f64(activation, sum, alpha, beta));
        return;
    }
    float f = (float)sum;
    if (bias) f += glia_get_f32(bias, m);
    if (residual) f += glia_get_f32(residual, at);
    glia_set_f32(y, at, glia_epilogue_f32(activation, f, (float)alpha, (float)beta));
}

static glia_window window_of(const glia_kargs *k)
{
    return glia_window_of(&k->in[0], &k->out[0], k->in[1].dims + 2, &k->attr[STRIDES], &k->attr[DILATIONS],
                          &k->attr[PADS]);
}

static void conv_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_window g = window_of(k);
    const int64_t c = k->in[1].dims[1], per_group = y->dims[1] / k->attr[GROUP].i;
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL];
        glia_window_index(&g, b.index, o);
        const int64_t m = b.index[1], from = (b.index[0] * x->dims[1] + m / per_group * c) * g.in_plane;
        const rows w = row_of(&k->in[1], m, c, g.taps);
        finish(k, m, b.row,
               y->dtype == GLIA_F64 ? sum_f64(k, &g, o, from, w, c) : (double)sum_f32(k, &g, o, from, w, c));
    }
}

/* ---- types */

static bool operands_fit(glia_infer *x, bool transposed)
{
    const glia_type *in = x->in, *w = &x->in[1];
    const int64_t group = x->attr[GROUP].i;
    const char *name = x->op->name;
    if (x->in_count < 2 || in[0].dtype == GLIA_DTYPE_NONE || w->dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0181", "`%s` needs an input and a weight", name);
    for (int i = 0; i < x->in_count; i++)
        if (in[i].dtype != GLIA_DTYPE_NONE && (!glia_is_float(in[i].dtype) || in[i].dtype != in[0].dtype))
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0181",
                                   "`%s`: input %d is %s; all are floats of one dtype", name, i,
                                   glia_dtype_name(in[i].dtype));
    for (int i = 0; i < x->in_count; i++)
        if (in[i].layout && (i != 1 || transposed || in[i].layout != GLIA_LAYOUT_C16))
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0160", "`%s`: input %d is packed for another operation",
                                   name, i);
    if (in[0].rank < 3 || in[0].rank > 5 || w->rank != in[0].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181",
                               "`%s` takes [n, c, spatial..] of rank 3 to 5 and a weight of the same rank",
                               name);
    for (int a = 0; a < w->rank; a++)
        if (w->dims[a] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0181", "`%s`: a weight's sizes are constants above 0",
                                   name);
    if (group < 1 || w->dims[0] % group)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181", "`%s`: %lld groups do not divide %lld channels",
                               name, (long long)group, (long long)w->dims[0]);
    return true;
}

static bool conv_infer(glia_infer *x)
{
    if (!operands_fit(x, false)) return false;
    const glia_type *w = &x->in[1];
    const int rank = x->in[0].rank - 2;
    if (!glia_window_check(x, STRIDES, rank, w->dims + 2)) return false;
    if (!glia_epilogue_name(x->attr[ACTIVATION].i))
        return glia_infer_fail(x, GLIA_E_ARG, "G0181", "`conv`: there is no activation number %lld",
                               (long long)x->attr[ACTIVATION].i);
    if (x->attr[ACTIVATION].i == GLIA_EPILOGUE_clip && !(x->attr[ALPHA].f <= x->attr[BETA].f))
        return glia_infer_fail(x, GLIA_E_ARG, "G0181", "`conv`: clipped to [%g, %g]", x->attr[ALPHA].f,
                               x->attr[BETA].f);
    if (!glia_infer_equal(x, x->in[0].dims[1], w->dims[1] * x->attr[GROUP].i, "the channels")) return false;
    x->out_count = 1;
    x->out[0] = x->in[0];
    x->out[0].dims[1] = w->dims[0];
    for (int a = 0; a < rank; a++)
        if (!glia_window_out(x, STRIDES, a, x->in[0].dims[2 + a], w->dims[2 + a], false,
                             &x->out[0].dims[2 + a]))
            return false;
    if (x->in_count > 2 && x->in[2].dtype != GLIA_DTYPE_NONE &&
        (x->in[2].rank != 1 || x->in[2].dims[0] != w->dims[0]))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181",
                               "`conv`: a bias has one number for each of %lld channels",
                               (long long)w->dims[0]);
    if (x->in_count < 4 || x->in[3].dtype == GLIA_DTYPE_NONE) return true;
    if (x->in[3].rank != x->out[0].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181", "`conv`: a residual has the shape of the output");
    for (int a = 0; a < x->out[0].rank; a++)
        if (!glia_infer_equal(x, x->in[3].dims[a], x->out[0].dims[a], "the residual")) return false;
    return true;
}

/* Batch, channels and the first spatial axis may be split; a window of one tap needs its own rows alone. */
static bool conv_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    const glia_type *w = &glia_graph_value(g, n->in[1])->type, *y = &glia_graph_value(g, n->out[0])->type;
    const glia_attr *a = n->attr;
    const bool single = w->dims[2] == 1 && glia_window_int(&a[STRIDES], 0, 1) == 1 &&
                        glia_window_int(&a[PADS], 0, 0) == 0 &&
                        glia_window_int(&a[PADS], w->rank - 2, 0) == 0;
    const glia_axis_region same[] = {
        {GLIA_AXIS_SAME, 0, 1, 1}, {GLIA_AXIS_SAME, 1, 1, 1}, {GLIA_AXIS_SAME, 2, 1, 1}};
    for (int i = 0; i < 3; i++) out->split[i] = true;
    if (y->rank == 3) out->granule[2] = 48; /* one line of pixels: in whole tiles */
    out->in[0].axis[0] = same[0];
    if (w->dims[1] == 1 && w->dims[0] == a[GROUP].i) out->in[0].axis[1] = same[1];
    if (single) out->in[0].axis[2] = same[2];
    out->in[1].axis[0] = same[1];
    out->in[2].axis[0] = same[1];
    for (int i = 0; i < y->rank; i++) out->in[3].axis[i] = (glia_axis_region){GLIA_AXIS_SAME, i, 1, 1};
    return true;
}

/* Panels of 16 output channels, which packed weights are read by. */
static int64_t conv_granule(const glia_kargs *k, int axis)
{
    return axis == 1 && k->in[1].layout == GLIA_LAYOUT_C16 ? 16 : 1;
}

static void conv_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_tensor *w = &k->in[1];
    const double y = (double)glia_box_count(k, k->out[0].rank),
                 sum = (double)(glia_tensor_elements(w) / glia_max(w->dims[0], 1));
    out->flops = 2 * y * sum;
    out->bytes = 4 * (y + (double)glia_tensor_elements(&k->in[0]) + (double)glia_tensor_elements(w));
}

/* What the tiles of the CPU's kernels gather. */
static int64_t conv_scratch(const glia_kargs *k)
{
    const glia_tensor *w = &k->in[1], *y = &k->out[0];
    const int64_t depth = glia_tensor_elements(w) / glia_max(w->dims[0], 1);
    const int64_t pixels = glia_tensor_elements(y) / glia_max(y->dims[0] * y->dims[1], 1);
    int64_t bytes, count;
    if (!w->layout && w->dims[1] != 1) return 0;
    /* depthwise: a plane with its padding, rows in as many parts as strides have, read in whole vectors */
    if (!w->layout) {
        const glia_window g = window_of(k);
        count = 1;
        for (int a = 0; a < GLIA_SPATIAL; a++) {
            int64_t size = g.out[a] * g.stride[a] + (g.kernel[a] - 1) * g.dilation[a];
            if (a == 2) size += 32 * g.stride[a];
            if (!glia_mul(count, size, &count)) return -1;
        }
        return glia_mul(count, 4, &bytes) ? bytes : -1;
    }
    /* what 64 pixels meet; partial sums of 128 channels in trees; of few pixels, all sums before they are turned */
    int64_t levels = 0;
    for (int64_t n = glia_ceil_div(depth, 256); n > 1 || (n == 1 && levels); n /= 2) levels++;
    return glia_mul(64 * 4, depth + 16 + 128 * levels + (pixels <= 64 ? w->dims[0] : 0), &bytes) ? bytes : -1;
}

/* ---- gradients */

static glia_attr_arg *window_attrs(const glia_node *n, glia_attr_arg *to)
{
    static const char *const names[] = {"strides", "dilations", "pads"};
    for (int i = 0; i < 3; i++)
        *to++ = (glia_attr_arg){names[i], GLIA_ATTR_INTS, 0, 0, n->attr[i].ints, n->attr[i].i};
    *to++ = (glia_attr_arg)GLIA_INT("group", n->attr[GROUP].i);
    *to = (glia_attr_arg){0};
    return to;
}

/* The weight of a node's kind from its input and its output's gradient; `like` has the taps. */
static glia_value weight_grad(glia_graph *g, const glia_node *n, glia_value x, glia_value dy, glia_value like)
{
    glia_attr_arg attrs[8], *end = window_attrs(n, attrs);
    const glia_type *t = glia_build_type(g, like);
    int64_t kernel[GLIA_SPATIAL];
    memcpy(kernel, t->dims + 2, sizeof *kernel * (size_t)(t->rank - 2));
    *end++ = (glia_attr_arg)GLIA_INTS("kernel", kernel, t->rank - 2);
    *end = (glia_attr_arg){0};
    return glia_build_attr(g, "conv_weight_grad", attrs, 2, x, dy);
}

/* The gradient of x: a transposed convolution whose result has x's sizes. */
static glia_value input_grad(glia_graph *g, const glia_node *n, glia_value dy, glia_value w, glia_value like)
{
    glia_attr_arg attrs[8], *end = window_attrs(n, attrs);
    const glia_type x = *glia_build_type(g, like), y = *glia_build_type(g, dy), t = *glia_build_type(g, w);
    const glia_attr *a = n->attr;
    int64_t extra[GLIA_SPATIAL];
    for (int i = 0; i < x.rank - 2; i++) {
        const int64_t pads = glia_window_int(&a[PADS], i, 0) + glia_window_int(&a[PADS], x.rank - 2 + i, 0);
        if (x.dims[2 + i] < 0)
            return glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0130",
                                   "the gradient of a convolution takes constant spatial sizes");
        extra[i] = x.dims[2 + i] - ((y.dims[2 + i] - 1) * glia_window_int(&a[STRIDES], i, 1) +
                                    (t.dims[2 + i] - 1) * glia_window_int(&a[DILATIONS], i, 1) + 1 - pads);
    }
    *end++ = (glia_attr_arg)GLIA_INTS("output_padding", extra, x.rank - 2);
    *end = (glia_attr_arg){0};
    return glia_build_attr(g, "conv_transpose", attrs, 2, dy, w);
}

static glia_value bias_grad(glia_graph *g, glia_value dy)
{
    int64_t axes[4] = {0, 2, 3, 4};
    glia_attr_arg attrs[] = {GLIA_INTS("axes", axes, glia_build_type(g, dy)->rank - 1), {0}};
    return glia_build_attr(g, "sum", attrs, 1, dy);
}

static bool has(const glia_node *n, int i) { return n->in_count > i && !glia_is_null(n->in[i]); }

static void conv_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    if (n->attr[ACTIVATION].i) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0130",
                        "`conv`: passes absorb activations after the gradient was taken; write it as a node");
        return;
    }
    din[0] = input_grad(g, n, dout[0], n->in[1], n->in[0]);
    din[1] = weight_grad(g, n, n->in[0], dout[0], n->in[1]);
    if (has(n, 2)) din[2] = bias_grad(g, dout[0]);
    if (has(n, 3)) din[3] = dout[0];
}

static glia_type shaped(int rank, int64_t n, int64_t c, const int64_t *sizes)
{
    glia_type t = {GLIA_F32, (int16_t)(rank + 2), 0, {n, c}};
    memcpy(t.dims + 2, sizes, sizeof *sizes * (size_t)rank);
    return t;
}

/* Strides, dilations, pads and group; the sizes of a small input that the window fits. */
static void window_sample(glia_sample *s, int rank, int64_t *kernel, int64_t *size, int64_t group)
{
    int64_t *ints = s->ints;
    for (int a = 0; a < rank; a++) {
        kernel[a] = s->pick(s->ctx, 1, 3);
        ints[a] = s->pick(s->ctx, 1, 3);
        ints[3 + a] = s->pick(s->ctx, 1, 2);
        ints[6 + a] = s->pick(s->ctx, 0, 2);
        ints[6 + rank + a] = s->pick(s->ctx, 0, 2);
        size[a] = (kernel[a] - 1) * ints[3 + a] + 1 + s->pick(s->ctx, 0, rank > 2 ? 2 : 5);
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("strides", ints, rank);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dilations", ints + 3, rank);
    s->attrs[2] = (glia_attr_arg)GLIA_INTS("pads", ints + 6, 2 * rank);
    s->attrs[3] = (glia_attr_arg)GLIA_INT("group", group);
}

static void conv_sample(glia_sample *s)
{
    const int rank = (int)s->pick(s->ctx, 1, 3);
    const int64_t group = s->pick(s->ctx, 1, 2), m = group * s->pick(s->ctx, 1, 3), c = s->pick(s->ctx, 1, 3);
    int64_t kernel[GLIA_SPATIAL], size[GLIA_SPATIAL];
    window_sample(s, rank, kernel, size, group);
    s->in_count = (int32_t)s->pick(s->ctx, 2, 3);
    s->in[0] = shaped(rank, s->pick(s->ctx, 1, 2), group * c, size);
    s->in[1] = shaped(rank, m, c, kernel);
    s->in[2] = (glia_type){GLIA_F32, 1, 0, {m}};
    for (int i = 0; i < 3; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_conv = {
    .name = "conv",
    .traits = GLIA_TAPS,
    .attrs = conv_attrs,
    .infer = conv_infer,
    .grad = conv_grad,
    .cost = conv_cost,
    .scratch = conv_scratch,
    .granule = conv_granule,
    .reference = conv_reference,
    .regions = conv_regions,
    .sample = conv_sample,
};

/* ---- conv_transpose */

enum { OUTPUT_PADDING = 4 };

static const glia_attr_spec transpose_attrs[] = {
    {"strides", GLIA_ATTR_INTS, false, 0},        {"dilations", GLIA_ATTR_INTS, false, 0},
    {"pads", GLIA_ATTR_INTS, false, 0},           {"group", GLIA_ATTR_INT, false, 1},
    {"output_padding", GLIA_ATTR_INTS, false, 0}, {0}};

/* The windows of the strided convolution from y back to x. */
static glia_window back_of(const glia_kargs *k)
{
    return glia_window_of(&k->out[0], &k->in[0], k->in[1].dims + 2, &k->attr[STRIDES], &k->attr[DILATIONS],
                          &k->attr[PADS]);
}

/* The input that reaches output `o` through tap `k`: its element, -1 where it lies outside, -2 between strides. */
static int64_t source_of(const glia_window *g, const int64_t *o, const int64_t *k)
{
    int64_t at = 0;
    for (int a = 0; a < GLIA_SPATIAL; a++) {
        const int64_t i = o[a] + g->pad[a] - k[a] * g->dilation[a];
        if (i % g->stride[a]) return -2;
        if (i < 0 || i / g->stride[a] >= g->out[a]) at = -1;
        if (at >= 0) at = at * g->out[a] + i / g->stride[a];
    }
    return at;
}

static double transposed_sum(const glia_kargs *k, const glia_window *g, const int64_t *o, int64_t x,
                             int64_t w, int64_t c, int64_t w_step)
{
    const bool wide = k->out[0].dtype == GLIA_F64;
    int64_t tap[GLIA_SPATIAL];
    glia_chain_f32 narrow = {.at = 0};
    glia_chain_f64 s = {.at = 0};
    for (int64_t t = 0; t < g->taps; t++) {
        int64_t left = t;
        for (int a = GLIA_SPATIAL - 1; a >= 0; a--) {
            tap[a] = left % g->kernel[a];
            left /= g->kernel[a];
        }
        const int64_t at = source_of(g, o, tap);
        if (at == -2) continue;
        for (int64_t i = 0; i < c; i++) {
            const int64_t from = x + i * g->out_plane + at, by = w + i * w_step + t;
            if (wide)
                glia_chain_add_f64(&s, glia_get_f64(&k->in[1], by),
                                   at < 0 ? 0 : glia_get_f64(&k->in[0], from));
            else
                glia_chain_add_f32(&narrow, glia_get_f32(&k->in[1], by),
                                   at < 0 ? 0.0f : glia_get_f32(&k->in[0], from));
        }
    }
    return wide ? glia_chain_done_f64(&s) : (double)glia_chain_done_f32(&narrow);
}

static void conv_transpose_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0], *bias = glia_optional(k, 2);
    const glia_window g = back_of(k);
    const int64_t group = k->attr[GROUP].i, c = x->dims[1] / group, m = w->dims[1];
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL];
        glia_window_index(&g, b.index, o);
        const int64_t at = b.index[1] / m, from = (b.index[0] * x->dims[1] + at * c) * g.out_plane;
        double sum = transposed_sum(k, &g, o, from, (at * c * m + b.index[1] % m) * g.taps, c, m * g.taps);
        if (y->dtype == GLIA_F64) glia_set_f64(y, b.row, bias ? sum + glia_get_f64(bias, b.index[1]) : sum);
        else glia_set_f32(y, b.row, bias ? (float)sum + glia_get_f32(bias, b.index[1]) : (float)sum);
    }
}

static bool conv_transpose_infer(glia_infer *x)
{
    if (!operands_fit(x, true)) return false;
    const glia_type *w = &x->in[1];
    const int rank = x->in[0].rank - 2;
    const glia_attr *a = x->attr;
    if (!glia_window_check(x, STRIDES, rank, w->dims + 2)) return false;
    if (a[OUTPUT_PADDING].i && a[OUTPUT_PADDING].i != rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`conv_transpose`: output_padding has %lld entries",
                               (long long)a[OUTPUT_PADDING].i);
    if (!glia_infer_equal(x, x->in[0].dims[1], w->dims[0], "the channels")) return false;
    x->out_count = 1;
    x->out[0] = x->in[0];
    x->out[0].dims[1] = w->dims[1] * a[GROUP].i;
    for (int i = 0; i < rank; i++) {
        const int64_t in = x->in[0].dims[2 + i];
        const int64_t pads = glia_window_int(&a[PADS], i, 0) + glia_window_int(&a[PADS], rank + i, 0);
        int64_t size, reach;
        if (in < 1)
            return glia_infer_fail(x, GLIA_E_UNSUPPORTED, "G0181",
                                   "`conv_transpose` takes constant spatial sizes above 0");
        if (!glia_mul(in - 1, glia_window_int(&a[STRIDES], i, 1), &size) ||
            !glia_mul(w->dims[2 + i] - 1, glia_window_int(&a[DILATIONS], i, 1), &reach) ||
            !glia_add(size, reach, &size) || size > (int64_t)1 << 40)
            return glia_infer_fail(x, GLIA_E_LIMIT, "G0181",
                                   "`conv_transpose`: an output axis of more than 2^40");
        x->out[0].dims[2 + i] = size + 1 - pads + glia_window_int(&a[OUTPUT_PADDING], i, 0);
        if (x->out[0].dims[2 + i] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0181",
                                   "`conv_transpose`: pads of %lld leave nothing of axis %d", (long long)pads,
                                   i);
    }
    if (x->in_count > 2 && x->in[2].dtype != GLIA_DTYPE_NONE &&
        (x->in[2].rank != 1 || x->in[2].dims[0] != x->out[0].dims[1]))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181",
                               "`conv_transpose`: a bias has one number for each channel");
    return true;
}

static bool conv_transpose_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    (void)g, (void)n;
    for (int i = 0; i < 3; i++) out->split[i] = true;
    out->in[0].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 0, 1, 1};
    out->in[2].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 1, 1, 1};
    return true;
}

static void conv_transpose_cost(const glia_kargs *k, glia_cost *out)
{
    const double x = (double)glia_tensor_elements(&k->in[0]), y = (double)glia_tensor_elements(&k->out[0]),
                 w = (double)glia_tensor_elements(&k->in[1]);
    out->flops =
        2 * x * (w / (double)glia_max(k->in[1].dims[0], 1)) * ((double)glia_box_count(k, k->out[0].rank) / y);
    out->bytes = 4 * (x + y + w);
}

/* x meets dy as a strided convolution does. */
static void conv_transpose_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[8];
    window_attrs(n, attrs);
    din[0] = glia_build_attr(g, "conv", attrs, 2, dout[0], n->in[1]);
    din[1] = weight_grad(g, n, dout[0], n->in[0], n->in[1]);
    if (has(n, 2)) din[2] = bias_grad(g, dout[0]);
}

static void conv_transpose_sample(glia_sample *s)
{
    const int rank = (int)s->pick(s->ctx, 1, 3);
    const int64_t group = s->pick(s->ctx, 1, 2), m = s->pick(s->ctx, 1, 3), c = group * s->pick(s->ctx, 1, 3);
    int64_t kernel[GLIA_SPATIAL], size[GLIA_SPATIAL];
    window_sample(s, rank, kernel, size, group);
    for (int a = 0; a < 2 * rank; a++) s->ints[6 + a] = s->pick(s->ctx, 0, 1);
    for (int a = 0; a < rank; a++) {
        size[a] = s->pick(s->ctx, 3, 5);
        s->ints[20 + a] = s->pick(s->ctx, 0, s->ints[a] - 1);
    }
    s->attrs[4] = (glia_attr_arg)GLIA_INTS("output_padding", s->ints + 20, rank);
    s->in_count = (int32_t)s->pick(s->ctx, 2, 3);
    s->in[0] = shaped(rank, s->pick(s->ctx, 1, 2), c, size);
    s->in[1] = shaped(rank, c, m, kernel);
    s->in[2] = (glia_type){GLIA_F32, 1, 0, {group * m}};
    for (int i = 0; i < 3; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_conv_transpose = {
    .name = "conv_transpose",
    .attrs = transpose_attrs,
    .infer = conv_transpose_infer,
    .grad = conv_transpose_grad,
    .cost = conv_transpose_cost,
    .reference = conv_transpose_reference,
    .regions = conv_transpose_regions,
    .sample = conv_transpose_sample,
};

/* ---- conv_weight_grad: dw[m, c, t] = chain over n, then o, of dy[n, m, o] x[n, c, o stride + t dilation - pad] */

enum { KERNEL = 4 };

static const glia_attr_spec grad_attrs[] = {
    {"strides", GLIA_ATTR_INTS, false, 0}, {"dilations", GLIA_ATTR_INTS, false, 0},
    {"pads", GLIA_ATTR_INTS, false, 0},    {"group", GLIA_ATTR_INT, false, 1},
    {"kernel", GLIA_ATTR_INTS, true, 0},   {0}};

/* The input element that output o meets through a tap; -1 in the padding. */
static int64_t met(const glia_window *g, const int64_t *o, const int64_t *tap)
{
    int64_t at = 0;
    for (int a = 0; a < GLIA_SPATIAL; a++) {
        const int64_t i = glia_window_start(g, a, o[a]) + tap[a] * g->dilation[a];
        if (i < 0 || i >= g->in[a]) return -1;
        at = at * g->in[a] + i;
    }
    return at;
}

static void conv_weight_grad_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *dy = &k->in[1], *dw = &k->out[0];
    const glia_window g =
        glia_window_of(x, dy, k->attr[KERNEL].ints, &k->attr[STRIDES], &k->attr[DILATIONS], &k->attr[PADS]);
    const int64_t c = dw->dims[1], per_group = dw->dims[0] / k->attr[GROUP].i;
    for (glia_box b = glia_box_rows(k, dw->rank); b.more; glia_box_next(&b)) {
        glia_chain_f32 narrow = {.at = 0};
        glia_chain_f64 s = {.at = 0};
        int64_t tap[GLIA_SPATIAL], o[GLIA_SPATIAL];
        glia_window_index(&g, b.index, tap);
        const int64_t channel = b.index[0] / per_group * c + b.index[1];
        for (int64_t i = 0; i < x->dims[0] * g.out_plane; i++) {
            const int64_t n = i / g.out_plane, p = i % g.out_plane;
            o[2] = p % g.out[2], o[1] = p / g.out[2] % g.out[1], o[0] = p / g.out[2] / g.out[1];
            const int64_t at = met(&g, o, tap), from = (n * x->dims[1] + channel) * g.in_plane + at;
            const int64_t by = (n * dy->dims[1] + b.index[0]) * g.out_plane + p;
            if (dw->dtype == GLIA_F64)
                glia_chain_add_f64(&s, glia_get_f64(dy, by), at < 0 ? 0 : glia_get_f64(x, from));
            else glia_chain_add_f32(&narrow, glia_get_f32(dy, by), at < 0 ? 0.0f : glia_get_f32(x, from));
        }
        if (dw->dtype == GLIA_F64) glia_set_f64(dw, b.row, glia_chain_done_f64(&s));
        else glia_set_f32(dw, b.row, glia_chain_done_f32(&narrow));
    }
}

static bool conv_weight_grad_infer(glia_infer *x)
{
    const glia_type *in = x->in;
    const int rank = in[0].rank - 2;
    const glia_attr *a = x->attr;
    if (x->in_count != 2 || in[0].dtype != in[1].dtype || !glia_is_float(in[0].dtype) ||
        in[0].rank != in[1].rank || a[KERNEL].i != rank)
        return glia_infer_fail(
            x, GLIA_E_ARG, "G0181",
            "`conv_weight_grad` takes x and dy of one float dtype and rank, and the kernel's sizes");
    if (!glia_window_check(x, STRIDES, rank, a[KERNEL].ints)) return false;
    if (in[0].dims[1] < 1 || in[1].dims[1] < 1 || a[GROUP].i < 1 || in[0].dims[1] % a[GROUP].i ||
        in[1].dims[1] % a[GROUP].i)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0181",
                               "`conv_weight_grad`: groups divide constant channels");
    for (int i = 0; i < rank; i++) {
        glia_dim want;
        if (!glia_window_out(x, STRIDES, i, in[0].dims[2 + i], a[KERNEL].ints[i], false, &want) ||
            !glia_infer_equal(x, want, in[1].dims[2 + i], "the output"))
            return false;
    }
    if (!glia_infer_equal(x, in[0].dims[0], in[1].dims[0], "the batch")) return false;
    x->out_count = 1;
    x->out[0] = in[0];
    x->out[0].dims[0] = in[1].dims[1];
    x->out[0].dims[1] = in[0].dims[1] / a[GROUP].i;
    memcpy(x->out[0].dims + 2, a[KERNEL].ints, sizeof(int64_t) * (size_t)rank);
    return true;
}

static bool conv_weight_grad_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    (void)g, (void)n;
    out->split[0] = out->split[1] = true;
    out->in[1].axis[1] = (glia_axis_region){GLIA_AXIS_SAME, 0, 1, 1};
    return true;
}

/* Linear in both: the gradient of dy is a convolution with dw's gradient, that of x a transposed one. */
static void conv_weight_grad_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[8];
    window_attrs(n, attrs);
    din[0] = input_grad(g, n, n->in[1], dout[0], n->in[0]);
    din[1] = glia_build_attr(g, "conv", attrs, 2, n->in[0], dout[0]);
}

static void conv_weight_grad_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_tensor *dy = &k->in[1];
    const double w = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 2 * w * (double)(glia_tensor_elements(dy) / glia_max(dy->dims[1], 1));
    out->bytes = 4 * (w + (double)glia_tensor_elements(dy) + (double)glia_tensor_elements(&k->in[0]));
}

static void conv_weight_grad_sample(glia_sample *s)
{
    const int rank = (int)s->pick(s->ctx, 1, 3);
    const int64_t group = s->pick(s->ctx, 1, 2), n = s->pick(s->ctx, 1, 2);
    int64_t kernel[GLIA_SPATIAL], size[GLIA_SPATIAL], out[GLIA_SPATIAL];
    window_sample(s, rank, kernel, size, group);
    for (int a = 0; a < rank; a++) {
        const int64_t *i = s->ints + a;
        out[a] = (size[a] + i[6] + s->ints[6 + rank + a] - (kernel[a] - 1) * i[3] - 1) / i[0] + 1;
        s->ints[20 + a] = kernel[a];
    }
    s->attrs[4] = (glia_attr_arg)GLIA_INTS("kernel", s->ints + 20, rank);
    s->in_count = 2;
    s->in[0] = shaped(rank, n, group * s->pick(s->ctx, 1, 3), size);
    s->in[1] = shaped(rank, n, group * s->pick(s->ctx, 1, 3), out);
    for (int i = 0; i < 2; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_conv_weight_grad = {
    .name = "conv_weight_grad",
    .attrs = grad_attrs,
    .infer = conv_weight_grad_infer,
    .grad = conv_weight_grad_grad,
    .cost = conv_weight_grad_cost,
    .reference = conv_weight_grad_reference,
    .regions = conv_weight_grad_regions,
    .sample = conv_weight_grad_sample,
};
