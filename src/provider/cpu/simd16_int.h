/* More of simd16.h's integers: one number in all lanes, as floats, and as bytes. */
#ifndef GLIA_PROVIDER_CPU_SIMD16_INT_H
#define GLIA_PROVIDER_CPU_SIMD16_INT_H

#include "provider/cpu/simd16.h"

#if defined(__aarch64__)

GLIA_INLINE v16i v16i_set(int32_t v)
{
    const int32x4_t q = vdupq_n_s32(v);
    return v16i_four(q, q, q, q);
}
GLIA_INLINE v16 v16i_to_floats(v16i x)
{
    return v16_four(vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d));
}

#elif defined(__AVX512F__)

GLIA_INLINE v16i v16i_set(int32_t v) { return _mm512_set1_epi32(v); }
GLIA_INLINE v16 v16i_to_floats(v16i a) { return _mm512_cvtepi32_ps(a); }

#else

GLIA_INLINE v16i v16i_set(int32_t v) { return v16i_pair(_mm256_set1_epi32(v), _mm256_set1_epi32(v)); }
GLIA_INLINE v16 v16i_to_floats(v16i a)
{
    return v16_pair(_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi));
}

#endif

/* The low bytes. */
GLIA_INLINE void v16i_store_low(uint8_t *to, v16i a)
{
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(a));
#else
    int32_t t[16];
    v16i_store(t, a);
    for (int i = 0; i < 16; i++) to[i] = (uint8_t)t[i];
#endif
}

#endif
