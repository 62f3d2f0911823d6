/* Perplexity of a trained model in our own quantisation: encoders and quantised products together must cost
 * little. The model and the text are outside data; the committed model gives the same comparison between
 * instruction sets of one file elsewhere. */
#include "check.h"

#include <glia/glia.h>

#include "base/fmath.h"
#include "format/gguf.h"
#include "format/gguf_write.h"
#include "tensor/dtype.h"

#include <unistd.h>

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
static double perplexity(const char *path, const char *text, int64_t size, int64_t windows)
{
    enum { WINDOW = 256, STEP = 64 };
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.context = WINDOW;
    o.batch = o.logit_rows = STEP;
    glia_model *m = NULL;
    glia_session *s = NULL;
    int32_t *ids = malloc((size_t)size * sizeof *ids), rows[STEP];
    int64_t count = 0, scored = 0;
    double nll = 0;
    if (glia_model_open(path, &o, &m, &e) || glia_session_create(m, &s, &e) ||
        glia_model_tokenize(m, text, size, 1, 0, ids, size, &count, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return -1;
    }
    for (int i = 0; i < STEP; i++) rows[i] = i;
    for (int64_t at = 0; at + WINDOW <= count && at < windows * WINDOW; at += WINDOW) {
        glia_session_trim(s, 0, 0, &e);
        for (int64_t i = 0; i < WINDOW; i += STEP) {
            const float *logits;
            glia_batch b = GLIA_BATCH_INIT;
            b.count = b.row_count = STEP;
            b.ids = ids + at + i;
            b.rows = rows;
            if (glia_session_step(s, &b, &logits, &e)) return -1;
            for (int64_t r = 0; r < STEP && i + r + 1 < WINDOW; r++, scored++)
                nll += nll_of_row(logits + r * glia_model_vocab_size(m), glia_model_vocab_size(m),
                                  ids[at + i + r + 1]);
        }
    }
    glia_session_destroy(s);
    glia_model_close(m);
    free(ids);
    return exp(nll / (double)scored);
}

static char *read_text(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = malloc(1 << 20);
    *size = (int64_t)fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static void quantised_perplexity_stays(void)
{
    char model[512], path[512], out[64];
    int64_t size = 0;
    snprintf(model, sizeof model, "%s/llm/stories260K/stories260K-f32.gguf", check_data_dir());
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/bpe-train-ref/tinystories_sample.txt",
             check_data_dir());
    char *text = read_text(path, &size);
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

int main(void)
{
    if (check_data_dir()) RUN(quantised_perplexity_stays);
    else SKIP("quantised_perplexity_stays", "GLIA_TEST_DATA is not set");
    return CHECK_EXIT();
}
