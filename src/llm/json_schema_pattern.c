/* Pieces of GBNF for schemas: literals, whole numbers in a range, keys other than given ones, and regular
 * expressions. Characters are those of the JSON text: what JSON escapes is written escaped.
 *
 * Of regular expressions there are: characters, ., classes, \d \w \s and their opposites, escapes, groups,
 * alternatives, repetitions, ^ and $ at the ends of an alternative. Classes, . and opposites are meant
 * without control characters, \d and its like in ASCII: each text that is generated matches. */
#include "llm/json_schema.h"

#include "base/check.h"
#include "base/utf8.h"

#include <string.h>

void glia_schema_literal(glia_writer *w, const char *bytes, int64_t size)
{
    glia_write_text(w, "\"");
    for (int64_t i = 0; i < size; i++) {
        const uint8_t c = (uint8_t)bytes[i];
        if (c == '"' || c == '\\') glia_write_text(w, "\\%c", c);
        else if (c < 0x20 || c == 0x7F) glia_write_text(w, "\\x%02X", c);
        else glia_write_u8(w, c);
    }
    glia_write_text(w, "\"");
}

void glia_schema_json_bytes(glia_writer *w, const char *bytes, int64_t size)
{
    static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
    for (int64_t i = 0; i < size; i++) {
        const uint8_t c = (uint8_t)bytes[i];
        const char *at = c ? strchr(short_from, c) : NULL;
        if (at) glia_write_text(w, "\\%c", short_to[at - short_from]);
        else if (c < 0x20 || c == 0x7F) glia_write_text(w, "\\u%04x", c);
        else glia_write_u8(w, c);
    }
}

/* Blocks d..e followed by any digits, the largest that fit, from below. */
void glia_schema_integers(glia_writer *w, int64_t low, int64_t high)
{
    bool first = true;
    if (low == 0) {
        glia_write_text(w, "\"0\"");
        first = false;
        low = 1;
    }
    while (low <= high) {
        int64_t unit = 1, zeros = 0;
        while (low % (unit * 10) == 0 && unit * 10 - 1 <= high - low) {
            unit *= 10;
            zeros++;
        }
        const int64_t digit = low / unit % 10, before = low / unit / 10;
        int64_t last = digit;
        while (last < 9 && unit * (last - digit + 2) - 1 <= high - low) last++;
        glia_write_text(w, "%s", first ? "" : " | ");
        if (before) glia_write_text(w, "\"%lld\" ", (long long)before);
        glia_write_text(w, "[%lld-%lld]", (long long)digit, (long long)last);
        if (zeros) glia_write_text(w, " [0-9]{%lld}", (long long)zeros);
        first = false;
        low += unit * (last - digit + 1);
    }
}

/* ---- classes of characters */

static void put_code_point(glia_writer *w, uint32_t c) { glia_write_text(w, "\\U%08X", (unsigned)c); }

/* Characters that stand for themselves in JSON, as [..]; then those that are written escaped, where the class
 * was stated and not a complement. The ranges are sorted and joined. */
static bool put_class(schema_work *k, const grammar_range *r, int64_t count, bool escapes)
{
    static const grammar_range plain[] = {
        {0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x7E}, {0x80, 0xD7FF}, {0xE000, 0x10FFFF}};
    static const struct {
        uint32_t c;
        const char *gbnf;
    } escaped[] = {{'"', "\"\\\\\\\"\""}, {'\\', "\"\\\\\\\\\""}, {'\n', "\"\\\\n\""},
                   {'\t', "\"\\\\t\""},   {'\r', "\"\\\\r\""},    {'\f', "\"\\\\f\""}};
    glia_writer *w = k->w;
    bool any = false, open = false;
    glia_write_text(w, "(");
    for (int64_t i = 0; i < count; i++)
        for (int p = 0; p < GLIA_COUNT(plain); p++) {
            const uint32_t low = r[i].low > plain[p].low ? r[i].low : plain[p].low;
            const uint32_t high = r[i].high < plain[p].high ? r[i].high : plain[p].high;
            if (low > high) continue;
            if (!open) glia_write_text(w, "[");
            open = any = true;
            put_code_point(w, low);
            glia_write_text(w, "-");
            put_code_point(w, high);
        }
    if (open) glia_write_text(w, "]");
    for (int x = 0; x < GLIA_COUNT(escaped); x++)
        for (int64_t i = 0; i < count; i++) {
            if (escaped[x].c < r[i].low || escaped[x].c > r[i].high || (!escapes && x >= 2)) continue;
            glia_write_text(w, "%s%s", any ? " | " : "", escaped[x].gbnf);
            any = true;
        }
    glia_write_text(w, ")");
    return any || glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0664",
                                   "JSON schema: a class of a pattern has no character left");
}

