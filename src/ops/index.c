/* Indexing along an axis: gather and its transpose scatter_add, one_hot, cumsum, top_k, triangles.
 *
 * Indices are trusted: a guard_range before the consumer excludes what is out of range. In gather and scatter_add a
 * negative index counts from the end of its axis. */
#include <math.h>

#include "ops/box.h"
#include "ops/build.h"
#include "ops/move.h"
#include "ops/ops.h"

static const glia_attr_spec axis_attrs[] = {{"axis", GLIA_ATTR_INT, false, 0}, {0}};
static const glia_attr_spec scatter_attrs[] = {
    {"axis", GLIA_ATTR_INT, false, 0}, {"dims", GLIA_ATTR_INTS, true, 0}, {0}};

static bool index_inputs(glia_infer *x)
{
    if (x->in_count < 2 || x->in[0].dtype == GLIA_DTYPE_NONE || x->in[1].dtype == GLIA_DTYPE_NONE)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`%s` takes a tensor and its indices", x->op->name);
    if (x->in[1].dtype != GLIA_I32 && x->in[1].dtype != GLIA_I64)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0167", "`%s`: indices are i32 or i64, not %s", x->op->name,
                               glia_dtype_name(x->in[1].dtype));
    if (glia_dtype_get(x->in[0].dtype)->block_elements != 1 || x->in[0].layout)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0160",
                               "`%s` moves single elements; %s is a block format or packed", x->op->name,
                               glia_dtype_name(x->in[0].dtype));
    return true;
}

/* ---- gather: the axis of x is replaced by the axes of the indices ----
 *     y[outer.., i.., inner..] = x[outer.., index[i..], inner..] */

static bool gather_infer(glia_infer *x)
{
    if (!index_inputs(x)) return false;
    const glia_type *in = &x->in[0], *index = &x->in[1];
    int64_t axis = x->attr[0].i;
    if (axis < 0 || axis >= in->rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0161", "`gather`: axis %lld of a tensor of rank %d",
                               (long long)axis, in->rank);
    if (in->rank + index->rank - 1 > GLIA_RANK_MAX)
        return glia_infer_fail(x, GLIA_E_LIMIT, "G0161", "`gather`: the result has more than %d axes",
                               GLIA_RANK_MAX);
    x->out_count = 1;
    x->out[0] = (glia_type){in->dtype, 0, 0, {0}};
    for (int a = 0; a < axis; a++) x->out[0].dims[x->out[0].rank++] = in->dims[a];
    for (int a = 0; a < index->rank; a++) x->out[0].dims[x->out[0].rank++] = index->dims[a];
    for (int a = (int)axis + 1; a < in->rank; a++) x->out[0].dims[x->out[0].rank++] = in->dims[a];
    return true;
}

static int64_t from_end(int64_t index, int64_t size) { return index < 0 ? index + size : index; }

/* All indices and all of `inner` for the leading axes' box: runs of memory. */
static void gather_runs(const glia_kargs *k, int64_t size, int64_t count, int64_t bytes)
{
    const glia_tensor *x = &k->in[0], *index = &k->in[1], *y = &k->out[0];
    for (glia_box b = glia_box_rows(k, (int)k->attr[0].i); b.more; glia_box_next(&b)) {
        const char *from = (const char *)x->data + b.row * size * bytes;
        char *to = (char *)y->data + b.row * count * bytes;
        for (int64_t i = 0; i < count; i++, to += bytes) {
            const char *at = from + from_end(glia_get_i64(index, i), size) * bytes;
            if (bytes == 4) memcpy(to, at, 4);
            else if (bytes == 8) memcpy(to, at, 8);
            else memcpy(to, at, (size_t)bytes);
        }
    }
}

