/* TensorProto and SparseTensorProto. Numbers lie in raw_data, or in a typed field: float_data, int64_data, and so on,
 * narrow types in int32_data. What a raw field or a single packed run of floats holds is used where it lies: its
 * first bytes overlap nothing that is still to be read, so that in memory of our own they are moved down to their
 * alignment; else it is copied. */
#include "format/onnx_internal.h"

#include "base/check.h"
#include "tensor/dtype.h"
#include "tensor/lowbit.h"

#include <string.h>

enum { STRING = 8, BOOL = 9, COMPLEX64 = 14, COMPLEX128 = 15 }; /* TensorProto.DataType */

enum { RUN_FLOAT, RUN_INT32, RUN_INT64, RUN_DOUBLE, RUN_UINT64, RUNS }; /* typed fields of numbers */

static const struct {
    uint8_t number, wire;
    const char *name;
} runs[RUNS] = {{4, GLIA_PROTO_4, "float_data"},
                {5, GLIA_PROTO_VARINT, "int32_data"},
                {7, GLIA_PROTO_VARINT, "int64_data"},
                {10, GLIA_PROTO_8, "double_data"},
                {11, GLIA_PROTO_VARINT, "uint64_data"}};

typedef struct raw_tensor { /* what a first walk over the message finds */
    glia_span self, raw;
    bool has_raw, external;
    int64_t type;
    int64_t counts[RUNS], fields[RUNS]; /* numbers; occurrences of the field */
    int64_t strings, entries;           /* string_data, external_data */
    glia_span last[RUNS];               /* the last packed run */
} raw_tensor;

static const char *name_of(const glia_onnx_tensor *t) { return t->name.text ? t->name.text : ""; }

static bool take_dims(glia_onnx_parser *p, glia_proto_field *f, glia_onnx_tensor *t)
{
    int64_t n = glia_proto_count(f, GLIA_PROTO_VARINT);
    if (n < 0) return glia_onnx_wrong_wire(p, f, "TensorProto");
    for (; n > 0; n--) {
        if (t->rank == GLIA_RANK_MAX)
            return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1006", f->at,
                                  "a tensor of more than %d dimensions", GLIA_RANK_MAX);
        t->dims[t->rank++] = (int64_t)glia_proto_take(f, GLIA_PROTO_VARINT);
    }
    return true;
}

static bool take_run(glia_onnx_parser *p, const glia_proto_field *f, raw_tensor *raw)
{
    for (int i = 0; i < RUNS; i++) {
        if (runs[i].number != f->number) continue;
        const int64_t n = glia_proto_count(f, runs[i].wire);
        if (n < 0) return glia_onnx_wrong_wire(p, f, "TensorProto");
        raw->counts[i] += n;
        raw->fields[i]++;
        raw->last[i] = f->bytes;
    }
    return true;
}

/* One field of the first walk. */
static bool scan_field(glia_onnx_parser *p, glia_proto_field *f, raw_tensor *raw, glia_onnx_tensor *t)
{
    const bool bytes = f->wire == GLIA_PROTO_BYTES, number = f->wire == GLIA_PROTO_VARINT;
    switch (f->number) {
    case 1: return take_dims(p, f, t);
    case 2: raw->type = (int64_t)f->bits; return number || glia_onnx_wrong_wire(p, f, "TensorProto");
    case 3: return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1009", f->at, "a tensor stored in segments");
    case 6: raw->strings++; return bytes || glia_onnx_wrong_wire(p, f, "TensorProto");
    case 8: return glia_onnx_name(p, f, "TensorProto", &t->name.text);
    case 9:
        raw->raw = f->bytes;
        raw->has_raw = true;
        return bytes || glia_onnx_wrong_wire(p, f, "TensorProto");
    case 13: raw->entries++; return bytes || glia_onnx_wrong_wire(p, f, "TensorProto");
    case 14: raw->external = f->bits == 1; return number || glia_onnx_wrong_wire(p, f, "TensorProto");
    default: return take_run(p, f, raw);
    }
}

