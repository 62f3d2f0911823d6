/* attend over paged states; part of kernels_float.h. The file of an instruction set says how many queries a
 * tile holds (ATTEND_QUERIES) and how many vectors of the head (ATTEND_VALUES).
 *
 * Keys lie transposed, so that a vector is 16 positions and scores need no horizontal sums. Queries that read
 * the same keys share the loads: the heads of one group, and consecutive tokens of one sequence. Every query
 * keeps the order of the reference (ops/attention.c): chunks of 256 positions in ascending order, within a
 * chunk one chain per element over ascending keys. Positions that a query must not see are skipped, never
 * multiplied by zero.
 *
 * The size of an element says how pages are kept: 4 f32, 2 f16, 1 q8_0, whose blocks ops/attention.c
 * describes.
 *
 * Pages whose positions are no multiple of 16, and heads over 256, are left to the reference. */

enum { KEY_CHUNK = 256, HEAD_MAX = 256 };

typedef struct attend_call {
    const float *q;
    const uint8_t *keys, *values;
    float *y;
    int64_t groups, d, slots; /* slots: positions in a page */
    int64_t row;              /* bytes of one position's values of one head */
    int size;                 /* bytes of a key or value element */
    float scale, cap;         /* cap 0: none */
    const float *sinks;       /* [h] or null */
} attend_call;

/* Queries that share a group and a sequence. */
typedef struct query_set {
    int count;
    int64_t group;
    const int32_t *pages;
    int64_t at[ATTEND_QUERIES];    /* first element of the query's head in q and y */
    int64_t head[ATTEND_QUERIES];  /* its head */
    int64_t begin[ATTEND_QUERIES]; /* positions that it sees: [begin, end) */
    int64_t end[ATTEND_QUERIES];
    float top[ATTEND_QUERIES], total[ATTEND_QUERIES];
    int64_t most; /* the greatest end */
    float q[ATTEND_QUERIES][HEAD_MAX];
    float sum[ATTEND_QUERIES][HEAD_MAX], o[ATTEND_QUERIES][HEAD_MAX];
    float p[ATTEND_QUERIES][KEY_CHUNK];
} query_set;

GLIA_INLINE v16 load_page(const int size, const uint8_t *p)
{
    return size == 2 ? v16_load_f16(p) : v16_load(p);
}

/* Lanes [at, at + 16) of a position's values. */
GLIA_INLINE v16 load_value(const int size, const uint8_t *row, int64_t at)
{
    if (size != 1) return load_page(size, row + at * size);
    const uint8_t *block = row + at / GLIA_PAGE_BLOCK * GLIA_PAGE_BLOCK_BYTES;
    return v16_mul(v16_set_f16(block), v16_load_i8(block + 2 + at % GLIA_PAGE_BLOCK));
}

GLIA_INLINE v16 load_page_n(const int size, const uint8_t *p, int n)
{
    uint16_t t[16] = {0};
    if (size == 4) return v16_load_n(p, n);
    memcpy(t, p, (size_t)n * 2);
    return v16_load_f16(t);
}

GLIA_INLINE const uint8_t *page_of(const attend_call *c, const query_set *s, const uint8_t *pages,
                                   int64_t position)
{
    return pages + ((int64_t)s->pages[position / c->slots] * c->groups + s->group) * c->slots * c->row;
}

/* Behind a tile's loop: what is stored there is addressed from p and constants. Without it compilers work out
 * two dozen addresses ahead of the loop, and take vector registers from the tile to hold them. */
#define KEEP_ONE_ADDRESS(p) __asm__("" : "+r"(p))

/* What is read two pages after position j's keys or values: keys and values of a chunk in turn. A chunk's
 * bytes are few and in several places, so that the processor alone would find them too late. Past the end it
 * is what is read now. */
GLIA_INLINE const uint8_t *ahead_of(const attend_call *c, const query_set *s, bool values, int64_t from,
                                    int64_t j)
{
    const int64_t end = glia_min(from + KEY_CHUNK, s->most);
    int64_t at = j + 2 * c->slots;
    bool to_values = values;
    if (!values && at >= end) {
        to_values = true;
        at = glia_min(from + (at - end), end - 1);
    } else if (values && at >= end) {
        to_values = false;
        at = at < s->most ? at : j;
    }
    const uint8_t *page = page_of(c, s, to_values ? c->values : c->keys, at);
    return page + at % c->slots * (to_values ? c->row : c->size);
}

