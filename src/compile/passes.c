/* Passes: each rebuilds the graph node by node and may answer a node by something else.
 *
 *   fold      nodes whose inputs are all constants are computed now
 *   cse       equal nodes become one
 *   pack      every matrix reaches its product through a pack node, in the layout that the provider wants
 *   quantise  activations that meet quantised weights are quantised by a node of their own
 *   dce       what no output and no state needs is left out (part of every rebuild)
 *
 * The pipeline runs fold and cse to a bounded fixed point, then the rewrite rules (rules.h), then pack and quantise
 * once, then cse again (so that consumers of one value share one quantised copy), then the order of nodes (order.c). */
#include "compile/passes.h"

#include "base/check.h"
#include "ops/ops.h"
#include "tensor/layout.h"

#include <string.h>

enum { ROUNDS_MAX = 4, FOLD_BYTES_MAX = 65536 };

static bool writes_state(const glia_graph *g, const glia_node *n)
{
    for (int i = 0; i < n->out_count; i++)
        if (glia_graph_value(g, n->out[i])->state) return true;
    return false;
}

/* Nodes are in topological order, so one sweep backwards is enough. */
uint8_t *glia_graph_live(const glia_graph *g, glia_arena *scratch)
{
    uint8_t *wanted = GLIA_NEW_ARRAY(scratch, uint8_t, g->value_count + 1);
    uint8_t *alive = GLIA_NEW_ARRAY(scratch, uint8_t, g->node_count + 1);
    if (!wanted || !alive) return NULL;
    for (int64_t i = 0; i < g->output_count; i++) wanted[g->outputs[i].value.id] = 1;
    for (int64_t i = g->node_count - 1; i >= 0; i--) {
        const glia_node *n = &g->nodes[i];
        bool live = writes_state(g, n);
        for (int j = 0; j < n->out_count; j++) live |= wanted[n->out[j].id];
        alive[i] = live;
        for (int j = 0; live && j < n->in_count; j++) wanted[n->in[j].id] = 1;
    }
    return alive;
}

glia_attr_arg *glia_rewrite_attrs(glia_rewrite *r, const glia_node *n)
{
    int count = 0;
    while (n->op->attrs && n->op->attrs[count].name) count++;
    glia_attr_arg *a = GLIA_NEW_ARRAY(&r->scratch, glia_attr_arg, count + 1);
    for (int i = 0; a && i < count; i++) {
        const glia_attr_spec *s = &n->op->attrs[i];
        a[i] = (glia_attr_arg){s->name, s->kind, n->attr[i].i, n->attr[i].f, n->attr[i].ints, 0};
        if (s->kind == GLIA_ATTR_INTS) a[i].count = n->attr[i].i;
    }
    return a;
}

static glia_value copy_leaf(glia_rewrite *r, glia_value v)
{
    const glia_value_info *info = glia_graph_value(r->src, v);
    switch (info->kind) {
    case GLIA_VALUE_INPUT: return glia_graph_input(r->dst, info->name, &info->type);
    case GLIA_VALUE_WEIGHT:
        return glia_graph_weight(r->dst, info->name, &info->type, info->data, info->origin);
    case GLIA_VALUE_CONSTANT: return glia_graph_constant(r->dst, info->name, &info->type, info->data);
    case GLIA_VALUE_STATE: return glia_graph_state(r->dst, info->name, &info->type);
    default: return (glia_value){0};
    }
}

glia_value glia_rewrite_mapped(glia_rewrite *r, glia_value v)
{
    if (glia_is_null(v)) return v;
    if (glia_is_null(r->map[v.id])) r->map[v.id] = copy_leaf(r, v);
    return r->map[v.id];
}

static void map_outputs(glia_rewrite *r, const glia_node *n, glia_value first)
{
    for (int i = 0; i < n->out_count; i++) r->map[n->out[i].id] = glia_graph_output_of(r->dst, first, i);
}

