/* Expressions to instructions, by operator precedence. What is open lies on an explicit stack of entries:
 * operators that wait for their right side, and brackets, calls and branches, in which a new expression
 * begins. Precedence from low to high:
 *
 *     a if c else b | or | and | not | == != < <= > >= in, not in | + - | ~ | * / // % | ** | unary - +
 *     | filters and tests | attributes, items, calls
 *
 * Traps: a unary minus binds more weakly than an attribute but more strongly than a filter; a conditional's
 * test runs before its first branch, though it is written behind it: each expression begins with an
 * instruction that becomes a jump to the test. */
#include "text/tpl.h"

enum {
    PREC_COND = 1,
    PREC_OR,
    PREC_AND,
    PREC_NOT,
    PREC_COMPARE,
    PREC_SUM,
    PREC_CONCAT,
    PREC_PRODUCT,
    PREC_POWER
};

typedef enum {
    /* operators */
    OP_BINARY,
    OP_COMPARE,
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_UNARY, /* minus, plus */
    /* where an expression begins */
    IN_ROOT,
    IN_PAREN,
    IN_LIST,
    IN_DICT,
    IN_ITEM, /* a[..] */
    IN_CALL, /* f(..) */
    IN_FILTER,
    IN_TEST,
    IN_TEST_ARG, /* is name ARG */
    IN_COND,     /* .. if HERE else .. */
    IN_ELSE
} entry_kind;

typedef struct tpl_entry {
    uint8_t kind, prec, how;
    bool cond, tuple, negated, value; /* value: of a dict's pair; of an item: a colon was seen */
    int parts;                        /* of a slice */
    int32_t count, named, named_room;
    int64_t begin;  /* the instruction that may become a jump to a conditional's test */
    int64_t branch; /* where the first branch begins; 0: behind `begin` */
    int64_t patch;  /* a jump whose target is not known yet */
    const char **names;
    const void *what; /* filter or test */
    const tpl_token *at;
} tpl_entry;

static tpl_entry *top(tpl_compiler *c) { return &c->op[c->ops - 1]; }

static tpl_entry *push(tpl_compiler *c, entry_kind kind, const tpl_token *at)
{
    if (c->ops >= 4 * GLIA_TEMPLATE_NESTING) {
        if (!c->status)
            c->status =
                glia_fail(c->e, GLIA_E_LIMIT, "G0674", "template line %d, column %d: nested deeper than %d",
                          at->line, at->column, GLIA_TEMPLATE_NESTING);
        return NULL;
    }
    tpl_entry *grown = glia_arena_grow(&c->scratch, c->op, c->ops, &c->ops_room, sizeof *grown);
    if (!grown) {
        glia_tpl_compile_nomem(c);
        return NULL;
    }
    c->op = grown;
    tpl_entry *o = &grown[c->ops++];
    *o = (tpl_entry){.kind = (uint8_t)kind, .at = at, .patch = -1};
    return o;
}

#define EMIT(c, name, at, a, b, p) (glia_tpl_emit(c, glia_tpl_run_##name, at, a, b, p) >= 0)

static void patch_here(tpl_compiler *c, int64_t at) { c->t->code[at].a = (int32_t)c->t->code_count; }

/* The place where an expression begins in the innermost entry. */
static bool begin_expression(tpl_compiler *c)
{
    tpl_entry *o = top(c);
    o->branch = 0;
    if (!o->cond) return true;
    int64_t at = glia_tpl_emit(c, glia_tpl_run_nop, tpl_peek(c), 0, 0, NULL);
    top(c)->begin = at;
    return at >= 0;
}

static bool open_entry(tpl_compiler *c, entry_kind kind, const tpl_token *at, bool cond)
{
    tpl_entry *o = push(c, kind, at);
    if (!o) return false;
    o->cond = cond;
    return true;
}

/* ---- operators ------------------------------------------------------------------------------------ */

