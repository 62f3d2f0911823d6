/* From a schedule to records: which values share memory, how long each lives, where it lies, and one item per
 * node that computes.
 *
 * Time is counted in items. A value that every slot keeps for itself (and every value of a one-slot variant)
 * lives from its producer to its last reader; a value that slots share lives from the first item of the phase
 * that makes it to the last item of the last phase that reads it, since slots are not in step inside a phase.
 *
 *     arena = [ shared values | private values of slot 0 | of slot 1 | ... ]     scratch = [ slot 0 | slot 1
 * | ... ] */
#include "compile/plan.h"

#include "base/check.h"
#include "ops/ops.h"

#include <string.h>

typedef struct encoder {
    glia_plan *p;
    glia_variant *v;
    const glia_graph *g;
    const glia_node_binding *bind;
    const glia_part *parts;
    const int64_t *symbols;
    glia_arena scratch;
    glia_placed *placed; /* by value */
    /* by root value: the last node that reads it through any name (node_count: an output), the first that writes it,
     * and the last phase in which it is written */
    int32_t *last_node, *first_node, *wrote;
    int32_t *item_of; /* by node: its item, or -1 */
    bool *shares;     /* by node: it has no item, since its output lies where its inputs do */
    int32_t *phase_first, *phase_last; /* by phase: items */
    int32_t *value_dims;               /* by value: first entry in the dims table, -1 if none yet */
    glia_dim *dims;
    int64_t dim_count, dim_capacity;
    int32_t phases;
    bool failed;
} encoder;

static const double PIECE_SECONDS = 5e-4;

static const glia_value_info *info_of(const encoder *x, uint32_t id)
{
    return glia_graph_value(x->g, (glia_value){id});
}

/* ---- roots: views and in-place ---------------------------------------------------------------- */

static bool same_shape(const glia_type *a, const glia_type *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank || a->layout != b->layout) return false;
    return memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* May node n write over its input j? Only when nobody else still wants the old bytes: nobody later, and in
 * the same phase nobody on another slot. */
static bool may_overwrite(const encoder *x, int32_t index, int j)
{
    const glia_node *n = &x->g->nodes[index];
    if (!(n->op->traits & (j == 0 ? GLIA_INPLACE_0 : GLIA_INPLACE_1)) || j >= n->in_count ||
        glia_is_null(n->in[j]))
        return false;
    for (int i = 0; i < n->in_count; i++)
        if (i != j && n->in[i].id && x->placed[n->in[i].id].root == x->placed[n->in[j].id].root) return false;
    int32_t root = x->placed[n->in[j].id].root;
    const glia_value_info *r = info_of(x, (uint32_t)root);
    if (r->kind != GLIA_VALUE_NODE || r->state || x->placed[root].base != GLIA_BASE_ARENA) return false;
    if (!same_shape(&info_of(x, n->in[j].id)->type, &info_of(x, n->out[0].id)->type) ||
        x->last_node[root] != index)
        return false;
    if (x->v->slots == 1) return true;
    const glia_part *mine = &x->parts[index], *maker = &x->parts[r->producer];
    if (mine->kind == GLIA_PART_REPLICATED) return maker->kind == GLIA_PART_REPLICATED;
    if (maker->kind == GLIA_PART_REPLICATED || mine->kind != GLIA_PART_SPLIT) return false;
    for (int32_t i = index - 1; i >= 0 && x->parts[i].phase == mine->phase; i--) {
        const glia_node *o = &x->g->nodes[i];
        if (o->op->traits & GLIA_VIEW) continue;
        for (int k = 0; k < o->in_count; k++)
            if (o->in[k].id && x->placed[o->in[k].id].root == root) return false;
        for (int k = 0; k < o->out_count; k++) {
            if (x->placed[o->out[k].id].root != root) continue;
            if (x->parts[i].kind != GLIA_PART_SPLIT || x->parts[i].axis != mine->axis ||
                x->parts[i].granule != mine->granule ||
                !same_shape(&info_of(x, o->out[k].id)->type, &info_of(x, n->out[0].id)->type))
                return false;
        }
    }
    return true;
}

