/* Parts: compiling, reading weights, finding a kept one, and running it. */
#include "net/internal.h"

#include "base/check.h"
#include "base/cpu.h"
#include "net/store.h"

#include <string.h>

/* One account holds for plans, weights and the objects of runs. */
static glia_status charge(glia_net *net, glia_net_part *p, glia_error *e)
{
    const glia_bytes *b = &p->plan->bytes;
    const int64_t bytes = b->state + b->arena + b->scratch + b->tables;
    if (glia_account_take(net->account, bytes)) {
        p->bytes = bytes;
        return GLIA_OK;
    }
    glia_account_refused(net->account);
    return glia_fail(
        e, GLIA_E_LIMIT, "G0804",
        "a part of the network needs %lld bytes beside weights, and %lld are in use; the limit is %lld",
        (long long)bytes, (long long)glia_account_used(net->account), (long long)net->options.memory_limit);
}

static uint32_t output_value(const glia_plan *plan, const char *name)
{
    for (int64_t i = 0; i < plan->graph->output_count; i++)
        if (!strcmp(plan->graph->outputs[i].name, name)) return plan->graph->outputs[i].value.id;
    return 0;
}

static bool find_ports(glia_net *net, glia_net_part *p)
{
    for (int32_t i = 0; i < p->input_count; i++) {
        glia_value v = glia_graph_find(p->plan->graph, p->inputs[i].name);
        p->inputs[i].to = v.id ? glia_lane_input(p->lane, v.id) : NULL;
        p->inputs[i].used = p->inputs[i].to != NULL;
    }
    for (int32_t i = 0; i < p->output_count; i++) {
        glia_net_part_output *o = &p->outputs[i];
        if (o->same >= 0 || o->fixed) continue;
        uint32_t v = output_value(p->plan, net->slots[o->slot].name);
        o->from = v ? glia_lane_output(p->lane, v) : NULL;
        if (!o->from && o->bytes) return false;
    }
    return true;
}

glia_status glia_net_part_finish(glia_net *net, glia_net_part *p, const glia_graph *g, glia_error *e)
{
    const glia_net_options *no = &net->options;
    glia_compile_options co = {.os = no->os,
                               .slots = no->slots,
                               .features = glia_cpu_features(),
                               .isa_max = no->isa,
                               .level = no->level,
                               .plain = no->plain};
    co.symbol_max = g->symbol_count ? g->symbols[0].max : 1;
    glia_lane_options lo = {
        .os = no->os, .workers = no->threads, .profile_events = no->profile_events, .team = net->team};
    glia_status s = glia_compile(g, &co, &p->plan, e);
    if (!s) s = charge(net, p, e);
    if (!s) s = glia_net_store_bind(net, p, e);
    if (!s) s = glia_lane_create(p->plan, &lo, &p->lane, e);
    if (s || net->graph) return s; /* the symbols of a graph built by hand are bound by each run */
    s = glia_lane_begin(p->lane, NULL, e);
    if (!s && !find_ports(net, p))
        s = glia_fail(e, GLIA_E_INTERNAL, "G1036", "the plan of a part has lost one of its outputs");
    return s;
}

void glia_net_part_free(glia_net *net, glia_net_part *p)
{
    if (!p) return;
    for (int32_t i = 0; i < p->output_count; i++) glia_object_release(p->outputs[i].fixed);
    glia_net_store_free(net, p->weights);
    glia_lane_destroy(p->lane);
    glia_plan_free(p->plan);
    glia_account_give(net->account, p->bytes);
    glia_arena a = p->arena;
    glia_arena_free(&a);
}

void glia_net_flush(glia_net *net, glia_net_block *b)
{
    for (int64_t i = 0; b->parts && i < b->node_count; i++) {
        while (b->parts[i]) {
            glia_net_part *p = b->parts[i];
            b->parts[i] = p->next;
            glia_net_part_free(net, p);
        }
        for (int32_t j = 0; j < b->nodes[i].body_count; j++) glia_net_flush(net, &b->nodes[i].bodies[j]);
    }
}

/* ---- finding ------------------------------------------------------------------------------------------- */

static bool same_type(const glia_object *o, const glia_type *t)
{
    return glia_object_kind_of(o) == GLIA_OBJECT_TENSOR && glia_object_dtype(o) == t->dtype &&
           glia_object_rank(o) == t->rank &&
           !memcmp(glia_object_dims(o), t->dims, (size_t)t->rank * sizeof t->dims[0]);
}

static bool fits(const glia_net *net, const glia_net_part *p)
{
    for (int32_t i = 0; i < p->input_count; i++) {
        const glia_net_part_input *in = &p->inputs[i];
        const glia_object *o = net->slots[in->slot].value;
        if (!o || !same_type(o, &in->type)) return false;
        if (in->key && memcmp(glia_object_data(o), in->key, (size_t)in->bytes)) return false;
    }
    return true;
}

glia_net_part *glia_net_part_find(const glia_net *net, const glia_net_block *b, int32_t begin)
{
    for (glia_net_part *p = b->parts[begin]; p; p = p->next)
        if (fits(net, p)) return p;
    return NULL;
}

/* ---- running ------------------------------------------------------------------------------------------- */

glia_status glia_net_part_run(glia_net *net, glia_net_part *p, glia_error *e)
{
    glia_status s = GLIA_OK;
    for (int32_t i = 0; i < p->input_count; i++)
        if (p->inputs[i].used)
            memcpy(p->inputs[i].to, glia_object_data(net->slots[p->inputs[i].slot].value),
                   (size_t)p->inputs[i].bytes);
    if (p->plan) {
        glia_run run = {.deadline_ns = net->run ? net->run->deadline_ns : 0};
        if (net->run && net->run->cancel) run.cancel = (const _Atomic uint32_t *)(uintptr_t)net->run->cancel;
        s = glia_lane_run(p->lane, &run, e);
    }
    for (int32_t i = 0; i < p->output_count && !s; i++) {
        const glia_net_part_output *o = &p->outputs[i];
        glia_object *made = o->fixed ? glia_object_retain(o->fixed)
                            : o->same >= 0
                                ? glia_object_retain(net->slots[o->same].value)
                                : glia_object_tensor_in(net->options.os, net->account, o->type.dtype,
                                                        o->type.rank, o->type.dims, o->from);
        if (!made) return glia_net_no_object(net, e);
        glia_net_slot_set(net, o->slot, made);
    }
    return s;
}
