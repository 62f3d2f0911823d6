/* Attributes, items and slices; the methods of dicts, lists, loops, cyclers.
 *
 * `a.b` looks for a method or property first and for the key "b" then, `a['b']` the other way round, as
 * Jinja does; what is not there is undefined. Methods that change a list or dict are undefined, as in the
 * immutable sandbox: calling them is an error. */
#include "text/tpl.h"

static const char *const changing[] = {"append", "clear",   "extend",     "insert", "pop",   "popitem",
                                       "remove", "reverse", "setdefault", "sort",   "update"};

static bool bound(tpl_vm *v, const tv *self, const tpl_function *f, tv *out)
{
    tpl_method *m = TPL_NEW(v, tpl_method, 1);
    if (!m) return false;
    *m = (tpl_method){f, *self};
    *out = (tv){.kind = TPL_METHOD, .method = m};
    return true;
}

static bool loop_attribute(tpl_vm *v, const tv *of, const char *name, tv *out)
{
    const tpl_loop *l = of->loop;
    int64_t n = l->list.count, i = l->index;
    const struct {
        const char *name;
        int64_t value;
        bool flag;
    } facts[] = {{"index", i + 1, false},         {"index0", i, false}, {"revindex", n - i, false},
                 {"revindex0", n - i - 1, false}, {"length", n, false}, {"first", i == 0, true},
                 {"last", i == n - 1, true},      {"depth", 1, false},  {"depth0", 0, false}};
    for (int k = 0; k < GLIA_COUNT(facts); k++)
        if (!strcmp(facts[k].name, name)) {
            *out = facts[k].flag ? tpl_bool(facts[k].value != 0) : tpl_int(facts[k].value);
            return true;
        }
    if (!strcmp(name, "previtem"))
        return *out = i > 0 ? l->list.v[i - 1] : tpl_undefined("there is no previous item"), true;
    if (!strcmp(name, "nextitem"))
        return *out = i + 1 < n ? l->list.v[i + 1] : tpl_undefined("there is no next item"), true;
    const tpl_function *f = glia_tpl_find(glia_tpl_loop_methods, name, (int64_t)strlen(name));
    return f ? bound(v, of, f, out) : (*out = tpl_undefined(name), true);
}

/* Methods and properties; *found false: there is none. */
static bool own_attribute(tpl_vm *v, const tv *of, const char *name, tv *out, bool *found)
{
    int64_t size = (int64_t)strlen(name);
    const tpl_function *table = of->kind == TPL_STRING                              ? glia_tpl_str_methods
                                : of->kind == TPL_DICT                              ? glia_tpl_dict_methods
                                : of->kind == TPL_LIST || of->kind == TPL_TUPLE     ? glia_tpl_list_methods
                                : of->kind == TPL_OBJECT && of->object->items.count ? glia_tpl_cycler_methods
                                                                                    : NULL;
    const tpl_function *f = table ? glia_tpl_find(table, name, size) : NULL;
    *found = true;
    if (f) return bound(v, of, f, out);
    if (of->kind == TPL_LIST || of->kind == TPL_DICT)
        for (int i = 0; i < GLIA_COUNT(changing); i++)
            if (!strcmp(changing[i], name)) {
                bool list_only = strstr("append extend insert remove reverse sort", name) != NULL;
                if (of->kind == TPL_DICT && list_only) break;
                return *out = tpl_undefined(name), true;
            }
    if (of->kind == TPL_LOOP) return loop_attribute(v, of, name, out);
    if (of->kind == TPL_OBJECT && of->object->items.count && !strcmp(name, "current"))
        return *out = of->object->items.v[of->object->at], true;
    if (of->kind == TPL_MACRO && !strcmp(name, "name")) return glia_tpl_text(v, of->macro->proto->name, out);
    if (of->kind == TPL_NAMESPACE) {
        if (!glia_tpl_spend(v, of->ns->count)) return false;
        for (int64_t i = 0; i < of->ns->count; i++)
            if (!strcmp(v->t->name[of->ns->var[i].name], name)) return *out = of->ns->var[i].value, true;
    }
    *found = false;
    return true;
}

