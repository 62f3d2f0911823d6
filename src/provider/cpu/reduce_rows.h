/* Reductions over neighbouring axes, and element-wise kernels with attributes. Part of kernels_float.h.
 *
 * x is [outer, count, inner] of which the middle goes. With inner 1 the lanes of the specification are those of a
 * vector; else 16 outputs side by side are a vector, and each of the 16 lanes has a register. What does not have this
 * form (axes apart, a part of the outputs, many segments in columns) is left to the reference. */

#include "ops/sum.h"

typedef struct reduce_view {
    int64_t outer, count, inner;
} reduce_view;

/* The kernel's input as a view, if the reduced axes are neighbours and the box is the whole. */
static bool reduce_see(const glia_kargs *k, reduce_view *v)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_attr *axes = &k->attr[0];
    uint32_t set = axes->i ? 0 : (1u << x->rank) - 1;
    int last = -1;
    *v = (reduce_view){1, 1, 1};
    for (int64_t i = 0; i < axes->i; i++)
        set |= 1u << (axes->ints[i] < 0 ? axes->ints[i] + x->rank : axes->ints[i]);
    for (int a = 0; a < x->rank; a++) {
        if (!(set >> a & 1)) *(v->count == 1 && last < 0 ? &v->outer : &v->inner) *= x->dims[a];
        else if (last >= 0 && last != a - 1) return false;
        else {
            v->count *= x->dims[a];
            last = a;
        }
    }
    for (int a = 0; a < y->rank; a++)
        if (k->begin[a] != 0 || k->end[a] != y->dims[a]) return false;
    return last >= 0 && v->count > 0 && (v->inner == 1 || v->count <= LANE_SEGMENT);
}

/* The tree of 16 registers. */
GLIA_INLINE v16 meet_lanes(v16 *lane)
{
    for (int width = 1; width < LANES; width *= 2)
        for (int i = 0; i < LANES; i += 2 * width) lane[i] = v16_add(lane[i], lane[i + width]);
    return lane[0];
}

GLIA_INLINE v16 sum_of_columns(const float *x, int64_t count, int64_t stride, int n, const bool squares)
{
    v16 lane[LANES];
    GLIA_UNROLL
    for (int i = 0; i < LANES; i++) lane[i] = v16_zero();
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        GLIA_UNROLL
        for (int j = 0; j < LANES; j++) {
            const v16 v = n == LANES ? v16_load(x + (i + j) * stride) : v16_load_n(x + (i + j) * stride, n);
            lane[j] = squares ? v16_fma(v, v, lane[j]) : v16_add(v, lane[j]);
        }
    }
    for (int j = 0; i + j < count; j++) {
        const v16 v = v16_load_n(x + (i + j) * stride, n);
        lane[j] = squares ? v16_fma(v, v, lane[j]) : v16_add(v, lane[j]);
    }
    return meet_lanes(lane);
}

GLIA_INLINE void reduce_sums(const glia_kargs *k, const bool squares, const bool mean)
{
    reduce_view v;
    if (!reduce_see(k, &v)) {
        (mean ? glia_op_mean : squares ? glia_op_sum_squares : glia_op_sum).reference(k);
        return;
    }
    const float *x = k->in[0].data;
    float *y = k->out[0].data;
    const float by = (float)v.count;
    for (int64_t o = 0; o < v.outer; o++, x += v.count * v.inner, y += v.inner) {
        if (v.inner == 1) {
            const float s = squares ? sum_of_squares(x, v.count) : sum_of_row(x, v.count);
            *y = mean ? s / by : s;
            continue;
        }
        for (int64_t i = 0; i < v.inner; i += LANES) {
            const int n = (int)glia_min(LANES, v.inner - i);
            const v16 s = n == LANES ? sum_of_columns(x + i, v.count, v.inner, LANES, squares)
                                     : sum_of_columns(x + i, v.count, v.inner, n, squares);
            v16_store_n(y + i, mean ? v16_div(s, v16_set(by)) : s, n);
        }
    }
}

static void reduce_sum(const glia_kargs *k) { reduce_sums(k, false, false); }
static void reduce_mean(const glia_kargs *k) { reduce_sums(k, false, true); }
static void reduce_squares(const glia_kargs *k) { reduce_sums(k, true, false); }

/* ---- extremes: the first of equals, a NaN before all */

/* Of a column that holds a NaN, or whose extreme is 0 of either sign, the reference's own answer. */
static float settle_extreme(const float *x, int64_t count, int64_t stride, float found)
{
    for (int64_t i = 0; i < count; i++) {
        const float v = x[i * stride];
        if (v != v) return v;
    }
    for (int64_t i = 0; i < count; i++)
        if (x[i * stride] == found) return x[i * stride];
    return found;
}

GLIA_INLINE void extreme_columns(const float *x, int64_t count, int64_t stride, int n, const bool greatest,
                                 float *y)
{
    const v16 sign = greatest ? v16_set(1.0f) : v16_set(-1.0f);
    v16 most = v16_mul(v16_load_n(x, n), sign);
    v16i wild = v16_magnitude(most);
    for (int64_t i = 1; i < count; i++) {
        const v16 v = v16_mul(v16_load_n(x + i * stride, n), sign);
        wild = v16i_max(wild, v16_magnitude(v));
        most = v16_max(v, most);
    }
    int32_t bits[LANES];
    float found[LANES];
    v16i_store(bits, wild);
    v16_store(found, v16_mul(most, sign));
    for (int j = 0; j < n; j++)
        y[j] = bits[j] > INFINITE_BITS || found[j] == 0 ? settle_extreme(x + j, count, stride, found[j])
                                                        : found[j];
}

