/* The ONNX reader: models, graphs, nodes, functions; see onnx.h. Messages that are lists of fields with one struct
 * each are rows of tables, read in two walks: the first counts, so that every list is allocated once and never for
 * more than the file holds. Subgraphs wait in a list instead of on the stack. */
#include "format/onnx_internal.h"

#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"
#include "format/container.h"
#include "format/file.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BYTES_MOST ((int64_t)2 << 30)
#define NODES_MOST 1000000
#define TENSORS_MOST 65536

/* ---- errors */

bool glia_onnx_fail(glia_onnx_parser *p, glia_status s, const char *code, const void *at, const char *format,
                    ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->status) return false;
    p->status = s;
    if (at && p->base) glia_fail_at(p->e, s, code, (const uint8_t *)at - p->base, "%s", text);
    else glia_fail(p->e, s, code, "%s", text);
    return false;
}

bool glia_onnx_nomem(glia_onnx_parser *p)
{
    return glia_onnx_fail(p, GLIA_E_NOMEM, "G0801", NULL,
                          "no memory for an ONNX model: %lld bytes are taken, the limit is %lld",
                          (long long)p->arena->used, (long long)p->arena->limit);
}

bool glia_onnx_fields_end(glia_onnx_parser *p, const glia_proto *r, const char *message)
{
    return !r->fault ||
           glia_onnx_fail(p, GLIA_E_FORMAT, "G1001", r->at, "a %s is cut or damaged: %s", message, r->fault);
}

bool glia_onnx_wrong_wire(glia_onnx_parser *p, const glia_proto_field *f, const char *message)
{
    return glia_onnx_fail(p, GLIA_E_FORMAT, "G1002", f->at, "field %u of a %s has the wire type %d",
                          f->number, message, f->wire);
}

bool glia_onnx_bytes(glia_onnx_parser *p, const glia_proto_field *f, const char *message, glia_onnx_text *out)
{
    if (f->wire != GLIA_PROTO_BYTES) return glia_onnx_wrong_wire(p, f, message);
    out->size = f->bytes.size;
    out->text = glia_arena_strndup(p->arena, (const char *)f->bytes.data, out->size);
    return out->text ? true : glia_onnx_nomem(p);
}

static bool is_name(glia_span s)
{
    return !memchr(s.data, 0, (size_t)s.size) && glia_utf8_valid((const char *)s.data, s.size);
}

bool glia_onnx_name(glia_onnx_parser *p, const glia_proto_field *f, const char *message, const char **out)
{
    glia_onnx_text t = {"", 0};
    if (f->wire == GLIA_PROTO_BYTES && !is_name(f->bytes))
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1003", f->at, "a name in a %s is not UTF-8, or holds a NUL",
                              message);
    if (!glia_onnx_bytes(p, f, message, &t)) return false;
    *out = t.text;
    return true;
}

/* ---- tables: what a field becomes, and where */

enum { NAME, DOMAIN, TEXT, DOC, FLOAT, INT, MESSAGE };

typedef struct field {
    uint8_t number;
    uint8_t kind;
    bool list;           /* at: a pointer to an array, and count_at its count */
    uint8_t count_bytes; /* 4 or 8 */
    uint16_t at, count_at;
    uint16_t item_bytes;       /* of a list's items */
    glia_onnx_parse_fn *parse; /* of messages */
} field;

typedef struct message {
    const char *name;
    const field *fields;
    int count;
} message;

#define ONE(number, kind, type, member, parse)                                                               \
    {                                                                                                        \
        number, kind, false, 0, offsetof(type, member), 0, 0, parse                                          \
    }
#define LIST(number, kind, type, member, counter, parse)                                                     \
    {                                                                                                        \
        number, kind, true, sizeof((type *)0)->counter, offsetof(type, member), offsetof(type, counter),     \
            sizeof *((type *)0)->member, parse                                                               \
    }
