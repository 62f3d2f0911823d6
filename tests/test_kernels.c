/* Every row of every kernel table that this machine can run, against its op's reference: equal bits over the
 * sizes where vector code goes wrong, boxes split as a schedule would, inputs that end at a page which may
 * not be read, and guard words around outputs. */
#include "check.h"

#include "base/check.h"
#include "base/cpu.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "provider/cpu/kernel.h"
#include "tensor/layout.h"

#include <sys/mman.h>

/* One compiler does; sanitizers would make its unrolled loops slow to compile. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                          \
    !defined(__SANITIZE_THREAD__)
#define EMULATED_AVXVNNI
#include "ops/expert.h"
#include "provider/cpu/rows.h"
#include "tensor/dot.h"
#include "tensor/formats.h"
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#define R16_EMULATE_VNNI
#define glia_cpu_avxvnni emulated_avxvnni
#include "provider/cpu/linear_quant_avxvnni.c"
#undef glia_cpu_avxvnni
#pragma GCC pop_options
#endif

static uint64_t state = 3;
static uint32_t random_u32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}
static int64_t pick(int64_t lo, int64_t hi) { return lo + (int64_t)(random_u32() % (uint64_t)(hi - lo + 1)); }
static float random_f32(void) { return (float)(int32_t)(random_u32() << 1) * 0x1p-30f; }

/* Buffers that end at an inaccessible page: a read past the end stops the test. */
enum { EDGES = 12, EDGE_BYTES = 1 << 21 };
static struct {
    uint8_t *base;
} edges[EDGES];

static void *edge(int i, int64_t bytes)
{
    if (!edges[i].base) {
        edges[i].base =
            mmap(0, EDGE_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(edges[i].base + EDGE_BYTES, 4096, PROT_NONE);
    }
    if (bytes > EDGE_BYTES) {
        fprintf(stderr, "a case of %lld bytes is too large\n", (long long)bytes);
        exit(1);
    }
    return edges[i].base + EDGE_BYTES - bytes;
}

static void fill_floats(float *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) p[i] = random_f32();
}

static void fill_any(float *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = random_u32() << 1 ^ random_u32();
        memcpy(p + i, &bits, 4);
        if (i % 2) p[i] = random_f32() * 60.0f;
    }
}

/* One call: input tensors, output type, attributes. */
typedef struct call {
    glia_tensor in[8], out;
    int in_count;
    int64_t dims[9][GLIA_RANK_MAX];
    glia_attr attr[8];
} call;

static glia_tensor *set_in(call *c, int i, glia_dtype t, int layout, int rank, const int64_t *dims)
{
    memcpy(c->dims[i], dims, (size_t)rank * sizeof *dims);
    c->in[i] = (glia_tensor){0, c->dims[i], (int16_t)rank, (int16_t)layout, t};
    if (c->in_count < i + 1) c->in_count = i + 1;
    return &c->in[i];
}

static void set_out(call *c, glia_dtype t, int rank, const int64_t *dims)
{
    memcpy(c->dims[8], dims, (size_t)rank * sizeof *dims);
    c->out = (glia_tensor){0, c->dims[8], (int16_t)rank, 0, t};
}

static void run_box(const glia_op *op, glia_kernel f, const call *c, void *out, const int64_t *begin,
                    const int64_t *end)
{
    glia_tensor y = c->out;
    int32_t fault = 0;
    y.data = out;
    glia_kargs k = {c->in, &y, c->in_count, 1, begin, end, c->attr, 0, &fault};
    const int64_t bytes = op->scratch ? op->scratch(&k) : 0;
    void *scratch = 0;
    if (posix_memalign(&scratch, 64, (size_t)bytes + 64)) exit(1);
    memset(scratch, 0xa5, (size_t)bytes + 64);
    k.scratch = scratch;
    f(&k);
    for (int i = 0; i < 64; i++) CHECK(((uint8_t *)scratch)[bytes + i] == 0xa5);
    CHECK(fault == 0);
    free(scratch);
}

/* Equal bytes; for f32 outputs any NaN equals any other. */
static bool same(const call *c, const uint8_t *a, const uint8_t *b, int64_t bytes)
{
    if (!memcmp(a, b, (size_t)bytes)) return true;
    for (int64_t i = 0; i + 4 <= bytes; i += 4) {
        float x, y;
        memcpy(&x, a + i, 4);
        memcpy(&y, b + i, 4);
        if (memcmp(a + i, b + i, 4) && !(isnan(x) && isnan(y))) {
            fprintf(stderr, "byte %lld (%s, rank %d, dims %lld %lld %lld): %.9g, want %.9g\n", (long long)i,
                    glia_dtype_name(c->out.dtype), c->out.rank, (long long)c->out.dims[0],
                    (long long)c->out.dims[1], (long long)c->out.dims[2], (double)x, (double)y);
            return false;
        }
    }
    return true;
}

static const char *row_name;

/* The whole output; then one random box of it over a patterned output, by reference and by row: what lies
 * outside the box must stay. */
static void compare(const glia_op *op, glia_kernel f, const call *c)
{
    int64_t bytes = 0, begin[GLIA_RANK_MAX] = {0}, end[GLIA_RANK_MAX] = {0};
    if (!glia_dtype_tensor_bytes(c->out.dtype, c->out.rank, c->out.dims, &bytes)) exit(1);
    uint8_t *want = edge(10, bytes), *have = edge(11, bytes);
    glia_kargs shape = {c->in, &c->out, c->in_count, 1, begin, end, c->attr, 0, 0};
    for (int pass = 0; pass < 3; pass++) {
        for (int a = 0; a < c->out.rank; a++) {
            const int64_t g = op->granule ? op->granule(&shape, a) : 1, n = c->out.dims[a],
                          steps = glia_ceil_div(n, g);
            begin[a] = pass ? pick(0, steps) * g : 0;
            end[a] = pass ? glia_min(n, begin[a] + pick(0, steps) * g) : n;
            begin[a] = glia_min(begin[a], n);
        }
        memset(want - 64, 0x5a, (size_t)bytes + 64);
        memset(have - 64, 0x5a, (size_t)bytes + 64);
        run_box(op, op->reference, c, want, begin, end);
        run_box(op, f, c, have, begin, end);
        bool fine = same(c, have, want, bytes);
        for (int i = 1; i <= 64; i++) fine = fine && have[-i] == 0x5a;
        if (!fine && check_case_failures < 5) fprintf(stderr, "in %s\n", row_name);
        CHECK(fine);
    }
}

