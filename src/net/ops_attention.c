/* Attention and rotary positions of the standard, linear attention, and attention whose scores a body may change. */
#include "net/attend.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD }; /* inputs of Attention */

/* ---- masks ---- */

/* The mask as an addition, its last axis filled up with what is hidden. */
static bool mask_of(glia_emit *m, glia_dtype work, int64_t keys, glia_value *out)
{
    glia_value mask = glia_emit_in(m, MASK);
    *out = (glia_value){0};
    if (!mask.id) return !m->status && !m->end;
    const int rank = glia_emit_rank(m, mask);
    const int64_t have = rank ? glia_emit_dim(m, mask, -1) : 1;
    if (rank > 4) return glia_emit_fail(m, "a mask of rank %d", rank);
    if (glia_emit_dtype(m, mask) == GLIA_BOOL)
        mask = glia_emit_node(m, "where", NULL, 3, mask, glia_emit_scalar(m, work, 0),
                              glia_emit_scalar(m, work, -INFINITY));
    mask = glia_emit_cast(m, mask, work);
    if (have < keys && (have != 1 || glia_emit_version(m) >= 24) && rank) {
        glia_type t = *glia_emit_type(m, mask);
        const int64_t before[GLIA_RANK_MAX] = {0};
        t.dims[rank - 1] = keys;
        const glia_attr_arg attrs[] = {GLIA_INTS("before", before, rank),
                                       GLIA_INTS("dims", t.dims, rank),
                                       GLIA_FLOAT("value", -INFINITY),
                                       {0}};
        mask = glia_emit_node(m, "pad", attrs, 1, mask);
    }
    *out = mask;
    return !m->status;
}

/* What hides keys: the mask, the window, the keys that count. Causal alone is left to attention itself. */
static bool hide_keys(glia_emit *m, glia_attend *a, int64_t rows, int64_t keys, int64_t past)
{
    const glia_dtype work = glia_emit_dtype(m, a->q) == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    const int64_t left = glia_emit_int(m, "left_window_size", -1),
                  right = glia_emit_int(m, "right_window_size", -1);
    const bool causal = glia_emit_int(m, "is_causal", 0) != 0, window = left >= 0 || right >= 0;
    glia_value count = glia_emit_in(m, NONPAD);
    if (!mask_of(m, work, keys, &a->bias)) return false;
    a->past = past;
    a->causal = causal && !count.id && !window;
    a->blank = a->bias.id || count.id || window;
    if (!count.id && !window) return true;
    const int64_t ahead = causal && (right < 0 || right > 0) ? 0 : right;
    if (count.id && (causal || window))
        a->bias = glia_emit_sum_of(m, a->bias, glia_emit_window_of(m, work, count, rows, keys, left, ahead));
    else if (window)
        a->bias = glia_emit_sum_of(m, a->bias, glia_emit_window(m, work, rows, keys, past, left, ahead));
    if (count.id)
        a->bias = glia_emit_sum_of(m, a->bias, glia_emit_first_keys(m, work, count, keys, -INFINITY));
    return !m->status;
}

/* past and present lie as [b, g, s, d]; joins them, and gives what attention reads in the order that it wants. */
static glia_value joined(glia_emit *m, glia_value v, int past, int present, bool *tokens)
{
    glia_value before = glia_emit_in(m, past);
    if (!before.id && !glia_emit_wants(m, present)) return v;
    glia_value outside = *tokens ? glia_emit_swap_heads(m, v) : v;
    if (before.id)
        outside = glia_emit_concat(
            m, 2, 2, (glia_value[]){before, glia_emit_cast(m, outside, glia_emit_dtype(m, before))});
    glia_emit_set(m, present, outside);
    return before.id && *tokens ? glia_emit_swap_heads(m, outside) : before.id ? outside : v;
}

