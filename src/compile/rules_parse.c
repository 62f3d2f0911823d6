/* Reads the text of a rule into terms. The texts are ours, so a wrong one is a defect that a test finds: the reader
 * says where it stopped, and the rule is left out. It goes down with the nesting of a rule's text, not of a graph. */
#include "compile/rules.h"

#include "base/check.h"
#include "base/number.h"

#include <string.h>

typedef struct reader {
    const char *at;
    glia_rule_code *code;
    glia_term term[GLIA_RULE_TERMS];
    int depth;
    bool failed;
} reader;

enum { DEPTH_MAX = 24, NO_TERM = 0 };

static uint8_t fail(reader *r)
{
    if (!r->failed) r->code->error = r->at;
    r->failed = true;
    return NO_TERM;
}

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

static void spaces(reader *r)
{
    while (*r->at == ' ') r->at++;
}

static bool take(reader *r, const char *what)
{
    spaces(r);
    size_t n = strlen(what);
    if (strncmp(r->at, what, n)) return false;
    if (letter(*what) && (letter(r->at[n]) || digit(r->at[n]))) return false;
    r->at += n;
    return true;
}

static bool need(reader *r, const char *what) { return take(r, what) || (fail(r), false); }

/* A word of letters, digits and `_`; 0: none. */
static int word(reader *r, const char **from)
{
    spaces(r);
    *from = r->at;
    if (!letter(*r->at)) return 0;
    while (letter(*r->at) || digit(*r->at)) r->at++;
    return (int)(r->at - *from);
}

static uint8_t name_of(reader *r, const char *s, int n)
{
    glia_rule_code *c = r->code;
    for (int i = 0; i < c->name_count; i++)
        if ((int)strlen(c->name[i]) == n && !memcmp(c->name[i], s, (size_t)n)) return (uint8_t)i;
    if (c->name_count >= GLIA_RULE_NAMES || n >= (int)sizeof c->name[0]) return fail(r);
    memcpy(c->name[c->name_count], s, (size_t)n);
    return (uint8_t)c->name_count++;
}

static uint8_t add(reader *r, const glia_term *t)
{
    if (r->code->term_count >= GLIA_RULE_TERMS) return fail(r);
    r->term[r->code->term_count] = *t;
    return (uint8_t)r->code->term_count++;
}

static bool number(reader *r, double *out)
{
    spaces(r);
    const char *s = r->at + (*r->at == '-');
    if (!digit(*s)) return false;
    int n = 0;
    while (digit(s[n]) || s[n] == '.' || (s[n] == 'e' && n) || (s[n] == '-' && n && s[n - 1] == 'e')) n++;
    if (!glia_number_parse(r->at, (int)(s - r->at) + n, out)) return fail(r), false;
    r->at = s + n;
    return true;
}

static const glia_op *op_of(const char *s, int n)
{
    char name[40];
    if (n >= (int)sizeof name) return NULL;
    memcpy(name, s, (size_t)n);
    name[n] = 0;
    return glia_op_find(name);
}

static int attr_index(const glia_op *op, const char *s, int n)
{
    for (int i = 0; op && op->attrs && op->attrs[i].name; i++)
        if ((int)strlen(op->attrs[i].name) == n && !memcmp(op->attrs[i].name, s, (size_t)n)) return i;
    return -1;
}

static uint8_t expression(reader *r);
static uint8_t comparison(reader *r);
static uint8_t pattern(reader *r);
static uint8_t result(reader *r);

static void attrs(reader *r, glia_term *t, bool right)
{
    const char *s;
    do {
        int n = word(r, &s), at = attr_index(t->op, s, n);
        if (at < 0 || t->attr_count >= GLIA_RULE_ATTRS || !need(r, "=")) {
            fail(r);
            return;
        }
        uint8_t kind, value = 0;
        if (right) {
            kind = GLIA_ATTR_IS_TERM;
            value = expression(r);
        } else if (take(r, "*")) {
            kind = GLIA_ATTR_IS_ANY;
        } else if (take(r, "last")) {
            kind = GLIA_ATTR_IS_LAST;
        } else if ((n = word(r, &s))) {
            kind = GLIA_ATTR_IS_NAME;
            value = name_of(r, s, n);
        } else {
            kind = GLIA_ATTR_IS_NUMBER;
            value = expression(r);
        }
        t->attr[t->attr_count].kind = kind;
        t->attr[t->attr_count].value = value;
        t->attr[t->attr_count++].index = (uint8_t)at;
    } while (!r->failed && take(r, ","));
    need(r, "]");
}