/* sum[q][v] += q k over 32 dims of int8 keys that start at dim i, times their scales. */
GLIA_INLINE void score_block(const int Q, const int V, const attend_call *c, const query_set *s,
                             const uint8_t *block, const uint8_t *ahead, int64_t slot, int64_t i,
                             v16 sum[ATTEND_QUERIES][2])
{
    const uint8_t *k = block + 2 * c->slots + slot;
    v16 acc[ATTEND_QUERIES][2];
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[q][v] = v16_zero();
    for (int j = 0; j < GLIA_PAGE_BLOCK; j++, k += c->slots, ahead += GLIA_PAGE_BLOCK_BYTES) {
        v16 x[2];
        __builtin_prefetch(ahead);
        GLIA_UNROLL
        for (int v = 0; v < V; v++) x[v] = v16_load_i8(k + 16 * v);
        GLIA_UNROLL
        for (int q = 0; q < Q; q++) {
            const v16 a = v16_set(s->q[q][i + j]);
            GLIA_UNROLL
            for (int v = 0; v < V; v++) acc[q][v] = v16_fma(a, x[v], acc[q][v]);
        }
    }
    GLIA_UNROLL
    for (int v = 0; v < V; v++) {
        const v16 scale = v16_load_f16(block + 2 * (slot + 16 * v));
        GLIA_UNROLL
        for (int q = 0; q < Q; q++) sum[q][v] = v16_fma(scale, acc[q][v], sum[q][v]);
    }
}

/* Scores of positions [j, j + 16 V) of one page, for Q queries; j - from is where they go. */
GLIA_INLINE void score_tile(const int size, const int Q, const int V, const attend_call *c, query_set *s,
                            int64_t j, int64_t from)
{
    const uint8_t *page = page_of(c, s, c->keys, j), *k = page + j % c->slots * size;
    const uint8_t *ahead = ahead_of(c, s, false, from, j);
    const int64_t stride = c->slots * size;
    float *p = s->p[0] + (j - from);
    v16 acc[ATTEND_QUERIES][2];
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[q][v] = v16_zero();
    for (int64_t i = 0; size == 1 && i < c->d; i += GLIA_PAGE_BLOCK) {
        const int64_t block = i / GLIA_PAGE_BLOCK * c->slots * GLIA_PAGE_BLOCK_BYTES;
        score_block(Q, V, c, s, page + block, ahead + block, j % c->slots, i, acc);
    }
    for (int64_t i = 0; size != 1 && i < c->d; i++, k += stride, ahead += stride) {
        v16 x[2];
        for (int b = 0; b < 16 * V * size; b += 64) __builtin_prefetch(ahead + b);
        GLIA_UNROLL
        for (int v = 0; v < V; v++) x[v] = load_page(size, k + 16 * v * size);
        GLIA_UNROLL
        for (int q = 0; q < Q; q++) {
            const v16 a = v16_set(s->q[q][i]);
            GLIA_UNROLL
            for (int v = 0; v < V; v++) acc[q][v] = v16_fma(a, x[v], acc[q][v]);
        }
    }
    const v16 scale = v16_set(c->scale);
    KEEP_ONE_ADDRESS(p);
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) v16_store(p + q * KEY_CHUNK + 16 * v, v16_mul(acc[q][v], scale));
}

/* Scores [a, b) under the soft cap, in whole vectors. */
GLIA_NOINLINE static void soften(float *p, int64_t a, int64_t b, float cap)
{
    const v16 c = v16_set(cap);
    for (int64_t i = a / LANES * LANES; i < b; i += LANES)
        v16_store(p + i, v16_mul(v16_tanh(v16_div(v16_load(p + i), c)), c));
}

/* Positions [a, to) of the chunk at `from`, rounded out to whole vectors: a page has room for them. */
GLIA_INLINE void scores(const int size, const int Q, const attend_call *c, query_set *s, int64_t from,
                        int64_t a, int64_t to)
{
    for (int64_t j = a / LANES * LANES; j < to;) {
        const int64_t page_end = glia_min(to, (j / c->slots + 1) * c->slots);
        for (; j + 16 < page_end; j += 32) {
            if (j % c->slots + 32 > c->slots) break;
            score_tile(size, Q, 2, c, s, j, from);
        }
        for (; j < page_end; j += 16) score_tile(size, Q, 1, c, s, j, from);
    }
}

