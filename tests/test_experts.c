/* Mixtures of experts: whole models against logits in double precision from transformers, the same bits for
 * any threads, pieces and instruction sets, what is ill-typed, and files that contradict themselves. */
#include "spine.h"

#include "format/gguf_write.h"
#include "graph/graph.h"
#include "ops/ops.h"

#include <math.h>

/* ---- models against vectors ------------------------------------------------------------------------- */

static void check_arch(const char *name, double bound)
{
    spine_vec v;
    glia_error e = GLIA_ERROR_INIT;
    if (!spine_vec_open(spine_arch_path(name, "vec"), &v)) {
        fprintf(stderr, "%s: no vectors\n", name);
        check_case_failures++;
        return;
    }
    for (int round = 0; round < 3; round++) { /* one step on one thread; pieces of one and of seven on two */
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        glia_session *s = NULL;
        o.threads = round ? 2 : 1;
        o.batch = o.logit_rows = v.tokens;
        glia_model *m = spine_open(spine_arch_path(name, "gguf"), &o);
        if (!m) break;
        spine_force_team(m);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
        float *logits = malloc((size_t)(v.tokens * v.vocab) * sizeof *logits);
        if (!spine_feed(s, v.vocab, v.ids, v.tokens, 0, round == 0 ? v.tokens : round == 1 ? 1 : 7, logits)) {
            double error = 0, power = 0;
            for (int64_t i = 0; i < v.tokens * v.vocab; i++) {
                error += pow((double)logits[i] - v.logits[i], 2);
                power += pow(v.logits[i], 2);
            }
            if (!(error <= bound * power)) fprintf(stderr, "%s: NMSE %g\n", name, error / power);
            CHECK(error <= bound * power);
        }
        free(logits);
        glia_session_destroy(s);
        glia_model_close(m);
    }
    spine_vec_close(&v);
}

static void arch_mixtral(void) { check_arch("mixtral", 1e-9); }
static void arch_qwen3moe(void) { check_arch("qwen3moe", 1e-9); }
static void arch_qwen2moe(void) { check_arch("qwen2moe", 1e-9); }
static void arch_gptoss(void) { check_arch("gptoss", 1e-9); }
/* The reference has the decoded weights; activations are quantised here. */
static void arch_gptoss_mxfp4(void) { check_arch("gptoss_mxfp4", 1e-3); }

/* ---- bits ------------------------------------------------------------------------------------------- */

enum { TOKENS = 40, VOCAB = 576 };

static bool logits_of(const char *path, int threads, int64_t batch, const char *isa, float *out)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_session *s = NULL;
    int32_t ids[TOKENS];
    o.threads = threads;
    o.batch = o.logit_rows = batch;
    o.context = 64;
    o.isa = isa;
    glia_model *m = spine_open(path, &o);
    if (!m) return false;
    CHECK_I64(glia_model_vocab_size(m), VOCAB);
    spine_force_team(m);
    spine_ids(ids, TOKENS, VOCAB, 7);
    bool ok = !glia_session_create(m, &s, &e) && !spine_feed(s, VOCAB, ids, TOKENS, 0, batch, out);
    glia_session_destroy(s);
    glia_model_close(m);
    return ok;
}

/* Forty tokens over four experts: prefill gathers more rows than one product takes, and shares experts. */
static void same_bits_of(const char *shape, const glia_dtype *types, int count)
{
    static float want[TOKENS * VOCAB], have[TOKENS * VOCAB];
    for (int i = 0; i < count; i++) {
        glia_error e = GLIA_ERROR_INIT;
        const char *path = spine_temp("moe.gguf");
        if (glia_synth(NULL, shape, types[i], 3, path, &e)) {
            fprintf(stderr, "%s\n", e.text);
            CHECK(!"synth");
            continue;
        }
        CHECK(logits_of(path, 1, TOKENS, "portable", want));
        for (int64_t t = 0; t < TOKENS * VOCAB; t++) CHECK(isfinite(want[t]));
        CHECK(logits_of(path, 1, TOKENS, NULL, have) && spine_same_bits(have, want, TOKENS * VOCAB));
        CHECK(logits_of(path, 3, TOKENS, NULL, have) && spine_same_bits(have, want, TOKENS * VOCAB));
        CHECK(logits_of(path, 2, 1, NULL, have) && spine_same_bits(have, want, TOKENS * VOCAB));
        CHECK(logits_of(path, 2, 9, "portable", have) && spine_same_bits(have, want, TOKENS * VOCAB));
    }
}

