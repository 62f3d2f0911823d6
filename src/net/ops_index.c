/* Operators that take elements by their places, and those whose results have as many as data decide: these run on
 * objects, unless what decides is known. */
#include "net/emitter.h"
#include "net/host.h"

#include "base/check.h"

#include <string.h>

/* Whether every index of a tuple lies in [-bound, bound) of its component. */
static bool in_bounds(const glia_tensor *t, const int64_t *bounds, int count)
{
    const int64_t n = glia_tensor_elements(t);
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = glia_get_i64(t, i), most = bounds[i % count];
        if (v < -most || v >= most) return false;
    }
    return true;
}

/* Input i as indices of i32 or i64: checked now where they are known, by a guard before their reader otherwise. */
static glia_value indices(glia_emit *m, int i, const int64_t *bounds, int count)
{
    glia_value v = glia_emit_in(m, i);
    if (!v.id) return v;
    if (glia_emit_dtype(m, v) != GLIA_I32) v = glia_emit_cast(m, v, GLIA_I64);
    const void *data = glia_emit_known(m, v);
    const glia_type type = *glia_emit_type(m, v);
    const glia_tensor t = {(void *)(uintptr_t)data, type.dims, type.rank, 0, type.dtype};
    if (data && in_bounds(&t, bounds, count)) return v;
    if (data) {
        glia_emit_fail(m, "an index is out of range");
        return (glia_value){0};
    }
    if (count > 1) {
        const glia_attr_arg attrs[] = {GLIA_INTS("bounds", bounds, count), {0}};
        return glia_emit_node(m, "guard_index", attrs, 1, v);
    }
    const glia_attr_arg attrs[] = {GLIA_INT("max", *bounds), GLIA_INT("min", -*bounds), {0}};
    return glia_emit_node(m, "guard_range", attrs, 1, v);
}

static bool emit_gather(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int axis;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, x), &axis)) return false;
    const int64_t n = glia_emit_dim(m, x, axis);
    glia_value index = indices(m, 1, &n, 1);
    if (glia_emit_rank(m, x) + glia_emit_rank(m, index) - 1 > GLIA_RANK_MAX)
        return glia_emit_refuse(m, "a result of more than %d axes", GLIA_RANK_MAX);
    glia_emit_set(m, 0,
                  glia_emit_node(m, "gather", (glia_attr_arg[]){GLIA_INT("axis", axis), {0}}, 2, x, index));
    return true;
}

static bool emit_gather_elements(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int axis;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, x), &axis)) return false;
    const int64_t n = glia_emit_dim(m, x, axis);
    glia_value index = indices(m, 1, &n, 1);
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "gather_elements", attrs, 2, x, index));
    return true;
}

/* The bounds of index tuples that name places behind `batch` axes of x. */
static int tuple_bounds(glia_emit *m, glia_value x, int64_t batch, int64_t *bounds)
{
    const int rank = glia_emit_rank(m, x), wide = glia_emit_rank(m, glia_emit_in(m, 1));
    const int64_t n = wide ? glia_emit_dim(m, glia_emit_in(m, 1), -1) : 0;
    if (n < 1 || batch < 0 || batch + n > rank || batch >= wide) {
        glia_emit_fail(m, "index tuples of %lld components for a tensor of rank %d", (long long)n, rank);
        return 0;
    }
    for (int64_t c = 0; c < n; c++) bounds[c] = glia_emit_dim(m, x, (int)(batch + c));
    return (int)n;
}

static bool emit_gather_nd(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t batch = glia_emit_int(m, "batch_dims", 0), bounds[GLIA_RANK_MAX];
    int n = tuple_bounds(m, x, batch, bounds);
    if (!n) return false;
    const glia_attr_arg attrs[] = {GLIA_INT("batch", batch), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "gather_nd", attrs, 2, x, indices(m, 1, bounds, n)));
    return true;
}

static bool reduction_of(glia_emit *m, int64_t *out)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    const char *name = glia_emit_string(m, "reduction", "none");
    for (*out = 0; *out < 5; ++*out)
        if (!strcmp(names[*out], name)) return true;
    return glia_emit_fail(m, "reduction `%.40s`", name);
}

