/* Convolutions and pools of ONNX: windows of every version, with their kinds of automatic padding. */
#include "net/emitter.h"
#include "net/ops_words.h"

enum { SPATIAL = 3, TAPS_MOST = 2048 };

typedef struct window {
    int rank;
    bool ceil, same, upper; /* same: pads follow from the input's size; upper: the odd one goes behind */
    int64_t kernel[SPATIAL], stride[SPATIAL], dilation[SPATIAL], pad[2 * SPATIAL];
} window;

static bool ints_of(glia_emit *m, const char *name, int count, int64_t otherwise, int64_t *to)
{
    const int n = glia_emit_attr_ints(m, name, to, count);
    for (int i = 0; n < 0 && i < count; i++) to[i] = otherwise;
    return n < 0 || n == count || glia_emit_fail(m, "%s has %d entries, not %d", name, n, count);
}

/* kernel null: the attribute kernel_shape. */
static bool window_of(glia_emit *m, glia_value x, const int64_t *kernel, window *w)
{
    const int rank = glia_emit_rank(m, x) - 2;
    const char *automatic = glia_emit_string(m, "auto_pad", "NOTSET");
    if (!x.id) return false;
    if (rank < 1) return glia_emit_fail(m, "an input of rank %d has no spatial axes", rank + 2);
    if (rank > SPATIAL) return glia_emit_refuse(m, "%d spatial axes", rank);
    *w = (window){.rank = rank};
    if (kernel) memcpy(w->kernel, kernel, sizeof *kernel * (size_t)rank);
    else if (!glia_emit_has_attr(m, "kernel_shape") && glia_emit_version(m) > 1)
        return glia_emit_fail(m, "kernel_shape is missing");
    else if (!ints_of(m, "kernel_shape", rank, 1, w->kernel)) return false;
    if (!ints_of(m, "strides", rank, 1, w->stride) || !ints_of(m, "dilations", rank, 1, w->dilation) ||
        !ints_of(m, "pads", 2 * rank, 0, w->pad))
        return false;
    w->ceil = glia_emit_int(m, "ceil_mode", 0) != 0;
    w->same = !strncmp(automatic, "SAME_", 5);
    w->upper = !strcmp(automatic, "SAME_UPPER");
    for (int i = 0; i < rank; i++)
        if (w->stride[i] < 1 || w->dilation[i] < 1 || w->kernel[i] < 1 || w->kernel[i] > 1 << 30 ||
            w->stride[i] > 1 << 30 || w->dilation[i] > 1 << 30)
            return glia_emit_fail(m, "a window of %lld by strides of %lld and dilations of %lld",
                                  (long long)w->kernel[i], (long long)w->stride[i],
                                  (long long)w->dilation[i]);
    if (strcmp(automatic, "NOTSET")) memset(w->pad, 0, sizeof w->pad);
    else
        for (int i = 0; i < 2 * rank; i++)
            if (w->pad[i] < 0 || w->pad[i] > 1 << 30)
                return glia_emit_refuse(m, "a pad of %lld", (long long)w->pad[i]);
    return true;
}

