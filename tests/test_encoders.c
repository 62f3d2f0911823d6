/* Our encoders' error against that of ggml's, on normal, heavy-tailed and trained rows, with importance and
 * without, under several measures of what an error weighs: tests/vectors/quants/encoder_errors.txt, made by
 * tests/oracles/make_encoder_errors.py, which draws the same rows. */
#include "check.h"

#include "base/check.h"
#include "format/gguf.h"
#include "tensor/dtype.h"

enum { ROWS = 8, VALUES = 1024, COUNT = ROWS * VALUES, KINDS = 3 };
static const char *const kinds[KINDS] = {"normal", "student", "trained"};
static const double BOUND = 1.0001; /* the exact encoders are at 1 */
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

/* What an error of element i weighs; `mean` is the mean square of its 256 values. */
typedef double measure_fn(double x, double mean, double importance);
static double uniform_measure(double x, double mean, double w) { return (void)x, (void)mean, (void)w, 1.0; }
static double magnitude_measure(double x, double mean, double w) { return (void)mean, (void)w, fabs(x); }
static double square_measure(double x, double mean, double w) { return (void)mean, (void)w, x * x; }
static double importance_measure(double x, double mean, double w) { return (void)x, (void)mean, w; }
static double importance_rms_measure(double x, double mean, double w) { return w * sqrt(mean + x * x); }

static const struct measure {
    const char *name;
    bool weighted; /* encoded with importance */
    measure_fn *weigh;
} measures[] = {
    {"uniform", false, uniform_measure},
    {"magnitude", false, magnitude_measure},
    {"square", false, square_measure},
    {"importance", true, importance_measure},
    {"importance-rms", true, importance_rms_measure},
};

static const struct measure *measure_of(const char *name)
{
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        if (!strcmp(measures[i].name, name)) return &measures[i];
    return NULL;
}

static double error_of(const glia_dtype_info *info, const float *x, const struct measure *measure)
{
    static uint8_t encoded[VALUES * 4];
    static float back[VALUES];
    double sum = 0, mean = 0;
    for (int r = 0; r < ROWS; r++, x += VALUES) {
        info->encode(x, encoded, VALUES, measure->weighted ? importance : NULL);
        info->decode(encoded, back, VALUES);
        for (int i = 0; i < VALUES; i++) {
            if (i % 256 == 0) {
                mean = 0;
                for (int j = i; j < i + 256; j++) mean += (double)x[j] * x[j] / 256;
            }
            const double d = (double)x[i] - back[i];
            sum += measure->weigh(x[i], mean, importance[i]) * d * d;
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

static void check_error(const char *name, const char *kind, const char *measure_name, double want)
{
    const glia_dtype_info *info = glia_dtype_get(glia_dtype_parse(name));
    const struct measure *measure = measure_of(measure_name);
    CHECK(info->encode && measure && kind_of(kind) >= 0);
    if (!info->encode || !measure || kind_of(kind) < 0) return;
    const double have = error_of(info, rows[kind_of(kind)], measure);
    if (!(have <= BOUND * want))
        fprintf(stderr, "%s, %s rows, %s: %.4f of ggml's error\n", name, kind, measure_name, have / want);
    if (getenv("GLIA_TEST_VERBOSE"))
        printf("# %-7s %-8s %-14s %.4f\n", name, kind, measure_name, have / want);
    CHECK(have <= BOUND * want);
}

static void errors_of_ggml(void)
{
    char name[32], kind[32], measure[32];
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
        CHECK(fscanf(f, "%31s %lf", measure, &want) == 2);
        check_error(name, kind, measure, want);
        lines++;
    }
    if (f) fclose(f);
    CHECK(lines == 15 * KINDS * 5);
}

int main(void)
{
    RUN(make_rows);
    RUN(errors_of_ggml);
    return CHECK_EXIT();
}
