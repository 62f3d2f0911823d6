/* Recurrent layers: lstm, gru and rnn, one direction of a whole sequence.
 *
 *     x [t, b, gates * n]  what the input gives to every gate: x W^T with both biases, made by `linear` before
 *     r [gates * n, n]     the recurrent weight, by rows, which may be packed
 *     h0, c0 [b, n]        the state before the first step; left out: zeros
 *     lens [b]             steps of each row; those after them give zeros and leave the state alone
 *
 * A product of a step is that of `linear` (docs/numerics.md); what the input gives is added after it. A row's steps
 * run from the last to the first where `reverse` is set. Lengths are trusted: a guard_range comes before. */
#include "ops/recurrent.h"

#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

#define NO_GRADIENT "recurrent layers are trained step by step, from `linear` and elementwise ops"

static const glia_attr_spec cell_attrs[] = {{"reverse", GLIA_ATTR_INT, false, 0},
                                            {"acts", GLIA_ATTR_INTS, true, 0},
                                            {"alpha0", GLIA_ATTR_FLOAT, false, 0},
                                            {"alpha1", GLIA_ATTR_FLOAT, false, 0},
                                            {"alpha2", GLIA_ATTR_FLOAT, false, 0},
                                            {"beta0", GLIA_ATTR_FLOAT, false, 0},
                                            {"beta1", GLIA_ATTR_FLOAT, false, 0},
                                            {"beta2", GLIA_ATTR_FLOAT, false, 0},
                                            {"clip", GLIA_ATTR_FLOAT, false, 0},
                                            {"form", GLIA_ATTR_INT, false, 0},
                                            {0}};

/* lstm: x r h0 c0 peephole lens; gru: x r h0 bias lens; rnn: x r h0 lens. */
static const glia_tensor *c0_of(const glia_kargs *k) { return k->out_count > 2 ? glia_optional(k, 3) : NULL; }
static bool is_gated(const glia_kargs *k) { return k->in[0].dims[2] != k->out[0].dims[2]; }
static const glia_tensor *extra_of(const glia_kargs *k)
{
    return k->out_count > 2 ? glia_optional(k, 4) : is_gated(k) ? glia_optional(k, 3) : NULL;
}
static const glia_tensor *lens_of(const glia_kargs *k)
{
    return glia_optional(k, k->out_count > 2 ? 5 : is_gated(k) ? 4 : 3);
}
static int64_t count_of(const glia_tensor *lens, int64_t row, int64_t steps)
{
    return lens ? glia_max(0, glia_min(steps, glia_get_i64(lens, row))) : steps;
}

/* h, turn, c [rows, n]; dot [rows, q]; a row of x [q]; peepholes or bias [at most 3 n]. */
static int64_t parts_bytes(const glia_kargs *k, int64_t size)
{
    int64_t n = k->in[1].dims[1], q = k->in[1].dims[0], rows = k->out[0].dims[1], each, all, bytes;
    if (k->begin) rows = k->end[1] - k->begin[1];
    if (!glia_mul(n, 3, &each) || !glia_add(each, q, &each) || !glia_mul(each, glia_max(rows, 1), &all) ||
        !glia_add(all, each, &all) || !glia_mul(all, size, &bytes) || !glia_add(bytes, 64, &bytes))
        return -1;
    return bytes / 64 * 64;
}

#define REAL float
#define REAL_DTYPE GLIA_F32
#define IN(name) name##_f32
#define FN(name) glia_##name##f
#define FMA fmaf
#define READ glia_get_f32
#define WRITE glia_set_f32
#include "ops/recurrent_real.h"
#undef REAL
#undef REAL_DTYPE
#undef IN
#undef FN
#undef FMA
#undef READ
#undef WRITE
#define REAL double
#define REAL_DTYPE GLIA_F64
#define IN(name) name##_f64
#define FN(name) glia_##name
#define FMA fma
#define READ glia_get_f64
#define WRITE glia_set_f64
#include "ops/recurrent_real.h"

bool glia_recurrent_usual(const glia_attr *attr, int gates)
{
    const int64_t *acts = attr[GLIA_CELL_ACTS].ints;
    if (acts[0] != GLIA_ACT_SIGMOID || attr[GLIA_CELL_CLIP].f > 0 || acts[1] != GLIA_ACT_TANH) return false;
    return gates == 3 || (acts[2] == GLIA_ACT_TANH && !attr[GLIA_CELL_FORM].i);
}

