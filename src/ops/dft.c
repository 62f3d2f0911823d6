/* Discrete Fourier transforms of any length along the axis before the last, which holds 1 (real) or 2 (complex) parts.
 *
 *     y[.., j, :] = sum over i < length of x[.., i, :] exp(-+ 2 pi i j / length)      j < bins
 *
 * x is cut to `length` or padded with zeros; the inverse divides by it. `half`: x holds the first half of a spectrum
 * whose other half is its mirrored conjugate. `parts` 1 keeps the real part of the result alone.
 *
 * Computed in f64: powers of two by the radix-2 form, other lengths as a convolution with a chirp (Bluestein 1970)
 * over the next power of two above twice the length. */
#include <math.h>

#include "base/fmath.h"
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"

static const glia_attr_spec dft_attrs[] = {
    {"length", GLIA_ATTR_INT, true, 0}, {"bins", GLIA_ATTR_INT, true, 0},
    {"parts", GLIA_ATTR_INT, false, 2}, {"inverse", GLIA_ATTR_INT, false, 0},
    {"half", GLIA_ATTR_INT, false, 0},  {0}};
enum { LENGTH, BINS, PARTS, INVERSE, HALF };

typedef struct complex_number {
    double re, im;
} complex_number;

static complex_number times(complex_number a, complex_number b)
{
    return (complex_number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* exp(-i pi num / den), exact in the angle's reduction: num is taken modulo 2 den. */
static complex_number turn(int64_t num, int64_t den)
{
    const double angle = 3.14159265358979323846 * ((double)(num % (2 * den)) / (double)den);
    return (complex_number){glia_cos(angle), -glia_sin(angle)};
}

static int64_t power_above(int64_t n)
{
    int64_t p = 1;
    while (p < n) p *= 2;
    return p;
}

/* In place, n a power of two, root[j] = exp(-2 pi i j / n) for j < n / 2. */
static void radix2(complex_number *v, int64_t n, const complex_number *root)
{
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n / 2;
        for (; j & bit; bit /= 2) j ^= bit;
        j ^= bit;
        if (i < j) {
            complex_number t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
    }
    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t i = 0; i < n; i += 2 * half)
            for (int64_t j = 0; j < half; j++) {
                complex_number t = times(v[i + j + half], root[j * (n / 2 / half)]), s = v[i + j];
                v[i + j] = (complex_number){s.re + t.re, s.im + t.im};
                v[i + j + half] = (complex_number){s.re - t.re, s.im - t.im};
            }
}

/* Scratch: the signal [m], its roots [m / 2 + 1]; for other lengths than powers of two also the chirp's spectrum [m]
 * and the chirp [n], where m is the power of two that is worked with. */
typedef struct work {
    int64_t n, m;
    complex_number *signal, *root, *kernel, *chirp;
} work;

static int64_t work_size(int64_t n)
{
    const int64_t whole = power_above(n), m = whole == n ? n : power_above(2 * n - 1);
    return (m + m / 2 + 1 + (whole == n ? 0 : m + n)) * (int64_t)sizeof(complex_number);
}

static work work_begin(int64_t n, void *scratch)
{
    const bool whole = power_above(n) == n;
    work w = {n, whole ? n : power_above(2 * n - 1), scratch, NULL, NULL, NULL};
    w.root = w.signal + w.m;
    w.kernel = w.root + w.m / 2 + 1;
    w.chirp = w.kernel + w.m;
    for (int64_t j = 0; j < w.m / 2; j++) w.root[j] = turn(2 * j, w.m);
    if (whole) return w;
    for (int64_t i = 0; i < w.m; i++) w.kernel[i] = (complex_number){0, 0};
    for (int64_t i = 0; i < n; i++) {
        w.chirp[i] = turn(i * i, n);
        const complex_number back = {w.chirp[i].re, -w.chirp[i].im};
        w.kernel[i] = back;
        if (i) w.kernel[w.m - i] = back;
    }
    radix2(w.kernel, w.m, w.root);
    return w;
}

/* signal[0..n) becomes its transform. An inverse of length m is the transform of the conjugate. */
static void transform(work *w)
{
    if (w->m == w->n) {
        radix2(w->signal, w->n, w->root);
        return;
    }
    for (int64_t i = 0; i < w->m; i++)
        w->signal[i] = i < w->n ? times(w->signal[i], w->chirp[i]) : (complex_number){0, 0};
    radix2(w->signal, w->m, w->root);
    for (int64_t i = 0; i < w->m; i++) {
        w->signal[i] = times(w->signal[i], w->kernel[i]);
        w->signal[i].im = -w->signal[i].im;
    }
    radix2(w->signal, w->m, w->root);
    for (int64_t i = 0; i < w->n; i++) {
        const complex_number v = {w->signal[i].re / (double)w->m, -w->signal[i].im / (double)w->m};
        w->signal[i] = times(v, w->chirp[i]);
    }
}

/* One signal in, as [size, parts] of x from element `at`. */
static void load(const glia_kargs *k, work *w, int64_t at)
{
    const glia_tensor *x = &k->in[0];
    const int64_t size = x->dims[x->rank - 2], parts = x->dims[x->rank - 1], half = w->n / 2 + 1;
    const double sign = k->attr[INVERSE].i ? -1 : 1;
    for (int64_t i = 0; i < w->n; i++) {
        const bool mirror = k->attr[HALF].i && i >= half;
        const int64_t from = mirror ? w->n - i : i;
        complex_number v = {0, 0};
        if (from < size) {
            v.re = glia_get_f64(x, at + from * parts);
            if (parts == 2) v.im = glia_get_f64(x, at + from * parts + 1);
        }
        v.im *= mirror ? -sign : sign;
        w->signal[i] = v;
    }
}

static void dft_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const int64_t bins = k->attr[BINS].i, parts = k->attr[PARTS].i,
                  from = x->dims[x->rank - 2] * x->dims[x->rank - 1];
    const bool inverse = k->attr[INVERSE].i != 0;
    work w = work_begin(k->attr[LENGTH].i, k->scratch);
    for (glia_box b = glia_box_rows(k, y->rank - 2); b.more; glia_box_next(&b)) {
        load(k, &w, b.row * from);
        transform(&w);
        for (int64_t j = 0; j < bins; j++) {
            const complex_number v = w.signal[j];
            const double by = inverse ? 1.0 / (double)w.n : 1.0;
            glia_set_f64(y, (b.row * bins + j) * parts, v.re * by);
            if (parts == 2) glia_set_f64(y, (b.row * bins + j) * parts + 1, (inverse ? -v.im : v.im) * by);
        }
    }
}

