/* The vector steps that the products over R16 panels are written in (linear_r16.h), for AVX-512 with VNNI
 * or without. A
 * port to another instruction set exchanges this file alone.
 *
 *   r16_int     16 int32 lanes, lane = weight row; also seen as 64 bytes or as 16 pairs of int16
 *   r16_float   16 floats
 *   r16_every   what `dot` and `mad` take of an activation: one word for all lanes
 *
 * i_: 32-bit lanes, b_: bytes, f_: floats. */
#ifndef GLIA_PROVIDER_CPU_R16_STEPS_AVX512VNNI_H
#define GLIA_PROVIDER_CPU_R16_STEPS_AVX512VNNI_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "provider/cpu/r16_inline.h"

/* Rows of activations and panels of one tile: 2 * 12 accumulators, weights and an operand fit 32 registers.
 */
#define R16_ROWS 6
enum { R16_PANELS = 2 };

typedef __m512i r16_int;
typedef __m512 r16_float;
typedef __m512i r16_every;

R16_INLINE r16_int i_zero(void) { return _mm512_setzero_si512(); }
R16_INLINE r16_int i_load(const void *p) { return _mm512_loadu_si512(p); }
R16_INLINE void i_store(void *p, r16_int v) { _mm512_storeu_si512(p, v); }
R16_INLINE r16_int i_set(int32_t v) { return _mm512_set1_epi32(v); }
R16_INLINE r16_int b_set(int v) { return _mm512_set1_epi8((char)v); }
R16_INLINE r16_int i_and(r16_int a, r16_int b) { return _mm512_and_si512(a, b); }
R16_INLINE r16_int i_or(r16_int a, r16_int b) { return _mm512_or_si512(a, b); }
R16_INLINE r16_int i_add(r16_int a, r16_int b) { return _mm512_add_epi32(a, b); }
R16_INLINE r16_int i_sub(r16_int a, r16_int b) { return _mm512_sub_epi32(a, b); }
R16_INLINE r16_int i_mul(r16_int a, r16_int b) { return _mm512_mullo_epi32(a, b); }
R16_INLINE r16_int i_sub16(r16_int a, r16_int b) { return _mm512_sub_epi16(a, b); }
R16_INLINE r16_int b_add(r16_int a, r16_int b) { return _mm512_add_epi8(a, b); }
/* Lanes whose bit is set; the others are 0 and are not read. */
R16_INLINE r16_int i_load_lanes(const void *p, uint32_t lanes)
{
    return _mm512_maskz_loadu_epi32((__mmask16)lanes, p);
}
/* Each even lane plus the odd one behind it, in the even lanes; the odd ones are anything. */
R16_INLINE r16_int i_pair_sums(r16_int v) { return _mm512_add_epi32(v, _mm512_srli_epi64(v, 32)); }
R16_INLINE int32_t i_total(r16_int v) { return _mm512_reduce_add_epi32(v); }
/* The lanes, or the eight even ones, as int16. */
R16_INLINE void i_store_i16(void *p, r16_int v) { _mm256_storeu_si256(p, _mm512_cvtepi32_epi16(v)); }
R16_INLINE void i_store_even_i16(void *p, r16_int v) { _mm_storeu_si128(p, _mm512_cvtepi64_epi16(v)); }
/* Logical shifts by a constant; negative counts shift left. */
R16_INLINE r16_int i_shr(r16_int v, const int n)
{
    return n > 0 ? _mm512_srli_epi32(v, (unsigned)n) : n < 0 ? _mm512_slli_epi32(v, (unsigned)-n) : v;
}
/* Sign-extends the top byte. */
R16_INLINE r16_int i_top_byte(r16_int v) { return _mm512_srai_epi32(v, 24); }
/* 16 u16, 16 u8 to lanes. */
R16_INLINE r16_int i_load_u16(const void *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
R16_INLINE r16_int i_load_u8(const void *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
/* Per lane, byte k of the result is byte c_k of the lane, or 0 for c_k = 0x80; control has c_0 lowest. */
R16_INLINE r16_int i_spread(r16_int v, uint32_t control)
{
    const __m512i lane = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    return _mm512_shuffle_epi8(v, _mm512_or_si512(lane, _mm512_set1_epi32((int32_t)control)));
}
/* A table of 16 bytes, looked up by bytes below 16. */
R16_INLINE r16_int b_table(const void *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}
R16_INLINE r16_int b_pick(r16_int table, r16_int index) { return _mm512_shuffle_epi8(table, index); }
/* v with `bit` added in the bytes where probe has one of select's bits. */
R16_INLINE r16_int b_raise(r16_int v, r16_int probe, r16_int select, int bit)
{
    return _mm512_mask_add_epi8(v, _mm512_test_epi8_mask(probe, select), v, b_set(bit));
}
/* 1 in the bytes that are at least `least` (unsigned), added to v. */
R16_INLINE r16_int b_count(r16_int v, r16_int probe, int least)
{
    return _mm512_mask_add_epi8(v, _mm512_cmpge_epu8_mask(probe, b_set(least)), v, b_set(1));
}

/* Four bytes, or two int16, of an activation for all lanes. */
R16_INLINE r16_every i_every(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* Exact sums of four products u8 * s8 in each lane. A partial sum begins at s, takes up to i_room dots of
 * quants that are at most `most`, a constant, and ends as s + their sum. Here it is the sum itself. Other
 * sets count quants above 127 R16_WIDE_LESS less. */
typedef r16_int r16_partial;
#if defined(__AVX512VNNI__)
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
R16_INLINE r16_partial i_dot(r16_partial t, r16_int u, r16_every a, const int most)
{
    (void)most;
    return _mm512_dpbusd_epi32(t, u, a);
}
R16_INLINE r16_int i_end(r16_int s, r16_partial t, const int most)
{
    (void)s;
    (void)most;
    return t;
}
/* s + sum of two products of int16 in each lane: exact in int32. */
R16_INLINE r16_int i_mad(r16_int s, r16_int a, r16_int b) { return _mm512_dpwssd_epi32(s, a, b); }
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
R16_INLINE r16_int i_mad(r16_int s, r16_int a, r16_int b)
{
    return _mm512_add_epi32(s, _mm512_madd_epi16(a, b));
}
/* Keeps a sum where it is computed: compilers that order additions anew keep more sums than there are
 * registers. */
R16_INLINE r16_int in_place(r16_int v)
{
    __asm__("" : "+v"(v));
    return v;
}
R16_INLINE r16_partial i_dot(r16_partial t, r16_int u, r16_every a, const int most)
{
    if (most <= 127) return in_place(_mm512_add_epi16(t, _mm512_maddubs_epi16(u, a)));
    const __m512i w = _mm512_xor_si512(u, b_set(-128)),
                  x = _mm512_mask_sub_epi8(a, _mm512_movepi8_mask(w), _mm512_setzero_si512(), a);
    return in_place(i_mad(t, _mm512_maddubs_epi16(_mm512_abs_epi8(w), x), _mm512_set1_epi16(1)));
}
R16_INLINE r16_int i_end(r16_int s, r16_partial t, const int most)
{
    return most > 127 ? t : i_mad(s, t, _mm512_set1_epi16(1));
}
#endif

R16_INLINE r16_float f_zero(void) { return _mm512_setzero_ps(); }
R16_INLINE r16_float f_load(const float *p) { return _mm512_loadu_ps(p); }
R16_INLINE void f_store(float *p, r16_float v) { _mm512_storeu_ps(p, v); }
R16_INLINE r16_float f_every(const void *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_ps(v);
}
R16_INLINE r16_float f_half(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
R16_INLINE r16_float f_bits(r16_int v) { return _mm512_castsi512_ps(v); }
R16_INLINE r16_float f_minus(r16_float v) { return _mm512_xor_ps(v, _mm512_set1_ps(-0.0f)); }
R16_INLINE r16_float f_of_int(r16_int v) { return _mm512_cvtepi32_ps(v); }
R16_INLINE r16_float f_mul(r16_float a, r16_float b) { return _mm512_mul_ps(a, b); }
R16_INLINE r16_float f_add(r16_float a, r16_float b) { return _mm512_add_ps(a, b); }
R16_INLINE r16_float f_fma(r16_float a, r16_float b, r16_float c) { return _mm512_fmadd_ps(a, b, c); }
/* Lanes whose bit is set; the others read as 0 and are not written. */
R16_INLINE r16_float f_load_lanes(const float *p, uint32_t lanes)
{
    return _mm512_maskz_loadu_ps((__mmask16)lanes, p);
}
R16_INLINE void f_store_lanes(float *p, uint32_t lanes, r16_float v)
{
    _mm512_mask_storeu_ps(p, (__mmask16)lanes, v);
}
/* 2^(e - 128) for a byte e per lane: the half of an E8M0 scale; e < 2 is subnormal. */
R16_INLINE r16_float f_e8m0_half(r16_int e)
{
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i small = _mm512_sllv_epi32(_mm512_set1_epi32(0x200000), e);
    return _mm512_castsi512_ps(
        _mm512_mask_mov_epi32(normal, _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), small));
}

#endif
