/* Filters: `x | NAME(args)`. */
#include "text/tpl.h"

#include "base/number.h"

#include <math.h>

#define FILTER(name) static bool name(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)

static bool given(const tv *x) { return x->kind != TPL_MISSING && x->kind != TPL_NONE; }

/* ---- texts ---------------------------------------------------------------------------------------- */

static bool text_case(tpl_vm *v, const tv *self, int how, tv *out)
{
    tv text;
    return glia_tpl_str(v, self, &text) && glia_tpl_case(v, &text, how, out);
}

FILTER(upper) { return (void)arg, (void)count, text_case(v, self, 'u', out); }
FILTER(lower) { return (void)arg, (void)count, text_case(v, self, 'l', out); }
FILTER(capitalize) { return (void)arg, (void)count, text_case(v, self, 'c', out); }
FILTER(title) { return (void)arg, (void)count, text_case(v, self, 'T', out); }
FILTER(string) { return (void)arg, (void)count, glia_tpl_str(v, self, out); }
FILTER(escape) { return (void)arg, (void)count, glia_tpl_escape(v, self, out); }

FILTER(safe)
{
    (void)arg, (void)count;
    if (!glia_tpl_str(v, self, out)) return false;
    return out->safe = true;
}

FILTER(trim)
{
    tv text;
    (void)count;
    return glia_tpl_str(v, self, &text) && glia_tpl_strip(v, &text, &arg[0], 3, out);
}

FILTER(replace)
{
    int64_t most = -1;
    tv text, old, with;
    (void)count;
    if (given(&arg[2]) && !glia_tpl_as_int(&arg[2], &most))
        return glia_tpl_type_error(v, "a count must be a whole number");
    if (!glia_tpl_str(v, self, &text) || !glia_tpl_str(v, &arg[0], &old) || !glia_tpl_str(v, &arg[1], &with))
        return false;
    if (!glia_tpl_replace(v, &text, &old, &with, most, out)) return false;
    out->safe = false;
    return true;
}

FILTER(format)
{
    tv text;
    return glia_tpl_str(v, self, &text) && glia_tpl_format(v, &text, arg, count, out);
}

FILTER(indent)
{
    tpl_buffer b = {0};
    tpl_list lines;
    tv width = tpl_int(4), pad, blank = {0}, newline, text;
    bool first = glia_tpl_truth(&arg[1]), blanks = glia_tpl_truth(&arg[2]);
    (void)count;
    if (arg[0].kind != TPL_MISSING) width = arg[0];
    if (!glia_tpl_text(v, " ", &blank) || !glia_tpl_text(v, "\n", &newline)) return false;
    if (self->kind != TPL_STRING)
        return glia_tpl_type_error(v, "indent takes a str, not %s", glia_tpl_kind_name(self));
    pad = width;
    if (width.kind != TPL_STRING && !glia_tpl_binary(v, '*', &blank, &width, &pad)) return false;
    if (!glia_tpl_concat(v, self, &newline, &text) || !glia_tpl_lines(v, &text, false, &lines)) return false;
    for (int64_t i = 0; i < lines.count; i++) {
        bool padded = i ? blanks || lines.v[i].s->size : first;
        if (!glia_tpl_spend(v, 1) || (i && !tpl_put_own(v, &b, "\n")) ||
            (padded && !glia_tpl_put_string(v, &b, pad.s)) || !glia_tpl_put_string(v, &b, lines.v[i].s))
            return false;
    }
    if (!glia_tpl_take(v, &b, out)) return false;
    out->safe = self->safe;
    return true;
}

FILTER(wordcount)
{
    int64_t n = 0;
    tv text;
    bool inside = false;
    (void)arg, (void)count;
    if (!glia_tpl_str(v, self, &text) || !glia_tpl_spend(v, text.s->size / 4)) return false;
    for (int64_t i = 0; i < text.s->size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(text.s->text + i, text.s->size - i, &len, &ok);
        bool word = cp == '_' || (cp >= '0' && cp <= '9') || glia_tpl_is_letter(cp);
        n += word && !inside;
        inside = word;
        i += len;
    }
    *out = tpl_int(n);
    return true;
}

