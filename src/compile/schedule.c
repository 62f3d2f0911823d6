/* The scheduler: a partition for every node, and the phases in which they run.
 *
 * Nodes are taken in graph order. A search state is what each slot can see of the values made since the last
 * meeting (*spread*), with the cost so far. A node may be computed whole by slot 0, replicated by every slot,
 * or split along an axis of its output. When an input's region is not wholly visible to every slot that needs
 * it, a meeting is put before the node. Two states with the same spreads differ in nothing that is still to
 * come, so only the cheaper one is kept (dynamic programming); beyond a cap the dearest are dropped (beam).
 *
 *     cost = sum over phases of (slowest slot) + meetings * rates.meeting
 *
 * Granules: a node's own, and those that its consumers would like (attention's head groups travel back
 * through rope and reshape to the products that make q, k and v), so that one slot's heads stay with one
 * slot. */
#include "compile/plan.h"

#include "base/check.h"
#include "ops/ops.h"

#include <string.h>

enum { SPREADS_MAX = 24, BEAM_MAX = 64, WISHES_MAX = 4, CANDIDATES_MAX = 20 };

/* Replicating dearer nodes than this is never a gain. */
static const double REPLICATE_SECONDS_MAX = 1e-4;

typedef struct spread { /* what slots see of a value made in the current phase */
    int32_t value;
    glia_part_kind kind;
    int32_t axis;
    int64_t granule;
} spread;

typedef struct state {
    double closed;               /* cost of finished phases, meetings included */
    double slot[GLIA_SLOTS_MAX]; /* cost of each slot in the open phase */
    int32_t phase, count, overflow;
    int32_t trace; /* newest entry of the history */
    double cost;   /* of a state that is kept: total() */
    spread spreads[SPREADS_MAX];
} state;

typedef struct trace { /* history: how a state came to be */
    int32_t parent;
    glia_part part;
} trace;

typedef struct wish {
    int32_t axis;
    int64_t granule;
} wish;

typedef struct wishes {
    int32_t count;
    wish w[WISHES_MAX];
} wishes;

typedef struct search {
    const glia_graph *g;
    glia_arena *arena;
    int32_t slots;
    const glia_rates *rates;
    const int64_t *symbols;
    int32_t *last_use; /* by value: index of the last node that reads it */
    wishes *wish_of;   /* by value */
    state *now, *next; /* [beam] */
    int32_t now_count, next_count, beam;
    trace *history;
    int64_t history_count, history_capacity;
    bool failed;
} search;

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static int64_t lcm(int64_t a, int64_t b)
{
    int64_t out;
    return glia_mul(a / gcd(a, b), b, &out) ? out : INT64_MAX / 4;
}

static int64_t eval(const search *s, glia_dim d)
{
    int64_t v = 0;
    if (d >= 0) return d;
    return glia_dim_eval(s->g, d, s->symbols, &v) ? v : 0;
}

static const glia_type *type_of(const search *s, glia_value v) { return &glia_graph_value(s->g, v)->type; }

static void add_wish(wishes *w, int32_t axis, int64_t granule)
{
    for (int i = 0; i < w->count; i++)
        if (w->w[i].axis == axis && w->w[i].granule == granule) return;
    if (w->count < WISHES_MAX) w->w[w->count++] = (wish){axis, granule};
}

/* Dims of a node's tensors as a kernel would see them, for cost and granule functions. */
typedef struct node_dims {
    glia_tensor in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    int64_t dims[GLIA_IN_MAX + GLIA_OUT_MAX][GLIA_RANK_MAX], zero[GLIA_RANK_MAX];
    glia_kargs k;
} node_dims;

static void fill(const search *s, glia_value v, glia_tensor *t, int64_t *dims)
{
    *t = (glia_tensor){0};
    if (glia_is_null(v)) return;
    const glia_type *type = type_of(s, v);
    for (int i = 0; i < type->rank; i++) dims[i] = eval(s, type->dims[i]);
    *t = (glia_tensor){NULL, dims, type->rank, type->layout, type->dtype};
}

