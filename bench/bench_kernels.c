/* Speed of kernel rows: products at decode (one row of activations) against the read bandwidth of the same
 * bytes, products at prefill (many rows) against the arithmetic peak measured in the same run, and the
 * row-wise kernels.
 *
 *     bench_kernels [part of a row's name] [megabytes of weights, default 256]
 *
 * One thread. Times are the best of several rounds; only ratios within one run mean anything. */
#include "base/check.h"
#include "base/cpu.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"
#include "tensor/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what this thread ran, since the machine is shared */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t state = 7;
static uint32_t random_u32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static void *take(size_t bytes)
{
    void *p = 0;
    if (posix_memalign(&p, 4096, bytes + 4096)) exit(1);
    memset(p, 1, bytes);
    return p;
}

/* Reads every word in four streams, as the kernels do: one stream alone gets less from memory. */
#if !defined(__clang__)
__attribute__((optimize("O3")))
#endif
__attribute__((noinline)) static uint64_t
read_all(const uint64_t *p, size_t words)
{
    uint64_t s[32] = {0};
    const size_t part = words / 4 / 8 * 8;
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
    return s[0];
}

static volatile uint64_t sink;

static double probe_read(const void *p, size_t bytes)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        const double t = now();
        sink = read_all(p, bytes / 8);
        const double s = now() - t;
        if (s < best) best = s;
    }
    return (double)bytes / best * 1e-9;
}

/* Multiply-accumulates per second of vpdpbusd on 12 independent registers, as operations; 0 where it is
 * missing. */
#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((noinline, target("avx512f,avx512vnni"))) static int spin_int8(int64_t rounds)
{
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0,
            s8 = s0, s9 = s0, s10 = s0, s11 = s0;
    const __m512i a = _mm512_set1_epi8((char)state), b = _mm512_set1_epi8((char)(state >> 8));
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm512_dpbusd_epi32(s0, a, b), s1 = _mm512_dpbusd_epi32(s1, a, b),
        s2 = _mm512_dpbusd_epi32(s2, a, b);
        s3 = _mm512_dpbusd_epi32(s3, a, b), s4 = _mm512_dpbusd_epi32(s4, a, b),
        s5 = _mm512_dpbusd_epi32(s5, a, b);
        s6 = _mm512_dpbusd_epi32(s6, a, b), s7 = _mm512_dpbusd_epi32(s7, a, b),
        s8 = _mm512_dpbusd_epi32(s8, a, b);
        s9 = _mm512_dpbusd_epi32(s9, a, b), s10 = _mm512_dpbusd_epi32(s10, a, b),
        s11 = _mm512_dpbusd_epi32(s11, a, b);
    }
    s0 = _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3)),
                          _mm512_add_epi32(_mm512_add_epi32(s4, s5), _mm512_add_epi32(s6, s7)));
    s0 = _mm512_add_epi32(s0, _mm512_add_epi32(_mm512_add_epi32(s8, s9), _mm512_add_epi32(s10, s11)));
    return _mm512_reduce_add_epi32(s0);
}
static double probe_int8(void)
{
    double best = 1e9;
    if (!(glia_cpu_features() & GLIA_CPU_AVX512_VNNI)) return 0;
    for (int i = 0; i < 20; i++) {
        const double t = now();
        sink = (uint64_t)spin_int8(50000);
        const double s = now() - t;
        if (s < best) best = s;
    }
    return 2e-9 * 64 * 12 * 50000 / best;
}
#else
static double probe_int8(void) { return 0; }
#endif

typedef struct product {
    glia_dtype w, x;
    int layout;
} product;

/* A weight matrix `copies` times over, so that it comes from memory, with `rows` rows of activations. */
static double run_product(const glia_cpu_kernel *row, const product *p, int64_t n, int64_t k, int64_t rows,
                          const uint8_t *weights, int64_t bytes, int copies, int rounds)
{
    int64_t x_bytes = 0, xd[2] = {rows, k}, wd[2] = {n, k}, yd[2] = {rows, n}, begin[2] = {0, 0},
            end[2] = {rows, n};
    glia_dtype_row_bytes(p->x, k, &x_bytes);
    uint8_t *x = take((size_t)(rows * x_bytes));
    float *y = take((size_t)(rows * n * 4)), *in = take((size_t)k * 4);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < k; i++) in[i] = (float)(int32_t)random_u32() * 0x1p-31f;
        glia_dtype_get(p->x)->encode(in, x + r * x_bytes, k, 0);
    }
    const glia_tensor x_shape[1] = {{x, xd, 2, 0, p->x}}, y_shape = {y, yd, 2, 0, GLIA_F32};
    const glia_kargs shape = {.in = x_shape, .out = &y_shape, .in_count = 1, .out_count = 1};
    void *scratch = take((size_t)glia_op_linear.scratch(&shape));
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        const double t = now();
        for (int c = 0; c < copies; c++) {
            const glia_tensor inputs[3] = {{x, xd, 2, 0, p->x},
                                           {(void *)(weights + c * bytes), wd, 2, (int16_t)p->layout, p->w},
                                           {0, 0, 0, 0, GLIA_DTYPE_NONE}};
            const glia_tensor out = {y, yd, 2, 0, GLIA_F32};
            const glia_kargs args = {inputs, &out, 3, 1, begin, end, 0, scratch, 0};
            row->run(&args);
        }
        const double s = (now() - t) / copies;
        if (s < best) best = s;
    }
    free(x), free(y), free(in), free(scratch);
    return best;
}

