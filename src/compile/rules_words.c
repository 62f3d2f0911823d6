/* The functions that rules name: in conditions and attributes numbers, in results builders. */
#include "compile/rules.h"

#include "base/check.h"
#include "ops/box.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

/* ---- numbers ----------------------------------------------------------------------------------------- */

static const glia_binding *bound(const glia_match *m, const glia_term *t, int arg)
{
    const glia_term *a = &m->code->term[t->arg[arg]];
    return arg < t->arg_count && (a->kind == GLIA_TERM_NAME || a->kind == GLIA_TERM_SCALAR)
               ? &m->bound[a->name]
               : &m->bound[0];
}

static glia_value value_of(const glia_match *m, const glia_term *t, int arg)
{
    const glia_binding *b = bound(m, t, arg);
    return b->kind == GLIA_BOUND_VALUE || b->kind == GLIA_BOUND_SCALAR ? b->value : (glia_value){0};
}

static const glia_value_info *info_of(const glia_match *m, const glia_term *t, int arg)
{
    return glia_graph_value(m->g, value_of(m, t, arg));
}

static const glia_type *type_of(const glia_match *m, const glia_term *t, int arg)
{
    return &info_of(m, t, arg)->type;
}

static double w_rank(const glia_match *m, const glia_term *t) { return type_of(m, t, 0)->rank; }
static double w_dtype(const glia_match *m, const glia_term *t) { return type_of(m, t, 0)->dtype; }

/* Sizes that symbols decide are no numbers. */
static double w_dim(const glia_match *m, const glia_term *t)
{
    const glia_type *x = type_of(m, t, 0);
    double at = glia_rule_number(m, t->arg[1]);
    if (at < 0) at += x->rank;
    if (!(at >= 0 && at < x->rank) || x->dims[(int)at] < 0) return (double)NAN;
    return (double)x->dims[(int)at];
}

static double w_elements(const glia_match *m, const glia_term *t)
{
    const glia_type *x = type_of(m, t, 0);
    double n = 1;
    for (int a = 0; a < x->rank; a++) n *= x->dims[a] < 0 ? (double)NAN : (double)x->dims[a];
    return n;
}

/* Has its value before the graph runs. */
static double w_fixed(const glia_match *m, const glia_term *t)
{
    const glia_value_info *i = info_of(m, t, 0);
    return i->kind == GLIA_VALUE_WEIGHT || i->kind == GLIA_VALUE_CONSTANT;
}

/* b is one row along the last axis of x, and nothing else. */
static double w_vector(const glia_match *m, const glia_term *t)
{
    const glia_type *b = type_of(m, t, 0), *x = type_of(m, t, 1);
    if (!b->rank || !x->rank || b->dtype != x->dtype || b->layout) return 0;
    for (int a = 0; a + 1 < b->rank; a++)
        if (b->dims[a] != 1) return 0;
    return b->dims[b->rank - 1] == x->dims[x->rank - 1];
}

static bool same_type(const glia_type *a, const glia_type *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && a->layout == b->layout &&
           !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]);
}

static double w_same(const glia_match *m, const glia_term *t)
{
    return same_type(type_of(m, t, 0), type_of(m, t, 1));
}

static double w_is_ones(const glia_match *m, const glia_term *t)
{
    double number;
    return glia_rule_scalar(m->g, value_of(m, t, 0), &number) && number == 1;
}

/* given(s, otherwise) */
static double w_given(const glia_match *m, const glia_term *t)
{
    return bound(m, t, 0)->kind ? glia_rule_number(m, t->arg[0]) : glia_rule_number(m, t->arg[1]);
}

static double w_bound(const glia_match *m, const glia_term *t)
{
    return bound(m, t, 0)->kind != GLIA_BOUND_NOT;
}
static double w_sqrt(const glia_match *m, const glia_term *t) { return sqrt(glia_rule_number(m, t->arg[0])); }

/* any(a, b, ..): one of them holds. */
static double w_any(const glia_match *m, const glia_term *t)
{
    for (int i = 0; i < t->arg_count; i++) {
        const double x = glia_rule_number(m, t->arg[i]);
        if (x == x && x != 0) return 1;
    }
    return 0;
}

