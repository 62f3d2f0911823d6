/* Element types and block formats. One closed list; everything else about a type is a column
 * of the table in src/tensor/dtype.c. */
#ifndef GLIA_DTYPE_H
#define GLIA_DTYPE_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(enum suffix, name, elements per block, bytes per block) */
#define GLIA_DTYPES(X)                                                                                       \
    X(F32, "f32", 1, 4)                                                                                      \
    X(F64, "f64", 1, 8)                                                                                      \
    X(F16, "f16", 1, 2)                                                                                      \
    X(BF16, "bf16", 1, 2)                                                                                    \
    X(I8, "i8", 1, 1)                                                                                        \
    X(I16, "i16", 1, 2)                                                                                      \
    X(I32, "i32", 1, 4)                                                                                      \
    X(I64, "i64", 1, 8)                                                                                      \
    X(U8, "u8", 1, 1)                                                                                        \
    X(U16, "u16", 1, 2)                                                                                      \
    X(U32, "u32", 1, 4)                                                                                      \
    X(U64, "u64", 1, 8)                                                                                      \
    X(BOOL, "bool", 1, 1)                                                                                    \
    X(Q8_0, "q8_0", 32, 34)                                                                                  \
    X(Q4_0, "q4_0", 32, 18)                                                                                  \
    X(Q4_1, "q4_1", 32, 20)                                                                                  \
    X(Q5_0, "q5_0", 32, 22)                                                                                  \
    X(Q5_1, "q5_1", 32, 24)                                                                                  \
    X(Q2_K, "q2_k", 256, 84)                                                                                 \
    X(Q3_K, "q3_k", 256, 110)                                                                                \
    X(Q4_K, "q4_k", 256, 144)                                                                                \
    X(Q5_K, "q5_k", 256, 176)                                                                                \
    X(Q6_K, "q6_k", 256, 210)                                                                                \
    X(Q8_K, "q8_k", 256, 292)                                                                                \
    X(IQ4_NL, "iq4_nl", 32, 18)                                                                              \
    X(TQ1_0, "tq1_0", 256, 54)                                                                               \
    X(TQ2_0, "tq2_0", 256, 66)                                                                               \
    X(A8X32, "a8x32", 32, 40)                                                                                \
    X(A8X256, "a8x256", 256, 324)                                                                            \
    X(MXFP4, "mxfp4", 32, 17)                                                                                \
    X(IQ4_XS, "iq4_xs", 256, 136)                                                                            \
    X(IQ3_S, "iq3_s", 256, 110)                                                                              \
    X(IQ3_XXS, "iq3_xxs", 256, 98)                                                                           \
    X(IQ2_S, "iq2_s", 256, 82)                                                                               \
    X(IQ2_XS, "iq2_xs", 256, 74)                                                                             \
    X(IQ2_XXS, "iq2_xxs", 256, 66)                                                                           \
    X(IQ1_S, "iq1_s", 256, 50)                                                                               \
    X(IQ1_M, "iq1_m", 256, 56)                                                                               \
    X(NVFP4, "nvfp4", 64, 36)                                                                                \
    X(Q1_0, "q1_0", 128, 18)                                                                                 \
    X(Q2_0, "q2_0", 64, 18)                                                                                  \
    X(F8E4M3FN, "f8e4m3fn", 1, 1)                                                                            \
    X(F8E4M3FNUZ, "f8e4m3fnuz", 1, 1)                                                                        \
    X(F8E5M2, "f8e5m2", 1, 1)                                                                                \
    X(F8E5M2FNUZ, "f8e5m2fnuz", 1, 1)                                                                        \
    X(F8E8M0, "f8e8m0", 1, 1)                                                                                \
    X(F6E2M3, "f6e2m3", 1, 1)                                                                                \
    X(F6E3M2, "f6e3m2", 1, 1)                                                                                \
    X(F4E2M1, "f4e2m1", 1, 1)                                                                                \
    X(I4, "i4", 1, 1)                                                                                        \
    X(U4, "u4", 1, 1)                                                                                        \
    X(I2, "i2", 1, 1)                                                                                        \
    X(U2, "u2", 1, 1)

typedef enum glia_dtype {
    GLIA_DTYPE_NONE = 0,
#define GLIA_DTYPE_ENUM(id, name, elements, bytes) GLIA_##id,
    GLIA_DTYPES(GLIA_DTYPE_ENUM)
#undef GLIA_DTYPE_ENUM
        GLIA_DTYPE_COUNT
} glia_dtype;

/* "q4_0"; "none" for GLIA_DTYPE_NONE and for values out of range. */
GLIA_API const char *glia_dtype_name(glia_dtype t);
/* By name, upper or lower case; GLIA_DTYPE_NONE if unknown. */
GLIA_API glia_dtype glia_dtype_parse(const char *name);

#ifdef __cplusplus
}
#endif
#endif
