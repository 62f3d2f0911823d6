/* conv over F32. The including file says how large a tile is, and what float_tile.h asks for:
 *
 *     CONV_ROWS      output channels of a tile
 *     CONV_VECTORS   vectors of 16 pixels of a tile
 *
 * Lanes are output pixels, in the order of the output's plane: what the windows of a tile's pixels meet is gathered
 * into scratch as [taps, c][pixels], weights (C16) are broadcast. A convolution of single taps reads its input where
 * it lies. Planes too small to fill lanes with are gathered by pixels instead, and go through the tiles of
 * float_tile.h, whose lanes are output channels. Depthwise convolutions run over padded copies of single planes. */
#ifndef GLIA_PROVIDER_CPU_CONV_FLOAT_H
#define GLIA_PROVIDER_CPU_CONV_FLOAT_H

#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "provider/cpu/conv_pixels.h"
#include "provider/cpu/each16.h"
#include "provider/cpu/float_tile.h"
#include "provider/cpu/kernel.h"

enum { CONV_PIXELS_FEW = 64 /* planes up to this size may be taken by pixels */ };

typedef struct conv_call {
    glia_window g;
    const float *x, *w, *bias, *residual; /* x, residual, y: of one image; w: panels */
    float *y, *scratch;
    int64_t c, m, depth; /* channels that a sum reads, output channels, c * taps */
    int64_t begin, end;  /* output channels */
    int64_t pixel, last; /* output pixels */
    int64_t activation;
    float alpha, beta;
} conv_call;

GLIA_INLINE v16 conv_unit(v16 x) { return v16_min(v16_set(1.0f), v16_max(v16_zero(), x)); }

/* The bits of ops/epilogue.c. */
static GLIA_NOINLINE v16 conv_rare(int64_t activation, v16 x, v16 a, v16 b)
{
    switch (activation) {
    case GLIA_EPILOGUE_silu: return silu_of(x, x);
    case GLIA_EPILOGUE_sigmoid: return sigmoid_of(x, x);
    case GLIA_EPILOGUE_tanh: return tanh_of(x, x);
    case GLIA_EPILOGUE_gelu: return gelu_of(x, x);
    case GLIA_EPILOGUE_gelu_erf: return gelu_erf_of(x, x);
    case GLIA_EPILOGUE_leaky_relu: return v16_select_less(v16_zero(), x, x, v16_mul(x, a));
    case GLIA_EPILOGUE_hard_sigmoid: return conv_unit(v16_add(v16_mul(x, a), b));
    case GLIA_EPILOGUE_hard_swish: return v16_mul(x, conv_unit(v16_add(v16_mul(x, a), b)));
    default: return x;
    }
}

GLIA_INLINE v16 conv_activate(const conv_call *c, v16 x)
{
    if (c->activation == GLIA_EPILOGUE_none) return x;
    if (c->activation == GLIA_EPILOGUE_relu) return relu_of(x, x);
    if (c->activation == GLIA_EPILOGUE_clip) return v16_min(v16_set(c->beta), v16_max(v16_set(c->alpha), x));
    return conv_rare(c->activation, x, v16_set(c->alpha), v16_set(c->beta));
}

/* `n` pixels of a channel from a sum. */
GLIA_INLINE void conv_put(const conv_call *c, int64_t channel, int64_t pixel, int n, v16 sum)
{
    const int64_t at = channel * c->g.out_plane + pixel;
    if (c->bias) sum = v16_add(sum, v16_set(c->bias[channel]));
    if (n == 16) {
        if (c->residual) sum = v16_add(sum, v16_load(c->residual + at));
        v16_store(c->y + at, conv_activate(c, sum));
    } else {
        if (c->residual) sum = v16_add(sum, v16_load_n(c->residual + at, n));
        v16_store_n(c->y + at, conv_activate(c, sum), n);
    }
}

/* ---- what windows meet */

/* size floats, `stride` apart. */
GLIA_INLINE void conv_copy(const float *from, int64_t stride, int size, float *to)
{
    int i = 0;
    if (stride == 1) {
        for (; i + 16 <= size; i += 16) v16_store(to + i, v16_load(from + i));
        if (i < size) v16_store_n(to + i, v16_load_n(from + i, size - i), size - i);
    } else if (stride == 2) {
        for (; i < size; i += 16) {
            const int n = (int)glia_min(16, size - i);
            v16_store_n(to + i, v16_load_second(from + 2 * i, n), n);
        }
    } else {
        for (; i < size; i++) to[i] = from[i * stride];
    }
}

