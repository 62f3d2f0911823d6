/* glia bench --kernels: every row of the kernel table beside what the machine can do, on one thread.
 *
 * Products: one row of activations with weights from memory, and with weights that fit half the second-level
 * cache, against reading as many bytes; then 2, 8, 64 and 512 rows against the arithmetic peak. All others: a
 * few rows in cache, against reading from the second level. The limits are measured before and after each
 * row; times are the best of several runs. An operation without a case here is named, not passed over. */
#include "cli/bench.h"

#include "base/check.h"
#include "base/cpu.h"
#include "ops/ops.h"
#include "tensor/layout.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    N = 2048, /* rows of a weight, that is columns of a product */
    K = 2048,
    EXPERT_N = 512,
    EXPERTS_USED = 2,
    ROWS = 16, /* of what is not a product */
    WIDTH = 2048,
    COUNTS = 4,
    DISTINCT = 16 /* rows that are encoded; the others are copies */
};
static const int64_t row_counts[COUNTS] = {2, 8, 64, 512};

typedef struct call { /* one call of a kernel */
    glia_tensor in[8], out;
    int64_t dims[9][GLIA_RANK_MAX], begin[GLIA_RANK_MAX];
    glia_attr attr[8];
    int in_count;
    double elements, bytes; /* of one call; bytes: read and written */
} call;

typedef struct kernels {
    cli *c;
    cli_probe probe;
    glia_arena arena; /* of the row at hand */
    uint64_t random;
    int64_t memory_bytes, cache_bytes;
    const glia_cpu_isa *isa;
    const glia_cpu_kernel *row;
    bool json, any;
} kernels;

typedef struct figures { /* of a product: bytes and operations a second */
    double memory, cache, limit_memory, limit_cache, rate[COUNTS], peak;
} figures;

/* ---- data ----------------------------------------------------------------------------------------- */

static float random_float(kernels *x)
{
    x->random = x->random * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(x->random >> 32) * 0x1p-31f;
}

static void *take(kernels *x, int64_t bytes)
{
    uint8_t *p = glia_arena_alloc(&x->arena, bytes + 4096, 64);
    if (p) memset(p, 0, (size_t)bytes + 4096); /* touched */
    return p;
}

static float *take_floats(kernels *x, int64_t count)
{
    float *p = take(x, count * 4);
    for (int64_t i = 0; p && i < count; i++) p[i] = random_float(x);
    return p;
}

/* Token i of the row's types, input by input, the output behind "->": "dtype[:layout][?]". */
static glia_dtype type_at(const glia_cpu_kernel *row, int i, int *layout)
{
    char name[48];
    const char *at = row->types, *arrow = strstr(at, "->");
    if (i < 0) at = arrow + 2;
    for (; i > 0 && at; i--) at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL;
    *layout = GLIA_LAYOUT_PLAIN;
    if (!at || (at > arrow && i > 0)) return GLIA_DTYPE_NONE;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ",-?"), at);
    char *colon = strchr(name, ':');
    if (colon) {
        *colon = 0;
        for (int l = 0; l < GLIA_LAYOUT_COUNT; l++)
            if (!strcmp(glia_layout_name(l), colon + 1)) *layout = l;
    }
    return glia_dtype_parse(name);
}

static glia_tensor *set_in(call *k, int i, glia_dtype t, int layout, int rank, const int64_t *dims,
                           void *data)
{
    memcpy(k->dims[i], dims, (size_t)rank * sizeof *dims);
    k->in[i] = (glia_tensor){data, k->dims[i], (int16_t)rank, (int16_t)layout, t};
    if (k->in_count <= i) k->in_count = i + 1;
    return &k->in[i];
}

static void set_out(call *k, glia_dtype t, int rank, const int64_t *dims, void *data)
{
    memcpy(k->dims[8], dims, (size_t)rank * sizeof *dims);
    k->out = (glia_tensor){data, k->dims[8], (int16_t)rank, GLIA_LAYOUT_PLAIN, t};
}

/* ---- time ----------------------------------------------------------------------------------------- */

