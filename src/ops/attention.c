/* Attention over paged states, and the op that appends to them.
 *
 * A state holds pages [p, g, ..]; a page has room for c positions of g key/value heads. table[s, j] is the
 * page of sequence s that holds its logical positions j*c .. j*c + c - 1. Values lie as [p, g, c, d], keys
 * transposed as [p, g, d, c], so that a run of positions is contiguous for the score loop.
 *
 * In pages of Q8_0 a block is 32 dims of one position, whichever way the page lies: a position is appended
 * without touching others. Values are plain Q8_0 rows. Of keys, each page, group and 32 dims hold c scales
 * (F16) and then [32, c] int8, so that the score loop reads runs of positions there too.
 *
 * Which pages and positions a token may touch is data: entry guards check table, seq and pos. */
#include <math.h>

#include "base/fmath.h"
#include "ops/attention.h"
#include "ops/box.h"
#include "ops/ops.h"
#include "ops/sum.h"

#define KEY_CHUNK GLIA_ATTEND_CHUNK
#define BLOCK GLIA_PAGE_BLOCK

/* ---- kv_put ---- */

static const glia_attr_spec kv_put_attrs[] = {{"transposed", GLIA_ATTR_INT, false, 0}, {0}};

/* One position of one group, dims [begin, end): where it lies in the state. */
typedef struct put_place {
    int64_t head; /* page * groups + group */
    int64_t slot, slots, d, begin, end;
    bool transposed;
} put_place;

static void put_plain(const glia_tensor *c, const glia_tensor *x, int64_t from, const put_place *p)
{
    for (int64_t i = p->begin; i < p->end; i++) {
        int64_t at = p->transposed ? i * p->slots + p->slot : p->slot * p->d + i;
        glia_set_f32(c, p->head * p->slots * p->d + at, glia_get_f32(x, from + i));
    }
}

/* m = max |x|, D = m / 127 rounded to F16, q = x / D rounded to nearest even, at most 127 in magnitude. D of
 * 0 gives q = 0; a NaN or an infinity gives D = NaN and q = 0. */
static void put_q8_0(const glia_tensor *c, const glia_tensor *x, int64_t from, const put_place *p)
{
    for (int64_t b = p->begin / BLOCK; b * BLOCK < p->end; b++) {
        float v[BLOCK], m = 0.0f;
        bool finite = true;
        for (int i = 0; i < BLOCK; i++) {
            v[i] = glia_get_f32(x, from + b * BLOCK + i);
            finite = finite && fabsf(v[i]) < INFINITY;
            if (fabsf(v[i]) > m) m = fabsf(v[i]);
        }
        const uint16_t d = finite ? glia_f32_to_f16(m / 127.0f) : 0x7e00;
        const float scale = glia_f16_to_f32(d);
        glia_page_block at = p->transposed ? glia_page_key(c->data, p->head, p->slot, p->slots, p->d, b)
                                           : glia_page_value(c->data, p->head, p->slot, p->slots, p->d, b);
        memcpy(at.scale, &d, sizeof d);
        for (int i = 0; i < BLOCK; i++) {
            float q = scale > 0.0f ? rintf(v[i] / scale) : 0.0f;
            at.q[i * at.stride] = (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q);
        }
    }
}

/* Tokens are stored in ascending order, so of two at one place the later stays. What lies outside the box of
 * the state, on any of its axes, is another call's. */
static void kv_put_reference(const glia_kargs *k)
{
    const glia_tensor *c = &k->out[0], *x = &k->in[1], *table = &k->in[2], *seq = &k->in[3], *pos = &k->in[4];
    const bool transposed = k->attr[0].i != 0;
    const int slot_axis = transposed ? 3 : 2, dim_axis = transposed ? 2 : 3;
    int64_t groups = x->dims[1], d = x->dims[2], slots = c->dims[slot_axis];
    put_place p = {.slots = slots,
                   .d = d,
                   .begin = k->begin[dim_axis],
                   .end = k->end[dim_axis],
                   .transposed = transposed};
    for (int64_t t = 0; t < x->dims[0]; t++) {
        int64_t position = glia_get_i64(pos, t);
        int64_t page = glia_get_i64(table, glia_get_i64(seq, t) * table->dims[1] + position / slots);
        p.slot = position % slots;
        if (page < k->begin[0] || page >= k->end[0] || p.slot < k->begin[slot_axis] ||
            p.slot >= k->end[slot_axis])
            continue;
        for (int64_t g = k->begin[1]; g < k->end[1]; g++) {
            p.head = page * groups + g;
            (c->dtype == GLIA_Q8_0 ? put_q8_0 : put_plain)(c, x, (t * groups + g) * d, &p);
        }
    }
}

