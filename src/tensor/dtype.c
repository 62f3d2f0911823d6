/* The table of element types: one row a type, and nothing about a type is said anywhere else. The arithmetic
 * of products with quantised weights is spelled out in dot.c, which is its reference. */
#include "tensor/dtype.h"

#include "base/check.h"
#include "tensor/formats.h"
#include "tensor/lowbit.h"

#include <glia/graph.h>
#include <math.h>

float glia_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
    uint32_t bits;
    float f;
    if (exponent == 0) { /* zero and subnormals: an exact product */
        f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    if (exponent == 31) bits = sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0);
    else bits = sign | (exponent + 112) << 23 | mantissa << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t glia_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu)); /* NaN, made quiet */
    if (a >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);                     /* 65536 and above */
    if (a >= 0x38800000u) { /* normal: rounding may carry into the exponent, up to infinity, as it should */
        const uint32_t rounded = a + 0xfffu + (a >> 13 & 1u);
        return (uint16_t)(sign | ((rounded >> 13) - (112u << 10)));
    }
    /* Subnormal: adding 0.5 leaves multiples of 2^-24 in the low bits, rounded to nearest even. */
    float m;
    memcpy(&m, &a, sizeof m);
    m += 0.5f;
    memcpy(&bits, &m, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3f000000u));
}

float glia_bf16_to_f32(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t glia_f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 64u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static void decode_f32(const void *row, float *out, int64_t n) { memcpy(out, row, (size_t)n * sizeof *out); }

static void decode_f64(const void *row, float *out, int64_t n)
{
    const double *in = row;
    for (int64_t i = 0; i < n; i++) out[i] = (float)in[i];
}

static void decode_f16(const void *row, float *out, int64_t n)
{
    const uint8_t *in = row;
    for (int64_t i = 0; i < n; i++) out[i] = glia_load_f16(in + 2 * i);
}

static void decode_bf16(const void *row, float *out, int64_t n)
{
    const uint8_t *in = row;
    for (int64_t i = 0; i < n; i++) out[i] = glia_bf16_to_f32(glia_load_u16(in + 2 * i));
}

static void decode_i8(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const int8_t *)row)[i];
}
static void decode_i16(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const int16_t *)row)[i];
}
static void decode_i32(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const int32_t *)row)[i];
}
static void decode_i64(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const int64_t *)row)[i];
}
static void decode_u8(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const uint8_t *)row)[i];
}
static void decode_u16(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const uint16_t *)row)[i];
}
static void decode_u32(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const uint32_t *)row)[i];
}
static void decode_u64(const void *row, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)((const uint64_t *)row)[i];
}

static void encode_f32(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    memcpy(row, in, (size_t)n * sizeof *in);
}

static void encode_f64(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (int64_t i = 0; i < n; i++) ((double *)row)[i] = (double)in[i];
}

static void encode_f16(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (int64_t i = 0; i < n; i++) glia_store_f16((uint8_t *)row + 2 * i, in[i]);
}

static void encode_bf16(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (int64_t i = 0; i < n; i++) {
        const uint16_t h = glia_f32_to_bf16(in[i]);
        memcpy((uint8_t *)row + 2 * i, &h, sizeof h);
    }
}

/* The `arithmetic` column. S is an exact int32; the chain runs over the blocks of a segment of 1024 elements,
 * from zero; segments meet in the pairwise tree. dw, da: scales of the weight's and the activation's block.
 */
#define CHAIN_FLOAT "fma chain over segments of 256, segments in the pairwise tree"
#define CHAIN_S "S = sum q*a, exact; acc = fma(dw*da, S, acc) over segments of 1024, then the tree"
#define CHAIN_SM                                                                                             \
    "S = sum q*a, exact; acc = fma(dw*da, S, acc); acc = fma(m*da, sum a, acc) over segments of 1024, then " \
    "the tree"
#define CHAIN_16 "S = sum q*a per 16, exact; acc = fma(dw*da, S, acc) over segments of 1024, then the tree"
#define CHAIN_32 "S = sum q*a per 32, exact; acc = fma(dw*da, S, acc) over segments of 1024, then the tree"
#define CHAIN_K "S = sum scale*dot, exact; acc = fma(d*da, S, acc) over segments of 1024, then the tree"
#define CHAIN_KM                                                                                             \
    "S = sum scale*dot, M = sum min*bsum, exact; acc = fma(d*da, S, acc); acc = fma(-(dmin*da), M, acc) "    \
    "over segments of 1024, then the tree"

