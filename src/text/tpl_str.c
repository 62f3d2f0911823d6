/* Methods of strings, as Python has them. Positions and widths count code points. */
#include "text/tpl.h"

#include <stdio.h>

#define METHOD(name) static bool name(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)

static bool want_text(tpl_vm *v, const tv *x, const char *what)
{
    if (x->kind == TPL_STRING) return true;
    return glia_tpl_type_error(v, "%s must be a str, not %s", what, glia_tpl_kind_name(x));
}

/* ---- strip ---------------------------------------------------------------------------------------- */

static bool in_set(const tpl_string *set, uint32_t cp)
{
    if (!set) return glia_tpl_is_space(cp);
    for (int64_t i = 0; i < set->size;) {
        int len;
        bool ok;
        if (glia_utf8_decode(set->text + i, set->size - i, &len, &ok) == cp) return true;
        i += len;
    }
    return false;
}

bool glia_tpl_strip(tpl_vm *v, const tv *self, const tv *chars, int sides, tv *out)
{
    const tpl_string *s = self->s, *set = NULL;
    int64_t begin = 0, end = s->size;
    if (chars->kind == TPL_STRING) set = chars->s;
    else if (chars->kind != TPL_MISSING && chars->kind != TPL_NONE)
        return want_text(v, chars, "the set of characters");
    int64_t cost = set ? 1 + set->size / 4 : 1;
    while (sides & 1 && begin < end) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(s->text + begin, end - begin, &len, &ok);
        if (!in_set(set, cp)) break;
        if (!glia_tpl_spend(v, cost)) return false;
        begin += len;
    }
    while (sides & 2 && end > begin) {
        int len;
        bool ok;
        int64_t at = end - 1;
        while (at > begin && ((uint8_t)s->text[at] & 0xC0) == 0x80) at--;
        uint32_t cp = glia_utf8_decode(s->text + at, end - at, &len, &ok);
        if (!in_set(set, cp)) break;
        if (!glia_tpl_spend(v, cost)) return false;
        end = at;
    }
    return glia_tpl_part(v, self, begin, end, out);
}

METHOD(str_strip) { return (void)count, glia_tpl_strip(v, self, &arg[0], 3, out); }
METHOD(lstrip) { return (void)count, glia_tpl_strip(v, self, &arg[0], 1, out); }
METHOD(rstrip) { return (void)count, glia_tpl_strip(v, self, &arg[0], 2, out); }

/* ---- split ---------------------------------------------------------------------------------------- */

static bool push_part(tpl_vm *v, const tv *self, int64_t begin, int64_t end, tpl_list *l)
{
    tv part;
    return glia_tpl_spend(v, 1) && glia_tpl_part(v, self, begin, end, &part) &&
           glia_tpl_list_push(v, l, part);
}

/* At runs of white space. */
static bool split_space(tpl_vm *v, const tv *self, int64_t most, tpl_list *l)
{
    const tpl_string *s = self->s;
    int64_t begin = -1;
    for (int64_t i = 0; i < s->size;) {
        int len;
        bool ok;
        bool space = glia_tpl_is_space(glia_utf8_decode(s->text + i, s->size - i, &len, &ok));
        if (!space && begin < 0) {
            begin = i;
            if (most >= 0 && l->count == most) return push_part(v, self, begin, s->size, l); /* the rest */
        }
        if (space && begin >= 0) {
            if (!push_part(v, self, begin, i, l)) return false;
            begin = -1;
        }
        i += len;
    }
    return begin < 0 || push_part(v, self, begin, s->size, l);
}

static bool split_at(tpl_vm *v, const tv *self, const tpl_string *by, int64_t most, tpl_list *l)
{
    int64_t begin = 0, at;
    if (!glia_tpl_spend(v, self->s->size / 8)) return false;
    while ((most < 0 || l->count < most) &&
           (at = glia_tpl_find_bytes(self->s->text, self->s->size, by->text, by->size, begin)) >= 0) {
        if (!push_part(v, self, begin, at, l)) return false;
        begin = at + by->size;
    }
    return push_part(v, self, begin, self->s->size, l);
}

