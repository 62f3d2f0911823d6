/* Definitions in double precision of the ops over indices, images and recurrences; see ops_define.h. */
#ifndef GLIA_TESTS_OPS_DEFINE_INDEX_H
#define GLIA_TESTS_OPS_DEFINE_INDEX_H

#include "ops_define.h"

static int64_t def_flat(int rank, const int64_t *dims, const int64_t *index)
{
    int64_t flat = 0;
    for (int a = 0; a < rank; a++) flat = flat * dims[a] + index[a];
    return flat;
}
static int64_t def_wrap(double i, int64_t n) { return (int64_t)i < 0 ? (int64_t)i + n : (int64_t)i; }

static void def_gather_elements(define *d)
{
    int64_t index[GLIA_RANK_MAX], axis = d->attr[0].i;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        index[axis] = def_wrap(d->in[1][o], d->dims[0][axis]);
        d->out[0][o] = d->in[0][def_flat(d->rank[0], d->dims[0], index)];
    }
}
static void def_scatter_elements(define *d) /* the samples add */
{
    int64_t index[GLIA_RANK_MAX], axis = d->attr[0].i;
    memcpy(d->out[0], d->in[0], sizeof(double) * (size_t)def_out_elements(d));
    for (int64_t i = 0; i < def_elements(d, 1); i++) {
        def_unravel(d->rank[1], d->dims[1], i, index);
        index[axis] = def_wrap(d->in[1][i], d->dims[0][axis]);
        d->out[0][def_flat(d->out_rank, d->out_dims, index)] += d->in[2][i];
    }
}
/* Walks slices named by tuples: forward out = x[tuple], else out[tuple] += update. */
static void def_nd(define *d, bool forward)
{
    int64_t n = def_last(d, 1), tuples = def_elements(d, 1) / n, inner = 1;
    for (int a = (int)n; a < d->rank[0]; a++) inner *= d->dims[0][a];
    for (int64_t t = 0; t < tuples; t++) {
        int64_t at = 0;
        for (int64_t c = 0; c < n; c++)
            at = at * d->dims[0][c] + def_wrap(d->in[1][t * n + c], d->dims[0][c]);
        for (int64_t i = 0; i < inner; i++)
            if (forward) d->out[0][t * inner + i] = d->in[0][at * inner + i];
            else d->out[0][at * inner + i] += d->in[2][t * inner + i];
    }
}
static void def_gather_nd(define *d) { def_nd(d, true); }
static void def_scatter_nd(define *d)
{
    memcpy(d->out[0], d->in[0], sizeof(double) * (size_t)def_out_elements(d));
    def_nd(d, false);
}
static void def_tensor_scatter(define *d)
{
    int64_t n = d->dims[0][1], width = d->dims[0][2], count = d->dims[1][1];
    memcpy(d->out[0], d->in[0], sizeof(double) * (size_t)def_out_elements(d));
    for (int64_t b = 0; b < d->dims[0][0]; b++)
        for (int64_t s = 0; s < count; s++) {
            int64_t to = ((d->in_count > 2 ? (int64_t)d->in[2][b] : 0) + s) % n;
            for (int64_t i = 0; i < width; i++)
                d->out[0][(b * n + to) * width + i] = d->in[1][(b * count + s) * width + i];
        }
}
static void def_reverse_sequence(define *d)
{
    int64_t index[GLIA_RANK_MAX], batch = d->attr[0].i, time = d->attr[1].i;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int64_t len = (int64_t)d->in[1][index[batch]];
        if (index[time] < len) index[time] = len - 1 - index[time];
        d->out[0][o] = d->in[0][def_flat(d->rank[0], d->dims[0], index)];
    }
}

/* ---- images ---- */

static void def_resample(define *d)
{
    int64_t index[GLIA_RANK_MAX], axis = d->attr[0].i, taps = d->dims[1][1];
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int64_t i = index[axis];
        d->out[0][o] = 0;
        for (int64_t t = 0; t < taps; t++) {
            index[axis] = (int64_t)d->in[1][i * taps + t];
            d->out[0][o] += d->in[2][i * taps + t] * d->in[0][def_flat(d->rank[0], d->dims[0], index)];
        }
    }
}

