/* Networks of graphs built by hand: one part whose symbols are bound by the shapes of the inputs. */
#include "net/internal.h"

#include "base/check.h"
#include "net/object.h"

#include <string.h>

static int symbol_of(const glia_graph *g, glia_dim d)
{
    char text[256];
    if (d >= 0) return -1;
    glia_dim_text(g, d, text, sizeof text);
    for (int64_t i = 0; i < g->symbol_count; i++)
        if (!strcmp(g->symbols[i].name, text)) return (int)i;
    return -1;
}

static glia_port port_of(const glia_graph *g, const char *name, const glia_type *t)
{
    glia_port p = GLIA_PORT_INIT;
    p.name = name;
    p.dtype = t->dtype;
    p.rank = t->rank;
    for (int i = 0; i < t->rank; i++) {
        int s = symbol_of(g, t->dims[i]);
        p.dims[i] = t->dims[i] >= 0 ? t->dims[i] : -1;
        p.dim_names[i] = s >= 0 ? g->symbols[s].name : NULL;
    }
    return p;
}

static bool list_ports(glia_net *net, glia_net_part *part)
{
    const glia_graph *g = net->graph;
    int64_t inputs = 0;
    for (int64_t i = 1; i < g->value_count; i++) inputs += g->values[i].kind == GLIA_VALUE_INPUT;
    net->inputs = GLIA_NEW_ARRAY(&net->arena, glia_port, inputs + 1);
    net->outputs = GLIA_NEW_ARRAY(&net->arena, glia_port, g->output_count + 1);
    net->input_slots = GLIA_NEW_ARRAY(&net->arena, int32_t, inputs + 1);
    net->symbols = GLIA_NEW_ARRAY(&net->arena, int64_t, g->symbol_count + 1);
    part->inputs = GLIA_NEW_ARRAY(&part->arena, glia_net_part_input, inputs + 1);
    part->outputs = GLIA_NEW_ARRAY(&part->arena, glia_net_part_output, g->output_count + 1);
    if (!net->inputs || !net->outputs || !net->input_slots || !net->symbols || !part->inputs ||
        !part->outputs)
        return false;
    for (int64_t i = 1; i < g->value_count; i++) {
        const glia_value_info *v = &g->values[i];
        if (v->kind != GLIA_VALUE_INPUT) continue;
        part->inputs[net->input_count] =
            (glia_net_part_input){.slot = net->input_count, .name = v->name, .type = v->type};
        net->input_slots[net->input_count] = net->input_count;
        net->inputs[net->input_count++] = port_of(g, v->name, &v->type);
    }
    for (int64_t i = 0; i < g->output_count; i++) {
        const glia_type *t = &g->values[g->outputs[i].value.id].type;
        part->outputs[i] = (glia_net_part_output){.slot = (int32_t)i, .same = -1, .type = *t};
        net->outputs[net->output_count++] = port_of(g, g->outputs[i].name, t);
    }
    part->input_count = net->input_count;
    part->output_count = net->output_count;
    return true;
}

/* Sizes, and where inputs and outputs lie, for the symbols at hand. */
static glia_status bind(glia_net *net, glia_error *e)
{
    glia_net_part *p = net->whole;
    int64_t dims[GLIA_RANK_MAX];
    glia_status s = glia_lane_begin(p->lane, net->symbols, e);
    for (int32_t i = 0; i < p->input_count && !s; i++) {
        const glia_type *t = &p->inputs[i].type;
        for (int a = 0; a < t->rank; a++)
            if (!glia_dim_eval(net->graph, t->dims[a], net->symbols, &dims[a])) dims[a] = 0;
        if (!glia_dtype_tensor_bytes(t->dtype, t->rank, dims, &p->inputs[i].bytes)) p->inputs[i].bytes = 0;
        glia_value v = glia_graph_find(p->plan->graph, p->inputs[i].name);
        p->inputs[i].to = v.id ? glia_lane_input(p->lane, v.id) : NULL;
        p->inputs[i].used = p->inputs[i].to != NULL;
    }
    for (int32_t i = 0; i < p->output_count && !s; i++)
        p->outputs[i].from = glia_lane_output(p->lane, p->plan->graph->outputs[i].value.id);
    return s;
}

