/* The geometry that convolutions and pools share: windows of taps that slide over one to three spatial axes of
 * [n, c, spatial..]. Missing spatial axes are put in front with size one, so that loops are written once. */
#ifndef GLIA_OPS_WINDOW_H
#define GLIA_OPS_WINDOW_H

#include "ops/box.h"

enum { GLIA_SPATIAL = 3 };

typedef struct glia_window {
    int rank; /* spatial axes of the tensors, 1 to 3 */
    int64_t in[GLIA_SPATIAL], out[GLIA_SPATIAL], kernel[GLIA_SPATIAL];
    int64_t stride[GLIA_SPATIAL], dilation[GLIA_SPATIAL],
        pad[GLIA_SPATIAL];             /* pad: before the first element */
    int64_t taps, in_plane, out_plane; /* products of kernel, in, out */
} glia_window;

/* x [n, c, in..] and y [n, m, out..]; kernel [rank]; attributes as INTS, empty for ones (pads: zeros). */
glia_window glia_window_of(const glia_tensor *x, const glia_tensor *y, const int64_t *kernel,
                           const glia_attr *strides, const glia_attr *dilations, const glia_attr *pads);

/* The first input position of an output position, which padding may put below 0. */
static inline int64_t glia_window_start(const glia_window *w, int axis, int64_t out)
{
    return out * w->stride[axis] - w->pad[axis];
}

/* Spatial indices of an output element from its index over all axes of y. */
static inline void glia_window_index(const glia_window *w, const int64_t *index, int64_t *o)
{
    for (int a = 0; a < GLIA_SPATIAL; a++)
        o[a] = a < GLIA_SPATIAL - w->rank ? 0 : index[2 + a - (GLIA_SPATIAL - w->rank)];
}

/* Taps of one window in order, with the input element that each meets, -1 in the padding. */
typedef struct glia_taps {
    const glia_window *w;
    int64_t start[GLIA_SPATIAL], k[GLIA_SPATIAL];
    int64_t tap, at;
} glia_taps;
glia_taps glia_taps_begin(const glia_window *w, const int64_t *o);
bool glia_taps_more(const glia_taps *t);
void glia_taps_next(glia_taps *t);

/* For hand rules: attributes strides, dilations, pads of the node as they stand at `first`, checked against the rank
 * (G0180), and sizes of outputs. ceil: a last window that begins inside the input or the padding before it, though it
 * may end beyond both, is counted. False after glia_infer_fail. */
bool glia_window_check(glia_infer *x, int first, int rank, const int64_t *kernel);
bool glia_window_out(glia_infer *x, int first, int axis, glia_dim in, int64_t kernel, bool ceil,
                     glia_dim *out);
/* Kernel, stride and so on of an axis: the attribute's entry, or what it is when left out. */
static inline int64_t glia_window_int(const glia_attr *a, int64_t i, int64_t otherwise)
{
    return a->i ? a->ints[i] : otherwise;
}

#endif
