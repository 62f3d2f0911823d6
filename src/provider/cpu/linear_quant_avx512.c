/* linear and expert_linear over R16 panels with AVX-512 without VNNI: an instance of linear_r16.h. Built
 * alone with its flags, so that no such instruction leaks into other code. */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#define R16_NAME "avx512"
#include "provider/cpu/r16_steps_avx512vnni.h"

#include "provider/cpu/linear_r16_formats.h"

static const glia_cpu_kernel kernels[] = {R16_KERNEL_ROWS};

extern const glia_cpu_isa glia_cpu_avx512_quant;
const glia_cpu_isa glia_cpu_avx512_quant = {"avx512", GLIA_CPU_AVX2 | GLIA_CPU_AVX512, kernels,
                                            GLIA_COUNT(kernels)};
