/* One product of floats on one thread, timed on request, so that another program can be timed in turn.
 *
 *     bench_products f32|f16|bf16 N K M [megabytes of weights [instruction set]]
 *
 * For each line on standard input it prints the seconds of one product of rows [M, K] with weights [N, K],
 * packed beforehand, the best of a few milliseconds of runs. With megabytes, copies of the weights are walked
 * through, so that they come from memory. compare_products.py asks it. */
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
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *take(int64_t bytes)
{
    void *p = 0;
    if (posix_memalign(&p, 4096, (size_t)bytes + 4096)) exit(1);
    memset(p, 0, (size_t)bytes + 4096);
    return p;
}

static float small_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(*state >> 40) - (1 << 23)) * 0x1p-23f;
}

typedef struct product {
    glia_kernel run;
    int64_t n, k, m, bytes, copies;
    glia_dtype type;
    uint8_t *w;
    float *x, *y;
    void *scratch;
} product;

static void run_copy(const product *p, int64_t copy)
{
    const int64_t xd[2] = {p->m, p->k}, wd[2] = {p->n, p->k}, yd[2] = {p->m, p->n}, zero[2] = {0, 0};
    const glia_tensor in[3] = {{p->x, xd, 2, 0, GLIA_F32},
                               {p->w + copy * p->bytes, wd, 2, GLIA_LAYOUT_R16, p->type},
                               {0, 0, 0, 0, GLIA_DTYPE_NONE}};
    const glia_tensor out = {p->y, yd, 2, 0, GLIA_F32};
    const glia_kargs args = {in, &out, 3, 1, zero, yd, 0, p->scratch, 0};
    p->run(&args);
}

/* Runs over all copies until 4 ms have passed, at least three times; the best. */
static double time_it(const product *p)
{
    double best = 1e9, begin = now();
    for (int i = 0; i < 3 || now() - begin < 0.004; i++) {
        const double t = now();
        for (int64_t c = 0; c < p->copies; c++) run_copy(p, c);
        best = now() - t < best ? now() - t : best;
    }
    return best / (double)p->copies;
}

int main(int argc, char **argv)
{
    uint64_t state = 5;
    int64_t row = 0;
    char line[16];
    if (argc < 5) {
        fprintf(stderr, "usage: bench_products f32|f16|bf16 N K M [megabytes [instruction set]]\n");
        return 2;
    }
    product p = {
        .type = glia_dtype_parse(argv[1]), .n = atoll(argv[2]), .k = atoll(argv[3]), .m = atoll(argv[4])};
    const glia_type in[2] = {{GLIA_F32, 2, 0, {p.m, p.k}}, {p.type, 2, GLIA_LAYOUT_R16, {p.n, p.k}}},
                    out = {GLIA_F32, 2, 0, {p.m, p.n}};
    const glia_bound_kernel bound =
        glia_cpu_bind(&glia_op_linear, in, 2, &out, 1, glia_cpu_features(), argc > 6 ? argv[6] : 0);
    if (!glia_layout_bytes(GLIA_LAYOUT_R16, p.type, p.n, p.k, &p.bytes)) return 2;
    glia_dtype_row_bytes(p.type, p.k, &row);
    p.run = bound.run;
    p.copies = glia_max(1, argc > 5 ? atoll(argv[5]) * 1000000 / p.bytes : 1);
    p.w = take(p.copies * p.bytes), p.x = take(p.m * p.k * 4), p.y = take(p.m * p.n * 4);
    p.scratch = take(p.k * 8);
    uint8_t *plain = take(p.n * row);
    float *values = take(p.k * 4);
    for (int64_t r = 0; r < p.n; r++) {
        for (int64_t i = 0; i < p.k; i++) values[i] = small_number(&state);
        glia_dtype_get(p.type)->encode(values, plain + r * row, p.k, 0);
    }
    for (int64_t c = 0; c < p.copies; c++)
        glia_layout_pack(GLIA_LAYOUT_R16, p.type, p.n, p.k, plain, 0, p.n, p.w + c * p.bytes);
    for (int64_t i = 0; i < p.m * p.k; i++) p.x[i] = small_number(&state);
    fprintf(stderr, "%s\n", bound.name);
    time_it(&p);
    while (fgets(line, sizeof line, stdin)) {
        printf("%.9g\n", time_it(&p));
        fflush(stdout);
    }
    free(p.w), free(p.x), free(p.y), free(p.scratch), free(plain), free(values);
    return 0;
}
