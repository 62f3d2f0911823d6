/* Networks: opening, ports, and runs. */
#include "net/internal.h"

#include "base/check.h"
#include "net/store.h"
#include "provider/cpu/kernel.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- opening -------------------------------------------------------------------------------------------- */

static glia_status bad_option(glia_error *e, const char *name, long long v, long long least, long long most)
{
    return glia_fail(e, GLIA_E_ARG, "G0709", "option %s is %lld; it must be %lld to %lld", name, v, least,
                     most);
}

static glia_status settle(const glia_net_options *given, glia_net_options *o, glia_error *e)
{
    *o = (glia_net_options)GLIA_NET_OPTIONS_INIT;
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    if (!o->os) o->os = glia_os_default();
    if (!o->threads) o->threads = (int32_t)glia_min(o->os->cpu_count(o->os->ctx), GLIA_SLOTS_MAX);
    if (!o->slots) o->slots = (int32_t)glia_min(o->threads, GLIA_SLOTS_MAX);
    if (!o->level) o->level = 2;
    if (!o->plans_max) o->plans_max = 8;
    if (o->threads < 1 || o->threads > 1024) return bad_option(e, "threads", o->threads, 1, 1024);
    if (o->slots < 1 || o->slots > GLIA_SLOTS_MAX) return bad_option(e, "slots", o->slots, 1, GLIA_SLOTS_MAX);
    if (o->level < 1 || o->level > 3) return bad_option(e, "level", o->level, 1, 3);
    if (o->plans_max < 1) return bad_option(e, "plans_max", o->plans_max, 1, INT32_MAX);
    if (o->memory_limit < 0) return bad_option(e, "memory_limit", o->memory_limit, 0, INT64_MAX);
    if (o->isa && !glia_cpu_isa_find(o->isa))
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0711", "there is no instruction set `%.40s`", o->isa);
    return GLIA_OK;
}

static glia_status create(const glia_net_options *options, glia_net **out, glia_error *e)
{
    glia_net_options o;
    glia_arena a;
    glia_error_clear(e);
    if (!out) return glia_fail(e, GLIA_E_ARG, "G0714", "out is null");
    *out = NULL;
    glia_status s = settle(options, &o, e);
    if (s) return s;
    glia_arena_init(&a, o.os, 0);
    glia_net *net = GLIA_NEW(&a, glia_net);
    if (!net) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a network");
    net->arena = a;
    net->options = o;
    net->account = glia_account_create(o.os, o.memory_limit);
    s = net->account ? glia_team_create(o.os, o.threads, &net->team, e)
                     : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a network");
    if (s) {
        glia_net_close(net);
        return s;
    }
    s = glia_net_custom(net, e);
    if (s) {
        glia_net_close(net);
        return s;
    }
    *out = net;
    return GLIA_OK;
}

static glia_port port_of(const glia_onnx_value *v)
{
    glia_port p = GLIA_PORT_INIT;
    const glia_onnx_type *t = &v->type;
    p.name = v->name;
    p.rank = -1;
    if (t->kind == GLIA_ONNX_SEQUENCE) p.kind = GLIA_OBJECT_SEQUENCE;
    else if (t->kind == GLIA_ONNX_OPTIONAL) p.kind = GLIA_OBJECT_OPTIONAL;
    else if (t->kind == GLIA_ONNX_MAP) p.kind = GLIA_OBJECT_MAP;
    else if (!strcmp(glia_onnx_type_name(t->onnx_type), "string")) p.kind = GLIA_OBJECT_STRINGS;
    if (t->kind != GLIA_ONNX_TENSOR) return p;
    p.dtype = glia_onnx_dtype(t->onnx_type);
    p.rank = t->rank;
    for (int i = 0; i < t->rank; i++) {
        p.dims[i] = t->dims[i];
        p.dim_names[i] = t->dim_names[i];
    }
    return p;
}

/* Of a file whose IR is older than 4, inputs with an initializer are no inputs: it listed every one. */
static glia_status find_ports(glia_net *net, glia_error *e)
{
    const glia_onnx_graph *g = &net->file->graph;
    net->inputs = GLIA_NEW_ARRAY(&net->arena, glia_port, g->input_count + 1);
    net->outputs = GLIA_NEW_ARRAY(&net->arena, glia_port, g->output_count + 1);
    net->input_slots = GLIA_NEW_ARRAY(&net->arena, int32_t, g->input_count + 1);
    net->given = GLIA_NEW_ARRAY(&net->arena, bool, g->input_count + 1);
    if (!net->inputs || !net->outputs || !net->input_slots || !net->given)
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a network");
    for (int64_t i = 0; i < g->input_count; i++) {
        int32_t slot = net->main.in[i];
        if (net->slots[slot].initializer && net->file->ir_version < 4) continue;
        net->input_slots[net->input_count] = slot;
        net->inputs[net->input_count] = port_of(&g->inputs[i]);
        net->inputs[net->input_count++].has_default = net->slots[slot].initializer != NULL;
    }
    for (int64_t i = 0; i < g->output_count; i++) net->outputs[net->output_count++] = port_of(&g->outputs[i]);
    return GLIA_OK;
}

