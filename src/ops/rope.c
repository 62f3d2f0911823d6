/* Rotary positions (Su et al., 2021): a table of cosines and sines per token, and the rotation itself.
 *
 * Traps: `neox` pairs (i, i + r/2), the original pairs (2i, 2i+1); only the first r elements of a head turn;
 * angles are computed in f64, since pos * frequency loses its fraction in f32 at long contexts. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

static const glia_attr_spec table_attrs[] = {
    {"base", GLIA_ATTR_FLOAT, false, 10000.0},
    {"dims", GLIA_ATTR_INT, true, 0},
    {"scale", GLIA_ATTR_FLOAT, false, 1.0},
    {"magnitude", GLIA_ATTR_FLOAT, false, 1.0},
    {0},
};

/* y[t, i] = magnitude * cos(a), y[t, dims/2 + i] = magnitude * sin(a)
 * with a = (pos * scale) * (base^(-2i/dims) / f[i]). */
static void rope_table_reference(const glia_kargs *k)
{
    const glia_tensor *pos = &k->in[0], *f = glia_optional(k, 1), *y = &k->out[0];
    int64_t dims = y->dims[1], half = dims / 2;
    for (int64_t i = 0; i < half; i++) { /* a pair's power is taken once: it costs more than the waves */
        const bool cosine = i >= k->begin[1] && i < k->end[1],
                   sine = half + i >= k->begin[1] && half + i < k->end[1];
        if (!cosine && !sine) continue;
        double rate = glia_pow(k->attr[0].f, -2.0 * (double)i / (double)dims);
        if (f) rate /= glia_get_f64(f, i);
        for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
            double a = (double)glia_get_i64(pos, t) * k->attr[2].f * rate;
            float *row = (float *)y->data + t * dims;
            if (cosine) row[i] = (float)(glia_cos(a) * k->attr[3].f);
            if (sine) row[half + i] = (float)(glia_sin(a) * k->attr[3].f);
        }
    }
}

static bool rope_table_infer(glia_infer *x)
{
    int64_t dims = x->attr[1].i;
    if (dims < 2 || dims % 2)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0152",
                               "`rope_table`: dims is %lld; rotation takes pairs, an even number above 0",
                               (long long)dims);
    if (x->in_count > 1 && x->in[1].dtype != GLIA_DTYPE_NONE && x->in[1].dims[0] != dims / 2)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0152",
                               "`rope_table`: %lld dims have %lld frequencies; the factors have another size",
                               (long long)dims, (long long)(dims / 2));
    if (!(x->attr[0].f > 0) || !(x->attr[2].f > 0) || !(x->attr[3].f > 0 && x->attr[3].f <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0152",
                               "`rope_table`: base, scale and magnitude have to be above 0");
    return true;
}

static void rope_table_cost(const glia_kargs *k, glia_cost *out)
{
    out->flops = 60.0 * (double)glia_box_count(k, 2);
    out->bytes = 4.0 * (double)glia_box_count(k, 2);
}

static void rope_table_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 5), half = s->pick(s->ctx, 1, 16);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_I32, 1, 0, {t}};
    s->in[1] = (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_F32 : GLIA_F64, 1, 0, {half}};
    s->lo[0] = 0, s->hi[0] = 5000, s->lo[1] = 1, s->hi[1] = 8;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("dims", 2 * half);
    s->attrs[1] = (glia_attr_arg)GLIA_FLOAT("base", 10000.0);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("magnitude", s->pick(s->ctx, 0, 1) ? 1 : 1.25);
}

const glia_op glia_op_rope_table = {
    .name = "rope_table",
    .signature = "pos: i32[t], f?: F[r] -> y: f32[t, #dims]",
    .traits = GLIA_REPLICABLE,
    .attrs = table_attrs,
    .infer = rope_table_infer,
    .no_grad = "positions are integers",
    .cost = rope_table_cost,
    .reference = rope_table_reference,
    .sample = rope_table_sample,
};

/* inverse: turns the other way, for the gradient. */
static const glia_attr_spec rope_attrs[] = {
    {"neox", GLIA_ATTR_INT, false, 0}, {"inverse", GLIA_ATTR_INT, false, 0}, {0}};

/* Per pair (a, b):  a' = fma(a, cos, -(b sin)),  b' = fma(b, cos, a sin). */
static void rope_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *cs = &k->in[1], *y = &k->out[0];
    int64_t d = x->dims[2], r = cs->dims[1], half = r / 2;
    bool neox = k->attr[0].i != 0, wide = y->dtype == GLIA_F64;
    float sign = k->attr[1].i ? -1.0f : 1.0f;
    for (glia_box box = glia_box_rows(k, 2); box.more; glia_box_next(&box)) {
        const float *table = (const float *)cs->data + box.index[0] * r;
        int64_t at = box.row * d;
        for (int64_t i = 0; i < half; i++) {
            int64_t p = at + (neox ? i : 2 * i), q = at + (neox ? i + half : 2 * i + 1);
            float c = table[i], s = sign * table[half + i];
            if (wide) {
                double a = glia_get_f64(x, p), b = glia_get_f64(x, q);
                glia_set_f64(y, p, fma(a, (double)c, -(b * (double)s)));
                glia_set_f64(y, q, fma(b, (double)c, a * (double)s));
            } else {
                float a = glia_get_f32(x, p), b = glia_get_f32(x, q);
                glia_set_f32(y, p, fmaf(a, c, -(b * s)));
                glia_set_f32(y, q, fmaf(b, c, a * s));
            }
        }
        for (int64_t i = r; i < d; i++) {
            if (wide) glia_set_f64(y, at + i, glia_get_f64(x, at + i));
            else glia_set_f32(y, at + i, glia_get_f32(x, at + i));
        }
    }
}

static bool rope_infer(glia_infer *x)
{
    glia_dim r = x->in[1].dims[1];
    if (r < 0 || r % 2)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0152",
                               "`rope`: the table needs an even, constant number of columns");
    return glia_infer_plain(x);
}

/* The gradient of a rotation is the rotation back. */
static void rope_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_attr_arg attrs[] = {GLIA_INT("neox", n->attr[0].i), GLIA_INT("inverse", !n->attr[1].i), {0}};
    din[0] = glia_build_attr(g, "rope", attrs, 2, dout[0], n->in[1]);
}

static void rope_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 4), h = s->pick(s->ctx, 1, 4), half = s->pick(s->ctx, 1, 10);
    int64_t rest = s->pick(s->ctx, 0, 5);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {t, h, 2 * half + rest}};
    s->in[1] = (glia_type){GLIA_F32, 2, 0, {t, 2 * half}};
    s->lo[0] = -2, s->hi[0] = 2, s->lo[1] = -1, s->hi[1] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("neox", s->pick(s->ctx, 0, 1));
}

const glia_op glia_op_rope = {
    .name = "rope",
    .signature = "x: F[t, h, d!], cs: f32[t, r] -> y: like(x) where r <= d",
    .traits = GLIA_INPLACE_0,
    .attrs = rope_attrs,
    .infer = rope_infer,
    .grad = rope_grad,
    .reference = rope_reference,
    .sample = rope_sample,
};