typedef struct runner {
    kernels *x;
    call *k;
    uint8_t *weights; /* null: the call as it is; else input 1 goes through `copies` of `bytes` */
    int64_t bytes, copies;
    void *scratch;
} runner;

static bool make_scratch(runner *r)
{
    glia_kargs a = {r->k->in, &r->k->out, r->k->in_count, 1, r->k->begin, r->k->out.dims, r->k->attr, 0, 0};
    const glia_op *op = r->x->row->op;
    int64_t bytes = op->scratch ? op->scratch(&a) : 0;
    r->scratch = take(r->x, glia_max(bytes, 64));
    return r->scratch != NULL;
}

static void run_all(const runner *r)
{
    int32_t fault = 0;
    for (int64_t i = 0; i < r->copies; i++) {
        if (r->weights) r->k->in[1].data = r->weights + i * r->bytes;
        const glia_kargs a = {r->k->in,       &r->k->out, r->k->in_count, 1,     r->k->begin,
                              r->k->out.dims, r->k->attr, r->scratch,     &fault};
        r->x->row->run(&a);
    }
}

/* Seconds of one call: the best of runs until there are three of them and 20 ms, or 150 ms are over. */
static double best_time(const runner *r)
{
    uint64_t begin = bench_now_ns(), last = begin;
    double best = 1e9;
    for (int i = 0; i < 1 || ((i < 3 || last - begin < 20000000) && last - begin < 150000000); i++) {
        uint64_t from = bench_now_ns();
        run_all(r);
        last = bench_now_ns();
        double s = 1e-9 * (double)glia_max(1, (int64_t)(last - from)) / (double)r->copies;
        if (s < best) best = s;
    }
    return best;
}

/* ---- products ------------------------------------------------------------------------------------- */

typedef struct product {
    glia_dtype x, w;
    int layout;
    bool experts;
    int64_t n;        /* rows of one matrix */
    uint8_t *weights; /* `count` matrices */
    int64_t bytes, count;
} product;

/* Formats that are not written get any bytes: each is legal. */
static void fill_row(kernels *x, glia_dtype t, const float *values, uint8_t *row, int64_t bytes)
{
    if (glia_dtype_get(t)->encode) glia_dtype_get(t)->encode(values, row, K, NULL);
    else
        for (int64_t i = 0; i < bytes; i++) row[i] = (uint8_t)(int)(random_float(x) * 127);
}

static bool make_weights(kernels *x, product *p)
{
    int64_t plain = 0;
    if (!glia_dtype_row_bytes(p->w, K, &plain) || !glia_layout_bytes(p->layout, p->w, p->n, K, &p->bytes))
        return false;
    uint8_t *rows = take(x, p->n * plain);
    float *values = take_floats(x, K);
    p->weights = take(x, p->bytes * p->count);
    if (!rows || !values || !p->weights) return false;
    for (int64_t i = 0; i < p->n; i++) {
        if (i >= DISTINCT) {
            memcpy(rows + i * plain, rows + i % DISTINCT * plain, (size_t)plain);
            continue;
        }
        for (int j = 0; j < K; j++) values[j] = random_float(x);
        fill_row(x, p->w, values, rows + i * plain, plain);
    }
    glia_layout_pack(p->layout, p->w, p->n, K, rows, 0, p->n, p->weights);
    for (int64_t i = 1; i < p->count; i++) memcpy(p->weights + i * p->bytes, p->weights, (size_t)p->bytes);
    return true;
}

