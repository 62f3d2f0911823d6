/* The GGUF writer; see gguf_write.h. */
#include "format/gguf_write.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/reader.h"
#include "format/file.h"
#include "tensor/dtype.h"

#include <string.h>

#ifdef GLIA_HOSTILE
#define PIECE_BYTES 1 /* a row at a time */
#else
#define PIECE_BYTES (1 << 20)
#endif

typedef struct out_tensor {
    glia_dtype dtype;
    int64_t offset, bytes, row_bytes;
} out_tensor;

struct glia_gguf_writer {
    const glia_os *os;
    glia_arena arena;
    glia_writer values, infos, header; /* all in the arena */
    int64_t value_count;
    int64_t tensor_count, tensor_capacity;
    out_tensor *tensors;
    int64_t data_bytes; /* with padding */
    int64_t alignment;
    glia_error error; /* the first one */
};

glia_status glia_gguf_writer_create(const glia_os *os, glia_gguf_writer **out, glia_error *e)
{
    *out = NULL;
    glia_error_clear(e);
    if (!os) os = glia_os_default();
    glia_gguf_writer *w = glia_file_memory(os, sizeof *w, "a GGUF writer", e);
    if (!w) return GLIA_E_NOMEM;
    w->os = os;
    glia_arena_init(&w->arena, os, 0);
    w->values.arena = w->infos.arena = w->header.arena = &w->arena;
    w->alignment = 32;
    w->error = (glia_error)GLIA_ERROR_INIT;
    *out = w;
    return GLIA_OK;
}

void glia_gguf_writer_destroy(glia_gguf_writer *w)
{
    if (!w) return;
    const glia_os *os = w->os;
    glia_arena_free(&w->arena);
    os->mem_free(os->ctx, w, sizeof *w);
}

static void put_string(glia_writer *w, const char *text, int64_t size)
{
    glia_write_u64(w, (uint64_t)size);
    glia_write_bytes(w, text, size);
}

static void begin(glia_gguf_writer *w, const char *key, glia_gguf_type type)
{
    put_string(&w->values, key, (int64_t)strlen(key));
    glia_write_u32(&w->values, (uint32_t)type);
    w->value_count++;
}

static void put_bits(glia_writer *w, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++) glia_write_u8(w, (uint8_t)(bits >> (8 * i)));
}

static void set_bits(glia_gguf_writer *w, const char *key, glia_gguf_type type, uint64_t bits, int bytes)
{
    begin(w, key, type);
    put_bits(&w->values, bits, bytes);
}

void glia_gguf_set_u8(glia_gguf_writer *w, const char *key, uint8_t v)
{
    set_bits(w, key, GLIA_GGUF_U8, v, 1);
}
void glia_gguf_set_i8(glia_gguf_writer *w, const char *key, int8_t v)
{
    set_bits(w, key, GLIA_GGUF_I8, (uint64_t)v, 1);
}
void glia_gguf_set_u16(glia_gguf_writer *w, const char *key, uint16_t v)
{
    set_bits(w, key, GLIA_GGUF_U16, v, 2);
}
void glia_gguf_set_i16(glia_gguf_writer *w, const char *key, int16_t v)
{
    set_bits(w, key, GLIA_GGUF_I16, (uint64_t)v, 2);
}
void glia_gguf_set_i32(glia_gguf_writer *w, const char *key, int32_t v)
{
    set_bits(w, key, GLIA_GGUF_I32, (uint64_t)v, 4);
}
void glia_gguf_set_u64(glia_gguf_writer *w, const char *key, uint64_t v)
{
    set_bits(w, key, GLIA_GGUF_U64, v, 8);
}
void glia_gguf_set_i64(glia_gguf_writer *w, const char *key, int64_t v)
{
    set_bits(w, key, GLIA_GGUF_I64, (uint64_t)v, 8);
}
void glia_gguf_set_bool(glia_gguf_writer *w, const char *key, bool v)
{
    set_bits(w, key, GLIA_GGUF_BOOL, v, 1);
}

void glia_gguf_set_u32(glia_gguf_writer *w, const char *key, uint32_t v)
{
    if (strcmp(key, "general.alignment") == 0) {
        if (w->tensor_count)
            glia_fail(&w->error, GLIA_E_ARG, "G0312", "general.alignment comes before the tensors");
        else if (v < 8 || (v & (v - 1)))
            glia_fail(&w->error, GLIA_E_ARG, "G0312", "general.alignment %u is not a power of two from 8", v);
        else w->alignment = v;
    }
    set_bits(w, key, GLIA_GGUF_U32, v, 4);
}

