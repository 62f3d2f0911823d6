/* Shared by the files of the ONNX reader: one parser over one piece of memory, and the leaves of its messages. */
#ifndef GLIA_FORMAT_ONNX_INTERNAL_H
#define GLIA_FORMAT_ONNX_INTERNAL_H

#include "format/onnx.h"
#include "format/proto.h"

typedef struct glia_onnx_graph_todo { /* a subgraph that has been seen and not read yet */
    glia_span bytes;
    glia_onnx_graph *to;
    int depth;
} glia_onnx_graph_todo;

typedef struct glia_onnx_parser {
    glia_arena *arena;
    const uint8_t *base;   /* offsets in errors count from here */
    uint8_t *own;          /* the same memory where it is ours to move data in, else null */
    bool copy;             /* data must not point into the bytes */
    glia_onnx *m;          /* null for items; external data are refused then */
    const glia_span *blob; /* of a container: what the external file GLIA_CONTAINER_FILE means; else null */
    glia_onnx_limits limits;
    int64_t nodes, tensors, values; /* seen so far */
    glia_onnx_graph_todo *todo;
    int64_t todo_count, todo_capacity;
    int depth; /* of the graph at hand */
    glia_status status;
    glia_error *e;
} glia_onnx_parser;

/* The first error sticks; each returns false. at: where, or null. */
bool glia_onnx_fail(glia_onnx_parser *p, glia_status s, const char *code, const void *at, const char *format,
                    ...) GLIA_PRINTF(5, 6);
bool glia_onnx_nomem(glia_onnx_parser *p);
/* After a loop over a message's fields: false if a fault ended it. */
bool glia_onnx_fields_end(glia_onnx_parser *p, const glia_proto *r, const char *message);
bool glia_onnx_wrong_wire(glia_onnx_parser *p, const glia_proto_field *f, const char *message);

/* A name: UTF-8 without NUL. *out is a copy. */
bool glia_onnx_name(glia_onnx_parser *p, const glia_proto_field *f, const char *message, const char **out);
bool glia_onnx_bytes(glia_onnx_parser *p, const glia_proto_field *f, const char *message,
                     glia_onnx_text *out);

/* Messages; out is zeroed memory in the arena. */
typedef bool glia_onnx_parse_fn(glia_onnx_parser *p, glia_span s, void *out);
glia_onnx_parse_fn glia_onnx_parse_tensor; /* glia_onnx_tensor */
glia_onnx_parse_fn glia_onnx_parse_sparse; /* glia_onnx_tensor, made dense */
glia_onnx_parse_fn glia_onnx_parse_type;   /* glia_onnx_type */

/* ---- external files (onnx_external.c) */
typedef struct glia_onnx_files glia_onnx_files; /* what glia_onnx.internal points at */

/* In the model's arena; folder null: external data are refused. Null: no memory. */
glia_onnx_files *glia_onnx_files_new(glia_arena *a, const char *folder);
void glia_onnx_files_close(const glia_onnx *m);
/* The entries of a tensor whose data lie elsewhere, checked against that file. */
bool glia_onnx_place_external(glia_onnx_parser *p, glia_onnx_tensor *t, const glia_onnx_text *keys,
                              const glia_onnx_text *values, int64_t count);
/* Bytes of the tensor's elements as they lie in a file; false on overflow. */
bool glia_onnx_file_bytes(const glia_onnx_tensor *t, int64_t *out);

#endif
