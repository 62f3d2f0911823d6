/* linear over plain rows of blocks of 32 (Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4) with A8X32 activations. Part of
 * kernels_avx2.c.
 *
 * A lane is a weight row: the dots of one block of COLUMNS rows are added up across their registers until
 * each lane holds one row's exact sum, and then the chains of all of them go on together. Quants are
 * unsigned, with an offset that the activation's sum takes out again (Q5_0: q + 16, MXFP4: q + 12); IQ4_NL
 * multiplies magnitudes by activations with the quants' signs. vpmaddubsw is exact in both: 127 * 127 * 2 <
 * 2^15.
 *
 * A block is prepared once for up to BLOCK_ROWS rows of activations. */

enum { COLUMNS = 8, BLOCK_ROWS = 4, BLOCK_LEVELS = 40 };

typedef struct column_block {
    __m256i q[COLUMNS];    /* unsigned quants, or magnitudes */
    __m256i sign[COLUMNS]; /* IQ4_NL: the quants, for their signs */
    __m256 d, m;           /* scales and minimums, a lane per row */
} column_block;

GLIA_INLINE __m256i nibbles_of(const uint8_t *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)p), low = _mm_set1_epi8(15);
    return both_halves(_mm_and_si128(v, low), _mm_and_si128(_mm_srli_epi16(v, 4), low));
}

/* Bit i of the word as 16 in byte i. */
GLIA_INLINE __m256i fifth_bits(uint32_t bits)
{
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    const __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), spread), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}

/* 16 values by nibbles. */
GLIA_INLINE __m256i looked_up(__m128i values, __m256i nibbles)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), nibbles);
}

GLIA_INLINE void prepare_column(const glia_dtype t, column_block *s, int i, const uint8_t *b)
{
    if (t == GLIA_Q4_1) s->q[i] = nibbles_of(b + 4);
    else if (t == GLIA_Q5_0) s->q[i] = _mm256_or_si256(nibbles_of(b + 6), fifth_bits(word(b + 2)));
    else if (t == GLIA_Q5_1) s->q[i] = _mm256_or_si256(nibbles_of(b + 8), fifth_bits(word(b + 4)));
    else if (t == GLIA_MXFP4) {
        const __m128i values = _mm_loadu_si128((const __m128i *)glia_mxfp4_values);
        s->q[i] = looked_up(_mm_add_epi8(values, _mm_set1_epi8(12)), nibbles_of(b + 1));
    } else {
        s->sign[i] = looked_up(_mm_loadu_si128((const __m128i *)glia_iq4_nl_values), nibbles_of(b + 2));
        s->q[i] = _mm256_abs_epi8(s->sign[i]);
    }
}

/* One half of each row. */
GLIA_INLINE __m256 halves_at(const uint8_t *const *w, int at)
{
    uint16_t h[COLUMNS];
    GLIA_UNROLL
    for (int i = 0; i < COLUMNS; i++) h[i] = glia_load_u16(w[i] + at);
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
}

/* glia_e8m0_half of the first byte of each row. */
GLIA_INLINE __m256 e8m0_halves(const uint8_t *const *w)
{
    const __m256i one = _mm256_set1_epi32(1);
    const __m256i e = _mm256_setr_epi32(*w[0], *w[1], *w[2], *w[3], *w[4], *w[5], *w[6], *w[7]);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, one), 23);
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, _mm256_cmpgt_epi32(e, one)));
}

GLIA_INLINE void prepare_columns(const glia_dtype t, column_block *s, const uint8_t *const *w)
{
    GLIA_UNROLL
    for (int i = 0; i < COLUMNS; i++) prepare_column(t, s, i, w[i]);
    s->d = t == GLIA_MXFP4 ? e8m0_halves(w) : halves_at(w, 0);
    if (t == GLIA_Q4_1 || t == GLIA_Q5_1) s->m = halves_at(w, 2);
}

/* The sum of each of eight registers in its lane. */
GLIA_INLINE __m256i lane_sums(const __m256i v[COLUMNS])
{
    const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3])),
                  b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

/* One block onto the chains; x: its quants, da: its scale, sum: its sum. */
GLIA_INLINE __m256 columns_dot(const glia_dtype t, const column_block *s, const uint8_t *x, float da,
                               int32_t sum, __m256 acc)
{
    const int offset = t == GLIA_Q5_0 ? 16 : t == GLIA_MXFP4 ? 12 : 0;
    const __m256i a = plane(x), one = _mm256_set1_epi16(1);
    const __m256 scale = _mm256_set1_ps(da);
    __m256i v[COLUMNS];
    GLIA_UNROLL
    for (int i = 0; i < COLUMNS; i++)
        v[i] = _mm256_madd_epi16(
            _mm256_maddubs_epi16(s->q[i], t == GLIA_IQ4_NL ? _mm256_sign_epi8(a, s->sign[i]) : a), one);
    const __m256i dot = _mm256_sub_epi32(lane_sums(v), _mm256_set1_epi32(offset * sum));
    acc = _mm256_fmadd_ps(_mm256_mul_ps(s->d, scale), _mm256_cvtepi32_ps(dot), acc);
    if (t == GLIA_Q4_1 || t == GLIA_Q5_1)
        acc = _mm256_fmadd_ps(_mm256_mul_ps(s->m, scale), _mm256_set1_ps((float)sum), acc);
    return acc;
}

