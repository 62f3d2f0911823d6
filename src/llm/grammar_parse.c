/* GBNF to instructions, in one pass and without recursion: open groups lie on a stack of fixed depth.
 *
 *     A B      the instructions of A, then those of B
 *     A | B    SPLIT +1 to-B, A, JUMP end, B
 *     A?       SPLIT +1 end, A
 *     A*       SPLIT +1 end, A, JUMP back
 *     A+       A, SPLIT back +1
 *     A{m,n}   m copies of A, then n - m times A? inside each other, or A*
 *
 * The JUMPs of one group form a list through their operands until its end is known. */
#include "llm/grammar.h"

#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"
#include "llm/tokenizer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct group {
    int32_t begin;       /* its first instruction */
    int32_t alternative; /* the first instruction of the alternative at hand */
    int32_t element;     /* of the last element, which a repetition applies to; -1: none */
    int32_t jumps;       /* the last JUMP to its end, -1: none */
    int64_t at;          /* in the text */
} group;

typedef struct parser {
    glia_grammar *g;
    const char *text;
    int64_t size, at;
    group groups[GRAMMAR_DEPTH_MAX];
    int32_t depth; /* open groups, the rule's own included */
    grammar_range *ranges;
    int64_t range_count, range_capacity;
    int32_t *slots; /* names to 1 + rule: open addressing */
    glia_error *e;
    glia_status status;
} parser;

enum { NAME_SLOTS = 4 * GRAMMAR_RULES_MAX };

glia_status glia_grammar_fail(glia_error *e, glia_status status, const char *code, const char *text,
                              int64_t at, const char *format, ...)
{
    char what[512];
    long long line = 1, column = 1;
    for (int64_t i = 0; i < at; i++) {
        column = text[i] == '\n' ? 1 : column + (((uint8_t)text[i] & 0xC0) != 0x80); /* in characters */
        line += text[i] == '\n';
    }
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return glia_fail_at(e, status, code, at, "grammar, line %lld, column %lld: %s", line, column, what);
}

/* Records the first error; always false. */
#define REFUSE(p, at, ...)                                                                                   \
    refuse(p, glia_grammar_fail((p)->e, GLIA_E_FORMAT, "G0650", (p)->text, at, __VA_ARGS__))
#define LIMIT(p, at, ...)                                                                                    \
    refuse(p, glia_grammar_fail((p)->e, GLIA_E_LIMIT, "G0654", (p)->text, at, __VA_ARGS__))
static bool refuse(parser *p, glia_status s)
{
    if (!p->status) p->status = s;
    return false;
}
static bool no_memory(parser *p)
{
    return refuse(p, glia_fail(p->e, GLIA_E_NOMEM, "G0801", "no memory for a grammar"));
}

/* ---- instructions */

static bool reserve(parser *p, int64_t more)
{
    glia_grammar *g = p->g;
    const int64_t need = g->step_count + more;
    if (need > GRAMMAR_STEPS_MAX)
        return LIMIT(p, p->at, "the rules would have more than %d instructions", GRAMMAR_STEPS_MAX);
    if (need <= g->step_capacity) return true;
    const int64_t capacity = glia_max(need, glia_max(64, 2 * g->step_capacity));
    grammar_step *steps = GLIA_NEW_ARRAY(&g->arena, grammar_step, capacity);
    if (!steps) return no_memory(p);
    if (g->step_count) memcpy(steps, g->steps, (size_t)g->step_count * sizeof *steps);
    g->steps = steps;
    g->step_capacity = capacity;
    return true;
}

static bool emit(parser *p, int kind, int low, int high, int64_t a, int64_t b)
{
    if (!reserve(p, 1)) return false;
    p->g->steps[p->g->step_count++] =
        (grammar_step){(uint8_t)kind, (uint8_t)low, (uint8_t)high, (int32_t)a, (int32_t)b};
    return true;
}

/* One instruction in front of [at, count). */
static bool insert(parser *p, int64_t at, int kind, int64_t a, int64_t b)
{
    glia_grammar *g = p->g;
    if (!reserve(p, 1)) return false;
    memmove(g->steps + at + 1, g->steps + at, (size_t)(g->step_count - at) * sizeof *g->steps);
    g->step_count++;
    g->steps[at] = (grammar_step){(uint8_t)kind, 0, 0, (int32_t)a, (int32_t)b};
    return true;
}

