/* linear over Q8_0 and Q4_0 in panels of 16 rows, with 16-bit products. Part of kernels_avx2.c.
 *
 * A 32-bit lane holds four positions of one weight row. For Q8_0 (u8, q + 128) its even and odd bytes become
 * 16-bit pairs by a mask and a shift, so that vpmaddwd gives the row's sum with no shuffle and no saturation,
 * whatever the bytes. For Q4_0 vpmaddubsw is exact, 15 * 127 * 2 < 2^15, and so is the 16-bit sum of a
 * block's eight products per lane. The activation block's sum takes the offset out again, as with vpdpbusd.
 */

enum {
    QUANT_ROWS = 4,
    SEGMENT_BLOCKS = 32,
    QUANT_LEVELS = 40 /* more segments than an address space holds */
};

/* The tree of the segments' sums (tensor/dot.h), for all accumulators of a tile. */
typedef struct tile_tree {
    v16 v[QUANT_LEVELS][QUANT_ROWS];
    int64_t count;
} tile_tree;

GLIA_INLINE void tree_push(tile_tree *t, const int R, const int P, v16 (*acc)[1])
{
    int l = 0;
    for (; t->count >> l & 1; l++) GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = v16_add(t->v[l][r * P + p], acc[r][p]);
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) t->v[l][r * P + p] = acc[r][p];
    t->count++;
}

/* Writes the sums with the bias. */
GLIA_INLINE void finish(const tile_tree *t, const int R, const int P, const glia_linear_call *c, int64_t row,
                        int64_t panel)
{
    for (int r = 0; r < R; r++)
        for (int p = 0; p < P; p++) {
            v16 sum = v16_zero();
            bool any = false;
            for (int l = 0; t->count >> l; l++) {
                if (!(t->count >> l & 1)) continue;
                sum = any ? v16_add(t->v[l][r * P + p], sum) : t->v[l][r * P + p];
                any = true;
            }
            const uint32_t lanes = glia_panel_lanes(c, panel + p);
            const int64_t column = (panel + p) * GLIA_PANEL;
            if (c->bias) sum = v16_add(sum, v16_load_lanes(c->bias + column, lanes));
            float *y = c->y + (row + r) * c->n + column;
            if (lanes == 0xffff) v16_store(y, sum);
            else v16_store_lanes(y, sum, lanes);
        }
}

typedef struct quant_format {
    int pair_bytes, block_bytes, offset, ahead;
} quant_format;

static const quant_format q8_0 = {1088, 512, 128, 2176}, q4_0 = {576, 256, 8, 2304};

GLIA_INLINE __m256i activation4(const uint8_t *x, int j)
{
    int32_t v;
    memcpy(&v, x + 4 * j, sizeof v);
    return _mm256_set1_epi32(v);
}

GLIA_INLINE void block_q8_0(const int R, const uint8_t *w, const uint8_t *x, int64_t stride, v16i *s)
{
    const __m256i low = _mm256_set1_epi16(255);
    for (int j = 0; j < 8; j++) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(w + 64 * j)),
                      b = _mm256_loadu_si256((const __m256i *)(w + 64 * j + 32));
        const __m256i a_even = _mm256_and_si256(a, low), a_odd = _mm256_srli_epi16(a, 8);
        const __m256i b_even = _mm256_and_si256(b, low), b_odd = _mm256_srli_epi16(b, 8);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const __m256i v = activation4(x + r * stride, j);
            const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), odd = _mm256_srai_epi16(v, 8);
            s[r].lo = _mm256_add_epi32(
                s[r].lo, _mm256_add_epi32(_mm256_madd_epi16(a_even, even), _mm256_madd_epi16(a_odd, odd)));
            s[r].hi = _mm256_add_epi32(
                s[r].hi, _mm256_add_epi32(_mm256_madd_epi16(b_even, even), _mm256_madd_epi16(b_odd, odd)));
        }
    }
}

