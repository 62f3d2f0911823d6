/* Graphs: values, names, nodes, outputs, sealing. Types are infer.c's, pictures of errors errors_text.c's. */
#include "graph/custom.h"
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "graph/build.h"

typedef struct name_table { /* open addressing over value ids; an entry whose value was renamed is passed over
                             */
    uint32_t *ids;
    int64_t size, count;
    int64_t serial; /* for names that the graph makes */
} name_table;

/* ---- errors ------------------------------------------------------------------------------------ */

static void fail_v(glia_graph *g, glia_status status, const char *code, const char *format, va_list ap)
{
    char text[sizeof g->error.text];
    if (!g || g->error.status != GLIA_OK) return;
    vsnprintf(text, sizeof text, format, ap);
    g->error = (glia_error)GLIA_ERROR_INIT;
    glia_fail(&g->error, status, code, "%s", text);
}

glia_value glia_graph_fail(glia_graph *g, glia_status status, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fail_v(g, status, code, format, ap);
    va_end(ap);
    return (glia_value){0};
}

/* Every glia_infer is the first member of a glia_building. */
bool glia_infer_fail(glia_infer *x, glia_status status, const char *code, const char *format, ...)
{
    va_list ap;
    bool first = x->g->error.status == GLIA_OK;
    va_start(ap, format);
    fail_v(x->g, status, code, format, ap);
    va_end(ap);
    if (first) glia_explain_inputs((glia_building *)x);
    return false;
}

static glia_value no_memory(glia_graph *g)
{
    if (g->arena.limit && g->arena.failed)
        return glia_graph_fail(g, GLIA_E_NOMEM, "G0109",
                               "no memory: the graph holds %lld bytes of at most %lld",
                               (long long)g->arena.used, (long long)g->arena.limit);
    return glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph");
}

/* ---- life -------------------------------------------------------------------------------------- */

glia_status glia_graph_create(const glia_graph_options *options, glia_graph **out, glia_error *e)
{
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    if (!out) return glia_fail(e, GLIA_E_ARG, "G0112", "glia_graph_create: out is null");
    *out = 0;
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.bytes_max < 0 || o.nodes_max < 0 || o.nodes_max > INT32_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0109", "glia_graph_create: a limit is out of range");
    glia_arena arena;
    glia_arena_init(&arena, o.os, o.bytes_max ? o.bytes_max : (int64_t)256 << 20);
    glia_graph *g = GLIA_NEW(&arena, glia_graph);
    if (!g) {
        glia_arena_free(&arena);
        return glia_fail(e, GLIA_E_NOMEM, "G0109", "no memory for a graph");
    }
    g->arena = arena; /* from here on the graph lives in its own arena */
    g->error = (glia_error)GLIA_ERROR_INIT;
    g->node_limit = o.nodes_max ? o.nodes_max : 1000000;
    g->names = GLIA_NEW(&g->arena, name_table);
    g->values = glia_arena_grow(&g->arena, 0, 0, &g->value_capacity, sizeof *g->values);
    g->value_count = 1;
    if (!g->names || !g->values || !glia_dims_init(g)) {
        glia_graph_destroy(g);
        return glia_fail(e, GLIA_E_NOMEM, "G0109", "no memory for a graph");
    }
    memset(&g->values[0], 0, sizeof g->values[0]);
    g->values[0].name = "";
    g->values[0].producer = -1;
    glia_status s = glia_custom_ops_make(&g->arena, o.ops, o.op_count, &g->custom, e);
    if (s) {
        glia_graph_destroy(g);
        return s;
    }
    *out = g;
    return GLIA_OK;
}

void glia_graph_destroy(glia_graph *g)
{
    if (!g) return;
    glia_arena arena = g->arena;
    glia_arena_free(&arena);
}

/* False when the graph takes nothing more: an earlier error, or sealed. */
static bool open_graph(glia_graph *g)
{
    if (!g || g->error.status != GLIA_OK) return false;
    if (!g->sealed) return true;
    glia_graph_fail(g, GLIA_E_STATE, "G0111", "the graph is sealed: nothing can be added or renamed");
    return false;
}

