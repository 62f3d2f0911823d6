/* Pools over one to three spatial axes of [n, c, spatial..], and what goes back from them:
 *
 *     max_pool       the greatest element of a window (the first NaN, else the first of equals), and where it lies
 *     avg_pool       the sum of a window's elements, ascending, divided by their number
 *     lp_pool        (sum of |x|^p)^(1/p)
 *     max_unpool     elements put, or added, to the places that max_pool gave
 *     avg_pool_grad  the gradient of avg_pool
 *
 * What lies in the padding is no element; avg_pool may count it. Refuses windows that do not fit (G0180). */
#include <math.h>

#include "base/fmath.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/window.h"

enum { STRIDES, DILATIONS, PADS, KERNEL, CEIL, OPTION, SIZES };

#define WINDOW_ATTRS                                                                                         \
    {"strides", GLIA_ATTR_INTS, false, 0}, {"dilations", GLIA_ATTR_INTS, false, 0},                          \
        {"pads", GLIA_ATTR_INTS, false, 0}, {"kernel", GLIA_ATTR_INTS, true, 0},                             \
    {                                                                                                        \
        "ceil", GLIA_ATTR_INT, false, 0                                                                      \
    }

/* indices: 1 gives a second output, the flat index into x; 2 counts the spatial axes of it column by column */
static const glia_attr_spec max_attrs[] = {WINDOW_ATTRS, {"indices", GLIA_ATTR_INT, false, 0}, {0}};
static const glia_attr_spec avg_attrs[] = {WINDOW_ATTRS, {"count_include_pad", GLIA_ATTR_INT, false, 0}, {0}};
static const glia_attr_spec lp_attrs[] = {WINDOW_ATTRS, {"p", GLIA_ATTR_FLOAT, false, 2}, {0}};
static const glia_attr_spec grad_attrs[] = {
    WINDOW_ATTRS, {"count_include_pad", GLIA_ATTR_INT, false, 0}, {"dims", GLIA_ATTR_INTS, true, 0}, {0}};

static glia_window window_of(const glia_kargs *k, const glia_tensor *x, const glia_tensor *y)
{
    return glia_window_of(x, y, k->attr[KERNEL].ints, &k->attr[STRIDES], &k->attr[DILATIONS], &k->attr[PADS]);
}

/* ---- types */

static bool pool_infer(glia_infer *x)
{
    const glia_type *in = &x->in[0];
    if (x->in_count < 1 || in->dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`%s` needs an input", x->op->name);
    const uint32_t classes =
        x->op == &glia_op_max_pool ? GLIA_CLASS_FLOAT | GLIA_CLASS_INT : GLIA_CLASS_FLOAT;
    if (in->layout || !glia_is_class(in->dtype, classes))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0180", "`%s` does not take %s", x->op->name,
                               glia_dtype_name(in->dtype));
    const int rank = in->rank - 2;
    if (x->attr[KERNEL].i != rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`%s`: a kernel of %lld axes for an input of rank %d",
                               x->op->name, (long long)x->attr[KERNEL].i, in->rank);
    if (!glia_window_check(x, STRIDES, rank, x->attr[KERNEL].ints)) return false;
    x->out_count = 1;
    x->out[0] = *in;
    for (int a = 0; a < rank; a++)
        if (!glia_window_out(x, STRIDES, a, in->dims[2 + a], x->attr[KERNEL].ints[a], x->attr[CEIL].i != 0,
                             &x->out[0].dims[2 + a]))
            return false;
    if (x->op != &glia_op_max_pool || !x->attr[OPTION].i) return true;
    x->out_count = 2;
    x->out[1] = x->out[0];
    x->out[1].dtype = GLIA_I64;
    return true;
}

static bool pool_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    const int rank = glia_graph_value(g, n->out[0])->type.rank;
    for (int a = 0; a < 3 && a < rank; a++) out->split[a] = true;
    for (int a = 0; a < 2; a++) out->in[0].axis[a] = (glia_axis_region){GLIA_AXIS_SAME, a, 1, 1};
    for (int a = 0; a < rank; a++) out->out[1].axis[a] = (glia_axis_region){GLIA_AXIS_SAME, a, 1, 1};
    return true;
}

static void pool_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank), taps = 1;
    for (int64_t a = 0; a < k->attr[KERNEL].i; a++) taps *= (double)k->attr[KERNEL].ints[a];
    out->flops = 2 * e * taps;
    out->bytes = 4 * (e + (double)glia_tensor_elements(&k->in[0]));
}

