/* GGUF values with their type checked, and the names of types. */
#include "format/gguf.h"

#include "base/error.h"
#include "base/reader.h"
#include "tensor/dtype.h"

#include <string.h>

static const char *const type_names[GLIA_GGUF_TYPE_COUNT] = {
    "U8", "I8", "U16", "I16", "U32", "I32", "F32", "BOOL", "STRING", "ARRAY", "U64", "I64", "F64",
};
static const int8_t type_bytes[GLIA_GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* ggml's list, with gaps where a number never was in a GGUF file. What has a row in the table of dtypes is
 * read; for the others: elements and bytes of a block (0: unknown), and why they are not read. */
static const struct tensor_type {
    const char *name;
    int elements, bytes;
    const char *reason;
} tensor_types[] = {
    [0] = {"F32", 0, 0, 0},
    [1] = {"F16", 0, 0, 0},
    [2] = {"Q4_0", 0, 0, 0},
    [3] = {"Q4_1", 0, 0, 0},
    [6] = {"Q5_0", 0, 0, 0},
    [7] = {"Q5_1", 0, 0, 0},
    [8] = {"Q8_0", 0, 0, 0},
    [10] = {"Q2_K", 0, 0, 0},
    [11] = {"Q3_K", 0, 0, 0},
    [12] = {"Q4_K", 0, 0, 0},
    [13] = {"Q5_K", 0, 0, 0},
    [14] = {"Q6_K", 0, 0, 0},
    [15] = {"Q8_K", 0, 0, 0},
    [16] = {"IQ2_XXS", 0, 0, 0},
    [17] = {"IQ2_XS", 0, 0, 0},
    [18] = {"IQ3_XXS", 0, 0, 0},
    [19] = {"IQ1_S", 0, 0, 0},
    [20] = {"IQ4_NL", 0, 0, 0},
    [21] = {"IQ3_S", 0, 0, 0},
    [22] = {"IQ2_S", 0, 0, 0},
    [23] = {"IQ4_XS", 0, 0, 0},
    [24] = {"I8", 0, 0, 0},
    [25] = {"I16", 0, 0, 0},
    [26] = {"I32", 0, 0, 0},
    [27] = {"I64", 0, 0, 0},
    [28] = {"F64", 0, 0, 0},
    [29] = {"IQ1_M", 0, 0, 0},
    [30] = {"BF16", 0, 0, 0},
    [34] = {"TQ1_0", 0, 0, 0},
    [35] = {"TQ2_0", 0, 0, 0},
    [39] = {"MXFP4", 0, 0, 0},
    [40] = {"NVFP4", 0, 0, 0},
    [41] = {"Q1_0", 0, 0, 0},
    [42] = {"Q2_0", 0, 0, 0},
    [4] = {"Q4_2", 0, 0, "it was withdrawn before GGUF existed"},
    [5] = {"Q4_3", 0, 0, "it was withdrawn before GGUF existed"},
    [9] = {"Q8_1", 32, 36, "it is a format of activations, not of weights"},
    [31] = {"Q4_0_4_4", 32, 18, "it was withdrawn; the same model in Q4_0 can be read"},
    [32] = {"Q4_0_4_8", 32, 18, "it was withdrawn; the same model in Q4_0 can be read"},
    [33] = {"Q4_0_8_8", 32, 18, "it was withdrawn; the same model in Q4_0 can be read"},
    [36] =
        {"I2_S", 0, 0,
         "the order of its bits depends on the processor of the machine that wrote the file, which the file "
         "does not say; the same model in TQ2_0 or TQ1_0 can be read"},
    [37] = {"IQ4_NL_4_8", 32, 18, "it was withdrawn; the same model in IQ4_NL can be read"},
    [38] = {"IQ4_NL_8_8", 32, 18, "it was withdrawn; the same model in IQ4_NL can be read"},
};

static const struct tensor_type *tensor_type(int t)
{
    static const struct tensor_type none = {"?", 0, 0, 0};
    const int n = (int)(sizeof tensor_types / sizeof tensor_types[0]);
    return t >= 0 && t < n && tensor_types[t].name ? &tensor_types[t] : &none;
}

const char *glia_gguf_type_name(int type)
{
    return type >= 0 && type < GLIA_GGUF_TYPE_COUNT ? type_names[type] : "?";
}

int glia_gguf_type_bytes(int type) { return type >= 0 && type < GLIA_GGUF_TYPE_COUNT ? type_bytes[type] : 0; }

const char *glia_gguf_tensor_type_name(int t) { return tensor_type(t)->name; }

const char *glia_gguf_tensor_type_reason(int t)
{
    const char *reason = tensor_type(t)->reason;
    return reason ? reason : "a number that this version does not know";
}

bool glia_gguf_tensor_type_size(int t, int *elements, int *bytes)
{
    const glia_dtype_info *info = glia_dtype_get(glia_dtype_from_gguf(t));
    const struct tensor_type *row = tensor_type(t);
    *elements = info->gguf_type >= 0 ? info->block_elements : row->elements;
    *bytes = info->gguf_type >= 0 ? info->block_bytes : row->bytes;
    return *bytes > 0;
}

/* An integer of any type as its sign and its 64 bits. */
static bool integer_bits(glia_gguf_type type, uint64_t bits, bool *negative)
{
    switch (type) {
    case GLIA_GGUF_U8:
    case GLIA_GGUF_U16:
    case GLIA_GGUF_U32:
    case GLIA_GGUF_U64: *negative = false; return true;
    case GLIA_GGUF_I8:
    case GLIA_GGUF_I16:
    case GLIA_GGUF_I32:
    case GLIA_GGUF_I64: *negative = bits >> 63; return true;
    default: return false;
    }
}

static bool float_bits(glia_gguf_type type, uint64_t bits, double *out)
{
    if (type == GLIA_GGUF_F32) {
        uint32_t b = (uint32_t)bits;
        float f;
        memcpy(&f, &b, sizeof f);
        *out = (double)f;
    } else if (type == GLIA_GGUF_F64) {
        memcpy(out, &bits, sizeof *out);
    } else {
        return false;
    }
    return true;
}

static glia_status absent(const char *key, glia_error *e)
{
    return glia_fail(e, GLIA_E_NOT_FOUND, "G0321", "the key '%.128s' is missing", key);
}

static glia_status wrong(const glia_gguf_value *v, const char *wanted, glia_error *e)
{
    if (v->type == GLIA_GGUF_ARRAY)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0322", v->offset, "'%.128s' is an array of %lld %s, not %s",
                            v->key, (long long)v->count, glia_gguf_type_name((int)v->element), wanted);
    return glia_fail_at(e, GLIA_E_FORMAT, "G0322", v->offset, "'%.128s' is a %s, not %s", v->key,
                        glia_gguf_type_name((int)v->type), wanted);
}

