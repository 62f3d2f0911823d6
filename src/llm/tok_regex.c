/* Expression -> program of a few instructions -> automaton over classes of characters.
 *
 * Alternatives are tried leftmost first and repeats are greedy, as in a backtracking matcher, but without its
 * work: the threads of the program are a list in order of preference, and a list is one state of the
 * automaton.
 *
 *     thread list of a state, on the next character c:
 *         follow jumps and splits in order of preference, let (?!X) look at c;
 *         a thread that is done: remember "a match ends here", drop all that come after it;
 *         a thread that wants a set that c is in: goes on behind it
 *
 * A set of characters is the ascending list of code points where membership changes, so that complement,
 * union and intersection are merges. Characters that lie in the same sets are one class.
 *
 * Traps: X?+ is (X|(?!X)), X++ is X+(?!X), for a single set X. {m,n}+ repeats, it is not possessive. `$` also
 * holds before a newline. Malformed bytes count as U+FFFD, one by one. (?i:'s) also takes U+017F, as
 * Unicode's case folding has it. The reader recurses into groups and nested sets, DEPTH_MAX deep at the most.
 */
#include "llm/tok_regex.h"
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/unicode.h"

#include <string.h>

enum {
    PROGRAM_MAX = 2048,
    SETS_MAX = 64,
    CLASSES_MAX = 192,
    STATES_MAX = 2048,
    POOL_MAX = 1 << 17,
    DEPTH_MAX = 12,
    JUMPS_MAX = 128,
    REPEAT_MAX = 1000,
    BOUNDS_MAX = 16384 /* of one set */
};
#define WORK_MAX ((int64_t)1 << 27)

typedef struct char_set {
    uint32_t *at; /* [count] where membership changes, from false at 0 */
    int count;
} char_set;

typedef enum { SET, AHEAD, NOT_AHEAD, SPLIT, JUMP, MATCH } opcode;

typedef struct instruction {
    uint8_t op;
    uint8_t set;
    int16_t first, second; /* relative; SPLIT prefers first */
} instruction;

typedef struct compiler {
    glia_arena *arena; /* of the work */
    const char *begin, *at, *end;
    const char *why; /* null: all is well so far */
    bool nomem, fold;
    int length, set_count, depth;
    char_set sets[SETS_MAX];
    instruction program[PROGRAM_MAX];
} compiler;

static void refuse(compiler *c, const char *why)
{
    if (!c->why) c->why = why;
}

static bool looking_at(const compiler *c, const char *s)
{
    const size_t n = strlen(s);
    return (size_t)(c->end - c->at) >= n && !memcmp(c->at, s, n);
}

/* The next byte, 0 at the end (a NUL in the text is refused before). */
static char peek(const compiler *c, int ahead) { return c->end - c->at > ahead ? c->at[ahead] : 0; }

/* ---- sets */

static char_set set_room(compiler *c, int count)
{
    char_set s = {NULL, 0};
    if (count > BOUNDS_MAX) refuse(c, "a set of too many ranges");
    else s.at = GLIA_NEW_ARRAY(c->arena, uint32_t, count + 1);
    if (!s.at && !c->why) {
        c->nomem = true;
        refuse(c, "out of memory");
    }
    return s;
}

static char_set set_complement(compiler *c, char_set s)
{
    char_set r = set_room(c, s.count + 1);
    if (!r.at) return r;
    const int zero = s.count && s.at[0] == 0;
    if (!zero) r.at[r.count++] = 0;
    for (int i = zero; i < s.count; i++) r.at[r.count++] = s.at[i];
    return r;
}

/* What is in a or b (need 1), or in a and b (need 2). */
static char_set set_merge(compiler *c, char_set a, char_set b, int need)
{
    char_set r = set_room(c, a.count + b.count);
    bool in = false;
    if (!r.at) return r;
    for (int i = 0, k = 0; i < a.count || k < b.count;) {
        const uint32_t x = i < a.count ? a.at[i] : UINT32_MAX, y = k < b.count ? b.at[k] : UINT32_MAX;
        const uint32_t at = x < y ? x : y;
        i += x == at;
        k += y == at;
        if (((i & 1) + (k & 1) >= need) == in) continue;
        in = !in;
        r.at[r.count++] = at;
    }
    return r;
}

