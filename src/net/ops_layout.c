/* Operators that move elements and change none: shapes, axes, slices, joins, pads, repeats, and constants. */
#include "net/emitter.h"
#include "net/host.h"

#include "base/check.h"

#include <string.h>

enum {
    LONG = 32 /* numbers that a list may have, so that what is beyond the ranks built is refused by name */
};

static bool rank_fits(glia_emit *m, int64_t rank)
{
    return rank <= GLIA_RANK_MAX ||
           glia_emit_refuse(m, "a tensor of rank %lld; at most %d", (long long)rank, GLIA_RANK_MAX);
}

static bool emit_identity(glia_emit *m)
{
    glia_emit_set(m, 0, glia_emit_in(m, 0));
    return true;
}

static glia_status host_identity(glia_host *h)
{
    glia_host_set(h, 0, glia_object_retain(glia_host_in(h, 0)));
    return GLIA_OK;
}

/* ---- sizes ---- */

/* [start, end) of the axes, cut to them. */
static int span_of(int64_t start, int64_t end, int rank, int *first)
{
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = glia_max(0, glia_min(rank, start));
    end = glia_max(0, glia_min(rank, end));
    *first = (int)start;
    return end > start ? (int)(end - start) : 0;
}

static bool emit_shape(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int rank = glia_emit_rank(m, x), first;
    int count = span_of(glia_emit_int(m, "start", 0), glia_emit_int(m, "end", rank), rank, &first);
    int64_t dims[GLIA_RANK_MAX];
    for (int i = 0; i < count; i++) dims[i] = glia_emit_dim(m, x, first + i);
    if (x.id) glia_emit_set(m, 0, glia_emit_int_vector(m, dims, count));
    return true;
}