/* ---- keys that are none of the given ones: a rule for each beginning that several names share or have */

typedef struct key_range { /* names [begin, end) of the sorted list share `depth` bytes */
    int64_t begin, end, depth, helper;
} key_range;

static bool put_key_rule(schema_work *k, glia_writer *w, const schema_property *p, key_range r,
                         key_range *list, int64_t *listed, int64_t most)
{
    grammar_range *next = GLIA_NEW_ARRAY(k->arena, grammar_range, r.end - r.begin + 2);
    glia_writer branches = {.arena = k->arena};
    int64_t count = 0, i = r.begin;
    if (!next) return glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
    const bool is_key = i < r.end && p[i].size == r.depth;
    while (i < r.end && p[i].size == r.depth) i++;
    while (i < r.end) {
        int len;
        bool ok;
        const char *at = p[i].name + r.depth;
        const uint32_t c = glia_utf8_decode(at, p[i].size - r.depth, &len, &ok);
        const int64_t begin = i;
        while (i < r.end && p[i].size >= r.depth + len && !memcmp(p[i].name + r.depth, at, (size_t)len)) i++;
        if (*listed == most)
            return glia_schema_fail(k, GLIA_E_LIMIT, "G0654",
                                    "JSON schema: the names of properties are too long");
        glia_writer escaped = {.arena = k->arena};
        glia_schema_json_bytes(&escaped, at, len);
        glia_write_text(&branches, " | ");
        glia_schema_literal(&branches, (const char *)escaped.data, escaped.size);
        glia_write_text(&branches, " h%lld", (long long)k->helpers);
        list[(*listed)++] = (key_range){begin, i, r.depth + len, k->helpers++};
        next[count++] = (grammar_range){c, c};
        if (escaped.failed || branches.failed)
            return glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
    }
    glia_write_text(w, "h%lld ::= ", (long long)r.helper);
    count = glia_grammar_class(next, count, true);
    if (!put_class(k, next, count, false)) return false;
    glia_write_text(w, " char*");
    glia_write_bytes(w, branches.data, branches.size);
    glia_write_text(w, "%s\n", is_key ? "" : " | \"\"");
    return true;
}

int64_t glia_schema_other_keys(schema_work *k, glia_writer *w, const schema_property *given, int64_t count)
{
    enum { RANGES_MAX = 1 << 13 };
    schema_property *p = GLIA_NEW_ARRAY(k->arena, schema_property, count);
    key_range *list = GLIA_NEW_ARRAY(k->arena, key_range, RANGES_MAX);
    int64_t listed = 1, first = k->helpers;
    if (!p || !list) {
        glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
        return -1;
    }
    for (int64_t i = 0; i < count; i++) { /* insertion: names are few */
        int64_t at = i;
        for (; at > 0; at--) {
            const int c =
                memcmp(p[at - 1].name, given[i].name, (size_t)glia_min(p[at - 1].size, given[i].size));
            if (c < 0 || (c == 0 && p[at - 1].size <= given[i].size)) break;
            p[at] = p[at - 1];
        }
        p[at] = given[i];
    }
    if (!count) {
        glia_write_text(w, "h%lld ::= char*\n", (long long)k->helpers++);
        return first;
    }
    list[0] = (key_range){0, count, 0, k->helpers++};
    for (int64_t i = 0; i < listed; i++)
        if (!put_key_rule(k, w, p, list[i], list, &listed, RANGES_MAX)) return -1;
    return first;
}

/* ---- regular expressions */

typedef struct pattern {
    schema_work *k;
    const char *text;
    int64_t size, at;
    int depth;
    bool ended; /* by a $ that was the last thing */
    grammar_range ranges[256];
    int64_t range_count;
} pattern;

