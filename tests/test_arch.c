/* Architectures against truths from outside: random models with logits in double precision from transformers,
 * the demo model's greedy text from an independent forward pass, and stories260K's published text and logits.
 */
#include "spine.h"

#include <math.h>

/* ---- committed vectors ------------------------------------------------------------------------------ */

static double nmse(const float *y, const double *want, int64_t count)
{
    double error = 0, power = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)y[i] - want[i];
        error += d * d;
        power += want[i] * want[i];
    }
    return isfinite(error) ? error / power : INFINITY;
}

/* context 0: the model's own. bound: of the NMSE against logits in double precision. */
static void check_arch_within(const char *name, int64_t context, double bound)
{
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    if (!spine_vec_open(spine_arch_path(name, "vec"), &v)) {
        fprintf(stderr, "%s: no vectors\n", name);
        check_case_failures++;
        return;
    }
    for (int round = 0; round < 2; round++) { /* as one step on one thread; token by token on two */
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        glia_session *s = NULL;
        o.threads = round + 1;
        o.batch = o.logit_rows = v.tokens;
        o.context = context;
        glia_model *m = spine_open(spine_arch_path(name, "gguf"), &o);
        if (!m) break;
        spine_force_team(m);
        CHECK_I64(glia_model_vocab_size(m), v.vocab);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
        float *logits = malloc((size_t)(v.tokens * v.vocab) * sizeof *logits);
        if (!spine_feed(s, v.vocab, v.ids, v.tokens, 0, round ? 1 : v.tokens, logits)) {
            double error = nmse(logits, v.logits, v.tokens * v.vocab);
            if (!(error <= bound)) fprintf(stderr, "%s: NMSE %g\n", name, error);
            CHECK(error <= bound);
        }
        free(logits);
        glia_session_destroy(s);
        glia_model_close(m);
    }
    spine_vec_close(&v);
}

static void check_arch(const char *name) { check_arch_within(name, 0, 1e-9); }

static void arch_llama_mha(void) { check_arch("llama_mha"); }
static void arch_llama_gqa(void) { check_arch("llama_gqa"); }
static void arch_llama31(void) { check_arch("llama31"); }
static void arch_llama_bias(void) { check_arch("llama_bias"); }
static void arch_mistral(void) { check_arch("mistral"); }
static void arch_qwen2(void) { check_arch("qwen2"); }
static void arch_qwen3(void) { check_arch("qwen3"); }
static void arch_gpt2(void) { check_arch("gpt2"); }
static void arch_gemma2(void) { check_arch("gemma2"); }
static void arch_gemma3(void) { check_arch("gemma3"); }

static void arch_granite(void) { check_arch("granite"); }
static void arch_smollm3(void) { check_arch("smollm3"); }
static void arch_olmo2(void) { check_arch("olmo2"); }
static void arch_starcoder2(void) { check_arch("starcoder2"); }

/* The tables that depend on the context take the one that the reference had: the length of its text. */
static void arch_rope_scalings(void)
{
    check_arch("llama_linear");
    check_arch("llama_yarn");
    check_arch_within("llama_dynamic", 48, 1e-9);
}

static void arch_phi3(void)
{
    check_arch("phi3");
    check_arch("phi3_long");
    check_arch_within("phi3_short", 24, 1e-9);
}

/* Products with ternary weights quantise their activations to 8 bits, which the reference does not. */
static void arch_bitnet(void)
{
    check_arch("bitnet");
    check_arch("bitnet_b158");
    check_arch_within("bitnet_tq1", 0, 1e-3);
    check_arch_within("bitnet_tq2", 0, 1e-3);
}