/* ---- linear */

static void fill_rows(glia_dtype t, uint8_t *rows, int64_t count, int64_t k, bool wild)
{
    int64_t bytes = 0;
    float values[4096];
    glia_dtype_row_bytes(t, k, &bytes);
    for (int64_t r = 0; r < count; r++) {
        for (int64_t i = 0; i < k; i++) values[i] = random_f32();
        if (wild && r && (glia_dtype_get(t)->classes & GLIA_CLASS_QUANT)) /* encoders may search for long */
            memcpy(rows + r * bytes, rows, (size_t)bytes);
        else if (glia_dtype_get(t)->encode) glia_dtype_get(t)->encode(values, rows + r * bytes, k, 0);
        else
            for (int64_t i = 0; i < bytes; i++) rows[r * bytes + i] = (uint8_t)random_u32();
        /* Any byte is legal in a weight: also -128, which no encoder writes, and scales that are no number.
         */
        if (wild && (glia_dtype_get(t)->classes & GLIA_CLASS_QUANT))
            for (int64_t i = 0; i < bytes; i++)
                if (i % glia_dtype_get(t)->block_bytes >= 2)
                    rows[r * bytes + i] = random_u32() % 3 ? (uint8_t)random_u32() : 0x80;
    }
}

static void linear_case(const glia_cpu_kernel *row, glia_dtype xt, glia_dtype wt, int layout, int64_t rows,
                        int64_t n, int64_t k)
{
    call c = {.in_count = 0};
    int64_t w_row = 0, packed = 0, x_row = 0;
    static uint8_t plain[1 << 20];
    const bool three = rows > 1 && pick(0, 3) == 0;
    const int64_t xd[3] = {three ? 2 : rows, three ? rows : k, k}, wd[2] = {n, k},
                  yd[3] = {xd[0], three ? rows : n, n};
    const int rank = three ? 3 : 2;
    glia_dtype_row_bytes(wt, k, &w_row);
    glia_dtype_row_bytes(xt, k, &x_row);
    if (!glia_layout_bytes(layout, wt, n, k, &packed) || n * w_row > (int64_t)sizeof plain) return;
    const int64_t x_rows = three ? 2 * rows : rows;
    set_in(&c, 0, xt, 0, rank, xd)->data = edge(0, x_rows * x_row);
    set_in(&c, 1, wt, layout, 2, wd)->data = edge(1, packed);
    set_in(&c, 2, pick(0, 1) ? GLIA_F32 : GLIA_DTYPE_NONE, 0, 1, &n)->data = edge(2, n * 4);
    if (c.in[2].dtype == GLIA_DTYPE_NONE) c.in[2].data = 0;
    else fill_floats(c.in[2].data, n);
    if (row->op == &glia_op_linear_act) {
        if (pick(0, 1))
            fill_floats(set_in(&c, 3, GLIA_F32, 0, rank, yd)->data = edge(3, x_rows * n * 4), x_rows * n);
        c.attr[0].i = pick(0, GLIA_EPILOGUE_COUNT - 1);
        c.attr[1].f = 0.25, c.attr[2].f = 0.75;
    }
    set_out(&c, GLIA_F32, rank, yd);
    fill_rows(xt, c.in[0].data, x_rows, k, false);
    fill_rows(wt, plain, n, k, true);
    glia_layout_pack(layout, wt, n, k, plain, 0, n, c.in[1].data);
    compare(row->op, row->run, &c);
}

static void check_linear(const glia_cpu_kernel *row)
{
    char x[16], w[16];
    const char *comma = strchr(row->types, ',');
    snprintf(x, sizeof x, "%.*s", (int)(comma - row->types), row->types);
    snprintf(w, sizeof w, "%.*s", (int)strcspn(comma + 1, ":,-"), comma + 1);
    const glia_dtype xt = glia_dtype_parse(x), wt = glia_dtype_parse(w);
    const int layout = strstr(row->types, ":r16") ? GLIA_LAYOUT_R16 : GLIA_LAYOUT_PLAIN;
    const int64_t block = glia_dtype_get(xt)->block_elements;
    static const int64_t floats[] = {1, 2, 31, 64, 255, 256, 257, 600, 1100},
                         blocks[] = {1, 2, 3, 31, 32, 33, 65, 97};
    for (int64_t n = 1; n <= 40; n++) {
        const int64_t k = block > 1 ? blocks[n % (block == 32 ? 8 : 3)] * block : floats[n % 9];
        for (int64_t rows = 1; rows <= 9; rows += 1 + n % 3) linear_case(row, xt, wt, layout, rows, n, k);
    }
    for (int i = 0; i < 12; i++)
        linear_case(row, xt, wt, layout, pick(1, 14), pick(1, 150),
                    block > 1 ? pick(1, 600 / block + 1) * block : pick(1, 600));
    linear_case(row, xt, wt, layout, 1, 81, block > 1 ? 256 * 9 : 1300);
    for (int i = 0; i < (strstr(row->name, "_amx") ? 12 : 2); i++) /* as many rows as matrix tiles take */
        linear_case(row, xt, wt, layout, pick(20, 70), pick(1, i % 3 ? 60 : 300),
                    block > 1 ? pick(1, 600 / block + 1) * block : pick(1, 600));
    linear_case(row, xt, wt, layout, 37, 49, block > 1 ? 256 * 13 : 1300);
    linear_case(row, xt, wt, layout, 17, 113, block > 1 ? 256 * 9 : 1300);
    if (block > 1) return;
    for (int64_t rows = 10; rows <= 30; rows += rows < 12 ? 1 : 6)
        linear_case(row, xt, wt, layout, rows, 16 + rows, rows == 11 ? 270 : 30);
    linear_case(row, xt, wt, layout, 100, 33, 257);
}

