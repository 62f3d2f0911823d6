/* NumPy's .npy files (format 1.0 to 3.0): reads and writes arrays of floats, integers and bools in C order. Refused
 * by name: Fortran order, big-endian and object types, records, texts, and all other dtypes.
 * (numpy/lib/format.py.) */
#ifndef GLIA_FORMAT_NPY_H
#define GLIA_FORMAT_NPY_H

#include <glia/dtype.h>
#include <glia/graph.h>
#include <glia/os.h>

typedef struct glia_npy {
    glia_dtype dtype; /* f16 to f64, i8 to i64, u8 to u64, bool */
    int rank;         /* 0..8 */
    int64_t dims[GLIA_RANK_MAX];
    int64_t count; /* elements */
    void *data;    /* [dims], aligned to 64; null if the array is empty */
    int64_t bytes;
} glia_npy;

/* Reads a file of at most bytes_max (0: 64 MiB). The data are given back with glia_npy_free.
 * GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_LIMIT, GLIA_E_FORMAT, GLIA_E_UNSUPPORTED. */
glia_status glia_npy_read(const glia_os *os, const char *path, int64_t bytes_max, glia_npy *out,
                          glia_error *e);
glia_status glia_npy_parse(const glia_os *os, const void *file, int64_t size, glia_npy *out, glia_error *e);
void glia_npy_free(const glia_os *os, glia_npy *a);

/* Writes [dims] little-endian to "path.tmp" and renames it. GLIA_E_ARG, GLIA_E_SHAPE, GLIA_E_UNSUPPORTED (a dtype
 * that NumPy lacks), GLIA_E_IO, GLIA_E_NOMEM. */
glia_status glia_npy_write(const glia_os *os, const char *path, glia_dtype dtype, int rank,
                           const int64_t *dims, const void *data, glia_error *e);
glia_status glia_npy_write_f32(const glia_os *os, const char *path, int rank, const int64_t *dims,
                               const float *data, glia_error *e);

#endif