/* `m` rows of activations with one matrix, or with `used` of `experts` matrices each. */
static bool make_product(kernels *x, const product *p, int64_t m, call *k)
{
    int64_t row_bytes = 0;
    const int64_t s = EXPERTS_USED, xd[2] = {m, K}, wd[2] = {p->n, K}, yd[2] = {m, p->n};
    const int64_t ed[3] = {p->count, p->n, K}, id[2] = {m, s}, zd[3] = {m, s, p->n};
    *k = (call){.in_count = 0};
    glia_dtype_row_bytes(p->x, K, &row_bytes);
    uint8_t *rows = take(x, m * row_bytes);
    float *values = take_floats(x, K), *y = take(x, m * s * p->n * 4);
    int32_t *ids = take(x, m * s * 4);
    if (!rows || !values || !y || !ids) return false;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < K; j++) values[j] = random_float(x);
        glia_dtype_get(p->x)->encode(values, rows + i * row_bytes, K, NULL);
    }
    set_in(k, 0, p->x, 0, 2, xd, rows);
    k->elements = 2.0 * (double)m * (double)p->n * K * (p->experts ? (double)s : 1);
    if (!p->experts) {
        set_in(k, 1, p->w, p->layout, 2, wd, p->weights);
        k->in_count = 3; /* no bias */
        set_out(k, GLIA_F32, 2, yd, y);
        return true;
    }
    for (int64_t i = 0; i < m * s; i++) ids[i] = (int32_t)(i * 5 % p->count);
    set_in(k, 1, p->w, p->layout, 3, ed, p->weights);
    set_in(k, 2, GLIA_I32, 0, 2, id, ids);
    k->in_count = 4;
    set_out(k, GLIA_F32, 3, zd, y);
    return true;
}

/* Bytes of weights a second for one row of activations: `copies` matrices one after the other. */
static double decode_rate(kernels *x, product *p)
{
    call k;
    runner r = {.x = x, .k = &k, .bytes = p->bytes, .copies = p->experts ? 1 : p->count};
    if (!make_product(x, p, 1, &k)) return 0;
    if (!p->experts) r.weights = p->weights;
    if (p->experts) { /* one call with a token for every second matrix walks through all of them */
        if (!make_product(x, p, glia_max(1, p->count / EXPERTS_USED), &k)) return 0;
        int32_t *ids = k.in[2].data;
        for (int64_t i = 0; i < k.in[2].dims[0] * EXPERTS_USED; i++) ids[i] = (int32_t)(i % p->count);
    }
    if (!make_scratch(&r)) return 0;
    double bytes = (double)p->bytes * (p->experts ? (double)(k.in[2].dims[0] * EXPERTS_USED) : 1);
    return bytes / best_time(&r);
}

static bool measure_product(kernels *x, figures *f)
{
    const bool experts = x->row->op != &glia_op_linear;
    int layout, none;
    product p = {.x = type_at(x->row, 0, &none), .w = type_at(x->row, 1, &layout), .experts = experts};
    p.layout = layout;
    *f = (figures){0};
    p.n = experts ? EXPERT_N : N;
    if (!glia_layout_bytes(layout, p.w, p.n, K, &p.bytes)) return false;
    p.count = glia_max(2, x->memory_bytes / p.bytes);
    if (!make_weights(x, &p)) return false;
    f->memory = decode_rate(x, &p);
    f->limit_memory = cli_probe_read(&x->probe, p.bytes * p.count);
    if (experts) p.count = 8;
    for (int i = 0; i < COUNTS; i++) {
        call k;
        runner r = {.x = x, .k = &k, .copies = 1};
        if (!make_product(x, &p, row_counts[i], &k) || !make_scratch(&r)) return false;
        f->rate[i] = k.elements / best_time(&r);
    }
    p.count = experts ? EXPERTS_USED : 1; /* as many rows as fit the cache */
    p.n = glia_min(p.n, glia_max(64, p.n * x->cache_bytes / p.count / p.bytes / 64 * 64));
    if (!make_weights(x, &p)) return false;
    f->cache = decode_rate(x, &p);
    f->limit_cache = cli_probe_read(&x->probe, p.bytes * p.count);
    cli_probe_round(&x->probe);
    const cli_limits *l = &x->probe.best;
    bool ints = glia_dtype_get(p.x)->classes & GLIA_CLASS_ACTIVATION;
    f->peak = l->unit[ints ? CLI_UNIT_INT8 : CLI_UNIT_FP32];
    if (ints && l->unit[CLI_UNIT_INT8_TILES] > f->peak) f->peak = l->unit[CLI_UNIT_INT8_TILES];
    return true;
}

static double share(double v, double limit) { return limit > 0 ? v / limit : 0; }

