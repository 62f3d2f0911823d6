/* Strings that carry marks, and values as text: str, repr and JSON.
 *
 * A string is a part of a buffer. Where it is the buffer's end, concatenation appends in place: older strings
 * see their own prefix still, and a text that is built piece by piece costs no more than its length. */
#include "text/tpl.h"

#include "base/number.h"

#include <stdio.h>

/* ---- buffers -------------------------------------------------------------------------------------- */

static bool reserve(tpl_vm *v, tpl_buffer *b, int64_t more, bool marks)
{
    int64_t need;
    if (!glia_add(b->used, more, &need)) return glia_tpl_nomem(v);
    if (need > b->capacity) {
        int64_t room = need + need / 2 + 32;
        char *text = glia_tpl_alloc(v, room, 1);
        if (!text) return false;
        if (b->used) memcpy(text, b->text, (size_t)b->used);
        if (b->mark) {
            uint8_t *mark = glia_tpl_alloc(v, room, 1);
            if (!mark) return false;
            memcpy(mark, b->mark, (size_t)b->used);
            b->mark = mark;
        }
        b->text = text;
        b->capacity = room;
    }
    if (marks && !b->mark) {
        b->mark = glia_tpl_alloc(v, b->capacity, 1);
        if (!b->mark) return false;
        memset(b->mark, b->data, (size_t)b->used);
    }
    return true;
}

bool glia_tpl_put(tpl_vm *v, tpl_buffer *b, const char *text, int64_t size, const uint8_t *mark, bool data)
{
    if (!size) return true;
    if (!b->used && !b->mark && !mark) b->data = data;
    if (!glia_tpl_spend(v, size / 8) || !reserve(v, b, size, mark || data != b->data)) return false;
    memcpy(b->text + b->used, text, (size_t)size);
    if (b->mark) {
        if (mark) memcpy(b->mark + b->used, mark, (size_t)size);
        else memset(b->mark + b->used, data, (size_t)size);
    }
    b->used += size;
    return true;
}

bool glia_tpl_put_part(tpl_vm *v, tpl_buffer *b, const tpl_string *s, int64_t begin, int64_t end)
{
    return glia_tpl_put(v, b, s->text + begin, end - begin, s->mark ? s->mark + begin : NULL, s->data);
}

bool glia_tpl_put_string(tpl_vm *v, tpl_buffer *b, const tpl_string *s)
{
    return glia_tpl_put_part(v, b, s, 0, s->size);
}

static bool string_of(tpl_vm *v, tpl_buffer *owner, int64_t begin, int64_t end, tv *out)
{
    tpl_string *s = TPL_NEW(v, tpl_string, 1);
    if (!s) return false;
    s->text = end > begin ? owner->text + begin : "";
    s->size = end - begin;
    s->mark = owner->mark && end > begin ? owner->mark + begin : NULL;
    s->data = owner->data;
    s->owner = owner;
    *out = (tv){.kind = TPL_STRING, .s = s};
    return true;
}

bool glia_tpl_take(tpl_vm *v, tpl_buffer *b, tv *out)
{
    tpl_buffer *owner = TPL_NEW(v, tpl_buffer, 1);
    if (!owner) return false;
    *owner = *b;
    return string_of(v, owner, 0, owner->used, out);
}

bool glia_tpl_text(tpl_vm *v, const char *text, tv *out)
{
    tpl_buffer b = {0};
    return tpl_put_own(v, &b, text) && glia_tpl_take(v, &b, out);
}

bool glia_tpl_part(tpl_vm *v, const tv *of, int64_t begin, int64_t end, tv *out)
{
    const tpl_string *from = of->s;
    if (begin == 0 && end == from->size) return *out = *of, true;
    tpl_string *s = TPL_NEW(v, tpl_string, 1);
    if (!s) return false;
    *s = (tpl_string){from->text + begin, end - begin, from->mark ? from->mark + begin : NULL, from->data,
                      NULL};
    *out = (tv){.kind = TPL_STRING, .safe = of->safe, .s = s};
    return true;
}

