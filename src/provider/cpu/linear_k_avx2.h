/* linear over plain rows of super-blocks (Q2_K to Q6_K, ternary and codebook formats) with A8X256
 * activations. Part of kernels_avx2.c.
 *
 * The K-quants and TQ2_0 lie in planes of 32 bytes, so that one load, a shift and a mask give 32 quants in
 * order. They are made unsigned by an offset (q + 4, q + 32, q + 1), multiplied by vpmaddubsw, which is exact
 * since 63 * 127 * 2 < 2^15, and then by their sub-block's scale with vpmaddwd. The offset comes out again
 * through the activation's sums of 16:
 *
 *     S = sum_i scale_i (dot'_i - offset * bsum_i),   M = sum_i min_i bsum_i
 *
 * Codebook formats are signed: the magnitudes meet the activations with the quants' signs, exact since
 * 127 * 127 * 2 < 2^15. IQ4_XS looks its values up by a shuffle; the others are unpacked as the reference
 * does.
 *
 * A super-block is prepared once for up to K_ROWS rows of activations. */
#include "tensor/dot.h"
#include "tensor/formats.h"

#include <math.h>

enum { K_ROWS = 16, SUPER = 256, K_SEGMENT = 4 /* super-blocks */ };

typedef struct super_block {
    __m256i q[8];         /* unsigned quants, or magnitudes, 32 each */
    __m256i sign[8];      /* codebook formats: the quants, for their signs */
    __m256i scale[8];     /* i16: 8 lanes of each of the plane's two sub-blocks of 16 */
    __m256i scales, mins; /* i16 per 16 elements; scales times minus offset */
    float d, dmin;
} super_block;

GLIA_INLINE float load_half(const uint8_t *p)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(glia_load_u16(p))));
}
GLIA_INLINE __m256i plane(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
GLIA_INLINE __m256i bits_of(__m256i v, int shift, int mask)
{
    return _mm256_and_si256(_mm256_srli_epi16(v, shift), _mm256_set1_epi8((char)mask));
}
GLIA_INLINE __m256i raised(__m256i v, int shift)
{
    return _mm256_slli_epi16(v, shift);
} /* small values only */

/* scale: 16 signed bytes, one per 16 elements. Even ones go to the low lanes and odd ones to the high lanes,
 * so that one shuffle per plane repeats the right two. */
GLIA_INLINE void set_scales(super_block *s, __m128i scale, const int offset)
{
    const __m128i split = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scale, split));
    GLIA_UNROLL
    for (int i = 0; i < 8; i++)
        s->scale[i] = _mm256_shuffle_epi8(wide, _mm256_set1_epi16((short)(2 * i + ((2 * i + 1) << 8))));
    s->scales = _mm256_mullo_epi16(_mm256_cvtepi8_epi16(scale), _mm256_set1_epi16((short)-offset));
}

GLIA_INLINE uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Eight bytes, each twice. */
GLIA_INLINE __m128i doubled(uint32_t low, uint32_t high)
{
    const __m128i v = _mm_set_epi32(0, 0, (int)high, (int)low);
    return _mm_unpacklo_epi8(v, v);
}

/* The six-bit scales and mins of Q4_K and Q5_K, four at a time; formats_k.c has the picture. */
GLIA_INLINE void six_bits(super_block *s, const uint8_t *b)
{
    const uint32_t a = word(b), m = word(b + 4), h = word(b + 8);
    const uint32_t low = 0x3f3f3f3fu, nibble = 0x0f0f0f0fu, top = 0x30303030u;
    set_scales(s, doubled(a & low, (h & nibble) | (a >> 2 & top)), 0);
    s->mins = _mm256_cvtepu8_epi16(doubled(m & low, (h >> 4 & nibble) | (m >> 2 & top)));
}

GLIA_INLINE void prepare_q2_k(super_block *s, const uint8_t *b)
{
    const __m128i both = _mm_loadu_si128((const __m128i *)b), low = _mm_set1_epi8(15);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) s->q[i] = bits_of(plane(b + 16 + i / 4 * 32), i % 4 * 2, 3);
    set_scales(s, _mm_and_si128(both, low), 0);
    s->mins = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), low));
    s->d = load_half(b + 80);
    s->dmin = load_half(b + 82);
}

