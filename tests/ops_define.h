/* The definition of each op in double precision, written from its formula with the C library's functions and
 * without any of the ops' own code: index by index, sums in one chain. tests/test_ops.c holds every reference
 * kernel against it. */
#ifndef GLIA_TESTS_OPS_DEFINE_H
#define GLIA_TESTS_OPS_DEFINE_H

#include <math.h>
#include <string.h>

#include "graph/op.h"

typedef struct define {
    const double *in[8]; /* inputs as doubles */
    int rank[8];
    const int64_t *dims[8];
    int in_count;
    const glia_attr *attr;
    double *out[4]; /* outputs to fill */
    int out_rank;
    const int64_t *out_dims; /* of output 0 */
    glia_dtype out_dtype;
} define;

static int64_t def_count(int rank, const int64_t *dims)
{
    int64_t n = 1;
    for (int a = 0; a < rank; a++) n *= dims[a];
    return n;
}
static int64_t def_elements(const define *d, int i) { return def_count(d->rank[i], d->dims[i]); }
static int64_t def_last(const define *d, int i) { return d->rank[i] ? d->dims[i][d->rank[i] - 1] : 1; }
static int64_t def_out_elements(const define *d) { return def_count(d->out_rank, d->out_dims); }

/* The index of an output element, and the element of an input at an index (size one stays at 0). */
static void def_unravel(int rank, const int64_t *dims, int64_t flat, int64_t *index)
{
    for (int a = rank - 1; a >= 0; a--) {
        index[a] = flat % dims[a];
        flat /= dims[a];
    }
}
static double def_at(const define *d, int i, const int64_t *out_index)
{
    int64_t flat = 0;
    for (int a = 0; a < d->rank[i]; a++) {
        int64_t x = out_index[a + d->out_rank - d->rank[i]];
        flat = flat * d->dims[i][a] + (d->dims[i][a] == 1 ? 0 : x);
    }
    return d->in[i][flat];
}

/* ---- elementwise ---- */

static double d_neg(double x, const glia_attr *a)
{
    (void)a;
    return -x;
}
static double d_abs(double x, const glia_attr *a)
{
    (void)a;
    return fabs(x);
}
static double d_exp(double x, const glia_attr *a)
{
    (void)a;
    return exp(x);
}
static double d_log(double x, const glia_attr *a)
{
    (void)a;
    return log(x);
}
static double d_sqrt(double x, const glia_attr *a)
{
    (void)a;
    return sqrt(x);
}
static double d_rsqrt(double x, const glia_attr *a)
{
    (void)a;
    return pow(x, -0.5);
}
static double d_reciprocal(double x, const glia_attr *a)
{
    (void)a;
    return pow(x, -1);
}
static double d_sin(double x, const glia_attr *a)
{
    (void)a;
    return sin(x);
}
static double d_cos(double x, const glia_attr *a)
{
    (void)a;
    return cos(x);
}
static double d_tanh(double x, const glia_attr *a)
{
    (void)a;
    return tanh(x);
}
static double d_erf(double x, const glia_attr *a)
{
    (void)a;
    return erf(x);
}
static double d_sigmoid(double x, const glia_attr *a)
{
    (void)a;
    return 1 / (1 + exp(-x));
}
static double d_relu(double x, const glia_attr *a)
{
    (void)a;
    return fmax(x, 0);
}
static double d_leaky(double x, const glia_attr *a) { return x > 0 ? x : a[0].f * x; }
static double d_elu(double x, const glia_attr *a) { return x > 0 ? x : a[0].f * expm1(x); }
static double d_softplus(double x, const glia_attr *a)
{
    (void)a;
    return log1p(exp(x));
}
static double d_floor(double x, const glia_attr *a)
{
    (void)a;
    return floor(x);
}
static double d_ceil(double x, const glia_attr *a)
{
    (void)a;
    return ceil(x);
}
static double d_round(double x, const glia_attr *a)
{
    (void)a;
    return nearbyint(x);
}
static double d_sign(double x, const glia_attr *a)
{
    (void)a;
    return (x > 0) - (x < 0);
}
static double d_clip(double x, const glia_attr *a) { return fmin(fmax(x, a[0].f), a[1].f); }
static double d_not(double x, const glia_attr *a)
{
    (void)a;
    return x == 0;
}
static double d_silu(double x, const glia_attr *a)
{
    (void)a;
    return x / (1 + exp(-x));
}
static double d_gelu(double x, const glia_attr *a)
{
    (void)a;
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
static double d_gelu_erf(double x, const glia_attr *a)
{
    (void)a;
    return 0.5 * x * erfc(-x / sqrt(2));
}
static double d_tan(double x, const glia_attr *a)
{
    (void)a;
    return tan(x);
}
static double d_asin(double x, const glia_attr *a)
{
    (void)a;
    return asin(x);
}
static double d_acos(double x, const glia_attr *a)
{
    (void)a;
    return acos(x);
}
static double d_atan(double x, const glia_attr *a)
{
    (void)a;
    return atan(x);
}
static double d_sinh(double x, const glia_attr *a)
{
    (void)a;
    return sinh(x);
}
static double d_cosh(double x, const glia_attr *a)
{
    (void)a;
    return cosh(x);
}
static double d_asinh(double x, const glia_attr *a)
{
    (void)a;
    return asinh(x);
}
static double d_acosh(double x, const glia_attr *a)
{
    (void)a;
    return acosh(x);
}
static double d_atanh(double x, const glia_attr *a)
{
    (void)a;
    return atanh(x);
}
static double d_bit_not(double x, const glia_attr *a)
{
    (void)a;
    return -x - 1;
}
static double d_same(double x, const glia_attr *a)
{
    (void)a;
    return x;
}

static const struct {
    const char *name;
    double (*f)(double, const glia_attr *);
} def_unary[] = {
    {"neg", d_neg},
    {"abs", d_abs},
    {"exp", d_exp},
    {"log", d_log},
    {"sqrt", d_sqrt},
    {"rsqrt", d_rsqrt},
    {"reciprocal", d_reciprocal},
    {"sin", d_sin},
    {"cos", d_cos},
    {"tanh", d_tanh},
    {"erf", d_erf},
    {"sigmoid", d_sigmoid},
    {"relu", d_relu},
    {"leaky_relu", d_leaky},
    {"elu", d_elu},
    {"softplus", d_softplus},
    {"floor", d_floor},
    {"ceil", d_ceil},
    {"round", d_round},
    {"sign", d_sign},
    {"clip", d_clip},
    {"not", d_not},
    {"silu", d_silu},
    {"gelu", d_gelu},
    {"gelu_erf", d_gelu_erf},
    {"tan", d_tan},
    {"asin", d_asin},
    {"acos", d_acos},
    {"atan", d_atan},
    {"sinh", d_sinh},
    {"cosh", d_cosh},
    {"asinh", d_asinh},
    {"acosh", d_acosh},
    {"atanh", d_atanh},
    {"bit_not", d_bit_not},
    {"guard_range", d_same},
    {"reshape", d_same},
    {"pack", d_same},
    {"decode", d_same},
    {"quantise", d_same},
};

static double d_add(double x, double y) { return x + y; }
static double d_sub(double x, double y) { return x - y; }
static double d_mul(double x, double y) { return x * y; }
static double d_div(double x, double y) { return x / y; }
static double d_pow(double x, double y) { return pow(x, y); }
static double d_min(double x, double y) { return fmin(x, y); }
static double d_max(double x, double y) { return fmax(x, y); }
static double d_eq(double x, double y) { return x == y; }
static double d_ne(double x, double y) { return x != y; }
static double d_lt(double x, double y) { return x < y; }
static double d_le(double x, double y) { return x <= y; }
static double d_gt(double x, double y) { return x > y; }
static double d_ge(double x, double y) { return x >= y; }
static double d_and(double x, double y) { return x && y; }
static double d_or(double x, double y) { return x || y; }
static double d_swiglu(double x, double y) { return x / (1 + exp(-x)) * y; }

static double d_rem(double x, double y) { return y == 0 ? 0 : x - y * trunc(x / y); }
static double d_mod(double x, double y) { return y == 0 ? 0 : x - y * floor(x / y); }
static double d_bit_and(double x, double y) { return (double)((int64_t)x & (int64_t)y); }
static double d_bit_or(double x, double y) { return (double)((int64_t)x | (int64_t)y); }
static double d_bit_xor(double x, double y) { return (double)((int64_t)x ^ (int64_t)y); }
static double d_left(double x, double y) { return x * exp2(y); }
static double d_right(double x, double y) { return floor(x / exp2(y)); }
static double d_prelu(double x, double y) { return x > 0 ? x : x * y; }

static const struct {
    const char *name;
    double (*f)(double, double);
} def_binary[] = {
    {"rem", d_rem},
    {"mod", d_mod},
    {"bit_and", d_bit_and},
    {"bit_or", d_bit_or},
    {"bit_xor", d_bit_xor},
    {"shift_left", d_left},
    {"shift_right", d_right},
    {"prelu", d_prelu},
    {"add", d_add},
    {"sub", d_sub},
    {"mul", d_mul},
    {"div", d_div},
    {"pow", d_pow},
    {"min", d_min},
    {"max", d_max},
    {"eq", d_eq},
    {"ne", d_ne},
    {"lt", d_lt},
    {"le", d_le},
    {"gt", d_gt},
    {"ge", d_ge},
    {"and", d_and},
    {"or", d_or},
    {"xor", d_ne},
    {"swiglu", d_swiglu},
};

static void def_where(define *d)
{
    int64_t index[GLIA_RANK_MAX] = {0};
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        def_unravel(d->out_rank, d->out_dims, i, index);
        d->out[0][i] = def_at(d, def_at(d, 0, index) != 0 ? 1 : 2, index);
    }
}

