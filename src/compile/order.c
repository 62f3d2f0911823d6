/* The order of nodes: among orders that compute the same, one that keeps less alive.
 *
 * Two are tried beside the graph's own: *greedy* takes, of the nodes that can run, the one that adds least to what is
 * alive; *deep* finishes one branch before it begins the next, the branch that needs most room first (Sethi and
 * Ullman's rule for trees). Each is judged by the most bytes alive at once, views and in-place outputs counted with
 * what they lie in. A graph with states keeps its order, which their versions depend on. */
#include "compile/passes.h"

#include "base/check.h"

#include <string.h>

enum { NODES_MOST = 100000, GREEDY_NODES_MOST = 400 };
static const double GAIN = 0.97; /* of the peak: less is not worth another order */

typedef struct orderer {
    const glia_graph *g;
    glia_arena *a;
    int64_t *bytes;         /* by value: 0 where it takes no room of its own */
    int32_t *left, *uses;   /* by value: readers to come, and in all (an output has one more) */
    int32_t *missing;       /* by node: inputs that are not there yet */
    int32_t *reader, *from; /* readers of value v: reader[from[v] .. from[v + 1]) */
    bool *done;
} orderer;

static bool prepare(orderer *x, const int64_t *symbols)
{
    const glia_graph *g = x->g;
    int64_t edges = 0;
    x->bytes = GLIA_NEW_ARRAY(x->a, int64_t, g->value_count + 1);
    x->left = GLIA_NEW_ARRAY(x->a, int32_t, g->value_count + 1);
    x->uses = GLIA_NEW_ARRAY(x->a, int32_t, g->value_count + 1);
    x->from = GLIA_NEW_ARRAY(x->a, int32_t, g->value_count + 2);
    x->missing = GLIA_NEW_ARRAY(x->a, int32_t, g->node_count + 1);
    x->done = GLIA_NEW_ARRAY(x->a, bool, g->node_count + 1);
    if (x->a->failed) return false;
    for (int64_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->nodes[i].in_count; j++) x->uses[g->nodes[i].in[j].id]++, edges++;
    for (int64_t v = 0; v < g->value_count; v++) x->from[v + 1] = x->from[v] + x->uses[v];
    x->reader = GLIA_NEW_ARRAY(x->a, int32_t, edges + 1);
    int32_t *at = GLIA_NEW_ARRAY(x->a, int32_t, g->value_count + 1);
    if (!x->reader || !at) return false;
    for (int64_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->nodes[i].in_count; j++) {
            const uint32_t v = g->nodes[i].in[j].id;
            x->reader[x->from[v] + at[v]++] = (int32_t)i;
        }
    for (int64_t i = 0; i < g->output_count; i++) x->uses[g->outputs[i].value.id]++;
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        for (int j = 0; j < n->out_count; j++) {
            const glia_value_info *v = glia_graph_value(g, n->out[j]);
            if (v->state) return false;
            const bool none = j == 0 && (n->op->traits & (GLIA_VIEW | GLIA_GUARD));
            if (!none && glia_value_bytes_max(g, &v->type, symbols, &x->bytes[n->out[j].id], NULL))
                return false;
        }
    }
    return true;
}

static void restart(orderer *x)
{
    const glia_graph *g = x->g;
    memcpy(x->left, x->uses, (size_t)g->value_count * sizeof *x->left);
    memset(x->done, 0, (size_t)g->node_count * sizeof *x->done);
    for (int64_t i = 0; i < g->node_count; i++) {
        x->missing[i] = 0;
        for (int j = 0; j < g->nodes[i].in_count; j++)
            x->missing[i] += glia_graph_value(g, g->nodes[i].in[j])->kind == GLIA_VALUE_NODE;
    }
}

/* What running node i adds to the bytes alive, afterwards; *during: while it runs. */
static int64_t change_of(const orderer *x, int32_t i, int64_t *during)
{
    const glia_node *n = &x->g->nodes[i];
    int64_t made = 0, freed = 0;
    for (int j = 0; j < n->out_count; j++) made += x->bytes[n->out[j].id];
    for (int j = 0; j < n->in_count; j++) {
        const uint32_t v = n->in[j].id;
        int here = 0;
        bool first = true;
        for (int k = 0; k < n->in_count; k++) {
            here += n->in[k].id == v;
            first &= k >= j || n->in[k].id != v;
        }
        if (first && x->left[v] == here) freed += x->bytes[v];
    }
    *during = made;
    if ((n->op->traits & GLIA_INPLACE_0) && n->out_count == 1 && freed >= made && x->left[n->in[0].id] == 1)
        *during = 0;
    for (int j = 0; j < n->out_count; j++)
        if (!x->uses[n->out[j].id]) freed += x->bytes[n->out[j].id];
    return made - freed;
}

