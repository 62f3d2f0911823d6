/* Moving elements between strided places: what reshaping, slicing, joining, padding and gathering share. Sizes of
 * one, two, four and eight bytes; strides count elements. Nothing here allocates or fails. */
#ifndef GLIA_OPS_MOVE_H
#define GLIA_OPS_MOVE_H

#include "ops/box.h"

/* to[sum of i[a] * to_stride[a]] = from[sum of i[a] * from_stride[a]] for every index i below dims. */
typedef struct glia_move {
    int rank;
    int64_t dims[GLIA_RANK_MAX], to_stride[GLIA_RANK_MAX], from_stride[GLIA_RANK_MAX];
} glia_move;

/* `m` is used up: axes are joined and put in another order. The places do not overlap. */
void glia_move_run(glia_move *m, void *to, const void *from, int64_t size);

/* `count` elements of `size` bytes like the one at `value`. */
void glia_move_fill(void *to, const void *value, int64_t count, int64_t size);

/* For rules of regions: axis `axis` of input `i` is read at the same interval as axis `to` of output 0. */
static inline void glia_region_same(glia_regions *r, int i, int axis, int to)
{
    r->in[i].axis[axis] = (glia_axis_region){GLIA_AXIS_SAME, to, 1, 1};
}
/* Every axis of output 0 may be split. */
static inline void glia_region_split(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    for (int a = 0; a < glia_graph_value(g, n->out[0])->type.rank; a++) r->split[a] = true;
}

/* Row-major strides of a tensor, in elements. */
void glia_dense_strides(const glia_tensor *t, int64_t *stride);

#endif
