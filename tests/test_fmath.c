/* Our transcendental functions against the long double ones of libm, whose own error is far below a
 * double's last place: random bit patterns over all numbers, dense samples where the functions bend,
 * and the special values of IEEE 754. Prints no numbers unless a bound is passed, or GLIA_TEST_MEASURE
 * is set, which lists the largest error of each function. */
#include "base/fmath.h"
#include "base/rng.h"
#include "check.h"

typedef struct {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    long double (*want)(long double);
    double bound32, bound64; /* in units of the last place */
    double ranges[4][2];     /* sampled evenly, besides random bits; {0, 0} ends the list */
} function;

static long double sigmoid_want(long double x) { return 1 / (1 + expl(-x)); }
static long double silu_want(long double x) { return x / (1 + expl(-x)); }

static const function functions[] = {
    {"exp", glia_expf, glia_exp, expl, 2.05, 1.05, {{-1, 1}, {-90, 90}, {-104, -86}, {-745, 709}}},
    {"log", glia_logf, glia_log, logl, 0.9, 0.9, {{0.5, 2}, {0, 10}, {0, 1e6}, {0.99, 1.01}}},
    {"sin", glia_sinf, glia_sin, sinl, 1.6, 1.5, {{-1, 1}, {-100, 100}, {-131100, 131100}, {-2e6, 2e6}}},
    {"cos", glia_cosf, glia_cos, cosl, 1.6, 1.5, {{-1, 1}, {-100, 100}, {-131100, 131100}, {-2e6, 2e6}}},
    {"tanh", glia_tanhf, glia_tanh, tanhl, 1.9, 1.5, {{-1, 1}, {-10, 10}, {0.5, 0.7}, {-20, 20}}},
    {"erf", glia_erff, glia_erf, erfl, 1.5, 1.3, {{-1, 1}, {-4, 4}, {0.8, 0.95}, {-6.5, 6.5}}},
    {"tan", NULL, glia_tan, tanl, 0, 4, {{-1, 1}, {-100, 100}, {-1.6, 1.6}, {-2e6, 2e6}}},
    {"asin", NULL, glia_asin, asinl, 0, 4, {{-1, 1}, {-0.01, 0.01}, {0.99, 1}, {-1.1, 1.1}}},
    {"acos", NULL, glia_acos, acosl, 0, 4, {{-1, 1}, {-0.01, 0.01}, {0.99, 1}, {-1.1, 1.1}}},
    {"atan", NULL, glia_atan, atanl, 0, 1.5, {{-1, 1}, {-3, 3}, {-100, 100}, {0.43, 0.7}}},
    {"sinh", NULL, glia_sinh, sinhl, 0, 4.5, {{-1, 1}, {-3, 3}, {-60, 60}, {-712, 712}}},
    {"cosh", NULL, glia_cosh, coshl, 0, 4, {{-1, 1}, {-3, 3}, {-60, 60}, {-712, 712}}},
    {"asinh", NULL, glia_asinh, asinhl, 0, 4, {{-1, 1}, {-3, 3}, {-100, 100}, {-1e10, 1e10}}},
    {"acosh", NULL, glia_acosh, acoshl, 0, 4, {{1, 1.01}, {1, 3}, {0.5, 100}, {1, 1e10}}},
    {"atanh", NULL, glia_atanh, atanhl, 0, 4, {{-1, 1}, {-0.01, 0.01}, {0.9, 1}, {-1.1, 1.1}}},
    {"expm1", NULL, glia_expm1, expm1l, 0, 4.5, {{-1, 1}, {-0.01, 0.01}, {-10, 10}, {-745, 709}}},
    {"log1p", NULL, glia_log1p, log1pl, 0, 3, {{-1, 1}, {-0.01, 0.01}, {-1, 10}, {-1e-9, 1e10}}},
    {"sigmoid", glia_sigmoidf, NULL, sigmoid_want, 3.5, 0, {{-1, 1}, {-20, 20}, {-88, 20}, {0, 0}}},
    {"silu", glia_siluf, NULL, silu_want, 3.7, 0, {{-1, 1}, {-20, 20}, {-80, 20}, {0, 0}}},
};