static bool emit_operator(tpl_compiler *c)
{
    tpl_entry o = c->op[--c->ops];
    bool ok = true;
    if (o.kind == OP_BINARY) ok = EMIT(c, binary, o.at, o.how, 0, NULL);
    if (o.kind == OP_UNARY && o.how == '-') ok = EMIT(c, negate, o.at, 0, 0, NULL);
    if (o.kind == OP_UNARY && o.how == '+') ok = EMIT(c, plus, o.at, 0, 0, NULL);
    if (o.kind == OP_NOT) ok = EMIT(c, not, o.at, 0, 0, NULL);
    if (o.kind == OP_COMPARE) {
        ok = EMIT(c, compare, o.at, o.how, 0, NULL);
        while (ok && o.patch >= 0) { /* the exits of a chain are linked through their targets */
            int64_t next = c->t->code[o.patch].a;
            patch_here(c, o.patch);
            o.patch = next;
        }
    }
    if (o.kind == OP_AND || o.kind == OP_OR) patch_here(c, o.patch);
    return ok;
}

static bool reduce(tpl_compiler *c, int prec)
{
    while (top(c)->kind < IN_ROOT && top(c)->prec >= prec)
        if (!emit_operator(c)) return false;
    return true;
}

typedef struct binary_sign {
    uint16_t sign;
    uint8_t kind, prec, how;
} binary_sign;

static const binary_sign binary_signs[] = {
    {'+', OP_BINARY, PREC_SUM, '+'},
    {'-', OP_BINARY, PREC_SUM, '-'},
    {'~', OP_BINARY, PREC_CONCAT, '~'},
    {'*', OP_BINARY, PREC_PRODUCT, '*'},
    {'/', OP_BINARY, PREC_PRODUCT, '/'},
    {SIGN2('/', '/'), OP_BINARY, PREC_PRODUCT, 'f'},
    {'%', OP_BINARY, PREC_PRODUCT, '%'},
    {SIGN2('*', '*'), OP_BINARY, PREC_POWER, '^'},
    {SIGN2('=', '='), OP_COMPARE, PREC_COMPARE, '='},
    {SIGN2('!', '='), OP_COMPARE, PREC_COMPARE, '!'},
    {'<', OP_COMPARE, PREC_COMPARE, '<'},
    {'>', OP_COMPARE, PREC_COMPARE, '>'},
    {SIGN2('<', '='), OP_COMPARE, PREC_COMPARE, 'l'},
    {SIGN2('>', '='), OP_COMPARE, PREC_COMPARE, 'g'},
};

/* The operator at hand, its tokens consumed; kind OP_NOT: there is none. */
static binary_sign next_operator(tpl_compiler *c)
{
    const tpl_token *t = tpl_peek(c);
    binary_sign none = {0, OP_NOT, 0, 0};
    if (t->kind == TOK_SIGN)
        for (int i = 0; i < GLIA_COUNT(binary_signs); i++)
            if (binary_signs[i].sign == t->sign) return c->at++, binary_signs[i];
    if (tpl_is_word(t, "and")) return c->at++, (binary_sign){0, OP_AND, PREC_AND, 0};
    if (tpl_is_word(t, "or")) return c->at++, (binary_sign){0, OP_OR, PREC_OR, 0};
    if (tpl_is_word(t, "in")) return c->at++, (binary_sign){0, OP_COMPARE, PREC_COMPARE, 'i'};
    if (tpl_is_word(t, "not") && tpl_is_word(t + 1, "in"))
        return c->at += 2, (binary_sign){0, OP_COMPARE, PREC_COMPARE, 'n'};
    return none;
}

static bool take_operator(tpl_compiler *c, binary_sign b, const tpl_token *at)
{
    if (b.kind == OP_COMPARE) {
        if (!reduce(c, PREC_COMPARE + 1)) return false;
        tpl_entry *o = top(c);
        if (o->kind == OP_COMPARE) { /* a < b < c */
            int64_t exit =
                glia_tpl_emit(c, glia_tpl_run_compare_chain, o->at, (int32_t)o->patch, o->how, NULL);
            if (exit < 0) return false;
            o->patch = exit;
            o->how = b.how;
            o->at = at;
            return true;
        }
    } else if (!reduce(c, b.prec)) {
        return false;
    }
    int64_t patch = -1;
    if (b.kind == OP_AND || b.kind == OP_OR) {
        patch = glia_tpl_emit(
            c, b.kind == OP_AND ? glia_tpl_run_jump_false_keep : glia_tpl_run_jump_true_keep, at, 0, 0, NULL);
        if (patch < 0) return false;
    }
    tpl_entry *o = push(c, b.kind, at);
    if (!o) return false;
    o->prec = b.prec;
    o->how = b.how;
    o->patch = patch;
    return true;
}

