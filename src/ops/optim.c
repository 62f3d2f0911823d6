/* Optimiser updates: weights and moments are states, which an update reads and replaces element by element.
 *
 * The learning rate and the step number are inputs, so that schedules need no new graph. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/ops.h"

static bool update_infer(glia_infer *x)
{
    for (const glia_attr_spec *a = x->op->attrs; a->name; a++) {
        double v = x->attr[a - x->op->attrs].f;
        if (a->kind == GLIA_ATTR_FLOAT && !(v >= 0 && v <= 1))
            return glia_infer_fail(x, GLIA_E_ARG, "G0168", "`%s`: %s is %g; it lies between 0 and 1",
                                   x->op->name, a->name, v);
    }
    for (int i = 1; i < x->in_count && i < 4; i++)
        if (x->in[i].dtype != x->in[0].dtype && x->in[i].rank == x->in[0].rank &&
            glia_is_float(x->in[i].dtype) && (x->in[i].dtype == GLIA_F64) != (x->in[0].dtype == GLIA_F64))
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0168", "`%s`: f64 and narrower floats are not mixed",
                                   x->op->name);
    return glia_infer_plain(x);
}

static void update_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 15 * e;
    out->bytes = e * 4 * (2 * k->out_count + 1);
}

#define NO_GRAD "an update ends a step; nothing is differentiated through it"

/* ---- sgd: m' = fma(momentum, m, g + decay w),  w' = fma(-lr, m', w) ---- */

static const glia_attr_spec sgd_attrs[] = {
    {"momentum", GLIA_ATTR_FLOAT, false, 0}, {"decay", GLIA_ATTR_FLOAT, false, 0}, {0}};

static void sgd_reference(const glia_kargs *k)
{
    const glia_tensor *w = &k->out[0], *m = &k->out[1], *g = &k->in[2];
    float rate = glia_get_f32(&k->in[3], 0), momentum = (float)k->attr[0].f, decay = (float)k->attr[1].f;
    for (glia_box b = glia_box_rows(k, w->rank); b.more; glia_box_next(&b)) {
        int64_t i = b.row;
        if (w->dtype == GLIA_F64) {
            double at = glia_get_f64(w, i);
            double next = fma(k->attr[0].f, glia_get_f64(m, i), fma(k->attr[1].f, at, glia_get_f64(g, i)));
            glia_set_f64(m, i, next);
            glia_set_f64(w, i, fma(-(double)rate, next, at));
        } else {
            float at = glia_get_f32(w, i);
            float next = fmaf(momentum, glia_get_f32(m, i), fmaf(decay, at, glia_get_f32(g, i)));
            glia_set_f32(m, i, next);
            glia_set_f32(w, i, fmaf(-rate, next, at));
        }
    }
}

static void sgd_sample(glia_sample *s)
{
    const glia_type t = {GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 9)}};
    s->in_count = 4;
    for (int i = 0; i < 3; i++) s->in[i] = t, s->lo[i] = -1, s->hi[i] = 1;
    s->in[3] = (glia_type){GLIA_F32, 0, 0, {0}};
    s->lo[3] = 0.01, s->hi[3] = 0.1;
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("momentum", 0.9);
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("decay", 0.01);
}

const glia_op glia_op_sgd = {
    .name = "sgd",
    .signature = "w: state F[..x], m: state F[..x], g: F[..x], lr: f32[] -> w, m",
    .traits = GLIA_NO_FOLD,
    .attrs = sgd_attrs,
    .infer = update_infer,
    .no_grad = NO_GRAD,
    .cost = update_cost,
    .reference = sgd_reference,
    .sample = sgd_sample,
};

/* ---- adamw (Loshchilov and Hutter, 2019), step counted from 1:
 *     m' = fma(b1, m, (1 - b1) g),  v' = fma(b2, v, ((1 - b2) g) g)
 *     d  = (m' c1) / (sqrt(v' c2) + eps)  with c = 1 / (1 - b^step), taken in f64
 *     w' = fma(-lr, fma(decay, w, d), w) ---- */