/* p = exp(score - m) in place over [a, b), zeros out to whole vectors; *l their sum in 16 lanes. Lanes
 * without a key add a zero to a sum that is not negative. */
GLIA_NOINLINE static float weigh(float *p, int a, int b, float *l)
{
    const float m = row_max(p + a, b - a);
    v16 acc = v16_zero();
    for (int i = a & ~(LANES - 1); i < b; i += LANES) {
        v16 e = v16_exp(v16_sub(v16_load(p + i), v16_set(m)));
        v16_store(p + i, e);
        if (i < a || b - i < LANES) {
            for (int j = i; j < a; j++) p[j] = 0.0f;
            for (int j = b; j < i + LANES; j++) p[j] = 0.0f;
            e = v16_load(p + i);
        }
        acc = v16_add(e, acc);
    }
    *l = v16_tree(acc);
    return m;
}

/* o += p v over keys [a, b) of the chunk, for queries [first, first + Q) and V vectors of the head from `at`;
 * the last of them has `last` lanes. */
GLIA_INLINE void value_tile(const int size, const int Q, const int V, const attend_call *c, query_set *s,
                            int first, int64_t from, int64_t a, int64_t b, int64_t at, int last)
{
    v16 acc[ATTEND_QUERIES][ATTEND_VALUES];
    const int64_t stride = c->row;
    float *o = s->o[first] + at;
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[q][v] = v16_load(o + q * HEAD_MAX + 16 * v);
    for (int64_t j = a; j < b;) {
        const int64_t page_end = glia_min(b, (j / c->slots + 1) * c->slots);
        const uint8_t *row = page_of(c, s, c->values, j) + j % c->slots * c->row;
        const uint8_t *ahead = ahead_of(c, s, true, from, j) + at * c->row / c->d;
        const float *p = s->p[first] + (j - from);
        for (; j < page_end; j++, row += stride, ahead += stride, p++) {
            v16 x[ATTEND_VALUES];
            for (int i = 0; i < 16 * V * size; i += 64) __builtin_prefetch(ahead + i);
            GLIA_UNROLL
            for (int v = 0; v < V; v++)
                x[v] = last == 16 ? load_value(size, row, at + 16 * v)
                                  : load_page_n(size, row + (at + 16 * v) * size, last);
            GLIA_UNROLL
            for (int q = 0; q < Q; q++) {
                const v16 w = v16_set(p[q * KEY_CHUNK]);
                GLIA_UNROLL
                for (int v = 0; v < V; v++) acc[q][v] = v16_fma(w, x[v], acc[q][v]);
            }
        }
    }
    KEEP_ONE_ADDRESS(o);
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) v16_store(o + q * HEAD_MAX + 16 * v, acc[q][v]);
}

GLIA_INLINE void values(const int size, const int Q, const attend_call *c, query_set *s, int first,
                        int64_t from, int64_t a, int64_t b)
{
    int64_t at = 0;
    if (a >= b) return;
    for (; at + 16 * ATTEND_VALUES <= c->d; at += 16 * ATTEND_VALUES)
        value_tile(size, Q, ATTEND_VALUES, c, s, first, from, a, b, at, 16);
    for (; at + 16 <= c->d; at += 16) value_tile(size, Q, 1, c, s, first, from, a, b, at, 16);
    if (at < c->d) value_tile(size, Q, 1, c, s, first, from, a, b, at, (int)(c->d - at));
}

/* The few keys that one query of a set sees and others do not. */
GLIA_NOINLINE static void values_of_one(const int size, const attend_call *c, query_set *s, int q,
                                        int64_t from, int64_t a, int64_t b)
{
    values(size, 1, c, s, q, from, a, b);
}

#include "provider/cpu/attend_many.h"

/* ---- few queries */