/* The tree of the segments' sums (tensor/dot.h) for the lanes of one row of activations. */
typedef struct column_tree {
    __m256 v[BLOCK_LEVELS];
} column_tree;

/* count: the segments that are in already. */
GLIA_INLINE void column_push(column_tree *t, int64_t count, __m256 x)
{
    int l = 0;
    for (; count >> l & 1; l++) x = _mm256_add_ps(t->v[l], x);
    t->v[l] = x;
}

GLIA_INLINE __m256 column_done(const column_tree *t, int64_t count)
{
    __m256 sum = _mm256_setzero_ps();
    bool any = false;
    for (int l = 0; count >> l; l++) {
        if (!(count >> l & 1)) continue;
        sum = any ? _mm256_add_ps(t->v[l], sum) : t->v[l];
        any = true;
    }
    return sum;
}

/* Columns [column, column + count), count at most COLUMNS, by R rows of activations. */
GLIA_INLINE void block_tile(const glia_dtype t, const int R, const glia_linear_call *c, int64_t w_bytes,
                            int64_t column, int count, int64_t row)
{
    const int bytes = glia_dtype_get(t)->block_bytes;
    const uint8_t *x = c->x + row * c->x_bytes, *scales = x + c->depth, *sums = scales + c->depth / 32 * 4;
    const int64_t blocks = c->depth / 32;
    const uint8_t *w[COLUMNS];
    column_tree tree[BLOCK_ROWS];
    int64_t segments = 0;
    for (int i = 0; i < COLUMNS; i++) w[i] = c->w + (column + glia_min(i, count - 1)) * w_bytes;
    for (int64_t b = 0; b < blocks; segments++) {
        const int64_t end = glia_min(blocks, b + GLIA_SEGMENT_QUANT / 32);
        __m256 acc[BLOCK_ROWS];
        for (int r = 0; r < R; r++) acc[r] = _mm256_setzero_ps();
        for (; b < end; b++) {
            column_block s;
            prepare_columns(t, &s, w);
            for (int i = 0; i < COLUMNS; i++) w[i] += bytes;
            for (int r = 0; r < R; r++) {
                const int64_t at = r * c->x_bytes;
                acc[r] = columns_dot(t, &s, x + at + b * 32, glia_load_f32(scales + at + b * 4),
                                     (int32_t)word(sums + at + b * 4), acc[r]);
            }
        }
        for (int r = 0; r < R; r++) column_push(&tree[r], segments, acc[r]);
    }
    for (int r = 0; r < R; r++) {
        float out[COLUMNS];
        _mm256_storeu_ps(out, column_done(&tree[r], segments));
        for (int i = 0; i < count; i++)
            c->y[(row + r) * c->n + column + i] = c->bias ? out[i] + c->bias[column + i] : out[i];
    }
}

GLIA_INLINE void linear_blocks(const glia_dtype t, const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    int64_t w_bytes = 0;
    c.depth = w->dims[1];
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_dtype_row_bytes(t, c.depth, &w_bytes);
    for (int64_t n = glia_box_begin(k); n < glia_box_end(k); n += COLUMNS)
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            const int count = (int)glia_min(COLUMNS, glia_box_end(k) - n);
            int64_t r = 0;
            for (; r + BLOCK_ROWS <= run.count; r += BLOCK_ROWS)
                block_tile(t, BLOCK_ROWS, &c, w_bytes, n, count, run.first + r);
            for (; r < run.count; r++) block_tile(t, 1, &c, w_bytes, n, count, run.first + r);
        }
}

static void linear_q4_1(const glia_kargs *k) { linear_blocks(GLIA_Q4_1, k); }
static void linear_q5_0(const glia_kargs *k) { linear_blocks(GLIA_Q5_0, k); }
static void linear_q5_1(const glia_kargs *k) { linear_blocks(GLIA_Q5_1, k); }
static void linear_iq4_nl(const glia_kargs *k) { linear_blocks(GLIA_IQ4_NL, k); }
static void linear_mxfp4(const glia_kargs *k) { linear_blocks(GLIA_MXFP4, k); }