GLIA_INLINE void block_q4_0(const int R, const uint8_t *w, const uint8_t *x, int64_t stride, v16i *s)
{
    const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    v16i t[QUANT_ROWS];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) t[r] = v16i_pair(_mm256_setzero_si256(), _mm256_setzero_si256());
    for (int j = 0; j < 4; j++) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(w + 64 * j)),
                      b = _mm256_loadu_si256((const __m256i *)(w + 64 * j + 32));
        const __m256i a0 = _mm256_and_si256(a, low), a1 = _mm256_and_si256(_mm256_srli_epi16(a, 4), low);
        const __m256i b0 = _mm256_and_si256(b, low), b1 = _mm256_and_si256(_mm256_srli_epi16(b, 4), low);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const __m256i v0 = activation4(x + r * stride, j), v1 = activation4(x + r * stride, j + 4);
            t[r].lo = _mm256_add_epi16(
                t[r].lo, _mm256_add_epi16(_mm256_maddubs_epi16(a0, v0), _mm256_maddubs_epi16(a1, v1)));
            t[r].hi = _mm256_add_epi16(
                t[r].hi, _mm256_add_epi16(_mm256_maddubs_epi16(b0, v0), _mm256_maddubs_epi16(b1, v1)));
        }
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) {
        s[r].lo = _mm256_add_epi32(s[r].lo, _mm256_madd_epi16(t[r].lo, one));
        s[r].hi = _mm256_add_epi32(s[r].hi, _mm256_madd_epi16(t[r].hi, one));
    }
}

/* One block onto the chains; x is row 0's quants, d its scale, sum its sum. */
GLIA_INLINE void quant_block(const quant_format f, const int R, const uint8_t *w, const uint8_t *scales,
                             const uint8_t *x, const uint8_t *d, const uint8_t *sum, int64_t stride, v16 *acc)
{
    v16i s[QUANT_ROWS];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) {
        int32_t v;
        memcpy(&v, sum + r * stride, sizeof v);
        s[r].lo = s[r].hi = _mm256_set1_epi32(-f.offset * v);
    }
    if (f.offset == 128) block_q8_0(R, w, x, stride, s);
    else block_q4_0(R, w, x, stride, s);
    const v16 dw = v16_load_f16(scales);
    GLIA_UNROLL
    for (int r = 0; r < R; r++) {
        float da;
        memcpy(&da, d + r * stride, sizeof da);
        const v16 exact = v16_pair(_mm256_cvtepi32_ps(s[r].lo), _mm256_cvtepi32_ps(s[r].hi));
        acc[r] = v16_fma(v16_mul(dw, v16_set(da)), exact, acc[r]);
    }
}

GLIA_INLINE void quant_tile(const quant_format f, const int R, const glia_linear_call *c, int64_t row,
                            int64_t panel)
{
    const uint8_t *x = c->x + row * c->x_bytes, *d = x + c->depth, *sum = d + c->depth / 8,
                  *w = c->w + panel * c->panel_bytes;
    const int64_t blocks = c->depth / 32;
    tile_tree t;
    t.count = 0;
    for (int64_t b = 0; b < blocks;) {
        const int64_t end = glia_min(blocks, b + SEGMENT_BLOCKS);
        v16 acc[QUANT_ROWS], columns[QUANT_ROWS][1];
        GLIA_UNROLL
        for (int r = 0; r < R; r++) acc[r] = v16_zero();
        for (; b < end; b++) {
            const int odd = (int)(b & 1);
            const uint8_t *q = w + 64 + odd * f.block_bytes;
            if (R == 1)
                for (int i = 0; i < f.block_bytes + 64; i += 64)
                    _mm_prefetch((const char *)q + f.ahead + i, _MM_HINT_T0);
            quant_block(f, R, q, w + odd * 32, x + b * 32, d + b * 4, sum + b * 4, c->x_bytes, acc);
            w += odd ? f.pair_bytes : 0;
        }
        for (int r = 0; r < R; r++) columns[r][0] = acc[r];
        tree_push(&t, R, 1, columns);
    }
    finish(&t, R, 1, c, row, panel);
}

GLIA_INLINE void linear_quant(const quant_format f, const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    c.depth = w->dims[1];
    c.begin = glia_box_begin(k);
    c.end = glia_box_end(k);
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_layout_bytes(GLIA_LAYOUT_R16, w->dtype, GLIA_PANEL, c.depth, &c.panel_bytes);
    for (int64_t p = c.begin / GLIA_PANEL; p < glia_ceil_div(c.end, GLIA_PANEL); p++)
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            int64_t r = 0;
            for (; r + QUANT_ROWS <= run.count; r += QUANT_ROWS)
                quant_tile(f, QUANT_ROWS, &c, run.first + r, p);
            for (; r + 2 <= run.count; r += 2) quant_tile(f, 2, &c, run.first + r, p);
            for (; r < run.count; r++) quant_tile(f, 1, &c, run.first + r, p);
        }
}

static void linear_q8_0(const glia_kargs *k) { linear_quant(q8_0, k); }
static void linear_q4_0(const glia_kargs *k) { linear_quant(q4_0, k); }