FILTER(tojson)
{
    tpl_buffer b = {0}, pad = {0};
    tv indent;
    int64_t width;
    (void)count;
    tpl_json_style style = {.ascii = glia_tpl_truth(&arg[0]), .sorted = glia_tpl_truth(&arg[3])};
    if (arg[1].kind == TPL_STRING) {
        style.indent = arg[1].s;
    } else if (given(&arg[1])) {
        if (!glia_tpl_as_int(&arg[1], &width))
            return glia_tpl_type_error(v, "an indent must be a whole number or text");
        for (int64_t i = 0; i < width; i++)
            if (!glia_tpl_spend(v, 1) || !tpl_put_own(v, &pad, " ")) return false;
        if (!glia_tpl_take(v, &pad, &indent)) return false;
        style.indent = indent.s;
    }
    if (given(&arg[2])) {
        tpl_list l;
        if (!glia_tpl_iterate(v, &arg[2], &l)) return false;
        if (l.count != 2 || l.v[0].kind != TPL_STRING || l.v[1].kind != TPL_STRING)
            return glia_tpl_type_error(v, "separators are two strings");
        style.item = l.v[0].s;
        style.key = l.v[1].s;
    }
    return glia_tpl_put_json(v, &b, self, &style) && glia_tpl_take(v, &b, out);
}

FILTER(join)
{
    tpl_list l;
    tv nothing, separator = arg[0];
    (void)count;
    if (!glia_tpl_text(v, "", &nothing)) return false;
    if (separator.kind == TPL_MISSING) separator = nothing;
    return glia_tpl_iterate(v, self, &l) && glia_tpl_join(v, &l, &separator, &arg[1], false, out);
}

/* ---- numbers -------------------------------------------------------------------------------------- */

FILTER(absolute)
{
    tv zero = tpl_int(0);
    double d;
    (void)arg, (void)count;
    if (!glia_tpl_as_float(self, &d)) return glia_tpl_type_error(v, "abs of a %s", glia_tpl_kind_name(self));
    if (self->kind == TPL_FLOAT) return *out = tpl_float(fabs(d)), true;
    return glia_tpl_binary(v, d < 0 ? '-' : '+', &zero, self, out);
}

/* A number in text as Python's float() and int() read it: blanks around, a sign, underscores refused. */
static bool parse_number(const tpl_string *s, int64_t base, bool real, int64_t *whole, double *out)
{
    int64_t begin = 0, end = s->size;
    while (begin < end && glia_tpl_is_space((uint8_t)s->text[begin])) begin++;
    while (end > begin && glia_tpl_is_space((uint8_t)s->text[end - 1])) end--;
    bool minus = begin < end && s->text[begin] == '-';
    if (begin < end && (s->text[begin] == '-' || s->text[begin] == '+')) begin++;
    if (begin == end) return false;
    if (real) {
        char text[64];
        int64_t n = 0;
        if (s->text[begin] == '.') text[n++] = '0';
        while (begin + 1 < end && s->text[begin] == '0' && s->text[begin + 1] >= '0' &&
               s->text[begin + 1] <= '9')
            begin++;
        for (; begin < end && n < 62; begin++) {
            bool bare = s->text[begin] == '.' &&
                        (begin + 1 == end || s->text[begin + 1] < '0' || s->text[begin + 1] > '9');
            if (!bare) text[n++] = s->text[begin];
        }
        if (begin < end || !n || !glia_number_parse(text, n, out)) return false;
        if (minus) *out = -*out;
        return true;
    }
    *whole = 0;
    if (end - begin > 2 && s->text[begin] == '0' &&
        (s->text[begin + 1] | 32) == (base == 16  ? 'x'
                                      : base == 8 ? 'o'
                                      : base == 2 ? 'b'
                                                  : 0))
        begin += 2;
    for (; begin < end; begin++) {
        char c = s->text[begin];
        int64_t d = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10
                                                         : 99;
        if (d >= base || !glia_mul(*whole, base, whole) || !glia_add(*whole, d, whole)) return false;
    }
    if (minus) *whole = -*whole;
    return true;
}

static bool truncated(double d, tv *out)
{
    if (!(d > -9.2e18 && d < 9.2e18)) return false;
    *out = tpl_int((int64_t)d);
    return true;
}

FILTER(to_int)
{
    int64_t whole, base = 10;
    double d;
    (void)count;
    if (given(&arg[1]) && (!glia_tpl_as_int(&arg[1], &base) || base < 2 || base > 36))
        return glia_tpl_type_error(v, "a base must be 2 to 36");
    if (self->kind == TPL_UNDEFINED)
        return glia_tpl_type_error(v, "`%.60s` is undefined", self->hint ? self->hint : "a value");
    if (glia_tpl_as_int(self, &whole)) return *out = tpl_int(whole), true;
    if (self->kind == TPL_FLOAT && truncated(self->d, out)) return true;
    if (self->kind == TPL_STRING && parse_number(self->s, base, false, &whole, &d))
        return *out = tpl_int(whole), true;
    if (self->kind == TPL_STRING && parse_number(self->s, 10, true, &whole, &d) && truncated(d, out))
        return true;
    *out = arg[0].kind == TPL_MISSING ? tpl_int(0) : arg[0];
    return true;
}

