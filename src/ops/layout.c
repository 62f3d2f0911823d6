/* Ops that move elements and change none: reshape, transpose, concat, slice, pad, expand, flip. Their types
 * are hand rules. A split is one slice per part; squeeze and unsqueeze are reshapes.
 *
 * Block formats and quantised activations may be reshaped while their last axis stays; what would move parts
 * of a block is refused. */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/move.h"
#include "ops/ops.h"

static bool bad(const glia_infer *x) { return x->g->error.status != GLIA_OK; }

/* Is a - b at least 0 for every value of the symbols? */
static bool never_below(glia_infer *x, glia_dim a, glia_dim b)
{
    glia_dim left;
    int64_t min, max;
    if (bad(x) || !glia_dim_sub(x->g, a, b, &left)) return false;
    glia_dim_bounds(x->g, left, &min, &max);
    return min >= 0;
}

static bool movable(glia_infer *x)
{
    if (x->in_count < 1 || x->in[0].dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`%s`: the input is missing", x->op->name);
    if (glia_dtype_get(x->in[0].dtype)->block_elements != 1 || x->in[0].layout)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0160",
                               "`%s` moves single elements; %s is a block format or packed", x->op->name,
                               glia_dtype_name(x->in[0].dtype));
    x->out_count = 1;
    x->out[0] = x->in[0];
    return true;
}

/* Axis attributes may count from the end: -1 is the last. */
static bool axis_of(glia_infer *x, int64_t given, int rank, int *out)
{
    int64_t axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis >= rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0161", "`%s`: axis %lld of a tensor of rank %d", x->op->name,
                               (long long)given, rank);
    *out = (int)axis;
    return true;
}

static int run_axis(const glia_attr *a, const glia_tensor *t)
{
    return (int)(a->i < 0 ? a->i + t->rank : a->i);
}

static void move_cost(const glia_kargs *k, glia_cost *out)
{
    double bytes = (double)glia_box_count(k, k->out[0].rank) * glia_dtype_get(k->out[0].dtype)->block_bytes;
    out->flops = 0;
    out->bytes = 2 * bytes;
}

/* out[index] = in[base + sum of index[a] * stride[a]] for the whole box. */
static void strided_copy(const glia_kargs *k, int64_t base, const int64_t *stride)
{
    const glia_tensor *y = &k->out[0];
    glia_move m = {.rank = y->rank};
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, to = 0;
    glia_dense_strides(y, m.to_stride);
    for (int a = 0; a < y->rank; a++) {
        m.dims[a] = k->end[a] - k->begin[a];
        m.from_stride[a] = stride[a];
        to += k->begin[a] * m.to_stride[a];
        base += k->begin[a] * stride[a];
    }
    glia_move_run(&m, (char *)y->data + to * size, (const char *)k->in[0].data + base * size, size);
}

/* ---- reshape ---- */

static const glia_attr_spec dims_attrs[] = {{"dims", GLIA_ATTR_INTS, false, 0}, {0}};

/* The size that makes the products equal. */
static bool infer_missing(glia_infer *x, int missing)
{
    glia_dim all = 1, known = 1, left;
    for (int a = 0; a < x->in[0].rank; a++) all = glia_dim_mul(x->g, all, x->in[0].dims[a]);
    for (int a = 0; a < x->out[0].rank; a++)
        if (a != missing) known = glia_dim_mul(x->g, known, x->out[0].dims[a]);
    if (bad(x)) return false;
    if (known == 0 || !glia_dim_exact_div(x->g, all, known, &left))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0162",
                               "`reshape`: the sizes given do not divide the number of elements");
    x->out[0].dims[missing] = left;
    return true;
}

