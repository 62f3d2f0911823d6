/* The tables of the converter: for each architecture, which tensor becomes which, its own keys, and what it
 * refuses. Names of GGUF keys and tensors are those of the gguf package.
 *
 * Traps
 * - llama: rows of q and k are permuted, so that rotary pairs are neighbours. No other architecture here.
 * - gpt2: matrices are [in, out] and are transposed; attn.bias and attn.masked_bias are masks, not weights.
 * - gemma: norms are stored as w, applied as 1 + w; GGUF has the sum. The output is the embedding.
 * - phi3: q, k, v and gate, up stay fused. gpt-oss: gate and up alternate by rows and are taken apart.
 * - bert: a prediction head and the pooler are no part of an encoder. */
#include "llm/convert.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

enum {
    PAIRS_Q = GLIA_CONVERT_PAIRS_Q,
    PAIRS_K = GLIA_CONVERT_PAIRS_K,
    TRANSPOSE = GLIA_CONVERT_TRANSPOSE,
    PLUS_ONE = GLIA_CONVERT_PLUS_ONE,
    STACK = GLIA_CONVERT_STACK,
    FIRST = GLIA_CONVERT_FIRST,
    LAST = GLIA_CONVERT_LAST,
    EVEN = GLIA_CONVERT_EVEN,
    ODD = GLIA_CONVERT_ODD,
    MXFP4 = GLIA_CONVERT_MXFP4,
    TERNARY = GLIA_CONVERT_TERNARY,
    SKIP = GLIA_CONVERT_SKIP,
    UNTIED = GLIA_CONVERT_UNTIED,
};

#define ENDS                                                                                                 \
    {"embed_tokens.weight", "token_embd.weight", 0}, {"norm.weight", "output_norm.weight", 0},               \
        {"lm_head.weight", "output.weight", UNTIED},                                                         \
    {                                                                                                        \
        "rotary_emb.inv_freq", NULL, SKIP                                                                    \
    }
#define ATTENTION(q, k)                                                                                      \
    {"layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", 0},                                        \
        {"layers.#.self_attn.q_proj.*", "blk.#.attn_q.*", q},                                                \
        {"layers.#.self_attn.k_proj.*", "blk.#.attn_k.*", k},                                                \
        {"layers.#.self_attn.v_proj.*", "blk.#.attn_v.*", 0},                                                \
        {"layers.#.self_attn.o_proj.*", "blk.#.attn_output.*", 0},                                           \
    {                                                                                                        \
        "layers.#.self_attn.rotary_emb.inv_freq", NULL, SKIP                                                 \
    }
#define FFN_NORM                                                                                             \
    {                                                                                                        \
        "layers.#.post_attention_layernorm.weight", "blk.#.ffn_norm.weight", 0                               \
    }
#define GATED                                                                                                \
    {"layers.#.mlp.gate_proj.*", "blk.#.ffn_gate.*", 0}, {"layers.#.mlp.up_proj.*", "blk.#.ffn_up.*", 0},    \
    {                                                                                                        \
        "layers.#.mlp.down_proj.*", "blk.#.ffn_down.*", 0                                                    \
    }
#define HEAD_NORMS(how)                                                                                      \
    {"layers.#.self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", how},                                   \
    {                                                                                                        \
        "layers.#.self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", how                                  \
    }
/* Experts one by one, or all in one tensor: of rows with the same goal, one has to find its tensor. */
#define EXPERTS(path, gate, up, down)                                                                        \
    {path ".experts.@." gate ".weight", "blk.#.ffn_gate_exps.weight", STACK},                                \
        {path ".experts.@." up ".weight", "blk.#.ffn_up_exps.weight", STACK},                                \
        {path ".experts.@." down ".weight", "blk.#.ffn_down_exps.weight", STACK},                            \
        {path ".experts.gate_up_proj", "blk.#.ffn_gate_exps.weight", FIRST},                                 \
        {path ".experts.gate_up_proj", "blk.#.ffn_up_exps.weight", LAST},                                    \
    {                                                                                                        \
        path ".experts.down_proj", "blk.#.ffn_down_exps.weight", 0                                           \
    }

static const glia_convert_row llama[] = {ENDS, ATTENTION(PAIRS_Q, PAIRS_K), FFN_NORM, GATED, {0}};
static const glia_convert_row mixtral[] = {
    ENDS,
    ATTENTION(PAIRS_Q, PAIRS_K),
    FFN_NORM,
    {"layers.#.block_sparse_moe.gate.weight", "blk.#.ffn_gate_inp.weight", 0},
    {"layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", 0},
    EXPERTS("layers.#.block_sparse_moe", "w1", "w3", "w2"),
    EXPERTS("layers.#.mlp", "w1", "w3", "w2"),
    {0}};