/* The last place before `end` where `by` stands, or -1. */
static int64_t find_last(const tpl_string *s, const tpl_string *by, int64_t end)
{
    for (int64_t at = end - by->size; at >= 0; at--)
        if (!memcmp(s->text + at, by->text, (size_t)by->size)) return at;
    return -1;
}

static void reverse(tpl_list *l)
{
    tv *x = l->owner ? l->owner->v : NULL;
    for (int64_t i = 0, k = l->count - 1; i < k; i++, k--) {
        tv swap = x[i];
        x[i] = x[k];
        x[k] = swap;
    }
}

static bool finish_list(tpl_vm *v, const tpl_list *l, tv *out)
{
    return glia_tpl_list_make(v, l->v, l->count, TPL_LIST, out);
}

static bool split_arguments(tpl_vm *v, const tv *arg, const tpl_string **by, int64_t *most)
{
    *by = NULL;
    *most = -1;
    if (arg[1].kind != TPL_MISSING && !glia_tpl_as_int(&arg[1], most))
        return glia_tpl_type_error(v, "the number of splits is of type %s", glia_tpl_kind_name(&arg[1]));
    if (arg[0].kind == TPL_MISSING || arg[0].kind == TPL_NONE) return true;
    if (!want_text(v, &arg[0], "a separator")) return false;
    *by = arg[0].s;
    return (*by)->size ? true : glia_tpl_type_error(v, "an empty separator");
}

METHOD(str_split)
{
    tpl_list l = {0};
    const tpl_string *by;
    int64_t most;
    (void)count;
    if (!split_arguments(v, arg, &by, &most)) return false;
    return (by ? split_at(v, self, by, most, &l) : split_space(v, self, most, &l)) && finish_list(v, &l, out);
}

METHOD(rsplit)
{
    tpl_list l = {0};
    const tpl_string *by;
    int64_t most, end = self->s->size, at;
    (void)count;
    if (!split_arguments(v, arg, &by, &most)) return false;
    if (!by && most < 0) return split_space(v, self, most, &l) && finish_list(v, &l, out);
    if (!by)
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "rsplit at white space with a number of splits");
    if (!glia_tpl_spend(v, end * by->size / 8)) return false;
    while ((most < 0 || l.count < most) && (at = find_last(self->s, by, end)) >= 0) {
        if (!push_part(v, self, at + by->size, end, &l)) return false;
        end = at;
    }
    if (!push_part(v, self, 0, end, &l)) return false;
    reverse(&l);
    return finish_list(v, &l, out);
}

static bool three(tpl_vm *v, const tv *self, int64_t at, const tv *by, bool tail, tv *out)
{
    tv part[3];
    if (at >= 0)
        return glia_tpl_part(v, self, 0, at, &part[0]) && (part[1] = *by, true) &&
               glia_tpl_part(v, self, at + by->s->size, self->s->size, &part[2]) &&
               glia_tpl_list_make(v, part, 3, TPL_TUPLE, out);
    if (!glia_tpl_part(v, self, 0, 0, &part[1])) return false;
    part[0] = tail ? part[1] : *self;
    part[2] = tail ? *self : part[1];
    return glia_tpl_list_make(v, part, 3, TPL_TUPLE, out);
}

METHOD(partition)
{
    (void)count;
    if (!want_text(v, &arg[0], "a separator")) return false;
    if (!arg[0].s->size) return glia_tpl_type_error(v, "an empty separator");
    return three(v, self,
                 glia_tpl_find_bytes(self->s->text, self->s->size, arg[0].s->text, arg[0].s->size, 0),
                 &arg[0], false, out);
}

METHOD(rpartition)
{
    (void)count;
    if (!want_text(v, &arg[0], "a separator")) return false;
    if (!arg[0].s->size) return glia_tpl_type_error(v, "an empty separator");
    if (!glia_tpl_spend(v, self->s->size * arg[0].s->size / 8)) return false;
    return three(v, self, find_last(self->s, arg[0].s, self->s->size), &arg[0], true, out);
}

