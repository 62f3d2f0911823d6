/* ONNX model files as they are: the messages of onnx.proto3 as plain structs in an arena, with names, numbers and
 * tensors' bytes checked against the file. What an operator means is not known here (src/net).
 *
 * The reader is bounded and does not recurse on the file's depth: subgraphs and types nest at most
 * GLIA_ONNX_DEPTH deep. Unknown fields are skipped, as protocol buffers ask for. Strings are NUL-terminated
 * copies with their size (they may hold NULs; names may not). External data are confined to the model's folder: a
 * relative path of plain names, no link, a regular file with one name on the disk, offset and length inside it.
 *
 * Refused by name: segments, sparse tensors whose indices are out of range, strings that are no UTF-8 as names, data
 * of another length than the shape says, booleans that are neither 0 nor 1, and dtypes unknown here. The domain
 * "ai.onnx" is given as "". Training information, annotations and devices are skipped. */
#ifndef GLIA_FORMAT_ONNX_H
#define GLIA_FORMAT_ONNX_H

#include <glia/graph.h>
#include <stdbool.h>

#include "base/arena.h"

enum { GLIA_ONNX_DEPTH = 64 };

typedef struct glia_onnx_text {
    const char *text; /* NUL-terminated; never null */
    int64_t size;
} glia_onnx_text;

/* A tensor of a file. Data are row-major little-endian elements of `dtype`, one element after the other (low-bit
 * types unpacked, one element a byte: tensor/lowbit.h), or strings. They are aligned to their size, and lie in the
 * file's own memory, in the arena, or are read from an external file by glia_onnx_tensor_read. Complex numbers are
 * pairs: `complex` with dtype F32 or F64 and a last axis of 2 appended to dims. */
typedef struct glia_onnx_tensor {
    glia_onnx_text name;
    int32_t onnx_type; /* TensorProto.DataType */
    glia_dtype dtype;  /* GLIA_DTYPE_NONE for strings */
    bool is_string, complex;
    int16_t rank;
    int64_t dims[GLIA_RANK_MAX];
    int64_t count, bytes;                     /* elements; bytes of data */
    const void *data;                         /* null: external and not read yet, or no elements */
    const glia_onnx_text *strings;            /* [count] */
    const char *location;                     /* external file's name, or null */
    int64_t external_offset, external_length; /* length -1: as many bytes as the shape says */
} glia_onnx_tensor;

typedef struct glia_onnx_type glia_onnx_type;
struct glia_onnx_type { /* NO_TYPE: the file does not say */
    enum { GLIA_ONNX_NO_TYPE, GLIA_ONNX_TENSOR, GLIA_ONNX_SEQUENCE, GLIA_ONNX_OPTIONAL, GLIA_ONNX_MAP } kind;
    int32_t onnx_type;                    /* of elements; of keys for maps */
    int16_t rank;                         /* -1: open */
    int64_t dims[GLIA_RANK_MAX];          /* -1: not known */
    const char *dim_names[GLIA_RANK_MAX]; /* symbol, or null */
    const glia_onnx_type *of;             /* of sequences, optionals, maps: what they hold */
};

typedef struct glia_onnx_value { /* ValueInfoProto */
    const char *name;
    glia_onnx_type type;
} glia_onnx_value;

typedef struct glia_onnx_graph glia_onnx_graph;

typedef enum { /* AttributeProto.AttributeType's numbers */
               GLIA_ONNX_ATTR_NONE = 0,
               GLIA_ONNX_ATTR_FLOAT = 1,
               GLIA_ONNX_ATTR_INT = 2,
               GLIA_ONNX_ATTR_STRING = 3,
               GLIA_ONNX_ATTR_TENSOR = 4,
               GLIA_ONNX_ATTR_GRAPH = 5,
               GLIA_ONNX_ATTR_FLOATS = 6,
               GLIA_ONNX_ATTR_INTS = 7,
               GLIA_ONNX_ATTR_STRINGS = 8,
               GLIA_ONNX_ATTR_TENSORS = 9,
               GLIA_ONNX_ATTR_GRAPHS = 10,
               GLIA_ONNX_ATTR_TYPE = 13,
} glia_onnx_attr_kind;

typedef struct glia_onnx_attr {
    const char *name;
    const char *ref; /* in functions: the name of the function's attribute; else null */
    int32_t kind;    /* glia_onnx_attr_kind; told from the fields when the file does not say */
    float f;
    int64_t i;
    glia_onnx_text s;
    const glia_onnx_tensor *t; /* [count] for TENSORS, one for TENSOR */
    const glia_onnx_graph *g;  /* [count] for GRAPHS, one for GRAPH */
    const float *floats;
    const int64_t *ints;
    const glia_onnx_text *strings;
    const glia_onnx_type *type;
    int64_t count; /* of the plural kinds */
} glia_onnx_attr;

