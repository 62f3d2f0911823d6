/* Cuts text into words with the expressions that models were trained with, as published.
 *
 * When a tokenizer is created, its expressions are compiled: expression -> program of a few instructions ->
 * automaton over classes of characters. Alternatives are tried leftmost first and repeats are greedy, as in a
 * backtracking matcher, but without its work: the threads of the program are a list in order of preference,
 * and a list is one state of the automaton. One table step per character, no recursion, no memory.
 *
 *     thread list of a state, on the next character c:
 *         follow jumps and splits in order of preference, let (?!X) look at c;
 *         a thread that is done: remember "a match ends here", drop all that come after it;
 *         a thread that wants a class that c is in: goes on behind it
 *
 * The language: literals, . excluded; [sets] with ranges, ^, \s \S \r \n \t \p{L Lu Ll Lt Lm Lo M N P S};
 * | ? * + {m,n}; (?:...), (?i:...), (?!X) of one set. No possessive or lazy repeats.
 *
 * Traps: several expressions are applied one after another, each to the pieces of the one before, and a piece
 * is a whole text to it: (?!\S) holds at its end. What no alternative matches is a piece of its own.
 * Malformed bytes count as U+FFFD, one by one. (?i:'s) also takes U+017F, as Unicode's case folding has it.
 */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/unicode.h"

#include <string.h>

enum {
    PROGRAM_MAX = 512,
    SETS_MAX = 64,
    SET_RANGES = 8,
    CLASSES_MAX = 192,
    INTERVALS_MAX = 24,
    STATES_MAX = 2048,
    DEPTH_MAX = 8
};

/* ---- the expressions */

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LLAMA3(digits)                                                                                       \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                                    \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K                                                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER     \
    "*" CONTRACTIONS "?"                                                                                     \
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

typedef struct pre_row {
    const char *names[6];
    const char *expressions[TOK_STAGES];
    tok_pre_traits traits;
} pre_row;

static const pre_row pre_rows[] = {
    {{"gpt-2", "phi-2"}, {GPT2}, {false, false}},
    {{"llama-bpe", "llama3", "llama-v3"}, {LLAMA3("\\p{N}{1,3}")}, {true, true}},
    {{"qwen2", "deepseek-r1-qwen"}, {LLAMA3("\\p{N}")}, {false, false}},
    {{"gpt-4o"}, {O200K}, {false, false}},
    {{"starcoder", "refact", "command-r", "smollm"}, {"\\p{N}", GPT2}, {false, false}},
    {{"deepseek-coder"},
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
      "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+", "\\p{N}"},
     {false, false}},
    {{"default", ""},
     {"[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"},
     {false, false}},
};

/* ---- expression to program */

typedef struct char_set {
    uint32_t classes; /* bit TOK_UNI_* */
    bool negated;
    int range_count;
    uint32_t lo[SET_RANGES], hi[SET_RANGES];
} char_set;

typedef enum { SET, NOT_AHEAD, SPLIT, JUMP, MATCH } opcode;

typedef struct instruction {
    uint8_t op;
    uint8_t set;
    int16_t first, second; /* relative; SPLIT prefers first */
} instruction;

typedef struct compiler {
    const char *at; /* NUL-terminated: expressions are our own constants */
    instruction program[PROGRAM_MAX];
    int length, set_count, depth;
    char_set sets[SETS_MAX];
    bool failed, fold;
} compiler;

static void emit(compiler *c, opcode op, int set, int first, int second)
{
    if (c->length == PROGRAM_MAX) {
        c->failed = true;
        return;
    }
    c->program[c->length++] = (instruction){(uint8_t)op, (uint8_t)set, (int16_t)first, (int16_t)second};
}

/* Puts one instruction before those from `at` on; offsets are relative, so what moves stays right. */
static void insert(compiler *c, int at, opcode op, int first, int second)
{
    emit(c, op, 0, first, second);
    if (c->failed) return;
    const instruction it = c->program[c->length - 1];
    memmove(c->program + at + 1, c->program + at, (size_t)(c->length - 1 - at) * sizeof it);
    c->program[at] = it;
}

