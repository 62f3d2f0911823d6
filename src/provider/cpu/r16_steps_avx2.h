/* The vector steps of linear_r16.h for AVX2, two registers a step; r16_steps_avx512vnni.h says what each
 * means. Built with -mavxvnni, or with R16_EMULATE_VNNI defined, `dot` and `mad` are the steps of AVX-VNNI,
 * there in plain C; else they are products of 16 bits. */
#ifndef GLIA_PROVIDER_CPU_R16_STEPS_AVX2_H
#define GLIA_PROVIDER_CPU_R16_STEPS_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "provider/cpu/r16_inline.h"

/* Three rows of two panels hold twelve registers of sums. */
#define R16_ROWS 3
enum { R16_PANELS = 2 };

typedef struct r16_int {
    __m256i lo, hi;
} r16_int;
typedef struct r16_float {
    __m256 lo, hi;
} r16_float;
typedef r16_int r16_every;

R16_INLINE r16_int i_two(__m256i lo, __m256i hi)
{
    r16_int v;
    v.lo = lo;
    v.hi = hi;
    return v;
}
R16_INLINE r16_float f_two(__m256 lo, __m256 hi)
{
    r16_float v;
    v.lo = lo;
    v.hi = hi;
    return v;
}

R16_INLINE r16_int i_zero(void) { return i_two(_mm256_setzero_si256(), _mm256_setzero_si256()); }
R16_INLINE r16_int i_load(const void *p)
{
    return i_two(_mm256_loadu_si256(p), _mm256_loadu_si256((const __m256i *)p + 1));
}
R16_INLINE void i_store(void *p, r16_int v)
{
    _mm256_storeu_si256(p, v.lo);
    _mm256_storeu_si256((__m256i *)p + 1, v.hi);
}
R16_INLINE r16_int i_set(int32_t v) { return i_two(_mm256_set1_epi32(v), _mm256_set1_epi32(v)); }
R16_INLINE r16_int b_set(int v) { return i_two(_mm256_set1_epi8((char)v), _mm256_set1_epi8((char)v)); }
R16_INLINE r16_int i_and(r16_int a, r16_int b)
{
    return i_two(_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi));
}
R16_INLINE r16_int i_or(r16_int a, r16_int b)
{
    return i_two(_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi));
}
R16_INLINE r16_int i_add(r16_int a, r16_int b)
{
    return i_two(_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi));
}
R16_INLINE r16_int i_sub(r16_int a, r16_int b)
{
    return i_two(_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi));
}
R16_INLINE r16_int i_mul(r16_int a, r16_int b)
{
    return i_two(_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi));
}
R16_INLINE r16_int i_sub16(r16_int a, r16_int b)
{
    return i_two(_mm256_sub_epi16(a.lo, b.lo), _mm256_sub_epi16(a.hi, b.hi));
}
R16_INLINE r16_int b_add(r16_int a, r16_int b)
{
    return i_two(_mm256_add_epi8(a.lo, b.lo), _mm256_add_epi8(a.hi, b.hi));
}
R16_INLINE r16_int i_shr(r16_int v, const int n)
{
    return n > 0   ? i_two(_mm256_srli_epi32(v.lo, n), _mm256_srli_epi32(v.hi, n))
           : n < 0 ? i_two(_mm256_slli_epi32(v.lo, -n), _mm256_slli_epi32(v.hi, -n))
                   : v;
}
R16_INLINE r16_int i_top_byte(r16_int v)
{
    return i_two(_mm256_srai_epi32(v.lo, 24), _mm256_srai_epi32(v.hi, 24));
}
R16_INLINE r16_int i_load_u16(const void *p)
{
    return i_two(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)),
                 _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p + 1)));
}
R16_INLINE r16_int i_load_u8(const void *p)
{
    return i_two(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)),
                 _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)((const uint8_t *)p + 8))));
}
R16_INLINE r16_int i_load_lanes(const void *p, uint32_t lanes)
{
    int32_t t[16] = {0};
    for (int i = 0; i < 16; i++)
        if (lanes >> i & 1) memcpy(&t[i], (const uint8_t *)p + 4 * i, 4);
    return i_load(t);
}
R16_INLINE r16_int i_pair_sums(r16_int v)
{
    return i_two(_mm256_add_epi32(v.lo, _mm256_srli_epi64(v.lo, 32)),
                 _mm256_add_epi32(v.hi, _mm256_srli_epi64(v.hi, 32)));
}
R16_INLINE int32_t i_total(r16_int v)
{
    const __m256i m = _mm256_add_epi32(v.lo, v.hi);
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}
R16_INLINE void i_store_i16(void *p, r16_int v)
{
    _mm256_storeu_si256(p, _mm256_permute4x64_epi64(_mm256_packs_epi32(v.lo, v.hi), 0xd8));
}
R16_INLINE void i_store_even_i16(void *p, r16_int v)
{
    const __m256i even =
        _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(v.lo), _mm256_castsi256_ps(v.hi), 0x88));
    const __m256i order = _mm256_permute4x64_epi64(even, 0xd8);
    _mm_storeu_si128(p, _mm_packs_epi32(_mm256_castsi256_si128(order), _mm256_extracti128_si256(order, 1)));
}
R16_INLINE r16_int i_spread(r16_int v, uint32_t control)
{
    const __m256i lane = _mm256_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808,
                                          0x04040404, 0),
                  by = _mm256_or_si256(lane, _mm256_set1_epi32((int32_t)control));
    return i_two(_mm256_shuffle_epi8(v.lo, by), _mm256_shuffle_epi8(v.hi, by));
}
R16_INLINE r16_int b_table(const void *p)
{
    const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128(p));
    return i_two(t, t);
}
R16_INLINE r16_int b_pick(r16_int table, r16_int index)
{
    return i_two(_mm256_shuffle_epi8(table.lo, index.lo), _mm256_shuffle_epi8(table.hi, index.hi));
}
/* `select` has one bit a byte, so that what is found is either none or all of it. */
R16_INLINE __m256i b_raise_half(__m256i v, __m256i probe, __m256i select, int bit)
{
    const __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(probe, select), _mm256_setzero_si256());
    return _mm256_add_epi8(v, _mm256_andnot_si256(none, _mm256_set1_epi8((char)bit)));
}
R16_INLINE r16_int b_raise(r16_int v, r16_int probe, r16_int select, int bit)
{
    return i_two(b_raise_half(v.lo, probe.lo, select.lo, bit), b_raise_half(v.hi, probe.hi, select.hi, bit));
}
R16_INLINE __m256i b_count_half(__m256i v, __m256i probe, __m256i least)
{
    return _mm256_sub_epi8(v, _mm256_cmpeq_epi8(_mm256_max_epu8(probe, least), probe));
}
R16_INLINE r16_int b_count(r16_int v, r16_int probe, int least)
{
    const __m256i from = _mm256_set1_epi8((char)least);
    return i_two(b_count_half(v.lo, probe.lo, from), b_count_half(v.hi, probe.hi, from));
}

