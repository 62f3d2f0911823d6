/* qconv over packed weights (C16), with AVX-512 VNNI or AVX2. The including file says how large a tile is:
 *
 *     QCONV_ROWS, QCONV_VECTORS      channels and vectors of 16 pixels
 *
 * Lanes are pixels. Bytes are gathered by rows of taps and channels as conv_float.h does with floats; then four rows
 * are laid side by side, as what meets four bytes of a weight. Inputs are taken as U8 (those of I8 plus 128), weights
 * as I8 (those of U8 less 128): zero points are moved likewise, and corrected by sums. */
#include "base/check.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "provider/cpu/conv_pixels.h"
#include "provider/cpu/kernel.h"
#include "provider/cpu/rows.h"
#include "provider/cpu/simd16_int.h"
#include "tensor/layout.h"

/* ---- steps: sixteen sums of 32 bits; a step adds four products of U8 and I8 to each */

#if defined(__AVX512VNNI__)

typedef v16i dot_x, dot_w;
GLIA_INLINE v16i v16i_zero(void) { return _mm512_setzero_si512(); }
GLIA_INLINE v16i v16i_mul(v16i a, v16i b) { return _mm512_mullo_epi32(a, b); }
GLIA_INLINE dot_x dot_x_of(const uint8_t *p) { return v16i_load(p); }
GLIA_INLINE dot_w dot_w_of(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}
GLIA_INLINE v16i dot(v16i acc, dot_x x, dot_w w) { return _mm512_dpbusd_epi32(acc, x, w); }

#else

typedef struct dot_x { /* bytes 0 and 2, 1 and 3 of each word, as 16 bits */
    v16i even, odd;
} dot_x;
typedef struct dot_w {
    __m256i even, odd;
} dot_w;
GLIA_INLINE v16i v16i_zero(void) { return v16i_pair(_mm256_setzero_si256(), _mm256_setzero_si256()); }
GLIA_INLINE v16i v16i_mul(v16i a, v16i b)
{
    return v16i_pair(_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi));
}
GLIA_INLINE __m256i half_even(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi16(0xff)); }
GLIA_INLINE __m256i half_odd(__m256i v) { return _mm256_srli_epi16(v, 8); }
GLIA_INLINE dot_x dot_x_of(const uint8_t *p)
{
    const v16i v = v16i_load(p);
    dot_x x;
    x.even = v16i_pair(half_even(v.lo), half_even(v.hi));
    x.odd = v16i_pair(half_odd(v.lo), half_odd(v.hi));
    return x;
}
GLIA_INLINE dot_w dot_w_of(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    const __m256i v = _mm256_set1_epi32(four);
    dot_w w;
    w.even = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
    w.odd = _mm256_srai_epi16(v, 8);
    return w;
}
GLIA_INLINE __m256i half_dot(__m256i acc, __m256i even, __m256i odd, dot_w w)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(even, w.even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(odd, w.odd));
}
GLIA_INLINE v16i dot(v16i acc, dot_x x, dot_w w)
{
    return v16i_pair(half_dot(acc.lo, x.even.lo, x.odd.lo, w), half_dot(acc.hi, x.even.hi, x.odd.hi, w));
}

#endif

GLIA_INLINE void v16i_store_n(int32_t *to, v16i a, int n) { v16_store_n(to, v16_of_bits(a), n); }
GLIA_INLINE void v16i_store_bytes(uint8_t *to, v16i a, int n)
{
    uint8_t t[16];
    if (n == 16) {
        v16i_store_low(to, a);
        return;
    }
    v16i_store_low(t, a);
    memcpy(to, t, (size_t)n);
}

/* Sixteen columns of four rows, `width` apart: the rows' bytes of a column side by side, xor flip. */
GLIA_INLINE void bytes_by_four(const uint8_t *rows, int64_t width, uint8_t flip, uint8_t *to)
{
    const __m128i f = _mm_set1_epi8((char)flip);
    __m128i r[4];
    for (int i = 0; i < 4; i++) r[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(rows + i * width)), f);
    const __m128i a = _mm_unpacklo_epi8(r[0], r[1]), b = _mm_unpacklo_epi8(r[2], r[3]),
                  c = _mm_unpackhi_epi8(r[0], r[1]), d = _mm_unpackhi_epi8(r[2], r[3]);
    _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi16(a, b));
    _mm_storeu_si128((__m128i *)to + 1, _mm_unpackhi_epi16(a, b));
    _mm_storeu_si128((__m128i *)to + 2, _mm_unpacklo_epi16(c, d));
    _mm_storeu_si128((__m128i *)to + 3, _mm_unpackhi_epi16(c, d));
}

