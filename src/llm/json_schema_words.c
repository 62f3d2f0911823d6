/* The keywords of schemas. Those that restrict and are not built are refused by name, and so is every name
 * that is not known: it may be one of the others, misspelt. */
#include "llm/json_schema.h"

#include "base/check.h"

#include <string.h>

enum { IGNORED = -1, REFUSED = -2, RESOLVED = -3 };

static const struct {
    const char *name;
    int word;
} words[] = {
    {"type", WORD_TYPE},
    {"enum", WORD_ENUM},
    {"const", WORD_CONST},
    {"anyOf", WORD_ANY_OF},
    {"oneOf", WORD_ONE_OF},
    {"properties", WORD_PROPERTIES},
    {"required", WORD_REQUIRED},
    {"additionalProperties", WORD_ADDITIONAL},
    {"minProperties", WORD_MIN_PROPERTIES},
    {"maxProperties", WORD_MAX_PROPERTIES},
    {"items", WORD_ITEMS},
    {"prefixItems", WORD_PREFIX_ITEMS},
    {"minItems", WORD_MIN_ITEMS},
    {"maxItems", WORD_MAX_ITEMS},
    {"pattern", WORD_PATTERN},
    {"format", WORD_FORMAT},
    {"minLength", WORD_MIN_LENGTH},
    {"maxLength", WORD_MAX_LENGTH},
    {"minimum", WORD_MINIMUM},
    {"maximum", WORD_MAXIMUM},
    {"exclusiveMinimum", WORD_EXCLUSIVE_MINIMUM},
    {"exclusiveMaximum", WORD_EXCLUSIVE_MAXIMUM},
    {"$ref", RESOLVED},
    {"allOf", RESOLVED},
    {"$defs", IGNORED},
    {"definitions", IGNORED},
    {"$schema", IGNORED},
    {"$id", IGNORED},
    {"id", IGNORED},
    {"$comment", IGNORED},
    {"title", IGNORED},
    {"description", IGNORED},
    {"default", IGNORED},
    {"examples", IGNORED},
    {"example", IGNORED},
    {"deprecated", IGNORED},
    {"readOnly", IGNORED},
    {"writeOnly", IGNORED},
    {"contentMediaType", IGNORED},
    {"contentEncoding", IGNORED},
    {"discriminator", IGNORED},
    {"strict", IGNORED},
};

static int word_of(const glia_json *j)
{
    for (int i = 0; i < GLIA_COUNT(words); i++)
        if (!strcmp(words[i].name, j->key)) return words[i].word;
    if (!strncmp(j->key, "x-", 2)) return IGNORED;
    /* What restricts nothing may stand here all the same. */
    if (!strcmp(j->key, "uniqueItems") && j->kind == GLIA_JSON_BOOL && !j->boolean) return IGNORED;
    return REFUSED;
}

static bool ill_formed(schema_work *k, const char *word, const char *what)
{
    return glia_schema_fail(k, GLIA_E_FORMAT, "G0660", "JSON schema: `%.60s` must be %s", word, what);
}

/* ---- references */

/* One step of a JSON pointer; ~1 is a slash, ~0 a tilde. */
static const glia_json *step_into(schema_work *k, const glia_json *at, const char *name, int64_t size)
{
    char *key = glia_arena_strndup(k->arena, name, size), *to = key;
    int64_t index = 0;
    if (!key) return NULL;
    for (const char *from = key; *from; from++) {
        const bool tilde = from[0] == '~' && (from[1] == '0' || from[1] == '1');
        *to++ = !tilde ? *from : from[1] == '1' ? '/' : '~';
        from += tilde;
    }
    *to = 0;
    if (at->kind != GLIA_JSON_ARRAY) return glia_json_get(at, key);
    for (const char *c = key; *c; c++) {
        if (*c < '0' || *c > '9' || index > at->count) return NULL;
        index = index * 10 + (*c - '0');
    }
    const glia_json *child = at->child;
    while (child && index-- > 0) child = child->next;
    return child;
}

static const glia_json *follow(schema_work *k, const glia_json *ref)
{
    const glia_json *at = k->root;
    if (ref->kind != GLIA_JSON_STRING || ref->text[0] != '#' || (ref->text[1] && ref->text[1] != '/'))
        at = NULL;
    for (const char *c = at ? ref->text + 1 : ""; at && *c;) {
        const char *end = strchr(c + 1, '/');
        const int64_t size = end ? end - c - 1 : (int64_t)strlen(c + 1);
        at = step_into(k, at, c + 1, size);
        c += 1 + size;
    }
    if (!at)
        glia_schema_fail(k, GLIA_E_FORMAT, "G0663", "JSON schema: $ref `%.100s` leads nowhere",
                         ref->kind == GLIA_JSON_STRING ? ref->text : "");
    return at;
}

/* ---- joining */

