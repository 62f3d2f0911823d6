/* Comparisons, boolean logic, selection and conversion. Any comparison with NaN is false, but for `ne`. */
#include <math.h>

#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "tensor/lowbit.h"

typedef struct relation {
    bool (*f64)(double x, double y);
    bool (*i64)(int64_t x, int64_t y);
    bool (*u64)(uint64_t x, uint64_t y);
} relation;

/* Every float up to f64 and every integer is compared exactly. */
static void compare(const glia_kargs *k, const relation *r)
{
    const glia_tensor *a = &k->in[0], *b = &k->in[1], *y = &k->out[0];
    int64_t sa[GLIA_RANK_MAX + 1] = {0}, sb[GLIA_RANK_MAX + 1] = {0}, n = glia_last_dim(y);
    int lead = glia_leading(y);
    bool floats = glia_is_float(a->dtype);
    glia_broadcast_strides(a, y, sa);
    glia_broadcast_strides(b, y, sb);
    for (glia_box box = glia_box_rows(k, lead); box.more; glia_box_next(&box)) {
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            int64_t ia = i * sa[lead], ib = i * sb[lead];
            for (int d = 0; d < lead; d++) {
                ia += box.index[d] * sa[d];
                ib += box.index[d] * sb[d];
            }
            bool t;
            if (floats) t = r->f64(glia_get_f64(a, ia), glia_get_f64(b, ib));
            else if (a->dtype == GLIA_U64)
                t = r->u64((uint64_t)glia_get_i64(a, ia), (uint64_t)glia_get_i64(b, ib));
            else t = r->i64(glia_get_i64(a, ia), glia_get_i64(b, ib));
            glia_set_i64(y, box.row * n + i, t);
        }
    }
}

static void compare_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 1, out); }

static void compare_sample(glia_sample *s)
{
    int64_t m = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20);
    s->in_count = 2;
    s->in[0] = (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_I32 : GLIA_F32, 2, 0, {m, n}};
    s->in[1] = (glia_type){s->in[0].dtype, 1, 0, {n}};
    for (int i = 0; i < 2; i++) s->lo[i] = -2, s->hi[i] = 2;
}

static void logic_sample(glia_sample *s)
{
    compare_sample(s);
    for (int i = 0; i < 2; i++) s->in[i].dtype = GLIA_BOOL, s->lo[i] = 0, s->hi[i] = 1;
}

static bool comparable_infer(glia_infer *x)
{
    if (!glia_is_class(x->in[0].dtype, GLIA_CLASS_FLOAT | GLIA_CLASS_INT | GLIA_CLASS_BOOL))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0157", "`%s` compares floats, integers or booleans, not %s",
                               x->op->name, glia_dtype_name(x->in[0].dtype));
    return glia_infer_plain(x);
}

#define COMPARE_SIG "a: T[..x], b: T[..y] -> z: bool[..x^y]"
#define LOGIC_SIG "a: bool[..x], b: bool[..y] -> z: bool[..x^y]"
#define TRUTH "a truth value has no gradient"

static bool eq_f64(double x, double y) { return x == y; }
static bool eq_i64(int64_t x, int64_t y) { return x == y; }
static bool eq_u64(uint64_t x, uint64_t y) { return x == y; }
static bool ne_f64(double x, double y) { return x != y; }
static bool ne_i64(int64_t x, int64_t y) { return x != y; }
static bool ne_u64(uint64_t x, uint64_t y) { return x != y; }
static bool lt_f64(double x, double y) { return x < y; }
static bool lt_i64(int64_t x, int64_t y) { return x < y; }
static bool lt_u64(uint64_t x, uint64_t y) { return x < y; }
static bool le_f64(double x, double y) { return x <= y; }
static bool le_i64(int64_t x, int64_t y) { return x <= y; }
static bool le_u64(uint64_t x, uint64_t y) { return x <= y; }
static bool gt_f64(double x, double y) { return x > y; }
static bool gt_i64(int64_t x, int64_t y) { return x > y; }
static bool gt_u64(uint64_t x, uint64_t y) { return x > y; }
static bool ge_f64(double x, double y) { return x >= y; }
static bool ge_i64(int64_t x, int64_t y) { return x >= y; }
static bool ge_u64(uint64_t x, uint64_t y) { return x >= y; }
static bool and_i64(int64_t x, int64_t y) { return x && y; }
static bool or_i64(int64_t x, int64_t y) { return x || y; }

static void eq_reference(const glia_kargs *k) { compare(k, &(const relation){eq_f64, eq_i64, eq_u64}); }
static void ne_reference(const glia_kargs *k) { compare(k, &(const relation){ne_f64, ne_i64, ne_u64}); }
static void lt_reference(const glia_kargs *k) { compare(k, &(const relation){lt_f64, lt_i64, lt_u64}); }
static void le_reference(const glia_kargs *k) { compare(k, &(const relation){le_f64, le_i64, le_u64}); }
static void gt_reference(const glia_kargs *k) { compare(k, &(const relation){gt_f64, gt_i64, gt_u64}); }
static void ge_reference(const glia_kargs *k) { compare(k, &(const relation){ge_f64, ge_i64, ge_u64}); }
static void and_reference(const glia_kargs *k) { compare(k, &(const relation){NULL, and_i64, NULL}); }
static void or_reference(const glia_kargs *k) { compare(k, &(const relation){NULL, or_i64, NULL}); }
static void xor_reference(const glia_kargs *k) { compare(k, &(const relation){NULL, ne_i64, NULL}); }

