/* Kernels along the last axis: quantise, rms_norm, softmax, the elementwise ones, rope and kv_put. Part of
 * kernels_float.h. Sums run in the specification's 16 lanes per segment of 4096. */
#include <math.h>

#include "base/check.h"
#include "base/cpu.h"
#include "ops/attention.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"
#include "provider/cpu/rows.h"
#include "provider/cpu/each16.h"
#include "tensor/dot.h"

enum { LANES = 16, LANE_SEGMENT = 4096 };

/* ---- quantise: see tensor/formats_activation.c, whose steps these are */

GLIA_INLINE void quantise_block(const float *x, const int block, const int group, int8_t *q, float *d,
                                int32_t *sums)
{
    v16i most = v16_magnitude(v16_load(x));
    GLIA_UNROLL
    for (int i = LANES; i < block; i += LANES) most = v16i_max(most, v16_magnitude(v16_load(x + i)));
    const int32_t bits = v16i_most(most);
    float max;
    memcpy(&max, &bits, sizeof max);
    const float inverse = 127.0f / max;
    if (bits >= 0x7f800000 || isinf(inverse)) {
        memset(q, 0, (size_t)block);
        memset(sums, 0, (size_t)(block / group) * sizeof *sums);
        *d = bits >= 0x7f800000 ? NAN : max / 127.0f;
        return;
    }
    const v16 scale = v16_set(inverse);
    v16i sum = v16_to_int(v16_zero());
    for (int i = 0; i < block; i += LANES) {
        const v16i v = v16_to_int(v16_mul(v16_load(x + i), scale));
        v16i_store_i8(q + i, v);
        sum = group == LANES ? v : v16i_add(sum, v);
        if (group == LANES) sums[i / LANES] = v16i_total(sum);
    }
    if (group != LANES) *sums = v16i_total(sum);
    *d = max / 127.0f;
}

enum { INFINITE_BITS = 0x7f800000 };

/* Up to 16 blocks of 32 at once: their maxima meet in one vector, and their sums in another. False, and
 * nothing written, if a block has no finite scale. */
GLIA_INLINE bool quantise_blocks(const float *x, const int count, int8_t *q, float *d, int32_t *sums)
{
    v16i v[LANES], n[4];
    float inverse[LANES];
    for (int b = 0; b < count; b++)
        v[b] = v16i_max(v16_magnitude(v16_load(x + 32 * b)), v16_magnitude(v16_load(x + 32 * b + LANES)));
    for (int b = count; b < LANES; b++) v[b] = v16_magnitude(v16_set(1.0f));
    const v16i bits = v16i_across(v, false);
    const v16 most = v16_of_bits(bits), up = v16_div(v16_set(127.0f), most);
    if (v16i_most(v16i_max(bits, v16_magnitude(up))) >= INFINITE_BITS) return false;
    v16_store(inverse, up);
    for (int b = 0; b < count; b++) {
        const v16 scale = v16_set(inverse[b]);
        v16i *to = n + b % 2 * 2;
        to[0] = v16_to_int(v16_mul(v16_load(x + 32 * b), scale));
        to[1] = v16_to_int(v16_mul(v16_load(x + 32 * b + LANES), scale));
        v[b] = v16i_add(to[0], to[1]);
        if (b % 2) v16i_store_i8x4(q + 32 * (b - 1), n);
    }
    if (count % 2) {
        v16i_store_i8(q + 32 * (count - 1), n[0]);
        v16i_store_i8(q + 32 * (count - 1) + LANES, n[1]);
    }
    const v16i total = v16i_across(v, true);
    const v16 down = v16_div(most, v16_set(127.0f));
    if (count == LANES) {
        v16_store(d, down);
        v16i_store(sums, total);
    } else {
        v16_store_n(d, down, count);
        v16_store_n(sums, v16_of_bits(total), count);
    }
    return true;
}

