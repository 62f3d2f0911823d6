/* matmul over F32 in the tiles of float_tile.h: a panel of the second side's rows is turned over, a segment
 * of k at a time, for all rows of a chunk. Matrices of a batch come one after another. */
#include "ops/ops.h"
#include "provider/cpu/float_tile.h"
#include "provider/cpu/kernel.h"

static void matmul_f32(const glia_kargs *k)
{
    const glia_tensor *a = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    const int lead = y->rank - 2;
    const int64_t m = y->dims[lead], n = glia_last_dim(y), depth = glia_last_dim(a), begin = k->begin[lead],
                  rows = k->end[lead] - begin;
    int64_t stride[GLIA_RANK_MAX + 1] = {0};
    glia_linear_call c = {.n = n, .depth = depth, .begin = glia_box_begin(k), .end = glia_box_end(k)};
    if (c.end <= c.begin || rows <= 0) return;
    if (depth > DEPTH_MAX) {
        glia_op_matmul.reference(k);
        return;
    }
    glia_broadcast_strides(w, y, stride);
    for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
        int64_t at = 0;
        for (int i = 0; i < lead; i++) at += b.index[i] * stride[i];
        c.x = (const uint8_t *)((const float *)a->data + b.row * m * depth);
        c.w = (const uint8_t *)((const float *)w->data + at);
        c.y = (float *)y->data + b.row * m * n;
        float_rows(PANELS_ROWS, &c, begin, rows, c.begin / GLIA_PANEL, glia_ceil_div(c.end, GLIA_PANEL));
    }
}
