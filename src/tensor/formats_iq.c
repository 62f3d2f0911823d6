/* Super-blocks of 256 elements whose quants come from codebooks: IQ4_XS, and IQ1, IQ2 and IQ3, which look up
 * four or eight elements at once. How their bytes are read, which are those of GGUF files; the searches that
 * write IQ1 to IQ3 are not built.
 *
 * Every format here ends in the same picture: small signed quants, a signed integer scale per 16 elements,
 * and one scale of the block, chosen so that both integers are exact. Where a format states a scale as (0.5 +
 * s) / 4, that is (2s + 1) / 8 and the eighth goes to the block's scale; where IQ1 shifts its quants by an
 * eighth, they are counted in eighths. All of this is exact in F32. */
#include "tensor/formats.h"

enum { N = 256, SUB = 16 };

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

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Eight signs in seven bits: the eighth makes the number of minus signs even. */
static unsigned even_signs(unsigned seven)
{
    unsigned parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

static const int8_t iq2_values[4] = {8, 25, 43, 0}; /* no entry of a grid has a field of 3 */
static const int8_t iq3_xxs_values[8] = {4, 12, 20, 28, 36, 44, 52, 62};

/* Eight elements of a grid of two-bit fields; a set bit of `signs` means minus. */
static void put_iq2(unsigned word, unsigned signs, int8_t *q)
{
    for (int i = 0; i < 8; i++) {
        const int v = iq2_values[word >> (2 * i) & 3];
        q[i] = (int8_t)(signs >> i & 1 ? -v : v);
    }
}

/* f16 d; per 32 elements four grid indices, then a word of four times seven signs and a scale on top. */
float glia_unpack_iq2_xxs(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int s = 0; s < 8; s++) {
        const uint8_t *index = b + 2 + 8 * s;
        const uint32_t word = load_u32(index + 4);
        scale[2 * s] = scale[2 * s + 1] = (int8_t)(2 * (word >> 28) + 1);
        for (int g = 0; g < 4; g++)
            put_iq2(glia_iq2_xxs_grid[index[g]], even_signs(word >> (7 * g) & 127), q + 32 * s + 8 * g);
    }
    return glia_load_f16(b) * 0.125f;
}

/* f16 d; 32 words of nine index bits under seven signs; a nibble of scale per 16 elements. */
float glia_unpack_iq2_xs(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int g = 0; g < 32; g++) {
        const unsigned word = glia_load_u16(b + 2 + 2 * g);
        put_iq2(glia_iq2_xs_grid[word & 511], even_signs(word >> 9), q + 8 * g);
    }
    for (int i = 0; i < SUB; i++) scale[i] = (int8_t)(2 * (b[66 + i / 2] >> (i % 2 * 4) & 15) + 1);
    return glia_load_f16(b) * 0.125f;
}

/* f16 d; 32 bytes of indices, 32 of signs, two more index bits each in 8 bytes, a nibble of scale per 16. */
float glia_unpack_iq2_s(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int g = 0; g < 32; g++) {
        const unsigned high = b[66 + g / 4] >> (g % 4 * 2) & 3;
        put_iq2(glia_iq2_s_grid[b[2 + g] | high << 8], b[34 + g], q + 8 * g);
    }
    for (int i = 0; i < SUB; i++) scale[i] = (int8_t)(2 * (b[74 + i / 2] >> (i % 2 * 4) & 15) + 1);
    return glia_load_f16(b) * 0.125f;
}

/* f16 d; 64 bytes of indices, four elements each; per 32 elements a word as in IQ2_XXS. */
float glia_unpack_iq3_xxs(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int s = 0; s < 8; s++) {
        const uint32_t word = load_u32(b + 66 + 4 * s);
        scale[2 * s] = scale[2 * s + 1] = (int8_t)(2 * (word >> 28) + 1);
        for (int i = 0; i < 32; i++) {
            const unsigned signs = even_signs(word >> (7 * (i / 8)) & 127);
            const int v = iq3_xxs_values[glia_iq3_xxs_grid[b[2 + 8 * s + i / 4]] >> (i % 4 * 4) & 7];
            q[32 * s + i] = (int8_t)(signs >> (i % 8) & 1 ? -v : v);
        }
    }
    return glia_load_f16(b) * 0.25f;
}

