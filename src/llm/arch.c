/* The list of architectures, and the parts that their graphs share: settings, weights, attention with its
 * cache, the beginning and the end of a step. */
#include "llm/arch.h"

#include "base/check.h"
#include "llm/adapter.h"
#include "ops/ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const glia_arch *const archs[] = {
#define ARCH(name) &glia_arch_##name,
#include "llm/archs.def"
#undef ARCH
};

const glia_arch *glia_arch_at(int i) { return i >= 0 && i < GLIA_COUNT(archs) ? archs[i] : NULL; }

void glia_lm_fail(glia_lm_builder *b, glia_status s, const char *code, const char *format, ...)
{
    char text[1024];
    va_list ap;
    if (b->status) return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    b->status = glia_fail(b->e, s, code, "%s", text);
}

const char *glia_lm_name(glia_lm_builder *b, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    const char *s = glia_arena_strdup(b->arena, text);
    if (!s) glia_lm_fail(b, GLIA_E_NOMEM, "G0801", "out of memory while building the model");
    return s ? s : "";
}

int64_t glia_lm_pages(const glia_lm_options *o)
{
    return o->cache_tokens ? glia_ceil_div(o->cache_tokens, GLIA_PAGE_TOKENS)
                           : o->sequences * glia_ceil_div(o->context, GLIA_PAGE_TOKENS);
}

/* ---- metadata ---------------------------------------------------------------------------------- */

int64_t glia_lm_int(glia_lm_builder *b, const char *key, int64_t fallback, int64_t max)
{
    if (b->status) return 1;
    const char *full = glia_lm_name(b, "%s.%s", b->arch, key);
    uint64_t v = 0;
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = fallback < 0 ? glia_gguf_u64(b->file, full, &v, &e)
                                 : glia_gguf_u64_or(b->file, full, (uint64_t)fallback, &v, &e);
    if (s) {
        glia_lm_fail(b, s, e.code, "%s", e.text);
        return 1;
    }
    if (v < (fallback == 0 ? 0u : 1u) || v > (uint64_t)max) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0503", "`%s` is %llu; it must be %d to %lld", full,
                     (unsigned long long)v, fallback == 0 ? 0 : 1, (long long)max);
        return 1;
    }
    return (int64_t)v;
}

double glia_lm_float(glia_lm_builder *b, const char *key, double fallback, bool required)
{
    if (b->status) return 1;
    const char *full = glia_lm_name(b, "%s.%s", b->arch, key);
    double v = fallback;
    glia_error e = GLIA_ERROR_INIT;
    glia_status s =
        required ? glia_gguf_f64(b->file, full, &v, &e) : glia_gguf_f64_or(b->file, full, fallback, &v, &e);
    if (s) glia_lm_fail(b, s, e.code, "%s", e.text);
    else if (!(v > 0) || !isfinite(v))
        glia_lm_fail(b, GLIA_E_FORMAT, "G0503", "`%s` is %g; it must be positive and finite", full, v);
    return v;
}

double glia_lm_float_if(glia_lm_builder *b, const char *key)
{
    double v = 0;
    glia_error e = GLIA_ERROR_INIT;
    if (b->status) return 0;
    const char *full = glia_lm_name(b, "%s.%s", b->arch, key);
    glia_status s = glia_gguf_f64_or(b->file, full, 0, &v, &e);
    if (s) glia_lm_fail(b, s, e.code, "%s", e.text);
    else if (!(v >= 0) || !isfinite(v))
        glia_lm_fail(b, GLIA_E_FORMAT, "G0503", "`%s` is %g; it must be finite and not negative", full, v);
    return v;
}

bool glia_lm_has(glia_lm_builder *b, const char *key)
{
    return !b->status && glia_gguf_find(b->file, glia_lm_name(b, "%s.%s", b->arch, key)) != NULL;
}

