/* matmul: rows by rows, batched: y[.., m, n] = sum_k a[.., m, k] * w[.., n, k]. Both inputs run along their
 * last axis, as weights are stored; a product with columns is matmul(a, transpose(w)).
 *
 * Sums run in segments of 256, as in linear; the leading axes of w broadcast against a's. */
#include "ops/box.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "ops/sum.h"
#include "tensor/layout.h"

static void dot_rows(const glia_kargs *k, int64_t at_a, int64_t at_w, int64_t at_y, int64_t depth)
{
    const glia_tensor *a = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    if (y->dtype == GLIA_F64) {
        glia_chain_f64 c = {.at = 0};
        for (int64_t i = 0; i < depth; i++)
            glia_chain_add_f64(&c, glia_get_f64(w, at_w + i), glia_get_f64(a, at_a + i));
        glia_set_f64(y, at_y, glia_chain_done_f64(&c));
    } else if (a->dtype == GLIA_F32 && w->dtype == GLIA_F32) {
        glia_set_f32(y, at_y,
                     glia_dot_f32((const float *)w->data + at_w, (const float *)a->data + at_a, depth));
    } else {
        glia_chain_f32 c = {.at = 0};
        for (int64_t i = 0; i < depth; i++)
            glia_chain_add_f32(&c, glia_get_f32(w, at_w + i), glia_get_f32(a, at_a + i));
        glia_set_f32(y, at_y, glia_chain_done_f32(&c));
    }
}

/* Which matrix of w belongs to a batch index of y. */
static int64_t batch_of(const glia_tensor *w, const glia_tensor *y, const int64_t *index)
{
    int64_t batch = 0;
    int lead = w->rank - 2, shift = y->rank - w->rank;
    for (int a = 0; a < lead; a++) batch = batch * w->dims[a] + (w->dims[a] == 1 ? 0 : index[a + shift]);
    return batch;
}

static void matmul_reference(const glia_kargs *k)
{
    const glia_tensor *a = &k->in[0], *w = &k->in[1], *y = &k->out[0];
    int64_t depth = glia_last_dim(a), n = glia_last_dim(y);
    for (glia_box b = glia_box_rows(k, y->rank - 1); b.more; glia_box_next(&b)) {
        int64_t first = batch_of(w, y, b.index) * n;
        for (int64_t j = glia_box_begin(k); j < glia_box_end(k); j++)
            dot_rows(k, b.row * depth, (first + j) * depth, b.row * n + j, depth);
    }
}

static bool matmul_infer(glia_infer *x)
{
    if (x->in[1].layout || x->in[0].layout)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0150",
                               "`matmul` takes plain tensors; packed weights belong to `linear`");
    if (x->in[0].dtype != x->in[1].dtype)
        return glia_infer_fail(x, GLIA_E_DTYPE, "G0150",
                               "`matmul`: %s meets %s; conversions are written as `cast`",
                               glia_dtype_name(x->in[0].dtype), glia_dtype_name(x->in[1].dtype));
    x->out[0].dtype = x->in[0].dtype;
    return true;
}

static void matmul_cost(const glia_kargs *k, glia_cost *out)
{
    double e = (double)glia_box_count(k, k->out[0].rank), depth = (double)glia_last_dim(&k->in[0]);
    out->flops = 2 * e * depth;
    out->bytes = 4 * (e + e * depth / 16);
}

/* da = dy w, dw = dy^T a, both as rows by rows; w's is summed over the axes along which it was broadcast. */
static void matmul_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    glia_value a = n->in[0], w = n->in[1], dy = dout[0];
    int a_rank = glia_build_type(g, a)->rank, w_rank = glia_build_type(g, w)->rank;
    din[0] = glia_build_call(g, "matmul", 2, dy, glia_build_transpose(g, w));
    if (w_rank == 2 && a_rank > 2) { /* one matrix for all rows: fold the batch into the sum */
        dy = glia_build_rows(g, dy);
        a = glia_build_rows(g, a);
    }
    glia_value dw = glia_build_call(g, "matmul", 2, glia_build_transpose(g, dy), glia_build_transpose(g, a));
    din[1] = glia_build_sum_to(g, dw, w);
}

static void matmul_sample(glia_sample *s)
{
    int64_t b = s->pick(s->ctx, 1, 3), m = s->pick(s->ctx, 1, 5), k = s->pick(s->ctx, 1, 20),
            n = s->pick(s->ctx, 1, 7);
    int form = (int)s->pick(s->ctx, 0, 2);
    s->in_count = 2;
    s->in[0] = form ? (glia_type){GLIA_F32, 3, 0, {b, m, k}} : (glia_type){GLIA_F32, 2, 0, {m, k}};
    s->in[1] = form == 2 ? (glia_type){GLIA_F32, 3, 0, {b, n, k}} : (glia_type){GLIA_F32, 2, 0, {n, k}};
    for (int i = 0; i < 2; i++) s->lo[i] = -1, s->hi[i] = 1;
}

const glia_op glia_op_matmul = {
    .name = "matmul",
    .signature = "a: F[..b, m, k], w: F[..b?, n, k] -> y: F[..b, m, n]",
    .infer = matmul_infer,
    .grad = matmul_grad,
    .cost = matmul_cost,
    .reference = matmul_reference,
    .sample = matmul_sample,
};
