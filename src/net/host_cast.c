/* Cast and CastLike where strings are on one side.
 *
 * A number becomes the shortest decimal text that reads back to it in its own dtype: plain between 1e-4 and 1e16 and
 * with a point for floats ("0.1", "100.0"), else with an exponent of two digits or more ("1e-05", "1.5e+16"); "nan",
 * "inf", "-inf"; "True" and "False". A text becomes a number by way of f64 or, for integers, of its integer part.
 * Other dtypes than those below are reached through Cast between numbers. */
#include "base/check.h"
#include "base/number.h"
#include "net/host_ops.h"
#include "net/host_util.h"
#include "tensor/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 64, NUMBER_MAX = 1200 };

/* ---- to strings */

/* v rounded to `count` digits: the digits without a point, and the power of ten of the first. printf's point follows
 * the locale, so digits alone are taken. */
static int digits_of(double v, int count, char *digits, int *power)
{
    char text[TEXT_MAX];
    int n = 0, p = 0;
    bool down = false;
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') digits[n++] = *at;
    for (; *at; at++) {
        down |= *at == '-';
        if (*at >= '0' && *at <= '9') p = p * 10 + (*at - '0');
    }
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    *power = down ? -p : p;
    return n;
}

static double narrowed(double v, glia_dtype t)
{
    if (t == GLIA_F32) return (double)(float)v;
    if (t == GLIA_F16) return (double)glia_f16_to_f32(glia_f32_to_f16((float)v));
    if (t == GLIA_BF16) return (double)glia_bf16_to_f32(glia_f32_to_bf16((float)v));
    return v;
}

static int float_text(double v, glia_dtype t, char out[TEXT_MAX])
{
    if (v != v || isinf(v)) return snprintf(out, TEXT_MAX, "%s", v != v ? "nan" : v < 0 ? "-inf" : "inf");
    char digits[TEXT_MAX], short_text[TEXT_MAX];
    const double size = fabs(v);
    double back;
    int count = 0, power = 0, n = 0;
    for (int want = 1; want <= 17; want++) {
        count = digits_of(size, want, digits, &power);
        const int len = snprintf(short_text, sizeof short_text, "%se%d", digits, power - count + 1);
        if (size == 0 || (glia_number_parse(short_text, len, &back) && narrowed(back, t) == size)) break;
    }
    if (signbit(v)) out[n++] = '-';
    const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
    if (!plain) {
        out[n++] = digits[0];
        if (count > 1) out[n++] = '.';
        for (int i = 1; i < count; i++) out[n++] = digits[i];
        return n + snprintf(out + n, (size_t)(TEXT_MAX - n), "e%c%02d", power < 0 ? '-' : '+',
                            power < 0 ? -power : power);
    }
    if (power < 0) n += snprintf(out + n, (size_t)(TEXT_MAX - n), "0.%.*s", -power - 1, "0000");
    for (int i = 0; i < count || i <= power + 1; i++) {
        if (power >= 0 && i == power + 1) {
            out[n++] = '.';
            if (i >= count) out[n++] = '0';
        }
        if (i < count) out[n++] = digits[i];
        else if (i <= power) out[n++] = '0';
    }
    out[n] = 0;
    return n;
}

static int number_text(const glia_object *x, int64_t i, char out[TEXT_MAX])
{
    if (x->dtype == GLIA_BOOL)
        return snprintf(out, TEXT_MAX, "%s", ((const uint8_t *)x->data)[i] ? "True" : "False");
    if (x->dtype == GLIA_U64)
        return snprintf(out, TEXT_MAX, "%llu", (unsigned long long)((const uint64_t *)x->data)[i]);
    if (glia_dtype_get(x->dtype)->classes & GLIA_CLASS_INT || x->dtype == GLIA_I4 || x->dtype == GLIA_U4 ||
        x->dtype == GLIA_I2 || x->dtype == GLIA_U2)
        return snprintf(out, TEXT_MAX, "%lld", (long long)glia_object_integer(x, i));
    return float_text(glia_object_number(x, i), x->dtype, out);
}

static glia_status to_strings(glia_host *h, const glia_object *x)
{
    glia_object *o = glia_host_strings(h, x->rank, x->dims);
    char text[TEXT_MAX];
    for (int64_t i = 0; o && i < x->count; i++) {
        const int size = number_text(x, i, text);
        if (glia_object_put_string(o, i, text, size)) continue;
        glia_object_release(o);
        return glia_host_no_object(h);
    }
    if (o) glia_host_set(h, 0, o);
    return o ? GLIA_OK : GLIA_E_NOMEM;
}

/* ---- from strings */

