/* Conversions of the low-bit element types; see lowbit.h. One description a format, and one routine each way. */
#include "tensor/lowbit.h"

#include "base/check.h"
#include "tensor/formats.h"

#include <math.h>

typedef enum {
    NO_FLOAT,
    NO_NAN,
    NAN_IS_ALL_ONES,
    NAN_IS_NEGATIVE_ZERO,
    NAN_AND_INFINITY,
    SCALE_ONLY
} special;

typedef struct description {
    int8_t bits, mantissa, bias;
    uint8_t largest; /* code of the largest finite number */
    special kind;
    int8_t low, high; /* of integers */
} description;

static const description table[GLIA_DTYPE_COUNT] = {
    [GLIA_F8E4M3FN] = {8, 3, 7, 0x7e, NAN_IS_ALL_ONES, 0, 0},
    [GLIA_F8E4M3FNUZ] = {8, 3, 8, 0x7f, NAN_IS_NEGATIVE_ZERO, 0, 0},
    [GLIA_F8E5M2] = {8, 2, 15, 0x7b, NAN_AND_INFINITY, 0, 0},
    [GLIA_F8E5M2FNUZ] = {8, 2, 16, 0x7f, NAN_IS_NEGATIVE_ZERO, 0, 0},
    [GLIA_F8E8M0] = {8, 0, 127, 0xfe, SCALE_ONLY, 0, 0},
    [GLIA_F6E2M3] = {6, 3, 1, 0x1f, NO_NAN, 0, 0},
    [GLIA_F6E3M2] = {6, 2, 3, 0x1f, NO_NAN, 0, 0},
    [GLIA_F4E2M1] = {4, 1, 1, 0x07, NO_NAN, 0, 0},
    [GLIA_I4] = {4, 0, 0, 0, NO_FLOAT, -8, 7},
    [GLIA_U4] = {4, 0, 0, 0, NO_FLOAT, 0, 15},
    [GLIA_I2] = {2, 0, 0, 0, NO_FLOAT, -2, 1},
    [GLIA_U2] = {2, 0, 0, 0, NO_FLOAT, 0, 3},
};

static const description *find(glia_dtype t)
{
    return &table[(unsigned)t < GLIA_DTYPE_COUNT ? (unsigned)t : GLIA_DTYPE_NONE];
}

/* 2^e for any e that a format has; below the normal floats there is 2^-127 alone. */
static float power_of_two(int e)
{
    const uint32_t bits = e > -127 ? (uint32_t)(e + 127) << 23 : 0x400000u;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float decode_float(const description *d, uint8_t code)
{
    const uint8_t sign = (uint8_t)(1u << (d->bits - 1));
    if (d->kind == SCALE_ONLY) return code == 0xff ? NAN : power_of_two(code - 127);
    if (d->kind == NAN_IS_NEGATIVE_ZERO && code == 0x80) return NAN;
    const int magnitude = code & (sign - 1), e = magnitude >> d->mantissa;
    float v;
    if (magnitude > d->largest)
        v = d->kind == NAN_AND_INFINITY && magnitude == d->largest + 1 ? INFINITY : NAN;
    else if (e == 0) v = (float)magnitude * power_of_two(1 - d->bias - d->mantissa);
    else
        v = (float)((1 << d->mantissa) + (magnitude & ((1 << d->mantissa) - 1))) *
            power_of_two(e - d->bias - d->mantissa);
    return code & sign ? -v : v;
}

float glia_lowbit_to_f32(glia_dtype t, uint8_t code)
{
    const description *d = find(t);
    if (!d->bits) return 0;
    if (d->kind == NO_FLOAT) return d->low < 0 ? (float)(int8_t)code : (float)code;
    return decode_float(d, code);
}

uint8_t glia_e8m0_from_f32(float v, glia_e8m0_round round, bool saturate)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return 0xff;
    const uint32_t fraction = bits & 0x7fffffu;
    uint32_t e = bits >> 23;
    /* Subnormal floats lie between 0 and 2^-126, with 2^-127 in the middle: code 0 is 2^-127 itself. */
    if (e == 0)
        return (uint8_t)((round == GLIA_E8M0_UP && fraction > 0x400000u) ||
                         (round == GLIA_E8M0_NEAREST && fraction >= 0x600000u));
    if (e < 255)
        e += round == GLIA_E8M0_UP ? fraction != 0 : round == GLIA_E8M0_NEAREST && fraction >= 0x400000u;
    if (e > 254) return saturate ? 0xfe : 0xff;
    return (uint8_t)e;
}

