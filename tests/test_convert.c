/* Converting checkpoints: keys, names and values against another implementation, the logits of what runs, and
 * folders that must be refused. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"
#include "spine.h"

#include "format/gguf.h"
#include "llm/tok_json.h"
#include "tensor/dtype.h"

#include <glia/convert.h>
#include <sys/stat.h>
#include <unistd.h>

#define VECTORS "tests/vectors/convert/"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[64][160];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void shell(const char *command)
{
    if (system(command)) exit(2);
}

/* A copy of the case's checkpoint with the tokenizer, as "c" in the folder. */
static void bring(const char *name)
{
    char command[512];
    snprintf(command, sizeof command,
             "rm -rf %s/c && cp -r " VECTORS "%s %s/c && cp " VECTORS "tokenizer.json %s/c/", folder, name,
             folder, folder);
    shell(command);
}

static glia_status convert(const char *type, glia_error *e)
{
    glia_convert_options o = GLIA_CONVERT_OPTIONS_INIT;
    o.type = type;
    return glia_convert(in_folder("c"), in_folder("c.gguf"), &o, e);
}

/* ---- against the other implementation ----------------------------------------------------------------- */

static void check_key(const glia_gguf *g, const char *name, const char *key, const char *want)
{
    const glia_gguf_value *v = glia_gguf_find(g, key);
    int64_t n;
    double d;
    if (!v) {
        fprintf(stderr, "%s: no key %s\n", name, key);
        check_case_failures++;
    } else if (v->type == GLIA_GGUF_STRING) {
        CHECK(v->strings[0].size == (int64_t)strlen(want) && !memcmp(v->strings[0].text, want, strlen(want)));
    } else if (v->type == GLIA_GGUF_BOOL) {
        CHECK(v->bits == !strcmp(want, "true"));
    } else if (glia_gguf_element_i64(v, 0, &n)) {
        if (n != atoll(want)) fprintf(stderr, "%s: %s is %lld, want %s\n", name, key, (long long)n, want);
        CHECK(n == atoll(want));
    } else {
        CHECK(glia_gguf_element_f64(v, 0, &d) && fabs(d - atof(want)) <= 1e-6 * fabs(atof(want)));
    }
}

static void check_tensor(const glia_gguf *g, const char *name, const char *tensor, const char *shape,
                         double sum, double weighed)
{
    const glia_gguf_tensor *t = glia_gguf_tensor_find(g, tensor);
    char own[96] = "";
    double s = 0, w = 0, size = 0;
    if (!t) {
        fprintf(stderr, "%s: no tensor %s\n", name, tensor);
        check_case_failures++;
        return;
    }
    int64_t count = 1, rows;
    for (int i = 0; i < t->rank; i++) {
        snprintf(own + strlen(own), sizeof own - strlen(own), i ? "x%lld" : "%lld", (long long)t->dims[i]);
        count *= t->dims[i];
    }
    CHECK_STR(own, shape);
    rows = count / t->dims[t->rank - 1];
    uint8_t *raw = malloc((size_t)t->bytes);
    float *values = malloc((size_t)count * 4);
    CHECK(!glia_gguf_read(g, t, 0, t->bytes, raw, NULL));
    for (int64_t r = 0; r < rows; r++)
        glia_dtype_get(t->dtype)->decode(raw + r * (t->bytes / rows), values + r * (count / rows),
                                         count / rows);
    for (int64_t i = 0; i < count; i++) {
        s += (double)values[i];
        w += (double)values[i] * (double)(7919 * i % 1009 + 1) / 1009;
        size += fabs((double)values[i]);
    }
    if (fabs(s - sum) > 1e-7 * size || fabs(w - weighed) > 1e-7 * size)
        fprintf(stderr, "%s: %s has sums %g and %g, want %g and %g\n", name, tensor, s, w, sum, weighed);
    CHECK(fabs(s - sum) <= 1e-7 * size && fabs(w - weighed) <= 1e-7 * size);
    free(raw);
    free(values);
}

/* Every line of NAME.txt; `whole`: and no tensor beside. */
static void check_truth(const char *name, bool whole)
{
    char path[128], key[128], value[96];
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    int64_t size, tensors = 0;
    double sum, weighed;
    snprintf(path, sizeof path, VECTORS "%s.txt", name);
    char *text = spine_read(path, &size);
    CHECK(text != NULL);
    CHECK_I64(glia_gguf_open(NULL, in_folder("c.gguf"), NULL, &g, &e), GLIA_OK);
    for (char *line = text; g && line && *line; line = strchr(line, '\n') + 1) {
        if (sscanf(line, "key %127s %95s", key, value) == 2) check_key(g, name, key, value);
        else if (sscanf(line, "tensor %127s %95s %lf %lf", key, value, &sum, &weighed) == 4) {
            check_tensor(g, name, key, value, sum, weighed);
            tensors++;
        }
    }
    if (g && whole) CHECK_I64(glia_gguf_tensor_count(g), tensors);
    glia_gguf_close(g);
    free(text);
}

