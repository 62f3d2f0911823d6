/* attend for many queries of one sequence, as prompts have them; part of attend.h. kernels_avx2.c and
 * kernels_avx512.c say how many queries share a pass (ATTEND_ROWS) and how many vectors a tile is wide
 * (ATTEND_WIDTH).
 *
 * A chunk of 256 positions is widened once to floats in scratch: keys as panels [dims, 32 positions], values
 * as rows. Then one set of queries after the other meets it in two products whose tiles stay in registers:
 *
 *     p [queries, positions] = q [queries, dims] * keys          o [queries, dims] = p * values
 *
 * A query's totals wait in the output until the next chunk. Sets at the edges of what their queries see take
 * the keys that all see together, and the others one query after the other. */

enum {
    PANEL_KEYS = 32,
    RUN_ROWS = 192,       /* queries that meet a widened chunk */
    PITCH = HEAD_MAX + 16 /* floats between rows of q, p and o of a set: not a multiple of a page */
};

typedef struct attend_block {
    const attend_call *c;
    const int32_t *pages;
    int64_t group;
    int64_t pitch;                 /* floats between values of two positions */
    float *keys, *scales, *values; /* the chunk: [8, d, 32], of q8_0 [d / 32, 256], [256, pitch] */
    float *q, *p, *o;              /* a set: [ATTEND_ROWS, PITCH] each */
    int count;                     /* of queries, each with its element in q and y, head, what it sees */
    int64_t at[RUN_ROWS], head[RUN_ROWS], begin[RUN_ROWS], end[RUN_ROWS];
    float top[RUN_ROWS], total[RUN_ROWS];
} attend_block;

static void attend_block_init(attend_block *s, const attend_call *c, float *room)
{
    s->c = c;
    s->pitch = (c->d + LANES - 1) / LANES * LANES;
    s->keys = room;
    s->values = s->keys + KEY_CHUNK * s->pitch;
    s->scales = s->values + KEY_CHUNK * s->pitch;
    s->q = s->scales + KEY_CHUNK * s->pitch / GLIA_PAGE_BLOCK;
    s->p = s->q + GLIA_ATTEND_SET * PITCH;
    s->o = s->p + GLIA_ATTEND_SET * PITCH;
}

/* ---- widening */

/* Sixteen positions of keys from slot `slot` of a page to lanes of a panel. */
GLIA_INLINE void widen_keys(const int size, const attend_call *c, const uint8_t *page, int64_t slot,
                            float *panel, float *scales)
{
    if (size != 1) {
        const uint8_t *k = page + slot * size;
        for (int64_t i = 0; i < c->d; i++, k += c->slots * size)
            v16_store(panel + i * PANEL_KEYS, load_page(size, k));
        return;
    }
    for (int64_t i = 0; i < c->d; i += GLIA_PAGE_BLOCK, scales += KEY_CHUNK) {
        const uint8_t *k = page + 2 * c->slots + slot;
        v16_store(scales, v16_load_f16(page + 2 * slot));
        for (int j = 0; j < GLIA_PAGE_BLOCK; j++, k += c->slots, panel += PANEL_KEYS)
            v16_store(panel, v16_load_i8(k));
        page += c->slots * GLIA_PAGE_BLOCK_BYTES;
    }
}

/* A position's values, and zeros up to the pitch. */
GLIA_INLINE void widen_value(const int size, const attend_call *c, const uint8_t *row, float *to)
{
    int64_t i = 0;
    for (; i + LANES <= c->d; i += LANES) v16_store(to + i, load_value(size, row, i));
    if (i < c->d) v16_store(to + i, load_page_n(size, row + i * size, (int)(c->d - i)));
}

/* Positions [low, high) of the chunk at `from`, rounded out to whole vectors of keys. */
GLIA_INLINE void widen(const int size, const attend_block *s, int64_t from, int64_t low, int64_t high)
{
    const attend_call *c = s->c;
    for (int64_t j = low / LANES * LANES; j < high; j += LANES) {
        const int64_t head = (int64_t)s->pages[j / c->slots] * c->groups + s->group, slot = j % c->slots,
                      at = j - from;
        const int64_t page = head * c->slots * c->row;
        float *panel = s->keys + at / PANEL_KEYS * PANEL_KEYS * c->d + at % PANEL_KEYS;
        widen_keys(size, c, c->keys + page, slot, panel, s->scales + at);
        for (int i = 0; i < LANES; i++)
            widen_value(size, c, c->values + page + (slot + i) * c->row, s->values + (at + i) * s->pitch);
    }
}

/* ---- products */

/* p = q k * scale over a tile's width of positions. Keys of q8_0 (blocked) sum 32 dims at a time, times their
 * scales. */