static void put_product(kernels *x, const figures *f)
{
    cli *c = x->c;
    if (x->json) {
        glia_json_writer *j = &c->json;
        glia_json_put_f64(j, "memory", f->memory);
        glia_json_put_f64(j, "limit_memory", f->limit_memory);
        glia_json_put_f64(j, "cache", f->cache);
        glia_json_put_f64(j, "limit_cache", f->limit_cache);
        glia_json_put_f64(j, "limit_arithmetic", f->peak);
        glia_json_open(j, "rows", '[');
        for (int i = 0; i < COUNTS; i++) glia_json_put_i64(j, NULL, row_counts[i]);
        glia_json_close(j, ']');
        glia_json_open(j, "ops", '[');
        for (int i = 0; i < COUNTS; i++) glia_json_put_f64(j, NULL, f->rate[i]);
        glia_json_close(j, ']');
        return;
    }
    glia_write_text(&c->out, " %.1f (%.2f) | %.1f (%.2f)", 1e-9 * f->memory,
                    share(f->memory, f->limit_memory), 1e-9 * f->cache, share(f->cache, f->limit_cache));
    for (int i = 0; i < COUNTS; i++)
        glia_write_text(&c->out, " | %.0f (%.2f)", 1e-9 * f->rate[i], share(f->rate[i], f->peak));
    glia_write_text(&c->out, " |\n");
}

/* ---- all others ----------------------------------------------------------------------------------- */

static bool along_rows(kernels *x, call *k, const int64_t *second, int second_rank)
{
    const int64_t d[2] = {ROWS, WIDTH};
    int none;
    glia_dtype to = type_at(x->row, -1, &none);
    int64_t out = 0;
    if (!glia_dtype_tensor_bytes(to, 2, d, &out)) return false;
    set_in(k, 0, GLIA_F32, 0, 2, d, take_floats(x, ROWS * WIDTH));
    if (second) set_in(k, 1, GLIA_F32, 0, second_rank, second, take_floats(x, ROWS * WIDTH));
    set_out(k, to, 2, d, take(x, out));
    k->elements = ROWS * WIDTH;
    k->bytes = 4 * k->elements * (second && second_rank == 2 ? 2 : 1) + (double)out;
    k->attr[0] = (glia_attr){to, 1e-5, NULL}; /* what norms and quantisers ask for */
    return k->in[0].data && k->out.data && (!second || k->in[1].data);
}

static bool one_input(kernels *x, call *k) { return along_rows(x, k, NULL, 0); }

static bool norm(kernels *x, call *k)
{
    const int64_t w[1] = {WIDTH};
    return along_rows(x, k, w, 1);
}

static bool layer_norm(kernels *x, call *k)
{
    k->in_count = 3; /* no bias */
    return norm(x, k);
}

static bool matmul(kernels *x, call *k)
{
    enum { M = 128, DEPTH = 256, COLUMNS = 256 };
    const int64_t a[2] = {M, DEPTH}, b[2] = {COLUMNS, DEPTH}, y[2] = {M, COLUMNS};
    set_in(k, 0, GLIA_F32, 0, 2, a, take_floats(x, M * DEPTH));
    set_in(k, 1, GLIA_F32, 0, 2, b, take_floats(x, COLUMNS * DEPTH));
    set_out(k, GLIA_F32, 2, y, take(x, M * COLUMNS * 4));
    k->elements = 2.0 * M * DEPTH * COLUMNS;
    k->bytes = 4.0 * (M * DEPTH + COLUMNS * DEPTH + M * COLUMNS);
    return k->in[0].data && k->in[1].data && k->out.data;
}

static bool two_inputs(kernels *x, call *k)
{
    const int64_t d[2] = {ROWS, WIDTH};
    if (!along_rows(x, k, d, 2)) return false;
    k->attr[0].f = 1.702; /* slope and limit, where there are such */
    k->attr[1].f = 7;
    return true;
}

static bool one_or_two(kernels *x, call *k)
{
    return strchr(x->row->types, ',') ? two_inputs(x, k) : one_input(x, k);
}

