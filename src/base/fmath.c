/* Transcendental functions from polynomials, the same bits on every machine: only IEEE additions,
 * products, quotients, square roots, fma and rint, in a fixed order, rounding to nearest.
 *
 * The largest errors that the tests measure against long double, in units of the last place:
 *     expf 2.00   logf 0.84   sinf, cosf 1.57   tanhf 1.82   erff 1.42   powf 0.51
 *     exp  1.00   log  0.84   sin, cos   1.48   tanh  1.42   erf  1.23   pow  1.13
 *     sigmoidf 3.43   siluf 3.56
 * (1.5 million samples for each of five ranges, the whole range of the type among them.)
 * The coefficients come from tools/fit_fmath.py. Each table has the lowest power first. A kernel that
 * works on vectors repeats the steps in the comments lane by lane and gets equal bits. */
#include "fmath.h"
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static float f32_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint32_t bits_of_f32(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double f64_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t bits_of_f64(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* c[0] + c[1] x + ..., by Horner: acc = c[last]; acc = fma(acc, x, c[i]) downwards. */
static inline float horner_f32(const float *c, int count, float x)
{
    float acc = c[count - 1];
    for (int i = count - 2; i >= 0; i--) acc = fmaf(acc, x, c[i]);
    return acc;
}

static inline double horner_f64(const double *c, int count, double x)
{
    double acc = c[count - 1];
    for (int i = count - 2; i >= 0; i--) acc = fma(acc, x, c[i]);
    return acc;
}

/* 2^n for n within the exponents of normal numbers */
static float power_of_2_f32(int n) { return f32_of((uint32_t)(n + 127) << 23); }
static double power_of_2_f64(int n) { return f64_of((uint64_t)(n + 1023) << 52); }

/* ---- f32 */

#define LOG2E_F32 0x1.715476p+0f
#define LN2_HI_F32 0x1.62e4p-1f /* 15 bits: n * hi is exact */
#define LN2_LO_F32 0x1.7f7d1cp-20f

static const float expf_c[] = {
    /* (exp(r) - 1) / r on |r| <= ln2/2 */
    0x1.fffff6p-1f, 0x1.fffdbep-2f, 0x1.555a7ap-3f, 0x1.573d3ap-5f, 0x1.0fa61ep-7f,
};

/* exp(x), f32. The steps, for vector kernels to repeat:
 *     x = x < -104 ? -104 : x;  x = x > 89 ? 89 : x          (both false for NaN, which stays)
 *     n = rint(x * LOG2E)
 *     r = fma(-n, LN2_HI, x);  r = fma(-n, LN2_LO, r)
 *     p = c[4];  p = fma(p, r, c[i]) for i = 3, 2, 1, 0;  p = fma(p, r, 1)
 *     a = floor(n / 2), b = n - a                              (integers; any value for NaN)
 *     y = (p * 2^a) * 2^b
 * Scaling in two halves rounds denormal results once and lets the clamped ends become 0 and infinity. */
float glia_expf(float x)
{
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    float n = rintf(x * LOG2E_F32);
    float r = fmaf(-n, LN2_HI_F32, x);
    r = fmaf(-n, LN2_LO_F32, r);
    float p = fmaf(horner_f32(expf_c, GLIA_COUNT(expf_c), r), r, 1.0f);
    int k = x == x ? (int)n : 0, a = k >> 1;
    return p * power_of_2_f32(a) * power_of_2_f32(k - a);
}

static const float logf_c[] = {
    /* (ln((1 + s) / (1 - s)) - 2s) / s^3 in s^2 */
    0x1.555556p-1f,
    0x1.9996a8p-2f,
    0x1.257ed6p-2f,
    0x1.aaf926p-3f,
};

/* ln(x), f32: x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f), z = s^2,
 * h = f^2 / 2; then ln(m) = f - (h - s (h + z P(z))), which keeps f, the largest term, exact. */
float glia_logf(float x)
{
    if (!(x > 0)) return x == 0 ? -(float)INFINITY : (float)NAN;
    if (x > 0x1.fffffep127f) return x;
    int k = 0;
    if (x < 0x1p-126f) {
        x *= 0x1p25f;
        k = -25;
    }
    uint32_t bits = bits_of_f32(x) - 0x3f3504f3u; /* the bits of sqrt(1/2) */
    k += (int32_t)bits >> 23;
    float m = f32_of((bits & 0x7fffffu) + 0x3f3504f3u);
    float f = m - 1.0f, s = f / (2.0f + f), z = s * s, h = 0.5f * f * f;
    float p = z * horner_f32(logf_c, GLIA_COUNT(logf_c), z), n = (float)k;
    float low = fmaf(n, LN2_LO_F32, s * (h + p));
    return fmaf(n, LN2_HI_F32, f - (h - low));
}

static const float sinf_c[] = {
    /* (sin(r) - r) / r^3 in r^2, |r| <= pi/4 */
    -0x1.555552p-3f,
    0x1.110b66p-7f,
    -0x1.9a6404p-13f,
};
static const float cosf_c[] = {
    /* (cos(r) - 1 + r^2/2) / r^4 in r^2 */
    0x1.555554p-5f,
    -0x1.6c1238p-10f,
    0x1.9b87aap-16f,
};

static double reduce_f64(double x, int *quadrant);

/* r in [-pi/4, pi/4] and a quadrant with x = quadrant * pi/2 + r. Up to |x| = 2^17:
 *     n = rint(x * 2/pi);  r = fma(-n, P1, x);  r = fma(-n, P2, r);  r = fma(-n, P3, r)
 * with three f32 parts of pi/2; the first step is exact. Beyond, the f64 reduction, rounded. */
static float reduce_f32(float x, int *quadrant)
{
    if (!(fabsf(x) <= 0x1p17f)) return (float)reduce_f64((double)x, quadrant);
    float n = rintf(x * 0x1.45f306p-1f);
    float r = fmaf(-n, 0x1.921fb6p+0f, x);
    r = fmaf(-n, -0x1.777a5cp-25f, r);
    r = fmaf(-n, -0x1.ee59dap-50f, r);
    *quadrant = (int)n & 3;
    return r;
}

/* sin(r) = fma(r z, S(z), r), cos(r) = fma(z z, C(z), fma(z, -1/2, 1)), z = r^2; odd quadrants swap the
 * two, quadrants 2 and 3 negate. */
static float sine_f32(float r, int quadrant)
{
    float z = r * r, y;
    if (quadrant & 1) y = fmaf(z * z, horner_f32(cosf_c, GLIA_COUNT(cosf_c), z), fmaf(z, -0.5f, 1.0f));
    else y = fmaf(r * z, horner_f32(sinf_c, GLIA_COUNT(sinf_c), z), r);
    return quadrant & 2 ? -y : y;
}

float glia_sinf(float x)
{
    int q;
    if (x == 0) return x; /* keeps the sign of zero */
    float r = reduce_f32(x, &q);
    return sine_f32(r, q);
}

float glia_cosf(float x)
{
    int q;
    float r = reduce_f32(x, &q);
    return sine_f32(r, (q + 1) & 3);
}

static const float tanhf_c[] = {
    /* (tanh(x) - x) / x^3 in x^2, |x| <= 0.625 */
    -0x1.555552p-2f, 0x1.110dc6p-3f, -0x1.b90fcp-5f, 0x1.572f04p-6f, -0x1.8a9d56p-8f,
};

/* tanh(x), f32, a = |x|:
 *     a < 0.625:  z = x x;  fma(x z, P(z), x)
 *     else:       1 - 2 / (exp(2a) + 1)
 * and then the sign of x, which the fma would lose for -0. */
float glia_tanhf(float x)
{
    float a = fabsf(x), z = x * x, y;
    if (a < 0.625f) y = fmaf(x * z, horner_f32(tanhf_c, GLIA_COUNT(tanhf_c), z), x);
    else y = 1.0f - 2.0f / (glia_expf(2.0f * a) + 1.0f);
    return copysignf(y, x);
}

static const float erff_c[] = {
    /* erf(x) / x - 1 in x^2, |x| <= 0.875 */
    0x1.06eba6p-3f, -0x1.8126ecp-2f, 0x1.ce1b88p-4f, -0x1.b69cf6p-6f, 0x1.47b2ecp-8f, -0x1.3c57bep-11f,
};
static const float erff_tail_c[] = {
    /* -ln(1 - erf(a)) / a on [0.875, 3.925] */
    0x1.20edb4p+0f, 0x1.453e08p-1f,   0x1.b28cc2p-4f,  -0x1.8340cep-6f,
    0x1.d5958ep-9f, -0x1.43014ap-12f, 0x1.4738eep-17f,
};

/* erf(x), f32, a = |x|:
 *     a < 0.875:  fma(x, P(x x), x)
 *     else:       a = a > 3.925 ? 3.925 : a;  1 - exp(-(a Q(a))), with the sign of x; from 3.925 on
 *                 that rounds to 1 */
float glia_erff(float x)
{
    float a = fabsf(x);
    if (a < 0.875f) return fmaf(x, horner_f32(erff_c, GLIA_COUNT(erff_c), x * x), x);
    a = a > 3.925f ? 3.925f : a;
    return copysignf(1.0f - glia_expf(-(a * horner_f32(erff_tail_c, GLIA_COUNT(erff_tail_c), a))), x);
}

/* x^y by the f64 function, rounded. */
float glia_powf(float x, float y) { return (float)glia_pow((double)x, (double)y); }

float glia_sigmoidf(float x) { return 1.0f / (1.0f + glia_expf(-x)); }
float glia_siluf(float x) { return x / (1.0f + glia_expf(-x)); }

/* 0.5 (1 + tanh(t)) = 1 / (1 + exp(-2t)), which does not cancel for negative t:
 *     t = x x;  t = fma(0.044715 t, x, x);  y = x / (1 + exp(t * -2 sqrt(2/pi))) */
float glia_gelu_tanhf(float x)
{
    float t = x * x;
    t = fmaf(0.044715f * t, x, x);
    return x / (1.0f + glia_expf(t * -0x1.988454p+0f));
}

/* (0.5 x) * (1 + erf(x * sqrt(1/2))) */
float glia_gelu_erff(float x) { return 0.5f * x * (1.0f + glia_erff(x * 0x1.6a09e6p-1f)); }

/* ---- f64 */

#define LN2_HI 0x1.62e42fefa38p-1 /* 42 bits: n * hi is exact */
#define LN2_LO 0x1.ef35793c7673p-45

static const double exp_c[] = {
    /* (exp(r) - 1 - r) / r^2 on |r| <= ln2/2 */
    0x1.000000000000ap-1,  0x1.55555555554f7p-3,  0x1.55555555506b7p-5,  0x1.111111112856bp-7,
    0x1.6c16c18495b94p-10, 0x1.a01a012812a91p-13, 0x1.a01998d6b0ff7p-16, 0x1.71df2848ca6edp-19,
    0x1.28ae9ea55695dp-22, 0x1.ad7e07888484p-26,
};

/* exp(x + low), |low| at most about an ulp of x; x within (-746, 710) or NaN */
static double exp_of_sum(double x, double low)
{
    double n = rint(x * 0x1.71547652b82fep+0);
    double r = fma(-n, LN2_HI, x);
    r = fma(-n, LN2_LO, r) + low;
    double p = fma(r * r, horner_f64(exp_c, GLIA_COUNT(exp_c), r), r) + 1.0;
    int k = x == x ? (int)n : 0, a = k >> 1;
    return p * power_of_2_f64(a) * power_of_2_f64(k - a);
}

/* The same steps as in f32, with p = fma(r r, Q(r), r) + 1. */
double glia_exp(double x)
{
    x = x < -746.0 ? -746.0 : x;
    x = x > 710.0 ? 710.0 : x;
    return exp_of_sum(x, 0.0);
}

static const double log_c[] = {
    /* (ln((1 + s) / (1 - s)) - 2s) / s^3 in s^2 */
    0x1.5555555555555p-1, 0x1.999999999a284p-2, 0x1.249249235a5a5p-2, 0x1.c71c73c956798p-3,
    0x1.745c4b4196552p-3, 0x1.3b3e285b0e5e4p-3, 0x1.0c755affe284fp-3, 0x1.2bfad7e43a53cp-3,
};

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)); x > 0 and finite */
static double split_f64(double x, int *k)
{
    const uint64_t root = 0x3fe6a09e667f3bcdu; /* the bits of sqrt(1/2) */
    *k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        *k = -54;
    }
    uint64_t bits = bits_of_f64(x) - root;
    *k += (int)((int64_t)bits >> 52);
    return f64_of((bits & 0xfffffffffffffu) + root);
}

