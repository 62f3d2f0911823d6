/* max_pool and avg_pool over F32, in padded copies of single planes as depthwise convolutions are (conv_float.h). */
#include <math.h>

#include "provider/cpu/conv_float.h"

/* R rows of output by one vector: the greatest, or the sum. */
GLIA_INLINE void pool_rows(const bool greatest, const int R, const float *x, int64_t row, const int64_t *at,
                           int64_t taps, v16 *to)
{
    v16 acc[8];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) acc[r] = greatest ? v16_set(-INFINITY) : v16_zero();
    for (int64_t t = 0; t < taps; t++) {
        const float *from = x + at[t];
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const v16 v = v16_load(from + r * row);
            acc[r] = greatest ? v16_max_or_nan(acc[r], v) : v16_add(acc[r], v);
        }
    }
    GLIA_UNROLL
    for (int r = 0; r < R; r++) to[r] = acc[r];
}

/* Elements of a window along an axis; those in the padding, up to `after`, count where `padding` says so. */
static int64_t pool_elements(const glia_window *g, int axis, int64_t o, bool padding, int64_t after)
{
    const int64_t start = glia_window_start(g, axis, o), low = padding ? -g->pad[axis] : 0,
                  high = g->in[axis] + (padding ? after : 0);
    int64_t n = 0;
    for (int64_t t = 0; t < g->kernel[axis]; t++) {
        const int64_t i = start + t * g->dilation[axis];
        n += i >= low && i < high;
    }
    return n;
}

typedef struct pool_call {
    glia_window g;
    conv_plane plane;
    int64_t begin, end; /* output rows */
    bool padding;       /* counts */
    int64_t after[2];   /* padding behind rows, columns */
    int64_t at[DEPTH_TAPS];
} pool_call;

GLIA_INLINE void pool_plane(const bool greatest, const pool_call *c, float *y)
{
    const glia_window *g = &c->g;
    const int64_t step = g->stride[1] * c->plane.row;
    for (int64_t x = 0; x < g->out[2]; x += 16) {
        const int n = (int)glia_min(16, g->out[2] - x);
        float across[16] = {0};
        for (int i = 0; i < 16 && !greatest; i++)
            across[i] = (float)pool_elements(g, 2, glia_min(x + i, g->out[2] - 1), c->padding, c->after[1]);
        for (int64_t o = c->begin; o < c->end;) {
            const int rows = c->end - o >= 8 ? 8 : c->end - o >= 4 ? 4 : c->end - o >= 2 ? 2 : 1;
            const float *from = c->plane.at + (o - c->begin) * step + x;
            v16 v[8];
            if (rows == 8) pool_rows(greatest, 8, from, step, c->at, g->taps, v);
            else if (rows == 4) pool_rows(greatest, 4, from, step, c->at, g->taps, v);
            else if (rows == 2) pool_rows(greatest, 2, from, step, c->at, g->taps, v);
            else pool_rows(greatest, 1, from, step, c->at, g->taps, v);
            for (int r = 0; r < rows; r++) {
                if (!greatest)
                    v[r] = v16_div(
                        v[r], v16_mul(v16_load(across),
                                      v16_set((float)pool_elements(g, 1, o + r, c->padding, c->after[0]))));
                v16_store_n(y + (o + r) * g->out[2] + x, v[r], n);
            }
            o += rows;
        }
    }
}

static void pool_f32(const glia_kargs *k, const bool greatest, glia_kernel reference)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    pool_call c = {.g = glia_window_of(x, y, k->attr[3].ints, &k->attr[0], &k->attr[1], &k->attr[2]),
                   .plane.at = k->scratch,
                   .padding = !greatest && k->attr[5].i};
    const glia_window *g = &c.g;
    const int last = y->rank - 1;
    const bool whole = k->begin[last] == 0 && k->end[last] == y->dims[last];
    if (g->rank > 2 || !whole || g->taps > DEPTH_TAPS || g->kernel[1] * g->kernel[2] > 1 << 16) {
        reference(k);
        return;
    }
    c.begin = g->rank == 2 ? k->begin[2] : 0;
    c.end = g->rank == 2 ? k->end[2] : 1;
    if (c.begin >= c.end || !g->out[2]) return;
    for (int i = 0; i < 2; i++) {
        const int axis = g->rank - 2 + i;
        c.after[i] = axis < 0 ? 0 : glia_window_int(&k->attr[2], g->rank + axis, 0);
    }
    conv_plane_of(g, &c.plane, c.at);
    for (int64_t n = k->begin[0]; n < k->end[0]; n++)
        for (int64_t m = k->begin[1]; m < k->end[1]; m++) {
            const int64_t plane = n * x->dims[1] + m;
            conv_pad_plane(g, (const float *)x->data + plane * g->in_plane, c.begin, c.end, &c.plane,
                           greatest ? -INFINITY : 0.0f);
            if (greatest) pool_plane(true, &c, (float *)y->data + plane * g->out_plane);
            else pool_plane(false, &c, (float *)y->data + plane * g->out_plane);
        }
}

static void max_pool_f32(const glia_kargs *k) { pool_f32(k, true, glia_op_max_pool.reference); }
static void avg_pool_f32(const glia_kargs *k) { pool_f32(k, false, glia_op_avg_pool.reference); }
