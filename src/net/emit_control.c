/* If with a condition that is known: the branch is written out into the part, as if it stood there. */
#include "net/emitter.h"

#include <string.h>

static const glia_net_block *branch(const glia_emit *m, const char *name)
{
    for (int32_t i = 0; i < m->node->body_count; i++)
        if (!strcmp(m->node->body_attrs[i], name)) return &m->node->bodies[i];
    return NULL;
}

bool glia_emit_if(glia_emit *m)
{
    int64_t condition;
    int count;
    if (!glia_emit_ints(m, 0, &condition, 1, &count)) return false;
    if (count != 1) return glia_emit_fail(m, "the condition has to be one element");
    const glia_net_block *b = branch(m, condition ? "then_branch" : "else_branch");
    if (!b || b->out_count < m->node->out_count)
        return glia_emit_fail(m, "a branch is missing, or has too few outputs");
    for (int64_t i = 0; i < b->node_count; i++)
        if (!glia_emit_one(m, &b->nodes[i])) return false;
    for (int32_t i = 0; i < m->node->out_count; i++) glia_emit_set(m, i, glia_emit_slot(m, b->out[i]));
    return true;
}
