/* Remainders, bits and shifts.
 *
 * mod has the sign of the divisor, rem that of the dividend; both are exact. Of integers a divisor of 0 gives 0, as in
 * `div`. A shift by the dtype's width or more moves everything out; signed integers shift right arithmetically. */
#include <math.h>

#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"

static void bits_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 2, out); }

static bool numbers_infer(glia_infer *x)
{
    if (!glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0157", "`%s` takes floats or integers, not %s", x->op->name,
                               glia_dtype_name(x->in[0].dtype));
    return glia_infer_plain(x);
}

static float rem_f32(float x, float y) { return fmodf(x, y); }
static double rem_f64(double x, double y) { return fmod(x, y); }
static int64_t rem_i64(int64_t x, int64_t y) { return y == 0 || y == -1 ? 0 : x % y; }
static uint64_t rem_u64(uint64_t x, uint64_t y) { return y == 0 ? 0 : x % y; }
static void rem_reference(const glia_kargs *k)
{
    static const glia_binary f = {rem_f32, rem_f64, rem_i64, rem_u64};
    glia_binary_run(k, &f);
}

static float mod_f32(float x, float y)
{
    float r = fmodf(x, y);
    return r != 0 ? ((r < 0) != (y < 0) ? r + y : r) : copysignf(r, y);
}
static double mod_f64(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 ? ((r < 0) != (y < 0) ? r + y : r) : copysign(r, y);
}
static int64_t mod_i64(int64_t x, int64_t y)
{
    int64_t r = rem_i64(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static void mod_reference(const glia_kargs *k)
{
    static const glia_binary f = {mod_f32, mod_f64, mod_i64, rem_u64};
    glia_binary_run(k, &f);
}

static int64_t and_i64(int64_t x, int64_t y) { return x & y; }
static int64_t or_i64(int64_t x, int64_t y) { return x | y; }
static int64_t xor_i64(int64_t x, int64_t y) { return x ^ y; }
static int64_t not_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return ~x;
}
static int64_t left_i64(int64_t x, int64_t y) { return y < 0 || y > 63 ? 0 : (int64_t)((uint64_t)x << y); }
static uint64_t left_u64(uint64_t x, uint64_t y) { return y > 63 ? 0 : x << y; }
static int64_t right_i64(int64_t x, int64_t y)
{
    int64_t by = y < 0 || y > 63 ? 63 : y;
    return x < 0 ? ~(~x >> by) : y == by ? x >> by : 0;
}
static uint64_t right_u64(uint64_t x, uint64_t y) { return y > 63 ? 0 : x >> y; }

static void bit_and_reference(const glia_kargs *k)
{
    glia_binary_run(k, &(const glia_binary){NULL, NULL, and_i64, NULL});
}
static void bit_or_reference(const glia_kargs *k)
{
    glia_binary_run(k, &(const glia_binary){NULL, NULL, or_i64, NULL});
}
static void bit_xor_reference(const glia_kargs *k)
{
    glia_binary_run(k, &(const glia_binary){NULL, NULL, xor_i64, NULL});
}
static void bit_not_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, not_i64, NULL});
}
static void shift_left_reference(const glia_kargs *k)
{
    glia_binary_run(k, &(const glia_binary){NULL, NULL, left_i64, left_u64});
}
static void shift_right_reference(const glia_kargs *k)
{
    glia_binary_run(k, &(const glia_binary){NULL, NULL, right_i64, right_u64});
}

static void pair_sample(glia_sample *s, double lo, double hi)
{
    int64_t m = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20);
    s->in_count = 2;
    s->in[0] = (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_I64 : GLIA_I32, 2, 0, {m, n}};
    s->in[1] = (glia_type){s->in[0].dtype, 1, 0, {n}};
    s->lo[0] = -100, s->hi[0] = 100, s->lo[1] = lo, s->hi[1] = hi;
}
static void remainder_sample(glia_sample *s)
{
    pair_sample(s, -7, 7);
    if (!s->pick(s->ctx, 0, 1)) return;
    s->in[0].dtype = s->in[1].dtype = GLIA_F32;
    s->lo[0] = -3, s->hi[0] = 3, s->lo[1] = 0.5;
}
static void bits_sample(glia_sample *s) { pair_sample(s, -100, 100); }
static void shift_sample(glia_sample *s) { pair_sample(s, 0, 20); }
static void not_sample(glia_sample *s)
{
    pair_sample(s, 0, 1);
    s->in_count = 1;
}