static bool copy_node(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    glia_attr_arg *attrs = glia_rewrite_attrs(r, n);
    if (!attrs) return false;
    map_outputs(r, n, glia_graph_apply(r->dst, n->op, n->name, in, n->in_count, attrs));
    return true;
}

glia_status glia_passes_rebuild(const glia_graph *src, const glia_pass *p, const glia_compile_options *o,
                                glia_arena *keep, void *own, glia_graph **out, int32_t *changes,
                                glia_error *e)
{
    glia_rewrite r = {.src = src, .options = o, .keep = keep, .own = own};
    glia_arena_init(&r.scratch, o->os, 0);
    glia_graph_options go = GLIA_GRAPH_OPTIONS_INIT;
    go.os = o->os;
    glia_status s = glia_graph_create(&go, &r.dst, e);
    if (s) goto done;
    r.map = GLIA_NEW_ARRAY(&r.scratch, glia_value, src->value_count + 1);
    s = GLIA_E_NOMEM;
    if (!r.map || !glia_graph_clone_frame(src, r.dst) || !(r.live = glia_graph_live(src, &r.scratch)) ||
        (p->begin && !p->begin(&r)))
        goto nomem;
    /* Inputs and states keep their order and stay even when unused: they are the graph's interface. */
    for (int64_t i = 1; i < src->value_count; i++) {
        glia_value_kind k = src->values[i].kind;
        if (k == GLIA_VALUE_INPUT || k == GLIA_VALUE_STATE)
            glia_rewrite_mapped(&r, (glia_value){(uint32_t)i});
    }
    for (int64_t k = 0; k < src->node_count; k++) {
        const int64_t i = r.order ? r.order[k] : k;
        const glia_node *n = &src->nodes[i];
        glia_value in[GLIA_IN_MAX];
        if (!r.live[i]) {
            r.changes++;
            continue;
        }
        if (n->body_count || n->in_count > GLIA_IN_MAX || n->out_count > GLIA_OUT_MAX) {
            s = glia_fail(e, GLIA_E_UNSUPPORTED, "G0201", "node `%s` (%s): %s are not compiled yet", n->name,
                          n->op->name,
                          n->body_count ? "subgraphs" : "nodes of more than 16 inputs or 8 outputs");
            goto done;
        }
        for (int j = 0; j < n->in_count; j++) in[j] = glia_rewrite_mapped(&r, n->in[j]);
        bool answered = p->node && p->node(&r, n, in);
        if (!answered && !copy_node(&r, n, in)) goto nomem;
    }
    for (int64_t i = 0; i < src->output_count; i++)
        glia_graph_output(r.dst, src->outputs[i].name, glia_rewrite_mapped(&r, src->outputs[i].value));
    s = glia_graph_seal(r.dst, e);
    if (s) goto done;
    if (r.scratch.failed) goto nomem;
    *changes = r.changes;
    *out = r.dst;
    r.dst = NULL;
    goto done;
nomem:
    s = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in pass `%s`", p->name);
done:
    glia_graph_destroy(r.dst);
    glia_arena_free(&r.scratch);
    return s;
}

/* ---- fold ---------------------------------------------------------------------------------- */

static bool constant_bytes(const glia_graph *g, glia_value v, const void **data, int64_t dims[GLIA_RANK_MAX],
                           int64_t *bytes)
{
    const glia_value_info *info = glia_graph_value(g, v);
    for (int d = 0; d < info->type.rank; d++) {
        if (info->type.dims[d] < 0) return false;
        dims[d] = info->type.dims[d];
    }
    *data = info->data;
    return glia_dtype_tensor_bytes(info->type.dtype, info->type.rank, dims, bytes);
}

