/* Text and doubles, exactly, whatever the host's locale: strtod and printf would follow it. */
#ifndef GLIA_BASE_NUMBER_H
#define GLIA_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a decimal number, "-1.25e3", all of text[0..size): the nearest double, ties to even; out of
 * range gives +-infinity or +-0. False when the text is no such number. A leading zero, a bare
 * point and a plus sign are refused, as in JSON. */
bool glia_number_parse(const char *text, int64_t size, double *out);

/* The shortest decimal text that reads back to v, NUL-terminated; returns its length. Not finite:
 * "nan", "inf", "-inf". */
enum { GLIA_NUMBER_TEXT = 32 };
int glia_number_format(double v, char out[GLIA_NUMBER_TEXT]);

#endif
