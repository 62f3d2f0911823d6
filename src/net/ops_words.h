/* Small words in which the families of operators are written. Each passes null values through. */
#ifndef GLIA_NET_OPS_WORDS_H
#define GLIA_NET_OPS_WORDS_H

#include <string.h>

#include "net/emit.h"
#include "tensor/dtype.h"

static inline glia_value glia_word_1(glia_emit *m, const char *op, glia_value a)
{
    return glia_emit_node(m, op, NULL, 1, a);
}

static inline glia_value glia_word_where(glia_emit *m, glia_value c, glia_value a, glia_value b)
{
    return glia_emit_node(m, "where", NULL, 3, c, a, b);
}

static inline bool glia_word_narrow(glia_dtype t) { return t == GLIA_F16 || t == GLIA_BF16; }

/* Compositions run in f32 (or f64) and round once, as one kernel would. */
static inline glia_value glia_word_wide(glia_emit *m, glia_value v)
{
    return glia_word_narrow(glia_emit_dtype(m, v)) ? glia_emit_cast(m, v, GLIA_F32) : v;
}

static inline bool glia_word_is_int(glia_dtype t)
{
    return (glia_dtype_get(t)->classes & GLIA_CLASS_INT) != 0;
}
static inline bool glia_word_is_unsigned(glia_dtype t)
{
    return t == GLIA_U8 || t == GLIA_U16 || t == GLIA_U32 || t == GLIA_U64 || t == GLIA_BOOL;
}

/* A reduction over axes[count], which may not be none. */
static inline glia_value glia_word_reduce(glia_emit *m, const char *op, glia_value v, const int64_t *axes,
                                          int count, bool keep)
{
    return glia_emit_node(
        m, op, (glia_attr_arg[]){GLIA_INTS("axes", axes, count), GLIA_INT("keepdims", keep), {0}}, 1, v);
}

static inline glia_value glia_word_reshape1(glia_emit *m, glia_value v, int64_t n)
{
    return glia_emit_reshape(m, v, 1, &n);
}

/* v with `axis` moved to the end, or (back) the last axis moved to `axis`. */
static inline glia_value glia_word_move(glia_emit *m, glia_value v, int axis, bool back)
{
    int64_t perm[GLIA_RANK_MAX];
    const int rank = glia_emit_rank(m, v);
    for (int i = 0; i < rank; i++) {
        if (back) perm[i] = i < axis ? i : i == axis ? rank - 1 : i - 1;
        else perm[i] = i < axis ? i : i == rank - 1 ? axis : i + 1;
    }
    return rank ? glia_emit_transpose(m, v, perm) : v;
}

/* v [c] shaped to broadcast along `axis` of a tensor of `rank` axes. */
static inline glia_value glia_word_along(glia_emit *m, glia_value v, int axis, int rank)
{
    int64_t dims[GLIA_RANK_MAX];
    for (int i = 0; i < GLIA_RANK_MAX; i++) dims[i] = 1;
    dims[axis] = glia_emit_elements(m, v);
    return glia_emit_reshape(m, v, rank - axis < 1 ? 1 : rank - axis, dims + axis);
}

/* The reciprocal count and such: v's shape stays. */
static inline glia_value glia_word_affine(glia_emit *m, glia_value v, double scale, double offset)
{
    if (scale != 1) v = glia_emit_with(m, "mul", v, scale);
    return offset != 0 ? glia_emit_with(m, "add", v, offset) : v;
}

#endif