static const glia_convert_row qwen2[] = {ENDS, ATTENTION(0, 0), FFN_NORM, GATED, {0}};
static const glia_convert_row qwen3[] = {ENDS, ATTENTION(0, 0), HEAD_NORMS(0), FFN_NORM, GATED, {0}};
static const glia_convert_row qwen3moe[] = {ENDS,
                                            ATTENTION(0, 0),
                                            HEAD_NORMS(0),
                                            FFN_NORM,
                                            {"layers.#.mlp.gate.weight", "blk.#.ffn_gate_inp.weight", 0},
                                            EXPERTS("layers.#.mlp", "gate_proj", "up_proj", "down_proj"),
                                            {0}};
static const glia_convert_row gpt2[] = {{"wte.weight", "token_embd.weight", 0},
                                        {"wpe.weight", "position_embd.weight", 0},
                                        {"ln_f.*", "output_norm.*", 0},
                                        {"lm_head.weight", "output.weight", UNTIED},
                                        {"h.#.ln_1.*", "blk.#.attn_norm.*", 0},
                                        {"h.#.attn.c_attn.*", "blk.#.attn_qkv.*", TRANSPOSE},
                                        {"h.#.attn.c_proj.*", "blk.#.attn_output.*", TRANSPOSE},
                                        {"h.#.ln_2.*", "blk.#.ffn_norm.*", 0},
                                        {"h.#.mlp.c_fc.*", "blk.#.ffn_up.*", TRANSPOSE},
                                        {"h.#.mlp.c_proj.*", "blk.#.ffn_down.*", TRANSPOSE},
                                        {"h.#.attn.bias", NULL, SKIP},
                                        {"h.#.attn.masked_bias", NULL, SKIP},
                                        {0}};
#define GEMMA                                                                                                \
    {"embed_tokens.weight", "token_embd.weight", 0}, {"norm.weight", "output_norm.weight", PLUS_ONE},        \
        {"lm_head.weight", "output.weight", UNTIED},                                                         \
        {"layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", PLUS_ONE},                             \
        {"layers.#.self_attn.q_proj.*", "blk.#.attn_q.*", 0},                                                \
        {"layers.#.self_attn.k_proj.*", "blk.#.attn_k.*", 0},                                                \
        {"layers.#.self_attn.v_proj.*", "blk.#.attn_v.*", 0},                                                \
        {"layers.#.self_attn.o_proj.*", "blk.#.attn_output.*", 0},                                           \
        {"layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", PLUS_ONE},          \
        {"layers.#.pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", PLUS_ONE}, GATED,             \
    {                                                                                                        \
        "layers.#.post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", PLUS_ONE                 \
    }
static const glia_convert_row gemma2[] = {GEMMA, {0}};
static const glia_convert_row gemma3[] = {GEMMA, HEAD_NORMS(PLUS_ONE), {0}};
static const glia_convert_row phi3[] = {ENDS,
                                        {"layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", 0},
                                        {"layers.#.self_attn.qkv_proj.weight", "blk.#.attn_qkv.weight", 0},
                                        {"layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", 0},
                                        FFN_NORM,
                                        {"layers.#.mlp.gate_up_proj.weight", "blk.#.ffn_up.weight", 0},
                                        {"layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", 0},
                                        {0}};
static const glia_convert_row gptoss[] = {
    ENDS,
    ATTENTION(0, 0),
    {"layers.#.self_attn.sinks", "blk.#.attn_sinks.weight", 0},
    {"layers.#.post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", 0},
    {"layers.#.mlp.router.*", "blk.#.ffn_gate_inp.*", 0},
    {"layers.#.mlp.experts.gate_up_proj_blocks", "blk.#.ffn_gate_exps.weight", MXFP4 | EVEN},
    {"layers.#.mlp.experts.gate_up_proj_blocks", "blk.#.ffn_up_exps.weight", MXFP4 | ODD},
    {"layers.#.mlp.experts.down_proj_blocks", "blk.#.ffn_down_exps.weight", MXFP4},
    {"layers.#.mlp.experts.gate_up_proj_scales", NULL, SKIP},
    {"layers.#.mlp.experts.down_proj_scales", NULL, SKIP},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps.weight", TRANSPOSE | EVEN},
    {"layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps.weight", TRANSPOSE | ODD},
    {"layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps.weight", TRANSPOSE},
    {"layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_gate_exps.bias", EVEN},
    {"layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_up_exps.bias", ODD},
    {"layers.#.mlp.experts.down_proj_bias", "blk.#.ffn_down_exps.bias", 0},
    {0}};