bool glia_tpl_concat(tpl_vm *v, const tv *a, const tv *b, tv *out)
{
    const tpl_string *left = a->s;
    tpl_buffer *owner = left->owner;
    bool safe = a->safe || b->safe;
    bool ends = owner && left->size && left->text + left->size == owner->text + owner->used;
    if (!ends) {
        owner = TPL_NEW(v, tpl_buffer, 1);
        if (!owner || !glia_tpl_put_string(v, owner, left)) return false;
        left = NULL;
    }
    int64_t begin = left ? left->text - owner->text : 0;
    if (!glia_tpl_put_string(v, owner, b->s) || !string_of(v, owner, begin, owner->used, out)) return false;
    out->safe = safe;
    return true;
}

bool glia_tpl_escape(tpl_vm *v, const tv *x, tv *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    tpl_buffer b = {0};
    tv text;
    if (!glia_tpl_str(v, x, &text)) return false;
    const tpl_string *s = text.s;
    if (x->kind == TPL_STRING && x->safe) return *out = *x, true;
    for (int64_t i = 0, begin = 0; i <= s->size; i++) {
        const char *found = i < s->size && s->text[i] ? strchr(from, s->text[i]) : NULL;
        if (!found && i < s->size) continue;
        if (!glia_tpl_put_part(v, &b, s, begin, i)) return false;
        begin = i + 1;
        bool data = s->mark ? found && s->mark[i] : s->data;
        const char *as = found ? to[found - from] : "";
        if (!glia_tpl_put(v, &b, as, (int64_t)strlen(as), NULL, data)) return false;
    }
    if (!glia_tpl_take(v, &b, out)) return false;
    return out->safe = true;
}

/* ---- code points ---------------------------------------------------------------------------------- */

int64_t glia_tpl_code_points(const tpl_string *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->size; i++) n += ((uint8_t)s->text[i] & 0xC0) != 0x80;
    return n;
}

int64_t glia_tpl_offset(const tpl_string *s, int64_t n)
{
    int64_t i = 0;
    for (; i < s->size && n > 0; n--) do
            i++;
        while (i < s->size && ((uint8_t)s->text[i] & 0xC0) == 0x80);
    return i;
}

bool glia_tpl_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

int64_t glia_tpl_find_bytes(const char *in, int64_t in_size, const char *what, int64_t size, int64_t from)
{
    if (size == 0) return from <= in_size ? from : -1;
    if (from < 0 || from >= in_size) return -1;
    const char *found = memmem(in + from, (size_t)(in_size - from), what, (size_t)size);
    return found ? found - in : -1;
}

/* ---- numbers -------------------------------------------------------------------------------------- */

