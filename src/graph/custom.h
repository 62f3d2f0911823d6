/* Operations from outside (glia/op.h), as graphs find them by name. */
#ifndef GLIA_GRAPH_CUSTOM_H
#define GLIA_GRAPH_CUSTOM_H

#include "graph/op.h"

typedef struct glia_custom_ops {
    const glia_op *op;         /* [count] */
    const char *const *domain; /* [count] of ONNX operators; null: of graphs alone */
    int64_t count;
} glia_custom_ops;

/* Checks descriptors and makes ops of them, in the arena; their texts and tables stay the caller's. *out is null where
 * count is 0. GLIA_E_ARG (G1058: which, and what is wrong with it), GLIA_E_NOMEM. */
glia_status glia_custom_ops_make(glia_arena *a, const glia_op_desc *const *descs, int64_t count,
                                 const glia_custom_ops **out, glia_error *e);
/* custom may be null, as may the result. */
const glia_op *glia_custom_find(const glia_custom_ops *custom, const char *name);

#endif