/* Batches of one, two and three axes, over which the second side may repeat. */
static void check_matmul(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 60; i++) {
        call c = {.in_count = 0};
        const bool large = i % 10 == 9;
        const int64_t m = large ? pick(90, 130) : pick(1, 30), n = pick(1, large ? 70 : 50),
                      k = i % 6 == 5 ? pick(250, 600) : pick(1, 70), two = pick(1, 2), three = pick(1, 3);
        const int rank = large ? 2 : (int)pick(2, 4), w_rank = (int)pick(2, rank);
        const int64_t a[4] = {two, three, m, k}, y[4] = {two, three, m, n},
                      w[4] = {pick(0, 1) ? two : 1, pick(0, 1) ? three : 1, n, k};
        int64_t a_count = 1, w_count = 1;
        for (int j = 4 - rank; j < 4; j++) a_count *= a[j];
        for (int j = 4 - w_rank; j < 4; j++) w_count *= w[j];
        fill_floats(set_in(&c, 0, GLIA_F32, 0, rank, a + 4 - rank)->data = edge(0, a_count * 4), a_count);
        fill_floats(set_in(&c, 1, GLIA_F32, 0, w_rank, w + 4 - w_rank)->data = edge(1, w_count * 4), w_count);
        set_out(&c, GLIA_F32, rank, y + 4 - rank);
        compare(row->op, row->run, &c);
    }
}

/* ---- products with stacked matrices: tokens that share experts, experts that nobody chose, more rows of one
 * expert than are gathered at once */

static void expert_case(const glia_cpu_kernel *row, glia_dtype xt, glia_dtype wt, int layout, int64_t t,
                        int64_t s, int64_t e, int64_t n, int64_t k)
{
    call c = {.in_count = 0};
    int64_t w_row = 0, packed = 0, x_row = 0;
    static uint8_t plain[1 << 20];
    const bool three = pick(0, 1);
    const int64_t xd[3] = {t, three ? s : k, k}, wd[3] = {e, n, k}, id[2] = {t, s}, bd[2] = {e, n},
                  yd[3] = {t, s, n};
    glia_dtype_row_bytes(wt, k, &w_row);
    glia_dtype_row_bytes(xt, k, &x_row);
    if (!glia_layout_bytes(layout, wt, e * n, k, &packed) || e * n * w_row > (int64_t)sizeof plain) return;
    const int64_t x_rows = three ? t * s : t;
    set_in(&c, 0, xt, 0, three ? 3 : 2, xd)->data = edge(0, x_rows * x_row);
    set_in(&c, 1, wt, layout, 3, wd)->data = edge(1, packed);
    int32_t *ids = set_in(&c, 2, GLIA_I32, 0, 2, id)->data = edge(2, t * s * 4);
    set_in(&c, 3, pick(0, 1) ? GLIA_F32 : GLIA_DTYPE_NONE, 0, 2, bd)->data = edge(3, e * n * 4);
    if (c.in[3].dtype == GLIA_DTYPE_NONE) c.in[3].data = 0;
    else fill_floats(c.in[3].data, e * n);
    for (int64_t i = 0; i < t * s; i++) ids[i] = (int32_t)pick(0, e - 1);
    set_out(&c, GLIA_F32, 3, yd);
    fill_rows(xt, c.in[0].data, x_rows, k, false);
    fill_rows(wt, plain, e * n, k, true);
    glia_layout_pack(layout, wt, e * n, k, plain, 0, e * n, c.in[1].data);
    compare(row->op, row->run, &c);
}

static void check_experts(const glia_cpu_kernel *row)
{
    char x[16], w[16];
    const char *comma = strchr(row->types, ',');
    snprintf(x, sizeof x, "%.*s", (int)(comma - row->types), row->types);
    snprintf(w, sizeof w, "%.*s", (int)strcspn(comma + 1, ":,-"), comma + 1);
    const glia_dtype xt = glia_dtype_parse(x), wt = glia_dtype_parse(w);
    const int layout = strstr(row->types, ":r16") ? GLIA_LAYOUT_R16 : GLIA_LAYOUT_PLAIN;
    const int64_t block = glia_dtype_get(xt)->block_elements;
    for (int i = 0; i < 24; i++) {
        const int64_t n = layout ? 16 * pick(1, 4) : pick(1, 40),
                      k = block > 1 ? block * pick(1, block > 32 ? 2 : 5) : pick(1, 300);
        expert_case(row, xt, wt, layout, i % 3 ? pick(1, 4) : pick(5, 40), pick(1, 4), pick(1, 6), n, k);
    }
}

static void check_expert_sum(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 50; i++) {
        call c = {.in_count = 0};
        const int64_t x[3] = {pick(1, 4), pick(1, 9), i + 1}, y[2] = {x[0], x[2]};
        fill_any(set_in(&c, 0, GLIA_F32, 0, 3, x)->data = edge(0, x[0] * x[1] * x[2] * 4),
                 x[0] * x[1] * x[2]);
        fill_floats(set_in(&c, 1, GLIA_F32, 0, 2, x)->data = edge(1, x[0] * x[1] * 4), x[0] * x[1]);
        set_out(&c, GLIA_F32, 2, y);
        compare(row->op, row->run, &c);
    }
}

/* ---- kernels along rows */

static void check_quantise(const glia_cpu_kernel *row)
{
    const glia_dtype to = glia_dtype_parse(strstr(row->types, "->") + 2);
    const int64_t block = glia_dtype_get(to)->block_elements;
    for (int i = 0; i < 40; i++) {
        call c = {.in_count = 0};
        const int64_t d[2] = {pick(1, 5), pick(1, i % 8 == 7 && block == 32 ? 40 : i % 8 + 1) * block};
        float *x = set_in(&c, 0, GLIA_F32, 0, 2, d)->data = edge(0, d[0] * d[1] * 4);
        fill_floats(x, d[0] * d[1]);
        if (i % 4 == 0) x[pick(0, d[0] * d[1] - 1)] = NAN;
        if (i % 4 == 1) x[pick(0, d[0] * d[1] - 1)] = -INFINITY;
        if (i % 4 == 2)
            for (int64_t j = 0; j < d[0] * d[1]; j++) x[j] *= i % 8 == 2 ? 1e-38f : 1e-44f;
        if (i % 4 == 3)
            for (int64_t j = 0; j < d[0] * d[1]; j++)
                x[j] = (float)(int32_t)(random_u32() % 255) * 0.5f - 63.5f; /* ties */
        set_out(&c, to, 2, d);
        c.attr[0].i = to;
        compare(row->op, row->run, &c);
    }
}

