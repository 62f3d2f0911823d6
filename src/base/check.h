/* Checked arithmetic on sizes. Sizes are int64_t and never negative; a result that would
 * be negative or wrap makes the function return false. */
#ifndef GLIA_BASE_CHECK_H
#define GLIA_BASE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define GLIA_COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static inline bool glia_add(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, out);
}

static inline bool glia_mul(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

/* Rounds up to a multiple of `to` (> 0). */
static inline bool glia_round_up(int64_t a, int64_t to, int64_t *out)
{
    int64_t t;
    if (a < 0 || to <= 0 || __builtin_add_overflow(a, to - 1, &t)) return false;
    *out = t / to * to;
    return true;
}

static inline int64_t glia_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t glia_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t glia_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
