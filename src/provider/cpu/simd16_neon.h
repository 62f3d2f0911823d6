/* The sixteen lanes of simd16.h in four registers of NEON; part of simd16.h.
 *
 * fmax and fmin of this processor give NaN if a side is one, which is not what max and min mean here: they
 * are comparisons and selections. Conversions between F16 and F32 are exact and part of every AArch64. */
typedef struct v16 {
    float32x4_t a, b, c, d;
} v16;
typedef struct v16i {
    int32x4_t a, b, c, d;
} v16i;

GLIA_INLINE v16 v16_four(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d)
{
    v16 v;
    v.a = a;
    v.b = b;
    v.c = c;
    v.d = d;
    return v;
}
GLIA_INLINE v16i v16i_four(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
    v16i v;
    v.a = a;
    v.b = b;
    v.c = c;
    v.d = d;
    return v;
}
GLIA_INLINE v16 v16_set(float f)
{
    const float32x4_t v = vdupq_n_f32(f);
    return v16_four(v, v, v, v);
}
GLIA_INLINE v16 v16_zero(void) { return v16_set(0.0f); }
GLIA_INLINE v16 v16_load(const void *p)
{
    const float *f = p;
    return v16_four(vld1q_f32(f), vld1q_f32(f + 4), vld1q_f32(f + 8), vld1q_f32(f + 12));
}
GLIA_INLINE void v16_store(void *p, v16 v)
{
    float *f = p;
    vst1q_f32(f, v.a);
    vst1q_f32(f + 4, v.b);
    vst1q_f32(f + 8, v.c);
    vst1q_f32(f + 12, v.d);
}
GLIA_INLINE v16 v16_load_n(const void *p, int n)
{
    float t[16] = {0};
    memcpy(t, p, (size_t)n * sizeof *t);
    return v16_load(t);
}
GLIA_INLINE void v16_store_n(void *p, v16 v, int n)
{
    float t[16];
    v16_store(t, v);
    memcpy(p, t, (size_t)n * sizeof *t);
}
GLIA_INLINE void v16_store_lanes(float *p, v16 v, uint32_t lanes)
{
    float t[16];
    v16_store(t, v);
    for (int i = 0; i < 16; i++)
        if (lanes >> i & 1) p[i] = t[i];
}
GLIA_INLINE v16 v16_load_lanes(const float *p, uint32_t lanes)
{
    float t[16];
    for (int i = 0; i < 16; i++) t[i] = lanes >> i & 1 ? p[i] : 0.0f;
    return v16_load(t);
}
GLIA_INLINE float32x4_t widen_low(uint16x8_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
}
GLIA_INLINE float32x4_t widen_high(uint16x8_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(h)));
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
    const uint16x8_t x = vld1q_u16(p), y = vld1q_u16((const uint16_t *)p + 8);
    return v16_four(widen_low(x), widen_high(x), widen_low(y), widen_high(y));
}
GLIA_INLINE v16 v16_set_f16(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    const float32x4_t v = widen_low(vdupq_n_u16(h));
    return v16_four(v, v, v, v);
}
GLIA_INLINE uint16x8_t narrow_f16(float32x4_t x, float32x4_t y)
{
    return vcombine_u16(vreinterpret_u16_f16(vcvt_f16_f32(x)), vreinterpret_u16_f16(vcvt_f16_f32(y)));
}
GLIA_INLINE void v16_store_f16(void *p, v16 v)
{
    vst1q_u16(p, narrow_f16(v.a, v.b));
    vst1q_u16((uint16_t *)p + 8, narrow_f16(v.c, v.d));
}
GLIA_INLINE uint16_t f16_of(float f) { return vgetq_lane_u16(narrow_f16(vdupq_n_f32(f), vdupq_n_f32(f)), 0); }
GLIA_INLINE float32x4_t quarter_i16(int16x4_t v) { return vcvtq_f32_s32(vmovl_s16(v)); }
GLIA_INLINE v16 v16_load_i8(const void *p)
{
    const int8x16_t v = vld1q_s8(p);
    const int16x8_t x = vmovl_s8(vget_low_s8(v)), y = vmovl_s8(vget_high_s8(v));
    return v16_four(quarter_i16(vget_low_s16(x)), quarter_i16(vget_high_s16(x)), quarter_i16(vget_low_s16(y)),
                    quarter_i16(vget_high_s16(y)));
}
GLIA_INLINE float32x4_t quarter_bf16(uint16x4_t h) { return vreinterpretq_f32_u32(vshll_n_u16(h, 16)); }
GLIA_INLINE v16 v16_load_bf16(const void *p)
{
    const uint16x8_t x = vld1q_u16(p), y = vld1q_u16((const uint16_t *)p + 8);
    return v16_four(quarter_bf16(vget_low_u16(x)), quarter_bf16(vget_high_u16(x)),
                    quarter_bf16(vget_low_u16(y)), quarter_bf16(vget_high_u16(y)));
}
GLIA_INLINE v16 v16_add(v16 x, v16 y)
{
    return v16_four(vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d));
}
GLIA_INLINE v16 v16_sub(v16 x, v16 y)
{
    return v16_four(vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d));
}
GLIA_INLINE v16 v16_mul(v16 x, v16 y)
{
    return v16_four(vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d));
}
GLIA_INLINE v16 v16_div(v16 x, v16 y)
{
    return v16_four(vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d));
}
GLIA_INLINE v16 v16_fma(v16 x, v16 y, v16 z)
{
    return v16_four(vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                    vfmaq_f32(z.d, x.d, y.d));
}
GLIA_INLINE v16 v16_fnma(v16 x, v16 y, v16 z)
{
    return v16_four(vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b), vfmsq_f32(z.c, x.c, y.c),
                    vfmsq_f32(z.d, x.d, y.d));
}
GLIA_INLINE float32x4_t quarter_if_less(float32x4_t a, float32x4_t b, float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcltq_f32(a, b), x, y);
}
GLIA_INLINE v16 v16_select_less(v16 a, v16 b, v16 x, v16 y)
{
    return v16_four(quarter_if_less(a.a, b.a, x.a, y.a), quarter_if_less(a.b, b.b, x.b, y.b),
                    quarter_if_less(a.c, b.c, x.c, y.c), quarter_if_less(a.d, b.d, x.d, y.d));
}
GLIA_INLINE v16 v16_max(v16 x, v16 y) { return v16_select_less(y, x, x, y); }
GLIA_INLINE v16 v16_min(v16 x, v16 y) { return v16_select_less(x, y, x, y); }
GLIA_INLINE float32x4_t quarter_or_nan(float32x4_t v, float32x4_t b)
{
    return vbslq_f32(vceqq_f32(b, b), v, b);
}
GLIA_INLINE v16 v16_max_or_nan(v16 a, v16 b)
{
    const v16 v = v16_max(b, a);
    return v16_four(quarter_or_nan(v.a, b.a), quarter_or_nan(v.b, b.b), quarter_or_nan(v.c, b.c),
                    quarter_or_nan(v.d, b.d));
}
GLIA_INLINE v16 v16_rint(v16 x)
{
    return v16_four(vrndnq_f32(x.a), vrndnq_f32(x.b), vrndnq_f32(x.c), vrndnq_f32(x.d));
}
GLIA_INLINE v16 v16_negate(v16 x)
{
    return v16_four(vnegq_f32(x.a), vnegq_f32(x.b), vnegq_f32(x.c), vnegq_f32(x.d));
}
GLIA_INLINE v16 v16_abs(v16 x)
{
    return v16_four(vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d));
}
GLIA_INLINE v16 v16_with_sign(v16 x, v16 y)
{
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return v16_four(vbslq_f32(sign, y.a, x.a), vbslq_f32(sign, y.b, x.b), vbslq_f32(sign, y.c, x.c),
                    vbslq_f32(sign, y.d, x.d));
}
GLIA_INLINE v16i v16_to_int(v16 x)
{
    return v16i_four(vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c), vcvtnq_s32_f32(x.d));
}
GLIA_INLINE v16i v16i_half(v16i x)
{
    return v16i_four(vshrq_n_s32(x.a, 1), vshrq_n_s32(x.b, 1), vshrq_n_s32(x.c, 1), vshrq_n_s32(x.d, 1));
}
GLIA_INLINE v16i v16i_add(v16i x, v16i y)
{
    return v16i_four(vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c), vaddq_s32(x.d, y.d));
}
GLIA_INLINE v16i v16i_sub(v16i x, v16i y)
{
    return v16i_four(vsubq_s32(x.a, y.a), vsubq_s32(x.b, y.b), vsubq_s32(x.c, y.c), vsubq_s32(x.d, y.d));
}
GLIA_INLINE v16i v16i_max(v16i x, v16i y)
{
    return v16i_four(vmaxq_s32(x.a, y.a), vmaxq_s32(x.b, y.b), vmaxq_s32(x.c, y.c), vmaxq_s32(x.d, y.d));
}
GLIA_INLINE float32x4_t quarter_power_of_2(int32x4_t x)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(x, vdupq_n_s32(127)), 23));
}
GLIA_INLINE v16 v16_power_of_2(v16i x)
{
    return v16_four(quarter_power_of_2(x.a), quarter_power_of_2(x.b), quarter_power_of_2(x.c),
                    quarter_power_of_2(x.d));
}
GLIA_INLINE v16i v16_magnitude(v16 x)
{
    const v16 m = v16_abs(x);
    return v16i_four(vreinterpretq_s32_f32(m.a), vreinterpretq_s32_f32(m.b), vreinterpretq_s32_f32(m.c),
                     vreinterpretq_s32_f32(m.d));
}
GLIA_INLINE int32_t v16i_most(v16i x)
{
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(x.a, x.b), vmaxq_s32(x.c, x.d)));
}
GLIA_INLINE int32_t v16i_total(v16i x)
{
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}
GLIA_INLINE void v16i_store_i8(void *p, v16i x)
{
    const int16x8_t low = vcombine_s16(vmovn_s32(x.a), vmovn_s32(x.b)),
                    high = vcombine_s16(vmovn_s32(x.c), vmovn_s32(x.d));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
GLIA_INLINE void v16i_store_i8x4(void *p, const v16i *x)
{
    for (int i = 0; i < 4; i++) v16i_store_i8((int8_t *)p + 16 * i, x[i]);
}
GLIA_INLINE int32x4_t meet4(int32x4_t a, int32x4_t b, const bool add)
{
    return add ? vaddq_s32(a, b) : vmaxq_s32(a, b);
}
GLIA_INLINE int32x4_t quarter_across(const v16i *v, const bool add)
{
    int32x4_t h[4];
    for (int j = 0; j < 4; j++) h[j] = meet4(meet4(v[j].a, v[j].b, add), meet4(v[j].c, v[j].d, add), add);
    if (add) return vpaddq_s32(vpaddq_s32(h[0], h[1]), vpaddq_s32(h[2], h[3]));
    return vpmaxq_s32(vpmaxq_s32(h[0], h[1]), vpmaxq_s32(h[2], h[3]));
}
/* Lane i is the most, or the total, of vector i. */
GLIA_INLINE v16i v16i_across(const v16i *v, const bool add)
{
    v16i r;
    r.a = quarter_across(v, add);
    r.b = quarter_across(v + 4, add);
    r.c = quarter_across(v + 8, add);
    r.d = quarter_across(v + 12, add);
    return r;
}
GLIA_INLINE v16i v16i_load(const void *p)
{
    const int32_t *q = p;
    v16i r;
    r.a = vld1q_s32(q), r.b = vld1q_s32(q + 4), r.c = vld1q_s32(q + 8), r.d = vld1q_s32(q + 12);
    return r;
}
GLIA_INLINE void v16i_store(void *p, v16i x)
{
    int32_t *q = p;
    vst1q_s32(q, x.a), vst1q_s32(q + 4, x.b), vst1q_s32(q + 8, x.c), vst1q_s32(q + 12, x.d);
}
GLIA_INLINE v16 v16_of_bits(v16i x)
{
    v16 r;
    r.a = vreinterpretq_f32_s32(x.a), r.b = vreinterpretq_f32_s32(x.b);
    r.c = vreinterpretq_f32_s32(x.c), r.d = vreinterpretq_f32_s32(x.d);
    return r;
}
/* Of pairs: the two exchanged; the first negated; eight numbers, each twice. */
GLIA_INLINE v16 v16_swap_pairs(v16 x)
{
    v16 r;
    r.a = vrev64q_f32(x.a), r.b = vrev64q_f32(x.b), r.c = vrev64q_f32(x.c), r.d = vrev64q_f32(x.d);
    return r;
}
GLIA_INLINE float32x4_t quarter_negate_first(float32x4_t x)
{
    const uint64x2_t sign = vdupq_n_u64(0x80000000u);
    return vreinterpretq_f32_u64(veorq_u64(vreinterpretq_u64_f32(x), sign));
}
GLIA_INLINE v16 v16_negate_first(v16 x)
{
    v16 r;
    r.a = quarter_negate_first(x.a), r.b = quarter_negate_first(x.b);
    r.c = quarter_negate_first(x.c), r.d = quarter_negate_first(x.d);
    return r;
}
GLIA_INLINE v16 v16_load_twice(const float *p)
{
    const float32x4_t low = vld1q_f32(p), high = vld1q_f32(p + 4);
    v16 r;
    r.a = vzip1q_f32(low, low), r.b = vzip2q_f32(low, low);
    r.c = vzip1q_f32(high, high), r.d = vzip2q_f32(high, high);
    return r;
}
/* The lanes' sum in the fixed tree: pairwise additions are its levels. */
GLIA_INLINE float v16_tree(v16 x)
{
    const float32x4_t t = vpaddq_f32(vpaddq_f32(x.a, x.b), vpaddq_f32(x.c, x.d)), u = vpaddq_f32(t, t);
    return vgetq_lane_f32(vpaddq_f32(u, u), 0);
}
/* The greatest lane, where none is NaN. */
GLIA_INLINE float v16_most(v16 x) { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d))); }
/* p 2^n for p of about 1 and a whole n, rounded once; a NaN stays one. */
GLIA_INLINE v16 v16_scale(v16 p, v16 n)
{
    const v16i k = v16_to_int(n), a = v16i_half(k);
    return v16_mul(v16_mul(p, v16_power_of_2(a)), v16_power_of_2(v16i_sub(k, a)));
}