GLIA_INLINE float extreme_row(const float *x, int64_t count, const bool greatest)
{
    const v16 sign = greatest ? v16_set(1.0f) : v16_set(-1.0f);
    v16 most = v16_set(-INFINITY);
    v16i wild = v16_magnitude(v16_zero());
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const v16 v = v16_mul(v16_load(x + i), sign);
        wild = v16i_max(wild, v16_magnitude(v));
        most = v16_max(v, most);
    }
    float found = greatest ? v16_most(most) : -v16_most(most);
    bool odd = v16i_most(wild) > INFINITE_BITS;
    for (; i < count; i++) {
        odd |= x[i] != x[i];
        if (greatest ? x[i] > found : x[i] < found) found = x[i];
    }
    return odd || found == 0 ? settle_extreme(x, count, 1, found) : found;
}

GLIA_INLINE void reduce_extremes(const glia_kargs *k, const bool greatest)
{
    reduce_view v;
    if (!reduce_see(k, &v)) {
        (greatest ? glia_op_reduce_max : glia_op_reduce_min).reference(k);
        return;
    }
    const float *x = k->in[0].data;
    float *y = k->out[0].data;
    for (int64_t o = 0; o < v.outer; o++, x += v.count * v.inner, y += v.inner) {
        if (v.inner == 1) *y = extreme_row(x, v.count, greatest);
        for (int64_t i = 0; v.inner > 1 && i < v.inner; i += LANES)
            extreme_columns(x + i, v.count, v.inner, (int)glia_min(LANES, v.inner - i), greatest, y + i);
    }
}

static void reduce_greatest(const glia_kargs *k) { reduce_extremes(k, true); }
static void reduce_least(const glia_kargs *k) { reduce_extremes(k, false); }

/* ---- element-wise, with up to two numbers */

typedef v16 numbers_fn(v16 x, v16 a, v16 b);

GLIA_INLINE void with_numbers(const glia_kargs *k, numbers_fn *f, float first, float second)
{
    const glia_tensor *y = &k->out[0];
    const int64_t n = glia_last_dim(y), begin = glia_box_begin(k), count = glia_box_end(k) - begin;
    const v16 a = v16_set(first), b = v16_set(second);
    for (glia_box box = glia_box_rows(k, glia_leading(y)); box.more; glia_box_next(&box)) {
        const float *x = (const float *)k->in[0].data + box.row * n + begin;
        float *to = (float *)y->data + box.row * n + begin;
        int64_t i = 0;
        for (; i + LANES <= count; i += LANES) v16_store(to + i, f(v16_load(x + i), a, b));
        const int rest = (int)(count - i);
        if (rest > 0) v16_store_n(to + i, f(v16_load_n(x + i, rest), a, b), rest);
    }
}

GLIA_INLINE v16 clip_of(v16 x, v16 low, v16 high) { return v16_min(high, v16_max(low, x)); }
GLIA_INLINE v16 leaky_of(v16 x, v16 slope, v16 zero)
{
    return v16_select_less(zero, x, x, v16_mul(x, slope));
}
GLIA_INLINE v16 neg_of(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return v16_negate(x);
}
GLIA_INLINE v16 abs_of(v16 x, v16 a, v16 b)
{
    (void)a, (void)b;
    return v16_abs(x);
}
GLIA_INLINE v16 reciprocal_of(v16 x, v16 one, v16 b)
{
    (void)b;
    return v16_div(one, x);
}
GLIA_INLINE v16 prelu_of(v16 x, v16 slope) { return v16_select_less(v16_zero(), x, x, v16_mul(x, slope)); }

static void clip_row(const glia_kargs *k)
{
    with_numbers(k, clip_of, (float)k->attr[0].f, (float)k->attr[1].f);
}
static void leaky_relu_row(const glia_kargs *k) { with_numbers(k, leaky_of, (float)k->attr[0].f, 0.0f); }
static void neg_row(const glia_kargs *k) { with_numbers(k, neg_of, 0.0f, 0.0f); }
static void abs_row(const glia_kargs *k) { with_numbers(k, abs_of, 0.0f, 0.0f); }
static void reciprocal_row(const glia_kargs *k) { with_numbers(k, reciprocal_of, 1.0f, 0.0f); }
static void prelu_row(const glia_kargs *k) { binary(k, prelu_of); }

/* ---- group_norm: as layer_norm over [channels, places], its weights by channel */

static void group_norm_row(const glia_kargs *k)
{
    const int64_t groups = k->out[0].dims[1], channels = k->out[0].dims[2], places = k->out[0].dims[3],
                  n = channels * places;
    for (glia_box b = glia_box_rows(k, 2); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n;
        const int64_t first = b.row % groups * channels;
        const v16 mean = v16_set(sum_of_row(x, n) / (float)n);
        const v16 r = v16_set(1.0f / sqrtf(sum_of_squares_from(x, n, mean) / (float)n + (float)k->attr[0].f));
        for (int64_t c = 0; c < channels; c++) {
            const float *from = x + c * places;
            float *to = (float *)k->out[0].data + b.row * n + c * places;
            const v16 w = v16_set(((const float *)k->in[1].data)[first + c]),
                      bias = v16_set(((const float *)k->in[2].data)[first + c]);
            int64_t i = 0;
            for (; i + LANES <= places; i += LANES)
                v16_store(to + i, norm_of(v16_load(from + i), mean, r, w, bias, true));
            const int rest = (int)(places - i);
            if (rest) v16_store_n(to + i, norm_of(v16_load_n(from + i, rest), mean, r, w, bias, true), rest);
        }
    }
}
