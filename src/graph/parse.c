/* The text form of graphs, read. A text is hostile: every list, name and nesting has a limit, and a graph is
 * built through the same functions as any other, so that it passes the same type checker. Types that the text
 * states for nodes are compared with those that were inferred. The graph comes back unsealed. */
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "graph/build.h"
#include "graph/text.h"

typedef struct text_parser {
    glia_graph *g;
    const char *text;
    int64_t size, at, line;
    int depth;
    char name[GLIA_GRAPH_NAME_MAX + 1];
    glia_arena scratch; /* of one line */
} text_parser;

static bool wrong(text_parser *p, const char *what)
{
    glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "%s", what);
    return false;
}

static bool no_memory(text_parser *p)
{
    glia_graph_fail(p->g, GLIA_E_NOMEM, "G0109", "no memory to read a graph");
    return false;
}

static bool failed(const text_parser *p) { return p->g->error.status != GLIA_OK; }

/* ---- words ------------------------------------------------------------------------------------- */

static char here(const text_parser *p) { return p->at < p->size ? p->text[p->at] : 0; }

static void blanks(text_parser *p)
{
    while (here(p) == ' ' || here(p) == '\t') p->at++;
}

static bool take(text_parser *p, const char *what)
{
    blanks(p);
    int64_t n = (int64_t)strlen(what);
    if (p->size - p->at < n || memcmp(p->text + p->at, what, (size_t)n)) return false;
    p->at += n;
    return true;
}

static bool expect(text_parser *p, const char *what)
{
    if (take(p, what)) return true;
    glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "`%s` is expected", what);
    return false;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static int hex(char c) { return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* The word from here on; its length, 0 if there is none. */
static int64_t word_length(text_parser *p)
{
    int64_t n = 0;
    blanks(p);
    if (!letter(here(p))) return 0;
    while (p->at + n < p->size &&
           (letter(p->text[p->at + n]) || digit(p->text[p->at + n]) || p->text[p->at + n] == '.'))
        n++;
    return n;
}

static bool keyword(text_parser *p, const char *what)
{
    int64_t n = word_length(p);
    if (n != (int64_t)strlen(what) || memcmp(p->text + p->at, what, (size_t)n)) return false;
    p->at += n;
    return true;
}

static bool quoted(text_parser *p)
{
    int n = 0;
    for (p->at++; here(p) != '"'; n++) {
        char c = here(p);
        if (c == '\n' || c == 0 || n == GLIA_GRAPH_NAME_MAX)
            return wrong(p, "a quoted name has no end, holds a NUL, or is too long");
        p->at++;
        if (c == '\\') {
            c = here(p);
            p->at++;
            if (c == 'x') {
                int high = hex(here(p)), low = p->at + 1 < p->size ? hex(p->text[p->at + 1]) : -1;
                if (high < 0 || low < 0 || high + low == 0)
                    return wrong(p, "\\x takes two hexadecimal digits that are not 00");
                c = (char)(high * 16 + low);
                p->at += 2;
            } else if (c != '"' && c != '\\') {
                return wrong(p, "after \\ comes \", \\ or x");
            }
        }
        p->name[n] = c;
    }
    p->at++;
    p->name[n] = 0;
    return true;
}

/* A bare or quoted name into p->name. */
static bool name(text_parser *p)
{
    int64_t n = word_length(p);
    if (here(p) == '"') return quoted(p);
    if (n == 0 || n > GLIA_GRAPH_NAME_MAX) return wrong(p, "a name is expected");
    memcpy(p->name, p->text + p->at, (size_t)n);
    p->name[n] = 0;
    p->at += n;
    return true;
}

static bool integer(text_parser *p, int64_t *out)
{
    blanks(p);
    bool minus = take(p, "-");
    if (!digit(here(p))) return wrong(p, "a number is expected");
    for (*out = 0; digit(here(p)); p->at++) {
        int64_t d = here(p) - '0';
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_sub_overflow(*out, d, out))
            return wrong(p, "a number is too large");
    }
    /* Counted downwards, so that the smallest number fits. */
    return minus || !__builtin_sub_overflow(0, *out, out) || wrong(p, "a number is too large");
}