#define TABLE(name, fields)                                                                                  \
    {                                                                                                        \
        name, fields, GLIA_COUNT(fields)                                                                     \
    }

static const field *find_field(const message *m, uint32_t number)
{
    for (int i = 0; i < m->count; i++) {
        if (m->fields[i].number == number) return &m->fields[i];
    }
    return NULL;
}

static int64_t get_count(const field *d, const void *out)
{
    int32_t narrow;
    int64_t wide;
    memcpy(&narrow, (const uint8_t *)out + d->count_at, sizeof narrow);
    if (d->count_bytes == sizeof narrow) return narrow;
    memcpy(&wide, (const uint8_t *)out + d->count_at, sizeof wide);
    return wide;
}

static void set_count(const field *d, void *out, int64_t n)
{
    const int32_t narrow = (int32_t)n;
    if (d->count_bytes == sizeof narrow) memcpy((uint8_t *)out + d->count_at, &narrow, sizeof narrow);
    else memcpy((uint8_t *)out + d->count_at, &n, sizeof n);
}

static int item_wire(int kind)
{
    return kind == INT ? GLIA_PROTO_VARINT : kind == FLOAT ? GLIA_PROTO_4 : GLIA_PROTO_BYTES;
}

/* The first walk: how long each list is. */
static bool count_lists(glia_onnx_parser *p, const message *m, glia_span s, void *out)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    while (glia_proto_next(&r, &f)) {
        const field *d = find_field(m, f.number);
        if (!d || !d->list) continue;
        const bool number = d->kind == INT || d->kind == FLOAT;
        const int64_t n = number                       ? glia_proto_count(&f, item_wire(d->kind))
                          : f.wire == GLIA_PROTO_BYTES ? 1
                                                       : -1;
        if (n < 0) return glia_onnx_wrong_wire(p, &f, m->name);
        if (get_count(d, out) + n > INT32_MAX)
            return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", f.at, "a list of a %s with more than 2^31 items",
                                  m->name);
        set_count(d, out, get_count(d, out) + n);
        p->values += number ? 0 : n;
    }
    if (p->values > 8 * p->limits.nodes)
        return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", s.data,
                              "more than %lld names and values, which is the limit",
                              (long long)(8 * p->limits.nodes));
    return glia_onnx_fields_end(p, &r, m->name);
}

static bool make_lists(glia_onnx_parser *p, const message *m, void *out)
{
    for (int i = 0; i < m->count; i++) {
        const field *d = &m->fields[i];
        void *array;
        if (!d->list) continue;
        memcpy(&array, (uint8_t *)out + d->at, sizeof array);
        if (array) continue; /* two fields may fill one list */
        array = glia_arena_array(p->arena, get_count(d, out), d->item_bytes, 16);
        if (!array) return glia_onnx_nomem(p);
        memcpy((uint8_t *)out + d->at, &array, sizeof array);
    }
    for (int i = 0; i < m->count; i++) {
        if (m->fields[i].list) set_count(&m->fields[i], out, 0);
    }
    return true;
}

static bool parse_domain(glia_onnx_parser *p, const glia_proto_field *f, const message *m, const char **out)
{
    if (!glia_onnx_name(p, f, m->name, out)) return false;
    if (!strcmp(*out, "ai.onnx")) *out = "";
    return true;
}

/* Texts for people may be any bytes; what is no text is left out. */
static bool parse_doc(glia_onnx_parser *p, const glia_proto_field *f, const message *m, const char **out)
{
    if (f->wire == GLIA_PROTO_BYTES && !is_name(f->bytes)) return true;
    return glia_onnx_name(p, f, m->name, out);
}

