/* Elements and slices placed by tensors of indices: gather_elements, gather_nd, scatter_elements, scatter_nd,
 * tensor_scatter, reverse_sequence, and the guard of index tuples.
 *
 * Negative indices count from the end. Indices are trusted: a guard_range or guard_index before the consumer excludes
 * what is out of range. The scatters write in row-major order of the updates, so that of several writers of one place
 * the last stays, and sums have one order. */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/move.h"
#include "ops/ops.h"

enum { NONE, ADD, MUL, MAX, MIN, REDUCTIONS };

static int64_t from_end(int64_t index, int64_t size) { return index < 0 ? index + size : index; }

static bool index_inputs(glia_infer *x, int count, int index)
{
    for (int i = 0; i < count; i++) {
        if (i >= x->in_count || x->in[i].dtype == GLIA_DTYPE_NONE)
            return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`%s`: input %d is missing", x->op->name, i);
        if (i == index && x->in[i].dtype != GLIA_I32 && x->in[i].dtype != GLIA_I64)
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0167", "`%s`: indices are i32 or i64, not %s",
                                   x->op->name, glia_dtype_name(x->in[i].dtype));
        if (glia_dtype_get(x->in[i].dtype)->block_elements != 1 || x->in[i].layout)
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0160",
                                   "`%s` moves single elements; input %d is in a block format or packed",
                                   x->op->name, i);
        if (i != index && x->in[i].dtype != x->in[0].dtype)
            return glia_infer_fail(x, GLIA_E_TYPE, "G0167", "`%s`: %s meets %s", x->op->name,
                                   glia_dtype_name(x->in[0].dtype), glia_dtype_name(x->in[i].dtype));
    }
    x->out_count = 1;
    x->out[0] = x->in[0];
    return true;
}

static bool axis_of(glia_infer *x, int64_t axis)
{
    if (axis >= 0 && axis < x->in[0].rank) return true;
    return glia_infer_fail(x, GLIA_E_ARG, "G0161", "`%s`: axis %lld of a tensor of rank %d", x->op->name,
                           (long long)axis, x->in[0].rank);
}

static bool reduction_of(glia_infer *x, int64_t reduction)
{
    if (reduction < 0 || reduction >= REDUCTIONS)
        return glia_infer_fail(x, GLIA_E_ARG, "G0173", "`%s`: reduction %lld is none", x->op->name,
                               (long long)reduction);
    if (reduction != NONE &&
        !glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT | GLIA_CLASS_BOOL))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0173", "`%s` combines floats or integers, not %s",
                               x->op->name, glia_dtype_name(x->in[0].dtype));
    return true;
}

static bool same_dim(glia_infer *x, glia_dim a, glia_dim b, int axis)
{
    if (a == b) return true;
    return glia_infer_fail(x, GLIA_E_SHAPE, "G0173", "`%s`: sizes along axis %d do not fit together",
                           x->op->name, axis);
}

/* y[to] = y[to] (reduction) x[from]; f16 and bf16 are rounded each time. A NaN wins over numbers. */
static void combine(const glia_tensor *y, int64_t to, const glia_tensor *x, int64_t from, int64_t reduction)
{
    if (glia_is_float(y->dtype)) {
        double a = glia_get_f64(y, to), b = glia_get_f64(x, from);
        double extreme = a != a || (reduction == MAX ? a > b : a < b) ? a : b;
        if (reduction > MUL) glia_set_f64(y, to, extreme);
        else if (y->dtype == GLIA_F64) glia_set_f64(y, to, reduction == ADD ? a + b : a * b);
        else glia_set_f32(y, to, reduction == ADD ? (float)a + (float)b : (float)a * (float)b);
        return;
    }
    uint64_t a = (uint64_t)glia_get_i64(y, to), b = (uint64_t)glia_get_i64(x, from);
    uint64_t turn = y->dtype == GLIA_U64 ? 0 : (uint64_t)1 << 63;
    bool keep = reduction == MAX ? (a ^ turn) > (b ^ turn) : (a ^ turn) < (b ^ turn);
    glia_set_i64(y, to, (int64_t)(reduction == ADD ? a + b : reduction == MUL ? a * b : keep ? a : b));
}

