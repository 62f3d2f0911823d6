/* LSTM, GRU and RNN. What the input gives to the gates of all steps is one product; the steps are an op of their own,
 * one node for each direction. */
#include "net/emitter.h"

#include <string.h>

#include "ops/recurrent.h"

enum { X, W, R, B, LENS, H0, C0, P }; /* inputs; GRU and RNN end with H0 */

typedef struct layer {
    int gates, acts; /* of a cell */
    const char *op;
    bool back_first, both, batch_first; /* directions; [batch, time, ..] instead of [time, batch, ..] */
    bool after;                         /* GRU: the reset gate comes after the product */
    int64_t steps, batch, n;
    glia_dtype work;
    glia_value x, lens;
    int alpha, beta; /* numbers of the lists that are used up */
} layer;

/* What ONNX calls each activation, how many numbers it takes, and what they are where the model says nothing. */
static const struct {
    const char *name;
    int numbers;
    double alpha, beta;
} activations[GLIA_ACT_COUNT] = {
    [GLIA_ACT_SIGMOID] = {"sigmoid", 0, 0, 0},
    [GLIA_ACT_TANH] = {"tanh", 0, 0, 0},
    [GLIA_ACT_RELU] = {"relu", 0, 0, 0},
    [GLIA_ACT_AFFINE] = {"affine", 2, 1, 0},
    [GLIA_ACT_LEAKY_RELU] = {"leakyrelu", 1, 0.01, 0},
    [GLIA_ACT_THRESHOLDED_RELU] = {"thresholdedrelu", 1, 1, 0},
    [GLIA_ACT_SCALED_TANH] = {"scaledtanh", 2, 1, 1},
    [GLIA_ACT_HARD_SIGMOID] = {"hardsigmoid", 2, 0.2, 0.5},
    [GLIA_ACT_ELU] = {"elu", 1, 1, 0},
    [GLIA_ACT_SOFTSIGN] = {"softsign", 0, 0, 0},
    [GLIA_ACT_SOFTPLUS] = {"softplus", 0, 0, 0},
};

/* Names are compared without regard to case. */
static bool same_name(const char *given, const char *name)
{
    for (; *given && *name; given++, name++)
        if ((*given >= 'A' && *given <= 'Z' ? *given - 'A' + 'a' : *given) != *name) return false;
    return !*given && !*name;
}

static double listed(glia_emit *m, const char *attr, int at, double otherwise)
{
    const glia_onnx_attr *a = glia_emit_attr(m, attr);
    return a && a->kind == GLIA_ONNX_ATTR_FLOATS && at < a->count ? (double)a->floats[at] : otherwise;
}

/* A cell's attributes for one direction: the activations of its turn, and their numbers. */
static bool cell_attrs(glia_emit *m, layer *l, int direction, int64_t *acts, glia_attr_arg *attrs)
{
    static const char *const alphas[] = {"alpha0", "alpha1", "alpha2"}, *const betas[] = {"beta0", "beta1",
                                                                                          "beta2"};
    const glia_onnx_attr *names = glia_emit_attr(m, "activations");
    int count = 0;
    for (int i = 0; i < l->acts; i++) {
        const int at = direction * l->acts + i;
        acts[i] = l->gates == 1 || i > 0 ? GLIA_ACT_TANH : GLIA_ACT_SIGMOID;
        if (names && names->kind == GLIA_ONNX_ATTR_STRINGS && at < names->count) {
            for (acts[i] = 0; acts[i] < GLIA_ACT_COUNT; acts[i]++)
                if (same_name(names->strings[at].text, activations[acts[i]].name)) break;
            if (acts[i] == GLIA_ACT_COUNT)
                return glia_emit_refuse(m, "the activation `%.40s`", names->strings[at].text);
        }
        if (activations[acts[i]].numbers == 0) continue;
        attrs[count++] = (glia_attr_arg)GLIA_FLOAT(
            alphas[i], listed(m, "activation_alpha", l->alpha++, activations[acts[i]].alpha));
        if (activations[acts[i]].numbers == 1) continue;
        attrs[count++] = (glia_attr_arg)GLIA_FLOAT(
            betas[i], listed(m, "activation_beta", l->beta++, activations[acts[i]].beta));
    }
    attrs[count++] = (glia_attr_arg)GLIA_INTS("acts", acts, l->acts);
    attrs[count++] = (glia_attr_arg)GLIA_INT("reverse", l->both ? direction : l->back_first);
    attrs[count++] = (glia_attr_arg)GLIA_FLOAT("clip", glia_emit_float(m, "clip", 0));
    attrs[count++] =
        (glia_attr_arg)GLIA_INT("form", l->gates == 4 ? glia_emit_int(m, "input_forget", 0) != 0 : l->after);
    attrs[count] = (glia_attr_arg){0};
    return true;
}