/* \n, \r\n, \r and the rarer line ends. */
bool glia_tpl_lines(tpl_vm *v, const tv *self, bool keep_ends, tpl_list *out)
{
    const tpl_string *s = self->s;
    int64_t begin = 0;
    *out = (tpl_list){0};
    for (int64_t i = 0; i < s->size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        int64_t end = i;
        i += len;
        if (!((cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 ||
              cp == 0x2029))
            continue;
        if (cp == '\r' && i < s->size && s->text[i] == '\n') i++;
        if (!push_part(v, self, begin, keep_ends ? i : end, out)) return false;
        begin = i;
    }
    return begin == s->size || push_part(v, self, begin, s->size, out);
}

METHOD(splitlines)
{
    tpl_list l;
    (void)count;
    return glia_tpl_lines(v, self, glia_tpl_truth(&arg[0]), &l) && finish_list(v, &l, out);
}

/* ---- finding and replacing ------------------------------------------------------------------------ */

/* [begin, end) of the bytes that optional positions select. */
static bool span(tpl_vm *v, const tpl_string *s, const tv *from, const tv *to, int64_t *begin, int64_t *end)
{
    int64_t n = glia_tpl_code_points(s), a = 0, b = n;
    if (!glia_tpl_spend(v, s->size / 16)) return false;
    bool ok = (from->kind == TPL_MISSING || from->kind == TPL_NONE || glia_tpl_as_int(from, &a)) &&
              (to->kind == TPL_MISSING || to->kind == TPL_NONE || glia_tpl_as_int(to, &b));
    if (!ok) return glia_tpl_type_error(v, "a position must be a whole number");
    if (a < 0) a = glia_max(0, a + n);
    if (b < 0) b = glia_max(0, b + n);
    *begin = a > n ? s->size + 1 : glia_tpl_offset(s, a);
    *end = glia_tpl_offset(s, glia_min(b, n));
    return true;
}

static bool affix(tpl_vm *v, const tv *self, const tv *arg, bool at_end, tv *out)
{
    int64_t begin, end;
    tpl_list l = {&arg[0], 1, NULL};
    if (arg[0].kind == TPL_TUPLE) l = *arg[0].l;
    *out = tpl_bool(false);
    if (!span(v, self->s, &arg[1], &arg[2], &begin, &end)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        if (!want_text(v, &l.v[i], at_end ? "what endswith looks for" : "what startswith looks for"))
            return false;
        const tpl_string *x = l.v[i].s;
        if (begin > end || x->size > end - begin) continue;
        if (!memcmp(self->s->text + (at_end ? end - x->size : begin), x->text, (size_t)x->size))
            *out = tpl_bool(true);
    }
    return true;
}

METHOD(startswith) { return (void)count, affix(v, self, arg, false, out); }
METHOD(endswith) { return (void)count, affix(v, self, arg, true, out); }

static bool find_in(tpl_vm *v, const tv *self, const tv *arg, bool last, int64_t *out)
{
    int64_t begin, end, at = -1;
    *out = -1;
    if (!want_text(v, &arg[0], "what is looked for")) return false;
    if (!span(v, self->s, &arg[1], &arg[2], &begin, &end)) return false;
    const tpl_string *x = arg[0].s;
    if (begin > end) return true;
    if (!glia_tpl_spend(v, (end - begin) / 8 * (last ? 1 + x->size : 1))) return false;
    if (!last) at = glia_tpl_find_bytes(self->s->text, end, x->text, x->size, begin);
    else if ((at = find_last(self->s, x, end)) < begin) at = -1;
    tpl_string before = {.text = self->s->text, .size = at};
    if (at >= 0) *out = glia_tpl_code_points(&before);
    return true;
}

METHOD(str_find)
{
    int64_t at;
    (void)count;
    if (!find_in(v, self, arg, false, &at)) return false;
    *out = tpl_int(at);
    return true;
}

METHOD(rfind)
{
    int64_t at;
    (void)count;
    if (!find_in(v, self, arg, true, &at)) return false;
    *out = tpl_int(at);
    return true;
}

METHOD(str_index)
{
    if (!str_find(v, self, arg, count, out)) return false;
    return out->i >= 0 ? true : glia_tpl_type_error(v, "the text is not found");
}

METHOD(str_rindex)
{
    if (!rfind(v, self, arg, count, out)) return false;
    return out->i >= 0 ? true : glia_tpl_type_error(v, "the text is not found");
}

METHOD(str_count)
{
    int64_t begin, end, n = 0;
    (void)count;
    if (!want_text(v, &arg[0], "what is counted") || !span(v, self->s, &arg[1], &arg[2], &begin, &end))
        return false;
    const tpl_string *x = arg[0].s;
    if (!x->size) {
        tpl_string part = {.text = self->s->text + begin, .size = end - begin};
        return *out = tpl_int(begin > end ? 0 : glia_tpl_code_points(&part) + 1), true;
    }
    for (int64_t at = begin;
         begin <= end && (at = glia_tpl_find_bytes(self->s->text, end, x->text, x->size, at)) >= 0;
         at += x->size)
        if (n++, !glia_tpl_spend(v, 1)) return false;
    *out = tpl_int(n);
    return true;
}

/* `with` before each character and at the end. */
static bool replace_empty(tpl_vm *v, const tv *self, const tpl_string *with, int64_t most, tv *out)
{
    tpl_buffer b = {0};
    const tpl_string *s = self->s;
    for (int64_t i = 0; i <= s->size;) {
        int len = 1;
        bool ok;
        if (most != 0 && (most--, !glia_tpl_put_string(v, &b, with))) return false;
        if (i == s->size) break;
        glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        if (!glia_tpl_spend(v, 1) || !glia_tpl_put_part(v, &b, s, i, i + len)) return false;
        i += len;
    }
    return glia_tpl_take(v, &b, out);
}

bool glia_tpl_replace(tpl_vm *v, const tv *self, const tv *old, const tv *with, int64_t most, tv *out)
{
    tpl_buffer b = {0};
    int64_t begin = 0, at;
    if (!want_text(v, old, "what is replaced") || !want_text(v, with, "what replaces it")) return false;
    if (!old->s->size) return replace_empty(v, self, with->s, most, out);
    if (!glia_tpl_spend(v, self->s->size / 8)) return false;
    for (; most != 0; most--) {
        at = glia_tpl_find_bytes(self->s->text, self->s->size, old->s->text, old->s->size, begin);
        if (at < 0) break;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_put_part(v, &b, self->s, begin, at) ||
            !glia_tpl_put_string(v, &b, with->s))
            return false;
        begin = at + old->s->size;
    }
    if (!begin) return *out = *self, true;
    if (!glia_tpl_put_part(v, &b, self->s, begin, self->s->size) || !glia_tpl_take(v, &b, out)) return false;
    out->safe = self->safe;
    return true;
}