/* A cache of Q8_0 costs some exactness, and no bit depends on threads, chunks or the instruction set. */
static void cache_of_q8_0(void)
{
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    float *logits[2] = {NULL, NULL};
    if (!spine_vec_open(spine_arch_path("llama31", "vec"), &v)) {
        check_case_failures++;
        return;
    }
    for (int round = 0; round < 2; round++) {
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        glia_session *s = NULL;
        o.threads = round + 1;
        o.batch = o.logit_rows = v.tokens;
        o.kv_dtype = GLIA_Q8_0;
        o.isa = round ? NULL : "portable";
        glia_model *m = spine_open(spine_arch_path("llama31", "gguf"), &o);
        if (!m) break;
        spine_force_team(m);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
        logits[round] = malloc((size_t)(v.tokens * v.vocab) * sizeof(float));
        CHECK_I64(spine_feed(s, v.vocab, v.ids, v.tokens, 0, round ? 1 : v.tokens, logits[round]), GLIA_OK);
        double error = nmse(logits[round], v.logits, v.tokens * v.vocab);
        if (!(error <= 1e-3 && error > 1e-9)) fprintf(stderr, "q8_0: NMSE %g\n", error);
        CHECK(error <= 1e-3 && error > 1e-9);
        glia_session_destroy(s);
        glia_model_close(m);
    }
    CHECK(logits[1] && !memcmp(logits[0], logits[1], (size_t)(v.tokens * v.vocab) * sizeof(float)));
    free(logits[0]);
    free(logits[1]);
    spine_vec_close(&v);
}

/* ---- text ------------------------------------------------------------------------------------------- */

typedef struct story {
    char text[8192];
    int64_t size;
    int32_t ids[1024];
    int32_t count;
} story;

static int on_token(void *user, int32_t id, const char *text, int64_t size)
{
    story *t = user;
    if (t->size + size < (int64_t)sizeof t->text) memcpy(t->text + t->size, text, (size_t)size);
    t->size += size;
    if (id >= 0 && t->count < 1024) t->ids[t->count++] = id;
    return 0;
}

/* Greedy continuation of ids; false on failure. */
static bool tell(glia_model *m, const int32_t *ids, int64_t count, int64_t tokens, story *out)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    int64_t made = 0;
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    memset(out, 0, sizeof *out);
    g.tokens_max = tokens;
    g.on_token = on_token;
    g.user = out;
    glia_status st = glia_session_create(m, &s, &e);
    if (!st) st = glia_session_generate(s, ids, count, &g, &made, &e);
    if (st) fprintf(stderr, "generate: %s\n", e.text);
    glia_session_destroy(s);
    return !st && made == tokens;
}

/* Numbers of the array called `key` in a JSON text that this project wrote; returns how many. */
static int64_t numbers_of(const char *json, const char *key, double *out, int64_t most)
{
    char quoted[64];
    int64_t n = 0;
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = key[0] ? strstr(json, quoted) : json;
    if (!at || !(at = strchr(at, '['))) return 0;
    for (at++; n < most;) {
        char *end;
        double v = strtod(at, &end);
        if (end == at) break;
        out[n++] = v;
        at = end + strspn(end, " \n\r\t");
        if (*at++ != ',') break;
    }
    return n;
}

/* The model computes with quantised activations, the reference in float64 on the decoded weights: where two
 * tokens are close, either may win. Each step therefore starts from the reference's own prefix. */
static void demo_golden(void)
{
    enum { MOST = 1024 };
    static double ids[MOST], margins[MOST], prompt[MOST];
    int64_t size, bytes = 0;
    char *json = spine_read("tests/vectors/demo_golden.json", &size);
    if (!json || !spine_there(SPINE_DEMO)) {
        SKIP("demo_golden", "no demo model or no reference");
        free(json);
        return;
    }
    int64_t count = numbers_of(json, "ids", ids, MOST),
            margin_count = numbers_of(json, "margins", margins, MOST);
    int64_t first = numbers_of(json, "prompt_ids", prompt, MOST);
    CHECK(count > first && first > 0 && margin_count == count - first);
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    o.threads = 2;
    o.logit_rows = o.batch = 128;
    glia_model *m = spine_open(SPINE_DEMO, &o);
    int32_t token[MOST];
    if (m && !glia_session_create(m, &s, &e) && count <= 128) {
        int64_t vocab = glia_model_vocab_size(m), made = 0, agreed = 0, clear = 0;
        float *logits = malloc((size_t)(count * vocab) * sizeof *logits);
        glia_model_tokenize(m, "Once upon a time", 16, 1, 0, token, MOST, &made, &e);
        CHECK_I64(made, first);
        for (int64_t i = 0; i < first; i++) CHECK_I64(token[i], prompt[i]);
        for (int64_t i = 0; i < count; i++) token[i] = (int32_t)ids[i];
        spine_feed(s, vocab, token, count, 0, count, logits);
        for (int64_t i = first; i < count; i++) {
            const float *row = logits + (i - 1) * vocab;
            int32_t best = 0;
            for (int32_t t = 1; t < vocab; t++)
                if (row[t] > row[best]) best = t;
            agreed += best == token[i];
            if (margins[i - first] < 0.5) continue;
            clear++;
            CHECK_I64(best, token[i]);
        }
        CHECK(clear > (count - first) / 2 && agreed * 10 >= (count - first) * 9);
        free(logits);
    } else check_case_failures++;
    (void)bytes;
    glia_session_destroy(s);
    glia_model_close(m);
    free(json);
}

