/* linear over plain rows of the codebook formats IQ1 to IQ3 with A8X256 activations. Part of kernels_avx2.c.
 *
 * A super-block is unpacked as the reference does, once for up to K_ROWS rows of activations. The magnitudes
 * of its quants meet the activations with the quants' signs by vpmaddubsw, which is exact since 127 * 127 * 2
 * < 2^15, and then their sub-block's scale by vpmaddwd. */
#include "tensor/dot.h"
#include "tensor/formats.h"

#include <math.h>

enum { K_ROWS = 16, SUPER = 256, K_SEGMENT = 4 /* super-blocks */ };

typedef struct super_block {
    __m256i q[8];     /* magnitudes, 32 each */
    __m256i sign[8];  /* the quants, for their signs */
    __m256i scale[8]; /* i16: 8 lanes of each of the plane's two sub-blocks of 16 */
    float d;
} super_block;

GLIA_INLINE __m256i plane(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* scale: 16 signed bytes, one per 16 elements. Even ones go to the low lanes and odd ones to the high lanes,
 * so that one shuffle per plane repeats the right two. */
GLIA_INLINE void set_scales(super_block *s, __m128i scale)
{
    const __m128i split = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scale, split));
    GLIA_UNROLL
    for (int i = 0; i < 8; i++)
        s->scale[i] = _mm256_shuffle_epi8(wide, _mm256_set1_epi16((short)(2 * i + ((2 * i + 1) << 8))));
}

GLIA_INLINE void prepare(super_block *s, const uint8_t *b, glia_unpack_super_fn *unpack)
{
    int8_t q[SUPER], scale[16];
    s->d = unpack(b, q, scale);
    set_scales(s, _mm_loadu_si128((const __m128i *)scale));
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) {
        s->sign[i] = plane((const uint8_t *)q + 32 * i);
        s->q[i] = _mm256_abs_epi8(s->sign[i]);
    }
}

GLIA_INLINE int32_t total(__m256i a)
{
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}

/* One super-block onto the chain; x: its quants, da: its scale. */
GLIA_INLINE float super_dot(const super_block *s, const uint8_t *x, float da, float acc)
{
    __m256i v = _mm256_setzero_si256();
    GLIA_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m256i a = _mm256_sign_epi8(plane(x + 32 * i), s->sign[i]);
        v = _mm256_add_epi32(v, _mm256_madd_epi16(_mm256_maddubs_epi16(s->q[i], a), s->scale[i]));
    }
    return fmaf(s->d * da, (float)total(v), acc);
}

/* One weight row by R rows of activations. */
GLIA_INLINE void k_row(const int R, const glia_linear_call *c, glia_unpack_super_fn *unpack, const uint8_t *w,
                       int bytes, int64_t column, int64_t row)
{
    const uint8_t *x = c->x + row * c->x_bytes, *scales = x + c->depth;
    glia_tree_f32 sum[K_ROWS];
    for (int r = 0; r < R; r++) sum[r].count = 0;
    for (int64_t b = 0; b < c->depth / SUPER;) {
        const int64_t end = glia_min(c->depth / SUPER, b + K_SEGMENT);
        float acc[K_ROWS] = {0};
        for (; b < end; b++, w += bytes) {
            super_block s;
            if (R == 1)
                for (int i = 0; i < bytes; i += 64) _mm_prefetch((const char *)w + 2048 + i, _MM_HINT_T0);
            prepare(&s, w, unpack);
            for (int r = 0; r < R; r++) {
                const int64_t at = r * c->x_bytes;
                acc[r] = super_dot(&s, x + at + b * SUPER, glia_load_f32(scales + at + b * 4), acc[r]);
            }
        }
        for (int r = 0; r < R; r++) glia_tree_push_f32(&sum[r], acc[r]);
    }
    for (int r = 0; r < R; r++) {
        const float v = glia_tree_done_f32(&sum[r]);
        c->y[(row + r) * c->n + column] = c->bias ? v + c->bias[column] : v;
    }
}

/* One body for all codebooks: little of the time is spent here. */
static GLIA_NOINLINE void linear_unpacked(glia_unpack_super_fn *unpack, const glia_kargs *k)
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
                k_row(K_ROWS, &c, unpack, row, bytes, n, run.first + r);
            for (; r + 4 <= run.count; r += 4) k_row(4, &c, unpack, row, bytes, n, run.first + r);
            for (; r < run.count; r++) k_row(1, &c, unpack, row, bytes, n, run.first + r);
        }
}

static void linear_iq3_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq3_s, k); }
static void linear_iq3_xxs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq3_xxs, k); }
static void linear_iq2_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_s, k); }
static void linear_iq2_xs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_xs, k); }
static void linear_iq2_xxs(const glia_kargs *k) { linear_unpacked(glia_unpack_iq2_xxs, k); }
static void linear_iq1_s(const glia_kargs *k) { linear_unpacked(glia_unpack_iq1_s, k); }
static void linear_iq1_m(const glia_kargs *k) { linear_unpacked(glia_unpack_iq1_m, k); }