/* A padded plane for the CPU's kernels, as for depthwise convolutions. */
static int64_t pool_scratch(const glia_kargs *k)
{
    const glia_window g = window_of(k, &k->in[0], &k->out[0]);
    int64_t count = 1, bytes;
    for (int a = 0; a < GLIA_SPATIAL; a++) {
        int64_t size = g.out[a] * g.stride[a] + (g.kernel[a] - 1) * g.dilation[a];
        if (a == 2) size += 32 * g.stride[a];
        if (!glia_mul(count, size, &count)) return -1;
    }
    return glia_mul(count, 4, &bytes) ? bytes : -1;
}

static void pool_sample(glia_sample *s)
{
    const int rank = (int)s->pick(s->ctx, 1, 3);
    int64_t *i = s->ints, size[GLIA_SPATIAL];
    for (int a = 0; a < rank; a++) {
        i[9 + a] = s->pick(s->ctx, 1, 3);
        i[a] = s->pick(s->ctx, 1, 3);
        i[3 + a] = s->pick(s->ctx, 1, 2);
        for (int e = 0; e < 2; e++) i[12 + e * rank + a] = s->pick(s->ctx, 0, i[9 + a] - 1);
        size[a] = (i[9 + a] - 1) * i[3 + a] + 1 + s->pick(s->ctx, 0, 5);
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("strides", i, rank);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dilations", i + 3, rank);
    s->attrs[2] = (glia_attr_arg)GLIA_INTS("pads", i + 12, 2 * rank);
    s->attrs[3] = (glia_attr_arg)GLIA_INTS("kernel", i + 9, rank);
    s->attrs[4] = (glia_attr_arg)GLIA_INT("ceil", s->pick(s->ctx, 0, 1));
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, (int16_t)(rank + 2), 0, {s->pick(s->ctx, 1, 2), s->pick(s->ctx, 1, 3)}};
    memcpy(s->in[0].dims + 2, size, sizeof *size * (size_t)rank);
    s->lo[0] = -1, s->hi[0] = 1;
}

/* The attributes that all of a family share, up to `count`; `names` from the op's own table. */
static int copied(const glia_node *n, int count, glia_attr_arg *to)
{
    for (int i = 0; i < count; i++) {
        const glia_attr_spec *a = &n->op->attrs[i];
        to[i] = (glia_attr_arg){a->name,      a->kind,         n->attr[i].i,
                                n->attr[i].f, n->attr[i].ints, a->kind == GLIA_ATTR_INTS ? n->attr[i].i : 0};
    }
    to[count] = (glia_attr_arg){0};
    return count;
}

/* ---- max_pool */

static int64_t place_of(const glia_window *g, int64_t at, bool by_columns)
{
    if (!by_columns) return at;
    const int64_t x = at % g->in[2], y = at / g->in[2] % g->in[1], z = at / g->in[2] / g->in[1];
    return (x * g->in[1] + y) * g->in[0] + z;
}

static void max_pool_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_window g = window_of(k, x, y);
    const bool floats = glia_is_float(y->dtype);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL], best = -1;
        glia_window_index(&g, b.index, o);
        const int64_t plane = (b.index[0] * x->dims[1] + b.index[1]) * g.in_plane;
        for (glia_taps t = glia_taps_begin(&g, o); glia_taps_more(&t); glia_taps_next(&t)) {
            if (t.at < 0) continue;
            if (best < 0) best = t.at;
            else if (floats) {
                const double v = glia_get_f64(x, plane + t.at), top = glia_get_f64(x, plane + best);
                if (v > top || (v != v && top == top)) best = t.at;
            } else if (glia_get_i64(x, plane + t.at) > glia_get_i64(x, plane + best)) best = t.at;
        }
        if (floats) glia_set_f64(y, b.row, best < 0 ? -INFINITY : glia_get_f64(x, plane + best));
        else glia_set_i64(y, b.row, best < 0 ? 0 : glia_get_i64(x, plane + best));
        if (k->out_count > 1)
            glia_set_i64(&k->out[1], b.row,
                         best < 0 ? plane : plane + place_of(&g, best, k->attr[OPTION].i == 2));
    }
}

static void max_pool_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type x = *glia_build_type(g, n->in[0]);
    glia_attr_arg attrs[8];
    int count = copied(n, 5, attrs);
    attrs[count++] = (glia_attr_arg)GLIA_INT("indices", 1);
    attrs[count] = (glia_attr_arg){0};
    const glia_value again = glia_build_attr(g, "max_pool", attrs, 1, n->in[0]);
    glia_attr_arg back[] = {GLIA_INTS("dims", x.dims, x.rank), GLIA_INT("add", 1), {0}};
    din[0] = glia_build_attr(g, "max_unpool", back, 2, dout[0], glia_graph_output_of(g, again, 1));
}

