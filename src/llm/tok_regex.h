/* Expressions, as the files of tokenizers have them, compiled to automata.
 *
 * The language is the part of Oniguruma's that such files use: literals, `.`, sets with ranges, nesting, `^`
 * and
 * `&&`, \s \d \w and their negations, \p{...} of categories and some scripts, \r \n \t \xHH \x{H} \uHHHH; | ?
 * * + {m,n}, lazy repeats, possessive repeats of one set; (...), (?:...), (?i:...), (?i); (?=X) and (?!X) of
 * one set, `$`. Refused by name: back references, look-behind, other look-ahead, `^`, \b, atomic groups,
 * scripts without a table, and what needs more states or classes than the limits below. */
#ifndef GLIA_LLM_TOK_REGEX_H
#define GLIA_LLM_TOK_REGEX_H

#include "base/arena.h"
#include "base/error.h"

typedef struct tok_regex {
    int class_count;     /* class_count itself: the end of the text */
    bool bytes;          /* reads each byte as the character that byte-level vocabularies spell it with */
    uint8_t ascii[256];  /* class of a byte: below 128, or any in `bytes` */
    uint8_t begins[256]; /* 0: no match that is not empty begins with this byte, which is a character */
    uint16_t page[4352]; /* which block of 256 a code point's class is in */
    uint8_t *pages;
    int64_t page_count, state_count;
    uint16_t *step; /* [states, class_count + 1]: next state << 1 | a match ends before this character */
} tok_regex;

/* G0623 with the reason, GLIA_E_UNSUPPORTED; GLIA_E_NOMEM. */
glia_status glia_tok_regex_compile(tok_regex *out, glia_arena *a, const char *expression, int64_t size,
                                   bool bytes, glia_error *e);

/* What a scan that went far knew on its way, so that the next one can stop where it falls into its steps:
 * from equal states at one place the rest is equal. This keeps a search linear where each start looks far
 * ahead. */
enum { TOK_TRAIL_SHIFT = 5 };
typedef struct tok_trail {
    uint16_t *state;    /* [size >> TOK_TRAIL_SHIFT + 1] */
    int64_t begin, end; /* the entries that are known */
    int64_t match;      /* where the last match of that scan ended, or -1 */
} tok_trail;

/* The end of the match that begins at `at`, or -1. *steps grows by the characters read. With a null
 * trail->state nothing is remembered, and *far is set when a scan would like to. */
int64_t glia_tok_regex_match(const tok_regex *r, const char *text, int64_t at, int64_t end, tok_trail *trail,
                             int64_t *steps, bool *far);

/* The first place from `at` on where a match may begin; `end` if there is none. */
static inline int64_t tok_regex_skip(const tok_regex *r, const char *text, int64_t at, int64_t end)
{
    while (at < end && !r->begins[(uint8_t)text[at]]) at++;
    return at;
}

/* The bytes of the character at s, as the automaton reads them. */
int glia_tok_regex_char(const tok_regex *r, const char *s, int64_t left);

#endif
