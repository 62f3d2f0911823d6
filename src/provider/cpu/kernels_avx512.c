/* Kernels for x86-64 with AVX-512 F, BW, DQ, VL: the table and what it lists. Built alone with those flags.
 * Quantised products are in the tables of AVX2 and of AVX-512 VNNI. */
#define ATTEND_QUERIES 4
#define ATTEND_VALUES 4
#define ATTEND_ROWS 12
#define ATTEND_WIDTH 2
#define TILE_ROWS 8
#define TILE_PANELS 2
#include "provider/cpu/linear_float.h"

#include "provider/cpu/rowwise.h"

#include "provider/cpu/attend.h"

#include "ops/expert.h"

/* ---- experts: the same products over stacked matrices */

static void expert_f32(const glia_kargs *k) { glia_expert_products(k, linear_f32); }
static void expert_f16(const glia_kargs *k) { glia_expert_products(k, linear_f16); }
static void expert_bf16(const glia_kargs *k) { glia_expert_products(k, linear_bf16); }

static const glia_cpu_kernel kernels[] = {
    {&glia_op_linear, "f32,f32:r16,f32?->f32", linear_f32, "linear_f32_r16_avx512"},
    {&glia_op_linear, "f32,f16:r16,f32?->f32", linear_f16, "linear_f16_r16_avx512"},
    {&glia_op_linear, "f32,bf16:r16,f32?->f32", linear_bf16, "linear_bf16_r16_avx512"},
    {&glia_op_expert_linear, "f32,f32:r16,i32,f32?->f32", expert_f32, "expert_linear_f32_r16_avx512"},
    {&glia_op_expert_linear, "f32,f16:r16,i32,f32?->f32", expert_f16, "expert_linear_f16_r16_avx512"},
    {&glia_op_expert_linear, "f32,bf16:r16,i32,f32?->f32", expert_bf16, "expert_linear_bf16_r16_avx512"},
    {&glia_op_quantise, "f32->a8x32", quantise_a8x32, "quantise_a8x32_avx512"},
    {&glia_op_quantise, "f32->a8x256", quantise_a8x256, "quantise_a8x256_avx512"},
    {&glia_op_rms_norm, "f32,f32->f32", rms_norm, "rms_norm_avx512"},
    {&glia_op_softmax, "f32->f32", softmax, "softmax_avx512"},
    {&glia_op_attend, "f32,f32,f32,i32,i32,i32,f32?->f32", attend_f32, "attend_f32_avx512"},
    {&glia_op_attend, "f32,f16,f16,i32,i32,i32,f32?->f32", attend_f16, "attend_f16_avx512"},
    {&glia_op_attend, "f32,q8_0,q8_0,i32,i32,i32,f32?->f32", attend_q8_0, "attend_q8_0_avx512"},
    {&glia_op_rope, "f32,f32->f32", rope, "rope_avx512"},
    {&glia_op_kv_put, "f32,f32,i32,i32,i32->f32", kv_put_f32, "kv_put_f32_avx512"},
    {&glia_op_kv_put, "f16,f32,i32,i32,i32->f16", kv_put_f16, "kv_put_f16_avx512"},
    {&glia_op_kv_put, "q8_0,f32,i32,i32,i32->q8_0", kv_put_q8_0, "kv_put_q8_0_avx512"},
    {&glia_op_silu, "f32->f32", silu, "silu_avx512"},
    {&glia_op_swiglu, "f32,f32->f32", swiglu, "swiglu_avx512"},
    {&glia_op_swiglu_limited, "f32,f32->f32", swiglu_limited, "swiglu_limited_avx512"},
    {&glia_op_expert_sum, "f32,f32->f32", expert_sum, "expert_sum_avx512"},
    {&glia_op_add, "f32,f32->f32", add, "add_avx512"},
    {&glia_op_sub, "f32,f32->f32", sub, "sub_avx512"},
    {&glia_op_mul, "f32,f32->f32", mul, "mul_avx512"},
    {&glia_op_div, "f32,f32->f32", divide, "div_avx512"},
    {&glia_op_gelu, "f32->f32", gelu, "gelu_avx512"},
    {&glia_op_tanh, "f32->f32", tanh_row, "tanh_avx512"},
    {&glia_op_relu, "f32->f32", relu, "relu_avx512"},
};

extern const glia_cpu_isa glia_cpu_avx512;
const glia_cpu_isa glia_cpu_avx512 = {"avx512", GLIA_CPU_AVX2 | GLIA_CPU_AVX512, kernels,
                                      GLIA_COUNT(kernels)};
