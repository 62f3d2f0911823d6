/* Embeddings: an encoder's hidden states against transformers in double precision, a decoder's against its
 * own logits, every pooling, the same bits for any threads, steps and neighbours, and what is refused. */
#include "spine.h"

#include "format/gguf.h"
#include "format/source.h"

#include <math.h>

#define BERT "tests/vectors/arch/bert.gguf"
#define LLAMA "tests/vectors/arch/llama_mha.gguf"

static glia_model_options options_for(int threads)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = threads;
    o.embeddings = 1;
    return o;
}

static bool close_to(const float *have, const double *want, int64_t n)
{
    double error = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        error += pow((double)have[i] - want[i], 2);
        power += pow(want[i], 2);
    }
    if (!(error <= 1e-9 * power)) fprintf(stderr, "NMSE %g\n", error / power);
    return error <= 1e-9 * power;
}

/* ---- an encoder ------------------------------------------------------------------------------------- */

static void states_of_bert(void)
{
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    if (!spine_vec_open("tests/vectors/arch/bert.vec", &v)) {
        CHECK(!"vectors");
        return;
    }
    const int64_t n = v.tokens, width = v.vocab;
    float *states = malloc((size_t)(n * width) * sizeof *states), *one = malloc((size_t)width * sizeof *one);
    double *mean = calloc((size_t)width, sizeof *mean);
    for (int64_t i = 0; i < n * width; i++) mean[i % width] += v.logits[i] / (double)n;
    for (int threads = 1; threads <= 3; threads++) {
        glia_session *s = NULL;
        glia_model_options o = options_for(threads);
        glia_model *m = spine_open(BERT, &o);
        if (!m) break;
        spine_force_team(m);
        CHECK_I64(glia_model_embedding_size(m), width);
        CHECK(glia_model_is_encoder(m) && glia_model_pooling(m) == GLIA_POOLING_FIRST);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
        CHECK_I64(glia_session_embed(s, v.ids, n, GLIA_POOLING_NONE, states, &e), GLIA_OK);
        CHECK(close_to(states, v.logits, n * width));
        CHECK_I64(glia_session_embed(s, v.ids, n, GLIA_POOLING_MEAN, one, &e), GLIA_OK);
        CHECK(close_to(one, mean, width));
        CHECK_I64(glia_session_embed(s, v.ids, n, GLIA_POOLING_LAST, one, &e), GLIA_OK);
        CHECK(spine_same_bits(one, states + (n - 1) * width, width));
        CHECK_I64(glia_session_embed(s, v.ids, n, GLIA_POOLING_FIRST, one, &e), GLIA_OK);
        CHECK(spine_same_bits(one, states, width));
        CHECK_I64(glia_session_embed(s, v.ids, n, GLIA_POOLING_DEFAULT, one, &e), GLIA_OK);
        CHECK(spine_same_bits(one, states, width));
        CHECK_I64(glia_session_length(s, 0), 0);
        glia_session_destroy(s);
        glia_model_close(m);
    }
    free(states);
    free(one);
    free(mean);
    spine_vec_close(&v);
}

enum { TEXTS = 3, LONG = 60, WIDTH = 48 };

/* Three texts with a common beginning of more than a page, in one step and each alone in a fresh session: a
 * neighbour's tokens, and what a page held before, must not be seen. */
