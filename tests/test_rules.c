/* Rewrite rules: each is tried on random graphs made from its own text, before and after, node by node with the
 * reference kernels; and whole transformer blocks become the kernels that they should. */
#include "check.h"
#include "eval.h"

#include "base/cpu.h"
#include "compile/rules.h"
#include "ops/ops.h"

static uint64_t state = 11;
static uint32_t random_u32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}
static int64_t pick(int64_t lo, int64_t hi) { return lo + (int64_t)(random_u32() % (uint64_t)(hi - lo + 1)); }
static float random_f32(void) { return (float)(int32_t)(random_u32() << 1) * 0x1p-31f; }

/* ---- graphs from rules -------------------------------------------------------------------------------- */

typedef struct making {
    const glia_rule_code *code;
    glia_graph *g;
    glia_value value[GLIA_RULE_NAMES];
    bool made[GLIA_RULE_NAMES];
    double number[GLIA_RULE_NAMES]; /* of $s and attributes */
    const glia_op *any[2];          /* what @unary and @binary are */
    int64_t letter[26];
    void *data[64]; /* of inputs and constants */
    char data_name[64][16];
    int data_count;
    int serial;
} making;

/* The part of `sizes` for a name: behind its colon or equals sign; null: none. */
static const char *sizes_of(const glia_rule *r, const char *name, char *sign)
{
    const size_t n = strlen(name);
    for (const char *at = r->sizes; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        while (*at == ' ') at++;
        const char *end = at + n;
        if (strncmp(at, name, n)) continue;
        while (*end == ' ') end++;
        if (*end != ':' && *end != '=') continue;
        *sign = *end;
        return end + 1;
    }
    return NULL;
}

static int read_dims(making *m, const char *s, int64_t *dims)
{
    int rank = 0;
    while (s && *s && *s != ',' && rank < GLIA_RANK_MAX) {
        if (*s >= '0' && *s <= '9') {
            char *end;
            dims[rank++] = strtol(s, &end, 10);
            s = end;
        } else if (*s >= 'a' && *s <= 'z') {
            dims[rank++] = m->letter[*s++ - 'a'];
        } else {
            s++;
        }
    }
    return rank;
}

static bool takes(const char **s, const char *word)
{
    while (**s == ' ') (*s)++;
    const size_t n = strlen(word);
    if (strncmp(*s, word, n) || ((*s)[n] != ' ' && (*s)[n] != ',' && (*s)[n])) return false;
    *s += n;
    return true;
}

static glia_value constant(making *m, double number)
{
    char name[32];
    const float f = (float)number;
    const glia_type t = {GLIA_F32, 0, 0, {0}};
    snprintf(name, sizeof name, "k%d", m->serial++);
    return glia_graph_constant(m->g, name, &t, &f);
}

static glia_value leaf(making *m, const char *name)
{
    char sign = 0;
    const char *s = sizes_of(m->code->rule, name, &sign);
    const bool ones = s && takes(&s, "ones"), causal = s && takes(&s, "causal"),
               hidden = s && takes(&s, "hidden"), shown = s && takes(&s, "shown"),
               fixed = s && takes(&s, "const");
    glia_type t = {causal || hidden || shown ? GLIA_BOOL : GLIA_F32, 2, 0, {m->letter[0], m->letter[1]}};
    if (s) t.rank = (int16_t)read_dims(m, s, t.dims);
    int64_t n = 1;
    for (int a = 0; a < t.rank; a++) n *= t.dims[a];
    float *f = malloc((size_t)n * 4 + 4);
    for (int64_t i = 0; i < n; i++) {
        const int64_t keys = t.rank ? t.dims[t.rank - 1] : 1, row = i / keys, key = i % keys;
        if (t.dtype == GLIA_BOOL)
            ((uint8_t *)f)[i] = causal   ? key <= row
                                : hidden ? key && random_u32() % 2
                                         : !key || random_u32() % 2;
        else f[i] = ones ? 1.0f : random_f32();
    }
    m->data[m->data_count] = f;
    snprintf(m->data_name[m->data_count++], sizeof m->data_name[0], "%s", name);
    return ones || causal || hidden || shown || fixed ? glia_graph_constant(m->g, name, &t, f)
                                                      : glia_graph_input(m->g, name, &t);
}

