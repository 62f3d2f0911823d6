/* The one way to touch bytes of a file: a bounded little-endian cursor. A read past the end
 * sets `failed` and gives zero; later reads keep failing, so a parser may check once per record. */
#ifndef GLIA_BASE_READER_H
#define GLIA_BASE_READER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct glia_reader {
    const uint8_t *data;
    int64_t size;
    int64_t at; /* 0 <= at <= size */
    bool failed;
} glia_reader;

static inline glia_reader glia_reader_make(const void *data, int64_t size)
{
    glia_reader r = {(const uint8_t *)data, size < 0 ? 0 : size, 0, false};
    return r;
}
static inline int64_t glia_reader_left(const glia_reader *r) { return r->size - r->at; }

/* A pointer to the next n bytes, which are then consumed; null if there are fewer or n < 0. */
const uint8_t *glia_read_bytes(glia_reader *r, int64_t n);
uint8_t glia_read_u8(glia_reader *r);
uint16_t glia_read_u16(glia_reader *r);
uint32_t glia_read_u32(glia_reader *r);
uint64_t glia_read_u64(glia_reader *r);
float glia_read_f32(glia_reader *r);
double glia_read_f64(glia_reader *r);

/* A growing byte buffer for writers; failures stick. */
struct glia_arena;
typedef struct glia_writer {
    struct glia_arena *arena;
    uint8_t *data;
    int64_t size, capacity;
    bool failed;
} glia_writer;

void glia_write_bytes(glia_writer *w, const void *p, int64_t n);
void glia_write_u8(glia_writer *w, uint8_t v);
void glia_write_u16(glia_writer *w, uint16_t v);
void glia_write_u32(glia_writer *w, uint32_t v);
void glia_write_u64(glia_writer *w, uint64_t v);
void glia_write_f32(glia_writer *w, float v);
void glia_write_f64(glia_writer *w, double v);
void glia_write_text(glia_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
