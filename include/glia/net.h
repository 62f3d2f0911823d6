/* Networks: any graph, from an ONNX file or built by hand, compiled and run by name.
 *
 *     glia_net *net;
 *     glia_net_open("model.onnx", NULL, &net, &e);
 *     glia_object *x = glia_object_tensor(NULL, GLIA_F32, 4, dims, data), *y = NULL;
 *     glia_net_run(net, &x, &y, NULL, &e);          inputs and outputs in the order of the file
 *     ... glia_object_data(y) ...
 *     glia_object_release(x); glia_object_release(y); glia_net_close(net);
 *
 * A network is cut into *parts*. A part is one plan with fixed shapes: straight-line, planned memory, no allocation
 * while it runs. What only data decide (sizes, branches, loops without a bound, sequences, strings) runs node by
 * node between the parts, and allocates under the stated limit. A network whose shapes are all fixed is one part.
 * glia_net_report says which it was, and why. Plans for other shapes of the inputs are kept in a bounded cache;
 * weights are kept once for all of them.
 *
 * A network has one timeline: two calls at once get GLIA_E_BUSY. */
#ifndef GLIA_NET_H
#define GLIA_NET_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- objects: what goes in and comes out ------------------------------------------------------------- */

typedef enum glia_object_kind {
    GLIA_OBJECT_TENSOR,
    GLIA_OBJECT_STRINGS,  /* a tensor of strings */
    GLIA_OBJECT_SEQUENCE, /* of objects of one kind */
    GLIA_OBJECT_OPTIONAL, /* holds one object or none */
    GLIA_OBJECT_MAP /* keys: a tensor of integers or strings [n]; values: a tensor [n], or a sequence of n */
} glia_object_kind;

/* Reference-counted and immutable once it is shared. References may be taken and released by any thread. */
typedef struct glia_object glia_object;

/* A tensor with a copy of `data` (null: zeros), rank at most 8. Null when memory runs out or the arguments
 * contradict each other. os null: the default. */
GLIA_API glia_object *glia_object_tensor(const glia_os *os, glia_dtype dtype, int rank, const int64_t *dims,
                                         const void *data);
/* The same over the caller's memory, which is not copied; release(ctx) is called when the last reference goes. */
GLIA_API glia_object *glia_object_borrow(const glia_os *os, glia_dtype dtype, int rank, const int64_t *dims,
                                         void *data, void (*release)(void *ctx), void *ctx);
/* Strings are copied; sizes null: they end with NUL. */
GLIA_API glia_object *glia_object_strings(const glia_os *os, int rank, const int64_t *dims,
                                          const char *const *texts, const int64_t *sizes);
/* Each takes a reference to every item. */
GLIA_API glia_object *glia_object_sequence(const glia_os *os, glia_object *const *items, int64_t count);
GLIA_API glia_object *glia_object_optional(const glia_os *os, glia_object *item); /* item null: empty */
GLIA_API glia_object *glia_object_map(const glia_os *os, glia_object *keys, glia_object *values);

GLIA_API glia_object *glia_object_retain(glia_object *o); /* returns o; null stays null */
GLIA_API void glia_object_release(glia_object *o);

GLIA_API glia_object_kind glia_object_kind_of(const glia_object *o);
GLIA_API glia_dtype glia_object_dtype(const glia_object *o); /* GLIA_DTYPE_NONE unless TENSOR */
GLIA_API int glia_object_rank(const glia_object *o);
GLIA_API const int64_t *glia_object_dims(const glia_object *o);
GLIA_API int64_t glia_object_count(const glia_object *o); /* elements; items of a sequence, optional or map */
GLIA_API int64_t glia_object_bytes(const glia_object *o); /* of a TENSOR's data */
GLIA_API const void *
glia_object_data(const glia_object *o); /* TENSOR: row-major, aligned to 64 when it was copied */
/* Whether somebody else holds the object, or its elements are another's: then they are not to be written. */
GLIA_API int glia_object_shared(const glia_object *o);
GLIA_API const char *glia_object_string(const glia_object *o, int64_t i, int64_t *size);
GLIA_API glia_object *glia_object_item(const glia_object *o, int64_t i); /* borrowed; null out of range */
GLIA_API glia_object *glia_object_keys(const glia_object *o);            /* of a MAP, borrowed */
GLIA_API glia_object *glia_object_values(const glia_object *o);

/* ---- networks ----------------------------------------------------------------------------------------- */

typedef struct glia_net glia_net;