METHOD(str_replace)
{
    int64_t most = -1;
    (void)count;
    if (arg[2].kind != TPL_MISSING && !glia_tpl_as_int(&arg[2], &most))
        return glia_tpl_type_error(v, "a count must be a whole number");
    return glia_tpl_replace(v, self, &arg[0], &arg[1], most, out);
}

METHOD(removeprefix)
{
    (void)count;
    if (!want_text(v, &arg[0], "a prefix")) return false;
    const tpl_string *s = self->s, *x = arg[0].s;
    bool has = x->size <= s->size && !memcmp(s->text, x->text, (size_t)x->size);
    return glia_tpl_part(v, self, has ? x->size : 0, s->size, out);
}

METHOD(removesuffix)
{
    (void)count;
    if (!want_text(v, &arg[0], "a suffix")) return false;
    const tpl_string *s = self->s, *x = arg[0].s;
    bool has = x->size <= s->size && !memcmp(s->text + s->size - x->size, x->text, (size_t)x->size);
    return glia_tpl_part(v, self, 0, has ? s->size - x->size : s->size, out);
}

/* ---- case ----------------------------------------------------------------------------------------- */

/* 'u'pper, 'l'ower, 'c'apitalize, 't'itle (str.title), 's'wap, 'T' (the filter: words end at blanks, hyphens
 * and opening brackets). */