/* ---- dimensions and types ---------------------------------------------------------------------- */

static glia_dim sum(text_parser *p);

static glia_dim symbol(text_parser *p)
{
    if (!name(p)) return 0;
    for (int64_t i = 0; i < p->g->symbol_count; i++) {
        if (!strcmp(p->g->symbols[i].name, p->name)) return glia_dim_of_symbol(p->g, i);
    }
    glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "there is no symbol `%.100s`", p->name);
    return 0;
}

static glia_dim call(text_parser *p)
{
    glia_dim a, b;
    int64_t divisor;
    if (take(p, "floor(")) {
        a = sum(p);
        return !failed(p) && expect(p, "/") && integer(p, &divisor) && expect(p, ")")
                   ? glia_dim_floor_div(p->g, a, divisor)
                   : 0;
    }
    bool least = take(p, "min(");
    if (!least && !take(p, "max(")) return symbol(p);
    a = sum(p);
    if (failed(p) || !expect(p, ",")) return 0;
    b = sum(p);
    if (failed(p) || !expect(p, ")")) return 0;
    return least ? glia_dim_min(p->g, a, b) : glia_dim_max(p->g, a, b);
}

static glia_dim factor(text_parser *p)
{
    glia_dim d = 0;
    blanks(p);
    if (p->depth == GLIA_TEXT_NESTING_MAX) return wrong(p, "a dimension is nested too deeply");
    p->depth++;
    if (digit(here(p))) {
        if (!integer(p, &d)) d = 0;
    } else if (take(p, "(")) {
        d = sum(p);
        if (!failed(p)) expect(p, ")");
    } else {
        d = call(p);
    }
    p->depth--;
    return d;
}

static glia_dim product(text_parser *p)
{
    glia_dim d = factor(p);
    while (!failed(p) && take(p, "*")) d = glia_dim_mul(p->g, d, factor(p));
    return d;
}

/* Recursion is at most GLIA_TEXT_NESTING_MAX deep. */
static glia_dim sum(text_parser *p)
{
    glia_dim d = take(p, "-") ? glia_dim_difference(p->g, 0, product(p)) : product(p);
    while (!failed(p)) {
        if (take(p, "+")) d = glia_dim_add(p->g, d, product(p));
        else if (take(p, "-")) d = glia_dim_difference(p->g, d, product(p));
        else break;
    }
    return d;
}

static bool dtype(text_parser *p, int64_t *out)
{
    if (!name(p)) return false;
    *out = glia_dtype_parse(p->name);
    if (*out != GLIA_DTYPE_NONE) return true;
    glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "`%.100s` is no dtype", p->name);
    return false;
}

static bool layout(text_parser *p, int16_t *out)
{
    *out = GLIA_LAYOUT_PLAIN;
    if (!take(p, ":")) return true;
    if (!name(p)) return false;
    for (int i = 0; i < GLIA_LAYOUT_COUNT; i++) {
        if (strcmp(glia_layout_name(i), p->name)) continue;
        *out = (int16_t)i;
        return true;
    }
    return wrong(p, "this is no layout");
}

static bool type(text_parser *p, glia_type *t)
{
    int64_t d;
    memset(t, 0, sizeof *t);
    if (!dtype(p, &d) || !layout(p, &t->layout) || !expect(p, "[")) return false;
    t->dtype = (glia_dtype)d;
    if (take(p, "]")) return true;
    do {
        if (t->rank == GLIA_RANK_MAX) return wrong(p, "a type has at most 8 axes");
        t->dims[t->rank++] = sum(p);
        if (failed(p)) return false;
    } while (take(p, ","));
    return expect(p, "]");
}

/* ---- lines ------------------------------------------------------------------------------------- */