/* ---- operands ------------------------------------------------------------------------------------- */

static bool emit_constant(tpl_compiler *c, const tpl_token *at, tv x)
{
    tv *kept = GLIA_NEW(&c->t->arena, tv);
    if (!kept) return glia_tpl_compile_nomem(c);
    *kept = x;
    return EMIT(c, constant, at, 0, 0, kept);
}

static bool emit_text(tpl_compiler *c, const tpl_token *at, const char *text, int64_t size)
{
    tpl_string *s = GLIA_NEW(&c->t->arena, tpl_string);
    if (!s) return glia_tpl_compile_nomem(c);
    s->text = text;
    s->size = size;
    return glia_tpl_literal(c, text) && emit_constant(c, at, (tv){.kind = TPL_STRING, .s = s});
}

/* Adjacent strings are one. */
static bool strings(tpl_compiler *c)
{
    const tpl_token *at = tpl_peek(c);
    int64_t size = 0, n = 0;
    int64_t first = c->at;
    for (; tpl_peek(c)->kind == TOK_STR; c->at++) size += tpl_peek(c)->size;
    if (c->at == first + 1) return emit_text(c, at, at->text, at->size);
    char *text = glia_arena_alloc(&c->t->arena, size + 1, 1);
    if (!text) return glia_tpl_compile_nomem(c);
    for (int64_t i = first; i < c->at; i++) {
        memcpy(text + n, c->token[i].text, (size_t)c->token[i].size);
        n += c->token[i].size;
    }
    return emit_text(c, at, text, size);
}

static bool name(tpl_compiler *c, const tpl_token *t)
{
    c->at++;
    if (!strcmp(t->text, "true") || !strcmp(t->text, "True")) return emit_constant(c, t, tpl_bool(true));
    if (!strcmp(t->text, "false") || !strcmp(t->text, "False")) return emit_constant(c, t, tpl_bool(false));
    if (!strcmp(t->text, "none") || !strcmp(t->text, "None")) return emit_constant(c, t, tpl_none());
    if (!strcmp(t->text, "varargs") || !strcmp(t->text, "kwargs"))
        return glia_tpl_unknown(c, t, "macros with `%s` are not built", t->text);
    int32_t id = glia_tpl_intern(c, t->text);
    return id >= 0 && EMIT(c, name, t, id, 0, glia_tpl_find(glia_tpl_globals, t->text, t->size));
}

/* What stands where an operand is expected. *again: another operand is expected (a prefix or bracket was
 * opened). */
static bool operand(tpl_compiler *c, bool *again)
{
    const tpl_token *t = tpl_peek(c);
    *again = false;
    if (t->kind == TOK_STR) return strings(c);
    if (t->kind == TOK_INT) return c->at++, emit_constant(c, t, tpl_int(t->i));
    if (t->kind == TOK_FLT) return c->at++, emit_constant(c, t, tpl_float(t->d));
    bool primary = top(c)->kind == IN_TEST_ARG;
    if (tpl_is_word(t, "not") && !primary && (top(c)->kind >= IN_ROOT || top(c)->prec <= PREC_NOT)) {
        tpl_entry *o = push(c, OP_NOT, t);
        if (!o) return false;
        o->prec = PREC_NOT;
        *again = true;
        return c->at++, true;
    }
    if (t->kind == TOK_NAME) return name(c, t);
    if (!primary && (tpl_is_sign(t, '-') || tpl_is_sign(t, '+'))) {
        tpl_entry *o = push(c, OP_UNARY, t);
        if (!o) return false;
        o->how = (uint8_t)t->sign;
        o->prec = PREC_POWER + 1;
        *again = true;
        return c->at++, true;
    }
    entry_kind kind = tpl_is_sign(t, '(') ? IN_PAREN : tpl_is_sign(t, '[') ? IN_LIST : IN_DICT;
    if (kind == IN_DICT && !tpl_is_sign(t, '{'))
        return glia_tpl_syntax(c, t, "an expression is missing%s%.40s", t->kind == TOK_END ? "" : " before ",
                               t->text);
    uint16_t close = kind == IN_PAREN ? ')' : kind == IN_LIST ? ']' : '}';
    c->at++;
    if (tpl_is_sign(tpl_peek(c), close)) {
        c->at++;
        if (kind == IN_DICT) return EMIT(c, dict, t, 0, 0, NULL);
        return kind == IN_LIST ? EMIT(c, list, t, 0, 0, NULL) : EMIT(c, tuple, t, 0, 0, NULL);
    }
    *again = true;
    return open_entry(c, kind, t, true) && begin_expression(c);
}

