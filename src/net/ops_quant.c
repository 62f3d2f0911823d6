/* Linear quantisation: per tensor, axis or block; and the operators over quantised tensors that exporters emit. */
#include "net/emitter.h"
#include "net/ops_words.h"

/* ---- scales and zero points that broadcast against x ---------------------------------------------------------- */

typedef struct affine {
    int axis;
    int64_t block; /* 0: not by block */
} affine;

static bool affine_of(glia_emit *m, glia_value x, glia_value scale, affine *a)
{
    const glia_type *t = glia_emit_type(m, x), *s = glia_emit_type(m, scale);
    const int64_t block = glia_emit_int(m, "block_size", 0), given = glia_emit_int(m, "axis", 1);
    *a = (affine){0, 0};
    if (!x.id || !scale.id) return false;
    if (glia_emit_elements(m, scale) == 1 && s->rank < 2 && !(block > 0 && t->rank == s->rank)) return true;
    if (!glia_emit_axis(m, given, t->rank, &a->axis)) return false;
    if (block > 0 && s->rank == t->rank) a->block = block;
    else if (s->rank != 1) return glia_emit_fail(m, "scales of %d axes for a tensor of %d", s->rank, t->rank);
    return true;
}

/* v, a scale or zero point, as a tensor that broadcasts. A block's number is repeated over it. */
static glia_value spread(glia_emit *m, glia_value x, glia_value v, const affine *a)
{
    const glia_type t = *glia_emit_type(m, x), s = *glia_emit_type(m, v);
    int64_t dims[GLIA_RANK_MAX], size = t.dims[a->axis];
    if (!a->block)
        return glia_emit_elements(m, v) == 1 ? glia_emit_reshape(m, v, 0, dims)
                                             : glia_word_along(m, v, a->axis, t.rank);
    if (t.rank >= GLIA_RANK_MAX) {
        glia_emit_refuse(m, "blocks in a tensor of %d axes", t.rank);
        return (glia_value){0};
    }
    for (int i = 0; i <= t.rank; i++)
        dims[i] = i <= a->axis ? s.dims[i] : i == a->axis + 1 ? 1 : s.dims[i - 1];
    v = glia_emit_reshape(m, v, t.rank + 1, dims);
    dims[a->axis + 1] = a->block;
    v = glia_emit_expand(m, v, t.rank + 1, dims);
    memcpy(dims, s.dims, sizeof dims);
    dims[a->axis] = s.dims[a->axis] * a->block;
    if (dims[a->axis] < size) {
        glia_emit_fail(m, "%lld blocks of %lld do not cover %lld elements", (long long)s.dims[a->axis],
                       (long long)a->block, (long long)size);
        return (glia_value){0};
    }
    return glia_emit_slice(m, glia_emit_reshape(m, v, t.rank, dims), a->axis, 0, size);
}

static glia_value zero_point(glia_emit *m, glia_value x, glia_value z, const affine *a)
{
    if (!z.id) return glia_emit_scalar(m, GLIA_I32, 0);
    return spread(m, x, glia_emit_cast(m, z, GLIA_I32), a);
}

static glia_value quantize(glia_emit *m, glia_value x, glia_value scale, glia_value z, glia_dtype to,
                           bool saturate)
{
    const glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", to), GLIA_INT("saturate", saturate), {0}};
    return glia_emit_node(m, "quantize_linear", attrs, 3, x, scale, z);
}

static glia_dtype attr_dtype(glia_emit *m, const char *name, glia_dtype otherwise)
{
    const int64_t t = glia_emit_int(m, name, 0);
    return t > 0 && t < 64 ? glia_onnx_dtype((int32_t)t) : otherwise;
}

static bool emit_quantize(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), scale = glia_emit_in(m, 1), z = glia_emit_in(m, 2);
    affine a;
    if (!affine_of(m, x, scale, &a)) return false;
    const glia_dtype to = z.id ? glia_emit_dtype(m, z) : attr_dtype(m, "output_dtype", GLIA_U8);
    /* The division has the scale's precision unless another is asked for; a scale of powers of two is widened. */
    glia_dtype by = attr_dtype(m, "precision", glia_emit_dtype(m, scale));
    if (!(glia_dtype_get(by)->classes & GLIA_CLASS_FLOAT)) by = GLIA_F32;
    glia_value s = spread(m, x, glia_emit_cast(m, scale, by), &a), zero = zero_point(m, x, z, &a);
    glia_emit_set(m, 0,
                  quantize(m, glia_emit_cast(m, x, by), s, zero, to, glia_emit_int(m, "saturate", 1) != 0));
    return true;
}

static bool emit_dequantize(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), scale = glia_emit_in(m, 1), z = glia_emit_in(m, 2);
    affine a;
    if (!affine_of(m, x, scale, &a)) return false;
    const glia_dtype given = glia_emit_dtype(m, scale), to = attr_dtype(m, "output_dtype", given);
    if (!glia_emit_is_float(m, scale)) scale = glia_emit_cast(m, scale, GLIA_F32);
    glia_value y =
        glia_emit_node(m, "dequantize_linear", NULL, 3, x, spread(m, x, scale, &a), zero_point(m, x, z, &a));
    glia_emit_set(m, 0, glia_emit_cast(m, y, to));
    return true;
}