GLIA_INLINE void score_rows(const bool blocked, const int R, const float *q, const float *k,
                            const float *scales, int64_t d, float factor, float *p)
{
    const int64_t step = blocked ? GLIA_PAGE_BLOCK : d;
    const v16 scale = v16_set(factor);
    for (int64_t from = 0; from < d; from += step, scales += KEY_CHUNK) {
        v16 acc[ATTEND_ROWS][ATTEND_WIDTH];
        GLIA_UNROLL
        for (int r = 0; r < R; r++) GLIA_UNROLL
        for (int v = 0; v < ATTEND_WIDTH; v++) acc[r][v] = v16_zero();
        for (int64_t i = 0; i < step; i++, q++, k += PANEL_KEYS) {
            v16 x[ATTEND_WIDTH];
            GLIA_UNROLL
            for (int v = 0; v < ATTEND_WIDTH; v++) x[v] = v16_load(k + 16 * v);
            GLIA_UNROLL
            for (int r = 0; r < R; r++) {
                const v16 a = v16_set(q[r * PITCH]);
                GLIA_UNROLL
                for (int v = 0; v < ATTEND_WIDTH; v++) acc[r][v] = v16_fma(a, x[v], acc[r][v]);
            }
        }
        KEEP_ONE_ADDRESS(p);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) GLIA_UNROLL
        for (int v = 0; v < ATTEND_WIDTH; v++) {
            float *to = p + r * PITCH + 16 * v;
            if (blocked)
                acc[r][v] = v16_fma(v16_load(scales + 16 * v), acc[r][v], from ? v16_load(to) : v16_zero());
            v16_store(to, from + step < d ? acc[r][v] : v16_mul(acc[r][v], scale));
        }
    }
}

GLIA_INLINE void score_set(const bool blocked, const int R, const attend_block *s, int64_t low, int64_t high)
{
    const int64_t d = s->c->d;
    for (int64_t j = low / (16 * ATTEND_WIDTH) * (16 * ATTEND_WIDTH); j < high; j += 16 * ATTEND_WIDTH)
        score_rows(blocked, R, s->q, s->keys + j / PANEL_KEYS * PANEL_KEYS * d + j % PANEL_KEYS,
                   s->scales + j, d, s->c->scale, s->p + j);
}

/* o += p v over keys [a, b) of the chunk and V vectors of the head. */
GLIA_INLINE void value_rows(const int R, const int V, const float *p, const float *values, int64_t pitch,
                            int64_t a, int64_t b, float *o)
{
    v16 acc[ATTEND_ROWS][ATTEND_WIDTH];
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int v = 0; v < V; v++) acc[r][v] = v16_load(o + r * PITCH + 16 * v);
    values += a * pitch;
    for (int64_t j = a; j < b; j++, values += pitch) {
        v16 x[ATTEND_WIDTH];
        GLIA_UNROLL
        for (int v = 0; v < V; v++) x[v] = v16_load(values + 16 * v);
        GLIA_UNROLL
        for (int r = 0; r < R; r++) {
            const v16 w = v16_set(p[r * PITCH + j]);
            GLIA_UNROLL
            for (int v = 0; v < V; v++) acc[r][v] = v16_fma(w, x[v], acc[r][v]);
        }
    }
    KEEP_ONE_ADDRESS(o);
    GLIA_UNROLL
    for (int r = 0; r < R; r++) GLIA_UNROLL
    for (int v = 0; v < V; v++) v16_store(o + r * PITCH + 16 * v, acc[r][v]);
}

/* Rows from `first` of the set. */
GLIA_INLINE void value_set(const int R, const attend_block *s, int first, int64_t a, int64_t b)
{
    const float *p = s->p + first * PITCH;
    float *o = s->o + first * PITCH;
    int64_t at = 0;
    if (a >= b) return;
    for (; at + 16 * ATTEND_WIDTH <= s->pitch; at += 16 * ATTEND_WIDTH)
        value_rows(R, ATTEND_WIDTH, p, s->values + at, s->pitch, a, b, o + at);
    for (; at < s->pitch; at += 16) value_rows(R, 1, p, s->values + at, s->pitch, a, b, o + at);
}

/* Tiles for a full set, and for two thirds and a third of it: rows that are not there are computed for
 * nothing. */
GLIA_NOINLINE static void scores_of(const attend_block *s, int rows, int64_t low, int64_t high)
{
    enum { R = ATTEND_ROWS, T = ATTEND_ROWS / 3 };
    const bool blocked = s->c->size == 1;
    if (rows > 2 * T) blocked ? score_set(true, R, s, low, high) : score_set(false, R, s, low, high);
    else if (rows > T) blocked ? score_set(true, 2 * T, s, low, high) : score_set(false, 2 * T, s, low, high);
    else blocked ? score_set(true, T, s, low, high) : score_set(false, T, s, low, high);
}

