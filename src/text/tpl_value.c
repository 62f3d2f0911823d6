/* Values: truth, equality, order, arithmetic, dicts, iteration, and values out of JSON. The rules are
 * Python's: True equals 1 equals 1.0, sequences compare element by element, a dict keeps its order. */
#include "text/tpl.h"

#include "base/number.h"

#include <math.h>

const char *glia_tpl_kind_name(const tv *x)
{
    static const char *const names[] = {
        [TPL_MISSING] = "missing",
        [TPL_UNDEFINED] = "undefined",
        [TPL_NONE] = "NoneType",
        [TPL_BOOL] = "bool",
        [TPL_INT] = "int",
        [TPL_FLOAT] = "float",
        [TPL_STRING] = "str",
        [TPL_LIST] = "list",
        [TPL_TUPLE] = "tuple",
        [TPL_DICT] = "dict",
        [TPL_VIEW] = "range",
        [TPL_GENERATOR] = "generator",
        [TPL_NAMESPACE] = "Namespace",
        [TPL_MACRO] = "Macro",
        [TPL_FUNCTION] = "function",
        [TPL_METHOD] = "method",
        [TPL_LOOP] = "LoopContext",
        [TPL_OBJECT] = "object",
    };
    return x->kind == TPL_VIEW && x->view->name ? x->view->name : names[x->kind];
}

int64_t glia_tpl_length(const tv *x)
{
    switch (x->kind) {
    case TPL_UNDEFINED: return 0;
    case TPL_STRING: return glia_tpl_code_points(x->s);
    case TPL_LIST:
    case TPL_TUPLE: return x->l->count;
    case TPL_DICT: return x->m->count;
    case TPL_VIEW: return x->view->list.count;
    case TPL_LOOP: return x->loop->list.count;
    default: return -1;
    }
}

bool glia_tpl_truth(const tv *x)
{
    switch (x->kind) {
    case TPL_MISSING:
    case TPL_UNDEFINED:
    case TPL_NONE: return false;
    case TPL_BOOL: return x->b;
    case TPL_INT: return x->i != 0;
    case TPL_FLOAT: return x->d != 0;
    case TPL_STRING: return x->s->size != 0;
    default: return glia_tpl_length(x) != 0;
    }
}

bool glia_tpl_as_int(const tv *x, int64_t *out)
{
    if (x->kind != TPL_INT && x->kind != TPL_BOOL) return false;
    *out = x->kind == TPL_INT ? x->i : x->b;
    return true;
}

bool glia_tpl_as_float(const tv *x, double *out)
{
    int64_t i;
    if (x->kind == TPL_FLOAT) return *out = x->d, true;
    if (!glia_tpl_as_int(x, &i)) return false;
    *out = (double)i;
    return true;
}

bool glia_tpl_is_text(const tv *x, const char *s)
{
    return x->kind == TPL_STRING && x->s->size == (int64_t)strlen(s) &&
           !memcmp(x->s->text, s, (size_t)x->s->size);
}

/* ---- equality and order ---------------------------------------------------------------------------- */

/* An int and a float, exactly: -1, 0, 1, or 2 when the float is no number. */
static int order_mixed(int64_t i, double d)
{
    if (d != d) return 2;
    if (d >= 9223372036854775808.0) return -1;
    if (d < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)d;
    if (i != whole) return i < whole ? -1 : 1;
    double rest = d - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

static int order_numbers(const tv *a, const tv *b)
{
    int64_t i, k;
    if (glia_tpl_as_int(a, &i)) return glia_tpl_as_int(b, &k) ? (i > k) - (i < k) : order_mixed(i, b->d);
    if (glia_tpl_as_int(b, &k)) {
        int o = order_mixed(k, a->d);
        return o == 2 ? 2 : -o;
    }
    return a->d != a->d || b->d != b->d ? 2 : (a->d > b->d) - (a->d < b->d);
}

static bool is_number(const tv *x)
{
    return x->kind == TPL_BOOL || x->kind == TPL_INT || x->kind == TPL_FLOAT;
}

static int order_texts(const tpl_string *a, const tpl_string *b)
{
    int64_t n = glia_min(a->size, b->size);
    int c = n ? memcmp(a->text, b->text, (size_t)n) : 0;
    return c ? (c > 0) - (c < 0) : (a->size > b->size) - (a->size < b->size);
}

static bool equal_simple(const tv *a, const tv *b)
{
    if (is_number(a) && is_number(b)) return order_numbers(a, b) == 0;
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case TPL_UNDEFINED:
    case TPL_NONE: return true;
    case TPL_STRING: return a->s->size == b->s->size && order_texts(a->s, b->s) == 0;
    default: return a->ns == b->ns; /* the same object */
    }
}

