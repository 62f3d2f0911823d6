/* The validator: proves for one variant that, within a phase, no item writes what an item of another slot
 * writes or reads. It knows nothing of how the schedule was found: it works from the records and the
 * signatures' regions.
 *
 * An access is a box: of a tensor seen as [outer, period] elements, the interval [lo, hi) of every period.
 * Bounds are evaluated at the ends of the symbols' ranges; constant axes need no more, and shares of a
 * symbolic axis are the same formula on both sides, so they agree everywhere when they agree in form. */
#include "compile/plan.h"

#include "base/check.h"

#include <string.h>

typedef struct access {
    int32_t item, root;
    int32_t next;        /* of the same root: place in the list + 1 */
    int64_t first, last; /* bytes of the whole tensor in its memory */
    bool write, is_private;
    uint8_t kind;            /* glia_part_kind of the item */
    uint16_t slot;           /* WHOLE */
    bool whole;              /* the box is the whole tensor */
    int64_t outer, period;   /* elements */
    int64_t size, granule;   /* of the split axis of the item's output 0 */
    int64_t num, den, inner; /* interval of this tensor = share * num / den, times inner elements */
} access;

typedef struct checker {
    const glia_plan *p;
    const glia_variant *v;
    const int64_t *symbols;
    access *list;
    int32_t *of_root; /* by root: newest access, place in the list + 1 */
    int64_t count, capacity;
    glia_arena scratch;
} checker;

static int64_t eval(const checker *c, glia_dim d)
{
    int64_t v = 0;
    if (d >= 0) return d;
    return glia_dim_eval(c->p->graph, d, c->symbols, &v) ? v : 0;
}

static void set_box(const checker *c, access *a, const glia_type *t, int axis, int64_t num, int64_t den)
{
    a->whole = false;
    a->outer = 1;
    a->inner = 1;
    for (int i = 0; i < axis; i++) a->outer *= eval(c, t->dims[i]);
    for (int i = axis + 1; i < t->rank; i++) a->inner *= eval(c, t->dims[i]);
    a->period = eval(c, t->dims[axis]) * a->inner;
    a->num = num;
    a->den = den;
}

/* The part of one operand that a slot's share of the item touches. */
static void describe(const checker *c, const glia_item *it, access *a, const glia_type *t,
                     const glia_axis_region *regions)
{
    a->whole = true;
    if (it->kind != GLIA_PART_SPLIT) return;
    for (int x = 0; x < t->rank; x++) {
        const glia_axis_region *r = &regions[x];
        if (r->axis != it->axis) continue;
        if (r->kind == GLIA_AXIS_SAME) set_box(c, a, t, x, 1, 1);
        else if (r->kind == GLIA_AXIS_SCALED && eval(c, r->den) > 0)
            set_box(c, a, t, x, eval(c, r->num), eval(c, r->den));
        else continue;
        return;
    }
}

static bool same_access(const access *a, const access *b)
{
    return a->write == b->write && a->is_private == b->is_private && a->kind == b->kind &&
           a->slot == b->slot && a->whole == b->whole && a->first == b->first && a->last == b->last &&
           a->size == b->size && a->granule == b->granule && a->outer == b->outer && a->period == b->period &&
           a->num == b->num && a->den == b->den && a->inner == b->inner;
}

/* By memory, so that only those of one are compared; what another item does just so need not be looked at twice. */
static bool add_access(checker *c, const access *a)
{
    for (int32_t i = c->of_root[a->root]; i; i = c->list[i - 1].next)
        if (same_access(&c->list[i - 1], a)) return true;
    access *grown = glia_arena_grow(&c->scratch, c->list, c->count, &c->capacity, sizeof *grown);
    if (!grown) return false;
    c->list = grown;
    c->list[c->count] = *a;
    c->list[c->count++].next = c->of_root[a->root];
    c->of_root[a->root] = (int32_t)c->count;
    return true;
}

static bool collect(checker *c, int32_t index)
{
    const glia_item *it = &c->v->items[index];
    const glia_node *n = &c->p->graph->nodes[it->node];
    glia_regions r;
    memset(&r, 0, sizeof r);
    bool known = glia_node_regions(c->p->graph, n, &r);
    for (int j = 0; j < n->in_count + n->out_count; j++) {
        bool write = j >= n->in_count;
        glia_value v = write ? n->out[j - n->in_count] : n->in[j];
        if (glia_is_null(v) || (write && it->guard)) continue; /* a guard writes nothing but the fault word */
        const glia_placed *at = &c->v->placed[v.id];
        if (at->base != GLIA_BASE_ARENA && at->base != GLIA_BASE_STATE) continue;
        const glia_type *t = &glia_graph_value(c->p->graph, v)->type;
        access a = {.item = index,
                    .root = at->root,
                    .first = at->delta,
                    .write = write,
                    .is_private = at->slot_stride != 0 || c->v->slots == 1,
                    .kind = it->kind,
                    .slot = it->slot,
                    .granule = it->granule,
                    .size = eval(c, c->v->dims[it->axis_dim])};
        if (!known) a.whole = true;
        else if (write && j == n->in_count) {
            a.whole = it->kind != GLIA_PART_SPLIT;
            if (!a.whole) set_box(c, &a, t, it->axis, 1, 1);
        } else describe(c, it, &a, t, write ? r.out[j - n->in_count].axis : r.in[j].axis);
        int64_t bytes = 0;
        if (glia_value_bytes_max(c->p->graph, t, c->symbols, &bytes, NULL)) bytes = INT64_MAX - a.first;
        a.last = a.first + bytes;
        /* A writer whose operand is its own state in place: the state's old version is the same bytes. */
        if (!add_access(c, &a)) return false;
    }
    return true;
}

