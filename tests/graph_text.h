/* The text form of graphs: printed, parsed, printed again. Part of test_graph.c. */

static bool comes_back(glia_graph *g, bool show)
{
    char *first = NULL, *second = NULL;
    int64_t n = 0, m = 0;
    glia_graph *back = NULL;
    glia_error e = GLIA_ERROR_INIT;
    bool same = glia_graph_print(g, &first, &n, &e) == GLIA_OK &&
                glia_graph_parse(first, n, NULL, &back, &e) == GLIA_OK &&
                glia_graph_print(back, &second, &m, &e) == GLIA_OK && n == m &&
                !memcmp(first, second, (size_t)n);
    same = same && back->value_count == g->value_count && back->guard_count >= g->guard_count;
    if (!same || show) fprintf(stderr, "%s\n%s\n%s\n", e.text, first ? first : "", second ? second : "");
    glia_text_free(NULL, first, n);
    glia_text_free(NULL, second, m);
    glia_graph_destroy(back);
    return same;
}

static void texts_come_back(void)
{
    glia_graph *g = graph();
    lm_build(g, 2, NULL);
    CHECK(comes_back(g, false));
    glia_graph_destroy(g);
    g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 0, INT64_MAX), u = glia_graph_symbol(g, "layer.U_1", 3, 3);
    glia_dim odd = glia_dim_min(g, glia_dim_floor_div(g, glia_dim_add(g, glia_dim_mul(g, t, u), 1), 3),
                                glia_dim_max(g, u, glia_dim_add(g, t, 7)));
    input(g, "a \"quoted\\\n name", GLIA_F32, 2, DIMS(odd, t));
    input(g, "\xff\xfe", GLIA_F64, 0, NULL);
    input(g, "gr\xc3\xbc\xc3\x9f", GLIA_BOOL, 1, DIMS(0));
    input(g, "_", GLIA_I8, 1, DIMS(glia_dim_difference(g, odd, 1)));
    const float data[] = {1.0f, -0.0f, 1e-30f};
    glia_type c = type(GLIA_F32, 1, DIMS(3)), packed = type(GLIA_Q8_0, 2, DIMS(16, 64));
    glia_value v = glia_graph_constant(g, "node", &c, data);
    packed.layout = 1;
    glia_graph_weight(g, "packed", &packed, NULL, "a");
    CHECK(memcmp(glia_graph_value(g, v)->data, data, sizeof data) == 0);
    glia_attr_arg k[] = {GLIA_INT("k", 2), {0}};
    glia_value top = glia_graph_node(g, "top_k", "top", &v, 1, k);
    glia_graph_set_name(g, glia_graph_output_of(g, top, 1), "which");
    glia_graph_output(g, "best one", top);
    glia_attr_arg clip[] = {GLIA_FLOAT("min", 0.1), GLIA_FLOAT("max", 1e300), {0}};
    glia_graph_node(g, "clip", NULL, &v, 1, clip);
    if (g->error.status) fprintf(stderr, "%s\n", g->error.text);
    CHECK(g->error.status == GLIA_OK && comes_back(g, false));
    glia_graph_destroy(g);
}

/* ---- random graphs ----------------------------------------------------------------------------- */

typedef struct pool {
    glia_graph *g;
    glia_value v[64]; /* floats in f32, of any shape */
    int count;
    glia_dim dims[8];
    int serial;
} pool;

static glia_dim some_dim(pool *p) { return pick(0, 2) ? p->dims[pick(0, 7)] : pick(1, 9); }

static const char *some_name(pool *p, const char *base)
{
    static char buf[64];
    static const char *const spice[] = {"", ".weight", " x", "\"", "\\", "\xc3\xa4", "\n", "\x80"};
    snprintf(buf, sizeof buf, "%s.%d%s", base, p->serial++, spice[pick(0, 3) ? 0 : pick(0, 7)]);
    return buf;
}

static void keep(pool *p, glia_value v)
{
    if (!glia_is_null(v) && p->count < 64) p->v[p->count++] = v;
}

static glia_value new_leaf(pool *p, glia_dtype d, int rank, const glia_dim *dims)
{
    glia_type t = type(d, rank, dims);
    int kind = (int)pick(0, 2);
    return kind == 0   ? glia_graph_input(p->g, some_name(p, "in"), &t)
           : kind == 1 ? glia_graph_state(p->g, some_name(p, "state"), &t)
                       : glia_graph_weight(p->g, some_name(p, "w"), &t, NULL,
                                           pick(0, 1) ? some_name(p, "file") : NULL);
}