typedef struct pair_level {
    const tv *a, *b;
    int64_t at;
} pair_level;

static bool is_sequence(const tv *x) { return x->kind == TPL_LIST || x->kind == TPL_TUPLE; }

/* Two containers of one kind and length go onto the stack; else *same is false. */
static bool open_pair(tpl_vm *v, pair_level *stack, int *depth, const tv *a, const tv *b, bool *same)
{
    *same = a->kind == b->kind && glia_tpl_length(a) == glia_tpl_length(b);
    if (!*same) return true;
    if (*depth == GLIA_TEMPLATE_NESTING)
        return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "a value is nested deeper than %d",
                             GLIA_TEMPLATE_NESTING);
    stack[(*depth)++] = (pair_level){a, b, 0};
    return true;
}

bool glia_tpl_equal(tpl_vm *v, const tv *a, const tv *b, bool *out)
{
    pair_level stack[GLIA_TEMPLATE_NESTING];
    int depth = 0;
    tv other;
    for (;;) {
        if (!glia_tpl_spend(v, 1)) return false;
        if (is_sequence(a) || a->kind == TPL_DICT) {
            if (!open_pair(v, stack, &depth, a, b, out)) return false;
        } else {
            *out = equal_simple(a, b);
        }
        if (!*out) return true;
        while (depth && stack[depth - 1].at == glia_tpl_length(stack[depth - 1].a)) depth--;
        if (!depth) return true;
        pair_level *l = &stack[depth - 1];
        if (l->a->kind == TPL_DICT) {
            const tpl_pair *p = &l->a->m->pair[l->at++];
            if (!glia_tpl_dict_find(v, l->b->m, &p->key, &other, out)) return false;
            if (!*out) return true;
            tv *kept = TPL_NEW(v, tv, 1);
            if (!kept) return false;
            *kept = other;
            a = &p->value;
            b = kept;
        } else {
            a = &l->a->l->v[l->at];
            b = &l->b->l->v[l->at++];
        }
    }
}

static bool cannot_compare(tpl_vm *v, const tv *a, const tv *b, const char *how)
{
    if (a->kind == TPL_UNDEFINED || b->kind == TPL_UNDEFINED) {
        const char *hint = a->kind == TPL_UNDEFINED ? a->hint : b->hint;
        return glia_tpl_type_error(v, "`%.60s` is undefined", hint ? hint : "a value");
    }
    return glia_tpl_type_error(v, "`%s` is not supported between %s and %s", how, glia_tpl_kind_name(a),
                               glia_tpl_kind_name(b));
}

/* *out: -1, 0, 1, or 2 when neither holds (no number). Sequences: the first pair that differs decides. */
bool glia_tpl_compare(tpl_vm *v, const tv *a, const tv *b, const char *how, int *out)
{
    for (int depth = 0; depth < GLIA_TEMPLATE_NESTING; depth++) {
        if (is_number(a) && is_number(b)) return *out = order_numbers(a, b), true;
        if (a->kind != b->kind) return cannot_compare(v, a, b, how);
        if (a->kind == TPL_STRING) return *out = order_texts(a->s, b->s), true;
        if (!is_sequence(a)) return cannot_compare(v, a, b, how);
        int64_t n = glia_min(a->l->count, b->l->count), i = 0;
        for (bool same = true; i < n; i++) {
            if (!glia_tpl_equal(v, &a->l->v[i], &b->l->v[i], &same)) return false;
            if (!same) break;
        }
        if (i == n) {
            *out = (a->l->count > b->l->count) - (a->l->count < b->l->count);
            return true;
        }
        const tv *from = &a->l->v[i];
        b = &b->l->v[i];
        a = from;
    }
    return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "a value is nested deeper than %d", GLIA_TEMPLATE_NESTING);
}

