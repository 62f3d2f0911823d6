/* See attend.h. */
#include "net/attend.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

glia_value glia_emit_swap_heads(glia_emit *m, glia_value v)
{
    return v.id ? glia_emit_transpose(m, v, (int64_t[]){0, 2, 1, 3}) : v;
}

glia_value glia_emit_split_heads(glia_emit *m, glia_value v, int64_t heads)
{
    const int64_t width = glia_emit_dim(m, v, 2);
    if (!v.id || glia_emit_rank(m, v) != 3) return v;
    if (heads < 1 || width % heads) {
        glia_emit_fail(m, "%lld heads of a width of %lld", (long long)heads, (long long)width);
        return (glia_value){0};
    }
    const int64_t dims[4] = {glia_emit_dim(m, v, 0), glia_emit_dim(m, v, 1), heads, width / heads};
    return glia_emit_reshape(m, v, 4, dims);
}

glia_value glia_emit_rows_at(glia_emit *m, glia_value table, glia_value positions)
{
    const glia_attr_arg guard[] = {GLIA_INT("max", glia_emit_dim(m, table, 0)), {0}},
                        axis[] = {GLIA_INT("axis", 0), {0}};
    positions = glia_emit_node(m, "guard_range", guard, 1, positions);
    return glia_emit_node(m, "gather", axis, 2, table, positions);
}

glia_value glia_emit_sum_of(glia_emit *m, glia_value a, glia_value b)
{
    return !a.id ? b : !b.id ? a : glia_emit_binary(m, "add", a, b);
}

/* ---- masks ---- */

static glia_value hidden_where(glia_emit *m, glia_dtype t, glia_value seen, double hidden)
{
    return glia_emit_node(m, "where", NULL, 3, seen, glia_emit_scalar(m, t, 0),
                          glia_emit_scalar(m, t, hidden));
}

glia_value glia_emit_window(glia_emit *m, glia_dtype t, int64_t rows, int64_t keys, int64_t past,
                            int64_t left, int64_t right)
{
    const int64_t dims[2] = {rows, keys};
    int64_t count;
    float *mask = glia_mul(rows, keys, &count) ? GLIA_NEW_ARRAY(&m->scratch, float, count + 1) : NULL;
    if (!mask) {
        glia_emit_fail(m, "a mask of %lld times %lld cannot be made", (long long)rows, (long long)keys);
        return (glia_value){0};
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < keys; j++) {
            const int64_t far = j - (i + past);
            mask[i * keys + j] = (left >= 0 && far < -left) || (right >= 0 && far > right) ? -INFINITY : 0;
        }
    return glia_emit_cast(m, glia_emit_constant(m, GLIA_F32, 2, dims, mask), t);
}

/* j - i + rows, [rows, keys] as i64. */
static glia_value distances(glia_emit *m, int64_t rows, int64_t keys)
{
    const int64_t dims[2] = {rows, keys};
    int64_t count;
    int64_t *far = glia_mul(rows, keys, &count) ? GLIA_NEW_ARRAY(&m->scratch, int64_t, count + 1) : NULL;
    if (!far) {
        glia_emit_fail(m, "a mask of %lld times %lld cannot be made", (long long)rows, (long long)keys);
        return (glia_value){0};
    }
    for (int64_t i = 0; i < count; i++) far[i] = i % keys - i / keys + rows;
    return glia_emit_constant(m, GLIA_I64, 2, dims, far);
}

glia_value glia_emit_window_of(glia_emit *m, glia_dtype t, glia_value count, int64_t rows, int64_t keys,
                               int64_t left, int64_t right)
{
    const int64_t batch = glia_emit_elements(m, count);
    glia_value far = distances(m, rows, keys), mask = {0};
    count = glia_emit_reshape(m, glia_emit_cast(m, count, GLIA_I64), 4, (int64_t[]){batch, 1, 1, 1});
    /* A query's place is count - rows + i. */
    if (right >= 0) {
        glia_value low = glia_emit_with(m, "sub", far, (double)right);
        mask = hidden_where(m, t, glia_emit_binary(m, "le", low, count), -INFINITY);
    }
    if (left >= 0) {
        glia_value high = glia_emit_with(m, "add", far, (double)left);
        mask =
            glia_emit_sum_of(m, mask, hidden_where(m, t, glia_emit_binary(m, "ge", high, count), -INFINITY));
    }
    return mask;
}