static char_set set_range(compiler *c, uint32_t lo, uint32_t hi)
{
    char_set r = set_room(c, 2);
    if (!r.at) return r;
    r.at[r.count++] = lo;
    if (hi < 0x10FFFF) r.at[r.count++] = hi + 1;
    return r;
}

static char_set set_classes(compiler *c, uint32_t classes)
{
    char_set r = set_room(c, glia_tok_unicode_range_count);
    bool in = false;
    for (int i = 0; r.at && i < glia_tok_unicode_range_count; i++) {
        const uint32_t range = glia_tok_unicode_ranges[i];
        if ((classes >> (range & 31) & 1) == in) continue;
        in = !in;
        r.at[r.count++] = range >> 5;
    }
    return r;
}

static char_set set_property(compiler *c, const tok_unicode_property *p)
{
    char_set r = set_room(c, p->count);
    if (!r.at) return r;
    memcpy(r.at, p->bounds, (size_t)p->count * sizeof *r.at);
    r.count = p->count;
    return r;
}

static char_set set_char(compiler *c, uint32_t cp)
{
    char_set r = set_range(c, cp, cp);
    if (!c->fold) return r;
    if (cp >= 128 && tok_unicode_in(cp, TOK_UNI_BIT(LU) | TOK_UNI_BIT(LL) | TOK_UNI_BIT(LT)))
        refuse(c, "letters beyond ASCII without regard to case");
    if (cp >= 128 || (cp | 32) < 'a' || (cp | 32) > 'z') return r;
    r = set_merge(c, r, set_range(c, cp ^ 32, cp ^ 32), 1);
    if ((cp | 32) == 's') r = set_merge(c, r, set_range(c, 0x17F, 0x17F), 1);
    if ((cp | 32) == 'k') r = set_merge(c, r, set_range(c, 0x212A, 0x212A), 1);
    return r;
}

/* ASCII letters of a range in both cases, where case does not matter. */
static char_set set_range_folded(compiler *c, uint32_t lo, uint32_t hi)
{
    char_set r = set_range(c, lo, hi);
    if (!c->fold) return r;
    if (hi >= 128) refuse(c, "a range beyond ASCII without regard to case");
    for (uint32_t cp = lo; cp <= hi && cp < 128 && !c->why; cp++) r = set_merge(c, r, set_char(c, cp), 1);
    return r;
}

#define L_ALL (TOK_UNI_BIT(LU) | TOK_UNI_BIT(LL) | TOK_UNI_BIT(LT) | TOK_UNI_BIT(LM) | TOK_UNI_BIT(LO))
#define M_ALL (TOK_UNI_BIT(MN) | TOK_UNI_BIT(MC) | TOK_UNI_BIT(ME))
#define N_ALL (TOK_UNI_BIT(ND) | TOK_UNI_BIT(NL) | TOK_UNI_BIT(NO))
#define S_ALL (TOK_UNI_BIT(SM) | TOK_UNI_BIT(SC) | TOK_UNI_BIT(SK) | TOK_UNI_BIT(SO))
#define C_ALL                                                                                                \
    (TOK_UNI_BIT(CC) | TOK_UNI_BIT(CF) | TOK_UNI_BIT(CS) | TOK_UNI_BIT(CO) | TOK_UNI_BIT(CN) |               \
     TOK_UNI_BIT(CW))

static const struct {
    const char *name;
    uint32_t classes;
} categories[] = {
    {"L", L_ALL},
    {"Letter", L_ALL},
    {"Lu", TOK_UNI_BIT(LU)},
    {"Ll", TOK_UNI_BIT(LL)},
    {"Lt", TOK_UNI_BIT(LT)},
    {"Lm", TOK_UNI_BIT(LM)},
    {"Lo", TOK_UNI_BIT(LO)},
    {"M", M_ALL},
    {"Mark", M_ALL},
    {"Mn", TOK_UNI_BIT(MN)},
    {"Mc", TOK_UNI_BIT(MC)},
    {"Me", TOK_UNI_BIT(ME)},
    {"N", N_ALL},
    {"Number", N_ALL},
    {"Nd", TOK_UNI_BIT(ND)},
    {"Nl", TOK_UNI_BIT(NL)},
    {"No", TOK_UNI_BIT(NO)},
    {"P", TOK_UNI_PUNCTUATION},
    {"Punctuation", TOK_UNI_PUNCTUATION},
    {"Pc", TOK_UNI_BIT(PC)},
    {"Pd", TOK_UNI_BIT(PD)},
    {"Ps", TOK_UNI_BIT(PS)},
    {"Pe", TOK_UNI_BIT(PE)},
    {"Pi", TOK_UNI_BIT(PI)},
    {"Pf", TOK_UNI_BIT(PF)},
    {"Po", TOK_UNI_BIT(PO)},
    {"S", S_ALL},
    {"Symbol", S_ALL},
    {"Sm", TOK_UNI_BIT(SM)},
    {"Sc", TOK_UNI_BIT(SC)},
    {"Sk", TOK_UNI_BIT(SK)},
    {"So", TOK_UNI_BIT(SO)},
    {"Z", TOK_UNI_BIT(ZS)},
    {"C", C_ALL},
    {"Cc", TOK_UNI_BIT(CC) | TOK_UNI_BIT(CW)},
    {"Cf", TOK_UNI_BIT(CF)},
};