/* f16 d; 64 bytes of indices, a ninth bit each in 8 bytes, 32 bytes of signs, a nibble of scale per 32. The
 * values are the odd numbers to 15. */
float glia_unpack_iq3_s(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int i = 0; i < N; i++) {
        const unsigned high = b[66 + i / 32] >> (i / 4 % 8) & 1;
        const int v = 2 * (glia_iq3_s_grid[b[2 + i / 4] | high << 8] >> (i % 4 * 4) & 7) + 1;
        q[i] = (int8_t)(b[74 + i / 8] >> (i % 8) & 1 ? -v : v);
    }
    for (int i = 0; i < SUB; i++) scale[i] = (int8_t)(2 * (b[106 + i / 4] >> (i / 2 % 2 * 4) & 15) + 1);
    return glia_load_f16(b);
}

/* Eight elements of -1, 0 or 1, shifted by an eighth up or down, in eighths. */
static void put_iq1(unsigned index, bool down, int8_t *q)
{
    const unsigned word = glia_iq1_s_grid[index];
    for (int i = 0; i < 8; i++) q[i] = (int8_t)(8 * (int)(word >> (2 * i) & 3) - 8 + (down ? -1 : 1));
}

/* f16 d; 32 bytes of indices; a word per 32 elements: four times three index bits, three of scale, the shift.
 */
float glia_unpack_iq1_s(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    for (int s = 0; s < 8; s++) {
        const unsigned word = glia_load_u16(b + 34 + 2 * s);
        scale[2 * s] = scale[2 * s + 1] = (int8_t)(2 * (word >> 12 & 7) + 1);
        for (int g = 0; g < 4; g++)
            put_iq1(b[2 + 4 * s + g] | (word >> (3 * g) & 7) << 8, word >> 15, q + 32 * s + 8 * g);
    }
    return glia_load_f16(b) * 0.125f;
}

/* 32 bytes of indices; a nibble per 8 elements: three index bits and the shift; four words of four times
 * three bits of scale (per 16 elements) below a nibble of the block's f16. */
float glia_unpack_iq1_m(const uint8_t *b, int8_t q[N], int8_t scale[SUB])
{
    unsigned half = 0;
    for (int g = 0; g < 32; g++) {
        const unsigned nibble = b[32 + g / 2] >> (g % 2 * 4) & 15;
        put_iq1(b[g] | (nibble & 7) << 8, nibble >> 3, q + 8 * g);
    }
    for (int w = 0; w < 4; w++) {
        const unsigned word = glia_load_u16(b + 48 + 2 * w);
        for (int i = 0; i < 4; i++) scale[4 * w + i] = (int8_t)(2 * (word >> (3 * i) & 7) + 1);
        half |= (word >> 12) << (4 * w);
    }
    return glia_f16_to_f32((uint16_t)half) * 0.125f;
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
    decode(row, out, n, 136, glia_unpack_iq4_xs);
}
void glia_decode_iq3_s(const void *row, float *out, int64_t n)
{
    decode(row, out, n, 110, glia_unpack_iq3_s);
}
void glia_decode_iq3_xxs(const void *row, float *out, int64_t n)
{
    decode(row, out, n, 98, glia_unpack_iq3_xxs);
}
void glia_decode_iq2_s(const void *row, float *out, int64_t n) { decode(row, out, n, 82, glia_unpack_iq2_s); }
void glia_decode_iq2_xs(const void *row, float *out, int64_t n)
{
    decode(row, out, n, 74, glia_unpack_iq2_xs);
}
void glia_decode_iq2_xxs(const void *row, float *out, int64_t n)
{
    decode(row, out, n, 66, glia_unpack_iq2_xxs);
}
void glia_decode_iq1_s(const void *row, float *out, int64_t n) { decode(row, out, n, 50, glia_unpack_iq1_s); }
void glia_decode_iq1_m(const void *row, float *out, int64_t n) { decode(row, out, n, 56, glia_unpack_iq1_m); }