#define RELATION(op, sig, check, more, sampler)                                                              \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = sig,                                                          \
                                  .traits = GLIA_ELEMENTWISE | (more),                                       \
                                  .infer = check,                                                            \
                                  .no_grad = TRUTH,                                                          \
                                  .cost = compare_cost,                                                      \
                                  .reference = op##_reference,                                               \
                                  .sample = sampler}
RELATION(eq, COMPARE_SIG, comparable_infer, GLIA_COMMUTATIVE, compare_sample);
RELATION(ne, COMPARE_SIG, comparable_infer, GLIA_COMMUTATIVE, compare_sample);
RELATION(lt, COMPARE_SIG, comparable_infer, 0, compare_sample);
RELATION(le, COMPARE_SIG, comparable_infer, 0, compare_sample);
RELATION(gt, COMPARE_SIG, comparable_infer, 0, compare_sample);
RELATION(ge, COMPARE_SIG, comparable_infer, 0, compare_sample);
RELATION(and, LOGIC_SIG, NULL, GLIA_COMMUTATIVE, logic_sample);
RELATION(or, LOGIC_SIG, NULL, GLIA_COMMUTATIVE, logic_sample);
RELATION(xor, LOGIC_SIG, NULL, GLIA_COMMUTATIVE, logic_sample);

static int64_t not_i64(int64_t x, const glia_attr *a)
{
    (void)a;
    return !x;
}
static void not_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, not_i64, NULL});
}
static void not_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_BOOL, 1, 0, {s->pick(s->ctx, 1, 40)}};
    s->lo[0] = 0, s->hi[0] = 1;
}

const glia_op glia_op_not = {
    .name = "not",
    .signature = "x: bool[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,
    .no_grad = TRUTH,
    .cost = compare_cost,
    .reference = not_reference,
    .sample = not_sample,
};

/* ---- where: z = c ? a : b, the bits as they are ---- */

static void where_reference(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0];
    int64_t stride[3][GLIA_RANK_MAX + 1] = {{0}}, n = glia_last_dim(y),
                                      size = glia_dtype_get(y->dtype)->block_bytes;
    int lead = glia_leading(y);
    for (int i = 0; i < 3; i++) glia_broadcast_strides(&k->in[i], y, stride[i]);
    for (glia_box b = glia_box_rows(k, lead); b.more; glia_box_next(&b)) {
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            int64_t at[3];
            for (int j = 0; j < 3; j++) {
                at[j] = i * stride[j][lead];
                for (int d = 0; d < lead; d++) at[j] += b.index[d] * stride[j][d];
            }
            int from = ((const uint8_t *)k->in[0].data)[at[0]] ? 1 : 2;
            memcpy((char *)y->data + (b.row * n + i) * size, (const char *)k->in[from].data + at[from] * size,
                   (size_t)size);
        }
    }
}

static void where_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value c = n->in[0], dy = dout[0], zero = glia_build_scalar(g, dy, 0.0);
    din[1] = glia_build_sum_to(g, glia_build_call(g, "where", 3, c, dy, zero), n->in[1]);
    din[2] = glia_build_sum_to(g, glia_build_call(g, "where", 3, c, zero, dy), n->in[2]);
}

static void where_sample(glia_sample *s)
{
    int64_t m = s->pick(s->ctx, 1, 5), n = s->pick(s->ctx, 1, 20);
    s->in_count = 3;
    s->in[0] = (glia_type){GLIA_BOOL, 2, 0, {m, n}};
    s->in[1] = (glia_type){GLIA_F32, 1, 0, {n}};
    s->in[2] = (glia_type){GLIA_F32, 2, 0, {m, 1}};
    s->lo[0] = 0, s->hi[0] = 1;
    for (int i = 1; i < 3; i++) s->lo[i] = -2, s->hi[i] = 2;
}

const glia_op glia_op_where = {
    .name = "where",
    .signature = "c: bool[..w], a: T[..x], b: T[..y] -> z: T[..w^x^y]",
    .traits = GLIA_ELEMENTWISE,
    .infer = comparable_infer,
    .grad = where_grad,
    .cost = compare_cost,
    .reference = where_reference,
    .sample = where_sample,
};

/* ---- cast: the only conversion of a dtype ----
 * Float to narrower float: nearest even. Float to integer: towards zero, saturating, NaN to 0; to integers of 4 and 2
 * bits: the low bits of that. To bool: is it not 0. Integer to integer: the low bits. Integer to float: nearest even,
 * once. Floats of 8 bits and fewer saturate (`saturate` 0: infinity or NaN, as the format has it); f8e8m0 takes the
 * power of two that `round` says (lowbit.h: 0 nearest, 1 above, 2 below). */

