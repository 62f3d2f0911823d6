/* Operations from outside: in graphs and in ONNX files, on any number of slots, with faster kernels; descriptors that
 * are none; uses that do not type. The expected values are worked out by hand or by the formula in double precision. */
#include <glia/glia.h>

#include "check.h"

static _Atomic int split_calls, fast_calls;

/* y = x / sqrt(sum of x^2 over the row + eps), as in examples/custom_op.c */
static void row_unit(const glia_kargs *k)
{
    const int64_t n = k->in[0].dims[1];
    split_calls++;
    for (int64_t t = k->begin[0]; t < k->end[0]; t++) {
        const float *x = (const float *)k->in[0].data + t * n;
        float *y = (float *)k->out[0].data + t * n;
        double sum = k->attr[0].f;
        for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] / sqrt(sum));
    }
}

static void row_unit_fast(const glia_kargs *k)
{
    fast_calls++;
    row_unit(k);
}

/* Two outputs and an optional input: the running sum of a column, begun at b, and its last row. */
static void column_sum(const glia_kargs *k)
{
    const int64_t t = k->in[0].dims[0], n = k->in[0].dims[1];
    const float *x = k->in[0].data, *b = k->in_count > 1 ? k->in[1].data : NULL;
    float *y = k->out[0].data, *last = k->out[1].data;
    for (int64_t i = 0; i < n; i++) {
        float sum = b ? b[i] : 0;
        for (int64_t r = 0; r < t; r++) y[r * n + i] = sum += x[r * n + i] * (float)k->attr[0].i;
        last[i] = sum;
    }
}

static const glia_attr_spec unit_attrs[] = {{"eps", GLIA_ATTR_FLOAT, 0, 0}, {0}};
static const glia_attr_spec sum_attrs[] = {{"times", GLIA_ATTR_INT, 1, 0}, {0}};
static const glia_op_kernel fast[] = {{"f64->f64", NULL, row_unit_fast}, {"f32->f32", NULL, row_unit_fast}};
static const glia_op_kernel elsewhere[] = {{"f32->f32", "no such set", row_unit_fast}};

static glia_op_desc unit_desc(void)
{
    glia_op_desc d = GLIA_OP_DESC_INIT;
    d.domain = "com.example";
    d.name = "row_unit";
    d.signature = "x: f32[t, n!] -> y: like(x)";
    d.attrs = unit_attrs;
    d.reference = row_unit;
    return d;
}

static glia_op_desc sum_desc(void)
{
    glia_op_desc d = GLIA_OP_DESC_INIT;
    d.name = "column_sum";
    d.signature = "x: f32[t!, n], b?: f32[n] -> y: like(x), last: f32[n]";
    d.traits = GLIA_OP_WHOLE;
    d.attrs = sum_attrs;
    d.reference = column_sum;
    return d;
}