const glia_cells_f32 *glia_lstm_cells_f32(const glia_attr *attr)
{
    (void)attr;
    return &lstm_cells_f32;
}
const glia_cells_f32 *glia_gru_cells_f32(const glia_attr *attr)
{
    return attr[GLIA_CELL_FORM].i ? &gru_after_cells_f32 : &gru_cells_f32;
}

static void lstm_reference(const glia_kargs *k)
{
    if (k->out[0].dtype == GLIA_F64) glia_recurrent_f64(k, glia_op_linear.reference, &lstm_cells_f64);
    else glia_recurrent_f32(k, glia_op_linear.reference, &lstm_cells_f32);
}
static void gru_reference(const glia_kargs *k)
{
    const bool after = k->attr[GLIA_CELL_FORM].i != 0;
    if (k->out[0].dtype == GLIA_F64)
        glia_recurrent_f64(k, glia_op_linear.reference, after ? &gru_after_cells_f64 : &gru_cells_f64);
    else glia_recurrent_f32(k, glia_op_linear.reference, after ? &gru_after_cells_f32 : &gru_cells_f32);
}
static void rnn_reference(const glia_kargs *k)
{
    if (k->out[0].dtype == GLIA_F64) glia_recurrent_f64(k, glia_op_linear.reference, &rnn_cells_f64);
    else glia_recurrent_f32(k, glia_op_linear.reference, &rnn_cells_f32);
}

/* Linear's own scratch is behind ours, for one row of x at least. */
static int64_t recurrent_scratch(const glia_kargs *k)
{
    const bool wide = k->out[0].dtype == GLIA_F64;
    int64_t own, bytes = parts_bytes(k, wide ? 8 : 4), n = k->in[1].dims[1];
    const int64_t dims[2] = {1, n};
    const glia_tensor in[2] = {{NULL, dims, 2, 0, wide ? GLIA_F64 : GLIA_F32}, k->in[1]};
    const glia_kargs one = {.in = in, .in_count = 2};
    own = glia_op_linear.scratch(&one);
    if (bytes < 0 || own < 0 || !glia_add(bytes, own, &bytes)) return -1;
    return bytes;
}

static void recurrent_cost(const glia_kargs *k, glia_cost *out)
{
    double rows = (double)glia_box_count(k, 2), q = (double)k->in[1].dims[0], n = (double)k->in[1].dims[1];
    out->flops = 2 * rows * q * n + 20 * rows * q;
    out->bytes = (double)k->out[0].dims[0] * q * n * 4 + 4 * rows * q;
}

static bool recurrent_infer(glia_infer *x, int gates, int acts)
{
    const glia_dim q = x->in[0].dims[2], n = x->in[1].dims[1];
    const glia_attr *a = x->attr;
    if (n < 1 || q < 1 || q != gates * n)
        return glia_infer_fail(
            x, GLIA_E_SHAPE, "G0172",
            "`%s`: x and the recurrent weight have %d gates of a constant size of at least 1", x->op->name,
            gates);
    if (a[GLIA_CELL_ACTS].i != acts)
        return glia_infer_fail(x, GLIA_E_ARG, "G0172", "`%s` has %d activations, not %lld", x->op->name, acts,
                               (long long)a[GLIA_CELL_ACTS].i);
    for (int i = 0; i < acts; i++)
        if (a[GLIA_CELL_ACTS].ints[i] < 0 || a[GLIA_CELL_ACTS].ints[i] >= GLIA_ACT_COUNT)
            return glia_infer_fail(x, GLIA_E_ARG, "G0172", "`%s`: activation %lld is none", x->op->name,
                                   (long long)a[GLIA_CELL_ACTS].ints[i]);
    if (!glia_is_float(x->in[1].dtype))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0172", "`%s`: the recurrent weight is in floats",
                               x->op->name);
    if (x->in[1].dtype == GLIA_F64 && x->in[0].dtype != GLIA_F64)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0172", "`%s`: a weight in f64 takes activations in f64",
                               x->op->name);
    int extra = gates == 4 ? 4 : gates == 3 ? 3 : -1;
    if (extra > 0 && extra < x->in_count && x->in[extra].dtype != GLIA_DTYPE_NONE &&
        x->in[extra].dims[0] != (gates == 4 ? 3 * n : n))
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0172", "`%s`: %s of another size", x->op->name,
                               gates == 4 ? "peepholes" : "a bias");
    return true;
}
static bool lstm_infer(glia_infer *x) { return recurrent_infer(x, 4, 3); }
static bool gru_infer(glia_infer *x) { return recurrent_infer(x, 3, 2); }
static bool rnn_infer(glia_infer *x) { return recurrent_infer(x, 1, 1); }