static double number_of(making *m, int name)
{
    char sign = 0;
    const char *s = sizes_of(m->code->rule, m->code->name[name], &sign);
    if (!m->made[name]) {
        m->number[name] = s && sign == '=' ? strtod(s, NULL) : 0.5 + (random_f32() + 1) * 0.5;
        m->made[name] = true;
    }
    return m->number[name];
}

static glia_value make(making *m, uint8_t term);

static glia_value one_of(making *m, const glia_term *t) { return make(m, t->arg[pick(0, t->arg_count - 1)]); }

/* Attributes as the pattern wants them; what it leaves open as the sizes say. */
static void attrs_of(making *m, const glia_op *op, const glia_term *t, const glia_type *in,
                     glia_attr_arg *out, int64_t ints[][GLIA_RANK_MAX])
{
    static const int64_t last[1] = {-1}, zeros[GLIA_RANK_MAX];
    for (int i = 0; i < t->attr_count; i++) {
        const glia_attr_spec *s = &op->attrs[t->attr[i].index];
        const uint8_t value = t->attr[i].value;
        char sign = 0;
        out[i] = (glia_attr_arg){s->name, s->kind, 0, 0, NULL, 0};
        if (t->attr[i].kind == GLIA_ATTR_IS_LAST) {
            out[i].ints = last, out[i].count = 1, out[i].i = -1;
        } else if (t->attr[i].kind == GLIA_ATTR_IS_NUMBER) {
            out[i].i = (int64_t)m->code->term[value].number;
            out[i].f = m->code->term[value].number;
        } else if (t->attr[i].kind == GLIA_ATTR_IS_NAME && s->kind != GLIA_ATTR_INTS) {
            out[i].f = number_of(m, value);
            out[i].i = (int64_t)out[i].f;
        } else if (s->kind == GLIA_ATTR_INTS) {
            const char *name = t->attr[i].kind == GLIA_ATTR_IS_NAME ? m->code->name[value] : op->name;
            const char *from = sizes_of(m->code->rule, name, &sign);
            out[i].ints = ints[i];
            out[i].count = from ? read_dims(m, from, ints[i]) : in->rank;
            if (!from) memcpy(ints[i], strcmp(s->name, "dims") ? zeros : in->dims, sizeof ints[i]);
        } else if (s->kind == GLIA_ATTR_DTYPE) {
            out[i].i = in->dtype;
        }
    }
}

static glia_value make_node(making *m, const glia_term *t)
{
    static const char *const unary[] = {"relu", "tanh", "sigmoid", "silu", "gelu", "gelu_erf"};
    static const char *const binary[] = {"add", "sub", "mul", "div", "max"};
    const glia_op **any = &m->any[t->op_class == 'b'];
    if (t->op_class && !*any)
        *any = glia_op_find(t->op_class == 'u' ? unary[pick(0, 5)] : binary[pick(0, 4)]);
    const glia_op *op = t->op_class ? *any : t->op;
    glia_value in[GLIA_RULE_ARGS];
    glia_attr_arg attrs[GLIA_RULE_ATTRS + 1] = {{0}};
    int64_t ints[GLIA_RULE_ATTRS][GLIA_RANK_MAX] = {{0}};
    for (int i = 0; i < t->arg_count; i++) in[i] = make(m, t->arg[i]);
    if ((op->traits & GLIA_COMMUTATIVE) && random_u32() % 2) {
        const glia_value first = in[0];
        in[0] = in[1];
        in[1] = first;
    }
    glia_type type = {0};
    if (!glia_value_type(m->g, in[0], &type)) return in[0];
    attrs_of(m, op, t, &type, attrs, ints);
    return glia_graph_apply(m->g, op, NULL, in, t->arg_count, attrs);
}