static void put(const glia_tensor *y, int64_t to, const glia_tensor *x, int64_t from, int64_t reduction,
                int64_t size)
{
    if (reduction != NONE) combine(y, to, x, from, reduction);
    else memcpy((char *)y->data + to * size, (const char *)x->data + from * size, (size_t)size);
}

/* The box of x into y, which have one shape. */
static void copy_box(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, at = 0;
    glia_move m = {.rank = y->rank};
    if (x->data == y->data) return;
    glia_dense_strides(y, m.to_stride);
    memcpy(m.from_stride, m.to_stride, sizeof m.from_stride);
    for (int a = 0; a < y->rank; a++) {
        m.dims[a] = k->end[a] - k->begin[a];
        at += k->begin[a] * m.to_stride[a];
    }
    glia_move_run(&m, (char *)y->data + at * size, (const char *)x->data + at * size, size);
}

/* Counts an index up; the last axis first. */
static void step(int64_t *index, const int64_t *dims, int rank)
{
    for (int a = rank - 1; a >= 0 && ++index[a] >= dims[a]; a--) index[a] = 0;
}

static bool in_box(const glia_kargs *k, const int64_t *index)
{
    for (int a = 0; a < k->out[0].rank; a++)
        if (index[a] < k->begin[a] || index[a] >= k->end[a]) return false;
    return true;
}

/* ---- guard_index: the last axis holds index tuples; component c lies in [-bounds[c], bounds[c]) ---- */

static const glia_attr_spec bounds_attrs[] = {{"bounds", GLIA_ATTR_INTS, true, 0}, {0}};

static bool guard_index_infer(glia_infer *x)
{
    int rank = x->in[0].rank;
    if (rank < 1 || x->in[0].dims[rank - 1] != x->attr[0].i)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173",
                               "`guard_index`: the last axis has one bound per component");
    return glia_infer_plain(x);
}

static void guard_index_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0];
    int64_t n = glia_last_dim(x);
    for (glia_box b = glia_box_rows(k, glia_leading(x)); b.more; glia_box_next(&b))
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            int64_t v = glia_get_i64(x, b.row * n + i), most = k->attr[0].ints[i];
            if (v < -most || v >= most) *k->fault = 1;
        }
}

static void guard_index_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_I64, 2, 0, {s->pick(s->ctx, 1, 9), 2}};
    s->lo[0] = -5, s->hi[0] = 4;
    s->ints[0] = 5, s->ints[1] = 7;
    s->attrs[0] = (glia_attr_arg)GLIA_INTS("bounds", s->ints, 2);
}

const glia_op glia_op_guard_index = {
    .name = "guard_index",
    .signature = "x: I[.., n!] -> y: like(x)",
    .traits = GLIA_GUARD | GLIA_NO_FOLD,
    .attrs = bounds_attrs,
    .infer = guard_index_infer,
    .no_grad = "integers have no gradient",
    .reference = guard_index_reference,
    .sample = guard_index_sample,
};

/* ---- gather_elements: y[i0 .. ia .. in] = x[i0 .. index[i0 .. in] .. in] ---- */

static const glia_attr_spec axis_attrs[] = {{"axis", GLIA_ATTR_INT, false, 0}, {0}};

/* Beside the axis the indices may cover less than x. */
static bool covers(glia_infer *x, const glia_type *index, int axis)
{
    if (index->rank != x->in[0].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173", "`%s`: indices of rank %d for a tensor of rank %d",
                               x->op->name, index->rank, x->in[0].rank);
    for (int a = 0; a < index->rank; a++) {
        glia_dim left;
        int64_t min, max;
        if (a == axis) continue;
        if (!glia_dim_sub(x->g, x->in[0].dims[a], index->dims[a], &left)) return false;
        glia_dim_bounds(x->g, left, &min, &max);
        if (min < 0)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0173", "`%s`: the indices reach beyond axis %d",
                                   x->op->name, a);
    }
    return true;
}

static bool gather_elements_infer(glia_infer *x)
{
    int axis = (int)x->attr[0].i;
    if (!index_inputs(x, 2, 1) || !axis_of(x, x->attr[0].i) || !covers(x, &x->in[1], axis)) return false;
    memcpy(x->out[0].dims, x->in[1].dims, sizeof x->out[0].dims);
    return true;
}

