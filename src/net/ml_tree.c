/* TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier as one `tree_ensemble` and a few nodes.
 *
 * The older forms name nodes by {tree, node} in any order, and leaves among them; these are looked up in a hash
 * table. A node that asks for membership becomes a chain of comparisons, one for each member. What contradicts itself
 * is refused here (G1046), so that the op's tables are sound; trees that form a cycle end there without a vote. */
#include "base/check.h"
#include "net/emitter.h"
#include "net/host_util.h"
#include "net/ml.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct forest {
    int32_t *nodes; /* [node_count, 3] */
    double *splits;
    int32_t *leaves, *votes, *roots;
    double *weights;
    int64_t node_count, leaf_count, vote_count, root_count, targets, aggregate;
} forest;

enum { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, LEAF };
enum { FEATURES_MAX = 1 << 27 };

static bool broken(glia_emit *m, const char *what)
{
    if (!m->status) {
        m->status = glia_fail(m->error, GLIA_E_FORMAT, "G1046", "node `%.200s` (%s): %s", m->node->name,
                              m->node->op_name, what);
    }
    return false;
}

/* An attribute of `count` integers. */
static const int64_t *integers(glia_emit *m, const char *name, int64_t count)
{
    const glia_onnx_attr *a = glia_ml_attr(m, name, GLIA_ONNX_ATTR_INTS);
    if (a && a->count == count) return a->ints;
    char text[120];
    snprintf(text, sizeof text, "%s has another length than the other tables, or is missing", name);
    broken(m, text);
    return NULL;
}

static int64_t length_of(glia_emit *m, const char *name)
{
    const glia_onnx_attr *a = glia_ml_attr(m, name, GLIA_ONNX_ATTR_INTS);
    return a ? a->count : 0;
}

static bool forest_room(glia_emit *m, forest *f, int64_t nodes, int64_t leaves, int64_t votes, int64_t roots)
{
    if (nodes > INT32_MAX / 4 || leaves > INT32_MAX / 4 || votes > INT32_MAX / 4)
        return glia_emit_refuse(m, "a forest of more than 2^29 nodes, leaves or votes");
    f->nodes = glia_ml_room(m, nodes, 12);
    f->splits = glia_ml_room(m, nodes, (int64_t)sizeof(double));
    f->leaves = glia_ml_room(m, leaves + 1, 4);
    f->votes = glia_ml_room(m, votes, 4);
    f->weights = glia_ml_room(m, votes, (int64_t)sizeof(double));
    f->roots = glia_ml_room(m, roots, 4);
    return f->nodes && f->splits && f->leaves && f->votes && f->weights && f->roots;
}

/* The scores of the forest, [n, targets] in x's dtype, base values not added. */
static glia_value forest_scores(glia_emit *m, const forest *f, glia_value x)
{
    const int64_t nodes[2] = {f->node_count, 3}, leaves[1] = {f->leaf_count + 1}, votes[1] = {f->vote_count},
                  roots[1] = {f->root_count};
    const glia_attr_arg attrs[] = {GLIA_INT("targets", f->targets), GLIA_INT("aggregate", f->aggregate), {0}};
    glia_value in[7] = {x,
                        glia_emit_constant(m, GLIA_I32, 2, nodes, f->nodes),
                        glia_emit_constant(m, GLIA_F64, 1, nodes, f->splits),
                        glia_emit_constant(m, GLIA_I32, 1, leaves, f->leaves),
                        glia_emit_constant(m, GLIA_I32, 1, votes, f->votes),
                        glia_emit_constant(m, GLIA_F64, 1, votes, f->weights),
                        glia_emit_constant(m, GLIA_I32, 1, roots, f->roots)};
    return glia_emit_nodev(m, "tree_ensemble", attrs, 7, in);
}

static bool feature_ok(glia_emit *m, int64_t feature, int64_t features)
{
    return (feature >= 0 && feature < features && feature < FEATURES_MAX) ||
           broken(m, "a feature that X does not have");
}

/* ---- the older forms: {tree, node} to places */

typedef struct names {
    const int64_t *trees, *ids;
    int32_t *table; /* row of the file + 1; 0: free */
    int64_t count, slots;
} names;

