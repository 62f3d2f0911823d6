/* A mixture's products by any kernel of `linear`: the rows of the kernel table and the reference share it. */
#ifndef GLIA_OPS_EXPERT_H
#define GLIA_OPS_EXPERT_H

#include "graph/op.h"

/* Computes the box of an `expert_linear` call: tokens are gathered by expert, and `linear` runs over each
 * chosen expert's matrix as if it were alone. Experts that no token chose are not read. */
void glia_expert_products(const glia_kargs *k, glia_kernel linear);

#endif