static bool undefined_base(tpl_vm *v, const tv *of, const char *what)
{
    return glia_tpl_type_error(v, "`%.60s` is undefined; it has no `%.60s`", of->hint ? of->hint : "a value",
                               what);
}

/* Methods that Python has and that are not built: what a template would do with them is not guessed. */
static bool is_foreign(const char *name, int kind)
{
    static const char foreign[] =
        " casefold center encode expandtabs format_map isidentifier isprintable ljust "
        "maketrans rjust translate ";
    char padded[64];
    size_t size = strlen(name);
    if (kind != TPL_STRING || size > 60) return false;
    padded[0] = ' ';
    memcpy(padded + 1, name, size);
    memcpy(padded + 1 + size, " ", 2);
    return strstr(foreign, padded) != NULL;
}

bool glia_tpl_attribute(tpl_vm *v, const tv *of, const char *name, tv *out)
{
    bool found;
    if (of->kind == TPL_UNDEFINED) return undefined_base(v, of, name);
    if (!own_attribute(v, of, name, out, &found) || found) return !v->status;
    if (is_foreign(name, of->kind))
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "the method `%s` of str is not built", name);
    if (of->kind == TPL_DICT) {
        if (!glia_tpl_dict_text(v, of->m, name, (int64_t)strlen(name), out, &found)) return false;
        if (found) return true;
    }
    *out = tpl_undefined(name);
    return true;
}

static bool sequence_item(tpl_vm *v, const tv *of, int64_t i, tv *out)
{
    int64_t n = glia_tpl_length(of);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return *out = tpl_undefined("an element beyond the end"), true;
    if (of->kind == TPL_VIEW) return *out = of->view->list.v[i], true;
    if (of->kind != TPL_STRING) return *out = of->l->v[i], true;
    if (!glia_tpl_spend(v, of->s->size / 16)) return false;
    int64_t begin = glia_tpl_offset(of->s, i);
    tpl_string rest = {.text = of->s->text + begin, .size = of->s->size - begin};
    return glia_tpl_part(v, of, begin, begin + glia_tpl_offset(&rest, 1), out);
}

bool glia_tpl_item(tpl_vm *v, const tv *of, const tv *key, tv *out)
{
    bool found;
    int64_t i;
    if (of->kind == TPL_UNDEFINED) return undefined_base(v, of, key->kind == TPL_STRING ? "item" : "element");
    if (of->kind == TPL_DICT && key->kind != TPL_LIST && key->kind != TPL_DICT) {
        if (!glia_tpl_dict_find(v, of->m, key, out, &found)) return false;
        if (found) return true;
    }
    bool sequence = of->kind == TPL_STRING || of->kind == TPL_LIST || of->kind == TPL_TUPLE ||
                    (of->kind == TPL_VIEW && !of->view->name);
    if (sequence && glia_tpl_as_int(key, &i)) return sequence_item(v, of, i, out);
    if (key->kind == TPL_STRING && key->s->size < 64) {
        char name[64];
        memcpy(name, key->s->text, (size_t)key->s->size);
        name[key->s->size] = 0;
        if (!own_attribute(v, of, name, out, &found)) return false;
        if (found) return true;
    }
    *out = tpl_undefined("an item");
    return true;
}

/* ---- slices --------------------------------------------------------------------------------------- */

/* Bounds of a[begin:end:step] over n elements, clamped as Python does. */
static bool slice_bounds(tpl_vm *v, const tv given[3], int64_t n, int64_t bound[3])
{
    bound[2] = 1;
    for (int i = 2; i >= 0; i--) {
        bool down = bound[2] < 0;
        int64_t low = down ? -1 : 0, high = down ? n - 1 : n;
        if (i < 2) bound[i] = (i == 0) == down ? high : low;
        if (given[i].kind == TPL_NONE) continue;
        if (!glia_tpl_as_int(&given[i], &bound[i]))
            return glia_tpl_type_error(v, "a slice takes whole numbers, not %s",
                                       glia_tpl_kind_name(&given[i]));
        if (i == 2) continue;
        if (bound[i] < 0) bound[i] += n;
        bound[i] = bound[i] < low ? low : bound[i] > high ? high : bound[i];
    }
    return bound[2] ? true : glia_tpl_type_error(v, "the step of a slice is 0");
}

