/* glia_compile: passes, what is the same in every variant (weights, states, constants, kernels, attributes),
 * then one schedule and one set of records per variant. */
#include "compile/plan.h"

#include "base/check.h"
#include "ops/ops.h"
#include "tensor/layout.h"

#include <math.h>
#include <string.h>

enum { PAGE = 4096 };
static const double TILE_SECONDS = 1e-5; /* of a tile, at least */

glia_status glia_value_bytes_max(const glia_graph *g, const glia_type *t, const int64_t *symbols,
                                 int64_t *out, glia_error *e)
{
    int64_t dims[GLIA_RANK_MAX];
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] >= 0) dims[i] = t->dims[i];
        else if (!glia_dim_eval(g, t->dims[i], symbols, &dims[i])) goto too_large;
    }
    if (glia_layout_tensor_bytes(t->layout, t->dtype, t->rank, dims, out)) return GLIA_OK;
too_large:
    return glia_fail(e, GLIA_E_LIMIT, "G0202", "a tensor's size cannot be represented");
}

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while compiling");
}

/* ---- weights, states, constants --------------------------------------------------------------- */

static bool is_weight_pack(const glia_graph *g, const glia_node *n)
{
    return n->op == &glia_op_pack && glia_graph_value(g, n->in[0])->kind == GLIA_VALUE_WEIGHT;
}

static glia_status add_weight(glia_plan *p, uint8_t *seen, glia_value plain, glia_value packed, glia_error *e)
{
    const glia_value_info *info = glia_graph_value(p->graph, packed);
    if (seen[packed.id]) return GLIA_OK;
    seen[packed.id] = 1;
    int64_t bytes, room;
    glia_status s = glia_value_bytes_max(p->graph, &info->type, NULL, &bytes, e);
    if (s) return s;
    bool is_packed = info->type.layout != GLIA_LAYOUT_PLAIN;
    int64_t *total = is_packed ? &p->bytes.packed : &p->bytes.weights;
    p->weights[p->weight_count++] = (glia_weight_record){
        plain.id, packed.id, info->type.layout, is_packed ? GLIA_BASE_PACKED : GLIA_BASE_WEIGHTS,
        *total,   bytes};
    if (!glia_round_up(bytes, 64, &room) || !glia_add(*total, room, total))
        return glia_fail(e, GLIA_E_LIMIT, "G0202", "the weights' size cannot be represented");
    return GLIA_OK;
}

/* In the order in which nodes read them, so that a run walks forward through memory. */
static glia_status place_weights(glia_plan *p, glia_error *e)
{
    const glia_graph *g = p->graph;
    glia_status s = GLIA_OK;
    uint8_t *seen = GLIA_NEW_ARRAY(&p->arena, uint8_t, g->value_count + 1);
    p->weights = GLIA_NEW_ARRAY(&p->arena, glia_weight_record, g->value_count + 1);
    if (!seen || !p->weights) return no_memory(e);
    for (int64_t i = 0; i < g->node_count && !s; i++) {
        const glia_node *n = &g->nodes[i];
        if (is_weight_pack(g, n)) continue; /* placed where it is read */
        for (int j = 0; j < n->in_count && !s; j++) {
            if (glia_is_null(n->in[j])) continue;
            const glia_value_info *v = glia_graph_value(g, n->in[j]);
            if (v->kind == GLIA_VALUE_WEIGHT) s = add_weight(p, seen, n->in[j], n->in[j], e);
            else if (v->kind == GLIA_VALUE_NODE && is_weight_pack(g, &g->nodes[v->producer]))
                s = add_weight(p, seen, g->nodes[v->producer].in[0], n->in[j], e);
        }
    }
    for (int64_t i = 0; i < g->output_count && !s; i++)
        if (glia_graph_value(g, g->outputs[i].value)->kind == GLIA_VALUE_WEIGHT)
            s = add_weight(p, seen, g->outputs[i].value, g->outputs[i].value, e);
    return s;
}

static glia_status place_states(glia_plan *p, const int64_t *symbols, glia_error *e)
{
    const glia_graph *g = p->graph;
    p->states = GLIA_NEW_ARRAY(&p->arena, glia_state_record, g->value_count + 1);
    if (!p->states) return no_memory(e);
    for (int64_t i = 1; i < g->value_count; i++) {
        if (g->values[i].kind != GLIA_VALUE_STATE) continue;
        int64_t bytes, room;
        glia_status s = glia_value_bytes_max(g, &g->values[i].type, symbols, &bytes, e);
        if (s) return s;
        p->states[p->state_count++] = (glia_state_record){(uint32_t)i, p->bytes.state, bytes};
        /* Whole pages, so that each state can be committed and grown on its own. */
        if (!glia_round_up(bytes, PAGE, &room) || !glia_add(p->bytes.state, room, &p->bytes.state))
            return glia_fail(e, GLIA_E_LIMIT, "G0202", "the states' size cannot be represented");
    }
    return GLIA_OK;
}