typedef struct glia_onnx_node {
    const char *name;        /* "" if it has none */
    const char *op, *domain; /* domain "" for ai.onnx */
    const char *overload;    /* of the function that op names; mostly "" */
    const char *const *in;   /* [in_count], "" where left out */
    const char *const *out;
    int32_t in_count, out_count, attr_count;
    const glia_onnx_attr *attrs;
} glia_onnx_node;

struct glia_onnx_graph {
    const char *name;
    const glia_onnx_node *nodes;
    const glia_onnx_tensor *initializers; /* sparse ones are made dense */
    const glia_onnx_value *inputs, *outputs, *values;
    int64_t node_count, initializer_count, input_count, output_count, value_count;
};

typedef struct glia_onnx_opset {
    const char *domain;
    int64_t version;
} glia_onnx_opset;

typedef struct glia_onnx_function {
    const char *name, *domain, *overload;
    const char *const *inputs, *const *outputs, *const *attributes;
    const glia_onnx_attr *defaults;
    int64_t input_count, output_count, attribute_count, default_count;
    const glia_onnx_node *nodes;
    int64_t node_count;
    const glia_onnx_opset *opsets;
    int64_t opset_count;
} glia_onnx_function;

typedef struct glia_onnx_property {
    const char *key, *value;
} glia_onnx_property;

typedef struct glia_onnx {
    glia_arena arena;
    int64_t ir_version;
    const char *producer, *producer_version, *domain, *doc;
    glia_onnx_opset *opsets;
    glia_onnx_function *functions;
    glia_onnx_property *properties; /* metadata */
    int64_t opset_count, function_count, property_count;
    glia_onnx_graph graph;
    int64_t file_bytes;
    void *internal; /* the mapping and the open external files */
} glia_onnx;

typedef struct glia_onnx_limits {
    int64_t message_bytes; /* of everything that is parsed out of the file, beside the file; 0: 2 GiB */
    int64_t nodes; /* with subgraphs and functions; attributes and values have this limit too; 0: 1 000 000 */
    int64_t tensors; /* 0: 65 536 */
} glia_onnx_limits;

/* Opens and checks a file, or a .glia container (container.h), which stays mapped. GLIA_E_IO, GLIA_E_FORMAT,
 * GLIA_E_LIMIT, GLIA_E_UNSUPPORTED, GLIA_E_NOMEM; codes G1000 to G1019, and G0240 to G0243. limits null: the
 * defaults. */
glia_status glia_onnx_open(const glia_os *os, const char *path, const glia_onnx_limits *limits,
                           glia_onnx **out, glia_error *e);
/* The same of bytes, which are borrowed. folder: where external data lie; null refuses them. */
glia_status glia_onnx_parse(const glia_os *os, const void *data, int64_t size, const char *folder,
                            const glia_onnx_limits *limits, glia_onnx **out, glia_error *e);
void glia_onnx_close(glia_onnx *m);

/* Bytes [begin, begin + bytes) of a tensor's data into `to`: from the file, or from its external file, which is
 * checked anew when it is opened. One thread at a time. */
glia_status glia_onnx_tensor_read(const glia_onnx *m, const glia_onnx_tensor *t, int64_t begin, int64_t bytes,
                                  void *to, glia_error *e);

/* ---- messages of their own, as test data and tools keep them: TensorProto, SequenceProto, OptionalProto, MapProto
 * Parsed into an arena, so that the bytes need not stay. */
typedef struct glia_onnx_item glia_onnx_item;
struct glia_onnx_item {
    int kind;                    /* GLIA_ONNX_TENSOR, SEQUENCE, OPTIONAL or MAP */
    glia_onnx_tensor tensor;     /* TENSOR */
    const glia_onnx_item *items; /* SEQUENCE [count]; OPTIONAL one or none; MAP: values [count] */
    const glia_onnx_tensor
        *keys; /* MAP: one tensor of keys, strings or int64 (whatever integers they were) */
    int64_t count;
};
/* kind: which message the bytes are, GLIA_ONNX_TENSOR and so on; sparse tensors are made dense. External data are
 * refused. G1016 and the codes of tensors. */
glia_status glia_onnx_item_parse(glia_arena *a, const void *data, int64_t size, int kind, glia_onnx_item *out,
                                 glia_error *e);

/* TensorProto.DataType to dtype and back; GLIA_DTYPE_NONE and 0 for what has no counterpart. */
glia_dtype glia_onnx_dtype(int32_t onnx_type);
int32_t glia_onnx_type_of(glia_dtype t);
const char *glia_onnx_type_name(int32_t onnx_type); /* "float", "string", "int4"; never null */

#endif
