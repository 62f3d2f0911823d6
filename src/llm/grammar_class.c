/* Characters to bytes. A range of code points is cut where the number of bytes changes, and then so that each
 * byte but one is fixed or runs over all of 80..BF: each piece is a sequence of ranges of bytes. */
#include "llm/grammar.h"

#include "base/utf8.h"

#define CODE_POINT_MAX 0x10FFFFu

static void sort_ranges(grammar_range *r, int64_t count)
{
    for (int64_t gap = count / 2; gap > 0; gap /= 2) /* Shell's sort: a class has few ranges */
        for (int64_t i = gap; i < count; i++) {
            const grammar_range it = r[i];
            int64_t k = i;
            for (; k >= gap && r[k - gap].low > it.low; k -= gap) r[k] = r[k - gap];
            r[k] = it;
        }
}

static int64_t join(grammar_range *r, int64_t count)
{
    int64_t m = 0;
    for (int64_t i = 0; i < count; i++) {
        if (m && r[i].low <= r[m - 1].high + 1) {
            if (r[i].high > r[m - 1].high) r[m - 1].high = r[i].high;
        } else r[m++] = r[i];
    }
    return m;
}

static int64_t complement(grammar_range *r, int64_t count)
{
    uint32_t from = 0;
    int64_t m = 0;
    for (int64_t i = 0; i < count; i++) {
        const grammar_range it = r[i];
        if (it.low > from) r[m++] = (grammar_range){from, it.low - 1};
        from = it.high + 1;
    }
    if (from <= CODE_POINT_MAX) r[m++] = (grammar_range){from, CODE_POINT_MAX};
    return m;
}

int64_t glia_grammar_class(grammar_range *r, int64_t count, bool negate)
{
    sort_ranges(r, count);
    count = join(r, count);
    return negate ? complement(r, count) : count;
}

bool glia_grammar_utf8(grammar_range *r, grammar_bytes *out)
{
    static const uint32_t sizes[] = {0x7F, 0x7FF, 0xFFFF, CODE_POINT_MAX};
    char low[4], high[4];
    if (r->low >= 0xD800 && r->low <= 0xDFFF) r->low = 0xE000; /* surrogates are no characters */
    if (r->low > r->high) return false;
    uint32_t end = r->low < 0xD800 && r->high >= 0xD800 ? 0xD7FF : r->high;
    for (int i = 0; i < 4; i++)
        if (r->low <= sizes[i] && end > sizes[i]) end = sizes[i];
    for (int i = 1; i < 4; i++) {
        const uint32_t low_bits = (1u << (6 * i)) - 1;
        if (r->low <= 0x7F || (r->low & ~low_bits) == (end & ~low_bits)) continue;
        /* The bytes above these bits differ: the bits must run from all 0 to all 1. */
        if (r->low & low_bits) end = r->low | low_bits;
        else if ((end & low_bits) != low_bits) end = (end & ~low_bits) - 1;
    }
    out->size = glia_utf8_encode(r->low, low);
    glia_utf8_encode(end, high);
    for (int i = 0; i < out->size; i++) {
        out->low[i] = (uint8_t)low[i];
        out->high[i] = (uint8_t)high[i];
    }
    r->low = end + 1;
    return true;
}
