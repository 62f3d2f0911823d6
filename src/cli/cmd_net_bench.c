/* glia bench for networks: load, first run, and runs one after the other; with --against another runtime does the same
 * in a process of its own, and the two take turns in rounds, so that a noisy machine is noisy for both. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/number.h"
#include "format/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAMPLES_MOST = 1 << 18, ROUNDS_DEFAULT = 5, ROUNDS_MOST = 1000 };

typedef struct figures { /* of one side, in milliseconds; rounds: medians */
    double load, first, p50, p99, rate, mib;
    double rounds[ROUNDS_MOST];
} figures;

/* What the other side runs: reads a line with seconds, answers "runs p50 p99" of as many seconds of runs. */
static const char peer_script[] =
    "import os, sys, time\n"
    "import numpy as np\n"
    "import onnxruntime as ort\n"
    "path, threads, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]\n"
    "def rss():\n"
    "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20\n"
    "o = ort.SessionOptions()\n"
    "o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL\n"
    "o.intra_op_num_threads, o.inter_op_num_threads, o.log_severity_level = threads, 1, 3\n"
    "before, t = rss(), time.perf_counter()\n"
    "s = ort.InferenceSession(path, o, providers=['CPUExecutionProvider'])\n"
    "load = time.perf_counter() - t\n"
    "b = s.io_binding()\n"
    "for i, x in enumerate(s.get_inputs()):\n"
    "    b.bind_cpu_input(x.name, np.load(os.path.join(folder, '%d.npy' % i)))\n"
    "for x in s.get_outputs():\n"
    "    b.bind_output(x.name)\n"
    "t = time.perf_counter()\n"
    "s.run_with_iobinding(b)\n"
    "first = time.perf_counter() - t\n"
    "print('ready', load * 1e3, first * 1e3, rss() - before, flush=True)\n"
    "for line in sys.stdin:\n"
    "    end, times = time.perf_counter() + float(line), []\n"
    "    t = time.perf_counter()\n"
    "    while t < end or len(times) < 2:\n"
    "        s.run_with_iobinding(b)\n"
    "        u = time.perf_counter()\n"
    "        times.append(u - t)\n"
    "        t = u\n"
    "    times.sort()\n"
    "    print(len(times), times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3, flush=True)\n";

typedef struct peer {
    pid_t pid;
    FILE *to, *from;
} peer;

typedef struct bench_net {
    cli *c;
    glia_net *net;
    glia_object **in, **out;
    int in_count, out_count;
    int64_t threads, rounds;
    double seconds;
    double *samples; /* of a round, milliseconds */
    figures ours, theirs;
    peer peer;
} bench_net;

static double now_ms(void)
{
    const glia_os *os = glia_os_default();
    return (double)os->clock_ns(os->ctx) * 1e-6;
}

static double rss_mib(void)
{
    long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lld %lld", &pages, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576.0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int64_t n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n ? v[n / 2] : 0;
}

/* ---- the other side */

/* A line of three or four numbers behind an optional word. */
static bool peer_read(peer *p, double *out, int count)
{
    char line[512];
    if (!fgets(line, sizeof line, p->from)) return false;
    const char *at = strncmp(line, "ready ", 6) ? line : line + 6;
    for (int i = 0; i < count; i++) {
        const size_t n = strcspn(at, " \n");
        if (!glia_number_parse(at, (int64_t)n, &out[i])) return false;
        at += n + (at[n] == ' ');
    }
    return true;
}