/* dtype, element count and bytes from the type's number and the dims. */
static bool size_up(glia_onnx_parser *p, const raw_tensor *raw, glia_onnx_tensor *t)
{
    const bool known = raw->type > 0 && raw->type <= INT32_MAX;
    t->onnx_type = known ? (int32_t)raw->type : 0;
    t->is_string = raw->type == STRING;
    t->complex = raw->type == COMPLEX64 || raw->type == COMPLEX128;
    t->dtype = t->complex ? raw->type == COMPLEX64 ? GLIA_F32 : GLIA_F64 : glia_onnx_dtype(t->onnx_type);
    if (!t->dtype && !t->is_string)
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1005", raw->self.data,
                              "tensor '%.64s' has the element type %lld, which is not known here", name_of(t),
                              (long long)raw->type);
    if (t->complex) {
        if (t->rank == GLIA_RANK_MAX)
            return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1006", raw->self.data,
                                  "complex tensor '%.64s' has more than %d dimensions", name_of(t),
                                  GLIA_RANK_MAX - 1);
        t->dims[t->rank++] = 2;
    }
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] < 0)
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1006", raw->self.data,
                                  "tensor '%.64s' has the dimension %lld", name_of(t), (long long)t->dims[i]);
        if (!glia_mul(t->count, t->dims[i], &t->count))
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1006", raw->self.data,
                                  "tensor '%.64s' has more than 2^63 elements", name_of(t));
    }
    if (!glia_mul(t->count, t->is_string ? 1 : glia_dtype_get(t->dtype)->block_bytes, &t->bytes))
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1006", raw->self.data,
                              "tensor '%.64s' is beyond 2^63 bytes", name_of(t));
    if (t->is_string) t->bytes = 0;
    return true;
}

static bool wrong_length(glia_onnx_parser *p, const raw_tensor *raw, const glia_onnx_tensor *t, int64_t have,
                         const char *what, int64_t want)
{
    return glia_onnx_fail(p, GLIA_E_FORMAT, "G1007", raw->self.data,
                          "tensor '%.64s' has %lld %s where its shape and type (%s) ask for %lld", name_of(t),
                          (long long)have, what, glia_onnx_type_name(t->onnx_type), (long long)want);
}

bool glia_onnx_file_bytes(const glia_onnx_tensor *t, int64_t *out)
{
    *out = t->bytes;
    return !glia_lowbit_bits(t->dtype) || glia_lowbit_packed_bytes(t->dtype, t->count, out);
}

/* Data of just the right length that lie in the file. */
static bool use_raw(glia_onnx_parser *p, const raw_tensor *raw, glia_span s, glia_onnx_tensor *t)
{
    const int64_t align = t->dtype ? glia_dtype_get(t->dtype)->block_bytes : 1;
    const int bits = glia_lowbit_bits(t->dtype);
    if (!t->count) return true;
    const uint64_t off = (uintptr_t)s.data % (uint64_t)align;
    uint8_t *to;
    if (!p->copy && !off && (!bits || bits == 8)) {
        t->data = s.data;
        return true;
    }
    if (!p->copy && p->own && (!bits || bits == 8) && s.data - raw->self.data >= (int64_t)off) {
        to = p->own + (s.data - p->base) - off;
        memmove(to, s.data, (size_t)s.size);
        t->data = to;
        return true;
    }
    to = glia_arena_alloc(p->arena, t->bytes, t->bytes >= 64 ? 64 : 8);
    if (!to) return glia_onnx_nomem(p);
    if (bits && bits < 8) glia_lowbit_unpack(t->dtype, s.data, t->count, to);
    else memcpy(to, s.data, (size_t)s.size);
    t->data = to;
    return true;
}

static int run_of(const glia_onnx_tensor *t)
{
    switch (t->dtype) {
    case GLIA_F32: return RUN_FLOAT;
    case GLIA_F64: return RUN_DOUBLE;
    case GLIA_I64: return RUN_INT64;
    case GLIA_U32:
    case GLIA_U64: return RUN_UINT64;
    default: return RUN_INT32;
    }
}

/* Writes the number v as element i, or as the packed byte i of a dtype of 4 or 2 bits. False: it does not fit. */
static bool put_number(const glia_onnx_tensor *t, uint8_t *to, int64_t i, uint64_t v, int width)
{
    const int64_t s = (int64_t)v, most = width < 8 ? (int64_t)1 << (8 * width) : 0;
    if (width < 8 && (s >= most || s < -(most / 2))) return false;
    if (t->onnx_type == BOOL && v > 1) return false;
    if (glia_lowbit_bits(t->dtype) == 6 && v > 63) return false;
    for (int b = 0; b < width; b++) to[i * width + b] = (uint8_t)(v >> (8 * b));
    return true;
}

