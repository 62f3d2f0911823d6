/* Writes GGUF files, version 3: first the metadata and the list of tensors, then their data as a stream, so
 * that a file larger than memory can be made.
 *
 * The first failure sticks in the writer and is reported by glia_gguf_writer_write; a caller asks once. The
 * header is read back by the reader before a byte is written, so that what this writes, that opens: keys and
 * names that repeat, wrong alignments and the like are refused there. */
#ifndef GLIA_FORMAT_GGUF_WRITE_H
#define GLIA_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

typedef struct glia_gguf_writer glia_gguf_writer;

/* os null: the default. GLIA_E_NOMEM. */
glia_status glia_gguf_writer_create(const glia_os *os, glia_gguf_writer **out, glia_error *e);
/* Null is allowed. */
void glia_gguf_writer_destroy(glia_gguf_writer *w);

/* Metadata, written in the order of the calls. A U32 named general.alignment also takes effect (default 32).
 */
void glia_gguf_set_u8(glia_gguf_writer *w, const char *key, uint8_t v);
void glia_gguf_set_i8(glia_gguf_writer *w, const char *key, int8_t v);
void glia_gguf_set_u16(glia_gguf_writer *w, const char *key, uint16_t v);
void glia_gguf_set_i16(glia_gguf_writer *w, const char *key, int16_t v);
void glia_gguf_set_u32(glia_gguf_writer *w, const char *key, uint32_t v);
void glia_gguf_set_i32(glia_gguf_writer *w, const char *key, int32_t v);
void glia_gguf_set_u64(glia_gguf_writer *w, const char *key, uint64_t v);
void glia_gguf_set_i64(glia_gguf_writer *w, const char *key, int64_t v);
void glia_gguf_set_f32(glia_gguf_writer *w, const char *key, float v);
void glia_gguf_set_f64(glia_gguf_writer *w, const char *key, double v);
void glia_gguf_set_bool(glia_gguf_writer *w, const char *key, bool v);
/* size < 0: up to the NUL. */
void glia_gguf_set_string(glia_gguf_writer *w, const char *key, const char *text, int64_t size);
/* An array of numbers; data are packed and little-endian, as they lie in memory here. */
void glia_gguf_set_array(glia_gguf_writer *w, const char *key, glia_gguf_type element, const void *data,
                         int64_t count);
void glia_gguf_set_strings(glia_gguf_writer *w, const char *key, const glia_gguf_string *strings,
                           int64_t count);
/* The key with the same type and contents. */
void glia_gguf_set_value(glia_gguf_writer *w, const glia_gguf_value *v);

/* The next tensor; dims outermost first. Its number is the count of calls before. */
void glia_gguf_add_tensor(glia_gguf_writer *w, const char *name, glia_dtype dtype, int rank,
                          const int64_t *dims);

/* Fills `to` with bytes [byte_begin, byte_begin + bytes) of tensor i: whole rows, from the first to the last.
 */
typedef glia_status glia_gguf_produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                                      glia_error *e);

/* Writes "path.tmp", calling `produce` for each piece of each tensor in order, and renames it to `path`. On
 * failure nothing is left behind. The writer can only be destroyed afterwards. produce may be null if there
 * are no tensors. GLIA_E_ARG, GLIA_E_DTYPE (a type that GGUF lacks), GLIA_E_SHAPE, GLIA_E_NOMEM, GLIA_E_IO,
 * GLIA_E_FORMAT, and what produce returns. */
glia_status glia_gguf_writer_write(glia_gguf_writer *w, const char *path, glia_gguf_produce *produce,
                                   void *ctx, glia_error *e);
/* The header alone with its padding, in the writer's memory, and the size that the whole file would have. */
glia_status glia_gguf_writer_header(glia_gguf_writer *w, const void **data, int64_t *bytes,
                                    int64_t *file_bytes, glia_error *e);

#endif
