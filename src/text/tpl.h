/* What the files of the template interpreter share. Nobody else includes this.
 *
 *     glia_tpl_lex.c      text to tokens, with the whitespace rules
 *     tpl_parse.c    tags: statements to instructions
 *     tpl_expr.c     expressions to instructions, by operator precedence over an explicit stack
 *     tpl_vm.c       the machine: instructions, scopes, loops, calls
 *     tpl_value.c    values: truth, equality, order, dicts, iteration
 *     glia_tpl_text.c     strings that carry marks, and values as text: str, repr, JSON
 *     tpl_attr.c     attributes and items
 *     tpl_str.c      methods of strings
 *     tpl_filter.c   filters
 *     tpl_test.c     tests
 *     tpl_global.c   globals
 *     tpl_case.c     upper and lower case
 *
 * An instruction is a function with two operands; there is no table of codes. Values are immutable, but for
 * namespaces and the state of loops; all memory of a render lies in one arena. */
#ifndef GLIA_TEXT_TPL_H
#define GLIA_TEXT_TPL_H

#include "base/check.h"
#include "base/utf8.h"
#include "text/template.h"

#include <string.h>

typedef enum {
    TPL_MISSING, /* a parameter that was not given */
    TPL_UNDEFINED,
    TPL_NONE,
    TPL_BOOL,
    TPL_INT,
    TPL_FLOAT,
    TPL_STRING,
    TPL_LIST,
    TPL_TUPLE,
    TPL_DICT,
    TPL_VIEW,      /* keys, values, items of a dict, range */
    TPL_GENERATOR, /* what map, select .. give: can be walked once */
    TPL_NAMESPACE,
    TPL_MACRO,
    TPL_FUNCTION,
    TPL_METHOD,
    TPL_LOOP,
    TPL_OBJECT /* cycler, joiner */
} tpl_kind;

typedef struct tpl_vm tpl_vm;
typedef struct tpl_inst tpl_inst;

typedef struct tpl_buffer { /* a growing text; strings may end inside it */
    char *text;
    uint8_t *mark; /* [used], or null while all bytes have the mark `data` */
    int64_t used, capacity;
    bool data;
} tpl_buffer;

typedef struct tpl_string {
    const char *text; /* not terminated */
    int64_t size;
    const uint8_t *mark; /* [size], or null: all are `data` */
    bool data;
    tpl_buffer *owner; /* may grow in place where the string is its end; null: fixed */
} tpl_string;

typedef struct tv {
    uint8_t kind;
    bool safe; /* a string that is not to be escaped again (Markup) */
    union {
        bool b;
        int64_t i;
        double d;
        const tpl_string *s;
        struct tpl_list *l;
        struct tpl_dict *m;
        struct tpl_view *view;
        struct tpl_generator *gen;
        struct tpl_scope *ns;
        struct tpl_macro *macro;
        const struct tpl_function *fn;
        struct tpl_method *method;
        struct tpl_loop *loop;
        struct tpl_object *object;
        const char *hint; /* of an undefined value: the name, or null */
    };
} tv;

typedef struct tpl_room { /* elements that lists may share a beginning of */
    tv *v;
    int64_t used, capacity;
} tpl_room;

typedef struct tpl_list {
    const tv *v;
    int64_t count;
    tpl_room *owner;
} tpl_list;

typedef struct tpl_pair {
    tv key, value;
} tpl_pair;

typedef struct tpl_dict {
    tpl_pair *pair; /* in order of insertion */
    int64_t count, capacity;
    int32_t *slot; /* open hash table over text keys, -1: empty; null for small ones */
    int64_t slots;
} tpl_dict;

typedef struct tpl_view {
    const char *name; /* "dict_items", .. ; null: a range */
    tpl_list list;
    int64_t start, stop, step;
} tpl_view;

typedef struct tpl_generator {
    tpl_list list;
    bool consumed;
} tpl_generator;

typedef struct tpl_var {
    int32_t name;
    tv value;
} tpl_var;

typedef struct tpl_scope { /* also a namespace */
    struct tpl_scope *up;
    tpl_var *var;
    int64_t count, capacity;
} tpl_scope;

typedef struct tpl_param {
    int32_t name;
    bool has_default;
} tpl_param;

typedef struct tpl_proto { /* a macro's text */
    const char *name;
    int32_t name_id;
    int32_t begin; /* first instruction */
    const tpl_param *param;
    int32_t param_count;
} tpl_proto;

typedef struct tpl_macro {
    const tpl_proto *proto;
    tpl_scope *scope;
} tpl_macro;

typedef struct tpl_loop {
    tpl_list list;
    int64_t index; /* of the item at hand */
    tpl_scope *outer;
    tpl_list *kept; /* of a filtered loop: what passed */
    tv changed;     /* what loop.changed saw last */
    bool ran, has_changed;
} tpl_loop;

