/* The JSON reader and writer. The reader keeps its place in an explicit stack that lies in the arena and
 * never grows beyond depth_max; so a text can make it neither recurse nor allocate out of proportion. */
#include "json.h"
#include "check.h"
#include "number.h"
#include "reader.h"
#include "utf8.h"

#include <string.h>

/* An open array or object. */
typedef struct {
    glia_json *node;
    glia_json *last; /* newest child */
} level;

typedef struct {
    glia_arena *arena;
    const char *text;
    int64_t size, at;
    int depth_max, flags, depth;
    level *levels;
    int64_t levels_room;
    glia_error *e;
} parser;

static glia_status bad(parser *p, int64_t at, const char *what)
{
    return glia_fail_at(p->e, GLIA_E_FORMAT, "G0401", at, "JSON: %s at byte %lld", what, (long long)at);
}

static glia_status no_memory(parser *p)
{
    return glia_fail(p->e, GLIA_E_NOMEM, "G0801", "JSON: out of memory");
}

static void skip_space(parser *p)
{
    for (; p->at < p->size; p->at++) {
        char c = p->text[p->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
    }
}

/* The next byte, or 0 at the end: a NUL in the text fits nothing either. */
static char peek(const parser *p) { return p->at < p->size ? p->text[p->at] : 0; }

/* Four hex digits at p->at; -1 if they are not there. */
static int32_t hex4(parser *p)
{
    int32_t v = 0;
    if (p->size - p->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p->text[p->at + i];
        if (c >= '0' && c <= '9') v = v * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f') v = v * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') v = v * 16 + (c - 'A' + 10);
        else return -1;
    }
    p->at += 4;
    return v;
}