/* ---- names ------------------------------------------------------------------------------------- */

static uint64_t hash_name(const char *s)
{
    uint64_t h = 1469598103934665603u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 1099511628211u;
    return h ^ h >> 32;
}

static uint32_t *name_slot(const glia_graph *g, const name_table *t, const char *name)
{
    int64_t i = (int64_t)(hash_name(name) & (uint64_t)(t->size - 1));
    while (t->ids[i] && strcmp(g->values[t->ids[i]].name, name)) i = (i + 1) & (t->size - 1);
    return &t->ids[i];
}

static bool name_put(glia_graph *g, uint32_t id)
{
    name_table *t = g->names;
    if (2 * (t->count + 1) > t->size) {
        name_table bigger = *t;
        bigger.size = t->size ? 2 * t->size : 64;
        bigger.ids = GLIA_NEW_ARRAY(&g->arena, uint32_t, bigger.size);
        if (!bigger.ids) return false;
        bigger.count = g->value_count;
        for (int64_t i = 1; i < g->value_count; i++) *name_slot(g, &bigger, g->values[i].name) = (uint32_t)i;
        *t = bigger;
    }
    *name_slot(g, t, g->values[id].name) = id;
    t->count++;
    return true;
}

glia_value glia_graph_find(const glia_graph *g, const char *name)
{
    const name_table *t = g ? g->names : 0;
    if (!t || !t->size || !name || !*name) return (glia_value){0};
    return (glia_value){*name_slot(g, t, name)};
}

static bool name_free(glia_graph *g, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > GLIA_GRAPH_NAME_MAX) {
        glia_graph_fail(g, GLIA_E_ARG, "G0110", "a name has 1 to %d bytes; this one has %zu",
                        GLIA_GRAPH_NAME_MAX, n);
        return false;
    }
    if (glia_is_null(glia_graph_find(g, name))) return true;
    glia_graph_fail(g, GLIA_E_ARG, "G0110",
                    "two values would be called `%.300s`; names are unique in a graph", name);
    return false;
}

/* A free name that begins with `base`: "add.7". */
static void make_name(glia_graph *g, const char *base, int64_t number, char *buf, size_t size)
{
    name_table *t = g->names;
    snprintf(buf, size, "%.900s.%lld", base, (long long)number);
    while (!glia_is_null(glia_graph_find(g, buf)))
        snprintf(buf, size, "%.900s.%lld_%lld", base, (long long)number, (long long)++t->serial);
}

void glia_graph_set_name(glia_graph *g, glia_value v, const char *name)
{
    if (!open_graph(g) || glia_is_null(v)) return;
    if (v.id >= g->value_count) {
        glia_graph_fail(g, GLIA_E_ARG, "G0112", "glia_graph_set_name: the value is of another graph");
        return;
    }
    glia_value_info *info = &g->values[v.id];
    if (name && !strcmp(info->name, name)) return;
    if (!name_free(g, name)) return;
    char *copy = glia_arena_strdup(&g->arena, name);
    if (!copy) {
        no_memory(g);
        return;
    }
    info->name = copy;
    if (info->producer >= 0 && info->output == 0) g->nodes[info->producer].name = copy;
    if (!name_put(g, v.id)) no_memory(g);
}

/* ---- values ------------------------------------------------------------------------------------ */

const glia_value_info *glia_graph_value(const glia_graph *g, glia_value v)
{
    return &g->values[v.id < g->value_count ? v.id : 0];
}

int glia_value_type(const glia_graph *g, glia_value v, glia_type *out)
{
    if (!g || !v.id || v.id >= g->value_count) return 0;
    *out = g->values[v.id].type;
    return 1;
}

