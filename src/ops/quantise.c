/* quantise: float activations to the format in which a quantised weight wants to meet them.
 * pack: a weight [n, k] or a stack of them [e, n, k] from plain rows to a packed layout of the same bits.
 * decode: a weight of any format and layout as plain f32. */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "tensor/layout.h"

#define BLOCK_MAX 256
#define BLOCK_BYTES_MAX 324

static const glia_attr_spec quantise_attrs[] = {{"to", GLIA_ATTR_DTYPE, true, 0}, {0}};

/* Rows are planar (dtype.h): all int8 of the row, then its scales, then its sums. A block is encoded by its
 * own table row and then laid in place, so that any run of blocks can be made alone. */
static void put_block(char *row, int64_t n, int64_t block, const glia_dtype_info *d, const char *encoded)
{
    int64_t e = d->block_elements, sums = d->block_bytes - e - 4, blocks = n / e;
    memcpy(row + block * e, encoded, (size_t)e);
    memcpy(row + n + block * 4, encoded + e, 4);
    memcpy(row + n + blocks * 4 + block * sums, encoded + e + 4, (size_t)sums);
}

static void quantise_reference(const glia_kargs *k)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0];
    const glia_dtype_info *d = glia_dtype_get(y->dtype);
    int64_t n = glia_last_dim(x), e = d->block_elements, row_bytes = n / e * d->block_bytes;
    float in[BLOCK_MAX];
    char encoded[BLOCK_BYTES_MAX];
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        for (int64_t block = glia_box_begin(k) / e; block < glia_box_end(k) / e; block++) {
            for (int64_t i = 0; i < e; i++) in[i] = glia_get_f32(x, b.row * n + block * e + i);
            d->encode(in, encoded, e, NULL);
            put_block((char *)y->data + b.row * row_bytes, n, block, d, encoded);
        }
    }
}

static bool quantise_infer(glia_infer *x)
{
    glia_dtype to = (glia_dtype)x->attr[0].i;
    const glia_dtype_info *d = glia_dtype_get(to);
    glia_dim k = x->in[0].rank ? x->in[0].dims[x->in[0].rank - 1] : 1;
    if (to != GLIA_A8X32 && to != GLIA_A8X256)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0155", "`quantise` makes a8x32 or a8x256, not %s",
                               glia_dtype_name(to));
    if (x->in[0].dtype == GLIA_F64)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0155", "`quantise` takes f32, f16 or bf16, not f64");
    if (k < 0 || k % d->block_elements)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0155",
                               "`quantise`: the last axis has to be a constant multiple of %d for %s",
                               d->block_elements, d->name);
    x->out[0].dtype = to;
    return glia_infer_plain(x);
}

static int64_t quantise_granule(const glia_kargs *k, int axis)
{
    return axis == k->out[0].rank - 1 ? glia_dtype_get(k->out[0].dtype)->block_elements : 1;
}

static void quantise_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank);
    out->flops = 4 * e;
    out->bytes = 5.3 * e;
}

static void quantise_sample(glia_sample *s)
{
    int64_t wide = s->pick(s->ctx, 0, 1), blocks = s->pick(s->ctx, 1, 4);
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 4), blocks * (wide ? 256 : 32)}};
    s->lo[0] = -3, s->hi[0] = 3;
    s->attrs[0] = (glia_attr_arg)GLIA_TYPE_ATTR("to", wide ? GLIA_A8X256 : GLIA_A8X32);
}

const glia_op glia_op_quantise = {
    .name = "quantise",
    .signature = "x: F[.., k] -> y: to[.., k]",
    .traits = GLIA_REPLICABLE,
    .attrs = quantise_attrs,
    .infer = quantise_infer,
    .no_grad = "rounding has no gradient; passes insert quantise after the gradient was taken",
    .cost = quantise_cost,
    .granule = quantise_granule,
    .reference = quantise_reference,
    .sample = quantise_sample,
};

static const glia_attr_spec pack_attrs[] = {{"layout", GLIA_ATTR_INT, true, 0}, {0}};

/* Panels of 16 rows; the last one of the tensor may be short. */
static void pack_reference(const glia_kargs *k)
{
    const glia_tensor *w = &k->in[0];
    const int last = w->rank - 1;
    if (k->out[0].layout == GLIA_LAYOUT_C16) {
        const int64_t row =
            glia_tensor_elements(w) / glia_max(w->dims[0], 1) * glia_dtype_get(w->dtype)->block_bytes;
        if (k->end[0] > k->begin[0])
            glia_layout_pack_taps(w->dtype, w->rank, w->dims, (const char *)w->data + k->begin[0] * row,
                                  k->begin[0], k->end[0], k->out[0].data);
        return;
    }
    int64_t n = w->dims[last - 1], depth = w->dims[last], row = 0;
    glia_dtype_row_bytes(w->dtype, depth, &row);
    for (glia_box b = glia_box_rows(k, last - 1); b.more; glia_box_next(&b)) {
        const int64_t first = b.row * n, begin = first + k->begin[last - 1], end = first + k->end[last - 1];
        if (end > begin)
            glia_layout_pack(k->out[0].layout, w->dtype, glia_tensor_elements(w) / depth, depth,
                             (const char *)w->data + begin * row, begin, end, k->out[0].data);
    }
}

