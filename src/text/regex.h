/* Regular expressions of RE2's syntax, matched against whole texts in time linear in text times pattern.
 *
 * Taken: literals, `.`, sets with ranges and negation, [:posix:] names, \d \s \w and their negations, \pL \p{L},
 * escapes (\n \t \x41 \x{10FFFF} \101 \Q..\E), groups (plain, (?:..), named), flags i m s U set for the rest of a
 * group or for a group, | * + ? {m} {m,} {m,n} (lazy ones too, which decide nothing here), ^ $ \A \z \b \B. Refused
 * by name: other classes of Unicode, \C, repeats above 1000, groups nested deeper than 64, and patterns whose program
 * is longer than 65 536 steps. Back references and look-around are not part of the language. */
#ifndef GLIA_TEXT_REGEX_H
#define GLIA_TEXT_REGEX_H

#include "base/arena.h"
#include "base/error.h"

typedef struct glia_regex glia_regex;

/* Compiles into the arena; the pattern is not kept. GLIA_E_FORMAT, GLIA_E_UNSUPPORTED (G1045), GLIA_E_NOMEM. */
glia_status glia_regex_compile(glia_arena *a, const char *pattern, int64_t size, glia_regex **out,
                               glia_error *e);
/* Whether all of text matches. Bytes that are no UTF-8 match nothing but `.` and negated sets. The regex holds the
 * memory that a match needs: one thread at a time. */
bool glia_regex_full_match(glia_regex *r, const char *text, int64_t size);

#endif
