/* Adding nodes. A node whose inputs are all known is evaluated at once by its reference kernel, and a constant takes
 * its place, as long as the results stay below FOLD_BYTES each and FOLD_TOTAL in all. */
#include "net/emitter.h"

#include "base/check.h"
#include "ops/ops.h"

#include <stdarg.h>
#include <string.h>

enum { FOLD_BYTES = 64 << 20, FOLD_TOTAL = 1 << 30 };

/* ---- evaluation ------------------------------------------------------------------------------------------ */

typedef struct fold {
    glia_tensor in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    int64_t zero[GLIA_RANK_MAX];
} fold;

static bool known_inputs(glia_emit *m, const glia_node *n, fold *f)
{
    if ((n->op->traits & (GLIA_NO_FOLD | GLIA_GUARD)) || n->in_count == 0 || n->in_count > GLIA_IN_MAX ||
        n->out_count > GLIA_OUT_MAX || (!n->op->reference && !(n->op->traits & GLIA_VIEW)))
        return false;
    for (int i = 0; i < n->in_count; i++) {
        f->in[i] = (glia_tensor){0};
        if (!n->in[i].id) continue;
        const glia_value_info *v = &m->g->values[n->in[i].id];
        const void *data = glia_emit_known(m, n->in[i]);
        if (!data || v->type.layout) return false;
        f->in[i] = (glia_tensor){(void *)(uintptr_t)data, v->type.dims, v->type.rank, 0, v->type.dtype};
    }
    return true;
}

static bool take_outputs(glia_emit *m, const glia_node *n, fold *f)
{
    for (int i = 0; i < n->out_count; i++) {
        const glia_value_info *v = &m->g->values[n->out[i].id];
        int64_t bytes;
        for (int d = 0; d < v->type.rank; d++)
            if (v->type.dims[d] < 0) return false;
        if (v->state || !glia_dtype_tensor_bytes(v->type.dtype, v->type.rank, v->type.dims, &bytes) ||
            bytes > FOLD_BYTES || m->folded_bytes + bytes > FOLD_TOTAL)
            return false;
        void *to = glia_arena_alloc(&m->part->arena, bytes + 64, 64);
        if (!to) return false;
        m->folded_bytes += bytes > 4096 ? bytes : 0;
        f->out[i] = (glia_tensor){to, v->type.dims, v->type.rank, 0, v->type.dtype};
    }
    return true;
}

static bool evaluate(glia_emit *m, const glia_node *n, fold *f)
{
    int32_t fault = 0;
    bool empty = false;
    for (int d = 0; d < f->out[0].rank; d++) empty |= f->out[0].dims[d] == 0;
    if (empty && n->out_count == 1) return true;
    if (n->op->traits & GLIA_VIEW) {
        memcpy(f->out[0].data, f->in[0].data,
               (size_t)(glia_tensor_elements(&f->out[0]) * glia_dtype_get(f->out[0].dtype)->block_bytes));
        return true;
    }
    glia_kargs k = {f->in, f->out, n->in_count, n->out_count, f->zero, f->out[0].dims, n->attr, NULL, &fault};
    int64_t need = n->op->scratch ? n->op->scratch(&k) : 0;
    if (need > 0 && !(k.scratch = glia_arena_alloc(&m->scratch, need, 64))) return false;
    n->op->reference(&k);
    return !fault;
}

/* A node whose one output has no elements computes nothing: an empty constant, so that none is scheduled. */
static bool makes_nothing(glia_emit *m, const glia_node *n)
{
    const glia_value_info *v = &m->g->values[n->out[0].id];
    bool empty = false;
    for (int d = 0; d < v->type.rank; d++) empty |= v->type.dims[d] == 0;
    return empty && n->out_count == 1 && !v->state;
}

/* The first output as a constant, the others remembered; or v itself. */
static glia_value folded(glia_emit *m, glia_value v)
{
    fold f = {0};
    if (!v.id || m->g->values[v.id].producer < 0) return v;
    const glia_node n = m->g->nodes[m->g->values[v.id].producer];
    if (makes_nothing(m, &n)) {
        const glia_type t = m->g->values[v.id].type;
        return glia_emit_constant(m, t.dtype, t.rank, t.dims, "");
    }
    if (!known_inputs(m, &n, &f) || !take_outputs(m, &n, &f) || !evaluate(m, &n, &f)) return v;
    glia_emit_several *all = n.out_count > 1 ? GLIA_NEW(&m->scratch, glia_emit_several) : NULL;
    if (n.out_count > 1 && !all) return v;
    glia_value first = {0};
    for (int i = 0; i < n.out_count; i++) {
        const glia_type t = m->g->values[n.out[i].id].type;
        const char *name = glia_arena_printf(&m->scratch, "%.700s.k", m->g->values[n.out[i].id].name);
        int64_t bytes;
        if (!name || !glia_dtype_tensor_bytes(t.dtype, t.rank, t.dims, &bytes)) return v;
        glia_value c = bytes <= 65536 ? glia_graph_constant(m->g, name, &t, f.out[i].data)
                                      : glia_graph_weight(m->g, name, &t, f.out[i].data, NULL);
        if (i == 0) first = c;
        if (all) all->out[i] = c;
    }
    if (all) {
        all->first = first.id;
        all->next = m->several;
        m->several = all;
    }
    return first;
}

