/* linear over Q8_0 and Q4_0 in panels of 16 rows, with vpdpbusd.
 *
 * Weights are the unsigned operand (q + 128, or raw nibbles), activations the signed one, four positions of k
 * at a time broadcast to all 16 rows. The integer accumulator starts at minus offset times the activation
 * block's sum, which makes the product with the unsigned weights the exact signed one; no instruction
 * shuffles.
 *
 * A tile is R rows of activations by P panels. Every lane carries its own chain over a segment of 32 blocks,
 * and the lanes' segment sums meet in the fixed tree. */
#include "base/check.h"
#include "base/cpu.h"
#include "ops/expert.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"
#include "provider/cpu/rows.h"
#include "tensor/layout.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL                                                                                               \
    _Pragma("GCC unroll 16") /* the loops over R, P and j: their arrays have to become registers             \
                              */
#endif

enum { ROWS_MAX = 6, PANELS_MAX = 4, TILE_MAX = 12, SEGMENT_PAIRS = 16, LEVELS = 40 };

/* Where the planes of an activation row and a panel's pairs lie. */
typedef struct format {
    int pair_bytes, block_bytes, offset, ahead;
} format;

static const format q8_0 = {1088, 512, 128, 2176}, q4_0 = {576, 256, 8, 2304};

INLINE __m512i activation(const uint8_t *x, int j)
{
    int32_t v;
    memcpy(&v, x + 4 * j, sizeof v);
    return _mm512_set1_epi32(v);
}

/* Integer dots of one block: s[r][p] += activations of row r with panel p. */
INLINE void block_q8_0(const int R, const int P, const uint8_t *const *w, const uint8_t *x, int64_t stride,
                       __m512i (*s)[PANELS_MAX])
{
    UNROLL
    for (int j = 0; j < 8; j++) {
        __m512i v[PANELS_MAX];
        UNROLL
        for (int p = 0; p < P; p++) v[p] = _mm512_loadu_si512(w[p] + 64 * j);
        UNROLL
        for (int r = 0; r < R; r++) {
            const __m512i a = activation(x + r * stride, j);
            UNROLL
            for (int p = 0; p < P; p++) s[r][p] = _mm512_dpbusd_epi32(s[r][p], v[p], a);
        }
    }
}

INLINE void block_q4_0(const int R, const int P, const uint8_t *const *w, const uint8_t *x, int64_t stride,
                       __m512i (*s)[PANELS_MAX])
{
    const __m512i low = _mm512_set1_epi8(15);
    UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i v[PANELS_MAX], u[PANELS_MAX];
        UNROLL
        for (int p = 0; p < P; p++) {
            const __m512i both = _mm512_loadu_si512(w[p] + 64 * j);
            v[p] = _mm512_and_si512(both, low);
            u[p] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
        }
        UNROLL
        for (int r = 0; r < R; r++) {
            const __m512i a = activation(x + r * stride, j), b = activation(x + r * stride, j + 4);
            UNROLL
            for (int p = 0; p < P; p++) s[r][p] = _mm512_dpbusd_epi32(s[r][p], v[p], a);
            UNROLL
            for (int p = 0; p < P; p++) s[r][p] = _mm512_dpbusd_epi32(s[r][p], u[p], b);
        }
    }
}

/* One block of 32 positions: its exact dots, rounded once, onto the chains. x is row 0's quants, d its scale,
 * sum its sum. */
INLINE void block(const format f, const int R, const int P, const uint8_t *const *w,
                  const uint8_t *const *scales, const uint8_t *x, const uint8_t *d, const uint8_t *sum,
                  int64_t stride, __m512 (*acc)[PANELS_MAX])
{
    __m512i s[ROWS_MAX][PANELS_MAX];
    __m512 dw[PANELS_MAX];
    UNROLL
    for (int r = 0; r < R; r++) {
        int32_t v;
        memcpy(&v, sum + r * stride, sizeof v);
        UNROLL
        for (int p = 0; p < P; p++) s[r][p] = _mm512_set1_epi32(-f.offset * v);
    }
    if (f.offset == 128) block_q8_0(R, P, w, x, stride, s);
    else block_q4_0(R, P, w, x, stride, s);
    UNROLL
    for (int p = 0; p < P; p++) dw[p] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)scales[p]));
    UNROLL
    for (int r = 0; r < R; r++) {
        float da;
        memcpy(&da, d + r * stride, sizeof da);
        UNROLL
        for (int p = 0; p < P; p++)
            acc[r][p] = _mm512_fmadd_ps(_mm512_mul_ps(dw[p], _mm512_set1_ps(da)), _mm512_cvtepi32_ps(s[r][p]),
                                        acc[r][p]);
    }
}