static bool reshape_infer(glia_infer *x)
{
    int missing = -1;
    int64_t rank = x->attr[0].i;
    if (x->in_count < 1 || x->in[0].dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`reshape`: the input is missing");
    if (rank < 0 || rank > GLIA_RANK_MAX)
        return glia_infer_fail(x, GLIA_E_LIMIT, "G0161", "`reshape`: rank %lld; at most %d", (long long)rank,
                               GLIA_RANK_MAX);
    x->out_count = 1;
    x->out[0] = x->in[0];
    x->out[0].rank = (int16_t)rank;
    for (int a = 0; a < rank; a++) {
        x->out[0].dims[a] = x->attr[0].ints[a];
        if (x->attr[0].ints[a] != GLIA_DIM_INFER) continue;
        if (missing >= 0)
            return glia_infer_fail(x, GLIA_E_ARG, "G0162", "`reshape`: only one size can be inferred");
        missing = a;
        x->out[0].dims[a] = 1;
    }
    if (missing >= 0 && !infer_missing(x, missing)) return false;
    glia_dim before = 1, after = 1;
    for (int a = 0; a < x->in[0].rank; a++) before = glia_dim_mul(x->g, before, x->in[0].dims[a]);
    for (int a = 0; a < rank; a++) after = glia_dim_mul(x->g, after, x->out[0].dims[a]);
    if (bad(x)) return false;
    if (before != after) {
        char from[160], to[160];
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0162",
                               "`reshape`: %s has another number of elements than %s",
                               glia_type_text(x->g, &x->in[0], from, sizeof from),
                               glia_type_text(x->g, &x->out[0], to, sizeof to));
    }
    bool whole = x->in[0].layout || glia_dtype_get(x->in[0].dtype)->block_elements != 1;
    if (whole &&
        (rank < 1 || x->in[0].rank < 1 || x->in[0].dims[x->in[0].rank - 1] != x->out[0].dims[rank - 1]))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0162",
                               "`reshape`: blocks lie along the last axis, which has to keep its size");
    if (x->in[0].layout)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0160", "`reshape`: a packed weight keeps its shape");
    return true;
}

static void reshape_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type t = *glia_build_type(g, n->in[0]);
    din[0] = glia_build_reshape(g, dout[0], t.dims, t.rank);
}

static void reshape_sample(glia_sample *s)
{
    int64_t a = s->pick(s->ctx, 1, 6), b = s->pick(s->ctx, 1, 6), c = s->pick(s->ctx, 1, 6);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {a, b, c}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->ints[0] = a * b, s->ints[1] = s->pick(s->ctx, 0, 1) ? c : GLIA_DIM_INFER;
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("dims", s->ints, 2);
}

const glia_op glia_op_reshape = {
    .name = "reshape",
    .traits = GLIA_VIEW,
    .attrs = dims_attrs,
    .infer = reshape_infer,
    .grad = reshape_grad,
    .sample = reshape_sample,
};

/* ---- transpose: out axis i is in axis perm[i] ---- */

static const glia_attr_spec perm_attrs[] = {{"perm", GLIA_ATTR_INTS, true, 0}, {0}};

static bool transpose_infer(glia_infer *x)
{
    if (!movable(x)) return false;
    const glia_type *in = &x->in[0];
    uint32_t seen = 0;
    if (x->attr[0].i != in->rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0161",
                               "`transpose`: perm has %lld entries, the tensor has rank %d",
                               (long long)x->attr[0].i, in->rank);
    for (int a = 0; a < in->rank; a++) {
        int64_t p = x->attr[0].ints[a];
        if (p < 0 || p >= in->rank || (seen & (1u << p)))
            return glia_infer_fail(x, GLIA_E_ARG, "G0161", "`transpose`: perm is no permutation of the axes");
        seen |= 1u << p;
        x->out[0].dims[a] = in->dims[p];
    }
    return true;
}

static void transpose_reference(const glia_kargs *k)
{
    int64_t dense[GLIA_RANK_MAX], stride[GLIA_RANK_MAX];
    glia_dense_strides(&k->in[0], dense);
    for (int a = 0; a < k->out[0].rank; a++) stride[a] = dense[k->attr[0].ints[a]];
    strided_copy(k, 0, stride);
}

static void transpose_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    int64_t back[GLIA_RANK_MAX];
    for (int64_t a = 0; a < n->attr[0].i; a++) back[n->attr[0].ints[a]] = a;
    glia_attr_arg attrs[] = {GLIA_INTS("perm", back, n->attr[0].i), {0}};
    din[0] = glia_build_attr(g, "transpose", attrs, 1, dout[0]);
}

static void three_axes(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5)}};
    s->lo[0] = -1, s->hi[0] = 1;
}

