/* The parser of signature lines; see docs/types.md for the grammar. Not recursive. */
#include "graph/lite_sig.h"

#include "base/check.h"

#include <string.h>

typedef struct scanner {
    const char *p;
    bool failed;
} scanner;

bool sig_same(sig_name a, sig_name b) { return a.size == b.size && !memcmp(a.at, b.at, (size_t)a.size); }

static void blank(scanner *s)
{
    while (*s->p == ' ' || *s->p == '\n' || *s->p == '\t') s->p++;
}

static bool eat(scanner *s, const char *what)
{
    size_t n = strlen(what);
    blank(s);
    if (strncmp(s->p, what, n)) return false;
    s->p += n;
    return true;
}

static void need(scanner *s, const char *what)
{
    if (!s->failed && !eat(s, what)) s->failed = true;
}

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

static sig_name word(scanner *s)
{
    blank(s);
    sig_name n = {s->p, 0};
    while (letter(s->p[0])) s->p++;
    n.size = (int)(s->p - n.at);
    return n;
}

static bool is_word(sig_name n, const char *text) { return n.size == (int)strlen(text) && !memcmp(n.at, text, (size_t)n.size); }

static sig_dim parse_dim(scanner *s)
{
    sig_dim d = {0};
    if (eat(s, "..")) {
        d.kind = SIG_DIM_ELLIPSIS;
        d.name = letter(*s->p) ? word(s) : (sig_name){s->p, 0};
        if (eat(s, "^")) d.other = word(s);
        if (eat(s, "?")) d.optional = true;
        return d;
    }
    if (eat(s, "#")) {
        d.kind = SIG_DIM_ATTR;
        d.name = word(s);
        return d;
    }
    d.name = word(s);
    if (d.name.size == 0) s->failed = true;
    if (d.name.size && d.name.at[0] >= '0' && d.name.at[0] <= '9') {
        d.kind = SIG_DIM_CONST;
        for (int i = 0; i < d.name.size && i < 12; i++) d.number = d.number * 10 + (d.name.at[i] - '0');
    }
    if (eat(s, "!")) d.coupled = true;
    return d;
}

static void parse_dims(scanner *s, sig_operand *o)
{
    need(s, "[");
    if (eat(s, "]")) return;
    do {
        if (o->dim_count == SIG_DIMS_MAX) s->failed = true;
        if (s->failed) return;
        o->dims[o->dim_count++] = parse_dim(s);
    } while (eat(s, ","));
    need(s, "]");
}

static void parse_dtype(scanner *s, sig_operand *o)
{
    int alternatives = 0;
    char single = 0;
    do {
        sig_name n = word(s);
        alternatives++;
        glia_dtype t = GLIA_DTYPE_NONE;
        char text[16] = {0};
        if (n.size > 0 && n.size < 16) {
            memcpy(text, n.at, (size_t)n.size);
            t = glia_dtype_parse(text);
        }
        if (is_word(n, "any")) o->any = true;
        else if (n.size == 1 && *n.at == 'T') o->any = true, single = 'T';
        else if (n.size == 1 && *n.at == 'F') o->classes |= GLIA_CLASS_FLOAT, single = 'F';
        else if (n.size == 1 && *n.at == 'Q') o->classes |= GLIA_CLASS_QUANT, single = 'Q';
        else if (n.size == 1 && *n.at == 'A') o->classes |= GLIA_CLASS_ACTIVATION, single = 'A';
        else if (n.size == 1 && *n.at == 'I') o->classes |= GLIA_CLASS_INT, single = 'I';
        else if (n.size == 1 && *n.at == 'B') o->classes |= GLIA_CLASS_BOOL, single = 'B';
        else if (t != GLIA_DTYPE_NONE) o->exact |= 1ull << t;
        else if (n.size) o->attr_dtype = n;
        else s->failed = true;
    } while (!s->failed && eat(s, "|"));
    o->letter = alternatives == 1 ? single : 0;
}

static int find_input(const signature *g, sig_name n)
{
    for (int i = 0; i < g->in_count; i++)
        if (sig_same(g->in[i].name, n)) return i;
    return -1;
}

static void parse_operand(scanner *s, signature *g, bool output)
{
    int *count = output ? &g->out_count : &g->in_count;
    if (*count == SIG_OPERANDS_MAX) {
        s->failed = true;
        return;
    }
    sig_operand *o = output ? &g->out[*count] : &g->in[*count];
    *o = (sig_operand){.like = -1, .next_of = -1};
    o->name = word(s);
    if (o->name.size == 0) s->failed = true;
    if (eat(s, "?")) o->optional = true;
    if (eat(s, "*")) o->variadic = true;
    if (!eat(s, ":")) { /* a state's next version */
        o->next_of = output ? find_input(g, o->name) : -1;
        if (o->next_of < 0) s->failed = true;
        (*count)++;
        return;
    }
    blank(s);
    if (!strncmp(s->p, "state ", 6)) {
        s->p += 6;
        o->state = true;
    }
    if (output && eat(s, "like(")) {
        o->like = find_input(g, word(s));
        if (o->like < 0) s->failed = true;
        need(s, ")");
    } else {
        parse_dtype(s, o);
        parse_dims(s, o);
    }
    (*count)++;
}

static void parse_where(scanner *s, signature *g)
{
    do {
        if (g->where_count == SIG_WHERE_MAX) s->failed = true;
        if (s->failed) return;
        sig_where *w = &g->where[g->where_count++];
        w->left = parse_dim(s);
        if (eat(s, "divides")) w->relation = SIG_DIVIDES;
        else if (eat(s, "<=")) w->relation = SIG_AT_MOST;
        else s->failed = true;
        w->right = parse_dim(s);
    } while (eat(s, ",") || eat(s, "and"));
}

bool signature_parse(const char *text, signature *g, const char **at)
{
    scanner s = {text, false};
    g->in_count = g->out_count = g->where_count = 0;
    do parse_operand(&s, g, false);
    while (!s.failed && eat(&s, ","));
    need(&s, "->");
    if (!s.failed)
        do parse_operand(&s, g, true);
        while (!s.failed && eat(&s, ","));
    if (!s.failed && eat(&s, "where")) parse_where(&s, g);
    blank(&s);
    *at = s.p;
    return !s.failed && !*s.p;
}