/* Arguments of a call: positional ones, then those with names. */
typedef struct tpl_args {
    const tv *v;
    int32_t count;            /* positional */
    int32_t named;            /* values behind them */
    const char *const *names; /* [named] */
} tpl_args;

typedef struct tpl_call { /* in the instructions */
    int32_t count, named;
    const char **names;
} tpl_call;

/* A filter, test, method or global. `params` names the parameters behind the value itself, separated by
 * blanks; those from `required` on may be left out and are TPL_MISSING then; "*" at the end: any number. */
typedef struct tpl_function {
    const char *name;
    const char *params;
    int required;
    bool (*run)(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out);
} tpl_function;

enum { TPL_PARAMS_MAX = 8 };

typedef struct tpl_method {
    const tpl_function *fn;
    tv self;
} tpl_method;

typedef struct tpl_object { /* cycler (count > 0) and joiner */
    tpl_list items;
    int64_t at;
    tv separator;
} tpl_object;

struct tpl_inst {
    bool (*run)(tpl_vm *v, const tpl_inst *i);
    const void *p;
    int32_t a, b;
    int32_t line, column;
};

struct glia_template {
    const glia_os *os;
    glia_arena arena;
    tpl_inst *code;
    int64_t code_count;
    const char **name; /* interned */
    int64_t name_count;
    const char **literal; /* constants and plain text, for glia_template_says */
    int64_t literal_count;
    int32_t loop_name, caller_name;
};

typedef struct tpl_frame { /* of a macro at work */
    int64_t pc;
    tpl_scope *scope;
    int64_t loops, captures;
    const tpl_inst *at;
} tpl_frame;

struct tpl_vm {
    const glia_template *t;
    const glia_template_input *in;
    glia_arena arena;
    glia_error *e;
    glia_status status;
    int64_t work, work_max, output_max;
    const tpl_inst *at;
    int64_t pc;
    tv *stack;
    int64_t top, stack_room;
    tpl_scope *scope;
    tpl_loop **loop;
    int64_t loops, loops_room;
    tpl_buffer **capture;
    int64_t captures, captures_room;
    tpl_frame frame[GLIA_TEMPLATE_NESTING];
    int64_t frames;
};

/* ---- tpl_vm.c: failing and spending; all return false when the render is over */
bool glia_tpl_fail(tpl_vm *v, glia_status s, const char *code, const char *format, ...) GLIA_PRINTF(4, 5);
bool glia_tpl_type_error(tpl_vm *v, const char *format, ...) GLIA_PRINTF(2, 3);
bool glia_tpl_nomem(tpl_vm *v);
bool glia_tpl_spend(tpl_vm *v, int64_t units);
void *glia_tpl_alloc(tpl_vm *v, int64_t count, int64_t size);
#define TPL_NEW(v, type, n) ((type *)glia_tpl_alloc(v, n, sizeof(type)))
bool glia_tpl_push(tpl_vm *v, tv x);
/* Sorts arguments into slots by the function's parameters, and calls it. */
bool glia_tpl_invoke(tpl_vm *v, const tpl_function *f, const char *what, const tv *self, const tpl_args *args,
                     tv *out);
const tpl_function *glia_tpl_find(const tpl_function *table, const char *name, int64_t size);
int32_t glia_tpl_name_of(const tpl_vm *v, const char *name); /* -1: not in the template */
tpl_var *glia_tpl_scope_find(tpl_scope *s, int32_t name);
bool glia_tpl_scope_set(tpl_vm *v, tpl_scope *s, int32_t name, tv x);