static glia_status host_shape(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    int rank = glia_object_rank(x), first;
    void *data;
    const int64_t count = span_of(glia_host_int(h, "start", 0), glia_host_int(h, "end", rank), rank, &first);
    glia_object *y = glia_host_tensor(h, GLIA_I64, 1, &count, &data);
    if (!y) return GLIA_E_NOMEM;
    if (count) memcpy(data, glia_object_dims(x) + first, (size_t)count * sizeof(int64_t));
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

static bool emit_size(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t n = glia_emit_elements(m, x);
    if (x.id) glia_emit_set(m, 0, glia_emit_constant(m, GLIA_I64, 0, NULL, &n));
    return true;
}

static glia_status host_size(glia_host *h)
{
    void *data;
    glia_object *y = glia_host_tensor(h, GLIA_I64, 0, NULL, &data);
    if (!y) return GLIA_E_NOMEM;
    *(int64_t *)data = glia_object_count(glia_host_in(h, 0));
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

/* ---- shapes ---- */

static bool emit_reshape(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t dims[LONG], known = 1, all = glia_emit_elements(m, x);
    int count = 0, open = -1;
    bool zero = glia_emit_int(m, "allowzero", 0) != 0;
    if (glia_emit_version(m) < 5) count = glia_emit_attr_ints(m, "shape", dims, LONG);
    else if (!glia_emit_ints(m, 1, dims, LONG, &count)) return false;
    if (count < 0) count = 0;
    if (!rank_fits(m, count)) return false;
    for (int i = 0; i < count; i++) {
        if (dims[i] == 0 && !zero) {
            if (i >= glia_emit_rank(m, x))
                return glia_emit_fail(m, "size %d is copied from an axis that x lacks", i);
            dims[i] = glia_emit_dim(m, x, i);
        }
        if (dims[i] < -1) return glia_emit_fail(m, "size %d is %lld", i, (long long)dims[i]);
        if (dims[i] == -1 && open >= 0) return glia_emit_fail(m, "two sizes are left open");
        if (dims[i] == -1) open = i;
        else if (!glia_mul(known, dims[i], &known)) return glia_emit_fail(m, "the sizes are too large");
    }
    if (open >= 0 && (known ? all % known : all))
        return glia_emit_fail(m, "the sizes do not divide the elements");
    if (open >= 0) dims[open] = known ? all / known : 0;
    glia_emit_set(m, 0, glia_emit_reshape(m, x, count, dims));
    return true;
}

static bool emit_flatten(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int rank = glia_emit_rank(m, x);
    int64_t axis = glia_emit_int(m, "axis", 1), dims[2] = {1, 1};
    if (axis < 0) axis += rank;
    if (axis < 0 || axis > rank) return glia_emit_fail(m, "axis %lld of rank %d", (long long)axis, rank);
    for (int i = 0; i < rank; i++) dims[i >= axis] *= glia_emit_dim(m, x, i);
    glia_emit_set(m, 0, glia_emit_reshape(m, x, 2, dims));
    return true;
}

/* Axes by attribute before `since`, by input 1 from there on; -1: none given. */
static bool axes_of(glia_emit *m, int64_t since, int64_t *axes, int *count)
{
    if (glia_emit_version(m) < since) {
        *count = glia_emit_attr_ints(m, "axes", axes, LONG);
        return true;
    }
    if (!glia_emit_ints(m, 1, axes, LONG, count)) return false;
    if (!glia_emit_has(m, 1)) *count = -1;
    return true;
}

static bool emit_squeeze(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t axes[LONG], dims[GLIA_RANK_MAX];
    int count, rank = glia_emit_rank(m, x), left = 0;
    uint32_t gone = 0;
    if (!axes_of(m, 13, axes, &count)) return false;
    for (int i = 0; i < count; i++) {
        int axis;
        if (!glia_emit_axis(m, axes[i], rank, &axis)) return false;
        if (glia_emit_dim(m, x, axis) != 1) return glia_emit_fail(m, "axis %d has not size 1", axis);
        gone |= 1u << axis;
    }
    for (int i = 0; i < rank; i++) {
        int64_t n = glia_emit_dim(m, x, i);
        if (count < 0 ? n == 1 : (gone >> i & 1)) continue;
        dims[left++] = n;
    }
    glia_emit_set(m, 0, glia_emit_reshape(m, x, left, dims));
    return true;
}

static bool emit_unsqueeze(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t axes[LONG], dims[GLIA_RANK_MAX];
    int count, rank = glia_emit_rank(m, x), from = 0;
    uint32_t added = 0;
    if (!axes_of(m, 13, axes, &count)) return false;
    if (count < 0) return glia_emit_fail(m, "the axes are missing");
    if (!rank_fits(m, rank + count)) return false;
    for (int i = 0; i < count; i++) {
        int axis;
        if (!glia_emit_axis(m, axes[i], rank + count, &axis)) return false;
        if (added >> axis & 1) return glia_emit_fail(m, "axis %d is added twice", axis);
        added |= 1u << axis;
    }
    for (int i = 0; i < rank + count; i++) dims[i] = added >> i & 1 ? 1 : glia_emit_dim(m, x, from++);
    glia_emit_set(m, 0, glia_emit_reshape(m, x, rank + count, dims));
    return true;
}

static bool emit_transpose(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t perm[GLIA_RANK_MAX];
    int rank = glia_emit_rank(m, x), count = glia_emit_attr_ints(m, "perm", perm, GLIA_RANK_MAX);
    uint32_t seen = 0;
    if (count > 0 && count != rank) return glia_emit_fail(m, "perm has %d entries for rank %d", count, rank);
    for (int i = 0; i < rank; i++) {
        int axis;
        if (count <= 0) perm[i] = rank - 1 - i;
        if (!glia_emit_axis(m, perm[i], rank, &axis)) return false;
        if (seen >> axis & 1) return glia_emit_fail(m, "perm names axis %d twice", axis);
        seen |= 1u << axis;
        perm[i] = axis;
    }
    glia_emit_set(m, 0, glia_emit_transpose(m, x, perm));
    return true;
}

/* ---- joins and cuts ---- */

static bool emit_concat(glia_emit *m)
{
    enum { AT_ONCE = 14 };
    int count = glia_emit_in_count(m), axis;
    glia_value have = glia_emit_in(m, 0);
    if (count < 1) return glia_emit_fail(m, "it joins nothing");
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", 1), glia_emit_rank(m, have), &axis)) return false;
    for (int at = 1; at < count;) {
        glia_value some[AT_ONCE];
        int n = 0;
        some[n++] = have;
        while (n < AT_ONCE && at < count) some[n++] = glia_emit_in(m, at++);
        have = glia_emit_concat(m, axis, n, some);
    }
    glia_emit_set(m, 0, have);
    return true;
}

static bool emit_split(glia_emit *m)
{
    enum { PARTS = 4096 };
    glia_value x = glia_emit_in(m, 0);
    int64_t sizes[PARTS], version = glia_emit_version(m), at = 0;
    int axis, count, given = -1;
    if (!glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, x), &axis)) return false;
    int64_t n = glia_emit_dim(m, x, axis);
    if (version >= 2 && version < 13) given = glia_emit_attr_ints(m, "split", sizes, PARTS);
    else if (version == 1 && glia_emit_has_attr(m, "split"))
        given = glia_emit_attr_ints(m, "split", sizes, PARTS);
    else if (glia_emit_has(m, 1) && !glia_emit_ints(m, 1, sizes, PARTS, &given)) return false;
    count = given >= 0 ? given : (int)glia_emit_int(m, "num_outputs", glia_emit_out_count(m));
    if (count < 1 || count > PARTS || glia_emit_out_count(m) > count)
        return glia_emit_fail(m, "it has %d outputs for %d parts", glia_emit_out_count(m), count);
    for (int i = 0; i < count; i++) {
        if (given < 0) {
            int64_t each = (n + count - 1) / count;
            if (version < 18 && n % count)
                return glia_emit_fail(m, "%lld is no multiple of %d", (long long)n, count);
            sizes[i] = glia_max(0, glia_min(each, n - at));
        }
        if (sizes[i] < 0 || sizes[i] > n - at) return glia_emit_fail(m, "the parts do not make up the axis");
        glia_emit_set(m, i, glia_emit_slice(m, x, axis, at, at + sizes[i]));
        at += sizes[i];
    }
    return at == n || glia_emit_fail(m, "the parts do not make up the axis");
}