/* ---- calls, filters, tests ------------------------------------------------------------------------ */

/* Remembers "name=" before an argument, if it is there. */
static bool argument_name(tpl_compiler *c)
{
    const tpl_token *t = tpl_peek(c);
    tpl_entry *o = top(c);
    if (tpl_is_sign(t, '*') || tpl_is_sign(t, SIGN2('*', '*')))
        return glia_tpl_unknown(c, t, "arguments unpacked by %.2s are not built", t->text);
    if (t->kind != TOK_NAME || !tpl_is_sign(t + 1, '=')) {
        if (o->named) return glia_tpl_syntax(c, t, "a positional argument behind a named one");
        o->count++;
        return true;
    }
    if (o->named == o->named_room) {
        int32_t room = o->named_room ? 2 * o->named_room : 4;
        const char **names = GLIA_NEW_ARRAY(&c->t->arena, const char *, room);
        if (!names) return glia_tpl_compile_nomem(c);
        for (int32_t i = 0; i < o->named; i++) names[i] = o->names[i];
        o->names = names;
        o->named_room = room;
    }
    for (int32_t i = 0; i < o->named; i++)
        if (!strcmp(o->names[i], t->text))
            return glia_tpl_syntax(c, t, "the argument `%.40s` is given twice", t->text);
    o->names[o->named++] = t->text;
    c->at += 2;
    return glia_tpl_intern(c, t->text) >= 0;
}

/* Ends a call, filter or test whose arguments are on the stack. */
static bool finish_call(tpl_compiler *c)
{
    tpl_entry o = c->op[--c->ops];
    tpl_call *call = GLIA_NEW(&c->t->arena, tpl_call);
    if (!call) return glia_tpl_compile_nomem(c);
    call->count = o.count;
    call->named = o.named;
    call->names = o.names;
    if (o.kind == IN_CALL) return EMIT(c, call, o.at, 0, 0, call);
    const void **pair = GLIA_NEW_ARRAY(&c->t->arena, const void *, 2);
    if (!pair) return glia_tpl_compile_nomem(c);
    pair[0] = o.what;
    pair[1] = call;
    if (o.kind == IN_FILTER) return EMIT(c, filter, o.at, 0, 0, pair);
    return EMIT(c, test, o.at, 0, 0, pair) && (!o.negated || EMIT(c, not, o.at, 0, 0, NULL));
}

/* Opens the arguments of a call; *again: an argument follows. */
static bool open_arguments(tpl_compiler *c, bool *again)
{
    c->at++;
    if (tpl_is_sign(tpl_peek(c), ')')) return c->at++, finish_call(c);
    *again = true;
    return argument_name(c) && begin_expression(c);
}

static const tpl_token *dotted_name(tpl_compiler *c, const char *what)
{
    const tpl_token *t = tpl_peek(c);
    if (t->kind != TOK_NAME) {
        glia_tpl_syntax(c, t, "the name of a %s is missing", what);
        return NULL;
    }
    c->at++;
    if (tpl_is_sign(tpl_peek(c), '.')) {
        glia_tpl_unknown(c, t, "there is no %s `%.40s.%.40s`", what, t->text, tpl_peek(c)[1].text);
        return NULL;
    }
    return t;
}

static bool open_filter(tpl_compiler *c, bool *again)
{
    const tpl_token *t = dotted_name(c, "filter");
    if (!t) return false;
    const tpl_function *f = glia_tpl_find(glia_tpl_filters, t->text, t->size);
    if (!f) return glia_tpl_unknown(c, t, "there is no filter `%.60s`", t->text);
    if (!open_entry(c, IN_FILTER, t, true)) return false;
    top(c)->what = f;
    return tpl_is_sign(tpl_peek(c), '(') ? open_arguments(c, again) : finish_call(c);
}

