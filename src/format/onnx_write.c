/* The ONNX writer; see onnx_write.h. A message is written behind its length, which a first call of the same function
 * counts: with `w` null, bytes are only added up. */
#include "format/onnx_write.h"

#include "base/check.h"
#include "base/error.h"
#include "format/file.h"
#include "format/proto.h"
#include "tensor/lowbit.h"

#include <string.h>

enum { STRING = 8, CHUNK = 4096 };

typedef struct out {
    glia_writer *w; /* null: count */
    int64_t size;
    int depth;
    const char *fault;
} out;

typedef void write_fn(out *o, const void *p);

/* ---- the wire */

static void put_bytes(out *o, const void *p, int64_t n)
{
    if (o->w) glia_write_bytes(o->w, p, n);
    o->size += n;
}

static void put_varint(out *o, uint64_t v)
{
    uint8_t b[10];
    int n = 0;
    for (; v > 0x7f; v >>= 7) b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    put_bytes(o, b, n);
}

static void put_tag(out *o, int number, int wire) { put_varint(o, (uint64_t)number << 3 | (uint64_t)wire); }

static void put_i64(out *o, int number, int64_t v)
{
    put_tag(o, number, GLIA_PROTO_VARINT);
    put_varint(o, (uint64_t)v);
}

static void put_f32(out *o, int number, float f)
{
    uint32_t v;
    uint8_t b[4];
    memcpy(&v, &f, sizeof v);
    for (int i = 0; i < 4; i++) b[i] = (uint8_t)(v >> (8 * i));
    put_tag(o, number, GLIA_PROTO_4);
    put_bytes(o, b, 4);
}

static void put_text(out *o, int number, glia_onnx_text s)
{
    put_tag(o, number, GLIA_PROTO_BYTES);
    put_varint(o, (uint64_t)s.size);
    put_bytes(o, s.text, s.size);
}

/* Names that are empty are left out where `always` is not set: in lists they hold a place. */
static void put_name(out *o, int number, const char *s, bool always)
{
    if (!s) s = "";
    if (*s || always) put_text(o, number, (glia_onnx_text){s, (int64_t)strlen(s)});
}

static void put_names(out *o, int number, const char *const *names, int64_t count)
{
    for (int64_t i = 0; i < count; i++) put_name(o, number, names[i], true);
}

static void put_message(out *o, int number, write_fn *write, const void *p)
{
    out count = {.depth = o->depth + 1, .fault = o->fault};
    write(&count, p);
    put_tag(o, number, GLIA_PROTO_BYTES);
    put_varint(o, (uint64_t)count.size);
    o->fault = count.fault;
    if (!o->w) {
        o->size += count.size;
        return;
    }
    o->depth++;
    write(o, p);
    o->depth--;
}

#define PUT_ALL(number, write, array, count)                                                                 \
    for (int64_t all_i = 0; all_i < (count); all_i++) put_message(o, number, write, &(array)[all_i])

/* ---- tensors */

static void put_packed(out *o, const glia_onnx_tensor *t, int64_t bytes)
{
    uint8_t packed[CHUNK];
    if (!o->w) {
        o->size += bytes;
        return;
    }
    for (int64_t i = 0; i < t->count; i += CHUNK) {
        const int64_t n = glia_min(CHUNK, t->count - i);
        if (!glia_lowbit_packed_bytes(t->dtype, n, &bytes)) return;
        glia_lowbit_pack(t->dtype, (const uint8_t *)t->data + i, n, packed);
        put_bytes(o, packed, bytes);
    }
}

static void write_tensor(out *o, const void *p)
{
    const glia_onnx_tensor *t = p;
    int64_t bytes = t->bytes;
    if (t->rank < 0 || t->rank > GLIA_RANK_MAX || (t->count && !t->data && !t->strings)) {
        o->fault = "a tensor without data, or with an impossible rank";
        return;
    }
    for (int i = 0; i < t->rank - t->complex; i++) put_i64(o, 1, t->dims[i]);
    put_i64(o, 2, t->is_string ? STRING : t->onnx_type ? t->onnx_type : glia_onnx_type_of(t->dtype));
    for (int64_t i = 0; t->is_string && i < t->count; i++) put_text(o, 6, t->strings[i]);
    if (t->name.text && t->name.size) put_text(o, 8, t->name);
    if (t->is_string) return;
    const int bits = glia_lowbit_bits(t->dtype);
    if (bits && !glia_lowbit_packed_bytes(t->dtype, t->count, &bytes)) bytes = 0;
    put_tag(o, 9, GLIA_PROTO_BYTES);
    put_varint(o, (uint64_t)bytes);
    if (bits && bits < 8) put_packed(o, t, bytes);
    else put_bytes(o, t->data, bytes);
}