static bool expert_sum(kernels *x, call *k)
{
    const int64_t d[3] = {ROWS / 4, 4, WIDTH}, y[2] = {ROWS / 4, WIDTH};
    set_in(k, 0, GLIA_F32, 0, 3, d, take_floats(x, ROWS * WIDTH));
    set_in(k, 1, GLIA_F32, 0, 2, d, take_floats(x, ROWS));
    set_out(k, GLIA_F32, 2, y, take(x, ROWS / 4 * WIDTH * 4));
    k->elements = ROWS * WIDTH;
    k->bytes = 4.0 * (ROWS + ROWS / 4) * WIDTH;
    return k->in[0].data && k->in[1].data && k->out.data;
}

enum { HEAD = 64, GROUPS = 8, HEADS = 32, PAGE = 32 };

static bool rope(kernels *x, call *k)
{
    const int64_t d[3] = {ROWS, HEADS, HEAD}, cs[2] = {ROWS, HEAD};
    set_in(k, 0, GLIA_F32, 0, 3, d, take_floats(x, ROWS * HEADS * HEAD));
    set_in(k, 1, GLIA_F32, 0, 2, cs, take_floats(x, ROWS * HEAD));
    set_out(k, GLIA_F32, 3, d, take(x, ROWS * HEADS * HEAD * 4));
    k->elements = ROWS * HEADS * HEAD;
    k->bytes = 8 * k->elements;
    return k->in[0].data && k->in[1].data && k->out.data;
}

/* Pages of zeros: what is in them does not change the time. */
static void *pages(kernels *x, glia_dtype kept, const int64_t *dims)
{
    int64_t bytes = 0;
    return glia_dtype_tensor_bytes(kept, 4, dims, &bytes) ? take(x, bytes) : NULL;
}

static bool kv_put(kernels *x, call *k)
{
    int none;
    const glia_dtype kept = type_at(x->row, 0, &none);
    const int64_t d[3] = {PAGE, GROUPS, HEAD}, s[4] = {1, GROUPS, HEAD, PAGE}, table[2] = {1, 1}, t = PAGE;
    int32_t *pos = take(x, PAGE * 4);
    void *state = pages(x, kept, s);
    if (!pos || !state) return false;
    for (int i = 0; i < PAGE; i++) pos[i] = i;
    set_in(k, 0, kept, 0, 4, s, state);
    set_in(k, 1, GLIA_F32, 0, 3, d, take_floats(x, PAGE * GROUPS * HEAD));
    set_in(k, 2, GLIA_I32, 0, 2, table, take(x, 4));
    set_in(k, 3, GLIA_I32, 0, 1, &t, take(x, PAGE * 4));
    set_in(k, 4, GLIA_I32, 0, 1, &t, pos);
    set_out(k, kept, 4, s, state);
    k->attr[0].i = 1;
    k->elements = PAGE * GROUPS * HEAD;
    k->bytes = 8 * k->elements;
    return k->in[1].data && k->in[2].data && k->in[3].data;
}

/* `tokens` tokens that end at 2048 keys. */
static bool attend(kernels *x, call *k, int64_t tokens)
{
    enum { KEYS = 2048 };
    int none;
    const glia_dtype kept = type_at(x->row, 1, &none);
    const int64_t count = KEYS / PAGE, kd[4] = {count, GROUPS, HEAD, PAGE},
                  vd[4] = {count, GROUPS, PAGE, HEAD}, td[2] = {1, count}, qd[3] = {tokens, HEADS, HEAD};
    int32_t *table = take(x, count * 4), *pos = take(x, tokens * 4);
    if (!table || !pos) return false;
    for (int64_t i = 0; i < count; i++) table[i] = (int32_t)i;
    for (int64_t i = 0; i < tokens; i++) pos[i] = (int32_t)(KEYS - tokens + i);
    *k = (call){.in_count = 0};
    set_in(k, 0, GLIA_F32, 0, 3, qd, take_floats(x, tokens * HEADS * HEAD));
    set_in(k, 1, kept, 0, 4, kd, pages(x, kept, kd));
    set_in(k, 2, kept, 0, 4, vd, pages(x, kept, vd));
    set_in(k, 3, GLIA_I32, 0, 2, td, table);
    set_in(k, 4, GLIA_I32, 0, 1, qd, take(x, tokens * 4));
    set_in(k, 5, GLIA_I32, 0, 1, qd, pos);
    k->in_count = 7; /* no sinks */
    set_out(k, GLIA_F32, 3, qd, take(x, tokens * HEADS * HEAD * 4));
    k->attr[0].f = 0.125;
    k->elements = 4.0 * (double)tokens * HEADS * HEAD * KEYS;
    k->bytes =
        2.0 * KEYS * GROUPS * HEAD * glia_dtype_get(kept)->block_bytes / glia_dtype_get(kept)->block_elements;
    return k->in[0].data && k->in[1].data && k->in[2].data && k->in[4].data && k->out.data;
}

