/* The exact search of the memory planner, pack.c: offsets below a given capacity, or the proof that there are none. */
#ifndef GLIA_COMPILE_PACK_H
#define GLIA_COMPILE_PACK_H

#include "compile/plan.h"

/* Which buffers a search tries first. */
typedef enum {
    GLIA_PACK_AREA,
    GLIA_PACK_SECTIONS,
    GLIA_PACK_SIZE,
    GLIA_PACK_CROWD,
    GLIA_PACK_NEIGHBOURS,
    GLIA_PACK_ORDERS
} glia_pack_order;

typedef struct glia_pack glia_pack;

/* Null: no memory, or too many buffers live together for a search. The buffers are read now; zero bytes are fine. */
glia_pack *glia_pack_prepare(const glia_buffer *b, int64_t count, glia_arena *scratch);
/* Searches for offsets with all buffers below `capacity`, for so many steps at most. shuffle: 0, or which of the
 * orders' variations. 1: found, and written into `offsets` [count]; 0: there are none; -1: steps are used up. */
int glia_pack_search(glia_pack *p, int64_t capacity, glia_pack_order order, uint64_t shuffle, int64_t *steps,
                     int64_t *offsets);

#endif