bool glia_type_check(glia_graph *g, const char *name, const glia_type *t)
{
    char text[160];
    int64_t lo, hi;
    if (t->dtype <= GLIA_DTYPE_NONE || t->dtype >= GLIA_DTYPE_COUNT || t->rank < 0 ||
        t->rank > GLIA_RANK_MAX || t->layout < 0) {
        glia_graph_fail(g, GLIA_E_ARG, "G0115", "`%.300s` has no valid type: dtype %d, rank %d, layout %d",
                        name, (int)t->dtype, t->rank, t->layout);
        return false;
    }
    for (int a = 0; a < t->rank; a++) {
        if (!glia_dim_valid(g, t->dims[a])) {
            glia_graph_fail(g, GLIA_E_SHAPE, "G0115",
                            "`%.300s`: the size of axis %d is negative, or a dimension of another graph",
                            name, a);
            return false;
        }
        glia_dim_difference_bounds(g, t->dims[a], 0, &lo, &hi);
        if (hi >= 0) continue;
        glia_graph_fail(g, GLIA_E_SHAPE, "G0115",
                        "`%.300s`: the size of axis %d, %s, is negative for all values of its symbols", name,
                        a, glia_dim_text(g, t->dims[a], text, sizeof text));
        return false;
    }
    int64_t block = glia_dtype_get(t->dtype)->block_elements;
    if (block > 1 && (t->rank == 0 || !glia_dim_divisible(g, t->dims[t->rank - 1], block))) {
        glia_graph_fail(
            g, GLIA_E_SHAPE, "G0108",
            "`%.300s` is %s: the last axis of a block format is a multiple of its block of %lld elements",
            name, glia_type_text(g, t, text, sizeof text), (long long)block);
        return false;
    }
    int64_t bytes;
    bool constant = true;
    for (int a = 0; a < t->rank; a++) constant &= t->dims[a] >= 0;
    if (!constant || glia_dtype_tensor_bytes(t->dtype, t->rank, t->dims, &bytes)) return true;
    glia_graph_fail(g, GLIA_E_LIMIT, "G0104", "`%.300s` is %s: its size in bytes is beyond 2^63", name,
                    glia_type_text(g, t, text, sizeof text));
    return false;
}

static glia_value add_value(glia_graph *g, const char *name, glia_value_kind kind, const glia_type *type)
{
    glia_value_info *grown =
        g->value_count < INT32_MAX
            ? glia_arena_grow(&g->arena, g->values, g->value_count, &g->value_capacity, sizeof *grown)
            : 0;
    char *copy = glia_arena_strdup(&g->arena, name);
    if (grown) g->values = grown;
    if (!grown || !copy) return no_memory(g);
    uint32_t id = (uint32_t)g->value_count++;
    g->values[id] = (glia_value_info){.name = copy, .kind = kind, .type = *type, .producer = -1};
    for (int a = type->rank; a < GLIA_RANK_MAX; a++) g->values[id].type.dims[a] = 0;
    if (!name_put(g, id)) return no_memory(g);
    return (glia_value){id};
}

static glia_value leaf(glia_graph *g, const char *name, glia_value_kind kind, const glia_type *type)
{
    if (!open_graph(g)) return (glia_value){0};
    if (!type) return glia_graph_fail(g, GLIA_E_ARG, "G0115", "`%.300s` has no type", name ? name : "");
    if (!name_free(g, name) || !glia_type_check(g, name, type)) return (glia_value){0};
    return add_value(g, name, kind, type);
}

glia_value glia_graph_input(glia_graph *g, const char *name, const glia_type *type)
{
    return leaf(g, name, GLIA_VALUE_INPUT, type);
}

glia_value glia_graph_weight(glia_graph *g, const char *name, const glia_type *type, const void *data,
                             const char *origin)
{
    glia_value v = leaf(g, name, GLIA_VALUE_WEIGHT, type);
    if (glia_is_null(v)) return v;
    g->values[v.id].data = data;
    if (origin && !(g->values[v.id].origin = glia_arena_strdup(&g->arena, origin))) return no_memory(g);
    return v;
}