glia_value glia_emit_first_keys(glia_emit *m, glia_dtype t, glia_value count, int64_t keys, double hidden)
{
    const int64_t batch = glia_emit_elements(m, count);
    int64_t *place = GLIA_NEW_ARRAY(&m->scratch, int64_t, keys + 1);
    for (int64_t j = 0; place && j < keys; j++) place[j] = j;
    glia_value at = place ? glia_emit_constant(m, GLIA_I64, 1, &keys, place) : (glia_value){0};
    count = glia_emit_reshape(m, glia_emit_cast(m, count, GLIA_I64), 4, (int64_t[]){batch, 1, 1, 1});
    return hidden_where(m, t, glia_emit_binary(m, "lt", at, count), hidden);
}

/* ---- attention ---- */

static glia_value fused(glia_emit *m, const glia_attend *a)
{
    const glia_attr_arg attrs[] = {GLIA_FLOAT("scale", a->scale),
                                   GLIA_INT("causal", a->causal),
                                   GLIA_INT("past", a->past),
                                   GLIA_FLOAT("softcap", a->cap),
                                   {0}};
    return glia_emit_node(m, a->tokens ? "sdpa_tokens" : "sdpa", attrs, a->bias.id ? 4 : 3, a->q, a->k, a->v,
                          a->bias);
}

/* A softmax over scores and one more, whose share goes nowhere. */
static glia_value softmax_with_sink(glia_emit *m, glia_value s, glia_value sink)
{
    int64_t dims[4];
    for (int i = 0; i < 4; i++) dims[i] = glia_emit_dim(m, s, i);
    const int64_t keys = dims[3], heads[4] = {1, dims[1], 1, 1};
    dims[3] = 1;
    sink = glia_emit_expand(m, glia_emit_reshape(m, glia_emit_cast(m, sink, glia_emit_dtype(m, s)), 4, heads),
                            4, dims);
    s = glia_emit_concat(m, 3, 2, (glia_value[]){s, sink});
    return glia_emit_slice(m, glia_emit_node(m, "softmax", NULL, 1, s), 3, 0, keys);
}

/* Heads outside tokens. Query heads of one group stand behind each other, so that keys are not repeated. */
static glia_value stepwise(glia_emit *m, glia_attend *a, glia_value blank)
{
    int64_t q[4], k[4];
    for (int i = 0; i < 4; i++) q[i] = glia_emit_dim(m, a->q, i), k[i] = glia_emit_dim(m, a->k, i);
    const int64_t each = k[1] ? q[1] / k[1] : 0, e = glia_emit_dim(m, a->v, 3);
    const glia_dtype work = glia_emit_dtype(m, a->q);
    glia_value s = glia_emit_reshape(m, a->q, 4, (int64_t[]){q[0], k[1], each * q[2], q[3]});
    s = glia_emit_binary(m, "matmul", s, a->k);
    s = glia_emit_with(m, "mul", glia_emit_reshape(m, s, 4, (int64_t[]){q[0], q[1], q[2], k[2]}), a->scale);
    if (a->mode == 0) a->scores = s;
    if (a->cap > 0) {
        s = glia_emit_node(m, "tanh", NULL, 1, glia_emit_with(m, "div", s, a->cap));
        s = glia_emit_with(m, "mul", s, a->cap);
    }
    if (a->mode == 1) a->scores = s;
    s = glia_emit_sum_of(m, s, a->bias);
    if (a->mode == 2) a->scores = s;
    s = a->sink.id ? softmax_with_sink(m, s, a->sink) : glia_emit_node(m, "softmax", NULL, 1, s);
    if (blank.id) s = glia_emit_node(m, "where", NULL, 3, blank, glia_emit_scalar(m, work, 0), s);
    if (a->mode == 3) a->scores = s;
    glia_value v = glia_emit_transpose(m, a->v, (int64_t[]){0, 1, 3, 2});
    s = glia_emit_reshape(m, s, 4, (int64_t[]){q[0], k[1], each * q[2], k[2]});
    return glia_emit_reshape(m, glia_emit_binary(m, "matmul", s, v), 4, (int64_t[]){q[0], q[1], q[2], e});
}

/* Rows [.., t, 1] that see nothing, by what is added to their scores. */
static glia_value blank_rows(glia_emit *m, glia_value bias)
{
    const int64_t axis = 3;
    const glia_attr_arg attrs[] = {GLIA_INTS("axes", &axis, 1), {0}};
    glia_value most = glia_emit_node(m, "reduce_max", attrs, 1, bias);
    const int64_t dims[4] = {glia_emit_dim(m, bias, 0), glia_emit_dim(m, bias, 1), glia_emit_dim(m, bias, 2),
                             1};
    return glia_emit_reshape(m, glia_emit_with(m, "eq", most, -INFINITY), 4, dims);
}

