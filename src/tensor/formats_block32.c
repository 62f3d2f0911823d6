/* Block formats of 32 elements: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, MXFP4, IQ4_NL. The byte layouts, and without
 * importance the rounding of all but the last, are those of GGUF files, bit for bit. With importance Q4_0,
 * Q4_1, Q5_0 and Q5_1 are fitted to it, as IQ4_NL always is; Q8_0 and MXFP4 take no notice of it. */
#include "tensor/fit.h"

#include <math.h>

enum { N = 32, Q8_0_BYTES = 34, Q4_0_BYTES = 18, Q4_1_BYTES = 20, Q5_0_BYTES = 22, Q5_1_BYTES = 24 };
enum { MXFP4_BYTES = 17 };

const int8_t glia_iq4_nl_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113};

const int8_t glia_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

float glia_e8m0_half(uint8_t e)
{
    const uint32_t bits = e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23; /* 2^-128 and 2^-127: subnormal */
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Byte i holds elements i (low nibble) and i + 16 (high nibble). */
static void nibbles(const uint8_t *bytes, int8_t q[N], int offset)
{
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((bytes[i] & 15) - offset);
        q[i + 16] = (int8_t)((bytes[i] >> 4) - offset);
    }
}

static void add_fifth_bits(const uint8_t *bits, int8_t q[N])
{
    for (int i = 0; i < N; i++) q[i] = (int8_t)(q[i] + ((bits[i / 8] >> (i % 8) & 1) << 4));
}

void glia_unpack_q4_0(const uint8_t *b, int8_t q[N]) { nibbles(b + 2, q, 8); }
void glia_unpack_q4_1(const uint8_t *b, int8_t q[N]) { nibbles(b + 4, q, 0); }
void glia_unpack_q5_0(const uint8_t *b, int8_t q[N])
{
    nibbles(b + 6, q, 16);
    add_fifth_bits(b + 2, q);
}
void glia_unpack_q5_1(const uint8_t *b, int8_t q[N])
{
    nibbles(b + 8, q, 0);
    add_fifth_bits(b + 4, q);
}
void glia_unpack_iq4_nl(const uint8_t *b, int8_t q[N])
{
    nibbles(b + 2, q, 0);
    for (int i = 0; i < N; i++) q[i] = glia_iq4_nl_values[q[i]];
}

void glia_unpack_mxfp4(const uint8_t *b, int8_t q[N])
{
    nibbles(b + 1, q, 0);
    for (int i = 0; i < N; i++) q[i] = glia_mxfp4_values[q[i]];
}

void glia_decode_q8_0(const void *row, float *out, int64_t n)
{
    for (const uint8_t *b = row; n > 0; n -= N, b += Q8_0_BYTES, out += N) {
        const float d = glia_load_f16(b);
        for (int i = 0; i < N; i++) out[i] = (float)(int8_t)b[2 + i] * d;
    }
}

typedef void unpack_fn(const uint8_t *block, int8_t q[N]);

static void decode_scaled(const uint8_t *b, float *out, int64_t n, int bytes, unpack_fn *unpack)
{
    int8_t q[N];
    for (; n > 0; n -= N, b += bytes, out += N) {
        const float d = glia_load_f16(b);
        unpack(b, q);
        for (int i = 0; i < N; i++) out[i] = d * (float)q[i];
    }
}

static void decode_affine(const uint8_t *b, float *out, int64_t n, int bytes, unpack_fn *unpack)
{
    int8_t q[N];
    for (; n > 0; n -= N, b += bytes, out += N) {
        const float d = glia_load_f16(b), m = glia_load_f16(b + 2);
        unpack(b, q);
        for (int i = 0; i < N; i++) out[i] = d * (float)q[i] + m;
    }
}

void glia_decode_q4_0(const void *row, float *out, int64_t n)
{
    decode_scaled(row, out, n, Q4_0_BYTES, glia_unpack_q4_0);
}
void glia_decode_q4_1(const void *row, float *out, int64_t n)
{
    decode_affine(row, out, n, Q4_1_BYTES, glia_unpack_q4_1);
}
void glia_decode_q5_0(const void *row, float *out, int64_t n)
{
    decode_scaled(row, out, n, Q5_0_BYTES, glia_unpack_q5_0);
}
void glia_decode_q5_1(const void *row, float *out, int64_t n)
{
    decode_affine(row, out, n, Q5_1_BYTES, glia_unpack_q5_1);
}
void glia_decode_iq4_nl(const void *row, float *out, int64_t n)
{
    decode_scaled(row, out, n, Q4_0_BYTES, glia_unpack_iq4_nl);
}