/* y as [outer, count, inner], x as [outer, size, inner]. */
static void gather_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *index = &k->in[1], *y = &k->out[0];
    const int axis = (int)k->attr[0].i, lead = axis + index->rank;
    const int64_t size = x->dims[axis], count = glia_tensor_elements(index);
    int64_t bytes = glia_dtype_get(x->dtype)->block_bytes, stride[GLIA_RANK_MAX], inner = 1, first = 0;
    glia_move part = {.rank = y->rank - lead};
    bool all = true, whole = true; /* of the indices, of what lies behind them */
    glia_dense_strides(y, stride);
    for (int a = axis; a < lead; a++) all = all && k->begin[a] == 0 && k->end[a] == y->dims[a];
    for (int a = lead; a < y->rank; a++) {
        inner *= y->dims[a];
        first += k->begin[a] * stride[a];
        whole = whole && k->begin[a] == 0 && k->end[a] == y->dims[a];
        part.dims[a - lead] = k->end[a] - k->begin[a];
        part.to_stride[a - lead] = part.from_stride[a - lead] = stride[a];
    }
    if (all && whole && count * inner > 0) {
        gather_runs(k, size, count, inner * bytes);
        return;
    }
    for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
        const int64_t from = b.row / count * size + from_end(glia_get_i64(index, b.row % count), size);
        glia_move m = part;
        glia_move_run(&m, (char *)y->data + (b.row * inner + first) * bytes,
                      (const char *)x->data + (from * inner + first) * bytes, bytes);
    }
}

static void gather_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type x = *glia_build_type(g, n->in[0]);
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), GLIA_INTS("dims", x.dims, x.rank), {0}};
    din[0] = glia_build_attr(g, "scatter_add", attrs, 2, dout[0], n->in[1]);
}

static void gather_sample(glia_sample *s)
{
    int64_t axis = s->pick(s->ctx, 0, 2);
    s->in_count = 2;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5)}};
    s->in[1] =
        (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_I32 : GLIA_I64, (int16_t)s->pick(s->ctx, 0, 2), 0, {0}};
    for (int a = 0; a < s->in[1].rank; a++) s->in[1].dims[a] = s->pick(s->ctx, 1, 4);
    s->lo[0] = -1, s->hi[0] = 1, s->hi[1] = (double)(s->in[0].dims[axis] - 1);
    s->lo[1] = s->pick(s->ctx, 0, 1) ? (double)-s->in[0].dims[axis] : 0;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", axis);
}

static bool gather_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const int rank = glia_graph_value(g, n->in[0])->type.rank,
              wide = glia_graph_value(g, n->in[1])->type.rank;
    const int axis = (int)n->attr[0].i;
    for (int a = 0; a < rank; a++)
        if (a != axis) glia_region_same(r, 0, a, a < axis ? a : a + wide - 1);
    for (int a = 0; a < wide; a++) glia_region_same(r, 1, a, axis + a);
    glia_region_split(g, n, r);
    return true;
}

const glia_op glia_op_gather = {
    .name = "gather",
    .attrs = axis_attrs,
    .infer = gather_infer,
    .grad = gather_grad,
    .regions = gather_regions,
    .reference = gather_reference,
    .sample = gather_sample,
};

/* ---- scatter_add: the transpose of gather; dims is the shape of the result ----
 *     y[outer.., j, inner..] = sum of x[outer.., i.., inner..] over the i with index[i..] = j, in row-major
 * order */

static bool scatter_add_infer(glia_infer *x)
{
    if (!index_inputs(x)) return false;
    const glia_type *in = &x->in[0], *index = &x->in[1];
    int64_t axis = x->attr[0].i, rank = x->attr[1].i;
    if (!glia_is_class(in->dtype, GLIA_CLASS_FLOAT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0167", "`scatter_add` adds floats, not %s",
                               glia_dtype_name(in->dtype));
    if (rank > GLIA_RANK_MAX || axis < 0 || axis >= rank || in->rank != rank - 1 + index->rank)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0167",
                               "`scatter_add`: axis %lld, %lld sizes, values of rank %d and indices of rank "
                               "%d do not fit together",
                               (long long)axis, (long long)rank, in->rank, index->rank);
    for (int a = 0; a < in->rank; a++) {
        bool picked = a >= axis && a < axis + index->rank;
        glia_dim want = picked ? index->dims[a - axis] : x->attr[1].ints[a < axis ? a : a - index->rank + 1];
        if (in->dims[a] != want)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0167",
                                   "`scatter_add`: axis %d of the values has another size than the %s", a,
                                   picked ? "indices" : "result");
    }
    x->out_count = 1;
    x->out[0] = (glia_type){in->dtype, (int16_t)rank, 0, {0}};
    memcpy(x->out[0].dims, x->attr[1].ints, sizeof(glia_dim) * (size_t)rank);
    return true;
}

