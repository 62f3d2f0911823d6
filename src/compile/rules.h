/* Rewrite rules: data, written as text, matched over the graph.
 *
 *     add(linear(x, w), b) => linear(x, w, flat(b)) when vector(b, root)
 *
 * Left of the arrow, a pattern over one node and what it is computed from:
 *
 *     x               any value; the same name again is the same value
 *     $s              a constant all of whose elements are one number, which $s then is
 *     0.5             such a constant near that number (rules that are exact: that number)
 *     op(p, q)        the first output of a node; inputs that are not written are absent; either order where the op is
 *                     commutative
 *     op[a = n](p)    with attributes: n a number; `last` the last axis alone; `*` any; a name, which it then is.
 *                     Attributes that are not written have their defaults
 *     @unary(p), @binary(p, q)     any element-wise op of one or two inputs; on the right, the same op again
 *     x?              the same, or nothing: for inputs that may be absent
 *     {p | q}         one of them             ?op(p)   op(p), or p itself             n: p   p, whose value is n
 *
 * Values inside a pattern may have no readers outside it, unless the rule says GLIA_RULE_SHARED. Right of the arrow:
 * values, numbers, ops, and the builders of rules_words.c; attributes are expressions. After `when`, conditions joined
 * by `and`: expressions over numbers, $s, attributes and the functions of rules_words.c. `root` is the value that is
 * answered, whose dtype and dims the answer must have: a rule that would change them does not fire.
 *
 * A rule is exact (the same bits), reassociating (sums or roundings in another order) or approximate.
 *
 * `sizes` says what the test generated from the rule draws: for each name its dims by letters (one size a letter) or
 * numbers, "x: a b 4"; a dtype before them ("m: bool a b"); `=` before a list of numbers is an attribute ("p = 0 2 1
 * 3") or the number of $s. `const`, `ones` and `causal` before the dims make a constant. An op's name stands for its
 * `dims` where the pattern has `*`. Names that are left out are f32 [a, b]. */
#ifndef GLIA_COMPILE_RULES_H
#define GLIA_COMPILE_RULES_H

#include "compile/passes.h"

enum { GLIA_RULE_EXACT = 1, GLIA_RULE_REASSOCIATING, GLIA_RULE_APPROXIMATE };
enum { GLIA_RULE_SHARED = 1 }; /* flags */

typedef struct glia_rule {
    const char *name;
    uint8_t group; /* groups run one after the other, each with group 0 until nothing changes */
    uint8_t kind;  /* GLIA_RULE_EXACT .. */
    uint8_t flags;
    const char *text;
    const char *sizes; /* null: the defaults */
} glia_rule;

/* The tables end with a row of nulls; the order in a group is the order of trial. */
extern const glia_rule glia_rules[];
enum { GLIA_RULE_GROUPS = 4 };

enum {
    GLIA_RULE_TERMS = 250,
    GLIA_RULE_ARGS = 6,
    GLIA_RULE_ATTRS = 8,
    GLIA_RULE_NAMES = 24,
    GLIA_RULE_CONDITIONS = 8,
    GLIA_RULE_NODES = 24, /* that a match may cover */
    GLIA_RULE_ROOTS = 40  /* ops that a pattern may begin with */
};

typedef enum {
    GLIA_TERM_NAME,   /* pattern: any value. Expression, result: what the name stands for */
    GLIA_TERM_SCALAR, /* $name */
    GLIA_TERM_NUMBER,
    GLIA_TERM_OP,     /* op or class */
    GLIA_TERM_EITHER, /* args: the alternatives */
    GLIA_TERM_MAYBE,  /* args[0]: the op */
    GLIA_TERM_LABEL,  /* name: args[0] */
    GLIA_TERM_WORD,   /* a function of rules_words.c */
    GLIA_TERM_SUM,    /* expressions: + - * / and comparisons; `sign` says which */
} glia_term_kind;

