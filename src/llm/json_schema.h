/* JSON schema to GBNF.
 *
 *     json_schema.c          schemas, references, allOf, anyOf, enum; the list of work
 *     json_schema_words.c    the keywords: which are kept, how those of several schemas join
 *     json_schema_values.c   objects, arrays, strings, numbers
 *     json_schema_one_of.c   whether alternatives exclude each other
 *     json_schema_pattern.c  regular expressions, keys that are not given ones, ranges of integers
 *
 * Each subschema becomes a rule, from a list of work, so that depth and references need no recursion. Every
 * text of the grammar fits the schema; where the schema leaves more freedom than a grammar can (properties in
 * any order, properties that are not named, escapes), the grammar has a part of its texts. Refused by name:
 * keywords that restrict and are not built. */
#ifndef GLIA_LLM_JSON_SCHEMA_H
#define GLIA_LLM_JSON_SCHEMA_H

#include "base/json.h"
#include "base/reader.h"
#include "llm/grammar.h"

enum {
    WORD_TYPE,
    WORD_ENUM,
    WORD_CONST,
    WORD_ANY_OF,
    WORD_ONE_OF,
    WORD_PROPERTIES,
    WORD_REQUIRED,
    WORD_ADDITIONAL,
    WORD_MIN_PROPERTIES,
    WORD_MAX_PROPERTIES,
    WORD_ITEMS,
    WORD_PREFIX_ITEMS,
    WORD_MIN_ITEMS,
    WORD_MAX_ITEMS,
    WORD_PATTERN,
    WORD_FORMAT,
    WORD_MIN_LENGTH,
    WORD_MAX_LENGTH,
    WORD_MINIMUM,
    WORD_MAXIMUM,
    WORD_EXCLUSIVE_MINIMUM,
    WORD_EXCLUSIVE_MAXIMUM,
    WORDS
};

enum { /* types as bits */
       TYPE_OBJECT = 1,
       TYPE_ARRAY = 2,
       TYPE_STRING = 4,
       TYPE_NUMBER = 8,
       TYPE_INTEGER = 16,
       TYPE_BOOLEAN = 32,
       TYPE_NULL = 64,
       TYPE_ALL = 127
};

enum { SCHEMA_RULES_MAX = GRAMMAR_RULES_MAX / 4, SCHEMA_PARTS_MAX = 64, SCHEMA_SLOTS = 4 * SCHEMA_RULES_MAX };

typedef struct schema_property {
    const char *name;
    int64_t size;
    const glia_json *schema; /* null: required, but not described */
    bool required;
} schema_property;

/* A schema with its references and allOf resolved: keywords of all its parts. */
typedef struct schema_view {
    const glia_json *parts[SCHEMA_PARTS_MAX];
    int32_t part_count;
    const glia_json *words[WORDS]; /* null: not there. properties, required: see below */
    bool never;                    /* false is among the parts */
    uint32_t types;
    schema_property *properties;
    int64_t property_count;
} schema_view;

typedef struct schema_work {
    glia_arena *arena; /* of one conversion */
    const glia_json *root;
    glia_writer *w;
    glia_error *e;
    glia_status status;
    const glia_json **list; /* schema of rule s<i> */
    int64_t count, done;
    int32_t *slots;  /* schemas to 1 + rule */
    int64_t helpers; /* rules h<i> */
} schema_work;

/* The first error is kept; always false. */
bool glia_schema_fail(schema_work *k, glia_status s, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);
/* The rule of a schema, put on the list when it is new; -1 on error. */
int64_t glia_schema_rule(schema_work *k, const glia_json *schema);
/* A schema that stands for {"allOf": [a, b]}; null on error. */
const glia_json *glia_schema_both(schema_work *k, const glia_json *a, const glia_json *b);

/* TYPE_* of a value; a whole number is both. */
uint32_t glia_schema_type_of(const glia_json *j);
/* Compact JSON without recursion. False: nested too deep. */
bool glia_schema_write_value(glia_writer *w, const glia_json *root);

/* ---- json_schema_one_of.c: do the alternatives exclude each other? */
bool glia_schema_one_of(schema_work *k, const glia_json *const *alternatives, int64_t count);

/* ---- json_schema_words.c */
bool glia_schema_view(schema_work *k, const glia_json *schema, schema_view *v);
/* A non-negative count; when_absent where the keyword is not there. */
bool glia_schema_count(schema_work *k, const schema_view *v, int word, int64_t when_absent, int64_t *out);

/* ---- json_schema_values.c: rule s<rule>-<type>, and those that it needs */
bool glia_schema_object(schema_work *k, const schema_view *v, int64_t rule);
bool glia_schema_array(schema_work *k, const schema_view *v, int64_t rule);
bool glia_schema_string(schema_work *k, const schema_view *v, int64_t rule);
bool glia_schema_number(schema_work *k, const schema_view *v, int64_t rule, bool integer);

/* ---- json_schema_pattern.c: GBNF onto the writer */
void glia_schema_literal(glia_writer *w, const char *bytes, int64_t size); /* "bytes" */
void glia_schema_json_bytes(glia_writer *w, const char *bytes,
                            int64_t size);                                /* escaped for JSON, no quotes */
bool glia_schema_pattern(schema_work *k, const char *text, int64_t size); /* without the quotes */
/* A rule named h<n> for strings, without quotes, that are none of the names; returns n, -1 on error. */
int64_t glia_schema_other_keys(schema_work *k, glia_writer *w, const schema_property *p, int64_t count);
void glia_schema_integers(glia_writer *w, int64_t low, int64_t high); /* all of low..high as alternatives */

#endif