/* One slice over every axis: places and steps, negative steps by a turn of the axis behind it. */
static glia_value slice_all(glia_emit *m, glia_value x, const int64_t *begin, const int64_t *size,
                            const int64_t *step)
{
    int rank = glia_emit_rank(m, x);
    int64_t low[GLIA_RANK_MAX], by[GLIA_RANK_MAX];
    bool whole = true;
    for (int a = 0; a < rank; a++) {
        by[a] = step[a] < 0 ? -step[a] : step[a];
        low[a] = step[a] < 0 && size[a] > 0 ? begin[a] + (size[a] - 1) * step[a] : begin[a];
        if (size[a] == 0) low[a] = 0;
        if (size[a] <= 1) by[a] = 1;
        whole = whole && low[a] == 0 && by[a] == 1 && size[a] == glia_emit_dim(m, x, a);
    }
    const glia_attr_arg attrs[] = {
        GLIA_INTS("begin", low, rank), GLIA_INTS("dims", size, rank), GLIA_INTS("step", by, rank), {0}};
    if (!whole) x = glia_emit_node(m, "slice", attrs, 1, x);
    for (int a = 0; a < rank; a++)
        if (step[a] < 0 && size[a] > 1)
            x = glia_emit_node(m, "flip", (glia_attr_arg[]){GLIA_INT("axis", a), {0}}, 1, x);
    return x;
}

