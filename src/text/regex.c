/* Pattern -> tree -> program of a few instructions, walked by a set of threads at once (regex.h).
 *
 *     threads at a place of the text:  a set of instructions, each at most once
 *     one character further:           those whose set it is in, and what can be reached from there without a character
 *
 * Which alternative is preferred decides nothing when all of the text has to match, so neither order nor captures are
 * kept. The parser recurses into groups, DEPTH_MAX deep; repeats with bounds are written out. */
#include "text/regex.h"
#include "base/check.h"
#include "base/utf8.h"
#include "text/tpl.h"

#include <string.h>

enum {
    DEPTH_MAX = 64,
    REPEAT_MAX = 1000,
    PROGRAM_MAX = 65536,
    WORK_MAX = 1 << 20,
    CODE_POINT_MAX = 0x10FFFF
};

typedef struct range {
    uint32_t first, last;
} range;

typedef struct set {
    range *ranges;
    int64_t count, capacity;
    bool negated, fold, letters, not_letters; /* the classes \pL and \PL */
} set;

typedef enum { TEXT_BEGIN, TEXT_END, LINE_BEGIN, LINE_END, WORD_EDGE, NO_WORD_EDGE } edge;

typedef enum { EMPTY, ONE, EDGE, CAT, ALT, REPEAT } kind;
typedef struct node node;
struct node {
    uint8_t kind, edge;
    int32_t min, max; /* REPEAT; max -1: no bound */
    const set *set;   /* ONE */
    node *first, *next;
};

typedef enum { STEP_SET, STEP_EDGE, STEP_SPLIT, STEP_JUMP, STEP_END } step_kind;
typedef struct step {
    uint8_t kind, edge;
    int32_t to, or_to;
    const set *set;
} step;

typedef struct threads {
    int32_t *list, *place; /* place[s]: where s would stand in the list */
    int32_t count;
} threads;

struct glia_regex {
    step *steps;
    int64_t count, capacity;
    threads now, then;
    int32_t *stack; /* [2 count + 1] */
};

typedef struct parser {
    glia_arena *arena;
    const char *at, *end;
    const char *why;
    bool missing; /* why: known, but not built */
    bool fold, lines, dot_all;
    int depth;
    int64_t work; /* of compiling: repeats of nothing write no step */
} parser;

/* ---- sets */

static void *wrong(parser *p, const char *why)
{
    if (!p->why) p->why = why;
    return NULL;
}

static void *absent(parser *p, const char *why)
{
    if (!p->why) p->missing = true;
    return wrong(p, why);
}

static void add_range(parser *p, set *s, uint32_t first, uint32_t last)
{
    if (s->count == s->capacity) {
        range *more = glia_arena_grow(p->arena, s->ranges, s->count, &s->capacity, (int64_t)sizeof(range));
        if (!more) {
            wrong(p, "no memory");
            return;
        }
        s->ranges = more;
    }
    s->ranges[s->count++] = (range){first, last};
}

static bool in_ranges(const set *s, uint32_t c)
{
    for (int64_t i = 0; i < s->count; i++)
        if (c >= s->ranges[i].first && c <= s->ranges[i].last) return true;
    return (s->letters && glia_tpl_is_letter(c)) || (s->not_letters && !glia_tpl_is_letter(c));
}

/* U+017F and U+212A fold to s and k. */
static uint32_t folded(uint32_t c) { return c == 0x17F ? 's' : c == 0x212A ? 'k' : glia_tpl_lower(c); }

static bool in_set(const set *s, uint32_t c)
{
    bool in = in_ranges(s, c);
    if (!in && s->fold) {
        const uint32_t low = folded(c), up = glia_tpl_upper(low);
        in = in_ranges(s, low) || in_ranges(s, up) || (low == 's' && in_ranges(s, 0x17F)) ||
             (low == 'k' && in_ranges(s, 0x212A));
    }
    return in != s->negated;
}

