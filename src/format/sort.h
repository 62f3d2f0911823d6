/* Orders numbers 0 .. n - 1 by what they stand for. By heap: no recursion, no memory, and no order that a
 * file could choose makes it slow. Equal ones come in any order. */
#ifndef GLIA_FORMAT_SORT_H
#define GLIA_FORMAT_SORT_H

#include <stdbool.h>
#include <stdint.h>

typedef bool glia_sort_less(const void *ctx, int32_t a, int32_t b);

/* Fills order[0 .. n), n <= 2^31 - 1. */
void glia_sort_order(int32_t *order, int64_t n, glia_sort_less *less, const void *ctx);

#endif