/* ---- types */

typedef struct shape_of {
    const glia_onnx_type *t;
    int axis;
} shape_of;

static void write_dim(out *o, const void *p)
{
    const shape_of *s = p;
    if (s->t->dims[s->axis] >= 0) put_i64(o, 1, s->t->dims[s->axis]);
    else put_name(o, 2, s->t->dim_names[s->axis], false);
}

static void write_shape(out *o, const void *p)
{
    const glia_onnx_type *t = p;
    for (int i = 0; i < t->rank; i++) put_message(o, 1, write_dim, &(shape_of){t, i});
}

static write_fn write_type;

static void write_kind(out *o, const void *p)
{
    const glia_onnx_type *t = p;
    if (t->kind == GLIA_ONNX_TENSOR || t->kind == GLIA_ONNX_MAP) put_i64(o, 1, t->onnx_type);
    if (t->kind == GLIA_ONNX_TENSOR && t->rank >= 0) put_message(o, 2, write_shape, t);
    if (t->kind != GLIA_ONNX_TENSOR && t->of)
        put_message(o, t->kind == GLIA_ONNX_MAP ? 2 : 1, write_type, t->of);
}

static void write_type(out *o, const void *p)
{
    static const uint8_t numbers[] = {
        [GLIA_ONNX_TENSOR] = 1, [GLIA_ONNX_SEQUENCE] = 4, [GLIA_ONNX_OPTIONAL] = 9, [GLIA_ONNX_MAP] = 5};
    const glia_onnx_type *t = p;
    if (o->depth > 4 * GLIA_ONNX_DEPTH) o->fault = "types that nest too deep";
    if (t->kind && !o->fault) put_message(o, numbers[t->kind], write_kind, t);
}

static void write_value(out *o, const void *p)
{
    const glia_onnx_value *v = p;
    put_name(o, 1, v->name, false);
    if (v->type.kind) put_message(o, 2, write_type, &v->type);
}

/* ---- attributes, nodes, graphs */

static write_fn write_graph;

static void write_attr(out *o, const void *p)
{
    const glia_onnx_attr *a = p;
    put_name(o, 1, a->name, false);
    switch (a->ref ? GLIA_ONNX_ATTR_NONE : a->kind) {
    case GLIA_ONNX_ATTR_FLOAT: put_f32(o, 2, a->f); break;
    case GLIA_ONNX_ATTR_INT: put_i64(o, 3, a->i); break;
    case GLIA_ONNX_ATTR_STRING: put_text(o, 4, a->s); break;
    case GLIA_ONNX_ATTR_TENSOR: put_message(o, 5, write_tensor, a->t); break;
    case GLIA_ONNX_ATTR_GRAPH: put_message(o, 6, write_graph, a->g); break;
    case GLIA_ONNX_ATTR_FLOATS:
        for (int64_t i = 0; i < a->count; i++) put_f32(o, 7, a->floats[i]);
        break;
    case GLIA_ONNX_ATTR_INTS:
        for (int64_t i = 0; i < a->count; i++) put_i64(o, 8, a->ints[i]);
        break;
    case GLIA_ONNX_ATTR_STRINGS:
        for (int64_t i = 0; i < a->count; i++) put_text(o, 9, a->strings[i]);
        break;
    case GLIA_ONNX_ATTR_TENSORS: PUT_ALL(10, write_tensor, a->t, a->count); break;
    case GLIA_ONNX_ATTR_GRAPHS: PUT_ALL(11, write_graph, a->g, a->count); break;
    case GLIA_ONNX_ATTR_TYPE: put_message(o, 14, write_type, a->type); break;
    default: break;
    }
    if (a->kind) put_i64(o, 20, a->kind);
    put_name(o, 21, a->ref, false);
}