static int32_t *name_slot(const names *n, int64_t tree, int64_t id)
{
    uint64_t h =
        (uint64_t)tree * 0x9E3779B97F4A7C15ull ^ ((uint64_t)id + 0x7F4A7C15ull) * 0xC2B2AE3D27D4EB4Full;
    for (h ^= h >> 29;; h++) {
        int32_t *s = &n->table[h & (uint64_t)(n->slots - 1)];
        if (!*s || (n->trees[*s - 1] == tree && n->ids[*s - 1] == id)) return s;
    }
}

static bool names_read(glia_emit *m, names *n)
{
    n->count = length_of(m, "nodes_nodeids");
    if (n->count < 1 || n->count > INT32_MAX / 4) return broken(m, "no nodes");
    n->ids = integers(m, "nodes_nodeids", n->count);
    n->trees = integers(m, "nodes_treeids", n->count);
    for (n->slots = 16; n->slots < 2 * n->count; n->slots *= 2) {
    }
    n->table = glia_ml_room(m, n->slots, 4);
    if (!n->ids || !n->trees || !n->table) return false;
    for (int64_t i = 0; i < n->count; i++) {
        int32_t *s = name_slot(n, n->trees[i], n->ids[i]);
        if (*s) return broken(m, "a node that is there twice");
        *s = (int32_t)i + 1;
    }
    return true;
}

/* The votes, sorted to their leaves by counting. prefix: "target" or "class". */
static bool votes_read(glia_emit *m, forest *f, const names *n, const int32_t *place, const char *prefix)
{
    char name[4][32];
    static const char *const ends[4] = {"treeids", "nodeids", "ids", "weights"};
    for (int i = 0; i < 4; i++) snprintf(name[i], sizeof name[i], "%s_%s", prefix, ends[i]);
    const int64_t *trees = integers(m, name[0], f->vote_count), *nodes = integers(m, name[1], f->vote_count);
    const int64_t *ids = integers(m, name[2], f->vote_count);
    int64_t count;
    const double *weights = glia_ml_doubles(m, name[3], &count);
    int32_t *leaf = glia_ml_room(m, f->vote_count, 4);
    if (!trees || !nodes || !ids || !leaf) return false;
    if (count != f->vote_count) return broken(m, "votes and their weights differ in length");
    for (int64_t i = 0; i < f->vote_count; i++) {
        const int32_t row = *name_slot(n, trees[i], nodes[i]);
        if (!row) return broken(m, "a vote of a node that is not there");
        if (ids[i] < 0 || ids[i] >= f->targets) return broken(m, "a vote for a target that is not there");
        leaf[i] = -1;
        if (place[row - 1] >= 0) continue; /* votes of inner nodes are never reached */
        leaf[i] = -1 - place[row - 1];
        f->leaves[leaf[i] + 1]++;
    }
    for (int64_t l = 0; l < f->leaf_count; l++) f->leaves[l + 1] += f->leaves[l];
    int32_t *next = glia_ml_room(m, f->leaf_count, 4);
    if (!next) return false;
    memcpy(next, f->leaves, (size_t)f->leaf_count * 4);
    for (int64_t i = 0; i < f->vote_count; i++) {
        if (leaf[i] < 0) continue;
        const int32_t at = next[leaf[i]]++;
        f->votes[at] = (int32_t)ids[i];
        f->weights[at] = weights[i];
    }
    return true;
}

static int mode_of(const glia_onnx_text *t)
{
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
    for (int i = 0; i < GLIA_COUNT(modes); i++)
        if (!strcmp(t->text, modes[i])) return i;
    return -1;
}

/* Where each row of the file stands: a node >= 0, or leaf -1 - l. Roots are the first rows of their trees. */
static int32_t *places(glia_emit *m, forest *f, const names *n, const glia_onnx_text *modes)
{
    int32_t *place = glia_ml_room(m, n->count, 4);
    for (int64_t i = 0; place && i < n->count; i++) {
        const int mode = mode_of(&modes[i]);
        if (mode < 0 || mode == MEMBER) {
            broken(m, "a mode of a node that is none");
            return NULL;
        }
        place[i] = mode == LEAF ? (int32_t)(-1 - f->leaf_count++) : (int32_t)f->node_count++;
        f->root_count += n->ids[i] == 0;
    }
    return place;
}

