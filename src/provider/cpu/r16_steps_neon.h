/* The vector steps of linear_r16.h for AArch64, four registers a step; r16_steps_avx512vnni.h says what each
 * means. With the i8mm extension unsigned weights meet signed activations; with dotprod both sides are
 * signed; with neither bytes are multiplied into 16 bits and added pairwise. */
#ifndef GLIA_PROVIDER_CPU_R16_STEPS_NEON_H
#define GLIA_PROVIDER_CPU_R16_STEPS_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

/* A step is four instructions here, and compiling grew with them to minutes a file. */
#define R16_SMALL 1
#include "provider/cpu/r16_inline.h"

/* Sums of four registers for each row; without dotprod partial sums of eight. */
#if defined(__ARM_FEATURE_DOTPROD)
#define R16_ROWS 6
#else
#define R16_ROWS 2
#endif
enum { R16_PANELS = 1 };

typedef struct r16_int {
    int32x4_t a, b, c, d;
} r16_int;
typedef struct r16_float {
    float32x4_t a, b, c, d;
} r16_float;
typedef r16_int r16_every;

R16_INLINE r16_int i_four(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
    r16_int v;
    v.a = a;
    v.b = b;
    v.c = c;
    v.d = d;
    return v;
}
R16_INLINE r16_float f_four(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d)
{
    r16_float v;
    v.a = a;
    v.b = b;
    v.c = c;
    v.d = d;
    return v;
}
R16_INLINE uint8x16_t to_b(int32x4_t v) { return vreinterpretq_u8_s32(v); }
R16_INLINE int32x4_t of_b(uint8x16_t v) { return vreinterpretq_s32_u8(v); }
R16_INLINE int16x8_t to_h(int32x4_t v) { return vreinterpretq_s16_s32(v); }
R16_INLINE int32x4_t of_h(int16x8_t v) { return vreinterpretq_s32_s16(v); }