/* Walks back and forth between the ends until the place lies between them. */
static double def_fold(double v, double low, double high)
{
    if (high <= low) return low;
    while (v < low || v > high) v = v < low ? 2 * low - v : 2 * high - v;
    return v;
}
/* The kernel of cubic convolution with a = -0.75, by distance. */
static double def_cubic(double x)
{
    double a = -0.75;
    x = fabs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}
/* The weight of element i of an axis for a sample at g, by asking every element whether it counts. */
static double def_grid_weight(const define *d, double g, int64_t n, int64_t i)
{
    bool align = d->attr[2].i != 0;
    int64_t mode = d->attr[0].i, padding = d->attr[1].i;
    double low = align ? 0 : -0.5, high = align ? (double)n - 1 : (double)n - 0.5, sum = 0;
    double at = align ? (g + 1) / 2 * (double)(n - 1) : ((g + 1) * (double)n - 1) / 2;
    if (mode == 0) at = nearbyint(at);
    if (padding == 1 && mode != 2 && (at < low || at > high)) at = fmin(fmax(at, 0), (double)n - 1);
    if (padding == 2) at = def_fold(at, low, high);
    for (double j = floor(at) - 2; j <= floor(at) + 3; j++) {
        double w = mode == 0   ? j == floor(at)
                   : mode == 1 ? fmax(0, 1 - fabs(j - at))
                               : def_cubic(j - at),
               to = j;
        if (padding == 1) to = fmin(fmax(j, 0), (double)n - 1);
        if (padding == 2) to = trunc(def_fold(j, low, high));
        if (to == (double)i) sum += w;
    }
    return sum;
}
static void def_grid_sample(define *d)
{
    int64_t index[GLIA_RANK_MAX], in[GLIA_RANK_MAX];
    int space = d->rank[0] - 2;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int64_t point = index[0];
        for (int a = 0; a < space; a++) point = point * d->out_dims[a + 2] + index[a + 2];
        for (int64_t i = 0; i < def_elements(d, 0); i++) {
            double w = 1;
            def_unravel(d->rank[0], d->dims[0], i, in);
            if (in[0] != index[0] || in[1] != index[1]) continue;
            for (int a = 0; a < space; a++)
                w *=
                    def_grid_weight(d, d->in[1][point * space + space - 1 - a], d->dims[0][a + 2], in[a + 2]);
            d->out[0][o] += w * d->in[0][i];
        }
    }
}

static void def_roi_align(define *d)
{
    int64_t index[GLIA_RANK_MAX], h = d->dims[0][2], w = d->dims[0][3];
    bool half = d->attr[4].i != 0, most = d->attr[5].i != 0;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        const double *roi = d->in[1] + 4 * index[0];
        double begin[2], bin[2], sum = 0, best = -INFINITY, count = 1;
        int64_t grid[2], plane = (int64_t)d->in[2][index[0]] * d->dims[0][1] + index[1];
        for (int a = 0; a < 2; a++) {
            begin[a] = roi[1 - a] * d->attr[2].f - (half ? 0.5 : 0);
            bin[a] = (roi[3 - a] - roi[1 - a]) * d->attr[2].f;
            if (!half) bin[a] = fmax(bin[a], 1);
            bin[a] /= (double)d->attr[a].i;
            grid[a] = d->attr[3].i ? d->attr[3].i : (int64_t)fmax(ceil(bin[a]), 0);
            count *= (double)grid[a];
        }
        for (int64_t s = 0; s < grid[0] * grid[1]; s++) {
            double y =
                begin[0] + ((double)index[2] + ((double)(s / grid[1]) + 0.5) / (double)grid[0]) * bin[0];
            double x =
                begin[1] + ((double)index[3] + ((double)(s % grid[1]) + 0.5) / (double)grid[1]) * bin[1];
            bool inside = y >= -1 && y <= (double)h && x >= -1 && x <= (double)w;
            y = fmin(fmax(y, 0), (double)h - 1);
            x = fmin(fmax(x, 0), (double)w - 1);
            if (!inside) best = fmax(best, 0);
            for (int64_t i = 0; i < h * w && inside; i++) {
                double wy = 1 - fabs((double)(i / w) - y), wx = 1 - fabs((double)(i % w) - x);
                if (wy <= 0 || wx <= 0) continue;
                sum += wy * wx * d->in[0][plane * h * w + i];
                best = fmax(best, wy * wx * d->in[0][plane * h * w + i]);
            }
            /* A sample on a row or column has terms of weight zero beside it. */
            if (inside && (y == floor(y) || x == floor(x))) best = fmax(best, 0);
        }
        d->out[0][o] = most ? (grid[0] && grid[1] ? best : 0) : sum / fmax(count, 1);
    }
}
static void def_max_roi_pool(define *d)
{
    int64_t index[GLIA_RANK_MAX], h = d->dims[0][2], w = d->dims[0][3];
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        const double *roi = d->in[1] + 5 * index[0];
        double low[2], high[2], best = -INFINITY;
        for (int a = 0; a < 2; a++) {
            double first = round(roi[2 - a] * d->attr[2].f), last = round(roi[4 - a] * d->attr[2].f);
            double bin = fmax(last - first + 1, 1) / (double)d->attr[a].i;
            low[a] = first + floor((double)index[2 + a] * bin);
            high[a] = first + ceil((double)(index[2 + a] + 1) * bin);
        }
        for (int64_t i = 0; i < h * w; i++) {
            double y = (double)(i / w), x = (double)(i % w);
            if (roi[0] < 0 || roi[0] >= (double)d->dims[0][0] || y < low[0] || y >= high[0] || x < low[1] ||
                x >= high[1])
                continue;
            best = fmax(best, d->in[0][((int64_t)roi[0] * d->dims[0][1] + index[1]) * h * w + i]);
        }
        d->out[0][o] = best == -INFINITY ? 0 : best;
    }
}

