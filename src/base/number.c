/* Decimal text to doubles and back.
 *
 * A number is digits * 10^exponent. Where both are exact in a double one IEEE operation rounds
 * once (Clinger 1990). Otherwise a quotient of big integers is taken to 64 bits, the rest only
 * tells whether it was exact. Digits beyond DIGITS_MOST cannot matter except by being there: no
 * double and no middle of two has more than 768. */
#include "number.h"
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS_MOST = 780, LIMBS = 96 }; /* 5^1106 has 2569 bits, 10^781 has 2595: 82 limbs */

typedef struct {
    uint32_t limb[LIMBS]; /* least first */
    int count;            /* limbs in use; the last is not 0 */
} big;

static void big_multiply_add(big *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    for (int i = 0; i < b->count; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && b->count < LIMBS) b->limb[b->count++] = (uint32_t)carry;
}

static void big_power_of_5(big *b, int64_t n)
{
    for (; n >= 13; n -= 13) big_multiply_add(b, 1220703125u, 0);
    for (; n > 0; n--) big_multiply_add(b, 5, 0);
}

static int big_bits(const big *b)
{
    return b->count ? 32 * b->count - __builtin_clz(b->limb[b->count - 1]) : 0;
}

static void big_shift_left(big *b, int bits)
{
    int whole = bits / 32, part = bits % 32;
    if (!b->count || b->count + whole + 1 > LIMBS) return;
    for (int i = b->count; i >= 0; i--) {
        uint64_t high = i < b->count ? b->limb[i] : 0, low = i > 0 ? b->limb[i - 1] : 0;
        b->limb[i + whole] = (uint32_t)((high << 32 | low) << part >> 32);
    }
    memset(b->limb, 0, (size_t)whole * sizeof b->limb[0]);
    b->count += whole + 1;
    if (!b->limb[b->count - 1]) b->count--;
}

static int big_compare(const big *a, const big *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* a -= b, a >= b */
static void big_subtract(big *a, const big *b)
{
    int64_t borrow = 0;
    for (int i = 0; i < a->count; i++) {
        int64_t d = (int64_t)a->limb[i] - (i < b->count ? b->limb[i] : 0) + borrow;
        a->limb[i] = (uint32_t)d;
        borrow = d < 0 ? -1 : 0;
    }
    while (a->count && !a->limb[a->count - 1]) a->count--;
}

/* mantissa * 2^exponent, rounded to a double; mantissa has its top bit set, `more` says that the true
 * value lies strictly between it and the next. */
static double round_to_double(uint64_t mantissa, int64_t exponent, bool more)
{
    /* Value in [2^(exponent+63), 2^(exponent+64)): 53 bits kept, fewer below 2^-1022. */
    int64_t drop = 11;
    if (exponent + 63 < -1022) drop += -1022 - (exponent + 63);
    if (drop > 64) return 0;
    uint64_t kept = drop == 64 ? 0 : mantissa >> drop;
    uint64_t rest = drop == 64 ? mantissa : mantissa & (((uint64_t)1 << drop) - 1);
    uint64_t half = (uint64_t)1 << (drop - 1);
    if (rest > half || (rest == half && (more || (kept & 1)))) kept++;
    if (exponent + drop > 971) return (double)INFINITY;
    return ldexp((double)kept, (int)(exponent + drop)); /* exact, or the overflow that is due */
}

/* digits[0..count) times 10^exponent, with digits[0] != 0 */
static double exact(const char *digits, int count, int64_t exponent)
{
    if (exponent + count > 310) return (double)INFINITY;
    if (exponent + count < -325) return 0;
    big a = {{0}, 0}, b = {{1}, 1};
    for (int i = 0; i < count; i++) big_multiply_add(&a, 10, (uint32_t)(digits[i] - '0'));
    big_power_of_5(exponent < 0 ? &b : &a, exponent < 0 ? -exponent : exponent);
    /* The value is a / b * 2^exponent. Shifted so that b <= a < 2b, the quotient's 64 bits follow one by one.
     */
    int shift = big_bits(&b) - big_bits(&a);
    if (shift > 0) big_shift_left(&a, shift);
    if (shift < 0) big_shift_left(&b, -shift);
    if (big_compare(&a, &b) < 0) {
        big_shift_left(&a, 1);
        shift++;
    }
    uint64_t quotient = 0;
    for (int i = 0; i < 64; i++) {
        quotient <<= 1;
        if (big_compare(&a, &b) >= 0) {
            big_subtract(&a, &b);
            quotient |= 1;
        }
        big_shift_left(&a, 1);
    }
    return round_to_double(quotient, exponent - shift - 63, a.count != 0);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The digits of a number, without leading zeros, and the power of ten of the last one kept. */
typedef struct {
    char digits[DIGITS_MOST + 1];
    int count;
    int64_t exponent;
    bool lost; /* a digit other than 0 was dropped */
} decimal;

static void decimal_add(decimal *d, char c, bool fraction)
{
    if (d->count == 0 && c == '0') {
        d->exponent -= fraction;
    } else if (d->count < DIGITS_MOST) {
        d->digits[d->count++] = c;
        d->exponent -= fraction;
    } else {
        d->lost |= c != '0';
        d->exponent += !fraction;
    }
}

static double decimal_value(decimal *d)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!d->count) return 0;
    if (d->count <= 15 && d->exponent >= -22 && d->exponent <= 22) {
        int64_t v = 0;
        for (int i = 0; i < d->count; i++) v = v * 10 + (d->digits[i] - '0');
        return d->exponent < 0 ? (double)v / powers[-d->exponent] : (double)v * powers[d->exponent];
    }
    if (d->lost) {
        d->digits[d->count++] = '1';
        d->exponent--;
    }
    return exact(d->digits, d->count, d->exponent);
}

