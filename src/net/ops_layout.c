/* Operators that move elements and change none. */
#include "net/emit.h"

static bool emit_identity(glia_emit *m)
{
    glia_emit_set(m, 0, glia_emit_in(m, 0));
    return true;
}

static bool emit_shape(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    int64_t dims[GLIA_RANK_MAX];
    for (int i = 0; i < glia_emit_rank(m, x); i++) dims[i] = glia_emit_dim(m, x, i);
    glia_emit_set(m, 0, glia_emit_int_vector(m, dims, glia_emit_rank(m, x)));
    return true;
}

const glia_net_op glia_net_ops_layout[] = {
    {"", "Identity", emit_identity, NULL, GLIA_NET_MOVES},
    {"", "Shape", emit_shape, NULL, 0},
    {0},
};
