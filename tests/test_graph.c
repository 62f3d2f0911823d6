/* Graphs: dims against brute force, the unifier, mutations that must be refused, error texts, states,
 * regions, gradients, and the text form. */
#include "check.h"

#include "eval.h"
#include "fault_os.h"
#include "graph/dims.h"
#include "graph/signature.h"
#include "graph_lm.h"

/* ---- helpers ----------------------------------------------------------------------------------- */

static uint64_t random_state = 1;

static int64_t pick(int64_t lo, int64_t hi)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return lo + (int64_t)(random_state * 2685821657736338717u >> 33) % (hi - lo + 1);
}

static glia_graph *graph(void)
{
    glia_graph *g = NULL;
    CHECK(glia_graph_create(NULL, &g, NULL) == GLIA_OK);
    return g;
}

#define DIMS(...) ((const glia_dim[]){__VA_ARGS__})
static glia_type type(glia_dtype d, int rank, const glia_dim *dims)
{
    glia_type t = {d, (int16_t)rank, 0, {0}};
    for (int i = 0; i < rank; i++) t.dims[i] = dims[i];
    return t;
}

static glia_value input(glia_graph *g, const char *name, glia_dtype d, int rank, const glia_dim *dims)
{
    glia_type t = type(d, rank, dims);
    return glia_graph_input(g, name, &t);
}

static glia_value weight(glia_graph *g, const char *name, glia_dtype d, int rank, const glia_dim *dims)
{
    glia_type t = type(d, rank, dims);
    return glia_graph_weight(g, name, &t, NULL, "model.gguf at 0x1f40a0");
}

static glia_value node1(glia_graph *g, const char *op, const char *name, glia_value a)
{
    return glia_graph_node(g, op, name, &a, 1, NULL);
}
static glia_value node2(glia_graph *g, const char *op, const char *name, glia_value a, glia_value b)
{
    return glia_graph_node(g, op, name, (glia_value[]){a, b}, 2, NULL);
}

static const char *text_of(const glia_graph *g, glia_value v)
{
    static char buf[4][200];
    static int at;
    at = (at + 1) % 4;
    return glia_type_text(g, &glia_graph_value(g, v)->type, buf[at], sizeof buf[at]);
}

static const char *dim_of(const glia_graph *g, glia_dim d)
{
    static char buf[4][400];
    static int at;
    at = (at + 1) % 4;
    return glia_dim_text(g, d, buf[at], sizeof buf[at]);
}

/* ---- dims -------------------------------------------------------------------------------------- */

static void dims_have_one_form(void)
{
    glia_graph *g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 1, 100), b = glia_graph_symbol(g, "B", 1, 8);
    CHECK(t < 0 && glia_graph_symbol(g, "T", 0, 200) == t);
    CHECK_I64(glia_dim_add(g, 2, 3), 5);
    CHECK_I64(glia_dim_add(g, t, 1), glia_dim_add(g, 1, t));
    CHECK_I64(glia_dim_mul(g, glia_dim_add(g, t, 1), glia_dim_add(g, b, 2)),
              glia_dim_mul(g, glia_dim_add(g, 2, b), glia_dim_add(g, 1, t)));
    CHECK_STR(dim_of(g, glia_dim_add(g, t, 1)), "T+1");
    CHECK_STR(dim_of(g, glia_dim_mul(g, b, glia_dim_add(g, t, 3))), "T*B+3*B");
    CHECK_STR(dim_of(g, glia_dim_floor_div(g, glia_dim_add(g, t, 1), 2)), "floor((T+1)/2)");
    CHECK_I64(glia_dim_floor_div(g, glia_dim_mul(g, t, 6), 3), glia_dim_mul(g, t, 2));
    CHECK_I64(glia_dim_floor_div(g, glia_dim_mul(g, t, 2), 4), glia_dim_floor_div(g, t, 2));
    CHECK_I64(glia_dim_floor_div(g, glia_dim_floor_div(g, t, 2), 3), glia_dim_floor_div(g, t, 6));
    CHECK_I64(glia_dim_floor_div(g, b, 9), 0);
    CHECK_I64(glia_dim_min(g, t, glia_dim_add(g, t, 1)), t);
    CHECK_I64(glia_dim_max(g, t, 100), 100);
    CHECK_I64(glia_dim_min(g, glia_dim_min(g, t, b), 5), glia_dim_min(g, b, glia_dim_min(g, 5, t)));
    glia_dim q;
    CHECK(glia_dim_exact_div(g, glia_dim_mul(g, glia_dim_add(g, t, 1), b), glia_dim_add(g, t, 1), &q) &&
          q == b);
    CHECK(!glia_dim_exact_div(g, glia_dim_add(g, t, 1), 2, &q));
    CHECK(!glia_dim_exact_div(g, t, 0, &q));
    CHECK(glia_dim_sub(g, glia_dim_add(g, t, 5), t, &q) && q == 5);
    CHECK(!glia_dim_sub(g, 3, 5, &q));
    CHECK(g->error.status == GLIA_OK);
    glia_graph_symbol(g, "T", 101, 200);
    CHECK_STR(g->error.code, "G0103");
    glia_graph_destroy(g);
}