static bool is_word(const char *s, int64_t size, const char *word)
{
    if ((int64_t)strlen(word) != size) return false;
    for (int64_t i = 0; i < size; i++)
        if ((s[i] | 32) != word[i]) return false;
    return true;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* What glia_number_parse wants: no plus, no zeros in front, digits on both sides of the point. */
static bool parse_plain(const char *s, int64_t size, double *out)
{
    char text[NUMBER_MAX];
    int64_t n = 0, i = 0;
    if (size + 3 > NUMBER_MAX) return false;
    while (i + 1 < size && s[i] == '0' && is_digit(s[i + 1])) i++;
    if (i < size && s[i] == '.' && i + 1 < size && is_digit(s[i + 1])) text[n++] = '0';
    for (; i < size; i++) {
        const bool bare = s[i] == '.' && (i + 1 == size || !is_digit(s[i + 1]));
        if (bare && (i == 0 || !is_digit(s[i - 1]))) return false;
        if (!bare) text[n++] = s[i];
    }
    return glia_number_parse(text, n, out);
}

static bool parse_float(const char *s, int64_t size, double *out)
{
    while (size && is_blank(*s)) s++, size--;
    while (size && is_blank(s[size - 1])) size--;
    const bool negative = size && *s == '-';
    if (size && (*s == '-' || *s == '+')) s++, size--;
    if (!size || *s == '-') return false;
    if (is_word(s, size, "inf") || is_word(s, size, "infinity")) *out = (double)INFINITY;
    else if (is_word(s, size, "nan")) *out = (double)NAN;
    else if (!parse_plain(s, size, out)) return false;
    if (negative) *out = -*out;
    return true;
}

/* Whole numbers exactly; others by way of f64, cut towards 0. */
static bool parse_integer(const char *s, int64_t size, int64_t *out)
{
    uint64_t v = 0;
    int64_t i = 0, end = size;
    while (i < end && is_blank(s[i])) i++;
    while (i < end && is_blank(s[end - 1])) end--;
    const bool negative = i < end && s[i] == '-';
    if (i < end && (s[i] == '-' || s[i] == '+')) i++;
    bool whole = i < end && end - i <= 20;
    for (int64_t at = i; whole && at < end; at++) {
        whole = is_digit(s[at]) && !__builtin_mul_overflow(v, (uint64_t)10, &v) &&
                !__builtin_add_overflow(v, (uint64_t)(s[at] - '0'), &v);
    }
    if (whole) {
        *out = (int64_t)(negative ? 0 - v : v);
        return true;
    }
    double d;
    if (!parse_float(s, size, &d) || d != d) return false;
    *out = d >= 9223372036854775808.0 ? INT64_MAX : d <= -9223372036854775808.0 ? INT64_MIN : (int64_t)d;
    return true;
}

static bool parse_bool(const char *s, int64_t size, int64_t *out)
{
    double d = 0;
    const bool yes = is_word(s, size, "true"), no = is_word(s, size, "false");
    if (!yes && !no && !parse_float(s, size, &d)) return false;
    *out = yes || d != 0;
    return true;
}

/* Into F64, I64 or BOOL. */
static glia_object *parsed(glia_host *h, const glia_object *x, glia_dtype t)
{
    void *data;
    glia_object *o = glia_host_tensor(h, t, x->rank, x->dims, &data);
    for (int64_t i = 0; o && i < x->count; i++) {
        int64_t size, v = 0;
        const char *s = glia_object_string(x, i, &size);
        bool good;
        if (t == GLIA_F64) good = parse_float(s, size, (double *)data + i);
        else if (t == GLIA_I64) good = parse_integer(s, size, (int64_t *)data + i);
        else if ((good = parse_bool(s, size, &v))) ((uint8_t *)data)[i] = v != 0;
        if (good) continue;
        glia_host_wrong(h, "G1044", "the text `%.*s` is no number", (int)glia_min(size, 80), s);
        glia_object_release(o);
        return NULL;
    }
    return o;
}

static glia_status from_strings(glia_host *h, const glia_object *x, int32_t onnx_type)
{
    const glia_dtype to = glia_onnx_dtype(onnx_type);
    const bool whole = glia_dtype_get(to)->classes & GLIA_CLASS_INT;
    const glia_dtype by = to == GLIA_BOOL ? GLIA_BOOL : whole ? GLIA_I64 : GLIA_F64;
    if (to == GLIA_DTYPE_NONE)
        return glia_host_refuse(h, "a cast to the type %s", glia_onnx_type_name(onnx_type));
    glia_object *o = parsed(h, x, by), *cast = NULL;
    if (!o) return glia_host_error(h)->status;
    if (to == by) {
        glia_host_set(h, 0, o);
        return GLIA_OK;
    }
    const glia_onnx_attr attr = {.name = "to", .kind = GLIA_ONNX_ATTR_INT, .i = onnx_type};
    const glia_status status = glia_host_call(h, "", "Cast", &attr, 1, &o, 1, &cast, 1);
    glia_object_release(o);
    if (!status) glia_host_set(h, 0, cast);
    return status;
}

/* The type that the node asks for, as a number of the file format; 0: none. */
static int32_t wanted_type(glia_host *h)
{
    const glia_onnx_attr *to = glia_host_attr(h, "to");
    const glia_object *like = to ? NULL : glia_host_in(h, 1);
    if (like) return glia_is_strings(like) ? 8 : glia_onnx_type_of(like->dtype);
    if (!to) return 0;
    if (to->kind == GLIA_ONNX_ATTR_INT) return (int32_t)to->i;
    for (int32_t i = 1; to->kind == GLIA_ONNX_ATTR_STRING && i < 32; i++) { /* version 1: its name */
        const char *name = glia_onnx_type_name(i);
        if ((int64_t)strlen(name) != to->s.size) continue;
        bool same = true;
        for (int64_t j = 0; j < to->s.size; j++) same &= (to->s.text[j] | 32) == (name[j] | 32);
        if (same) return i;
    }
    return 0;
}

glia_status glia_host_cast(glia_host *h)
{
    glia_object *x = glia_host_in(h, 0);
    const int32_t to = wanted_type(h);
    if (!to) return glia_host_fail(h, "a cast without a type to cast to");
    if (glia_is_strings(x)) {
        if (to != 8) return from_strings(h, x, to);
        glia_host_set(h, 0, glia_object_retain(x));
        return GLIA_OK;
    }
    if (!glia_is_tensor(x)) return glia_host_wrong(h, "G1041", "a cast of what is no tensor");
    return to == 8 ? to_strings(h, x) : glia_host_refuse(h, "a cast to the type %s", glia_onnx_type_name(to));
}