static void transpose_sample(glia_sample *s)
{
    three_axes(s);
    int64_t first = s->pick(s->ctx, 0, 2), turn = s->pick(s->ctx, 1, 2);
    s->ints[0] = first, s->ints[1] = (first + turn) % 3, s->ints[2] = (first + 3 - turn) % 3;
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("perm", s->ints, 3);
}

static bool transpose_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    for (int a = 0; a < n->attr[0].i; a++) glia_region_same(r, 0, (int)n->attr[0].ints[a], a);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_transpose = {
    .name = "transpose",
    .attrs = perm_attrs,
    .infer = transpose_infer,
    .grad = transpose_grad,
    .cost = move_cost,
    .regions = transpose_regions,
    .reference = transpose_reference,
    .sample = transpose_sample,
};

/* ---- concat ---- */

static const glia_attr_spec axis_attrs[] = {{"axis", GLIA_ATTR_INT, true, 0}, {0}};

#define CONCAT_MAX 14

static bool concat_infer(glia_infer *x)
{
    int axis = 0;
    if (x->in_count > CONCAT_MAX)
        return glia_infer_fail(x, GLIA_E_LIMIT, "G0163", "`concat`: %d inputs; at most %d, join in steps",
                               x->in_count, CONCAT_MAX);
    if (!movable(x) || !axis_of(x, x->attr[0].i, x->in[0].rank, &axis)) return false;
    for (int i = 1; i < x->in_count; i++) {
        const glia_type *t = &x->in[i];
        if (t->dtype != x->in[0].dtype || t->rank != x->in[0].rank || t->layout)
            return glia_infer_fail(x, GLIA_E_TYPE, "G0163",
                                   "`concat`: input %d differs from the first in dtype or rank", i);
        for (int a = 0; a < t->rank; a++) {
            if (a == axis) x->out[0].dims[a] = glia_dim_add(x->g, x->out[0].dims[a], t->dims[a]);
            else if (t->dims[a] != x->in[0].dims[a])
                return glia_infer_fail(
                    x, GLIA_E_SHAPE, "G0163",
                    "`concat` along axis %d: input %d differs from the first along axis %d", axis, i, a);
        }
        if (bad(x)) return false;
    }
    return true;
}

/* Each input takes the part of the box that falls into its span of the axis. */
static void concat_reference(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0];
    int axis = run_axis(&k->attr[0], y);
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, start = 0;
    for (int i = 0; i < k->in_count; i++) {
        const glia_tensor *x = &k->in[i];
        glia_move m = {.rank = y->rank};
        int64_t to = 0, from = 0, width = x->dims[axis];
        glia_dense_strides(y, m.to_stride);
        glia_dense_strides(x, m.from_stride);
        for (int a = 0; a < y->rank; a++) {
            int64_t low = a == axis ? glia_max(k->begin[a], start) : k->begin[a],
                    high = a == axis ? glia_min(k->end[a], start + width) : k->end[a];
            m.dims[a] = high - low;
            to += low * m.to_stride[a];
            from += (low - (a == axis ? start : 0)) * m.from_stride[a];
        }
        glia_move_run(&m, (char *)y->data + to * size, (const char *)x->data + from * size, size);
        start += width;
    }
}

/* One behind the other, where the axes before the joined one are single. */
static int concat_lies(const glia_kargs *k, int64_t *offset)
{
    const glia_tensor *y = &k->out[0];
    const glia_dtype_info *d = glia_dtype_get(y->dtype);
    int64_t at = 0;
    for (int a = run_axis(&k->attr[0], y) - 1; a >= 0; a--)
        if (y->dims[a] != 1) return 0;
    for (int i = 0; i < k->in_count; i++) {
        offset[i] = at;
        at += glia_tensor_elements(&k->in[i]) / d->block_elements * d->block_bytes;
    }
    return 1;
}

/* Input i's gradient is its span of dy. Where the span begins at a symbolic place, only the sizes of the
 * inputs before it know where. */