/* starts, ends, axes, steps: attributes of version 1, inputs from version 10 on. */
static bool slice_numbers(glia_emit *m, int64_t lists[4][LONG], int *count)
{
    static const char *const names[] = {"starts", "ends", "axes"};
    for (int i = 0; i < 4; i++) {
        if (glia_emit_version(m) >= 10) {
            if (!glia_emit_ints(m, i + 1, lists[i], LONG, &count[i])) return false;
            if (!glia_emit_has(m, i + 1)) count[i] = -1;
        } else {
            count[i] = i < 3 ? glia_emit_attr_ints(m, names[i], lists[i], LONG) : -1;
        }
    }
    if (count[0] < 0 || count[0] != count[1] || (count[2] >= 0 && count[2] != count[0]) ||
        (count[3] >= 0 && count[3] != count[0]))
        return glia_emit_fail(m, "starts, ends, axes and steps do not fit together");
    return true;
}

static bool emit_slice(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t lists[4][LONG], begin[GLIA_RANK_MAX] = {0}, size[GLIA_RANK_MAX] = {0}, step[GLIA_RANK_MAX] = {0};
    int count[4], rank = glia_emit_rank(m, x);
    if (!slice_numbers(m, lists, count)) return false;
    for (int a = 0; a < rank; a++) size[a] = glia_emit_dim(m, x, a), step[a] = 1;
    for (int i = 0; i < count[0]; i++) {
        int axis;
        if (!glia_emit_axis(m, count[2] < 0 ? i : lists[2][i], rank, &axis)) return false;
        const int64_t n = glia_emit_dim(m, x, axis), by = count[3] < 0 ? 1 : lists[3][i];
        int64_t from = lists[0][i], to = lists[1][i];
        if (by == 0 || by < -INT64_MAX) return glia_emit_fail(m, "a step of %lld", (long long)by);
        if (from < 0) from = from < -n ? -1 : from + n;
        if (to < 0) to = to < -n ? -1 : to + n;
        from = glia_max(0, glia_min(by > 0 ? n : n - 1, from));
        to = by > 0 ? glia_max(0, glia_min(n, to)) : glia_max(-1, glia_min(n - 1, to));
        const int64_t far = by > 0 ? to - from : from - to, each = by > 0 ? by : -by;
        begin[axis] = from;
        step[axis] = by;
        size[axis] = far > 0 && n > 0 ? (far - 1) / each + 1 : 0;
    }
    glia_emit_set(m, 0, slice_all(m, x, begin, size, step));
    return true;
}

/* ---- pads ---- */

enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

/* Which element of an axis of n lies at place i beyond it. */
static int64_t pad_place(int mode, int64_t i, int64_t n)
{
    if (mode == PAD_EDGE || n == 1) return glia_max(0, glia_min(n - 1, i));
    const int64_t turn = mode == PAD_WRAP ? n : 2 * (n - 1);
    i = (i % turn + turn) % turn;
    return mode == PAD_REFLECT && i >= n ? turn - i : i;
}

static glia_value pad_axis(glia_emit *m, glia_value x, int axis, int mode, int64_t before, int64_t after)
{
    const int64_t n = glia_emit_dim(m, x, axis), count = before + n + after;
    int32_t *place = GLIA_NEW_ARRAY(&m->scratch, int32_t, count);
    if (!place) {
        glia_emit_fail(m, "an axis of %lld elements cannot be made", (long long)count);
        return (glia_value){0};
    }
    for (int64_t i = 0; i < count; i++) place[i] = (int32_t)pad_place(mode, i - before, n);
    glia_value index = glia_emit_constant(m, GLIA_I32, 1, &count, place);
    return glia_emit_node(m, "gather", (glia_attr_arg[]){GLIA_INT("axis", axis), {0}}, 2, x, index);
}

