/* Philox 4x32-10, as in Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3". */
#include "rng.h"
#include "fmath.h"

#include <math.h>

void glia_philox(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4])
{
    enum { ROUNDS = 10 };
    const uint32_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u; /* multipliers of the paper */
    const uint32_t w0 = 0x9E3779B9u, w1 = 0xBB67AE85u; /* key steps: golden ratio, sqrt(3) - 1 */
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t p0 = (uint64_t)m0 * c0, p1 = (uint64_t)m1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += w0;
        k1 += w1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint32_t glia_rng_u32(glia_rng *r)
{
    uint32_t four[4];
    glia_philox(r->seed, r->stream, r->counter >> 2, four);
    return four[r->counter++ & 3];
}

uint64_t glia_rng_u64(glia_rng *r)
{
    uint64_t low = glia_rng_u32(r);
    return (uint64_t)glia_rng_u32(r) << 32 | low;
}

float glia_rng_f32(glia_rng *r) { return (float)(glia_rng_u32(r) >> 8) * 0x1p-24f; }
double glia_rng_f64(glia_rng *r) { return (double)(glia_rng_u64(r) >> 11) * 0x1p-53; }

uint64_t glia_rng_below(glia_rng *r, uint64_t n)
{
    if (n <= 1) return 0;
    /* 2^64 mod n values at the bottom would make the remainder uneven: draw again. */
    uint64_t uneven = (0 - n) % n, v;
    do v = glia_rng_u64(r);
    while (v < uneven);
    return v % n;
}

float glia_rng_normal(glia_rng *r)
{
    /* 1 - u lies in (0, 1], so that the logarithm is finite. The second normal of the pair is not kept:
     * two draws for each number keep the counter a function of how many were drawn. */
    double u = 1 - glia_rng_f64(r), angle = 6.283185307179586 * glia_rng_f64(r);
    return (float)(sqrt(-2 * glia_log(u)) * glia_cos(angle));
}
