/* Element types and types of values in ONNX files. */
#include "format/onnx_internal.h"

#include "base/check.h"

#include <string.h>

static const struct {
    const char *name;
    glia_dtype dtype;
} types[] = {
    /* TensorProto.DataType counts from 0 */
    {"undefined", GLIA_DTYPE_NONE},
    {"float", GLIA_F32},
    {"uint8", GLIA_U8},
    {"int8", GLIA_I8},
    {"uint16", GLIA_U16},
    {"int16", GLIA_I16},
    {"int32", GLIA_I32},
    {"int64", GLIA_I64},
    {"string", GLIA_DTYPE_NONE},
    {"bool", GLIA_BOOL},
    {"float16", GLIA_F16},
    {"double", GLIA_F64},
    {"uint32", GLIA_U32},
    {"uint64", GLIA_U64},
    {"complex64", GLIA_DTYPE_NONE},
    {"complex128", GLIA_DTYPE_NONE},
    {"bfloat16", GLIA_BF16},
    {"float8e4m3fn", GLIA_F8E4M3FN},
    {"float8e4m3fnuz", GLIA_F8E4M3FNUZ},
    {"float8e5m2", GLIA_F8E5M2},
    {"float8e5m2fnuz", GLIA_F8E5M2FNUZ},
    {"uint4", GLIA_U4},
    {"int4", GLIA_I4},
    {"float4e2m1", GLIA_F4E2M1},
    {"float8e8m0", GLIA_F8E8M0},
    {"uint2", GLIA_U2},
    {"int2", GLIA_I2},
    {"float6e2m3", GLIA_F6E2M3},
    {"float6e3m2", GLIA_F6E3M2},
};

glia_dtype glia_onnx_dtype(int32_t onnx_type)
{
    return onnx_type >= 0 && onnx_type < GLIA_COUNT(types) ? types[onnx_type].dtype : GLIA_DTYPE_NONE;
}

int32_t glia_onnx_type_of(glia_dtype t)
{
    for (int32_t i = 0; t && i < GLIA_COUNT(types); i++) {
        if (types[i].dtype == t) return i;
    }
    return 0;
}

const char *glia_onnx_type_name(int32_t onnx_type)
{
    return onnx_type >= 0 && onnx_type < GLIA_COUNT(types) ? types[onnx_type].name : "unknown";
}

/* ---- TypeProto: tensor_type 1, sequence 4, map 5, opaque 7, sparse 8, optional 9 */

static bool parse_dim(glia_onnx_parser *p, glia_span s, glia_onnx_type *t)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    int64_t dim = -1;
    const char *name = NULL;
    while (glia_proto_next(&r, &f)) {
        if (f.number == 1) {
            if (f.wire != GLIA_PROTO_VARINT) return glia_onnx_wrong_wire(p, &f, "Dimension");
            dim = (int64_t)f.bits;
        } else if (f.number == 2) {
            if (!glia_onnx_name(p, &f, "Dimension", &name)) return false;
        }
    }
    if (!glia_onnx_fields_end(p, &r, "Dimension")) return false;
    if (t->rank == GLIA_RANK_MAX)
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1006", s.data, "a type of more than %d dimensions",
                              GLIA_RANK_MAX);
    t->dims[t->rank] = dim < 0 ? -1 : dim; /* exporters write -1 for what they do not know */
    t->dim_names[t->rank++] = dim < 0 && name && *name ? name : NULL;
    return true;
}

static bool parse_shape(glia_onnx_parser *p, glia_span s, glia_onnx_type *t)
{
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    t->rank = 0;
    while (glia_proto_next(&r, &f)) {
        if (f.number != 1) continue;
        if (f.wire != GLIA_PROTO_BYTES) return glia_onnx_wrong_wire(p, &f, "TensorShapeProto");
        if (!parse_dim(p, f.bytes, t)) return false;
    }
    return glia_onnx_fields_end(p, &r, "TensorShapeProto");
}

/* One of Tensor, Sequence, Map and Optional. The element type is number 1 of all, a number or a message; number 2 is
 * a tensor's shape and the type of a map's values. *inner gets the message of the type that is held. */
static bool parse_kind(glia_onnx_parser *p, glia_span s, glia_onnx_type *t, glia_span *inner)
{
    const bool tensor = t->kind == GLIA_ONNX_TENSOR, map = t->kind == GLIA_ONNX_MAP;
    glia_proto r = glia_proto_make(s);
    glia_proto_field f;
    t->rank = -1;
    while (glia_proto_next(&r, &f)) {
        if (f.number == 1 && (tensor || map)) {
            if (f.wire != GLIA_PROTO_VARINT) return glia_onnx_wrong_wire(p, &f, "TypeProto");
            t->onnx_type = f.bits > INT32_MAX ? INT32_MAX : (int32_t)f.bits;
        } else if (f.number == 1 || (f.number == 2 && (tensor || map))) {
            if (f.wire != GLIA_PROTO_BYTES) return glia_onnx_wrong_wire(p, &f, "TypeProto");
            if (tensor && !parse_shape(p, f.bytes, t)) return false;
            if (!tensor) *inner = f.bytes;
        }
    }
    return glia_onnx_fields_end(p, &r, "TypeProto");
}

static bool kind_of_field(uint32_t number, glia_onnx_type *t)
{
    if (number == 1) t->kind = GLIA_ONNX_TENSOR;
    else if (number == 4) t->kind = GLIA_ONNX_SEQUENCE;
    else if (number == 5) t->kind = GLIA_ONNX_MAP;
    else if (number == 9) t->kind = GLIA_ONNX_OPTIONAL;
    else return false;
    return true;
}

bool glia_onnx_parse_type(glia_onnx_parser *p, glia_span s, void *out)
{
    glia_onnx_type *t = out;
    for (int depth = 0;; depth++) {
        glia_span inner = {0, 0};
        glia_proto r = glia_proto_make(s);
        glia_proto_field f;
        if (depth == GLIA_ONNX_DEPTH)
            return glia_onnx_fail(p, GLIA_E_LIMIT, "G1004", s.data, "a type that nests deeper than %d",
                                  depth);
        t->rank = -1;
        while (glia_proto_next(&r, &f)) {
            if (f.number == 7 || f.number == 8)
                return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1009", f.at,
                                      "a value of %s type, which is not built",
                                      f.number == 7 ? "opaque" : "sparse tensor");
            if (!kind_of_field(f.number, t)) continue;
            if (f.wire != GLIA_PROTO_BYTES) return glia_onnx_wrong_wire(p, &f, "TypeProto");
            if (!parse_kind(p, f.bytes, t, &inner)) return false;
        }
        if (!glia_onnx_fields_end(p, &r, "TypeProto")) return false;
        if (!inner.data) return true;
        glia_onnx_type *of = GLIA_NEW(p->arena, glia_onnx_type);
        if (!of) return glia_onnx_nomem(p);
        t->of = of;
        t = of;
        s = inner;
    }
}