static void step_linear(pool *p, glia_value x, const glia_type *t)
{
    static const glia_dtype formats[] = {GLIA_F32, GLIA_F16, GLIA_BF16, GLIA_Q8_0, GLIA_Q4_0, GLIA_Q6_K};
    glia_dim k = t->dims[t->rank - 1], n = pick(1, 40);
    glia_dtype f = formats[pick(0, 5)];
    int64_t block = glia_dtype_get(f)->block_elements;
    if (k < 0 || k % block) f = GLIA_F32;
    glia_value in[] = {x, new_leaf(p, f, 2, DIMS(n, k)),
                       pick(0, 1) ? (glia_value){0} : new_leaf(p, GLIA_F32, 1, DIMS(n))};
    keep(p, glia_graph_node(p->g, "linear", pick(0, 1) ? some_name(p, "linear") : NULL, in, 3, NULL));
}

static void step_shape(pool *p, glia_value x, const glia_type *t)
{
    int64_t dims[8], count = 0;
    int what = (int)pick(0, 2);
    if (what == 0) { /* add an axis, or join two */
        for (int a = 0; a < t->rank; a++) dims[count++] = t->dims[a];
        if (t->rank > 1 && pick(0, 1)) {
            dims[count - 2] = glia_dim_mul(p->g, dims[count - 2], dims[count - 1]);
            count--;
        } else if (count < 6) {
            dims[count++] = 1;
        }
        glia_attr_arg a[] = {GLIA_INTS("dims", dims, count), {0}};
        keep(p, glia_graph_node(p->g, "reshape", NULL, &x, 1, a));
    } else if (what == 1) {
        for (int a = 0; a < t->rank; a++) dims[a] = (a + 1) % t->rank;
        glia_attr_arg a[] = {GLIA_INTS("perm", dims, t->rank), {0}};
        keep(p, glia_graph_node(p->g, "transpose", NULL, &x, 1, a));
    } else {
        glia_value in[] = {x, x, x};
        glia_attr_arg a[] = {GLIA_INT("axis", pick(0, t->rank - 1)), {0}};
        keep(p, glia_graph_node(p->g, "concat", some_name(p, "concat"), in, (int)pick(1, 3), a));
    }
}

static void step_random(pool *p)
{
    static const char *const unary[] = {"silu", "gelu", "neg",  "exp",     "softmax",
                                        "abs",  "tanh", "relu", "softplus"};
    static const char *const binary[] = {"add", "mul", "sub", "div", "max"};
    glia_value x = p->v[pick(0, p->count - 1)];
    const glia_type t = glia_graph_value(p->g, x)->type;
    glia_dim last = t.dims[t.rank - 1];
    switch (pick(0, 7)) {
    case 0: keep(p, node1(p->g, unary[pick(0, 8)], pick(0, 1) ? some_name(p, "u") : NULL, x)); break;
    case 1:
        keep(p, node2(p->g, binary[pick(0, 4)], NULL, x,
                      pick(0, 1) ? x : new_leaf(p, GLIA_F32, 1, DIMS(pick(0, 1) ? 1 : last))));
        break;
    case 2: step_linear(p, x, &t); break;
    case 3: step_shape(p, x, &t); break;
    case 4: {
        glia_attr_arg eps[] = {GLIA_FLOAT("eps", (double)pick(1, 1000) / 7e7), {0}};
        keep(p, glia_graph_node(p->g, "rms_norm", some_name(p, "norm"),
                                (glia_value[]){x, new_leaf(p, GLIA_F32, 1, DIMS(last))}, 2, eps));
        break;
    }
    case 5: {
        int64_t axes[] = {pick(0, t.rank - 1)};
        glia_attr_arg a[] = {GLIA_INTS("axes", axes, 1), GLIA_INT("keepdims", 1), {0}};
        keep(p, glia_graph_node(p->g, "mean", NULL, &x, 1, a));
        break;
    }
    case 6: {
        int64_t lo, hi;
        glia_dim_bounds(p->g, last, &lo, &hi);
        if (lo < 2) break;
        glia_attr_arg a[] = {GLIA_INT("k", 2), {0}};
        glia_value v = glia_graph_node(p->g, "top_k", some_name(p, "top"), &x, 1, a);
        keep(p, v);
        glia_graph_set_name(p->g, glia_graph_output_of(p->g, v, 1), some_name(p, "index"));
        break;
    }
    default: {
        glia_attr_arg to[] = {GLIA_TYPE_ATTR("to", pick(0, 1) ? GLIA_F16 : GLIA_I32), {0}};
        glia_graph_node(p->g, "cast", NULL, &x, 1, to);
        break;
    }
    }
}