/* ---- characters */

static int peek(const parser *p) { return p->at < p->size ? (uint8_t)p->text[p->at] : -1; }

/* Blanks and comments; newlines only where the rule goes on. */
static void skip(parser *p, bool newlines)
{
    for (; p->at < p->size; p->at++) {
        const char c = p->text[p->at];
        if (c == '#') {
            while (p->at < p->size && p->text[p->at] != '\n' && p->text[p->at] != '\r') p->at++;
            p->at--;
        } else if (c != ' ' && c != '\t' && !(newlines && (c == '\n' || c == '\r'))) return;
    }
}

static bool hex(parser *p, int digits, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        const int c = peek(p), lower = c | 0x20;
        const bool letter = c >= 0 && lower >= 'a' && lower <= 'f';
        if (!letter && (c < '0' || c > '9'))
            return REFUSE(p, p->at, "an escape needs %d hexadecimal digits", digits);
        v = v << 4 | (uint32_t)(letter ? lower - 'a' + 10 : c - '0');
    }
    if (v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
        return REFUSE(p, p->at, "U+%04X is no character", (unsigned)v);
    *out = v;
    return true;
}

/* One character of a literal or a class, escapes resolved. */
static bool character(parser *p, uint32_t *out)
{
    static const char names[] = "trn\\\"[]-^/'", values[] = "\t\r\n\\\"[]-^/'";
    int len;
    bool ok;
    if (p->at >= p->size) return REFUSE(p, p->at, "the text ends inside a literal or class");
    if (p->text[p->at] != '\\') {
        *out = glia_utf8_decode(p->text + p->at, p->size - p->at, &len, &ok);
        if (!ok) return REFUSE(p, p->at, "this is not UTF-8");
        if (*out == '\n' || *out == '\r')
            return REFUSE(p, p->at, "a literal or class is not closed on its line");
        p->at += len;
        return true;
    }
    p->at++;
    const int c = peek(p);
    p->at += c >= 0;
    if (c == 'x') return hex(p, 2, out);
    if (c == 'u') return hex(p, 4, out);
    if (c == 'U') return hex(p, 8, out);
    const char *name = c > 0 ? strchr(names, c) : NULL;
    if (!name) return REFUSE(p, p->at - 1, "an unknown escape");
    *out = (uint8_t)values[name - names];
    return true;
}

static bool emit_character(parser *p, uint32_t c)
{
    char bytes[4];
    const int size = glia_utf8_encode(c, bytes);
    for (int i = 0; i < size; i++)
        if (!emit(p, GRAMMAR_BYTE, (uint8_t)bytes[i], (uint8_t)bytes[i], 0, 0)) return false;
    return true;
}

/* ---- elements */

static bool literal(parser *p)
{
    const int64_t at = p->at++;
    while (peek(p) != '"') {
        uint32_t c;
        if (p->at >= p->size) return REFUSE(p, at, "a literal is not closed");
        if (!character(p, &c) || !emit_character(p, c)) return false;
    }
    p->at++;
    return true;
}

static bool add_range(parser *p, uint32_t low, uint32_t high)
{
    grammar_range *r = p->ranges;
    if (p->range_count + 2 > p->range_capacity) { /* complementing may need one more */
        p->range_capacity = glia_max(16, 2 * p->range_capacity);
        r = GLIA_NEW_ARRAY(&p->g->arena, grammar_range, p->range_capacity);
        if (!r) return no_memory(p);
        if (p->range_count) memcpy(r, p->ranges, (size_t)p->range_count * sizeof *r);
        p->ranges = r;
    }
    r[p->range_count++] = (grammar_range){low, high};
    return true;
}

