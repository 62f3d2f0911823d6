/* A JSON reader (RFC 8259) into a tree in an arena, with limits, no recursion; and a writer.
 * Refused: depth over the limit, duplicate keys (on request), invalid UTF-8, lone surrogates,
 * trailing bytes, NaN/Infinity. Numbers keep their text; conversions are checked. */
#ifndef GLIA_BASE_JSON_H
#define GLIA_BASE_JSON_H

#include "arena.h"
#include "error.h"

typedef enum {
    GLIA_JSON_NULL,
    GLIA_JSON_BOOL,
    GLIA_JSON_NUMBER,
    GLIA_JSON_STRING,
    GLIA_JSON_ARRAY,
    GLIA_JSON_OBJECT
} glia_json_kind;

typedef struct glia_json {
    glia_json_kind kind;
    const char *key; /* within an object, NUL-terminated UTF-8; else null */
    int64_t key_size;
    const char *text; /* string contents (unescaped) or the number's own text, NUL-terminated */
    int64_t text_size;
    bool boolean;
    int64_t count;           /* children of an array or object */
    struct glia_json *child; /* first child */
    struct glia_json *next;  /* next sibling */
} glia_json;

enum { GLIA_JSON_UNIQUE_KEYS = 1 };

glia_status glia_json_parse(glia_arena *a, const char *text, int64_t size, int depth_max, int flags,
                            const glia_json **out, glia_error *e);
/* Member of an object, or null (also when j is null or no object). */
const glia_json *glia_json_get(const glia_json *j, const char *key);
/* Exact integers only ("1e3", "1.0" are none). */
bool glia_json_i64(const glia_json *j, int64_t *out);
bool glia_json_f64(const glia_json *j, double *out);

/* The writer appends to a glia_writer (reader.h) and looks after commas and escapes. */
struct glia_writer;
typedef struct glia_json_writer {
    struct glia_writer *w;
    uint64_t comma; /* a bit per open level: an element was written */
    int depth;
} glia_json_writer;
void glia_json_open(glia_json_writer *j, const char *key,
                    char bracket);                       /* '{' or '['; key null inside arrays */
void glia_json_close(glia_json_writer *j, char bracket); /* '}' or ']' */
void glia_json_put_string(glia_json_writer *j, const char *key, const char *s,
                          int64_t size); /* size < 0: strlen */
void glia_json_put_i64(glia_json_writer *j, const char *key, int64_t v);
void glia_json_put_f64(glia_json_writer *j, const char *key,
                       double v); /* shortest text that reads back; NaN, inf as null */
void glia_json_put_bool(glia_json_writer *j, const char *key, bool v);
void glia_json_put_null(glia_json_writer *j, const char *key);

#endif