/* As in f32. */
double glia_log(double x)
{
    int k;
    if (!(x > 0)) return x == 0 ? -(double)INFINITY : (double)NAN;
    if (x > 0x1.fffffffffffffp1023) return x;
    double m = split_f64(x, &k);
    double f = m - 1.0, s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double p = z * horner_f64(log_c, GLIA_COUNT(log_c), z), n = k;
    double low = fma(n, LN2_LO, s * (h + p));
    return fma(n, LN2_HI, f - (h - low));
}

#define PI_2_A 0x1.921fb54442d18p+0
#define PI_2_B 0x1.1a62633145c07p-54
#define PI_2_C -0x1.f1976b7ed8fbcp-110

/* The bits of 2/pi behind the point, and a zero word before it. */
static const uint64_t two_over_pi[] = {
    0,
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
};

/* Reduction of a large x >= 2^20 after Payne and Hanek (1983), in integers. With x = M 2^e, bits of 2/pi
 * that contribute multiples of 4 to x * 2/pi are skipped; M times the next 192 bits, modulo 2^192, is
 * x * 2/pi modulo 4 with 190 bits behind the point, wrong by less than 2^-137. */
static double reduce_large(double x, int *quadrant)
{
    uint64_t bits = bits_of_f64(x), mantissa = (bits & 0xfffffffffffffu) | (uint64_t)1 << 52, w[3];
    int e = (int)(bits >> 52) - 1075, at = e - 2 + 64, shift = at % 64;
    for (int i = 0; i < 3; i++) {
        const uint64_t *from = two_over_pi + at / 64 + i;
        w[i] = shift ? from[0] << shift | from[1] >> (64 - shift) : from[0];
    }
    unsigned __int128 low = (unsigned __int128)mantissa * w[2];
    unsigned __int128 middle = (unsigned __int128)mantissa * w[1] + (uint64_t)(low >> 64);
    uint64_t high = mantissa * w[0] + (uint64_t)(middle >> 64);
    /* Two bits of quadrant, then the fraction; the nearest quadrant leaves it in [-1/2, 1/2). */
    unsigned __int128 all = (unsigned __int128)high << 64 | (uint64_t)middle;
    int q = (int)(high >> 62);
    unsigned __int128 part = all << 2 | (uint64_t)low >> 62;
    bool negative = part >> 127;
    if (negative) {
        q++;
        part = -part;
    }
    *quadrant = q & 3;
    double f = (double)part;
    /* Up to 2^127, so the difference fits; it is what rounding to f64 left out. */
    double rest = (double)(__int128)(part - (unsigned __int128)f);
    double r = fma(f, PI_2_A, fma(f, PI_2_B, rest * PI_2_A)) * 0x1p-128;
    return negative ? -r : r;
}

