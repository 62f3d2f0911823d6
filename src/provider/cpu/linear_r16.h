/* linear over block formats in R16 panels, for any instruction set that gives the steps (r16_steps_*.h).
 *
 * Lanes are weight rows; weights are the unsigned operand, activations the signed one, a word of four
 * positions broadcast to all lanes: no shuffles. Two ways through a matrix:
 *
 *   one row      quants are unpacked into registers and meet the row at once; four panels run side by side,
 * since four streams read memory faster than one more rows    two panels by 512 positions of k are unpacked
 * once into a buffer of bytes in cache (`panel`), the rows' activations are laid beside it (`part`), and one
 * tile of R rows by two panels runs over all of them. Formats differ in the unpacking alone; the tiles know
 * how sums are scaled.
 *
 * Integers are exact in int32, whatever the bytes of the weights (activations are within 127 in magnitude):
 *
 *   32 positions   an accumulator starts at minus the offset times the block's sum of activations, so that
 *                  unsigned weights give the signed sum; at most 32 * 255 * 127
 *   super-block    S = sum over groups of scale * dot. Where a group's dot fits 16 bits, one i_mad multiplies
 * and adds (Q2_K: 16 * 3 * 127; Q3_K: 16 * 4 * 127 after its start; Q4_K: 16 * 15 * 127 < 2^15); else i_mul
 *                  does (Q5_K, Q6_K, IQ4_XS). M = sum of min * sum: pairs of mins meet pairs of sums, which
 * fit 16 bits too (32 * 127). |S| and |M| are below 2^28 (tensor/dot.c).
 *
 * Every lane carries its own fma chain over a segment of 1024 positions; segments meet in the fixed tree. */
#ifndef GLIA_PROVIDER_CPU_LINEAR_R16_H
#define GLIA_PROVIDER_CPU_LINEAR_R16_H

#include "base/check.h"
#include "ops/expert.h"
#include "provider/cpu/r16_unpack.h"
#include "provider/cpu/rows.h"
#include "tensor/dot.h"
#include "tensor/layout.h"

enum {
    R16_DEPTH = 512, /* positions of k that are unpacked at once */
    R16_WORDS = R16_DEPTH / 4,
    R16_BLOCKS = R16_DEPTH / 32,
    R16_SUPERS = R16_DEPTH / 256,
    R16_MANY = 48,       /* rows that share an unpacked panel */
    R16_TREE = 48 * 128, /* floats per row of a level times levels: 4 levels of 48 rows of 32 floats */
    R16_STREAMS = 4,     /* panels that one row runs through side by side */
    R16_LEVELS = 56,     /* of the tree: enough for any int64 */
};

/* How a format of super-blocks is summed. */
typedef struct r16_sums {
    int sub;    /* words that share a scale: 4, 8, or 64 where there is none */
    int group;  /* words whose dot is scaled at once */
    bool mad;   /* the dot fits 16 bits */
    int offset; /* of the unsigned quants */
    int pairs;  /* of mins: 4 (of 32 positions), 8 (of 16), 0 */
    bool planes;
} r16_sums;

/* A format as data. */
typedef struct r16_format {
    int blocks, block, scalar_bytes, group_bytes; /* of a group; elements of a block */
    int word_bytes;                               /* of a block's words */
    r16_sums sums;                                /* super-blocks; of the others the offset alone */
    bool affine, exponent;                        /* of 32: has minimums; scale is a power of two */
} r16_format;

/* The word that a chunk of a super-block has at [v]. */
R16_INLINE int r16_word(const r16_sums s, const int c, const int v)
{
    return s.planes ? 32 * (c / 2) + 8 * (v / 4) + 4 * (c % 2) + v % 4 : 16 * c + v;
}

/* ---- activations: what of a row meets R16_DEPTH positions of weights, side by side */

typedef struct r16_part {
    int8_t q[R16_DEPTH];
    int32_t start[R16_SUPERS]
                 [16];            /* minus offset times sum, per group; per block of 32 one after the other */
    int32_t pairs[R16_SUPERS][8]; /* sums as pairs of int16 */
    float d[R16_BLOCKS];          /* per block or super-block */
    float sum[R16_BLOCKS];        /* of affine blocks of 32 */
} r16_part;

