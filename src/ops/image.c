/* Sampling of images: resample (one axis by a table of taps), grid_sample, roi_align, max_roi_pool.
 *
 * A resize is one `resample` per axis, or a gather where each result is one element: every mode and every way of
 * counting coordinates is in its table, made when the graph is. Layout [n, channels, space..]. */
#include <math.h>

#include "base/check.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

enum { SPACE_MAX = 3, TAPS_MAX = 4 };

/* ---- resample: y[.., i, ..] = sum over t of weight[i, t] x[.., index[i, t], ..], one fma chain ascending;
 *      `outside` where index[i, 0] is negative ---- */

static const glia_attr_spec resample_attrs[] = {
    {"axis", GLIA_ATTR_INT, true, 0}, {"outside", GLIA_ATTR_FLOAT, false, 0}, {0}};

static bool resample_infer(glia_infer *x)
{
    const glia_dtype w = x->in[0].dtype == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    if (x->in[2].dtype != w)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0174", "`resample`: weights for %s are in %s",
                               glia_dtype_name(x->in[0].dtype), glia_dtype_name(w));
    return glia_infer_plain(x);
}

static void resample_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *index = &k->in[1], *weight = &k->in[2], *y = &k->out[0];
    const int axis = (int)k->attr[0].i, last = y->rank - 1;
    const int64_t taps = index->dims[1], n = glia_last_dim(y);
    int64_t inner = 1;
    for (int a = axis + 1; a < y->rank; a++) inner *= y->dims[a];
    for (glia_box b = glia_box_rows(k, last); b.more; glia_box_next(&b)) {
        for (int64_t j = glia_box_begin(k); j < glia_box_end(k); j++) {
            const int64_t at = b.row * n + j, i = axis == last ? j : b.index[axis];
            const int64_t base = at / (inner * y->dims[axis]) * x->dims[axis] * inner + at % inner;
            const int32_t *from = (const int32_t *)index->data + i * taps;
            double wide = 0;
            float sum = 0;
            if (from[0] < 0) {
                glia_set_f64(y, at, k->attr[1].f);
                continue;
            }
            for (int64_t t = 0; t < taps; t++) {
                const int64_t place = base + from[t] * inner;
                if (y->dtype == GLIA_F64)
                    wide = fma(glia_get_f64(weight, i * taps + t), glia_get_f64(x, place), wide);
                else sum = fmaf(((const float *)weight->data)[i * taps + t], glia_get_f32(x, place), sum);
            }
            if (y->dtype == GLIA_F64) glia_set_f64(y, at, wide);
            else glia_set_f32(y, at, sum);
        }
    }
}

static void resample_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 2 * e * (double)k->in[1].dims[1];
    out->bytes = 8 * e;
}

static void resample_sample(glia_sample *s)
{
    int64_t axis = s->pick(s->ctx, 0, 2), n = s->pick(s->ctx, 1, 6), t = s->pick(s->ctx, 1, 4);
    s->in_count = 3;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 20)}};
    s->in[1] = (glia_type){GLIA_I32, 2, 0, {n, t}};
    s->in[2] = (glia_type){GLIA_F32, 2, 0, {n, t}};
    s->lo[0] = s->lo[2] = -1, s->hi[0] = s->hi[2] = 1;
    s->lo[1] = 0, s->hi[1] = (double)(s->in[0].dims[axis] - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", axis);
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("outside", 0.5);
}

const glia_op glia_op_resample = {
    .name = "resample",
    .signature = "x: F[.., p@axis, ..], index: i32[n, k!], weight: f32|f64[n, k!] -> y: F[.., n@axis, ..]",
    .attrs = resample_attrs,
    .infer = resample_infer,
    .no_grad = "the gradient of a resize is not built yet",
    .cost = resample_cost,
    .reference = resample_reference,
    .sample = resample_sample,
};

/* ---- grid_sample: x at the places that a grid of coordinates in [-1, 1] names, the last axis first ---- */

enum { NEAREST, LINEAR, CUBIC, MODES };
enum { ZEROS, BORDER, REFLECTION, PADDINGS };
enum { GRID_MODE, GRID_PADDING, GRID_ALIGN };

static const glia_attr_spec grid_attrs[] = {{"mode", GLIA_ATTR_INT, false, LINEAR},
                                            {"padding", GLIA_ATTR_INT, false, ZEROS},
                                            {"align", GLIA_ATTR_INT, false, 0},
                                            {0}};

