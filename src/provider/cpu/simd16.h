/* Sixteen lanes of f32 on any instruction set: one zmm register, two ymm registers, or four of NEON. The
 * numeric specification speaks of 16 lanes everywhere, so that a body written over these words has one order
 * of operations on all of them. Included by translation units that are built for one set; everything is
 * inline. */
#ifndef GLIA_PROVIDER_CPU_SIMD16_H
#define GLIA_PROVIDER_CPU_SIMD16_H

#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define GLIA_INLINE static inline __attribute__((always_inline))
/* For what is large and runs seldom: inlined at each of its calls it would cost more time to compile than to
 * run. */
#define GLIA_NOINLINE __attribute__((noinline))
/* In front of loops over the registers of a tile: their arrays have to become registers. */
#if defined(__clang__)
#define GLIA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GLIA_UNROLL _Pragma("GCC unroll 16")
#endif

GLIA_INLINE void glia_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

#if defined(__aarch64__)

#include "provider/cpu/simd16_neon.h"

#else

GLIA_INLINE uint16_t f16_of(float f)
{
    return (uint16_t)_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(f), _MM_FROUND_TO_NEAREST_INT), 0);
}

#if defined(__AVX512F__)

typedef __m512 v16;
typedef __m512i v16i;

GLIA_INLINE v16 v16_zero(void) { return _mm512_setzero_ps(); }
GLIA_INLINE v16 v16_set(float f) { return _mm512_set1_ps(f); }
GLIA_INLINE v16 v16_load(const void *p) { return _mm512_loadu_ps(p); }
GLIA_INLINE void v16_store(void *p, v16 a) { _mm512_storeu_ps(p, a); }
/* The first n lanes, 0 <= n <= 16; the others are zero and their memory is not touched. */
GLIA_INLINE v16 v16_load_n(const void *p, int n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
GLIA_INLINE void v16_store_n(void *p, v16 a, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}
/* The lanes of a mask; p is where lane 0 would be. */
GLIA_INLINE void v16_store_lanes(float *p, v16 a, uint32_t lanes)
{
    _mm512_mask_storeu_ps(p, (__mmask16)lanes, a);
}
GLIA_INLINE v16 v16_load_lanes(const float *p, uint32_t lanes)
{
    return _mm512_maskz_loadu_ps((__mmask16)lanes, p);
}
/* p[0], p[2], .. p[2 (n - 1)], and zeros; nothing beyond them is read. */
GLIA_INLINE v16 v16_load_second(const float *p, int n)
{
    const uint32_t lanes = n > 0 ? (uint32_t)((1ull << (2 * n - 1)) - 1) : 0;
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const v16 v = _mm512_permutex2var_ps(_mm512_maskz_loadu_ps((__mmask16)lanes, p), even,
                                         _mm512_maskz_loadu_ps((__mmask16)(lanes >> 16), p + 16));
    return _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v);
}
GLIA_INLINE v16 v16_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
/* All lanes the one F16 at p. */
GLIA_INLINE v16 v16_set_f16(const void *p)
{
    int16_t h;
    memcpy(&h, p, sizeof h);
    return _mm512_cvtph_ps(_mm256_set1_epi16(h));
}
GLIA_INLINE v16 v16_load_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
}
GLIA_INLINE void v16_store_f16(void *p, v16 a)
{
    _mm256_storeu_si256(p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
GLIA_INLINE v16 v16_load_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
GLIA_INLINE v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
GLIA_INLINE v16 v16_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
GLIA_INLINE v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
GLIA_INLINE v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }   /* a b + c */
GLIA_INLINE v16 v16_fnma(v16 a, v16 b, v16 c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a b */
/* a > b ? a : b, so that a NaN gives b; likewise below. */
GLIA_INLINE v16 v16_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
GLIA_INLINE v16 v16_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
/* The greater one, a if they are equal, NaN if one of them is. */
GLIA_INLINE v16 v16_max_or_nan(v16 a, v16 b)
{
    return _mm512_mask_mov_ps(_mm512_max_ps(b, a), _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
}
GLIA_INLINE v16 v16_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
GLIA_INLINE v16 v16_rint(v16 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GLIA_INLINE v16 v16_negate(v16 a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
GLIA_INLINE v16 v16_abs(v16 a) { return _mm512_abs_ps(a); }
/* The magnitude of a with the sign of b. */
GLIA_INLINE v16 v16_with_sign(v16 a, v16 b)
{
    const __m512i sign = _mm512_castps_si512(_mm512_set1_ps(-0.0f));
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b), sign, 0xd8));
}
/* a < b ? x : y, so that a NaN gives y. */
GLIA_INLINE v16 v16_select_less(v16 a, v16 b, v16 x, v16 y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
GLIA_INLINE v16i v16_to_int(v16 a) { return _mm512_cvtps_epi32(a); } /* to nearest even */
GLIA_INLINE v16i v16i_half(v16i a) { return _mm512_srai_epi32(a, 1); }
GLIA_INLINE v16i v16i_sub(v16i a, v16i b) { return _mm512_sub_epi32(a, b); }
/* 2^a as floats, for exponents of normal numbers. */
GLIA_INLINE v16 v16_power_of_2(v16i a)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(a, _mm512_set1_epi32(127)), 23));
}
/* p 2^n for p of about 1 and a whole n, rounded once; a NaN stays one. */
GLIA_INLINE v16 v16_scale(v16 p, v16 n) { return _mm512_scalef_ps(p, n); }
/* Magnitudes as their bits, whose order is that of the values, NaNs last. */
GLIA_INLINE v16i v16_magnitude(v16 a)
{
    return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff));
}
GLIA_INLINE v16i v16i_max(v16i a, v16i b) { return _mm512_max_epi32(a, b); }
GLIA_INLINE v16i v16i_add(v16i a, v16i b) { return _mm512_add_epi32(a, b); }
GLIA_INLINE int32_t v16i_most(v16i a) { return _mm512_reduce_max_epi32(a); }
GLIA_INLINE int32_t v16i_total(v16i a) { return _mm512_reduce_add_epi32(a); }
GLIA_INLINE void v16i_store_i8(void *p, v16i a) { _mm_storeu_si128(p, _mm512_cvtepi32_epi8(a)); }
/* Four vectors of numbers of eight bits, side by side. */
GLIA_INLINE void v16i_store_i8x4(void *p, const v16i *a)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a[0], a[1]), _mm512_packs_epi32(a[2], a[3]));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}
GLIA_INLINE v16i meet16(v16i a, v16i b, const bool add)
{
    return add ? _mm512_add_epi32(a, b) : _mm512_max_epi32(a, b);
}
/* Lane i is the most, or the total, of vector i: halves of pairs meet, level by level. */
GLIA_INLINE v16i v16i_across(const v16i *v, const bool add)
{
    v16i four[4];
    GLIA_UNROLL
    for (int i = 0; i < 4; i++) {
        const v16i *p = v + 4 * i;
        const v16i a = meet16(_mm512_unpacklo_epi32(p[0], p[1]), _mm512_unpackhi_epi32(p[0], p[1]), add),
                   b = meet16(_mm512_unpacklo_epi32(p[2], p[3]), _mm512_unpackhi_epi32(p[2], p[3]), add);
        four[i] = meet16(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b), add);
    }
    const v16i low = meet16(_mm512_shuffle_i32x4(four[0], four[1], 0x88),
                            _mm512_shuffle_i32x4(four[0], four[1], 0xdd), add),
               high = meet16(_mm512_shuffle_i32x4(four[2], four[3], 0x88),
                             _mm512_shuffle_i32x4(four[2], four[3], 0xdd), add);
    return meet16(_mm512_shuffle_i32x4(low, high, 0x88), _mm512_shuffle_i32x4(low, high, 0xdd), add);
}
GLIA_INLINE v16i v16i_load(const void *p) { return _mm512_loadu_si512(p); }
GLIA_INLINE void v16i_store(void *p, v16i a) { _mm512_storeu_si512(p, a); }
GLIA_INLINE v16 v16_of_bits(v16i a) { return _mm512_castsi512_ps(a); }
/* Of pairs: the two exchanged; the first negated; eight numbers, each twice. */
GLIA_INLINE v16 v16_swap_pairs(v16 a) { return _mm512_permute_ps(a, 0xb1); }
GLIA_INLINE v16 v16_negate_first(v16 a)
{
    return _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi64((int64_t)0x80000000)));
}
GLIA_INLINE v16 v16_load_twice(const float *p)
{
    const __m512i order = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(order, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}
/* The lanes' sum in the fixed tree: both sides of a pair hold its sum. */
GLIA_INLINE float v16_tree(v16 a)
{
    a = _mm512_add_ps(a, _mm512_permute_ps(a, 0xb1));
    a = _mm512_add_ps(a, _mm512_permute_ps(a, 0x4e));
    a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    return _mm512_cvtss_f32(_mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e)));
}
/* The greatest lane, where none is NaN. */
GLIA_INLINE float v16_most(v16 a)
{
    a = _mm512_max_ps(a, _mm512_permute_ps(a, 0xb1));
    a = _mm512_max_ps(a, _mm512_permute_ps(a, 0x4e));
    a = _mm512_max_ps(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    return _mm512_cvtss_f32(_mm512_max_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e)));
}

