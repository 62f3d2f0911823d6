/* Runs a plan: each worker walks the phases, runs the chains of its slots or the tiles that it takes from a
 * counter, and meets the others. Arguments are formed from the run's bases; nothing is looked up. */
#include "run/lane.h"

#include "base/check.h"
#include "base/cpu.h"
#include "run/bound.h"

#include <string.h>

typedef struct worker_log {
    glia_event *events;
    int64_t count, dropped;
} worker_log;

struct glia_lane {
    const glia_plan *plan;
    const glia_os *os;
    glia_team *team;
    glia_arena tables;
    const glia_variant *variant;
    int64_t *symbols, *dims; /* of the step at hand */
    uint8_t *arena, *scratch;
    int64_t arena_bytes;
    bool own_team, own_arena;
    glia_bound *bound; /* a plan without symbols: its items, formed once. Null: formed as they run */
    uintptr_t bases[GLIA_BASE_COUNT]; /* numbers, since ABSOLUTE is at 0 */
    const glia_run *run;
    _Alignas(64) _Atomic int32_t stop;  /* a glia_status, or 0 */
    _Atomic int32_t fault_node;         /* node + 1 */
    _Alignas(64) _Atomic uint32_t tile; /* the next tile of a phase that hands them out */
    worker_log *logs;                   /* [workers] or null */
    worker_log *paused;                 /* the same while nothing is recorded */
    int64_t log_capacity;
    uint32_t runs;
    int64_t meetings; /* of the last run */
};

int64_t glia_lane_arena_bytes(const glia_plan *p) { return glia_max(p->bytes.arena + p->bytes.scratch, 64); }

/* Its own memory is touched now, so that no run meets a page for the first time. */
static glia_status take_arena(glia_lane *l, const glia_lane_options *o, glia_error *e)
{
    l->arena_bytes = glia_lane_arena_bytes(l->plan);
    if (o->arena) {
        if (o->arena_bytes < l->arena_bytes || ((uintptr_t)o->arena & 63))
            return glia_fail(e, GLIA_E_ARG, "G0231",
                             "a borrowed arena of %lld bytes; this plan needs %lld, aligned to 64",
                             (long long)o->arena_bytes, (long long)l->arena_bytes);
        l->arena = o->arena;
    } else {
        l->own_arena = true;
        l->arena = l->os->mem_reserve(l->os->ctx, (size_t)l->arena_bytes);
        if (!l->arena || l->os->mem_commit(l->os->ctx, l->arena, (size_t)l->arena_bytes))
            return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a lane of %lld bytes",
                             (long long)l->arena_bytes);
    }
    l->scratch = l->arena + l->plan->bytes.arena;
    return GLIA_OK;
}

/* A plan without symbols has one variant that ever runs, and its items can be formed now. */
static glia_status bind_constant(glia_lane *l, glia_error *e)
{
    const glia_graph *g = l->plan->graph;
    if (g->symbol_count) return GLIA_OK;
    glia_status s = glia_lane_begin(l, NULL, e);
    if (!s && !l->logs) l->bound = glia_bound_make(l->plan, l->variant, l->scratch, &l->tables);
    return s;
}