static glia_value make(making *m, uint8_t term)
{
    const glia_term *t = &m->code->term[term];
    switch ((glia_term_kind)t->kind) {
    case GLIA_TERM_NAME:
        if (!m->made[t->name] && !(t->sign == '?' && random_u32() % 2))
            m->value[t->name] = leaf(m, m->code->name[t->name]);
        m->made[t->name] = true;
        return m->value[t->name];
    case GLIA_TERM_SCALAR: {
        const bool made = m->made[t->name];
        const double number = number_of(m, t->name);
        if (!made || !m->value[t->name].id) m->value[t->name] = constant(m, number);
        return m->value[t->name];
    }
    case GLIA_TERM_NUMBER: return constant(m, t->number);
    case GLIA_TERM_EITHER: return one_of(m, t);
    case GLIA_TERM_MAYBE: return make(m, random_u32() % 2 ? t->arg[0] : m->code->term[t->arg[0]].arg[0]);
    case GLIA_TERM_LABEL:
        if (!m->made[t->name]) m->value[t->name] = make(m, t->arg[0]);
        m->made[t->name] = true;
        return m->value[t->name];
    case GLIA_TERM_OP: return make_node(m, t);
    default: return (glia_value){0};
    }
}

static bool close_enough(const glia_rule *r, float a, float b)
{
    if (a != a || b != b) return (a != a) == (b != b);
    if (r->kind == GLIA_RULE_EXACT) return !memcmp(&a, &b, sizeof a) || (a == b && a == 0);
    const double room = r->kind == GLIA_RULE_APPROXIMATE ? 3e-2 : 2e-5;
    return a == b || fabs((double)a - (double)b) <= room * fmax(1, fabs((double)a));
}

static eval *run_graph(const making *m, const glia_graph *g)
{
    eval *e = eval_make(g);
    for (int i = 0; i < m->data_count; i++)
        if (glia_graph_find(g, m->data_name[i]).id &&
            glia_graph_value(g, glia_graph_find(g, m->data_name[i]))->kind == GLIA_VALUE_INPUT)
            eval_bind(e, m->data_name[i], m->data[i]);
    if (!eval_run(e)) fprintf(stderr, "%s\n", e->error);
    return e;
}

static bool same_results(const making *m, const glia_rule *r, const glia_graph *before,
                         const glia_graph *after)
{
    eval *a = run_graph(m, before), *b = run_graph(m, after);
    const float *x = eval_output(a, "y"), *y = eval_output(b, "y");
    const int64_t n = eval_bytes(a, before->outputs[0].value) / 4;
    bool same = x && y;
    for (int64_t i = 0; same && i < n; i++) {
        same = close_enough(r, x[i], y[i]);
        if (!same)
            fprintf(stderr, "%s: element %lld was %.9g, is %.9g\n", r->name, (long long)i, (double)x[i],
                    (double)y[i]);
    }
    eval_free(a);
    eval_free(b);
    return same;
}

/* -1: no such graph; 0: the rule did not fire; 1: it did. */
static int try_rule(const glia_rule_code *code, bool *same)
{
    making m = {.code = code};
    glia_graph_options go = GLIA_GRAPH_OPTIONS_INIT;
    glia_compile_options co = {.os = glia_os_default(), .slots = 1, .level = code->rule->kind};
    glia_graph *after = NULL;
    glia_rule_trace trace = {0};
    glia_arena keep;
    glia_error e = GLIA_ERROR_INIT;
    int32_t fired = 0;
    glia_arena_init(&keep, NULL, 0);
    for (int i = 0; i < 26; i++) m.letter[i] = pick(2, 5);
    CHECK_I64(glia_graph_create(&go, &m.g, &e), GLIA_OK);
    glia_graph_output(m.g, "y", make(&m, code->pattern));
    glia_status s = glia_graph_seal(m.g, &e);
    if (!s) {
        s = glia_rules_run(m.g, &co, &keep, &after, code->rule, &trace, &fired, &e);
        if (s) fprintf(stderr, "%s: %s\n", code->rule->name, e.text);
        CHECK_I64(s, GLIA_OK);
        if (fired) *same = same_results(&m, code->rule, m.g, after);
        else if (trace.miss_count) fprintf(stderr, "%s: %s\n", code->rule->name, trace.misses[0].condition);
    } else {
        fprintf(stderr, "%s: %s\n", code->rule->name, e.text);
    }
    for (int i = 0; i < m.data_count; i++) free(m.data[i]);
    glia_graph_destroy(after);
    glia_graph_destroy(m.g);
    glia_arena_free(&keep);
    return s ? -1 : fired > 0;
}