/* The part of an escape after its backslash, as UTF-8 into to; bytes written, or 0 when malformed. */
static int unescape(parser *p, char *to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = peek(p);
    const char *found = c ? strchr(names, c) : NULL;
    p->at++;
    if (found) {
        *to = values[found - names];
        return 1;
    }
    if (c != 'u') return 0;
    int32_t high = hex4(p);
    if (high < 0) return 0;
    if (high >= 0xD800 && high < 0xDC00) {
        if (p->size - p->at < 6 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u') return 0;
        p->at += 2;
        int32_t low = hex4(p);
        if (low < 0xDC00 || low > 0xDFFF) return 0;
        high = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
    }
    return glia_utf8_encode((uint32_t)high, to);
}

/* A string, from its opening quote on. */
static glia_status parse_string(parser *p, const char **out, int64_t *out_size)
{
    int64_t begin = ++p->at, end = begin, used = 0;
    while (end < p->size && p->text[end] != '"') end += p->text[end] == '\\' ? 2 : 1;
    if (end >= p->size) return bad(p, begin - 1, "string without end");
    /* Unescaping never lengthens: at the least, \n is two bytes for one and \uXXXX six for three. */
    char *copy = glia_arena_alloc(p->arena, end - begin + 1, 1);
    if (!copy) return no_memory(p);
    while (p->at < end) {
        int64_t here = p->at;
        unsigned char c = (unsigned char)p->text[here];
        if (c < 0x20) return bad(p, here, "control character in a string");
        if (c == '\\') {
            p->at++;
            int n = unescape(p, copy + used);
            if (!n || p->at > end) return bad(p, here, "malformed escape");
            used += n;
            continue;
        }
        int len;
        bool ok;
        glia_utf8_decode(p->text + here, end - here, &len, &ok);
        if (!ok) return bad(p, here, "invalid UTF-8");
        memcpy(copy + used, p->text + here, (size_t)len);
        used += len;
        p->at += len;
    }
    p->at = end + 1;
    copy[used] = 0;
    *out = copy;
    *out_size = used;
    return GLIA_OK;
}

static bool digits(parser *p)
{
    int64_t begin = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') p->at++;
    return p->at > begin;
}

static glia_status parse_number(parser *p, glia_json *j)
{
    int64_t begin = p->at;
    if (peek(p) == '-') p->at++;
    bool ok = digits(p);
    if (ok && peek(p) == '.') {
        p->at++;
        ok = digits(p);
    }
    if (ok && (peek(p) == 'e' || peek(p) == 'E')) {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-') p->at++;
        ok = digits(p);
    }
    double v;
    ok = ok && glia_number_parse(p->text + begin, p->at - begin, &v); /* also refuses leading zeros */
    if (!ok) return bad(p, begin, "malformed number");
    j->kind = GLIA_JSON_NUMBER;
    j->text_size = p->at - begin;
    j->text = glia_arena_strndup(p->arena, p->text + begin, j->text_size);
    return j->text ? GLIA_OK : no_memory(p);
}

static bool literal(parser *p, const char *word)
{
    int64_t n = (int64_t)strlen(word);
    if (p->size - p->at < n || memcmp(p->text + p->at, word, (size_t)n)) return false;
    p->at += n;
    return true;
}

static glia_status open_level(parser *p, glia_json *j, glia_json_kind kind)
{
    j->kind = kind;
    if (p->depth >= p->depth_max)
        return glia_fail_at(p->e, GLIA_E_LIMIT, "G0402", p->at, "JSON: nested deeper than %d at byte %lld",
                            p->depth_max, (long long)p->at);
    level *levels = glia_arena_grow(p->arena, p->levels, p->depth, &p->levels_room, sizeof *levels);
    if (!levels) return no_memory(p);
    p->levels = levels;
    levels[p->depth].node = j;
    levels[p->depth].last = NULL;
    p->depth++;
    p->at++;
    return GLIA_OK;
}

/* A value; of an array or object only the opening bracket. */
static glia_status parse_value(parser *p, glia_json *j)
{
    char c = peek(p);
    if (c == '{') return open_level(p, j, GLIA_JSON_OBJECT);
    if (c == '[') return open_level(p, j, GLIA_JSON_ARRAY);
    if (c == '"') {
        j->kind = GLIA_JSON_STRING;
        return parse_string(p, &j->text, &j->text_size);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return parse_number(p, j);
    if (literal(p, "null")) return GLIA_OK;
    j->kind = GLIA_JSON_BOOL;
    if (literal(p, "true")) {
        j->boolean = true;
        return GLIA_OK;
    }
    if (literal(p, "false")) return GLIA_OK;
    return bad(p, p->at, p->at < p->size ? "unexpected character" : "unexpected end");
}

static glia_status parse_key(parser *p, glia_json *j)
{
    if (peek(p) != '"') return bad(p, p->at, "a key was expected");
    glia_status s = parse_string(p, &j->key, &j->key_size);
    if (s) return s;
    skip_space(p);
    if (peek(p) != ':') return bad(p, p->at, "':' was expected");
    p->at++;
    skip_space(p);
    return GLIA_OK;
}

/* Refuses two equal keys, by an open hash table of the members: linear in their number. */
static glia_status check_unique(parser *p, const glia_json *object)
{
    int64_t room = 8;
    while (room < object->count * 2) room *= 2;
    if (object->count < 2) return GLIA_OK;
    glia_arena scratch;
    glia_arena_init(&scratch, p->arena->os, p->arena->limit);
    const glia_json **table = GLIA_NEW_ARRAY(&scratch, const glia_json *, room);
    glia_status s = table ? GLIA_OK : no_memory(p);
    for (const glia_json *c = object->child; c && !s; c = c->next) {
        uint64_t h = 14695981039346656037u; /* FNV-1a */
        for (int64_t i = 0; i < c->key_size; i++) h = (h ^ (unsigned char)c->key[i]) * 1099511628211u;
        int64_t at = (int64_t)((h ^ h >> 32) & (uint64_t)(room - 1));
        while (table[at] &&
               (table[at]->key_size != c->key_size || memcmp(table[at]->key, c->key, (size_t)c->key_size)))
            at = (at + 1) & (room - 1);
        if (table[at])
            s = glia_fail_at(p->e, GLIA_E_FORMAT, "G0403", p->at, "JSON: the key \"%.64s\" appears twice",
                             c->key);
        table[at] = c;
    }
    glia_arena_free(&scratch);
    return s;
}

/* One member or element into the innermost open level. */
static glia_status parse_child(parser *p)
{
    level *in = &p->levels[p->depth - 1];
    glia_json *parent = in->node, *j = GLIA_NEW(p->arena, glia_json);
    if (!j) return no_memory(p);
    if (parent->kind == GLIA_JSON_OBJECT) {
        glia_status s = parse_key(p, j);
        if (s) return s;
    }
    if (in->last) in->last->next = j;
    else parent->child = j;
    in->last = j;
    parent->count++;
    return parse_value(p, j);
}

/* Goes on in the innermost open level: closes it or reads its next child. */
static glia_status parse_step(parser *p)
{
    const level *in = &p->levels[p->depth - 1];
    glia_json *parent = in->node;
    char closing = parent->kind == GLIA_JSON_OBJECT ? '}' : ']', c = peek(p);
    if (c == closing) {
        p->at++;
        p->depth--;
        return p->flags & GLIA_JSON_UNIQUE_KEYS && closing == '}' ? check_unique(p, parent) : GLIA_OK;
    }
    if (in->last) {
        if (c != ',')
            return bad(p, p->at,
                       p->at < p->size ? "',' or a closing bracket was expected" : "unexpected end");
        p->at++;
        skip_space(p);
        if (peek(p) == closing) return bad(p, p->at, "nothing follows the comma");
    }
    return parse_child(p);
}

glia_status glia_json_parse(glia_arena *a, const char *text, int64_t size, int depth_max, int flags,
                            const glia_json **out, glia_error *e)
{
    parser p = {.arena = a, .text = text, .size = size, .depth_max = depth_max, .flags = flags, .e = e};
    *out = NULL;
    glia_json *root = GLIA_NEW(a, glia_json);
    if (!root) return no_memory(&p);
    skip_space(&p);
    glia_status s = parse_value(&p, root);
    skip_space(&p);
    while (!s && p.depth) {
        s = parse_step(&p);
        skip_space(&p);
    }
    if (s) return s;
    if (p.at != size) return bad(&p, p.at, "bytes after the value");
    *out = root;
    return GLIA_OK;
}

const glia_json *glia_json_get(const glia_json *j, const char *key)
{
    if (!j || j->kind != GLIA_JSON_OBJECT) return NULL;
    int64_t size = (int64_t)strlen(key);
    for (const glia_json *c = j->child; c; c = c->next)
        if (c->key_size == size && !memcmp(c->key, key, (size_t)size)) return c;
    return NULL;
}

bool glia_json_i64(const glia_json *j, int64_t *out)
{
    if (!j || j->kind != GLIA_JSON_NUMBER) return false;
    bool negative = j->text[0] == '-';
    int64_t v = 0;
    /* Gathered below zero, where there is one number more. */
    for (int64_t i = negative; i < j->text_size; i++) {
        char c = j->text[i];
        if (c < '0' || c > '9') return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, c - '0', &v)) return false;
    }
    if (!negative && v == INT64_MIN) return false;
    *out = negative ? v : -v;
    return true;
}

