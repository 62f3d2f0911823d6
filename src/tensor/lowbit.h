/* Floats of 8, 6 and 4 bits and integers of 4 and 2, as they are exchanged: one element a byte in memory, packed
 * only in files. A float's code lies in the low bits and the others are zero; an integer is the byte's own value,
 * with its sign. Nothing computes with them: they are converted.
 *
 *     dtype        sign, exponent, mantissa   bias   largest     infinity, NaN
 *     F8E4M3FN     1 4 3                      7      448         none, 0x7f and 0xff
 *     F8E4M3FNUZ   1 4 3                      8      240         none, 0x80 (there is no -0)
 *     F8E5M2       1 5 2                      15     57344       0x7c, above it
 *     F8E5M2FNUZ   1 5 2                      16     57344       none, 0x80 (there is no -0)
 *     F8E8M0       0 8 0                      127    2^127       none, 0xff (there is no zero)
 *     F6E2M3       1 2 3                      1      7.5         none
 *     F6E3M2       1 3 2                      3      28          none
 *     F4E2M1       1 2 1                      1      6           none
 *
 * (Micikevicius et al. 2022, FP8 formats; Noune et al. 2022 for the FNUZ kinds; OCP Microscaling formats 1.0.) */
#ifndef GLIA_TENSOR_LOWBIT_H
#define GLIA_TENSOR_LOWBIT_H

#include <glia/dtype.h>
#include <stdbool.h>

/* What a code means; for dtypes that are not of the class LOWBIT: 0. */
float glia_lowbit_to_f32(glia_dtype t, uint8_t code);

/* The nearest code, halves to even. What is too large becomes the largest number if `saturate`, infinity included,
 * else infinity or NaN as the format has it. NaN becomes NaN, or -0 in formats without one. Integers are clamped,
 * NaN is 0. F8E8M0: glia_e8m0_from_f32 with nearest. */
uint8_t glia_lowbit_from_f32(glia_dtype t, float v, bool saturate);

/* A power of two for |v|: the next above, the next below, or the nearest (halves up). Too large: 2^127 if
 * `saturate`, else NaN; too small, and 0: 2^-127. Infinity as what is too large; NaN stays NaN. */
typedef enum glia_e8m0_round { GLIA_E8M0_NEAREST, GLIA_E8M0_UP, GLIA_E8M0_DOWN } glia_e8m0_round;
uint8_t glia_e8m0_from_f32(float v, glia_e8m0_round round, bool saturate);

/* Bits of an element in files: 8, 6, 4 or 2; 0 for dtypes of other classes. */
int glia_lowbit_bits(glia_dtype t);
/* Bytes of n packed elements, the first in the lowest bits; false on overflow or another class. */
bool glia_lowbit_packed_bytes(glia_dtype t, int64_t n, int64_t *out);
void glia_lowbit_unpack(glia_dtype t, const void *packed, int64_t n, void *out);
void glia_lowbit_pack(glia_dtype t, const void *elements, int64_t n, void *packed);

#endif