/* The shortest digits that read back, with an exponent below 1e-4 and from 1e16 on. */
void glia_tpl_float_text(double d, char out[64])
{
    char text[GLIA_NUMBER_TEXT], digits[GLIA_NUMBER_TEXT];
    if (d - d != 0) {
        glia_number_format(d, out);
        return;
    }
    glia_number_format(d, text);
    int n = 0, point = 0, exponent = 0;
    bool seen = false, negative = text[0] == '-';
    const char *s = text + negative;
    for (; *s && *s != 'e' && *s != 'E'; s++) {
        if (*s == '.') seen = true;
        else digits[n++] = *s, point += !seen;
    }
    if (*s)
        for (int sign = s[1] == '-' ? -1 : 1, i = 1 + (s[1] == '-' || s[1] == '+'); s[i]; i++)
            exponent = exponent * 10 + sign * (s[i] - '0');
    int lead = 0;
    while (lead < n - 1 && digits[lead] == '0') lead++;
    point += exponent - lead; /* 0.digits * 10^point */
    while (n > lead + 1 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    const char *g = digits + lead;
    int count = n - lead, at = 0;
    if (negative) out[at++] = '-';
    if (g[0] == '0') {
        snprintf(out + at, (size_t)(64 - at), "0.0");
    } else if (point > 16 || point < -3) {
        snprintf(out + at, (size_t)(64 - at), "%c%s%se%c%02d", g[0], count > 1 ? "." : "", g + 1,
                 point > 0 ? '+' : '-', point > 0 ? point - 1 : 1 - point);
    } else if (point <= 0) {
        snprintf(out + at, (size_t)(64 - at), "0.%.*s%s", -point, "0000", g);
    } else if (count <= point) {
        snprintf(out + at, (size_t)(64 - at), "%s%.*s.0", g, point - count, "0000000000000000");
    } else {
        snprintf(out + at, (size_t)(64 - at), "%.*s.%s", point, g, g + point);
    }
}

static bool put_number(tpl_vm *v, tpl_buffer *b, const tv *x, bool json)
{
    char text[64];
    if (x->kind == TPL_INT) snprintf(text, sizeof text, "%lld", (long long)x->i);
    else glia_tpl_float_text(x->d, text);
    if (json && x->kind == TPL_FLOAT && x->d - x->d != 0)
        return tpl_put_own(v, b, x->d != x->d ? "NaN" : x->d < 0 ? "-Infinity" : "Infinity");
    return tpl_put_own(v, b, text);
}

/* ---- repr ----------------------------------------------------------------------------------------- */

/* Is a character shown as itself by repr? Control characters, separators but the space, format characters,
 * surrogates and private use are not; unassigned ones are taken for assigned. */
static bool printable(uint32_t cp)
{
    if (cp < 0x20 || (cp >= 0x7F && cp <= 0xA0) || cp == 0xAD) return false;
    if (cp < 0x600) return true;
    if (glia_tpl_is_space(cp) || (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x202A && cp <= 0x202E))
        return false;
    return !((cp >= 0x2060 && cp <= 0x206F) || (cp >= 0xD800 && cp <= 0xF8FF) || cp == 0xFEFF ||
             cp >= 0xE0000);
}

static bool put_repr_string(tpl_vm *v, tpl_buffer *b, const tpl_string *s)
{
    bool single = memchr(s->text, '\'', (size_t)s->size) != NULL,
         twice = memchr(s->text, '"', (size_t)s->size) != NULL;
    char quote = single && !twice ? '"' : '\'';
    if (!glia_tpl_put(v, b, &quote, 1, NULL, false)) return false;
    for (int64_t i = 0; i < s->size;) {
        char text[16];
        int len;
        bool ok, data = s->mark ? s->mark[i] : s->data;
        uint32_t cp = glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        if (cp == (uint8_t)quote || cp == '\\') snprintf(text, sizeof text, "\\%c", (char)cp);
        else if (cp == '\n') snprintf(text, sizeof text, "\\n");
        else if (cp == '\r') snprintf(text, sizeof text, "\\r");
        else if (cp == '\t') snprintf(text, sizeof text, "\\t");
        else if (printable(cp)) snprintf(text, sizeof text, "%.*s", len, s->text + i);
        else snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
        if (!glia_tpl_put(v, b, text, (int64_t)strlen(text), NULL, data)) return false;
        i += len;
    }
    return glia_tpl_put(v, b, &quote, 1, NULL, false);
}

static bool put_range(tpl_vm *v, tpl_buffer *b, const tpl_view *r)
{
    char text[96];
    if (r->step == 1)
        snprintf(text, sizeof text, "range(%lld, %lld)", (long long)r->start, (long long)r->stop);
    else
        snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)r->start, (long long)r->stop,
                 (long long)r->step);
    return tpl_put_own(v, b, text);
}

/* An open container while a value is written. */
typedef struct level {
    const tv *x;
    const tpl_list *list; /* null: a dict */
    int64_t at;
} level;

static bool is_container(const tv *x)
{
    return x->kind == TPL_LIST || x->kind == TPL_TUPLE || x->kind == TPL_DICT ||
           (x->kind == TPL_VIEW && x->view->name);
}

static bool open_level(tpl_vm *v, level *stack, int *depth, const tv *x)
{
    if (*depth == GLIA_TEMPLATE_NESTING)
        return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "a value is nested deeper than %d",
                             GLIA_TEMPLATE_NESTING);
    const tpl_list *list = x->kind == TPL_DICT ? NULL : x->kind == TPL_VIEW ? &x->view->list : x->l;
    stack[(*depth)++] = (level){x, list, 0};
    return true;
}

static bool put_simple(tpl_vm *v, tpl_buffer *b, const tv *x)
{
    switch (x->kind) {
    case TPL_NONE: return tpl_put_own(v, b, "None");
    case TPL_BOOL: return tpl_put_own(v, b, x->b ? "True" : "False");
    case TPL_INT:
    case TPL_FLOAT: return put_number(v, b, x, false);
    case TPL_STRING: return put_repr_string(v, b, x->s);
    case TPL_VIEW: return put_range(v, b, x->view);
    case TPL_MISSING:
    case TPL_UNDEFINED: return tpl_put_own(v, b, "Undefined");
    case TPL_MACRO:
        return tpl_put_own(v, b, "<Macro '") && tpl_put_own(v, b, x->macro->proto->name) &&
               tpl_put_own(v, b, "'>");
    default:
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "a %s has no text of its own",
                             glia_tpl_kind_name(x));
    }
}

