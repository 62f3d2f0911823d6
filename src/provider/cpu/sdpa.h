/* sdpa and sdpa_tokens for a processor with vectors; part of kernels_float.h. A chunk of 256 keys is turned once into
 * panels [dims, 32 keys] for up to 192 queries of a head, which meet it in sets: the tiles of attend_many.h give the
 * scores and the weighted values, values being read where they lie. What a query must not see is not visited.
 *
 * Heads over 256 are left to the reference. */
#include "base/fmath.h"
#include "ops/sdpa.h"
#include "provider/cpu/transpose16.h"

typedef struct sdpa_block { /* queries [first, first + count) of one head */
    const glia_sdpa *s;
    const float *q, *keys, *values; /* of the head */
    const glia_tensor *mask;        /* or null */
    float *y;
    int64_t mask_at, first, count;
    float *panels, *wide, *turn, *set_q, *set_p, *set_o;
    const float *v; /* values of the chunk, and floats between two */
    int64_t v_pitch;
    float top[RUN_ROWS], total[RUN_ROWS];
} sdpa_block;

/* Keys [from, from + n) as panels; what rounds n up to whole panels repeats the last. */
static void turn_keys(const sdpa_block *b, int64_t from, int64_t n)
{
    const int64_t d = b->s->d, whole = d / LANES * LANES;
    for (int64_t j = 0; j < n; j += LANES) {
        const float *row[LANES];
        float *panel = b->panels + j / PANEL_KEYS * PANEL_KEYS * d + j % PANEL_KEYS;
        for (int r = 0; r < LANES; r++) row[r] = b->keys + (from + glia_min(j + r, n - 1)) * b->s->k_row;
        for (int64_t i = 0; i < whole; i += LANES) {
            transpose_16(row, i, b->turn);
            for (int r = 0; r < LANES; r++)
                v16_store(panel + (i + r) * PANEL_KEYS, v16_load(b->turn + r * LANES));
        }
        for (int64_t i = whole; i < d; i++)
            for (int r = 0; r < LANES; r++) panel[i * PANEL_KEYS + r] = row[r][i];
    }
}

/* Values are read in whole vectors: rows that are none are copied and filled with zeros. */
static void find_values(sdpa_block *b, int64_t from, int64_t n)
{
    const int64_t e = b->s->e, pitch = (e + LANES - 1) / LANES * LANES;
    b->v = b->values + from * b->s->v_row;
    b->v_pitch = b->s->v_row;
    if (pitch == e) return;
    for (int64_t j = 0; j < n; j++) {
        float *to = b->wide + j * pitch;
        memcpy(to, b->v + j * b->s->v_row, (size_t)e * sizeof *to);
        memset(to + e, 0, (size_t)(pitch - e) * sizeof *to);
    }
    b->v = b->wide;
    b->v_pitch = pitch;
}

GLIA_INLINE void sdpa_score_set(const int R, const sdpa_block *b, int64_t n)
{
    const int64_t d = b->s->d;
    for (int64_t j = 0; j < n; j += 16 * ATTEND_WIDTH)
        score_rows(false, R, b->set_q, b->panels + j / PANEL_KEYS * PANEL_KEYS * d + j % PANEL_KEYS, b->turn,
                   d, b->s->scale, b->set_p + j);
}

GLIA_NOINLINE static void sdpa_scores(const sdpa_block *b, int rows, int64_t n)
{
    enum { R = ATTEND_ROWS, T = ATTEND_ROWS / 3 };
    if (rows > 2 * T) sdpa_score_set(R, b, n);
    else if (rows > T) sdpa_score_set(2 * T, b, n);
    else if (rows > 1) sdpa_score_set(T, b, n);
    else sdpa_score_set(1, b, n);
}

/* o += p v over keys [from, to) of the chunk, rows from `first` of the set. */
GLIA_INLINE void sdpa_value_set(const int R, const sdpa_block *b, int first, int64_t from, int64_t to)
{
    const float *p = b->set_p + first * PITCH;
    float *o = b->set_o + first * PITCH;
    int64_t at = 0;
    if (from >= to) return;
    for (; at + 16 * ATTEND_WIDTH <= b->s->e; at += 16 * ATTEND_WIDTH)
        value_rows(R, ATTEND_WIDTH, p, b->v + at, b->v_pitch, from, to, o + at);
    for (; at < b->s->e; at += 16) value_rows(R, 1, p, b->v + at, b->v_pitch, from, to, o + at);
}

