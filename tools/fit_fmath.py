#!/usr/bin/env python3
"""Fits the polynomials of src/base/fmath.c (Remez exchange at high precision) and prints their coefficients.

Needs mpmath. Each fit minimises the error of  f(x) - sum c_i g_i(x)  divided by `scale(x)`; coefficients are
rounded to the target precision one after the other, refitting those that are left.
"""
import struct
import sys
from mpmath import mp, mpf, matrix, lu_solve, exp, log, sin, cos, tanh, erf, erfc, sqrt, pi, floor

mp.prec = 240


def to_f32(v):
    return mpf(struct.unpack("<f", struct.pack("<f", float(v)))[0])


def to_f64(v):
    return mpf(float(v))


def remez(f, powers, scale, lo, hi, rounds=12, grid=900):
    """Coefficients for basis x**p, p in powers, and the largest weighted error."""
    n = len(powers)
    xs = [lo + (hi - lo) * (1 - mp.cos(pi * (mpf(i) + mpf(1) / 2) / (n + 1))) / 2 for i in range(n + 1)]
    pts = [lo + (hi - lo) * (1 - mp.cos(pi * i / grid)) / 2 for i in range(grid + 1)]
    pts = [p for p in pts if scale(p) != 0]
    table = [(p, f(p), scale(p)) for p in pts]
    c, worst = None, None
    for _ in range(rounds):
        a = matrix(n + 1, n + 1)
        b = matrix(n + 1, 1)
        for i, x in enumerate(xs):
            for j, p in enumerate(powers):
                a[i, j] = x ** p
            a[i, n] = (-1) ** i * scale(x)
            b[i] = f(x)
        s = lu_solve(a, b)
        c = [s[j] for j in range(n)]
        err = []
        for (x, fx, sx) in table:
            acc = mpf(0)
            for ci, p in zip(c, powers):
                acc += ci * x ** p
            err.append((fx - acc) / sx)
        worst = max(abs(e) for e in err)
        # one extremum per run of equal sign
        ext = []
        for i, e in enumerate(err):
            if ext and (err[ext[-1]] > 0) == (e > 0):
                if abs(e) > abs(err[ext[-1]]):
                    ext[-1] = i
            else:
                ext.append(i)
        while len(ext) > n + 1:
            if abs(err[ext[0]]) < abs(err[ext[-1]]):
                ext.pop(0)
            else:
                ext.pop()
        if len(ext) < n + 1:
            break
        new = [table[i][0] for i in ext]
        if worst < abs(s[n]) * mpf("1.01"):
            break
        xs = new
    return c, worst


def fit(name, f, powers, scale, lo, hi, rnd, keep=None):
    """Fits, then rounds the lowest power first and refits the rest; `keep` powers only are refitted."""
    lo, hi = mpf(lo), mpf(hi)
    fixed = []
    powers = list(powers)
    c, worst = remez(f, powers, scale, lo, hi)
    first = worst
    refits = len(powers) if keep is None else keep
    while powers:
        p = powers.pop(0)
        v = rnd(c.pop(0))
        fixed.append((p, v))
        if powers and refits > 0:
            refits -= 1

            def g(x, fixed=tuple(fixed)):
                return f(x) - sum(v * x ** p for p, v in fixed)
            c, worst = remez(g, powers, scale, lo, hi, rounds=6)
    grid = [lo + (hi - lo) * mpf(i) / 2000 for i in range(2001)]
    final = max(abs((f(x) - sum(v * x ** p for p, v in fixed)) / scale(x)) for x in grid if scale(x) != 0)
    print(f"/* {name}: minimax {float(first):.3g}, after rounding {float(final):.3g} */")
    for p, v in fixed:
        print(f"    {float(v).hex()}{'f' if rnd is to_f32 else ''}, /* x^{p} */")
    sys.stdout.flush()


def split(name, v, rnd, parts, bits=None):
    out = []
    for i in range(parts):
        if bits and i < parts - 1:
            e = mp.frexp(v)[1] - bits
            part = mp.floor(v / mpf(2) ** e) * mpf(2) ** e
        else:
            part = rnd(v)
        out.append(float(part).hex())
        v -= part
    print(f"/* {name} */", ", ".join(out))


def one(x):
    return mpf(1)


FITS = {}


def job(fn):
    FITS[fn.__name__] = fn


@job
def constants():
    split("ln2 f32", log(mpf(2)), to_f32, 2, 15)
    split("ln2 f64", log(mpf(2)), to_f64, 3, 42)
    split("pi/2 f32", pi / 2, to_f32, 4)
    split("pi/2 f64", pi / 2, to_f64, 4)
    named = (("log2e", 1 / log(mpf(2))), ("2/pi", 2 / pi), ("2/3", mpf(2) / 3), ("sqrt(2/pi)", sqrt(2 / pi)),
             ("sqrt(1/2)", 1 / sqrt(mpf(2))))
    for n, v in named:
        split(n, v, to_f64, 2)
        print(f"   f32 {float(to_f32(v)).hex()}f")
    mp.prec = 1600
    words = int(floor(2 / pi * mpf(2) ** (64 * 20)))
    mp.prec = 240
    print("/* 2/pi bits */", ", ".join(f"0x{words >> (64 * (19 - i)) & (2**64 - 1):016x}" for i in range(20)))