#else

typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct v16i {
    __m256i lo, hi;
} v16i;

GLIA_INLINE v16 v16_pair(__m256 lo, __m256 hi)
{
    v16 a;
    a.lo = lo;
    a.hi = hi;
    return a;
}
GLIA_INLINE v16i v16i_pair(__m256i lo, __m256i hi)
{
    v16i a;
    a.lo = lo;
    a.hi = hi;
    return a;
}
GLIA_INLINE v16 v16_zero(void) { return v16_pair(_mm256_setzero_ps(), _mm256_setzero_ps()); }
GLIA_INLINE v16 v16_set(float f) { return v16_pair(_mm256_set1_ps(f), _mm256_set1_ps(f)); }
GLIA_INLINE v16 v16_load(const void *p)
{
    return v16_pair(_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8));
}
GLIA_INLINE void v16_store(void *p, v16 a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps((float *)p + 8, a.hi);
}
GLIA_INLINE v16 v16_load_n(const void *p, int n)
{
    float t[16] = {0};
    memcpy(t, p, (size_t)n * sizeof *t);
    return v16_load(t);
}
GLIA_INLINE void v16_store_n(void *p, v16 a, int n)
{
    float t[16];
    v16_store(t, a);
    memcpy(p, t, (size_t)n * sizeof *t);
}
GLIA_INLINE void v16_store_lanes(float *p, v16 a, uint32_t lanes)
{
    float t[16];
    v16_store(t, a);
    for (int i = 0; i < 16; i++)
        if (lanes >> i & 1) p[i] = t[i];
}
GLIA_INLINE v16 v16_load_lanes(const float *p, uint32_t lanes)
{
    float t[16];
    for (int i = 0; i < 16; i++) t[i] = lanes >> i & 1 ? p[i] : 0.0f;
    return v16_load(t);
}
/* p[0], p[2], .. p[2 (n - 1)], and zeros; nothing beyond them is read. */
GLIA_INLINE v16 v16_load_second(const float *p, int n)
{
    float t[16] = {0};
    for (int i = 0; i < n; i++) t[i] = p[2 * i];
    return v16_load(t);
}
GLIA_INLINE v16 v16_load_f16(const void *p)
{
    return v16_pair(_mm256_cvtph_ps(_mm_loadu_si128(p)),
                    _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p + 1)));
}
GLIA_INLINE void v16_store_f16(void *p, v16 a)
{
    _mm_storeu_si128(p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)p + 1, _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}