static bool emit_scatter_elements(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t reduction;
    int axis;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, x), &axis) ||
        !reduction_of(m, &reduction))
        return false;
    const int64_t n = glia_emit_dim(m, x, axis);
    glia_value index = indices(m, 1, &n, 1);
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), GLIA_INT("reduction", reduction), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "scatter_elements", attrs, 3, x, index, glia_emit_in(m, 2)));
    return true;
}

static bool emit_scatter_nd(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t reduction, bounds[GLIA_RANK_MAX];
    int n = tuple_bounds(m, x, 0, bounds);
    if (!n || !reduction_of(m, &reduction)) return false;
    const glia_attr_arg attrs[] = {GLIA_INT("reduction", reduction), {0}};
    glia_emit_set(m, 0,
                  glia_emit_node(m, "scatter_nd", attrs, 3, x, indices(m, 1, bounds, n), glia_emit_in(m, 2)));
    return true;
}

/* v, whose elements the run checks to lie in [low, high). */
static glia_value guarded(glia_emit *m, glia_value v, int64_t low, int64_t high)
{
    const glia_attr_arg attrs[] = {GLIA_INT("max", high), GLIA_INT("min", low), {0}};
    return glia_emit_node(m, "guard_range", attrs, 1, v);
}

static bool emit_tensor_scatter(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), update = glia_emit_in(m, 1), where = glia_emit_in(m, 2);
    int axis;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", -2), glia_emit_rank(m, x), &axis)) return false;
    const bool circular = !strcmp(glia_emit_string(m, "mode", "linear"), "circular");
    const int64_t room = glia_emit_dim(m, x, axis) - glia_emit_dim(m, update, axis);
    if (room < 0) return glia_emit_fail(m, "the update is longer than the cache");
    if (where.id && !circular) where = guarded(m, where, 0, room + 1);
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "tensor_scatter", attrs, where.id ? 3 : 2, x, update, where));
    return true;
}

static bool emit_reverse_sequence(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), lens = glia_emit_in(m, 1);
    int batch, time, rank = glia_emit_rank(m, x);
    if (!glia_emit_axis(m, glia_emit_int(m, "batch_axis", 1), rank, &batch) ||
        !glia_emit_axis(m, glia_emit_int(m, "time_axis", 0), rank, &time))
        return false;
    const glia_attr_arg attrs[] = {GLIA_INT("batch", batch), GLIA_INT("time", time), {0}};
    lens = guarded(m, lens, 0, glia_emit_dim(m, x, time) + 1);
    glia_emit_set(m, 0, glia_emit_node(m, "reverse_sequence", attrs, 2, x, lens));
    return true;
}

/* Axis `from` becomes axis `to`; the others keep their order. */
static glia_value move_axis(glia_emit *m, glia_value x, int from, int to)
{
    int64_t perm[GLIA_RANK_MAX];
    int rank = glia_emit_rank(m, x), next = 0;
    for (int a = 0; a < rank; a++) {
        if (a == to) {
            perm[a] = from;
            continue;
        }
        if (next == from) next++;
        perm[a] = next++;
    }
    return glia_emit_transpose(m, x, perm);
}

static bool emit_top_k(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t k = glia_emit_int(m, "k", -1);
    int axis, rank = glia_emit_rank(m, x), count;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", -1), rank, &axis)) return false;
    if (glia_emit_version(m) >= 10 && !glia_emit_ints(m, 1, &k, 1, &count)) return false;
    if (k < 0 || k > glia_emit_dim(m, x, axis))
        return glia_emit_fail(m, "k is %lld of %lld elements", (long long)k,
                              (long long)glia_emit_dim(m, x, axis));
    const glia_attr_arg attrs[] = {
        GLIA_INT("k", k), GLIA_INT("largest", glia_emit_int(m, "largest", 1) != 0), {0}};
    glia_value v = glia_emit_node(m, "top_k", attrs, 1, move_axis(m, x, axis, rank - 1));
    glia_value i = glia_emit_output(m, v, 1);
    glia_emit_set(m, 0, move_axis(m, v, rank - 1, axis));
    glia_emit_set(m, 1, move_axis(m, i, rank - 1, axis));
    return true;
}

