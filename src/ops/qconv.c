/* qconv: a convolution over integers of eight bits, exact modulo 2^32, and what turns its sums into such again.
 *
 *     s[n, m, o] = sum over taps t and channels c of (x[n, c, ..] - x_zero) * (w[m, c, t] - w_zero[m]) + bias[m]
 *     y = s                                                        without a scale: I32
 *     y = clip(round((float)s * scale[m]) + y_zero)                with one: to = u8 or i8, to nearest even
 *
 * A position in the padding counts as x_zero. w_zero and scale have one number or one for each output channel. A
 * product of matrices a [m, k] b [k, n] is one of a single tap, with a as the weight and b as the image. */
#include <math.h>

#include "ops/ops.h"
#include "ops/window.h"
#include "tensor/layout.h"

enum { STRIDES, DILATIONS, PADS, GROUP, TO };
enum { X, W, X_ZERO, W_ZERO, BIAS, SCALE, Y_ZERO, INPUTS };

static const glia_attr_spec qconv_attrs[] = {
    {"strides", GLIA_ATTR_INTS, false, 0},   {"dilations", GLIA_ATTR_INTS, false, 0},
    {"pads", GLIA_ATTR_INTS, false, 0},      {"group", GLIA_ATTR_INT, false, 1},
    {"to", GLIA_ATTR_DTYPE, false, GLIA_U8}, {0}};

static int64_t per_channel(const glia_tensor *t, int64_t m, int64_t otherwise)
{
    return t ? glia_get_i64(t, glia_tensor_elements(t) == 1 ? 0 : m) : otherwise;
}

/* An element of a weight: packed ones are stored as I8. */
static int32_t weight_at(const glia_tensor *w, int64_t m, int64_t c, int64_t t, int64_t taps)
{
    if (w->layout != GLIA_LAYOUT_C16) return (int32_t)glia_get_i64(w, (m * w->dims[1] + c) * taps + t);
    const int64_t k = w->dims[1] * taps, at = t * w->dims[1] + c;
    const int8_t *panel = (const int8_t *)w->data + m / 16 * glia_layout_taps_panel(w->dtype, k);
    return panel[at / 4 * 64 + m % 16 * 4 + at % 4] + (w->dtype == GLIA_U8 ? 128 : 0);
}

/* A NaN becomes the least integer. */
static int64_t requantised(int32_t sum, float scale, int64_t zero, glia_dtype to)
{
    const float low = (float)((to == GLIA_I8 ? -128 : 0) - zero),
                high = (float)((to == GLIA_I8 ? 127 : 255) - zero);
    float v = rintf((float)sum * scale);
    v = v > low ? v : low;
    return (int64_t)(v < high ? v : high) + zero;
}

static void qconv_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[X], *w = &k->in[W], *y = &k->out[0], *scale = glia_optional(k, SCALE);
    const glia_tensor *zero = glia_optional(k, W_ZERO), *bias = glia_optional(k, BIAS);
    const glia_window g =
        glia_window_of(x, y, w->dims + 2, &k->attr[STRIDES], &k->attr[DILATIONS], &k->attr[PADS]);
    const int64_t c = w->dims[1], per_group = y->dims[1] / k->attr[GROUP].i,
                  x_zero = per_channel(glia_optional(k, X_ZERO), 0, 0),
                  y_zero = per_channel(glia_optional(k, Y_ZERO), 0, 0);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL];
        glia_window_index(&g, b.index, o);
        const int64_t m = b.index[1], from = (b.index[0] * x->dims[1] + m / per_group * c) * g.in_plane;
        const int32_t w_zero = (int32_t)per_channel(zero, m, 0);
        uint32_t sum = bias ? (uint32_t)glia_get_i64(bias, m) : 0;
        for (glia_taps t = glia_taps_begin(&g, o); glia_taps_more(&t); glia_taps_next(&t))
            for (int64_t i = 0; i < c && t.at >= 0; i++) {
                const int32_t v = (int32_t)(glia_get_i64(x, from + i * g.in_plane + t.at) - x_zero);
                sum += (uint32_t)(v * (weight_at(w, m, i, t.tap, g.taps) - w_zero));
            }
        if (!scale) glia_set_i64(y, b.row, (int32_t)sum);
        else
            glia_set_i64(y, b.row,
                         requantised((int32_t)sum,
                                     glia_get_f32(scale, glia_tensor_elements(scale) == 1 ? 0 : m), y_zero,
                                     y->dtype));
    }
}