glia_status glia_lane_create(const glia_plan *p, const glia_lane_options *o, glia_lane **out, glia_error *e)
{
    *out = NULL;
    glia_arena a;
    glia_arena_init(&a, o->os, 0);
    int workers = o->team ? glia_team_workers(o->team) : o->workers < 1 ? 1 : o->workers;
    glia_lane *l = glia_arena_alloc(&a, sizeof *l, 64);
    if (!l) {
        glia_arena_free(&a);
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a lane");
    }
    l->tables = a;
    l->os = a.os;
    l->plan = p;
    glia_status s = GLIA_E_NOMEM;
    l->symbols = GLIA_NEW_ARRAY(&l->tables, int64_t, p->graph->symbol_count + 1);
    l->dims = GLIA_NEW_ARRAY(&l->tables, int64_t, p->dim_count_max + 1);
    if (o->profile_events > 0) {
        l->logs = GLIA_NEW_ARRAY(&l->tables, worker_log, workers);
        l->log_capacity = o->profile_events;
        for (int i = 0; l->logs && i < workers; i++)
            l->logs[i].events = GLIA_NEW_ARRAY(&l->tables, glia_event, o->profile_events);
    }
    if (!l->symbols || !l->dims || l->tables.failed) {
        glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a lane");
        goto fail;
    }
    s = take_arena(l, o, e);
    l->own_team = !o->team;
    if (!s && o->team) l->team = o->team;
    else if (!s) s = glia_team_create(l->os, workers, &l->team, e);
    if (!s) s = bind_constant(l, e);
    if (s) goto fail;
    *out = l;
    return GLIA_OK;
fail:
    glia_lane_destroy(l);
    return s;
}

void glia_lane_destroy(glia_lane *l)
{
    if (!l) return;
    if (l->own_team) glia_team_destroy(l->team);
    if (l->own_arena && l->arena) l->os->mem_release(l->os->ctx, l->arena, (size_t)l->arena_bytes);
    glia_arena a = l->tables; /* l lies in it */
    glia_arena_free(&a);
}

static double between(double least, double most, const glia_variant *v, int64_t n)
{
    int64_t first = v->symbol_min > 1 ? v->symbol_min : 1;
    double t = v->symbol_max > first ? (double)(n - first) / (double)(v->symbol_max - first) : 0;
    return least + (most - least) * (t > 0 ? t : 0);
}

/* The variant for n tokens: all slots when that gains enough to wake a team for, and to depend on all of its
 * threads having a processor; else one. */
static const glia_variant *choose(const glia_plan *p, int64_t n)
{
    const double wake_seconds = 5e-6, gain = 1.2;
    const glia_variant *best = &p->variants[0];
    for (int i = 1; i < p->variant_count; i++) {
        const glia_variant *v = &p->variants[i];
        if (n < v->symbol_min || n > v->symbol_max) continue;
        double cost = between(v->cost_least, v->cost_seconds, v, n);
        if (cost * gain + wake_seconds < between(v->alone_least, v->alone_most, v, n)) best = v;
        break;
    }
    return best;
}

glia_status glia_lane_begin(glia_lane *l, const int64_t *symbols, glia_error *e)
{
    const glia_graph *g = l->plan->graph;
    if (!g->symbol_count && l->variant) return GLIA_OK; /* as it was created */
    for (int64_t i = 0; i < g->symbol_count; i++) {
        int64_t most = i == 0 ? l->plan->variants[0].symbol_max : g->symbols[i].max;
        if (symbols[i] < g->symbols[i].min || symbols[i] > most)
            return glia_fail(e, GLIA_E_ARG, "G0703", "size %s is %lld; it must be %lld to %lld",
                             g->symbols[i].name, (long long)symbols[i], (long long)g->symbols[i].min,
                             (long long)most);
        l->symbols[i] = symbols[i];
    }
    for (int64_t i = 0; i < g->guard_count; i++) {
        int64_t a, b;
        if (!glia_dim_eval(g, g->guards[i].left, symbols, &a) ||
            !glia_dim_eval(g, g->guards[i].right, symbols, &b) || a != b)
            return glia_fail(e, GLIA_E_SHAPE, "G0704", "node `%s`: sizes that must agree do not",
                             g->nodes[g->guards[i].node].name);
    }
    l->variant = choose(l->plan, g->symbol_count ? symbols[0] : 1);
    for (int32_t i = 0; i < l->variant->dim_count; i++) {
        glia_dim d = l->variant->dims[i];
        if (d >= 0) l->dims[i] = d;
        else if (!glia_dim_eval(g, d, symbols, &l->dims[i]))
            return glia_fail(e, GLIA_E_ARG, "G0703", "a size overflows");
    }
    return GLIA_OK;
}