static void dims_of(const search *s, const glia_node *n, node_dims *d)
{
    memset(d->zero, 0, sizeof d->zero);
    for (int i = 0; i < n->in_count; i++) fill(s, n->in[i], &d->in[i], d->dims[i]);
    for (int i = 0; i < n->out_count; i++) fill(s, n->out[i], &d->out[i], d->dims[GLIA_IN_MAX + i]);
    d->k = (glia_kargs){d->in,   d->out, n->in_count, n->out_count, d->zero, d->dims[GLIA_IN_MAX],
                        n->attr, NULL,   NULL};
}

glia_work glia_node_work(const glia_op *op, const glia_rates *rates, const glia_kargs *k)
{
    glia_cost c = {0, 0};
    if (op->cost) {
        op->cost(k, &c);
    } else {
        double elements = 1;
        for (int i = 0; i < k->out[0].rank; i++) elements *= (double)k->out[0].dims[i];
        c.flops = elements;
        c.bytes = 8 * elements;
    }
    bool integers = k->in_count > 0 && (glia_dtype_get(k->in[0].dtype)->classes & GLIA_CLASS_ACTIVATION);
    return (glia_work){c.flops / (integers ? rates->integer_ops : rates->flops), c.bytes / rates->cache};
}

/* Packs of weights were done when the model was loaded. */
static bool done_before(const search *s, const glia_node *n)
{
    return n->op == &glia_op_pack && glia_graph_value(s->g, n->in[0])->kind == GLIA_VALUE_WEIGHT;
}

static bool is_weight(const search *s, glia_value v)
{
    const glia_value_info *i = glia_graph_value(s->g, v);
    return i->kind == GLIA_VALUE_WEIGHT ||
           (i->kind == GLIA_VALUE_NODE && done_before(s, &s->g->nodes[i->producer]));
}

/* The node's work with its weights read from further away than its activations. */
static glia_work work_of(const search *s, const glia_node *n, const glia_kargs *k)
{
    glia_work w = glia_node_work(n->op, s->rates, k);
    double most = w.bytes * s->rates->cache, weights = 0;
    for (int i = 0; i < n->in_count && n->op != &glia_op_embed; i++) { /* which reads single rows */
        int64_t bytes = 0;
        if (!glia_is_null(n->in[i]) && is_weight(s, n->in[i]) &&
            !glia_value_bytes_max(s->g, type_of(s, n->in[i]), s->symbols, &bytes, NULL))
            weights += (double)bytes;
    }
    if (weights > most) weights = most; /* experts read what is chosen of theirs */
    w.bytes += weights * (1 / s->rates->stream - 1 / s->rates->cache);
    return w;
}

/* A slot with `share` of the work; `fixed` of the bytes are read, and unpacked, by every slot whatever its
 * share. */
static double seconds_of(const search *s, glia_work w, double fixed, double share)
{
    double f = w.flops * share + (share > 0 ? fixed * s->rates->stream / s->rates->unpack : 0);
    double b = (w.bytes > fixed ? w.bytes - fixed : 0) * share + (share > 0 ? fixed : 0);
    return (f > b ? f : b) + s->rates->node;
}

static int64_t own_granule(const glia_node *n, const glia_regions *r, const node_dims *d, int axis)
{
    int64_t g = r->granule[axis] < 1 ? 1 : r->granule[axis];
    return n->op->granule ? lcm(g, glia_max(1, n->op->granule(&d->k, axis))) : g;
}

/* What bounds must be multiples of: blocks, packed panels that are written. A product's panels are only read:
 * a bound within one costs that the panel is computed twice. */
static int64_t hard_granule(const glia_node *n, const glia_regions *r, const node_dims *d, int axis)
{
    return n->op->traits & GLIA_PRODUCT ? glia_max(1, r->granule[axis]) : own_granule(n, r, d, axis);
}

