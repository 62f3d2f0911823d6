/* Schemas to rules: the list of work, alternatives, and values that are given whole. */
#include "llm/json_schema.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool glia_schema_fail(schema_work *k, glia_status s, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!k->status) k->status = glia_fail(k->e, s, code, "%s", text);
    return false;
}

static bool no_memory(schema_work *k)
{
    return glia_schema_fail(k, GLIA_E_NOMEM, "G0801", "no memory for a JSON schema");
}

int64_t glia_schema_rule(schema_work *k, const glia_json *schema)
{
    uint64_t slot = ((uint64_t)(uintptr_t)schema >> 3) * 0x9E3779B97F4A7C15u >> 32;
    for (slot %= SCHEMA_SLOTS; k->slots[slot]; slot = (slot + 1) % SCHEMA_SLOTS)
        if (k->list[k->slots[slot] - 1] == schema) return k->slots[slot] - 1;
    if (k->count == SCHEMA_RULES_MAX) {
        glia_schema_fail(k, GLIA_E_LIMIT, "G0654", "JSON schema: more than %d schemas", SCHEMA_RULES_MAX);
        return -1;
    }
    k->list[k->count++] = schema;
    k->slots[slot] = (int32_t)k->count;
    return k->count - 1;
}

static glia_json *node(schema_work *k, glia_json_kind kind, const char *key)
{
    glia_json *j = GLIA_NEW(k->arena, glia_json);
    if (!j) {
        no_memory(k);
        return NULL;
    }
    j->kind = kind;
    j->key = key;
    j->key_size = key ? (int64_t)strlen(key) : 0;
    return j;
}

/* {"allOf": [...]} of copies that share what is below them. */
static const glia_json *all_of(schema_work *k, const glia_json *const *parts, int32_t count)
{
    glia_json *object = node(k, GLIA_JSON_OBJECT, NULL), *array = node(k, GLIA_JSON_ARRAY, "allOf");
    if (!object || !array) return NULL;
    object->child = array;
    object->count = 1;
    glia_json **end = &array->child;
    for (int32_t i = 0; i < count; i++) {
        glia_json *copy = node(k, GLIA_JSON_NULL, NULL);
        if (!copy) return NULL;
        *copy = *parts[i];
        copy->next = NULL;
        *end = copy;
        end = &copy->next;
    }
    array->count = count;
    return object;
}

const glia_json *glia_schema_both(schema_work *k, const glia_json *a, const glia_json *b)
{
    const glia_json *const parts[] = {a, b};
    return all_of(k, parts, 2);
}

/* ---- values that are given whole */

bool glia_schema_write_value(glia_writer *w, const glia_json *root)
{
    enum { DEPTH_MAX = 64 };
    const glia_json *open[DEPTH_MAX];
    int depth = 0;
    for (const glia_json *j = root; j;) {
        if (depth && j->key) {
            glia_write_text(w, "\"");
            glia_schema_json_bytes(w, j->key, j->key_size);
            glia_write_text(w, "\":");
        }
        if (j->kind == GLIA_JSON_STRING) {
            glia_write_text(w, "\"");
            glia_schema_json_bytes(w, j->text, j->text_size);
            glia_write_text(w, "\"");
        } else if (j->kind == GLIA_JSON_NUMBER) glia_write_bytes(w, j->text, j->text_size);
        else if (j->kind == GLIA_JSON_BOOL) glia_write_text(w, j->boolean ? "true" : "false");
        else if (j->kind == GLIA_JSON_NULL) glia_write_text(w, "null");
        else {
            glia_write_text(w, j->kind == GLIA_JSON_ARRAY ? "[" : "{");
            if (j->child) {
                if (depth == DEPTH_MAX) return false;
                open[depth++] = j;
                j = j->child;
                continue;
            }
            glia_write_text(w, j->kind == GLIA_JSON_ARRAY ? "]" : "}");
        }
        while (depth && !j->next) {
            j = open[--depth];
            glia_write_text(w, j->kind == GLIA_JSON_ARRAY ? "]" : "}");
        }
        if (depth) glia_write_text(w, ",");
        j = depth ? j->next : NULL;
    }
    return true;
}

uint32_t glia_schema_type_of(const glia_json *j)
{
    static const uint32_t types[] = {
        [GLIA_JSON_NULL] = TYPE_NULL,     [GLIA_JSON_BOOL] = TYPE_BOOLEAN, [GLIA_JSON_NUMBER] = TYPE_NUMBER,
        [GLIA_JSON_STRING] = TYPE_STRING, [GLIA_JSON_ARRAY] = TYPE_ARRAY,  [GLIA_JSON_OBJECT] = TYPE_OBJECT};
    int64_t whole;
    return types[j->kind] | (j->kind == GLIA_JSON_NUMBER && glia_json_i64(j, &whole) ? TYPE_INTEGER : 0u);
}

