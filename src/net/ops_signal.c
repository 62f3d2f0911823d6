/* Spectra, windows, ranges, random numbers, determinants: what makes tensors from few numbers. */
#include <math.h>

#include "base/check.h"
#include "base/fmath.h"
#include "net/emitter.h"
#include "net/ops_words.h"

static glia_dtype dtype_attr(glia_emit *m, const char *name, glia_dtype otherwise)
{
    const int64_t t = glia_emit_int(m, name, 0);
    return t > 0 && t < 64 ? glia_onnx_dtype((int32_t)t) : otherwise;
}

/* One integer of an input. */
static bool whole(glia_emit *m, int i, int64_t *out)
{
    int count;
    if (!glia_emit_ints(m, i, out, 1, &count)) return false;
    return count == 1 || glia_emit_fail(m, "input %d has to be one integer", i);
}

enum { LENGTH_MAX = 1 << 28 };

/* n numbers in scratch memory; null ends the emission. */
static double *room(glia_emit *m, int64_t n)
{
    double *v = n >= 0 && n <= LENGTH_MAX
                    ? glia_arena_alloc(&m->scratch, (n + 1) * (int64_t)sizeof(double), 64)
                    : NULL;
    if (!v) glia_emit_refuse(m, "%lld numbers at once", (long long)n);
    return v;
}

/* ---- spectra --------------------------------------------------------------------------------------------------- */

static glia_value transform(glia_emit *m, glia_value x, int64_t length, int64_t bins, int64_t parts,
                            bool inverse, bool half)
{
    const glia_attr_arg attrs[] = {GLIA_INT("length", length), GLIA_INT("bins", bins),
                                   GLIA_INT("parts", parts),   GLIA_INT("inverse", inverse),
                                   GLIA_INT("half", half),     {0}};
    return glia_emit_node(m, "dft", attrs, 1, x);
}

/* The order of axes that puts `axis` before the last one, or puts it back. */
static void spectral_order(int rank, int axis, bool back, int64_t *perm)
{
    int at = 0;
    int64_t order[GLIA_RANK_MAX];
    for (int i = 0; i < rank - 1; i++)
        if (i != axis) order[at++] = i;
    order[at++] = axis;
    order[at] = rank - 1;
    for (int i = 0; i < rank; i++) {
        if (back) perm[order[i]] = i;
        else perm[i] = order[i];
    }
}

static bool emit_dft(glia_emit *m)
{
    const bool inverse = glia_emit_int(m, "inverse", 0) != 0, onesided = glia_emit_int(m, "onesided", 0) != 0;
    glia_value x = glia_emit_in(m, 0);
    const int rank = glia_emit_rank(m, x);
    int64_t given = glia_emit_version(m) < 20 ? glia_emit_int(m, "axis", 1) : -2, length, perm[GLIA_RANK_MAX];
    int axis;
    if (!x.id || (glia_emit_version(m) >= 20 && glia_emit_has(m, 2) && !whole(m, 2, &given)) ||
        !glia_emit_axis(m, given, rank, &axis))
        return false;
    if (axis == rank - 1) return glia_emit_fail(m, "the last axis holds the parts of numbers");
    length = onesided && inverse ? 2 * (glia_emit_dim(m, x, axis) - 1) : glia_emit_dim(m, x, axis);
    if (glia_emit_has(m, 1) && !whole(m, 1, &length)) return false;
    spectral_order(rank, axis, false, perm);
    x = glia_emit_transpose(m, x, perm);
    const bool back = onesided && inverse;
    x = transform(m, x, length, onesided && !inverse ? length / 2 + 1 : length, back ? 1 : 2, inverse, back);
    spectral_order(rank, axis, true, perm);
    glia_emit_set(m, 0, glia_emit_transpose(m, x, perm));
    return true;
}

