/* Writing K-quants. Each sub-block is fitted alone by weighted least squares over a range of candidate step
 * sizes; then the sub-block scales become integers, the quants are chosen again for the rounded scales, and
 * the super-block's scales are fitted once more with everything else held.
 *
 * The weight of an element is the caller's importance, else its magnitude plus the block's root mean square:
 * large weights carry more of a product, and small ones must not be free.
 *
 * The bytes are valid GGUF; they are our own search's choice and need not equal another encoder's. */
#include "tensor/formats.h"

#include <math.h>

enum { N = 256, SUB_MAX = 32, CANDIDATES = 21 };

/* x ~ scale * q - min, per sub-block of `step` elements. */
typedef struct fit {
    int step, levels; /* q in [0, levels) for affine, [-levels/2, levels/2) for symmetric */
    float weight[N];
    float scale[16], min[16];
    int scale_int[16], min_int[16];
    float d, dmin; /* as they read back from half precision */
    int q[N];
} fit;

static void fill_weights(fit *f, const float x[N], const float *importance)
{
    double sum = 0.0;
    for (int i = 0; i < N; i++) sum += (double)x[i] * x[i];
    const float rms = (float)sqrt(sum / N);
    for (int i = 0; i < N; i++) f->weight[i] = importance ? importance[i] : rms + fabsf(x[i]);
}

static float half(float v) { return glia_f16_to_f32(glia_f32_to_f16(v)); }
static float inverse(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

static int nearest(float v, int lo, int hi)
{
    if (!(v > (float)lo)) return lo;
    return v < (float)hi ? (int)rintf(v) : hi;
}

/* Weighted least squares of x = s q + b for fixed q, b at most 0. Returns the gain: the weighted sum of
 * squares that the fit explains; s and b are set when it beats `best`. */
static double solve_affine(const float *x, const float *w, const int *q, int n, double best, float *s,
                           float *b)
{
    double sw = 0, sx = 0, sq = 0, sqq = 0, sxq = 0;
    for (int i = 0; i < n; i++) {
        sw += w[i];
        sx += (double)w[i] * x[i];
        sq += (double)w[i] * q[i];
        sqq += (double)w[i] * q[i] * q[i];
        sxq += (double)w[i] * x[i] * q[i];
    }
    const double det = sw * sqq - sq * sq;
    double slope, offset;
    if (!(sqq > 0)) return best;
    slope = det > 0 ? (sw * sxq - sx * sq) / det : 0;
    offset = det > 0 ? (sqq * sx - sq * sxq) / det : 0;
    if (!(det > 0) || offset > 0) {
        slope = sxq / sqq;
        offset = 0;
    }
    const double gain = slope * sxq + offset * sx; /* at the optimum this is |x|^2 less the error */
    if (!(slope > 0) || !(gain > best)) return best;
    *s = (float)slope;
    *b = (float)offset;
    return gain;
}

static void fit_affine_sub(fit *f, const float x[N], int sub)
{
    const float *p = x + sub * f->step, *w = f->weight + sub * f->step;
    const int most = f->levels - 1;
    float lo = 0.0f, hi = p[0], scale = 0.0f, offset;
    double best = 0.0;
    int q[SUB_MAX];
    for (int i = 0; i < f->step; i++) {
        if (p[i] < lo) lo = p[i];
        if (p[i] > hi) hi = p[i];
    }
    offset = lo;
    if (hi > lo) scale = (hi - lo) / (float)most;
    for (int c = 0; c < CANDIDATES && hi > lo; c++) {
        const float inv = ((float)most - 1.0f + 0.1f * (float)c) / (hi - lo);
        for (int i = 0; i < f->step; i++) q[i] = nearest((p[i] - lo) * inv, 0, most);
        const double gain = solve_affine(p, w, q, f->step, best, &scale, &offset);
        if (gain > best) { /* the solved line may want other quants: once more from there */
            best = gain;
            for (int i = 0; i < f->step; i++) q[i] = nearest((p[i] - offset) * inverse(scale), 0, most);
            best = solve_affine(p, w, q, f->step, best, &scale, &offset);
        }
    }
    f->scale[sub] = scale;
    f->min[sub] = -offset;
}

static void choose_affine(fit *f, const float x[N])
{
    for (int i = 0; i < N; i++) {
        const int sub = i / f->step;
        const float s = f->d * (float)f->scale_int[sub], m = f->dmin * (float)f->min_int[sub];
        f->q[i] = nearest((x[i] + m) * inverse(s), 0, f->levels - 1);
    }
}

static double error_of(const fit *f, const float x[N])
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        const int sub = i / f->step;
        const double y = (double)f->d * f->scale_int[sub] * f->q[i] - (double)f->dmin * f->min_int[sub];
        sum += f->weight[i] * (y - x[i]) * (y - x[i]);
    }
    return sum;
}