static void same_bits_everywhere(void)
{
    static const glia_dtype qwen[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0, GLIA_Q4_0, GLIA_Q4_1, GLIA_Q4_K},
                            gptoss[] = {GLIA_F32, GLIA_MXFP4};
    if (!SPINE_SLOW) same_bits_of("tiny-qwen3moe", qwen, 6);
    same_bits_of("tiny-gpt-oss", gptoss + SPINE_SLOW, 2 - SPINE_SLOW);
}

/* ---- what is ill-typed ------------------------------------------------------------------------------ */

static void refused(const char *op, const glia_type *types, int count, const glia_attr_arg *attrs,
                    const char *why)
{
    glia_graph *g;
    glia_value in[8];
    CHECK_I64(glia_graph_create(NULL, &g, NULL), GLIA_OK);
    for (int i = 0; i < count; i++)
        in[i] = glia_graph_input(g, (const char *[]){"a", "b", "c", "d"}[i], &types[i]);
    glia_value y = glia_graph_node(g, op, NULL, in, count, attrs);
    if (!glia_is_null(y) || !glia_explain(g->error.code)) {
        fprintf(stderr, "%s: %s was not refused (%s: %s)\n", op, why, g->error.code, g->error.text);
        CHECK(!"refused");
    }
    glia_graph_destroy(g);
}

static void ill_typed_nodes(void)
{
    const glia_type x = {GLIA_F32, 2, 0, {3, 64}}, w = {GLIA_F32, 3, 0, {4, 32, 64}},
                    ids = {GLIA_I32, 2, 0, {3, 2}};
    refused("expert_route", &x, 1, (glia_attr_arg[]){GLIA_INT("k", 0), {0}}, "no expert a token");
    refused("expert_route", &x, 1, (glia_attr_arg[]){GLIA_INT("k", 65), {0}}, "65 of 64");
    refused("expert_route", &x, 1, (glia_attr_arg[]){GLIA_INT("k", 2), GLIA_FLOAT("scale", NAN), {0}}, "NaN");
    refused("expert_linear", (glia_type[]){x, {GLIA_F32, 3, 0, {4, 32, 63}}, ids}, 3, NULL, "another length");
    refused("expert_linear", (glia_type[]){x, {GLIA_F64, 3, 0, {4, 32, 64}}, ids}, 3, NULL,
            "f64 against f32");
    refused("expert_linear",
            (glia_type[]){{GLIA_A8X256, 2, 0, {3, 256}}, {GLIA_Q8_0, 3, 0, {4, 32, 256}}, ids}, 3, NULL,
            "a8x256 against q8_0");
    refused("expert_linear", (glia_type[]){x, w, {GLIA_I64, 2, 0, {3, 2}}}, 3, NULL, "ids in i64");
    refused("expert_linear", (glia_type[]){x, w, {GLIA_I32, 2, 0, {4, 2}}}, 3, NULL, "ids of other tokens");
    refused("expert_linear", (glia_type[]){{GLIA_F32, 3, 0, {3, 5, 64}}, w, ids}, 3, NULL,
            "five rows a token for two choices");
    refused("expert_linear", (glia_type[]){{GLIA_F32, 4, 0, {3, 2, 1, 64}}, w, ids}, 3, NULL, "rank 4");
    refused("expert_linear", (glia_type[]){x, w, ids, {GLIA_F32, 2, 0, {3, 32}}}, 4, NULL, "three biases");
    refused("expert_linear", (glia_type[]){x, {GLIA_F32, 3, 0, {4, 0, 64}}, ids}, 3, NULL, "no rows");
    refused("expert_sum", (glia_type[]){{GLIA_F32, 3, 0, {3, 2, 8}}, {GLIA_F32, 2, 0, {3, 3}}}, 2, NULL,
            "three weights for two choices");
    refused("swiglu_limited", (glia_type[]){x, x}, 2, (glia_attr_arg[]){GLIA_FLOAT("limit", 0), {0}},
            "limit 0");
    refused("pack", (glia_type[]){{GLIA_F32, 3, 0, {4, 20, 8}}}, 1,
            (glia_attr_arg[]){GLIA_INT("layout", 1), {0}}, "panels across matrices");
}

