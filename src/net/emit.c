/* The emission of a part: walks nodes of a block from `begin`, lets each operator's function add its nodes, and ends
 * where one of them cannot go on. What the part reads becomes inputs of its graph, with the shapes that the slots
 * have now; initializers become constants (up to 64 KiB) or weights. */
#include "net/emitter.h"

#include "base/check.h"
#include "ops/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------- */

static bool out_of_memory(glia_emit *m)
{
    if (!m->status)
        m->status = glia_fail(m->error, GLIA_E_NOMEM, "G0801", "no memory for a part of the network");
    return false;
}

/* An error of the graph is the emission's, told with the node's name. */
static bool graph_failed(glia_emit *m)
{
    const glia_error *ge = &m->g->error;
    if (ge->status == GLIA_OK) return false;
    if (m->status) return true;
    m->status = glia_fail(m->error, ge->status, ge->code, "%s", ge->text);
    if (m->node) glia_error_context(m->error, "node `%.100s` (%s)", m->node->name, m->node->op_name);
    return true;
}

glia_type glia_emit_type_of_dims(glia_dtype t, int rank, const int64_t *dims)
{
    glia_type type = {t, (int16_t)rank, 0, {0}};
    for (int i = 0; i < rank && i < GLIA_RANK_MAX; i++) type.dims[i] = dims[i];
    return type;
}

static glia_value constant_or_weight(glia_emit *m, const char *name, const glia_type *type, const void *data)
{
    int64_t bytes;
    if (!glia_dtype_tensor_bytes(type->dtype, type->rank, type->dims, &bytes)) return (glia_value){0};
    glia_value v = data && bytes <= 65536 ? glia_graph_constant(m->g, name, type, data)
                                          : glia_graph_weight(m->g, name, type, data, NULL);
    graph_failed(m);
    return v;
}

/* Names of constants that emission makes. */
static const char *fresh_name(glia_emit *m, const char *what)
{
    return glia_arena_printf(&m->part->arena, "%.700s.%s%lld", m->node ? m->node->name : "part", what,
                             (long long)m->names++);
}

glia_value glia_emit_constant(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, const void *data)
{
    int64_t bytes;
    glia_type type = glia_emit_type_of_dims(t, rank, dims);
    if (m->status || rank < 0 || rank > GLIA_RANK_MAX || !glia_dtype_tensor_bytes(t, rank, dims, &bytes))
        return (glia_value){0};
    const char *name = fresh_name(m, "c");
    if (bytes > 65536) { /* weights are borrowed: the part keeps the bytes */
        void *copy = glia_arena_alloc(&m->part->arena, bytes, 64);
        if (copy) memcpy(copy, data, (size_t)bytes);
        data = copy;
    }
    if (!name || (!data && bytes)) {
        out_of_memory(m);
        return (glia_value){0};
    }
    return constant_or_weight(m, name, &type, data ? data : "");
}

/* An initializer: by reference where its bytes lie in memory. */
static glia_value initializer_value(glia_emit *m, int32_t slot)
{
    const glia_onnx_tensor *t = m->net->slots[slot].initializer;
    if (t->is_string) {
        glia_emit_host(m, "it reads strings");
        return (glia_value){0};
    }
    int64_t dims[GLIA_RANK_MAX];
    int rank = t->rank;
    memcpy(dims, t->dims, sizeof dims);
    glia_type type = glia_emit_type_of_dims(t->dtype, rank, dims);
    const void *data = t->data;
    if (!data && t->bytes <= 65536) {
        void *copy = glia_arena_alloc(&m->part->arena, t->bytes, 64);
        if (!copy) {
            out_of_memory(m);
            return (glia_value){0};
        }
        if (t->bytes && !m->status)
            m->status = glia_onnx_tensor_read(m->net->file, t, 0, t->bytes, copy, m->error);
        data = copy;
    }
    return m->status ? (glia_value){0} : constant_or_weight(m, m->net->slots[slot].name, &type, data);
}