glia_status glia_net_part_of_graph(glia_net *net, glia_error *e)
{
    glia_arena a;
    glia_arena_init(&a, net->options.os, 0);
    glia_net_part *p = GLIA_NEW(&a, glia_net_part);
    if (!p) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a network");
    p->arena = a;
    net->whole = p;
    if (!list_ports(net, p)) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a network");
    bool states = false, fixed = true;
    for (int64_t i = 1; i < net->graph->value_count; i++)
        states |= net->graph->values[i].kind == GLIA_VALUE_STATE;
    if (states)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G1030",
                         "networks with states are not built: make them inputs and outputs");
    for (int64_t i = 0; i < net->graph->symbol_count; i++) {
        net->symbols[i] = net->graph->symbols[i].min;
        fixed &= net->graph->symbols[i].min == net->graph->symbols[i].max;
    }
    glia_status s = glia_net_part_finish(net, p, net->graph, e);
    if (!s && fixed) s = bind(net, e);
    net->ready = !s && fixed;
    return s;
}

/* What the inputs' shapes say of the symbols; the rest has to agree. */
static glia_status bind_symbols(glia_net *net, glia_object *const *in, glia_error *e)
{
    const glia_graph *g = net->graph;
    char have[160];
    for (int32_t i = 0; i < net->input_count; i++)
        for (int a = 0; a < net->inputs[i].rank; a++) {
            int s = symbol_of(g, net->whole->inputs[i].type.dims[a]);
            if (s >= 0) net->symbols[s] = glia_object_dims(in[i])[a];
        }
    for (int32_t i = 0; i < net->input_count; i++)
        for (int a = 0; a < net->inputs[i].rank; a++) {
            int64_t want;
            if (glia_dim_eval(g, net->whole->inputs[i].type.dims[a], net->symbols, &want) &&
                want == glia_object_dims(in[i])[a])
                continue;
            return glia_fail(e, GLIA_E_SHAPE, "G1023",
                             "input `%.200s` is %s, which does not fit the other inputs", net->inputs[i].name,
                             glia_net_object_text(in[i], have, sizeof have));
        }
    return GLIA_OK;
}

glia_status glia_net_run_graph(glia_net *net, glia_object *const *in, glia_object **out, glia_error *e)
{
    glia_net_part *p = net->whole;
    glia_status s = net->ready ? GLIA_OK : bind_symbols(net, in, e);
    if (!s && !net->ready) s = bind(net, e);
    for (int32_t i = 0; i < net->input_count && !s; i++)
        if (p->inputs[i].used && p->inputs[i].bytes)
            memcpy(p->inputs[i].to, glia_object_data(in[i]), (size_t)p->inputs[i].bytes);
    glia_run run = {.deadline_ns = net->run->deadline_ns};
    if (net->run->cancel) run.cancel = (const _Atomic uint32_t *)(uintptr_t)net->run->cancel;
    if (!s) s = glia_lane_run(p->lane, &run, e);
    for (int32_t i = 0; i < net->output_count && !s; i++) {
        int64_t dims[GLIA_RANK_MAX];
        const glia_type *t = &p->outputs[i].type;
        for (int a = 0; a < t->rank; a++)
            if (!glia_dim_eval(net->graph, t->dims[a], net->symbols, &dims[a])) dims[a] = 0;
        out[i] =
            glia_object_tensor_in(net->options.os, net->account, t->dtype, t->rank, dims, p->outputs[i].from);
        if (!out[i]) s = glia_net_no_object(net, e);
    }
    return s;
}