GLIA_INLINE v16 v16_set_f16(const void *p)
{
    int16_t h;
    memcpy(&h, p, sizeof h);
    const __m256 half = _mm256_cvtph_ps(_mm_set1_epi16(h));
    return v16_pair(half, half);
}
GLIA_INLINE __m256 half_i8(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p)));
}
GLIA_INLINE v16 v16_load_i8(const void *p) { return v16_pair(half_i8(p), half_i8((const int8_t *)p + 8)); }
GLIA_INLINE __m256 half_bf16(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
GLIA_INLINE v16 v16_load_bf16(const void *p)
{
    return v16_pair(half_bf16(p), half_bf16((const uint16_t *)p + 8));
}
GLIA_INLINE v16 v16_add(v16 a, v16 b)
{
    return v16_pair(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi));
}
GLIA_INLINE v16 v16_sub(v16 a, v16 b)
{
    return v16_pair(_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi));
}
GLIA_INLINE v16 v16_mul(v16 a, v16 b)
{
    return v16_pair(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi));
}
GLIA_INLINE v16 v16_div(v16 a, v16 b)
{
    return v16_pair(_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi));
}
GLIA_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return v16_pair(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
GLIA_INLINE v16 v16_fnma(v16 a, v16 b, v16 c)
{
    return v16_pair(_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi));
}
GLIA_INLINE v16 v16_max(v16 a, v16 b)
{
    return v16_pair(_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi));
}
GLIA_INLINE v16 v16_min(v16 a, v16 b)
{
    return v16_pair(_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi));
}
GLIA_INLINE __m256 half_max_or_nan(__m256 a, __m256 b)
{
    return _mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
}
GLIA_INLINE v16 v16_max_or_nan(v16 a, v16 b)
{
    return v16_pair(half_max_or_nan(a.lo, b.lo), half_max_or_nan(a.hi, b.hi));
}
GLIA_INLINE __m256 half_rint(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GLIA_INLINE v16 v16_rint(v16 a) { return v16_pair(half_rint(a.lo), half_rint(a.hi)); }
GLIA_INLINE v16 v16_negate(v16 a)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return v16_pair(_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign));
}
GLIA_INLINE v16 v16_abs(v16 a)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return v16_pair(_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi));
}
GLIA_INLINE __m256 half_with_sign(__m256 a, __m256 b)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}
GLIA_INLINE v16 v16_with_sign(v16 a, v16 b)
{
    return v16_pair(half_with_sign(a.lo, b.lo), half_with_sign(a.hi, b.hi));
}
GLIA_INLINE v16 v16_select_less(v16 a, v16 b, v16 x, v16 y)
{
    return v16_pair(_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
                    _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)));
}
GLIA_INLINE v16i v16_to_int(v16 a) { return v16i_pair(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)); }
GLIA_INLINE v16i v16i_half(v16i a)
{
    return v16i_pair(_mm256_srai_epi32(a.lo, 1), _mm256_srai_epi32(a.hi, 1));
}
GLIA_INLINE v16i v16i_sub(v16i a, v16i b)
{
    return v16i_pair(_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi));
}
GLIA_INLINE __m256 half_power_of_2(__m256i a)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(127)), 23));
}
GLIA_INLINE v16 v16_power_of_2(v16i a) { return v16_pair(half_power_of_2(a.lo), half_power_of_2(a.hi)); }
GLIA_INLINE v16 v16_scale(v16 p, v16 n)
{
    const v16i k = v16_to_int(n), a = v16i_half(k);
    return v16_mul(v16_mul(p, v16_power_of_2(a)), v16_power_of_2(v16i_sub(k, a)));
}
GLIA_INLINE __m256i half_magnitude(__m256 a)
{
    return _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff));
}
GLIA_INLINE v16i v16_magnitude(v16 a) { return v16i_pair(half_magnitude(a.lo), half_magnitude(a.hi)); }
GLIA_INLINE v16i v16i_max(v16i a, v16i b)
{
    return v16i_pair(_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi));
}
GLIA_INLINE v16i v16i_add(v16i a, v16i b)
{
    return v16i_pair(_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi));
}
GLIA_INLINE int32_t v16i_most(v16i a)
{
    const __m256i m = _mm256_max_epi32(a.lo, a.hi);
    __m128i h = _mm_max_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}
