/* What a run costs beside its kernels' work: chains of tiny element-wise nodes on one thread.
 *
 *     bench_dispatch
 *
 * For chains of 10, 100 and 1000 nodes (relu and add in turn) on 1, 16 and 64 floats: microseconds a run, and
 * nanoseconds a node from the difference between lengths; then what compiling and the first run take. */
#include "base/cpu.h"
#include "run/lane.h"

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

typedef struct timing {
    double build, compile, first, run; /* seconds */
} timing;

static bool measure(int nodes, int64_t width, timing *t)
{
    glia_graph *g = NULL;
    glia_plan *p = NULL;
    glia_lane *l = NULL;
    glia_error e = GLIA_ERROR_INIT;
    double start = now();
    bool ok = !glia_graph_create(NULL, &g, &e);
    glia_type type = {GLIA_F32, 2, 0, {1, width}};
    glia_value x = glia_graph_input(g, "x", &type), y = glia_graph_input(g, "y", &type), v = x;
    for (int i = 0; i < nodes; i++) {
        glia_value in[] = {v, y};
        v = glia_graph_node(g, i % 2 ? "add" : "relu", NULL, in, 1 + i % 2, NULL);
    }
    glia_graph_output(g, "out", v);
    ok = ok && !glia_graph_seal(g, &e);
    t->build = now() - start;
    start = now();
    glia_compile_options o = {.slots = 2, .features = glia_cpu_features()};
    ok = ok && !glia_compile(g, &o, &p, &e);
    t->compile = now() - start;
    start = now();
    glia_lane_options lo = {.workers = 2};
    glia_run run = {0};
    ok = ok && !glia_lane_create(p, &lo, &l, &e) && !glia_lane_begin(l, NULL, &e);
    ok = ok && !glia_lane_run(l, &run, &e);
    t->first = now() - start;
    t->run = 1;
    for (int round = 0; ok && round < 20; round++) {
        int runs = 20000 / nodes;
        start = now();
        for (int i = 0; i < runs && ok; i++)
            ok = !glia_lane_begin(l, NULL, &e) && !glia_lane_run(l, &run, &e);
        double each = (now() - start) / runs;
        t->run = each < t->run ? each : t->run;
    }
    if (!ok) fprintf(stderr, "%s\n", e.text);
    glia_lane_destroy(l);
    glia_plan_free(p);
    glia_graph_destroy(g);
    return ok;
}

int main(void)
{
    static const int64_t widths[] = {1, 16, 64};
    static const int lengths[] = {10, 100, 1000};
    for (int w = 0; w < 3; w++) {
        timing t[3];
        for (int i = 0; i < 3; i++) {
            if (!measure(lengths[i], widths[w], &t[i])) return 1;
            printf("%5d nodes of %2lld floats: %8.3f us a run; graph %6.3f ms, compile %7.3f ms, lane and "
                   "first run "
                   "%6.3f ms\n",
                   lengths[i], (long long)widths[w], 1e6 * t[i].run, 1e3 * t[i].build, 1e3 * t[i].compile,
                   1e3 * t[i].first);
        }
        double node = (t[1].run - t[0].run) / (lengths[1] - lengths[0]);
        printf("      %.1f ns a node, %.2f us a run besides\n", 1e9 * node, 1e6 * (t[0].run - 10 * node));
    }
    return 0;
}