/* Pads of SAME: the output has ceil(input / stride) elements. */
static void pad_same(glia_emit *m, glia_value x, window *w)
{
    for (int i = 0; w->same && i < w->rank; i++) {
        const int64_t in = glia_emit_dim(m, x, 2 + i), out = (in + w->stride[i] - 1) / w->stride[i];
        int64_t all = (out - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1 - in;
        if (all < 0) all = 0;
        w->pad[i] = w->upper ? all / 2 : all - all / 2;
        w->pad[w->rank + i] = all - w->pad[i];
    }
}

#define WINDOW(w)                                                                                            \
    GLIA_INTS("strides", (w).stride, (w).rank), GLIA_INTS("dilations", (w).dilation, (w).rank),              \
        GLIA_INTS("pads", (w).pad, 2 * (w).rank)

/* Sums run in f32, which f16 and bf16 widen to, and are rounded once. */
static glia_value wide(glia_emit *m, glia_value v) { return v.id ? glia_word_wide(m, v) : v; }

/* ---- convolutions ----------------------------------------------------------------------------------------- */

static bool weight_fits(glia_emit *m, glia_value x, glia_value w)
{
    if (!x.id || !w.id) return false;
    return glia_emit_rank(m, x) == glia_emit_rank(m, w) ||
           glia_emit_fail(m, "a weight of rank %d for an input of rank %d", glia_emit_rank(m, w),
                          glia_emit_rank(m, x));
}

static bool emit_conv(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, 1);
    window g;
    if (!weight_fits(m, x, w) || !window_of(m, x, glia_emit_type(m, w)->dims + 2, &g)) return false;
    pad_same(m, x, &g);
    const glia_dtype t = glia_emit_dtype(m, x);
    glia_attr_arg attrs[] = {WINDOW(g), GLIA_INT("group", glia_emit_int(m, "group", 1)), {0}};
    glia_value y = glia_emit_node(m, "conv", attrs, 3, wide(m, x), wide(m, w), wide(m, glia_emit_in(m, 2)));
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

static bool emit_deform_conv(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, 1);
    window g;
    if (!weight_fits(m, x, w) || !window_of(m, x, glia_emit_type(m, w)->dims + 2, &g)) return false;
    if (g.rank != 2) return glia_emit_refuse(m, "deformed windows over %d axes", g.rank);
    glia_attr_arg attrs[] = {WINDOW(g),
                             GLIA_INT("group", glia_emit_int(m, "group", 1)),
                             GLIA_INT("offset_group", glia_emit_int(m, "offset_group", 1)),
                             {0}};
    const glia_dtype t = glia_emit_dtype(m, x);
    glia_value y =
        glia_emit_node(m, "deform_conv", attrs, 5, wide(m, x), wide(m, w), wide(m, glia_emit_in(m, 2)),
                       wide(m, glia_emit_in(m, 3)), wide(m, glia_emit_in(m, 4)));
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

/* The pads of a transposed convolution from the output's sizes; what pads below 0 would ask for is added behind. */
static bool pads_of_output(glia_emit *m, glia_value x, window *g, int64_t *extra)
{
    int64_t shape[SPATIAL + 2];
    const int given = glia_emit_attr_ints(m, "output_shape", shape, SPATIAL + 2);
    if (given < 0 && !g->same) return true;
    if (given >= 0 && given != g->rank && given != g->rank + 2)
        return glia_emit_fail(m, "output_shape has %d entries", given);
    for (int i = 0; i < g->rank; i++) {
        const int64_t in = glia_emit_dim(m, x, 2 + i),
                      out = given < 0 ? in * g->stride[i] : shape[given - g->rank + i],
                      all =
                          g->stride[i] * (in - 1) + extra[i] + (g->kernel[i] - 1) * g->dilation[i] + 1 - out;
        const int64_t cut = all > 0 ? all : 0;
        g->pad[i] = g->upper ? cut / 2 : cut - cut / 2;
        g->pad[g->rank + i] = cut - g->pad[i];
        if (all < 0) extra[i] -= all;
    }
    return true;
}

/* [c, m / group, taps..] as [m, c / group, taps turned round]. */
static glia_value turned_weight(glia_emit *m, glia_value w, const window *g, int64_t group)
{
    const glia_type t = *glia_emit_type(m, w);
    int64_t parts[SPATIAL + 3] = {group, t.dims[0] / group, t.dims[1]}, perm[SPATIAL + 3] = {0, 2, 1};
    int64_t dims[SPATIAL + 2] = {t.dims[1] * group, t.dims[0] / group};
    for (int i = 0; i < g->rank; i++) {
        parts[3 + i] = dims[2 + i] = g->kernel[i];
        perm[3 + i] = 3 + i;
    }
    w = glia_emit_transpose(m, glia_emit_reshape(m, w, g->rank + 3, parts), perm);
    w = glia_emit_reshape(m, w, g->rank + 2, dims);
    for (int i = 0; i < g->rank; i++)
        if (g->kernel[i] > 1)
            w = glia_emit_node(m, "flip", (glia_attr_arg[]){GLIA_INT("axis", 2 + i), {0}}, 1, w);
    return w;
}

/* x with stride - 1 zeros between its elements along the spatial axes. */
static glia_value spaced(glia_emit *m, glia_value x, const window *g)
{
    const glia_type t = *glia_emit_type(m, x);
    int64_t apart[2 * SPATIAL + 2], wide_dims[2 * SPATIAL + 2], zero[2 * SPATIAL + 2] = {0},
                                                                                   dims[SPATIAL + 2];
    bool any = false;
    memcpy(dims, t.dims, sizeof dims);
    for (int i = 0; i < 2; i++) apart[i] = wide_dims[i] = t.dims[i];
    for (int i = 0; i < g->rank; i++) {
        any |= g->stride[i] > 1;
        apart[2 + 2 * i] = wide_dims[2 + 2 * i] = t.dims[2 + i];
        apart[3 + 2 * i] = 1;
        wide_dims[3 + 2 * i] = g->stride[i];
        dims[2 + i] = t.dims[2 + i] * g->stride[i];
    }
    if (!any) return x;
    const int rank = 2 + 2 * g->rank;
    glia_attr_arg attrs[] = {GLIA_INTS("before", zero, rank), GLIA_INTS("dims", wide_dims, rank), {0}};
    x = glia_emit_node(m, "pad", attrs, 1, glia_emit_reshape(m, x, rank, apart));
    x = glia_emit_reshape(m, x, g->rank + 2, dims);
    for (int i = 0; i < g->rank; i++)
        x = glia_emit_slice(m, x, 2 + i, 0, (t.dims[2 + i] - 1) * g->stride[i] + 1);
    return x;
}

/* The same as a convolution over spaced inputs, which kernels are fast for; null where its pads would be negative. */
static glia_value transposed_as_conv(glia_emit *m, glia_value x, glia_value w, const window *g,
                                     const int64_t *extra, int64_t group)
{
    window back = {.rank = g->rank};
    for (int i = 0; i < g->rank; i++) {
        const int64_t reach = (g->kernel[i] - 1) * g->dilation[i];
        back.stride[i] = 1;
        back.dilation[i] = g->dilation[i];
        back.pad[i] = reach - g->pad[i];
        back.pad[g->rank + i] = reach - g->pad[g->rank + i] + extra[i];
        if (back.pad[i] < 0 || back.pad[g->rank + i] < 0) return (glia_value){0};
    }
    glia_attr_arg attrs[] = {WINDOW(back), GLIA_INT("group", group), {0}};
    return glia_emit_node(m, "conv", attrs, 3, spaced(m, x, g), turned_weight(m, w, g, group),
                          wide(m, glia_emit_in(m, 2)));
}

static bool emit_conv_transpose(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, 1);
    window g;
    int64_t extra[SPATIAL];
    if (!weight_fits(m, x, w) || !window_of(m, x, glia_emit_type(m, w)->dims + 2, &g) ||
        !ints_of(m, "output_padding", g.rank, 0, extra) || !pads_of_output(m, x, &g, extra))
        return false;
    const glia_dtype t = glia_emit_dtype(m, x);
    glia_attr_arg attrs[] = {WINDOW(g),
                             GLIA_INT("group", glia_emit_int(m, "group", 1)),
                             GLIA_INTS("output_padding", extra, g.rank),
                             {0}};
    glia_value y = {0};
    const int64_t group = glia_emit_int(m, "group", 1);
    x = wide(m, x);
    w = wide(m, w);
    if (group > 0 && glia_emit_dim(m, w, 0) % group == 0) y = transposed_as_conv(m, x, w, &g, extra, group);
    if (!y.id) y = glia_emit_node(m, "conv_transpose", attrs, 3, x, w, wide(m, glia_emit_in(m, 2)));
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

/* The state before the input, a depthwise convolution, and the last positions as the next state. */
static bool emit_causal(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, 1), past = glia_emit_in(m, 3);
    const char *activation = glia_emit_string(m, "activation", "none");
    if (!x.id || !w.id || !weight_fits(m, x, w)) return false;
    const glia_type t = *glia_emit_type(m, x);
    if (t.rank != 3) return glia_emit_fail(m, "an input of rank %d", t.rank);
    const int64_t keep = glia_emit_dim(m, w, 2) - 1, dims[] = {t.dims[0], t.dims[1], keep};
    const bool silu = !strcmp(activation, "silu") || !strcmp(activation, "swish");
    if (!silu && strcmp(activation, "none") && *activation)
        return glia_emit_refuse(m, "the activation %s", activation);
    if (!past.id && keep) past = glia_emit_fill(m, t.dtype, 3, dims, 0);
    glia_value all = keep ? glia_emit_concat(m, 2, 2, (glia_value[]){past, x}) : x;
    glia_attr_arg attrs[] = {GLIA_INT("group", t.dims[1]), GLIA_INT("activation", silu ? 3 : 0), {0}};
    glia_value y = glia_emit_node(m, "conv", attrs, 3, wide(m, all), wide(m, w), wide(m, glia_emit_in(m, 2)));
    glia_emit_set(m, 0, glia_emit_cast(m, y, t.dtype));
    if (glia_emit_wants(m, 1)) {
        const int64_t size = glia_emit_dim(m, all, 2);
        glia_emit_set(m, 1,
                      keep ? glia_emit_slice(m, all, 2, size - keep, size)
                           : glia_emit_fill(m, t.dtype, 3, dims, 0));
    }
    return true;
}

