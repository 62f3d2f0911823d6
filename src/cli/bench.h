/* What the files of glia bench share: what is measured, and what came of it. */
#ifndef GLIA_CLI_BENCH_H
#define GLIA_CLI_BENCH_H

#include "cli/cli.h"
#include "cli/probe.h"

typedef struct bench_test {
    int64_t prompt, gen, depth; /* tokens in one go, tokens one by one behind them, tokens held before */
} bench_test;

typedef struct bench_work { /* of one repetition, by the costs that operations state */
    double read_bytes;      /* weights of products, and keys and values of decode */
    double int_ops, float_ops;
} bench_work;

typedef struct bench_result {
    bench_test test;
    int64_t threads, slots, parallel, batch;
    int64_t *ns;        /* [repetitions] */
    int64_t *steps;     /* [step_count] each step of decode, over all repetitions, ascending */
    int64_t step_count; /* steps of decode, prefill's are not looked at one by one */
    int64_t reused; /* tokens that were held but not computed, over all repetitions: 0, or it is no result */
    int64_t load_ns;
    int64_t first_cold_ns; /* from opening the model to the first logits; 0: not this test */
    int64_t peak_bytes;    /* resident, before the probes took their array */
    int64_t allocations, faults_minor, faults_major; /* while it was measured */
    int64_t meetings;                                /* of the last step */
    double waiting;                                  /* share of the threads' time; below 0: not known */
    const char *isa, *kv;
    bench_work work;
    cli_limits limits;
    char time[32]; /* when it began, ISO 8601 */
} bench_result;

typedef struct bench {
    cli *c;
    glia_model *m;
    glia_session *s;
    int64_t repetitions, parallel, context;
    bench_test *tests;
    int64_t test_count;
    uint64_t random;  /* state of the generator of ids */
    int64_t computed; /* tokens that steps have computed, over all sequences */
    int32_t *ids;     /* [context * parallel] */
    int32_t *own;     /* [batch] the number of the sequence that is fed */
    int32_t *each;    /* [parallel] 0, 1, .. */
    int64_t *clock;   /* where the next step's time goes, which moves on; null: nowhere */
    int64_t load_ns;
    bench_result *results;
    int64_t count, capacity;
    const char *arch, *type;
    char cpu[128];
    int64_t model_bytes, parameters;
    char file[256];
} bench;

/* ---- bench_run.c */
/* Opens args[0] with these threads; b->s and b->ids are ready then. Close it in any case. */
int bench_open(bench *b, int64_t threads);
void bench_close(bench *b);
/* One test with the model that is open; appends its result. */
int bench_measure(bench *b, const bench_test *t);
/* Appends ids[0..count) to a sequence in steps as large as the model takes, with the logits of the last. */
glia_status bench_feed(bench *b, int32_t sequence, const int32_t *ids, int64_t count);
/* `count` steps with one token of ids for each of b->parallel sequences, and the logits of each. */
glia_status bench_decode(bench *b, const int32_t *ids, int64_t count);
/* Drops what is behind `length` tokens of every sequence. */
glia_status bench_trim(bench *b, int64_t length);
void bench_random_ids(bench *b, int64_t count);
uint64_t bench_now_ns(void);

/* ---- bench_work.c */
/* Work of a step with `tokens` tokens and the logits of `rows` of them, products alone. */
bench_work bench_step_work(const glia_model *m, int64_t tokens, int64_t rows);
/* Bytes of keys and values that a token leaves behind. */
double bench_token_bytes(const glia_model *m);

/* ---- bench_system.c */
/* The default table, which counts what it hands out. */
const glia_os *bench_os(void);
int64_t bench_allocations(void);
void bench_faults(int64_t *minor, int64_t *major);
/* From now on the peak counts anew, where the system allows that. */
void bench_peak_reset(void);
int64_t bench_peak_bytes(void);
void bench_cpu_name(char *to, int64_t size);
/* ISO 8601, in UTC. */
void bench_time_text(char to[32]);

/* ---- bench_out.c */
void bench_put(const bench *b);
/* The value below which `share` of the ascending v[0..n) lie; 0 for none. */
int64_t bench_quantile(const int64_t *v, int64_t n, double share);
void bench_sort(int64_t *v, int64_t n);

/* ---- bench_latency.c, bench_kernels.c */
int bench_latency(bench *b);
int bench_kernels(cli *c);

#endif
