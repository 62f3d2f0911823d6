/* Operations from outside: what the library has by name, and descriptors of one's own.
 *
 * An operation of one's own is a const descriptor: a signature in the notation of docs/types.md, attributes, a
 * reference kernel, and faster kernels if there are any. Graphs and networks are given an array of descriptors when
 * they are made (glia_graph_options.ops, glia_net_options.ops); nothing is registered anywhere else. From then on the
 * name works as any other: glia_graph_node, the text form, and, where the descriptor names a domain, the operator of
 * that name in ONNX files. It is typed, split over threads, planned and given memory as the library's own are.
 * docs/custom-ops.md has a whole example. */
#ifndef GLIA_OP_H
#define GLIA_OP_H

#include "dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kernels */

/* One tensor as a kernel sees it: contiguous, row-major. data null: an absent optional input. */
typedef struct glia_tensor {
    void *data;
    const int64_t *dims; /* [rank], outermost first */
    int16_t rank;
    int16_t layout; /* 0: rows, which is all that an operation from outside meets */
    glia_dtype dtype;
} glia_tensor;

typedef struct glia_attr { /* a node's attribute, in the order of the op's table */
    int64_t i;             /* INT, DTYPE; for INTS the count */
    double f;
    const int64_t *ints;
} glia_attr;

/* Arguments of a kernel. It computes the box [begin, end) of out[0]'s index space, one bound per axis of
 * out[0] (for several outputs: the axes they share by name), reads what the signature says that this
 * box needs, and writes nothing else. Scratch is private to the call; `fault` is set to a positive
 * number by guards only. */
typedef struct glia_kargs {
    const glia_tensor *in;
    const glia_tensor *out;
    int32_t in_count, out_count;
    const int64_t *begin, *end; /* [out[0].rank] */
    const glia_attr *attr;
    void *scratch; /* op->scratch bytes, 64-byte aligned */
    int32_t *fault;
} glia_kargs;

/* A kernel cannot fail. It neither allocates nor waits, keeps nothing between calls, and may run on several threads
 * at once, each with a box of its own. */
typedef void (*glia_kernel)(const glia_kargs *k);

typedef struct glia_attr_spec {
    const char *name; /* null ends the table */
    int kind;         /* GLIA_ATTR_* */
    int required;
    double number; /* default of INT, FLOAT and DTYPE; INTS default to empty */
} glia_attr_spec;

/* ---- descriptors */

#define GLIA_OP_ABI 1 /* of the structs above; a descriptor that states another one is refused */

/* traits */
enum {
    GLIA_OP_INPLACE_0 =
        1, /* output 0 may take input 0's memory: element i is read before element i is written, and
                                never after */
    GLIA_OP_INPLACE_1 = 2,   /* likewise input 1's */
    GLIA_OP_COMMUTATIVE = 4, /* the first two inputs may be swapped */
    GLIA_OP_WHOLE = 8        /* is not split: the kernel always gets the whole box */
};

/* A faster kernel. It gives the reference's bits, or the results depend on the machine. */
typedef struct glia_op_kernel {
    const char
        *types; /* "f32,f32?->f32": dtypes of inputs and outputs; ? after one that may be absent, * any */
    const char *isa; /* the instruction set it needs, as `glia probe` names them ("avx2"); null: none */
    glia_kernel run;
} glia_op_kernel;

typedef struct glia_op_desc {
    uint32_t size;
    uint32_t abi;       /* GLIA_OP_ABI */
    const char *domain; /* of ONNX operators that it stands for, "com.example"; null: of graphs alone */
    const char *name; /* letters, digits and _; not one of the library's own. In ONNX files: the operator's */
    const char *signature;
    uint32_t traits;
    const glia_attr_spec *attrs; /* ended by a null name; null: none */
    glia_kernel reference;
    const glia_op_kernel *kernels; /* null: none */
    int32_t kernel_count;
    int64_t (*scratch)(const glia_kargs *k); /* bytes for the box; data pointers may be null. Null: none */
} glia_op_desc;
#define GLIA_OP_DESC_INIT                                                                                    \
    {                                                                                                        \
        sizeof(glia_op_desc), GLIA_OP_ABI, 0, 0, 0, 0, 0, 0, 0, 0, 0                                         \
    }

/* ---- what the library has */

typedef struct glia_op_info {
    uint32_t size;
    const char *name;
    const char *signature; /* null: types follow from a hand rule */
    const char *no_grad;   /* why it has no gradient; null: it has one */
    int32_t attr_count;
} glia_op_info;
#define GLIA_OP_INFO_INIT                                                                                    \
    {                                                                                                        \
        sizeof(glia_op_info), 0, 0, 0, 0                                                                     \
    }

GLIA_API int glia_op_count(void);
/* GLIA_E_NOT_FOUND where there is no i-th op. */
GLIA_API glia_status glia_op_describe(int i, glia_op_info *out);
/* The name of attribute `a` of op i, and its kind (GLIA_ATTR_*); null out of range. */
GLIA_API const char *glia_op_attribute(int i, int a, int *kind);

#ifdef __cplusplus
}
#endif
#endif