static glia_value pad_by(glia_emit *m, glia_value x, int mode, const int64_t *pads, double value)
{
    int rank = glia_emit_rank(m, x);
    int64_t begin[GLIA_RANK_MAX] = {0}, size[GLIA_RANK_MAX] = {0}, step[GLIA_RANK_MAX] = {0};
    int64_t before[GLIA_RANK_MAX] = {0}, dims[GLIA_RANK_MAX] = {0};
    bool grows = false;
    for (int a = 0; a < rank; a++) { /* what is negative is cut off first */
        const int64_t n = glia_emit_dim(m, x, a), low = glia_max(0, -pads[a]),
                      high = glia_max(0, -pads[rank + a]);
        if (low + high > n) {
            glia_emit_fail(m, "the pads of axis %d cut off more than it has", a);
            return (glia_value){0};
        }
        begin[a] = low, size[a] = n - low - high, step[a] = 1;
        before[a] = glia_max(0, pads[a]);
        dims[a] = size[a] + before[a] + glia_max(0, pads[rank + a]);
        grows = grows || dims[a] != size[a];
        if (mode != PAD_CONSTANT && size[a] == 0 && dims[a] > 0) {
            glia_emit_fail(m, "axis %d is empty and has nothing to repeat", a);
            return (glia_value){0};
        }
    }
    x = slice_all(m, x, begin, size, step);
    if (!grows) return x;
    if (mode == PAD_CONSTANT) {
        const glia_attr_arg attrs[] = {GLIA_INTS("before", before, rank),
                                       GLIA_INTS("dims", dims, rank),
                                       GLIA_FLOAT("value", value),
                                       {0}};
        return glia_emit_node(m, "pad", attrs, 1, x);
    }
    for (int a = 0; a < rank; a++)
        if (dims[a] != size[a]) x = pad_axis(m, x, a, mode, before[a], dims[a] - size[a] - before[a]);
    return x;
}

/* pads of the axes named, as [before.., after..] of all axes. */
static bool pads_of(glia_emit *m, int rank, int64_t *pads)
{
    int64_t given[2 * LONG], axes[LONG], version = glia_emit_version(m);
    int count = 0, named = -1;
    memset(pads, 0, sizeof *pads * 2 * GLIA_RANK_MAX);
    if (version < 11) count = glia_emit_attr_ints(m, version < 2 ? "paddings" : "pads", given, 2 * LONG);
    else if (!glia_emit_ints(m, 1, given, 2 * LONG, &count)) return false;
    if (version >= 18 && glia_emit_has(m, 3) && !glia_emit_ints(m, 3, axes, LONG, &named)) return false;
    const int each = named < 0 ? rank : named;
    if (count != 2 * each) return glia_emit_fail(m, "%d pads for %d axes", count, each);
    for (int i = 0; i < each; i++) {
        int axis = i;
        if (named >= 0 && !glia_emit_axis(m, axes[i], rank, &axis)) return false;
        pads[axis] = given[i];
        pads[rank + axis] = given[each + i];
        for (int j = 0; j < 2; j++)
            if (given[i + j * each] > (int64_t)1 << 40 || given[i + j * each] < -((int64_t)1 << 40))
                return glia_emit_fail(m, "a pad of %lld", (long long)given[i + j * each]);
    }
    return true;
}

static bool emit_pad(glia_emit *m)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    glia_value x = glia_emit_in(m, 0);
    const char *name = glia_emit_string(m, "mode", "constant");
    int64_t pads[2 * GLIA_RANK_MAX];
    double value = glia_emit_float(m, "value", 0);
    int mode = 0;
    while (mode < 4 && strcmp(name, modes[mode])) mode++;
    if (mode == 4) return glia_emit_fail(m, "mode `%.40s`", name);
    if (!pads_of(m, glia_emit_rank(m, x), pads)) return false;
    if (glia_emit_version(m) >= 11 && glia_emit_has(m, 2) && !glia_emit_number(m, 2, &value)) return false;
    glia_emit_set(m, 0, pad_by(m, x, mode, pads, value));
    return true;
}

static bool emit_center_crop_pad(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t sizes[LONG], axes[LONG], pads[2 * GLIA_RANK_MAX] = {0};
    int rank = glia_emit_rank(m, x), count, named = glia_emit_attr_ints(m, "axes", axes, LONG);
    if (!glia_emit_ints(m, 1, sizes, LONG, &count)) return false;
    if (count != (named < 0 ? rank : named)) return glia_emit_fail(m, "%d sizes for other axes", count);
    for (int i = 0; i < count; i++) {
        int axis = i;
        if (named >= 0 && !glia_emit_axis(m, axes[i], rank, &axis)) return false;
        int64_t more = sizes[i] - glia_emit_dim(m, x, axis);
        if (sizes[i] < 0) return glia_emit_fail(m, "a size of %lld", (long long)sizes[i]);
        /* Half before, rounded down; the rest behind. */
        pads[axis] = more < 0 ? -(-more / 2) : more / 2;
        pads[rank + axis] = more - pads[axis];
    }
    glia_emit_set(m, 0, pad_by(m, x, PAD_CONSTANT, pads, 0));
    return true;
}