static const char *opening(const tv *x)
{
    return x->kind == TPL_DICT ? "{" : x->kind == TPL_TUPLE ? "(" : "[";
}

static bool close_repr(tpl_vm *v, tpl_buffer *b, const level *l)
{
    const char *end = l->x->kind == TPL_DICT   ? "}"
                      : l->x->kind == TPL_VIEW ? "])"
                      : l->x->kind == TPL_LIST ? "]"
                                               : ")";
    if (l->x->kind == TPL_TUPLE && l->list->count == 1 && !tpl_put_own(v, b, ",")) return false;
    return tpl_put_own(v, b, end);
}

static bool put_repr(tpl_vm *v, tpl_buffer *b, const tv *x)
{
    level stack[GLIA_TEMPLATE_NESTING];
    int depth = 0;
    for (;;) {
        if (!glia_tpl_spend(v, 1)) return false;
        if (is_container(x)) {
            if (x->kind == TPL_VIEW && (!tpl_put_own(v, b, x->view->name) || !tpl_put_own(v, b, "(")))
                return false;
            if (!tpl_put_own(v, b, opening(x)) || !open_level(v, stack, &depth, x)) return false;
        } else if (!put_simple(v, b, x)) {
            return false;
        }
        for (;;) {
            if (!depth) return true;
            level *l = &stack[depth - 1];
            if (l->at < (l->list ? l->list->count : l->x->m->count)) break;
            if (!close_repr(v, b, l)) return false;
            depth--;
        }
        level *l = &stack[depth - 1];
        if (l->at && !tpl_put_own(v, b, ", ")) return false;
        if (l->list) {
            x = &l->list->v[l->at++];
        } else {
            const tpl_pair *p = &l->x->m->pair[l->at++];
            if (is_container(&p->key))
                return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675",
                                     "a dict with tuples for keys has no text here");
            if (!put_simple(v, b, &p->key) || !tpl_put_own(v, b, ": ")) return false;
            x = &p->value;
        }
    }
}

bool glia_tpl_put_value(tpl_vm *v, tpl_buffer *b, const tv *x)
{
    if (x->kind == TPL_STRING) return glia_tpl_put_string(v, b, x->s);
    if (x->kind == TPL_UNDEFINED || x->kind == TPL_MISSING) return true;
    return put_repr(v, b, x);
}

bool glia_tpl_str(tpl_vm *v, const tv *x, tv *out)
{
    tpl_buffer b = {0};
    if (x->kind == TPL_STRING) return *out = *x, true;
    return glia_tpl_put_value(v, &b, x) && glia_tpl_take(v, &b, out);
}

/* ---- JSON, as Python's json.dumps writes it -------------------------------------------------------- */

static bool put_json_string(tpl_vm *v, tpl_buffer *b, const tpl_string *s, bool ascii)
{
    static const char names[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
    if (!tpl_put_own(v, b, "\"")) return false;
    for (int64_t i = 0, begin = 0; i <= s->size;) {
        char text[16] = "";
        int len = 1;
        bool ok, data = i < s->size && (s->mark ? s->mark[i] : s->data);
        uint32_t cp = i < s->size ? glia_utf8_decode(s->text + i, s->size - i, &len, &ok) : 0;
        const char *found = cp && cp < 0x80 ? strchr(names, (int)cp) : NULL;
        if (found) snprintf(text, sizeof text, "\\%c", escapes[found - names]);
        else if (i < s->size && cp < 0x20) snprintf(text, sizeof text, "\\u%04x", cp);
        else if (ascii && cp > 0xFFFF)
            snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10),
                     0xDC00 + (cp & 0x3FF));
        else if (ascii && cp >= 0x80) snprintf(text, sizeof text, "\\u%04x", cp);
        if (text[0] || i == s->size) {
            if (!glia_tpl_put_part(v, b, s, begin, i) ||
                !glia_tpl_put(v, b, text, (int64_t)strlen(text), NULL, data))
                return false;
            begin = i + len;
        }
        i += len;
    }
    return tpl_put_own(v, b, "\"");
}

