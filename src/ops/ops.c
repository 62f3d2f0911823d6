/* The list of all ops, from ops.def. A descriptor that is listed and not defined is a link error. */
#include "ops/ops.h"

#include <string.h>

const glia_op *const glia_ops[] = {
#define OP(name) &glia_op_##name,
#include "ops/ops.def"
#undef OP
    NULL,
};

const glia_op *glia_op_find(const char *name)
{
    if (!name) return NULL;
    for (int i = 0; glia_ops[i]; i++)
        if (!strcmp(glia_ops[i]->name, name)) return glia_ops[i];
    return NULL;
}
