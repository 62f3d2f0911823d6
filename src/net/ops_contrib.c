/* Attention as com.microsoft has it: one packed weight, packed heads, caches with places for what is to come.
 * Packed batches, beams and quantised caches are refused by name. */
#include "net/attend.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

static glia_value join_heads(glia_emit *m, glia_value v)
{
    return glia_emit_reshape(m, v, 3,
                             (int64_t[]){glia_emit_dim(m, v, 0), glia_emit_dim(m, v, 1),
                                         glia_emit_dim(m, v, 2) * glia_emit_dim(m, v, 3)});
}

/* Columns [from, to) of the last axis. */
static glia_value columns(glia_emit *m, glia_value v, int64_t from, int64_t to)
{
    return glia_emit_slice(m, v, glia_emit_rank(m, v) - 1, from, to);
}

/* Keys that a mask of zeros and ones hides get a number added: [b, s], [b, t, s], or what broadcasts to [b, h, t, s].
 * A vector holds how many keys of each batch count. */
static bool key_mask(glia_emit *m, glia_value mask, int64_t batch, int64_t keys, double hidden,
                     glia_value *bias)
{
    const int rank = glia_emit_rank(m, mask);
    if (!mask.id) return true;
    if (rank == 1 && glia_emit_elements(m, mask) == batch) {
        *bias = glia_emit_sum_of(m, *bias, glia_emit_first_keys(m, GLIA_F32, mask, keys, hidden));
        return true;
    }
    if (rank < 2 || rank > 3 || glia_emit_dim(m, mask, -1) != keys)
        return glia_emit_refuse(m, "a mask of rank %d with %lld columns for %lld keys", rank,
                                (long long)glia_emit_dim(m, mask, -1), (long long)keys);
    const int64_t rows = rank == 3 ? glia_emit_dim(m, mask, 1) : 1;
    mask = glia_emit_reshape(m, glia_emit_cast(m, mask, GLIA_I64), 4,
                             (int64_t[]){glia_emit_dim(m, mask, 0), 1, rows, keys});
    glia_value seen = glia_emit_with(m, "gt", mask, 0);
    *bias = glia_emit_sum_of(m, *bias,
                             glia_emit_node(m, "where", NULL, 3, seen, glia_emit_scalar(m, GLIA_F32, 0),
                                            glia_emit_scalar(m, GLIA_F32, hidden)));
    return true;
}

static void add_bias(glia_emit *m, glia_value *bias, glia_value more)
{
    if (more.id) *bias = glia_emit_sum_of(m, *bias, glia_emit_cast(m, more, GLIA_F32));
}

/* x w + b with the weight's columns [from, to): w is [k, n]. */
static glia_value project(glia_emit *m, glia_value x, glia_value w, glia_value b)
{
    const glia_dtype t = glia_emit_dtype(m, x);
    glia_value wt = glia_emit_transposed_weight(m, w);
    if (!wt.id) wt = glia_emit_transpose(m, w, (int64_t[]){1, 0});
    return glia_emit_cast(m, glia_emit_node(m, "linear", NULL, b.id ? 3 : 2, x, wt, b), t);
}

/* ---- Attention: input, weights [k, q + k + v], bias, mask_index, past [2, b, h, p, d], attention_bias ---- */