static void concat_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    int rank = glia_build_type(g, n->in[0])->rank;
    int axis = (int)(n->attr[0].i < 0 ? n->attr[0].i + rank : n->attr[0].i);
    glia_dim start = 0;
    for (int i = 0; i < n->in_count; i++) {
        const glia_type t = *glia_build_type(g, n->in[i]);
        int64_t begin[GLIA_RANK_MAX] = {0};
        begin[axis] = start;
        if (start >= 0) {
            glia_attr_arg attrs[] = {GLIA_INTS("begin", begin, rank), GLIA_INTS("dims", t.dims, rank), {0}};
            din[i] = glia_build_attr(g, "slice", attrs, 1, dout[0]);
        } else {
            glia_value in[CONCAT_MAX + 1] = {dout[0]};
            glia_attr_arg attrs[] = {GLIA_INT("axis", axis), {0}};
            memcpy(in + 1, n->in, sizeof *in * (size_t)(i + 1));
            din[i] = glia_graph_node(g, "concat_part", NULL, in, i + 2, attrs);
        }
        start = glia_dim_add(g, start, t.dims[axis]);
    }
}

static void concat_sample(glia_sample *s)
{
    three_axes(s);
    int64_t axis = s->pick(s->ctx, 0, 2);
    s->in_count = (int32_t)s->pick(s->ctx, 1, 4);
    for (int i = 1; i < s->in_count; i++) {
        s->in[i] = s->in[0];
        s->in[i].dims[axis] = s->pick(s->ctx, 1, 5);
        s->lo[i] = -1, s->hi[i] = 1;
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", s->pick(s->ctx, 0, 1) ? axis : axis - 3);
}

const glia_op glia_op_concat = {
    .name = "concat",
    .signature = "xs*: T[.., p@axis, ..] -> z: T[.., sum(p)@axis, ..]",
    .attrs = axis_attrs,
    .infer = concat_infer,
    .grad = concat_grad,
    .cost = move_cost,
    .lies = concat_lies,
    .reference = concat_reference,
    .sample = concat_sample,
};

/* ---- concat_part: of a tensor shaped like the concat of x_0 .. x_i, the span of x_i. The x give sizes
 * alone; nothing of them is read. For gradients whose place is symbolic ---- */

static bool concat_part_infer(glia_infer *x)
{
    int axis = 0;
    if (!movable(x) || !axis_of(x, x->attr[0].i, x->in[0].rank, &axis)) return false;
    if (x->in_count < 2)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`concat_part` takes a tensor and the parts before");
    glia_dim sum = 0;
    for (int i = 1; i < x->in_count; i++) {
        if (x->in[i].rank != x->in[0].rank)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0163", "`concat_part`: part %d has another rank",
                                   i - 1);
        sum = glia_dim_add(x->g, sum, x->in[i].dims[axis]);
        for (int a = 0; a < x->in[0].rank; a++)
            if (a != axis && x->in[i].dims[a] != x->in[0].dims[a])
                return glia_infer_fail(x, GLIA_E_SHAPE, "G0163",
                                       "`concat_part`: part %d differs along axis %d", i - 1, a);
    }
    if (!never_below(x, x->in[0].dims[axis], sum))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0163",
                               "`concat_part`: the parts are longer than the whole");
    x->out[0].dims[axis] = x->in[x->in_count - 1].dims[axis];
    return !bad(x);
}

static void concat_part_reference(const glia_kargs *k)
{
    int axis = run_axis(&k->attr[0], &k->out[0]);
    int64_t stride[GLIA_RANK_MAX], start = 0;
    glia_dense_strides(&k->in[0], stride);
    for (int i = 1; i < k->in_count - 1; i++) start += k->in[i].dims[axis];
    strided_copy(k, start * stride[axis], stride);
}

static void concat_part_sample(glia_sample *s)
{
    three_axes(s);
    int64_t axis = s->pick(s->ctx, 0, 2), total = s->pick(s->ctx, 0, 2);
    s->in_count = (int32_t)s->pick(s->ctx, 2, 4);
    for (int i = 1; i < s->in_count; i++) {
        s->in[i] = s->in[0];
        s->in[i].dims[axis] = s->pick(s->ctx, 1, 4);
        total += s->in[i].dims[axis];
        s->lo[i] = -1, s->hi[i] = 1;
    }
    s->in[0].dims[axis] = total;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", axis);
}

const glia_op glia_op_concat_part = {
    .name = "concat_part",
    .attrs = axis_attrs,
    .infer = concat_part_infer,
    .no_grad = "made by gradients of `concat` at symbolic places; no second derivative there",
    .cost = move_cost,
    .reference = concat_part_reference,
    .sample = concat_part_sample,
};

