/* Decode speed when threads are not alone: slots at twice the processors, and one foreign busy process per
 * processor.
 *
 *     bench_busy model.gguf [rounds] [tokens]
 *
 * Interleaved in one run: (a) threads = processors, (b) threads = slots = twice the processors, (c) as (a)
 * with one busy process per processor, whose fair share leaves half the machine. Printed: medians of
 * tokens/s, b/a, and c over half of a. Last: the processor time that an idle session uses in one second. */
#include <glia/glia.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct setup {
    glia_model *m;
    glia_session *s;
} setup;

static int open_setup(setup *x, const char *path, int threads)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = o.slots = threads;
    o.context = 1024;
    if (!glia_model_open(path, &o, &x->m, &e) && !glia_session_create(x->m, &x->s, &e)) return 1;
    fprintf(stderr, "%s\n", e.text);
    return 0;
}

static double decode(setup *x, int tokens)
{
    glia_session_trim(x->s, 0, 0, NULL);
    double begin = clock_of(CLOCK_MONOTONIC);
    for (int i = 0; i < tokens; i++) {
        int32_t id = 3 + i % 200, zero = 0;
        const float *logits;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = b.row_count = 1;
        b.ids = &id;
        b.rows = &zero;
        if (glia_session_step(x->s, &b, &logits, NULL)) return 0;
    }
    return tokens / (clock_of(CLOCK_MONOTONIC) - begin);
}

static pid_t burn(void)
{
    pid_t p = fork();
    if (p == 0)
        for (volatile unsigned i = 0;; i++) {
        }
    return p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

int main(int argc, char **argv)
{
    if (argc < 2) return fprintf(stderr, "usage: bench_busy model.gguf [rounds] [tokens]\n"), 2;
    int rounds = argc > 2 ? atoi(argv[2]) : 7, tokens = argc > 3 ? atoi(argv[3]) : 100;
    int cpus = glia_os_default()->cpu_count(NULL);
    setup a, b;
    if (rounds < 1 || rounds > 99 || !open_setup(&a, argv[1], cpus) || !open_setup(&b, argv[1], 2 * cpus))
        return 1;
    double va[99], vb[99], vc[99];
    decode(&a, tokens);
    decode(&b, tokens);
    for (int r = 0; r < rounds; r++) {
        pid_t p[64];
        va[r] = decode(&a, tokens);
        vb[r] = decode(&b, tokens);
        for (int i = 0; i < cpus && i < 64; i++) p[i] = burn();
        vc[r] = decode(&a, tokens);
        for (int i = 0; i < cpus && i < 64; i++) kill(p[i], SIGKILL), waitpid(p[i], NULL, 0);
    }
    double ma = median(va, rounds), mb = median(vb, rounds), mc = median(vc, rounds);
    printf("decode tokens/s: %d threads %.1f; %d threads and slots %.1f (%.2f); with %d busy processes %.1f "
           "(%.2f of the fair share)\n",
           cpus, ma, 2 * cpus, mb, mb / ma, cpus, mc, mc / (ma / 2));
    sleep(1);
    double used = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    sleep(1);
    printf("idle: %.3f ms of processor time in one second\n",
           (clock_of(CLOCK_PROCESS_CPUTIME_ID) - used) * 1e3);
    return 0;
}