typedef enum {
    GLIA_ATTR_IS_NUMBER, /* value: the term */
    GLIA_ATTR_IS_LAST,
    GLIA_ATTR_IS_ANY,
    GLIA_ATTR_IS_NAME, /* value: the name */
    GLIA_ATTR_IS_TERM  /* results: an expression */
} glia_term_attr_kind;

typedef struct glia_term {
    uint8_t kind, name, arg_count, attr_count;
    char op_class; /* 'u', 'b', or 0 */
    char sign;
    double number;
    const glia_op *op;
    const struct glia_word *word;
    uint8_t arg[GLIA_RULE_ARGS];
    struct {
        uint8_t kind, value, index; /* of op->attrs */
    } attr[GLIA_RULE_ATTRS];
} glia_term;

typedef struct glia_rule_code { /* a parsed rule */
    const glia_rule *rule;
    glia_term *term;
    int32_t term_count;
    char name[GLIA_RULE_NAMES][12];
    int32_t name_count; /* name 0 is `root` */
    uint8_t pattern, result;
    uint8_t condition[GLIA_RULE_CONDITIONS];
    int32_t condition_count;
    const char *condition_text[GLIA_RULE_CONDITIONS];
    int32_t condition_size[GLIA_RULE_CONDITIONS];
    const glia_op *root[GLIA_RULE_ROOTS]; /* ops that the pattern may begin with */
    int32_t root_count;
    char root_class;   /* or a class: 'u', 'b' */
    const char *error; /* where the text is wrong; null: nowhere */
} glia_rule_code;

/* False with code->error set: the text is wrong. Terms lie in the arena; null terms: no memory. rules_parse.c */
bool glia_rule_parse(const glia_rule *rule, glia_arena *arena, glia_rule_code *code);

/* What a name stands for. */
typedef enum { GLIA_BOUND_NOT, GLIA_BOUND_VALUE, GLIA_BOUND_SCALAR, GLIA_BOUND_ATTR } glia_bound_kind;
typedef struct glia_binding {
    uint8_t kind;
    uint8_t attr_kind; /* GLIA_ATTR_* */
    glia_value value;
    double number;
    const glia_attr *attr;
} glia_binding;

typedef struct glia_match {
    const glia_graph *g;
    const glia_rule_code *code;
    const int32_t *uses; /* by value id of g: readers, outputs counted */
    glia_binding bound[GLIA_RULE_NAMES];
    int32_t node[GLIA_RULE_NODES];
    int32_t node_count;
    const glia_node *any; /* what @unary or @binary met */
    uint8_t choice[32], choices[32];
    int32_t choice_at, choice_count;
    const char *missed; /* the condition that failed where the pattern fits; null: none */
    int32_t missed_size;
} glia_match;

/* Tries a rule at a node. rules_match.c */
bool glia_rule_match(glia_match *m, const glia_rule_code *code, const glia_graph *g, const int32_t *uses,
                     const glia_node *n);
/* An expression's number; NAN where it has none. */
double glia_rule_number(const glia_match *m, uint8_t term);
/* The one number of a constant; false if it has several or is not known. */
bool glia_rule_scalar(const glia_graph *g, glia_value v, double *out);

/* A result in the making. */
typedef struct glia_rule_build {
    glia_rewrite *r;
    const glia_match *m;
    const glia_node *root; /* of r->src */
    int64_t *serial;       /* of the names that rules make */
} glia_rule_build;
glia_value glia_rule_result(glia_rule_build *b, uint8_t term);
/* A name that no other value of any round has; null: no memory. */
const char *glia_rule_name(glia_rule_build *b, const char *what);
const glia_type *glia_rule_type(const glia_rule_build *b, glia_value v);

/* A function of conditions and expressions, or a builder of results; rules_words.c. */
typedef struct glia_word {
    const char *name;
    double (*number)(const glia_match *m, const glia_term *t);
    glia_value (*build)(glia_rule_build *b, const glia_term *t);
} glia_word;
const glia_word *glia_word_find(const char *name, int size);

#endif
