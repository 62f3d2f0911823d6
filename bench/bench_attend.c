/* Attention alone, through its kernel rows: prompts against the fp32 arithmetic peak, single tokens against
 * the read bandwidth of the bytes that they read, both measured in the same run and in turn.
 *
 *     bench_attend [part of a row's name [heads groups head_dim context tokens [layers]]]
 *
 * A prompt's last `tokens` tokens of `context` are attended to at once (a multiply-add counts as two, what is
 * not seen is not counted); then one token at the end of the context, and eight sequences with a token each.
 * Single tokens go round over `layers` caches, as a model's layers do. One thread; without sizes a list of
 * shapes is run. Only ratios within one run mean anything. */
#include "base/check.h"
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 32, SEQUENCES = 8, ROUNDS = 5 };

typedef struct shape {
    int64_t heads, groups, d, context, tokens, layers;
} shape;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what this thread ran, since the machine is shared */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t state = 7;
static float random_f32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

static void *take(int64_t bytes)
{
    void *p = 0;
    if (posix_memalign(&p, 4096, (size_t)bytes + 4096)) exit(1);
    memset(p, 0, (size_t)bytes);
    return p;
}

static volatile float sink;

/* Multiply-adds per second in twelve chains, as operations; 0 where AVX2 is missing. The chains start apart:
 * of equal ones the compiler keeps one. */
#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((noinline, target("avx512f"))) static void spin_512(int64_t rounds)
{
    const __m512 b = _mm512_set1_ps(random_f32() * 0x1p-20f), a = b;
    __m512 s0 = _mm512_set1_ps(random_f32()), s1 = _mm512_set1_ps(random_f32()),
           s2 = _mm512_set1_ps(random_f32()), s3 = _mm512_set1_ps(random_f32()),
           s4 = _mm512_set1_ps(random_f32()), s5 = _mm512_set1_ps(random_f32()),
           s6 = _mm512_set1_ps(random_f32()), s7 = _mm512_set1_ps(random_f32()),
           s8 = _mm512_set1_ps(random_f32()), s9 = _mm512_set1_ps(random_f32()),
           s10 = _mm512_set1_ps(random_f32()), s11 = _mm512_set1_ps(random_f32());
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm512_fmadd_ps(s0, b, a), s1 = _mm512_fmadd_ps(s1, b, a), s2 = _mm512_fmadd_ps(s2, b, a);
        s3 = _mm512_fmadd_ps(s3, b, a), s4 = _mm512_fmadd_ps(s4, b, a), s5 = _mm512_fmadd_ps(s5, b, a);
        s6 = _mm512_fmadd_ps(s6, b, a), s7 = _mm512_fmadd_ps(s7, b, a), s8 = _mm512_fmadd_ps(s8, b, a);
        s9 = _mm512_fmadd_ps(s9, b, a), s10 = _mm512_fmadd_ps(s10, b, a), s11 = _mm512_fmadd_ps(s11, b, a);
    }
    s0 = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
    sink = _mm512_reduce_add_ps(s0);
}
__attribute__((noinline, target("avx2,fma"))) static void spin_256(int64_t rounds)
{
    const __m256 b = _mm256_set1_ps(random_f32() * 0x1p-20f), a = b;
    __m256 s0 = _mm256_set1_ps(random_f32()), s1 = _mm256_set1_ps(random_f32()),
           s2 = _mm256_set1_ps(random_f32()), s3 = _mm256_set1_ps(random_f32()),
           s4 = _mm256_set1_ps(random_f32()), s5 = _mm256_set1_ps(random_f32()),
           s6 = _mm256_set1_ps(random_f32()), s7 = _mm256_set1_ps(random_f32()),
           s8 = _mm256_set1_ps(random_f32()), s9 = _mm256_set1_ps(random_f32()),
           s10 = _mm256_set1_ps(random_f32()), s11 = _mm256_set1_ps(random_f32());
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm256_fmadd_ps(s0, b, a), s1 = _mm256_fmadd_ps(s1, b, a), s2 = _mm256_fmadd_ps(s2, b, a);
        s3 = _mm256_fmadd_ps(s3, b, a), s4 = _mm256_fmadd_ps(s4, b, a), s5 = _mm256_fmadd_ps(s5, b, a);
        s6 = _mm256_fmadd_ps(s6, b, a), s7 = _mm256_fmadd_ps(s7, b, a), s8 = _mm256_fmadd_ps(s8, b, a);
        s9 = _mm256_fmadd_ps(s9, b, a), s10 = _mm256_fmadd_ps(s10, b, a), s11 = _mm256_fmadd_ps(s11, b, a);
    }
    s0 = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
    sink = _mm256_cvtss_f32(s0);
}
static double probe_fma(bool wide)
{
    enum { N = 200000 };
    const double t = now();
    (wide ? spin_512 : spin_256)(N);
    return 2e-9 * (wide ? 16 : 8) * 12 * N / (now() - t);
}
#else
static double probe_fma(bool wide) { return wide ? 0 : 0; }
#endif

