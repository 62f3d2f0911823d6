/* Room in the scratch of `linear` in which a kernel may lay unpacked panels of 16 weight rows while many rows
 * of activations pass by. The op asks for it, kernels of the CPU provider divide it. */
#ifndef GLIA_OPS_UNPACKED_H
#define GLIA_OPS_UNPACKED_H

#include "base/check.h"

enum {
    GLIA_UNPACKED_ROWS = 24,        /* with fewer rows of activations unpacking does not pay */
    GLIA_UNPACKED_PANELS = 16,      /* most panels at a time */
    GLIA_UNPACKED_CACHE = 3 << 19,  /* bytes of panels that should stay in a second-level cache */
    GLIA_UNPACKED_BLOCK = 1184,     /* bytes of 32 positions of a panel: two bytes an element, scales */
    GLIA_UNPACKED_FIXED = 144 << 10 /* activations and results of the rows at hand */
};

/* Levels of the tree that the sums of a row's segments fill, and one for the running segment. */
static inline int64_t glia_unpacked_levels(int64_t depth)
{
    int64_t levels = 2;
    for (int64_t segments = glia_ceil_div(depth, 1024); segments > 1; segments /= 2) levels++;
    return levels;
}

/* Bytes of one unpacked panel; blocks of 32 come in fours, and eight more may be read. */
static inline int64_t glia_unpacked_panel(int64_t depth)
{
    return (glia_ceil_div(depth, 128) * 4 + 8) * GLIA_UNPACKED_BLOCK;
}

static inline int64_t glia_unpacked_panels(int64_t depth)
{
    const int64_t fit = GLIA_UNPACKED_CACHE / glia_unpacked_panel(depth);
    return fit < 1 ? 1 : fit > GLIA_UNPACKED_PANELS ? GLIA_UNPACKED_PANELS : fit;
}

/* All of it; depth is at most 2^40. */
static inline int64_t glia_unpacked_bytes(int64_t depth)
{
    const int64_t sums = 2 * 1024 * glia_unpacked_levels(depth);
    return GLIA_UNPACKED_FIXED + glia_unpacked_panels(depth) * (glia_unpacked_panel(depth) + sums);
}

#endif
