/* Twenty error texts of graphs, compared with tests/golden/graph/NAME.txt. With GLIA_UPDATE_GOLDEN set in the
 * environment they are written instead. Part of test_graph.c. */

static void golden_path(const char *name, char *path, size_t size)
{
    const char *file = __FILE__, *slash = strrchr(file, '/');
    snprintf(path, size, "%.*sgolden/graph/%s.txt", slash ? (int)(slash - file + 1) : 0, file, name);
}

static void golden(glia_graph *g, const char *name)
{
    static char want[5000], have[5000];
    char path[300];
    glia_error e = GLIA_ERROR_INIT;
    glia_graph_seal(g, &e);
    snprintf(have, sizeof have, "error[%s]: %s\n", e.code, e.text);
    golden_path(name, path, sizeof path);
    FILE *f = fopen(path, getenv("GLIA_UPDATE_GOLDEN") ? "wb" : "rb");
    CHECK(f != NULL);
    if (f && getenv("GLIA_UPDATE_GOLDEN")) {
        fputs(have, f);
    } else if (f) {
        want[fread(want, 1, sizeof want - 1, f)] = 0;
        CHECK_STR(have, want);
    }
    if (f) fclose(f);
    CHECK(e.status != GLIA_OK && glia_explain(e.code) != NULL);
    glia_graph_destroy(g);
}

static glia_value embedded(glia_graph *g)
{
    glia_dim t = glia_graph_symbol(g, "T", 1, 4096);
    glia_value w = weight(g, "token_embd.weight", GLIA_F32, 2, DIMS(151936, 1024));
    glia_value x = node2(g, "embed", "embed", w, input(g, "ids", GLIA_I32, 1, DIMS(t)));
    return node2(g, "rms_norm", "blk.0.attn_norm", x,
                 weight(g, "blk.0.attn_norm.weight", GLIA_F32, 1, DIMS(1024)));
}

static void golden_sizes(void)
{
    glia_graph *g = graph();
    node2(g, "linear", "blk.0.attn_q", embedded(g),
          weight(g, "blk.0.attn_q.weight", GLIA_Q8_0, 2, DIMS(2048, 2048)));
    golden(g, "linear_inner");
    g = graph();
    node2(g, "linear", "blk.0.attn_q", embedded(g),
          weight(g, "blk.0.attn_q.weight", GLIA_Q8_0, 2, DIMS(1024, 2048)));
    golden(g, "linear_swapped");
    g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 1, 64), b = glia_graph_symbol(g, "B", 1, 8);
    glia_value left = input(g, "hidden", GLIA_F32, 3, DIMS(b, glia_dim_add(g, t, 1), 768)),
               right = input(g, "residual", GLIA_F32, 3, DIMS(b, t, 768));
    node2(g, "add", "Add_41", left, right);
    golden(g, "add_longer_by_one");
    g = graph();
    node2(g, "add", "sum", input(g, "a", GLIA_F32, 2, DIMS(4, 6)), input(g, "b", GLIA_F32, 2, DIMS(4, 5)));
    golden(g, "add_constants");
    g = graph();
    node2(g, "add", "sum", input(g, "a", GLIA_F32, 2, DIMS(4, 6)), input(g, "b", GLIA_F32, 1, DIMS(4)));
    golden(g, "add_other_rank");
    g = graph();
    node2(g, "rms_norm", "norm", input(g, "x", GLIA_F32, 2, DIMS(4, 6)),
          weight(g, "norm.weight", GLIA_F32, 1, DIMS(8)));
    golden(g, "norm_weight");
    g = graph();
    t = glia_graph_symbol(g, "T", 1, 64);
    node2(g, "swiglu", "ffn", input(g, "gate", GLIA_F32, 2, DIMS(t, 96)),
          input(g, "up", GLIA_F32, 2, DIMS(glia_dim_mul(g, t, 2), 96)));
    golden(g, "swiglu_rows");
    g = graph();
    t = glia_graph_symbol(g, "T", 1, 64);
    glia_dim s = glia_graph_symbol(g, "S", 1, 64);
    glia_value x = input(g, "x", GLIA_F32, 1, DIMS(t)), y = input(g, "y", GLIA_F32, 1, DIMS(s));
    node2(g, "add", "first", x, y);
    node2(g, "add", "second", input(g, "z", GLIA_F32, 1, DIMS(glia_dim_add(g, t, 1))), y);
    golden(g, "sealed_contradiction");
}