#define F GLIA_CLASS_FLOAT
#define I GLIA_CLASS_INT
#define B GLIA_CLASS_BOOL
#define Q GLIA_CLASS_QUANT
#define A GLIA_CLASS_ACTIVATION
#define L GLIA_CLASS_LOWBIT

static const glia_dtype_info table[GLIA_DTYPE_COUNT] = {
#define SIZES(id, name, elements, bytes) [GLIA_##id] = {name, elements, bytes, INFO_##id},
#define INFO_F32 F, GLIA_F32, 0, CHAIN_FLOAT, decode_f32, encode_f32
#define INFO_F64 F, GLIA_F64, 28, CHAIN_FLOAT, decode_f64, encode_f64
#define INFO_F16 F, GLIA_F32, 1, CHAIN_FLOAT, decode_f16, encode_f16
#define INFO_BF16 F, GLIA_F32, 30, CHAIN_FLOAT, decode_bf16, encode_bf16
#define INFO_I8 I, GLIA_DTYPE_NONE, 24, "none", decode_i8, 0
#define INFO_I16 I, GLIA_DTYPE_NONE, 25, "none", decode_i16, 0
#define INFO_I32 I, GLIA_DTYPE_NONE, 26, "none", decode_i32, 0
#define INFO_I64 I, GLIA_DTYPE_NONE, 27, "none", decode_i64, 0
#define INFO_U8 I, GLIA_DTYPE_NONE, -1, "none", decode_u8, 0
#define INFO_U16 I, GLIA_DTYPE_NONE, -1, "none", decode_u16, 0
#define INFO_U32 I, GLIA_DTYPE_NONE, -1, "none", decode_u32, 0
#define INFO_U64 I, GLIA_DTYPE_NONE, -1, "none", decode_u64, 0
#define INFO_BOOL B, GLIA_DTYPE_NONE, -1, "none", decode_u8, 0
#define INFO_Q8_0 Q, GLIA_A8X32, 8, CHAIN_S, glia_decode_q8_0, glia_encode_q8_0
#define INFO_Q4_0 Q, GLIA_A8X32, 2, CHAIN_S, glia_decode_q4_0, glia_encode_q4_0
#define INFO_Q4_1 Q, GLIA_A8X32, 3, CHAIN_SM, glia_decode_q4_1, glia_encode_q4_1
#define INFO_Q5_0 Q, GLIA_A8X32, 6, CHAIN_S, glia_decode_q5_0, glia_encode_q5_0
#define INFO_Q5_1 Q, GLIA_A8X32, 7, CHAIN_SM, glia_decode_q5_1, glia_encode_q5_1
#define INFO_Q2_K Q, GLIA_A8X256, 10, CHAIN_KM, glia_decode_q2_k, glia_encode_q2_k
#define INFO_Q3_K Q, GLIA_A8X256, 11, CHAIN_K, glia_decode_q3_k, glia_encode_q3_k
#define INFO_Q4_K Q, GLIA_A8X256, 12, CHAIN_KM, glia_decode_q4_k, glia_encode_q4_k
#define INFO_Q5_K Q, GLIA_A8X256, 13, CHAIN_KM, glia_decode_q5_k, glia_encode_q5_k
#define INFO_Q6_K Q, GLIA_A8X256, 14, CHAIN_K, glia_decode_q6_k, glia_encode_q6_k
#define INFO_Q8_K Q, GLIA_A8X256, 15, CHAIN_S, glia_decode_q8_k, glia_encode_q8_k
#define INFO_IQ4_NL Q, GLIA_A8X32, 20, CHAIN_S, glia_decode_iq4_nl, glia_encode_iq4_nl
#define INFO_TQ1_0 Q, GLIA_A8X256, 34, CHAIN_S, glia_decode_tq1_0, glia_encode_tq1_0
#define INFO_TQ2_0 Q, GLIA_A8X256, 35, CHAIN_S, glia_decode_tq2_0, glia_encode_tq2_0
#define INFO_A8X32 A, GLIA_DTYPE_NONE, -1, "activation", glia_decode_a8x32, glia_encode_a8x32
#define INFO_A8X256 A, GLIA_DTYPE_NONE, -1, "activation", glia_decode_a8x256, glia_encode_a8x256
#define INFO_MXFP4 Q, GLIA_A8X32, 39, CHAIN_S, glia_decode_mxfp4, glia_encode_mxfp4
#define INFO_IQ4_XS Q, GLIA_A8X256, 23, CHAIN_K, glia_decode_iq4_xs, glia_encode_iq4_xs
#define INFO_IQ3_S Q, GLIA_A8X256, 21, CHAIN_K, glia_decode_iq3_s, 0
#define INFO_IQ3_XXS Q, GLIA_A8X256, 18, CHAIN_K, glia_decode_iq3_xxs, 0
#define INFO_IQ2_S Q, GLIA_A8X256, 22, CHAIN_K, glia_decode_iq2_s, 0
#define INFO_IQ2_XS Q, GLIA_A8X256, 17, CHAIN_K, glia_decode_iq2_xs, 0
#define INFO_IQ2_XXS Q, GLIA_A8X256, 16, CHAIN_K, glia_decode_iq2_xxs, 0
#define INFO_IQ1_S Q, GLIA_A8X256, 19, CHAIN_K, glia_decode_iq1_s, 0
#define INFO_IQ1_M Q, GLIA_A8X256, 29, CHAIN_K, glia_decode_iq1_m, 0
#define INFO_NVFP4 Q, GLIA_A8X32, 40, CHAIN_16, glia_decode_nvfp4, 0
#define INFO_Q1_0 Q, GLIA_A8X32, 41, CHAIN_32, glia_decode_q1_0, glia_encode_q1_0
#define INFO_Q2_0 Q, GLIA_A8X32, 42, CHAIN_32, glia_decode_q2_0, glia_encode_q2_0
#define INFO_F8E4M3FN L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f8e4m3fn, glia_encode_f8e4m3fn
#define INFO_F8E4M3FNUZ L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f8e4m3fnuz, glia_encode_f8e4m3fnuz
#define INFO_F8E5M2 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f8e5m2, glia_encode_f8e5m2
#define INFO_F8E5M2FNUZ L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f8e5m2fnuz, glia_encode_f8e5m2fnuz
#define INFO_F8E8M0 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f8e8m0, glia_encode_f8e8m0
#define INFO_F6E2M3 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f6e2m3, glia_encode_f6e2m3
#define INFO_F6E3M2 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f6e3m2, glia_encode_f6e3m2
#define INFO_F4E2M1 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_f4e2m1, glia_encode_f4e2m1
#define INFO_I4 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_i4, glia_encode_i4
#define INFO_U4 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_u4, glia_encode_u4
#define INFO_I2 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_i2, glia_encode_i2
#define INFO_U2 L, GLIA_DTYPE_NONE, -1, "none", glia_decode_u2, glia_encode_u2
    [GLIA_DTYPE_NONE] = {"none", 1, 0, 0, GLIA_DTYPE_NONE, -1, "none", 0, 0}, GLIA_DTYPES(SIZES)};

