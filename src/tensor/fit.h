/* Fitting a few quants to a few floats: the searches that the encoders of block formats share.
 *
 *     x_i ~ scale * q_i + offset,   q_i in a small range of integers or in a codebook
 *
 * minimises sum w_i (x_i - scale q_i - offset)^2 over scale, offset and quants: candidates of the step size
 * give quants, and for fixed quants weighted least squares gives scale and offset. Any float may come in;
 * what is not finite gives some result. */
#ifndef GLIA_TENSOR_FIT_H
#define GLIA_TENSOR_FIT_H

#include "tensor/formats.h"

enum { GLIA_FIT_LANES = 16, GLIA_FIT_MOST = 32 };

typedef struct glia_fit {
    int count;  /* elements: GLIA_FIT_LANES or GLIA_FIT_MOST */
    int lo, hi; /* the range's ends, or those of the codebook; lo is 0 where there is an offset */
    bool codebook;
    bool any_offset; /* else at most 0, as in formats that store a minimum without a sign */
    float square;    /* how far an element's square adds to its weight where no importance is given */
} glia_fit;

static inline float glia_fit_inverse(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

/* Nearest even within [lo, hi]; NaN gives lo. lo and hi are below 2^22 in magnitude: adding 1.5 * 2^23 leaves
 * the rounded integer in the low bits of the sum. */
static inline int glia_fit_nearest(float v, int lo, int hi)
{
    int32_t bits;
    v = v > (float)lo ? v : (float)lo;
    v = v < (float)hi ? v : (float)hi;
    v += 0x1.8p23f;
    memcpy(&bits, &v, sizeof bits);
    return bits - 0x4b400000;
}

/* The quants of 16 values as floats, rounded as glia_fit_nearest rounds; of a codebook the values, not the
 * indices. */
static inline void glia_fit_quants(const glia_fit *f, const float v[GLIA_FIT_LANES], float q[GLIA_FIT_LANES])
{
    const float lo = (float)f->lo, hi = (float)f->hi;
    for (int i = 0; i < GLIA_FIT_LANES && !f->codebook; i++) {
        const float above = v[i] > lo ? v[i] : lo, within = above < hi ? above : hi;
        q[i] = (within + 0x1.8p23f) - 0x1.8p23f;
    }
    if (!f->codebook) return;
    for (int i = 0; i < GLIA_FIT_LANES; i++) q[i] = lo;
    for (int m = 0; m < 15; m++) {
        const float middle = glia_iq4_nl_middles[m];
        const float step = (float)(glia_iq4_nl_values[m + 1] - glia_iq4_nl_values[m]);
        for (int i = 0; i < GLIA_FIT_LANES; i++) q[i] += v[i] > middle ? step : 0.0f;
    }
}

/* Sums are of 16 lanes, added up in this order. */
static inline float glia_fit_sum(const float lanes[GLIA_FIT_LANES])
{
    float eight[8], four[4];
    for (int i = 0; i < 8; i++) eight[i] = lanes[i] + lanes[i + 8];
    for (int i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* The best scale without an offset; 0 if there is none. */
float glia_fit_symmetric(const glia_fit *f, const float *x, const float *w);
/* The best scale, at least 0, with an offset. */
void glia_fit_affine(const glia_fit *f, const float *x, const float *w, float *scale, float *offset);

/* The weights of `count` elements. With t the magnitude over the root mean square of all of them:
 *
 *     (importance + a trace of its mean, so that nothing is free) * (1 + t / 2)
 *     1 + t + square * t^2      where there is no importance (null, zeros, not finite)
 *
 * Large elements carry more of a product, and small ones must not be free. What an error costs is a matter of
 * measure: alike for all elements, or growing with their magnitude or its square. These blends, found by
 * trial, keep the error low under all of them at once (docs/formats.md has the numbers). */
void glia_fit_weights(const glia_fit *f, const float *x, const float *importance, int count, float *w);

#endif