/* Logits of the converted file, where this architecture can run. */
static void check_logits(const char *name)
{
    char path[128];
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_session *s = NULL;
    glia_model *m = NULL;
    snprintf(path, sizeof path, VECTORS "%s.vec", name);
    CHECK(spine_vec_open(path, &v));
    o.threads = 1;
    o.batch = o.logit_rows = v.tokens;
    if (!strcmp(name, "phi3"))
        o.context = 16;                   /* up to there the short divisors serve, as they did in the truth */
    o.embeddings = !strcmp(name, "bert"); /* whose truth are its hidden states */
    glia_status st = glia_model_open(in_folder("c.gguf"), &o, &m, &e);
    if (st == GLIA_E_UNSUPPORTED && !strcmp(e.code, "G0501")) {
        printf("skip logits of %s: the architecture does not run here\n", name);
    } else if (st) {
        fprintf(stderr, "%s: %s %s\n", name, e.code, e.text);
        check_case_failures++;
    } else if (!glia_session_create(m, &s, &e)) {
        float *logits = malloc((size_t)(v.tokens * v.vocab) * sizeof *logits);
        double error = 0, power = 0;
        CHECK(!spine_feed(s, v.vocab, v.ids, v.tokens, 0, v.tokens, logits));
        for (int64_t i = 0; i < v.tokens * v.vocab; i++) {
            double d = (double)logits[i] - v.logits[i];
            error += d * d;
            power += v.logits[i] * v.logits[i];
        }
        if (!(error <= 1e-9 * power)) fprintf(stderr, "%s: NMSE %g\n", name, error / power);
        CHECK(error <= 1e-9 * power);
        free(logits);
    }
    glia_session_destroy(s);
    glia_model_close(m);
    spine_vec_close(&v);
}

static void check_case(const char *name, bool runs)
{
    glia_error e = GLIA_ERROR_INIT;
    bring(name);
    glia_status s = convert("F32", &e);
    if (s) fprintf(stderr, "%s: %s %s\n", name, e.code, e.text);
    CHECK_I64(s, GLIA_OK);
    if (s) return;
    check_truth(name, runs);
    if (runs) check_logits(name);
}

static void llama(void) { check_case("llama", true); }
static void mistral(void) { check_case("mistral", true); }
static void qwen2(void) { check_case("qwen2", true); }
static void qwen3_in_shards(void) { check_case("qwen3", true); }
static void qwen3moe(void) { check_case("qwen3moe", true); }
static void gpt2(void) { check_case("gpt2", true); }
static void gemma2(void) { check_case("gemma2", true); }
static void gemma3(void) { check_case("gemma3", true); }
static void phi3(void) { check_case("phi3", true); }
static void gptoss(void) { check_case("gpt-oss", true); }
static void gptoss_mxfp4(void) { check_case("gpt-oss-mxfp4", false); }
static void bitnet(void) { check_case("bitnet", true); }
static void bert(void) { check_case("bert", true); }

static void types(void)
{
    static const struct {
        const char *type;
        glia_dtype want;
    } cases[] = {
        {NULL, GLIA_BF16}, {"BF16", GLIA_BF16}, {"f16", GLIA_F16}, {"Q8_0", GLIA_Q8_0}, {"F32", GLIA_F32}};
    bring("gpt-oss");
    for (int i = 0; i < 5; i++) {
        glia_gguf *g;
        glia_error e = GLIA_ERROR_INIT;
        CHECK_I64(convert(cases[i].type, &e), GLIA_OK);
        CHECK_I64(glia_gguf_open(NULL, in_folder("c.gguf"), NULL, &g, &e), GLIA_OK);
        if (!g) continue;
        CHECK_I64(glia_gguf_tensor_find(g, "blk.0.attn_q.weight")->dtype, cases[i].want);
        CHECK_I64(glia_gguf_tensor_find(g, "blk.0.attn_norm.weight")->dtype, GLIA_F32);
        CHECK_I64(glia_gguf_tensor_find(g, "blk.0.attn_q.bias")->dtype, GLIA_F32);
        glia_gguf_close(g);
    }
}