static void check_rows(const glia_cpu_kernel *row)
{
    static const int64_t long_rows[] = {64, 100, 4095, 4096, 4097, 8200, 12300};
    for (int i = 0; i < 54; i++) {
        call c = {.in_count = 0};
        const int64_t n = i < 47 ? i + (i == 0) : long_rows[i - 47], d[3] = {pick(1, 2), pick(1, 3), n};
        float *x = set_in(&c, 0, GLIA_F32, 0, 3, d)->data = edge(0, d[0] * d[1] * n * 4);
        fill_floats(x, d[0] * d[1] * n);
        if (i % 16 == 5) x[pick(0, n - 1)] = NAN;
        if (i % 16 == 7) x[pick(0, n - 1)] = -INFINITY;
        for (int side = 1;
             side <= (row->op == &glia_op_layer_norm ? 1 + i % 2 : row->op == &glia_op_rms_norm); side++)
            fill_floats(set_in(&c, side, GLIA_F32, 0, 1, &n)->data = edge(side, n * 4), n);
        set_out(&c, GLIA_F32, 3, d);
        c.attr[0].f = 1e-5;
        compare(row->op, row->run, &c);
    }
}

/* ---- elementwise */

static void check_elementwise(const glia_cpu_kernel *row)
{
    const bool two = strchr(row->types, ',') != 0,
               spreads = row->op != &glia_op_swiglu && row->op != &glia_op_swiglu_limited;
    for (int i = 0; i < 90; i++) {
        call c = {.in_count = 0};
        const int64_t y[3] = {pick(1, 3), pick(1, 4), i < 80 ? i / 2 + 1 : pick(100, 3000)};
        int64_t d[2][3] = {{y[0], y[1], y[2]}, {y[0], y[1], y[2]}};
        int drop[2] = {0, 0};
        if (two && spreads && i % 2) { /* one side has ones, or misses leading axes */
            const int side = (int)pick(0, 1);
            for (int a = 0; a < 3; a++)
                if (pick(0, 1)) d[side][a] = 1;
            drop[side] = (int)pick(0, 2);
        }
        for (int s = 0; s <= two; s++) {
            int64_t n = 1;
            for (int a = drop[s]; a < 3; a++) n *= d[s][a];
            fill_any(set_in(&c, s, GLIA_F32, 0, 3 - drop[s], d[s] + drop[s])->data = edge(s, n * 4), n);
        }
        set_out(&c, GLIA_F32, 3, y);
        c.attr[0].f = 1.702; /* swiglu_limited's slope and limit */
        c.attr[1].f = 7;
        compare(row->op, row->run, &c);
    }
}

/* ---- attention */

/* Pages of Q8_0: runs of `together` scales and then their int8; see ops/attention.c. */
static void fill_blocks(uint8_t *p, int64_t bytes, int64_t together, bool wild)
{
    for (int64_t i = 0; i < bytes; i++) p[i] = (uint8_t)pick(-127, 127);
    for (int64_t at = 0; at < bytes; at += 34 * together)
        for (int64_t s = 0; s < together; s++) {
            const uint16_t h = wild && random_u32() % 97 == 0 ? (random_u32() % 2 ? 0x7e00 : 0)
                                                              : glia_f32_to_f16(fabsf(random_f32()) / 32.0f);
            memcpy(p + at + 2 * s, &h, sizeof h);
        }
}

static void attend_case(const glia_cpu_kernel *row, int64_t t, int64_t groups, int64_t ratio, int64_t d,
                        int64_t slots, int64_t sequences, bool wild)
{
    call c = {.in_count = 0};
    const glia_dtype kept = strstr(row->types, "q8_0")  ? GLIA_Q8_0
                            : strstr(row->types, "f16") ? GLIA_F16
                                                        : GLIA_F32;
    if (kept == GLIA_Q8_0) d = (d + 31) / 32 * 32, slots = (slots + 31) / 32 * 32;
    const int64_t per = pick(1, 700 / slots + 2), pages = sequences * per,
                  bytes = glia_dtype_get(kept)->block_bytes;
    const int64_t qd[3] = {t, groups * ratio, d}, kd[4] = {pages, groups, d, slots},
                  vd[4] = {pages, groups, slots, d}, td[2] = {sequences, per};
    const int64_t count = pages * groups * d * slots;
    if (count * 4 > EDGE_BYTES) return;
    fill_floats(set_in(&c, 0, GLIA_F32, 0, 3, qd)->data = edge(0, t * groups * ratio * d * 4),
                t * groups * ratio * d);
    for (int side = 1; side <= 2; side++) {
        int64_t size = 0;
        glia_dtype_tensor_bytes(kept, 4, side == 1 ? kd : vd, &size);
        uint8_t *p = set_in(&c, side, kept, 0, 4, side == 1 ? kd : vd)->data = edge(side, size);
        if (kept == GLIA_Q8_0) fill_blocks(p, size, side == 1 ? slots : 1, wild);
        for (int64_t i = 0; i < count && kept != GLIA_Q8_0; i++) {
            const float v =
                wild && random_u32() % 97 == 0 ? (random_u32() % 2 ? NAN : -INFINITY) : random_f32() * 2.0f;
            glia_dtype_get(kept)->encode(&v, p + i * bytes, 1, 0);
        }
    }
    int32_t *table = set_in(&c, 3, GLIA_I32, 0, 2, td)->data = edge(3, pages * 4);
    int32_t *seq = set_in(&c, 4, GLIA_I32, 0, 1, &t)->data = edge(4, t * 4),
            *pos = set_in(&c, 5, GLIA_I32, 0, 1, &t)->data = edge(5, t * 4);
    for (int64_t i = 0; i < pages; i++) table[i] = (int32_t)(pages - 1 - i);
    for (int64_t i = 0; i < t; i++) { /* runs of one sequence with rising positions, and breaks between */
        seq[i] = i && pick(0, 2) ? seq[i - 1] : (int32_t)pick(0, sequences - 1);
        pos[i] = i && seq[i] == seq[i - 1] && pos[i - 1] + 1 < per * slots
                     ? pos[i - 1] + 1
                     : (int32_t)pick(0, per * slots - 1);
    }
    set_out(&c, GLIA_F32, 3, qd);
    c.attr[0].f = 0.125;
    if (random_u32() % 2) c.attr[1].i = pick(1, random_u32() % 2 ? 40 : 600); /* window */
    if (random_u32() % 2) c.attr[2].f = pick(0, 1) ? 0.3 : 3;                 /* softcap */
    if (random_u32() % 2) {
        fill_floats(set_in(&c, 6, GLIA_F32, 0, 1, &qd[1])->data = edge(6, qd[1] * 4), qd[1]);
        if (wild) ((float *)c.in[6].data)[0] = -INFINITY;
    }
    compare(row->op, row->run, &c);
}