static bool is_byte(glia_dtype t) { return t == GLIA_U8 || t == GLIA_I8; }

/* An optional input of one number, or (many) one for each output channel. */
static bool numbers_fit(glia_infer *x, int i, glia_dtype t, bool many, const char *what)
{
    if (i >= x->in_count || x->in[i].dtype == GLIA_DTYPE_NONE) return true;
    const glia_type *v = &x->in[i];
    const bool one = v->rank == 0 || (v->rank == 1 && v->dims[0] == 1);
    if (v->dtype != t || v->layout || (!one && !(many && v->rank == 1 && v->dims[0] == x->in[W].dims[0])))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0183", "`qconv`: the %s is %s of one number%s", what,
                               glia_dtype_name(t), many ? " or one for each output channel" : "");
    return true;
}

static bool qconv_infer(glia_infer *x)
{
    const glia_type *in = x->in, *w = &x->in[W];
    const int64_t group = x->attr[GROUP].i;
    const bool scaled = x->in_count > SCALE && in[SCALE].dtype != GLIA_DTYPE_NONE;
    const glia_dtype to = (glia_dtype)x->attr[TO].i;
    if (x->in_count < 2 || x->in_count > INPUTS || !is_byte(in[X].dtype) || !is_byte(w->dtype) ||
        in[X].layout || (w->layout && w->layout != GLIA_LAYOUT_C16) || !is_byte(to))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0183",
                               "`qconv` takes u8 or i8, a weight of u8 or i8, and makes u8 or i8");
    if (in[X].rank < 3 || in[X].rank > 5 || w->rank != in[X].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0183",
                               "`qconv` takes [n, c, spatial..] and a weight of the same rank");
    for (int a = 0; a < w->rank; a++)
        if (w->dims[a] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0183",
                                   "`qconv`: a weight's sizes are constants above 0");
    if (group < 1 || w->dims[0] % group)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0183", "`qconv`: %lld groups do not divide %lld channels",
                               (long long)group, (long long)w->dims[0]);
    if (!glia_window_check(x, STRIDES, w->rank - 2, w->dims + 2) ||
        !glia_infer_equal(x, in[X].dims[1], w->dims[1] * group, "the channels"))
        return false;
    if (!numbers_fit(x, X_ZERO, in[X].dtype, false, "zero point of x") ||
        !numbers_fit(x, W_ZERO, w->dtype, true, "zero point of w") ||
        !numbers_fit(x, BIAS, GLIA_I32, true, "bias") || !numbers_fit(x, SCALE, GLIA_F32, true, "scale") ||
        !numbers_fit(x, Y_ZERO, to, false, "zero point of y"))
        return false;
    x->out_count = 1;
    x->out[0] = in[X];
    x->out[0].dtype = scaled ? to : GLIA_I32;
    x->out[0].dims[1] = w->dims[0];
    for (int a = 0; a < w->rank - 2; a++)
        if (!glia_window_out(x, STRIDES, a, in[X].dims[2 + a], w->dims[2 + a], false, &x->out[0].dims[2 + a]))
            return false;
    return true;
}

static bool qconv_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    const glia_type *w = &glia_graph_value(g, n->in[W])->type;
    for (int i = 0; i < 3; i++) out->split[i] = true;
    if (w->rank == 3) out->granule[2] = 48;
    out->in[X].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 0, 1, 1};
    if (w->dims[1] == 1 && w->dims[0] == n->attr[GROUP].i)
        out->in[X].axis[1] = (glia_axis_region){GLIA_AXIS_SAME, 1, 1, 1};
    out->in[W].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 1, 1, 1};
    for (int i = W_ZERO; i <= SCALE && i < n->in_count; i++)
        if (!glia_is_null(n->in[i]) && glia_graph_value(g, n->in[i])->type.rank == 1 &&
            glia_graph_value(g, n->in[i])->type.dims[0] == w->dims[0])
            out->in[i].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 1, 1, 1};
    return true;
}