static void interval(const access *a, int64_t shares, int64_t s, int64_t *lo, int64_t *hi)
{
    if (a->kind == GLIA_PART_WHOLE && a->slot != s) {
        *lo = *hi = 0;
        return;
    }
    if (a->whole) {
        *lo = 0;
        *hi = INT64_MAX;
        return;
    }
    int64_t b, e;
    glia_share(a->size, a->granule, shares, s, &b, &e);
    *lo = b * a->num / a->den * a->inner;
    *hi = b == e ? *lo : glia_ceil_div(e * a->num, a->den) * a->inner;
}

/* May slot s of a and slot t of b touch the same bytes? */
static bool collide(const checker *c, const access *a, const access *b, int64_t shares)
{
    (void)c;
    /* The same cut of the same boxes: shares of two slots never meet. */
    if (!a->whole && !b->whole && a->kind == GLIA_PART_SPLIT && b->kind == GLIA_PART_SPLIT &&
        a->outer == b->outer && a->period == b->period && a->inner == b->inner && a->size == b->size &&
        a->granule == b->granule && a->num == b->num && a->den == 1 && b->den == 1)
        return false;
    bool comparable = !a->whole && !b->whole && a->outer == b->outer && a->period == b->period;
    for (int64_t s = 0; s < shares; s++) {
        int64_t alo, ahi, blo, bhi;
        interval(a, shares, s, &alo, &ahi);
        if (alo >= ahi) continue;
        /* Intervals do not fall with the share: of those before and of those behind, the nearest decide. */
        for (int64_t t = s - 1; t >= 0; t--) {
            interval(b, shares, t, &blo, &bhi);
            if (blo >= bhi) continue;
            if (!comparable || bhi > alo) return true;
            break;
        }
        for (int64_t t = s + 1; t < shares; t++) {
            interval(b, shares, t, &blo, &bhi);
            if (blo >= bhi) continue;
            if (!comparable || blo < ahi) return true;
            break;
        }
    }
    return false;
}

static glia_status refuse(const checker *c, const access *a, const access *b, glia_error *e)
{
    const glia_graph *g = c->p->graph;
    return glia_fail(e, GLIA_E_INTERNAL, "G0207",
                     "the schedule races: `%s` writes what `%s` %s in the same phase",
                     g->nodes[c->v->items[a->item].node].name, g->nodes[c->v->items[b->item].node].name,
                     b->write ? "writes" : "reads");
}

static glia_status check_phase(checker *c, const glia_phase *ph, glia_error *e)
{
    for (int64_t i = 0; i < c->count; i++) c->of_root[c->list[i].root] = 0;
    c->count = 0;
    for (uint32_t i = 0; i < ph->count; i++)
        if (!collect(c, (int32_t)(ph->first + i)))
            return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while validating the plan");
    int64_t shares = ph->tiles ? (int64_t)ph->tiles : c->v->slots; /* any two tiles may be of two slots */
    for (int64_t i = 0; i < c->count; i++) {
        const access *a = &c->list[i];
        if (!a->write || a->is_private) continue;
        for (int32_t j = c->of_root[a->root]; j; j = c->list[j - 1].next) {
            const access *b = &c->list[j - 1];
            if (a->last <= b->first || b->last <= a->first) continue; /* parts beside each other */
            if (collide(c, a, b, shares)) return refuse(c, a, b, e);
        }
    }
    return GLIA_OK;
}

/* Phases [first, first + count), at both ends of the symbols' ranges. */
static glia_status check_phases(const glia_plan *p, const glia_variant *v, int32_t first, int32_t count,
                                glia_error *e)
{
    checker c = {.p = p, .v = v};
    glia_arena_init(&c.scratch, p->arena.os, 0);
    const glia_graph *g = p->graph;
    int64_t *symbols = GLIA_NEW_ARRAY(&c.scratch, int64_t, g->symbol_count + 1);
    glia_status s =
        symbols ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while validating the plan");
    c.symbols = symbols;
    c.of_root = GLIA_NEW_ARRAY(&c.scratch, int32_t, g->value_count + 1);
    if (!c.of_root && !s) s = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while validating the plan");
    for (int corner = 0; corner < (g->symbol_count ? 2 : 1) && !s; corner++) {
        for (int64_t i = 0; i < g->symbol_count; i++)
            symbols[i] = corner ? g->symbols[i].max : glia_max(1, g->symbols[i].min);
        if (g->symbol_count) symbols[0] = corner ? v->symbol_max : glia_max(1, v->symbol_min);
        for (int32_t i = first; i < first + count && !s; i++) s = check_phase(&c, &v->phases[i], e);
    }
    glia_arena_free(&c.scratch);
    return s;
}

glia_status glia_plan_validate(const glia_plan *p, const glia_variant *v, glia_error *e)
{
    if (v->slots == 1) return GLIA_OK; /* one slot runs in order */
    return check_phases(p, v, 0, v->phase_count, e);
}

glia_status glia_plan_phase_check(const glia_plan *p, const glia_variant *v, int32_t phase)
{
    return check_phases(p, v, phase, 1, NULL);
}