static bool grid_sample_infer(glia_infer *x)
{
    const glia_type *in = &x->in[0], *grid = &x->in[1];
    int space = in->rank - 2;
    if (space < 1 || space > SPACE_MAX || grid->rank != in->rank || grid->dims[grid->rank - 1] != space)
        return glia_infer_fail(
            x, GLIA_E_SHAPE, "G0174",
            "`grid_sample`: x is [n, c, 1 to %d axes], the grid [n, as many axes, their number]", SPACE_MAX);
    if (x->attr[GRID_MODE].i < 0 || x->attr[GRID_MODE].i >= MODES || x->attr[GRID_PADDING].i < 0 ||
        x->attr[GRID_PADDING].i >= PADDINGS)
        return glia_infer_fail(x, GLIA_E_ARG, "G0174", "`grid_sample`: that mode or padding is none");
    for (int a = 2; a < in->rank; a++) {
        int64_t min, max;
        glia_dim_bounds(x->g, in->dims[a], &min, &max);
        if (min < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0174", "`grid_sample`: axis %d may be empty", a);
    }
    return glia_infer_plain(x);
}

/* Folds v back into [low, high], at both ends in turn. */
static double reflect(double v, double low, double high)
{
    const double range = high - low, past = v < low ? low - v : v > high ? v - high : 0;
    if (past == 0) return v;
    if (range <= 0) return low;
    if (!(past < 0x1p53)) return low;
    const double turns = floor(past / range), rest = past - turns * range;
    const bool even = turns == 2 * floor(turns / 2);
    return (v < low) == even ? low + rest : high - rest;
}

typedef struct taps { /* along one axis: elements and weights; an index of -1 counts nothing */
    int count;
    int64_t index[TAPS_MAX];
    double weight[TAPS_MAX];
} taps;

static void cubic_weights(double r, double *w)
{
    const double a = -0.75, s = 1 - r;
    w[0] = ((a * (r + 1) - 5 * a) * (r + 1) + 8 * a) * (r + 1) - 4 * a;
    w[1] = ((a + 2) * r - (a + 3)) * r * r + 1;
    w[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
    w[3] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
}

static taps taps_of(double g, int64_t size, const glia_attr *attr)
{
    const int64_t mode = attr[GRID_MODE].i, padding = attr[GRID_PADDING].i;
    const bool align = attr[GRID_ALIGN].i != 0;
    const double n = (double)size, low = align ? 0 : -0.5, high = align ? n - 1 : n - 0.5;
    double at = align ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
    taps t = {mode == CUBIC ? 4 : mode == LINEAR ? 2 : 1, {0}, {1, 0, 0, 0}};
    if (mode == NEAREST) at = rint(at);
    /* A cubic's taps are cut to the border one by one. */
    if (padding == BORDER && mode != CUBIC && (at < low || at > high)) at = at < 0 ? 0 : n - 1;
    if (padding == REFLECTION) at = reflect(at, low, high);
    if (!(fabs(at) < 0x1p31)) { /* NaN and places far away are outside */
        t.count = 1;
        t.index[0] = padding == ZEROS ? -1 : at > 0 ? size - 1 : 0;
        t.weight[0] = at != at ? at : 1;
        return t;
    }
    const double whole = floor(at), r = at - whole;
    if (mode == LINEAR) t.weight[0] = 1 - r, t.weight[1] = r;
    if (mode == CUBIC) cubic_weights(r, t.weight);
    for (int i = 0; i < t.count; i++) {
        double place = whole + i - (mode == CUBIC);
        if (padding == BORDER) place = place < 0 ? 0 : place > n - 1 ? n - 1 : place;
        if (padding == REFLECTION) place = trunc(reflect(place, low, high));
        t.index[i] = place >= 0 && place < n ? (int64_t)place : -1;
    }
    return t;
}

/* The weighted elements in row-major order: one chain, those outside left out. */
static void sample_at(const glia_tensor *x, int64_t base, const taps *t, const int64_t *stride, int space,
                      const glia_tensor *y, int64_t to)
{
    int at[SPACE_MAX] = {0};
    double wide = 0;
    float sum = 0;
    for (;;) {
        double weight = 1;
        int64_t place = base;
        bool inside = true;
        for (int a = 0; a < space; a++) {
            inside = inside && t[a].index[at[a]] >= 0;
            place += t[a].index[at[a]] * stride[a];
            weight *= t[a].weight[at[a]];
        }
        if (inside && y->dtype == GLIA_F64) wide = fma(weight, glia_get_f64(x, place), wide);
        else if (inside) sum = fmaf((float)weight, glia_get_f32(x, place), sum);
        int a = space - 1;
        while (a >= 0 && ++at[a] == t[a].count) at[a--] = 0;
        if (a < 0) break;
    }
    if (y->dtype == GLIA_F64) glia_set_f64(y, to, wide);
    else glia_set_f32(y, to, sum);
}

static void grid_sample_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *grid = &k->in[1], *y = &k->out[0];
    const int space = x->rank - 2;
    int64_t stride[SPACE_MAX], plane = 1, points = 1, begin[GLIA_RANK_MAX], end[GLIA_RANK_MAX];
    for (int a = space - 1; a >= 0; a--) stride[a] = plane, plane *= x->dims[a + 2], points *= y->dims[a + 2];
    /* One channel's box is walked, and all channels of the box at each of its points. */
    glia_kargs one = *k;
    memcpy(begin, k->begin, sizeof(int64_t) * (size_t)y->rank);
    memcpy(end, k->end, sizeof(int64_t) * (size_t)y->rank);
    begin[1] = 0, end[1] = k->end[1] > k->begin[1];
    one.begin = begin, one.end = end;
    for (glia_box b = glia_box_rows(&one, y->rank); b.more; glia_box_next(&b)) {
        const int64_t point = b.row % points, from = b.index[0] * points + point;
        taps t[SPACE_MAX];
        for (int a = 0; a < space; a++)
            t[a] = taps_of(glia_get_f64(grid, from * space + space - 1 - a), x->dims[a + 2], k->attr);
        for (int64_t c = k->begin[1]; c < k->end[1]; c++) {
            const int64_t image = b.index[0] * x->dims[1] + c;
            sample_at(x, image * plane, t, stride, space, y, image * points + point);
        }
    }
}

static void grid_sample_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 40 * e;
    out->bytes = 24 * e;
}

