/* Our own transcendental functions, in f32 and f64, so that results are the same bits on
 * every machine. Explicit fma, no table, no errno, no flags relied upon; polynomials and
 * their measured error (ulp) are stated in fmath.c. NaN gives NaN; out of range saturates as
 * IEEE would. Vector kernels repeat exactly these operations lane by lane. */
#ifndef GLIA_BASE_FMATH_H
#define GLIA_BASE_FMATH_H

float glia_expf(float x);
float glia_logf(float x);
float glia_sinf(float x);
float glia_cosf(float x);
float glia_tanhf(float x);
float glia_erff(float x);
float glia_powf(float x, float y);
double glia_exp(double x);
double glia_log(double x);
double glia_sin(double x);
double glia_cos(double x);
double glia_tanh(double x);
double glia_erf(double x);
double glia_pow(double x, double y);

/* fmath_arc.c: in f64 alone; an f32 result is theirs rounded. */
double glia_tan(double x);
double glia_asin(double x);
double glia_acos(double x);
double glia_atan(double x);
double glia_sinh(double x);
double glia_cosh(double x);
double glia_asinh(double x);
double glia_acosh(double x);
double glia_atanh(double x);
double glia_expm1(double x);
double glia_log1p(double x);

/* silu(x) = x / (1 + exp(-x)), IEEE division.
 * gelu tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); gelu erf form: 0.5 x (1 + erf(x / sqrt
 * 2)). */
float glia_siluf(float x);
float glia_gelu_tanhf(float x);
float glia_gelu_erff(float x);
float glia_sigmoidf(float x);

#endif