static bool unbuilt(pattern *p, const char *what)
{
    return glia_schema_fail(p->k, GLIA_E_UNSUPPORTED, "G0664",
                            "JSON schema: pattern `%.100s`: %s at byte %lld", p->text, what,
                            (long long)p->at);
}

static int peek(const pattern *p, int64_t ahead)
{
    return p->at + ahead < p->size ? (uint8_t)p->text[p->at + ahead] : -1;
}

static bool add(pattern *p, uint32_t low, uint32_t high)
{
    if (p->range_count + 8 > (int64_t)GLIA_COUNT(p->ranges)) return unbuilt(p, "a class with too many parts");
    p->ranges[p->range_count++] = (grammar_range){low, high};
    return true;
}

/* \d and so on; the opposites without control characters. */
static bool add_named(pattern *p, int name)
{
    static const grammar_range digits[] = {{'0', '9'}},
                               word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                               space[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    static const grammar_range no_digits[] = {{0x20, '/'}, {':', 0x7E}},
                               no_word[] = {{0x20, '/'}, {':', '@'}, {'[', '^'}, {'`', '`'}, {'{', 0x7E}},
                               no_space[] = {{0x21, 0x7E}};
    static const struct {
        char name;
        const grammar_range *r;
        int count;
    } names[] = {{'d', digits, 1},    {'w', word, 4},    {'s', space, 3},
                 {'D', no_digits, 2}, {'W', no_word, 5}, {'S', no_space, 1}};
    for (int i = 0; i < GLIA_COUNT(names); i++)
        for (int n = 0; names[i].name == name && n < names[i].count; n++)
            if (!add(p, names[i].r[n].low, names[i].r[n].high)) return false;
    return true;
}

static bool hex(pattern *p, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        const int c = peek(p, 0), lower = c | 0x20;
        if (c >= '0' && c <= '9') *out = *out << 4 | (uint32_t)(c - '0');
        else if (c >= 0 && lower >= 'a' && lower <= 'f') *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else return unbuilt(p, "an escape without its digits");
    }
    return true;
}