/* As in f32: three f64 parts of pi/2 by fma up to 2^20, the integer reduction beyond. */
static double reduce_f64(double x, int *quadrant)
{
    double a = fabs(x);
    *quadrant = 0;
    if (!(a <= 0x1.fffffffffffffp1023)) return (double)NAN;
    if (a >= 0x1p20) {
        double r = reduce_large(a, quadrant);
        if (x > 0) return r;
        *quadrant = -*quadrant & 3;
        return -r;
    }
    double n = rint(x * 0x1.45f306dc9c883p-1);
    double r = fma(-n, PI_2_A, x);
    r = fma(-n, PI_2_B, r);
    r = fma(-n, PI_2_C, r);
    *quadrant = (int)n & 3;
    return r;
}

static const double sin_c[] = {
    /* (sin(r) - r) / r^3 in r^2, |r| <= pi/4 */
    -0x1.5555555555555p-3, 0x1.1111111110c2ap-7,   -0x1.a01a019e87647p-13,
    0x1.71de378dafbb4p-19, -0x1.ae5ff9f5b51b1p-26, 0x1.5e0334f2c153fp-33,
};
static const double cos_c[] = {
    /* (cos(r) - 1 + r^2/2) / r^4 in r^2 */
    0x1.5555555555555p-5,   -0x1.6c16c16c167afp-10, 0x1.a01a019eec1d2p-16,
    -0x1.27e4f99e9784cp-22, 0x1.1eeaf0f8ccb77p-29,  -0x1.902b9165a4c37p-37,
};