bool glia_number_parse(const char *text, int64_t size, double *out)
{
    decimal d;
    d.count = 0;
    d.exponent = 0;
    d.lost = false;
    int64_t i = 0;
    bool negative = size > 0 && text[0] == '-';
    i += negative;
    if (i >= size || !is_digit(text[i])) return false;
    if (text[i] == '0' && i + 1 < size && is_digit(text[i + 1])) return false;
    for (; i < size && is_digit(text[i]); i++) decimal_add(&d, text[i], false);
    if (i < size && text[i] == '.') {
        if (++i >= size || !is_digit(text[i])) return false;
        for (; i < size && is_digit(text[i]); i++) decimal_add(&d, text[i], true);
    }
    if (i < size && (text[i] == 'e' || text[i] == 'E')) {
        int64_t power = 0;
        bool down = ++i < size && text[i] == '-';
        i += i < size && (text[i] == '-' || text[i] == '+');
        if (i >= size || !is_digit(text[i])) return false;
        /* Beyond 10^15 no text that fits into memory can bring the number back into range. */
        for (; i < size && is_digit(text[i]); i++)
            if (power < 1000000000000000) power = power * 10 + (text[i] - '0');
        d.exponent += down ? -power : power;
    }
    if (i != size) return false;
    double v = decimal_value(&d);
    *out = negative ? -v : v;
    return true;
}

/* v's digits, correctly rounded to `count`, and the decimal exponent of the first. The point that printf
 * writes is the locale's, so only digits and the exponent are taken from its text. */
static int digits_of(double v, int count, char digits[24])
{
    char text[64];
    int n = 0, power = 0;
    bool down = false;
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (is_digit(*p)) digits[n++] = *p;
    if (*p) p++;
    for (; *p; p++) {
        if (*p == '-') down = true;
        if (is_digit(*p)) power = power * 10 + (*p - '0');
    }
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    return down ? -power : power;
}

/* Writes digits * 10^(power - count + 1) as "12.5", "0.001" or "1.5e300". */
static int lay_out(const char *digits, int power, bool negative, char *out)
{
    int count = (int)strlen(digits), n = 0;
    if (negative) out[n++] = '-';
    if (power < -5 || power > 16) {
        out[n++] = digits[0];
        if (count > 1) out[n++] = '.';
        for (int i = 1; i < count; i++) out[n++] = digits[i];
        return n + snprintf(out + n, 8, "e%d", power);
    }
    if (power < 0) {
        out[n++] = '0';
        out[n++] = '.';
        for (int i = -1; i > power; i--) out[n++] = '0';
    }
    for (int i = 0; i < count || i <= power; i++) {
        if (i == power + 1 && power >= 0) out[n++] = '.';
        out[n++] = i < count ? digits[i] : '0';
    }
    out[n] = 0;
    return n;
}

int glia_number_format(double v, char out[GLIA_NUMBER_TEXT])
{
    if (v != v || v - v != 0)
        return snprintf(out, GLIA_NUMBER_TEXT, "%s", v != v ? "nan" : v < 0 ? "-inf" : "inf");
    bool negative = signbit(v);
    double magnitude = negative ? -v : v;
    for (int count = 1;; count++) {
        char digits[24];
        int power = digits_of(magnitude, count, digits), size = lay_out(digits, power, negative, out);
        double back;
        if (count == 17 || (glia_number_parse(out, size, &back) && back == v)) return size;
    }
}