/* Windows of 3 by 3 over planes of 28 by 28 with a pad of 1: of 128 channels all or, where the row takes plain weights
 * or none, of each channel its own. */
static bool windows(kernels *x, call *k)
{
    enum { CHANNELS = 128, SIDE = 28 };
    static const int64_t pads[4] = {1, 1, 1, 1}, taps[2] = {3, 3};
    int layout;
    const bool pool = x->row->op == &glia_op_max_pool || x->row->op == &glia_op_avg_pool;
    const glia_dtype t = x->row->op == &glia_op_qconv ? GLIA_U8 : GLIA_F32,
                     wt = pool ? GLIA_F32 : type_at(x->row, 1, &layout);
    if (pool) layout = GLIA_LAYOUT_PLAIN;
    const int64_t d[4] = {1, CHANNELS, SIDE, SIDE}, w[4] = {CHANNELS, layout ? CHANNELS : 1, 3, 3};
    int64_t bytes = 0;
    if (!glia_layout_tensor_bytes(layout, wt, 4, w, &bytes)) return false;
    set_in(k, 0, t, 0, 4, d, take_floats(x, CHANNELS * SIDE * SIDE));
    k->attr[2] = (glia_attr){4, 0, pads};
    k->attr[3] = pool ? (glia_attr){2, 0, taps} : (glia_attr){layout ? 1 : CHANNELS, 0, NULL};
    if (!pool) {
        void *weights = take(x, bytes);
        set_in(k, 1, wt, layout, 4, w, weights);
        k->in_count = x->row->op == &glia_op_qconv ? 7 : 4;
        if (!weights) return false;
    }
    const glia_dtype to = t == GLIA_F32 ? GLIA_F32 : GLIA_I32;
    set_out(k, to, 4, d, take(x, CHANNELS * SIDE * SIDE * 4));
    k->elements = 2.0 * 9 * CHANNELS * SIDE * SIDE * (layout ? CHANNELS : 1);
    k->bytes = 8.0 * CHANNELS * SIDE * SIDE;
    return k->in[0].data && k->out.data;
}

static bool attend_one(kernels *x, call *k) { return attend(x, k, 1); }
static bool attend_many(kernels *x, call *k) { return attend(x, k, 128); }

