/* Operators on objects: what runs node by node, because data decide sizes, kinds or branches. A host function may
 * allocate (within the network's limit) and fail; it owns references that it makes and gives one for each output. */
#ifndef GLIA_NET_HOST_H
#define GLIA_NET_HOST_H

#include <glia/net.h>

#include "net/emit.h"
#include "net/object.h"

/* The node at hand. */
const glia_os *glia_host_os(const glia_host *h);
glia_error *glia_host_error(glia_host *h);
glia_account *
glia_host_account(const glia_host *h); /* what objects of this run are charged to; may be null */
int64_t glia_host_version(const glia_host *h);
const char *glia_host_op(const glia_host *h);
glia_account *glia_host_account(const glia_host *h); /* for object.h's functions */
int glia_host_in_count(const glia_host *h);
int glia_host_out_count(const glia_host *h);
glia_object *glia_host_in(const glia_host *h, int i); /* borrowed; null: absent */
bool glia_host_wants(const glia_host *h, int i);
void glia_host_set(glia_host *h, int i, glia_object *o); /* takes the caller's reference */

/* Attributes, as in emit.h; of a wrong kind: the default. */
const glia_onnx_attr *glia_host_attr(const glia_host *h, const char *name);
int64_t glia_host_int(const glia_host *h, const char *name, int64_t otherwise);
double glia_host_float(const glia_host *h, const char *name, double otherwise);
const char *glia_host_string(const glia_host *h, const char *name, const char *otherwise);

/* Why an object could not be made: the limit or the os. Returns the status. */
glia_status glia_host_no_object(glia_host *h);
/* A tensor to be filled, zeroed: *data gets its memory. Null: no memory, or beyond the limit (an error is set). */
glia_object *glia_host_tensor(glia_host *h, glia_dtype t, int rank, const int64_t *dims, void **data);
glia_status glia_host_fail(glia_host *h, const char *format, ...) GLIA_PRINTF(2, 3);   /* G1031 */
glia_status glia_host_refuse(glia_host *h, const char *format, ...) GLIA_PRINTF(2, 3); /* G1030 */
/* What only data can do wrong, GLIA_E_GUARD: a position, a key, shapes that differ between iterations. */
glia_status glia_host_wrong(glia_host *h, const char *code, const char *format, ...) GLIA_PRINTF(3, 4);

/* Any operator that has an emit function, run on objects at once (a plan of one node, kept for the shapes): for
 * sequences of tensors, bodies, and operators that are compositions. attrs as in a file, count of them. */
glia_status glia_host_call(glia_host *h, const char *domain, const char *op, const glia_onnx_attr *attrs,
                           int attr_count, glia_object *const *in, int in_count, glia_object **out,
                           int out_count);

/* Body b of the node (If: in the order of its attributes' names; Loop, Scan, SequenceMap: 0). Its inputs are set from
 * in[] (borrowed); out[] gets references. What it captures from outside it sees. */
int glia_host_body_inputs(const glia_host *h, int b);
int glia_host_body_outputs(const glia_host *h, int b);
glia_status glia_host_body_run(glia_host *h, int b, glia_object *const *in, glia_object **out);
const glia_onnx_graph *glia_host_body_graph(const glia_host *h, int b); /* with the types that it declares */
/* The body that an attribute holds; -1: none. */
int glia_host_body_of(const glia_host *h, const char *attr);
/* Counts against the run's limit of nodes and looks at cancellation and deadline: call once an iteration. */
glia_status glia_host_tick(glia_host *h);

#endif
