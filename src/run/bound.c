/* Binds the items of a variant whose dims are constants. */
#include "run/bound.h"

#include "base/check.h"

#include <string.h>

enum { ITEMS_MAX = 1 << 20 };
static const double LOOK_SECONDS = 1e-4; /* of work between two looks at cancellation and deadline */

typedef struct binder {
    const glia_plan *p;
    const glia_variant *v;
    uint8_t *scratch;
    glia_arena *a;
    glia_bound *b;
    double since; /* seconds of work since the last look */
    bool full;
} binder;

/* The share of a slot in a phase with `shares` shares, whole or cut into pieces. False: it has none. */
static bool box_of(const binder *x, const glia_item *it, int32_t slot, int64_t *begin, int64_t *end)
{
    const glia_arg_record *out = &x->v->args[it->args + it->in_count];
    if (it->kind == GLIA_PART_WHOLE && it->slot != slot) return false;
    for (int i = 0; i < out->rank; i++) {
        begin[i] = 0;
        end[i] = x->v->dims[out->dims + (uint32_t)i];
        if (!end[i]) return false;
    }
    if (it->kind != GLIA_PART_SPLIT) return true;
    glia_share(end[it->axis], it->granule, x->v->slots, slot, &begin[it->axis], &end[it->axis]);
    return begin[it->axis] < end[it->axis];
}

static void add_item(binder *x, const glia_item *it, int32_t slot, const int64_t *begin, const int64_t *end,
                     double seconds)
{
    const int args = it->in_count + it->out_count, rank = x->v->args[it->args + it->in_count].rank;
    glia_tensor *t = GLIA_NEW_ARRAY(x->a, glia_tensor, args);
    int64_t *box = GLIA_NEW_ARRAY(x->a, int64_t, 2 * rank + 1);
    x->full |= !t || !box;
    if (x->full) return;
    memcpy(box, begin, (size_t)rank * sizeof *box);
    memcpy(box + rank, end, (size_t)rank * sizeof *box);
    const glia_arg_record *r = x->v->args + it->args;
    for (int i = 0; i < args; i++) {
        t[i].dims = (const int64_t *)x->v->dims + r[i].dims;
        t[i].rank = r[i].rank;
        t[i].layout = r[i].layout;
        t[i].dtype = (glia_dtype)r[i].dtype;
    }
    glia_bound_item *m = &x->b->items[x->b->count++];
    *m = (glia_bound_item){.run = x->p->kernels[it->kernel].run,
                           .args = r,
                           .node = it->node,
                           .slot = (uint16_t)slot,
                           .look = x->since + seconds > LOOK_SECONDS,
                           .k = {t, t + it->in_count, it->in_count, it->out_count, box, box + rank,
                                 x->p->attrs + it->attrs, x->scratch + slot * it->scratch_stride, &m->fault}};
    x->since = m->look ? seconds : x->since + seconds;
}

static double seconds_of(const binder *x, const glia_item *it)
{
    const glia_node *n = &x->p->graph->nodes[it->node];
    glia_shapes s;
    glia_node_shapes(x->p->graph, n, NULL, &s);
    glia_work w = glia_node_work(n->op, &x->p->rates, &s.k);
    double seconds = w.flops > w.bytes ? w.flops : w.bytes;
    return it->kind == GLIA_PART_SPLIT ? seconds / x->v->slots : seconds;
}

static void bind_item(binder *x, const glia_item *it, int32_t slot)
{
    int64_t begin[GLIA_RANK_MAX], end[GLIA_RANK_MAX], pieces = glia_max(1, it->pieces);
    if (!box_of(x, it, slot, begin, end)) return;
    double seconds = seconds_of(x, it) / (double)pieces;
    if (pieces == 1) {
        add_item(x, it, slot, begin, end, seconds);
        return;
    }
    const int axis = it->piece_axis;
    const int64_t low = begin[axis], size = end[axis] - low;
    for (int64_t i = 0; i < pieces && !x->full; i++) {
        int64_t b, t;
        glia_share(size, it->piece_granule, pieces, i, &b, &t);
        if (b == t) continue;
        begin[axis] = low + b;
        end[axis] = low + t;
        add_item(x, it, slot, begin, end, seconds);
    }
}

glia_bound *glia_bound_make(const glia_plan *p, const glia_variant *v, uint8_t *scratch, glia_arena *a)
{
    binder x = {p, v, scratch, a, GLIA_NEW(a, glia_bound), 0, false};
    const int32_t phases = v->phase_count;
    int64_t most = 0;
    for (int32_t i = 0; i < v->item_count; i++) most += glia_max(1, v->items[i].pieces);
    if (!x.b || most > ITEMS_MAX / v->slots) return NULL;
    x.b->items = GLIA_NEW_ARRAY(a, glia_bound_item, most * v->slots + 1);
    x.b->first = GLIA_NEW_ARRAY(a, int32_t, (int64_t)v->slots * (phases + 1));
    if (!x.b->items || !x.b->first) return NULL;
    for (int32_t slot = 0; slot < v->slots; slot++) {
        int32_t *first = x.b->first + (int64_t)slot * (phases + 1);
        for (int32_t i = 0; i < phases; i++) {
            const glia_phase *ph = &v->phases[i];
            const uint32_t count = ph->tiles ? ph->own : ph->count;
            first[i] = (int32_t)x.b->count;
            x.since = 2 * LOOK_SECONDS; /* another slot may have stopped before the meeting */
            for (uint32_t k = 0; k < count; k++) bind_item(&x, &v->items[ph->first + k], slot);
        }
        first[phases] = (int32_t)x.b->count;
    }
    return x.full ? NULL : x.b;
}

void glia_bound_set(glia_bound *b, const uintptr_t *bases)
{
    memcpy(b->bases, bases, sizeof b->bases);
    for (int64_t i = 0; i < b->count; i++) {
        const glia_bound_item *m = &b->items[i];
        glia_tensor *t = (glia_tensor *)(uintptr_t)m->k.in; /* the bound's own; inputs and outputs in a row */
        for (int j = 0; j < m->k.in_count + m->k.out_count; j++) {
            const glia_arg_record *r = &m->args[j];
            t[j].data = r->offset < 0
                            ? NULL
                            : (void *)(bases[r->base] + (uintptr_t)(r->offset + m->slot * r->slot_stride));
        }
    }
}