/* \w: letters and what counts as such, marks, decimal digits, connectors. */
static char_set set_word(compiler *c)
{
    const char_set classes = set_classes(c, L_ALL | M_ALL | TOK_UNI_BIT(ND) | TOK_UNI_BIT(PC));
    return set_merge(c, classes, set_property(c, &glia_tok_unicode_properties[0]), 1); /* Alphabetic */
}

/* What follows "\p" or "\P". */
static char_set read_property(compiler *c, bool negated)
{
    const char *close = peek(c, 0) == '{' ? memchr(c->at, '}', (size_t)(c->end - c->at)) : NULL;
    char_set s = {NULL, 0};
    if (!close) {
        refuse(c, "\\p without {name}");
        return s;
    }
    const char *name = c->at + 1;
    if (*name == '^') {
        negated = !negated;
        name++;
    }
    const size_t n = (size_t)(close - name);
    for (int i = 0; i < GLIA_COUNT(categories) && !s.at; i++)
        if (strlen(categories[i].name) == n && !memcmp(categories[i].name, name, n))
            s = set_classes(c, categories[i].classes);
    for (int i = 0; glia_tok_unicode_properties[i].name && !s.at; i++)
        if (strlen(glia_tok_unicode_properties[i].name) == n &&
            !memcmp(glia_tok_unicode_properties[i].name, name, n))
            s = set_property(c, &glia_tok_unicode_properties[i]);
    if (!s.at) refuse(c, "a property of characters without a table");
    c->at = close + 1;
    return negated && s.at ? set_complement(c, s) : s;
}

static int hex_digit(char d)
{
    return d >= '0' && d <= '9' ? d - '0' : (d | 32) >= 'a' && (d | 32) <= 'f' ? (d | 32) - 'a' + 10 : -1;
}

/* The number after \x or \u. */
static uint32_t read_hex(compiler *c, int digits)
{
    const bool braces = digits == 2 && peek(c, 0) == '{';
    uint32_t v = 0;
    int n = 0;
    if (braces) c->at++;
    while (n < (braces ? 6 : digits) && hex_digit(peek(c, 0)) >= 0) {
        v = v * 16 + (uint32_t)hex_digit(*c->at++);
        n++;
    }
    if (n == 0 || (!braces && n < digits) || (braces && peek(c, 0) != '}') || v > 0x10FFFF)
        refuse(c, "a malformed \\x or \\u");
    else if (braces) c->at++;
    return v;
}

/* One character or class; a class goes into s and gives false, a character into *cp. */
static bool read_char(compiler *c, char_set *s, uint32_t *cp)
{
    static const char plain[] = "rntvfea", values[] = "\r\n\t\v\f\x1b\a";
    int len;
    bool ok;
    if (*c->at != '\\') {
        *cp = glia_utf8_decode(c->at, c->end - c->at, &len, &ok);
        c->at += len;
        if (!ok) refuse(c, "malformed UTF-8");
        return true;
    }
    const char esc = peek(c, 1);
    c->at += esc ? 2 : 1;
    *cp = (uint8_t)esc;
    if (esc == 's' || esc == 'S') *s = set_classes(c, TOK_UNI_SPACES);
    else if (esc == 'd' || esc == 'D') *s = set_classes(c, TOK_UNI_BIT(ND));
    else if (esc == 'w' || esc == 'W') *s = set_word(c);
    else if (esc == 'p' || esc == 'P') {
        *s = read_property(c, esc == 'P');
        return false;
    } else if (esc == 'x' || esc == 'u') {
        *cp = read_hex(c, esc == 'x' ? 2 : 4);
        return true;
    } else if (esc && strchr(plain, esc)) {
        *cp = (uint8_t)values[strchr(plain, esc) - plain];
        return true;
    } else {
        if (!esc || (esc >= '0' && esc <= '9') || ((esc | 32) >= 'a' && (esc | 32) <= 'z'))
            refuse(c, "an escape that is not built");
        return true;
    }
    if (esc >= 'A' && esc <= 'Z' && s->at) *s = set_complement(c, *s);
    return false;
}