/* Blocks are not divided, nor the last axis of a block format anywhere but at its blocks. */
static int64_t kv_put_granule(const glia_kargs *k, int axis)
{
    bool dims = axis == (k->attr[0].i ? 2 : 3);
    return k->out[0].dtype == GLIA_Q8_0 && (dims || axis == 3) ? BLOCK : 1;
}

/* Pages are kept in f32, f16 or q8_0, whose blocks divide the dims and the positions of a page. */
static bool pages_dtype(glia_infer *x, const char *code, const glia_type *pages, glia_dim d)
{
    if (pages->dtype != GLIA_F32 && pages->dtype != GLIA_F16 && pages->dtype != GLIA_Q8_0)
        return glia_infer_fail(x, GLIA_E_DTYPE, code, "`%s`: pages are kept in f32, f16 or q8_0, not %s",
                               x->op->name, glia_dtype_name(pages->dtype));
    if (pages->dtype == GLIA_Q8_0 && (d < 0 || d % BLOCK))
        return glia_infer_fail(x, GLIA_E_SHAPE, code,
                               "`%s`: pages of q8_0 have blocks of %d dims; the head's length is no multiple",
                               x->op->name, BLOCK);
    return true;
}

/* A page has room for a position, and there is a group: sizes of 0 would divide. */
static bool pages_infer(glia_infer *x, const char *code, glia_dim groups, glia_dim slots)
{
    int64_t least, most;
    glia_dim_bounds(x->g, slots, &least, &most);
    if (least < 1)
        return glia_infer_fail(x, GLIA_E_SHAPE, code, "`%s`: a page may have no room at all", x->op->name);
    glia_dim_bounds(x->g, groups, &least, &most);
    if (least < 1)
        return glia_infer_fail(x, GLIA_E_SHAPE, code, "`%s`: there may be no group at all", x->op->name);
    return glia_infer_plain(x);
}

static bool kv_put_infer(glia_infer *x)
{
    const glia_type *c = &x->in[0];
    bool transposed = x->attr[0].i != 0;
    if (!pages_dtype(x, "G0153", c, x->in[1].dims[2])) return false;
    if (c->dims[transposed ? 2 : 3] != x->in[1].dims[2])
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0153",
                               "`kv_put`: a page row has another size than x's last axis (transposed pages "
                               "are [p, g, d, c], others [p, g, c, d])");
    return pages_infer(x, "G0153", c->dims[1], c->dims[transposed ? 3 : 2]);
}

static void kv_put_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_tensor *x = &k->in[1];
    double e = (double)x->dims[0] * (double)(k->end[1] - k->begin[1]) * (double)x->dims[2];
    out->flops = e;
    out->bytes = 6 * e;
}

static void pages_sample(glia_sample *s, int first, int64_t tokens, int64_t slots)
{
    int64_t sequences = s->pick(s->ctx, 1, 3), per = s->pick(s->ctx, 1, 3), pages = s->pick(s->ctx, 1, 6);
    s->in[first] = (glia_type){GLIA_I32, 2, 0, {sequences, per}};
    s->in[first + 1] = (glia_type){GLIA_I32, 1, 0, {tokens}};
    s->in[first + 2] = (glia_type){GLIA_I32, 1, 0, {tokens}};
    s->lo[first] = 0, s->hi[first] = (double)(pages - 1);
    s->lo[first + 1] = 0, s->hi[first + 1] = (double)(sequences - 1);
    s->lo[first + 2] = 0, s->hi[first + 2] = (double)(per * slots - 1);
    s->in_count = first + 3;
    for (int i = 0; i < first; i++) s->in[i].dims[0] = pages; /* the caller overwrites what is no state */
}

