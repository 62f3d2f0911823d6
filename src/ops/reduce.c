/* Reductions over any set of axes. `axes` lists them (negative: from the end; none: all); keepdims leaves
 * size one in their place.
 *
 * Order: the reduced elements of one output run in row-major order of the reduced axes, in 16 lanes per
 * segment of 4096 (sum.h). max and min give NaN if an element is NaN, and of equal elements the first; so do
 * argmax and argmin, where NaN counts as the extreme. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "ops/sum.h"

static const glia_attr_spec reduce_attrs[] = {
    {"axes", GLIA_ATTR_INTS, false, 0}, {"keepdims", GLIA_ATTR_INT, false, 0}, {0}};

/* The set of reduced axes as bits; false for an axis out of range or given twice. */
static bool axis_set(const glia_attr *a, int rank, uint32_t *set)
{
    *set = a->i ? 0 : (1u << rank) - 1;
    for (int64_t i = 0; i < a->i; i++) {
        int64_t axis = a->ints[i] < 0 ? a->ints[i] + rank : a->ints[i];
        if (axis < 0 || axis >= rank || (*set & (1u << axis))) return false;
        *set |= 1u << axis;
    }
    return true;
}

static bool reduce_infer(glia_infer *x)
{
    uint32_t set;
    const glia_type *in = &x->in[0];
    if (x->in_count < 1 || in->dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`%s`: the input is missing", x->op->name);
    if (!glia_is_class(in->dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0166", "`%s` takes floats or integers, not %s", x->op->name,
                               glia_dtype_name(in->dtype));
    if (!axis_set(&x->attr[0], in->rank, &set))
        return glia_infer_fail(x, GLIA_E_ARG, "G0161",
                               "`%s`: an axis is out of range or given twice; the tensor has rank %d",
                               x->op->name, in->rank);
    x->out_count = 1;
    x->out[0] = (glia_type){in->dtype, 0, 0, {0}};
    for (int a = 0; a < in->rank; a++) {
        if (!(set & (1u << a))) x->out[0].dims[x->out[0].rank++] = in->dims[a];
        else if (x->attr[1].i) x->out[0].dims[x->out[0].rank++] = 1;
    }
    return glia_infer_plain(x);
}

static bool float_reduce_infer(glia_infer *x)
{
    if (x->in_count >= 1 && !glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0166", "`%s` takes floats, not %s", x->op->name,
                               glia_dtype_name(x->in[0].dtype));
    return reduce_infer(x);
}

static bool arg_infer(glia_infer *x)
{
    if (!reduce_infer(x)) return false;
    x->out[0].dtype = GLIA_I64;
    return true;
}

/* Where the elements of one output lie: an odometer over the reduced axes. */
typedef struct walk {
    const glia_tensor *x;
    int axes;
    int64_t count;                                      /* elements per output */
    int64_t dims[GLIA_RANK_MAX], stride[GLIA_RANK_MAX]; /* of the reduced axes, outermost first */
    int kept;
    int64_t kept_stride[GLIA_RANK_MAX]; /* of the output's axes; 0 for those kept at size one */
} walk;

static walk walk_make(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0];
    walk w = {x, 0, 1, {0}, {0}, 0, {0}};
    uint32_t set = 0;
    int64_t stride[GLIA_RANK_MAX], step = 1;
    axis_set(&k->attr[0], x->rank, &set);
    for (int a = x->rank - 1; a >= 0; a--) {
        stride[a] = step;
        step *= x->dims[a];
    }
    for (int a = 0; a < x->rank; a++) {
        if (set & (1u << a)) {
            w.count *= x->dims[a];
            w.dims[w.axes] = x->dims[a];
            w.stride[w.axes++] = stride[a];
            if (k->attr[1].i) w.kept_stride[w.kept++] = 0;
        } else {
            w.kept_stride[w.kept++] = stride[a];
        }
    }
    return w;
}

/* Offset in x of reduced element i, in row-major order. */
static int64_t walk_offset(const walk *w, int64_t i)
{
    int64_t at = 0;
    for (int a = w->axes - 1; a >= 0; a--) {
        at += i % w->dims[a] * w->stride[a];
        i /= w->dims[a];
    }
    return at;
}

/* What one output is of its elements. One of the forms is taken, by the input's dtype. */
typedef struct reducer {
    float (*f32)(const walk *w, int64_t base);
    double (*f64)(const walk *w, int64_t base);
    int64_t (*i64)(const walk *w, int64_t base);
} reducer;

static void reduce(const glia_kargs *k, const reducer *r)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    walk w = walk_make(k);
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        int64_t base = 0;
        for (int a = 0; a < y->rank; a++) base += b.index[a] * w.kept_stride[a];
        if (!glia_is_float(y->dtype)) glia_set_i64(y, b.row, r->i64(&w, base));
        else if (x->dtype == GLIA_F64) glia_set_f64(y, b.row, r->f64(&w, base));
        else glia_set_f32(y, b.row, r->f32(&w, base));
    }
}

