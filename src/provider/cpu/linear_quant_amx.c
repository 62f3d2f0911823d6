/* linear over R16 panels with matrix tiles (AMX), for many rows of activations; with fewer the vector kernels
 * of AVX-512 VNNI run. Built alone with its flags.
 *
 * The tiles give sums that are exact integers, so the bits are those of docs/numerics.md; what follows a
 * block's sum is the same float arithmetic in the same order. linear_amx.h has the walk, linear_amx32.h and
 * linear_amx256.h the two kinds of products. Bytes become quants by the unpacking that all R16 kernels share.
 */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#include "provider/cpu/r16_steps_avx512vnni.h"

#include "provider/cpu/linear_r16.h"

#define AMX_INLINE static inline __attribute__((always_inline))
#include "provider/cpu/linear_amx256.h"
#include "provider/cpu/linear_amx32.h"

extern const glia_cpu_isa glia_cpu_avx512vnni;

/* The place of each format among the rows of R16_KERNEL_ROWS, two of each. */
enum amx_format {
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    IQ4_NL,
    MXFP4,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_XS,
    TQ1_0,
    TQ2_0
};

/* A row of the table: tiles, or the vector kernel. Function bodies are in the headers; this only names them.
 */
#define AMX_LINEAR(name, format, kernel)                                                                     \
    static void linear_##name(const glia_kargs *k)                                                           \
    {                                                                                                        \
        static const amx_kernel f = kernel;                                                                  \
        if (!amx_linear(k, &f)) glia_cpu_avx512vnni.rows[2 * format].run(k);                                 \
    }
#define AMX_32(name, format, multiply, small, ...)                                                           \
    static void unpack_##name(const uint8_t *panel, int64_t depth, uint8_t *to)                              \
    {                                                                                                        \
        static const r16_format f = __VA_ARGS__;                                                             \
        amx32_unpack(f, r16_block_##name, small, panel, depth, to);                                          \
    }                                                                                                        \
    AMX_LINEAR(name, format, AMX_32_KERNEL(unpack_##name, multiply))
#define AMX_32_KERNEL(unpack, multiply)                                                                      \
    {                                                                                                        \
        AMX32_CHUNK, 32, sizeof(amx32_weights), unpack, amx32_ready_rows, multiply                           \
    }
#define AMX_256(name, format, split, chunk, scales, multiply, ...)                                           \
    static void unpack_##name(const uint8_t *panel, int64_t depth, uint8_t *to)                              \
    {                                                                                                        \
        static const r16_format f = __VA_ARGS__;                                                             \
        amx256_unpack(f, split, chunk, scales, panel, depth, to);                                            \
    }                                                                                                        \
    AMX_LINEAR(name, format, AMX_256_KERNEL(unpack_##name, multiply))
#define AMX_256_KERNEL(unpack, multiply)                                                                     \
    {                                                                                                        \
        AMX256_CHUNK, 256, sizeof(amx256_weights), unpack, amx256_ready_rows, multiply                       \
    }

/* blocks, elements of a block, bytes of a group's scalars, of a group, of a block's words; sums */
AMX_32(q8_0, Q8_0, amx32_plain, false, {2, 32, 64, 1088, 512, {.offset = 128}, false, false})
AMX_32(q4_0, Q4_0, amx32_plain, true, {2, 32, 64, 576, 256, {.offset = 8}, false, false})
AMX_32(q4_1, Q4_1, amx32_affine, true, {2, 32, 128, 640, 256, {.offset = 0}, true, false})
AMX_32(q5_0, Q5_0, amx32_plain, true, {2, 32, 192, 704, 256, {.offset = 16}, false, false})
AMX_32(q5_1, Q5_1, amx32_affine, true, {2, 32, 256, 768, 256, {.offset = 0}, true, false})
AMX_32(iq4_nl, IQ4_NL, amx32_plain, false, {2, 32, 64, 576, 256, {.offset = 128}, false, false})
AMX_32(mxfp4, MXFP4, amx32_plain, true, {4, 32, 64, 1088, 256, {.offset = 12}, false, true})
AMX_256(q2_k, Q2_K, AMX_SMALL, r16_chunk_q2_k, r16_scales_q2_k, amx256_affine,
        {1, 256, 64, 1344, 1280, {4, 4, true, 0, 8, true}, false, false})
AMX_256(q3_k, Q3_K, AMX_MINUS, r16_chunk_q3_k, r16_scales_q3_k, amx256_plain,
        {2, 256, 64, 3520, 1728, {4, 4, true, 4, 0, true}, false, false})
AMX_256(q4_k, Q4_K, AMX_THREES, r16_chunk_q4_k, r16_scales_q4_k, amx256_threes,
        {1, 256, 64, 2304, 2240, {8, 4, true, 0, 4, false}, false, false})
AMX_256(q5_k, Q5_K, AMX_THREES, r16_chunk_q5_k, r16_scales_q4_k, amx256_threes,
        {1, 256, 64, 2816, 2752, {8, 8, false, 0, 4, false}, false, false})
AMX_256(q6_k, Q6_K, AMX_SEVENS, r16_chunk_q6_k, r16_scales_q6_k, amx256_sevens,
        {2, 256, 64, 6720, 3328, {4, 4, false, 32, 0, true}, false, false})
AMX_256(iq4_xs, IQ4_XS, AMX_SEVENS, r16_chunk_iq4_xs, r16_scales_iq4_xs, amx256_sevens,
        {1, 256, 64, 2176, 2112, {8, 8, false, 128, 0, false}, false, false})
AMX_256(tq1_0, TQ1_0, AMX_UNIT, r16_chunk_tq1_0, r16_no_scales, amx256_plain,
        {2, 256, 64, 1728, 832, {64, 4, false, 1, 0, false}, false, false})
AMX_256(tq2_0, TQ2_0, AMX_UNIT, r16_chunk_tq2_0, r16_no_scales, amx256_plain,
        {2, 256, 64, 2112, 1024, {64, 4, false, 1, 0, true}, false, false})

#define AMX_ROW(name, activation)                                                                            \
    {                                                                                                        \
        &glia_op_linear, activation "," #name ":r16,f32?->f32", linear_##name, "linear_" #name "_r16_amx"    \
    }
static const glia_cpu_kernel kernels[] = {
    AMX_ROW(q8_0, "a8x32"),    AMX_ROW(q4_0, "a8x32"),   AMX_ROW(q4_1, "a8x32"),   AMX_ROW(q5_0, "a8x32"),
    AMX_ROW(q5_1, "a8x32"),    AMX_ROW(iq4_nl, "a8x32"), AMX_ROW(mxfp4, "a8x32"),  AMX_ROW(q2_k, "a8x256"),
    AMX_ROW(q3_k, "a8x256"),   AMX_ROW(q4_k, "a8x256"),  AMX_ROW(q5_k, "a8x256"),  AMX_ROW(q6_k, "a8x256"),
    AMX_ROW(iq4_xs, "a8x256"), AMX_ROW(tq1_0, "a8x256"), AMX_ROW(tq2_0, "a8x256"),
};

extern const glia_cpu_isa glia_cpu_amx;
const glia_cpu_isa glia_cpu_amx = {"amx",
                                   GLIA_CPU_AVX2 | GLIA_CPU_AVX512 | GLIA_CPU_AVX512_VNNI | GLIA_CPU_AMX,
                                   kernels, GLIA_COUNT(kernels)};