/* Adds x[outer, i, inner] into row j of the box; `part` is the box with its axis cut to [j, j + 1). */
static void scatter_one(const glia_kargs *part, int64_t i, int64_t count, int64_t inner, int64_t size)
{
    const glia_tensor *x = &part->in[0], *y = &part->out[0];
    for (glia_box b = glia_box_rows(part, y->rank); b.more; glia_box_next(&b)) {
        int64_t from = (b.row / (size * inner) * count + i) * inner + b.row % inner;
        if (y->dtype == GLIA_F64) glia_set_f64(y, b.row, glia_get_f64(y, b.row) + glia_get_f64(x, from));
        else glia_set_f32(y, b.row, glia_get_f32(y, b.row) + glia_get_f32(x, from));
    }
}

static void scatter_add_reference(const glia_kargs *k)
{
    const glia_tensor *index = &k->in[1], *y = &k->out[0];
    int axis = (int)k->attr[0].i;
    int64_t count = glia_tensor_elements(index), inner = 1, begin[GLIA_RANK_MAX], end[GLIA_RANK_MAX];
    for (int a = axis + 1; a < y->rank; a++) inner *= y->dims[a];
    for (glia_box b = glia_box_rows(k, y->rank); b.more; glia_box_next(&b)) glia_set_f32(y, b.row, 0.0f);
    memcpy(begin, k->begin, sizeof(int64_t) * (size_t)y->rank);
    memcpy(end, k->end, sizeof(int64_t) * (size_t)y->rank);
    glia_kargs part = *k;
    part.begin = begin;
    part.end = end;
    for (int64_t i = 0; i < count; i++) {
        int64_t j = from_end(glia_get_i64(index, i), y->dims[axis]);
        if (j < k->begin[axis] || j >= k->end[axis]) continue;
        begin[axis] = j;
        end[axis] = j + 1;
        scatter_one(&part, i, count, inner, y->dims[axis]);
    }
}

static void scatter_add_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), {0}};
    din[0] = glia_build_attr(g, "gather", attrs, 2, dout[0], n->in[1]);
}

static void scatter_add_sample(glia_sample *s)
{
    int64_t axis = s->pick(s->ctx, 0, 1), a = s->pick(s->ctx, 1, 5), b = s->pick(s->ctx, 1, 5),
            i = s->pick(s->ctx, 1, 6);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {axis ? a : i, axis ? i : b}};
    s->in[1] = (glia_type){GLIA_I32, 1, 0, {i}};
    s->ints[0] = a, s->ints[1] = b;
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = 0, s->hi[1] = (double)((axis ? b : a) - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", axis);
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("dims", s->ints, 2);
}

const glia_op glia_op_scatter_add = {
    .name = "scatter_add",
    .attrs = scatter_attrs,
    .infer = scatter_add_infer,
    .grad = scatter_add_grad,
    .reference = scatter_add_reference,
    .sample = scatter_add_sample,
};

/* ---- one_hot: 1 where the last axis equals the index, else 0; an index out of range gives zeros ---- */

static const glia_attr_spec one_hot_attrs[] = {
    {"depth", GLIA_ATTR_INT, true, 0}, {"to", GLIA_ATTR_DTYPE, false, GLIA_F32}, {0}};

static void one_hot_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int64_t n = glia_last_dim(y);
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        int64_t hot = glia_get_i64(x, b.row);
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            if (glia_is_float(y->dtype)) glia_set_f32(y, b.row * n + i, i == hot ? 1.0f : 0.0f);
            else glia_set_i64(y, b.row * n + i, i == hot);
        }
    }
}

static bool one_hot_infer(glia_infer *x)
{
    glia_dtype to = (glia_dtype)x->attr[1].i;
    if (!glia_is_class(to, GLIA_CLASS_FLOAT | GLIA_CLASS_INT | GLIA_CLASS_BOOL))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0167",
                               "`one_hot` makes floats, integers or booleans, not %s", glia_dtype_name(to));
    if (x->attr[0].i < 0) return glia_infer_fail(x, GLIA_E_ARG, "G0167", "`one_hot`: depth is negative");
    return true;
}

