/* Activations as the last step of a product: a closed list with two numbers, so that kernels apply them to sums that
 * are still in registers. The bits are those of the operation of the same name. */
#ifndef GLIA_OPS_EPILOGUE_H
#define GLIA_OPS_EPILOGUE_H

#include <stdbool.h>
#include <stdint.h>

enum {
#define X(name, f32, f64) GLIA_EPILOGUE_##name,
#include "ops/epilogue.def"
#undef X
    GLIA_EPILOGUE_COUNT
};

/* The values of the attribute `activation`; null beyond the list. */
const char *glia_epilogue_name(int64_t activation);
float glia_epilogue_f32(int64_t activation, float x, float a, float b);
double glia_epilogue_f64(int64_t activation, double x, double a, double b);

#endif