static bool slice_text(tpl_vm *v, const tv *of, const int64_t b[3], tv *out)
{
    tpl_list l;
    tpl_buffer text = {0};
    if (!glia_tpl_spend(v, of->s->size / 16)) return false;
    if (b[2] == 1) {
        int64_t begin = glia_tpl_offset(of->s, b[0]), end = glia_tpl_offset(of->s, glia_max(b[0], b[1]));
        return glia_tpl_part(v, of, begin, end, out);
    }
    if (!glia_tpl_iterate(v, of, &l)) return false;
    for (int64_t i = b[0]; b[2] > 0 ? i < b[1] : i > b[1];) {
        if (!glia_tpl_put_string(v, &text, l.v[i].s)) return false;
        if (__builtin_add_overflow(i, b[2], &i)) break;
    }
    return glia_tpl_take(v, &text, out);
}

bool glia_tpl_slice(tpl_vm *v, const tv *of, const tv given[3], tv *out)
{
    int64_t b[3];
    bool sequence = of->kind == TPL_STRING || of->kind == TPL_LIST || of->kind == TPL_TUPLE ||
                    (of->kind == TPL_VIEW && !of->view->name);
    if (of->kind == TPL_UNDEFINED) return undefined_base(v, of, "slice");
    if (!sequence) return *out = tpl_undefined("a slice"), true;
    if (!slice_bounds(v, given, glia_tpl_length(of), b)) return false;
    if (of->kind == TPL_STRING) return slice_text(v, of, b, out);
    const tpl_list *from = of->kind == TPL_VIEW ? &of->view->list : of->l;
    tpl_list *l = TPL_NEW(v, tpl_list, 1);
    if (!l) return false;
    for (int64_t i = b[0]; b[2] > 0 ? i < b[1] : i > b[1];) {
        if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, l, from->v[i])) return false;
        if (__builtin_add_overflow(i, b[2], &i)) break;
    }
    *out = (tv){.kind = of->kind == TPL_TUPLE ? TPL_TUPLE : TPL_LIST, .l = l};
    return true;
}

bool glia_tpl_path(tpl_vm *v, const tv *of, const tv *path, tv *out)
{
    int64_t i;
    *out = *of;
    if (glia_tpl_as_int(path, &i)) return glia_tpl_item(v, of, path, out);
    if (path->kind != TPL_STRING)
        return glia_tpl_type_error(v, "the name of an attribute is of type %s", glia_tpl_kind_name(path));
    const tpl_string *s = path->s;
    for (int64_t begin = 0, end; begin <= s->size; begin = end + 1) {
        tv key, from = *out;
        end = glia_tpl_find_bytes(s->text, s->size, ".", 1, begin);
        if (end < 0) end = s->size;
        bool number = end > begin && end - begin < 18;
        for (i = begin; i < end; i++) number = number && s->text[i] >= '0' && s->text[i] <= '9';
        if (!glia_tpl_part(v, path, begin, end, &key)) return false;
        if (number) {
            int64_t n = 0;
            for (i = begin; i < end; i++) n = 10 * n + (s->text[i] - '0');
            key = tpl_int(n);
        }
        if (!glia_tpl_item(v, &from, &key, out)) return false;
    }
    return true;
}

/* ---- methods of dicts and lists --------------------------------------------------------------------- */

