/* The parser of signature lines: recursive descent of fixed depth over a short constant string of an op.
 *
 * Signatures are part of the library, so an error here is a defect of an op; it is still reported as one and
 * never trusted. Whoever adds to the language adds to docs/types.md. */
#include "graph/signature.h"

#include <string.h>

#include "base/check.h"

typedef struct sig_parser {
    const glia_op *op;
    glia_signature *s;
    const char *text;
    int at;
    int anonymous; /* plain `..` seen in this tensor */
    bool outputs;
} sig_parser;

static bool wrong(sig_parser *p, const char *what)
{
    if (!p->s->error) {
        p->s->error = what;
        p->s->error_at = p->at;
    }
    return false;
}

static void blanks(sig_parser *p)
{
    while (p->text[p->at] == ' ' || p->text[p->at] == '\n') p->at++;
}

static bool take(sig_parser *p, const char *word)
{
    blanks(p);
    size_t n = strlen(word);
    if (strncmp(p->text + p->at, word, n)) return false;
    p->at += (int)n;
    return true;
}

static bool peek(sig_parser *p, const char *word)
{
    blanks(p);
    return !strncmp(p->text + p->at, word, strlen(word));
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* A name into out; its length, 0 if there is none, -1 if it is too long. */
static int name(sig_parser *p, char *out)
{
    blanks(p);
    int n = 0;
    if (digit(p->text[p->at])) return 0;
    while (letter_or_digit(p->text[p->at + n])) n++;
    if (n >= GLIA_SIG_NAME) {
        wrong(p, "a name is longer than 15 letters");
        return -1;
    }
    memcpy(out, p->text + p->at, (size_t)n);
    out[n] = 0;
    p->at += n;
    return n;
}

static bool word(sig_parser *p, const char *w)
{
    blanks(p);
    size_t n = strlen(w);
    if (strncmp(p->text + p->at, w, n) || letter_or_digit(p->text[p->at + (int)n])) return false;
    p->at += (int)n;
    return true;
}

static bool number(sig_parser *p, int64_t *out)
{
    blanks(p);
    if (!digit(p->text[p->at])) return false;
    for (*out = 0; digit(p->text[p->at]); p->at++) {
        if (*out > INT32_MAX) return wrong(p, "a number is too large");
        *out = *out * 10 + (p->text[p->at] - '0');
    }
    return true;
}

int glia_op_attr(const glia_op *op, const char *attr_name, int len)
{
    for (int i = 0; op->attrs && op->attrs[i].name; i++) {
        if ((int)strlen(op->attrs[i].name) == len && !memcmp(op->attrs[i].name, attr_name, (size_t)len))
            return i;
    }
    return -1;
}

static int8_t intern(sig_parser *p, char table[][GLIA_SIG_NAME], int32_t *count, int max, const char *n)
{
    for (int i = 0; i < *count; i++) {
        if (!strcmp(table[i], n)) return (int8_t)i;
    }
    if (*count == max) {
        wrong(p, "too many different names");
        return 0;
    }
    memcpy(table[*count], n, strlen(n) + 1); /* the scanner cut n to GLIA_SIG_NAME */
    return (int8_t)(*count)++;
}

static int8_t variable(sig_parser *p, const char *n)
{
    return intern(p, p->s->var, &p->s->var_count, GLIA_SIG_VARS, n);
}
static int8_t group(sig_parser *p, const char *n)
{
    return intern(p, p->s->group, &p->s->group_count, GLIA_SIG_GROUPS, n);
}

/* ---- dtypes ---------------------------------------------------------------------------------------- */

static uint64_t class_mask(char c)
{
    uint64_t mask = 0;
    for (int t = GLIA_DTYPE_NONE + 1; t < GLIA_DTYPE_COUNT; t++) {
        uint32_t k = glia_dtype_get((glia_dtype)t)->classes;
        bool in = c == 'F'   ? k & GLIA_CLASS_FLOAT
                  : c == 'Q' ? k & GLIA_CLASS_QUANT
                  : c == 'A' ? k & GLIA_CLASS_ACTIVATION
                  : c == 'I' ? k & GLIA_CLASS_INT
                  : c == 'B' ? k & GLIA_CLASS_BOOL
                  : c == 'T' ? k & (GLIA_CLASS_FLOAT | GLIA_CLASS_INT | GLIA_CLASS_BOOL)
                             : true;
        if (in) mask |= (uint64_t)1 << t;
    }
    return mask;
}

/* A letter that stands alone names one dtype wherever it does; in a union, or on a state (whose storage may
 * be narrower than what is computed), it is only a class. */
static bool dtype(sig_parser *p, glia_sig_tensor *t)
{
    char n[GLIA_SIG_NAME];
    blanks(p);
    t->dtype_text = p->text + p->at;
    int parts = 0;
    do {
        if (name(p, n) <= 0) return wrong(p, "a dtype is expected");
        glia_dtype concrete = glia_dtype_parse(n);
        int attr = glia_op_attr(p->op, n, (int)strlen(n));
        parts++;
        if (!n[1] && strchr("TFQAIB", n[0])) {
            t->dtypes |= class_mask(n[0]);
            t->letter = n[0];
            t->quant |= n[0] == 'Q';
        } else if (!strcmp(n, "any")) {
            t->dtypes |= class_mask('*');
        } else if (concrete != GLIA_DTYPE_NONE) {
            t->dtypes |= (uint64_t)1 << concrete;
        } else if (attr >= 0 && p->op->attrs[attr].kind == GLIA_ATTR_DTYPE) {
            t->dtype_attr = (int8_t)attr;
            t->dtypes |= class_mask('*');
        } else {
            return wrong(p, "a dtype is neither a class, nor a format, nor a dtype attribute of this op");
        }
    } while (take(p, "|"));
    if (parts > 1 || t->state) t->letter = 0;
    t->dtype_text_len = (int32_t)(p->text + p->at - t->dtype_text);
    return true;
}

/* ---- axes -------------------------------------------------------------------------------------------- */

static bool ellipsis(sig_parser *p, glia_sig_axis *a)
{
    static const char *const plain[] = {"", "'", "''"};
    char n[GLIA_SIG_NAME];
    a->kind = GLIA_SIG_GROUP;
    do {
        if (a->count == GLIA_COUNT(a->id)) return wrong(p, "more than four groups broadcast together");
        bool named = letter_or_digit(p->text[p->at]) && !digit(p->text[p->at]);
        if (named && name(p, n) < 0) return false;
        if (!named && p->anonymous >= GLIA_COUNT(plain)) return wrong(p, "more than three `..` in one shape");
        a->id[a->count++] = group(p, named ? n : plain[p->anonymous++]);
    } while (take(p, "^"));
    a->optional = take(p, "?");
    return !p->s->error;
}

static bool merged(sig_parser *p, glia_sig_axis *a)
{
    char n[GLIA_SIG_NAME];
    a->kind = GLIA_SIG_MERGED;
    while (!take(p, ")")) {
        if (a->count == GLIA_COUNT(a->id)) return wrong(p, "more than four merged axes");
        if (name(p, n) <= 0) return wrong(p, "a name is expected in a merged axis");
        a->id[a->count++] = variable(p, n);
    }
    return a->count >= 2 || wrong(p, "a merged axis has at least two names");
}

static bool axis(sig_parser *p, glia_sig_axis *a)
{
    char n[GLIA_SIG_NAME];
    *a = (glia_sig_axis){.at = -1};
    if (take(p, "..")) return ellipsis(p, a);
    if (take(p, "(")) {
        if (!merged(p, a)) return false;
    } else if (take(p, "#")) {
        a->kind = GLIA_SIG_ATTR;
        if (name(p, n) <= 0) return wrong(p, "an attribute's name is expected after #");
        a->id[0] = (int8_t)glia_op_attr(p->op, n, (int)strlen(n));
        if (a->id[0] < 0 || p->op->attrs[a->id[0]].kind != GLIA_ATTR_INT)
            return wrong(p, "# names no integer attribute of this op");
    } else if (number(p, &a->number)) {
        a->kind = GLIA_SIG_NUMBER;
    } else if (word(p, "sum")) {
        a->kind = GLIA_SIG_SUM;
        if (!take(p, "(") || name(p, n) <= 0 || !take(p, ")")) return wrong(p, "sum(name) is expected");
        a->id[0] = variable(p, n);
        p->s->summed[a->id[0]] = true;
    } else if (name(p, n) > 0) {
        a->kind = GLIA_SIG_NAMED;
        a->id[0] = variable(p, n);
    } else {
        return wrong(p, "an axis is expected");
    }
    if (!a->count) a->count = 1;
    if (take(p, "@")) {
        if (name(p, n) <= 0) return wrong(p, "an attribute's name is expected after @");
        a->at = (int8_t)glia_op_attr(p->op, n, (int)strlen(n));
        if (a->at < 0 || p->op->attrs[a->at].kind != GLIA_ATTR_INT)
            return wrong(p, "@ names no integer attribute of this op");
    }
    a->coupled = take(p, "!");
    return !p->s->error;
}

static bool shape(sig_parser *p, glia_sig_tensor *t)
{
    blanks(p);
    t->shape_text = p->text + p->at;
    if (!take(p, "[")) return wrong(p, "[ is expected");
    p->anonymous = 0;
    int groups = 0, placed = 0;
    t->shape_text_len = 2;
    if (take(p, "]")) return true;
    do {
        if (t->axis_count == GLIA_SIG_AXES) return wrong(p, "too many axes");
        glia_sig_axis *a = &t->axis[t->axis_count++];
        if (!axis(p, a)) return false;
        groups += a->kind == GLIA_SIG_GROUP;
        placed += a->at >= 0;
    } while (take(p, ","));
    if (!take(p, "]")) return wrong(p, "] is expected");
    t->shape_text_len = (int32_t)(p->text + p->at - t->shape_text);
    /* Two groups are told apart by the place of the axis between them. */
    if (!p->outputs && (groups > 2 || (groups == 2 && placed != 1)))
        return wrong(p, "two groups need one axis with @ between them");
    return true;
}

/* ---- tensors ----------------------------------------------------------------------------------------- */

static int input_named(const glia_signature *s, const char *n)
{
    for (int i = 0; i < s->in_count; i++) {
        if (!strcmp(s->in[i].name, n)) return i;
    }
    return -1;
}

static bool input(sig_parser *p)
{
    if (p->s->in_count == GLIA_SIG_INPUTS) return wrong(p, "too many inputs");
    if (p->s->in_count && p->s->in[p->s->in_count - 1].variadic)
        return wrong(p, "a variadic input is the last");
    glia_sig_tensor *t = &p->s->in[p->s->in_count];
    t->like = t->next = t->dtype_attr = -1;
    if (name(p, t->name) <= 0) return wrong(p, "an input's name is expected");
    if (input_named(p->s, t->name) >= 0) return wrong(p, "two inputs have one name");
    t->optional = take(p, "?");
    t->variadic = !t->optional && take(p, "*");
    if (!take(p, ":")) return wrong(p, ": is expected");
    t->state = word(p, "state");
    if (!dtype(p, t) || !shape(p, t)) return false;
    p->s->in_count++;
    return true;
}

static bool output(sig_parser *p)
{
    char n[GLIA_SIG_NAME];
    if (p->s->out_count == GLIA_SIG_OUTPUTS) return wrong(p, "too many outputs");
    glia_sig_tensor *t = &p->s->out[p->s->out_count++];
    t->like = t->next = t->dtype_attr = -1;
    if (name(p, t->name) <= 0) return wrong(p, "an output's name is expected");
    if (!take(p, ":")) {
        int i = input_named(p->s, t->name);
        if (i < 0 || !p->s->in[i].state)
            return wrong(p, "an output without a type is the next version of a state input");
        t->next = t->like = (int8_t)i;
        return true;
    }
    if (word(p, "like")) {
        if (!take(p, "(") || name(p, n) <= 0 || !take(p, ")")) return wrong(p, "like(name) is expected");
        t->like = (int8_t)input_named(p->s, n);
        return t->like >= 0 || wrong(p, "like() names no input");
    }
    return dtype(p, t) && shape(p, t);
}

/* ---- side conditions --------------------------------------------------------------------------------- */

static bool factor(sig_parser *p, glia_sig_term *t)
{
    char n[GLIA_SIG_NAME];
    int64_t c;
    if (take(p, "#")) {
        if (name(p, n) <= 0) return wrong(p, "an attribute's name is expected after #");
        t->attr = (int8_t)glia_op_attr(p->op, n, (int)strlen(n));
        return (t->attr >= 0 && p->op->attrs[t->attr].kind == GLIA_ATTR_INT) ||
               wrong(p, "# names no integer attribute of this op");
    }
    if (number(p, &c)) {
        t->number *= c;
        return t->number <= INT32_MAX || wrong(p, "a number is too large");
    }
    if (word(p, "block")) {
        if (!take(p, "(") || name(p, n) <= 0 || !take(p, ")")) return wrong(p, "block(input) is expected");
        t->block = (int8_t)input_named(p->s, n);
        return t->block >= 0 || wrong(p, "block() names no input");
    }
    if (name(p, n) <= 0) return wrong(p, "a term is expected");
    for (int i = 0; i < p->s->var_count; i++) {
        if (strcmp(p->s->var[i], n)) continue;
        if (t->var >= 0 && t->var2 >= 0) return wrong(p, "more than two names in a product");
        if (t->var >= 0) t->var2 = (int8_t)i;
        else t->var = (int8_t)i;
        return true;
    }
    return wrong(p, "a condition names no axis");
}

static bool term(sig_parser *p, glia_sig_term *t)
{
    *t = (glia_sig_term){.var = -1, .attr = -1, .block = -1, .var2 = -1, .number = 1};
    do {
        if (!factor(p, t)) return false;
    } while (take(p, "*"));
    return true;
}

static bool condition(sig_parser *p)
{
    if (p->s->condition_count == GLIA_SIG_CONDITIONS) return wrong(p, "too many conditions");
    glia_sig_condition *c = &p->s->condition[p->s->condition_count++];
    blanks(p);
    c->text = p->text + p->at;
    if (!term(p, &c->left)) return false;
    if (word(p, "divides")) c->relation = GLIA_SIG_DIVIDES;
    else if (take(p, "<=")) c->relation = GLIA_SIG_AT_MOST;
    else if (take(p, "=")) c->relation = GLIA_SIG_EQUAL;
    else return wrong(p, "divides, <= or = is expected");
    if (!term(p, &c->right)) return false;
    c->text_len = (int32_t)(p->text + p->at - c->text);
    return true;
}

/* Open addressing by the operation's address; at most half full. */
typedef struct table {
    glia_signature **at;
    const glia_op **op;
    int64_t size, count;
} table;

static int64_t slot_of(const table *t, const glia_op *op)
{
    uint64_t h = (uint64_t)(uintptr_t)op * 0x9E3779B97F4A7C15u;
    int64_t i = (int64_t)(h >> 20 & (uint64_t)(t->size - 1));
    while (t->op[i] && t->op[i] != op) i = (i + 1) & (t->size - 1);
    return i;
}

static bool make_room(glia_graph *g, table *t)
{
    table old = *t;
    if (t->size && 2 * (t->count + 1) <= t->size) return true;
    t->size = old.size ? 2 * old.size : 16;
    t->at = GLIA_NEW_ARRAY(&g->arena, glia_signature *, t->size);
    t->op = GLIA_NEW_ARRAY(&g->arena, const glia_op *, t->size);
    if (!t->at || !t->op) return false;
    for (int64_t i = 0; i < old.size; i++) {
        if (!old.op[i]) continue;
        int64_t to = slot_of(t, old.op[i]);
        t->op[to] = old.op[i];
        t->at[to] = old.at[i];
    }
    return true;
}

const glia_signature *glia_signature_find(const glia_graph *g, const glia_op *op)
{
    const table *t = g->signatures;
    if (!t || !t->size) return NULL;
    return t->at[slot_of(t, op)];
}

const glia_signature *glia_signature_add(glia_graph *g, const glia_op *op)
{
    const glia_signature *have = glia_signature_find(g, op);
    if (have) return have;
    if (!g->signatures) g->signatures = GLIA_NEW(&g->arena, table);
    table *t = g->signatures;
    glia_signature *s = GLIA_NEW(&g->arena, glia_signature);
    if (!t || !s || !make_room(g, t)) {
        glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph");
        return NULL;
    }
    if (!glia_signature_parse(op, s)) {
        glia_graph_fail(g, GLIA_E_INTERNAL, "G0118", "the signature of `%s` is malformed at byte %d: %s",
                        op->name, (int)s->error_at, s->error);
        return NULL;
    }
    const int64_t slot = slot_of(t, op);
    t->op[slot] = op;
    t->at[slot] = s;
    t->count++;
    return s;
}

bool glia_signature_parse(const glia_op *op, glia_signature *s)
{
    sig_parser p = {.op = op, .s = s, .text = op->signature};
    memset(s, 0, sizeof *s);
    while (!peek(&p, "->")) {
        if (!input(&p)) return false;
        if (!take(&p, ",") && !peek(&p, "->")) return wrong(&p, ", or -> is expected");
    }
    take(&p, "->");
    p.outputs = true;
    do {
        if (!output(&p)) return false;
    } while (take(&p, ","));
    if (word(&p, "where")) {
        do {
            if (!condition(&p)) return false;
        } while (take(&p, ",") || word(&p, "and"));
    }
    blanks(&p);
    if (p.text[p.at]) return wrong(&p, "the line should end here");
    return !s->error;
}

const glia_sig_tensor *glia_signature_input(const glia_signature *s, int i)
{
    if (i < s->in_count) return &s->in[i];
    return s->in_count && s->in[s->in_count - 1].variadic ? &s->in[s->in_count - 1] : 0;
}