#define INTEGERS "integers have no gradient"
#define REMAINDER(op)                                                                                        \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = "a: T[..x], b: T[..y] -> z: T[..x^y]",                        \
                                  .traits = GLIA_INPLACE_0 | GLIA_INPLACE_1 | GLIA_ELEMENTWISE,              \
                                  .infer = numbers_infer,                                                    \
                                  .no_grad = "a remainder jumps wherever the quotient is whole",             \
                                  .cost = bits_cost,                                                         \
                                  .reference = op##_reference,                                               \
                                  .sample = remainder_sample}
REMAINDER(mod);
REMAINDER(rem);

#define BITS(op, more, sampler)                                                                              \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = "a: I[..x], b: I[..y] -> z: I[..x^y]",                        \
                                  .traits = GLIA_INPLACE_0 | GLIA_INPLACE_1 | GLIA_ELEMENTWISE | (more),     \
                                  .infer = glia_infer_plain,                                                 \
                                  .no_grad = INTEGERS,                                                       \
                                  .cost = bits_cost,                                                         \
                                  .reference = op##_reference,                                               \
                                  .sample = sampler}
BITS(bit_and, GLIA_COMMUTATIVE, bits_sample);
BITS(bit_or, GLIA_COMMUTATIVE, bits_sample);
BITS(bit_xor, GLIA_COMMUTATIVE, bits_sample);
BITS(shift_left, 0, shift_sample);
BITS(shift_right, 0, shift_sample);

const glia_op glia_op_bit_not = {
    .name = "bit_not",
    .signature = "x: I[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,
    .infer = glia_infer_plain,
    .no_grad = INTEGERS,
    .cost = bits_cost,
    .reference = bit_not_reference,
    .sample = not_sample,
};

/* ---- bit_cast: the same bits under another dtype of the same size ---- */

static const glia_attr_spec bit_cast_attrs[] = {{"to", GLIA_ATTR_DTYPE, true, 0}, {0}};

static void bit_cast_reference(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0];
    const int64_t n = glia_last_dim(y), size = glia_dtype_get(y->dtype)->block_bytes,
                  span = glia_box_end(k) - glia_box_begin(k);
    for (glia_box b = glia_box_rows(k, glia_leading(y)); b.more && span > 0; glia_box_next(&b)) {
        const int64_t at = (b.row * n + glia_box_begin(k)) * size;
        memcpy((char *)y->data + at, (const char *)k->in[0].data + at, (size_t)(span * size));
    }
}

static bool bit_cast_infer(glia_infer *x)
{
    const glia_dtype_info *from = glia_dtype_get(x->in[0].dtype),
                          *to = glia_dtype_get((glia_dtype)x->attr[0].i);
    if (from->block_elements != 1 || to->block_elements != 1 || from->block_bytes != to->block_bytes)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0190",
                               "`bit_cast` from %s to %s: their elements differ in size", from->name,
                               to->name);
    x->out[0].dtype = (glia_dtype)x->attr[0].i;
    return glia_infer_plain(x);
}

static void bit_cast_sample(glia_sample *s)
{
    static const glia_dtype types[] = {GLIA_I32, GLIA_F32};
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_I32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 20)}};
    s->lo[0] = 1e9, s->hi[0] = 1.1e9; /* bits of floats near 0.01 */
    s->attrs[0] = (glia_attr_arg)GLIA_TYPE_ATTR("to", types[s->pick(s->ctx, 0, 1)]);
}

const glia_op glia_op_bit_cast = {
    .name = "bit_cast",
    .signature = "x: any[..] -> y: to[..]",
    .traits = GLIA_ELEMENTWISE,
    .attrs = bit_cast_attrs,
    .infer = bit_cast_infer,
    .no_grad = "bits are no numbers",
    .cost = bits_cost,
    .reference = bit_cast_reference,
    .sample = bit_cast_sample,
};
