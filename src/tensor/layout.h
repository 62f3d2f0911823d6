/* Packed layouts of weights [n, k]. A tensor exists in one layout only; every layout can give back a
 * row, so that gather, export and reference kernels work on all of them.
 *
 * R16: rows in panels of 16 (the last padded with rows that mean zero), so that a vector register holds the
 * same position of 16 rows and no shuffles are needed.
 *
 *   F32, F16, BF16   [ceil(n/16)][k][16]
 *
 * Block formats: a panel is a row of groups of one, two or four blocks, the least that fills whole cache
 * lines (the last group is padded with blocks that mean zero). A group is its scalars, then each block's
 * words; both are the bytes of the plain block, transposed lane by lane:
 *
 *   scalars   for each field: [blocks of the group][16 rows] of its width
 *   words     for each block of the group: u32 [word][16 rows], four bytes of a row side by side, in
 *             the order of the plain block's other bytes
 *
 *   format  blocks   scalars of the group               words of a block                bytes
 *   Q8_0        2    f16 d[2][16]                       q 8, stored as q + 128           1088
 *   Q4_0        2    f16 d[2][16]                       q 4                               576
 *   IQ4_NL      2    f16 d[2][16]                       q 4                               576
 *   Q4_1        2    f16 d[2][16], m[2][16]             q 4                               640
 *   Q5_0        2    f16 d[2][16], u32 high[2][16]      q 4                               704
 *   Q5_1        2    f16 d[2][16], m[2][16], u32 high[2][16] q 4                               768
 *   MXFP4       4    u8 e[4][16]                        q 4                              1088
 *   Q2_K        1    f16 d[16], dmin[16]                scales 4, q 16                   1344
 *   Q3_K        2    f16 d[2][16]                       mask 8, q 16, scales 3           3520
 *   Q4_K        1    f16 d[16], dmin[16]                scales 3, q 32                   2304
 *   Q5_K        1    f16 d[16], dmin[16]                scales 3, high 8, q 32           2816
 *   Q6_K        2    f16 d[2][16]                       low 32, high 16, scales 4        6720
 *   IQ4_XS      1    f16 d[16], u16 scales_high[16]     scales_low 1, q 32               2176
 *   TQ1_0       2    f16 d[2][16]                       q 12, q of the last 16: 1        1728
 *   TQ2_0       2    f16 d[2][16]                       q 16                             2112
 *
 * So Q4_0's word j holds positions 4j..4j+3 in its low nibbles and 16+4j..16+4j+3 in the high ones, as in the
 * plain block. The size is that of the plain rows but for the padding.
 *
 * C16: weights of convolutions [m, c, taps..] in panels of 16 rows, along (taps.., c) with c fastest, which is the
 * order of their sums; the last panel is padded with zeros.
 *
 *   F32      [ceil(m/16)][taps..][c][16]
 *   I8, U8   for each panel: words [ceil(k/4)][16 rows] of four bytes of a row side by side, k = taps * c; then the
 *            16 sums of the rows, I32. U8 is stored as I8, less 128; what pads k is 0.
 */
#ifndef GLIA_TENSOR_LAYOUT_H
#define GLIA_TENSOR_LAYOUT_H

#include "tensor/dtype.h"

enum { GLIA_LAYOUT_PLAIN = 0, GLIA_LAYOUT_R16 = 1, GLIA_LAYOUT_C16 = 2, GLIA_LAYOUT_COUNT };

const char *glia_layout_name(int layout); /* "plain", "r16", "c16" */
/* False if the format has no such layout, or on overflow. */
bool glia_layout_bytes(int layout, glia_dtype t, int64_t n, int64_t k, int64_t *out);
/* The same of a tensor, for every layout. */
bool glia_layout_tensor_bytes(int layout, glia_dtype t, int rank, const int64_t *dims, int64_t *out);
/* Packs rows [row_begin, row_end) of a plain weight [m, c, taps..] to C16; row_begin is a multiple of 16. */
void glia_layout_pack_taps(glia_dtype t, int rank, const int64_t *dims, const void *from, int64_t row_begin,
                           int64_t row_end, void *to);
/* Bytes of a panel of C16 with k elements a row; 0 if the dtype has no such layout. */
int64_t glia_layout_taps_panel(glia_dtype t, int64_t k);
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
