/* Globals: range, dict, namespace, cycler, joiner, raise_exception, strftime_now. */
#include "text/tpl.h"

#include <stdio.h>

#define GLOBAL(name) static bool name(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)

enum { RANGE_MAX = 100000 }; /* as the sandbox has it */

GLOBAL(range)
{
    int64_t n[3] = {0, 0, 1};
    (void)self;
    if (count < 1 || count > 3) return glia_tpl_type_error(v, "range takes one to three numbers");
    for (int i = 0; i < count; i++)
        if (!glia_tpl_as_int(&arg[i], &n[count == 1 ? 1 : i]))
            return glia_tpl_type_error(v, "range takes whole numbers, not %s", glia_tpl_kind_name(&arg[i]));
    if (!n[2]) return glia_tpl_type_error(v, "the step of a range is 0");
    tpl_view *r = TPL_NEW(v, tpl_view, 1);
    if (!r) return false;
    *r = (tpl_view){.start = n[0], .stop = n[1], .step = n[2]};
    for (int64_t i = n[0]; n[2] > 0 ? i < n[1] : i > n[1];) {
        if (r->list.count == RANGE_MAX)
            return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "a range of more than %d numbers", RANGE_MAX);
        if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, &r->list, tpl_int(i))) return false;
        if (__builtin_add_overflow(i, n[2], &i)) break;
    }
    *out = (tv){.kind = TPL_VIEW, .view = r};
    return true;
}

GLOBAL(raise_exception)
{
    tpl_buffer b = {0};
    (void)self, (void)count, (void)out;
    if (!glia_tpl_put_value(v, &b, &arg[0])) return false;
    return glia_tpl_fail(v, GLIA_E_ARG, "G0672", "%.*s", (int)glia_min(b.used, 900), b.used ? b.text : "");
}

/* Days since 1970 to a date of the Gregorian calendar. */
static void civil(int64_t days, int64_t *year, int *month, int *day, int *day_of_year)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
            doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    *day_of_year = before[*month - 1] + *day + (leap && *month > 2);
}

GLOBAL(strftime_now)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Thursday", "Friday",  "Saturday", "Sunday",
                                       "Monday",   "Tuesday", "Wednesday"};
    int64_t now = v->in->now, day = now / 86400, second = now % 86400, year;
    int month, mday, yday;
    tpl_buffer b = {0};
    (void)self, (void)count;
    if (!now)
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675",
                             "the template asks for the date, and none was given");
    if (arg[0].kind != TPL_STRING) return glia_tpl_type_error(v, "a date format must be a str");
    civil(day, &year, &month, &mday, &yday);
    int hour = (int)(second / 3600), minute = (int)(second / 60 % 60), sec = (int)(second % 60);
    const tpl_string *s = arg[0].s;
    for (int64_t i = 0; i < s->size; i++) {
        char text[64] = "";
        if (s->text[i] != '%' || i + 1 == s->size) {
            if (!glia_tpl_put_part(v, &b, s, i, i + 1)) return false;
            continue;
        }
        char c = s->text[++i];
        bool bare = c == '-' && i + 1 < s->size; /* %-d: without a leading zero */
        if (bare) c = s->text[++i];
        const char *two = bare ? "%d" : "%02d";
        const struct {
            char kind;
            int value;
        } numbers[] = {{'d', mday},
                       {'m', month},
                       {'H', hour},
                       {'M', minute},
                       {'S', sec},
                       {'I', (hour + 11) % 12 + 1},
                       {'y', (int)(year % 100)}};
        for (int k = 0; k < GLIA_COUNT(numbers); k++)
            if (numbers[k].kind == c) snprintf(text, sizeof text, two, numbers[k].value);
        if (c == 'Y') snprintf(text, sizeof text, "%lld", (long long)year);
        if (c == 'B') snprintf(text, sizeof text, "%s", months[month - 1]);
        if (c == 'b' || c == 'h') snprintf(text, sizeof text, "%.3s", months[month - 1]);
        if (c == 'A') snprintf(text, sizeof text, "%s", days[(day % 7 + 7) % 7]);
        if (c == 'a') snprintf(text, sizeof text, "%.3s", days[(day % 7 + 7) % 7]);
        if (c == 'j') snprintf(text, sizeof text, bare ? "%d" : "%03d", yday);
        if (c == 'p') snprintf(text, sizeof text, "%s", hour < 12 ? "AM" : "PM");
        if (c == 'F') snprintf(text, sizeof text, "%lld-%02d-%02d", (long long)year, month, mday);
        if (c == 'T') snprintf(text, sizeof text, "%02d:%02d:%02d", hour, minute, sec);
        if (c == '%') snprintf(text, sizeof text, "%%");
        if (!text[0])
            return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "the conversion %%%c of a date is not built",
                                 c);
        if (!tpl_put_own(v, &b, text)) return false;
    }
    return glia_tpl_take(v, &b, out);
}