/* A block of 256, whose 16 vectors are its 16 groups. */
GLIA_INLINE void quantise_long_block(const float *x, int8_t *q, float *d, int32_t *sums)
{
    v16i v[LANES], most = v16_magnitude(v16_load(x));
    for (int i = 1; i < LANES; i++) most = v16i_max(most, v16_magnitude(v16_load(x + LANES * i)));
    const int32_t bits = v16i_most(most);
    float max;
    memcpy(&max, &bits, sizeof max);
    const float inverse = 127.0f / max;
    if (bits >= INFINITE_BITS || isinf(inverse)) {
        quantise_block(x, 256, LANES, q, d, sums);
        return;
    }
    const v16 scale = v16_set(inverse);
    for (int i = 0; i < LANES; i++) v[i] = v16_to_int(v16_mul(v16_load(x + LANES * i), scale));
    for (int i = 0; i < LANES; i += 4) v16i_store_i8x4(q + LANES * i, v + i);
    v16i_store(sums, v16i_across(v, true));
    *d = max / 127.0f;
}

static void quantise_a8x32(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]), row_bytes = n / 32 * 40;
    for (glia_box b = glia_box_rows(k, glia_leading(&k->out[0])); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n;
        int8_t *q = (int8_t *)k->out[0].data + b.row * row_bytes;
        float *d = (float *)(q + n);
        int32_t *sums = (int32_t *)(d + n / 32);
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i += 32 * LANES) {
            const int count = (int)(glia_min(32 * LANES, glia_box_end(k) - i) / 32);
            if (count == LANES ? quantise_blocks(x + i, LANES, q + i, d + i / 32, sums + i / 32)
                               : quantise_blocks(x + i, count, q + i, d + i / 32, sums + i / 32))
                continue;
            for (int64_t j = i; j < i + 32 * count; j += 32)
                quantise_block(x + j, 32, 32, q + j, d + j / 32, sums + j / 32);
        }
    }
}

static void quantise_a8x256(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]), row_bytes = n / 256 * 324;
    for (glia_box b = glia_box_rows(k, glia_leading(&k->out[0])); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n;
        int8_t *q = (int8_t *)k->out[0].data + b.row * row_bytes;
        float *d = (float *)(q + n);
        int32_t *sums = (int32_t *)(d + n / 256);
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i += 256)
            quantise_long_block(x + i, q + i, d + i / 256, sums + i / LANES);
    }
}

/* ---- rms_norm */

static float sum_of_squares(const float *x, int64_t n)
{
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < n; s += LANE_SEGMENT) {
        const int64_t end = glia_min(n, s + LANE_SEGMENT);
        v16 acc = v16_zero();
        int64_t i = s;
        for (; i + LANES <= end; i += LANES) {
            const v16 v = v16_load(x + i);
            acc = v16_fma(v, v, acc);
        }
        if (i < end) {
            const v16 v = v16_load_n(x + i, (int)(end - i));
            acc = v16_fma(v, v, acc);
        }
        glia_tree_push_f32(&tree, v16_tree(acc));
    }
    return glia_tree_done_f32(&tree);
}

static void rms_norm(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]);
    const float *w = k->in[1].data;
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n;
        float *y = (float *)k->out[0].data + b.row * n;
        const float r = 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + (float)k->attr[0].f);
        const v16 scale = v16_set(r);
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES)
            v16_store(y + i, v16_mul(v16_mul(v16_load(x + i), scale), v16_load(w + i)));
        const int rest = (int)(n - i);
        if (rest)
            v16_store_n(y + i, v16_mul(v16_mul(v16_load_n(x + i, rest), scale), v16_load_n(w + i, rest)),
                        rest);
    }
}

/* ---- linear over plain rows: a weight of fewer than 16 rows, four of them at a time */

enum { FEW = 4 };

GLIA_INLINE void dot_few(const float *x, const float *w, int64_t k, const int rows, float *sums)
{
    glia_tree_f32 tree[FEW];
    for (int r = 0; r < rows; r++) tree[r].count = 0;
    for (int64_t s = 0; s < k; s += LANE_SEGMENT) {
        const int64_t end = glia_min(k, s + LANE_SEGMENT);
        v16 acc[FEW];
        int64_t i = s;
        for (int r = 0; r < rows; r++) acc[r] = v16_zero();
        for (; i + LANES <= end; i += LANES) {
            const v16 v = v16_load(x + i);
            GLIA_UNROLL
            for (int r = 0; r < rows; r++) acc[r] = v16_fma(v16_load(w + r * k + i), v, acc[r]);
        }
        const int rest = (int)(end - i);
        for (int r = 0; r < rows; r++) {
            if (rest) acc[r] = v16_fma(v16_load_n(w + r * k + i, rest), v16_load_n(x + i, rest), acc[r]);
            glia_tree_push_f32(&tree[r], v16_tree(acc[r]));
        }
    }
    for (int r = 0; r < rows; r++) sums[r] = glia_tree_done_f32(&tree[r]);
}

