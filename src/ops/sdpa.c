/* Attention over plain tensors: products with keys, softmax and products with values as one op, without the matrix
 * of scores in memory. `sdpa` takes heads outside tokens, [b, h, t, d]; `sdpa_tokens` takes them inside, [b, t, h, d],
 * which is what a product gives without a transpose. Each group of h / g query heads shares one head of keys.
 *
 *     score_j = (q . k_j) * scale, capped, + mask_j       y = sum_j exp(score_j - m) v_j / sum_j exp(score_j - m)
 *
 * Sums run as in docs/numerics.md, "Attention". A key that `causal` hides is not visited; one that a mask hides has the
 * score -inf. A query that sees nothing gets NaN, as a softmax of nothing but -inf gives.
 *
 * Computes in f32; f64 is refused by name (G0210). */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/ops.h"
#include "ops/sdpa.h"
#include "ops/sum.h"

enum { CHUNK = GLIA_SDPA_CHUNK };

/* scale: of scores. causal: key j is seen by query i where j <= i + past; past -1: s - t, so that the last query sees
 * the last key. softcap: scores become cap * tanh(score / cap); 0: they stay. */
static const glia_attr_spec sdpa_attrs[] = {{"scale", GLIA_ATTR_FLOAT, true, 0},
                                            {"causal", GLIA_ATTR_INT, false, 0},
                                            {"past", GLIA_ATTR_INT, false, 0},
                                            {"softcap", GLIA_ATTR_FLOAT, false, 0},
                                            {0}};

void glia_sdpa_read(const glia_kargs *k, bool tokens, glia_sdpa *s)
{
    const glia_tensor *q = &k->in[0], *keys = &k->in[1], *values = &k->in[2], *mask = glia_optional(k, 3);
    const int head = tokens ? 2 : 1, row = tokens ? 1 : 2;
    *s = (glia_sdpa){.heads = q->dims[head],
                     .groups = keys->dims[head],
                     .rows = q->dims[row],
                     .keys = keys->dims[row],
                     .d = q->dims[3],
                     .e = values->dims[3],
                     .scale = (float)k->attr[0].f,
                     .cap = (float)k->attr[3].f,
                     .causal = k->attr[1].i != 0};
    s->past = k->attr[2].i < 0 ? s->keys - s->rows : k->attr[2].i;
    /* Elements between two heads and two rows. */
    s->q_head = tokens ? s->d : s->rows * s->d;
    s->q_row = tokens ? s->heads * s->d : s->d;
    s->k_head = tokens ? s->d : s->keys * s->d;
    s->k_row = tokens ? s->groups * s->d : s->d;
    s->v_head = tokens ? s->e : s->keys * s->e;
    s->v_row = tokens ? s->groups * s->e : s->e;
    s->y_head = tokens ? s->e : s->rows * s->e;
    s->y_row = tokens ? s->heads * s->e : s->e;
    if (!mask) return;
    int64_t stride = 1;
    for (int a = mask->rank - 1, to = 3; a >= 0; a--, to--) {
        if (mask->dims[a] != 1) s->mask[to] = stride;
        stride *= mask->dims[a];
    }
}

/* A query, and where its keys, values and mask begin. */
typedef struct query {
    const glia_kargs *k;
    const glia_sdpa *s;
    int64_t q, keys, values, mask;
} query;

static float score(const query *a, int64_t j)
{
    const glia_tensor *mask = glia_optional(a->k, 3);
    glia_chain_f32 c = {.at = 0};
    for (int64_t i = 0; i < a->s->d; i++)
        glia_chain_add_f32(&c, glia_get_f32(&a->k->in[0], a->q + i),
                           glia_get_f32(&a->k->in[1], a->keys + j * a->s->k_row + i));
    float s = glia_chain_done_f32(&c) * a->s->scale;
    if (a->s->cap > 0) s = glia_tanhf(s / a->s->cap) * a->s->cap;
    if (!mask) return s;
    const int64_t at = a->mask + j * a->s->mask[3];
    if (mask->dtype == GLIA_BOOL) return glia_get_i64(mask, at) ? s : -INFINITY;
    return s + glia_get_f32(mask, at);
}

/* Keys [from, to) of one chunk, as in attention over pages, but what -inf hides counts nothing: where the maximum is
 * -inf, 0 takes its place in differences. */
static float chunk(const query *a, int64_t from, int64_t to, float *p, float *l, float *o)
{
    float m = -INFINITY;
    for (int64_t j = from; j < to; j++) {
        p[j - from] = score(a, j);
        if (p[j - from] > m) m = p[j - from];
    }
    const float base = m == -INFINITY ? 0.0f : m;
    glia_lanes_f32 sum = {.at = 0};
    for (int64_t i = 0; i < a->s->e; i++) o[i] = 0.0f;
    for (int64_t j = from; j < to; j++) {
        float w = glia_expf(p[j - from] - base);
        glia_lanes_add_f32(&sum, w, 1.0f);
        for (int64_t i = 0; i < a->s->e; i++)
            o[i] = fmaf(w, glia_get_f32(&a->k->in[2], a->values + j * a->s->v_row + i), o[i]);
    }
    *l = glia_lanes_done_f32(&sum);
    return m;
}