/* perm(p, 0, 2, 1, 3): the attribute has these numbers. */
static double w_perm(const glia_match *m, const glia_term *t)
{
    const glia_binding *b = bound(m, t, 0);
    if (b->kind != GLIA_BOUND_ATTR || b->attr->i != t->arg_count - 1) return 0;
    for (int i = 0; i + 1 < t->arg_count; i++)
        if ((double)b->attr->ints[i] != glia_rule_number(m, t->arg[i + 1])) return 0;
    return 1;
}

/* Axes of size 1 aside, p leaves the order of x's axes: then nothing moves. */
static double w_stays(const glia_match *m, const glia_term *t)
{
    const glia_binding *p = bound(m, t, 0);
    const glia_type *x = type_of(m, t, 1);
    int64_t last = -1;
    if (p->kind != GLIA_BOUND_ATTR || p->attr->i != x->rank) return 0;
    for (int i = 0; i < x->rank; i++) {
        const int64_t axis = p->attr->ints[i];
        if (x->dims[axis] == 1) continue;
        if (axis < last) return 0;
        last = axis;
    }
    return 1;
}

static double w_inverse(const glia_match *m, const glia_term *t)
{
    const glia_binding *p = bound(m, t, 0), *q = bound(m, t, 1);
    if (p->kind != GLIA_BOUND_ATTR || q->kind != GLIA_BOUND_ATTR || p->attr->i != q->attr->i) return 0;
    for (int64_t i = 0; i < p->attr->i; i++)
        if (p->attr->ints[q->attr->ints[i]] != i) return 0;
    return 1;
}

/* A constant mask over [.., t, s] that hides exactly the keys after i + past. Booleans: true is seen; numbers: 0 is
 * seen, -10000 or less is not. Returns past, NAN where it is no such mask. */
static double causal_past(const glia_match *m, const glia_term *t)
{
    const glia_value_info *info = info_of(m, t, 0);
    const glia_type *x = &info->type;
    if (!info->data || x->rank < 2 || x->layout || (x->dtype != GLIA_BOOL && !glia_is_float(x->dtype)))
        return (double)NAN;
    int64_t matrices = 1;
    for (int a = 0; a < x->rank; a++)
        if (x->dims[a] < 1) return (double)NAN;
        else if (a + 2 < x->rank) matrices *= x->dims[a];
    const int64_t rows = x->dims[x->rank - 2], keys = x->dims[x->rank - 1];
    const glia_tensor k = {(void *)(uintptr_t)info->data, x->dims, x->rank, 0, x->dtype};
    int64_t past = INT64_MIN;
    for (int64_t r = 0; r < matrices * rows; r++) {
        int64_t seen = 0, j = r * keys;
        for (int64_t i = 0; i < keys; i++, j++) {
            const double v =
                x->dtype == GLIA_BOOL ? (glia_get_i64(&k, j) ? 0 : -INFINITY) : glia_get_f64(&k, j);
            if (v == 0 && seen == i) seen = i + 1;
            else if (!(v <= -1e4)) return (double)NAN;
        }
        if (past == INT64_MIN) past = seen - 1;
        if (seen != glia_min(r % rows + past + 1, keys)) return (double)NAN;
    }
    return past < 0 ? (double)NAN : (double)past;
}

/* No row of a constant boolean mask hides everything. */
static double w_open(const glia_match *m, const glia_term *t)
{
    const glia_value_info *info = info_of(m, t, 0);
    const glia_type *x = &info->type;
    if (!info->data || x->rank < 1 || x->layout || x->dtype != GLIA_BOOL) return 0;
    int64_t rows = 1;
    for (int a = 0; a < x->rank; a++)
        if (x->dims[a] < 1) return 0;
        else if (a + 1 < x->rank) rows *= x->dims[a];
    const int64_t keys = x->dims[x->rank - 1];
    for (int64_t r = 0; r < rows; r++)
        if (!memchr((const char *)info->data + r * keys, 1, (size_t)keys)) return 0;
    return 1;
}