static void gather_elements_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *index = &k->in[1], *y = &k->out[0];
    int axis = (int)k->attr[0].i, last = y->rank - 1;
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, stride[GLIA_RANK_MAX], n = glia_last_dim(y);
    glia_dense_strides(x, stride);
    for (glia_box b = glia_box_rows(k, last); b.more; glia_box_next(&b)) {
        int64_t base = 0, along = axis == last ? 0 : stride[last];
        for (int a = 0; a < last; a++) base += a == axis ? 0 : b.index[a] * stride[a];
        for (int64_t i = k->begin[last]; i < k->end[last]; i++) {
            int64_t j = from_end(glia_get_i64(index, b.row * n + i), x->dims[axis]);
            put(y, b.row * n + i, x, base + j * stride[axis] + i * along, NONE, size);
        }
    }
}

static glia_value zeros_like(glia_graph *g, glia_value v) { return glia_build_fill(g, v, 0); }

static void gather_elements_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), GLIA_INT("reduction", ADD), {0}};
    din[0] = glia_build_attr(g, "scatter_elements", attrs, 3, zeros_like(g, n->in[0]), n->in[1], dout[0]);
}

static void elements_sample(glia_sample *s, int count)
{
    int64_t axis = s->pick(s->ctx, 0, 2);
    s->in_count = count;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 4)}};
    s->in[1] = (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_I32 : GLIA_I64, 3, 0, {0}};
    for (int a = 0; a < 3; a++) s->in[1].dims[a] = s->pick(s->ctx, 1, a == axis ? 5 : s->in[0].dims[a]);
    s->in[2] = s->in[1];
    s->in[2].dtype = GLIA_F32;
    s->lo[0] = s->lo[2] = -1, s->hi[0] = s->hi[2] = 1;
    s->lo[1] = (double)-s->in[0].dims[axis], s->hi[1] = (double)(s->in[0].dims[axis] - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", axis);
}
static void gather_elements_sample(glia_sample *s) { elements_sample(s, 2); }

static bool gather_elements_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    for (int a = 0; a < glia_graph_value(g, n->in[0])->type.rank; a++) {
        if (a != n->attr[0].i) glia_region_same(r, 0, a, a);
        glia_region_same(r, 1, a, a);
    }
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_gather_elements = {
    .name = "gather_elements",
    .attrs = axis_attrs,
    .infer = gather_elements_infer,
    .grad = gather_elements_grad,
    .regions = gather_elements_regions,
    .reference = gather_elements_reference,
    .sample = gather_elements_sample,
};

/* ---- scatter_elements: y = x; y[i0 .. index[i0 .. in] .. in] = update[i0 .. in], or combined with it ---- */

static const glia_attr_spec scatter_attrs[] = {
    {"axis", GLIA_ATTR_INT, false, 0}, {"reduction", GLIA_ATTR_INT, false, 0}, {0}};

static bool scatter_elements_infer(glia_infer *x)
{
    if (!index_inputs(x, 3, 1) || !axis_of(x, x->attr[0].i) || !reduction_of(x, x->attr[1].i) ||
        !covers(x, &x->in[1], (int)x->attr[0].i))
        return false;
    if (x->in[2].rank != x->in[1].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173", "`scatter_elements`: one update per index");
    for (int a = 0; a < x->in[1].rank; a++)
        if (!same_dim(x, x->in[1].dims[a], x->in[2].dims[a], a)) return false;
    return true;
}

static void scatter_elements_reference(const glia_kargs *k)
{
    const glia_tensor *index = &k->in[1], *update = &k->in[2], *y = &k->out[0];
    int axis = (int)k->attr[0].i;
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, count = glia_tensor_elements(index);
    int64_t at[GLIA_RANK_MAX] = {0}, stride[GLIA_RANK_MAX];
    glia_dense_strides(y, stride);
    copy_box(k);
    for (int64_t i = 0; i < count; i++, step(at, index->dims, index->rank)) {
        int64_t keep = at[axis], to = 0;
        at[axis] = from_end(glia_get_i64(index, i), y->dims[axis]);
        for (int a = 0; a < y->rank; a++) to += at[a] * stride[a];
        if (in_box(k, at)) put(y, to, update, i, k->attr[1].i, size);
        at[axis] = keep;
    }
}

/* Where updates add up, each of them gets the gradient of its place. */
static void scatter_elements_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), {0}};
    if (n->attr[1].i != ADD) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131", "`scatter_elements` has a gradient where it adds");
        return;
    }
    din[0] = dout[0];
    din[2] = glia_build_attr(g, "gather_elements", attrs, 2, dout[0], n->in[1]);
}

