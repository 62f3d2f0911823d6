/* The portable products. Each block format has one function that carries the chain over one block; the
 * segments and the tree are the same for all of them.
 *
 * The exact integers fit: 32 * 127 * 128 for the widest format of 32; for super-blocks the widest sums are
 * Q6_K's, 256 * 32 * 128 * 128 < 2^28, and Q5_K's, 256 * 31 * 63 * 128 < 2^26. */
#include "tensor/dot.h"

#include "base/check.h"
#include "tensor/formats.h"

#include <math.h>

float glia_tree_sum_f32(float *v, int n)
{
    for (; n > 1; n = (n + 1) / 2) {
        for (int i = 0; i < n / 2; i++) v[i] = v[2 * i] + v[2 * i + 1];
        if (n % 2) v[n / 2] = v[n - 1];
    }
    return n > 0 ? v[0] : 0.0f;
}

double glia_tree_sum_f64(double *v, int n)
{
    for (; n > 1; n = (n + 1) / 2) {
        for (int i = 0; i < n / 2; i++) v[i] = v[2 * i] + v[2 * i + 1];
        if (n % 2) v[n / 2] = v[n - 1];
    }
    return n > 0 ? v[0] : 0.0;
}

float glia_dot_f32(const float *w, const float *x, int64_t k)
{
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < k; s += GLIA_SEGMENT_FLOAT) {
        const int64_t end = glia_min(k, s + GLIA_SEGMENT_FLOAT);
        float acc = 0.0f;
        for (int64_t i = s; i < end; i++) acc = fmaf(w[i], x[i], acc);
        glia_tree_push_f32(&tree, acc);
    }
    return glia_tree_done_f32(&tree);
}

double glia_dot_f64(const double *w, const double *x, int64_t k)
{
    glia_tree_f64 tree = {.count = 0};
    for (int64_t s = 0; s < k; s += GLIA_SEGMENT_FLOAT) {
        const int64_t end = glia_min(k, s + GLIA_SEGMENT_FLOAT);
        double acc = 0.0;
        for (int64_t i = s; i < end; i++) acc = fma(w[i], x[i], acc);
        glia_tree_push_f64(&tree, acc);
    }
    return glia_tree_done_f64(&tree);
}

/* What of an activation row meets one block of weights. */
typedef struct part {
    const int8_t *q;
    float d;               /* the first of scales; in most formats there is but one */
    const uint8_t *scales; /* f32 */
    const uint8_t *sums;   /* int32, one per block of 32 or per 16 of a super-block */
} part;

static int32_t sum_at(const part *a, int i)
{
    int32_t s;
    memcpy(&s, a->sums + 4 * i, sizeof s);
    return s;
}

static int32_t dot_i8(const int8_t *q, const int8_t *a, int n)
{
    int32_t s = 0;
    for (int i = 0; i < n; i++) s += q[i] * a[i];
    return s;
}

static float block_q8_0(const uint8_t *b, const part *a, float acc)
{
    return fmaf(glia_load_f16(b) * a->d, (float)dot_i8((const int8_t *)b + 2, a->q, 32), acc);
}

static float block_q4_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_q4_0(b, q);
    return fmaf(glia_load_f16(b) * a->d, (float)dot_i8(q, a->q, 32), acc);
}

static float block_q5_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_q5_0(b, q);
    return fmaf(glia_load_f16(b) * a->d, (float)dot_i8(q, a->q, 32), acc);
}

static float block_iq4_nl(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_iq4_nl(b, q);
    return fmaf(glia_load_f16(b) * a->d, (float)dot_i8(q, a->q, 32), acc);
}

static float block_mxfp4(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_mxfp4(b, q);
    return fmaf(glia_e8m0_half(b[0]) * a->d, (float)dot_i8(q, a->q, 32), acc);
}

static float block_q4_1(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_q4_1(b, q);
    acc = fmaf(glia_load_f16(b) * a->d, (float)dot_i8(q, a->q, 32), acc);
    return fmaf(glia_load_f16(b + 2) * a->d, (float)sum_at(a, 0), acc);
}