/* "[...]", from its bracket on. */
static char_set read_brackets(compiler *c)
{
    char_set all = set_room(c, 0), part = set_room(c, 0), s = {NULL, 0};
    bool negated = false,
         whole = true; /* `all` holds nothing yet, so that && takes the first part as it is */
    uint32_t lo, hi;
    if (++c->depth > DEPTH_MAX) refuse(c, "sets nested too deep");
    c->at++;
    if (peek(c, 0) == '^') {
        negated = true;
        c->at++;
    }
    if (peek(c, 0) == ']') refuse(c, "an empty set");
    while (peek(c, 0) && peek(c, 0) != ']' && !c->why) {
        if (looking_at(c, "[:")) refuse(c, "a POSIX class");
        else if (*c->at == '[') part = set_merge(c, part, read_brackets(c), 1);
        else if (looking_at(c, "&&")) {
            c->at += 2;
            all = whole ? part : set_merge(c, all, part, 2);
            whole = false;
            part = set_room(c, 0);
        } else if (!read_char(c, &s, &lo)) part = set_merge(c, part, s, 1);
        else if (peek(c, 0) != '-' || peek(c, 1) == ']') part = set_merge(c, part, set_char(c, lo), 1);
        else {
            c->at++;
            if (!peek(c, 0) || !read_char(c, &s, &hi) || hi < lo) refuse(c, "a range without order");
            else part = set_merge(c, part, set_range_folded(c, lo, hi), 1);
        }
    }
    if (peek(c, 0) != ']') refuse(c, "a set without its end");
    else c->at++;
    c->depth--;
    if (!whole && !c->why) part = set_merge(c, all, part, 2);
    return negated && !c->why ? set_complement(c, part) : part;
}

/* The number of a set among the sets, equal ones once. */
static int set_number(compiler *c, char_set s)
{
    if (c->why) return 0;
    for (int i = 0; i < c->set_count; i++)
        if (c->sets[i].count == s.count && !memcmp(c->sets[i].at, s.at, (size_t)s.count * sizeof *s.at))
            return i;
    if (c->set_count == SETS_MAX) {
        refuse(c, "too many different sets");
        return 0;
    }
    c->sets[c->set_count] = s;
    return c->set_count++;
}

/* A literal, an escape, a dot, or [...]; returns its number among the sets. */
static int read_set(compiler *c)
{
    char_set s = {NULL, 0};
    uint32_t cp;
    if (!peek(c, 0)) refuse(c, "an end where a character was expected");
    else if (*c->at == '[') s = read_brackets(c);
    else if (*c->at == '.') {
        c->at++;
        s = set_complement(c, set_range(c, '\n', '\n'));
    } else if (strchr("?*+^)", *c->at)) refuse(c, "a mark that stands where a character was expected");
    else if (read_char(c, &s, &cp)) s = set_char(c, cp);
    return set_number(c, s);
}

/* ---- expression to program */

static void emit(compiler *c, opcode op, int set, int first, int second)
{
    if (c->length == PROGRAM_MAX) {
        refuse(c, "too long");
        return;
    }
    c->program[c->length++] = (instruction){(uint8_t)op, (uint8_t)set, (int16_t)first, (int16_t)second};
}

/* Puts one instruction before those from `at` on; offsets are relative, so what moves stays right. */
static void insert(compiler *c, int at, opcode op, int first, int second)
{
    emit(c, op, 0, first, second);
    if (c->why) return;
    const instruction it = c->program[c->length - 1];
    memmove(c->program + at + 1, c->program + at, (size_t)(c->length - 1 - at) * sizeof it);
    c->program[at] = it;
}