static int64_t qconv_granule(const glia_kargs *k, int axis)
{
    return axis == 1 && k->in[W].layout == GLIA_LAYOUT_C16 && k->attr[GROUP].i == 1 ? 16 : 1;
}

static void qconv_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_tensor *w = &k->in[W];
    const double y = (double)glia_box_count(k, k->out[0].rank);
    out->flops =
        y * (double)(glia_tensor_elements(w) / glia_max(w->dims[0], 1)) / 2; /* of floats in as much time */
    out->bytes = y + (double)glia_tensor_elements(&k->in[X]) + (double)glia_tensor_elements(w);
}

/* Rows of bytes that one block of up to 64 pixels meets, as they are and four side by side. */
static int64_t qconv_scratch(const glia_kargs *k)
{
    const glia_tensor *w = &k->in[W], *y = &k->out[0];
    const int64_t depth = glia_tensor_elements(w) / glia_max(w->dims[0], 1);
    const int64_t pixels = glia_tensor_elements(y) / glia_max(y->dims[0] * y->dims[1], 1);
    const int64_t room = glia_max(64, (1 << 19) / glia_max(depth, 1) / 64 * 64);
    int64_t bytes;
    if (!w->layout && w->dims[1] != 1) return 0;
    if (!w->layout) { /* depthwise: a plane of floats, as in conv */
        const glia_window g =
            glia_window_of(&k->in[X], y, w->dims + 2, &k->attr[STRIDES], &k->attr[DILATIONS], &k->attr[PADS]);
        int64_t count = 1;
        for (int a = 0; a < GLIA_SPATIAL; a++) {
            int64_t size = g.out[a] * g.stride[a] + (g.kernel[a] - 1) * g.dilation[a];
            if (a == 2) size += 32 * g.stride[a];
            if (!glia_mul(count, size, &count)) return -1;
        }
        return glia_mul(count, 4, &bytes) ? bytes : -1;
    }
    return glia_mul(glia_min(room, glia_ceil_div(pixels, 64) * 64) + 64, depth + 4, &bytes) ? bytes : -1;
}

static void qconv_sample(glia_sample *s)
{
    const int64_t group = s->pick(s->ctx, 1, 2), m = group * s->pick(s->ctx, 1, 3), c = s->pick(s->ctx, 1, 3);
    const int64_t kh = s->pick(s->ctx, 1, 3), kw = s->pick(s->ctx, 1, 3), h = kh + s->pick(s->ctx, 0, 4),
                  width = kw + s->pick(s->ctx, 0, 4);
    for (int i = 0; i < 2; i++) s->ints[i] = s->pick(s->ctx, 1, 2);
    for (int i = 2; i < 6; i++) s->ints[i] = s->pick(s->ctx, 0, 2);
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("strides", s->ints, 2);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("pads", s->ints + 2, 4);
    s->attrs[2] = (glia_attr_arg)GLIA_INT("group", group);
    s->in_count = 5;
    s->in[X] = (glia_type){GLIA_U8, 4, 0, {s->pick(s->ctx, 1, 2), group * c, h, width}};
    s->in[W] = (glia_type){GLIA_I8, 4, 0, {m, c, kh, kw}};
    s->in[X_ZERO] = (glia_type){GLIA_U8, 0, 0, {0}};
    s->in[W_ZERO] = (glia_type){GLIA_I8, 1, 0, {m}};
    s->in[BIAS] = (glia_type){GLIA_I32, 1, 0, {m}};
    for (int i = 0; i < 5; i++)
        s->lo[i] = i == X || i == X_ZERO ? 0 : -128, s->hi[i] = i == X || i == X_ZERO ? 255 : 127;
}

const glia_op glia_op_qconv = {
    .name = "qconv",
    .traits = GLIA_TAPS,
    .attrs = qconv_attrs,
    .infer = qconv_infer,
    .no_grad = "integers have no gradient",
    .cost = qconv_cost,
    .scratch = qconv_scratch,
    .granule = qconv_granule,
    .reference = qconv_reference,
    .regions = qconv_regions,
    .sample = qconv_sample,
};
