/* Reverse mode: the graph is extended by the gradients of a scalar.
 *
 * Nodes are walked once in decreasing order, so that contributions to a value are added in the order of
 * decreasing node number, whatever the graph looks like. A value that receives none keeps a null gradient: a
 * symbolic zero that costs no node. */
#include <string.h>

#include "base/check.h"
#include "graph/build.h"

typedef struct reverse {
    glia_graph *g;
    int64_t value_count, node_count; /* of the graph as it was given */
    bool *wanted;                    /* [values] depends on a value of wrt */
    glia_value *grad;                /* [values] accumulated so far */
} reverse;

static bool is_float(const glia_graph *g, glia_value v)
{
    return (glia_dtype_get(glia_graph_value(g, v)->type.dtype)->classes & GLIA_CLASS_FLOAT) != 0;
}

static glia_value one(glia_graph *g, glia_dtype t)
{
    const float f = 1.0f;
    const double d = 1.0;
    const uint16_t h = t == GLIA_F16 ? 0x3c00 : 0x3f80;
    const glia_type type = {.dtype = t};
    const void *data = t == GLIA_F32 ? (const void *)&f : t == GLIA_F64 ? (const void *)&d : (const void *)&h;
    char name[48] = "gradient.one";
    for (int64_t i = g->value_count; !glia_is_null(glia_graph_find(g, name)); i++) {
        /* The decimal digits of i behind the word; snprintf is not needed for that. */
        char digits[24];
        int n = 0, at = 12;
        for (int64_t k = i; k > 0; k /= 10) digits[n++] = (char)('0' + k % 10);
        name[at++] = '.';
        while (n > 0) name[at++] = digits[--n];
        name[at] = 0;
    }
    return glia_graph_constant(g, name, &type, data);
}

static void mark_wanted(reverse *r, const glia_value *wrt, int count)
{
    for (int i = 0; i < count; i++) r->wanted[wrt[i].id] = true;
    for (int64_t i = 0; i < r->node_count; i++) {
        const glia_node *n = &r->g->nodes[i];
        bool any = false;
        for (int k = 0; k < n->in_count; k++) any |= r->wanted[n->in[k].id];
        /* An integer or a boolean carries no gradient on. */
        for (int k = 0; k < n->out_count; k++) r->wanted[n->out[k].id] |= any && is_float(r->g, n->out[k]);
    }
    r->wanted[0] = false;
}

static bool fits(const glia_graph *g, glia_value v, glia_value d)
{
    const glia_type *a = &glia_graph_value(g, v)->type, *b = &glia_graph_value(g, d)->type;
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (glia_sizes_compare(g, a->dims[i], b->dims[i]) == GLIA_SIZES_DIFFER) return false;
    }
    return true;
}

static void accumulate(reverse *r, const glia_node *n, glia_value v, glia_value d)
{
    char want[160], have[160];
    glia_graph *g = r->g;
    if (!fits(g, v, d)) {
        glia_graph_fail(g, GLIA_E_INTERNAL, "G0133",
                        "the gradient rule of `%s` gives %s for `%.200s`, which is %s", n->op->name,
                        glia_type_text(g, &glia_graph_value(g, d)->type, have, sizeof have),
                        glia_graph_value(g, v)->name,
                        glia_type_text(g, &glia_graph_value(g, v)->type, want, sizeof want));
        return;
    }
    const glia_value both[] = {r->grad[v.id], d};
    r->grad[v.id] = glia_is_null(both[0]) ? d : glia_graph_node(g, "add", 0, both, 2, 0);
}