static glia_status place_constants(glia_plan *p, const int64_t *symbols, glia_error *e)
{
    const glia_graph *g = p->graph;
    int64_t total = 0, bytes;
    for (int pass = 0; pass < 2; pass++) {
        uint8_t *to = NULL;
        if (pass && !(to = glia_arena_alloc(&p->arena, total + 64, 64))) return no_memory(e);
        p->table = to;
        p->table_bytes = total;
        total = 0;
        for (int64_t i = 1; i < g->value_count; i++) {
            if (g->values[i].kind != GLIA_VALUE_CONSTANT) continue;
            glia_status s = glia_value_bytes_max(g, &g->values[i].type, symbols, &bytes, e);
            if (s) return s;
            if (to && bytes) memcpy(to + total, g->values[i].data, (size_t)bytes);
            total += (bytes + 63) / 64 * 64;
        }
    }
    return GLIA_OK;
}

/* ---- kernels ---------------------------------------------------------------------------------- */

static glia_type type_or_none(const glia_graph *g, glia_value v)
{
    return glia_is_null(v) ? (glia_type){0} : glia_graph_value(g, v)->type;
}

static glia_status bind_kernel(glia_plan *p, const glia_node *n, const glia_compile_options *o,
                               uint32_t *index, glia_error *e)
{
    glia_type in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    for (int i = 0; i < n->in_count; i++) in[i] = type_or_none(p->graph, n->in[i]);
    for (int i = 0; i < n->out_count; i++) out[i] = type_or_none(p->graph, n->out[i]);
    glia_bound_kernel b = glia_cpu_bind(n->op, in, n->in_count, out, n->out_count, o->features, o->isa_max);
    if (!b.run)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0204", "node `%s`: operation `%s` has no kernel on the CPU",
                         n->name, n->op->name);
    for (int32_t i = 0; i < p->kernel_count; i++)
        if (p->kernels[i].run == b.run && !strcmp(p->kernels[i].name, b.name)) {
            *index = (uint32_t)i;
            return GLIA_OK;
        }
    *index = (uint32_t)p->kernel_count;
    p->kernels[p->kernel_count++] = (glia_kernel_entry){b.run, b.name, b.isa};
    return GLIA_OK;
}

static glia_status bind_nodes(glia_plan *p, const glia_compile_options *o, glia_node_binding *bind,
                              glia_error *e)
{
    const glia_graph *g = p->graph;
    int64_t attrs = 0;
    for (int64_t i = 0; i < g->node_count; i++)
        for (int a = 0; g->nodes[i].op->attrs && g->nodes[i].op->attrs[a].name; a++) attrs++;
    p->kernels = GLIA_NEW_ARRAY(&p->arena, glia_kernel_entry, g->node_count + 1);
    p->attrs = GLIA_NEW_ARRAY(&p->arena, glia_attr, attrs + 1);
    if (!p->kernels || !p->attrs) return no_memory(e);
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        if (n->body_count)
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0201", "node `%s` (%s): subgraphs are not compiled yet",
                             n->name, n->op->name);
        if (((n->op->traits & GLIA_VIEW) && !(n->op->traits & GLIA_GUARD)) || is_weight_pack(g, n)) continue;
        bind[i].item = true;
        bind[i].attrs = (uint32_t)p->attr_count;
        for (int a = 0; n->op->attrs && n->op->attrs[a].name; a++) {
            p->attrs[p->attr_count++] = n->attr[a];
            bind[i].attr_count++;
        }
        glia_status s = bind_kernel(p, n, o, &bind[i].kernel, e);
        if (s) return s;
    }
    return GLIA_OK;
}

/* ---- variants --------------------------------------------------------------------------------- */

/* Size classes of symbol 0 (tokens of a step): one, a few, many; each for all slots, and a one-slot variant
 * for work that is not worth waking a team for. */
static int list_variants(int32_t slots, int64_t most, glia_variant *v)
{
    int n = 0;
    v[n++] = (glia_variant){.symbol_min = 0, .symbol_max = most, .slots = 1};
    if (slots == 1) return n;
    v[n++] = (glia_variant){.symbol_min = 0, .symbol_max = 1, .slots = slots};
    if (most > 1) v[n++] = (glia_variant){.symbol_min = 2, .symbol_max = glia_min(16, most), .slots = slots};
    if (most > 16) v[n++] = (glia_variant){.symbol_min = 17, .symbol_max = most, .slots = slots};
    return n;
}

/* The geometric mean of a class's ends. */
static int64_t typical(int64_t least, int64_t most)
{
    const double mean = ceil(sqrt((double)glia_max(1, least) * (double)most));
    return mean < (double)most ? (int64_t)mean : most;
}

/* On one slot every node is whole, whatever its part says. */
static void estimate(const glia_plan *p, const glia_variant *v, const glia_part *parts,
                     const int64_t *symbols, double *cost, double *alone)
{
    *cost = glia_schedule_seconds(p->graph, v->slots, &p->rates, symbols, parts);
    *alone = glia_schedule_seconds(p->graph, 1, &p->rates, symbols, NULL);
}