static void check_attend(const glia_cpu_kernel *row)
{
    static const int64_t heads[] = {8, 16, 48, 64, 80, 100, 128, 1, 33, 256};
    for (int i = 0; i < 140; i++)
        attend_case(row, pick(1, 9), pick(1, 3), pick(1, 5), heads[i % 10],
                    i % 7 == 6 ? pick(1, 40) : 16 * pick(1, i % 3 ? 4 : 17), pick(1, 3), i % 5 == 4);
    /* more queries than meet a chunk at once, by heads and by tokens */
    attend_case(row, 2, 1, 210, 16, 32, 1, false);
    attend_case(row, pick(50, 60), 1, 4, 33, 32, 1, true);
    attend_case(row, 2, 1, 1, 300, 16, 1, false);
}

/* ---- pages of Q8_0, whose bytes are read here by the description in ops/attention.c alone */

enum {
    Q8_T = 40,
    Q8_G = 2,
    Q8_D = 64,
    Q8_C = 32,
    Q8_PAGES = 3,
    Q8_BYTES = Q8_PAGES * Q8_G * Q8_C * Q8_D / 32 * 34
};

static double q8_element(const uint8_t *kept, bool transposed, int64_t page, int64_t g, int64_t slot,
                         int64_t i, double *scale)
{
    const int64_t head = page * Q8_G + g, b = i / 32;
    const uint8_t *key = kept + (head * (Q8_D / 32) + b) * 34 * Q8_C,
                  *value = kept + ((head * Q8_C + slot) * (Q8_D / 32) + b) * 34,
                  *at = transposed ? key + 2 * slot : value;
    uint16_t h;
    memcpy(&h, at, sizeof h);
    *scale = (double)glia_f16_to_f32(h);
    return *scale * (double)(int8_t)(transposed ? key[2 * Q8_C + i % 32 * Q8_C + slot] : value[2 + i % 32]);
}

/* One call of kv_put; then the same in halves along each axis that may be cut. */
static void q8_put(call *c, uint8_t *kept, uint8_t *again)
{
    const int64_t zero[4] = {0};
    c->out = c->in[0];
    memset(kept, 0, Q8_BYTES);
    run_box(&glia_op_kv_put, glia_op_kv_put.reference, c, kept, zero, c->in[0].dims);
    for (int axis = 0; axis < 4; axis++) {
        const int64_t n = c->in[0].dims[axis];
        const glia_kargs shape = {c->in, &c->out, c->in_count, 1, zero, c->in[0].dims, c->attr, 0, 0};
        const int64_t step = glia_op_kv_put.granule(&shape, axis), cut = n / 2 / step * step;
        int64_t begin[4] = {0}, end[4];
        memcpy(end, c->in[0].dims, sizeof end);
        memset(again, 0, Q8_BYTES);
        end[axis] = cut;
        run_box(&glia_op_kv_put, glia_op_kv_put.reference, c, again, begin, end);
        begin[axis] = cut, end[axis] = n;
        run_box(&glia_op_kv_put, glia_op_kv_put.reference, c, again, begin, end);
        CHECK(!memcmp(kept, again, Q8_BYTES));
    }
}

static void pages_of_q8_0(void)
{
    static float x[2][Q8_T][Q8_G][Q8_D], q[Q8_G][Q8_D], y[Q8_G][Q8_D];
    static uint8_t kept[2][Q8_BYTES], again[Q8_BYTES];
    int32_t table[Q8_PAGES] = {2, 0, 1}, seq[Q8_T] = {0}, pos[Q8_T];
    const int64_t xd[3] = {Q8_T, Q8_G, Q8_D}, td[2] = {1, Q8_PAGES}, one = 1, all = Q8_T;
    const int64_t kd[4] = {Q8_PAGES, Q8_G, Q8_D, Q8_C}, vd[4] = {Q8_PAGES, Q8_G, Q8_C, Q8_D};
    for (int side = 0; side < 2; side++) {
        call c = {.in_count = 0};
        fill_floats(&x[side][0][0][0], Q8_T * Q8_G * Q8_D);
        memset(x[side][3], 0, sizeof x[side][3]);
        x[side][5][1][40] = 1e-9f; /* beside numbers of order 1 */
        for (int i = 0; i < 32; i++) x[side][6][0][i] *= 1e-20f, x[side][7][0][i] *= 100.0f;
        for (int t = 0; t < Q8_T; t++) pos[t] = t;
        set_in(&c, 0, GLIA_Q8_0, 0, 4, side ? vd : kd);
        set_in(&c, 1, GLIA_F32, 0, 3, xd)->data = x[side];
        set_in(&c, 2, GLIA_I32, 0, 2, td)->data = table;
        set_in(&c, 3, GLIA_I32, 0, 1, &all)->data = seq;
        set_in(&c, 4, GLIA_I32, 0, 1, &all)->data = pos;
        c.attr[0].i = !side;
        q8_put(&c, kept[side], again);
        for (int t = 0; t < Q8_T; t++)
            for (int g = 0; g < Q8_G; g++)
                for (int i = 0; i < Q8_D; i++) {
                    double scale, v = q8_element(kept[side], !side, table[t / Q8_C], g, t % Q8_C, i, &scale);
                    double off = fabs(v - (double)x[side][t][g][i]);
                    CHECK(off <= (scale > 0 ? 0.5001 * scale : 1e-9));
                }
        x[side][0][0][3] = NAN, x[side][0][1][3] = INFINITY, x[side][1][0][3] = 1e30f;
        q8_put(&c, again, kept[side]);
        for (int t = 0; t < 3; t++) {
            double scale, v = q8_element(again, !side, 2, t == 1, t == 2, 7, &scale);
            CHECK(isnan(v));
        }
        x[side][0][0][3] = x[side][0][1][3] = x[side][1][0][3] = 0.5f;
        q8_put(&c, kept[side], again);
    }
    call c = {.in_count = 0};
    const int64_t qd[3] = {1, Q8_G, Q8_D}, zero[3] = {0};
    int32_t last = Q8_T - 1;
    fill_floats(&q[0][0], Q8_G * Q8_D);
    set_in(&c, 0, GLIA_F32, 0, 3, qd)->data = q;
    set_in(&c, 1, GLIA_Q8_0, 0, 4, kd)->data = kept[0];
    set_in(&c, 2, GLIA_Q8_0, 0, 4, vd)->data = kept[1];
    set_in(&c, 3, GLIA_I32, 0, 2, td)->data = table;
    set_in(&c, 4, GLIA_I32, 0, 1, &one)->data = seq;
    set_in(&c, 5, GLIA_I32, 0, 1, &one)->data = &last;
    set_out(&c, GLIA_F32, 3, qd);
    c.attr[0].f = 0.01;
    run_box(&glia_op_attend, glia_op_attend.reference, &c, y, zero, qd);
    for (int g = 0; g < Q8_G; g++) {
        double want[Q8_D] = {0}, total = 0, scale;
        for (int t = 0; t < Q8_T; t++) {
            double s = 0;
            for (int i = 0; i < Q8_D; i++)
                s += (double)q[g][i] * q8_element(kept[0], true, table[t / Q8_C], g, t % Q8_C, i, &scale);
            s = exp(0.01 * s);
            total += s;
            for (int i = 0; i < Q8_D; i++)
                want[i] += s * q8_element(kept[1], false, table[t / Q8_C], g, t % Q8_C, i, &scale);
        }
        for (int i = 0; i < Q8_D; i++)
            CHECK(fabs((double)y[g][i] - want[i] / total) <= 1e-5 * fmax(1, fabs(want[i] / total)));
    }
}

