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
    R16_MANY = 132,            /* rows that share an unpacked panel: whole tiles of any height */
    R16_TREE = R16_MANY * 128, /* floats of sums: 4 levels of so many rows of 32 floats */
    R16_FEW_TREE = 48 * 128,   /* likewise: 12 levels of 8 rows of 64 floats */
    R16_STREAMS = 4,           /* panels that one row runs through side by side */
    R16_FEW = 8,               /* rows that meet weights in registers */
};

#ifndef R16_AHEAD
#define R16_AHEAD 2304 /* bytes of a stream that are asked for ahead of their use */
#endif

/* How a format of super-blocks is summed. */
typedef struct r16_sums {
    int sub;    /* words that share a scale: 4, 8, or 64 where there is none */
    int group;  /* words whose dot is scaled at once */
    bool mad;   /* the dot fits 16 bits */
    int offset; /* of the unsigned quants */
    int pairs;  /* of mins: 4 (of 32 positions), 8 (of 16), 0 */
    bool planes;
    int most; /* the greatest unsigned quant */
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

/* ---- activations: what of a row is made ready for R16_DEPTH positions of weights */

typedef struct r16_part {
    int32_t start[R16_SUPERS]
                 [16]; /* minus offset times sum, per block of 32 or [four words] of a super-block */
    int32_t pairs[R16_SUPERS][8]; /* sums as pairs of int16 */
    float sum[R16_BLOCKS];        /* of affine blocks of 32 */
} __attribute__((aligned(64))) r16_part;

/* Rows of activations from a place in k on. */
typedef struct r16_x {
    const uint8_t *q, *d; /* of the first row */
    int64_t stride;
    const r16_part *part; /* one a row */
} r16_x;

/* The 16 sums of one super-block, as the products take them: start[4-word group] and pairs of mins. */
R16_INLINE void r16_super_sums(const r16_sums f, r16_int sums, int32_t *start, int32_t *pairs)
{
    const r16_int wide = f.sub == 8 ? i_pair_sums(sums) : sums; /* in the even lanes */
    if (f.sub == 64) start[0] = -f.offset * i_total(sums);
    else if (f.offset) i_store(start, i_mul(wide, i_set(-f.offset)));
    if (f.pairs == 8) i_store_i16(pairs, wide);
    else if (f.pairs) i_store_even_i16(pairs, wide);
}

/* Positions [at, at + count) of a row, whose planes of sums are `sums`. */
R16_INLINE void r16_fill(const r16_format f, const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    if (f.block == 256) {
        for (int i = 0; i < count / 256; i++)
            r16_super_sums(f.sums, i_load(sums + at / 4 + 64 * i), to->start[i], to->pairs[i]);
        return;
    }
    const r16_int s = i_load_lanes(sums + at / 8, (1u << count / 32) - 1);
    i_store(to->start[0], i_mul(s, i_set(-f.sums.offset)));
    if (f.affine) f_store(to->sum, f_of_int(s));
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
            R16_UNROLL_CHUNKS
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
typedef void r16_tile_fn(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum);

/* s[r][p] += words [from, from + count), none above `most`. */
R16_INLINE void r16_dots(const int most, const int R, const r16_panel *w, r16_x x, int from, const int count,
                         r16_int (*s)[R16_PANELS])
{
    const int room = i_room(most) < count ? i_room(most) : count;
    R16_UNROLL
    for (int i = 0; i < count / room; i++) {
        r16_partial t[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) t[r][p] = i_begin(s[r][p], most);
        R16_UNROLL
        for (int k = 0; k < room; k++) {
            const int j = from + i * room + k;
            r16_int v[R16_PANELS];
            R16_UNROLL
            for (int p = 0; p < R16_PANELS; p++) v[p] = i_load(w[p].q[j]);
            R16_UNROLL
            for (int r = 0; r < R; r++) {
                const r16_every a = i_every(x.q + r * x.stride + 4 * j);
                R16_UNROLL
                for (int p = 0; p < R16_PANELS; p++) t[r][p] = i_dot(t[r][p], v[p], a, most);
            }
        }
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) s[r][p] = i_end(s[r][p], t[r][p], most);
    }
}

/* s += count words that are in registers. */
R16_INLINE r16_int r16_dot_of(const int most, r16_int s, const r16_int *q, const uint8_t *x, const int count)
{
    const int room = i_room(most) < count ? i_room(most) : count;
    R16_UNROLL
    for (int i = 0; i < count / room; i++) {
        r16_partial t = i_begin(s, most);
        R16_UNROLL
        for (int j = 0; j < room; j++) t = i_dot(t, q[i * room + j], i_every(x + 4 * (i * room + j)), most);
        s = i_end(s, t, most);
    }
    return s;
}

R16_INLINE void r16_tile_32(const int most, const int R, const bool affine, const r16_panel *w, r16_x x,
                            int count, r16_chain *sum)
{
    r16_float acc[R16_ROWS][R16_PANELS];
    R16_UNROLL
    for (int r = 0; r < R; r++) R16_UNROLL
    for (int p = 0; p < R16_PANELS; p++) acc[r][p] = f_load(sum[r][p]);
    for (int b = 0; b < count; b++) {
        r16_int s[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) s[r][p] = i_every(&x.part[r].start[0][b]);
        r16_dots(most, R, w, x, 8 * b, 8, s);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_float d = f_load(w[p].d[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++)
                acc[r][p] =
                    f_fma(f_mul(d, f_every(x.d + r * x.stride + 4 * b)), f_of_int(s[r][p]), acc[r][p]);
            if (!affine) continue;
            const r16_float m = f_load(w[p].m[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++)
                acc[r][p] = f_fma(f_mul(m, f_every(x.d + r * x.stride + 4 * b)), f_every(&x.part[r].sum[b]),
                                  acc[r][p]);
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

R16_INLINE void r16_super_groups(const r16_sums f, const int R, const r16_panel *w, r16_x x, int b,
                                 r16_int (*total)[R16_PANELS])
{
    for (int g = 0; g < 64 / f.group; g++) {
        r16_int s[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++)
            s[r][p] = f.offset ? i_every(&x.part[r].start[b][g * f.group / 4]) : i_zero();
        r16_dots(f.most, R, w, x, 64 * b + f.group * g, f.group, s);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_int scale = i_load(w[p].scale[b][g * f.group / f.sub]);
            R16_UNROLL
            for (int r = 0; r < R; r++) total[r][p] = r16_scaled(f, total[r][p], s[r][p], scale);
        }
    }
}

R16_INLINE void r16_tile_super(const r16_sums f, const int R, const r16_panel *w, r16_x x, int count,
                               r16_chain *sum)
{
    for (int b = 0; b < count; b++) {
        r16_int total[R16_ROWS][R16_PANELS];
        R16_UNROLL
        for (int r = 0; r < R; r++) R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++)
            total[r][p] = f.sub == 64 ? i_every(&x.part[r].start[b][0]) : i_zero();
        if (f.sub == 64)
            for (int j = 0; j < 64; j += 8) r16_dots(f.most, R, w, x, 64 * b + j, 8, total);
        else r16_super_groups(f, R, w, x, b, total);
        R16_UNROLL
        for (int p = 0; p < R16_PANELS; p++) {
            const r16_float d = f_load(w[p].d[b]), dmin = f_load(w[p].m[b]);
            R16_UNROLL
            for (int r = 0; r < R; r++) {
                const r16_float da = f_every(x.d + r * x.stride + 4 * b);
                r16_float acc = f_fma(f_mul(d, da), f_of_int(total[r][p]), f_load(sum[r][p]));
                r16_int m = i_zero();
                R16_UNROLL
                for (int i = 0; i < f.pairs; i++)
                    m = i_mad(m, i_load(w[p].min[b][i]), i_every(&x.part[r].pairs[b][i]));
                if (f.pairs) acc = f_fma(f_mul(dmin, da), f_of_int(m), acc);
                f_store(sum[r][p], acc);
            }
        }
    }
}

/* Tiles of each height, or of each even one, are compiled. */
R16_INLINE void r16_tiles_32(const int most, const bool affine, int rows, const r16_panel *w, r16_x x,
                             int count, r16_chain *sum)
{
    switch (rows) {
    case 1: r16_tile_32(most, 1, affine, w, x, count, sum); break;
    case 2: r16_tile_32(most, 2, affine, w, x, count, sum); break;
#if R16_ROWS > 2 && !R16_SMALL
    case 3: r16_tile_32(most, 3, affine, w, x, count, sum); break;
#endif
#if R16_ROWS > 3
    case 4: r16_tile_32(most, 4, affine, w, x, count, sum); break;
#endif
#if R16_ROWS > 4 && !R16_SMALL
    case 5: r16_tile_32(most, 5, affine, w, x, count, sum); break;
#endif
#if R16_ROWS > 4
    case 6: r16_tile_32(most, 6, affine, w, x, count, sum); break;
#endif
    default: break;
    }
}

R16_INLINE void r16_tiles_super(const r16_sums f, int rows, const r16_panel *w, r16_x x, int count,
                                r16_chain *sum)
{
    switch (rows) {
    case 1: r16_tile_super(f, 1, w, x, count, sum); break;
    case 2: r16_tile_super(f, 2, w, x, count, sum); break;
#if R16_ROWS > 2 && !R16_SMALL
    case 3: r16_tile_super(f, 3, w, x, count, sum); break;
#endif
#if R16_ROWS > 3
    case 4: r16_tile_super(f, 4, w, x, count, sum); break;
#endif
#if R16_ROWS > 4 && !R16_SMALL
    case 5: r16_tile_super(f, 5, w, x, count, sum); break;
#endif
#if R16_ROWS > 4
    case 6: r16_tile_super(f, 6, w, x, count, sum); break;
#endif
    default: break;
    }
}

/* ---- many rows */

/* A format's way of doing each step. */
typedef void r16_fill_fn(const uint8_t *sums, int64_t at, int count, r16_part *to);
typedef void r16_unpack_fn(const uint8_t *w, int blocks, r16_panel *to);
typedef void r16_few_fn(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels);
typedef struct r16_kernel {
    r16_fill_fn *fill;
    r16_unpack_fn *unpack;
    r16_tile_fn *tile;
    r16_few_fn *few;
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
static void r16_tiles(const r16_kernel *f, r16_work *work, r16_x x, int rows, int blocks)
{
    for (int r = 0; r < rows;) {
        const int left = rows - r, tiles = (left + R16_ROWS - 1) / R16_ROWS,
                  fair = (left + tiles - 1) / tiles;
        const int height = R16_SMALL && fair > 1 ? fair & ~1 : fair;
        const r16_x rows_x = {x.q + r * x.stride, x.d + r * x.stride, x.stride, x.part + r};
        f->tile(height, work->w, rows_x, blocks, work->sum + r);
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
        const uint8_t *x = c->x + row * c->x_bytes, *d = x + c->depth, *sums = d + c->depth / f->block * 4;
        for (int r = 0; r < rows; r++) f->fill(sums + r * c->x_bytes, at, count, &work->x[r]);
        const r16_x part = {x + at, d + at / f->block * 4, c->x_bytes, work->x};
        r16_tiles(f, work, part, rows, count / f->block);
        if ((at + count) % GLIA_SEGMENT_QUANT == 0 || at + count == c->depth)
            r16_tree_push(work->tree, segments++, floats, &work->sum[0][0][0]);
    }
    r16_tree_done(work->tree, segments, floats, &work->sum[0][0][0]);
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) r16_put(c, row + r, panel + p, f_load(work->sum[r][p]));
}

/* How many rows the tree has room for: the levels are those of the last push. */
static int r16_rows_at_once(int64_t depth, int most, int room, int floats)
{
    int levels = 1;
    for (int64_t s = glia_ceil_div(depth, GLIA_SEGMENT_QUANT); s > 1; s >>= 1) levels++;
    return (int)glia_min(most, room / (floats * levels));
}

static void r16_many(const r16_kernel *f, const glia_linear_call *c, int64_t panel, int panels,
                     glia_row_run run)
{
    r16_work work;
    const int64_t most = r16_rows_at_once(c->depth, R16_MANY, R16_TREE, R16_PANELS * 16),
                  chunks = glia_ceil_div(run.count, most);
    const int64_t each = glia_ceil_div(glia_ceil_div(run.count, chunks), R16_ROWS) * R16_ROWS;
    for (int p = 0; p < panels; p += R16_PANELS)
        for (int64_t r = 0, step = glia_min(each, most); r < run.count; r += step)
            r16_rows(f, c, &work, panel + p, (int)glia_min(R16_PANELS, panels - p), run.first + r,
                     (int)glia_min(step, run.count - r));
}

/* ---- few rows: quants are unpacked into registers and meet each row in turn */

enum { R16_FEW_FLOATS = R16_STREAMS * 16 /* chains of one row */ };

/* A few rows by up to four panels. */
typedef struct r16_few {
    const uint8_t *x, *d, *sums; /* planes of the first row */
    int64_t stride;
    int rows;
    float sum[R16_FEW][R16_STREAMS][16] __attribute__((aligned(64)));
    float tree[R16_FEW_TREE] __attribute__((aligned(64))); /* [level][row][panel][16] */
    int32_t start[R16_FEW][16] __attribute__((aligned(64)));
    int32_t pairs[R16_FEW][8];
} r16_few;

static void r16_few_begin(r16_few *t, const glia_linear_call *c, int64_t row, int rows, int block)
{
    t->x = c->x + row * c->x_bytes;
    t->d = t->x + c->depth;
    t->sums = t->d + c->depth / block * 4;
    t->stride = c->x_bytes;
    t->rows = rows;
    memset(t->sum, 0, (size_t)rows * sizeof t->sum[0]);
}

static void r16_few_end(r16_few *t, const glia_linear_call *c, int64_t row, int64_t panel, int panels,
                        int64_t segments)
{
    r16_tree_done(t->tree, segments, t->rows * R16_FEW_FLOATS, &t->sum[0][0][0]);
    for (int r = 0; r < t->rows; r++)
        for (int p = 0; p < panels; p++) r16_put(c, row + r, panel + p, f_load(t->sum[r][p]));
}

/* What is asked for while byte `at` of a panel is read: further on in the panel, or at the start of the one
 * that this stream reads next. */
R16_INLINE int64_t r16_ahead(const glia_linear_call *c, int64_t at)
{
    return at + R16_AHEAD < c->panel_bytes ? R16_AHEAD : R16_AHEAD + (R16_STREAMS - 1) * c->panel_bytes;
}

/* Block i of a group of one panel: block b of the rows. */
R16_INLINE void r16_few_block(const r16_format f, r16_block_fn *unpack, const uint8_t *w, const int i,
                              int64_t b, const int rows, int p, r16_few *t)
{
    r16_int q[8];
    const uint8_t *x = t->x + b * 32, *d = t->d + b * 4, *sum = t->sums + b * 4;
    const r16_float dw = r16_scale_of(f, w, i), m = f.affine ? f_half(w + 64 + 32 * i) : f_zero();
    unpack(w, i, q);
    for (int r = 0; r < rows; r++, x += t->stride, d += t->stride, sum += t->stride) {
        r16_int s = i_every(&t->start[r][i]);
        s = r16_dot_of(f.sums.most, s, q, x, 8);
        const r16_float da = f_every(d);
        r16_float v = f_fma(f_mul(dw, da), f_of_int(s), f_load(t->sum[r][p]));
        if (f.affine) v = f_fma(f_mul(m, da), f_of_int(i_every(sum)), v);
        f_store(t->sum[r][p], v);
    }
}

R16_INLINE void r16_few_32_of(const r16_format f, r16_block_fn *unpack, const glia_linear_call *c,
                              int64_t row, const int rows, int64_t panel, int panels)
{
    const uint8_t *const begin = c->w + panel * c->panel_bytes, *w = begin;
    const int64_t blocks = c->depth / 32;
    int64_t segments = 0;
    r16_few t;
    r16_few_begin(&t, c, row, rows, 32);
    for (int64_t b = 0; b < blocks; w += f.group_bytes) {
        const int count = (int)glia_min(f.blocks, blocks - b);
        const int64_t ahead = r16_ahead(c, w - begin);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < count; i++) {
                int32_t sum;
                memcpy(&sum, t.sums + r * t.stride + (b + i) * 4, sizeof sum);
                t.start[r][i] = -f.sums.offset * sum;
            }
        for (int p = 0; p < panels; p++) {
            const uint8_t *group = w + p * c->panel_bytes;
            r16_prefetch(group + ahead, f.group_bytes);
            R16_UNROLL
            for (int i = 0; i < f.blocks; i++)
                if (i < count) r16_few_block(f, unpack, group, i, b + i, rows, p, &t);
        }
        b += count;
        if (b % (GLIA_SEGMENT_QUANT / 32) == 0 || b == blocks)
            r16_tree_push(t.tree, segments++, rows * R16_FEW_FLOATS, &t.sum[0][0][0]);
    }
    r16_few_end(&t, c, row, panel, panels, segments);
}

/* One row alone, which is what decoding does, is compiled apart: its sums stay in registers. */
R16_INLINE void r16_few_32(const r16_format f, r16_block_fn *unpack, const glia_linear_call *c, int64_t row,
                           int rows, int64_t panel, int panels)
{
    if (rows == 1) r16_few_32_of(f, unpack, c, row, 1, panel, panels);
    else r16_few_32_of(f, unpack, c, row, rows, panel, panels);
}

/* Chunk c of super-block b of one panel: onto the rows' totals. */
R16_INLINE void r16_few_chunk(const r16_sums f, const int c, const r16_int *q, const r16_int *scale,
                              int64_t b, const int rows, const r16_few *t, r16_int *totals)
{
    const uint8_t *x = t->x + b * 256;
    for (int r = 0; r < rows; r++, x += t->stride) {
        r16_int s = i_zero(), total = totals[r];
        R16_UNROLL
        for (int v = 0; v < R16_CHUNK; v += f.group) {
            const int first = r16_word(f, c, v);
            if (f.sub < 64) s = f.offset ? i_every(&t->start[r][first / 4]) : i_zero();
            s = r16_dot_of(f.most, s, q + v, x + 4 * first, f.group);
            if (f.sub < 64) total = r16_scaled(f, total, s, scale[first / f.sub]);
        }
        totals[r] = f.sub < 64 ? total : i_add(total, s);
    }
}

/* Super-block b of one panel, block i of its group. */
R16_INLINE void r16_few_block_super(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                                    const uint8_t *w, int i, int64_t b, const int rows, int p, int64_t ahead,
                                    r16_few *t)
{
    const r16_sums k = f.sums;
    const uint8_t *words = w + f.scalar_bytes + i * f.word_bytes, *da = t->d + b * 4;
    r16_int scale[16], min[8], total[R16_FEW];
    scales(w + 32 * i, words, scale, min);
    for (int r = 0; r < rows; r++) total[r] = k.sub == 64 ? i_every(t->start[r]) : i_zero();
    R16_UNROLL_CHUNKS
    for (int c = 0; c < 4; c++) {
        r16_int q[R16_CHUNK];
        r16_prefetch(words + ahead + c * (f.word_bytes / 4), f.word_bytes / 4 + 16);
        chunk(words, c, q);
        r16_few_chunk(k, c, q, scale, b, rows, t, total);
    }
    const r16_float d = f_half(w + 32 * i), dmin = k.pairs ? f_minus(f_half(w + 32)) : f_zero();
    for (int r = 0; r < rows; r++, da += t->stride) {
        const r16_float a = f_every(da);
        r16_float sum = f_fma(f_mul(d, a), f_of_int(total[r]), f_load(t->sum[r][p]));
        r16_int m = i_zero();
        R16_UNROLL
        for (int j = 0; j < k.pairs; j++) m = i_mad(m, min[j], i_every(&t->pairs[r][j]));
        if (k.pairs) sum = f_fma(f_mul(dmin, a), f_of_int(m), sum);
        f_store(t->sum[r][p], sum);
    }
}

R16_INLINE void r16_few_super_of(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                                 const glia_linear_call *c, int64_t row, const int rows, int64_t panel,
                                 int panels)
{
    const uint8_t *const begin = c->w + panel * c->panel_bytes, *w = begin;
    const int64_t blocks = c->depth / 256;
    int64_t segments = 0;
    r16_few t;
    r16_few_begin(&t, c, row, rows, 256);
    for (int64_t b = 0; b < blocks;) {
        const int i = (int)(b % f.blocks);
        const int64_t ahead = r16_ahead(c, w - begin + i * f.word_bytes);
        for (int r = 0; r < rows; r++)
            r16_super_sums(f.sums, i_load(t.sums + r * t.stride + 64 * b), t.start[r], t.pairs[r]);
        for (int p = 0; p < panels; p++)
            r16_few_block_super(f, chunk, scales, w + p * c->panel_bytes, i, b, rows, p, ahead, &t);
        if (i == f.blocks - 1) w += f.group_bytes;
        b++;
        if (b % (GLIA_SEGMENT_QUANT / 256) == 0 || b == blocks)
            r16_tree_push(t.tree, segments++, rows * R16_FEW_FLOATS, &t.sum[0][0][0]);
    }
    r16_few_end(&t, c, row, panel, panels, segments);
}

R16_INLINE void r16_few_super(const r16_format f, r16_chunk_fn *chunk, r16_scales_fn *scales,
                              const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    if (rows == 1) r16_few_super_of(f, chunk, scales, c, row, 1, panel, panels);
    else r16_few_super_of(f, chunk, scales, c, row, rows, panel, panels);
}

static void r16_by_few(const r16_kernel *f, const glia_linear_call *c, int64_t panel, int panels,
                       glia_row_run run)
{
    const int most = r16_rows_at_once(c->depth, R16_FEW, R16_FEW_TREE, R16_FEW_FLOATS);
    for (int64_t r = 0; r < run.count; r += most)
        f->few(c, run.first + r, (int)glia_min(most, run.count - r), panel, panels);
}

/* ---- the walk over a box */

__attribute__((unused)) static void r16_linear(const glia_kargs *k, const r16_kernel *f)
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
            if (run.count <= R16_FEW) r16_by_few(f, &c, p, panels, run);
            else r16_many(f, &c, p, panels, run);
        }
}

#endif
