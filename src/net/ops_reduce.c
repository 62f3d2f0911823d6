/* Reductions, extremes' places, cumulative sums, and what normalises over one axis to a distribution. */
#include <math.h>

#include "net/ops_words.h"

/* ---- reductions ------------------------------------------------------------------------------------------ */

/* Axes from the attribute, or since some version from input 1. *none: nothing is to be reduced. */
static bool axes_of(glia_emit *m, int64_t since, int64_t *axes, int *count, int rank, bool *none)
{
    uint32_t seen = 0;
    if (glia_emit_version(m) >= since) {
        if (!glia_emit_ints(m, 1, axes, GLIA_RANK_MAX, count)) return false;
    } else {
        *count = glia_emit_attr_ints(m, "axes", axes, GLIA_RANK_MAX);
        if (*count < 0) *count = 0;
    }
    *none = *count == 0 && glia_emit_int(m, "noop_with_empty_axes", 0) != 0;
    for (int i = 0; i < *count; i++) {
        int a;
        if (!glia_emit_axis(m, axes[i], rank, &a)) return false;
        if (seen >> a & 1) return glia_emit_fail(m, "axis %d is given twice", a);
        seen |= 1u << a;
        axes[i] = a;
    }
    for (int i = 0; *count == 0 && !*none && i < rank; i++) axes[i] = i;
    if (*count == 0 && !*none) *count = rank;
    return true;
}

typedef struct reduction {
    const char *name, *before, *op, *after;
    int since; /* the version in which axes became an input */
} reduction;

static const reduction reductions[] = {
    {"ReduceSum", NULL, "sum", NULL, 13},          {"ReduceMean", NULL, "mean", NULL, 18},
    {"ReduceMax", NULL, "reduce_max", NULL, 18},   {"ReduceMin", NULL, "reduce_min", NULL, 18},
    {"ReduceProd", NULL, "prod", NULL, 18},        {"ReduceL1", "abs", "sum", NULL, 18},
    {"ReduceL2", NULL, "sum_squares", "sqrt", 18}, {"ReduceSumSquare", NULL, "sum_squares", NULL, 18},
    {"ReduceLogSum", NULL, "sum", "log", 18},      {"ReduceLogSumExp", NULL, "log_sum_exp", NULL, 18},
};

/* Of no elements the extremes are the ends of the dtype. */
static double extreme_of(glia_dtype t, bool greatest)
{
    static const struct {
        glia_dtype type;
        double low, high;
    } ends[] = {{GLIA_I8, -0x1p7, 0x1p7 - 1},
                {GLIA_I16, -0x1p15, 0x1p15 - 1},
                {GLIA_I32, -0x1p31, 0x1p31 - 1},
                {GLIA_U8, 0, 0x1p8 - 1},
                {GLIA_U16, 0, 0x1p16 - 1},
                {GLIA_U32, 0, 0x1p32 - 1},
                {GLIA_BOOL, 0, 1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i].type == t) return greatest ? ends[i].low : ends[i].high;
    return greatest ? -INFINITY : INFINITY;
}

static glia_value empty_extreme(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, bool greatest)
{
    if (t != GLIA_I64 && t != GLIA_U64) return glia_emit_fill(m, t, rank, dims, extreme_of(t, greatest));
    const int64_t end = t == GLIA_U64 ? (greatest ? 0 : -1) : greatest ? INT64_MIN : INT64_MAX;
    return glia_emit_expand(m, glia_emit_constant(m, t, 0, NULL, &end), rank, dims);
}