static void run_node(orderer *x, int32_t i)
{
    const glia_node *n = &x->g->nodes[i];
    x->done[i] = true;
    for (int j = 0; j < n->in_count; j++) x->left[n->in[j].id]--;
    for (int j = 0; j < n->out_count; j++)
        for (int32_t k = x->from[n->out[j].id]; k < x->from[n->out[j].id + 1]; k++)
            x->missing[x->reader[k]]--;
}

static int64_t peak_of(orderer *x, const int32_t *order)
{
    int64_t alive = 0, most = 0, during;
    restart(x);
    for (int64_t i = 0; i < x->g->node_count; i++) {
        const int64_t change = change_of(x, order[i], &during);
        most = glia_max(most, alive + during);
        alive += change;
        run_node(x, order[i]);
    }
    return most;
}

static void greedy(orderer *x, int32_t *order)
{
    restart(x);
    for (int64_t at = 0; at < x->g->node_count; at++) {
        int32_t best = -1;
        int64_t least = INT64_MAX, during;
        for (int32_t i = 0; i < x->g->node_count; i++) {
            if (x->done[i] || x->missing[i]) continue;
            const int64_t change = change_of(x, i, &during);
            if (change >= least) continue;
            least = change;
            best = i;
        }
        order[at] = best;
        run_node(x, best);
    }
}

/* Depth first from each node that nobody reads; of a node's inputs the one that needs most room first. */
static bool deep(orderer *x, int32_t *order)
{
    const glia_graph *g = x->g;
    int64_t *need = GLIA_NEW_ARRAY(x->a, int64_t, g->node_count + 1), depth = 0, at = 0;
    int32_t *stack = GLIA_NEW_ARRAY(x->a, int32_t, g->node_count + 1);
    if (!need || !stack) return false;
    restart(x);
    for (int64_t i = 0; i < g->node_count; i++) {
        for (int j = 0; j < g->nodes[i].out_count; j++) need[i] += x->bytes[g->nodes[i].out[j].id];
        for (int j = 0; j < g->nodes[i].in_count; j++) {
            const glia_value_info *v = glia_graph_value(g, g->nodes[i].in[j]);
            if (v->producer >= 0) need[i] = glia_max(need[i], need[v->producer]);
        }
    }
    for (int64_t root = 0; root < g->node_count; root++) {
        bool read = false;
        for (int j = 0; j < g->nodes[root].out_count; j++)
            read |= x->from[g->nodes[root].out[j].id] < x->from[g->nodes[root].out[j].id + 1];
        if (read || x->done[root]) continue;
        stack[depth++] = (int32_t)root;
        while (depth) {
            const int32_t i = stack[depth - 1];
            int32_t next = -1;
            for (int j = 0; j < g->nodes[i].in_count; j++) {
                const int32_t p = glia_graph_value(g, g->nodes[i].in[j])->producer;
                if (p >= 0 && !x->done[p] && (next < 0 || need[p] > need[next])) next = p;
            }
            if (next >= 0) {
                stack[depth++] = next;
                continue;
            }
            depth--;
            x->done[i] = true;
            order[at++] = i;
        }
    }
    return at == g->node_count;
}

const int32_t *glia_order_nodes(const glia_graph *g, const int64_t *symbols, glia_arena *a)
{
    orderer x = {.g = g, .a = a};
    if (g->node_count < 3 || g->node_count > NODES_MOST || !prepare(&x, symbols)) return NULL;
    int32_t *order[3];
    int64_t peak[3] = {INT64_MAX, INT64_MAX, INT64_MAX};
    for (int i = 0; i < 3; i++)
        if (!(order[i] = GLIA_NEW_ARRAY(a, int32_t, g->node_count + 1))) return NULL;
    for (int32_t i = 0; i < g->node_count; i++) order[0][i] = i;
    peak[0] = peak_of(&x, order[0]);
    if (deep(&x, order[1])) peak[1] = peak_of(&x, order[1]);
    if (g->node_count <= GREEDY_NODES_MOST) {
        greedy(&x, order[2]);
        peak[2] = peak_of(&x, order[2]);
    }
    const int best = peak[2] < peak[1] ? 2 : 1;
    return (double)peak[best] < GAIN * (double)peak[0] ? order[best] : NULL;
}
