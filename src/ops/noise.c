/* Random numbers by place: element i of stream s of a seed is a pure function (Philox), so a run repeats itself, and
 * no thread or split changes a bit. Of x only the shape and dtype count.
 *
 *     normal 0: uniform in [0, 1) with 24 bits (f64: 53)        normal 1: standard normal (Box-Muller, in f64) */
#include <math.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"

static const glia_attr_spec noise_attrs[] = {{"seed", GLIA_ATTR_INT, false, 0},
                                             {"stream", GLIA_ATTR_INT, false, 0},
                                             {"normal", GLIA_ATTR_INT, false, 0},
                                             {0}};

static double noise_at(const glia_attr *a, int64_t i, bool wide)
{
    uint32_t w[4];
    glia_philox((uint64_t)a[0].i, (uint64_t)a[1].i, (uint64_t)i, w);
    const double u = ((double)(w[0] >> 5) * 0x1p26 + (double)(w[1] >> 6)) * 0x1p-53;
    if (!a[2].i) return wide ? u : (double)(w[0] >> 8) * 0x1p-24;
    const double v = ((double)(w[2] >> 5) * 0x1p26 + (double)(w[3] >> 6)) * 0x1p-53;
    return sqrt(-2 * glia_log(1 - u)) * glia_cos(6.28318530717958647693 * v);
}

static void noise_reference(const glia_kargs *k)
{
    const glia_tensor *y = &k->out[0];
    const int64_t n = glia_last_dim(y);
    for (glia_box b = glia_box_rows(k, glia_leading(y)); b.more; glia_box_next(&b))
        for (int64_t i = b.row * n + glia_box_begin(k), e = b.row * n + glia_box_end(k); i < e; i++)
            glia_set_f64(y, i, noise_at(k->attr, i, y->dtype == GLIA_F64));
}

static void noise_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 60, out); }

static void noise_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 40)}};
    s->attrs[0] = (glia_attr_arg)GLIA_INT("seed", s->pick(s->ctx, 0, 9));
    s->attrs[1] = (glia_attr_arg)GLIA_INT("normal", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_noise = {
    .name = "noise",
    .signature = "x: F[..] -> y: like(x)",
    .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE | GLIA_NO_FOLD,
    .attrs = noise_attrs,
    .infer = glia_infer_plain,
    .no_grad = "random numbers do not depend on the input",
    .cost = noise_cost,
    .reference = noise_reference,
    .sample = noise_sample,
};