/* The ranges as alternatives of sequences of bytes. */
static bool emit_class(parser *p, bool negate, int64_t at)
{
    int32_t jumps = -1, split = -1;
    grammar_bytes b;
    const int64_t count = glia_grammar_class(p->ranges, p->range_count, negate);
    for (int64_t i = 0; i < count; i++) {
        while (glia_grammar_utf8(&p->ranges[i], &b)) {
            if (split >= 0) { /* the one before was not the last */
                if (!emit(p, GRAMMAR_JUMP, 0, 0, jumps, 0)) return false;
                jumps = (int32_t)p->g->step_count - 1;
                p->g->steps[split].b = (int32_t)p->g->step_count - split;
            }
            split = (int32_t)p->g->step_count;
            if (!emit(p, GRAMMAR_SPLIT, 0, 0, 1, 1)) return false;
            for (int k = 0; k < b.size; k++)
                if (!emit(p, GRAMMAR_BYTE, b.low[k], b.high[k], 0, 0)) return false;
        }
    }
    if (split < 0) return REFUSE(p, at, "a class without any character");
    p->g->steps[split] = (grammar_step){GRAMMAR_JUMP, 0, 0, 1, 0};
    while (jumps >= 0) {
        const int32_t before = p->g->steps[jumps].a;
        p->g->steps[jumps].a = (int32_t)p->g->step_count - jumps;
        jumps = before;
    }
    return true;
}

static bool char_class(parser *p)
{
    const int64_t at = p->at++;
    bool negate = peek(p) == '^';
    p->at += negate;
    p->range_count = 0;
    while (peek(p) != ']') {
        uint32_t low, high;
        const int64_t here = p->at;
        if (p->at >= p->size) return REFUSE(p, at, "a class is not closed");
        if (!character(p, &low)) return false;
        high = low;
        if (peek(p) == '-' && p->at + 1 < p->size && p->text[p->at + 1] != ']') {
            p->at++;
            if (!character(p, &high)) return false;
        }
        if (high < low) return REFUSE(p, here, "a range of characters runs backwards");
        if (!add_range(p, low, high)) return false;
    }
    p->at++;
    if (!p->range_count) return REFUSE(p, at, "an empty class");
    return emit_class(p, negate, at);
}

/* <name> by the token's text, brackets included, or <[id]>; ! before it: any other token. */
static bool token(parser *p)
{
    const int64_t at = p->at;
    const bool other = peek(p) == '!';
    int64_t id = -1;
    p->at += other;
    const int64_t begin = p->at;
    if (peek(p) != '<') return REFUSE(p, at, "`!` stands before a token such as <[17]>");
    while (p->at < p->size && p->text[p->at] != '>' && p->text[p->at] != '\n') p->at++;
    if (peek(p) != '>') return REFUSE(p, at, "a token is not closed");
    p->at++;
    const char *name = p->text + begin;
    const int64_t size = p->at - begin;
    if (size > 4 && size < 16 && name[1] == '[' && name[size - 2] == ']') {
        id = 0;
        for (int64_t i = 2; i < size - 2; i++) {
            if (name[i] < '0' || name[i] > '9') return REFUSE(p, at, "a token's id is a number: <[17]>");
            id = id * 10 + (name[i] - '0');
        }
    } else if (p->g->vocab->tokenizer) id = glia_tokenizer_find(p->g->vocab->tokenizer, name, size);
    if (id < 0 || id >= p->g->vocab->count)
        return refuse(p,
                      glia_grammar_fail(p->e, GLIA_E_FORMAT, "G0659", p->text, at,
                                        "the vocabulary has no token %.*s", (int)glia_min(size, 60), name));
    return emit(p, GRAMMAR_TOKEN, other, 0, id, 0);
}

