/* What kernels share with the reference of linear_act. */
#ifndef GLIA_OPS_LINEAR_H
#define GLIA_OPS_LINEAR_H

#include "graph/op.h"

/* The box of y, in place: what is added, then the activation. */
void glia_linear_act_finish(const glia_kargs *k);

#endif