/* ---- stories260K ------------------------------------------------------------------------------------ */

static const char *stories(const char *name)
{
    static char path[2][512];
    static int next;
    char *p = path[next++ & 1];
    snprintf(p, sizeof path[0], "%s/llm/stories260K/%s", check_data_dir(), name);
    return p;
}

static void stories_text(void)
{
    static story t;
    int64_t size;
    char *want = spine_read(stories("expected_greedy_200steps.txt"), &size);
    const char *const files[] = {"stories260K-f32.gguf", "stories260K-f16.gguf"};
    CHECK(want != NULL);
    while (want && size && want[size - 1] == '\n') want[--size] = 0;
    for (int i = 0; want && i < 2; i++) {
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        o.threads = 2;
        glia_model *m = spine_open(stories(files[i]), &o);
        if (!m) continue;
        int32_t bos = glia_model_bos(m);
        CHECK(tell(m, &bos, 1, 200, &t));
        t.text[t.size < 8191 ? t.size : 8191] = 0;
        CHECK_STR(t.text + (t.text[0] == ' '), want);
        glia_model_close(m);
    }
    free(want);
}

static void stories_logits(void)
{
    enum { ROWS = 32, VOCAB = 512 };
    static double ids[1024];
    int32_t token[ROWS];
    int64_t size, json_size;
    glia_error e = GLIA_ERROR_INIT;
    char *want = spine_read(stories("golden_logits_32x512_f32.bin"), &size);
    char *json = spine_read(stories("golden_greedy_ids.json"), &json_size);
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_session *s = NULL;
    o.threads = 1;
    o.logit_rows = ROWS;
    glia_model *m = spine_open(stories("stories260K-f32.gguf"), &o);
    CHECK(want && json && size == ROWS * VOCAB * 4 && numbers_of(json, "", ids, 1024) >= ROWS);
    if (m && want && !glia_session_create(m, &s, &e)) {
        static float logits[ROWS * VOCAB], golden[ROWS * VOCAB];
        double worst = 0;
        for (int i = 0; i < ROWS; i++) token[i] = (int32_t)ids[i];
        memcpy(golden, want, sizeof golden);
        spine_feed(s, VOCAB, token, ROWS, 0, ROWS, logits);
        for (int i = 0; i < ROWS * VOCAB; i++)
            worst = fmax(worst, fabs((double)logits[i] - (double)golden[i]));
        if (!(worst <= 1e-4)) fprintf(stderr, "worst difference %g\n", worst);
        CHECK(worst <= 1e-4);
    } else check_case_failures++;
    glia_session_destroy(s);
    glia_model_close(m);
    free(want);
    free(json);
}

int main(void)
{
    RUN(arch_llama_mha);
    RUN(arch_llama_gqa);
    RUN(arch_llama31);
    RUN(arch_qwen2);
    RUN(arch_qwen3);
    RUN(arch_gpt2);
    RUN(arch_llama_bias);
    RUN(arch_mistral);
    RUN(arch_rope_scalings);
    RUN(arch_gemma2);
    RUN(arch_gemma3);
    RUN(arch_granite);
    RUN(arch_smollm3);
    RUN(arch_olmo2);
    RUN(arch_starcoder2);
    RUN(arch_phi3);
    RUN(arch_bitnet);
    RUN(cache_of_q8_0);
    RUN(demo_golden);
    if (check_data_dir()) {
        RUN(stories_text);
        RUN(stories_logits);
    } else {
        SKIP("stories_text", "GLIA_TEST_DATA is not set");
        SKIP("stories_logits", "GLIA_TEST_DATA is not set");
    }
    return CHECK_EXIT();
}