/* What one tap meets in channels [0, channels) from x on: to [channels][width]; lanes in the padding become 0. */
static void conv_gather(const glia_window *g, const conv_pixels *p, const float *x, int64_t channels,
                        const int64_t *tap, int64_t width, float *to)
{
    for (int r = 0; r < p->runs; r++) {
        const conv_reach e = conv_reach_of(g, p, r, tap);
        float *out = to + p->run[r].lane;
        for (int64_t c = 0; c < channels; c++, out += width) {
            for (int64_t i = 0; i < e.begin; i++) out[i] = 0.0f;
            if (e.end > e.begin)
                conv_copy(x + c * g->in_plane + e.at, g->stride[2], (int)(e.end - e.begin), out + e.begin);
            for (int64_t i = e.end; i < e.size; i++) out[i] = 0.0f;
        }
    }
    for (int64_t c = 0; c < channels && p->count < width; c++)
        for (int64_t i = p->count; i < width; i++) to[c * width + i] = 0.0f;
}

/* [taps, c][width] of `count` pixels. */
static void conv_gather_all(const conv_call *c, const float *x, int64_t first, int count, int64_t width,
                            float *to)
{
    conv_pixels p;
    conv_pixels_of(&c->g, first, count, &p);
    for (int64_t t = 0; t < c->g.taps; t++) {
        int64_t tap[GLIA_SPATIAL];
        conv_tap(&c->g, t, tap);
        conv_gather(&c->g, &p, x, c->c, tap, width, to + t * c->c * width);
    }
}

/* ---- lanes are pixels */

/* R channels by P vectors of pixels: some steps of a segment, on from sums that were left, or from zero. x: a step of
 * pixels for each position, w: 16 floats. */
GLIA_INLINE void conv_tile(const int R, const int P, const float *x, int64_t step, const float *w,
                           int64_t count, bool fresh, v16 *sums)
{
    v16 acc[CONV_ROWS][CONV_VECTORS];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) acc[r][p] = fresh ? v16_zero() : sums[r * P + p];
    for (int64_t i = 0; i < count; i++, x += step, w += 16) {
        v16 v[CONV_VECTORS];
        GLIA_UNROLL
        for (int p = 0; p < P; p++) v[p] = v16_load(x + 16 * p);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const v16 a = v16_set(w[r]);
            GLIA_UNROLL
            for (int p = 0; p < P; p++) acc[r][p] = v16_fma(v[p], a, acc[r][p]);
        }
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int p = 0; p < P; p++) sums[r * P + p] = acc[r][p];
}

GLIA_INLINE void conv_tile_of(const int P, int rows, const float *x, int64_t step, const float *w,
                              int64_t count, bool fresh, v16 *sums)
{
    switch (rows) {
    case 1: conv_tile(1, P, x, step, w, count, fresh, sums); break;
    case 2: conv_tile(2, P, x, step, w, count, fresh, sums); break;
    case 4: conv_tile(4, P, x, step, w, count, fresh, sums); break;
    default: conv_tile(CONV_ROWS, P, x, step, w, count, fresh, sums); break;
    }
}
static GLIA_NOINLINE void conv_any_tile(int vectors, int rows, const float *x, int64_t step, const float *w,
                                        int64_t count, bool fresh, v16 *sums)
{
#if CONV_VECTORS > 1
    if (vectors == 3) conv_tile_of(3, rows, x, step, w, count, fresh, sums);
    else if (vectors == 2) conv_tile_of(2, rows, x, step, w, count, fresh, sums);
    else
#endif
        conv_tile_of(1, rows, x, step, w, count, fresh, sums);
    (void)vectors;
}

enum {
    CONV_STEPS = 128,    /* of a segment: their pixels stay in the first cache while all channels pass */
    CONV_CHANNELS = 128, /* that pass together */
    CONV_SUMS = CONV_CHANNELS * CONV_VECTORS
};

/* How many of the channels from m on, before `end`, a tile takes: a panel's, in compiled numbers. */
static int conv_rows_of(int64_t m, int64_t end)
{
    const int64_t left = glia_min(end, (m / GLIA_PANEL + 1) * GLIA_PANEL) - m;
    return left >= CONV_ROWS ? CONV_ROWS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static GLIA_NOINLINE void conv_add(v16 *sums, const v16 *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) sums[i] = v16_add(to[i], sums[i]);
}