/* Columns are the input of a transposed convolution whose weight gives each row of a block its own tap. */
static bool emit_col2im(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t image[SPATIAL], block[SPATIAL], dims[2 + SPATIAL], extra[SPATIAL], taps = 1;
    int rank, count;
    window g = {0};
    if (!x.id || !glia_emit_ints(m, 1, image, SPATIAL, &rank) ||
        !glia_emit_ints(m, 2, block, SPATIAL, &count))
        return false;
    const glia_type t = *glia_emit_type(m, x);
    if (rank != count || rank < 1 || t.rank != 3)
        return glia_emit_fail(m, "an image of %d axes, blocks of %d, columns of rank %d", rank, count,
                              t.rank);
    g.rank = rank;
    if (!ints_of(m, "strides", rank, 1, g.stride) || !ints_of(m, "dilations", rank, 1, g.dilation) ||
        !ints_of(m, "pads", 2 * rank, 0, g.pad))
        return false;
    for (int i = 0; i < rank; i++) {
        const int64_t reach = (block[i] - 1) * g.dilation[i] + 1,
                      left = image[i] + g.pad[i] + g.pad[rank + i] - reach;
        if (block[i] < 1 || g.stride[i] < 1 || left < 0)
            return glia_emit_fail(m, "blocks of %lld do not fit an image of %lld", (long long)block[i],
                                  (long long)image[i]);
        taps *= block[i];
        dims[2 + i] = left / g.stride[i] + 1;
        extra[i] = left % g.stride[i];
    }
    if (taps > TAPS_MOST || t.dims[1] % taps)
        return glia_emit_fail(m, "%lld rows of columns for blocks of %lld", (long long)t.dims[1],
                              (long long)taps);
    dims[0] = t.dims[0] * (t.dims[1] / taps);
    dims[1] = taps;
    int64_t row[TAPS_MOST];
    for (int64_t i = 0; i < taps; i++) row[i] = i;
    glia_value rows = glia_emit_reshape(m, wide(m, x), 2 + rank, dims);
    glia_attr_arg each[] = {GLIA_INT("depth", taps), GLIA_TYPE_ATTR("to", glia_emit_dtype(m, rows)), {0}};
    glia_value ones = glia_emit_node(m, "one_hot", each, 1, glia_emit_int_vector(m, row, (int)taps));
    int64_t w[2 + SPATIAL] = {taps, 1};
    memcpy(w + 2, block, sizeof *block * (size_t)rank);
    ones = glia_emit_reshape(m, ones, 2 + rank, w);
    glia_attr_arg attrs[] = {WINDOW(g), GLIA_INTS("output_padding", extra, rank), {0}};
    glia_value y = glia_emit_node(m, "conv_transpose", attrs, 2, rows, ones);
    dims[0] = t.dims[0];
    dims[1] = t.dims[1] / taps;
    memcpy(dims + 2, image, sizeof *image * (size_t)rank);
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_reshape(m, y, 2 + rank, dims), t.dtype));
    return true;
}