static bool make_view(tpl_vm *v, const tpl_dict *m, const char *name, tv *out)
{
    tpl_view *view = TPL_NEW(v, tpl_view, 1);
    if (!view) return false;
    view->name = name;
    for (int64_t i = 0; i < m->count; i++) {
        tv x = m->pair[i].key, pair[2] = {m->pair[i].key, m->pair[i].value};
        if (!strcmp(name, "dict_values")) x = pair[1];
        if (!strcmp(name, "dict_items") && !glia_tpl_list_make(v, pair, 2, TPL_TUPLE, &x)) return false;
        if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, &view->list, x)) return false;
    }
    *out = (tv){.kind = TPL_VIEW, .view = view};
    return true;
}

#define METHOD(name) static bool name(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)

METHOD(dict_items) { return (void)arg, (void)count, make_view(v, self->m, "dict_items", out); }
METHOD(dict_keys) { return (void)arg, (void)count, make_view(v, self->m, "dict_keys", out); }
METHOD(dict_values) { return (void)arg, (void)count, make_view(v, self->m, "dict_values", out); }
METHOD(copy)
{
    (void)v;
    (void)arg;
    (void)count;
    *out = *self;
    return true;
}

METHOD(dict_get)
{
    bool found;
    (void)count;
    if (!glia_tpl_dict_find(v, self->m, &arg[0], out, &found)) return false;
    if (!found) *out = arg[1].kind == TPL_MISSING ? tpl_none() : arg[1];
    return true;
}

METHOD(list_count)
{
    int64_t n = 0;
    (void)count;
    for (int64_t i = 0; i < self->l->count; i++) {
        bool same;
        if (!glia_tpl_equal(v, &self->l->v[i], &arg[0], &same)) return false;
        n += same;
    }
    *out = tpl_int(n);
    return true;
}

METHOD(list_index)
{
    (void)count;
    for (int64_t i = 0; i < self->l->count; i++) {
        bool same;
        if (!glia_tpl_equal(v, &self->l->v[i], &arg[0], &same)) return false;
        if (same) return *out = tpl_int(i), true;
    }
    return glia_tpl_type_error(v, "the value is not in the list");
}

const tpl_function glia_tpl_dict_methods[] = {
    {"items", "", 0, dict_items},        {"keys", "", 0, dict_keys}, {"values", "", 0, dict_values},
    {"get", "key default", 1, dict_get}, {"copy", "", 0, copy},      {0}};
const tpl_function glia_tpl_list_methods[] = {
    {"count", "value", 1, list_count}, {"index", "value", 1, list_index}, {"copy", "", 0, copy}, {0}};

/* ---- loops, cyclers, joiners ----------------------------------------------------------------------- */

METHOD(loop_cycle)
{
    if (!count) return glia_tpl_type_error(v, "loop.cycle needs values");
    *out = arg[self->loop->index % count];
    return true;
}

METHOD(loop_changed)
{
    tv now;
    bool same = false;
    tpl_loop *l = self->loop;
    if (!glia_tpl_list_make(v, arg, count, TPL_TUPLE, &now)) return false;
    if (l->has_changed && !glia_tpl_equal(v, &now, &l->changed, &same)) return false;
    l->changed = now;
    l->has_changed = true;
    *out = tpl_bool(!same);
    return true;
}

METHOD(cycler_next)
{
    tpl_object *o = self->object;
    (void)v, (void)arg, (void)count;
    *out = o->items.v[o->at];
    o->at = (o->at + 1) % o->items.count;
    return true;
}

METHOD(cycler_reset)
{
    (void)v, (void)arg, (void)count;
    self->object->at = 0;
    *out = tpl_none();
    return true;
}

METHOD(joiner_call)
{
    tpl_object *o = self->object;
    (void)arg, (void)count;
    if (o->at) return *out = o->separator, true;
    o->at = 1;
    return glia_tpl_text(v, "", out);
}

const tpl_function glia_tpl_loop_methods[] = {
    {"cycle", "*", 0, loop_cycle}, {"changed", "*", 0, loop_changed}, {0}};
const tpl_function glia_tpl_cycler_methods[] = {
    {"next", "", 0, cycler_next}, {"reset", "", 0, cycler_reset}, {0}};
const tpl_function glia_tpl_joiner_call[] = {{"joiner", "", 0, joiner_call}, {0}};