/* At most CONV_CHANNELS channels over one tile of `count` pixels. Segments meet in the tree of tensor/dot.h, whose
 * levels lie in scratch, where there are several. */
static void conv_channels(const conv_call *c, int64_t begin, int64_t end, int64_t pixel, int count,
                          const float *x, int64_t step)
{
    v16 sums[CONV_SUMS], *tree = (v16 *)(c->scratch + 64 * c->depth);
    const int vectors = (count + 15) / 16;
    const int64_t all = (end - begin) * vectors;
    int64_t pushed = 0;
    for (int64_t at = 0; at < c->depth; at += CONV_STEPS) {
        const int64_t steps = glia_min(CONV_STEPS, c->depth - at), next = at + steps;
        for (int64_t m = begin; m < end;) {
            const int rows = conv_rows_of(m, end);
            const float *w = c->w + m / GLIA_PANEL * (c->depth * GLIA_PANEL) + m % GLIA_PANEL;
            conv_any_tile(vectors, rows, x + at * step, step, w + at * GLIA_PANEL, steps, at % SEGMENT == 0,
                          sums + (m - begin) * vectors);
            m += rows;
        }
        if (c->depth <= SEGMENT || (next % SEGMENT && next < c->depth)) continue;
        v16 *level = tree;
        for (int64_t n = pushed++; n & 1; n >>= 1, level += CONV_SUMS) conv_add(sums, level, all);
        memcpy(level, sums, (size_t)all * sizeof *sums);
    }
    bool any = false;
    for (int64_t n = pushed; n; n >>= 1, tree += CONV_SUMS) {
        if (!(n & 1)) continue;
        if (any) conv_add(sums, tree, all);
        else memcpy(sums, tree, (size_t)all * sizeof *sums);
        any = true;
    }
    for (int64_t m = begin; m < end; m++)
        for (int p = 0; p < vectors; p++)
            conv_put(c, m, pixel + 16 * p, (int)glia_min(16, count - 16 * p),
                     sums[(m - begin) * vectors + p]);
}

enum { CONV_DIRECT_MOST = 32 }; /* channels for which gathering would take longer than it saves */

/* Channels [begin, end) of one group over all pixels; x: the group's first channel. */
static void conv_by_pixels(const conv_call *c, const float *x, int64_t begin, int64_t end)
{
    const glia_window *g = &c->g;
    const int64_t vectors = glia_ceil_div(c->last - c->pixel, 16),
                  tiles = glia_ceil_div(vectors, CONV_VECTORS);
    bool direct = g->taps == 1 && end - begin <= CONV_DIRECT_MOST;
    for (int a = 0; a < GLIA_SPATIAL; a++)
        direct &= g->stride[a] == 1 && g->pad[a] == 0 && g->in[a] == g->out[a];
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t v = vectors * t / tiles, width = 16 * (vectors * (t + 1) / tiles - v),
                      pixel = c->pixel + 16 * v, count = glia_min(c->last, pixel + width) - pixel;
        const bool here = direct && count == width;
        if (!here) conv_gather_all(c, x, pixel, (int)count, width, c->scratch);
        for (int64_t m = begin; m < end;) {
            const int64_t next = glia_min(end, (m / CONV_CHANNELS + 1) * CONV_CHANNELS);
            conv_channels(c, m, next, pixel, (int)count, here ? x + pixel : c->scratch,
                          here ? g->in_plane : width);
            m = next;
        }
    }
}

/* ---- lanes are channels */

/* Rows of what each pixel meets, [pixels][taps, c], 16 channels at a time. */
static void conv_gather_rows(const conv_call *c, int count, float *rows)
{
    _Alignas(64) float block[16 * 64], turned[16 * 16];
    const int width = (count + 15) / 16 * 16;
    conv_pixels p;
    conv_pixels_of(&c->g, c->pixel, count, &p);
    for (int64_t t = 0; t < c->g.taps; t++) {
        int64_t tap[GLIA_SPATIAL];
        conv_tap(&c->g, t, tap);
        for (int64_t i = 0; i < c->c; i += 16) {
            const int channels = (int)glia_min(16, c->c - i);
            conv_gather(&c->g, &p, c->x + i * c->g.in_plane, channels, tap, width, block);
            for (int j = 0; j < count; j += 16) {
                const float *row[16];
                for (int r = 0; r < 16; r++) row[r] = block + glia_min(r, channels - 1) * width + j;
                transpose_16(row, 0, turned);
                for (int r = 0; r < 16 && j + r < count; r++) {
                    float *to = rows + (j + r) * c->depth + t * c->c + i;
                    if (channels == 16) v16_store(to, v16_load(turned + 16 * r));
                    else v16_store_n(to, v16_load(turned + 16 * r), channels);
                }
            }
        }
    }
}