/* ---- the reducers ---- */

static float at_f32(const walk *w, int64_t base, int64_t i)
{
    return glia_get_f32(w->x, base + walk_offset(w, i));
}
static double at_f64(const walk *w, int64_t base, int64_t i)
{
    return glia_get_f64(w->x, base + walk_offset(w, i));
}
static int64_t at_i64(const walk *w, int64_t base, int64_t i)
{
    return glia_get_i64(w->x, base + walk_offset(w, i));
}

static float sum_f32(const walk *w, int64_t base)
{
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) glia_lanes_add_f32(&l, at_f32(w, base, i), 1.0f);
    return glia_lanes_done_f32(&l);
}
static double sum_f64(const walk *w, int64_t base)
{
    glia_lanes_f64 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) glia_lanes_add_f64(&l, at_f64(w, base, i), 1.0);
    return glia_lanes_done_f64(&l);
}
static int64_t sum_i64(const walk *w, int64_t base)
{
    uint64_t s = 0;
    for (int64_t i = 0; i < w->count; i++) s += (uint64_t)at_i64(w, base, i);
    return (int64_t)s;
}
static float mean_f32(const walk *w, int64_t base) { return sum_f32(w, base) / (float)w->count; }
static double mean_f64(const walk *w, int64_t base) { return sum_f64(w, base) / (double)w->count; }
static float squares_f32(const walk *w, int64_t base)
{
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) {
        float v = at_f32(w, base, i);
        glia_lanes_add_f32(&l, v, v);
    }
    return glia_lanes_done_f32(&l);
}
static double squares_f64(const walk *w, int64_t base)
{
    glia_lanes_f64 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) {
        double v = at_f64(w, base, i);
        glia_lanes_add_f64(&l, v, v);
    }
    return glia_lanes_done_f64(&l);
}
/* A product is one ascending chain. */
static float prod_f32(const walk *w, int64_t base)
{
    float p = 1.0f;
    for (int64_t i = 0; i < w->count; i++) p *= at_f32(w, base, i);
    return p;
}
static double prod_f64(const walk *w, int64_t base)
{
    double p = 1.0;
    for (int64_t i = 0; i < w->count; i++) p *= at_f64(w, base, i);
    return p;
}
static int64_t prod_i64(const walk *w, int64_t base)
{
    uint64_t p = 1;
    for (int64_t i = 0; i < w->count; i++) p *= (uint64_t)at_i64(w, base, i);
    return (int64_t)p;
}

/* Index of the extreme: the first NaN, else the first of the greatest (least). Of no elements: -1. */
static int64_t extreme(const walk *w, int64_t base, bool greatest)
{
    int64_t best = -1;
    if (glia_is_float(w->x->dtype)) {
        double top = 0;
        for (int64_t i = 0; i < w->count; i++) {
            double v = at_f64(w, base, i);
            if (v != v) return i;
            if (best < 0 || (greatest ? v > top : v < top)) best = i, top = v;
        }
        return best;
    }
    int64_t top = 0;
    bool wide = w->x->dtype == GLIA_U64;
    for (int64_t i = 0; i < w->count; i++) {
        int64_t v = at_i64(w, base, i);
        bool above = wide ? (uint64_t)v > (uint64_t)top : v > top,
             below = wide ? (uint64_t)v < (uint64_t)top : v < top;
        if (best < 0 || (greatest ? above : below)) best = i, top = v;
    }
    return best;
}
/* The maximum of no elements is -inf (integers: 0). */
static double extreme_value(const walk *w, int64_t base, bool greatest)
{
    int64_t i = extreme(w, base, greatest);
    return i < 0 ? greatest ? -INFINITY : INFINITY : at_f64(w, base, i);
}
static float max_f32(const walk *w, int64_t base) { return (float)extreme_value(w, base, true); }
static double max_f64(const walk *w, int64_t base) { return extreme_value(w, base, true); }
static float min_f32(const walk *w, int64_t base) { return (float)extreme_value(w, base, false); }
static double min_f64(const walk *w, int64_t base) { return extreme_value(w, base, false); }
static int64_t argmax_i64(const walk *w, int64_t base) { return extreme(w, base, true); }
static int64_t argmin_i64(const walk *w, int64_t base) { return extreme(w, base, false); }
static int64_t max_i64(const walk *w, int64_t base)
{
    int64_t i = extreme(w, base, true);
    return i < 0 ? 0 : at_i64(w, base, i);
}
static int64_t min_i64(const walk *w, int64_t base)
{
    int64_t i = extreme(w, base, false);
    return i < 0 ? 0 : at_i64(w, base, i);
}

