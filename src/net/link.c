/* Linking: every name of an ONNX file becomes the number of a slot, and functions of the model are written out where
 * they are used. Refused by name: operators without a row in the tables, names that nothing defines, values that are
 * defined twice, nodes before what they read (the file's order has to be an order of computation), and nesting beyond
 * GLIA_NET_DEPTH. */
#include "net/internal.h"

#include "base/check.h"

#include <string.h>

typedef struct scope_entry {
    const char *name;
    int32_t slot;
    int32_t next; /* in its bucket, + 1 */
} scope_entry;

/* Names of one graph or function body; a graph sees what is around it, a function does not. */
typedef struct scope {
    const struct scope *outer;
    scope_entry *entries;
    int64_t count, capacity;
    int32_t *buckets;
    int64_t bucket_count;
} scope;

typedef struct binding { /* the attributes that a function was called with */
    const glia_onnx_function *function;
    const glia_onnx_attr *const *attrs;
    int32_t attr_count;
} binding;

typedef struct linker {
    glia_net *net;
    glia_error *e;
    glia_arena scratch;
    glia_status status;
    int depth;
    int64_t nodes;
} linker;

static bool fail(linker *l, glia_status s, const char *code, const char *text, const char *a, const char *b)
{
    if (!l->status) l->status = glia_fail(l->e, s, code, text, a, b);
    return false;
}

static bool no_memory(linker *l)
{
    return fail(l, GLIA_E_NOMEM, "G0801", "no memory for linking a network%s%s", "", "");
}

/* FNV-1a, 64 bit. */
static uint64_t hash_text(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return h;
}

static bool scope_init(linker *l, scope *s, const scope *outer, int64_t expected)
{
    *s = (scope){.outer = outer, .bucket_count = 16};
    while (s->bucket_count < expected * 2) s->bucket_count *= 2;
    s->buckets = GLIA_NEW_ARRAY(&l->scratch, int32_t, s->bucket_count);
    return s->buckets || no_memory(l);
}

static scope_entry *scope_own(const scope *s, const char *name)
{
    uint64_t h = hash_text(name) & (uint64_t)(s->bucket_count - 1);
    for (int32_t i = s->buckets[h]; i; i = s->entries[i - 1].next)
        if (!strcmp(s->entries[i - 1].name, name)) return &s->entries[i - 1];
    return NULL;
}

static bool scope_add(linker *l, scope *s, const char *name, int32_t slot)
{
    scope_entry *grown = glia_arena_grow(&l->scratch, s->entries, s->count, &s->capacity, sizeof *grown);
    if (!grown) return no_memory(l);
    uint64_t h = hash_text(name) & (uint64_t)(s->bucket_count - 1);
    s->entries = grown;
    s->entries[s->count] = (scope_entry){name, slot, s->buckets[h]};
    s->buckets[h] = (int32_t)++s->count;
    return true;
}

static bool find_slot(const scope *s, const char *name, int32_t *slot)
{
    for (; s; s = s->outer) {
        const scope_entry *x = scope_own(s, name);
        if (x) {
            *slot = x->slot;
            return true;
        }
    }
    return false;
}

static int32_t new_slot(linker *l, const char *name, const glia_net_block *owner)
{
    glia_net *net = l->net;
    glia_net_slot *grown =
        glia_arena_grow(&net->arena, net->slots, net->slot_count, &net->slot_capacity, sizeof *grown);
    if (!grown || net->slot_count >= INT32_MAX - 1 - GLIA_NET_CALL_SLOTS) {
        no_memory(l);
        return -1;
    }
    net->slots = grown;
    net->slots[net->slot_count] = (glia_net_slot){.name = name, .owner = owner, .last_use = -1};
    return (int32_t)net->slot_count++;
}

/* A name that this scope defines. */
static int32_t define(linker *l, scope *s, const char *name, const glia_net_block *owner)
{
    const scope_entry *x = scope_own(s, name);
    if (x) {
        fail(l, GLIA_E_FORMAT, "G1025", "`%.200s` is defined twice%s", name, "");
        return -1;
    }
    int32_t slot = new_slot(l, name, owner);
    return slot >= 0 && scope_add(l, s, name, slot) ? slot : -1;
}

