/* Values, nodes, names; type inference by unification; regions. */
#include "graph/graph.h"

#include "base/check.h"
#include "graph/dims.h"
#include "graph/lite_sig.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OPERANDS_MAX = 16, BINDINGS_MAX = 24, CONSTANT_BYTES_MAX = 65536 };

/* ---- errors -------------------------------------------------------------------------------------- */

static void fail_v(glia_graph *g, glia_status status, const char *code, const char *format, va_list ap)
{
    char text[2048];
    if (g->error.status) return;
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

bool glia_infer_fail(glia_infer *x, glia_status status, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fail_v(x->g, status, code, format, ap);
    va_end(ap);
    return false;
}

static glia_value no_memory(glia_graph *g) { return glia_graph_fail(g, GLIA_E_NOMEM, "G0801", "out of memory while building a graph"); }

/* ---- life ---------------------------------------------------------------------------------------- */

typedef struct name_table { /* open addressing over value ids */
    uint32_t *ids;
    int64_t capacity, count;
} name_table;

glia_status glia_graph_create(const glia_graph_options *o, glia_graph **out, glia_error *e)
{
    glia_arena a;
    *out = NULL;
    glia_arena_init(&a, o ? o->os : NULL, o && o->bytes_max ? o->bytes_max : (int64_t)256 << 20);
    glia_graph *g = GLIA_NEW(&a, glia_graph);
    if (!g) {
        glia_arena_free(&a);
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while creating a graph");
    }
    g->arena = a;
    g->error = (glia_error)GLIA_ERROR_INIT;
    g->node_limit = o && o->nodes_max ? o->nodes_max : 1000000;
    name_table *t = GLIA_NEW(&g->arena, name_table);
    g->names = t;
    g->values = glia_arena_grow(&g->arena, NULL, 0, &g->value_capacity, sizeof *g->values);
    g->value_count = 1;
    if (!t || !g->values || !glia_dims_init(g)) {
        glia_graph_destroy(g);
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while creating a graph");
    }
    *out = g;
    return GLIA_OK;
}

void glia_graph_destroy(glia_graph *g)
{
    if (!g) return;
    glia_arena a = g->arena;
    glia_arena_free(&a);
}

/* ---- names --------------------------------------------------------------------------------------- */

static uint64_t hash_name(const char *s)
{
    uint64_t h = 1469598103934665603u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 1099511628211u;
    return h;
}

static uint32_t *name_slot(const glia_graph *g, const name_table *t, const char *name)
{
    uint64_t i = hash_name(name) & (uint64_t)(t->capacity - 1);
    while (t->ids[i] && strcmp(g->values[t->ids[i]].name, name)) i = (i + 1) & (uint64_t)(t->capacity - 1);
    return &t->ids[i];
}

static bool name_put(glia_graph *g, uint32_t id)
{
    name_table *t = g->names;
    if (2 * (t->count + 1) > t->capacity) {
        name_table bigger = {NULL, t->capacity ? 2 * t->capacity : 64, t->count};
        bigger.ids = GLIA_NEW_ARRAY(&g->arena, uint32_t, bigger.capacity);
        if (!bigger.ids) return false;
        for (int64_t i = 0; i < t->capacity; i++)
            if (t->ids[i]) *name_slot(g, &bigger, g->values[t->ids[i]].name) = t->ids[i];
        *t = bigger;
    }
    *name_slot(g, t, g->values[id].name) = id;
    t->count++;
    return true;
}

glia_value glia_graph_find(const glia_graph *g, const char *name)
{
    const name_table *t = g->names;
    if (!t->capacity || !name) return (glia_value){0};
    return (glia_value){*name_slot(g, t, name)};
}

const glia_value_info *glia_graph_value(const glia_graph *g, glia_value v)
{
    return &g->values[v.id < g->value_count ? v.id : 0];
}

int glia_value_type(const glia_graph *g, glia_value v, glia_type *out)
{
    if (!v.id || v.id >= g->value_count) return 0;
    *out = g->values[v.id].type;
    return 1;
}

/* ---- values -------------------------------------------------------------------------------------- */

static bool type_ok(glia_graph *g, const char *name, const glia_type *t)
{
    if (t->dtype <= GLIA_DTYPE_NONE || t->dtype >= GLIA_DTYPE_COUNT) {
        glia_graph_fail(g, GLIA_E_DTYPE, "G0111", "`%s` has no known dtype (%d)", name, (int)t->dtype);
        return false;
    }
    if (t->rank < 0 || t->rank > GLIA_RANK_MAX) {
        glia_graph_fail(g, GLIA_E_SHAPE, "G0112", "`%s` has rank %d; it must be 0 to %d", name, t->rank, GLIA_RANK_MAX);
        return false;
    }
    for (int i = 0; i < t->rank; i++)
        if (!glia_dim_valid(g, t->dims[i])) {
            glia_graph_fail(g, GLIA_E_SHAPE, "G0113", "`%s`: dimension %d is negative or of another graph", name, i);
            return false;
        }
    int64_t block = glia_dtype_get(t->dtype)->block_elements;
    if (block > 1 && (t->rank == 0 || !glia_dim_divisible(g, t->dims[t->rank - 1], block))) {
        char text[160];
        glia_graph_fail(g, GLIA_E_SHAPE, "G0114", "`%s` is %s: the last dimension must be a multiple of the block of %lld elements", name,
                        glia_type_text(g, t, text, sizeof text), (long long)block);
        return false;
    }
    return true;
}

static glia_value add_value(glia_graph *g, const char *name, glia_value_kind kind, const glia_type *type)
{
    glia_value_info *grown = glia_arena_grow(&g->arena, g->values, g->value_count, &g->value_capacity, sizeof *grown);
    if (!grown) return no_memory(g);
    g->values = grown;
    uint32_t id = (uint32_t)g->value_count;
    char *copy = glia_arena_strdup(&g->arena, name);
    if (!copy) return no_memory(g);
    g->values[id] = (glia_value_info){.name = copy, .kind = kind, .type = *type, .producer = -1};
    g->value_count++;
    if (!name_put(g, id)) return no_memory(g);
    return (glia_value){id};
}

static glia_value leaf(glia_graph *g, const char *name, glia_value_kind kind, const glia_type *type)
{
    if (!g || g->error.status) return (glia_value){0};
    if (g->sealed) return glia_graph_fail(g, GLIA_E_STATE, "G0115", "the graph is sealed");
    if (!name || !*name || !type) return glia_graph_fail(g, GLIA_E_ARG, "G0116", "a value needs a name and a type");
    if (!glia_is_null(glia_graph_find(g, name))) return glia_graph_fail(g, GLIA_E_ARG, "G0110", "two values are called `%s`", name);
    if (!type_ok(g, name, type)) return (glia_value){0};
    return add_value(g, name, kind, type);
}

glia_value glia_graph_input(glia_graph *g, const char *name, const glia_type *type) { return leaf(g, name, GLIA_VALUE_INPUT, type); }

glia_value glia_graph_weight(glia_graph *g, const char *name, const glia_type *type, const void *data, const char *origin)
{
    glia_value v = leaf(g, name, GLIA_VALUE_WEIGHT, type);
    if (glia_is_null(v)) return v;
    g->values[v.id].data = data;
    if (origin) g->values[v.id].origin = glia_arena_strdup(&g->arena, origin);
    return v;
}

glia_value glia_graph_constant(glia_graph *g, const char *name, const glia_type *type, const void *data)
{
    glia_value v = leaf(g, name, GLIA_VALUE_CONSTANT, type);
    int64_t bytes;
    if (glia_is_null(v)) return v;
    for (int i = 0; i < type->rank; i++)
        if (type->dims[i] < 0) return glia_graph_fail(g, GLIA_E_SHAPE, "G0118", "constant `%s` has a symbolic shape", name);
    if (!data || !glia_dtype_tensor_bytes(type->dtype, type->rank, type->dims, &bytes) || bytes > CONSTANT_BYTES_MAX)
        return glia_graph_fail(g, GLIA_E_LIMIT, "G0119", "constant `%s` has no data or more than 64 KiB", name);
    void *copy = glia_arena_alloc(&g->arena, bytes + 1, 64);
    if (!copy) return no_memory(g);
    memcpy(copy, data, (size_t)bytes);
    g->values[v.id].data = copy;
    return v;
}

glia_value glia_graph_state(glia_graph *g, const char *name, const glia_type *type)
{
    glia_value v = leaf(g, name, GLIA_VALUE_STATE, type);
    if (!glia_is_null(v)) g->values[v.id].state = (int32_t)v.id;
    return v;
}

void glia_graph_set_name(glia_graph *g, glia_value v, const char *name)
{
    if (g->error.status || glia_is_null(v) || !name || !*name) return;
    if (!glia_is_null(glia_graph_find(g, name))) {
        glia_graph_fail(g, GLIA_E_ARG, "G0110", "two values are called `%s`", name);
        return;
    }
    char *copy = glia_arena_strdup(&g->arena, name);
    /* The old name's entry stays: it leads to the same value. */
    if (copy) g->values[v.id].name = copy;
    if (!copy || !name_put(g, v.id)) no_memory(g);
}

void glia_graph_output(glia_graph *g, const char *name, glia_value v)
{
    if (!g || g->error.status || glia_is_null(v)) return;
    glia_named *grown = glia_arena_grow(&g->arena, g->outputs, g->output_count, &g->output_capacity, sizeof *grown);
    char *copy = glia_arena_strdup(&g->arena, name ? name : "");
    if (!grown || !copy) {
        no_memory(g);
        return;
    }
    g->outputs = grown;
    g->outputs[g->output_count++] = (glia_named){copy, v};
}

glia_value glia_graph_output_of(glia_graph *g, glia_value v, int i)
{
    const glia_value_info *info = glia_graph_value(g, v);
    if (glia_is_null(v) || info->producer < 0) return (glia_value){0};
    const glia_node *n = &g->nodes[info->producer];
    if (i < 0 || i >= n->out_count) return glia_graph_fail(g, GLIA_E_ARG, "G0121", "node `%s` has no output %d", n->name, i);
    return n->out[i];
}

const char *glia_type_text(const glia_graph *g, const glia_type *t, char *buf, int size)
{
    char dim[64];
    int at = snprintf(buf, (size_t)size, "%s%s[", glia_dtype_name(t->dtype), t->layout ? ":r16" : "");
    for (int i = 0; i < t->rank && at < size; i++)
        at += snprintf(buf + at, (size_t)(size - at), "%s%s", i ? ", " : "", glia_dim_text(g, t->dims[i], dim, sizeof dim));
    if (at < size) snprintf(buf + at, (size_t)(size - at), "]");
    return buf;
}

int64_t glia_node_index(const glia_graph *g, const glia_node *n) { return n - g->nodes; }

/* ---- unification ---------------------------------------------------------------------------------- */

typedef struct binding { /* a dim name, or one axis of an ellipsis */
    sig_name name;
    int axis; /* -1: a name; else the axis of the ellipsis counted from its right end */
    glia_dim dim;
    int operand, at; /* where it was bound first */
} binding;

typedef struct unifier {
    glia_graph *g;
    const glia_op *op;
    const char *node;
    const signature *sig;
    const glia_value *in;
    const glia_type *types; /* inputs */
    int count;
    const glia_attr *attr;
    binding b[BINDINGS_MAX];
    int bound;
    struct { sig_name name; int length; bool set; } ell[8];
    int ell_count;
    glia_dtype letter['Z' + 1];
} unifier;

static binding *find_binding(unifier *u, sig_name n, int axis)
{
    for (int i = 0; i < u->bound; i++)
        if (u->b[i].axis == axis && sig_same(u->b[i].name, n)) return &u->b[i];
    return NULL;
}

static void describe_operand(const unifier *u, int i, char *line, int size)
{
    char type[160];
    const glia_value_info *v = glia_graph_value(u->g, u->in[i]);
    const char *from = v->kind == GLIA_VALUE_NODE ? u->g->nodes[v->producer].op->name : v->kind == GLIA_VALUE_INPUT ? "input" : v->kind == GLIA_VALUE_STATE ? "state" : v->kind == GLIA_VALUE_CONSTANT ? "constant" : "tensor";
    snprintf(line, (size_t)size, "   |  %-5.*s: %-28s from %s `%s`%s%s", u->sig->in[i].name.size, u->sig->in[i].name.at,
             glia_type_text(u->g, &u->types[i], type, sizeof type), from, v->name, v->origin ? ", " : "", v->origin ? v->origin : "");
}

static bool mismatch(unifier *u, const binding *b, int operand, glia_dim other, bool impossible)
{
    char left[300], right[300], x[64], y[64];
    describe_operand(u, b->operand, left, sizeof left);
    describe_operand(u, operand, right, sizeof right);
    const char *code = impossible ? "G0117" : "G0102";
    glia_graph_fail(u->g, GLIA_E_SHAPE, code,
                    "error[%s]: cannot compose `%s` (%s): sizes disagree along `%.*s`\n%s\n%s\n   = %.*s is %s (from %.*s) and %s (from %.*s)\n   = %s: %s",
                    code, u->node, u->op->name, b->name.size, b->name.at, left, right, b->name.size, b->name.at,
                    glia_dim_text(u->g, b->dim, x, sizeof x), u->sig->in[b->operand].name.size, u->sig->in[b->operand].name.at,
                    glia_dim_text(u->g, other, y, sizeof y), u->sig->in[operand].name.size, u->sig->in[operand].name.at, u->op->name,
                    u->op->signature);
    return false;
}

static bool add_guard(unifier *u, glia_dim a, glia_dim b)
{
    glia_graph *g = u->g;
    glia_entry_guard *grown = glia_arena_grow(&g->arena, g->guards, g->guard_count, &g->guard_capacity, sizeof *grown);
    if (!grown) {
        no_memory(g);
        return false;
    }
    g->guards = grown;
    g->guards[g->guard_count++] = (glia_entry_guard){a, b, (int32_t)g->node_count};
    return true;
}

static bool unify(unifier *u, sig_name name, int axis, glia_dim d, int operand, int at)
{
    binding *b = find_binding(u, name, axis);
    if (!b) {
        if (u->bound == BINDINGS_MAX) return glia_graph_fail(u->g, GLIA_E_INTERNAL, "G0122", "`%s` has too many names", u->op->name).id;
        u->b[u->bound++] = (binding){name, axis, d, operand, at};
        return true;
    }
    if (b->dim == d) return true;
    int64_t difference, lo, hi;
    if (b->dim >= 0 && d >= 0) return mismatch(u, b, operand, d, false);
    if (glia_dim_constant_difference(u->g, b->dim, d, &difference)) return difference == 0 || mismatch(u, b, operand, d, true);
    glia_dim_difference_bounds(u->g, b->dim, d, &lo, &hi);
    if (lo > 0 || hi < 0) return mismatch(u, b, operand, d, true);
    return add_guard(u, b->dim, d);
}

static bool dtype_fits(unifier *u, int i)
{
    const sig_operand *o = &u->sig->in[i];
    glia_dtype t = u->types[i].dtype;
    bool fits = o->any || (o->classes & glia_dtype_get(t)->classes) || (o->exact >> t & 1);
    char line[300];
    if (!fits) {
        describe_operand(u, i, line, sizeof line);
        glia_graph_fail(u->g, GLIA_E_DTYPE, "G0104", "error[G0104]: `%s` (%s): `%.*s` cannot be %s\n%s\n   = %s: %s", u->node, u->op->name, o->name.size,
                        o->name.at, glia_dtype_name(t), line, u->op->name, u->op->signature);
        return false;
    }
    if (!o->letter || o->state) return true;
    glia_dtype *l = &u->letter[(int)o->letter];
    if (*l == GLIA_DTYPE_NONE) *l = t;
    if (*l == t) return true;
    describe_operand(u, i, line, sizeof line);
    glia_graph_fail(u->g, GLIA_E_DTYPE, "G0105", "error[G0105]: `%s` (%s): `%.*s` is %s where another operand is %s; dtypes are never converted silently\n%s\n   = help: insert a cast",
                    u->node, u->op->name, o->name.size, o->name.at, glia_dtype_name(t), glia_dtype_name(*l), line);
    return false;
}

static bool wrong_rank(unifier *u, int i)
{
    char line[300];
    describe_operand(u, i, line, sizeof line);
    glia_graph_fail(u->g, GLIA_E_SHAPE, "G0106", "error[G0106]: `%s` (%s): `%.*s` has rank %d, which does not fit\n%s\n   = %s: %s", u->node, u->op->name,
                    u->sig->in[i].name.size, u->sig->in[i].name.at, u->types[i].rank, line, u->op->name, u->op->signature);
    return false;
}

static bool is_broadcast(const unifier *u, sig_name n)
{
    for (int i = 0; i < u->sig->out_count; i++)
        for (int d = 0; d < u->sig->out[i].dim_count; d++) {
            const sig_dim *x = &u->sig->out[i].dims[d];
            if (x->kind == SIG_DIM_ELLIPSIS && x->other.size && (sig_same(x->name, n) || sig_same(x->other, n))) return true;
        }
    return false;
}

static bool unify_operand(unifier *u, int i)
{
    const sig_operand *o = &u->sig->in[i];
    const glia_type *t = &u->types[i];
    int ellipsis = -1;
    for (int d = 0; d < o->dim_count; d++)
        if (o->dims[d].kind == SIG_DIM_ELLIPSIS) ellipsis = d;
    int span = t->rank - (o->dim_count - (ellipsis >= 0));
    if (span < 0 || (ellipsis < 0 && span)) return wrong_rank(u, i);
    int axis = 0;
    for (int d = 0; d < o->dim_count; d++) {
        const sig_dim *s = &o->dims[d];
        if (s->kind != SIG_DIM_ELLIPSIS) {
            if (s->kind == SIG_DIM_NAME && !unify(u, s->name, -1, t->dims[axis], i, axis)) return false;
            if (s->kind == SIG_DIM_CONST && t->dims[axis] != s->number) return wrong_rank(u, i);
            axis++;
            continue;
        }
        int e = 0;
        while (e < u->ell_count && !sig_same(u->ell[e].name, s->name)) e++;
        if (e == u->ell_count && u->ell_count < 8) {
            u->ell[u->ell_count].name = s->name;
            u->ell[u->ell_count].length = span;
            u->ell_count++;
        } else if (u->ell[e].length != span) {
            if (!s->optional) return wrong_rank(u, i);
        }
        for (int k = 0; k < span; k++)
            if (!unify(u, s->name, span - 1 - k, t->dims[axis + k], i, axis + k)) return false;
        axis += span;
    }
    return true;
}

static bool broadcast_dim(unifier *u, glia_dim a, glia_dim b, glia_dim *out)
{
    if (a == b || b == 1) *out = a;
    else if (a == 1) *out = b;
    else {
        int64_t difference;
        char x[64], y[64];
        bool known = (a >= 0 && b >= 0) || (glia_dim_constant_difference(u->g, a, b, &difference) && difference);
        if (known) {
            char left[300], right[300];
            describe_operand(u, 0, left, sizeof left);
            describe_operand(u, u->count > 1 ? 1 : 0, right, sizeof right);
            glia_graph_fail(u->g, GLIA_E_SHAPE, "G0107", "error[G0107]: `%s` (%s): shapes do not broadcast\n%s\n%s\n   = %s and %s differ and neither is 1", u->node,
                            u->op->name, left, right, glia_dim_text(u->g, a, x, sizeof x), glia_dim_text(u->g, b, y, sizeof y));
            return false;
        }
        *out = a;
        return add_guard(u, a, b);
    }
    return true;
}

static int ellipsis_length(const unifier *u, sig_name n)
{
    for (int i = 0; i < u->ell_count; i++)
        if (sig_same(u->ell[i].name, n)) return u->ell[i].length;
    return 0;
}

static const glia_attr *attr_named(const unifier *u, sig_name n)
{
    for (int i = 0; u->op->attrs && u->op->attrs[i].name; i++)
        if ((int)strlen(u->op->attrs[i].name) == n.size && !memcmp(u->op->attrs[i].name, n.at, (size_t)n.size)) return &u->attr[i];
    return NULL;
}

static bool output_dims(unifier *u, const sig_operand *o, glia_type *t)
{
    for (int d = 0; d < o->dim_count; d++) {
        const sig_dim *s = &o->dims[d];
        if (s->kind == SIG_DIM_ELLIPSIS) {
            int a = ellipsis_length(u, s->name), b = s->other.size ? ellipsis_length(u, s->other) : 0;
            int span = a > b ? a : b;
            for (int k = span - 1; k >= 0; k--) {
                glia_dim x = k < a ? find_binding(u, s->name, k)->dim : 1, y = k < b ? find_binding(u, s->other, k)->dim : 1;
                if (t->rank == GLIA_RANK_MAX || !broadcast_dim(u, x, y, &t->dims[t->rank])) return false;
                t->rank++;
            }
            continue;
        }
        if (t->rank == GLIA_RANK_MAX) return false;
        if (s->kind == SIG_DIM_CONST) t->dims[t->rank++] = s->number;
        else if (s->kind == SIG_DIM_ATTR) {
            const glia_attr *a = attr_named(u, s->name);
            t->dims[t->rank++] = a && a->i >= 0 ? a->i : 0;
        } else {
            binding *b = find_binding(u, s->name, -1);
            t->dims[t->rank++] = b ? b->dim : 0; /* a size that only a hand rule knows */
        }
    }
    return true;
}

static glia_dim where_dim(unifier *u, const sig_dim *d)
{
    if (d->kind == SIG_DIM_CONST) return d->number;
    if (d->kind == SIG_DIM_ATTR) {
        const glia_attr *a = attr_named(u, d->name);
        return a ? a->i : 0;
    }
    binding *b = find_binding(u, d->name, -1);
    return b ? b->dim : 0;
}

static bool check_where(unifier *u)
{
    for (int i = 0; i < u->sig->where_count; i++) {
        const sig_where *w = &u->sig->where[i];
        glia_dim l = where_dim(u, &w->left), r = where_dim(u, &w->right);
        char x[64], y[64];
        bool bad = false;
        if (l >= 0 && r >= 0) bad = w->relation == SIG_DIVIDES ? l == 0 || r % l : l > r;
        if (bad) {
            glia_graph_fail(u->g, GLIA_E_SHAPE, "G0108", "error[G0108]: `%s` (%s): %s %s %s does not hold\n   = %s: %s", u->node, u->op->name,
                            glia_dim_text(u->g, l, x, sizeof x), w->relation == SIG_DIVIDES ? "divides" : "<=",
                            glia_dim_text(u->g, r, y, sizeof y), u->op->name, u->op->signature);
            return false;
        }
    }
    return true;
}

static bool infer_outputs(unifier *u, glia_type *out, int *out_count)
{
    *out_count = u->sig->out_count;
    for (int i = 0; i < u->sig->out_count; i++) {
        const sig_operand *o = &u->sig->out[i];
        out[i] = (glia_type){0};
        if (o->like >= 0 || o->next_of >= 0) {
            out[i] = u->types[o->like >= 0 ? o->like : o->next_of];
            continue;
        }
        if (o->attr_dtype.size) {
            const glia_attr *a = attr_named(u, o->attr_dtype);
            out[i].dtype = a ? (glia_dtype)a->i : GLIA_DTYPE_NONE;
        } else if (o->letter) {
            out[i].dtype = u->letter[(int)o->letter];
        } else {
            for (int t = 1; t < GLIA_DTYPE_COUNT; t++)
                if (o->exact >> t & 1) out[i].dtype = (glia_dtype)t;
        }
        if (!output_dims(u, o, &out[i])) return false;
    }
    return true;
}

/* ---- nodes ---------------------------------------------------------------------------------------- */

static bool fill_attrs(glia_graph *g, const glia_op *op, const char *name, const glia_attr_arg *args, glia_attr **out)
{
    int count = 0;
    while (op->attrs && op->attrs[count].name) count++;
    glia_attr *a = GLIA_NEW_ARRAY(&g->arena, glia_attr, count + 1);
    bool set[32] = {0};
    if (!a || count > 32) return !no_memory(g).id && false;
    for (int i = 0; i < count; i++) {
        a[i].f = op->attrs[i].number;
        a[i].i = op->attrs[i].kind == GLIA_ATTR_INTS ? 0 : (int64_t)op->attrs[i].number;
    }
    for (; args && args->name; args++) {
        int i = 0;
        while (i < count && strcmp(op->attrs[i].name, args->name)) i++;
        if (i == count || args->kind != op->attrs[i].kind)
            return glia_graph_fail(g, GLIA_E_ARG, "G0120", "error[G0120]: `%s` (%s) %s attribute `%s`", name, op->name, i == count ? "has no" : "has another kind of", args->name).id;
        set[i] = true;
        a[i].i = args->i;
        a[i].f = args->f;
        if (args->kind == GLIA_ATTR_INTS) {
            int64_t *copy = GLIA_NEW_ARRAY(&g->arena, int64_t, args->count + 1);
            if (!copy) return no_memory(g).id;
            if (args->count) memcpy(copy, args->ints, (size_t)args->count * sizeof *copy);
            a[i].ints = copy;
            a[i].i = args->count;
        }
    }
    for (int i = 0; i < count; i++)
        if (op->attrs[i].required && !set[i])
            return glia_graph_fail(g, GLIA_E_ARG, "G0120", "error[G0120]: `%s` (%s) needs attribute `%s`", name, op->name, op->attrs[i].name).id;
    *out = a;
    return true;
}

/* The types of a node's outputs; false after an error was recorded. */
static bool infer(glia_graph *g, const glia_op *op, const char *name, const glia_value *in, int count, const glia_attr *attr,
                  signature *sig, glia_type *out, int *out_count)
{
    glia_type types[OPERANDS_MAX + 1] = {{0}};
    const char *at;
    for (int i = 0; i < count; i++)
        if (!glia_is_null(in[i])) types[i] = g->values[in[i].id].type;
    *out_count = 1;
    for (int i = 0; i < OPERANDS_MAX; i++) out[i] = (glia_type){0};
    if (op->signature) {
        if (!signature_parse(op->signature, sig, &at))
            return glia_graph_fail(g, GLIA_E_INTERNAL, "G0123", "the signature of `%s` does not parse at `%.20s`", op->name, at).id;
        if (count > sig->in_count && !sig->in[sig->in_count - 1].variadic)
            return glia_graph_fail(g, GLIA_E_ARG, "G0124", "`%s` (%s) takes %d inputs, not %d\n   = %s", name, op->name, sig->in_count, count, op->signature).id;
        unifier u = {.g = g, .op = op, .node = name, .sig = sig, .in = in, .types = types, .count = count, .attr = attr};
        for (int i = 0; i < sig->in_count; i++) {
            if (i >= count || glia_is_null(in[i])) continue;
            if (!dtype_fits(&u, i) || !unify_operand(&u, i)) return false;
            if (sig->in[i].state != (g->values[in[i].id].state != 0) && sig->in[i].state)
                return glia_graph_fail(g, GLIA_E_TYPE, "G0141", "`%s` (%s): `%s` must be a state", name, op->name, g->values[in[i].id].name).id;
        }
        if (!infer_outputs(&u, out, out_count) || !check_where(&u)) {
            glia_graph_fail(g, GLIA_E_SHAPE, "G0106", "`%s` (%s): the result's rank is too large", name, op->name);
            return false;
        }
        (void)is_broadcast;
    }
    if (op->infer) {
        glia_infer x = {g, op, attr, count, types, *out_count, out};
        if (!op->infer(&x) || g->error.status) {
            glia_graph_fail(g, GLIA_E_SHAPE, "G0125", "`%s` (%s): the inputs do not fit", name, op->name);
            return false;
        }
        *out_count = x.out_count;
    }
    for (int i = 0; i < *out_count; i++)
        if (!type_ok(g, name, &out[i])) return false;
    return true;
}

static const char *unique_name(glia_graph *g, const char *base, char *buf, int size)
{
    snprintf(buf, (size_t)size, "%s", base);
    for (int64_t i = g->node_count; !glia_is_null(glia_graph_find(g, buf)); i++) snprintf(buf, (size_t)size, "%s_%lld", base, (long long)i);
    return buf;
}

static bool required_missing(const glia_op *op, const signature *sig, const glia_value *in, int count)
{
    if (!op->signature) return count > 0 && glia_is_null(in[0]);
    for (int i = 0; i < sig->in_count; i++)
        if (!sig->in[i].optional && !sig->in[i].variadic && (i >= count || glia_is_null(in[i]))) return true;
    return false;
}

glia_value glia_graph_apply(glia_graph *g, const glia_op *op, const char *name, const glia_value *in, int count, const glia_attr_arg *attrs)
{
    char buf[300];
    signature sig;
    const char *at;
    if (!g || g->error.status) return (glia_value){0};
    if (g->sealed) return glia_graph_fail(g, GLIA_E_STATE, "G0115", "the graph is sealed");
    if (count < 0 || count > OPERANDS_MAX) return glia_graph_fail(g, GLIA_E_ARG, "G0124", "`%s`: %d inputs; at most %d", op->name, count, OPERANDS_MAX);
    if (g->node_count >= g->node_limit) return glia_graph_fail(g, GLIA_E_LIMIT, "G0126", "the graph has %lld nodes, its limit", (long long)g->node_limit);
    for (int i = 0; i < count; i++)
        if (in[i].id >= g->value_count) return glia_graph_fail(g, GLIA_E_ARG, "G0127", "input %d of `%s` is of another graph", i, op->name);
    if (op->signature && !signature_parse(op->signature, &sig, &at))
        return glia_graph_fail(g, GLIA_E_INTERNAL, "G0123", "the signature of `%s` does not parse at `%.20s`", op->name, at);
    if (required_missing(op, &sig, in, count)) {
        bool short_call = op->signature && count < sig.in_count && !sig.in[count].optional && !sig.in[count].variadic;
        if (short_call) return glia_graph_fail(g, GLIA_E_ARG, "G0124", "`%s` (%s): input `%.*s` is missing", name ? name : op->name, op->name, sig.in[count].name.size, sig.in[count].name.at);
        return glia_graph_fail(g, GLIA_E_ARG, "G0128", "`%s` (%s): a required input is null", name ? name : op->name, op->name);
    }
    name = unique_name(g, name && *name ? name : op->name, buf, sizeof buf);
    glia_attr *attr;
    glia_type out[OPERANDS_MAX];
    int out_count;
    if (!fill_attrs(g, op, name, attrs, &attr) || !infer(g, op, name, in, count, attr, &sig, out, &out_count)) return (glia_value){0};
    glia_node *grown = glia_arena_grow(&g->arena, g->nodes, g->node_count, &g->node_capacity, sizeof *grown);
    glia_value *ins = GLIA_NEW_ARRAY(&g->arena, glia_value, count + 1), *outs = GLIA_NEW_ARRAY(&g->arena, glia_value, out_count + 1);
    if (!grown || !ins || !outs) return no_memory(g);
    g->nodes = grown;
    if (count) memcpy(ins, in, (size_t)count * sizeof *in);
    int32_t index = (int32_t)g->node_count;
    for (int i = 0; i < out_count; i++) {
        char more[320];
        if (i) snprintf(more, sizeof more, "%s.%d", buf, i);
        outs[i] = add_value(g, i ? unique_name(g, more, more, sizeof more) : name, GLIA_VALUE_NODE, &out[i]);
        if (glia_is_null(outs[i])) return outs[i];
        glia_value_info *v = &g->values[outs[i].id];
        v->producer = index;
        v->output = i;
        if (op->signature && i < sig.out_count && sig.out[i].next_of >= 0) v->state = g->values[in[sig.out[i].next_of].id].state;
        if ((op->traits & GLIA_VIEW) && i == 0) v->state = g->values[in[0].id].state;
    }
    g->nodes[g->node_count++] = (glia_node){.op = op, .name = g->values[outs[0].id].name, .in_count = count, .out_count = out_count, .in = ins, .out = outs, .attr = attr};
    return outs[0];
}

glia_value glia_graph_node(glia_graph *g, const char *op, const char *name, const glia_value *in, int count, const glia_attr_arg *attrs)
{
    if (!g || g->error.status) return (glia_value){0};
    const glia_op *o = op ? glia_op_find(op) : NULL;
    if (!o) return glia_graph_fail(g, GLIA_E_NOT_FOUND, "G0101", "there is no operation `%s`", op ? op : "(null)");
    return glia_graph_apply(g, o, name, in, count, attrs);
}

/* Each version of a state has one writer; whoever reads the old version comes before it. */
static void check_states(glia_graph *g)
{
    int32_t *writer = GLIA_NEW_ARRAY(&g->arena, int32_t, g->value_count + 1);
    if (!writer) {
        no_memory(g);
        return;
    }
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        for (int j = 0; j < n->in_count; j++) {
            uint32_t id = n->in[j].id;
            if (!id || !g->values[id].state || !writer[id]) continue;
            glia_graph_fail(g, GLIA_E_TYPE, "G0140", "error[G0140]: `%s` reads state `%s` after `%s` has replaced it", n->name, g->values[id].name, g->nodes[writer[id] - 1].name);
            return;
        }
        if (g->values[n->out[0].id].state && !(n->op->traits & GLIA_VIEW)) writer[n->in[0].id] = (int32_t)i + 1;
    }
}