/* A random expression, evaluated beside the algebra. */
typedef struct expression {
    glia_dim dim;
    int64_t value[5]; /* under five assignments */
    bool ok[5];
} expression;

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static void grow(glia_graph *g, const expression *x, const expression *y, expression *r)
{
    int op = (int)pick(0, 5);
    int64_t c = pick(1, 7);
    static glia_dim (*const two[])(glia_graph *, glia_dim, glia_dim) = {
        glia_dim_add, glia_dim_mul, glia_dim_min, glia_dim_max, glia_dim_difference};
    r->dim = op < 5 ? two[op](g, x->dim, y->dim) : glia_dim_floor_div(g, x->dim, c);
    for (int i = 0; i < 5; i++) {
        int64_t a = x->value[i], b = y->value[i];
        r->value[i] = op == 0   ? a + b
                      : op == 1 ? a * b
                      : op == 2 ? (a < b ? a : b)
                      : op == 3 ? (a > b ? a : b)
                      : op == 4 ? a - b
                                : floor_div(a, c);
        r->ok[i] = x->ok[i] && y->ok[i] && llabs((long long)r->value[i]) < 1000000000;
    }
}

static void check_expression(glia_graph *g, const expression *r, int64_t symbols[5][3])
{
    int64_t lo, hi, v;
    glia_dim_difference_bounds(g, r->dim, 0, &lo, &hi);
    for (int i = 0; i < 5; i++) {
        if (!r->ok[i]) continue;
        bool got = glia_dim_eval(g, r->dim, symbols[i], &v);
        CHECK(got == (r->value[i] >= 0));
        if (got) CHECK_I64(v, r->value[i]);
        CHECK(lo <= r->value[i] && r->value[i] <= hi);
        if (check_case_failures) {
            fprintf(stderr, "%s\n", dim_of(g, r->dim));
            return;
        }
    }
}

static void dims_agree_with_brute_force(void)
{
    for (int round = 0; round < 3000 && !check_case_failures; round++) {
        random_state = 77 + (uint64_t)round * 1000003;
        glia_graph *g = graph();
        expression pool[14];
        int64_t symbols[5][3], low[3], high[3];
        int count = 0;
        for (int s = 0; s < 3; s++) {
            low[s] = pick(0, 4);
            high[s] = low[s] + pick(0, 20);
            expression *e = &pool[count++];
            e->dim = glia_graph_symbol(g, s == 0 ? "a" : s == 1 ? "b" : "c", low[s], high[s]);
            for (int i = 0; i < 5; i++) {
                e->value[i] = symbols[i][s] = pick(low[s], high[s]);
                e->ok[i] = true;
            }
        }
        for (int c = 0; c < 2; c++) {
            expression *e = &pool[count++];
            e->dim = pick(0, 9);
            for (int i = 0; i < 5; i++) e->value[i] = e->dim, e->ok[i] = true;
        }
        while (count < 14 && g->error.status == GLIA_OK) {
            grow(g, &pool[pick(0, count - 1)], &pool[pick(0, count - 1)], &pool[count]);
            if (g->error.status != GLIA_OK) break; /* a limit was passed, and said so */
            check_expression(g, &pool[count], symbols);
            glia_dim q, d = pool[pick(0, 4)].dim, product = glia_dim_mul(g, pool[count].dim, d);
            if (g->error.status == GLIA_OK && d && product)
                CHECK(glia_dim_exact_div(g, product, d, &q) && q == pool[count].dim);
            count++;
        }
        CHECK(g->error.status == GLIA_OK || !strcmp(g->error.code, "G0104"));
        glia_graph_destroy(g);
    }
}

static void dims_survive_hostile_numbers(void)
{
    glia_graph *g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 0, INT64_MAX), d = t;
    int64_t v, lo, hi, huge[] = {INT64_MAX};
    CHECK(!glia_dim_eval(g, glia_dim_add(g, t, 1), huge, &v));
    glia_dim_bounds(g, glia_dim_mul(g, t, t), &lo, &hi);
    CHECK(lo == 0 && hi == INT64_MAX);
    glia_type bad = type(GLIA_F32, 1, DIMS(-12345));
    CHECK(glia_is_null(glia_graph_input(g, "x", &bad)));
    CHECK_STR(g->error.code, "G0115");
    glia_graph_destroy(g);
    g = graph();
    t = d = glia_graph_symbol(g, "T", 0, INT64_MAX);
    for (int i = 0; i < 100 && g->error.status == GLIA_OK; i++) d = glia_dim_mul(g, d, INT64_MAX / 3);
    CHECK_STR(g->error.code, "G0104");
    glia_graph_destroy(g);
    g = graph();
    d = glia_graph_symbol(g, "T", 0, 1000000);
    for (int i = 0; i < 200 && g->error.status == GLIA_OK; i++)
        d = glia_dim_min(g, glia_dim_floor_div(g, glia_dim_add(g, glia_dim_mul(g, d, 3), 1), 5),
                         glia_dim_add(g, d, 0));
    glia_dim_bounds(g, d, &lo, &hi);
    glia_graph_destroy(g);
    for (int64_t b = INT64_MIN; b < 1; b += INT64_MAX / 2 + 1) {
        g = graph();
        glia_dim_floor_div(g, 5, b);
        CHECK(g->error.status != GLIA_OK);
        glia_graph_destroy(g);
    }
}