/* One character, or with *named a class such as \d. */
static bool atom(pattern *p, uint32_t *c, int *named)
{
    static const char names[] = "nrtfv", values[] = "\n\r\t\f\v";
    int len;
    bool ok;
    *named = 0;
    if (peek(p, 0) != '\\') {
        *c = glia_utf8_decode(p->text + p->at, p->size - p->at, &len, &ok);
        p->at += len;
        return ok || unbuilt(p, "a byte that is not UTF-8");
    }
    p->at++;
    const int e = peek(p, 0);
    if (e < 0) return unbuilt(p, "an escape at the end");
    p->at++;
    if (strchr("dwsDWS", e)) {
        *named = e;
        return true;
    }
    if (e == 'x') return hex(p, 2, c);
    if (e == 'u') return hex(p, 4, c);
    const char *name = strchr(names, e);
    if (!name && ((e >= '0' && e <= '9') || (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || e >= 0x80))
        return unbuilt(p, "an escape that is not built");
    *c = name ? (uint8_t)values[name - names] : (uint8_t)e;
    return true;
}

static bool class(pattern *p)
{
    uint32_t low, high;
    int named;
    p->range_count = 0;
    p->at++;
    const bool negate = peek(p, 0) == '^';
    p->at += negate;
    while (peek(p, 0) != ']') {
        if (p->at >= p->size) return unbuilt(p, "a class that is not closed");
        if (!atom(p, &low, &named)) return false;
        if (named) {
            if (negate && named < 'a') return unbuilt(p, "an opposite inside a negated class");
            if (!add_named(p, named)) return false;
            continue;
        }
        high = low;
        if (peek(p, 0) == '-' && peek(p, 1) != ']' && peek(p, 1) >= 0) {
            p->at++;
            if (!atom(p, &high, &named)) return false;
            if (named || high < low) return unbuilt(p, "a range that is none");
        }
        if (!add(p, low, high)) return false;
    }
    p->at++;
    p->range_count = glia_grammar_class(p->ranges, p->range_count, negate);
    return put_class(p->k, p->ranges, p->range_count, !negate);
}

static bool digits(pattern *p)
{
    const int64_t at = p->at;
    while (peek(p, 0) >= '0' && peek(p, 0) <= '9') glia_write_u8(p->k->w, (uint8_t)p->text[p->at++]);
    return p->at > at;
}

/* * + ? {m,n} behind an element; a ? behind it changes nothing of what matches. */
static bool quantifier(pattern *p)
{
    const int c = peek(p, 0);
    glia_writer *w = p->k->w;
    if (c != '*' && c != '+' && c != '?' && c != '{') return true;
    p->at++;
    if (c == '{') {
        glia_write_text(w, "{");
        if (!digits(p)) return unbuilt(p, "a repetition without a number");
        if (peek(p, 0) == ',') {
            p->at++;
            glia_write_text(w, ",");
            digits(p);
        }
        if (peek(p, 0) != '}') return unbuilt(p, "a repetition that is not closed");
        p->at++;
        glia_write_text(w, "}");
    } else glia_write_text(w, "%c", c);
    if (peek(p, 0) == '+' || peek(p, 0) == '*') return unbuilt(p, "a possessive or double repetition");
    p->at += peek(p, 0) == '?';
    return true;
}

static bool group(pattern *p)
{
    p->at++;
    if (peek(p, 0) == '?') {
        if (peek(p, 1) != ':') return unbuilt(p, "look-around or a named group");
        p->at += 2;
    }
    if (peek(p, 0) == '^') return unbuilt(p, "^ inside a group");
    p->depth++;
    glia_write_text(p->k->w, "(");
    return true;
}

static bool element(pattern *p)
{
    const int c = peek(p, 0);
    uint32_t cp;
    int named;
    if (c == '*' || c == '+' || c == '?' || c == '{') return unbuilt(p, "a repetition of nothing");
    if (c == '^' || c == '$') return unbuilt(p, "an anchor that is not at the end of an alternative");
    if (c == '[') {
        if (!class(p)) return false;
    } else if (c == '.') {
        p->at++;
        p->ranges[0] = (grammar_range){0x20, 0x10FFFF};
        if (!put_class(p->k, p->ranges, 1, false)) return false;
    } else {
        if (!atom(p, &cp, &named)) return false;
        p->range_count = 0;
        if (named ? !add_named(p, named) : !add(p, cp, cp)) return false;
        if (!put_class(p->k, p->ranges, p->range_count, true)) return false;
    }
    if (!quantifier(p)) return false;
    glia_write_text(p->k->w, " ");
    return true;
}

/* The beginning and the end of an alternative outside of groups: without an anchor anything may stand there.
 */
static void begin_alternative(pattern *p)
{
    if (peek(p, 0) == '^') p->at++;
    else glia_write_text(p->k->w, "char* ");
}

static bool step(pattern *p)
{
    const int c = peek(p, 0);
    glia_writer *w = p->k->w;
    if (c == '(') return group(p);
    if (c == ')') {
        if (p->depth-- == 0) return unbuilt(p, "a group that was not opened");
        p->at++;
        glia_write_text(w, ")");
        if (!quantifier(p)) return false;
        glia_write_text(w, " ");
        return true;
    }
    const bool last = peek(p, 1) < 0 || peek(p, 1) == '|';
    if (c == '$' && last && !p->depth) {
        p->at++;
        if (peek(p, 0) == '|') {
            p->at++;
            glia_write_text(w, "\"\" | ");
            begin_alternative(p);
        } else {
            glia_write_text(w, "\"\" ");
            p->ended = true;
        }
        return true;
    }
    if (c == '|') {
        p->at++;
        glia_write_text(w, p->depth ? "| " : "char* | ");
        if (!p->depth) begin_alternative(p);
        return true;
    }
    return element(p);
}

bool glia_schema_pattern(schema_work *k, const char *text, int64_t size)
{
    pattern p = {.k = k, .text = text, .size = size};
    glia_write_text(k->w, "(");
    begin_alternative(&p);
    while (p.at < size)
        if (!step(&p)) return false;
    if (p.depth) return unbuilt(&p, "a group that is not closed");
    if (!p.ended) glia_write_text(k->w, "char*");
    glia_write_text(k->w, ")");
    return true;
}