glia_status glia_graph_seal(glia_graph *g, glia_error *e)
{
    if (!g->error.status && !g->sealed) check_states(g);
    if (g->error.status) {
        if (e && e->size) {
            uint32_t size = e->size;
            *e = g->error;
            e->size = size;
        }
        return g->error.status;
    }
    g->sealed = true;
    return GLIA_OK;
}

/* ---- regions -------------------------------------------------------------------------------------- */

typedef struct label { /* what an axis of an operand is called */
    sig_name name;
    int axis; /* as in binding */
    bool coupled, known;
} label;

static void labels_of(const sig_operand *o, int rank, label *l)
{
    int ellipsis = 0;
    for (int d = 0; d < o->dim_count; d++) ellipsis |= o->dims[d].kind == SIG_DIM_ELLIPSIS;
    int span = rank - (o->dim_count - ellipsis), axis = 0;
    for (int d = 0; d < o->dim_count && axis < GLIA_RANK_MAX; d++) {
        const sig_dim *s = &o->dims[d];
        if (s->kind != SIG_DIM_ELLIPSIS) {
            l[axis++] = (label){s->name, -1, s->coupled, s->kind == SIG_DIM_NAME};
            continue;
        }
        for (int k = 0; k < span && axis < GLIA_RANK_MAX; k++) l[axis++] = (label){s->name, span - 1 - k, false, true};
    }
}

