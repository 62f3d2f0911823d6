/* A plan's items with everything resolved: tensors, boxes, scratch. Made once for a variant whose dims are constants,
 * so that a run walks an array and calls kernels. What tiles of a counter need is not in it (lane.c has that). */
#ifndef GLIA_RUN_BOUND_H
#define GLIA_RUN_BOUND_H

#include "compile/plan.h"

typedef struct glia_bound_item {
    glia_kernel run;
    glia_kargs k;
    const glia_arg_record *args; /* inputs, then outputs, which lie one after the other as k.in and k.out */
    uint32_t node;
    int32_t fault; /* of a guard */
    uint16_t slot;
    bool look; /* whether the run is to be stopped, before this item */
} glia_bound_item;

typedef struct glia_bound {
    glia_bound_item *items;
    int32_t *first; /* [slot * (phases + 1) + phase]: items of a slot in a phase; without those of tiles */
    int64_t count;
    uintptr_t bases[GLIA_BASE_COUNT];
} glia_bound;

/* scratch: of slot 0. Null: no memory, or so many pieces that they are better formed as they run. */
glia_bound *glia_bound_make(const glia_plan *p, const glia_variant *v, uint8_t *scratch, glia_arena *a);
/* The bases that the next runs use. */
void glia_bound_set(glia_bound *b, const uintptr_t *bases);

#endif