/* The sums of one super-block, `from` 16 int32. */
R16_INLINE void r16_super_sums(const r16_sums f, const uint8_t *from, int32_t *start, int32_t *pairs)
{
    int32_t s[16];
    int16_t narrow[16];
    memcpy(s, from, sizeof s);
    if (f.sub == 64) {
        int32_t total = 0;
        for (int i = 0; i < 16; i++) total += s[i];
        start[0] = -f.offset * total;
        return;
    }
    if (f.offset && f.sub == 4)
        for (int i = 0; i < 16; i++) start[i] = -f.offset * s[i];
    else if (f.offset)
        for (int i = 0; i < 8; i++) start[i] = -f.offset * (s[2 * i] + s[2 * i + 1]);
    if (f.pairs == 8)
        for (int i = 0; i < 16; i++) narrow[i] = (int16_t)s[i];
    else if (f.pairs)
        for (int i = 0; i < 8; i++) narrow[i] = (int16_t)(s[2 * i] + s[2 * i + 1]);
    if (f.pairs) memcpy(pairs, narrow, (size_t)f.pairs * 4);
}

/* Positions [at, at + count) of a row. */
R16_INLINE void r16_fill(const r16_format f, const uint8_t *x, int64_t depth, int64_t at, int count,
                         r16_part *to)
{
    const uint8_t *d = x + depth + at / f.block * 4,
                  *sums = x + depth + depth / f.block * 4 + at / (f.block / 16) * 4;
    if (f.block == 32) sums = x + depth + depth / 8 + at / 8;
    if (count == R16_DEPTH) memcpy(to->q, x + at, R16_DEPTH);
    else memcpy(to->q, x + at, (size_t)count);
    if (f.block == 256) {
        for (int i = 0; i < count / 256; i++, d += 4, sums += 64) {
            memcpy(&to->d[i], d, 4);
            r16_super_sums(f.sums, sums, to->start[i], to->pairs[i]);
        }
        return;
    }
    int32_t *start = &to->start[0][0];
    for (int i = 0; i < count / 32; i++) {
        int32_t s;
        memcpy(&s, sums + 4 * i, 4);
        memcpy(&to->d[i], d + 4 * i, 4);
        start[i] = -f.sums.offset * s;
        if (f.affine) to->sum[i] = (float)s;
    }
}

/* ---- weights: R16_DEPTH positions of a panel, as bytes in the order of the words */

typedef struct r16_panel {
    uint8_t q[R16_WORDS][R16_LINE];
    int32_t scale[R16_SUPERS][16][16], min[R16_SUPERS][8][16];
    float d[R16_BLOCKS][16], m[R16_BLOCKS][16]; /* scale and minimum of blocks; d and -dmin of super-blocks */
} __attribute__((aligned(64))) r16_panel;

R16_INLINE void r16_prefetch(const uint8_t *p, const int bytes)
{
    R16_UNROLL
    for (int i = 0; i < bytes; i += R16_LINE) __builtin_prefetch(p + i);
}

R16_INLINE r16_float r16_scale_of(const r16_format f, const uint8_t *group, int i)
{
    return f.exponent ? f_e8m0_half(i_load_u8(group + 16 * i)) : f_half(group + 32 * i);
}

R16_INLINE void r16_unpack_32(const r16_format f, r16_block_fn *unpack, const uint8_t *w, int blocks,
                              r16_panel *to)
{
    for (int b = 0; b < blocks; w += f.group_bytes) {
        r16_prefetch(w + 4096, f.group_bytes);
        R16_UNROLL
        for (int i = 0; i < f.blocks; i++, b++) {
            r16_int q[8];
            unpack(w, i, q);
            R16_UNROLL
            for (int j = 0; j < 8; j++) i_store(to->q[8 * b + j], q[j]);
            f_store(to->d[b], r16_scale_of(f, w, i));
            if (f.affine) f_store(to->m[b], f_half(w + 64 + 32 * i));
        }
    }
}