/* ---- signatures -------------------------------------------------------------------------------- */

static void signatures_of_all_ops_parse(void)
{
    static glia_signature s;
    for (int i = 0; glia_ops[i]; i++) {
        if (!glia_ops[i]->signature || glia_signature_parse(glia_ops[i], &s)) continue;
        fprintf(stderr, "%s: %s at %d\n", glia_ops[i]->name, s.error, (int)s.error_at);
        check_case_failures++;
    }
}

static void malformed_signatures_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "x:",
                                      "x: F",
                                      "x: F[",
                                      "x: F[n",
                                      "x: F[n]",
                                      "x: F[n] ->",
                                      "x: F[n] -> y",
                                      "x: F[n] -> y:",
                                      "x: F[n] -> y: like",
                                      "x: F[n] -> y: like(z)",
                                      "x: F[n] -> x",
                                      "x: G[n] -> y: F[n]",
                                      "x: F[..a, .., n] -> y: F[n]",
                                      "x: F[n@q] -> y: F[n]",
                                      "x: F[#q] -> y: F[n]",
                                      "x: F[(h)] -> y: F[h]",
                                      "x: F[n] -> y: F[n] where",
                                      "x: F[n] -> y: F[n] where n",
                                      "x: F[n] -> y: F[n] where n divides",
                                      "x: F[n] -> y: F[n] where q <= n",
                                      "x: F[n] -> y: F[n] tail",
                                      "x*: F[n], y: F[n] -> z: F[n]",
                                      "x: F[n], x: F[n] -> z: F[n]",
                                      "x: F[..a^b^c^d^e] -> y: F[n]",
                                      "x: F[sum()] -> y: F[n]",
                                      "x: F[n] -> y: F[n] where block(q) divides n",
                                      "abcdefghijklmnopq: F[n] -> y: F[n]",
                                      "x: F[99999999999999] -> y: F[n]",
                                      "x: F|[n] -> y: F[n]",
                                      "x: F[a,b,c,d,e,f,g,h,i,j,k] -> y: F[a]"};
    static glia_signature s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glia_op op = {.name = "bad", .signature = bad[i]};
        if (glia_signature_parse(&op, &s) || !s.error)
            fprintf(stderr, "accepted: %s\n", bad[i]), check_case_failures++;
    }
}

static const glia_attr_spec axis_attr[] = {{"a", GLIA_ATTR_INT, true, 0}, {0}};
static const glia_op op_join = {
    .name = "join", .signature = "xs*: T[.., p@a, ..] -> z: T[.., sum(p)@a, ..]", .attrs = axis_attr};
static const glia_op op_merge = {.name = "merge", .signature = "x: F[t, h, d!] -> y: F[t, (h d)]"};
static const glia_op op_part = {.name = "part", .signature = "x: F[t, (h d)], w: F[d!] -> y: F[t, h, d]"};
static const glia_op op_blocks = {
    .name = "blocks",
    .signature = "x: F[.., k], w: Q[n, j] -> y: F[.., n] where block(w) divides k, j <= k and 2 divides n"};

static void the_language_infers(void)
{
    glia_graph *g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 1, 64);
    glia_value a = input(g, "a", GLIA_F32, 3, DIMS(2, t, 8)), b = input(g, "b", GLIA_F32, 3, DIMS(2, 5, 8)),
               c = input(g, "c", GLIA_F32, 3, DIMS(2, t, 8));
    glia_attr_arg axis[] = {GLIA_INT("a", -2), {0}};
    glia_value z = glia_graph_apply(g, &op_join, "z", (glia_value[]){a, b, c}, 3, axis);
    CHECK_STR(text_of(g, z), "f32[2, 2*T+5, 8]");
    glia_value x = input(g, "x", GLIA_F32, 3, DIMS(t, 4, 16));
    glia_value m = glia_graph_apply(g, &op_merge, "m", &x, 1, NULL);
    CHECK_STR(text_of(g, m), "f32[T, 64]");
    glia_value w = weight(g, "w", GLIA_F32, 1, DIMS(16));
    glia_value p = glia_graph_apply(g, &op_part, "p", (glia_value[]){m, w}, 2, NULL);
    CHECK_STR(text_of(g, p), "f32[T, 4, 16]");
    CHECK(g->error.status == GLIA_OK && g->guard_count == 0);
    if (g->error.status) fprintf(stderr, "%s\n", g->error.text);
    glia_dim k = glia_graph_symbol(g, "K", 1, 1000);
    glia_value y = input(g, "y", GLIA_F32, 2, DIMS(t, k)), q = weight(g, "q", GLIA_Q8_0, 2, DIMS(6, 64));
    glia_graph_apply(g, &op_blocks, NULL, (glia_value[]){y, q}, 2, NULL);
    CHECK_I64(g->guard_count, 2); /* 32 divides K, and 64 <= K */
    CHECK_STR(dim_of(g, g->guards[0].left), "32*floor(K/32)");
    CHECK_STR(dim_of(g, g->guards[1].left), "max(64, K)");
    glia_value ragged = input(g, "ragged", GLIA_F32, 2, DIMS(t, 63));
    CHECK(glia_is_null(glia_graph_apply(g, &op_part, NULL, (glia_value[]){ragged, w}, 2, NULL)));
    glia_graph_destroy(g);
}