static bool read_types(schema_work *k, const glia_json *j, uint32_t *out)
{
    static const char *const names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
    const glia_json *one = j->kind == GLIA_JSON_ARRAY ? j->child : j;
    uint32_t types = 0;
    for (; one; one = j->kind == GLIA_JSON_ARRAY ? one->next : NULL) {
        int i = 0;
        while (i < 7 && (one->kind != GLIA_JSON_STRING || strcmp(one->text, names[i]) != 0)) i++;
        if (i == 7) return ill_formed(k, "type", "the name of a JSON type, or an array of them");
        types |= 1u << i;
    }
    if (types & TYPE_NUMBER) types |= TYPE_INTEGER;
    *out = types;
    return true;
}

static schema_property *property_named(schema_work *k, schema_view *v, const char *name, int64_t size)
{
    enum { PROPERTIES_MAX = 2048 };
    for (int64_t i = 0; i < v->property_count; i++)
        if (v->properties[i].size == size && !memcmp(v->properties[i].name, name, (size_t)size))
            return &v->properties[i];
    if (v->property_count == PROPERTIES_MAX) {
        glia_schema_fail(k, GLIA_E_LIMIT, "G0654", "JSON schema: more than %d properties of one object",
                         PROPERTIES_MAX);
        return NULL;
    }
    if (!v->properties) v->properties = GLIA_NEW_ARRAY(k->arena, schema_property, PROPERTIES_MAX);
    if (!v->properties) {
        glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
        return NULL;
    }
    schema_property *p = &v->properties[v->property_count++];
    *p = (schema_property){name, size, NULL, false};
    return p;
}

static bool join_properties(schema_work *k, schema_view *v, const glia_json *j)
{
    if (j->kind != GLIA_JSON_OBJECT) return ill_formed(k, "properties", "an object of schemas");
    for (const glia_json *c = j->child; c; c = c->next) {
        schema_property *p = property_named(k, v, c->key, c->key_size);
        if (!p) return false;
        p->schema = p->schema ? glia_schema_both(k, p->schema, c) : c;
        if (!p->schema) return false;
    }
    return true;
}

static bool join_required(schema_work *k, schema_view *v, const glia_json *j)
{
    if (j->kind != GLIA_JSON_ARRAY) return ill_formed(k, "required", "an array of names");
    for (const glia_json *c = j->child; c; c = c->next) {
        if (c->kind != GLIA_JSON_STRING) return ill_formed(k, "required", "an array of names");
        schema_property *p = property_named(k, v, c->text, c->text_size);
        if (!p) return false;
        p->required = true;
    }
    return true;
}

/* Of two bounds the stricter one; two of another kind are more than is built. */
static bool join_word(schema_work *k, schema_view *v, int word, const glia_json *j)
{
    static const uint32_t lower = 1u << WORD_MIN_PROPERTIES | 1u << WORD_MIN_ITEMS | 1u << WORD_MIN_LENGTH |
                                  1u << WORD_MINIMUM | 1u << WORD_EXCLUSIVE_MINIMUM;
    static const uint32_t upper = 1u << WORD_MAX_PROPERTIES | 1u << WORD_MAX_ITEMS | 1u << WORD_MAX_LENGTH |
                                  1u << WORD_MAXIMUM | 1u << WORD_EXCLUSIVE_MAXIMUM;
    const glia_json *old = v->words[word];
    double a, b;
    if (!old || word == WORD_PROPERTIES || word == WORD_REQUIRED || word == WORD_TYPE ||
        word == WORD_ADDITIONAL) {
        v->words[word] = j;
        return true;
    }
    if (((lower | upper) >> word & 1) && glia_json_f64(old, &a) && glia_json_f64(j, &b)) {
        if ((lower >> word & 1) ? b > a : b < a) v->words[word] = j;
        return true;
    }
    return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661",
                            "JSON schema: `%.60s` in several parts of one schema (allOf, $ref) is not built",
                            j->key);
}

static bool join_part(schema_work *k, schema_view *v, const glia_json *part)
{
    for (const glia_json *j = part->child; j; j = j->next) {
        const int word = word_of(j);
        uint32_t types = TYPE_ALL;
        if (word == IGNORED || word == RESOLVED) continue;
        if (word == REFUSED)
            return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661",
                                    "JSON schema: keyword `%.60s` is not built", j->key);
        if (word == WORD_TYPE) {
            if (!read_types(k, j, &types)) return false;
            v->types &= types;
        }
        if (word == WORD_PROPERTIES && !join_properties(k, v, j)) return false;
        if (word == WORD_REQUIRED && !join_required(k, v, j)) return false;
        if (!join_word(k, v, word, j)) return false;
    }
    return true;
}