/* repeats(x, e, y, axis): e is x [.., g, 1, ..] expanded to [.., g, r, ..] at axis and axis + 1, y the two merged. */
static double w_repeats(const glia_match *m, const glia_term *t)
{
    const glia_type *x = type_of(m, t, 0), *e = type_of(m, t, 1), *y = type_of(m, t, 2);
    const double at = glia_rule_number(m, t->arg[3]);
    if (x->rank != 5 || e->rank != 5 || y->rank != 4 || !(at >= 0 && at < 4)) return 0;
    const int g = (int)at;
    if (x->dims[g + 1] != 1 || e->dims[g] < 0 || e->dims[g + 1] < 0 ||
        y->dims[g] != e->dims[g] * e->dims[g + 1])
        return 0;
    for (int a = 0; a < 5; a++) {
        if (a != g + 1 && x->dims[a] != e->dims[a]) return 0;
        if (a != g && a != g + 1 && e->dims[a] != y->dims[a < g ? a : a - 1]) return 0;
    }
    return 1;
}

/* attends(q, k, y): softmax of q k^T times y^T is attention that has kernels: f32, rank 2 to 4, heads up to 256. */
static double w_attends(const glia_match *m, const glia_term *t)
{
    const glia_type *q = type_of(m, t, 0), *k = type_of(m, t, 1), *y = type_of(m, t, 2);
    const int rank = q->rank;
    if (rank < 2 || rank > 4 || k->rank != rank || y->rank != rank || q->dtype != GLIA_F32) return 0;
    if (q->dims[rank - 1] < 0 || q->dims[rank - 1] > 256 || y->dims[rank - 2] < 0 || y->dims[rank - 2] > 256)
        return 0;
    for (int a = 0; a + 2 < rank; a++)
        if (q->dims[a] != k->dims[a] || q->dims[a] != y->dims[a]) return 0;
    return 1;
}

/* A constant of one element, of rank 0 or all axes 1. */
static double w_scalar(const glia_match *m, const glia_term *t)
{
    return w_elements(m, t) == 1 && type_of(m, t, 0)->rank == 0;
}

/* q, k and v [b, h, .., ..] whose first two axes the root [b h, 1, .., ..] has merged. */
static double w_merges(const glia_match *m, const glia_term *t)
{
    const glia_type *root = type_of(m, t, 3), *q = type_of(m, t, 0);
    if (root->rank != 4 || root->dims[1] != 1) return 0;
    for (int i = 0; i < 3; i++) {
        const glia_type *x = type_of(m, t, i);
        if (x->rank != 4 || x->dims[0] < 0 || x->dims[1] < 0 || x->dims[0] * x->dims[1] != root->dims[0] ||
            x->dims[0] != q->dims[0] || x->dims[1] != q->dims[1])
            return 0;
    }
    return q->dims[2] == root->dims[2];
}

/* The activation of ops/epilogue.def that @unary has met; 0: none of them. */
static double w_activation(const glia_match *m, const glia_term *t)
{
    (void)t;
    for (int64_t i = 1; m->any && glia_epilogue_name(i); i++)
        if (!strcmp(glia_epilogue_name(i), m->any->op->name)) return (double)i;
    return 0;
}

/* Its numbers: the first two attributes, where they are floats. */
static double any_attr(const glia_match *m, int i)
{
    const glia_attr_spec *s = m->any ? m->any->op->attrs : NULL;
    for (int at = 0; s && at <= i; at++)
        if (!s[at].name || s[at].kind != GLIA_ATTR_FLOAT) return 0;
    return s ? m->any->attr[i].f : 0;
}
static double w_alpha(const glia_match *m, const glia_term *t)
{
    (void)t;
    return any_attr(m, 0);
}
static double w_beta(const glia_match *m, const glia_term *t)
{
    (void)t;
    return any_attr(m, 1);
}

/* channel(s, y): s has one number for each element of y's axis 1, and its axes meet that one. */
static double w_channel(const glia_match *m, const glia_term *t)
{
    const glia_type *s = type_of(m, t, 0), *y = type_of(m, t, 1);
    const int axis = s->rank - (y->rank - 1);
    if (y->rank < 2 || axis < 0 || s->dtype != y->dtype || s->layout || s->dims[axis] != y->dims[1]) return 0;
    for (int a = 0; a < s->rank; a++)
        if (a != axis && s->dims[a] != 1) return 0;
    return 1;
}