/* Passes wishes of outputs, and a node's own granules, back to its inputs. */
static void spread_wishes(search *s, const glia_node *n)
{
    glia_regions r;
    node_dims d;
    if (!glia_node_regions(s->g, n, &r)) return;
    dims_of(s, n, &d);
    wishes mine = s->wish_of[n->out[0].id];
    for (int a = 0; a < d.out[0].rank; a++)
        if (r.split[a]) add_wish(&mine, a, own_granule(n, &r, &d, a));
    for (int i = 0; i < n->in_count; i++) {
        if (glia_is_null(n->in[i])) continue;
        for (int x = 0; x < d.in[i].rank; x++) {
            const glia_axis_region *ar = &r.in[i].axis[x];
            if (ar->kind != GLIA_AXIS_SAME && ar->kind != GLIA_AXIS_SCALED) continue;
            int64_t num = 1, den = 1;
            if (ar->kind == GLIA_AXIS_SCALED) {
                num = eval(s, ar->num);
                den = eval(s, ar->den);
            }
            for (int w = 0; w < mine.count && num > 0 && den > 0; w++) {
                int64_t scaled;
                if (mine.w[w].axis != ar->axis || !glia_mul(mine.w[w].granule, num, &scaled) || scaled % den)
                    continue;
                add_wish(&s->wish_of[n->in[i].id], x, scaled / den);
            }
        }
    }
}

/* ---- visibility ---------------------------------------------------------------------------- */

/* Does every slot's need along this axis lie within what the slot made? */
static bool shares_fit(const search *s, const glia_part *p, glia_dim out_dim, const glia_axis_region *ar,
                       const spread *have, glia_dim have_dim)
{
    if (ar->kind == GLIA_AXIS_SAME && out_dim == have_dim && p->granule == have->granule) return true;
    if (out_dim < 0 || have_dim < 0) return false; /* must hold for every value of the symbols */
    int64_t num = ar->kind == GLIA_AXIS_SCALED ? eval(s, ar->num) : 1;
    int64_t den = ar->kind == GLIA_AXIS_SCALED ? eval(s, ar->den) : 1;
    if (num <= 0 || den <= 0) return false;
    for (int32_t i = 0; i < s->slots; i++) {
        int64_t b, e, hb, he;
        glia_share(out_dim, p->granule, s->slots, i, &b, &e);
        glia_share(have_dim, have->granule, s->slots, i, &hb, &he);
        if (b == e) continue;
        if (b * num / den < hb || glia_ceil_div(e * num, den) > he) return false;
    }
    return true;
}

static const spread *find_spread(const state *st, uint32_t value)
{
    for (int i = 0; i < st->count; i++)
        if (st->spreads[i].value == (int32_t)value) return &st->spreads[i];
    return NULL;
}

static bool input_visible(const search *s, const state *st, const glia_node *n, const glia_regions *r, int i,
                          const glia_part *p)
{
    const spread *have = find_spread(st, n->in[i].id);
    if (!have || have->kind == GLIA_PART_REPLICATED) return true;
    if (have->kind == GLIA_PART_WHOLE) return p->kind == GLIA_PART_WHOLE;
    if (p->kind != GLIA_PART_SPLIT) return false;
    const glia_axis_region *ar = &r->in[i].axis[have->axis];
    if ((ar->kind != GLIA_AXIS_SAME && ar->kind != GLIA_AXIS_SCALED) || ar->axis != p->axis) return false;
    return shares_fit(s, p, type_of(s, n->out[0])->dims[p->axis], ar, have,
                      type_of(s, n->in[i])->dims[have->axis]);
}

static bool writes_state(const search *s, const glia_node *n)
{
    return glia_graph_value(s->g, n->out[0])->state != 0;
}

/* ---- states -------------------------------------------------------------------------------- */

static double total(const search *s, const state *st)
{
    const double tie = 1e-4; /* of what is equally fast, the one with less work in all */
    double most = 0, sum = 0;
    for (int i = 0; i < s->slots; i++) {
        most = st->slot[i] > most ? st->slot[i] : most;
        sum += st->slot[i];
    }
    return st->closed + most + tie * sum;
}

/* What is in use of it: most of a state is room. */
static void copy_state(const search *s, state *to, const state *from)
{
    to->closed = from->closed;
    to->phase = from->phase;
    to->count = from->count;
    to->overflow = from->overflow;
    to->trace = from->trace;
    to->cost = from->cost;
    memcpy(to->slot, from->slot, (size_t)s->slots * sizeof to->slot[0]);
    memcpy(to->spreads, from->spreads, (size_t)from->count * sizeof to->spreads[0]);
}

