/* Convolutions and pools for x86-64 with AVX-512 F, BW, DQ, VL: the table and what it lists. */
#define ISA "avx512"
#define TILE_ROWS 12
#define TWO_ROWS 12
#define FOUR_ROWS 3
#define CONV_ROWS 8
#define CONV_VECTORS 3
#include "base/cpu.h"
#include "provider/cpu/conv_depth_int.h"
#include "provider/cpu/pool_float.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/conv_float.def"
};

extern const glia_cpu_isa glia_cpu_avx512_conv;
const glia_cpu_isa glia_cpu_avx512_conv = {ISA, GLIA_CPU_AVX2 | GLIA_CPU_AVX512, kernels,
                                           GLIA_COUNT(kernels)};