/* ---- products ---- */

static void def_linear(define *d)
{
    int64_t k = def_last(d, 0), n = d->dims[1][0], rows = def_elements(d, 0) / k;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) {
            double s = d->in_count > 2 && d->in[2] ? d->in[2][j] : 0;
            for (int64_t i = 0; i < k; i++) s += d->in[0][r * k + i] * d->in[1][j * k + i];
            d->out[0][r * n + j] = s;
        }
}

static double def_act(int64_t act, double x, double a, double b)
{
    double line = fmin(fmax(x * a + b, 0), 1);
    const double all[] = {x,
                          fmax(x, 0),
                          fmin(fmax(x, a), b),
                          x / (1 + exp(-x)),
                          1 / (1 + exp(-x)),
                          tanh(x),
                          0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))),
                          0.5 * x * erfc(-x / sqrt(2)),
                          x > 0 ? x : x * a,
                          line,
                          x * line};
    return all[act];
}

static void def_linear_act(define *d)
{
    def_linear(d);
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        if (d->in_count > 3 && d->in[3]) d->out[0][i] += d->in[3][i];
        d->out[0][i] = def_act(d->attr[0].i, d->out[0][i], d->attr[1].f, d->attr[2].f);
    }
}

static void def_matmul(define *d)
{
    int64_t k = def_last(d, 0), index[GLIA_RANK_MAX], n = d->out_dims[d->out_rank - 1];
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int64_t batch = 0;
        for (int a = 0; a < d->rank[1] - 2; a++)
            batch = batch * d->dims[1][a] + (d->dims[1][a] == 1 ? 0 : index[a + d->out_rank - d->rank[1]]);
        d->out[0][o] = 0;
        for (int64_t i = 0; i < k; i++)
            d->out[0][o] += d->in[0][o / n * k + i] * d->in[1][(batch * n + o % n) * k + i];
    }
}

/* ---- rows ---- */

static void def_rms_norm(define *d)
{
    int64_t n = def_last(d, 0);
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++) {
        double s = 0;
        for (int64_t i = 0; i < n; i++) s += pow(d->in[0][r * n + i], 2);
        for (int64_t i = 0; i < n; i++)
            d->out[0][r * n + i] = d->in[0][r * n + i] * d->in[1][i] / sqrt(s / (double)n + d->attr[0].f);
    }
}

static void def_layer_norm(define *d)
{
    int64_t n = def_last(d, 0);
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++) {
        const double *x = d->in[0] + r * n;
        double mean = 0, s = 0;
        for (int64_t i = 0; i < n; i++) mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++) s += pow(x[i] - mean, 2) / (double)n;
        for (int64_t i = 0; i < n; i++)
            d->out[0][r * n + i] =
                (x[i] - mean) / sqrt(s + d->attr[0].f) * d->in[1][i] + (d->in_count > 2 ? d->in[2][i] : 0);
    }
}

static void def_softmax(define *d)
{
    int64_t n = def_last(d, 0);
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++) {
        double s = 0;
        for (int64_t i = 0; i < n; i++) s += exp(d->in[0][r * n + i]);
        for (int64_t i = 0; i < n; i++) d->out[0][r * n + i] = exp(d->in[0][r * n + i]) / s;
    }
}

static void def_log_softmax(define *d)
{
    def_softmax(d);
    for (int64_t i = 0; i < def_out_elements(d); i++) d->out[0][i] = log(d->out[0][i]);
}

static void def_cross_entropy(define *d)
{
    int64_t n = def_last(d, 0);
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++) {
        double s = 0;
        for (int64_t i = 0; i < n; i++) s += exp(d->in[0][r * n + i]);
        d->out[0][r] = d->in[1][r] < 0 ? 0 : log(s) - d->in[0][r * n + (int64_t)d->in[1][r]];
    }
}

static void def_mse(define *d)
{
    d->out[0][0] = 0;
    for (int64_t i = 0; i < def_elements(d, 0); i++)
        d->out[0][0] += pow(d->in[0][i] - d->in[1][i], 2) / (double)def_elements(d, 0);
}

