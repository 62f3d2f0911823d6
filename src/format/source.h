/* Where a model's weights come from, whatever kind of file that is: a few functions over a reader that stays
 * open as long as the source is used. A source is a value; it may be copied, and used by several threads at
 * once. */
#ifndef GLIA_FORMAT_SOURCE_H
#define GLIA_FORMAT_SOURCE_H

#include "format/gguf.h"
#include "format/safetensors.h"

typedef struct glia_source_tensor {
    const char *name; /* as long as the source's reader is open */
    glia_dtype dtype; /* GLIA_DTYPE_NONE: not built here; reading it is refused by name */
    int rank;
    int64_t dims[GLIA_RANK_MAX]; /* outermost first */
    int64_t bytes;               /* -1: unknown */
    int64_t offset;              /* in its file */
    const char *file;            /* the file's name without its folder */
    const void *handle;          /* the reader's own */
} glia_source_tensor;

typedef struct glia_source {
    const void *ctx;
    int64_t (*count)(const void *ctx);
    bool (*at)(const void *ctx, int64_t i, glia_source_tensor *out);          /* false out of range */
    bool (*find)(const void *ctx, const char *name, glia_source_tensor *out); /* false: not there */
    glia_status (*read)(const void *ctx, const glia_source_tensor *t, int64_t byte_begin, int64_t bytes,
                        void *to, glia_error *e);
} glia_source;

/* Both borrow the reader. */
glia_source glia_source_from_gguf(const glia_gguf *g);
glia_source glia_source_from_safetensors(const glia_safetensors *s);

/* A tensor that must be there: GLIA_E_NOT_FOUND (G0326). */
glia_status glia_source_require(const glia_source *s, const char *name, glia_source_tensor *out,
                                glia_error *e);
/* "model.gguf at 0x1f40a0", cut to what fits; size > 0. */
void glia_source_origin(const glia_source_tensor *t, char *text, int64_t size);

#endif