static glia_graph *random_graph(uint64_t seed)
{
    pool p = {.g = graph()};
    random_state = seed * 2654435761u + 88172645463325252u;
    glia_dim t = glia_graph_symbol(p.g, "T", pick(1, 3), pick(20, 4000)),
             b = glia_graph_symbol(p.g, "B", 1, 8);
    const glia_dim dims[8] = {t,
                              b,
                              32,
                              256,
                              glia_dim_add(p.g, t, pick(1, 5)),
                              glia_dim_mul(p.g, t, b),
                              glia_dim_floor_div(p.g, glia_dim_add(p.g, t, 3), 2),
                              glia_dim_min(p.g, t, glia_dim_mul(p.g, b, 5))};
    memcpy(p.dims, dims, sizeof dims);
    for (int i = 0; i < 3; i++) {
        glia_dim d[3] = {some_dim(&p), some_dim(&p), some_dim(&p)};
        keep(&p, new_leaf(&p, GLIA_F32, (int)pick(1, 3), d));
    }
    for (int i = 0, n = (int)pick(1, 14); i < n; i++) step_random(&p);
    for (int i = 0, n = (int)pick(0, 2); i < n; i++)
        glia_graph_output(p.g, some_name(&p, "out"), p.v[pick(0, p.count - 1)]);
    return p.g;
}

static void random_graphs_come_back(void)
{
    int64_t nodes = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 10000 && !check_case_failures; seed++) {
        glia_graph *g = random_graph(seed);
        if (g->error.status == GLIA_E_LIMIT) { /* a dimension outgrew its limits, and it was said */
            refused++;
            glia_graph_destroy(g);
            continue;
        }
        if (g->error.status) fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, g->error.text);
        CHECK(g->error.status == GLIA_OK);
        CHECK(comes_back(g, false));
        if (seed % 2) CHECK(glia_graph_seal(g, NULL) == GLIA_OK && comes_back(g, false));
        nodes += g->node_count;
        glia_graph_destroy(g);
    }
    printf("# %lld nodes, %lld graphs at a limit\n", (long long)nodes, (long long)refused);
    CHECK(nodes > 30000 && refused < 100);
}

/* Random admissible sizes: whatever the types allow runs clean, with every buffer of exact size. */
static bool runs_clean(const glia_graph *g, int64_t most)
{
    eval *e = eval_make(g);
    static double zeros[1 << 17];
    bool ok = true;
    for (int64_t i = 0; i < g->symbol_count; i++) {
        int64_t hi =
            g->symbols[i].max < g->symbols[i].min + most ? g->symbols[i].max : g->symbols[i].min + most;
        e->symbols[i] = pick(g->symbols[i].min, hi);
    }
    for (int64_t i = 1; i < g->value_count && ok; i++) {
        const glia_value_info *v = &g->values[i];
        int64_t dims[GLIA_RANK_MAX], bytes;
        if (v->producer >= 0 || v->kind == GLIA_VALUE_STATE) continue;
        ok = eval_shape(e, (glia_value){(uint32_t)i}, dims, &bytes) && bytes <= (int64_t)sizeof zeros;
        if (ok) ok = eval_bind(e, v->name, zeros);
    }
    /* Sizes that break an equation, or that are too large for this test, are not admissible. */
    if (ok && !eval_run(e)) {
        bool said = strstr(e->error, "entry guard") != NULL || strstr(e->error, "has no size") != NULL;
        if (!said) fprintf(stderr, "%s\n", e->error);
        CHECK(said);
        ok = false;
    }
    eval_free(e);
    return ok;
}

static bool small_enough(const glia_graph *g)
{
    for (int64_t i = 1; i < g->value_count; i++) {
        int64_t all = 1, lo, hi;
        const glia_type *t = &g->values[i].type;
        for (int a = 0; a < t->rank; a++) {
            glia_dim_bounds(g, t->dims[a], &lo, &hi);
            if (lo > 100000) return false;
            all *= lo > 0 ? lo : 1;
            if (all > 1000000) return false;
        }
    }
    return true;
}

