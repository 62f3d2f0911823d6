/* Operators that compute element by element, and products. */
#include "net/emit.h"

static bool emit_binary(glia_emit *m, const char *op)
{
    glia_emit_set(m, 0, glia_emit_binary(m, op, glia_emit_in(m, 0), glia_emit_in(m, 1)));
    return true;
}

static bool emit_add(glia_emit *m) { return emit_binary(m, "add"); }
static bool emit_mul(glia_emit *m) { return emit_binary(m, "mul"); }

static bool emit_relu(glia_emit *m)
{
    glia_emit_set(m, 0, glia_emit_node(m, "relu", NULL, 1, glia_emit_in(m, 0)));
    return true;
}

const glia_net_op glia_net_ops_math[] = {
    {"", "Add", emit_add, NULL, 0},
    {"", "Mul", emit_mul, NULL, 0},
    {"", "Relu", emit_relu, NULL, 0},
    {0},
};
