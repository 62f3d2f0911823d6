/* What the products on matrix tiles share: how a call walks its box, the room in scratch, the tree of the
 * segments' sums. Part of linear_quant_amx.c.
 *
 * A group of panels is unpacked once into the scratch of the call, in the order in which tiles are loaded.
 * Then the rows of activations pass by, 32 at a time: a chunk of k is made ready for the tiles, and meets
 * every panel of the group. Rows beyond the last are zero and are not stored.
 *
 *     for group of panels: unpack
 *         for 32 rows:
 *             for chunk of k: prepare the rows; for panel: multiply onto the chains of the running segment
 *                 at the end of a segment: push the chains into the panel's tree
 *             finish the trees, add the bias, store
 *
 * Tiles are configured when a call begins and released when it ends, so that nobody else pays for their
 * state. */
#ifndef GLIA_PROVIDER_CPU_LINEAR_AMX_H
#define GLIA_PROVIDER_CPU_LINEAR_AMX_H

#include "base/check.h"
#include "ops/unpacked.h"
#include "provider/cpu/rows.h"
#include "tensor/layout.h"

enum {
    AMX_ROWS = 16,         /* of a tile */
    AMX_TILES = 2,         /* tiles of rows that pass together */
    AMX_SEGMENT = 1024,    /* positions */
    AMX_RING = 16 << 10,   /* bytes for results of tiles on their way to the chains */
    AMX_CHUNK_MAX = 60000, /* bytes of a chunk of 16 rows made ready */
};

/* What was stored is in memory before tiles are loaded: not every compiler sees that they read. */
AMX_INLINE void amx_written(void) { __asm__ volatile("" : : : "memory"); }

/* [row of a tile][row of the panel] */
typedef float amx_sums[AMX_ROWS][GLIA_PANEL];

/* A format: its panels unpacked, its chunk of activations, and their product. Counts are in positions of k.
 */
typedef struct amx_kernel {
    int chunk;                /* positions made ready at once: divides a segment */
    int record, record_bytes; /* of the unpacked panel: positions, bytes */
    void (*unpack)(const uint8_t *panel, int64_t depth, uint8_t *to);
    /* Positions [at, at + count) of `rows` rows, at most 16; the others are zero. */
    void (*ready)(const uint8_t *x, int64_t x_bytes, int64_t depth, int rows, int64_t at, int count,
                  uint8_t *to);
    /* tiles: 1 or 2; ready[t] and sums[t] are theirs. */
    void (*multiply)(const uint8_t *panel, uint8_t *const *ready, int tiles, int count, uint8_t *ring,
                     amx_sums *const *sums);
} amx_kernel;

/* The room of a call. */
typedef struct amx_room {
    uint8_t *ring, *ready[AMX_TILES], *panels;
    uint8_t *sums; /* [panels][tiles][levels] of amx_sums; level 0 is the running segment */
    int64_t panel_bytes, levels;
} amx_room;

static amx_room amx_room_of(const glia_kargs *k, int64_t depth)
{
    uint8_t *at = k->scratch;
    amx_room r = {
        .ring = at, .levels = glia_unpacked_levels(depth), .panel_bytes = glia_unpacked_panel(depth)};
    r.ready[0] = at + AMX_RING;
    r.ready[1] = r.ready[0] + AMX_CHUNK_MAX / 64 * 64;
    r.panels = at + GLIA_UNPACKED_FIXED;
    r.sums = r.panels + glia_unpacked_panels(depth) * r.panel_bytes;
    return r;
}

static amx_sums *amx_sums_of(const amx_room *r, int64_t panel, int tile)
{
    return (amx_sums *)(void *)r->sums + (panel * AMX_TILES + tile) * r->levels;
}

static void amx_zero(amx_sums *s)
{
    for (int i = 0; i < AMX_ROWS; i++) _mm512_store_ps((*s)[i], _mm512_setzero_ps());
}

/* The running segment's chains become segment number `done` of the tree; see tensor/dot.h. */
static void amx_push(amx_sums *s, int64_t done)
{
    int l = 0;
    while (done >> l & 1) l++;
    for (int i = 0; i < AMX_ROWS; i++) {
        __m512 v = _mm512_load_ps(s[0][i]);
        for (int j = 0; j < l; j++) v = _mm512_add_ps(_mm512_load_ps(s[1 + j][i]), v);
        _mm512_store_ps(s[1 + l][i], v);
    }
    amx_zero(s);
}

