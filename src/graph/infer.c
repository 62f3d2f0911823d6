/* The unifier: from a signature and the inputs' types to the outputs' types, or to an error.
 *
 * Fresh names of a signature bind to the inputs' dims in order; every later meeting compares normal forms.
 * Equal ones pass, sizes that differ for all values of the symbols fail at once, the rest becomes an entry
 * guard. */
#include <string.h>

#include "base/check.h"
#include "graph/build.h"

glia_sizes glia_sizes_compare(const glia_graph *g, glia_dim a, glia_dim b)
{
    int64_t lo, hi;
    if (a == b) return GLIA_SIZES_EQUAL;
    glia_dim_difference_bounds(g, a, b, &lo, &hi);
    if (lo == 0 && hi == 0) return GLIA_SIZES_EQUAL;
    return lo > 0 || hi < 0 ? GLIA_SIZES_DIFFER : GLIA_SIZES_GUARD;
}

bool glia_guard_add(glia_graph *g, glia_dim left, glia_dim right)
{
    for (int64_t i = 0; i < g->guard_count; i++) {
        const glia_entry_guard *x = &g->guards[i];
        if ((x->left == left && x->right == right) || (x->left == right && x->right == left)) return true;
    }
    if (g->guard_count >= GLIA_GRAPH_GUARDS_MAX) {
        glia_graph_fail(g, GLIA_E_LIMIT, "G0104", "more than %d different equations between sizes",
                        GLIA_GRAPH_GUARDS_MAX);
        return false;
    }
    glia_entry_guard *grown =
        glia_arena_grow(&g->arena, g->guards, g->guard_count, &g->guard_capacity, sizeof *grown);
    if (!grown) {
        glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph's equations");
        return false;
    }
    g->guards = grown;
    g->guards[g->guard_count++] = (glia_entry_guard){left, right, (int32_t)g->node_count};
    return true;
}

/* ---- inputs ------------------------------------------------------------------------------------ */

/* Meets dim with what the name was bound to; the first meeting binds. */
static bool meet(glia_building *b, glia_bound_dim *v, const char *label, int input, int axis, glia_dim dim)
{
    if (!v->bound) {
        *v = (glia_bound_dim){true, dim, (int16_t)input, (int16_t)axis};
        return true;
    }
    switch (glia_sizes_compare(b->x.g, v->dim, dim)) {
    case GLIA_SIZES_EQUAL: return true;
    case GLIA_SIZES_GUARD: return glia_guard_add(b->x.g, v->dim, dim);
    default: return glia_explain_dims(b, label, v, input, axis, dim);
    }
}

static bool meet_number(glia_building *b, int input, int axis, glia_dim want)
{
    glia_dim dim = b->x.in[input].dims[axis];
    switch (glia_sizes_compare(b->x.g, dim, want)) {
    case GLIA_SIZES_EQUAL: return true;
    case GLIA_SIZES_GUARD: return glia_guard_add(b->x.g, dim, want);
    default: return glia_explain_number(b, input, axis, want);
    }
}

static bool attr_size(glia_building *b, int attr, glia_dim *out)
{
    *out = b->attr[attr].i;
    if (*out >= 0) return true;
    return glia_infer_fail(&b->x, GLIA_E_ARG, "G0120",
                           "`%.300s` (%s): attribute `%s` is a size and cannot be %lld", b->node,
                           b->x.op->name, b->x.op->attrs[attr].name, (long long)*out);
}

/* A group's axes [axis, axis + count) of an input. */
static bool meet_group(glia_building *b, const glia_sig_axis *a, int input, int axis, int count)
{
    glia_bound_group *v = &b->group[a->id[0]];
    const char *label = b->sig->group[a->id[0]];
    if (!v->bound) {
        v->bound = true;
        v->count = (int16_t)count;
        v->input = (int16_t)input;
    } else if (a->optional ? count > v->count : count != v->count) {
        return glia_explain_rank(b, input);
    }
    for (int i = 0; i < count; i++) {
        glia_dim dim = b->x.in[input].dims[axis + i];
        glia_bound_dim *d = &v->dim[v->count - count + i];
        if (a->optional && dim == 1 && d->bound) continue;
        if (!meet(b, d, label, input, axis + i, dim)) return false;
    }
    return true;
}