/* ---- nodes ------------------------------------------------------------------------------------------- */

static const char *domain_of(const char *domain) { return strcmp(domain, "ai.onnx") ? domain : ""; }

static int64_t version_of(const glia_onnx_opset *opsets, int64_t count, const char *domain)
{
    for (int64_t i = 0; i < count; i++)
        if (!strcmp(domain_of(opsets[i].domain), domain)) return opsets[i].version;
    return 0;
}

static const glia_onnx_function *find_function(const linker *l, const glia_onnx_node *n)
{
    const glia_onnx *m = l->net->file;
    for (int64_t i = 0; i < m->function_count; i++)
        if (!strcmp(m->functions[i].name, n->op) &&
            !strcmp(domain_of(m->functions[i].domain), domain_of(n->domain)))
            return &m->functions[i];
    return NULL;
}

static const glia_onnx_attr *bound_attr(const binding *b, const char *name)
{
    for (int32_t i = 0; b && i < b->attr_count; i++)
        if (!strcmp(b->attrs[i]->name, name)) return b->attrs[i];
    for (int64_t i = 0; b && i < b->function->default_count; i++)
        if (!strcmp(b->function->defaults[i].name, name)) return &b->function->defaults[i];
    return NULL;
}

/* The node's attributes; those that refer to the function's take its value under their own name, or vanish. */
static bool link_attrs(linker *l, const glia_onnx_node *n, const binding *b, glia_net_node *to)
{
    const glia_onnx_attr **list = GLIA_NEW_ARRAY(&l->net->arena, const glia_onnx_attr *, n->attr_count + 1);
    if (!list) return no_memory(l);
    for (int32_t i = 0; i < n->attr_count; i++) {
        const glia_onnx_attr *a = &n->attrs[i];
        if (!a->ref) {
            list[to->attr_count++] = a;
            continue;
        }
        const glia_onnx_attr *value = bound_attr(b, a->ref);
        if (!value) continue;
        glia_onnx_attr *copy = GLIA_NEW(&l->net->arena, glia_onnx_attr);
        if (!copy) return no_memory(l);
        *copy = *value;
        copy->name = a->name;
        list[to->attr_count++] = copy;
    }
    to->attrs = list;
    return true;
}

static glia_net_node *add_node(linker *l, glia_net_block *block)
{
    if (++l->nodes > 1000000) {
        fail(l, GLIA_E_LIMIT, "G1026",
             "the network has more than %s nodes once its functions are written out%s", "1000000", "");
        return NULL;
    }
    glia_net_node *grown = glia_arena_grow(&l->net->arena, block->nodes, block->node_count,
                                           &block->node_capacity, sizeof *grown);
    if (!grown) {
        no_memory(l);
        return NULL;
    }
    block->nodes = grown;
    glia_net_node *n = &block->nodes[block->node_count++];
    *n = (glia_net_node){0};
    return n;
}

static bool link_graph(linker *l, const glia_onnx_graph *g, const scope *outer, const binding *b,
                       const glia_onnx_opset *opsets, int64_t opset_count, glia_net_block *block);

/* The slots that a node reads. */
static int32_t *link_inputs(linker *l, const glia_onnx_node *n, const scope *s)
{
    int32_t *in = GLIA_NEW_ARRAY(&l->net->arena, int32_t, n->in_count + 1);
    if (!in) {
        no_memory(l);
        return NULL;
    }
    for (int32_t i = 0; i < n->in_count; i++) {
        in[i] = -1;
        if (n->in[i][0] && !find_slot(s, n->in[i], &in[i])) {
            fail(l, GLIA_E_FORMAT, "G1027", "node `%.200s` reads `%.200s`, which nothing before it defines",
                 n->name[0] ? n->name : n->op, n->in[i]);
            return NULL;
        }
    }
    return in;
}