/* With the exponent e of v, at least that of subnormals, q = v * 2^(mantissa - e) rounded is the code but for the
 * exponent's bits, and a carry out of q runs into them as it should. */
static uint8_t encode_float(const description *d, float v, bool saturate)
{
    const uint8_t sign = (uint8_t)(1u << (d->bits - 1)), nan = (uint8_t)(sign - 1);
    uint32_t bits;
    float a;
    memcpy(&bits, &v, sizeof bits);
    const uint8_t negative = bits >> 31 ? sign : 0;
    const bool unsigned_zero = d->kind == NAN_IS_NEGATIVE_ZERO;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return unsigned_zero || d->kind == NO_NAN ? sign : (uint8_t)(negative | nan);
    const int least = 1 - d->bias, e = (int)glia_max((int64_t)(bits >> 23) - 127, least);
    memcpy(&a, &bits, sizeof a);
    uint32_t code = UINT32_MAX;
    if (bits < 0x7f800000u) {
        const float q =
            a * power_of_two(d->mantissa - e) + 0x1p23f; /* the sum rounds to an integer, half to even */
        code = ((uint32_t)(e - least) << d->mantissa) + (uint32_t)(q - 0x1p23f);
    }
    if (code > d->largest) {
        if (saturate || d->kind == NO_NAN) code = d->largest;
        else if (unsigned_zero) return sign;
        else code = d->kind == NAN_AND_INFINITY ? d->largest + 1u : nan;
    }
    if (unsigned_zero && !code) return 0;
    return (uint8_t)(negative | code);
}

uint8_t glia_lowbit_from_f32(glia_dtype t, float v, bool saturate)
{
    const description *d = find(t);
    if (!d->bits) return 0;
    if (d->kind == SCALE_ONLY) return glia_e8m0_from_f32(v, GLIA_E8M0_NEAREST, saturate);
    if (d->kind != NO_FLOAT) return encode_float(d, v, saturate);
    if (!(v == v)) return 0;
    v = v < (float)d->low ? (float)d->low : v > (float)d->high ? (float)d->high : v;
    return (uint8_t)(int8_t)((v + 0x1.8p23f) - 0x1.8p23f);
}

int glia_lowbit_bits(glia_dtype t) { return find(t)->bits; }

bool glia_lowbit_packed_bytes(glia_dtype t, int64_t n, int64_t *out)
{
    const int bits = find(t)->bits;
    if (!bits || n < 0) return false;
    const int64_t group = bits == 6 ? 4 : 8 / bits, bytes = bits == 6 ? 3 : 1, rest = n % group;
    *out = n / group * bytes + (rest * bits + 7) / 8;
    return true;
}

/* Bits are numbered through the bytes from the lowest on; an element of six may lie in two bytes. */
void glia_lowbit_unpack(glia_dtype t, const void *packed, int64_t n, void *out)
{
    const description *d = find(t);
    const uint8_t *in = packed;
    uint8_t *to = out;
    const uint32_t mask = (1u << d->bits) - 1;
    for (int64_t i = 0; i < n; i++) {
        const int64_t byte = i / 4 * d->bits / 2 + (i % 4 * d->bits) / 8; /* 4 elements fill bits / 2 bytes */
        const int shift = (int)(i % 4 * d->bits % 8);
        uint32_t v = (uint32_t)in[byte] >> shift;
        if (shift + d->bits > 8) v |= (uint32_t)in[byte + 1] << (8 - shift);
        v &= mask;
        if (d->low < 0 && v > (uint32_t)d->high) v |= ~mask;
        to[i] = (uint8_t)v;
    }
}

