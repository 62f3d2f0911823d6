/* Products of floats in tiles of registers: rows of activations by panels of 16 weight rows. A lane is a
 * weight row, and carries one fma chain over k ascending per segment of 256, as the specification has it.
 * The body of `linear` over floats and of `matmul`, in files that say how large a tile is:
 *
 *     TILE_ROWS   rows of a tile of one panel, or of any tile
 *     TWO_ROWS    most rows beside two panels
 *     FOUR_ROWS   most rows beside four: few rows need more panels, or chains wait for their own additions
 *
 * A chunk of rows goes through k segment by segment, so that the panels of a segment (16 KiB each) stay in
 * the first cache while the chunk's tiles pass; what a segment gives goes to the tile's tree in memory. */
#ifndef GLIA_PROVIDER_CPU_FLOAT_TILE_H
#define GLIA_PROVIDER_CPU_FLOAT_TILE_H

#include "base/check.h"
#include "provider/cpu/rows.h"
#include "provider/cpu/simd16.h"
#include "provider/cpu/transpose16.h"

enum {
    SEGMENT = 256,
    PANELS_MAX = 4,
    CHUNK_TILES = 6,
    TILE_SUMS = TWO_ROWS == TILE_ROWS ? 2 * TILE_ROWS : TILE_ROWS, /* of a full tile */
    CHUNK_SUMS = TILE_SUMS * CHUNK_TILES,
    FLOAT_LEVELS = 12, /* a chunk's trees lie on the stack: 108 KiB at the most */
    DEPTH_MAX = SEGMENT * ((1 << FLOAT_LEVELS) - 1), /* longer sums than a million go to the reference */
    BLOCK_BYTES =
        768 << 10, /* panels that meet all rows before the next ones: they stay in the second cache */
    AHEAD = 2048   /* of prefetches, for weights from memory */
};

/* Where panels come from: packed F32, F16 or BF16, or plain rows of F32. */
typedef enum float_panels { PANELS_F32, PANELS_F16, PANELS_BF16, PANELS_ROWS } float_panels;

/* One segment of one tile. */
typedef struct float_tile {
    const float *x; /* row r at x + r * depth */
    int64_t depth;
    const uint8_t *w; /* panel p at w + p * panel_bytes */
    int64_t panel_bytes;
    int64_t count; /* positions, at most SEGMENT */
    v16 *sums;     /* the tile's share of [FLOAT_LEVELS][CHUNK_SUMS]: the tree of tensor/dot.h */
    int64_t pushed;
} float_tile;

GLIA_INLINE v16 weights(const float_panels f, const uint8_t *panel, int64_t i)
{
    if (f == PANELS_F16) return v16_load_f16(panel + i * 32);
    if (f == PANELS_BF16) return v16_load_bf16(panel + i * 32);
    return v16_load(panel + i * 64);
}

GLIA_INLINE void tile(const float_panels f, const int R, const int P, const float_tile *t)
{
    const float *x = t->x;
    const uint8_t *w = t->w;
    const int64_t depth = t->depth, panel_bytes = t->panel_bytes, count = t->count;
    v16 acc[TILE_ROWS][PANELS_MAX];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = v16_zero();
    for (int64_t i = 0; i < count; i++) {
        v16 v[PANELS_MAX];
        const int64_t ahead = i * (f == PANELS_F32 ? 64 : 32) + AHEAD;
        GLIA_UNROLL
        for (int p = 0; p < P; p++) glia_prefetch(w + p * panel_bytes + ahead);
        GLIA_UNROLL
        for (int p = 0; p < P; p++) v[p] = weights(f, w + p * panel_bytes, i);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const v16 a = v16_set(x[r * depth + i]);
            GLIA_UNROLL
            for (int p = 0; p < P; p++) acc[r][p] = v16_fma(v[p], a, acc[r][p]);
        }
    }
    v16 *level = t->sums;
    for (int64_t n = t->pushed; n & 1; n >>= 1) {
        GLIA_UNROLL
        for (int r = 0; r < R; r++) GLIA_UNROLL
        for (int p = 0; p < P; p++) acc[r][p] = v16_add(level[r * P + p], acc[r][p]);
        level += CHUNK_SUMS;
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) level[r * P + p] = acc[r][p];
}

