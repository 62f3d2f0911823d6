/* Row products in the order of the numeric specification: the reference of every product kernel.
 *
 * The fixed tree: neighbours pairwise, level by level, an odd one passes up. */
#ifndef GLIA_TENSOR_DOT_H
#define GLIA_TENSOR_DOT_H

#include "tensor/dtype.h"

enum {
    GLIA_SEGMENT_FLOAT = 256,  /* elements of one fma chain over floats */
    GLIA_SEGMENT_QUANT = 1024, /* elements of one fma chain over blocks */
    GLIA_TREE_LEVELS = 64
};

/* The tree's sum of values that come one at a time, in any number: v[l] holds a full subtree of 2^l
 * leaves where bit l of count is set. Start from {.count = 0}. */
typedef struct glia_tree_f32 {
    float v[GLIA_TREE_LEVELS];
    int64_t count;
} glia_tree_f32;
typedef struct glia_tree_f64 {
    double v[GLIA_TREE_LEVELS];
    int64_t count;
} glia_tree_f64;

static inline void glia_tree_push_f32(glia_tree_f32 *t, float x)
{
    int l = 0;
    for (; t->count >> l & 1; l++) x = t->v[l] + x;
    t->v[l] = x;
    t->count++;
}
/* The subtrees that are left over join from the smallest to the largest; 0 if there are none. */
static inline float glia_tree_done_f32(const glia_tree_f32 *t)
{
    int l = 0;
    if (t->count == 0) return 0.0f;
    while (!(t->count >> l & 1)) l++;
    float sum = t->v[l];
    for (l++; t->count >> l; l++)
        if (t->count >> l & 1) sum = t->v[l] + sum;
    return sum;
}
static inline void glia_tree_push_f64(glia_tree_f64 *t, double x)
{
    int l = 0;
    for (; t->count >> l & 1; l++) x = t->v[l] + x;
    t->v[l] = x;
    t->count++;
}
static inline double glia_tree_done_f64(const glia_tree_f64 *t)
{
    int l = 0;
    if (t->count == 0) return 0.0;
    while (!(t->count >> l & 1)) l++;
    double sum = t->v[l];
    for (l++; t->count >> l; l++)
        if (t->count >> l & 1) sum = t->v[l] + sum;
    return sum;
}

/* The tree's sum of v[0..n), overwriting v; 0 for n = 0. */
float glia_tree_sum_f32(float *v, int n);
double glia_tree_sum_f64(double *v, int n);

/* sum w[i] x[i]: fma chains ascending from zero in segments of 256, which meet in the tree. */
float glia_dot_f32(const float *w_decoded, const float *x, int64_t k);
double glia_dot_f64(const double *w, const double *x, int64_t k);

/* A weight row in its plain bytes with an activation row in the format that glia_dtype_get(w)->activation
 * names, as that row's `arithmetic` says. k is a multiple of both blocks. NaN if w is no block format of
 * weights, which the types of a sealed graph exclude. */
float glia_dot_quant(glia_dtype w, const void *row, const void *activation_row, int64_t k);

#endif
