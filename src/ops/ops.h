/* Declarations of every op descriptor; the list is ops.def. */
#ifndef GLIA_OPS_OPS_H
#define GLIA_OPS_OPS_H

#include "graph/op.h"

#define OP(name) extern const glia_op glia_op_##name;
#include "ops/ops.def"
#undef OP

#endif
