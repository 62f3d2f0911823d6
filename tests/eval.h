/* Runs a sealed graph node by node, in node order, with the ops' reference kernels: slow, plain, and the
 * meaning that every plan has to agree with. For tests only.
 *
 *     eval *e = eval_make(g);
 *     eval_symbol(e, "T", 3);
 *     eval_bind(e, "x", data);            inputs and weights; borrowed
 *     eval_state(e, "kv.k", NULL);        states start as zeros, or as a copy of data
 *     if (eval_run(e)) ... eval_output(e, "y") ...
 *     eval_free(e);
 *
 * eval_run may be called again after other bindings; states keep what was written. Every value lies in its
 * own malloc block of exact size, filled with 0xCD before its node runs, so that ASan and the eye see strays.
 */
#ifndef GLIA_TESTS_EVAL_H
#define GLIA_TESTS_EVAL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "tensor/layout.h"

typedef struct eval_value {
    void *data;
    bool owned;
    int64_t bytes;
    int64_t dims[GLIA_RANK_MAX];
} eval_value;

typedef struct eval {
    const glia_graph *g;
    eval_value *values; /* [value_count] */
    int64_t *symbols;   /* -1: not given */
    char error[256];    /* why the last run failed */
    int64_t fault_node; /* node of the guard that failed, or -1 */
    /* Chooses a kernel for a node; null: the reference. */
    glia_kernel (*kernel)(void *ctx, const glia_node *n, const glia_type *in, const glia_type *out);
    void *ctx;
} eval;

static inline bool eval_fail(eval *e, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->error, sizeof e->error, format, ap);
    va_end(ap);
    return false;
}

static inline eval *eval_make(const glia_graph *g)
{
    eval *e = calloc(1, sizeof *e);
    e->g = g;
    e->values = calloc((size_t)g->value_count + 1, sizeof *e->values);
    e->symbols = calloc((size_t)g->symbol_count + 1, sizeof *e->symbols);
    for (int64_t i = 0; i < g->symbol_count; i++)
        e->symbols[i] = g->symbols[i].min == g->symbols[i].max ? g->symbols[i].min : -1;
    e->fault_node = -1;
    return e;
}

static inline void eval_free(eval *e)
{
    if (!e) return;
    for (int64_t i = 0; i < e->g->value_count; i++)
        if (e->values[i].owned) free(e->values[i].data);
    free(e->values);
    free(e->symbols);
    free(e);
}

/* Unknown names are ignored, so that one set of bindings serves several graphs. */
static inline void eval_symbol(eval *e, const char *name, int64_t value)
{
    for (int64_t i = 0; i < e->g->symbol_count; i++)
        if (!strcmp(e->g->symbols[i].name, name)) e->symbols[i] = value;
}

static inline bool eval_bind(eval *e, const char *name, const void *data)
{
    glia_value v = glia_graph_find(e->g, name);
    if (glia_is_null(v)) return eval_fail(e, "no value named %s", name);
    eval_value *x = &e->values[v.id];
    if (x->owned) free(x->data);
    x->data = (void *)(uintptr_t)data;
    x->owned = false;
    return true;
}

/* Bytes and dims of a value for the symbols given. */
static inline bool eval_shape(eval *e, glia_value v, int64_t *dims, int64_t *bytes)
{
    const glia_type *t = &glia_graph_value(e->g, v)->type;
    for (int a = 0; a < t->rank; a++)
        if (!glia_dim_eval(e->g, t->dims[a], e->symbols, &dims[a]))
            return eval_fail(e, "value %u: axis %d has no size", v.id, a);
    if (t->layout)
        return glia_layout_tensor_bytes(t->layout, t->dtype, t->rank, dims, bytes) ||
               eval_fail(e, "value %u: no such layout", v.id);
    return glia_dtype_tensor_bytes(t->dtype, t->rank, dims, bytes) ||
           eval_fail(e, "value %u: no size in bytes", v.id);
}

/* data null: zeros. Copied, since runs write to it. */
static inline bool eval_state(eval *e, const char *name, const void *data)
{
    glia_value v = glia_graph_find(e->g, name);
    if (glia_is_null(v)) return eval_fail(e, "no state named %s", name);
    eval_value *x = &e->values[v.id];
    if (!eval_shape(e, v, x->dims, &x->bytes)) return false;
    if (x->owned) free(x->data);
    x->data = calloc(1, (size_t)x->bytes + 1);
    x->owned = true;
    if (data) memcpy(x->data, data, (size_t)x->bytes);
    return true;
}

static inline glia_tensor eval_tensor(const eval *e, glia_value v)
{
    const glia_type *t = &glia_graph_value(e->g, v)->type;
    const eval_value *x = &e->values[v.id];
    if (glia_is_null(v)) return (glia_tensor){NULL, NULL, 0, 0, GLIA_DTYPE_NONE};
    return (glia_tensor){x->data, x->dims, t->rank, t->layout, t->dtype};
}