/* additionalProperties of a part says something of the properties that other parts name. */
static bool join_additional(schema_work *k, schema_view *v)
{
    const glia_json *all = NULL;
    for (int32_t i = 0; i < v->part_count; i++) {
        const glia_json *more = glia_json_get(v->parts[i], "additionalProperties");
        const glia_json *own = glia_json_get(v->parts[i], "properties");
        if (!more || (more->kind == GLIA_JSON_BOOL && more->boolean)) {
            if (more && !all) all = more;
            continue;
        }
        for (int64_t p = 0; p < v->property_count; p++) {
            schema_property *q = &v->properties[p];
            if (glia_json_get(own, q->name)) continue;
            q->schema = q->schema ? glia_schema_both(k, q->schema, more) : more;
            if (!q->schema) return false;
        }
        all = all && all->kind == GLIA_JSON_OBJECT ? glia_schema_both(k, all, more) : more;
        if (!all) return false;
    }
    v->words[WORD_ADDITIONAL] = all;
    return true;
}

/* Without a type, the type that the keywords are about. */
static void infer_types(schema_view *v)
{
    static const uint32_t about[WORDS] = {
        [WORD_PROPERTIES] = TYPE_OBJECT,
        [WORD_REQUIRED] = TYPE_OBJECT,
        [WORD_ADDITIONAL] = TYPE_OBJECT,
        [WORD_MIN_PROPERTIES] = TYPE_OBJECT,
        [WORD_MAX_PROPERTIES] = TYPE_OBJECT,
        [WORD_ITEMS] = TYPE_ARRAY,
        [WORD_PREFIX_ITEMS] = TYPE_ARRAY,
        [WORD_MIN_ITEMS] = TYPE_ARRAY,
        [WORD_MAX_ITEMS] = TYPE_ARRAY,
        [WORD_PATTERN] = TYPE_STRING,
        [WORD_FORMAT] = TYPE_STRING,
        [WORD_MIN_LENGTH] = TYPE_STRING,
        [WORD_MAX_LENGTH] = TYPE_STRING,
        [WORD_MINIMUM] = TYPE_NUMBER | TYPE_INTEGER,
        [WORD_MAXIMUM] = TYPE_NUMBER | TYPE_INTEGER,
        [WORD_EXCLUSIVE_MINIMUM] = TYPE_NUMBER | TYPE_INTEGER,
        [WORD_EXCLUSIVE_MAXIMUM] = TYPE_NUMBER | TYPE_INTEGER,
    };
    uint32_t types = 0;
    for (int i = 0; i < WORDS; i++)
        if (v->words[i]) types |= about[i];
    if (!v->words[WORD_TYPE] && types) v->types = types;
}

bool glia_schema_view(schema_work *k, const glia_json *schema, schema_view *v)
{
    const glia_json *open[SCHEMA_PARTS_MAX] = {schema};
    int32_t count = 1, seen = 0;
    *v = (schema_view){.types = TYPE_ALL};
    while (count > 0) {
        const glia_json *s = open[--count];
        if (s->kind == GLIA_JSON_BOOL) {
            v->never |= !s->boolean;
            continue;
        }
        if (s->kind != GLIA_JSON_OBJECT) return ill_formed(k, "a schema", "an object, true or false");
        if (++seen == SCHEMA_PARTS_MAX)
            return glia_schema_fail(
                k, GLIA_E_FORMAT, "G0663",
                "JSON schema: references lead back to themselves, or through more than %d schemas",
                SCHEMA_PARTS_MAX);
        v->parts[v->part_count++] = s;
        const glia_json *ref = glia_json_get(s, "$ref"), *all = glia_json_get(s, "allOf");
        if (all && all->kind != GLIA_JSON_ARRAY) return ill_formed(k, "allOf", "an array of schemas");
        if (count + (all ? all->count : 0) + 1 > SCHEMA_PARTS_MAX)
            return glia_schema_fail(k, GLIA_E_LIMIT, "G0654", "JSON schema: more than %d schemas in allOf",
                                    SCHEMA_PARTS_MAX);
        for (const glia_json *c = all ? all->child : NULL; c; c = c->next) open[count++] = c;
        if (ref && !(open[count++] = follow(k, ref))) return false;
    }
    for (int32_t i = 0; i < v->part_count; i++)
        if (!join_part(k, v, v->parts[i])) return false;
    if (v->words[WORD_ADDITIONAL] && !join_additional(k, v)) return false;
    infer_types(v);
    return true;
}

bool glia_schema_count(schema_work *k, const schema_view *v, int word, int64_t when_absent, int64_t *out)
{
    *out = when_absent;
    if (!v->words[word]) return true;
    double d;
    if (!glia_json_i64(v->words[word], out)) { /* 3.0 is also a whole number */
        if (!glia_json_f64(v->words[word], &d) ||
            d != (double)(int32_t)glia_max(-1, (int64_t)(d < 1e9 ? d : 1e9)))
            return ill_formed(k, v->words[word]->key, "a whole number");
        *out = (int64_t)d;
    }
    return *out >= 0 || ill_formed(k, v->words[word]->key, "at least 0");
}
