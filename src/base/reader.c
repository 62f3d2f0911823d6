/* The bounded reader and the growing writer. Bytes are little-endian on every machine. */
#include "reader.h"
#include "arena.h"
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const uint8_t *glia_read_bytes(glia_reader *r, int64_t n)
{
    if (r->failed || n < 0 || n > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    /* An empty read of an empty file has no bytes to point at, and is no failure. */
    static const uint8_t nothing[1];
    const uint8_t *p = r->data ? r->data + r->at : nothing;
    r->at += n;
    return p;
}

static inline uint64_t read_little(glia_reader *r, int bytes)
{
    const uint8_t *p = glia_read_bytes(r, bytes);
    uint64_t v = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (p) memcpy(&v, p, (size_t)bytes);
#else
    for (int i = 0; p && i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
#endif
    return v;
}

uint8_t glia_read_u8(glia_reader *r) { return (uint8_t)read_little(r, 1); }
uint16_t glia_read_u16(glia_reader *r) { return (uint16_t)read_little(r, 2); }
uint32_t glia_read_u32(glia_reader *r) { return (uint32_t)read_little(r, 4); }
uint64_t glia_read_u64(glia_reader *r) { return read_little(r, 8); }

float glia_read_f32(glia_reader *r)
{
    uint32_t bits = glia_read_u32(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double glia_read_f64(glia_reader *r)
{
    uint64_t bits = glia_read_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Room for n more bytes, or null; then the writer has failed. */
static uint8_t *writer_room(glia_writer *w, int64_t n)
{
    int64_t need, capacity;
    if (w->failed || !glia_add(w->size, n, &need)) {
        w->failed = true;
        return NULL;
    }
    if (need > w->capacity) {
        if (!glia_mul(w->capacity, 2, &capacity) || capacity < need) capacity = need;
#ifndef GLIA_HOSTILE
        capacity = glia_max(capacity, 256);
#endif
        uint8_t *data = glia_arena_alloc(w->arena, capacity, 16);
        if (!data) {
            w->failed = true;
            return NULL;
        }
        if (w->size) memcpy(data, w->data, (size_t)w->size);
        w->data = data;
        w->capacity = capacity;
    }
    return w->data + w->size;
}

void glia_write_bytes(glia_writer *w, const void *p, int64_t n)
{
    uint8_t *to = n > 0 ? writer_room(w, n) : NULL;
    if (n < 0) w->failed = true;
    if (!to) return;
    memcpy(to, p, (size_t)n);
    w->size += n;
}

static void write_little(glia_writer *w, uint64_t v, int bytes)
{
    uint8_t b[8];
    for (int i = 0; i < bytes; i++) b[i] = (uint8_t)(v >> (8 * i));
    glia_write_bytes(w, b, bytes);
}

void glia_write_u8(glia_writer *w, uint8_t v) { write_little(w, v, 1); }
void glia_write_u16(glia_writer *w, uint16_t v) { write_little(w, v, 2); }
void glia_write_u32(glia_writer *w, uint32_t v) { write_little(w, v, 4); }
void glia_write_u64(glia_writer *w, uint64_t v) { write_little(w, v, 8); }

void glia_write_f32(glia_writer *w, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    glia_write_u32(w, bits);
}

void glia_write_f64(glia_writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    glia_write_u64(w, bits);
}

void glia_write_text(glia_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = n < 0 ? NULL : writer_room(w, (int64_t)n + 1); /* vsnprintf also writes a NUL */
    if (!to) {
        w->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf((char *)to, (size_t)n + 1, format, args);
    va_end(args);
    w->size += n;
}
