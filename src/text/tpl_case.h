/* The tables behind tpl_case.c. */
#ifndef GLIA_TEXT_TPL_CASE_H
#define GLIA_TEXT_TPL_CASE_H

#include <stdint.h>

typedef struct tpl_case_range {
    uint32_t first, last;
    int32_t step, difference;
} tpl_case_range;

extern const tpl_case_range glia_tpl_upper_ranges[], glia_tpl_lower_ranges[];
extern const uint32_t glia_tpl_letter_ranges[][2];
extern const int glia_tpl_upper_range_count, glia_tpl_lower_range_count, glia_tpl_letter_range_count;

#endif
