/* Cells of recurrent layers and taps of a resize over 16 lanes. Part of kernels_float.h, whose `linear` and functions
 * of lanes they use. */
#include "ops/recurrent.h"

/* ---- lstm, gru: sigmoid gates and tanh; other forms have the portable cell with the same product */

GLIA_INLINE v16 some(const float *p, int n) { return n == LANES ? v16_load(p) : v16_load_n(p, n); }
GLIA_INLINE void give(float *p, v16 v, int n)
{
    if (n == LANES) v16_store(p, v);
    else v16_store_n(p, v, n);
}
GLIA_INLINE v16 gate_sum(const glia_cell_f32 *c, int64_t at, int n)
{
    return v16_add(some(c->x + at, n), some(c->dot + at, n));
}

static void lstm_cell(const glia_cell_f32 *c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i += LANES) {
        const int count = (int)glia_min(LANES, n - i);
        const v16 none = v16_zero();
        const v16 in = sigmoid_of(gate_sum(c, i, count), none),
                  out = sigmoid_of(gate_sum(c, n + i, count), none);
        const v16 forget = sigmoid_of(gate_sum(c, 2 * n + i, count), none);
        const v16 candidate = v16_tanh(gate_sum(c, 3 * n + i, count));
        const v16 cell = v16_fma(forget, some(c->c + i, count), v16_mul(in, candidate));
        give(c->c + i, cell, count);
        give(c->h + i, v16_mul(out, v16_tanh(cell)), count);
    }
}

GLIA_INLINE v16 clipped(v16 z, v16 candidate, v16 h)
{
    return v16_fma(z, h, v16_mul(v16_sub(v16_set(1.0f), z), candidate));
}

static void gru_gates(const glia_cell_f32 *c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i += LANES) {
        const int count = (int)glia_min(LANES, n - i);
        const v16 none = v16_zero(), z = sigmoid_of(gate_sum(c, i, count), none);
        const v16 r = sigmoid_of(gate_sum(c, n + i, count), none);
        give(c->dot + i, z, count);
        give(c->turn + i, v16_mul(r, some(c->h + i, count)), count);
    }
}

static void gru_output(const glia_cell_f32 *c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i += LANES) {
        const int count = (int)glia_min(LANES, n - i);
        const v16 candidate = v16_tanh(gate_sum(c, 2 * n + i, count));
        give(c->h + i, clipped(some(c->dot + i, count), candidate, some(c->h + i, count)), count);
    }
}

static void gru_after(const glia_cell_f32 *c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i += LANES) {
        const int count = (int)glia_min(LANES, n - i);
        const v16 none = v16_zero(), z = sigmoid_of(gate_sum(c, i, count), none);
        const v16 r = sigmoid_of(gate_sum(c, n + i, count), none);
        v16 product = some(c->dot + 2 * n + i, count);
        if (c->extra) product = v16_add(product, some(c->extra + i, count));
        const v16 candidate = v16_tanh(v16_fma(r, product, some(c->x + 2 * n + i, count)));
        give(c->h + i, clipped(z, candidate, some(c->h + i, count)), count);
    }
}

static void lstm(const glia_kargs *k)
{
    static const glia_cells_f32 usual = {lstm_cell, 0};
    const bool plain = k->in_count < 5 || k->in[4].dtype == GLIA_DTYPE_NONE || !k->in[4].data;
    glia_recurrent_f32(k, linear_f32,
                       plain && glia_recurrent_usual(k->attr, 4) ? &usual : glia_lstm_cells_f32(k->attr));
}

static void gru(const glia_kargs *k)
{
    static const glia_cells_f32 before = {gru_gates, gru_output}, after = {gru_after, 0};
    const glia_cells_f32 *cells = k->attr[GLIA_CELL_FORM].i ? &after : &before;
    glia_recurrent_f32(k, linear_f32, glia_recurrent_usual(k->attr, 3) ? cells : glia_gru_cells_f32(k->attr));
}

/* ---- resample: elements that lie behind the axis go by lanes; along it they are gathered one by one */

GLIA_INLINE v16 tap_sum(const float *x, const int32_t *index, const float *weight, int64_t taps,
                        int64_t inner, int n)
{
    v16 sum = v16_zero();
    for (int64_t t = 0; t < taps; t++) sum = v16_fma(v16_set(weight[t]), some(x + index[t] * inner, n), sum);
    return sum;
}

static void resample(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int axis = (int)k->attr[0].i, last = y->rank - 1;
    const int64_t taps = k->in[1].dims[1], n = glia_last_dim(y), begin = glia_box_begin(k),
                  end = glia_box_end(k);
    const int32_t *index = k->in[1].data;
    const float *weight = k->in[2].data, outside = (float)k->attr[1].f;
    int64_t inner = 1;
    for (int a = axis + 1; a < y->rank; a++) inner *= y->dims[a];
    for (glia_box b = glia_box_rows(k, last); b.more; glia_box_next(&b)) {
        float *to = (float *)y->data + b.row * n;
        const int64_t at = b.row * n, i = b.index[axis] * taps;
        const float *from = (const float *)x->data + at / (inner * y->dims[axis]) * x->dims[axis] * inner;
        if (axis != last) {
            const float *row = from + at % inner;
            for (int64_t j = begin; j < end; j += LANES) {
                const int count = (int)glia_min(LANES, end - j);
                give(to + j,
                     index[i] < 0 ? v16_set(outside)
                                  : tap_sum(row + j, index + i, weight + i, taps, inner, count),
                     count);
            }
            continue;
        }
        for (int64_t j = begin; j < end; j++) {
            const int32_t *which = index + j * taps;
            float sum = 0.0f;
            for (int64_t t = 0; t < taps && *which >= 0; t++)
                sum = fmaf(weight[j * taps + t], from[which[t]], sum);
            to[j] = *which < 0 ? outside : sum;
        }
    }
}