R16_INLINE void r16_unpack_super(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                                 const uint8_t *w, int blocks, r16_panel *to)
{
    const int scales_count = f.sums.sub < 64 ? 64 / f.sums.sub : 0;
    for (int b = 0; b < blocks; w += f.group_bytes) {
        r16_prefetch(w + 4096, f.group_bytes);
        for (int i = 0; i < f.blocks && b < blocks; i++, b++) {
            const uint8_t *words = w + f.scalar_bytes + i * f.word_bytes;
            r16_int scale[16], min[8];
            scales(w + 32 * i, words, scale, min);
            R16_UNROLL
            for (int s = 0; s < scales_count; s++) i_store(to->scale[b][s], scale[s]);
            R16_UNROLL
            for (int s = 0; s < f.sums.pairs; s++) i_store(to->min[b][s], min[s]);
            f_store(to->d[b], f_half(w + 32 * i));
            if (f.sums.pairs) f_store(to->m[b], f_minus(f_half(w + 32)));
            R16_UNROLL
            for (int c = 0; c < 4; c++) {
                r16_int q[R16_CHUNK];
                chunk(words, c, q);
                R16_UNROLL
                for (int v = 0; v < R16_CHUNK; v++) i_store(to->q[64 * b + r16_word(f.sums, c, v)], q[v]);
            }
        }
    }
}

/* ---- tiles: R rows by the two unpacked panels; sum[r][p] are the chains of the running segment */

typedef float r16_chain[R16_PANELS][16];
typedef void r16_tile_fn(const r16_panel *w, const r16_part *x, int count, r16_chain *sum);

/* s[r][p] += words [from, from + count). */
R16_INLINE void r16_dots(const int R, const r16_panel *w, const r16_part *x, int from, const int count,
                         r16_int (*s)[R16_PANELS])
{
    R16_UNROLL
    for (int j = 0; j < count; j++) {
        r16_int v[R16_PANELS];
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) v[p] = i_load(w[p].q[from + j]);
        R16_UNROLL
        for (int r = 0; r < R; r++) {
            const r16_every a = i_every(x[r].q + 4 * (from + j));
            R16_UNROLL
            for (int p = 0; p < R16_PANELS; p++) s[r][p] = i_dot(s[r][p], v[p], a);
        }
    }
}

R16_INLINE void r16_tile_32(const int R, const bool affine, const r16_panel *w, const r16_part *x, int count,
                            r16_chain *sum)
{
    r16_float acc[R16_ROWS][R16_PANELS];
    R16_UNROLL
    for (int r = 0; r < R; r++) R16_UNROLL
    for (int p = 0; p < R16_PANELS; p++) acc[r][p] = f_load(sum[r][p]);
    for (int b = 0; b < count; b++) {
        r16_int s[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) s[r][p] = i_every(&x[r].start[0][0] + b);
        r16_dots(R, w, x, 8 * b, 8, s);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_float d = f_load(w[p].d[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++)
                acc[r][p] = f_fma(f_mul(d, f_every(&x[r].d[b])), f_of_int(s[r][p]), acc[r][p]);
            if (!affine) continue;
            const r16_float m = f_load(w[p].m[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++)
                acc[r][p] = f_fma(f_mul(m, f_every(&x[r].d[b])), f_every(&x[r].sum[b]), acc[r][p]);
        }
    }
    R16_UNROLL
    for (int r = 0; r < R; r++) R16_UNROLL
    for (int p = 0; p < R16_PANELS; p++) f_store(sum[r][p], acc[r][p]);
}

/* What a group's dot adds to the super-block's sum. */
R16_INLINE r16_int r16_scaled(const r16_sums f, r16_int total, r16_int dot, r16_int scale)
{
    return f.mad ? i_mad(total, dot, scale) : i_add(total, i_mul(dot, scale));
}

R16_INLINE void r16_super_groups(const r16_sums f, const int R, const r16_panel *w, const r16_part *x, int b,
                                 r16_int (*total)[R16_PANELS])
{
    for (int g = 0; g < 64 / f.group; g++) {
        r16_int s[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) s[r][p] = f.offset ? i_every(&x[r].start[b][g]) : i_zero();
        r16_dots(R, w, x, 64 * b + f.group * g, f.group, s);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_int scale = i_load(w[p].scale[b][g * f.group / f.sub]);
            R16_UNROLL
            for (int r = 0; r < R; r++) total[r][p] = r16_scaled(f, total[r][p], s[r][p], scale);
        }
    }
}

