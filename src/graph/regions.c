/* Regions: how the axes of a node's operands relate to the axes of its first output.
 *
 * They are read off the signature: a shared name is the same interval, a name that the output lacks is read
 * whole, merged axes and `g divides h` scale. A view relates axes through equal products of sizes. Nothing is
 * interned here, since sealed graphs are read by many threads. */
#include <string.h>

#include "base/check.h"
#include "graph/build.h"

typedef enum { LABEL_NONE, LABEL_VAR, LABEL_GROUP, LABEL_MERGED } label_kind;

typedef struct label { /* what one axis of an operand is called */
    label_kind kind;
    bool coupled;
    int8_t from_right; /* GROUP: place in the group */
    const glia_sig_axis *axis;
} label;

typedef struct reading {
    const glia_graph *g;
    const glia_node *n;
    const glia_signature *s;
    label out[GLIA_RANK_MAX];
    const glia_type *out_type;
    glia_regions *r;
} reading;

static const glia_axis_region whole = {GLIA_AXIS_WHOLE, -1, 1, 1};

/* The axes of a tensor of the given rank; false if the spec does not fit (nothing may be split then). */
static bool labels_of(const glia_node *n, const glia_sig_tensor *t, int rank, label *l)
{
    int groups = 0, fixed = 0, at = -1, place = -1, span[2];
    for (int i = 0; i < t->axis_count; i++) {
        const glia_sig_axis *a = &t->axis[i];
        if (a->at >= 0) {
            at = fixed;
            place = (int)n->attr[a->at].i;
        }
        groups += a->kind == GLIA_SIG_GROUP;
        fixed += a->kind != GLIA_SIG_GROUP;
    }
    span[0] = span[1] = rank - fixed;
    if (groups >= 2) {
        span[0] = at >= 0 ? place - at : -1;
        span[1] -= span[0];
    }
    if (groups > 2 || span[0] < 0 || span[1] < 0 || (groups == 0 && span[0])) return false;
    int axis = 0, group = 0;
    for (int i = 0; i < t->axis_count; i++) {
        const glia_sig_axis *a = &t->axis[i];
        label_kind kind = a->kind == GLIA_SIG_NAMED    ? LABEL_VAR
                          : a->kind == GLIA_SIG_MERGED ? LABEL_MERGED
                                                       : LABEL_NONE;
        if (a->kind != GLIA_SIG_GROUP) {
            l[axis++] = (label){kind, a->coupled, 0, a};
            continue;
        }
        for (int k = 0; k < span[group]; k++)
            l[axis++] = (label){LABEL_GROUP, false, (int8_t)(span[group] - 1 - k), a};
        group++;
    }
    return true;
}

/* The dim that a name has in this node; -1 handles are valid, so success is told apart. */
static bool dim_of_var(const reading *x, int var, glia_dim *out)
{
    for (int i = 0; i < x->n->in_count; i++) {
        const glia_sig_tensor *t = glia_signature_input(x->s, i);
        const glia_type *type = &glia_graph_value(x->g, x->n->in[i])->type;
        label l[GLIA_RANK_MAX];
        if (glia_is_null(x->n->in[i]) || !t || !labels_of(x->n, t, type->rank, l)) continue;
        for (int a = 0; a < type->rank; a++) {
            if (l[a].kind != LABEL_VAR || l[a].axis->id[0] != var) continue;
            *out = type->dims[a];
            return true;
        }
    }
    for (int a = 0; a < x->out_type->rank; a++) {
        if (x->out[a].kind != LABEL_VAR || x->out[a].axis->id[0] != var) continue;
        *out = x->out_type->dims[a];
        return true;
    }
    return false;
}

/* The product of the names of a merged axis but the first. */
static bool inner_product(const reading *x, const glia_sig_axis *a, glia_dim *out)
{
    glia_dim d[4];
    for (int i = 1; i < a->count; i++) {
        if (!dim_of_var(x, a->id[i], &d[i])) return false;
    }
    return glia_dim_find_product(x->g, d + 1, a->count - 1, out);
}