static void rules_keep_their_word(void)
{
    enum { TIMES = 24 };
    glia_arena arena;
    glia_arena_init(&arena, NULL, 0);
    for (const glia_rule *r = glia_rules; r->name; r++) {
        glia_rule_code code;
        const bool parsed = glia_rule_parse(r, &arena, &code);
        if (!parsed) fprintf(stderr, "%s: wrong at `%.40s`\n", r->name, code.error);
        CHECK(parsed);
        int fired = 0;
        bool same = true;
        for (int i = 0; parsed && same && i < TIMES; i++) fired += try_rule(&code, &same) > 0;
        if (fired < TIMES) fprintf(stderr, "%s: fired in %d of %d graphs\n", r->name, fired, TIMES);
        CHECK(same && fired >= TIMES / 2);
    }
    glia_arena_free(&arena);
}

/* ---- transformer blocks ------------------------------------------------------------------------------- */

enum { BATCH = 2, TOKENS = 7, HEADS = 4, DIM = 8, WIDTH = HEADS * DIM, INNER = 64 };

/* How a block is written. */
typedef struct form {
    const char *name;
    enum { AFTER_DIV, AFTER_MUL, ON_Q, ON_BOTH } scale;
    enum { NO_MASK, ADD_CAUSAL, ADD_INPUT, WHERE_CAUSAL, HIDE_CAUSAL, HIDE_FLAGS } mask;
    bool manual_softmax, shared_heads, merged_heads, past, norm_parts, gelu_parts, post_norm, two_axes_first;
} form;

typedef struct block {
    glia_graph *g;
    const form *f;
    int serial, nodes;
    void *data[40];
    char name[40][16];
    int data_count;
} block;

static glia_value apply_attr(block *b, const char *op, const glia_attr_arg *attrs, int count,
                             const glia_value *in)
{
    b->nodes++;
    return glia_graph_node(b->g, op, NULL, in, count, attrs);
}
static glia_value one(block *b, const char *op, glia_value x) { return apply_attr(b, op, NULL, 1, &x); }
static glia_value two(block *b, const char *op, glia_value x, glia_value y)
{
    const glia_value in[2] = {x, y};
    return apply_attr(b, op, NULL, 2, in);
}
static glia_value shaped(block *b, const char *op, const char *attr, glia_value x, int rank,
                         const int64_t *dims)
{
    const glia_attr_arg attrs[] = {GLIA_INTS(attr, dims, rank), {0}};
    return apply_attr(b, op, attrs, 1, &x);
}
#define RESHAPE(x, ...)                                                                                      \
    shaped(b, "reshape", "dims", x, (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8),                             \
           (const int64_t[]){__VA_ARGS__})
#define TRANSPOSE(x, ...)                                                                                    \
    shaped(b, "transpose", "perm", x, (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8),                           \
           (const int64_t[]){__VA_ARGS__})

static glia_value scalar(block *b, double v)
{
    char name[24];
    const float f = (float)v;
    const glia_type t = {GLIA_F32, 0, 0, {0}};
    snprintf(name, sizeof name, "c%d", b->serial++);
    return glia_graph_constant(b->g, name, &t, &f);
}