/* On integers that the op has no form for: in f64, cut back. Sums of squares and means stay exact. */
static glia_value reduce_any(glia_emit *m, const reduction *r, glia_value x, const int64_t *axes, int count,
                             bool keep)
{
    const glia_dtype t = glia_emit_dtype(m, x);
    const bool squares = !strcmp(r->op, "sum_squares"), mean = !strcmp(r->op, "mean");
    if (glia_emit_is_float(m, x)) {
        glia_value v = r->before || r->after ? glia_word_wide(m, x) : x;
        if (r->before) v = glia_word_1(m, r->before, v);
        v = glia_word_reduce(m, r->op, v, axes, count, keep);
        return glia_emit_cast(m, r->after ? glia_word_1(m, r->after, v) : v, t);
    }
    if (t == GLIA_BOOL) x = glia_emit_cast(m, x, GLIA_U8);
    if (squares && !r->after)
        return glia_word_reduce(m, "sum", glia_emit_binary(m, "mul", x, x), axes, count, keep);
    if (mean || r->after || !strcmp(r->op, "log_sum_exp")) {
        glia_value v = glia_word_reduce(m, r->op, glia_emit_cast(m, x, GLIA_F64), axes, count, keep);
        return glia_emit_cast(m, r->after ? glia_word_1(m, r->after, v) : v, t);
    }
    if (r->before && !glia_word_is_unsigned(t)) x = glia_word_1(m, r->before, x);
    return glia_emit_cast(m, glia_word_reduce(m, r->op, x, axes, count, keep), t);
}

static bool emit_reduce(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_type t = *glia_emit_type(m, x);
    const bool keep = glia_emit_int(m, "keepdims", 1) != 0;
    int64_t axes[GLIA_RANK_MAX], dims[GLIA_RANK_MAX], elements = 1;
    int count = 0, rank = 0;
    bool none = false;
    const reduction *r = reductions;
    while (strcmp(r->name, glia_emit_op(m))) r++;
    if (!x.id || !axes_of(m, r->since, axes, &count, t.rank, &none)) return false;
    if (none && !r->before && !r->after && strcmp(r->op, "sum_squares") && strcmp(r->op, "log_sum_exp")) {
        glia_emit_set(m, 0, x);
        return true;
    }
    for (int a = 0; a < t.rank; a++) {
        bool reduced = false;
        for (int i = 0; i < count; i++) reduced |= axes[i] == a;
        if (reduced) elements *= t.dims[a];
        if (!reduced || keep) dims[rank++] = reduced ? 1 : t.dims[a];
    }
    if (elements == 0 && !strncmp(r->op, "reduce_m", 8)) {
        glia_emit_set(m, 0, empty_extreme(m, t.dtype, rank, dims, !strcmp(r->op, "reduce_max")));
        return true;
    }
    if (count == 0) { /* over no axis each element stands alone: an axis of one is put behind, and reduced */
        if (t.rank >= GLIA_RANK_MAX) return glia_emit_refuse(m, "a reduction of %d axes over none", t.rank);
        memcpy(dims, t.dims, sizeof dims);
        dims[t.rank] = 1;
        axes[0] = t.rank;
        x = glia_emit_reshape(m, x, t.rank + 1, dims);
        glia_emit_set(m, 0, reduce_any(m, r, x, axes, 1, false));
        return true;
    }
    glia_emit_set(m, 0, reduce_any(m, r, x, axes, count, keep));
    return true;
}

/* The last of equal extremes is the first from the other end. */
static bool emit_arg(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const char *op = !strcmp(glia_emit_op(m), "ArgMax") ? "argmax" : "argmin";
    const bool last = glia_emit_int(m, "select_last_index", 0) != 0,
               keep = glia_emit_int(m, "keepdims", 1) != 0;
    int axis;
    if (!x.id || !glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, x), &axis)) return false;
    const int64_t axes[] = {axis}, n = glia_emit_dim(m, x, axis);
    if (n == 0) return glia_emit_fail(m, "the extreme of no elements has no place");
    if (last) x = glia_emit_node(m, "flip", (glia_attr_arg[]){GLIA_INT("axis", axis), {0}}, 1, x);
    glia_value at = glia_word_reduce(m, op, x, axes, 1, keep);
    if (last) at = glia_emit_binary(m, "sub", glia_emit_scalar(m, GLIA_I64, (double)(n - 1)), at);
    glia_emit_set(m, 0, at);
    return true;
}

/* ---- cumulative ------------------------------------------------------------------------------------------- */

