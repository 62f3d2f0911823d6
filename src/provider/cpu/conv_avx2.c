/* Convolutions and pools for x86-64 with AVX2, FMA and F16C: the table and what it lists. */
#define ISA "avx2"
#define TILE_ROWS 6
#define TWO_ROWS 2
#define FOUR_ROWS 1
#define CONV_ROWS 6
#define CONV_VECTORS 1
#include "base/cpu.h"
#define QCONV_ROWS 4
#define QCONV_VECTORS 1
#include "provider/cpu/conv_int.h"
#include "provider/cpu/conv_depth_int.h"
#include "provider/cpu/pool_float.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/conv_float.def"
#include "provider/cpu/conv_int.def"
};

extern const glia_cpu_isa glia_cpu_avx2_conv;
const glia_cpu_isa glia_cpu_avx2_conv = {ISA, GLIA_CPU_AVX2, kernels, GLIA_COUNT(kernels)};
