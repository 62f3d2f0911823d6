/* Any bytes through the ONNX reader, as a model and as values of their own, and models that it accepts through the
 * importer, which opens and runs them. What is accepted can be written, and read again as the same. */
#include "fuzz.h"

#include "base/check.h"
#include "format/onnx.h"
#include "format/onnx_write.h"

#include <glia/net.h>

static void check_tensor(const glia_onnx *m, const glia_onnx_tensor *t)
{
    uint8_t byte;
    int64_t count = 1;
    FUZZ_CHECK(t->rank >= 0 && t->rank <= GLIA_RANK_MAX && t->bytes >= 0);
    for (int i = 0; i < t->rank; i++) count *= t->dims[i];
    FUZZ_CHECK(count == t->count && (t->is_string || t->dtype) && !t->location);
    FUZZ_CHECK(t->is_string || !count || t->data);
    if (t->bytes)
        FUZZ_CHECK(!glia_onnx_tensor_read(m, t, t->bytes - 1, 1, &byte, NULL) &&
                   byte == ((const uint8_t *)t->data)[t->bytes - 1]);
}

static void check_graph(const glia_onnx *m, const glia_onnx_graph *g)
{
    for (int64_t i = 0; i < g->initializer_count; i++) check_tensor(m, &g->initializers[i]);
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_onnx_node *n = &g->nodes[i];
        FUZZ_CHECK(n->op && n->domain && strcmp(n->domain, "ai.onnx"));
        for (int32_t k = 0; k < n->attr_count; k++) {
            const glia_onnx_attr *a = &n->attrs[k];
            const int64_t graphs =
                a->kind == GLIA_ONNX_ATTR_GRAPHS ? a->count : a->kind == GLIA_ONNX_ATTR_GRAPH && a->g;
            for (int64_t s = 0; s < graphs; s++) check_graph(m, &a->g[s]); /* as deep as the reader allows */
        }
    }
}

static void check_written(const glia_onnx *m)
{
    glia_arena a;
    glia_onnx *again;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a}, v = {.arena = &a};
    FUZZ_CHECK(!glia_onnx_write(m, &w, NULL));
    FUZZ_CHECK(!glia_onnx_parse(NULL, w.data, w.size, NULL, NULL, &again, NULL));
    FUZZ_CHECK(!glia_onnx_write(again, &v, NULL) && v.size == w.size &&
               !memcmp(v.data, w.data, (size_t)w.size));
    glia_onnx_close(again);
    glia_arena_free(&a);
}

/* Zeros for every input whose shape is fixed. */
static void run(glia_net *net)
{
    enum { MOST = 16 };
    glia_object *in[MOST] = {0}, *out[MOST] = {0};
    glia_net_run_options o = GLIA_NET_RUN_OPTIONS_INIT;
    const int inputs = glia_net_input_count(net), outputs = glia_net_output_count(net);
    o.nodes_max = 1000;
    if (inputs > MOST || outputs > MOST) return;
    for (int i = 0; i < inputs; i++) {
        glia_port p = GLIA_PORT_INIT;
        int64_t elements = 1;
        FUZZ_CHECK(!glia_net_input(net, i, &p));
        for (int a = 0; a < p.rank; a++) {
            if (p.dims[a] < 0) p.dims[a] = 2;
            if (!glia_mul(elements, p.dims[a], &elements) || elements > 1 << 16) elements = 1 << 20;
        }
        if (elements <= 1 << 16 && p.rank >= 0)
            in[i] = glia_object_tensor(NULL, p.dtype, p.rank, p.dims, NULL);
    }
    glia_error e = GLIA_ERROR_INIT;
    const glia_status s = glia_net_run(net, in, out, &o, &e);
    if (s) FUZZ_CHECK(e.status == s && e.text[0] && s != GLIA_E_INTERNAL);
    for (int i = 0; i < MOST; i++) {
        glia_object_release(in[i]);
        glia_object_release(out[i]);
    }
}