const glia_op glia_op_max_pool = {
    .name = "max_pool",
    .attrs = max_attrs,
    .infer = pool_infer,
    .grad = max_pool_grad,
    .cost = pool_cost,
    .scratch = pool_scratch,
    .reference = max_pool_reference,
    .regions = pool_regions,
    .sample = pool_sample,
};

/* ---- max_unpool */

static const glia_attr_spec unpool_attrs[] = {
    {"dims", GLIA_ATTR_INTS, true, 0}, {"add", GLIA_ATTR_INT, false, 0}, {0}};

static bool inside(const glia_kargs *k, int64_t at)
{
    const glia_tensor *y = &k->out[0];
    for (int a = y->rank - 1; a >= 0; a--) {
        const int64_t i = at % y->dims[a];
        if (i < k->begin[a] || i >= k->end[a]) return false;
        at /= y->dims[a];
    }
    return at == 0;
}

/* Ascending over x: the last to a place stays, or all are added. Places outside of y are left out. */
static void max_unpool_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *places = &k->in[1], *y = &k->out[0];
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) glia_set_f64(y, b.row, 0.0);
    const int64_t count = glia_tensor_elements(x);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = glia_get_i64(places, i);
        if (at < 0 || !inside(k, at)) continue;
        const double v = glia_get_f64(x, i);
        if (!k->attr[1].i) glia_set_f64(y, at, v);
        else if (y->dtype == GLIA_F64) glia_set_f64(y, at, glia_get_f64(y, at) + v);
        else glia_set_f32(y, at, glia_get_f32(y, at) + (float)v);
    }
}

static bool max_unpool_infer(glia_infer *x)
{
    const glia_attr *dims = &x->attr[0];
    if (x->in_count != 2 || x->in[0].rank != x->in[1].rank || !glia_is_float(x->in[0].dtype) ||
        x->in[1].dtype != GLIA_I64 || x->in[0].layout || dims->i < 1 || dims->i > GLIA_RANK_MAX)
        return glia_infer_fail(
            x, GLIA_E_ARG, "G0182",
            "`max_unpool` takes floats, i64 places of the same shape, and the sizes of the result");
    for (int a = 0; a < x->in[0].rank; a++)
        if (!glia_infer_equal(x, x->in[0].dims[a], x->in[1].dims[a], "the places")) return false;
    x->out_count = 1;
    x->out[0] = (glia_type){x->in[0].dtype, (int16_t)dims->i, 0, {0}};
    memcpy(x->out[0].dims, dims->ints, sizeof(int64_t) * (size_t)dims->i);
    return true;
}

static void max_unpool_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type y = *glia_build_type(g, dout[0]);
    glia_dim all = 1;
    if (!n->attr[1].i) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0130", "`max_unpool` is differentiated where it adds");
        return;
    }
    for (int a = 0; a < y.rank; a++) all = glia_dim_mul(g, all, y.dims[a]);
    din[0] = glia_build_call(g, "gather", 2, glia_build_reshape(g, dout[0], &all, 1), n->in[1]);
}

