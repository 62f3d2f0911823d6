/* Published shapes, and the tensors of each architecture; see synth_shapes.h. */
#include "llm/synth_shapes.h"

#include "base/check.h"

#include <string.h>

#define NONE GLIA_SIZE_NONE
#define WIDTH GLIA_SIZE_WIDTH
#define HEADS GLIA_SIZE_HEADS
#define HEAD GLIA_SIZE_HEAD
#define FFN GLIA_SIZE_FFN
#define VOCAB GLIA_SIZE_VOCAB
#define Q GLIA_SIZE_Q
#define KV GLIA_SIZE_KV
#define QKV GLIA_SIZE_QKV
#define EXPERTS GLIA_SIZE_EXPERTS
#define EXPERT_FFN GLIA_SIZE_EXPERT_FFN

#define MATRIX(name, n, k)                                                                                   \
    {                                                                                                        \
        name ".weight", GLIA_FILL_MATRIX, NONE, n, k                                                         \
    }
#define STACK(name, n, k)                                                                                    \
    {                                                                                                        \
        name ".weight", GLIA_FILL_MATRIX, EXPERTS, n, k                                                      \
    }
#define NORM(name, k)                                                                                        \
    {                                                                                                        \
        name ".weight", GLIA_FILL_NORM, NONE, NONE, k                                                        \
    }
#define BIAS(name, k)                                                                                        \
    {                                                                                                        \
        name ".bias", GLIA_FILL_BIAS, NONE, NONE, k                                                          \
    }
#define AFFINE_NORM(name, k) NORM(name, k), BIAS(name, k)
#define AFFINE(name, n, k) MATRIX(name, n, k), BIAS(name, n)

/* ---- tensors ----------------------------------------------------------------------------------- */

static const glia_synth_part no_parts[] = {{0}};
static const glia_synth_part embed_head[] = {MATRIX("token_embd", VOCAB, WIDTH), {0}};
static const glia_synth_part rms_tail[] = {NORM("output_norm", WIDTH), {0}};

static const glia_synth_part llama_layer[] = {NORM("attn_norm", WIDTH),        MATRIX("attn_q", Q, WIDTH),
                                              MATRIX("attn_k", KV, WIDTH),     MATRIX("attn_v", KV, WIDTH),
                                              MATRIX("attn_output", WIDTH, Q), NORM("ffn_norm", WIDTH),
                                              MATRIX("ffn_gate", FFN, WIDTH),  MATRIX("ffn_up", FFN, WIDTH),
                                              MATRIX("ffn_down", WIDTH, FFN),  {0}};

static const glia_synth_part qwen2_layer[] = {NORM("attn_norm", WIDTH),        AFFINE("attn_q", Q, WIDTH),
                                              AFFINE("attn_k", KV, WIDTH),     AFFINE("attn_v", KV, WIDTH),
                                              MATRIX("attn_output", WIDTH, Q), NORM("ffn_norm", WIDTH),
                                              MATRIX("ffn_gate", FFN, WIDTH),  MATRIX("ffn_up", FFN, WIDTH),
                                              MATRIX("ffn_down", WIDTH, FFN),  {0}};

static const glia_synth_part qwen3_layer[] = {
    NORM("attn_norm", WIDTH),        MATRIX("attn_q", Q, WIDTH),     NORM("attn_q_norm", HEAD),
    MATRIX("attn_k", KV, WIDTH),     NORM("attn_k_norm", HEAD),      MATRIX("attn_v", KV, WIDTH),
    MATRIX("attn_output", WIDTH, Q), NORM("ffn_norm", WIDTH),        MATRIX("ffn_gate", FFN, WIDTH),
    MATRIX("ffn_up", FFN, WIDTH),    MATRIX("ffn_down", WIDTH, FFN), {0}};

static const glia_synth_part qwen3moe_layer[] = {
    NORM("attn_norm", WIDTH),
    MATRIX("attn_q", Q, WIDTH),
    NORM("attn_q_norm", HEAD),
    MATRIX("attn_k", KV, WIDTH),
    NORM("attn_k_norm", HEAD),
    MATRIX("attn_v", KV, WIDTH),
    MATRIX("attn_output", WIDTH, Q),
    NORM("ffn_norm", WIDTH),
    {"ffn_gate_inp.weight", GLIA_FILL_TABLE, NONE, EXPERTS, WIDTH},
    STACK("ffn_gate_exps", EXPERT_FFN, WIDTH),
    STACK("ffn_up_exps", EXPERT_FFN, WIDTH),
    STACK("ffn_down_exps", WIDTH, EXPERT_FFN),
    {0}};