static bool groups_meet(const glia_sig_axis *a, const glia_sig_axis *b)
{
    for (int i = 0; i < a->count; i++) {
        for (int k = 0; k < b->count; k++) {
            if (a->id[i] == b->id[k]) return true;
        }
    }
    return false;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static void granule_times(glia_regions *r, int axis, glia_dim by)
{
    int64_t all;
    if (by <= 0 || !glia_mul(r->granule[axis] / common_divisor(r->granule[axis], by), by, &all))
        r->split[axis] = false;
    else r->granule[axis] = all;
}

/* `g divides h`: an interval of h reads its share of g. */
static bool divided(const reading *x, const label *in, const label *out, glia_axis_region *r,
                    glia_dim *granule)
{
    for (int i = 0; i < x->s->condition_count; i++) {
        const glia_sig_condition *c = &x->s->condition[i];
        const glia_sig_term *l = &c->left, *h = &c->right;
        bool plain = l->number == 1 && h->number == 1 && l->attr < 0 && h->attr < 0 && l->block < 0 &&
                     h->block < 0 && l->var2 < 0 && h->var2 < 0;
        if (c->relation != GLIA_SIG_DIVIDES || !plain || l->var != in->axis->id[0] ||
            h->var != out->axis->id[0])
            continue;
        if (!dim_of_var(x, l->var, &r->num) || !dim_of_var(x, h->var, &r->den) || r->num == 0) return false;
        r->kind = GLIA_AXIS_SCALED;
        *granule = -1;
        if (r->num < 0 || r->den < 0 || r->den % r->num) return true;
        *granule = r->den / r->num;
        r->den = *granule;
        r->num = 1;
        return true;
    }
    return false;
}

/* Relates one input axis to one axis of output 0; false if they have nothing in common. */
static bool relate(const reading *x, const label *in, glia_dim in_dim, bool summed, int axis,
                   glia_axis_region *r, glia_dim *granule)
{
    const label *out = &x->out[axis];
    *r = (glia_axis_region){GLIA_AXIS_SAME, axis, 1, 1};
    *granule = 1;
    if (in->kind == LABEL_VAR && out->kind == LABEL_VAR) {
        if (in->axis->id[0] == out->axis->id[0]) return !summed;
        return divided(x, in, out, r, granule);
    }
    if (in->kind == LABEL_GROUP && out->kind == LABEL_GROUP) {
        if (in->from_right != out->from_right || !groups_meet(in->axis, out->axis)) return false;
        if (in_dim == 1 && x->out_type->dims[axis] != 1) r->kind = GLIA_AXIS_ONE;
        return true;
    }
    if (in->kind == LABEL_MERGED && out->kind == LABEL_MERGED)
        return in->axis->count == out->axis->count &&
               !memcmp(in->axis->id, out->axis->id, sizeof in->axis->id);
    r->kind = GLIA_AXIS_SCALED;
    if (in->kind == LABEL_VAR && out->kind == LABEL_MERGED) {
        if (in->axis->id[0] != out->axis->id[0] || !inner_product(x, out->axis, &r->den)) return false;
        *granule = r->den;
        return true;
    }
    return in->kind == LABEL_MERGED && out->kind == LABEL_VAR && in->axis->id[0] == out->axis->id[0] &&
           inner_product(x, in->axis, &r->num);
}

static const glia_sig_tensor *spec_of_output(const glia_signature *s, int i)
{
    return s->out[i].like >= 0 ? &s->in[s->out[i].like] : &s->out[i];
}

static bool read_input(reading *x, int i, bool state)
{
    const glia_sig_tensor *t = glia_signature_input(x->s, i);
    const glia_type *type = &glia_graph_value(x->g, x->n->in[i])->type;
    label l[GLIA_RANK_MAX];
    if (!t || !labels_of(x->n, t, type->rank, l)) return false;
    for (int a = 0; a < type->rank; a++) {
        glia_dim granule;
        bool summed = t->variadic && l[a].kind == LABEL_VAR && x->s->summed[l[a].axis->id[0]];
        for (int b = 0; b < x->out_type->rank; b++) {
            glia_axis_region r;
            if (!relate(x, &l[a], type->dims[a], summed, b, &r, &granule)) continue;
            x->r->in[i].axis[a] = r;
            if (l[a].coupled) x->r->split[b] = false;
            /* What is written into a state is split only along axes that the written tensor shares. */
            else if (state && !t->state && r.kind == GLIA_AXIS_SAME) x->r->split[b] = true;
            if (granule != 1) granule_times(x->r, b, granule);
            int64_t block = a == type->rank - 1 && r.kind == GLIA_AXIS_SAME
                                ? glia_dtype_get(type->dtype)->block_elements
                                : 1;
            if (block > 1) granule_times(x->r, b, block);
            break;
        }
    }
    return true;
}

static void read_output(reading *x, int i)
{
    const glia_type *type = &glia_graph_value(x->g, x->n->out[i])->type;
    label l[GLIA_RANK_MAX];
    if (i >= x->s->out_count || !labels_of(x->n, spec_of_output(x->s, i), type->rank, l)) return;
    for (int a = 0; a < type->rank; a++) {
        for (int b = 0; b < x->out_type->rank; b++) {
            glia_axis_region r;
            glia_dim granule;
            if (!relate(x, &l[a], type->dims[a], false, b, &r, &granule)) continue;
            if (r.kind == GLIA_AXIS_SAME) x->r->out[i].axis[a] = r;
            break;
        }
    }
}

static void clear(glia_regions *r)
{
    memset(r, 0, sizeof *r);
    for (int a = 0; a < GLIA_RANK_MAX; a++) {
        r->granule[a] = 1;
        for (int i = 0; i < GLIA_COUNT(r->in); i++) r->in[i].axis[a] = whole;
        for (int i = 0; i < GLIA_COUNT(r->out); i++) r->out[i].axis[a] = whole;
        r->out[0].axis[a] = (glia_axis_region){GLIA_AXIS_SAME, a, 1, 1};
    }
}

/* ---- views ------------------------------------------------------------------------------------- */

/* The shortest runs of axes from i and j on with equal products. */
static bool next_run(const glia_graph *g, const glia_type *in, int i, const glia_type *out, int j,
                     int *in_end, int *out_end)
{
    for (int sum = 2; sum <= in->rank - i + out->rank - j; sum++) {
        for (int n = 1; n < sum; n++) {
            int m = sum - n;
            if (i + n > in->rank || j + m > out->rank ||
                !glia_dim_products_equal(g, in->dims + i, n, out->dims + j, m))
                continue;
            *in_end = i + n;
            *out_end = j + m;
            return true;
        }
    }
    return false;
}

/* The leading axes of two runs that hold the same elements: an interval of the output's begins at the same
 * byte as the interval of the input's that is scaled by the sizes behind them. */
static void relate_runs(const glia_graph *g, glia_regions *r, const glia_type *in, int i, int in_end,
                        const glia_type *out, int j, int out_end)
{
    while (i < in_end - 1 && in->dims[i] == 1) i++;
    while (j < out_end - 1 && out->dims[j] == 1) j++;
    glia_dim behind_in, behind_out;
    if (!glia_dim_find_product(g, in->dims + i + 1, in_end - i - 1, &behind_in)) return;
    if (!glia_dim_find_product(g, out->dims + j + 1, out_end - j - 1, &behind_out)) return;
    if (behind_in == behind_out) {
        r->in[0].axis[i] = (glia_axis_region){GLIA_AXIS_SAME, j, 1, 1};
    } else if (behind_in > 0 && behind_out > 0) {
        int64_t common = common_divisor(behind_in, behind_out);
        r->in[0].axis[i] = (glia_axis_region){GLIA_AXIS_SCALED, j, behind_out / common, behind_in / common};
        r->granule[j] = behind_in / common;
    } else if (behind_in == 1) {
        r->in[0].axis[i] = (glia_axis_region){GLIA_AXIS_SCALED, j, behind_out, 1};
    } else {
        return;
    }
    r->split[j] = true;
}

static void read_view(const glia_graph *g, const glia_node *n, glia_regions *r)
{
    const glia_type *in = &glia_graph_value(g, n->in[0])->type, *out = &glia_graph_value(g, n->out[0])->type;
    int i = 0, j = 0, in_end, out_end;
    while (i < in->rank && j < out->rank && next_run(g, in, i, out, j, &in_end, &out_end)) {
        relate_runs(g, r, in, i, in_end, out, j, out_end);
        i = in_end;
        j = out_end;
    }
    int64_t block = glia_dtype_get(out->dtype)->block_elements;
    if (block > 1 && out->rank) granule_times(r, out->rank - 1, block);
}

bool glia_node_regions(const glia_graph *g, const glia_node *n, glia_regions *out)
{
    clear(out);
    if (n->op->traits & GLIA_WHOLE) return false;
    if (n->in_count > GLIA_COUNT(out->in) || n->out_count > GLIA_COUNT(out->out)) return false;
    if (n->op->regions) {
        if (n->op->regions(g, n, out)) return true;
        clear(out);
        return false;
    }
    if (!n->op->signature) {
        if (!(n->op->traits & GLIA_VIEW) || n->in_count < 1) return false;
        read_view(g, n, out);
        return true;
    }
    reading x = {.g = g, .n = n, .r = out, .out_type = &glia_graph_value(g, n->out[0])->type};
    if (!(x.s = glia_signature_find(g, n->op)) ||
        !labels_of(n, spec_of_output(x.s, 0), x.out_type->rank, x.out)) {
        clear(out);
        return false;
    }
    bool state = x.s->out[0].next >= 0;
    for (int b = 0; b < x.out_type->rank; b++)
        out->split[b] = x.out[b].kind != LABEL_NONE && !x.out[b].coupled && !state;
    int64_t block = glia_dtype_get(x.out_type->dtype)->block_elements;
    if (block > 1 && x.out_type->rank) granule_times(out, x.out_type->rank - 1, block);
    for (int i = 0; i < n->in_count; i++) {
        if (glia_is_null(n->in[i]) || read_input(&x, i, state)) continue;
        clear(out);
        return false;
    }
    for (int i = 1; i < n->out_count; i++) read_output(&x, i);
    return true;
}