/* A tile of each height is compiled, as far as P allows. */
GLIA_INLINE void tile_of(const float_panels f, const int P, const int most, int rows, const float_tile *t)
{
    switch (rows) {
    case 1: tile(f, 1, P, t); break;
    case 2: most >= 2 ? tile(f, 2, P, t) : (void)0; break;
    case 3: most >= 3 ? tile(f, 3, P, t) : (void)0; break;
    case 4: most >= 4 ? tile(f, 4, P, t) : (void)0; break;
    case 5: most >= 5 ? tile(f, 5, P, t) : (void)0; break;
    case 6: most >= 6 ? tile(f, 6, P, t) : (void)0; break;
    case 7: most >= 7 ? tile(f, 7, P, t) : (void)0; break;
    case 8: most >= 8 ? tile(f, 8, P, t) : (void)0; break;
    case 9: most >= 9 ? tile(f, 9, P, t) : (void)0; break;
    case 10: most >= 10 ? tile(f, 10, P, t) : (void)0; break;
    case 11: most >= 11 ? tile(f, 11, P, t) : (void)0; break;
    case 12: most >= 12 ? tile(f, 12, P, t) : (void)0; break;
    default: break;
    }
}

GLIA_INLINE void any_tile(const float_panels f, int panels, int rows, const float_tile *t)
{
    if (panels == 4) tile_of(f, 4, FOUR_ROWS, rows, t);
    else if (panels == 2) tile_of(f, 2, TWO_ROWS, rows, t);
    else tile_of(f, 1, TILE_ROWS, rows, t);
}
static GLIA_NOINLINE void tile_f32(int panels, int rows, const float_tile *t)
{
    any_tile(PANELS_F32, panels, rows, t);
}
static GLIA_NOINLINE void tile_f16(int panels, int rows, const float_tile *t)
{
    any_tile(PANELS_F16, panels, rows, t);
}
static GLIA_NOINLINE void tile_bf16(int panels, int rows, const float_tile *t)
{
    any_tile(PANELS_BF16, panels, rows, t);
}

