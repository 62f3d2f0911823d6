/* Our encoders' error against that of ggml's, on normal, heavy-tailed and trained rows, with importance and
 * without: tests/vectors/quants/encoder_errors.txt, made by tests/oracles/make_encoder_errors.py, which draws
 * the same rows. */
#include "check.h"

#include "base/check.h"
#include "format/gguf.h"
#include "tensor/dtype.h"

enum { ROWS = 8, VALUES = 1024, COUNT = ROWS * VALUES, KINDS = 3 };
static const char *const kinds[KINDS] = {"normal", "student", "trained"};
static float rows[KINDS][COUNT], importance[VALUES];

static uint64_t state;
static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 33) + 0.5) / 2147483648.0;
}
static double normal(void)
{
    double total = 0;
    for (int i = 0; i < 12; i++) total += uniform();
    return total - 6.0;
}
static double student(void)
{
    const double n = normal();
    double squares = 0;
    for (int i = 0; i < 3; i++) {
        const double v = normal();
        squares += v * v;
    }
    return n / sqrt(squares / 3.0);
}

/* The first half of the values from one matrix, the second from another. */
static bool read_trained(float *to)
{
    static const char *const names[2] = {"blk.0.attn_q.weight", "blk.0.ffn_down.weight"};
    static uint8_t bytes[COUNT * 4];
    glia_gguf *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    bool fine = !glia_gguf_open(NULL, "models/demo-stories.gguf", NULL, &g, &e);
    for (int i = 0; fine && i < 2; i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, names[i]);
        int64_t size = 0;
        fine = t && glia_dtype_row_bytes(t->dtype, COUNT / 2, &size) &&
               !glia_gguf_read(g, t, 0, size, bytes, &e);
        if (fine) glia_dtype_get(t->dtype)->decode(bytes, to + i * COUNT / 2, COUNT / 2);
    }
    if (!fine) fprintf(stderr, "%s\n", e.text);
    glia_gguf_close(g);
    return fine;
}

static void make_rows(void)
{
    state = 1;
    for (int i = 0; i < COUNT; i++) rows[0][i] = (float)normal();
    state = 2;
    for (int i = 0; i < COUNT; i++) rows[1][i] = (float)student();
    CHECK(read_trained(rows[2]));
    state = 3;
    for (int i = 0; i < VALUES; i++) {
        const double u = uniform();
        importance[i] = (float)(u * u * u * u * 10.0 + 0.01);
    }
}

static double error_of(const glia_dtype_info *info, const float *x, bool weighted)
{
    static uint8_t encoded[VALUES * 4];
    static float back[VALUES];
    double sum = 0;
    for (int r = 0; r < ROWS; r++, x += VALUES) {
        info->encode(x, encoded, VALUES, weighted ? importance : NULL);
        info->decode(encoded, back, VALUES);
        for (int i = 0; i < VALUES; i++) {
            const double d = (double)x[i] - back[i];
            sum += (weighted ? importance[i] : 1.0) * d * d;
        }
    }
    return sum;
}

static int kind_of(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i], name)) return i;
    return -1;
}

/* The rows are the generator's to the last bit, so the sums agree but for their own rounding. */
static void check_rows(const char *kind, double want)
{
    const int k = kind_of(kind);
    double sum = 0;
    for (int i = 0; k >= 0 && i < COUNT; i++) sum += (double)rows[k][i] * rows[k][i];
    CHECK(fabs(sum - want) <= 1e-12 * want);
}

static void errors_of_ggml(void)
{
    char name[32], kind[32], weights[32];
    double want;
    int lines = 0;
    FILE *f = fopen("tests/vectors/quants/encoder_errors.txt", "r");
    CHECK(f);
    while (f && fscanf(f, "%31s %31s", name, kind) == 2) {
        if (!strcmp(name, "rows")) {
            CHECK(fscanf(f, "%lf", &want) == 1);
            check_rows(kind, want);
            continue;
        }
        CHECK(fscanf(f, "%31s %lf", weights, &want) == 2);
        const glia_dtype_info *info = glia_dtype_get(glia_dtype_parse(name));
        const bool weighted = !strcmp(weights, "importance");
        CHECK(info->encode && kind_of(kind) >= 0);
        if (!info->encode || kind_of(kind) < 0) continue;
        const double have = error_of(info, rows[kind_of(kind)], weighted);
        if (!(have <= 1.01 * want))
            fprintf(stderr, "%s, %s rows, %s: %.4f of ggml's error\n", name, kind, weights, have / want);
        if (getenv("GLIA_TEST_VERBOSE")) printf("# %-7s %-8s %-10s %.4f\n", name, kind, weights, have / want);
        CHECK(have <= 1.01 * want);
        lines++;
    }
    if (f) fclose(f);
    CHECK(lines >= 60);
}

int main(void)
{
    RUN(make_rows);
    RUN(errors_of_ggml);
    return CHECK_EXIT();
}
