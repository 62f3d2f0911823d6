/* The os table for Linux. It is the only file of the library, with cpu.c, that calls the system. */
#include "cpu.h"

#include <glia/os.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define POPULATE_STEP ((size_t)8 << 20)
#define ALIGN_MOST 4096
/* Sanitizers end the process at a terabyte, and debug builds touch all that they hand out: they refuse
 * what no test needs. */
#ifdef GLIA_DEBUG
#define BYTES_MOST ((size_t)4 << 30)
#else
#define BYTES_MOST ((size_t)PTRDIFF_MAX)
#endif

static size_t page_size(void)
{
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

/* Rounds up to whole pages; 0 when that wraps. */
static size_t whole_pages(size_t bytes)
{
    size_t page = page_size();
    return bytes > SIZE_MAX - (page - 1) ? 0 : (bytes + page - 1) / page * page;
}

/* From which size on memory is mapped. Debug builds leave all to malloc, where sanitizers watch it. */
static bool is_mapped(size_t bytes)
{
#ifdef GLIA_DEBUG
    (void)bytes;
    return false;
#else
    return bytes >= HUGE_PAGE;
#endif
}

/* Maps `all` bytes (whole pages) at a huge-page bound, by mapping more and giving back both ends. */
static void *map_aligned(size_t all, int protection, int flags)
{
    if (all > SIZE_MAX - HUGE_PAGE) return NULL;
    uint8_t *p = mmap(NULL, all + HUGE_PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t head = (HUGE_PAGE - ((uintptr_t)p & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
    if (head) munmap(p, head);
    munmap(p + head + all, HUGE_PAGE - head);
    return p + head;
}

static void *map_huge(size_t bytes)
{
    size_t all = whole_pages(bytes);
    void *p = all ? map_aligned(all, PROT_READ | PROT_WRITE, 0) : NULL;
    if (p) madvise(p, all, MADV_HUGEPAGE); /* advice: a kernel without huge pages refuses, to no harm */
    return p;
}

static void *os_mem_alloc(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    void *p;
    if (!bytes || bytes > BYTES_MOST || !align || (align & (align - 1)) || align > ALIGN_MOST) return NULL;
    if (is_mapped(bytes)) return map_huge(bytes);
    if (align < sizeof(void *)) align = sizeof(void *);
    if (posix_memalign(&p, align, bytes)) return NULL;
    return memset(p, 0, bytes);
}

static void os_mem_free(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    if (p && is_mapped(bytes)) munmap(p, whole_pages(bytes));
    else free(p);
}

static void *os_mem_reserve(void *ctx, size_t bytes)
{
    (void)ctx;
    size_t all = whole_pages(bytes);
    if (!all) return NULL;
    if (all < HUGE_PAGE) {
        void *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return p == MAP_FAILED ? NULL : p;
    }
    return map_aligned(all, PROT_NONE, MAP_NORESERVE);
}

#ifdef MADV_POPULATE_WRITE
/* Linux 5.14: faults all pages in and says so when memory is short, where touching would kill us. In steps,
 * since a step keeps other threads' changes to the address space waiting. EINVAL: not known here. */
static int populate(uint8_t *p, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += POPULATE_STEP) {
        size_t left = bytes - at;
        if (madvise(p + at, left < POPULATE_STEP ? left : POPULATE_STEP, MADV_POPULATE_WRITE)) return errno;
    }
    return 0;
}
#endif

static int os_mem_commit(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    size_t all = whole_pages(bytes), page = page_size();
    if (!bytes) return 0;
    if (!all || (uintptr_t)p % page) return EINVAL;
    if (mprotect(p, all, PROT_READ | PROT_WRITE)) return errno;
    if (all >= HUGE_PAGE) madvise(p, all, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    int error = populate(p, all);
    if (!error || error == ENOMEM) return error;
#endif
    for (size_t i = 0; i < all; i += page) __atomic_fetch_or((uint8_t *)p + i, 0, __ATOMIC_RELAXED);
    return 0;
}

static void os_mem_release(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    if (p) munmap(p, whole_pages(bytes));
}

static int os_file_open(void *ctx, const char *path, int flags, glia_file *out)
{
    (void)ctx;
    int how = O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* NONBLOCK: opening a fifo must not hang */
    if (!path || !(flags & (GLIA_FILE_READ | GLIA_FILE_WRITE))) return EINVAL;
    if (flags & GLIA_FILE_WRITE) how |= (flags & GLIA_FILE_READ ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
    else how |= O_RDONLY;
    int fd;
    do fd = open(path, how, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return errno;
    *out = fd;
    return 0;
}

/* The length of the first name of a path, 0 if it is none: empty, `.`, `..`, or with a backslash. */
static size_t plain_name(const char *path)
{
    const size_t n = strcspn(path, "/\\");
    if (path[n] == '\\' || n > NAME_MAX) return 0;
    return (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.') ? 0 : n;
}

/* Each name is opened inside the folder before it, so that nobody can swap a folder for a link meanwhile. */
static int os_file_open_below(void *ctx, const char *folder, const char *path, glia_file *out)
{
    (void)ctx;
    char name[NAME_MAX + 1];
    struct stat s;
    if (!folder || !path) return EINVAL;
    int at = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC), error = at < 0 ? errno : 0;
    for (bool last = false; !error && !last;) {
        const size_t n = plain_name(path);
        last = !path[n];
        if (!n) error = EINVAL;
        memcpy(name, path, n);
        name[n] = 0;
        const int how = last ? O_RDONLY | O_NOCTTY | O_NONBLOCK : O_PATH | O_DIRECTORY;
        const int next = error ? -1 : openat(at, name, how | O_NOFOLLOW | O_CLOEXEC);
        if (!error && next < 0) error = errno;
        /* Without this, a link to a folder would be told as "no folder". */
        if (error == ENOTDIR && !fstatat(at, name, &s, AT_SYMLINK_NOFOLLOW) && S_ISLNK(s.st_mode))
            error = ELOOP;
        close(at);
        at = next;
        path += n + !last;
    }
    if (!error && fstat(at, &s)) error = errno;
    if (!error && !S_ISREG(s.st_mode)) error = EINVAL;
    if (!error && s.st_nlink != 1) error = EMLINK;
    if (error && at >= 0) close(at);
    *out = error ? -1 : at;
    return error;
}

static int os_file_size(void *ctx, glia_file f, int64_t *out)
{
    (void)ctx;
    struct stat s;
    if (fstat((int)f, &s)) return errno;
    if (!S_ISREG(s.st_mode) || s.st_size < 0) return EINVAL;
    *out = s.st_size;
    return 0;
}

static int os_file_time(void *ctx, glia_file f, int64_t *out)
{
    (void)ctx;
    struct stat s;
    if (fstat((int)f, &s)) return errno;
    if (s.st_mtim.tv_sec < 0 || s.st_mtim.tv_sec > INT64_MAX / 1000000000 - 1) return EOVERFLOW;
    *out = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    return 0;
}

/* One pread or pwrite may move at most 0x7ffff000 bytes. */
static size_t piece(size_t bytes) { return bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30; }

static int os_file_read(void *ctx, glia_file f, int64_t offset, void *to, size_t bytes)
{
    (void)ctx;
    if (offset < 0 || bytes > (uint64_t)(INT64_MAX - offset)) return EINVAL;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread((int)f, (uint8_t *)to + done, piece(bytes - done), offset + (int64_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        done += (size_t)n;
    }
    return 0;
}

static int os_file_write(void *ctx, glia_file f, int64_t offset, const void *from, size_t bytes)
{
    (void)ctx;
    if (offset < 0 || bytes > (uint64_t)(INT64_MAX - offset)) return EINVAL;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite((int)f, (const uint8_t *)from + done, piece(bytes - done), offset + (int64_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        done += (size_t)n;
    }
    return 0;
}

static int os_file_sync(void *ctx, glia_file f)
{
    (void)ctx;
    return fsync((int)f) ? errno : 0;
}

/* A rename lasts only once its folder is on disk. Some file systems cannot sync a folder, so a refusal
 * here is no failure: the rename itself has happened. */
static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof folder) return;
    memcpy(folder, path, n + 1);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static int os_file_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    if (rename(from, to)) return errno;
    sync_folder_of(to);
    return 0;
}

static int os_file_remove(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) ? errno : 0;
}

static void os_file_close(void *ctx, glia_file f)
{
    (void)ctx;
    close((int)f); /* never repeated: after EINTR Linux has closed it already */
}

static void *os_map(void *ctx, glia_file f, size_t bytes)
{
    (void)ctx;
    void *p = bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, (int)f, 0) : MAP_FAILED;
    return p == MAP_FAILED ? NULL : p;
}

static void os_unmap(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    if (p) munmap(p, bytes);
}

static uint64_t os_clock_ns(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What a thread was started with; thread_join frees it. */
typedef struct {
    void (*fn)(void *);
    void *arg;
    pthread_t thread;
} thread_block;

static void *thread_main(void *p)
{
    thread_block *b = p;
    b->fn(b->arg);
    return NULL;
}

/* Confines threads made with `attr` to one processor. */
static int pin(pthread_attr_t *attr, int cpu)
{
    if (cpu >= 1 << 18) return EINVAL;
    size_t most = (size_t)cpu + 1 > CPU_SETSIZE ? (size_t)cpu + 1 : CPU_SETSIZE, size = CPU_ALLOC_SIZE(most);
    cpu_set_t *set = CPU_ALLOC(most);
    if (!set) return ENOMEM;
    CPU_ZERO_S(size, set);
    CPU_SET_S((size_t)cpu, size, set);
    int failed = pthread_attr_setaffinity_np(attr, size, set);
    CPU_FREE(set);
    return failed;
}

/* The host's signals are for the host's threads: ours block all but those that the thread itself
 * causes, and the profiler's. */
static void block_signals(sigset_t *old)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) sigdelset(&set, kept[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

static int os_thread_start(void *ctx, void (*fn)(void *), void *arg, int cpu, glia_thread *out)
{
    (void)ctx;
    pthread_attr_t attr;
    sigset_t signals;
    thread_block *b = calloc(1, sizeof *b);
    if (!b) return ENOMEM;
    b->fn = fn;
    b->arg = arg;
    int failed = pthread_attr_init(&attr);
    if (failed) goto free_block;
    if (cpu >= 0) failed = pin(&attr, cpu);
    if (!failed) {
        block_signals(&signals);
        failed = pthread_create(&b->thread, &attr, thread_main, b);
        pthread_sigmask(SIG_SETMASK, &signals, NULL);
    }
    pthread_attr_destroy(&attr);
    if (failed) goto free_block;
    *out = (glia_thread)b;
    return 0;
free_block:
    free(b);
    return failed;
}

static void os_thread_join(void *ctx, glia_thread t)
{
    (void)ctx;
    thread_block *b = (thread_block *)t;
    if (!b) return;
    pthread_join(b->thread, NULL);
    free(b);
}

static void os_futex_wait(void *ctx, const uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    (void)ctx;
    struct timespec t = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &t, NULL, 0);
}

static void os_futex_wake(void *ctx, const uint32_t *word, int count)
{
    (void)ctx;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static int os_cpu_count(void *ctx)
{
    (void)ctx;
    return glia_cpu_usable();
}

static int os_cpu_now(void *ctx)
{
    (void)ctx;
    return sched_getcpu();
}

static const glia_os posix = {
    .size = sizeof(glia_os),
    .mem_alloc = os_mem_alloc,
    .mem_free = os_mem_free,
    .mem_reserve = os_mem_reserve,
    .mem_commit = os_mem_commit,
    .mem_release = os_mem_release,
    .file_open = os_file_open,
    .file_size = os_file_size,
    .file_read = os_file_read,
    .file_write = os_file_write,
    .file_sync = os_file_sync,
    .file_rename = os_file_rename,
    .file_remove = os_file_remove,
    .file_close = os_file_close,
    .map = os_map,
    .unmap = os_unmap,
    .clock_ns = os_clock_ns,
    .thread_start = os_thread_start,
    .thread_join = os_thread_join,
    .futex_wait = os_futex_wait,
    .futex_wake = os_futex_wake,
    .cpu_count = os_cpu_count,
    .cpu_now = os_cpu_now,
    .file_time = os_file_time,
    .file_open_below = os_file_open_below,
};

const glia_os *glia_os_default(void) { return &posix; }