static const glia_synth_part gptoss_layer[] = {
    NORM("attn_norm", WIDTH),
    AFFINE("attn_q", Q, WIDTH),
    AFFINE("attn_k", KV, WIDTH),
    AFFINE("attn_v", KV, WIDTH),
    AFFINE("attn_output", WIDTH, Q),
    {"attn_sinks.weight", GLIA_FILL_BIAS, NONE, NONE, HEADS},
    NORM("post_attention_norm", WIDTH),
    {"ffn_gate_inp.weight", GLIA_FILL_TABLE, NONE, EXPERTS, WIDTH},
    BIAS("ffn_gate_inp", EXPERTS),
    STACK("ffn_gate_exps", EXPERT_FFN, WIDTH),
    {"ffn_gate_exps.bias", GLIA_FILL_BIAS, NONE, EXPERTS, EXPERT_FFN},
    STACK("ffn_up_exps", EXPERT_FFN, WIDTH),
    {"ffn_up_exps.bias", GLIA_FILL_BIAS, NONE, EXPERTS, EXPERT_FFN},
    STACK("ffn_down_exps", WIDTH, EXPERT_FFN),
    {"ffn_down_exps.bias", GLIA_FILL_BIAS, NONE, EXPERTS, WIDTH},
    {0}};

static const glia_synth_part gemma2_layer[] = {
    NORM("attn_norm", WIDTH),       MATRIX("attn_q", Q, WIDTH),      MATRIX("attn_k", KV, WIDTH),
    MATRIX("attn_v", KV, WIDTH),    MATRIX("attn_output", WIDTH, Q), NORM("post_attention_norm", WIDTH),
    NORM("ffn_norm", WIDTH),        MATRIX("ffn_gate", FFN, WIDTH),  MATRIX("ffn_up", FFN, WIDTH),
    MATRIX("ffn_down", WIDTH, FFN), NORM("post_ffw_norm", WIDTH),    {0}};

static const glia_synth_part gemma3_layer[] = {
    NORM("attn_norm", WIDTH),        MATRIX("attn_q", Q, WIDTH),
    NORM("attn_q_norm", HEAD),       MATRIX("attn_k", KV, WIDTH),
    NORM("attn_k_norm", HEAD),       MATRIX("attn_v", KV, WIDTH),
    MATRIX("attn_output", WIDTH, Q), NORM("post_attention_norm", WIDTH),
    NORM("ffn_norm", WIDTH),         MATRIX("ffn_gate", FFN, WIDTH),
    MATRIX("ffn_up", FFN, WIDTH),    MATRIX("ffn_down", WIDTH, FFN),
    NORM("post_ffw_norm", WIDTH),    {0}};

static const glia_synth_part phi3_layer[] = {NORM("attn_norm", WIDTH),
                                             MATRIX("attn_qkv", QKV, WIDTH),
                                             MATRIX("attn_output", WIDTH, Q),
                                             NORM("ffn_norm", WIDTH),
                                             MATRIX("ffn_up", GLIA_SIZE_FFN_TWICE, WIDTH),
                                             MATRIX("ffn_down", WIDTH, FFN),
                                             {0}};

static const glia_synth_part bitnet_layer[] = {
    NORM("attn_norm", WIDTH),    MATRIX("attn_q", Q, WIDTH),     MATRIX("attn_k", KV, WIDTH),
    MATRIX("attn_v", KV, WIDTH), NORM("attn_sub_norm", Q),       MATRIX("attn_output", WIDTH, Q),
    NORM("ffn_norm", WIDTH),     MATRIX("ffn_gate", FFN, WIDTH), MATRIX("ffn_up", FFN, WIDTH),
    NORM("ffn_sub_norm", FFN),   MATRIX("ffn_down", WIDTH, FFN), {0}};

static const glia_synth_part gpt2_head[] = {
    MATRIX("token_embd", VOCAB, WIDTH),
    {"position_embd.weight", GLIA_FILL_TABLE, NONE, GLIA_SIZE_CONTEXT, WIDTH},
    {0}};
static const glia_synth_part gpt2_layer[] = {AFFINE_NORM("attn_norm", WIDTH),
                                             AFFINE("attn_qkv", QKV, WIDTH),
                                             AFFINE("attn_output", WIDTH, Q),
                                             AFFINE_NORM("ffn_norm", WIDTH),
                                             AFFINE("ffn_up", FFN, WIDTH),
                                             AFFINE("ffn_down", WIDTH, FFN),
                                             {0}};