static int32_t *link_outputs(linker *l, const glia_onnx_node *n, scope *s, const glia_net_block *block)
{
    int32_t *out = GLIA_NEW_ARRAY(&l->net->arena, int32_t, n->out_count + 1);
    if (!out) {
        no_memory(l);
        return NULL;
    }
    for (int32_t i = 0; i < n->out_count; i++) {
        out[i] = -1;
        if (n->out[i][0] && (out[i] = define(l, s, n->out[i], block)) < 0) return NULL;
    }
    return out;
}

static bool link_bodies(linker *l, glia_net_node *to, const scope *s, const binding *b,
                        const glia_onnx_opset *opsets, int64_t opset_count)
{
    int64_t count = 0;
    for (int32_t i = 0; i < to->attr_count; i++)
        if (to->attrs[i]->kind == GLIA_ONNX_ATTR_GRAPH) count++;
    if (!count) return true;
    to->bodies = GLIA_NEW_ARRAY(&l->net->arena, glia_net_block, count);
    to->body_attrs = GLIA_NEW_ARRAY(&l->net->arena, const char *, count);
    if (!to->bodies || !to->body_attrs) return no_memory(l);
    for (int32_t i = 0; i < to->attr_count; i++) {
        if (to->attrs[i]->kind != GLIA_ONNX_ATTR_GRAPH) continue;
        to->body_attrs[to->body_count] = to->attrs[i]->name;
        if (!link_graph(l, to->attrs[i]->g, s, b, opsets, opset_count, &to->bodies[to->body_count++]))
            return false;
    }
    return true;
}

static bool link_nodes(linker *l, const glia_onnx_node *nodes, int64_t count, scope *s, const binding *b,
                       const glia_onnx_opset *opsets, int64_t opset_count, glia_net_block *block);

/* An Identity between two slots: a function's output that is one of its inputs. */
static bool link_copy(linker *l, int32_t from, int32_t to, glia_net_block *block)
{
    glia_net_node *n = add_node(l, block);
    int32_t *slots = GLIA_NEW_ARRAY(&l->net->arena, int32_t, 2);
    if (!n || !slots) return no_memory(l);
    slots[0] = from;
    slots[1] = to;
    *n = (glia_net_node){.name = "Identity",
                         .op_name = "Identity",
                         .domain = "",
                         .version = 21,
                         .op = glia_net_op_find("", "Identity"),
                         .in = slots,
                         .out = slots + 1,
                         .in_count = 1,
                         .out_count = 1};
    return n->op || fail(l, GLIA_E_UNSUPPORTED, "G1030", "the operator %s is not built%s", "Identity", "");
}

/* A call of one of the model's functions: its nodes, in a scope of their own. */
static bool link_call(linker *l, const glia_onnx_function *f, const glia_onnx_node *n, scope *caller,
                      const binding *outer, glia_net_block *block)
{
    glia_net_node attrs = {0};
    scope s;
    const int32_t *in = link_inputs(l, n, caller);
    if (!in || !link_attrs(l, n, outer, &attrs)) return false;
    if (n->in_count > f->input_count || n->out_count > f->output_count)
        return fail(l, GLIA_E_FORMAT, "G1028",
                    "node `%.200s` has more inputs or outputs than function `%.200s`", n->name, f->name);
    if (l->depth >= GLIA_NET_DEPTH)
        return fail(l, GLIA_E_LIMIT, "G1026", "functions and bodies nest deeper than %s%s", "64", "");
    if (!scope_init(l, &s, NULL, f->input_count + f->node_count)) return false;
    for (int64_t i = 0; i < f->input_count; i++)
        if (!scope_add(l, &s, f->inputs[i], i < n->in_count ? in[i] : -1)) return false;
    const binding b = {f, attrs.attrs, attrs.attr_count};
    l->depth++;
    bool ok =
        link_nodes(l, f->nodes, f->node_count, &s, &b, f->opset_count ? f->opsets : l->net->file->opsets,
                   f->opset_count ? f->opset_count : l->net->file->opset_count, block);
    l->depth--;
    for (int32_t i = 0; ok && i < n->out_count; i++) {
        int32_t from;
        if (!n->out[i][0]) continue;
        if (!find_slot(&s, f->outputs[i], &from) || from < 0)
            return fail(l, GLIA_E_FORMAT, "G1027", "function `%.200s` does not define its output `%.200s`",
                        f->name, f->outputs[i]);
        int32_t to = define(l, caller, n->out[i], block);
        ok = to >= 0 && link_copy(l, from, to, block);
    }
    return ok;
}