typedef struct glia_net_options {
    uint32_t size;
    const glia_os *os;    /* null: the default */
    int32_t threads;      /* 0: the processors that the process may use */
    int32_t slots;        /* shares of the work; 0: threads. Results do not depend on either */
    int64_t memory_limit; /* bytes of everything that the network holds; 0: none */
    const char *isa;      /* force an instruction set and those below it; null: the best */
    int32_t level;        /* of rewriting: 1 exact rules alone, 2 also those that reassociate sums, 3 also
                             approximate ones; 0: 2 */
    int32_t plain;        /* not 0: no rewriting at all, every node by its reference kernel */
    int32_t fixed;        /* not 0: refuse a network that is not one plan (G1032) */
    int32_t plans_max;    /* of each part, for different shapes; 0: 8 */
    int64_t profile_events;
    const glia_op_desc *const
        *ops; /* operations of one's own (op.h), for ONNX files: descriptors that outlive the
                                       network. Those of a graph are its own */
    int64_t op_count;
} glia_net_options;
#define GLIA_NET_OPTIONS_INIT                                                                                \
    {                                                                                                        \
        sizeof(glia_net_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                         \
    }

typedef struct glia_port { /* an input or output */
    uint32_t size;
    const char *name;
    glia_object_kind kind;
    glia_dtype dtype;
    int32_t rank;                         /* -1: open */
    int64_t dims[GLIA_RANK_MAX];          /* -1: given by each run */
    const char *dim_names[GLIA_RANK_MAX]; /* the file's name of such a dim, or null */
    int32_t has_default;                  /* of inputs: not 0: may be left out of a run */
} glia_port;
#define GLIA_PORT_INIT                                                                                       \
    {                                                                                                        \
        sizeof(glia_port), 0, GLIA_OBJECT_TENSOR, GLIA_DTYPE_NONE, 0, {0}, {0}, 0                            \
    }

/* Opens an ONNX file (external data: in its folder alone) or a .glia container. GLIA_E_IO, GLIA_E_FORMAT,
 * GLIA_E_UNSUPPORTED (an operator, version or type that is not built, by name), GLIA_E_LIMIT, GLIA_E_NOMEM, and the
 * errors of types. A network whose input shapes are fixed is planned now, with its memory; others at the first run
 * with each shape. */
GLIA_API glia_status glia_net_open(const char *path, const glia_net_options *options, glia_net **out,
                                   glia_error *e);
/* The same of an ONNX file's bytes, which must outlive the network; folder: of external data, may be null. */
GLIA_API glia_status glia_net_open_memory(const void *data, int64_t size, const char *folder,
                                          const glia_net_options *options, glia_net **out, glia_error *e);
/* A sealed graph built by hand, whose symbols are bound by the inputs' shapes. The graph stays the caller's and must
 * outlive the network, as must the data of its weights. */
GLIA_API glia_status glia_net_from_graph(const glia_graph *g, const glia_net_options *options, glia_net **out,
                                         glia_error *e);
GLIA_API void glia_net_close(glia_net *net);

GLIA_API int glia_net_input_count(const glia_net *net);
GLIA_API int glia_net_output_count(const glia_net *net);
GLIA_API glia_status glia_net_input(const glia_net *net, int i, glia_port *out);
GLIA_API glia_status glia_net_output(const glia_net *net, int i, glia_port *out);

typedef struct glia_net_run_options {
    uint32_t size;
    uint64_t deadline_ns;            /* by the os clock; 0: none */
    const volatile uint32_t *cancel; /* non-zero stops the run; null: never */
    int64_t nodes_max;               /* nodes that may be run one by one (loops); 0: 100 million */
} glia_net_run_options;
#define GLIA_NET_RUN_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        sizeof(glia_net_run_options), 0, 0, 0                                                                \
    }

/* in[input_count]: null for an input with a default in the file. out[output_count]: an object each, references of
 * the caller's. Checks kinds, dtypes and shapes by name (G1020 to G1024). */
GLIA_API glia_status glia_net_run(glia_net *net, glia_object *const *in, glia_object **out,
                                  const glia_net_run_options *options, glia_error *e);

/* Without objects, for networks that are one plan: write into the inputs' own memory, step, read the outputs'. The
 * pointers stay valid as long as the network; what inputs hold is lost in a step, since the planner may reuse it. A
 * step neither allocates nor copies. Null where the network is not one plan, or i is out of range. */
GLIA_API void *glia_net_input_data(glia_net *net, int i);
GLIA_API const void *glia_net_output_data(const glia_net *net, int i);
GLIA_API glia_status glia_net_step(glia_net *net, glia_error *e);

/* What the network became, as text (json != 0: as JSON): parts, their modes and why, passes and the rules that fired,
 * memory by class beside the lower bound, kernels. Freed with glia_text_free. */
GLIA_API glia_status glia_net_report(glia_net *net, int json, char **text, int64_t *size, glia_error *e);

#ifdef __cplusplus
}
#endif
#endif