/* Least squares of x = d (scale q) - dmin min over the super-block; kept only if the error falls. */
static void refine(fit *f, const float x[N])
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int i = 0; i < N; i++) {
        const double w = f->weight[i], a = (double)f->scale_int[i / f->step] * f->q[i],
                     b = -f->min_int[i / f->step];
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ax += w * a * x[i];
        bx += w * b * x[i];
    }
    const double det = aa * bb - ab * ab;
    const float d = f->d, dmin = f->dmin;
    const double before = error_of(f, x);
    if (det > 1e-9 * aa * bb) {
        f->d = half((float)((bb * ax - ab * bx) / det));
        f->dmin = half((float)((aa * bx - ab * ax) / det));
    } else if (aa > 0) {
        f->d = half((float)((ax - ab * dmin) / aa));
    }
    if (!(error_of(f, x) < before)) {
        f->d = d;
        f->dmin = dmin;
    }
}

static void fit_affine(fit *f, const float x[N], const float *importance, int scale_levels)
{
    float scale_max = 0.0f, min_max = 0.0f;
    const int subs = N / f->step;
    fill_weights(f, x, importance);
    for (int s = 0; s < subs; s++) {
        fit_affine_sub(f, x, s);
        if (f->scale[s] > scale_max) scale_max = f->scale[s];
        if (f->min[s] > min_max) min_max = f->min[s];
    }
    f->d = half(scale_max / (float)(scale_levels - 1));
    f->dmin = half(min_max / (float)(scale_levels - 1));
    for (int s = 0; s < subs; s++) {
        f->scale_int[s] = nearest(f->scale[s] * inverse(f->d), 0, scale_levels - 1);
        f->min_int[s] = nearest(f->min[s] * inverse(f->dmin), 0, scale_levels - 1);
    }
    for (int round = 0; round < 2; round++) {
        choose_affine(f, x);
        refine(f, x);
    }
    choose_affine(f, x);
}

/* For fixed quants the best scale is sum w x q / sum w q^2, and explains (sum w x q)^2 / sum w q^2. */
static void fit_symmetric_sub(fit *f, const float x[N], int sub)
{
    const float *p = x + sub * f->step, *w = f->weight + sub * f->step;
    const int h = f->levels / 2;
    float most = p[0];
    double best = 0.0;
    f->scale[sub] = 0.0f;
    for (int i = 1; i < f->step; i++)
        if (fabsf(p[i]) > fabsf(most)) most = p[i];
    for (int c = 0; c < CANDIDATES && most != 0.0f; c++) {
        const float inv = -((float)h - 1.0f + 0.1f * (float)c) / most;
        double xq = 0, qq = 0;
        for (int i = 0; i < f->step; i++) {
            const int q = nearest(p[i] * inv, -h, h - 1);
            xq += (double)w[i] * p[i] * q;
            qq += (double)w[i] * q * q;
        }
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            f->scale[sub] = (float)(xq / qq);
        }
    }
}

static void choose_symmetric(fit *f, const float x[N])
{
    for (int i = 0; i < N; i++)
        f->q[i] = nearest(x[i] * inverse(f->d * (float)f->scale_int[i / f->step]), -f->levels / 2,
                          f->levels / 2 - 1);
}

static void fit_symmetric(fit *f, const float x[N], const float *importance, int scale_levels)
{
    float most = 0.0f;
    const int subs = N / f->step;
    fill_weights(f, x, importance);
    for (int s = 0; s < subs; s++) {
        fit_symmetric_sub(f, x, s);
        if (fabsf(f->scale[s]) > fabsf(most)) most = f->scale[s];
    }
    f->d = half(most / (float)(-scale_levels / 2));
    f->dmin = 0.0f;
    for (int s = 0; s < subs; s++) {
        f->scale_int[s] = nearest(f->scale[s] * inverse(f->d), -scale_levels / 2, scale_levels / 2 - 1);
        f->min_int[s] = 0;
    }
    for (int round = 0; round < 2; round++) {
        choose_symmetric(f, x);
        refine(f, x);
    }
    choose_symmetric(f, x);
}

static void put_six_bit_scales(const fit *f, uint8_t b[12])
{
    for (int i = 0; i < 4; i++) {
        const int s = f->scale_int[i], m = f->min_int[i], s4 = f->scale_int[4 + i], m4 = f->min_int[4 + i];
        b[i] = (uint8_t)(s | (s4 >> 4) << 6);
        b[4 + i] = (uint8_t)(m | (m4 >> 4) << 6);
        b[8 + i] = (uint8_t)((s4 & 15) | (m4 & 15) << 4);
    }
}

static void put_four_bits(const fit *f, uint8_t bytes[128])
{
    memset(bytes, 0, 128);
    for (int i = 0; i < N; i++) {
        uint8_t *p = bytes + i / 64 * 32 + i % 32;
        *p = (uint8_t)(*p | (f->q[i] & 15) << (i / 32 % 2 * 4));
    }
}

