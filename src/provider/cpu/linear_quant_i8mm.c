/* linear and expert_linear over R16 panels with the int8 extension of ARMv8.6: an instance of linear_r16.h.
 * Built alone with its flags, so that no such instruction leaks into other code. */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#define R16_NAME "i8mm"
#include "provider/cpu/r16_steps_neon.h"

#include "provider/cpu/linear_r16_formats.h"

static const glia_cpu_kernel kernels[] = {R16_KERNEL_ROWS};

extern const glia_cpu_isa glia_cpu_i8mm;
const glia_cpu_isa glia_cpu_i8mm = {"i8mm", GLIA_CPU_NEON | GLIA_CPU_DOTPROD | GLIA_CPU_I8MM, kernels,
                                    GLIA_COUNT(kernels)};
