/* Kernels for x86-64 with AVX-512 F, BW, DQ, VL: the table and what it lists. Built alone with those flags.
 * Quantised products are in the tables of AVX2 and of AVX-512 VNNI. */
#define ISA "avx512"
#define ATTEND_QUERIES 4
#define ATTEND_VALUES 4
#define ATTEND_ROWS 12
#define ATTEND_WIDTH 2
#define TILE_ROWS 12
#define TWO_ROWS 12
#define FOUR_ROWS 3
#include "provider/cpu/kernels_float.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/kernels_float.def"
};

extern const glia_cpu_isa glia_cpu_avx512;
const glia_cpu_isa glia_cpu_avx512 = {ISA, GLIA_CPU_AVX2 | GLIA_CPU_AVX512, kernels, GLIA_COUNT(kernels)};