GLIA_NOINLINE static void sdpa_values(const sdpa_block *b, int rows, int64_t to)
{
    enum { R = ATTEND_ROWS, T = ATTEND_ROWS / 3 };
    if (rows > 2 * T) sdpa_value_set(R, b, 0, 0, to);
    else if (rows > T) sdpa_value_set(2 * T, b, 0, 0, to);
    else if (rows > 1) sdpa_value_set(T, b, 0, 0, to);
    else sdpa_value_set(1, b, 0, 0, to);
}

GLIA_NOINLINE static void sdpa_values_of_row(const sdpa_block *b, int row, int64_t from, int64_t to)
{
    sdpa_value_set(1, b, row, from, to);
}

/* The mask's row of query t over keys [from, from + n). */
static void add_mask(const sdpa_block *b, int64_t t, int64_t from, int64_t n, float *p)
{
    const int64_t step = b->s->mask[3], at = b->mask_at + t * b->s->mask[2] + from * step;
    const bool flags = b->mask->dtype == GLIA_BOOL;
    const uint8_t *seen = (const uint8_t *)b->mask->data + at;
    const float *add = (const float *)b->mask->data + at;
    const v16 none = v16_set(-INFINITY);
    for (int64_t j = 0; j < n; j += LANES) {
        const int some = (int)glia_min(LANES, n - j);
        v16 x = v16_load(p + j);
        if (!flags) {
            x = v16_add(x, step ? v16_load_n(add + j, some) : v16_set(add[0]));
        } else {
            int8_t near[LANES] = {0};
            if (step) memcpy(near, seen + j, (size_t)some);
            else memset(near, seen[0], sizeof near);
            x = v16_select_less(v16_zero(), v16_load_i8(near), x, none);
        }
        v16_store(p + j, x);
    }
}

/* p = exp(score - m) over [0, n), zeros out to whole vectors; *l their sum. Where m is -inf, 0 takes its place. */
static float sdpa_weigh(float *p, int64_t n, float *l)
{
    const int64_t whole = (n + LANES - 1) / LANES * LANES;
    for (int64_t j = n; j < whole; j++) p[j] = -INFINITY;
    v16 most = v16_set(-INFINITY), sum = v16_zero();
    for (int64_t j = 0; j < whole; j += LANES)
        most = v16_max(v16_load(p + j), most); /* a NaN leaves it alone */
    const float m = v16_most(most);
    const v16 base = v16_set(m == -INFINITY ? 0.0f : m);
    for (int64_t j = 0; j < whole; j += LANES) {
        const v16 e = v16_exp(v16_sub(v16_load(p + j), base));
        v16_store(p + j, e);
        sum = v16_add(e, sum);
    }
    *l = v16_tree(sum);
    return m;
}

/* Row r of the set joins query `at` of the block. */
static void sdpa_merge(sdpa_block *b, int64_t at, int r, bool first, float m, float l)
{
    float *y = b->y + (b->first + at) * b->s->y_row;
    const float *o = b->set_o + r * PITCH;
    if (first) {
        memcpy(y, o, (size_t)b->s->e * sizeof *y);
        b->top[at] = m;
        b->total[at] = l;
        return;
    }
    const float top = m > b->top[at] ? m : b->top[at], base = top == -INFINITY ? 0.0f : top;
    const float old = glia_expf(b->top[at] - base), new = glia_expf(m - base);
    b->total[at] = fmaf(b->total[at], old, l * new);
    b->top[at] = top;
    const v16 x = v16_set(old), z = v16_set(new);
    int64_t i = 0;
    for (; i + LANES <= b->s->e; i += LANES)
        v16_store(y + i, v16_fma(v16_load(y + i), x, v16_mul(v16_load(o + i), z)));
    const int rest = (int)(b->s->e - i);
    if (rest) v16_store_n(y + i, v16_fma(v16_load_n(y + i, rest), x, v16_mul(v16_load(o + i), z)), rest);
}

