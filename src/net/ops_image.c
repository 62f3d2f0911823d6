/* Operators on images: resizes, sampling by grids, regions. A resize goes axis by axis over tables of taps, which are
 * made here, in double precision, for every mode and every way of counting coordinates. */
#include "net/emitter.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

/* ---- resize ---- */

typedef enum { NEAREST, LINEAR, CUBIC } resize_mode;
typedef enum {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL_FOR_NN,
    TF_CROP_AND_RESIZE,
    COORDINATES
} resize_coordinates;
typedef enum { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, FLOOR, CEIL, SIMPLE } resize_rounding;

typedef struct resize {
    resize_mode mode;
    resize_coordinates coordinates;
    resize_rounding rounding;
    double cubic, outside;
    bool exclude, antialias;
    int64_t in[GLIA_RANK_MAX], out[GLIA_RANK_MAX];
    double scale[GLIA_RANK_MAX], begin[GLIA_RANK_MAX],
        end[GLIA_RANK_MAX]; /* begin, end: the region of a crop */
} resize;

static bool choice_of(glia_emit *m, const char *attr, const char *const *names, int count,
                      const char *otherwise, int *out)
{
    const char *given = glia_emit_string(m, attr, otherwise);
    for (*out = 0; *out < count; ++*out)
        if (!strcmp(given, names[*out])) return true;
    return glia_emit_fail(m, "attribute `%s` is `%.40s`", attr, given);
}

/* Where element i of the output lies in the input. */
static double place_of(const resize *r, int axis, int64_t i)
{
    const double in = (double)r->in[axis], scale = r->scale[axis], whole = scale * in, x = (double)i;
    switch (r->coordinates) {
    case ALIGN_CORNERS: return whole == 1 ? 0 : x * (in - 1) / (whole - 1);
    case ASYMMETRIC: return x / scale;
    case PYTORCH_HALF_PIXEL: return whole == 1 ? -0.5 : (x + 0.5) / scale - 0.5;
    case TF_HALF_PIXEL_FOR_NN: return (x + 0.5) / scale;
    case HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - (double)r->out[axis] / whole) + (x + 0.5) / scale - 0.5;
    case TF_CROP_AND_RESIZE: {
        const double span = (r->end[axis] - r->begin[axis]) * (in - 1);
        return r->begin[axis] * (in - 1) + (whole == 1 ? span / 2 : x * span / (whole - 1));
    }
    default: return (x + 0.5) / scale - 0.5;
    }
}

