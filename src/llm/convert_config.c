/* config.json as GGUF keys. Its numbers are hostile like any file's: types and ranges are checked, and what
 * is missing is named. */
#include "llm/convert.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PI 3.14159265358979323846
enum { LAYERS_MAX = 512, HEADS_MAX = 4096, WIDTH_MAX = 1 << 20 };

const glia_json *glia_convert_get(const glia_json *j, const char *names)
{
    char name[64];
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, "|");
        if (n < sizeof name) {
            memcpy(name, at, n);
            name[n] = 0;
            const glia_json *found = glia_json_get(j, name);
            if (found && found->kind != GLIA_JSON_NULL) return found;
        }
        at += n + (at[n] == '|');
    }
    return NULL;
}

static void missing(glia_converter *c, const char *names)
{
    glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0529", "config.json has no `%s`", names);
}

int64_t glia_convert_int(glia_converter *c, const glia_json *j, const char *names, int64_t fallback,
                         int64_t most)
{
    const glia_json *v = glia_convert_get(j, names);
    int64_t n = 0;
    if (!v && fallback < 0) missing(c, names);
    if (!v) return glia_max(fallback, 0);
    if (!glia_json_i64(v, &n) || n < 0 || n > most) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` is no whole number from 0 to %lld",
                          v->key, (long long)most);
        return glia_max(fallback, 0);
    }
    return n;
}

double glia_convert_real(glia_converter *c, const glia_json *j, const char *names, double fallback)
{
    const glia_json *v = glia_convert_get(j, names);
    double d = 0;
    if (!v && isnan(fallback)) missing(c, names);
    if (!v) return isnan(fallback) ? 1 : fallback;
    if (!glia_json_f64(v, &d) || !isfinite(d) || !(d > 0)) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` is no positive number", v->key);
        return 1;
    }
    return d;
}

bool glia_convert_bool(glia_converter *c, const glia_json *j, const char *names, bool fallback)
{
    const glia_json *v = glia_convert_get(j, names);
    if (!v) return fallback;
    if (v->kind != GLIA_JSON_BOOL)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` is neither true nor false", v->key);
    return v->boolean;
}

const char *glia_convert_text(glia_converter *c, const glia_json *j, const char *names)
{
    const glia_json *v = glia_convert_get(j, names);
    if (!v) return "";
    if (v->kind != GLIA_JSON_STRING)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` is no text", v->key);
    return v->kind == GLIA_JSON_STRING ? v->text : "";
}

static const char *full_key(const glia_converter *c, const char *key, char buf[128])
{
    snprintf(buf, 128, "%s.%s", c->arch->name, key);
    return buf;
}

void glia_convert_put_int(glia_converter *c, const char *key, int64_t v)
{
    char buf[128];
    if (!c->status) glia_gguf_set_u32(c->writer, full_key(c, key, buf), (uint32_t)v);
}

void glia_convert_put_real(glia_converter *c, const char *key, double v)
{
    char buf[128];
    if (!c->status) glia_gguf_set_f32(c->writer, full_key(c, key, buf), (float)v);
}

void glia_convert_put_text(glia_converter *c, const char *key, const char *text)
{
    char buf[128];
    if (!c->status) glia_gguf_set_string(c->writer, full_key(c, key, buf), text, -1);
}

/* ---- rope ------------------------------------------------------------------------------------------- */

/* LLaMA 3.1's divisors: short waves stay, those longer than the first context are divided by the factor, and
 * between them the rate goes over smoothly. */
static void put_llama3(glia_converter *c, const glia_json *j, double base)
{
    double factor = glia_convert_real(c, j, "factor", NAN),
           low = glia_convert_real(c, j, "low_freq_factor", NAN);
    double high = glia_convert_real(c, j, "high_freq_factor", NAN);
    double context = glia_convert_real(c, j, "original_max_position_embeddings", NAN);
    int64_t n = c->head_dim / 2;
    float *divisors = GLIA_NEW_ARRAY(&c->arena, float, n);
    if (!divisors || c->status) return;
    for (int64_t i = 0; i < n; i++) {
        double wave = 2 * PI * glia_pow(base, (double)(2 * i) / (double)c->head_dim);
        double smooth = (context / wave - low) / (high - low);
        divisors[i] = wave < context / high  ? 1.0f
                      : wave > context / low ? (float)factor
                                             : (float)(1 / ((1 - smooth) / factor + smooth));
    }
    glia_convert_add_values(c, "rope_freqs.weight", divisors, n);
}