R16_INLINE r16_every i_every(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return i_set(v);
}

typedef r16_int r16_partial;

#if defined(__AVXVNNI__) || defined(R16_EMULATE_VNNI)
enum { R16_WIDE_LESS = 0 };
R16_INLINE int i_room(const int most)
{
    (void)most;
    return INT32_MAX;
}
R16_INLINE r16_partial i_begin(r16_int s, const int most)
{
    (void)most;
    return s;
}
R16_INLINE r16_int i_end(r16_int s, r16_partial t, const int most)
{
    (void)s;
    (void)most;
    return t;
}
#endif

#if defined(__AVXVNNI__)
R16_INLINE __m256i dot_half(__m256i s, __m256i u, __m256i a, const int most)
{
    (void)most;
    return _mm256_dpbusd_avx_epi32(s, u, a);
}
R16_INLINE __m256i mad_half(__m256i s, __m256i a, __m256i b) { return _mm256_dpwssd_avx_epi32(s, a, b); }
#else
R16_INLINE __m256i mad_half(__m256i s, __m256i a, __m256i b)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(a, b));
}
#if defined(R16_EMULATE_VNNI)
static __attribute__((noinline)) __m256i dot_half(__m256i s, __m256i u, __m256i a, const int most)
{
    uint8_t w[32];
    int8_t x[32];
    int32_t sum[8];
    (void)most;
    _mm256_storeu_si256((__m256i *)w, u);
    _mm256_storeu_si256((__m256i *)x, a);
    _mm256_storeu_si256((__m256i *)sum, s);
    for (int i = 0; i < 32; i++) sum[i / 4] += w[i] * x[i];
    return _mm256_loadu_si256((const __m256i *)sum);
}
#else
/* Quants up to 127 are summed in 16 bits, as many as fit. Others count 128 less, so that their magnitude is
 * at most 128 and the activation takes their sign: a sum of two products is at most 2 * 128 * 127 < 2^15. */