static bool parse_one(glia_onnx_parser *p, const message *m, const field *d, glia_proto_field *f, void *to)
{
    switch (d->kind) {
    case NAME: return glia_onnx_name(p, f, m->name, to);
    case DOMAIN: return parse_domain(p, f, m, to);
    case DOC: return parse_doc(p, f, m, to);
    case TEXT: return glia_onnx_bytes(p, f, m->name, to);
    case FLOAT: {
        const uint32_t bits = (uint32_t)glia_proto_take(f, GLIA_PROTO_4);
        memcpy(to, &bits, sizeof bits);
        return true;
    }
    case INT: {
        const int64_t v = (int64_t)glia_proto_take(f, GLIA_PROTO_VARINT);
        memcpy(to, &v, sizeof v);
        return true;
    }
    default: return d->parse(p, f->bytes, to);
    }
}

static bool parse_field(glia_onnx_parser *p, const message *m, const field *d, glia_proto_field *f, void *out)
{
    uint8_t *to = (uint8_t *)out + d->at;
    if (!d->list)
        return f->wire == item_wire(d->kind) ? parse_one(p, m, d, f, to)
                                             : glia_onnx_wrong_wire(p, f, m->name);
    int64_t i = get_count(d, out), n = 1;
    if (d->kind == INT || d->kind == FLOAT) n = glia_proto_count(f, item_wire(d->kind));
    memcpy(&to, (uint8_t *)out + d->at, sizeof to);
    for (; n > 0; n--, i++) {
        if (!parse_one(p, m, d, f, to + i * d->item_bytes)) return false;
    }
    set_count(d, out, i);
    return true;
}

static bool parse_message(glia_onnx_parser *p, const message *m, glia_span s, void *out)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    if (!count_lists(p, m, s, out) || !make_lists(p, m, out)) return false;
    while (glia_proto_next(&r, &f)) {
        const field *d = find_field(m, f.number);
        if (d && !parse_field(p, m, d, &f, out)) return false;
    }
    return true;
}

/* ---- attributes */

enum { SPARSE = 11, SPARSES = 12, TYPES = 14 }; /* AttributeType's numbers beyond glia_onnx_attr_kind */

typedef struct raw_attr {
    const char *name, *ref;
    int64_t kind, i;
    float f;
    glia_onnx_text s;
    glia_onnx_tensor *t, *tensors, *sparse;
    glia_onnx_graph *g, *graphs;
    glia_onnx_type *type;
    const float *floats;
    const int64_t *ints;
    const glia_onnx_text *strings;
    int64_t t_count, g_count, type_count, sparse_count, float_count, int_count, string_count, tensor_count,
        graph_count;
} raw_attr;

static bool push_graph(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_graph_todo *todo =
        glia_arena_grow(p->arena, p->todo, p->todo_count, &p->todo_capacity, sizeof *p->todo);
    if (!todo) return glia_onnx_nomem(p);
    if (p->depth == GLIA_ONNX_DEPTH)
        return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", s.data, "subgraphs that nest deeper than %d",
                              p->depth);
    p->todo = todo;
    p->todo[p->todo_count++] = (glia_onnx_graph_todo){s, out, p->depth + 1};
    return true;
}

/* Singular messages are lists here, so that nothing is overwritten where a file has two. */
static const field attr_fields[] = {
    ONE(1, NAME, raw_attr, name, 0),
    ONE(21, NAME, raw_attr, ref, 0),
    ONE(20, INT, raw_attr, kind, 0),
    ONE(2, FLOAT, raw_attr, f, 0),
    ONE(3, INT, raw_attr, i, 0),
    ONE(4, TEXT, raw_attr, s, 0),
    LIST(5, MESSAGE, raw_attr, t, t_count, glia_onnx_parse_tensor),
    LIST(6, MESSAGE, raw_attr, g, g_count, push_graph),
    LIST(7, FLOAT, raw_attr, floats, float_count, 0),
    LIST(8, INT, raw_attr, ints, int_count, 0),
    LIST(9, TEXT, raw_attr, strings, string_count, 0),
    LIST(10, MESSAGE, raw_attr, tensors, tensor_count, glia_onnx_parse_tensor),
    LIST(11, MESSAGE, raw_attr, graphs, graph_count, push_graph),
    LIST(14, MESSAGE, raw_attr, type, type_count, glia_onnx_parse_type),
    LIST(22, MESSAGE, raw_attr, sparse, sparse_count, glia_onnx_parse_sparse),
};
static const message attr_message = TABLE("AttributeProto", attr_fields);

