/* The table of element types and block formats: size, class, decode, encode, and the
 * arithmetic in which a weight of that format is multiplied.
 *
 * Quantised activations are formats too. A row of k elements of A8X32 is planar:
 *     int8 q[k], f32 d[k/32], int32 sum[k/32]      (40 bytes per 32; sum = sum of the block's q)
 * and of A8X256:
 *     int8 q[k], f32 d[k/256], int32 sum[k/16]     (324 bytes per 256; sum per 16 elements)
 * with x ~ d * q, d = max|x| / 127 over the block (IEEE division), q = round to nearest even of
 * x * (127 / max|x|) (0 for an all-zero block).
 *
 * All other rows are k / block_elements blocks one after the other, as in GGUF. */
#ifndef GLIA_TENSOR_DTYPE_H
#define GLIA_TENSOR_DTYPE_H

#include <glia/dtype.h>
#include <stdbool.h>

enum {                       /* classes; a dtype may be in several */
       GLIA_CLASS_FLOAT = 1, /* F64 F32 F16 BF16: letter F in signatures */
       GLIA_CLASS_INT = 2,   /* signed and unsigned integers */
       GLIA_CLASS_BOOL = 4,
       GLIA_CLASS_QUANT = 8,       /* block formats of weights: letter Q */
       GLIA_CLASS_ACTIVATION = 16, /* A8X32, A8X256: letter A */
       GLIA_CLASS_LOWBIT = 32      /* floats of 8, 6 and 4 bits, integers of 4 and 2: kept and converted, not
                                      computed with (lowbit.h) */
};

typedef struct glia_dtype_info {
    const char *name;
    int32_t block_elements;
    int32_t block_bytes;
    uint32_t classes;
    glia_dtype activation;  /* the format in which activations meet this weight; F32 for floats */
    int32_t gguf_type;      /* ggml type number, -1 if none */
    const char *arithmetic; /* one line for docs and `glia plan` */
    /* One row of n elements (a multiple of block_elements) to f32; exact for all formats but
     * F64 and wide integers. Never null for floats and block formats. */
    void (*decode)(const void *row, float *out, int64_t n);
    /* The inverse; null if this format is not written. weight: importance per element [n], not negative, or
     * null; formats that are fitted minimise the sum of weight * (x - y)^2, the others take no notice of it.
     */
    void (*encode)(const float *in, void *row, int64_t n, const float *weight);
} glia_dtype_info;

/* Row of the table; for values out of range the row of GLIA_DTYPE_NONE (block_elements 1, bytes 0). */
const glia_dtype_info *glia_dtype_get(glia_dtype t);
/* From a ggml type number; GLIA_DTYPE_NONE if it is unknown here. */
glia_dtype glia_dtype_from_gguf(int64_t type);

/* Bytes of a row of n elements; false if n is negative, no multiple of the block, or wraps. */
bool glia_dtype_row_bytes(glia_dtype t, int64_t n, int64_t *out);
/* Bytes of a tensor; rank 0 is a scalar. dims outermost first; blocks lie along the last axis. */
bool glia_dtype_tensor_bytes(glia_dtype t, int rank, const int64_t *dims, int64_t *out);

float glia_f16_to_f32(uint16_t h);
uint16_t glia_f32_to_f16(float f); /* nearest even */
float glia_bf16_to_f32(uint16_t h);
uint16_t glia_f32_to_bf16(float f); /* nearest even, NaN kept quiet */

#endif