static bool pack_infer(glia_infer *x)
{
    int64_t layout = x->attr[0].i, bytes;
    const glia_type *w = &x->in[0];
    if (layout < 0 || layout >= GLIA_LAYOUT_COUNT)
        return glia_infer_fail(x, GLIA_E_ARG, "G0156", "`pack`: there is no layout number %lld",
                               (long long)layout);
    if (w->layout != GLIA_LAYOUT_PLAIN)
        return glia_infer_fail(x, GLIA_E_ARG, "G0156", "`pack`: the weight is packed already (%s)",
                               glia_layout_name(w->layout));
    if (layout != GLIA_LAYOUT_C16 && w->rank != 2 && w->rank != 3)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0156", "`pack`: a weight is [n, k], or a stack [e, n, k]");
    for (int a = 0; a < w->rank; a++)
        if (w->dims[a] < 1)
            return glia_infer_fail(x, GLIA_E_SHAPE, "G0156", "`pack`: a weight's dims have to be constants");
    if (w->rank == 3 && layout == GLIA_LAYOUT_R16 && w->dims[1] % 16)
        return glia_infer_fail(x, GLIA_E_SHAPE, "G0156",
                               "`pack`: matrices of a stack have whole panels of 16 rows, not %lld",
                               (long long)w->dims[1]);
    if (!glia_layout_tensor_bytes((int)layout, w->dtype, w->rank, w->dims, &bytes))
        return glia_infer_fail(x, GLIA_E_UNSUPPORTED, "G0156", "`pack`: %s has no layout %s",
                               glia_dtype_name(w->dtype), glia_layout_name((int)layout));
    x->out[0].layout = (int16_t)layout;
    return true;
}

static int64_t pack_granule(const glia_kargs *k, int axis)
{
    const int last = k->in[0].rank - 1;
    if (k->out[0].layout == GLIA_LAYOUT_C16) return axis ? glia_max(k->in[0].dims[axis], 1) : 16;
    return axis == last ? glia_max(k->in[0].dims[last], 1) : axis == last - 1 ? 16 : 1;
}

static void pack_sample(glia_sample *s)
{
    s->in_count = 1;
    int64_t n = s->pick(s->ctx, 1, 40), d = s->pick(s->ctx, 1, 40);
    s->in[0] = s->pick(s->ctx, 0, 1)
                   ? (glia_type){GLIA_F32, 2, 0, {n, d}}
                   : (glia_type){GLIA_F32, 3, 0, {s->pick(s->ctx, 1, 3), 16 * (n % 3 + 1), d}};
    s->lo[0] = -1, s->hi[0] = 1;
    s->attrs[0] = (glia_attr_arg)GLIA_INT("layout", GLIA_LAYOUT_R16);
}

const glia_op glia_op_pack = {
    .name = "pack",
    .signature = "w: F|Q|I[.., n, k!] -> y: like(w)",
    .traits = GLIA_NO_FOLD,
    .attrs = pack_attrs,
    .infer = pack_infer,
    .no_grad = "a layout change; trainable weights stay plain",
    .granule = pack_granule,
    .reference = pack_reference,
    .sample = pack_sample,
};

/* y = w in f32: exact for every format but f64, which rounds. Packed rows become plain. */
static void decode_reference(const glia_kargs *k)
{
    const glia_tensor *w = &k->in[0], *y = &k->out[0];
    int64_t n = w->dims[1];
    float *row = k->scratch;
    for (int64_t r = k->begin[0]; r < k->end[0]; r++) {
        glia_layout_row(w->layout, w->dtype, w->dims[0], n, w->data, r, row);
        for (int64_t i = k->begin[1]; i < k->end[1]; i++) glia_set_f32(y, r * n + i, row[i]);
    }
}

static int64_t decode_scratch(const glia_kargs *k)
{
    int64_t bytes;
    return glia_mul(k->in[0].dims[1], (int64_t)sizeof(float), &bytes) ? bytes : -1;
}

static bool decode_infer(glia_infer *x)
{
    x->out[0].layout = GLIA_LAYOUT_PLAIN;
    return true;
}

static void decode_cost(const glia_kargs *k, glia_cost *out)
{
    const glia_dtype_info *d = glia_dtype_get(k->in[0].dtype);
    double e = (double)glia_box_count(k, 2);
    out->flops = 3 * e;
    out->bytes = e * (4 + (double)d->block_bytes / d->block_elements);
}

static void decode_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    if (glia_build_is_float(g, n->in[0]))
        din[0] = glia_build_cast(g, dout[0], glia_build_type(g, n->in[0])->dtype);
}

static void decode_sample(glia_sample *s)
{
    s->in_count = 1;
    s->in[0] = (glia_type){
        s->pick(s->ctx, 0, 1) ? GLIA_F16 : GLIA_BF16, 2, 0, {s->pick(s->ctx, 1, 20), s->pick(s->ctx, 1, 40)}};
    s->lo[0] = -1, s->hi[0] = 1;
}

const glia_op glia_op_decode = {
    .name = "decode",
    .signature = "w: F|Q[n, k] -> y: f32[n, k]",
    .traits = GLIA_NO_FOLD,
    .infer = decode_infer,
    .grad = decode_grad,
    .cost = decode_cost,
    .scratch = decode_scratch,
    .reference = decode_reference,
    .sample = decode_sample,
};