static void args(reader *r, glia_term *t, uint8_t (*each)(reader *), const char *between, const char *end)
{
    do {
        if (t->arg_count >= GLIA_RULE_ARGS) {
            fail(r);
            return;
        }
        t->arg[t->arg_count++] = each(r);
    } while (!r->failed && take(r, between));
    need(r, end);
}

/* op, op[..](..), @class[..](..): what follows the name. */
static uint8_t node(reader *r, glia_term *t, bool right)
{
    t->kind = GLIA_TERM_OP;
    if (take(r, "[")) attrs(r, t, right);
    if (need(r, "(")) args(r, t, right ? result : pattern, ",", ")");
    return add(r, t);
}

static uint8_t class_node(reader *r, bool right)
{
    glia_term t = {.op_class = take(r, "unary") ? 'u' : take(r, "binary") ? 'b' : 0};
    return t.op_class ? node(r, &t, right) : fail(r);
}

static uint8_t named_node(reader *r, const char *s, int n, bool right)
{
    glia_term t = {.op = op_of(s, n)};
    if (!t.op && right && (t.word = glia_word_find(s, n)) && t.word->build) {
        t.kind = GLIA_TERM_WORD;
        if (need(r, "(")) args(r, &t, result, ",", ")");
        return add(r, &t);
    }
    if (!t.op) {
        r->at = s;
        return fail(r);
    }
    return node(r, &t, right);
}

static uint8_t pattern_of(reader *r)
{
    glia_term t = {0};
    const char *s;
    int n;
    if (take(r, "{")) {
        t.kind = GLIA_TERM_EITHER;
        args(r, &t, pattern, "|", "}");
        return add(r, &t);
    }
    if (take(r, "?")) {
        t.kind = GLIA_TERM_MAYBE;
        t.arg[t.arg_count++] = pattern(r);
        return add(r, &t);
    }
    if (take(r, "@")) return class_node(r, false);
    if (take(r, "$")) {
        t.kind = GLIA_TERM_SCALAR;
        n = word(r, &s);
        t.name = name_of(r, s, n);
        return n ? add(r, &t) : fail(r);
    }
    if (number(r, &t.number)) {
        t.kind = GLIA_TERM_NUMBER;
        return add(r, &t);
    }
    if (!(n = word(r, &s))) return fail(r);
    if (*r->at == '(' || *r->at == '[') return named_node(r, s, n, false);
    t.name = name_of(r, s, n);
    if (take(r, ":")) {
        t.kind = GLIA_TERM_LABEL;
        t.arg[t.arg_count++] = pattern(r);
        return add(r, &t);
    }
    t.kind = GLIA_TERM_NAME;
    t.sign = take(r, "?") ? '?' : 0;
    return add(r, &t);
}

static uint8_t nested(reader *r, uint8_t (*one)(reader *))
{
    if (r->failed || r->depth >= DEPTH_MAX) return fail(r);
    r->depth++;
    uint8_t t = one(r);
    r->depth--;
    return t;
}

static uint8_t pattern(reader *r) { return nested(r, pattern_of); }

static uint8_t result_of(reader *r)
{
    glia_term t = {0};
    const char *s;
    if (take(r, "@")) return class_node(r, true);
    spaces(r);
    const char *from = r->at;
    int n = word(r, &s);
    if (n && (*r->at == '(' || *r->at == '[')) {
        const glia_word *w = op_of(s, n) ? NULL : glia_word_find(s, n);
        if (!w || w->build) return named_node(r, s, n, true);
    }
    r->at = from;
    if (number(r, &t.number)) {
        t.kind = GLIA_TERM_NUMBER;
        return add(r, &t);
    }
    return expression(r);
}

static uint8_t result(reader *r) { return nested(r, result_of); }

/* ---- expressions */

/* The dtypes that conditions name. */
static double dtype_number(const char *s, int n)
{
    static const glia_dtype known[] = {GLIA_F64,  GLIA_F32, GLIA_F16, GLIA_BF16,
                                       GLIA_BOOL, GLIA_I64, GLIA_I32};
    for (int i = 0; i < GLIA_COUNT(known); i++) {
        const char *name = glia_dtype_name(known[i]);
        if ((int)strlen(name) == n && !memcmp(name, s, (size_t)n)) return (double)known[i];
    }
    return 0;
}