static bool fold_node(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    if ((n->op->traits & (GLIA_NO_FOLD | GLIA_GUARD)) || n->out_count != 1 || n->in_count == 0) return false;
    if (!n->op->reference && !(n->op->traits & GLIA_VIEW)) return false;
    glia_tensor tin[GLIA_IN_MAX], tout;
    int64_t dims[GLIA_IN_MAX + 1][GLIA_RANK_MAX], zero[GLIA_RANK_MAX] = {0}, bytes;
    for (int i = 0; i < n->in_count; i++) {
        tin[i] = (glia_tensor){0};
        if (glia_is_null(in[i])) continue;
        const glia_value_info *info = glia_graph_value(r->dst, in[i]);
        const void *data;
        if (info->kind != GLIA_VALUE_CONSTANT || !constant_bytes(r->dst, in[i], &data, dims[i], &bytes))
            return false;
        /* Kernels take one kind of pointer; inputs are only read. */
        tin[i] = (glia_tensor){(void *)(uintptr_t)data, dims[i], info->type.rank, info->type.layout,
                               info->type.dtype};
    }
    const glia_value_info *info = glia_graph_value(r->src, n->out[0]);
    const void *none;
    int64_t *od = dims[GLIA_IN_MAX];
    if (info->state || !constant_bytes(r->src, n->out[0], &none, od, &bytes) || bytes > FOLD_BYTES_MAX)
        return false;
    void *to = glia_arena_alloc(&r->scratch, bytes + 64, 64);
    if (!to) return false;
    tout = (glia_tensor){to, od, info->type.rank, info->type.layout, info->type.dtype};
    if (n->op->traits & GLIA_VIEW) {
        memcpy(to, tin[0].data, (size_t)bytes);
    } else {
        int32_t fault = 0;
        glia_kargs k = {tin, &tout, n->in_count, 1, zero, od, n->attr, NULL, &fault};
        int64_t need = n->op->scratch ? n->op->scratch(&k) : 0;
        if (need > 0 && !(k.scratch = glia_arena_alloc(&r->scratch, need, 64))) return false;
        n->op->reference(&k);
        if (fault) return false;
    }
    r->map[n->out[0].id] = glia_graph_constant(r->dst, n->name, &info->type, to);
    r->changes++;
    return true;
}

static bool fold_wanted(const glia_graph *g)
{
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        int known = 0, given = 0;
        for (int j = 0; j < n->in_count; j++) {
            given += n->in[j].id != 0;
            known += glia_graph_value(g, n->in[j])->kind == GLIA_VALUE_CONSTANT;
        }
        if (given && known == given) return true;
    }
    return false;
}

/* ---- common subexpressions ----------------------------------------------------------------- */

static bool cse_begin(glia_rewrite *r)
{
    r->head_count = 1;
    while (r->head_count < r->src->node_count) r->head_count *= 2;
    r->heads = GLIA_NEW_ARRAY(&r->scratch, int32_t, r->head_count);
    r->next = GLIA_NEW_ARRAY(&r->scratch, int32_t, r->src->node_count + 1);
    return r->heads && r->next;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    return h * 0xff51afd7ed558ccdu;
}

static bool same_attrs(const glia_node *a, const glia_node *b)
{
    for (int i = 0; a->op->attrs && a->op->attrs[i].name; i++) {
        if (a->attr[i].i != b->attr[i].i || memcmp(&a->attr[i].f, &b->attr[i].f, sizeof(double)))
            return false;
        if (a->op->attrs[i].kind == GLIA_ATTR_INTS && a->attr[i].i > 0 &&
            memcmp(a->attr[i].ints, b->attr[i].ints, (size_t)a->attr[i].i * 8))
            return false;
    }
    return true;
}