static glia_graph *graph_of(const glia_op_desc *const *ops, int64_t count)
{
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_graph *g = NULL;
    o.ops = ops;
    o.op_count = count;
    CHECK_I64(glia_graph_create(&o, &g, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    return g;
}

enum { ROWS = 40, COLUMNS = 33 };

static void check_units(const float *x, const float *y, int64_t rows, int64_t n, double eps)
{
    for (int64_t t = 0; t < rows; t++) {
        double sum = eps;
        for (int64_t i = 0; i < n; i++) sum += (double)x[t * n + i] * x[t * n + i];
        for (int64_t i = 0; i < n; i++) CHECK(fabs(y[t * n + i] - x[t * n + i] / sqrt(sum)) < 1e-6);
    }
}

static void run_units(const glia_op_desc *d, int slots)
{
    const glia_op_desc *ops[] = {d};
    const int64_t dims[2] = {ROWS, COLUMNS};
    const glia_type t = {GLIA_F32, 2, 0, {ROWS, COLUMNS}};
    const glia_attr_arg attrs[] = {GLIA_FLOAT("eps", 0.25), {0}};
    float data[ROWS * COLUMNS];
    glia_net_options no = GLIA_NET_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_net *net = NULL;
    for (int i = 0; i < ROWS * COLUMNS; i++) data[i] = (float)(i * 37 % 101) - 50;
    glia_graph *g = graph_of(ops, 1);
    glia_value x = glia_graph_input(g, "x", &t);
    glia_graph_output(g, "y", glia_graph_node(g, "row_unit", NULL, &x, 1, attrs));
    no.threads = no.slots = slots;
    CHECK(!glia_graph_seal(g, &e) && !glia_net_from_graph(g, &no, &net, &e));
    CHECK_STR(e.text, "");
    glia_object *in = glia_object_tensor(NULL, GLIA_F32, 2, dims, data), *out = NULL;
    CHECK_I64(glia_net_run(net, &in, &out, NULL, &e), GLIA_OK);
    if (out) check_units(data, glia_object_data(out), ROWS, COLUMNS, 0.25);
    glia_object_release(in);
    glia_object_release(out);
    glia_net_close(net);
    glia_graph_destroy(g);
}

static void a_row_op_on_any_slots(void)
{
    const glia_op_desc d = unit_desc();
    for (int slots = 1; slots <= 3; slots++) run_units(&d, slots);
    CHECK(split_calls > 0 && fast_calls == 0);
}

static void a_faster_kernel_is_taken_where_it_fits(void)
{
    glia_op_desc d = unit_desc();
    d.kernels = elsewhere;
    d.kernel_count = 1;
    run_units(&d, 1);
    CHECK_I64(fast_calls, 0);
    d.kernels = fast;
    d.kernel_count = 2;
    run_units(&d, 1);
    CHECK(fast_calls > 0);
}

static void several_outputs_and_optional_inputs(void)
{
    const glia_op_desc d = sum_desc(), *ops[] = {&d};
    const glia_type t = {GLIA_F32, 2, 0, {3, 2}}, row = {GLIA_F32, 1, 0, {2}};
    const glia_attr_arg attrs[] = {GLIA_INT("times", 2), {0}};
    const int64_t dims[2] = {3, 2}, row_dims[1] = {2};
    const float x[6] = {1, 2, 3, 4, 5, 6}, b[2] = {100, 200}, y[6] = {102, 204, 108, 212, 118, 224};
    glia_error e = GLIA_ERROR_INIT;
    glia_net *net = NULL;
    char *text = NULL;
    int64_t size = 0;
    glia_graph *g = graph_of(ops, 1), *back = NULL;
    glia_value in[2] = {glia_graph_input(g, "x", &t), glia_graph_input(g, "b", &row)};
    glia_value with = glia_graph_node(g, "column_sum", NULL, in, 2, attrs);
    glia_value without = glia_graph_node(g, "column_sum", NULL, in, 1, attrs);
    CHECK_I64(glia_graph_output_count_of(g, with), 2);
    CHECK_I64(glia_graph_output_count_of(g, in[0]), 0);
    glia_graph_output(g, "y", with);
    glia_graph_output(g, "last", glia_graph_output_of(g, without, 1));
    CHECK(!glia_graph_seal(g, &e) && !glia_graph_print(g, &text, &size, &e));
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    CHECK(glia_graph_parse(text, size, &o, &back, &e) !=
          GLIA_OK); /* a text means something to those who know the op */
    o.ops = ops;
    o.op_count = 1;
    CHECK_I64(glia_graph_parse(text, size, &o, &back, &e), GLIA_OK);
    CHECK(!glia_net_from_graph(g, NULL, &net, &e));
    glia_object *given[2] = {glia_object_tensor(NULL, GLIA_F32, 2, dims, x),
                             glia_object_tensor(NULL, GLIA_F32, 1, row_dims, b)},
                *out[2] = {0};
    CHECK_I64(glia_net_run(net, given, out, NULL, &e), GLIA_OK);
    if (out[0]) {
        const float *last = glia_object_data(out[1]);
        CHECK(!memcmp(glia_object_data(out[0]), y, sizeof y) && last[0] == 18 && last[1] == 24);
    }
    for (int i = 0; i < 2; i++) {
        glia_object_release(given[i]);
        glia_object_release(out[i]);
    }
    glia_text_free(NULL, text, size);
    glia_net_close(net);
    glia_graph_destroy(back);
    glia_graph_destroy(g);
}

static void refused(const glia_op_desc *a, const glia_op_desc *b, const char *what)
{
    const glia_op_desc *ops[2] = {a, b};
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_graph *g = NULL;
    o.ops = ops;
    o.op_count = 2;
    CHECK_I64(glia_graph_create(&o, &g, &e), GLIA_E_ARG);
    CHECK_STR(e.code, "G1058");
    if (!strstr(e.text, what)) fprintf(stderr, "want %s: %s\n", what, e.text);
    CHECK(strstr(e.text, what) && !g);
    glia_net_options no = GLIA_NET_OPTIONS_INIT;
    glia_net *net = NULL;
    no.ops = ops;
    no.op_count = 2;
    CHECK_I64(glia_net_open_memory("x", 1, NULL, &no, &net, &e), GLIA_E_ARG);
    CHECK_STR(e.code, "G1058");
}

static void descriptors_that_are_none(void)
{
    static const glia_attr_spec no_kind[] = {{"a", 9, 0, 0}, {0}},
                                no_name[] = {{"a b", GLIA_ATTR_INT, 0, 0}, {0}};
    static const glia_op_kernel no_types[] = {{"f32", NULL, row_unit_fast}};
    const glia_op_desc good = sum_desc();
    glia_op_desc d = unit_desc();
    refused(&good, NULL, "null");
    refused(&good, &good, "taken");
#define BAD(field, value, what)                                                                              \
    d = unit_desc();                                                                                         \
    d.field = value;                                                                                         \
    refused(&good, &d, what)
    BAD(abi, 0, "version");
    BAD(size, 8, "version");
    BAD(name, NULL, "name");
    BAD(name, "1st", "name");
    BAD(name, "relu", "taken");
    BAD(reference, NULL, "reference");
    BAD(signature, NULL, "signature");
    BAD(signature, "x: f32[t -> y", "");
    BAD(signature, "c: state f32[t, n] -> c", "state");
    BAD(traits, 1u << 20, "trait");
    BAD(attrs, no_kind, "kind");
    BAD(attrs, no_name, "attribute");
    BAD(kernel_count, 1, "kernels");
    d = unit_desc();
    d.kernels = no_types;
    d.kernel_count = 1;
    refused(&good, &d, "types");
}

static void uses_that_do_not_type(void)
{
    const glia_op_desc d = unit_desc(), *ops[] = {&d};
    const glia_type cube = {GLIA_F32, 3, 0, {2, 3, 4}}, ints = {GLIA_I32, 2, 0, {2, 3}};
    const glia_attr_arg unknown[] = {GLIA_INT("axis", 1), {0}};
    const glia_type *types[] = {&cube, &ints, &(glia_type){GLIA_F32, 2, 0, {2, 3}}};
    for (int i = 0; i < 3; i++) {
        glia_error e = GLIA_ERROR_INIT;
        glia_graph *g = graph_of(ops, 1);
        glia_value x = glia_graph_input(g, "x", types[i]);
        CHECK(!glia_graph_node(g, "row_unit", NULL, &x, 1, i == 2 ? unknown : NULL).id);
        CHECK(glia_graph_seal(g, &e) != GLIA_OK && e.code[0] == 'G');
        glia_graph_destroy(g);
    }
    glia_error e = GLIA_ERROR_INIT;
    glia_graph *g = graph_of(NULL, 0);
    glia_value x = glia_graph_input(g, "x", types[2]);
    CHECK(!glia_graph_node(g, "row_unit", NULL, &x, 1, NULL).id &&
          glia_graph_seal(g, &e) == GLIA_E_NOT_FOUND);
    glia_graph_destroy(g);
}

/* relu(row_unit(x, eps = 0.5)), row_unit of the domain com.example; as the onnx package writes it */
static const char model[] =
    "\x08\x08\x3a\x69\x0a\x2c\x0a\x01\x78\x12\x01\x68\x22\x08\x72\x6f\x77\x5f\x75\x6e\x69\x74\x2a\x0d\x0a\x03"
    "\x65\x70"
    "\x73\x15\x00\x00\x00\x3f\xa0\x01\x01\x3a\x0b\x63\x6f\x6d\x2e\x65\x78\x61\x6d\x70\x6c\x65\x0a\x0c\x0a\x01"
    "\x68\x12"
    "\x01\x79\x22\x04\x52\x65\x6c\x75\x12\x01\x67\x5a\x13\x0a\x01\x78\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02"
    "\x08\x03"
    "\x0a\x02\x08\x04\x62\x13\x0a\x01\x79\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x03\x0a\x02\x08\x04\x42"
    "\x04\x0a"
    "\x00\x10\x11\x42\x0f\x0a\x0b\x63\x6f\x6d\x2e\x65\x78\x61\x6d\x70\x6c\x65\x10\x01";

static void an_operator_of_an_onnx_file(void)
{
    const glia_op_desc d = unit_desc(), *ops[] = {&d};
    const int64_t dims[2] = {3, 4};
    const float x[12] = {1, 2, 3, 4, -1, -2, -3, -4, 0, 0, 0.5f, 0};
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_net *net = NULL;
    CHECK_I64(glia_net_open_memory(model, sizeof model - 1, NULL, &o, &net, &e), GLIA_E_UNSUPPORTED);
    CHECK(strstr(e.text, "row_unit") != NULL);
    o.ops = ops;
    o.op_count = 1;
    CHECK_I64(glia_net_open_memory(model, sizeof model - 1, NULL, &o, &net, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    glia_object *in = glia_object_tensor(NULL, GLIA_F32, 2, dims, x), *out = NULL;
    if (net) CHECK_I64(glia_net_run(net, &in, &out, NULL, &e), GLIA_OK);
    if (out) {
        const float *y = glia_object_data(out);
        for (int t = 0; t < 3; t++) {
            double sum = 0.5;
            for (int i = 0; i < 4; i++) sum += (double)x[4 * t + i] * x[4 * t + i];
            for (int i = 0; i < 4; i++) CHECK(fabs(y[4 * t + i] - fmax(x[4 * t + i] / sqrt(sum), 0)) < 1e-6);
        }
    }
    glia_object_release(in);
    glia_object_release(out);
    glia_net_close(net);
}

static void what_the_library_has(void)
{
    int found = 0;
    for (int i = 0; i < glia_op_count(); i++) {
        glia_op_info info = GLIA_OP_INFO_INIT;
        int kind = 0;
        CHECK_I64(glia_op_describe(i, &info), GLIA_OK);
        for (int a = 0; a < info.attr_count; a++) CHECK(glia_op_attribute(i, a, &kind) && kind > 0);
        CHECK(!glia_op_attribute(i, info.attr_count, &kind) && !glia_op_attribute(i, -1, &kind));
        if (strcmp(info.name, "rms_norm")) continue;
        found++;
        CHECK(info.signature && !info.no_grad && info.attr_count == 1);
        CHECK_STR(glia_op_attribute(i, 0, NULL), "eps");
    }
    glia_op_info info = GLIA_OP_INFO_INIT;
    CHECK(found == 1 && glia_op_describe(glia_op_count(), &info) == GLIA_E_NOT_FOUND);
}

int main(void)
{
    RUN(a_row_op_on_any_slots);
    RUN(a_faster_kernel_is_taken_where_it_fits);
    RUN(several_outputs_and_optional_inputs);
    RUN(descriptors_that_are_none);
    RUN(uses_that_do_not_type);
    RUN(an_operator_of_an_onnx_file);
    RUN(what_the_library_has);
    return CHECK_EXIT();
}
