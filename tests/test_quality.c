/* Perplexity of trained models in our own quantisation: encoders and quantised products together must cost
 * little. For a model that is outside data, against limits. For the committed one, every type against an
 * evaluation of its own that follows docs/numerics.md (tests/oracles/make_quality_vectors.py): the same bytes
 * in the file, the same bits in the logits, the same perplexity. */
#include "spine.h"

#include "base/check.h"
#include "base/sha256.h"
#include "format/gguf.h"
#include "format/gguf_write.h"
#include "tensor/dtype.h"

typedef struct conversion {
    const glia_gguf *from;
    glia_dtype to[256];
} conversion;

/* Rows of one tensor in their new type. */
static glia_status convert_rows(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                glia_error *e)
{
    const conversion *c = ctx;
    const glia_gguf_tensor *t = glia_gguf_tensor_at(c->from, tensor);
    const glia_dtype_info *out = glia_dtype_get(c->to[tensor]);
    int64_t k = t->dims[t->rank - 1], row_bytes, rows;
    glia_dtype_row_bytes(c->to[tensor], k, &row_bytes);
    rows = bytes / row_bytes;
    float *in = malloc((size_t)(rows * k) * sizeof *in);
    glia_status s = glia_gguf_read(c->from, t, begin / row_bytes * k * 4, rows * k * 4, in, e);
    for (int64_t r = 0; r < rows && !s; r++) {
        if (c->to[tensor] == GLIA_F32) memcpy((char *)to + r * row_bytes, in + r * k, (size_t)row_bytes);
        else out->encode(in + r * k, (char *)to + r * row_bytes, k, NULL);
    }
    free(in);
    return s;
}

/* An F32 model with its matrices in `type`, or in F16 where their rows have no whole blocks. */
static bool convert(const char *from, glia_dtype type, const char *to)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g;
    glia_gguf_writer *w;
    conversion c = {0};
    if (glia_gguf_open(NULL, from, NULL, &g, &e)) return false;
    if (glia_gguf_writer_create(NULL, &w, &e)) return false;
    c.from = g;
    for (int64_t i = 0; i < glia_gguf_count(g); i++) glia_gguf_set_value(w, glia_gguf_at(g, i));
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        bool whole = t->dims[t->rank - 1] % glia_dtype_get(type)->block_elements == 0;
        c.to[i] = t->rank < 2 ? GLIA_F32 : whole ? type : GLIA_F16;
        glia_gguf_add_tensor(w, t->name, c.to[i], t->rank, t->dims);
    }
    glia_status s = glia_gguf_writer_write(w, to, convert_rows, &c, &e);
    if (s) fprintf(stderr, "%s\n", e.text);
    glia_gguf_writer_destroy(w);
    glia_gguf_close(g);
    return !s;
}

static double nll_of_row(const float *row, int64_t vocab, int32_t id)
{
    double most = row[0], sum = 0;
    for (int64_t i = 1; i < vocab; i++) most = row[i] > most ? row[i] : most;
    for (int64_t i = 0; i < vocab; i++) sum += exp(row[i] - most);
    return most + log(sum) - row[id];
}

/* Windows without overlap; every token after a window's first is scored. */
typedef struct scoring {
    int64_t window, windows; /* at most `windows`, whole ones alone */
    double perplexity;       /* -1: something failed */
    int64_t scored;          /* tokens */
    char first[65];          /* SHA-256 of the first window's logits */
} scoring;

enum { STEP = 64 };

/* The logits of one window, step by step; adds to the sum of negative log-likelihoods. */
static bool score_window(glia_session *s, int64_t vocab, const int32_t *ids, scoring *p, glia_sha256 *hash,
                         double *nll)
{
    glia_error e = GLIA_ERROR_INIT;
    int32_t rows[STEP];
    for (int i = 0; i < STEP; i++) rows[i] = i;
    if (glia_session_trim(s, 0, 0, &e)) return false;
    for (int64_t i = 0; i < p->window; i += STEP) {
        const float *logits;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = b.row_count = STEP;
        b.ids = ids + i;
        b.rows = rows;
        if (glia_session_step(s, &b, &logits, &e)) return false;
        if (hash) glia_sha256_add(hash, logits, STEP * vocab * (int64_t)sizeof *logits);
        for (int64_t r = 0; r < STEP && i + r + 1 < p->window; r++, p->scored++)
            *nll += nll_of_row(logits + r * vocab, vocab, ids[i + r + 1]);
    }
    return true;
}

static void score(const char *path, const char *text, int64_t size, scoring *p)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.context = p->window;
    o.batch = o.logit_rows = STEP;
    glia_model *m = NULL;
    glia_session *s = NULL;
    int32_t *ids = malloc((size_t)size * sizeof *ids);
    int64_t count = 0;
    double nll = 0;
    glia_sha256 hash;
    uint8_t digest[32];
    bool ok = !glia_model_open(path, &o, &m, &e) && !glia_session_create(m, &s, &e) &&
              !glia_model_tokenize(m, text, size, 1, 0, ids, size, &count, &e);
    if (!ok) fprintf(stderr, "%s\n", e.text);
    glia_sha256_init(&hash);
    p->scored = 0;
    for (int64_t i = 0; ok && i < p->windows && (i + 1) * p->window <= count; i++)
        ok = score_window(s, glia_model_vocab_size(m), ids + i * p->window, p, i ? NULL : &hash, &nll);
    glia_sha256_done(&hash, digest);
    glia_sha256_hex(digest, p->first);
    p->perplexity = ok && p->scored ? exp(nll / (double)p->scored) : -1;
    glia_session_destroy(s);
    glia_model_close(m);
    free(ids);
}