/* scale = (max - min) / 255 with 0 inside the range; zero = clip(round(-min / scale), 0, 255) */
static bool emit_dynamic(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), f[2];
    const glia_type t = *glia_emit_type(m, x);
    int64_t axes[GLIA_RANK_MAX];
    for (int i = 0; i < t.rank; i++) axes[i] = i;
    for (int i = 0; i < 2; i++) {
        f[i] = t.rank ? glia_word_reduce(m, i ? "reduce_max" : "reduce_min", x, axes, t.rank, false) : x;
        f[i] = glia_emit_with(m, i ? "max" : "min", f[i], 0);
    }
    glia_value span = glia_emit_binary(m, "sub", f[1], f[0]), one = glia_emit_scalar(m, GLIA_F32, 1);
    span = glia_word_where(m, glia_emit_with(m, "eq", span, 0), one, span); /* all zeros: any scale will do */
    glia_value scale = glia_emit_with(m, "div", span, 255);
    glia_value z = glia_word_1(m, "neg", glia_emit_binary(m, "div", f[0], scale));
    z = glia_emit_cast(m, glia_word_1(m, "round", z), GLIA_U8);
    glia_emit_set(m, 0, quantize(m, x, scale, glia_emit_cast(m, z, GLIA_I32), GLIA_U8, true));
    glia_emit_set(m, 1, scale);
    glia_emit_set(m, 2, z);
    return true;
}

/* ---- com.microsoft: element-wise operators over quantised tensors */

static glia_value real_input(glia_emit *m, int i)
{
    glia_value x = glia_emit_in(m, i), s = glia_emit_in(m, i + 1), z = glia_emit_in(m, i + 2);
    const affine whole = {0, 0};
    if (!x.id || !s.id) return (glia_value){0};
    return glia_emit_node(m, "dequantize_linear", NULL, 3, x, spread(m, x, s, &whole),
                          zero_point(m, x, z, &whole));
}

static bool set_quantized(glia_emit *m, glia_value y, int i, glia_dtype to)
{
    const affine whole = {0, 0};
    glia_value s = glia_emit_in(m, i), z = glia_emit_in(m, i + 1);
    if (!y.id || !s.id) return false;
    s = spread(m, y, s, &whole);
    glia_emit_set(m, 0, quantize(m, y, s, zero_point(m, y, z, &whole), to, true));
    return true;
}

static bool emit_qlinear_binary(glia_emit *m)
{
    const char *op = !strcmp(glia_emit_op(m), "QLinearAdd") ? "add" : "mul";
    glia_value y = glia_emit_binary(m, op, real_input(m, 0), real_input(m, 3));
    return set_quantized(m, y, 6, glia_emit_dtype(m, glia_emit_in(m, 0)));
}

static bool emit_qlinear_unary(glia_emit *m)
{
    glia_value x = real_input(m, 0);
    const double alpha = glia_emit_float(m, "alpha", (double)0.01f);
    if (!strcmp(glia_emit_op(m), "QLinearSigmoid")) x = glia_word_1(m, "sigmoid", x);
    else x = glia_emit_node(m, "leaky_relu", (glia_attr_arg[]){GLIA_FLOAT("alpha", alpha), {0}}, 1, x);
    return set_quantized(m, x, 3, glia_emit_dtype(m, glia_emit_in(m, 0)));
}

static bool emit_qlinear_concat(glia_emit *m)
{
    enum { MOST = 64 };
    glia_value in[MOST];
    const int count = (glia_emit_in_count(m) - 2) / 3;
    int axis;
    if (count < 1 || count > MOST) return glia_emit_refuse(m, "a concatenation of %d tensors", count);
    for (int i = 0; i < count; i++) in[i] = real_input(m, 2 + 3 * i);
    if (!in[0].id || !glia_emit_axis(m, glia_emit_int(m, "axis", 0), glia_emit_rank(m, in[0]), &axis))
        return false;
    return set_quantized(m, glia_emit_concat(m, axis, count, in), 0, glia_emit_dtype(m, glia_emit_in(m, 2)));
}

/* The mean over the places of each channel. */
static bool emit_qlinear_global_pool(glia_emit *m)
{
    glia_value x = real_input(m, 0);
    const int rank = glia_emit_rank(m, x);
    int64_t axes[GLIA_RANK_MAX];
    if (!x.id) return false;
    if (rank < 3) return glia_emit_fail(m, "an input of %d axes has no places", rank);
    if (glia_emit_int(m, "channels_last", 0)) return glia_emit_refuse(m, "channels in the last axis");
    for (int i = 2; i < rank; i++) axes[i - 2] = i;
    return set_quantized(m, glia_word_reduce(m, "mean", x, axes, rank - 2, true), 3,
                         glia_emit_dtype(m, glia_emit_in(m, 0)));
}

/* ---- MatMulNBits: a weight of 2, 4 or 8 bits in blocks along k, unpacked once */