/* Plans what can be planned before there are values. */
static glia_status prepare(glia_net *net, glia_error *e)
{
    glia_net_block *b = &net->main;
    for (int32_t i = 0; i < net->input_count; i++) {
        const glia_port *p = &net->inputs[i];
        bool fixed = p->kind == GLIA_OBJECT_TENSOR && p->rank >= 0 && p->dtype;
        glia_net_slot *s = &net->slots[net->input_slots[i]];
        for (int a = 0; a < p->rank; a++) fixed &= p->dims[a] >= 0;
        if (s->initializer) continue;
        if (!fixed) return GLIA_OK;
        s->typed = true;
        s->type = (glia_type){p->dtype, (int16_t)p->rank, 0, {0}};
        memcpy(s->type.dims, p->dims, (size_t)p->rank * sizeof p->dims[0]);
    }
    if (b->node_count == 0) return GLIA_OK;
    glia_net_part *p;
    glia_status s = glia_net_emit(net, b, 0, true, &p, e);
    if (s) return s;
    if (p->end == p->begin && p->begin < b->node_count) { /* what it needs comes with a run */
        glia_net_part_free(net, p);
        return GLIA_OK;
    }
    b->parts[0] = p;
    net->part_count++;
    if (p->end < b->node_count) return GLIA_OK;
    net->whole = p;
    net->ready = p->plan != NULL;
    for (int32_t i = 0; i < p->output_count; i++) net->ready &= p->outputs[i].from != NULL;
    return GLIA_OK;
}

static glia_status open_file(glia_net *net, glia_error *e)
{
    glia_status s = glia_net_link(net, e);
    if (!s) s = find_ports(net, e);
    if (!s) s = prepare(net, e);
    if (!s && net->options.fixed && !net->whole)
        s = glia_fail(e, GLIA_E_UNSUPPORTED, "G1032", "the network is not one plan: %s",
                      net->main.node_count && net->main.parts[0] && net->main.parts[0]->why
                          ? net->main.parts[0]->why
                          : "the shape of an input is not fixed, or its first node runs on objects");
    return s;
}

glia_status glia_net_open(const char *path, const glia_net_options *options, glia_net **out, glia_error *e)
{
    glia_status s = create(options, out, e);
    if (s) return s;
    glia_net *net = *out;
    *out = NULL;
    s = path ? glia_onnx_open(net->options.os, path, NULL, &net->file, e)
             : glia_fail(e, GLIA_E_ARG, "G0714", "path is null");
    if (!s) s = open_file(net, e);
    if (s) glia_net_close(net);
    else *out = net;
    return s;
}

glia_status glia_net_open_memory(const void *data, int64_t size, const char *folder,
                                 const glia_net_options *options, glia_net **out, glia_error *e)
{
    glia_status s = create(options, out, e);
    if (s) return s;
    glia_net *net = *out;
    *out = NULL;
    s = data ? glia_onnx_parse(net->options.os, data, size, folder, NULL, &net->file, e)
             : glia_fail(e, GLIA_E_ARG, "G0714", "data is null");
    if (!s) s = open_file(net, e);
    if (s) glia_net_close(net);
    else *out = net;
    return s;
}

glia_status glia_net_from_graph(const glia_graph *g, const glia_net_options *options, glia_net **out,
                                glia_error *e)
{
    glia_status s = create(options, out, e);
    if (s) return s;
    glia_net *net = *out;
    *out = NULL;
    net->graph = g;
    s = g && g->sealed ? glia_net_part_of_graph(net, e)
                       : glia_fail(e, GLIA_E_ARG, "G0714", "the graph is null or not sealed");
    if (s) glia_net_close(net);
    else *out = net;
    return s;
}

void glia_net_close(glia_net *net)
{
    if (!net) return;
    if (net->graph) glia_net_part_free(net, net->whole);
    for (int64_t i = 0; net->slots && i < net->slot_count + GLIA_NET_CALL_SLOTS && net->file; i++)
        if (i < net->slot_capacity) glia_object_release(net->slots[i].value);
    glia_net_flush(net, &net->main);
    glia_net_store_free(net, net->weights);
    glia_team_destroy(net->team);
    glia_onnx_close(net->file);
    glia_account_release(net->account);
    glia_arena a = net->arena;
    glia_arena_free(&a);
}