static void a_language_model_infers(void)
{
    glia_graph *g = graph();
    lm_build(g, 2, NULL);
    if (g->error.status) fprintf(stderr, "%s\n", g->error.text);
    CHECK(glia_graph_seal(g, NULL) == GLIA_OK);
    CHECK_STR(text_of(g, glia_graph_find(g, "output")), "f32[T, 224]");
    CHECK_STR(text_of(g, glia_graph_find(g, "blk.1.q")), "f32[T, 192]");
    CHECK_I64(g->guard_count, 0);
    CHECK(glia_is_null(glia_graph_node(g, "silu", NULL, &g->outputs[0].value, 1, NULL)));
    CHECK_STR(g->error.code, "G0111");
    glia_graph_destroy(g);
}

/* ---- mutations --------------------------------------------------------------------------------- */

/* One row in what is added to the residual is no mistake of types: [T, 1] broadcasts. */
static bool harmless(const lm_mutation *m)
{
    const char *part = strrchr(m->name, '.');
    bool added = part && (strstr(m->name, ".o.weight") || strstr(m->name, ".down.weight"));
    return added && m->change == LM_ONE;
}

static void mutations_are_refused_when_built(void)
{
    int refused = 0, built = 0;
    lm_mutation count = {.leaf = -1};
    glia_graph *g = graph();
    lm_build(g, 5, &count);
    CHECK(g->error.status == GLIA_OK);
    glia_graph_destroy(g);
    for (int leaf = 0; leaf < count.seen; leaf++) {
        for (int change = 0; change < LM_CHANGES_END; change++) {
            lm_mutation m = {.leaf = leaf, .change = change};
            g = graph();
            lm_build(g, 5, &m);
            bool bad = g->error.status != GLIA_OK;
            if (m.leaf == leaf && !harmless(&m)) {
                refused += bad;
                if (!bad) {
                    char a[100], b[100];
                    fprintf(stderr, "accepted: %s %s as %s\n", m.name,
                            glia_type_text(g, &m.before, a, sizeof a),
                            glia_type_text(g, &m.after, b, sizeof b));
                    built++;
                }
                CHECK(!bad || (g->error.code[0] == 'G' && g->error.text[0]));
            }
            glia_graph_destroy(g);
        }
    }
    CHECK_I64(built, 0);
    CHECK(refused >= 500);
    printf("# %d mutations refused\n", refused);
}

/* ---- sealing ----------------------------------------------------------------------------------- */

static glia_status sealed(glia_graph *g, const char *code)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = glia_graph_seal(g, &e);
    if (strcmp(e.code, code))
        fprintf(stderr, "want %s, have %s: %s\n", code, e.code, e.text), check_case_failures++;
    glia_graph_destroy(g);
    return s;
}

static void sealing_solves_what_is_left(void)
{
    glia_graph *g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 1, 64), s = glia_graph_symbol(g, "S", 1, 64),
             u = glia_graph_symbol(g, "U", 1, 64);
    glia_value x = input(g, "x", GLIA_F32, 1, DIMS(t)), y = input(g, "y", GLIA_F32, 1, DIMS(s)),
               z = input(g, "z", GLIA_F32, 1, DIMS(u));
    node2(g, "add", NULL, x, y);
    node2(g, "add", NULL, y, z);
    node2(g, "add", NULL, x, z); /* follows from the two before */
    CHECK_I64(g->guard_count, 3);
    CHECK(glia_graph_seal(g, NULL) == GLIA_OK);
    CHECK_I64(g->guard_count, 2);
    glia_graph_destroy(g);

    g = graph();
    t = glia_graph_symbol(g, "T", 1, 64), s = glia_graph_symbol(g, "S", 1, 64);
    x = input(g, "x", GLIA_F32, 1, DIMS(t)), y = input(g, "y", GLIA_F32, 1, DIMS(s)),
    z = input(g, "z", GLIA_F32, 1, DIMS(glia_dim_add(g, t, 1)));
    node2(g, "add", NULL, x, y);
    node2(g, "add", NULL, y, z); /* S = T and S = T+1 */
    CHECK(sealed(g, "G0117") == GLIA_E_SHAPE);

    g = graph();
    t = glia_graph_symbol(g, "T", 1, 64), s = glia_graph_symbol(g, "S", 70, 99),
    u = glia_graph_symbol(g, "U", 1, 99);
    x = input(g, "x", GLIA_F32, 1, DIMS(t)), y = input(g, "y", GLIA_F32, 1, DIMS(s)),
    z = input(g, "z", GLIA_F32, 1, DIMS(u));
    node2(g, "add", NULL, x, z);
    node2(g, "add", NULL, z, y); /* by their bounds, T and S cannot both be U */
    CHECK(sealed(g, "G0117") == GLIA_E_SHAPE);
}

