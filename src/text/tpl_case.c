/* Upper and lower case of one character, and letters, by tables that are sorted. Characters whose other case
 * is several characters keep theirs, but for the sharp s, which tpl_str.c knows. */
#include "text/tpl_case.h"

#include "text/tpl.h"

static uint32_t mapped(const tpl_case_range *r, int count, uint32_t cp)
{
    int low = 0, high = count;
    while (low < high) { /* the first range that does not end before cp */
        int mid = (low + high) / 2;
        if (r[mid].last < cp) low = mid + 1;
        else high = mid;
    }
    /* Ranges of step 2 may interleave with their neighbours. */
    for (int i = low; i < count && i < low + 3; i++)
        if (cp >= r[i].first && cp <= r[i].last && (cp - r[i].first) % (uint32_t)r[i].step == 0)
            return (uint32_t)((int64_t)cp + r[i].difference);
    return cp;
}

uint32_t glia_tpl_upper(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'a' && cp <= 'z' ? cp - 32 : cp;
    return mapped(glia_tpl_upper_ranges, glia_tpl_upper_range_count, cp);
}

uint32_t glia_tpl_lower(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    return mapped(glia_tpl_lower_ranges, glia_tpl_lower_range_count, cp);
}

bool glia_tpl_is_letter(uint32_t cp)
{
    if (cp < 0x80) return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
    int low = 0, high = glia_tpl_letter_range_count;
    while (low < high) {
        int mid = (low + high) / 2;
        if (glia_tpl_letter_ranges[mid][1] < cp) low = mid + 1;
        else high = mid;
    }
    return low < glia_tpl_letter_range_count && cp >= glia_tpl_letter_ranges[low][0];
}