/* The tree of the segments' sums; see tensor/dot.h. */
typedef struct tile_tree {
    __m512 v[LEVELS][TILE_MAX];
    int64_t count;
} tile_tree;

INLINE void tree_push(tile_tree *t, const int R, const int P, __m512 (*acc)[PANELS_MAX])
{
    int l = 0;
    for (; t->count >> l & 1; l++) UNROLL
    for (int r = 0; r < R; r++) UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = _mm512_add_ps(t->v[l][r * P + p], acc[r][p]);
    UNROLL
    for (int r = 0; r < R; r++) UNROLL
    for (int p = 0; p < P; p++) t->v[l][r * P + p] = acc[r][p];
    t->count++;
}

INLINE void tree_done(const tile_tree *t, const int R, const int P, __m512 (*sum)[PANELS_MAX])
{
    bool any = false;
    for (int l = 0; t->count >> l; l++) {
        if (!(t->count >> l & 1)) continue;
        UNROLL
        for (int r = 0; r < R; r++) UNROLL
        for (int p = 0; p < P; p++)
            sum[r][p] = any ? _mm512_add_ps(t->v[l][r * P + p], sum[r][p]) : t->v[l][r * P + p];
        any = true;
    }
}

/* Rows [row, row + R) by panels [panel, panel + P). */
INLINE void tile(const format f, const int R, const int P, const glia_linear_call *c, int64_t row,
                 int64_t panel)
{
    const uint8_t *x = c->x + row * c->x_bytes, *d = x + c->depth, *sum = d + c->depth / 8;
    const uint8_t *w[PANELS_MAX];
    const int64_t blocks = c->depth / 32;
    __m512 acc[ROWS_MAX][PANELS_MAX];
    tile_tree t;
    t.count = 0;
    UNROLL
    for (int p = 0; p < P; p++) w[p] = c->w + (panel + p) * c->panel_bytes;
    for (int64_t b = 0; b < blocks;) {
        const int64_t end = glia_min(blocks, b + 2 * SEGMENT_PAIRS);
        UNROLL
        for (int r = 0; r < R; r++) UNROLL
        for (int p = 0; p < P; p++) acc[r][p] = _mm512_setzero_ps();
        for (; b < end; b++) {
            const int odd = (int)(b & 1);
            const uint8_t *q[PANELS_MAX], *scales[PANELS_MAX];
            UNROLL
            for (int p = 0; p < P; p++) {
                scales[p] = w[p] + odd * 32;
                q[p] = w[p] + 64 + odd * f.block_bytes;
                if (R == 1)
                    for (int i = 0; i < f.block_bytes + 64; i += 64)
                        _mm_prefetch((const char *)q[p] + f.ahead + i, _MM_HINT_T0);
                if (odd) w[p] += f.pair_bytes;
            }
            block(f, R, P, q, scales, x + b * 32, d + b * 4, sum + b * 4, c->x_bytes, acc);
        }
        tree_push(&t, R, P, acc);
    }
    UNROLL
    for (int r = 0; r < R; r++) UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = _mm512_setzero_ps();
    tree_done(&t, R, P, acc);
    UNROLL
    for (int p = 0; p < P; p++) {
        const __mmask16 lanes = (__mmask16)glia_panel_lanes(c, panel + p);
        const int64_t column = (panel + p) * GLIA_PANEL;
        UNROLL
        for (int r = 0; r < R; r++) {
            __m512 v = acc[r][p];
            if (c->bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes, c->bias + column));
            _mm512_mask_storeu_ps(c->y + (row + r) * c->n + column, lanes, v);
        }
    }
}

typedef void tile_fn(const glia_linear_call *c, int64_t row, int64_t panel);

static void q8_1x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 1, 1, c, row, panel); }
static void q8_1x4(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 1, 4, c, row, panel); }
static void q4_1x4(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 1, 4, c, row, panel); }
static void q8_2x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 2, 1, c, row, panel); }
static void q8_3x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 3, 1, c, row, panel); }
static void q8_4x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 4, 1, c, row, panel); }
static void q8_5x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 5, 1, c, row, panel); }
static void q8_6x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 6, 1, c, row, panel); }
static void q8_2x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 2, 2, c, row, panel); }
static void q8_3x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 3, 2, c, row, panel); }
static void q8_4x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 4, 2, c, row, panel); }
static void q8_5x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 5, 2, c, row, panel); }
static void q8_6x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q8_0, 6, 2, c, row, panel); }
static void q4_1x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 1, 1, c, row, panel); }
static void q4_2x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 2, 1, c, row, panel); }
static void q4_3x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 3, 1, c, row, panel); }
static void q4_4x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 4, 1, c, row, panel); }
static void q4_5x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 5, 1, c, row, panel); }
static void q4_6x1(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 6, 1, c, row, panel); }
static void q4_2x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 2, 2, c, row, panel); }
static void q4_3x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 3, 2, c, row, panel); }
static void q4_4x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 4, 2, c, row, panel); }
static void q4_5x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 5, 2, c, row, panel); }
static void q4_6x2(const glia_linear_call *c, int64_t row, int64_t panel) { tile(q4_0, 6, 2, c, row, panel); }