static void scatter_elements_sample(glia_sample *s)
{
    elements_sample(s, 3);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("reduction", ADD);
}

const glia_op glia_op_scatter_elements = {
    .name = "scatter_elements",
    .traits = GLIA_INPLACE_0,
    .attrs = scatter_attrs,
    .infer = scatter_elements_infer,
    .grad = scatter_elements_grad,
    .reference = scatter_elements_reference,
    .sample = scatter_elements_sample,
};

/* ---- gather_nd: the last axis of the indices holds places in x behind its first `batch` axes ----
 *     y[b.., i.., rest..] = x[b.., index[b.., i.., :].., rest..] */

static const glia_attr_spec batch_attrs[] = {{"batch", GLIA_ATTR_INT, false, 0}, {0}};

/* The components of an index tuple; -1 after an error. */
static int64_t tuple_of(glia_infer *x, int64_t batch)
{
    const glia_type *in = &x->in[0], *index = &x->in[1];
    int64_t n = index->rank ? index->dims[index->rank - 1] : -1;
    if (index->rank < 1 || n < 1 || batch < 0 || batch >= index->rank || batch + n > in->rank) {
        glia_infer_fail(x, GLIA_E_SHAPE, "G0173",
                        "`%s`: index tuples of %lld components behind %lld axes of a tensor of rank %d",
                        x->op->name, (long long)n, (long long)batch, in->rank);
        return -1;
    }
    for (int a = 0; a < batch; a++)
        if (!same_dim(x, in->dims[a], index->dims[a], a)) return -1;
    return n;
}

static bool gather_nd_infer(glia_infer *x)
{
    if (!index_inputs(x, 2, 1)) return false;
    const glia_type *in = &x->in[0], *index = &x->in[1];
    int64_t batch = x->attr[0].i, n = tuple_of(x, batch);
    if (n < 0) return false;
    int64_t rank = index->rank - 1 + in->rank - n - batch;
    if (rank > GLIA_RANK_MAX)
        return glia_infer_fail(x, GLIA_E_LIMIT, "G0161", "`gather_nd`: the result has more than %d axes",
                               GLIA_RANK_MAX);
    x->out[0].rank = 0;
    for (int a = 0; a < index->rank - 1; a++) x->out[0].dims[x->out[0].rank++] = index->dims[a];
    for (int a = (int)(batch + n); a < in->rank; a++) x->out[0].dims[x->out[0].rank++] = in->dims[a];
    return true;
}

/* Where the slice of tuple `i` of the indices begins in t. */
static int64_t tuple_place(const glia_tensor *t, const glia_tensor *index, int64_t i, int64_t batch,
                           const int64_t *stride, int64_t *place)
{
    int64_t n = glia_last_dim(index), rest = i, at = 0;
    for (int a = index->rank - 2; a >= 0; a--) {
        if (a < batch) place[a] = rest % index->dims[a];
        rest /= index->dims[a];
    }
    for (int64_t c = 0; c < n; c++)
        place[batch + c] = from_end(glia_get_i64(index, i * n + c), t->dims[batch + c]);
    for (int64_t a = 0; a < batch + n; a++) at += place[a] * stride[a];
    return at;
}

