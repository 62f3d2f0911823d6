/* UTF-8: decoding one code point, validating, encoding. Malformed input is never skipped
 * silently: decoding gives U+FFFD and consumes one byte. */
#ifndef GLIA_BASE_UTF8_H
#define GLIA_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* Decodes at s (left >= 1 bytes). *len gets the bytes consumed (1..4).
 * Malformed (overlong, surrogate, cut, stray): 0xFFFD with *len = 1 and *ok = false. */
uint32_t glia_utf8_decode(const char *s, int64_t left, int *len, bool *ok);
/* Writes 1..4 bytes; returns the count; 0 for surrogates and > 0x10FFFF. */
int glia_utf8_encode(uint32_t cp, char out[4]);
bool glia_utf8_valid(const char *s, int64_t size);
/* Bytes of the longest prefix that does not end inside a sequence that may still be completed. */
int64_t glia_utf8_complete(const char *s, int64_t size);

#endif