#define SUB_NORMS(attn, ffn)                                                                                 \
    {"layers.#.self_attn." attn ".weight", "blk.#.attn_sub_norm.weight", 0},                                 \
    {                                                                                                        \
        "layers.#.mlp." ffn ".weight", "blk.#.ffn_sub_norm.weight", 0                                        \
    }
static const glia_convert_row bitnet[] = {
    ENDS, ATTENTION(0, 0), FFN_NORM, GATED, SUB_NORMS("attn_sub_norm", "ffn_sub_norm"), {0}};
static const glia_convert_row bitnet_rounded[] = {
    ENDS,
    {"layers.#.input_layernorm.weight", "blk.#.attn_norm.weight", 0},
    {"layers.#.self_attn.q_proj.weight", "blk.#.attn_q.weight", TERNARY},
    {"layers.#.self_attn.k_proj.weight", "blk.#.attn_k.weight", TERNARY},
    {"layers.#.self_attn.v_proj.weight", "blk.#.attn_v.weight", TERNARY},
    {"layers.#.self_attn.o_proj.weight", "blk.#.attn_output.weight", TERNARY},
    {"layers.#.self_attn.rotary_emb.inv_freq", NULL, SKIP},
    FFN_NORM,
    {"layers.#.mlp.gate_proj.weight", "blk.#.ffn_gate.weight", TERNARY},
    {"layers.#.mlp.up_proj.weight", "blk.#.ffn_up.weight", TERNARY},
    {"layers.#.mlp.down_proj.weight", "blk.#.ffn_down.weight", TERNARY},
    SUB_NORMS("inner_attn_ln", "ffn_layernorm"),
    {0}};
static const glia_convert_row bert[] = {
    {"embeddings.word_embeddings.weight", "token_embd.weight", 0},
    {"embeddings.position_embeddings.weight", "position_embd.weight", 0},
    {"embeddings.token_type_embeddings.weight", "token_types.weight", 0},
    {"embeddings.LayerNorm.*", "token_embd_norm.*", 0},
    {"embeddings.position_ids", NULL, SKIP},
    {"encoder.layer.#.attention.self.query.*", "blk.#.attn_q.*", 0},
    {"encoder.layer.#.attention.self.key.*", "blk.#.attn_k.*", 0},
    {"encoder.layer.#.attention.self.value.*", "blk.#.attn_v.*", 0},
    {"encoder.layer.#.attention.output.dense.*", "blk.#.attn_output.*", 0},
    {"encoder.layer.#.attention.output.LayerNorm.*", "blk.#.attn_output_norm.*", 0},
    {"encoder.layer.#.intermediate.dense.*", "blk.#.ffn_up.*", 0},
    {"encoder.layer.#.output.dense.*", "blk.#.ffn_down.*", 0},
    {"encoder.layer.#.output.LayerNorm.*", "blk.#.layer_output_norm.*", 0},
    {"pooler.dense.*", NULL, SKIP},
    {"cls.*", NULL, SKIP},
    {0}};

/* ---- keys ------------------------------------------------------------------------------------------- */

static const glia_convert_key rms_keys[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps", true, false},
                                            {0}};
static const glia_convert_key layer_norm_keys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_epsilon|layer_norm_eps", true, false}, {0}};
static const glia_convert_key head_keys[] = {
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true, false},
    {"attention.key_length", "head_dim", false, false},
    {"attention.value_length", "head_dim", false, false},
    {0}};
static const glia_convert_key expert_keys[] = {
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true, false},
    {"attention.key_length", "head_dim", false, true},
    {"attention.value_length", "head_dim", false, true},
    {"expert_count", "num_experts|num_local_experts", false, false},
    {"expert_used_count", "num_experts_per_tok|experts_per_token", false, false},
    {"expert_feed_forward_length", "moe_intermediate_size", false, true},
    {0}};

/* ---- what is computed or refused --------------------------------------------------------------------- */

static bool own_head_dim(const glia_converter *c) { return glia_convert_get(c->config, "head_dim") != NULL; }

static void put_head_dim(glia_converter *c)
{
    glia_convert_put_int(c, "attention.key_length", c->head_dim);
    glia_convert_put_int(c, "attention.value_length", c->head_dim);
}