static void texts_do_not_see_each_other(void)
{
    static const int32_t lengths[TEXTS] = {LONG, 45, 40};
    static float together[TEXTS * LONG * WIDTH], alone[LONG * WIDTH];
    int32_t ids[TEXTS][LONG], all[TEXTS * LONG], sequence[TEXTS * LONG], rows[TEXTS * LONG], count = 0;
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    const float *states = NULL;
    glia_model_options o = options_for(2);
    o.sequences = TEXTS;
    o.batch = o.logit_rows = TEXTS * LONG;
    glia_model *m = spine_open(BERT, &o);
    if (!m) return;
    for (int t = 0; t < TEXTS; t++) {
        spine_ids(ids[t], LONG, 160, 5 + (uint64_t)t);
        memcpy(ids[t], ids[0], 36 * sizeof **ids);
    }
    for (int i = 0; i < LONG; i++) /* token by token in turn */
        for (int t = 0; t < TEXTS; t++) {
            if (i >= lengths[t]) continue;
            all[count] = ids[t][i];
            sequence[count] = t;
            rows[count] = count;
            count++;
        }
    glia_batch b = GLIA_BATCH_INIT;
    b.count = b.row_count = count;
    b.ids = all;
    b.sequences = sequence;
    b.rows = rows;
    CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
    CHECK_I64(glia_session_step(s, &b, &states, &e), GLIA_OK);
    memcpy(together, states, (size_t)(count * WIDTH) * sizeof *together);
    CHECK_I64(glia_session_step(s, &b, &states, &e), GLIA_E_STATE); /* the texts are complete */
    CHECK_STR(e.code, "G0543");
    for (int t = 0; t < TEXTS; t++) CHECK_I64(glia_session_trim(s, t, 0, &e), GLIA_OK);
    for (int t = 0; t < TEXTS; t++) { /* one after the other through the same pages, by both calls */
        CHECK_I64(glia_session_embed(s, ids[t], lengths[t], GLIA_POOLING_NONE, alone, &e), GLIA_OK);
        for (int i = 0, at = 0; i < count; i++)
            if (sequence[i] == t) CHECK(spine_same_bits(together + i * WIDTH, alone + at++ * WIDTH, WIDTH));
        CHECK_I64(glia_session_fill(s, 0, ids[t], lengths[t], &states, &e), GLIA_OK);
        CHECK(spine_same_bits(states, alone + (lengths[t] - 1) * WIDTH, WIDTH));
    }
    glia_session_destroy(s);
    glia_model_close(m);
}

static bool embed_file(const char *path, int threads, const char *isa, int64_t batch, const int32_t *ids,
                       int64_t count, glia_pooling pooling, float *out)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    glia_model_options o = options_for(threads);
    o.isa = isa;
    o.batch = batch;
    glia_model *m = spine_open(path, &o);
    if (!m) return false;
    spine_force_team(m);
    bool ok = !glia_session_create(m, &s, &e) && !glia_session_embed(s, ids, count, pooling, out, &e);
    if (!ok) fprintf(stderr, "%s\n", e.text);
    glia_session_destroy(s);
    glia_model_close(m);
    return ok;
}

static void same_bits_everywhere(void)
{
    static const glia_dtype types[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0, GLIA_Q4_K};
    int32_t ids[50];
    float want[256], have[256];
    spine_ids(ids, 50, 384, 11);
    for (int i = SPINE_SLOW ? 3 : 0; i < 4; i++) {
        glia_error e = GLIA_ERROR_INIT;
        const char *path = spine_temp("bert.gguf");
        CHECK_I64(glia_synth(NULL, "tiny-bert", types[i], 3, path, &e), GLIA_OK);
        CHECK(embed_file(path, 1, "portable", 0, ids, 50, GLIA_POOLING_MEAN, want));
        for (int d = 0; d < 256; d++) CHECK(isfinite(want[d]));
        CHECK(embed_file(path, 1, NULL, 0, ids, 50, GLIA_POOLING_MEAN, have) &&
              spine_same_bits(have, want, 256));
        CHECK(embed_file(path, 3, NULL, 64, ids, 50, GLIA_POOLING_MEAN, have) &&
              spine_same_bits(have, want, 256));
        CHECK(embed_file(path, 2, "portable", 50, ids, 50, GLIA_POOLING_MEAN, have) &&
              spine_same_bits(have, want, 256));
    }
}

/* ---- a decoder -------------------------------------------------------------------------------------- */

/* With tied embeddings, logits are the products of the last hidden state with the rows of the table: the
 * vectors' logits, made by transformers, are the truth. */
