/* deform_conv: a convolution over two spatial axes whose taps are moved by offsets, and may be weighted by a mask.
 *
 *     y[n, m, o] = tree(segments of sum over taps t, then channels c of w[m, c, t] * v[n, g c.., o, t]) + bias[m]
 *     v          = mask[n, group, t, o] * bilinear(x, o stride + t dilation - pad + offset[n, group, t, :, o])
 *
 * v is computed in F64 and rounded once; corners outside of x are zeros. offset_group groups of channels have offsets
 * of their own. Refuses other ranks (G0184). */
#include <math.h>

#include "ops/ops.h"
#include "ops/sum.h"
#include "ops/window.h"

enum { STRIDES, DILATIONS, PADS, GROUP, OFFSET_GROUP };
enum { X, W, OFFSET, BIAS, MASK };

static const glia_attr_spec deform_attrs[] = {
    {"strides", GLIA_ATTR_INTS, false, 0},     {"dilations", GLIA_ATTR_INTS, false, 0},
    {"pads", GLIA_ATTR_INTS, false, 0},        {"group", GLIA_ATTR_INT, false, 1},
    {"offset_group", GLIA_ATTR_INT, false, 1}, {0}};

static double corner(const glia_tensor *x, int64_t plane, double at_y, double at_x)
{
    const int64_t h = x->dims[2], w = x->dims[3];
    if (!(at_y >= 0 && at_y < (double)h && at_x >= 0 && at_x < (double)w)) return 0;
    return glia_get_f64(x, plane + (int64_t)at_y * w + (int64_t)at_x);
}

static double sampled(const glia_tensor *x, int64_t plane, double y, double at)
{
    const double y0 = floor(y), x0 = floor(at), ly = y - y0, lx = at - x0;
    return ((1 - ly) * (1 - lx) * corner(x, plane, y0, x0) + (1 - ly) * lx * corner(x, plane, y0, x0 + 1)) +
           (ly * (1 - lx) * corner(x, plane, y0 + 1, x0) + ly * lx * corner(x, plane, y0 + 1, x0 + 1));
}

static double deformed_sum(const glia_kargs *k, const glia_window *g, const int64_t *index)
{
    const glia_tensor *x = &k->in[X], *w = &k->in[W], *offset = &k->in[OFFSET],
                      *mask = glia_optional(k, MASK);
    const int64_t c = w->dims[1], groups = k->attr[OFFSET_GROUP].i, m = index[1],
                  first = m / (w->dims[0] / k->attr[GROUP].i) * c, at = index[2] * g->out[2] + index[3];
    const bool wide = k->out[0].dtype == GLIA_F64;
    glia_chain_f32 narrow = {.at = 0};
    glia_chain_f64 sum = {.at = 0};
    for (int64_t t = 0; t < g->taps; t++)
        for (int64_t i = 0; i < c; i++) {
            const int64_t channel = first + i,
                          row = (index[0] * groups + channel / (x->dims[1] / groups)) * g->taps + t;
            const double oy = glia_get_f64(offset, 2 * row * g->out_plane + at),
                         ox = glia_get_f64(offset, (2 * row + 1) * g->out_plane + at),
                         by = mask ? glia_get_f64(mask, row * g->out_plane + at) : 1;
            const double y = (double)(glia_window_start(g, 1, index[2]) + t / g->kernel[2] * g->dilation[1]) +
                             oy,
                         z = (double)(glia_window_start(g, 2, index[3]) + t % g->kernel[2] * g->dilation[2]) +
                             ox;
            const double v = by * sampled(x, (index[0] * x->dims[1] + channel) * g->in_plane, y, z);
            const int64_t from = (m * c + i) * g->taps + t;
            if (wide) glia_chain_add_f64(&sum, glia_get_f64(w, from), v);
            else glia_chain_add_f32(&narrow, glia_get_f32(w, from), (float)v);
        }
    return wide ? glia_chain_done_f64(&sum) : (double)glia_chain_done_f32(&narrow);
}

static void deform_conv_reference(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0], *bias = glia_optional(k, BIAS);
    const glia_window g = glia_window_of(&k->in[X], y, k->in[W].dims + 2, &k->attr[STRIDES],
                                         &k->attr[DILATIONS], &k->attr[PADS]);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        const double sum = deformed_sum(k, &g, b.index);
        if (y->dtype == GLIA_F64) glia_set_f64(y, b.row, bias ? sum + glia_get_f64(bias, b.index[1]) : sum);
        else glia_set_f32(y, b.row, bias ? (float)sum + glia_get_f32(bias, b.index[1]) : (float)sum);
    }
}

static bool map_fits(glia_infer *x, int i, int64_t channels, const char *what)
{
    const glia_type *t = &x->in[i], *y = &x->out[0];
    if (i >= x->in_count || t->dtype == GLIA_DTYPE_NONE) return true;
    if (t->rank != 4 || t->dims[1] != channels)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0184", "`deform_conv`: the %s is [n, %lld, out_y, out_x]",
                               what, (long long)channels);
    return glia_infer_equal(x, t->dims[0], y->dims[0], what) &&
           glia_infer_equal(x, t->dims[2], y->dims[2], what) &&
           glia_infer_equal(x, t->dims[3], y->dims[3], what);
}