/* m + log(sum exp(x - m)) with m = max x; an infinite m is the result itself. */
static float lse_f32(const walk *w, int64_t base)
{
    float m = max_f32(w, base);
    if (!(fabsf(m) <= 0x1.fffffep127f)) return m;
    glia_lanes_f32 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) glia_lanes_add_f32(&l, glia_expf(at_f32(w, base, i) - m), 1.0f);
    return m + glia_logf(glia_lanes_done_f32(&l));
}
static double lse_f64(const walk *w, int64_t base)
{
    double m = max_f64(w, base);
    if (!(fabs(m) <= 0x1.fffffffffffffp1023)) return m;
    glia_lanes_f64 l = {.at = 0};
    for (int64_t i = 0; i < w->count; i++) glia_lanes_add_f64(&l, glia_exp(at_f64(w, base, i) - m), 1.0);
    return m + glia_log(glia_lanes_done_f64(&l));
}

static void sum_reference(const glia_kargs *k) { reduce(k, &(const reducer){sum_f32, sum_f64, sum_i64}); }
static void mean_reference(const glia_kargs *k) { reduce(k, &(const reducer){mean_f32, mean_f64, NULL}); }
static void sum_squares_reference(const glia_kargs *k)
{
    reduce(k, &(const reducer){squares_f32, squares_f64, NULL});
}
static void prod_reference(const glia_kargs *k) { reduce(k, &(const reducer){prod_f32, prod_f64, prod_i64}); }
static void reduce_max_reference(const glia_kargs *k)
{
    reduce(k, &(const reducer){max_f32, max_f64, max_i64});
}
static void reduce_min_reference(const glia_kargs *k)
{
    reduce(k, &(const reducer){min_f32, min_f64, min_i64});
}
static void argmax_reference(const glia_kargs *k) { reduce(k, &(const reducer){NULL, NULL, argmax_i64}); }
static void argmin_reference(const glia_kargs *k) { reduce(k, &(const reducer){NULL, NULL, argmin_i64}); }
static void log_sum_exp_reference(const glia_kargs *k)
{
    reduce(k, &(const reducer){lse_f32, lse_f64, NULL});
}

static void reduce_cost(const glia_kargs *k, glia_cost *out)
{
    double of =
        (double)glia_tensor_elements(&k->in[0]) / (double)glia_max(glia_tensor_elements(&k->out[0]), 1);
    double e = of * (double)glia_box_count(k, k->out[0].rank);
    out->flops = e;
    out->bytes = e * glia_dtype_get(k->in[0].dtype)->block_bytes;
}

/* ---- gradients ---- */

/* v (a reduction's output or its gradient) with size one back in place of the reduced axes. */
static glia_value with_axes(glia_graph *g, const glia_node *n, glia_value v)
{
    const glia_type in = *glia_build_type(g, n->in[0]);
    uint32_t set = 0;
    glia_dim dims[GLIA_RANK_MAX];
    axis_set(&n->attr[0], in.rank, &set);
    for (int a = 0; a < in.rank; a++) dims[a] = set & (1u << a) ? 1 : in.dims[a];
    return glia_build_reshape(g, v, dims, in.rank);
}

static glia_value spread(glia_graph *g, const glia_node *n, glia_value v)
{
    const glia_type in = *glia_build_type(g, n->in[0]);
    return glia_build_expand(g, with_axes(g, n, v), in.dims, in.rank);
}

static void sum_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = spread(g, n, dout[0]);
}

/* dy / count; a symbolic count is itself taken as a sum of ones, since only dims know it. */
static void mean_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type in = *glia_build_type(g, n->in[0]);
    uint32_t set = 0;
    glia_dim count = 1;
    axis_set(&n->attr[0], in.rank, &set);
    for (int a = 0; a < in.rank; a++)
        if (set & (1u << a)) count = glia_dim_mul(g, count, in.dims[a]);
    glia_value dy = dout[0];
    if (count >= 0) {
        din[0] = spread(g, n, glia_build_call(g, "div", 2, dy, glia_build_scalar(g, dy, (double)count)));
        return;
    }
    glia_attr_arg attrs[] = {
        GLIA_INTS("axes", n->attr[0].ints, n->attr[0].i), GLIA_INT("keepdims", n->attr[1].i), {0}};
    glia_value ones = glia_build_attr(g, "sum", attrs, 1, glia_build_fill(g, n->in[0], 1.0));
    din[0] = spread(g, n, glia_build_call(g, "div", 2, dy, ones));
}

static void sum_squares_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "mul", 2, glia_build_scale(g, n->in[0], 2.0), with_axes(g, n, dout[0]));
}