static const struct {
    const glia_op *op;
    const char *what; /* of the elements */
    bool (*make)(kernels *x, call *k);
} cases[] = {
    {&glia_op_quantise, "elements", one_input},
    {&glia_op_rms_norm, "elements", norm},
    {&glia_op_softmax, "elements", one_input},
    {&glia_op_silu, "elements", one_input},
    {&glia_op_gelu, "elements", one_input},
    {&glia_op_tanh, "elements", one_input},
    {&glia_op_relu, "elements", one_input},
    {&glia_op_gelu_erf, "elements", one_input},
    {&glia_op_erf, "elements", one_input},
    {&glia_op_exp, "elements", one_input},
    {&glia_op_neg, "elements", one_input},
    {&glia_op_abs, "elements", one_input},
    {&glia_op_reciprocal, "elements", one_input},
    {&glia_op_clip, "elements", one_input},
    {&glia_op_leaky_relu, "elements", one_input},
    {&glia_op_sigmoid, "elements", one_input},
    {&glia_op_layer_norm, "elements", layer_norm},
    {&glia_op_matmul, "flops, 128 by 256 by 256", matmul},
    {&glia_op_conv, "flops, 3 by 3 of 28 by 28, 128 channels", windows},
    {&glia_op_qconv, "flops, 3 by 3 of 28 by 28, 128 channels", windows},
    {&glia_op_max_pool, "flops, 3 by 3 of 28 by 28, 128 channels", windows},
    {&glia_op_avg_pool, "flops, 3 by 3 of 28 by 28, 128 channels", windows},
    {&glia_op_swiglu, "elements", one_or_two},
    {&glia_op_swiglu_limited, "elements", one_or_two},
    {&glia_op_add, "elements", two_inputs},
    {&glia_op_prelu, "elements", two_inputs},
    {&glia_op_sub, "elements", two_inputs},
    {&glia_op_mul, "elements", two_inputs},
    {&glia_op_div, "elements", two_inputs},
    {&glia_op_expert_sum, "elements", expert_sum},
    {&glia_op_rope, "elements", rope},
    {&glia_op_kv_put, "elements", kv_put},
    {&glia_op_attend, "flops, a token after 2047", attend_one},
    {&glia_op_attend, "flops, 128 tokens to 2048", attend_many},
};
enum { CASES = sizeof cases / sizeof *cases };

static bool is_product(const glia_op *op) { return op == &glia_op_linear || op == &glia_op_expert_linear; }

static void begin_row(kernels *x)
{
    glia_json_writer *j = &x->c->json;
    if (!x->json) {
        glia_write_text(&x->c->out, "| %s | %s |", x->isa->name, x->row->name);
        return;
    }
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "isa", x->isa->name, -1);
    glia_json_put_string(j, "kernel", x->row->name, -1);
    glia_json_put_string(j, "types", x->row->types, -1);
}

static void put_other(kernels *x, const char *what, const call *k, double seconds)
{
    const cli_limits *l = &x->probe.best;
    double limit = l->read[CLI_READ_L2], rate = k->bytes / seconds, speed = k->elements / seconds;
    begin_row(x);
    if (!x->json) {
        glia_writer *w = &x->c->out;
        glia_write_text(w, " %.2f | %.2f", 1e6 * seconds, 1e-9 * speed);
        if (!strncmp(what, "flops", 5)) glia_write_text(w, " (%.2f)", share(speed, l->unit[CLI_UNIT_FP32]));
        glia_write_text(w, " %s | %.1f (%.2f) |\n", what, 1e-9 * rate, share(rate, limit));
        return;
    }
    glia_json_put_string(&x->c->json, "what", what, -1);
    glia_json_put_f64(&x->c->json, "seconds", seconds);
    glia_json_put_f64(&x->c->json, "rate", speed);
    glia_json_put_f64(&x->c->json, "limit_fp32", l->unit[CLI_UNIT_FP32]);
    glia_json_put_f64(&x->c->json, "bytes", rate);
    glia_json_put_f64(&x->c->json, "limit_cache", limit);
    glia_json_close(&x->c->json, '}');
}

/* False without memory; *found says whether there was a case. */
static bool measure_other(kernels *x, bool *found)
{
    *found = false;
    for (int i = 0; i < CASES; i++) {
        if (cases[i].op != x->row->op) continue;
        call k = {.in_count = 0};
        runner r = {.x = x, .k = &k, .copies = 1};
        *found = true;
        if (!cases[i].make(x, &k) || !make_scratch(&r)) return false;
        put_other(x, cases[i].what, &k, best_time(&r));
    }
    return true;
}

/* ---- the walk ------------------------------------------------------------------------------------- */

static int measure_row(kernels *x, bool products, glia_writer *left_out)
{
    bool ok = true, found = true;
    figures f;
    if (x->c->set.verbose) fprintf(stderr, "%s\n", x->row->name);
    glia_arena_init(&x->arena, NULL, 0);
    x->probe.best = (cli_limits){.threads = 1};
    cli_probe_round(&x->probe);
    if (products) {
        ok = measure_product(x, &f);
        if (ok) {
            begin_row(x);
            put_product(x, &f);
            if (x->json) glia_json_close(&x->c->json, '}');
        }
    } else {
        ok = measure_other(x, &found);
    }
    if (!found) glia_write_text(left_out, "%s%s", left_out->size ? ", " : "", x->row->name);
    glia_arena_free(&x->arena);
    x->any = true;
    if (cli_interrupted()) return cli_failed(x->c);
    return ok ? CLI_OK : cli_no_memory(x->c);
}

