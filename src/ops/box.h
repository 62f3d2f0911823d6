/* What the reference kernels share: walking a box, reading and writing elements of any dtype, and the
 * helpers of cost and granule. Nothing here allocates or fails. */
#ifndef GLIA_OPS_BOX_H
#define GLIA_OPS_BOX_H

#include <string.h>

#include "base/check.h"
#include "graph/graph.h"
#include "graph/op.h"
#include "tensor/dtype.h"

/* An odometer over the first `axes` axes of out[0]'s box. `row` is the flat index over those axes, so that
 * element (row, i) of an output whose last axis has n elements is row * n + i.
 *
 *     for (glia_box b = glia_box_rows(k, axes); b.more; glia_box_next(&b)) ...  */
typedef struct glia_box {
    const int64_t *dims, *begin, *end;
    int axes;
    bool more;
    int64_t row;
    int64_t index[GLIA_RANK_MAX];
} glia_box;

glia_box glia_box_rows(const glia_kargs *k, int axes);
void glia_box_next(glia_box *b);

/* The box of out[0]'s last axis; [0, 1) for a scalar. */
static inline int64_t glia_box_begin(const glia_kargs *k)
{
    return k->out[0].rank ? k->begin[k->out[0].rank - 1] : 0;
}
static inline int64_t glia_box_end(const glia_kargs *k)
{
    return k->out[0].rank ? k->end[k->out[0].rank - 1] : 1;
}
/* Axes before the last one: 0 for vectors and scalars. */
static inline int glia_leading(const glia_tensor *t) { return t->rank ? t->rank - 1 : 0; }
static inline int64_t glia_last_dim(const glia_tensor *t) { return t->rank ? t->dims[t->rank - 1] : 1; }

/* Elements of a tensor, and of the box of out[0]'s first `axes` axes (planned dims: they do not wrap). */
int64_t glia_tensor_elements(const glia_tensor *t);
int64_t glia_box_count(const glia_kargs *k, int axes);

/* Input i, or null if it is absent. */
static inline const glia_tensor *glia_optional(const glia_kargs *k, int i)
{
    return i < k->in_count && k->in[i].dtype != GLIA_DTYPE_NONE && k->in[i].data ? &k->in[i] : NULL;
}

/* Element i in row-major order. Reading widens exactly where it can; f64 and i64 round to nearest even
 * in the f32 form. Writing rounds to nearest even (once, also from f64 to narrower floats); low-bit floats saturate. */
float glia_get_f32(const glia_tensor *t, int64_t i);
double glia_get_f64(const glia_tensor *t, int64_t i);
int64_t glia_get_i64(const glia_tensor *t, int64_t i);
void glia_set_f32(const glia_tensor *t, int64_t i, float v);
void glia_set_f64(const glia_tensor *t, int64_t i, double v);
/* v as an f32 of which a second rounding, to a narrower float, gives what one would. */
float glia_round_odd(double v);
/* Keeps the low bits, as conversion between integers does. */
void glia_set_i64(const glia_tensor *t, int64_t i, int64_t v);

static inline bool glia_is_float(glia_dtype t)
{
    return (glia_dtype_get(t)->classes & GLIA_CLASS_FLOAT) != 0;
}
static inline bool glia_is_lowbit(glia_dtype t)
{
    return (glia_dtype_get(t)->classes & GLIA_CLASS_LOWBIT) != 0;
}
static inline bool glia_is_class(glia_dtype t, uint32_t c) { return (glia_dtype_get(t)->classes & c) != 0; }

/* Strides of an input that broadcasts against out[0], in elements, aligned at the last axes; 0 where it
 * has one element. stride[a] is for out[0]'s axis a. */
void glia_broadcast_strides(const glia_tensor *in, const glia_tensor *out, int64_t *stride);

/* A hand rule for ops that read plain rows: packed weights are for linear, embed and decode alone. */
bool glia_infer_plain(glia_infer *x);

/* Bytes of the rows of a tensor, for costs. */
double glia_tensor_cost(const glia_tensor *t);

#endif