/* The tokenizer of the converted file gives what the checkpoint's own gives. */
static void vocabulary(void)
{
    static const char text[] = "the thin theory in 1 thing\n: this, that!";
    int32_t a[64], b[64];
    int64_t n = 0, m = 0, size;
    glia_gguf *g;
    glia_tokenizer *x = NULL, *y = NULL;
    glia_error e = GLIA_ERROR_INIT;
    bring("gpt2");
    const char *extra = "{\"chat_template\": [{\"name\": \"default\", \"template\": \"{{ a }}\"}, "
                        "{\"name\": \"tools\", \"template\": \"{{ b }}\"}]}";
    save_blob(in_folder("c/tokenizer_config.json"), extra, (int64_t)strlen(extra));
    save_blob(in_folder("c/generation_config.json"), "{\"eos_token_id\": [0, 5]}", 24);
    CHECK_I64(convert("F32", &e), GLIA_OK);
    CHECK_I64(glia_gguf_open(NULL, in_folder("c.gguf"), NULL, &g, &e), GLIA_OK);
    char *json = spine_read(VECTORS "tokenizer.json", &size);
    CHECK_I64(glia_tokenizer_from_json(NULL, json, size, &x, &e), GLIA_OK);
    CHECK_I64(glia_tokenizer_from_gguf(NULL, g, &y, &e), GLIA_OK);
    if (x && y) {
        CHECK(!glia_tokenizer_encode(x, text, sizeof text - 1, 0, a, 64, &n, &e));
        CHECK(!glia_tokenizer_encode(y, text, sizeof text - 1, 0, b, 64, &m, &e));
        CHECK(n > 5 && n == m && !memcmp(a, b, (size_t)n * sizeof a[0]));
        CHECK_I64(glia_tokenizer_vocab_size(y), 64); /* filled up to the embedding's rows */
        CHECK_I64(glia_tokenizer_type(y, 63), GLIA_TOK_TYPE_UNUSED);
        CHECK_I64(glia_tokenizer_eos(y), 0);
        CHECK(glia_tokenizer_is_eog(y, 5));
    }
    check_key(g, "gpt2", "tokenizer.chat_template", "{{ a }}");
    check_key(g, "gpt2", "tokenizer.chat_template.tools", "{{ b }}");
    glia_tokenizer_destroy(x);
    glia_tokenizer_destroy(y);
    glia_gguf_close(g);
    free(json);
}

/* ---- refused ------------------------------------------------------------------------------------------- */

static void refused(glia_status status, const char *code, const char *word)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = convert("F32", &e);
    if (s != status || strcmp(e.code, code) || !strstr(e.text, word))
        fprintf(stderr, "%d %s %s; want %d %s with `%s`\n", s, e.code, e.text, status, code, word);
    CHECK(s == status && !strcmp(e.code, code) && strstr(e.text, word));
    CHECK(access(in_folder("c.gguf"), F_OK) && access(in_folder("c.gguf.tmp"), F_OK));
}

static char *config_text(void)
{
    int64_t size;
    char *text = spine_read(in_folder("c/config.json"), &size);
    if (!text) exit(2);
    return text;
}

/* The case with `from` in config.json replaced. */
static void with_config(const char *name, const char *from, const char *to)
{
    bring(name);
    char *text = config_text(), *at = strstr(text, from);
    blob b = {0};
    if (!at) fprintf(stderr, "no %s in config.json of %s\n", from, name);
    CHECK(at != NULL);
    if (at) {
        put(&b, text, at - text), put(&b, to, (int64_t)strlen(to));
        put(&b, at + strlen(from), (int64_t)strlen(at + strlen(from)));
        save_blob(in_folder("c/config.json"), b.data, b.size);
    }
    blob_free(&b);
    free(text);
}

