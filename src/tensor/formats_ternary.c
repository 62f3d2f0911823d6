/* Ternary block formats of 256 elements: TQ2_0 (two bits each) and TQ1_0 (five to a byte in base three). The
 * bytes are those of GGUF files, bit for bit. A two-bit field of TQ2_0 may hold 3, which means 2. */
#include "tensor/formats.h"

#include <math.h>

enum { N = 256, TQ1_BYTES = 54, TQ2_BYTES = 66 };

static const uint8_t powers[5] = {1, 3, 9, 27, 81};

/* A byte holds floor-free fixed point digits: digit i is the top of (byte * 3^i mod 256) * 3. */
static int8_t digit(uint8_t byte, int i) { return (int8_t)(((uint8_t)(byte * powers[i]) * 3 >> 8) - 1); }

/* A group is 5 (or 4, at the end) digit planes over `width` bytes: element = plane * width + byte. */
static const struct group {
    int at, width, planes;
} groups[3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};

void glia_unpack_tq1_0(const uint8_t *b, int8_t q[N])
{
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < groups[g].planes; i++)
            for (int j = 0; j < groups[g].width; j++) *q++ = digit(b[groups[g].at + j], i);
}

void glia_unpack_tq2_0(const uint8_t *b, int8_t q[N])
{
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 32; j++) *q++ = (int8_t)((b[32 * half + j] >> (2 * i) & 3) - 1);
}

void glia_decode_tq1_0(const void *row, float *out, int64_t n)
{
    int8_t q[N];
    for (const uint8_t *b = row; n > 0; n -= N, b += TQ1_BYTES, out += N) {
        const float d = glia_load_f16(b + 52);
        glia_unpack_tq1_0(b, q);
        for (int i = 0; i < N; i++) out[i] = d * (float)q[i];
    }
}

void glia_decode_tq2_0(const void *row, float *out, int64_t n)
{
    int8_t q[N];
    for (const uint8_t *b = row; n > 0; n -= N, b += TQ2_BYTES, out += N) {
        const float d = glia_load_f16(b + 64);
        glia_unpack_tq2_0(b, q);
        for (int i = 0; i < N; i++) out[i] = d * (float)q[i];
    }
}

/* q in 0..2; half away from zero. */
static float quantise_ternary(const float in[N], uint8_t q[N])
{
    float d = 0.0f;
    for (int i = 0; i < N; i++)
        if (fabsf(in[i]) > d) d = fabsf(in[i]);
    const float id = d == 0.0f ? 0.0f : 1.0f / d;
    for (int i = 0; i < N; i++) {
        const float v = in[i] * id;
        q[i] = (uint8_t)(1 + (v >= 0.5f) - (v <= -0.5f));
    }
    return d;
}

void glia_encode_tq1_0(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t quants[N];
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= N, b += TQ1_BYTES, in += N) {
        const uint8_t *q = quants;
        glia_store_f16(b + 52, quantise_ternary(in, quants));
        for (int g = 0; g < 3; g++) {
            const struct group s = groups[g];
            for (int j = 0; j < s.width; j++) {
                int sum = 0; /* digit 0 is the most significant; of four planes the last digit is 0 */
                for (int i = 0; i < s.planes; i++) sum += q[i * s.width + j] * powers[4 - i];
                b[s.at + j] = (uint8_t)((sum * 256 + 242) / 243);
            }
            q += s.width * s.planes;
        }
    }
}

void glia_encode_tq2_0(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= N, b += TQ2_BYTES, in += N) {
        glia_store_f16(b + 64, quantise_ternary(in, q));
        for (int half = 0; half < 2; half++)
            for (int j = 0; j < 32; j++) {
                const uint8_t *p = q + 128 * half + j;
                b[32 * half + j] = (uint8_t)(p[0] | p[32] << 2 | p[64] << 4 | p[96] << 6);
            }
    }
}