R16_INLINE void r16_tile_super(const r16_sums f, const int R, const r16_panel *w, const r16_part *x,
                               int count, r16_chain *sum)
{
    for (int b = 0; b < count; b++) {
        r16_int total[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++)
            total[r][p] = f.sub == 64 ? i_every(&x[r].start[b][0]) : i_zero();
        if (f.sub == 64)
            for (int j = 0; j < 64; j += 8) r16_dots(R, w, x, 64 * b + j, 8, total);
        else r16_super_groups(f, R, w, x, b, total);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_float d = f_load(w[p].d[b]), dmin = f_load(w[p].m[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++) {
                const r16_float da = f_every(&x[r].d[b]);
                r16_float acc = f_fma(f_mul(d, da), f_of_int(total[r][p]), f_load(sum[r][p]));
                r16_int m = i_zero();
                R16_UNROLL
                for (int i = 0; i < f.pairs; i++)
                    m = i_mad(m, i_load(w[p].min[b][i]), i_every(&x[r].pairs[b][i]));
                if (f.pairs) acc = f_fma(f_mul(dmin, da), f_of_int(m), acc);
                f_store(sum[r][p], acc);
            }
        }
    }
}

/* ---- many rows */

/* A format's way of doing each step. */
typedef void r16_fill_fn(const uint8_t *x, int64_t depth, int64_t at, int count, r16_part *to);
typedef void r16_unpack_fn(const uint8_t *w, int blocks, r16_panel *to);
typedef void r16_one_fn(const glia_linear_call *c, int64_t row, int64_t panel, int panels);
typedef struct r16_kernel {
    r16_fill_fn *fill;
    r16_unpack_fn *unpack;
    r16_tile_fn *const *tiles; /* by rows - 1 */
    r16_one_fn *one;
    int block, depth_bytes; /* elements of a block; bytes of R16_DEPTH positions of a panel */
} r16_kernel;

typedef struct r16_work {
    r16_panel w[R16_PANELS];
    r16_part x[R16_MANY] __attribute__((aligned(64)));
    r16_chain sum[R16_MANY] __attribute__((aligned(64)));
    float tree[R16_TREE] __attribute__((aligned(64))); /* [level][row][panel][16] */
} r16_work;

/* sum[i] joins the subtrees that end here (tensor/dot.h), for `floats` chains side by side. */
static void r16_tree_push(float *tree, int64_t count, int floats, float *sum)
{
    for (int i = 0; i < floats; i += 16) {
        float *at = tree + i;
        r16_float v = f_load(sum + i);
        for (int64_t l = count; l & 1; l >>= 1, at += floats) v = f_add(f_load(at), v);
        f_store(at, v);
        f_store(sum + i, f_zero());
    }
}

static void r16_tree_done(const float *tree, int64_t count, int floats, float *sum)
{
    for (int i = 0; i < floats; i += 16) {
        const float *at = tree + i;
        int64_t l = count;
        r16_float v = f_zero();
        if (l) {
            for (; !(l & 1); l >>= 1) at += floats;
            v = f_load(at);
            for (l >>= 1, at += floats; l; l >>= 1, at += floats)
                if (l & 1) v = f_add(f_load(at), v);
        }
        f_store(sum + i, v);
    }
}

R16_INLINE void r16_put(const glia_linear_call *c, int64_t row, int64_t panel, r16_float v)
{
    const uint32_t lanes = glia_panel_lanes(c, panel);
    const int64_t column = panel * GLIA_PANEL;
    if (c->bias) v = f_add(v, f_load_lanes(c->bias + column, lanes));
    f_store_lanes(c->y + row * c->n + column, lanes, v);
}

/* Rows in tiles of nearly equal height. */
static void r16_tiles(const r16_kernel *f, r16_work *work, int rows, int blocks)
{
    for (int r = 0, tiles = (rows + R16_ROWS - 1) / R16_ROWS; tiles > 0; tiles--) {
        const int height = (rows - r + tiles - 1) / tiles;
        f->tiles[height - 1](work->w, work->x + r, blocks, work->sum + r);
        r += height;
    }
}

/* `rows` rows from `row` on by panels [panel, panel + panels), panels at most 2. */
static void r16_rows(const r16_kernel *f, const glia_linear_call *c, r16_work *work, int64_t panel,
                     int panels, int64_t row, int rows)
{
    const int floats = rows * R16_PANELS * 16;
    int64_t segments = 0;
    memset(work->sum, 0, (size_t)floats * 4);
    for (int64_t at = 0; at < c->depth; at += R16_DEPTH) {
        const int count = (int)glia_min(R16_DEPTH, c->depth - at);
        for (int p = 0; p < R16_PANELS;
             p++) /* a lone panel is taken twice: the tiles know no less than two */
            f->unpack(c->w + (panel + (p < panels ? p : 0)) * c->panel_bytes +
                          at / R16_DEPTH * f->depth_bytes,
                      count / f->block, &work->w[p]);
        for (int r = 0; r < rows; r++)
            f->fill(c->x + (row + r) * c->x_bytes, c->depth, at, count, &work->x[r]);
        r16_tiles(f, work, rows, count / f->block);
        if ((at + count) % GLIA_SEGMENT_QUANT == 0 || at + count == c->depth)
            r16_tree_push(work->tree, segments++, floats, &work->sum[0][0][0]);
    }
    r16_tree_done(work->tree, segments, floats, &work->sum[0][0][0]);
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) r16_put(c, row + r, panel + p, f_load(work->sum[r][p]));
}

