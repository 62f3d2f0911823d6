/* Windows of taps over spatial axes; see window.h. Refuses attributes that do not fit the rank, are not positive, or
 * whose window is larger than the padded input (G0180). */
#include "ops/window.h"

enum { SIZE_MOST = 1 << 30 }; /* of a stride, dilation, pad or kernel axis: their products do not overflow */

glia_window glia_window_of(const glia_tensor *x, const glia_tensor *y, const int64_t *kernel,
                           const glia_attr *strides, const glia_attr *dilations, const glia_attr *pads)
{
    glia_window w = {.rank = x->rank - 2, .taps = 1, .in_plane = 1, .out_plane = 1};
    for (int a = 0; a < GLIA_SPATIAL; a++) {
        const int i = a - (GLIA_SPATIAL - w.rank);
        w.in[a] = i < 0 ? 1 : x->dims[2 + i];
        w.out[a] = i < 0 ? 1 : y->dims[2 + i];
        w.kernel[a] = i < 0 ? 1 : kernel[i];
        w.stride[a] = i < 0 ? 1 : glia_window_int(strides, i, 1);
        w.dilation[a] = i < 0 ? 1 : glia_window_int(dilations, i, 1);
        w.pad[a] = i < 0 ? 0 : glia_window_int(pads, i, 0);
        w.taps *= w.kernel[a];
        w.in_plane *= w.in[a];
        w.out_plane *= w.out[a];
    }
    return w;
}

static void meet(glia_taps *t)
{
    t->at = 0;
    for (int a = 0; a < GLIA_SPATIAL; a++) {
        const int64_t i = t->start[a] + t->k[a] * t->w->dilation[a];
        if (i < 0 || i >= t->w->in[a]) {
            t->at = -1;
            return;
        }
        t->at = t->at * t->w->in[a] + i;
    }
}

glia_taps glia_taps_begin(const glia_window *w, const int64_t *o)
{
    glia_taps t = {.w = w};
    for (int a = 0; a < GLIA_SPATIAL; a++) t.start[a] = glia_window_start(w, a, o[a]);
    if (w->taps) meet(&t);
    return t;
}

bool glia_taps_more(const glia_taps *t) { return t->tap < t->w->taps; }

void glia_taps_next(glia_taps *t)
{
    t->tap++;
    for (int a = GLIA_SPATIAL - 1; a >= 0 && ++t->k[a] == t->w->kernel[a]; a--) t->k[a] = 0;
    meet(t);
}

static bool ints_fit(glia_infer *x, int at, int64_t count, int64_t least)
{
    const glia_attr *a = &x->attr[at];
    const char *name = x->op->attrs[at].name;
    if (a->i && a->i != count)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`%s`: %s has %lld entries, %lld are needed",
                               x->op->name, name, (long long)a->i, (long long)count);
    for (int64_t i = 0; i < a->i; i++)
        if (a->ints[i] < least || a->ints[i] > SIZE_MOST)
            return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`%s`: %s of %lld", x->op->name, name,
                                   (long long)a->ints[i]);
    return true;
}

bool glia_window_check(glia_infer *x, int first, int rank, const int64_t *kernel)
{
    if (rank < 1 || rank > GLIA_SPATIAL)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0180",
                               "`%s` takes [n, c, spatial..] with one to three spatial axes", x->op->name);
    for (int a = 0; a < rank; a++)
        if (kernel[a] < 1 || kernel[a] > SIZE_MOST)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0180", "`%s`: a kernel of %lld", x->op->name,
                                   (long long)kernel[a]);
    return ints_fit(x, first, rank, 1) && ints_fit(x, first + 1, rank, 1) &&
           ints_fit(x, first + 2, 2 * rank, 0);
}

bool glia_window_out(glia_infer *x, int first, int axis, glia_dim in, int64_t kernel, bool ceil,
                     glia_dim *out)
{
    const int64_t stride = glia_window_int(&x->attr[first], axis, 1),
                  dilation = glia_window_int(&x->attr[first + 1], axis, 1);
    const int64_t before = glia_window_int(&x->attr[first + 2], axis, 0),
                  after = glia_window_int(&x->attr[first + 2], x->attr[first + 2].i / 2 + axis, 0);
    int64_t reach;
    if (!glia_mul(kernel - 1, dilation, &reach) || reach > SIZE_MOST)
        return glia_infer_fail(x, GLIA_E_ARG, "G0180", "`%s`: a window of %lld taps by %lld", x->op->name,
                               (long long)kernel, (long long)dilation);
    if (in >= 0) {
        const int64_t left = in + before + after - reach - 1;
        if (left < 0)
            return glia_infer_fail(
                x, GLIA_E_SHAPE, "G0180",
                "`%s`: a window of %lld does not fit spatial axis %d of %lld with pads %lld and %lld",
                x->op->name, (long long)reach + 1, axis, (long long)in, (long long)before, (long long)after);
        *out = left / stride + 1;
        if (ceil && left % stride && *out * stride < in + before) ++*out;
        return true;
    }
    if (ceil)
        return glia_infer_fail(x, GLIA_E_UNSUPPORTED, "G0180", "`%s`: rounding up takes a constant size",
                               x->op->name);
    glia_dim left;
    if (!glia_dim_sub(x->g, glia_dim_add(x->g, in, before + after), reach + 1, &left)) return false;
    *out = glia_dim_add(x->g, glia_dim_floor_div(x->g, left, stride), 1);
    return x->g->error.status == GLIA_OK;
}