/* known(w): its numbers are here, in f32. */
static double w_known(const glia_match *m, const glia_term *t)
{
    const glia_value_info *i = info_of(m, t, 0);
    return i->data && (i->kind == GLIA_VALUE_WEIGHT || i->kind == GLIA_VALUE_CONSTANT) &&
           i->type.dtype == GLIA_F32 && !i->type.layout;
}

/* ---- builders ----------------------------------------------------------------------------------------- */

static glia_value apply(glia_rule_build *b, const glia_op *op, int count, const glia_value *in,
                        const glia_attr_arg *attrs)
{
    return glia_graph_apply(b->r->dst, op, glia_rule_name(b, op->name), in, count, attrs);
}

static glia_value reshaped(glia_rule_build *b, glia_value v, int rank, const glia_dim *dims)
{
    const glia_type *t = glia_rule_type(b, v);
    if (glia_is_null(v) || (t->rank == rank && !memcmp(t->dims, dims, (size_t)rank * sizeof *dims))) return v;
    const glia_attr_arg attrs[] = {GLIA_INTS("dims", dims, rank), {0}};
    return apply(b, &glia_op_reshape, 1, &v, attrs);
}

static glia_value permuted(glia_rule_build *b, glia_value v, const int64_t *perm)
{
    const glia_attr_arg attrs[] = {GLIA_INTS("perm", perm, glia_rule_type(b, v)->rank), {0}};
    return apply(b, &glia_op_transpose, 1, &v, attrs);
}

static glia_value arg_value(glia_rule_build *b, const glia_term *t, int i)
{
    return i < t->arg_count ? glia_rule_result(b, t->arg[i]) : (glia_value){0};
}

/* flat(b): as [n] */
static glia_value b_flat(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const glia_type *x = glia_rule_type(b, v);
    const glia_dim n = x->rank ? x->dims[x->rank - 1] : 1;
    return reshaped(b, v, 1, &n);
}

/* like(x): x under the root's shape */
static glia_value b_like(glia_rule_build *b, const glia_term *t)
{
    const glia_type root = glia_graph_value(b->r->src, b->root->out[0])->type;
    return reshaped(b, arg_value(b, t, 0), root.rank, root.dims);
}

/* swap(x): the last two axes swapped */
static glia_value b_swap(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const int rank = glia_rule_type(b, v)->rank;
    int64_t perm[GLIA_RANK_MAX];
    for (int i = 0; i < rank; i++) perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return rank < 2 ? (glia_value){0} : permuted(b, v, perm);
}

/* permute(x, p, q): transposed by p, then by q */
static glia_value b_permute(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const glia_binding *p = bound(b->m, t, 1), *q = bound(b->m, t, 2);
    int64_t perm[GLIA_RANK_MAX];
    for (int64_t i = 0; i < q->attr->i; i++) perm[i] = p->attr->ints[q->attr->ints[i]];
    return permuted(b, v, perm);
}

/* heads(x): [b, t, h, d] and [b, h, t, d], the one from the other */
static glia_value b_heads(glia_rule_build *b, const glia_term *t)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    glia_value v = arg_value(b, t, 0);
    return glia_rule_type(b, v)->rank == 4 ? permuted(b, v, perm) : (glia_value){0};
}

/* ones(x): a row of ones as long as x's last axis */
static glia_value b_ones(glia_rule_build *b, const glia_term *t)
{
    const glia_type x = *glia_rule_type(b, arg_value(b, t, 0));
    const int64_t n = x.rank ? x.dims[x.rank - 1] : 0;
    const int64_t size = glia_dtype_get(x.dtype)->block_bytes;
    if (n < 1 || n > 65536 / size) return (glia_value){0};
    void *data = glia_arena_alloc(&b->r->scratch, n * size, 64);
    if (!data) return (glia_value){0};
    const glia_tensor out = {data, &n, 1, 0, x.dtype};
    for (int64_t i = 0; i < n; i++) glia_set_f64(&out, i, 1.0);
    const glia_type type = {x.dtype, 1, 0, {n}};
    return glia_graph_constant(b->r->dst, glia_rule_name(b, "ones"), &type, data);
}

