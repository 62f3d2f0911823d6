/* Dimensions as interned polynomials: what the rest of the graph folder needs beyond graph.h.
 *
 * A dim >= 0 is a constant. A dim < 0 is the handle -1 - i of entry i of the graph's table: a sum of terms
 * (coefficient times a product of atoms), an atom being a symbol or an opaque floor-division, min or max.
 * Terms are sorted (graded lexicographic order, symbols in order of their declaration), so equal dimensions
 * have equal handles. A negative constant has a handle too: it occurs only as a difference. */
#ifndef GLIA_GRAPH_DIMS_H
#define GLIA_GRAPH_DIMS_H

#include "graph/graph.h"

enum {
    GLIA_DIM_TERMS_MAX = 32,   /* terms of one polynomial */
    GLIA_DIM_DEGREE_MAX = 8,   /* atoms of one term */
    GLIA_DIM_DEPTH_MAX = 16,   /* opaque terms inside opaque terms; bounds every recursion here */
    GLIA_DIM_WEIGHT_MAX = 512, /* atoms of one dimension when written out; bounds eval and text */
    GLIA_DIM_ATOMS_MAX = 8192,
    GLIA_DIM_SYMBOLS_MAX = 4096
};

bool glia_dims_init(glia_graph *g);
/* Is d a constant, or a handle that this graph gave out? */
bool glia_dim_valid(const glia_graph *g, glia_dim d);
/* The handle of symbol i. */
glia_dim glia_dim_of_symbol(glia_graph *g, int64_t i);
/* a - b, which may be negative. On overflow records an error in g and returns 0. */
glia_dim glia_dim_difference(glia_graph *g, glia_dim a, glia_dim b);
/* True when a - b is the same number for all symbols, which then goes to *out. */
bool glia_dim_constant_difference(const glia_graph *g, glia_dim a, glia_dim b, int64_t *out);
/* Bounds of a - b, which may be negative; saturated. */
void glia_dim_difference_bounds(const glia_graph *g, glia_dim a, glia_dim b, int64_t *min, int64_t *max);
/* True when the products of two lists are the same polynomial. Nothing is interned. */
bool glia_dim_products_equal(const glia_graph *g, const glia_dim *a, int an, const glia_dim *b, int bn);
/* The product of a list when it is known in the table (constants always are); false otherwise. */
bool glia_dim_find_product(const glia_graph *g, const glia_dim *a, int n, glia_dim *out);
/* d with `with` put in place of the symbol everywhere. */
bool glia_dim_substitute(glia_graph *g, glia_dim d, int32_t symbol, glia_dim with, glia_dim *out);
/* Solves d = 0 for a symbol that occurs once, with coefficient 1 or -1, and not inside an opaque term: the
 * nth such symbol, counted from 0. */
bool glia_dim_solve(glia_graph *g, glia_dim d, int nth, int32_t *symbol, glia_dim *value);
/* True when d is a multiple of the constant b for all symbols. */
bool glia_dim_divisible(const glia_graph *g, glia_dim d, int64_t b);
/* To be called when a symbol's bounds or multiple changed. */
void glia_dims_refresh(glia_graph *g);
bool glia_symbol_name_valid(const char *name);

#endif
