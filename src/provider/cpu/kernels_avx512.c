/* Kernels for x86-64 with AVX-512 F, BW, DQ, VL: the table and what it lists. Built alone with those flags.
 * Quantised products are in the tables of AVX2 and of AVX-512 VNNI. */
#define TILE_ROWS 8
#define TILE_PANELS 2
#include "provider/cpu/linear_float.h"

#include "provider/cpu/rowwise.h"

static const glia_cpu_kernel kernels[] = {
    {&glia_op_linear, "f32,f32:r16,f32?->f32", linear_f32, "linear_f32_r16_avx512"},
    {&glia_op_linear, "f32,f16:r16,f32?->f32", linear_f16, "linear_f16_r16_avx512"},
    {&glia_op_linear, "f32,bf16:r16,f32?->f32", linear_bf16, "linear_bf16_r16_avx512"},
    {&glia_op_quantise, "f32->a8x32", quantise_a8x32, "quantise_a8x32_avx512"},
    {&glia_op_quantise, "f32->a8x256", quantise_a8x256, "quantise_a8x256_avx512"},
    {&glia_op_rms_norm, "f32,f32->f32", rms_norm, "rms_norm_avx512"},
    {&glia_op_softmax, "f32->f32", softmax, "softmax_avx512"},
    {&glia_op_silu, "f32->f32", silu, "silu_avx512"},
    {&glia_op_swiglu, "f32,f32->f32", swiglu, "swiglu_avx512"},
    {&glia_op_add, "f32,f32->f32", add, "add_avx512"},
    {&glia_op_sub, "f32,f32->f32", sub, "sub_avx512"},
    {&glia_op_mul, "f32,f32->f32", mul, "mul_avx512"},
};

extern const glia_cpu_isa glia_cpu_avx512;
const glia_cpu_isa glia_cpu_avx512 = {"avx512", GLIA_CPU_AVX2 | GLIA_CPU_AVX512, kernels, GLIA_COUNT(kernels)};