/* How many rows the tree has room for: the levels are those of the last push. */
static int r16_rows_at_once(int64_t depth)
{
    int levels = 1;
    for (int64_t s = glia_ceil_div(depth, GLIA_SEGMENT_QUANT); s > 1; s >>= 1) levels++;
    return (int)glia_min(R16_MANY, R16_TREE / (R16_PANELS * 16 * levels));
}

static void r16_many(const r16_kernel *f, const glia_linear_call *c, int64_t panel, int panels,
                     glia_row_run run)
{
    r16_work work;
    const int64_t most = r16_rows_at_once(c->depth), chunks = glia_ceil_div(run.count, most);
    const int64_t each = glia_ceil_div(glia_ceil_div(run.count, chunks), R16_ROWS) * R16_ROWS;
    for (int p = 0; p < panels; p += R16_PANELS)
        for (int64_t r = 0, step = glia_min(each, most); r < run.count; r += step)
            r16_rows(f, c, &work, panel + p, (int)glia_min(R16_PANELS, panels - p), run.first + r,
                     (int)glia_min(step, run.count - r));
}

/* ---- one row */

typedef struct r16_one_tree {
    float v[R16_LEVELS][R16_STREAMS][16];
    int64_t count;
} r16_one_tree;

R16_INLINE void r16_one_push(r16_one_tree *t, int panels, float (*acc)[16])
{
    for (int p = 0; p < panels; p++) {
        r16_float v = f_load(acc[p]);
        int l = 0;
        for (; t->count >> l & 1; l++) v = f_add(f_load(t->v[l][p]), v);
        f_store(t->v[l][p], v);
        f_store(acc[p], f_zero());
    }
    t->count++;
}

R16_INLINE void r16_one_done(const r16_one_tree *t, const glia_linear_call *c, int64_t row, int64_t panel,
                             int panels)
{
    for (int p = 0; p < panels; p++) {
        int l = 0;
        r16_float v = f_zero();
        if (t->count) {
            while (!(t->count >> l & 1)) l++;
            v = f_load(t->v[l][p]);
            for (l++; t->count >> l; l++)
                if (t->count >> l & 1) v = f_add(f_load(t->v[l][p]), v);
        }
        r16_put(c, row, panel + p, v);
    }
}

/* One block of 32 of one panel. */
R16_INLINE void r16_one_block(const r16_format f, r16_block_fn *unpack, const uint8_t *w, const int i,
                              const uint8_t *x, const uint8_t *d, const uint8_t *sum, float *acc)
{
    r16_int q[8];
    int32_t total;
    memcpy(&total, sum, sizeof total);
    r16_int s = i_set(-f.sums.offset * total);
    unpack(w, i, q);
    R16_UNROLL
    for (int j = 0; j < 8; j++) s = i_dot(s, q[j], i_every(x + 4 * j));
    const r16_float da = f_every(d);
    r16_float v = f_fma(f_mul(r16_scale_of(f, w, i), da), f_of_int(s), f_load(acc));
    if (f.affine) v = f_fma(f_mul(f_half(w + 64 + 32 * i), da), f_of_int(i_set(total)), v);
    f_store(acc, v);
}