FILTER(to_float)
{
    int64_t whole;
    double d;
    (void)count;
    if (self->kind == TPL_UNDEFINED)
        return glia_tpl_type_error(v, "`%.60s` is undefined", self->hint ? self->hint : "a value");
    if (glia_tpl_as_float(self, &d) ||
        (self->kind == TPL_STRING && parse_number(self->s, 10, true, &whole, &d)))
        return *out = tpl_float(d), true;
    *out = arg[0].kind == TPL_MISSING ? tpl_float(0) : arg[0];
    return true;
}

/* Half to even in decimal: the digits that a double has exactly decide. */
static double round_decimal(double d, int64_t digits)
{
    double scale = 1;
    for (int64_t i = 0; i < (digits < 0 ? -digits : digits); i++) scale *= 10;
    double scaled = digits < 0 ? d / scale : d * scale, whole = nearbyint(scaled),
           rest = fabs(scaled - trunc(scaled));
    if (digits > 0 &&
        fabs(rest - 0.5) < 1e-9) { /* the product was rounded: its error says on which side d lies */
        double error = fma(d, scale, -scaled), half = floor(fabs(scaled)) + 0.5,
               off = (fabs(scaled) - half) + (d < 0 ? -error : error);
        whole = off > 0 ? ceil(fabs(scaled)) : off < 0 ? floor(fabs(scaled)) : nearbyint(fabs(scaled));
        if (off > 0 && whole < half) whole += 1;
        if (d < 0) whole = -whole;
    }
    return digits < 0 ? whole * scale : whole / scale;
}

FILTER(rounded)
{
    int64_t digits = 0, i;
    double d, scale = 1;
    (void)count;
    if (given(&arg[0]) && (!glia_tpl_as_int(&arg[0], &digits) || digits < -15 || digits > 15))
        return glia_tpl_type_error(v, "a precision must be -15 to 15");
    bool common = !given(&arg[1]) || glia_tpl_is_text(&arg[1], "common"),
         up = glia_tpl_is_text(&arg[1], "ceil");
    if (!common && !up && !glia_tpl_is_text(&arg[1], "floor"))
        return glia_tpl_type_error(v, "the method is common, ceil or floor");
    if (!glia_tpl_as_float(self, &d))
        return glia_tpl_type_error(v, "round of a %s", glia_tpl_kind_name(self));
    if (glia_tpl_as_int(self, &i) && common && digits >= 0) return *out = tpl_int(i), true;
    if (glia_tpl_as_int(self, &i) && common) return truncated(round_decimal(d, digits), out);
    if (common) return *out = tpl_float(round_decimal(d, digits)), true;
    for (int64_t k = 0; k < (digits < 0 ? -digits : digits); k++) scale *= 10;
    double scaled = digits < 0 ? d / scale : d * scale;
    scaled = up ? ceil(scaled) : floor(scaled);
    *out = tpl_float(digits < 0 ? scaled * scale : scaled / scale);
    return true;
}

FILTER(sum)
{
    tpl_list l;
    (void)count;
    *out = arg[1].kind == TPL_MISSING ? tpl_int(0) : arg[1];
    if (!glia_tpl_iterate(v, self, &l)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tv x = l.v[i], total = *out;
        if (given(&arg[0]) && !glia_tpl_path(v, &l.v[i], &arg[0], &x)) return false;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_binary(v, '+', &total, &x, out)) return false;
    }
    return true;
}

/* ---- sequences ------------------------------------------------------------------------------------ */

FILTER(length)
{
    int64_t n = glia_tpl_length(self);
    (void)arg, (void)count;
    if (n < 0 || (self->kind == TPL_STRING && !glia_tpl_spend(v, self->s->size / 16)))
        return glia_tpl_type_error(v, "a value of type %s has no length", glia_tpl_kind_name(self));
    *out = tpl_int(n);
    return true;
}

FILTER(fallback)
{
    (void)count;
    bool use = self->kind == TPL_UNDEFINED || (glia_tpl_truth(&arg[1]) && !glia_tpl_truth(self));
    *out = *self;
    if (!use) return true;
    *out = arg[0];
    return arg[0].kind != TPL_MISSING || glia_tpl_text(v, "", out);
}