void *glia_lane_input(glia_lane *l, uint32_t value)
{
    const glia_placed *at = &l->variant->placed[value];
    return at->base == GLIA_BASE_ARENA ? l->arena + at->offset : NULL;
}

const void *glia_lane_output(const glia_lane *l, uint32_t value)
{
    const glia_placed *at = &l->variant->placed[value];
    return at->base == GLIA_BASE_ARENA ? l->arena + at->offset
           : at->base < 0              ? NULL
                                       : (const void *)(l->bases[at->base] + (uintptr_t)at->offset);
}

/* ---- the worker ------------------------------------------------------------------------------- */

static void set_tensor(const glia_lane *l, const glia_arg_record *r, int32_t slot, glia_tensor *t)
{
    /* Inputs are only read, but kernels take one kind of pointer. */
    t->data =
        r->offset < 0 ? NULL : (void *)(l->bases[r->base] + (uintptr_t)(r->offset + slot * r->slot_stride));
    t->dims = l->dims + r->dims;
    t->rank = r->rank;
    t->layout = r->layout;
    t->dtype = (glia_dtype)r->dtype;
}

static bool stopped(glia_lane *l, bool timekeeper)
{
    if (atomic_load_explicit(&l->stop, memory_order_relaxed)) return true;
    const glia_run *r = l->run;
    int32_t why = 0;
    if (r->cancel && atomic_load_explicit(r->cancel, memory_order_relaxed)) why = GLIA_E_CANCELLED;
    else if (timekeeper && r->deadline_ns && l->os->clock_ns(l->os->ctx) >= r->deadline_ns)
        why = GLIA_E_DEADLINE;
    if (!why) return false;
    int32_t none = 0;
    atomic_compare_exchange_strong(&l->stop, &none, why);
    return true;
}

static void set_fault(glia_lane *l, uint32_t node)
{
    int32_t none = 0;
    atomic_store(&l->fault_node, (int32_t)node + 1);
    atomic_compare_exchange_strong(&l->stop, &none, GLIA_E_GUARD);
}

/* Of `of` shares of the work, those from begin to end, for the slot that computes them. */
typedef struct shares {
    int32_t slot;
    int64_t begin, end, of;
} shares;

static void run_item(glia_lane *l, const glia_item *it, const shares *mine)
{
    const int32_t slot = mine->slot;
    if (it->kind == GLIA_PART_WHOLE && it->slot != slot) return;
    glia_tensor in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    int64_t begin[GLIA_RANK_MAX] = {0}, end[GLIA_RANK_MAX], pieces = it->pieces;
    const glia_arg_record *args = l->variant->args + it->args;
    for (int i = 0; i < it->in_count; i++) set_tensor(l, &args[i], slot, &in[i]);
    for (int i = 0; i < it->out_count; i++) set_tensor(l, &args[it->in_count + i], slot, &out[i]);
    for (int i = 0; i < out[0].rank; i++) {
        end[i] = out[0].dims[i];
        if (end[i] == 0) return;
    }
    int32_t fault = 0;
    glia_kargs k = {in,
                    out,
                    it->in_count,
                    it->out_count,
                    begin,
                    end,
                    l->plan->attrs + it->attrs,
                    l->scratch + slot * it->scratch_stride,
                    &fault};
    if (it->kind == GLIA_PART_SPLIT) {
        int64_t size = end[it->axis], unused;
        glia_share(size, it->granule, mine->of, mine->begin, &begin[it->axis], &unused);
        glia_share(size, it->granule, mine->of, mine->end - 1, &unused, &end[it->axis]);
        if (begin[it->axis] >= end[it->axis]) return;
        /* Pieces are counted for a slot's static share. */
        if (pieces > 1)
            pieces = glia_ceil_div(pieces * l->variant->slots * (mine->end - mine->begin), mine->of);
    }
    glia_kernel run = l->plan->kernels[it->kernel].run;
    if (pieces <= 1) {
        run(&k);
    } else {
        int64_t lo = begin[it->piece_axis], size = end[it->piece_axis] - lo;
        for (int64_t i = 0; i < pieces; i++) {
            int64_t b, t;
            glia_share(size, it->piece_granule, pieces, i, &b, &t);
            if (b == t) continue;
            if (b && stopped(l, slot == 0)) return;
            begin[it->piece_axis] = lo + b;
            end[it->piece_axis] = lo + t;
            run(&k);
        }
    }
    if (fault) set_fault(l, it->node);
}