static bool name_byte(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The rule of the name at p->at, made when it is new; -1 on error. */
static int32_t rule_named(parser *p)
{
    glia_grammar *g = p->g;
    const int64_t at = p->at;
    uint64_t hash = 1469598103934665603u;
    for (; name_byte(peek(p)); p->at++) hash = (hash ^ (uint8_t)p->text[p->at]) * 1099511628211u;
    const int64_t size = p->at - at;
    hash ^= hash >> 32;
    uint64_t slot = hash % NAME_SLOTS;
    for (; p->slots[slot]; slot = (slot + 1) % NAME_SLOTS) {
        const grammar_rule *r = &g->rules[p->slots[slot] - 1];
        if (r->name_size == size && !memcmp(r->name, p->text + at, (size_t)size)) return p->slots[slot] - 1;
    }
    if (g->rule_count >= GRAMMAR_RULES_MAX) {
        LIMIT(p, at, "more than %d rules", GRAMMAR_RULES_MAX);
        return -1;
    }
    grammar_rule *rules =
        glia_arena_grow(&g->arena, g->rules, g->rule_count, &g->rule_capacity, sizeof *rules);
    const char *name = glia_arena_strndup(&g->arena, p->text + at, size);
    if (!rules || !name) {
        no_memory(p);
        return -1;
    }
    g->rules = rules;
    g->rules[g->rule_count] = (grammar_rule){.name = name, .name_size = size, .begin = -1, .at = at};
    p->slots[slot] = (int32_t)++g->rule_count;
    return p->slots[slot] - 1;
}

/* ---- groups and repetitions */

static bool open_group(parser *p)
{
    if (p->depth == GRAMMAR_DEPTH_MAX)
        return LIMIT(p, p->at, "more than %d groups inside each other", GRAMMAR_DEPTH_MAX);
    const int32_t here = (int32_t)p->g->step_count;
    p->groups[p->depth++] = (group){here, here, -1, -1, p->at};
    return true;
}

static bool next_alternative(parser *p)
{
    group *k = &p->groups[p->depth - 1];
    if (!insert(p, k->alternative, GRAMMAR_SPLIT, 1, p->g->step_count + 2 - k->alternative)) return false;
    if (!emit(p, GRAMMAR_JUMP, 0, 0, k->jumps, 0)) return false;
    k->jumps = (int32_t)p->g->step_count - 1;
    k->alternative = (int32_t)p->g->step_count;
    k->element = -1;
    return true;
}

static void close_group(parser *p)
{
    const group k = p->groups[--p->depth];
    grammar_step *steps = p->g->steps;
    for (int32_t j = k.jumps; j >= 0;) {
        const int32_t before = steps[j].a;
        steps[j].a = (int32_t)p->g->step_count - j;
        j = before;
    }
    if (p->depth) p->groups[p->depth - 1].element = k.begin;
}

/* low..high times what begins at `from`; high -1: without end. */
static bool repeat(parser *p, int32_t from, int64_t low, int64_t high)
{
    glia_grammar *g = p->g;
    const int64_t size = g->step_count - from;
    const int64_t copies = high < 0 ? glia_max(low, 1) : high;
    if (size == 0) return true;
    if (copies > 1 && (copies > GRAMMAR_STEPS_MAX || !reserve(p, (copies - 1) * (size + 1) + 2)))
        return LIMIT(p, p->at, "the rules would have more than %d instructions", GRAMMAR_STEPS_MAX);
    if (copies == 0) {
        g->step_count = from;
        return true;
    }
    if (high >= 0 && low < high) { /* the optional ones, from the last: each SPLIT goes to the very end */
        const int64_t begin = from + low * size, end = begin + (high - low) * (size + 1);
        if (!reserve(p, end - g->step_count)) return false;
        for (int64_t i = 1; i < low; i++)
            memcpy(g->steps + from + i * size, g->steps + from, (size_t)size * sizeof *g->steps);
        for (int64_t i = high - low;
             i-- > 0;) { /* the first one may lie over the pattern itself: it comes last */
            const int64_t at = begin + i * (size + 1);
            memmove(g->steps + at + 1, g->steps + from, (size_t)size * sizeof *g->steps);
            g->steps[at] = (grammar_step){GRAMMAR_SPLIT, 0, 0, 1, (int32_t)(end - at)};
        }
        g->step_count = end;
        return true;
    }
    for (int64_t i = 1; i < copies; i++) {
        memcpy(g->steps + g->step_count, g->steps + from, (size_t)size * sizeof *g->steps);
        g->step_count += size;
    }
    if (high >= 0) return true;
    if (low > 0) return emit(p, GRAMMAR_SPLIT, 0, 0, -size, 1);
    return insert(p, from, GRAMMAR_SPLIT, 1, size + 2) && emit(p, GRAMMAR_JUMP, 0, 0, -(size + 1), 0);
}

static bool number(parser *p, int64_t *out)
{
    const int64_t at = p->at;
    int64_t v = 0;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++)
        if (v < GRAMMAR_STEPS_MAX) v = v * 10 + (peek(p) - '0');
    *out = v;
    return p->at > at;
}