static glia_net_part_input *add_input(glia_emit *m, int32_t slot, const glia_type *type)
{
    glia_net_part *p = m->part;
    glia_net_part_input *grown =
        glia_arena_grow(&p->arena, p->inputs, p->input_count, &m->input_capacity, sizeof *grown);
    if (!grown) {
        out_of_memory(m);
        return NULL;
    }
    p->inputs = grown;
    glia_net_part_input *in = &p->inputs[p->input_count++];
    *in = (glia_net_part_input){.slot = slot, .type = *type, .name = m->net->slots[slot].name};
    if (!glia_dtype_tensor_bytes(type->dtype, type->rank, type->dims, &in->bytes)) in->bytes = 0;
    return in;
}

/* What lies in a slot, as a value of the graph. */
glia_value glia_emit_slot(glia_emit *m, int32_t slot)
{
    if (slot < 0 || m->status || m->end) return (glia_value){0};
    if (m->map[slot].id) return m->map[slot];
    const glia_net_slot *s = &m->net->slots[slot];
    glia_type type = s->type;
    if (s->value) {
        if (glia_object_kind_of(s->value) != GLIA_OBJECT_TENSOR) {
            glia_emit_host(m, "it takes strings, a sequence, an optional or a map");
            return (glia_value){0};
        }
        type = glia_emit_type_of_dims(glia_object_dtype(s->value), glia_object_rank(s->value),
                                      glia_object_dims(s->value));
    } else if (s->initializer) {
        return m->map[slot] = initializer_value(m, slot);
    } else if (!s->typed) {
        glia_emit_fail(m, "the value `%.200s` was not computed", s->name);
        return (glia_value){0};
    }
    if (!add_input(m, slot, &type)) return (glia_value){0};
    m->map[slot] = glia_graph_input(m->g, s->name, &type);
    graph_failed(m);
    return m->map[slot];
}

const glia_type *glia_emit_type(glia_emit *m, glia_value v)
{
    static const glia_type none = {GLIA_DTYPE_NONE, 0, 0, {0}};
    return v.id && (int64_t)v.id < m->g->value_count ? &m->g->values[v.id].type : &none;
}

glia_dtype glia_emit_dtype(glia_emit *m, glia_value v) { return glia_emit_type(m, v)->dtype; }
int glia_emit_rank(glia_emit *m, glia_value v) { return glia_emit_type(m, v)->rank; }

int64_t glia_emit_dim(glia_emit *m, glia_value v, int axis)
{
    const glia_type *t = glia_emit_type(m, v);
    if (axis < 0) axis += t->rank;
    return axis >= 0 && axis < t->rank ? t->dims[axis] : 1;
}

int64_t glia_emit_elements(glia_emit *m, glia_value v)
{
    const glia_type *t = glia_emit_type(m, v);
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dims[i];
    return n;
}

bool glia_emit_is_float(glia_emit *m, glia_value v)
{
    return (glia_dtype_get(glia_emit_dtype(m, v))->classes & GLIA_CLASS_FLOAT) != 0;
}

const void *glia_emit_known(glia_emit *m, glia_value v)
{
    const glia_value_info *i = v.id && (int64_t)v.id < m->g->value_count ? &m->g->values[v.id] : NULL;
    return i && (i->kind == GLIA_VALUE_CONSTANT || i->kind == GLIA_VALUE_WEIGHT) ? i->data : NULL;
}

/* ---- numbers that have to be known ---------------------------------------------------------------------- */

/* The slot's numbers become part of the plan's key, and a constant of its graph. */
static const void *take_key(glia_emit *m, int32_t slot, glia_value v)
{
    const glia_object *o = m->net->slots[slot].value;
    for (int32_t i = 0; o && i < m->part->input_count; i++) {
        glia_net_part_input *in = &m->part->inputs[i];
        if (in->slot != slot) continue;
        if (in->bytes > GLIA_NET_KEY_MAX) break;
        void *key = glia_arena_alloc(&m->part->arena, in->bytes + 1, 64);
        if (!key) {
            out_of_memory(m);
            return NULL;
        }
        memcpy(key, glia_object_data(o), (size_t)in->bytes);
        in->key = key;
        const glia_type t = *glia_emit_type(m, v);
        m->map[slot] = glia_emit_constant(m, t.dtype, t.rank, t.dims, key);
        return key;
    }
    return NULL;
}