static void def_top_k(define *d)
{
    int64_t n = def_last(d, 0), k = d->attr[0].i;
    double sign = d->attr[1].i ? 1 : -1;
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++)
        for (int64_t i = 0; i < n; i++) {
            int64_t rank = 0; /* how many come before element i */
            for (int64_t j = 0; j < n; j++) {
                double a = sign * d->in[0][r * n + i], b = sign * d->in[0][r * n + j];
                rank += b > a || (b == a && j < i);
            }
            if (rank < k) d->out[0][r * k + rank] = d->in[0][r * n + i], d->out[1][r * k + rank] = (double)i;
        }
}

/* Ids by how many logits come before; weights from the plain formula. */
static void def_expert_route(define *d)
{
    int64_t n = def_last(d, 0), k = d->attr[0].i;
    for (int64_t r = 0; r < def_elements(d, 0) / n; r++) {
        const double *x = d->in[0] + r * n;
        double all = 0, chosen = 0, *w = d->out[1] + r * k;
        for (int64_t i = 0; i < n; i++) {
            int64_t rank = 0;
            for (int64_t j = 0; j < n; j++) rank += x[j] > x[i] || (x[j] == x[i] && j < i);
            all += exp(x[i]);
            if (rank >= k) continue;
            chosen += exp(x[i]);
            d->out[0][r * k + rank] = (double)i;
            w[rank] = exp(x[i]);
        }
        double by = !d->attr[1].i || d->attr[2].i ? chosen : all;
        for (int64_t i = 0; i < k; i++) w[i] = w[i] / by * d->attr[3].f;
    }
}
static void def_expert_linear(define *d)
{
    int64_t tokens = d->out_dims[0], choices = d->out_dims[1], n = d->out_dims[2], depth = def_last(d, 1);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t s = 0; s < choices; s++)
            for (int64_t i = 0; i < n; i++) {
                int64_t row = (int64_t)d->in[2][t * choices + s] * n + i;
                int64_t from = (d->rank[0] == 2 ? t : t * choices + s) * depth;
                double y = d->in_count > 3 ? d->in[3][row] : 0;
                for (int64_t j = 0; j < depth; j++) y += d->in[0][from + j] * d->in[1][row * depth + j];
                d->out[0][(t * choices + s) * n + i] = y;
            }
}
static void def_expert_sum(define *d)
{
    int64_t choices = d->dims[0][1], n = d->dims[0][2];
    for (int64_t o = 0; o < def_out_elements(d); o++)
        for (int64_t s = 0; s < choices; s++)
            d->out[0][o] += d->in[1][o / n * choices + s] * d->in[0][(o / n * choices + s) * n + o % n];
}
static void def_swiglu_limited(define *d)
{
    double alpha = d->attr[0].f, limit = d->attr[1].f;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        double g = fmin(d->in[0][o], limit), u = fmax(fmin(d->in[1][o], limit), -limit);
        d->out[0][o] = (u + 1) * g / (1 + exp(-alpha * g));
    }
}

static void def_triangle(define *d, bool lower)
{
    int64_t index[GLIA_RANK_MAX];
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int64_t over = index[d->out_rank - 1] - index[d->out_rank - 2] - d->attr[0].i;
        d->out[0][o] = (lower ? over <= 0 : over >= 0) ? d->in[0][o] : d->attr[1].f;
    }
}
static void def_tril(define *d) { def_triangle(d, true); }
static void def_triu(define *d) { def_triangle(d, false); }

/* ---- rows picked by integers ---- */

static void def_rows(define *d, int table, int rows)
{
    int64_t n = d->dims[table][1];
    for (int64_t r = 0; r < def_elements(d, rows); r++)
        for (int64_t i = 0; i < n; i++) d->out[0][r * n + i] = d->in[table][(int64_t)d->in[rows][r] * n + i];
}
static void def_embed(define *d) { def_rows(d, 0, 1); }
static void def_gather_rows(define *d) { def_rows(d, 0, 1); }

/* Calls each pair (element of x at [outer, index, inner], element of y at [outer, i.., inner]). */
static void def_gather_pairs(define *d, int64_t size, int64_t inner, double *x, double *y, bool forward)
{
    int64_t count = def_elements(d, 1), total = def_count(d->rank[0], d->dims[0]);
    int64_t outer = forward ? total / (size * inner) : total / (count * inner);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++)
            for (int64_t e = 0; e < inner; e++) {
                int64_t at = (int64_t)d->in[1][i];
                double *from = &x[(o * size + (at < 0 ? at + size : at)) * inner + e],
                       *to = &y[(o * count + i) * inner + e];
                if (forward) *to = *from;
                else *from += *to;
            }
}
static void def_gather(define *d)
{
    int64_t inner = 1;
    for (int a = (int)d->attr[0].i + 1; a < d->rank[0]; a++) inner *= d->dims[0][a];
    def_gather_pairs(d, d->dims[0][d->attr[0].i], inner, (double *)(uintptr_t)d->in[0], d->out[0], true);
}
static void def_scatter_add(define *d)
{
    int64_t inner = 1;
    for (int a = (int)d->attr[0].i + 1; a < d->out_rank; a++) inner *= d->out_dims[a];
    memset(d->out[0], 0, sizeof(double) * (size_t)def_out_elements(d));
    def_gather_pairs(d, d->out_dims[d->attr[0].i], inner, d->out[0], (double *)(uintptr_t)d->in[0], false);
}

static void def_one_hot(define *d)
{
    int64_t n = d->attr[0].i;
    for (int64_t i = 0; i < def_out_elements(d); i++) d->out[0][i] = (double)(i % n) == d->in[0][i / n];
}

static void def_cumulate(define *d, bool product)
{
    int64_t index[GLIA_RANK_MAX], other[GLIA_RANK_MAX], axis = d->attr[0].i, n = def_out_elements(d);
    for (int64_t o = 0; o < n; o++) {
        d->out[0][o] = product;
        def_unravel(d->out_rank, d->out_dims, o, index);
        for (int64_t i = 0; i < n; i++) {
            def_unravel(d->out_rank, d->out_dims, i, other);
            bool line = d->attr[1].i ? other[axis] >= index[axis] : other[axis] <= index[axis];
            for (int a = 0; a < d->out_rank; a++) line = line && (a == axis || index[a] == other[a]);
            if (line) d->out[0][o] = product ? d->out[0][o] * d->in[0][i] : d->out[0][o] + d->in[0][i];
        }
    }
}
static void def_cumsum(define *d) { def_cumulate(d, false); }
static void def_cumprod(define *d) { def_cumulate(d, true); }

