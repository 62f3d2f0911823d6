/* Processor features, usable processors, and the floating-point mode. */
#include "cpu.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <xmmintrin.h>

/* The register states that the operating system saves (XCR0). Only where cpuid reports OSXSAVE. */
static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tile registers are large, so the system saves them only for a process that has asked; asking again does no
 * harm. Where the answer is no, or nobody understands the question, the tiles do not exist for us. */
static bool tiles_allowed(uint64_t states)
{
    const uint64_t tiles = 3u << 17; /* XCR0: their configuration and their data */
    if ((states & tiles) != tiles) return false;
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
#else
    return false;
#endif
}

uint32_t glia_cpu_features(void)
{
    enum { YMM = 0x6, ZMM = 0xE6 }; /* XCR0: SSE and AVX; and the three parts of AVX-512 */
    uint32_t a, b, c, d, found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    bool osxsave = c >> 27 & 1, fma_f16c = (c >> 12 & 1) && (c >> 29 & 1) && (c >> 28 & 1);
    if (!osxsave || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    uint64_t states = saved_states();
    uint32_t subleaves = a;
    if ((states & YMM) == YMM && fma_f16c && (b >> 5 & 1)) found |= GLIA_CPU_AVX2;
    bool avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
    if (found && (states & ZMM) == ZMM && avx512) {
        found |= GLIA_CPU_AVX512;
        if (c >> 11 & 1) found |= GLIA_CPU_AVX512_VNNI;
        const bool tiles = (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1); /* bf16, tiles, int8 */
        if (tiles && tiles_allowed(states)) found |= GLIA_CPU_AMX;
    }
    if (found && subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1))
        found |= GLIA_CPU_AVX_VNNI;
    return found;
}

/* MXCSR: every exception masked, round to nearest, no flush to zero, no denormals as zero. */
uint32_t glia_cpu_mode_set(void)
{
    uint32_t old = _mm_getcsr();
    _mm_setcsr(0x1F80);
    return old;
}

void glia_cpu_mode_restore(uint32_t mode) { _mm_setcsr(mode); }

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t glia_cpu_features(void)
{
    unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    uint32_t found = 0;
    if (caps >> 1 & 1) found |= GLIA_CPU_NEON;     /* HWCAP_ASIMD */
    if (caps >> 20 & 1) found |= GLIA_CPU_DOTPROD; /* HWCAP_ASIMDDP */
    if (caps2 >> 13 & 1) found |= GLIA_CPU_I8MM;   /* HWCAP2_I8MM */
    return found;
}

/* FPCR zero: no traps, round to nearest, no flush to zero, no default NaN. */
uint32_t glia_cpu_mode_set(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return (uint32_t)old;
}

void glia_cpu_mode_restore(uint32_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode)); }

#else

uint32_t glia_cpu_features(void) { return 0; }
uint32_t glia_cpu_mode_set(void) { return 0; }
void glia_cpu_mode_restore(uint32_t mode) { (void)mode; }

#endif

/* Reads a small text file into to[0..room), NUL-terminated; false if there is none. */
static bool read_small(const char *path, char *to, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t used = 0;
    while (used + 1 < room) {
        ssize_t n = read(fd, to + used, room - 1 - used);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        used += (size_t)n;
    }
    close(fd);
    to[used] = 0;
    return used > 0;
}

/* ceil(quota / period) of one control group; 0 when it sets no limit. */
static int quota_here(const char *base, const char *group, bool v2)
{
    char path[PATH_MAX], text[128], *end;
    long long quota, period;
    int n = snprintf(path, sizeof path, "%s%s/%s", base, group, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (n < 0 || n >= (int)sizeof path || !read_small(path, text, sizeof text)) return 0;
    quota = strtoll(text, &end, 10); /* "max" gives 0, v1's "no limit" is -1 */
    if (v2) {
        period = strtoll(end, NULL, 10);
    } else {
        n = snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", base, group);
        if (n < 0 || n >= (int)sizeof path || !read_small(path, text, sizeof text)) return 0;
        period = strtoll(text, NULL, 10);
    }
    if (quota <= 0 || period <= 0) return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > INT_MAX ? INT_MAX : (int)cpus;
}

/* The tightest quota of `group` and of the groups above it. In a container the group's name may be of the
 * host, and only the root be mounted; names that are not there are passed over. */
static int quota_chain(const char *base, char *group, bool v2)
{
    int least = 0;
    for (;;) {
        int here = quota_here(base, group, v2);
        if (here && (!least || here < least)) least = here;
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = 0;
    }
}

/* True if `list` ("cpu,cpuacct") names the controller cpu. */
static bool names_cpu(const char *list, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = 0;
        while (i + n < size && list[i + n] != ',') n++;
        if (n == 3 && !memcmp(list + i, "cpu", 3)) return true;
        i += n + 1;
    }
    return false;
}

int glia_cpu_quota(const char *groups_file, const char *mount)
{
    char text[8192], base[PATH_MAX];
    int least = 0;
    if (!read_small(groups_file, text, sizeof text)) return 0;
    /* Lines of "id:controllers:/group"; version 2 is "0::/group". */
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        list++;
        size_t list_size = (size_t)(group - list);
        bool v2 = list_size == 0;
        group++;
        if (!v2 && !names_cpu(list, list_size)) continue;
        if (!strcmp(group, "/")) *group = 0;
        int n = v2 ? snprintf(base, sizeof base, "%s", mount)
                   : snprintf(base, sizeof base, "%s/%.*s", mount, (int)list_size, list);
        if (n < 0 || n >= (int)sizeof base) continue;
        int here = quota_chain(base, group, v2);
        if (here && (!least || here < least)) least = here;
    }
    return least;
}

/* Processors in the affinity set of this thread. The set may be larger than cpu_set_t has room for. */
static int affinity_count(void)
{
    for (int most = CPU_SETSIZE; most <= 1 << 18; most *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        if (!set) return 1;
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int failed = sched_getaffinity(0, size, set) ? errno : 0;
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (!failed) return count > 0 ? count : 1;
        if (failed != EINVAL) break;
    }
    return 1;
}

int glia_cpu_usable(void)
{
    int count = affinity_count(), quota = glia_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota && quota < count ? quota : count;
}