static bool nodes_read(glia_emit *m, forest *f, const names *n, const glia_onnx_text *modes,
                       const int32_t *place, int64_t features)
{
    const int64_t *feature = integers(m, "nodes_featureids", n->count),
                  *yes = integers(m, "nodes_truenodeids", n->count);
    const int64_t *no = integers(m, "nodes_falsenodeids", n->count), *missing = NULL;
    int64_t count;
    const double *values = glia_ml_doubles(m, "nodes_values", &count);
    if (glia_emit_has_attr(m, "nodes_missing_value_tracks_true") &&
        length_of(m, "nodes_missing_value_tracks_true"))
        missing = integers(m, "nodes_missing_value_tracks_true", n->count);
    if (!feature || !yes || !no || m->status) return false;
    if (count != n->count) return broken(m, "nodes_values has another length than the other tables");
    int64_t root = 0;
    for (int64_t i = 0; i < n->count; i++) {
        if (n->ids[i] == 0) f->roots[root++] = place[i];
        if (place[i] < 0) continue;
        const int32_t a = *name_slot(n, n->trees[i], yes[i]), b = *name_slot(n, n->trees[i], no[i]);
        if (!a || !b) return broken(m, "a branch to a node that is not there");
        if (!feature_ok(m, feature[i], features)) return false;
        int32_t *to = &f->nodes[3 * (int64_t)place[i]];
        to[0] = (int32_t)(feature[i] << 4 | (missing && missing[i]) << 3 | mode_of(&modes[i]));
        to[1] = place[a - 1];
        to[2] = place[b - 1];
        f->splits[place[i]] = values[i];
    }
    return true;
}

/* Reads the older tables; prefix of the votes: "target" or "class". */
static bool forest_read(glia_emit *m, forest *f, const char *prefix, int64_t features)
{
    names n = {0};
    char ids[32];
    snprintf(ids, sizeof ids, "%s_ids", prefix);
    const glia_onnx_attr *modes = glia_ml_attr(m, "nodes_modes", GLIA_ONNX_ATTR_STRINGS);
    if (!names_read(m, &n)) return false;
    if (!modes || modes->count != n.count)
        return broken(m, "nodes_modes has another length than the other tables");
    const int32_t *place = places(m, f, &n, modes->strings);
    f->vote_count = length_of(m, ids);
    return place && forest_room(m, f, f->node_count, f->leaf_count, f->vote_count, f->root_count) &&
           nodes_read(m, f, &n, modes->strings, place, features) && votes_read(m, f, &n, place, prefix);
}

/* scores + base values, [targets] or one for all. */
static glia_value based(glia_emit *m, glia_value scores, int64_t targets)
{
    int64_t count;
    const double *base = glia_ml_doubles(m, "base_values", &count);
    const int64_t dims[1] = {count};
    if (!base || !count) return scores;
    if (count != targets && count != 1) {
        broken(m, "base_values has another length than there are targets");
        return (glia_value){0};
    }
    return glia_emit_binary(m, "add", scores, glia_ml_constant(m, glia_emit_dtype(m, scores), 1, dims, base));
}

static int post_of(glia_emit *m)
{
    const int post = glia_ml_post_named(glia_emit_string(m, "post_transform", "NONE"));
    if (post < 0) glia_emit_fail(m, "post_transform `%.40s`", glia_emit_string(m, "post_transform", ""));
    return post;
}

