/* Counts what a test program asks of the allocator and of mmap, whoever asks: included by a test's own
 * source, it stands in front of the C library's functions. Under a sanitizer its own hook counts allocations,
 * and mappings are not counted. malloc_counts says whether anything is counted here at all. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static _Atomic long malloc_calls, malloc_maps;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_SANITIZED 1
#endif

#if defined(MALLOC_SANITIZED)

__attribute__((visibility("default"))) void __sanitizer_malloc_hook(const volatile void *p, size_t bytes);
void __sanitizer_malloc_hook(const volatile void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
    atomic_fetch_add(&malloc_calls, 1);
}
static const int malloc_counts = 1;

#elif defined(__GLIBC__)

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static void malloc_called(void) { atomic_fetch_add(&malloc_calls, 1); }

void *malloc(size_t bytes)
{
    malloc_called();
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes)
{
    malloc_called();
    return __libc_calloc(count, bytes);
}
void *realloc(void *p, size_t bytes)
{
    malloc_called();
    return __libc_realloc(p, bytes);
}
void *aligned_alloc(size_t align, size_t bytes)
{
    malloc_called();
    return __libc_memalign(align, bytes);
}
void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
    malloc_called();
    return __libc_memalign(align, bytes);
}
int posix_memalign(void **out, size_t align, size_t bytes)
{
    malloc_called();
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : ENOMEM;
}
void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    atomic_fetch_add(&malloc_maps, 1);
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}
static const int malloc_counts = 1;

#else
static const int malloc_counts = 0;
#endif
