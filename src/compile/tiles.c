/* Tiles: which phases hand their work out from a counter, and in how many parts.
 *
 * Static shares are even when processors are; where one is slower for a while, or busy, all others wait for
 * it. So the shares of long phases are cut further, and workers take runs of tiles, longer ones first. A
 * phase may begin with items that every slot runs for itself (a norm that all need whole); behind them every
 * item must be split, and all into the same units, so that one tile's share of an item reads no other tile's
 * share of another. Whether that holds the validator says, which proves tiles as it proves slots. */
#include "compile/plan.h"

#include "base/check.h"

enum {
    TILES_PER_SLOT_MOST = 8,
    TILE_GRANULES = 12,      /* of a product: what is unpacked for one is shared by all rows of activations */
    TILES_PER_SLOT_LEAST = 4 /* of fewer, one slot may be left with half a share too much */
};

typedef struct cutter {
    const glia_plan *p;
    const glia_graph *g;
    glia_variant *v;
    const int64_t *symbols;
    double seconds;
    glia_arena scratch;
} cutter;

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* The units that the items' axes have in common, so that any share of one goes with the same share of the
 * others; 0: the items are cut along symbolic axes, all alike. -1 if there are none. */
static int64_t common_units(const cutter *c, const glia_item *items, uint32_t count)
{
    const glia_dim *dims = c->v->dims;
    int64_t units = 0;
    for (uint32_t i = 0; i < count; i++) {
        const glia_item *it = &items[i];
        glia_dim size = dims[it->axis_dim];
        if (it->kind != GLIA_PART_SPLIT) return -1;
        if (size < 0 && (size != dims[items[0].axis_dim] || it->granule != items[0].granule)) return -1;
        if (size < 0) continue;
        if (dims[items[0].axis_dim] < 0 || size % it->granule) return -1;
        units = gcd(size / it->granule, units);
    }
    return units;
}

/* How many tiles the items' work is worth. */
static int64_t tiles_worth(const cutter *c, const glia_item *items, uint32_t count)
{
    const glia_rates *rates = &c->p->rates;
    double sum = 0;
    int64_t tiles = (int64_t)c->v->slots * TILES_PER_SLOT_MOST;
    for (uint32_t i = 0; i < count; i++) {
        const glia_node *n = &c->g->nodes[items[i].node];
        const int axis = items[i].axis;
        glia_shapes s;
        glia_node_shapes(c->g, n, c->symbols, &s);
        glia_work w = glia_node_work(n->op, rates, &s.k);
        if (n->op->traits & GLIA_PRODUCT) {
            /* Where each tile would read all of the weights again there are none. */
            if (axis + 1 < s.out[0].rank) return 0;
            w.bytes *= rates->cache / rates->stream;
            int64_t panels = n->op->granule ? n->op->granule(&s.k, axis) * TILE_GRANULES : 1;
            if (c->seconds > 0) tiles = glia_min(tiles, s.out[0].dims[axis] / glia_max(1, panels));
        }
        sum += w.flops > w.bytes ? w.flops : w.bytes;
    }
    if (c->seconds <= 0) return tiles;
    sum /= c->seconds;
    return sum < (double)tiles ? (int64_t)sum : tiles;
}

/* Unless tiles would race where the slots' shares do not. */
static bool cut(cutter *c, int32_t phase)
{
    glia_phase *ph = (glia_phase *)(uintptr_t)&c->v->phases[phase]; /* the plan's own, until it is finished */
    glia_item *items = (glia_item *)(uintptr_t)&c->v->items[ph->first];
    uint32_t own = 0;
    if (ph->tiles) return true;
    while (own < ph->count && items[own].kind == GLIA_PART_REPLICATED) own++;
    const uint32_t count = ph->count - own;
    items += own;
    const int64_t units = count ? common_units(c, items, count) : -1;
    int64_t tiles = units < 0 ? 0 : tiles_worth(c, items, count), a_tile = 1;
    if (tiles < 1) return true;
    while (units && a_tile * tiles < units) a_tile *= 2; /* whole groups of panels */
    if (units) tiles = glia_ceil_div(units, a_tile);
    if (tiles < (c->seconds > 0 ? (int64_t)c->v->slots * TILES_PER_SLOT_LEAST : 2)) return true;
    int64_t *granules = GLIA_NEW_ARRAY(&c->scratch, int64_t, count);
    if (!granules) return false;
    for (uint32_t i = 0; i < count; i++) {
        granules[i] = items[i].granule;
        if (units) items[i].granule = c->v->dims[items[i].axis_dim] / units * a_tile;
    }
    ph->tiles = (uint32_t)tiles;
    ph->own = own;
    const glia_status races = glia_plan_phase_check(c->p, c->v, phase);
    if (!races || races == GLIA_E_NOMEM) return !races;
    for (uint32_t i = 0; i < count; i++) items[i].granule = granules[i];
    ph->tiles = ph->own = 0;
    return true;
}

glia_status glia_plan_cut_tiles(const glia_plan *p, glia_variant *v, double seconds, glia_error *e)
{
    cutter c = {.p = p, .g = p->graph, .v = v, .seconds = seconds};
    if (v->slots == 1) return GLIA_OK;
    glia_arena_init(&c.scratch, p->arena.os, 0);
    int64_t *symbols = GLIA_NEW_ARRAY(&c.scratch, int64_t, c.g->symbol_count + 1);
    bool ok = symbols != NULL;
    for (int64_t i = 0; ok && i < c.g->symbol_count; i++) symbols[i] = c.g->symbols[i].max;
    if (ok && c.g->symbol_count) symbols[0] = v->symbol_max;
    c.symbols = symbols;
    for (int32_t i = 0; ok && i < v->phase_count; i++) ok = cut(&c, i);
    glia_arena_free(&c.scratch);
    return ok ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while cutting tiles");
}
