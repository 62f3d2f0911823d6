/* Status codes, the error record, and version of the library.
 *
 * Every call that can fail returns a glia_status; the detail goes into an error
 * record that the caller passes in (NULL: no detail wanted). The library never
 * prints and never ends the process. */
#ifndef GLIA_STATUS_H
#define GLIA_STATUS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GLIA_API __attribute__((visibility("default")))
#define GLIA_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define GLIA_API
#define GLIA_PRINTF(f, a)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GLIA_VERSION_MAJOR 0
#define GLIA_VERSION_MINOR 1
#define GLIA_VERSION_PATCH 0
#define GLIA_VERSION_STRING "0.1.0"

typedef enum glia_status {
    GLIA_OK = 0,
    GLIA_E_ARG,         /* an argument is null, out of range or contradicts another */
    GLIA_E_DTYPE,       /* a dtype or block format does not fit */
    GLIA_E_SHAPE,       /* shapes do not fit */
    GLIA_E_TYPE,        /* a composition is ill-typed in another way (state, kind, axis) */
    GLIA_E_NOMEM,       /* the allocator said no */
    GLIA_E_LIMIT,       /* a stated limit would be passed; the text has both numbers */
    GLIA_E_IO,          /* open, read, write or map failed */
    GLIA_E_FORMAT,      /* a file or a text contradicts itself */
    GLIA_E_UNSUPPORTED, /* known to be valid, not built here; refused by name */
    GLIA_E_NOT_FOUND,   /* a tensor, key, token or name that is not there */
    GLIA_E_BUSY,        /* two threads on one session */
    GLIA_E_CANCELLED,   /* glia_session_cancel was called */
    GLIA_E_DEADLINE,    /* the deadline passed */
    GLIA_E_CONTEXT,     /* the context is full; the text has both numbers */
    GLIA_E_GUARD,       /* data broke a rule that only data can break (an index, a divisor) */
    GLIA_E_STATE,       /* the object is closed or not in a state that allows the call */
    GLIA_E_THREAD,      /* a thread could not be started */
    GLIA_E_INTERNAL,    /* one of our own invariants does not hold; a defect of ours */
    GLIA_STATUS_COUNT
} glia_status;

/* Where a failure is described. Zero-initialise through GLIA_ERROR_INIT. */
typedef struct glia_error {
    uint32_t size;      /* sizeof(glia_error), set by GLIA_ERROR_INIT */
    glia_status status; /* the status that the failing call returned */
    int64_t offset;     /* byte offset in the file at fault, or -1 */
    char code[8];       /* "G0102"; documented by `glia explain`; "" if none */
    char text[3072];    /* one line, or several with the pictures of docs/errors.md; UTF-8 */
} glia_error;

#define GLIA_ERROR_INIT                                                                                      \
    {                                                                                                        \
        sizeof(glia_error), GLIA_OK, -1, {0}, { 0 }                                                          \
    }

/* "0.1.0"; a static string. Thread-safe. */
GLIA_API const char *glia_version(void);

/* A short English name of a status ("out of memory"); never null. Thread-safe. */
GLIA_API const char *glia_status_name(glia_status status);

/* The documentation of an error code: title and text, or null if there is none. Thread-safe. */
GLIA_API const char *glia_explain(const char *code);

/* The i-th documented code, or null past the end. Thread-safe. */
GLIA_API const char *glia_explain_code(int i);

#ifdef __cplusplus
}
#endif
#endif