/* ---- rope and kv_put */

static void check_rope(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 60; i++) {
        call c = {.in_count = 0};
        const int64_t half = i < 40 ? i : pick(1, 80),
                      x[3] = {pick(1, 3), pick(1, 4), 2 * half + (i % 3 ? 0 : pick(1, 9))},
                      cs[2] = {x[0], 2 * half};
        if (x[2] == 0) continue;
        fill_floats(set_in(&c, 0, GLIA_F32, 0, 3, x)->data = edge(0, x[0] * x[1] * x[2] * 4),
                    x[0] * x[1] * x[2]);
        fill_floats(set_in(&c, 1, GLIA_F32, 0, 2, cs)->data = edge(1, cs[0] * cs[1] * 4), cs[0] * cs[1]);
        set_out(&c, GLIA_F32, 3, x);
        c.attr[0].i = i % 2;
        c.attr[1].i = i / 2 % 2;
        compare(row->op, row->run, &c);
    }
}

static void check_kv_put(const glia_cpu_kernel *row)
{
    const glia_dtype kept = !strncmp(row->types, "q8_0", 4)  ? GLIA_Q8_0
                            : !strncmp(row->types, "f16", 3) ? GLIA_F16
                                                             : GLIA_F32;
    const int64_t unit = kept == GLIA_Q8_0 ? 32 : 1;
    for (int i = 0; i < 40; i++) {
        call c = {.in_count = 0};
        const int64_t t = pick(1, 6), g = pick(1, 4), d = (pick(1, 70) + unit - 1) / unit * unit,
                      slots = (pick(1, 20) + unit - 1) / unit * unit, pages = pick(1, 5),
                      table[2] = {pick(1, 3), pick(1, 3)};
        const int64_t x[3] = {t, g, d}, state_dims[4] = {pages, g, i % 2 ? d : slots, i % 2 ? slots : d};
        set_in(&c, 0, kept, 0, 4, state_dims);
        fill_any(set_in(&c, 1, GLIA_F32, 0, 3, x)->data = edge(1, t * g * d * 4), t * g * d);
        int32_t *p = set_in(&c, 2, GLIA_I32, 0, 2, table)->data = edge(2, table[0] * table[1] * 4);
        int32_t *seq = set_in(&c, 3, GLIA_I32, 0, 1, &t)->data = edge(3, t * 4),
                *pos = set_in(&c, 4, GLIA_I32, 0, 1, &t)->data = edge(4, t * 4);
        for (int64_t j = 0; j < table[0] * table[1]; j++) p[j] = (int32_t)pick(0, pages - 1);
        for (int64_t j = 0; j < t; j++) {
            seq[j] = (int32_t)pick(0, table[0] - 1);
            pos[j] = (int32_t)pick(0, table[1] * slots - 1);
        }
        set_out(&c, kept, 4, state_dims);
        c.attr[0].i = i % 2;
        compare(row->op, row->run, &c);
    }
}

#include "kernels_conv.h"
#include "kernels_recurrent.h"
/* Masks: 0 none, 1 random, 2 with -inf in it. */
static void sdpa_case(const glia_cpu_kernel *row, const int64_t *n, int mask, int causal, int past)
{
    const bool tokens = row->op == &glia_op_sdpa_tokens, flags = strstr(row->types, "bool") != 0;
    const int64_t b = n[0], g = n[1], h = g * n[2], t = n[3], s = n[4], d = n[5], e = n[6];
    const int64_t q[4] = {b, tokens ? t : h, tokens ? h : t, d},
                  k[4] = {b, tokens ? s : g, tokens ? g : s, d},
                  v[4] = {b, tokens ? s : g, tokens ? g : s, e}, y[4] = {b, q[1], q[2], e};
    const int64_t full[4] = {b, h, t, s};
    call c = {.in_count = 0};
    fill_floats(set_in(&c, 0, GLIA_F32, 0, 4, q)->data = edge(0, b * h * t * d * 4), b * h * t * d);
    fill_floats(set_in(&c, 1, GLIA_F32, 0, 4, k)->data = edge(1, b * g * s * d * 4), b * g * s * d);
    fill_floats(set_in(&c, 2, GLIA_F32, 0, 4, v)->data = edge(2, b * g * s * e * 4), b * g * s * e);
    if (mask || flags) {
        int64_t m[4], count = 1;
        const int rank = (int)pick(1, 4);
        for (int a = 0; a < rank; a++) count *= m[a] = pick(0, 3) ? full[4 - rank + a] : 1;
        set_in(&c, 3, flags ? GLIA_BOOL : GLIA_F32, 0, rank, m)->data = edge(3, count * (flags ? 1 : 4));
        for (int64_t i = 0; i < count; i++)
            if (flags) ((uint8_t *)c.in[3].data)[i] = pick(0, 3) != 0;
            else ((float *)c.in[3].data)[i] = mask == 2 && !pick(0, 2) ? -INFINITY : random_f32();
    }
    set_out(&c, GLIA_F32, 4, y);
    c.attr[0].f = 0.3, c.attr[1].i = causal, c.attr[2].i = past, c.attr[3].f = pick(0, 3) ? 0 : 2.5;
    compare(row->op, row->run, &c);
}