static void close_phase(const search *s, state *st)
{
    st->closed = total(s, st) + s->rates->meeting;
    memset(st->slot, 0, (size_t)s->slots * sizeof st->slot[0]);
    st->count = 0;
    st->overflow = 0;
    st->phase++;
}

static void forget(const search *s, state *st, int32_t node)
{
    int kept = 0;
    for (int i = 0; i < st->count; i++)
        if (s->last_use[st->spreads[i].value] > node) st->spreads[kept++] = st->spreads[i];
    st->count = kept;
}

static bool same_spreads(const state *a, const state *b)
{
    if (a->count != b->count || a->overflow != b->overflow) return false;
    for (int i = 0; i < a->count; i++) {
        const spread *x = &a->spreads[i], *y = &b->spreads[i];
        if (x->value != y->value || x->kind != y->kind || x->axis != y->axis || x->granule != y->granule)
            return false;
    }
    return true;
}

/* Keeps a new state if nothing equal is cheaper, and if the beam has room or something dearer to drop. */
static void offer(search *s, state *st)
{
    int32_t dearest = -1;
    double dearest_cost = -1;
    st->cost = total(s, st);
    for (int32_t i = 0; i < s->next_count; i++) {
        const double c = s->next[i].cost;
        if (same_spreads(&s->next[i], st)) {
            if (st->cost < c) copy_state(s, &s->next[i], st);
            return;
        }
        if (c > dearest_cost) {
            dearest_cost = c;
            dearest = i;
        }
    }
    if (s->next_count < s->beam) copy_state(s, &s->next[s->next_count++], st);
    else if (st->cost < dearest_cost) copy_state(s, &s->next[dearest], st);
}

static int32_t remember(search *s, int32_t parent, const glia_part *p)
{
    trace *grown =
        glia_arena_grow(s->arena, s->history, s->history_count, &s->history_capacity, sizeof *s->history);
    if (!grown) {
        s->failed = true;
        return parent;
    }
    s->history = grown;
    s->history[s->history_count] = (trace){parent, *p};
    return (int32_t)s->history_count++;
}

/* The part of a node's work that falls to a slot. */
static double share_of(const search *s, const glia_part *p, int32_t slot, int64_t axis_size, int64_t panel)
{
    int64_t b, e;
    if (p->kind == GLIA_PART_WHOLE) return slot == 0;
    if (p->kind != GLIA_PART_SPLIT) return 1;
    glia_share(axis_size, p->granule, s->slots, slot, &b, &e);
    if (b >= e || !axis_size) return 0;
    /* Panels that are begun are computed whole. */
    return (double)(glia_min(axis_size, glia_ceil_div(e, panel) * panel) - b / panel * panel) /
           (double)axis_size;
}

static void take(search *s, const state *from, const glia_node *n, int32_t index, const glia_regions *r,
                 const glia_part *candidate, glia_work w, double fixed, int64_t axis_size, int64_t panel)
{
    state st;
    copy_state(s, &st, from);
    bool meet = st.overflow;
    for (int i = 0; i < n->in_count && !meet; i++)
        meet = !glia_is_null(n->in[i]) && !input_visible(s, &st, n, r, i, candidate);
    if (meet) close_phase(s, &st);
    glia_part p = *candidate;
    p.phase = st.phase;
    for (int32_t i = 0; i < s->slots; i++)
        st.slot[i] +=
            seconds_of(s, w, p.kind == GLIA_PART_SPLIT ? fixed : 0, share_of(s, &p, i, axis_size, panel));
    forget(s, &st, index);
    for (int i = 0; i < n->out_count; i++) {
        if (s->last_use[n->out[i].id] <= index) continue;
        if (st.count == SPREADS_MAX) {
            st.overflow = 1; /* too many to follow: the next node meets first */
            break;
        }
        int32_t axis = p.axis;
        if (p.kind == GLIA_PART_SPLIT && i > 0) { /* further outputs: find the axis that follows output 0's */
            axis = -1;
            for (int x = 0; x < type_of(s, n->out[i])->rank; x++)
                if (r->out[i].axis[x].kind == GLIA_AXIS_SAME && r->out[i].axis[x].axis == p.axis) axis = x;
        }
        if (axis < 0) {
            st.overflow = 1;
            continue;
        }
        st.spreads[st.count++] = (spread){(int32_t)n->out[i].id, p.kind, axis, p.granule};
    }
    st.trace = remember(s, from->trace, &p);
    offer(s, &st);
}