static void log_event(glia_lane *l, int worker, int32_t item, uint64_t begin, uint64_t end)
{
    worker_log *g = &l->logs[worker];
    if (g->count == l->log_capacity) {
        g->dropped++;
        return;
    }
    g->events[g->count++] =
        (glia_event){item, (uint16_t)(l->variant - l->plan->variants), (uint16_t)worker, l->runs, begin, end};
}

/* Items [begin, end) of a phase. */
static void run_chain(glia_lane *l, const glia_phase *ph, uint32_t begin, uint32_t end, int worker,
                      const shares *mine)
{
    for (uint32_t i = ph->first + begin; i < ph->first + end; i++) {
        if (stopped(l, mine->slot == 0)) return;
        if (!l->logs) {
            run_item(l, &l->variant->items[i], mine);
            continue;
        }
        uint64_t start = l->os->clock_ns(l->os->ctx);
        run_item(l, &l->variant->items[i], mine);
        log_event(l, worker, (int32_t)i, start, l->os->clock_ns(l->os->ctx));
    }
}

static void run_bound(glia_lane *l, glia_bound_item *m, const glia_bound_item *end)
{
    for (; m < end; m++) {
        if (m->look && stopped(l, m->slot == 0)) return;
        m->run(&m->k);
        if (!m->fault) continue;
        m->fault = 0;
        set_fault(l, m->node);
        return;
    }
}

/* Takes tiles: a part of what is left, so that the last ones are short. False if none are left. */
static bool take_tiles(glia_lane *l, uint32_t tiles, uint32_t slots, shares *mine)
{
    uint32_t at = atomic_load_explicit(&l->tile, memory_order_relaxed), count;
    do {
        if (at >= tiles) return false;
        count = (tiles - at) / (2 * slots);
        if (!count) count = 1;
    } while (!atomic_compare_exchange_weak_explicit(&l->tile, &at, at + count, memory_order_relaxed,
                                                    memory_order_relaxed));
    mine->begin = at;
    mine->end = at + count;
    return true;
}

static void run_phase(glia_lane *l, const glia_phase *ph, int worker, int workers)
{
    const int32_t slots = l->variant->slots, index = (int32_t)(ph - l->variant->phases);
    for (int32_t slot = worker; slot < slots; slot += workers) {
        const glia_bound *b = l->bound;
        const int32_t *first = b ? b->first + (int64_t)slot * (l->variant->phase_count + 1) + index : NULL;
        /* With tiles: what each slot has for itself, since later phases may read any slot's own copies. */
        if (b) run_bound(l, b->items + first[0], b->items + first[1]);
        else
            run_chain(l, ph, 0, ph->tiles ? ph->own : ph->count, worker,
                      &(shares){slot, slot, slot + 1, slots});
    }
    if (!ph->tiles || worker >= slots) return;
    shares mine = {worker, 0, 0, ph->tiles};
    while (take_tiles(l, ph->tiles, (uint32_t)slots, &mine))
        run_chain(l, ph, ph->own, ph->count, worker, &mine);
}

static void reset_tiles(void *arg)
{
    glia_lane *l = arg;
    atomic_store_explicit(&l->tile, 0, memory_order_relaxed);
}

