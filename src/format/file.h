/* Small helpers shared by the file formats: what an errno value means, and memory with its own error. */
#ifndef GLIA_FORMAT_FILE_H
#define GLIA_FORMAT_FILE_H

#include <glia/os.h>
#include <stdbool.h>

/* A few English words for an errno value of the os table; never null. */
const char *glia_file_reason(int error);

/* Zeroed bytes from the os table (0 counts as 1), or null with GLIA_E_NOMEM (G0801) in e, naming `what`. */
void *glia_file_memory(const glia_os *os, int64_t bytes, const char *what, glia_error *e);

/* Reads a whole regular file of at most bytes_max into *data, which the caller gives back with
 * os->mem_free(ctx, *data, *size + 1); a NUL follows the last byte.
 * GLIA_E_IO (G0802), GLIA_E_LIMIT (G0415), GLIA_E_NOMEM (G0801). */
glia_status glia_file_load(const glia_os *os, const char *path, int64_t bytes_max, char **data, int64_t *size,
                           glia_error *e);

/* The last part of a path, cut to what fits, terminated. */
void glia_file_name(const char *path, char *out, int64_t size);

/* A new file that appears under its name only when it is complete: written as "path.tmp", synced and renamed.
 * Errors are GLIA_E_IO (G0802). After a failed call, and after finish, only glia_file_abandon may follow; it
 * removes what is unfinished, and does nothing after a successful finish. */
typedef struct glia_file_writer {
    const glia_os *os;
    const char *path; /* borrowed */
    char *temporary;  /* from os, null when done */
    int64_t temporary_bytes;
    glia_file file;
    bool open;
    int64_t at;
} glia_file_writer;
glia_status glia_file_create(glia_file_writer *w, const glia_os *os, const char *path, glia_error *e);
glia_status glia_file_append(glia_file_writer *w, const void *p, int64_t bytes, glia_error *e);
glia_status glia_file_finish(glia_file_writer *w, glia_error *e);
void glia_file_abandon(glia_file_writer *w);

#endif
