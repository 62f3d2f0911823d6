/* Writing K-quants and IQ4_XS. Each sub-block is fitted alone by weighted least squares over a range of
 * candidate step sizes; then the sub-block scales become integers, and in rounds, with everything else held,
 * the integers move to better neighbours, the quants are chosen again, and the super-block's scales are
 * fitted.
 *
 * The weight of an element grows with its magnitude (glia_fit_weights); `square` is each format's own.
 *
 * The bytes are valid GGUF; they are our own search's choice and need not equal another encoder's. The tests
 * hold its error against that of the format's own encoder. */
#include "tensor/fit.h"

#include <math.h>

enum { N = 256, LANES = GLIA_FIT_LANES, ROUNDS = 3 };

/* x ~ d * scale_int * q - dmin * min_int, the integers per sub-block of `sub.count` elements. */
typedef struct fit {
    glia_fit sub;
    float weight[N];
    float scale[16], min[16];
    int scale_int[16], min_int[16];
    float d, dmin; /* as they read back from half precision */
    int q[N];
} fit;

static float half(float v) { return glia_f16_to_f32(glia_f32_to_f16(v)); }

/* The quants of 16 elements from x on, whose sub-block is scaled by s and shifted by m. */
static void quants_of(const fit *f, const float *x, float s, float m, float q[LANES])
{
    const float id = glia_fit_inverse(s);
    float v[LANES];
    for (int i = 0; i < LANES; i++) v[i] = (x[i] + m) * id;
    glia_fit_quants(&f->sub, v, q);
}

static void choose(fit *f, const float x[N])
{
    for (int at = 0; at < N; at += LANES) {
        const int sub = at / f->sub.count;
        float q[LANES];
        quants_of(f, x + at, f->d * (float)f->scale_int[sub], f->dmin * (float)f->min_int[sub], q);
        for (int i = 0; i < LANES; i++) f->q[at + i] = (int)q[i];
    }
}

static void add_errors(const float *w, const float *x, const float *q, float s, float m, float sum[LANES])
{
    for (int i = 0; i < LANES; i++) {
        const float e = s * q[i] - m - x[i];
        sum[i] += w[i] * e * e;
    }
}

/* The error of one sub-block with these integers and the quants that fit them best. */
static float sub_error(const fit *f, const float *x, int sub, int scale, int min)
{
    const float s = f->d * (float)scale, m = f->dmin * (float)min;
    float sum[LANES] = {0}, q[LANES];
    for (int at = sub * f->sub.count; at < (sub + 1) * f->sub.count; at += LANES) {
        quants_of(f, x + at, s, m, q);
        add_errors(f->weight + at, x + at, q, s, m, sum);
    }
    return glia_fit_sum(sum);
}

/* Moves each sub-block's integers to the best of their neighbours, within [lowest, highest]; no mins if dmin
 * is zero. */
static void move_integers(fit *f, const float x[N], int lowest, int highest)
{
    for (int sub = 0; sub < N / f->sub.count; sub++) {
        const int s0 = f->scale_int[sub], m0 = f->min_int[sub], reach = f->dmin != 0.0f ? 1 : 0;
        float least = sub_error(f, x, sub, s0, m0);
        for (int s = s0 - 1; s <= s0 + 1; s++)
            for (int m = m0 - reach; m <= m0 + reach; m++) {
                if (s < lowest || s > highest || (reach && (m < 0 || m > highest))) continue;
                if (s == s0 && m == m0) continue;
                const float error = sub_error(f, x, sub, s, m);
                if (!(error < least)) continue;
                least = error;
                f->scale_int[sub] = s;
                f->min_int[sub] = m;
            }
    }
}

static double error_of(const fit *f, const float x[N])
{
    double sum = 0;
    for (int at = 0; at < N; at += LANES) {
        const int sub = at / f->sub.count;
        float lanes[LANES] = {0}, q[LANES];
        for (int i = 0; i < LANES; i++) q[i] = (float)f->q[at + i];
        add_errors(f->weight + at, x + at, q, f->d * (float)f->scale_int[sub],
                   f->dmin * (float)f->min_int[sub], lanes);
        sum += glia_fit_sum(lanes);
    }
    return sum;
}