/* Tiles by height. One row alone takes four panels at once: four streams read memory a third faster than one.
 */
typedef struct tile_set {
    tile_fn *one[ROWS_MAX], *two[ROWS_MAX], *row_by_four;
} tile_set;

static const tile_set tiles_q8_0 = {
    {q8_1x1, q8_2x1, q8_3x1, q8_4x1, q8_5x1, q8_6x1}, {0, q8_2x2, q8_3x2, q8_4x2, q8_5x2, q8_6x2}, q8_1x4};
static const tile_set tiles_q4_0 = {
    {q4_1x1, q4_2x1, q4_3x1, q4_4x1, q4_5x1, q4_6x1}, {0, q4_2x2, q4_3x2, q4_4x2, q4_5x2, q4_6x2}, q4_1x4};

/* `panels` panels from `panel` on by the rows [row, row + rows) of a tile's height. */
static void panels_of(const glia_linear_call *c, int64_t panel, int panels, int64_t row, int rows,
                      const tile_set *tiles)
{
    int p = 0;
    if (rows == 1 && panels == PANELS_MAX) {
        tiles->row_by_four(c, row, panel);
        return;
    }
    if (tiles->two[rows - 1])
        for (; p + 2 <= panels; p += 2) tiles->two[rows - 1](c, row, panel + p);
    for (; p < panels; p++) tiles->one[rows - 1](c, row, panel + p);
}

/* All rows by one group of panels, which stays in cache meanwhile. */
static void rows_by_panels(const glia_kargs *k, const glia_linear_call *c, int64_t panel, int panels,
                           const tile_set *tiles)
{
    for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
        const glia_row_run run = glia_run_of(k, &b);
        for (int64_t r = 0; r < run.count; r += ROWS_MAX)
            panels_of(c, panel, panels, run.first + r, (int)glia_min(ROWS_MAX, run.count - r), tiles);
    }
}

static void run(const glia_kargs *k, const tile_set *tiles)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    c.depth = w->dims[1];
    c.begin = glia_box_begin(k);
    c.end = glia_box_end(k);
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_layout_bytes(GLIA_LAYOUT_R16, w->dtype, GLIA_PANEL, c.depth, &c.panel_bytes);
    const int64_t last = glia_ceil_div(c.end, GLIA_PANEL);
    for (int64_t p = c.begin / GLIA_PANEL; p < last; p += PANELS_MAX)
        rows_by_panels(k, &c, p, (int)glia_min(PANELS_MAX, last - p), tiles);
}

static void linear_q8_0(const glia_kargs *k) { run(k, &tiles_q8_0); }
static void linear_q4_0(const glia_kargs *k) { run(k, &tiles_q4_0); }

/* ---- experts: the same products over stacked matrices */

static void expert_q8_0(const glia_kargs *k) { glia_expert_products(k, linear_q8_0); }
static void expert_q4_0(const glia_kargs *k) { glia_expert_products(k, linear_q4_0); }

static const glia_cpu_kernel kernels[] = {
    {&glia_op_linear, "a8x32,q8_0:r16,f32?->f32", linear_q8_0, "linear_q8_0_r16_vnni"},
    {&glia_op_linear, "a8x32,q4_0:r16,f32?->f32", linear_q4_0, "linear_q4_0_r16_vnni"},
    {&glia_op_expert_linear, "a8x32,q8_0:r16,i32,f32?->f32", expert_q8_0, "expert_linear_q8_0_r16_vnni"},
    {&glia_op_expert_linear, "a8x32,q4_0:r16,i32,f32?->f32", expert_q4_0, "expert_linear_q4_0_r16_vnni"},
};

extern const glia_cpu_isa glia_cpu_avx512vnni;
const glia_cpu_isa glia_cpu_avx512vnni = {
    "avx512vnni", GLIA_CPU_AVX2 | GLIA_CPU_AVX512 | GLIA_CPU_AVX512_VNNI, kernels, GLIA_COUNT(kernels)};