static bool emit_attention(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), past = glia_emit_in(m, 4);
    const int64_t heads = glia_emit_int(m, "num_heads", 0), width = glia_emit_dim(m, glia_emit_in(m, 1), 1);
    int64_t sizes[3] = {width / 3, width / 3, width / 3}, before = 0;
    const double hidden = glia_emit_float(m, "mask_filter_value", -10000);
    glia_attend a = {.tokens = true, .cap = 0, .mode = -1};
    if (glia_emit_attr_ints(m, "qkv_hidden_sizes", sizes, 3) == 0)
        return glia_emit_fail(m, "three hidden sizes");
    if (glia_emit_int(m, "do_rotary", 0) || glia_emit_int(m, "past_present_share_buffer", 0))
        return glia_emit_refuse(m, "rotary positions, or caches that are shared with the past");
    if (glia_emit_rank(m, x) != 3 || glia_emit_rank(m, glia_emit_in(m, 1)) != 2)
        return glia_emit_fail(m, "x has rank 3, the weight rank 2");
    const glia_dtype t = glia_emit_dtype(m, x);
    const int64_t batch = glia_emit_dim(m, x, 0), rows = glia_emit_dim(m, x, 1);
    glia_value all = project(m, x, glia_emit_in(m, 1), glia_emit_in(m, 2));
    a.q = glia_emit_split_heads(m, columns(m, all, 0, sizes[0]), heads);
    a.k = glia_emit_split_heads(m, columns(m, all, sizes[0], sizes[0] + sizes[1]), heads);
    a.v = glia_emit_split_heads(m, columns(m, all, sizes[0] + sizes[1], width), heads);
    if (!a.q.id || !a.k.id || !a.v.id) return false;
    a.scale = glia_emit_float(m, "scale", 0);
    if (a.scale == 0) a.scale = 1 / sqrt((double)glia_emit_dim(m, a.q, 3));
    if (past.id || glia_emit_wants(m, 1)) {
        glia_value kv[2] = {glia_emit_swap_heads(m, a.k), glia_emit_swap_heads(m, a.v)};
        for (int i = 0; i < 2; i++) {
            int64_t d[5];
            if (past.id && glia_emit_rank(m, past) != 5) return glia_emit_fail(m, "the past has rank 5");
            for (int k = 0; k < 5 && past.id; k++) d[k] = glia_emit_dim(m, past, k);
            if (past.id) before = d[3];
            glia_value old = glia_emit_slice(m, past, 0, i, i + 1);
            if (past.id) old = glia_emit_reshape(m, old, 4, d + 1);
            if (past.id) kv[i] = glia_emit_concat(m, 2, 2, (glia_value[]){glia_emit_cast(m, old, t), kv[i]});
        }
        if (past.id) a.q = glia_emit_swap_heads(m, a.q), a.k = kv[0], a.v = kv[1], a.tokens = false;
        for (int i = 0; i < 2; i++) {
            int64_t d[5] = {1};
            for (int k = 0; k < 4; k++) d[k + 1] = glia_emit_dim(m, kv[i], k);
            kv[i] = glia_emit_reshape(m, kv[i], 5, d);
        }
        glia_emit_set(m, 1, glia_emit_concat(m, 0, 2, kv));
    }
    a.causal = glia_emit_int(m, "unidirectional", 0) != 0;
    a.past = before;
    if (!key_mask(m, glia_emit_in(m, 3), batch, rows + before, hidden, &a.bias)) return false;
    add_bias(m, &a.bias, glia_emit_in(m, 5));
    glia_value y = glia_emit_attend(m, &a);
    glia_emit_set(m, 0, glia_emit_cast(m, join_heads(m, a.tokens ? y : glia_emit_swap_heads(m, y)), t));
    return !m->status;
}

/* ---- MultiHeadAttention: q, k, v, bias, key_padding_mask, attention_bias, past_key, past_value ---- */

/* q, k and v from what may be packed: [b, t, h, 3, d], [b, s, h, 2, d], or k and v that are split already. */
static bool unpack_heads(glia_emit *m, int64_t heads, glia_attend *a)
{
    glia_value q = glia_emit_in(m, 0), k = glia_emit_in(m, 1), v = glia_emit_in(m, 2),
               *to[3] = {&a->q, &a->k, &a->v};
    glia_value packed = glia_emit_rank(m, q) == 5 ? q : glia_emit_rank(m, k) == 5 ? k : (glia_value){0};
    *to[0] = q, *to[1] = k, *to[2] = v;
    if (packed.id) {
        const int64_t parts = glia_emit_dim(m, packed, 3),
                      dims[4] = {glia_emit_dim(m, packed, 0), glia_emit_dim(m, packed, 1),
                                 glia_emit_dim(m, packed, 2), glia_emit_dim(m, packed, 4)};
        for (int i = 0; i < parts && i < 3; i++)
            *to[3 - (parts < 3 ? parts : 3) + i] =
                glia_emit_reshape(m, glia_emit_slice(m, packed, 3, i, i + 1), 4, dims);
    }
    for (int i = 0; i < 3; i++) {
        if (!to[i]->id)
            return !m->status && !m->end && glia_emit_refuse(m, "keys or values that are missing");
        if (glia_emit_rank(m, *to[i]) == 3) *to[i] = glia_emit_split_heads(m, *to[i], heads);
        else if (i && glia_emit_rank(m, i == 1 ? k : v) == 4)
            *to[i] = glia_emit_swap_heads(m, *to[i]); /* [b, h, s, d] */
    }
    return a->q.id && a->k.id && a->v.id;
}

