/* The tangent, the inverse and the hyperbolic functions, in f64, from the functions of fmath.c and one polynomial:
 * IEEE operations in a fixed order, so the same bits everywhere. For f32 they are taken in f64 and rounded once.
 *
 * The largest errors that the tests measure, in units of the last place of a double: see tests/test_fmath.c. */
#include <math.h>

#include "base/check.h"
#include "base/fmath.h"

static const double atan_c[] = {
    /* (atan(t) - t) / t^3 in t^2, |t| <= 7/16 */
    -0x1.5555555555554p-2, 0x1.9999999998a0ap-3, -0x1.24924923be654p-3, 0x1.c71c713c99813p-4,
    -0x1.745d00203d40cp-4, 0x1.3b116eb8e306cp-4, -0x1.10edae19f8da0p-4, 0x1.df1326361bec7p-5,
    -0x1.9c800a3e47f61p-5, 0x1.3622946aef204p-5, -0x1.2003aa605103dp-6,
};

/* atan(a) = atan(c) + atan((a - c) / (1 + a c)), with c the nearest of 0, 1/2, 1, 3/2 and infinity. */
double glia_atan(double x)
{
    static const struct {
        double below, c, high, low; /* atan(c) in two parts */
    } part[] = {
        {0.4375, 0, 0, 0},
        {0.6875, 0.5, 0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
        {1.1875, 1, 0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55},
        {2.4375, 1.5, 0x1.f730bd281f69bp-1, 0x1.007887af0cbbdp-56},
    };
    const double a = fabs(x);
    double t = -1 / a, high = 0x1.921fb54442d18p+0, low = 0x1.1a62633145c07p-54;
    if (x != x) return x;
    for (int i = 0; i < GLIA_COUNT(part); i++) {
        if (!(a < part[i].below)) continue;
        t = (a - part[i].c) / fma(a, part[i].c, 1);
        high = part[i].high;
        low = part[i].low;
        break;
    }
    double z = t * t, p = atan_c[GLIA_COUNT(atan_c) - 1];
    for (int i = GLIA_COUNT(atan_c) - 2; i >= 0; i--) p = fma(p, z, atan_c[i]);
    return copysign(high + (fma(t * z, p, low) + t), x);
}

double glia_tan(double x) { return x == 0 ? x : glia_sin(x) / glia_cos(x); }

/* By the tangent of the angle: neither end cancels. Beyond 1 the root is of a negative number: NaN. */
double glia_asin(double x) { return x == 0 ? x : glia_atan(x / sqrt((1 - x) * (1 + x))); }
double glia_acos(double x) { return 2 * glia_atan(sqrt((1 - x) / (1 + x))); }

/* exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2), where the difference would cancel. */
double glia_expm1(double x)
{
    if (!(fabs(x) < 1)) return glia_exp(x) - 1;
    double t = glia_tanh(0.5 * x);
    return x == 0 ? x : 2 * t / (1 - t);
}

/* log(1 + x): what 1 + x rounds away is put back in proportion (Kahan). */
double glia_log1p(double x)
{
    double u = 1 + x;
    if (u == 1) return x;
    return u - 1 == x || !(fabs(x) < 0x1p60) ? glia_log(u) : glia_log(u) * (x / (u - 1));
}

double glia_sinh(double x)
{
    double a = fabs(x);
    if (a < 1) {
        double e = glia_expm1(x);
        return x == 0 ? x : 0.5 * (e + e / (1 + e));
    }
    double h = glia_exp(0.5 * a); /* its square overflows only where the result does */
    return copysign(a < 40 ? 0.5 * (glia_exp(a) - glia_exp(-a)) : 0.5 * h * h, x);
}

double glia_cosh(double x)
{
    double a = fabs(x), h = glia_exp(0.5 * a);
    return a < 40 ? 0.5 * (glia_exp(a) + glia_exp(-a)) : 0.5 * h * h;
}

double glia_asinh(double x)
{
    double a = fabs(x);
    if (!(a < 0x1p28)) return x == 0 || x != x ? x : copysign(glia_log(a) + 0x1.62e42fefa39efp-1, x);
    double square = a * a;
    return x == 0 ? x : copysign(glia_log1p(a + square / (1 + sqrt(square + 1))), x);
}

double glia_acosh(double x)
{
    if (!(x < 0x1p28)) return glia_log(x) + 0x1.62e42fefa39efp-1;
    double t = x - 1;
    return glia_log1p(t + sqrt(t) * sqrt(x + 1)); /* below 1 the first root is NaN */
}

double glia_atanh(double x)
{
    double a = fabs(x);
    return x == 0 ? x : copysign(0.5 * glia_log1p(2 * a / (1 - a)), x);
}