static bool begins_test_argument(const tpl_token *t)
{
    if (t->kind == TOK_STR || t->kind == TOK_INT || t->kind == TOK_FLT) return true;
    if (t->kind == TOK_NAME)
        return !tpl_is_word(t, "else") && !tpl_is_word(t, "or") && !tpl_is_word(t, "and");
    return tpl_is_sign(t, '[') || tpl_is_sign(t, '{');
}

static bool open_test(tpl_compiler *c, bool *again)
{
    bool negated = tpl_is_word(tpl_peek(c), "not");
    c->at += negated;
    const tpl_token *t = dotted_name(c, "test");
    if (!t) return false;
    const tpl_function *f = glia_tpl_find(glia_tpl_tests, t->text, t->size);
    if (!f) return glia_tpl_unknown(c, t, "there is no test `%.60s`", t->text);
    if (!open_entry(c, IN_TEST, t, true)) return false;
    top(c)->what = f;
    top(c)->negated = negated;
    if (tpl_is_sign(tpl_peek(c), '(')) return open_arguments(c, again);
    if (!begins_test_argument(tpl_peek(c))) return finish_call(c);
    if (tpl_is_word(tpl_peek(c), "is"))
        return glia_tpl_syntax(c, tpl_peek(c), "tests cannot be chained with `is`");
    top(c)->count = 1;
    *again = true;
    return open_entry(c, IN_TEST_ARG, t, false);
}

/* ---- behind an operand ---------------------------------------------------------------------------- */

/* Attributes, items and calls; *again: an expression in brackets was opened. */
static bool postfix(tpl_compiler *c, bool *again)
{
    for (;;) {
        const tpl_token *t = tpl_peek(c), *next = t + 1;
        if (tpl_is_sign(t, '.')) {
            c->at += 2;
            if (next->kind == TOK_NAME) {
                if (glia_tpl_intern(c, next->text) < 0 || !EMIT(c, attribute, next, 0, 0, next->text))
                    return false;
            } else if (next->kind == TOK_INT) {
                if (!emit_constant(c, next, tpl_int(next->i)) || !EMIT(c, item, next, 0, 0, NULL))
                    return false;
            } else {
                return glia_tpl_syntax(c, next, "a name or number is missing behind the point");
            }
        } else if (tpl_is_sign(t, '[')) {
            c->at++;
            *again = true;
            if (!open_entry(c, IN_ITEM, t, true)) return false;
            if (tpl_is_sign(tpl_peek(c), ']')) return glia_tpl_syntax(c, t, "an index is missing");
            return true; /* item_part goes on */
        } else if (tpl_is_sign(t, '(')) {
            if (!open_entry(c, IN_CALL, t, true) || !open_arguments(c, again)) return false;
            if (*again) return true;
        } else {
            return true;
        }
    }
}

/* Filters, tests and calls behind them. */
static bool filters(tpl_compiler *c, bool *again)
{
    while (!*again) {
        const tpl_token *t = tpl_peek(c);
        bool ok = true;
        if (tpl_is_sign(t, '|')) {
            c->at++;
            ok = open_filter(c, again);
        } else if (tpl_is_word(t, "is")) {
            c->at++;
            ok = open_test(c, again);
        } else if (tpl_is_sign(t, '(')) {
            ok = open_entry(c, IN_CALL, t, true) && open_arguments(c, again);
        } else {
            return true;
        }
        if (!ok) return false;
    }
    return true;
}

/* The next part of a[..]: an expression, or nothing before a colon or bracket. */
static bool item_part(tpl_compiler *c, bool *again)
{
    const tpl_token *t = tpl_peek(c);
    if (tpl_is_sign(t, ':') || tpl_is_sign(t, ']')) {
        *again = false;
        return emit_constant(c, t, tpl_none());
    }
    *again = true;
    return begin_expression(c);
}

/* An expression in brackets, a call .. has ended at the token at hand. more: another one begins in the same
 * entry; else the entry has become an operand. */