/* o [e] is the chunk's, all [e] what was merged before. */
static void attend_row(const query *a, int64_t count, float *p, float *o, float *all, int64_t y)
{
    const int64_t e = a->s->e;
    float max = -INFINITY, total = 0.0f;
    for (int64_t i = 0; i < e; i++) all[i] = 0.0f;
    for (int64_t from = 0; from < count; from += CHUNK) {
        float l, m = chunk(a, from, glia_min(from + CHUNK, count), p, &l, o);
        float top = m > max ? m : max, base = top == -INFINITY ? 0.0f : top;
        float old = glia_expf(max - base), new = glia_expf(m - base);
        total = from ? fmaf(total, old, l * new) : l;
        for (int64_t i = 0; i < e; i++) all[i] = from ? fmaf(all[i], old, o[i] * new) : o[i];
        max = top;
    }
    for (int64_t i = 0; i < e; i++) glia_set_f32(&a->k->out[0], y + i, all[i] / total);
}

static void sdpa_run(const glia_kargs *k, bool tokens)
{
    glia_sdpa s;
    glia_sdpa_read(k, tokens, &s);
    float *p = k->scratch, *o = p + CHUNK;
    for (glia_box b = glia_box_rows(k, 3); b.more; glia_box_next(&b)) {
        const int64_t n = b.index[0], h = b.index[tokens ? 2 : 1], t = b.index[tokens ? 1 : 2];
        const int64_t g = h / (s.heads / s.groups);
        query a = {k, &s, 0, 0, 0, 0};
        a.q = n * s.heads * s.rows * s.d + h * s.q_head + t * s.q_row;
        a.keys = n * s.groups * s.keys * s.d + g * s.k_head;
        a.values = n * s.groups * s.keys * s.e + g * s.v_head;
        a.mask = n * s.mask[0] + h * s.mask[1] + t * s.mask[2];
        attend_row(&a, glia_sdpa_seen(&s, t), p, o, o + s.e,
                   n * s.heads * s.rows * s.e + h * s.y_head + t * s.y_row);
    }
}

static void sdpa_reference(const glia_kargs *k) { sdpa_run(k, false); }
static void sdpa_tokens_reference(const glia_kargs *k) { sdpa_run(k, true); }

static int64_t sdpa_scratch(const glia_kargs *k)
{
    const int64_t d = glia_max(k->in[0].dims[3], k->in[2].dims[3]);
    return d > INT32_MAX / 4096 ? -1 : glia_sdpa_room(d) * (int64_t)sizeof(float);
}

/* The mask's axes against [b, h, t, s], from the last. */
static bool mask_infer(glia_infer *x, bool tokens)
{
    const glia_type *mask = &x->in[3], *q = &x->in[0];
    const glia_dim want[4] = {q->dims[0], q->dims[tokens ? 2 : 1], q->dims[tokens ? 1 : 2],
                              x->in[1].dims[tokens ? 1 : 2]};
    if (mask->dtype != GLIA_BOOL && !glia_is_float(mask->dtype))
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0210", "`%s`: a mask is bool or float, not %s", x->op->name,
                               glia_dtype_name(mask->dtype));
    if (mask->rank > 4)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0210", "`%s`: a mask has at most 4 axes, this one has %d",
                               x->op->name, mask->rank);
    for (int a = mask->rank - 1, to = 3; a >= 0; a--, to--)
        if (mask->dims[a] != 1 && !glia_infer_equal(x, mask->dims[a], want[to], "mask")) return false;
    return true;
}

