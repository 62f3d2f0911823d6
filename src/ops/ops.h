/* Declarations of every op descriptor; the list is ops.def. */
#ifndef GLIA_OPS_OPS_H
#define GLIA_OPS_OPS_H

#include "graph/op.h"

#define OP(name) extern const glia_op glia_op_##name;
#include "ops/ops.def"
#undef OP

/* The attribute `dims` of reshape and expand holds glia_dim handles. In reshape one entry may be
 * GLIA_DIM_INFER: what the other sizes leave over. */
#define GLIA_DIM_INFER INT64_MIN

#endif