const void *glia_emit_need(glia_emit *m, int i)
{
    const glia_value v = glia_emit_in(m, i);
    if (!v.id || m->status || m->end) return NULL;
    const void *data = glia_emit_known(m, v);
    if (data) return data;
    const int32_t slot = m->node->in[i];
    if (m->g->values[v.id].kind == GLIA_VALUE_INPUT && (data = take_key(m, slot, v))) return data;
    if (m->status) return NULL;
    if (m->g->values[v.id].kind == GLIA_VALUE_WEIGHT) { /* external, and too large to have been read */
        int64_t bytes = m->net->slots[slot].initializer ? m->net->slots[slot].initializer->bytes : 0;
        void *copy = bytes ? glia_arena_alloc(&m->part->arena, bytes, 64) : NULL;
        if (copy) {
            m->status = glia_onnx_tensor_read(m->net->file, m->net->slots[slot].initializer, 0, bytes, copy,
                                              m->error);
            m->g->values[v.id].data = copy;
            return m->status ? NULL : copy;
        }
    }
    m->end = GLIA_EMIT_NEED;
    m->why = glia_arena_printf(&m->part->arena, "`%.100s` (%s) needs the numbers of `%.100s`", m->node->name,
                               m->node->op_name, m->net->slots[slot].name);
    return NULL;
}

/* The elements of input i as a tensor: at most `max` of them, of these classes. An absent input has none. */
static bool numbers(glia_emit *m, int i, int max, uint32_t classes, glia_tensor *out, int *count)
{
    *count = 0;
    if (!glia_emit_has(m, i)) return !m->status && !m->end;
    const void *data = glia_emit_need(m, i);
    if (!data) return false;
    const glia_value v = glia_emit_in(m, i);
    const glia_type *t = glia_emit_type(m, v);
    const int64_t n = glia_emit_elements(m, v);
    *out = (glia_tensor){(void *)(uintptr_t)data, t->dims, t->rank, 0, t->dtype};
    if (classes && !glia_is_class(t->dtype, classes))
        return glia_emit_fail(m, "input %d has to be integers, not %s", i, glia_dtype_name(t->dtype));
    if (n > max)
        return glia_emit_fail(m, "input %d has %lld elements; at most %d make sense", i, (long long)n, max);
    *count = (int)n;
    return true;
}

bool glia_emit_floats(glia_emit *m, int i, double *out, int max, int *count)
{
    glia_tensor t;
    if (!numbers(m, i, max, 0, &t, count)) return false;
    for (int j = 0; j < *count; j++) out[j] = glia_get_f64(&t, j);
    return true;
}

bool glia_emit_ints(glia_emit *m, int i, int64_t *out, int max, int *count)
{
    glia_tensor t;
    if (!numbers(m, i, max, GLIA_CLASS_INT | GLIA_CLASS_BOOL, &t, count)) return false;
    for (int j = 0; j < *count; j++) out[j] = glia_get_i64(&t, j);
    return true;
}

bool glia_emit_number(glia_emit *m, int i, double *out)
{
    int count;
    *out = 0;
    if (!glia_emit_floats(m, i, out, 1, &count)) return false;
    return count == 1 || glia_emit_fail(m, "input %d has to be one number", i);
}

/* ---- the node at hand ----------------------------------------------------------------------------------- */

const char *glia_emit_op(const glia_emit *m) { return m->node->op_name; }
int64_t glia_emit_version(const glia_emit *m) { return m->node->version; }
int glia_emit_in_count(const glia_emit *m) { return m->node->in_count; }
int glia_emit_out_count(const glia_emit *m) { return m->node->out_count; }

glia_value glia_emit_in(glia_emit *m, int i)
{
    return i >= 0 && i < m->node->in_count ? glia_emit_slot(m, m->node->in[i]) : (glia_value){0};
}

bool glia_emit_has(const glia_emit *m, int i)
{
    return i >= 0 && i < m->node->in_count && m->node->in[i] >= 0;
}