static uint8_t factor_of(reader *r)
{
    glia_term t = {0};
    const char *s;
    int n;
    if (take(r, "(")) {
        uint8_t inner = expression(r);
        return need(r, ")") ? inner : NO_TERM;
    }
    if (number(r, &t.number)) {
        t.kind = GLIA_TERM_NUMBER;
        return add(r, &t);
    }
    t.kind = take(r, "$") ? GLIA_TERM_SCALAR : GLIA_TERM_NAME;
    if (!(n = word(r, &s))) return fail(r);
    if (t.kind == GLIA_TERM_NAME && *r->at == '(') {
        t.kind = GLIA_TERM_WORD;
        t.word = glia_word_find(s, n);
        if (!t.word || !t.word->number) {
            r->at = s;
            return fail(r);
        }
        r->at++;
        args(r, &t, comparison, ",", ")");
        return add(r, &t);
    }
    if (t.kind == GLIA_TERM_NAME && (t.number = dtype_number(s, n)) > 0) t.kind = GLIA_TERM_NUMBER;
    else t.name = name_of(r, s, n);
    return add(r, &t);
}

static uint8_t factor(reader *r) { return nested(r, factor_of); }

static uint8_t chain(reader *r, const char *signs, uint8_t (*each)(reader *))
{
    uint8_t left = each(r);
    for (;;) {
        spaces(r);
        const char *sign = *r->at ? strchr(signs, *r->at) : NULL;
        if (r->failed || !sign || (*sign == '=' && r->at[1] == '>')) return left;
        glia_term t = {.kind = GLIA_TERM_SUM, .sign = *sign, .arg_count = 2};
        r->at++;
        if (*r->at == '=') { /* ==, !=, <= and >= : =, !, ( and ) */
            t.sign = *sign == '<' ? '(' : *sign == '>' ? ')' : *sign;
            r->at++;
        }
        t.arg[0] = left;
        t.arg[1] = each(r);
        left = add(r, &t);
    }
}

static uint8_t product(reader *r) { return chain(r, "*/", factor); }
static uint8_t expression(reader *r) { return chain(r, "+-", product); }
static uint8_t comparison(reader *r) { return chain(r, "=!<>", expression); }

/* ---- rules */

/* The ops that the pattern may begin with. */
static void collect_roots(reader *r, uint8_t term)
{
    const glia_term *t = &r->term[term];
    glia_rule_code *c = r->code;
    if (t->kind == GLIA_TERM_LABEL) {
        collect_roots(r, t->arg[0]);
    } else if (t->kind == GLIA_TERM_EITHER) {
        for (int i = 0; i < t->arg_count; i++) collect_roots(r, t->arg[i]);
    } else if (t->kind == GLIA_TERM_OP && t->op_class) {
        c->root_class = t->op_class;
    } else if (t->kind == GLIA_TERM_OP && c->root_count < GLIA_RULE_ROOTS) {
        c->root[c->root_count++] = t->op;
    } else {
        fail(r);
    }
}

static void conditions(reader *r)
{
    glia_rule_code *c = r->code;
    do {
        if (c->condition_count >= GLIA_RULE_CONDITIONS) {
            fail(r);
            return;
        }
        spaces(r);
        c->condition_text[c->condition_count] = r->at;
        c->condition[c->condition_count] = comparison(r);
        c->condition_size[c->condition_count] = (int32_t)(r->at - c->condition_text[c->condition_count]);
        c->condition_count++;
    } while (!r->failed && take(r, "and"));
}

bool glia_rule_parse(const glia_rule *rule, glia_arena *arena, glia_rule_code *code)
{
    reader r = {.at = rule->text, .code = code};
    *code = (glia_rule_code){.rule = rule};
    name_of(&r, "root", 4);
    add(&r, &(glia_term){.kind = GLIA_TERM_NAME}); /* term 0: the root, and what failed ones point at */
    code->pattern = pattern(&r);
    if (!r.failed) collect_roots(&r, code->pattern);
    if (!r.failed && need(&r, "=>")) code->result = result(&r);
    if (!r.failed && take(&r, "when")) conditions(&r);
    spaces(&r);
    if (!r.failed && *r.at) fail(&r);
    if (r.failed) return false;
    code->term = GLIA_NEW_ARRAY(arena, glia_term, code->term_count);
    if (!code->term) return false;
    memcpy(code->term, r.term, (size_t)code->term_count * sizeof r.term[0]);
    return true;
}