void glia_lowbit_pack(glia_dtype t, const void *elements, int64_t n, void *packed)
{
    const description *d = find(t);
    const uint8_t *in = elements;
    uint8_t *to = packed;
    int64_t bytes;
    const uint32_t mask = (1u << d->bits) - 1;
    if (!glia_lowbit_packed_bytes(t, n, &bytes)) return;
    memset(to, 0, (size_t)bytes);
    for (int64_t i = 0; i < n; i++) {
        const int64_t byte = i / 4 * d->bits / 2 + (i % 4 * d->bits) / 8;
        const int shift = (int)(i % 4 * d->bits % 8);
        const uint32_t v = (in[i] & mask) << shift;
        to[byte] |= (uint8_t)v;
        if (v >> 8) to[byte + 1] |= (uint8_t)(v >> 8);
    }
}

/* ---- the columns of the table in dtype.c */

static void decode(glia_dtype t, const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = glia_lowbit_to_f32(t, ((const uint8_t *)row)[i]);
}
static void encode(glia_dtype t, const float *in, void *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) ((uint8_t *)row)[i] = glia_lowbit_from_f32(t, in[i], true);
}

void glia_decode_f8e4m3fn(const void *row, float *out, int64_t n) { decode(GLIA_F8E4M3FN, row, out, n); }
void glia_encode_f8e4m3fn(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F8E4M3FN, in, row, n);
}
void glia_decode_f8e4m3fnuz(const void *row, float *out, int64_t n) { decode(GLIA_F8E4M3FNUZ, row, out, n); }
void glia_encode_f8e4m3fnuz(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F8E4M3FNUZ, in, row, n);
}
void glia_decode_f8e5m2(const void *row, float *out, int64_t n) { decode(GLIA_F8E5M2, row, out, n); }
void glia_encode_f8e5m2(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F8E5M2, in, row, n);
}
void glia_decode_f8e5m2fnuz(const void *row, float *out, int64_t n) { decode(GLIA_F8E5M2FNUZ, row, out, n); }
void glia_encode_f8e5m2fnuz(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F8E5M2FNUZ, in, row, n);
}
void glia_decode_f8e8m0(const void *row, float *out, int64_t n) { decode(GLIA_F8E8M0, row, out, n); }
void glia_encode_f8e8m0(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F8E8M0, in, row, n);
}
void glia_decode_f6e2m3(const void *row, float *out, int64_t n) { decode(GLIA_F6E2M3, row, out, n); }
void glia_encode_f6e2m3(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F6E2M3, in, row, n);
}
void glia_decode_f6e3m2(const void *row, float *out, int64_t n) { decode(GLIA_F6E3M2, row, out, n); }
void glia_encode_f6e3m2(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F6E3M2, in, row, n);
}
void glia_decode_f4e2m1(const void *row, float *out, int64_t n) { decode(GLIA_F4E2M1, row, out, n); }
void glia_encode_f4e2m1(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_F4E2M1, in, row, n);
}
void glia_decode_i4(const void *row, float *out, int64_t n) { decode(GLIA_I4, row, out, n); }
void glia_encode_i4(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_I4, in, row, n);
}
void glia_decode_u4(const void *row, float *out, int64_t n) { decode(GLIA_U4, row, out, n); }
void glia_encode_u4(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_U4, in, row, n);
}
void glia_decode_i2(const void *row, float *out, int64_t n) { decode(GLIA_I2, row, out, n); }
void glia_encode_i2(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_I2, in, row, n);
}
void glia_decode_u2(const void *row, float *out, int64_t n) { decode(GLIA_U2, row, out, n); }
void glia_encode_u2(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    encode(GLIA_U2, in, row, n);
}