/* Indices count from the end where negative; those out of range are nowhere hot. */
static bool emit_one_hot(glia_emit *m)
{
    glia_value index = glia_emit_in(m, 0), values = glia_emit_in(m, 2);
    double depth;
    int axis, rank = glia_emit_rank(m, index) + 1;
    if (!glia_emit_number(m, 1, &depth)) return false;
    if (!(depth >= 0 && depth < 0x1p40)) return glia_emit_fail(m, "a depth of %g", depth);
    if (rank > GLIA_RANK_MAX) return glia_emit_refuse(m, "a result of more than %d axes", GLIA_RANK_MAX);
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", -1), rank, &axis)) return false;
    const int64_t n = (int64_t)depth;
    index = glia_emit_cast(m, index, GLIA_I64);
    index = glia_emit_node(m, "where", NULL, 3, glia_emit_with(m, "lt", index, 0),
                           glia_emit_with(m, "add", index, (double)n), index);
    const glia_attr_arg attrs[] = {GLIA_INT("depth", n), GLIA_TYPE_ATTR("to", GLIA_BOOL), {0}};
    glia_value hot = move_axis(m, glia_emit_node(m, "one_hot", attrs, 1, index), rank - 1, axis);
    glia_value off = glia_emit_reshape(m, glia_emit_slice(m, values, 0, 0, 1), 0, NULL);
    glia_value on = glia_emit_reshape(m, glia_emit_slice(m, values, 0, 1, 2), 0, NULL);
    glia_emit_set(m, 0, glia_emit_node(m, "where", NULL, 3, hot, on, off));
    return true;
}

/* ---- what data decide the size of ---- */

static bool is_set(const glia_tensor *t, int64_t i)
{
    return glia_is_float(t->dtype) ? glia_get_f64(t, i) != 0 : glia_get_i64(t, i) != 0;
}

/* Places of what is not zero, [rank, count]; out null: their count alone. */
static int64_t places_of(const glia_tensor *t, int64_t *out, int64_t count)
{
    const int64_t n = glia_tensor_elements(t);
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!is_set(t, i)) continue;
        int64_t rest = i;
        for (int a = t->rank - 1; a >= 0 && out; a--) {
            out[a * count + at] = rest % t->dims[a];
            rest /= t->dims[a];
        }
        if (out && t->rank == 0) out[at] = 0;
        at++;
    }
    return at;
}

static glia_tensor tensor_of(const glia_object *o)
{
    return (glia_tensor){(void *)(uintptr_t)glia_object_data(o), glia_object_dims(o),
                         (int16_t)glia_object_rank(o), 0, glia_object_dtype(o)};
}

static bool emit_non_zero(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const void *data = glia_emit_known(m, x);
    const glia_type type = *glia_emit_type(m, x);
    const glia_tensor t = {(void *)(uintptr_t)data, type.dims, type.rank, 0, type.dtype};
    if (!data) return glia_emit_host(m, "data decide how many elements are not zero");
    int64_t dims[2] = {glia_max(1, t.rank), places_of(&t, NULL, 0)};
    int64_t *places = GLIA_NEW_ARRAY(&m->scratch, int64_t, dims[0] * dims[1] + 1);
    if (!places) return glia_emit_fail(m, "there is no memory for its places");
    places_of(&t, places, dims[1]);
    glia_emit_set(m, 0, glia_emit_constant(m, GLIA_I64, 2, dims, places));
    return true;
}