/* A view shows the same bytes: its spread follows from its input's, when the axes correspond. */
static void take_view(search *s, const state *from, const glia_node *n, int32_t index, const glia_regions *r)
{
    state st;
    copy_state(s, &st, from);
    const spread *have = find_spread(&st, n->in[0].id);
    glia_part p = {GLIA_PART_WHOLE, 0, 1, st.phase};
    if (have) {
        spread out = *have;
        out.value = (int32_t)n->out[0].id;
        bool follows = have->kind != GLIA_PART_SPLIT;
        if (!follows) {
            const glia_axis_region *ar = &r->in[0].axis[have->axis];
            int64_t num = ar->kind == GLIA_AXIS_SCALED ? eval(s, ar->num) : 1;
            int64_t den = ar->kind == GLIA_AXIS_SCALED ? eval(s, ar->den) : 1, scaled = 0;
            follows = (ar->kind == GLIA_AXIS_SAME || ar->kind == GLIA_AXIS_SCALED) && num > 0 && den > 0 &&
                      glia_mul(have->granule, den, &scaled) && scaled % num == 0;
            out.axis = ar->axis;
            out.granule = follows ? scaled / num : 1;
        }
        if (!follows) close_phase(s, &st);
        forget(s, &st, index);
        if (follows && s->last_use[out.value] > index) {
            if (st.count < SPREADS_MAX) st.spreads[st.count++] = out;
            else st.overflow = 1;
        }
        p = (glia_part){out.kind, out.axis, out.granule, st.phase};
    } else {
        forget(s, &st, index);
    }
    st.trace = remember(s, from->trace, &p);
    offer(s, &st);
}

/* ---- candidates ---------------------------------------------------------------------------- */

static int add_candidate(glia_part *c, int count, glia_part p)
{
    for (int i = 0; i < count; i++)
        if (c[i].kind == p.kind && c[i].axis == p.axis && c[i].granule == p.granule) return count;
    if (count < CANDIDATES_MAX) c[count++] = p;
    return count;
}

static bool reads_state(const search *s, const glia_node *n)
{
    for (int i = 0; i < n->in_count; i++)
        if (!glia_is_null(n->in[i]) && glia_graph_value(s->g, n->in[i])->state) return true;
    return false;
}

/* Attention grows with the context, which costs taken now do not show: its shares must be even. */
static bool even(const search *s, int64_t units)
{
    return glia_ceil_div(units, s->slots) * s->slots * 4 <= units * 5;
}

static int candidates_of(const search *s, const glia_node *n, const glia_regions *r, bool has_regions,
                         const node_dims *d, double seconds, glia_part *c)
{
    int count = 0, uneven = 0;
    const wishes *w = &s->wish_of[n->out[0].id];
    bool writer = writes_state(s, n), wants_even = !writer && reads_state(s, n);
    for (int pass = 0; pass < 2 && count == 0; pass++) { /* pass 1: nothing even was found */
        for (int a = 0; has_regions && a < d->out[0].rank; a++) {
            if (!r->split[a]) continue;
            int64_t own = own_granule(n, r, d, a), hard = hard_granule(n, r, d, a), size = d->out[0].dims[a];
            for (int i = -1; i < 2 * w->count;
                 i++) { /* a consumer's heads as they are, and in whole panels */
                const wish *k = i < 0 ? NULL : &w->w[i / 2];
                if (k && k->axis != a) continue;
                int64_t g = k ? lcm(i % 2 ? hard : own, k->granule) : own;
                int64_t units = glia_ceil_div(size, glia_max(1, g));
                if (units < 2 && !writer) continue;
                if (pass == 0 && wants_even && !even(s, units)) {
                    uneven++;
                    continue;
                }
                count = add_candidate(c, count, (glia_part){GLIA_PART_SPLIT, a, g, 0});
            }
        }
        if (!uneven) break;
    }
    /* A product reads its weights once for all slots, however small it is. */
    bool replicable = !writer && !(n->op->traits & GLIA_PRODUCT) && seconds <= REPLICATE_SECONDS_MAX;
    if (replicable) count = add_candidate(c, count, (glia_part){GLIA_PART_REPLICATED, 0, 1, 0});
    if (count == 0 || !replicable) count = add_candidate(c, count, (glia_part){GLIA_PART_WHOLE, 0, 1, 0});
    return count;
}

