/* Blocks between the small and the super ones: Q1_0 (128 elements, a sign each), Q2_0 and NVFP4 (64
 * elements). The bytes, and those that Q1_0 and Q2_0 write, are those of GGUF files, bit for bit; NVFP4 is
 * only read. */
#include "tensor/formats.h"

#include <math.h>

enum { Q1_VALUES = 128, Q2_VALUES = 64, BYTES = 18, NV_VALUES = 64, NV_BYTES = 36 };

void glia_unpack_q1_0(const uint8_t *b, int8_t q[Q1_VALUES])
{
    for (int i = 0; i < Q1_VALUES; i++) q[i] = b[2 + i / 8] >> (i % 8) & 1 ? 1 : -1;
}

/* -1, 0, 1 and 2: the last is never written. */
void glia_unpack_q2_0(const uint8_t *b, int8_t q[Q2_VALUES])
{
    for (int i = 0; i < Q2_VALUES; i++) q[i] = (int8_t)((b[2 + i / 4] >> (i % 4 * 2) & 3) - 1);
}

void glia_decode_q1_0(const void *row, float *out, int64_t n)
{
    int8_t q[Q1_VALUES];
    for (const uint8_t *b = row; n > 0; n -= Q1_VALUES, b += BYTES, out += Q1_VALUES) {
        const float d = glia_load_f16(b);
        glia_unpack_q1_0(b, q);
        for (int i = 0; i < Q1_VALUES; i++) out[i] = d * (float)q[i];
    }
}

void glia_decode_q2_0(const void *row, float *out, int64_t n)
{
    int8_t q[Q2_VALUES];
    for (const uint8_t *b = row; n > 0; n -= Q2_VALUES, b += BYTES, out += Q2_VALUES) {
        const float d = glia_load_f16(b);
        glia_unpack_q2_0(b, q);
        for (int i = 0; i < Q2_VALUES; i++) out[i] = d * (float)q[i];
    }
}

/* The sign bit of the byte means nothing; 0x7f, which would be a NaN, is 0. */
static float e4m3_half(uint8_t byte)
{
    const int e = byte >> 3 & 15, m = byte & 7;
    if (byte == 0x7f) return 0.0f;
    return e ? ldexpf((float)(8 + m), e - 11) : (float)m * 0x1p-10f;
}

/* Four scales, then 8 bytes for each 16 elements: low nibbles, then high ones. */
void glia_unpack_nvfp4(const uint8_t *b, int8_t q[NV_VALUES], float d[4])
{
    for (int s = 0; s < 4; s++) {
        d[s] = e4m3_half(b[s]);
        for (int i = 0; i < 8; i++) {
            q[16 * s + i] = glia_mxfp4_values[b[4 + 8 * s + i] & 15];
            q[16 * s + 8 + i] = glia_mxfp4_values[b[4 + 8 * s + i] >> 4];
        }
    }
}

void glia_decode_nvfp4(const void *row, float *out, int64_t n)
{
    int8_t q[NV_VALUES];
    float d[4];
    for (const uint8_t *b = row; n > 0; n -= NV_VALUES, b += NV_BYTES, out += NV_VALUES) {
        glia_unpack_nvfp4(b, q, d);
        for (int i = 0; i < NV_VALUES; i++) out[i] = d[i / 16] * (float)q[i];
    }
}

/* The scale is the mean magnitude, summed in order; the quants are signs. */
void glia_encode_q1_0(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= Q1_VALUES, b += BYTES, in += Q1_VALUES) {
        float sum = 0.0f;
        for (int i = 0; i < Q1_VALUES; i++) sum += fabsf(in[i]);
        memset(b, 0, BYTES);
        glia_store_f16(b, sum / (float)Q1_VALUES);
        for (int i = 0; i < Q1_VALUES; i++)
            b[2 + i / 8] = (uint8_t)(b[2 + i / 8] | (in[i] >= 0.0f) << (i % 8));
    }
}

/* The scale is the largest magnitude; the quants are -1, 0 and 1, a half rounds away from zero. */
void glia_encode_q2_0(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= Q2_VALUES, b += BYTES, in += Q2_VALUES) {
        float d = 0.0f;
        for (int i = 0; i < Q2_VALUES; i++)
            if (fabsf(in[i]) > d) d = fabsf(in[i]);
        const float id = d > 0.0f ? 1.0f / d : 0.0f;
        memset(b, 0, BYTES);
        glia_store_f16(b, d);
        for (int i = 0; i < Q2_VALUES; i++) {
            const float v = in[i] * id;
            const int q = 1 + (v >= 0.5f) - (v <= -0.5f);
            b[2 + i / 4] = (uint8_t)(b[2 + i / 4] | q << (i % 4 * 2));
        }
    }
}