/* The size of the last place of a double (53 bits, least exponent -1022) or float (24, -126) near v. */
static long double last_place(long double v, int digits, int least)
{
    int e;
    frexpl(v, &e);
    if (e - 1 < least) e = least + 1;
    return ldexpl(1.0L, e - digits);
}

/* |got - want| in last places; where one is infinite or NaN, 0 if the rounding of want agrees. */
static double error32(float got, long double want)
{
    float rounded = (float)want;
    if (rounded != rounded || got != got) return rounded != rounded && got != got ? 0 : INFINITY;
    if (got == rounded)
        return isinf(got) ? 0 : (double)(fabsl((long double)got - want) / last_place(want, 24, -126));
    if (isinf(got)) return (double)(fabsl(0x1p128L - want) / last_place(0x1.fp127L, 24, -126));
    if (isinf(rounded)) return (double)(fabsl((long double)got - want) / last_place(0x1.fp127L, 24, -126));
    return (double)(fabsl((long double)got - want) / last_place(want, 24, -126));
}

static double error64(double got, long double want)
{
    double rounded = (double)want;
    if (rounded != rounded || got != got) return rounded != rounded && got != got ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got))
        return rounded == got ? 0 : (double)(fabsl((isinf(got) ? 0x1p1024L : got) - want) / 0x1p971L);
    return (double)(fabsl((long double)got - want) / last_place(want, 53, -1022));
}