bool glia_lm_says(glia_lm_builder *b, const char *key, const char *text)
{
    glia_gguf_string have = {0};
    glia_error e = GLIA_ERROR_INIT;
    if (b->status) return false;
    glia_status s = glia_gguf_string_or(b->file, glia_lm_name(b, "%s.%s", b->arch, key), "", &have, &e);
    if (s) glia_lm_fail(b, s, e.code, "%s", e.text);
    return !s && have.size == (int64_t)strlen(text) && !memcmp(have.text, text, strlen(text));
}

/* Settings that change results: what the architecture does not take has to have its neutral value. */
static const struct {
    const char *key;
    double neutral;
} settings[] = {{"expert_count", 0},
                {"nextn_predict_layers", 0},
                {"attention.sliding_window", 0},
                {"attention.sliding_window_pattern", 0},
                {"attention.max_alibi_bias", 0},
                {"attention.clamp_kqv", 0},
                {"attention.scale", 0},
                {"attention.output_scale", 1},
                {"attention.temperature_scale", 0},
                {"attention.temperature_length", 0},
                {"attention.shared_kv_layers", 0},
                {"attention.causal", 1},
                {"attention.key_length_mla", 0},
                {"attention.q_lora_rank", 0},
                {"attention.kv_lora_rank", 0},
                {"logit_scale", 1},
                {"residual_scale", 1},
                {"embedding_scale", 1},
                {"attn_logit_softcapping", 0},
                {"final_logit_softcapping", 0},
                {"router_logit_softcapping", 0},
                {"use_parallel_residual", 0},
                {"swin_norm", 0},
                {"rope.freq_base_swa", 0},
                {"rope.dimension_count_swa", 0},
                {"rope.scaling.alpha", 0},
                {"rope.scaling.yarn_log_multiplier", 0},
                {"rope.scaling.yarn_ext_factor", 1}};

static bool taken(const glia_arch *arch, const char *key)
{
    for (int i = 0; i < GLIA_COUNT(arch->takes) && arch->takes[i]; i++)
        if (!strcmp(arch->takes[i], key)) return true;
    return false;
}

static void check_settings(glia_lm_builder *b, const glia_arch *arch)
{
    for (int i = 0; i < GLIA_COUNT(settings) && !b->status; i++) {
        const char *full = glia_lm_name(b, "%s.%s", b->arch, settings[i].key);
        const glia_gguf_value *v = glia_gguf_find(b->file, full);
        double number = 0;
        int64_t integer;
        if (!v || taken(arch, settings[i].key)) continue;
        bool is_number = glia_gguf_element_f64(v, 0, &number);
        if (!is_number && glia_gguf_element_i64(v, 0, &integer)) {
            is_number = true;
            number = (double)integer;
        }
        if (!is_number || number != settings[i].neutral)
            glia_lm_fail(
                b, GLIA_E_UNSUPPORTED, "G0505",
                "architecture `%s` does not take the setting `%s` here; only %g would change nothing",
                b->arch, full, settings[i].neutral);
    }
}

void glia_lm_common(glia_lm_builder *b, const char *eps_key)
{
    b->layers = glia_lm_int(b, "block_count", -1, 512);
    b->width = glia_lm_int(b, "embedding_length", -1, 1 << 20);
    b->hidden = glia_lm_int(b, "feed_forward_length", -1, 1 << 22);
    b->heads = glia_lm_int(b, "attention.head_count", -1, 1 << 12);
    b->groups = glia_lm_int(b, "attention.head_count_kv", b->heads, 1 << 12);
    b->context_train = glia_lm_int(b, "context_length", -1, INT32_MAX);
    if (b->status) return;
    if (b->heads % b->groups)
        glia_lm_fail(b, GLIA_E_FORMAT, "G0504",
                     "%lld attention heads cannot be shared by %lld key-value heads: "
                     "`%s.attention.head_count_kv` must divide `%s.attention.head_count`",
                     (long long)b->heads, (long long)b->groups, b->arch, b->arch);
    bool own = glia_gguf_find(b->file, glia_lm_name(b, "%s.attention.key_length", b->arch)) != NULL;
    if (!own && b->width % b->heads)
        glia_lm_fail(b, GLIA_E_FORMAT, "G0504", "embedding length %lld is no multiple of %lld heads",
                     (long long)b->width, (long long)b->heads);
    b->head_dim = glia_lm_int(b, "attention.key_length", glia_max(1, b->width / b->heads), 4096);
    b->value_dim = glia_lm_int(b, "attention.value_length", b->head_dim, 4096);
    if (!b->status && b->value_dim != b->head_dim)
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0505",
                     "keys of %lld and values of %lld elements a head: different lengths are not built here",
                     (long long)b->head_dim, (long long)b->value_dim);
    b->eps = glia_lm_float(b, eps_key, 1e-5, true);
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static bool find_tensor(glia_lm_builder *b, const char *name, glia_source_tensor *t)
{
    if (b->status || !b->source.find(b->source.ctx, name, t)) return false;
    const glia_gguf_tensor *g = glia_gguf_tensor_find(b->file, name);
    b->used[g - glia_gguf_tensor_at(b->file, 0)] = 1;
    return true;
}

