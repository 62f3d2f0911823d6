/* What families of host functions share (host_util.h). Data are moved block by block with memcpy; strings one handle
 * after the other, since each is a reference. */
#include "net/host_util.h"
#include "base/check.h"
#include "tensor/dtype.h"

#include <string.h>

/* ---- making */

glia_object *glia_host_strings(glia_host *h, int rank, const int64_t *dims)
{
    glia_object *o = glia_object_strings_in(glia_host_os(h), glia_host_account(h), rank, dims, NULL, NULL);
    if (!o) glia_host_no_object(h);
    return o;
}

glia_object *glia_host_sequence(glia_host *h, glia_object *const *items, int64_t count)
{
    glia_object *o = glia_object_sequence_in(glia_host_os(h), glia_host_account(h), items, count);
    if (!o) glia_host_no_object(h);
    return o;
}

glia_object *glia_host_like(glia_host *h, const glia_object *like, int rank, const int64_t *dims, void **data)
{
    void *mine = NULL;
    if (data) *data = NULL;
    if (glia_is_strings(like)) return glia_host_strings(h, rank, dims);
    return glia_host_tensor(h, like->dtype, rank, dims, data ? data : &mine);
}

glia_object *glia_host_scalar(glia_host *h, glia_dtype t, int64_t number)
{
    void *data;
    glia_object *o = glia_host_tensor(h, t, 0, NULL, &data);
    if (!o) return NULL;
    if (t == GLIA_I64) *(int64_t *)data = number;
    else *(uint8_t *)data = number != 0;
    return o;
}

glia_object *glia_host_empty(glia_host *h, const glia_onnx_type *type, int extra_rank,
                             const int64_t *extra_dims)
{
    const glia_onnx_type *of = type;
    while (of->kind != GLIA_ONNX_TENSOR && of->of) of = of->of;
    const glia_dtype t = glia_onnx_dtype(of->onnx_type);
    const bool strings = of->onnx_type == 8;
    if (type->kind == GLIA_ONNX_TENSOR) {
        int64_t dims[GLIA_RANK_MAX];
        int rank = 0;
        for (; rank < extra_rank; rank++) dims[rank] = extra_dims[rank];
        for (int i = 0; i < type->rank && rank < GLIA_RANK_MAX; i++)
            dims[rank++] = glia_max(type->dims[i], 0);
        void *data;
        return strings ? glia_host_strings(h, rank, dims) : glia_host_tensor(h, t, rank, dims, &data);
    }
    glia_object *o = NULL;
    if (type->kind == GLIA_ONNX_SEQUENCE) o = glia_host_sequence(h, NULL, 0);
    else if (type->kind == GLIA_ONNX_OPTIONAL &&
             !(o = glia_object_optional_in(glia_host_os(h), glia_host_account(h), NULL)))
        glia_host_no_object(h);
    else if (!o) glia_host_refuse(h, "an output without a value, of a type that has none when empty");
    if (!o) return NULL;
    o->of_strings = strings;
    o->of_sequence = type->kind == GLIA_ONNX_OPTIONAL && type->of && type->of->kind == GLIA_ONNX_SEQUENCE;
    o->dtype = t;
    return o;
}

/* ---- reading */

double glia_object_number(const glia_object *o, int64_t i)
{
    const void *p = o->data;
    switch (o->dtype) {
    case GLIA_F32: return (double)((const float *)p)[i];
    case GLIA_F64: return ((const double *)p)[i];
    case GLIA_I8: return ((const int8_t *)p)[i];
    case GLIA_I16: return ((const int16_t *)p)[i];
    case GLIA_I32: return ((const int32_t *)p)[i];
    case GLIA_I64: return (double)((const int64_t *)p)[i];
    case GLIA_U8:
    case GLIA_BOOL: return ((const uint8_t *)p)[i];
    case GLIA_U16: return ((const uint16_t *)p)[i];
    case GLIA_U32: return ((const uint32_t *)p)[i];
    case GLIA_U64: return (double)((const uint64_t *)p)[i];
    default: break;
    }
    const glia_dtype_info *info = glia_dtype_get(o->dtype);
    float f = 0;
    if (info->decode) info->decode((const char *)p + i * info->block_bytes, &f, 1);
    return (double)f;
}

int64_t glia_object_integer(const glia_object *o, int64_t i)
{
    if (o->dtype == GLIA_I64) return ((const int64_t *)o->data)[i];
    if (o->dtype == GLIA_U64) return (int64_t)((const uint64_t *)o->data)[i];
    const double v = glia_object_number(o, i);
    if (v != v) return 0;
    return v >= 9223372036854775808.0 ? INT64_MAX : v <= -9223372036854775808.0 ? INT64_MIN : (int64_t)v;
}

const glia_onnx_attr *glia_host_attr_of(const glia_host *h, const char *name, int32_t kind)
{
    const glia_onnx_attr *a = glia_host_attr(h, name);
    return a && a->kind == kind ? a : NULL;
}

