/* Walking boxes and reading elements, for the reference kernels. Refuses nothing: what could go wrong was
 * settled when the graph was typed. */
#include "ops/box.h"

#include "tensor/lowbit.h"

glia_box glia_box_rows(const glia_kargs *k, int axes)
{
    glia_box b = {k->out[0].dims, k->begin, k->end, axes, true, 0, {0}};
    for (int a = 0; a < axes; a++) {
        if (k->end[a] <= k->begin[a]) b.more = false;
        b.index[a] = k->begin[a];
        b.row = b.row * b.dims[a] + b.index[a];
    }
    return b;
}

void glia_box_next(glia_box *b)
{
    int a = b->axes - 1;
    while (a >= 0 && ++b->index[a] >= b->end[a]) {
        b->index[a] = b->begin[a];
        a--;
    }
    if (a < 0) {
        b->more = false;
        return;
    }
    b->row = 0;
    for (a = 0; a < b->axes; a++) b->row = b->row * b->dims[a] + b->index[a];
}

int64_t glia_tensor_elements(const glia_tensor *t)
{
    int64_t n = 1;
    for (int a = 0; a < t->rank; a++) n *= t->dims[a];
    return n;
}

int64_t glia_box_count(const glia_kargs *k, int axes)
{
    int64_t n = 1;
    for (int a = 0; a < axes; a++) n *= glia_max(k->end[a] - k->begin[a], 0);
    return n;
}

static float lowbit_at(const glia_tensor *t, int64_t i)
{
    return glia_lowbit_to_f32(t->dtype, ((const uint8_t *)t->data)[i]);
}

double glia_get_f64(const glia_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case GLIA_F64: return ((const double *)t->data)[i];
    case GLIA_U64: return (double)((const uint64_t *)t->data)[i];
    case GLIA_F32:
    case GLIA_F16:
    case GLIA_BF16: return (double)glia_get_f32(t, i);
    default: return glia_is_lowbit(t->dtype) ? (double)lowbit_at(t, i) : (double)glia_get_i64(t, i);
    }
}

float glia_get_f32(const glia_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case GLIA_F32: return ((const float *)t->data)[i];
    case GLIA_F64: return (float)((const double *)t->data)[i];
    case GLIA_F16: return glia_f16_to_f32(((const uint16_t *)t->data)[i]);
    case GLIA_BF16: return glia_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case GLIA_U64: return (float)((const uint64_t *)t->data)[i];
    default: return glia_is_lowbit(t->dtype) ? lowbit_at(t, i) : (float)glia_get_i64(t, i);
    }
}

int64_t glia_get_i64(const glia_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case GLIA_I8:
    case GLIA_I4:
    case GLIA_I2: return ((const int8_t *)t->data)[i];
    case GLIA_I16: return ((const int16_t *)t->data)[i];
    case GLIA_I32: return ((const int32_t *)t->data)[i];
    case GLIA_I64: return ((const int64_t *)t->data)[i];
    case GLIA_U8:
    case GLIA_U4:
    case GLIA_U2: return ((const uint8_t *)t->data)[i];
    case GLIA_U16: return ((const uint16_t *)t->data)[i];
    case GLIA_U32: return ((const uint32_t *)t->data)[i];
    case GLIA_U64: return (int64_t)((const uint64_t *)t->data)[i];
    case GLIA_BOOL: return ((const uint8_t *)t->data)[i] != 0;
    default: return 0;
    }
}

/* An inexact result is cut towards zero and its last bit set. */
float glia_round_odd(double v)
{
    float f = (float)v;
    if ((double)f == v || v != v) return f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    double size = v < 0 ? -v : v;
    float size_f = f < 0 ? -f : f;
    if ((double)size_f > size) bits--;
    bits |= 1u;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void glia_set_f64(const glia_tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case GLIA_F64: ((double *)t->data)[i] = v; break;
    case GLIA_F32: ((float *)t->data)[i] = (float)v; break;
    default: glia_set_f32(t, i, glia_round_odd(v)); break;
    }
}

void glia_set_f32(const glia_tensor *t, int64_t i, float v)
{
    switch (t->dtype) {
    case GLIA_F32: ((float *)t->data)[i] = v; break;
    case GLIA_F64: ((double *)t->data)[i] = (double)v; break;
    case GLIA_F16: ((uint16_t *)t->data)[i] = glia_f32_to_f16(v); break;
    case GLIA_BF16: ((uint16_t *)t->data)[i] = glia_f32_to_bf16(v); break;
    default: /* casts to integers go through glia_set_i64 */
        if (glia_is_lowbit(t->dtype)) ((uint8_t *)t->data)[i] = glia_lowbit_from_f32(t->dtype, v, true);
        break;
    }
}

void glia_set_i64(const glia_tensor *t, int64_t i, int64_t v)
{
    switch (t->dtype) {
    case GLIA_I8:
    case GLIA_U8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case GLIA_I16:
    case GLIA_U16: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case GLIA_I32:
    case GLIA_U32: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    case GLIA_I64:
    case GLIA_U64: ((uint64_t *)t->data)[i] = (uint64_t)v; break;
    case GLIA_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
    case GLIA_U4: ((uint8_t *)t->data)[i] = (uint8_t)v & 15; break;
    case GLIA_U2: ((uint8_t *)t->data)[i] = (uint8_t)v & 3; break;
    case GLIA_I4: ((uint8_t *)t->data)[i] = (uint8_t)((((uint8_t)v & 15) ^ 8) - 8); break;
    case GLIA_I2: ((uint8_t *)t->data)[i] = (uint8_t)((((uint8_t)v & 3) ^ 2) - 2); break;
    default: glia_set_f64(t, i, (double)v); break;
    }
}

void glia_broadcast_strides(const glia_tensor *in, const glia_tensor *out, int64_t *stride)
{
    int64_t step = 1;
    for (int a = 0; a < out->rank; a++) stride[a] = 0;
    for (int a = in->rank - 1; a >= 0; a--) {
        int o = out->rank - in->rank + a;
        if (in->dims[a] != 1) stride[o] = step;
        step *= in->dims[a];
    }
}

double glia_tensor_cost(const glia_tensor *t)
{
    const glia_dtype_info *d = glia_dtype_get(t->dtype);
    return t->dtype == GLIA_DTYPE_NONE ? 0
                                       : (double)glia_tensor_elements(t) / d->block_elements * d->block_bytes;
}

bool glia_infer_plain(glia_infer *x)
{
    for (int i = 0; i < x->in_count; i++)
        if (x->in[i].layout)
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0160",
                                   "`%s`: input %d is a packed weight; write a `decode` before", x->op->name,
                                   i);
    return true;
}
