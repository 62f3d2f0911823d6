/* The graph's own structure, for passes, scheduler and gradients. Built through include/glia/graph.h.
 *
 * Nodes are kept in a topological order by construction: a node's inputs exist before it. */
#ifndef GLIA_GRAPH_GRAPH_H
#define GLIA_GRAPH_GRAPH_H

#include "graph/op.h"

typedef enum {
    GLIA_VALUE_NONE,
    GLIA_VALUE_INPUT,
    GLIA_VALUE_WEIGHT,
    GLIA_VALUE_CONSTANT,
    GLIA_VALUE_STATE,
    GLIA_VALUE_NODE
} glia_value_kind;

typedef struct glia_value_info {
    const char *name;
    glia_value_kind kind;
    glia_type type;
    int32_t producer;   /* node index, -1 if none */
    int32_t output;     /* which output of the producer */
    int32_t state;      /* value id of the state this is a version of, 0 if none */
    const void *data;   /* weights (may be null) and constants */
    const char *origin; /* for errors; may be null */
} glia_value_info;

struct glia_node {
    const glia_op *op;
    const char *name;
    int32_t in_count, out_count;
    glia_value *in; /* null values: absent optional inputs */
    glia_value *out;
    glia_attr *attr;     /* in op->attrs order, defaults filled in */
    glia_graph **bodies; /* subgraphs (if, loop, scan); captured values are explicit inputs */
    int32_t body_count;
};

typedef struct glia_symbol {
    const char *name;
    int64_t min, max;
    int64_t multiple; /* known divisor, at least 1 */
} glia_symbol;

typedef struct glia_named {
    const char *name;
    glia_value value;
} glia_named;

/* An equation that shapes at run time must satisfy; the two nodes that caused it for the error text. */
typedef struct glia_entry_guard {
    glia_dim left, right;
    int32_t node; /* index of the node that demanded it */
} glia_entry_guard;

typedef struct glia_dims glia_dims; /* interned polynomials, dims.c */

struct glia_graph {
    glia_arena arena;
    bool sealed;
    glia_error error;        /* the first; status GLIA_OK if none */
    glia_value_info *values; /* [value_count], index 0 unused */
    int64_t value_count, value_capacity;
    glia_node *nodes;
    int64_t node_count, node_capacity, node_limit;
    glia_symbol *symbols;
    int64_t symbol_count, symbol_capacity;
    glia_named *outputs;
    int64_t output_count, output_capacity;
    glia_entry_guard *guards;
    int64_t guard_count, guard_capacity;
    glia_dims *dims;
    void *names;                          /* hash of names to values */
    const struct glia_custom_ops *custom; /* operations from outside, or null */
    void *signatures;                     /* of its nodes' operations, parsed: signature.h */
};

/* Access. The pointers stay valid until the next building call. */
const glia_value_info *glia_graph_value(const glia_graph *g, glia_value v);
static inline bool glia_is_null(glia_value v) { return v.id == 0; }

/* Evaluates d with values for each symbol (in symbol order); false on overflow or a negative result. */
bool glia_dim_eval(const glia_graph *g, glia_dim d, const int64_t *symbols, int64_t *out);
/* Lower and upper bound over the symbols' ranges. */
void glia_dim_bounds(const glia_graph *g, glia_dim d, int64_t *min, int64_t *max);
/* Text such as "T+1" into buf (cut to fit); returns buf. */
const char *glia_dim_text(const glia_graph *g, glia_dim d, char *buf, int size);
/* "f32[T, 64]" */
const char *glia_type_text(const glia_graph *g, const glia_type *t, char *buf, int size);
/* Exact quotient if a is b times something for all symbols; false otherwise. */
bool glia_dim_exact_div(glia_graph *g, glia_dim a, glia_dim b, glia_dim *out);
bool glia_dim_sub(glia_graph *g, glia_dim a, glia_dim b, glia_dim *out);

/* An operation by name, from outside or the library's own; null if there is none. */
const glia_op *glia_graph_op(const glia_graph *g, const char *name);
/* Node building for passes and gradients: like glia_graph_node with a descriptor. */
glia_value glia_graph_apply(glia_graph *g, const glia_op *op, const char *name, const glia_value *in,
                            int count, const glia_attr_arg *attrs);
/* Copies symbols and the whole table of dims into the still empty graph `to`, so that every glia_dim handle
 * of `from` means the same in `to` (passes rebuild graphs). False when memory runs out. */
bool glia_graph_clone_frame(const glia_graph *from, glia_graph *to);
/* For hand rules: two sizes have to be equal. Passes, becomes an entry guard, or fails (G0117) naming `what`.
 */
bool glia_infer_equal(glia_infer *x, glia_dim a, glia_dim b, const char *what);
int64_t glia_node_index(const glia_graph *g, const glia_node *n);

/* Records the first error (later ones are dropped) and returns the null value. */
glia_value glia_graph_fail(glia_graph *g, glia_status status, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);
bool glia_infer_fail(glia_infer *x, glia_status status, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);

/* ---- regions, read off a parsed signature -------------------------------------------------
 * How input `i`'s axis relates to the axes of output 0: */
typedef enum {
    GLIA_AXIS_WHOLE,  /* the whole axis is read for any box (reduced, gathered, no relation) */
    GLIA_AXIS_SAME,   /* the same interval as output axis `axis` */
    GLIA_AXIS_SCALED, /* interval [begin*num/den, end*num/den) of output axis `axis` (groups, merged axes) */
    GLIA_AXIS_ONE     /* size one here, broadcast against output axis `axis` */
} glia_axis_kind;
typedef struct glia_axis_region {
    glia_axis_kind kind;
    int32_t axis;
    glia_dim num, den;
} glia_axis_region;
typedef struct glia_regions {
    /* output 0: may this axis be split between slots? (false for coupled `!` axes) */
    bool split[GLIA_RANK_MAX];
    /* a partition bound of axis a must be a multiple of this many elements (at least 1) */
    int64_t granule[GLIA_RANK_MAX];
    struct {
        glia_axis_region axis[GLIA_RANK_MAX];
    } in[16]; /* in[i].axis[d] for input i */
    struct {
        glia_axis_region axis[GLIA_RANK_MAX];
    } out[8]; /* further outputs, relative to output 0 */
} glia_regions;
/* False if the op has neither a signature nor a rule: then nothing may be split. */
bool glia_node_regions(const glia_graph *g, const glia_node *n, glia_regions *out);

#endif