static void check_sdpa(const glia_cpu_kernel *row)
{
    static const int64_t fixed[][7] = {
        {1, 1, 1, 1, 300, 64, 64}, {1, 1, 2, 3, 513, 16, 16},  {2, 1, 1, 25, 25, 33, 7},
        {1, 1, 1, 200, 20, 8, 32}, {1, 1, 1, 2, 40, 256, 256}, {1, 1, 1, 1, 3, 260, 20},
        {1, 2, 3, 13, 17, 40, 48}, {1, 1, 1, 14, 256, 3, 1},   {1, 1, 1, 5, 600, 5, 40}};
    for (int i = 0; i < GLIA_COUNT(fixed); i++)
        for (int mask = 0; mask < 3; mask++) sdpa_case(row, fixed[i], mask, mask != 1, i % 3 - 1);
    for (int i = 0; i < 24; i++) {
        const int64_t n[7] = {pick(1, 2),  pick(1, 2),  pick(1, 3), pick(1, 30),
                              pick(1, 70), pick(1, 50), pick(1, 50)};
        sdpa_case(row, n, i % 3, (int)pick(0, 1), (int)pick(-1, 40));
    }
}

/* ---- reductions, over every set of neighbouring and parted axes; columns and rows, short and long */

static void check_reduce(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 120; i++) {
        call c = {.in_count = 0};
        static const int64_t sets[][3] = {{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {-1}, {0, 1, 2}};
        static const int counts[] = {1, 1, 1, 2, 2, 2, 1, 3};
        const int64_t x[3] = {pick(1, 4), i % 5 ? pick(1, 40) : pick(1, 200),
                              i < 80 ? i / 2 + 1 : pick(40, 900)};
        const int set = i % 8;
        int64_t y[3], n = x[0] * x[1] * x[2];
        int rank = 0;
        for (int a = 0; a < 3; a++) {
            bool gone = false;
            for (int j = 0; j < counts[set]; j++) gone |= (sets[set][j] + 3) % 3 == a;
            if (!gone) y[rank++] = x[a];
        }
        float *data = set_in(&c, 0, GLIA_F32, 0, 3, x)->data = edge(0, n * 4);
        if (i % 3) fill_floats(data, n);
        else fill_any(data, n);
        for (int64_t j = 0; i % 3 == 1 && j < n; j++) data[j] = fminf(data[j], pick(0, 1) ? 0.0f : -0.0f);
        set_out(&c, GLIA_F32, rank, y);
        c.attr[0] = (glia_attr){counts[set], 0, sets[set]};
        compare(row->op, row->run, &c);
    }
}

static void check_group_norm(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 60; i++) {
        call c = {.in_count = 0};
        const int64_t x[4] = {pick(1, 3), pick(1, 3), pick(1, 3), i < 40 ? i + 1 : pick(40, 3000)},
                      n = x[0] * x[1] * x[2] * x[3], w = x[1] * x[2];
        float *data = set_in(&c, 0, GLIA_F32, 0, 4, x)->data = edge(0, n * 4);
        if (i % 4) fill_floats(data, n);
        else fill_any(data, n);
        for (int s = 1; s < 3; s++)
            fill_floats(set_in(&c, s, GLIA_F32, 0, 2, x + 1)->data = edge(s, w * 4), w);
        set_out(&c, GLIA_F32, 4, x);
        c.attr[0].f = 1e-3;
        compare(row->op, row->run, &c);
    }
}

static void check_row(const glia_cpu_kernel *row)
{
    const glia_op *op = row->op;
    row_name = row->name;
    if (op == &glia_op_linear || op == &glia_op_linear_act) check_linear(row);
    else if (op == &glia_op_expert_linear) check_experts(row);
    else if (op == &glia_op_expert_sum) check_expert_sum(row);
    else if (op == &glia_op_quantise) check_quantise(row);
    else if (op == &glia_op_matmul) check_matmul(row);
    else if (op == &glia_op_rms_norm || op == &glia_op_layer_norm || op == &glia_op_softmax) check_rows(row);
    else if (op == &glia_op_silu || op == &glia_op_swiglu || op == &glia_op_swiglu_limited ||
             op == &glia_op_add || op == &glia_op_sub || op == &glia_op_mul || op == &glia_op_div ||
             op == &glia_op_gelu || op == &glia_op_gelu_erf || op == &glia_op_erf || op == &glia_op_exp ||
             op == &glia_op_sigmoid || op == &glia_op_tanh || op == &glia_op_relu)
        check_elementwise(row);
    else if (op == &glia_op_clip || op == &glia_op_leaky_relu || op == &glia_op_neg || op == &glia_op_abs ||
             op == &glia_op_reciprocal || op == &glia_op_prelu)
        check_elementwise(row);
    else if (op == &glia_op_sum || op == &glia_op_mean || op == &glia_op_sum_squares ||
             op == &glia_op_reduce_max || op == &glia_op_reduce_min)
        check_reduce(row);
    else if (op == &glia_op_group_norm) check_group_norm(row);
    else if (op == &glia_op_attend) check_attend(row);
    else if (op == &glia_op_conv) check_conv(row);
    else if (op == &glia_op_qconv) check_qconv(row);
    else if (op == &glia_op_max_pool || op == &glia_op_avg_pool) check_pool(row);
    else if (op == &glia_op_sdpa || op == &glia_op_sdpa_tokens) check_sdpa(row);
    else if (op == &glia_op_rope) check_rope(row);
    else if (op == &glia_op_kv_put) check_kv_put(row);
    else if (op == &glia_op_lstm || op == &glia_op_gru) check_recurrent(row);
    else if (op == &glia_op_resample) check_resample(row);
    else {
        fprintf(stderr, "%s: no test for this op\n", row->name);
        CHECK(false);
    }
}

