/* UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#include "utf8.h"

/* Length of the sequence that a lead byte begins (0: no lead byte), and the range that its second
 * byte must lie in; the other bytes are 80..BF. Table 3-7 of the Unicode standard. */
static int sequence_of(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F;
        return 3;
    }
    if (lead < 0xF5) {
        if (lead == 0xF0) *low = 0x90;
        if (lead == 0xF4) *high = 0x8F;
        return 4;
    }
    return 0;
}

/* How many of the bytes at s fit the sequence that s[0] begins; *want gets its full length. */
static int sequence_match(const uint8_t *s, int64_t left, int *want)
{
    uint8_t low, high;
    *want = sequence_of(s[0], &low, &high);
    int have = *want ? 1 : 0;
    while (have < *want && have < left && s[have] >= low && s[have] <= high) {
        low = 0x80;
        high = 0xBF;
        have++;
    }
    return have;
}

uint32_t glia_utf8_decode(const char *s, int64_t left, int *len, bool *ok)
{
    static const uint8_t lead_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const uint8_t *u = (const uint8_t *)s;
    int want, have = sequence_match(u, left, &want);
    *ok = want && have == want;
    *len = *ok ? want : 1;
    if (!*ok) return 0xFFFD;
    uint32_t cp = u[0] & lead_bits[want];
    for (int i = 1; i < want; i++) cp = cp << 6 | (u[i] & 0x3Fu);
    return cp;
}

int glia_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        if (cp >= 0xD800 && cp < 0xE000) return 0;
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > 0x10FFFF) return 0;
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool glia_utf8_valid(const char *s, int64_t size)
{
    for (int64_t i = 0; i < size;) {
        int len;
        bool ok;
        glia_utf8_decode(s + i, size - i, &len, &ok);
        if (!ok) return false;
        i += len;
    }
    return true;
}

int64_t glia_utf8_complete(const char *s, int64_t size)
{
    const uint8_t *u = (const uint8_t *)s;
    for (int64_t back = 1; back <= 3 && back <= size; back++) {
        int want, have = sequence_match(u + size - back, back, &want);
        if (!want) continue; /* a continuation byte: its lead is further back */
        return have == back && have < want ? size - back : size;
    }
    return size < 0 ? 0 : size;
}