static void random_graphs_run(void)
{
    int ran = 0;
    for (uint64_t seed = 20001; seed <= 20600 && !check_case_failures; seed++) {
        glia_graph *g = random_graph(seed);
        if (glia_graph_seal(g, NULL) == GLIA_OK && small_enough(g)) ran += runs_clean(g, 3);
        glia_graph_destroy(g);
    }
    printf("# %d graphs ran\n", ran);
    CHECK(ran > 200);
}

/* ---- hostile texts ----------------------------------------------------------------------------- */

static void parses_or_says_why(const char *text, int64_t size)
{
    glia_graph *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    char *exact = malloc((size_t)size + 1); /* so that a byte too far is seen */
    char *end = exact + 1;
    memcpy(end, text, (size_t)size);
    glia_status s = glia_graph_parse(end, size, NULL, &g, &e);
    CHECK(s == GLIA_OK ? g != NULL && !e.code[0] : g == NULL && e.code[0] == 'G' && e.text[0]);
    glia_graph_destroy(g);
    free(exact);
}

static void hostile_texts_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "glia graph 2\n",
                                      "glia graph 1",
                                      "glia graph 1\nnonsense\n",
                                      "glia graph 1\nsymbol T 5..1\n",
                                      "glia graph 1\nsymbol T 0..99999999999999999999\n",
                                      "glia graph 1\nsymbol min 0..1\n",
                                      "glia graph 1\nsymbol T 0..9\nsymbol T 0..9\n",
                                      "glia graph 1\ninput x: f32[T]\n",
                                      "glia graph 1\ninput x: f99[4]\n",
                                      "glia graph 1\ninput x: f32[1, 1, 1, 1, 1, 1, 1, 1, 1]\n",
                                      "glia graph 1\ninput x: f32[-1]\n",
                                      "glia graph 1\ninput x: f32[4] trailing\n",
                                      "glia graph 1\ninput x: f32[floor(4/0)]\n",
                                      "glia graph 1\nsymbol T 0..9\ninput x: f32[floor(T/0)]\n",
                                      "glia graph 1\nconstant c: f32[1] = 0x00\n",
                                      "glia graph 1\nconstant c: f32[1] = 0x0000zz00\n",
                                      "glia graph 1\nconstant c: f32[99999999] = 0x00\n",
                                      "glia graph 1\ninput x: f32:r99[4, 4]\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f32[5] = silu(x)\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f16[4] = silu(x)\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f32[4] = no_op(x)\n",
                                      "glia graph 1\nnode y: f32[4] = silu(y)\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f32[4], z: f32[4] = silu(x)\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f32[4] = silu(x) {q=1}\n",
                                      "glia graph 1\ninput x: f32[4]\nnode y: f32[4] = silu(_)\n",
                                      "glia graph 1\noutput y = x\n",
                                      "glia graph 1\ninput \"x: f32[4]\n",
                                      "glia graph 1\ninput \"\\x00\": f32[4]\n",
                                      "glia graph 1\ninput \"\\q\": f32[4]\n",
                                      "glia graph 1\ninput x: q8_0:r16[33, 33]\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glia_graph *g = NULL;
        glia_error e = GLIA_ERROR_INIT;
        if (glia_graph_parse(bad[i], (int64_t)strlen(bad[i]), NULL, &g, &e) == GLIA_OK)
            fprintf(stderr, "accepted: %s\n", bad[i]), check_case_failures++;
        else CHECK(g == NULL && glia_explain(e.code) != NULL);
        glia_graph_destroy(g);
    }
    static char deep[400000];
    int n = snprintf(deep, sizeof deep, "glia graph 1\ninput x: f32[");
    memset(deep + n, '(', 300000);
    parses_or_says_why(deep, n + 300000);
    memset(deep + n, '-', 300000);
    parses_or_says_why(deep, n + 300000);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        glia_graph *g = random_graph(seed);
        char *text = NULL;
        int64_t size = 0;
        CHECK(glia_graph_print(g, &text, &size, NULL) == GLIA_OK);
        for (int64_t cut = 0; cut < size; cut += 1 + size / 80) parses_or_says_why(text, cut);
        for (int i = 0; i < 80; i++) {
            char *copy = malloc((size_t)size);
            memcpy(copy, text, (size_t)size);
            for (int k = 0; k < 3; k++)
                copy[pick(0, size - 1)] =
                    pick(0, 1) ? "0123456789[](){},:=\"\\_-?"[pick(0, 23)] : (char)pick(0, 255);
            parses_or_says_why(copy, size);
            free(copy);
        }
        glia_text_free(NULL, text, size);
        glia_graph_destroy(g);
    }
}