static bool meet_axis(glia_building *b, const glia_sig_tensor *t, const glia_sig_axis *a, int input, int axis)
{
    glia_dim dim = b->x.in[input].dims[axis], want;
    int id = a->id[0];
    switch (a->kind) {
    case GLIA_SIG_NUMBER: return meet_number(b, input, axis, a->number);
    case GLIA_SIG_ATTR: return attr_size(b, id, &want) && meet_number(b, input, axis, want);
    case GLIA_SIG_NAMED:
        if (!t->variadic || !b->sig->summed[id])
            return meet(b, &b->var[id], b->sig->var[id], input, axis, dim);
        b->summed[id].dim = b->summed[id].bound ? glia_dim_add(b->x.g, b->summed[id].dim, dim) : dim;
        b->summed[id].bound = true;
        return b->x.g->error.status == GLIA_OK;
    default: return true; /* merged axes are met when all names are known */
    }
}

/* The place that attribute `attr` gives in a tensor of this rank; the attribute becomes non-negative. */
static bool place(glia_building *b, int attr, int rank, int *out)
{
    int64_t at = b->attr[attr].i;
    if (at < -rank || at >= rank)
        return glia_infer_fail(&b->x, GLIA_E_ARG, "G0120",
                               "`%.300s` (%s): attribute `%s` names axis %lld of a tensor of rank %d",
                               b->node, b->x.op->name, b->x.op->attrs[attr].name, (long long)at, rank);
    *out = (int)(at < 0 ? at + rank : at);
    b->attr[attr].i = *out;
    return true;
}

/* How many axes each group of this tensor has; false if the rank does not fit. */
static bool spans(glia_building *b, const glia_sig_tensor *t, int input, int rank, int span[2])
{
    int groups = 0, before = 0, at = -1, placed = -1;
    for (int i = 0; i < t->axis_count; i++) {
        const glia_sig_axis *a = &t->axis[i];
        if (a->at >= 0) {
            placed = a->at;
            at = before;
        }
        if (a->kind == GLIA_SIG_GROUP) groups++;
        else before++;
    }
    span[0] = span[1] = rank - before;
    if (rank < before || (groups == 0 && rank != before)) return glia_explain_rank(b, input);
    if (groups < 2) return true;
    int where = 0;
    if (!place(b, placed, rank, &where)) return false;
    span[0] = where - at;
    span[1] -= span[0];
    return (span[0] >= 0 && span[1] >= 0) || glia_explain_rank(b, input);
}

static bool meet_dtype(glia_building *b, const glia_sig_tensor *t, int input)
{
    const glia_type *type = &b->x.in[input];
    if (!(t->dtypes >> type->dtype & 1)) return glia_explain_dtype(b, input);
    if (t->dtype_attr >= 0 && b->attr[t->dtype_attr].i != (int64_t)type->dtype)
        return glia_explain_dtype(b, input);
    if (type->layout && !t->quant) return glia_explain_layout(b, input);
    if (t->state && !glia_graph_value(b->x.g, b->in[input])->state)
        return glia_infer_fail(&b->x, GLIA_E_TYPE, "G0142",
                               "`%.300s` (%s): input `%s` has to be a state; `%.300s` is none", b->node,
                               b->x.op->name, t->name, glia_graph_value(b->x.g, b->in[input])->name);
    if (!t->letter) return true;
    glia_dtype *have = &b->letter[t->letter & 31].dtype;
    if (*have == GLIA_DTYPE_NONE) {
        *have = type->dtype;
        b->letter[t->letter & 31].input = (int16_t)input;
    }
    return *have == type->dtype || glia_explain_letter(b, input, t->letter);
}

static bool meet_tensor(glia_building *b, const glia_sig_tensor *t, int input)
{
    int span[2], group = 0, axis = 0;
    if (!meet_dtype(b, t, input) || !spans(b, t, input, b->x.in[input].rank, span)) return false;
    for (int i = 0; i < t->axis_count; i++) {
        const glia_sig_axis *a = &t->axis[i];
        if (a->kind == GLIA_SIG_GROUP) {
            if (!meet_group(b, a, input, axis, span[group])) return false;
            axis += span[group++];
        } else if (!meet_axis(b, t, a, input, axis++)) {
            return false;
        }
    }
    return true;
}

/* ---- merged axes ------------------------------------------------------------------------------- */