static bool link_node(linker *l, const glia_onnx_node *n, scope *s, const binding *b,
                      const glia_onnx_opset *opsets, int64_t opset_count, glia_net_block *block)
{
    const glia_onnx_function *f = find_function(l, n);
    if (n->in_count > GLIA_NET_ARGS || n->out_count > GLIA_NET_ARGS)
        return fail(l, GLIA_E_LIMIT, "G1026", "node `%.200s` has too many inputs or outputs%s", n->name, "");
    if (f) return link_call(l, f, n, s, b, block);
    const char *domain = domain_of(n->domain);
    const glia_net_op *op = glia_net_custom_find(l->net, domain, n->op);
    if (!op) op = glia_net_op_find(domain, n->op);
    if (!op)
        return fail(l, GLIA_E_UNSUPPORTED, "G1030", "the operator `%.100s` of domain `%.100s` is not built",
                    n->op, domain[0] ? domain : "ai.onnx");
    const int32_t *in = link_inputs(l, n, s);
    glia_net_node to = {.op_name = n->op,
                        .domain = domain,
                        .op = op,
                        .in_count = n->in_count,
                        .out_count = n->out_count,
                        .in = in};
    to.name = n->name[0] ? n->name : glia_arena_printf(&l->net->arena, "%s_%lld", n->op, (long long)l->nodes);
    to.version = version_of(opsets, opset_count, domain);
    if (!to.version) to.version = version_of(l->net->file->opsets, l->net->file->opset_count, domain);
    if (!to.version) to.version = 1;
    if (!in || !to.name || !link_attrs(l, n, b, &to)) return false;
    if (l->depth >= GLIA_NET_DEPTH)
        return fail(l, GLIA_E_LIMIT, "G1026", "functions and bodies nest deeper than %s%s", "64", "");
    l->depth++;
    bool ok = link_bodies(l, &to, s, b, opsets, opset_count);
    l->depth--;
    if (!ok || !(to.out = link_outputs(l, n, s, block))) return false;
    glia_net_node *place = add_node(l, block);
    if (place) *place = to;
    return place != NULL;
}

/* Recurses over bodies and functions, whose nesting is bounded. */
static bool link_nodes(linker *l, const glia_onnx_node *nodes, int64_t count, scope *s, const binding *b,
                       const glia_onnx_opset *opsets, int64_t opset_count, glia_net_block *block)
{
    for (int64_t i = 0; i < count; i++)
        if (!link_node(l, &nodes[i], s, b, opsets, opset_count, block)) return false;
    return true;
}

static bool link_ports(linker *l, const glia_onnx_graph *g, scope *s, glia_net_block *block)
{
    int32_t *in = GLIA_NEW_ARRAY(&l->net->arena, int32_t, g->input_count + 1);
    if (!in) return no_memory(l);
    for (int64_t i = 0; i < g->input_count; i++)
        if ((in[i] = define(l, s, g->inputs[i].name, block)) < 0) return false;
    block->in = in;
    block->in_count = (int32_t)g->input_count;
    for (int64_t i = 0; i < g->initializer_count; i++) {
        const char *name = g->initializers[i].name.text;
        const scope_entry *x = scope_own(s, name);
        int32_t slot = x ? x->slot : define(l, s, name, block);
        if (slot < 0) return false;
        if (l->net->slots[slot].initializer)
            return fail(l, GLIA_E_FORMAT, "G1025", "`%.200s` is defined twice%s", name, "");
        l->net->slots[slot].initializer = &g->initializers[i];
    }
    return true;
}