/* Reads every word in eight streams. */
#if !defined(__clang__)
__attribute__((optimize("O3")))
#endif
__attribute__((noinline)) static double
probe_read(const void *bytes, int64_t count)
{
    const uint64_t *p = bytes;
    const size_t words = (size_t)count / 8, part = words / 4 / 8 * 8;
    uint64_t s[32] = {0};
    const double t = now();
    for (size_t i = 0; i < part; i += 8) {
        for (int j = 0; j < 4; j++) __builtin_prefetch(p + (size_t)j * part + i + 256); /* 2 KiB ahead */
        for (int j = 0; j < 8; j++) {
            s[j] ^= p[i + j];
            s[8 + j] ^= p[part + i + j];
            s[16 + j] ^= p[2 * part + i + j];
            s[24 + j] ^= p[3 * part + i + j];
        }
    }
    for (int j = 1; j < 32; j++) s[0] ^= s[j];
    sink = (float)s[0];
    return 1e-9 * (double)count / (now() - t);
}

/* One op's inputs: a cache for every layer, each with pages for all sequences. */
typedef struct bench {
    shape s;
    const glia_cpu_kernel *row;
    glia_dtype kept;
    int64_t pages, side; /* pages of a sequence; bytes of the keys, or of the values, of a layer */
    uint8_t *cache;
    float *q, *y;
    int32_t *table, *seq, *pos;
    void *scratch;
} bench;

/* One call: tokens of a sequence that end at the context's end, or one token of each of several sequences. */
static double run(const bench *b, int64_t tokens, int64_t sequences, int64_t layer)
{
    const shape *s = &b->s;
    const int64_t all = b->pages * SEQUENCES, n = tokens * sequences;
    const int64_t kd[4] = {all, s->groups, s->d, PAGE}, vd[4] = {all, s->groups, PAGE, s->d},
                  td[2] = {SEQUENCES, b->pages}, qd[3] = {n, s->heads, s->d}, zero[3] = {0};
    for (int64_t i = 0; i < n; i++) {
        b->seq[i] = (int32_t)(i / tokens);
        b->pos[i] = (int32_t)(s->context - tokens + i % tokens);
    }
    uint8_t *keys = b->cache + layer * 2 * b->side;
    const glia_tensor in[6] = {{b->q, qd, 3, 0, GLIA_F32},          {keys, kd, 4, 0, b->kept},
                               {keys + b->side, vd, 4, 0, b->kept}, {b->table, td, 2, 0, GLIA_I32},
                               {b->seq, qd, 1, 0, GLIA_I32},        {b->pos, qd, 1, 0, GLIA_I32}};
    const glia_tensor out = {b->y, qd, 3, 0, GLIA_F32};
    const glia_attr attr[3] = {{0, 0.125, 0}};
    const glia_kargs k = {in, &out, 6, 1, zero, qd, attr, b->scratch, 0};
    const double t = now();
    b->row->run(&k);
    return now() - t;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, compare_doubles);
    return v[ROUNDS / 2];
}

static void prompt(const bench *b, bool wide)
{
    const shape *s = &b->s;
    const double keys = (double)s->tokens * ((double)s->context - 0.5 * (double)(s->tokens - 1));
    double rate[ROUNDS], part[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        rate[i] = 4e-9 * keys * (double)(s->heads * s->d) / run(b, s->tokens, 1, 0);
        part[i] = rate[i] / probe_fma(wide);
    }
    printf("  %lld tokens %6.1f GFLOP/s (%.2f of peak)", (long long)s->tokens, median(rate), median(part));
}