static bool symbol_line(text_parser *p)
{
    int64_t min, max = INT64_MAX, multiple = 1;
    char own[65];
    if (!name(p)) return false;
    if (!glia_symbol_name_valid(p->name)) return wrong(p, "this is no name for a symbol");
    memcpy(own, p->name, strlen(p->name) + 1); /* a valid name has at most 63 bytes */
    for (int64_t i = 0; i < p->g->symbol_count; i++) {
        if (!strcmp(p->g->symbols[i].name, own)) return wrong(p, "a symbol is declared twice");
    }
    if (!integer(p, &min) || !expect(p, "..") || (!keyword(p, "inf") && !integer(p, &max))) return false;
    if (keyword(p, "multiple") && (!integer(p, &multiple) || multiple < 1))
        return wrong(p, "a multiple is at least 1");
    glia_graph_symbol(p->g, own, min, max);
    if (failed(p)) return false;
    p->g->symbols[p->g->symbol_count - 1].multiple = multiple;
    glia_dims_refresh(p->g);
    return true;
}

static bool constant_line(text_parser *p, const char *own, const glia_type *t)
{
    int64_t bytes;
    for (int a = 0; a < t->rank; a++) {
        if (t->dims[a] < 0) return wrong(p, "a constant has constant sizes");
    }
    if (!glia_dtype_tensor_bytes(t->dtype, t->rank, t->dims, &bytes) || bytes > GLIA_GRAPH_CONSTANT_MAX)
        return wrong(p, "a constant has at most 64 KiB in whole blocks");
    if (!expect(p, "=") || !expect(p, "0x")) return false;
    if (p->size - p->at < 2 * bytes) return wrong(p, "the constant's data is cut");
    uint8_t *data = glia_arena_alloc(&p->scratch, bytes, 16);
    if (!data) return no_memory(p);
    for (int64_t i = 0; i < bytes; i++, p->at += 2) {
        int high = hex(p->text[p->at]), low = hex(p->text[p->at + 1]);
        if (high < 0 || low < 0) return wrong(p, "the constant's data is cut, or no hexadecimal number");
        data[i] = (uint8_t)(high * 16 + low);
    }
    return !glia_is_null(glia_graph_constant(p->g, own, t, data));
}

static bool leaf_line(text_parser *p, glia_value_kind kind)
{
    glia_type t;
    if (!name(p)) return false;
    char *own = glia_arena_strdup(&p->scratch, p->name);
    if (!own) return no_memory(p);
    if (!expect(p, ":") || !type(p, &t)) return false;
    switch (kind) {
    case GLIA_VALUE_INPUT: return !glia_is_null(glia_graph_input(p->g, own, &t));
    case GLIA_VALUE_STATE: return !glia_is_null(glia_graph_state(p->g, own, &t));
    case GLIA_VALUE_CONSTANT: return constant_line(p, own, &t);
    default: break;
    }
    bool origin = keyword(p, "from");
    if (origin && !name(p)) return false;
    return !glia_is_null(glia_graph_weight(p->g, own, &t, 0, origin ? p->name : 0));
}

static bool output_line(text_parser *p)
{
    if (!name(p)) return false;
    char *own = glia_arena_strdup(&p->scratch, p->name);
    if (!own) return no_memory(p);
    if (!expect(p, "=") || !name(p)) return false;
    glia_value v = glia_graph_find(p->g, p->name);
    if (glia_is_null(v)) {
        glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "there is no value `%.200s`", p->name);
        return false;
    }
    glia_graph_output(p->g, own, v);
    return !failed(p);
}

/* ---- nodes ------------------------------------------------------------------------------------- */

static bool ints(text_parser *p, bool dims, glia_attr_arg *out)
{
    int64_t *list = 0, capacity = 0;
    if (!expect(p, "[")) return false;
    if (take(p, "]")) return true;
    do {
        if (out->count == GLIA_TEXT_LIST_MAX) return wrong(p, "a list is too long");
        list = glia_arena_grow(&p->scratch, list, out->count, &capacity, sizeof *list);
        if (!list) return no_memory(p);
        int64_t *x = &list[out->count++];
        if (dims && take(p, "?")) *x = INT64_MIN;
        else if (dims) *x = sum(p);
        else integer(p, x);
        if (failed(p)) return false;
    } while (take(p, ","));
    out->ints = list;
    return expect(p, "]");
}