static void kv_put_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 4), g = s->pick(s->ctx, 1, 3), d = s->pick(s->ctx, 1, 9),
            c = s->pick(s->ctx, 1, 8);
    int64_t transposed = s->pick(s->ctx, 0, 1);
    pages_sample(s, 2, t, c);
    s->in[0] = (glia_type){s->pick(s->ctx, 0, 1) ? GLIA_F16 : GLIA_F32,
                           4,
                           0,
                           {s->in[0].dims[0], g, transposed ? d : c, transposed ? c : d}};
    s->in[1] = (glia_type){GLIA_F32, 3, 0, {t, g, d}};
    s->lo[0] = s->lo[1] = -1, s->hi[0] = s->hi[1] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("transposed", transposed);
}

const glia_op glia_op_kv_put = {
    .name = "kv_put",
    .signature = "c: state F|Q[p, g, a, b], x: F[t, g, d], table: i32[s, m], seq: i32[t], pos: i32[t] -> c",
    .traits = GLIA_NO_FOLD,
    .attrs = kv_put_attrs,
    .infer = kv_put_infer,
    .no_grad = "a state has no gradient; train with attention over plain tensors",
    .cost = kv_put_cost,
    .granule = kv_put_granule,
    .reference = kv_put_reference,
    .sample = kv_put_sample,
};

/* ---- attend ---- */

/* window: a token at position p sees the `window` positions p - window + 1 .. p; 0: all of 0 .. p.
 * softcap: scores become cap * tanh(score / cap); 0: they stay. */
static const glia_attr_spec attend_attrs[] = {{"scale", GLIA_ATTR_FLOAT, true, 0},
                                              {"window", GLIA_ATTR_INT, false, 0},
                                              {"softcap", GLIA_ATTR_FLOAT, false, 0},
                                              {0}};

/* One query head of one token, and where its keys lie. */
typedef struct query {
    const glia_tensor *q, *keys, *values;
    const int32_t *pages; /* this sequence's row of the table */
    int64_t at;           /* first element of the query head in q */
    int64_t group, groups, d, slots;
    float scale, cap;
} query;

/* Running maximum, sum and weighted values of what was merged so far. */
typedef struct totals {
    bool any;
    float max, sum, *o; /* o [d] */
} totals;

/* fma chain over d in segments of 256 */
static float dot(const query *a, int64_t head, int64_t slot)
{
    glia_chain_f32 c = {.at = 0};
    for (int64_t i = 0; i < a->d; i++)
        glia_chain_add_f32(&c, glia_get_f32(a->q, a->at + i),
                           glia_get_f32(a->keys, (head * a->d + i) * a->slots + slot));
    return glia_chain_done_f32(&c);
}

/* A block: fma chain of q * k over its 32 dims. Blocks: one chain of scale * block. */
static float dot_q8_0(const query *a, int64_t head, int64_t slot)
{
    float sum = 0.0f;
    for (int64_t b = 0; b < a->d / BLOCK; b++) {
        const glia_page_block k = glia_page_key(a->keys->data, head, slot, a->slots, a->d, b);
        float block = 0.0f;
        for (int i = 0; i < BLOCK; i++)
            block = fmaf(glia_get_f32(a->q, a->at + b * BLOCK + i), (float)k.q[i * k.stride], block);
        sum = fmaf(glia_page_scale(&k), block, sum);
    }
    return sum;
}

/* The dot product times scale, then capped. */
static float score(const query *a, int64_t position)
{
    int64_t head = a->pages[position / a->slots] * a->groups + a->group, slot = position % a->slots;
    float s = (a->keys->dtype == GLIA_Q8_0 ? dot_q8_0 : dot)(a, head, slot) * a->scale;
    return a->cap > 0 ? glia_tanhf(s / a->cap) * a->cap : s;
}

/* o += w v; a value in Q8_0 is scale * q, which is exact. */
static void add_value(const query *a, int64_t position, float w, float *o)
{
    int64_t head = a->pages[position / a->slots] * a->groups + a->group, slot = position % a->slots;
    if (a->values->dtype != GLIA_Q8_0) {
        for (int64_t i = 0; i < a->d; i++)
            o[i] = fmaf(w, glia_get_f32(a->values, (head * a->slots + slot) * a->d + i), o[i]);
        return;
    }
    for (int64_t b = 0; b < a->d / BLOCK; b++, o += BLOCK) {
        const glia_page_block v = glia_page_value(a->values->data, head, slot, a->slots, a->d, b);
        const float scale = glia_page_scale(&v);
        for (int i = 0; i < BLOCK; i++) o[i] = fmaf(w, scale * (float)v.q[i], o[i]);
    }
}