/* The bias [q + k + v] added to heads [b, t, h, d]. */
static void add_head_bias(glia_emit *m, glia_attend *a)
{
    glia_value bias = glia_emit_in(m, 3), *to[3] = {&a->q, &a->k, &a->v};
    int64_t at = 0;
    for (int i = 0; i < 3 && bias.id; i++) {
        const int64_t h = glia_emit_dim(m, *to[i], 2), d = glia_emit_dim(m, *to[i], 3);
        glia_value own =
            glia_emit_reshape(m, glia_emit_slice(m, bias, 0, at, at + h * d), 2, (int64_t[]){h, d});
        *to[i] = glia_emit_binary(m, "add", *to[i], own);
        at += h * d;
    }
}

static bool emit_multi_head_attention(glia_emit *m)
{
    const int64_t heads = glia_emit_int(m, "num_heads", 0);
    glia_attend a = {.tokens = true, .mode = -1};
    if (glia_emit_has(m, 8) || glia_emit_has(m, 9))
        return glia_emit_refuse(m, "a cache with places for what is to come");
    if (!unpack_heads(m, heads, &a)) return false;
    add_head_bias(m, &a);
    const glia_dtype t = glia_emit_dtype(m, a.q);
    const int64_t batch = glia_emit_dim(m, a.q, 0);
    if (glia_emit_has(m, 6) || glia_emit_wants(m, 1)) {
        glia_value kv[2] = {glia_emit_swap_heads(m, a.k), glia_emit_swap_heads(m, a.v)};
        for (int i = 0; i < 2; i++) {
            glia_value old = glia_emit_in(m, 6 + i);
            if (old.id && i == 0) a.past = glia_emit_dim(m, old, 2);
            if (old.id) kv[i] = glia_emit_concat(m, 2, 2, (glia_value[]){old, kv[i]});
            glia_emit_set(m, 1 + i, kv[i]);
        }
        if (glia_emit_has(m, 6))
            a.q = glia_emit_swap_heads(m, a.q), a.k = kv[0], a.v = kv[1], a.tokens = false;
    }
    const int64_t keys = glia_emit_dim(m, a.k, a.tokens ? 1 : 2);
    a.scale = glia_emit_float(m, "scale", 0);
    if (a.scale == 0) a.scale = 1 / sqrt((double)glia_emit_dim(m, a.q, 3));
    a.causal = glia_emit_int(m, "unidirectional", 0) != 0;
    if (!key_mask(m, glia_emit_in(m, 4), batch, keys, glia_emit_float(m, "mask_filter_value", -10000),
                  &a.bias))
        return false;
    add_bias(m, &a.bias, glia_emit_in(m, 5));
    glia_value y = glia_emit_attend(m, &a);
    glia_emit_set(m, 0, glia_emit_cast(m, join_heads(m, a.tokens ? y : glia_emit_swap_heads(m, y)), t));
    return !m->status;
}

/* ---- rotary positions ---- */

/* Positions [b, t], or where the first token stands, [1]. */
static glia_value positions_of(glia_emit *m, glia_value at, int64_t batch, int64_t steps)
{
    if (glia_emit_elements(m, at) != 1 || glia_emit_rank(m, at) == 2) return at;
    int64_t *place = GLIA_NEW_ARRAY(&m->scratch, int64_t, steps + 1);
    for (int64_t i = 0; place && i < steps; i++) place[i] = i;
    glia_value all = place ? glia_emit_constant(m, GLIA_I64, 1, &steps, place) : (glia_value){0};
    all = glia_emit_binary(m, "add", all,
                           glia_emit_reshape(m, glia_emit_cast(m, at, GLIA_I64), 1, (int64_t[]){1}));
    return glia_emit_expand(m, glia_emit_reshape(m, all, 2, (int64_t[]){1, steps}), 2,
                            (int64_t[]){batch, steps});
}

