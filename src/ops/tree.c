/* Ensembles of decision trees over the rows of a matrix.
 *
 *     y[row, target] = sum (or least, most, mean) over the trees of the votes of the leaf that the row reaches
 *
 * Nodes of all trees lie in one table, [m, 3]: what to compare, where to go if it holds, where if not. A place >= 0
 * is a node, -1 - l is leaf l. What to compare: feature << 4 | missing << 3 | mode; mode 0 to 5 is x <= s, <, >=, >,
 * ==, != with the node's split s, and a NaN goes the way of "holds" where missing is 1, else it is compared like any
 * number. Leaf l has the votes leaves[l] to leaves[l + 1]: targets and weights.
 *
 * Sums are one chain in f64 over the trees in the order of the roots, rounded once. Tables are not trusted: a place
 * or target out of range gives no vote, and no walk is longer than there are nodes. Eight walks go on at once, since
 * each waits for memory at every node. */
#include <math.h>

#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

static const glia_attr_spec tree_attrs[] = {
    {"targets", GLIA_ATTR_INT, true, 0}, {"aggregate", GLIA_ATTR_INT, false, 1}, {0}};
enum { TARGETS, AGGREGATE };
enum { TREE_MEAN, TREE_SUM, TREE_LEAST, TREE_MOST };
enum { LANES = 8, BLOCK = 64 /* rows whose sums are kept at once */ };

typedef struct trees {
    const glia_tensor *x;
    const float *x32; /* x's elements, or null: another dtype */
    const int32_t *nodes, *leaves, *votes, *roots;
    const double *splits, *weights;
    int64_t features, node_count, leaf_count, vote_count, root_count, targets, aggregate;
} trees;

static trees trees_of(const glia_kargs *k)
{
    return (trees){.x = &k->in[0],
                   .x32 = k->in[0].dtype == GLIA_F32 ? k->in[0].data : NULL,
                   .nodes = k->in[1].data,
                   .splits = k->in[2].data,
                   .leaves = k->in[3].data,
                   .votes = k->in[4].data,
                   .weights = k->in[5].data,
                   .roots = k->in[6].data,
                   .features = k->in[0].dims[1],
                   .node_count = k->in[1].dims[0],
                   .leaf_count = k->in[3].dims[0] - 1,
                   .vote_count = k->in[4].dims[0],
                   .root_count = k->in[6].dims[0],
                   .targets = k->attr[TARGETS].i,
                   .aggregate = k->attr[AGGREGATE].i};
}

static int32_t next_place(const trees *t, int64_t row, int32_t node)
{
    const int32_t *n = &t->nodes[3 * (int64_t)node];
    const int64_t feature = n[0] >> 4;
    double v = 0;
    if (feature >= 0 && feature < t->features) {
        const int64_t at = row * t->features + feature;
        v = t->x32 ? (double)t->x32[at] : glia_get_f64(t->x, at);
    }
    const double s = t->splits[node];
    bool yes = false;
    switch (n[0] & 7) {
    case 0: yes = v <= s; break;
    case 1: yes = v < s; break;
    case 2: yes = v >= s; break;
    case 3: yes = v > s; break;
    case 4: yes = v == s; break;
    case 5: yes = v != s; break;
    default: break;
    }
    if (v != v && (n[0] & 8)) yes = true;
    return yes ? n[1] : n[2];
}

/* Walks until every lane is at a leaf (or nowhere). */
static void walk(const trees *t, int count, const int64_t row[LANES], int32_t place[LANES])
{
    bool going = true;
    for (int64_t step = 0; going && step < t->node_count; step++) {
        going = false;
        for (int i = 0; i < count; i++) {
            if (place[i] < 0 || place[i] >= t->node_count) continue;
            place[i] = next_place(t, row[i], place[i]);
            going = true;
        }
    }
}

/* Adds a leaf's votes to a row's sums; NaN in a least or most: no vote yet. */
static void vote(const trees *t, int32_t place, double *sums)
{
    const int64_t leaf = -1 - (int64_t)place;
    if (leaf < 0 || leaf >= t->leaf_count) return;
    const int64_t begin = glia_max(t->leaves[leaf], 0), end = glia_min(t->leaves[leaf + 1], t->vote_count);
    for (int64_t i = begin; i < end; i++) {
        if (t->votes[i] < 0 || t->votes[i] >= t->targets) continue;
        double *sum = &sums[t->votes[i]];
        const double w = t->weights[i];
        if (t->aggregate <= TREE_SUM) *sum += w;
        else if (*sum != *sum || (t->aggregate == TREE_LEAST ? w < *sum : w > *sum)) *sum = w;
    }
}

/* The same where x is f32, every place is known to be sound, and every node asks for <= without a way for NaN:
 * without a branch, since where a row goes cannot be foreseen. A lane at a leaf goes on there. */
static void walk_plain(const trees *t, const int64_t row[LANES], int32_t place[LANES])
{
    for (int64_t step = 0; step < t->node_count; step++) {
        int32_t all = -1;
        for (int i = 0; i < LANES; i++) {
            const int32_t at = place[i], node = at & ~(at >> 31);
            const int32_t *n = &t->nodes[3 * (int64_t)node];
            const double v = (double)t->x32[row[i] * t->features + (n[0] >> 4)];
            const int32_t next = n[2 - (v <= t->splits[node])];
            place[i] = at < 0 ? at : next;
            all &= place[i];
        }
        if (all < 0) break;
    }
}

static bool is_plain(const trees *t)
{
    bool plain = t->x32 != NULL && t->node_count > 0;
    for (int64_t i = 0; plain && i < t->node_count; i++) {
        const int32_t *n = &t->nodes[3 * i];
        plain = (n[0] & 15) == 0 && n[0] >= 0 && n[0] >> 4 < t->features && n[1] < t->node_count &&
                n[2] < t->node_count;
    }
    for (int64_t i = 0; plain && i < t->root_count; i++) plain = t->roots[i] < t->node_count;
    return plain;
}

