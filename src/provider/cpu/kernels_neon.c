/* Kernels for AArch64 with NEON, which all of them have: the table and what it lists. */
#define ISA "neon"
#define ATTEND_QUERIES 2
#define ATTEND_VALUES 2
#define ATTEND_ROWS 6
#define ATTEND_WIDTH 1
#define TILE_ROWS 6
#define TWO_ROWS 2
#define FOUR_ROWS 1
#include "provider/cpu/kernels_float.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/kernels_float.def"
};

extern const glia_cpu_isa glia_cpu_neon;
const glia_cpu_isa glia_cpu_neon = {ISA, GLIA_CPU_NEON, kernels, GLIA_COUNT(kernels)};
