/* The decoders and encoders behind the rows of the table in dtype.c, one pair a block format. Rows are
 * blocks one after the other; n is a multiple of the block, as glia_dtype_row_bytes has checked.
 *
 * Bytes are read through memcpy, since the rows of a mapped file have no alignment of their own. Encoders
 * take any float: what is not finite gives some valid block, never undefined behaviour. */
#ifndef GLIA_TENSOR_FORMATS_H
#define GLIA_TENSOR_FORMATS_H

#include "tensor/dtype.h"
#include <string.h>

typedef void glia_decode_fn(const void *row, float *out, int64_t n);
typedef void glia_encode_fn(const float *in, void *row, int64_t n, const float *weight);

glia_decode_fn glia_decode_q8_0, glia_decode_q4_0, glia_decode_q4_1, glia_decode_q5_0, glia_decode_q5_1;
glia_decode_fn glia_decode_iq4_nl, glia_decode_mxfp4, glia_decode_tq1_0, glia_decode_tq2_0;
glia_decode_fn glia_decode_q2_k, glia_decode_q3_k, glia_decode_q4_k, glia_decode_q5_k, glia_decode_q6_k,
    glia_decode_q8_k;
glia_decode_fn glia_decode_iq4_xs, glia_decode_iq3_s, glia_decode_iq3_xxs, glia_decode_iq2_s,
    glia_decode_iq2_xs, glia_decode_iq2_xxs, glia_decode_iq1_s, glia_decode_iq1_m, glia_decode_nvfp4,
    glia_decode_q1_0, glia_decode_q2_0;
glia_decode_fn glia_decode_a8x32, glia_decode_a8x256;

glia_encode_fn glia_encode_q8_0, glia_encode_q4_0, glia_encode_q4_1, glia_encode_q5_0, glia_encode_q5_1;
glia_encode_fn glia_encode_iq4_nl, glia_encode_mxfp4, glia_encode_tq1_0, glia_encode_tq2_0;
glia_encode_fn glia_encode_q2_k, glia_encode_q3_k, glia_encode_q4_k, glia_encode_q5_k, glia_encode_q6_k,
    glia_encode_q8_k;
glia_encode_fn glia_encode_iq4_xs, glia_encode_q1_0, glia_encode_q2_0;
glia_encode_fn glia_encode_a8x32, glia_encode_a8x256;

/* Elements of fewer than 16 bits, one a byte (lowbit.c). */
glia_decode_fn glia_decode_f8e4m3fn, glia_decode_f8e4m3fnuz, glia_decode_f8e5m2, glia_decode_f8e5m2fnuz,
    glia_decode_f8e8m0, glia_decode_f6e2m3, glia_decode_f6e3m2, glia_decode_f4e2m1, glia_decode_i4,
    glia_decode_u4, glia_decode_i2, glia_decode_u2;
glia_encode_fn glia_encode_f8e4m3fn, glia_encode_f8e4m3fnuz, glia_encode_f8e5m2, glia_encode_f8e5m2fnuz,
    glia_encode_f8e8m0, glia_encode_f6e2m3, glia_encode_f6e3m2, glia_encode_f4e2m1, glia_encode_i4,
    glia_encode_u4, glia_encode_i2, glia_encode_u2;

/* The 16 values of IQ4_NL's codebook, ascending. */
extern const int8_t glia_iq4_nl_values[16];
extern const float glia_iq4_nl_middles[15]; /* halfway between neighbours */
int glia_iq4_nl_nearest(float v); /* the index of the nearest value; of two equally near, the lower */
/* The 16 values of MXFP4 (E2M1), doubled so that they are integers: nibble 8 is a second zero. */
extern const int8_t glia_mxfp4_values[16];
/* Half of the power of two that an E8M0 byte stands for, the scale of the doubled values: 2^(e - 128). */
float glia_e8m0_half(uint8_t e);

/* One block's quants as small integers, in the order of the elements; the products use these. */
void glia_unpack_q4_0(const uint8_t *block, int8_t q[32]);
void glia_unpack_q4_1(const uint8_t *block, int8_t q[32]);
void glia_unpack_q5_0(const uint8_t *block, int8_t q[32]);
void glia_unpack_q5_1(const uint8_t *block, int8_t q[32]);
void glia_unpack_iq4_nl(const uint8_t *block, int8_t q[32]);
void glia_unpack_mxfp4(const uint8_t *block, int8_t q[32]);
void glia_unpack_q1_0(const uint8_t *block, int8_t q[128]);
void glia_unpack_q2_0(const uint8_t *block, int8_t q[64]);
/* NVFP4: a scale per 16 elements, half of what its E4M3 byte stands for, since the values are doubled. */
void glia_unpack_nvfp4(const uint8_t *block, int8_t q[64], float d[4]);
void glia_unpack_tq1_0(const uint8_t *block, int8_t q[256]);
void glia_unpack_tq2_0(const uint8_t *block, int8_t q[256]);

/* K-quants: quants with their sub-block scales and mins as integers. A sub-block has 16 elements where
 * `step` is 16, else 32; Q3_K and Q6_K have no mins and leave min alone. */
void glia_unpack_q2_k(const uint8_t *block, int8_t q[256], int8_t scale[16], uint8_t min[16]);
void glia_unpack_q3_k(const uint8_t *block, int8_t q[256], int8_t scale[16]);
void glia_unpack_q4_k(const uint8_t *block, int8_t q[256], int8_t scale[8], uint8_t min[8]);
void glia_unpack_q5_k(const uint8_t *block, int8_t q[256], int8_t scale[8], uint8_t min[8]);
void glia_unpack_q6_k(const uint8_t *block, int8_t q[256], int8_t scale[16]);

/* Super-blocks whose elements are scale * q alone, whatever else the bytes hold: quants, one integer scale
 * per 16 elements, and the returned scale of the block, so that an element is (d * scale) * q. */
typedef float glia_unpack_super_fn(const uint8_t *block, int8_t q[256], int8_t scale[16]);
glia_unpack_super_fn glia_unpack_iq4_xs, glia_unpack_iq3_s, glia_unpack_iq3_xxs, glia_unpack_iq2_s,
    glia_unpack_iq2_xs, glia_unpack_iq2_xxs, glia_unpack_iq1_s, glia_unpack_iq1_m;

/* Codebooks; iq_grid_tables.c says how a word is read. IQ1_M takes IQ1_S's. */
extern const uint16_t glia_iq2_xxs_grid[256], glia_iq2_xs_grid[512], glia_iq2_s_grid[1024],
    glia_iq3_xxs_grid[256], glia_iq3_s_grid[512], glia_iq1_s_grid[2048];

static inline uint16_t glia_load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline float glia_load_f16(const uint8_t *p) { return glia_f16_to_f32(glia_load_u16(p)); }
static inline void glia_store_f16(uint8_t *p, float f)
{
    const uint16_t h = glia_f32_to_f16(f);
    memcpy(p, &h, sizeof h);
}
static inline float glia_load_f32(const void *p)
{
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}
/* A float to an integer in [lo, hi], truncated; NaN gives lo. Plain conversion would be undefined for
 * what does not fit. */
static inline int glia_clamp_int(float v, int lo, int hi)
{
    if (!(v > (float)lo)) return lo;
    return v < (float)hi ? (int)v : hi;
}

#endif