void glia_decode_mxfp4(const void *row, float *out, int64_t n)
{
    int8_t q[N];
    for (const uint8_t *b = row; n > 0; n -= N, b += MXFP4_BYTES, out += N) {
        const float d = glia_e8m0_half(b[0]);
        glia_unpack_mxfp4(b, q);
        for (int i = 0; i < N; i++) out[i] = d * (float)q[i];
    }
}

/* Half away from zero, as the file format's encoder rounds. */
static float round_away(float v)
{
    const float a = fabsf(v), whole = floorf(a);
    return copysignf(whole + floorf(2.0f * (a - whole)), v);
}

/* The reciprocal of a scale; a zero scale keeps all quants at zero. */
static float inverse(float d) { return glia_fit_inverse(d); }

void glia_encode_q8_0(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= N, b += Q8_0_BYTES, in += N) {
        float most = 0.0f;
        for (int i = 0; i < N; i++)
            if (fabsf(in[i]) > most) most = fabsf(in[i]);
        const float d = most / 127.0f, id = inverse(d);
        glia_store_f16(b, d);
        for (int i = 0; i < N; i++)
            b[2 + i] = (uint8_t)(int8_t)glia_clamp_int(round_away(in[i] * id), -127, 127);
    }
}

/* The value of largest magnitude with its sign; the first one if there are several. */
static float signed_max(const float in[N])
{
    float most = in[0];
    for (int i = 1; i < N; i++)
        if (fabsf(in[i]) > fabsf(most)) most = in[i];
    return most;
}