static int read_number(compiler *c, int otherwise)
{
    int v = 0;
    if (peek(c, 0) < '0' || peek(c, 0) > '9') return otherwise;
    while (peek(c, 0) >= '0' && peek(c, 0) <= '9' && v <= REPEAT_MAX) v = v * 10 + (*c->at++ - '0');
    return v;
}

/* What a mark of repetition says; false: none stands here. high -1: without end. */
static bool read_repeat(compiler *c, int *low, int *high)
{
    const char *start = c->at;
    *low = peek(c, 0) == '+';
    *high = peek(c, 0) == '?' ? 1 : -1;
    if (peek(c, 0) && strchr("?*+", peek(c, 0))) {
        c->at++;
        return true;
    }
    if (peek(c, 0) != '{') return false;
    c->at++;
    *low = read_number(c, -1);
    *high = *low;
    if (peek(c, 0) == ',') {
        c->at++;
        *high = read_number(c, -1);
        if (*low < 0 && *high >= 0) *low = 0;
    }
    if (peek(c, 0) != '}' || *low < 0) { /* not a repeat: a brace like any other character */
        c->at = start;
        return false;
    }
    c->at++;
    if (*low > REPEAT_MAX || *high > REPEAT_MAX || (*high >= 0 && *high < *low))
        refuse(c, "an impossible repeat");
    return true;
}

/* Copies the instructions [from, from + length) to the end. */
static void copy_of(compiler *c, int from, int length)
{
    for (int i = 0; i < length && !c->why; i++) {
        const instruction it = c->program[from + i];
        emit(c, it.op, it.set, it.first, it.second);
    }
}

static void split(compiler *c, int into, int past, bool lazy)
{
    emit(c, SPLIT, 0, lazy ? past : into, lazy ? into : past);
}

/* Repeats the instructions from `from` on, low to high times. */
static void build_repeat(compiler *c, int from, int low, int high, bool lazy)
{
    const int length = c->length - from;
    if (high == 0) {
        c->length = from;
        return;
    }
    for (int k = 1; k < low; k++) copy_of(c, from, length);
    if (high < 0) {
        if (low) { /* back from behind the last copy */
            split(c, -length, 1, lazy);
            return;
        }
        insert(c, from, SPLIT, lazy ? length + 2 : 1, lazy ? 1 : length + 2);
        emit(c, JUMP, 0, -(length + 1), 0);
        return;
    }
    for (int k = low > 1 ? low : 1; k < high && !c->why; k++) {
        split(c, 1, length + 1, lazy);
        copy_of(c, from, length);
    }
    if (!low) insert(c, from, SPLIT, lazy ? c->length - from + 1 : 1, lazy ? 1 : c->length - from + 1);
}

static void repeat(compiler *c, int from)
{
    int low, high;
    while (!c->why && read_repeat(c, &low, &high)) {
        const bool braces = c->at[-1] == '}';
        const bool lazy = peek(c, 0) == '?', possessive = !braces && peek(c, 0) == '+';
        if (braces && lazy) refuse(c, "a lazy repeat in braces");
        const instruction one = c->program[from];
        if (possessive && (c->length - from != 1 || one.op != SET))
            refuse(c, "a possessive repeat of a group");
        if (c->length == from) refuse(c, "a repeat of nothing");
        if (c->why) return;
        if (lazy || possessive) c->at++;
        build_repeat(c, from, low, high, lazy);
        if (!possessive) continue;
        if (high == 1) { /* X or nothing, and nothing only where no X is */
            c->program[from].second = 3;
            emit(c, JUMP, 0, 2, 0);
        }
        emit(c, NOT_AHEAD, one.set, 0, 0);
    }
}

/* Alternatives up to ')' or the end. Recursion is bounded by DEPTH_MAX. */
static void read_alternatives(compiler *c);

static void read_group(compiler *c)
{
    const bool fold = c->fold;
    bool ahead = false;
    c->at++;
    if (looking_at(c, "?!") || looking_at(c, "?=")) {
        const opcode op = c->at[1] == '!' ? NOT_AHEAD : AHEAD;
        c->at += 2;
        emit(c, op, read_set(c), 0, 0);
        ahead = true;
    } else if (looking_at(c, "?i)")) { /* to the end of the group around */
        c->at += 3;
        c->fold = true;
        return;
    } else if (looking_at(c, "?i:")) {
        c->fold = true;
        c->at += 3;
    } else if (looking_at(c, "?:")) c->at += 2;
    else if (looking_at(c, "?")) refuse(c, "a group of a kind that is not built");
    if (!ahead) read_alternatives(c);
    c->fold = fold;
    if (peek(c, 0) != ')') refuse(c, ahead ? "a look-ahead of more than one set" : "a group without its end");
    else c->at++;
}