GLIA_INLINE int32_t v16i_total(v16i a)
{
    const __m256i m = _mm256_add_epi32(a.lo, a.hi);
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}
GLIA_INLINE void v16i_store_i8(void *p, v16i a)
{
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
    _mm_storeu_si128(p, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
GLIA_INLINE void v16i_store_i8x4(void *p, const v16i *a)
{
    for (int i = 0; i < 4; i += 2) {
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7),
                      bytes = _mm256_packs_epi16(_mm256_packs_epi32(a[i].lo, a[i].hi),
                                                 _mm256_packs_epi32(a[i + 1].lo, a[i + 1].hi));
        _mm256_storeu_si256((__m256i *)p + i / 2, _mm256_permutevar8x32_epi32(bytes, order));
    }
}
GLIA_INLINE __m256i meet8(__m256i a, __m256i b, const bool add)
{
    return add ? _mm256_add_epi32(a, b) : _mm256_max_epi32(a, b);
}
GLIA_INLINE __m256i half_across(const v16i *v, const bool add)
{
    __m256i four[2];
    for (int i = 0; i < 2; i++) {
        __m256i h[4];
        for (int j = 0; j < 4; j++) h[j] = meet8(v[4 * i + j].lo, v[4 * i + j].hi, add);
        const __m256i a = meet8(_mm256_unpacklo_epi32(h[0], h[1]), _mm256_unpackhi_epi32(h[0], h[1]), add),
                      b = meet8(_mm256_unpacklo_epi32(h[2], h[3]), _mm256_unpackhi_epi32(h[2], h[3]), add);
        four[i] = meet8(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), add);
    }
    return meet8(_mm256_permute2x128_si256(four[0], four[1], 0x20),
                 _mm256_permute2x128_si256(four[0], four[1], 0x31), add);
}
GLIA_INLINE v16i v16i_across(const v16i *v, const bool add)
{
    return v16i_pair(half_across(v, add), half_across(v + 8, add));
}
GLIA_INLINE v16i v16i_load(const void *p)
{
    return v16i_pair(_mm256_loadu_si256(p), _mm256_loadu_si256((const __m256i *)p + 1));
}
GLIA_INLINE void v16i_store(void *p, v16i a)
{
    _mm256_storeu_si256(p, a.lo);
    _mm256_storeu_si256((__m256i *)p + 1, a.hi);
}
GLIA_INLINE v16 v16_of_bits(v16i a) { return v16_pair(_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)); }
GLIA_INLINE v16 v16_swap_pairs(v16 a)
{
    return v16_pair(_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1));
}
GLIA_INLINE v16 v16_negate_first(v16 a)
{
    const __m256 sign = _mm256_castsi256_ps(_mm256_set1_epi64x((int64_t)0x80000000));
    return v16_pair(_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign));
}
GLIA_INLINE v16 v16_load_twice(const float *p)
{
    const __m128 a = _mm_loadu_ps(p), b = _mm_loadu_ps(p + 4);
    return v16_pair(_mm256_set_m128(_mm_unpackhi_ps(a, a), _mm_unpacklo_ps(a, a)),
                    _mm256_set_m128(_mm_unpackhi_ps(b, b), _mm_unpacklo_ps(b, b)));
}
GLIA_INLINE __m256 half_tree(__m256 a)
{
    a = _mm256_add_ps(a, _mm256_permute_ps(a, 0xb1));
    a = _mm256_add_ps(a, _mm256_permute_ps(a, 0x4e));
    return _mm256_add_ps(a, _mm256_permute2f128_ps(a, a, 1));
}
GLIA_INLINE float v16_tree(v16 a)
{
    return _mm256_cvtss_f32(_mm256_add_ps(half_tree(a.lo), half_tree(a.hi)));
}
GLIA_INLINE float v16_most(v16 a)
{
    __m256 m = _mm256_max_ps(a.lo, a.hi);
    m = _mm256_max_ps(m, _mm256_permute_ps(m, 0xb1));
    m = _mm256_max_ps(m, _mm256_permute_ps(m, 0x4e));
    return _mm256_cvtss_f32(_mm256_max_ps(m, _mm256_permute2f128_ps(m, m, 1)));
}