glia_value glia_lm_weight_if(glia_lm_builder *b, const char *name)
{
    glia_source_tensor t;
    char origin[160];
    glia_value have = glia_graph_find(b->g, name);
    if (!glia_is_null(have)) return have;
    if (!find_tensor(b, name, &t)) return (glia_value){0};
    if (t.dtype == GLIA_DTYPE_NONE) {
        const glia_gguf_tensor *g = glia_gguf_tensor_find(b->file, name);
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0506", "tensor `%s` has type %s, which is not built here", name,
                     glia_gguf_tensor_type_name(g->gguf_type));
        return (glia_value){0};
    }
    glia_type type = {t.dtype, (int16_t)t.rank, 0, {0}};
    memcpy(type.dims, t.dims, (size_t)t.rank * sizeof t.dims[0]);
    glia_source_origin(&t, origin, sizeof origin);
    return glia_graph_weight(b->g, name, &type, NULL, origin);
}

glia_value glia_lm_weight(glia_lm_builder *b, const char *name)
{
    glia_value v = glia_lm_weight_if(b, name);
    if (glia_is_null(v) && !b->status && !b->g->error.status)
        glia_lm_fail(b, GLIA_E_NOT_FOUND, "G0502", "tensor `%s` is missing; architecture `%s` needs it", name,
                     b->arch);
    return v;
}

glia_value glia_lm_weight_rows(glia_lm_builder *b, const char *name, int64_t begin, int64_t rows,
                               bool required)
{
    glia_source_tensor t;
    char origin[160];
    if (!find_tensor(b, name, &t)) {
        if (required)
            glia_lm_fail(b, GLIA_E_NOT_FOUND, "G0502", "tensor `%s` is missing; architecture `%s` needs it",
                         name, b->arch);
        return (glia_value){0};
    }
    if (t.dtype == GLIA_DTYPE_NONE || t.rank < 1 || t.dims[0] < begin + rows) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0504", "tensor `%s` has %lld rows of a known type; %lld are needed",
                     name, (long long)(t.rank && t.dtype != GLIA_DTYPE_NONE ? t.dims[0] : 0),
                     (long long)(begin + rows));
        return (glia_value){0};
    }
    glia_type type = {t.dtype, (int16_t)t.rank, 0, {0}};
    memcpy(type.dims, t.dims, (size_t)t.rank * sizeof t.dims[0]);
    type.dims[0] = rows;
    glia_source_origin(&t, origin, sizeof origin);
    const char *full = glia_lm_name(b, "%s[%lld:%lld]", name, (long long)begin, (long long)(begin + rows));
    return glia_graph_weight(b->g, full, &type, NULL, origin);
}

void glia_lm_expect_rows(glia_lm_builder *b, const char *name, int64_t rows, const char *key)
{
    const glia_gguf_tensor *t = glia_gguf_tensor_find(b->file, name);
    if (!b->status && t && t->dims[0] != rows)
        glia_lm_fail(b, GLIA_E_FORMAT, "G0504", "tensor `%s` has %lld rows; by `%s.%s` it must have %lld",
                     name, (long long)t->dims[0], b->arch, key, (long long)rows);
}