static bool real(text_parser *p, double *out)
{
    blanks(p);
    int64_t n = 0;
    while (p->at + n < p->size && n < 400 &&
           (digit(p->text[p->at + n]) || letter(p->text[p->at + n]) || strchr("+-.", p->text[p->at + n])) &&
           p->text[p->at + n])
        n++;
    const char *s = p->text + p->at;
    p->at += n;
    if (n == 3 && !memcmp(s, "nan", 3)) *out = __builtin_nan("");
    else if (n == 3 && !memcmp(s, "inf", 3)) *out = __builtin_inf();
    else if (n == 4 && !memcmp(s, "-inf", 4)) *out = -__builtin_inf();
    else return glia_number_parse(s, n, out) || wrong(p, "a decimal number is expected");
    return true;
}

static bool attribute(text_parser *p, const glia_op *op, glia_attr_arg *a)
{
    if (!name(p)) return false;
    int i = glia_op_attr(op, p->name, (int)strlen(p->name));
    if (i < 0) {
        glia_graph_fail(p->g, GLIA_E_FORMAT, "G0120", "%s has no attribute `%.100s`", op->name, p->name);
        return false;
    }
    a->name = op->attrs[i].name;
    a->kind = op->attrs[i].kind;
    if (!expect(p, "=")) return false;
    if (a->kind == GLIA_ATTR_INTS) return ints(p, glia_attr_holds_dims(&op->attrs[i]), a);
    if (a->kind == GLIA_ATTR_DTYPE) return dtype(p, &a->i);
    if (a->kind == GLIA_ATTR_INT) return integer(p, &a->i);
    return real(p, &a->f);
}

typedef struct node_text {
    int out_count, in_count;
    const char *out_name[GLIA_GRAPH_OUTPUTS_MAX];
    glia_type out_type[GLIA_GRAPH_OUTPUTS_MAX];
    glia_value *in;
    glia_attr_arg attrs[GLIA_TEXT_ATTRS_MAX + 1];
} node_text;

static bool node_inputs(text_parser *p, node_text *n)
{
    int64_t capacity = 0;
    if (!expect(p, "(")) return false;
    if (take(p, ")")) return true;
    do {
        glia_value v = {0};
        if (n->in_count == GLIA_GRAPH_INPUTS_MAX) return wrong(p, "a node has too many inputs");
        n->in = glia_arena_grow(&p->scratch, n->in, n->in_count, &capacity, sizeof *n->in);
        if (!n->in) return no_memory(p);
        blanks(p);
        int64_t length = word_length(p);
        if (length == 1 && here(p) == '_') {
            p->at++;
        } else {
            if (!name(p)) return false;
            v = glia_graph_find(p->g, p->name);
            if (glia_is_null(v)) {
                glia_graph_fail(p->g, GLIA_E_FORMAT, "G0145", "there is no value `%.200s` before this line",
                                p->name);
                return false;
            }
        }
        n->in[n->in_count++] = v;
    } while (take(p, ","));
    return expect(p, ")");
}

static bool node_build(text_parser *p, const node_text *n, const glia_op *op)
{
    char stated[200], inferred[200];
    glia_graph *g = p->g;
    glia_value v = glia_graph_apply(g, op, n->out_name[0], n->in, n->in_count, n->attrs);
    if (failed(p)) return false;
    const glia_node *made = &g->nodes[glia_graph_value(g, v)->producer];
    if (made->out_count != n->out_count) {
        glia_graph_fail(g, GLIA_E_FORMAT, "G0146", "%s has %d outputs, the text names %d", op->name,
                        (int)made->out_count, n->out_count);
        return false;
    }
    for (int i = 0; i < n->out_count; i++) {
        const glia_type *a = &n->out_type[i], *b = &glia_graph_value(g, made->out[i])->type;
        if (a->dtype != b->dtype || a->rank != b->rank || a->layout != b->layout ||
            memcmp(a->dims, b->dims, sizeof a->dims)) {
            glia_graph_fail(g, GLIA_E_FORMAT, "G0146", "the text says that `%.200s` is %s, and it is %s",
                            n->out_name[i], glia_type_text(g, a, stated, sizeof stated),
                            glia_type_text(g, b, inferred, sizeof inferred));
            return false;
        }
        if (i) glia_graph_set_name(g, made->out[i], n->out_name[i]);
    }
    return !failed(p);
}