/* One walk after the other, from each root, of at most as many steps as there are nodes. */
static int64_t def_tree_leaf(const define *d, int64_t row, int64_t place)
{
    const int64_t m = d->dims[1][0], f = d->dims[0][1];
    for (int64_t step = 0; step < m && place >= 0 && place < m; step++) {
        const double *n = &d->in[1][3 * place], s = d->in[2][place];
        const int64_t what = (int64_t)floor(n[0] / 16), rest = (int64_t)n[0] - 16 * what;
        const double v = what >= 0 && what < f ? d->in[0][row * f + what] : 0;
        const bool holds[8] = {v <= s, v<s, v >= s, v> s, v == s, v != s, false, false};
        place = (int64_t)(holds[rest % 8] || (isnan(v) && rest >= 8) ? n[1] : n[2]);
    }
    return -1 - place;
}
static void def_tree_ensemble(define *d)
{
    const int64_t targets = d->attr[0].i, how = d->attr[1].i, trees = d->dims[6][0];
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        double sum = 0;
        bool any = false;
        for (int64_t r = 0; r < trees; r++) {
            const int64_t leaf = def_tree_leaf(d, i / targets, (int64_t)d->in[6][r]);
            if (leaf < 0 || leaf + 1 >= d->dims[3][0]) continue;
            for (int64_t v = 0; v < d->dims[4][0]; v++) {
                if ((double)v < d->in[3][leaf] || (double)v >= d->in[3][leaf + 1]) continue;
                if (d->in[4][v] != (double)(i % targets)) continue;
                const double w = d->in[5][v];
                if (how < 2) sum += w;
                else if (!any || (how == 2 ? w < sum : w > sum)) sum = w;
                any = true;
            }
        }
        d->out[0][i] = how == 0 ? sum / (double)trees : sum;
    }
}

/* ---- layout: the input element for each output element ---- */

static void def_move(define *d, bool (*map)(const define *d, const int64_t *out, int64_t *in), double fill)
{
    int64_t out[GLIA_RANK_MAX], in[GLIA_RANK_MAX];
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, out);
        int64_t flat = 0;
        bool inside = map(d, out, in);
        for (int a = 0; a < d->rank[0]; a++) flat = flat * d->dims[0][a] + in[a];
        d->out[0][o] = inside ? d->in[0][flat] : fill;
    }
}
static bool map_transpose(const define *d, const int64_t *out, int64_t *in)
{
    for (int a = 0; a < d->rank[0]; a++) in[d->attr[0].ints[a]] = out[a];
    return true;
}
static bool map_slice(const define *d, const int64_t *out, int64_t *in)
{
    for (int a = 0; a < d->rank[0]; a++)
        in[a] = d->attr[0].ints[a] + out[a] * (d->attr[2].i ? d->attr[2].ints[a] : 1);
    return true;
}
static bool map_pad(const define *d, const int64_t *out, int64_t *in)
{
    bool inside = true;
    for (int a = 0; a < d->rank[0]; a++) {
        in[a] = out[a] - d->attr[0].ints[a];
        inside = inside && in[a] >= 0 && in[a] < d->dims[0][a];
    }
    return inside;
}
static bool map_expand(const define *d, const int64_t *out, int64_t *in)
{
    for (int a = 0; a < d->rank[0]; a++) in[a] = d->dims[0][a] == 1 ? 0 : out[a + d->out_rank - d->rank[0]];
    return true;
}
static bool map_flip(const define *d, const int64_t *out, int64_t *in)
{
    int64_t axis = d->attr[0].i < 0 ? d->attr[0].i + d->rank[0] : d->attr[0].i;
    for (int a = 0; a < d->rank[0]; a++) in[a] = a == axis ? d->dims[0][a] - 1 - out[a] : out[a];
    return true;
}
static void def_transpose(define *d) { def_move(d, map_transpose, 0); }
static void def_slice(define *d) { def_move(d, map_slice, 0); }
static void def_pad(define *d) { def_move(d, map_pad, d->attr[2].f); }
static void def_expand(define *d) { def_move(d, map_expand, 0); }
static void def_flip(define *d) { def_move(d, map_flip, 0); }

static void def_concat(define *d)
{
    int64_t index[GLIA_RANK_MAX], axis = d->attr[0].i < 0 ? d->attr[0].i + d->out_rank : d->attr[0].i;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        int which = 0;
        while (index[axis] >= d->dims[which][axis]) index[axis] -= d->dims[which++][axis];
        int64_t flat = 0;
        for (int a = 0; a < d->out_rank; a++) flat = flat * d->dims[which][a] + index[a];
        d->out[0][o] = d->in[which][flat];
    }
}

static void def_concat_part(define *d)
{
    int64_t index[GLIA_RANK_MAX], axis = d->attr[0].i;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        def_unravel(d->out_rank, d->out_dims, o, index);
        for (int i = 1; i < d->in_count - 1; i++) index[axis] += d->dims[i][axis];
        int64_t flat = 0;
        for (int a = 0; a < d->out_rank; a++) flat = flat * d->dims[0][a] + index[a];
        d->out[0][o] = d->in[0][flat];
    }
}

/* ---- reductions ---- */

static void def_reduce(define *d, double start, double (*step)(double sum, double x))
{
    bool reduced[GLIA_RANK_MAX];
    int64_t in[GLIA_RANK_MAX];
    for (int a = 0; a < d->rank[0]; a++) reduced[a] = d->attr[0].i == 0;
    for (int64_t i = 0; i < d->attr[0].i; i++) reduced[(d->attr[0].ints[i] + d->rank[0]) % d->rank[0]] = true;
    for (int64_t o = 0; o < def_out_elements(d); o++) d->out[0][o] = start;
    for (int64_t i = 0; i < def_elements(d, 0); i++) {
        def_unravel(d->rank[0], d->dims[0], i, in);
        int64_t flat = 0;
        for (int a = 0; a < d->rank[0]; a++)
            if (!reduced[a]) flat = flat * d->dims[0][a] + in[a];
        d->out[0][flat] = step(d->out[0][flat], d->in[0][i]);
    }
}
static double step_square(double s, double x) { return s + x * x; }
static double step_exp(double s, double x) { return s + exp(x); }
static void def_sum(define *d) { def_reduce(d, 0, d_add); }
static void def_prod(define *d) { def_reduce(d, 1, d_mul); }
static void def_sum_squares(define *d) { def_reduce(d, 0, step_square); }
static void def_reduce_max(define *d) { def_reduce(d, -INFINITY, d_max); }
static void def_reduce_min(define *d) { def_reduce(d, INFINITY, d_min); }
static void def_mean(define *d)
{
    def_sum(d);
    for (int64_t o = 0; o < def_out_elements(d); o++)
        d->out[0][o] *= (double)def_out_elements(d) / (double)def_elements(d, 0);
}
static void def_log_sum_exp(define *d)
{
    def_reduce(d, 0, step_exp);
    for (int64_t o = 0; o < def_out_elements(d); o++) d->out[0][o] = log(d->out[0][o]);
}