static void put_window(glia_converter *c, int64_t otherwise)
{
    int64_t window = glia_convert_int(c, c->config, "sliding_window", otherwise, INT32_MAX);
    if (window > 0 || otherwise == 0) glia_convert_put_int(c, "attention.sliding_window", window);
}

static void finish_llama(glia_converter *c)
{
    glia_convert_put_int(c, "vocab_size", c->vocab);
    glia_convert_put_int(c, "rope.dimension_count", c->head_dim);
    if (own_head_dim(c)) put_head_dim(c);
    if (glia_convert_get(c->config, "sliding_window"))
        glia_convert_put_int(c, "attention.sliding_window",
                             glia_convert_int(c, c->config, "sliding_window", -1, INT32_MAX));
    glia_convert_rope(c);
}

static void refuse_windows(glia_converter *c)
{
    if (glia_convert_bool(c, c->config, "use_sliding_window", false))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: use_sliding_window has no GGUF key for `%s`", c->arch->name);
}

static void finish_qwen2(glia_converter *c)
{
    refuse_windows(c);
    glia_convert_rope(c);
}

static void finish_qwen3moe(glia_converter *c)
{
    const glia_json *dense = glia_convert_get(c->config, "mlp_only_layers");
    refuse_windows(c);
    if (!glia_convert_bool(c, c->config, "norm_topk_prob", false))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: without norm_topk_prob; a qwen3moe file always normalises");
    if ((dense && dense->count) || glia_convert_int(c, c->config, "decoder_sparse_step", 1, INT32_MAX) != 1)
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: layers without experts among layers with");
    glia_convert_rope(c);
}

static void finish_gemma(glia_converter *c, int64_t layers_27b)
{
    double width = (double)glia_convert_int(c, c->config, "hidden_size", -1, 1 << 20);
    double expected = c->layers == layers_27b ? width / (double)c->heads : (double)c->head_dim;
    double scale = glia_convert_real(c, c->config, "query_pre_attn_scalar", expected);
    put_head_dim(c);
    if (scale != expected) glia_convert_put_real(c, "attention.scale", 1 / sqrt(scale));
    glia_convert_put_int(c, "attention.sliding_window",
                         glia_convert_int(c, c->config, "sliding_window", 4096, INT32_MAX));
}

static void finish_gemma2(glia_converter *c)
{
    finish_gemma(c, 46);
    glia_convert_put_real(c, "attn_logit_softcapping",
                          glia_convert_real(c, c->config, "attn_logit_softcapping", 50));
    glia_convert_put_real(c, "final_logit_softcapping",
                          glia_convert_real(c, c->config, "final_logit_softcapping", 30));
    glia_convert_rope(c);
}

/* The window's pattern is a number, or a list of layer kinds that must follow one. */
static void put_pattern(glia_converter *c)
{
    int64_t every = glia_convert_int(c, c->config, "sliding_window_pattern|_sliding_window_pattern", 6, 512),
            i = 0;
    const glia_json *kinds = glia_convert_get(c->config, "layer_types");
    if (every < 1)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: sliding_window_pattern is %lld",
                          (long long)every);
    for (const glia_json *k = kinds ? kinds->child : NULL; k && !c->status; k = k->next, i++) {
        bool full = k->kind == GLIA_JSON_STRING && !strcmp(k->text, "full_attention");
        if (full != ((i + 1) % every == 0))
            glia_convert_fail(
                c, GLIA_E_UNSUPPORTED, "G0530",
                "config.json: layer_types do not have a full layer after every %lld with a window",
                (long long)every - 1);
    }
    if (every != 6) glia_convert_put_int(c, "attention.sliding_window_pattern", every);
}

static void finish_gemma3(glia_converter *c)
{
    const glia_json *rope = glia_convert_get(c->config, "rope_parameters");
    const glia_json *local = rope ? glia_convert_get(rope, "sliding_attention") : NULL;
    finish_gemma(c, 62);
    if (glia_convert_get(c->config, "attn_logit_softcapping"))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530", "config.json: attn_logit_softcapping in gemma3");
    if (glia_convert_get(c->config, "final_logit_softcapping"))
        glia_convert_put_real(c, "final_logit_softcapping",
                              glia_convert_real(c, c->config, "final_logit_softcapping", 0));
    put_pattern(c);
    double base = local ? glia_convert_real(c, local, "rope_theta", 10000)
                        : glia_convert_real(c, c->config, "rope_local_base_freq", 10000);
    if (base != 10000) glia_convert_put_real(c, "rope.freq_base_swa", base);
    glia_convert_rope(c);
}