static double cubic_weight(double x, double a)
{
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Taps of an axis begin `first` elements from the one at or left of the place; shrinking with antialias widens them. */
static int taps_of(const resize *r, int axis, int64_t *first)
{
    const double scale = r->antialias && r->scale[axis] < 1 ? r->scale[axis] : 1,
                 reach = r->mode == CUBIC ? 2 : 1;
    const double left = floor(-reach / scale) + 1;
    *first = 0;
    if (r->mode == NEAREST) return 1;
    if (!(left > -(double)(1 << 20))) return 0;
    *first = (int64_t)left;
    return (int)(2 - 2 * *first);
}

static int64_t nearest_of(const resize *r, int axis, double x)
{
    switch (r->rounding) {
    case ROUND_PREFER_FLOOR: return (int64_t)ceil(x - 0.5);
    case ROUND_PREFER_CEIL: return (int64_t)floor(x + 0.5);
    case CEIL: return (int64_t)ceil(x);
    case SIMPLE: return (int64_t)(r->scale[axis] < 1 ? ceil(x) : floor(x));
    default: return (int64_t)floor(x);
    }
}

/* index[taps], weight[taps] of one element; false: it lies outside the region that has elements. */
static bool fill_taps(const resize *r, int axis, int64_t i, int64_t first, int taps, int32_t *index,
                      double *weight)
{
    const int64_t n = r->in[axis];
    const double x = place_of(r, axis, i), left = ceil(x) - 1,
                 scale = r->scale[axis] < 1 ? r->scale[axis] : 1;
    double sum = 0, plain = 0;
    if (r->coordinates == TF_CROP_AND_RESIZE && (x < 0 || x > (double)(n - 1))) return false;
    if (!(fabs(x) < 0x1p30)) return false;
    if (r->mode == NEAREST) {
        index[0] = (int32_t)glia_max(0, glia_min(n - 1, nearest_of(r, axis, x)));
        weight[0] = 1;
        return true;
    }
    /* `left` is strictly left of x, so that a place on an element has it as its second neighbour. */
    for (int t = 0; t < taps; t++) {
        const int64_t at = (int64_t)left + first + t;
        double far = (double)at - x;
        if (r->antialias) far *= scale;
        weight[t] = r->mode == CUBIC ? cubic_weight(far, r->cubic) : fmax(0, 1 - fabs(far));
        plain += weight[t];
        if (r->exclude && (at < 0 || at >= n)) weight[t] = 0;
        sum += weight[t];
        index[t] = (int32_t)glia_max(0, glia_min(n - 1, at));
    }
    const double by = r->exclude ? sum : r->antialias ? plain : 1;
    for (int t = 0; t < taps && by != 0; t++) weight[t] /= by;
    return true;
}

/* One axis of v, whose dtype is f32 or f64, or anything where elements are only chosen. */
static glia_value resize_axis(glia_emit *m, glia_value v, const resize *r, int axis)
{
    const int64_t n = r->out[axis];
    int64_t first;
    const int taps = taps_of(r, axis, &first);
    const bool wide = glia_emit_dtype(m, v) == GLIA_F64;
    int32_t *index = taps ? GLIA_NEW_ARRAY(&m->scratch, int32_t, n * taps + 1) : NULL;
    double *weight = taps ? GLIA_NEW_ARRAY(&m->scratch, double, n *taps + 1) : NULL;
    bool chosen = taps == 1;
    if (!index || !weight) {
        glia_emit_refuse(m, "an axis of %lld elements with %d taps each", (long long)n, taps);
        return (glia_value){0};
    }
    for (int64_t i = 0; i < n; i++)
        if (!fill_taps(r, axis, i, first, taps, index + i * taps, weight + i * taps)) {
            for (int t = 0; t < taps; t++) index[i * taps + t] = t ? 0 : -1;
            chosen = false;
        }
    if (chosen) {
        glia_value at = glia_emit_constant(m, GLIA_I32, 1, &n, index);
        return glia_emit_node(m, "gather", (glia_attr_arg[]){GLIA_INT("axis", axis), {0}}, 2, v, at);
    }
    float *narrow = wide ? NULL : GLIA_NEW_ARRAY(&m->scratch, float, n *taps + 1);
    for (int64_t i = 0; narrow && i < n * taps; i++) narrow[i] = (float)weight[i];
    const int64_t dims[2] = {n, taps};
    glia_value at = glia_emit_constant(m, GLIA_I32, 2, dims, index);
    glia_value by =
        glia_emit_constant(m, wide ? GLIA_F64 : GLIA_F32, 2, dims, wide ? (const void *)weight : narrow);
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), GLIA_FLOAT("outside", r->outside), {0}};
    return glia_emit_node(m, "resample", attrs, 3, v, at, by);
}

static bool resize_by(glia_emit *m, glia_value x, const resize *r)
{
    const glia_dtype t = glia_emit_dtype(m, x);
    const bool chooses = r->mode == NEAREST && r->coordinates != TF_CROP_AND_RESIZE;
    const bool whole = !glia_emit_is_float(m, x);
    const int rank = glia_emit_rank(m, x);
    glia_value v = chooses || t == GLIA_F64 ? x : glia_emit_cast(m, x, whole ? GLIA_F64 : GLIA_F32);
    for (int a = 0; a < rank; a++) {
        if (r->in[a] == 0 && r->out[a] > 0) return glia_emit_fail(m, "axis %d is empty and cannot grow", a);
        const bool same = r->out[a] == r->in[a] && fabs(r->scale[a] - 1) < 1e-9;
        if (same && (r->coordinates != TF_CROP_AND_RESIZE || (r->begin[a] == 0 && r->end[a] == 1))) continue;
        v = resize_axis(m, v, r, a);
    }
    if (!chooses && whole) v = glia_emit_node(m, "round", NULL, 1, v);
    glia_emit_set(m, 0, glia_emit_cast(m, v, t));
    return true;
}

