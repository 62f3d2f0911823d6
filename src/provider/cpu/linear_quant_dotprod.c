/* linear and expert_linear over R16 panels with the dot products of ARMv8.2: an instance of linear_r16.h.
 * Built alone with its flags, so that no such instruction leaks into other code. */
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#define R16_NAME "dotprod"
#include "provider/cpu/r16_steps_neon.h"

#include "provider/cpu/linear_r16_formats.h"

static const glia_cpu_kernel kernels[] = {R16_KERNEL_ROWS};

extern const glia_cpu_isa glia_cpu_dotprod;
const glia_cpu_isa glia_cpu_dotprod = {"dotprod", GLIA_CPU_NEON | GLIA_CPU_DOTPROD, kernels,
                                       GLIA_COUNT(kernels)};