/* ---- nodes ------------------------------------------------------------------------------------------------ */

glia_value glia_emit_nodev(glia_emit *m, const char *op, const glia_attr_arg *attrs, int count,
                           const glia_value *in)
{
    if (m->status || m->end) return (glia_value){0};
    const char *name = glia_arena_printf(&m->scratch, "%.700s/%s.%lld", m->node ? m->node->name : "part", op,
                                         (long long)m->names++);
    glia_value v = glia_graph_node(m->g, op, name, in, count, attrs);
    if (m->g->error.status) return (glia_value){0};
    return folded(m, v);
}

glia_value glia_emit_node(glia_emit *m, const char *op, const glia_attr_arg *attrs, int count, ...)
{
    glia_value in[GLIA_IN_MAX];
    va_list ap;
    va_start(ap, count);
    for (int i = 0; i < count && i < GLIA_IN_MAX; i++) in[i] = va_arg(ap, glia_value);
    va_end(ap);
    return glia_emit_nodev(m, op, attrs, count < GLIA_IN_MAX ? count : GLIA_IN_MAX, in);
}

glia_value glia_emit_output(glia_emit *m, glia_value v, int i)
{
    if (!v.id || i == 0 || m->g->error.status) return v;
    for (const glia_emit_several *s = m->several; s; s = s->next)
        if (s->first == v.id && i < GLIA_OUT_MAX) return s->out[i];
    return glia_graph_output_of(m->g, v, i);
}

glia_value glia_emit_scalar(glia_emit *m, glia_dtype t, double number)
{
    uint64_t room = 0;
    const glia_tensor one = {&room, NULL, 0, 0, t};
    if (glia_is_float(t)) glia_set_f64(&one, 0, number);
    else glia_set_i64(&one, 0, (int64_t)number);
    return glia_emit_constant(m, t, 0, NULL, &room);
}

glia_value glia_emit_int_vector(glia_emit *m, const int64_t *v, int count)
{
    const int64_t dims[1] = {count};
    return glia_emit_constant(m, GLIA_I64, 1, dims, v);
}

glia_value glia_emit_cast(glia_emit *m, glia_value v, glia_dtype to)
{
    if (!v.id || glia_emit_dtype(m, v) == to) return v;
    return glia_emit_node(m, "cast", (glia_attr_arg[]){GLIA_TYPE_ATTR("to", to), {0}}, 1, v);
}

glia_value glia_emit_reshape(glia_emit *m, glia_value v, int rank, const int64_t *dims)
{
    const glia_type *t = glia_emit_type(m, v);
    if (t->rank == rank && !memcmp(t->dims, dims, (size_t)rank * sizeof *dims)) return v;
    return glia_emit_node(m, "reshape", (glia_attr_arg[]){GLIA_INTS("dims", dims, rank), {0}}, 1, v);
}

glia_value glia_emit_expand(glia_emit *m, glia_value v, int rank, const int64_t *dims)
{
    const glia_type *t = glia_emit_type(m, v);
    if (t->rank == rank && !memcmp(t->dims, dims, (size_t)rank * sizeof *dims)) return v;
    return glia_emit_node(m, "expand", (glia_attr_arg[]){GLIA_INTS("dims", dims, rank), {0}}, 1, v);
}

glia_value glia_emit_fill(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, double number)
{
    return glia_emit_expand(m, glia_emit_scalar(m, t, number), rank, dims);
}

/* A matrix that is a weight swaps its axes when it is read. */
static bool swaps_weight(glia_emit *m, glia_value v, const int64_t *perm)
{
    const glia_value_info *i = v.id ? &m->g->values[v.id] : NULL;
    return i && i->kind == GLIA_VALUE_WEIGHT && i->type.rank == 2 && perm[0] == 1 && perm[1] == 0;
}

glia_value glia_emit_transpose(glia_emit *m, glia_value v, const int64_t *perm)
{
    int rank = glia_emit_rank(m, v), moved = 0;
    for (int i = 0; i < rank; i++) moved += perm[i] != i;
    if (!moved) return v;
    if (swaps_weight(m, v, perm)) return glia_emit_transposed_weight(m, v);
    return glia_emit_node(m, "transpose", (glia_attr_arg[]){GLIA_INTS("perm", perm, rank), {0}}, 1, v);
}