static bool fill_numbers(glia_onnx_parser *p, const raw_tensor *raw, const glia_onnx_tensor *t, int which,
                         uint8_t *to, int width)
{
    glia_proto r = glia_proto_make(raw->self);
    glia_proto_field f;
    int64_t i = 0;
    while (glia_proto_next(&r, &f)) {
        if (f.number != runs[which].number) continue;
        for (int64_t n = glia_proto_count(&f, runs[which].wire); n > 0; n--, i++) {
            const uint64_t v = glia_proto_take(&f, runs[which].wire);
            if (!put_number(t, to, i, v, width))
                return glia_onnx_fail(p, GLIA_E_FORMAT, "G1008", f.at,
                                      "element %lld of tensor '%.64s' is %lld, which is no %s", (long long)i,
                                      name_of(t), (long long)v, glia_onnx_type_name(t->onnx_type));
        }
    }
    return true;
}

/* Elements out of a typed field. Those of 4 and 2 bits come packed, a byte a number. */
static bool use_run(glia_onnx_parser *p, const raw_tensor *raw, glia_onnx_tensor *t)
{
    const int which = run_of(t), bits = glia_lowbit_bits(t->dtype);
    const bool packed = bits == 4 || bits == 2;
    int64_t want = t->count;
    if (packed && !glia_lowbit_packed_bytes(t->dtype, t->count, &want)) return glia_onnx_nomem(p);
    if (raw->counts[which] != want)
        return wrong_length(p, raw, t, raw->counts[which], runs[which].name, want);
    if (raw->fields[which] == 1 && raw->last[which].size == t->bytes && runs[which].wire != GLIA_PROTO_VARINT)
        return use_raw(p, raw, raw->last[which], t);
    if (!t->count) return true;
    const int width = glia_dtype_get(t->dtype)->block_bytes;
    uint8_t *to = glia_arena_alloc(p->arena, t->bytes, 8), *from = to;
    if (to && packed) from = glia_arena_alloc(p->arena, want, 8);
    if (!to || !from) return glia_onnx_nomem(p);
    if (!fill_numbers(p, raw, t, which, from, width)) return false;
    if (packed) glia_lowbit_unpack(t->dtype, from, t->count, to);
    t->data = to;
    return true;
}

static bool use_strings(glia_onnx_parser *p, const raw_tensor *raw, glia_onnx_tensor *t)
{
    if (raw->strings != t->count || raw->has_raw)
        return wrong_length(p, raw, t, raw->strings, "string_data", t->count);
    glia_onnx_text *s = GLIA_NEW_ARRAY(p->arena, glia_onnx_text, t->count);
    if (!s) return glia_onnx_nomem(p);
    glia_proto r = glia_proto_make(raw->self);
    glia_proto_field f;
    for (int64_t i = 0; glia_proto_next(&r, &f);) {
        if (f.number == 6 && !glia_onnx_bytes(p, &f, "TensorProto", &s[i++])) return false;
    }
    t->strings = s;
    return true;
}

/* StringStringEntryProto: key 1, value 2. */
static bool parse_entry(glia_onnx_parser *p, glia_span s, glia_onnx_text *key, glia_onnx_text *value)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    *key = *value = (glia_onnx_text){"", 0};
    while (glia_proto_next(&r, &f)) {
        glia_onnx_text *to = f.number == 1 ? key : f.number == 2 ? value : NULL;
        if (to && !glia_onnx_name(p, &f, "StringStringEntryProto", &to->text)) return false;
        if (to) to->size = f.bytes.size;
    }
    return glia_onnx_fields_end(p, &r, "StringStringEntryProto");
}

static bool use_external(glia_onnx_parser *p, const raw_tensor *raw, glia_onnx_tensor *t)
{
    enum { MOST = 16 };
    glia_onnx_text keys[MOST], values[MOST];
    int64_t n = 0;
    if (t->is_string)
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1011", raw->self.data,
                              "strings of '%.64s' in an external file", name_of(t));
    glia_proto r = glia_proto_make(raw->self);
    glia_proto_field f;
    while (glia_proto_next(&r, &f)) {
        if (f.number != 13) continue;
        if (n == MOST)
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1011", f.at,
                                  "tensor '%.64s' has more than %d external entries", name_of(t), MOST);
        if (!parse_entry(p, f.bytes, &keys[n], &values[n])) return false;
        n++;
    }
    return glia_onnx_place_external(p, t, keys, values, n);
}

static bool check_bools(glia_onnx_parser *p, const raw_tensor *raw, const glia_onnx_tensor *t)
{
    const uint8_t *b = t->data;
    for (int64_t i = 0; b && i < t->count; i++) {
        if (b[i] > 1)
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1008", raw->self.data,
                                  "element %lld of the bools of '%.64s' is %d, neither 0 nor 1", (long long)i,
                                  name_of(t), b[i]);
    }
    return true;
}