static glia_status as_u64(const glia_gguf_value *v, uint64_t *out, glia_error *e)
{
    bool negative;
    if (!integer_bits(v->type, v->bits, &negative)) return wrong(v, "an integer", e);
    if (negative)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0322", v->offset, "'%.128s' is %lld, below 0", v->key,
                            (long long)v->bits);
    *out = v->bits;
    return GLIA_OK;
}

static glia_status as_i64(const glia_gguf_value *v, int64_t *out, glia_error *e)
{
    bool negative;
    if (!integer_bits(v->type, v->bits, &negative)) return wrong(v, "an integer", e);
    if (!negative && v->bits > INT64_MAX)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0322", v->offset, "'%.128s' is %llu, beyond 2^63", v->key,
                            (unsigned long long)v->bits);
    *out = (int64_t)v->bits;
    return GLIA_OK;
}

static glia_status as_f64(const glia_gguf_value *v, double *out, glia_error *e)
{
    return float_bits(v->type, v->bits, out) ? GLIA_OK : wrong(v, "a float", e);
}

static glia_status as_bool(const glia_gguf_value *v, bool *out, glia_error *e)
{
    if (v->type != GLIA_GGUF_BOOL) return wrong(v, "a bool", e);
    *out = v->bits != 0;
    return GLIA_OK;
}

static glia_status as_string(const glia_gguf_value *v, glia_gguf_string *out, glia_error *e)
{
    if (v->type != GLIA_GGUF_STRING) return wrong(v, "a string", e);
    *out = v->strings[0];
    return GLIA_OK;
}