/* The place of the best among the reduced elements of each output, in their own row-major order. */
static void def_arg(define *d, double sign)
{
    double best[4096];
    int64_t seen[4096] = {0}, in[GLIA_RANK_MAX];
    bool reduced[GLIA_RANK_MAX];
    for (int a = 0; a < d->rank[0]; a++) reduced[a] = d->attr[0].i == 0;
    for (int64_t i = 0; i < d->attr[0].i; i++) reduced[(d->attr[0].ints[i] + d->rank[0]) % d->rank[0]] = true;
    for (int64_t i = 0; i < def_elements(d, 0); i++) {
        def_unravel(d->rank[0], d->dims[0], i, in);
        int64_t flat = 0;
        for (int a = 0; a < d->rank[0]; a++)
            if (!reduced[a]) flat = flat * d->dims[0][a] + in[a];
        if (!seen[flat] || sign * d->in[0][i] > best[flat])
            best[flat] = sign * d->in[0][i], d->out[0][flat] = (double)seen[flat];
        seen[flat]++;
    }
}
static void def_argmax(define *d) { def_arg(d, 1); }
static void def_argmin(define *d) { def_arg(d, -1); }

static void def_cast(define *d)
{
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        double x = d->in[0][i];
        switch (d->out_dtype) {
        case GLIA_BOOL: x = x != 0; break;
        case GLIA_I8: x = fmin(fmax(trunc(x), -128), 127); break;
        case GLIA_U8: x = fmin(fmax(trunc(x), 0), 255); break;
        case GLIA_I32:
        case GLIA_I64: x = trunc(x); break;
        default: break;
        }
        d->out[0][i] = x;
    }
}

/* Integers of 32 bits read as floats, or as themselves. */
static void def_bit_cast(define *d)
{
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        int32_t bits = (int32_t)d->in[0][i];
        float f;
        memcpy(&f, &bits, sizeof f);
        d->out[0][i] = d->out_dtype == GLIA_F32 ? (double)f : d->in[0][i];
    }
}

/* The quotient that the scale's dtype gives: a half that f64 would part is one in f32. */
static void def_quantize_linear(define *d)
{
    int64_t index[GLIA_RANK_MAX] = {0};
    double low = d->out_dtype == GLIA_I8 ? -128 : 0, high = d->out_dtype == GLIA_I8 ? 127 : 255;
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        def_unravel(d->out_rank, d->out_dims, i, index);
        double q = nearbyint(def_at(d, 0, index) / def_at(d, 1, index)) + def_at(d, 2, index);
        d->out[0][i] = fmin(fmax(q, low), high);
    }
}
static void def_dequantize_linear(define *d)
{
    int64_t index[GLIA_RANK_MAX] = {0};
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        def_unravel(d->out_rank, d->out_dims, i, index);
        d->out[0][i] = (def_at(d, 0, index) - def_at(d, 2, index)) * def_at(d, 1, index);
    }
}

/* The published rounds of Philox 4x32, written once more. */
static void def_noise(define *d)
{
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        uint32_t c[4] = {(uint32_t)o, (uint32_t)(o >> 32), (uint32_t)d->attr[1].i, 0},
                 key[2] = {(uint32_t)d->attr[0].i, 0};
        for (int r = 0; r < 10; r++) {
            uint64_t p = (uint64_t)c[0] * 0xD2511F53u, q = (uint64_t)c[2] * 0xCD9E8D57u;
            uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ key[0], (uint32_t)q,
                                (uint32_t)(p >> 32) ^ c[3] ^ key[1], (uint32_t)p};
            memcpy(c, next, sizeof c);
            key[0] += 0x9E3779B9u, key[1] += 0xBB67AE85u;
        }
        double u = floor(ldexp((double)(c[0] >> 5), 26) + (double)(c[1] >> 6)) * 0x1p-53;
        double v = (ldexp((double)(c[2] >> 5), 26) + (double)(c[3] >> 6)) * 0x1p-53;
        bool wide = d->out_dtype == GLIA_F64;
        d->out[0][o] = d->attr[2].i ? sqrt(-2 * log1p(-u)) * cos(2 * acos(-1) * v)
                       : wide       ? u
                                    : (c[0] >> 8) * 0x1p-24;
    }
}

static void def_dft(define *d)
{
    int64_t n = d->attr[0].i, bins = d->attr[1].i, parts = d->attr[2].i, size = d->dims[0][d->rank[0] - 2],
            from = d->dims[0][d->rank[0] - 1];
    double sign = d->attr[3].i ? 1 : -1;
    for (int64_t o = 0; o < def_out_elements(d) / parts; o++)
        for (int64_t i = 0; i < n; i++) {
            bool mirror = d->attr[4].i && i >= n / 2 + 1;
            int64_t at = mirror ? n - i : i;
            if (at >= size) continue;
            double angle = sign * 2 * acos(-1) * fmod((double)(i * (o % bins)), (double)n) / (double)n;
            double re = d->in[0][(o / bins * size + at) * from], im = 0,
                   by = d->attr[3].i ? 1.0 / (double)n : 1;
            if (from == 2) im = d->in[0][(o / bins * size + at) * from + 1] * (mirror ? -1 : 1);
            d->out[0][o * parts] += (re * cos(angle) - im * sin(angle)) * by;
            if (parts == 2) d->out[0][o * 2 + 1] += (re * sin(angle) + im * cos(angle)) * by;
        }
}

static void def_group_norm(define *d)
{
    int64_t channels = d->dims[0][2], places = d->dims[0][3], n = channels * places;
    for (int64_t r = 0; r < d->dims[0][0] * d->dims[0][1]; r++) {
        const double *x = d->in[0] + r * n;
        double mean = 0, s = 0;
        for (int64_t i = 0; i < n; i++) mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++) s += pow(x[i] - mean, 2) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            int64_t c = r % d->dims[0][1] * channels + i / places;
            d->out[0][r * n + i] = (x[i] - mean) / sqrt(s + d->attr[0].f) * d->in[1][c] + d->in[2][c];
        }
    }
}

static void def_lrn(define *d)
{
    int64_t channels = d->dims[0][1], places = d->dims[0][2], size = d->attr[0].i;
    for (int64_t o = 0; o < def_out_elements(d); o++) {
        int64_t c = o / places % channels;
        double s = 0;
        for (int64_t i = 0; i < channels; i++)
            if (i >= c - (size - 1) / 2 && i <= c + size / 2) s += pow(d->in[0][o + (i - c) * places], 2);
        d->out[0][o] = d->in[0][o] * pow(d->attr[3].f + d->attr[1].f / (double)size * s, -d->attr[2].f);
    }
}

/* By the first row of minors, the columns left as bits of a set. */
static double def_minor(const double *a, int64_t n, int64_t row, uint32_t columns)
{
    double s = 0, sign = 1;
    if (row == n) return 1;
    for (int64_t c = 0; c < n; c++)
        if (columns >> c & 1) {
            s += sign * a[row * n + c] * def_minor(a, n, row + 1, columns & ~(1u << c));
            sign = -sign;
        }
    return s;
}
static void def_det(define *d)
{
    int64_t n = def_last(d, 0);
    for (int64_t o = 0; o < def_out_elements(d); o++)
        d->out[0][o] = def_minor(d->in[0] + o * n * n, n, 0, (1u << n) - 1);
}