GLIA_INLINE void prepare_q3_k(super_block *s, const uint8_t *b)
{
    const uint32_t l0 = word(b + 96), l1 = word(b + 100), h = word(b + 104), nibble = 0x0f0f0f0fu,
                   top = 0x30303030u;
    const __m256i high = plane(b);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++)
        s->q[i] = _mm256_or_si256(bits_of(plane(b + 32 + i / 4 * 32), i % 4 * 2, 3),
                                  raised(bits_of(high, i, 1), 2));
    const __m128i scale =
        _mm_set_epi32((int)((l1 >> 4 & nibble) | (h >> 2 & top)), (int)((l0 >> 4 & nibble) | (h & top)),
                      (int)((l1 & nibble) | (h << 2 & top)), (int)((l0 & nibble) | (h << 4 & top)));
    set_scales(s, _mm_sub_epi8(scale, _mm_set1_epi8(32)), 4);
    s->d = load_half(b + 108);
}

GLIA_INLINE void prepare_q4_k(super_block *s, const uint8_t *b)
{
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) s->q[i] = bits_of(plane(b + 16 + i / 2 * 32), i % 2 * 4, 15);
    six_bits(s, b + 4);
    s->d = load_half(b);
    s->dmin = load_half(b + 2);
}

GLIA_INLINE void prepare_q5_k(super_block *s, const uint8_t *b)
{
    const __m256i high = plane(b + 16);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++)
        s->q[i] = _mm256_or_si256(bits_of(plane(b + 48 + i / 2 * 32), i % 2 * 4, 15),
                                  raised(bits_of(high, i, 1), 4));
    six_bits(s, b + 4);
    s->d = load_half(b);
    s->dmin = load_half(b + 2);
}

GLIA_INLINE void prepare_q6_k(super_block *s, const uint8_t *b)
{
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i low = bits_of(plane(b + i / 4 * 64 + i % 2 * 32), i % 4 / 2 * 4, 15);
        s->q[i] = _mm256_or_si256(low, raised(bits_of(plane(b + 128 + i / 4 * 32), i % 4 * 2, 3), 4));
    }
    set_scales(s, _mm_loadu_si128((const __m128i *)(b + 192)), 32);
    s->d = load_half(b + 208);
}

GLIA_INLINE void prepare_tq2_0(super_block *s, const uint8_t *b)
{
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) s->q[i] = bits_of(plane(b + i / 4 * 32), i % 4 * 2, 3);
    set_scales(s, _mm_set1_epi8(1), 1);
    s->d = load_half(b + 64);
}

/* Five base-three digits to a byte; digit i is the top of (byte * 3^i mod 256) * 3. v: 16 bytes, widened. */
GLIA_INLINE __m128i ternary_digits(__m256i v, int power)
{
    const __m256i low =
        _mm256_and_si256(_mm256_mullo_epi16(v, _mm256_set1_epi16((short)power)), _mm256_set1_epi16(255));
    const __m256i digit = _mm256_srli_epi16(_mm256_mullo_epi16(low, _mm256_set1_epi16(3)), 8);
    return _mm_packus_epi16(_mm256_castsi256_si128(digit), _mm256_extracti128_si256(digit, 1));
}