/* (h d): the product of the names is the axis; one unknown name is found by exact division. */
static bool meet_merged_axis(glia_building *b, const glia_sig_axis *a, int input, int axis)
{
    glia_dim dim = b->x.in[input].dims[axis], product = 1;
    int unknown = -1;
    for (int i = 0; i < a->count; i++) {
        if (b->var[a->id[i]].bound) product = glia_dim_mul(b->x.g, product, b->var[a->id[i]].dim);
        else if (unknown < 0) unknown = a->id[i];
        else
            return glia_infer_fail(
                &b->x, GLIA_E_SHAPE, "G0106",
                "`%.300s` (%s): the sizes `%s` and `%s` of a merged axis are not determined", b->node,
                b->x.op->name, b->sig->var[unknown], b->sig->var[a->id[i]]);
    }
    if (b->x.g->error.status != GLIA_OK) return false;
    if (unknown < 0) return meet_number(b, input, axis, product);
    glia_bound_dim *v = &b->var[unknown];
    *v = (glia_bound_dim){true, 0, (int16_t)input, (int16_t)axis};
    return glia_dim_exact_div(b->x.g, dim, product, &v->dim) || glia_explain_number(b, input, axis, product);
}

static bool meet_merged(glia_building *b)
{
    for (int i = 0; i < b->x.in_count; i++) {
        const glia_sig_tensor *t = glia_signature_input(b->sig, i);
        if (b->x.in[i].dtype == GLIA_DTYPE_NONE) continue;
        int axis = 0, fixed = 0, groups = 0;
        for (int k = 0; k < t->axis_count; k++) {
            groups += t->axis[k].kind == GLIA_SIG_GROUP;
            fixed += t->axis[k].kind != GLIA_SIG_GROUP;
        }
        for (int k = 0; k < t->axis_count; k++) {
            if (t->axis[k].kind == GLIA_SIG_GROUP) axis += groups == 1 ? b->x.in[i].rank - fixed : 0;
            else if (t->axis[k].kind == GLIA_SIG_MERGED && !meet_merged_axis(b, &t->axis[k], i, axis++))
                return false;
            else axis += t->axis[k].kind != GLIA_SIG_MERGED;
        }
    }
    return true;
}

/* ---- side conditions --------------------------------------------------------------------------- */

/* False with *absent set when a name belongs to an input that was left out. */
static bool term_value(glia_building *b, const glia_sig_term *t, glia_dim *out, bool *absent)
{
    glia_graph *g = b->x.g;
    *out = t->number;
    const int8_t vars[2] = {t->var, t->var2};
    for (int i = 0; i < 2; i++) {
        if (vars[i] < 0) continue;
        if (!b->var[vars[i]].bound) {
            *absent = true;
            return false;
        }
        *out = glia_dim_mul(g, *out, b->var[vars[i]].dim);
    }
    glia_dim size;
    if (t->attr >= 0) {
        if (!attr_size(b, t->attr, &size)) return false;
        *out = glia_dim_mul(g, *out, size);
    }
    if (t->block >= 0) {
        *absent = t->block >= b->x.in_count || b->x.in[t->block].dtype == GLIA_DTYPE_NONE;
        if (*absent) return false;
        *out = glia_dim_mul(g, *out, glia_dtype_get(b->x.in[t->block].dtype)->block_elements);
    }
    return g->error.status == GLIA_OK;
}

static bool divides(glia_building *b, const glia_sig_condition *c, glia_dim left, glia_dim right)
{
    glia_graph *g = b->x.g;
    glia_dim q;
    if (left == 0 || (left > 0 && right >= 0 && right % left))
        return glia_explain_condition(b, c, left, right, false);
    if (left == 1 || right == 0 || (left > 0 && glia_dim_divisible(g, right, left)) ||
        glia_dim_exact_div(g, right, left, &q))
        return true;
    if (left < 0) return glia_explain_condition(b, c, left, right, true);
    q = glia_dim_mul(g, glia_dim_floor_div(g, right, left), left);
    if (g->error.status != GLIA_OK) return false;
    return glia_sizes_compare(g, q, right) == GLIA_SIZES_DIFFER
               ? glia_explain_condition(b, c, left, right, false)
               : glia_guard_add(g, q, right);
}