static void linear_few(const glia_kargs *k)
{
    const int64_t depth = glia_last_dim(&k->in[0]), n = k->in[1].dims[0];
    const glia_tensor *bias = glia_optional(k, 2);
    if (n >= LANES) { /* sums along k: what is not packed takes the plain way */
        glia_op_linear.reference(k);
        return;
    }
    for (glia_box b = glia_box_rows(k, glia_leading(&k->out[0])); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * depth;
        float *y = (float *)k->out[0].data + b.row * n, sums[FEW];
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i += FEW) {
            const float *w = (const float *)k->in[1].data + i * depth;
            const int rows = (int)glia_min(FEW, glia_box_end(k) - i);
            if (rows == FEW) dot_few(x, w, depth, FEW, sums);
            else
                for (int r = 0; r < rows; r++) dot_few(x, w + r * depth, depth, 1, sums + r);
            for (int r = 0; r < rows; r++)
                y[i + r] = bias ? sums[r] + ((const float *)bias->data)[i + r] : sums[r];
        }
    }
}

/* ---- layer_norm: c = (x - mean) r; y = fma(c, w, b), without b c w */

static float sum_of_row(const float *x, int64_t n)
{
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < n; s += LANE_SEGMENT) {
        const int64_t end = glia_min(n, s + LANE_SEGMENT);
        v16 acc = v16_zero();
        int64_t i = s;
        for (; i + LANES <= end; i += LANES) acc = v16_add(v16_load(x + i), acc);
        if (i < end) acc = v16_add(v16_load_n(x + i, (int)(end - i)), acc); /* no lane is -0 */
        glia_tree_push_f32(&tree, v16_tree(acc));
    }
    return glia_tree_done_f32(&tree);
}

static float sum_of_squares_from(const float *x, int64_t n, v16 mean)
{
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < n; s += LANE_SEGMENT) {
        const int64_t end = glia_min(n, s + LANE_SEGMENT);
        v16 acc = v16_zero();
        int64_t i = s;
        for (; i + LANES <= end; i += LANES) {
            const v16 c = v16_sub(v16_load(x + i), mean);
            acc = v16_fma(c, c, acc);
        }
        if (i < end) { /* lanes without an element count nothing */
            float rest[LANES] = {0};
            v16_store_n(rest, v16_sub(v16_load_n(x + i, (int)(end - i)), mean), (int)(end - i));
            acc = v16_fma(v16_load(rest), v16_load(rest), acc);
        }
        glia_tree_push_f32(&tree, v16_tree(acc));
    }
    return glia_tree_done_f32(&tree);
}

GLIA_INLINE v16 norm_of(v16 x, v16 mean, v16 r, v16 w, v16 bias, const bool biased)
{
    const v16 c = v16_mul(v16_sub(x, mean), r);
    return biased ? v16_fma(c, w, bias) : v16_mul(c, w);
}

GLIA_INLINE void layer_norm_row(const float *x, const float *w, const float *bias, const bool biased,
                                int64_t n, float eps, float *y)
{
    const float sum = sum_of_row(x, n);
    const v16 mean = v16_set(sum / (float)n);
    const v16 r = v16_set(1.0f / sqrtf(sum_of_squares_from(x, n, mean) / (float)n + eps));
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v16_store(y + i, norm_of(v16_load(x + i), mean, r, v16_load(w + i),
                                 biased ? v16_load(bias + i) : v16_zero(), biased));
    const int rest = (int)(n - i);
    if (rest)
        v16_store_n(y + i,
                    norm_of(v16_load_n(x + i, rest), mean, r, v16_load_n(w + i, rest),
                            biased ? v16_load_n(bias + i, rest) : v16_zero(), biased),
                    rest);
}

static void layer_norm(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]);
    const glia_tensor *bias = glia_optional(k, 2);
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n, *w = k->in[1].data;
        const float eps = (float)k->attr[0].f;
        float *y = (float *)k->out[0].data + b.row * n;
        if (bias) layer_norm_row(x, w, bias->data, true, n, eps, y);
        else layer_norm_row(x, w, 0, false, n, eps, y);
    }
}

/* ---- softmax: m = max x; p = exp(x - m); y = p / sum p */

