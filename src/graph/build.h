/* What the files of this folder share while a node is built: the unifier's state, and the pictures of errors.
 */
#ifndef GLIA_GRAPH_BUILD_H
#define GLIA_GRAPH_BUILD_H

#include "graph/dims.h"
#include "graph/signature.h"
#include "tensor/layout.h"

enum {
    GLIA_GRAPH_INPUTS_MAX = 4096, /* of one node */
    GLIA_GRAPH_OUTPUTS_MAX = 16,
    GLIA_GRAPH_GUARDS_MAX = 16384,
    GLIA_GRAPH_NAME_MAX = 1024, /* bytes of a name */
    GLIA_GRAPH_CONSTANT_MAX = 65536
};

typedef struct glia_bound_dim { /* a dim variable, and the input axis that bound it */
    bool bound;
    glia_dim dim;
    int16_t input, axis;
} glia_bound_dim;

typedef struct glia_bound_group {
    bool bound;
    int16_t count, input;
    glia_bound_dim dim[GLIA_RANK_MAX];
} glia_bound_group;

/* A node in the making. A hand rule sees its first member only. */
typedef struct glia_building {
    glia_infer x;
    const char *node; /* its name */
    const glia_value *in;
    glia_attr *attr;
    bool has_signature;
    const glia_signature *sig; /* the graph's */
    glia_bound_dim var[GLIA_SIG_VARS];
    glia_bound_group group[GLIA_SIG_GROUPS];
    struct {
        glia_dtype dtype;
        int16_t input;
    } letter[32];
    glia_bound_dim summed[GLIA_SIG_VARS]; /* running sums over a variadic input */
    glia_type out[GLIA_GRAPH_OUTPUTS_MAX];
} glia_building;

/* Types of the outputs into b->out; false after an error was recorded. */
bool glia_infer_run(glia_building *b);
/* Equal, made equal by an entry guard, or impossible. */
typedef enum { GLIA_SIZES_EQUAL, GLIA_SIZES_GUARD, GLIA_SIZES_DIFFER } glia_sizes;
glia_sizes glia_sizes_compare(const glia_graph *g, glia_dim a, glia_dim b);
bool glia_guard_add(glia_graph *g, glia_dim left, glia_dim right);
/* Solves the equations of the graph when it is sealed. */
void glia_guards_solve(glia_graph *g);
/* Is t a type that a value of this graph can have? Records an error that names `name`. */
bool glia_type_check(glia_graph *g, const char *name, const glia_type *t);

/* ---- errors_text.c: each records the graph's error and returns false */
bool glia_explain_dims(glia_building *b, const char *label, const glia_bound_dim *first, int input, int axis,
                       glia_dim dim);
bool glia_explain_number(glia_building *b, int input, int axis, glia_dim want);
bool glia_explain_broadcast(glia_building *b, const glia_bound_dim *left, const glia_bound_dim *right);
bool glia_explain_rank(glia_building *b, int input);
bool glia_explain_dtype(glia_building *b, int input);
bool glia_explain_letter(glia_building *b, int input, char letter);
bool glia_explain_layout(glia_building *b, int input);
bool glia_explain_condition(glia_building *b, const glia_sig_condition *c, glia_dim left, glia_dim right,
                            bool open);
bool glia_explain_count(glia_building *b, int missing);
void glia_explain_guard(glia_graph *g, const glia_entry_guard *guard, glia_dim left, glia_dim right);
/* Appends the rows of all inputs to the error that is already recorded. */
void glia_explain_inputs(glia_building *b);

#endif