R16_INLINE r16_int i_set(int32_t i)
{
    const int32x4_t v = vdupq_n_s32(i);
    return i_four(v, v, v, v);
}
R16_INLINE r16_int i_zero(void) { return i_set(0); }
R16_INLINE r16_int b_set(int i)
{
    const int32x4_t v = of_b(vdupq_n_u8((uint8_t)i));
    return i_four(v, v, v, v);
}
R16_INLINE r16_int i_load(const void *p)
{
    const uint8_t *u = p;
    return i_four(of_b(vld1q_u8(u)), of_b(vld1q_u8(u + 16)), of_b(vld1q_u8(u + 32)), of_b(vld1q_u8(u + 48)));
}
R16_INLINE void i_store(void *p, r16_int v)
{
    uint8_t *u = p;
    vst1q_u8(u, to_b(v.a));
    vst1q_u8(u + 16, to_b(v.b));
    vst1q_u8(u + 32, to_b(v.c));
    vst1q_u8(u + 48, to_b(v.d));
}
R16_INLINE r16_int i_and(r16_int x, r16_int y)
{
    return i_four(vandq_s32(x.a, y.a), vandq_s32(x.b, y.b), vandq_s32(x.c, y.c), vandq_s32(x.d, y.d));
}
R16_INLINE r16_int i_or(r16_int x, r16_int y)
{
    return i_four(vorrq_s32(x.a, y.a), vorrq_s32(x.b, y.b), vorrq_s32(x.c, y.c), vorrq_s32(x.d, y.d));
}
R16_INLINE r16_int i_add(r16_int x, r16_int y)
{
    return i_four(vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c), vaddq_s32(x.d, y.d));
}
R16_INLINE r16_int i_sub(r16_int x, r16_int y)
{
    return i_four(vsubq_s32(x.a, y.a), vsubq_s32(x.b, y.b), vsubq_s32(x.c, y.c), vsubq_s32(x.d, y.d));
}
R16_INLINE r16_int i_mul(r16_int x, r16_int y)
{
    return i_four(vmulq_s32(x.a, y.a), vmulq_s32(x.b, y.b), vmulq_s32(x.c, y.c), vmulq_s32(x.d, y.d));
}
R16_INLINE int32x4_t sub16_quarter(int32x4_t x, int32x4_t y) { return of_h(vsubq_s16(to_h(x), to_h(y))); }
R16_INLINE r16_int i_sub16(r16_int x, r16_int y)
{
    return i_four(sub16_quarter(x.a, y.a), sub16_quarter(x.b, y.b), sub16_quarter(x.c, y.c),
                  sub16_quarter(x.d, y.d));
}
R16_INLINE int32x4_t add8_quarter(int32x4_t x, int32x4_t y) { return of_b(vaddq_u8(to_b(x), to_b(y))); }
R16_INLINE r16_int b_add(r16_int x, r16_int y)
{
    return i_four(add8_quarter(x.a, y.a), add8_quarter(x.b, y.b), add8_quarter(x.c, y.c),
                  add8_quarter(x.d, y.d));
}
R16_INLINE int32x4_t shr_quarter(int32x4_t x, const int n)
{
    const uint32x4_t u = vreinterpretq_u32_s32(x);
    if (!__builtin_constant_p(n)) return vreinterpretq_s32_u32(vshlq_u32(u, vdupq_n_s32(-n)));
    return vreinterpretq_s32_u32(n > 0 ? u >> (uint32_t)n : n < 0 ? u << (uint32_t)-n : u);
}
R16_INLINE r16_int i_shr(r16_int v, const int n)
{
    return i_four(shr_quarter(v.a, n), shr_quarter(v.b, n), shr_quarter(v.c, n), shr_quarter(v.d, n));
}
R16_INLINE r16_int i_top_byte(r16_int v)
{
    return i_four(vshrq_n_s32(v.a, 24), vshrq_n_s32(v.b, 24), vshrq_n_s32(v.c, 24), vshrq_n_s32(v.d, 24));
}
R16_INLINE int32x4_t wide_low(uint16x8_t v) { return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(v))); }
R16_INLINE int32x4_t wide_high(uint16x8_t v) { return vreinterpretq_s32_u32(vmovl_high_u16(v)); }
R16_INLINE r16_int i_load_u16(const void *p)
{
    const uint16x8_t x = vreinterpretq_u16_u8(vld1q_u8(p)),
                     y = vreinterpretq_u16_u8(vld1q_u8((const uint8_t *)p + 16));
    return i_four(wide_low(x), wide_high(x), wide_low(y), wide_high(y));
}
R16_INLINE r16_int i_load_u8(const void *p)
{
    const uint8x16_t v = vld1q_u8(p);
    const uint16x8_t x = vmovl_u8(vget_low_u8(v)), y = vmovl_high_u8(v);
    return i_four(wide_low(x), wide_high(x), wide_low(y), wide_high(y));
}
R16_INLINE r16_int i_load_lanes(const void *p, uint32_t lanes)
{
    int32_t t[16] = {0};
    for (int i = 0; i < 16; i++)
        if (lanes >> i & 1) memcpy(&t[i], (const uint8_t *)p + 4 * i, 4);
    return i_load(t);
}
R16_INLINE int32x4_t pair_quarter(int32x4_t v) { return vaddq_s32(v, vrev64q_s32(v)); }
R16_INLINE r16_int i_pair_sums(r16_int v)
{
    return i_four(pair_quarter(v.a), pair_quarter(v.b), pair_quarter(v.c), pair_quarter(v.d));
}
R16_INLINE int32_t i_total(r16_int v)
{
    return vaddvq_s32(vaddq_s32(vaddq_s32(v.a, v.b), vaddq_s32(v.c, v.d)));
}
R16_INLINE void i_store_i16(void *p, r16_int v)
{
    vst1q_u8(p, vreinterpretq_u8_s16(vcombine_s16(vmovn_s32(v.a), vmovn_s32(v.b))));
    vst1q_u8((uint8_t *)p + 16, vreinterpretq_u8_s16(vcombine_s16(vmovn_s32(v.c), vmovn_s32(v.d))));
}
R16_INLINE void i_store_even_i16(void *p, r16_int v)
{
    const int16x4_t low = vmovn_s32(vuzp1q_s32(v.a, v.b)), high = vmovn_s32(vuzp1q_s32(v.c, v.d));
    vst1q_u8(p, vreinterpretq_u8_s16(vcombine_s16(low, high)));
}
R16_INLINE r16_int i_spread(r16_int v, uint32_t control)
{
    static const uint32_t lanes[4] = {0, 0x04040404, 0x08080808, 0x0c0c0c0c};
    const uint8x16_t by = vreinterpretq_u8_u32(vorrq_u32(vld1q_u32(lanes), vdupq_n_u32(control)));
    return i_four(of_b(vqtbl1q_u8(to_b(v.a), by)), of_b(vqtbl1q_u8(to_b(v.b), by)),
                  of_b(vqtbl1q_u8(to_b(v.c), by)), of_b(vqtbl1q_u8(to_b(v.d), by)));
}
R16_INLINE r16_int b_table(const void *p)
{
    const int32x4_t t = of_b(vld1q_u8(p));
    return i_four(t, t, t, t);
}
R16_INLINE int32x4_t pick_quarter(int32x4_t table, int32x4_t index)
{
    return of_b(vqtbl1q_u8(to_b(table), to_b(index)));
}
R16_INLINE r16_int b_pick(r16_int t, r16_int i)
{
    return i_four(pick_quarter(t.a, i.a), pick_quarter(t.b, i.b), pick_quarter(t.c, i.c),
                  pick_quarter(t.d, i.d));
}
R16_INLINE int32x4_t raise_quarter(int32x4_t v, int32x4_t probe, int32x4_t select, int bit)
{
    const uint8x16_t found = vtstq_u8(to_b(probe), to_b(select));
    return of_b(vaddq_u8(to_b(v), vandq_u8(found, vdupq_n_u8((uint8_t)bit))));
}
R16_INLINE r16_int b_raise(r16_int v, r16_int p, r16_int s, int bit)
{
    return i_four(raise_quarter(v.a, p.a, s.a, bit), raise_quarter(v.b, p.b, s.b, bit),
                  raise_quarter(v.c, p.c, s.c, bit), raise_quarter(v.d, p.d, s.d, bit));
}
R16_INLINE int32x4_t count_quarter(int32x4_t v, int32x4_t probe, int least)
{
    return of_b(vsubq_u8(to_b(v), vcgeq_u8(to_b(probe), vdupq_n_u8((uint8_t)least))));
}
R16_INLINE r16_int b_count(r16_int v, r16_int p, int least)
{
    return i_four(count_quarter(v.a, p.a, least), count_quarter(v.b, p.b, least),
                  count_quarter(v.c, p.c, least), count_quarter(v.d, p.d, least));
}