static void put_nibbles(const uint8_t q[N], uint8_t *bytes)
{
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void put_fifth_bits(const uint8_t q[N], uint8_t *bits)
{
    memset(bits, 0, 4);
    for (int i = 0; i < N; i++) bits[i / 8] = (uint8_t)(bits[i / 8] | (q[i] >> 4) << (i % 8));
}

/* Symmetric, with the largest magnitude on the side that has one step more: q in [0, 2 * half - 1]. */
static void quantise_symmetric(const float in[N], int half, uint8_t *scale, uint8_t q[N])
{
    const float d = signed_max(in) / (float)-half, id = inverse(d);
    glia_store_f16(scale, d);
    for (int i = 0; i < N; i++) {
        const float product = in[i] * id; /* rounded before the offset is added, as in the format's encoder */
        q[i] = (uint8_t)glia_clamp_int(product + ((float)half + 0.5f), 0, 2 * half - 1);
    }
}

/* Stores the scale that fits best, and gives the inverse of what it reads back as. */
static float fitted_inverse(const glia_fit *range, const float in[N], const float *importance, uint8_t *scale)
{
    float weights[N];
    glia_fit_weights(range, in, importance, N, weights);
    glia_store_f16(scale, glia_fit_symmetric(range, in, weights));
    return inverse(glia_load_f16(scale));
}

static void fit_symmetric(const float in[N], const float *importance, int half, uint8_t *scale, uint8_t q[N])
{
    const glia_fit range = {.count = N, .lo = -half, .hi = half - 1};
    const float id = fitted_inverse(&range, in, importance, scale);
    for (int i = 0; i < N; i++) q[i] = (uint8_t)(glia_fit_nearest(in[i] * id, -half, half - 1) + half);
}

static void fit_affine(const float in[N], const float *importance, int most, uint8_t *scales, uint8_t q[N])
{
    const glia_fit range = {.count = N, .hi = most, .any_offset = true};
    float d, m, weights[N];
    glia_fit_weights(&range, in, importance, N, weights);
    glia_fit_affine(&range, in, weights, &d, &m);
    glia_store_f16(scales, d);
    glia_store_f16(scales + 2, m + 0.0f);
    const float id = inverse(glia_load_f16(scales)), lo = glia_load_f16(scales + 2);
    for (int i = 0; i < N; i++) q[i] = (uint8_t)glia_fit_nearest((in[i] - lo) * id, 0, most);
}

static void quantise_affine(const float in[N], int most, uint8_t *scales, uint8_t q[N])
{
    float lo = in[0], hi = in[0];
    for (int i = 1; i < N; i++) {
        if (in[i] < lo) lo = in[i];
        if (in[i] > hi) hi = in[i];
    }
    const float d = (hi - lo) / (float)most, id = inverse(d);
    glia_store_f16(scales, d);
    glia_store_f16(scales + 2, lo + 0.0f); /* the sign of a zero minimum carries nothing: always plus */
    for (int i = 0; i < N; i++) {
        const float product = (in[i] - lo) * id;
        q[i] = (uint8_t)glia_clamp_int(product + 0.5f, 0, most);
    }
}

void glia_encode_q4_0(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    for (uint8_t *b = row; n > 0; n -= N, b += Q4_0_BYTES, in += N) {
        if (weight) fit_symmetric(in, weight, 8, b, q), weight += N;
        else quantise_symmetric(in, 8, b, q);
        put_nibbles(q, b + 2);
    }
}

void glia_encode_q4_1(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    for (uint8_t *b = row; n > 0; n -= N, b += Q4_1_BYTES, in += N) {
        if (weight) fit_affine(in, weight, 15, b, q), weight += N;
        else quantise_affine(in, 15, b, q);
        put_nibbles(q, b + 4);
    }
}

void glia_encode_q5_0(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    for (uint8_t *b = row; n > 0; n -= N, b += Q5_0_BYTES, in += N) {
        if (weight) fit_symmetric(in, weight, 16, b, q), weight += N;
        else quantise_symmetric(in, 16, b, q);
        put_fifth_bits(q, b + 2);
        put_nibbles(q, b + 6);
    }
}

void glia_encode_q5_1(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    for (uint8_t *b = row; n > 0; n -= N, b += Q5_1_BYTES, in += N) {
        if (weight) fit_affine(in, weight, 31, b, q), weight += N;
        else quantise_affine(in, 31, b, q);
        put_fifth_bits(q, b + 4);
        put_nibbles(q, b + 8);
    }
}

/* floor(log2(v)) for v > 0 where log2 is a float: within half a unit below a power of two it is that power's.
 */
static int floor_log2(float v)
{
    int e;
    const double below = 1.0 - (double)frexpf(v, &e); /* v = 2^e (1 - below) */
    return (float)((double)e - below * 1.4426950408889634) == (float)e && below < 0x1p-15 ? e : e - 1;
}

/* Block exponent from the largest magnitude, then the nearest value; of two equally near, the first one. */
void glia_encode_mxfp4(const float *in, void *row, int64_t n, const float *weight)
{
    uint8_t q[N];
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= N, b += MXFP4_BYTES, in += N) {
        float most = 0.0f;
        for (int i = 0; i < N; i++)
            if (fabsf(in[i]) > most) most = fabsf(in[i]);
        b[0] = most > 0.0f && isfinite(most) ? (uint8_t)glia_clamp_int((float)floor_log2(most) + 125, 0, 254)
                                             : 0;
        const float d = glia_e8m0_half(b[0]);
        for (int i = 0; i < N; i++) {
            float least = fabsf(in[i]);
            q[i] = 0;
            for (int v = 1; v < 16; v++) {
                const float error = fabsf(d * (float)glia_mxfp4_values[v] - in[i]);
                if (!(error < least)) continue;
                least = error;
                q[i] = (uint8_t)v;
            }
        }
        put_nibbles(q, b + 1);
    }
}

const float glia_iq4_nl_middles[15] = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                       7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f};

int glia_iq4_nl_nearest(float v)
{
    int i = 0;
    for (int step = 8; step > 0; step /= 2) i += v > glia_iq4_nl_middles[i + step - 1] ? step : 0;
    return i;
}

void glia_encode_iq4_nl(const float *in, void *row, int64_t n, const float *weight)
{
    const glia_fit range = {.count = N,
                            .lo = glia_iq4_nl_values[0],
                            .hi = glia_iq4_nl_values[15],
                            .codebook = true,
                            .square = 0.75f};
    uint8_t q[N];
    for (uint8_t *b = row; n > 0; n -= N, b += Q4_0_BYTES, in += N) {
        const float id = fitted_inverse(&range, in, weight, b);
        for (int i = 0; i < N; i++) q[i] = (uint8_t)glia_iq4_nl_nearest(in[i] * id);
        put_nibbles(q, b + 2);
        if (weight) weight += N;
    }
}