bool glia_emit_tree_regressor(glia_emit *m)
{
    static const char *const ways[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    const char *way = glia_emit_string(m, "aggregate_function", "SUM");
    forest f = {.targets = glia_emit_int(m, "n_targets", 1), .aggregate = -1};
    glia_value x = glia_ml_matrix(m);
    const int post = post_of(m);
    for (int i = 0; i < GLIA_COUNT(ways); i++)
        if (!strcmp(way, ways[i])) f.aggregate = i;
    if (!x.id || post < 0) return false;
    if (f.aggregate < 0) return glia_emit_fail(m, "aggregate_function `%.40s`", way);
    if (f.targets < 1 || f.targets > INT32_MAX) return broken(m, "n_targets out of range");
    if (!forest_read(m, &f, "target", glia_emit_dim(m, x, 1))) return false;
    glia_value scores = based(m, forest_scores(m, &f, x), f.targets);
    scores = glia_emit_cast(m, scores, GLIA_F32);
    glia_emit_set(m, 0, glia_ml_transform(m, scores, (glia_ml_post)post));
    return true;
}

/* ---- classes */

bool glia_emit_tree_classifier(glia_emit *m)
{
    const glia_onnx_attr *labels = glia_ml_attr(m, "classlabels_int64s", GLIA_ONNX_ATTR_INTS);
    if (!labels || !labels->count) return glia_emit_host(m, "its labels are strings");
    const glia_onnx_attr *ids = glia_ml_attr(m, "class_ids", GLIA_ONNX_ATTR_INTS);
    forest f = {.targets = labels->count, .aggregate = 1};
    glia_value x = glia_ml_matrix(m);
    const int post = post_of(m);
    bool one = ids && ids->count;
    int64_t weights;
    if (!x.id || post < 0) return false;
    for (int64_t i = 1; one && i < ids->count; i++) one = ids->ints[i] == ids->ints[0];
    const double *w = glia_ml_doubles(m, "class_weights", &weights);
    bool positive = true;
    for (int64_t i = 0; i < weights; i++) positive &= w[i] >= 0;
    glia_ml_classes c = {.labels = labels->ints, .count = labels->count, .post = (glia_ml_post)post};
    const int64_t one_label[2] = {0, labels->ints[0]};
    if (labels->count == 1) c.labels = one_label;
    if (!forest_read(m, &f, "class", glia_emit_dim(m, x, 1))) return false;
    glia_value scores = forest_scores(m, &f, x);
    c.binary = labels->count == 1 || (labels->count == 2 && one);
    if (c.binary && labels->count == 2)
        scores = glia_emit_slice(m, scores, 1, ids->ints[0], ids->ints[0] + 1);
    scores = based(m, glia_emit_cast(m, scores, GLIA_F32), c.binary ? 1 : labels->count);
    c.complement = positive && labels->count == 2;
    c.threshold = positive && labels->count == 2 ? 0.5 : 0;
    return scores.id && glia_ml_classify(m, scores, &c);
}

glia_status glia_host_tree_classifier(glia_host *h)
{
    return glia_ml_host_strings(h, "classlabels_strings", "classlabels_int64s");
}

/* ---- TreeEnsemble of version 5: nodes and leaves apart, by their places */

typedef struct modern {
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing;
    const double *splits, *members;
    const uint8_t *modes;
    int64_t count, leaf_count, member_count;
} modern;

static bool modern_read(glia_emit *m, modern *t)
{
    int64_t count;
    t->count = length_of(m, "nodes_featureids");
    t->feature = integers(m, "nodes_featureids", t->count);
    t->yes = integers(m, "nodes_truenodeids", t->count);
    t->no = integers(m, "nodes_falsenodeids", t->count);
    t->yes_leaf = integers(m, "nodes_trueleafs", t->count);
    t->no_leaf = integers(m, "nodes_falseleafs", t->count);
    if (length_of(m, "nodes_missing_value_tracks_true"))
        t->missing = integers(m, "nodes_missing_value_tracks_true", t->count);
    t->splits = glia_ml_doubles(m, "nodes_splits", &count);
    t->members = glia_ml_doubles(m, "membership_values", &t->member_count);
    t->leaf_count = length_of(m, "leaf_targetids");
    const glia_onnx_attr *modes = glia_ml_attr(m, "nodes_modes", GLIA_ONNX_ATTR_TENSOR);
    if (m->status || !t->feature || !t->yes || !t->no || !t->yes_leaf || !t->no_leaf) return false;
    if (count != t->count) return broken(m, "nodes_splits has another length than the other tables");
    if (!modes || !modes->t || modes->t->dtype != GLIA_U8 || modes->t->count != t->count)
        return broken(m, "nodes_modes is no tensor of one uint8 a node");
    uint8_t *m8 = glia_ml_room(m, t->count, 1);
    if (!m8 || (t->count && glia_onnx_tensor_read(m->net->file, modes->t, 0, t->count, m8, m->error)))
        return broken(m, "nodes_modes cannot be read");
    t->modes = m8;
    return true;
}

/* How many nodes a node becomes: one for each member, at least one. Members are divided by NaN. */
static int64_t members_of(const modern *t, int64_t *at)
{
    const int64_t begin = *at;
    while (*at < t->member_count && t->members[*at] == t->members[*at]) ++*at;
    return (*at)++ - begin;
}

static bool modern_nodes(glia_emit *m, forest *f, const modern *t, const int32_t *first, int64_t features)
{
    int64_t member = 0;
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t yes_most = t->yes_leaf[i] ? t->leaf_count : t->count,
                      no_most = t->no_leaf[i] ? t->leaf_count : t->count;
        if (t->yes[i] < 0 || t->yes[i] >= yes_most || t->no[i] < 0 || t->no[i] >= no_most)
            return broken(m, "a branch to a node or leaf that is not there");
        if (!feature_ok(m, t->feature[i], features)) return false;
        const int32_t yes = t->yes_leaf[i] ? (int32_t)(-1 - t->yes[i]) : first[t->yes[i]];
        const int32_t no = t->no_leaf[i] ? (int32_t)(-1 - t->no[i]) : first[t->no[i]];
        const int64_t begin = member, count = t->modes[i] == MEMBER ? members_of(t, &member) : 1;
        const int mode = t->modes[i] == MEMBER ? EQ : t->modes[i];
        for (int64_t j = 0; j < glia_max(count, 1); j++) {
            int32_t *to = &f->nodes[3 * ((int64_t)first[i] + j)];
            to[0] = (int32_t)(t->feature[i] << 4 | (t->missing && t->missing[i]) << 3 | mode);
            to[1] = yes;
            to[2] = j + 1 < count ? first[i] + (int32_t)j + 1 : no;
            f->splits[first[i] + j] =
                t->modes[i] == MEMBER ? count ? t->members[begin + j] : (double)NAN : t->splits[i];
        }
    }
    return true;
}