static double sine_f64(double r, int quadrant)
{
    double z = r * r, y;
    if (quadrant & 1) {
        double h = 0.5 * z, w = 1.0 - h; /* (1 - w) - h is what w lost by rounding */
        y = w + fma(z * z, horner_f64(cos_c, GLIA_COUNT(cos_c), z), (1.0 - w) - h);
    } else {
        y = fma(r * z, horner_f64(sin_c, GLIA_COUNT(sin_c), z), r);
    }
    return quadrant & 2 ? -y : y;
}

double glia_sin(double x)
{
    int q;
    if (x == 0) return x;
    double r = reduce_f64(x, &q);
    return sine_f64(r, q);
}

double glia_cos(double x)
{
    int q;
    double r = reduce_f64(x, &q);
    return sine_f64(r, (q + 1) & 3);
}

static const double tanh_c[] = {
    /* (tanh(x) - x) / x^3 in x^2, |x| <= 0.5625 */
    -0x1.5555555555555p-2,  0x1.1111111110f24p-3,  -0x1.ba1ba1b9e0c04p-5,  0x1.664f486ccb89dp-6,
    -0x1.226e31295fb36p-7,  0x1.d6d2df6c3d2f9p-9,  -0x1.7d927074fefe1p-10, 0x1.3492e83d0c75cp-11,
    -0x1.e9cef4ffe9981p-13, 0x1.5de6b8fb923d6p-14, -0x1.46c4e13158f36p-16,
};

