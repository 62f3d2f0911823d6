/* Attention by a state that each token reads and writes: linear, with decay, with the delta rule, or with both.
 *
 *     S = exp(decay_t) S                          where decay is given, per key dim or one for a head
 *     v = beta_t (v_t - S^T k_t)                  where beta is given, else v_t
 *     S = S + k_t v^T         y_t = scale S^T q_t
 *
 * S [d, m] for each of g heads, in f32; q has h heads, and h / g neighbours read the same state. Sums over d are one
 * fma chain ascending. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

static const glia_attr_spec linear_attention_attrs[] = {{"scale", GLIA_ATTR_FLOAT, true, 0}, {0}};

static bool linear_attention_infer(glia_infer *x)
{
    const glia_type *decay = x->in_count > 4 ? &x->in[4] : NULL, *beta = x->in_count > 5 ? &x->in[5] : NULL;
    if (decay && decay->dtype != GLIA_DTYPE_NONE && decay->dims[3] != 1 && decay->dims[3] != x->in[1].dims[3])
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0175",
                               "`linear_attention`: the decay is one number for a head or for each key dim");
    if (beta && beta->dtype != GLIA_DTYPE_NONE && beta->dims[2] != 1 && beta->dims[2] != x->in[1].dims[2])
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0175",
                               "`linear_attention`: the rate is one number for all heads or for each");
    if (!(fabs(x->attr[0].f) <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0175", "`linear_attention`: scale is not finite");
    return glia_infer_plain(x);
}

/* acc[m] = chain over d of state[d, m] v[d] */
static void read_state(const float *state, const float *v, int64_t d, int64_t m, float *acc)
{
    memset(acc, 0, sizeof *acc * (size_t)m);
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < m; j++) acc[j] = fmaf(state[i * m + j], v[i], acc[j]);
}

/* One token of one state. `g` is the head of keys and values, `at` the token's row over batch and time. */
static void one_token(const glia_kargs *k, int64_t at, int64_t g, float *state, float *value)
{
    const glia_tensor *q = &k->in[0], *decay = glia_optional(k, 4), *beta = glia_optional(k, 5);
    const int64_t heads = q->dims[2], groups = k->in[1].dims[2], d = q->dims[3], m = k->in[2].dims[3];
    const float *key = (const float *)k->in[1].data + (at * groups + g) * d,
                *v = (const float *)k->in[2].data + (at * groups + g) * m;
    const float scale = (float)k->attr[0].f;
    if (decay) {
        const int64_t e = decay->dims[3];
        const float *rate = (const float *)decay->data + (at * groups + g) * e;
        for (int64_t i = 0; i < d; i++) {
            const float by = glia_expf(rate[e == 1 ? 0 : i]);
            for (int64_t j = 0; j < m; j++) state[i * m + j] *= by;
        }
    }
    if (beta) {
        const int64_t u = beta->dims[2];
        const float rate = ((const float *)beta->data)[at * u + (u == 1 ? 0 : g)];
        read_state(state, key, d, m, value);
        for (int64_t j = 0; j < m; j++) value[j] = rate * (v[j] - value[j]);
        v = value;
    }
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < m; j++) state[i * m + j] = fmaf(key[i], v[j], state[i * m + j]);
    for (int64_t h = g * heads / groups; h < (g + 1) * heads / groups; h++) {
        float *y = (float *)k->out[0].data + (at * heads + h) * m;
        read_state(state, (const float *)q->data + (at * heads + h) * d, d, m, y);
        for (int64_t j = 0; j < m; j++) y[j] *= scale;
    }
}

static void linear_attention_reference(const glia_kargs *k)
{
    const glia_tensor *past = glia_optional(k, 3);
    const int64_t steps = k->in[0].dims[1], groups = k->in[1].dims[2], d = k->in[0].dims[3],
                  m = k->in[2].dims[3];
    for (int64_t b = k->begin[0]; b < k->end[0]; b++)
        for (int64_t g = 0; g < groups; g++) {
            const int64_t from = (b * groups + g) * d * m;
            float *state = (float *)k->out[1].data + from;
            if (past) memcpy(state, (const float *)past->data + from, sizeof *state * (size_t)(d * m));
            else memset(state, 0, sizeof *state * (size_t)(d * m));
            for (int64_t t = 0; t < steps; t++) one_token(k, b * steps + t, g, state, k->scratch);
        }
}

static int64_t linear_attention_scratch(const glia_kargs *k)
{
    int64_t bytes;
    return glia_mul(k->in[2].dims[3], (int64_t)sizeof(float), &bytes) ? bytes : -1;
}

static void linear_attention_cost(const glia_kargs *k, glia_cost *out)
{
    double tokens = (double)(k->end[0] - k->begin[0]) * (double)k->in[0].dims[1];
    double state = (double)k->in[0].dims[2] * (double)k->in[0].dims[3] * (double)k->in[2].dims[3];
    out->flops = 8 * tokens * state;
    out->bytes = 4 * tokens * state;
}

static void linear_attention_sample(glia_sample *s)
{
    int64_t b = s->pick(s->ctx, 1, 2), t = s->pick(s->ctx, 1, 4), g = s->pick(s->ctx, 1, 2),
            h = g * s->pick(s->ctx, 1, 2), d = s->pick(s->ctx, 1, 5), m = s->pick(s->ctx, 1, 20);
    s->in_count = (int32_t)s->pick(s->ctx, 3, 6);
    s->in[0] = (glia_type){GLIA_F32, 4, 0, {b, t, h, d}};
    s->in[1] = (glia_type){GLIA_F32, 4, 0, {b, t, g, d}};
    s->in[2] = (glia_type){GLIA_F32, 4, 0, {b, t, g, m}};
    s->in[3] = (glia_type){GLIA_F32, 4, 0, {b, g, d, m}};
    s->in[4] = (glia_type){GLIA_F32, 4, 0, {b, t, g, s->pick(s->ctx, 0, 1) ? d : 1}};
    s->in[5] = (glia_type){GLIA_F32, 3, 0, {b, t, s->pick(s->ctx, 0, 1) ? g : 1}};
    for (int i = 0; i < 6; i++) s->lo[i] = -1, s->hi[i] = i > 3 ? 0 : 1;
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("scale", 0.7);
}

const glia_op glia_op_linear_attention = {
    .name = "linear_attention",
    .signature =
        "q: f32[b, t!, h!, d!], k: f32[b, t!, g, d!], v: f32[b, t!, g, m!], s?: f32[b, g, d!, m!], "
        "decay?: f32[b, t!, g, e], beta?: f32[b, t!, u] -> y: f32[b, t, h, m], state: f32[b, g, d, m] "
        "where g divides h",
    .attrs = linear_attention_attrs,
    .infer = linear_attention_infer,
    .no_grad = "the gradient of linear attention is not built yet",
    .cost = linear_attention_cost,
    .scratch = linear_attention_scratch,
    .reference = linear_attention_reference,
    .sample = linear_attention_sample,
};
