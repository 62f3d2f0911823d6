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

#include "provider/cpu/linear_iq_avx2.h"

/* ---- experts: the same products over stacked matrices */

static void expert_iq3_s(const glia_kargs *k) { glia_expert_products(k, linear_iq3_s); }
static void expert_iq3_xxs(const glia_kargs *k) { glia_expert_products(k, linear_iq3_xxs); }
static void expert_iq2_s(const glia_kargs *k) { glia_expert_products(k, linear_iq2_s); }
static void expert_iq2_xs(const glia_kargs *k) { glia_expert_products(k, linear_iq2_xs); }
static void expert_iq2_xxs(const glia_kargs *k) { glia_expert_products(k, linear_iq2_xxs); }
static void expert_iq1_s(const glia_kargs *k) { glia_expert_products(k, linear_iq1_s); }
static void expert_iq1_m(const glia_kargs *k) { glia_expert_products(k, linear_iq1_m); }

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/kernels_float.def"
    {&glia_op_expert_linear, "a8x256,iq3_s,i32,f32?->f32", expert_iq3_s, "expert_linear_iq3_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq3_xxs,i32,f32?->f32", expert_iq3_xxs, "expert_linear_iq3_xxs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_s,i32,f32?->f32", expert_iq2_s, "expert_linear_iq2_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_xs,i32,f32?->f32", expert_iq2_xs, "expert_linear_iq2_xs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq2_xxs,i32,f32?->f32", expert_iq2_xxs, "expert_linear_iq2_xxs_avx2"},
    {&glia_op_expert_linear, "a8x256,iq1_s,i32,f32?->f32", expert_iq1_s, "expert_linear_iq1_s_avx2"},
    {&glia_op_expert_linear, "a8x256,iq1_m,i32,f32?->f32", expert_iq1_m, "expert_linear_iq1_m_avx2"},
    {&glia_op_linear, "a8x256,iq3_s,f32?->f32", linear_iq3_s, "linear_iq3_s_avx2"},
    {&glia_op_linear, "a8x256,iq3_xxs,f32?->f32", linear_iq3_xxs, "linear_iq3_xxs_avx2"},
    {&glia_op_linear, "a8x256,iq2_s,f32?->f32", linear_iq2_s, "linear_iq2_s_avx2"},
    {&glia_op_linear, "a8x256,iq2_xs,f32?->f32", linear_iq2_xs, "linear_iq2_xs_avx2"},
    {&glia_op_linear, "a8x256,iq2_xxs,f32?->f32", linear_iq2_xxs, "linear_iq2_xxs_avx2"},
    {&glia_op_linear, "a8x256,iq1_s,f32?->f32", linear_iq1_s, "linear_iq1_s_avx2"},
    {&glia_op_linear, "a8x256,iq1_m,f32?->f32", linear_iq1_m, "linear_iq1_m_avx2"},
};

extern const glia_cpu_isa glia_cpu_avx2;
const glia_cpu_isa glia_cpu_avx2 = {ISA, GLIA_CPU_AVX2, kernels, GLIA_COUNT(kernels)};