static void one_hot_sample(glia_sample *s)
{
    int64_t depth = s->pick(s->ctx, 1, 12);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_I32, 2, 0, {s->pick(s->ctx, 1, 4), s->pick(s->ctx, 1, 4)}};
    s->lo[0] = -1, s->hi[0] = (double)depth;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("depth", depth);
}

const glia_op glia_op_one_hot = {
    .name = "one_hot",
    .signature = "x: I[..] -> y: to[.., #depth]",
    .attrs = one_hot_attrs,
    .infer = one_hot_infer,
    .no_grad = "an index has no gradient",
    .reference = one_hot_reference,
    .sample = one_hot_sample,
};

/* ---- cumsum, cumprod along an axis: one ascending chain (reverse: descending), each with its own element ---- */

static const glia_attr_spec cumsum_attrs[] = {
    {"axis", GLIA_ATTR_INT, false, 0}, {"reverse", GLIA_ATTR_INT, false, 0}, {0}};

/* A hand rule: an element reads all those before it, which no signature says. */
static bool cumsum_infer(glia_infer *x)
{
    if (x->in_count < 1 || !glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0166", "`%s` takes floats or integers", x->op->name);
    if (x->attr[0].i < 0 || x->attr[0].i >= x->in[0].rank)
        return glia_infer_fail(x, GLIA_E_ARG, "G0161", "`%s`: axis %lld of a tensor of rank %d", x->op->name,
                               (long long)x->attr[0].i, x->in[0].rank);
    x->out_count = 1;
    x->out[0] = x->in[0];
    return glia_infer_plain(x);
}

/* Chains start at the axis' own end, wherever the box begins. The one that the output's dtype names is kept. */
static void cumulate(const glia_kargs *k, bool product)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int axis = (int)k->attr[0].i;
    const bool floats = glia_is_float(y->dtype);
    int64_t n = y->dims[axis], inner = 1, begin[GLIA_RANK_MAX], end[GLIA_RANK_MAX];
    for (int a = axis + 1; a < y->rank; a++) inner *= y->dims[a];
    memcpy(begin, k->begin, sizeof(int64_t) * (size_t)y->rank);
    memcpy(end, k->end, sizeof(int64_t) * (size_t)y->rank);
    begin[axis] = 0;
    end[axis] = k->end[axis] > k->begin[axis];
    glia_kargs lines = *k;
    lines.begin = begin;
    lines.end = end;
    for (glia_box b = glia_box_rows(&lines, y->rank); b.more; glia_box_next(&b)) {
        double wide = product;
        float sum = product;
        uint64_t whole = product;
        for (int64_t i = 0; i < n; i++) {
            int64_t j = k->attr[1].i ? n - 1 - i : i, at = b.row + j * inner;
            if (!floats) {
                uint64_t v = (uint64_t)glia_get_i64(x, at);
                whole = product ? whole * v : whole + v;
            } else if (y->dtype == GLIA_F64) {
                wide = product ? wide * glia_get_f64(x, at) : wide + glia_get_f64(x, at);
            } else {
                sum = product ? sum * glia_get_f32(x, at) : sum + glia_get_f32(x, at);
            }
            if (j < k->begin[axis] || j >= k->end[axis]) continue;
            if (!floats) glia_set_i64(y, at, (int64_t)whole);
            else if (y->dtype == GLIA_F64) glia_set_f64(y, at, wide);
            else glia_set_f32(y, at, sum);
        }
    }
}
static void cumsum_reference(const glia_kargs *k) { cumulate(k, false); }
static void cumprod_reference(const glia_kargs *k) { cumulate(k, true); }

static void cumsum_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("axis", n->attr[0].i), GLIA_INT("reverse", !n->attr[1].i), {0}};
    din[0] = glia_build_attr(g, "cumsum", attrs, 1, dout[0]);
}