static void grid_sample_sample(glia_sample *s)
{
    int space = (int)s->pick(s->ctx, 1, 3);
    int64_t n = s->pick(s->ctx, 1, 2);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, (int16_t)(space + 2), 0, {n, s->pick(s->ctx, 1, 3)}};
    s->in[1] = (glia_type){GLIA_F32, (int16_t)(space + 2), 0, {n}};
    for (int a = 0; a < space; a++) {
        s->in[0].dims[a + 2] = s->pick(s->ctx, 1, 5);
        s->in[1].dims[a + 1] = s->pick(s->ctx, 1, 4);
    }
    s->in[1].dims[space + 1] = space;
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = -1.6, s->hi[1] = 1.6;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("mode", s->pick(s->ctx, 0, 2));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("padding", s->pick(s->ctx, 0, 2));
    s->attrs[2] = (glia_attr_arg)GLIA_INT("align", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_grid_sample = {
    .name = "grid_sample",
    .signature = "x: F[n, c, ..s], grid: F[n, ..o, r!] -> y: F[n, c, ..o]",
    .attrs = grid_attrs,
    .infer = grid_sample_infer,
    .no_grad = "the gradient of sampling by a grid is not built yet",
    .cost = grid_sample_cost,
    .reference = grid_sample_reference,
    .sample = grid_sample_sample,
};

/* ---- roi_align: averages (or greatest terms) of linear samples in the bins of regions [x1, y1, x2, y2] ---- */

enum { ROI_HEIGHT, ROI_WIDTH, ROI_SCALE, ROI_RATIO, ROI_HALF, ROI_MOST };
enum { ROI_GRID_MAX = 4096 }; /* samples of a bin along an axis */

static const glia_attr_spec roi_attrs[] = {{"height", GLIA_ATTR_INT, true, 0},
                                           {"width", GLIA_ATTR_INT, true, 0},
                                           {"scale", GLIA_ATTR_FLOAT, false, 1},
                                           {"ratio", GLIA_ATTR_INT, false, 0},
                                           {"half", GLIA_ATTR_INT, false, 1},
                                           {"most", GLIA_ATTR_INT, false, 0},
                                           {0}};

static bool roi_infer(glia_infer *x)
{
    if (x->attr[ROI_HEIGHT].i < 1 || x->attr[ROI_WIDTH].i < 1)
        return glia_infer_fail(x, GLIA_E_ARG, "G0174", "`%s`: a region gives at least one element",
                               x->op->name);
    return glia_infer_plain(x);
}

/* The two rows around `at` and their weights; false outside. */
static bool around(double at, int64_t size, int64_t *low, int64_t *high, double *w)
{
    if (!(at >= -1.0 && at <= (double)size)) return false;
    if (at < 0) at = 0;
    *low = (int64_t)at;
    *high = *low + 1;
    if (*low >= size - 1) *high = *low = size - 1, at = (double)*low;
    *w = at - (double)*low;
    return true;
}

typedef struct region {
    double start[2], bin[2]; /* along height, width */
    int64_t grid[2];
} region;

static region region_of(const glia_kargs *k, int64_t r)
{
    const glia_tensor *rois = &k->in[1];
    const double scale = k->attr[ROI_SCALE].f, shift = k->attr[ROI_HALF].i ? 0.5 : 0;
    region g;
    for (int a = 0; a < 2; a++) {
        double begin = glia_get_f64(rois, r * 4 + 1 - a) * scale - shift,
               end = glia_get_f64(rois, r * 4 + 3 - a) * scale - shift, size = end - begin;
        if (!k->attr[ROI_HALF].i && size < 1) size = 1;
        g.start[a] = begin;
        g.bin[a] = size / (double)k->attr[a ? ROI_WIDTH : ROI_HEIGHT].i;
        double grid = k->attr[ROI_RATIO].i > 0 ? (double)k->attr[ROI_RATIO].i : ceil(g.bin[a]);
        g.grid[a] = grid > 0 ? grid < ROI_GRID_MAX ? (int64_t)grid : ROI_GRID_MAX : 0;
    }
    return g;
}

static double roi_bin(const glia_kargs *k, const region *g, int64_t plane, int64_t ph, int64_t pw)
{
    const glia_tensor *x = &k->in[0];
    const int64_t height = x->dims[2], width = x->dims[3];
    const bool most = k->attr[ROI_MOST].i != 0;
    double sum = 0, best = -INFINITY;
    for (int64_t iy = 0; iy < g->grid[0]; iy++)
        for (int64_t ix = 0; ix < g->grid[1]; ix++) {
            double y =
                g->start[0] + (double)ph * g->bin[0] + ((double)iy + 0.5) * g->bin[0] / (double)g->grid[0];
            double at =
                g->start[1] + (double)pw * g->bin[1] + ((double)ix + 0.5) * g->bin[1] / (double)g->grid[1];
            int64_t row[2], col[2];
            double wy, wx, term[4] = {0};
            if (around(y, height, &row[0], &row[1], &wy) && around(at, width, &col[0], &col[1], &wx))
                for (int i = 0; i < 4; i++)
                    term[i] = (i / 2 ? wy : 1 - wy) * (i % 2 ? wx : 1 - wx) *
                              glia_get_f64(x, plane * height * width + row[i / 2] * width + col[i % 2]);
            sum += (term[0] + term[1]) + (term[2] + term[3]);
            for (int i = 0; i < 4; i++) best = term[i] > best || term[i] != term[i] ? term[i] : best;
        }
    const int64_t count = g->grid[0] * g->grid[1];
    if (most) return count ? best : 0;
    return sum / (double)glia_max(count, 1);
}

static void roi_align_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    for (glia_box b = glia_box_rows(k, 4); b.more; glia_box_next(&b)) {
        const region g = region_of(k, b.index[0]);
        int64_t image = glia_get_i64(&k->in[2], b.index[0]);
        if (image < 0) image += x->dims[0];
        glia_set_f64(y, b.row, roi_bin(k, &g, image * x->dims[1] + b.index[1], b.index[2], b.index[3]));
    }
}

