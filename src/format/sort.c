/* Heap sort of indices; see sort.h. */
#include "format/sort.h"

static void sift_down(int32_t *order, int64_t at, int64_t n, glia_sort_less *less, const void *ctx)
{
    int32_t moved = order[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && less(ctx, order[child], order[child + 1])) child++;
        if (!less(ctx, moved, order[child])) break;
        order[at] = order[child];
    }
    order[at] = moved;
}

void glia_sort_order(int32_t *order, int64_t n, glia_sort_less *less, const void *ctx)
{
    for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
    for (int64_t i = n / 2; i-- > 0;) sift_down(order, i, n, less, ctx);
    for (int64_t end = n; end-- > 1;) {
        int32_t top = order[0];
        order[0] = order[end];
        order[end] = top;
        sift_down(order, 0, end, less, ctx);
    }
}