static void gather_nd_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *index = &k->in[1], *y = &k->out[0];
    int64_t batch = k->attr[0].i, tuple = glia_last_dim(index), inner = 1, row = -1, from = 0;
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, stride[GLIA_RANK_MAX], place[GLIA_RANK_MAX];
    int lead = index->rank - 1;
    bool whole = true;
    glia_dense_strides(x, stride);
    for (int a = (int)(batch + tuple); a < x->rank; a++) inner *= x->dims[a];
    for (int a = lead; a < y->rank; a++) whole = whole && k->begin[a] == 0 && k->end[a] == y->dims[a];
    if (whole && inner > 0) {
        for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
            from = tuple_place(x, index, b.row, batch, stride, place);
            memcpy((char *)y->data + b.row * inner * size, (const char *)x->data + from * size,
                   (size_t)(inner * size));
        }
        return;
    }
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) {
        if (b.row / inner != row) from = tuple_place(x, index, row = b.row / inner, batch, stride, place);
        put(y, b.row, x, from + b.row % inner, NONE, size);
    }
}

static void gather_nd_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("reduction", ADD), {0}};
    if (n->attr[0].i) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131", "`gather_nd` behind batch axes has no gradient yet");
        return;
    }
    din[0] = glia_build_attr(g, "scatter_nd", attrs, 3, zeros_like(g, n->in[0]), n->in[1], dout[0]);
}

static void nd_sample(glia_sample *s, int count)
{
    int64_t n = s->pick(s->ctx, 1, 3), least = 4;
    s->in_count = count;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 4)}};
    for (int64_t a = 0; a < n; a++) least = glia_min(least, s->in[0].dims[a]);
    s->in[1] = (glia_type){GLIA_I64, 2, 0, {s->pick(s->ctx, 1, 6), n}};
    s->in[2] = (glia_type){GLIA_F32, 1, 0, {s->in[1].dims[0]}};
    for (int64_t a = n; a < 3; a++) s->in[2].dims[s->in[2].rank++] = s->in[0].dims[a];
    s->lo[0] = s->lo[2] = -1, s->hi[0] = s->hi[2] = 1, s->lo[1] = (double)-least,
    s->hi[1] = (double)(least - 1);
}

static void gather_nd_sample(glia_sample *s)
{
    nd_sample(s, 2);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("batch", 0);
}

static bool gather_nd_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *in = &glia_graph_value(g, n->in[0])->type, *index = &glia_graph_value(g, n->in[1])->type;
    const int batch = (int)n->attr[0].i, first = batch + (int)index->dims[index->rank - 1];
    for (int a = 0; a < batch; a++) glia_region_same(r, 0, a, a);
    for (int a = first; a < in->rank; a++) glia_region_same(r, 0, a, index->rank - 1 + a - first);
    for (int a = 0; a < index->rank - 1; a++) glia_region_same(r, 1, a, a);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_gather_nd = {
    .name = "gather_nd",
    .attrs = batch_attrs,
    .infer = gather_nd_infer,
    .grad = gather_nd_grad,
    .regions = gather_nd_regions,
    .reference = gather_nd_reference,
    .sample = gather_nd_sample,
};

/* ---- scatter_nd: y = x; y[index[i.., :].., rest..] = update[i.., rest..], or combined with it ---- */

static const glia_attr_spec reduction_attrs[] = {{"reduction", GLIA_ATTR_INT, false, 0}, {0}};

static bool scatter_nd_infer(glia_infer *x)
{
    if (!index_inputs(x, 3, 1) || !reduction_of(x, x->attr[0].i)) return false;
    const glia_type *in = &x->in[0], *index = &x->in[1], *update = &x->in[2];
    int64_t n = tuple_of(x, 0);
    if (n < 0) return false;
    if (update->rank != index->rank - 1 + in->rank - n)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173", "`scatter_nd`: updates of rank %d do not fit",
                               update->rank);
    for (int a = 0; a < update->rank; a++) {
        bool lead = a < index->rank - 1;
        if (!same_dim(x, update->dims[a], lead ? index->dims[a] : in->dims[a - index->rank + 1 + n], a))
            return false;
    }
    return true;
}