static bool read_modes(glia_emit *m, resize *r)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    int mode, coordinate, rounding;
    if (!choice_of(m, "mode", modes, 3, "nearest", &mode) ||
        !choice_of(m, "coordinate_transformation_mode", coordinates, COORDINATES, "half_pixel",
                   &coordinate) ||
        !choice_of(m, "nearest_mode", roundings, 4, "round_prefer_floor", &rounding))
        return false;
    *r = (resize){.mode = (resize_mode)mode,
                  .coordinates = (resize_coordinates)coordinate,
                  .rounding = (resize_rounding)rounding,
                  .cubic = glia_emit_float(m, "cubic_coeff_a", -0.75),
                  .outside = glia_emit_float(m, "extrapolation_value", 0),
                  .exclude = glia_emit_int(m, "exclude_outside", 0) != 0,
                  .antialias = glia_emit_int(m, "antialias", 0) != 0};
    return true;
}

static int64_t size_by(double scale, int64_t n)
{
    const double size = floor(scale * (double)n);
    return size >= 0 && size < 0x1p40 ? (int64_t)size : -1;
}

/* Sizes as given, or so that the sides keep their ratio. */
static bool take_sizes(resize *r, const int *axes, int count, const double *sizes, const char *policy)
{
    for (int i = 0; i < count; i++)
        if (!(sizes[i] >= 0 && sizes[i] < 0x1p40) || (r->in[axes[i]] == 0 && sizes[i] > 0)) return false;
    double scale = sizes[0] / (double)glia_max(1, r->in[axes[0]]);
    const bool keep = strcmp(policy, "stretch") != 0, least = !strcmp(policy, "not_larger");
    for (int i = 0; i < count; i++) {
        const double own = sizes[i] / (double)glia_max(1, r->in[axes[i]]);
        r->out[axes[i]] = (int64_t)sizes[i];
        r->scale[axes[i]] = own;
        scale = least ? fmin(scale, own) : fmax(scale, own);
    }
    for (int i = 0; i < count && keep; i++) {
        r->scale[axes[i]] = scale;
        const double size = scale * (double)r->in[axes[i]] + 0.5;
        if (!(size < 0x1p40)) return false;
        r->out[axes[i]] = (int64_t)size;
    }
    return true;
}

/* X, roi, scales, sizes; the axes that they speak of from version 18 on. */
static bool emit_resize(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t named[GLIA_RANK_MAX];
    double roi[2 * GLIA_RANK_MAX], scales[GLIA_RANK_MAX], sizes[GLIA_RANK_MAX];
    int axes[GLIA_RANK_MAX], rank = glia_emit_rank(m, x),
                             count = glia_emit_attr_ints(m, "axes", named, GLIA_RANK_MAX);
    int rois = 0, scale_count = 0, size_count = 0;
    resize r;
    if (!read_modes(m, &r)) return false;
    if (count < 0) {
        count = rank;
        for (int a = 0; a < rank; a++) named[a] = a;
    }
    for (int i = 0; i < count; i++)
        if (!glia_emit_axis(m, named[i], rank, &axes[i])) return false;
    for (int a = 0; a < rank; a++) r.in[a] = r.out[a] = glia_emit_dim(m, x, a), r.scale[a] = r.end[a] = 1;
    if (r.coordinates == TF_CROP_AND_RESIZE && !glia_emit_floats(m, 1, roi, 2 * GLIA_RANK_MAX, &rois))
        return false;
    if (!glia_emit_floats(m, 2, scales, GLIA_RANK_MAX, &scale_count) ||
        !glia_emit_floats(m, 3, sizes, GLIA_RANK_MAX, &size_count))
        return false;
    if ((rois && rois != 2 * count) || (r.coordinates == TF_CROP_AND_RESIZE && !rois))
        return glia_emit_fail(m, "a region of %d numbers for %d axes", rois, count);
    for (int i = 0; i < count && rois; i++) r.begin[axes[i]] = roi[i], r.end[axes[i]] = roi[count + i];
    if (scale_count == count && count) {
        for (int i = 0; i < count; i++) {
            r.scale[axes[i]] = scales[i];
            r.out[axes[i]] = scales[i] > 0 ? size_by(scales[i], r.in[axes[i]]) : -1;
        }
    } else if (size_count == count && count) {
        if (!take_sizes(&r, axes, count, sizes, glia_emit_string(m, "keep_aspect_ratio_policy", "stretch")))
            return glia_emit_fail(m, "sizes that cannot be made");
    } else if (count) {
        return glia_emit_fail(m, "%d scales and %d sizes for %d axes", scale_count, size_count, count);
    }
    for (int a = 0; a < rank; a++)
        if (r.out[a] < 0 || r.out[a] > (int64_t)1 << 40)
            return glia_emit_fail(m, "a size that is none for axis %d", a);
    return resize_by(m, x, &r);
}