GLIA_INLINE float row_max(const float *x, int64_t n)
{
    float m;
    v16 most = v16_set(-INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        most = v16_max(v16_load(x + i), most); /* a NaN leaves the maximum alone */
    m = v16_most(most);
    for (; i < n; i++) m = x[i] > m ? x[i] : m;
    return m;
}

/* Writes exp(x - m) and gives its sum. */
static float exp_row(const float *x, int64_t n, v16 m, float *y)
{
    glia_tree_f32 tree = {.count = 0};
    for (int64_t s = 0; s < n; s += LANE_SEGMENT) {
        const int64_t end = glia_min(n, s + LANE_SEGMENT);
        v16 acc = v16_zero();
        int64_t i = s;
        for (; i + LANES <= end; i += LANES) {
            const v16 p = v16_exp(v16_sub(v16_load(x + i), m));
            v16_store(y + i, p);
            acc = v16_add(p, acc);
        }
        if (i < end) {
            const int rest = (int)(end - i);
            v16_store_n(y + i, v16_exp(v16_sub(v16_load_n(x + i, rest), m)), rest);
            acc = v16_add(v16_load_n(y + i, rest), acc); /* sums of exp are never -0 */
        }
        glia_tree_push_f32(&tree, v16_tree(acc));
    }
    return glia_tree_done_f32(&tree);
}

static void softmax(const glia_kargs *k)
{
    const int64_t n = glia_last_dim(&k->in[0]);
    for (glia_box b = glia_box_rows(k, k->out[0].rank - 1); b.more; glia_box_next(&b)) {
        const float *x = (const float *)k->in[0].data + b.row * n;
        float *y = (float *)k->out[0].data + b.row * n;
        const v16 m = v16_set(row_max(x, n)), sum = v16_set(exp_row(x, n, m, y));
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES) v16_store(y + i, v16_div(v16_load(y + i), sum));
        const int rest = (int)(n - i);
        if (rest) v16_store_n(y + i, v16_div(v16_load_n(y + i, rest), sum), rest);
    }
}

/* ---- elementwise */

typedef v16 binary_fn(v16 a, v16 b);

/* n elements; a stride of 0 repeats the first element. */
GLIA_INLINE void binary_row(binary_fn *f, const float *a, int64_t sa, const float *b, int64_t sb, float *y,
                            int64_t n)
{
    const v16 a0 = v16_set(n ? *a : 0.0f), b0 = v16_set(n ? *b : 0.0f);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v16_store(y + i, f(sa ? v16_load(a + i) : a0, sb ? v16_load(b + i) : b0));
    const int rest = (int)(n - i);
    if (rest)
        v16_store_n(y + i, f(sa ? v16_load_n(a + i, rest) : a0, sb ? v16_load_n(b + i, rest) : b0), rest);
}

/* The box of out[0] as one run of elements: short rows, of images say, would cost a turn each. */
GLIA_INLINE bool one_run(const glia_kargs *k, int64_t *from, int64_t *count)
{
    const glia_tensor *y = &k->out[0];
    int64_t at = 0, n = 1;
    for (int i = 0; i < y->rank; i++) {
        const int64_t extent = k->end[i] - k->begin[i];
        if (n > 1 && extent != y->dims[i]) return false;
        at = at * y->dims[i] + k->begin[i];
        n *= extent;
    }
    *from = at;
    *count = n;
    return true;
}

/* How an input goes along such a run: element by element, 0: it has but one, -1: neither. */
GLIA_INLINE int64_t run_stride(const glia_tensor *x, const glia_tensor *y)
{
    int64_t nx = 1, ny = 1;
    for (int i = 0; i < x->rank; i++) nx *= x->dims[i];
    for (int i = 0; i < y->rank; i++) ny *= y->dims[i];
    return nx == ny ? 1 : nx == 1 ? 0 : -1;
}

/* Axes from the end of out[0] that both inputs go through as through one: whole in the box, and either element by
 * element or not at all. Returns how many axes are left before them; *inner: elements of the last ones, but for the
 * first of them. */
