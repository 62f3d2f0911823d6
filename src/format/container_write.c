/* Writes .glia containers: an ONNX message is copied field by field, and the bytes of its initializers move to a
 * section of their own. What stays as it is: strings, elements of less than a byte, small tensors, tensors of
 * subgraphs and attributes; those that lie in external files are refused there, by name, when the file is read back. */
#include "format/container.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/sum64.h"
#include "format/file.h"
#include "format/onnx.h"
#include "tensor/lowbit.h"

#include <string.h>

enum { LEAST_BYTES = 64, ALIGN = 64 };
enum { MODEL_GRAPH = 7, GRAPH_INITIALIZER = 5, TENSOR_NAME = 8 }; /* field numbers of onnx.proto3 */

typedef struct writing {
    glia_arena arena;
    glia_onnx *m;
    glia_writer graph;
    uint8_t *weights;
    int64_t weight_bytes, weight_room;
    glia_error *e;
    glia_status status;
} writing;

/* ---- fields ------------------------------------------------------------------------------------------- */

static void put_varint(glia_writer *w, uint64_t v)
{
    for (; v >= 128; v >>= 7) glia_write_u8(w, (uint8_t)(v | 128));
    glia_write_u8(w, (uint8_t)v);
}

static void put_bytes(glia_writer *w, uint32_t number, const void *p, int64_t n)
{
    put_varint(w, (uint64_t)number << 3 | GLIA_PROTO_BYTES);
    put_varint(w, (uint64_t)n);
    glia_write_bytes(w, p, n);
}

static void put_field(glia_writer *w, const glia_proto_field *f)
{
    if (f->wire == GLIA_PROTO_BYTES) {
        put_bytes(w, f->number, f->bytes.data, f->bytes.size);
        return;
    }
    put_varint(w, (uint64_t)f->number << 3 | (uint64_t)f->wire);
    if (f->wire == GLIA_PROTO_VARINT) put_varint(w, f->bits);
    else if (f->wire == GLIA_PROTO_8) glia_write_u64(w, f->bits);
    else glia_write_u32(w, (uint32_t)f->bits);
}

/* A StringStringEntryProto. */
static void put_entry(glia_writer *w, glia_arena *a, const char *key, const char *value)
{
    glia_writer x = {.arena = a};
    put_bytes(&x, 1, key, (int64_t)strlen(key));
    put_bytes(&x, 2, value, (int64_t)strlen(value));
    put_bytes(w, 13, x.data, x.size);
    w->failed |= x.failed;
}

/* ---- tensors ------------------------------------------------------------------------------------------ */

static const glia_onnx_tensor *find_tensor(const writing *x, glia_span s)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    glia_span name = {NULL, 0};
    while (glia_proto_next(&r, &f))
        if (f.number == TENSOR_NAME && f.wire == GLIA_PROTO_BYTES) name = f.bytes;
    for (int64_t i = 0; name.data && i < x->m->graph.initializer_count; i++) {
        const glia_onnx_tensor *t = &x->m->graph.initializers[i];
        if (t->name.size == name.size && !memcmp(t->name.text, name.data, (size_t)name.size)) return t;
    }
    return NULL;
}

static bool moves(const glia_onnx_tensor *t)
{
    const int bits = t && !t->is_string ? glia_lowbit_bits(t->dtype) : 0;
    return t && !t->is_string && t->dtype && (!bits || bits == 8) && (t->bytes >= LEAST_BYTES || t->location);
}

static bool add_weights(writing *x, const glia_onnx_tensor *t, int64_t *offset)
{
    if (!glia_round_up(x->weight_bytes, ALIGN, offset) || x->weight_room - *offset < t->bytes) return false;
    x->weight_bytes = *offset + t->bytes;
    x->status = glia_onnx_tensor_read(x->m, t, 0, t->bytes, x->weights + *offset, x->e);
    return !x->status;
}

/* The tensor without its numbers, and where they are. */
static bool put_tensor(writing *x, glia_writer *w, glia_span s)
{
    const glia_onnx_tensor *t = find_tensor(x, s);
    glia_writer inner = {.arena = &x->arena};
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    char number[32];
    int64_t offset = 0;
    const bool move = moves(t);
    if (move && !add_weights(x, t, &offset)) return false;
    while (glia_proto_next(&r, &f)) { /* dims 1, data_type 2, name 8, doc_string 12 */
        if (!move || f.number == 1 || f.number == 2 || f.number == TENSOR_NAME || f.number == 12)
            put_field(&inner, &f);
    }
    if (move) {
        glia_writer text = {.arena = &x->arena};
        glia_write_text(&text, "%lld", (long long)offset);
        if (text.size >= (int64_t)sizeof number) return false;
        memcpy(number, text.data, (size_t)text.size);
        number[text.size] = 0;
        put_entry(&inner, &x->arena, "location", GLIA_CONTAINER_FILE);
        put_entry(&inner, &x->arena, "offset", number);
        put_varint(&inner, 14 << 3); /* data_location: external */
        put_varint(&inner, 1);
    }
    put_bytes(w, GRAPH_INITIALIZER, inner.data, inner.size);
    w->failed |= inner.failed;
    return true;
}