static bool at_most(glia_building *b, const glia_sig_condition *c, glia_dim left, glia_dim right)
{
    int64_t lo, hi;
    glia_dim_difference_bounds(b->x.g, right, left, &lo, &hi);
    if (lo >= 0) return true;
    if (hi < 0) return glia_explain_condition(b, c, left, right, false);
    glia_dim larger = glia_dim_max(b->x.g, left, right);
    return b->x.g->error.status == GLIA_OK && glia_guard_add(b->x.g, larger, right);
}

static bool check_conditions(glia_building *b)
{
    for (int i = 0; i < b->sig->condition_count; i++) {
        const glia_sig_condition *c = &b->sig->condition[i];
        glia_dim left, right;
        bool absent = false, fits;
        if (!term_value(b, &c->left, &left, &absent) || !term_value(b, &c->right, &right, &absent)) {
            if (absent) continue;
            return false;
        }
        if (c->relation == GLIA_SIG_DIVIDES) {
            fits = divides(b, c, left, right);
        } else if (c->relation == GLIA_SIG_AT_MOST) {
            fits = at_most(b, c, left, right);
        } else {
            glia_sizes s = glia_sizes_compare(b->x.g, left, right);
            fits = s == GLIA_SIZES_EQUAL ||
                   (s == GLIA_SIZES_GUARD ? glia_guard_add(b->x.g, left, right)
                                          : glia_explain_condition(b, c, left, right, false));
        }
        if (!fits) return false;
    }
    return true;
}

/* ---- outputs ----------------------------------------------------------------------------------- */

static bool append(glia_building *b, glia_type *t, glia_dim d)
{
    if (t->rank == GLIA_RANK_MAX)
        return glia_infer_fail(&b->x, GLIA_E_SHAPE, "G0106",
                               "`%.300s` (%s): the result would have more than %d axes", b->node,
                               b->x.op->name, GLIA_RANK_MAX);
    t->dims[t->rank++] = d;
    return true;
}

/* One axis of broadcast groups: a size of 1 gives way; two symbols have to agree. */
static bool broadcast(glia_building *b, glia_bound_dim *have, const glia_bound_dim *more)
{
    if (!have->bound || have->dim == 1) {
        if (!have->bound || more->dim != 1) *have = *more;
        return true;
    }
    if (more->dim == 1) return true;
    switch (glia_sizes_compare(b->x.g, have->dim, more->dim)) {
    case GLIA_SIZES_EQUAL: return true;
    case GLIA_SIZES_GUARD:
        if (!glia_guard_add(b->x.g, have->dim, more->dim)) return false;
        if (have->dim < 0 && more->dim >= 0) *have = *more; /* the constant says more */
        return true;
    default: return glia_explain_broadcast(b, have, more);
    }
}

static bool append_groups(glia_building *b, const glia_sig_axis *a, glia_type *t)
{
    glia_bound_dim all[GLIA_RANK_MAX] = {{0}};
    int count = 0;
    for (int i = 0; i < a->count; i++) {
        const glia_bound_group *v = &b->group[a->id[i]];
        if (!v->bound) continue; /* of an input that was left out */
        if (v->count > count) count = v->count;
        for (int k = 0; k < v->count; k++) {
            if (!broadcast(b, &all[GLIA_RANK_MAX - v->count + k], &v->dim[k])) return false;
        }
    }
    for (int k = GLIA_RANK_MAX - count; k < GLIA_RANK_MAX; k++) {
        if (!append(b, t, all[k].dim)) return false;
    }
    return true;
}

static bool append_axis(glia_building *b, const glia_sig_axis *a, glia_type *t)
{
    glia_dim d = 1;
    int id = a->id[0];
    switch (a->kind) {
    case GLIA_SIG_GROUP: return append_groups(b, a, t);
    case GLIA_SIG_NUMBER: return append(b, t, a->number);
    case GLIA_SIG_ATTR: return attr_size(b, id, &d) && append(b, t, d);
    case GLIA_SIG_SUM: return append(b, t, b->summed[id].bound ? b->summed[id].dim : 0);
    default: break;
    }
    for (int i = 0; i < a->count; i++) {
        if (!b->var[a->id[i]].bound)
            return glia_infer_fail(&b->x, GLIA_E_INTERNAL, "G0118",
                                   "`%.300s` (%s): no input gives the size `%s`", b->node, b->x.op->name,
                                   b->sig->var[a->id[i]]);
        d = a->kind == GLIA_SIG_NAMED ? b->var[a->id[i]].dim : glia_dim_mul(b->x.g, d, b->var[a->id[i]].dim);
    }
    return append(b, t, d);
}