/* Input i of one direction without its axis, in the dtype that is computed in; axis: where directions lie. */
static glia_value of_direction(glia_emit *m, const layer *l, int i, int direction, int axis)
{
    glia_value v = glia_emit_in(m, i);
    if (!v.id) return v;
    glia_type t = *glia_emit_type(m, v);
    v = glia_emit_slice(m, v, axis, direction, direction + 1);
    memmove(t.dims + axis, t.dims + axis + 1, (size_t)(t.rank - axis - 1) * sizeof *t.dims);
    return glia_emit_cast(m, glia_emit_reshape(m, v, t.rank - 1, t.dims), l->work);
}

/* The biases of W and R: together where both are added alike; GRU's last one apart where r comes between. */
static glia_value bias_of(glia_emit *m, const layer *l, int direction, glia_value *inner)
{
    glia_value b = of_direction(m, l, B, direction, 0);
    const int64_t q = l->gates * l->n, n = l->n;
    *inner = (glia_value){0};
    if (!b.id) return b;
    glia_value w = glia_emit_slice(m, b, 0, 0, q), r = glia_emit_slice(m, b, 0, q, 2 * q);
    if (!l->after) return glia_emit_binary(m, "add", w, r);
    *inner = glia_emit_slice(m, r, 0, 2 * n, 3 * n);
    glia_value gates =
        glia_emit_binary(m, "add", glia_emit_slice(m, w, 0, 0, 2 * n), glia_emit_slice(m, r, 0, 0, 2 * n));
    return glia_emit_concat(m, 0, 2, (glia_value[]){gates, glia_emit_slice(m, w, 0, 2 * n, 3 * n)});
}

/* A small matrix is a constant, which no pass packs: the same numbers as a weight. */
static glia_value as_weight(glia_emit *m, glia_value v)
{
    const glia_value_info *info = v.id && !m->status ? glia_graph_value(m->g, v) : NULL;
    int64_t bytes;
    if (!info || info->kind != GLIA_VALUE_CONSTANT || info->type.rank != 2 || info->type.dims[0] < 16)
        return v;
    const glia_type t = info->type;
    const char *name = glia_arena_printf(&m->scratch, "%.900s.w%lld", info->name, (long long)m->names++);
    if (!name || !glia_dtype_tensor_bytes(t.dtype, t.rank, t.dims, &bytes)) return v;
    void *copy = glia_arena_alloc(&m->part->arena, bytes, 64);
    if (!copy) return v;
    memcpy(copy, info->data, (size_t)bytes);
    return glia_graph_weight(m->g, name, &t, copy, NULL);
}

static bool one_direction(glia_emit *m, layer *l, int direction, glia_value *out)
{
    int64_t acts[3];
    glia_attr_arg attrs[12];
    glia_value inner, bias = bias_of(m, l, direction, &inner);
    if (!cell_attrs(m, l, direction, acts, attrs)) return false;
    glia_value r = as_weight(m, of_direction(m, l, R, direction, 0));
    glia_value w = as_weight(m, of_direction(m, l, W, direction, 0));
    glia_value h0 = of_direction(m, l, H0, direction, l->batch_first);
    glia_value c0 = l->gates == 4 ? of_direction(m, l, C0, direction, l->batch_first) : (glia_value){0};
    glia_value extra = l->gates == 4 ? of_direction(m, l, P, direction, 0) : inner;
    glia_value in[6] = {glia_emit_node(m, "linear", NULL, bias.id ? 3 : 2, l->x, w, bias), r, h0};
    int count = 3;
    if (l->gates == 4) in[count++] = c0;
    if (l->gates > 1) in[count++] = extra;
    in[count++] = l->lens;
    while (count > 2 && !in[count - 1].id) count--;
    out[0] = glia_emit_nodev(m, l->op, attrs, count, in);
    out[1] = glia_emit_output(m, out[0], 1);
    out[2] = l->gates == 4 ? glia_emit_output(m, out[0], 2) : (glia_value){0};
    return !m->status;
}

