/* An os table for tests: it passes every call on to another table, counts calls by class, keeps account
 * of what is still held, and refuses the n-th call of one class, once or from then on.
 *
 *     struct fault_os f;
 *     fault_os_init(&f, NULL);
 *     fault_os_fail(&f, FAULT_MEMORY, n, false);
 *     ... use &f.os ...
 *     CHECK(fault_os_clean(&f));
 *
 * Counters are atomic, so that worker threads may call it too; setting it up is for one thread. */
#ifndef GLIA_TESTS_FAULT_OS_H
#define GLIA_TESTS_FAULT_OS_H

#include <glia/os.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    FAULT_MEMORY,  /* mem_alloc */
    FAULT_RESERVE, /* mem_reserve */
    FAULT_COMMIT,  /* mem_commit */
    FAULT_OPEN,    /* file_open, file_open_below */
    FAULT_SIZE,    /* file_size */
    FAULT_READ,    /* file_read */
    FAULT_WRITE,   /* file_write */
    FAULT_SYNC,    /* file_sync */
    FAULT_RENAME,  /* file_rename */
    FAULT_REMOVE,  /* file_remove */
    FAULT_MAP,     /* map */
    FAULT_THREAD,  /* thread_start */
    FAULT_CLASSES,
    FAULT_NONE = -1,
    FAULT_ANY = FAULT_CLASSES /* for fault_os_fail: whichever call is the n-th of all */
};

struct fault_os {
    glia_os os; /* hand this to the code under test */
    const glia_os *under;
    int64_t calls[FAULT_CLASSES]; /* so far */
    int64_t calls_any;
    int fail_class;
    int64_t fail_at; /* 1: the next call of that class after fault_os_fail */
    bool forever;
    int64_t failed;                              /* refusals made */
    int64_t live_bytes, peak_bytes, live_blocks; /* mem_alloc less mem_free */
    int64_t live_reserved, live_maps, live_files, live_threads;
    int64_t bytes_most; /* a single request above this is refused; 0: none is */
    int64_t largest;    /* the largest single request, granted or not */
};

static inline void fault_add(int64_t *counter, int64_t v)
{
    __atomic_fetch_add(counter, v, __ATOMIC_RELAXED);
}

static inline void fault_raise(int64_t *most, int64_t v)
{
    int64_t now = __atomic_load_n(most, __ATOMIC_RELAXED);
    while (v > now && !__atomic_compare_exchange_n(most, &now, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* Counts a call; true if it is one to refuse. */
static inline bool fault_hit(struct fault_os *f, int class)
{
    fault_add(&f->calls[class], 1);
    fault_add(&f->calls_any, 1);
    if (f->fail_class != class && f->fail_class != FAULT_ANY) return false;
    int64_t left = __atomic_sub_fetch(&f->fail_at, 1, __ATOMIC_RELAXED);
    bool hit = left == 0 || (left < 0 && f->forever);
    if (hit) fault_add(&f->failed, 1);
    return hit;
}

static inline void *fault_mem_alloc(void *ctx, size_t bytes, size_t align)
{
    struct fault_os *f = ctx;
    fault_raise(&f->largest, (int64_t)bytes);
    if (fault_hit(f, FAULT_MEMORY) || (f->bytes_most && (int64_t)bytes > f->bytes_most)) return NULL;
    void *p = f->under->mem_alloc(f->under->ctx, bytes, align);
    if (!p) return NULL;
    int64_t now = __atomic_add_fetch(&f->live_bytes, (int64_t)bytes, __ATOMIC_RELAXED);
    fault_raise(&f->peak_bytes, now);
    fault_add(&f->live_blocks, 1);
    return p;
}

static inline void fault_mem_free(void *ctx, void *p, size_t bytes)
{
    struct fault_os *f = ctx;
    if (p) {
        fault_add(&f->live_bytes, -(int64_t)bytes);
        fault_add(&f->live_blocks, -1);
    }
    f->under->mem_free(f->under->ctx, p, bytes);
}

static inline void *fault_mem_reserve(void *ctx, size_t bytes)
{
    struct fault_os *f = ctx;
    if (fault_hit(f, FAULT_RESERVE)) return NULL;
    void *p = f->under->mem_reserve(f->under->ctx, bytes);
    if (p) fault_add(&f->live_reserved, (int64_t)bytes);
    return p;
}

static inline int fault_mem_commit(void *ctx, void *p, size_t bytes)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_COMMIT) ? ENOMEM : f->under->mem_commit(f->under->ctx, p, bytes);
}

static inline void fault_mem_release(void *ctx, void *p, size_t bytes)
{
    struct fault_os *f = ctx;
    if (p) fault_add(&f->live_reserved, -(int64_t)bytes);
    f->under->mem_release(f->under->ctx, p, bytes);
}

static inline int fault_file_open(void *ctx, const char *path, int flags, glia_file *out)
{
    struct fault_os *f = ctx;
    if (fault_hit(f, FAULT_OPEN)) return EACCES;
    int failed = f->under->file_open(f->under->ctx, path, flags, out);
    if (!failed) fault_add(&f->live_files, 1);
    return failed;
}

static inline int fault_file_size(void *ctx, glia_file file, int64_t *out)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_SIZE) ? EIO : f->under->file_size(f->under->ctx, file, out);
}

static inline int fault_file_read(void *ctx, glia_file file, int64_t offset, void *to, size_t bytes)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_READ) ? EIO : f->under->file_read(f->under->ctx, file, offset, to, bytes);
}

