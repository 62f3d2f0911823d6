/* Reads SafeTensors files, and sets of them that an index ties together ("model.safetensors.index.json").
 *
 *     u64 n, n bytes of JSON {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ..},
 * data
 *
 * (huggingface/safetensors, README.) Refused: keys that repeat, spans that overlap, leave holes or bytes
 * behind the last, spans that differ from shape times dtype, metadata that are no strings, and shards whose
 * name is more than the name of a file beside the index: what a file says is never a path. (It may be a
 * symbolic link: download caches are made of them.) Element types that are not built here but have whole
 * bytes are listed (dtype GLIA_DTYPE_NONE) and refused by name when read; others are refused when the file is
 * opened.
 *
 * An open file is immutable: any number of threads may read it. */
#ifndef GLIA_FORMAT_SAFETENSORS_H
#define GLIA_FORMAT_SAFETENSORS_H

#include <glia/dtype.h>
#include <glia/graph.h>
#include <glia/os.h>

typedef struct glia_safetensors glia_safetensors;

typedef struct glia_safetensors_limits { /* 0: the default */
    int64_t header_bytes;                /* of one file; 256 MiB */
    int64_t tensors;                     /* 65 536 */
    int64_t shards;                      /* 1 024 */
} glia_safetensors_limits;

typedef struct glia_safetensors_tensor {
    const char *name;      /* terminated UTF-8 */
    const char *type_name; /* the file's own: "BF16" */
    glia_dtype dtype;      /* GLIA_DTYPE_NONE: not built here */
    int rank;              /* 0..8 */
    int shard;
    int64_t dims[GLIA_RANK_MAX]; /* outermost first; a dimension may be 0 */
    int64_t offset;              /* absolute in the shard's file */
    int64_t bytes;
} glia_safetensors_tensor;

/* Opens one file, or, where `path` ends in ".json", an index and all its shards, which stay open. os and
 * limits may be null. GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_FORMAT, GLIA_E_LIMIT, GLIA_E_UNSUPPORTED. */
glia_status glia_safetensors_open(const glia_os *os, const char *path, const glia_safetensors_limits *limits,
                                  glia_safetensors **out, glia_error *e);
/* One file from memory: data[0, available) of file_size bytes, borrowed until close. The header must be in
 * it. */
glia_status glia_safetensors_parse(const glia_os *os, const void *data, int64_t available, int64_t file_size,
                                   const glia_safetensors_limits *limits, glia_safetensors **out,
                                   glia_error *e);
/* Null is allowed. */
void glia_safetensors_close(glia_safetensors *s);

/* In the order of the files, and of the headers within. */
int64_t glia_safetensors_count(const glia_safetensors *s);
const glia_safetensors_tensor *glia_safetensors_at(const glia_safetensors *s,
                                                   int64_t i); /* null out of range */
const glia_safetensors_tensor *glia_safetensors_find(const glia_safetensors *s, const char *name);
int glia_safetensors_shard_count(const glia_safetensors *s);
/* The name of the shard's file without its folder. */
const char *glia_safetensors_shard_name(const glia_safetensors *s, int shard);
/* A text of the first file's "__metadata__", or null. */
const char *glia_safetensors_metadata(const glia_safetensors *s, const char *key);

/* Copies bytes [byte_begin, byte_begin + bytes) of t's data to `to`.
 * GLIA_E_UNSUPPORTED (G0418), GLIA_E_ARG (G0419), GLIA_E_IO (G0802). */
glia_status glia_safetensors_read(const glia_safetensors *s, const glia_safetensors_tensor *t,
                                  int64_t byte_begin, int64_t bytes, void *to, glia_error *e);

#endif
