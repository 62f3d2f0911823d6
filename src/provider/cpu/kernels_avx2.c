/* Kernels for x86-64 with AVX2, FMA and F16C: the table and what it lists. Built alone with those flags, so that no
 * such instruction leaks into other code. */
#define TILE_ROWS 6
#define TILE_PANELS 1
#include "provider/cpu/linear_float.h"

#include "provider/cpu/linear_quant_avx2.h"
#include "provider/cpu/rowwise.h"

static const glia_cpu_kernel kernels[] = {
    {&glia_op_linear, "f32,f32:r16,f32?->f32", linear_f32, "linear_f32_r16_avx2"},
    {&glia_op_linear, "f32,f16:r16,f32?->f32", linear_f16, "linear_f16_r16_avx2"},
    {&glia_op_linear, "f32,bf16:r16,f32?->f32", linear_bf16, "linear_bf16_r16_avx2"},
    {&glia_op_linear, "a8x32,q8_0:r16,f32?->f32", linear_q8_0, "linear_q8_0_r16_avx2"},
    {&glia_op_linear, "a8x32,q4_0:r16,f32?->f32", linear_q4_0, "linear_q4_0_r16_avx2"},
    {&glia_op_quantise, "f32->a8x32", quantise_a8x32, "quantise_a8x32_avx2"},
    {&glia_op_quantise, "f32->a8x256", quantise_a8x256, "quantise_a8x256_avx2"},
    {&glia_op_rms_norm, "f32,f32->f32", rms_norm, "rms_norm_avx2"},
    {&glia_op_softmax, "f32->f32", softmax, "softmax_avx2"},
    {&glia_op_silu, "f32->f32", silu, "silu_avx2"},
    {&glia_op_swiglu, "f32,f32->f32", swiglu, "swiglu_avx2"},
    {&glia_op_add, "f32,f32->f32", add, "add_avx2"},
    {&glia_op_sub, "f32,f32->f32", sub, "sub_avx2"},
    {&glia_op_mul, "f32,f32->f32", mul, "mul_avx2"},
};

extern const glia_cpu_isa glia_cpu_avx2;
const glia_cpu_isa glia_cpu_avx2 = {"avx2", GLIA_CPU_AVX2, kernels, GLIA_COUNT(kernels)};