static void put_factors(glia_converter *c, const glia_json *j, const char *from, const char *to,
                        int64_t count)
{
    const glia_json *list = glia_convert_get(j, from);
    float *values = GLIA_NEW_ARRAY(&c->arena, float, count);
    int64_t i = 0;
    if (!values) return;
    if (!list || list->kind != GLIA_JSON_ARRAY || list->count != count) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` is no list of %lld numbers", from,
                          (long long)count);
        return;
    }
    for (const glia_json *v = list->child; v; v = v->next) {
        double d;
        if (!glia_json_f64(v, &d) || !isfinite(d) || !(d > 0))
            glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json: `%s` holds no positive number", from);
        else values[i++] = (float)d;
    }
    glia_convert_add_values(c, to, values, count);
}

/* Phi-3's two sets of divisors, and the magnitude that goes with both. */
static void put_longrope(glia_converter *c, const glia_json *j)
{
    const glia_json *in = glia_convert_get(j, "original_max_position_embeddings") ? j : c->config;
    double context = glia_convert_real(c, c->config, "max_position_embeddings", NAN);
    double original = glia_convert_real(c, in, "original_max_position_embeddings", NAN);
    double part = glia_convert_real(c, glia_convert_get(j, "partial_rotary_factor") ? j : c->config,
                                    "partial_rotary_factor", 1);
    int64_t n = (int64_t)((double)c->head_dim * part) / 2;
    double scale = glia_convert_real(c, j, "factor", context / original);
    double magnitude = scale > 1 && original > 1 ? sqrt(1 + glia_log(scale) / glia_log(original)) : 1;
    magnitude = glia_convert_real(c, j, "attention_factor", magnitude);
    glia_convert_put_int(c, "rope.scaling.original_context_length", (int64_t)original);
    glia_convert_put_text(c, "rope.scaling.type", "longrope");
    glia_convert_put_real(c, "rope.scaling.attn_factor", magnitude);
    put_factors(c, j, "long_factor", "rope_factors_long.weight", n);
    put_factors(c, j, "short_factor", "rope_factors_short.weight", n);
}

static void put_yarn(glia_converter *c, const glia_json *j)
{
    static const struct {
        const char *from, *to;
    } numbers[] = {{"beta_fast", "rope.scaling.yarn_beta_fast"},
                   {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    glia_convert_put_text(c, "rope.scaling.type", "yarn");
    glia_convert_put_real(c, "rope.scaling.factor", glia_convert_real(c, j, "factor", NAN));
    glia_convert_put_int(c, "rope.scaling.original_context_length",
                         glia_convert_int(c, j, "original_max_position_embeddings", -1, INT32_MAX));
    for (int i = 0; i < GLIA_COUNT(numbers); i++)
        if (glia_convert_get(j, numbers[i].from))
            glia_convert_put_real(c, numbers[i].to, glia_convert_real(c, j, numbers[i].from, 1));
    if (!glia_convert_bool(c, j, "truncate", true) && strcmp(c->arch->name, "gpt-oss"))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530", "config.json: rope scaling with truncate false");
    if (glia_convert_get(j, "attention_factor") || glia_convert_get(j, "mscale") ||
        glia_convert_get(j, "mscale_all_dim"))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: rope scaling `yarn` with attention_factor or mscale");
}

void glia_convert_rope(glia_converter *c)
{
    const glia_json *j = glia_convert_get(c->config, "rope_scaling|rope_parameters");
    const glia_json *all = glia_convert_get(j, "full_attention");
    if (all) j = all;
    double base = glia_convert_get(c->config, "rope_theta")
                      ? glia_convert_real(c, c->config, "rope_theta", NAN)
                      : glia_convert_real(c, j, "rope_theta", 10000);
    const char *kind = glia_convert_text(c, j, "rope_type|type");
    glia_convert_put_real(c, "rope.freq_base", base);
    if (!kind[0] || !strcmp(kind, "default")) return;
    if (!strcmp(kind, "linear")) {
        glia_convert_put_text(c, "rope.scaling.type", "linear");
        glia_convert_put_real(c, "rope.scaling.factor", glia_convert_real(c, j, "factor", NAN));
    } else if (!strcmp(kind, "llama3")) {
        put_llama3(c, j, base);
    } else if (!strcmp(kind, "yarn")) {
        put_yarn(c, j);
    } else if ((!strcmp(kind, "longrope") || !strcmp(kind, "su")) && !strcmp(c->arch->name, "phi3")) {
        put_longrope(c, j);
    } else {
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: rope scaling `%.40s` has no GGUF form for `%s`", kind, c->arch->name);
    }
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static void check_activation(glia_converter *c)
{
    const char *act = glia_convert_text(c, c->config, "hidden_activation|hidden_act|activation_function");
    if (act[0] && !glia_convert_one_of(c->arch->activations, act))
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0530",
                          "config.json: the activation `%.40s` in `%s`, which has %s", act, c->arch->name,
                          c->arch->activations);
}

static void read_sizes(glia_converter *c)
{
    const glia_json *j = c->config;
    int64_t width = glia_convert_int(c, j, "hidden_size|n_embd", -1, WIDTH_MAX);
    c->layers = glia_convert_int(c, j, "num_hidden_layers|n_layer", -1, LAYERS_MAX);
    c->heads = glia_convert_int(c, j, "num_attention_heads|n_head", -1, HEADS_MAX);
    c->groups = glia_convert_int(c, j, "num_key_value_heads", c->heads, HEADS_MAX);
    c->experts = glia_convert_int(c, j, "num_experts|num_local_experts", 0, 4096);
    c->vocab = glia_convert_int(c, j, "vocab_size", -1, INT32_MAX);
    if (c->status) return;
    if (c->heads < 1 || c->groups < 1 || c->layers < 1 || c->heads % c->groups)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529",
                          "config.json: %lld layers, %lld heads and %lld key-value heads make no model",
                          (long long)c->layers, (long long)c->heads, (long long)c->groups);
    else c->head_dim = glia_convert_int(c, j, "head_dim", width / c->heads, WIDTH_MAX);
}

static void put_keys(glia_converter *c, const glia_convert_key *keys)
{
    for (; keys && keys->to && !c->status; keys++) {
        if (keys->optional && !glia_convert_get(c->config, keys->from)) continue;
        if (keys->real) glia_convert_put_real(c, keys->to, glia_convert_real(c, c->config, keys->from, NAN));
        else glia_convert_put_int(c, keys->to, glia_convert_int(c, c->config, keys->from, -1, INT32_MAX));
    }
}

static void put_general(glia_converter *c)
{
    char name[128];
    size_t n = strlen(c->folder), begin;
    while (n && c->folder[n - 1] == '/') n--;
    for (begin = n; begin && c->folder[begin - 1] != '/';) begin--;
    snprintf(name, sizeof name, "%.*s", (int)glia_min((int64_t)(n - begin), 127), c->folder + begin);
    glia_gguf_set_string(c->writer, "general.architecture", c->arch->name, -1);
    glia_gguf_set_string(c->writer, "general.type", "model", -1);
    if (name[0] && name[0] != '.') glia_gguf_set_string(c->writer, "general.name", name, -1);
    glia_gguf_set_u32(c->writer, "general.file_type", c->mix->number);
    glia_gguf_set_u32(c->writer, "general.quantization_version", 2);
}

void glia_convert_metadata(glia_converter *c)
{
    static const glia_convert_key common[] = {
        {"context_length", "max_position_embeddings|n_positions|n_ctx", false, false},
        {"embedding_length", "hidden_size|n_embd", false, false},
        {"block_count", "num_hidden_layers|n_layer", false, false},
        {"attention.head_count", "num_attention_heads|n_head", false, false},
        {"attention.head_count_kv", "num_key_value_heads", false, true},
        {0}};
    read_sizes(c);
    check_activation(c);
    if (c->status) return;
    put_general(c);
    put_keys(c, common);
    int64_t width = glia_convert_int(c, c->config, "hidden_size|n_embd", -1, WIDTH_MAX);
    int64_t hidden = glia_convert_int(c, c->config, "intermediate_size|n_inner", 4 * width, 1 << 24);
    glia_convert_put_int(c, "feed_forward_length", hidden);
    put_keys(c, c->arch->keys);
    if (c->arch->finish && !c->status) c->arch->finish(c);
}