bool glia_tpl_case(tpl_vm *v, const tv *self, int how, tv *out)
{
    tpl_buffer b = {0};
    const tpl_string *s = self->s;
    bool start = true;
    for (int64_t i = 0; i < s->size;) {
        int len;
        bool ok, data = s->mark ? s->mark[i] : s->data;
        char text[12];
        uint32_t cp = glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        bool up =
            how == 'u' || (start && how != 'l' && how != 's') || (how == 's' && glia_tpl_upper(cp) != cp);
        uint32_t to = up ? glia_tpl_upper(cp) : glia_tpl_lower(cp);
        int n = glia_utf8_encode(to, text);
        if (cp == 0xDF && up) { /* sharp s has no capital letter of its own */
            n = 2;
            memcpy(text, how == 'u' || how == 's' ? "SS" : "Ss", 2);
        }
        if (!glia_tpl_spend(v, 1) || !glia_tpl_put(v, &b, text, n, NULL, data)) return false;
        if (how == 't') start = !glia_tpl_is_letter(cp);
        else if (how == 'T')
            start = glia_tpl_is_space(cp) || cp == '-' || cp == '(' || cp == '[' || cp == '{' || cp == '<';
        else start = false;
        i += len;
    }
    if (!glia_tpl_take(v, &b, out)) return false;
    out->safe = self->safe;
    return true;
}

METHOD(str_upper) { return (void)arg, (void)count, glia_tpl_case(v, self, 'u', out); }
METHOD(str_lower) { return (void)arg, (void)count, glia_tpl_case(v, self, 'l', out); }
METHOD(capitalize) { return (void)arg, (void)count, glia_tpl_case(v, self, 'c', out); }
METHOD(str_title) { return (void)arg, (void)count, glia_tpl_case(v, self, 't', out); }
METHOD(swapcase) { return (void)arg, (void)count, glia_tpl_case(v, self, 's', out); }

/* ---- questions ------------------------------------------------------------------------------------ */

static bool is_digit(uint32_t cp) { return cp >= '0' && cp <= '9'; }
static bool is_alnum(uint32_t cp) { return is_digit(cp) || glia_tpl_is_letter(cp); }
static bool is_ascii(uint32_t cp) { return cp < 0x80; }

static bool all_of(tpl_vm *v, const tv *self, bool (*f)(uint32_t), bool empty, tv *out)
{
    const tpl_string *s = self->s;
    bool all = s->size || empty;
    if (!glia_tpl_spend(v, s->size / 4)) return false;
    for (int64_t i = 0; i < s->size && all;) {
        int len;
        bool ok;
        all = f(glia_utf8_decode(s->text + i, s->size - i, &len, &ok));
        i += len;
    }
    *out = tpl_bool(all);
    return true;
}

METHOD(str_isdigit) { return (void)arg, (void)count, all_of(v, self, is_digit, false, out); }
METHOD(str_isalpha) { return (void)arg, (void)count, all_of(v, self, glia_tpl_is_letter, false, out); }
METHOD(str_isalnum) { return (void)arg, (void)count, all_of(v, self, is_alnum, false, out); }
METHOD(str_isspace) { return (void)arg, (void)count, all_of(v, self, glia_tpl_is_space, false, out); }
METHOD(str_isascii) { return (void)arg, (void)count, all_of(v, self, is_ascii, true, out); }

/* At least one cased letter, and all of them of this case. */
static bool cased(tpl_vm *v, const tv *self, bool up, tv *out)
{
    const tpl_string *s = self->s;
    bool some = false, none = true;
    if (!glia_tpl_spend(v, s->size / 4)) return false;
    for (int64_t i = 0; i < s->size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        bool is_upper = glia_tpl_lower(cp) != cp, is_lower = glia_tpl_upper(cp) != cp || cp == 0xDF;
        some = some || (up ? is_upper : is_lower);
        none = none && !(up ? is_lower : is_upper);
        i += len;
    }
    *out = tpl_bool(some && none);
    return true;
}

METHOD(str_isupper) { return (void)arg, (void)count, cased(v, self, true, out); }
METHOD(str_islower) { return (void)arg, (void)count, cased(v, self, false, out); }