/* ---- the call */

typedef struct qconv_call {
    glia_window g;
    const uint8_t *x, *w;
    uint8_t *y8;
    int32_t *y32;
    const int32_t *bias;
    const float *scale;
    const glia_tensor *w_zeros;
    bool bias_each, scale_each, w_zero_each;
    int64_t c, words, panel_bytes; /* four positions a word */
    uint8_t flip, fill;            /* what makes U8 of an input; x_zero as it is stored */
    int32_t x_zero, w_less;        /* x_zero of U8; what was taken off weights */
    bool corrected;                /* some weight's zero point is not 0 as stored */
    float low, high;
    int32_t y_zero;
    int64_t pixel, last;
} qconv_call;

static int32_t qconv_w_zero(const qconv_call *c, int64_t m)
{
    const int32_t z = c->w_zeros ? (int32_t)glia_get_i64(c->w_zeros, c->w_zero_each ? m : 0) : 0;
    return z - c->w_less;
}

/* size bytes, `stride` apart. */
GLIA_INLINE void qconv_copy(const uint8_t *from, int64_t stride, int64_t size, uint8_t *to)
{
    if (stride == 1) memcpy(to, from, (size_t)size);
    else
        for (int64_t i = 0; i < size; i++) to[i] = from[i * stride];
}

static void qconv_gather(const qconv_call *c, const conv_pixels *p, const uint8_t *x, const int64_t *tap,
                         int64_t width, uint8_t *to)
{
    const glia_window *g = &c->g;
    for (int r = 0; r < p->runs; r++) {
        const conv_reach e = conv_reach_of(g, p, r, tap);
        uint8_t *out = to + p->run[r].lane;
        for (int64_t i = 0; i < c->c; i++, out += width) {
            if (e.begin) memset(out, c->fill, (size_t)e.begin);
            if (e.end > e.begin)
                qconv_copy(x + i * g->in_plane + e.at, g->stride[2], e.end - e.begin, out + e.begin);
            if (e.size > e.end) memset(out + e.end, c->fill, (size_t)(e.size - e.end));
        }
    }
}

/* [words][width] of four bytes each; rows beyond c * taps, and columns beyond the pixels, are anything. */
static void qconv_gather_all(const qconv_call *c, const uint8_t *x, int64_t first, int count, int64_t width,
                             uint8_t *rows, uint8_t *to)
{
    conv_pixels p;
    const int64_t depth = c->c * c->g.taps;
    conv_pixels_of(&c->g, first, count, &p);
    for (int64_t t = 0; t < c->g.taps; t++) {
        int64_t tap[GLIA_SPATIAL];
        conv_tap(&c->g, t, tap);
        qconv_gather(c, &p, x, tap, width, rows + t * c->c * width);
    }
    for (int64_t i = 0; i < depth && count < width; i++)
        memset(rows + i * width + count, c->fill, (size_t)(width - count));
    memset(rows + depth * width, c->flip, (size_t)((c->words * 4 - depth) * width));
    for (int64_t i = 0; i < c->words; i++)
        for (int64_t j = 0; j < width; j += 16)
            bytes_by_four(rows + 4 * i * width + j, width, c->flip, to + (i * width + j) * 4);
}

GLIA_INLINE void qconv_tile(const int R, const int P, const uint8_t *x, int64_t step, const uint8_t *w,
                            int64_t words, v16i *sums)
{
    v16i acc[QCONV_ROWS][QCONV_VECTORS];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = v16i_zero();
    for (int64_t i = 0; i < words; i++, x += 4 * step, w += 64) {
        dot_x v[QCONV_VECTORS];
        GLIA_UNROLL
        for (int p = 0; p < P; p++) v[p] = dot_x_of(x + 64 * p);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const dot_w a = dot_w_of(w + 4 * r);
            GLIA_UNROLL
            for (int p = 0; p < P; p++) acc[r][p] = dot(acc[r][p], v[p], a);
        }
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) sums[r * P + p] = acc[r][p];
}