/* ---- slice: out[i] = in[begin + i * step] along every axis ----
 * dims are the sizes of the output (GLIA_DIM_INFER: what is left of the axis); begin and step are constants.
 */

static const glia_attr_spec slice_attrs[] = {{"begin", GLIA_ATTR_INTS, true, 0},
                                             {"dims", GLIA_ATTR_INTS, true, 0},
                                             {"step", GLIA_ATTR_INTS, false, 0},
                                             {0}};

static int64_t step_of(const glia_attr *a, int axis) { return a[2].i ? a[2].ints[axis] : 1; }

static bool slice_axis(glia_infer *x, int a)
{
    int64_t begin = x->attr[0].ints[a], step = step_of(x->attr, a);
    glia_dim in = x->in[0].dims[a], size = x->attr[1].ints[a], rest;
    if (begin < 0 || step < 1)
        return glia_infer_fail(
            x, GLIA_E_ARG, "G0164",
            "`slice` along axis %d: begin %lld, step %lld; begin is at least 0, step at least 1", a,
            (long long)begin, (long long)step);
    if (size == GLIA_DIM_INFER) {
        if (!never_below(x, in, begin) || !glia_dim_sub(x->g, glia_dim_add(x->g, in, step - 1), begin, &rest))
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0164", "`slice` along axis %d begins beyond its end",
                                   a);
        size = glia_dim_floor_div(x->g, rest, step);
    } else {
        /* The last element taken is begin + (size - 1) * step. */
        glia_dim need = glia_dim_add(x->g, glia_dim_mul(x->g, size, step), begin);
        if (!never_below(x, glia_dim_add(x->g, in, step - 1), need))
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0164",
                                   "`slice` along axis %d reads beyond its end (or cannot be shown not to)",
                                   a);
    }
    x->out[0].dims[a] = size;
    return !bad(x);
}

static bool slice_infer(glia_infer *x)
{
    if (!movable(x)) return false;
    int rank = x->in[0].rank;
    if (x->attr[0].i != rank || x->attr[1].i != rank || (x->attr[2].i && x->attr[2].i != rank))
        return glia_infer_fail(
            x, GLIA_E_ARG, "G0164",
            "`slice`: begin, dims and step have one entry per axis; the tensor has rank %d", rank);
    for (int a = 0; a < rank; a++)
        if (!slice_axis(x, a)) return false;
    return true;
}

static void slice_reference(const glia_kargs *k)
{
    int64_t stride[GLIA_RANK_MAX], base = 0;
    glia_dense_strides(&k->in[0], stride);
    for (int a = 0; a < k->out[0].rank; a++) {
        base += k->attr[0].ints[a] * stride[a];
        stride[a] *= step_of(k->attr, a);
    }
    strided_copy(k, base, stride);
}

/* A run of elements: single along some first axes, a part of the next, all of the others. */
static int slice_lies(const glia_kargs *k, int64_t *offset)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_dtype_info *d = glia_dtype_get(y->dtype);
    int64_t stride[GLIA_RANK_MAX], n = 1, at = 0;
    if (d->block_elements != 1) return 0;
    glia_dense_strides(x, stride);
    for (int a = 0; a < y->rank; a++) {
        if (n > 1 && y->dims[a] != x->dims[a]) return 0;
        if (y->dims[a] > 1 && step_of(k->attr, a) != 1) return 0;
        at += k->attr[0].ints[a] * stride[a];
        n *= y->dims[a];
    }
    *offset = at * d->block_bytes;
    return -1;
}

static void slice_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type t = *glia_build_type(g, n->in[0]);
    for (int64_t a = 0; a < n->attr[2].i; a++)
        if (n->attr[2].ints[a] != 1) {
            glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131",
                            "`slice` with a step above 1 has no gradient yet");
            return;
        }
    glia_attr_arg attrs[] = {
        GLIA_INTS("before", n->attr[0].ints, t.rank), GLIA_INTS("dims", t.dims, t.rank), {0}};
    din[0] = glia_build_attr(g, "pad", attrs, 1, dout[0]);
}

