/* An operation of one's own: rows scaled to length one, in a graph and ready for ONNX files. docs/custom-ops.md explains it.
 *
 *     cc examples/custom_op.c -Iinclude libglia.a -pthread -lm -o custom_op && ./custom_op */
#include <glia/glia.h>
#include <math.h>
#include <stdio.h>

/* y[t, i] = x[t, i] / sqrt(sum_i x[t, i]^2 + eps). The box says which rows are wanted; `n!` in the signature keeps a row
 * whole, so begin[1] is 0 and end[1] the row's length. */
static void row_unit(const glia_kargs *k)
{
    const int64_t n = k->in[0].dims[1];
    const double eps = k->attr[0].f;
    for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
        const float *x = (const float *)k->in[0].data + t * n;
        float *y = (float *)k->out[0].data + t * n;
        double sum = eps;
        for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] / sqrt(sum));
    }
}

static const glia_attr_spec row_unit_attrs[] = {{"eps", GLIA_ATTR_FLOAT, 0, 1e-6}, {0}};

static const glia_op_desc row_unit_op = {
    .size = sizeof(glia_op_desc),
    .abi = GLIA_OP_ABI,
    .domain = "com.example", /* nodes row_unit of this domain in ONNX files are this operation */
    .name = "row_unit",
    .signature = "x: f32[t, n!] -> y: like(x)",
    .attrs = row_unit_attrs,
    .reference = row_unit,
};

int main(void)
{
    const glia_op_desc *ops[] = {&row_unit_op};
    const float x[2][3] = {{3, 0, 4}, {1, 2, 2}};
    const int64_t dims[2] = {2, 3};
    const glia_type type = {GLIA_F32, 2, 0, {2, 3}};
    glia_graph_options options = GLIA_GRAPH_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_graph *g = NULL;
    glia_net *net = NULL;
    glia_object *in = NULL, *out = NULL;
    options.ops = ops, options.op_count = 1;
    int failed = glia_graph_create(&options, &g, &e);
    if (!failed) {
        const glia_value v = glia_graph_input(g, "x", &type);
        glia_graph_output(g, "y", glia_graph_node(g, "row_unit", NULL, &v, 1, NULL));
        in = glia_object_tensor(NULL, GLIA_F32, 2, dims, x);
        failed = glia_graph_seal(g, &e) || glia_net_from_graph(g, NULL, &net, &e) ||
                 glia_net_run(net, &in, &out, NULL, &e);
    }
    if (failed) fprintf(stderr, "%s: %s\n", e.code, e.text);
    for (int i = 0; !failed && i < 6; i++)
        printf("%.4f%s", (double)((const float *)glia_object_data(out))[i], i % 3 == 2 ? "\n" : " ");
    glia_object_release(in);
    glia_object_release(out);
    glia_net_close(net);
    glia_graph_destroy(g);
    return failed != 0;
}