/* ---- rope, pages ---- */

static void def_rope_table(define *d)
{
    int64_t dims = d->attr[1].i, half = dims / 2;
    for (int64_t t = 0; t < d->dims[0][0]; t++)
        for (int64_t i = 0; i < half; i++) {
            double a = d->in[0][t] * d->attr[2].f * pow(d->attr[0].f, -2.0 * (double)i / (double)dims);
            if (d->in_count > 1 && d->in[1]) a /= d->in[1][i];
            d->out[0][t * dims + i] = d->attr[3].f * cos(a);
            d->out[0][t * dims + half + i] = d->attr[3].f * sin(a);
        }
}

static void def_rope(define *d)
{
    int64_t n = d->dims[0][2], r = d->dims[1][1], half = r / 2;
    for (int64_t row = 0; row < def_elements(d, 0) / n; row++) {
        const double *x = d->in[0] + row * n, *cs = d->in[1] + row / d->dims[0][1] * r;
        double *y = d->out[0] + row * n;
        for (int64_t i = 0; i < n; i++) y[i] = x[i];
        for (int64_t i = 0; i < half; i++) {
            int64_t p = d->attr[0].i ? i : 2 * i, q = d->attr[0].i ? i + half : 2 * i + 1;
            double s = d->attr[1].i ? -cs[half + i] : cs[half + i];
            y[p] = x[p] * cs[i] - x[q] * s;
            y[q] = x[q] * cs[i] + x[p] * s;
        }
    }
}

static void def_kv_put(define *d)
{
    bool transposed = d->attr[0].i != 0;
    int64_t c = d->out_dims[transposed ? 3 : 2], groups = d->dims[1][1], n = d->dims[1][2];
    memcpy(d->out[0], d->in[0], sizeof(double) * (size_t)def_out_elements(d));
    for (int64_t t = 0; t < d->dims[1][0]; t++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t i = 0; i < n; i++) {
                int64_t pos = (int64_t)d->in[4][t],
                        page = (int64_t)d->in[2][(int64_t)d->in[3][t] * d->dims[2][1] + pos / c];
                int64_t at = transposed ? ((page * groups + g) * n + i) * c + pos % c
                                        : ((page * groups + g) * c + pos % c) * n + i;
                d->out[0][at] = d->in[1][(t * groups + g) * n + i];
            }
}

static void def_attend(define *d)
{
    int64_t heads = d->dims[0][1], n = d->dims[0][2], groups = d->dims[1][1], c = d->dims[1][3];
    for (int64_t t = 0; t < d->dims[0][0]; t++)
        for (int64_t h = 0; h < heads; h++) {
            int64_t count = (int64_t)d->in[5][t] + 1, g = h * groups / heads, window = d->attr[1].i;
            double cap = d->attr[2].f;
            const double *q = d->in[0] + (t * heads + h) * n,
                         *table = d->in[3] + (int64_t)d->in[4][t] * d->dims[3][1];
            double *y = d->out[0] + (t * heads + h) * n, total = 0;
            for (int64_t i = 0; i < n; i++) y[i] = 0;
            if (d->in_count > 6 && d->in[6]) total = exp(d->in[6][h]);
            for (int64_t j = 0; j < count; j++) {
                if (window && count - 1 - j >= window) continue;
                int64_t head = (int64_t)table[j / c] * groups + g;
                double s = 0;
                for (int64_t i = 0; i < n; i++) s += q[i] * d->in[1][(head * n + i) * c + j % c];
                s *= d->attr[0].f;
                s = exp(cap > 0 ? cap * tanh(s / cap) : s);
                total += s;
                for (int64_t i = 0; i < n; i++) y[i] += s * d->in[2][(head * c + j % c) * n + i];
            }
            for (int64_t i = 0; i < n; i++) y[i] /= total;
        }
}

static void sdpa_any(define *d, bool tokens)
{
    int th = tokens ? 2 : 1, tt = tokens ? 1 : 2;
    int64_t H = d->dims[0][th], T = d->dims[0][tt], D = d->dims[0][3], G = d->dims[1][th], S = d->dims[1][tt],
            E = d->dims[2][3], past = d->attr[2].i < 0 ? S - T : d->attr[2].i;
    bool has_mask = d->in_count > 3 && d->in[3];
    for (int64_t n = 0; n < d->dims[0][0]; n++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t t = 0; t < T; t++) {
                int64_t g = h * G / H, qi = tokens ? (n * T + t) * H + h : (n * H + h) * T + t;
                double *y = d->out[0] + qi * E, total = 0;
                for (int64_t i = 0; i < E; i++) y[i] = 0;
                for (int64_t j = 0; j < S; j++) {
                    int64_t kj = tokens ? (n * S + j) * G + g : (n * G + g) * S + j, at = 0;
                    const int64_t full[4] = {n, h, t, j};
                    double s = 0;
                    if (d->attr[1].i && j > t + past) continue;
                    for (int64_t i = 0; i < D; i++) s += d->in[0][qi * D + i] * d->in[1][kj * D + i];
                    s *= d->attr[0].f;
                    if (d->attr[3].f > 0) s = d->attr[3].f * tanh(s / d->attr[3].f);
                    for (int a = 0; has_mask && a < d->rank[3]; a++)
                        at = at * d->dims[3][a] + (d->dims[3][a] == 1 ? 0 : full[4 - d->rank[3] + a]);
                    if (has_mask)
                        s += d->in[3][at]; /* a mask of booleans is all true here: the same for all keys */
                    total += exp(s);
                    for (int64_t i = 0; i < E; i++) y[i] += exp(s) * d->in[2][kj * E + i];
                }
                for (int64_t i = 0; i < E; i++) y[i] /= total;
            }
}
static void def_sdpa(define *d) { sdpa_any(d, false); }
static void def_sdpa_tokens(define *d) { sdpa_any(d, true); }
/* ---- convolutions: index by index over three spatial axes, missing ones in front */

typedef struct def_window {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], end[3];
    int64_t plane_in, plane_out, taps;
} def_window;

static def_window def_windows(int rank, const int64_t *in, const int64_t *out, const int64_t *kernel,
                              const glia_attr *a)
{
    def_window w = {.plane_in = 1, .plane_out = 1, .taps = 1};
    for (int i = 0; i < 3; i++) {
        int at = i - (3 - rank);
        w.in[i] = at < 0 ? 1 : in[at];
        w.out[i] = at < 0 ? 1 : out[at];
        w.kernel[i] = at < 0 ? 1 : kernel[at];
        w.stride[i] = at < 0 || !a[0].i ? 1 : a[0].ints[at];
        w.dilation[i] = at < 0 || !a[1].i ? 1 : a[1].ints[at];
        w.pad[i] = at < 0 || !a[2].i ? 0 : a[2].ints[at];
        w.end[i] = at < 0 || !a[2].i ? 0 : a[2].ints[rank + at];
        w.plane_in *= w.in[i], w.plane_out *= w.out[i], w.taps *= w.kernel[i];
    }
    return w;
}