R16_INLINE r16_every i_every(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return i_set(v);
}

#if defined(__ARM_FEATURE_MATMUL_INT8)
enum { R16_WIDE_LESS = 0 };
#else
enum { R16_WIDE_LESS = 128 };
R16_INLINE int8x16_t as_signed(int32x4_t u, const int most)
{
    return vreinterpretq_s8_u8(most > 127 ? veorq_u8(to_b(u), vdupq_n_u8(128)) : to_b(u));
}
#endif

#if defined(__ARM_FEATURE_DOTPROD)
typedef r16_int r16_partial;
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
R16_INLINE int32x4_t dot_quarter(int32x4_t s, int32x4_t u, int32x4_t a, const int most)
{
#if defined(__ARM_FEATURE_MATMUL_INT8)
    (void)most;
    return vusdotq_s32(s, to_b(u), vreinterpretq_s8_s32(a));
#else
    return vdotq_s32(s, as_signed(u, most), vreinterpretq_s8_s32(a));
#endif
}
R16_INLINE r16_partial i_dot(r16_partial t, r16_int u, r16_every x, const int most)
{
    return i_four(dot_quarter(t.a, u.a, x.a, most), dot_quarter(t.b, u.b, x.b, most),
                  dot_quarter(t.c, u.c, x.c, most), dot_quarter(t.d, u.d, x.d, most));
}
#else
/* Of each four rows, 16-bit sums of two: rows 0 and 1, rows 2 and 3. A lane takes one product a dot. */
typedef struct r16_partial {
    int16x8_t a01, a23, b01, b23, c01, c23, d01, d23;
} r16_partial;
R16_INLINE int i_room(const int most)
{
    return most > 127 ? 2 : most > 63 ? 2 : most > 31 ? 4 : most > 15 ? 8 : most > 7 ? 16 : 32;
}
R16_INLINE r16_partial i_begin(r16_int s, const int most)
{
    const int16x8_t zero = vdupq_n_s16(0);
    (void)s;
    (void)most;
    return (r16_partial){zero, zero, zero, zero, zero, zero, zero, zero};
}
R16_INLINE int16x8_t dot_01(int16x8_t t, int32x4_t u, int32x4_t a, const int most)
{
    return vmlal_s8(t, vget_low_s8(as_signed(u, most)), vget_low_s8(vreinterpretq_s8_s32(a)));
}
R16_INLINE int16x8_t dot_23(int16x8_t t, int32x4_t u, int32x4_t a, const int most)
{
    return vmlal_high_s8(t, as_signed(u, most), vreinterpretq_s8_s32(a));
}
R16_INLINE r16_partial i_dot(r16_partial t, r16_int u, r16_every x, const int most)
{
    t.a01 = dot_01(t.a01, u.a, x.a, most);
    t.a23 = dot_23(t.a23, u.a, x.a, most);
    t.b01 = dot_01(t.b01, u.b, x.b, most);
    t.b23 = dot_23(t.b23, u.b, x.b, most);
    t.c01 = dot_01(t.c01, u.c, x.c, most);
    t.c23 = dot_23(t.c23, u.c, x.c, most);
    t.d01 = dot_01(t.d01, u.d, x.d, most);
    t.d23 = dot_23(t.d23, u.d, x.d, most);
    return t;
}
R16_INLINE int32x4_t end_quarter(int32x4_t s, int16x8_t x, int16x8_t y)
{
    return vaddq_s32(s, vpaddq_s32(vpaddlq_s16(x), vpaddlq_s16(y)));
}
R16_INLINE r16_int i_end(r16_int s, r16_partial t, const int most)
{
    (void)most;
    return i_four(end_quarter(s.a, t.a01, t.a23), end_quarter(s.b, t.b01, t.b23),
                  end_quarter(s.c, t.c01, t.c23), end_quarter(s.d, t.d01, t.d23));
}
#endif