#endif /* AVX-512 or AVX2 */

#endif /* AArch64 or x86-64 */

/* The steps of glia_expf (base/fmath.c), lane by lane; the tests compare their bits. */
GLIA_INLINE v16 v16_exp(v16 x)
{
    x = v16_max(v16_set(-104.0f), x);
    x = v16_min(v16_set(89.0f), x);
    const v16 n = v16_rint(v16_mul(x, v16_set(0x1.715476p+0f)));
    const v16 r = v16_fnma(n, v16_set(0x1.7f7d1cp-20f), v16_fnma(n, v16_set(0x1.62e4p-1f), x));
    v16 p = v16_set(0x1.0fa61ep-7f);
    p = v16_fma(p, r, v16_set(0x1.573d3ap-5f));
    p = v16_fma(p, r, v16_set(0x1.555a7ap-3f));
    p = v16_fma(p, r, v16_set(0x1.fffdbep-2f));
    p = v16_fma(p, r, v16_set(0x1.fffff6p-1f));
    p = v16_fma(p, r, v16_set(1.0f));
    return v16_scale(p, n);
}

/* The steps of glia_tanhf likewise. */
GLIA_INLINE v16 v16_tanh(v16 x)
{
    const v16 a = v16_abs(x), z = v16_mul(x, x), one = v16_set(1.0f);
    v16 p = v16_set(-0x1.8a9d56p-8f);
    p = v16_fma(p, z, v16_set(0x1.572f04p-6f));
    p = v16_fma(p, z, v16_set(-0x1.b90fcp-5f));
    p = v16_fma(p, z, v16_set(0x1.110dc6p-3f));
    p = v16_fma(p, z, v16_set(-0x1.555552p-2f));
    const v16 near = v16_fma(v16_mul(x, z), p, x);
    const v16 far = v16_sub(one, v16_div(v16_set(2.0f), v16_add(v16_exp(v16_mul(v16_set(2.0f), a)), one)));
    return v16_with_sign(v16_select_less(a, v16_set(0.625f), near, far), x);
}