/* value lies where `of` lies, `delta` bytes further. */
static void join(encoder *x, uint32_t value, uint32_t of, int64_t delta, int32_t writer)
{
    const int32_t root = x->placed[of].root;
    x->placed[value].root = root;
    x->placed[value].delta = x->placed[of].delta + delta;
    x->placed[value].base = x->placed[root].base;
    x->last_node[root] = (int32_t)glia_max(x->last_node[root], x->last_node[value]);
    if (writer >= 0) x->wrote[root] = (int32_t)glia_max(x->wrote[root], x->parts[writer].phase);
}

static bool fixed_bytes(const encoder *x, uint32_t value, int64_t *bytes)
{
    const glia_type *t = &info_of(x, value)->type;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0) return false;
    return !glia_value_bytes_max(x->g, t, x->symbols, bytes, NULL);
}

static bool is_replicated(const encoder *x, int64_t node)
{
    return x->v->slots > 1 && x->parts[node].kind == GLIA_PART_REPLICATED;
}

/* Whether node `index` may leave its work to memory. Everything that it shows must be written before its phase, since
 * shares of what lies in it are not shares of it. */
static bool finished(const encoder *x, int32_t root, int32_t index)
{
    return x->v->slots == 1 || info_of(x, (uint32_t)root)->kind == GLIA_VALUE_INPUT ||
           x->wrote[root] < x->parts[index].phase;
}

static bool show_part(encoder *x, int32_t index, int64_t offset)
{
    const glia_node *n = &x->g->nodes[index];
    const int32_t root = x->placed[n->in[0].id].root;
    const glia_value_info *r = info_of(x, (uint32_t)root);
    int64_t bytes;
    if (offset % 64 || x->placed[root].base != GLIA_BASE_ARENA || r->state || !finished(x, root, index) ||
        !fixed_bytes(x, (uint32_t)root, &bytes) || !fixed_bytes(x, n->out[0].id, &bytes))
        return false;
    join(x, n->out[0].id, n->in[0].id, offset, -1);
    return true;
}

/* May input j of node `index` be made where it lies in the output? Its memory holds nothing else. */
static bool may_move(const encoder *x, int32_t index, int j, int64_t offset)
{
    const glia_node *n = &x->g->nodes[index];
    const glia_placed *at = &x->placed[n->in[j].id];
    const glia_value_info *r = info_of(x, (uint32_t)at->root);
    int64_t all, bytes;
    if (offset % 64 || at->base != GLIA_BASE_ARENA || at->delta || r->kind != GLIA_VALUE_NODE || r->state ||
        is_replicated(x, r->producer) || !finished(x, at->root, index) ||
        !fixed_bytes(x, (uint32_t)at->root, &all) || !fixed_bytes(x, n->in[j].id, &bytes) || all != bytes)
        return false;
    for (int i = 0; i < j; i++)
        if (x->placed[n->in[i].id].root == at->root) return false;
    return true;
}

static bool take_parts(encoder *x, int32_t index, const int64_t *offset)
{
    const glia_node *n = &x->g->nodes[index];
    const int32_t out = (int32_t)n->out[0].id;
    int64_t bytes;
    if (is_replicated(x, index) || !fixed_bytes(x, n->out[0].id, &bytes)) return false;
    for (int j = 0; j < n->in_count; j++)
        if (!may_move(x, index, j, offset[j])) return false;
    for (int j = 0; j < n->in_count; j++) {
        const int32_t root = x->placed[n->in[j].id].root;
        x->first_node[out] = (int32_t)glia_min(x->first_node[out], x->first_node[root]);
        x->last_node[out] = (int32_t)glia_max(x->last_node[out], x->last_node[root]);
        for (int64_t i = 1; i < x->g->value_count; i++) {
            if (x->placed[i].root != root) continue;
            x->placed[i].root = out;
            x->placed[i].delta += offset[j];
        }
    }
    return true;
}