/* ---- repeats ---- */

static bool emit_expand(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t dims[LONG];
    int count, rank = glia_emit_rank(m, x);
    if (!glia_emit_ints(m, 1, dims, LONG, &count) || !rank_fits(m, count)) return false;
    if (count < rank) {
        memmove(dims + rank - count, dims, (size_t)count * sizeof *dims);
        for (int a = 0; a < rank - count; a++) dims[a] = 1;
        count = rank;
    }
    for (int a = 0; a < count; a++)
        if (dims[a] < 0) return glia_emit_fail(m, "a size of %lld", (long long)dims[a]);
    for (int a = 0; a < rank; a++) {
        int64_t have = glia_emit_dim(m, x, a), *want = &dims[count - rank + a];
        if (*want == 1) *want = have;
        if (have != 1 && have != *want)
            return glia_emit_fail(m, "axis %d has size %lld and cannot become %lld", a, (long long)have,
                                  (long long)*want);
    }
    glia_emit_set(m, 0, glia_emit_expand(m, x, count, dims));
    return true;
}

/* Each axis with what lies behind it as one run, repeated. */
static glia_value tile_axis(glia_emit *m, glia_value x, int axis, int64_t times)
{
    glia_type t = *glia_emit_type(m, x);
    int64_t run[3] = {1, 1, 1};
    for (int a = 0; a < t.rank; a++) run[a < axis ? 0 : 2] *= t.dims[a];
    x = glia_emit_reshape(m, x, 3, run);
    run[1] = times;
    x = glia_emit_expand(m, x, 3, run);
    t.dims[axis] *= times;
    return glia_emit_reshape(m, x, t.rank, t.dims);
}

static bool emit_tile(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t times[LONG];
    int count, rank = glia_emit_rank(m, x);
    if (glia_emit_version(m) < 6) {
        int64_t tiles, axis;
        int one, at;
        if (!glia_emit_ints(m, 1, &tiles, 1, &one) || !glia_emit_ints(m, 2, &axis, 1, &count)) return false;
        if (!one || !count) return glia_emit_fail(m, "tiles and axis are one number each");
        if (!glia_emit_axis(m, axis, rank, &at)) return false;
        count = rank;
        for (int a = 0; a < rank; a++) times[a] = a == at ? tiles : 1;
    } else if (!glia_emit_ints(m, 1, times, LONG, &count)) {
        return false;
    }
    if (count != rank) return glia_emit_fail(m, "%d repeats for rank %d", count, rank);
    for (int a = rank - 1; a >= 0; a--) {
        int64_t all;
        if (times[a] < 0 || !glia_mul(glia_emit_dim(m, x, a), times[a], &all))
            return glia_emit_fail(m, "a repeat of %lld", (long long)times[a]);
        if (times[a] != 1) x = tile_axis(m, x, a, times[a]);
    }
    glia_emit_set(m, 0, x);
    return true;
}

/* ---- blocks and depth ---- */