const glia_dtype_info *glia_dtype_get(glia_dtype t)
{
    return &table[(unsigned)t < GLIA_DTYPE_COUNT ? (unsigned)t : GLIA_DTYPE_NONE];
}

glia_dtype glia_dtype_from_gguf(int64_t type)
{
    for (int t = 1; t < GLIA_DTYPE_COUNT; t++)
        if (table[t].gguf_type == type && type >= 0) return (glia_dtype)t;
    return GLIA_DTYPE_NONE;
}

const char *glia_dtype_name(glia_dtype t) { return glia_dtype_get(t)->name; }

glia_dtype glia_dtype_parse(const char *name)
{
    for (int t = 1; name && t < GLIA_DTYPE_COUNT; t++) {
        const char *want = table[t].name, *have = name;
        while (*have && (*have >= 'A' && *have <= 'Z' ? *have + 32 : *have) == *want) have++, want++;
        if (!*have && !*want) return (glia_dtype)t;
    }
    return GLIA_DTYPE_NONE;
}

bool glia_dtype_row_bytes(glia_dtype t, int64_t n, int64_t *out)
{
    const glia_dtype_info *info = glia_dtype_get(t);
    return n >= 0 && n % info->block_elements == 0 &&
           glia_mul(n / info->block_elements, info->block_bytes, out);
}

bool glia_dtype_tensor_bytes(glia_dtype t, int rank, const int64_t *dims, int64_t *out)
{
    int64_t bytes;
    if (rank < 0 || rank > GLIA_RANK_MAX) return false;
    if (!glia_dtype_row_bytes(t, rank ? dims[rank - 1] : 1, &bytes)) return false;
    for (int i = 0; i < rank - 1; i++)
        if (!glia_mul(bytes, dims[i], &bytes)) return false;
    *out = bytes;
    return true;
}
