/* A checksum of 64 bits for large memory, as fast as memory is read. It finds damage; it is no defence
 * against who can compute one (for that there is sha256.h). Two memories of one size that differ in a single
 * aligned word of eight bytes always have different sums. The same on every machine. */
#ifndef GLIA_BASE_SUM64_H
#define GLIA_BASE_SUM64_H

#include <stdint.h>

uint64_t glia_sum64(const void *p, int64_t n);

#endif
