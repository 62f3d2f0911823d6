/* Text to tokens. Line ends become \n, one at the end of the text goes. Outside of tags text is kept as it
 * is, but that a tag's first newline goes (trim_blocks), blanks before a block that begins a line go
 * (lstrip_blocks), and a minus sign takes all white space beside it. */
#include "text/tpl.h"

#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct lexer {
    tpl_compiler *c;
    const char *s;
    int64_t size, at;
    int64_t line_at; /* where position tracking stands */
    int32_t line, column;
    bool line_starting;
    char open[GLIA_TEMPLATE_NESTING]; /* brackets */
    int depth;
} lexer;

bool glia_tpl_syntax(tpl_compiler *c, const tpl_token *at, const char *format, ...)
{
    char text[256];
    va_list args;
    if (c->status) return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->status = glia_fail(c->e, GLIA_E_FORMAT, "G0670", "template line %d, column %d: %s", at->line,
                          at->column, text);
    return false;
}

bool glia_tpl_unknown(tpl_compiler *c, const tpl_token *at, const char *format, ...)
{
    char text[256];
    va_list args;
    if (c->status) return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->status = glia_fail(c->e, GLIA_E_UNSUPPORTED, "G0671", "template line %d, column %d: %s", at->line,
                          at->column, text);
    return false;
}

bool glia_tpl_compile_nomem(tpl_compiler *c)
{
    if (!c->status) c->status = glia_fail(c->e, GLIA_E_NOMEM, "G0801", "no memory to compile a template");
    return false;
}

/* Moves line and column on to byte `to`. */
static void track(lexer *l, int64_t to)
{
    for (; l->line_at < to; l->line_at++) {
        uint8_t c = (uint8_t)l->s[l->line_at];
        if (c == '\n') {
            l->line++;
            l->column = 1;
        } else if ((c & 0xC0) != 0x80) {
            l->column++;
        }
    }
}

static tpl_token *add(lexer *l, tpl_token_kind kind, int64_t at)
{
    tpl_compiler *c = l->c;
    tpl_token *grown = glia_arena_grow(&c->scratch, c->token, c->token_count, &c->token_room, sizeof *grown);
    if (!grown) {
        glia_tpl_compile_nomem(c);
        return NULL;
    }
    track(l, at);
    c->token = grown;
    tpl_token *t = &grown[c->token_count++];
    *t = (tpl_token){.kind = (uint8_t)kind, .text = "", .line = l->line, .column = l->column};
    return t;
}

static bool fail_at(lexer *l, int64_t at, const char *what)
{
    track(l, at);
    tpl_token t = {.line = l->line, .column = l->column};
    return glia_tpl_syntax(l->c, &t, "%s", what);
}

static bool starts(const lexer *l, int64_t at, const char *with)
{
    int64_t n = (int64_t)strlen(with);
    return l->size - at >= n && !memcmp(l->s + at, with, (size_t)n);
}

/* White space as Python's regular expressions see it; bytes of it at `at`, or 0. */
static int space_at(const lexer *l, int64_t at)
{
    int len;
    bool ok;
    if (at >= l->size) return 0;
    uint32_t cp = glia_utf8_decode(l->s + at, l->size - at, &len, &ok);
    return ok && glia_tpl_is_space(cp) ? len : 0;
}

static int64_t skip_space(const lexer *l, int64_t at)
{
    int n;
    while ((n = space_at(l, at)) > 0) at += n;
    return at;
}

/* The end of s[begin, end) without white space behind. */
static int64_t trimmed_end(const lexer *l, int64_t begin, int64_t end)
{
    for (;;) {
        int64_t at = end;
        while (at > begin && ((uint8_t)l->s[at - 1] & 0xC0) == 0x80) at--;
        if (at == begin) return end;
        at--;
        int n = space_at(l, at);
        if (!n || at + n != end) return end;
        end = at;
    }
}

