/* Linear quantisation by scales and zero points that broadcast against the tensor (a scalar, one a channel as
 * [c, 1, 1], or one a block through a reshape).
 *
 *     quantize_linear     y = saturate(round(x / s) + z)      halves to even; NaN gives z
 *     dequantize_linear   y = (x - z) * s
 *
 * in f32, or f64 where s is. To floats of 8 bits and fewer there is no zero point: y = x / s converted, saturating. */
#include <math.h>

#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "tensor/lowbit.h"

static const glia_attr_spec quantize_attrs[] = {
    {"to", GLIA_ATTR_DTYPE, true, 0}, {"saturate", GLIA_ATTR_INT, false, 1}, {0}};

/* What integers the dtype holds; false for others. */
static bool range_of(glia_dtype t, double *low, double *high)
{
    static const struct {
        glia_dtype type;
        int32_t low, high;
    } table[] = {{GLIA_I8, -128, 127}, {GLIA_U8, 0, 255}, {GLIA_I16, -32768, 32767}, {GLIA_U16, 0, 65535},
                 {GLIA_I4, -8, 7},     {GLIA_U4, 0, 15},  {GLIA_I2, -2, 1},          {GLIA_U2, 0, 3}};
    for (int i = 0; i < GLIA_COUNT(table); i++)
        if (table[i].type == t) {
            *low = table[i].low;
            *high = table[i].high;
            return true;
        }
    return false;
}

/* The element of each input that belongs to place i of row b. */
typedef struct places {
    int64_t stride[3][GLIA_RANK_MAX + 1];
    int lead;
} places;

static places places_of(const glia_kargs *k)
{
    places p = {.lead = glia_leading(&k->out[0])};
    for (int i = 0; i < 3; i++) glia_broadcast_strides(&k->in[i], &k->out[0], p.stride[i]);
    return p;
}
static void at_row(const places *p, const glia_box *b, int64_t *at)
{
    for (int i = 0; i < 3; i++) {
        at[i] = 0;
        for (int a = 0; a < p->lead; a++) at[i] += b->index[a] * p->stride[i][a];
    }
}

static void quantize_one(const glia_kargs *k, const double *range, const int64_t *at, int64_t o)
{
    const glia_tensor *x = &k->in[0], *s = &k->in[1], *y = &k->out[0];
    const bool wide = s->dtype == GLIA_F64;
    const double q = wide ? glia_get_f64(x, at[0]) / glia_get_f64(s, at[1])
                          : (double)(glia_get_f32(x, at[0]) / glia_get_f32(s, at[1]));
    if (!range) {
        ((uint8_t *)y->data)[o] = glia_lowbit_from_f32(y->dtype, glia_round_odd(q), k->attr[1].i != 0);
        return;
    }
    const double v = (q == q ? rint(q) : 0) + (double)glia_get_i64(&k->in[2], at[2]);
    glia_set_i64(y, o, (int64_t)(v < range[0] ? range[0] : v > range[1] ? range[1] : v));
}

static void quantize_linear_reference(const glia_kargs *k)
{
    const places p = places_of(k);
    const int64_t n = glia_last_dim(&k->out[0]);
    double range[2];
    const bool integer = range_of(k->out[0].dtype, &range[0], &range[1]);
    for (glia_box b = glia_box_rows(k, p.lead); b.more; glia_box_next(&b)) {
        int64_t row[3], at[3];
        at_row(&p, &b, row);
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            for (int j = 0; j < 3; j++) at[j] = row[j] + i * p.stride[j][p.lead];
            quantize_one(k, integer ? range : NULL, at, b.row * n + i);
        }
    }
}

static void dequantize_linear_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *s = &k->in[1], *z = &k->in[2], *y = &k->out[0];
    const places p = places_of(k);
    const int64_t n = glia_last_dim(y);
    for (glia_box b = glia_box_rows(k, p.lead); b.more; glia_box_next(&b)) {
        int64_t row[3], at[3];
        at_row(&p, &b, row);
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            for (int j = 0; j < 3; j++) at[j] = row[j] + i * p.stride[j][p.lead];
            const double v = glia_get_f64(x, at[0]) - (double)glia_get_i64(z, at[2]);
            if (y->dtype == GLIA_F64) glia_set_f64(y, b.row * n + i, v * glia_get_f64(s, at[1]));
            else glia_set_f32(y, b.row * n + i, (float)v * glia_get_f32(s, at[1]));
        }
    }
}

static bool quantize_infer(glia_infer *x)
{
    const glia_dtype to = (glia_dtype)x->attr[0].i;
    double low, high;
    if (!range_of(to, &low, &high) && !glia_is_lowbit(to))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0191", "`quantize_linear` to %s", glia_dtype_name(to));
    return glia_infer_plain(x);
}

static bool dequantize_infer(glia_infer *x)
{
    double low, high;
    const glia_dtype from = x->in[0].dtype;
    if (!range_of(from, &low, &high) && !glia_is_lowbit(from) && from != GLIA_I32)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0191", "`dequantize_linear` from %s",
                               glia_dtype_name(from));
    return glia_infer_plain(x);
}

static void affine_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 4, out); }

/* A scalar, a channel or a whole tensor of scales. */
static void affine_sample(glia_sample *s)
{
    const int64_t m = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20), form = s->pick(s->ctx, 0, 2);
    s->in_count = 3;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {m, n}};
    s->in[1] = (glia_type){GLIA_F32, form ? 2 : 0, 0, {m, form == 1 ? 1 : n}};
    s->in[2] = s->in[1];
    s->in[2].dtype = GLIA_I32;
    s->lo[0] = -20, s->hi[0] = 20, s->lo[1] = 0.05, s->hi[1] = 0.2, s->lo[2] = 0, s->hi[2] = 5;
}
static void quantize_sample(glia_sample *s)
{
    affine_sample(s);
    s->attrs[0] = (glia_attr_arg)GLIA_TYPE_ATTR("to", s->pick(s->ctx, 0, 1) ? GLIA_I8 : GLIA_U8);
}
static void dequantize_sample(glia_sample *s)
{
    affine_sample(s);
    s->in[0].dtype = GLIA_I32;
}

const glia_op glia_op_quantize_linear = {
    .name = "quantize_linear",
    .signature = "x: F[..x], s: F[..y], z: i32[..w] -> y: to[..x^y^w]",
    .traits = GLIA_ELEMENTWISE,
    .attrs = quantize_attrs,
    .infer = quantize_infer,
    .no_grad = "rounding has no gradient",
    .cost = affine_cost,
    .reference = quantize_linear_reference,
    .sample = quantize_sample,
};

const glia_op glia_op_dequantize_linear = {
    .name = "dequantize_linear",
    .signature = "x: any[..x], s: F[..y], z: i32[..w] -> y: F[..x^y^w]",
    .traits = GLIA_ELEMENTWISE,
    .infer = dequantize_infer,
    .no_grad = "integers have no gradient, and scales are not trained",
    .cost = affine_cost,
    .reference = dequantize_linear_reference,
    .sample = dequantize_sample,
};