/* Files of the first versions do not say which field counts. */
static int64_t told_kind(const raw_attr *r)
{
    return r->t_count        ? GLIA_ONNX_ATTR_TENSOR
           : r->g_count      ? GLIA_ONNX_ATTR_GRAPH
           : r->float_count  ? GLIA_ONNX_ATTR_FLOATS
           : r->int_count    ? GLIA_ONNX_ATTR_INTS
           : r->string_count ? GLIA_ONNX_ATTR_STRINGS
           : r->tensor_count ? GLIA_ONNX_ATTR_TENSORS
           : r->graph_count  ? GLIA_ONNX_ATTR_GRAPHS
           : r->type_count   ? GLIA_ONNX_ATTR_TYPE
           : r->sparse_count ? SPARSE
           : r->s.text       ? GLIA_ONNX_ATTR_STRING
           : r->f != 0       ? GLIA_ONNX_ATTR_FLOAT
           : r->i            ? GLIA_ONNX_ATTR_INT
                             : GLIA_ONNX_ATTR_NONE;
}

static bool finish_attr(glia_onnx_parser *p, const raw_attr *r, glia_span s, glia_onnx_attr *a)
{
    a->name = r->name ? r->name : "";
    a->ref = r->ref && *r->ref ? r->ref : NULL;
    a->f = r->f;
    a->i = r->i;
    a->s = r->s.text ? r->s : (glia_onnx_text){"", 0};
    const int64_t kind = r->kind ? r->kind : told_kind(r);
    int64_t single = 1;
    a->kind = kind > 0 && kind <= GLIA_ONNX_ATTR_TYPE ? (int32_t)kind : 0;
    switch (kind) {
    case GLIA_ONNX_ATTR_TENSOR:
        a->t = r->t;
        single = r->t_count;
        break;
    case GLIA_ONNX_ATTR_GRAPH:
        a->g = r->g;
        single = r->g_count;
        break;
    case GLIA_ONNX_ATTR_TYPE:
        a->type = r->type;
        single = r->type_count;
        break;
    case SPARSE:
        a->kind = GLIA_ONNX_ATTR_TENSOR;
        a->t = r->sparse;
        single = r->sparse_count;
        break;
    case GLIA_ONNX_ATTR_FLOATS:
        a->floats = r->floats;
        a->count = r->float_count;
        break;
    case GLIA_ONNX_ATTR_INTS:
        a->ints = r->ints;
        a->count = r->int_count;
        break;
    case GLIA_ONNX_ATTR_STRINGS:
        a->strings = r->strings;
        a->count = r->string_count;
        break;
    case GLIA_ONNX_ATTR_TENSORS:
        a->t = r->tensors;
        a->count = r->tensor_count;
        break;
    case GLIA_ONNX_ATTR_GRAPHS:
        a->g = r->graphs;
        a->count = r->graph_count;
        break;
    case GLIA_ONNX_ATTR_NONE:
    case GLIA_ONNX_ATTR_FLOAT:
    case GLIA_ONNX_ATTR_INT:
    case GLIA_ONNX_ATTR_STRING: break;
    default:
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1010", s.data,
                              "attribute '%.64s' is of the kind %lld%s", a->name, (long long)kind,
                              kind == SPARSES ? ", sparse tensors"
                              : kind == TYPES ? ", types"
                                              : "");
    }
    if (single != 1 && !a->ref)
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1010", s.data,
                              "attribute '%.64s' has %lld values of its kind", a->name, (long long)single);
    return true;
}