static float block_q5_1(const uint8_t *b, const part *a, float acc)
{
    int8_t q[32];
    glia_unpack_q5_1(b, q);
    acc = fmaf(glia_load_f16(b) * a->d, (float)dot_i8(q, a->q, 32), acc);
    return fmaf(glia_load_f16(b + 2) * a->d, (float)sum_at(a, 0), acc);
}

static float block_tq1_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256];
    glia_unpack_tq1_0(b, q);
    return fmaf(glia_load_f16(b + 52) * a->d, (float)dot_i8(q, a->q, 256), acc);
}

static float block_tq2_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256];
    glia_unpack_tq2_0(b, q);
    return fmaf(glia_load_f16(b + 64) * a->d, (float)dot_i8(q, a->q, 256), acc);
}

static float block_q8_k(const uint8_t *b, const part *a, float acc)
{
    return fmaf(glia_load_f32(b) * a->d, (float)dot_i8((const int8_t *)b + 4, a->q, 256), acc);
}

/* Sum over the sub-blocks of scale times dot. */
static int32_t scaled_dots(const int8_t *q, const int8_t *scale, int step, const part *a)
{
    int32_t s = 0;
    for (int i = 0; i < 256 / step; i++) s += scale[i] * dot_i8(q + i * step, a->q + i * step, step);
    return s;
}

/* Sum over the sub-blocks of min times the activation's sum there. */
static int32_t scaled_sums(const uint8_t *min, int step, const part *a)
{
    int32_t s = 0;
    for (int i = 0; i < 16; i++) s += min[i * 16 / step] * sum_at(a, i);
    return s;
}

static float block_affine_k(float d, float dmin, int32_t s, int32_t m, const part *a, float acc)
{
    acc = fmaf(d * a->d, (float)s, acc);
    return fmaf(-(dmin * a->d), (float)m, acc);
}

static float block_q2_k(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[16];
    uint8_t min[16];
    glia_unpack_q2_k(b, q, scale, min);
    return block_affine_k(glia_load_f16(b + 80), glia_load_f16(b + 82), scaled_dots(q, scale, 16, a),
                          scaled_sums(min, 16, a), a, acc);
}

static float block_q4_k(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[8];
    uint8_t min[8];
    glia_unpack_q4_k(b, q, scale, min);
    return block_affine_k(glia_load_f16(b), glia_load_f16(b + 2), scaled_dots(q, scale, 32, a),
                          scaled_sums(min, 32, a), a, acc);
}

static float block_q5_k(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[8];
    uint8_t min[8];
    glia_unpack_q5_k(b, q, scale, min);
    return block_affine_k(glia_load_f16(b), glia_load_f16(b + 2), scaled_dots(q, scale, 32, a),
                          scaled_sums(min, 32, a), a, acc);
}

static float block_q3_k(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[16];
    glia_unpack_q3_k(b, q, scale);
    return fmaf(glia_load_f16(b + 108) * a->d, (float)scaled_dots(q, scale, 16, a), acc);
}

static float block_q6_k(const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[16];
    glia_unpack_q6_k(b, q, scale);
    return fmaf(glia_load_f16(b + 208) * a->d, (float)scaled_dots(q, scale, 16, a), acc);
}

static float block_super(glia_unpack_super_fn *unpack, const uint8_t *b, const part *a, float acc)
{
    int8_t q[256], scale[16];
    const float d = unpack(b, q, scale);
    return fmaf(d * a->d, (float)scaled_dots(q, scale, 16, a), acc);
}

static float block_iq4_xs(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq4_xs, b, a, acc);
}
static float block_iq3_s(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq3_s, b, a, acc);
}
static float block_iq3_xxs(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq3_xxs, b, a, acc);
}
static float block_iq2_s(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq2_s, b, a, acc);
}
static float block_iq2_xs(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq2_xs, b, a, acc);
}
static float block_iq2_xxs(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq2_xxs, b, a, acc);
}
static float block_iq1_s(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq1_s, b, a, acc);
}
static float block_iq1_m(const uint8_t *b, const part *a, float acc)
{
    return block_super(glia_unpack_iq1_m, b, a, acc);
}