static void read_alternatives(compiler *c)
{
    int start = c->length;
    if (++c->depth > DEPTH_MAX) refuse(c, "groups nested too deep");
    int jumps[JUMPS_MAX], jump_count = 0;
    while (!c->why) {
        while (peek(c, 0) && *c->at != '|' && *c->at != ')' && !c->why) {
            const int from = c->length;
            if (looking_at(c, "(?i)")) {
                read_group(c);
                continue;
            }
            if (*c->at == '(') read_group(c);
            else if (*c->at == '$') { /* the end, or before a newline */ c->at++;
                emit(c, NOT_AHEAD, set_number(c, set_complement(c, set_range(c, '\n', '\n'))), 0, 0);
                continue;
            } else emit(c, SET, read_set(c), 0, 0);
            repeat(c, from);
        }
        if (peek(c, 0) != '|' || c->why) break;
        c->at++;
        insert(c, start, SPLIT, 1, c->length - start + 2);
        if (jump_count == JUMPS_MAX) refuse(c, "too many alternatives");
        else jumps[jump_count++] = c->length;
        emit(c, JUMP, 0, 0, 0);
        start = c->length;
    }
    for (int i = 0; i < jump_count && !c->why; i++)
        c->program[jumps[i]].first = (int16_t)(c->length - jumps[i]);
    c->depth--;
}

/* ---- program to automaton */

typedef struct builder {
    compiler c;
    uint64_t signature[CLASSES_MAX]; /* per class: the sets that hold it */
    int class_count;
    int64_t work;
    uint16_t pool[POOL_MAX]; /* the thread lists of all states, one after another */
    int list_at[STATES_MAX + 1];
    uint32_t list_hash[STATES_MAX];
    int state_count;
} builder;

/* The class of characters that lie in the same sets as this one. */
static int class_for(builder *b, uint64_t signature)
{
    for (int i = 0; i < b->class_count; i++)
        if (b->signature[i] == signature) return i;
    if (b->class_count == CLASSES_MAX) {
        refuse(&b->c, "too many classes of characters");
        return 0;
    }
    b->signature[b->class_count] = signature;
    return b->class_count++;
}

/* Calls for each run of code points that lie in the same sets; gives the next bound. */
static uint32_t next_bound(builder *b, int cursor[SETS_MAX], uint64_t *signature)
{
    uint32_t next = 0x110000;
    for (int i = 0; i < b->c.set_count; i++) {
        const char_set *s = &b->c.sets[i];
        if (cursor[i] < s->count && s->at[cursor[i]] < next) next = s->at[cursor[i]];
    }
    for (int i = 0; i < b->c.set_count; i++) {
        const char_set *s = &b->c.sets[i];
        if (cursor[i] < s->count && s->at[cursor[i]] == next) {
            cursor[i]++;
            *signature ^= (uint64_t)1 << i;
        }
    }
    return next;
}

/* The class of every code point, in blocks of 256; equal neighbours that are all of one class share a block.
 */
static glia_status build_classes(builder *b, tok_regex *r, glia_arena *arena, glia_error *e)
{
    int cursor[SETS_MAX] = {0};
    uint64_t signature = 0, after = 0;
    uint8_t block[256];
    int64_t capacity = 0;
    int count = 0, filled = 0;
    int16_t uniform[CLASSES_MAX];
    memset(uniform, 0xFF, sizeof uniform);
    uint32_t cp = 0, end = next_bound(b, cursor, &after);
    while (end == 0) { /* sets that hold U+0000 */
        signature = after;
        end = next_bound(b, cursor, &after);
    }
    for (; cp < 0x110000 && !b->c.why; cp = end, signature = after, end = next_bound(b, cursor, &after)) {
        const int class = class_for(b, signature);
        for (uint32_t at = cp; at < end;) {
            if (at < 128) r->ascii[at] = (uint8_t) class;
            block[filled++] = (uint8_t) class;
            at++;
            if (filled < 256) continue;
            filled = 0;
            bool same = true;
            for (int i = 1; i < 256; i++) same &= block[i] == block[0];
            if (same && uniform[block[0]] >= 0) r->page[(at - 1) >> 8] = (uint16_t)uniform[block[0]];
            else {
                uint8_t *grown = glia_arena_grow(arena, r->pages, count, &capacity, 256);
                if (!grown) return glia_tok_nomem(e);
                r->pages = grown;
                memcpy(grown + (size_t)count * 256, block, 256);
                if (same) uniform[block[0]] = (int16_t)count;
                r->page[(at - 1) >> 8] = (uint16_t)count++;
            }
            /* whole blocks inside the run need no filling */
            while (at + 256 <= end && uniform[class] >= 0) {
                r->page[at >> 8] = (uint16_t)uniform[class];
                at += 256;
            }
        }
    }
    r->class_count = b->class_count;
    r->page_count = count;
    return GLIA_OK;
}

