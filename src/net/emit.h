/* How an ONNX operator becomes nodes of a typed graph.
 *
 * A part of a network is emitted node by node, for given shapes: every dim is a constant. An operator is one row of
 * net_ops.def and one function, which reads the node's inputs, adds nodes, and sets its outputs:
 *
 *     static bool emit_relu(glia_emit *m)
 *     {
 *         glia_emit_set(m, 0, glia_emit_node(m, "relu", NULL, 1, glia_emit_in(m, 0)));
 *         return true;
 *     }
 *
 * What a function needs to know as numbers (a shape, axes, a trip count) it asks for with glia_emit_ints and its
 * kin. Constants and folded values answer at once. A value that only the run knows makes them return false, and the
 * function returns false too: the part ends before this node, the value is computed, and emission goes on with a part
 * whose plan belongs to that value. A function that cannot build its node at all calls glia_emit_refuse (not built,
 * named) or glia_emit_fail (the model is wrong) and returns what that returns.
 *
 * Nodes whose inputs are all constants are evaluated as they are added, so that shape computations vanish here. */
#ifndef GLIA_NET_EMIT_H
#define GLIA_NET_EMIT_H

#include "format/onnx.h"
#include "graph/graph.h"

typedef struct glia_emit glia_emit;

/* ---- the node at hand */
const char *glia_emit_op(const glia_emit *m);  /* "Relu" */
int64_t glia_emit_version(const glia_emit *m); /* of the node's domain: opset version */
int glia_emit_in_count(const glia_emit *m);    /* as the node lists them, trailing absent ones too */
int glia_emit_out_count(const glia_emit *m);
glia_value glia_emit_in(glia_emit *m, int i); /* null: absent */
bool glia_emit_has(const glia_emit *m, int i);
bool glia_emit_wants(const glia_emit *m, int i); /* output i has a name: somebody may read it */
void glia_emit_set(glia_emit *m, int i, glia_value v);

/* Type of a value; dims are constants. The pointer is good until the next node is added. A null value has
 * dtype NONE. */
const glia_type *glia_emit_type(glia_emit *m, glia_value v);
glia_dtype glia_emit_dtype(glia_emit *m, glia_value v);
int glia_emit_rank(glia_emit *m, glia_value v);
int64_t glia_emit_dim(glia_emit *m, glia_value v, int axis); /* axis may count from the end */
int64_t glia_emit_elements(glia_emit *m, glia_value v);
bool glia_emit_is_float(glia_emit *m, glia_value v);

/* ---- attributes, by name; the default where the node has none. Of a wrong kind: the emission fails. */
bool glia_emit_has_attr(glia_emit *m, const char *name);
int64_t glia_emit_int(glia_emit *m, const char *name, int64_t otherwise);
double glia_emit_float(glia_emit *m, const char *name, double otherwise);
const char *glia_emit_string(glia_emit *m, const char *name, const char *otherwise);
/* Into out[max]; returns the count, -1 where there is none. */
int glia_emit_attr_ints(glia_emit *m, const char *name, int64_t *out, int max);
const glia_onnx_attr *glia_emit_attr(glia_emit *m, const char *name); /* or null */

/* ---- numbers that have to be known. False: not known yet, or failed: return false. An absent input gives count 0. */
bool glia_emit_ints(glia_emit *m, int i, int64_t *out, int max,
                    int *count);                         /* of any integer or bool dtype */
bool glia_emit_number(glia_emit *m, int i, double *out); /* one element of any dtype */
bool glia_emit_floats(glia_emit *m, int i, double *out, int max, int *count);
/* The elements of v if they are known now, else null; never ends the part. */
const void *glia_emit_known(glia_emit *m, glia_value v);
/* The same, where the value is needed: null ends the part before this node. */
const void *glia_emit_need(glia_emit *m, int i);

/* ---- adding nodes; a null input gives a null output, errors stick. Names are made from the node's. */
glia_value glia_emit_node(glia_emit *m, const char *op, const glia_attr_arg *attrs, int count, ...);
glia_value glia_emit_nodev(glia_emit *m, const char *op, const glia_attr_arg *attrs, int count,
                           const glia_value *in);
glia_value glia_emit_output(glia_emit *m, glia_value v, int i); /* output i of the node that made v */
glia_value glia_emit_constant(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, const void *data);
glia_value glia_emit_scalar(glia_emit *m, glia_dtype t, double number);
glia_value glia_emit_int_vector(glia_emit *m, const int64_t *v, int count); /* i64 [count] */
glia_value glia_emit_fill(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, double number);
glia_value glia_emit_cast(glia_emit *m, glia_value v, glia_dtype to); /* v itself if it has it */
glia_value glia_emit_reshape(glia_emit *m, glia_value v, int rank, const int64_t *dims);
glia_value glia_emit_transpose(glia_emit *m, glia_value v, const int64_t *perm); /* [rank] */
glia_value glia_emit_expand(glia_emit *m, glia_value v, int rank, const int64_t *dims);
/* [begin, end) of one axis, by steps of 1. */
glia_value glia_emit_slice(glia_emit *m, glia_value v, int axis, int64_t begin, int64_t end);
glia_value glia_emit_concat(glia_emit *m, int axis, int count, const glia_value *in);  /* any count */
glia_value glia_emit_binary(glia_emit *m, const char *op, glia_value a, glia_value b); /* broadcasts */
/* v op number, the number of v's dtype. */
glia_value glia_emit_with(glia_emit *m, const char *op, glia_value v, double number);
/* v's numbers as a weight of the shape with the last two axes swapped: without a copy where v is the file's. Null
 * where v is not known. */
glia_value glia_emit_transposed_weight(glia_emit *m, glia_value v);

/* v itself, or the weight that a constant is, so that it may be packed. */
glia_value glia_emit_as_weight(glia_emit *m, glia_value v);

/* ---- ends. Each returns false. */
bool glia_emit_refuse(glia_emit *m, const char *format, ...) GLIA_PRINTF(2, 3); /* G1030, UNSUPPORTED */
bool glia_emit_fail(glia_emit *m, const char *format, ...) GLIA_PRINTF(2, 3);   /* G1031, FORMAT */
/* This form of the node is for its host function (net_ops.def names it): the part ends before it. */
bool glia_emit_host(glia_emit *m, const char *why);

/* An axis attribute or number; fails when out of range. */
bool glia_emit_axis(glia_emit *m, int64_t given, int rank, int *axis);

typedef bool (*glia_emit_fn)(glia_emit *m);
/* If with a condition that is known (emit_control.c), for the table. */
bool glia_emit_if(glia_emit *m);

/* ---- the same nodes run one by one on objects (host.c): what has sizes, branches or kinds that only data decide. */
typedef struct glia_host glia_host;
typedef glia_status (*glia_host_fn)(glia_host *h);

/* One operator. `moves`: only moves elements, so that tensors of strings pass through it as numbers would. */
typedef struct glia_net_op {
    const char *domain; /* "" for ai.onnx */
    const char *name;
    glia_emit_fn emit; /* null: host alone */
    glia_host_fn host; /* null: emit alone */
    uint32_t flags;    /* GLIA_NET_MOVES */
} glia_net_op;
enum { GLIA_NET_MOVES = 1 };

const glia_net_op *glia_net_op_find(const char *domain, const char *name);
const glia_net_op *glia_net_op_at(int64_t i); /* null past the end */

#endif
