/* Values of their own, as test data and tools keep them: TensorProto, SequenceProto, OptionalProto and MapProto
 * (onnx-data.proto). What nests waits in a list; data are copied. */
#include "format/onnx_internal.h"

#include "base/error.h"

#include <string.h>

typedef struct todo {
    glia_span bytes;
    glia_onnx_item *to;
    int depth;
} todo;

typedef struct reader {
    glia_onnx_parser p;
    todo *list;
    int64_t count, capacity;
} reader;

/* What a field of SequenceProto or OptionalProto holds; their numbers are the same. 0: no value. */
enum { SPARSE = -1 };
static int held_kind(uint32_t number)
{
    static const int8_t kinds[] = {
        0, 0, 0, GLIA_ONNX_TENSOR, SPARSE, GLIA_ONNX_SEQUENCE, GLIA_ONNX_MAP, GLIA_ONNX_OPTIONAL};
    return number < sizeof kinds ? kinds[number] : 0;
}

static bool push(reader *r, glia_span s, glia_onnx_item *to, int kind, int depth)
{
    if (depth > GLIA_ONNX_DEPTH)
        return glia_onnx_fail(&r->p, GLIA_E_LIMIT, "G1004", s.data, "values that nest deeper than %d",
                              GLIA_ONNX_DEPTH);
    todo *list = glia_arena_grow(r->p.arena, r->list, r->count, &r->capacity, sizeof *list);
    if (!list) return glia_onnx_nomem(&r->p);
    to->kind = kind;
    r->list = list;
    r->list[r->count++] = (todo){s, to, depth};
    return true;
}

/* SequenceProto, and OptionalProto, which is one of at most one: the numbers of their fields are the same. */
static bool parse_items(reader *r, todo at)
{
    const char *message = at.to->kind == GLIA_ONNX_SEQUENCE ? "SequenceProto" : "OptionalProto";
    int64_t n = 0;
    glia_proto_field f;
    glia_proto w = glia_proto_make(at.bytes);
    while (glia_proto_next(&w, &f)) {
        if (held_kind(f.number) && f.wire != GLIA_PROTO_BYTES)
            return glia_onnx_wrong_wire(&r->p, &f, message);
        n += held_kind(f.number) != GLIA_ONNX_NO_TYPE;
    }
    if (!glia_onnx_fields_end(&r->p, &w, message)) return false;
    if (at.to->kind == GLIA_ONNX_OPTIONAL && n > 1)
        return glia_onnx_fail(&r->p, GLIA_E_FORMAT, "G1016", at.bytes.data, "an optional of %lld values",
                              (long long)n);
    if ((r->p.nodes += n) > r->p.limits.nodes)
        return glia_onnx_fail(&r->p, GLIA_E_LIMIT, "G1004", at.bytes.data, "more than %lld items",
                              (long long)r->p.limits.nodes);
    glia_onnx_item *items = GLIA_NEW_ARRAY(r->p.arena, glia_onnx_item, n);
    if (!items) return glia_onnx_nomem(&r->p);
    at.to->items = items;
    w = glia_proto_make(at.bytes);
    while (glia_proto_next(&w, &f)) {
        const int kind = held_kind(f.number);
        if (!kind) continue;
        glia_onnx_item *item = &items[at.to->count++];
        if (kind != SPARSE) {
            if (!push(r, f.bytes, item, kind, at.depth + 1)) return false;
            continue;
        }
        item->kind = GLIA_ONNX_TENSOR;
        if (!glia_onnx_parse_sparse(&r->p, f.bytes, &item->tensor)) return false;
    }
    return true;
}

