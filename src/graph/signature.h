/* A parsed signature line: fixed size, kept on the stack. The grammar is in docs/types.md. */
#ifndef GLIA_GRAPH_SIGNATURE_H
#define GLIA_GRAPH_SIGNATURE_H

#include "graph/graph.h"

enum {
    GLIA_SIG_INPUTS = 12,
    GLIA_SIG_OUTPUTS = 8,
    GLIA_SIG_AXES = 10,
    GLIA_SIG_VARS = 24,
    GLIA_SIG_GROUPS = 8,
    GLIA_SIG_CONDITIONS = 6,
    GLIA_SIG_NAME = 16
};

typedef enum {
    GLIA_SIG_NAMED,  /* n: id[0] is a variable */
    GLIA_SIG_NUMBER, /* 4 */
    GLIA_SIG_ATTR,   /* #k: id[0] is an attribute */
    GLIA_SIG_GROUP,  /* ..x: id[0..count) are groups, more than one: broadcast together */
    GLIA_SIG_MERGED, /* (h d): the product of id[0..count) */
    GLIA_SIG_SUM     /* sum(p): over the members of a variadic input */
} glia_sig_kind;

typedef struct glia_sig_axis {
    glia_sig_kind kind;
    bool coupled;  /* n!: whole within one item */
    bool optional; /* ..b?: may be shorter, or one, against group b */
    int8_t at;     /* n@a: the attribute that gives the position, else -1 */
    int8_t count;
    int8_t id[4];
    int64_t number;
} glia_sig_axis;

typedef struct glia_sig_tensor {
    char name[GLIA_SIG_NAME];
    bool optional, variadic, state;
    int8_t like;       /* outputs: input whose dtype and dims are taken, else -1 */
    int8_t next;       /* outputs: state input whose next version this is, else -1 */
    int8_t letter;     /* a dtype letter that stands alone: one dtype throughout; 0 if none */
    int8_t dtype_attr; /* dtype from an attribute, else -1 */
    int8_t axis_count;
    uint64_t dtypes;        /* mask over glia_dtype of what is allowed */
    bool quant;             /* block formats are taken, and so are packed layouts */
    const char *shape_text; /* "[.., k]", into the signature; null for like() and states' next versions */
    int32_t shape_text_len;
    const char *dtype_text;
    int32_t dtype_text_len;
    glia_sig_axis axis[GLIA_SIG_AXES];
} glia_sig_tensor;

typedef struct glia_sig_term {     /* number * product of variables or attributes, or block(input) */
    int8_t var, attr, block, var2; /* -1: none */
    int64_t number;
} glia_sig_term;

typedef enum { GLIA_SIG_DIVIDES, GLIA_SIG_AT_MOST, GLIA_SIG_EQUAL } glia_sig_relation;

typedef struct glia_sig_condition {
    glia_sig_relation relation;
    glia_sig_term left, right;
    const char *text;
    int32_t text_len;
} glia_sig_condition;

typedef struct glia_signature {
    int32_t in_count, out_count, var_count, group_count, condition_count;
    glia_sig_tensor in[GLIA_SIG_INPUTS], out[GLIA_SIG_OUTPUTS];
    char var[GLIA_SIG_VARS][GLIA_SIG_NAME];
    char group[GLIA_SIG_GROUPS][GLIA_SIG_NAME];
    bool summed[GLIA_SIG_VARS]; /* occurs in sum(): one value for each member of the variadic input */
    glia_sig_condition condition[GLIA_SIG_CONDITIONS];
    const char *error; /* null, or what is wrong */
    int32_t error_at;  /* byte offset in the text */
} glia_signature;

/* Parses op->signature (not null). False with s->error set: a defect of the op. */
bool glia_signature_parse(const glia_op *op, glia_signature *s);
/* The same, kept in the graph, which parses each operation's signature once. add: null after the graph's error. find:
 * null if no node of the graph has the operation. */
const glia_signature *glia_signature_add(glia_graph *g, const glia_op *op);
const glia_signature *glia_signature_find(const glia_graph *g, const glia_op *op);
/* The spec of input i, variadic members included; null if there is none. */
const glia_sig_tensor *glia_signature_input(const glia_signature *s, int i);
/* Index of the attribute in the op's table, -1 if absent. */
int glia_op_attr(const glia_op *op, const char *name, int len);

#endif