static const glia_synth_part gpt2_tail[] = {AFFINE_NORM("output_norm", WIDTH), {0}};

static const glia_synth_part bert_head[] = {
    MATRIX("token_embd", VOCAB, WIDTH),
    {"position_embd.weight", GLIA_FILL_TABLE, NONE, GLIA_SIZE_CONTEXT, WIDTH},
    {"token_types.weight", GLIA_FILL_TABLE, NONE, GLIA_SIZE_TWO, WIDTH},
    AFFINE_NORM("token_embd_norm", WIDTH),
    {0}};
static const glia_synth_part bert_layer[] = {AFFINE("attn_q", Q, WIDTH),
                                             AFFINE("attn_k", KV, WIDTH),
                                             AFFINE("attn_v", KV, WIDTH),
                                             AFFINE("attn_output", WIDTH, Q),
                                             AFFINE_NORM("attn_output_norm", WIDTH),
                                             AFFINE("ffn_up", FFN, WIDTH),
                                             AFFINE("ffn_down", WIDTH, FFN),
                                             AFFINE_NORM("layer_output_norm", WIDTH),
                                             {0}};

/* ---- metadata ---------------------------------------------------------------------------------- */

#define SIZE_KEY(key, size)                                                                                  \
    {                                                                                                        \
        key, size, 0, 0, NULL                                                                                \
    }
#define FLOAT_KEY(key, number)                                                                               \
    {                                                                                                        \
        key, NONE, 'f', number, NULL                                                                         \
    }
#define HEAD_KEYS SIZE_KEY("attention.key_length", HEAD), SIZE_KEY("attention.value_length", HEAD)
#define EXPERT_KEYS                                                                                          \
    SIZE_KEY("expert_count", EXPERTS), SIZE_KEY("expert_used_count", GLIA_SIZE_EXPERTS_USED),                \
        SIZE_KEY("expert_feed_forward_length", EXPERT_FFN)
#define WINDOW_KEY SIZE_KEY("attention.sliding_window", GLIA_SIZE_WINDOW)

static const glia_synth_key no_keys[] = {{0}};
static const glia_synth_key head_keys[] = {HEAD_KEYS, {0}};
static const glia_synth_key expert_keys[] = {HEAD_KEYS, EXPERT_KEYS, {0}};
static const glia_synth_key gemma2_keys[] = {HEAD_KEYS,
                                             WINDOW_KEY,
                                             FLOAT_KEY("attn_logit_softcapping", 50),
                                             FLOAT_KEY("final_logit_softcapping", 30),
                                             {0}};
static const glia_synth_key gemma3_keys[] = {HEAD_KEYS, WINDOW_KEY, {0}};
static const glia_synth_key phi3_keys[] = {WINDOW_KEY, {0}};
static const glia_synth_key gptoss_keys[] = {HEAD_KEYS,
                                             EXPERT_KEYS,
                                             WINDOW_KEY,
                                             {"rope.scaling.type", NONE, 's', 0, "yarn"},
                                             FLOAT_KEY("rope.scaling.factor", 32),
                                             {"rope.scaling.original_context_length", NONE, 'u', 4096, NULL},
                                             {0}};
static const glia_synth_key bert_keys[] = {
    {"attention.causal", NONE, 'b', 0, NULL}, {"pooling_type", NONE, 'u', 1, NULL}, {0}};

#define RMS "attention.layer_norm_rms_epsilon"
#define LAYER_NORM "attention.layer_norm_epsilon"

static const glia_synth_family llama = {"llama", embed_head, llama_layer, rms_tail, no_keys, RMS, true};
static const glia_synth_family qwen2 = {"qwen2", embed_head, qwen2_layer, rms_tail, no_keys, RMS, true};
static const glia_synth_family qwen3 = {"qwen3", embed_head, qwen3_layer, rms_tail, head_keys, RMS, true};
static const glia_synth_family qwen3moe = {"qwen3moe", embed_head, qwen3moe_layer, rms_tail, expert_keys,
                                           RMS,        true};
static const glia_synth_family gptoss = {"gpt-oss",   embed_head, gptoss_layer, rms_tail,
                                         gptoss_keys, RMS,        true};
static const glia_synth_family gemma2 = {"gemma2",    embed_head, gemma2_layer, rms_tail,
                                         gemma2_keys, RMS,        true};