static void roi_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, 4);
    out->flops = 200 * e;
    out->bytes = 64 * e;
}

static void roi_sample(glia_sample *s)
{
    int64_t n = s->pick(s->ctx, 1, 2), r = s->pick(s->ctx, 1, 3);
    s->in[0] =
        (glia_type){GLIA_F32, 4, 0, {n, s->pick(s->ctx, 1, 3), s->pick(s->ctx, 2, 9), s->pick(s->ctx, 2, 9)}};
    s->in[1] = (glia_type){GLIA_F32, 2, 0, {r, 4}};
    s->in[2] = (glia_type){GLIA_I64, 1, 0, {r}};
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = 0, s->hi[1] = 12, s->lo[2] = 0, s->hi[2] = (double)(n - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("height", s->pick(s->ctx, 1, 3));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("width", s->pick(s->ctx, 1, 3));
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("scale", 0.75);
}

static void roi_align_sample(glia_sample *s)
{
    s->in_count = 3;
    roi_sample(s);
    s->attrs[3] = (glia_attr_arg)GLIA_INT("ratio", s->pick(s->ctx, 0, 2));
    s->attrs[4] = (glia_attr_arg)GLIA_INT("half", s->pick(s->ctx, 0, 1));
    s->attrs[5] = (glia_attr_arg)GLIA_INT("most", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_roi_align = {
    .name = "roi_align",
    .signature = "x: F[n, c, h, w], rois: F[r, 4], image: I[r] -> y: F[r, c, #height, #width]",
    .attrs = roi_attrs,
    .infer = roi_infer,
    .no_grad = "the gradient of regions is not built yet",
    .cost = roi_cost,
    .reference = roi_align_reference,
    .sample = roi_align_sample,
};

/* ---- max_roi_pool: the greatest element of each bin of regions [image, x1, y1, x2, y2] in whole pixels ---- */

static const glia_attr_spec roi_pool_attrs[] = {{"height", GLIA_ATTR_INT, true, 0},
                                                {"width", GLIA_ATTR_INT, true, 0},
                                                {"scale", GLIA_ATTR_FLOAT, false, 1},
                                                {0}};

/* A corner in whole pixels of the image: scaled in the tensor's own precision, halves away from zero. */
static double nearest_pixel(const glia_kargs *k, int64_t at)
{
    const double scale = k->attr[ROI_SCALE].f;
    double v = glia_get_f64(&k->in[1], at) * scale;
    if (k->in[1].dtype != GLIA_F64) v = (double)(glia_get_f32(&k->in[1], at) * (float)scale);
    return v < 0 ? ceil(v - 0.5) : floor(v + 0.5);
}

/* Rows (or columns) of bin p. */
static void pixels_of(const glia_kargs *k, int64_t r, int axis, int64_t p, int64_t *low, int64_t *high)
{
    const double bins = (double)k->attr[axis ? ROI_WIDTH : ROI_HEIGHT].i;
    const double begin = nearest_pixel(k, r * 5 + 2 - axis), end = nearest_pixel(k, r * 5 + 4 - axis);
    const double bin = fmax(end - begin + 1, 1) / bins, size = (double)k->in[0].dims[2 + axis];
    const double first = floor((double)p * bin) + begin, last = ceil((double)(p + 1) * bin) + begin;
    *low = (int64_t)fmin(fmax(first, 0), size);
    *high = (int64_t)fmin(fmax(last, 0), size);
}

static void max_roi_pool_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int64_t height = x->dims[2], width = x->dims[3];
    for (glia_box b = glia_box_rows(k, 4); b.more; glia_box_next(&b)) {
        const double image = glia_get_f64(&k->in[1], b.index[0] * 5);
        int64_t row[2], col[2];
        double best = 0;
        bool any = false;
        pixels_of(k, b.index[0], 0, b.index[2], &row[0], &row[1]);
        pixels_of(k, b.index[0], 1, b.index[3], &col[0], &col[1]);
        const bool here = image >= 0 && image < (double)x->dims[0];
        for (int64_t i = row[0]; here && i < row[1]; i++)
            for (int64_t j = col[0]; j < col[1]; j++) {
                const double v =
                    glia_get_f64(x, (((int64_t)image * x->dims[1] + b.index[1]) * height + i) * width + j);
                if (!any || v > best || v != v) best = v;
                any = true;
            }
        glia_set_f64(y, b.row, best);
    }
}

static void max_roi_pool_sample(glia_sample *s)
{
    s->in_count = 2;
    roi_sample(s);
    s->in[1].dims[1] = 5;
    s->hi[1] = 6;
}

const glia_op glia_op_max_roi_pool = {
    .name = "max_roi_pool",
    .signature = "x: F[n, c, h, w], rois: F[r, 5] -> y: F[r, c, #height, #width]",
    .attrs = roi_pool_attrs,
    .infer = roi_infer,
    .no_grad = "the gradient of regions is not built yet",
    .cost = roi_cost,
    .reference = max_roi_pool_reference,
    .sample = max_roi_pool_sample,
};