void glia_gguf_set_f32(glia_gguf_writer *w, const char *key, float v)
{
    begin(w, key, GLIA_GGUF_F32);
    glia_write_f32(&w->values, v);
}

void glia_gguf_set_f64(glia_gguf_writer *w, const char *key, double v)
{
    begin(w, key, GLIA_GGUF_F64);
    glia_write_f64(&w->values, v);
}

void glia_gguf_set_string(glia_gguf_writer *w, const char *key, const char *text, int64_t size)
{
    begin(w, key, GLIA_GGUF_STRING);
    put_string(&w->values, text, size < 0 ? (int64_t)strlen(text) : size);
}

void glia_gguf_set_array(glia_gguf_writer *w, const char *key, glia_gguf_type element, const void *data,
                         int64_t count)
{
    int64_t bytes;
    if (!glia_gguf_type_bytes((int)element) || !glia_mul(count, glia_gguf_type_bytes((int)element), &bytes)) {
        glia_fail(&w->error, GLIA_E_ARG, "G0308", "'%.128s': an array of %lld %s", key, (long long)count,
                  glia_gguf_type_name((int)element));
        return;
    }
    begin(w, key, GLIA_GGUF_ARRAY);
    glia_write_u32(&w->values, (uint32_t)element);
    glia_write_u64(&w->values, (uint64_t)count);
    glia_write_bytes(&w->values, data, bytes);
}

void glia_gguf_set_strings(glia_gguf_writer *w, const char *key, const glia_gguf_string *strings,
                           int64_t count)
{
    begin(w, key, GLIA_GGUF_ARRAY);
    glia_write_u32(&w->values, GLIA_GGUF_STRING);
    glia_write_u64(&w->values, (uint64_t)count);
    for (int64_t i = 0; i < count; i++) put_string(&w->values, strings[i].text, strings[i].size);
}

void glia_gguf_set_value(glia_gguf_writer *w, const glia_gguf_value *v)
{
    if (v->type == GLIA_GGUF_ARRAY && v->element == GLIA_GGUF_STRING)
        glia_gguf_set_strings(w, v->key, v->strings, v->count);
    else if (v->type == GLIA_GGUF_ARRAY) glia_gguf_set_array(w, v->key, v->element, v->data, v->count);
    else if (v->type == GLIA_GGUF_STRING)
        glia_gguf_set_string(w, v->key, v->strings[0].text, v->strings[0].size);
    else if (v->type == GLIA_GGUF_U32) glia_gguf_set_u32(w, v->key, (uint32_t)v->bits);
    else set_bits(w, v->key, v->type, v->bits, glia_gguf_type_bytes((int)v->type));
}

void glia_gguf_add_tensor(glia_gguf_writer *w, const char *name, glia_dtype dtype, int rank,
                          const int64_t *dims)
{
    const glia_dtype_info *info = glia_dtype_get(dtype);
    out_tensor t = {dtype, w->data_bytes, 0, 0};
    if (!dtype || info->gguf_type < 0) {
        glia_fail(&w->error, GLIA_E_DTYPE, "G0323", "tensor '%.128s': GGUF has no type for %s", name,
                  glia_dtype_name(dtype));
        return;
    }
    if (rank < 1 || rank > 4 || !glia_dtype_row_bytes(dtype, dims[rank - 1], &t.row_bytes) ||
        !glia_dtype_tensor_bytes(dtype, rank, dims, &t.bytes) ||
        !glia_add(w->data_bytes, t.bytes, &w->data_bytes) ||
        !glia_round_up(w->data_bytes, w->alignment, &w->data_bytes)) {
        glia_fail(&w->error, GLIA_E_SHAPE, "G0315", "tensor '%.128s': this shape cannot be %s", name,
                  glia_dtype_name(dtype));
        return;
    }
    out_tensor *grown =
        glia_arena_grow(&w->arena, w->tensors, w->tensor_count, &w->tensor_capacity, sizeof t);
    if (!grown) {
        w->infos.failed = true;
        return;
    }
    w->tensors = grown;
    w->tensors[w->tensor_count++] = t;
    put_string(&w->infos, name, (int64_t)strlen(name));
    glia_write_u32(&w->infos, (uint32_t)rank);
    for (int i = rank - 1; i >= 0; i--) glia_write_u64(&w->infos, (uint64_t)dims[i]);
    glia_write_u32(&w->infos, (uint32_t)info->gguf_type);
    glia_write_u64(&w->infos, (uint64_t)t.offset);
}