static void recurrent_sample(glia_sample *s, int gates, int acts)
{
    int64_t t = s->pick(s->ctx, 1, 4), b = s->pick(s->ctx, 1, 3), n = s->pick(s->ctx, 1, 20);
    int lens = gates == 4 ? 5 : gates == 3 ? 4 : 3;
    s->in_count = s->pick(s->ctx, 0, 1) ? lens + 1 : lens;
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {t, b, gates * n}};
    s->in[1] = (glia_type){GLIA_F32, 2, 0, {gates * n, n}};
    for (int i = 2; i < lens; i++) s->in[i] = (glia_type){GLIA_F32, 2, 0, {b, n}};
    if (gates > 1) s->in[lens - 1] = (glia_type){GLIA_F32, 1, 0, {gates == 4 ? 3 * n : n}};
    for (int i = 0; i < lens; i++)
        s->lo[i] = i == 1 ? -0.3 : -0.7, s->hi[i] = -s->lo[i]; /* states do not grow */
    s->in[lens] = (glia_type){GLIA_I32, 1, 0, {b}};
    s->lo[lens] = 0, s->hi[lens] = (double)t;
    for (int i = 0; i < acts; i++)
        s->ints[i] = s->pick(s->ctx, 0, 2) ? i != 0 : s->pick(s->ctx, 0, GLIA_ACT_COUNT - 1);
    s->attrs[0] = (glia_attr_arg)GLIA_INT("reverse", s->pick(s->ctx, 0, 1));
    s->attrs[1] = (glia_attr_arg)GLIA_INTS("acts", s->ints, acts);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("alpha0", 0.3);
    s->attrs[3] = (glia_attr_arg)GLIA_FLOAT("beta0", 0.6);
    s->attrs[4] = (glia_attr_arg)GLIA_FLOAT("alpha1", 0.4);
    s->attrs[5] = (glia_attr_arg)GLIA_FLOAT("clip", s->pick(s->ctx, 0, 1) ? 0.7 : 0);
    s->attrs[6] = (glia_attr_arg)GLIA_INT("form", s->pick(s->ctx, 0, 1));
}
static void lstm_sample(glia_sample *s) { recurrent_sample(s, 4, 3); }
static void gru_sample(glia_sample *s) { recurrent_sample(s, 3, 2); }
static void rnn_sample(glia_sample *s) { recurrent_sample(s, 1, 1); }

const glia_op glia_op_lstm = {
    .name = "lstm",
    .signature =
        "x: F[t!, b, q], r: F|Q[q, n!], h0?: F[b, n], c0?: F[b, n], p?: F[s], lens?: I[b] -> y: F[t, b, n], "
        "h: F[b, n], c: F[b, n]",
    .traits = GLIA_PRODUCT,
    .attrs = cell_attrs,
    .infer = lstm_infer,
    .no_grad = NO_GRADIENT,
    .cost = recurrent_cost,
    .scratch = recurrent_scratch,
    .reference = lstm_reference,
    .sample = lstm_sample,
};

const glia_op glia_op_gru = {
    .name = "gru",
    .signature =
        "x: F[t!, b, q], r: F|Q[q, n!], h0?: F[b, n], bias?: F[s], lens?: I[b] -> y: F[t, b, n], h: F[b, n]",
    .traits = GLIA_PRODUCT,
    .attrs = cell_attrs,
    .infer = gru_infer,
    .no_grad = NO_GRADIENT,
    .cost = recurrent_cost,
    .scratch = recurrent_scratch,
    .reference = gru_reference,
    .sample = gru_sample,
};

const glia_op glia_op_rnn = {
    .name = "rnn",
    .signature = "x: F[t!, b, q], r: F|Q[q, n!], h0?: F[b, n], lens?: I[b] -> y: F[t, b, n], h: F[b, n]",
    .traits = GLIA_PRODUCT,
    .attrs = cell_attrs,
    .infer = rnn_infer,
    .no_grad = NO_GRADIENT,
    .cost = recurrent_cost,
    .scratch = recurrent_scratch,
    .reference = rnn_reference,
    .sample = rnn_sample,
};