glia_value glia_graph_constant(glia_graph *g, const char *name, const glia_type *type, const void *data)
{
    int64_t bytes = 0;
    bool constant = type != 0;
    for (int a = 0; type && a < type->rank && a < GLIA_RANK_MAX; a++) constant &= type->dims[a] >= 0;
    if (g && type && type->rank >= 0 && type->rank <= GLIA_RANK_MAX &&
        (!constant || type->layout || !data ||
         !glia_dtype_tensor_bytes(type->dtype, type->rank, type->dims, &bytes) ||
         bytes > GLIA_GRAPH_CONSTANT_MAX))
        return glia_graph_fail(
            g, GLIA_E_LIMIT, "G0116",
            "constant `%.300s`: constants have data, constant sizes, plain layout, and at most %d bytes",
            name ? name : "", GLIA_GRAPH_CONSTANT_MAX);
    glia_value v = leaf(g, name, GLIA_VALUE_CONSTANT, type);
    if (glia_is_null(v)) return v;
    void *copy = glia_arena_alloc(&g->arena, bytes, 64);
    if (!copy) return no_memory(g);
    if (bytes) memcpy(copy, data, (size_t)bytes);
    g->values[v.id].data = copy;
    return v;
}

glia_value glia_graph_state(glia_graph *g, const char *name, const glia_type *type)
{
    glia_value v = leaf(g, name, GLIA_VALUE_STATE, type);
    if (!glia_is_null(v)) g->values[v.id].state = (int32_t)v.id;
    return v;
}

void glia_graph_output(glia_graph *g, const char *name, glia_value v)
{
    if (!open_graph(g)) return;
    size_t length = name ? strlen(name) : 0;
    if (glia_is_null(v) || v.id >= g->value_count || !length || length > GLIA_GRAPH_NAME_MAX) {
        glia_graph_fail(g, GLIA_E_ARG, "G0112", "an output needs a name and a value of this graph");
        return;
    }
    for (int64_t i = 0; i < g->output_count; i++) {
        if (strcmp(g->outputs[i].name, name)) continue;
        glia_graph_fail(g, GLIA_E_ARG, "G0110", "two outputs would be called `%.300s`", name);
        return;
    }
    glia_named *grown =
        glia_arena_grow(&g->arena, g->outputs, g->output_count, &g->output_capacity, sizeof *grown);
    char *copy = glia_arena_strdup(&g->arena, name);
    if (grown) g->outputs = grown;
    if (!grown || !copy) {
        no_memory(g);
        return;
    }
    g->outputs[g->output_count++] = (glia_named){copy, v};
}

glia_value glia_graph_output_of(glia_graph *g, glia_value v, int i)
{
    if (!g || glia_is_null(v) || g->error.status != GLIA_OK) return (glia_value){0};
    const glia_value_info *info = glia_graph_value(g, v);
    if (info->producer >= 0 && i >= 0 && i < g->nodes[info->producer].out_count)
        return g->nodes[info->producer].out[i];
    return glia_graph_fail(g, GLIA_E_ARG, "G0119", "`%.300s` has no output %d", info->name, i);
}

int glia_graph_output_count_of(const glia_graph *g, glia_value v)
{
    if (!g || glia_is_null(v) || v.id >= g->value_count) return 0;
    const int32_t producer = g->values[v.id].producer;
    return producer < 0 ? 0 : g->nodes[producer].out_count;
}

const char *glia_type_text(const glia_graph *g, const glia_type *t, char *buf, int size)
{
    char dim[128];
    int at = snprintf(buf, (size_t)size, "%s%s%s[", glia_dtype_name(t->dtype), t->layout ? ":" : "",
                      t->layout ? glia_layout_name(t->layout) : "");
    for (int i = 0; i < t->rank && i < GLIA_RANK_MAX && at < size; i++)
        at += snprintf(buf + at, (size_t)(size - at), "%s%s", i ? ", " : "",
                       glia_dim_text(g, t->dims[i], dim, sizeof dim));
    if (at < size) snprintf(buf + at, (size_t)(size - at), "]");
    return buf;
}