/* Merge sort from small runs up: stable, no recursion. */
bool glia_tpl_sort(tpl_vm *v, tpl_pair *p, int64_t count, bool reverse)
{
    tpl_pair *from = p, *to = count > 1 ? TPL_NEW(v, tpl_pair, count) : p;
    if (!to) return false;
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t begin = 0; begin < count; begin += 2 * width) {
            int64_t i = begin, mid = glia_min(begin + width, count), k = mid,
                    end = glia_min(mid + width, count);
            for (int64_t n = begin; n < end; n++) {
                int order = -1;
                if (!glia_tpl_spend(v, 1)) return false;
                if (i < mid && k < end && !glia_tpl_compare(v, &from[i].key, &from[k].key, "<", &order))
                    return false;
                bool left = k >= end || (i < mid && (reverse ? order >= 0 : order <= 0 || order == 2));
                to[n] = left ? from[i++] : from[k++];
            }
        }
        tpl_pair *swap = from;
        from = to;
        to = swap;
    }
    if (from != p) memcpy(p, from, (size_t)count * sizeof *p);
    return true;
}

/* ---- lists ---------------------------------------------------------------------------------------- */

bool glia_tpl_list_push(tpl_vm *v, tpl_list *l, tv x)
{
    tpl_room *o = l->owner;
    bool ends = o && (l->count == 0 ? o->used == 0 : l->v + l->count == o->v + o->used);
    if (!ends || o->used == o->capacity) {
        tpl_room *grown = TPL_NEW(v, tpl_room, 1);
        if (!grown) return false;
        grown->capacity = l->count + l->count / 2 + 4;
        grown->v = TPL_NEW(v, tv, grown->capacity);
        if (!grown->v) return false;
        if (l->count) memcpy(grown->v, l->v, (size_t)l->count * sizeof *l->v);
        grown->used = l->count;
        l->owner = o = grown;
        l->v = grown->v;
    }
    o->v[o->used++] = x;
    l->count++;
    return true;
}

bool glia_tpl_list_make(tpl_vm *v, const tv *items, int64_t count, int kind, tv *out)
{
    tpl_list *l = TPL_NEW(v, tpl_list, 1);
    tv *copy = TPL_NEW(v, tv, count);
    if (!l || !copy || !glia_tpl_spend(v, count / 4)) return false;
    if (count) memcpy(copy, items, (size_t)count * sizeof *copy);
    *l = (tpl_list){copy, count, NULL};
    *out = (tv){.kind = (uint8_t)kind, .l = l};
    return true;
}

bool glia_tpl_generator_make(tpl_vm *v, const tpl_list *l, tv *out)
{
    tpl_generator *g = TPL_NEW(v, tpl_generator, 1);
    if (!g) return false;
    g->list = *l;
    *out = (tv){.kind = TPL_GENERATOR, .gen = g};
    return true;
}

static bool iterate_text(tpl_vm *v, const tv *x, tpl_list *out)
{
    const tpl_string *s = x->s;
    *out = (tpl_list){0};
    for (int64_t i = 0; i < s->size;) {
        int len;
        bool ok;
        tv part;
        glia_utf8_decode(s->text + i, s->size - i, &len, &ok);
        if (!glia_tpl_spend(v, 1) || !glia_tpl_part(v, x, i, i + len, &part) ||
            !glia_tpl_list_push(v, out, part))
            return false;
        i += len;
    }
    return true;
}