static void slice_sample(glia_sample *s)
{
    three_axes(s);
    for (int a = 0; a < 3; a++) {
        int64_t n = s->in[0].dims[a], begin = s->pick(s->ctx, 0, n - 1);
        s->ints[a] = begin;
        s->ints[3 + a] = s->pick(s->ctx, 1, n - begin);
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("begin", s->ints, 3);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dims", s->ints + 3, 3);
}

/* Axes that begin at 0 and keep their size are read at the same interval, others whole. */
static bool kept_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *in = &glia_graph_value(g, n->in[0])->type, *out = &glia_graph_value(g, n->out[0])->type;
    for (int a = 0; a < in->rank; a++)
        if (n->attr[0].ints[a] == 0 && in->dims[a] == out->dims[a]) glia_region_same(r, 0, a, a);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_slice = {
    .name = "slice",
    .attrs = slice_attrs,
    .infer = slice_infer,
    .grad = slice_grad,
    .cost = move_cost,
    .regions = kept_regions,
    .lies = slice_lies,
    .reference = slice_reference,
    .sample = slice_sample,
};

/* ---- pad: in at offset `before` of an output of size dims, the rest is `value` ---- */

static const glia_attr_spec pad_attrs[] = {{"before", GLIA_ATTR_INTS, true, 0},
                                           {"dims", GLIA_ATTR_INTS, true, 0},
                                           {"value", GLIA_ATTR_FLOAT, false, 0},
                                           {0}};

static bool pad_infer(glia_infer *x)
{
    if (!movable(x)) return false;
    int rank = x->in[0].rank;
    double value = x->attr[2].f;
    if (!glia_is_float(x->in[0].dtype) && !(value >= -0x1p53 && value <= 0x1p53))
        return glia_infer_fail(x, GLIA_E_ARG, "G0164", "`pad`: the value %g is no integer", value);
    if (x->attr[0].i != rank || x->attr[1].i != rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0164",
                               "`pad`: before and dims have one entry per axis; the tensor has rank %d",
                               rank);
    for (int a = 0; a < rank; a++) {
        int64_t before = x->attr[0].ints[a];
        glia_dim to = x->attr[1].ints[a];
        if (before < 0 || to == GLIA_DIM_INFER ||
            !never_below(x, to, glia_dim_add(x->g, x->in[0].dims[a], before)))
            return glia_infer_fail(
                x, GLIA_E_SHAPE, "G0164",
                "`pad` along axis %d: the output has to hold the input after %lld elements", a,
                (long long)before);
        x->out[0].dims[a] = to;
    }
    return !bad(x);
}

/* The box is filled where it is not wholly inside, then the input's part of it is copied. */
static void pad_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, n = glia_last_dim(y), to = 0, from = 0, value = 0;
    const glia_tensor one = {&value, NULL, 0, 0, y->dtype};
    glia_move m = {.rank = y->rank};
    bool covered = true;
    glia_dense_strides(y, m.to_stride);
    glia_dense_strides(x, m.from_stride);
    for (int a = 0; a < y->rank; a++) {
        int64_t before = k->attr[0].ints[a], low = glia_max(k->begin[a], before),
                high = glia_min(k->end[a], before + x->dims[a]);
        covered = covered && low == k->begin[a] && high == k->end[a];
        m.dims[a] = high - low;
        to += low * m.to_stride[a];
        from += (low - before) * m.from_stride[a];
    }
    if (glia_is_float(y->dtype)) glia_set_f64(&one, 0, k->attr[2].f);
    else glia_set_i64(&one, 0, (int64_t)k->attr[2].f);
    for (glia_box b = glia_box_rows(k, glia_leading(y)); !covered && b.more; glia_box_next(&b))
        glia_move_fill((char *)y->data + (b.row * n + glia_box_begin(k)) * size, &value,
                       glia_box_end(k) - glia_box_begin(k), size);
    glia_move_run(&m, (char *)y->data + to * size, (const char *)x->data + from * size, size);
}

static void pad_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type t = *glia_build_type(g, n->in[0]);
    glia_attr_arg attrs[] = {
        GLIA_INTS("begin", n->attr[0].ints, t.rank), GLIA_INTS("dims", t.dims, t.rank), {0}};
    din[0] = glia_build_attr(g, "slice", attrs, 1, dout[0]);
}