/* Adds the splits that go on where an input of this phase was cut: a residual or an activation stays with its
 * product. */
static int followers_of(const search *s, const state *st, const glia_node *n, const glia_regions *r,
                        const node_dims *d, glia_part *c, int count)
{
    if ((n->op->traits & GLIA_GUARD) || reads_state(s, n)) return count;
    for (int i = 0; i < n->in_count; i++) {
        const spread *have = find_spread(st, n->in[i].id);
        if (!have || have->kind != GLIA_PART_SPLIT) continue;
        const glia_axis_region *ar = &r->in[i].axis[have->axis];
        if (ar->kind != GLIA_AXIS_SAME || !r->split[ar->axis]) continue;
        if (have->granule % hard_granule(n, r, d, ar->axis)) continue;
        count = add_candidate(c, count, (glia_part){GLIA_PART_SPLIT, ar->axis, have->granule, 0});
    }
    return count;
}

/* Seconds for reading the weights that a split does not divide: split by tokens, every slot reads all of
 * them. */
static double fixed_bytes(const search *s, const glia_node *n, const glia_regions *r, const glia_part *p)
{
    double sum = 0;
    if (p->kind != GLIA_PART_SPLIT) return 0;
    for (int i = 0; i < n->in_count; i++) {
        if (glia_is_null(n->in[i])) continue;
        const glia_value_info *v = glia_graph_value(s->g, n->in[i]);
        bool divided = n->op == &glia_op_embed; /* reads single rows */
        for (int a = 0; a < v->type.rank; a++)
            divided |= r->in[i].axis[a].kind != GLIA_AXIS_WHOLE && r->in[i].axis[a].axis == p->axis;
        int64_t bytes = 0;
        if (is_weight(s, n->in[i]) && !divided &&
            !glia_value_bytes_max(s->g, &v->type, s->symbols, &bytes, NULL))
            sum += (double)bytes;
    }
    return sum / s->rates->stream;
}

static void step(search *s, int32_t index)
{
    const glia_node *n = &s->g->nodes[index];
    glia_regions r;
    node_dims d;
    memset(&r, 0, sizeof r);
    bool has_regions = glia_node_regions(s->g, n, &r);
    dims_of(s, n, &d);
    s->next_count = 0;
    if ((n->op->traits & GLIA_VIEW) || done_before(s, n)) {
        for (int32_t i = 0; i < s->now_count; i++) take_view(s, &s->now[i], n, index, &r);
    } else {
        glia_part c[CANDIDATES_MAX] = {{0}};
        glia_work w = work_of(s, n, &d.k);
        int count = 1;
        /* A guard must have run before its consumer on every slot: each slot looks for itself. */
        if (n->op->traits & GLIA_GUARD) c[0] = (glia_part){GLIA_PART_REPLICATED, 0, 1, 0};
        else count = candidates_of(s, n, &r, has_regions, &d, seconds_of(s, w, 0, 1), c);
        for (int32_t i = 0; i < s->now_count; i++) {
            glia_part own[CANDIDATES_MAX];
            memcpy(own, c, sizeof own);
            int all = has_regions ? followers_of(s, &s->now[i], n, &r, &d, own, count) : count;
            for (int j = 0; j < all; j++) {
                bool split = own[j].kind == GLIA_PART_SPLIT;
                int64_t size = split ? d.out[0].dims[own[j].axis] : 1;
                int64_t panel =
                    split && (n->op->traits & GLIA_PRODUCT) ? own_granule(n, &r, &d, own[j].axis) : 1;
                take(s, &s->now[i], n, index, &r, &own[j], w, fixed_bytes(s, n, &r, &own[j]), size, panel);
            }
        }
    }
    state *t = s->now;
    s->now = s->next;
    s->next = t;
    s->now_count = s->next_count;
}