R16_INLINE void r16_one_32(const r16_format f, r16_block_fn *unpack, const glia_linear_call *c, int64_t row,
                           int64_t panel, int panels)
{
    const uint8_t *x = c->x + row * c->x_bytes, *d = x + c->depth, *sum = d + c->depth / 8;
    const uint8_t *w = c->w + panel * c->panel_bytes;
    const int64_t blocks = c->depth / 32;
    float acc[R16_STREAMS][16] = {{0}};
    r16_one_tree tree;
    tree.count = 0;
    for (int64_t b = 0; b < blocks; w += f.group_bytes) {
        const int64_t left = blocks - b;
        for (int p = 0; p < panels; p++) {
            const uint8_t *group = w + p * c->panel_bytes;
            r16_prefetch(group + 2304, f.group_bytes);
            R16_UNROLL
            for (int i = 0; i < f.blocks; i++)
                if (i < left)
                    r16_one_block(f, unpack, group, i, x + (b + i) * 32, d + (b + i) * 4, sum + (b + i) * 4,
                                  acc[p]);
        }
        b += f.blocks;
        if (b % (GLIA_SEGMENT_QUANT / 32) == 0 || b >= blocks) r16_one_push(&tree, panels, acc);
    }
    r16_one_done(&tree, c, row, panel, panels);
}

/* One super-block of one panel, block i of its group. */
R16_INLINE void r16_one_super_block(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                                    const uint8_t *w, int i, const uint8_t *x, const int32_t *start,
                                    const int32_t *pairs, float da, float *acc)
{
    const r16_sums k = f.sums;
    const uint8_t *words = w + f.scalar_bytes + i * f.word_bytes;
    r16_int scale[16], min[8], total = k.sub == 64 ? i_every(start) : i_zero();
    scales(w + 32 * i, words, scale, min);
    R16_UNROLL
    for (int c = 0; c < 4; c++) {
        r16_int q[R16_CHUNK], s = i_zero();
        chunk(words, c, q);
        R16_UNROLL
        for (int v = 0; v < R16_CHUNK; v += k.group) {
            const int first = r16_word(k, c, v), g = first / k.group;
            if (k.sub < 64) s = k.offset ? i_every(start + g) : i_zero();
            R16_UNROLL
            for (int j = 0; j < k.group; j++) s = i_dot(s, q[v + j], i_every(x + 4 * (first + j)));
            if (k.sub < 64) total = r16_scaled(k, total, s, scale[first / k.sub]);
        }
        if (k.sub == 64) total = i_add(total, s);
    }
    const r16_float all = f_every(&da);
    r16_float sum = f_fma(f_mul(f_half(w + 32 * i), all), f_of_int(total), f_load(acc));
    if (k.pairs) {
        r16_int m = i_zero();
        R16_UNROLL
        for (int j = 0; j < k.pairs; j++) m = i_mad(m, min[j], i_every(pairs + j));
        sum = f_fma(f_mul(f_minus(f_half(w + 32)), all), f_of_int(m), sum);
    }
    f_store(acc, sum);
}

R16_INLINE void r16_one_super(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                              const glia_linear_call *c, int64_t row, int64_t panel, int panels)
{
    const uint8_t *x = c->x + row * c->x_bytes, *d = x + c->depth, *sums = d + c->depth / 64;
    const uint8_t *w = c->w + panel * c->panel_bytes;
    const int64_t blocks = c->depth / 256;
    float acc[R16_STREAMS][16] = {{0}};
    r16_one_tree tree;
    tree.count = 0;
    for (int64_t b = 0; b < blocks;) {
        const int i = (int)(b % f.blocks);
        int32_t start[16], pairs[8];
        float da;
        memcpy(&da, d + 4 * b, sizeof da);
        r16_super_sums(f.sums, sums + 64 * b, start, pairs);
        for (int p = 0; p < panels; p++) {
            const uint8_t *group = w + p * c->panel_bytes;
            r16_prefetch(group + i * f.word_bytes + 2304, f.word_bytes + 64);
            r16_one_super_block(f, chunk, scales, group, i, x + b * 256, start, pairs, da, acc[p]);
        }
        if (i == f.blocks - 1) w += f.group_bytes;
        b++;
        if (b % (GLIA_SEGMENT_QUANT / 256) == 0 || b == blocks) r16_one_push(&tree, panels, acc);
    }
    r16_one_done(&tree, c, row, panel, panels);
}

/* ---- the walk over a box */

static void r16_linear(const glia_kargs *k, const r16_kernel *f)
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
    for (int64_t p = c.begin / GLIA_PANEL; p < last; p += R16_STREAMS)
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            const int panels = (int)glia_min(R16_STREAMS, last - p);
            if (run.count == 1) f->one(&c, run.first, p, panels);
            else if (run.count > 1) r16_many(f, &c, p, panels, run);
        }
}

#endif