double glia_tanh(double x)
{
    double a = fabs(x), z = x * x, y;
    if (a < 0.5625) y = fma(x * z, horner_f64(tanh_c, GLIA_COUNT(tanh_c), z), x);
    else y = 1.0 - 2.0 / (glia_exp(2.0 * a) + 1.0);
    return copysign(y, x);
}

static const double erf_c[] = {
    /* erf(x) / x - 1 in x^2, |x| <= 0.875 */
    0x1.06eba8214db69p-3,  -0x1.812746b037a2dp-2,  0x1.ce2f21a0464aep-4,  -0x1.b82ce313a6f17p-6,
    0x1.565bcd3c918d7p-8,  -0x1.c02dbca8bcfd1p-11, 0x1.f9a429023799ep-14, -0x1.f4e580387ae5ap-17,
    0x1.baccd8f3b5469p-20, -0x1.65f1a65fe014cp-23, 0x1.165e37c5593c7p-26, -0x1.75d6363d0243cp-30,
};
static const double erf_tail_c[] = {
    /* (1 - erf(a)) exp(a^2) in t = (a - 2.5) / (a + 2.5), a in [0.875, 6] */
    0x1.afbb3f3b73439p-3,  -0x1.7ca88dec21a67p-2,  0x1.01c11a7358e8ep-2,   -0x1.001154370c795p-3,
    0x1.470ba21066ab3p-5,  -0x1.05bb280c1126p-8,   -0x1.5a56f7d1d34a9p-9,  0x1.cb34abf9fe538p-11,
    0x1.de09273a09b53p-13, -0x1.11bfa52198644p-13, -0x1.3be06eeb2bde4p-15, 0x1.f33e67d1b6cccp-17,
    0x1.c5033806a9df2p-18,
};