GLOBAL(joiner)
{
    tpl_object *o = TPL_NEW(v, tpl_object, 1);
    (void)self, (void)count;
    if (!o) return false;
    o->separator = arg[0];
    if (arg[0].kind == TPL_MISSING && !glia_tpl_text(v, ", ", &o->separator)) return false;
    *out = (tv){.kind = TPL_OBJECT, .object = o};
    return true;
}

GLOBAL(cycler)
{
    tv items;
    tpl_object *o = TPL_NEW(v, tpl_object, 1);
    (void)self;
    if (!count) return glia_tpl_type_error(v, "cycler needs values");
    if (!o || !glia_tpl_list_make(v, arg, count, TPL_LIST, &items)) return false;
    o->items = *items.l;
    *out = (tv){.kind = TPL_OBJECT, .object = o};
    return true;
}

/* Pairs out of a dict or a list of pairs. */
static bool merge(tpl_vm *v, const tv *from, tpl_dict *into)
{
    tpl_list l;
    if (from->kind == TPL_DICT) {
        for (int64_t i = 0; i < from->m->count; i++)
            if (!glia_tpl_spend(v, 1) ||
                !glia_tpl_dict_put(v, into, from->m->pair[i].key, from->m->pair[i].value))
                return false;
        return true;
    }
    if (!glia_tpl_iterate(v, from, &l)) return false;
    for (int64_t i = 0; i < l.count; i++) {
        tpl_list pair;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_iterate(v, &l.v[i], &pair)) return false;
        if (pair.count != 2) return glia_tpl_type_error(v, "element %lld is no pair", (long long)i);
        if (!glia_tpl_dict_put(v, into, pair.v[0], pair.v[1])) return false;
    }
    return true;
}

bool glia_tpl_make_dict(tpl_vm *v, const tpl_args *args, tv *out)
{
    if (args->count > 1) return glia_tpl_type_error(v, "dict takes at most one positional argument");
    if (!glia_tpl_dict_make(v, args->named, out) || (args->count && !merge(v, &args->v[0], out->m)))
        return false;
    for (int32_t i = 0; i < args->named; i++) {
        tpl_string *s = TPL_NEW(v, tpl_string, 1);
        if (!s) return false;
        *s = (tpl_string){.text = args->names[i], .size = (int64_t)strlen(args->names[i])};
        if (!glia_tpl_dict_put(v, out->m, (tv){.kind = TPL_STRING, .s = s}, args->v[args->count + i]))
            return false;
    }
    return true;
}

bool glia_tpl_make_namespace(tpl_vm *v, const tpl_args *args, tv *out)
{
    tv dict;
    tpl_scope *ns = TPL_NEW(v, tpl_scope, 1);
    if (!ns || !glia_tpl_make_dict(v, args, &dict)) return false;
    for (int64_t i = 0; i < dict.m->count; i++) {
        const tv *key = &dict.m->pair[i].key;
        char name[128];
        if (key->kind != TPL_STRING || key->s->size > 127)
            return glia_tpl_type_error(v, "an attribute of a namespace must be a short str");
        memcpy(name, key->s->text, (size_t)key->s->size);
        name[key->s->size] = 0;
        int32_t id = glia_tpl_name_of(v, name);
        if (id < 0)
            return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675",
                                 "a namespace's attribute `%.60s` that no name of the template mentions",
                                 name);
        if (!glia_tpl_scope_set(v, ns, id, dict.m->pair[i].value)) return false;
    }
    *out = (tv){.kind = TPL_NAMESPACE, .ns = ns};
    return true;
}

/* dict and namespace take any names: glia_tpl_run_call hands them their arguments unsorted. */
static bool unsorted(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)
{
    (void)self, (void)arg, (void)count, (void)out;
    return glia_tpl_fail(v, GLIA_E_INTERNAL, "G0673", "a global was called without its arguments' names");
}

const tpl_function glia_tpl_globals[] = {{"range", "*", 1, range},
                                         {"dict", "*", 0, unsorted},
                                         {"namespace", "*", 0, unsorted},
                                         {"joiner", "sep", 0, joiner},
                                         {"cycler", "*", 0, cycler},
                                         {"raise_exception", "message", 1, raise_exception},
                                         {"strftime_now", "format", 1, strftime_now},
                                         {0}};