/* ---- pools ------------------------------------------------------------------------------------------------ */

static bool emit_max_pool(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    window g;
    if (!window_of(m, x, NULL, &g)) return false;
    pad_same(m, x, &g);
    const bool places = glia_emit_wants(m, 1);
    glia_attr_arg attrs[] = {
        WINDOW(g),
        GLIA_INTS("kernel", g.kernel, g.rank),
        GLIA_INT("ceil", g.ceil),
        GLIA_INT("indices", places ? 1 + (glia_emit_int(m, "storage_order", 0) != 0) : 0),
        {0}};
    glia_value y = glia_emit_node(m, "max_pool", attrs, 1, x);
    glia_emit_set(m, 0, y);
    if (places) glia_emit_set(m, 1, glia_emit_output(m, y, 1));
    return true;
}

static bool emit_average_pool(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    window g;
    if (!window_of(m, x, NULL, &g)) return false;
    pad_same(m, x, &g);
    glia_attr_arg attrs[] = {WINDOW(g),
                             GLIA_INTS("kernel", g.kernel, g.rank),
                             GLIA_INT("ceil", g.ceil),
                             GLIA_INT("count_include_pad", glia_emit_int(m, "count_include_pad", 0) != 0),
                             {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "avg_pool", attrs, 1, x));
    return true;
}