static glia_value put(glia_graph *g, const char *name, glia_value state, glia_value x, const glia_value *w)
{
    return glia_graph_node(g, "kv_put", name, (glia_value[]){state, x, w[0], w[1], w[2]}, 5, NULL);
}

typedef struct pages {
    glia_graph *g;
    glia_value state, x, where[3];
} pages;

static pages pages_make(void)
{
    pages p = {.g = graph()};
    glia_dim t = glia_graph_symbol(p.g, "T", 1, 8);
    glia_type s = type(GLIA_F32, 4, DIMS(4, 2, 16, 8));
    p.state = glia_graph_state(p.g, "kv", &s);
    p.x = input(p.g, "x", GLIA_F32, 3, DIMS(t, 2, 8));
    p.where[0] = input(p.g, "table", GLIA_I32, 2, DIMS(1, 4));
    p.where[1] = input(p.g, "seq", GLIA_I32, 1, DIMS(t));
    p.where[2] = input(p.g, "pos", GLIA_I32, 1, DIMS(t));
    return p;
}

static void states_are_linear(void)
{
    pages p = pages_make();
    glia_value second = put(p.g, "second", put(p.g, "first", p.state, p.x, p.where), p.x, p.where);
    CHECK_I64(glia_graph_value(p.g, second)->state, (int64_t)p.state.id);
    CHECK(sealed(p.g, "") == GLIA_OK);
    p = pages_make();
    put(p.g, "first", p.state, p.x, p.where);
    put(p.g, "second", p.state, p.x, p.where);
    CHECK(sealed(p.g, "G0140") == GLIA_E_TYPE);
    p = pages_make();
    put(p.g, "first", p.state, p.x, p.where);
    node1(p.g, "silu", "late", p.state);
    CHECK(sealed(p.g, "G0141") == GLIA_E_TYPE);
    p = pages_make();
    node1(p.g, "silu", "early", p.state);
    put(p.g, "first", p.state, p.x, p.where);
    CHECK(sealed(p.g, "") == GLIA_OK);
    p = pages_make(); /* through a view of the old version */
    int64_t dims[] = {8, 16, 8};
    glia_attr_arg a[] = {GLIA_INTS("dims", dims, 3), {0}};
    glia_value view = glia_graph_node(p.g, "reshape", "view", &p.state, 1, a);
    put(p.g, "first", p.state, p.x, p.where);
    node1(p.g, "silu", "late", view);
    CHECK(sealed(p.g, "G0141") == GLIA_E_TYPE);
    p = pages_make();
    glia_type t = type(GLIA_F32, 4, DIMS(4, 2, 16, 8));
    put(p.g, "none", glia_graph_input(p.g, "plain", &t), p.x, p.where);
    CHECK(sealed(p.g, "G0142") == GLIA_E_TYPE);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static void misuse_is_a_status(void)
{
    glia_graph *g = graph(), *other = graph();
    glia_value x = input(g, "x", GLIA_F32, 1, DIMS(4)), none = {0};
    for (int i = 0; i < 20; i++)
        node1(other, "silu", NULL, input(other, i ? NULL : "x", GLIA_F32, 1, DIMS(4)));
    struct {
        const char *code;
        int what;
    } cases[] = {{"G0110", 0},  {"G0113", 1},  {"G0114", 2},  {"G0112", 3},  {"G0112", 4},  {"G0120", 5},
                 {"G0120", 6},  {"G0120", 7},  {"G0119", 8},  {"G0116", 9},  {"G0115", 10}, {"G0108", 11},
                 {"G0114", 12}, {"G0110", 13}, {"G0110", 14}, {"G0116", 15}, {"G0104", 16}};
    glia_graph_destroy(other);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glia_graph_destroy(g);
        g = graph();
        x = input(g, "x", GLIA_F32, 1, DIMS(4));
        glia_attr_arg unknown[] = {GLIA_INT("nothing", 1), {0}}, kind[] = {GLIA_FLOAT("to", 1), {0}};
        glia_type big = type(GLIA_F32, 1, DIMS(1 << 20)), block = type(GLIA_Q4_0, 1, DIMS(33)),
                  wide = type(GLIA_F64, 2, DIMS(INT64_MAX / 4, 8)), rank = type(GLIA_F32, 0, NULL);
        rank.rank = 9;
        switch (cases[i].what) {
        case 0: input(g, "x", GLIA_F32, 1, DIMS(4)); break;
        case 1: node1(g, "no_such_op", NULL, x); break;
        case 2: glia_graph_node(g, "silu", NULL, (glia_value[]){x, x}, 2, NULL); break;
        case 3: node1(g, "silu", NULL, none); break;
        case 4: node1(g, "silu", NULL, (glia_value){999}); break;
        case 5: glia_graph_node(g, "silu", NULL, &x, 1, unknown); break;
        case 6: glia_graph_node(g, "cast", NULL, &x, 1, kind); break;
        case 7: node1(g, "cast", NULL, x); break;
        case 8: glia_graph_output_of(g, node1(g, "silu", NULL, x), 1); break;
        case 9: glia_graph_constant(g, "c", &big, "data"); break;
        case 10: glia_graph_input(g, "r", &rank); break;
        case 11: glia_graph_weight(g, "w", &block, NULL, NULL); break;
        case 12: node1(g, "add", NULL, x); break;
        case 13: node1(g, "silu", "x", x); break;
        case 14: input(g, "", GLIA_F32, 1, DIMS(4)); break;
        case 15: glia_graph_constant(g, "c", &(glia_type){GLIA_F32, 1, 0, {4}}, NULL); break;
        default: glia_graph_input(g, "wide", &wide); break;
        }
        CHECK_STR(g->error.code, cases[i].code);
        CHECK(glia_is_null(node1(g, "silu", NULL, x))); /* errors stick */
        CHECK(glia_graph_seal(g, NULL) != GLIA_OK);
    }
    glia_graph_destroy(g);
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    o.nodes_max = 3;
    CHECK(glia_graph_create(&o, &g, NULL) == GLIA_OK);
    x = input(g, "x", GLIA_F32, 1, DIMS(4));
    for (int i = 0; i < 4; i++) x = node1(g, "silu", NULL, x);
    CHECK_STR(g->error.code, "G0109");
    glia_graph_destroy(g);
    glia_graph_destroy(NULL);
}

