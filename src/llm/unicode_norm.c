/* Decomposition, composition, combining classes and lower case of single code points, by binary search in the
 * generated tables; Hangul syllables by their arithmetic (The Unicode Standard, section 3.12). */
#include "llm/unicode.h"

enum {
    S_BASE = 0xAC00,
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28
};

static int map(const tok_unicode_mapping *table, int count, uint32_t cp, uint32_t *out)
{
    int lo = 0, hi = count;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        if (table[mid].cp < cp) lo = mid + 1;
        else hi = mid;
    }
    if (lo == count || table[lo].cp != cp) return 0;
    for (int i = 0; i < table[lo].count; i++) out[i] = glia_tok_unicode_texts[table[lo].at + i];
    return table[lo].count;
}

int glia_unicode_decompose(uint32_t cp, bool compatible, uint32_t out[TOK_UNI_MAP_MAX])
{
    int n = 0;
    if (cp >= S_BASE && cp < S_BASE + L_COUNT * V_COUNT * T_COUNT) {
        const uint32_t s = cp - S_BASE, t = s % T_COUNT;
        out[0] = L_BASE + s / (V_COUNT * T_COUNT);
        out[1] = V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
        out[2] = T_BASE + t;
        return t ? 3 : 2;
    }
    if (cp >= 0xA0 && compatible) n = map(glia_tok_compatible, glia_tok_compatible_count, cp, out);
    if (cp >= 0xC0 && !n) n = map(glia_tok_canonical, glia_tok_canonical_count, cp, out);
    if (n) return n;
    out[0] = cp;
    return 1;
}

int glia_unicode_lower(uint32_t cp, uint32_t out[TOK_UNI_MAP_MAX])
{
    out[0] = cp;
    if (cp < 0x80) {
        if (cp >= 'A' && cp <= 'Z') out[0] = cp + 32;
        return 1;
    }
    const int n = map(glia_tok_lower, glia_tok_lower_count, cp, out);
    return n ? n : 1;
}

int glia_unicode_combining(uint32_t cp)
{
    int lo = 0, hi = glia_tok_combining_count;
    const uint32_t want = cp << 8 | 255;
    while (lo < hi) { /* the first entry above */
        const int mid = lo + (hi - lo) / 2;
        if (glia_tok_combining[mid] <= want) lo = mid + 1;
        else hi = mid;
    }
    return lo ? (int)(glia_tok_combining[lo - 1] & 255) : 0;
}

uint32_t glia_unicode_compose(uint32_t first, uint32_t second)
{
    if (first >= L_BASE && first < L_BASE + L_COUNT && second >= V_BASE && second < V_BASE + V_COUNT)
        return S_BASE + ((first - L_BASE) * V_COUNT + (second - V_BASE)) * T_COUNT;
    if (first >= S_BASE && first < S_BASE + L_COUNT * V_COUNT * T_COUNT && (first - S_BASE) % T_COUNT == 0 &&
        second > T_BASE && second < T_BASE + T_COUNT)
        return first + (second - T_BASE);
    int lo = 0, hi = glia_tok_composition_count;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const uint32_t *row = glia_tok_composition[mid];
        if (row[0] < first || (row[0] == first && row[1] < second)) lo = mid + 1;
        else hi = mid;
    }
    const uint32_t *row = glia_tok_composition[lo];
    return lo < glia_tok_composition_count && row[0] == first && row[1] == second ? row[2] : 0;
}