/* All trees on one row, eight trees at once. */
static void vote_row(const trees *t, int64_t row, double *sums)
{
    for (int64_t root = 0; root < t->root_count; root += LANES) {
        const int count = (int)glia_min(LANES, t->root_count - root);
        int64_t rows[LANES];
        int32_t place[LANES];
        for (int i = 0; i < count; i++) rows[i] = row, place[i] = t->roots[root + i];
        walk(t, count, rows, place);
        for (int i = 0; i < count; i++) vote(t, place[i], sums);
    }
}

/* Tree by tree, eight rows at once, so that a tree is read once for all rows of the block. */
static void vote_rows(const trees *t, bool plain, int64_t begin, int64_t end, double *sums)
{
    for (int64_t root = 0; root < t->root_count; root++)
        for (int64_t row = begin; row < end; row += LANES) {
            const int count = (int)glia_min(LANES, end - row);
            int64_t rows[LANES];
            int32_t place[LANES];
            for (int i = 0; i < LANES; i++) rows[i] = row + (i < count ? i : 0), place[i] = t->roots[root];
            if (plain) walk_plain(t, rows, place);
            else walk(t, count, rows, place);
            for (int i = 0; i < count; i++) vote(t, place[i], sums + (row + i - begin) * t->targets);
        }
}

static void tree_ensemble_reference(const glia_kargs *k)
{
    const trees t = trees_of(k);
    const bool picks = t.aggregate > TREE_SUM;
    const bool plain = k->end[0] - k->begin[0] >= LANES && is_plain(&t);
    double *sums = k->scratch;
    for (int64_t begin = k->begin[0]; begin < k->end[0]; begin += BLOCK) {
        const int64_t end = glia_min(begin + BLOCK, k->end[0]), count = (end - begin) * t.targets;
        for (int64_t i = 0; i < count; i++) sums[i] = picks ? (double)NAN : 0;
        if (end - begin < LANES)
            for (int64_t row = begin; row < end; row++) vote_row(&t, row, sums + (row - begin) * t.targets);
        else vote_rows(&t, plain, begin, end, sums);
        for (int64_t i = 0; i < count; i++) {
            double v = picks && sums[i] != sums[i] ? 0 : sums[i];
            if (t.aggregate == TREE_MEAN && t.root_count) v /= (double)t.root_count;
            glia_set_f64(&k->out[0], begin * t.targets + i, v);
        }
    }
}

static int64_t tree_ensemble_scratch(const glia_kargs *k)
{
    int64_t bytes;
    return glia_mul(k->attr[TARGETS].i, BLOCK * (int64_t)sizeof(double), &bytes) ? bytes : -1;
}

static void tree_ensemble_cost(const glia_kargs *k, glia_cost *out)
{
    const double walks = (double)glia_box_count(k, 1) * (double)k->in[6].dims[0];
    out->flops = walks * 64;
    out->bytes = walks * 128;
}

static bool tree_ensemble_infer(glia_infer *x)
{
    if (x->attr[TARGETS].i < 0 || x->attr[AGGREGATE].i < TREE_MEAN || x->attr[AGGREGATE].i > TREE_MOST)
        return glia_infer_fail(x, GLIA_E_ARG, "G0160", "`tree_ensemble`: targets or aggregate out of range");
    if (x->in[3].dims[0] == 0)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0160",
                               "`tree_ensemble`: leaves have one entry more than there are");
    return glia_infer_plain(x);
}

static void tree_ensemble_sample(glia_sample *s)
{
    const int64_t nodes = s->pick(s->ctx, 1, 9), leaves = s->pick(s->ctx, 1, 5),
                  votes = s->pick(s->ctx, 1, 8);
    const int64_t features = s->pick(s->ctx, 1, 4), targets = s->pick(s->ctx, 1, 3);
    s->in_count = 7;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 20), features}};
    s->in[1] = (glia_type){GLIA_I32, 2, 0, {nodes, 3}};
    s->in[2] = (glia_type){GLIA_F64, 1, 0, {nodes}};
    s->in[3] = (glia_type){GLIA_I32, 1, 0, {leaves + 1}};
    s->in[4] = (glia_type){GLIA_I32, 1, 0, {votes}};
    s->in[5] = (glia_type){GLIA_F64, 1, 0, {votes}};
    s->in[6] = (glia_type){GLIA_I32, 1, 0, {s->pick(s->ctx, 1, 12)}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->lo[1] = -(double)leaves - 1, s->hi[1] = 16 * (double)features + 8; /* some of them out of range */
    s->lo[2] = -1, s->hi[2] = 1;
    s->lo[3] = -1, s->hi[3] = (double)votes + 1;
    s->lo[4] = -1, s->hi[4] = (double)targets;
    s->lo[5] = -1, s->hi[5] = 1;
    s->lo[6] = -(double)leaves, s->hi[6] = (double)nodes;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("targets", targets);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("aggregate", s->pick(s->ctx, 0, 3));
}

const glia_op glia_op_tree_ensemble = {
    .name = "tree_ensemble",
    .signature =
        "x: F[n, f!], nodes: i32[m, 3], splits: f64[m], leaves: i32[l], votes: i32[v], weights: f64[v], "
        "roots: i32[r] -> y: F[n, #targets!]",
    .attrs = tree_attrs,
    .infer = tree_ensemble_infer,
    .no_grad = "a tree is constant between its splits",
    .cost = tree_ensemble_cost,
    .scratch = tree_ensemble_scratch,
    .reference = tree_ensemble_reference,
    .sample = tree_ensemble_sample,
};