static bool emit_attention(glia_emit *m)
{
    glia_attend a = {.q = glia_emit_in(m, Q), .k = glia_emit_in(m, K), .v = glia_emit_in(m, V), .mode = -1};
    const int rank = glia_emit_rank(m, a.q);
    const int64_t heads = glia_emit_int(m, "q_num_heads", 0), groups = glia_emit_int(m, "kv_num_heads", 0);
    if (rank != 3 && rank != 4) return glia_emit_fail(m, "q has rank %d", rank);
    a.tokens = rank == 3;
    if (a.tokens) {
        a.q = glia_emit_split_heads(m, a.q, heads);
        a.k = glia_emit_split_heads(m, a.k, groups);
        a.v = glia_emit_split_heads(m, a.v, groups);
    }
    if (!a.q.id || !a.k.id || !a.v.id) return false;
    const bool before = glia_emit_has(m, PAST_K);
    a.k = joined(m, a.k, PAST_K, 1, &a.tokens);
    a.v = joined(m, a.v, PAST_V, 2, &a.tokens);
    const int row = a.tokens ? 1 : 2;
    a.scale = glia_emit_float(m, "scale", 1 / sqrt((double)glia_emit_dim(m, a.q, 3)));
    a.cap = glia_emit_float(m, "softcap", 0);
    if (glia_emit_wants(m, 3)) a.mode = (int)glia_emit_int(m, "qk_matmul_output_mode", 0);
    const int64_t rows = glia_emit_dim(m, a.q, row), keys = glia_emit_dim(m, a.k, row);
    if (!hide_keys(m, &a, rows, keys, before ? glia_emit_dim(m, glia_emit_in(m, PAST_K), 2) : 0))
        return false;
    const glia_dtype t = glia_emit_dtype(m, a.q);
    glia_value y = glia_emit_attend(m, &a);
    if (rank == 3) {
        const int64_t dims[3] = {glia_emit_dim(m, y, 0), glia_emit_dim(m, y, 1),
                                 glia_emit_dim(m, y, 2) * glia_emit_dim(m, y, 3)};
        y = glia_emit_reshape(m, y, 3, dims);
    }
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    glia_emit_set(m, 3, a.scores);
    return !m->status;
}

/* ---- rotary positions ---- */

static bool emit_rotary(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), cosines = glia_emit_in(m, 1), sines = glia_emit_in(m, 2),
               at = glia_emit_in(m, 3);
    const bool inside = glia_emit_rank(m, x) == 3;
    if (inside) x = glia_emit_split_heads(m, x, glia_emit_int(m, "num_heads", 0));
    if (glia_emit_rank(m, x) != 4) return glia_emit_fail(m, "x has rank 3 or 4");
    if (at.id) cosines = glia_emit_rows_at(m, cosines, at), sines = glia_emit_rows_at(m, sines, at);
    const int64_t turned = glia_emit_int(m, "rotary_embedding_dim", 0), half = glia_emit_dim(m, cosines, -1);
    if (glia_emit_rank(m, cosines) != 3 || glia_emit_rank(m, sines) != 3)
        return glia_emit_fail(m, "the tables of cosines and sines have another rank");
    if (2 * half != (turned ? turned : glia_emit_dim(m, x, 3)))
        return glia_emit_fail(m, "the tables have %lld columns for %lld dims", (long long)half,
                              (long long)(turned ? turned : glia_emit_dim(m, x, 3)));
    glia_value y = glia_emit_turned(m, x, inside, cosines, sines, glia_emit_int(m, "interleaved", 0) != 0);
    const glia_type t = *glia_emit_type(m, glia_emit_in(m, 0));
    glia_emit_set(m, 0, glia_emit_reshape(m, y, t.rank, t.dims));
    return true;
}

/* ---- linear attention ---- */

static bool emit_linear_attention(glia_emit *m)
{
    const glia_dtype t = glia_emit_dtype(m, glia_emit_in(m, 0));
    const int64_t heads = glia_emit_int(m, "q_num_heads", 0), groups = glia_emit_int(m, "kv_num_heads", 0);
    const char *rule = glia_emit_string(m, "update_rule", "gated_delta");
    const bool gated = !strncmp(rule, "gated", 5), delta = strstr(rule, "delta") != NULL;
    if (strcmp(rule, "linear") && strcmp(rule, "gated") && strcmp(rule, "delta") &&
        strcmp(rule, "gated_delta"))
        return glia_emit_fail(m, "update rule `%.40s`", rule);
    if (gated != glia_emit_has(m, 4) || delta != glia_emit_has(m, 5))
        return glia_emit_fail(m, "update rule `%s` goes with other inputs", rule);
    glia_value in[6] = {glia_emit_split_heads(m, glia_emit_in(m, 0), heads),
                        glia_emit_split_heads(m, glia_emit_in(m, 1), groups),
                        glia_emit_split_heads(m, glia_emit_in(m, 2), groups),
                        glia_emit_in(m, 3),
                        gated ? glia_emit_split_heads(m, glia_emit_in(m, 4), groups) : (glia_value){0},
                        glia_emit_in(m, 5)};
    const glia_dtype state = in[3].id ? glia_emit_dtype(m, in[3]) : t;
    if (!in[0].id || !in[1].id || !in[2].id) return false;
    double scale = glia_emit_float(m, "scale", 0);
    if (scale == 0) scale = 1 / sqrt((double)glia_emit_dim(m, in[0], 3));
    for (int i = 0; i < 6; i++) in[i] = glia_emit_cast(m, in[i], GLIA_F32);
    glia_value y =
        glia_emit_nodev(m, "linear_attention", (glia_attr_arg[]){GLIA_FLOAT("scale", scale), {0}}, 6, in);
    const int64_t dims[3] = {glia_emit_dim(m, y, 0), glia_emit_dim(m, y, 1),
                             glia_emit_dim(m, y, 2) * glia_emit_dim(m, y, 3)};
    glia_emit_set(m, 1, glia_emit_cast(m, glia_emit_output(m, y, 1), state));
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_reshape(m, y, 3, dims), t));
    return true;
}