static void conv_by_channels(const conv_call *c)
{
    const int count = (int)(c->last - c->pixel);
    float *rows = c->scratch, *sums = rows + 64 * c->depth;
    const int64_t base = c->begin / GLIA_PANEL * GLIA_PANEL,
                  n = glia_ceil_div(c->end, GLIA_PANEL) * GLIA_PANEL - base;
    conv_gather_rows(c, count, rows);
    const int64_t panel_bytes = c->depth * GLIA_PANEL * 4;
    glia_linear_call l = {.x = (const uint8_t *)rows,
                          .w = (const uint8_t *)c->w + base / GLIA_PANEL * panel_bytes,
                          .panel_bytes = panel_bytes,
                          .y = sums,
                          .n = n,
                          .depth = c->depth,
                          .begin = 0,
                          .end = n};
    const int64_t step =
        glia_max(BLOCK_BYTES / glia_max(panel_bytes, 1) / PANELS_MAX * PANELS_MAX, PANELS_MAX);
    for (int64_t p = 0; p < n / GLIA_PANEL; p += step)
        float_rows(PANELS_F32, &l, 0, count, p, glia_min(n / GLIA_PANEL, p + step));
    _Alignas(64) float turned[16 * 16];
    for (int64_t m = 0; m < n; m += 16)
        for (int j = 0; j < count; j += 16) {
            const float *row[16];
            for (int r = 0; r < 16; r++) row[r] = sums + glia_min(j + r, count - 1) * n + m;
            transpose_16(row, 0, turned);
            for (int r = 0; r < 16; r++)
                if (base + m + r >= c->begin && base + m + r < c->end)
                    conv_put(c, base + m + r, c->pixel + j, glia_min(16, count - j),
                             v16_load(turned + 16 * r));
        }
}

/* ---- depthwise */

typedef struct conv_plane { /* a padded plane: rows of `parts` strides, each `part` floats */
    int64_t part, row;
    float *at;
} conv_plane;

enum { DEPTH_TAPS = 256 };

/* Sizes of a plane, and where its taps lie: at[taps]. */
static void conv_plane_of(const glia_window *g, conv_plane *p, int64_t *at)
{
    p->part = g->out[2] + (g->kernel[2] - 1) * g->dilation[2] / g->stride[2] + 16;
    p->row = p->part * g->stride[2];
    for (int64_t t = 0; t < g->taps; t++) {
        const int64_t e = t % g->kernel[2] * g->dilation[2];
        at[t] = t / g->kernel[2] * g->dilation[1] * p->row + e % g->stride[2] * p->part + e / g->stride[2];
    }
}

static void conv_fill(float *to, int64_t n, float v)
{
    for (int64_t i = 0; i < n; i++) to[i] = v;
}

/* Rows that output rows [begin, end) meet; `fill` lies around them. */
static void conv_pad_plane(const glia_window *g, const float *x, int64_t begin, int64_t end,
                           const conv_plane *p, float fill)
{
    const int64_t s = g->stride[2], first = glia_window_start(g, 1, begin),
                  rows = (end - 1 - begin) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
    for (int64_t r = 0; r < rows; r++) {
        float *to = p->at + r * p->row;
        const int64_t y = first + r;
        if (y < 0 || y >= g->in[1]) {
            conv_fill(to, p->row, fill);
            continue;
        }
        for (int64_t f = 0; f < s; f++, to += p->part) {
            /* element i is x[i s + f - pad] */
            const int64_t low = glia_min(p->part, glia_max(0, glia_ceil_div(g->pad[2] - f, s))),
                          high = glia_max(low, glia_min(p->part, glia_ceil_div(g->in[2] + g->pad[2] - f, s)));
            conv_fill(to, low, fill);
            conv_copy(x + y * g->in[2] + low * s + f - g->pad[2], s, (int)(high - low), to + low);
            conv_fill(to + high, p->part - high, fill);
        }
    }
}