/* Random numbers: an input, or a weight. */
static glia_value tensor(block *b, bool weight, int rank, const int64_t *dims)
{
    glia_type t = {GLIA_F32, (int16_t)rank, 0, {0}};
    int64_t n = 1;
    for (int a = 0; a < rank; a++) n *= t.dims[a] = dims[a];
    float *f = malloc((size_t)n * 4);
    for (int64_t i = 0; i < n; i++) f[i] = random_f32() * (weight ? 0.3f : 1.0f);
    b->data[b->data_count] = f;
    char *name = b->name[b->data_count++];
    snprintf(name, sizeof b->name[0], "%s%d", weight ? "w" : "x", b->serial++);
    return weight ? glia_graph_weight(b->g, name, &t, f, NULL) : glia_graph_input(b->g, name, &t);
}
#define DIMS(...)                                                                                            \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]) { __VA_ARGS__ }

static glia_value project(block *b, glia_value x, int64_t from, int64_t to)
{
    return two(b, "add", two(b, "matmul", x, tensor(b, true, DIMS(to, from))), tensor(b, true, DIMS(to)));
}

static glia_value reduce(block *b, const char *op, glia_value x)
{
    static const int64_t last[1] = {-1};
    const glia_attr_arg attrs[] = {GLIA_INTS("axes", last, 1), GLIA_INT("keepdims", 1), {0}};
    return apply_attr(b, op, attrs, 1, &x);
}

static glia_value norm(block *b, glia_value x)
{
    const glia_value w = tensor(b, true, DIMS(WIDTH)), s = tensor(b, true, DIMS(WIDTH));
    if (!b->f->norm_parts) {
        const glia_value in[3] = {x, w, s};
        return apply_attr(b, "layer_norm", NULL, 3, in);
    }
    const glia_value c = two(b, "sub", x, reduce(b, "mean", x));
    const glia_value v = reduce(b, "mean", two(b, "pow", c, scalar(b, 2)));
    const glia_value n = two(b, "div", c, one(b, "sqrt", two(b, "add", v, scalar(b, 1e-5))));
    return two(b, "add", two(b, "mul", n, w), s);
}

static glia_value gelu_of(block *b, glia_value x)
{
    if (!b->f->gelu_parts) return one(b, "gelu_erf", x);
    const glia_value e = one(b, "erf", two(b, "div", x, scalar(b, 1.4142135381698608)));
    return two(b, "mul", two(b, "mul", x, two(b, "add", e, scalar(b, 1))), scalar(b, 0.5));
}

static glia_value heads_of(block *b, glia_value x, int heads)
{
    return TRANSPOSE(RESHAPE(x, BATCH, TOKENS, heads, DIM), 0, 2, 1, 3);
}

/* One head of keys for two of queries, by an axis that is expanded. */
static glia_value spread(block *b, glia_value x)
{
    static const int64_t dims[5] = {BATCH, HEADS / 2, 2, TOKENS, DIM};
    x = shaped(b, "expand", "dims", RESHAPE(x, BATCH, HEADS / 2, 1, TOKENS, DIM), 5, dims);
    return RESHAPE(x, BATCH, HEADS, TOKENS, DIM);
}

static glia_value join(block *b, glia_value now)
{
    const glia_value in[2] = {tensor(b, false, DIMS(BATCH, HEADS, 5, DIM)), now};
    const glia_attr_arg attrs[] = {GLIA_INT("axis", 2), {0}};
    return apply_attr(b, "concat", attrs, 2, in);
}