static bool same_label(const label *a, const label *b) { return a->known && b->known && a->axis == b->axis && sig_same(a->name, b->name); }

/* Broadcasting: axis counted from the right of an ellipsis that the output merges. */
static bool broadcasts_into(const sig_operand *out, const label *in, const label *o)
{
    for (int d = 0; d < out->dim_count; d++) {
        const sig_dim *s = &out->dims[d];
        if (s->kind != SIG_DIM_ELLIPSIS || !s->other.size || in->axis < 0 || in->axis != o->axis) continue;
        if ((sig_same(s->name, in->name) || sig_same(s->other, in->name)) && sig_same(s->name, o->name)) return true;
    }
    return false;
}

static const sig_operand *operand_of_output(const signature *sig, int i)
{
    const sig_operand *o = &sig->out[i];
    return o->like >= 0 ? &sig->in[o->like] : o->next_of >= 0 ? &sig->in[o->next_of] : o;
}

static glia_dim dim_labelled(const glia_graph *g, const glia_node *n, const signature *sig, const sig_dim *d)
{
    if (d->kind == SIG_DIM_CONST) return d->number;
    for (int i = 0; i < sig->in_count && i < n->in_count; i++) {
        if (glia_is_null(n->in[i])) continue;
        label l[GLIA_RANK_MAX] = {{{0}, 0, false, false}};
        const glia_type *t = &glia_graph_value(g, n->in[i])->type;
        labels_of(&sig->in[i], t->rank, l);
        for (int a = 0; a < t->rank; a++)
            if (l[a].known && l[a].axis < 0 && sig_same(l[a].name, d->name)) return t->dims[a];
    }
    return 0;
}