static void put_two_bits(const fit *f, int offset, uint8_t bytes[64])
{
    memset(bytes, 0, 64);
    for (int i = 0; i < N; i++) {
        uint8_t *p = bytes + i / 128 * 32 + i % 32;
        *p = (uint8_t)(*p | ((f->q[i] + offset) & 3) << (i / 32 % 4 * 2));
    }
}

void glia_encode_q2_k(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.step = 16, .levels = 4};
    for (uint8_t *b = row; n > 0; n -= N, b += 84, in += N) {
        fit_affine(&f, in, weight, 16);
        for (int i = 0; i < 16; i++) b[i] = (uint8_t)(f.scale_int[i] | f.min_int[i] << 4);
        put_two_bits(&f, 0, b + 16);
        glia_store_f16(b + 80, f.d);
        glia_store_f16(b + 82, f.dmin);
        if (weight) weight += N;
    }
}

void glia_encode_q3_k(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.step = 16, .levels = 8};
    for (uint8_t *b = row; n > 0; n -= N, b += 110, in += N) {
        fit_symmetric(&f, in, weight, 64);
        memset(b, 0, 110);
        for (int i = 0; i < N; i++) b[i % 32] = (uint8_t)(b[i % 32] | (f.q[i] >= 0) << (i / 32));
        put_two_bits(&f, 4, b + 32);
        for (int i = 0; i < 16; i++) {
            const int s = f.scale_int[i] + 32;
            b[96 + i % 8] = (uint8_t)(b[96 + i % 8] | (s & 15) << (i / 8 * 4));
            b[104 + i % 4] = (uint8_t)(b[104 + i % 4] | (s >> 4) << (i / 4 * 2));
        }
        glia_store_f16(b + 108, f.d);
        if (weight) weight += N;
    }
}

void glia_encode_q4_k(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.step = 32, .levels = 16};
    for (uint8_t *b = row; n > 0; n -= N, b += 144, in += N) {
        fit_affine(&f, in, weight, 64);
        glia_store_f16(b, f.d);
        glia_store_f16(b + 2, f.dmin);
        put_six_bit_scales(&f, b + 4);
        put_four_bits(&f, b + 16);
        if (weight) weight += N;
    }
}

void glia_encode_q5_k(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.step = 32, .levels = 32};
    for (uint8_t *b = row; n > 0; n -= N, b += 176, in += N) {
        fit_affine(&f, in, weight, 64);
        glia_store_f16(b, f.d);
        glia_store_f16(b + 2, f.dmin);
        put_six_bit_scales(&f, b + 4);
        memset(b + 16, 0, 32);
        for (int i = 0; i < N; i++) b[16 + i % 32] = (uint8_t)(b[16 + i % 32] | (f.q[i] >> 4) << (i / 32));
        put_four_bits(&f, b + 48);
        if (weight) weight += N;
    }
}

void glia_encode_q6_k(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.step = 16, .levels = 64};
    for (uint8_t *b = row; n > 0; n -= N, b += 210, in += N) {
        fit_symmetric(&f, in, weight, 256);
        memset(b, 0, 192);
        for (int i = 0; i < N; i++) {
            const int q = f.q[i] + 32, at = i / 128;
            uint8_t *low = b + at * 64 + i % 64, *high = b + 128 + at * 32 + i % 32;
            *low = (uint8_t)(*low | (q & 15) << (i / 64 % 2 * 4));
            *high = (uint8_t)(*high | (q >> 4) << (i / 32 % 4 * 2));
        }
        for (int i = 0; i < 16; i++) b[192 + i] = (uint8_t)(int8_t)f.scale_int[i];
        glia_store_f16(b + 208, f.d);
        if (weight) weight += N;
    }
}

/* Q8_K: the largest magnitude becomes -128 or 127 by its sign's opposite, as the format's writers do. */
void glia_encode_q8_k(const float *in, void *row, int64_t n, const float *weight)
{
    (void)weight;
    for (uint8_t *b = row; n > 0; n -= N, b += 292, in += N) {
        float most = in[0];
        for (int i = 1; i < N; i++)
            if (fabsf(in[i]) > fabsf(most)) most = in[i];
        const float inv = most == 0.0f ? 0.0f : -127.0f / most, d = inv == 0.0f ? 0.0f : 1.0f / inv;
        memcpy(b, &d, sizeof d);
        int16_t sums[16] = {0};
        for (int i = 0; i < N; i++) {
            const int q = nearest(in[i] * inv, -127, 127);
            b[4 + i] = (uint8_t)(int8_t)q;
            sums[i / 16] = (int16_t)(sums[i / 16] + q);
        }
        memcpy(b + 260, sums, sizeof sums);
    }
}