static glia_status host_non_zero(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    if (!x || glia_object_kind_of(x) != GLIA_OBJECT_TENSOR)
        return glia_host_refuse(h, "its input is no tensor of numbers");
    const glia_tensor t = tensor_of(x);
    int64_t dims[2] = {glia_max(1, t.rank), places_of(&t, NULL, 0)};
    void *data;
    glia_object *y = glia_host_tensor(h, GLIA_I64, 2, dims, &data);
    if (!y) return GLIA_E_NOMEM;
    places_of(&t, data, dims[1]);
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

/* A gather of the places that the condition names. */
static glia_status host_compress(glia_host *h)
{
    const glia_object *condition = glia_host_in(h, 1);
    glia_object *x = glia_host_in(h, 0), *out[1] = {NULL}, *flat = NULL, *shape = NULL;
    const glia_onnx_attr *given = glia_host_attr(h, "axis");
    if (!x || !condition || glia_object_kind_of(condition) != GLIA_OBJECT_TENSOR)
        return glia_host_fail(h, "its condition is missing");
    const int rank = given ? glia_object_rank(x) : 1;
    int64_t axis = given ? given->i : 0, one = 1, minus = -1;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return glia_host_fail(h, "axis %lld of rank %d", (long long)axis, rank);
    const int64_t n = given ? glia_object_dims(x)[axis] : glia_object_count(x);
    const glia_tensor c = tensor_of(condition);
    int64_t count = 0, most = glia_min(n, glia_tensor_elements(&c)), at = 0;
    for (int64_t i = 0; i < most; i++) count += is_set(&c, i);
    void *data;
    glia_object *index = glia_host_tensor(h, GLIA_I64, 1, &count, &data);
    if (!index) return GLIA_E_NOMEM;
    for (int64_t i = 0; i < most; i++)
        if (is_set(&c, i)) ((int64_t *)data)[at++] = i;
    glia_status s = GLIA_OK;
    if (!given && (shape = glia_object_tensor(glia_host_os(h), GLIA_I64, 1, &one, &minus))) {
        s = glia_host_call(h, "", "Reshape", NULL, 0, (glia_object *[]){x, shape}, 2, &flat, 1);
        if (!s) x = flat;
    }
    const glia_onnx_attr attr = {.name = "axis", .kind = GLIA_ONNX_ATTR_INT, .i = axis, .count = 1};
    if (!s) s = glia_host_call(h, "", "Gather", &attr, 1, (glia_object *[]){x, index}, 2, out, 1);
    glia_object_release(index);
    glia_object_release(shape);
    glia_object_release(flat);
    if (!s) glia_host_set(h, 0, out[0]);
    return s;
}

/* ---- unique: slices along an axis (or elements), each once ---- */

typedef struct unique {
    glia_tensor x;
    const glia_object *strings; /* instead of x */
    int64_t outer, n, inner;    /* slice i: [outer, i, inner] */
} unique;

static int compare_elements(const unique *u, int64_t a, int64_t b)
{
    if (u->strings) {
        int64_t an, bn;
        const char *at = glia_object_string(u->strings, a, &an), *bt = glia_object_string(u->strings, b, &bn);
        int c = memcmp(at, bt, (size_t)glia_min(an, bn));
        return c ? c : (an > bn) - (an < bn);
    }
    if (glia_is_float(u->x.dtype)) { /* NaN last; each is its own */
        double p = glia_get_f64(&u->x, a), q = glia_get_f64(&u->x, b);
        return p < q ? -1 : p > q ? 1 : (p != p) - (q != q);
    }
    uint64_t turn = u->x.dtype == GLIA_U64 ? 0 : (uint64_t)1 << 63;
    uint64_t p = (uint64_t)glia_get_i64(&u->x, a) ^ turn, q = (uint64_t)glia_get_i64(&u->x, b) ^ turn;
    return (p > q) - (p < q);
}

static int compare_slices(const unique *u, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < u->outer; o++)
        for (int64_t i = 0; i < u->inner; i++) {
            int c = compare_elements(u, (o * u->n + a) * u->inner + i, (o * u->n + b) * u->inner + i);
            if (c) return c;
        }
    return 0;
}

/* Merges runs, so that equal slices stay in their order. */
static void sort_slices(const unique *u, int64_t *order, int64_t *other)
{
    for (int64_t run = 1; run < u->n; run *= 2) {
        for (int64_t low = 0; low < u->n; low += 2 * run) {
            int64_t mid = glia_min(low + run, u->n), high = glia_min(low + 2 * run, u->n), a = low, b = mid;
            for (int64_t k = low; k < high; k++)
                other[k] = b >= high || (a < mid && compare_slices(u, order[a], order[b]) <= 0) ? order[a++]
                                                                                                : order[b++];
        }
        memcpy(order, other, (size_t)u->n * sizeof *order);
    }
}