static void work(void *arg, int worker)
{
    glia_lane *l = arg;
    int workers = glia_team_workers(l->team);
    uint32_t mode = glia_cpu_mode_set();
    for (int32_t i = 0; i < l->variant->phase_count; i++) {
        run_phase(l, &l->variant->phases[i], worker, workers);
        if (i + 1 == l->variant->phase_count) break; /* the end of the run is the last meeting */
        if (!l->logs) {
            glia_team_meet(l->team, worker, reset_tiles, l);
            continue;
        }
        uint64_t begin = l->os->clock_ns(l->os->ctx);
        glia_team_meet(l->team, worker, reset_tiles, l);
        log_event(l, worker, -1 - i, begin, l->os->clock_ns(l->os->ctx));
    }
    glia_cpu_mode_restore(mode);
}

glia_status glia_lane_run(glia_lane *l, const glia_run *run, glia_error *e)
{
    l->run = run;
    const void *bases[GLIA_BASE_COUNT] = {run->weights, run->packed,    l->arena,
                                          run->state,   l->plan->table, NULL};
    for (int i = 0; i < GLIA_BASE_COUNT; i++) l->bases[i] = (uintptr_t)bases[i];
    if (l->bound && memcmp(l->bases, l->bound->bases, sizeof l->bases) != 0)
        glia_bound_set(l->bound, l->bases);
    /* Workers are told of the run later, with release. */
    atomic_store_explicit(&l->stop, 0, memory_order_relaxed);
    atomic_store_explicit(&l->tile, 0, memory_order_relaxed);
    l->meetings = 0;
    if (stopped(l, true)) {
        /* Nobody is woken for it. */
    } else if (l->variant->slots == 1) {
        /* One chain from begin to end on the caller's thread: nobody to meet. */
        uint32_t mode = glia_cpu_mode_set();
        if (l->bound) run_bound(l, l->bound->items, l->bound->items + l->bound->count);
        for (int32_t i = 0; !l->bound && i < l->variant->phase_count; i++)
            run_chain(l, &l->variant->phases[i], 0, l->variant->phases[i].count, 0, &(shares){0, 0, 1, 1});
        glia_cpu_mode_restore(mode);
    } else {
        uint64_t before = glia_team_meetings(l->team);
        glia_team_run(l->team, work, l);
        l->meetings = (int64_t)(glia_team_meetings(l->team) - before);
    }
    l->runs++;
    int32_t why = atomic_load(&l->stop);
    if (why == GLIA_OK) return GLIA_OK;
    if (why == GLIA_E_GUARD) {
        const glia_node *n = &l->plan->graph->nodes[atomic_load(&l->fault_node) - 1];
        return glia_fail(
            e, GLIA_E_GUARD, "G0705",
            "node `%s` (%s): the data break a rule that shapes cannot check, such as an index out of range",
            n->name, n->op->name);
    }
    if (why == GLIA_E_CANCELLED) return glia_fail(e, GLIA_E_CANCELLED, "G0706", "cancelled");
    return glia_fail(e, GLIA_E_DEADLINE, "G0707", "the deadline passed");
}

glia_team *glia_lane_team(glia_lane *l) { return l->team; }
int64_t glia_lane_meetings(const glia_lane *l) { return l->meetings; }
const glia_variant *glia_lane_variant(const glia_lane *l) { return l->variant; }
const glia_plan *glia_lane_plan(const glia_lane *l) { return l->plan; }
int glia_lane_workers(const glia_lane *l) { return glia_team_workers(l->team); }

const glia_event *glia_lane_events(const glia_lane *l, int worker, int64_t *count, int64_t *dropped)
{
    if (!l->logs) {
        *count = *dropped = 0;
        return NULL;
    }
    *count = l->logs[worker].count;
    *dropped = l->logs[worker].dropped;
    return l->logs[worker].events;
}

void glia_lane_profile_clear(glia_lane *l)
{
    for (int i = 0; l->logs && i < glia_team_workers(l->team); i++) l->logs[i].count = l->logs[i].dropped = 0;
}

void glia_lane_profile_record(glia_lane *l, bool on)
{
    worker_log **from = on ? &l->paused : &l->logs, **to = on ? &l->logs : &l->paused;
    if (!*from) return;
    *to = *from;
    *from = NULL;
}