/* ---- join, zfill, format ---------------------------------------------------------------------------- */

/* str.join wants strings (strict), the filter takes anything. */
bool glia_tpl_join(tpl_vm *v, const tpl_list *l, const tv *separator, const tv *attribute, bool strict,
                   tv *out)
{
    tpl_buffer b = {0};
    for (int64_t i = 0; i < l->count; i++) {
        tv x = l->v[i];
        if (attribute && attribute->kind != TPL_MISSING && attribute->kind != TPL_NONE &&
            !glia_tpl_path(v, &l->v[i], attribute, &x))
            return false;
        if (strict && !want_text(v, &x, "what is joined")) return false;
        if (!glia_tpl_spend(v, 1) || (i && !glia_tpl_put_value(v, &b, separator)) ||
            !glia_tpl_put_value(v, &b, &x))
            return false;
    }
    return glia_tpl_take(v, &b, out);
}

METHOD(str_join)
{
    tpl_list l;
    (void)count;
    return glia_tpl_iterate(v, &arg[0], &l) && glia_tpl_join(v, &l, self, NULL, true, out);
}

METHOD(zfill)
{
    int64_t width, n = glia_tpl_code_points(self->s);
    tpl_buffer b = {0};
    (void)count;
    if (!glia_tpl_as_int(&arg[0], &width)) return glia_tpl_type_error(v, "a width must be a whole number");
    bool sign = self->s->size && (self->s->text[0] == '-' || self->s->text[0] == '+');
    if (!glia_tpl_put_part(v, &b, self->s, 0, sign)) return false;
    for (; n < width; n++)
        if (!glia_tpl_spend(v, 1) || !tpl_put_own(v, &b, "0")) return false;
    return glia_tpl_put_part(v, &b, self->s, sign, self->s->size) && glia_tpl_take(v, &b, out);
}

/* "{} {0}": fields without conversions and formats. */
METHOD(str_format)
{
    tpl_buffer b = {0};
    const tpl_string *s = self->s;
    int64_t next = 0, begin = 0;
    for (int64_t i = 0; i <= s->size; i++) {
        char c = i < s->size ? s->text[i] : 0;
        if (i < s->size && c != '{' && c != '}') continue;
        if (!glia_tpl_put_part(v, &b, s, begin, i)) return false;
        begin = i + 1;
        if (i == s->size) break;
        if (i + 1 < s->size && s->text[i + 1] == c) {
            if (!glia_tpl_put_part(v, &b, s, i, i + 1)) return false;
            begin = ++i + 1;
            continue;
        }
        int64_t end = glia_tpl_find_bytes(s->text, s->size, "}", 1, i), n = 0;
        if (c == '}' || end < 0) return glia_tpl_type_error(v, "a single brace in a format");
        for (int64_t k = i + 1; k < end; k++) {
            if (s->text[k] < '0' || s->text[k] > '9' || end - i > 4)
                return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675",
                                     "str.format with names, conversions or formats is not built");
            n = 10 * n + (s->text[k] - '0');
        }
        if (end == i + 1) n = next++;
        if (n >= count) return glia_tpl_type_error(v, "the format needs more than %d values", count);
        if (!glia_tpl_put_value(v, &b, &arg[n])) return false;
        i = end;
        begin = end + 1;
    }
    return glia_tpl_take(v, &b, out);
}

