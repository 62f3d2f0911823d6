/* Convolutions of integers for x86-64 with AVX-512 VNNI: the table and what it lists. */
#define ISA "avx512vnni"
#define QCONV_ROWS 8
#define QCONV_VECTORS 3
#include "base/cpu.h"
#include "provider/cpu/conv_int.h"

static const glia_cpu_kernel kernels[] = {
#include "provider/cpu/conv_int.def"
};

extern const glia_cpu_isa glia_cpu_avx512vnni_conv;
const glia_cpu_isa glia_cpu_avx512vnni_conv = {ISA, GLIA_CPU_AVX2 | GLIA_CPU_AVX512 | GLIA_CPU_AVX512_VNNI,
                                               kernels, GLIA_COUNT(kernels)};