/* Least squares of x = d (scale q) - dmin min over the super-block; kept only if the error falls. */
static void refine(fit *f, const float x[N])
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int at = 0; at < N; at += LANES) {
        const double a = f->scale_int[at / f->sub.count], b = -f->min_int[at / f->sub.count];
        const float *w = f->weight + at;
        float wx[LANES], wq[LANES], wqq[LANES], wxq[LANES];
        for (int i = 0; i < LANES; i++) {
            const float q = (float)f->q[at + i];
            wx[i] = w[i] * x[at + i];
            wq[i] = w[i] * q;
            wqq[i] = wq[i] * q;
            wxq[i] = wx[i] * q;
        }
        aa += a * a * glia_fit_sum(wqq);
        ax += a * glia_fit_sum(wxq);
        if (b == 0) continue;
        ab += a * b * glia_fit_sum(wq);
        bb += b * b * glia_fit_sum(w);
        bx += b * glia_fit_sum(wx);
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

static void improve(fit *f, const float x[N], int lowest, int highest)
{
    choose(f, x);
    refine(f, x);
    for (int round = 0; round < ROUNDS; round++) {
        move_integers(f, x, lowest, highest);
        choose(f, x);
        refine(f, x);
    }
    choose(f, x);
}

static void fit_affine(fit *f, const float x[N], const float *importance, int scale_levels)
{
    float scale_max = 0.0f, min_max = 0.0f;
    const int subs = N / f->sub.count;
    glia_fit_weights(&f->sub, x, importance, N, f->weight);
    for (int s = 0; s < subs; s++) {
        const int at = s * f->sub.count;
        glia_fit_affine(&f->sub, x + at, f->weight + at, &f->scale[s], &f->min[s]);
        f->min[s] = -f->min[s];
        if (f->scale[s] > scale_max) scale_max = f->scale[s];
        if (f->min[s] > min_max) min_max = f->min[s];
    }
    f->d = half(scale_max / (float)(scale_levels - 1));
    f->dmin = half(min_max / (float)(scale_levels - 1));
    for (int s = 0; s < subs; s++) {
        f->scale_int[s] = glia_fit_nearest(f->scale[s] * glia_fit_inverse(f->d), 0, scale_levels - 1);
        f->min_int[s] = glia_fit_nearest(f->min[s] * glia_fit_inverse(f->dmin), 0, scale_levels - 1);
    }
    improve(f, x, 0, scale_levels - 1);
}

static void fit_symmetric(fit *f, const float x[N], const float *importance, int scale_levels)
{
    float most = 0.0f;
    const int subs = N / f->sub.count;
    glia_fit_weights(&f->sub, x, importance, N, f->weight);
    for (int s = 0; s < subs; s++) {
        const int at = s * f->sub.count;
        f->scale[s] = glia_fit_symmetric(&f->sub, x + at, f->weight + at);
        if (fabsf(f->scale[s]) > fabsf(most)) most = f->scale[s];
    }
    f->d = half(most / (float)(-scale_levels / 2));
    f->dmin = 0.0f;
    for (int s = 0; s < subs; s++) {
        f->scale_int[s] =
            glia_fit_nearest(f->scale[s] * glia_fit_inverse(f->d), -scale_levels / 2, scale_levels / 2 - 1);
        f->min_int[s] = 0;
    }
    improve(f, x, -scale_levels / 2, scale_levels / 2 - 1);
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
    fit f = {.sub = {.count = 16, .hi = 3, .square = 1.0f}};
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
    fit f = {.sub = {.count = 16, .lo = -4, .hi = 3, .square = 0.75f}};
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
    fit f = {.sub = {.count = 32, .hi = 15, .square = 0.25f}};
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
    fit f = {.sub = {.count = 32, .hi = 31, .square = 0.25f}};
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
    fit f = {.sub = {.count = 16, .lo = -32, .hi = 31, .square = 1.0f}};
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

void glia_encode_iq4_xs(const float *in, void *row, int64_t n, const float *weight)
{
    fit f = {.sub = {.count = 32,
                     .lo = glia_iq4_nl_values[0],
                     .hi = glia_iq4_nl_values[15],
                     .codebook = true,
                     .square = 0.5f}};
    for (uint8_t *b = row; n > 0; n -= N, b += 136, in += N) {
        unsigned high = 0;
        fit_symmetric(&f, in, weight, 64);
        memset(b, 0, 136);
        glia_store_f16(b, f.d);
        for (int s = 0; s < 8; s++) {
            const int v = f.scale_int[s] + 32;
            high |= (unsigned)(v >> 4) << (2 * s);
            b[4 + s / 2] = (uint8_t)(b[4 + s / 2] | (v & 15) << (s % 2 * 4));
        }
        b[2] = (uint8_t)high;
        b[3] = (uint8_t)(high >> 8);
        for (int i = 0; i < N; i++) {
            uint8_t *p = b + 8 + i / 32 * 16 + i % 16;
            *p = (uint8_t)(*p | glia_iq4_nl_nearest((float)f.q[i]) << (i % 32 / 16 * 4));
        }
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
            const int q = glia_fit_nearest(in[i] * inv, -127, 127);
            b[4 + i] = (uint8_t)(int8_t)q;
            sums[i / 16] = (int16_t)(sums[i / 16] + q);
        }
        memcpy(b + 260, sums, sizeof sums);
    }
}