/* Version 1 gave the order as a float. */
static double order_of(glia_emit *m)
{
    return glia_emit_version(m) < 2 ? glia_emit_float(m, "p", 2) : (double)glia_emit_int(m, "p", 2);
}

static bool emit_lp_pool(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    window g;
    if (!window_of(m, x, NULL, &g)) return false;
    pad_same(m, x, &g);
    glia_attr_arg attrs[] = {WINDOW(g),
                             GLIA_INTS("kernel", g.kernel, g.rank),
                             GLIA_INT("ceil", g.ceil),
                             GLIA_FLOAT("p", order_of(m)),
                             {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "lp_pool", attrs, 1, x));
    return true;
}

static bool emit_global_pool(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const char *name = glia_emit_op(m);
    const glia_type t = *glia_emit_type(m, x);
    int64_t axes[GLIA_RANK_MAX];
    if (!x.id) return false;
    if (t.rank < 3) return glia_emit_fail(m, "an input of rank %d has no spatial axes", t.rank);
    for (int i = 2; i < t.rank; i++) axes[i - 2] = i;
    if (strcmp(name, "GlobalLpPool")) {
        const char *op = strcmp(name, "GlobalMaxPool") ? "mean" : "reduce_max";
        glia_value y = glia_word_reduce(m, op, wide(m, x), axes, t.rank - 2, true);
        glia_emit_set(m, 0, glia_emit_cast(m, y, t.dtype));
        return true;
    }
    if (t.rank > SPATIAL + 2) return glia_emit_refuse(m, "%d spatial axes", t.rank - 2);
    glia_attr_arg attrs[] = {GLIA_INTS("kernel", t.dims + 2, t.rank - 2), GLIA_FLOAT("p", order_of(m)), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "lp_pool", attrs, 1, x));
    return true;
}

/* Places count in the tensor that the pool had; a larger output_shape has zeros behind it. */
static bool emit_max_unpool(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), places = glia_emit_in(m, 1);
    int64_t dims[GLIA_RANK_MAX], want[GLIA_RANK_MAX], zero[GLIA_RANK_MAX] = {0};
    int count = 0;
    window g;
    if (!places.id || !window_of(m, x, NULL, &g) || !glia_emit_ints(m, 2, want, GLIA_RANK_MAX, &count))
        return false;
    const glia_type t = *glia_emit_type(m, x);
    memcpy(dims, t.dims, sizeof dims);
    for (int i = 0; i < g.rank; i++)
        dims[2 + i] = (t.dims[2 + i] - 1) * g.stride[i] - g.pad[i] - g.pad[g.rank + i] + g.kernel[i];
    glia_attr_arg attrs[] = {GLIA_INTS("dims", dims, t.rank), {0}};
    glia_value y = glia_emit_node(m, "max_unpool", attrs, 2, x, places);
    bool more = false;
    if (count && count != t.rank) return glia_emit_fail(m, "output_shape has %d entries", count);
    for (int i = 0; i < count; i++) {
        if (want[i] < dims[i]) return glia_emit_refuse(m, "an output_shape below what the windows cover");
        more |= want[i] > dims[i];
    }
    if (more) {
        glia_attr_arg pad[] = {GLIA_INTS("before", zero, t.rank), GLIA_INTS("dims", want, t.rank), {0}};
        y = glia_emit_node(m, "pad", pad, 1, y);
    }
    glia_emit_set(m, 0, y);
    return true;
}

/* ---- integers --------------------------------------------------------------------------------------------- */

/* The node's inputs of qconv that follow x and w; scale null: sums as I32. */
typedef struct quantised {
    glia_value x_zero, w_zero, bias, scale, y_zero;
} quantised;