GLIA_INLINE int merge_axes(const glia_kargs *k, const int64_t *sa, const int64_t *sb, int64_t *inner)
{
    const glia_tensor *y = &k->out[0];
    int lead = glia_leading(y);
    *inner = 1;
    while (lead > 0 && k->begin[lead] == 0 && k->end[lead] == y->dims[lead]) {
        const int64_t n = *inner * y->dims[lead];
        if (y->dims[lead - 1] != 1 &&
            (sa[lead - 1] != sa[y->rank - 1] * n || sb[lead - 1] != sb[y->rank - 1] * n))
            break;
        *inner = n;
        lead--;
    }
    return lead;
}

GLIA_INLINE void binary_rows(const glia_kargs *k, binary_fn *f)
{
    const glia_tensor *y = &k->out[0];
    const float *a = k->in[0].data, *b = k->in[1].data;
    int64_t sa[GLIA_RANK_MAX + 1] = {0}, sb[GLIA_RANK_MAX + 1] = {0}, inner;
    glia_broadcast_strides(&k->in[0], y, sa);
    glia_broadcast_strides(&k->in[1], y, sb);
    const int last = glia_leading(y), lead = merge_axes(k, sa, sb, &inner);
    const int64_t n = (y->rank ? y->dims[lead] : 1) * inner, begin = (y->rank ? k->begin[lead] : 0) * inner,
                  count = (y->rank ? k->end[lead] : 1) * inner - begin;
    for (glia_box box = glia_box_rows(k, lead); box.more; glia_box_next(&box)) {
        int64_t ia = begin * sa[last], ib = begin * sb[last];
        for (int i = 0; i < lead; i++) {
            ia += box.index[i] * sa[i];
            ib += box.index[i] * sb[i];
        }
        binary_row(f, a + ia, sa[last], b + ib, sb[last], (float *)y->data + box.row * n + begin, count);
    }
}

GLIA_INLINE void binary(const glia_kargs *k, binary_fn *f)
{
    const glia_tensor *y = &k->out[0];
    const int64_t sa = run_stride(&k->in[0], y), sb = run_stride(&k->in[1], y);
    int64_t from, count;
    if (sa < 0 || sb < 0 || !one_run(k, &from, &count)) {
        binary_rows(k, f);
        return;
    }
    const float *a = k->in[0].data, *b = k->in[1].data;
    binary_row(f, a + sa * from, sa, b + sb * from, sb, (float *)y->data + from, count);
}

GLIA_INLINE void unary(const glia_kargs *k, binary_fn *f)
{
    const glia_tensor *y = &k->out[0];
    const float *x = k->in[0].data;
    int64_t from, count;
    if (one_run(k, &from, &count)) {
        binary_row(f, x + from, 1, x + from, 1, (float *)y->data + from, count);
        return;
    }
    const int64_t n = glia_last_dim(y), begin = glia_box_begin(k);
    count = glia_box_end(k) - begin;
    for (glia_box box = glia_box_rows(k, glia_leading(y)); box.more; glia_box_next(&box)) {
        const int64_t at = box.row * n + begin;
        binary_row(f, x + at, 1, x + at, 1, (float *)y->data + at, count);
    }
}

/* ---- swiglu_limited: g / (1 + exp(-alpha g)) * (u + 1) */

GLIA_INLINE v16 limited_of(v16 gate, v16 up, v16 alpha, v16 limit, v16 low)
{
    const v16 one = v16_set(1.0f), g = v16_min(limit, gate), u = v16_max(low, v16_min(limit, up));
    return v16_mul(v16_div(g, v16_add(one, v16_exp(v16_negate(v16_mul(alpha, g))))), v16_add(u, one));
}

static void swiglu_limited(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0];
    const int64_t n = glia_last_dim(y), begin = glia_box_begin(k), count = glia_box_end(k) - begin;
    const v16 alpha = v16_set((float)k->attr[0].f), limit = v16_set((float)k->attr[1].f),
              low = v16_negate(limit);
    for (glia_box box = glia_box_rows(k, glia_leading(y)); box.more; glia_box_next(&box)) {
        const int64_t at = box.row * n + begin;
        const float *gate = (const float *)k->in[0].data + at, *up = (const float *)k->in[1].data + at;
        float *to = (float *)y->data + at;
        int64_t i = 0;
        for (; i + LANES <= count; i += LANES)
            v16_store(to + i, limited_of(v16_load(gate + i), v16_load(up + i), alpha, limit, low));
        const int rest = (int)(count - i);
        if (rest > 0)
            v16_store_n(to + i,
                        limited_of(v16_load_n(gate + i, rest), v16_load_n(up + i, rest), alpha, limit, low),
                        rest);
    }
}

