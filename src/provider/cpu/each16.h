/* Elementwise functions of sixteen lanes, with the steps of base/fmath.c and of the operations' references. Those of
 * one number take a second one that they leave alone, so that one loop serves all. */
#ifndef GLIA_PROVIDER_CPU_EACH16_H
#define GLIA_PROVIDER_CPU_EACH16_H

#include "provider/cpu/simd16.h"

GLIA_INLINE v16 silu_of(v16 x, v16 unused)
{
    (void)unused;
    return v16_div(x, v16_add(v16_set(1.0f), v16_exp(v16_negate(x))));
}
GLIA_INLINE v16 swiglu_of(v16 gate, v16 up) { return v16_mul(silu_of(gate, gate), up); }
GLIA_INLINE v16 add_of(v16 a, v16 b) { return v16_add(a, b); }
GLIA_INLINE v16 sub_of(v16 a, v16 b) { return v16_sub(a, b); }
GLIA_INLINE v16 mul_of(v16 a, v16 b) { return v16_mul(a, b); }
GLIA_INLINE v16 div_of(v16 a, v16 b) { return v16_div(a, b); }
/* The steps of glia_gelu_tanhf (base/fmath.c). */
GLIA_INLINE v16 gelu_of(v16 x, v16 unused)
{
    (void)unused;
    const v16 t = v16_fma(v16_mul(v16_set(0.044715f), v16_mul(x, x)), x, x);
    return v16_div(x, v16_add(v16_set(1.0f), v16_exp(v16_mul(t, v16_set(-0x1.988454p+0f)))));
}
/* (0.5 x) (1 + erf(x sqrt(1/2))) */
GLIA_INLINE v16 gelu_erf_of(v16 x, v16 unused)
{
    (void)unused;
    const v16 erf = v16_erf(v16_mul(x, v16_set(0x1.6a09e6p-1f)));
    return v16_mul(v16_mul(v16_set(0.5f), x), v16_add(v16_set(1.0f), erf));
}
GLIA_INLINE v16 erf_of(v16 x, v16 unused)
{
    (void)unused;
    return v16_erf(x);
}
GLIA_INLINE v16 exp_of(v16 x, v16 unused)
{
    (void)unused;
    return v16_exp(x);
}
GLIA_INLINE v16 sigmoid_of(v16 x, v16 unused)
{
    (void)unused;
    const v16 one = v16_set(1.0f);
    return v16_div(one, v16_add(one, v16_exp(v16_negate(x))));
}
GLIA_INLINE v16 tanh_of(v16 x, v16 unused)
{
    (void)unused;
    return v16_tanh(x);
}
/* NaN where x is NaN; the sum makes 0 of -0. */
GLIA_INLINE v16 relu_of(v16 x, v16 unused)
{
    (void)unused;
    return v16_add(v16_max(v16_zero(), x), v16_zero());
}

#endif