/* ---- ports ---------------------------------------------------------------------------------------------- */

int glia_net_input_count(const glia_net *net) { return net ? net->input_count : 0; }
int glia_net_output_count(const glia_net *net) { return net ? net->output_count : 0; }

static glia_status give_port(const glia_port *p, int count, int i, glia_port *out)
{
    if (!out || i < 0 || i >= count) return GLIA_E_ARG;
    uint32_t size = out->size && out->size < sizeof *out ? out->size : (uint32_t)sizeof *out;
    memcpy(out, &p[i], size);
    out->size = size;
    return GLIA_OK;
}

glia_status glia_net_input(const glia_net *net, int i, glia_port *out)
{
    return net ? give_port(net->inputs, net->input_count, i, out) : GLIA_E_ARG;
}

glia_status glia_net_output(const glia_net *net, int i, glia_port *out)
{
    return net ? give_port(net->outputs, net->output_count, i, out) : GLIA_E_ARG;
}

const char *glia_net_object_text(const glia_object *o, char *buf, int size)
{
    static const char *const kinds[] = {"tensor", "strings", "sequence", "optional", "map"};
    int at = snprintf(buf, (size_t)size, "%s", o ? kinds[glia_object_kind_of(o)] : "nothing");
    if (!o || glia_object_kind_of(o) > GLIA_OBJECT_STRINGS) return buf;
    if (glia_object_kind_of(o) == GLIA_OBJECT_TENSOR)
        at = snprintf(buf, (size_t)size, "%s", glia_dtype_name(glia_object_dtype(o)));
    for (int i = 0; i < glia_object_rank(o) && at < size - 24; i++)
        at += snprintf(buf + at, (size_t)(size - at), "%s%lld", i ? ", " : "[",
                       (long long)glia_object_dims(o)[i]);
    if (at < size - 2) snprintf(buf + at, (size_t)(size - at), "%s", glia_object_rank(o) ? "]" : "[]");
    return buf;
}

/* ---- runs ------------------------------------------------------------------------------------------------ */

void glia_net_slot_set(glia_net *net, int32_t slot, glia_object *o)
{
    glia_object_release(net->slots[slot].value);
    net->slots[slot].value = o;
}

glia_status glia_net_tick(glia_net *net, glia_error *e)
{
    const glia_net_run_options *r = net->run;
    int64_t most = r && r->nodes_max > 0 ? r->nodes_max : 100000000;
    if (++net->ticks > most)
        return glia_fail(e, GLIA_E_LIMIT, "G1033", "the run passed its limit of %lld nodes run one by one",
                         (long long)most);
    if (r && r->cancel && *r->cancel) return glia_fail(e, GLIA_E_CANCELLED, "G0706", "cancelled");
    if (r && r->deadline_ns && net->options.os->clock_ns(net->options.os->ctx) >= r->deadline_ns)
        return glia_fail(e, GLIA_E_DEADLINE, "G0707", "the deadline passed");
    return GLIA_OK;
}

/* Values whose last reader has run are let go. */
static void let_go(glia_net *net, const glia_net_block *b, int32_t begin, int32_t end)
{
    for (int32_t i = begin; i < end; i++) {
        const glia_net_node *n = &b->nodes[i];
        for (int32_t j = 0; j < n->in_count + n->out_count; j++) {
            int32_t slot = j < n->in_count ? n->in[j] : n->out[j - n->in_count];
            if (slot >= 0 && net->slots[slot].owner == b && net->slots[slot].last_use < end)
                glia_net_slot_set(net, slot, NULL);
        }
    }
}

/* Keeps a new part, and at most plans_max of them. */
static void keep(glia_net *net, glia_net_block *b, glia_net_part *p)
{
    int32_t kept = 1;
    p->next = b->parts[p->begin];
    b->parts[p->begin] = p;
    for (glia_net_part *x = p; x->next; x = x->next) {
        if (++kept <= net->options.plans_max) continue;
        glia_net_part *old = x->next;
        x->next = old->next;
        glia_net_part_free(net, old);
        break;
    }
}