static void pad_sample(glia_sample *s)
{
    three_axes(s);
    for (int a = 0; a < 3; a++) {
        s->ints[a] = s->pick(s->ctx, 0, 2);
        s->ints[3 + a] = s->ints[a] + s->in[0].dims[a] + s->pick(s->ctx, 0, 2);
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("before", s->ints, 3);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dims", s->ints + 3, 3);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("value", 0.5);
}

const glia_op glia_op_pad = {
    .name = "pad",
    .attrs = pad_attrs,
    .infer = pad_infer,
    .grad = pad_grad,
    .cost = move_cost,
    .regions = kept_regions,
    .reference = pad_reference,
    .sample = pad_sample,
};

/* ---- expand: broadcasting written out ---- */

static bool expand_infer(glia_infer *x)
{
    if (!movable(x)) return false;
    int64_t rank = x->attr[0].i, lead = rank - x->in[0].rank;
    if (rank > GLIA_RANK_MAX || lead < 0)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0165", "`expand` to rank %lld from rank %d",
                               (long long)rank, x->in[0].rank);
    x->out[0].rank = (int16_t)rank;
    for (int a = 0; a < rank; a++) {
        glia_dim to = x->attr[0].ints[a];
        x->out[0].dims[a] = to;
        if (to == GLIA_DIM_INFER)
            return glia_infer_fail(x, GLIA_E_ARG, "G0165", "`expand`: every size has to be given");
        if (a >= lead && x->in[0].dims[a - lead] != to && x->in[0].dims[a - lead] != 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0165",
                                   "`expand`: axis %d has neither size 1 nor the size wanted",
                                   (int)(a - lead));
    }
    return true;
}

static void expand_reference(const glia_kargs *k)
{
    int64_t stride[GLIA_RANK_MAX + 1];
    glia_broadcast_strides(&k->in[0], &k->out[0], stride);
    strided_copy(k, 0, stride);
}

static void expand_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_sum_to(g, dout[0], n->in[0]);
}

static void expand_sample(glia_sample *s)
{
    three_axes(s);
    s->ints[0] = s->pick(s->ctx, 1, 3);
    for (int a = 0; a < 3; a++) {
        s->ints[a + 1] = s->in[0].dims[a];
        if (s->pick(s->ctx, 0, 1)) s->in[0].dims[a] = 1;
    }
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("dims", s->ints, 4);
}

static bool expand_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *in = &glia_graph_value(g, n->in[0])->type, *out = &glia_graph_value(g, n->out[0])->type;
    for (int a = 0; a < in->rank; a++) {
        const int to = out->rank - in->rank + a;
        glia_region_same(r, 0, a, to);
        if (in->dims[a] == 1 && out->dims[to] != 1) r->in[0].axis[a].kind = GLIA_AXIS_ONE;
    }
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_expand = {
    .name = "expand",
    .attrs = dims_attrs,
    .infer = expand_infer,
    .grad = expand_grad,
    .cost = move_cost,
    .regions = expand_regions,
    .reference = expand_reference,
    .sample = expand_sample,
};

/* ---- flip: one axis backwards ---- */

static bool flip_infer(glia_infer *x)
{
    int axis;
    return movable(x) && axis_of(x, x->attr[0].i, x->in[0].rank, &axis);
}

static void flip_reference(const glia_kargs *k)
{
    int64_t stride[GLIA_RANK_MAX];
    int axis = run_axis(&k->attr[0], &k->in[0]);
    glia_dense_strides(&k->in[0], stride);
    int64_t base = (k->in[0].dims[axis] - 1) * stride[axis];
    stride[axis] = -stride[axis];
    strided_copy(k, base, stride);
}

static void flip_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), {0}};
    din[0] = glia_build_attr(g, "flip", attrs, 1, dout[0]);
}

static void flip_sample(glia_sample *s)
{
    three_axes(s);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", s->pick(s->ctx, -3, 2));
}

static bool flip_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const int rank = glia_graph_value(g, n->in[0])->type.rank;
    const int64_t axis = n->attr[0].i < 0 ? n->attr[0].i + rank : n->attr[0].i;
    for (int a = 0; a < rank; a++)
        if (a != axis) glia_region_same(r, 0, a, a);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_flip = {
    .name = "flip",
    .attrs = axis_attrs,
    .infer = flip_infer,
    .grad = flip_grad,
    .cost = move_cost,
    .regions = flip_regions,
    .reference = flip_reference,
    .sample = flip_sample,
};