/* The array of nodes may have moved since n was taken; its outputs have not. */
int64_t glia_node_index(const glia_graph *g, const glia_node *n) { return g->values[n->out[0].id].producer; }

/* ---- attributes -------------------------------------------------------------------------------- */

static bool attr_set(glia_graph *g, const char *node, const glia_op *op, const glia_attr_spec *spec,
                     const glia_attr_arg *arg, glia_attr *a)
{
    if (spec->kind != arg->kind || arg->count < 0 || arg->count > 65536 || (arg->count && !arg->ints)) {
        glia_graph_fail(g, GLIA_E_ARG, "G0120",
                        "`%.300s` (%s): attribute `%s` is of another kind than the operation's", node,
                        op->name, spec->name);
        return false;
    }
    if (spec->kind == GLIA_ATTR_DTYPE && (arg->i <= GLIA_DTYPE_NONE || arg->i >= GLIA_DTYPE_COUNT)) {
        glia_graph_fail(g, GLIA_E_ARG, "G0120", "`%.300s` (%s): attribute `%s` is no dtype", node, op->name,
                        spec->name);
        return false;
    }
    a->i = spec->kind == GLIA_ATTR_FLOAT ? 0 : arg->i;
    a->f = spec->kind == GLIA_ATTR_FLOAT ? arg->f : 0;
    if (spec->kind != GLIA_ATTR_INTS) return true;
    int64_t *copy = GLIA_NEW_ARRAY(&g->arena, int64_t, arg->count);
    if (!copy) return !glia_is_null(no_memory(g));
    if (arg->count) memcpy(copy, arg->ints, (size_t)arg->count * sizeof *copy);
    a->ints = copy;
    a->i = arg->count;
    return true;
}