static void states_of_a_decoder(void)
{
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *file = NULL;
    const glia_gguf_tensor *t = NULL;
    if (!spine_vec_open("tests/vectors/arch/llama_mha.vec", &v) ||
        glia_gguf_open(glia_os_default(), LLAMA, NULL, &file, &e) ||
        !(t = glia_gguf_tensor_find(file, "token_embd.weight"))) {
        CHECK(!"vectors");
        return;
    }
    const int64_t n = v.tokens, vocab = v.vocab, width = t->dims[1];
    float *table = malloc((size_t)(vocab * width) * 4), *states = malloc((size_t)(n * width) * 4),
          *other = malloc((size_t)(n * width) * 4), *logits = malloc((size_t)(n * vocab) * 4);
    glia_source source = glia_source_from_gguf(file);
    glia_source_tensor st;
    CHECK(source.find(source.ctx, "token_embd.weight", &st) &&
          !source.read(source.ctx, &st, 0, vocab * width * 4, table, &e));
    CHECK(embed_file(LLAMA, 2, NULL, 0, v.ids, n, GLIA_POOLING_NONE, states));
    for (int64_t i = 0; i < n * vocab; i++) {
        double sum = 0;
        for (int64_t d = 0; d < width; d++)
            sum += (double)states[i / vocab * width + d] * (double)table[i % vocab * width + d];
        logits[i] = (float)sum;
    }
    CHECK(close_to(logits, v.logits, n * vocab));
    CHECK(embed_file(LLAMA, 1, NULL, 1, v.ids, n, GLIA_POOLING_NONE, other) &&
          spine_same_bits(other, states, n * width));
    CHECK(embed_file(LLAMA, 1, NULL, 7, v.ids, n, GLIA_POOLING_DEFAULT, other) &&
          spine_same_bits(other, states + (n - 1) * width, width));
    CHECK(embed_file(LLAMA, 1, NULL, 7, v.ids, n, GLIA_POOLING_FIRST, other) &&
          spine_same_bits(other, states, width));
    for (int64_t d = 0; d < width; d++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += (double)states[i * width + d];
        logits[d] = (float)(sum / (double)n);
    }
    CHECK(embed_file(LLAMA, 1, NULL, 5, v.ids, n, GLIA_POOLING_MEAN, other) &&
          spine_same_bits(other, logits, width));
    free(table);
    free(states);
    free(other);
    free(logits);
    glia_gguf_close(file);
    spine_vec_close(&v);
}

/* ---- what is refused -------------------------------------------------------------------------------- */

static void wants(glia_status have, glia_status status, const char *code, const glia_error *e)
{
    if (have != status || strcmp(e->code, code)) fprintf(stderr, "%d %s: %s\n", have, e->code, e->text);
    CHECK_I64(have, status);
    CHECK_STR(e->code, code);
    CHECK(glia_explain(code) != NULL);
}