static const glia_attr_spec adamw_attrs[] = {
    {"beta1", GLIA_ATTR_FLOAT, false, 0.9},
    {"beta2", GLIA_ATTR_FLOAT, false, 0.999},
    {"eps", GLIA_ATTR_FLOAT, false, 1e-8},
    {"decay", GLIA_ATTR_FLOAT, false, 0.01},
    {0},
};

static void adamw_f32(const glia_kargs *k, double c1, double c2, int64_t i)
{
    const glia_tensor *w = &k->out[0], *m = &k->out[1], *v = &k->out[2];
    float b1 = (float)k->attr[0].f, b2 = (float)k->attr[1].f, rate = glia_get_f32(&k->in[4], 0);
    float g = glia_get_f32(&k->in[3], i), at = glia_get_f32(w, i);
    float first = fmaf(b1, glia_get_f32(m, i), (1.0f - b1) * g);
    float second = fmaf(b2, glia_get_f32(v, i), (1.0f - b2) * g * g);
    float d = first * (float)c1 / (sqrtf(second * (float)c2) + (float)k->attr[2].f);
    glia_set_f32(m, i, first);
    glia_set_f32(v, i, second);
    glia_set_f32(w, i, fmaf(-rate, fmaf((float)k->attr[3].f, at, d), at));
}

static void adamw_f64(const glia_kargs *k, double c1, double c2, int64_t i)
{
    const glia_tensor *w = &k->out[0], *m = &k->out[1], *v = &k->out[2];
    double b1 = k->attr[0].f, b2 = k->attr[1].f, rate = glia_get_f64(&k->in[4], 0);
    double g = glia_get_f64(&k->in[3], i), at = glia_get_f64(w, i);
    double first = fma(b1, glia_get_f64(m, i), (1.0 - b1) * g);
    double second = fma(b2, glia_get_f64(v, i), (1.0 - b2) * g * g);
    double d = first * c1 / (sqrt(second * c2) + k->attr[2].f);
    glia_set_f64(m, i, first);
    glia_set_f64(v, i, second);
    glia_set_f64(w, i, fma(-rate, fma(k->attr[3].f, at, d), at));
}

static void adamw_reference(const glia_kargs *k)
{
    double step = (double)glia_get_i64(&k->in[5], 0);
    double c1 = 1.0 / (1.0 - glia_pow(k->attr[0].f, step)), c2 = 1.0 / (1.0 - glia_pow(k->attr[1].f, step));
    for (glia_box b = glia_box_rows(k, k->out[0].rank); b.more; glia_box_next(&b)) {
        if (k->out[0].dtype == GLIA_F64) adamw_f64(k, c1, c2, b.row);
        else adamw_f32(k, c1, c2, b.row);
    }
}

static void adamw_sample(glia_sample *s)
{
    const glia_type t = {GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 9)}};
    s->in_count = 6;
    for (int i = 0; i < 4; i++) s->in[i] = t, s->lo[i] = i == 2 ? 0.1 : -1, s->hi[i] = 1;
    s->in[4] = (glia_type){GLIA_F32, 0, 0, {0}};
    s->in[5] = (glia_type){GLIA_I32, 0, 0, {0}};
    s->lo[4] = 0.01, s->hi[4] = 0.1, s->lo[5] = 1, s->hi[5] = 1000;
}

const glia_op glia_op_adamw = {
    .name = "adamw",
    .signature =
        "w: state F[..x], m: state F[..x], v: state F[..x], g: F[..x], lr: f32[], step: i32[] -> w, m, v",
    .traits = GLIA_NO_FOLD,
    .attrs = adamw_attrs,
    .infer = update_infer,
    .no_grad = NO_GRAD,
    .cost = update_cost,
    .reference = adamw_reference,
    .sample = adamw_sample,
};