static bool cse_node(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    if ((n->op->traits & GLIA_GUARD) || writes_state(r->src, n)) return false;
    uint64_t h = mix(0, (uint64_t)(uintptr_t)n->op);
    for (int i = 0; i < n->in_count; i++) h = mix(h, in[i].id);
    int64_t slot = (int64_t)(h & (uint64_t)(r->head_count - 1));
    for (int32_t at = r->heads[slot]; at; at = r->next[at - 1]) {
        const glia_node *other = &r->dst->nodes[at - 1];
        if (other->op != n->op || other->in_count != n->in_count || !same_attrs(other, n)) continue;
        if (memcmp(other->in, in, (size_t)n->in_count * sizeof *in)) continue;
        map_outputs(r, n, other->out[0]);
        r->changes++;
        return true;
    }
    int64_t index = r->dst->node_count;
    if (!copy_node(r, n, in)) return false;
    if (r->dst->node_count == index + 1) {
        r->next[index] = r->heads[slot];
        r->heads[slot] = (int32_t)index + 1;
    }
    return true;
}

/* ---- pack ---------------------------------------------------------------------------------- */

enum { USE_PRODUCT = 1, USE_OTHER = 2, USE_TAPS = 4 };

/* A weight may leave its plain layout when all its consumers can read packed rows. */
static bool pack_begin(glia_rewrite *r)
{
    r->packable = GLIA_NEW_ARRAY(&r->scratch, uint8_t, r->src->value_count + 1);
    if (!r->packable) return false;
    for (int64_t i = 0; i < r->src->node_count; i++) {
        const glia_node *n = &r->src->nodes[i];
        if (!r->live[i]) continue;
        for (int j = 0; j < n->in_count; j++) {
            bool product = (n->op->traits & GLIA_PRODUCT) && j == 1;
            bool rows = n->op == &glia_op_embed && j == 0;
            bool taps = (n->op->traits & GLIA_TAPS) && j == 1;
            r->packable[n->in[j].id] |= product ? USE_PRODUCT : taps ? USE_TAPS : rows ? 0 : USE_OTHER;
        }
    }
    for (int64_t i = 0; i < r->src->output_count; i++) r->packable[r->src->outputs[i].value.id] |= USE_OTHER;
    return true;
}

static glia_value packed_weight(glia_rewrite *r, glia_value plain, glia_value to)
{
    const glia_value_info *info = glia_graph_value(r->dst, to);
    const glia_dim *dims = info->type.dims;
    const int rank = info->type.rank;
    if (info->kind != GLIA_VALUE_WEIGHT || (rank != 2 && rank != 3) || dims[0] < 1 || dims[1] < 1 ||
        dims[rank - 1] < 1)
        return to; /* nothing to pack, or of no fixed size */
    int layout = GLIA_LAYOUT_PLAIN;
    if (r->packable[plain.id] == USE_PRODUCT)
        layout = glia_cpu_layout(info->type.dtype, dims[rank - 2], dims[rank - 1], r->options->features,
                                 r->options->isa_max);
    if (rank == 3 && dims[1] % 16) layout = GLIA_LAYOUT_PLAIN; /* a panel would hold rows of two matrices */
    glia_attr_arg attrs[] = {GLIA_INT("layout", layout), {0}};
    char *name = glia_arena_printf(&r->scratch, "%s.pack", info->name);
    r->changes++;
    return r->map[plain.id] = glia_graph_apply(r->dst, &glia_op_pack, name, &to, 1, attrs);
}

/* The weight of a convolution as C16; those of depthwise ones, of one channel a sum, stay plain. Weights that a node
 * makes, or that others read as well, are packed in each run. */
static glia_value packed_taps(glia_rewrite *r, const glia_op *op, glia_value plain, glia_value to)
{
    const glia_value_info *info = glia_graph_value(r->dst, to);
    glia_type packed = info->type;
    glia_attr_arg attrs[] = {GLIA_INT("layout", GLIA_LAYOUT_C16), {0}};
    packed.layout = GLIA_LAYOUT_C16;
    if (info->type.layout || info->type.dims[1] == 1 ||
        !glia_cpu_takes_taps(op, &packed, r->options->features, r->options->isa_max))
        return to;
    char *name = glia_arena_printf(&r->scratch, "%s.pack", info->name);
    r->changes++;
    to = glia_graph_apply(r->dst, &glia_op_pack, name, &to, 1, attrs);
    if (r->packable[plain.id] == USE_TAPS) r->map[plain.id] = to;
    return to;
}