GLIA_NOINLINE static void values_of(const attend_block *s, int rows, int64_t a, int64_t b)
{
    enum { R = ATTEND_ROWS, T = ATTEND_ROWS / 3 };
    if (rows > 2 * T) value_set(R, s, 0, a, b);
    else if (rows > T) value_set(2 * T, s, 0, a, b);
    else value_set(T, s, 0, a, b);
}

/* The few keys that one query of a set sees and others do not. */
GLIA_NOINLINE static void values_of_row(const attend_block *s, int row, int64_t a, int64_t b)
{
    value_set(1, s, row, a, b);
}

/* ---- a set meets a chunk */

/* weigh for two queries that see the whole chunk. */
GLIA_NOINLINE static void weigh_two(float *p, float *m, float *l)
{
    float *const q = p + PITCH;
    v16 most[2][2], sum[2] = {v16_zero(), v16_zero()};
    for (int i = 0; i < 2; i++) {
        most[0][i] = v16_load(p + i * LANES);
        most[1][i] = v16_load(q + i * LANES);
        most[0][i] = v16_max(most[0][i], v16_set(-INFINITY)); /* a NaN leaves the maximum alone */
        most[1][i] = v16_max(most[1][i], v16_set(-INFINITY));
    }
    for (int j = 2 * LANES; j < KEY_CHUNK; j += 2 * LANES)
        for (int i = 0; i < 2; i++) {
            most[0][i] = v16_max(v16_load(p + j + i * LANES), most[0][i]);
            most[1][i] = v16_max(v16_load(q + j + i * LANES), most[1][i]);
        }
    m[0] = v16_most(v16_max(most[0][0], most[0][1]));
    m[1] = v16_most(v16_max(most[1][0], most[1][1]));
    const v16 m0 = v16_set(m[0]), m1 = v16_set(m[1]);
    for (int j = 0; j < KEY_CHUNK; j += LANES) {
        const v16 e0 = v16_exp(v16_sub(v16_load(p + j), m0)), e1 = v16_exp(v16_sub(v16_load(q + j), m1));
        v16_store(p + j, e0);
        v16_store(q + j, e1);
        sum[0] = v16_add(e0, sum[0]);
        sum[1] = v16_add(e1, sum[1]);
    }
    l[0] = v16_tree(sum[0]);
    l[1] = v16_tree(sum[1]);
}

/* What merges of a set need, lane by lane: the new tops and totals, and what sums and newcomers are scaled
 * by. */
typedef struct set_merge {
    float m[LANES], l[LANES], old[LANES], new[LANES];
} set_merge;

/* Row r's chunk joins its totals; the sums of values wait in y. */
GLIA_INLINE void merge_row(const attend_block *s, int query, int row, bool first, float old, float new)
{
    const float *o = s->o + row * PITCH;
    float *y = s->c->y + s->at[query];
    const v16 a = v16_set(old), b = v16_set(new);
    int64_t i = 0;
    if (first) {
        memcpy(y, o, (size_t)s->c->d * sizeof *y);
        return;
    }
    for (; i + LANES <= s->c->d; i += LANES)
        v16_store(y + i, v16_fma(v16_load(y + i), a, v16_mul(v16_load(o + i), b)));
    const int rest = (int)(s->c->d - i);
    if (rest) v16_store_n(y + i, v16_fma(v16_load_n(y + i, rest), a, v16_mul(v16_load(o + i), b)), rest);
}

/* Queries [at, at + count) merge m, l and their rows of o; `first` and `seen` are masks of rows. */
GLIA_INLINE void merge_set(attend_block *s, int at, int count, uint32_t seen, uint32_t first, set_merge *w)
{
    float top[LANES] = {0}, total[LANES] = {0};
    memcpy(top, s->top + at, (size_t)count * sizeof *top);
    memcpy(total, s->total + at, (size_t)count * sizeof *total);
    const v16 m = v16_load(w->m), t = v16_load(top), most = v16_max(m, t);
    const v16 old = v16_exp(v16_sub(t, most)), new = v16_exp(v16_sub(m, most));
    v16_store(w->old, old);
    v16_store(w->new, new);
    v16_store(total, v16_fma(v16_load(total), old, v16_mul(v16_load(w->l), new)));
    v16_store(top, most);
    for (int r = 0; r < count; r++) {
        if (!(seen >> r & 1)) continue;
        const bool one = first >> r & 1;
        s->top[at + r] = one ? w->m[r] : top[r];
        s->total[at + r] = one ? w->l[r] : total[r];
        merge_row(s, at + r, r, one, w->old[r], w->new[r]);
    }
}

