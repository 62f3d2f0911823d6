/* linear over F32, F16 and BF16 weights in panels of 16 rows: a lane is a weight row, and carries one fma
 * chain over k ascending per segment of 256, as the specification has it. Part of kernels_float.h; the
 * file of an instruction set says how large a tile is: TILE_ROWS rows by TILE_PANELS panels. One row alone
 * takes four panels at a time, since one chain would wait for its own additions. */
#include "base/check.h"
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"
#include "provider/cpu/rows.h"
#include "provider/cpu/simd16.h"
#include "tensor/layout.h"

enum { PANELS_MAX = 4, SEGMENT = 256, LEVELS = 40 /* more segments than an address space holds */ };

GLIA_INLINE v16 weights(const glia_dtype t, const uint8_t *panel, int64_t i)
{
    if (t == GLIA_F16) return v16_load_f16(panel + i * 32);
    if (t == GLIA_BF16) return v16_load_bf16(panel + i * 32);
    return v16_load(panel + i * 64);
}

/* The tree of the segments' sums (tensor/dot.h), for all accumulators of a tile. */
typedef struct tile_tree {
    v16 v[LEVELS][TILE_ROWS * TILE_PANELS > PANELS_MAX ? TILE_ROWS *TILE_PANELS : PANELS_MAX];
    int64_t count;
} tile_tree;

GLIA_INLINE void tree_push(tile_tree *t, const int R, const int P, v16 (*acc)[PANELS_MAX])
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

GLIA_INLINE void tile(const glia_dtype type, const int R, const int P, const glia_linear_call *c, int64_t row,
                      int64_t panel)
{
    const float *x = (const float *)c->x + row * c->depth;
    const uint8_t *w = c->w + panel * c->panel_bytes;
    v16 acc[TILE_ROWS][PANELS_MAX];
    tile_tree t;
    t.count = 0;
    for (int64_t i = 0; i < c->depth;) {
        const int64_t end = glia_min(c->depth, i + SEGMENT);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) GLIA_UNROLL
        for (int p = 0; p < P; p++) acc[r][p] = v16_zero();
        for (; i < end; i++) {
            v16 v[PANELS_MAX];
            if (R == 1) { /* each panel is a stream of its own from memory, 2 KiB ahead */
                const int64_t ahead = i * (type == GLIA_F32 ? 64 : 32) + 2048;
                GLIA_UNROLL
                for (int p = 0; p < P; p++) glia_prefetch(w + p * c->panel_bytes + ahead);
            }
            GLIA_UNROLL
            for (int p = 0; p < P; p++) v[p] = weights(type, w + p * c->panel_bytes, i);
            GLIA_UNROLL
            for (int r = 0; r < R; r++) {
                const v16 a = v16_set(x[r * c->depth + i]);
                GLIA_UNROLL
                for (int p = 0; p < P; p++) acc[r][p] = v16_fma(v[p], a, acc[r][p]);
            }
        }
        tree_push(&t, R, P, acc);
    }
    finish(&t, R, P, c, row, panel);
}

/* `rows` rows by `panels` panels, both at most a tile's. A tile of each height is compiled. */
GLIA_INLINE void tile_of(const glia_dtype type, const int P, int rows, const glia_linear_call *c, int64_t row,
                         int64_t panel)
{
    switch (rows) {
    case 1: tile(type, 1, P, c, row, panel); break;
    case 2: tile(type, 2, P, c, row, panel); break;
    case 3: tile(type, 3, P, c, row, panel); break;
    case 4: tile(type, 4, P, c, row, panel); break;
    case 5: tile(type, 5, P, c, row, panel); break;
#if TILE_ROWS > 6
    case 6: tile(type, 6, P, c, row, panel); break;
    case 7: tile(type, 7, P, c, row, panel); break;
#endif
    default: tile(type, TILE_ROWS, P, c, row, panel); break;
    }
}

GLIA_INLINE void block_of_panels(const glia_dtype type, int panels, const glia_kargs *k,
                                 const glia_linear_call *c, int64_t panel)
{
    for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
        const glia_row_run run = glia_run_of(k, &b);
        for (int64_t r = 0; r < run.count;) {
            const int rows = (int)glia_min(TILE_ROWS, run.count - r);
            int p = 0;
            if (rows == 1 && panels == PANELS_MAX) {
                tile(type, 1, PANELS_MAX, c, run.first + r, panel);
                p = panels;
            }
            for (; p + TILE_PANELS <= panels; p += TILE_PANELS)
                tile_of(type, TILE_PANELS, rows, c, run.first + r, panel + p);
            for (; p < panels; p++) tile_of(type, 1, rows, c, run.first + r, panel + p);
            r += rows;
        }
    }
}

/* Weights with fewer than 16 rows are summed along the vector, which the reference does. */
GLIA_INLINE void linear(const glia_dtype type, const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    if (c.n < GLIA_PANEL) {
        glia_op_linear.reference(k);
        return;
    }
    c.depth = w->dims[1];
    c.begin = glia_box_begin(k);
    c.end = glia_box_end(k);
    glia_layout_bytes(GLIA_LAYOUT_R16, type, GLIA_PANEL, c.depth, &c.panel_bytes);
    const int64_t last = glia_ceil_div(c.end, GLIA_PANEL);
    for (int64_t p = c.begin / GLIA_PANEL; p < last; p += PANELS_MAX)
        block_of_panels(type, (int)glia_min(PANELS_MAX, last - p), k, &c, p);
}

static void linear_f32(const glia_kargs *k) { linear(GLIA_F32, k); }
static void linear_f16(const glia_kargs *k) { linear(GLIA_F16, k); }
static void linear_bf16(const glia_kargs *k) { linear(GLIA_BF16, k); }