static bool share_memory(encoder *x, int32_t index)
{
    const glia_node *n = &x->g->nodes[index];
    int64_t offset[GLIA_IN_MAX];
    glia_shapes s;
    if (!n->op->lies || x->p->plain_memory) return false;
    glia_node_shapes(x->g, n, x->symbols, &s);
    const int how = n->op->lies(&s.k, offset);
    return how > 0 ? take_parts(x, index, offset) : how < 0 && show_part(x, index, offset[0]);
}

static void find_roots(encoder *x)
{
    const glia_graph *g = x->g;
    for (int64_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->nodes[i].in_count; j++) x->last_node[g->nodes[i].in[j].id] = (int32_t)i;
    for (int64_t i = 0; i < g->output_count; i++)
        x->last_node[g->outputs[i].value.id] = (int32_t)g->node_count;
    for (int64_t i = 1; i < g->value_count; i++) {
        x->placed[i].root = (int32_t)i;
        x->first_node[i] = g->values[i].producer;
        if (g->values[i].producer >= 0) x->wrote[i] = x->parts[g->values[i].producer].phase;
        if (x->placed[i].base < 0 &&
            (g->values[i].kind == GLIA_VALUE_INPUT || g->values[i].kind == GLIA_VALUE_NODE))
            x->placed[i].base = GLIA_BASE_ARENA;
    }
    for (int32_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        const glia_value_info *o = info_of(x, n->out[0].id);
        if (o->state) join(x, n->out[0].id, (uint32_t)o->state, 0, i);
        else if (n->op->traits & (GLIA_VIEW | GLIA_GUARD)) join(x, n->out[0].id, n->in[0].id, 0, -1);
        else if (!x->bind[i].item) continue;
        else if ((x->shares[i] = share_memory(x, i))) continue;
        else if (may_overwrite(x, i, 0)) join(x, n->out[0].id, n->in[0].id, 0, i);
        else if (may_overwrite(x, i, 1)) join(x, n->out[0].id, n->in[1].id, 0, i);
    }
}

/* ---- lifetimes and offsets -------------------------------------------------------------------- */

static bool is_private(const encoder *x, int32_t root)
{
    const glia_value_info *r = info_of(x, (uint32_t)root);
    if (r->kind != GLIA_VALUE_NODE) return false;
    return x->v->slots == 1 || x->parts[r->producer].kind == GLIA_PART_REPLICATED;
}

static bool number_items(encoder *x)
{
    const glia_graph *g = x->g;
    int32_t items = 0;
    for (int32_t i = 0; i < x->phases; i++) x->phase_first[i] = -1;
    for (int64_t i = 0; i < g->node_count; i++) {
        x->item_of[i] = -1;
        if (!x->bind[i].item || x->shares[i]) continue;
        int32_t ph = x->parts[i].phase;
        if (x->phase_first[ph] < 0) x->phase_first[ph] = items;
        x->phase_last[ph] = items;
        x->item_of[i] = items++;
    }
    x->v->item_count = items;
    return true;
}

/* The item time of a node, or of the next item for nodes without one. */
static int32_t time_of(const encoder *x, int64_t node)
{
    for (int64_t i = node; i < x->g->node_count; i++)
        if (x->item_of[i] >= 0) return x->item_of[i];
    return x->v->item_count;
}

static int32_t phase_end(const encoder *x, int64_t node)
{
    int32_t ph = x->parts[node].phase;
    return x->phase_first[ph] < 0 ? time_of(x, node) : x->phase_last[ph];
}

static int32_t phase_begin(const encoder *x, int64_t node)
{
    int32_t ph = x->parts[node].phase;
    return x->phase_first[ph] < 0 ? time_of(x, node) : x->phase_first[ph];
}