static bool emit_stft(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), window = glia_emit_in(m, 2);
    const glia_type t = *glia_emit_type(m, x);
    const int64_t size = glia_emit_dim(m, x, 1);
    int64_t step = 0, length = window.id ? glia_emit_dim(m, window, 0) : size;
    if (!x.id || !whole(m, 1, &step) || (glia_emit_has(m, 3) && !whole(m, 3, &length))) return false;
    if (t.rank == 2) x = glia_emit_reshape(m, x, 3, (int64_t[]){t.dims[0], t.dims[1], 1});
    else if (t.rank != 3) return glia_emit_fail(m, "a signal of %d axes", t.rank);
    if (step < 1 || length < 1 || length > size || (window.id && glia_emit_elements(m, window) != length))
        return glia_emit_fail(m, "frames of %lld by steps of %lld in a signal of %lld", (long long)length,
                              (long long)step, (long long)size);
    const int64_t frames = (size - length) / step + 1;
    int64_t count, *at;
    if (!glia_mul(frames, length, &count) || !(at = (int64_t *)(void *)room(m, count))) return false;
    for (int64_t i = 0; i < count; i++) at[i] = i / length * step + i % length;
    glia_value places = glia_emit_constant(m, GLIA_I64, 2, (int64_t[]){frames, length}, at);
    x = glia_emit_node(m, "gather", (glia_attr_arg[]){GLIA_INT("axis", 1), {0}}, 2, x, places);
    if (window.id) x = glia_emit_binary(m, "mul", x, glia_emit_reshape(m, window, 2, (int64_t[]){length, 1}));
    const bool onesided = glia_emit_int(m, "onesided", 1) != 0;
    glia_emit_set(m, 0, transform(m, x, length, onesided ? length / 2 + 1 : length, 2, false, false));
    return true;
}

/* Sums of cosines: a - b cos(2 pi i / n) + c cos(4 pi i / n), n the size or, if symmetric, one less. */
static bool emit_window(glia_emit *m)
{
    static const struct {
        const char *name;
        double a, b, c;
    } table[] = {{"HannWindow", 0.5, 0.5, 0},
                 {"HammingWindow", 25.0 / 46, 21.0 / 46, 0},
                 {"BlackmanWindow", 0.42, 0.5, 0.08}};
    const double pi = 3.14159265358979323846;
    int64_t size;
    int w = 0;
    while (strcmp(table[w].name, glia_emit_op(m))) w++;
    if (!whole(m, 0, &size)) return false;
    double *v = room(m, size);
    if (!v) return false;
    const int64_t n = glia_emit_int(m, "periodic", 1) ? size : size > 1 ? size - 1 : 1;
    for (int64_t i = 0; i < size; i++) {
        const double turn = 2 * pi * (double)i / (double)n;
        v[i] = table[w].a - table[w].b * glia_cos(turn) + table[w].c * glia_cos(2 * turn);
    }
    glia_value y = glia_emit_constant(m, GLIA_F64, 1, &size, v);
    glia_emit_set(m, 0, glia_emit_cast(m, y, dtype_attr(m, "output_datatype", GLIA_F32)));
    return true;
}

/* Triangles between bins that lie evenly on the mel scale, 2595 log10(1 + f / 700). */
static bool emit_mel(glia_emit *m)
{
    int64_t bands, length, rate;
    double edge[2], step, *edges, *v;
    if (!whole(m, 0, &bands) || !whole(m, 1, &length) || !whole(m, 2, &rate) ||
        !glia_emit_number(m, 3, &edge[0]) || !glia_emit_number(m, 4, &edge[1]))
        return false;
    if (bands < 1 || bands > 1 << 16 || length < 1 || length > 1 << 20 || rate < 1 ||
        !(edge[0] >= 0 && edge[1] <= 1e9))
        return glia_emit_fail(m, "%lld bands of a spectrum of %lld", (long long)bands, (long long)length);
    const int64_t bins = length / 2 + 1;
    for (int i = 0; i < 2; i++) edge[i] = 2595 * glia_log1p(edge[i] / 700) / 2.30258509299404568402;
    step = (edge[1] - edge[0]) / (double)(bands + 2);
    if (!(edges = room(m, bands + 2)) || !(v = room(m, bins * bands))) return false;
    for (int64_t i = 0; i < bands + 2; i++) {
        const double hertz = 700 * glia_expm1((edge[0] + (double)i * step) / 2595 * 2.30258509299404568402);
        edges[i] = floor((double)(length + 1) * hertz / (double)rate);
        if (!(edges[i] >= 0 && edges[i] < (double)bins))
            return glia_emit_fail(m, "its upper edge lies beyond the spectrum");
    }
    for (int64_t i = 0; i < bins * bands; i++) {
        const double bin = (double)(i / bands), *e = edges + i % bands;
        v[i] = e[0] == e[1] && bin == e[1] ? 1 : 0;
        if (e[0] < e[1] && bin >= e[0] && bin <= e[1]) v[i] = (bin - e[0]) / (e[1] - e[0]);
        if (e[1] < e[2] && bin >= e[1] && bin < e[2]) v[i] = (e[2] - bin) / (e[2] - e[1]);
    }
    glia_value y = glia_emit_constant(m, GLIA_F64, 2, (int64_t[]){bins, bands}, v);
    glia_emit_set(m, 0, glia_emit_cast(m, y, dtype_attr(m, "output_datatype", GLIA_F32)));
    return true;
}