static void import(const uint8_t *data, size_t size)
{
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    glia_net *net;
    glia_error e = GLIA_ERROR_INIT;
    o.threads = 1;
    o.memory_limit = 16 << 20;
    const glia_status s = glia_net_open_memory(data, (int64_t)size, NULL, &o, &net, &e);
    if (s) {
        FUZZ_CHECK(e.status == s && e.text[0] && s != GLIA_E_INTERNAL && !net);
        return;
    }
    run(net);
    glia_net_close(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_onnx *m;
    glia_error e = GLIA_ERROR_INIT;
    const glia_onnx_limits limits = {.message_bytes = 16 << 20};
    const glia_status s = glia_onnx_parse(NULL, data, (int64_t)size, NULL, &limits, &m, &e);
    FUZZ_CHECK((s == GLIA_OK) == (m != NULL));
    if (s) {
        FUZZ_CHECK(s == GLIA_E_FORMAT || s == GLIA_E_LIMIT || s == GLIA_E_UNSUPPORTED || s == GLIA_E_NOMEM);
        FUZZ_CHECK(e.status == s && e.text[0] && glia_explain(e.code));
    } else {
        check_graph(m, &m->graph);
        check_written(m);
        glia_onnx_close(m);
        import(data, size);
    }
    for (int kind = GLIA_ONNX_TENSOR; kind <= GLIA_ONNX_MAP; kind++) {
        glia_arena a;
        glia_onnx_item it;
        glia_arena_init(&a, NULL, 16 << 20);
        if (!glia_onnx_item_parse(&a, data, (int64_t)size, kind, &it, NULL)) FUZZ_CHECK(it.kind == kind);
        glia_arena_free(&a);
    }
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
/* Small networks by hand, written by the writer: products and activations; shapes out of data; a loop. */
static const char *const x_only[] = {"x"}, *const x_w[] = {"x", "w"}, *const y_b[] = {"p", "b"},
                         *const p_out[] = {"p"}, *const q_out[] = {"q"}, *const y_out[] = {"y"},
                         *const q_in[] = {"q"}, *const xs[] = {"x", "s"}, *const s_out[] = {"s"};

static int64_t fuzz_example(int i, uint8_t *out)
{
    static const float numbers[12] = {1, -2, 3, 0.5f, 0, 1, 2, 3, -1, -1, 4, 2};
    static const int64_t shape[2] = {-1, 2};
    const glia_onnx_tensor tensors[] = {{.name = {"w", 1},
                                         .dtype = GLIA_F32,
                                         .rank = 2,
                                         .dims = {3, 4},
                                         .count = 12,
                                         .bytes = 48,
                                         .data = numbers},
                                        {.name = {"b", 1},
                                         .dtype = GLIA_F32,
                                         .rank = 1,
                                         .dims = {4},
                                         .count = 4,
                                         .bytes = 16,
                                         .data = numbers},
                                        {.name = {"s", 1},
                                         .dtype = GLIA_I64,
                                         .rank = 1,
                                         .dims = {2},
                                         .count = 2,
                                         .bytes = 16,
                                         .data = shape}};
    const glia_onnx_attr axis = {.name = "axis", .kind = GLIA_ONNX_ATTR_INT, .i = -1};
    const glia_onnx_node mlp[] = {{.op = "MatMul", .in = x_w, .in_count = 2, .out = p_out, .out_count = 1},
                                  {.op = "Add", .in = y_b, .in_count = 2, .out = q_out, .out_count = 1},
                                  {.op = "Softmax",
                                   .in = q_in,
                                   .in_count = 1,
                                   .out = y_out,
                                   .out_count = 1,
                                   .attrs = &axis,
                                   .attr_count = 1}};
    const glia_onnx_node shapes[] = {
        {.op = "Reshape", .in = xs, .in_count = 2, .out = y_out, .out_count = 1}};
    const glia_onnx_node sizes[] = {
        {.op = "Shape", .in = x_only, .in_count = 1, .out = s_out, .out_count = 1},
        {.op = "Reshape", .in = xs, .in_count = 2, .out = y_out, .out_count = 1}};
    const glia_onnx_value in = {"x", {.kind = GLIA_ONNX_TENSOR, .onnx_type = 1, .rank = 2, .dims = {2, 3}}};
    const glia_onnx_value y = {"y", {.kind = GLIA_ONNX_TENSOR, .onnx_type = 1, .rank = -1}};
    glia_onnx_opset opset = {"", 17};
    glia_onnx m = {.ir_version = 8, .opsets = &opset, .opset_count = 1};
    m.graph =
        (glia_onnx_graph){.name = "g", .inputs = &in, .input_count = 1, .outputs = &y, .output_count = 1};
    if (i > 2) return -1;
    m.graph.nodes = i == 0 ? mlp : i == 1 ? shapes : sizes;
    m.graph.node_count = i == 0 ? 3 : i;
    m.graph.initializers = i == 0 ? tensors : &tensors[2];
    m.graph.initializer_count = i == 0 ? 2 : i == 1;
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    FUZZ_CHECK(!glia_onnx_write(&m, &w, NULL) && w.size <= FUZZ_BYTES_MAX);
    memcpy(out, w.data, (size_t)w.size);
    glia_arena_free(&a);
    return w.size;
}
#endif