static void golden_kinds(void)
{
    glia_graph *g = graph();
    node1(g, "silu", "act", input(g, "ids", GLIA_I32, 1, DIMS(4)));
    golden(g, "dtype_integer");
    g = graph();
    node1(g, "silu", "act", weight(g, "w", GLIA_Q4_0, 2, DIMS(4, 64)));
    golden(g, "dtype_block");
    g = graph();
    node2(g, "add", "sum", input(g, "a", GLIA_F32, 1, DIMS(4)), input(g, "b", GLIA_F16, 1, DIMS(4)));
    golden(g, "dtypes_differ");
    g = graph();
    node2(g, "linear", "proj", input(g, "x", GLIA_F32, 2, DIMS(4, 64)),
          weight(g, "w", GLIA_F32, 3, DIMS(1, 4, 64)));
    golden(g, "rank");
    g = graph();
    glia_value in[] = {input(g, "x", GLIA_F32, 2, DIMS(4, 64)), weight(g, "w", GLIA_F32, 2, DIMS(8, 64)),
                       weight(g, "b", GLIA_F32, 1, DIMS(9))};
    glia_graph_node(g, "linear", "proj", in, 3, NULL);
    golden(g, "bias");
    g = graph();
    glia_value v = input(g, "x", GLIA_F32, 2, DIMS(4, 64));
    glia_graph_node(g, "add", "sum", &v, 1, NULL);
    golden(g, "input_missing");
    g = graph();
    v = input(g, "x", GLIA_F32, 2, DIMS(4, 64));
    glia_attr_arg dims[] = {GLIA_INTS("dims", ((const int64_t[]){3, 85}), 2), {0}};
    glia_graph_node(g, "reshape", "flat", &v, 1, dims);
    golden(g, "reshape");
    g = graph();
    input(g, "x", GLIA_F32, 1, DIMS(4));
    input(g, "x", GLIA_F32, 1, DIMS(4));
    golden(g, "name_twice");
    g = graph();
    glia_type block = type(GLIA_Q4_K, 2, DIMS(16, 1000));
    glia_graph_weight(g, "blk.0.ffn_down.weight", &block, NULL, NULL);
    golden(g, "block_not_whole");
}

static void golden_states(void)
{
    pages p = pages_make();
    put(p.g, "first", p.state, p.x, p.where);
    put(p.g, "second", p.state, p.x, p.where);
    golden(p.g, "two_writers");
    p = pages_make();
    put(p.g, "first", p.state, p.x, p.where);
    node1(p.g, "silu", "late", p.state);
    golden(p.g, "late_reader");
    p = pages_make();
    glia_value q = input(p.g, "q", GLIA_F32, 3, DIMS(glia_graph_value(p.g, p.x)->type.dims[0], 5, 16));
    glia_type keys = type(GLIA_F32, 4, DIMS(4, 2, 16, 8)), values = type(GLIA_F32, 4, DIMS(4, 2, 8, 16));
    glia_value in[] = {q,
                       glia_graph_state(p.g, "keys", &keys),
                       glia_graph_state(p.g, "values", &values),
                       p.where[0],
                       p.where[1],
                       p.where[2]};
    glia_attr_arg scale[] = {GLIA_FLOAT("scale", 0.25), {0}};
    glia_graph_node(p.g, "attend", "attend", in, 6, scale);
    golden(p.g, "heads_and_groups");
    glia_graph *g = graph();
    glia_value x = input(g, "x", GLIA_F32, 2, DIMS(4, 8)), grads[1];
    glia_value loss = node1(g, "silu", "y", x);
    glia_graph_gradients(g, loss, &x, 1, grads);
    golden(g, "loss_no_scalar");
}

static void errors_teach(void)
{
    golden_sizes();
    golden_kinds();
    golden_states();
}
