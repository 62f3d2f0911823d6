/* A parsed signature line (docs/types.md). Fixed size, no pointers into anything but the op's own text. */
#ifndef GLIA_GRAPH_LITE_SIG_H
#define GLIA_GRAPH_LITE_SIG_H

#include "graph/graph.h"

enum { SIG_OPERANDS_MAX = 16, SIG_DIMS_MAX = 8, SIG_WHERE_MAX = 4 };

typedef struct sig_name {
    const char *at;
    int size;
} sig_name;

typedef enum { SIG_DIM_NAME, SIG_DIM_CONST, SIG_DIM_ATTR, SIG_DIM_ELLIPSIS } sig_dim_kind;

typedef struct sig_dim {
    sig_dim_kind kind;
    sig_name name;   /* also of the ellipsis; may be empty there */
    sig_name other;  /* ellipsis x^y: the second */
    int64_t number;
    bool coupled, optional;
} sig_dim;

typedef struct sig_operand {
    sig_name name;
    bool optional, variadic, state;
    uint32_t classes;     /* GLIA_CLASS_*; 0: see below */
    bool any;
    char letter;          /* the letter when the class is a single letter, else 0 */
    uint64_t exact;       /* bit per concrete dtype */
    sig_name attr_dtype;  /* output dtype from an attribute */
    int like;             /* output: index of the input that it is like, else -1 */
    int next_of;          /* output: index of the state that it is the next version of, else -1 */
    int dim_count;
    sig_dim dims[SIG_DIMS_MAX];
} sig_operand;

typedef enum { SIG_DIVIDES, SIG_AT_MOST } sig_relation;
typedef struct sig_where {
    sig_relation relation;
    sig_dim left, right;
} sig_where;

typedef struct signature {
    int in_count, out_count, where_count;
    sig_operand in[SIG_OPERANDS_MAX], out[SIG_OPERANDS_MAX];
    sig_where where[SIG_WHERE_MAX];
} signature;

/* False: the line is not of the language; *at gets the place. */
bool signature_parse(const char *text, signature *s, const char **at);
bool sig_same(sig_name a, sig_name b);

#endif