static void max_unpool_sample(glia_sample *s)
{
    s->ints[0] = s->pick(s->ctx, 1, 2), s->ints[1] = s->pick(s->ctx, 1, 3),
    s->ints[2] = s->pick(s->ctx, 1, 9);
    const glia_type t = {GLIA_F32, 3, 0, {s->ints[0], s->ints[1], s->pick(s->ctx, 1, 5)}};
    s->in_count = 2;
    s->in[0] = s->in[1] = t;
    s->in[1].dtype = GLIA_I64;
    s->lo[0] = -1, s->hi[0] = 1;
    s->lo[1] = 0, s->hi[1] = (double)(s->ints[0] * s->ints[1] * s->ints[2] - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("dims", s->ints, 3);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("add", 1);
}

const glia_op glia_op_max_unpool = {
    .name = "max_unpool",
    .attrs = unpool_attrs,
    .infer = max_unpool_infer,
    .grad = max_unpool_grad,
    .reference = max_unpool_reference,
    .sample = max_unpool_sample,
};

/* ---- avg_pool */

/* Elements of a window along one axis, those in the padding too where they count. */
static int64_t elements_of(const glia_window *g, int axis, int64_t o, int64_t after, bool padding)
{
    const int64_t start = glia_window_start(g, axis, o), low = padding ? -g->pad[axis] : 0,
                  high = g->in[axis] + (padding ? after : 0);
    int64_t n = 0;
    for (int64_t t = 0; t < g->kernel[axis]; t++) {
        const int64_t i = start + t * g->dilation[axis];
        n += i >= low && i < high;
    }
    return n;
}

/* The padding behind axis a of three. */
static int64_t after_of(const glia_window *g, const glia_attr *pads, int a)
{
    const int i = a - (GLIA_SPATIAL - g->rank);
    return i < 0 ? 0 : glia_window_int(pads, g->rank + i, 0);
}

static int64_t divisor_of(const glia_kargs *k, const glia_window *g, const int64_t *o)
{
    int64_t n = 1;
    for (int a = 0; a < GLIA_SPATIAL; a++)
        n *= elements_of(g, a, o[a], after_of(g, &k->attr[PADS], a), k->attr[OPTION].i != 0);
    return n;
}

static void avg_pool_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_window g = window_of(k, x, y);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL];
        float narrow = 0.0f;
        double wide = 0.0;
        glia_window_index(&g, b.index, o);
        const int64_t plane = (b.index[0] * x->dims[1] + b.index[1]) * g.in_plane, n = divisor_of(k, &g, o);
        for (glia_taps t = glia_taps_begin(&g, o); glia_taps_more(&t); glia_taps_next(&t)) {
            if (t.at < 0) continue;
            if (y->dtype == GLIA_F64) wide += glia_get_f64(x, plane + t.at);
            else narrow += glia_get_f32(x, plane + t.at);
        }
        if (y->dtype == GLIA_F64) glia_set_f64(y, b.row, wide / (double)n);
        else glia_set_f32(y, b.row, narrow / (float)n);
    }
}

static void avg_pool_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type x = *glia_build_type(g, n->in[0]);
    glia_attr_arg attrs[9];
    int count = copied(n, 6, attrs);
    attrs[count++] = (glia_attr_arg)GLIA_INTS("dims", x.dims + 2, x.rank - 2);
    attrs[count] = (glia_attr_arg){0};
    din[0] = glia_build_attr(g, "avg_pool_grad", attrs, 1, dout[0]);
}

