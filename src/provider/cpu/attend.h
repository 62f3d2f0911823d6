/* attend over paged states; part of kernels_avx2.c and kernels_avx512.c, which say how many queries a tile
 * holds (ATTEND_QUERIES) and how many vectors of the head (ATTEND_VALUES).
 *
 * Keys lie transposed, so that a vector is 16 positions and scores need no horizontal sums. Queries that read
 * the same keys share the loads: the heads of one group, and consecutive tokens of one sequence. Every query
 * keeps the order of the reference (ops/attention.c): chunks of 256 positions in ascending order, within a
 * chunk one chain per element over ascending keys. Positions that a query must not see are skipped, never
 * multiplied by zero.
 *
 * Pages whose positions are no multiple of 16, and heads over 256, are left to the reference. */

enum { KEY_CHUNK = 256, HEAD_MAX = 256 };

typedef struct attend_call {
    const float *q;
    const uint8_t *keys, *values;
    float *y;
    int64_t groups, d, slots; /* slots: positions in a page */
    int size;                 /* bytes of a key or value element */
    float scale;
} attend_call;

/* Queries that share a group and a sequence. */
typedef struct query_set {
    int count;
    int64_t group;
    const int32_t *pages;
    int64_t at[ATTEND_QUERIES];   /* first element of the query's head in q and y */
    int64_t keys[ATTEND_QUERIES]; /* positions that it sees */
    float top[ATTEND_QUERIES], total[ATTEND_QUERIES];
    float sum[ATTEND_QUERIES][HEAD_MAX], o[ATTEND_QUERIES][HEAD_MAX];
    float p[ATTEND_QUERIES][KEY_CHUNK];
} query_set;

GLIA_INLINE v16 load_page(const int size, const uint8_t *p)
{
    return size == 2 ? v16_load_f16(p) : v16_load(p);
}

GLIA_INLINE v16 load_page_n(const int size, const uint8_t *p, int n)
{
    uint16_t t[16] = {0};
    if (size == 4) return v16_load_n(p, n);
    memcpy(t, p, (size_t)n * 2);
    return v16_load_f16(t);
}

GLIA_INLINE const uint8_t *page_of(const attend_call *c, const query_set *s, const uint8_t *pages,
                                   const int size, int64_t position)
{
    return pages + ((int64_t)s->pages[position / c->slots] * c->groups + s->group) * c->d * c->slots * size;
}

/* Scores of positions [j, j + 16 V) of one page, for Q queries; j - from is where they go. */
GLIA_INLINE void score_tile(const int size, const int Q, const int V, const attend_call *c, query_set *s,
                            int64_t j, int64_t from)
{
    const uint8_t *k = page_of(c, s, c->keys, size, j) + j % c->slots * size;
    const int64_t stride = c->slots * size;
    v16 acc[ATTEND_QUERIES][4];
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[q][v] = v16_zero();
    for (int64_t i = 0; i < c->d; i++, k += stride) {
        v16 x[4];
        GLIA_UNROLL
        for (int v = 0; v < V; v++) x[v] = load_page(size, k + 16 * v * size);
        GLIA_UNROLL
        for (int q = 0; q < Q; q++) {
            const v16 a = v16_set(c->q[s->at[q] + i]);
            GLIA_UNROLL
            for (int v = 0; v < V; v++) acc[q][v] = v16_fma(a, x[v], acc[q][v]);
        }
    }
    const v16 scale = v16_set(c->scale);
    for (int q = 0; q < Q; q++)
        for (int v = 0; v < V; v++) v16_store(s->p[q] + (j - from) + 16 * v, v16_mul(acc[q][v], scale));
}

/* All positions of the chunk up to `to`, rounded up to whole vectors: a page has room for them. */
GLIA_INLINE void scores(const int size, const int Q, const attend_call *c, query_set *s, int64_t from,
                        int64_t to)
{
    enum { WIDE = 4 };
    for (int64_t j = from; j < to;) {
        const int64_t page_end = glia_min(to, (j / c->slots + 1) * c->slots);
        if (Q == 1)
            for (; j + 16 * (WIDE - 1) < page_end; j += 16 * WIDE) {
                if (j % c->slots + 16 * WIDE > c->slots) break;
                score_tile(size, Q, WIDE, c, s, j, from);
            }
        for (; j + 16 < page_end; j += 32) {
            if (j % c->slots + 32 > c->slots) break;
            score_tile(size, Q, 2, c, s, j, from);
        }
        for (; j < page_end; j += 16) score_tile(size, Q, 1, c, s, j, from);
    }
}