static void relate(const glia_graph *g, const glia_node *n, const signature *sig, const label *out, int out_rank, const label *in, int in_rank,
                   const glia_type *in_type, const glia_type *out_type, glia_axis_region *r)
{
    const sig_operand *o0 = operand_of_output(sig, 0);
    for (int a = 0; a < in_rank; a++) {
        r[a] = (glia_axis_region){GLIA_AXIS_WHOLE, -1, 1, 1};
        for (int b = 0; b < out_rank; b++) {
            if (same_label(&in[a], &out[b]) || (in[a].known && out[b].known && broadcasts_into(o0, &in[a], &out[b])))
                r[a] = (glia_axis_region){in_type->dims[a] == 1 && out_type->dims[b] != 1 ? GLIA_AXIS_ONE : GLIA_AXIS_SAME, b, 1, 1};
        }
        if (r[a].kind != GLIA_AXIS_WHOLE || !in[a].known || in[a].axis >= 0) continue;
        for (int w = 0; w < sig->where_count; w++) { /* "g divides h": the groups that a range of heads reads */
            const sig_where *c = &sig->where[w];
            if (c->relation != SIG_DIVIDES || c->left.kind != SIG_DIM_NAME || !sig_same(c->left.name, in[a].name)) continue;
            for (int b = 0; b < out_rank; b++)
                if (out[b].known && out[b].axis < 0 && sig_same(out[b].name, c->right.name))
                    r[a] = (glia_axis_region){GLIA_AXIS_SCALED, b, dim_labelled(g, n, sig, &c->left), dim_labelled(g, n, sig, &c->right)};
        }
    }
}