static void set_range(compiler *c, char_set *s, uint32_t lo, uint32_t hi)
{
    if (s->range_count == SET_RANGES) {
        c->failed = true;
        return;
    }
    s->lo[s->range_count] = lo;
    s->hi[s->range_count++] = hi;
}

static void set_char(compiler *c, char_set *s, uint32_t cp)
{
    set_range(c, s, cp, cp);
    if (!c->fold || cp >= 128 || (cp | 32) < 'a' || (cp | 32) > 'z') return;
    set_range(c, s, cp ^ 32, cp ^ 32);
    if ((cp | 32) == 's') set_range(c, s, 0x17F, 0x17F);
    if ((cp | 32) == 'k') set_range(c, s, 0x212A, 0x212A);
}

static const struct {
    const char *name;
    uint32_t classes;
} properties[] = {
    {"L}", 1u << TOK_UNI_LU | 1u << TOK_UNI_LL | 1u << TOK_UNI_LT | 1u << TOK_UNI_LM | 1u << TOK_UNI_LO},
    {"Lu}", 1u << TOK_UNI_LU},
    {"Ll}", 1u << TOK_UNI_LL},
    {"Lt}", 1u << TOK_UNI_LT},
    {"Lm}", 1u << TOK_UNI_LM},
    {"Lo}", 1u << TOK_UNI_LO},
    {"M}", 1u << TOK_UNI_M},
    {"N}", 1u << TOK_UNI_N},
    {"P}", 1u << TOK_UNI_P},
    {"S}", 1u << TOK_UNI_S},
};

/* One character or class; a class goes into s and gives false, a character into *cp. */
static bool read_char(compiler *c, char_set *s, uint32_t *cp)
{
    int len;
    bool ok;
    if (*c->at != '\\') {
        *cp = glia_utf8_decode(c->at, (int64_t)strlen(c->at), &len, &ok);
        c->at += len;
        if (!ok) c->failed = true;
        return true;
    }
    const char esc = c->at[1];
    c->at += esc ? 2 : 1;
    if (esc == 's' || esc == 'S') {
        s->classes |= 1u << TOK_UNI_SPACE;
        if (esc == 'S') s->negated = !s->negated;
        return false;
    }
    if (esc == 'p' && *c->at == '{') {
        c->at++;
        for (int i = 0; i < GLIA_COUNT(properties); i++) {
            const size_t n = strlen(properties[i].name);
            if (strncmp(c->at, properties[i].name, n)) continue;
            s->classes |= properties[i].classes;
            c->at += n;
            return false;
        }
        c->failed = true;
        return false;
    }
    if ((esc >= 'a' && esc <= 'z' && !strchr("rnt", esc)) || (esc >= 'A' && esc <= 'Z') || !esc)
        c->failed = true;
    *cp = esc == 'r' ? '\r' : esc == 'n' ? '\n' : esc == 't' ? '\t' : (uint32_t)(uint8_t)esc;
    return true;
}

/* A literal, an escape, or [...]; returns its number among the sets. */
static int read_set(compiler *c)
{
    char_set s = {0};
    uint32_t lo, hi;
    if (*c->at == '[') {
        c->at++;
        if (*c->at == '^') s.negated = *c->at++ == '^';
        while (*c->at && *c->at != ']' && !c->failed) {
            if (!read_char(c, &s, &lo)) continue;
            if (*c->at != '-' || c->at[1] == ']') {
                set_char(c, &s, lo);
                continue;
            }
            c->at++;
            if (!read_char(c, &s, &hi) || hi < lo) c->failed = true;
            else set_range(c, &s, lo, hi);
        }
        if (*c->at++ != ']') c->failed = true;
    } else if (read_char(c, &s, &lo)) set_char(c, &s, lo);
    if (c->set_count == SETS_MAX) c->failed = true;
    if (c->failed) return 0;
    c->sets[c->set_count] = s;
    return c->set_count++;
}