/* ---- tpl_value.c */
static inline tv tpl_none(void) { return (tv){.kind = TPL_NONE}; }
static inline tv tpl_undefined(const char *hint) { return (tv){.kind = TPL_UNDEFINED, .hint = hint}; }
static inline tv tpl_bool(bool b) { return (tv){.kind = TPL_BOOL, .b = b}; }
static inline tv tpl_int(int64_t i) { return (tv){.kind = TPL_INT, .i = i}; }
static inline tv tpl_float(double d) { return (tv){.kind = TPL_FLOAT, .d = d}; }
const char *glia_tpl_kind_name(const tv *x); /* Python's name of the type */
bool glia_tpl_truth(const tv *x);
/* Whole numbers: int and bool. */
bool glia_tpl_as_int(const tv *x, int64_t *out);
bool glia_tpl_as_float(const tv *x, double *out); /* int, bool, float */
bool glia_tpl_is_text(const tv *x, const char *s);
bool glia_tpl_equal(tpl_vm *v, const tv *a, const tv *b, bool *out);
bool glia_tpl_compare(tpl_vm *v, const tv *a, const tv *b, const char *how, int *out);
/* Elements of anything that can be walked; a type error otherwise. */
bool glia_tpl_iterate(tpl_vm *v, const tv *x, tpl_list *out);
int64_t glia_tpl_length(const tv *x); /* -1: has none */
bool glia_tpl_contains(tpl_vm *v, const tv *in, const tv *x, bool *out);
bool glia_tpl_list_make(tpl_vm *v, const tv *items, int64_t count, int kind, tv *out);
bool glia_tpl_list_push(tpl_vm *v, tpl_list *l, tv x);
bool glia_tpl_generator_make(tpl_vm *v, const tpl_list *l, tv *out);
bool glia_tpl_dict_make(tpl_vm *v, int64_t capacity, tv *out);
bool glia_tpl_dict_put(tpl_vm *v, tpl_dict *m, tv key, tv value);
bool glia_tpl_dict_find(tpl_vm *v, const tpl_dict *m, const tv *key, tv *out, bool *found);
bool glia_tpl_dict_text(tpl_vm *v, const tpl_dict *m, const char *key, int64_t size, tv *out, bool *found);
bool glia_tpl_from_json(tpl_vm *v, const glia_json *j, bool data, tv *out);
bool glia_tpl_binary(tpl_vm *v, char how, const tv *a, const tv *b, tv *out);
bool glia_tpl_sort(tpl_vm *v, tpl_pair *p, int64_t count, bool reverse); /* by key, stable */

/* ---- glia_tpl_text.c */
bool glia_tpl_put(tpl_vm *v, tpl_buffer *b, const char *text, int64_t size, const uint8_t *mark, bool data);
static inline bool tpl_put_own(tpl_vm *v, tpl_buffer *b, const char *text)
{
    return glia_tpl_put(v, b, text, (int64_t)strlen(text), NULL, false);
}
bool glia_tpl_put_string(tpl_vm *v, tpl_buffer *b, const tpl_string *s);
/* Bytes [begin, end) of s. */
bool glia_tpl_put_part(tpl_vm *v, tpl_buffer *b, const tpl_string *s, int64_t begin, int64_t end);
bool glia_tpl_take(tpl_vm *v, tpl_buffer *b, tv *out); /* the buffer's text as a string */
bool glia_tpl_text(tpl_vm *v, const char *text, tv *out);
bool glia_tpl_part(tpl_vm *v, const tv *of, int64_t begin, int64_t end, tv *out);
bool glia_tpl_concat(tpl_vm *v, const tv *a, const tv *b, tv *out);
bool glia_tpl_escape(tpl_vm *v, const tv *x, tv *out);
/* str(x), appended. */
bool glia_tpl_put_value(tpl_vm *v, tpl_buffer *b, const tv *x);
bool glia_tpl_str(tpl_vm *v, const tv *x, tv *out);
typedef struct tpl_json_style {
    bool ascii, sorted;
    const tpl_string *indent;     /* null: one line */
    const tpl_string *item, *key; /* separators; null: by indent */
} tpl_json_style;
bool glia_tpl_put_json(tpl_vm *v, tpl_buffer *b, const tv *x, const tpl_json_style *style);
void glia_tpl_float_text(double d, char out[64]); /* as Python prints it */
int64_t glia_tpl_code_points(const tpl_string *s);
/* Byte offset of code point number n (clamped). */
int64_t glia_tpl_offset(const tpl_string *s, int64_t n);
bool glia_tpl_is_space(uint32_t cp); /* as str.isspace */
int64_t glia_tpl_find_bytes(const char *in, int64_t in_size, const char *what, int64_t size, int64_t from);

/* ---- tpl_case.c */
uint32_t glia_tpl_upper(uint32_t cp);
uint32_t glia_tpl_lower(uint32_t cp);
bool glia_tpl_is_letter(uint32_t cp);

/* ---- tpl_attr.c, tpl_str.c */
bool glia_tpl_attribute(tpl_vm *v, const tv *of, const char *name, tv *out);
bool glia_tpl_item(tpl_vm *v, const tv *of, const tv *key, tv *out);
bool glia_tpl_slice(tpl_vm *v, const tv *of, const tv bound[3], tv *out);
/* "a.b.0" as map(attribute=..) and its kin read it. */
bool glia_tpl_path(tpl_vm *v, const tv *of, const tv *path, tv *out);
extern const tpl_function glia_tpl_str_methods[], glia_tpl_dict_methods[], glia_tpl_list_methods[],
    glia_tpl_filters[], glia_tpl_tests[], glia_tpl_globals[], glia_tpl_loop_methods[],
    glia_tpl_cycler_methods[], glia_tpl_joiner_call[];