/* exclusive: the same of the elements before, shifted by one behind the empty sum or product. */
static bool emit_cumulate(glia_emit *m)
{
    const bool product = !strcmp(glia_emit_op(m), "CumProd"), reverse = glia_emit_int(m, "reverse", 0) != 0;
    glia_value x = glia_emit_in(m, 0);
    glia_type t = *glia_emit_type(m, x);
    double given;
    int axis;
    if (!x.id || !glia_emit_number(m, 1, &given) || !glia_emit_axis(m, (int64_t)given, t.rank, &axis))
        return false;
    const int64_t n = t.dims[axis];
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), GLIA_INT("reverse", reverse), {0}};
    glia_value y = glia_word_wide(m, x);
    if (glia_emit_int(m, "exclusive", 0) && n > 0) {
        t.dims[axis] = 1;
        glia_value first = glia_emit_fill(m, glia_emit_dtype(m, y), t.rank, t.dims, product);
        glia_value rest = glia_emit_slice(m, y, axis, reverse, reverse ? n : n - 1);
        if (n == 1) y = first;
        else y = glia_emit_concat(m, axis, 2, (glia_value[]){reverse ? rest : first, reverse ? first : rest});
    }
    y = glia_emit_node(m, product ? "cumprod" : "cumsum", attrs, 1, y);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t.dtype));
    return true;
}

/* ---- over one axis ------------------------------------------------------------------------------------------ */

static glia_value hard(glia_emit *m, glia_value v)
{
    const int64_t last[] = {-1};
    const glia_attr_arg attrs[] = {
        GLIA_INT("depth", glia_emit_dim(m, v, -1)), GLIA_TYPE_ATTR("to", glia_emit_dtype(m, v)), {0}};
    return glia_emit_node(m, "one_hot", attrs, 1, glia_word_reduce(m, "argmax", v, last, 1, false));
}

static glia_value over_last(glia_emit *m, glia_value v)
{
    const char *name = glia_emit_op(m);
    if (*name == 'H') return hard(m, v);
    return glia_word_1(m, *name == 'L' ? "log_softmax" : "softmax", v);
}

/* Before version 13 the axes from `axis` on were one, and the default was 1. */
static bool emit_softmax(glia_emit *m)
{
    const bool old = glia_emit_version(m) < 13;
    glia_value x = glia_emit_in(m, 0);
    const glia_type t = *glia_emit_type(m, x);
    int64_t rows = 1, columns = 1, given = glia_emit_int(m, "axis", old ? 1 : -1);
    int axis = 0;
    if (!x.id) return false;
    if (old && given == t.rank) axis = t.rank;
    else if (t.rank == 0 && (given == 0 || given == -1))
        return glia_emit_set(m, 0, glia_emit_fill(m, t.dtype, 0, NULL, *glia_emit_op(m) != 'L')), true;
    else if (!glia_emit_axis(m, given, t.rank, &axis)) return false;
    if (glia_emit_elements(m, x) == 0) {
        glia_emit_set(m, 0, x);
        return true;
    }
    if (!old) {
        glia_emit_set(m, 0, glia_word_move(m, over_last(m, glia_word_move(m, x, axis, false)), axis, true));
        return true;
    }
    for (int i = 0; i < t.rank; i++) *(i < axis ? &rows : &columns) *= t.dims[i];
    x = over_last(m, glia_emit_reshape(m, x, 2, (int64_t[]){rows, columns}));
    glia_emit_set(m, 0, glia_emit_reshape(m, x, t.rank, t.dims));
    return true;
}

const glia_net_op glia_net_ops_reduce[] = {
    {"", "ArgMax", emit_arg, NULL, 0},          {"", "ArgMin", emit_arg, NULL, 0},
    {"", "CumProd", emit_cumulate, NULL, 0},    {"", "CumSum", emit_cumulate, NULL, 0},
    {"", "Hardmax", emit_softmax, NULL, 0},     {"", "LogSoftmax", emit_softmax, NULL, 0},
    {"", "ReduceL1", emit_reduce, NULL, 0},     {"", "ReduceL2", emit_reduce, NULL, 0},
    {"", "ReduceLogSum", emit_reduce, NULL, 0}, {"", "ReduceLogSumExp", emit_reduce, NULL, 0},
    {"", "ReduceMax", emit_reduce, NULL, 0},    {"", "ReduceMean", emit_reduce, NULL, 0},
    {"", "ReduceMin", emit_reduce, NULL, 0},    {"", "ReduceProd", emit_reduce, NULL, 0},
    {"", "ReduceSum", emit_reduce, NULL, 0},    {"", "ReduceSumSquare", emit_reduce, NULL, 0},
    {"", "Softmax", emit_softmax, NULL, 0},     {0},
};
