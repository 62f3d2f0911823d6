/* Depthwise qconv, with plain weights. Differences from the zero points, and the sums of up to 256 of their products,
 * are whole numbers below 2^24, so that they are summed as floats, exactly, by the loops of conv_float.h. */
#include "provider/cpu/conv_float.h"
#include "provider/cpu/simd16_int.h"

typedef struct qdepth_call {
    glia_window g;
    conv_plane plane;
    int64_t begin, end; /* output rows */
    uint8_t flip;       /* what makes I8 of an input */
    float zero;         /* x_zero of that I8 */
    const int32_t *bias;
    const float *scale;
    const glia_tensor *w_zeros;
    float low, high;
    int32_t y_zero;
    int64_t at[DEPTH_TAPS];
} qdepth_call;

/* n bytes, `stride` apart, as floats less the zero point. */
GLIA_INLINE void qdepth_copy(const qdepth_call *c, const uint8_t *from, int64_t stride, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i += 16) {
        uint8_t t[16] = {0};
        const int count = (int)glia_min(16, n - i);
        if (stride == 1 && count == 16) memcpy(t, from + i, 16);
        else
            for (int j = 0; j < count; j++) t[j] = from[(i + j) * stride];
        for (int j = 0; j < 16; j++) t[j] ^= c->flip;
        v16_store_n(to + i, v16_sub(v16_load_i8(t), v16_set(c->zero)), count);
    }
}

/* As conv_pad_plane. */
static void qdepth_plane(const qdepth_call *c, const uint8_t *x)
{
    const glia_window *g = &c->g;
    const int64_t s = g->stride[2], first = glia_window_start(g, 1, c->begin),
                  rows = (c->end - 1 - c->begin) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
    for (int64_t r = 0; r < rows; r++) {
        float *to = c->plane.at + r * c->plane.row;
        const int64_t y = first + r;
        if (y < 0 || y >= g->in[1]) {
            conv_fill(to, c->plane.row, 0.0f);
            continue;
        }
        for (int64_t f = 0; f < s; f++, to += c->plane.part) {
            const int64_t low = glia_min(c->plane.part, glia_max(0, glia_ceil_div(g->pad[2] - f, s))),
                          high = glia_max(
                              low, glia_min(c->plane.part, glia_ceil_div(g->in[2] + g->pad[2] - f, s)));
            conv_fill(to, low, 0.0f);
            qdepth_copy(c, x + y * g->in[2] + low * s + f - g->pad[2], s, high - low, to + low);
            conv_fill(to + high, c->plane.part - high, 0.0f);
        }
    }
}

static int64_t qdepth_number(const glia_tensor *t, int64_t m)
{
    return t ? glia_get_i64(t, glia_tensor_elements(t) == 1 ? 0 : m) : 0;
}

GLIA_INLINE void qdepth_put(const qdepth_call *c, const glia_tensor *y, int64_t at, int n, v16 sum,
                            int32_t bias, float scale)
{
    const v16i s = v16i_add(v16_to_int(sum), v16i_set(bias));
    if (!c->scale) {
        v16_store_n((int32_t *)y->data + at, v16_of_bits(s), n);
        return;
    }
    const v16 v = v16_rint(v16_mul(v16i_to_floats(s), v16_set(scale)));
    const v16i q =
        v16i_add(v16_to_int(v16_min(v16_set(c->high), v16_max(v, v16_set(c->low)))), v16i_set(c->y_zero));
    uint8_t t[16];
    v16i_store_low(n == 16 ? (uint8_t *)y->data + at : t, q);
    if (n < 16) memcpy((uint8_t *)y->data + at, t, (size_t)n);
}

static void qdepth_channel(const qdepth_call *c, const glia_kargs *k, int64_t n, int64_t m)
{
    const glia_window *g = &c->g;
    const glia_tensor *y = &k->out[0], *bias = glia_optional(k, 4), *scale = glia_optional(k, 5);
    const int32_t add = bias ? (int32_t)qdepth_number(bias, m) : 0;
    const float by = scale ? glia_get_f32(scale, glia_tensor_elements(scale) == 1 ? 0 : m) : 0;
    const int64_t plane = (n * y->dims[1] + m) * g->out_plane, step = g->stride[1] * c->plane.row;
    float w[DEPTH_TAPS];
    for (int64_t t = 0; t < g->taps; t++)
        w[t] = (float)(glia_get_i64(&k->in[1], m * g->taps + t) - qdepth_number(c->w_zeros, m));
    for (int64_t o = c->begin; o < c->end;) {
        const int rows = c->end - o >= 8 ? 8 : c->end - o >= 4 ? 4 : c->end - o >= 2 ? 2 : 1;
        for (int64_t x = 0; x < g->out[2]; x += 16) {
            v16 sums[8];
            const float *from = c->plane.at + (o - c->begin) * step + x;
            if (rows == 8) conv_depth_rows(8, from, step, w, c->at, g->taps, sums);
            else if (rows == 4) conv_depth_rows(4, from, step, w, c->at, g->taps, sums);
            else if (rows == 2) conv_depth_rows(2, from, step, w, c->at, g->taps, sums);
            else conv_depth_rows(1, from, step, w, c->at, g->taps, sums);
            for (int r = 0; r < rows; r++)
                qdepth_put(c, y, plane + (o + r) * g->out[2] + x, (int)glia_min(16, g->out[2] - x), sums[r],
                           add, by);
        }
        o += rows;
    }
}

static void qconv_depth(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *w = &k->in[1], *y = &k->out[0], *scale = glia_optional(k, 5);
    const int last = y->rank - 1;
    qdepth_call c = {.g = glia_window_of(x, y, w->dims + 2, &k->attr[0], &k->attr[1], &k->attr[2]),
                     .plane.at = k->scratch,
                     .flip = x->dtype == GLIA_U8 ? 0x80 : 0,
                     .scale = scale ? scale->data : 0,
                     .w_zeros = glia_optional(k, 3)};
    const glia_window *g = &c.g;
    if (w->dims[1] != 1 || g->rank > 2 || g->taps > DEPTH_TAPS || k->begin[last] != 0 ||
        k->end[last] != y->dims[last]) {
        glia_op_qconv.reference(k);
        return;
    }
    c.begin = g->rank == 2 ? k->begin[2] : 0;
    c.end = g->rank == 2 ? k->end[2] : 1;
    if (c.begin >= c.end) return;
    c.zero = (float)(qdepth_number(glia_optional(k, 2), 0) - (c.flip ? 128 : 0));
    c.y_zero = (int32_t)qdepth_number(glia_optional(k, 6), 0);
    c.low = (float)((y->dtype == GLIA_I8 ? -128 : 0) - c.y_zero);
    c.high = (float)((y->dtype == GLIA_I8 ? 127 : 255) - c.y_zero);
    conv_plane_of(g, &c.plane, c.at);
    const int64_t per_group = y->dims[1] / k->attr[3].i;
    for (int64_t n = k->begin[0]; n < k->end[0]; n++)
        for (int64_t m = k->begin[1]; m < k->end[1]; m++) {
            if (m == k->begin[1] || m % per_group == 0)
                qdepth_plane(&c, (const uint8_t *)x->data + (n * x->dims[1] + m / per_group) * g->in_plane);
            qdepth_channel(&c, k, n, m);
        }
}