glia_value glia_emit_slice(glia_emit *m, glia_value v, int axis, int64_t begin, int64_t end)
{
    int64_t begins[GLIA_RANK_MAX] = {0}, dims[GLIA_RANK_MAX];
    const int rank = glia_emit_rank(m, v);
    if (axis < 0) axis += rank;
    if (!v.id || (begin == 0 && end == glia_emit_dim(m, v, axis))) return v;
    for (int i = 0; i < rank; i++) dims[i] = glia_emit_dim(m, v, i);
    begins[axis] = begin;
    dims[axis] = end - begin;
    const glia_attr_arg attrs[] = {GLIA_INTS("begin", begins, rank), GLIA_INTS("dims", dims, rank), {0}};
    return glia_emit_node(m, "slice", attrs, 1, v);
}

glia_value glia_emit_concat(glia_emit *m, int axis, int count, const glia_value *in)
{
    const glia_attr_arg attrs[] = {GLIA_INT("axis", axis), {0}};
    enum { AT_ONCE = 14 }; /* what `concat` takes */
    glia_value have = count > 0 ? in[0] : (glia_value){0};
    for (int at = 1; at < count;) {
        glia_value some[AT_ONCE];
        int n = 0;
        some[n++] = have;
        while (n < AT_ONCE && at < count) some[n++] = in[at++];
        have = glia_emit_nodev(m, "concat", attrs, n, some);
    }
    return have;
}

glia_value glia_emit_binary(glia_emit *m, const char *op, glia_value a, glia_value b)
{
    return glia_emit_node(m, op, NULL, 2, a, b);
}

glia_value glia_emit_with(glia_emit *m, const char *op, glia_value v, double number)
{
    return v.id ? glia_emit_binary(m, op, v, glia_emit_scalar(m, glia_emit_dtype(m, v), number)) : v;
}

/* The other of a pair, made when it is asked for first. */
glia_value glia_emit_transposed_weight(glia_emit *m, glia_value v)
{
    const glia_value_info *info = v.id && !m->status ? &m->g->values[v.id] : NULL;
    if (!info || info->type.rank < 2) return (glia_value){0};
    for (const glia_emit_pair *p = m->pairs; p; p = p->next) {
        if (p->plain == v.id) return (glia_value){p->swapped};
        if (p->swapped == v.id) return (glia_value){p->plain};
    }
    const int rank = info->type.rank;
    if (info->kind == GLIA_VALUE_CONSTANT || (info->kind == GLIA_VALUE_WEIGHT && rank > 2 && info->data)) {
        int64_t perm[GLIA_RANK_MAX];
        for (int i = 0; i < rank; i++) perm[i] = i;
        perm[rank - 1] = rank - 2;
        perm[rank - 2] = rank - 1;
        return glia_emit_node(m, "transpose", (glia_attr_arg[]){GLIA_INTS("perm", perm, rank), {0}}, 1, v);
    }
    glia_emit_pair *p = GLIA_NEW(&m->scratch, glia_emit_pair);
    const char *name = glia_arena_printf(&m->scratch, "%s^T", info->name);
    if (info->kind != GLIA_VALUE_WEIGHT || rank != 2 || !p || !name) return (glia_value){0};
    glia_type t = info->type;
    t.dims[0] = info->type.dims[1];
    t.dims[1] = info->type.dims[0];
    glia_value w = glia_graph_weight(m->g, name, &t, NULL, NULL);
    *p = (glia_emit_pair){v.id, w.id, m->pairs};
    m->pairs = p;
    return w;
}

/* A table that is read by rows stays plain: the product gets a weight of its own over the same bytes, to be packed. */
static bool read_otherwise(const glia_emit *m, glia_value v)
{
    for (int64_t i = 0; i < m->g->node_count; i++) {
        const glia_node *n = &m->g->nodes[i];
        for (int j = 0; j < n->in_count; j++)
            if (n->in[j].id == v.id && !((n->op->traits & GLIA_PRODUCT) && j == 1)) return true;
    }
    return false;
}

glia_value glia_emit_as_weight(glia_emit *m, glia_value v)
{
    const glia_value_info *info = v.id && !m->status ? &m->g->values[v.id] : NULL;
    int64_t bytes;
    if (info && info->kind == GLIA_VALUE_WEIGHT && info->data && read_otherwise(m, v)) {
        const glia_type type = info->type;
        const void *data = info->data;
        const char *other = glia_arena_printf(&m->scratch, "%.700s.p%lld", info->name, (long long)m->names++);
        return other ? glia_graph_weight(m->g, other, &type, data, NULL) : v;
    }
    if (!info || info->kind != GLIA_VALUE_CONSTANT ||
        !glia_dtype_tensor_bytes(info->type.dtype, info->type.rank, info->type.dims, &bytes) || bytes == 0)
        return v;
    const glia_type t = info->type;
    const char *name = glia_arena_printf(&m->scratch, "%.700s.w%lld", info->name, (long long)m->names++);
    void *copy = glia_arena_alloc(&m->part->arena, bytes, 64); /* the graph does not outlive the emission */
    if (!name || !copy) return v;
    memcpy(copy, info->data, (size_t)bytes);
    return glia_graph_weight(m->g, name, &t, copy, NULL);
}