/* Where a node's output lives: in its input (views, guards, states), else in memory of its own. */
static inline bool eval_place(eval *e, const glia_node *n, int i)
{
    glia_value v = n->out[i];
    const glia_value_info *info = glia_graph_value(e->g, v);
    eval_value *x = &e->values[v.id];
    if (!eval_shape(e, v, x->dims, &x->bytes)) return false;
    if (x->owned) free(x->data);
    x->owned = false;
    if (info->state) x->data = e->values[info->state].data;
    else if (i == 0 && (n->op->traits & (GLIA_VIEW | GLIA_GUARD))) x->data = e->values[n->in[0].id].data;
    else {
        x->data = malloc((size_t)x->bytes + (x->bytes == 0));
        x->owned = true;
        memset(x->data, 0xCD, (size_t)x->bytes);
    }
    return true;
}

static inline bool eval_node(eval *e, const glia_node *n)
{
    static const int64_t zero[GLIA_RANK_MAX];
    glia_tensor in[64], out[16];
    glia_type in_type[64], out_type[16];
    int32_t fault = 0;
    if (n->in_count > 64 || n->out_count > 16) return eval_fail(e, "node %s: too many values", n->name);
    for (int i = 0; i < n->in_count; i++) {
        in[i] = eval_tensor(e, n->in[i]);
        in_type[i] = glia_graph_value(e->g, n->in[i])->type;
        if (!glia_is_null(n->in[i]) && !in[i].data)
            return eval_fail(e, "node %s: input %d (%s) is not bound", n->name, i,
                             glia_graph_value(e->g, n->in[i])->name);
    }
    for (int i = 0; i < n->out_count; i++) {
        if (!eval_place(e, n, i)) return false;
        out[i] = eval_tensor(e, n->out[i]);
        out_type[i] = glia_graph_value(e->g, n->out[i])->type;
    }
    if (n->op->traits & GLIA_VIEW) return true;
    glia_kargs k = {in, out, n->in_count, n->out_count, zero, out[0].dims, n->attr, NULL, &fault};
    int64_t scratch = n->op->scratch ? n->op->scratch(&k) : 0;
    if (scratch < 0) return eval_fail(e, "node %s: scratch overflows", n->name);
    if (scratch) k.scratch = aligned_alloc(64, (size_t)(scratch + 63) / 64 * 64);
    glia_kernel run = e->kernel ? e->kernel(e->ctx, n, in_type, out_type) : n->op->reference;
    if (run) run(&k);
    free(k.scratch);
    if (!run) return eval_fail(e, "node %s: `%s` has no kernel", n->name, n->op->name);
    if (fault) {
        e->fault_node = n - e->g->nodes;
        return eval_fail(e, "node %s: guard failed", n->name);
    }
    return true;
}

static inline bool eval_run(eval *e)
{
    const glia_graph *g = e->g;
    e->error[0] = 0;
    e->fault_node = -1;
    if (!g->sealed) return eval_fail(e, "the graph is not sealed");
    for (int64_t i = 0; i < g->symbol_count; i++)
        if (e->symbols[i] < g->symbols[i].min || e->symbols[i] > g->symbols[i].max)
            return eval_fail(e, "symbol %s is %lld", g->symbols[i].name, (long long)e->symbols[i]);
    for (int64_t i = 0; i < g->guard_count; i++) {
        int64_t a, b;
        if (!glia_dim_eval(g, g->guards[i].left, e->symbols, &a) ||
            !glia_dim_eval(g, g->guards[i].right, e->symbols, &b) || a != b)
            return eval_fail(e, "entry guard %lld does not hold", (long long)i);
    }
    for (int64_t i = 1; i < g->value_count; i++) {
        const glia_value_info *v = &g->values[i];
        if (v->kind == GLIA_VALUE_NODE || v->kind == GLIA_VALUE_NONE) continue;
        if (!eval_shape(e, (glia_value){(uint32_t)i}, e->values[i].dims, &e->values[i].bytes)) return false;
        if (!e->values[i].data && v->data) e->values[i].data = (void *)(uintptr_t)v->data;
        if (!e->values[i].data && v->kind == GLIA_VALUE_STATE && v->producer < 0 &&
            !eval_state(e, v->name, NULL))
            return false;
    }
    for (int64_t i = 0; i < g->node_count; i++)
        if (!eval_node(e, &g->nodes[i])) return false;
    return true;
}

/* An output by its name in the graph; null if there is none. */
static inline const void *eval_output(const eval *e, const char *name)
{
    for (int64_t i = 0; i < e->g->output_count; i++)
        if (!strcmp(e->g->outputs[i].name, name)) return e->values[e->g->outputs[i].value.id].data;
    return NULL;
}
static inline const void *eval_data(const eval *e, glia_value v) { return e->values[v.id].data; }
static inline int64_t eval_bytes(const eval *e, glia_value v) { return e->values[v.id].bytes; }

#endif