static bool output_type(glia_building *b, const glia_sig_tensor *s, glia_type *t)
{
    if (s->like >= 0) {
        *t = s->like < b->x.in_count ? b->x.in[s->like] : (glia_type){0};
        return true;
    }
    *t = (glia_type){0};
    if (s->dtype_attr >= 0) t->dtype = (glia_dtype)b->attr[s->dtype_attr].i;
    else if (s->letter) t->dtype = b->letter[s->letter & 31].dtype;
    /* A single dtype in the mask is that dtype; otherwise the hand rule says which it is. */
    else if (s->dtypes && !(s->dtypes & (s->dtypes - 1))) t->dtype = (glia_dtype)__builtin_ctzll(s->dtypes);
    for (int i = 0; i < s->axis_count; i++) {
        if (!append_axis(b, &s->axis[i], t)) return false;
    }
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static bool run_signature(glia_building *b)
{
    for (int i = 0; i < b->sig->in_count || i < b->x.in_count; i++) {
        const glia_sig_tensor *t = glia_signature_input(b->sig, i);
        if (!t) return glia_explain_count(b, -1);
        if (i < b->x.in_count && b->x.in[i].dtype != GLIA_DTYPE_NONE) {
            if (!meet_tensor(b, t, i)) return false;
        } else if (!t->optional) {
            return glia_explain_count(b, i);
        }
    }
    if (!meet_merged(b) || !check_conditions(b)) return false;
    for (int i = 0; i < b->sig->out_count; i++) {
        if (!output_type(b, &b->sig->out[i], &b->out[i])) return false;
    }
    b->x.out_count = b->sig->out_count;
    return true;
}

bool glia_infer_equal(glia_infer *x, glia_dim a, glia_dim b, const char *what)
{
    char s[96], t[96];
    switch (glia_sizes_compare(x->g, a, b)) {
    case GLIA_SIZES_EQUAL: return true;
    case GLIA_SIZES_GUARD: return glia_guard_add(x->g, a, b);
    default:
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0117", "`%.300s` (%s): %s has to be both %s and %s",
                               ((glia_building *)x)->node, x->op->name, what,
                               glia_dim_text(x->g, a, s, sizeof s), glia_dim_text(x->g, b, t, sizeof t));
    }
}

static bool input_types(glia_building *b, glia_type *few, int few_count)
{
    glia_graph *g = b->x.g;
    glia_type *types = b->x.in_count <= few_count ? few : GLIA_NEW_ARRAY(&g->arena, glia_type, b->x.in_count);
    if (!types) {
        glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph");
        return false;
    }
    for (int i = 0; i < b->x.in_count; i++) types[i] = glia_graph_value(g, b->in[i])->type;
    b->x.in = types;
    return true;
}

bool glia_infer_run(glia_building *b)
{
    glia_type few[16];
    glia_graph *g = b->x.g;
    const glia_op *op = b->x.op;
    if (!input_types(b, few, GLIA_COUNT(few))) return false;
    b->x.out = b->out;
    b->x.out_count = 1;
    if (op->signature) {
        if (!(b->sig = glia_signature_add(g, op))) return false;
        b->has_signature = true;
        if (!run_signature(b)) return false;
    }
    if (op->infer && !op->infer(&b->x)) {
        if (g->error.status == GLIA_OK)
            glia_infer_fail(&b->x, GLIA_E_SHAPE, "G0122", "`%.300s` (%s): the inputs do not fit", b->node,
                            op->name);
        return false;
    }
    if (b->x.out_count < 1 || b->x.out_count > GLIA_GRAPH_OUTPUTS_MAX) {
        glia_graph_fail(g, GLIA_E_INTERNAL, "G0118", "`%.300s` (%s): the rule gave %d outputs", b->node,
                        op->name, (int)b->x.out_count);
        return false;
    }
    for (int i = 0; i < b->x.out_count; i++) {
        if (!glia_type_check(g, b->node, &b->out[i])) return false;
    }
    return true;
}