/* A row that cannot be tested here is named, not passed over. */
static void every_row_equals_its_reference(void)
{
    const uint32_t features = glia_cpu_features();
    const uint32_t mode = glia_cpu_mode_set();
    for (int i = 0; glia_cpu_isas[i]; i++) {
        const glia_cpu_isa *isa = glia_cpu_isas[i];
        for (int r = 0; r < isa->count; r++) {
            const int before = check_case_failures;
            if (isa->needs & ~features) {
                SKIP(isa->rows[r].name, "this machine lacks the instruction set");
                continue;
            }
            check_row(&isa->rows[r]);
            printf("%s %s\n", check_case_failures == before ? "ok" : "FAIL", isa->rows[r].name);
            fflush(stdout);
        }
    }
    glia_cpu_mode_restore(mode);
}

#if defined(EMULATED_AVXVNNI)
/* The rows of AVX-VNNI with its two steps in plain C, for processors that have AVX2 alone. */
static void every_row_of_avxvnni_emulated(void)
{
    const uint32_t mode = glia_cpu_mode_set();
    if (!(glia_cpu_features() & GLIA_CPU_AVX2)) SKIP("avxvnni emulated", "this machine lacks AVX2");
    for (int r = 0; glia_cpu_features() & GLIA_CPU_AVX2 && r < emulated_avxvnni.count; r++)
        check_row(&emulated_avxvnni.rows[r]);
    glia_cpu_mode_restore(mode);
}
#endif

static void binding(void)
{
    const uint32_t all = GLIA_CPU_AVX2 | GLIA_CPU_AVX512 | GLIA_CPU_AVX512_VNNI;
    const glia_type x = {GLIA_A8X32, 2, 0, {1, 64}}, w = {GLIA_Q8_0, 2, GLIA_LAYOUT_R16, {32, 64}},
                    plain = {GLIA_Q8_0, 2, 0, {32, 64}};
    const glia_type b = {GLIA_F32, 1, 0, {32}}, y = {GLIA_F32, 2, 0, {1, 32}}, none = {0};
    const glia_type with[3] = {x, w, b}, without[2] = {x, w}, null[3] = {x, w, none},
                    unpacked[2] = {x, plain}, many[4] = {x, w, b, b};
    CHECK_STR(glia_cpu_isas[0]->name, "portable");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, 0, 0).name, "reference");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, all, "portable").isa, "portable");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, all, "no such set").isa, "portable");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, without, 2, &y, 1, all, "portable").isa, "portable");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, null, 3, &y, 1, 0, 0).name, "reference");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, unpacked, 2, &y, 1, all, 0).name, "reference");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, many, 4, &y, 1, all, 0).name, "reference");
    CHECK(glia_cpu_bind(&glia_op_linear, many, 4, &y, 1, all, 0).run == glia_op_linear.reference);
#if defined(__x86_64__)
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, all, 0).name, "linear_q8_0_r16_vnni");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, without, 2, &y, 1, all, 0).name, "linear_q8_0_r16_vnni");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, null, 3, &y, 1, all, "avx512").name, "linear_q8_0_r16_avx512");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, null, 3, &y, 1, all, "avxvnni").name, "linear_q8_0_r16_avx2");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, null, 3, &y, 1, GLIA_CPU_AVX2 | GLIA_CPU_AVX_VNNI, 0).isa,
              "avxvnni");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, null, 3, &y, 1, GLIA_CPU_AVX2, 0).isa, "avx2");
    CHECK(glia_cpu_layout(GLIA_Q4_0, 16, 64, all, 0) == GLIA_LAYOUT_R16);
    CHECK(glia_cpu_layout(GLIA_F32, 4096, 7, GLIA_CPU_AVX2, "avx2") == GLIA_LAYOUT_R16);
    CHECK(glia_cpu_isa_find("avx2") && !glia_cpu_isa_find("avx3") && !glia_cpu_isa_find(0));
#elif defined(__aarch64__)
    const glia_type floats[2] = {{GLIA_F32, 2, 0, {1, 64}}, {GLIA_F16, 2, GLIA_LAYOUT_R16, {32, 64}}};
    CHECK_STR(glia_cpu_bind(&glia_op_linear, floats, 2, &y, 1, GLIA_CPU_NEON, 0).name, "linear_f16_r16_neon");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, GLIA_CPU_NEON, 0).name, "linear_q8_0_r16_neon");
    CHECK_STR(glia_cpu_bind(&glia_op_linear, with, 3, &y, 1, GLIA_CPU_NEON | GLIA_CPU_DOTPROD, 0).isa,
              "dotprod");
    CHECK(glia_cpu_layout(GLIA_F32, 4096, 7, GLIA_CPU_NEON, "neon") == GLIA_LAYOUT_R16);
    CHECK(glia_cpu_isa_find("neon") && !glia_cpu_isa_find("avx2"));
#endif
    CHECK(glia_cpu_layout(GLIA_Q4_0, 15, 64, all, 0) == GLIA_LAYOUT_PLAIN);
    CHECK(glia_cpu_layout(GLIA_Q4_0, 16, 64, all, "portable") == GLIA_LAYOUT_PLAIN);
    CHECK(glia_cpu_layout(GLIA_Q4_0, 16, 64, 0, 0) == GLIA_LAYOUT_PLAIN);
    CHECK(glia_cpu_layout(GLIA_Q4_0, 16, 65, all, 0) == GLIA_LAYOUT_PLAIN);
    CHECK(glia_cpu_layout(GLIA_F64, 16, 64, all, 0) == GLIA_LAYOUT_PLAIN);
}

/* Rows of matrix tiles pass few rows of activations on to a row of AVX-512 VNNI that they name by its place. */
static void tiles_name_their_vector_rows(void)
{
    enum { FIRST = 14 };
    const glia_cpu_isa *tiles = glia_cpu_isa_find("amx"), *vectors = glia_cpu_isa_find("avx512vnni");
    for (int i = 0; tiles && vectors && i < tiles->count; i++)
        CHECK(!strcmp(tiles->rows[i].types, vectors->rows[FIRST + 2 * i].types));
}

int main(void)
{
    RUN(binding);
    RUN(pages_of_q8_0);
    RUN(tiles_name_their_vector_rows);
    RUN(every_row_equals_its_reference);
#if defined(EMULATED_AVXVNNI)
    RUN(every_row_of_avxvnni_emulated);
#endif
    return CHECK_EXIT();
}