GLIA_INLINE __m256i both_halves(__m128i low, __m128i high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

GLIA_INLINE __m256i widened(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
}

/* 160 elements in five planes over 32 bytes, 80 in five over 16, 16 in four over 4. */
GLIA_INLINE void prepare_tq1_0(super_block *s, const uint8_t *b)
{
    static const int power[5] = {1, 3, 9, 27, 81};
    const __m256i first = widened(b), second = widened(b + 16), third = widened(b + 32);
    const int32_t tail = (int32_t)word(b + 48);
    __m128i five[5];
    GLIA_UNROLL
    for (int i = 0; i < 5; i++) {
        s->q[i] = both_halves(ternary_digits(first, power[i]), ternary_digits(second, power[i]));
        five[i] = ternary_digits(third, power[i]);
    }
    const __m256i last =
        _mm256_mullo_epi16(_mm256_cvtepu8_epi16(_mm_set1_epi32(tail)),
                           _mm256_setr_epi16(1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27));
    s->q[5] = both_halves(five[0], five[1]);
    s->q[6] = both_halves(five[2], five[3]);
    s->q[7] = both_halves(five[4], ternary_digits(last, 1));
    set_scales(s, _mm_set1_epi8(1), 1);
    s->d = load_half(b + 52);
}

GLIA_INLINE void set_signed(super_block *s, int i, __m256i q)
{
    s->sign[i] = q;
    s->q[i] = _mm256_abs_epi8(q);
}

GLIA_INLINE void prepare_iq4_xs(super_block *s, const uint8_t *b)
{
    const __m128i values = _mm_loadu_si128((const __m128i *)glia_iq4_nl_values), low = _mm_set1_epi8(15);
    const uint32_t nibble = 0x0f0f0f0fu, high = glia_load_u16(b + 2), bits = word(b + 4);
    uint32_t even = bits & nibble, odd = bits >> 4 & nibble; /* scales 0 2 4 6 and 1 3 5 7 */
    for (int i = 0; i < 4; i++) {
        even |= (high >> (4 * i) & 3) << (8 * i + 4);
        odd |= (high >> (4 * i + 2) & 3) << (8 * i + 4);
    }
    const __m128i each = _mm_unpacklo_epi8(_mm_cvtsi32_si128((int)even), _mm_cvtsi32_si128((int)odd));
    set_scales(s, _mm_sub_epi8(_mm_unpacklo_epi8(each, each), _mm_set1_epi8(32)), 0);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(b + 8 + 16 * i));
        set_signed(s, i,
                   both_halves(_mm_shuffle_epi8(values, _mm_and_si128(v, low)),
                               _mm_shuffle_epi8(values, _mm_and_si128(_mm_srli_epi16(v, 4), low))));
    }
    s->d = load_half(b);
}

/* The codebooks of IQ1 to IQ3. */
GLIA_INLINE void prepare_unpacked(super_block *s, const uint8_t *b, glia_unpack_super_fn *unpack)
{
    int8_t q[SUPER], scale[16];
    s->d = unpack(b, q, scale);
    set_scales(s, _mm_loadu_si128((const __m128i *)scale), 0);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) set_signed(s, i, plane((const uint8_t *)q + 32 * i));
}

/* t is NONE for the formats that `unpack` reads. */
GLIA_INLINE void prepare(const glia_dtype t, super_block *s, const uint8_t *b, glia_unpack_super_fn *unpack)
{
    if (t == GLIA_Q2_K) prepare_q2_k(s, b);
    else if (t == GLIA_Q3_K) prepare_q3_k(s, b);
    else if (t == GLIA_Q4_K) prepare_q4_k(s, b);
    else if (t == GLIA_Q5_K) prepare_q5_k(s, b);
    else if (t == GLIA_Q6_K) prepare_q6_k(s, b);
    else if (t == GLIA_TQ1_0) prepare_tq1_0(s, b);
    else if (t == GLIA_TQ2_0) prepare_tq2_0(s, b);
    else if (t == GLIA_IQ4_XS) prepare_iq4_xs(s, b);
    else prepare_unpacked(s, b, unpack);
}

GLIA_INLINE int32_t total(__m256i a)
{
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}

/* Sixteen sums of 16 activations fit 16 bits: 16 * 127 < 2^15. */
GLIA_INLINE __m256i narrow_sums(const uint8_t *sums)
{
    const __m256i packed = _mm256_packs_epi32(plane(sums), plane(sums + 32));
    return _mm256_permute4x64_epi64(packed, 0xd8);
}

/* One super-block onto the chain; x: its quants, da: its scale, sums: its 16 sums. */
GLIA_INLINE float super_dot(const glia_dtype t, const super_block *s, const uint8_t *x, float da,
                            const uint8_t *sums, float acc)
{
    const bool mins = t == GLIA_Q2_K || t == GLIA_Q4_K || t == GLIA_Q5_K;
    const bool codebook = t == GLIA_IQ4_XS || t == GLIA_DTYPE_NONE;
    const __m256i b = narrow_sums(sums);
    __m256i v = _mm256_setzero_si256();
    if (!mins && !codebook) v = _mm256_madd_epi16(b, s->scales);
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i a = codebook ? _mm256_sign_epi8(plane(x + 32 * i), s->sign[i]) : plane(x + 32 * i);
        v = _mm256_add_epi32(v, _mm256_madd_epi16(_mm256_maddubs_epi16(s->q[i], a), s->scale[i]));
    }
    acc = fmaf(s->d * da, (float)total(v), acc);
    if (mins) acc = fmaf(-(s->dmin * da), (float)total(_mm256_madd_epi16(b, s->mins)), acc);
    return acc;
}