static void lifetime(encoder *x, int32_t root)
{
    const glia_value_info *r = info_of(x, (uint32_t)root);
    glia_placed *at = &x->placed[root];
    bool mine = is_private(x, root);
    int32_t first = x->first_node[root], last = x->last_node[root];
    at->kind = mine ? GLIA_PART_REPLICATED : GLIA_PART_WHOLE;
    at->begin = r->kind == GLIA_VALUE_INPUT ? 0 : mine ? time_of(x, first) : phase_begin(x, first);
    if (last >= x->g->node_count || r->kind == GLIA_VALUE_INPUT) at->end = x->v->item_count;
    else if (last <= r->producer)
        at->end = mine ? time_of(x, r->producer) : phase_end(x, r->producer); /* written, never read */
    else at->end = mine ? time_of(x, last) : phase_end(x, last);
}

static glia_status place(encoder *x, bool mine, int64_t *total, int64_t *bound, glia_error *e)
{
    int64_t count = 0;
    glia_buffer *b = GLIA_NEW_ARRAY(&x->scratch, glia_buffer, x->g->value_count + 1);
    int32_t *of = GLIA_NEW_ARRAY(&x->scratch, int32_t, x->g->value_count + 1);
    if (!b || !of) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while planning memory");
    for (int64_t i = 1; i < x->g->value_count; i++) {
        glia_placed *at = &x->placed[i];
        if (at->root != i || at->base != GLIA_BASE_ARENA || (at->kind == GLIA_PART_REPLICATED) != mine)
            continue;
        glia_status s = glia_value_bytes_max(x->g, &x->g->values[i].type, x->symbols, &at->bytes, e);
        if (s) return s;
        if (!glia_round_up(at->bytes, 64, &b[count].bytes))
            return glia_fail(e, GLIA_E_LIMIT, "G0202", "value `%s` is too large", x->g->values[i].name);
        b[count].begin = at->begin;
        b[count].end = at->end;
        of[count++] = (int32_t)i;
    }
    bool failed = false;
    const glia_place_options po = {x->p->place_steps, 0};
    *total = glia_place_buffers(b, count, &po, &x->scratch, bound, &failed);
    if (failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while planning memory");
    if (!glia_check_buffers(b, count, *total, &x->scratch))
        return x->scratch.failed ? glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while planning memory")
                                 : glia_fail(e, GLIA_E_INTERNAL, "G0203", "the memory plan overlaps");
    for (int64_t i = 0; i < count; i++) x->placed[of[i]].offset = b[i].offset;
    return GLIA_OK;
}

static glia_status place_all(encoder *x, glia_error *e)
{
    int64_t shared, mine, shared_bound, mine_bound, all;
    for (int64_t i = 1; i < x->g->value_count; i++)
        if (x->placed[i].root == i && x->placed[i].base == GLIA_BASE_ARENA) lifetime(x, (int32_t)i);
    glia_status s = place(x, false, &shared, &shared_bound, e);
    if (!s) s = place(x, true, &mine, &mine_bound, e);
    if (s) return s;
    if (!glia_mul(mine, x->v->slots, &all) || !glia_add(all, shared, &all))
        return glia_fail(e, GLIA_E_LIMIT, "G0202", "the activation arena is too large");
    x->v->arena_bytes = all;
    x->v->arena_lower_bound = shared_bound + mine_bound * x->v->slots;
    for (int64_t i = 1; i < x->g->value_count; i++) {
        glia_placed *at = &x->placed[i];
        if (at->root != i || at->base != GLIA_BASE_ARENA || at->kind != GLIA_PART_REPLICATED) continue;
        at->offset += shared;
        at->slot_stride = mine;
    }
    for (int64_t i = 1; i < x->g->value_count; i++) {
        glia_placed *at = &x->placed[i];
        const int32_t root = at->root;
        const int64_t delta = at->delta;
        if (root == i || root <= 0) continue;
        *at = x->placed[root];
        at->root = root;
        at->delta = delta;
        at->offset += delta;
    }
    return GLIA_OK;
}

/* ---- records ---------------------------------------------------------------------------------- */

static uint32_t dims_entry(encoder *x, uint32_t value)
{
    if (x->value_dims[value] >= 0) return (uint32_t)x->value_dims[value];
    const glia_type *t = &info_of(x, value)->type;
    x->value_dims[value] = (int32_t)x->dim_count;
    for (int d = 0; d < t->rank; d++) {
        glia_dim *grown =
            glia_arena_grow(&x->scratch, x->dims, x->dim_count, &x->dim_capacity, sizeof *grown);
        if (!grown) {
            x->failed = true;
            return 0;
        }
        x->dims = grown;
        x->dims[x->dim_count++] = t->dims[d];
    }
    return (uint32_t)x->value_dims[value];
}

static glia_arg_record arg_of(encoder *x, glia_value v)
{
    if (glia_is_null(v)) return (glia_arg_record){.offset = -1};
    const glia_type *t = &info_of(x, v.id)->type;
    const glia_placed *at = &x->placed[v.id];
    return (glia_arg_record){at->offset,       at->slot_stride,   dims_entry(x, v.id), (uint8_t)at->base,
                             (uint8_t)t->rank, (uint8_t)t->dtype, (uint8_t)t->layout};
}

static void shape_of(const glia_graph *g, const int64_t *symbols, glia_value v, glia_tensor *t, int64_t *dims)
{
    *t = (glia_tensor){0};
    if (glia_is_null(v)) return;
    const glia_type *type = &glia_graph_value(g, v)->type;
    for (int d = 0; d < type->rank; d++)
        if (type->dims[d] >= 0) dims[d] = type->dims[d];
        else if (!glia_dim_eval(g, type->dims[d], symbols, &dims[d])) dims[d] = 0;
    *t = (glia_tensor){NULL, dims, type->rank, type->layout, type->dtype};
}

void glia_node_shapes(const glia_graph *g, const glia_node *n, const int64_t *symbols, glia_shapes *s)
{
    memset(s->zero, 0, sizeof s->zero);
    for (int i = 0; i < n->in_count; i++) shape_of(g, symbols, n->in[i], &s->in[i], s->dims[i]);
    for (int i = 0; i < n->out_count; i++)
        shape_of(g, symbols, n->out[i], &s->out[i], s->dims[GLIA_IN_MAX + i]);
    s->k = (glia_kargs){s->in,   s->out, n->in_count, n->out_count, s->zero, s->dims[GLIA_IN_MAX],
                        n->attr, NULL,   NULL};
}

/* Long items are run in pieces of about PIECE_SECONDS, between which a run can be stopped. Pieces cut the
 * last axis that can be cut into enough of them: for products the weights' rows, which are then still read
 * only once. */
static void cut_pieces(const encoder *x, const glia_node *n, const glia_shapes *s, glia_item *it)
{
    glia_regions r;
    it->pieces = 1;
    if (it->guard || !n->op->cost || !glia_node_regions(x->g, n, &r)) return;
    glia_work w = glia_node_work(n->op, &x->p->rates, &s->k);
    double seconds = w.flops > w.bytes ? w.flops : w.bytes;
    if (it->kind == GLIA_PART_SPLIT) seconds /= x->v->slots;
    if (seconds <= PIECE_SECONDS) return;
    double wanted = seconds / PIECE_SECONDS + 1, most = 1;
    for (int a = s->out[0].rank - 1; a >= 0 && most < wanted; a--) {
        if (!r.split[a]) continue;
        int64_t granule = glia_max(1, r.granule[a]);
        if (n->op->granule) granule = glia_max(granule, n->op->granule(&s->k, a) * GLIA_PIECE_GRANULES);
        double units = (double)s->out[0].dims[a] / (double)granule;
        if (it->kind == GLIA_PART_SPLIT && it->axis == a) units /= x->v->slots;
        if (units <= most) continue;
        most = units;
        it->piece_axis = (uint8_t)a;
        it->piece_granule = granule;
    }
    it->pieces = (uint32_t)glia_max(1, (int64_t)(wanted < most ? wanted : most));
}

static void fill_item(encoder *x, int64_t node, glia_item *it, glia_arg_record *args, int32_t *arg_count,
                      int64_t *scratch)
{
    const glia_node *n = &x->g->nodes[node];
    const glia_part *part = &x->parts[node];
    glia_shapes s;
    glia_node_shapes(x->g, n, x->symbols, &s);
    *it = (glia_item){.kernel = x->bind[node].kernel,
                      .args = (uint32_t)*arg_count,
                      .attrs = x->bind[node].attrs,
                      .node = (uint32_t)node,
                      .granule = part->granule,
                      .kind = (uint8_t)part->kind,
                      .axis = (uint8_t)part->axis,
                      .in_count = (uint8_t)n->in_count,
                      .out_count = (uint8_t)n->out_count,
                      .attr_count = x->bind[node].attr_count,
                      .guard = (n->op->traits & GLIA_GUARD) != 0};
    for (int i = 0; i < n->in_count; i++) args[(*arg_count)++] = arg_of(x, n->in[i]);
    for (int i = 0; i < n->out_count; i++) args[(*arg_count)++] = arg_of(x, n->out[i]);
    cut_pieces(x, n, &s, it);
    it->axis_dim = s.out[0].rank ? dims_entry(x, n->out[0].id) + it->axis : 0;
    *scratch = n->op->scratch ? glia_max(0, n->op->scratch(&s.k)) : 0;
}

/* Copies the parts into one block: the variant's relocatable form. */
static bool pack_records(encoder *x, const glia_phase *ph, const glia_item *it, const glia_arg_record *ar)
{
    glia_variant *v = x->v;
    int64_t a = (int64_t)v->phase_count * (int64_t)sizeof *ph,
            b = (int64_t)v->item_count * (int64_t)sizeof *it;
    int64_t c = (int64_t)v->arg_count * (int64_t)sizeof *ar, d = x->dim_count * (int64_t)sizeof(glia_dim),
            at_b, at_c, at_d;
    if (!glia_round_up(a, 64, &at_b) || !glia_round_up(at_b + b, 64, &at_c) ||
        !glia_round_up(at_c + c, 64, &at_d))
        return false;
    v->record_bytes = at_d + d;
    uint8_t *block = glia_arena_alloc(&x->p->arena, v->record_bytes + 64, 64);
    if (!block) return false;
    if (a) memcpy(block, ph, (size_t)a);
    if (b) memcpy(block + at_b, it, (size_t)b);
    if (c) memcpy(block + at_c, ar, (size_t)c);
    if (d) memcpy(block + at_d, x->dims, (size_t)d);
    v->records = block;
    v->phases = (const glia_phase *)block;
    v->items = (const glia_item *)(block + at_b);
    v->args = (const glia_arg_record *)(block + at_c);
    v->dims = (const glia_dim *)(block + at_d);
    v->dim_count = (int32_t)x->dim_count;
    return true;
}

static glia_status emit(encoder *x, glia_error *e)
{
    glia_variant *v = x->v;
    int64_t args_max = 0;
    for (int64_t i = 0; i < x->g->node_count; i++)
        args_max += x->g->nodes[i].in_count + x->g->nodes[i].out_count;
    glia_item *items = GLIA_NEW_ARRAY(&x->scratch, glia_item, v->item_count + 1);
    glia_arg_record *args = GLIA_NEW_ARRAY(&x->scratch, glia_arg_record, args_max + 1);
    glia_phase *phases = GLIA_NEW_ARRAY(&x->scratch, glia_phase, x->phases + 1);
    if (!items || !args || !phases)
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while encoding the plan");
    int64_t most = 0;
    for (int64_t i = 0; i < x->g->node_count; i++) {
        if (x->item_of[i] < 0) continue;
        int64_t scratch;
        fill_item(x, i, &items[x->item_of[i]], args, &v->arg_count, &scratch);
        most = glia_max(most, scratch);
    }
    if (!glia_round_up(most, 64, &most) || !glia_mul(most, v->slots, &v->scratch_bytes))
        return glia_fail(e, GLIA_E_LIMIT, "G0202", "kernel scratch is too large");
    for (int32_t i = 0; i < v->item_count; i++) items[i].scratch_stride = most;
    for (int32_t i = 0; i < x->phases; i++) {
        if (x->phase_first[i] < 0) continue; /* only views: nothing to wait for */
        glia_phase *ph = &phases[v->phase_count++];
        *ph = (glia_phase){(uint32_t)x->phase_first[i], (uint32_t)(x->phase_last[i] - x->phase_first[i] + 1),
                           0, 0};
    }
    if (x->failed || !pack_records(x, phases, items, args))
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while encoding the plan");
    return GLIA_OK;
}

glia_status glia_encode_variant(glia_plan *p, glia_variant *v, const glia_node_binding *bind,
                                const glia_part *parts, int32_t phases, const int64_t *symbols, glia_error *e)
{
    const glia_graph *g = p->graph;
    encoder x = {.p = p, .v = v, .g = g, .bind = bind, .parts = parts, .symbols = symbols, .phases = phases};
    glia_arena_init(&x.scratch, p->arena.os, 0);
    x.placed = GLIA_NEW_ARRAY(&p->arena, glia_placed, g->value_count + 1);
    x.last_node = GLIA_NEW_ARRAY(&x.scratch, int32_t, g->value_count + 1);
    x.first_node = GLIA_NEW_ARRAY(&x.scratch, int32_t, g->value_count + 1);
    x.wrote = GLIA_NEW_ARRAY(&x.scratch, int32_t, g->value_count + 1);
    x.shares = GLIA_NEW_ARRAY(&x.scratch, bool, g->node_count + 1);
    x.item_of = GLIA_NEW_ARRAY(&x.scratch, int32_t, g->node_count + 1);
    x.phase_first = GLIA_NEW_ARRAY(&x.scratch, int32_t, phases + 1);
    x.phase_last = GLIA_NEW_ARRAY(&x.scratch, int32_t, phases + 1);
    x.value_dims = GLIA_NEW_ARRAY(&x.scratch, int32_t, g->value_count + 1);
    glia_status s = GLIA_OK;
    if (!x.placed || !x.last_node || !x.first_node || !x.wrote || !x.shares || !x.item_of || !x.phase_first ||
        !x.phase_last || !x.value_dims) {
        s = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while encoding the plan");
        goto done;
    }
    for (int64_t i = 0; i < g->value_count; i++) {
        x.placed[i].base = -1;
        x.value_dims[i] = -1;
    }
    for (int32_t i = 0; i < p->weight_count; i++) {
        const glia_weight_record *w = &p->weights[i];
        x.placed[w->packed] = (glia_placed){.offset = w->offset, .bytes = w->bytes, .base = (int16_t)w->base};
    }
    for (int32_t i = 0; i < p->state_count; i++)
        x.placed[p->states[i].value] = (glia_placed){
            .offset = p->states[i].offset, .bytes = p->states[i].bytes, .base = GLIA_BASE_STATE};
    int64_t at = 0;
    for (int64_t i = 1; i < g->value_count; i++) { /* constants, in the order of compile.c's table */
        if (g->values[i].kind != GLIA_VALUE_CONSTANT) continue;
        int64_t bytes;
        s = glia_value_bytes_max(g, &g->values[i].type, symbols, &bytes, e);
        if (s) goto done;
        x.placed[i] = (glia_placed){.offset = at, .bytes = bytes, .base = GLIA_BASE_TABLE};
        at += (bytes + 63) / 64 * 64;
    }
    find_roots(&x);
    number_items(&x);
    v->placed = x.placed;
    s = place_all(&x, e);
    if (!s) s = emit(&x, e);
done:
    glia_arena_free(&x.scratch);
    return s;
}