static bool link_graph(linker *l, const glia_onnx_graph *g, const scope *outer, const binding *b,
                       const glia_onnx_opset *opsets, int64_t opset_count, glia_net_block *block)
{
    scope s;
    block->graph = g;
    if (!scope_init(l, &s, outer, g->input_count + g->initializer_count + g->node_count) ||
        !link_ports(l, g, &s, block) ||
        !link_nodes(l, g->nodes, g->node_count, &s, b, opsets, opset_count, block))
        return false;
    int32_t *out = GLIA_NEW_ARRAY(&l->net->arena, int32_t, g->output_count + 1);
    block->parts = GLIA_NEW_ARRAY(&l->net->arena, glia_net_part *, block->node_count + 1);
    if (!out || !block->parts) return no_memory(l);
    for (int64_t i = 0; i < g->output_count; i++)
        if (!find_slot(&s, g->outputs[i].name, &out[i]) || out[i] < 0)
            return fail(l, GLIA_E_FORMAT, "G1027", "nothing defines the output `%.200s` of graph `%.200s`",
                        g->outputs[i].name, g->name);
    block->out = out;
    block->out_count = (int32_t)g->output_count;
    return true;
}

/* ---- last uses ----------------------------------------------------------------------------------------- */

/* A block's own values live until `at`, the node of `owner` that reads them or holds a body that does. */
static void use(glia_net *net, int32_t slot, const glia_net_block *owner, int32_t at)
{
    if (slot >= 0 && net->slots[slot].owner == owner && net->slots[slot].last_use < at)
        net->slots[slot].last_use = at;
}

/* Uses within the bodies of `n`, seen from every block around them: `path` holds these with their nodes. */
typedef struct place {
    const glia_net_block *block;
    int32_t at;
} place;

static void use_everywhere(glia_net *net, int32_t slot, const place *path, int depth)
{
    for (int i = 0; i < depth; i++) use(net, slot, path[i].block, path[i].at);
}

/* Recurses over bodies, whose nesting is bounded. */
static void find_uses(glia_net *net, const glia_net_block *b, place *path, int depth)
{
    path[depth].block = b;
    for (int64_t i = 0; i < b->node_count; i++) {
        const glia_net_node *n = &b->nodes[i];
        path[depth].at = (int32_t)i;
        for (int32_t j = 0; j < n->in_count; j++) use_everywhere(net, n->in[j], path, depth + 1);
        for (int32_t j = 0; j < n->body_count && depth + 1 < GLIA_NET_DEPTH + 2; j++)
            find_uses(net, &n->bodies[j], path, depth + 1);
    }
    path[depth].at = INT32_MAX;
    for (int32_t i = 0; i < b->out_count; i++) use_everywhere(net, b->out[i], path, depth + 1);
}

/* Slots' names are made unique, since they name values of graphs. */
static bool unique_names(linker *l)
{
    glia_net *net = l->net;
    scope seen;
    if (!scope_init(l, &seen, NULL, net->slot_count)) return false;
    for (int64_t i = 0; i < net->slot_count; i++) {
        const char *name = net->slots[i].name;
        if (scope_own(&seen, name) || strlen(name) > 900 || strchr(name, '^'))
            name = glia_arena_printf(&net->arena, "%.800s#%lld", name, (long long)i);
        if (!name) return no_memory(l);
        net->slots[i].name = name;
        if (!scope_add(l, &seen, name, (int32_t)i)) return false;
    }
    return true;
}

glia_status glia_net_link(glia_net *net, glia_error *e)
{
    linker l = {.net = net, .e = e};
    place path[GLIA_NET_DEPTH + 3];
    glia_arena_init(&l.scratch, net->options.os, 0);
    const glia_onnx *m = net->file;
    if (link_graph(&l, &m->graph, NULL, NULL, m->opsets, m->opset_count, &net->main) && unique_names(&l)) {
        find_uses(net, &net->main, path, 0);
        for (int i = 0; i < GLIA_NET_CALL_SLOTS; i++) {
            int32_t slot = new_slot(&l, glia_arena_printf(&net->arena, "call.%d^", i), NULL);
            if (slot >= 0) net->slots[slot].last_use = INT32_MAX;
        }
        net->slot_count -= l.status ? 0 : GLIA_NET_CALL_SLOTS;
    }
    glia_arena_free(&l.scratch);
    return l.status;
}