extern const tpl_function glia_tpl_map_attribute;
bool glia_tpl_make_dict(tpl_vm *v, const tpl_args *args, tv *out);
bool glia_tpl_make_namespace(tpl_vm *v, const tpl_args *args, tv *out);
bool glia_tpl_strip(tpl_vm *v, const tv *self, const tv *chars, int sides, tv *out); /* 1: left, 2: right */
bool glia_tpl_replace(tpl_vm *v, const tv *self, const tv *old, const tv *with, int64_t most, tv *out);
bool glia_tpl_case(tpl_vm *v, const tv *self, int how,
                   tv *out); /* 'u', 'l', 'c'apitalize, 't'itle, 's'wap, 'T' */
bool glia_tpl_lines(tpl_vm *v, const tv *self, bool keep_ends, tpl_list *out);
bool glia_tpl_format(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out); /* printf style */
bool glia_tpl_join(tpl_vm *v, const tpl_list *l, const tv *separator, const tv *attribute, bool strict,
                   tv *out);
bool glia_tpl_test_run(tpl_vm *v, const char *name, int64_t size, const tv *x, const tv *arg, int count,
                       bool *out);

/* ---- glia_tpl_lex.c */
typedef enum {
    TOK_DATA,
    TOK_VAR,
    TOK_BLOCK,
    TOK_END,
    TOK_NAME,
    TOK_STR,
    TOK_INT,
    TOK_FLT,
    TOK_SIGN,
    TOK_EOF
} tpl_token_kind;
typedef struct tpl_token {
    uint8_t kind;
    uint16_t sign;    /* of TOK_SIGN: its characters, the second one in the upper byte */
    const char *text; /* NUL-terminated */
    int64_t size;
    union {
        int64_t i;
        double d;
    };
    int32_t line, column;
} tpl_token;

typedef struct tpl_compiler {
    glia_template *t;
    glia_arena scratch;
    glia_error *e;
    glia_status status;
    tpl_token *token;
    int64_t token_count, token_room, at;
    int64_t code_room, name_room, literal_room;
    struct tpl_entry *op; /* of the expression parser */
    int64_t ops, ops_room;
    struct tpl_block *block;
    int64_t blocks, blocks_room;
    int32_t *name_slot; /* hash table of names */
    int64_t name_slots;
} tpl_compiler;

bool glia_tpl_syntax(tpl_compiler *c, const tpl_token *at, const char *format, ...) GLIA_PRINTF(3, 4);
bool glia_tpl_unknown(tpl_compiler *c, const tpl_token *at, const char *format, ...) GLIA_PRINTF(3, 4);
bool glia_tpl_compile_nomem(tpl_compiler *c);
bool glia_tpl_lex(tpl_compiler *c, const char *text, int64_t size);
static inline const tpl_token *tpl_peek(const tpl_compiler *c) { return &c->token[c->at]; }
static inline bool tpl_is_sign(const tpl_token *t, uint16_t sign)
{
    return t->kind == TOK_SIGN && t->sign == sign;
}
static inline bool tpl_is_word(const tpl_token *t, const char *word)
{
    return t->kind == TOK_NAME && !strcmp(t->text, word);
}
#define SIGN2(a, b) ((uint16_t)((a) | (b) << 8))

/* ---- tpl_parse.c, tpl_expr.c */
enum { TPL_EXPR_COND = 1, TPL_EXPR_TUPLE = 2 };
bool glia_tpl_expression(tpl_compiler *c, int flags);
/* Filters behind a block: `|name(args)|..`; `first` where the first has no pipe. */
bool glia_tpl_filter_tail(tpl_compiler *c, bool first);
int64_t glia_tpl_emit(tpl_compiler *c, bool (*run)(tpl_vm *, const tpl_inst *), const tpl_token *at,
                      int32_t a, int32_t b, const void *p); /* the instruction's index, or -1 */
int32_t glia_tpl_intern(tpl_compiler *c, const char *name); /* -1: no memory */
bool glia_tpl_literal(tpl_compiler *c, const char *text);

/* Instructions. Stack effects in comments of tpl_vm.c. */
/* clang-format off */
#define TPL_INSTRUCTIONS(X) \
    X(nop) X(text) X(constant) X(name) X(attribute) X(item) X(slice) X(list) X(tuple) X(dict) \
    X(call) X(filter) X(test) X(not) X(negate) X(plus) X(binary) X(compare) X(compare_chain) \
    X(jump) X(jump_true) X(jump_false) X(jump_false_keep) X(jump_true_keep) X(emit) X(store) \
    X(store_attribute) X(unpack) X(scope_begin) X(scope_end) X(capture_begin) X(capture_end) \
    X(for_begin) X(for_next) X(for_done) X(for_end) X(keep_begin) X(keep_next) X(keep_item) \
    X(macro) X(macro_default) X(macro_return)
/* clang-format on */
#define X(name) bool glia_tpl_run_##name(tpl_vm *v, const tpl_inst *i);
TPL_INSTRUCTIONS(X)
#undef X

#endif