/* Merges a chunk's m, l and o of one query into its totals; the first chunk starts them. */
GLIA_NOINLINE static void merge(query_set *s, int q, bool first, float m, float l, int64_t d)
{
    if (first) {
        s->top[q] = m;
        s->total[q] = l;
        memcpy(s->sum[q], s->o[q], (size_t)d * sizeof(float));
        return;
    }
    float top = m > s->top[q] ? m : s->top[q], e[LANES] = {s->top[q] - top, m - top};
    v16_store(e, v16_exp(v16_load(e)));
    const v16 old = v16_set(e[0]), new = v16_set(e[1]);
    s->total[q] = fmaf(s->total[q], e[0], l * e[1]);
    for (int64_t i = 0; i < d; i += 16)
        v16_store(s->sum[q] + i, v16_fma(v16_load(s->sum[q] + i), old, v16_mul(v16_load(s->o[q] + i), new)));
    s->top[q] = top;
}

/* The chunk at `from`. Each query sees its own part of it, perhaps nothing; what all see is read once. */
GLIA_INLINE void attend_chunk(const int size, const int Q, const attend_call *c, query_set *s, int64_t from)
{
    int64_t a[ATTEND_QUERIES], b[ATTEND_QUERIES], low = from + KEY_CHUNK, high = from;
    int64_t shared_a = from, shared_b = from + KEY_CHUNK;
    float m[ATTEND_QUERIES] = {0}, l[ATTEND_QUERIES] = {0};
    for (int q = 0; q < Q; q++) {
        a[q] = glia_max(from, s->begin[q]);
        b[q] = glia_min(from + KEY_CHUNK, s->end[q]);
        low = glia_min(low, a[q]);
        high = glia_max(high, b[q]);
        shared_a = glia_max(shared_a, a[q]);
        shared_b = glia_min(shared_b, b[q]);
    }
    scores(size, Q, c, s, from, low, high);
    for (int q = 0; q < Q && c->cap > 0; q++) soften(s->p[q], low - from, high - from, c->cap);
    for (int q = 0; q < Q; q++) {
        memset(s->o[q], 0, sizeof s->o[q]);
        if (a[q] < b[q]) m[q] = weigh(s->p[q], (int)(a[q] - from), (int)(b[q] - from), &l[q]);
        if (Q > 1) values_of_one(size, c, s, q, from, a[q], glia_min(shared_a, b[q]));
    }
    values(size, Q, c, s, 0, from, shared_a, shared_b);
    for (int q = 0; q < Q; q++) {
        if (Q > 1) values_of_one(size, c, s, q, from, glia_max(shared_a, glia_max(shared_b, a[q])), b[q]);
        if (a[q] < b[q]) merge(s, q, from <= s->begin[q], m[q], l[q], c->d);
    }
}

GLIA_INLINE void attend_set(const int size, const int Q, const attend_call *c, query_set *s)
{
    int64_t least = INT64_MAX, most = 0;
    for (int q = 0; q < Q; q++) {
        least = glia_min(least, s->begin[q]);
        most = glia_max(most, s->end[q]);
    }
    s->most = most;
    for (int q = 0; q < Q; q++) memcpy(s->q[q], c->q + s->at[q], (size_t)c->d * sizeof *c->q);
    for (int64_t from = least / KEY_CHUNK * KEY_CHUNK; from < most; from += KEY_CHUNK)
        attend_chunk(size, Q, c, s, from);
    for (int q = 0; q < Q && c->sinks; q++) {
        memset(s->o[q], 0, sizeof s->o[q]);
        merge(s, q, false, c->sinks[s->head[q]], 1.0f, c->d);
    }
    for (int q = 0; q < Q; q++) {
        const v16 total = v16_set(s->total[q]);
        int64_t i = 0;
        for (; i + 16 <= c->d; i += 16)
            v16_store(c->y + s->at[q] + i, v16_div(v16_load(s->sum[q] + i), total));
        if (i < c->d)
            v16_store_n(c->y + s->at[q] + i, v16_div(v16_load(s->sum[q] + i), total), (int)(c->d - i));
    }
}

GLIA_INLINE void attend_these(const int size, const attend_call *c, query_set *s)
{
    switch (s->count) {
    case 1: attend_set(size, 1, c, s); break;
    case 2: attend_set(size, 2, c, s); break;
#if ATTEND_QUERIES > 2
    case 3: attend_set(size, 3, c, s); break;
#endif
    default: attend_set(size, ATTEND_QUERIES, c, s); break;
    }
}