/* The steps of glia_erff likewise. */
GLIA_INLINE v16 v16_erf(v16 x)
{
    const v16 a = v16_abs(x), z = v16_mul(x, x), b = v16_min(v16_set(3.925f), a);
    v16 p = v16_set(-0x1.3c57bep-11f);
    p = v16_fma(p, z, v16_set(0x1.47b2ecp-8f));
    p = v16_fma(p, z, v16_set(-0x1.b69cf6p-6f));
    p = v16_fma(p, z, v16_set(0x1.ce1b88p-4f));
    p = v16_fma(p, z, v16_set(-0x1.8126ecp-2f));
    p = v16_fma(p, z, v16_set(0x1.06eba6p-3f));
    v16 q = v16_set(0x1.4738eep-17f);
    q = v16_fma(q, b, v16_set(-0x1.43014ap-12f));
    q = v16_fma(q, b, v16_set(0x1.d5958ep-9f));
    q = v16_fma(q, b, v16_set(-0x1.8340cep-6f));
    q = v16_fma(q, b, v16_set(0x1.b28cc2p-4f));
    q = v16_fma(q, b, v16_set(0x1.453e08p-1f));
    q = v16_fma(q, b, v16_set(0x1.20edb4p+0f));
    const v16 far = v16_sub(v16_set(1.0f), v16_exp(v16_negate(v16_mul(b, q))));
    return v16_select_less(a, v16_set(0.875f), v16_fma(x, p, x), v16_with_sign(far, x));
}

#endif