/* One weight row by R rows of activations. */
GLIA_INLINE void k_row(const glia_dtype t, const int R, const glia_linear_call *c,
                       glia_unpack_super_fn *unpack, const uint8_t *w, int bytes, int64_t column, int64_t row)
{
    const uint8_t *x = c->x + row * c->x_bytes, *scales = x + c->depth, *sums = scales + c->depth / SUPER * 4;
    glia_tree_f32 sum[K_ROWS];
    for (int r = 0; r < R; r++) sum[r].count = 0;
    for (int64_t b = 0; b < c->depth / SUPER;) {
        const int64_t end = glia_min(c->depth / SUPER, b + K_SEGMENT);
        float acc[K_ROWS] = {0};
        for (; b < end; b++, w += bytes) {
            super_block s;
            if (R == 1)
                for (int i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w + 2048 + i, _MM_HINT_T0);
            prepare(t, &s, w, unpack);
            for (int r = 0; r < R; r++) {
                const int64_t at = r * c->x_bytes;
                acc[r] = super_dot(t, &s, x + at + b * SUPER, glia_load_f32(scales + at + b * 4),
                                   sums + at + b * 64, acc[r]);
            }
        }
        for (int r = 0; r < R; r++) glia_tree_push_f32(&sum[r], acc[r]);
    }
    for (int r = 0; r < R; r++) {
        const float v = glia_tree_done_f32(&sum[r]);
        c->y[(row + r) * c->n + column] = c->bias ? v + c->bias[column] : v;
    }
}

GLIA_INLINE void linear_k(const glia_dtype t, glia_unpack_super_fn *unpack, const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    int64_t w_bytes = 0;
    c.depth = w->dims[1];
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_dtype_row_bytes(w->dtype, c.depth, &w_bytes);
    const int bytes = glia_dtype_get(w->dtype)->block_bytes;
    for (int64_t n = glia_box_begin(k); n < glia_box_end(k); n++)
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            const uint8_t *row = c.w + n * w_bytes;
            int64_t r = 0;
            for (; r + K_ROWS <= run.count; r += K_ROWS)
                k_row(t, K_ROWS, &c, unpack, row, bytes, n, run.first + r);
            for (; r + 4 <= run.count; r += 4) k_row(t, 4, &c, unpack, row, bytes, n, run.first + r);
            for (; r < run.count; r++) k_row(t, 1, &c, unpack, row, bytes, n, run.first + r);
        }
}

static void linear_q2_k(const glia_kargs *k) { linear_k(GLIA_Q2_K, 0, k); }
static void linear_q3_k(const glia_kargs *k) { linear_k(GLIA_Q3_K, 0, k); }
static void linear_q4_k(const glia_kargs *k) { linear_k(GLIA_Q4_K, 0, k); }
static void linear_q5_k(const glia_kargs *k) { linear_k(GLIA_Q5_K, 0, k); }
static void linear_q6_k(const glia_kargs *k) { linear_k(GLIA_Q6_K, 0, k); }
static void linear_tq2_0(const glia_kargs *k) { linear_k(GLIA_TQ2_0, 0, k); }
static void linear_iq4_xs(const glia_kargs *k) { linear_k(GLIA_IQ4_XS, 0, k); }
/* One body for all codebooks that are unpacked as the reference does: little of the time is spent here. */
static __attribute__((noinline)) void linear_unpacked(glia_unpack_super_fn *unpack, const glia_kargs *k)
{
    linear_k(GLIA_DTYPE_NONE, unpack, k);
}

static void linear_iq3_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq3_s, k); }
static void linear_iq3_xxs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq3_xxs, k); }
static void linear_iq2_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_s, k); }
static void linear_iq2_xs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_xs, k); }
static void linear_iq2_xxs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_xxs, k); }
static void linear_iq1_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq1_s, k); }
static void linear_iq1_m(const glia_kargs *k) { linear_unpacked(glia_unpack_iq1_m, k); }
static void linear_tq1_0(const glia_kargs *k) { linear_k(GLIA_TQ1_0, 0, k); }