glia_value glia_emit_attend(glia_emit *m, glia_attend *a)
{
    const int row = a->tokens ? 1 : 2, head = a->tokens ? 2 : 1;
    const int64_t rows = glia_emit_dim(m, a->q, row), keys = glia_emit_dim(m, a->k, row);
    const glia_dtype t = glia_emit_dtype(m, a->q), work = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    const int64_t heads = glia_emit_dim(m, a->q, head), groups = glia_emit_dim(m, a->k, head);
    if (!a->q.id || !a->k.id || !a->v.id) return (glia_value){0};
    if (groups < 1 || heads % groups || glia_emit_dim(m, a->v, head) != groups)
        return glia_emit_fail(m, "%lld heads of queries do not share %lld of keys", (long long)heads,
                              (long long)groups),
               (glia_value){0};
    const bool whole = t != GLIA_F64 && a->mode < 0 && !a->sink.id && keys > 0;
    if (a->causal && (!whole || a->bias.id)) {
        a->bias = glia_emit_sum_of(m, a->bias, glia_emit_window(m, work, rows, keys, a->past, -1, 0));
        a->causal = false;
    }
    if (a->bias.id) {
        int64_t dims[4] = {1, 1, 1, 1};
        for (int i = 0, n = glia_emit_rank(m, a->bias); i < n && n <= 4; i++)
            dims[4 - n + i] = glia_emit_dim(m, a->bias, i);
        a->bias = glia_emit_reshape(m, glia_emit_cast(m, a->bias, work), 4, dims);
    }
    glia_value blank = a->bias.id && a->blank && keys > 0 ? blank_rows(m, a->bias) : (glia_value){0}, y;
    if (!whole) {
        glia_attend outside = *a;
        outside.tokens = false;
        outside.q = glia_emit_cast(m, a->tokens ? glia_emit_swap_heads(m, a->q) : a->q, work);
        outside.k = glia_emit_cast(m, a->tokens ? glia_emit_swap_heads(m, a->k) : a->k, work);
        outside.v = glia_emit_cast(m, a->tokens ? glia_emit_swap_heads(m, a->v) : a->v, work);
        y = stepwise(m, &outside, blank);
        a->scores = glia_emit_cast(m, outside.scores, t);
        return glia_emit_cast(m, a->tokens ? glia_emit_swap_heads(m, y) : y, t);
    }
    a->k = glia_emit_cast(m, a->k, t);
    a->v = glia_emit_cast(m, a->v, t);
    y = fused(m, a);
    if (!blank.id) return y;
    if (a->tokens) blank = glia_emit_swap_heads(m, blank);
    return glia_emit_node(m, "where", NULL, 3, blank, glia_emit_scalar(m, t, 0), y);
}

/* ---- rotary positions ---- */

glia_value glia_emit_turned(glia_emit *m, glia_value x, bool tokens, glia_value cosines, glia_value sines,
                            bool interleaved)
{
    int64_t d[4];
    const glia_dtype t = glia_emit_dtype(m, x), work = t == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    for (int i = 0; i < 4; i++) d[i] = glia_emit_dim(m, x, i);
    const int64_t half = glia_emit_dim(m, cosines, -1), steps = tokens ? d[1] : d[2];
    glia_value table = glia_emit_concat(
        m, 2, 2, (glia_value[]){glia_emit_cast(m, cosines, GLIA_F32), glia_emit_cast(m, sines, GLIA_F32)});
    if (glia_emit_dim(m, table, 0) != d[0])
        table = glia_emit_expand(m, table, 3, (int64_t[]){d[0], steps, 2 * half});
    int64_t rows = d[0] * d[1];
    if (!tokens) { /* every head its own rows of the table */
        table = glia_emit_reshape(m, table, 4, (int64_t[]){d[0], 1, steps, 2 * half});
        table = glia_emit_expand(m, table, 4, (int64_t[]){d[0], d[1], steps, 2 * half});
        rows *= d[2];
    }
    table = glia_emit_reshape(m, table, 2, (int64_t[]){rows, 2 * half});
    const glia_attr_arg attrs[] = {GLIA_INT("neox", !interleaved), {0}};
    glia_value y =
        glia_emit_reshape(m, glia_emit_cast(m, x, work), 3, (int64_t[]){rows, tokens ? d[2] : 1, d[3]});
    y = glia_emit_node(m, "rope", attrs, 2, y, table);
    return glia_emit_cast(m, glia_emit_reshape(m, y, 4, d), t);
}