/* first[g], inverse[i], counts[g] of the groups in sorted order, or in the order of their first members. */
static int64_t group_slices(const unique *u, const int64_t *order, bool sorted, int64_t *first,
                            int64_t *inverse, int64_t *counts, int64_t *rank)
{
    int64_t groups = 0;
    for (int64_t k = 0; k < u->n; k++) {
        if (k == 0 || compare_slices(u, order[k - 1], order[k]))
            first[groups] = order[k], counts[groups++] = 0;
        inverse[order[k]] = groups - 1;
        counts[groups - 1]++;
    }
    if (sorted) return groups;
    /* rank[g]: place of group g by first member; members are met in order, so a scan numbers them. */
    int64_t next = 0;
    for (int64_t g = 0; g < groups; g++) rank[g] = -1;
    for (int64_t i = 0; i < u->n; i++) {
        int64_t g = inverse[i];
        if (rank[g] < 0) rank[g] = next++;
        inverse[i] = rank[g];
    }
    memset(counts, 0, (size_t)u->n * sizeof *counts);
    for (int64_t i = u->n - 1; i >= 0; i--) first[inverse[i]] = i, counts[inverse[i]]++;
    return groups;
}

static glia_object *int_vector(glia_host *h, const int64_t *v, int64_t count)
{
    void *data;
    glia_object *o = glia_host_tensor(h, GLIA_I64, 1, &count, &data);
    if (o && count) memcpy(data, v, (size_t)count * sizeof *v);
    return o;
}

static glia_status set_vectors(glia_host *h, const int64_t *first, const int64_t *inverse,
                               const int64_t *counts, int64_t groups, int64_t n)
{
    const int64_t *lists[] = {first, inverse, counts}, sizes[] = {groups, n, groups};
    for (int i = 0; i < 3; i++) {
        if (!glia_host_wants(h, i + 1)) continue;
        glia_object *o = int_vector(h, lists[i], sizes[i]);
        if (!o) return GLIA_E_NOMEM;
        glia_host_set(h, i + 1, o);
    }
    return GLIA_OK;
}

static glia_status unique_of(glia_host *h, unique *u, glia_object *x, int axis, bool given, int64_t *room)
{
    int64_t *order = room, *other = room + u->n, *first = other + u->n, *inverse = first + u->n,
            *counts = inverse + u->n, minus = -1, one = 1;
    glia_object *shape = NULL, *flat = NULL, *out[1] = {NULL}, *index = NULL;
    glia_status s = GLIA_OK;
    for (int64_t i = 0; i < u->n; i++) order[i] = i;
    sort_slices(u, order, other);
    int64_t groups =
        group_slices(u, order, glia_host_int(h, "sorted", 1) != 0, first, inverse, counts, other);
    if (!given) {
        shape = glia_object_tensor(glia_host_os(h), GLIA_I64, 1, &one, &minus);
        s = shape ? glia_host_call(h, "", "Reshape", NULL, 0, (glia_object *[]){x, shape}, 2, &flat, 1)
                  : GLIA_E_NOMEM;
        x = flat;
    }
    const glia_onnx_attr attr = {.name = "axis", .kind = GLIA_ONNX_ATTR_INT, .i = axis, .count = 1};
    if (!s && !(index = int_vector(h, first, groups))) s = GLIA_E_NOMEM;
    if (!s) s = glia_host_call(h, "", "Gather", &attr, 1, (glia_object *[]){x, index}, 2, out, 1);
    if (!s) glia_host_set(h, 0, out[0]);
    if (!s) s = set_vectors(h, first, inverse, counts, groups, u->n);
    glia_object_release(shape);
    glia_object_release(flat);
    glia_object_release(index);
    return s;
}