static bool parse_attr(glia_onnx_parser *p, glia_span s, void *out)
{
    raw_attr raw = {0};
    return parse_message(p, &attr_message, s, &raw) && finish_attr(p, &raw, s, out);
}

/* ---- nodes, graphs, functions, models */

static const field node_fields[] = {
    LIST(1, NAME, glia_onnx_node, in, in_count, 0),
    LIST(2, NAME, glia_onnx_node, out, out_count, 0),
    ONE(3, NAME, glia_onnx_node, name, 0),
    ONE(4, NAME, glia_onnx_node, op, 0),
    LIST(5, MESSAGE, glia_onnx_node, attrs, attr_count, parse_attr),
    ONE(7, DOMAIN, glia_onnx_node, domain, 0),
    ONE(8, NAME, glia_onnx_node, overload, 0),
};
static const message node_message = TABLE("NodeProto", node_fields);

static bool parse_node(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_node *n = out;
    n->name = n->op = n->domain = n->overload = "";
    if (++p->nodes > p->limits.nodes)
        return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", s.data, "more than %lld nodes, which is the limit",
                              (long long)p->limits.nodes);
    return parse_message(p, &node_message, s, n);
}

static const field value_fields[] = {
    ONE(1, NAME, glia_onnx_value, name, 0),
    ONE(2, MESSAGE, glia_onnx_value, type, glia_onnx_parse_type),
};
static const message value_message = TABLE("ValueInfoProto", value_fields);

static bool parse_value(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_value *v = out;
    v->name = "";
    v->type.rank = -1;
    return parse_message(p, &value_message, s, v);
}

static const field graph_fields[] = {
    LIST(1, MESSAGE, glia_onnx_graph, nodes, node_count, parse_node),
    ONE(2, NAME, glia_onnx_graph, name, 0),
    LIST(5, MESSAGE, glia_onnx_graph, initializers, initializer_count, glia_onnx_parse_tensor),
    LIST(15, MESSAGE, glia_onnx_graph, initializers, initializer_count, glia_onnx_parse_sparse),
    LIST(11, MESSAGE, glia_onnx_graph, inputs, input_count, parse_value),
    LIST(12, MESSAGE, glia_onnx_graph, outputs, output_count, parse_value),
    LIST(13, MESSAGE, glia_onnx_graph, values, value_count, parse_value),
};
static const message graph_message = TABLE("GraphProto", graph_fields);

static const field opset_fields[] = {
    ONE(1, DOMAIN, glia_onnx_opset, domain, 0),
    ONE(2, INT, glia_onnx_opset, version, 0),
};
static const message opset_message = TABLE("OperatorSetIdProto", opset_fields);

static bool parse_opset(glia_onnx_parser *p, glia_span s, void *out)
{
    ((glia_onnx_opset *)out)->domain = "";
    return parse_message(p, &opset_message, s, out);
}

static const field property_fields[] = {
    ONE(1, NAME, glia_onnx_property, key, 0),
    ONE(2, DOC, glia_onnx_property, value, 0),
};
static const message property_message = TABLE("StringStringEntryProto", property_fields);

static bool parse_property(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_property *property = out;
    property->key = property->value = "";
    return parse_message(p, &property_message, s, property);
}

static const field function_fields[] = {
    ONE(1, NAME, glia_onnx_function, name, 0),
    LIST(4, NAME, glia_onnx_function, inputs, input_count, 0),
    LIST(5, NAME, glia_onnx_function, outputs, output_count, 0),
    LIST(6, NAME, glia_onnx_function, attributes, attribute_count, 0),
    LIST(7, MESSAGE, glia_onnx_function, nodes, node_count, parse_node),
    LIST(9, MESSAGE, glia_onnx_function, opsets, opset_count, parse_opset),
    ONE(10, DOMAIN, glia_onnx_function, domain, 0),
    LIST(11, MESSAGE, glia_onnx_function, defaults, default_count, parse_attr),
    ONE(13, NAME, glia_onnx_function, overload, 0),
};
static const message function_message = TABLE("FunctionProto", function_fields);

