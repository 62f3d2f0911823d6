/* What an operation is: one const struct in one file of src/ops, listed in ops.def.
 *
 * A node points at its descriptor. There is no opcode enum and no switch over ops. */
#ifndef GLIA_GRAPH_OP_H
#define GLIA_GRAPH_OP_H

#include <glia/graph.h>
#include <glia/op.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "tensor/dtype.h"

/* traits */
enum {
    GLIA_INPLACE_0 = 1, /* output 0 may take input 0's memory when the types agree (elementwise in index) */
    GLIA_INPLACE_1 = 2,
    GLIA_COMMUTATIVE = 4, /* the first two inputs may be swapped */
    GLIA_VIEW = 8,        /* output 0 is input 0's bytes under another shape; no kernel runs */
    GLIA_ELEMENTWISE = 16,
    GLIA_REPLICABLE = 32, /* cheap enough to be computed by every slot for itself */
    GLIA_GUARD = 64,      /* checks data, sets fault; out is a copy-free view of input 0 */
    GLIA_NO_FOLD = 128,   /* never evaluated at build time (packs, states, random numbers) */
    GLIA_PRODUCT = 256, /* input 1 is a weight kept by rows, which may be packed; input 0 may be quantised */
    GLIA_WHOLE = 65536, /* never split */
    GLIA_TAPS = 512     /* input 1 is a weight [m, c, taps..] of a convolution, which may be packed (C16) */
};

typedef struct glia_node glia_node;

/* What a hand rule for types sees and fills. */
typedef struct glia_infer {
    glia_graph *g;
    const glia_op *op;
    const glia_attr *attr;
    int32_t in_count;
    const glia_type *in; /* dtype NONE: absent */
    int32_t out_count;
    glia_type *out;
} glia_infer;

/* Work of a node on given dims: used by the scheduler. */
typedef struct glia_cost {
    double flops, bytes;
} glia_cost;

/* One random well-typed case for tests: types with constant dims, attributes, and the range that float
 * inputs are drawn from. A sampler fills them from `pick`, which returns numbers in [lo, hi]. */
typedef struct glia_sample {
    void *ctx;
    int64_t (*pick)(void *ctx, int64_t lo, int64_t hi);
    int32_t in_count;
    glia_type in[8];
    double lo[8], hi[8]; /* range of values of each input; integers inclusive */
    glia_attr_arg attrs[8];
    int64_t ints[32]; /* storage for INTS attributes */
} glia_sample;

struct glia_regions; /* graph/graph.h */

struct glia_op {
    const char *name;
    const char *signature; /* see docs/types.md; null only with infer */
    uint32_t traits;
    const glia_attr_spec *attrs; /* null: none */
    /* Fills out types; returns false after glia_infer_fail. Runs after the signature was
     * unified, or alone if there is none. */
    bool (*infer)(glia_infer *x);
    /* Builds the gradient: dout[i] null is a symbolic zero; leave din[i] null for zero. */
    void (*grad)(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din);
    const char *no_grad;                               /* the reason when grad is null */
    void (*cost)(const glia_kargs *k, glia_cost *out); /* null: one flop and its bytes per element */
    int64_t (*scratch)(
        const glia_kargs *k); /* bytes for the given box; null: none. data pointers may be null */
    /* Alignment in elements of a partition of out[0]'s axis; null: 1. dims known through k->out. */
    int64_t (*granule)(const glia_kargs *k, int axis);
    /* The portable kernel: the bits. It looks at dtypes itself (F32 and F64 for float ops). */
    glia_kernel reference;
    /* For hand rules: which boxes of inputs a box of out[0] needs, and which axes may be split. `out` comes cleared:
     * every axis whole, nothing split. Null: the signature says it, and without one nothing is split. */
    bool (*regions)(const glia_graph *g, const glia_node *n, struct glia_regions *out);
    const glia_op_kernel
        *kernels; /* of operations from outside: what the tables of a provider are to others */
    int32_t kernel_count;
    /* Whether, on these dims, the op does nothing but lay rows side by side, so that memory can be shared: 1: input i
     * lies at offset[i] bytes of output 0; -1: output 0 lies at offset[0] bytes of input 0; 0: neither. Null: never. */
    int (*lies)(const glia_kargs *k, int64_t *offset);
    void (*sample)(glia_sample *s); /* null: not sampled (a test lists them) */
};

/* Every op once, ending with null. Defined one floor up, in src/ops/ops.c, from ops.def;
 * src/ops/ops.h declares each descriptor (glia_op_linear and so on). */
extern const glia_op *const glia_ops[];
const glia_op *glia_op_find(const char *name);

#endif