static bool refuse_beside(schema_work *k, const schema_view *v, int word, int other)
{
    for (int i = 0; i < WORDS; i++)
        if (v->words[i] && i != WORD_TYPE && i != word && i != other)
            return glia_schema_fail(k, GLIA_E_UNSUPPORTED, "G0661",
                                    "JSON schema: `%.60s` beside `%.60s` is not built", v->words[i]->key,
                                    v->words[word]->key);
    return true;
}

static bool put_values(schema_work *k, const schema_view *v, int64_t rule)
{
    const int word = v->words[WORD_CONST] ? WORD_CONST : WORD_ENUM;
    const glia_json *j = v->words[word], *one = word == WORD_ENUM ? j->child : j;
    int64_t count = 0;
    if (!refuse_beside(k, v, word, word)) return false;
    if (word == WORD_ENUM && j->kind != GLIA_JSON_ARRAY)
        return glia_schema_fail(k, GLIA_E_FORMAT, "G0660", "JSON schema: `enum` must be an array");
    glia_write_text(k->w, "s%lld ::= ", (long long)rule);
    for (; one; one = word == WORD_ENUM ? one->next : NULL) {
        glia_writer text = {.arena = k->arena};
        glia_json value = *one;
        value.key = NULL;
        if (!(glia_schema_type_of(one) & v->types)) continue;
        if (!glia_schema_write_value(&text, &value) || text.failed) return no_memory(k);
        glia_write_text(k->w, "%s", count++ ? " | " : "");
        glia_schema_literal(k->w, (const char *)text.data, text.size);
    }
    glia_write_text(k->w, "\n");
    return count ||
           glia_schema_fail(k, GLIA_E_FORMAT, "G0662",
                            "JSON schema: no value of `%.60s` has the type that is asked for", j->key);
}

/* ---- alternatives */

/* The parts of a view without the alternatives; null on error. */
static const glia_json *without_alternatives(schema_work *k, const schema_view *v)
{
    const glia_json *parts[SCHEMA_PARTS_MAX];
    for (int32_t i = 0; i < v->part_count; i++) {
        glia_json *copy = node(k, GLIA_JSON_OBJECT, NULL);
        if (!copy) return NULL;
        glia_json **end = &copy->child;
        for (const glia_json *c = v->parts[i]->child; c; c = c->next) {
            static const char *const dropped[] = {"anyOf", "oneOf", "allOf", "$ref"};
            bool drop = false;
            for (int d = 0; d < 4; d++) drop |= !strcmp(c->key, dropped[d]);
            if (drop) continue;
            glia_json *child = node(k, GLIA_JSON_NULL, NULL);
            if (!child) return NULL;
            *child = *c;
            child->next = NULL;
            *end = child;
            end = &child->next;
            copy->count++;
        }
        parts[i] = copy;
    }
    return all_of(k, parts, v->part_count);
}

static bool put_alternatives(schema_work *k, const schema_view *v, int64_t rule)
{
    const int word = v->words[WORD_ANY_OF] ? WORD_ANY_OF : WORD_ONE_OF;
    const glia_json *list = v->words[word], *base = NULL, *taken[SCHEMA_PARTS_MAX];
    int64_t count = 0;
    if (v->words[WORD_ANY_OF] && v->words[WORD_ONE_OF]) return refuse_beside(k, v, WORD_ANY_OF, WORD_ANY_OF);
    if (list->kind != GLIA_JSON_ARRAY || !list->child)
        return glia_schema_fail(k, GLIA_E_FORMAT, "G0660", "JSON schema: `%s` must be an array of schemas",
                                list->key);
    for (int i = 0; i < WORDS; i++)
        if (v->words[i] && i != word && !base && !(base = without_alternatives(k, v))) return false;
    glia_write_text(k->w, "s%lld ::= ", (long long)rule);
    for (const glia_json *c = list->child; c; c = c->next) {
        schema_view alternative;
        const glia_json *schema = base ? glia_schema_both(k, base, c) : c;
        if (!schema || !glia_schema_view(k, schema, &alternative)) return false;
        if (alternative.never || !alternative.types) continue; /* the others remain */
        const int64_t to = glia_schema_rule(k, schema);
        if (to < 0) return false;
        glia_write_text(k->w, "%ss%lld", count ? " | " : "", (long long)to);
        if (word == WORD_ONE_OF && count == SCHEMA_PARTS_MAX)
            return glia_schema_fail(k, GLIA_E_LIMIT, "G0654",
                                    "JSON schema: more than %d alternatives in oneOf", SCHEMA_PARTS_MAX);
        if (word == WORD_ONE_OF) taken[count] = schema;
        count++;
    }
    glia_write_text(k->w, "\n");
    if (word == WORD_ONE_OF && count && !glia_schema_one_of(k, taken, count)) return false;
    return count || glia_schema_fail(k, GLIA_E_FORMAT, "G0662",
                                     "JSON schema: no alternative of `%s` can be fulfilled", list->key);
}

/* ---- one schema */

