/* Small words in which gradient rules are written: each adds ordinary nodes to the graph. A null value
 * gives a null value, so that a rule is straight-line; the first error sticks in the graph. */
#ifndef GLIA_OPS_BUILD_H
#define GLIA_OPS_BUILD_H

#include "graph/graph.h"
#include "graph/op.h"

/* op(values...) with `count` glia_value arguments; the second form takes attributes, ended by {0}. */
glia_value glia_build_call(glia_graph *g, const char *op, int count, ...);
glia_value glia_build_attr(glia_graph *g, const char *op, const glia_attr_arg *attrs, int count, ...);

const glia_type *glia_build_type(const glia_graph *g, glia_value v);
bool glia_build_is_float(const glia_graph *g, glia_value v);
/* A scalar constant of v's float dtype. */
glia_value glia_build_scalar(glia_graph *g, glia_value v, double number);
glia_value glia_build_i32(glia_graph *g, int32_t number);
glia_value glia_build_scale(glia_graph *g, glia_value v, double number);
glia_value glia_build_cast(glia_graph *g, glia_value v, glia_dtype to);
/* A tensor of v's shape and dtype filled with a number. */
glia_value glia_build_fill(glia_graph *g, glia_value v, double number);

/* v under another shape of as many elements; v broadcast to a shape. */
glia_value glia_build_reshape(glia_graph *g, glia_value v, const glia_dim *dims, int rank);
glia_value glia_build_expand(glia_graph *g, glia_value v, const glia_dim *dims, int rank);
/* [.., n] as [rows, n]. */
glia_value glia_build_rows(glia_graph *g, glia_value v);
/* The last two axes swapped. */
glia_value glia_build_transpose(glia_graph *g, glia_value v);
/* The sum over one axis, dropped or kept with size one. */
glia_value glia_build_sum_axis(glia_graph *g, glia_value v, int axis);
glia_value glia_build_sum_keep(glia_graph *g, glia_value v, int axis);
glia_value glia_build_mean_keep(glia_graph *g, glia_value v, int axis);
/* The sum over everything that broadcasting had spread, so that the result has like's shape and dtype. */
glia_value glia_build_sum_to(glia_graph *g, glia_value v, glia_value like);
/* v's shape with size one inserted at `axis`. */
glia_value glia_build_unsqueeze(glia_graph *g, glia_value v, int axis);

#endif