/* A refused write has written half: a full disk leaves that behind. */
static inline int fault_file_write(void *ctx, glia_file file, int64_t offset, const void *from, size_t bytes)
{
    struct fault_os *f = ctx;
    if (!fault_hit(f, FAULT_WRITE)) return f->under->file_write(f->under->ctx, file, offset, from, bytes);
    if (bytes / 2) f->under->file_write(f->under->ctx, file, offset, from, bytes / 2);
    return ENOSPC;
}

static inline int fault_file_sync(void *ctx, glia_file file)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_SYNC) ? EIO : f->under->file_sync(f->under->ctx, file);
}

static inline int fault_file_rename(void *ctx, const char *from, const char *to)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_RENAME) ? EACCES : f->under->file_rename(f->under->ctx, from, to);
}

static inline int fault_file_remove(void *ctx, const char *path)
{
    struct fault_os *f = ctx;
    return fault_hit(f, FAULT_REMOVE) ? EACCES : f->under->file_remove(f->under->ctx, path);
}

static inline void fault_file_close(void *ctx, glia_file file)
{
    struct fault_os *f = ctx;
    fault_add(&f->live_files, -1);
    f->under->file_close(f->under->ctx, file);
}

static inline void *fault_map(void *ctx, glia_file file, size_t bytes)
{
    struct fault_os *f = ctx;
    if (fault_hit(f, FAULT_MAP)) return NULL;
    void *p = f->under->map(f->under->ctx, file, bytes);
    if (p) fault_add(&f->live_maps, 1);
    return p;
}

static inline void fault_unmap(void *ctx, void *p, size_t bytes)
{
    struct fault_os *f = ctx;
    if (p) fault_add(&f->live_maps, -1);
    f->under->unmap(f->under->ctx, p, bytes);
}

static inline uint64_t fault_clock_ns(void *ctx)
{
    struct fault_os *f = ctx;
    return f->under->clock_ns(f->under->ctx);
}

static inline int fault_thread_start(void *ctx, void (*fn)(void *), void *arg, int cpu, glia_thread *out)
{
    struct fault_os *f = ctx;
    if (fault_hit(f, FAULT_THREAD)) return EAGAIN;
    int failed = f->under->thread_start(f->under->ctx, fn, arg, cpu, out);
    if (!failed) fault_add(&f->live_threads, 1);
    return failed;
}

static inline void fault_thread_join(void *ctx, glia_thread t)
{
    struct fault_os *f = ctx;
    f->under->thread_join(f->under->ctx, t);
    fault_add(&f->live_threads, -1);
}

static inline void fault_futex_wait(void *ctx, const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct fault_os *f = ctx;
    f->under->futex_wait(f->under->ctx, word, expected, timeout_ns);
}

static inline void fault_futex_wake(void *ctx, const uint32_t *word, int count)
{
    struct fault_os *f = ctx;
    f->under->futex_wake(f->under->ctx, word, count);
}

static inline int fault_cpu_count(void *ctx)
{
    struct fault_os *f = ctx;
    return f->under->cpu_count(f->under->ctx);
}

static inline int fault_file_time(void *ctx, glia_file file, int64_t *out)
{
    struct fault_os *f = ctx;
    return f->under->file_time(f->under->ctx, file, out);
}

static inline int fault_file_open_below(void *ctx, const char *folder, const char *path, glia_file *out)
{
    struct fault_os *f = ctx;
    if (fault_hit(f, FAULT_OPEN)) return EACCES;
    int failed = f->under->file_open_below(f->under->ctx, folder, path, out);
    if (!failed) fault_add(&f->live_files, 1);
    return failed;
}

/* under null: the default table. Nothing fails yet. */
static inline void fault_os_init(struct fault_os *f, const glia_os *under)
{
    memset(f, 0, sizeof *f);
    f->under = under ? under : glia_os_default();
    f->fail_class = FAULT_NONE;
    f->os = (glia_os){
        .size = sizeof(glia_os),
        .ctx = f,
        .mem_alloc = fault_mem_alloc,
        .mem_free = fault_mem_free,
        .mem_reserve = fault_mem_reserve,
        .mem_commit = fault_mem_commit,
        .mem_release = fault_mem_release,
        .file_open = fault_file_open,
        .file_size = fault_file_size,
        .file_read = fault_file_read,
        .file_write = fault_file_write,
        .file_sync = fault_file_sync,
        .file_rename = fault_file_rename,
        .file_remove = fault_file_remove,
        .file_close = fault_file_close,
        .map = fault_map,
        .unmap = fault_unmap,
        .clock_ns = fault_clock_ns,
        .thread_start = fault_thread_start,
        .thread_join = fault_thread_join,
        .futex_wait = fault_futex_wait,
        .futex_wake = fault_futex_wake,
        .cpu_count = fault_cpu_count,
        .file_time = fault_file_time,
        .file_open_below = fault_file_open_below,
    };
}

/* From now on the n-th call (n >= 1) of `class` fails, and with `forever` every later one of it. */
static inline void fault_os_fail(struct fault_os *f, int class, int64_t n, bool forever)
{
    f->fail_class = class;
    f->fail_at = n;
    f->forever = forever;
    f->failed = 0;
}

static inline void fault_os_heal(struct fault_os *f) { f->fail_class = FAULT_NONE; }

/* True if everything taken was given back. */
static inline bool fault_os_clean(const struct fault_os *f)
{
    return !f->live_bytes && !f->live_blocks && !f->live_reserved && !f->live_maps && !f->live_files &&
           !f->live_threads;
}

#endif
