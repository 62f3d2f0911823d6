/* Filling error records. Codes and their documentation live in errors.def. */
#ifndef GLIA_BASE_ERROR_H
#define GLIA_BASE_ERROR_H

#include <glia/status.h>

/* Fills e (if not null; an earlier error in it is kept) and returns status, so that
 * `return glia_fail(e, GLIA_E_FORMAT, "G0301", "...", ...)` reads well. */
glia_status glia_fail(glia_error *e, glia_status status, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);

/* The same with the byte offset of the file at fault. */
glia_status glia_fail_at(glia_error *e, glia_status status, const char *code, int64_t offset,
                         const char *format, ...) GLIA_PRINTF(5, 6);

/* Appends a line to e's text, as far as it fits. */
void glia_error_more(glia_error *e, const char *format, ...) GLIA_PRINTF(2, 3);

/* Puts "format: " in front of e's text. */
void glia_error_context(glia_error *e, const char *format, ...) GLIA_PRINTF(2, 3);

/* Clears a record for a new call. Null is allowed. */
void glia_error_clear(glia_error *e);

#endif