static bool deform_conv_infer(glia_infer *x)
{
    const glia_type *in = x->in, *w = &in[W];
    const int64_t group = x->attr[GROUP].i, maps = x->attr[OFFSET_GROUP].i;
    if (x->in_count < 3 || in[X].rank != 4 || w->rank != 4)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0184",
                               "`deform_conv` takes [n, c, y, x], a weight of rank 4 and offsets");
    for (int i = 0; i < x->in_count; i++)
        if (in[i].dtype != GLIA_DTYPE_NONE &&
            (!glia_is_float(in[i].dtype) || in[i].dtype != in[X].dtype || in[i].layout))
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0184", "`deform_conv`: inputs are floats of one dtype");
    for (int a = 0; a < 4; a++)
        if (w->dims[a] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0184",
                                   "`deform_conv`: a weight's sizes are constants above 0");
    if (group < 1 || w->dims[0] % group || maps < 1 || in[X].dims[1] < 1 || in[X].dims[1] % maps ||
        in[X].dims[1] != w->dims[1] * group)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0184", "`deform_conv`: groups divide constant channels");
    if (!glia_window_check(x, STRIDES, 2, w->dims + 2)) return false;
    x->out_count = 1;
    x->out[0] = in[X];
    x->out[0].dims[1] = w->dims[0];
    for (int a = 0; a < 2; a++)
        if (!glia_window_out(x, STRIDES, a, in[X].dims[2 + a], w->dims[2 + a], false, &x->out[0].dims[2 + a]))
            return false;
    if (x->in_count > BIAS && in[BIAS].dtype != GLIA_DTYPE_NONE &&
        (in[BIAS].rank != 1 || in[BIAS].dims[0] != w->dims[0]))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0184",
                               "`deform_conv`: a bias has one number for each channel");
    const int64_t rows = maps * w->dims[2] * w->dims[3];
    return map_fits(x, OFFSET, 2 * rows, "offset") && map_fits(x, MASK, rows, "mask");
}

static bool deform_conv_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    (void)g, (void)n;
    for (int i = 0; i < 3; i++) out->split[i] = true;
    for (int i = 0; i < 5; i++)
        if (i != W && i != BIAS) out->in[i].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 0, 1, 1};
    out->in[W].axis[0] = out->in[BIAS].axis[0] = (glia_axis_region){GLIA_AXIS_SAME, 1, 1, 1};
    return true;
}

static void deform_conv_cost(const glia_kargs *k, glia_cost *out)
{
    const double y = (double)glia_box_count(k, 4);
    out->flops = 20 * y * (double)(glia_tensor_elements(&k->in[W]) / glia_max(k->in[W].dims[0], 1));
    out->bytes =
        4 * (y + (double)glia_tensor_elements(&k->in[X]) + (double)glia_tensor_elements(&k->in[OFFSET]));
}

static void deform_conv_sample(glia_sample *s)
{
    const int64_t group = s->pick(s->ctx, 1, 2), maps = s->pick(s->ctx, 1, 2), c = 2 * s->pick(s->ctx, 1, 2),
                  m = group * s->pick(s->ctx, 1, 2), n = s->pick(s->ctx, 1, 2);
    int64_t size[2], kernel[2], out[2], *i = s->ints;
    for (int a = 0; a < 2; a++) {
        kernel[a] = s->pick(s->ctx, 1, 3);
        i[a] = s->pick(s->ctx, 1, 2), i[2 + a] = s->pick(s->ctx, 1, 2);
        i[4 + a] = s->pick(s->ctx, 0, 2), i[6 + a] = s->pick(s->ctx, 0, 2);
        size[a] = (kernel[a] - 1) * i[2 + a] + 1 + s->pick(s->ctx, 0, 4);
        out[a] = (size[a] + i[4 + a] + i[6 + a] - (kernel[a] - 1) * i[2 + a] - 1) / i[a] + 1;
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("strides", i, 2);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dilations", i + 2, 2);
    s->attrs[2] = (glia_attr_arg)GLIA_INTS("pads", i + 4, 4);
    s->attrs[3] = (glia_attr_arg)GLIA_INT("group", group);
    s->attrs[4] = (glia_attr_arg)GLIA_INT("offset_group", maps);
    s->in_count = 5;
    s->in[X] = (glia_type){GLIA_F32, 4, 0, {n, c, size[0], size[1]}};
    s->in[W] = (glia_type){GLIA_F32, 4, 0, {m, c / group, kernel[0], kernel[1]}};
    s->in[OFFSET] = (glia_type){GLIA_F32, 4, 0, {n, 2 * maps * kernel[0] * kernel[1], out[0], out[1]}};
    s->in[BIAS] = (glia_type){GLIA_F32, 1, 0, {m}};
    s->in[MASK] = (glia_type){GLIA_F32, 4, 0, {n, maps * kernel[0] * kernel[1], out[0], out[1]}};
    for (int a = 0; a < 5; a++) s->lo[a] = -1, s->hi[a] = 1;
}

const glia_op glia_op_deform_conv = {
    .name = "deform_conv",
    .attrs = deform_attrs,
    .infer = deform_conv_infer,
    .no_grad = "models with deformed windows are run here, not trained",
    .cost = deform_conv_cost,
    .reference = deform_conv_reference,
    .regions = deform_conv_regions,
    .sample = deform_conv_sample,
};