static void avg_pool_sample(glia_sample *s)
{
    pool_sample(s);
    s->attrs[5] = (glia_attr_arg)GLIA_INT("count_include_pad", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_avg_pool = {
    .name = "avg_pool",
    .attrs = avg_attrs,
    .infer = pool_infer,
    .grad = avg_pool_grad,
    .cost = pool_cost,
    .scratch = pool_scratch,
    .reference = avg_pool_reference,
    .regions = pool_regions,
    .sample = avg_pool_sample,
};

/* ---- avg_pool_grad: dx[i] = chain over taps, ascending, of dy[o] / divisor[o] where window o meets i by that tap */

static void avg_pool_grad_reference(const glia_kargs *k)
{
    const glia_tensor *dy = &k->in[0], *dx = &k->out[0];
    const glia_window g = window_of(k, dx, dy);
    for (glia_box b = glia_box_rows(k, dx->rank); b.more; glia_box_next(&b)) {
        int64_t i[GLIA_SPATIAL], o[GLIA_SPATIAL];
        float narrow = 0.0f;
        double wide = 0.0;
        glia_window_index(&g, b.index, i);
        const int64_t plane = (b.index[0] * dx->dims[1] + b.index[1]) * g.out_plane;
        for (int64_t t = 0; t < g.taps; t++) {
            int64_t left = t, at = 0;
            bool meets = true;
            for (int a = GLIA_SPATIAL - 1; a >= 0; a--) {
                o[a] = i[a] + g.pad[a] - left % g.kernel[a] * g.dilation[a];
                left /= g.kernel[a];
                meets = meets && o[a] >= 0 && o[a] % g.stride[a] == 0 && o[a] / g.stride[a] < g.out[a];
                o[a] /= g.stride[a];
            }
            if (!meets) continue;
            for (int a = 0; a < GLIA_SPATIAL; a++) at = at * g.out[a] + o[a];
            const int64_t n = divisor_of(k, &g, o);
            if (dx->dtype == GLIA_F64) wide += glia_get_f64(dy, plane + at) / (double)n;
            else narrow += glia_get_f32(dy, plane + at) / (float)n;
        }
        if (dx->dtype == GLIA_F64) glia_set_f64(dx, b.row, wide);
        else glia_set_f32(dx, b.row, narrow);
    }
}

static bool avg_pool_grad_infer(glia_infer *x)
{
    const glia_attr *dims = &x->attr[SIZES], *kernel = &x->attr[KERNEL];
    const int rank = x->in[0].rank - 2;
    if (x->in_count != 1 || !glia_is_float(x->in[0].dtype) || x->in[0].layout || dims->i != rank ||
        kernel->i != rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180",
                               "`avg_pool_grad` takes floats, a kernel and the input's sizes");
    if (!glia_window_check(x, STRIDES, rank, kernel->ints)) return false;
    x->out_count = 1;
    x->out[0] = x->in[0];
    for (int a = 0; a < rank; a++) {
        glia_dim want;
        x->out[0].dims[2 + a] = dims->ints[a];
        if (!glia_window_out(x, STRIDES, a, dims->ints[a], kernel->ints[a], x->attr[CEIL].i != 0, &want) ||
            !glia_infer_equal(x, want, x->in[0].dims[2 + a], "the output"))
            return false;
    }
    return true;
}

static void avg_pool_grad_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[8];
    copied(n, 6, attrs);
    din[0] = glia_build_attr(g, "avg_pool", attrs, 1, dout[0]);
}

static void avg_pool_grad_sample(glia_sample *s)
{
    avg_pool_sample(s);
    glia_type *t = &s->in[0];
    const int rank = t->rank - 2;
    for (int a = 0; a < rank; a++) {
        const int64_t *i = s->ints + a, size = t->dims[2 + a];
        const int64_t left = size + i[12] + s->ints[12 + rank + a] - (i[9] - 1) * i[3] - 1;
        s->ints[20 + a] = size;
        t->dims[2 + a] = left / i[0] + 1;
        if (s->attrs[4].i && left % i[0] && t->dims[2 + a] * i[0] < size + i[12]) t->dims[2 + a]++;
    }
    s->attrs[6] = (glia_attr_arg)GLIA_INTS("dims", s->ints + 20, rank);
}

const glia_op glia_op_avg_pool_grad = {
    .name = "avg_pool_grad",
    .attrs = grad_attrs,
    .infer = avg_pool_grad_infer,
    .grad = avg_pool_grad_grad,
    .reference = avg_pool_grad_reference,
    .regions = pool_regions,
    .sample = avg_pool_grad_sample,
};

/* ---- lp_pool */

static float power_f32(float x, float p) { return p == 1.0f ? x : p == 2.0f ? x * x : glia_powf(x, p); }
static double power_f64(double x, double p) { return p == 1.0 ? x : p == 2.0 ? x * x : glia_pow(x, p); }

static void lp_pool_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_window g = window_of(k, x, y);
    const double p = k->attr[OPTION].f;
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t o[GLIA_SPATIAL];
        float narrow = 0.0f;
        double wide = 0.0;
        glia_window_index(&g, b.index, o);
        const int64_t plane = (b.index[0] * x->dims[1] + b.index[1]) * g.in_plane;
        for (glia_taps t = glia_taps_begin(&g, o); glia_taps_more(&t); glia_taps_next(&t)) {
            if (t.at < 0) continue;
            if (y->dtype == GLIA_F64) wide += power_f64(fabs(glia_get_f64(x, plane + t.at)), p);
            else narrow += power_f32(fabsf(glia_get_f32(x, plane + t.at)), (float)p);
        }
        if (y->dtype == GLIA_F64)
            glia_set_f64(y, b.row, p == 2.0 ? sqrt(wide) : p == 1.0 ? wide : glia_pow(wide, 1 / p));
        else
            glia_set_f32(y, b.row,
                         p == 2.0   ? sqrtf(narrow)
                         : p == 1.0 ? narrow
                                    : glia_powf(narrow, (float)(1 / p)));
    }
}

static bool lp_pool_infer(glia_infer *x)
{
    if (!(x->attr[OPTION].f > 0))
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`lp_pool`: a norm of order %g", x->attr[OPTION].f);
    return pool_infer(x);
}

static void lp_pool_sample(glia_sample *s)
{
    static const double orders[] = {1, 2, 3, 2.5};
    pool_sample(s);
    s->attrs[5] = (glia_attr_arg)GLIA_FLOAT("p", orders[s->pick(s->ctx, 0, 3)]);
}

const glia_op glia_op_lp_pool = {
    .name = "lp_pool",
    .attrs = lp_attrs,
    .infer = lp_pool_infer,
    .no_grad = "models with this pool are run here, not trained",
    .cost = pool_cost,
    .reference = lp_pool_reference,
    .regions = pool_regions,
    .sample = lp_pool_sample,
};