/* Heads [h0, h1) of group g for tokens [t0, t1), all of one sequence. */
typedef struct query_run {
    int64_t group, t0, t1, h0, h1;
    int64_t heads, window;
    const int32_t *pages, *pos;
} query_run;

/* More queries than a set's: in blocks, each over all of its keys. */
GLIA_INLINE void attend_run(const int size, const query_run *r, attend_block *s)
{
    const int64_t wide = glia_min(r->h1 - r->h0, RUN_ROWS), high = RUN_ROWS / wide;
    s->group = r->group;
    s->pages = r->pages;
    for (int64_t h0 = r->h0; h0 < r->h1; h0 += wide)
        for (int64_t t0 = r->t0; t0 < r->t1; t0 += high) {
            s->count = 0;
            for (int64_t t = t0; t < glia_min(t0 + high, r->t1); t++)
                for (int64_t h = h0; h < glia_min(h0 + wide, r->h1); h++) {
                    s->at[s->count] = (t * r->heads + h) * s->c->d;
                    s->head[s->count] = h;
                    s->end[s->count] = (int64_t)r->pos[t] + 1;
                    s->begin[s->count] = r->window ? glia_max(s->end[s->count] - r->window, 0) : 0;
                    s->count++;
                }
            attend_block_run(size, s);
        }
}

GLIA_INLINE void attend_few(const int size, const attend_call *c, const query_run *r)
{
    query_set s = {.count = 0, .group = r->group, .pages = r->pages};
    for (int64_t t = r->t0; t < r->t1; t++)
        for (int64_t h = r->h0; h < r->h1; h++, s.count++) {
            s.at[s.count] = (t * r->heads + h) * c->d;
            s.head[s.count] = h;
            s.end[s.count] = (int64_t)r->pos[t] + 1;
            s.begin[s.count] = r->window ? glia_max(s.end[s.count] - r->window, 0) : 0;
        }
    attend_these(size, c, &s);
}

GLIA_INLINE void attend(const int size, const glia_kargs *k)
{
    const glia_tensor *q = &k->in[0], *keys = &k->in[1], *table = &k->in[3];
    const int32_t *pages = table->data, *seq = k->in[4].data, *pos = k->in[5].data;
    const glia_tensor *sinks = glia_optional(k, 6);
    const attend_call c = {.q = q->data,
                           .keys = keys->data,
                           .values = k->in[2].data,
                           .y = k->out[0].data,
                           .groups = keys->dims[1],
                           .d = q->dims[2],
                           .slots = keys->dims[3],
                           .size = size,
                           .row = size == 1 ? q->dims[2] / GLIA_PAGE_BLOCK * GLIA_PAGE_BLOCK_BYTES
                                            : q->dims[2] * size,
                           .scale = (float)k->attr[0].f,
                           .cap = (float)k->attr[2].f,
                           .sinks = sinks ? sinks->data : NULL};
    if (c.slots % LANES || c.d < 1 || c.d > HEAD_MAX) {
        glia_op_attend.reference(k);
        return;
    }
    const int64_t heads = q->dims[1], ratio = heads / c.groups;
    attend_block block;
    attend_block_init(&block, &c, k->scratch);
    query_run r = {.heads = heads, .window = k->attr[1].i, .pos = pos};
    for (r.group = k->begin[1] / ratio; r.group < glia_ceil_div(k->end[1], ratio); r.group++) {
        r.h0 = glia_max(k->begin[1], r.group * ratio);
        r.h1 = glia_min(k->end[1], (r.group + 1) * ratio);
        for (r.t0 = k->begin[0]; r.t0 < k->end[0] && r.h0 < r.h1; r.t0 = r.t1) {
            r.t1 = r.t0 + 1;
            while (r.t1 < k->end[0] && seq[r.t1] == seq[r.t0]) r.t1++;
            r.pages = pages + seq[r.t0] * table->dims[1];
            if ((r.t1 - r.t0) * (r.h1 - r.h0) > ATTEND_QUERIES) attend_run(size, &r, &block);
            else attend_few(size, &c, &r);
        }
    }
}

static void attend_f16(const glia_kargs *k) { attend(2, k); }
static void attend_f32(const glia_kargs *k) { attend(4, k); }
static void attend_q8_0(const glia_kargs *k) { attend(1, k); }