static glia_status compile_variant(glia_plan *p, glia_variant *v, const glia_node_binding *bind,
                                   const int64_t *most, glia_error *e)
{
    const glia_graph *g = p->graph;
    glia_arena scratch;
    glia_arena_init(&scratch, p->arena.os, 0);
    int64_t *symbols = GLIA_NEW_ARRAY(&scratch, int64_t, g->symbol_count + 1);
    glia_part *parts = GLIA_NEW_ARRAY(&scratch, glia_part, g->node_count + 1);
    glia_status s = GLIA_OK;
    int32_t phases = 0;
    if (!symbols || !parts) {
        s = no_memory(e);
        goto done;
    }
    if (g->symbol_count) memcpy(symbols, most, (size_t)g->symbol_count * sizeof *symbols);
    /* Costs are taken at a size typical of the class, memory at its bound. */
    if (g->symbol_count) symbols[0] = typical(v->symbol_min, v->symbol_max);
    s = glia_schedule(g, v->slots, &p->rates, symbols, &scratch, parts, &phases, e);
    if (g->symbol_count) symbols[0] = glia_max(1, v->symbol_min);
    if (!s) estimate(p, v, parts, symbols, &v->cost_least, &v->alone_least);
    if (g->symbol_count) symbols[0] = v->symbol_max;
    if (!s) estimate(p, v, parts, symbols, &v->cost_seconds, &v->alone_most);
    if (!s) s = glia_encode_variant(p, v, bind, parts, phases, symbols, e);
    /* One token's weights are read in runs as long as they can be: static shares measured faster than tiles.
     */
    if (!s && v->symbol_max > 1) s = glia_plan_cut_tiles(p, v, TILE_SECONDS, e);
    if (!s) s = glia_plan_validate(p, v, e);
done:
    glia_arena_free(&scratch);
    return s;
}

static void sum_up(glia_plan *p)
{
    p->bytes.arena = 0;
    for (int i = 0; i < p->variant_count; i++) {
        const glia_variant *v = &p->variants[i];
        p->bytes.arena = glia_max(p->bytes.arena, v->arena_bytes);
        p->bytes.scratch = glia_max(p->bytes.scratch, v->scratch_bytes);
        p->bytes.tables += v->record_bytes;
        p->dim_count_max = (int32_t)glia_max(p->dim_count_max, v->dim_count);
        p->arena_lower_bound = glia_max(p->arena_lower_bound, v->arena_lower_bound);
    }
    p->bytes.tables += p->table_bytes;
}

glia_status glia_compile(const glia_graph *source, const glia_compile_options *o, glia_plan **out,
                         glia_error *e)
{
    *out = NULL;
    if (!source || !source->sealed)
        return glia_fail(e, GLIA_E_ARG, "G0205", "only a sealed graph can be compiled");
    if (o->slots < 1 || o->slots > GLIA_SLOTS_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0206", "slots is %d; it must be 1 to %d", o->slots, GLIA_SLOTS_MAX);
    glia_arena arena;
    glia_arena_init(&arena, o->os, 0);
    glia_plan *p = GLIA_NEW(&arena, glia_plan);
    if (!p) {
        glia_arena_free(&arena);
        return no_memory(e);
    }
    p->arena = arena;
    p->slots = o->slots;
    p->place_steps = o->place_steps;
    p->plain_memory = o->plain_memory || o->plain;
    glia_status s = glia_passes_run(source, o, &p->arena, &p->graph, p->passes, &p->pass_count, &p->trace, e);
    glia_node_binding *bind = NULL;
    int64_t *most = NULL;
    if (!s) {
        bind = GLIA_NEW_ARRAY(&p->arena, glia_node_binding, p->graph->node_count + 1);
        most = GLIA_NEW_ARRAY(&p->arena, int64_t, p->graph->symbol_count + 1);
        if (!bind || !most) s = no_memory(e);
    }
    for (int64_t i = 0; !s && i < p->graph->symbol_count; i++) most[i] = p->graph->symbols[i].max;
    if (!s && p->graph->symbol_count && o->symbol_max > 0) most[0] = glia_min(most[0], o->symbol_max);
    if (!s) s = place_weights(p, e);
    p->rates = glia_rates_of(o->features, o->isa_max, p->bytes.weights + p->bytes.packed);
    if (!s) s = place_states(p, most, e);
    if (!s) s = place_constants(p, most, e);
    if (!s) s = bind_nodes(p, o, bind, e);
    if (!s) p->variant_count = list_variants(o->slots, p->graph->symbol_count ? most[0] : 1, p->variants);
    for (int i = 0; !s && i < p->variant_count; i++) s = compile_variant(p, &p->variants[i], bind, most, e);
    if (s) {
        glia_plan_free(p);
        return s;
    }
    sum_up(p);
    *out = p;
    return GLIA_OK;
}

void glia_plan_free(glia_plan *p)
{
    if (!p) return;
    glia_graph_destroy(p->graph);
    glia_arena a = p->arena; /* p lies in its own arena */
    glia_arena_free(&a);
}