/* Logits that are no numbers still give experts that exist, and the lower index first. */
static void odd_logits(void)
{
    const float x[3][4] = {
        {1, 2, 2, 1}, {NAN, 0, INFINITY, NAN}, {-INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    const int32_t want[3][3] = {{1, 2, 0}, {0, 3, 2}, {0, 1, 2}};
    int32_t ids[3][3];
    float w[3][3];
    const int64_t xd[2] = {3, 4}, yd[2] = {3, 3}, begin[2] = {0, 0};
    const glia_tensor in = {(void *)(uintptr_t)x, xd, 2, 0, GLIA_F32},
                      out[2] = {{ids, yd, 2, 0, GLIA_I32}, {w, yd, 2, 0, GLIA_F32}};
    const glia_attr attr[4] = {{.i = 3}, {.i = 1}, {.i = 1}, {.f = 1}};
    const glia_kargs k = {&in, out, 1, 2, begin, yd, attr, NULL, NULL};
    glia_op_expert_route.reference(&k);
    for (int i = 0; i < 9; i++) CHECK_I64(ids[i / 3][i % 3], want[i / 3][i % 3]);
    CHECK(w[0][0] == w[0][1] && w[0][0] > w[0][2] && isnan(w[1][0]) && isnan(w[2][0]));
}

/* ---- files ------------------------------------------------------------------------------------------ */

/* The model with one U32 of its metadata set to `value`, or one tensor's name changed. */
static void altered(const char *from, const char *to, const char *key, uint32_t value, const char *tensor)
{
    int64_t size;
    char *file = spine_read(from, &size);
    CHECK(file != NULL);
    for (int64_t i = 0; file && i + 64 < size; i++) {
        const char *wanted = tensor ? tensor : key;
        if (memcmp(file + i, wanted, strlen(wanted))) continue;
        if (tensor) file[i] = 'x';
        else memcpy(file + i + strlen(key) + 4, &value, 4);
    }
    if (file) CHECK(spine_write(to, file, size));
    free(file);
}

static void refuses_file(const char *key, uint32_t value, const char *tensor, glia_status status,
                         const char *word)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_memory memory = GLIA_MEMORY_INIT;
    const char *path = spine_temp("altered.gguf");
    altered("tests/vectors/arch/qwen3moe.gguf", path, key, value, tensor);
    glia_status st = glia_model_query(path, NULL, &memory, &e);
    if (st != status || !strstr(e.text, word)) fprintf(stderr, "%s %u: %s\n", key, value, e.text);
    CHECK_I64(st, status);
    CHECK(strstr(e.text, word) != NULL && glia_explain(e.code));
}

static void files_that_contradict_themselves(void)
{
    refuses_file("qwen3moe.expert_count", 6, NULL, GLIA_E_FORMAT, "expert_count");
    refuses_file("qwen3moe.expert_count", 4, NULL, GLIA_E_FORMAT, "expert_count");
    refuses_file("qwen3moe.expert_count", UINT32_MAX, NULL, GLIA_E_FORMAT, "expert_count");
    refuses_file("qwen3moe.expert_count", 0, NULL, GLIA_E_NOT_FOUND, "ffn_gate");
    refuses_file("qwen3moe.expert_used_count", 6, NULL, GLIA_E_FORMAT, "expert_used_count");
    refuses_file("qwen3moe.expert_used_count", 0, NULL, GLIA_E_FORMAT, "expert_used_count");
    refuses_file("qwen3moe.expert_feed_forward_length", 33, NULL, GLIA_E_FORMAT, "[5, 33, ..]");
    refuses_file("", 0, "blk.1.ffn_gate_inp.weight", GLIA_E_NOT_FOUND, "blk.1.ffn_gate_inp.weight");
    refuses_file("", 0, "blk.0.ffn_down_exps.weight", GLIA_E_NOT_FOUND, "blk.0.ffn_down_exps.weight");
}

int main(void)
{
    RUN(arch_mixtral);
    RUN(arch_qwen3moe);
    RUN(arch_qwen2moe);
    RUN(arch_gptoss);
    RUN(arch_gptoss_mxfp4);
    RUN(same_bits_everywhere);
    RUN(ill_typed_nodes);
    RUN(odd_logits);
    RUN(files_that_contradict_themselves);
    spine_clean((const char *const[]){"moe.gguf", "altered.gguf", NULL});
    return CHECK_EXIT();
}
