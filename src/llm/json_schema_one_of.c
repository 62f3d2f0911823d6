/* oneOf asks that exactly one alternative fits. A grammar has no such thing, so the alternatives must be
 * shown to exclude each other: by type, by values that are given whole, or as objects by a property. What
 * cannot be shown is refused; whoever knows better writes anyOf. */
#include "llm/json_schema.h"

#include "base/check.h"

#include <string.h>

static bool is_false(const glia_json *j) { return j && j->kind == GLIA_JSON_BOOL && !j->boolean; }

static const schema_property *named(const schema_view *v, const schema_property *p)
{
    for (int64_t i = 0; i < v->property_count; i++)
        if (v->properties[i].size == p->size && !memcmp(v->properties[i].name, p->name, (size_t)p->size))
            return &v->properties[i];
    return NULL;
}

static bool same(schema_work *k, const glia_json *a, const glia_json *b)
{
    glia_writer s = {.arena = k->arena}, t = {.arena = k->arena};
    const bool written =
        glia_schema_write_value(&s, a) && glia_schema_write_value(&t, b) && !s.failed && !t.failed;
    return !written || (s.size == t.size && !memcmp(s.data, t.data, (size_t)s.size)); /* in doubt: the same */
}

/* Have both a list of values, and none in common? Numbers can be written in several ways, so they count as
 * the same.
 */
static bool values_differ(schema_work *k, const schema_view *a, const schema_view *b)
{
    const glia_json *const lists[] = {a->words[WORD_CONST], a->words[WORD_ENUM], b->words[WORD_CONST],
                                      b->words[WORD_ENUM]};
    if ((!lists[0] && !lists[1]) || (!lists[2] && !lists[3])) return false;
    for (const glia_json *x = lists[0] ? lists[0] : lists[1]->child; x; x = lists[0] ? NULL : x->next)
        for (const glia_json *y = lists[2] ? lists[2] : lists[3]->child; y; y = lists[2] ? NULL : y->next) {
            if (x->kind == GLIA_JSON_NUMBER && y->kind == GLIA_JSON_NUMBER) {
                double s, t;
                if (!glia_json_f64(x, &s) || !glia_json_f64(y, &t) || s == t) return false;
            } else if (x->kind == y->kind && same(k, x, y)) return false;
        }
    return true;
}

/* Does no text that is generated for object a fit object b? */
static bool objects_differ(schema_work *k, const schema_view *a, const schema_view *b)
{
    const glia_json *more = a->words[WORD_ADDITIONAL];
    const bool others = !is_false(more) && (more || !a->property_count);
    for (int64_t i = 0; i < b->property_count; i++)
        if (b->properties[i].required && !others && !named(a, &b->properties[i])) return true;
    for (int64_t i = 0; i < a->property_count; i++) {
        const schema_property *p = &a->properties[i], *q = named(b, p);
        schema_view v, w;
        if (!p->required) continue;
        if (!q && is_false(b->words[WORD_ADDITIONAL])) return true;
        if (!q || !p->schema || !q->schema) continue;
        if (!glia_schema_view(k, p->schema, &v) || !glia_schema_view(k, q->schema, &w)) return false;
        if (!(v.types & w.types) || values_differ(k, &v, &w)) return true;
    }
    return false;
}

/* The types that values have, where they are given whole. */
static uint32_t types_of(const schema_view *v)
{
    const glia_json *list = v->words[WORD_CONST] ? v->words[WORD_CONST] : v->words[WORD_ENUM];
    uint32_t types = 0;
    if (!list) return v->types;
    if (v->words[WORD_CONST]) return glia_schema_type_of(list) & v->types;
    for (const glia_json *j = list->child; j; j = j->next) types |= glia_schema_type_of(j);
    return types & v->types;
}

static bool excludes(schema_work *k, const schema_view *a, const schema_view *b)
{
    if (!(types_of(a) & types_of(b)) || values_differ(k, a, b)) return true;
    return a->types == TYPE_OBJECT && b->types == TYPE_OBJECT && objects_differ(k, a, b);
}

bool glia_schema_one_of(schema_work *k, const glia_json *const *alternatives, int64_t count)
{
    schema_view *v = GLIA_NEW_ARRAY(k->arena, schema_view, count);
    if (!v) return glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
    for (int64_t i = 0; i < count; i++) {
        if (!glia_schema_view(k, alternatives[i], &v[i])) return false;
        for (int64_t j = 0; j < i; j++) {
            if (excludes(k, &v[i], &v[j]) && excludes(k, &v[j], &v[i])) continue;
            return glia_schema_fail(
                k, GLIA_E_UNSUPPORTED, "G0661",
                "JSON schema: `oneOf` whose alternatives %lld and %lld may both fit is not built; "
                "`anyOf` is",
                (long long)j + 1, (long long)i + 1);
        }
    }
    return true;
}