glia_object *glia_host_need(glia_host *h, int i, glia_object_kind kind)
{
    static const char *const names[] = {"a tensor", "a tensor of strings", "a sequence", "an optional",
                                        "a map"};
    glia_object *o = glia_host_in(h, i);
    if (o && o->kind == kind) return o;
    glia_host_wrong(h, "G1041", "input %d is %s where %s is needed", i, o ? names[o->kind] : "left out",
                    names[kind]);
    return NULL;
}

glia_object *glia_host_need_numbers(glia_host *h, int i) { return glia_host_need(h, i, GLIA_OBJECT_TENSOR); }

bool glia_host_axis(glia_host *h, int64_t given, int rank, int *axis)
{
    const int64_t a = given < 0 ? given + rank : given;
    if (a >= 0 && a < rank) {
        *axis = (int)a;
        return true;
    }
    glia_host_fail(h, "axis %lld of a tensor of rank %d", (long long)given, rank);
    return false;
}

/* ---- moving */

void glia_object_copy_axis(glia_object *to, int64_t to_at, const glia_object *from, int64_t from_at,
                           int64_t count, int64_t before, int64_t to_dim, int64_t from_dim, int64_t after)
{
    if (glia_is_strings(to)) {
        const uint64_t *handles = glia_object_handles(from);
        for (int64_t b = 0; b < before; b++)
            for (int64_t i = 0; i < count * after; i++)
                glia_object_put_handle(to, (b * to_dim + to_at) * after + i,
                                       handles[(b * from_dim + from_at) * after + i]);
        return;
    }
    const int64_t size = glia_dtype_get(to->dtype)->block_bytes * after;
    if (!count || !size) return;
    for (int64_t b = 0; b < before; b++)
        memcpy((char *)to->data + (b * to_dim + to_at) * size,
               (const char *)from->data + (b * from_dim + from_at) * size, (size_t)(count * size));
}

static int64_t product(const int64_t *dims, int begin, int end)
{
    int64_t n = 1;
    for (int i = begin; i < end; i++) n *= dims[i];
    return n;
}

glia_object *glia_host_part(glia_host *h, glia_object *o, int axis, int64_t begin, int64_t end, bool drop)
{
    int64_t dims[GLIA_RANK_MAX];
    int rank = 0;
    for (int i = 0; i < o->rank; i++) {
        if (i == axis && drop) continue;
        dims[rank++] = i == axis ? end - begin : o->dims[i];
    }
    glia_object *part = glia_host_like(h, o, rank, dims, NULL);
    if (!part || !part->count) return part;
    glia_object_copy_axis(part, 0, o, begin, end - begin, product(o->dims, 0, axis), end - begin,
                          o->dims[axis], product(o->dims, axis + 1, o->rank));
    return part;
}

/* Whether b may stand beside a, all axes but `free_axis` equal; -1: all. */
static bool fits(const glia_object *a, const glia_object *b, int free_axis)
{
    if (a->kind != b->kind || a->rank != b->rank || (glia_is_tensor(a) && a->dtype != b->dtype)) return false;
    for (int i = 0; i < a->rank; i++)
        if (i != free_axis && a->dims[i] != b->dims[i]) return false;
    return true;
}

glia_object *glia_host_join(glia_host *h, glia_object *const *in, int64_t count, int axis, bool stack)
{
    const glia_object *first = in[0];
    int64_t dims[GLIA_RANK_MAX + 1], along = 0;
    for (int64_t i = 0; i < count; i++) {
        if ((!glia_is_tensor(in[i]) && !glia_is_strings(in[i])) || !fits(first, in[i], stack ? -1 : axis)) {
            glia_host_wrong(h, "G1043", "item %lld does not fit to the first one in kind, dtype or shape",
                            (long long)i);
            return NULL;
        }
        if (!glia_add(along, stack ? 1 : in[i]->dims[axis], &along)) {
            glia_host_no_object(h);
            return NULL;
        }
    }
    const int rank = first->rank + stack;
    if (rank > GLIA_RANK_MAX) {
        glia_host_refuse(h, "tensors of rank %d", rank);
        return NULL;
    }
    for (int i = 0, j = 0; i < rank; i++) {
        dims[i] = i == axis ? along : first->dims[j];
        j += !(stack && i == axis);
    }
    glia_object *out = glia_host_like(h, first, rank, dims, NULL);
    if (!out || !out->count) return out;
    const int64_t before = product(dims, 0, axis), after = product(dims, axis + 1, rank);
    for (int64_t i = 0, at = 0; i < count; i++) {
        const int64_t n = stack ? 1 : in[i]->dims[axis];
        glia_object_copy_axis(out, at, in[i], 0, n, before, along, n, after);
        at += n;
    }
    return out;
}