/* Weights of rows that see [a, b) of the chunk, each its own part. */
static void weigh_set(attend_block *s, int count, const int *a, const int *b, set_merge *w)
{
    for (int r = 0; r < count; r++) {
        float *p = s->p + r * PITCH;
        const int two = r + 1 < count;
        if (a[r] == 0 && b[r] == KEY_CHUNK && two && a[r + two] == 0 && b[r + two] == KEY_CHUNK) {
            weigh_two(p, w->m + r, w->l + r);
            r++;
        } else if (a[r] < b[r]) {
            w->m[r] = weigh(p, a[r], b[r], &w->l[r]);
        }
    }
}

/* Queries [at, at + count) and the chunk at `from`, which is widened. */
static void set_chunk(attend_block *s, int at, int count, int64_t from)
{
    int a[ATTEND_ROWS], b[ATTEND_ROWS], low = KEY_CHUNK, high = 0, shared_a = 0, shared_b = KEY_CHUNK;
    uint32_t seen = 0, first = 0;
    set_merge w = {.l = {0}};
    for (int r = 0; r < count; r++) {
        const int64_t begin = s->begin[at + r], end = s->end[at + r];
        a[r] = (int)glia_min(glia_max(begin - from, 0), KEY_CHUNK);
        b[r] = (int)glia_max(glia_min(end - from, KEY_CHUNK), 0);
        low = (int)glia_min(low, a[r]);
        high = (int)glia_max(high, b[r]);
        shared_a = (int)glia_max(shared_a, a[r]);
        shared_b = (int)glia_min(shared_b, b[r]);
        seen |= (uint32_t)(a[r] < b[r]) << r;
        first |= (uint32_t)(from <= begin) << r;
    }
    if (!seen) return;
    for (int r = 0; r < count; r++)
        memcpy(s->q + r * PITCH, s->c->q + s->at[at + r], (size_t)s->c->d * sizeof *s->q);
    scores_of(s, count, low, high);
    for (int r = 0; r < count && s->c->cap > 0; r++) soften(s->p + r * PITCH, low, high, s->c->cap);
    weigh_set(s, count, a, b, &w);
    for (int r = 0; r < count; r++) {
        memset(s->o + r * PITCH, 0, (size_t)s->pitch * sizeof *s->o);
        values_of_row(s, r, a[r], glia_min(shared_a, b[r]));
    }
    values_of(s, count, shared_a, shared_b);
    for (int r = 0; r < count; r++) values_of_row(s, r, glia_max(shared_a, glia_max(shared_b, a[r])), b[r]);
    merge_set(s, at, count, seen, first, &w);
}

/* ---- a block */

/* Sinks join as a last chunk without values; then totals divide. */
static void finish_block(attend_block *s)
{
    const int64_t d = s->c->d;
    set_merge w = {.l = {0}};
    for (int at = 0; at < s->count && s->c->sinks; at += ATTEND_ROWS) {
        const int count = (int)glia_min(ATTEND_ROWS, s->count - at);
        for (int r = 0; r < count; r++) {
            w.m[r] = s->c->sinks[s->head[at + r]];
            w.l[r] = 1.0f;
            memset(s->o + r * PITCH, 0, (size_t)d * sizeof *s->o);
        }
        merge_set(s, at, count, (1u << count) - 1, 0, &w);
    }
    for (int n = 0; n < s->count; n++) {
        const v16 total = v16_set(s->total[n]);
        float *y = s->c->y + s->at[n];
        int64_t i = 0;
        for (; i + LANES <= d; i += LANES) v16_store(y + i, v16_div(v16_load(y + i), total));
        const int rest = (int)(d - i);
        if (rest) v16_store_n(y + i, v16_div(v16_load_n(y + i, rest), total), rest);
    }
}

GLIA_INLINE void attend_block_run(const int size, attend_block *s)
{
    int64_t least = INT64_MAX, most = 0;
    for (int n = 0; n < s->count; n++) {
        least = glia_min(least, s->begin[n]);
        most = glia_max(most, s->end[n]);
    }
    for (int64_t from = least / KEY_CHUNK * KEY_CHUNK; from < most; from += KEY_CHUNK) {
        widen(size, s, from, glia_max(least, from), glia_min(most, from + KEY_CHUNK));
        for (int at = 0; at < s->count; at += ATTEND_ROWS)
            set_chunk(s, at, (int)glia_min(ATTEND_ROWS, s->count - at), from);
    }
    finish_block(s);
}