bool glia_emit_wants(const glia_emit *m, int i)
{
    return i >= 0 && i < m->node->out_count && m->node->out[i] >= 0;
}

void glia_emit_set(glia_emit *m, int i, glia_value v)
{
    if (glia_emit_wants(m, i)) m->map[m->node->out[i]] = v;
}

const glia_onnx_attr *glia_net_node_attr(const glia_net_node *n, const char *name)
{
    for (int32_t i = 0; i < n->attr_count; i++)
        if (!strcmp(n->attrs[i]->name, name)) return n->attrs[i];
    return NULL;
}

const glia_onnx_attr *glia_emit_attr(glia_emit *m, const char *name)
{
    return glia_net_node_attr(m->node, name);
}
bool glia_emit_has_attr(glia_emit *m, const char *name) { return glia_emit_attr(m, name) != NULL; }

static const glia_onnx_attr *attr_of_kind(glia_emit *m, const char *name, int kind)
{
    const glia_onnx_attr *a = glia_emit_attr(m, name);
    if (!a || a->kind == kind) return a;
    glia_emit_fail(m, "attribute `%.60s` is of another kind than its operator asks for", name);
    return NULL;
}

int64_t glia_emit_int(glia_emit *m, const char *name, int64_t otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(m, name, GLIA_ONNX_ATTR_INT);
    return a ? a->i : otherwise;
}

double glia_emit_float(glia_emit *m, const char *name, double otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(m, name, GLIA_ONNX_ATTR_FLOAT);
    return a ? (double)a->f : otherwise;
}

const char *glia_emit_string(glia_emit *m, const char *name, const char *otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(m, name, GLIA_ONNX_ATTR_STRING);
    return a ? a->s.text : otherwise;
}

int glia_emit_attr_ints(glia_emit *m, const char *name, int64_t *out, int max)
{
    const glia_onnx_attr *a = attr_of_kind(m, name, GLIA_ONNX_ATTR_INTS);
    if (!a) return -1;
    if (a->count > max) {
        glia_emit_fail(m, "attribute `%.60s` has %lld numbers; at most %d make sense", name,
                       (long long)a->count, max);
        return -1;
    }
    memcpy(out, a->ints, (size_t)a->count * sizeof *out);
    return (int)a->count;
}

/* ---- ends ------------------------------------------------------------------------------------------------ */

static bool stop(glia_emit *m, glia_status s, const char *code, const char *format, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, ap);
    if (m->status || m->end) return false;
    m->status = glia_fail(m->error, s, code, "node `%.200s` (%s, version %lld): %s", m->node->name,
                          m->node->op_name, (long long)m->node->version, text);
    return false;
}

bool glia_emit_refuse(glia_emit *m, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    stop(m, GLIA_E_UNSUPPORTED, "G1030", format, ap);
    va_end(ap);
    return false;
}

bool glia_emit_fail(glia_emit *m, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    stop(m, GLIA_E_FORMAT, "G1031", format, ap);
    va_end(ap);
    return false;
}

bool glia_emit_host(glia_emit *m, const char *why)
{
    if (m->status || m->end) return false;
    m->end = GLIA_EMIT_HOST;
    m->why = glia_arena_printf(&m->part->arena, "`%.100s` (%s) runs on objects: %s", m->node->name,
                               m->node->op_name, why);
    return false;
}

bool glia_emit_axis(glia_emit *m, int64_t given, int rank, int *axis)
{
    int64_t a = given < 0 ? given + rank : given;
    if (a < 0 || a >= rank)
        return glia_emit_fail(m, "axis %lld of a tensor of rank %d", (long long)given, rank);
    *axis = (int)a;
    return true;
}

/* ---- the walk -------------------------------------------------------------------------------------------- */

bool glia_emit_one(glia_emit *m, const glia_net_node *n)
{
    const glia_net_node *outer = m->node;
    m->node = n;
    bool ok = n->op->emit ? n->op->emit(m) : glia_emit_host(m, "that is the only way it runs");
    if (graph_failed(m) || m->status || m->end) ok = false;
    for (int32_t i = 0; ok && i < n->out_count; i++)
        if (n->out[i] >= 0 && !m->map[n->out[i]].id)
            ok = glia_emit_refuse(m, "its output %d is not built", i);
    m->node = outer;
    return ok;
}