/* The last reader of each value; a state's old version is read no later than its writer, and what is read
 * through a view counts for the view's own value. Graph outputs need nothing: the run's end is a meeting. */
static bool last_uses(search *s)
{
    s->last_use = GLIA_NEW_ARRAY(s->arena, int32_t, s->g->value_count + 1);
    if (!s->last_use) return false;
    for (int64_t i = 0; i < s->g->node_count; i++)
        for (int j = 0; j < s->g->nodes[i].in_count; j++) s->last_use[s->g->nodes[i].in[j].id] = (int32_t)i;
    return true;
}

static void one_slot(const glia_graph *g, glia_part *parts)
{
    for (int64_t i = 0; i < g->node_count; i++) parts[i] = (glia_part){GLIA_PART_WHOLE, 0, 1, 0};
}

double glia_schedule_seconds(const glia_graph *g, int32_t slots, const glia_rates *rates,
                             const int64_t *symbols, const glia_part *parts)
{
    search s = {.g = g, .slots = slots, .rates = rates, .symbols = symbols};
    state st = {0};
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        const glia_part whole = {GLIA_PART_WHOLE, 0, 1, 0}, *part = parts ? &parts[i] : &whole;
        glia_regions r;
        node_dims d;
        memset(&r, 0, sizeof r);
        if ((n->op->traits & GLIA_VIEW && !(n->op->traits & GLIA_GUARD)) || done_before(&s, n)) continue;
        while (st.phase < part->phase) close_phase(&s, &st);
        bool split = part->kind == GLIA_PART_SPLIT && glia_node_regions(g, n, &r);
        dims_of(&s, n, &d);
        glia_work w = work_of(&s, n, &d.k);
        int64_t size = split ? d.out[0].dims[part->axis] : 1;
        int64_t panel = split && (n->op->traits & GLIA_PRODUCT) ? own_granule(n, &r, &d, part->axis) : 1;
        for (int32_t k = 0; k < slots; k++)
            st.slot[k] += seconds_of(&s, w, split ? fixed_bytes(&s, n, &r, part) : 0,
                                     share_of(&s, part, k, size, panel));
    }
    return total(&s, &st);
}

glia_status glia_schedule(const glia_graph *g, int32_t slots, const glia_rates *rates, const int64_t *symbols,
                          glia_arena *scratch, glia_part *parts, int32_t *phases, glia_error *e)
{
    search s = {.g = g, .arena = scratch, .slots = slots, .rates = rates, .symbols = symbols};
    if (slots == 1) {
        one_slot(g, parts);
        *phases = g->node_count > 0;
        return GLIA_OK;
    }
    s.beam = (int32_t)glia_max(1, glia_min(BEAM_MAX, (1 << 20) / glia_max(1, g->node_count)));
    s.now = GLIA_NEW_ARRAY(scratch, state, s.beam);
    s.next = GLIA_NEW_ARRAY(scratch, state, s.beam);
    s.wish_of = GLIA_NEW_ARRAY(scratch, wishes, g->value_count + 1);
    if (!s.now || !s.next || !s.wish_of || !last_uses(&s))
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while scheduling");
    for (int64_t i = g->node_count - 1; i >= 0; i--) spread_wishes(&s, &g->nodes[i]);
    s.now_count = 1;
    s.now[0].trace = -1;
    for (int64_t i = 0; i < g->node_count && !s.failed; i++) step(&s, (int32_t)i);
    if (s.failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while scheduling");
    int32_t best = 0;
    for (int32_t i = 1; i < s.now_count; i++)
        if (total(&s, &s.now[i]) < total(&s, &s.now[best])) best = i;
    *phases = g->node_count > 0 ? s.now[best].phase + 1 : 0;
    int32_t at = s.now[best].trace;
    for (int64_t i = g->node_count - 1; i >= 0; i--) {
        parts[i] = s.history[at].part;
        at = s.history[at].parent;
    }
    return GLIA_OK;
}