bool glia_onnx_parse_tensor(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_tensor *t = out;
    raw_tensor raw = {.self = s};
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    *t = (glia_onnx_tensor){.name = {"", 0}, .external_length = -1};
    if (++p->tensors > p->limits.tensors)
        return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", s.data, "more than %lld tensors, which is the limit",
                              (long long)p->limits.tensors);
    while (glia_proto_next(&r, &f)) {
        if (!scan_field(p, &f, &raw, t)) return false;
    }
    if (!glia_onnx_fields_end(p, &r, "TensorProto")) return false;
    t->name.size = (int64_t)strlen(t->name.text);
    if (!size_up(p, &raw, t)) return false;
    if (raw.external) return use_external(p, &raw, t);
    if (t->is_string) return use_strings(p, &raw, t);
    if (raw.has_raw) {
        int64_t want;
        if (!glia_onnx_file_bytes(t, &want)) return glia_onnx_nomem(p);
        if (raw.raw.size != want) return wrong_length(p, &raw, t, raw.raw.size, "bytes of raw_data", want);
        if (!use_raw(p, &raw, raw.raw, t)) return false;
    } else if (!use_run(p, &raw, t)) return false;
    return t->onnx_type != BOOL || check_bools(p, &raw, t);
}

/* ---- SparseTensorProto: values 1, indices 2, dims 3 */

/* Where value i lies in the dense tensor, or -1. Indices are [n] counted through all axes, or [n, rank]. */
static int64_t place_of(const glia_onnx_tensor *index, const glia_onnx_tensor *dense, int64_t i)
{
    const int64_t *at = index->data;
    int64_t place = 0;
    if (index->rank == 1) return at[i] >= 0 && at[i] < dense->count ? at[i] : -1;
    for (int a = 0; a < dense->rank; a++) {
        const int64_t j = at[i * dense->rank + a];
        if (j < 0 || j >= dense->dims[a]) return -1;
        place = place * dense->dims[a] + j;
    }
    return place;
}

static bool scatter(glia_onnx_parser *p, glia_span s, const glia_onnx_tensor *value,
                    const glia_onnx_tensor *index, glia_onnx_tensor *dense)
{
    const bool flat = index->rank == 1;
    if (value->rank != 1 || index->dtype != GLIA_I64 || (!flat && index->rank != 2) ||
        index->dims[0] != value->count || (!flat && index->dims[1] != dense->rank))
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1015", s.data,
                              "sparse tensor '%.64s': values are [n] and indices int64 [n] or [n, %d]",
                              name_of(value), dense->rank);
    if (value->location || index->location)
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1009", s.data,
                              "sparse tensor '%.64s' in an external file", name_of(value));
    uint8_t *to = glia_arena_alloc(p->arena, dense->bytes, 64);
    if (!to) return glia_onnx_nomem(p);
    const int64_t width = glia_dtype_get(dense->dtype)->block_bytes;
    for (int64_t i = 0; i < value->count; i++) {
        const int64_t at = place_of(index, dense, i);
        if (at < 0)
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1015", s.data,
                                  "sparse tensor '%.64s': index %lld is out of range", name_of(value),
                                  (long long)i);
        memcpy(to + at * width, (const uint8_t *)value->data + i * width, (size_t)width);
    }
    dense->data = dense->count ? to : NULL;
    return true;
}

bool glia_onnx_parse_sparse(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_tensor value = {0}, index = {0}, *dense = out;
    raw_tensor raw = {.self = s};
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    *dense = (glia_onnx_tensor){.name = {"", 0}, .external_length = -1};
    while (glia_proto_next(&r, &f)) {
        if ((f.number == 1 || f.number == 2) && f.wire != GLIA_PROTO_BYTES)
            return glia_onnx_wrong_wire(p, &f, "SparseTensorProto");
        if (f.number == 1 && !glia_onnx_parse_tensor(p, f.bytes, &value)) return false;
        if (f.number == 2 && !glia_onnx_parse_tensor(p, f.bytes, &index)) return false;
        if (f.number == 3 && !take_dims(p, &f, dense)) return false;
    }
    if (!glia_onnx_fields_end(p, &r, "SparseTensorProto")) return false;
    if (value.is_string || value.complex)
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1009", s.data, "sparse tensor '%.64s' of %s",
                              name_of(&value), value.is_string ? "strings" : "complex numbers");
    if (value.name.text) dense->name = value.name;
    raw.type = value.onnx_type;
    return size_up(p, &raw, dense) && scatter(p, s, &value, &index, dense);
}