/* ---- recurrences ---- */

static double def_activate(const define *d, int which, double x)
{
    double alpha = d->attr[2 + which].f, beta = d->attr[5 + which].f;
    switch (d->attr[1].ints[which]) {
    case 0: return 1 / (1 + exp(-x));
    case 1: return tanh(x);
    case 2: return fmax(x, 0);
    case 3: return alpha * x + beta;
    case 4: return x < 0 ? alpha * x : x;
    case 5: return x < alpha ? 0 : x;
    case 6: return alpha * tanh(beta * x);
    case 7: return fmin(fmax(alpha * x + beta, 0), 1);
    case 8: return x < 0 ? alpha * expm1(x) : x;
    case 9: return x / (1 + fabs(x));
    default: return log1p(exp(x));
    }
}
static double def_gate(const define *d, int which, double x)
{
    double clip = d->attr[8].f;
    return def_activate(d, which, clip > 0 ? fmin(fmax(x, -clip), clip) : x);
}
/* sum of r[gate n + i, :] h */
static double def_pull(const define *d, const double *h, int64_t n, int64_t row)
{
    double s = 0;
    for (int64_t j = 0; j < n; j++) s += d->in[1][row * n + j] * h[j];
    return s;
}
static void def_recurrent(define *d, int gates)
{
    int64_t steps = d->dims[0][0], batch = d->dims[0][1], n = d->dims[1][1];
    int lens = gates == 4 ? 5 : gates == 3 ? 4 : 3;
    double h[64], c[64], next[64], z[64], reset[64];
    for (int64_t b = 0; b < batch; b++) {
        int64_t count = d->in_count > lens ? (int64_t)d->in[lens][b] : steps;
        for (int64_t i = 0; i < n; i++)
            h[i] = d->in[2][b * n + i], c[i] = gates == 4 ? d->in[3][b * n + i] : 0;
        for (int64_t s = 0; s < count; s++) {
            int64_t t = d->attr[0].i ? count - 1 - s : s;
            const double *x = d->in[0] + (t * batch + b) * gates * n, *p = d->in[4];
            for (int64_t i = 0; i < n && gates == 3; i++) {
                z[i] = def_gate(d, 0, x[i] + def_pull(d, h, n, i));
                reset[i] = def_gate(d, 0, x[n + i] + def_pull(d, h, n, n + i));
                next[i] = reset[i] * h[i];
            }
            for (int64_t i = 0; i < n && gates == 3; i++) {
                double inner = d->attr[9].i ? reset[i] * (def_pull(d, h, n, 2 * n + i) + d->in[3][i])
                                            : def_pull(d, next, n, 2 * n + i);
                c[i] = def_gate(d, 1, x[2 * n + i] + inner);
            }
            for (int64_t i = 0; i < n && gates == 3; i++) h[i] = z[i] * h[i] + (1 - z[i]) * c[i];
            for (int64_t i = 0; i < n && gates == 1; i++)
                next[i] = def_gate(d, 0, x[i] + def_pull(d, h, n, i));
            for (int64_t i = 0; i < n && gates == 4; i++) {
                double in = def_gate(d, 0, x[i] + def_pull(d, h, n, i) + p[i] * c[i]);
                double forget =
                    def_gate(d, 0, x[2 * n + i] + def_pull(d, h, n, 2 * n + i) + p[2 * n + i] * c[i]);
                if (d->attr[9].i) forget = 1 - in;
                c[i] = forget * c[i] + in * def_gate(d, 1, x[3 * n + i] + def_pull(d, h, n, 3 * n + i));
                double out = def_gate(d, 0, x[n + i] + def_pull(d, h, n, n + i) + p[n + i] * c[i]);
                next[i] = out * def_activate(d, 2, c[i]);
            }
            for (int64_t i = 0; i < n && gates != 3; i++) h[i] = next[i];
            for (int64_t i = 0; i < n; i++) d->out[0][(t * batch + b) * n + i] = h[i];
        }
        for (int64_t i = 0; i < n; i++) {
            d->out[1][b * n + i] = h[i];
            if (gates == 4) d->out[2][b * n + i] = c[i];
        }
    }
}
static void def_lstm(define *d) { def_recurrent(d, 4); }
static void def_gru(define *d) { def_recurrent(d, 3); }
static void def_rnn(define *d) { def_recurrent(d, 1); }