/* Outputs: what later nodes of this block, or its end, read. */
static bool add_outputs(glia_emit *m)
{
    glia_net_part *p = m->part;
    int64_t capacity = 0;
    for (int32_t i = p->begin; i < p->end; i++) {
        const glia_net_node *n = &m->block->nodes[i];
        for (int32_t j = 0; j < n->out_count; j++) {
            int32_t slot = n->out[j];
            if (slot < 0 || m->net->slots[slot].last_use < p->end) continue;
            glia_net_part_output *grown =
                glia_arena_grow(&p->arena, p->outputs, p->output_count, &capacity, sizeof *grown);
            if (!grown) return out_of_memory(m);
            p->outputs = grown;
            p->outputs[p->output_count++] = (glia_net_part_output){.slot = slot, .same = -1};
        }
    }
    return true;
}

static bool settle_output(glia_emit *m, glia_net_part_output *o)
{
    glia_value v = m->map[o->slot];
    const glia_value_info *info = &m->g->values[v.id];
    o->type = info->type;
    if (!glia_dtype_tensor_bytes(o->type.dtype, o->type.rank, o->type.dims, &o->bytes))
        return out_of_memory(m);
    if (info->kind == GLIA_VALUE_INPUT) {
        for (int32_t i = 0; i < m->part->input_count; i++)
            if (!strcmp(m->part->inputs[i].name, info->name)) o->same = m->part->inputs[i].slot;
        if (o->same >= 0) return true;
    }
    if ((info->kind == GLIA_VALUE_CONSTANT || info->kind == GLIA_VALUE_WEIGHT) && info->data) {
        o->fixed =
            glia_object_tensor(m->net->options.os, o->type.dtype, o->type.rank, o->type.dims, info->data);
        return o->fixed || out_of_memory(m);
    }
    if (info->kind == GLIA_VALUE_WEIGHT) { /* read at load: a node, so that it is the plan's to place */
        v = glia_emit_with(m, "mul", v, 1);
    }
    glia_graph_output(m->g, m->net->slots[o->slot].name, v);
    m->computes = true;
    return !graph_failed(m);
}

static void walk(glia_emit *m)
{
    glia_net_part *p = m->part;
    for (p->end = p->begin; p->end < m->block->node_count; p->end++)
        if (!glia_emit_one(m, &m->block->nodes[p->end])) break;
    p->why = m->why;
}

glia_status glia_net_emit(glia_net *net, glia_net_block *b, int32_t begin, bool typed_only,
                          glia_net_part **out, glia_error *e)
{
    glia_arena a;
    glia_emit m = {.net = net, .block = b, .error = e, .typed_only = typed_only};
    glia_graph_options go = GLIA_GRAPH_OPTIONS_INIT;
    go.os = net->options.os;
    *out = NULL;
    glia_arena_init(&a, net->options.os, 0);
    m.part = GLIA_NEW(&a, glia_net_part);
    if (!m.part) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a part of the network");
    m.part->arena = a;
    m.part->begin = begin;
    glia_arena_init(&m.scratch, net->options.os, 0);
    m.map = GLIA_NEW_ARRAY(&m.scratch, glia_value, net->slot_count + GLIA_NET_CALL_SLOTS + 1);
    glia_status s = m.map ? glia_graph_create(&go, &m.g, e)
                          : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a part of the network");
    if (!s) {
        m.g->custom = net->custom;
        walk(&m);
        if (!m.status && m.part->end > begin && add_outputs(&m))
            for (int32_t i = 0; i < m.part->output_count && settle_output(&m, &m.part->outputs[i]);) i++;
        s = m.status;
    }
    if (!s && m.computes && !(s = glia_graph_seal(m.g, e))) s = glia_net_part_finish(net, m.part, m.g, e);
    glia_graph_destroy(m.g);
    glia_arena_free(&m.scratch);
    if (s) glia_net_part_free(net, m.part);
    else *out = m.part;
    return s;
}