static bool emit_depth_to_space(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t b = glia_emit_int(m, "blocksize", 0), d[4];
    bool crd = !strcmp(glia_emit_string(m, "mode", "DCR"), "CRD");
    if (glia_emit_rank(m, x) != 4) return glia_emit_fail(m, "the input has rank 4");
    for (int a = 0; a < 4; a++) d[a] = glia_emit_dim(m, x, a);
    if (b < 1 || b > 1 << 20 || d[1] % (b * b))
        return glia_emit_fail(m, "a block size of %lld", (long long)b);
    const int64_t c = d[1] / (b * b), dcr[6] = {d[0], b, b, c, d[2], d[3]},
                  cbb[6] = {d[0], c, b, b, d[2], d[3]};
    x = glia_emit_reshape(m, x, 6, crd ? cbb : dcr);
    x = glia_emit_transpose(m, x, crd ? (int64_t[]){0, 1, 4, 2, 5, 3} : (int64_t[]){0, 3, 4, 1, 5, 2});
    glia_emit_set(m, 0, glia_emit_reshape(m, x, 4, (int64_t[]){d[0], c, d[2] * b, d[3] * b}));
    return true;
}

static bool emit_space_to_depth(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t b = glia_emit_int(m, "blocksize", 0), d[4];
    bool crd = !strcmp(glia_emit_string(m, "mode", "DCR"), "CRD");
    if (glia_emit_rank(m, x) != 4) return glia_emit_fail(m, "the input has rank 4");
    for (int a = 0; a < 4; a++) d[a] = glia_emit_dim(m, x, a);
    if (b < 1 || b > 1 << 20 || d[2] % b || d[3] % b)
        return glia_emit_fail(m, "a block size of %lld", (long long)b);
    x = glia_emit_reshape(m, x, 6, (int64_t[]){d[0], d[1], d[2] / b, b, d[3] / b, b});
    x = glia_emit_transpose(m, x, crd ? (int64_t[]){0, 1, 3, 5, 2, 4} : (int64_t[]){0, 3, 5, 1, 2, 4});
    glia_emit_set(m, 0, glia_emit_reshape(m, x, 4, (int64_t[]){d[0], d[1] * b * b, d[2] / b, d[3] / b}));
    return true;
}

static bool emit_trilu(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t k = 0, far = (int64_t)1 << 50;
    int count;
    if (glia_emit_has(m, 1) && !glia_emit_ints(m, 1, &k, 1, &count)) return false;
    const glia_attr_arg attrs[] = {GLIA_INT("diagonal", glia_max(-far, glia_min(far, k))), {0}};
    if (glia_emit_rank(m, x) < 2) return glia_emit_fail(m, "the input has rank 2 at least");
    glia_emit_set(m, 0, glia_emit_node(m, glia_emit_int(m, "upper", 1) ? "triu" : "tril", attrs, 1, x));
    return true;
}

/* ---- constants ---- */

static bool emit_tensor(glia_emit *m, const glia_onnx_tensor *t)
{
    if (t->is_string) return glia_emit_host(m, "it holds strings");
    if (!t->data && t->bytes) return glia_emit_refuse(m, "a constant whose data lie in another file");
    const int rank = t->rank;
    glia_emit_set(m, 0, glia_emit_constant(m, t->dtype, rank, t->dims, t->data ? t->data : ""));
    return true;
}

static bool emit_constant(glia_emit *m)
{
    const glia_onnx_attr *a;
    if ((a = glia_emit_attr(m, "value")) || (a = glia_emit_attr(m, "sparse_value")))
        return a->t ? emit_tensor(m, a->t) : glia_emit_fail(m, "its value is no tensor");
    if (glia_emit_attr(m, "value_string") || glia_emit_attr(m, "value_strings"))
        return glia_emit_host(m, "it holds strings");
    glia_value v = {0};
    if ((a = glia_emit_attr(m, "value_float"))) v = glia_emit_constant(m, GLIA_F32, 0, NULL, &a->f);
    else if ((a = glia_emit_attr(m, "value_int"))) v = glia_emit_constant(m, GLIA_I64, 0, NULL, &a->i);
    else if ((a = glia_emit_attr(m, "value_floats")))
        v = glia_emit_constant(m, GLIA_F32, 1, &a->count, a->count ? (const void *)a->floats : "");
    else if ((a = glia_emit_attr(m, "value_ints")))
        v = glia_emit_constant(m, GLIA_I64, 1, &a->count, a->count ? (const void *)a->ints : "");
    else return glia_emit_fail(m, "it has no value");
    glia_emit_set(m, 0, v);
    return true;
}

