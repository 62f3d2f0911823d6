/* Operators that move, index and sample, given what they must refuse: places that are not there, found when the model
 * is read or when it runs, sizes that cannot be, strings that would be computed with. Nothing may be touched. */
#include <glia/glia.h>

#include "base/arena.h"
#include "base/reader.h"
#include "check.h"
#include "format/onnx_write.h"
#include "tensor/dtype.h"

enum { IN = 6 };

typedef struct node_case {
    const char *op;
    int64_t version;
    int in_count, out_count;
    glia_onnx_tensor in[IN]; /* those with `constant` set are part of the model */
    bool constant[IN];
    glia_onnx_attr attr[6];
    int attr_count;
} node_case;

static glia_onnx_tensor tensor_of(int32_t type, int rank, const int64_t *dims, const void *data)
{
    glia_onnx_tensor t = {
        .onnx_type = type, .dtype = glia_onnx_dtype(type), .rank = (int16_t)rank, .data = data, .count = 1};
    for (int i = 0; i < rank; i++) t.count *= t.dims[i] = dims[i];
    glia_dtype_tensor_bytes(t.dtype, rank, dims, &t.bytes);
    t.external_length = -1;
    return t;
}

/* The i64 list of one case. */
static glia_onnx_tensor list_of(int64_t count, const int64_t *v) { return tensor_of(7, 1, &count, v); }

/* Opens and runs a model of one node; its status, and where it failed in e. */
static glia_status run_case(node_case *c, glia_error *e)
{
    static const char *const ins[IN] = {"x0", "x1", "x2", "x3", "x4", "x5"}, *const outs[] = {"y0", "y1",
                                                                                              "y2"};
    glia_onnx_node node = {.name = "node",
                           .op = c->op,
                           .domain = "",
                           .in = ins,
                           .out = outs,
                           .in_count = c->in_count,
                           .out_count = c->out_count,
                           .attrs = c->attr,
                           .attr_count = c->attr_count};
    glia_onnx_value inputs[IN] = {{0}}, outputs[3] = {{0}};
    glia_onnx_tensor kept[IN];
    glia_object *in[IN] = {NULL}, *out[3] = {NULL};
    glia_onnx_opset opset = {"", c->version};
    glia_onnx m = {.ir_version = 10, .opsets = &opset, .opset_count = 1};
    glia_arena arena;
    glia_writer w = {.arena = &arena};
    glia_net *net = NULL;
    for (int i = 0; i < c->in_count; i++) {
        const glia_onnx_tensor *t = &c->in[i];
        if (c->constant[i]) {
            kept[m.graph.initializer_count] = *t;
            kept[m.graph.initializer_count++].name = (glia_onnx_text){ins[i], 2};
            continue;
        }
        glia_onnx_value *v = &inputs[m.graph.input_count];
        *v =
            (glia_onnx_value){ins[i], {.kind = GLIA_ONNX_TENSOR, .onnx_type = t->onnx_type, .rank = t->rank}};
        memcpy(v->type.dims, t->dims, sizeof v->type.dims);
        const char *texts[16];
        for (int64_t k = 0; t->is_string && k < t->count; k++) texts[k] = t->strings[k].text;
        in[m.graph.input_count++] = t->is_string
                                        ? glia_object_strings(NULL, t->rank, t->dims, texts, NULL)
                                        : glia_object_tensor(NULL, t->dtype, t->rank, t->dims, t->data);
    }
    for (int i = 0; i < c->out_count; i++) outputs[i].name = outs[i];
    m.graph.name = "g";
    m.graph.nodes = &node, m.graph.node_count = 1;
    m.graph.inputs = inputs, m.graph.outputs = outputs, m.graph.output_count = c->out_count;
    m.graph.initializers = kept;
    glia_arena_init(&arena, glia_os_default(), 0);
    glia_status s = glia_onnx_write(&m, &w, e);
    if (!s) s = glia_net_open_memory(w.data, w.size, NULL, NULL, &net, e);
    if (!s) s = glia_net_run(net, in, out, NULL, e);
    for (int i = 0; i < 3; i++) glia_object_release(out[i]);
    for (int i = 0; i < IN; i++) glia_object_release(in[i]);
    glia_net_close(net);
    glia_arena_free(&arena);
    return s;
}