/* Text s[begin, end) before a tag with this sign behind its opening. */
static bool add_data(lexer *l, int64_t begin, int64_t end, char sign, bool variable)
{
    if (sign == '-') {
        end = trimmed_end(l, begin, end);
    } else if (sign != '+' && !variable) {
        int64_t line = end;
        while (line > begin && l->s[line - 1] != '\n') line--;
        if ((line > begin || l->line_starting) && skip_space(l, line) >= end) end = line;
    }
    if (end <= begin) return true;
    tpl_token *t = add(l, TOK_DATA, begin);
    if (!t) return false;
    t->size = end - begin;
    t->text = glia_arena_strndup(&l->c->t->arena, l->s + begin, t->size);
    return t->text ? true : glia_tpl_compile_nomem(l->c);
}

/* Bytes of the end of a tag at `at`: "%}" with a newline, "-%}" with all white space, "+%}"; 0: none. */
static int64_t tag_end(const lexer *l, int64_t at, char mark, bool trim)
{
    char plain[3] = {mark, '}', 0};
    if (l->s[at] == '-' && starts(l, at + 1, plain)) return skip_space(l, at + 3) - at;
    if (l->s[at] == '+' && mark != '}' && starts(l, at + 1, plain)) return 3;
    if (!starts(l, at, plain)) return 0;
    return trim && at + 2 < l->size && l->s[at + 2] == '\n' ? 3 : 2;
}

static void after_tag(lexer *l, int64_t at)
{
    l->at = at;
    l->line_starting = at > 0 && l->s[at - 1] == '\n';
}

/* ---- inside of tags ------------------------------------------------------------------------------- */

static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static char char_at(const lexer *l, int64_t at) { return at < l->size ? l->s[at] : 0; }

/* Digits with single underscores between them; the end. */
static int64_t skip_digits(const lexer *l, int64_t at)
{
    while (is_digit(char_at(l, at)) || (char_at(l, at) == '_' && is_digit(char_at(l, at + 1)))) at++;
    return at;
}

static int digit_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

static bool lex_based(lexer *l, int base)
{
    tpl_token *t = add(l, TOK_INT, l->at);
    int64_t at = l->at + 2;
    if (!t) return false;
    for (; digit_value(char_at(l, at)) < base || char_at(l, at) == '_'; at++) {
        if (char_at(l, at) == '_') continue;
        if (!glia_mul(t->i, base, &t->i) || !glia_add(t->i, digit_value(l->s[at]), &t->i))
            return glia_tpl_unknown(l->c, t, "a number beyond 64 bits");
    }
    l->at = at;
    return true;
}

static bool lex_number(lexer *l)
{
    char kind = char_at(l, l->at + 1) | 32, text[64];
    if (l->s[l->at] == '0' && (kind == 'x' || kind == 'o' || kind == 'b'))
        return lex_based(l, kind == 'x' ? 16 : kind == 'o' ? 8 : 2);
    int64_t end = skip_digits(l, l->at), n = 0;
    bool real = false;
    if (char_at(l, end) == '.' && is_digit(char_at(l, end + 1))) {
        end = skip_digits(l, end + 1);
        real = true;
    }
    if ((char_at(l, end) | 32) == 'e') {
        int64_t sign = char_at(l, end + 1) == '+' || char_at(l, end + 1) == '-';
        if (is_digit(char_at(l, end + 1 + sign))) {
            end = skip_digits(l, end + 1 + sign);
            real = true;
        }
    }
    tpl_token *t = add(l, real ? TOK_FLT : TOK_INT, l->at);
    if (!t) return false;
    for (int64_t i = l->at; i < end; i++)
        if (l->s[i] != '_' && n < 63) text[n++] = l->s[i];
    if (n == 63) return glia_tpl_unknown(l->c, t, "a number of more than 62 characters");
    l->at = end;
    if (real) return glia_number_parse(text, n, &t->d) ? true : glia_tpl_syntax(l->c, t, "malformed number");
    for (int64_t i = 0; i < n; i++)
        if (!glia_mul(t->i, 10, &t->i) || !glia_add(t->i, text[i] - '0', &t->i))
            return glia_tpl_unknown(l->c, t, "a number beyond 64 bits");
    if (n > 1 && text[0] == '0' && t->i) return glia_tpl_syntax(l->c, t, "a number with a leading zero");
    return true;
}