static void names_can_change(void)
{
    glia_graph *g = graph();
    glia_value x = input(g, "x", GLIA_F32, 1, DIMS(4)), y = node1(g, "silu", "y", x);
    glia_graph_set_name(g, y, "z");
    CHECK(glia_is_null(glia_graph_find(g, "y")) && glia_graph_find(g, "z").id == y.id);
    CHECK_STR(g->nodes[0].name, "z");
    glia_value again = node1(g, "silu", "y", y);
    CHECK(glia_graph_find(g, "y").id == again.id);
    for (int i = 0; i < 200; i++) { /* the table grows over renamed values */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        glia_graph_set_name(g, y, name);
        node1(g, "silu", NULL, y);
    }
    CHECK(glia_graph_find(g, "n199").id == y.id && glia_is_null(glia_graph_find(g, "n198")) &&
          glia_graph_find(g, "y").id == again.id);
    CHECK(g->error.status == GLIA_OK);
    glia_graph_destroy(g);
}

static void every_allocation_may_fail(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    for (int64_t n = 1;; n++) {
        glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
        glia_graph *g = NULL, *back = NULL;
        char *text = NULL;
        int64_t size = 0;
        o.os = &f.os;
        fault_os_fail(&f, FAULT_MEMORY, n, false);
        int64_t before = f.failed;
        glia_status s = glia_graph_create(&o, &g, NULL);
        if (!s) {
            lm_build(g, 1, NULL);
            s = glia_graph_seal(g, NULL);
        }
        if (!s) s = glia_graph_print(g, &text, &size, NULL);
        if (!s) s = glia_graph_parse(text, size, &o, &back, NULL);
        bool refused = f.failed != before;
        CHECK(s == (refused ? GLIA_E_NOMEM : GLIA_OK));
        if (s && s != GLIA_E_NOMEM)
            fprintf(stderr, "allocation %lld: %s\n", (long long)n, glia_status_name(s));
        if (text) glia_text_free(&f.os, text, size);
        glia_graph_destroy(g);
        glia_graph_destroy(back);
        CHECK_I64(f.live_bytes, 0);
        if (!refused || check_case_failures) break;
    }
}

/* ---- regions ----------------------------------------------------------------------------------- */

static glia_regions regions_of(glia_graph *g, glia_value v)
{
    glia_regions r;
    CHECK(glia_node_regions(g, &g->nodes[glia_graph_value(g, v)->producer], &r));
    return r;
}

#define AXIS(r, i, d, k, a)                                                                                  \
    CHECK((r).in[i].axis[d].kind == (k) && ((k) == GLIA_AXIS_WHOLE || (r).in[i].axis[d].axis == (a)))

