/* Sealing: the equations that were left over are solved for symbols, one after the other.
 *
 * An equation that follows from those before it is dropped; one that contradicts them, or the symbols'
 * bounds, is an error now. What remains is checked once per run, against the actual sizes. */
#include "graph/build.h"

enum { SOLVED_MAX = 256, ROUNDS_MAX = 8 };

typedef struct solution {
    int32_t symbol;
    glia_dim value;
} solution;

/* d with all solutions put in, in the order in which they were found: each is free of the symbols before it.
 */
static bool reduce(glia_graph *g, glia_dim d, const solution *s, int count, glia_dim *out)
{
    *out = d;
    for (int i = 0; i < count; i++) {
        if (!glia_dim_substitute(g, *out, s[i].symbol, s[i].value, out)) return false;
    }
    return true;
}

/* A symbol lies within the bounds of what it equals. *changed is set when its own became narrower. */
static bool narrow(glia_graph *g, int32_t symbol, glia_dim value, bool *changed)
{
    int64_t lo, hi;
    glia_symbol *x = &g->symbols[symbol];
    glia_dim_difference_bounds(g, value, 0, &lo, &hi);
    if (lo < x->min) lo = x->min;
    if (hi > x->max) hi = x->max;
    if (lo > hi) return false;
    if (lo == x->min && hi == x->max) return true;
    x->min = lo;
    x->max = hi;
    *changed = true;
    glia_dims_refresh(g);
    return true;
}

/* Narrows every symbol that the equation can be solved for. */
static bool narrow_all(glia_graph *g, const glia_entry_guard *e, bool *changed)
{
    int32_t symbol;
    glia_dim value, d = glia_dim_difference(g, e->left, e->right);
    if (g->error.status != GLIA_OK) return false;
    for (int nth = 0; glia_dim_solve(g, d, nth, &symbol, &value); nth++) {
        if (narrow(g, symbol, value, changed)) continue;
        glia_explain_guard(g, e, e->left, e->right);
        return false;
    }
    int64_t lo, hi;
    glia_dim_difference_bounds(g, e->left, e->right, &lo, &hi);
    if (lo <= 0 && hi >= 0) return true;
    glia_explain_guard(g, e, e->left, e->right);
    return false;
}

static bool eliminate(glia_graph *g)
{
    solution s[SOLVED_MAX];
    int solved = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < g->guard_count; i++) {
        glia_entry_guard e = g->guards[i];
        glia_dim left, right;
        int64_t lo, hi;
        /* A substitution that outgrows the limits of dims leaves the equation as it is: a guard at run time.
         */
        if (!reduce(g, e.left, s, solved, &left) || !reduce(g, e.right, s, solved, &right)) {
            if (g->error.status != GLIA_OK) return false;
            g->guards[kept++] = e;
            continue;
        }
        glia_dim_difference_bounds(g, left, right, &lo, &hi);
        if (lo > 0 || hi < 0) {
            glia_explain_guard(g, &e, left, right);
            return false;
        }
        if (left == right) continue;
        g->guards[kept++] = e;
        glia_dim d = glia_dim_difference(g, left, right);
        if (g->error.status != GLIA_OK) return false;
        if (solved < SOLVED_MAX && glia_dim_solve(g, d, 0, &s[solved].symbol, &s[solved].value)) solved++;
    }
    g->guard_count = kept;
    return true;
}

void glia_guards_solve(glia_graph *g)
{
    bool changed = g->guard_count > 0;
    if (!eliminate(g)) return;
    for (int round = 0; round < ROUNDS_MAX && changed; round++) {
        changed = false;
        for (int64_t i = 0; i < g->guard_count; i++) {
            if (!narrow_all(g, &g->guards[i], &changed)) return;
        }
    }
}