static int64_t dft_scratch(const glia_kargs *k) { return work_size(k->attr[LENGTH].i); }

static void dft_cost(const glia_kargs *k, glia_cost *out)
{
    const double n = (double)k->attr[LENGTH].i, rows = (double)glia_box_count(k, k->out[0].rank - 2);
    out->flops = rows * n * 40 * 8;
    out->bytes = rows * n * 32;
}

static bool dft_infer(glia_infer *x)
{
    const int64_t length = x->attr[LENGTH].i, bins = x->attr[BINS].i, parts = x->attr[PARTS].i;
    const glia_dim last = x->in[0].dims[x->in[0].rank - 1];
    if ((last != 1 && last != 2) || length < 1 || length > 1 << 24 || bins < 1 || bins > length ||
        (parts != 1 && parts != 2))
        return glia_infer_fail(
            x, GLIA_E_SHAPE, "G0192",
            "`dft`: %lld bins of %lld parts from a signal of length %lld whose last axis is %lld",
            (long long)bins, (long long)parts, (long long)length, (long long)last);
    return glia_infer_plain(x);
}

static void dft_sample(glia_sample *s)
{
    const int64_t length = s->pick(s->ctx, 1, 20), half = s->pick(s->ctx, 0, 2) == 0;
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32,
                           3,
                           0,
                           {s->pick(s->ctx, 1, 3), half ? length / 2 + 1 : s->pick(s->ctx, 1, 22),
                            half ? 2 : s->pick(s->ctx, 1, 2)}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("length", length);
    s->attrs[1] = (glia_attr_arg)GLIA_INT("bins", s->pick(s->ctx, 1, length));
    s->attrs[2] = (glia_attr_arg)GLIA_INT("parts", s->pick(s->ctx, 1, 2));
    s->attrs[3] = (glia_attr_arg)GLIA_INT("inverse", s->pick(s->ctx, 0, 1));
    s->attrs[4] = (glia_attr_arg)GLIA_INT("half", half);
}

const glia_op glia_op_dft = {
    .name = "dft",
    .signature = "x: F[.., n!, c!] -> y: F[.., #bins!, #parts!]",
    .attrs = dft_attrs,
    .infer = dft_infer,
    .no_grad = "spectra are computed here, not trained through",
    .cost = dft_cost,
    .scratch = dft_scratch,
    .reference = dft_reference,
    .sample = dft_sample,
};