static bool put_graph(writing *x, glia_span s)
{
    glia_writer inner = {.arena = &x->arena};
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    while (glia_proto_next(&r, &f)) {
        if (f.number != GRAPH_INITIALIZER || f.wire != GLIA_PROTO_BYTES) put_field(&inner, &f);
        else if (!put_tensor(x, &inner, f.bytes)) return false;
    }
    put_bytes(&x->graph, MODEL_GRAPH, inner.data, inner.size);
    x->graph.failed |= inner.failed;
    return true;
}

static glia_status rewrite(writing *x, glia_span model)
{
    glia_proto r = glia_proto_make(model);
    glia_proto_field f;
    for (int64_t i = 0; i < x->m->graph.initializer_count; i++) {
        const glia_onnx_tensor *t = &x->m->graph.initializers[i];
        int64_t room;
        if (!moves(t)) continue;
        if (!glia_round_up(t->bytes, ALIGN, &room) || !glia_add(x->weight_room, room, &x->weight_room))
            return glia_fail(x->e, GLIA_E_LIMIT, "G0202", "the weights' size cannot be represented");
    }
    x->weights = glia_arena_alloc(&x->arena, x->weight_room, 64);
    bool ok = x->weights != NULL;
    while (ok && glia_proto_next(&r, &f)) {
        if (f.number == MODEL_GRAPH && f.wire == GLIA_PROTO_BYTES) ok = put_graph(x, f.bytes);
        else put_field(&x->graph, &f);
    }
    if (x->status) return x->status;
    if (ok && !x->graph.failed && !x->arena.failed) return GLIA_OK;
    return glia_fail(x->e, GLIA_E_NOMEM, "G0801", "no memory for a .glia file");
}

/* ---- the file ----------------------------------------------------------------------------------------- */

static void put_section(glia_writer *w, uint32_t kind, int64_t offset, const void *p, int64_t bytes)
{
    glia_write_u32(w, kind);
    glia_write_u32(w, 0);
    glia_write_u64(w, (uint64_t)offset);
    glia_write_u64(w, (uint64_t)bytes);
    glia_write_u64(w, glia_sum64(p, bytes));
}

static glia_status append_at(glia_file_writer *f, int64_t offset, const void *p, int64_t bytes, glia_error *e)
{
    static const uint8_t zeros[GLIA_CONTAINER_ALIGN];
    glia_status s = glia_file_append(f, zeros, offset - f->at, e);
    return s ? s : glia_file_append(f, p, bytes, e);
}

static glia_status write_file(writing *x, glia_file_writer *f)
{
    static const uint8_t magic[8] = {0x89, 'G', 'L', 'I', 'A', 0x0d, 0x0a, 0x1a};
    const uint32_t count = x->weight_bytes ? 2 : 1;
    glia_writer table = {.arena = &x->arena}, head = {.arena = &x->arena};
    int64_t first = GLIA_CONTAINER_ALIGN, second;
    if (!glia_round_up(first + x->graph.size, GLIA_CONTAINER_ALIGN, &second))
        return glia_fail(x->e, GLIA_E_LIMIT, "G0202", "the file's size cannot be represented");
    put_section(&table, GLIA_CONTAINER_GRAPH, first, x->graph.data, x->graph.size);
    if (count > 1) put_section(&table, GLIA_CONTAINER_WEIGHTS, second, x->weights, x->weight_bytes);
    glia_write_bytes(&head, magic, sizeof magic);
    glia_write_u32(&head, 1);
    glia_write_u32(&head, count);
    glia_write_u64(&head, (uint64_t)(count > 1 ? second + x->weight_bytes : first + x->graph.size));
    glia_write_u64(&head, glia_sum64(table.data, table.size));
    glia_write_bytes(&head, table.data, table.size);
    if (head.failed || table.failed)
        return glia_fail(x->e, GLIA_E_NOMEM, "G0801", "no memory for a .glia file");
    glia_status s = glia_file_append(f, head.data, head.size, x->e);
    if (!s) s = append_at(f, first, x->graph.data, x->graph.size, x->e);
    if (!s && count > 1) s = append_at(f, second, x->weights, x->weight_bytes, x->e);
    return s;
}

glia_status glia_container_write(const glia_os *os, const char *onnx, const char *path, glia_error *e)
{
    writing x = {.e = e};
    glia_file_writer f = {0};
    glia_onnx *back = NULL;
    char *data = NULL;
    int64_t size = 0;
    glia_error_clear(e);
    if (!onnx || !path) return glia_fail(e, GLIA_E_ARG, "G0714", "a path is null");
    if (!os) os = glia_os_default();
    glia_arena_init(&x.arena, os, 0);
    x.graph.arena = &x.arena;
    glia_status s = glia_onnx_open(os, onnx, NULL, &x.m, e);
    if (!s) s = glia_file_load(os, onnx, INT64_MAX - 1, &data, &size, e);
    if (!s && glia_container_is(data, size))
        s = glia_fail(e, GLIA_E_ARG, "G0244", "the file is a .glia container already");
    if (!s) s = rewrite(&x, (glia_span){(const uint8_t *)data, size});
    if (!s) s = glia_file_create(&f, os, path, e);
    if (!s) s = write_file(&x, &f);
    if (!s) s = glia_onnx_open(os, f.temporary, NULL, &back, e); /* as any other file */
    glia_onnx_close(back);
    if (!s) s = glia_file_finish(&f, e);
    if (f.os) glia_file_abandon(&f);
    if (data) os->mem_free(os->ctx, data, (size_t)size + 1);
    glia_onnx_close(x.m);
    glia_arena_free(&x.arena);
    return s;
}
