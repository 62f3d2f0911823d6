/* The searches of fit.h. Sums run in double precision, in order. */
#include "tensor/fit.h"

#include <math.h>

enum { CANDIDATES = 21, SETTLE = 5 };

void glia_fit_weights(const glia_fit *f, const float *x, const float *importance, int count, float *w)
{
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < count; i++) squares += (double)x[i] * x[i];
    for (int i = 0; importance && i < count; i++) sum += (double)importance[i];
    const double inv = squares > 0.0 ? 1.0 / sqrt(squares / count) : 0.0;
    if (sum > 0.0 && sum < 1e30) {
        const double trace = sum / count * 1e-5;
        for (int i = 0; i < count; i++)
            w[i] = (float)((importance[i] + trace) * (1.0 + 0.5 * inv * fabsf(x[i])));
        return;
    }
    for (int i = 0; i < count; i++) {
        const double t = inv * fabsf(x[i]);
        w[i] = (float)(1.0 + t * (1.0 + f->square * t));
    }
}

/* For fixed quants the best scale is sum w x q / sum w q^2, and explains (sum w x q)^2 / sum w q^2. Returns
 * what is explained with the quants of x * inv if that is more than `best`, with its scale. */
static double try_inverse(const glia_fit *f, const float *x, const float *w, float inv, double best,
                          float *scale)
{
    double xq = 0, qq = 0;
    for (int i = 0; i < f->count; i++) {
        const int q = glia_fit_quant(f, x[i] * inv);
        xq += (double)w[i] * x[i] * q;
        qq += (double)w[i] * q * q;
    }
    if (!(qq > 0) || !(xq * xq > best * qq)) return best;
    *scale = (float)(xq / qq);
    return xq * xq / qq;
}

/* Candidates put the largest element at or near an end of the range: the far one of a range, either one of a
 * codebook. */
float glia_fit_symmetric(const glia_fit *f, const float *x, const float *w)
{
    float most = x[0], scale = 0.0f;
    double best = 0.0;
    for (int i = 1; i < f->count; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    const float inv = 1.0f / most;
    if (most == 0.0f || !isfinite(inv)) return 0.0f;
    for (int c = 0; c < CANDIDATES; c++) {
        if (f->codebook) {
            const float factor = 0.85f + 0.015f * (float)c;
            best = try_inverse(f, x, w, factor * (float)f->lo * inv, best, &scale);
            best = try_inverse(f, x, w, factor * (float)f->hi * inv, best, &scale);
        } else {
            best = try_inverse(f, x, w, ((float)f->lo + 1.0f - 0.1f * (float)c) * inv, best, &scale);
        }
    }
    return scale;
}

/* Weighted least squares of x = s q + b for fixed q. Returns the gain: the weighted sum of squares that the
 * fit explains; s and b are set when it beats `best`. */
static double solve_affine(const glia_fit *f, const float *x, const float *w, const int *q, double best,
                           float *s, float *b)
{
    double sw = 0, sx = 0, sq = 0, sqq = 0, sxq = 0;
    for (int i = 0; i < f->count; i++) {
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
    if (!(det > 0) || (offset > 0 && !f->any_offset)) {
        slope = sxq / sqq;
        offset = 0;
    }
    const double gain = slope * sxq + offset * sx; /* at the optimum this is |x|^2 less the error */
    if (!(slope > 0) || !(gain > best)) return best;
    *s = (float)slope;
    *b = (float)offset;
    return gain;
}

/* Solves the line of quants q, and of those that it leads to, while it gets better. */
static double settle(const glia_fit *f, const float *x, const float *w, int *q, double best, float *s,
                     float *b)
{
    for (int round = 0; round < SETTLE; round++) {
        const double gain = solve_affine(f, x, w, q, best, s, b);
        if (!(gain > best)) break;
        best = gain;
        const float inv = glia_fit_inverse(*s);
        for (int i = 0; i < f->count; i++) q[i] = glia_fit_nearest((x[i] - *b) * inv, 0, f->hi);
    }
    return best;
}

/* Candidates of the step size, and of where the range begins: the elements at either end may be worth
 * clipping. */
void glia_fit_affine(const glia_fit *f, const float *x, const float *w, float *scale, float *offset)
{
    float lo = f->any_offset ? x[0] : 0.0f, hi = x[0];
    double best = 0.0;
    int q[GLIA_FIT_MOST];
    for (int i = 0; i < f->count; i++) {
        if (x[i] < lo) lo = x[i];
        if (x[i] > hi) hi = x[i];
    }
    *scale = hi > lo ? (hi - lo) / (float)f->hi : 0.0f;
    *offset = lo;
    for (int c = 0; c < CANDIDATES && hi > lo; c++) {
        const float inv = ((float)f->hi - 1.2f + 0.4f * (float)(c / 3)) / (hi - lo);
        const float begin = 0.35f * (float)(c % 3) - 0.1f;
        for (int i = 0; i < f->count; i++) q[i] = glia_fit_nearest((x[i] - lo) * inv - begin, 0, f->hi);
        best = settle(f, x, w, q, best, scale, offset);
    }
}
