/* What families of host functions share: making objects in a run, reading numbers of any dtype, and moving blocks of
 * elements, tensors of strings among them. */
#ifndef GLIA_NET_HOST_UTIL_H
#define GLIA_NET_HOST_UTIL_H

#include "net/host.h"
#include "net/object.h"

/* ---- making; null: an error is set */
glia_object *glia_host_strings(glia_host *h, int rank, const int64_t *dims); /* empty ones */
/* items null: to be filled */
glia_object *glia_host_sequence(glia_host *h, glia_object *const *items, int64_t count);
/* A tensor of the dtype of `like`, or strings; *data (may be null) as in glia_host_tensor, null for strings. */
glia_object *glia_host_like(glia_host *h, const glia_object *like, int rank, const int64_t *dims,
                            void **data);
glia_object *glia_host_scalar(glia_host *h, glia_dtype t, int64_t number); /* I64 or BOOL */
/* An object without elements as a type of the file describes it; dims that are not known are 0. */
glia_object *glia_host_empty(glia_host *h, const glia_onnx_type *type, int extra_rank,
                             const int64_t *extra_dims);

/* ---- reading */
static inline bool glia_is_tensor(const glia_object *o) { return o && o->kind == GLIA_OBJECT_TENSOR; }
static inline bool glia_is_strings(const glia_object *o) { return o && o->kind == GLIA_OBJECT_STRINGS; }
/* Element i as a number: exact but for 64-bit integers as doubles. */
double glia_object_number(const glia_object *o, int64_t i);
int64_t glia_object_integer(const glia_object *o, int64_t i); /* floats are cut towards 0, NaN is 0 */
/* An attribute of that kind, or null. */
const glia_onnx_attr *glia_host_attr_of(const glia_host *h, const char *name, int32_t kind);
/* A required input of a kind, else an error that names it. */
glia_object *glia_host_need(glia_host *h, int i, glia_object_kind kind);
glia_object *glia_host_need_numbers(glia_host *h, int i); /* a tensor */
/* An axis that may count from the end; false: an error is set. */
bool glia_host_axis(glia_host *h, int64_t given, int rank, int *axis);

/* ---- moving blocks of elements */
/* Copies rows of `from` (all but axis 0 as the box below) into `to`: for every index of the axes before `axis`,
 * `count` indices of it from from_at on, to to_at on. The axes before and after must agree. */
void glia_object_copy_axis(glia_object *to, int64_t to_at, const glia_object *from, int64_t from_at,
                           int64_t count, int64_t before, int64_t to_dim, int64_t from_dim, int64_t after);
/* Indices [begin, end) of one axis; drop: the axis, of one index, goes. */
glia_object *glia_host_part(glia_host *h, glia_object *o, int axis, int64_t begin, int64_t end, bool drop);
/* Along an axis, or (stack) along a new one before it. Errors: G1043. */
glia_object *glia_host_join(glia_host *h, glia_object *const *in, int64_t count, int axis, bool stack);

#endif
