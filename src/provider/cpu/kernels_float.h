/* What every instruction set has from one source, written over the 16 lanes of simd16.h: float products,
 * kernels along rows, attention. The including file says its name (ISA) and how large its tiles are, and puts
 * kernels_float.def into its table:
 *
 *     TILE_ROWS, TWO_ROWS, FOUR_ROWS   float products (float_tile.h)
 *     ATTEND_QUERIES, ATTEND_VALUES    attention */
#ifndef GLIA_PROVIDER_CPU_KERNELS_FLOAT_H
#define GLIA_PROVIDER_CPU_KERNELS_FLOAT_H

#include "provider/cpu/linear_float.h"
#include "provider/cpu/matmul_float.h"

#include "provider/cpu/rowwise.h"

#include "provider/cpu/reduce_rows.h"

#include "provider/cpu/linear_act.h"

#include "provider/cpu/attend.h"

#include "provider/cpu/sdpa.h"

#include "provider/cpu/recurrent_rows.h"

#include "ops/expert.h"

/* The same products over stacked matrices. */
static void expert_f32(const glia_kargs *k) { glia_expert_products(k, linear_f32); }
static void expert_f16(const glia_kargs *k) { glia_expert_products(k, linear_f16); }
static void expert_bf16(const glia_kargs *k) { glia_expert_products(k, linear_bf16); }

#endif