static bool parse_function(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_function *f = out;
    f->name = f->domain = f->overload = "";
    return parse_message(p, &function_message, s, f);
}

typedef struct raw_model {
    glia_onnx m;
    glia_onnx_graph *graph; /* a list, of one */
    int64_t graph_count;
} raw_model;

static const field model_fields[] = {
    ONE(1, INT, raw_model, m.ir_version, 0),
    ONE(2, DOC, raw_model, m.producer, 0),
    ONE(3, DOC, raw_model, m.producer_version, 0),
    ONE(4, DOC, raw_model, m.domain, 0),
    ONE(6, DOC, raw_model, m.doc, 0),
    LIST(7, MESSAGE, raw_model, graph, graph_count, push_graph),
    LIST(8, MESSAGE, raw_model, m.opsets, m.opset_count, parse_opset),
    LIST(14, MESSAGE, raw_model, m.properties, m.property_count, parse_property),
    LIST(25, MESSAGE, raw_model, m.functions, m.function_count, parse_function),
};
static const message model_message = TABLE("ModelProto", model_fields);

static bool parse_model(glia_onnx_parser *p, glia_span s)
{
    glia_onnx *m = p->m;
    raw_model raw = {.m = *m};
    raw.m.producer = raw.m.producer_version = raw.m.domain = raw.m.doc = "";
    p->depth = -1;
    if (!parse_message(p, &model_message, s, &raw)) return false;
    if (raw.graph_count != 1)
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1000", s.data, "not an ONNX model: it has %lld graphs",
                              (long long)raw.graph_count);
    while (p->todo_count) {
        const glia_onnx_graph_todo todo = p->todo[--p->todo_count];
        p->depth = todo.depth;
        todo.to->name = "";
        if (!parse_message(p, &graph_message, todo.bytes, todo.to)) return false;
    }
    raw.m.arena = m->arena;
    *m = raw.m;
    m->graph = *raw.graph;
    return true;
}

/* ---- opening and closing */

typedef struct owner { /* what close gives back; the model is its first member */
    glia_onnx m;
    char *file; /* null: borrowed bytes, or a mapping */
    void *map;  /* a container, which stays mapped */
    int64_t map_bytes;
    const glia_os *os;
} owner;

static glia_onnx_limits limits_of(const glia_onnx_limits *given)
{
    glia_onnx_limits l = given ? *given : (glia_onnx_limits){0};
    if (l.message_bytes <= 0) l.message_bytes = BYTES_MOST;
    if (l.nodes <= 0) l.nodes = NODES_MOST;
    if (l.tensors <= 0) l.tensors = TENSORS_MOST;
    if (l.nodes > INT32_MAX) l.nodes = INT32_MAX;
    return l;
}

static glia_status parse_owned(owner *o, const void *data, int64_t size, const char *folder,
                               const glia_span *blob, const glia_onnx_limits *limits, glia_error *e)
{
    const glia_onnx_limits l = limits_of(limits);
    glia_arena_init(&o->m.arena, o->os, l.message_bytes);
    glia_onnx_parser p = {.arena = &o->m.arena,
                          .base = data,
                          .own = (uint8_t *)o->file,
                          .m = &o->m,
                          .blob = blob,
                          .limits = l,
                          .e = e};
    o->m.internal = glia_onnx_files_new(&o->m.arena, folder);
    if (!o->m.internal) glia_onnx_nomem(&p);
    else parse_model(&p, (glia_span){data, size});
    o->m.file_bytes = size;
    return p.status;
}

static owner *owner_new(const glia_os *os, glia_error *e)
{
    owner *o = glia_file_memory(os, sizeof *o, "an ONNX model", e);
    if (o) o->os = os;
    return o;
}