static int peer_open(bench_net *b, const char *folder)
{
    int in[2], out[2];
    char threads[24];
    double v[3];
    snprintf(threads, sizeof threads, "%lld", (long long)b->threads);
    if (pipe(in)) return cli_refuse(b->c, GLIA_E_THREAD, "G0803", "no pipe");
    if (pipe(out)) {
        close(in[0]);
        close(in[1]);
        return cli_refuse(b->c, GLIA_E_THREAD, "G0803", "no pipe");
    }
    b->peer.pid = fork();
    if (b->peer.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        const char *python = b->c->set.python ? b->c->set.python : "python3";
        execlp(python, python, "-c", peer_script, b->c->args[0], threads, folder, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    b->peer.to = fdopen(in[1], "w");
    b->peer.from = fdopen(out[0], "r");
    if (b->peer.pid < 0 || !b->peer.to || !b->peer.from || !peer_read(&b->peer, v, 3))
        return cli_refuse(b->c, GLIA_E_UNSUPPORTED, "G0935",
                          "the peer did not start: is there a Python with numpy and onnxruntime (--python)?");
    b->theirs.load = v[0];
    b->theirs.first = v[1];
    b->theirs.mib = v[2];
    return CLI_OK;
}

static void peer_close(peer *p)
{
    if (p->to) fclose(p->to);
    if (p->from) fclose(p->from);
    if (p->pid > 0) waitpid(p->pid, NULL, 0);
    *p = (peer){0};
}

static int peer_round(bench_net *b, int64_t round)
{
    double v[3];
    fprintf(b->peer.to, "%.3f\n", b->seconds);
    if (fflush(b->peer.to) || !peer_read(&b->peer, v, 3))
        return cli_refuse(b->c, GLIA_E_IO, "G0935", "the peer stopped answering");
    b->theirs.rounds[round] = v[1];
    b->theirs.p99 = v[2] > b->theirs.p99 ? v[2] : b->theirs.p99;
    return CLI_OK;
}

/* ---- our side */

/* One run: where the network is one plan, inputs are copied into its own memory, else objects are made. */
static int run_once(bench_net *b)
{
    if (b->out_count && glia_net_output_data(b->net, 0)) {
        for (int i = 0; i < b->in_count; i++) {
            void *to = glia_net_input_data(b->net, i);
            if (to && b->in[i]) memcpy(to, glia_object_data(b->in[i]), (size_t)glia_object_bytes(b->in[i]));
        }
        return glia_net_step(b->net, &b->c->error) ? cli_failed(b->c) : CLI_OK;
    }
    const glia_status s = glia_net_run(b->net, b->in, b->out, NULL, &b->c->error);
    cli_net_release(b->out, b->out_count);
    return s ? cli_failed(b->c) : CLI_OK;
}

static int our_round(bench_net *b, int64_t round)
{
    int64_t n = 0;
    int code = CLI_OK;
    double t = now_ms();
    const double end = t + b->seconds * 1e3;
    while ((t < end || n < 2) && n < SAMPLES_MOST && !code) {
        code = run_once(b);
        const double u = now_ms();
        b->samples[n++] = u - t;
        t = u;
    }
    if (code) return code;
    b->ours.rounds[round] = median(b->samples, n);
    const double p99 = b->samples[n * 99 / 100];
    b->ours.p99 = p99 > b->ours.p99 ? p99 : b->ours.p99;
    return CLI_OK;
}

/* The inputs as the peer reads them: I.npy. */
static int save_inputs(bench_net *b, char *folder)
{
    char path[600];
    if (!mkdtemp(folder)) return cli_refuse(b->c, GLIA_E_IO, "G0802", "no temporary folder");
    for (int i = 0; i < b->in_count; i++) {
        const glia_object *o = b->in[i];
        if (!o) continue;
        snprintf(path, sizeof path, "%s/%d.npy", folder, i);
        if (glia_npy_write(NULL, path, glia_object_dtype(o), glia_object_rank(o), glia_object_dims(o),
                           glia_object_data(o), &b->c->error))
            return cli_refused(b->c);
    }
    return CLI_OK;
}

static void remove_inputs(const bench_net *b, const char *folder)
{
    char path[600];
    for (int i = 0; i < b->in_count; i++) {
        snprintf(path, sizeof path, "%s/%d.npy", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

/* ---- results */

static void put_side(bench_net *b, const char *name, const figures *f)
{
    if (!b->c->set.json) {
        glia_write_text(&b->c->out, "%-12s %7lld %9.3f %9.3f %10.4f %10.4f %10.1f %9.1f\n", name,
                        (long long)b->threads, f->load, f->first, f->p50, f->p99, f->rate, f->mib);
        return;
    }
    glia_json_writer *j = &b->c->json;
    glia_json_open(j, name, '{');
    glia_json_put_f64(j, "load_ms", f->load);
    glia_json_put_f64(j, "first_run_ms", f->first);
    glia_json_put_f64(j, "p50_ms", f->p50);
    glia_json_put_f64(j, "p99_ms", f->p99);
    glia_json_put_f64(j, "runs_per_second", f->rate);
    glia_json_put_f64(j, "memory_mib", f->mib);
    glia_json_close(j, '}');
}

static void put_result(bench_net *b)
{
    const bool json = b->c->set.json, both = b->c->set.against != NULL;
    double ratios[ROUNDS_MOST];
    for (int64_t i = 0; i < b->rounds; i++)
        ratios[i] = b->ours.rounds[i] > 0 ? b->theirs.rounds[i] / b->ours.rounds[i] : 0;
    const double ratio = median(ratios, b->rounds);
    b->ours.p50 = median(b->ours.rounds, b->rounds);
    b->ours.rate = b->ours.p50 > 0 ? 1e3 / b->ours.p50 : 0;
    b->theirs.p50 = median(b->theirs.rounds, b->rounds);
    b->theirs.rate = b->theirs.p50 > 0 ? 1e3 / b->theirs.p50 : 0;
    if (json) {
        glia_json_open(&b->c->json, NULL, '{');
        glia_json_put_i64(&b->c->json, "threads", b->threads);
        glia_json_put_bool(&b->c->json, "one_plan", glia_net_output_data(b->net, 0) != NULL);
    }
    put_side(b, "glia", &b->ours);
    if (both) put_side(b, b->c->set.against, &b->theirs);
    const double load = b->theirs.load / b->ours.load, first = b->theirs.first / b->ours.first;
    if (both && json) {
        glia_json_put_f64(&b->c->json, "ratio", ratio);
        glia_json_put_f64(&b->c->json, "ratio_load", load);
        glia_json_put_f64(&b->c->json, "ratio_first_run", first);
    } else if (both) {
        glia_write_text(&b->c->out, "ratio: %.2f times as fast (load %.1f, first run %.1f)\n", ratio, load,
                        first);
    }
    if (json) glia_json_close(&b->c->json, '}');
}

static int measure(bench_net *b)
{
    char folder[] = "/tmp/glia_bench_XXXXXX";
    const bool both = b->c->set.against != NULL;
    const double before = rss_mib();
    double t = now_ms();
    b->ours = b->theirs = (figures){0};
    int code = cli_net_open(b->c, b->threads, &b->net);
    if (code) return code;
    b->ours.load = now_ms() - t;
    b->in_count = glia_net_input_count(b->net);
    b->out_count = glia_net_output_count(b->net);
    b->in = GLIA_NEW_ARRAY(&b->c->arena, glia_object *, b->in_count);
    b->out = GLIA_NEW_ARRAY(&b->c->arena, glia_object *, b->out_count);
    code = b->in && b->out ? cli_net_inputs(b->c, b->net, b->in) : cli_no_memory(b->c);
    t = now_ms();
    if (!code) code = run_once(b);
    b->ours.first = now_ms() - t;
    b->ours.mib = rss_mib() - before;
    if (!code && both) code = save_inputs(b, folder);
    if (!code && both) code = peer_open(b, folder);
    for (int64_t i = 0; i < b->rounds && !code; i++) {
        code = our_round(b, i);
        if (!code && both) code = peer_round(b, i);
    }
    if (!code) put_result(b);
    peer_close(&b->peer);
    if (both) remove_inputs(b, folder);
    if (b->in) cli_net_release(b->in, b->in_count);
    glia_net_close(b->net);
    return code;
}

int cli_net_bench(cli *c)
{
    static bench_net b; /* rounds of both sides: too large for the stack */
    const cli_settings *s = &c->set;
    b = (bench_net){.c = c, .seconds = s->seconds > 0 ? s->seconds : 0.3};
    b.rounds = s->repetitions == CLI_UNSET ? ROUNDS_DEFAULT : glia_min(s->repetitions, ROUNDS_MOST);
    b.samples = GLIA_NEW_ARRAY(&c->arena, double, SAMPLES_MOST);
    if (!b.samples) return cli_no_memory(c);
    if (c->set.random == CLI_UNSET) c->set.random = 0;
    if (s->json) glia_json_open(&c->json, NULL, '[');
    else
        glia_write_text(&c->out, "%-12s %7s %9s %9s %10s %10s %10s %9s\n", "", "threads", "load ms",
                        "first ms", "p50 ms", "p99 ms", "runs/s", "MiB");
    int64_t all = 1;
    const glia_os *os = glia_os_default();
    if (!s->thread_list.count) all = glia_min(os->cpu_count(os->ctx), 64);
    int code = CLI_OK;
    for (int64_t i = 0; i < glia_max(s->thread_list.count, 1) && !code; i++) {
        b.threads = s->thread_list.count ? s->thread_list.v[i] : all;
        code = measure(&b);
    }
    if (!code && s->json) {
        glia_json_close(&c->json, ']');
        glia_write_text(&c->out, "\n");
    }
    return code;
}