static void repeat(compiler *c, int from)
{
    const int length = c->length - from;
    int low, high;
    switch (*c->at) {
    case '?': insert(c, from, SPLIT, 1, length + 1); break;
    case '*':
        insert(c, from, SPLIT, 1, length + 2);
        emit(c, JUMP, 0, -(length + 1), 0);
        break;
    case '+': emit(c, SPLIT, 0, -length, 1); break;
    case '{': /* {m,n} of digits, 1 <= m <= n */
        low = c->at[1] - '0';
        high = c->at[2] == ',' ? c->at[3] - '0' : -1;
        if (low < 1 || high < low || high > 9 || c->at[4] != '}') {
            c->failed = true;
            return;
        }
        for (int k = 1; k < high && !c->failed; k++) {
            if (k >= low) emit(c, SPLIT, 0, 1, length + 1);
            for (int i = 0; i < length && !c->failed; i++) {
                const instruction it = c->program[from + i];
                emit(c, it.op, it.set, it.first, it.second);
            }
        }
        c->at += 4;
        break;
    default: return;
    }
    c->at++;
    if (*c->at == '+' || *c->at == '?') c->failed = true;
}

/* Alternatives up to ')' or the end. Recursion is bounded by DEPTH_MAX. */
static void read_alternatives(compiler *c);

static void read_group(compiler *c)
{
    const bool fold = c->fold;
    c->at++;
    if (!strncmp(c->at, "?!", 2)) {
        c->at += 2;
        emit(c, NOT_AHEAD, read_set(c), 0, 0);
    } else {
        if (!strncmp(c->at, "?i:", 3)) {
            c->fold = true;
            c->at += 3;
        } else if (!strncmp(c->at, "?:", 2)) c->at += 2;
        read_alternatives(c);
    }
    c->fold = fold;
    if (*c->at != ')') c->failed = true;
    else c->at++;
}

static void read_alternatives(compiler *c)
{
    int start = c->length;
    if (++c->depth > DEPTH_MAX) c->failed = true;
    int jumps[64], jump_count = 0;
    while (!c->failed) {
        while (*c->at && *c->at != '|' && *c->at != ')' && !c->failed) {
            const int from = c->length;
            if (*c->at == '(') read_group(c);
            else emit(c, SET, read_set(c), 0, 0);
            repeat(c, from);
        }
        if (*c->at != '|' || c->failed) break;
        c->at++;
        insert(c, start, SPLIT, 1, c->length - start + 2);
        if (jump_count == 64) c->failed = true;
        else jumps[jump_count++] = c->length;
        emit(c, JUMP, 0, 0, 0);
        start = c->length;
    }
    for (int i = 0; i < jump_count && !c->failed; i++)
        c->program[jumps[i]].first = (int16_t)(c->length - jumps[i]);
    c->depth--;
}

/* ---- program to automaton */

typedef struct automaton {
    int class_count; /* class_count itself: the end of the text */
    int interval_count;
    uint32_t
        interval_end[INTERVALS_MAX]; /* above ASCII the sets' own ranges cut code points into intervals */
    uint8_t ascii[128];
    uint8_t other[INTERVALS_MAX][TOK_UNI_COUNT];
    uint16_t *step; /* [states, class_count + 1]: next state << 1 | a match ends before this character */
} automaton;

struct tok_pretok {
    int count;
    automaton expression[TOK_STAGES];
};

typedef struct builder {
    compiler c;
    uint64_t signature[CLASSES_MAX]; /* per class: the sets that hold it */
    int class_count;
    uint16_t pool[1 << 15]; /* the thread lists of all states, one after another */
    int list_at[STATES_MAX + 1];
    int state_count;
} builder;

static bool set_holds(const char_set *s, uint32_t cp, int uni)
{
    bool in = s->classes >> uni & 1;
    for (int i = 0; i < s->range_count; i++) in |= cp >= s->lo[i] && cp <= s->hi[i];
    return in != s->negated;
}

/* The class of characters that lie in the same sets as this one. */
static int class_for(builder *b, uint32_t cp, int uni)
{
    uint64_t sig = 0;
    for (int i = 0; i < b->c.set_count; i++) sig |= (uint64_t)set_holds(&b->c.sets[i], cp, uni) << i;
    for (int i = 0; i < b->class_count; i++)
        if (b->signature[i] == sig) return i;
    if (b->class_count == CLASSES_MAX) {
        b->c.failed = true;
        return 0;
    }
    b->signature[b->class_count] = sig;
    return b->class_count++;
}

