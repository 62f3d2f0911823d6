/* Networks built by hand: what glia_net gives for a graph, with fixed shapes and with symbols, and what it refuses.
 * The values are small enough to be worked out by hand. */
#include <glia/glia.h>

#include "check.h"
#include "fault_os.h"

static glia_type vec(glia_dim n) { return (glia_type){GLIA_F32, 2, 0, {n, 2}}; }

/* y = relu(x + w), z = x * x */
static glia_graph *build(bool symbolic)
{
    static const float w[2] = {1, -2};
    const glia_type row = {GLIA_F32, 1, 0, {2}};
    glia_graph *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    CHECK(!glia_graph_create(NULL, &g, &e));
    glia_type t = vec(symbolic ? glia_graph_symbol(g, "N", 0, 64) : 3);
    glia_value x = glia_graph_input(g, "x", &t), c = glia_graph_weight(g, "w", &row, w, NULL);
    glia_value sum = glia_graph_node(g, "add", NULL, (glia_value[]){x, c}, 2, NULL);
    glia_graph_output(g, "y", glia_graph_node(g, "relu", NULL, &sum, 1, NULL));
    glia_graph_output(g, "z", glia_graph_node(g, "mul", NULL, (glia_value[]){x, x}, 2, NULL));
    CHECK(!glia_graph_seal(g, &e));
    return g;
}

static void check_run(glia_net *net, int64_t n)
{
    const float x[8] = {-3, 1, 0, 2, 0.5f, 5, -1, 2.5f}, y[8] = {0, 0, 1, 0, 1.5f, 3, 0, 0.5f};
    const int64_t dims[2] = {n, 2};
    glia_error e = GLIA_ERROR_INIT;
    glia_object *in = glia_object_tensor(NULL, GLIA_F32, 2, dims, x), *out[2];
    CHECK_I64(glia_net_run(net, &in, out, NULL, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    if (!e.status) {
        const float *a = glia_object_data(out[0]), *b = glia_object_data(out[1]);
        CHECK_I64(glia_object_dims(out[0])[0], n);
        for (int64_t i = 0; i < 2 * n; i++) CHECK(a[i] == y[i] && b[i] == x[i] * x[i]);
        glia_object_release(out[0]);
        glia_object_release(out[1]);
    }
    glia_object_release(in);
}

static void fixed_shapes(void)
{
    glia_graph *g = build(false);
    glia_net *net = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_port p = GLIA_PORT_INIT;
    CHECK(!glia_net_from_graph(g, NULL, &net, &e));
    CHECK(glia_net_input_count(net) == 1 && glia_net_output_count(net) == 2);
    CHECK(!glia_net_input(net, 0, &p) && p.rank == 2 && p.dims[0] == 3 && p.dtype == GLIA_F32);
    CHECK_STR(p.name, "x");
    CHECK(glia_net_input(net, 1, &p) == GLIA_E_ARG);
    check_run(net, 3);
    check_run(net, 3);
    float *to = glia_net_input_data(net, 0);
    CHECK(to && !glia_net_input_data(net, 1));
    for (int i = 0; to && i < 6; i++) to[i] = (float)i;
    CHECK(!glia_net_step(net, &e));
    const float *z = glia_net_output_data(net, 1);
    CHECK(z && z[5] == 25);
    glia_net_close(net);
    glia_graph_destroy(g);
}

static void symbols(void)
{
    glia_graph *g = build(true);
    glia_net *net = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_port p = GLIA_PORT_INIT;
    CHECK(!glia_net_from_graph(g, NULL, &net, &e));
    CHECK(!glia_net_input(net, 0, &p) && p.dims[0] == -1);
    CHECK_STR(p.dim_names[0], "N");
    for (int64_t n = 0; n <= 4; n++) check_run(net, n);
    CHECK(!glia_net_input_data(net, 0) && glia_net_step(net, &e) == GLIA_E_STATE);
    glia_net_close(net);
    glia_graph_destroy(g);
}

static void refused(void)
{
    glia_graph *g = build(true);
    glia_net *net = NULL;
    glia_error e = GLIA_ERROR_INIT;
    CHECK(!glia_net_from_graph(g, NULL, &net, &e));
    const int64_t wide[2] = {3, 3}, line[1] = {2}, many[2] = {65, 2};
    const char *text = "a";
    glia_object *out[2], *none = NULL;
    const struct {
        glia_object *in;
        glia_status status;
        const char *code;
    } cases[] = {
        {NULL, GLIA_E_ARG, "G1024"},
        {glia_object_strings(NULL, 1, line, (const char *[]){text, text}, NULL), GLIA_E_TYPE, "G1021"},
        {glia_object_tensor(NULL, GLIA_F64, 2, many, NULL), GLIA_E_DTYPE, "G1022"},
        {glia_object_tensor(NULL, GLIA_F32, 1, line, NULL), GLIA_E_SHAPE, "G1023"},
        {glia_object_tensor(NULL, GLIA_F32, 2, wide, NULL), GLIA_E_SHAPE, "G1023"},
        {glia_object_tensor(NULL, GLIA_F32, 2, many, NULL), GLIA_E_ARG, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_I64(glia_net_run(net, &cases[i].in, out, NULL, &e), cases[i].status);
        if (*cases[i].code) CHECK_STR(e.code, cases[i].code);
        CHECK(!out[0] && !out[1]);
        glia_object_release(cases[i].in);
    }
    CHECK(glia_net_run(NULL, &none, out, NULL, &e) == GLIA_E_ARG);
    check_run(net, 2);
    glia_net_close(net);
    CHECK(glia_net_from_graph(NULL, NULL, &net, &e) == GLIA_E_ARG && !net);
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    o.memory_limit = 100;
    CHECK(glia_net_from_graph(g, &o, &net, &e) == GLIA_E_LIMIT && !net);
    CHECK_STR(e.code, "G0804");
    glia_net_close(NULL);
    glia_graph_destroy(g);
}

/* Every allocation fails once: no leak, and a status. */
static void memory_fails(void)
{
    glia_graph *g = build(false);
    for (int64_t n = 1; n < 1000; n++) {
        struct fault_os f;
        glia_net *net = NULL;
        glia_error e = GLIA_ERROR_INIT;
        glia_net_options o = GLIA_NET_OPTIONS_INIT;
        fault_os_init(&f, NULL);
        o.os = &f.os;
        o.threads = 1;
        fault_os_fail(&f, FAULT_ANY, n, false);
        glia_status s = glia_net_from_graph(g, &o, &net, &e);
        CHECK(!s == (net != NULL));
        glia_net_close(net);
        CHECK(fault_os_clean(&f));
        if (!s) break;
    }
    glia_graph_destroy(g);
}

int main(void)
{
    RUN(fixed_shapes);
    RUN(symbols);
    RUN(refused);
    RUN(memory_fails);
    return CHECK_EXIT();
}