static void step(reverse *r, int64_t index, glia_value *dout, glia_value *din)
{
    glia_graph *g = r->g;
    const glia_node n = g->nodes[index]; /* the array moves while the rule adds nodes */
    bool arrives = false, needed = false;
    for (int i = 0; i < n.out_count; i++) {
        dout[i] = r->grad[n.out[i].id];
        arrives |= !glia_is_null(dout[i]);
    }
    for (int i = 0; i < n.in_count; i++) {
        din[i] = (glia_value){0};
        needed |= r->wanted[n.in[i].id] && is_float(g, n.in[i]);
    }
    if (!arrives || !needed) return;
    if (!n.op->grad) {
        glia_graph_fail(
            g, GLIA_E_UNSUPPORTED, "G0130",
            "the loss depends on what is asked for through `%.200s` (%s), which has no gradient: %s", n.name,
            n.op->name, n.op->no_grad ? n.op->no_grad : "no rule is written yet");
        return;
    }
    n.op->grad(g, &n, dout, din);
    for (int i = 0; i < n.in_count && g->error.status == GLIA_OK; i++) {
        if (!glia_is_null(din[i]) && r->wanted[n.in[i].id]) accumulate(r, &n, n.in[i], din[i]);
    }
}

static bool loss_ok(glia_graph *g, glia_value loss, const glia_value *wrt, int count)
{
    char text[160];
    if (glia_is_null(loss) || loss.id >= g->value_count) {
        glia_graph_fail(g, GLIA_E_ARG, "G0112", "the loss is null or of another graph");
        return false;
    }
    const glia_type *t = &glia_graph_value(g, loss)->type;
    if (t->rank || !is_float(g, loss)) {
        glia_graph_fail(g, GLIA_E_TYPE, "G0132",
                        "a gradient is taken of a scalar float; `%.200s` is %s\n   = help: `sum` or `mean` "
                        "over all axes gives a scalar",
                        glia_graph_value(g, loss)->name, glia_type_text(g, t, text, sizeof text));
        return false;
    }
    for (int i = 0; i < count; i++) {
        bool known = !glia_is_null(wrt[i]) && wrt[i].id < g->value_count;
        if (known && is_float(g, wrt[i])) continue;
        glia_graph_fail(
            g, GLIA_E_TYPE, known ? "G0132" : "G0112",
            "gradients are taken with respect to floats of this graph; number %d, `%.200s`, is none", i,
            known ? glia_graph_value(g, wrt[i])->name : "");
        return false;
    }
    return true;
}

void glia_graph_gradients(glia_graph *g, glia_value loss, const glia_value *wrt, int count, glia_value *grads)
{
    for (int i = 0; i < count && grads; i++) grads[i] = (glia_value){0};
    if (!g || g->error.status != GLIA_OK) return;
    if (count < 0 || (count && (!wrt || !grads)) || g->sealed) {
        glia_graph_fail(g, GLIA_E_ARG, g->sealed ? "G0111" : "G0112",
                        g->sealed ? "the graph is sealed: gradients are built before"
                                  : "glia_graph_gradients: wrt or grads is null");
        return;
    }
    if (!loss_ok(g, loss, wrt, count)) return;
    int64_t most = 1;
    for (int64_t i = 0; i < g->node_count; i++)
        most = glia_max(most, glia_max(g->nodes[i].in_count, g->nodes[i].out_count));
    reverse r = {g, g->value_count, g->node_count, 0, 0};
    r.wanted = GLIA_NEW_ARRAY(&g->arena, bool, r.value_count);
    r.grad = GLIA_NEW_ARRAY(&g->arena, glia_value, r.value_count);
    glia_value *dout = GLIA_NEW_ARRAY(&g->arena, glia_value, most),
               *din = GLIA_NEW_ARRAY(&g->arena, glia_value, most);
    if (!r.wanted || !r.grad || !dout || !din) {
        glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph's gradients");
        return;
    }
    mark_wanted(&r, wrt, count);
    if (!r.wanted[loss.id]) return; /* the loss depends on none of them */
    r.grad[loss.id] = one(g, glia_graph_value(g, loss)->type.dtype);
    for (int64_t i = r.node_count - 1; i >= 0 && g->error.status == GLIA_OK; i--) step(&r, i, dout, din);
    for (int i = 0; i < count && g->error.status == GLIA_OK; i++) grads[i] = r.grad[wrt[i].id];
}
