/* Eight chains over the words of a line of 64 bytes: h = rotate(h ^ word, 29) * odd. Every step can be
 * undone, so that one changed word changes its chain to the end; so can joining the chains. */
#include "sum64.h"

#include <string.h>

#define CHAINS 8
#define ODD UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t rotate(uint64_t v) { return v << 29 | v >> 35; }

static inline void line(uint64_t h[CHAINS], const uint8_t *p)
{
    for (int i = 0; i < CHAINS; i++) {
        uint64_t w;
        memcpy(&w, p + 8 * i, sizeof w);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
        w = __builtin_bswap64(w);
#endif
        h[i] = rotate(h[i] ^ w) * ODD;
    }
}

uint64_t glia_sum64(const void *memory, int64_t n)
{
    const uint8_t *p = memory;
    uint64_t h[CHAINS], sum = (uint64_t)n;
    for (int i = 0; i < CHAINS; i++) h[i] = ODD + (uint64_t)i;
    for (; n >= 64; n -= 64, p += 64) line(h, p);
    if (n > 0) {
        uint8_t last[64] = {0};
        memcpy(last, p, (size_t)n);
        line(h, last);
    }
    for (int i = 0; i < CHAINS; i++) sum = rotate(sum ^ h[i]) * ODD;
    return sum ^ sum >> 32;
}