static double perplexity(const char *path, const char *text, int64_t size, int64_t windows)
{
    scoring p = {.window = 256, .windows = windows};
    score(path, text, size, &p);
    return p.perplexity;
}

static void quantised_perplexity_stays(void)
{
    char model[512], path[512], out[64];
    int64_t size = 0;
    snprintf(model, sizeof model, "%s/llm/stories260K/stories260K-f32.gguf", check_data_dir());
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/bpe-train-ref/tinystories_sample.txt",
             check_data_dir());
    char *text = spine_read(path, &size);
    CHECK(text != NULL);
    if (!text) return;
    double plain = perplexity(model, text, size, 16);
    CHECK(plain > 1 && plain < 20);
    static const struct {
        glia_dtype type;
        double most;
    } cases[] = {{GLIA_Q8_0, 1.01}, {GLIA_Q4_0, 1.15}};
    for (int i = 0; i < 2; i++) {
        snprintf(out, sizeof out, "/tmp/glia-quality-%d-%d.gguf", (int)getpid(), i);
        CHECK(convert(model, cases[i].type, out));
        double now = perplexity(out, text, size, 16);
        printf("# %s: perplexity %.4f against %.4f in f32\n", glia_dtype_name(cases[i].type), now, plain);
        CHECK(now > 0 && now <= cases[i].most * plain && now >= plain / cases[i].most);
        remove(out);
    }
    free(text);
}

/* How much the perplexity may differ from that of the same weights without rounding of activations; 0: below
 * four bits the model is too coarse for that to mean anything. */
static const struct {
    const char *type;
    double most;
    bool sanitized; /* taken under a sanitizer too, where encoding by search takes long */
} quality[] = {
    {"F32", 0.01, false},    {"F16", 0.01, false},       {"BF16", 0.01, false}, {"Q8_0", 0.01, true},
    {"Q4_0", 0.02, false},   {"Q4_1", 0.02, true},       {"Q5_0", 0.02, false}, {"Q5_1", 0.02, false},
    {"IQ4_NL", 0.02, false}, {"MXFP4_MOE", 0.02, false}, {"Q2_K", 0, false},    {"Q3_K_S", 0, false},
    {"Q4_K_S", 0.02, false}, {"Q5_K_S", 0.02, false},    {"Q6_K", 0.02, false}, {"IQ4_XS", 0.02, false},
    {"TQ1_0", 0, true},      {"TQ2_0", 0, false},
};

static void sha_of_file(const char *path, char hex[65])
{
    int64_t size = 0;
    char *data = spine_read(path, &size);
    glia_sha256 h;
    uint8_t digest[32];
    glia_sha256_init(&h);
    if (data) glia_sha256_add(&h, data, size);
    glia_sha256_done(&h, digest);
    glia_sha256_hex(digest, hex);
    free(data);
}

/* A line of perplexity.txt: "TYPE float quantised sha256 logits_sha256". */
static void check_type(const char *line, const char *text, int64_t size, scoring p, int64_t scored,
                       double most)
{
    char type[32], file[65], logits[65], sha[65];
    double plain = 0, spec = 0;
    glia_error e = GLIA_ERROR_INIT;
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    const char *path = spine_temp("quality.gguf");
    o.pure = 1;
    CHECK_I64(sscanf(line, "%31s %lf %lf %64s %64s", type, &plain, &spec, file, logits), 5);
    if (glia_quantize("models/demo-stories.gguf", path, type, &o, NULL, &e)) {
        fprintf(stderr, "%s: %s\n", type, e.text);
        CHECK(!"quantised");
        return;
    }
    sha_of_file(path, sha);
    score(path, text, size, &p);
    if (strcmp(p.first, logits) || fabs(p.perplexity / spec - 1) > 1e-6)
        fprintf(stderr, "%s: perplexity %.9f, by numerics.md %.9f\n", type, p.perplexity, spec);
    CHECK_STR(sha, file);
    CHECK_STR(p.first, logits);
    CHECK_I64(p.scored, scored);
    CHECK(fabs(p.perplexity / spec - 1) <= 1e-6);
    CHECK(most == 0 || fabs(p.perplexity / plain - 1) <= most);
}

/* Logits are hashed as they lie in memory, which is little-endian wherever this runs. */
static void quantised_types_equal_the_specification(void)
{
    int64_t table_size = 0, size = 0;
    char *table = spine_read("tests/vectors/quality/perplexity.txt", &table_size);
    char *text = spine_read("tests/vectors/quality/stories.txt", &size), *rest = NULL;
    long long window = 0, windows = 0, scored = 0;
    int seen = 0;
    CHECK(table && text);
    char *line = table && text ? strtok_r(table, "\n", &rest) : NULL;
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '#' ||
            sscanf(line, "window %lld windows %lld scored %lld", &window, &windows, &scored) == 3)
            continue;
        for (int i = 0; i < GLIA_COUNT(quality); i++) {
            size_t n = strlen(quality[i].type);
            if (strncmp(line, quality[i].type, n) || line[n] != ' ') continue;
            seen++;
            scoring p = {.window = window, .windows = windows};
            if (!SPINE_SLOW || quality[i].sanitized) check_type(line, text, size, p, scored, quality[i].most);
        }
    }
    CHECK_I64(seen, GLIA_COUNT(quality));
    spine_clean((const char *const[]){"quality.gguf", NULL});
    free(table);
    free(text);
}

int main(void)
{
    RUN(quantised_types_equal_the_specification);
    if (check_data_dir()) RUN(quantised_perplexity_stays);
    else SKIP("quantised_perplexity_stays", "GLIA_TEST_DATA is not set");
    return CHECK_EXIT();
}