static const float numbers[24] = {1, 2, 3, 4, 5, 6, 7, 8};
static const int64_t two_three[2] = {2, 3};

/* An index that only the run knows: the node is named, and a good one runs. */
static void places_found_by_the_run(void)
{
    static const struct {
        const char *op;
        int64_t index[4];
        int rank;
        bool fine;
    } rows[] = {
        {"Gather", {0, -2, 1, 1}, 1, true},         {"Gather", {0, 2, 1, 1}, 1, false},
        {"Gather", {0, -3, 1, 1}, 1, false},        {"GatherElements", {0, 1, -1, -2}, 2, true},
        {"GatherElements", {0, 9, 0, 0}, 2, false}, {"GatherND", {1, 2, -1, 0}, 2, true},
        {"GatherND", {1, 3, 0, 0}, 2, false},       {"GatherND", {1, 2, INT64_MIN, 0}, 2, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t dims[2] = {rows[i].rank == 1 ? 4 : 2, 2};
        node_case c = {.op = rows[i].op, .version = 13, .in_count = 2, .out_count = 1};
        glia_error e = GLIA_ERROR_INIT;
        c.in[0] = tensor_of(1, 2, two_three, numbers);
        c.in[1] = tensor_of(7, rows[i].rank, dims, rows[i].index);
        const glia_status s = run_case(&c, &e);
        CHECK((s == GLIA_OK) == rows[i].fine);
        if (!rows[i].fine) CHECK(strstr(e.text, "node"));
        c.constant[1] = true;
        CHECK((run_case(&c, &e) == GLIA_OK) == rows[i].fine);
    }
}

static void sizes_that_cannot_be(void)
{
    static const struct {
        const char *op;
        int64_t version, list[4];
        int count;
    } rows[] = {
        {"Reshape", 13, {4, 2}, 2},
        {"Reshape", 13, {-1, -1}, 2},
        {"Reshape", 13, {INT64_MAX, 4}, 2},
        {"Reshape", 13, {-7, 3}, 2},
        {"Expand", 13, {2, 4}, 2},
        {"Expand", 13, {-3, 2, 3}, 3},
        {"Expand", 13, {INT64_MAX, 2, 3}, 3},
        {"Tile", 13, {-1, 1}, 2},
        {"Tile", 13, {INT64_MAX, 2}, 2},
        {"Tile", 13, {1}, 1},
        {"Pad", 13, {0, 0, 0}, 3},
        {"Pad", 13, {-3, 0, 0, 0}, 4},
        {"Pad", 13, {INT64_MAX, 0, 0, 0}, 4},
        {"Split", 13, {1, 3}, 2},
        {"Split", 13, {-1, 3}, 2},
        {"Squeeze", 13, {0}, 1},
        {"Unsqueeze", 13, {0, 0}, 2},
        {"Unsqueeze", 13, {5}, 1},
        {"TopK", 11, {4}, 1},
        {"TopK", 11, {-1}, 1},
        {"CenterCropPad", 18, {INT64_MAX, -1}, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool two = !strcmp(rows[i].op, "Split") || !strcmp(rows[i].op, "TopK");
        node_case c = {.op = rows[i].op, .version = rows[i].version, .in_count = 2, .out_count = two ? 2 : 1};
        for (int pass = 0; pass < 2; pass++) {
            glia_error e = GLIA_ERROR_INIT;
            c.in[0] = tensor_of(1, 2, two_three, numbers);
            c.in[1] = list_of(rows[i].count, rows[i].list);
            c.constant[1] = pass;
            const glia_status s = run_case(&c, &e);
            if (!s || !e.text[0]) fprintf(stderr, "%s %d\n", rows[i].op, (int)i);
            CHECK(s && e.text[0]);
        }
    }
}

/* A scatter that adds would make handles up; a pad by a string moves one. */
static void strings_are_not_computed_with(void)
{
    static const glia_onnx_text words[3] = {{"one", 3}, {"two", 3}, {"three", 5}};
    static const int64_t index[3] = {0, 0, 1}, three[1] = {3}, pads[2] = {1, 1};
    node_case c = {.op = "ScatterElements", .version = 18, .in_count = 3, .out_count = 1, .attr_count = 1};
    glia_error e = GLIA_ERROR_INIT;
    glia_onnx_tensor text = {
        .onnx_type = 8, .is_string = true, .rank = 1, .dims = {3}, .count = 3, .strings = words};
    c.in[0] = c.in[2] = text;
    c.in[1] = tensor_of(7, 1, three, index);
    c.attr[0] =
        (glia_onnx_attr){.name = "reduction", .kind = GLIA_ONNX_ATTR_STRING, .s = {"none", 4}, .count = 1};
    CHECK_I64(run_case(&c, &e), GLIA_OK);
    c.attr[0].s = (glia_onnx_text){"add", 3};
    CHECK_I64(run_case(&c, &e), GLIA_E_UNSUPPORTED);
    c = (node_case){.op = "Pad", .version = 13, .in_count = 2, .out_count = 1};
    c.in[0] = text;
    c.in[1] = list_of(2, pads);
    CHECK_I64(run_case(&c, &e), GLIA_OK);
    c.in_count = 3;
    c.in[2] = (glia_onnx_tensor){.onnx_type = 8, .is_string = true, .count = 1, .strings = words};
    CHECK_I64(run_case(&c, &e), GLIA_OK); /* its handle is moved */
    /* Numbers that come out where strings went in as indices are no strings either. */
    c = (node_case){.op = "Gather", .version = 13, .in_count = 2, .out_count = 1};
    c.in[0] = tensor_of(7, 1, three, index);
    c.in[1] = text;
    CHECK(run_case(&c, &e));
}

/* Attributes out of range. */
static void attributes_that_mean_nothing(void)
{
    static const struct {
        const char *op, *attr;
        int64_t version, value;
    } rows[] = {{"Flatten", "axis", 13, 3},   {"Gather", "axis", 13, 2},
                {"Concat", "axis", 13, -3},   {"DepthToSpace", "blocksize", 13, 0},
                {"Transpose", "perm", 13, 0}, {"Trilu", "upper", 14, 1},
                {"OneHot", "axis", 11, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        node_case c = {
            .op = rows[i].op, .version = rows[i].version, .in_count = 1, .out_count = 1, .attr_count = 1};
        static const int64_t perm[2] = {1, 1}, index[3] = {0, 1, 0}, three[1] = {3}, one[1] = {3};
        glia_error e = GLIA_ERROR_INIT;
        c.in[0] = !strcmp(rows[i].op, "Trilu") ? tensor_of(1, 1, three, numbers)
                                               : tensor_of(1, 2, two_three, numbers);
        c.attr[0] = (glia_onnx_attr){
            .name = rows[i].attr, .kind = GLIA_ONNX_ATTR_INT, .i = rows[i].value, .count = 1};
        if (!strcmp(rows[i].attr, "perm"))
            c.attr[0] =
                (glia_onnx_attr){.name = "perm", .kind = GLIA_ONNX_ATTR_INTS, .ints = perm, .count = 2};
        if (!strcmp(rows[i].op, "Gather") || !strcmp(rows[i].op, "OneHot"))
            c.in[c.in_count++] = tensor_of(7, 1, three, index);
        if (!strcmp(rows[i].op, "OneHot")) {
            c.in[0] = c.in[1];
            c.in[1] = tensor_of(7, 0, NULL, one);
            c.in[2] = tensor_of(1, 1, (int64_t[]){2}, numbers);
            c.in_count = 3;
        }
        const glia_status s = run_case(&c, &e);
        if (!s) fprintf(stderr, "%s took %s\n", rows[i].op, rows[i].attr);
        CHECK(s && e.text[0]);
    }
}

int main(void)
{
    RUN(places_found_by_the_run);
    RUN(sizes_that_cannot_be);
    RUN(strings_are_not_computed_with);
    RUN(attributes_that_mean_nothing);
    return CHECK_EXIT();
}