/* R rows of output by one vector. */
GLIA_INLINE void conv_depth_rows(const int R, const float *x, int64_t row, const float *w, const int64_t *at,
                                 int64_t taps, v16 *sums)
{
    v16 acc[8];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) acc[r] = v16_zero();
    for (int64_t t = 0; t < taps; t++) {
        const v16 a = v16_set(w[t]);
        const float *from = x + at[t];
        GLIA_UNROLL
        for (int r = 0; r < R; r++) acc[r] = v16_fma(v16_load(from + r * row), a, acc[r]);
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) sums[r] = acc[r];
}

#if defined(__AVX512F__)
/* Lanes outside of the plane are masked off, so that no copy is needed: for strides of one along x. */
GLIA_INLINE void conv_masked_rows(const int R, const glia_window *g, const float *x, int64_t y, int64_t at,
                                  const float *w, const uint16_t *lanes, v16 *sums)
{
    v16 acc[8];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) acc[r] = v16_zero();
    for (int64_t i = 0; i < g->kernel[1]; i++)
        for (int64_t j = 0; j < g->kernel[2]; j++) {
            const v16 a = v16_set(*w++);
            GLIA_UNROLL
            for (int r = 0; r < R; r++) {
                const int64_t in = glia_window_start(g, 1, y + r) + i * g->dilation[1];
                const uint32_t mask = in >= 0 && in < g->in[1] ? lanes[j] : 0;
                const v16 v = v16_load_lanes(x + in * g->in[2] + at + j * g->dilation[2], mask);
                acc[r] = v16_fma(v, a, acc[r]);
            }
        }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) sums[r] = acc[r];
}

static void conv_masked_plane(const conv_call *c, int64_t m, int64_t plane, int64_t begin, int64_t end)
{
    const glia_window *g = &c->g;
    const float *w = c->w + m * g->taps, *x = c->x + plane * g->in_plane;
    for (int64_t o = 0; o < g->out[2]; o += 16) {
        const int64_t at = o - g->pad[2];
        uint16_t lanes[DEPTH_TAPS];
        for (int64_t j = 0; j < g->kernel[2]; j++) { /* lanes l with 0 <= at + j d + l < size */
            const int64_t first = at + j * g->dilation[2], low = glia_max(0, glia_min(16, -first)),
                          high = glia_max(low, glia_min(16, g->in[2] - first));
            lanes[j] = (uint16_t)((1u << high) - (1u << low));
        }
        for (int64_t y = begin; y < end;) {
            const int rows = end - y >= 7 ? 7 : end - y >= 4 ? 4 : end - y >= 2 ? 2 : 1;
            v16 sums[8];
            if (rows == 7) conv_masked_rows(7, g, x, y, at, w, lanes, sums);
            else if (rows == 4) conv_masked_rows(4, g, x, y, at, w, lanes, sums);
            else if (rows == 2) conv_masked_rows(2, g, x, y, at, w, lanes, sums);
            else conv_masked_rows(1, g, x, y, at, w, lanes, sums);
            for (int r = 0; r < rows; r++)
                conv_put(c, m, (y + r) * g->out[2] + o, (int)glia_min(16, g->out[2] - o), sums[r]);
            y += rows;
        }
    }
}
#endif

static void conv_depth_plane(const conv_call *c, int64_t m, int64_t begin, int64_t end, const conv_plane *p,
                             const int64_t *at)
{
    const glia_window *g = &c->g;
    const float *w = c->w + m * g->taps;
    for (int64_t y = begin; y < end;) {
        const int rows = end - y >= 8 ? 8 : end - y >= 4 ? 4 : end - y >= 2 ? 2 : 1;
        for (int64_t x = 0; x < g->out[2]; x += 16) {
            v16 sums[8];
            const float *from = p->at + (y - begin) * g->stride[1] * p->row + x;
            const int64_t step = g->stride[1] * p->row;
            if (rows == 8) conv_depth_rows(8, from, step, w, at, g->taps, sums);
            else if (rows == 4) conv_depth_rows(4, from, step, w, at, g->taps, sums);
            else if (rows == 2) conv_depth_rows(2, from, step, w, at, g->taps, sums);
            else conv_depth_rows(1, from, step, w, at, g->taps, sums);
            for (int r = 0; r < rows; r++)
                conv_put(c, m, (y + r) * g->out[2] + x, (int)glia_min(16, g->out[2] - x), sums[r]);
        }
        y += rows;
    }
}

