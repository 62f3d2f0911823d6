/* The memory planner on published sets of buffers: arena over lower bound, capacity, and time.
 *
 *     bench_planner [--steps N] FILE.csv ...
 *
 * A file has lines "id,lower,upper,size", upper exclusive. A number in its name between dots (A.1048576.csv) is the
 * capacity that is known to be enough; the search stops there. */
#include "compile/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { BUFFERS_MAX = 65536 };

static bool run(const char *path, int64_t steps, int *within)
{
    static glia_buffer b[BUFFERS_MAX];
    FILE *f = fopen(path, "r");
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strchr(name, '.');
    char line[256];
    int64_t count = 0, bound;
    bool failed = false;
    if (!f) return fprintf(stderr, "%s: cannot be read\n", path), false;
    while (fgets(line, sizeof line, f) && count < BUFFERS_MAX) {
        long long lower, upper, bytes;
        const char *comma = strchr(line, ',');
        if (!comma || sscanf(comma, ",%lld,%lld,%lld", &lower, &upper, &bytes) != 3) continue;
        b[count++] = (glia_buffer){bytes, (int32_t)lower, (int32_t)upper - 1, -1};
    }
    fclose(f);
    glia_place_options o = {steps, dot ? atoll(dot + 1) : 0};
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    double start = now();
    int64_t bytes = glia_place_buffers(b, count, &o, &a, &bound, &failed);
    double seconds = now() - start;
    bool fits = !failed && glia_check_buffers(b, count, bytes, &a);
    glia_arena_free(&a);
    *within += fits && bytes <= (o.enough > bound ? o.enough : bound);
    printf("%-32s %5lld buffers, bound %10lld, arena %10lld, ratio %.4f%s, %7.3f s%s\n", name,
           (long long)count, (long long)bound, (long long)bytes, (double)bytes / (double)bound,
           o.enough ? bytes <= o.enough ? ", within capacity" : ", above capacity " : "", seconds,
           fits ? "" : ": OVERLAPS");
    return fits;
}

int main(int argc, char **argv)
{
    int64_t steps = 0;
    int within = 0, files = 0;
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--steps") && i + 1 < argc) steps = (int64_t)atof(argv[++i]);
        else files += ok &= run(argv[i], steps, &within);
    }
    if (!files) return fprintf(stderr, "usage: bench_planner [--steps N] FILE.csv ...\n"), 2;
    printf("%d of %d at the capacity, or the bound\n", within, files);
    return !ok;
}