bool glia_tpl_iterate(tpl_vm *v, const tv *x, tpl_list *out)
{
    *out = (tpl_list){0};
    switch (x->kind) {
    case TPL_UNDEFINED: return true;
    case TPL_STRING: return iterate_text(v, x, out);
    case TPL_LIST:
    case TPL_TUPLE: return *out = *x->l, true;
    case TPL_VIEW: return *out = x->view->list, true;
    case TPL_GENERATOR:
        if (!x->gen->consumed) *out = x->gen->list;
        return x->gen->consumed = true;
    case TPL_DICT:
        for (int64_t i = 0; i < x->m->count; i++)
            if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, out, x->m->pair[i].key)) return false;
        return true;
    default: return glia_tpl_type_error(v, "a value of type %s cannot be walked", glia_tpl_kind_name(x));
    }
}

bool glia_tpl_contains(tpl_vm *v, const tv *in, const tv *x, bool *out)
{
    tpl_list l;
    tv unused;
    *out = false;
    if (in->kind == TPL_STRING) {
        if (x->kind != TPL_STRING)
            return glia_tpl_type_error(v, "a str can only contain a str, not %s", glia_tpl_kind_name(x));
        *out = glia_tpl_find_bytes(in->s->text, in->s->size, x->s->text, x->s->size, 0) >= 0;
        return glia_tpl_spend(v, in->s->size / 8);
    }
    if (in->kind == TPL_DICT) return glia_tpl_dict_find(v, in->m, x, &unused, out);
    if (!glia_tpl_iterate(v, in, &l)) return false;
    for (int64_t i = 0; i < l.count && !*out; i++)
        if (!glia_tpl_equal(v, &l.v[i], x, out)) return false;
    return true;
}

/* ---- dicts ---------------------------------------------------------------------------------------- */

static uint64_t text_hash(const char *s, int64_t size)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (int64_t i = 0; i < size; i++) h = (h ^ (uint8_t)s[i]) * 1099511628211u;
    return h ^ h >> 32;
}

enum { DICT_SMALL = 8 };

bool glia_tpl_dict_make(tpl_vm *v, int64_t capacity, tv *out)
{
    tpl_dict *m = TPL_NEW(v, tpl_dict, 1);
    if (!m) return false;
    m->capacity = glia_max(capacity, 4);
    m->pair = TPL_NEW(v, tpl_pair, m->capacity);
    *out = (tv){.kind = TPL_DICT, .m = m};
    return m->pair != NULL;
}

static void index_pair(tpl_dict *m, int32_t n)
{
    const tv *key = &m->pair[n].key;
    if (key->kind != TPL_STRING) return;
    int64_t at = (int64_t)(text_hash(key->s->text, key->s->size) & (uint64_t)(m->slots - 1));
    while (m->slot[at] >= 0) at = (at + 1) & (m->slots - 1);
    m->slot[at] = n;
}

static bool index_all(tpl_vm *v, tpl_dict *m)
{
    m->slots = 32;
    while (m->slots < 2 * m->capacity) m->slots *= 2;
    m->slot = TPL_NEW(v, int32_t, m->slots);
    if (!m->slot) return false;
    memset(m->slot, 0xFF, (size_t)m->slots * sizeof *m->slot);
    for (int32_t n = 0; n < m->count; n++) index_pair(m, n);
    return true;
}

/* The pair with this key, or -1; -2: the render is over. */
static int64_t dict_at(tpl_vm *v, const tpl_dict *m, const tv *key)
{
    if (key->kind == TPL_STRING && m->slot) {
        int64_t at = (int64_t)(text_hash(key->s->text, key->s->size) & (uint64_t)(m->slots - 1));
        for (; m->slot[at] >= 0; at = (at + 1) & (m->slots - 1)) {
            if (!glia_tpl_spend(v, 1)) return -2;
            if (equal_simple(&m->pair[m->slot[at]].key, key)) return m->slot[at];
        }
        return -1;
    }
    if (!glia_tpl_spend(v, m->count / 4)) return -2;
    for (int64_t i = 0; i < m->count; i++) {
        bool same = false;
        if (key->kind != TPL_TUPLE) same = equal_simple(&m->pair[i].key, key);
        else if (!glia_tpl_equal(v, &m->pair[i].key, key, &same)) return -2;
        if (same) return i;
    }
    return -1;
}