/* The tree's sum of row i after `count` segments. */
static __m512 amx_sum(amx_sums *s, int64_t count, int i)
{
    __m512 v = _mm512_setzero_ps();
    bool any = false;
    for (int l = 0; count >> l; l++) {
        if (!(count >> l & 1)) continue;
        const __m512 here = _mm512_load_ps(s[1 + l][i]);
        v = any ? _mm512_add_ps(here, v) : here;
        any = true;
    }
    return v;
}

static void amx_finish(const glia_linear_call *c, amx_sums *s, int64_t segments, int64_t row, int rows,
                       int64_t panel)
{
    const __mmask16 lanes = (__mmask16)glia_panel_lanes(c, panel);
    const int64_t column = panel * GLIA_PANEL;
    const __m512 bias = c->bias ? _mm512_maskz_loadu_ps(lanes, c->bias + column) : _mm512_setzero_ps();
    for (int i = 0; i < rows; i++) {
        __m512 v = amx_sum(s, segments, i);
        if (c->bias) v = _mm512_add_ps(v, bias);
        _mm512_mask_storeu_ps(c->y + (row + i) * c->n + column, lanes, v);
    }
}

/* At most 32 rows from `row` on by the group of panels that lies unpacked. */
static void amx_rows(const amx_kernel *f, const glia_linear_call *c, const amx_room *r, int64_t row, int rows,
                     int64_t panel, int64_t panels)
{
    const int tiles = (rows + AMX_ROWS - 1) / AMX_ROWS;
    int64_t segments = 0;
    for (int64_t p = 0; p < panels; p++)
        for (int t = 0; t < tiles; t++) amx_zero(amx_sums_of(r, p, t));
    for (int64_t at = 0; at < c->depth;) {
        const int count = (int)glia_min(f->chunk, c->depth - at);
        const bool last = (at + count) % AMX_SEGMENT == 0 || at + count == c->depth;
        for (int t = 0; t < tiles; t++)
            f->ready(c->x + (row + AMX_ROWS * t) * c->x_bytes, c->x_bytes, c->depth,
                     (int)glia_min(AMX_ROWS, rows - AMX_ROWS * t), at, count, r->ready[t]);
        for (int64_t p = 0; p < panels; p++) {
            amx_sums *const sums[AMX_TILES] = {amx_sums_of(r, p, 0), amx_sums_of(r, p, 1)};
            f->multiply(r->panels + p * r->panel_bytes + at / f->record * f->record_bytes, r->ready, tiles,
                        count, r->ring, sums);
            for (int t = 0; last && t < tiles; t++) amx_push(sums[t], segments);
        }
        segments += last;
        at += count;
    }
    for (int64_t p = 0; p < panels; p++)
        for (int t = 0; t < tiles; t++)
            amx_finish(c, amx_sums_of(r, p, t), segments, row + AMX_ROWS * t,
                       (int)glia_min(AMX_ROWS, rows - AMX_ROWS * t), panel + p);
}

/* Every tile has 16 rows of 64 bytes. */
static void amx_begin(void)
{
    struct {
        uint8_t palette, start, none[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) config.row_bytes[i] = 64, config.rows[i] = AMX_ROWS;
    _tile_loadconfig(&config);
}

/* The whole call; false if it has so few rows that vectors are faster. */
static bool amx_linear(const glia_kargs *k, const amx_kernel *f)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    const int lead = glia_leading(&k->out[0]);
    if (!lead || k->end[lead - 1] - k->begin[lead - 1] < GLIA_UNPACKED_ROWS) return false;
    c.depth = w->dims[1];
    c.begin = glia_box_begin(k);
    c.end = glia_box_end(k);
    glia_dtype_row_bytes(x->dtype, c.depth, &c.x_bytes);
    glia_layout_bytes(GLIA_LAYOUT_R16, w->dtype, GLIA_PANEL, c.depth, &c.panel_bytes);
    const amx_room r = amx_room_of(k, c.depth);
    const int64_t last = glia_ceil_div(c.end, GLIA_PANEL), together = glia_unpacked_panels(c.depth);
    amx_begin();
    for (int64_t p = c.begin / GLIA_PANEL; p < last; p += together) {
        const int64_t panels = glia_min(together, last - p);
        for (int64_t i = 0; i < panels; i++)
            f->unpack(c.w + (p + i) * c.panel_bytes, c.depth, r.panels + i * r.panel_bytes);
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            for (int64_t i = 0; i < run.count; i += AMX_TILES * AMX_ROWS)
                amx_rows(f, &c, &r, run.first + i, (int)glia_min(AMX_TILES * AMX_ROWS, run.count - i), p,
                         panels);
        }
    }
    _tile_release();
    return true;
}

#endif