glia_status glia_net_run_block(glia_net *net, glia_net_block *b, glia_error *e)
{
    glia_status s = GLIA_OK;
    for (int32_t at = 0; at < b->node_count && !s;) {
        int32_t end = at + 1;
        glia_net_part *p = NULL;
        if (b->nodes[at].op->emit) {
            p = glia_net_part_find(net, b, at);
            if (!p && !(s = glia_net_emit(net, b, at, false, &p, e))) keep(net, b, p);
            if (s) break;
        }
        if (p && p->end > at) {
            end = p->end;
            s = glia_net_part_run(net, p, e);
        } else {
            s = glia_net_tick(net, e);
            if (!s) s = glia_net_host_node(net, &b->nodes[at], e);
        }
        let_go(net, b, at, end);
        at = end;
    }
    return s;
}

/* A value of a block's end: what it holds, or the initializer that it is. */
glia_object *glia_net_slot_object(glia_net *net, int32_t slot, glia_error *e)
{
    const glia_net_slot *s = &net->slots[slot];
    if (s->value) return glia_object_retain(s->value);
    if (!s->initializer) {
        glia_fail(e, GLIA_E_FORMAT, "G1027", "nothing computed the output `%.200s`", s->name);
        return NULL;
    }
    return glia_net_initializer(net, s->initializer, e);
}

glia_object *glia_net_initializer(glia_net *net, const glia_onnx_tensor *t, glia_error *e)
{
    glia_object *o;
    if (t->is_string) {
        glia_arena a;
        glia_arena_init(&a, net->options.os, 0);
        const char **texts = GLIA_NEW_ARRAY(&a, const char *, t->count + 1);
        int64_t *sizes = GLIA_NEW_ARRAY(&a, int64_t, t->count + 1);
        for (int64_t i = 0; texts && sizes && i < t->count; i++) {
            texts[i] = t->strings[i].text;
            sizes[i] = t->strings[i].size;
        }
        o = texts && sizes
                ? glia_object_strings_in(net->options.os, net->account, t->rank, t->dims, texts, sizes)
                : NULL;
        glia_arena_free(&a);
    } else {
        o = glia_object_tensor_in(net->options.os, net->account, t->dtype, t->rank, t->dims, t->data);
        if (o && !t->data && t->bytes &&
            glia_onnx_tensor_read(net->file, t, 0, t->bytes, (void *)(uintptr_t)glia_object_data(o), e)) {
            glia_object_release(o);
            return NULL;
        }
    }
    if (!o) glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for initializer `%.200s`", t->name.text);
    return o;
}

/* ---- what a run is given ---------------------------------------------------------------------------------- */

static glia_status check_dims(const glia_net *net, glia_object *const *in, int i, glia_error *e)
{
    const glia_port *p = &net->inputs[i];
    char have[160];
    for (int a = 0; a < p->rank; a++) {
        int64_t want = p->dims[a];
        const int64_t is = glia_object_dims(in[i])[a];
        const char *other = p->name;
        for (int j = 0; want < 0 && p->dim_names[a] && j < i; j++)
            for (int c = 0; want < 0 && in[j] && c < net->inputs[j].rank; c++)
                if (net->inputs[j].dim_names[c] && !strcmp(net->inputs[j].dim_names[c], p->dim_names[a])) {
                    want = glia_object_dims(in[j])[c];
                    other = net->inputs[j].name;
                }
        if (want < 0 || want == is) continue;
        glia_net_object_text(in[i], have, sizeof have);
        if (p->dims[a] >= 0)
            return glia_fail(e, GLIA_E_SHAPE, "G1023",
                             "input `%.200s` is %s; the network fixes axis %d at %lld", p->name, have, a,
                             (long long)want);
        return glia_fail(e, GLIA_E_SHAPE, "G1023",
                         "input `%.200s` is %s; axis %d (`%.60s`) is %lld in input `%.200s`", p->name, have,
                         a, p->dim_names[a], (long long)want, other);
    }
    return GLIA_OK;
}

static glia_status check_input(const glia_net *net, glia_object *const *in, int i, glia_error *e)
{
    const glia_port *p = &net->inputs[i];
    char have[160];
    if (!in[i]) {
        bool has_default = net->file && net->slots[net->input_slots[i]].initializer;
        if (has_default || p->kind == GLIA_OBJECT_OPTIONAL) return GLIA_OK;
        return glia_fail(e, GLIA_E_ARG, "G1024", "input `%.200s` is missing", p->name);
    }
    glia_net_object_text(in[i], have, sizeof have);
    glia_object_kind kind = glia_object_kind_of(in[i]);
    if (kind != p->kind && p->kind != GLIA_OBJECT_OPTIONAL)
        return glia_fail(e, GLIA_E_TYPE, "G1021",
                         "input `%.200s` is %s, which is of another kind than the network takes", p->name,
                         have);
    if (kind > GLIA_OBJECT_STRINGS || p->kind == GLIA_OBJECT_OPTIONAL) return GLIA_OK;
    if (p->dtype && glia_object_dtype(in[i]) != p->dtype)
        return glia_fail(e, GLIA_E_DTYPE, "G1022", "input `%.200s` is %s; the network takes %s", p->name,
                         have, glia_dtype_name(p->dtype));
    if (p->rank >= 0 && glia_object_rank(in[i]) != p->rank)
        return glia_fail(e, GLIA_E_SHAPE, "G1023", "input `%.200s` is %s; the network takes rank %d", p->name,
                         have, p->rank);
    return check_dims(net, in, i, e);
}

