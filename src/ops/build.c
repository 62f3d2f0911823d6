/* The words of gradient rules; see build.h. */
#include "ops/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tensor/dtype.h"

#define CALL_MAX 16

static glia_value call(glia_graph *g, const char *op, const glia_attr_arg *attrs, int count, va_list ap)
{
    glia_value in[CALL_MAX] = {{0}};
    for (int i = 0; i < count && i < CALL_MAX; i++) {
        in[i] = va_arg(ap, glia_value);
        if (glia_is_null(in[i])) return in[i];
    }
    return glia_graph_node(g, op, NULL, in, count, attrs);
}

glia_value glia_build_call(glia_graph *g, const char *op, int count, ...)
{
    va_list ap;
    va_start(ap, count);
    glia_value v = call(g, op, NULL, count, ap);
    va_end(ap);
    return v;
}

glia_value glia_build_attr(glia_graph *g, const char *op, const glia_attr_arg *attrs, int count, ...)
{
    va_list ap;
    va_start(ap, count);
    glia_value v = call(g, op, attrs, count, ap);
    va_end(ap);
    return v;
}

/* Value 0 of every graph is unused and has type NONE of rank 0, so a null value has a type too. */
const glia_type *glia_build_type(const glia_graph *g, glia_value v)
{
    static const glia_type none = {GLIA_DTYPE_NONE, 0, 0, {0}};
    return glia_is_null(v) ? &none : &glia_graph_value(g, v)->type;
}

bool glia_build_is_float(const glia_graph *g, glia_value v)
{
    return (glia_dtype_get(glia_build_type(g, v)->dtype)->classes & GLIA_CLASS_FLOAT) != 0;
}

/* Names are unique because the first free one from the count of values on is taken. */
static glia_value constant(glia_graph *g, glia_dtype t, const void *data)
{
    glia_type type = {t, 0, 0, {0}};
    int64_t id = g->value_count;
    char name[48];
    do snprintf(name, sizeof name, "scalar.%lld", (long long)id++);
    while (!glia_is_null(glia_graph_find(g, name)));
    return glia_graph_constant(g, name, &type, data);
}

glia_value glia_build_scalar(glia_graph *g, glia_value v, double number)
{
    glia_dtype t = glia_build_type(g, v)->dtype;
    float f = (float)number;
    uint16_t h = t == GLIA_F16 ? glia_f32_to_f16(f) : glia_f32_to_bf16(f);
    if (glia_is_null(v)) return v;
    return constant(g, t,
                    t == GLIA_F64   ? (const void *)&number
                    : t == GLIA_F32 ? (const void *)&f
                                    : (const void *)&h);
}

glia_value glia_build_i32(glia_graph *g, int32_t number) { return constant(g, GLIA_I32, &number); }

glia_value glia_build_scale(glia_graph *g, glia_value v, double number)
{
    return glia_build_call(g, "mul", 2, v, glia_build_scalar(g, v, number));
}

glia_value glia_build_cast(glia_graph *g, glia_value v, glia_dtype to)
{
    if (glia_is_null(v) || glia_build_type(g, v)->dtype == to) return v;
    glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", to), {0}};
    return glia_build_attr(g, "cast", attrs, 1, v);
}

glia_value glia_build_fill(glia_graph *g, glia_value v, double number)
{
    const glia_type t = *glia_build_type(g, v);
    return glia_build_expand(g, glia_build_scalar(g, v, number), t.dims, t.rank);
}

glia_value glia_build_reshape(glia_graph *g, glia_value v, const glia_dim *dims, int rank)
{
    const glia_type *t = glia_build_type(g, v);
    if (t->rank == rank && !memcmp(t->dims, dims, sizeof *dims * (size_t)rank)) return v;
    glia_attr_arg attrs[] = {GLIA_INTS("dims", dims, rank), {0}};
    return glia_build_attr(g, "reshape", attrs, 1, v);
}

glia_value glia_build_expand(glia_graph *g, glia_value v, const glia_dim *dims, int rank)
{
    const glia_type *t = glia_build_type(g, v);
    if (t->rank == rank && !memcmp(t->dims, dims, sizeof *dims * (size_t)rank)) return v;
    glia_attr_arg attrs[] = {GLIA_INTS("dims", dims, rank), {0}};
    return glia_build_attr(g, "expand", attrs, 1, v);
}

glia_value glia_build_rows(glia_graph *g, glia_value v)
{
    const glia_type t = *glia_build_type(g, v);
    if (glia_is_null(v) || t.rank == 2) return v;
    glia_dim dims[2] = {1, t.rank ? t.dims[t.rank - 1] : 1};
    for (int a = 0; a < t.rank - 1; a++) dims[0] = glia_dim_mul(g, dims[0], t.dims[a]);
    return glia_build_reshape(g, v, dims, 2);
}

glia_value glia_build_transpose(glia_graph *g, glia_value v)
{
    int rank = glia_build_type(g, v)->rank;
    int64_t perm[GLIA_RANK_MAX];
    if (rank < 2) return v;
    for (int a = 0; a < rank; a++) perm[a] = a;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    glia_attr_arg attrs[] = {GLIA_INTS("perm", perm, rank), {0}};
    return glia_build_attr(g, "transpose", attrs, 1, v);
}

static glia_value reduce(glia_graph *g, const char *op, glia_value v, int axis, int keep)
{
    int64_t axes[1] = {axis};
    glia_attr_arg attrs[] = {GLIA_INTS("axes", axes, 1), GLIA_INT("keepdims", keep), {0}};
    return glia_build_attr(g, op, attrs, 1, v);
}

glia_value glia_build_sum_axis(glia_graph *g, glia_value v, int axis) { return reduce(g, "sum", v, axis, 0); }
glia_value glia_build_sum_keep(glia_graph *g, glia_value v, int axis) { return reduce(g, "sum", v, axis, 1); }
glia_value glia_build_mean_keep(glia_graph *g, glia_value v, int axis)
{
    return reduce(g, "mean", v, axis, 1);
}

glia_value glia_build_sum_to(glia_graph *g, glia_value v, glia_value like)
{
    const glia_type from = *glia_build_type(g, v), to = *glia_build_type(g, like);
    int64_t axes[GLIA_RANK_MAX];
    int count = 0, lead = from.rank - to.rank;
    if (glia_is_null(v) || lead < 0) return v;
    for (int a = 0; a < from.rank; a++)
        if (a < lead || (to.dims[a - lead] == 1 && from.dims[a] != 1)) axes[count++] = a;
    if (count) {
        glia_attr_arg attrs[] = {GLIA_INTS("axes", axes, count), GLIA_INT("keepdims", 0), {0}};
        v = glia_build_attr(g, "sum", attrs, 1, v);
    }
    v = glia_build_reshape(g, v, to.dims, to.rank);
    return glia_build_cast(g, v, to.dtype);
}

glia_value glia_build_unsqueeze(glia_graph *g, glia_value v, int axis)
{
    const glia_type t = *glia_build_type(g, v);
    glia_dim dims[GLIA_RANK_MAX + 1];
    if (glia_is_null(v) || t.rank >= GLIA_RANK_MAX) return v;
    for (int a = 0, o = 0; o <= t.rank; o++) dims[o] = o == axis ? 1 : t.dims[a++];
    return glia_build_reshape(g, v, dims, t.rank + 1);
}
