/* What the operators of ai.onnx.ml share (ml.h).
 *
 * The probit is the approximation that implementations of the operators agree on (Winitzki 2008):
 *     probit(p) = sqrt 2 erfinv(2p - 1),  erfinv(x) = sign(x) sqrt(sqrt(v^2 - w) - v)
 *     with l = log(1 - x^2), v = 2 / (0.147 pi) + l / 2, w = l / 0.147 */
#include "net/ml.h"
#include "base/check.h"
#include "base/fmath.h"
#include "net/emitter.h"
#include "net/host_util.h"
#include "net/ops_words.h"
#include "ops/box.h"

#include <math.h>
#include <string.h>

static const double PROBIT_V = 4.330746750799873,
                    PROBIT_W = 6.802721088435375; /* 2 / (0.147 pi), 1 / 0.147 */

int glia_ml_post_named(const char *name)
{
    static const char *const names[GLIA_ML_POSTS] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    for (int i = 0; i < GLIA_ML_POSTS; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

/* ---- transforms */

static glia_value reduced(glia_emit *m, const char *op, glia_value v)
{
    const int64_t axes[1] = {1};
    return glia_word_reduce(m, op, v, axes, 1, true);
}

/* exp(x - max) over its sum; where x is 0 (within 1e-7), x exp(-max) stands for the exponential. */
static glia_value softmax_zero(glia_emit *m, glia_value x)
{
    glia_value most = reduced(m, "reduce_max", x), size = glia_word_1(m, "abs", x);
    glia_value is = glia_emit_with(m, "gt", size, 1e-7);
    glia_value power = glia_word_1(m, "exp", glia_emit_binary(m, "sub", x, most));
    glia_value rest = glia_emit_binary(m, "mul", x, glia_word_1(m, "exp", glia_word_1(m, "neg", most)));
    glia_value all = glia_word_where(m, is, power, rest), sum = reduced(m, "sum", all);
    glia_value some = glia_emit_with(m, "ne", sum, 0);
    return glia_word_where(m, some, glia_emit_binary(m, "div", all, sum), glia_emit_scalar(m, GLIA_F32, 0.5));
}

static glia_value probit(glia_emit *m, glia_value p)
{
    glia_value x = glia_emit_with(m, "sub", glia_emit_with(m, "mul", p, 2), 1);
    glia_value rest = glia_emit_with(m, "mul", glia_emit_binary(m, "mul", x, x), -1);
    glia_value l = glia_word_1(m, "log", glia_emit_with(m, "add", rest, 1));
    glia_value v = glia_emit_with(m, "add", glia_emit_with(m, "mul", l, 0.5), PROBIT_V);
    glia_value w = glia_emit_with(m, "mul", l, PROBIT_W);
    glia_value root = glia_word_1(m, "sqrt", glia_emit_binary(m, "sub", glia_emit_binary(m, "mul", v, v), w));
    glia_value size = glia_word_1(m, "sqrt", glia_emit_binary(m, "sub", root, v));
    return glia_emit_with(m, "mul", glia_emit_binary(m, "mul", glia_word_1(m, "sign", x), size), 1.41421356);
}

glia_value glia_ml_transform(glia_emit *m, glia_value scores, glia_ml_post post)
{
    if (post == GLIA_ML_SOFTMAX) return glia_word_1(m, "softmax", scores);
    if (post == GLIA_ML_LOGISTIC) return glia_word_1(m, "sigmoid", scores);
    if (post == GLIA_ML_SOFTMAX_ZERO) return softmax_zero(m, scores);
    return post == GLIA_ML_PROBIT ? probit(m, scores) : scores;
}

static double probit_of(double p)
{
    const double x = 2 * p - 1, l = glia_log(1 - x * x), v = PROBIT_V + l / 2;
    return (x < 0 ? -1 : 1) * 1.41421356 * sqrt(sqrt(v * v - l * PROBIT_W) - v);
}

void glia_ml_transform_row(double *scores, int64_t count, glia_ml_post post)
{
    const bool soft = post == GLIA_ML_SOFTMAX || post == GLIA_ML_SOFTMAX_ZERO;
    double most = count ? scores[0] : 0, sum = 0;
    for (int64_t i = 1; i < count; i++) most = scores[i] > most ? scores[i] : most;
    for (int64_t i = 0; i < count; i++) {
        const double v = scores[i];
        if (post == GLIA_ML_LOGISTIC) scores[i] = 1 / (1 + glia_exp(-v));
        if (post == GLIA_ML_PROBIT) scores[i] = probit_of(v);
        if (soft)
            scores[i] = post == GLIA_ML_SOFTMAX || fabs(v) > 1e-7 ? glia_exp(v - most) : v * glia_exp(-most);
        sum += scores[i];
    }
    for (int64_t i = 0; soft && i < count; i++) scores[i] = sum == 0 ? 0.5 : scores[i] / sum;
}

/* ---- attributes */

void *glia_ml_room(glia_emit *m, int64_t count, int64_t size)
{
    void *room = glia_arena_array(&m->scratch, count, size, 16);
    if (!room && !m->status)
        m->status = glia_fail(m->error, GLIA_E_NOMEM, "G0801", "no memory for the tables of a node");
    return room;
}

const glia_onnx_attr *glia_ml_attr(glia_emit *m, const char *name, int32_t kind)
{
    const glia_onnx_attr *a = glia_emit_attr(m, name);
    return a && a->kind == kind ? a : NULL;
}

/* Elements of a tensor of f16, f32 or f64. */
static const double *tensor_doubles(glia_emit *m, const glia_onnx_tensor *t, int64_t *count)
{
    if (t->is_string || !glia_is_float(t->dtype)) {
        glia_emit_fail(m, "a table of another type than floats");
        return NULL;
    }
    const int64_t dims[1] = {t->count};
    void *bytes = glia_ml_room(m, t->bytes, 1);
    double *out = glia_ml_room(m, t->count, (int64_t)sizeof *out);
    if (!bytes || !out) return NULL;
    if (t->bytes && glia_onnx_tensor_read(m->net->file, t, 0, t->bytes, bytes, m->error)) {
        if (!m->status) m->status = m->error->status ? m->error->status : GLIA_E_FORMAT;
        return NULL;
    }
    const glia_tensor view = {bytes, dims, 1, 0, t->dtype};
    for (int64_t i = 0; i < t->count; i++) out[i] = glia_get_f64(&view, i);
    *count = t->count;
    return out;
}

const double *glia_ml_doubles(glia_emit *m, const char *name, int64_t *count)
{
    char longer[64];
    const size_t size = strlen(name);
    *count = 0;
    memcpy(longer, name, size);
    memcpy(longer + size, "_as_tensor", 11);
    const glia_onnx_attr *t = glia_ml_attr(m, longer, GLIA_ONNX_ATTR_TENSOR);
    if (!t) t = glia_ml_attr(m, name, GLIA_ONNX_ATTR_TENSOR);
    if (t && t->t) return tensor_doubles(m, t->t, count);
    const glia_onnx_attr *a = glia_ml_attr(m, name, GLIA_ONNX_ATTR_FLOATS);
    double *out = a && a->count ? glia_ml_room(m, a->count, (int64_t)sizeof *out) : NULL;
    for (int64_t i = 0; out && i < a->count; i++) out[i] = (double)a->floats[i];
    if (out) *count = a->count;
    return out;
}

glia_value glia_ml_constant(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, const double *v)
{
    int64_t count = 1, bytes;
    for (int i = 0; i < rank; i++) count *= dims[i];
    void *data = glia_dtype_tensor_bytes(t, rank, dims, &bytes) ? glia_ml_room(m, bytes + 8, 1) : NULL;
    const glia_tensor to = {data, dims, (int16_t)rank, 0, t};
    for (int64_t i = 0; data && i < count; i++) {
        if (glia_is_float(t)) glia_set_f64(&to, i, v[i]);
        else glia_set_i64(&to, i, (int64_t)v[i]);
    }
    return data ? glia_emit_constant(m, t, rank, dims, data) : (glia_value){0};
}

glia_value glia_ml_matrix(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const int rank = glia_emit_rank(m, x);
    if (!x.id) return x;
    if (rank != 1 && rank != 2) {
        glia_emit_refuse(m, "rows of a tensor of rank %d", rank);
        return (glia_value){0};
    }
    const int64_t dims[2] = {rank == 2 ? glia_emit_dim(m, x, 0) : 1, glia_emit_dim(m, x, -1)};
    if (glia_emit_dtype(m, x) != GLIA_F64) x = glia_emit_cast(m, x, GLIA_F32);
    return glia_emit_reshape(m, x, 2, dims);
}

/* ---- classes */

/* labels[index[n]] */
static glia_value labelled(glia_emit *m, glia_value index, const int64_t *labels, int64_t count)
{
    const glia_attr_arg attrs[] = {GLIA_INT("axis", 0), {0}};
    glia_value table = glia_emit_int_vector(m, labels, (int)count);
    return glia_emit_node(m, "gather", attrs, 2, table, glia_emit_cast(m, index, GLIA_I64));
}

bool glia_ml_classify(glia_emit *m, glia_value scores, const glia_ml_classes *c)
{
    const int64_t rows = glia_emit_dim(m, scores, 0), flat[1] = {rows};
    glia_value index;
    if (c->count > INT32_MAX) return glia_emit_refuse(m, "that many classes");
    glia_ml_post post = c->post;
    if (c->binary) {
        index = glia_emit_reshape(m, glia_emit_with(m, "gt", scores, c->threshold), 1, flat);
        if (c->count == 2) {
            const bool complement = c->complement && post != GLIA_ML_LOGISTIC;
            glia_value other = glia_word_1(m, "neg", scores);
            if (complement) other = glia_emit_with(m, "add", other, 1);
            if (post != GLIA_ML_LOGISTIC) post = GLIA_ML_NONE;
            scores = glia_emit_concat(m, 1, 2, (glia_value[]){other, scores});
        }
    } else {
        const int64_t axes[1] = {1};
        index = glia_emit_reshape(m, glia_word_reduce(m, "argmax", scores, axes, 1, false), 1, flat);
    }
    glia_emit_set(m, 0, labelled(m, index, c->labels, c->count == 1 && c->binary ? 2 : c->count));
    glia_emit_set(m, 1, glia_emit_cast(m, glia_ml_transform(m, scores, post), GLIA_F32));
    return true;
}

enum { ATTRS_MAX = 32 };

glia_status glia_ml_host_strings(glia_host *h, const char *strings, const char *integers)
{
    static const char *const names[] = {"base_values",
                                        "base_values_as_tensor",
                                        "class_ids",
                                        "class_nodeids",
                                        "class_treeids",
                                        "class_weights",
                                        "class_weights_as_tensor",
                                        "nodes_falsenodeids",
                                        "nodes_featureids",
                                        "nodes_missing_value_tracks_true",
                                        "nodes_modes",
                                        "nodes_nodeids",
                                        "nodes_treeids",
                                        "nodes_truenodeids",
                                        "nodes_values",
                                        "nodes_values_as_tensor",
                                        "post_transform",
                                        "coefficients",
                                        "intercepts",
                                        "multi_class"};
    const glia_onnx_attr *labels = glia_host_attr_of(h, strings, GLIA_ONNX_ATTR_STRINGS);
    if (!labels || !labels->count) return glia_host_fail(h, "a classifier without labels");
    const int64_t dims[1] = {labels->count};
    void *numbers;
    glia_object *list = glia_host_tensor(h, GLIA_I64, 1, dims, &numbers), *in[1] = {glia_host_in(h, 0)},
                *out[2] = {0};
    if (!list) return glia_host_error(h)->status;
    /* One label says yes where there is a second number for no. */
    for (int64_t i = 0; i < labels->count; i++) ((int64_t *)numbers)[i] = labels->count == 1 ? 1 : i;
    glia_onnx_attr attrs[ATTRS_MAX];
    int count = 0;
    for (int i = 0; i < GLIA_COUNT(names); i++)
        if (glia_host_attr(h, names[i])) attrs[count++] = *glia_host_attr(h, names[i]);
    attrs[count++] = (glia_onnx_attr){
        .name = integers, .kind = GLIA_ONNX_ATTR_INTS, .ints = numbers, .count = labels->count};
    glia_status status = glia_host_call(h, "ai.onnx.ml", glia_host_op(h), attrs, count, in, 1, out, 2);
    glia_object *texts = status ? NULL : glia_host_strings(h, 1, out[0]->dims);
    if (!status && !texts) status = glia_host_error(h)->status;
    for (int64_t i = 0; !status && i < texts->count; i++) {
        const int64_t k = glia_object_integer(out[0], i) - (labels->count == 1);
        if (k < 0 || k >= labels->count) continue; /* no: the empty string */
        if (!glia_object_put_string(texts, i, labels->strings[k].text, labels->strings[k].size))
            status = glia_host_no_object(h);
    }
    glia_object_release(out[0]);
    glia_object_release(list);
    if (status) {
        glia_object_release(texts);
        glia_object_release(out[1]);
        return status;
    }
    glia_host_set(h, 0, texts);
    glia_host_set(h, 1, out[1]);
    return GLIA_OK;
}