/* Keys [from, to) of one chunk: m = max score, p = exp(score - m), *l = sum of p in 16 lanes (lane = position
 * mod 16) met by the tree, o[i] = fma chain of p * v over the keys, ascending from zero. Returns m. */
static float chunk(const query *a, int64_t from, int64_t to, float *p, float *l, float *o)
{
    float m = -INFINITY;
    for (int64_t j = from; j < to; j++) {
        p[j - from] = score(a, j);
        if (p[j - from] > m) m = p[j - from];
    }
    glia_lanes_f32 sum = {.at = from % GLIA_LANES};
    for (int64_t i = 0; i < a->d; i++) o[i] = 0.0f;
    for (int64_t j = from; j < to; j++) {
        float w = glia_expf(p[j - from] - m);
        glia_lanes_add_f32(&sum, w, 1.0f);
        add_value(a, j, w, o);
    }
    *l = glia_lanes_done_f32(&sum);
    return m;
}

/* The first chunk's m, l and o are the totals; each later one joins by
 *     M' = max(M, m),  L = fma(L, exp(M - M'), l * exp(m - M')),  O = fma(O, exp(M - M'), o * exp(m - M')) */
static void merge(totals *t, float m, float l, const float *o, int64_t d)
{
    if (!t->any) {
        t->any = true;
        t->max = m;
        t->sum = l;
        memcpy(t->o, o, (size_t)d * sizeof *o);
        return;
    }
    float top = m > t->max ? m : t->max, old = glia_expf(t->max - top), new = glia_expf(m - top);
    t->sum = fmaf(t->sum, old, l * new);
    for (int64_t i = 0; i < d; i++) t->o[i] = fmaf(t->o[i], old, o[i] * new);
    t->max = top;
}

/* Chunks of 256 keys, which start at multiples of 256 in logical position, merge in ascending order; of the
 * first one only what lies in the window. A sink is a last chunk with m the sink, l = 1 and o = 0. The result
 * is O / L. */
static void attend_reference(const glia_kargs *k)
{
    const glia_tensor *q = &k->in[0], *keys = &k->in[1], *table = &k->in[3], *seq = &k->in[4],
                      *pos = &k->in[5], *sinks = glia_optional(k, 6), *y = &k->out[0];
    int64_t heads = q->dims[1], d = q->dims[2], window = k->attr[1].i;
    float *p = k->scratch, *o = p + KEY_CHUNK;
    query a = {q,
               keys,
               &k->in[2],
               NULL,
               0,
               0,
               keys->dims[1],
               d,
               keys->dims[3],
               (float)k->attr[0].f,
               (float)k->attr[2].f};
    for (glia_box b = glia_box_rows(k, 2); b.more; glia_box_next(&b)) {
        int64_t t = b.index[0], count = glia_get_i64(pos, t) + 1;
        int64_t first = window ? glia_max(count - window, 0) : 0;
        totals all = {.o = o + d};
        a.pages = (const int32_t *)table->data + glia_get_i64(seq, t) * table->dims[1];
        a.at = b.row * d;
        a.group = b.index[1] / (heads / a.groups);
        for (int64_t from = first / KEY_CHUNK * KEY_CHUNK; from < count; from += KEY_CHUNK) {
            float l, m = chunk(&a, glia_max(from, first), glia_min(from + KEY_CHUNK, count), p, &l, o);
            merge(&all, m, l, o, d);
        }
        if (sinks) {
            for (int64_t i = 0; i < d; i++) o[i] = 0.0f;
            merge(&all, glia_get_f32(sinks, b.index[1]), 1.0f, o, d);
        }
        for (int64_t i = 0; i < d; i++) glia_set_f32(y, b.row * d + i, all.o[i] / all.sum);
    }
}

static int64_t attend_scratch(const glia_kargs *k)
{
    int64_t d = k->in[0].dims[2];
    return d > INT32_MAX ? -1 : glia_max(KEY_CHUNK + 2 * d, glia_attend_room(d)) * (int64_t)sizeof(float);
}

