/* linear over F32, F16 and BF16 weights in panels of 16 rows, in the tiles of float_tile.h. */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/float_tile.h"
#include "provider/cpu/kernel.h"
#include "tensor/layout.h"

/* Weights with fewer than 16 rows are summed along the vector, which the reference does. So it does with rows
 * of more than a million elements, whose trees are higher than the tiles'. */
GLIA_INLINE void linear(const float_panels f, const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *bias = glia_optional(k, 2);
    glia_linear_call c = {
        .x = x->data, .w = w->data, .bias = bias ? bias->data : 0, .y = k->out[0].data, .n = w->dims[0]};
    if (c.n < GLIA_PANEL || w->dims[1] > DEPTH_MAX) {
        glia_op_linear.reference(k);
        return;
    }
    c.depth = w->dims[1];
    c.begin = glia_box_begin(k);
    c.end = glia_box_end(k);
    glia_layout_bytes(GLIA_LAYOUT_R16, w->dtype, GLIA_PANEL, c.depth, &c.panel_bytes);
    const int64_t last = glia_ceil_div(c.end, GLIA_PANEL),
                  fit = BLOCK_BYTES / glia_max(c.panel_bytes, 1) / PANELS_MAX * PANELS_MAX,
                  step = glia_max(fit, PANELS_MAX);
    for (int64_t p = c.begin / GLIA_PANEL; p < last; p += step)
        for (glia_box b = glia_runs(k); b.more; glia_box_next(&b)) {
            const glia_row_run run = glia_run_of(k, &b);
            float_rows(f, &c, run.first, run.count, p, glia_min(last, p + step));
        }
}

static void linear_f32(const glia_kargs *k) { linear(PANELS_F32, k); }
static void linear_f16(const glia_kargs *k) { linear(PANELS_F16, k); }
static void linear_bf16(const glia_kargs *k) { linear(PANELS_BF16, k); }