static bool node_line(text_parser *p)
{
    node_text n = {0};
    do {
        if (n.out_count == GLIA_GRAPH_OUTPUTS_MAX) return wrong(p, "a node has too many outputs");
        if (!name(p)) return false;
        n.out_name[n.out_count] = glia_arena_strdup(&p->scratch, p->name);
        if (!n.out_name[n.out_count]) return no_memory(p);
        if (!expect(p, ":") || !type(p, &n.out_type[n.out_count++])) return false;
    } while (take(p, ","));
    if (!expect(p, "=") || !name(p)) return false;
    const glia_op *op = glia_graph_op(p->g, p->name);
    if (!op) {
        glia_graph_fail(p->g, GLIA_E_NOT_FOUND, "G0113",
                        "there is no operation `%.100s`; docs/ops.md has the list", p->name);
        return false;
    }
    if (!node_inputs(p, &n)) return false;
    int count = 0;
    if (take(p, "{") && !take(p, "}")) {
        do {
            if (count == GLIA_TEXT_ATTRS_MAX) return wrong(p, "a node has too many attributes");
            if (!attribute(p, op, &n.attrs[count++])) return false;
        } while (take(p, ","));
        if (!expect(p, "}")) return false;
    }
    return node_build(p, &n, op);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static bool line(text_parser *p)
{
    bool ok;
    if (keyword(p, "symbol")) ok = symbol_line(p);
    else if (keyword(p, "input")) ok = leaf_line(p, GLIA_VALUE_INPUT);
    else if (keyword(p, "weight")) ok = leaf_line(p, GLIA_VALUE_WEIGHT);
    else if (keyword(p, "constant")) ok = leaf_line(p, GLIA_VALUE_CONSTANT);
    else if (keyword(p, "state")) ok = leaf_line(p, GLIA_VALUE_STATE);
    else if (keyword(p, "node")) ok = node_line(p);
    else if (keyword(p, "output")) ok = output_line(p);
    else
        ok = here(p) == '\n' || p->at == p->size || here(p) == '#' ||
             wrong(p, "symbol, input, weight, constant, state, node or output is expected");
    if (!ok || failed(p)) return false;
    blanks(p);
    if (here(p) == '#') {
        while (p->at < p->size && p->text[p->at] != '\n') p->at++;
    }
    return p->at == p->size || here(p) == '\n' || wrong(p, "the line should end here");
}

static bool lines(text_parser *p)
{
    if (!take(p, "glia graph 1\n")) return wrong(p, "a graph begins with the line `glia graph 1`");
    for (p->line = 2; p->at < p->size; p->line++) {
        bool ok = line(p);
        glia_arena_free(&p->scratch);
        if (!ok) return false;
        p->at++;
    }
    return true;
}

glia_status glia_graph_parse(const char *text, int64_t size, const glia_graph_options *options,
                             glia_graph **out, glia_error *e)
{
    if (!out || size < 0 || (size && !text))
        return glia_fail(e, GLIA_E_ARG, "G0112", "glia_graph_parse: an argument is null");
    *out = 0;
    text_parser p = {.text = text, .size = size, .line = 1};
    glia_status s = glia_graph_create(options, &p.g, e);
    if (s) return s;
    glia_arena_init(&p.scratch, p.g->arena.os, 0);
    bool ok = lines(&p);
    glia_arena_free(&p.scratch);
    if (ok && !failed(&p)) {
        *out = p.g;
        return GLIA_OK;
    }
    if (!failed(&p)) wrong(&p, "the text is no graph");
    s = glia_fail_at(e, p.g->error.status, p.g->error.code, p.at, "line %lld: %s", (long long)p.line,
                     p.g->error.text);
    glia_graph_destroy(p.g);
    return s;
}