/* Constant or not, of booleans or not: what is seen, or what is hidden. */
static glia_value mask_of(block *b, bool flags, bool hides, int64_t keys)
{
    const glia_type t = {flags ? GLIA_BOOL : GLIA_F32, 2, 0, {TOKENS, keys}};
    float add[TOKENS * 16];
    uint8_t seen[TOKENS * 16];
    char name[24];
    for (int64_t i = 0; i < TOKENS * keys; i++) {
        const bool sees = i % keys <= i / keys + keys - TOKENS;
        add[i] = sees ? 0 : -INFINITY;
        seen[i] = sees != hides;
    }
    snprintf(name, sizeof name, "mask%d", b->serial++);
    return glia_graph_constant(b->g, name, &t, flags ? (const void *)seen : add);
}

static glia_value masked(block *b, glia_value s, int64_t keys)
{
    if (b->f->mask == ADD_CAUSAL) return two(b, "add", s, mask_of(b, false, false, keys));
    if (b->f->mask == ADD_INPUT) return two(b, "add", s, tensor(b, false, DIMS(BATCH, 1, 1, keys)));
    if (b->f->mask == NO_MASK) return s;
    const bool hides = b->f->mask != WHERE_CAUSAL;
    const glia_value n = scalar(b, b->f->mask == WHERE_CAUSAL ? -1e9 : -INFINITY),
                     in[3] = {mask_of(b, true, hides, keys), hides ? n : s, hides ? s : n};
    return apply_attr(b, "where", NULL, 3, in);
}

static glia_value softmax_of(block *b, glia_value s)
{
    if (!b->f->manual_softmax) return one(b, "softmax", s);
    const glia_value e = one(b, "exp", two(b, "sub", s, reduce(b, "reduce_max", s)));
    return two(b, "div", e, reduce(b, "sum", e));
}

static glia_value attention_of(block *b, glia_value x)
{
    const form *f = b->f;
    const double scale = 1 / sqrt(DIM);
    const int groups = f->shared_heads ? HEADS / 2 : HEADS;
    const int64_t keys = f->past ? TOKENS + 5 : TOKENS;
    glia_value q = project(b, x, WIDTH, WIDTH), k = project(b, x, WIDTH, groups * DIM),
               v = project(b, x, WIDTH, groups * DIM);
    if (f->scale == ON_Q) q = two(b, "mul", q, scalar(b, scale));
    q = heads_of(b, q, HEADS), k = heads_of(b, k, groups), v = heads_of(b, v, groups);
    if (f->scale == ON_BOTH)
        q = two(b, "mul", q, scalar(b, sqrt(scale))), k = two(b, "mul", k, scalar(b, sqrt(scale)));
    if (f->shared_heads) k = spread(b, k), v = spread(b, v);
    if (f->past) k = join(b, k), v = join(b, v);
    if (f->merged_heads) {
        q = RESHAPE(q, BATCH * HEADS, TOKENS, DIM);
        k = RESHAPE(k, BATCH * HEADS, TOKENS, DIM);
        v = RESHAPE(v, BATCH * HEADS, TOKENS, DIM);
    }
    /* Exported graphs turn keys before the product, which then turns them back. */
    if (f->merged_heads) k = TRANSPOSE(TRANSPOSE(k, 0, 2, 1), 0, 2, 1), v = TRANSPOSE(v, 0, 2, 1);
    else k = TRANSPOSE(TRANSPOSE(k, 0, 1, 3, 2), 0, 1, 3, 2), v = TRANSPOSE(v, 0, 1, 3, 2);
    glia_value s = two(b, "matmul", q, k);
    if (f->scale == AFTER_DIV) s = two(b, "div", s, scalar(b, 1 / scale));
    if (f->scale == AFTER_MUL) s = two(b, "mul", s, scalar(b, scale));
    glia_value y = two(b, "matmul", softmax_of(b, masked(b, s, keys)), v);
    if (f->merged_heads) y = RESHAPE(y, BATCH, HEADS, TOKENS, DIM);
    y = RESHAPE(TRANSPOSE(y, 0, 2, 1, 3), BATCH, TOKENS, WIDTH);
    return project(b, y, WIDTH, WIDTH);
}