/* p = exp(score - m) in place over [0, n), zeros up to the next whole vector; *l their sum in 16 lanes. */
GLIA_INLINE float weigh(float *p, int n, float *l)
{
    const float m = row_max(p, n);
    v16 acc = v16_zero();
    const int whole = n & ~15;
    for (int i = 0; i < whole; i += LANES) {
        const v16 e = v16_exp(v16_sub(v16_load(p + i), v16_set(m)));
        v16_store(p + i, e);
        acc = v16_add(e, acc);
    }
    if (whole < n) {
        v16_store(p + whole, v16_exp(v16_sub(v16_load_n(p + whole, n - whole), v16_set(m))));
        for (int i = n; i < whole + LANES; i++) p[i] = 0.0f;
        acc = v16_add(v16_load(p + whole),
                      acc); /* lanes without a key add a zero to a sum that is not negative */
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
    const int64_t stride = c->d * size;
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[q][v] = v16_load(s->o[first + q] + at + 16 * v);
    for (int64_t j = a; j < b;) {
        const int64_t page_end = glia_min(b, (j / c->slots + 1) * c->slots);
        const uint8_t *row = page_of(c, s, c->values, size, j) + (j % c->slots * c->d + at) * size;
        for (; j < page_end; j++, row += stride) {
            v16 x[ATTEND_VALUES];
            GLIA_UNROLL
            for (int v = 0; v < V; v++)
                x[v] = last == 16 ? load_page(size, row + 16 * v * size)
                                  : load_page_n(size, row + 16 * v * size, last);
            GLIA_UNROLL
            for (int q = 0; q < Q; q++) {
                const v16 w = v16_set(s->p[first + q][j - from]);
                GLIA_UNROLL
                for (int v = 0; v < V; v++) acc[q][v] = v16_fma(w, x[v], acc[q][v]);
            }
        }
    }
    GLIA_UNROLL
    for (int q = 0; q < Q; q++) GLIA_UNROLL
    for (int v = 0; v < V; v++) v16_store(s->o[first + q] + at + 16 * v, acc[q][v]);
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

/* Merges a chunk's m, l and o of one query into its totals; the first chunk starts them. */
GLIA_INLINE void merge(query_set *s, int q, int64_t from, float m, float l, int64_t d)
{
    if (from == 0) {
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

GLIA_INLINE void attend_set(const int size, const int Q, const attend_call *c, query_set *s)
{
    int64_t most = 0;
    for (int q = 0; q < Q; q++) most = glia_max(most, s->keys[q]);
    for (int64_t from = 0; from < most; from += KEY_CHUNK) {
        const int64_t to = glia_min(from + KEY_CHUNK, most);
        float m[ATTEND_QUERIES] = {0}, l[ATTEND_QUERIES] = {0};
        int64_t shared = to;
        scores(size, Q, c, s, from, to);
        for (int q = 0; q < Q; q++) {
            const int64_t end = glia_min(to, s->keys[q]);
            memset(s->o[q], 0, sizeof s->o[q]);
            if (end > from) m[q] = weigh(s->p[q], (int)(end - from), &l[q]);
            shared = glia_min(shared, end);
        }
        values(size, Q, c, s, 0, from, from, shared); /* the keys that all see, then each query's own rest */
        for (int q = 0; q < Q; q++) {
            const int64_t end = glia_min(to, s->keys[q]);
            if (Q > 1) values(size, 1, c, s, q, from, glia_max(shared, from), end);
            if (end > from) merge(s, q, from, m[q], l[q], c->d);
        }
    }
    for (int q = 0; q < Q; q++) {
        const v16 total = v16_set(s->total[q]);
        int64_t i = 0;
        for (; i + 16 <= c->d; i += 16)
            v16_store(c->y + s->at[q] + i, v16_div(v16_load(s->sum[q] + i), total));
        if (i < c->d)
            v16_store_n(c->y + s->at[q] + i, v16_div(v16_load(s->sum[q] + i), total), (int)(c->d - i));
    }
    s->count = 0;
}

GLIA_INLINE void flush(const int size, const attend_call *c, query_set *s)
{
    switch (s->count) {
    case 0: break;
    case 1: attend_set(size, 1, c, s); break;
    case 2: attend_set(size, 2, c, s); break;
#if ATTEND_QUERIES > 2
    case 3: attend_set(size, 3, c, s); break;
#endif
    default: attend_set(size, ATTEND_QUERIES, c, s); break;
    }
}

GLIA_INLINE void attend(const int size, const glia_kargs *k)
{
    const glia_tensor *q = &k->in[0], *keys = &k->in[1], *table = &k->in[3];
    const int32_t *pages = table->data, *seq = k->in[4].data, *pos = k->in[5].data;
    const attend_call c = {q->data,    keys->data,    k->in[2].data, k->out[0].data,     keys->dims[1],
                           q->dims[2], keys->dims[3], size,          (float)k->attr[0].f};
    if (c.slots % LANES || c.d < 1 || c.d > HEAD_MAX) {
        glia_op_attend.reference(k);
        return;
    }
    const int64_t heads = q->dims[1], ratio = heads / c.groups;
    query_set s;
    s.count = 0;
    for (int64_t g = k->begin[1] / ratio; g < glia_ceil_div(k->end[1], ratio); g++) {
        for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
            const int32_t *row = pages + seq[t] * table->dims[1];
            for (int64_t h = glia_max(k->begin[1], g * ratio); h < glia_min(k->end[1], (g + 1) * ratio);
                 h++) {
                if (s.count == ATTEND_QUERIES || (s.count && (s.pages != row || s.group != g)))
                    flush(size, &c, &s);
                s.group = g;
                s.pages = row;
                s.at[s.count] = (t * heads + h) * c.d;
                s.keys[s.count++] = (int64_t)pos[t] + 1;
            }
        }
    }
    flush(size, &c, &s);
}

static void attend_f16(const glia_kargs *k) { attend(2, k); }
static void attend_f32(const glia_kargs *k) { attend(4, k); }