/* ---- ranges ---------------------------------------------------------------------------------------------------- */

static bool integer_range(glia_emit *m, glia_dtype t)
{
    int64_t v[3];
    for (int i = 0; i < 3; i++)
        if (!whole(m, i, &v[i])) return false;
    if (v[2] == 0) return glia_emit_fail(m, "a step of 0");
    const double span = ((double)v[1] - (double)v[0]) / (double)v[2];
    const int64_t n = span > 0 ? span < LENGTH_MAX ? (int64_t)ceil(span) : LENGTH_MAX + (int64_t)1 : 0;
    int64_t *y = (int64_t *)(void *)room(m, n);
    if (!y) return false;
    for (int64_t i = 0; i < n; i++) y[i] = (int64_t)((uint64_t)v[0] + (uint64_t)i * (uint64_t)v[2]);
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_constant(m, GLIA_I64, 1, &n, y), t));
    return true;
}

static bool emit_range(glia_emit *m)
{
    glia_value first = glia_emit_in(m, 0);
    const glia_dtype t = glia_emit_dtype(m, first);
    double v[3];
    if (!first.id) return false;
    if (glia_word_is_int(t)) return integer_range(m, t);
    for (int i = 0; i < 3; i++)
        if (!glia_emit_number(m, i, &v[i])) return false;
    const double span = ceil((v[1] - v[0]) / v[2]);
    const int64_t n = span > 0 ? span < LENGTH_MAX ? (int64_t)span : LENGTH_MAX + (int64_t)1 : 0;
    double *y = room(m, n);
    if (!y) return false;
    for (int64_t i = 0; i < n; i++) y[i] = v[0] + (double)i * v[2];
    glia_emit_set(m, 0, glia_emit_cast(m, glia_emit_constant(m, GLIA_F64, 1, &n, y), t));
    return true;
}

static glia_value counted(glia_emit *m, int64_t n, int64_t from, int rank, const int64_t *dims)
{
    int64_t *v = (int64_t *)(void *)room(m, n);
    if (!v) return (glia_value){0};
    for (int64_t i = 0; i < n; i++) v[i] = i + from;
    return glia_emit_constant(m, GLIA_I64, rank, dims, v);
}

/* 1 where the row plus k is the column. */
static bool emit_eye(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    if (!x.id) return false;
    if (glia_emit_rank(m, x) != 2) return glia_emit_fail(m, "an input of %d axes", glia_emit_rank(m, x));
    const int64_t rows = glia_emit_dim(m, x, 0), columns = glia_emit_dim(m, x, 1);
    const glia_dtype t = dtype_attr(m, "dtype", glia_emit_dtype(m, x));
    glia_value a = counted(m, rows, glia_emit_int(m, "k", 0), 2, (int64_t[]){rows, 1});
    glia_emit_set(m, 0,
                  glia_emit_cast(m, glia_emit_binary(m, "eq", a, counted(m, columns, 0, 1, &columns)), t));
    return true;
}

static bool emit_det(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const int rank = glia_emit_rank(m, x);
    if (!x.id) return false;
    if (rank < 2) return glia_emit_fail(m, "an input of %d axes has no matrices", rank);
    glia_emit_set(m, 0, glia_word_1(m, "det", x));
    return true;
}

/* ---- random numbers: a function of the seed and the node's name, so that a run repeats itself -------------------- */

static glia_value noise(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, bool normal)
{
    const glia_onnx_attr *seed = glia_emit_attr(m, "seed");
    uint32_t bits = 0;
    uint64_t stream = 14695981039346656037u;
    for (const char *p = m->node->name; p && *p; p++) stream = (stream ^ (uint8_t)*p) * 1099511628211u;
    if (seed) memcpy(&bits, &seed->f, sizeof bits);
    const glia_attr_arg attrs[] = {GLIA_INT("seed", bits),
                                   GLIA_INT("stream", seed ? 0 : (int64_t)(stream >> 1)),
                                   GLIA_INT("normal", normal),
                                   {0}};
    return glia_emit_node(m, "noise", attrs, 1, glia_emit_fill(m, t, rank, dims, 0));
}