static void cumsum_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 5)}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("axis", s->pick(s->ctx, 0, 2));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("reverse", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_cumprod = {
    .name = "cumprod",
    .attrs = cumsum_attrs,
    .infer = cumsum_infer,
    .no_grad = "the products that zeros leave have no rule by division",
    .reference = cumprod_reference,
    .sample = cumsum_sample,
};

const glia_op glia_op_cumsum = {
    .name = "cumsum",
    .attrs = cumsum_attrs,
    .infer = cumsum_infer,
    .grad = cumsum_grad,
    .reference = cumsum_reference,
    .sample = cumsum_sample,
};

/* ---- top_k: the k greatest (largest = 0: least) of the last axis with their indices ----
 * Best first; of equal elements the lower index first; NaN counts as the best. */

static const glia_attr_spec top_k_attrs[] = {
    {"k", GLIA_ATTR_INT, true, 0}, {"largest", GLIA_ATTR_INT, false, 1}, {0}};

typedef struct ranked {
    uint64_t key; /* greater: comes earlier */
    int64_t at;
} ranked;

/* Numbers as integers in the same order, the best greatest: NaN before all, -0 as 0. */
static uint64_t key_of(const glia_tensor *x, int64_t i, bool largest)
{
    uint64_t key;
    if (glia_is_float(x->dtype)) {
        double v = glia_get_f64(x, i) + 0.0;
        if (v != v) return UINT64_MAX;
        memcpy(&key, &v, sizeof key);
        key = key >> 63 ? ~key : key | (uint64_t)1 << 63;
    } else {
        key = (uint64_t)glia_get_i64(x, i);
        if (x->dtype != GLIA_U64) key ^= (uint64_t)1 << 63;
    }
    return largest ? key : ~key;
}

static bool earlier(ranked a, ranked b) { return a.key != b.key ? a.key > b.key : a.at < b.at; }

/* Puts v at the root of a heap whose root is the latest, and lets it sink. */
static void sink(ranked *heap, int64_t count, ranked v)
{
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && earlier(heap[child], heap[child + 1])) child++;
        if (!earlier(v, heap[child])) break;
        heap[i] = heap[child];
    }
    heap[i] = v;
}

static void rise(ranked *heap, int64_t i, ranked v)
{
    for (; i > 0 && earlier(heap[(i - 1) / 2], v); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

/* The first `count` of a row, in order, into the heap's memory. */
static void first_of_row(const glia_tensor *x, int64_t base, int64_t n, bool largest, ranked *heap,
                         int64_t count)
{
    for (int64_t i = 0; i < n; i++) {
        ranked v = {key_of(x, base + i, largest), i};
        if (i < count) rise(heap, i, v);
        else if (v.key > heap[0].key) sink(heap, count, v);
    }
    for (int64_t left = count - 1; left > 0; left--) {
        ranked last = heap[left];
        heap[left] = heap[0];
        sink(heap, left, last);
    }
}

static void top_k_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0], *where = &k->out[1];
    int64_t n = glia_last_dim(x), count = glia_last_dim(y), bytes = glia_dtype_get(x->dtype)->block_bytes;
    ranked *best = k->scratch;
    if (glia_box_end(k) <= glia_box_begin(k)) return;
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        first_of_row(x, b.row * n, n, k->attr[1].i != 0, best, glia_box_end(k));
        for (int64_t r = glia_box_begin(k); r < glia_box_end(k); r++) {
            memcpy((char *)y->data + (b.row * count + r) * bytes,
                   (const char *)x->data + (b.row * n + best[r].at) * bytes, (size_t)bytes);
            glia_set_i64(where, b.row * count + r, best[r].at);
        }
    }
}

static int64_t top_k_scratch(const glia_kargs *k)
{
    int64_t bytes;
    return glia_mul(k->attr[0].i, (int64_t)sizeof(ranked), &bytes) ? bytes : -1;
}

static bool top_k_infer(glia_infer *x)
{
    int64_t min, max, k = x->attr[0].i;
    if (!glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0167", "`top_k` compares floats or integers, not %s",
                               glia_dtype_name(x->in[0].dtype));
    glia_dim_bounds(x->g, x->in[0].dims[x->in[0].rank - 1], &min, &max);
    if (k < 0 || k > min)
        return glia_infer_fail(x, GLIA_E_ARG, "G0167",
                               "`top_k`: k is %lld; the last axis has at least %lld elements", (long long)k,
                               (long long)min);
    return glia_infer_plain(x);
}

