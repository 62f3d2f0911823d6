/* How vector kernels of `linear` walk their box: column panels outside, rows of activations inside, so that a
 * panel of weights is read from memory once and from cache after that. */
#ifndef GLIA_PROVIDER_CPU_ROWS_H
#define GLIA_PROVIDER_CPU_ROWS_H

#include "ops/box.h"

enum { GLIA_PANEL = 16 };

/* Rows [first, first + count) of x and y, contiguous. */
typedef struct glia_row_run {
    int64_t first, count;
} glia_row_run;

/* The box's leading axes as runs of rows: the last leading axis gives the run, those before it the odometer.
 *
 *     for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) { glia_row_run r = glia_run_of(k, &b); ... }
 */
static inline glia_box glia_runs(const glia_kargs *k)
{
    const int lead = glia_leading(&k->out[0]);
    return glia_box_rows(k, lead ? lead - 1 : 0);
}

static inline glia_row_run glia_run_of(const glia_kargs *k, const glia_box *b)
{
    const int lead = glia_leading(&k->out[0]);
    if (lead == 0) return (glia_row_run){0, 1};
    const int64_t begin = k->begin[lead - 1], end = k->end[lead - 1];
    return (glia_row_run){b->row * k->out[0].dims[lead - 1] + begin, end > begin ? end - begin : 0};
}

/* What all tiles of one call share. */
typedef struct glia_linear_call {
    const uint8_t *x; /* rows of activations */
    int64_t x_bytes;  /* from one row to the next */
    const uint8_t *w; /* packed panels */
    int64_t panel_bytes;
    const float *bias; /* [n] or null */
    float *y;
    int64_t n, depth;
    int64_t begin, end; /* columns of the box */
} glia_linear_call;

/* Lanes of panel p that lie in the box, as a mask. */
static inline uint32_t glia_panel_lanes(const glia_linear_call *c, int64_t p)
{
    const int64_t lo = c->begin - p * GLIA_PANEL, hi = c->end - p * GLIA_PANEL;
    uint32_t mask = hi >= GLIA_PANEL ? 0xffffu : (1u << (hi > 0 ? hi : 0)) - 1;
    if (lo > 0) mask &= ~((1u << lo) - 1);
    return mask;
}

#endif