typedef struct packed {
    const uint8_t *codes, *zeros; /* zeros null: half the range */
    int64_t n, k, bits, block, blocks;
    glia_tensor scales, float_zeros;
} packed;

static uint32_t code_at(const uint8_t *bytes, int64_t i, int64_t bits)
{
    return (uint32_t)(bytes[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
}

static void unpack(const packed *p, float *out)
{
    const int64_t row_bytes = p->block * p->bits / 8, zero_bytes = (p->blocks * p->bits + 7) / 8;
    for (int64_t r = 0; r < p->n; r++)
        for (int64_t i = 0; i < p->k; i++) {
            const int64_t b = i / p->block, at = r * p->blocks + b;
            float zero = (float)(1 << (p->bits - 1));
            if (p->zeros) zero = (float)code_at(p->zeros + r * zero_bytes, b, p->bits);
            else if (p->float_zeros.data) zero = glia_get_f32(&p->float_zeros, at);
            const float q = (float)code_at(p->codes + at * row_bytes, i % p->block, p->bits);
            out[r * p->k + i] = (q - zero) * glia_get_f32(&p->scales, at);
        }
}

static bool emit_matmul_nbits(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), b = glia_emit_in(m, 1), s = glia_emit_in(m, 2), z = glia_emit_in(m, 3),
               bias = glia_emit_in(m, 5);
    packed p = {.n = glia_emit_int(m, "N", 0),
                .k = glia_emit_int(m, "K", 0),
                .bits = glia_emit_int(m, "bits", 4),
                .block = glia_emit_int(m, "block_size", 0)};
    const glia_dtype t = glia_emit_dtype(m, x);
    if (glia_emit_has(m, 4)) return glia_emit_refuse(m, "groups by g_idx");
    if ((p.bits != 2 && p.bits != 4 && p.bits != 8) || p.block < 16 || p.block > 4096 || p.n < 1 || p.k < 1 ||
        p.n > 1 << 24 || p.k > 1 << 24)
        return glia_emit_fail(m, "%lld bits in blocks of %lld", (long long)p.bits, (long long)p.block);
    p.blocks = (p.k + p.block - 1) / p.block;
    if (!x.id || !b.id || !s.id || !(p.codes = glia_emit_need(m, 1)) ||
        !(p.scales.data = (void *)(uintptr_t)glia_emit_need(m, 2)))
        return false;
    if (glia_emit_elements(m, b) != p.n * p.blocks * (p.block * p.bits / 8) ||
        glia_emit_elements(m, s) != p.n * p.blocks)
        return glia_emit_fail(m, "weights or scales of another size than [%lld, %lld]", (long long)p.n,
                              (long long)p.k);
    p.scales.dtype = glia_emit_dtype(m, s);
    if (z.id) {
        const bool codes = glia_emit_dtype(m, z) == GLIA_U8;
        const void *data = glia_emit_need(m, 3);
        if (!data) return false;
        if (glia_emit_elements(m, z) != (codes ? p.n * ((p.blocks * p.bits + 7) / 8) : p.n * p.blocks))
            return glia_emit_fail(m, "zero points of another size");
        if (codes) p.zeros = data;
        else p.float_zeros = (glia_tensor){.data = (void *)(uintptr_t)data, .dtype = glia_emit_dtype(m, z)};
    }
    float *w = glia_arena_alloc(&m->scratch, p.n * p.k * (int64_t)sizeof(float), 64);
    if (!w) return glia_emit_refuse(m, "no memory for its weights");
    unpack(&p, w);
    glia_value weight = glia_emit_constant(m, GLIA_F32, 2, (int64_t[]){p.n, p.k}, w);
    if (bias.id) bias = glia_emit_cast(m, bias, GLIA_F32);
    glia_value y =
        glia_emit_node(m, "linear", NULL, bias.id ? 3 : 2, glia_emit_cast(m, x, GLIA_F32), weight, bias);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

const glia_net_op glia_net_ops_quant[] = {
    {"", "DequantizeLinear", emit_dequantize, NULL, 0},
    {"", "DynamicQuantizeLinear", emit_dynamic, NULL, 0},
    {"", "QuantizeLinear", emit_quantize, NULL, 0},
    {"com.microsoft", "DequantizeLinear", emit_dequantize, NULL, 0},
    {"com.microsoft", "MatMulNBits", emit_matmul_nbits, NULL, 0},
    {"com.microsoft", "QLinearAdd", emit_qlinear_binary, NULL, 0},
    {"com.microsoft", "QLinearConcat", emit_qlinear_concat, NULL, 0},
    {"com.microsoft", "QLinearGlobalAveragePool", emit_qlinear_global_pool, NULL, 0},
    {"com.microsoft", "QLinearLeakyRelu", emit_qlinear_unary, NULL, 0},
    {"com.microsoft", "QLinearMul", emit_qlinear_binary, NULL, 0},
    {"com.microsoft", "QLinearSigmoid", emit_qlinear_unary, NULL, 0},
    {"com.microsoft", "QuantizeLinear", emit_quantize, NULL, 0},
    {0},
};
