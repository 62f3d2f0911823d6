/* Typed graphs: values, nodes, and the builder.
 *
 * Values are named tensors; nodes only compute. Inputs, weights, constants and states are values
 * without a producer. Building functions return a value handle; the first error sticks in the
 * graph, later calls pass the null handle through, and the caller asks once, with
 * glia_graph_seal(). A graph is used by one thread at a time until sealed; then it is immutable
 * and may be read by any number of threads. */
#ifndef GLIA_GRAPH_H
#define GLIA_GRAPH_H

#include "dtype.h"
#include "op.h"
#include "os.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GLIA_RANK_MAX 8

typedef struct glia_graph glia_graph;
typedef struct glia_op glia_op; /* descriptor of an operation, see src/graph/op.h */

typedef struct glia_value {
    uint32_t id; /* 0: the null value */
} glia_value;

/* A dimension: a constant (>= 0) or a handle (< 0) of a polynomial over the graph's symbols, in
 * normal form: equal dimensions have equal handles. */
typedef int64_t glia_dim;

typedef struct glia_type {
    glia_dtype dtype;
    int16_t rank;
    int16_t layout; /* 0: rows as dtype.h describes; else a packed layout (src/tensor/layout.h) */
    glia_dim dims[GLIA_RANK_MAX]; /* outermost first */
} glia_type;

typedef struct glia_graph_options {
    uint32_t size;
    const glia_os *os;              /* null: the default */
    int64_t bytes_max;              /* memory of the graph itself; 0: 256 MiB */
    int64_t nodes_max;              /* 0: 1 000 000 */
    const glia_op_desc *const *ops; /* operations of one's own (op.h): descriptors that outlive the graph */
    int64_t op_count;
} glia_graph_options;
#define GLIA_GRAPH_OPTIONS_INIT                                                                              \
    {                                                                                                        \
        sizeof(glia_graph_options), 0, 0, 0, 0, 0                                                            \
    }

/* A new empty graph, owned by the caller. GLIA_E_NOMEM. */
GLIA_API glia_status glia_graph_create(const glia_graph_options *options, glia_graph **out, glia_error *e);
/* Null is allowed. */
GLIA_API void glia_graph_destroy(glia_graph *g);

/* A symbol with its bounds, inclusive, 0 <= min <= max. The same name again gives the same dim (bounds
 * are intersected; an empty intersection is an error, G0103). */
GLIA_API glia_dim glia_graph_symbol(glia_graph *g, const char *name, int64_t min, int64_t max);
GLIA_API glia_dim glia_dim_add(glia_graph *g, glia_dim a, glia_dim b);
GLIA_API glia_dim glia_dim_mul(glia_graph *g, glia_dim a, glia_dim b);
/* floor(a / b), b a constant > 0; min and max */
GLIA_API glia_dim glia_dim_floor_div(glia_graph *g, glia_dim a, int64_t b);
GLIA_API glia_dim glia_dim_min(glia_graph *g, glia_dim a, glia_dim b);
GLIA_API glia_dim glia_dim_max(glia_graph *g, glia_dim a, glia_dim b);

/* Values without a producer. Names are copied, unique in the graph (G0110), non-empty. */
GLIA_API glia_value glia_graph_input(glia_graph *g, const char *name, const glia_type *type);
/* data null: bound later by name (weights of a file). Otherwise it is borrowed and must outlive the graph.
 * origin: for errors, e.g. "model.gguf at 0x1f40a0"; copied; may be null. */
GLIA_API glia_value glia_graph_weight(glia_graph *g, const char *name, const glia_type *type,
                                      const void *data, const char *origin);
/* Copied into the graph; all dims constant; at most 64 KiB. */
GLIA_API glia_value glia_graph_constant(glia_graph *g, const char *name, const glia_type *type,
                                        const void *data);