static void finish_phi3(glia_converter *c)
{
    const glia_json *rope = glia_convert_get(c->config, "rope_parameters");
    double part = glia_convert_real(c, glia_convert_get(rope, "partial_rotary_factor") ? rope : c->config,
                                    "partial_rotary_factor", 1);
    glia_convert_put_int(c, "rope.dimension_count", (int64_t)((double)c->head_dim * part));
    put_window(c, 0);
    glia_convert_rope(c);
}

static void finish_gptoss(glia_converter *c)
{
    const glia_json *kinds = glia_convert_get(c->config, "layer_types");
    int64_t i = 0;
    for (const glia_json *k = kinds ? kinds->child : NULL; k && !c->status; k = k->next, i++)
        if (k->kind != GLIA_JSON_STRING || strcmp(k->text, i % 2 ? "full_attention" : "sliding_attention"))
            glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                              "config.json: layer_types do not alternate, beginning with a window");
    put_window(c, 128);
    glia_convert_put_int(c, "expert_feed_forward_length",
                         glia_convert_int(c, c->config, "intermediate_size", -1, 1 << 22));
    glia_convert_rope(c);
}

static void finish_bitnet(glia_converter *c)
{
    const char *act = glia_convert_text(c, c->config, "hidden_act");
    glia_convert_put_int(c, "vocab_size", c->vocab);
    glia_convert_put_int(c, "rope.dimension_count", c->head_dim);
    if (!strcmp(act, "relu2")) glia_convert_put_text(c, "hidden_activation", act);
    glia_convert_rope(c);
}

static void finish_bert(glia_converter *c)
{
    char key[64] = "bert.attention.causal";
    const char *position = glia_convert_text(c, c->config, "position_embedding_type");
    int64_t types = glia_convert_int(c, c->config, "type_vocab_size", 2, 1 << 20), size;
    if (position[0] && strcmp(position, "absolute"))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530", "config.json: position_embedding_type `%.40s`",
                          position);
    glia_gguf_set_bool(c->writer, key, false);
    glia_gguf_set_u32(c->writer, "tokenizer.ggml.token_type_count", (uint32_t)types);
    const char *text = glia_convert_read(c, "1_Pooling/config.json", 1 << 20, &size);
    const glia_json *pooling = NULL;
    if (!text || c->status) return;
    if (glia_json_parse(&c->arena, text, size, 64, GLIA_JSON_UNIQUE_KEYS, &pooling, c->e))
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "1_Pooling/config.json is no JSON");
    else if (glia_convert_bool(c, pooling, "pooling_mode_mean_tokens", false))
        glia_convert_put_int(c, "pooling_type", 1);
    else if (glia_convert_bool(c, pooling, "pooling_mode_cls_token", false))
        glia_convert_put_int(c, "pooling_type", 2);
    else
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "1_Pooling/config.json: neither mean nor CLS pooling");
}

const glia_convert_arch glia_convert_archs[] = {
    {"llama", "LlamaForCausalLM|MistralForCausalLM", "model.", "silu|swish", llama, rms_keys, finish_llama},
    {"llama", "MixtralForCausalLM", "model.", "silu", mixtral, expert_keys, finish_llama},
    {"qwen2", "Qwen2ForCausalLM", "model.", "silu", qwen2, rms_keys, finish_qwen2},
    {"qwen3", "Qwen3ForCausalLM", "model.", "silu", qwen3, head_keys, finish_qwen2},
    {"qwen3moe", "Qwen3MoeForCausalLM", "model.", "silu", qwen3moe, expert_keys, finish_qwen3moe},
    {"gpt2", "GPT2LMHeadModel", "transformer.", "gelu_new", gpt2, layer_norm_keys, NULL},
    {"gemma2", "Gemma2ForCausalLM", "model.", "gelu_pytorch_tanh", gemma2, rms_keys, finish_gemma2},
    {"gemma3", "Gemma3ForCausalLM", "model.", "gelu_pytorch_tanh", gemma3, rms_keys, finish_gemma3},
    {"phi3", "Phi3ForCausalLM", "model.", "silu", phi3, rms_keys, finish_phi3},
    {"gpt-oss", "GptOssForCausalLM", "model.", "silu", gptoss, expert_keys, finish_gptoss},
    {"bitnet", "BitNetForCausalLM", "model.", "silu|relu2", bitnet, rms_keys, finish_bitnet},
    {"bitnet", "BitnetForCausalLM", "model.", "silu|relu2", bitnet_rounded, rms_keys, finish_bitnet},
    {"bert", "BertModel|BertForMaskedLM", "bert.", "gelu", bert, layer_norm_keys, finish_bert},
    {0}};
