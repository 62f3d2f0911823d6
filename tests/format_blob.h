/* Builds files byte by byte, without the code under test: little-endian numbers and texts, appended. */
#ifndef GLIA_TESTS_FORMAT_BLOB_H
#define GLIA_TESTS_FORMAT_BLOB_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct blob {
    uint8_t *data;
    int64_t size, capacity;
} blob;

static inline void put(blob *b, const void *p, int64_t n)
{
    if (b->size + n > b->capacity) {
        b->capacity = 2 * (b->size + n) + 64;
        b->data = realloc(b->data, (size_t)b->capacity);
        if (!b->data) exit(2);
    }
    if (n) memcpy(b->data + b->size, p, (size_t)n);
    b->size += n;
}
static inline void put_int(blob *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)(v >> (8 * i));
        put(b, &c, 1);
    }
}
static inline void put_u8(blob *b, uint64_t v) { put_int(b, v, 1); }
static inline void put_u16(blob *b, uint64_t v) { put_int(b, v, 2); }
static inline void put_u32(blob *b, uint64_t v) { put_int(b, v, 4); }
static inline void put_u64(blob *b, uint64_t v) { put_int(b, v, 8); }
static inline void put_f32(blob *b, float v) { put(b, &v, 4); }
static inline void put_f64(blob *b, double v) { put(b, &v, 8); }
/* A GGUF string. */
static inline void put_str(blob *b, const char *s)
{
    put_u64(b, strlen(s));
    put(b, s, (int64_t)strlen(s));
}
static inline void put_zeros(blob *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) put_u8(b, 0);
}
static inline void blob_free(blob *b)
{
    free(b->data);
    *b = (blob){0};
}

/* A copy in exactly as many bytes as it has, so that a read behind the end is seen by ASan. */
static inline void *exact_copy(const void *p, int64_t n)
{
    void *q = malloc(n ? (size_t)n : 1);
    if (!q) exit(2);
    if (n) memcpy(q, p, (size_t)n);
    return q;
}

static inline void save_blob(const char *path, const void *p, int64_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || (n && fwrite(p, 1, (size_t)n, f) != (size_t)n) || fclose(f)) exit(2);
}

#endif
