/* Operators that compute element by element. */
#include <math.h>

#include "net/host_ops.h"
#include "net/ops_words.h"

/* ---- two inputs ---------------------------------------------------------------------------------------- */

/* Before version 7 broadcasting was asked for, and `axis` said where the second input's first axis lies. */
static glia_value second(glia_emit *m, glia_value a)
{
    glia_value b = glia_emit_in(m, 1);
    const int64_t axis = glia_emit_int(m, "axis", -1);
    if (glia_emit_version(m) >= 7 || !glia_emit_int(m, "broadcast", 0) || !glia_emit_has_attr(m, "axis"))
        return b;
    const glia_type t = *glia_emit_type(m, b);
    const int rank = glia_emit_rank(m, a);
    int at;
    if (!a.id || !b.id || !glia_emit_axis(m, axis, rank, &at)) return (glia_value){0};
    int64_t dims[GLIA_RANK_MAX];
    int n = 0;
    for (int i = 0; i < t.rank && n < GLIA_RANK_MAX; i++) dims[n++] = t.dims[i];
    while (n < rank - at) dims[n++] = 1;
    return glia_emit_reshape(m, b, n, dims);
}

static bool emit_binary(glia_emit *m)
{
    static const struct {
        const char *onnx, *op;
    } table[] = {{"Add", "add"},
                 {"Sub", "sub"},
                 {"Mul", "mul"},
                 {"Div", "div"},
                 {"Equal", "eq"},
                 {"Greater", "gt"},
                 {"GreaterOrEqual", "ge"},
                 {"Less", "lt"},
                 {"LessOrEqual", "le"},
                 {"And", "and"},
                 {"Or", "or"},
                 {"Xor", "xor"},
                 {"BitwiseAnd", "bit_and"},
                 {"BitwiseOr", "bit_or"},
                 {"BitwiseXor", "bit_xor"}};
    glia_value a = glia_emit_in(m, 0), b = second(m, a);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].onnx, glia_emit_op(m)))
            glia_emit_set(m, 0, glia_emit_binary(m, table[i].op, a, b));
    return true;
}

static bool emit_mod(glia_emit *m)
{
    const char *op = glia_emit_int(m, "fmod", 0) ? "rem" : "mod";
    glia_emit_set(m, 0, glia_emit_binary(m, op, glia_emit_in(m, 0), glia_emit_in(m, 1)));
    return true;
}

static bool emit_bit_shift(glia_emit *m)
{
    const char *way = glia_emit_string(m, "direction", "");
    if (strcmp(way, "LEFT") && strcmp(way, "RIGHT"))
        return glia_emit_fail(m, "direction is LEFT or RIGHT, not `%.20s`", way);
    const char *op = *way == 'L' ? "shift_left" : "shift_right";
    glia_emit_set(m, 0, glia_emit_binary(m, op, glia_emit_in(m, 0), glia_emit_in(m, 1)));
    return true;
}

/* x^n for the exponents that models have, without a logarithm. */
static glia_value easy_power(glia_emit *m, glia_value x, glia_value y)
{
    double n = 0;
    if (!glia_emit_is_float(m, x) || glia_emit_elements(m, y) != 1 ||
        glia_emit_rank(m, y) > glia_emit_rank(m, x) || !glia_emit_known(m, y) || !glia_emit_number(m, 1, &n))
        return (glia_value){0};
    if (n == 1) return x;
    if (n == 2) return glia_emit_binary(m, "mul", x, x);
    if (n == 3) return glia_emit_binary(m, "mul", glia_emit_binary(m, "mul", x, x), x);
    if (n == -1) return glia_word_1(m, "reciprocal", x);
    return (glia_value){0};
}

/* The result has the base's dtype. A float in an integer's power stays one; an integer with a float computes in f64. */
static bool emit_pow(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), y = second(m, x), z = easy_power(m, x, y);
    const glia_dtype t = glia_emit_dtype(m, x), e = glia_emit_dtype(m, y);
    if (!z.id && t == e && !glia_word_narrow(t)) z = glia_emit_binary(m, "pow", x, y);
    else if (!z.id) {
        const bool whole = glia_word_is_int(t) && glia_word_is_int(e);
        const glia_dtype by = whole                                                   ? t
                              : glia_word_is_int(t) || t == GLIA_F64 || e == GLIA_F64 ? GLIA_F64
                                                                                      : GLIA_F32;
        z = glia_emit_binary(m, "pow", glia_emit_cast(m, x, by), glia_emit_cast(m, y, by));
    }
    glia_emit_set(m, 0, glia_emit_cast(m, z, t));
    return true;
}