static bool put_type(schema_work *k, const schema_view *v, int64_t rule, uint32_t type)
{
    if (type == TYPE_OBJECT) return glia_schema_object(k, v, rule);
    if (type == TYPE_ARRAY) return glia_schema_array(k, v, rule);
    if (type == TYPE_STRING) return glia_schema_string(k, v, rule);
    if (type == TYPE_NUMBER || type == TYPE_INTEGER)
        return glia_schema_number(k, v, rule, type == TYPE_INTEGER);
    glia_write_text(k->w, "s%lld-%u ::= %s\n", (long long)rule, type,
                    type == TYPE_NULL ? "\"null\"" : "boolean");
    return true;
}

static bool put_schema(schema_work *k, int64_t rule)
{
    schema_view v;
    bool any = true;
    if (!glia_schema_view(k, k->list[rule], &v)) return false;
    if (v.never || !v.types)
        return glia_schema_fail(k, GLIA_E_FORMAT, "G0662", "JSON schema: nothing fits a schema%s",
                                v.never ? " that is false" : " whose parts ask for different types");
    if (v.words[WORD_CONST] || v.words[WORD_ENUM]) return put_values(k, &v, rule);
    if (v.words[WORD_ANY_OF] || v.words[WORD_ONE_OF]) return put_alternatives(k, &v, rule);
    for (int i = 0; i < WORDS; i++) any &= !v.words[i];
    if (any) {
        glia_write_text(k->w, "s%lld ::= value\n", (long long)rule);
        return true;
    }
    if (v.types & TYPE_NUMBER) v.types &= ~(uint32_t)TYPE_INTEGER; /* a number is one anyway */
    for (uint32_t type = 1; type < TYPE_ALL; type <<= 1)
        if ((v.types & type) && !put_type(k, &v, rule, type)) return false;
    glia_write_text(k->w, "s%lld ::= ", (long long)rule);
    for (uint32_t type = 1, first = 1; type < TYPE_ALL; type <<= 1) {
        if (!(v.types & type)) continue;
        glia_write_text(k->w, "%ss%lld-%u", first ? "" : " | ", (long long)rule, type);
        first = 0;
    }
    glia_write_text(k->w, "\n");
    return true;
}

/* Blanks are bounded, so that a text cannot go on for ever without saying anything; \u never gives half of a
 * character. Control characters are written with their short escapes or not at all. */
static const char shared_rules[] = "root ::= s0\n"
                                   "value ::= object | array | string | number | boolean | \"null\"\n"
                                   "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\n"
                                   "pair ::= string \":\" ws value ws\n"
                                   "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n"
                                   "string ::= \"\\\"\" char* \"\\\"\"\n"
                                   "char ::= [^\"\\\\\\x00-\\x1F\\x7F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" "
                                   "([0-9a-cA-CefEF] hex | [dD] [0-7]) hex hex)\n"
                                   "hex ::= [0-9a-fA-F]\n"
                                   "number ::= integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?\n"
                                   "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,15})\n"
                                   "fraction ::= \".\" [0-9]{0,5} [1-9]\n"
                                   "boolean ::= \"true\" | \"false\"\n"
                                   "ws ::= \" \"? | \"\\n\" [ \\t]{0,20}\n";

static bool convert(schema_work *k, const char *text, int64_t size)
{
    const glia_status st = glia_json_parse(k->arena, text, size, 64, GLIA_JSON_UNIQUE_KEYS, &k->root, k->e);
    if (st) {
        k->status = st;
        return false;
    }
    k->list = GLIA_NEW_ARRAY(k->arena, const glia_json *, SCHEMA_RULES_MAX);
    k->slots = GLIA_NEW_ARRAY(k->arena, int32_t, SCHEMA_SLOTS);
    if (!k->list || !k->slots) return no_memory(k);
    glia_write_bytes(k->w, shared_rules, (int64_t)sizeof shared_rules - 1);
    if (glia_schema_rule(k, k->root) < 0) return false;
    for (; k->done < k->count; k->done++) {
        if (!put_schema(k, k->done)) return false;
        if (k->w->failed) return no_memory(k);
        if (k->w->size > GRAMMAR_TEXT_MAX)
            return glia_schema_fail(k, GLIA_E_LIMIT, "G0654", "JSON schema: its grammar is too long");
    }
    return true;
}

glia_status glia_grammar_create_json_schema(const glia_vocab_tree *v, const char *text, int64_t size,
                                            glia_grammar **out, glia_error *e)
{
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!v || !out || size < 0 || (size && !text))
        return glia_fail(e, GLIA_E_ARG, "G0666", "a null or negative argument to a grammar");
    glia_arena a;
    glia_arena_init(&a, v->os, 0);
    glia_writer w = {.arena = &a};
    schema_work k = {.arena = &a, .w = &w, .e = e};
    glia_status st = GLIA_OK;
    if (!convert(&k, text, size)) st = k.status;
    else st = glia_grammar_create(v, (const char *)w.data, w.size, out, e);
    glia_arena_free(&a);
    return st;
}