/* Upsample of versions 1, 7 and 9, Resize of version 10: scales alone, from the first corner. */
static bool emit_upsample(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_onnx_attr *a = glia_emit_attr(m, "scales");
    const char *mode = glia_emit_string(m, "mode", "nearest");
    const bool simple = !strcmp(glia_emit_op(m), "Resize");
    double scales[GLIA_RANK_MAX] = {1, 1, glia_emit_float(m, "height_scale", 1),
                                    glia_emit_float(m, "width_scale", 1)};
    int rank = glia_emit_rank(m, x), count = 4;
    resize r = {.coordinates = ASYMMETRIC, .rounding = simple ? SIMPLE : FLOOR};
    if (!strcmp(mode, "linear") || !strcmp(mode, "bilinear")) r.mode = LINEAR;
    else if (strcmp(mode, "nearest")) return glia_emit_fail(m, "mode `%.40s`", mode);
    if (a && a->kind == GLIA_ONNX_ATTR_FLOATS) {
        for (count = 0; count < a->count && count < GLIA_RANK_MAX; count++)
            scales[count] = (double)a->floats[count];
    } else if (glia_emit_version(m) >= 9 && !glia_emit_floats(m, 1, scales, GLIA_RANK_MAX, &count)) {
        return false;
    }
    if (count != rank) return glia_emit_fail(m, "%d scales for rank %d", count, rank);
    for (int i = 0; i < rank; i++) {
        r.in[i] = glia_emit_dim(m, x, i);
        r.scale[i] = scales[i];
        r.out[i] = scales[i] > 0 ? size_by(scales[i], r.in[i]) : -1;
        if (r.out[i] < 0) return glia_emit_fail(m, "a scale of %g", scales[i]);
    }
    return resize_by(m, x, &r);
}

static bool emit_any_resize(glia_emit *m)
{
    return glia_emit_version(m) < 11 ? emit_upsample(m) : emit_resize(m);
}

/* ---- grids ---- */

static bool emit_grid_sample(glia_emit *m)
{
    static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    glia_value x = glia_emit_in(m, 0), grid = glia_emit_in(m, 1);
    const glia_dtype t = glia_emit_dtype(m, x), work = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    int mode, padding;
    if (!choice_of(m, "mode", modes, 5, glia_emit_version(m) < 20 ? "bilinear" : "linear", &mode) ||
        !choice_of(m, "padding_mode", paddings, 3, "zeros", &padding))
        return false;
    const glia_attr_arg attrs[] = {GLIA_INT("mode", mode < 3 ? mode : mode - 2),
                                   GLIA_INT("padding", padding),
                                   GLIA_INT("align", glia_emit_int(m, "align_corners", 0) != 0),
                                   {0}};
    if (glia_emit_rank(m, x) > 5) return glia_emit_refuse(m, "images of more than three axes");
    x = glia_emit_cast(m, x, work);
    grid = glia_emit_cast(m, grid, work);
    glia_value y = glia_emit_node(m, "grid_sample", attrs, 2, x, grid);
    if (!glia_is_float(t)) y = glia_emit_node(m, "round", NULL, 1, y);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

/* Rows [x, y, (z,) 1] of every place, the last axis of space first. */
static glia_value plain_grid(glia_emit *m, glia_dtype t, const int64_t *size, int space, bool align)
{
    int64_t points = 1, dims[2];
    for (int a = 0; a < space; a++)
        if (size[a] < 1 || !glia_mul(points, size[a], &points)) points = -1;
    dims[0] = points;
    dims[1] = space + 1;
    double *grid =
        points > 0 && points < 1 << 26 ? GLIA_NEW_ARRAY(&m->scratch, double, points *dims[1]) : NULL;
    if (!grid) {
        glia_emit_fail(m, "a grid of that size cannot be made");
        return (glia_value){0};
    }
    for (int64_t p = 0; p < points; p++) {
        int64_t rest = p;
        for (int a = space - 1; a >= 0; a--) {
            const double n = (double)size[a], i = (double)(rest % size[a]);
            grid[p * dims[1] + space - 1 - a] =
                align ? (n > 1 ? 2 * i / (n - 1) - 1 : -1) : (2 * i + 1) / n - 1;
            rest /= size[a];
        }
        grid[p * dims[1] + space] = 1;
    }
    glia_value v = glia_emit_constant(m, GLIA_F64, 2, dims, grid);
    return glia_emit_cast(m, v, t);
}

static bool emit_affine_grid(glia_emit *m)
{
    glia_value theta = glia_emit_in(m, 0);
    const glia_dtype t = glia_emit_dtype(m, theta), work = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    int64_t size[5], dims[5];
    int count;
    if (!glia_emit_ints(m, 1, size, 5, &count)) return false;
    const int space = count - 2;
    if (count < 4 || glia_emit_rank(m, theta) != 3 || glia_emit_dim(m, theta, 1) != space ||
        glia_emit_dim(m, theta, 2) != space + 1 || glia_emit_dim(m, theta, 0) != size[0])
        return glia_emit_fail(m, "theta is [n, 2, 3] with a size of 4 numbers, or [n, 3, 4] with 5");
    glia_value grid = plain_grid(m, work, size + 2, space, glia_emit_int(m, "align_corners", 0) != 0);
    if (!grid.id) return false;
    const int64_t points = glia_emit_dim(m, grid, 0), wide[3] = {size[0], points, space + 1};
    grid = glia_emit_expand(m, glia_emit_reshape(m, grid, 3, (int64_t[]){1, points, space + 1}), 3, wide);
    glia_value y = glia_emit_node(m, "matmul", NULL, 2, grid, glia_emit_cast(m, theta, work));
    dims[0] = size[0];
    for (int a = 0; a < space; a++) dims[1 + a] = size[2 + a];
    dims[space + 1] = space;
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_reshape(m, y, space + 2, dims), t));
    return true;
}