/* Max, Min, Sum and Mean of any number of inputs. */
static bool emit_several(glia_emit *m)
{
    const char *name = glia_emit_op(m);
    const char *op = !strcmp(name, "Max") ? "max" : !strcmp(name, "Min") ? "min" : "add";
    const int count = glia_emit_in_count(m);
    glia_value y = glia_emit_in(m, 0);
    const glia_dtype t = glia_emit_dtype(m, y);
    const bool sums = *op == 'a' && count > 2;
    if (sums) y = glia_word_wide(m, y);
    for (int i = 1; i < count; i++) {
        glia_value x = glia_emit_in(m, i);
        y = glia_emit_binary(m, op, y, sums ? glia_word_wide(m, x) : x);
    }
    if (!strcmp(name, "Mean")) y = glia_emit_with(m, "div", y, count);
    glia_emit_set(m, 0, glia_emit_cast(m, y, t));
    return true;
}

static bool emit_where(glia_emit *m)
{
    glia_emit_set(m, 0, glia_word_where(m, glia_emit_in(m, 0), glia_emit_in(m, 1), glia_emit_in(m, 2)));
    return true;
}

/* The slope broadcasts to x in one direction; before version 7 one number a channel lies along axis 1. */
static bool emit_prelu(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), slope = glia_emit_in(m, 1);
    const int rank = glia_emit_rank(m, x);
    if (glia_emit_version(m) < 7 && rank > 2 && glia_emit_rank(m, slope) == 1 &&
        glia_emit_elements(m, slope) > 1)
        slope = glia_word_along(m, slope, 1, rank);
    glia_emit_set(m, 0, glia_emit_binary(m, "prelu", x, slope));
    return true;
}

/* ---- one input ------------------------------------------------------------------------------------------ */

static bool emit_unary(glia_emit *m)
{
    static const struct {
        const char *onnx, *op;
        bool integers, keeps_unsigned;
    } table[] = {{"Abs", "abs", true, true},
                 {"Neg", "neg", true, false},
                 {"Relu", "relu", true, true},
                 {"Sign", "sign", true, false},
                 {"BitwiseNot", "bit_not", true, false},
                 {"Not", "not", true, false},
                 {"Ceil", "ceil", false, false},
                 {"Floor", "floor", false, false},
                 {"Round", "round", false, false},
                 {"Exp", "exp", false, false},
                 {"Log", "log", false, false},
                 {"Sqrt", "sqrt", false, false},
                 {"Reciprocal", "reciprocal", false, false},
                 {"Sin", "sin", false, false},
                 {"Cos", "cos", false, false},
                 {"Tan", "tan", false, false},
                 {"Asin", "asin", false, false},
                 {"Acos", "acos", false, false},
                 {"Atan", "atan", false, false},
                 {"Sinh", "sinh", false, false},
                 {"Cosh", "cosh", false, false},
                 {"Tanh", "tanh", false, false},
                 {"Asinh", "asinh", false, false},
                 {"Acosh", "acosh", false, false},
                 {"Atanh", "atanh", false, false},
                 {"Erf", "erf", false, false},
                 {"Sigmoid", "sigmoid", false, false},
                 {"Softplus", "softplus", false, false}};
    glia_value x = glia_emit_in(m, 0), y = x;
    const glia_dtype t = glia_emit_dtype(m, x);
    const char *name = glia_emit_op(m);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].onnx, name)) continue;
        if (table[i].keeps_unsigned && glia_word_is_unsigned(t)) break;
        if (!strcmp(name, "Sign") && glia_word_is_unsigned(t)) y = glia_emit_with(m, "min", x, 1);
        else if (table[i].integers || glia_emit_is_float(m, x)) y = glia_word_1(m, table[i].op, x);
        else y = glia_word_1(m, table[i].op, glia_emit_cast(m, x, GLIA_F32));
    }
    glia_emit_set(m, 0, glia_emit_cast(m, y, *name == 'N' && t == GLIA_BOOL ? GLIA_BOOL : t));
    return true;
}

static bool emit_is_nan(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    if (!glia_emit_is_float(m, x)) x = glia_emit_cast(m, x, GLIA_F32);
    glia_emit_set(m, 0, glia_emit_binary(m, "ne", x, x));
    return true;
}