enum { R16_WIDE_LESS = 128 };
R16_INLINE int i_room(const int most)
{
    return most > 127  ? INT32_MAX
           : most > 63 ? 1
           : most > 31 ? 2
           : most > 15 ? 4
           : most > 7  ? 8
           : most > 3  ? 16
                       : 32;
}
R16_INLINE r16_partial i_begin(r16_int s, const int most) { return most > 127 ? s : i_zero(); }
/* Keeps a sum where it is computed: compilers that order additions anew keep more sums than there are
 * registers. */
R16_INLINE __m256i in_place(__m256i v)
{
    __asm__("" : "+x"(v));
    return v;
}
R16_INLINE __m256i dot_half(__m256i s, __m256i u, __m256i a, const int most)
{
    if (most <= 127) return in_place(_mm256_add_epi16(s, _mm256_maddubs_epi16(u, a)));
    const __m256i w = _mm256_xor_si256(u, _mm256_set1_epi8(-128)),
                  two = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    return in_place(_mm256_add_epi32(s, _mm256_madd_epi16(two, _mm256_set1_epi16(1))));
}
R16_INLINE r16_int i_end(r16_int s, r16_partial t, const int most)
{
    if (most > 127) return t;
    const __m256i one = _mm256_set1_epi16(1);
    return i_two(mad_half(s.lo, t.lo, one), mad_half(s.hi, t.hi, one));
}
#endif
#endif
R16_INLINE r16_partial i_dot(r16_partial t, r16_int u, r16_every a, const int most)
{
    return i_two(dot_half(t.lo, u.lo, a.lo, most), dot_half(t.hi, u.hi, a.hi, most));
}
R16_INLINE r16_int i_mad(r16_int s, r16_int a, r16_int b)
{
    return i_two(mad_half(s.lo, a.lo, b.lo), mad_half(s.hi, a.hi, b.hi));
}

R16_INLINE r16_float f_zero(void) { return f_two(_mm256_setzero_ps(), _mm256_setzero_ps()); }
R16_INLINE r16_float f_load(const float *p) { return f_two(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
R16_INLINE void f_store(float *p, r16_float v)
{
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}
R16_INLINE r16_float f_every(const void *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return f_two(_mm256_set1_ps(v), _mm256_set1_ps(v));
}
R16_INLINE r16_float f_half(const void *p)
{
    return f_two(_mm256_cvtph_ps(_mm_loadu_si128(p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p + 1)));
}
R16_INLINE r16_float f_bits(r16_int v) { return f_two(_mm256_castsi256_ps(v.lo), _mm256_castsi256_ps(v.hi)); }
R16_INLINE r16_float f_minus(r16_float v)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return f_two(_mm256_xor_ps(v.lo, sign), _mm256_xor_ps(v.hi, sign));
}
R16_INLINE r16_float f_of_int(r16_int v) { return f_two(_mm256_cvtepi32_ps(v.lo), _mm256_cvtepi32_ps(v.hi)); }
R16_INLINE r16_float f_mul(r16_float a, r16_float b)
{
    return f_two(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi));
}
R16_INLINE r16_float f_add(r16_float a, r16_float b)
{
    return f_two(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi));
}
R16_INLINE r16_float f_fma(r16_float a, r16_float b, r16_float c)
{
    return f_two(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
R16_INLINE r16_float f_load_lanes(const float *p, uint32_t lanes)
{
    float t[16];
    for (int i = 0; i < 16; i++) t[i] = lanes >> i & 1 ? p[i] : 0.0f;
    return f_load(t);
}
R16_INLINE void f_store_lanes(float *p, uint32_t lanes, r16_float v)
{
    float t[16];
    if (lanes == 0xffff) {
        f_store(p, v);
        return;
    }
    f_store(t, v);
    for (int i = 0; i < 16; i++)
        if (lanes >> i & 1) p[i] = t[i];
}
R16_INLINE __m256 e8m0_half_of(__m256i e)
{
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23),
                  small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    return _mm256_castsi256_ps(
        _mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}
R16_INLINE r16_float f_e8m0_half(r16_int e) { return f_two(e8m0_half_of(e.lo), e8m0_half_of(e.hi)); }

#endif