static bool emit_random(glia_emit *m)
{
    const bool like = strstr(glia_emit_op(m), "Like") != NULL,
               normal = strstr(glia_emit_op(m), "Normal") != NULL;
    int64_t dims[GLIA_RANK_MAX];
    int rank;
    glia_dtype t = GLIA_F32;
    if (like) {
        glia_value x = glia_emit_in(m, 0);
        const glia_type xt = *glia_emit_type(m, x);
        if (!x.id) return false;
        rank = xt.rank;
        memcpy(dims, xt.dims, sizeof dims);
        t = xt.dtype;
    } else {
        rank = glia_emit_attr_ints(m, "shape", dims, GLIA_RANK_MAX);
        if (rank < 0) return glia_emit_fail(m, "it has no shape");
        for (int i = 0; i < rank; i++)
            if (dims[i] < 0) return glia_emit_fail(m, "axis %d of its shape is negative", i);
    }
    t = dtype_attr(m, "dtype", t);
    if (!(glia_dtype_get(t)->classes & GLIA_CLASS_FLOAT))
        return glia_emit_refuse(m, "random numbers of %s", glia_dtype_name(t));
    const double low = glia_emit_float(m, "low", 0), high = glia_emit_float(m, "high", 1);
    const double scale = normal ? glia_emit_float(m, "scale", 1) : high - low,
                 offset = normal ? glia_emit_float(m, "mean", 0) : low;
    glia_value y =
        glia_word_affine(m, noise(m, t == GLIA_F64 ? t : GLIA_F32, rank, dims, normal), scale, offset);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

static bool emit_bernoulli(glia_emit *m)
{
    glia_value p = glia_emit_in(m, 0);
    const glia_type t = *glia_emit_type(m, p);
    glia_value wide = glia_word_wide(m, p);
    if (!p.id) return false;
    glia_value u = noise(m, glia_emit_dtype(m, wide), t.rank, t.dims, false);
    glia_emit_set(m, 0,
                  glia_emit_cast(m, glia_emit_binary(m, "lt", u, wide), dtype_attr(m, "dtype", t.dtype)));
    return true;
}

/* The place of the greatest log p - log(-log u) falls as p says (Gumbel). */
static bool emit_multinomial(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), wide = glia_word_wide(m, x);
    const int64_t samples = glia_emit_int(m, "sample_size", 1), last[] = {-1};
    if (!x.id) return false;
    if (glia_emit_rank(m, x) != 2 || samples < 1)
        return glia_emit_fail(m, "%lld samples of an input of %d axes", (long long)samples,
                              glia_emit_rank(m, x));
    const int64_t batch = glia_emit_dim(m, x, 0), classes = glia_emit_dim(m, x, 1);
    glia_value u = noise(m, glia_emit_dtype(m, wide), 3, (int64_t[]){batch, samples, classes}, false);
    u = glia_word_1(m, "log", glia_word_1(m, "neg", glia_word_1(m, "log", u)));
    wide = glia_emit_reshape(m, wide, 3, (int64_t[]){batch, 1, classes});
    glia_value y = glia_word_reduce(m, "argmax", glia_emit_binary(m, "sub", wide, u), last, 1, false);
    glia_emit_set(m, 0, glia_emit_cast(m, y, dtype_attr(m, "dtype", GLIA_I32)));
    return true;
}

const glia_net_op glia_net_ops_signal[] = {
    {"", "Bernoulli", emit_bernoulli, NULL, 0},
    {"", "BlackmanWindow", emit_window, NULL, 0},
    {"", "DFT", emit_dft, NULL, 0},
    {"", "Det", emit_det, NULL, 0},
    {"", "EyeLike", emit_eye, NULL, 0},
    {"", "HammingWindow", emit_window, NULL, 0},
    {"", "HannWindow", emit_window, NULL, 0},
    {"", "MelWeightMatrix", emit_mel, NULL, 0},
    {"", "Multinomial", emit_multinomial, NULL, 0},
    {"", "RandomNormal", emit_random, NULL, 0},
    {"", "RandomNormalLike", emit_random, NULL, 0},
    {"", "RandomUniform", emit_random, NULL, 0},
    {"", "RandomUniformLike", emit_random, NULL, 0},
    {"", "Range", emit_range, NULL, 0},
    {"", "STFT", emit_stft, NULL, 0},
    {0},
};