static bool emit_is_inf(glia_emit *m)
{
    const bool negative = glia_emit_int(m, "detect_negative", 1) != 0,
               positive = glia_emit_int(m, "detect_positive", 1) != 0;
    glia_value x = glia_emit_in(m, 0);
    if (!glia_emit_is_float(m, x)) x = glia_emit_cast(m, x, GLIA_F32);
    if (negative && positive) x = glia_word_1(m, "abs", x);
    if (negative || positive) x = glia_emit_with(m, "eq", x, positive ? INFINITY : -INFINITY);
    else x = glia_emit_binary(m, "lt", x, x); /* neither: false everywhere */
    glia_emit_set(m, 0, x);
    return true;
}

/* A bound that is known, or -inf and inf where there is none; *open: it is not known yet. */
static double bound(glia_emit *m, const char *attr, int input, double otherwise, bool *open)
{
    double number = otherwise;
    *open = false;
    if (glia_emit_version(m) < 11) return glia_emit_float(m, attr, otherwise);
    if (!glia_emit_has(m, input)) return otherwise;
    *open = !glia_emit_known(m, glia_emit_in(m, input)) || !glia_emit_number(m, input, &number);
    return number;
}

static bool emit_clip(glia_emit *m)
{
    bool open_low, open_high;
    glia_value x = glia_emit_in(m, 0);
    const double low = bound(m, "min", 1, -INFINITY, &open_low),
                 high = bound(m, "max", 2, INFINITY, &open_high);
    if (glia_emit_is_float(m, x) && !open_low && !open_high && low <= high && low > -INFINITY &&
        high < INFINITY) {
        const glia_attr_arg attrs[] = {GLIA_FLOAT("min", low), GLIA_FLOAT("max", high), {0}};
        glia_emit_set(m, 0, glia_emit_node(m, "clip", attrs, 1, x));
        return true;
    }
    const bool old = glia_emit_version(m) < 11;
    if (old ? low > -INFINITY : glia_emit_has(m, 1))
        x = old ? glia_emit_with(m, "max", x, low) : glia_emit_binary(m, "max", x, glia_emit_in(m, 1));
    if (old ? high < INFINITY : glia_emit_has(m, 2))
        x = old ? glia_emit_with(m, "min", x, high) : glia_emit_binary(m, "min", x, glia_emit_in(m, 2));
    glia_emit_set(m, 0, x);
    return true;
}

/* ---- dtypes --------------------------------------------------------------------------------------------- */

static bool cast_to(glia_emit *m, glia_value x, glia_dtype to)
{
    static const char *const rounds[] = {"nearest", "up", "down"};
    const char *round = glia_emit_string(m, "round_mode", "up");
    int way = 0;
    while (way < 3 && strcmp(rounds[way], round)) way++;
    if (way == 3) return glia_emit_fail(m, "round_mode is up, down or nearest, not `%.20s`", round);
    const glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", to),
                                   GLIA_INT("saturate", glia_emit_int(m, "saturate", 1) != 0),
                                   GLIA_INT("round", way),
                                   {0}};
    if (glia_emit_dtype(m, x) == to || !x.id) glia_emit_set(m, 0, x);
    else if (glia_dtype_get(to)->classes & GLIA_CLASS_LOWBIT)
        glia_emit_set(m, 0, glia_emit_node(m, "cast", attrs, 1, x));
    else glia_emit_set(m, 0, glia_emit_cast(m, x, to));
    return true;
}

enum { ONNX_STRING = 8 };

/* The first version named the dtype by its word in TensorProto.DataType. */
static int64_t target(glia_emit *m)
{
    const glia_onnx_attr *a = glia_emit_attr(m, "to");
    if (!a || a->kind != GLIA_ONNX_ATTR_STRING) return glia_emit_int(m, "to", 0);
    for (int32_t t = 1; t < 32; t++) {
        const char *name = glia_onnx_type_name(t);
        size_t i = 0;
        while (name[i] && i < (size_t)a->s.size && (name[i] | 32) == (a->s.text[i] | 32)) i++;
        if (!name[i] && i == (size_t)a->s.size) return t;
    }
    return 0;
}

static bool emit_cast(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const int64_t t = target(m);
    if (t == ONNX_STRING) return glia_emit_host(m, "it makes strings");
    const glia_dtype to = t > 0 && t < 64 ? glia_onnx_dtype((int32_t)t) : GLIA_DTYPE_NONE;
    if (to == GLIA_DTYPE_NONE) return glia_emit_refuse(m, "a cast to the data type %lld", (long long)t);
    return cast_to(m, x, to);
}