static bool emit_rotary(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), cosines = glia_emit_in(m, 2), sines = glia_emit_in(m, 3), v;
    const bool inside = glia_emit_rank(m, x) == 3;
    const int64_t turned = glia_emit_int(m, "rotary_embedding_dim", 0), half = glia_emit_dim(m, cosines, -1);
    int64_t heads = glia_emit_int(m, "num_heads", 0);
    if (glia_emit_int(m, "is_packed_batching", 0)) return glia_emit_refuse(m, "packed batches");
    if (inside && heads == 0 && !turned) heads = half ? glia_emit_dim(m, x, 2) / (2 * half) : 0;
    v = inside ? glia_emit_split_heads(m, x, heads) : x;
    if (glia_emit_rank(m, v) != 4) return glia_emit_fail(m, "x has rank 3 or 4");
    if (2 * half != (turned ? turned : glia_emit_dim(m, v, 3)))
        return glia_emit_fail(m, "the tables have another width");
    glia_value at =
        positions_of(m, glia_emit_in(m, 1), glia_emit_dim(m, v, 0), glia_emit_dim(m, v, inside ? 1 : 2));
    v = glia_emit_turned(m, v, inside, glia_emit_rows_at(m, cosines, at), glia_emit_rows_at(m, sines, at),
                         glia_emit_int(m, "interleaved", 0) != 0);
    const double scale = glia_emit_float(m, "scale", 1);
    if (scale != 1) v = glia_emit_with(m, "mul", v, scale);
    const glia_type t = *glia_emit_type(m, x);
    glia_emit_set(m, 0, glia_emit_reshape(m, v, t.rank, t.dims));
    return true;
}

/* ---- GroupQueryAttention: q, k, v, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache,
 *      position_ids, attention_bias, head_sink. seqlens_k[b]: the last place that counts. ---- */

typedef struct group_query {
    int64_t heads, groups, batch, rows, before, keys;
    glia_value first; /* i64 [b]: the place of the first new token */
    glia_value count; /* i64 [b]: places that count */
} group_query;

static bool read_group_query(glia_emit *m, glia_attend *a, group_query *g)
{
    glia_value q = glia_emit_in(m, 0), old = glia_emit_in(m, 3);
    int64_t total;
    int count;
    g->heads = glia_emit_int(m, "num_heads", 0);
    g->groups = glia_emit_int(m, "kv_num_heads", 0);
    if (glia_emit_rank(m, q) != 3 || g->heads < 1 || g->groups < 1)
        return glia_emit_fail(m, "q has rank 3, and heads");
    if (!glia_emit_ints(m, 6, &total, 1, &count) || !count)
        return glia_emit_fail(m, "the total length is missing");
    g->batch = glia_emit_dim(m, q, 0);
    g->rows = glia_emit_dim(m, q, 1);
    if (glia_emit_has(m, 1)) {
        a->q = glia_emit_split_heads(m, q, g->heads);
        a->k = glia_emit_split_heads(m, glia_emit_in(m, 1), g->groups);
        a->v = glia_emit_split_heads(m, glia_emit_in(m, 2), g->groups);
    } else {
        const int64_t d = glia_emit_dim(m, q, 2) / (g->heads + 2 * g->groups), k = g->heads * d,
                      v = k + g->groups * d;
        a->q = glia_emit_split_heads(m, columns(m, q, 0, k), g->heads);
        a->k = glia_emit_split_heads(m, columns(m, q, k, v), g->groups);
        a->v = glia_emit_split_heads(m, columns(m, q, v, v + g->groups * d), g->groups);
    }
    g->before = old.id ? glia_emit_dim(m, old, 2) : 0;
    g->keys = glia_max(glia_max(total, g->before), g->rows);
    g->count =
        glia_emit_reshape(m, glia_emit_cast(m, glia_emit_in(m, 5), GLIA_I64), 1, (int64_t[]){g->batch});
    const glia_attr_arg guard[] = {
        GLIA_INT("max", g->keys), GLIA_INT("min", old.id && total > g->rows ? g->rows - 1 : 0), {0}};
    g->count = glia_emit_with(m, "add", glia_emit_node(m, "guard_range", guard, 1, g->count), 1);
    /* A prompt begins at place 0, however long its rows are; else the new tokens are the last. */
    g->first = total <= g->rows ? glia_emit_fill(m, GLIA_I64, 1, (int64_t[]){g->batch}, 0)
                                : glia_emit_with(m, "sub", g->count, (double)g->rows);
    return a->q.id && a->k.id && a->v.id && !m->status;
}