static glia_status as_array(const glia_gguf_value *v, glia_gguf_type element, const glia_gguf_value **out,
                            glia_error *e)
{
    if (v->type != GLIA_GGUF_ARRAY || v->element != element) {
        glia_status s = wrong(v, "an array", e);
        glia_error_more(e, "its elements should be %s", glia_gguf_type_name((int)element));
        return s;
    }
    *out = v;
    return GLIA_OK;
}

glia_status glia_gguf_u64(const glia_gguf *g, const char *key, uint64_t *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_u64(v, out, e) : absent(key, e);
}

glia_status glia_gguf_u64_or(const glia_gguf *g, const char *key, uint64_t fallback, uint64_t *out,
                             glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_u64(v, out, e);
    *out = fallback;
    return GLIA_OK;
}

glia_status glia_gguf_i64(const glia_gguf *g, const char *key, int64_t *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_i64(v, out, e) : absent(key, e);
}

glia_status glia_gguf_i64_or(const glia_gguf *g, const char *key, int64_t fallback, int64_t *out,
                             glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_i64(v, out, e);
    *out = fallback;
    return GLIA_OK;
}

glia_status glia_gguf_f64(const glia_gguf *g, const char *key, double *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_f64(v, out, e) : absent(key, e);
}

glia_status glia_gguf_f64_or(const glia_gguf *g, const char *key, double fallback, double *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_f64(v, out, e);
    *out = fallback;
    return GLIA_OK;
}

glia_status glia_gguf_bool(const glia_gguf *g, const char *key, bool *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_bool(v, out, e) : absent(key, e);
}

glia_status glia_gguf_bool_or(const glia_gguf *g, const char *key, bool fallback, bool *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_bool(v, out, e);
    *out = fallback;
    return GLIA_OK;
}

glia_status glia_gguf_string_of(const glia_gguf *g, const char *key, glia_gguf_string *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_string(v, out, e) : absent(key, e);
}

glia_status glia_gguf_string_or(const glia_gguf *g, const char *key, const char *fallback,
                                glia_gguf_string *out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_string(v, out, e);
    out->text = fallback;
    out->size = fallback ? (int64_t)strlen(fallback) : 0;
    return GLIA_OK;
}

glia_status glia_gguf_array_of(const glia_gguf *g, const char *key, glia_gguf_type element,
                               const glia_gguf_value **out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    return v ? as_array(v, element, out, e) : absent(key, e);
}

glia_status glia_gguf_array_or_null(const glia_gguf *g, const char *key, glia_gguf_type element,
                                    const glia_gguf_value **out, glia_error *e)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    if (v) return as_array(v, element, out, e);
    *out = NULL;
    return GLIA_OK;
}

/* The bits of element i, extended as those of a scalar are. */
static bool element_bits(const glia_gguf_value *v, int64_t i, uint64_t *bits)
{
    if (i < 0 || i >= v->count || v->strings) return false;
    if (v->type != GLIA_GGUF_ARRAY) {
        *bits = v->bits;
        return true;
    }
    int64_t each = glia_gguf_type_bytes((int)v->element);
    glia_reader r = glia_reader_make((const uint8_t *)v->data + i * each, each);
    switch (v->element) {
    case GLIA_GGUF_I8: *bits = (uint64_t)(int64_t)(int8_t)glia_read_u8(&r); break;
    case GLIA_GGUF_I16: *bits = (uint64_t)(int64_t)(int16_t)glia_read_u16(&r); break;
    case GLIA_GGUF_I32: *bits = (uint64_t)(int64_t)(int32_t)glia_read_u32(&r); break;
    default:
        *bits = each == 1   ? glia_read_u8(&r)
                : each == 2 ? glia_read_u16(&r)
                : each == 4 ? glia_read_u32(&r)
                            : glia_read_u64(&r);
    }
    return !r.failed;
}

bool glia_gguf_element_i64(const glia_gguf_value *v, int64_t i, int64_t *out)
{
    uint64_t bits;
    bool negative = false;
    if (!element_bits(v, i, &bits)) return false;
    if (v->element != GLIA_GGUF_BOOL && !integer_bits(v->element, bits, &negative)) return false;
    if (!negative && bits > INT64_MAX) return false;
    *out = (int64_t)bits;
    return true;
}

bool glia_gguf_element_f64(const glia_gguf_value *v, int64_t i, double *out)
{
    uint64_t bits;
    return element_bits(v, i, &bits) && float_bits(v->element, bits, out);
}