/* Puts the axis of directions where ONNX has it: [t, d, b, n] and [d, b, n], or with the batch first. */
static void set_outputs(glia_emit *m, const layer *l, const glia_value out[2][3], glia_dtype t)
{
    for (int o = 0; o < (l->gates == 4 ? 3 : 2); o++) {
        glia_value part[2];
        const int64_t sequence[4] = {l->steps, 1, l->batch, l->n}, state[3] = {1, l->batch, l->n};
        if (!glia_emit_wants(m, o)) continue;
        for (int d = 0; d <= l->both; d++)
            part[d] =
                o ? glia_emit_reshape(m, out[d][o], 3, state) : glia_emit_reshape(m, out[d][o], 4, sequence);
        glia_value v = glia_emit_concat(m, o ? 0 : 1, 1 + l->both, part);
        if (l->batch_first) v = glia_emit_transpose(m, v, o ? (int64_t[]){1, 0, 2} : (int64_t[]){2, 0, 1, 3});
        glia_emit_set(m, o, glia_emit_cast(m, v, t));
    }
}

static bool read_layer(glia_emit *m, layer *l)
{
    glia_value x = glia_emit_in(m, X), r = glia_emit_in(m, R);
    const char *direction = glia_emit_string(m, "direction", "forward");
    if (glia_emit_rank(m, x) != 3 || glia_emit_rank(m, r) != 3 || glia_emit_rank(m, glia_emit_in(m, W)) != 3)
        return glia_emit_fail(m, "x, w and r have rank 3");
    l->both = same_name(direction, "bidirectional");
    l->back_first = same_name(direction, "reverse");
    l->batch_first = glia_emit_int(m, "layout", 0) != 0;
    l->after = l->gates == 3 && glia_emit_int(m, "linear_before_reset", 0) != 0;
    l->n = glia_emit_dim(m, r, 2);
    if (glia_emit_dim(m, r, 0) != 1 + l->both || glia_emit_dim(m, r, 1) != l->gates * l->n)
        return glia_emit_fail(m, "r has not the shape of %d directions with %d gates", 1 + l->both, l->gates);
    if (glia_emit_int(m, "hidden_size", l->n) != l->n)
        return glia_emit_fail(m, "hidden_size is another than r has");
    l->work = glia_emit_dtype(m, x) == GLIA_F64 ? GLIA_F64 : GLIA_F32;
    l->x = glia_emit_cast(m, x, l->work);
    if (l->batch_first) l->x = glia_emit_transpose(m, l->x, (int64_t[]){1, 0, 2});
    l->steps = glia_emit_dim(m, l->x, 0);
    l->batch = glia_emit_dim(m, l->x, 1);
    l->lens = glia_emit_in(m, LENS);
    if (l->lens.id) {
        const glia_attr_arg guard[] = {GLIA_INT("max", l->steps + 1), {0}};
        l->lens = glia_emit_node(m, "guard_range", guard, 1, l->lens);
    }
    return !m->status;
}

static bool emit_layer(glia_emit *m, const char *op, int gates, int acts)
{
    layer l = {.op = op, .gates = gates, .acts = acts};
    glia_value out[2][3] = {{{0}}};
    if (!read_layer(m, &l)) return false;
    for (int d = 0; d <= l.both; d++)
        if (!one_direction(m, &l, d, out[d])) return false;
    set_outputs(m, &l, out, glia_emit_dtype(m, glia_emit_in(m, X)));
    return true;
}

static bool emit_lstm(glia_emit *m) { return emit_layer(m, "lstm", 4, 3); }
static bool emit_gru(glia_emit *m) { return emit_layer(m, "gru", 3, 2); }
static bool emit_rnn(glia_emit *m) { return emit_layer(m, "rnn", 1, 1); }

const glia_net_op glia_net_ops_recurrent[] = {
    {"", "LSTM", emit_lstm, NULL, 0},
    {"", "GRU", emit_gru, NULL, 0},
    {"", "RNN", emit_rnn, NULL, 0},
    {0},
};