static bool hashable(tpl_vm *v, const tv *key)
{
    if (key->kind == TPL_LIST || key->kind == TPL_DICT)
        return glia_tpl_type_error(v, "a %s cannot be a key", glia_tpl_kind_name(key));
    return true;
}

bool glia_tpl_dict_put(tpl_vm *v, tpl_dict *m, tv key, tv value)
{
    if (!hashable(v, &key)) return false;
    int64_t at = dict_at(v, m, &key);
    if (at == -2) return false;
    if (at >= 0) {
        m->pair[at].value = value;
        return true;
    }
    if (m->count == INT32_MAX) return glia_tpl_nomem(v);
    if (m->count == m->capacity) {
        tpl_pair *grown = TPL_NEW(v, tpl_pair, 2 * m->capacity);
        if (!grown) return false;
        memcpy(grown, m->pair, (size_t)m->count * sizeof *grown);
        m->pair = grown;
        m->capacity *= 2;
        m->slot = NULL;
    }
    m->pair[m->count++] = (tpl_pair){key, value};
    if (m->count <= DICT_SMALL) return true;
    if (!m->slot) return index_all(v, m);
    index_pair(m, (int32_t)m->count - 1);
    return true;
}

bool glia_tpl_dict_find(tpl_vm *v, const tpl_dict *m, const tv *key, tv *out, bool *found)
{
    *found = false;
    if (!hashable(v, key)) return false;
    int64_t at = dict_at(v, m, key);
    if (at == -2) return false;
    *found = at >= 0;
    if (at >= 0) *out = m->pair[at].value;
    return true;
}

bool glia_tpl_dict_text(tpl_vm *v, const tpl_dict *m, const char *key, int64_t size, tv *out, bool *found)
{
    tpl_string s = {.text = key, .size = size};
    tv k = {.kind = TPL_STRING, .s = &s};
    return glia_tpl_dict_find(v, m, &k, out, found);
}

/* ---- arithmetic ----------------------------------------------------------------------------------- */

static bool overflow(tpl_vm *v)
{
    return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "a whole number beyond 64 bits");
}

static bool zero(tpl_vm *v) { return glia_tpl_type_error(v, "division by zero"); }

static bool int_power(tpl_vm *v, int64_t a, int64_t b, tv *out)
{
    int64_t r = 1;
    if (b < 0) return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "a power with a negative exponent");
    for (; b; b >>= 1) {
        if (b & 1 && __builtin_mul_overflow(r, a, &r)) return overflow(v);
        if (b > 1 && __builtin_mul_overflow(a, a, &a)) return overflow(v);
    }
    *out = tpl_int(r);
    return true;
}

static bool int_binary(tpl_vm *v, char how, int64_t a, int64_t b, tv *out)
{
    int64_t r = 0;
    if (how == '+' && __builtin_add_overflow(a, b, &r)) return overflow(v);
    if (how == '-' && __builtin_sub_overflow(a, b, &r)) return overflow(v);
    if (how == '*' && __builtin_mul_overflow(a, b, &r)) return overflow(v);
    if (how == '^') return int_power(v, a, b, out);
    if (how == '/' || how == 'f' || how == '%') {
        if (!b) return zero(v);
        if (how == '/') return *out = tpl_float((double)a / (double)b), true;
        if (b == -1) {
            if (how == 'f' && __builtin_sub_overflow(0, a, &r)) return overflow(v);
        } else {
            int64_t rest = a % b;
            bool down = rest && (rest < 0) != (b < 0);
            r = how == 'f' ? a / b - down : rest + (down ? b : 0);
        }
    }
    *out = tpl_int(r);
    return true;
}