static void regions_follow_signatures(void)
{
    glia_graph *g = graph();
    lm_build(g, 1, NULL);
    glia_regions r = regions_of(g, glia_graph_find(g, "blk.0.q"));
    CHECK(r.split[0] && r.split[1]);
    AXIS(r, 0, 0, GLIA_AXIS_SAME, 0);
    AXIS(r, 0, 1, GLIA_AXIS_WHOLE, 0);
    AXIS(r, 1, 0, GLIA_AXIS_SAME, 1);
    AXIS(r, 1, 1, GLIA_AXIS_WHOLE, 0);
    r = regions_of(g, glia_graph_find(g, "blk.0.norm1"));
    CHECK(r.split[0] && !r.split[1]);
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        r = regions_of(g, n->out[0]);
        if (!strcmp(n->op->name, "attend")) {
            CHECK(r.split[0] && r.split[1] && !r.split[2]);
            CHECK_I64(r.granule[1], LM_HEADS / LM_GROUPS);
            AXIS(r, 1, 0, GLIA_AXIS_WHOLE, 0);
            AXIS(r, 1, 1, GLIA_AXIS_SCALED, 1);
            CHECK(r.in[1].axis[1].num == 1 && r.in[1].axis[1].den == 3);
            AXIS(r, 2, 1, GLIA_AXIS_SCALED, 1);
            AXIS(r, 4, 0, GLIA_AXIS_SAME, 0);
            AXIS(r, 3, 0, GLIA_AXIS_WHOLE, 0);
        } else if (!strcmp(n->op->name, "kv_put")) {
            CHECK(!r.split[0] && r.split[1] && !r.split[2] && !r.split[3]);
            AXIS(r, 1, 0, GLIA_AXIS_WHOLE, 0);
            AXIS(r, 1, 1, GLIA_AXIS_SAME, 1);
        } else if (!strcmp(n->op->name, "reshape") && glia_graph_value(g, n->out[0])->type.rank == 3) {
            CHECK(r.split[0] && r.split[1] && !r.split[2]);
            AXIS(r, 0, 0, GLIA_AXIS_SAME, 0);
            AXIS(r, 0, 1, GLIA_AXIS_SCALED, 1);
            CHECK(r.in[0].axis[1].num == LM_HEAD && r.in[0].axis[1].den == 1 && r.granule[1] == 1);
        } else if (!strcmp(n->op->name, "reshape")) {
            CHECK(r.split[0] && r.split[1]);
            AXIS(r, 0, 1, GLIA_AXIS_SCALED, 1);
            AXIS(r, 0, 2, GLIA_AXIS_WHOLE, 0);
            CHECK(r.in[0].axis[1].num == 1 && r.in[0].axis[1].den == LM_HEAD && r.granule[1] == LM_HEAD);
        }
    }
    glia_value a = input(g, "a", GLIA_F32, 3, DIMS(5, 1, 7)), b = input(g, "b", GLIA_F32, 2, DIMS(6, 7));
    r = regions_of(g, node2(g, "add", NULL, a, b));
    AXIS(r, 0, 1, GLIA_AXIS_ONE, 1);
    AXIS(r, 1, 0, GLIA_AXIS_SAME, 1);
    AXIS(r, 1, 1, GLIA_AXIS_SAME, 2);
    CHECK(r.split[0] && r.split[1] && r.split[2]);
    glia_value x = input(g, "hd", GLIA_F32, 3, DIMS(3, 4, 16));
    glia_value m = glia_graph_apply(g, &op_merge, NULL, &x, 1, NULL);
    r = regions_of(g, m);
    AXIS(r, 0, 1, GLIA_AXIS_SCALED, 1);
    CHECK(r.in[0].axis[1].den == 16);
    glia_value wide = glia_graph_node(g, "quantise", NULL, &b, 1, NULL);
    CHECK(glia_is_null(wide)); /* an attribute is missing */
    glia_graph_destroy(g);
}

/* ---- gradients --------------------------------------------------------------------------------- */