static void configs(void)
{
    static const struct {
        const char *name, *from, *to;
        glia_status status;
        const char *code, *word;
    } cases[] = {
        {"qwen2", "Qwen2ForCausalLM", "Qwen9ForCausalLM", GLIA_E_UNSUPPORTED, "G0528", "Qwen9ForCausalLM"},
        {"qwen2", "\"hidden_size\": 24", "\"hidden_size\": \"32\"", GLIA_E_FORMAT, "G0529", "hidden_size"},
        {"qwen2", "\"hidden_size\": 24", "\"hidden_size\": -1", GLIA_E_FORMAT, "G0529", "hidden_size"},
        {"qwen2", "\"hidden_size\": 24", "\"hidden_size\": 1e3", GLIA_E_FORMAT, "G0529", "hidden_size"},
        {"qwen2", "\"hidden_size\": 24", "\"hidden_size\": 9007199254740993", GLIA_E_FORMAT, "G0529",
         "hidden_size"},
        {"qwen2", "\"hidden_size\": 24,", "", GLIA_E_NOT_FOUND, "G0529", "hidden_size"},
        {"qwen2", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", GLIA_E_FORMAT, "G0529",
         "0 heads"},
        {"qwen2", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", GLIA_E_FORMAT, "G0529",
         "3 key-value"},
        {"qwen2", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", GLIA_E_FORMAT, "G0531", "1 layers"},
        {"qwen2", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", GLIA_E_NOT_FOUND, "G0532",
         "blk.2."},
        {"qwen2", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 513", GLIA_E_FORMAT, "G0529", "512"},
        {"qwen2", "\"silu\"", "\"relu\"", GLIA_E_UNSUPPORTED, "G0530", "relu"},
        {"qwen2", "\"silu\"", "7", GLIA_E_FORMAT, "G0529", "hidden_act"},
        {"qwen2", "\"use_sliding_window\": false", "\"use_sliding_window\": true", GLIA_E_UNSUPPORTED,
         "G0530", "use_sliding_window"},
        {"qwen2", "\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", GLIA_E_UNSUPPORTED, "G0530",
         "spiral"},
        {"qwen2", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", GLIA_E_NOT_FOUND,
         "G0532", "lm_head"},
        {"qwen2", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 3", GLIA_E_FORMAT, "G0529",
         "tie_word"},
        {"llama", "\"num_attention_heads\": 4", "\"num_attention_heads\": 64", GLIA_E_SHAPE, "G0533",
         "q_proj"},
        {"llama", "\"low_freq_factor\": 1.0", "\"low_freq_factor\": null", GLIA_E_NOT_FOUND, "G0529",
         "low_freq_factor"},
        {"qwen3moe", "\"norm_topk_prob\": true", "\"norm_topk_prob\": false", GLIA_E_UNSUPPORTED, "G0530",
         "norm_topk_prob"},
        {"phi3", "5.0", "\"x\"", GLIA_E_FORMAT, "G0529", "long_factor"},
        {"qwen2", "{", "{ \"quantization_config\": {},", GLIA_E_UNSUPPORTED, "G0530", "quantization_config"},
        {"qwen2", "{", "[", GLIA_E_FORMAT, "G0", "config.json"},
    };
    for (int i = 0; i < (int)(sizeof cases / sizeof cases[0]); i++) {
        unlink(in_folder("c.gguf"));
        with_config(cases[i].name, cases[i].from, cases[i].to);
        if (strcmp(cases[i].code, "G0")) {
            refused(cases[i].status, cases[i].code, cases[i].word);
        } else {
            glia_error e = GLIA_ERROR_INIT;
            CHECK_I64(convert("F32", &e), cases[i].status);
        }
    }
}

/* Every byte of config.json replaced in turn: a status, no more. */
static void config_bytes(void)
{
    bring("gemma3");
    char *text = config_text();
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        static const char bytes[] = {'"', '0', '}', '-', '\0', '\xff'};
        char old = text[i];
        text[i] = bytes[i % sizeof bytes];
        save_blob(in_folder("c/config.json"), text, (int64_t)size);
        (void)convert("F32", NULL);
        text[i] = old;
    }
    for (size_t n = 0; n + 2 < size; n += 3) {
        save_blob(in_folder("c/config.json"), text, (int64_t)n);
        CHECK(convert("F32", NULL) != GLIA_OK);
    }
    free(text);
}

static void rename_tensor(const char *name, const char *from, const char *to)
{
    bring(name);
    int64_t size;
    char *data = spine_read(in_folder("c/model.safetensors"), &size);
    bool found = false;
    for (int64_t i = 8; data && i + (int64_t)strlen(from) < size && !found; i++) {
        if (memcmp(data + i, from, strlen(from))) continue;
        memcpy(data + i, to, strlen(to));
        found = true;
    }
    CHECK(found && strlen(from) == strlen(to));
    if (data) save_blob(in_folder("c/model.safetensors"), data, size);
    free(data);
}

static void tensors(void)
{
    unlink(in_folder("c.gguf"));
    rename_tensor("qwen2", "layers.1.self_attn.q_proj.weight", "layers.1.self_attn.x_proj.weight");
    refused(GLIA_E_UNSUPPORTED, "G0531", "x_proj");
    rename_tensor("qwen2", "layers.1.self_attn.q_proj.bias", "layers.0.self_attn.q_norm.bias");
    refused(GLIA_E_UNSUPPORTED, "G0531", "q_norm");
    rename_tensor("qwen2", "layers.1.self_attn.q_proj.bias", "layers.7.self_attn.q_proj.bias");
    refused(GLIA_E_FORMAT, "G0531", "layers.7");
    rename_tensor("qwen2", "layers.1.self_attn.q_proj.bias", "layers.01.self_attn.q_pro.bias");
    refused(GLIA_E_UNSUPPORTED, "G0531", "layers.01");
    rename_tensor("qwen3moe", "layers.1.mlp.experts.2.up_proj", "layers.1.mlp.experts.9.up_proj");
    refused(GLIA_E_FORMAT, "G0531", "experts.9");
    rename_tensor("llama", "layers.0.self_attn.q_proj.bias", "layers.0.self_attn.q_proj.bixs");
    refused(GLIA_E_UNSUPPORTED, "G0531", "bixs");
    rename_tensor("gpt-oss-mxfp4", "experts.down_proj_scales", "experts.down_proj_scalex");
    refused(GLIA_E_NOT_FOUND, "G0532", "_scales");
}

static void folders(void)
{
    unlink(in_folder("c.gguf"));
    bring("qwen2");
    unlink(in_folder("c/config.json"));
    refused(GLIA_E_NOT_FOUND, "G0527", "config.json");
    bring("qwen2");
    unlink(in_folder("c/tokenizer.json"));
    refused(GLIA_E_NOT_FOUND, "G0534", "tokenizer.json");
    bring("qwen2");
    unlink(in_folder("c/model.safetensors"));
    refused(GLIA_E_IO, "G0802", "model.safetensors");
    save_blob(in_folder("c/pytorch_model.bin"), "PK", 2);
    refused(GLIA_E_UNSUPPORTED, "G0527", "pytorch_model.bin");
    /* A shard that an index would take from elsewhere. */
    bring("qwen2");
    const char *const paths[] = {"../model.safetensors", "/etc/passwd", "a/b.safetensors", ".."};
    for (int i = 0; i < 4; i++) {
        char index[256];
        snprintf(index, sizeof index, "{\"weight_map\": {\"model.norm.weight\": \"%s\"}}", paths[i]);
        save_blob(in_folder("c/model.safetensors.index.json"), index, (int64_t)strlen(index));
        glia_error e = GLIA_ERROR_INIT;
        CHECK(convert("F32", &e) == GLIA_E_FORMAT);
        CHECK(!strncmp(e.code, "G04", 3));
    }
    glia_error e = GLIA_ERROR_INIT;
    bring("qwen2");
    CHECK_I64(convert("Q4_K_M", &e), GLIA_E_NOT_FOUND);
    CHECK_STR(e.code, "G0520");
    CHECK_I64(glia_convert(in_folder("c"), in_folder("c"), NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_convert(NULL, in_folder("x"), NULL, &e), GLIA_E_ARG);
}

static int stop_at_once(void *user, const char *name, int64_t index, int64_t count)
{
    (void)user;
    CHECK(name && index == 0 && count > 1);
    return 1;
}

static void calls_fail(void)
{
    bring("gpt2");
    glia_convert_options o = GLIA_CONVERT_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    unlink(in_folder("c.gguf"));
    o.on_tensor = stop_at_once;
    CHECK_I64(glia_convert(in_folder("c"), in_folder("c.gguf"), &o, &e), GLIA_E_CANCELLED);
    o.on_tensor = NULL;
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        for (int64_t n = 1; n < 4000; n += n < 60 ? 1 : 37) {
            struct fault_os f;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, class, n, false);
            o.os = &f.os;
            glia_status s = glia_convert(in_folder("c"), in_folder("f.gguf"), &o, &e);
            CHECK(fault_os_clean(&f));
            if (class != FAULT_OPEN) CHECK((s == GLIA_OK) == (f.failed == 0)); /* some files may be missing */
            CHECK((access(in_folder("f.gguf"), F_OK) == 0) == (s == GLIA_OK));
            CHECK(access(in_folder("f.gguf.tmp"), F_OK));
            unlink(in_folder("f.gguf"));
            if (!f.failed) break;
        }
    }
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/glia-convert-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    RUN(llama);
    RUN(mistral);
    RUN(qwen2);
    RUN(qwen3_in_shards);
    RUN(qwen3moe);
    RUN(gpt2);
    RUN(gemma2);
    RUN(gemma3);
    RUN(phi3);
    RUN(gptoss);
    RUN(gptoss_mxfp4);
    RUN(bitnet);
    RUN(bert);
    RUN(types);
    RUN(vocabulary);
    RUN(configs);
    RUN(config_bytes);
    RUN(tensors);
    RUN(folders);
    RUN(calls_fail);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    shell(command);
    return CHECK_EXIT();
}
