/* K-quants, super-blocks of 256 elements: how their bytes are read. Q2_K to Q6_K are sub-blocks of 16 or 32
 * with small integer scales (and mins) under half-precision scales of the super-block; Q8_K has one fp32
 * scale. The bytes are those of GGUF files. Writing them is formats_k_encode.c. */
#include "tensor/formats.h"

enum { N = 256 };
enum { Q2_BYTES = 84, Q3_BYTES = 110, Q4_BYTES = 144, Q5_BYTES = 176, Q6_BYTES = 210, Q8_BYTES = 292 };

/* Two bits each: a half of 128 elements lies in 32 bytes, in four planes of 32. */
static void two_bits(const uint8_t *bytes, int8_t q[N])
{
    for (int i = 0; i < N; i++) q[i] = (int8_t)(bytes[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3);
}

/* Four bits each: 64 elements lie in 32 bytes, in two planes of 32. */
static void four_bits(const uint8_t *bytes, int8_t q[N])
{
    for (int i = 0; i < N; i++) q[i] = (int8_t)(bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15);
}

/* Eight scales and eight mins of six bits in 12 bytes: the first four of each lie in the low six bits of
 * bytes 0..3 and 4..7, the others in the nibbles of bytes 8..11 with their top bits above the first ones. */
static void six_bit_scales(const uint8_t b[12], int8_t scale[8], uint8_t min[8])
{
    for (int i = 0; i < 4; i++) {
        scale[i] = (int8_t)(b[i] & 63);
        min[i] = b[4 + i] & 63;
        scale[4 + i] = (int8_t)((b[8 + i] & 15) | (b[i] >> 6) << 4);
        min[4 + i] = (uint8_t)(b[8 + i] >> 4 | (b[4 + i] >> 6) << 4);
    }
}

void glia_unpack_q2_k(const uint8_t *b, int8_t q[N], int8_t scale[16], uint8_t min[16])
{
    two_bits(b + 16, q);
    for (int i = 0; i < 16; i++) {
        scale[i] = b[i] & 15;
        min[i] = b[i] >> 4;
    }
}

void glia_unpack_q3_k(const uint8_t *b, int8_t q[N], int8_t scale[16])
{
    const uint8_t *s = b + 96;
    two_bits(b + 32, q);
    for (int i = 0; i < N; i++) /* a clear bit of the mask means minus four */
        if (!(b[i % 32] >> (i / 32) & 1)) q[i] = (int8_t)(q[i] - 4);
    for (int i = 0; i < 16; i++)
        scale[i] = (int8_t)(((s[i % 8] >> (i / 8 * 4) & 15) | (s[8 + i % 4] >> (i / 4 * 2) & 3) << 4) - 32);
}

void glia_unpack_q4_k(const uint8_t *b, int8_t q[N], int8_t scale[8], uint8_t min[8])
{
    six_bit_scales(b + 4, scale, min);
    four_bits(b + 16, q);
}

void glia_unpack_q5_k(const uint8_t *b, int8_t q[N], int8_t scale[8], uint8_t min[8])
{
    six_bit_scales(b + 4, scale, min);
    four_bits(b + 48, q);
    for (int i = 0; i < N; i++) q[i] = (int8_t)(q[i] | (b[16 + i % 32] >> (i / 32) & 1) << 4);
}

void glia_unpack_q6_k(const uint8_t *b, int8_t q[N], int8_t scale[16])
{
    for (int i = 0; i < N; i++) { /* low nibbles in two planes of 64, high pairs in four planes of 32 */
        const int half = i / 128, low = b[half * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
        const int high = b[128 + half * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
        q[i] = (int8_t)((low | high << 4) - 32);
    }
    memcpy(scale, b + 192, 16);
}

void glia_decode_q2_k(const void *row, float *out, int64_t n)
{
    int8_t q[N], scale[16];
    uint8_t min[16];
    for (const uint8_t *b = row; n > 0; n -= N, b += Q2_BYTES, out += N) {
        const float d = glia_load_f16(b + 80), dmin = glia_load_f16(b + 82);
        glia_unpack_q2_k(b, q, scale, min);
        for (int i = 0; i < N; i++)
            out[i] = d * (float)scale[i / 16] * (float)q[i] - dmin * (float)min[i / 16];
    }
}

void glia_decode_q3_k(const void *row, float *out, int64_t n)
{
    int8_t q[N], scale[16];
    for (const uint8_t *b = row; n > 0; n -= N, b += Q3_BYTES, out += N) {
        const float d = glia_load_f16(b + 108);
        glia_unpack_q3_k(b, q, scale);
        for (int i = 0; i < N; i++) out[i] = d * (float)scale[i / 16] * (float)q[i];
    }
}

void glia_decode_q4_k(const void *row, float *out, int64_t n)
{
    int8_t q[N], scale[8];
    uint8_t min[8];
    for (const uint8_t *b = row; n > 0; n -= N, b += Q4_BYTES, out += N) {
        const float d = glia_load_f16(b), dmin = glia_load_f16(b + 2);
        glia_unpack_q4_k(b, q, scale, min);
        for (int i = 0; i < N; i++)
            out[i] = d * (float)scale[i / 32] * (float)q[i] - dmin * (float)min[i / 32];
    }
}

void glia_decode_q5_k(const void *row, float *out, int64_t n)
{
    int8_t q[N], scale[8];
    uint8_t min[8];
    for (const uint8_t *b = row; n > 0; n -= N, b += Q5_BYTES, out += N) {
        const float d = glia_load_f16(b), dmin = glia_load_f16(b + 2);
        glia_unpack_q5_k(b, q, scale, min);
        for (int i = 0; i < N; i++)
            out[i] = d * (float)scale[i / 32] * (float)q[i] - dmin * (float)min[i / 32];
    }
}

void glia_decode_q6_k(const void *row, float *out, int64_t n)
{
    int8_t q[N], scale[16];
    for (const uint8_t *b = row; n > 0; n -= N, b += Q6_BYTES, out += N) {
        const float d = glia_load_f16(b + 208);
        glia_unpack_q6_k(b, q, scale);
        for (int i = 0; i < N; i++) out[i] = d * (float)scale[i / 16] * (float)q[i];
    }
}

void glia_decode_q8_k(const void *row, float *out, int64_t n)
{
    for (const uint8_t *b = row; n > 0; n -= N, b += Q8_BYTES, out += N) {
        const float d = glia_load_f32(b);
        for (int i = 0; i < N; i++) out[i] = d * (float)(int8_t)b[4 + i];
    }
}
