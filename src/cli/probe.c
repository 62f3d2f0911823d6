/* Times the loops of probe_loops.c on all threads at once. */
#include "cli/probe.h"

#include "base/check.h"

#include <string.h>
#include <unistd.h>

enum { ARRAY_MOST = 1 << 30, ARRAY_LEAST = 1 << 16, READ_LEAST = 32 << 20 };

static uint64_t now_ns(void)
{
    const glia_os *os = glia_os_default();
    return os->clock_ns(os->ctx);
}

static int64_t part_bytes(const cli_probe *p) { return p->bytes / p->threads / 4096 * 4096; }

static void fill_part(void *arg, int worker)
{
    cli_probe *p = arg;
    memset(p->array + worker * part_bytes(p), 1 + worker, (size_t)part_bytes(p));
}

static void on_team(cli_probe *p, glia_team_fn fn)
{
    if (p->team) glia_team_run(p->team, fn, p);
    else fn(p, 0);
}

bool cli_probe_open(cli_probe *p, glia_team *team, uint32_t features, int64_t bytes)
{
    const glia_os *os = glia_os_default();
    *p = (cli_probe){.team = team, .threads = team ? glia_team_workers(team) : 1, .features = features};
    p->processors = os->cpu_count(os->ctx);
    p->bytes = glia_max(glia_min(bytes, ARRAY_MOST), ARRAY_LEAST * (int64_t)p->threads);
    p->array = os->mem_alloc(os->ctx, (size_t)p->bytes, 4096);
    p->times = os->mem_alloc(os->ctx, (size_t)p->threads * sizeof *p->times, 64);
    p->best.threads = p->threads;
    if (!p->array || !p->times) {
        cli_probe_close(p);
        return false;
    }
    on_team(p, fill_part);
    return true;
}

void cli_probe_close(cli_probe *p)
{
    const glia_os *os = glia_os_default();
    if (p->array) os->mem_free(os->ctx, p->array, (size_t)p->bytes);
    if (p->times) os->mem_free(os->ctx, p->times, (size_t)p->threads * sizeof *p->times);
    p->array = NULL;
    p->times = NULL;
}

static void timed(void *arg, int worker)
{
    cli_probe *p = arg;
    if (p->team) glia_team_meet(p->team, worker, NULL, NULL);
    p->times[worker][0] = now_ns();
    if (p->run) p->run(p->rounds);
    else
        for (int64_t i = 0; i < p->passes; i++)
            cli_read_all(p->array + worker * part_bytes(p), p->level_bytes, p->streams, p->features);
    p->times[worker][1] = now_ns();
}

/* Seconds from the first thread's begin to the last one's end. */
static double run_once(cli_probe *p)
{
    on_team(p, timed);
    uint64_t begin = p->times[0][0], end = p->times[0][1];
    for (int i = 1; i < p->threads; i++) {
        if (p->times[i][0] < begin) begin = p->times[i][0];
        if (p->times[i][1] > end) end = p->times[i][1];
    }
    return 1e-9 * (double)(end > begin ? end - begin : 1);
}

static void keep(double *best, double rate)
{
    if (rate > *best) *best = rate;
}

/* Every thread reads `bytes` of its part, at least READ_LEAST in all. */
static void read_level(cli_probe *p, int level, int64_t bytes)
{
    p->run = NULL;
    p->level_bytes = bytes / 1024 * 1024;
    p->passes = glia_max(1, READ_LEAST / glia_max(1, p->level_bytes * p->threads));
    p->best.read_bytes[level] = p->level_bytes * p->threads;
    for (p->streams = 1; p->streams <= 4; p->streams += 3)
        for (int i = 0; i < 2; i++)
            keep(&p->best.read[level], (double)p->level_bytes * (double)p->passes * p->threads / run_once(p));
}

double cli_probe_read(cli_probe *p, int64_t bytes)
{
    double best = 0;
    p->run = NULL;
    p->level_bytes = glia_min(bytes, part_bytes(p)) / 1024 * 1024;
    p->passes = glia_max(1, READ_LEAST / glia_max(1, p->level_bytes * p->threads));
    for (p->streams = 1; p->streams <= 4; p->streams += 3)
        for (int i = 0; i < 3; i++)
            keep(&best, (double)p->level_bytes * (double)p->passes * p->threads / run_once(p));
    return best;
}

static void read_levels(cli_probe *p)
{
    const int64_t l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    read_level(p, CLI_READ_MEMORY, part_bytes(p));
    if (l2 > 0 && l2 / 2 <= part_bytes(p)) read_level(p, CLI_READ_L2, l2 / 2);
    if (l2 > 0 && 4 * l2 <= part_bytes(p) && 8 * l2 * p->threads <= l3) read_level(p, CLI_READ_L3, 4 * l2);
}

/* About 5 ms of `run`; the seconds a round takes. */
static double time_rounds(cli_probe *p, void (*run)(int64_t))
{
    double seconds = 0;
    p->run = run;
    for (p->rounds = 1000; p->rounds < (int64_t)1 << 40; p->rounds *= 4) {
        seconds = run_once(p);
        if (seconds > 2e-3) break;
    }
    return seconds / (double)p->rounds;
}

static void units(cli_probe *p)
{
    const int at_once = (int)glia_min(p->threads, p->processors);
    if (cli_adds_known()) keep(&p->best.clock_hz, CLI_ADDS_ROUND / time_rounds(p, cli_adds));
    const cli_unit *fastest[CLI_UNITS] = {NULL};
    for (const cli_unit *u = cli_units; u->name; u++)
        if (!(u->needs & ~p->features)) fastest[u->unit] = u;
    for (int i = 0; i < CLI_UNITS; i++) {
        if (!fastest[i]) continue;
        for (int again = 0; again < 3; again++)
            keep(&p->best.unit[i], fastest[i]->ops_round * p->threads / time_rounds(p, fastest[i]->run));
        p->best.unit_name[i] = fastest[i]->name;
        p->best.unit_expected[i] = p->best.clock_hz * fastest[i]->ops_cycle * at_once;
    }
}

void cli_probe_round(cli_probe *p)
{
    units(p);
    read_levels(p);
}

bool cli_limits_doubtful(const cli_limits *l, int unit)
{
    double rate = l->unit[unit], expected = l->unit_expected[unit];
    return expected > 0 && (rate < 0.5 * expected || rate > 1.2 * expected);
}