/* ---- pieces of a step -------------------------------------------------------------------------- */

static glia_value input_i32(glia_lm_builder *b, const char *name, glia_dim d0, glia_dim d1)
{
    glia_type t = {GLIA_I32, d1 >= 0 ? 2 : 1, 0, {d0, d1}};
    return glia_graph_input(b->g, name, &t);
}

glia_value glia_lm_begin(glia_lm_builder *b)
{
    const glia_lm_options *o = &b->options;
    int64_t pages = glia_ceil_div(o->context, GLIA_PAGE_TOKENS);
    b->tokens = glia_graph_symbol(b->g, "T", 0, o->batch);
    b->rows = glia_graph_symbol(b->g, "R", 0, o->logit_rows);
    b->ids = input_i32(b, "ids", b->tokens, -1);
    b->pos = input_i32(b, "pos", b->tokens, -1);
    b->seq = input_i32(b, "seq", b->tokens, -1);
    b->table = input_i32(b, "table", o->sequences, pages);
    b->out_rows = input_i32(b, "rows", b->rows, -1);
    if (b->encoder) b->until = input_i32(b, "until", b->tokens, -1);
    glia_value w = glia_lm_weight(b, "token_embd.weight");
    glia_type t;
    if (!glia_value_type(b->g, w, &t)) return w;
    if (t.rank != 2) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0504",
                     "`token_embd.weight` has rank %d; it must be [vocabulary, embedding]", t.rank);
        return w;
    }
    b->vocab = t.dims[0];
    int64_t told = glia_lm_int(b, "vocab_size", 0, INT32_MAX);
    if (told) glia_lm_expect_rows(b, "token_embd.weight", told, "vocab_size");
    if (b->options.kv_dtype == GLIA_DTYPE_NONE)
        b->options.kv_dtype = b->encoder || t.dtype == GLIA_F32 || t.dtype == GLIA_F64 ? GLIA_F32 : GLIA_F16;
    glia_attr_arg max[] = {GLIA_INT("max", b->vocab), {0}};
    glia_value ids = glia_graph_node(b->g, "guard_range", "ids.checked", &b->ids, 1, max);
    return glia_graph_node(b->g, "embed", "embed", (glia_value[]){w, ids}, 2, NULL);
}

/* A product of which the file keeps one factor for the whole weight, as ternary models do: [1]. */
static glia_value scaled_linear(glia_lm_builder *b, glia_value x, const char *prefix, glia_value scale)
{
    const char *weight = glia_lm_name(b, "%s.weight", prefix), *bias = glia_lm_name(b, "%s.bias", prefix);
    glia_type t;
    if (b->status || !glia_value_type(b->g, scale, &t)) return (glia_value){0};
    if (t.rank != 1 || t.dims[0] != 1) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0512", "`%s.scale` is not one number for the whole weight", prefix);
        return (glia_value){0};
    }
    glia_value in[2] = {x, glia_lm_weight(b, weight)}, add = glia_lm_weight_if(b, bias);
    if (b->status) return (glia_value){0};
    glia_value y = glia_graph_node(b->g, "linear", glia_lm_name(b, "%s.product", prefix), in, 2, NULL);
    y = glia_lm_adapt(b, x, y, weight, 0, 0);
    y = glia_graph_node(b->g, "mul", prefix, (glia_value[]){y, scale}, 2, NULL);
    return glia_is_null(add) ? y : glia_lm_add(b, y, add, glia_lm_name(b, "%s.sum", prefix));
}

glia_value glia_lm_linear(glia_lm_builder *b, glia_value x, const char *prefix)
{
    glia_value scale = glia_lm_weight_if(b, glia_lm_name(b, "%s.scale", prefix));
    if (!glia_is_null(scale)) return scaled_linear(b, x, prefix, scale);
    const char *weight = glia_lm_name(b, "%s.weight", prefix);
    glia_value in[3] = {x, glia_lm_weight(b, weight),
                        glia_lm_weight_if(b, glia_lm_name(b, "%s.bias", prefix))};
    if (b->status) return (glia_value){0};
    return glia_lm_adapt(b, x, glia_graph_node(b->g, "linear", prefix, in, 3, NULL), weight, 0, 0);
}

