/* SHA-256 (FIPS 180-4). */
#ifndef GLIA_BASE_SHA256_H
#define GLIA_BASE_SHA256_H

#include <stdint.h>

typedef struct glia_sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[64];
} glia_sha256;

void glia_sha256_init(glia_sha256 *h);
void glia_sha256_add(glia_sha256 *h, const void *p, int64_t n);
void glia_sha256_done(glia_sha256 *h, uint8_t out[32]);
void glia_sha256_hex(const uint8_t digest[32], char out[65]);

#endif