/* ---- expert_sum: one chain over the choices, ascending */

static void expert_sum(const glia_kargs *k)
{
    const int64_t choices = k->in[0].dims[1], n = k->in[0].dims[2], end = k->end[1];
    for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
        const float *x = (const float *)k->in[0].data + t * choices * n,
                    *w = (const float *)k->in[1].data + t * choices;
        float *y = (float *)k->out[0].data + t * n;
        for (int64_t i = k->begin[1]; i < end; i += LANES) {
            const int count = (int)glia_min(LANES, end - i);
            v16 sum = v16_zero();
            for (int64_t s = 0; s < choices; s++)
                sum = v16_fma(v16_set(w[s]), v16_load_n(x + s * n + i, count), sum);
            v16_store_n(y + i, sum, count);
        }
    }
}

static void silu(const glia_kargs *k) { unary(k, silu_of); }
static void swiglu(const glia_kargs *k) { binary(k, swiglu_of); }
static void add(const glia_kargs *k) { binary(k, add_of); }
static void sub(const glia_kargs *k) { binary(k, sub_of); }
static void mul(const glia_kargs *k) { binary(k, mul_of); }
static void divide(const glia_kargs *k) { binary(k, div_of); }
static void gelu(const glia_kargs *k) { unary(k, gelu_of); }
static void gelu_erf(const glia_kargs *k) { unary(k, gelu_erf_of); }
static void erf_row(const glia_kargs *k) { unary(k, erf_of); }
static void exp_each(const glia_kargs *k) { unary(k, exp_of); }
static void sigmoid(const glia_kargs *k) { unary(k, sigmoid_of); }
static void tanh_row(const glia_kargs *k) { unary(k, tanh_of); }
static void relu(const glia_kargs *k) { unary(k, relu_of); }

/* ---- rope: per pair (a, b), a' = fma(a, cos, -(b sin)), b' = fma(b, cos, a sin) */

GLIA_INLINE void rotate(float a, float b, float c, float s, float *x, float *y)
{
    *x = fmaf(a, c, -(b * s));
    *y = fmaf(b, c, a * s);
}

/* Halves apart: vectors of pairs. */
static void rope_halves(const float *x, const float *table, float sign, int64_t half, float *y)
{
    const v16 turn = v16_set(sign);
    int64_t i = 0;
    for (; i + LANES <= half; i += LANES) {
        const v16 a = v16_load(x + i), b = v16_load(x + half + i), c = v16_load(table + i),
                  s = v16_mul(turn, v16_load(table + half + i));
        v16_store(y + i, v16_fma(a, c, v16_negate(v16_mul(b, s))));
        v16_store(y + half + i, v16_fma(b, c, v16_mul(a, s)));
    }
    for (; i < half; i++) rotate(x[i], x[half + i], table[i], sign * table[half + i], y + i, y + half + i);
}

/* Neighbours: eight pairs a vector. */
static void rope_pairs(const float *x, const float *table, float sign, int64_t half, float *y)
{
    const v16 turn = v16_set(sign);
    int64_t i = 0;
    for (; i + LANES / 2 <= half; i += LANES / 2) {
        const v16 v = v16_load(x + 2 * i), c = v16_load_twice(table + i),
                  s = v16_mul(turn, v16_load_twice(table + half + i));
        v16_store(y + 2 * i, v16_fma(v, c, v16_negate_first(v16_mul(v16_swap_pairs(v), s))));
    }
    for (; i < half; i++)
        rotate(x[2 * i], x[2 * i + 1], table[i], sign * table[half + i], y + 2 * i, y + 2 * i + 1);
}

static void rope(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *cs = &k->in[1];
    const int64_t d = x->dims[2], r = cs->dims[1], half = r / 2;
    const float sign = k->attr[1].i ? -1.0f : 1.0f;
    for (glia_box box = glia_box_rows(k, 2); box.more; glia_box_next(&box)) {
        const float *table = (const float *)cs->data + box.index[0] * r,
                    *from = (const float *)x->data + box.row * d;
        float *to = (float *)k->out[0].data + box.row * d;
        if (k->attr[0].i) rope_halves(from, table, sign, half, to);
        else rope_pairs(from, table, sign, half, to);
        for (int64_t i = r; i < d; i++) to[i] = from[i];
    }
}