static void gradients_are_graphs(void)
{
    glia_graph *g = graph();
    glia_dim t = glia_graph_symbol(g, "T", 1, 64);
    glia_value x = input(g, "x", GLIA_F32, 2, DIMS(t, 8)), w = weight(g, "w", GLIA_F32, 2, DIMS(3, 8)),
               unused = weight(g, "unused", GLIA_F32, 1, DIMS(3));
    glia_value y = node2(g, "linear", "y", x, w), z = node2(g, "mul", "z", y, y);
    glia_value loss = glia_graph_node(g, "sum", "loss", &z, 1, NULL), wrt[] = {w, x, unused, y}, grads[4];
    glia_graph_gradients(g, loss, wrt, 4, grads);
    if (g->error.status) fprintf(stderr, "%s\n", g->error.text);
    CHECK(g->error.status == GLIA_OK);
    CHECK_STR(text_of(g, grads[0]), "f32[3, 8]");
    CHECK_STR(text_of(g, grads[1]), "f32[T, 8]");
    CHECK(glia_is_null(grads[2]));
    CHECK_STR(text_of(g, grads[3]), "f32[T, 3]");
    CHECK(glia_graph_seal(g, NULL) == GLIA_OK);
    glia_graph_destroy(g);

    g = graph();
    x = input(g, "x", GLIA_F32, 1, DIMS(8));
    y = node1(g, "silu", "y", x);
    glia_graph_gradients(g, y, &x, 1, grads);
    CHECK_STR(g->error.code, "G0132");
    glia_graph_destroy(g);
    g = graph();
    x = input(g, "x", GLIA_F32, 1, DIMS(8));
    y = node1(g, "floor", "y", x);
    glia_op stuck = *glia_op_find("floor");
    stuck.grad = NULL;
    stuck.no_grad = "steps have none";
    z = glia_graph_apply(g, &stuck, "steps", &x, 1, NULL);
    loss = glia_graph_node(g, "sum", "loss", &z, 1, NULL);
    glia_graph_gradients(g, loss, &x, 1, grads);
    CHECK_STR(g->error.code, "G0130");
    CHECK(strstr(g->error.text, "steps have none") != NULL);
    glia_graph_destroy(g);
}

#include "graph_golden.h"
#include "graph_text.h"

/* Attention over pages of 32 positions: what its attributes and its pages may not be. */
static void attention_refuses(void)
{
    static const struct {
        glia_dtype keys, values;
        double scale, window, softcap;
        const char *code; /* null: well-typed */
    } cases[] = {
        {GLIA_F16, GLIA_F16, 0.25, 0, 0, NULL},
        {GLIA_F16, GLIA_F16, 0.25, 1, 50, NULL},
        {GLIA_F16, GLIA_F16, 0.25, -1, 0, "G0159"},
        {GLIA_F16, GLIA_F16, 0.25, 2147483648.0, 0, "G0159"},
        {GLIA_F16, GLIA_F16, 0.25, 0, -50, "G0159"},
        {GLIA_F16, GLIA_F16, 0.25, 0, (double)NAN, "G0159"},
        {GLIA_F16, GLIA_F16, 0.25, 0, 1e-30, "G0159"},
        {GLIA_F16, GLIA_F16, (double)INFINITY, 0, 0, "G0154"},
        {GLIA_F16, GLIA_F32, 0.25, 0, 0, "G0154"},
        {GLIA_BF16, GLIA_BF16, 0.25, 0, 0, "G0154"},
        {GLIA_Q4_0, GLIA_Q4_0, 0.25, 0, 0, "G0154"},
        {GLIA_Q8_0, GLIA_F16, 0.25, 0, 0, "G0154"}, /* heads of 48 */
    };
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        glia_graph *g = graph();
        int64_t d = cases[i].keys == GLIA_Q8_0 ? 48 : 32;
        glia_type keys = type(cases[i].keys, 4, DIMS(4, 1, d, 32)),
                  values = type(cases[i].values, 4, DIMS(4, 1, 32, d));
        glia_value in[] = {
            input(g, "q", GLIA_F32, 3, DIMS(2, 3, d)), glia_graph_state(g, "keys", &keys),
            glia_graph_state(g, "values", &values),    input(g, "table", GLIA_I32, 2, DIMS(1, 4)),
            input(g, "seq", GLIA_I32, 1, DIMS(2)),     input(g, "pos", GLIA_I32, 1, DIMS(2))};
        glia_attr_arg attrs[] = {GLIA_FLOAT("scale", cases[i].scale),
                                 GLIA_INT("window", (int64_t)cases[i].window),
                                 GLIA_FLOAT("softcap", cases[i].softcap),
                                 {0}};
        glia_graph_node(g, "attend", "attend", in, 6, attrs);
        CHECK_STR(g->error.code, cases[i].code ? cases[i].code : "");
        glia_graph_destroy(g);
    }
}

int main(void)
{
    RUN(dims_have_one_form);
    RUN(dims_agree_with_brute_force);
    RUN(dims_survive_hostile_numbers);
    RUN(signatures_of_all_ops_parse);
    RUN(malformed_signatures_are_refused);
    RUN(the_language_infers);
    RUN(a_language_model_infers);
    RUN(mutations_are_refused_when_built);
    RUN(sealing_solves_what_is_left);
    RUN(states_are_linear);
    RUN(misuse_is_a_status);
    RUN(names_can_change);
    RUN(every_allocation_may_fail);
    RUN(regions_follow_signatures);
    RUN(gradients_are_graphs);
    RUN(errors_teach);
    RUN(texts_come_back);
    RUN(random_graphs_come_back);
    RUN(attention_refuses);
    RUN(random_graphs_run);
    RUN(hostile_texts_are_refused);
    return CHECK_EXIT();
}