static glia_value qconv(glia_emit *m, glia_value x, glia_value w, const quantised *q, const window *g,
                        int64_t group)
{
    const glia_dtype to = q->y_zero.id ? glia_emit_dtype(m, q->y_zero) : GLIA_U8;
    glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", to), GLIA_INT("group", group), {0}, {0}, {0}, {0}};
    if (g) {
        const glia_attr_arg more[] = {WINDOW(*g)};
        memcpy(attrs + 2, more, sizeof more);
    }
    return glia_emit_node(m, "qconv", attrs, 7, x, w, q->x_zero, q->w_zero, q->bias, q->scale, q->y_zero);
}

/* What sums are multiplied with: as scales say, in f32. */
static glia_value scale_of(glia_emit *m, glia_value x, glia_value w, glia_value y)
{
    return glia_emit_binary(
        m, "div", glia_emit_binary(m, "mul", glia_emit_cast(m, x, GLIA_F32), glia_emit_cast(m, w, GLIA_F32)),
        glia_emit_cast(m, y, GLIA_F32));
}

static bool emit_conv_integer(glia_emit *m)
{
    const bool linear = !strcmp(glia_emit_op(m), "QLinearConv");
    glia_value x = glia_emit_in(m, 0), w = glia_emit_in(m, linear ? 3 : 1);
    quantised q = {.x_zero = glia_emit_in(m, 2), .w_zero = glia_emit_in(m, linear ? 5 : 3)};
    window g;
    if (!weight_fits(m, x, w) || !window_of(m, x, glia_emit_type(m, w)->dims + 2, &g)) return false;
    pad_same(m, x, &g);
    if (linear) {
        q.bias = glia_emit_in(m, 8);
        q.scale = scale_of(m, glia_emit_in(m, 1), glia_emit_in(m, 4), glia_emit_in(m, 6));
        q.y_zero = glia_emit_in(m, 7);
    }
    glia_emit_set(m, 0, qconv(m, x, w, &q, &g, glia_emit_int(m, "group", 1)));
    return true;
}

static bool is_one(glia_emit *m, glia_value v) { return !v.id || glia_emit_elements(m, v) == 1; }

static glia_value as_line(glia_emit *m, glia_value v)
{
    return v.id ? glia_word_reshape1(m, v, glia_emit_elements(m, v)) : v;
}

/* a [.., rows, k] by b [k, n]: b's columns are output channels, a's rows pixels. */
static glia_value columns_product(glia_emit *m, glia_value a, glia_value b, const quantised *q)
{
    const glia_type ta = *glia_emit_type(m, a), tb = *glia_emit_type(m, b);
    const int64_t k = tb.dims[0], n = tb.dims[1], rows = k ? glia_emit_elements(m, a) / k : 0,
                  swap[] = {1, 0};
    int64_t flat[] = {rows, k}, image[] = {1, k, rows}, weight[] = {n, k, 1}, back[] = {n, rows},
            out[GLIA_RANK_MAX];
    glia_value x =
        glia_emit_reshape(m, glia_emit_transpose(m, glia_emit_reshape(m, a, 2, flat), swap), 3, image);
    glia_value w = glia_emit_reshape(m, glia_emit_transpose(m, b, swap), 3, weight);
    glia_value y = qconv(m, x, w, q, NULL, 1);
    memcpy(out, ta.dims, sizeof out);
    out[ta.rank - 1] = n;
    return glia_emit_reshape(m, glia_emit_transpose(m, glia_emit_reshape(m, y, 2, back), swap), ta.rank, out);
}

/* Batches of matrices: a's rows are output channels, in one group for each product, b's columns pixels. */
static glia_value batched_product(glia_emit *m, glia_value a, glia_value b, quantised q)
{
    const glia_type ta = *glia_emit_type(m, a), tb = *glia_emit_type(m, b);
    const int64_t rows = ta.dims[ta.rank - 2], k = ta.dims[ta.rank - 1], n = tb.dims[tb.rank - 1];
    const int rank = ta.rank > tb.rank ? ta.rank : tb.rank;
    int64_t out[GLIA_RANK_MAX], da[GLIA_RANK_MAX], db[GLIA_RANK_MAX], batch = 1;
    for (int i = 0; i < rank - 2; i++) {
        const int ia = i - (rank - ta.rank), ib = i - (rank - tb.rank);
        const int64_t sa = ia < 0 ? 1 : ta.dims[ia], sb = ib < 0 ? 1 : tb.dims[ib];
        out[i] = da[i] = db[i] = sa == 1 ? sb : sa;
        batch *= out[i];
    }
    out[rank - 2] = da[rank - 2] = rows;
    da[rank - 1] = db[rank - 2] = k;
    out[rank - 1] = db[rank - 1] = n;
    int64_t weight[] = {batch * rows, k, 1}, image[] = {1, batch * k, n};
    glia_value w = glia_emit_reshape(m, glia_emit_expand(m, a, rank, da), 3, weight);
    glia_value x = glia_emit_reshape(m, glia_emit_expand(m, b, rank, db), 3, image);
    return glia_emit_reshape(m, qconv(m, x, w, &q, NULL, batch), rank, out);
}