glia_status glia_onnx_parse(const glia_os *os, const void *data, int64_t size, const char *folder,
                            const glia_onnx_limits *limits, glia_onnx **out, glia_error *e)
{
    glia_error_clear(e);
    *out = NULL;
    if (!data || size < 0) return glia_fail(e, GLIA_E_ARG, "G1017", "no bytes to read an ONNX model from");
    owner *o = owner_new(os ? os : glia_os_default(), e);
    if (!o) return GLIA_E_NOMEM;
    glia_status s = parse_owned(o, data, size, folder, NULL, limits, e);
    if (s) glia_onnx_close(&o->m);
    else *out = &o->m;
    return s;
}

/* The path without its last part; "" where there is none. */
static char *folder_of(glia_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? glia_arena_strndup(a, path, slash == path ? 1 : slash - path) : glia_arena_strdup(a, "");
}

/* A file that begins like a container; all others are left alone, also those that cannot be opened. */
static glia_status open_container(owner *o, const char *path, const glia_onnx_limits *limits, bool *is,
                                  glia_error *e)
{
    const glia_os *os = o->os;
    uint8_t head[8];
    glia_file f;
    glia_container c;
    glia_status s = GLIA_OK;
    *is = false;
    if (os->file_open(os->ctx, path, GLIA_FILE_READ, &f)) return GLIA_OK;
    if (os->file_size(os->ctx, f, &o->map_bytes) || o->map_bytes < (int64_t)sizeof head ||
        os->file_read(os->ctx, f, 0, head, sizeof head) || !glia_container_is(head, sizeof head))
        goto done;
    *is = true;
    o->map = os->map(os->ctx, f, (size_t)o->map_bytes);
    s = o->map ? glia_container_view(o->map, o->map_bytes, &c, e)
               : glia_fail(e, GLIA_E_IO, "G0802", "the file cannot be mapped");
    if (!s) s = parse_owned(o, c.graph.data, c.graph.size, NULL, &c.weights, limits, e);
    if (s) glia_error_context(e, "%.512s", path);
done:
    os->file_close(os->ctx, f);
    return s;
}

glia_status glia_onnx_open(const glia_os *os, const char *path, const glia_onnx_limits *limits,
                           glia_onnx **out, glia_error *e)
{
    int64_t size;
    glia_error_clear(e);
    *out = NULL;
    if (!path) return glia_fail(e, GLIA_E_ARG, "G1017", "no path");
    if (!os) os = glia_os_default();
    owner *o = owner_new(os, e);
    if (!o) return GLIA_E_NOMEM;
    glia_arena scratch;
    glia_arena_init(&scratch, os, 0);
    const char *folder = folder_of(&scratch, path);
    bool container = false;
    glia_status s = folder ? open_container(o, path, limits, &container, e)
                           : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a path");
    if (!s && !container) s = glia_file_load(os, path, INT64_MAX - 1, &o->file, &size, e);
    if (!s && !container && glia_container_is(o->file, size)) {
        o->m.file_bytes = size;
        s = glia_fail(e, GLIA_E_IO, "G0802", "%.512s: its first bytes could not be read at first", path);
    }
    if (!s && !container) {
        s = parse_owned(o, o->file, size, folder, NULL, limits, e);
        if (s) glia_error_context(e, "%.512s", path);
    }
    glia_arena_free(&scratch);
    if (s) glia_onnx_close(&o->m);
    else *out = &o->m;
    return s;
}

void glia_onnx_close(glia_onnx *m)
{
    if (!m) return;
    owner *o = (owner *)(void *)m;
    const glia_os *os = o->os;
    if (m->arena.os) {
        glia_onnx_files_close(m);
        glia_arena_free(&m->arena);
    }
    if (o->map) os->unmap(os->ctx, o->map, (size_t)o->map_bytes);
    if (o->file) os->mem_free(os->ctx, o->file, (size_t)m->file_bytes + 1);
    os->mem_free(os->ctx, o, sizeof *o);
}