/* A state is read and written linearly: an op that writes it returns its next version. */
GLIA_API glia_value glia_graph_state(glia_graph *g, const char *name, const glia_type *type);

/* Attributes of a node, in any order; unknown or ill-typed ones are errors (G0120). */
typedef struct glia_attr_arg {
    const char *name;
    int kind; /* one of GLIA_ATTR_* */
    int64_t i;
    double f;
    const int64_t *ints; /* copied */
    int64_t count;
} glia_attr_arg;
enum { GLIA_ATTR_END, GLIA_ATTR_INT, GLIA_ATTR_FLOAT, GLIA_ATTR_INTS, GLIA_ATTR_DTYPE };
#define GLIA_INT(name, v)                                                                                    \
    {                                                                                                        \
        name, GLIA_ATTR_INT, (v), 0, 0, 0                                                                    \
    }
#define GLIA_FLOAT(name, v)                                                                                  \
    {                                                                                                        \
        name, GLIA_ATTR_FLOAT, 0, (v), 0, 0                                                                  \
    }
#define GLIA_INTS(name, p, n)                                                                                \
    {                                                                                                        \
        name, GLIA_ATTR_INTS, 0, 0, (p), (n)                                                                 \
    }
#define GLIA_TYPE_ATTR(name, t)                                                                              \
    {                                                                                                        \
        name, GLIA_ATTR_DTYPE, (t), 0, 0, 0                                                                  \
    }

/* The operation called `op` ("linear", "rms_norm"; the list is docs/ops.md) applied to in[0..count).
 * An optional input that is left out is the null value with `count` still covering it, or simply
 * beyond count. attrs may be null, else ends with {0}. The node's name is `name`, made unique if
 * null. Returns the first output; glia_graph_output_of gives the others. On error returns the null
 * value and records the first error in g. A null required input gives a null result. */
GLIA_API glia_value glia_graph_node(glia_graph *g, const char *op, const char *name, const glia_value *in,
                                    int count, const glia_attr_arg *attrs);
/* Output i of the node that produced v (i = 0 is v itself if v is its first). */
GLIA_API glia_value glia_graph_output_of(glia_graph *g, glia_value v, int i);
/* How many outputs that node has; 0 where v has no producer. */
GLIA_API int glia_graph_output_count_of(const glia_graph *g, glia_value v);
GLIA_API void glia_graph_set_name(glia_graph *g, glia_value v, const char *name);

/* Declares v an output of the graph under `name`. */
GLIA_API void glia_graph_output(glia_graph *g, const char *name, glia_value v);

/* Solves what is left over, checks states and cycles, and freezes the graph. Returns the first error. */
GLIA_API glia_status glia_graph_seal(glia_graph *g, glia_error *e);

/* The type of v; false for the null value. */
GLIA_API int glia_value_type(const glia_graph *g, glia_value v, glia_type *out);
GLIA_API glia_value glia_graph_find(const glia_graph *g, const char *name);

/* The text form; glia_graph_parse reads it back to an equal graph. The text is allocated from the os
 * table's mem_alloc with *size + 1 bytes and freed with glia_text_free. */
GLIA_API glia_status glia_graph_print(const glia_graph *g, char **text, int64_t *size, glia_error *e);
GLIA_API glia_status glia_graph_parse(const char *text, int64_t size, const glia_graph_options *options,
                                      glia_graph **out, glia_error *e);
GLIA_API void glia_text_free(const glia_os *os, char *text, int64_t size);

/* Reverse mode: extends an unsealed graph by the gradients of the scalar `loss` with respect to
 * wrt[0..count); grads[i] is null where loss does not depend on wrt[i]. Accumulation is in the order of
 * decreasing node number. Errors stick in g (an op without a rule is named, G0130). */
GLIA_API void glia_graph_gradients(glia_graph *g, glia_value loss, const glia_value *wrt, int count,
                                   glia_value *grads);

#ifdef __cplusplus
}
#endif
#endif