/* A view: axes with equal products of the sizes before them begin at the same bytes. */
static bool view_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *in = &glia_graph_value(g, n->in[0])->type, *out = &glia_graph_value(g, n->out[0])->type;
    for (int b = 0; b < out->rank; b++) {
        r->split[b] = true;
        r->granule[b] = 1;
    }
    for (int a = 0; a < in->rank; a++) {
        glia_axis_region *x = &r->in[0].axis[a];
        *x = (glia_axis_region){GLIA_AXIS_WHOLE, -1, 1, 1};
        for (int b = 0; b < out->rank; b++) {
            if (!glia_dim_products_equal(g, in->dims, a, out->dims, b)) continue;
            if (in->dims[a] == out->dims[b]) *x = (glia_axis_region){GLIA_AXIS_SAME, b, 1, 1};
            else if (in->dims[a] > 1 && out->dims[b] > 1 && (in->dims[a] % out->dims[b] == 0 || out->dims[b] % in->dims[a] == 0))
                *x = (glia_axis_region){GLIA_AXIS_SCALED, b, in->dims[a], out->dims[b]};
        }
    }
    return true;
}

bool glia_node_regions(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    signature sig;
    const char *at;
    memset(r, 0, sizeof *r);
    if ((n->op->traits & GLIA_VIEW) && !n->op->signature) return view_regions(g, n, r);
    if (!n->op->signature || !signature_parse(n->op->signature, &sig, &at)) return false;
    const glia_type *out = &glia_graph_value(g, n->out[0])->type;
    label lo[GLIA_RANK_MAX] = {{{0}, 0, false, false}};
    labels_of(operand_of_output(&sig, 0), out->rank, lo);
    bool state = glia_graph_value(g, n->out[0])->state != 0;
    for (int b = 0; b < out->rank; b++) {
        r->granule[b] = 1;
        r->split[b] = lo[b].known && !lo[b].coupled && !state;
    }
    for (int i = 0; i < n->in_count && i < 16; i++) {
        if (glia_is_null(n->in[i])) continue;
        int s = i < sig.in_count ? i : sig.in_count - 1;
        const glia_type *t = &glia_graph_value(g, n->in[i])->type;
        label li[GLIA_RANK_MAX] = {{{0}, 0, false, false}};
        labels_of(&sig.in[s], t->rank, li);
        relate(g, n, &sig, lo, out->rank, li, t->rank, t, out, r->in[i].axis);
        for (int a = 0; a < t->rank; a++) {
            const glia_axis_region *x = &r->in[i].axis[a];
            if (li[a].coupled && x->axis >= 0) r->split[x->axis] = false;
            /* A state is split only along what the written tensor shares with it. */
            if (state && !sig.in[s].state && x->kind == GLIA_AXIS_SAME) r->split[x->axis] = true;
        }
    }
    for (int j = 1; j < n->out_count && j < 8; j++) {
        const glia_type *t = &glia_graph_value(g, n->out[j])->type;
        label lj[GLIA_RANK_MAX] = {{{0}, 0, false, false}};
        labels_of(operand_of_output(&sig, j), t->rank, lj);
        relate(g, n, &sig, lo, out->rank, lj, t->rank, t, out, r->out[j].axis);
    }
    for (int b = 0; b < out->rank; b++) r->out[0].axis[b] = (glia_axis_region){GLIA_AXIS_SAME, b, 1, 1};
    return true;
}