R16_INLINE int32x4_t mad_quarter(int32x4_t s, int32x4_t x, int32x4_t y)
{
    const int16x8_t w = to_h(x), a = to_h(y);
    return vaddq_s32(s, vpaddq_s32(vmull_s16(vget_low_s16(w), vget_low_s16(a)), vmull_high_s16(w, a)));
}
R16_INLINE r16_int i_mad(r16_int s, r16_int x, r16_int y)
{
    return i_four(mad_quarter(s.a, x.a, y.a), mad_quarter(s.b, x.b, y.b), mad_quarter(s.c, x.c, y.c),
                  mad_quarter(s.d, x.d, y.d));
}

R16_INLINE r16_float f_zero(void)
{
    const float32x4_t v = vdupq_n_f32(0.0f);
    return f_four(v, v, v, v);
}
R16_INLINE r16_float f_load(const float *p)
{
    return f_four(vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12));
}
R16_INLINE void f_store(float *p, r16_float v)
{
    vst1q_f32(p, v.a);
    vst1q_f32(p + 4, v.b);
    vst1q_f32(p + 8, v.c);
    vst1q_f32(p + 12, v.d);
}
R16_INLINE r16_float f_every(const void *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    const float32x4_t v = vdupq_n_f32(f);
    return f_four(v, v, v, v);
}
R16_INLINE r16_float f_half(const void *p)
{
    const float16x8_t x = vreinterpretq_f16_u8(vld1q_u8(p)),
                      y = vreinterpretq_f16_u8(vld1q_u8((const uint8_t *)p + 16));
    return f_four(vcvt_f32_f16(vget_low_f16(x)), vcvt_high_f32_f16(x), vcvt_f32_f16(vget_low_f16(y)),
                  vcvt_high_f32_f16(y));
}
R16_INLINE r16_float f_bits(r16_int v)
{
    return f_four(vreinterpretq_f32_s32(v.a), vreinterpretq_f32_s32(v.b), vreinterpretq_f32_s32(v.c),
                  vreinterpretq_f32_s32(v.d));
}
R16_INLINE r16_float f_minus(r16_float v)
{
    return f_four(vnegq_f32(v.a), vnegq_f32(v.b), vnegq_f32(v.c), vnegq_f32(v.d));
}
R16_INLINE r16_float f_of_int(r16_int v)
{
    return f_four(vcvtq_f32_s32(v.a), vcvtq_f32_s32(v.b), vcvtq_f32_s32(v.c), vcvtq_f32_s32(v.d));
}
R16_INLINE r16_float f_mul(r16_float x, r16_float y)
{
    return f_four(vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d));
}
R16_INLINE r16_float f_add(r16_float x, r16_float y)
{
    return f_four(vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d));
}
R16_INLINE r16_float f_fma(r16_float x, r16_float y, r16_float z)
{
    return f_four(vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                  vfmaq_f32(z.d, x.d, y.d));
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
R16_INLINE float32x4_t e8m0_half_of(int32x4_t e)
{
    const int32x4_t normal = vshlq_n_s32(vsubq_s32(e, vdupq_n_s32(1)), 23),
                    small = vshlq_s32(vdupq_n_s32(0x200000), e);
    return vreinterpretq_f32_s32(vbslq_s32(vcltq_s32(e, vdupq_n_s32(2)), small, normal));
}
R16_INLINE r16_float f_e8m0_half(r16_int e)
{
    return f_four(e8m0_half_of(e.a), e8m0_half_of(e.b), e8m0_half_of(e.c), e8m0_half_of(e.d));
}

#endif