static bool float_binary(tpl_vm *v, char how, double a, double b, tv *out)
{
    double r = how == '+' ? a + b : how == '-' ? a - b : a * b;
    if (how == '^') return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "a power of floats");
    if (how == '/' || how == 'f' || how == '%') {
        if (b == 0) return zero(v);
        r = a / b;
        if (how != '/') { /* Python's rule: the rest has the divisor's sign */
            double rest = fmod(a, b);
            if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
            r = how == '%' ? rest : floor((a - rest) / b + 0.5);
        }
    }
    *out = tpl_float(r);
    return true;
}

static bool repeat(tpl_vm *v, const tv *x, int64_t times, tv *out)
{
    tpl_buffer b = {0};
    tpl_list l = {0};
    for (int64_t i = 0; i < times; i++) {
        if (!glia_tpl_spend(v, 1)) return false;
        if (x->kind == TPL_STRING) {
            if (!x->s->size) break;
            if (!glia_tpl_put_string(v, &b, x->s)) return false;
            continue;
        }
        if (!x->l->count) break;
        for (int64_t k = 0; k < x->l->count; k++)
            if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, &l, x->l->v[k])) return false;
    }
    return x->kind == TPL_STRING ? glia_tpl_take(v, &b, out)
                                 : glia_tpl_list_make(v, l.v, l.count, x->kind, out);
}

static bool join_lists(tpl_vm *v, const tv *a, const tv *b, tv *out)
{
    tpl_list *l = TPL_NEW(v, tpl_list, 1);
    if (!l) return false;
    *l = *a->l;
    for (int64_t i = 0; i < b->l->count; i++)
        if (!glia_tpl_spend(v, 1) || !glia_tpl_list_push(v, l, b->l->v[i])) return false;
    *out = (tv){.kind = a->kind, .l = l};
    return true;
}

static bool add_texts(tpl_vm *v, const tv *a, const tv *b, tv *out)
{
    tv left = *a, right = *b;
    if (a->safe != b->safe && !glia_tpl_escape(v, a->safe ? b : a, a->safe ? &right : &left)) return false;
    return glia_tpl_concat(v, &left, &right, out);
}

bool glia_tpl_binary(tpl_vm *v, char how, const tv *a, const tv *b, tv *out)
{
    int64_t i, k;
    double x, y;
    if (how == '~') {
        tv left, right;
        if (!glia_tpl_str(v, a, &left) || !glia_tpl_str(v, b, &right)) return false;
        left.safe = right.safe = false;
        return glia_tpl_concat(v, &left, &right, out);
    }
    if (a->kind == TPL_UNDEFINED || b->kind == TPL_UNDEFINED) {
        const char *hint = a->kind == TPL_UNDEFINED ? a->hint : b->hint;
        return glia_tpl_type_error(v, "`%.60s` is undefined", hint ? hint : "a value");
    }
    if (glia_tpl_as_int(a, &i) && glia_tpl_as_int(b, &k)) return int_binary(v, how, i, k, out);
    if (glia_tpl_as_float(a, &x) && glia_tpl_as_float(b, &y)) return float_binary(v, how, x, y, out);
    bool text = a->kind == TPL_STRING || a->kind == TPL_LIST || a->kind == TPL_TUPLE;
    if (how == '+' && a->kind == b->kind && text)
        return a->kind == TPL_STRING ? add_texts(v, a, b, out) : join_lists(v, a, b, out);
    if (how == '*' && text && glia_tpl_as_int(b, &k)) return repeat(v, a, k, out);
    if (how == '*' && glia_tpl_as_int(a, &i) && (b->kind == TPL_STRING || is_sequence(b)))
        return repeat(v, b, i, out);
    if (how == '%' && a->kind == TPL_STRING) {
        bool many = b->kind == TPL_TUPLE;
        return glia_tpl_format(v, a, many ? b->l->v : b, many ? (int)glia_min(b->l->count, 1000) : 1, out);
    }
    return glia_tpl_type_error(v, "`%s` is not supported between %s and %s",
                               how == 'f'   ? "//"
                               : how == '^' ? "**"
                                            : (char[]){how, 0},
                               glia_tpl_kind_name(a), glia_tpl_kind_name(b));
}