static bool end_item(tpl_compiler *c, const tpl_token *t, bool *more)
{
    tpl_entry *o = top(c);
    if (tpl_is_sign(t, ':') && o->parts < 2) {
        o->parts++;
        c->at++;
        bool again;
        if (!item_part(c, &again)) return false;
        if (again) return *more = true;
        return end_item(c, tpl_peek(c), more); /* at most three parts */
    }
    if (tpl_is_sign(t, ',')) return glia_tpl_unknown(c, t, "an index of several values");
    if (!tpl_is_sign(t, ']')) return glia_tpl_syntax(c, t, "`]` is missing before `%.40s`", t->text);
    c->at++;
    tpl_entry kept = c->op[--c->ops];
    if (!kept.parts) return EMIT(c, item, kept.at, 0, 0, NULL);
    if (kept.parts == 1 && !emit_constant(c, t, tpl_none())) return false;
    return EMIT(c, slice, kept.at, 0, 0, NULL);
}

static bool end_list(tpl_compiler *c, const tpl_token *t, bool *more)
{
    tpl_entry *o = top(c);
    uint16_t close = o->kind == IN_PAREN ? ')' : o->kind == IN_LIST ? ']' : '}';
    bool pair = o->kind == IN_DICT;
    if (pair && !o->value) {
        if (!tpl_is_sign(t, ':')) return glia_tpl_syntax(c, t, "`:` is missing before `%.40s`", t->text);
        o->value = *more = true;
        c->at++;
        return begin_expression(c);
    }
    o->value = false;
    o->count++;
    bool comma = tpl_is_sign(t, ',');
    if (comma) {
        o->tuple = true;
        t = &c->token[++c->at];
        if (!tpl_is_sign(t, close)) {
            *more = true;
            return begin_expression(c);
        }
    }
    if (!tpl_is_sign(t, close))
        return glia_tpl_syntax(c, t, "`%c` is missing before `%.40s`", close, t->text);
    c->at++;
    tpl_entry kept = c->op[--c->ops];
    if (pair) return EMIT(c, dict, kept.at, kept.count, 0, NULL);
    if (kept.kind == IN_LIST) return EMIT(c, list, kept.at, kept.count, 0, NULL);
    return kept.tuple ? EMIT(c, tuple, kept.at, kept.count, 0, NULL) : true;
}

static bool end_argument(tpl_compiler *c, const tpl_token *t, bool *more)
{
    if (tpl_is_sign(t, ',')) {
        t = &c->token[++c->at];
        if (!tpl_is_sign(t, ')')) {
            *more = true;
            return argument_name(c) && begin_expression(c);
        }
    }
    if (!tpl_is_sign(t, ')')) return glia_tpl_syntax(c, t, "`)` is missing before `%.40s`", t->text);
    c->at++;
    return finish_call(c);
}

/* ---- conditionals --------------------------------------------------------------------------------- */

static bool open_cond(tpl_compiler *c, const tpl_token *t)
{
    c->at++;
    int64_t out = glia_tpl_emit(c, glia_tpl_run_jump, t, 0, 0, NULL);
    if (out < 0) return false;
    tpl_entry *base = top(c);
    tpl_inst *begin = &c->t->code[base->begin];
    int64_t branch = base->branch ? base->branch : base->begin + 1;
    begin->run = glia_tpl_run_jump;
    begin->a = (int32_t)c->t->code_count;
    base->branch = c->t->code_count;
    tpl_entry *o = push(c, IN_COND, t);
    if (!o) return false;
    o->patch = out;
    o->branch = branch;
    return true;
}