static void singles(const bench *b, int64_t sequences, int64_t layers)
{
    const int64_t pages = b->pages * b->s.groups * PAGE;
    int64_t row = 0;
    glia_dtype_row_bytes(b->kept, b->s.d, &row);
    const double bytes = 2.0 * (double)(sequences * pages * row);
    double rate[ROUNDS], part[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double t = 0;
        int64_t times = glia_max(layers, 8 / sequences);
        for (int64_t l = 0; l < times; l++) t += run(b, 1, sequences, l % layers);
        rate[i] = 1e-9 * bytes * (double)times / t;
        part[i] =
            rate[i] / probe_read(b->cache, layers * 2 * b->side / (layers > 1 ? 1 : SEQUENCES / sequences));
    }
    printf("  %lldx1 of %lld %5.1f GB/s (%.2f)", (long long)sequences, (long long)layers, median(rate),
           median(part));
}

static void run_shape(const glia_cpu_isa *isa, const glia_cpu_kernel *row, const shape *s)
{
    bench b = {.s = *s, .row = row, .pages = glia_ceil_div(s->context, PAGE)};
    const bool wide = strstr(isa->name, "512") != NULL;
    const int64_t n = glia_max(s->tokens, SEQUENCES), elements = n * s->heads * s->d;
    b.kept = strstr(row->types, "q8_0") ? GLIA_Q8_0 : strstr(row->types, "f16") ? GLIA_F16 : GLIA_F32;
    const int64_t vd[4] = {b.pages * SEQUENCES, s->groups, PAGE, s->d};
    if (!glia_dtype_tensor_bytes(b.kept, 4, vd, &b.side)) exit(1);
    b.cache = take(s->layers * 2 * b.side);
    b.q = take(elements * 4), b.y = take(elements * 4), b.scratch = take(4 << 20);
    b.table = take(SEQUENCES * b.pages * 4), b.seq = take(n * 4), b.pos = take(n * 4);
    for (int64_t i = 0; i < elements; i++) b.q[i] = random_f32();
    for (int64_t i = 0; i < SEQUENCES * b.pages; i++) b.table[i] = (int32_t)i;
    for (int64_t i = 0; i < s->layers * 2 * b.side; i++) /* small numbers, whichever way they are read */
        b.cache[i] = b.kept == GLIA_F32 && i % 4 == 3 ? 0x3c : (uint8_t)(0x10 + (i * 2654435761u >> 13 & 15));
    printf("%-20s %lld/%lld x %lld, %lld keys:", row->name, (long long)s->heads, (long long)s->groups,
           (long long)s->d, (long long)s->context);
    prompt(&b, wide);
    singles(&b, 1, 1);
    singles(&b, 1, s->layers);
    singles(&b, SEQUENCES, s->layers);
    printf("\n");
    fflush(stdout);
    free(b.cache), free(b.q), free(b.y), free(b.scratch), free(b.table), free(b.seq), free(b.pos);
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {
        {32, 8, 64, 4096, 128, 8}, {16, 8, 128, 4096, 128, 8}, {32, 8, 64, 512, 128, 8}};
    const char *part = argc > 1 ? argv[1] : "";
    const uint32_t features = glia_cpu_features();
    shape own = {0};
    int64_t *const fields[] = {&own.heads, &own.groups, &own.d, &own.context, &own.tokens, &own.layers};
    own.layers = 8;
    for (int i = 2; i < argc && i < 8; i++) *fields[i - 2] = atoi(argv[i]);
    if (argc > 2 && (argc < 7 || own.groups < 1 || own.heads % own.groups || own.d < 1 || own.layers < 1 ||
                     own.tokens < 1 || own.tokens > own.context)) {
        fprintf(stderr,
                "bench_attend [part of a row's name [heads groups head_dim context tokens [layers]]]\n");
        return 2;
    }
    for (int i = 0; glia_cpu_isas[i]; i++) {
        const glia_cpu_isa *isa = glia_cpu_isas[i];
        for (int r = 0; r < isa->count && !(isa->needs & ~features); r++) {
            const glia_cpu_kernel *row = &isa->rows[r];
            if (row->op != &glia_op_attend || !strstr(row->name, part)) continue;
            if (argc > 2) run_shape(isa, row, &own);
            for (int j = 0; argc <= 2 && j < (int)GLIA_COUNT(shapes); j++) run_shape(isa, row, &shapes[j]);
        }
    }
    return 0;
}
