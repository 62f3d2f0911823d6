/* Rows and elements picked by integers. What only data can decide (an index out of range) is excluded by a
 * guard_range node before the consumer; these kernels trust their indices. */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "tensor/layout.h"

/* ---- guard_range ---- */

static const glia_attr_spec guard_range_attrs[] = {
    {"max", GLIA_ATTR_INT, true, 0}, {"min", GLIA_ATTR_INT, false, 0}, {0}};

/* fault = 1 if an element is below min or not below max. */
static void guard_range_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0];
    int64_t n = glia_last_dim(x);
    bool wide = x->dtype == GLIA_U64;
    for (glia_box b = glia_box_rows(k, glia_leading(x)); b.more; glia_box_next(&b)) {
        for (int64_t i = glia_box_begin(k); i < glia_box_end(k); i++) {
            int64_t v = glia_get_i64(x, b.row * n + i);
            if (v < k->attr[1].i || v >= k->attr[0].i || (wide && v < 0)) *k->fault = 1;
        }
    }
}

static void guard_range_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_I32, 1, 0, {s->pick(s->ctx, 1, 9)}};
    s->lo[0] = 0, s->hi[0] = 99;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("max", 100);
}

const glia_op glia_op_guard_range = {
    .name = "guard_range",
    .signature = "x: I[..] -> y: like(x)",
    .traits = GLIA_GUARD | GLIA_NO_FOLD,
    .attrs = guard_range_attrs,
    .no_grad = "integers have no gradient",
    .reference = guard_range_reference,
    .sample = guard_range_sample,
};

/* ---- embed: y[t, :] = w[ids[t], :] ---- */

static void embed_reference(const glia_kargs *k)
{
    const glia_tensor *w = &k->in[0], *ids = &k->in[1], *y = &k->out[0];
    int64_t n = w->dims[1];
    float *row = k->scratch;
    for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
        int64_t id = glia_get_i64(ids, t);
        if (w->dtype == GLIA_F64) {
            for (int64_t i = k->begin[1]; i < k->end[1]; i++)
                glia_set_f64(y, t * n + i, ((const double *)w->data)[id * n + i]);
            continue;
        }
        glia_layout_row(w->layout, w->dtype, w->dims[0], n, w->data, id, row);
        for (int64_t i = k->begin[1]; i < k->end[1]; i++) glia_set_f32(y, t * n + i, row[i]);
    }
}

static int64_t embed_scratch(const glia_kargs *k)
{
    int64_t bytes;
    return glia_mul(k->in[0].dims[1], (int64_t)sizeof(float), &bytes) ? bytes : -1;
}

static bool embed_infer(glia_infer *x)
{
    if (x->in[0].dtype == GLIA_F64) x->out[0].dtype = GLIA_F64;
    return true;
}

static void embed_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, 2);
    out->flops = e;
    out->bytes = 8 * e;
}

/* dw = rows of dy added up by id. */
static void embed_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type w = *glia_build_type(g, n->in[0]);
    if (!glia_build_is_float(g, n->in[0])) {
        glia_graph_fail(
            g, GLIA_E_UNSUPPORTED, "G0131",
            "`embed`: a table in a block format has no gradient; keep trainable weights in floats");
        return;
    }
    glia_attr_arg attrs[] = {GLIA_INT("axis", 0), GLIA_INTS("dims", w.dims, 2), {0}};
    din[0] = glia_build_cast(g, glia_build_attr(g, "scatter_add", attrs, 2, dout[0], n->in[1]), w.dtype);
}

static void embed_sample(glia_sample *s)
{
    int64_t v = s->pick(s->ctx, 1, 12), n = s->pick(s->ctx, 1, 20), t = s->pick(s->ctx, 1, 6);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {v, n}};
    s->in[1] = (glia_type){GLIA_I32, 1, 0, {t}};
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = 0, s->hi[1] = (double)(v - 1);
}

const glia_op glia_op_embed = {
    .name = "embed",
    .signature = "w: F|Q[v, k], ids: i32[t] -> y: f32[t, k]",
    .infer = embed_infer,
    .grad = embed_grad,
    .cost = embed_cost,
    .scratch = embed_scratch,
    .reference = embed_reference,
    .sample = embed_sample,
};

/* ---- gather_rows: y[i, :] = x[rows[i], :], the bytes as they are ---- */

static void gather_rows_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *rows = &k->in[1], *y = &k->out[0];
    const glia_dtype_info *d = glia_dtype_get(x->dtype);
    int64_t bytes = x->dims[1] / d->block_elements * d->block_bytes;
    int64_t from = k->begin[1] / d->block_elements * d->block_bytes;
    int64_t to = k->end[1] / d->block_elements * d->block_bytes;
    if (to <= from) return;
    for (int64_t r = k->begin[0]; r < k->end[0]; r++) {
        const char *src = (const char *)x->data + glia_get_i64(rows, r) * bytes;
        memcpy((char *)y->data + r * bytes + from, src + from, (size_t)(to - from));
    }
}

/* Blocks stay whole; rows of quantised activations are planar and stay whole. */
static int64_t gather_rows_granule(const glia_kargs *k, int axis)
{
    if (axis == 0) return 1;
    if (glia_is_class(k->in[0].dtype, GLIA_CLASS_ACTIVATION)) return glia_max(k->in[0].dims[1], 1);
    return glia_dtype_get(k->in[0].dtype)->block_elements;
}

static void gather_rows_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    const glia_type x = *glia_build_type(g, n->in[0]);
    glia_attr_arg attrs[] = {GLIA_INT("axis", 0), GLIA_INTS("dims", x.dims, 2), {0}};
    din[0] = glia_build_attr(g, "scatter_add", attrs, 2, dout[0], n->in[1]);
}

static void gather_rows_sample(glia_sample *s)
{
    int64_t t = s->pick(s->ctx, 1, 8), n = s->pick(s->ctx, 1, 20), r = s->pick(s->ctx, 1, 8);
    s->in_count = 2;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {t, n}};
    s->in[1] = (glia_type){GLIA_I32, 1, 0, {r}};
    s->lo[0] = -1, s->hi[0] = 1, s->lo[1] = 0, s->hi[1] = (double)(t - 1);
}

const glia_op glia_op_gather_rows = {
    .name = "gather_rows",
    .signature = "x: T[t, n], rows: i32[r] -> y: T[r, n]",
    .infer = glia_infer_plain,
    .grad = gather_rows_grad,
    .granule = gather_rows_granule,
    .reference = gather_rows_reference,
    .sample = gather_rows_sample,
};