static bool put_json_simple(tpl_vm *v, tpl_buffer *b, const tv *x, bool ascii)
{
    switch (x->kind) {
    case TPL_NONE: return tpl_put_own(v, b, "null");
    case TPL_BOOL: return tpl_put_own(v, b, x->b ? "true" : "false");
    case TPL_INT:
    case TPL_FLOAT: return put_number(v, b, x, true);
    case TPL_STRING: return put_json_string(v, b, x->s, ascii);
    default:
        return glia_tpl_type_error(v, "a value of type %s cannot be written as JSON", glia_tpl_kind_name(x));
    }
}

static bool put_json_key(tpl_vm *v, tpl_buffer *b, const tv *key, bool ascii)
{
    if (key->kind == TPL_STRING) return put_json_string(v, b, key->s, ascii);
    if (key->kind > TPL_STRING)
        return glia_tpl_type_error(v, "a JSON key must be text or a number, not %s", glia_tpl_kind_name(key));
    return tpl_put_own(v, b, "\"") && put_json_simple(v, b, key, ascii) && tpl_put_own(v, b, "\"");
}

static bool put_line(tpl_vm *v, tpl_buffer *b, const tpl_json_style *style, int depth)
{
    if (!style->indent) return true;
    if (!tpl_put_own(v, b, "\n")) return false;
    for (int i = 0; i < depth; i++)
        if (!glia_tpl_put_string(v, b, style->indent)) return false;
    return true;
}

/* The pairs of a dict in the order of their keys. */
static bool sorted_pairs(tpl_vm *v, const tv *x, tv *out)
{
    const tpl_dict *m = x->m;
    if (!glia_tpl_dict_make(v, m->count, out)) return false;
    if (m->count) memcpy(out->m->pair, m->pair, (size_t)m->count * sizeof *m->pair);
    out->m->count = m->count;
    return glia_tpl_sort(v, out->m->pair, m->count, false);
}

static bool open_json(tpl_vm *v, tpl_buffer *b, const tv *x, const tpl_json_style *style, level *stack,
                      int *depth)
{
    tv *sorted = NULL;
    if (x->kind == TPL_VIEW)
        return glia_tpl_type_error(v, "a value of type %s cannot be written as JSON", x->view->name);
    if (x->kind == TPL_DICT && style->sorted) {
        sorted = TPL_NEW(v, tv, 1);
        if (!sorted || !sorted_pairs(v, x, sorted)) return false;
        x = sorted;
    }
    return tpl_put_own(v, b, x->kind == TPL_DICT ? "{" : "[") && open_level(v, stack, depth, x);
}

static bool put_separator(tpl_vm *v, tpl_buffer *b, const tpl_string *given, const char *otherwise)
{
    return given ? glia_tpl_put_string(v, b, given) : tpl_put_own(v, b, otherwise);
}

bool glia_tpl_put_json(tpl_vm *v, tpl_buffer *b, const tv *x, const tpl_json_style *style)
{
    level stack[GLIA_TEMPLATE_NESTING];
    int depth = 0;
    for (;;) {
        if (!glia_tpl_spend(v, 1)) return false;
        if (is_container(x) ? !open_json(v, b, x, style, stack, &depth)
                            : !put_json_simple(v, b, x, style->ascii))
            return false;
        for (;;) {
            if (!depth) return true;
            const level *l = &stack[depth - 1];
            if (l->at < (l->list ? l->list->count : l->x->m->count)) break;
            if (l->at && !put_line(v, b, style, depth - 1)) return false;
            if (!tpl_put_own(v, b, l->list ? "]" : "}")) return false;
            depth--;
        }
        level *l = &stack[depth - 1];
        if (l->at && !put_separator(v, b, style->item, style->indent ? "," : ", ")) return false;
        if (!put_line(v, b, style, depth)) return false;
        if (l->list) {
            x = &l->list->v[l->at++];
        } else {
            const tpl_pair *p = &l->x->m->pair[l->at++];
            if (!put_json_key(v, b, &p->key, style->ascii) || !put_separator(v, b, style->key, ": "))
                return false;
            x = &p->value;
        }
    }
}
