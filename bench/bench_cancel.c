/* How long a cancel takes: from glia_session_cancel in one thread to the return of the call in another.
 *
 *     bench_cancel model.gguf [tries] [threads]
 *
 * Each try starts a generation whose prompt takes at least two seconds when the model allows it, and cancels
 * at a random moment of it. Tries whose generation had ended before are counted apart. Printed: the share of
 * tries that interrupted work, and the latency's p50, p90, p99 and maximum in milliseconds. */
#include <glia/glia.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct canceller {
    glia_session *s;
    double delay;
    _Atomic int done;
    double asked;
} canceller;

static void *cancel_later(void *arg)
{
    canceller *c = arg;
    struct timespec t = {(time_t)c->delay, (long)((c->delay - (double)(time_t)c->delay) * 1e9)};
    nanosleep(&t, NULL);
    c->asked = now();
    glia_session_cancel(c->s);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draw(uint64_t *state, int32_t *ids, int count)
{
    for (int i = 0; i < count; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        ids[i] = 3 + (int32_t)((*state >> 33) % 200);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) return fprintf(stderr, "usage: bench_cancel model.gguf [tries] [threads]\n"), 2;
    int tries = argc > 2 ? atoi(argv[2]) : 100, hit = 0;
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = argc > 3 ? atoi(argv[3]) : 0;
    o.context = 4096;
    glia_model *m;
    glia_session *s;
    if (glia_model_open(argv[1], &o, &m, &e) || glia_session_create(m, &s, &e))
        return fprintf(stderr, "%s\n", e.text), 1;
    enum { PROMPT = 3072 };
    static int32_t ids[PROMPT];
    double *latency = malloc((size_t)tries * sizeof *latency);
    uint64_t r = 12345;
    draw(&r, ids, PROMPT);
    double begin = now();
    const float *logits;
    if (glia_session_prefix(s, ids, PROMPT, &logits, &e)) return fprintf(stderr, "%s\n", e.text), 1;
    double whole = now() - begin;
    for (int i = 0; i < tries; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        canceller c = {.s = s, .delay = (double)(r >> 11) / 9007199254740992.0 * whole * 1.2};
        glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
        g.tokens_max = 1024;
        g.ignore_end = 1;
        pthread_t t;
        draw(&r, ids, PROMPT); /* a prompt that was seen before would be found instead of computed */
        glia_session_trim(s, 0, 0, NULL);
        pthread_create(&t, NULL, cancel_later, &c);
        glia_status st = glia_session_generate(s, ids, PROMPT, &g, NULL, &e);
        double back = now();
        pthread_join(t, NULL);
        if (st == GLIA_E_CANCELLED) latency[hit++] = (back - c.asked) * 1e3;
        else if (st != GLIA_E_CONTEXT && st) return fprintf(stderr, "%s\n", e.text), 1;
        /* What was not used up would stop the next try at once. */
        if (st != GLIA_E_CANCELLED) glia_session_prefix(s, ids, 1, &logits, &e);
    }
    qsort(latency, (size_t)hit, sizeof *latency, by_value);
    printf("prompt of %d tokens: %.2f s; %d of %d tries interrupted work\n", PROMPT, whole, hit, tries);
    if (hit)
        printf("cancel latency ms: p50 %.3f p90 %.3f p99 %.3f max %.3f\n", latency[hit / 2],
               latency[hit * 9 / 10], latency[hit * 99 / 100], latency[hit - 1]);
    free(latency);
    glia_session_destroy(s);
    glia_model_close(m);
    return 0;
}
