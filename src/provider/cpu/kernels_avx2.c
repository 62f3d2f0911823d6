/* Kernels for x86-64 with AVX2, FMA and F16C: the table and what it lists. Built alone with those flags, so
 * that no such instruction leaks into other code. */
#define ISA "avx2"
#define ATTEND_QUERIES 2
#define ATTEND_VALUES 2
#define ATTEND_ROWS 6
#define ATTEND_WIDTH 1
#define TILE_ROWS 6
#define TWO_ROWS 2
#define FOUR_ROWS 1
#include "provider/cpu/kernels_float.h"

#include "provider/cpu/linear_k_avx2.h"
#include "provider/cpu/linear_block_avx2.h"
#include "provider/cpu/linear_quant_avx2.h"

/* ---- experts: the same products over stacked matrices */

static void expert_q8_0(const glia_kargs *k) { glia_expert_products(k, linear_q8_0); }
static void expert_q4_0(const glia_kargs *k) { glia_expert_products(k, linear_q4_0); }
static void expert_q2_k(const glia_kargs *k) { glia_expert_products(k, linear_q2_k); }
static void expert_q3_k(const glia_kargs *k) { glia_expert_products(k, linear_q3_k); }
static void expert_q4_k(const glia_kargs *k) { glia_expert_products(k, linear_q4_k); }
static void expert_q5_k(const glia_kargs *k) { glia_expert_products(k, linear_q5_k); }
static void expert_q6_k(const glia_kargs *k) { glia_expert_products(k, linear_q6_k); }
static void expert_tq2_0(const glia_kargs *k) { glia_expert_products(k, linear_tq2_0); }
static void expert_iq3_s(const glia_kargs *k) { glia_expert_products(k, linear_iq3_s); }
static void expert_iq3_xxs(const glia_kargs *k) { glia_expert_products(k, linear_iq3_xxs); }
static void expert_iq2_s(const glia_kargs *k) { glia_expert_products(k, linear_iq2_s); }
static void expert_iq2_xs(const glia_kargs *k) { glia_expert_products(k, linear_iq2_xs); }
static void expert_iq2_xxs(const glia_kargs *k) { glia_expert_products(k, linear_iq2_xxs); }
static void expert_iq1_s(const glia_kargs *k) { glia_expert_products(k, linear_iq1_s); }
static void expert_iq1_m(const glia_kargs *k) { glia_expert_products(k, linear_iq1_m); }
static void expert_iq4_xs(const glia_kargs *k) { glia_expert_products(k, linear_iq4_xs); }
static void expert_tq1_0(const glia_kargs *k) { glia_expert_products(k, linear_tq1_0); }
static void expert_q4_1(const glia_kargs *k) { glia_expert_products(k, linear_q4_1); }
static void expert_q5_0(const glia_kargs *k) { glia_expert_products(k, linear_q5_0); }
static void expert_q5_1(const glia_kargs *k) { glia_expert_products(k, linear_q5_1); }
static void expert_iq4_nl(const glia_kargs *k) { glia_expert_products(k, linear_iq4_nl); }
static void expert_mxfp4(const glia_kargs *k) { glia_expert_products(k, linear_mxfp4); }

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/kernels_float.def"
    {&glia_op_linear, "a8x32,q8_0:r16,f32?->f32", linear_q8_0, "linear_q8_0_r16_avx2"},
    {&glia_op_linear, "a8x32,q4_0:r16,f32?->f32", linear_q4_0, "linear_q4_0_r16_avx2"},
    {&glia_op_linear, "a8x256,q2_k,f32?->f32", linear_q2_k, "linear_q2_k_avx2"},
    {&glia_op_linear, "a8x256,q3_k,f32?->f32", linear_q3_k, "linear_q3_k_avx2"},
    {&glia_op_linear, "a8x256,q4_k,f32?->f32", linear_q4_k, "linear_q4_k_avx2"},
    {&glia_op_linear, "a8x256,q5_k,f32?->f32", linear_q5_k, "linear_q5_k_avx2"},
    {&glia_op_linear, "a8x256,q6_k,f32?->f32", linear_q6_k, "linear_q6_k_avx2"},
    {&glia_op_linear, "a8x256,tq2_0,f32?->f32", linear_tq2_0, "linear_tq2_0_avx2"},
    {&glia_op_expert_linear, "a8x32,q8_0:r16,i32,f32?->f32", expert_q8_0, "expert_linear_q8_0_r16_avx2"},
    {&glia_op_expert_linear, "a8x32,q4_0:r16,i32,f32?->f32", expert_q4_0, "expert_linear_q4_0_r16_avx2"},
    {&glia_op_expert_linear, "a8x256,q2_k,i32,f32?->f32", expert_q2_k, "expert_linear_q2_k_avx2"},
    {&glia_op_expert_linear, "a8x256,q3_k,i32,f32?->f32", expert_q3_k, "expert_linear_q3_k_avx2"},
    {&glia_op_expert_linear, "a8x256,q4_k,i32,f32?->f32", expert_q4_k, "expert_linear_q4_k_avx2"},
    {&glia_op_expert_linear, "a8x256,q5_k,i32,f32?->f32", expert_q5_k, "expert_linear_q5_k_avx2"},
    {&glia_op_expert_linear, "a8x256,q6_k,i32,f32?->f32", expert_q6_k, "expert_linear_q6_k_avx2"},
    {&glia_op_expert_linear, "a8x256,tq2_0,i32,f32?->f32", expert_tq2_0, "expert_linear_tq2_0_avx2"},
    {&glia_op_expert_linear, "a8x256,iq3_s,i32,f32?->f32", expert_iq3_s, "expert_linear_iq3_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq3_xxs,i32,f32?->f32", expert_iq3_xxs, "expert_linear_iq3_xxs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_s,i32,f32?->f32", expert_iq2_s, "expert_linear_iq2_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_xs,i32,f32?->f32", expert_iq2_xs, "expert_linear_iq2_xs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_xxs,i32,f32?->f32", expert_iq2_xxs, "expert_linear_iq2_xxs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq1_s,i32,f32?->f32", expert_iq1_s, "expert_linear_iq1_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq1_m,i32,f32?->f32", expert_iq1_m, "expert_linear_iq1_m_avx2"},
    {&glia_op_expert_linear, "a8x256,iq4_xs,i32,f32?->f32", expert_iq4_xs, "expert_linear_iq4_xs_avx2"},
    {&glia_op_expert_linear, "a8x256,tq1_0,i32,f32?->f32", expert_tq1_0, "expert_linear_tq1_0_avx2"},
    {&glia_op_expert_linear, "a8x32,q4_1,i32,f32?->f32", expert_q4_1, "expert_linear_q4_1_avx2"},
    {&glia_op_expert_linear, "a8x32,q5_0,i32,f32?->f32", expert_q5_0, "expert_linear_q5_0_avx2"},
    {&glia_op_expert_linear, "a8x32,q5_1,i32,f32?->f32", expert_q5_1, "expert_linear_q5_1_avx2"},
    {&glia_op_expert_linear, "a8x32,iq4_nl,i32,f32?->f32", expert_iq4_nl, "expert_linear_iq4_nl_avx2"},
    {&glia_op_expert_linear, "a8x32,mxfp4,i32,f32?->f32", expert_mxfp4, "expert_linear_mxfp4_avx2"},
    {&glia_op_linear, "a8x256,iq4_xs,f32?->f32", linear_iq4_xs, "linear_iq4_xs_avx2"},
    {&glia_op_linear, "a8x256,iq3_s,f32?->f32", linear_iq3_s, "linear_iq3_s_avx2"},
    {&glia_op_linear, "a8x256,iq3_xxs,f32?->f32", linear_iq3_xxs, "linear_iq3_xxs_avx2"},
    {&glia_op_linear, "a8x256,iq2_s,f32?->f32", linear_iq2_s, "linear_iq2_s_avx2"},
    {&glia_op_linear, "a8x256,iq2_xs,f32?->f32", linear_iq2_xs, "linear_iq2_xs_avx2"},
    {&glia_op_linear, "a8x256,iq2_xxs,f32?->f32", linear_iq2_xxs, "linear_iq2_xxs_avx2"},
    {&glia_op_linear, "a8x256,iq1_s,f32?->f32", linear_iq1_s, "linear_iq1_s_avx2"},
    {&glia_op_linear, "a8x256,iq1_m,f32?->f32", linear_iq1_m, "linear_iq1_m_avx2"},
    {&glia_op_linear, "a8x256,tq1_0,f32?->f32", linear_tq1_0, "linear_tq1_0_avx2"},
    {&glia_op_linear, "a8x32,q4_1,f32?->f32", linear_q4_1, "linear_q4_1_avx2"},
    {&glia_op_linear, "a8x32,q5_0,f32?->f32", linear_q5_0, "linear_q5_0_avx2"},
    {&glia_op_linear, "a8x32,q5_1,f32?->f32", linear_q5_1, "linear_q5_1_avx2"},
    {&glia_op_linear, "a8x32,iq4_nl,f32?->f32", linear_iq4_nl, "linear_iq4_nl_avx2"},
    {&glia_op_linear, "a8x32,mxfp4,f32?->f32", linear_mxfp4, "linear_mxfp4_avx2"},
};

extern const glia_cpu_isa glia_cpu_avx2;
const glia_cpu_isa glia_cpu_avx2 = {ISA, GLIA_CPU_AVX2, kernels, GLIA_COUNT(kernels)};
