/* Convolutions and pools for 64-bit Arm: the table and what it lists. */
#define ISA "neon"
#define TILE_ROWS 6
#define TWO_ROWS 2
#define FOUR_ROWS 1
#define CONV_ROWS 6
#define CONV_VECTORS 1
#include "base/cpu.h"
#include "provider/cpu/conv_depth_int.h"
#include "provider/cpu/pool_float.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/conv_float.def"
};

extern const glia_cpu_isa glia_cpu_neon_conv;
const glia_cpu_isa glia_cpu_neon_conv = {ISA, GLIA_CPU_NEON, kernels, GLIA_COUNT(kernels)};