/* One scale of weights for several blocks of activations. */
static float scaled_parts(float d, const int8_t *q, int parts, const part *a, float acc)
{
    for (int s = 0; s < parts; s++)
        acc = fmaf(d * glia_load_f32(a->scales + 4 * s), (float)dot_i8(q + 32 * s, a->q + 32 * s, 32), acc);
    return acc;
}

static float block_q1_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[128];
    glia_unpack_q1_0(b, q);
    return scaled_parts(glia_load_f16(b), q, 4, a, acc);
}

static float block_q2_0(const uint8_t *b, const part *a, float acc)
{
    int8_t q[64];
    glia_unpack_q2_0(b, q);
    return scaled_parts(glia_load_f16(b), q, 2, a, acc);
}

/* Two blocks of activations, and a scale of its own for each 16 weights. */
static float block_nvfp4(const uint8_t *b, const part *a, float acc)
{
    int8_t q[64];
    float d[4];
    glia_unpack_nvfp4(b, q, d);
    for (int s = 0; s < 4; s++)
        acc = fmaf(d[s] * glia_load_f32(a->scales + s / 2 * 4), (float)dot_i8(q + 16 * s, a->q + 16 * s, 16),
                   acc);
    return acc;
}

typedef float block_fn(const uint8_t *block, const part *a, float acc);
static block_fn *const block_of[GLIA_DTYPE_COUNT] = {
    [GLIA_Q8_0] = block_q8_0,     [GLIA_Q4_0] = block_q4_0,     [GLIA_Q4_1] = block_q4_1,
    [GLIA_Q5_0] = block_q5_0,     [GLIA_Q5_1] = block_q5_1,     [GLIA_IQ4_NL] = block_iq4_nl,
    [GLIA_TQ1_0] = block_tq1_0,   [GLIA_TQ2_0] = block_tq2_0,   [GLIA_Q2_K] = block_q2_k,
    [GLIA_Q3_K] = block_q3_k,     [GLIA_Q4_K] = block_q4_k,     [GLIA_Q5_K] = block_q5_k,
    [GLIA_Q6_K] = block_q6_k,     [GLIA_Q8_K] = block_q8_k,     [GLIA_MXFP4] = block_mxfp4,
    [GLIA_IQ4_XS] = block_iq4_xs, [GLIA_IQ3_S] = block_iq3_s,   [GLIA_IQ3_XXS] = block_iq3_xxs,
    [GLIA_IQ2_S] = block_iq2_s,   [GLIA_IQ2_XS] = block_iq2_xs, [GLIA_IQ2_XXS] = block_iq2_xxs,
    [GLIA_IQ1_S] = block_iq1_s,   [GLIA_IQ1_M] = block_iq1_m,   [GLIA_NVFP4] = block_nvfp4,
    [GLIA_Q1_0] = block_q1_0,     [GLIA_Q2_0] = block_q2_0,
};

float glia_dot_quant(glia_dtype w, const void *row, const void *activation_row, int64_t k)
{
    block_fn *const block = (unsigned)w < GLIA_DTYPE_COUNT ? block_of[w] : 0;
    if (!block) return NAN;
    const glia_dtype_info *info = glia_dtype_get(w);
    const int elements = info->block_elements, wide = glia_dtype_get(info->activation)->block_elements;
    const int group = wide == 32 ? 32 : 16;
    const uint8_t *b = row, *base = activation_row, *scales = base + k, *sums = scales + k / wide * 4;
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < k; s += GLIA_SEGMENT_QUANT) {
        const int64_t end = glia_min(k, s + GLIA_SEGMENT_QUANT);
        float acc = 0.0f;
        for (int64_t i = s; i < end; i += elements, b += info->block_bytes) {
            const uint8_t *scale = scales + i / wide * 4;
            const part a = {(const int8_t *)base + i, glia_load_f32(scale), scale, sums + i / group * 4};
            acc = block(b, &a, acc);
        }
        glia_tree_push_f32(&tree, acc);
    }
    return glia_tree_done_f32(&tree);
}
