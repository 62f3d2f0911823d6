/* The lane sums of the numeric specification; see sum.h for the order. */
#include "ops/sum.h"

void glia_lanes_flush_f32(glia_lanes_f32 *l)
{
    glia_tree_f32 t = {.count = 0};
    for (int i = 0; i < GLIA_LANES; i++) {
        glia_tree_push_f32(&t, l->lane[i]);
        l->lane[i] = 0.0f;
    }
    glia_tree_push_f32(&l->tree, glia_tree_done_f32(&t));
}

void glia_lanes_flush_f64(glia_lanes_f64 *l)
{
    glia_tree_f64 t = {.count = 0};
    for (int i = 0; i < GLIA_LANES; i++) {
        glia_tree_push_f64(&t, l->lane[i]);
        l->lane[i] = 0.0;
    }
    glia_tree_push_f64(&l->tree, glia_tree_done_f64(&t));
}

float glia_lanes_done_f32(glia_lanes_f32 *l)
{
    if (l->at & (GLIA_LANE_SEGMENT - 1)) glia_lanes_flush_f32(l);
    return glia_tree_done_f32(&l->tree);
}

double glia_lanes_done_f64(glia_lanes_f64 *l)
{
    if (l->at & (GLIA_LANE_SEGMENT - 1)) glia_lanes_flush_f64(l);
    return glia_tree_done_f64(&l->tree);
}
