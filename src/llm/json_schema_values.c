/* The right sides of rules for one type. Rules are named after the schema's: s7-1 is schema 7 as an object.
 *
 * The properties of an object come in the schema's order, each optional one present or not:
 *
 *     f<i>  from property i on, nothing written yet        r<i>  from property i on, after another one
 */
#include "llm/json_schema.h"

#include "base/check.h"

#include <string.h>

static bool is_false(const glia_json *j) { return j && j->kind == GLIA_JSON_BOOL && !j->boolean; }

static bool nothing_fits(schema_work *k, const char *why)
{
    return glia_schema_fail(k, GLIA_E_FORMAT, "G0662", "JSON schema: nothing fits: %s", why);
}

/* ---- objects */

/* Properties that may not come are dropped; those that are not described are of the additional kind. */
static bool settle_properties(schema_work *k, schema_view *v)
{
    const glia_json *more = v->words[WORD_ADDITIONAL];
    int64_t m = 0;
    for (int64_t i = 0; i < v->property_count; i++) {
        schema_property p = v->properties[i];
        schema_view view;
        if (!p.schema && is_false(more)) return nothing_fits(k, "a required property that may not be there");
        if (p.schema) {
            if (!glia_schema_view(k, p.schema, &view)) return false;
            if (view.never && p.required) return nothing_fits(k, "a required property whose schema is false");
            if (view.never) continue;
        }
        v->properties[m++] = p;
    }
    v->property_count = m;
    return true;
}

static bool put_pair(schema_work *k, const schema_view *v, const schema_property *p, int64_t rule, int64_t i)
{
    const glia_json *schema = p->schema ? p->schema : v->words[WORD_ADDITIONAL];
    const int64_t to = schema ? glia_schema_rule(k, schema) : 0;
    glia_writer key = {.arena = k->arena};
    if (to < 0) return false;
    glia_write_text(&key, "\"");
    glia_schema_json_bytes(&key, p->name, p->size);
    glia_write_text(&key, "\":");
    k->w->failed |= key.failed;
    if (key.failed) return glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
    glia_write_text(k->w, "s%lld-p%lld ::= ", (long long)rule, (long long)i);
    glia_schema_literal(k->w, (const char *)key.data, key.size);
    if (schema) glia_write_text(k->w, " ws s%lld ws\n", (long long)to);
    else glia_write_text(k->w, " ws value ws\n");
    return true;
}

/* A pair with a key that the schema does not name, as rule s<rule>-more. */
static bool put_more(schema_work *k, const schema_view *v, int64_t rule)
{
    const glia_json *more = v->words[WORD_ADDITIONAL];
    const int64_t to = more && more->kind == GLIA_JSON_OBJECT ? glia_schema_rule(k, more) : 0;
    const int64_t keys = glia_schema_other_keys(k, k->w, v->properties, v->property_count);
    if (to < 0 || keys < 0) return false;
    glia_write_text(k->w, "s%lld-more ::= \"\\\"\" h%lld \"\\\":\" ws ", (long long)rule, (long long)keys);
    if (more && more->kind == GLIA_JSON_OBJECT) glia_write_text(k->w, "s%lld ws\n", (long long)to);
    else glia_write_text(k->w, "value ws\n");
    return true;
}

static void put_bounds(glia_writer *w, int64_t low, int64_t high) /* high -1: none */
{
    if (high < 0) glia_write_text(w, "{%lld,}", (long long)low);
    else glia_write_text(w, "{%lld,%lld}", (long long)low, (long long)high);
}

/* What comes behind the named properties: `low` to `high` more pairs. */
static void put_rest(schema_work *k, int64_t rule, int64_t n, bool more, int64_t low, int64_t high)
{
    glia_writer *w = k->w;
    const long long r = rule, i = n;
    if (!more || high == 0) {
        glia_write_text(w, "s%lld-f%lld ::= \"\"\ns%lld-r%lld ::= \"\"\n", r, i, r, i);
        return;
    }
    glia_write_text(w, "s%lld-r%lld ::= (\",\" ws s%lld-more)", r, i, r);
    put_bounds(w, low, high);
    glia_write_text(w, "\ns%lld-f%lld ::= (s%lld-more (\",\" ws s%lld-more)", r, i, r, r);
    put_bounds(w, glia_max(low - 1, 0), high < 0 ? -1 : high - 1);
    glia_write_text(w, ")%s\n", low > 0 ? "" : "?");
}