static glia_value block_of(block *b, glia_value x)
{
    const bool post = b->f->post_norm;
    glia_value y = two(b, "add", attention_of(b, post ? x : norm(b, x)), x);
    if (post) y = norm(b, y);
    glia_value z = project(b, gelu_of(b, project(b, post ? y : norm(b, y), WIDTH, INNER)), INNER, WIDTH);
    z = two(b, "add", z, y);
    return post ? norm(b, z) : z;
}

static const form forms[] = {
    {"scale after, by a quotient; causal mask added", AFTER_DIV, ADD_CAUSAL, .norm_parts = true},
    {"scale on q; where keeps", ON_Q, WHERE_CAUSAL, .gelu_parts = true},
    {"scale on both; mask given", ON_BOTH, ADD_INPUT, .post_norm = true},
    {"softmax by hand", AFTER_MUL, ADD_CAUSAL, .manual_softmax = true, .norm_parts = true,
     .gelu_parts = true},
    {"two heads share keys", AFTER_MUL, HIDE_CAUSAL, .shared_heads = true},
    {"heads merged into the batch", AFTER_DIV, ADD_CAUSAL, .merged_heads = true, .post_norm = true,
     .norm_parts = true},
    {"no mask", ON_Q, NO_MASK, .manual_softmax = true, .post_norm = true},
};

static int items(const block *b, double *off)
{
    glia_compile_options co = {.os = glia_os_default(), .slots = 1, .level = 2, .isa_max = "portable"};
    glia_plan *p = NULL;
    glia_error e = GLIA_ERROR_INIT;
    making m = {.data_count = b->data_count};
    for (int i = 0; i < b->data_count; i++) {
        m.data[i] = b->data[i];
        snprintf(m.data_name[i], sizeof m.data_name[0], "%s", b->name[i]);
    }
    if (glia_compile(b->g, &co, &p, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return -1;
    }
    const int n = p->variants[0].item_count;
    eval *x = run_graph(&m, b->g), *y = run_graph(&m, p->graph);
    const float *was = eval_output(x, "y"), *is = eval_output(y, "y");
    *off = was && is ? 0 : INFINITY;
    for (int64_t i = 0; was && is && i < BATCH * TOKENS * WIDTH; i++)
        *off = fmax(*off, fabs((double)was[i] - (double)is[i]));
    eval_free(x);
    eval_free(y);
    if (n > 9 + 2 * b->f->past) {
        for (int64_t i = 0; i < p->graph->node_count; i++)
            fprintf(stderr, "  %s (%s)\n", p->graph->nodes[i].op->name, p->graph->nodes[i].name);
        for (int i = 0; i < p->trace.miss_count; i++)
            fprintf(stderr, "  %s at %s: %s\n", p->trace.misses[i].rule, p->trace.misses[i].node,
                    p->trace.misses[i].condition);
    }
    glia_plan_free(p);
    return n;
}

static void blocks_become_nine_kernels(void)
{
    for (int i = 0; i < (int)(sizeof forms / sizeof *forms); i++) {
        block b = {.f = &forms[i]};
        glia_graph_options go = GLIA_GRAPH_OPTIONS_INIT;
        glia_error e = GLIA_ERROR_INIT;
        double off = 0;
        CHECK_I64(glia_graph_create(&go, &b.g, &e), GLIA_OK);
        glia_graph_output(b.g, "y", block_of(&b, tensor(&b, false, DIMS(BATCH, TOKENS, WIDTH))));
        if (glia_graph_seal(b.g, &e)) fprintf(stderr, "%s\n", e.text);
        const int n = items(&b, &off);
        printf("  %s: %d nodes, %d kernels, off by %.1e\n", forms[i].name, b.nodes, n, off);
        CHECK(n > 0 && n <= 9 && off <= 2e-5);
        for (int j = 0; j < b.data_count; j++) free(b.data[j]);
        glia_graph_destroy(b.g);
    }
}

int main(void)
{
    RUN(blocks_become_nine_kernels);
    RUN(rules_keep_their_word);
    return CHECK_EXIT();
}