GLIA_INLINE void qconv_tile_of(const int P, int rows, const uint8_t *x, int64_t step, const uint8_t *w,
                               int64_t words, v16i *sums)
{
    if (rows == QCONV_ROWS) qconv_tile(QCONV_ROWS, P, x, step, w, words, sums);
    else if (rows == 2) qconv_tile(2, P, x, step, w, words, sums);
    else qconv_tile(1, P, x, step, w, words, sums);
}

static GLIA_NOINLINE void qconv_any(int vectors, int rows, const uint8_t *x, int64_t step, const uint8_t *w,
                                    int64_t words, v16i *sums)
{
#if QCONV_VECTORS > 1
    if (vectors == 3) qconv_tile_of(3, rows, x, step, w, words, sums);
    else if (vectors == 2) qconv_tile_of(2, rows, x, step, w, words, sums);
    else
#endif
        qconv_tile_of(1, rows, x, step, w, words, sums);
    (void)vectors;
}

/* The sums of inputs themselves, where weights have zero points: one tap of ones. */
static GLIA_NOINLINE void qconv_totals(int vectors, const uint8_t *x, int64_t step, int64_t words,
                                       v16i *totals)
{
    static const uint8_t ones[4] = {1, 1, 1, 1};
    for (int p = 0; p < vectors; p++) {
        v16i acc = v16i_zero();
        for (int64_t i = 0; i < words; i++)
            acc = dot(acc, dot_x_of(x + i * 4 * step + 64 * p), dot_w_of(ones));
        totals[p] = acc;
    }
}

/* sum x w - x_zero sum w - w_zero sum x + k x_zero w_zero, the bias, and the scale. */
GLIA_INLINE void qconv_put(const qconv_call *c, int64_t m, int64_t pixel, int n, v16i sum, v16i total,
                           int32_t w_sum)
{
    const uint32_t depth = (uint32_t)(c->c * c->g.taps), z = (uint32_t)qconv_w_zero(c, m),
                   xz = (uint32_t)c->x_zero;
    uint32_t add = depth * xz * z - xz * (uint32_t)w_sum;
    if (c->bias) add += (uint32_t)c->bias[c->bias_each ? m : 0];
    sum = v16i_add(sum, v16i_set((int32_t)add));
    if (c->corrected) sum = v16i_sub(sum, v16i_mul(total, v16i_set((int32_t)z)));
    const int64_t at = m * c->g.out_plane + pixel;
    if (!c->scale) {
        v16i_store_n(c->y32 + at, sum, n);
        return;
    }
    v16 v = v16_rint(v16_mul(v16i_to_floats(sum), v16_set(c->scale[c->scale_each ? m : 0])));
    v = v16_min(v16_set(c->high), v16_max(v, v16_set(c->low)));
    v16i_store_bytes(c->y8 + at, v16i_add(v16_to_int(v), v16i_set(c->y_zero)), n);
}

static void qconv_panel(const qconv_call *c, int64_t begin, int64_t end, int64_t pixel, int count,
                        const uint8_t *x, int64_t step, const v16i *totals)
{
    v16i sums[QCONV_ROWS * QCONV_VECTORS];
    const int vectors = (count + 15) / 16;
    const uint8_t *panel = c->w + begin / GLIA_PANEL * c->panel_bytes;
    int32_t w_sums[GLIA_PANEL];
    memcpy(w_sums, panel + c->words * 64, sizeof w_sums);
    for (int64_t m = begin; m < end;) {
        const int rows = end - m >= QCONV_ROWS ? QCONV_ROWS : end - m >= 2 ? 2 : 1;
        qconv_any(vectors, rows, x, step, panel + m % GLIA_PANEL * 4, c->words, sums);
        for (int r = 0; r < rows; r++)
            for (int p = 0; p < vectors; p++)
                qconv_put(c, m + r, pixel + 16 * p, (int)glia_min(16, count - 16 * p), sums[r * vectors + p],
                          c->corrected ? totals[p] : v16i_zero(), w_sums[(m + r) % GLIA_PANEL]);
        m += rows;
    }
}