static void turn_by_place(glia_emit *m, glia_attend *a, const group_query *g)
{
    glia_value at = glia_emit_in(m, 9);
    const bool pairs = glia_emit_int(m, "rotary_interleaved", 0) != 0;
    if (!at.id) {
        int64_t *place = GLIA_NEW_ARRAY(&m->scratch, int64_t, g->rows + 1);
        for (int64_t i = 0; place && i < g->rows; i++) place[i] = i;
        at = place ? glia_emit_constant(m, GLIA_I64, 1, &g->rows, place) : (glia_value){0};
        at = glia_emit_binary(m, "add", glia_emit_reshape(m, g->first, 2, (int64_t[]){g->batch, 1}), at);
    }
    glia_value cosines = glia_emit_rows_at(m, glia_emit_in(m, 7), at),
               sines = glia_emit_rows_at(m, glia_emit_in(m, 8), at);
    a->q = glia_emit_turned(m, a->q, true, cosines, sines, pairs);
    a->k = glia_emit_turned(m, a->k, true, cosines, sines, pairs);
}

/* The cache [b, g, keys, d] with the new rows in their places. */
static glia_value put_rows(glia_emit *m, const group_query *g, glia_value rows, int past)
{
    glia_value cache = glia_emit_in(m, past);
    rows = glia_emit_swap_heads(m, rows);
    const int64_t dims[4] = {g->batch, g->groups, g->keys, glia_emit_dim(m, rows, 3)}, none[4] = {0};
    if (!cache.id && g->rows == g->keys) return rows;
    const glia_attr_arg pad[] = {GLIA_INTS("before", none, 4), GLIA_INTS("dims", dims, 4), {0}},
                        axis[] = {GLIA_INT("axis", 2), {0}};
    if (!cache.id) cache = glia_emit_fill(m, glia_emit_dtype(m, rows), 4, dims, 0);
    else if (g->before != g->keys) cache = glia_emit_node(m, "pad", pad, 1, cache);
    return glia_emit_node(m, "tensor_scatter", axis, 3, cache, rows, g->first);
}

static bool emit_group_query_attention(glia_emit *m)
{
    glia_attend a = {.mode = -1, .blank = true};
    group_query g = {0};
    if (glia_emit_int(m, "kv_cache_bit_width", 0) ||
        strcmp(glia_emit_string(m, "k_quant_type", "NONE"), "NONE"))
        return glia_emit_refuse(m, "a quantised cache");
    if (!read_group_query(m, &a, &g)) return false;
    const glia_dtype t = glia_emit_dtype(m, a.q);
    const int64_t window = glia_emit_int(m, "local_window_size", -1);
    if (glia_emit_int(m, "do_rotary", 0)) turn_by_place(m, &a, &g);
    a.k = put_rows(m, &g, a.k, 3);
    a.v = put_rows(m, &g, a.v, 4);
    glia_emit_set(m, 1, a.k);
    glia_emit_set(m, 2, a.v);
    a.q = glia_emit_swap_heads(m, a.q);
    a.scale = glia_emit_float(m, "scale", 0);
    if (a.scale == 0) a.scale = 1 / sqrt((double)glia_emit_dim(m, a.q, 3));
    a.cap = glia_emit_float(m, "softcap", 0);
    glia_value ends = glia_emit_with(m, "add", g.first, (double)g.rows);
    a.bias = glia_emit_window_of(m, GLIA_F32, ends, g.rows, g.keys, window > 0 ? window - 1 : -1, 0);
    add_bias(m, &a.bias, glia_emit_in(m, 10));
    if (glia_emit_has(m, 11)) a.sink = glia_emit_in(m, 11);
    else if (glia_emit_int(m, "smooth_softmax", 0) > 0)
        a.sink = glia_emit_fill(m, GLIA_F32, 1, (int64_t[]){g.heads}, 0);
    glia_value y = glia_emit_attend(m, &a);
    glia_emit_set(m, 0, glia_emit_cast(m, join_heads(m, glia_emit_swap_heads(m, y)), t));
    return !m->status;
}

const glia_net_op glia_net_ops_contrib[] = {
    {"com.microsoft", "Attention", emit_attention, NULL, 0},
    {"com.microsoft", "MultiHeadAttention", emit_multi_head_attention, NULL, 0},
    {"com.microsoft", "GroupQueryAttention", emit_group_query_attention, NULL, 0},
    {"com.microsoft", "RotaryEmbedding", emit_rotary, NULL, 0},
    {0},
};