/* weight(w): a constant as a weight, so that it can be packed */
static glia_value b_weight(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const glia_value_info i = *glia_graph_value(b->r->dst, v);
    int64_t bytes;
    if (i.kind != GLIA_VALUE_CONSTANT) return v;
    if (!glia_dtype_tensor_bytes(i.type.dtype, i.type.rank, i.type.dims, &bytes)) return (glia_value){0};
    void *data = glia_arena_alloc(b->r->keep, bytes + 1, 64);
    if (!data) return (glia_value){0};
    memcpy(data, i.data, (size_t)bytes);
    return glia_graph_weight(b->r->dst, glia_rule_name(b, "weight"), &i.type, data, NULL);
}

/* scaled(w, s): each row of a known w, along its first axis, times its element of a known s. */
static glia_value b_scaled(glia_rule_build *b, const glia_term *t)
{
    const glia_value_info w = *glia_graph_value(b->r->dst, arg_value(b, t, 0)),
                          s = *glia_graph_value(b->r->dst, arg_value(b, t, 1));
    int64_t bytes;
    if (!w.data || !s.data || w.type.rank < 1 || w.type.dtype != GLIA_F32 || s.type.dtype != GLIA_F32 ||
        !glia_dtype_tensor_bytes(GLIA_F32, w.type.rank, w.type.dims, &bytes) || w.type.dims[0] < 1)
        return (glia_value){0};
    float *to = glia_arena_alloc(b->r->keep, bytes + 1, 64);
    const int64_t rows = w.type.dims[0], each = bytes / 4 / rows;
    if (!to) return (glia_value){0};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i * each; j < (i + 1) * each; j++)
            to[j] = ((const float *)w.data)[j] * ((const float *)s.data)[i];
    return glia_graph_weight(b->r->dst, glia_rule_name(b, "scaled"), &w.type, to, NULL);
}

/* mask_of(h): booleans that hide, as numbers to be added */
static glia_value b_mask_of(glia_rule_build *b, const glia_term *t)
{
    const glia_type root = glia_graph_value(b->r->src, b->root->out[0])->type;
    const glia_type one = {root.dtype, 0, 0, {0}};
    uint64_t room[2] = {0};
    const glia_tensor hidden = {&room[0], NULL, 0, 0, root.dtype}, seen = {&room[1], NULL, 0, 0, root.dtype};
    glia_set_f64(&hidden, 0, -INFINITY);
    glia_set_f64(&seen, 0, 0);
    const glia_value in[3] = {arg_value(b, t, 0),
                              glia_graph_constant(b->r->dst, glia_rule_name(b, "hidden"), &one, &room[0]),
                              glia_graph_constant(b->r->dst, glia_rule_name(b, "seen"), &one, &room[1])};
    return apply(b, &glia_op_where, 3, in, NULL);
}

/* row(s): all of it as [n] */
static glia_value b_row(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const glia_type x = *glia_rule_type(b, v);
    glia_dim n = 1;
    for (int a = 0; a < x.rank; a++) n *= x.dims[a] < 0 ? 0 : x.dims[a];
    return n ? reshaped(b, v, 1, &n) : (glia_value){0};
}

/* plus(a, b) and times(a, b), of which a may be absent: then b, and nothing. */
static glia_value b_plus(glia_rule_build *b, const glia_term *t)
{
    const glia_value in[2] = {arg_value(b, t, 0), arg_value(b, t, 1)};
    return glia_is_null(in[0]) ? in[1] : apply(b, &glia_op_add, 2, in, NULL);
}
static glia_value b_times(glia_rule_build *b, const glia_term *t)
{
    const glia_value in[2] = {arg_value(b, t, 0), arg_value(b, t, 1)};
    return glia_is_null(in[0]) ? in[0] : apply(b, &glia_op_mul, 2, in, NULL);
}

