/* What gguf.c and gguf_split.c share. */
#ifndef GLIA_FORMAT_GGUF_INTERNAL_H
#define GLIA_FORMAT_GGUF_INTERNAL_H

#include "format/gguf.h"

#include "base/arena.h"

struct glia_gguf {
    const glia_os *os;
    glia_file file;
    bool file_open;
    char file_name[128];   /* for errors only, cut if longer */
    void *mapping;         /* null until asked for */
    const uint8_t *memory; /* the beginning of the file */
    int64_t memory_bytes;
    void *owned; /* what of `memory` is ours */
    int64_t owned_bytes;
    int64_t file_bytes;
    glia_gguf_limits limits;
    glia_arena arena;
    int version;
    int64_t alignment;
    int64_t data_offset;
    int64_t value_count;
    glia_gguf_value *values;
    int32_t *values_by_key;
    int64_t tensor_count;
    glia_gguf_tensor *tensors;
    int32_t *tensors_by_name;
    glia_gguf **parts; /* [part_count], the first is this one; null unless the model is in several files */
    int part_count;    /* 0: one file */
};

/* A reader without a file; null with GLIA_E_NOMEM in e. */
glia_gguf *glia_gguf_create(const glia_os *os, const glia_gguf_limits *limits, glia_error *e);
/* Opens one file and reads its header. */
glia_status glia_gguf_open_file(glia_gguf *g, const char *path, glia_error *e);
/* The tensors of g in the order of their names; null when memory is out. */
int32_t *glia_gguf_by_name(glia_gguf *g);
/* The file that holds t. */
static inline const glia_gguf *glia_gguf_part_of(const glia_gguf *g, const glia_gguf_tensor *t)
{
    return t->part ? g->parts[t->part] : g;
}

/* Where the metadata of g, which was opened as `path`, say that it is one of several files: opens the others
 * and makes their tensors g's. See gguf_split.c. */
glia_status glia_gguf_join(glia_gguf *g, const char *path, glia_error *e);

#endif