/* ---- the kernels */

/* False: a box that cuts a line of pixels, or sums too long for the trees. */
static bool conv_begin(const glia_kargs *k, conv_call *c)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    const glia_tensor *bias = glia_optional(k, 2), *residual = glia_optional(k, 3);
    int64_t inner = 1;
    for (int a = 3; a < y->rank; a++) {
        if (k->begin[a] != 0 || k->end[a] != y->dims[a]) return false;
        inner *= y->dims[a];
    }
    *c = (conv_call){.g = glia_window_of(x, y, w->dims + 2, &k->attr[0], &k->attr[1], &k->attr[2]),
                     .w = w->data,
                     .bias = bias ? bias->data : 0,
                     .residual = residual ? residual->data : 0,
                     .scratch = k->scratch,
                     .c = w->dims[1],
                     .m = y->dims[1],
                     .begin = k->begin[1],
                     .end = k->end[1],
                     .pixel = k->begin[2] * inner,
                     .last = k->end[2] * inner,
                     .activation = k->attr[4].i,
                     .alpha = (float)k->attr[5].f,
                     .beta = (float)k->attr[6].f};
    c->depth = c->c * c->g.taps;
    return c->depth <= DEPTH_MAX;
}

static void conv_image(const glia_kargs *k, int64_t n, conv_call *c)
{
    const glia_tensor *x = &k->in[0], *r = glia_optional(k, 3);
    const int64_t at = n * c->m * c->g.out_plane;
    c->x = (const float *)x->data + n * x->dims[1] * c->g.in_plane;
    c->y = (float *)k->out[0].data + at;
    c->residual = r ? (const float *)r->data + at : 0;
}

static void conv_f32(const glia_kargs *k)
{
    conv_call c;
    if (!conv_begin(k, &c)) {
        glia_op_conv.reference(k);
        return;
    }
    if (c.begin >= c.end || c.pixel >= c.last) return;
    const int64_t group = k->attr[3].i, per_group = c.m / group, pixels = c.last - c.pixel;
    const bool few = c.g.out_plane <= CONV_PIXELS_FEW && group == 1 && c.end - c.begin >= 16 &&
                     glia_ceil_div(pixels, 16) * 16 * 8 > pixels * 9;
    for (int64_t n = k->begin[0]; n < k->end[0]; n++) {
        conv_image(k, n, &c);
        if (few) conv_by_channels(&c);
        else
            for (int64_t g = c.begin / per_group; g * per_group < c.end; g++)
                conv_by_pixels(&c, c.x + g * c.c * c.g.in_plane, glia_max(c.begin, g * per_group),
                               glia_min(c.end, (g + 1) * per_group));
    }
}

/* Plain weights: depthwise convolutions of one or two axes; others are packed before they come here. */
static void conv_depth_f32(const glia_kargs *k)
{
    conv_call c;
    const bool known = conv_begin(k, &c);
    const glia_window *g = &c.g;
    if (!known || c.c != 1 || g->rank > 2 || g->taps > DEPTH_TAPS) {
        glia_op_conv.reference(k);
        return;
    }
    if (c.begin >= c.end || c.pixel >= c.last) return;
    const bool line = c.g.rank == 1; /* then the box cuts the line itself */
    if (line && (c.pixel != 0 || c.last != g->out_plane)) {
        glia_op_conv.reference(k);
        return;
    }
    const int64_t begin = line ? 0 : k->begin[2], end = line ? 1 : k->end[2], per_group = c.m / k->attr[3].i;
    int64_t at[DEPTH_TAPS];
    conv_plane p = {.at = k->scratch};
    conv_plane_of(g, &p, at);
    for (int64_t n = k->begin[0]; n < k->end[0]; n++) {
        conv_image(k, n, &c);
        for (int64_t m = c.begin; m < c.end; m++) {
#if defined(__AVX512F__)
            if (g->stride[2] == 1) {
                conv_masked_plane(&c, m, m / per_group, begin, end);
                continue;
            }
#endif
            if (m == c.begin || m % per_group == 0)
                conv_pad_plane(g, c.x + m / per_group * g->in_plane, begin, end, &p, 0.0f);
            conv_depth_plane(&c, m, begin, end, &p, at);
        }
    }
}

#endif