static bool pack_node(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    if (n->op == &glia_op_pack) return false;
    glia_value with[GLIA_IN_MAX];
    for (int i = 0; i < n->in_count; i++)
        with[i] = glia_is_null(in[i])                     ? in[i]
                  : (n->op->traits & GLIA_TAPS) && i == 1 ? packed_taps(r, n->op, n->in[i], in[i])
                                                          : packed_weight(r, n->in[i], in[i]);
    return copy_node(r, n, with);
}

static bool pack_wanted(const glia_graph *g)
{
    for (int64_t i = 1; i < g->value_count; i++)
        if (g->values[i].kind == GLIA_VALUE_WEIGHT && g->values[i].type.rank > 1) return true;
    return false;
}

/* ---- quantise ------------------------------------------------------------------------------ */

static bool quantise_node(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    if (!(n->op->traits & GLIA_PRODUCT) || glia_is_null(in[0]) || glia_is_null(in[1])) return false;
    glia_dtype activation = glia_dtype_get(glia_graph_value(r->dst, in[1])->type.dtype)->activation;
    glia_dtype have = glia_graph_value(r->dst, in[0])->type.dtype;
    if (have != GLIA_F32 || (activation != GLIA_A8X32 && activation != GLIA_A8X256)) return false;
    glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", activation), {0}};
    char *name = glia_arena_printf(&r->scratch, "%s.%s", n->name, glia_dtype_name(activation));
    glia_value with[GLIA_IN_MAX];
    memcpy(with, in, (size_t)n->in_count * sizeof *in);
    with[0] = glia_graph_apply(r->dst, &glia_op_quantise, name, in, 1, attrs);
    r->changes++;
    return copy_node(r, n, with);
}

static bool quantise_wanted(const glia_graph *g)
{
    for (int64_t i = 0; i < g->node_count; i++)
        if ((g->nodes[i].op->traits & GLIA_PRODUCT) && g->nodes[i].in_count > 1 &&
            glia_dtype_get(glia_graph_value(g, g->nodes[i].in[1])->type.dtype)->activation != GLIA_DTYPE_NONE)
            return true;
    return false;
}

static const glia_pass pass_fold = {"fold", NULL, fold_node, fold_wanted};
static const glia_pass pass_cse = {"cse", cse_begin, cse_node, NULL};
static const glia_pass pass_pack = {"pack", pack_begin, pack_node, pack_wanted};
static const glia_pass pass_quantise = {"quantise", NULL, quantise_node, quantise_wanted};

typedef struct pipeline {
    const glia_graph *source;
    const glia_compile_options *options;
    glia_arena *keep;
    glia_graph *graph; /* null: the source */
    glia_error *e;
} pipeline;

static glia_status step(pipeline *l, const glia_pass *p, glia_pass_report *report)
{
    const glia_graph *now = l->graph ? l->graph : l->source;
    glia_graph *next = NULL;
    int32_t changes = 0;
    report->runs++;
    if (p->wanted && !p->wanted(now)) return GLIA_OK;
    glia_status s = glia_passes_rebuild(now, p, l->options, l->keep, NULL, &next, &changes, l->e);
    if (s) return s;
    glia_graph_destroy(l->graph);
    l->graph = next;
    report->changes += changes;
    return GLIA_OK;
}

/* Constants are folded and equal nodes joined: one sweep each in topological order leaves nothing to a second. */
static glia_status settle(pipeline *l, glia_pass_report *fold, glia_pass_report *cse)
{
    glia_status s = step(l, &pass_fold, fold);
    return s ? s : step(l, &pass_cse, cse);
}