static int class_of(const tok_regex *r, uint32_t cp)
{
    return cp < 0x110000 ? r->pages[(size_t)r->page[cp >> 8] * 256 + (cp & 255)] : 0;
}

static bool class_in(const builder *b, int class, int set)
{
    return class < b->class_count && (b->signature[class] >> set & 1);
}

/* The state of this list, new or old. */
static int state_for(builder *b, const uint16_t *list, int n)
{
    const int used = b->list_at[b->state_count];
    uint32_t hash = (uint32_t)n;
    for (int i = 0; i < n; i++) hash = (hash ^ list[i]) * 0x9E3779B1u;
    b->work += b->state_count + n;
    for (int s = 0; s < b->state_count; s++)
        if (b->list_hash[s] == hash && b->list_at[s + 1] - b->list_at[s] == n &&
            !memcmp(b->pool + b->list_at[s], list, (size_t)n * sizeof *list))
            return s;
    if (b->state_count == STATES_MAX || used + n > POOL_MAX || b->work > WORK_MAX) {
        refuse(&b->c, "too many states");
        return 0;
    }
    if (n) memcpy(b->pool + used, list, (size_t)n * sizeof *list);
    b->list_hash[b->state_count] = hash;
    b->list_at[b->state_count + 1] = used + n;
    return b->state_count++;
}

/* One step of a state on a class, as the picture at the top says. */
static uint16_t step_for(builder *b, int state, int class)
{
    bool seen[PROGRAM_MAX] = {false}, next_has[PROGRAM_MAX + 1] = {false};
    uint16_t stack[2 * PROGRAM_MAX + 2], next[PROGRAM_MAX];
    int next_count = 0;
    bool match = false;
    for (int i = b->list_at[state]; i < b->list_at[state + 1] && !match; i++) {
        int top = 0;
        stack[top++] = b->pool[i];
        while (top && !match) {
            const uint16_t pc = stack[--top];
            const instruction *it = &b->c.program[pc];
            b->work++;
            if (seen[pc]) continue;
            seen[pc] = true;
            if (it->op == MATCH) match = true;
            else if (it->op == JUMP) stack[top++] = (uint16_t)(pc + it->first);
            else if (it->op == SPLIT) {
                stack[top++] = (uint16_t)(pc + it->second);
                stack[top++] = (uint16_t)(pc + it->first);
            } else if (it->op == NOT_AHEAD || it->op == AHEAD) {
                if (class_in(b, class, it->set) == (it->op == AHEAD)) stack[top++] = (uint16_t)(pc + 1);
            } else if (class_in(b, class, it->set) && !next_has[pc + 1]) {
                next_has[pc + 1] = true;
                next[next_count++] = (uint16_t)(pc + 1);
            }
        }
    }
    return (uint16_t)(state_for(b, next, next_count) << 1 | match);
}

/* The character that byte-level vocabularies spell a byte with. */
static uint32_t spelled(int byte)
{
    int next = 256;
    for (int b = 0;; b++) {
        const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte) return plain ? (uint32_t)b : (uint32_t)next;
        next += !plain;
    }
}