/* ---- attention with bodies between its steps ---- */

/* The body that an attribute holds, written out over v; v itself where there is none. */
static bool through_body(glia_emit *m, const char *attr, glia_value *v)
{
    const glia_net_block *b = NULL;
    for (int32_t i = 0; i < m->node->body_count; i++)
        if (!strcmp(m->node->body_attrs[i], attr)) b = &m->node->bodies[i];
    if (!b) return true;
    if (b->in_count != 1 || b->out_count != 1)
        return glia_emit_fail(m, "`%s` has one input and one output", attr);
    m->map[b->in[0]] = *v;
    for (int64_t i = 0; i < b->node_count; i++)
        if (!glia_emit_one(m, &b->nodes[i])) return false;
    *v = glia_emit_slot(m, b->out[0]);
    return v->id != 0;
}

static bool emit_flex_attention(glia_emit *m)
{
    glia_value q = glia_emit_in(m, 0), k = glia_emit_in(m, 1), v = glia_emit_in(m, 2);
    const glia_dtype t = glia_emit_dtype(m, q);
    int64_t qd[4], kd[4];
    if (glia_emit_rank(m, q) != 4 || glia_emit_rank(m, k) != 4 || glia_emit_rank(m, v) != 4)
        return glia_emit_fail(m, "q, k and v have rank 4");
    for (int i = 0; i < 4; i++) qd[i] = glia_emit_dim(m, q, i), kd[i] = glia_emit_dim(m, k, i);
    if (kd[1] < 1 || qd[1] % kd[1])
        return glia_emit_fail(m, "the heads of queries do not share those of keys");
    const int64_t each = qd[1] / kd[1], e = glia_emit_dim(m, v, 3);
    const glia_dtype work =
        glia_onnx_dtype((int32_t)glia_emit_int(m, "softmax_precision", t == GLIA_F64 ? 11 : 1));
    const glia_dtype wide = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    q = glia_emit_reshape(m, glia_emit_cast(m, q, wide), 4, (int64_t[]){qd[0], kd[1], each * qd[2], qd[3]});
    glia_value s = glia_emit_binary(m, "matmul", q, glia_emit_cast(m, k, wide));
    s = glia_emit_with(m, "mul", s, glia_emit_float(m, "scale", 1 / sqrt((double)qd[3])));
    s = glia_emit_cast(m, glia_emit_reshape(m, s, 4, (int64_t[]){qd[0], qd[1], qd[2], kd[2]}), work);
    if (!through_body(m, "score_mod", &s)) return false;
    s = glia_emit_node(m, "softmax", NULL, 1, s);
    if (!through_body(m, "prob_mod", &s)) return false;
    s = glia_emit_reshape(m, glia_emit_cast(m, s, wide), 4, (int64_t[]){qd[0], kd[1], each * qd[2], kd[2]});
    v = glia_emit_transpose(m, glia_emit_cast(m, v, wide), (int64_t[]){0, 1, 3, 2});
    glia_value y =
        glia_emit_reshape(m, glia_emit_binary(m, "matmul", s, v), 4, (int64_t[]){qd[0], qd[1], qd[2], e});
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

const glia_net_op glia_net_ops_attention[] = {
    {"", "Attention", emit_attention, NULL, 0},
    {"", "RotaryEmbedding", emit_rotary, NULL, 0},
    {"", "LinearAttention", emit_linear_attention, NULL, 0},
    {"ai.onnx.preview", "FlexAttention", emit_flex_attention, NULL, 0},
    {0},
};