L2 = log(mpf(2)) / 2 * mpf("1.003")


def exp_tail(r, k):
    """(exp(r) - 1 - r) / r^2 for k = 2, (exp(r) - 1) / r for k = 1"""
    if abs(r) < mpf("1e-20"):
        return mpf(1) / k
    return (exp(r) - 1 - (r if k == 2 else 0)) / r ** k


def exp_weight(k):
    return lambda r: exp(r) / max(abs(r), mpf("1e-3")) ** k


@job
def expf_():
    fit("expf c1=1", lambda r: exp_tail(r, 2), range(0, 4), exp_weight(2), -L2, L2, to_f32, keep=0)
    fit("expf c1 free", lambda r: exp_tail(r, 1), range(0, 5), exp_weight(1), -L2, L2, to_f32, keep=0)


@job
def exp_():
    fit("exp", lambda r: exp_tail(r, 2), range(0, 10), exp_weight(2), -L2, L2, to_f64, keep=0)


def atanh_tail(z):
    """(ln(1+f) - 2s) / s^3 = 2/3 + 2/5 z + ..., z = s^2"""
    if z < mpf("1e-40"):
        return mpf(2) / 3
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) - 2 * s) / (s * z)


S2 = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.002")


@job
def logf_():
    fit("logf", atanh_tail, range(0, 3), one, "1e-30", S2, to_f32)
    fit("logf 4", atanh_tail, range(0, 4), one, "1e-30", S2, to_f32)


@job
def log_():
    fit("log", atanh_tail, range(0, 8), one, "1e-30", S2, to_f64, keep=4)


@job
def pow_():
    # tail behind the 2/3 term: 2/5 + 2/7 z + ...
    fit("pow", lambda z: (atanh_tail(z) - mpf(2) / 3) / z, range(0, 8), one, "1e-12", S2, to_f64, keep=3)


P4 = (pi / 4 * mpf("1.01")) ** 2


def sin_tail(z):
    r = sqrt(z)
    return (sin(r) - r) / (r * z)


def cos_tail(z):
    return (cos(sqrt(z)) - 1 + z / 2) / (z * z)


@job
def sinf_():
    fit("sinf", sin_tail, range(0, 3), one, "1e-12", P4, to_f32)
    fit("sinf4", sin_tail, range(0, 4), one, "1e-12", P4, to_f32)
    fit("cosf", cos_tail, range(0, 3), one, "1e-12", P4, to_f32)


@job
def sin_():
    fit("sin", sin_tail, range(0, 6), one, "1e-12", P4, to_f64, keep=3)
    fit("cos", cos_tail, range(0, 6), one, "1e-12", P4, to_f64, keep=3)


def tanh_tail(z):
    x = sqrt(z)
    return (tanh(x) - x) / (x * z)


@job
def tanhf_():
    fit("tanhf .625", tanh_tail, range(0, 5), one, "1e-12", mpf("0.625") ** 2, to_f32)


@job
def tanh_():
    fit("tanh .5625", tanh_tail, range(0, 11), one, "1e-12", mpf("0.5625") ** 2, to_f64, keep=3)


def erf_small(z):
    x = sqrt(z)
    return erf(x) / x


@job
def erff_():
    fit("erff [0,0.875]", lambda z: erf_small(z) - 1, range(0, 6), one, "1e-12", mpf("0.875") ** 2, to_f32)
    # erf(a) = 1 - exp(-a*P(a)): the error of a*P counts times erfc
    fit("erff tail", lambda a: -log(erfc(a)), range(1, 8), lambda a: 1 / erfc(a), "0.875", "3.925", to_f32, keep=2)
    fit("erff tail 8", lambda a: -log(erfc(a)), range(0, 8), lambda a: 1 / erfc(a), "0.875", "3.925", to_f32, keep=2)


@job
def erf_():
    fit("erf [0,0.875]", lambda z: erf_small(z) - 1, range(0, 12), one, "1e-12", mpf("0.875") ** 2, to_f64, keep=3)
    # erfc(a) exp(a^2) = G(t), t = (a - 2.5) / (a + 2.5); a in [0.875, 6.0]
    def g(t):
        a = mpf("2.5") * (1 + t) / (1 - t)
        return erfc(a) * exp(a * a)

    def w(t):
        a = mpf("2.5") * (1 + t) / (1 - t)
        return exp(a * a)
    t0 = (mpf("0.875") - mpf("2.5")) / (mpf("0.875") + mpf("2.5"))
    t1 = (mpf("6.0") - mpf("2.5")) / (mpf("6.0") + mpf("2.5"))
    for n in (11, 13, 15):
        fit(f"erf tail {n}", g, range(0, n), w, t0, t1, to_f64, keep=0)


def atan_tail(z):
    t = sqrt(z)
    return (mp.atan(t) - t) / (t * z)


@job
def atan_():
    fit("atan .4375", atan_tail, range(0, 11), one, "1e-12", mpf("0.4381") ** 2, to_f64, keep=3)


for name in sys.argv[1:] or list(FITS):
    print(f"== {name}")
    FITS[name]()
