/* The closed list of epilogue.def as functions; see epilogue.h. */
#include "ops/epilogue.h"

#include <math.h>

#include "base/fmath.h"

static float glia_unit_f32(float x) { return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x; }
static double glia_unit_f64(double x) { return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x; }
static double glia_epilogue_gelu(double x)
{
    return 0.5 * x * (1.0 + glia_tanh(0x1.9884533d43651p-1 * fma(0.044715 * x * x, x, x)));
}

#define X(name, f32, f64)                                                                                    \
    static float name##_f32(float x, float a, float b)                                                       \
    {                                                                                                        \
        (void)a, (void)b;                                                                                    \
        return f32;                                                                                          \
    }                                                                                                        \
    static double name##_f64(double x, double a, double b)                                                   \
    {                                                                                                        \
        (void)a, (void)b;                                                                                    \
        return f64;                                                                                          \
    }
#include "ops/epilogue.def"
#undef X

static const struct {
    const char *name;
    float (*f32)(float x, float a, float b);
    double (*f64)(double x, double a, double b);
} activations[] = {
#define X(name, f32, f64) {#name, name##_f32, name##_f64},
#include "ops/epilogue.def"
#undef X
};

const char *glia_epilogue_name(int64_t activation)
{
    return activation >= 0 && activation < GLIA_EPILOGUE_COUNT ? activations[activation].name : 0;
}

float glia_epilogue_f32(int64_t activation, float x, float a, float b)
{
    return activations[activation].f32(x, a, b);
}
double glia_epilogue_f64(int64_t activation, double x, double a, double b)
{
    return activations[activation].f64(x, a, b);
}
