/* Running sums in the fixed orders of the numeric specification, over the tree of tensor/dot.h.
 *
 * Lanes: 16 virtual lanes per segment of 4096; lane i sums elements i, i+16, ... from zero by fma; the lanes,
 * then the segments, meet in the tree. */
#ifndef GLIA_OPS_SUM_H
#define GLIA_OPS_SUM_H

#include <math.h>
#include <stdint.h>

#include "tensor/dot.h"

#define GLIA_LANES 16
#define GLIA_LANE_SEGMENT 4096

/* A running lane sum: zero-initialise, feed products in index order, take the sum once. */
typedef struct glia_lanes_f32 {
    glia_tree_f32 tree;
    float lane[GLIA_LANES];
    int64_t at;
} glia_lanes_f32;

typedef struct glia_lanes_f64 {
    glia_tree_f64 tree;
    double lane[GLIA_LANES];
    int64_t at;
} glia_lanes_f64;

void glia_lanes_flush_f32(glia_lanes_f32 *l);
void glia_lanes_flush_f64(glia_lanes_f64 *l);

/* Adds a * b. */
static inline void glia_lanes_add_f32(glia_lanes_f32 *l, float a, float b)
{
    float *lane = &l->lane[l->at & (GLIA_LANES - 1)];
    *lane = fmaf(a, b, *lane);
    if ((++l->at & (GLIA_LANE_SEGMENT - 1)) == 0) glia_lanes_flush_f32(l);
}

static inline void glia_lanes_add_f64(glia_lanes_f64 *l, double a, double b)
{
    double *lane = &l->lane[l->at & (GLIA_LANES - 1)];
    *lane = fma(a, b, *lane);
    if ((++l->at & (GLIA_LANE_SEGMENT - 1)) == 0) glia_lanes_flush_f64(l);
}

float glia_lanes_done_f32(glia_lanes_f32 *l);
double glia_lanes_done_f64(glia_lanes_f64 *l);

/* A running product sum: one fma chain per segment of 256, segments in the tree. */
#define GLIA_PRODUCT_SEGMENT 256
typedef struct glia_chain_f32 {
    glia_tree_f32 tree;
    float sum;
    int64_t at;
} glia_chain_f32;

typedef struct glia_chain_f64 {
    glia_tree_f64 tree;
    double sum;
    int64_t at;
} glia_chain_f64;

static inline void glia_chain_add_f32(glia_chain_f32 *c, float a, float b)
{
    c->sum = fmaf(a, b, c->sum);
    if ((++c->at & (GLIA_PRODUCT_SEGMENT - 1)) == 0) {
        glia_tree_push_f32(&c->tree, c->sum);
        c->sum = 0.0f;
    }
}

static inline void glia_chain_add_f64(glia_chain_f64 *c, double a, double b)
{
    c->sum = fma(a, b, c->sum);
    if ((++c->at & (GLIA_PRODUCT_SEGMENT - 1)) == 0) {
        glia_tree_push_f64(&c->tree, c->sum);
        c->sum = 0.0;
    }
}

static inline float glia_chain_done_f32(glia_chain_f32 *c)
{
    if (c->at & (GLIA_PRODUCT_SEGMENT - 1)) glia_tree_push_f32(&c->tree, c->sum);
    return glia_tree_done_f32(&c->tree);
}

static inline double glia_chain_done_f64(glia_chain_f64 *c)
{
    if (c->at & (GLIA_PRODUCT_SEGMENT - 1)) glia_tree_push_f64(&c->tree, c->sum);
    return glia_tree_done_f64(&c->tree);
}

#endif