static void write_node(out *o, const void *p)
{
    const glia_onnx_node *n = p;
    put_names(o, 1, n->in, n->in_count);
    put_names(o, 2, n->out, n->out_count);
    put_name(o, 3, n->name, false);
    put_name(o, 4, n->op, false);
    PUT_ALL(5, write_attr, n->attrs, n->attr_count);
    put_name(o, 7, n->domain, false);
    put_name(o, 8, n->overload, false);
}

static void write_graph(out *o, const void *p)
{
    const glia_onnx_graph *g = p;
    if (o->depth > 4 * GLIA_ONNX_DEPTH) o->fault = "subgraphs that nest too deep";
    if (o->fault) return;
    PUT_ALL(1, write_node, g->nodes, g->node_count);
    put_name(o, 2, g->name, false);
    PUT_ALL(5, write_tensor, g->initializers, g->initializer_count);
    PUT_ALL(11, write_value, g->inputs, g->input_count);
    PUT_ALL(12, write_value, g->outputs, g->output_count);
    PUT_ALL(13, write_value, g->values, g->value_count);
}

static void write_opset(out *o, const void *p)
{
    const glia_onnx_opset *s = p;
    put_name(o, 1, s->domain, true);
    put_i64(o, 2, s->version);
}

static void write_property(out *o, const void *p)
{
    const glia_onnx_property *s = p;
    put_name(o, 1, s->key, false);
    put_name(o, 2, s->value, false);
}

static void write_function(out *o, const void *p)
{
    const glia_onnx_function *f = p;
    put_name(o, 1, f->name, false);
    put_names(o, 4, f->inputs, f->input_count);
    put_names(o, 5, f->outputs, f->output_count);
    put_names(o, 6, f->attributes, f->attribute_count);
    PUT_ALL(7, write_node, f->nodes, f->node_count);
    PUT_ALL(9, write_opset, f->opsets, f->opset_count);
    put_name(o, 10, f->domain, false);
    PUT_ALL(11, write_attr, f->defaults, f->default_count);
    put_name(o, 13, f->overload, false);
}

static void write_model(out *o, const void *p)
{
    const glia_onnx *m = p;
    put_i64(o, 1, m->ir_version);
    put_name(o, 2, m->producer, false);
    put_name(o, 3, m->producer_version, false);
    put_name(o, 4, m->domain, false);
    put_name(o, 6, m->doc, false);
    put_message(o, 7, write_graph, &m->graph);
    PUT_ALL(8, write_opset, m->opsets, m->opset_count);
    PUT_ALL(14, write_property, m->properties, m->property_count);
    PUT_ALL(25, write_function, m->functions, m->function_count);
}

/* ---- whole messages */

static glia_status finish(const out *o, const glia_writer *w, glia_error *e)
{
    if (o->fault)
        return glia_fail(e, GLIA_E_ARG, "G1017", "the model cannot be written: it has %s", o->fault);
    if (w && w->failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for an ONNX model");
    return GLIA_OK;
}

static glia_status write_whole(write_fn *write, const void *p, glia_writer *w, glia_error *e)
{
    glia_error_clear(e);
    out o = {.w = w};
    write(&o, p);
    return finish(&o, w, e);
}

glia_status glia_onnx_write(const glia_onnx *m, glia_writer *w, glia_error *e)
{
    return write_whole(write_model, m, w, e);
}

glia_status glia_onnx_tensor_write(const glia_onnx_tensor *t, glia_writer *w, glia_error *e)
{
    return write_whole(write_tensor, t, w, e);
}

glia_status glia_onnx_save(const glia_os *os, const char *path, const glia_onnx *m, glia_error *e)
{
    out count = {0};
    glia_error_clear(e);
    if (!path || !m) return glia_fail(e, GLIA_E_ARG, "G1017", "no path or no model");
    if (!os) os = glia_os_default();
    write_model(&count, m);
    glia_status s = finish(&count, NULL, e);
    if (s) return s;
    glia_arena a;
    glia_arena_init(&a, os, 0);
    glia_writer w = {.arena = &a, .capacity = count.size}; /* all at once, since its size is known */
    w.data = glia_arena_alloc(&a, count.size, 16);
    w.failed = !w.data;
    s = glia_onnx_write(m, &w, e);
    glia_file_writer f = {0};
    if (!s) s = glia_file_create(&f, os, path, e);
    if (!s) s = glia_file_append(&f, w.data, w.size, e);
    if (!s) s = glia_file_finish(&f, e);
    glia_file_abandon(&f);
    glia_arena_free(&a);
    return s;
}