/* unrepeat(x, axis): [.., g, 1, ..] with axis and axis + 1 merged */
static glia_value b_unrepeat(glia_rule_build *b, const glia_term *t)
{
    glia_value v = arg_value(b, t, 0);
    const glia_type x = *glia_rule_type(b, v);
    const int axis = (int)glia_rule_number(b->m, t->arg[1]);
    glia_dim dims[4];
    for (int a = 0; a < 4; a++) dims[a] = x.dims[a <= axis ? a : a + 1];
    return reshaped(b, v, 4, dims);
}

/* [.., t, d] with 4 axes: [1, 1, t, d], [n, 1, t, d], or as it is. */
static glia_value four_axes(glia_rule_build *b, glia_value v)
{
    const glia_type x = *glia_rule_type(b, v);
    glia_dim dims[4] = {1, 1, x.dims[x.rank - 2], x.dims[x.rank - 1]};
    if (x.rank == 3) dims[0] = x.dims[0];
    return x.rank == 4 ? v : reshaped(b, v, 4, dims);
}

/* attention(q, k, v, mask, scale, past): past of at least 0: causal. A mask of scores of rank 3 gets the head's axis.
 */
static glia_value b_attention(glia_rule_build *b, const glia_term *t)
{
    const glia_type root = glia_graph_value(b->r->src, b->root->out[0])->type;
    const double past = glia_rule_number(b->m, t->arg[5]);
    const glia_attr_arg attrs[] = {GLIA_FLOAT("scale", (double)(float)glia_rule_number(b->m, t->arg[4])),
                                   GLIA_INT("causal", past >= 0),
                                   GLIA_INT("past", past >= 0 ? (int64_t)past : 0),
                                   {0}};
    glia_value in[4];
    for (int i = 0; i < 4; i++) in[i] = arg_value(b, t, i);
    for (int i = 0; i < 3; i++) in[i] = four_axes(b, in[i]);
    const glia_type m = *glia_rule_type(b, in[3]);
    if (!glia_is_null(in[3]) && root.rank == 3 && m.rank == 3) {
        const glia_dim dims[4] = {m.dims[0], 1, m.dims[1], m.dims[2]};
        in[3] = reshaped(b, in[3], 4, dims);
    }
    return reshaped(b, apply(b, &glia_op_sdpa, glia_is_null(in[3]) ? 3 : 4, in, attrs), root.rank, root.dims);
}

static const glia_word words[] = {
    {"rank", w_rank, NULL},
    {"dtype", w_dtype, NULL},
    {"dim", w_dim, NULL},
    {"elements", w_elements, NULL},
    {"fixed", w_fixed, NULL},
    {"vector", w_vector, NULL},
    {"same", w_same, NULL},
    {"ones", w_is_ones, b_ones},
    {"given", w_given, NULL},
    {"bound", w_bound, NULL},
    {"sqrt", w_sqrt, NULL},
    {"any", w_any, NULL},
    {"perm", w_perm, NULL},
    {"stays", w_stays, NULL},
    {"inverse", w_inverse, NULL},
    {"past_of", causal_past, NULL},
    {"open", w_open, NULL},
    {"repeats", w_repeats, NULL},
    {"attends", w_attends, NULL},
    {"activation", w_activation, NULL},
    {"alpha", w_alpha, NULL},
    {"beta", w_beta, NULL},
    {"channel", w_channel, NULL},
    {"known", w_known, NULL},
    {"scalar", w_scalar, NULL},
    {"merges", w_merges, NULL},
    {"mask_of", NULL, b_mask_of},
    {"scaled", NULL, b_scaled},
    {"row", NULL, b_row},
    {"plus", NULL, b_plus},
    {"times", NULL, b_times},
    {"flat", NULL, b_flat},
    {"like", NULL, b_like},
    {"swap", NULL, b_swap},
    {"permute", NULL, b_permute},
    {"heads", NULL, b_heads},
    {"weight", NULL, b_weight},
    {"unrepeat", NULL, b_unrepeat},
    {"attention", NULL, b_attention},
};

const glia_word *glia_word_find(const char *name, int size)
{
    for (int i = 0; i < GLIA_COUNT(words); i++)
        if ((int)strlen(words[i].name) == size && !memcmp(words[i].name, name, (size_t)size))
            return &words[i];
    return NULL;
}