static bool repetition(parser *p)
{
    group *k = &p->groups[p->depth - 1];
    const int64_t at = p->at;
    const int c = peek(p);
    int64_t low = c == '+', high = c == '?' ? 1 : -1;
    if (k->element < 0) return REFUSE(p, at, "a repetition without anything to repeat");
    p->at++;
    if (c == '{') {
        skip(p, true);
        if (!number(p, &low)) return REFUSE(p, p->at, "a number must follow {");
        skip(p, true);
        high = low;
        if (peek(p) == ',') {
            p->at++;
            skip(p, true);
            if (!number(p, &high)) high = -1;
            skip(p, true);
        }
        if (peek(p) != '}') return REFUSE(p, at, "a repetition is not closed by }");
        p->at++;
        if (high >= 0 && high < low)
            return REFUSE(p, at, "a repetition of at least %lld and at most %lld", (long long)low,
                          (long long)high);
    }
    const int32_t from = k->element;
    k->element = -1; /* a repetition of a repetition needs parentheses */
    return repeat(p, from, low, high);
}

/* ---- rules */

static bool element(parser *p)
{
    const int c = peek(p);
    const int32_t here = (int32_t)p->g->step_count;
    bool ok;
    if (c == '(') {
        p->at++;
        return open_group(p);
    }
    if (c == '"') ok = literal(p);
    else if (c == '[') ok = char_class(p);
    else if (c == '<' || c == '!') ok = token(p);
    else if (c == '.') {
        p->at++;
        p->range_count = 0;
        ok = add_range(p, 0, 0x10FFFF) && emit_class(p, false, p->at);
    } else if (name_byte(c)) {
        const int32_t rule = rule_named(p);
        ok = rule >= 0 && emit(p, GRAMMAR_CALL, 0, 0, rule, 0);
    } else return REFUSE(p, p->at, "a literal, class, rule or group is expected here");
    p->groups[p->depth - 1].element = here;
    return ok;
}

/* Does the rule end here? Behind a newline only an alternative goes on. */
static bool at_end(parser *p)
{
    if (p->depth > 1) {
        skip(p, true);
        return false;
    }
    skip(p, false);
    const int c = peek(p);
    if (c >= 0 && c != '\n' && c != '\r') return false;
    skip(p, true);
    return peek(p) != '|';
}

static bool body(parser *p)
{
    if (!open_group(p)) return false;
    skip(p, true);
    /* A rule without text: what follows is the next rule, or nothing. */
    while (!at_end(p)) {
        const int c = peek(p);
        if (c < 0) return REFUSE(p, p->groups[p->depth - 1].at, "a group is not closed");
        bool ok = true;
        if (c == '|') {
            p->at++;
            ok = next_alternative(p);
            skip(p, true);
        } else if (c == ')') {
            if (p->depth == 1) return REFUSE(p, p->at, "this closes no group");
            p->at++;
            close_group(p);
        } else if (c == '*' || c == '+' || c == '?' || c == '{') ok = repetition(p);
        else ok = element(p);
        if (!ok) return false;
    }
    close_group(p);
    return emit(p, GRAMMAR_RETURN, 0, 0, 0, 0);
}

static bool rule(parser *p)
{
    const int64_t at = p->at;
    if (!name_byte(peek(p))) return REFUSE(p, at, "a rule begins with its name");
    const int32_t index = rule_named(p);
    if (index < 0) return false;
    if (p->g->rules[index].begin >= 0)
        return REFUSE(p, at, "rule `%.60s` is defined twice", p->g->rules[index].name);
    skip(p, false);
    if (p->size - p->at < 3 || memcmp(p->text + p->at, "::=", 3))
        return REFUSE(p, p->at, "::= must follow the name of a rule");
    p->at += 3;
    p->g->rules[index].begin = (int32_t)p->g->step_count;
    p->g->rules[index].at = at;
    if (!body(p)) return false;
    p->g->rules[index].end = (int32_t)p->g->step_count;
    skip(p, true);
    return true;
}

glia_status glia_grammar_parse(glia_grammar *g, const char *text, int64_t size, glia_error *e)
{
    /* The parser's tables are gone when it returns. */
    glia_arena scratch;
    glia_arena_init(&scratch, g->os, 0);
    parser *p = GLIA_NEW(&scratch, parser);
    int32_t *slots = GLIA_NEW_ARRAY(&scratch, int32_t, NAME_SLOTS);
    glia_status status = GLIA_OK;
    if (p && slots) {
        *p = (parser){.g = g, .text = text, .size = size, .slots = slots, .e = e};
        skip(p, true);
        while (p->at < p->size && rule(p)) {
        }
        status = p->status;
    } else status = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a grammar");
    glia_arena_free(&scratch);
    return status;
}