static void def_linear_attention(define *d)
{
    int64_t steps = d->dims[0][1], heads = d->dims[0][2], n = d->dims[0][3], groups = d->dims[1][2],
            m = d->dims[2][3];
    for (int64_t b = 0; b < d->dims[0][0]; b++)
        for (int64_t g = 0; g < groups; g++) {
            double *s = d->out[1] + (b * groups + g) * n * m, v[64];
            for (int64_t i = 0; i < n * m; i++)
                s[i] = d->in_count > 3 ? d->in[3][(b * groups + g) * n * m + i] : 0;
            for (int64_t t = 0; t < steps; t++) {
                int64_t at = b * steps + t;
                const double *k = d->in[1] + (at * groups + g) * n;
                for (int64_t i = 0; i < n * m && d->in_count > 4; i++)
                    s[i] *=
                        exp(d->in[4][d->dims[4][3] == 1 ? at * groups + g : (at * groups + g) * n + i / m]);
                for (int64_t j = 0; j < m; j++) {
                    v[j] = d->in[2][(at * groups + g) * m + j];
                    for (int64_t i = 0; i < n && d->in_count > 5; i++) v[j] -= s[i * m + j] * k[i];
                    if (d->in_count > 5) v[j] *= d->in[5][d->dims[5][2] == 1 ? at : at * groups + g];
                }
                for (int64_t i = 0; i < n * m; i++) s[i] += k[i / m] * v[i % m];
                for (int64_t h = 0; h < heads; h++)
                    for (int64_t i = 0; i < n * m && h * groups / heads == g; i++)
                        d->out[0][(at * heads + h) * m + i % m] +=
                            d->attr[0].f * s[i] * d->in[0][(at * heads + h) * n + i / m];
            }
        }
}

static void def_keep(define *d) { memcpy(d->out[0], d->in[0], sizeof(double) * (size_t)def_out_elements(d)); }

static const struct {
    const char *name;
    void (*f)(define *);
} def_index_ops[] = {
    {"guard_index", def_keep},
    {"gather_elements", def_gather_elements},
    {"scatter_elements", def_scatter_elements},
    {"gather_nd", def_gather_nd},
    {"scatter_nd", def_scatter_nd},
    {"tensor_scatter", def_tensor_scatter},
    {"reverse_sequence", def_reverse_sequence},
    {"resample", def_resample},
    {"grid_sample", def_grid_sample},
    {"roi_align", def_roi_align},
    {"max_roi_pool", def_max_roi_pool},
    {"lstm", def_lstm},
    {"gru", def_gru},
    {"rnn", def_rnn},
    {"linear_attention", def_linear_attention},
};

static bool define_index_run(const char *name, define *d)
{
    for (size_t i = 0; i < sizeof def_index_ops / sizeof *def_index_ops; i++)
        if (!strcmp(def_index_ops[i].name, name)) return def_index_ops[i].f(d), true;
    return false;
}

#endif