static bool attend_infer(glia_infer *x)
{
    for (int i = 0; i < 3; i++)
        if (x->in[i].dtype == GLIA_F64)
            return glia_infer_fail(x, GLIA_E_DTYPE, "G0154", "`attend` computes in f32; input %d is f64", i);
    if (!pages_dtype(x, "G0154", &x->in[1], x->in[0].dims[2])) return false;
    if (x->in[1].dtype != x->in[2].dtype)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0154",
                               "`attend`: keys and values are kept in different dtypes");
    if (!(fabs(x->attr[0].f) <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0154", "`attend`: scale is not finite");
    if (x->attr[1].i < 0 || x->attr[1].i > INT32_MAX)
        return glia_infer_fail(x, GLIA_E_ARG, "G0159", "`attend`: window is %lld; it is 0 (none) to %d",
                               (long long)x->attr[1].i, INT32_MAX);
    if (x->attr[2].f != 0 && !(x->attr[2].f >= 1e-3 && x->attr[2].f <= 1e30))
        return glia_infer_fail(x, GLIA_E_ARG, "G0159",
                               "`attend`: softcap is %g; it is 0 (none), or 0.001 to 1e30", x->attr[2].f);
    return pages_infer(x, "G0154", x->in[1].dims[1], x->in[1].dims[3]);
}

/* Half of what a full table would hold stands for the unknown positions, as far as the window reaches. */
static void attend_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_tensor *keys = &k->in[1], *table = &k->in[3];
    double d = (double)k->in[0].dims[2], rows = (double)glia_box_count(k, 2);
    double span = 0.5 * (double)table->dims[1] * (double)keys->dims[3];
    if (k->attr[1].i) span = fmin(span, (double)k->attr[1].i);
    double groups = rows / ((double)k->in[0].dims[1] / (double)glia_max(keys->dims[1], 1));
    out->flops = rows * span * (4 * d + (k->attr[2].f > 0 ? 40 : 20));
    out->bytes = 8 * rows * d + 2 * groups * span * d * glia_dtype_get(keys->dtype)->block_bytes /
                                    glia_dtype_get(keys->dtype)->block_elements;
}

static void attend_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 3), g = s->pick(s->ctx, 1, 3), ratio = s->pick(s->ctx, 1, 3),
            d = s->pick(s->ctx, 1, 20);
    int64_t c = s->pick(s->ctx, 0, 3) ? s->pick(s->ctx, 1, 16) : 160; /* at times several chunks */
    pages_sample(s, 3, t, c);
    int64_t pages = s->in[1].dims[0];
    s->in[0] = (glia_type){GLIA_F32, 3, 0, {t, g * ratio, d}};
    s->in[1] = (glia_type){GLIA_F32, 4, 0, {pages, g, d, c}};
    s->in[2] = (glia_type){GLIA_F32, 4, 0, {pages, g, c, d}};
    for (int i = 0; i < 3; i++) s->lo[i] = -1, s->hi[i] = 1;
    if (s->pick(s->ctx, 0, 1)) {
        s->in[6] = (glia_type){GLIA_F32, 1, 0, {g * ratio}};
        s->lo[6] = -3, s->hi[6] = 3;
        s->in_count = 7;
    }
    s->attrs[0] = (glia_attr_arg)GLIA_FLOAT("scale", 0.25);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("window", s->pick(s->ctx, 0, 1) ? s->pick(s->ctx, 1, 3 * c) : 0);
    s->attrs[2] = (glia_attr_arg)GLIA_FLOAT("softcap", s->pick(s->ctx, 0, 1) ? 0.75 : 0);
}

const glia_op glia_op_attend = {
    .name = "attend",
    .signature = "q: F[t, h, d!], k: state F|Q[p, g, d, c], v: state F|Q[p, g, c, d], table: i32[s, m], seq: "
                 "i32[t], pos: i32[t], sinks?: f32[h] -> y: like(q) where g divides h",
    .traits = GLIA_NO_FOLD,
    .attrs = attend_attrs,
    .infer = attend_infer,
    .no_grad = "a state has no gradient; train with attention over plain tensors",
    .cost = attend_cost,
    .scratch = attend_scratch,
    .reference = attend_reference,
    .sample = attend_sample,
};