FILTER(first)
{
    tpl_list l;
    (void)arg, (void)count;
    if (!glia_tpl_iterate(v, self, &l)) return false;
    *out = l.count ? l.v[0] : tpl_undefined("No first item, sequence was empty.");
    return true;
}

FILTER(last)
{
    tpl_list l;
    (void)arg, (void)count;
    if (self->kind == TPL_GENERATOR) return glia_tpl_type_error(v, "last of a generator");
    if (!glia_tpl_iterate(v, self, &l)) return false;
    *out = l.count ? l.v[l.count - 1] : tpl_undefined("No last item, sequence was empty.");
    return true;
}

FILTER(list)
{
    tpl_list l;
    (void)arg, (void)count;
    return glia_tpl_iterate(v, self, &l) && glia_tpl_list_make(v, l.v, l.count, TPL_LIST, out);
}

FILTER(items)
{
    tpl_list l = {0};
    (void)arg, (void)count;
    if (self->kind == TPL_UNDEFINED) return glia_tpl_generator_make(v, &l, out);
    if (self->kind != TPL_DICT)
        return glia_tpl_type_error(v, "items of a %s: only mappings have them", glia_tpl_kind_name(self));
    for (int64_t i = 0; i < self->m->count; i++) {
        tv pair[2] = {self->m->pair[i].key, self->m->pair[i].value}, x;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_list_make(v, pair, 2, TPL_TUPLE, &x) ||
            !glia_tpl_list_push(v, &l, x))
            return false;
    }
    return glia_tpl_generator_make(v, &l, out);
}

/* What order and uniqueness go by: lower case for texts unless case counts. */
static bool sort_key(tpl_vm *v, const tv *x, const tv *attribute, bool case_counts, tv *out)
{
    tv key = *x;
    if (attribute && given(attribute) && !glia_tpl_path(v, x, attribute, &key)) return false;
    if (key.kind == TPL_STRING && !case_counts) return glia_tpl_case(v, &key, 'l', out);
    *out = key;
    return true;
}

FILTER(sorted)
{
    tpl_list l;
    (void)count;
    if (arg[2].kind == TPL_STRING && glia_tpl_find_bytes(arg[2].s->text, arg[2].s->size, ",", 1, 0) >= 0)
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "sort by several attributes is not built");
    if (!glia_tpl_iterate(v, self, &l)) return false;
    tpl_pair *p = TPL_NEW(v, tpl_pair, l.count);
    tv *x = TPL_NEW(v, tv, l.count);
    if (!p || !x) return false;
    for (int64_t i = 0; i < l.count; i++) {
        p[i].value = l.v[i];
        if (!sort_key(v, &l.v[i], &arg[2], glia_tpl_truth(&arg[1]), &p[i].key)) return false;
    }
    if (!glia_tpl_sort(v, p, l.count, glia_tpl_truth(&arg[0]))) return false;
    for (int64_t i = 0; i < l.count; i++) x[i] = p[i].value;
    return glia_tpl_list_make(v, x, l.count, TPL_LIST, out);
}

FILTER(dictsort)
{
    bool by_value = glia_tpl_is_text(&arg[1], "value");
    (void)count;
    if (given(&arg[1]) && !by_value && !glia_tpl_is_text(&arg[1], "key"))
        return glia_tpl_type_error(v, "dictsort is by key or value");
    if (self->kind != TPL_DICT) return glia_tpl_type_error(v, "dictsort of a %s", glia_tpl_kind_name(self));
    int64_t n = self->m->count;
    tpl_pair *p = TPL_NEW(v, tpl_pair, n);
    tv *x = TPL_NEW(v, tv, n);
    if (!p || !x) return false;
    for (int64_t i = 0; i < n; i++) {
        tv pair[2] = {self->m->pair[i].key, self->m->pair[i].value};
        if (!glia_tpl_list_make(v, pair, 2, TPL_TUPLE, &p[i].value) ||
            !sort_key(v, &pair[by_value], NULL, glia_tpl_truth(&arg[0]), &p[i].key))
            return false;
    }
    if (!glia_tpl_sort(v, p, n, glia_tpl_truth(&arg[2]))) return false;
    for (int64_t i = 0; i < n; i++) x[i] = p[i].value;
    return glia_tpl_list_make(v, x, n, TPL_LIST, out);
}