/* Writes the sums of `rows` rows by `panels` panels with the bias. */
static GLIA_NOINLINE void finish_tile(const float_tile *t, int rows, int panels, const glia_linear_call *c,
                                      int64_t row, int64_t panel)
{
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) {
            const v16 *v = t->sums + r * panels + p;
            v16 sum = v16_zero();
            bool any = false;
            for (int64_t n = t->pushed; n; n >>= 1, v += CHUNK_SUMS) {
                if (!(n & 1)) continue;
                sum = any ? v16_add(*v, sum) : *v;
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

/* Positions [at, at + count) of a panel as floats [count][16]. Of plain rows, those outside of the box are
 * not read; their lanes repeat a row of the box, and nobody stores them. */
static GLIA_NOINLINE void panel_of_rows(const glia_linear_call *c, int64_t panel, int64_t at, int64_t count,
                                        float *to)
{
    const float *row[GLIA_PANEL];
    int64_t i = 0;
    for (int r = 0; r < GLIA_PANEL; r++) {
        const int64_t n = glia_max(c->begin, glia_min(panel * GLIA_PANEL + r, c->end - 1));
        row[r] = (const float *)c->w + n * c->depth + at;
    }
    for (; i + GLIA_PANEL <= count; i += GLIA_PANEL) transpose_16(row, i, to + i * GLIA_PANEL);
    for (; i < count; i++)
        for (int r = 0; r < GLIA_PANEL; r++) to[i * GLIA_PANEL + r] = row[r][i];
}

GLIA_INLINE void panel_of_packed(const float_panels f, const uint8_t *panel, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++) {
        glia_prefetch(panel + i * 32 + AHEAD);
        v16_store(to + i * GLIA_PANEL, weights(f, panel, i));
    }
}
static GLIA_NOINLINE void panel_of_f16(const uint8_t *panel, int64_t count, float *to)
{
    panel_of_packed(PANELS_F16, panel, count, to);
}
static GLIA_NOINLINE void panel_of_bf16(const uint8_t *panel, int64_t count, float *to)
{
    panel_of_packed(PANELS_BF16, panel, count, to);
}

/* At most CHUNK_TILES tiles of rows by `panels` panels. F16 and BF16 widen as they are loaded where one or
 * two tiles use them, and once for all tiles where there are more. */
static void float_chunk(const float_panels f, const glia_linear_call *c, int64_t row, int64_t rows,
                        int64_t panel, int panels)
{
    v16 sums[FLOAT_LEVELS][CHUNK_SUMS];
    _Alignas(64) float wide[2 * SEGMENT * GLIA_PANEL];
    const int64_t tiles = glia_ceil_div(rows, TILE_ROWS),
                  size = f == PANELS_F32 || f == PANELS_ROWS ? 64 : 32;
    const bool copies = f == PANELS_ROWS || (f != PANELS_F32 && tiles > 2);
    float_tile t = {.depth = c->depth, .pushed = 0};
    for (int64_t at = 0; at < c->depth; at += SEGMENT, t.pushed++) {
        t.count = glia_min(SEGMENT, c->depth - at);
        t.panel_bytes = copies ? SEGMENT * GLIA_PANEL * 4 : c->panel_bytes;
        t.w = copies ? (const uint8_t *)wide : c->w + panel * c->panel_bytes + at * size;
        for (int p = 0; copies && p < panels; p++) {
            float *to = wide + p * SEGMENT * GLIA_PANEL;
            const uint8_t *from = c->w + (panel + p) * c->panel_bytes + at * size;
            if (f == PANELS_ROWS) panel_of_rows(c, panel + p, at, t.count, to);
            else if (f == PANELS_F16) panel_of_f16(from, t.count, to);
            else panel_of_bf16(from, t.count, to);
        }
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t first = rows * i / tiles, end = rows * (i + 1) / tiles;
            t.x = (const float *)c->x + (row + first) * c->depth + at;
            t.sums = &sums[0][first * panels];
            if (copies || f == PANELS_F32) tile_f32(panels, (int)(end - first), &t);
            else if (f == PANELS_F16) tile_f16(panels, (int)(end - first), &t);
            else tile_bf16(panels, (int)(end - first), &t);
        }
    }
    t.sums = sums[0];
    finish_tile(&t, (int)rows, panels, c, row, panel);
}

/* How many panels go beside tiles of this height, of those that are left. Copies have room for two. */
static int panels_beside(const float_panels f, int64_t rows, int64_t left)
{
    const int64_t height = glia_ceil_div(rows, glia_ceil_div(rows, TILE_ROWS));
    const int most = height <= FOUR_ROWS && f != PANELS_ROWS ? 4 : height <= TWO_ROWS ? 2 : 1;
    return left < 2 ? 1 : left < most ? 2 : most;
}

/* Rows [row, row + rows) by panels [panel, last). */
GLIA_INLINE void float_rows(const float_panels f, const glia_linear_call *c, int64_t row, int64_t rows,
                            int64_t panel, int64_t last)
{
    const int64_t chunks = glia_ceil_div(rows, TILE_ROWS * CHUNK_TILES);
    for (int64_t i = 0; i < chunks; i++) {
        const int64_t first = rows * i / chunks, count = rows * (i + 1) / chunks - first;
        for (int64_t p = panel; p < last;) {
            const int panels = panels_beside(f, count, last - p);
            float_chunk(f, c, row + first, count, p, panels);
            p += panels;
        }
    }
}

#endif