static bool emit_matmul_integer(glia_emit *m)
{
    const bool linear = !strcmp(glia_emit_op(m), "QLinearMatMul");
    glia_value a = glia_emit_in(m, 0), b = glia_emit_in(m, linear ? 3 : 1),
               a_zero = as_line(m, glia_emit_in(m, 2)), b_zero = as_line(m, glia_emit_in(m, linear ? 5 : 3)),
               a_scale = {0}, b_scale = {0}, y;
    quantised q = {{0}, {0}, {0}, {0}, {0}};
    if (!a.id || !b.id) return false;
    const int a_rank = glia_emit_rank(m, a), b_rank = glia_emit_rank(m, b);
    int64_t da[2] = {1, glia_emit_elements(m, a)}, db[2] = {glia_emit_elements(m, b), 1}, out[GLIA_RANK_MAX];
    if (a_rank < 1 || b_rank < 1) return glia_emit_fail(m, "a product of scalars");
    if (a_rank == 1) a = glia_emit_reshape(m, a, 2, da);
    if (b_rank == 1) b = glia_emit_reshape(m, b, 2, db);
    if (glia_emit_dim(m, a, -1) != glia_emit_dim(m, b, -2))
        return glia_emit_fail(m, "rows of %lld meet columns of %lld", (long long)glia_emit_dim(m, a, -1),
                              (long long)glia_emit_dim(m, b, -2));
    if (linear) {
        a_scale = as_line(m, glia_emit_in(m, 1));
        b_scale = as_line(m, glia_emit_in(m, 4));
        q.scale = scale_of(m, a_scale, b_scale, as_line(m, glia_emit_in(m, 6)));
        q.y_zero = as_line(m, glia_emit_in(m, 7));
    }
    if (glia_emit_rank(m, b) == 2 && is_one(m, a_zero) && is_one(m, a_scale)) {
        q.x_zero = a_zero;
        q.w_zero = b_zero;
        y = columns_product(m, a, b, &q);
    } else if (is_one(m, b_zero) && is_one(m, b_scale)) {
        q.x_zero = b_zero;
        q.w_zero = a_zero;
        y = batched_product(m, a, b, q);
    } else {
        return glia_emit_refuse(m,
                                "zero points or scales of both rows and columns, or of columns in a batch");
    }
    const glia_type t = *glia_emit_type(m, y);
    int rank = 0;
    for (int i = 0; i < t.rank; i++)
        if (!(i == t.rank - 2 && a_rank == 1) && !(i == t.rank - 1 && b_rank == 1)) out[rank++] = t.dims[i];
    glia_emit_set(m, 0, glia_emit_reshape(m, y, rank, out));
    return true;
}

const glia_net_op glia_net_ops_conv[] = {
    {"", "AveragePool", emit_average_pool, NULL, 0},
    {"", "CausalConvWithState", emit_causal, NULL, 0},
    {"", "Col2Im", emit_col2im, NULL, 0},
    {"", "Conv", emit_conv, NULL, 0},
    {"", "ConvInteger", emit_conv_integer, NULL, 0},
    {"", "ConvTranspose", emit_conv_transpose, NULL, 0},
    {"", "DeformConv", emit_deform_conv, NULL, 0},
    {"", "GlobalAveragePool", emit_global_pool, NULL, 0},
    {"", "GlobalLpPool", emit_global_pool, NULL, 0},
    {"", "GlobalMaxPool", emit_global_pool, NULL, 0},
    {"", "LpPool", emit_lp_pool, NULL, 0},
    {"", "MatMulInteger", emit_matmul_integer, NULL, 0},
    {"", "MaxPool", emit_max_pool, NULL, 0},
    {"", "MaxUnpool", emit_max_unpool, NULL, 0},
    {"", "QLinearConv", emit_conv_integer, NULL, 0},
    {"", "QLinearMatMul", emit_matmul_integer, NULL, 0},
    {0},
};
