/* Grammars: which texts a generation may have, as a pushdown automaton over bytes.
 *
 *     grammar.c        the object: creation, analysis of the rules
 *     grammar_parse.c  GBNF text to instructions
 *     grammar_class.c  ranges of characters to ranges of UTF-8 bytes
 *     grammar_vocab.c  the tree of a vocabulary's bytes
 *     grammar_match.c  the automaton at work: which tokens may come, taking one
 *
 * A rule is a run of instructions that ends with RETURN. Jumps are relative, so that a repetition copies
 * instructions as they are:
 *
 *     BYTE    a byte in low..high, then the next instruction
 *     TOKEN   the token a, or with `low` 1 any token but a
 *     SPLIT   both at + a and at + b
 *     JUMP    at + a
 *     CALL    rule a, then the next instruction
 *     RETURN
 *
 * Refused: rules that are undefined, twice defined, left-recursive, or without any finite text. */
#ifndef GLIA_LLM_GRAMMAR_H
#define GLIA_LLM_GRAMMAR_H

#include <glia/sampler.h>
#include <stdbool.h>

#include "base/arena.h"

enum { GRAMMAR_BYTE, GRAMMAR_TOKEN, GRAMMAR_SPLIT, GRAMMAR_JUMP, GRAMMAR_CALL, GRAMMAR_RETURN };

typedef struct grammar_step {
    uint8_t kind, low, high;
    int32_t a, b;
} grammar_step;

typedef struct grammar_rule {
    const char *name;
    int64_t name_size;
    int32_t begin, end; /* instructions; begin -1: not defined */
    int64_t at;         /* in the text: the definition, or the first mention */
    int32_t rank;       /* a rule that begins another one's text before a byte has a higher rank */
} grammar_rule;

enum { GRAMMAR_STEPS_MAX = 1 << 18, GRAMMAR_RULES_MAX = 1 << 14, GRAMMAR_DEPTH_MAX = 256 };
#define GRAMMAR_TEXT_MAX ((int64_t)8 << 20)

struct glia_grammar {
    glia_arena arena;
    const glia_os *os;
    const glia_vocab_tree *vocab;
    grammar_step *steps;
    int64_t step_count, step_capacity;
    grammar_rule *rules; /* rule `root` starts */
    int64_t rule_count, rule_capacity;
    int32_t root;
    uint8_t class_of[256]; /* bytes that no instruction tells apart have one class */
    int32_t class_count;
};

/* ---- grammar_parse.c, grammar_class.c */
glia_status glia_grammar_parse(glia_grammar *g, const char *text, int64_t size, glia_error *e);
/* "line L, column C" of a place in the text: an error there. */
glia_status glia_grammar_fail(glia_error *e, glia_status status, const char *code, const char *text,
                              int64_t at, const char *format, ...) GLIA_PRINTF(6, 7);

typedef struct grammar_range {
    uint32_t low, high; /* code points, inclusive */
} grammar_range;
typedef struct grammar_bytes { /* size ranges of bytes, one after another */
    uint8_t low[4], high[4];
    int32_t size;
} grammar_bytes;
/* Sorts, joins and, with `negate`, complements ranges in place (room for count + 1). Returns how many there
 * are. */
int64_t glia_grammar_class(grammar_range *r, int64_t count, bool negate);
/* The next piece of range r as UTF-8, which is cut off r; false when r is empty. Surrogates are left out. */
bool glia_grammar_utf8(grammar_range *r, grammar_bytes *out);

/* ---- grammar_vocab.c */
typedef struct grammar_token {
    const char *text; /* bytes in running text; size 0: the token has none */
    int64_t size;
    bool ends; /* ends a generation */
} grammar_token;

typedef struct vocab_node { /* in the order of a walk that goes deep first */
    int32_t next;           /* the first node that is not below this one */
    int32_t token, tokens;  /* in sorted: ids whose bytes end here */
    int32_t depth_byte;     /* depth (from 1) * 256 + byte */
} vocab_node;

struct glia_vocab_tree {
    glia_arena arena;
    const glia_os *os;
    const struct glia_tokenizer *tokenizer; /* null: tokens cannot be named by text */
    int64_t count;                          /* tokens */
    vocab_node *nodes;
    int64_t node_count;
    int32_t *sorted; /* [count] ids of tokens with text, by their bytes */
    char *bytes;     /* of all tokens, one after another */
    int64_t *begin;  /* [count + 1] */
    int32_t *ends;   /* [end_count] ids that end a generation */
    int64_t end_count;
    int64_t depth_max;
};
/* tokens [count]; copied. */
glia_status glia_vocab_tree_from_tokens(const glia_os *os, const grammar_token *tokens, int64_t count,
                                        glia_vocab_tree **out, glia_error *e);

int64_t glia_grammar_vocab(const glia_grammar *g);

/* ---- grammar_match.c: one position in a grammar, for one sequence */
typedef struct glia_matcher glia_matcher;
glia_status glia_matcher_create(const glia_os *os, const glia_grammar *g, glia_matcher **out, glia_error *e);
void glia_matcher_destroy(glia_matcher *m);
void glia_matcher_reset(glia_matcher *m);
void glia_matcher_copy(glia_matcher *to, const glia_matcher *from); /* of one grammar */
/* One bit a token: which may come here. Valid until the next call. GLIA_E_LIMIT (G0657). */
glia_status glia_matcher_mask(glia_matcher *m, const uint64_t **allowed, glia_error *e);
/* GLIA_E_GUARD (G0658: not allowed; nothing changes), GLIA_E_LIMIT (G0657). */
glia_status glia_matcher_accept(glia_matcher *m, int32_t id, glia_error *e);
/* The same with bytes, which need not be a token. */
glia_status glia_matcher_accept_bytes(glia_matcher *m, const char *bytes, int64_t size, glia_error *e);
bool glia_matcher_can_end(const glia_matcher *m); /* the text so far is a whole one */
bool glia_matcher_done(const glia_matcher *m);    /* and nothing can follow */

#endif