/* To every element that equals the extreme, in equal shares. */
static void extreme_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value x = n->in[0], hit = glia_build_call(g, "eq", 2, x, with_axes(g, n, n->out[0]));
    glia_value share = glia_build_cast(g, hit, glia_build_type(g, x)->dtype);
    glia_attr_arg attrs[] = {
        GLIA_INTS("axes", n->attr[0].ints, n->attr[0].i), GLIA_INT("keepdims", n->attr[1].i), {0}};
    glia_value ties = with_axes(g, n, glia_build_attr(g, "sum", attrs, 1, share));
    glia_value each = glia_build_call(g, "div", 2, with_axes(g, n, dout[0]), ties);
    din[0] = glia_build_call(g, "mul", 2, share, each);
}

/* dx = dy * exp(x - y) */
static void log_sum_exp_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value d = glia_build_call(g, "sub", 2, n->in[0], with_axes(g, n, n->out[0]));
    din[0] = glia_build_call(g, "mul", 2, glia_build_call(g, "exp", 1, d), with_axes(g, n, dout[0]));
}

/* 1 where v equals the number, else 0, in v's dtype. */
static glia_value is_number(glia_graph *g, glia_value v, double number)
{
    glia_value hit = glia_build_call(g, "eq", 2, v, glia_build_scalar(g, v, number));
    const glia_type *t = glia_build_type(g, v);
    return t ? glia_build_cast(g, hit, t->dtype) : hit;
}

/* The product of the others. With z the zeros of x, x' = x + z, p the product of x' and c the count of zeros:
 *     dx = dy * p * ((c = 0) / x' + (c = 1) * z) */
static void prod_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {
        GLIA_INTS("axes", n->attr[0].ints, n->attr[0].i), GLIA_INT("keepdims", n->attr[1].i), {0}};
    glia_value z = is_number(g, n->in[0], 0), filled = glia_build_call(g, "add", 2, n->in[0], z);
    glia_value p = with_axes(g, n, glia_build_attr(g, "prod", attrs, 1, filled));
    glia_value c = with_axes(g, n, glia_build_attr(g, "sum", attrs, 1, z));
    glia_value none = glia_build_call(g, "div", 2, is_number(g, c, 0), filled);
    glia_value one = glia_build_call(g, "mul", 2, is_number(g, c, 1), z);
    glia_value others = glia_build_call(g, "mul", 2, glia_build_call(g, "add", 2, none, one), p);
    din[0] = glia_build_call(g, "mul", 2, others, with_axes(g, n, dout[0]));
}

static void reduce_sample(glia_sample *s)
{
    int form = (int)s->pick(s->ctx, 0, 3);
    s->in_count = 1;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 6), s->pick(s->ctx, 1, 20)}};
    s->lo[0] = 0.5, s->hi[0] = 1.5;
    s->ints[0] = form == 2 ? 0 : -1, s->ints[1] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("axes", s->ints, form == 0 ? 0 : form == 3 ? 2 : 1);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("keepdims", s->pick(s->ctx, 0, 1));
}

/* What is kept goes along; what is reduced is read whole. */
static bool reduce_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *x = &glia_graph_value(g, n->in[0])->type;
    uint32_t set = 0;
    int at = 0;
    axis_set(&n->attr[0], x->rank, &set);
    for (int a = 0; a < x->rank; a++) {
        if (!(set & (1u << a))) glia_region_same(r, 0, a, at++);
        else at += n->attr[1].i != 0;
    }
    glia_region_split(g, n, r);
    return true;
}

#define REDUCTION(op, check, gradient, why)                                                                  \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .attrs = reduce_attrs,                                                     \
                                  .infer = check,                                                            \
                                  .grad = gradient,                                                          \
                                  .no_grad = why,                                                            \
                                  .cost = reduce_cost,                                                       \
                                  .regions = reduce_regions,                                                 \
                                  .reference = op##_reference,                                               \
                                  .sample = reduce_sample}
REDUCTION(sum, reduce_infer, sum_grad, NULL);
REDUCTION(mean, float_reduce_infer, mean_grad, NULL);
REDUCTION(sum_squares, float_reduce_infer, sum_squares_grad, NULL);
REDUCTION(prod, reduce_infer, prod_grad, NULL);
REDUCTION(reduce_max, reduce_infer, extreme_grad, NULL);
REDUCTION(reduce_min, reduce_infer, extreme_grad, NULL);
REDUCTION(argmax, arg_infer, NULL, "an index has no gradient");
REDUCTION(argmin, arg_infer, NULL, "an index has no gradient");
REDUCTION(log_sum_exp, float_reduce_infer, log_sum_exp_grad, NULL);