/* ---- regions ---- */

static bool emit_roi_align(glia_emit *m)
{
    static const char *const modes[] = {"avg", "max"};
    static const char *const corners[] = {"output_half_pixel", "half_pixel"};
    glia_value x = glia_emit_in(m, 0), rois = glia_emit_in(m, 1), image = glia_emit_in(m, 2);
    int mode, corner;
    if (!choice_of(m, "mode", modes, 2, "avg", &mode) ||
        !choice_of(m, "coordinate_transformation_mode", corners, 2,
                   glia_emit_version(m) < 16 ? "output_half_pixel" : "half_pixel", &corner))
        return false;
    const glia_attr_arg guard[] = {GLIA_INT("max", glia_emit_dim(m, x, 0)), {0}};
    const glia_attr_arg attrs[] = {GLIA_INT("height", glia_emit_int(m, "output_height", 1)),
                                   GLIA_INT("width", glia_emit_int(m, "output_width", 1)),
                                   GLIA_FLOAT("scale", glia_emit_float(m, "spatial_scale", 1)),
                                   GLIA_INT("ratio", glia_emit_int(m, "sampling_ratio", 0)),
                                   GLIA_INT("half", corner),
                                   GLIA_INT("most", mode),
                                   {0}};
    image = glia_emit_node(m, "guard_range", guard, 1, image);
    glia_emit_set(m, 0, glia_emit_node(m, "roi_align", attrs, 3, x, rois, image));
    return true;
}

static bool emit_max_roi_pool(glia_emit *m)
{
    int64_t shape[2];
    if (glia_emit_attr_ints(m, "pooled_shape", shape, 2) != 2)
        return glia_emit_fail(m, "pooled_shape is two numbers");
    const glia_attr_arg attrs[] = {GLIA_INT("height", shape[0]),
                                   GLIA_INT("width", shape[1]),
                                   GLIA_FLOAT("scale", glia_emit_float(m, "spatial_scale", 1)),
                                   {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "max_roi_pool", attrs, 2, glia_emit_in(m, 0), glia_emit_in(m, 1)));
    return true;
}

const glia_net_op glia_net_ops_image[] = {
    {"", "Resize", emit_any_resize, NULL, 0},
    {"", "Upsample", emit_upsample, NULL, 0},
    {"", "GridSample", emit_grid_sample, NULL, 0},
    {"", "AffineGrid", emit_affine_grid, NULL, 0},
    {"", "RoiAlign", emit_roi_align, NULL, 0},
    {"", "MaxRoiPool", emit_max_roi_pool, NULL, 0},
    {0},
};