/* One escape behind a backslash at s[at]; the bytes written, or -1; *used gets the bytes read. */
static int unescape(const char *s, int64_t left, char out[4], int *used)
{
    static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s[0];
    const char *found = c ? strchr(names, c) : NULL;
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t cp = 0;
    *used = 1;
    if (found) return out[0] = values[found - names], 1;
    if (c == '\n') return 0;
    if (c >= '0' && c <= '7') {
        for (*used = 0; *used < 3 && *used < left && s[*used] >= '0' && s[*used] <= '7'; ++*used)
            cp = cp * 8 + (uint32_t)(s[*used] - '0');
        return glia_utf8_encode(cp, out);
    }
    if (!digits) return out[0] = '\\', *used = 0, 1;
    if (left < 1 + digits) return -1;
    for (int i = 1; i <= digits; i++) {
        if (digit_value(s[i]) > 15) return -1;
        cp = cp * 16 + (uint32_t)digit_value(s[i]);
    }
    *used = 1 + digits;
    int n = cp ? glia_utf8_encode(cp, out) : (out[0] = 0, 1);
    return n ? n : -1;
}

static bool lex_string(lexer *l)
{
    char quote = l->s[l->at];
    int64_t end = l->at + 1, n = 0;
    while (end < l->size && l->s[end] != quote) end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->size) return fail_at(l, l->at, "a string without end");
    tpl_token *t = add(l, TOK_STR, l->at);
    /* An escape is never shorter than what it stands for, but for a lone backslash, which stays. */
    char *text = t ? glia_arena_alloc(&l->c->t->arena, end - l->at + 4, 1) : NULL;
    if (!text) return glia_tpl_compile_nomem(l->c);
    for (int64_t i = l->at + 1; i < end;) {
        if (l->s[i] != '\\') {
            text[n++] = l->s[i++];
            continue;
        }
        char out[4];
        int used, wrote = unescape(l->s + i + 1, end - i - 1, out, &used);
        if (l->s[i + 1] == 'N') return glia_tpl_unknown(l->c, t, "the escape \\N in a string");
        if (wrote < 0) return glia_tpl_syntax(l->c, t, "a malformed escape in a string");
        memcpy(text + n, out, (size_t)wrote);
        n += wrote;
        i += 1 + used;
    }
    text[n] = 0;
    t->text = text;
    t->size = n;
    l->at = end + 1;
    return true;
}