/* What rules leave is settled again, and may fit others. */
static glia_status rewrite_rules(pipeline *l, glia_pass_report *reports, glia_rule_trace *trace)
{
    for (int round = 0; round < ROUNDS_MAX && !l->options->plain; round++) {
        int32_t fired = 0;
        glia_status s = glia_rules_run(l->source, l->options, l->keep, &l->graph, NULL, trace, &fired, l->e);
        reports[2].runs++;
        reports[2].changes += fired;
        if (s || !fired) return s;
        s = settle(l, &reports[0], &reports[1]);
        if (s) return s;
    }
    return GLIA_OK;
}

static bool order_begin(glia_rewrite *r)
{
    r->order = r->own;
    return true;
}

static const glia_pass pass_order = {"order", order_begin, NULL, NULL};

/* Where several slots meet, another order may need more meetings. */
static bool as_fast(const pipeline *l, const glia_graph *other, const int64_t *symbols, glia_arena *a)
{
    const glia_compile_options *o = l->options;
    const glia_graph *g[2] = {l->graph, other};
    const glia_rates rates = glia_rates_of(o->features, o->isa_max, 0);
    double seconds[2];
    for (int i = 0; i < 2 && o->slots > 1; i++) {
        glia_part *parts = GLIA_NEW_ARRAY(a, glia_part, g[i]->node_count + 1);
        int32_t phases;
        if (!parts || glia_schedule(g[i], o->slots, &rates, symbols, a, parts, &phases, NULL)) return false;
        seconds[i] = glia_schedule_seconds(g[i], o->slots, &rates, symbols, parts);
    }
    return o->slots == 1 || seconds[1] <= seconds[0] * 1.02;
}

static glia_status reorder(pipeline *l, glia_pass_report *report)
{
    glia_arena a;
    glia_graph *next = NULL;
    int32_t changes = 0;
    glia_status s = GLIA_OK;
    glia_arena_init(&a, l->options->os, 0);
    int64_t *symbols = GLIA_NEW_ARRAY(&a, int64_t, l->graph->symbol_count + 1);
    for (int64_t i = 0; symbols && i < l->graph->symbol_count; i++) symbols[i] = l->graph->symbols[i].max;
    if (symbols && l->graph->symbol_count && l->options->symbol_max > 0)
        symbols[0] = glia_min(symbols[0], l->options->symbol_max);
    const int32_t *order = symbols ? glia_order_nodes(l->graph, symbols, &a) : NULL;
    report->runs++;
    if (order)
        s = glia_passes_rebuild(l->graph, &pass_order, l->options, l->keep, (void *)(uintptr_t)order, &next,
                                &changes, l->e);
    if (next && as_fast(l, next, symbols, &a)) {
        glia_graph *old = l->graph;
        l->graph = next;
        next = old;
        report->changes++;
    }
    glia_graph_destroy(next);
    glia_arena_free(&a);
    return s;
}

glia_status glia_passes_run(const glia_graph *source, const glia_compile_options *options, glia_arena *keep,
                            glia_graph **out, glia_pass_report *reports, int32_t *report_count,
                            glia_rule_trace *trace, glia_error *e)
{
    static const char *const names[] = {"fold", "cse", "rules", "pack", "quantise", "cse", "order"};
    pipeline l = {source, options, keep, NULL, e};
    *report_count = GLIA_COUNT(names);
    for (int i = 0; i < GLIA_COUNT(names); i++) reports[i] = (glia_pass_report){names[i], 0, 0};
    glia_status s = settle(&l, &reports[0], &reports[1]);
    if (!s) s = rewrite_rules(&l, reports, trace);
    if (!s) s = step(&l, &pass_pack, &reports[3]);
    if (!s) s = step(&l, &pass_quantise, &reports[4]);
    if (!s && reports[4].changes) s = step(&l, &pass_cse, &reports[5]);
    if (!s && !options->plain) s = reorder(&l, &reports[6]);
    if (s) {
        glia_graph_destroy(l.graph);
        l.graph = NULL;
    }
    *out = l.graph;
    return s;
}
