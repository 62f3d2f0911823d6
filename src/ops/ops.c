/* The list of all ops, from ops.def. A descriptor that is listed and not defined is a link error. */
#include "ops/ops.h"

#include "base/check.h"

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

/* ---- glia/op.h */

int glia_op_count(void) { return (int)GLIA_COUNT(glia_ops) - 1; }

static const glia_op *op_at(int i) { return i >= 0 && i < glia_op_count() ? glia_ops[i] : NULL; }

static int attr_count(const glia_op *op)
{
    int n = 0;
    while (op && op->attrs && op->attrs[n].name) n++;
    return n;
}

glia_status glia_op_describe(int i, glia_op_info *out)
{
    const glia_op *op = op_at(i);
    glia_op_info info = GLIA_OP_INFO_INIT;
    if (!out) return GLIA_E_ARG;
    if (!op) return GLIA_E_NOT_FOUND;
    info.size = out->size < sizeof info ? out->size : (uint32_t)sizeof info;
    info.name = op->name;
    info.signature = op->signature;
    info.no_grad = op->grad ? NULL : op->no_grad;
    info.attr_count = attr_count(op);
    memcpy(out, &info, info.size);
    return GLIA_OK;
}

const char *glia_op_attribute(int i, int a, int *kind)
{
    const glia_op *op = op_at(i);
    if (a < 0 || a >= attr_count(op)) return NULL;
    if (kind) *kind = op->attrs[a].kind;
    return op->attrs[a].name;
}