static void an_encoder_refuses(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = NULL;
    glia_session *s = NULL;
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    int64_t made;
    float out[64 * WIDTH];
    int32_t ids[80] = {2, 3}, rows[2] = {0, 1};
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    wants(glia_model_open(BERT, &o, &m, &e), GLIA_E_UNSUPPORTED, "G0540", &e);
    o.embeddings = 2;
    wants(glia_model_open(BERT, &o, &m, &e), GLIA_E_ARG, "G0709", &e);
    o.embeddings = 1;
    o.context = 65;
    wants(glia_model_open(BERT, &o, &m, &e), GLIA_E_CONTEXT, "G0509", &e);
    o.context = 0;
    o.logit_rows = 65;
    wants(glia_model_open(BERT, &o, &m, &e), GLIA_E_ARG, "G0709", &e);
    o.batch = 20;
    o.logit_rows = 10;
    o.threads = 1;
    m = spine_open(BERT, &o);
    if (!m || glia_session_create(m, &s, &e)) return;
    wants(glia_session_embed(s, ids, 21, GLIA_POOLING_FIRST, out, &e), GLIA_E_LIMIT, "G0543", &e);
    wants(glia_session_embed(s, ids, 11, GLIA_POOLING_MEAN, out, &e), GLIA_E_LIMIT, "G0543", &e);
    CHECK_I64(glia_session_embed(s, ids, 20, GLIA_POOLING_FIRST, out, &e), GLIA_OK);
    wants(glia_session_embed(s, ids, 65, GLIA_POOLING_FIRST, out, &e), GLIA_E_CONTEXT, "G0718", &e);
    wants(glia_session_embed(s, ids, 0, GLIA_POOLING_FIRST, out, &e), GLIA_E_ARG, "G0716", &e);
    wants(glia_session_embed(s, ids, 2, (glia_pooling)5, out, &e), GLIA_E_ARG, "G0544", &e);
    wants(glia_session_embed(s, NULL, 2, GLIA_POOLING_FIRST, out, &e), GLIA_E_ARG, "G0714", &e);
    wants(glia_session_generate(s, ids, 2, &g, &made, &e), GLIA_E_STATE, "G0542", &e);
    ids[1] = 160;
    wants(glia_session_embed(s, ids, 2, GLIA_POOLING_FIRST, out, &e), GLIA_E_ARG, "G0717", &e);
    ids[1] = 3;
    glia_batch b = GLIA_BATCH_INIT;
    b.count = b.row_count = 2;
    b.ids = ids;
    b.rows = rows;
    CHECK_I64(glia_session_step(s, &b, NULL, &e), GLIA_OK);
    CHECK_I64(glia_session_length(s, 0), 2);
    wants(glia_session_step(s, &b, NULL, &e), GLIA_E_STATE, "G0543", &e);
    glia_session_cancel(s);
    wants(glia_session_embed(s, ids, 2, GLIA_POOLING_FIRST, out, &e), GLIA_E_CANCELLED, e.code, &e);
    CHECK_I64(glia_session_embed(s, ids, 2, GLIA_POOLING_FIRST, out, &e), GLIA_OK);
    glia_session_destroy(s);
    glia_model_close(m);
}

static void a_model_for_logits_refuses(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    const int32_t ids[2] = {1, 5};
    float out[64];
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = 1;
    o.logit_rows = 4;
    glia_model *m = spine_open(LLAMA, &o);
    if (!m || glia_session_create(m, &s, &e)) return;
    CHECK(!glia_model_is_encoder(m) && glia_model_pooling(m) == GLIA_POOLING_LAST);
    glia_session *draft = NULL;
    int64_t made;
    glia_model_options oe = options_for(1);
    glia_model *hidden = spine_open(LLAMA, &oe);
    if (hidden && !glia_session_create(hidden, &draft, &e)) {
        glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
        g.tokens_max = 2;
        g.draft = draft;
        wants(glia_session_generate(s, ids, 2, &g, &made, &e), GLIA_E_ARG, "G0726", &e);
    }
    glia_session_destroy(draft);
    glia_model_close(hidden);
    wants(glia_session_embed(s, ids, 2, GLIA_POOLING_MEAN, out, &e), GLIA_E_STATE, "G0542", &e);
    glia_session_destroy(s);
    glia_model_close(m);
}

static void lengths(void)
{
    float v[3] = {3, 0, -4}, zero[2] = {0, 0}, large[2] = {3e38f, 3e38f};
    glia_embedding_normalize(v, 3);
    CHECK(v[0] == 0.6f && v[1] == 0 && v[2] == -0.8f);
    glia_embedding_normalize(zero, 2);
    CHECK(zero[0] == 0 && zero[1] == 0);
    glia_embedding_normalize(large, 2);
    CHECK(fabs((double)large[0] - sqrt(0.5)) < 1e-7);
    glia_embedding_normalize(v, 0);
}

int main(void)
{
    RUN(states_of_bert);
    RUN(texts_do_not_see_each_other);
    RUN(same_bits_everywhere);
    RUN(states_of_a_decoder);
    RUN(an_encoder_refuses);
    RUN(a_model_for_logits_refuses);
    RUN(lengths);
    spine_clean((const char *const[]){"bert.gguf", NULL});
    return CHECK_EXIT();
}