glia_value glia_lm_linear_rows(glia_lm_builder *b, glia_value x, const char *prefix, int64_t begin,
                               int64_t rows, const char *name)
{
    const char *weight = glia_lm_name(b, "%s.weight", prefix);
    glia_value in[3] = {x, glia_lm_weight_rows(b, weight, begin, rows, true),
                        glia_lm_weight_rows(b, glia_lm_name(b, "%s.bias", prefix), begin, rows, false)};
    if (b->status) return (glia_value){0};
    return glia_lm_adapt(b, x, glia_graph_node(b->g, "linear", name, in, 3, NULL), weight, begin,
                         begin + rows);
}

glia_value glia_lm_rms_norm(glia_lm_builder *b, glia_value x, const char *name)
{
    glia_value in[2] = {x, glia_lm_weight(b, glia_lm_name(b, "%s.weight", name))};
    glia_attr_arg attrs[] = {GLIA_FLOAT("eps", b->eps), {0}};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "rms_norm", name, in, 2, attrs);
}

glia_value glia_lm_layer_norm(glia_lm_builder *b, glia_value x, const char *prefix)
{
    glia_value in[3] = {x, glia_lm_weight(b, glia_lm_name(b, "%s.weight", prefix)),
                        glia_lm_weight(b, glia_lm_name(b, "%s.bias", prefix))};
    glia_attr_arg attrs[] = {GLIA_FLOAT("eps", b->eps), {0}};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "layer_norm", prefix, in, 3, attrs);
}

glia_value glia_lm_heads(glia_lm_builder *b, glia_value x, int64_t heads, int64_t dim, const char *name)
{
    int64_t dims[3] = {b->tokens, heads, dim};
    glia_attr_arg attrs[] = {GLIA_INTS("dims", dims, 3), {0}};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "reshape", name, &x, 1, attrs);
}

static glia_value put(glia_lm_builder *b, const char *name, int64_t layer, glia_value x, bool transposed)
{
    int64_t block = glia_dtype_get(b->options.kv_dtype)->block_elements;
    if (b->head_dim % block) {
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0513",
                     "a key-value cache of %s needs heads in multiples of %lld elements; these have %lld",
                     glia_dtype_name(b->options.kv_dtype), (long long)block, (long long)b->head_dim);
        return (glia_value){0};
    }
    int64_t pages = glia_lm_pages(&b->options);
    glia_type t = {b->options.kv_dtype,
                   4,
                   0,
                   {pages, b->groups, transposed ? b->head_dim : GLIA_PAGE_TOKENS,
                    transposed ? GLIA_PAGE_TOKENS : b->head_dim}};
    glia_value state = glia_graph_state(b->g, glia_lm_name(b, "blk.%lld.%s", (long long)layer, name), &t);
    glia_value in[5] = {state, x, b->table, b->seq, b->pos};
    glia_attr_arg attrs[] = {GLIA_INT("transposed", transposed), {0}};
    return glia_graph_node(b->g, "kv_put", glia_lm_name(b, "blk.%lld.%s_put", (long long)layer, name), in, 5,
                           attrs);
}

