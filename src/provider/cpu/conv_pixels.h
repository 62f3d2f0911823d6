/* The output pixels of a tile, in the order of the plane, and the inputs that a tap of their windows reaches. */
#ifndef GLIA_PROVIDER_CPU_CONV_PIXELS_H
#define GLIA_PROVIDER_CPU_CONV_PIXELS_H

#include "ops/window.h"

/* Up to 64 pixels in runs along the last axis. */
typedef struct conv_pixels {
    int count, runs;
    struct {
        int64_t o[GLIA_SPATIAL];
        int lane, size;
    } run[64];
} conv_pixels;

static void conv_pixels_of(const glia_window *g, int64_t first, int count, conv_pixels *p)
{
    p->count = count;
    p->runs = 0;
    for (int lane = 0; lane < count;) {
        const int64_t at = first + lane, x = at % g->out[2];
        const int size = (int)glia_min(count - lane, g->out[2] - x);
        p->run[p->runs].o[2] = x;
        p->run[p->runs].o[1] = at / g->out[2] % g->out[1];
        p->run[p->runs].o[0] = at / g->out[2] / g->out[1];
        p->run[p->runs].lane = lane;
        p->run[p->runs++].size = size;
        lane += size;
    }
}

static void conv_tap(const glia_window *g, int64_t t, int64_t *tap)
{
    tap[2] = t % g->kernel[2];
    tap[1] = t / g->kernel[2] % g->kernel[1];
    tap[0] = t / g->kernel[2] / g->kernel[1];
}

/* ceil(a / step) of a >= 0. */
static inline int64_t conv_steps(int64_t a, int64_t step)
{
    return step == 1 ? a : step == 2 ? (a + 1) / 2 : glia_ceil_div(a, step);
}

/* Of a run's pixels, [begin, end) meet the plane, from element `at` on by the stride; the others meet the padding. */
typedef struct conv_reach {
    int64_t size, begin, end, at;
} conv_reach;

static inline conv_reach conv_reach_of(const glia_window *g, const conv_pixels *p, int r, const int64_t *tap)
{
    const int64_t step = g->stride[2], size = p->run[r].size;
    int64_t from[GLIA_SPATIAL];
    for (int a = 0; a < GLIA_SPATIAL; a++)
        from[a] = glia_window_start(g, a, p->run[r].o[a]) + tap[a] * g->dilation[a];
    const int64_t end = glia_max(0, glia_min(size, conv_steps(glia_max(0, g->in[2] - from[2]), step))),
                  begin = glia_min(end, from[2] < 0 ? conv_steps(-from[2], step) : 0);
    if (from[0] < 0 || from[0] >= g->in[0] || from[1] < 0 || from[1] >= g->in[1])
        return (conv_reach){size, size, size, 0};
    return (conv_reach){size, begin, end, (from[0] * g->in[1] + from[1]) * g->in[2] + from[2] + begin * step};
}

#endif