static void scatter_nd_reference(const glia_kargs *k)
{
    const glia_tensor *index = &k->in[1], *update = &k->in[2], *y = &k->out[0];
    int64_t n = glia_last_dim(index), inner = 1, size = glia_dtype_get(y->dtype)->block_bytes;
    int64_t count = glia_tensor_elements(index) / n, stride[GLIA_RANK_MAX], at[GLIA_RANK_MAX];
    bool whole = true;
    glia_dense_strides(y, stride);
    copy_box(k);
    for (int a = (int)n; a < y->rank; a++) inner *= y->dims[a];
    for (int a = 0; a < y->rank; a++) whole = whole && k->begin[a] == 0 && k->end[a] == y->dims[a];
    for (int64_t i = 0; i < count; i++) {
        int64_t to = tuple_place(y, index, i, 0, stride, at);
        if (whole && k->attr[0].i == NONE) {
            memcpy((char *)y->data + to * size, (const char *)update->data + i * inner * size,
                   (size_t)(inner * size));
            continue;
        }
        for (int a = (int)n; a < y->rank; a++) at[a] = 0;
        for (int64_t j = 0; j < inner; j++, step(at + n, y->dims + n, y->rank - (int)n))
            if (whole || in_box(k, at)) put(y, to + j, update, i * inner + j, k->attr[0].i, size);
    }
}

static void scatter_nd_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    if (n->attr[0].i != ADD) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131", "`scatter_nd` has a gradient where it adds");
        return;
    }
    din[0] = dout[0];
    din[2] = glia_build_call(g, "gather_nd", 2, dout[0], n->in[1]);
}

static void scatter_nd_sample(glia_sample *s)
{
    nd_sample(s, 3);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("reduction", ADD);
}

const glia_op glia_op_scatter_nd = {
    .name = "scatter_nd",
    .traits = GLIA_INPLACE_0,
    .attrs = reduction_attrs,
    .infer = scatter_nd_infer,
    .grad = scatter_nd_grad,
    .reference = scatter_nd_reference,
    .sample = scatter_nd_sample,
};

/* ---- tensor_scatter: rows of a cache replaced along an axis, for each batch from its own place on ----
 *     y = x; y[b, .., (at[b] + s) % size, ..] = update[b, .., s, ..] */

static const glia_attr_spec cache_attrs[] = {{"axis", GLIA_ATTR_INT, true, 0}, {0}};

static bool tensor_scatter_infer(glia_infer *x)
{
    int64_t axis = x->attr[0].i;
    if (!index_inputs(x, 2, -1) || !axis_of(x, axis)) return false;
    if (axis == 0 || x->in[1].rank != x->in[0].rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173",
                               "`tensor_scatter` replaces rows behind axis 0 by updates of the same rank");
    for (int a = 0; a < x->in[0].rank; a++)
        if (a != axis && !same_dim(x, x->in[0].dims[a], x->in[1].dims[a], a)) return false;
    if (x->in_count < 3 || x->in[2].dtype == GLIA_DTYPE_NONE) return true;
    if ((x->in[2].dtype != GLIA_I32 && x->in[2].dtype != GLIA_I64) || x->in[2].rank != 1)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0173",
                               "`tensor_scatter`: one integer of i32 or i64 per batch");
    return same_dim(x, x->in[0].dims[0], x->in[2].dims[0], 0);
}

static void tensor_scatter_reference(const glia_kargs *k)
{
    const glia_tensor *update = &k->in[1], *where = glia_optional(k, 2), *y = &k->out[0];
    int axis = (int)k->attr[0].i;
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, count = glia_tensor_elements(update);
    int64_t at[GLIA_RANK_MAX] = {0}, stride[GLIA_RANK_MAX];
    glia_dense_strides(y, stride);
    copy_box(k);
    for (int64_t i = 0; i < count; i++, step(at, update->dims, update->rank)) {
        int64_t keep = at[axis], to = 0, n = y->dims[axis];
        at[axis] = ((where ? glia_get_i64(where, at[0]) % n + n : 0) + keep) % n;
        for (int a = 0; a < y->rank; a++) to += at[a] * stride[a];
        if (in_box(k, at)) put(y, to, update, i, NONE, size);
        at[axis] = keep;
    }
}