static glia_status build(tok_regex *r, glia_arena *arena, builder *b, glia_error *e)
{
    const uint16_t start = 0;
    compiler *c = &b->c;
    if (memchr(c->at, 0, (size_t)(c->end - c->at))) refuse(c, "a NUL");
    read_alternatives(c);
    emit(c, MATCH, 0, 0, 0);
    if (c->at < c->end) refuse(c, "a closing parenthesis without its group");
    glia_status s = c->why ? GLIA_OK : build_classes(b, r, arena, e);
    if (s) return s;
    if (!c->why) {
        state_for(b, &start, 0); /* 0: nothing can match any more */
        state_for(b, &start, 1);
    }
    int64_t capacity = 0;
    const int64_t row = r->class_count + 1;
    for (int state = 0; state < b->state_count && !c->why; state++) {
        uint16_t *grown = glia_arena_grow(arena, r->step, state, &capacity, row * (int64_t)sizeof *r->step);
        if (!grown) return glia_tok_nomem(e);
        r->step = grown;
        for (int k = 0; k <= r->class_count; k++) r->step[state * row + k] = step_for(b, state, k);
    }
    r->state_count = b->state_count;
    if (!c->why && r->bytes)
        for (int k = 0; k < 256; k++) r->ascii[k] = (uint8_t)class_of(r, spelled(k));
    for (int k = 0; k < 256 && !c->why; k++)
        r->begins[k] = (k >= 128 && !r->bytes) || r->step[row + r->ascii[k]] >> 1;
    return GLIA_OK;
}

glia_status glia_tok_regex_compile(tok_regex *out, glia_arena *a, const char *expression, int64_t size,
                                   bool bytes, glia_error *e)
{
    glia_arena work;
    memset(out, 0, sizeof *out);
    out->bytes = bytes;
    glia_arena_init(&work, a->os, 0);
    builder *b = GLIA_NEW(&work, builder);
    glia_status s = b ? GLIA_OK : glia_tok_nomem(e);
    if (b) {
        b->c.arena = &work;
        b->c.begin = b->c.at = expression;
        b->c.end = expression + size;
        s = build(out, a, b, e);
    }
    if (!s && b->c.nomem) s = glia_tok_nomem(e);
    if (!s && b->c.why)
        s = glia_fail(e, GLIA_E_UNSUPPORTED, "G0623", "the expression %.*s%s is not built: %s (at byte %lld)",
                      (int)glia_min(size, 200), expression, size > 200 ? "..." : "", b->c.why,
                      (long long)(b->c.at - expression));
    glia_arena_free(&work);
    return s;
}

/* ---- matching */

static inline int class_at(const tok_regex *r, const char *s, int64_t left, int *len)
{
    bool ok;
    *len = 1;
    if ((uint8_t)*s < 128 || r->bytes) return r->ascii[(uint8_t)*s];
    return class_of(r, glia_utf8_decode(s, left, len, &ok));
}

int glia_tok_regex_char(const tok_regex *r, const char *s, int64_t left)
{
    int len;
    class_at(r, s, left, &len);
    return len;
}

int64_t glia_tok_regex_match(const tok_regex *r, const char *text, int64_t at, int64_t end, tok_trail *trail,
                             int64_t *steps, bool *far)
{
    int64_t last = -1, first_slot = -1;
    unsigned state = 1;
    const unsigned row = (unsigned)r->class_count + 1;
    /* Short scans leave no trail. */
    int64_t mark = ((at >> TOK_TRAIL_SHIFT) + 2) << TOK_TRAIL_SHIFT;
    for (;; ++*steps) {
        if (at >= mark) {
            const int64_t slot = at >> TOK_TRAIL_SHIFT;
            mark = (slot + 1) << TOK_TRAIL_SHIFT;
            if (!trail->state) *far = true;
            else {
                const bool known = slot >= trail->begin && slot < trail->end && trail->state[slot] == state;
                if (known) {
                    if (trail->match >= at) last = trail->match;
                    trail->begin = first_slot < 0 ? slot : first_slot;
                    trail->match = last;
                    return last;
                }
                if (first_slot < 0) first_slot = slot;
                trail->state[slot] = (uint16_t)state;
            }
        }
        int len = 0;
        const int class = at < end ? class_at(r, text + at, end - at, &len) : r->class_count;
        const unsigned step = r->step[state * row + (unsigned)class];
        if (step & 1) last = at;
        state = step >> 1;
        if (!state || at >= end) break;
        at += len;
    }
    if (first_slot >= 0) {
        trail->begin = first_slot;
        trail->end = (at >> TOK_TRAIL_SHIFT) + 1;
        trail->match = last;
    }
    return last;
}