/* Each value's gradient goes to its place: dx = sum over k of one_hot(i) * dv. */
static void top_k_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type x = *glia_build_type(g, n->in[0]);
    glia_dim depth = x.dims[x.rank - 1];
    if (glia_is_null(dout[0])) return;
    if (depth < 0) {
        glia_graph_fail(g, GLIA_E_UNSUPPORTED, "G0131",
                        "`top_k` over an axis of symbolic size has no gradient yet");
        return;
    }
    glia_attr_arg attrs[] = {GLIA_INT("depth", depth), GLIA_TYPE_ATTR("to", x.dtype), {0}};
    glia_value hot = glia_build_attr(g, "one_hot", attrs, 1, n->out[1]);
    glia_value spread = glia_build_unsqueeze(g, dout[0], x.rank);
    din[0] = glia_build_sum_axis(g, glia_build_call(g, "mul", 2, hot, spread), x.rank - 1);
}

static void top_k_sample(glia_sample *s)
{
    int64_t n = s->pick(s->ctx, 1, 20);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 4), n}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("k", s->pick(s->ctx, 1, n));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("largest", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_top_k = {
    .name = "top_k",
    .signature = "x: T[.., n!] -> v: T[.., #k], i: i64[.., #k]",
    .attrs = top_k_attrs,
    .infer = top_k_infer,
    .grad = top_k_grad,
    .scratch = top_k_scratch,
    .reference = top_k_reference,
    .sample = top_k_sample,
};

/* ---- tril, triu: the elements with j <= i + diagonal (j >= i + diagonal) of the last two axes; `value`
 * fills the rest, so tril with -inf is a causal mask ---- */

static const glia_attr_spec triangle_attrs[] = {
    {"diagonal", GLIA_ATTR_INT, false, 0}, {"value", GLIA_ATTR_FLOAT, false, 0}, {0}};

static void triangle(const glia_kargs *k, bool lower)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    int64_t n = glia_last_dim(y), diagonal = k->attr[0].i, bytes = glia_dtype_get(y->dtype)->block_bytes;
    int64_t value = 0;
    const glia_tensor one = {&value, NULL, 0, 0, y->dtype};
    if (glia_is_float(y->dtype)) glia_set_f64(&one, 0, k->attr[1].f);
    else glia_set_i64(&one, 0, (int64_t)k->attr[1].f);
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        int64_t begin = glia_box_begin(k), end = glia_box_end(k),
                cut = b.index[y->rank - 2] + diagonal + lower;
        cut = glia_max(begin, glia_min(end, cut)); /* the first element of the other side */
        int64_t low = lower ? begin : cut, high = lower ? cut : end;
        char *to = (char *)y->data + b.row * n * bytes;
        const char *from = (const char *)x->data + b.row * n * bytes;
        if (to != from) memcpy(to + low * bytes, from + low * bytes, (size_t)((high - low) * bytes));
        glia_move_fill(to + (lower ? cut : begin) * bytes, &value, lower ? end - cut : cut - begin, bytes);
    }
}

static void tril_reference(const glia_kargs *k) { triangle(k, true); }
static void triu_reference(const glia_kargs *k) { triangle(k, false); }

static void triangle_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("diagonal", n->attr[0].i), {0}};
    din[0] = glia_build_attr(g, n->op->name, attrs, 1, dout[0]);
}

static bool triangle_infer(glia_infer *x)
{
    double value = x->attr[1].f, far = 0x1p60;
    if (!(x->attr[0].i < (int64_t)far && x->attr[0].i > -(int64_t)far))
        return glia_infer_fail(x, GLIA_E_ARG, "G0171", "`%s`: a diagonal that far is none", x->op->name);
    if (!glia_is_float(x->in[0].dtype) && !(value >= -0x1p53 && value <= 0x1p53))
        return glia_infer_fail(x, GLIA_E_ARG, "G0171", "`%s`: the value %g is no integer", x->op->name,
                               value);
    return glia_infer_plain(x);
}

static void triangle_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] =
        (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 3), s->pick(s->ctx, 1, 6), s->pick(s->ctx, 1, 6)}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("diagonal", s->pick(s->ctx, -2, 2));
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("value", -2.0);
}

#define TRIANGLE(op)                                                                                         \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = "x: T[.., m, n] -> y: like(x)",                               \
                                  .traits = GLIA_INPLACE_0,                                                  \
                                  .infer = triangle_infer,                                                   \
                                  .attrs = triangle_attrs,                                                   \
                                  .grad = triangle_grad,                                                     \
                                  .reference = op##_reference,                                               \
                                  .sample = triangle_sample}
TRIANGLE(tril);
TRIANGLE(triu);