static void bench_linear(const glia_cpu_isa *isa, const glia_cpu_kernel *row, size_t budget)
{
    enum { N = 2048, K = 2048, MANY = 512 };
    char wname[16], xname[16];
    product p = {0};
    int64_t bytes = 0, plain = 0;
    const char *comma = strchr(row->types, ',');
    snprintf(xname, sizeof xname, "%.*s", (int)(comma - row->types), row->types);
    snprintf(wname, sizeof wname, "%.*s", (int)strcspn(comma + 1, ":,-"), comma + 1);
    p.w = glia_dtype_parse(wname);
    p.x = glia_dtype_parse(xname);
    p.layout = strstr(row->types, ":r16") ? GLIA_LAYOUT_R16 : GLIA_LAYOUT_PLAIN;
    glia_layout_bytes(p.layout, p.w, N, K, &bytes);
    glia_dtype_row_bytes(p.w, K, &plain);
    const int copies = (int)glia_max(1, (int64_t)budget / bytes);
    uint8_t *weights = take((size_t)(copies * bytes)), *rows = take((size_t)(N * plain));
    float *values = take(K * 4);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < K; j++) values[j] = (float)(int32_t)random_u32() * 0x1p-31f;
        if (i < 64) glia_dtype_get(p.w)->encode(values, rows + i * plain, K, 0);
        else memcpy(rows + i * plain, rows + i % 64 * plain, (size_t)plain);
    }
    for (int c = 0; c < copies; c++) glia_layout_pack(p.layout, p.w, N, K, rows, 0, N, weights + c * bytes);
    const double cold = run_product(row, &p, N, K, 1, weights, bytes, copies, 4);
    const double read = probe_read(weights, (size_t)(copies * bytes));
    const double hot = run_product(row, &p, N, K, 1, weights, bytes, 1, 60),
                 hot_read = probe_read(weights, (size_t)bytes);
    printf("%-10s %-28s decode %5.1f GB/s of %5.1f (%.2f)  4MiB set %5.1f of %5.1f (%.2f)", isa->name,
           row->name, 1e-9 * (double)bytes / cold, read, 1e-9 * (double)bytes / cold / read,
           1e-9 * (double)bytes / hot, hot_read, 1e-9 * (double)bytes / hot / hot_read);
    printf("  4 rows %5.0f", 2e-9 * 4.0 * N * K / run_product(row, &p, N, K, 4, weights, bytes, 1, 20));
    double rate = 0, peak = 0; /* interleaved, since a shared machine changes its speed between them */
    for (int i = 0; i < 5; i++) {
        const double r = 2e-9 * MANY * N * K / run_product(row, &p, N, K, MANY, weights, bytes, 1, 4),
                     top = probe_int8();
        if (r > rate) rate = r;
        if (top > peak) peak = top;
    }
    printf("  512 rows %5.0f GOP/s of int8 %5.0f (%.2f)\n", rate, peak, peak > 0 ? rate / peak : 0);
    fflush(stdout);
    free(weights), free(rows), free(values);
}