glia_value glia_lm_attend(glia_lm_builder *b, int64_t layer, glia_value q, glia_value k, glia_value v,
                          const glia_lm_attention *how)
{
    static const glia_lm_attention plain = {0};
    if (b->status) return (glia_value){0};
    if (!how) how = &plain;
    glia_value in[7] = {q,
                        put(b, "k", layer, k, true),
                        put(b, "v", layer, v, false),
                        b->table,
                        b->seq,
                        b->encoder ? b->until : b->pos,
                        how->sinks};
    glia_attr_arg attrs[] = {GLIA_FLOAT("scale", how->scale > 0 ? how->scale : 1 / sqrt((double)b->head_dim)),
                             GLIA_INT("window", how->window),
                             GLIA_FLOAT("softcap", how->softcap),
                             {0}};
    glia_value y = glia_graph_node(b->g, "attend", glia_lm_name(b, "blk.%lld.attend", (long long)layer), in,
                                   glia_is_null(how->sinks) ? 6 : 7, attrs);
    int64_t dims[2] = {b->tokens, b->heads * b->head_dim};
    glia_attr_arg flat[] = {GLIA_INTS("dims", dims, 2), {0}};
    return glia_graph_node(b->g, "reshape", glia_lm_name(b, "blk.%lld.attend_flat", (long long)layer), &y, 1,
                           flat);
}

glia_value glia_lm_add(glia_lm_builder *b, glia_value x, glia_value y, const char *name)
{
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "add", name, (glia_value[]){x, y}, 2, NULL);
}

static glia_value wanted_rows(glia_lm_builder *b, glia_value x)
{
    glia_attr_arg max[] = {{"max", GLIA_ATTR_INT, b->options.batch, 0, 0, 0}, {0}};
    if (b->status) return (glia_value){0};
    glia_value rows = glia_graph_node(b->g, "guard_range", "rows.checked", &b->out_rows, 1, max);
    return glia_graph_node(b->g, "gather_rows", "last", (glia_value[]){x, rows}, 2, NULL);
}

void glia_lm_embeddings(glia_lm_builder *b, glia_value x)
{
    glia_source_tensor unused;
    find_tensor(b, "output.weight", &unused);
    find_tensor(b, "output.bias", &unused);
    x = wanted_rows(b, x);
    if (!b->status) glia_graph_output(b->g, "embeddings", x);
}

glia_value glia_lm_logits(glia_lm_builder *b, glia_value x)
{
    glia_value w = glia_lm_weight_if(b, "output.weight");
    if (glia_is_null(w)) w = glia_lm_weight(b, "token_embd.weight"); /* tied */
    x = wanted_rows(b, x);
    if (b->status) return w;
    glia_value bias = glia_lm_weight_if(b, "output.bias");
    glia_value logits = glia_graph_node(b->g, "linear", "output", (glia_value[]){x, w, bias}, 3, NULL);
    return glia_lm_adapt(b, x, logits, "output.weight", 0, 0);
}

void glia_lm_end(glia_lm_builder *b, glia_value x)
{
    if (b->options.embeddings) {
        glia_lm_embeddings(b, x);
        return;
    }
    x = glia_lm_logits(b, x);
    if (!b->status) glia_graph_output(b->g, "logits", x);
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* A tensor that no node reads would be a setting ignored: the file is of a kind that we do not know. */
static void check_all_used(glia_lm_builder *b)
{
    for (int64_t i = 0; i < glia_gguf_tensor_count(b->file) && !b->status; i++)
        if (!b->used[i])
            glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0507",
                         "tensor `%s` has no place in architecture `%s` as built here",
                         glia_gguf_tensor_at(b->file, i)->name, b->arch);
}

static const glia_arch *find_arch(glia_lm_builder *b)
{
    glia_gguf_string name;
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = glia_gguf_string_of(b->file, "general.architecture", &name, &e);
    if (s) {
        glia_lm_fail(b, s, e.code, "%s", e.text);
        return NULL;
    }
    for (int i = 0; i < GLIA_COUNT(archs); i++)
        if ((int64_t)strlen(archs[i]->name) == name.size &&
            !memcmp(archs[i]->name, name.text, (size_t)name.size))
            return archs[i];
    char known[512];
    int at = 0;
    for (int i = 0; i < GLIA_COUNT(archs) && at < (int)sizeof known; i++)
        at += snprintf(known + at, sizeof known - (size_t)at, "%s%s", i ? ", " : "", archs[i]->name);
    glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0501", "architecture `%.*s` is not built here; known are %s",
                 (int)glia_min(name.size, 64), name.text, known);
    return NULL;
}

