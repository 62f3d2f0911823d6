/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011). The n-th number of
 * a (seed, stream) is a pure function, so any thread can draw it and every machine agrees. */
#ifndef GLIA_BASE_RNG_H
#define GLIA_BASE_RNG_H

#include <stdint.h>

typedef struct glia_rng {
    uint64_t seed, stream, counter; /* counter: numbers of 32 bits drawn so far */
} glia_rng;

/* The four words of one block: key = seed, counter = (block, stream). */
void glia_philox(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]);
uint32_t glia_rng_u32(glia_rng *r);
uint64_t glia_rng_u64(glia_rng *r);
/* Uniform in [0, 1) with 24 or 53 bits. */
float glia_rng_f32(glia_rng *r);
double glia_rng_f64(glia_rng *r);
/* Uniform in [0, n), unbiased; n > 0. */
uint64_t glia_rng_below(glia_rng *r, uint64_t n);
/* Standard normal (Box-Muller over our own log, sin, cos). */
float glia_rng_normal(glia_rng *r);

#endif