/* The keys of a map as a tensor [n]. */
static bool map_keys(reader *r, const todo *at, int64_t numbers, int64_t texts, int64_t type)
{
    glia_onnx_tensor *keys = GLIA_NEW(r->p.arena, glia_onnx_tensor);
    const int64_t n = texts ? texts : numbers;
    int64_t *to = GLIA_NEW_ARRAY(r->p.arena, int64_t, numbers), number = 0, text = 0;
    glia_onnx_text *strings = GLIA_NEW_ARRAY(r->p.arena, glia_onnx_text, texts);
    if (!keys || !to || !strings) return glia_onnx_nomem(&r->p);
    glia_proto w = glia_proto_make(at->bytes);
    glia_proto_field f;
    while (glia_proto_next(&w, &f)) {
        int64_t count = f.number == 3 ? glia_proto_count(&f, GLIA_PROTO_VARINT) : 0;
        for (; count > 0; count--) to[number++] = (int64_t)glia_proto_take(&f, GLIA_PROTO_VARINT);
        if (f.number == 4 && !glia_onnx_bytes(&r->p, &f, "MapProto", &strings[text++])) return false;
    }
    const bool is_string = texts || type == 8;
    *keys = (glia_onnx_tensor){.name = {"", 0},
                               .onnx_type = is_string ? 8 : 7,
                               .dtype = is_string ? GLIA_DTYPE_NONE : GLIA_I64,
                               .is_string = is_string,
                               .rank = 1,
                               .dims = {n},
                               .count = n,
                               .bytes = is_string ? 0 : n * 8,
                               .data = is_string || !n ? NULL : to,
                               .strings = is_string ? strings : NULL,
                               .external_length = -1};
    at->to->keys = keys;
    return true;
}

/* MapProto: key_type 2, keys 3, string_keys 4, values 5 (a SequenceProto). All integer keys become int64. */
static bool parse_map(reader *r, todo at)
{
    int64_t numbers = 0, texts = 0, type = 0;
    glia_onnx_item *values = GLIA_NEW(r->p.arena, glia_onnx_item);
    if (!values) return glia_onnx_nomem(&r->p);
    values->kind = GLIA_ONNX_SEQUENCE;
    glia_proto_field f;
    glia_proto w = glia_proto_make(at.bytes);
    while (glia_proto_next(&w, &f)) {
        const int64_t n = f.number == 3 ? glia_proto_count(&f, GLIA_PROTO_VARINT) : 0;
        if (n < 0 || ((f.number == 4 || f.number == 5) && f.wire != GLIA_PROTO_BYTES) ||
            (f.number == 2 && f.wire != GLIA_PROTO_VARINT))
            return glia_onnx_wrong_wire(&r->p, &f, "MapProto");
        numbers += n;
        if (f.number == 2) type = (int64_t)f.bits;
        texts += f.number == 4;
        if (f.number == 5 && !parse_items(r, (todo){f.bytes, values, at.depth + 1})) return false;
    }
    if (!glia_onnx_fields_end(&r->p, &w, "MapProto") || !map_keys(r, &at, numbers, texts, type)) return false;
    at.to->items = values->items;
    at.to->count = values->count;
    if ((numbers && texts) || values->count != at.to->keys->count)
        return glia_onnx_fail(&r->p, GLIA_E_FORMAT, "G1016", at.bytes.data,
                              "a map of %lld keys and %lld values", (long long)(numbers + texts),
                              (long long)values->count);
    return true;
}

glia_status glia_onnx_item_parse(glia_arena *a, const void *data, int64_t size, int kind, glia_onnx_item *out,
                                 glia_error *e)
{
    glia_error_clear(e);
    *out = (glia_onnx_item){0};
    if (!data || size < 0 || kind < GLIA_ONNX_TENSOR || kind > GLIA_ONNX_MAP)
        return glia_fail(e, GLIA_E_ARG, "G1017", "no bytes of a value, or a kind that is none");
    reader r = {.p = {.arena = a,
                      .base = data,
                      .copy = true,
                      .limits = {.nodes = 1000000, .tensors = 1000000},
                      .e = e}};
    push(&r, (glia_span){data, size}, out, kind, 0);
    while (r.count && !r.p.status) {
        const todo at = r.list[--r.count];
        if (at.to->kind == GLIA_ONNX_TENSOR) glia_onnx_parse_tensor(&r.p, at.bytes, &at.to->tensor);
        else if (at.to->kind == GLIA_ONNX_MAP) parse_map(&r, at);
        else parse_items(&r, at);
    }
    return r.p.status;
}