/* How large steps are where the caller leaves it open, and what they give. */
static void settle_steps(glia_lm_builder *b, const glia_arch *arch)
{
    glia_lm_options *o = &b->options;
    const glia_gguf_value *causal = glia_gguf_find(b->file, glia_lm_name(b, "%s.attention.causal", b->arch));
    int64_t is = 1;
    if (o->context <= 0) {
        b->context_train = glia_lm_int(b, "context_length", -1, INT32_MAX);
        o->context = glia_min(b->context_train, 4096);
    }
    b->encoder =
        causal && taken(arch, "attention.causal") && glia_gguf_element_i64(causal, 0, &is) && is == 0;
    if (b->encoder && !o->embeddings)
        glia_lm_fail(
            b, GLIA_E_UNSUPPORTED, "G0540",
            "architecture `%s` gives embeddings, not logits: it cannot generate; open it for embeddings",
            b->arch);
    if (o->batch <= 0) o->batch = b->encoder ? glia_min(o->context, 65536) : 128;
    if (o->logit_rows <= 0) o->logit_rows = o->embeddings ? o->batch : 1;
    if (!b->status && o->logit_rows > o->batch)
        glia_lm_fail(b, GLIA_E_ARG, "G0709", "option logit_rows is %lld; a step has at most %lld tokens",
                     (long long)o->logit_rows, (long long)o->batch);
}

/* What the file says of pooling: 0 none, 1 mean, 2 first, 3 last, 4 a ranker's. */
static glia_pooling pooling_of(glia_lm_builder *b)
{
    if (!b->options.embeddings || !glia_lm_has(b, "pooling_type")) return GLIA_POOLING_DEFAULT;
    int64_t kind = glia_lm_int(b, "pooling_type", 0, INT32_MAX);
    if (kind > 3)
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0544",
                     "`%s.pooling_type` is %lld; 0 (none) to 3 (last) are built", b->arch, (long long)kind);
    return kind ? (glia_pooling)kind : GLIA_POOLING_NONE;
}

glia_status glia_lm_build(const glia_gguf *file, glia_lm_options *options, glia_lm_graph *out, glia_error *e)
{
    glia_arena arena;
    glia_arena_init(&arena, options->os, 0);
    glia_lm_builder b = {
        .file = file, .source = glia_source_from_gguf(file), .options = *options, .arena = &arena, .e = e};
    *out = (glia_lm_graph){0};
    if (glia_gguf_tensor_count(file) == 0) {
        b.status = glia_fail(e, GLIA_E_UNSUPPORTED, "G0508",
                             "the file holds a vocabulary but no tensors; it cannot run");
        goto done;
    }
    b.status = glia_gguf_require_model(file, e);
    if (!b.status) out->arch = find_arch(&b);
    if (!out->arch) goto done;
    b.arch = out->arch->name;
    b.used = GLIA_NEW_ARRAY(&arena, uint8_t, glia_gguf_tensor_count(file));
    glia_graph_options go = GLIA_GRAPH_OPTIONS_INIT;
    go.os = options->os;
    b.status = glia_graph_create(&go, &b.g, e);
    if (!b.status && !b.used)
        b.status = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while building the model");
    if (b.status) goto done;
    settle_steps(&b, out->arch);
    out->pooling = pooling_of(&b);
    if (!b.status) glia_lm_adapters_begin(&b, options);
    if (!b.status) check_settings(&b, out->arch);
    if (!b.status) out->arch->build(&b);
    if (!b.status && !b.g->error.status) check_all_used(&b);
    if (!b.status && !b.g->error.status) glia_lm_adapters_end(&b);
    if (!b.status) b.status = glia_graph_seal(b.g, e);
done:
    if (!b.status) {
        out->graph = b.g;
        out->vocab = b.vocab;
        out->width = b.width;
        out->encoder = b.encoder;
        out->context_train = b.context_train;
        out->layers = b.layers;
        out->kv_dtype = b.options.kv_dtype;
        *options = b.options;
        b.g = NULL;
    }
    glia_graph_destroy(b.g);
    glia_arena_free(&arena);
    return b.status;
}
