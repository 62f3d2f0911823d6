/* linear over R16 panels of super-blocks with matrix tiles (AMX), for many rows of activations; with fewer
 * the vector kernels of AVX-512 VNNI run, and so they do for blocks of 32: what follows each block's sum
 * there is float arithmetic that vectors do no slower than tiles beside vectors. Built alone with its flags.
 *
 * The tiles give sums that are exact integers, so the bits are those of docs/numerics.md. linear_amx.h has
 * the walk, linear_amx256.h the products. Bytes become quants by the unpacking that all R16 kernels share. */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#include "provider/cpu/r16_steps_avx512vnni.h"

#include "provider/cpu/r16_table.h"

#define AMX_INLINE static inline __attribute__((always_inline))
#include "provider/cpu/linear_amx256.h"

extern const glia_cpu_isa glia_cpu_avx512vnni;

/* The place of each format's product among the rows of AVX-512 VNNI (R16_KERNEL_ROWS); a test holds the names
 * together. */
enum amx_format {
    Q2_K = 14,
    Q3_K = 16,
    Q4_K = 18,
    Q5_K = 20,
    Q6_K = 22,
    IQ4_XS = 24,
    TQ1_0 = 26,
    TQ2_0 = 28
};

/* A row of the table: tiles, or the vector kernel. Function bodies are in the headers; this only names them.
 */
#define AMX_LINEAR(name, format, kernel)                                                                     \
    static void linear_##name(const glia_kargs *k)                                                           \
    {                                                                                                        \
        static const amx_kernel f = kernel;                                                                  \
        if (!amx_linear(k, &f)) glia_cpu_avx512vnni.rows[format].run(k);                                     \
    }
#define AMX_256(name, format, split, chunk, scales, multiply)                                                \
    static void unpack_##name(const uint8_t *panel, int64_t depth, uint8_t *to)                              \
    {                                                                                                        \
        const r16_format f = r16_##name;                                                                     \
        amx256_unpack(f, split, chunk, scales, panel, depth, to);                                            \
    }                                                                                                        \
    AMX_LINEAR(name, format, AMX_256_KERNEL(unpack_##name, multiply))
#define AMX_256_KERNEL(unpack, multiply)                                                                     \
    {                                                                                                        \
        AMX256_CHUNK, 256, sizeof(amx256_weights), unpack, amx256_ready_rows, multiply                       \
    }

AMX_256(q2_k, Q2_K, AMX_SMALL, r16_chunk_q2_k, r16_scales_q2_k, amx256_affine)
AMX_256(q3_k, Q3_K, AMX_MINUS, r16_chunk_q3_k, r16_scales_q3_k, amx256_plain)
AMX_256(q4_k, Q4_K, AMX_THREES, r16_chunk_q4_k, r16_scales_q4_k, amx256_threes)
AMX_256(q5_k, Q5_K, AMX_THREES, r16_chunk_q5_k, r16_scales_q4_k, amx256_threes)
AMX_256(q6_k, Q6_K, AMX_SEVENS, r16_chunk_q6_k, r16_scales_q6_k, amx256_sevens)
AMX_256(iq4_xs, IQ4_XS, AMX_SEVENS, r16_chunk_iq4_xs, r16_scales_iq4_xs, amx256_sevens)
AMX_256(tq1_0, TQ1_0, AMX_UNIT, r16_chunk_tq1_0, r16_no_scales, amx256_plain)
AMX_256(tq2_0, TQ2_0, AMX_UNIT, r16_chunk_tq2_0, r16_no_scales, amx256_plain)

#define AMX_ROW(name)                                                                                        \
    {                                                                                                        \
        &glia_op_linear, "a8x256," #name ":r16,f32?->f32", linear_##name, "linear_" #name "_r16_amx"         \
    }
static const glia_cpu_kernel kernels[] = {
    AMX_ROW(q2_k), AMX_ROW(q3_k),   AMX_ROW(q4_k),  AMX_ROW(q5_k),
    AMX_ROW(q6_k), AMX_ROW(iq4_xs), AMX_ROW(tq1_0), AMX_ROW(tq2_0),
};

extern const glia_cpu_isa glia_cpu_amx;
const glia_cpu_isa glia_cpu_amx = {"amx",
                                   GLIA_CPU_AVX2 | GLIA_CPU_AVX512 | GLIA_CPU_AVX512_VNNI | GLIA_CPU_AMX,
                                   kernels, GLIA_COUNT(kernels)};