static glia_status host_unique(glia_host *h)
{
    glia_object *x = glia_host_in(h, 0);
    const glia_onnx_attr *given = glia_host_attr(h, "axis");
    if (!x || glia_object_kind_of(x) > GLIA_OBJECT_STRINGS)
        return glia_host_fail(h, "its input is no tensor");
    const int rank = glia_object_rank(x);
    int64_t axis = given ? given->i : 0;
    unique u = {.outer = 1, .n = glia_object_count(x), .inner = 1};
    if (glia_object_kind_of(x) == GLIA_OBJECT_STRINGS) u.strings = x;
    else u.x = tensor_of(x);
    if (given) {
        if (axis < 0) axis += rank;
        if (axis < 0 || axis >= rank) return glia_host_fail(h, "axis %lld of rank %d", (long long)axis, rank);
        u.n = glia_object_dims(x)[axis];
        for (int a = 0; a < rank; a++)
            *(a < axis ? &u.outer : &u.inner) *= a == axis ? 1 : glia_object_dims(x)[a];
    }
    glia_arena scratch;
    glia_arena_init(&scratch, glia_host_os(h), 0);
    int64_t *room = GLIA_NEW_ARRAY(&scratch, int64_t, 5 * u.n + 1);
    glia_status s = room ? unique_of(h, &u, x, (int)axis, given != NULL, room)
                         : glia_fail(glia_host_error(h), GLIA_E_NOMEM, "G0801",
                                     "no memory to sort %lld elements", (long long)u.n);
    glia_arena_free(&scratch);
    return s;
}

/* ---- non-maximum suppression ---- */

typedef struct box_list {
    const float *boxes; /* [n, 4] */
    const float *scores;
    bool center;
} box_list;

static float overlap(const box_list *l, int64_t i, int64_t j)
{
    float low[2][2], high[2][2], area[2];
    for (int k = 0; k < 2; k++) {
        const float *b = l->boxes + 4 * (k ? j : i);
        for (int a = 0; a < 2; a++) {
            float p = l->center ? b[a] - b[a + 2] / 2 : b[a], q = l->center ? b[a] + b[a + 2] / 2 : b[a + 2];
            low[k][a] = p < q ? p : q;
            high[k][a] = p < q ? q : p;
        }
        area[k] = (high[k][0] - low[k][0]) * (high[k][1] - low[k][1]);
    }
    float both = 1;
    for (int a = 0; a < 2; a++) {
        float p = low[0][a] > low[1][a] ? low[0][a] : low[1][a],
              q = high[0][a] < high[1][a] ? high[0][a] : high[1][a];
        if (!(q > p)) return 0;
        both *= q - p;
    }
    return area[0] > 0 && area[1] > 0 ? both / (area[0] + area[1] - both) : 0;
}