glia_status glia_gguf_writer_header(glia_gguf_writer *w, const void **data, int64_t *bytes,
                                    int64_t *file_bytes, glia_error *e)
{
    if (w->error.status) return glia_fail(e, w->error.status, w->error.code, "%s", w->error.text);
    glia_writer *h = &w->header;
    if (h->size == 0) {
        glia_write_bytes(h, "GGUF", 4);
        glia_write_u32(h, 3);
        glia_write_u64(h, (uint64_t)w->tensor_count);
        glia_write_u64(h, (uint64_t)w->value_count);
        glia_write_bytes(h, w->values.data, w->values.size);
        glia_write_bytes(h, w->infos.data, w->infos.size);
        while (h->size % w->alignment && !h->failed) glia_write_u8(h, 0);
    }
    if (w->values.failed || w->infos.failed || h->failed)
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a GGUF header");
    if (!glia_add(h->size, w->data_bytes, file_bytes))
        return glia_fail(e, GLIA_E_SHAPE, "G0315", "the file would be beyond 2^63 bytes");
    *data = h->data;
    *bytes = h->size;
    /* Raised as far as the reader's limits go: they are the reader's choice, not the format's. */
    glia_gguf_limits limits = {INT64_MAX, INT32_MAX, INT32_MAX, INT64_MAX, INT64_MAX};
    glia_gguf *g;
    glia_status s = glia_gguf_parse(w->os, h->data, h->size, *file_bytes, &limits, &g, e);
    glia_gguf_close(g);
    return s;
}

static glia_status write_tensor(glia_gguf_writer *w, int64_t i, glia_file_writer *f, uint8_t *piece,
                                int64_t piece_bytes, glia_gguf_produce *produce, void *ctx, glia_error *e)
{
    static const uint8_t zeros[64];
    const out_tensor *t = &w->tensors[i];
    int64_t step = glia_max(piece_bytes / t->row_bytes, 1) * t->row_bytes;
    for (int64_t at = 0; at < t->bytes; at += step) {
        int64_t n = glia_min(step, t->bytes - at);
        glia_status s = produce(ctx, i, at, n, piece, e);
        if (!s) s = glia_file_append(f, piece, n, e);
        if (s) return s;
    }
    int64_t end = i + 1 < w->tensor_count ? w->tensors[i + 1].offset : w->data_bytes;
    for (int64_t left = end - t->offset - t->bytes; left > 0; left -= (int64_t)sizeof zeros) {
        glia_status s = glia_file_append(f, zeros, glia_min(left, (int64_t)sizeof zeros), e);
        if (s) return s;
    }
    return GLIA_OK;
}

static glia_status write_file(glia_gguf_writer *w, glia_file_writer *f, const void *header,
                              int64_t header_bytes, glia_gguf_produce *produce, void *ctx, glia_error *e)
{
    int64_t piece_bytes = PIECE_BYTES;
    for (int64_t i = 0; i < w->tensor_count; i++)
        piece_bytes = glia_max(piece_bytes, w->tensors[i].row_bytes);
    uint8_t *piece = glia_file_memory(w->os, piece_bytes, "a piece of a tensor", e);
    if (!piece) return GLIA_E_NOMEM;
    glia_status s = glia_file_append(f, header, header_bytes, e);
    for (int64_t i = 0; !s && i < w->tensor_count; i++)
        s = write_tensor(w, i, f, piece, piece_bytes, produce, ctx, e);
    if (!s) s = glia_file_finish(f, e);
    w->os->mem_free(w->os->ctx, piece, (size_t)piece_bytes);
    return s;
}

glia_status glia_gguf_writer_write(glia_gguf_writer *w, const char *path, glia_gguf_produce *produce,
                                   void *ctx, glia_error *e)
{
    const void *header;
    int64_t header_bytes, file_bytes;
    glia_error_clear(e);
    if (!path || (w->tensor_count && !produce))
        return glia_fail(e, GLIA_E_ARG, "G0802", "no path, or nothing that produces the tensors");
    glia_status s = glia_gguf_writer_header(w, &header, &header_bytes, &file_bytes, e);
    if (s) return s;
    glia_file_writer f;
    s = glia_file_create(&f, w->os, path, e);
    if (!s) s = write_file(w, &f, header, header_bytes, produce, ctx, e);
    glia_file_abandon(&f);
    return s;
}