static bool emit_cast_like(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), like = glia_emit_in(m, 1);
    return !like.id ? false : cast_to(m, x, glia_emit_dtype(m, like));
}

static bool emit_bit_cast(glia_emit *m)
{
    const int64_t t = glia_emit_int(m, "to", 0);
    const glia_dtype to = t > 0 && t < 64 ? glia_onnx_dtype((int32_t)t) : GLIA_DTYPE_NONE;
    if (to == GLIA_DTYPE_NONE) return glia_emit_refuse(m, "the bits of data type %lld", (long long)t);
    const glia_attr_arg attrs[] = {GLIA_TYPE_ATTR("to", to), {0}};
    glia_emit_set(m, 0, glia_emit_node(m, "bit_cast", attrs, 1, glia_emit_in(m, 0)));
    return true;
}

const glia_net_op glia_net_ops_math[] = {
    {"", "Abs", emit_unary, NULL, 0},
    {"", "Acos", emit_unary, NULL, 0},
    {"", "Acosh", emit_unary, NULL, 0},
    {"", "Add", emit_binary, NULL, 0},
    {"", "And", emit_binary, NULL, 0},
    {"", "Asin", emit_unary, NULL, 0},
    {"", "Asinh", emit_unary, NULL, 0},
    {"", "Atan", emit_unary, NULL, 0},
    {"", "Atanh", emit_unary, NULL, 0},
    {"", "BitCast", emit_bit_cast, NULL, 0},
    {"", "BitShift", emit_bit_shift, NULL, 0},
    {"", "BitwiseAnd", emit_binary, NULL, 0},
    {"", "BitwiseNot", emit_unary, NULL, 0},
    {"", "BitwiseOr", emit_binary, NULL, 0},
    {"", "BitwiseXor", emit_binary, NULL, 0},
    {"", "Cast", emit_cast, glia_host_cast, 0},
    {"", "CastLike", emit_cast_like, glia_host_cast, 0},
    {"", "Ceil", emit_unary, NULL, 0},
    {"", "Clip", emit_clip, NULL, 0},
    {"", "Cos", emit_unary, NULL, 0},
    {"", "Cosh", emit_unary, NULL, 0},
    {"", "Div", emit_binary, NULL, 0},
    {"", "Equal", emit_binary, glia_host_equal_strings, 0},
    {"", "Erf", emit_unary, NULL, 0},
    {"", "Exp", emit_unary, NULL, 0},
    {"", "Floor", emit_unary, NULL, 0},
    {"", "Greater", emit_binary, NULL, 0},
    {"", "GreaterOrEqual", emit_binary, NULL, 0},
    {"", "IsInf", emit_is_inf, NULL, 0},
    {"", "IsNaN", emit_is_nan, NULL, 0},
    {"", "Less", emit_binary, NULL, 0},
    {"", "LessOrEqual", emit_binary, NULL, 0},
    {"", "Log", emit_unary, NULL, 0},
    {"", "Max", emit_several, NULL, 0},
    {"", "Mean", emit_several, NULL, 0},
    {"", "Min", emit_several, NULL, 0},
    {"", "Mod", emit_mod, NULL, 0},
    {"", "Mul", emit_binary, NULL, 0},
    {"", "Neg", emit_unary, NULL, 0},
    {"", "Not", emit_unary, NULL, 0},
    {"", "Or", emit_binary, NULL, 0},
    {"", "PRelu", emit_prelu, NULL, 0},
    {"", "Pow", emit_pow, NULL, 0},
    {"", "Reciprocal", emit_unary, NULL, 0},
    {"", "Relu", emit_unary, NULL, 0},
    {"", "Round", emit_unary, NULL, 0},
    {"", "Sigmoid", emit_unary, NULL, 0},
    {"", "Sign", emit_unary, NULL, 0},
    {"", "Sin", emit_unary, NULL, 0},
    {"", "Sinh", emit_unary, NULL, 0},
    {"", "Softplus", emit_unary, NULL, 0},
    {"", "Sqrt", emit_unary, NULL, 0},
    {"", "Sub", emit_binary, NULL, 0},
    {"", "Sum", emit_several, NULL, 0},
    {"", "Tan", emit_unary, NULL, 0},
    {"", "Tanh", emit_unary, NULL, 0},
    {"", "Where", emit_where, NULL, GLIA_NET_MOVES},
    {"", "Xor", emit_binary, NULL, 0},
    {0},
};
