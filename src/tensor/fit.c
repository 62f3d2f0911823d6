/* The searches of fit.h. */
#include "tensor/fit.h"

#include <math.h>

enum { LANES = GLIA_FIT_LANES, AFFINE_CANDIDATES = 21, SYMMETRIC_CANDIDATES = 32, SETTLE = 5 };

void glia_fit_weights(const glia_fit *f, const float *x, const float *importance, int count, float *w)
{
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < count; i++) squares += (double)x[i] * x[i];
    for (int i = 0; importance && i < count; i++) sum += (double)importance[i];
    const double inv = squares > 0.0 ? 1.0 / sqrt(squares / count) : 0.0;
    if (sum > 0.0 && sum < 1e30) {
        const double mean = sum / count;
        for (int i = 0; i < count; i++)
            w[i] = (float)((importance[i] / mean + 1e-5) * (1.0 + 0.5 * inv * fabsf(x[i])));
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
    float xq[LANES] = {0}, qq[LANES] = {0}, v[LANES], q[LANES];
    for (int at = 0; at < f->count; at += LANES) {
        for (int i = 0; i < LANES; i++) v[i] = x[at + i] * inv;
        glia_fit_quants(f, v, q);
        for (int i = 0; i < LANES; i++) {
            const float wq = w[at + i] * q[i];
            xq[i] += wq * x[at + i];
            qq[i] += wq * q[i];
        }
    }
    const double explains = glia_fit_sum(xq), squares = glia_fit_sum(qq);
    if (!(squares > 0) || !(explains * explains > best * squares)) return best;
    *scale = (float)(explains / squares);
    return explains * explains / squares;
}

/* Candidates put the largest element at or near either end of the range, beyond it or well within; a better
 * scale gives its own quants, and those a scale, while that goes on. A step of a codebook is wider. */
float glia_fit_symmetric(const glia_fit *f, const float *x, const float *w)
{
    const float step = f->codebook ? 3.5f : 0.4f;
    float most = x[0], scale = 0.0f;
    double best = 0.0;
    for (int i = 1; i < f->count; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    const float inv = 1.0f / most;
    if (most == 0.0f || !isfinite(inv)) return 0.0f;
    for (int c = 0; c < SYMMETRIC_CANDIDATES; c++) {
        const float end = (float)f->lo + step * (float)(c / 2 - 4);
        float next = (c % 2 ? end : -end) * inv;
        for (int round = 0; round < SETTLE; round++) {
            const double gain = try_inverse(f, x, w, next, best, &scale);
            if (!(gain > best)) break;
            best = gain;
            next = glia_fit_inverse(scale);
        }
    }
    return scale;
}

/* The search for x = scale q + offset. `gain` is the weighted sum of squares that the best line so far
 * explains; sw and sx are the sums of w and w x. */
typedef struct line {
    const glia_fit *f;
    const float *x, *w;
    double sw, sx, gain;
    float scale, offset;
} line;

static void quants_of(const glia_fit *f, const float *x, float inv, float shift, float *q)
{
    float v[LANES];
    for (int at = 0; at < f->count; at += LANES) {
        for (int i = 0; i < LANES; i++) v[i] = (x[at + i] - shift) * inv;
        glia_fit_quants(f, v, q + at);
    }
}

/* Weighted least squares for fixed q: true if the line is better than the best one, which it then is. */
static bool solve(line *l, const float *q)
{
    float wq[LANES] = {0}, wqq[LANES] = {0}, wxq[LANES] = {0};
    for (int at = 0; at < l->f->count; at += LANES)
        for (int i = 0; i < LANES; i++) {
            const float product = l->w[at + i] * q[at + i];
            wq[i] += product;
            wqq[i] += product * q[at + i];
            wxq[i] += product * l->x[at + i];
        }
    const double sw = l->sw, sx = l->sx, sq = glia_fit_sum(wq), sqq = glia_fit_sum(wqq),
                 sxq = glia_fit_sum(wxq), det = sw * sqq - sq * sq;
    double slope, offset;
    if (!(sqq > 0)) return false;
    slope = det > 0 ? (sw * sxq - sx * sq) / det : 0;
    offset = det > 0 ? (sqq * sx - sq * sxq) / det : 0;
    if (!(det > 0) || (offset > 0 && !l->f->any_offset)) {
        slope = sxq / sqq;
        offset = 0;
    }
    const double gain = slope * sxq + offset * sx; /* at the optimum this is |x|^2 less the error */
    if (!(slope > 0) || !(gain > l->gain)) return false;
    l->gain = gain;
    l->scale = (float)slope;
    l->offset = (float)offset;
    return true;
}

/* Candidates of the step size, and of where the range begins: the elements at either end may be worth
 * clipping. A better line gives its own quants, and those a line, while that goes on. */
void glia_fit_affine(const glia_fit *f, const float *x, const float *w, float *scale, float *offset)
{
    line l = {.f = f, .x = x, .w = w};
    float lo = f->any_offset ? x[0] : 0.0f, hi = x[0], q[GLIA_FIT_MOST];
    for (int i = 0; i < f->count; i++) {
        if (x[i] < lo) lo = x[i];
        if (x[i] > hi) hi = x[i];
        l.sw += w[i];
        l.sx += (double)w[i] * x[i];
    }
    l.scale = hi > lo ? (hi - lo) / (float)f->hi : 0.0f;
    l.offset = lo;
    for (int c = 0; c < AFFINE_CANDIDATES && hi > lo; c++) {
        const float step = (hi - lo) / ((float)f->hi - 1.2f + 0.4f * (float)(c / 3));
        quants_of(f, x, 1.0f / step, lo + (0.35f * (float)(c % 3) - 0.1f) * step, q);
        for (int round = 0; round < SETTLE && solve(&l, q); round++)
            quants_of(f, x, glia_fit_inverse(l.scale), l.offset, q);
    }
    *scale = l.scale;
    *offset = l.offset;
}
