/* Super-blocks of 256 elements whose quants come from a codebook: IQ4_XS. How their bytes are read; the bytes
 * are those of GGUF files.
 *
 * Every format here ends in the same picture: small signed quants, a signed integer scale per 16 elements,
 * and one scale of the block, chosen so that both integers are exact. */
#include "tensor/formats.h"

enum { N = 256, SUB = 16, IQ4_XS_BYTES = 136 };

/* f16 d; u16 the top two bits of eight scales; four bytes of their low nibbles; 128 bytes of nibbles, 16
 * bytes for 32 elements. Scales are of six bits with 32 taken off. */
float glia_unpack_iq4_xs(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    const unsigned high = glia_load_u16(b + 2);
    for (int s = 0; s < 8; s++) {
        const uint8_t *bytes = b + 8 + 16 * s;
        const int v = (b[4 + s / 2] >> (s % 2 * 4) & 15) | (int)(high >> (2 * s) & 3) << 4;
        scale[2 * s] = scale[2 * s + 1] = (int8_t)(v - 32);
        for (int i = 0; i < 16; i++) {
            q[32 * s + i] = glia_iq4_nl_values[bytes[i] & 15];
            q[32 * s + 16 + i] = glia_iq4_nl_values[bytes[i] >> 4];
        }
    }
    return glia_load_f16(b);
}

static void decode(const uint8_t *b, float *out, int64_t n, int bytes, glia_unpack_super_fn *unpack)
{
    int8_t q[N], scale[SUB];
    for (; n > 0; n -= N, b += bytes, out += N) {
        const float d = unpack(b, q, scale);
        for (int i = 0; i < N; i++) out[i] = d * (float)scale[i / 16] * (float)q[i];
    }
}

void glia_decode_iq4_xs(const void *row, float *out, int64_t n)
{
    decode(row, out, n, IQ4_XS_BYTES, glia_unpack_iq4_xs);
}