bool glia_schema_object(schema_work *k, const schema_view *given, int64_t rule)
{
    schema_view view = *given, *v = &view;
    const glia_json *more_schema = v->words[WORD_ADDITIONAL];
    int64_t low, high, required = 0;
    if (!settle_properties(k, v) || !glia_schema_count(k, v, WORD_MIN_PROPERTIES, 0, &low) ||
        !glia_schema_count(k, v, WORD_MAX_PROPERTIES, -1, &high))
        return false;
    /* An object that names its properties has no others unless it says so. */
    const bool more = !is_false(more_schema) && (more_schema || !v->property_count);
    const int64_t n = v->property_count;
    for (int64_t i = 0; i < n; i++) required += v->properties[i].required;
    if (high >= 0 && high < glia_max(low, required))
        return nothing_fits(k, "more properties required than allowed");
    if (n && (low > required || (high >= 0 && (more || high < n))))
        return glia_schema_fail(
            k, GLIA_E_UNSUPPORTED, "G0661",
            "JSON schema: `minProperties` or `maxProperties` beside `properties` is not built");
    if (!n && !more && low > 0) return nothing_fits(k, "properties required of an object that has none");
    if (more && !put_more(k, v, rule)) return false;
    for (int64_t i = 0; i < n; i++) {
        const schema_property *p = &v->properties[i];
        const long long r = rule, at = i, next = i + 1;
        if (!put_pair(k, v, p, rule, i)) return false;
        if (p->required)
            glia_write_text(
                k->w,
                "s%lld-f%lld ::= s%lld-p%lld s%lld-r%lld\ns%lld-r%lld ::= \",\" ws s%lld-p%lld s%lld-r%lld\n",
                r, at, r, at, r, next, r, at, r, at, r, next);
        else
            glia_write_text(k->w,
                            "s%lld-f%lld ::= s%lld-p%lld s%lld-r%lld | s%lld-f%lld\n"
                            "s%lld-r%lld ::= (\",\" ws s%lld-p%lld)? s%lld-r%lld\n",
                            r, at, r, at, r, next, r, next, r, at, r, at, r, next);
    }
    put_rest(k, rule, n, more, n ? 0 : low, n ? -1 : high);
    glia_write_text(k->w, "s%lld-%d ::= \"{\" ws s%lld-f0 \"}\"\n", (long long)rule, TYPE_OBJECT,
                    (long long)rule);
    return true;
}

/* ---- arrays: t<i> is what follows after i elements */

static bool put_item(schema_work *k, const glia_json *schema, bool comma)
{
    const int64_t to = schema && schema->kind == GLIA_JSON_OBJECT ? glia_schema_rule(k, schema) : 0;
    if (to < 0) return false;
    glia_write_text(k->w, "%s", comma ? "\",\" ws " : "");
    if (schema && schema->kind == GLIA_JSON_OBJECT) glia_write_text(k->w, "s%lld ws", (long long)to);
    else glia_write_text(k->w, "value ws");
    return true;
}

/* low..high items behind `before` others. */
static bool put_items(schema_work *k, const glia_json *items, bool before, int64_t low, int64_t high)
{
    if (high == 0) {
        glia_write_text(k->w, "\"\"\n");
        return true;
    }
    if (before) {
        glia_write_text(k->w, "(");
        if (!put_item(k, items, true)) return false;
        glia_write_text(k->w, ")");
        put_bounds(k->w, low, high);
    } else {
        glia_write_text(k->w, "(");
        if (!put_item(k, items, false)) return false;
        glia_write_text(k->w, " (");
        if (!put_item(k, items, true)) return false;
        glia_write_text(k->w, ")");
        put_bounds(k->w, glia_max(low - 1, 0), high < 0 ? -1 : high - 1);
        glia_write_text(k->w, ")%s", low > 0 ? "" : "?");
    }
    glia_write_text(k->w, "\n");
    return true;
}