static float f32_bits(uint32_t b)
{
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static double f64_bits(uint64_t b)
{
    double v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static void report(const char *name, const char *type, double worst, double at, double bound)
{
    if (worst > bound || getenv("GLIA_TEST_MEASURE"))
        fprintf(stderr, "%s %s: %.3f last places at %a, bound %.2f\n", name, type, worst, at, bound);
    CHECK(worst <= bound);
}

#ifndef SAMPLES
#define SAMPLES 40000
#endif

static void measure32(const function *f)
{
    glia_rng rng = {1, 32, 0};
    double worst = 0, at = 0;
    for (int range = -1; range < 4; range++) {
        if (range >= 0 && f->ranges[range][0] == f->ranges[range][1]) break;
        for (int i = 0; i < SAMPLES; i++) {
            float x = f32_bits(glia_rng_u32(&rng));
            if (range >= 0)
                x = (float)(f->ranges[range][0] +
                            (f->ranges[range][1] - f->ranges[range][0]) * glia_rng_f64(&rng));
            if (range < 0 && f->bound64 == 0 && !(fabsf(x) < 80))
                continue; /* built from exp: see the ranges */
            double e = error32(f->f32(x), f->want((long double)x));
            if (e > worst) worst = e, at = (double)x;
        }
    }
    report(f->name, "f32", worst, at, f->bound32);
}

static void measure64(const function *f)
{
    glia_rng rng = {1, 64, 0};
    double worst = 0, at = 0;
    for (int range = -1; range < 4; range++)
        for (int i = 0; i < SAMPLES; i++) {
            double x = f64_bits(glia_rng_u64(&rng));
            if (range >= 0)
                x = f->ranges[range][0] + (f->ranges[range][1] - f->ranges[range][0]) * glia_rng_f64(&rng);
            double e = error64(f->f64(x), f->want((long double)x));
            if (e > worst) worst = e, at = x;
        }
    report(f->name, "f64", worst, at, f->bound64);
}

static void fmath_accuracy_f32(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (functions[i].f32) measure32(&functions[i]);
}

static void fmath_accuracy_f64(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (functions[i].f64) measure64(&functions[i]);
}

/* The numbers closest to multiples of pi/2 are where a poor reduction shows: the classical worst case of
 * f64, and the doubles next to n pi/2 for many n, large and small. */
static void fmath_hard_arguments(void)
{
    double worst = 0, at = 0;
    CHECK(error64(glia_cos(0x1.6ac5b262ca1ffp+849), cosl(0x1.6ac5b262ca1ffp+849L)) < 1.1);
    CHECK(error32(glia_sinf(0x1.fffffep127f), sinl(0x1.fffffep127L)) < 1.1);
    for (int e = 0; e < 1023; e++)
        for (int i = 1; i < 20; i++) {
            double x = (double)(ldexpl(1.0L, e) * (long double)i * 1.57079632679489661923L);
            if (!(x < INFINITY)) continue;
            for (int side = -1; side <= 1; side++) {
                double v = side ? nextafter(x, side * INFINITY) : x;
                if (!(v < INFINITY)) continue;
                double a = error64(glia_sin(v), sinl((long double)v)),
                       b = error64(glia_cos(-v), cosl((long double)v));
                if (a > worst) worst = a, at = v;
                if (b > worst) worst = b, at = v;
            }
        }
    report("sin and cos near n pi/2", "f64", worst, at, 1.5);
}

static void fmath_pow_accuracy(void)
{
    glia_rng rng = {2, 0, 0};
    double worst64 = 0, worst32 = 0, at64 = 0, at32 = 0;
    for (int i = 0; i < 100000; i++) {
        int kind = i % 4;
        double x = kind == 0 ? f64_bits(glia_rng_u64(&rng) >> 1) : 4 * glia_rng_f64(&rng),
               y = 60 * glia_rng_f64(&rng) - 30;
        if (kind == 2) x = 1 + (glia_rng_f64(&rng) - 0.5) * 1e-3, y = (glia_rng_f64(&rng) - 0.5) * 2e6;
        if (kind == 3) y = 2000 * glia_rng_f64(&rng) - 1000;
        /* powl rounds its logarithm to 64 bits more than f64 has: it is good to 2^-60 or so here. */
        double e = error64(glia_pow(x, y), powl((long double)x, (long double)y));
        if (e > worst64) worst64 = e, at64 = x;
        float a = (float)x, b = (float)(y / 10);
        e = error32(glia_powf(a, b), powl((long double)a, (long double)b));
        if (e > worst32) worst32 = e, at32 = (double)a;
    }
    report("pow", "f64", worst64, at64, 1.2);
    report("pow", "f32", worst32, at32, 0.51);
}

/* glia_pow against C's Annex F on every pair of these, signs of zeros too. */
static void fmath_pow_special(void)
{
    static const double v[] = {0.0,
                               -0.0,
                               0x1p-1074,
                               -0x1p-1074,
                               0.5,
                               -0.5,
                               1,
                               -1,
                               2,
                               -2,
                               3,
                               -3,
                               2.5,
                               -2.5,
                               0x1p52,
                               0x1p53,
                               0x1.0000000000001p52,
                               -0x1.0000000000001p52,
                               1e300,
                               -1e300,
                               INFINITY,
                               -INFINITY,
                               NAN};
    int n = (int)(sizeof v / sizeof v[0]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double got = glia_pow(v[i], v[j]), want = pow(v[i], v[j]);
            bool same = want != want ? got != got
                                     : signbit(got) == signbit(want) && error64(got, (long double)want) <= 1;
            if (!same) fprintf(stderr, "pow(%a, %a) is %a, want %a\n", v[i], v[j], got, want);
            CHECK(same);
            float gotf = glia_powf((float)v[i], (float)v[j]), wantf = powf((float)v[i], (float)v[j]);
            CHECK(wantf != wantf ? gotf != gotf : gotf == wantf);
        }
}

static void fmath_special_values(void)
{
    CHECK(glia_expf(0.0f) == 1 && glia_exp(0) == 1 && glia_exp(-0.0) == 1);
    CHECK(glia_expf(-INFINITY) == 0 && glia_expf(INFINITY) == INFINITY && glia_expf(NAN) != glia_expf(NAN));
    CHECK(glia_exp(-INFINITY) == 0 && glia_exp(INFINITY) == INFINITY && glia_exp(NAN) != glia_exp(NAN));
    CHECK(glia_expf(88.72283f) < INFINITY && glia_expf(88.72284f) == INFINITY);
    CHECK(glia_exp(709.782712893384) < INFINITY && glia_exp(709.7827128933841) == INFINITY);
    CHECK(glia_expf(-103.9f) == 0x1p-149f && glia_expf(-104.0f) == 0);
    CHECK(glia_logf(0) == -INFINITY && glia_log(-0.0) == -INFINITY && glia_logf(1) == 0 && glia_log(1) == 0);
    CHECK(isnan(glia_logf(-1)) && isnan(glia_log(-INFINITY)) && isnan(glia_log(NAN)) &&
          isnan(glia_logf(NAN)));
    CHECK(glia_logf(INFINITY) == INFINITY && glia_log(INFINITY) == INFINITY);
    CHECK(isnan(glia_sinf(INFINITY)) && isnan(glia_cos(-INFINITY)) && isnan(glia_sin(NAN)) &&
          isnan(glia_cosf(NAN)));
    CHECK(signbit(glia_sinf(-0.0f)) && signbit(glia_sin(-0.0)) && signbit(glia_tanhf(-0.0f)) &&
          signbit(glia_erf(-0.0)));
    CHECK(signbit(glia_tanh(-0.0)) && signbit(glia_erff(-0.0f)) && glia_cosf(0) == 1 && glia_cos(0) == 1);
    CHECK(glia_tanhf(INFINITY) == 1 && glia_tanh(-INFINITY) == -1 && isnan(glia_tanhf(NAN)) &&
          isnan(glia_tanh(NAN)));
    CHECK(glia_erff(-INFINITY) == -1 && glia_erf(INFINITY) == 1 && isnan(glia_erff(NAN)) &&
          isnan(glia_erf(NAN)));
    CHECK(glia_sigmoidf(INFINITY) == 1 && glia_sigmoidf(-INFINITY) == 0 && glia_siluf(INFINITY) == INFINITY);
    CHECK(glia_siluf(-200.0f) == 0 && isnan(glia_siluf(NAN)) && isnan(glia_gelu_tanhf(NAN)) &&
          isnan(glia_gelu_erff(NAN)));
}

/* Against the definitions, as a share of |x|: both forms are x times a number in [0, 1]. */
static void fmath_gelu(void)
{
    double worst_tanh = 0, worst_erf = 0;
    for (int i = -20000; i <= 20000; i++) {
        float x = (float)i * 0.0005f;
        long double v = (long double)x, t = sqrtl(2 / 3.14159265358979323846L) * (v + 0.044715L * v * v * v);
        double a = fabs((double)((long double)glia_gelu_tanhf(x) - 0.5L * v * (1 + tanhl(t))));
        double b = fabs((double)((long double)glia_gelu_erff(x) - 0.5L * v * (1 + erfl(v / sqrtl(2.0L)))));
        double scale = fabs((double)x) + 1e-30;
        if (a / scale > worst_tanh) worst_tanh = a / scale;
        if (b / scale > worst_erf) worst_erf = b / scale;
    }
    report("gelu tanh form", "of x", worst_tanh * 0x1p23, 0, 2);
    report("gelu erf form", "of x", worst_erf * 0x1p23, 0, 2);
}

/* These bits are the interface: a change of them is a new numeric identity. */
static void fmath_bits(void)
{
    uint64_t h = 14695981039346656037u;
    glia_rng rng = {3, 0, 0};
    for (int i = 0; i < 4000; i++) {
        float x = (glia_rng_f32(&rng) - 0.5f) * 40;
        double d = (glia_rng_f64(&rng) - 0.5) * 40;
        for (size_t f = 0; f < 6; f++) {
            float y = functions[f].f32(f == 1 ? fabsf(x) : x);
            double z = functions[f].f64(f == 1 ? fabs(d) : d);
            uint32_t a;
            uint64_t b;
            memcpy(&a, &y, sizeof a);
            memcpy(&b, &z, sizeof b);
            h = ((h ^ a) * 1099511628211u ^ b) * 1099511628211u;
        }
    }
    if (getenv("GLIA_TEST_MEASURE")) fprintf(stderr, "bits %016llx\n", (unsigned long long)h);
    CHECK(h == 0x9df2271442364521u);
}

int main(void)
{
    RUN(fmath_accuracy_f32);
    RUN(fmath_accuracy_f64);
    RUN(fmath_hard_arguments);
    RUN(fmath_pow_accuracy);
    RUN(fmath_pow_special);
    RUN(fmath_special_values);
    RUN(fmath_gelu);
    RUN(fmath_bits);
    return CHECK_EXIT();
}