static const glia_synth_family gemma3 = {"gemma3",    embed_head, gemma3_layer, rms_tail,
                                         gemma3_keys, RMS,        true};
static const glia_synth_family phi3 = {"phi3", embed_head, phi3_layer, rms_tail, phi3_keys, RMS, true};
static const glia_synth_family bitnet = {"bitnet", embed_head, bitnet_layer, rms_tail, no_keys, RMS, true};
static const glia_synth_family gpt2 = {"gpt2", gpt2_head, gpt2_layer, gpt2_tail, no_keys, LAYER_NORM, false};
static const glia_synth_family bert = {"bert", bert_head, bert_layer, no_parts, bert_keys, LAYER_NORM, false};

/* ---- models ------------------------------------------------------------------------------------ */

/* In each row: {width, layers, heads, key-value heads, head, ffn, vocabulary, context, window, experts, used,
 * expert ffn}, then vocabulary kind, pre-tokenizer, rope base, rope_freqs factor, epsilon, untied. */
#define SIZES(...)                                                                                           \
    {                                                                                                        \
        0, __VA_ARGS__                                                                                       \
    }
#define SPM GLIA_SYNTH_SPM, NULL
#define BPE(pre) GLIA_SYNTH_BPE, pre

static const glia_synth_model models[] = {
    {"tiny", &llama, SIZES(32, 2, 4, 2, 8, 64, 384, 64), SPM, 10000, 0, 1e-5f, false, true},
    {"tiny-llama", &llama, SIZES(256, 2, 4, 2, 64, 256, 384, 128), SPM, 10000, 0, 1e-5f, true, false},
    {"tiny-qwen2", &qwen2, SIZES(256, 2, 4, 2, 64, 256, 576, 128), BPE("qwen2"), 1000000, 0, 1e-6f, false,
     false},
    {"tiny-qwen3", &qwen3, SIZES(256, 2, 4, 2, 64, 256, 576, 128), BPE("qwen2"), 1000000, 0, 1e-6f, false,
     false},
    {"tiny-qwen3moe", &qwen3moe, SIZES(256, 2, 4, 2, 64, 256, 576, 128, 0, 4, 2, 256), BPE("qwen2"), 1000000,
     0, 1e-6f, true, false},
    {"tiny-gpt-oss", &gptoss, SIZES(256, 2, 4, 2, 64, 256, 576, 128, 16, 4, 2, 256), BPE("gpt-4o"), 150000, 0,
     1e-5f, true, false},
    {"tiny-gemma2", &gemma2, SIZES(256, 2, 4, 2, 64, 256, 384, 128, 16), SPM, 10000, 0, 1e-6f, false, false},
    {"tiny-gemma3", &gemma3, SIZES(256, 6, 4, 2, 64, 256, 384, 128, 16), SPM, 1000000, 0, 1e-6f, false,
     false},
    {"tiny-phi3", &phi3, SIZES(256, 2, 4, 4, 64, 256, 384, 128, 24), SPM, 10000, 0, 1e-5f, true, false},
    {"tiny-bitnet", &bitnet, SIZES(256, 2, 4, 2, 64, 256, 576, 128), BPE("llama-bpe"), 500000, 0, 1e-5f,
     false, false},
    {"tiny-gpt2", &gpt2, SIZES(256, 2, 4, 4, 64, 256, 576, 128), BPE("gpt-2"), 0, 0, 1e-5f, false, false},
    {"tiny-bert", &bert, SIZES(256, 2, 4, 4, 64, 256, 384, 128), GLIA_SYNTH_WORDPIECE, NULL, 0, 0, 1e-12f,
     false, false},
    {"stories-260k", &llama, SIZES(64, 5, 8, 4, 8, 172, 512, 512), SPM, 10000, 0, 1e-5f, false, false},
    {"stories-15m", &llama, SIZES(288, 6, 6, 6, 48, 768, 32000, 256), SPM, 10000, 0, 1e-5f, false, false},
    {"llama-110m", &llama, SIZES(768, 12, 12, 12, 64, 2048, 32000, 1024), SPM, 10000, 0, 1e-5f, false, false},
    {"llama-3.2-1b", &llama, SIZES(2048, 16, 32, 8, 64, 8192, 128256, 131072), BPE("llama-bpe"), 500000, 32,
     1e-5f, false, false},
    {"llama-3-8b", &llama, SIZES(4096, 32, 32, 8, 128, 14336, 128256, 8192), BPE("llama-bpe"), 500000, 0,
     1e-5f, true, false},
    {"tinyllama-1.1b", &llama, SIZES(2048, 22, 32, 4, 64, 5632, 32000, 2048), SPM, 10000, 0, 1e-5f, true,
     false},
    {"mistral-7b", &llama, SIZES(4096, 32, 32, 8, 128, 14336, 32768, 32768), SPM, 1000000, 0, 1e-5f, true,
     false},
    {"smollm2-135m", &llama, SIZES(576, 30, 9, 3, 64, 1536, 49152, 8192), BPE("smollm"), 100000, 0, 1e-5f,
     false, false},
    {"qwen2.5-0.5b", &qwen2, SIZES(896, 24, 14, 2, 64, 4864, 151936, 32768), BPE("qwen2"), 1000000, 0, 1e-6f,
     false, false},
    {"qwen3-0.6b", &qwen3, SIZES(1024, 28, 16, 8, 128, 3072, 151936, 40960), BPE("qwen2"), 1000000, 0, 1e-6f,
     false, false},
    {"qwen3-8b", &qwen3, SIZES(4096, 36, 32, 8, 128, 12288, 151936, 40960), BPE("qwen2"), 1000000, 0, 1e-6f,
     true, false},
    {"moe-small", &qwen3moe, SIZES(512, 8, 8, 4, 64, 1536, 32000, 4096, 0, 16, 4, 384), BPE("qwen2"), 1000000,
     0, 1e-6f, true, false},
    {"qwen3-30b-a3b", &qwen3moe, SIZES(2048, 48, 32, 4, 128, 6144, 151936, 40960, 0, 128, 8, 768),
     BPE("qwen2"), 1000000, 0, 1e-6f, true, false},
    {"gpt-oss-20b", &gptoss, SIZES(2880, 24, 64, 8, 64, 2880, 201088, 131072, 128, 32, 4, 2880),
     BPE("gpt-4o"), 150000, 0, 1e-5f, true, false},
    {"gemma-2-2b", &gemma2, SIZES(2304, 26, 8, 4, 256, 9216, 256000, 8192, 4096), SPM, 10000, 0, 1e-6f, false,
     false},
    {"gemma-3-1b", &gemma3, SIZES(1152, 26, 4, 1, 256, 6912, 262144, 32768, 512), SPM, 1000000, 0, 1e-6f,
     false, false},
    {"phi-3-mini", &phi3, SIZES(3072, 32, 32, 32, 96, 8192, 32064, 4096, 2047), SPM, 10000, 0, 1e-5f, true,
     false},
    {"bitnet-2b", &bitnet, SIZES(2560, 30, 20, 5, 128, 6912, 128256, 4096), BPE("llama-bpe"), 500000, 0,
     1e-5f, false, false},
    {"gpt2", &gpt2, SIZES(768, 12, 12, 12, 64, 3072, 50257, 1024), BPE("gpt-2"), 0, 0, 1e-5f, false, false},
    {"bert-base", &bert, SIZES(768, 12, 12, 12, 64, 3072, 30522, 512), GLIA_SYNTH_WORDPIECE, NULL, 0, 0,
     1e-12f, false, false},
    {"minilm-l6", &bert, SIZES(384, 6, 12, 12, 32, 1536, 30522, 512), GLIA_SYNTH_WORDPIECE, NULL, 0, 0,
     1e-12f, false, false},
};

const glia_synth_model *glia_synth_model_at(int i)
{
    return i >= 0 && i < GLIA_COUNT(models) ? &models[i] : NULL;
}

const glia_synth_model *glia_synth_model_find(const char *name)
{
    for (int i = 0; i < GLIA_COUNT(models); i++)
        if (!strcmp(models[i].name, name)) return &models[i];
    return NULL;
}

int64_t glia_synth_size_of(const glia_synth_model *m, int size)
{
    const int64_t *s = m->size;
    switch (size) {
    case GLIA_SIZE_NONE: return 1;
    case GLIA_SIZE_Q: return s[HEADS] * s[HEAD];
    case GLIA_SIZE_KV: return s[GLIA_SIZE_GROUPS] * s[HEAD];
    case GLIA_SIZE_QKV: return (s[HEADS] + 2 * s[GLIA_SIZE_GROUPS]) * s[HEAD];
    case GLIA_SIZE_FFN_TWICE: return 2 * s[FFN];
    case GLIA_SIZE_ROPE_PAIRS: return s[HEAD] / 2;
    case GLIA_SIZE_TWO: return 2;
    default: return s[size];
    }
}
