/* Quantised activations, A8X32 and A8X256: int8 with an fp32 scale per block and the sums that products with
 * offset or affine weights need. The planes of a row are stated in dtype.h.
 *
 * A block with a NaN or an infinity becomes q = 0 with a NaN scale, so that every product that meets it is a
 * NaN. A block so small that 127 / max overflows becomes q = 0. */
#include "tensor/formats.h"

#include <math.h>

/* The largest magnitude by its bits: the order of positive floats is that of their bits, NaNs come last. */
static uint32_t magnitude(const float *in, int count)
{
    uint32_t most = 0;
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, in + i, sizeof bits);
        if ((bits & 0x7fffffffu) > most) most = bits & 0x7fffffffu;
    }
    return most;
}

static float quantise_block(const float *in, int8_t *q, int count)
{
    const uint32_t bits = magnitude(in, count);
    float most;
    memcpy(&most, &bits, sizeof most);
    const float inverse = 127.0f / most;
    const bool usable = bits < 0x7f800000u && !isinf(inverse);
    for (int i = 0; i < count; i++) q[i] = usable ? (int8_t)rintf(in[i] * inverse) : 0;
    return bits < 0x7f800000u ? most / 127.0f : NAN;
}

static void encode_blocks(const float *in, uint8_t *row, int64_t n, int block, int group)
{
    int8_t *q = (int8_t *)row;
    uint8_t *scales = row + n, *sums = scales + n / block * 4;
    for (int64_t i = 0; i < n; i += block) {
        const float d = quantise_block(in + i, q + i, block);
        memcpy(scales + i / block * 4, &d, sizeof d);
    }
    for (int64_t i = 0; i < n; i += group) {
        int32_t sum = 0;
        for (int j = 0; j < group; j++) sum += q[i + j];
        memcpy(sums + i / group * 4, &sum, sizeof sum);
    }
}

static void decode_blocks(const uint8_t *row, float *out, int64_t n, int block)
{
    for (int64_t i = 0; i < n; i++) out[i] = glia_load_f32(row + n + i / block * 4) * (float)(int8_t)row[i];
}

void glia_decode_a8x32(const void *row, float *out, int64_t n) { decode_blocks(row, out, n, 32); }
void glia_decode_a8x256(const void *row, float *out, int64_t n) { decode_blocks(row, out, n, 256); }

void glia_encode_a8x32(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode_blocks(in, row, n, 32, 32);
}
void glia_encode_a8x256(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode_blocks(in, row, n, 256, 16);
}
