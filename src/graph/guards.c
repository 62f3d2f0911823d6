/* Sealing: the equations that were left over are solved for symbols, one after the other.
 *
 * An equation that follows from those before it is dropped; one that contradicts them, or the symbols' bounds, is an
 * error now. What remains is checked once per run, against the actual sizes. */
#include "graph/build.h"

enum { SOLVED_MAX = 256 };

typedef struct solution {
    int32_t symbol;
    glia_dim value;
} solution;

/* d with all solutions put in, in the order in which they were found: each is free of the symbols before it. */
static bool reduce(glia_graph *g, glia_dim d, const solution *s, int count, glia_dim *out)
{
    *out = d;
    for (int i = 0; i < count; i++) {
        if (!glia_dim_substitute(g, *out, s[i].symbol, s[i].value, out)) return false;
    }
    return true;
}

/* A solved symbol lies within the bounds of its value. */
static bool narrow(glia_graph *g, const solution *s)
{
    int64_t lo, hi;
    glia_symbol *x = &g->symbols[s->symbol];
    glia_dim_difference_bounds(g, s->value, 0, &lo, &hi);
    if (lo < x->min) lo = x->min;
    if (hi > x->max) hi = x->max;
    if (lo > hi) return false;
    if (lo == x->min && hi == x->max) return true;
    x->min = lo;
    x->max = hi;
    glia_dims_refresh(g);
    return true;
}

void glia_guards_solve(glia_graph *g)
{
    solution s[SOLVED_MAX];
    int solved = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < g->guard_count; i++) {
        glia_entry_guard e = g->guards[i];
        glia_dim left, right;
        int64_t lo, hi;
        /* A substitution that outgrows the limits of dims leaves the equation as it is: a guard at run time. */
        if (!reduce(g, e.left, s, solved, &left) || !reduce(g, e.right, s, solved, &right)) {
            if (g->error.status != GLIA_OK) return;
            g->guards[kept++] = e;
            continue;
        }
        glia_dim_difference_bounds(g, left, right, &lo, &hi);
        if (lo > 0 || hi < 0) {
            glia_explain_guard(g, &e, left, right);
            return;
        }
        if (lo == 0 && hi == 0) continue;
        g->guards[kept++] = e;
        glia_dim d = glia_dim_difference(g, left, right);
        if (g->error.status != GLIA_OK) return;
        if (solved == SOLVED_MAX || !glia_dim_solve(g, d, &s[solved].symbol, &s[solved].value)) continue;
        if (!narrow(g, &s[solved++])) {
            glia_explain_guard(g, &e, left, right);
            return;
        }
    }
    g->guard_count = kept;
}