static bool lex_sign(lexer *l)
{
    static const char *const twos[] = {"//", "**", "==", "!=", ">=", "<="};
    static const char ones[] = "+-/*%~[](){}><=.:|,;";
    char c = l->s[l->at];
    if (!c || !strchr(ones, c)) {
        bool two = c == '!' && char_at(l, l->at + 1) == '=';
        if (!two) return fail_at(l, l->at, "an unexpected character");
    }
    tpl_token *t = add(l, TOK_SIGN, l->at);
    if (!t) return false;
    t->sign = (uint8_t)c;
    for (int i = 0; i < GLIA_COUNT(twos); i++)
        if (starts(l, l->at, twos[i])) t->sign = SIGN2(twos[i][0], twos[i][1]);
    if (strchr("([{", c)) {
        if (l->depth == GLIA_TEMPLATE_NESTING)
            return glia_tpl_syntax(l->c, t, "brackets nested deeper than %d", l->depth);
        l->open[l->depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (!l->depth || l->open[--l->depth] != c) return glia_tpl_syntax(l->c, t, "unexpected `%c`", c);
    }
    t->text = glia_arena_strndup(&l->c->scratch, l->s + l->at, t->sign > 255 ? 2 : 1);
    l->at += t->sign > 255 ? 2 : 1;
    return t->text ? true : glia_tpl_compile_nomem(l->c);
}

static bool lex_name(lexer *l)
{
    int64_t end = l->at;
    while (is_name_start(char_at(l, end)) || is_digit(char_at(l, end))) end++;
    tpl_token *t = add(l, TOK_NAME, l->at);
    if (!t) return false;
    t->size = end - l->at;
    t->text = glia_arena_strndup(&l->c->t->arena, l->s + l->at, t->size);
    l->at = end;
    return t->text ? true : glia_tpl_compile_nomem(l->c);
}

/* The tokens of a tag up to its end. */
static bool lex_tag(lexer *l, bool variable)
{
    int64_t begin = l->at;
    l->depth = 0;
    for (;;) {
        l->at = skip_space(l, l->at);
        if (l->at >= l->size) return fail_at(l, begin, "a tag without end");
        int64_t end = l->depth ? 0 : tag_end(l, l->at, variable ? '}' : '%', !variable);
        if (end) {
            if (!add(l, TOK_END, l->at)) return false;
            after_tag(l, l->at + end);
            return true;
        }
        char c = l->s[l->at];
        bool ok = is_digit(c)             ? lex_number(l)
                  : is_name_start(c)      ? lex_name(l)
                  : c == '\'' || c == '"' ? lex_string(l)
                                          : lex_sign(l);
        if (!ok) return false;
    }
}

/* ---- outside -------------------------------------------------------------------------------------- */

static bool lex_comment(lexer *l, int64_t begin)
{
    for (int64_t at = begin; at < l->size; at++) {
        int64_t n = tag_end(l, at, '#', true);
        if (!n) continue;
        after_tag(l, at + n);
        return true;
    }
    return fail_at(l, begin, "a comment without end");
}

/* Is this "{%- raw -%}"? The place behind it, or 0. */
static int64_t raw_begin(const lexer *l, int64_t at)
{
    at += 2;
    if (char_at(l, at) == '-' || char_at(l, at) == '+') at++;
    at = skip_space(l, at);
    if (!starts(l, at, "raw")) return 0;
    at = skip_space(l, at + 3);
    if (starts(l, at, "-%}")) return skip_space(l, at + 3);
    return starts(l, at, "%}") ? at + 2 : 0;
}

static bool lex_raw(lexer *l, int64_t begin)
{
    after_tag(l, begin);
    for (int64_t at = begin; at < l->size; at++) {
        if (!starts(l, at, "{%")) continue;
        char sign = char_at(l, at + 2);
        int64_t word = at + 2 + (sign == '-' || sign == '+');
        word = skip_space(l, word);
        if (!starts(l, word, "endraw")) continue;
        word = skip_space(l, word + 6);
        int64_t end = word < l->size ? tag_end(l, word, '%', true) : 0;
        if (!end) continue;
        if (!add_data(l, begin, at, sign, false)) return false;
        after_tag(l, word + end);
        return true;
    }
    return fail_at(l, begin, "a raw block without end");
}

static bool lex_one(lexer *l)
{
    int64_t begin = l->at, at = begin;
    while (at + 1 < l->size && !(l->s[at] == '{' && strchr("{%#", l->s[at + 1]) && l->s[at + 1])) at++;
    if (at + 1 >= l->size) {
        l->at = l->size;
        return add_data(l, begin, l->size, '+', true);
    }
    char kind = l->s[at + 1], sign = char_at(l, at + 2);
    int64_t raw = kind == '%' ? raw_begin(l, at) : 0;
    if (!add_data(l, begin, at, sign, kind == '{')) return false;
    if (raw) return lex_raw(l, raw);
    int64_t inside = at + 2 + (sign == '-' || sign == '+');
    if (kind == '#') return lex_comment(l, inside);
    if (!add(l, kind == '{' ? TOK_VAR : TOK_BLOCK, at)) return false;
    l->at = inside;
    return lex_tag(l, kind == '{');
}

/* \r\n and \r become \n; a newline at the very end goes. */
static char *normal_lines(tpl_compiler *c, const char *text, int64_t size, int64_t *out)
{
    char *s = glia_arena_alloc(&c->scratch, size + 1, 1);
    int64_t n = 0;
    for (int64_t i = 0; s && i < size; i++) {
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n') continue;
        s[n++] = text[i] == '\r' ? '\n' : text[i];
    }
    *out = n && s[n - 1] == '\n' ? n - 1 : n;
    return s;
}

bool glia_tpl_lex(tpl_compiler *c, const char *text, int64_t size)
{
    lexer l = {.c = c, .line = 1, .column = 1, .line_starting = true};
    tpl_token first = {.line = 1, .column = 1};
    if (!glia_utf8_valid(text, size)) return glia_tpl_syntax(c, &first, "the template is not valid UTF-8");
    l.s = normal_lines(c, text, size, &l.size);
    if (!l.s) return glia_tpl_compile_nomem(c);
    while (l.at < l.size)
        if (!lex_one(&l)) return false;
    return add(&l, TOK_EOF, l.size) != NULL;
}