/* Elements per second of a kernel over [rows, n] in cache. */
static void bench_rowwise(const glia_cpu_isa *isa, const glia_cpu_kernel *row)
{
    enum { ROWS = 16, N = 2048 };
    const int64_t dims[2] = {ROWS, N}, one[1] = {N}, begin[2] = {0, 0}, end[2] = {ROWS, N};
    const bool norm = row->op == &glia_op_rms_norm;
    const char *arrow = strstr(row->types, "->");
    float *a = take(ROWS * N * 4), *b = take(ROWS * N * 4), *y = take(ROWS * N * 4);
    for (int i = 0; i < ROWS * N; i++)
        a[i] = (float)(int32_t)random_u32() * 0x1p-30f, b[i] = (float)(int32_t)random_u32() * 0x1p-31f;
    const glia_attr attr[1] = {{0, 1e-5, 0}};
    const glia_tensor in[2] = {{a, dims, 2, 0, GLIA_F32}, {b, norm ? one : dims, norm ? 1 : 2, 0, GLIA_F32}};
    const glia_tensor out = {y, dims, 2, 0, glia_dtype_parse(arrow + 2)};
    const glia_kargs args = {in, &out, strchr(row->types, ',') ? 2 : 1, 1, begin, end, attr, 0, 0};
    double best = 1e9;
    for (int i = 0; i < 200; i++) {
        const double t = now();
        row->run(&args);
        const double s = now() - t;
        if (s < best) best = s;
    }
    printf("%-10s %-28s %6.2f G elements/s\n", isa->name, row->name, 1e-9 * ROWS * N / best);
    free(a), free(b), free(y);
}

/* Decode: one token over 2048 keys, 8 groups of 4 heads of 64. Prefill: 128 tokens that end at 2048. */
static void bench_attend(const glia_cpu_isa *isa, const glia_cpu_kernel *row)
{
    enum { G = 8, H = 32, D = 64, C = 64, KEYS = 2048, TOKENS = 128 };
    const glia_dtype kept = strstr(row->types, "f16") ? GLIA_F16 : GLIA_F32;
    const int64_t kd[4] = {KEYS / C, G, D, C}, vd[4] = {KEYS / C, G, C, D}, td[2] = {1, KEYS / C};
    const int64_t count = (int64_t)KEYS * G * D, size = glia_dtype_get(kept)->block_bytes;
    float *q = take(TOKENS * H * D * 4), *y = take(TOKENS * H * D * 4);
    uint8_t *keys = take((size_t)(count * size)), *values = take((size_t)(count * size));
    int32_t table[KEYS / C], seq[TOKENS] = {0}, pos[TOKENS];
    for (int i = 0; i < TOKENS * H * D; i++) q[i] = (float)(int32_t)random_u32() * 0x1p-31f;
    for (int i = 0; i < KEYS / C; i++) table[i] = i;
    for (int64_t i = 0; i < count; i++) {
        const float v = (float)(int32_t)random_u32() * 0x1p-31f;
        glia_dtype_get(kept)->encode(&v, keys + i * size, 1, 0);
        glia_dtype_get(kept)->encode(&v, values + i * size, 1, 0);
    }
    const glia_attr attr[3] = {{0, 0.125, 0}};
    printf("%-10s %-28s", isa->name, row->name);
    for (int64_t t = 1; t <= TOKENS; t += TOKENS - 1) {
        const int64_t qd[3] = {t, H, D}, begin[3] = {0, 0, 0};
        for (int64_t i = 0; i < t; i++) pos[i] = (int32_t)(KEYS - t + i);
        const glia_tensor in[6] = {{q, qd, 3, 0, GLIA_F32},   {keys, kd, 4, 0, kept},
                                   {values, vd, 4, 0, kept},  {table, td, 2, 0, GLIA_I32},
                                   {seq, qd, 1, 0, GLIA_I32}, {pos, qd, 1, 0, GLIA_I32}};
        const glia_tensor out = {y, qd, 3, 0, GLIA_F32};
        const glia_kargs args = {in, &out, 6, 1, begin, qd, attr, 0, 0};
        double best = 1e9;
        for (int i = 0; i < (t == 1 ? 40 : 4); i++) {
            const double s = now();
            row->run(&args);
            best = now() - s < best ? now() - s : best;
        }
        printf("  %d tokens %7.1f us each, %5.1f GFLOP/s", (int)t, 1e6 * best / (double)t,
               4e-9 * KEYS * H * D * (double)t / best);
    }
    printf("\n");
    free(q), free(y), free(keys), free(values);
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    const size_t budget = (size_t)(argc > 2 ? atoi(argv[2]) : 256) << 20;
    const uint32_t features = glia_cpu_features();
    for (int i = 0; glia_cpu_isas[i]; i++) {
        const glia_cpu_isa *isa = glia_cpu_isas[i];
        if (isa->needs & ~features) continue;
        for (int r = 0; r < isa->count; r++) {
            const glia_cpu_kernel *row = &isa->rows[r];
            if (!strstr(row->name, part)) continue;
            if (row->op == &glia_op_linear) bench_linear(isa, row, budget);
            else if (row->op == &glia_op_attend) bench_attend(isa, row);
            else if (row->op != &glia_op_rope && row->op != &glia_op_kv_put) bench_rowwise(isa, row);
        }
    }
    return 0;
}
