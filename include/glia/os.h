/* What the library asks of the operating system, as one table that a caller may replace.
 *
 * Every byte, file, mapping, clock tick and thread of the library comes through this table,
 * so that a host can account for them, and a test can make each of them fail.
 * All functions must be thread-safe. Functions that return int return 0 for success and
 * an errno value otherwise. */
#ifndef GLIA_OS_H
#define GLIA_OS_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef intptr_t glia_file;   /* an open file; the table's own meaning */
typedef intptr_t glia_thread; /* a running thread; the table's own meaning */

enum { GLIA_FILE_READ = 1, GLIA_FILE_WRITE = 2 }; /* WRITE creates (mode 0600) and truncates */

typedef struct glia_os {
    uint32_t size; /* sizeof(glia_os) */
    void *ctx;     /* handed to every function */

    /* Zeroed memory of `bytes` > 0 with `align` (a power of two, at most 4096); null on failure. */
    void *(*mem_alloc)(void *ctx, size_t bytes, size_t align);
    /* `bytes` is what was asked for. */
    void (*mem_free)(void *ctx, void *p, size_t bytes);

    /* Address space without memory; then memory for a page-aligned part of it; then all back. */
    void *(*mem_reserve)(void *ctx, size_t bytes);
    int (*mem_commit)(void *ctx, void *p, size_t bytes); /* zeroed, and touched: no fault later */
    void (*mem_release)(void *ctx, void *p, size_t bytes);

    int (*file_open)(void *ctx, const char *path, int flags, glia_file *out);
    int (*file_size)(void *ctx, glia_file f, int64_t *out); /* regular files only, else EINVAL */
    /* Reads or writes exactly `bytes` at `offset`, else an errno value; EIO at the end of the file. */
    int (*file_read)(void *ctx, glia_file f, int64_t offset, void *to, size_t bytes);
    int (*file_write)(void *ctx, glia_file f, int64_t offset, const void *from, size_t bytes);
    int (*file_sync)(void *ctx, glia_file f);
    int (*file_rename)(void *ctx, const char *from, const char *to);
    int (*file_remove)(void *ctx, const char *path);
    void (*file_close)(void *ctx, glia_file f);

    /* The whole file, read-only, private; null on failure. */
    void *(*map)(void *ctx, glia_file f, size_t bytes);
    void (*unmap)(void *ctx, void *p, size_t bytes);

    uint64_t (*clock_ns)(void *ctx); /* monotonic */

    /* Starts fn(arg). `cpu` is a processor to stay on, or -1 for the caller's set. */
    int (*thread_start)(void *ctx, void (*fn)(void *), void *arg, int cpu, glia_thread *out);
    void (*thread_join)(void *ctx, glia_thread t);
    /* Sleeps while *word == expected, for at most timeout_ns (negative: no limit); may return early. */
    void (*futex_wait)(void *ctx, const uint32_t *word, uint32_t expected, int64_t timeout_ns);
    void (*futex_wake)(void *ctx, const uint32_t *word, int count);

    /* Processors that this process may use now: affinity and cgroup quota, at least 1. */
    int (*cpu_count)(void *ctx);
    /* The processor that the calling thread is on now, or -1; a few instructions. May be null. */
    int (*cpu_now)(void *ctx);

    /* When a file was changed last, in ns since 1970. Null, or beyond `size`: not known. */
    int (*file_time)(void *ctx, glia_file f, int64_t *out);

    /* Opens for reading a file below `folder` whose path another file names: `path` is a relative path of plain
     * names, no part of it below `folder` is a link, and it ends at a regular file that has one name on the disk.
     * EINVAL: not such a path or file; ELOOP: a link; EMLINK: several names. Null, or beyond `size`: not known. */
    int (*file_open_below)(void *ctx, const char *folder, const char *path, glia_file *out);
} glia_os;

/* The table for POSIX systems (Linux futex, mmap, pthreads). A constant. */
GLIA_API const glia_os *glia_os_default(void);

#ifdef __cplusplus
}
#endif
#endif