static void add_interval_end(builder *b, automaton *a, uint32_t end)
{
    int i = 0;
    while (i < a->interval_count && a->interval_end[i] < end) i++;
    if (end <= 128 || (i < a->interval_count && a->interval_end[i] == end)) return;
    if (a->interval_count == INTERVALS_MAX) {
        b->c.failed = true;
        return;
    }
    memmove(a->interval_end + i + 1, a->interval_end + i,
            (size_t)(a->interval_count - i) * sizeof *a->interval_end);
    a->interval_end[i] = end;
    a->interval_count++;
}

static void build_classes(builder *b, automaton *a)
{
    add_interval_end(b, a, 0x110000);
    for (int i = 0; i < b->c.set_count; i++)
        for (int k = 0; k < b->c.sets[i].range_count; k++) {
            add_interval_end(b, a, b->c.sets[i].lo[k]);
            add_interval_end(b, a, b->c.sets[i].hi[k] + 1);
        }
    for (uint32_t cp = 0; cp < 128; cp++) a->ascii[cp] = (uint8_t)class_for(b, cp, tok_unicode_class(cp));
    for (int i = 0; i < a->interval_count; i++)
        for (int u = 0; u < TOK_UNI_COUNT; u++)
            a->other[i][u] = (uint8_t)class_for(b, i ? a->interval_end[i - 1] : 128, u);
    a->class_count = b->class_count;
}

static bool class_in(const builder *b, int class, int set)
{
    return class < b->class_count && (b->signature[class] >> set & 1);
}

/* The state of this list, new or old. */
static int state_for(builder *b, const uint16_t *list, int n)
{
    const int used = b->list_at[b->state_count];
    for (int s = 0; s < b->state_count; s++)
        if (b->list_at[s + 1] - b->list_at[s] == n &&
            !memcmp(b->pool + b->list_at[s], list, (size_t)n * sizeof *list))
            return s;
    if (b->state_count == STATES_MAX || used + n > GLIA_COUNT(b->pool)) {
        b->c.failed = true;
        return 0;
    }
    memcpy(b->pool + used, list, (size_t)n * sizeof *list);
    b->list_at[b->state_count + 1] = used + n;
    return b->state_count++;
}

/* One step of a state on a class, as the picture at the top says. */
static uint16_t step_for(builder *b, int state, int class)
{
    bool seen[PROGRAM_MAX] = {false}, next_has[PROGRAM_MAX] = {false};
    uint16_t stack[2 * PROGRAM_MAX + 2], next[PROGRAM_MAX];
    int next_count = 0;
    bool match = false;
    for (int i = b->list_at[state]; i < b->list_at[state + 1] && !match; i++) {
        int top = 0;
        stack[top++] = b->pool[i];
        while (top && !match) {
            const uint16_t pc = stack[--top];
            const instruction *it = &b->c.program[pc];
            if (seen[pc]) continue;
            seen[pc] = true;
            if (it->op == MATCH) match = true;
            else if (it->op == JUMP) stack[top++] = (uint16_t)(pc + it->first);
            else if (it->op == SPLIT) {
                stack[top++] = (uint16_t)(pc + it->second);
                stack[top++] = (uint16_t)(pc + it->first);
            } else if (it->op == NOT_AHEAD) {
                if (!class_in(b, class, it->set)) stack[top++] = (uint16_t)(pc + 1);
            } else if (class_in(b, class, it->set) && !next_has[pc + 1]) {
                next_has[pc + 1] = true;
                next[next_count++] = (uint16_t)(pc + 1);
            }
        }
    }
    return (uint16_t)(state_for(b, next, next_count) << 1 | match);
}

static glia_status build_automaton(automaton *a, glia_arena *arena, builder *b, const char *expression,
                                   glia_error *e)
{
    const uint16_t start = 0;
    memset(b, 0, sizeof *b);
    b->c.at = expression;
    read_alternatives(&b->c);
    emit(&b->c, MATCH, 0, 0, 0);
    if (*b->c.at) b->c.failed = true;
    if (!b->c.failed) build_classes(b, a);
    if (!b->c.failed) {
        state_for(b, &start, 0); /* 0: nothing can match any more */
        state_for(b, &start, 1);
    }
    int64_t capacity = 0;
    const int64_t row = a->class_count + 1;
    for (int s = 0; s < b->state_count && !b->c.failed; s++) {
        uint16_t *grown = glia_arena_grow(arena, a->step, s, &capacity, row * (int64_t)sizeof *a->step);
        if (!grown) return glia_tok_nomem(e);
        a->step = grown;
        for (int c = 0; c <= a->class_count; c++) a->step[s * row + c] = step_for(b, s, c);
    }
    if (b->c.failed)
        return glia_fail(e, GLIA_E_INTERNAL, "G0602", "the expression %s does not compile", expression);
    return GLIA_OK;
}