typedef struct named_class {
    const char *name;
    range ranges[4];
} named_class;

static const named_class posix[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{1, 0x7F}}}, /* 0 is added below: an empty row ends the list */
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{1, 0x1F}, {0x7F, 0x7F}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
    /* of Perl: \s has no vertical tab */
    {"d", {{'0', '9'}}},
    {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
    {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
};

/* A class, or with `negated` all but it; its ranges are ascending. */
static void add_class(parser *p, set *s, const named_class *c, bool negated)
{
    const bool nul = !strcmp(c->name, "ascii") || !strcmp(c->name, "cntrl");
    uint32_t from = 0;
    for (int i = 0; i < 4 && c->ranges[i].last; i++) {
        const uint32_t first = nul && i == 0 ? 0 : c->ranges[i].first;
        if (!negated) add_range(p, s, first, c->ranges[i].last);
        else if (first > from) add_range(p, s, from, first - 1);
        from = c->ranges[i].last + 1;
    }
    if (negated) add_range(p, s, from, CODE_POINT_MAX);
}

static const named_class *find_class(const char *name, int64_t size)
{
    for (int i = 0; i < GLIA_COUNT(posix); i++)
        if ((int64_t)strlen(posix[i].name) == size && !memcmp(posix[i].name, name, (size_t)size))
            return &posix[i];
    return NULL;
}

/* ---- characters and escapes */

static bool looking_at(const parser *p, const char *s)
{
    const int64_t n = (int64_t)strlen(s);
    return p->end - p->at >= n && !memcmp(p->at, s, (size_t)n);
}

static bool take(parser *p, const char *s)
{
    if (!looking_at(p, s)) return false;
    p->at += strlen(s);
    return true;
}

static uint32_t take_char(parser *p)
{
    int len = 1;
    bool good = false;
    const uint32_t c = p->at < p->end ? glia_utf8_decode(p->at, p->end - p->at, &len, &good) : 0;
    if (!good) wrong(p, "the pattern ends early, or is no UTF-8");
    else p->at += len;
    return c;
}

static int digit_of(char c, int base)
{
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : 99;
    return v < base ? v : -1;
}

/* At most `most` digits; -1 without one. */
static int64_t take_number(parser *p, int base, int most)
{
    int64_t v = -1;
    for (int i = 0; i < most && p->at < p->end && digit_of(*p->at, base) >= 0; i++, p->at++)
        v = (v < 0 ? 0 : v * base) + digit_of(*p->at, base);
    return v;
}

/* What follows a backslash, as one character. */
static uint32_t take_escape(parser *p)
{
    static const char letters[] = "aftnrv", means[] = "\a\f\t\n\r\v";
    const char c = p->at < p->end ? *p->at : 0;
    const char *letter = c ? strchr(letters, c) : NULL;
    int64_t v = -1;
    if (letter) {
        p->at++;
        return (uint32_t)(unsigned char)means[letter - letters];
    }
    if (take(p, "x{")) {
        v = take_number(p, 16, 8);
        if (!take(p, "}")) v = -1;
    } else if (take(p, "x")) {
        const char *from = p->at;
        v = take_number(p, 16, 2);
        if (p->at - from != 2) v = -1;
    } else if (c == '0' || (c >= '1' && c <= '7' && p->end - p->at > 1 && digit_of(p->at[1], 8) >= 0)) {
        v = take_number(p, 8, 3);
    } else if (c > 0 && digit_of(c, 10) < 0 && !glia_tpl_is_letter((uint32_t)c)) {
        p->at++;
        return (uint32_t)c;
    }
    if (v < 0 || v > CODE_POINT_MAX) {
        if (c == 'C') absent(p, "\\C, a single byte, is not built");
        wrong(p, "an escape that is none");
        return 0;
    }
    return (uint32_t)v;
}

/* \d, \W, \pL and so on, after the backslash; false: it is none of them. */
static bool take_class(parser *p, set *s)
{
    if (p->at >= p->end) return false;
    const char c = *p->at, low = (char)(c | 32);
    if (low == 'd' || low == 's' || low == 'w') {
        p->at++;
        add_class(p, s, find_class(&low, 1), c != low);
        return true;
    }
    if (low != 'p') return false;
    bool negated = c == 'P';
    p->at++;
    if (take(p, "{^L}") || take(p, "{^Letter}")) negated = !negated;
    else if (!take(p, "L") && !take(p, "{L}") && !take(p, "{Letter}"))
        absent(p, "classes of Unicode other than \\pL are not built");
    if (negated) s->not_letters = true;
    else s->letters = true;
    return true;
}

/* ---- the tree */

static node *node_new(parser *p, kind k)
{
    node *n = GLIA_NEW(p->arena, node);
    if (!n) return wrong(p, "no memory");
    n->kind = (uint8_t)k;
    return n;
}

static node *one_of(parser *p, set **s)
{
    node *n = node_new(p, ONE);
    *s = n ? GLIA_NEW(p->arena, set) : NULL;
    if (!*s) return wrong(p, "no memory");
    (*s)->fold = p->fold;
    n->set = *s;
    return n;
}

static node *literal(parser *p, uint32_t c)
{
    set *s;
    node *n = one_of(p, &s);
    if (n) add_range(p, s, c, c);
    return n;
}

static node *at_edge(parser *p, edge e)
{
    node *n = node_new(p, EDGE);
    if (n) n->edge = (uint8_t)e;
    return n;
}

/* One end of a range in brackets. */
static uint32_t set_char(parser *p) { return take(p, "\\") ? take_escape(p) : take_char(p); }

static void set_item(parser *p, set *s)
{
    const char *from = p->at;
    if (looking_at(p, "[:")) {
        const bool negated = (p->at += 2, take(p, "^"));
        const char *name = p->at;
        while (p->at < p->end && *p->at != ':') p->at++;
        const named_class *c = p->at - name > 1 ? find_class(name, p->at - name) : NULL;
        if (c && take(p, ":]")) {
            add_class(p, s, c, negated);
            return;
        }
        wrong(p, "a class in [: :] that is not known");
        return;
    }
    if (take(p, "\\")) {
        if (take_class(p, s)) return;
        p->at = from;
    }
    const uint32_t first = set_char(p);
    uint32_t last = first;
    if (looking_at(p, "-") && !looking_at(p, "-]")) {
        p->at++;
        last = set_char(p);
    }
    if (last < first) wrong(p, "a range in brackets that goes down");
    else if (!p->why) add_range(p, s, first, last);
}

/* After the opening bracket. */
static node *bracket(parser *p)
{
    set *s;
    node *n = one_of(p, &s);
    if (!n) return NULL;
    s->negated = take(p, "^");
    for (bool first = true; !p->why && (first || !looking_at(p, "]")); first = false) {
        if (p->at >= p->end) return wrong(p, "brackets without their end");
        set_item(p, s);
    }
    take(p, "]");
    return n;
}

static node *alternatives(parser *p);

/* Flags after "(?": true when they hold for the rest of the group that they stand in. */
static bool take_flags(parser *p)
{
    bool on = true;
    while (p->at < p->end && !p->why) {
        const char c = *p->at++;
        if (c == ')') return true;
        if (c == ':') return false;
        if (c == '-' && on) on = false;
        else if (c == 'i') p->fold = on;
        else if (c == 'm') p->lines = on;
        else if (c == 's') p->dot_all = on;
        else if (c != 'U')
            wrong(p, "(? with a sign that is no flag; look-around is not part of the language");
    }
    wrong(p, "a group without its end");
    return false;
}

/* After the opening parenthesis. */
static node *group(parser *p)
{
    const parser outer = *p;
    if (take(p, "?P<") ||
        (looking_at(p, "?<") && !looking_at(p, "?<=") && !looking_at(p, "?<!") && take(p, "?<"))) {
        while (p->at < p->end && (digit_of(*p->at, 10) >= 0 || *p->at == '_' ||
                                  glia_tpl_is_letter((uint32_t)(unsigned char)*p->at)))
            p->at++;
        if (!take(p, ">")) return wrong(p, "a group's name without its end");
    } else if (take(p, "?")) {
        if (take_flags(p)) return node_new(p, EMPTY); /* they hold on */
    }
    if (p->depth >= DEPTH_MAX) return absent(p, "groups are nested too deeply");
    p->depth++;
    node *n = alternatives(p);
    p->depth--;
    p->fold = outer.fold;
    p->lines = outer.lines;
    p->dot_all = outer.dot_all;
    if (!take(p, ")")) return wrong(p, "a group without its end");
    return n;
}

static node *escape(parser *p)
{
    if (take(p, "A")) return at_edge(p, TEXT_BEGIN);
    if (take(p, "z")) return at_edge(p, TEXT_END);
    if (take(p, "b")) return at_edge(p, WORD_EDGE);
    if (take(p, "B")) return at_edge(p, NO_WORD_EDGE);
    set *s;
    const char c = p->at < p->end ? (char)(*p->at | 32) : 0;
    if (c == 'd' || c == 's' || c == 'w' || c == 'p') {
        node *n = one_of(p, &s);
        if (n) take_class(p, s);
        return n;
    }
    return literal(p, take_escape(p));
}

/* \Q..\E, after the Q. */
static node *quoted(parser *p)
{
    node *all = node_new(p, CAT);
    for (node **to = all ? &all->first : NULL; to && p->at < p->end && !take(p, "\\E") && !p->why;
         to = &(*to)->next)
        if (!(*to = literal(p, take_char(p)))) return NULL;
    return all;
}

static node *atom(parser *p)
{
    if (take(p, "(")) return group(p);
    if (take(p, "[")) return bracket(p);
    if (take(p, "^")) return at_edge(p, p->lines ? LINE_BEGIN : TEXT_BEGIN);
    if (take(p, "$")) return at_edge(p, p->lines ? LINE_END : TEXT_END);
    if (take(p, "\\Q")) return quoted(p);
    if (take(p, "\\")) return escape(p);
    if (take(p, ".")) {
        set *s;
        node *n = one_of(p, &s);
        if (!n) return NULL;
        s->negated = true;
        if (!p->dot_all) add_range(p, s, '\n', '\n');
        return n;
    }
    if (looking_at(p, "*") || looking_at(p, "+") || looking_at(p, "?"))
        return wrong(p, "a repeat of nothing");
    return literal(p, take_char(p));
}

/* {m}, {m,} or {m,n}; where it is none of them the brace is a character of its own. */
static bool take_bounds(parser *p, int64_t *min, int64_t *max)
{
    const char *from = p->at;
    if (take(p, "{")) {
        *min = take_number(p, 10, 9);
        *max = *min;
        if (*min >= 0 && take(p, ",")) *max = take_number(p, 10, 9);
        if (*min >= 0 && take(p, "}")) return true;
    }
    p->at = from;
    return false;
}

static node *repeated(parser *p, node *n)
{
    for (bool again = false;; again = true) {
        int64_t min = 0, max = -1;
        if (take(p, "+")) min = 1;
        else if (take(p, "?")) max = 1;
        else if (!take(p, "*") && !take_bounds(p, &min, &max)) return n;
        if (again) return wrong(p, "a repeat of a repeat");
        if (min > REPEAT_MAX || max > REPEAT_MAX) return wrong(p, "a repeat above 1000");
        if (max >= 0 && max < min) return wrong(p, "a repeat whose bounds are the wrong way round");
        take(p, "?");
        node *r = node_new(p, REPEAT);
        if (!r) return NULL;
        r->min = (int32_t)min;
        r->max = (int32_t)max;
        r->first = n;
        n = r;
    }
}

static node *sequence(parser *p)
{
    node *all = node_new(p, CAT);
    if (!all) return NULL;
    for (node **to = &all->first; p->at < p->end && *p->at != '|' && *p->at != ')'; to = &(*to)->next) {
        node *n = atom(p);
        if (!n || p->why) return NULL;
        *to = repeated(p, n);
        if (!*to || p->why) return NULL;
    }
    return all;
}

static node *alternatives(parser *p)
{
    node *all = node_new(p, ALT);
    if (!all) return NULL;
    node **to = &all->first;
    do {
        if (!(*to = sequence(p))) return NULL;
        to = &(*to)->next;
    } while (take(p, "|"));
    return all;
}

/* ---- the program */

static int32_t add_step(parser *p, glia_regex *r, step s)
{
    if (r->count >= PROGRAM_MAX) {
        absent(p, "its program is too long");
        return 0;
    }
    if (r->count == r->capacity) {
        step *more = glia_arena_grow(p->arena, r->steps, r->count, &r->capacity, (int64_t)sizeof(step));
        if (!more) {
            wrong(p, "no memory");
            return 0;
        }
        r->steps = more;
    }
    r->steps[r->count] = s;
    return (int32_t)r->count++;
}

static void compile(parser *p, glia_regex *r, const node *n);

/* SPLIT over: n; behind it, and (when again) back. */
static void compile_optional(parser *p, glia_regex *r, const node *n, bool again)
{
    const int32_t split = add_step(p, r, (step){.kind = STEP_SPLIT});
    compile(p, r, n);
    if (again) add_step(p, r, (step){.kind = STEP_JUMP, .to = split});
    if (p->why) return;
    r->steps[split].to = split + 1;
    r->steps[split].or_to = (int32_t)r->count;
}

static void compile_alternatives(parser *p, glia_regex *r, const node *first)
{
    int32_t last = -1; /* the jumps to the end, linked through `to` */
    for (const node *n = first; n && !p->why; n = n->next) {
        if (!n->next) {
            compile(p, r, n);
            break;
        }
        const int32_t split = add_step(p, r, (step){.kind = STEP_SPLIT});
        compile(p, r, n);
        last = add_step(p, r, (step){.kind = STEP_JUMP, .to = last});
        if (p->why) return;
        r->steps[split].to = split + 1;
        r->steps[split].or_to = (int32_t)r->count;
    }
    while (last >= 0 && !p->why) {
        const int32_t before = r->steps[last].to;
        r->steps[last].to = (int32_t)r->count;
        last = before;
    }
}

/* Its depth is that of groups. */
static void compile(parser *p, glia_regex *r, const node *n)
{
    if (++p->work > WORK_MAX) absent(p, "its program is too long");
    if (p->why || n->kind == EMPTY) return;
    if (n->kind == ONE) add_step(p, r, (step){.kind = STEP_SET, .set = n->set});
    if (n->kind == EDGE) add_step(p, r, (step){.kind = STEP_EDGE, .edge = n->edge});
    if (n->kind == ALT) compile_alternatives(p, r, n->first);
    if (n->kind == CAT)
        for (const node *m = n->first; m && !p->why; m = m->next) compile(p, r, m);
    if (n->kind != REPEAT) return;
    for (int32_t i = 0; i < n->min && !p->why; i++) compile(p, r, n->first);
    if (n->max < 0) compile_optional(p, r, n->first, true);
    for (int32_t i = n->min; i < n->max && !p->why; i++) compile_optional(p, r, n->first, false);
}

static bool threads_new(glia_arena *a, threads *t, int64_t count)
{
    t->list = GLIA_NEW_ARRAY(a, int32_t, count);
    t->place = GLIA_NEW_ARRAY(a, int32_t, count);
    return t->list && t->place;
}

glia_status glia_regex_compile(glia_arena *a, const char *pattern, int64_t size, glia_regex **out,
                               glia_error *e)
{
    parser p = {.arena = a, .at = pattern, .end = pattern + size};
    glia_regex *r = *out = GLIA_NEW(a, glia_regex);
    node *n = r ? alternatives(&p) : NULL;
    if (n && !p.why && p.at < p.end) wrong(&p, "a closing parenthesis without its opening one");
    if (n && !p.why) compile(&p, r, n);
    if (n && !p.why) add_step(&p, r, (step){.kind = STEP_END});
    if (p.why && !a->failed)
        return glia_fail(e, p.missing ? GLIA_E_UNSUPPORTED : GLIA_E_FORMAT, "G1045",
                         "pattern `%.*s`, at byte %lld: %s", (int)glia_min(size, 200), pattern,
                         (long long)(p.at - pattern), p.why);
    if (!p.why && n && threads_new(a, &r->now, r->count) && threads_new(a, &r->then, r->count) &&
        (r->stack = GLIA_NEW_ARRAY(a, int32_t, 2 * r->count + 1)))
        return GLIA_OK;
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a pattern");
}

/* ---- matching */

typedef struct place {
    uint32_t before, after; /* characters; CODE_POINT_MAX + 1: none */
} place;

enum { NONE = CODE_POINT_MAX + 1 };

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool holds(edge e, place at)
{
    switch (e) {
    case TEXT_BEGIN: return at.before == NONE;
    case TEXT_END: return at.after == NONE;
    case LINE_BEGIN: return at.before == NONE || at.before == '\n';
    case LINE_END: return at.after == NONE || at.after == '\n';
    case WORD_EDGE: return is_word(at.before) != is_word(at.after);
    case NO_WORD_EDGE: break;
    }
    return is_word(at.before) == is_word(at.after);
}

static bool add_thread(threads *t, int32_t s)
{
    const int32_t i = t->place[s];
    if (i >= 0 && i < t->count && t->list[i] == s) return false;
    t->place[s] = t->count;
    t->list[t->count++] = s;
    return true;
}

/* s, and all that it leads to without a character. */
static void follow(const glia_regex *r, threads *t, int32_t s, place at)
{
    int32_t *stack = r->stack, count = 0;
    stack[count++] = s;
    while (count) {
        s = stack[--count];
        if (!add_thread(t, s)) continue;
        const step *p = &r->steps[s];
        if (p->kind == STEP_JUMP || p->kind == STEP_SPLIT) stack[count++] = p->to;
        if (p->kind == STEP_SPLIT) stack[count++] = p->or_to;
        if (p->kind == STEP_EDGE && holds((edge)p->edge, at)) stack[count++] = s + 1;
    }
}

bool glia_regex_full_match(glia_regex *r, const char *text, int64_t size)
{
    int64_t at = 0;
    place here = {NONE, NONE};
    bool good;
    int len = 0;
    if (size) here.after = glia_utf8_decode(text, size, &len, &good);
    r->now.count = 0;
    follow(r, &r->now, 0, here);
    while (at < size && r->now.count) {
        const uint32_t c = here.after;
        at += len;
        here.before = c;
        here.after = at < size ? glia_utf8_decode(text + at, size - at, &len, &good) : NONE;
        r->then.count = 0;
        for (int32_t i = 0; i < r->now.count; i++) {
            const int32_t s = r->now.list[i];
            if (r->steps[s].kind == STEP_SET && in_set(r->steps[s].set, c)) follow(r, &r->then, s + 1, here);
        }
        const threads old = r->now;
        r->now = r->then;
        r->then = old;
    }
    for (int32_t i = 0; i < r->now.count; i++)
        if (r->steps[r->now.list[i]].kind == STEP_END) return at == size;
    return false;
}