/* Candidates above the threshold, best first (a heap sorted in place); equal scores keep their order. */
static bool before(const box_list *l, int64_t i, int64_t j)
{
    return l->scores[i] > l->scores[j] || (l->scores[i] == l->scores[j] && i < j);
}
static void sift(const box_list *l, int64_t *heap, int64_t at, int64_t count)
{
    const int64_t v = heap[at];
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(l, heap[child], heap[child + 1])) child++;
        if (!before(l, v, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

static int64_t suppress(const box_list *l, int64_t *order, int64_t count, int64_t most, float threshold)
{
    int64_t kept = 0;
    for (int64_t i = count / 2 - 1; i >= 0; i--) sift(l, order, i, count);
    for (int64_t end = count - 1; end > 0; end--) {
        const int64_t t = order[0];
        order[0] = order[end];
        order[end] = t;
        sift(l, order, 0, end);
    }
    for (int64_t i = 0; i < count && kept < most; i++) {
        bool hidden = false;
        for (int64_t j = 0; j < kept && !hidden; j++) hidden = overlap(l, order[i], order[j]) > threshold;
        if (!hidden) order[kept++] = order[i];
    }
    return kept;
}

static double number_in(const glia_host *h, int i, double otherwise)
{
    const glia_object *o = glia_host_in(h, i);
    if (!o || glia_object_kind_of(o) != GLIA_OBJECT_TENSOR || glia_object_count(o) < 1) return otherwise;
    const glia_tensor t = tensor_of(o);
    return glia_get_f64(&t, 0);
}

static glia_status host_non_max_suppression(glia_host *h)
{
    const glia_object *boxes = glia_host_in(h, 0), *scores = glia_host_in(h, 1);
    if (!boxes || !scores || glia_object_dtype(boxes) != GLIA_F32 || glia_object_dtype(scores) != GLIA_F32 ||
        glia_object_rank(boxes) != 3 || glia_object_rank(scores) != 3 || glia_object_dims(boxes)[2] != 4 ||
        glia_object_dims(boxes)[0] != glia_object_dims(scores)[0] ||
        glia_object_dims(boxes)[1] != glia_object_dims(scores)[2])
        return glia_host_fail(h, "boxes are f32 [batch, n, 4], scores [batch, classes, n]");
    const int64_t batch = glia_object_dims(scores)[0], classes = glia_object_dims(scores)[1],
                  n = glia_object_dims(boxes)[1];
    const double most = glia_max(0, number_in(h, 2, 0)), least = number_in(h, 4, -1e300);
    const float threshold = (float)number_in(h, 3, 0);
    glia_arena scratch;
    glia_arena_init(&scratch, glia_host_os(h), 0);
    int64_t *order = GLIA_NEW_ARRAY(&scratch, int64_t, n + 1), *found = NULL, capacity = 0, total = 0;
    glia_status s = order ? GLIA_OK : GLIA_E_NOMEM;
    for (int64_t c = 0; c < batch * classes && !s; c++) {
        const box_list l = {(const float *)glia_object_data(boxes) + c / classes * n * 4,
                            (const float *)glia_object_data(scores) + c * n,
                            glia_host_int(h, "center_point_box", 0) != 0};
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++)
            if ((double)l.scores[i] > least) order[count++] = i;
        count = suppress(&l, order, count, most < (double)n ? (int64_t)most : n, threshold);
        for (int64_t i = 0; i < count && !s; i++, total++) {
            found = glia_arena_grow(&scratch, found, total, &capacity, 3 * sizeof *found);
            if (!found) s = GLIA_E_NOMEM;
            else
                found[3 * total] = c / classes, found[3 * total + 1] = c % classes,
                          found[3 * total + 2] = order[i];
        }
        if (!s) s = glia_host_tick(h);
    }
    void *data = NULL;
    glia_object *y = s ? NULL : glia_host_tensor(h, GLIA_I64, 2, (int64_t[]){total, 3}, &data);
    if (y && total) memcpy(data, found, (size_t)total * 3 * sizeof *found);
    glia_arena_free(&scratch);
    if (s == GLIA_E_NOMEM) glia_fail(glia_host_error(h), s, "G0801", "no memory for the boxes kept");
    if (!y) return s ? s : GLIA_E_NOMEM;
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

const glia_net_op glia_net_ops_index[] = {
    {"", "Gather", emit_gather, NULL, GLIA_NET_MOVES},
    {"", "GatherElements", emit_gather_elements, NULL, GLIA_NET_MOVES},
    {"", "GatherND", emit_gather_nd, NULL, GLIA_NET_MOVES},
    {"com.microsoft", "GatherND", emit_gather_nd, NULL, GLIA_NET_MOVES},
    {"", "Scatter", emit_scatter_elements, NULL, GLIA_NET_MOVES},
    {"", "ScatterElements", emit_scatter_elements, NULL, GLIA_NET_MOVES},
    {"", "ScatterND", emit_scatter_nd, NULL, GLIA_NET_MOVES},
    {"", "TensorScatter", emit_tensor_scatter, NULL, 0},
    {"", "ReverseSequence", emit_reverse_sequence, NULL, GLIA_NET_MOVES},
    {"", "TopK", emit_top_k, NULL, 0},
    {"", "OneHot", emit_one_hot, NULL, GLIA_NET_MOVES},
    {"", "NonZero", emit_non_zero, host_non_zero, 0},
    {"", "Compress", NULL, host_compress, 0},
    {"", "Unique", NULL, host_unique, 0},
    {"", "NonMaxSuppression", NULL, host_non_max_suppression, 0},
    {0},
};