/* One conversion of a printf format at s[at] (behind the percent sign); *used gets its bytes. */
static bool convert(tpl_vm *v, tpl_buffer *b, const tpl_string *s, int64_t at, const tv *x, int64_t *used)
{
    char spec[16] = "%", text[400];
    int64_t n = 0, i;
    double d;
    while (at + n < s->size && n < 8 && strchr("-+ 0123456789.", s->text[at + n]) && s->text[at + n]) n++;
    char kind = at + n < s->size ? s->text[at + n] : 0;
    *used = n + 1;
    if (kind == 's' && n == 0) return glia_tpl_put_value(v, b, x);
    memcpy(spec + 1, s->text + at, (size_t)n);
    int64_t width = 0;
    for (int64_t k = 0; k < n; k++)
        if (s->text[at + k] >= '0' && s->text[at + k] <= '9') width = 10 * width + (s->text[at + k] - '0');
    if ((kind == 'd' || kind == 'i') && width < 300 && (glia_tpl_as_int(x, &i) || x->kind == TPL_FLOAT)) {
        if (x->kind == TPL_FLOAT) {
            if (!(x->d > -9e18 && x->d < 9e18))
                return glia_tpl_type_error(v, "%%d of a number that is too large");
            i = (int64_t)x->d;
        }
        memcpy(spec + 1 + n, "lld", 4);
        snprintf(text, sizeof text, spec, (long long)i);
        return tpl_put_own(v, b, text);
    }
    if (kind == 'f' && width < 300 && glia_tpl_as_float(x, &d) && d > -1e40 && d < 1e40) {
        memcpy(spec + 1 + n, "f", 2);
        snprintf(text, sizeof text, spec, d);
        return tpl_put_own(v, b, text);
    }
    return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "the conversion %%%.*s%c of a %s is not built",
                         (int)n, s->text + at, kind ? kind : ' ', glia_tpl_kind_name(x));
}

bool glia_tpl_format(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)
{
    tpl_buffer b = {0};
    const tpl_string *s = self->s;
    int next = 0;
    for (int64_t i = 0, begin = 0; i <= s->size; i++) {
        if (i < s->size && s->text[i] != '%') continue;
        if (!glia_tpl_put_part(v, &b, s, begin, i)) return false;
        begin = i + 1;
        if (i == s->size) break;
        if (i + 1 < s->size && s->text[i + 1] == '%') {
            begin = ++i;
            if (!glia_tpl_put_part(v, &b, s, begin, begin + 1)) return false;
            begin++;
            continue;
        }
        int64_t used;
        if (next >= count) return glia_tpl_type_error(v, "the format needs more than %d values", count);
        if (!convert(v, &b, s, i + 1, &arg[next++], &used)) return false;
        i += used;
        begin = i + 1;
    }
    if (next < count) return glia_tpl_type_error(v, "the format takes %d of %d values", next, count);
    return glia_tpl_take(v, &b, out);
}

const tpl_function glia_tpl_str_methods[] = {{"capitalize", "", 0, capitalize},
                                             {"count", "sub start end", 1, str_count},
                                             {"endswith", "suffix start end", 1, endswith},
                                             {"find", "sub start end", 1, str_find},
                                             {"format", "*", 0, str_format},
                                             {"index", "sub start end", 1, str_index},
                                             {"isalnum", "", 0, str_isalnum},
                                             {"isalpha", "", 0, str_isalpha},
                                             {"isascii", "", 0, str_isascii},
                                             {"isdecimal", "", 0, str_isdigit},
                                             {"isdigit", "", 0, str_isdigit},
                                             {"islower", "", 0, str_islower},
                                             {"isnumeric", "", 0, str_isdigit},
                                             {"isspace", "", 0, str_isspace},
                                             {"isupper", "", 0, str_isupper},
                                             {"join", "iterable", 1, str_join},
                                             {"lower", "", 0, str_lower},
                                             {"lstrip", "chars", 0, lstrip},
                                             {"partition", "sep", 1, partition},
                                             {"removeprefix", "prefix", 1, removeprefix},
                                             {"removesuffix", "suffix", 1, removesuffix},
                                             {"replace", "old new count", 2, str_replace},
                                             {"rfind", "sub start end", 1, rfind},
                                             {"rindex", "sub start end", 1, str_rindex},
                                             {"rpartition", "sep", 1, rpartition},
                                             {"rsplit", "sep maxsplit", 0, rsplit},
                                             {"rstrip", "chars", 0, rstrip},
                                             {"split", "sep maxsplit", 0, str_split},
                                             {"splitlines", "keepends", 0, splitlines},
                                             {"startswith", "prefix start end", 1, startswith},
                                             {"strip", "chars", 0, str_strip},
                                             {"swapcase", "", 0, swapcase},
                                             {"title", "", 0, str_title},
                                             {"upper", "", 0, str_upper},
                                             {"zfill", "width", 1, zfill},
                                             {0}};