/* Beyond 0.875: 1 - exp(-a^2) G(t), a^2 taken exactly as a sum of two. From 6 on it rounds to 1. */
double glia_erf(double x)
{
    double a = fabs(x);
    if (a < 0.875) return fma(x, horner_f64(erf_c, GLIA_COUNT(erf_c), x * x), x);
    a = a > 6.0 ? 6.0 : a;
    double h = a * a, low = fma(a, a, -h), t = (a - 2.5) / (a + 2.5);
    double tail = exp_of_sum(-h, -low) * horner_f64(erf_tail_c, GLIA_COUNT(erf_tail_c), t);
    return copysign(1.0 - tail, x);
}

static const double pow_c[] = {
    /* the terms of log_c after 2/3, as 2/5 + 2/7 z + ... */
    0x1.999999999999ap-2, 0x1.2492492491fa6p-2, 0x1.c71c71c857ecep-3, 0x1.745d165c30233p-3,
    0x1.3b140104d384ap-3, 0x1.11042610f9695p-3, 0x1.e36e2dc72c0a5p-4, 0x1.ba4177f3fbe45p-4,
};

/* ln(x) as high + low with an error of about 2^-64 relative; x > 0 and finite. In every sum below the
 * first term is the larger, so that its rounding error is had by subtracting. */
static double log_pair(double x, double *low)
{
    int k;
    double m = split_f64(x, &k), f = m - 1.0;
    double d = m + 1.0, d_low = m - (d - 1.0);
    double s = f / d, s_low = (fma(-s, d, f) - s * d_low) / d;
    double z = s * s, z_low = fma(s, s, -z) + 2.0 * s * s_low;
    double tail = z * horner_f64(pow_c, GLIA_COUNT(pow_c), z);
    double q = 0x1.5555555555555p-1 + tail, q_low = (0x1.5555555555555p-1 - q) + tail + 0x1.5555555555555p-55;
    double u = z * q, u_low = fma(z, q, -u) + (z * q_low + z_low * q);
    double v = 2.0 + u, v_low = (2.0 - v) + u + u_low;
    double a = s * v, a_low = fma(s, v, -a) + (s * v_low + s_low * v);
    double n = k, b = n * LN2_HI, sum = b + a;
    if (k == 0) sum = a;
    else a_low += (b - sum) + a;
    a_low = fma(n, LN2_LO, a_low);
    double high = sum + a_low;
    *low = (sum - high) + a_low;
    return high;
}

/* 0: y is no integer; 1: odd; 2: even */
static int parity(double y)
{
    if (y != rint(y)) return 0;
    double half = 0.5 * y;
    return half == rint(half) ? 2 : 1;
}

/* x^y for x or y zero or infinite, or x below zero without an integer y, as IEEE 754 (9.2.1) has them.
 * x and y are no NaN, and y is not 0. */
static double pow_special(double x, double y, bool negative)
{
    double a = fabs(x);
    if (fabs(y) > 0x1.fffffffffffffp1023) {
        if (a == 1) return 1;
        return (a > 1) == (y > 0) ? (double)INFINITY : 0;
    }
    double v = (a == 0) == (y > 0) ? 0 : (double)INFINITY;
    return negative ? -v : v;
}

/* exp(y ln x), the logarithm and the product as pairs. */
double glia_pow(double x, double y)
{
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return x + y;
    double a = fabs(x), low;
    int kind = parity(y);
    bool negative = signbit(x) && kind == 1;
    if (a == 0 || a > 0x1.fffffffffffffp1023 || fabs(y) > 0x1.fffffffffffffp1023)
        return pow_special(x, y, negative);
    if (x < 0 && !kind) return (double)NAN;
    double log_high = log_pair(a, &low), t = y * log_high;
    double v;
    if (t > 710) v = (double)INFINITY;
    else if (t < -746) v = 0;
    else v = exp_of_sum(t, fma(y, log_high, -t) + y * low);
    return negative ? -v : v;
}