/* Behind the test; *more: the other branch follows. */
static bool end_cond(tpl_compiler *c, const tpl_token *t, bool *more)
{
    tpl_entry o = c->op[--c->ops];
    if (!EMIT(c, jump_true, o.at, (int32_t)o.branch, 0, NULL)) return false;
    if (tpl_is_word(t, "else")) {
        c->at++;
        if (!open_entry(c, IN_ELSE, t, true)) return false;
        top(c)->patch = o.patch;
        *more = true;
        return begin_expression(c);
    }
    if (!emit_constant(c, t, tpl_undefined(NULL))) return false;
    patch_here(c, o.patch);
    return true;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static bool ends_tuple(const tpl_token *t)
{
    return t->kind == TOK_END || tpl_is_sign(t, ')') || tpl_is_sign(t, '=') || tpl_is_word(t, "in");
}

/* An expression has ended in the innermost entry. *done: that was the whole. */
static bool close_entry(tpl_compiler *c, bool *more, bool *done)
{
    const tpl_token *t = tpl_peek(c);
    tpl_entry *o = top(c);
    if (o->kind == IN_PAREN || o->kind == IN_LIST || o->kind == IN_DICT) return end_list(c, t, more);
    if (o->kind == IN_ITEM) return end_item(c, t, more);
    if (o->kind == IN_CALL || o->kind == IN_FILTER || o->kind == IN_TEST) return end_argument(c, t, more);
    if (o->kind == IN_COND) return end_cond(c, t, more);
    if (o->kind == IN_ELSE) {
        patch_here(c, o->patch);
        c->ops--;
        return true;
    }
    o->count++; /* IN_ROOT */
    if (tpl_is_sign(t, ',') && o->tuple) {
        o->negated = true; /* a comma was seen */
        if (!ends_tuple(&c->token[++c->at])) {
            *more = true;
            return begin_expression(c);
        }
    }
    tpl_entry kept = c->op[--c->ops];
    *done = true;
    return kept.negated ? EMIT(c, tuple, kept.at, kept.count, 0, NULL) : true;
}

/* What an entry has become once it is closed: an operand that attributes may follow, one that only filters
 * may follow, or a whole expression. */
typedef enum { AFTER_PRIMARY, AFTER_FILTER, AFTER_ALL } after;

static after after_closing(entry_kind kind)
{
    if (kind == IN_FILTER || kind == IN_TEST) return AFTER_FILTER;
    return kind == IN_COND || kind == IN_ELSE ? AFTER_ALL : AFTER_PRIMARY;
}

/* Goes on behind an operand until another one is expected (true) or all is done. */
static bool behind(tpl_compiler *c, after state, bool *done)
{
    for (;;) {
        bool again = false;
        if (state == AFTER_PRIMARY) {
            if (!postfix(c, &again)) return false;
            if (again) return true;
            while (top(c)->kind == OP_UNARY)
                if (!emit_operator(c)) return false;
            if (top(c)->kind == IN_TEST_ARG) {
                c->ops--;
                if (!finish_call(c)) return false;
                state = AFTER_FILTER;
            }
        }
        if (state != AFTER_ALL) {
            if (!filters(c, &again)) return false;
            if (again) return true;
            while (top(c)->kind == OP_UNARY)
                if (!emit_operator(c)) return false;
        }
        const tpl_token *t = tpl_peek(c);
        if (state != AFTER_ALL) {
            binary_sign b = next_operator(c);
            if (b.kind != OP_NOT) return take_operator(c, b, t);
        }
        if (!reduce(c, 0)) return false;
        if (tpl_is_word(t, "if") && top(c)->cond) return open_cond(c, t);
        bool more = false;
        entry_kind kind = top(c)->kind;
        if (!close_entry(c, &more, done)) return false;
        if (more || *done) return true;
        state = after_closing(kind);
    }
}

static bool run(tpl_compiler *c)
{
    for (bool done = false; !done;) {
        bool again = false;
        if (top(c)->kind == IN_ITEM && !top(c)->parts && !top(c)->value) { /* the first part of an index */
            top(c)->value = true;
            if (!item_part(c, &again)) return false;
            if (!again) {
                if (!behind(c, AFTER_ALL, &done)) return false;
                continue;
            }
        }
        if (!operand(c, &again)) return false;
        if (again) continue;
        if (!behind(c, AFTER_PRIMARY, &done)) return false;
    }
    return true;
}

bool glia_tpl_expression(tpl_compiler *c, int flags)
{
    if (!open_entry(c, IN_ROOT, tpl_peek(c), flags & TPL_EXPR_COND)) return false;
    top(c)->tuple = flags & TPL_EXPR_TUPLE;
    return begin_expression(c) && run(c);
}

bool glia_tpl_filter_tail(tpl_compiler *c, bool first)
{
    bool again = false, done = false;
    if (!first && !tpl_is_sign(tpl_peek(c), '|')) return true;
    /* A root of its own, so that what follows ends inside it. */
    if (!open_entry(c, IN_ROOT, tpl_peek(c), false)) return false;
    if (first && !open_filter(c, &again)) return false;
    if (!again && !behind(c, AFTER_FILTER, &done)) return false;
    return done || run(c);
}
