/* The work of a step as the operations themselves state it: what a measurement is held against. Only products
 * with weights are counted, which is nearly all of it but for attention over long contexts. */
#include "cli/bench.h"

#include "base/check.h"
#include "graph/graph.h"

#include <string.h>

typedef struct shapes { /* a node's tensors without data, as a kernel would see them */
    glia_tensor in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    int64_t dims[GLIA_IN_MAX + GLIA_OUT_MAX][GLIA_RANK_MAX];
} shapes;

static bool shape(const glia_graph *g, const int64_t *symbols, glia_value v, glia_tensor *t, int64_t *dims)
{
    *t = (glia_tensor){0};
    if (glia_is_null(v)) return true;
    const glia_type *type = &glia_graph_value(g, v)->type;
    for (int i = 0; i < type->rank; i++)
        if (!glia_dim_eval(g, type->dims[i], symbols, &dims[i])) return false;
    *t = (glia_tensor){NULL, dims, type->rank, type->layout, type->dtype};
    return true;
}

static void add_product(const glia_graph *g, const int64_t *symbols, const glia_node *n, bench_work *w)
{
    shapes x;
    int64_t begin[GLIA_RANK_MAX] = {0};
    glia_cost c = {0, 0};
    bool ok = n->in_count <= GLIA_IN_MAX && n->out_count <= GLIA_OUT_MAX;
    for (int i = 0; ok && i < n->in_count; i++) ok = shape(g, symbols, n->in[i], &x.in[i], x.dims[i]);
    for (int i = 0; ok && i < n->out_count; i++)
        ok = shape(g, symbols, n->out[i], &x.out[i], x.dims[GLIA_IN_MAX + i]);
    if (!ok || !n->op->cost) return;
    for (int i = 0; i < x.out[0].rank; i++)
        if (!x.out[0].dims[i]) return;
    const glia_kargs k = {x.in,    x.out, n->in_count, n->out_count, begin, x.dims[GLIA_IN_MAX],
                          n->attr, NULL,  NULL};
    n->op->cost(&k, &c);
    w->read_bytes += c.bytes;
    if (glia_dtype_get(x.in[0].dtype)->classes & GLIA_CLASS_ACTIVATION) w->int_ops += c.flops;
    else w->float_ops += c.flops;
}

bench_work bench_step_work(const glia_model *m, int64_t tokens, int64_t rows)
{
    const glia_graph *g = glia_model_plan(m)->graph;
    bench_work w = {0};
    int64_t symbols[8] = {tokens, rows};
    for (int64_t i = 2; i < g->symbol_count && i < 8; i++) symbols[i] = g->symbols[i].max;
    if (g->symbol_count > 8) return w;
    for (int64_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].op->traits & GLIA_PRODUCT) add_product(g, symbols, &g->nodes[i], &w);
    return w;
}

double bench_token_bytes(const glia_model *m)
{
    int64_t room = glia_model_settings(m)->cache_tokens;
    const glia_model_options *o = glia_model_settings(m);
    if (room <= 0) room = o->context * o->sequences;
    return room > 0 ? (double)glia_model_plan(m)->bytes.state / (double)room : 0;
}