/* The attributes in the op's order, defaults filled in; null after an error. */
static glia_attr *fill_attrs(glia_graph *g, const glia_op *op, const char *node, const glia_attr_arg *args)
{
    static const int64_t none[1] = {0};
    uint64_t given = 0;
    int count = 0;
    while (op->attrs && op->attrs[count].name && count < 64) count++;
    glia_attr *attr = GLIA_NEW_ARRAY(&g->arena, glia_attr, count);
    if (!attr) no_memory(g);
    for (int i = 0; attr && i < count; i++) {
        const glia_attr_spec *s = &op->attrs[i];
        if (s->kind == GLIA_ATTR_FLOAT) attr[i].f = s->number;
        else if (s->kind == GLIA_ATTR_INTS) attr[i].ints = none;
        else attr[i].i = (int64_t)s->number;
    }
    for (; attr && args && args->name; args++) {
        int i = glia_op_attr(op, args->name, (int)strlen(args->name));
        if (i < 0 || given >> i & 1) {
            glia_graph_fail(g, GLIA_E_ARG, "G0120",
                            i < 0 ? "`%.300s` (%s) has no attribute `%.100s`"
                                  : "`%.300s` (%s): attribute `%.100s` is given twice",
                            node, op->name, args->name);
            return 0;
        }
        given |= (uint64_t)1 << i;
        if (!attr_set(g, node, op, &op->attrs[i], args, &attr[i])) return 0;
    }
    for (int i = 0; attr && i < count; i++) {
        if (!op->attrs[i].required || given >> i & 1) continue;
        glia_graph_fail(g, GLIA_E_ARG, "G0120", "`%.300s` (%s) needs the attribute `%s`", node, op->name,
                        op->attrs[i].name);
        return 0;
    }
    return attr;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

/* The state that output i carries on: what a signature writes, or what a view of a state shows. */
static int32_t state_of_output(const glia_building *b, int i)
{
    const glia_graph *g = b->x.g;
    if (b->has_signature && i < b->sig->out_count && b->sig->out[i].next >= 0)
        return glia_graph_value(g, b->in[b->sig->out[i].next])->state;
    if (i == 0 && (b->x.op->traits & (GLIA_VIEW | GLIA_GUARD)) && b->x.in_count)
        return glia_graph_value(g, b->in[0])->state;
    return 0;
}

static glia_value add_node(glia_building *b, const char *name)
{
    glia_graph *g = b->x.g;
    int count = b->x.in_count, out_count = b->x.out_count;
    glia_node *grown = glia_arena_grow(&g->arena, g->nodes, g->node_count, &g->node_capacity, sizeof *grown);
    glia_value *in = GLIA_NEW_ARRAY(&g->arena, glia_value, count),
               *out = GLIA_NEW_ARRAY(&g->arena, glia_value, out_count);
    if (grown) g->nodes = grown;
    if (!grown || !in || !out) return no_memory(g);
    if (count) memcpy(in, b->in, (size_t)count * sizeof *in);
    for (int i = 0; i < out_count; i++) {
        char more[GLIA_GRAPH_NAME_MAX + 64];
        if (i) make_name(g, name, i, more, sizeof more);
        int32_t state = state_of_output(b, i);
        out[i] = add_value(g, i ? more : name, GLIA_VALUE_NODE, &b->out[i]);
        if (glia_is_null(out[i])) return out[i];
        glia_value_info *v = &g->values[out[i].id];
        v->producer = (int32_t)g->node_count;
        v->output = i;
        v->state = state;
    }
    g->nodes[g->node_count++] = (glia_node){.op = b->x.op,
                                            .name = g->values[out[0].id].name,
                                            .in_count = count,
                                            .out_count = out_count,
                                            .in = in,
                                            .out = out,
                                            .attr = b->attr};
    return out[0];
}

static bool inputs_ok(glia_graph *g, const glia_op *op, const char *name, const glia_value *in, int count)
{
    if (count < 0 || count > GLIA_GRAPH_INPUTS_MAX || (count && !in)) {
        glia_graph_fail(g, GLIA_E_ARG, "G0114", "`%.300s` (%s): %d inputs; a node has 0 to %d", name,
                        op->name, count, GLIA_GRAPH_INPUTS_MAX);
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (in[i].id < g->value_count) continue;
        glia_graph_fail(g, GLIA_E_ARG, "G0112", "`%.300s` (%s): input %d is of another graph", name, op->name,
                        i);
        return false;
    }
    if (g->node_count < g->node_limit) return true;
    glia_graph_fail(g, GLIA_E_LIMIT, "G0109", "the graph has %lld nodes, which is its limit",
                    (long long)g->node_limit);
    return false;
}

glia_value glia_graph_apply(glia_graph *g, const glia_op *op, const char *name, const glia_value *in,
                            int count, const glia_attr_arg *attrs)
{
    char made[GLIA_GRAPH_NAME_MAX + 64];
    if (!open_graph(g)) return (glia_value){0};
    if (name && *name) {
        if (!name_free(g, name)) return (glia_value){0};
    } else {
        make_name(g, op->name, g->node_count, made, sizeof made);
        name = made;
    }
    if (!inputs_ok(g, op, name, in, count)) return (glia_value){0};
    glia_attr *attr = fill_attrs(g, op, name, attrs);
    if (!attr) return (glia_value){0};
    glia_building b = {
        .x = {.g = g, .op = op, .attr = attr, .in_count = count}, .node = name, .in = in, .attr = attr};
    if (!glia_infer_run(&b) || g->error.status != GLIA_OK) return (glia_value){0};
    return add_node(&b, name);
}

const glia_op *glia_graph_op(const glia_graph *g, const char *name)
{
    const glia_op *custom = glia_custom_find(g->custom, name);
    return custom ? custom : glia_op_find(name);
}

glia_value glia_graph_node(glia_graph *g, const char *op, const char *name, const glia_value *in, int count,
                           const glia_attr_arg *attrs)
{
    if (!g || g->error.status != GLIA_OK) return (glia_value){0};
    const glia_op *o = op ? glia_graph_op(g, op) : 0;
    if (!o)
        return glia_graph_fail(g, GLIA_E_NOT_FOUND, "G0113",
                               "there is no operation `%.100s`; docs/ops.md has the list", op ? op : "");
    return glia_graph_apply(g, o, name, in, count, attrs);
}

/* ---- sealing ----------------------------------------------------------------------------------- */

/* Does a node of this signature (null: none) write the version of a state that its input `i` is? */
static bool writes_input(const glia_signature *s, int i)
{
    for (int o = 0; s && o < s->out_count; o++) {
        if (s->out[o].next == i) return true;
    }
    return false;
}

/* One node against the versions that are replaced already. `writer` holds, for each value, 1 + the node that
 * has replaced it; `version` the value whose bytes a view shows. */
static bool check_state_use(glia_graph *g, const glia_node *n, int32_t index, int32_t *writer,
                            uint32_t *version)
{
    const glia_signature *s = glia_signature_find(g, n->op);
    bool uses = false;
    for (int i = 0; i < n->in_count; i++) uses |= g->values[n->in[i].id].state != 0;
    if (!uses) return true;
    for (int i = 0; i < n->in_count; i++) {
        uint32_t v = version[n->in[i].id];
        if (!g->values[v].state || !writer[v]) continue;
        const glia_node *w = &g->nodes[writer[v] - 1];
        bool writes = writes_input(s, i);
        glia_graph_fail(
            g, GLIA_E_TYPE, writes ? "G0140" : "G0141",
            "`%.200s` (%s) %s a version of state `%.200s` that `%.200s` (%s) has already replaced\n"
            "   = a state is used linearly: each version has one writer, and its readers come before it\n"
            "   = help: %s",
            n->name, n->op->name, writes ? "writes" : "reads", g->values[g->values[v].state].name, w->name,
            w->op->name,
            writes ? "let the second write take what the first returned"
                   : "read what the writer returned, or add the reader before the writer");
        return false;
    }
    for (int i = 0; i < n->in_count; i++) {
        uint32_t v = version[n->in[i].id];
        if (!v || !writes_input(s, i)) continue;
        for (int k = 0; k < n->in_count; k++) {
            if (k == i || version[n->in[k].id] != v) continue;
            glia_graph_fail(g, GLIA_E_TYPE, "G0141",
                            "`%.200s` (%s) writes state `%.200s` and reads it as another input", n->name,
                            n->op->name, g->values[g->values[v].state].name);
            return false;
        }
        writer[v] = index + 1;
    }
    if ((n->op->traits & (GLIA_VIEW | GLIA_GUARD)) && g->values[n->out[0].id].state)
        version[n->out[0].id] = version[n->in[0].id];
    return true;
}

static void check_states(glia_graph *g)
{
    int32_t *writer = GLIA_NEW_ARRAY(&g->arena, int32_t, g->value_count);
    uint32_t *version = GLIA_NEW_ARRAY(&g->arena, uint32_t, g->value_count);
    if (!writer || !version) {
        no_memory(g);
        return;
    }
    for (int64_t i = 0; i < g->value_count; i++) version[i] = (uint32_t)i;
    for (int64_t i = 0; i < g->node_count; i++) {
        if (!check_state_use(g, &g->nodes[i], (int32_t)i, writer, version)) return;
    }
}

glia_status glia_graph_seal(glia_graph *g, glia_error *e)
{
    if (!g) return glia_fail(e, GLIA_E_ARG, "G0112", "glia_graph_seal: the graph is null");
    if (g->error.status == GLIA_OK && !g->sealed) check_states(g);
    if (g->error.status == GLIA_OK && !g->sealed) glia_guards_solve(g);
    if (g->error.status != GLIA_OK) return glia_fail(e, g->error.status, g->error.code, "%s", g->error.text);
    g->sealed = true;
    return GLIA_OK;
}