static glia_status host_constant(glia_host *h)
{
    const glia_onnx_attr *a = glia_host_attr(h, "value");
    const glia_onnx_tensor *t = a ? a->t : NULL;
    const glia_onnx_text *texts = t ? t->strings : NULL;
    int64_t count = t ? t->count : 0, one = 0;
    int rank = t ? t->rank : 0;
    if (!t && (a = glia_host_attr(h, "value_string"))) texts = &a->s, count = 1;
    if (!t && (a = glia_host_attr(h, "value_strings"))) texts = a->strings, one = count = a->count, rank = 1;
    if (!a || (count && !texts)) return glia_host_fail(h, "it has no value");
    const glia_os *os = glia_host_os(h);
    glia_arena scratch;
    glia_arena_init(&scratch, os, 0);
    const char **text = GLIA_NEW_ARRAY(&scratch, const char *, count + 1);
    int64_t *size = GLIA_NEW_ARRAY(&scratch, int64_t, count + 1);
    glia_object *y = NULL;
    for (int64_t i = 0; text && size && i < count; i++) text[i] = texts[i].text, size[i] = texts[i].size;
    if (text && size) y = glia_object_strings(os, rank, t ? t->dims : &one, text, size);
    glia_arena_free(&scratch);
    if (!y) return glia_fail(glia_host_error(h), GLIA_E_NOMEM, "G0801", "no memory for a constant");
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

/* An element that all of the result is like. */
static bool emit_constant_of_shape(glia_emit *m)
{
    const glia_onnx_attr *a = glia_emit_attr(m, "value");
    const float zero = 0;
    int64_t dims[LONG];
    int count;
    if (!glia_emit_ints(m, 0, dims, LONG, &count) || !rank_fits(m, count)) return false;
    for (int i = 0; i < count; i++)
        if (dims[i] < 0) return glia_emit_fail(m, "a size of %lld", (long long)dims[i]);
    if (a && (!a->t || a->t->count != 1 || a->t->is_string || !a->t->data))
        return glia_emit_fail(m, "its value is no tensor of one number");
    glia_value v = glia_emit_constant(m, a ? a->t->dtype : GLIA_F32, 0, NULL, a ? a->t->data : &zero);
    glia_emit_set(m, 0, glia_emit_expand(m, v, count, dims));
    return true;
}

const glia_net_op glia_net_ops_layout[] = {
    {"", "Identity", emit_identity, host_identity, GLIA_NET_MOVES},
    {"", "Shape", emit_shape, host_shape, 0},
    {"", "Size", emit_size, host_size, 0},
    {"", "Reshape", emit_reshape, NULL, GLIA_NET_MOVES},
    {"", "Flatten", emit_flatten, NULL, GLIA_NET_MOVES},
    {"", "Squeeze", emit_squeeze, NULL, GLIA_NET_MOVES},
    {"", "Unsqueeze", emit_unsqueeze, NULL, GLIA_NET_MOVES},
    {"", "Transpose", emit_transpose, NULL, GLIA_NET_MOVES},
    {"", "Concat", emit_concat, NULL, GLIA_NET_MOVES},
    {"", "Split", emit_split, NULL, GLIA_NET_MOVES},
    {"", "Slice", emit_slice, NULL, GLIA_NET_MOVES},
    {"", "Pad", emit_pad, NULL, GLIA_NET_MOVES},
    {"", "CenterCropPad", emit_center_crop_pad, NULL, GLIA_NET_MOVES},
    {"", "Expand", emit_expand, NULL, GLIA_NET_MOVES},
    {"", "Tile", emit_tile, NULL, GLIA_NET_MOVES},
    {"", "DepthToSpace", emit_depth_to_space, NULL, 0},
    {"", "SpaceToDepth", emit_space_to_depth, NULL, 0},
    {"", "Trilu", emit_trilu, NULL, 0},
    {"", "Constant", emit_constant, host_constant, 0},
    {"", "ConstantOfShape", emit_constant_of_shape, NULL, 0},
    {0},
};