/* Input element for output p and tap t, or -1. */
static int64_t def_window_at(const def_window *w, int64_t p, int64_t t)
{
    int64_t o[3], k[3], at = 0;
    def_unravel(3, w->out, p, o);
    def_unravel(3, w->kernel, t, k);
    for (int a = 0; a < 3; a++) {
        int64_t i = o[a] * w->stride[a] + k[a] * w->dilation[a] - w->pad[a];
        if (i < 0 || i >= w->in[a]) return -1;
        at = at * w->in[a] + i;
    }
    return at;
}

/* Visits every product of a convolution y = x * w; one of the three is summed into. */
static void def_conv_walk(const def_window *g, int64_t n, int64_t c, int64_t m, int64_t group, double *x,
                          double *w, double *y, int into)
{
    for (int64_t i = 0; i < n * m * g->plane_out; i++)
        for (int64_t j = 0; j < c * g->taps; j++) {
            int64_t p = i % g->plane_out, o = i / g->plane_out % m, t = j % g->taps;
            int64_t at = def_window_at(g, p, t), from = o / (m / group) * c + j / g->taps;
            if (at < 0) continue;
            double *xe = &x[(i / g->plane_out / m * c * group + from) * g->plane_in + at],
                   *we = &w[o * c * g->taps + j];
            if (into == 0) *xe += *we * y[i];
            else if (into == 1) *we += *xe * y[i];
            else y[i] += *xe * *we;
        }
}

static void def_bias(define *d, int64_t plane)
{
    for (int64_t i = 0; d->in_count > 2 && d->in[2] && i < def_out_elements(d); i++)
        d->out[0][i] += d->in[2][i / plane % d->out_dims[1]];
}

static void def_conv(define *d)
{
    def_window g = def_windows(d->rank[0] - 2, d->dims[0] + 2, d->out_dims + 2, d->dims[1] + 2, d->attr);
    def_conv_walk(&g, d->dims[0][0], d->dims[1][1], d->dims[1][0], d->attr[3].i,
                  (double *)(uintptr_t)d->in[0], (double *)(uintptr_t)d->in[1], d->out[0], 2);
    def_bias(d, g.plane_out);
}

static void def_qconv(define *d)
{
    def_window g = def_windows(d->rank[0] - 2, d->dims[0] + 2, d->out_dims + 2, d->dims[1] + 2, d->attr);
    int64_t c = d->dims[1][1], m = d->dims[1][0], group = d->attr[3].i;
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        int64_t p = i % g.plane_out, o = i / g.plane_out % m, n = i / g.plane_out / m;
        d->out[0][i] = d->in[4][o];
        for (int64_t j = 0; j < c * g.taps; j++) {
            int64_t at = def_window_at(&g, p, j % g.taps),
                    from = (n * group + o / (m / group)) * c + j / g.taps;
            if (at >= 0)
                d->out[0][i] += (d->in[0][from * g.plane_in + at] - d->in[2][0]) *
                                (d->in[1][o * c * g.taps + j] - d->in[3][o]);
        }
    }
}

/* Each corner's weight is a product of triangles. */
static void def_deform_conv(define *d)
{
    const int64_t *x = d->dims[0], *w = d->dims[1], *y = d->out_dims, taps = w[2] * w[3], maps = d->attr[4].i;
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        int64_t o[4], plane = y[2] * y[3];
        def_unravel(4, y, i, o);
        d->out[0][i] = d->in[3][o[1]];
        for (int64_t j = 0; j < w[1] * taps; j++) {
            int64_t t = j % taps, c = o[1] / (w[0] / d->attr[3].i) * w[1] + j / taps,
                    row = (o[0] * maps + c / (x[1] / maps)) * taps + t, at = o[2] * y[3] + o[3];
            double py = (double)(o[2] * d->attr[0].ints[0] + t / w[3] * d->attr[1].ints[0] -
                                 d->attr[2].ints[0]) +
                        d->in[2][2 * row * plane + at],
                   px = (double)(o[3] * d->attr[0].ints[1] + t % w[3] * d->attr[1].ints[1] -
                                 d->attr[2].ints[1]) +
                        d->in[2][(2 * row + 1) * plane + at];
            double v = 0;
            for (int64_t e = 0; e < x[2] * x[3]; e++)
                v += fmax(0, 1 - fabs(py - (double)(e / x[3]))) * fmax(0, 1 - fabs(px - (double)(e % x[3]))) *
                     d->in[0][(o[0] * x[1] + c) * x[2] * x[3] + e];
            d->out[0][i] += v * d->in[1][(o[1] * w[1] + j / taps) * taps + t] * d->in[4][row * plane + at];
        }
    }
}

static void def_conv_transpose(define *d)
{
    def_window g = def_windows(d->rank[0] - 2, d->out_dims + 2, d->dims[0] + 2, d->dims[1] + 2, d->attr);
    def_conv_walk(&g, d->dims[0][0], d->dims[1][1], d->dims[1][0], d->attr[3].i, d->out[0],
                  (double *)(uintptr_t)d->in[1], (double *)(uintptr_t)d->in[0], 0);
    def_bias(d, g.plane_in);
}

static void def_conv_weight_grad(define *d)
{
    def_window g = def_windows(d->rank[0] - 2, d->dims[0] + 2, d->dims[1] + 2, d->attr[4].ints, d->attr);
    def_conv_walk(&g, d->dims[0][0], d->out_dims[1], d->out_dims[0], d->attr[3].i,
                  (double *)(uintptr_t)d->in[0], d->out[0], (double *)(uintptr_t)d->in[1], 1);
}

/* ---- pools; attr[3] is the kernel, attr[4] rounds up, attr[5] the option */

static void def_pool(define *d, int kind)
{
    def_window g = def_windows(d->rank[0] - 2, d->dims[0] + 2, d->out_dims + 2, d->attr[3].ints, d->attr);
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        int64_t p = i % g.plane_out, plane = i / g.plane_out, o[3], k[3];
        double best = -INFINITY, sum = 0, power = 0;
        int64_t counted = 0;
        for (int64_t t = 0; t < g.taps; t++) {
            int64_t at = def_window_at(&g, p, t);
            bool within = true;
            def_unravel(3, g.out, p, o);
            def_unravel(3, g.kernel, t, k);
            for (int a = 0; a < 3; a++)
                within = within && o[a] * g.stride[a] + k[a] * g.dilation[a] - g.pad[a] < g.in[a] + g.end[a];
            counted += kind == 1 && d->attr[5].i ? within : at >= 0;
            if (at < 0) continue;
            double x = d->in[0][plane * g.plane_in + at];
            best = fmax(best, x);
            sum += x;
            if (kind == 2) power += pow(fabs(x), d->attr[5].f);
        }
        d->out[0][i] = kind == 0 ? best : kind == 1 ? sum / (double)counted : pow(power, 1 / d->attr[5].f);
    }
}
static void def_max_pool(define *d) { def_pool(d, 0); }
static void def_avg_pool(define *d) { def_pool(d, 1); }
static void def_lp_pool(define *d) { def_pool(d, 2); }