/* Queries [at, at + rows) of the block and the chunk at `from`. */
static void sdpa_set(sdpa_block *b, int64_t at, int rows, int64_t from)
{
    int64_t seen[ATTEND_ROWS], least = KEY_CHUNK, most = 0;
    float m[ATTEND_ROWS], l[ATTEND_ROWS];
    for (int r = 0; r < rows; r++) {
        const int64_t t = b->first + at + r;
        seen[r] = glia_max(glia_min(glia_sdpa_seen(b->s, t) - from, KEY_CHUNK), 0);
        least = glia_min(least, seen[r]);
        most = glia_max(most, seen[r]);
        memcpy(b->set_q + r * PITCH, b->q + t * b->s->q_row, (size_t)b->s->d * sizeof *b->q);
        memset(b->set_o + r * PITCH, 0, (size_t)PITCH * sizeof *b->set_o);
    }
    if (!most) return;
    sdpa_scores(b, rows, most);
    for (int r = 0; r < rows; r++) {
        float *p = b->set_p + r * PITCH;
        if (!seen[r]) continue;
        if (b->s->cap > 0) soften(p, 0, seen[r], b->s->cap);
        if (b->mask) add_mask(b, b->first + at + r, from, seen[r], p);
        m[r] = sdpa_weigh(p, seen[r], &l[r]);
    }
    sdpa_values(b, rows, least);
    for (int r = 0; r < rows; r++) {
        if (!seen[r]) continue;
        sdpa_values_of_row(b, r, least, seen[r]);
        sdpa_merge(b, at + r, r, from == 0, m[r], l[r]);
    }
}

static void sdpa_block_run(sdpa_block *b)
{
    int64_t most = 0;
    for (int64_t i = 0; i < b->count; i++) {
        most = glia_max(most, glia_sdpa_seen(b->s, b->first + i));
        memset(b->y + (b->first + i) * b->s->y_row, 0, (size_t)b->s->e * sizeof *b->y);
        b->total[i] = 0.0f;
    }
    for (int64_t from = 0; from < most; from += KEY_CHUNK) {
        const int64_t n = glia_min(KEY_CHUNK, most - from);
        turn_keys(b, from, n);
        find_values(b, from, n);
        for (int64_t at = 0; at < b->count; at += ATTEND_ROWS)
            sdpa_set(b, at, (int)glia_min(ATTEND_ROWS, b->count - at), from);
    }
    for (int64_t i = 0; i < b->count; i++) {
        float *y = b->y + (b->first + i) * b->s->y_row;
        const v16 total = v16_set(b->total[i]);
        int64_t j = 0;
        for (; j + LANES <= b->s->e; j += LANES) v16_store(y + j, v16_div(v16_load(y + j), total));
        const int rest = (int)(b->s->e - j);
        if (rest) v16_store_n(y + j, v16_div(v16_load_n(y + j, rest), total), rest);
    }
}

GLIA_INLINE void sdpa_any(const glia_kargs *k, const bool tokens)
{
    const int head = tokens ? 2 : 1, row = tokens ? 1 : 2;
    glia_sdpa s;
    glia_sdpa_read(k, tokens, &s);
    if (s.d > HEAD_MAX || s.e > HEAD_MAX || s.d < 1 || s.e < 1) {
        (tokens ? glia_op_sdpa_tokens : glia_op_sdpa).reference(k);
        return;
    }
    sdpa_block b = {.s = &s, .mask = k->in_count > 3 ? glia_optional(k, 3) : NULL, .panels = k->scratch};
    const int64_t room = (glia_max(s.d, s.e) + LANES - 1) / LANES * LANES * KEY_CHUNK;
    b.wide = b.panels + room;
    b.turn = b.wide + room;
    b.set_q = b.turn + LANES * LANES;
    b.set_p = b.set_q + GLIA_SDPA_SET * PITCH;
    b.set_o = b.set_p + GLIA_SDPA_SET * PITCH;
    for (int64_t n = k->begin[0]; n < k->end[0]; n++)
        for (int64_t h = k->begin[head]; h < k->end[head]; h++) {
            const int64_t g = h / (s.heads / s.groups);
            b.q = (const float *)k->in[0].data + n * s.heads * s.rows * s.d + h * s.q_head;
            b.keys = (const float *)k->in[1].data + n * s.groups * s.keys * s.d + g * s.k_head;
            b.values = (const float *)k->in[2].data + n * s.groups * s.keys * s.e + g * s.v_head;
            b.y = (float *)k->out[0].data + n * s.heads * s.rows * s.e + h * s.y_head;
            b.mask_at = n * s.mask[0] + h * s.mask[1];
            for (b.first = k->begin[row]; b.first < k->end[row]; b.first += RUN_ROWS) {
                b.count = glia_min(RUN_ROWS, k->end[row] - b.first);
                sdpa_block_run(&b);
            }
        }
}

static void sdpa(const glia_kargs *k) { sdpa_any(k, false); }
static void sdpa_tokens(const glia_kargs *k) { sdpa_any(k, true); }
