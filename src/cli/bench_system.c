/* What the system says about this process: memory, page faults, the processor's name. */
#include "cli/bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

/* A table's functions get the default table's own context, so the count is of file scope. */
static _Atomic int64_t allocations;
static glia_os counting;

static void *counted_alloc(void *ctx, size_t bytes, size_t align)
{
    atomic_fetch_add(&allocations, 1);
    return glia_os_default()->mem_alloc(ctx, bytes, align);
}

static void *counted_reserve(void *ctx, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return glia_os_default()->mem_reserve(ctx, bytes);
}

static void *counted_map(void *ctx, glia_file f, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return glia_os_default()->map(ctx, f, bytes);
}

const glia_os *bench_os(void)
{
    counting = *glia_os_default();
    counting.mem_alloc = counted_alloc;
    counting.mem_reserve = counted_reserve;
    counting.map = counted_map;
    return &counting;
}

int64_t bench_allocations(void) { return atomic_load(&allocations); }

void bench_faults(int64_t *minor, int64_t *major)
{
    struct rusage u = {0};
    getrusage(RUSAGE_SELF, &u);
    *minor = u.ru_minflt;
    *major = u.ru_majflt;
}

void bench_peak_reset(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    fputs("5\n", f); /* refused here and there: then the peak counts from the process's begin */
    fclose(f);
}

/* The text behind "name:" and blanks, in a file of such lines; false if there is none. */
static bool line_of(const char *path, const char *name, char *to, int64_t size)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) || !colon) continue;
        char *begin = colon + 1 + strspn(colon + 1, " \t");
        begin[strcspn(begin, "\n")] = 0;
        snprintf(to, (size_t)size, "%s", begin);
        found = true;
    }
    if (f) fclose(f);
    return found;
}

int64_t bench_peak_bytes(void)
{
    char text[64];
    struct rusage u = {0};
    if (line_of("/proc/self/status", "VmHWM", text, sizeof text)) return 1024 * strtoll(text, NULL, 10);
    getrusage(RUSAGE_SELF, &u);
    return 1024 * (int64_t)u.ru_maxrss;
}

void bench_cpu_name(char *to, int64_t size)
{
    struct utsname u;
    if (line_of("/proc/cpuinfo", "model name", to, size)) return;
    snprintf(to, (size_t)size, "%s", uname(&u) ? "unknown" : u.machine);
}

void bench_time_text(char to[32])
{
    time_t now = time(NULL);
    struct tm t;
    to[0] = 0;
    if (gmtime_r(&now, &t)) strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &t);
}