/* ---- values out of JSON --------------------------------------------------------------------------- */

static bool json_text(tpl_vm *v, const char *text, int64_t size, bool data, tv *out)
{
    tpl_string *s = TPL_NEW(v, tpl_string, 1);
    if (!s) return false;
    *s = (tpl_string){.text = text, .size = size, .data = data};
    *out = (tv){.kind = TPL_STRING, .s = s};
    return true;
}

static bool json_simple(tpl_vm *v, const glia_json *j, bool data, tv *out)
{
    int64_t i;
    double d;
    if (j->kind == GLIA_JSON_NULL) return *out = tpl_none(), true;
    if (j->kind == GLIA_JSON_BOOL) return *out = tpl_bool(j->boolean), true;
    if (j->kind == GLIA_JSON_STRING) return json_text(v, j->text, j->text_size, data, out);
    if (glia_json_i64(j, &i)) return *out = tpl_int(i), true;
    bool real = memchr(j->text, '.', (size_t)j->text_size) || memchr(j->text, 'e', (size_t)j->text_size) ||
                memchr(j->text, 'E', (size_t)j->text_size);
    if (!real || !glia_number_parse(j->text, j->text_size, &d)) return overflow(v);
    *out = tpl_float(d);
    return true;
}

static bool json_open(tpl_vm *v, const glia_json *j, bool data, tv *out)
{
    if (j->kind == GLIA_JSON_OBJECT) return glia_tpl_dict_make(v, j->count, out);
    if (j->kind != GLIA_JSON_ARRAY) return json_simple(v, j, data, out);
    tpl_list *l = TPL_NEW(v, tpl_list, 1);
    *out = (tv){.kind = TPL_LIST, .l = l};
    return l != NULL;
}

/* A role that is a plain word counts as the template's own: some templates spell control tokens with it. */
static bool is_plain_role(const glia_json *j)
{
    if (!j->key || strcmp(j->key, "role") || j->kind != GLIA_JSON_STRING || j->text_size > 32) return false;
    for (int64_t i = 0; i < j->text_size; i++) {
        char c = j->text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-')) return false;
    }
    return true;
}

bool glia_tpl_from_json(tpl_vm *v, const glia_json *j, bool data, tv *out)
{
    struct {
        const glia_json *next;
        tv into;
    } stack[GLIA_TEMPLATE_NESTING];
    int depth = 0;
    tv x;
    if (!json_open(v, j, data, out)) return false;
    if (out->kind == TPL_LIST || out->kind == TPL_DICT) {
        stack[depth].next = j->child;
        stack[depth++].into = *out;
    }
    while (depth) {
        const glia_json *at = stack[depth - 1].next;
        tv *into = &stack[depth - 1].into, key;
        if (!at) {
            depth--;
            continue;
        }
        stack[depth - 1].next = at->next;
        if (!glia_tpl_spend(v, 1) || !json_open(v, at, data && !is_plain_role(at), &x)) return false;
        bool nested = x.kind == TPL_LIST || x.kind == TPL_DICT;
        if (into->kind == TPL_LIST
                ? !glia_tpl_list_push(v, into->l, x)
                : !json_text(v, at->key, at->key_size, data, &key) || !glia_tpl_dict_put(v, into->m, key, x))
            return false;
        if (!nested || !at->child) continue;
        if (depth == GLIA_TEMPLATE_NESTING)
            return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "a value is nested deeper than %d",
                                 GLIA_TEMPLATE_NESTING);
        stack[depth].next = at->child;
        stack[depth++].into = x;
    }
    return true;
}