FILTER(unique)
{
    tpl_list l, kept = {0};
    tv seen;
    (void)count;
    if (!glia_tpl_iterate(v, self, &l) || !glia_tpl_dict_make(v, 8, &seen)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tv key, unused;
        bool found;
        if (!glia_tpl_spend(v, 1) || !sort_key(v, &l.v[i], &arg[1], glia_tpl_truth(&arg[0]), &key) ||
            !glia_tpl_dict_find(v, seen.m, &key, &unused, &found))
            return false;
        if (!found &&
            (!glia_tpl_dict_put(v, seen.m, key, tpl_none()) || !glia_tpl_list_push(v, &kept, l.v[i])))
            return false;
    }
    return glia_tpl_generator_make(v, &kept, out);
}

FILTER(reversed)
{
    tpl_list l, turned = {0};
    tpl_buffer b = {0};
    (void)arg, (void)count;
    if (!glia_tpl_iterate(v, self, &l)) return false;
    for (int64_t i = l.count - 1; i >= 0; i--) {
        if (!glia_tpl_spend(v, 1)) return false;
        if (self->kind == TPL_STRING ? !glia_tpl_put_string(v, &b, l.v[i].s)
                                     : !glia_tpl_list_push(v, &turned, l.v[i]))
            return false;
    }
    return self->kind == TPL_STRING ? glia_tpl_take(v, &b, out) : glia_tpl_generator_make(v, &turned, out);
}

static bool extreme(tpl_vm *v, const tv *self, const tv *arg, int want, tv *out)
{
    tpl_list l;
    tv best = {0}, key;
    if (!glia_tpl_iterate(v, self, &l)) return false;
    *out = tpl_undefined("No aggregated item, sequence was empty.");
    for (int64_t i = 0; i < l.count; i++) {
        int order = want;
        if (!sort_key(v, &l.v[i], &arg[1], glia_tpl_truth(&arg[0]), &key)) return false;
        if (i && !glia_tpl_compare(v, &key, &best, "<", &order)) return false;
        if (order != want) continue;
        best = key;
        *out = l.v[i];
    }
    return true;
}

FILTER(minimum) { return (void)count, extreme(v, self, arg, -1, out); }
FILTER(maximum) { return (void)count, extreme(v, self, arg, 1, out); }

FILTER(batch)
{
    tpl_list l, rows = {0};
    int64_t n;
    (void)count;
    if (!glia_tpl_as_int(&arg[0], &n) || n < 1)
        return glia_tpl_type_error(v, "a batch has at least one element");
    if (!glia_tpl_iterate(v, self, &l)) return false;
    for (int64_t i = 0; i < l.count; i += n) {
        tpl_list row = {0};
        tv x;
        for (int64_t k = i; k < i + n && (k < l.count || given(&arg[1])); k++)
            if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, &row, k < l.count ? l.v[k] : arg[1]))
                return false;
        if (!glia_tpl_list_make(v, row.v, row.count, TPL_LIST, &x) || !glia_tpl_list_push(v, &rows, x))
            return false;
        if (n > l.count) break;
    }
    return glia_tpl_generator_make(v, &rows, out);
}

/* ---- map, select and their kin --------------------------------------------------------------------- */

/* What is false, none too, has no elements for them. */
static bool walk(tpl_vm *v, const tv *x, tpl_list *out)
{
    *out = (tpl_list){0};
    return !glia_tpl_truth(x) || glia_tpl_iterate(v, x, out);
}

FILTER(map_attribute) /* attribute default */
{
    tpl_list l, made = {0};
    (void)count;
    if (!walk(v, self, &l)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tv x;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_path(v, &l.v[i], &arg[0], &x)) return false;
        if (x.kind == TPL_UNDEFINED && arg[1].kind != TPL_MISSING) x = arg[1];
        if (!glia_tpl_list_push(v, &made, x)) return false;
    }
    return glia_tpl_generator_make(v, &made, out);
}

/* map('name', args ..). Its own arguments are positional; map(attribute=..) has a function of its own. */
FILTER(map_filter)
{
    tpl_list l, made = {0};
    if (!count || arg[0].kind != TPL_STRING) return glia_tpl_type_error(v, "map needs the name of a filter");
    const tpl_function *f = glia_tpl_find(glia_tpl_filters, arg[0].s->text, arg[0].s->size);
    if (!f || f->run == map_filter)
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "there is no filter `%.*s` for map",
                             (int)glia_min(arg[0].s->size, 60), arg[0].s->text);
    tpl_args args = {arg + 1, count - 1, 0, NULL};
    if (!walk(v, self, &l)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tv x;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_invoke(v, f, "filter", &l.v[i], &args, &x) ||
            !glia_tpl_list_push(v, &made, x))
            return false;
    }
    return glia_tpl_generator_make(v, &made, out);
}

