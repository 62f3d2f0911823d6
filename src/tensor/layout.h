/* Packed layouts of weights [n, k]. A tensor exists in one layout only; every layout can give back a
 * row, so that gather, export and reference kernels work on all of them.
 *
 * R16: rows in panels of 16 (the last padded with zero rows), so that a vector register holds the same
 * position of 16 rows and no shuffles are needed:
 *   F32, F16, BF16   [ceil(n/16)][k][16]
 *   Q8_0             per panel, per pair of blocks (64 positions of k; an odd last block is padded with a
 *                    zero block): f16 d[2][16]; then for each of the two blocks, for j = 0..7:
 *                    u8 q[16 rows][4], positions 4j..4j+3, stored as q + 128 (unsigned).  1088 bytes a pair
 *   Q4_0             per panel, per pair: f16 d[2][16]; for each block, for j = 0..3: u8 [16 rows][4]:
 *                    low nibbles positions 4j..4j+3, high nibbles 16+4j..16+4j+3.          576 bytes a pair
 */
#ifndef GLIA_TENSOR_LAYOUT_H
#define GLIA_TENSOR_LAYOUT_H

#include "tensor/dtype.h"

enum { GLIA_LAYOUT_PLAIN = 0, GLIA_LAYOUT_R16 = 1, GLIA_LAYOUT_COUNT };

const char *glia_layout_name(int layout); /* "plain", "r16" */
/* False if the format has no such layout, or on overflow. */
bool glia_layout_bytes(int layout, glia_dtype t, int64_t n, int64_t k, int64_t *out);
/* Packs rows [row_begin, row_end) of a plain tensor [n, k]; row_begin is a multiple of 16. `from` points at
 * row row_begin (rows may arrive panel by panel), `to` at the start of the packed tensor. */
void glia_layout_pack(int layout, glia_dtype t, int64_t n, int64_t k, const void *from, int64_t row_begin,
                      int64_t row_end, void *to);
/* Decodes one row to f32 [k]. */
void glia_layout_row(int layout, glia_dtype t, int64_t n, int64_t k, const void *tensor, int64_t row,
                     float *out);
/* The row in its plain bytes (the exact inverse of packing). */
void glia_layout_unpack_row(int layout, glia_dtype t, int64_t n, int64_t k, const void *tensor, int64_t row,
                            void *out);

#endif