static void tensor_scatter_sample(glia_sample *s)
{
    int64_t b = s->pick(s->ctx, 1, 3), n = s->pick(s->ctx, 1, 6), d = s->pick(s->ctx, 1, 4);
    s->in_count = (int32_t)s->pick(s->ctx, 2, 3);
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {b, n, d}};
    s->in[1] = (glia_type){GLIA_F32, 3, 0, {b, s->pick(s->ctx, 1, n), d}};
    s->in[2] = (glia_type){GLIA_I64, 1, 0, {b}};
    for (int i = 0; i < 2; i++) s->lo[i] = -1, s->hi[i] = 1;
    s->lo[2] = 0, s->hi[2] = (double)(n - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", 1);
}

const glia_op glia_op_tensor_scatter = {
    .name = "tensor_scatter",
    .traits = GLIA_INPLACE_0,
    .attrs = cache_attrs,
    .infer = tensor_scatter_infer,
    .no_grad = "caches are not trained",
    .reference = tensor_scatter_reference,
    .sample = tensor_scatter_sample,
};

/* ---- reverse_sequence: the first lens[b] steps of each row backwards, those after them as they are ---- */

static const glia_attr_spec sequence_attrs[] = {
    {"batch", GLIA_ATTR_INT, true, 0}, {"time", GLIA_ATTR_INT, true, 0}, {0}};

static bool reverse_sequence_infer(glia_infer *x)
{
    if (!index_inputs(x, 2, 1) || !axis_of(x, x->attr[0].i) || !axis_of(x, x->attr[1].i)) return false;
    if (x->attr[0].i == x->attr[1].i || x->in[1].rank != 1)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0173",
                               "`reverse_sequence`: two axes, and one length per row");
    return same_dim(x, x->in[0].dims[x->attr[0].i], x->in[1].dims[0], (int)x->attr[0].i);
}

static void reverse_sequence_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int batch = (int)k->attr[0].i, time = (int)k->attr[1].i, axes = (batch > time ? batch : time) + 1;
    int64_t size = glia_dtype_get(y->dtype)->block_bytes, stride[GLIA_RANK_MAX];
    glia_dense_strides(x, stride);
    for (glia_box b = glia_box_rows(k, axes); b.more; glia_box_next(&b)) {
        int64_t len = glia_max(0, glia_min(x->dims[time], glia_get_i64(&k->in[1], b.index[batch])));
        int64_t from = 0, to = 0, t = b.index[time];
        glia_move m = {.rank = y->rank - axes};
        for (int a = 0; a < y->rank; a++) {
            int64_t at = a < axes ? b.index[a] : k->begin[a];
            to += at * stride[a];
            from += (a == time && t < len ? len - 1 - t : at) * stride[a];
            if (a < axes) continue;
            m.dims[a - axes] = k->end[a] - k->begin[a];
            m.to_stride[a - axes] = m.from_stride[a - axes] = stride[a];
        }
        glia_move_run(&m, (char *)y->data + to * size, (const char *)x->data + from * size, size);
    }
}

static void reverse_sequence_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("batch", n->attr[0].i), GLIA_INT("time", n->attr[1].i), {0}};
    din[0] = glia_build_attr(g, "reverse_sequence", attrs, 2, dout[0], n->in[1]);
}

static void reverse_sequence_sample(glia_sample *s)
{
    int64_t batch = s->pick(s->ctx, 0, 2), time = (batch + s->pick(s->ctx, 1, 2)) % 3;
    s->in_count = 2;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5)}};
    s->in[1] = (glia_type){GLIA_I64, 1, 0, {s->in[0].dims[batch]}};
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = 0, s->hi[1] = (double)s->in[0].dims[time];
    s->attrs[0] = (glia_attr_arg)GLIA_INT("batch", batch);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("time", time);
}

static bool reverse_sequence_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    for (int a = 0; a < glia_graph_value(g, n->in[0])->type.rank; a++)
        if (a != n->attr[1].i) glia_region_same(r, 0, a, a);
    glia_region_same(r, 1, 0, (int)n->attr[0].i);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_reverse_sequence = {
    .name = "reverse_sequence",
    .attrs = sequence_attrs,
    .infer = reverse_sequence_infer,
    .grad = reverse_sequence_grad,
    .regions = reverse_sequence_regions,
    .reference = reverse_sequence_reference,
    .sample = reverse_sequence_sample,
};