/* The transpose of avg_pool's matrix, column by column. */
static void def_avg_pool_grad(define *d)
{
    int64_t image[2] = {1, 1}, in[5], out[5];
    int rank = d->rank[0] - 2;
    for (int a = 0; a < rank; a++) image[0] *= d->out_dims[2 + a], image[1] *= d->dims[0][2 + a];
    memcpy(in, d->out_dims, sizeof *in * (size_t)(rank + 2));
    memcpy(out, d->dims[0], sizeof *out * (size_t)(rank + 2));
    in[0] = in[1] = out[0] = out[1] = 1;
    double x[4096], y[4096];
    for (int64_t i = 0; i < image[0]; i++) {
        memset(x, 0, sizeof x);
        x[i] = 1;
        define e = {.in = {x},
                    .rank = {rank + 2},
                    .dims = {in},
                    .in_count = 1,
                    .attr = d->attr,
                    .out = {y},
                    .out_rank = rank + 2,
                    .out_dims = out};
        def_pool(&e, 1);
        for (int64_t c = 0; c < d->out_dims[0] * d->out_dims[1]; c++) {
            double sum = 0;
            for (int64_t j = 0; j < image[1]; j++) sum += y[j] * d->in[0][c * image[1] + j];
            d->out[0][c * image[0] + i] = sum;
        }
    }
}
static void def_max_unpool(define *d)
{
    for (int64_t i = 0; i < def_elements(d, 0); i++) d->out[0][(int64_t)d->in[1][i]] += d->in[0][i];
}

/* ---- optimiser updates ---- */

static void def_sgd(define *d)
{
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        d->out[1][i] = d->attr[0].f * d->in[1][i] + d->in[2][i] + d->attr[1].f * d->in[0][i];
        d->out[0][i] = d->in[0][i] - d->in[3][0] * d->out[1][i];
    }
}
static void def_adamw(define *d)
{
    double b1 = d->attr[0].f, b2 = d->attr[1].f, lr = d->in[4][0], step = d->in[5][0];
    for (int64_t i = 0; i < def_out_elements(d); i++) {
        double g = d->in[3][i];
        d->out[1][i] = b1 * d->in[1][i] + (1 - b1) * g;
        d->out[2][i] = b2 * d->in[2][i] + (1 - b2) * g * g;
        double m = d->out[1][i] / (1 - pow(b1, step)), v = d->out[2][i] / (1 - pow(b2, step));
        d->out[0][i] = d->in[0][i] - lr * m / (sqrt(v) + d->attr[2].f) - lr * d->attr[3].f * d->in[0][i];
    }
}

static const struct {
    const char *name;
    void (*f)(define *);
} def_ops[] = {
    {"linear", def_linear},
    {"linear_act", def_linear_act},
    {"matmul", def_matmul},
    {"max_pool", def_max_pool},
    {"max_unpool", def_max_unpool},
    {"avg_pool", def_avg_pool},
    {"avg_pool_grad", def_avg_pool_grad},
    {"lp_pool", def_lp_pool},
    {"conv", def_conv},
    {"qconv", def_qconv},
    {"deform_conv", def_deform_conv},
    {"conv_transpose", def_conv_transpose},
    {"conv_weight_grad", def_conv_weight_grad},
    {"rms_norm", def_rms_norm},
    {"layer_norm", def_layer_norm},
    {"softmax", def_softmax},
    {"log_softmax", def_log_softmax},
    {"cross_entropy", def_cross_entropy},
    {"mse", def_mse},
    {"top_k", def_top_k},
    {"expert_route", def_expert_route},
    {"expert_linear", def_expert_linear},
    {"expert_sum", def_expert_sum},
    {"swiglu_limited", def_swiglu_limited},
    {"tril", def_tril},
    {"triu", def_triu},
    {"embed", def_embed},
    {"gather_rows", def_gather_rows},
    {"gather", def_gather},
    {"scatter_add", def_scatter_add},
    {"one_hot", def_one_hot},
    {"tree_ensemble", def_tree_ensemble},
    {"cumsum", def_cumsum},
    {"cumprod", def_cumprod},
    {"bit_cast", def_bit_cast},
    {"quantize_linear", def_quantize_linear},
    {"dequantize_linear", def_dequantize_linear},
    {"noise", def_noise},
    {"dft", def_dft},
    {"group_norm", def_group_norm},
    {"lrn", def_lrn},
    {"det", def_det},
    {"transpose", def_transpose},
    {"slice", def_slice},
    {"pad", def_pad},
    {"expand", def_expand},
    {"flip", def_flip},
    {"concat", def_concat},
    {"concat_part", def_concat_part},
    {"sum", def_sum},
    {"prod", def_prod},
    {"sum_squares", def_sum_squares},
    {"reduce_max", def_reduce_max},
    {"reduce_min", def_reduce_min},
    {"mean", def_mean},
    {"log_sum_exp", def_log_sum_exp},
    {"rope_table", def_rope_table},
    {"rope", def_rope},
    {"kv_put", def_kv_put},
    {"attend", def_attend},
    {"sdpa", def_sdpa},
    {"sdpa_tokens", def_sdpa_tokens},
    {"where", def_where},
    {"sgd", def_sgd},
    {"adamw", def_adamw},
    {"argmax", def_argmax},
    {"argmin", def_argmin},
    {"cast", def_cast},
};

/* False if the op has no definition here. */
static bool define_run(const char *name, define *d)
{
    int64_t index[GLIA_RANK_MAX];
    for (size_t i = 0; i < sizeof def_ops / sizeof *def_ops; i++)
        if (!strcmp(def_ops[i].name, name)) return def_ops[i].f(d), true;
    for (size_t i = 0; i < sizeof def_unary / sizeof *def_unary; i++) {
        if (strcmp(def_unary[i].name, name)) continue;
        for (int64_t o = 0; o < def_out_elements(d); o++) d->out[0][o] = def_unary[i].f(d->in[0][o], d->attr);
        return true;
    }
    for (size_t i = 0; i < sizeof def_binary / sizeof *def_binary; i++) {
        if (strcmp(def_binary[i].name, name)) continue;
        for (int64_t o = 0; o < def_out_elements(d); o++) {
            def_unravel(d->out_rank, d->out_dims, o, index);
            d->out[0][o] = def_binary[i].f(def_at(d, 0, index), def_at(d, 1, index));
        }
        return true;
    }
    return false;
}

#endif
