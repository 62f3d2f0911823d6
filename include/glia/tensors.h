/* Tensors of a SafeTensors file, or of a set of them that an index ties together ("model.safetensors.index.json"),
 * by name. Headers are checked whole when a file is opened; elements are read when they are asked for.
 *
 * An open file is immutable: any number of threads may read it. */
#ifndef GLIA_TENSORS_H
#define GLIA_TENSORS_H

#include "dtype.h"
#include "graph.h"
#include "os.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glia_tensors glia_tensors;

typedef struct glia_tensor_info {
    uint32_t size;
    const char *name;      /* good until the file is closed */
    const char *type_name; /* the file's own: "BF16" */
    glia_dtype dtype;      /* GLIA_DTYPE_NONE: not built here, and refused when read */
    int32_t rank;
    int64_t dims[GLIA_RANK_MAX]; /* outermost first */
    int64_t bytes;
} glia_tensor_info;
#define GLIA_TENSOR_INFO_INIT                                                                                \
    {                                                                                                        \
        sizeof(glia_tensor_info), 0, 0, GLIA_DTYPE_NONE, 0, {0}, 0                                           \
    }

/* os null: the default. GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_FORMAT, GLIA_E_LIMIT, GLIA_E_UNSUPPORTED. */
GLIA_API glia_status glia_tensors_open(const char *path, const glia_os *os, glia_tensors **out,
                                       glia_error *e);
GLIA_API void glia_tensors_close(glia_tensors *t); /* null is allowed */
GLIA_API int64_t glia_tensors_count(const glia_tensors *t);
/* The i-th in the order of the files. GLIA_E_ARG out of range. */
GLIA_API glia_status glia_tensors_at(const glia_tensors *t, int64_t i, glia_tensor_info *out);
/* The elements of the i-th into `to`, which has room for `bytes` of them: all, or GLIA_E_ARG.
 * GLIA_E_UNSUPPORTED (G0418), GLIA_E_IO. */
GLIA_API glia_status glia_tensors_read(const glia_tensors *t, int64_t i, void *to, int64_t bytes,
                                       glia_error *e);

#ifdef __cplusplus
}
#endif
#endif