bool glia_schema_array(schema_work *k, const schema_view *v, int64_t rule)
{
    const glia_json *items = v->words[WORD_ITEMS], *prefix = v->words[WORD_PREFIX_ITEMS];
    int64_t low, high, i = 0;
    if (!glia_schema_count(k, v, WORD_MIN_ITEMS, 0, &low) ||
        !glia_schema_count(k, v, WORD_MAX_ITEMS, -1, &high))
        return false;
    if (prefix && prefix->kind != GLIA_JSON_ARRAY)
        return glia_schema_fail(k, GLIA_E_FORMAT, "G0660",
                                "JSON schema: `prefixItems` must be an array of schemas");
    if (items && items->kind == GLIA_JSON_ARRAY)
        return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661",
                                "JSON schema: `items` as an array is of older drafts; write `prefixItems`");
    if (high >= 0 && high < low) return nothing_fits(k, "minItems is above maxItems");
    for (const glia_json *c = prefix ? prefix->child : NULL; c && i != high; c = c->next, i++) {
        if (is_false(c)) high = high < 0 ? i : glia_min(high, i);
        if (i == high) break;
        glia_write_text(k->w, "s%lld-t%lld ::= %s", (long long)rule, (long long)i, i < low ? "" : "(");
        if (!put_item(k, c, i > 0)) return false;
        glia_write_text(k->w, " s%lld-t%lld%s\n", (long long)rule, (long long)(i + 1), i < low ? "" : ")?");
    }
    /* Without `items` nothing follows a prefix, unless there must be more. */
    if (is_false(items) || (prefix && !items && low <= i)) high = high < 0 ? i : glia_min(high, i);
    if (high >= 0 && high < low) return nothing_fits(k, "an array must have more items than it may");
    glia_write_text(k->w, "s%lld-t%lld ::= ", (long long)rule, (long long)i);
    if (!put_items(k, items, i > 0, glia_max(low - i, 0), high < 0 ? -1 : high - i)) return false;
    glia_write_text(k->w, "s%lld-%d ::= \"[\" ws s%lld-t0 \"]\"\n", (long long)rule, TYPE_ARRAY,
                    (long long)rule);
    return true;
}

/* ---- strings */

static const struct {
    const char *name, *gbnf; /* null: any string will do */
} formats[] = {
    {"date",
     "[1-9] [0-9]{3} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8])"},
    {"time", "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? "
             "(\"Z\" | [+-] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"},
    {"date-time",
     "[1-9] [0-9]{3} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]) \"T\" "
     "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? "
     "(\"Z\" | [+-] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"},
    {"uuid", "[0-9a-f]{8} \"-\" [0-9a-f]{4} \"-\" [0-9a-f]{4} \"-\" [0-9a-f]{4} \"-\" [0-9a-f]{12}"},
    {"ipv4", "([1-9]? [0-9] | \"1\" [0-9] [0-9]) (\".\" ([1-9]? [0-9] | \"1\" [0-9] [0-9])){3}"},
    {"email",
     "[a-z0-9]+ ([._-] [a-z0-9]+)* \"@\" [a-z0-9]+ (\"-\" [a-z0-9]+)* (\".\" [a-z0-9]+)* \".\" [a-z]{2,8}"},
    {"binary", NULL},
    {"password", NULL},
    {"int32", NULL},
    {"int64", NULL},
    {"float", NULL},
    {"double", NULL},
};

/* *gbnf gets the format's text, null where it says nothing of strings. */
static bool find_format(schema_work *k, const glia_json *j, const char **gbnf)
{
    *gbnf = NULL;
    for (int i = 0; i < GLIA_COUNT(formats) && j->kind == GLIA_JSON_STRING; i++)
        if (!strcmp(j->text, formats[i].name)) {
            *gbnf = formats[i].gbnf;
            return true;
        }
    return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661", "JSON schema: format `%.60s` is not built",
                            j->kind == GLIA_JSON_STRING ? j->text : "");
}

bool glia_schema_string(schema_work *k, const schema_view *v, int64_t rule)
{
    const glia_json *pattern = v->words[WORD_PATTERN], *format = v->words[WORD_FORMAT];
    const char *gbnf = NULL;
    int64_t low, high;
    if (!glia_schema_count(k, v, WORD_MIN_LENGTH, 0, &low) ||
        !glia_schema_count(k, v, WORD_MAX_LENGTH, -1, &high))
        return false;
    if (high >= 0 && high < low) return nothing_fits(k, "minLength is above maxLength");
    if (format && !find_format(k, format, &gbnf)) return false;
    if ((gbnf != NULL) + (pattern != NULL) + (low > 0 || high >= 0) > 1)
        return glia_schema_fail(
            k, GLIA_E_UNSUPPORTED, "G0661",
            "JSON schema: only one of `pattern`, `format` and a length can be kept for one string");
    glia_write_text(k->w, "s%lld-%d ::= \"\\\"\" ", (long long)rule, TYPE_STRING);
    if (gbnf) glia_write_text(k->w, "%s", gbnf);
    else if (pattern) {
        if (pattern->kind != GLIA_JSON_STRING)
            return glia_schema_fail(k, GLIA_E_FORMAT, "G0660", "JSON schema: `pattern` must be a string");
        if (!glia_schema_pattern(k, pattern->text, pattern->text_size)) return false;
    } else {
        glia_write_text(k->w, "char");
        put_bounds(k->w, low, high);
    }
    glia_write_text(k->w, " \"\\\"\"\n");
    return true;
}