static const glia_attr_spec cast_attrs[] = {{"to", GLIA_ATTR_DTYPE, true, 0},
                                            {"saturate", GLIA_ATTR_INT, false, 1},
                                            {"round", GLIA_ATTR_INT, false, 0},
                                            {0}};

static int64_t saturate(double v, glia_dtype to)
{
    static const struct {
        glia_dtype type;
        double low, high; /* high is the first power of two that does not fit */
        int64_t min, max;
    } range[] = {
        {GLIA_I8, -0x1p7, 0x1p7, INT8_MIN, INT8_MAX},
        {GLIA_I16, -0x1p15, 0x1p15, INT16_MIN, INT16_MAX},
        {GLIA_I32, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX},
        {GLIA_I64, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX},
        {GLIA_U8, 0, 0x1p8, 0, UINT8_MAX},
        {GLIA_U16, 0, 0x1p16, 0, UINT16_MAX},
        {GLIA_U32, 0, 0x1p32, 0, UINT32_MAX},
        {GLIA_U64, 0, 0x1p64, 0, -1},
        {GLIA_DTYPE_NONE, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX}, /* of the others the low bits */
    };
    int i = 0;
    while (range[i].type != to && range[i].type != GLIA_DTYPE_NONE) i++;
    if (v != v) return 0;
    if (v <= range[i].low) return range[i].min;
    if (v >= range[i].high) return range[i].max;
    return v >= 0x1p63 ? (int64_t)(uint64_t)v : (int64_t)v;
}

static bool low_float(glia_dtype t) { return t >= GLIA_F8E4M3FN && t <= GLIA_F4E2M1; }

/* To a float of 8 bits or fewer. f64 goes through f32 rounded to odd, which keeps the one rounding. */
static void cast_low(const glia_kargs *k, int64_t i)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    uint8_t *to = (uint8_t *)y->data + i;
    float v = glia_get_f32(x, i);
    if (x->dtype == GLIA_F64) v = glia_round_odd(glia_get_f64(x, i));
    if (y->dtype == GLIA_F8E8M0)
        *to = glia_e8m0_from_f32(v, (glia_e8m0_round)k->attr[2].i, k->attr[1].i != 0);
    else *to = glia_lowbit_from_f32(y->dtype, v, k->attr[1].i != 0);
}

static void cast_one(const glia_kargs *k, int64_t i)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    bool from_float = glia_is_float(x->dtype) || low_float(x->dtype), to_float = glia_is_float(y->dtype);
    if (y->dtype == GLIA_BOOL)
        glia_set_i64(y, i, from_float ? glia_get_f64(x, i) != 0 : glia_get_i64(x, i) != 0);
    else if (low_float(y->dtype)) cast_low(k, i);
    else if (!from_float && !to_float) glia_set_i64(y, i, glia_get_i64(x, i));
    else if (!to_float) glia_set_i64(y, i, saturate(glia_get_f64(x, i), y->dtype));
    else if (y->dtype == GLIA_F32) glia_set_f32(y, i, glia_get_f32(x, i)); /* wide integers round once */
    else glia_set_f64(y, i, glia_get_f64(x, i));
}

static void cast_reference(const glia_kargs *k)
{
    int64_t n = glia_last_dim(&k->out[0]);
    for (glia_box b = glia_box_rows(k, glia_leading(&k->out[0])); b.more; glia_box_next(&b))
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) cast_one(k, b.row * n + i);
}

static bool cast_infer(glia_infer *x)
{
    const uint32_t plain = GLIA_CLASS_FLOAT | GLIA_CLASS_INT | GLIA_CLASS_BOOL | GLIA_CLASS_LOWBIT;
    glia_dtype from = x->in[0].dtype, to = (glia_dtype)x->attr[0].i;
    if (!glia_is_class(from, plain) || !glia_is_class(to, plain))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0158",
                               "`cast` converts floats, integers and booleans; this is from %s to %s",
                               glia_dtype_name(from), glia_dtype_name(to));
    x->out[0].dtype = to;
    return glia_infer_plain(x);
}

static void cast_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    if (glia_build_is_float(g, n->in[0]))
        din[0] = glia_build_cast(g, dout[0], glia_build_type(g, n->in[0])->dtype);
}

static void cast_sample(glia_sample *s)
{
    static const glia_dtype types[] = {GLIA_F64, GLIA_F16, GLIA_BF16, GLIA_I8,
                                       GLIA_I32, GLIA_U8,  GLIA_BOOL, GLIA_I64};
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 20)}};
    s->lo[0] = -300, s->hi[0] = 300;
    s->attrs[0] = (glia_attr_arg)GLIA_TYPE_ATTR("to", types[s->pick(s->ctx, 0, GLIA_COUNT(types) - 1)]);
}

const glia_op glia_op_cast = {
    .name = "cast",
    .signature = "x: any[..] -> y: to[..]",
    .traits = GLIA_ELEMENTWISE,
    .attrs = cast_attrs,
    .infer = cast_infer,
    .grad = cast_grad,
    .cost = compare_cost,
    .reference = cast_reference,
    .sample = cast_sample,
};