static bool modern_leaves(glia_emit *m, forest *f, const modern *t)
{
    int64_t count;
    const int64_t *ids = integers(m, "leaf_targetids", t->leaf_count);
    const double *weights = glia_ml_doubles(m, "leaf_weights", &count);
    if (!ids || count != t->leaf_count) return broken(m, "leaf_weights and leaf_targetids differ in length");
    for (int64_t i = 0; i < t->leaf_count; i++) {
        if (ids[i] < 0 || ids[i] >= f->targets) return broken(m, "a leaf for a target that is not there");
        f->leaves[i + 1] = (int32_t)i + 1;
        f->votes[i] = (int32_t)ids[i];
        f->weights[i] = weights[i];
    }
    return true;
}

bool glia_emit_tree_ensemble(glia_emit *m)
{
    modern t = {0};
    const int64_t post = glia_emit_int(m, "post_transform", GLIA_ML_NONE), roots = length_of(m, "tree_roots");
    forest f = {.targets = glia_emit_int(m, "n_targets", 1),
                .aggregate = glia_emit_int(m, "aggregate_function", 1)};
    glia_value x = glia_emit_in(m, 0);
    const glia_dtype to = glia_emit_dtype(m, x);
    x = glia_ml_matrix(m);
    if (!x.id || !modern_read(m, &t)) return false;
    if (post < 0 || post >= GLIA_ML_POSTS || f.aggregate < 0 || f.aggregate > 3)
        return glia_emit_fail(m, "post_transform or aggregate_function out of range");
    if (f.targets < 1 || f.targets > INT32_MAX || t.count > INT32_MAX / 4)
        return broken(m, "n_targets out of range");
    int32_t *first = glia_ml_room(m, t.count, 4);
    int64_t member = 0;
    if (!first) return false;
    for (int64_t i = 0; i < t.count; i++) {
        if (t.modes[i] > MEMBER) return broken(m, "a mode of a node that is none");
        first[i] = (int32_t)f.node_count;
        f.node_count += t.modes[i] == MEMBER ? glia_max(members_of(&t, &member), 1) : 1;
        if (f.node_count > INT32_MAX / 4) return glia_emit_refuse(m, "a forest of more than 2^29 nodes");
    }
    f.leaf_count = f.vote_count = t.leaf_count;
    f.root_count = roots;
    if (!forest_room(m, &f, f.node_count, f.leaf_count, f.vote_count, roots)) return false;
    const int64_t *root = integers(m, "tree_roots", roots);
    for (int64_t i = 0; root && i < roots; i++) {
        if (root[i] < 0 || root[i] >= t.count) return broken(m, "a root that is not there");
        f.roots[i] = first[root[i]];
    }
    if (!modern_nodes(m, &f, &t, first, glia_emit_dim(m, x, 1)) || !modern_leaves(m, &f, &t)) return false;
    glia_value scores = forest_scores(m, &f, x);
    if (post != GLIA_ML_NONE)
        scores = glia_ml_transform(m, glia_emit_cast(m, scores, GLIA_F32), (glia_ml_post)post);
    glia_emit_set(m, 0, glia_emit_cast(m, scores, to));
    return true;
}
