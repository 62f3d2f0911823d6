/* Unicode general categories, as far as tokenizers ask for them. The tables are generated; their version
 * is glia_tok_unicode_version. Unassigned, private and control characters are OTHER; a character with the
 * property White_Space is SPACE whatever its category. */
#ifndef GLIA_LLM_UNICODE_H
#define GLIA_LLM_UNICODE_H

#include <stdint.h>

enum {
    TOK_UNI_OTHER,
    TOK_UNI_LU,
    TOK_UNI_LL,
    TOK_UNI_LT,
    TOK_UNI_LM,
    TOK_UNI_LO,
    TOK_UNI_M,
    TOK_UNI_N,
    TOK_UNI_P,
    TOK_UNI_S,
    TOK_UNI_SPACE,
    TOK_UNI_COUNT
};

extern const char glia_tok_unicode_version[];
extern const uint32_t glia_tok_unicode_ranges[];
extern const uint16_t glia_tok_unicode_pages[];

/* A TOK_UNI_*; cp beyond U+10FFFF is OTHER. */
static inline int tok_unicode_class(uint32_t cp)
{
    if (cp > 0x10FFFF) return TOK_UNI_OTHER;
    const uint32_t want = cp << 4 | 15;
    int lo = glia_tok_unicode_pages[cp >> 8], n = glia_tok_unicode_pages[(cp >> 8) + 1] - lo + 1;
    while (n > 1) { /* the last range that is not above `want` */
        const int half = n / 2;
        lo += glia_tok_unicode_ranges[lo + half] <= want ? half : 0;
        n -= half;
    }
    return (int)(glia_tok_unicode_ranges[lo] & 15);
}

#endif