static bool sdpa_check(glia_infer *x, bool tokens)
{
    const glia_dtype t = x->in[0].dtype;
    for (int i = 0; i < 3; i++)
        if (x->in[i].dtype == GLIA_F64 || x->in[i].dtype != t)
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0210",
                                   "`%s` computes in f32, over q, k and v of one dtype; input %d is %s",
                                   x->op->name, i, glia_dtype_name(x->in[i].dtype));
    int64_t least, most;
    glia_dim_bounds(x->g, x->in[1].dims[tokens ? 2 : 1], &least, &most);
    if (least < 1)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0210", "`%s`: there may be no head of keys at all",
                               x->op->name);
    if (!(fabs(x->attr[0].f) <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0210", "`%s`: scale is not finite", x->op->name);
    if (x->attr[2].i < -1 || x->attr[2].i > INT32_MAX)
        return glia_infer_fail(x, GLIA_E_ARG, "G0210",
                               "`%s`: past is %lld; it is -1 (keys less queries), or 0 to %d", x->op->name,
                               (long long)x->attr[2].i, INT32_MAX);
    if (x->attr[3].f != 0 && !(x->attr[3].f >= 1e-3 && x->attr[3].f <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0210",
                               "`%s`: softcap is %g; it is 0 (none), or 0.001 to 1e30", x->op->name,
                               x->attr[3].f);
    if (x->in_count > 3 && x->in[3].dtype != GLIA_DTYPE_NONE && !mask_infer(x, tokens)) return false;
    x->out[0].dtype = t;
    return glia_infer_plain(x);
}

static bool sdpa_infer(glia_infer *x) { return sdpa_check(x, false); }
static bool sdpa_tokens_infer(glia_infer *x) { return sdpa_check(x, true); }

static void sdpa_work(const glia_kargs *k, bool tokens, glia_cost *out)
{
    glia_sdpa s;
    glia_sdpa_read(k, tokens, &s);
    double rows = (double)glia_box_count(k, 3), each = 2 * (double)s.d + 2 * (double)s.e + 20;
    double span = (double)s.keys * (s.causal && s.rows > 1 ? 0.5 : 1);
    out->flops = rows * span * each;
    out->bytes =
        4 * rows * (double)(s.d + s.e) + 4 * rows / (double)glia_max(s.rows, 1) * span * (double)(s.d + s.e);
}

static void sdpa_cost(const glia_kargs *k, glia_cost *out) { sdpa_work(k, false, out); }
static void sdpa_tokens_cost(const glia_kargs *k, glia_cost *out) { sdpa_work(k, true, out); }

static void sample_any(glia_sample *s, bool tokens)
{
    const int64_t b = s->pick(s->ctx, 1, 2), g = s->pick(s->ctx, 1, 2), h = g * s->pick(s->ctx, 1, 3),
                  t = s->pick(s->ctx, 1, 4), d = s->pick(s->ctx, 1, 20), e = s->pick(s->ctx, 1, 20);
    const int64_t n = s->pick(s->ctx, 0, 3) ? s->pick(s->ctx, t, 12) : 300; /* at times two chunks */
    const int64_t full[4] = {b, h, t, n};
    s->in[0] = (glia_type){GLIA_F32, 4, 0, {b, tokens ? t : h, tokens ? h : t, d}};
    s->in[1] = (glia_type){GLIA_F32, 4, 0, {b, tokens ? n : g, tokens ? g : n, d}};
    s->in[2] = (glia_type){GLIA_F32, 4, 0, {b, tokens ? n : g, tokens ? g : n, e}};
    s->in_count = 3;
    const int64_t mask = s->pick(s->ctx, 0, 3);
    if (mask) {
        glia_type m = {mask == 1 ? GLIA_BOOL : GLIA_F32, (int16_t)s->pick(s->ctx, 1, 4), 0, {0}};
        for (int a = 0; a < m.rank; a++) m.dims[a] = s->pick(s->ctx, 0, 2) ? full[4 - m.rank + a] : 1;
        if (mask == 1) m.dims[m.rank - 1] = 1; /* a row that sees nothing is NaN, which no test compares */
        s->in[3] = m;
        s->lo[3] = mask == 1 ? 1 : -1, s->hi[3] = 1;
        s->in_count = 4;
    }
    for (int i = 0; i < 3; i++) s->lo[i] = -1, s->hi[i] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("scale", 0.25);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("causal", s->pick(s->ctx, 0, 1));
    s->attrs[2] = (glia_attr_arg)GLIA_INT("past", s->pick(s->ctx, -1, 2));
    s->attrs[3] = (glia_attr_arg)GLIA_FLOAT("softcap", s->pick(s->ctx, 0, 1) ? 0.75 : 0);
}

static void sdpa_sample(glia_sample *s) { sample_any(s, false); }
static void sdpa_tokens_sample(glia_sample *s) { sample_any(s, true); }

#define NO_GRAD "fused for inference; train with the products and the softmax that it is made of"

const glia_op glia_op_sdpa = {
    .name = "sdpa",
    .signature =
        "q: F[b, h, t, d!], k: F[b, g, s, d], v: F[b, g, s, e], mask?: any[..m] -> y: F[b, h, t, e!] where g "
        "divides h",
    .attrs = sdpa_attrs,
    .infer = sdpa_infer,
    .no_grad = NO_GRAD,
    .cost = sdpa_cost,
    .scratch = sdpa_scratch,
    .reference = sdpa_reference,
    .sample = sdpa_sample,
};

const glia_op glia_op_sdpa_tokens = {
    .name = "sdpa_tokens",
    .signature =
        "q: F[b, t, h, d!], k: F[b, s, g, d], v: F[b, s, g, e], mask?: any[..m] -> y: F[b, t, h, e!] where g "
        "divides h",
    .attrs = sdpa_attrs,
    .infer = sdpa_tokens_infer,
    .no_grad = NO_GRAD,
    .cost = sdpa_tokens_cost,
    .scratch = sdpa_scratch,
    .reference = sdpa_tokens_reference,
    .sample = sdpa_tokens_sample,
};