/* attribute: the first argument names it; then the name of a test and its arguments. */
static bool choose(tpl_vm *v, const tv *self, const tv *arg, int count, bool attribute, bool keep, tv *out)
{
    tpl_list l, kept = {0};
    if (attribute && !count) return glia_tpl_type_error(v, "the name of an attribute is missing");
    int at = attribute;
    if (count > at && arg[at].kind != TPL_STRING)
        return glia_tpl_type_error(v, "the name of a test must be a str");
    if (!walk(v, self, &l)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tv x = l.v[i];
        if (!glia_tpl_spend(v, 1) || (attribute && !glia_tpl_path(v, &l.v[i], &arg[0], &x))) return false;
        bool yes = glia_tpl_truth(&x);
        if (count > at &&
            !glia_tpl_test_run(v, arg[at].s->text, arg[at].s->size, &x, arg + at + 1, count - at - 1, &yes))
            return false;
        if (yes == keep && !glia_tpl_list_push(v, &kept, l.v[i])) return false;
    }
    return glia_tpl_generator_make(v, &kept, out);
}

FILTER(select) { return choose(v, self, arg, count, false, true, out); }
FILTER(reject) { return choose(v, self, arg, count, false, false, out); }
FILTER(selectattr) { return choose(v, self, arg, count, true, true, out); }
FILTER(rejectattr) { return choose(v, self, arg, count, true, false, out); }

FILTER(attribute)
{
    char name[64];
    (void)count;
    if (arg[0].kind != TPL_STRING || arg[0].s->size > 63)
        return glia_tpl_type_error(v, "the name of an attribute must be a str");
    memcpy(name, arg[0].s->text, (size_t)arg[0].s->size);
    name[arg[0].s->size] = 0;
    if (self->kind == TPL_DICT)
        return *out = tpl_undefined("attr of a dict"), true; /* attributes only, not keys */
    return glia_tpl_attribute(v, self, name, out);
}

/* Found by glia_tpl_find, so sorted for readers only. The second "map" is taken when `attribute` is named. */
const tpl_function glia_tpl_filters[] = {{"abs", "", 0, absolute},
                                         {"attr", "name", 1, attribute},
                                         {"batch", "linecount fill_with", 1, batch},
                                         {"capitalize", "", 0, capitalize},
                                         {"count", "", 0, length},
                                         {"d", "default_value boolean", 0, fallback},
                                         {"default", "default_value boolean", 0, fallback},
                                         {"dictsort", "case_sensitive by reverse", 0, dictsort},
                                         {"e", "", 0, escape},
                                         {"escape", "", 0, escape},
                                         {"first", "", 0, first},
                                         {"float", "default", 0, to_float},
                                         {"format", "*", 0, format},
                                         {"indent", "width first blank", 0, indent},
                                         {"int", "default base", 0, to_int},
                                         {"items", "", 0, items},
                                         {"join", "d attribute", 0, join},
                                         {"last", "", 0, last},
                                         {"length", "", 0, length},
                                         {"list", "", 0, list},
                                         {"lower", "", 0, lower},
                                         {"map", "*", 0, map_filter},
                                         {"max", "case_sensitive attribute", 0, maximum},
                                         {"min", "case_sensitive attribute", 0, minimum},
                                         {"reject", "*", 0, reject},
                                         {"rejectattr", "*", 0, rejectattr},
                                         {"replace", "old new count", 2, replace},
                                         {"reverse", "", 0, reversed},
                                         {"round", "precision method", 0, rounded},
                                         {"safe", "", 0, safe},
                                         {"select", "*", 0, select},
                                         {"selectattr", "*", 0, selectattr},
                                         {"sort", "reverse case_sensitive attribute", 0, sorted},
                                         {"string", "", 0, string},
                                         {"sum", "attribute start", 0, sum},
                                         {"title", "", 0, title},
                                         {"tojson", "ensure_ascii indent separators sort_keys", 0, tojson},
                                         {"trim", "chars", 0, trim},
                                         {"unique", "case_sensitive attribute", 0, unique},
                                         {"upper", "", 0, upper},
                                         {"wordcount", "", 0, wordcount},
                                         {0}};
const tpl_function glia_tpl_map_attribute = {"map", "attribute default", 1, map_attribute};