static int walk(kernels *x, bool products, glia_writer *left_out)
{
    const uint32_t features = glia_cpu_features();
    const char *part = x->c->arg_count ? x->c->args[0] : "", *most = x->c->set.isa;
    int code = CLI_OK;
    for (int i = 0; glia_cpu_isas[i] && !code; i++) {
        x->isa = glia_cpu_isas[i];
        if (x->isa->needs & ~features) continue;
        for (int r = 0; r < x->isa->count && !code; r++) {
            x->row = &x->isa->rows[r];
            if (is_product(x->row->op) == products && strstr(x->row->name, part))
                code = measure_row(x, products, left_out);
        }
        if (most && !strcmp(most, x->isa->name)) break;
    }
    return code;
}

static void put_limits(kernels *x)
{
    const cli_limits *l = &x->probe.best;
    glia_write_text(
        &x->c->out,
        "\none thread, the last limits: reading %.1f GB/s from memory, %.0f from the second level",
        1e-9 * l->read[CLI_READ_MEMORY], 1e-9 * l->read[CLI_READ_L2]);
    for (int i = 0; i < CLI_UNITS; i++)
        if (l->unit[i] > 0)
            glia_write_text(&x->c->out, "; %.0f Gop/s by %s%s", 1e-9 * l->unit[i], l->unit_name[i],
                            cli_limits_doubtful(l, i) ? " (DOUBTFUL)" : "");
    glia_write_text(&x->c->out, "; clock %.2f GHz\n", 1e-9 * l->clock_hz);
}

static int walk_both(kernels *x)
{
    glia_writer left_out = {.arena = &x->c->arena};
    glia_writer *w = &x->c->out;
    if (x->json) glia_json_open(&x->c->json, NULL, '[');
    else
        glia_write_text(
            w, "| set | product | from memory, GB/s (of limit) | from cache | 2 rows, Gop/s | 8 | 64 | "
               "512 |\n|---|---|---:|---:|---:|---:|---:|---:|\n");
    int code = walk(x, true, &left_out);
    if (!x->json)
        glia_write_text(w, "\n| set | kernel | us | G a second (of fp32) | GB/s (of the second level) |\n"
                           "|---|---|---:|---:|---:|\n");
    if (!code) code = walk(x, false, &left_out);
    if (code) return code;
    if (!x->any) return cli_usage(x->c, "no kernel that runs here has `%.60s` in its name", x->c->args[0]);
    if (x->json) {
        glia_json_close(&x->c->json, ']');
        glia_write_text(w, "\n");
        return CLI_OK;
    }
    put_limits(x);
    if (left_out.size)
        glia_write_text(w, "not measured, for want of a case: %.*s\n", (int)left_out.size,
                        (const char *)left_out.data);
    return CLI_OK;
}

int bench_kernels(cli *c)
{
    kernels x = {.c = c, .random = 7};
    const int64_t l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (c->set.synth) return cli_usage(c, "--kernels takes no model");
    if (c->set.format && c->set.format[0] == 'c') return cli_usage(c, "--kernels prints md or json");
    x.json = c->set.json || (c->set.format && c->set.format[0] == 'j');
    x.cache_bytes = (l2 > 0 ? l2 : 1 << 20) / 2;
    x.memory_bytes = glia_max(256 << 20, glia_min((l3 > 0 ? l3 : 0) * 5 / 2, 1 << 29));
    cli_catch_interrupt();
    if (!cli_probe_open(&x.probe, NULL, glia_cpu_features(), x.memory_bytes)) return cli_no_memory(c);
    uint32_t mode = glia_cpu_mode_set();
    int code = walk_both(&x);
    glia_cpu_mode_restore(mode);
    cli_probe_close(&x.probe);
    return code;
}