bool glia_json_f64(const glia_json *j, double *out)
{
    double v;
    if (!j || j->kind != GLIA_JSON_NUMBER || !glia_number_parse(j->text, j->text_size, &v)) return false;
    if (v - v != 0) return false; /* 1e400: no double has that value */
    *out = v;
    return true;
}

/* ---- writer */

static void put_text(glia_json_writer *j, const char *s) { glia_write_bytes(j->w, s, (int64_t)strlen(s)); }

static void put_quoted(glia_json_writer *j, const char *s, int64_t size)
{
    static const char names[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
    glia_write_u8(j->w, '"');
    for (int64_t i = 0; i < size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(s + i, size - i, &len, &ok);
        const char *found = cp && cp < 0x80 ? strchr(names, (int)cp) : NULL;
        if (!ok) {
            glia_write_bytes(j->w, "\xEF\xBF\xBD", 3); /* the text stays valid JSON whatever came in */
        } else if (found) {
            glia_write_u8(j->w, '\\');
            glia_write_u8(j->w, (uint8_t)escapes[found - names]);
        } else if (cp < 0x20 || cp == 0x7F) {
            glia_write_text(j->w, "\\u%04x", (unsigned)cp);
        } else {
            glia_write_bytes(j->w, s + i, len);
        }
        i += len;
    }
    glia_write_u8(j->w, '"');
}

/* The comma and the key before a value. */
static void put_lead(glia_json_writer *j, const char *key)
{
    uint64_t bit = (uint64_t)1 << j->depth;
    if (j->comma & bit) glia_write_u8(j->w, ',');
    if (j->depth) j->comma |= bit;
    if (!key) return;
    put_quoted(j, key, (int64_t)strlen(key));
    glia_write_u8(j->w, ':');
}

void glia_json_open(glia_json_writer *j, const char *key, char bracket)
{
    put_lead(j, key);
    glia_write_u8(j->w, (uint8_t)bracket);
    if (j->depth >= 63) { /* a bit per level: a deeper text would lose its commas */
        j->w->failed = true;
        return;
    }
    j->depth++;
    j->comma &= ~((uint64_t)1 << j->depth);
}

void glia_json_close(glia_json_writer *j, char bracket)
{
    glia_write_u8(j->w, (uint8_t)bracket);
    if (j->depth > 0) j->depth--;
    else j->w->failed = true;
}

void glia_json_put_string(glia_json_writer *j, const char *key, const char *s, int64_t size)
{
    put_lead(j, key);
    put_quoted(j, s, size < 0 ? (int64_t)strlen(s) : size);
}

void glia_json_put_i64(glia_json_writer *j, const char *key, int64_t v)
{
    put_lead(j, key);
    glia_write_text(j->w, "%lld", (long long)v);
}

void glia_json_put_f64(glia_json_writer *j, const char *key, double v)
{
    char text[GLIA_NUMBER_TEXT];
    put_lead(j, key);
    if (v - v != 0) {
        put_text(j, "null");
        return;
    }
    glia_number_format(v, text);
    put_text(j, text);
}

void glia_json_put_bool(glia_json_writer *j, const char *key, bool v)
{
    put_lead(j, key);
    put_text(j, v ? "true" : "false");
}

void glia_json_put_null(glia_json_writer *j, const char *key)
{
    put_lead(j, key);
    put_text(j, "null");
}