/* An input with a default that is given now, or not any more, changes what is constant. */
static void take_inputs(glia_net *net, glia_object *const *in)
{
    bool changed = false;
    for (int32_t i = 0; i < net->input_count; i++) {
        const glia_net_slot *s = &net->slots[net->input_slots[i]];
        if (s->initializer && (in[i] != NULL) != net->given[i]) changed = true;
        net->given[i] = s->initializer && in[i];
    }
    if (changed) {
        glia_net_flush(net, &net->main);
        net->whole = NULL;
        net->ready = false;
    }
    for (int32_t i = 0; i < net->input_count; i++)
        glia_net_slot_set(net, net->input_slots[i], glia_object_retain(in[i]));
}

static glia_status run_file(glia_net *net, glia_object *const *in, glia_object **out, glia_error *e)
{
    take_inputs(net, in);
    glia_status s = glia_net_run_block(net, &net->main, e);
    for (int32_t i = 0; i < net->output_count && !s; i++) {
        out[i] = glia_net_slot_object(net, net->main.out[i], e);
        if (!out[i]) s = e && e->status ? e->status : GLIA_E_NOMEM;
    }
    for (int64_t i = 0; i < net->slot_count; i++) glia_net_slot_set(net, (int32_t)i, NULL);
    return s;
}

glia_status glia_net_run(glia_net *net, glia_object *const *in, glia_object **out,
                         const glia_net_run_options *options, glia_error *e)
{
    glia_net_run_options o = GLIA_NET_RUN_OPTIONS_INIT;
    glia_error local = GLIA_ERROR_INIT;
    uint32_t idle = 0;
    if (!e) e = &local;
    glia_error_clear(e);
    if (!net || !out || (!in && net->input_count))
        return glia_fail(e, GLIA_E_ARG, "G1020", "the network, its inputs or its outputs are null");
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    for (int32_t i = 0; i < net->output_count; i++) out[i] = NULL;
    if (!atomic_compare_exchange_strong(&net->busy, &idle, 1))
        return glia_fail(e, GLIA_E_BUSY, "G1034", "the network is running already");
    glia_status s = GLIA_OK;
    for (int32_t i = 0; i < net->input_count && !s; i++) s = check_input(net, in, i, e);
    net->run = &o;
    net->ticks = 0;
    if (!s) s = net->graph ? glia_net_run_graph(net, in, out, e) : run_file(net, in, out, e);
    net->run = NULL;
    for (int32_t i = 0; s && i < net->output_count; i++) {
        glia_object_release(out[i]);
        out[i] = NULL;
    }
    atomic_store(&net->busy, 0);
    return s;
}

/* ---- without objects ---------------------------------------------------------------------------------------- */

void *glia_net_input_data(glia_net *net, int i)
{
    if (!net || !net->ready || i < 0 || i >= net->input_count) return NULL;
    for (int32_t j = 0; j < net->whole->input_count; j++)
        if (net->whole->inputs[j].slot == net->input_slots[i]) return net->whole->inputs[j].to;
    return NULL;
}

const void *glia_net_output_data(const glia_net *net, int i)
{
    if (!net || !net->ready || i < 0 || i >= net->output_count) return NULL;
    for (int32_t j = 0; j < net->whole->output_count; j++)
        if (net->whole->outputs[j].slot == (net->graph ? i : net->main.out[i]))
            return net->whole->outputs[j].from;
    return NULL;
}

glia_status glia_net_step(glia_net *net, glia_error *e)
{
    uint32_t idle = 0;
    if (!net || !net->ready)
        return glia_fail(e, GLIA_E_STATE, "G1035", "the network is not one plan of fixed shapes");
    if (!atomic_compare_exchange_strong(&net->busy, &idle, 1))
        return glia_fail(e, GLIA_E_BUSY, "G1034", "the network is running already");
    const glia_run run = {0};
    glia_status s = glia_lane_run(net->whole->lane, &run, e);
    atomic_store(&net->busy, 0);
    return s;
}
