/* linear_act: the product, then its box once more while it lies in cache: what is added, and the activation. */
#include "ops/epilogue.h"

GLIA_INLINE v16 within(v16 x, v16 a, v16 b) { return v16_select_less(x, a, a, v16_select_less(b, x, b, x)); }
GLIA_INLINE v16 act_none(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return x;
}
GLIA_INLINE v16 act_relu(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return relu_of(x, x);
}
GLIA_INLINE v16 act_clip(v16 x, v16 a, v16 b) { return within(x, a, b); }
GLIA_INLINE v16 act_silu(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return silu_of(x, x);
}
GLIA_INLINE v16 act_sigmoid(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return sigmoid_of(x, x);
}
GLIA_INLINE v16 act_tanh(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return v16_tanh(x);
}
GLIA_INLINE v16 act_gelu(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return gelu_of(x, x);
}
GLIA_INLINE v16 act_gelu_erf(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return gelu_erf_of(x, x);
}
GLIA_INLINE v16 act_leaky_relu(v16 x, v16 a, v16 b)
{
    (void)b;
    return v16_select_less(v16_zero(), x, x, v16_mul(x, a));
}
GLIA_INLINE v16 act_hard_sigmoid(v16 x, v16 a, v16 b)
{
    return within(v16_add(v16_mul(x, a), b), v16_zero(), v16_set(1.0f));
}
GLIA_INLINE v16 act_hard_swish(v16 x, v16 a, v16 b) { return v16_mul(x, act_hard_sigmoid(x, a, b)); }

typedef v16 act_fn(v16 x, v16 a, v16 b);

GLIA_INLINE void finish_row(act_fn *f, float *y, const float *r, int64_t n, v16 a, v16 b)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        v16 v = v16_load(y + i);
        if (r) v = v16_add(v, v16_load(r + i));
        v16_store(y + i, f(v, a, b));
    }
    const int rest = (int)(n - i);
    if (!rest) return;
    v16 v = v16_load_n(y + i, rest);
    if (r) v = v16_add(v, v16_load_n(r + i, rest));
    v16_store_n(y + i, f(v, a, b), rest);
}

#define X(name, f32, f64)                                                                                    \
    static void finish_##name(float *y, const float *r, int64_t n, v16 a, v16 b)                             \
    {                                                                                                        \
        finish_row(act_##name, y, r, n, a, b);                                                               \
    }
#include "ops/epilogue.def"
#undef X

static void linear_act_f32(const glia_kargs *k)
{
    static void (*const finish[])(float *, const float *, int64_t, v16, v16) = {
#define X(name, f32, f64) finish_##name,
#include "ops/epilogue.def"
#undef X
    };
    const glia_tensor *y = &k->out[0], *r = k->in_count > 3 ? glia_optional(k, 3) : NULL;
    const int64_t n = glia_last_dim(y), begin = glia_box_begin(k), count = glia_box_end(k) - begin;
    const v16 a = v16_set((float)k->attr[1].f), b = v16_set((float)k->attr[2].f);
    linear_f32(k);
    for (glia_box box = glia_box_rows(k, glia_leading(y)); box.more; glia_box_next(&box)) {
        const int64_t at = box.row * n + begin;
        finish[k->attr[0].i]((float *)y->data + at, r ? (const float *)r->data + at : NULL, count, a, b);
    }
}
