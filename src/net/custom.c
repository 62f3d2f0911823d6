/* Operations from outside as ONNX operators: one whose descriptor names a domain is the operator of that domain with
 * its name. Attributes are taken by name: integers, floats, lists of integers, and, for dtypes, ONNX's
 * numbers of types. */
#include "graph/custom.h"
#include "base/check.h"
#include "net/emitter.h"

#include <string.h>

enum { CUSTOM_ATTRS = 64, CUSTOM_INTS = 256 };

static bool read_attr(glia_emit *m, const glia_attr_spec *s, glia_attr_arg *to)
{
    const glia_onnx_attr *a = glia_emit_attr(m, s->name);
    *to = (glia_attr_arg){.name = s->name, .kind = s->kind};
    if (s->kind == GLIA_ATTR_FLOAT) {
        to->f = glia_emit_float(m, s->name, s->number);
    } else if (s->kind == GLIA_ATTR_INTS) {
        int64_t *ints = GLIA_NEW_ARRAY(&m->scratch, int64_t, CUSTOM_INTS);
        if (!ints) return false;
        to->count = glia_emit_attr_ints(m, s->name, ints, CUSTOM_INTS);
        to->ints = ints;
    } else {
        to->i = glia_emit_int(m, s->name, (int64_t)s->number);
        if (a && s->kind == GLIA_ATTR_DTYPE) to->i = glia_onnx_dtype((int)to->i);
    }
    return true;
}

static bool emit_custom(glia_emit *m)
{
    const glia_op *op = glia_custom_find(m->net->custom, glia_emit_op(m));
    glia_attr_arg attrs[CUSTOM_ATTRS] = {{0}};
    int count = 0;
    for (const glia_attr_spec *s = op->attrs; s && s->name; s++) {
        if (!glia_emit_has_attr(m, s->name)) {
            if (s->required) return glia_emit_fail(m, "the attribute `%.100s` is missing", s->name);
            continue;
        }
        if (!read_attr(m, s, &attrs[count++])) return glia_emit_fail(m, "no memory for an attribute");
    }
    glia_value *in = GLIA_NEW_ARRAY(&m->scratch, glia_value, glia_emit_in_count(m) + 1);
    if (!in) return glia_emit_fail(m, "no memory for inputs");
    for (int i = 0; i < glia_emit_in_count(m); i++) in[i] = glia_emit_in(m, i);
    const glia_value v = glia_emit_nodev(m, op->name, attrs, glia_emit_in_count(m), in);
    for (int i = 0; i < glia_emit_out_count(m); i++)
        if (i == 0 || glia_emit_wants(m, i)) glia_emit_set(m, i, glia_emit_output(m, v, i));
    return true;
}

glia_status glia_net_custom(glia_net *net, glia_error *e)
{
    const glia_net_options *o = &net->options;
    glia_status s = glia_custom_ops_make(&net->arena, o->ops, o->op_count, &net->custom, e);
    if (s || !net->custom) return s;
    glia_net_op *rows = GLIA_NEW_ARRAY(&net->arena, glia_net_op, net->custom->count);
    if (!rows) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for operations from outside");
    for (int64_t i = 0; i < net->custom->count; i++)
        rows[i] = (glia_net_op){net->custom->domain[i], net->custom->op[i].name, emit_custom, NULL, 0};
    net->custom_rows = rows;
    return GLIA_OK;
}

const glia_net_op *glia_net_custom_find(const glia_net *net, const char *domain, const char *name)
{
    for (int64_t i = 0; net->custom && i < net->custom->count; i++) {
        const glia_net_op *row = &net->custom_rows[i];
        if (row->domain && !strcmp(row->domain, domain) && !strcmp(row->name, name)) return row;
    }
    return NULL;
}