/* ---- kv_put: tokens in ascending order, so that of two at one place the later stays; the box bounds all
 * axes */

GLIA_INLINE void put_element(const int size, uint8_t *to, float v)
{
    if (size == 2) {
        const uint16_t h = f16_of(v);
        memcpy(to, &h, sizeof h);
    } else {
        memcpy(to, &v, sizeof v);
    }
}

/* 32 dims of one position; the steps of put_q8_0 in ops/attention.c. */
GLIA_INLINE void put_block(const float *x, const glia_page_block *to)
{
    const v16 a = v16_load(x), b = v16_load(x + LANES), most = v16_set(127.0f), least = v16_set(-127.0f);
    const int32_t bits = v16i_most(v16i_max(v16_magnitude(a), v16_magnitude(b)));
    int8_t q[GLIA_PAGE_BLOCK] = {0};
    uint16_t d = 0x7e00;
    float m;
    memcpy(&m, &bits, sizeof m);
    if (bits < 0x7f800000) d = f16_of(m / 127.0f);
    memcpy(to->scale, &d, sizeof d);
    if (bits < 0x7f800000 && d) {
        const v16 scale = v16_set_f16(&d);
        v16i_store_i8(q, v16_to_int(v16_max(least, v16_min(most, v16_div(a, scale)))));
        v16i_store_i8(q + LANES, v16_to_int(v16_max(least, v16_min(most, v16_div(b, scale)))));
    }
    for (int i = 0; i < GLIA_PAGE_BLOCK; i++) to->q[i * to->stride] = q[i];
}

/* Dims [begin, end) of one position of page and group `head`. */
GLIA_INLINE void put_blocks(const float *x, const glia_tensor *c, bool transposed, int64_t head, int64_t slot,
                            int64_t slots, int64_t d, int64_t begin, int64_t end)
{
    for (int64_t b = begin / GLIA_PAGE_BLOCK; b * GLIA_PAGE_BLOCK < end; b++) {
        const glia_page_block to = transposed ? glia_page_key(c->data, head, slot, slots, d, b)
                                              : glia_page_value(c->data, head, slot, slots, d, b);
        put_block(x + b * GLIA_PAGE_BLOCK, &to);
    }
}

/* size: bytes of an element; 1 for q8_0. */
GLIA_INLINE void kv_put(const int size, const glia_kargs *k)
{
    const glia_tensor *c = &k->out[0], *x = &k->in[1], *table = &k->in[2];
    const int32_t *seq = k->in[3].data, *pos = k->in[4].data;
    const bool transposed = k->attr[0].i != 0;
    const int64_t groups = x->dims[1], d = x->dims[2], slots = c->dims[transposed ? 3 : 2];
    const int64_t step = (transposed ? slots : 1) * size;
    const int slot_axis = transposed ? 3 : 2, dim_axis = transposed ? 2 : 3;
    for (int64_t t = 0; t < x->dims[0]; t++) {
        const int64_t slot = pos[t] % slots,
                      page = ((const int32_t *)table->data)[seq[t] * table->dims[1] + pos[t] / slots];
        if (page < k->begin[0] || page >= k->end[0] || slot < k->begin[slot_axis] ||
            slot >= k->end[slot_axis])
            continue;
        for (int64_t g = k->begin[1]; g < k->end[1]; g++) {
            const float *from = (const float *)x->data + (t * groups + g) * d;
            if (size == 1) {
                put_blocks(from, c, transposed, page * groups + g, slot, slots, d, k->begin[dim_axis],
                           k->end[dim_axis]);
                continue;
            }
            uint8_t *to = (uint8_t *)c->data +
                          ((page * groups + g) * slots * d + (transposed ? slot : slot * d)) * size;
            int64_t i = k->begin[dim_axis];
            for (; !transposed && i + LANES <= k->end[dim_axis]; i += LANES)
                size == 2 ? v16_store_f16(to + i * step, v16_load(from + i))
                          : v16_store(to + i * step, v16_load(from + i));
            for (; i < k->end[dim_axis]; i++) put_element(size, to + i * step, from[i]);
        }
    }
}

static void kv_put_f16(const glia_kargs *k) { kv_put(2, k); }
static void kv_put_f32(const glia_kargs *k) { kv_put(4, k); }
static void kv_put_q8_0(const glia_kargs *k) { kv_put(1, k); }