/* Channels [begin, end) of one group; x: the group's first channel. */
static void qconv_group(const qconv_call *c, const uint8_t *x, int64_t begin, int64_t end, uint8_t *scratch)
{
    const int64_t vectors = glia_ceil_div(c->last - c->pixel, 16),
                  tiles = glia_ceil_div(vectors, QCONV_VECTORS);
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t v = vectors * t / tiles, width = 16 * (vectors * (t + 1) / tiles - v),
                      pixel = c->pixel + 16 * v;
        const int count = (int)(glia_min(c->last, pixel + width) - pixel);
        v16i totals[QCONV_VECTORS];
        qconv_gather_all(c, x, pixel, count, width, scratch, scratch + c->words * 4 * 64);
        const uint8_t *at = scratch + c->words * 4 * 64;
        if (c->corrected) qconv_totals((int)(width / 16), at, width, c->words, totals);
        for (int64_t m = begin; m < end; m = (m / GLIA_PANEL + 1) * GLIA_PANEL)
            qconv_panel(c, m, glia_min(end, (m / GLIA_PANEL + 1) * GLIA_PANEL), pixel, count, at, width,
                        totals);
    }
}

static bool qconv_begin(const glia_kargs *k, qconv_call *c)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0], *t;
    int64_t inner = 1;
    for (int a = 3; a < y->rank; a++) {
        if (k->begin[a] != 0 || k->end[a] != y->dims[a]) return false;
        inner *= y->dims[a];
    }
    *c = (qconv_call){.g = glia_window_of(x, y, w->dims + 2, &k->attr[0], &k->attr[1], &k->attr[2]),
                      .w = w->data,
                      .c = w->dims[1],
                      .flip = x->dtype == GLIA_I8 ? 0x80 : 0,
                      .w_less = w->dtype == GLIA_U8 ? 128 : 0,
                      .pixel = k->begin[2] * inner,
                      .last = k->end[2] * inner};
    const int64_t depth = c->c * c->g.taps;
    c->words = glia_ceil_div(depth, 4);
    c->panel_bytes = glia_layout_taps_panel(w->dtype, depth);
    t = glia_optional(k, 2);
    c->x_zero = (t ? (int32_t)glia_get_i64(t, 0) : 0) + (c->flip ? 128 : 0);
    c->fill = (uint8_t)c->x_zero ^ c->flip;
    c->w_zeros = glia_optional(k, 3);
    c->w_zero_each = c->w_zeros && glia_tensor_elements(c->w_zeros) != 1;
    for (int64_t m = 0; m < (c->w_zero_each ? y->dims[1] : 1); m++) c->corrected |= qconv_w_zero(c, m) != 0;
    t = glia_optional(k, 4);
    c->bias = t ? t->data : 0;
    c->bias_each = t && glia_tensor_elements(t) != 1;
    t = glia_optional(k, 5);
    c->scale = t ? t->data : 0;
    c->scale_each = t && glia_tensor_elements(t) != 1;
    t = glia_optional(k, 6);
    c->y_zero = t ? (int32_t)glia_get_i64(t, 0) : 0;
    c->low = (float)((y->dtype == GLIA_I8 ? -128 : 0) - c->y_zero);
    c->high = (float)((y->dtype == GLIA_I8 ? 127 : 255) - c->y_zero);
    return true;
}

static void qconv_c16(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    qconv_call c;
    if (!qconv_begin(k, &c)) {
        glia_op_qconv.reference(k);
        return;
    }
    if (k->begin[1] >= k->end[1] || c.pixel >= c.last) return;
    const int64_t group = k->attr[3].i, per_group = y->dims[1] / group;
    for (int64_t n = k->begin[0]; n < k->end[0]; n++) {
        const int64_t at = n * y->dims[1] * c.g.out_plane;
        c.y8 = (uint8_t *)y->data + at;
        c.y32 = (int32_t *)y->data + at;
        for (int64_t g = k->begin[1] / per_group; g * per_group < k->end[1]; g++)
            qconv_group(&c, (const uint8_t *)x->data + (n * x->dims[1] + g * c.c) * c.g.in_plane,
                        glia_max(k->begin[1], g * per_group), glia_min(k->end[1], (g + 1) * per_group),
                        k->scratch);
    }
}