/* ---- numbers */

enum { DIGITS_MOST = 16 };
#define WHOLE_MOST 9999999999999999 /* of DIGITS_MOST digits */
#define FRACTION_MOST 999999999     /* beyond it, six digits behind the point might be rounded away */

/* Reads a bound as a whole number: rounded up (lower) or down; exclusive ones one further where they are
 * whole. */
static bool read_bound(schema_work *k, const schema_view *v, int word, bool exclusive, bool lower,
                       int64_t *out, bool *given)
{
    const glia_json *j = v->words[word];
    double d;
    if (!j) return true;
    if (!glia_json_f64(j, &d))
        return glia_schema_fail(k, GLIA_E_FORMAT, "G0660", "JSON schema: `%s` must be a number", j->key);
    if (!(d >= -1e15 && d <= 1e15))
        return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661", "JSON schema: `%s` beyond 10^15 is not built",
                                j->key);
    int64_t i = (int64_t)d; /* towards zero */
    if (lower && (double)i < d) i++;
    if (!lower && (double)i > d) i--;
    if (exclusive && (double)i == d) i += lower ? 1 : -1;
    if (!*given || (lower ? i > *out : i < *out)) *out = i;
    *given = true;
    return true;
}

static void put_whole(glia_writer *w, const char *before, int64_t low, int64_t high, const char *after)
{
    glia_write_text(w, "%s(", before);
    glia_schema_integers(w, low, high);
    glia_write_text(w, ")%s", after);
}

/* Whole numbers low..high, and, with `fractions`, what lies between two neighbours of unit_low..unit_high. */
static bool put_range(schema_work *k, int64_t low, int64_t high, int64_t unit_low, int64_t unit_high)
{
    int count = 0;
    if (low <= high && high >= 0) put_whole(k->w, count++ ? " | " : "", glia_max(low, 0), high, "");
    if (low <= high && low < 0)
        put_whole(k->w, count++ ? " | \"-\" " : "\"-\" ", glia_max(-high, 1), -low, "");
    unit_low = glia_max(unit_low, -FRACTION_MOST);
    unit_high = glia_min(unit_high, FRACTION_MOST);
    const int64_t from = glia_max(unit_low, 0), below = glia_min(unit_high, 0); /* [from, to], [-.., below] */
    if (from < unit_high) put_whole(k->w, count++ ? " | " : "", from, unit_high - 1, " fraction");
    if (unit_low < below)
        put_whole(k->w, count++ ? " | \"-\" " : "\"-\" ", -below, -unit_low - 1, " fraction");
    glia_write_text(k->w, "\n");
    return count || nothing_fits(k, "no number that can be written lies between minimum and maximum");
}

bool glia_schema_number(schema_work *k, const schema_view *v, int64_t rule, bool integer)
{
    int64_t low = -WHOLE_MOST, high = WHOLE_MOST, unit_low = low, unit_high = high;
    bool has_low = false, has_high = false, has_unit_low = false, has_unit_high = false;
    if (!read_bound(k, v, WORD_MINIMUM, false, true, &low, &has_low) ||
        !read_bound(k, v, WORD_EXCLUSIVE_MINIMUM, true, true, &low, &has_low) ||
        !read_bound(k, v, WORD_MAXIMUM, false, false, &high, &has_high) ||
        !read_bound(k, v, WORD_EXCLUSIVE_MAXIMUM, true, false, &high, &has_high) ||
        /* Between two whole numbers a fraction is away from both: no bound is exclusive there. */
        !read_bound(k, v, WORD_MINIMUM, false, true, &unit_low, &has_unit_low) ||
        !read_bound(k, v, WORD_EXCLUSIVE_MINIMUM, false, true, &unit_low, &has_unit_low) ||
        !read_bound(k, v, WORD_MAXIMUM, false, false, &unit_high, &has_unit_high) ||
        !read_bound(k, v, WORD_EXCLUSIVE_MAXIMUM, false, false, &unit_high, &has_unit_high))
        return false;
    glia_write_text(k->w, "s%lld-%d ::= ", (long long)rule, integer ? TYPE_INTEGER : TYPE_NUMBER);
    if (!has_low && !has_high) {
        glia_write_text(k->w, integer ? "integer\n" : "number\n");
        return true;
    }
    if (integer) unit_low = unit_high = 0;
    return put_range(k, low, high, unit_low, unit_high);
}