glia_status glia_tok_pretok_create(const struct tok_pretok **out, glia_arena *a, const char *pre,
                                   tok_pre_traits *traits, glia_error *e)
{
    const pre_row *row = NULL;
    for (int i = 0; i < GLIA_COUNT(pre_rows); i++)
        for (int k = 0; k < GLIA_COUNT(pre_rows[i].names) && pre_rows[i].names[k]; k++)
            if (!strcmp(pre_rows[i].names[k], pre)) row = &pre_rows[i];
    if (!row)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0602", "the pre-tokenizer \"%.64s\" is not built", pre);
    struct tok_pretok *p = GLIA_NEW(a, struct tok_pretok);
    if (!p) return glia_tok_nomem(e);
    glia_arena work;
    glia_arena_init(&work, a->os, 0);
    builder *b = GLIA_NEW(&work, builder);
    glia_status s = b ? GLIA_OK : glia_tok_nomem(e);
    for (; !s && p->count < TOK_STAGES && row->expressions[p->count]; p->count++)
        s = build_automaton(&p->expression[p->count], a, b, row->expressions[p->count], e);
    glia_arena_free(&work);
    *out = p;
    *traits = row->traits;
    return s;
}

/* ---- matching */

static inline int class_at(const automaton *a, const char *s, int64_t left, int *len)
{
    bool ok;
    *len = 1;
    if ((uint8_t)*s < 128) return a->ascii[(uint8_t)*s];
    const uint32_t cp = glia_utf8_decode(s, left, len, &ok);
    int i = 0;
    while (cp >= a->interval_end[i]) i++;
    return a->other[i][tok_unicode_class(cp)];
}

/* The end of the match that begins at `at`, or -1. */
static int64_t match_at(const automaton *a, const char *text, int64_t at, int64_t end)
{
    int64_t last = -1;
    unsigned state = 1;
    const unsigned row = (unsigned)a->class_count + 1;
    for (;;) {
        int len = 0;
        const int class = at < end ? class_at(a, text + at, end - at, &len) : a->class_count;
        const unsigned step = a->step[state * row + (unsigned)class];
        if (step & 1) last = at;
        state = step >> 1;
        if (!state || at >= end) return last;
        at += len;
    }
}

void glia_tok_words_init(tok_words *w, const struct tok_pretok *p, const char *text, int64_t size)
{
    memset(w, 0, sizeof *w);
    w->p = p;
    w->text = text;
    w->stage[0].end = size;
}

/* Cuts the next piece off a stage: a match, or what lies before the next one. */
static void cut(tok_words *w, int d, int64_t *begin, int64_t *end)
{
    const automaton *a = &w->p->expression[d];
    int64_t at = w->stage[d].at, stop = -1;
    const int64_t last = w->stage[d].end;
    *begin = at;
    if (w->stage[d].match_end > at) {
        *end = w->stage[d].at = w->stage[d].match_end;
        return;
    }
    while (at < last && (stop = match_at(a, w->text, at, last)) <= at) {
        int len;
        class_at(a, w->text + at, last - at, &len);
        at += len;
    }
    if (at > *begin) {
        *end = w->stage[d].at = at;
        w->stage[d].match_end = at < last ? stop : at;
    } else *end = w->stage[d].at = stop;
}

bool glia_tok_words_next(tok_words *w, int64_t *begin, int64_t *end)
{
    while (w->depth >= 0) {
        const int d = w->depth;
        if (w->stage[d].at >= w->stage[d].end) {
            w->depth--;
            continue;
        }
        cut(w, d, begin, end);
        if (d + 1 == w->p->count) return true;
        w->depth = d + 1;
        w->stage[d + 1].at = *begin;
        w->stage[d + 1].end = *end;
        w->stage[d + 1].match_end = 0;
    }
    return false;
}
