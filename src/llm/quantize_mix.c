/* The table of mixtures and their rules; see quantize_mix.h. Falcon's own exceptions are left out: the
 * architecture is not built here. MXFP4 is for the stacked matrices of experts alone. */
#include "llm/quantize_mix.h"

#include "base/check.h"
#include "tensor/dtype.h"

#include <string.h>

static const glia_mix mixes[] = {
    {"F32", GLIA_F32, 0},        {"F16", GLIA_F16, 1},          {"BF16", GLIA_BF16, 32},
    {"Q8_0", GLIA_Q8_0, 7},      {"Q6_K", GLIA_Q6_K, 18},       {"Q5_K_M", GLIA_Q5_K, 17},
    {"Q5_K_S", GLIA_Q5_K, 16},   {"Q5_1", GLIA_Q5_1, 9},        {"Q5_0", GLIA_Q5_0, 8},
    {"Q4_K_M", GLIA_Q4_K, 15},   {"Q4_K_S", GLIA_Q4_K, 14},     {"Q4_1", GLIA_Q4_1, 3},
    {"Q4_0", GLIA_Q4_0, 2},      {"IQ4_NL", GLIA_IQ4_NL, 25},   {"Q3_K_L", GLIA_Q3_K, 13},
    {"Q3_K_M", GLIA_Q3_K, 12},   {"Q3_K_S", GLIA_Q3_K, 11},     {"Q2_K", GLIA_Q2_K, 10},
    {"Q2_K_S", GLIA_Q2_K, 21},   {"TQ1_0", GLIA_TQ1_0, 36},     {"TQ2_0", GLIA_TQ2_0, 37},
    {"IQ4_XS", GLIA_IQ4_XS, 30}, {"MXFP4_MOE", GLIA_MXFP4, 38}, {"Q1_0", GLIA_Q1_0, 40},
};

/* Where a tensor stands. The name decides, by the first row that is part of it. */
typedef enum { OTHER, EMBED, VALUES, KEYS, ATTENDED, DOWN } place;
static const struct {
    const char *part;
    place place;
} places[] = {
    {"token_embd.weight", EMBED}, {"attn_v.weight", VALUES}, {"attn_qkv.weight", VALUES},
    {"attn_kv_b.weight", VALUES}, {"attn_k.weight", KEYS},   {"attn_output.weight", ATTENDED},
    {"ffn_down", DOWN},
};

typedef enum {
    ALWAYS,
    EIGHT_EXPERTS,
    SHARED_BY_4, /* four heads or more share a key-value head */
    MORE_BITS,   /* the first and last eighth of the layers, and every third between */
    FIRST_2,
    FIRST_4,
    FIRST_EIGHTH,
    FIRST_EIGHTH_PLAIN,     /* without an importance matrix */
    FIRST_EIGHTH_IMPORTANT, /* with one */
    FIRST_SIXTEENTH,
} when;

/* The first row that holds decides; mix null: any mixture of block formats. */
static const struct rule {
    const char *mix;
    place place;
    when when;
    glia_dtype type;
} rules[] = {
    {"TQ1_0", EMBED, ALWAYS, GLIA_Q4_K},
    {"TQ2_0", EMBED, ALWAYS, GLIA_Q4_K},

    {NULL, VALUES, EIGHT_EXPERTS, GLIA_Q8_0},
    {"Q2_K", VALUES, SHARED_BY_4, GLIA_Q4_K},
    {"Q2_K", VALUES, ALWAYS, GLIA_Q3_K},
    {"Q2_K_S", VALUES, SHARED_BY_4, GLIA_Q4_K},
    {"Q3_K_M", VALUES, FIRST_2, GLIA_Q5_K},
    {"Q3_K_M", VALUES, ALWAYS, GLIA_Q4_K},
    {"Q3_K_L", VALUES, ALWAYS, GLIA_Q5_K},
    {"IQ4_NL", VALUES, SHARED_BY_4, GLIA_Q5_K},
    {"IQ4_XS", VALUES, SHARED_BY_4, GLIA_Q5_K},
    {"Q4_K_M", VALUES, MORE_BITS, GLIA_Q6_K},
    {"Q5_K_M", VALUES, MORE_BITS, GLIA_Q6_K},
    {"Q4_K_S", VALUES, FIRST_4, GLIA_Q5_K},

    {NULL, KEYS, EIGHT_EXPERTS, GLIA_Q8_0},

    {"Q2_K", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"Q3_K_S", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"Q3_K_M", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"Q4_K_S", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"Q4_K_M", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"IQ4_NL", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"IQ4_XS", ATTENDED, EIGHT_EXPERTS, GLIA_Q5_K},
    {"Q3_K_L", ATTENDED, EIGHT_EXPERTS, GLIA_Q3_K},
    {"Q2_K", ATTENDED, ALWAYS, GLIA_Q3_K},
    {"Q3_K_M", ATTENDED, ALWAYS, GLIA_Q4_K},
    {"Q3_K_L", ATTENDED, ALWAYS, GLIA_Q5_K},

    {"Q2_K", DOWN, ALWAYS, GLIA_Q3_K},
    {"Q2_K_S", DOWN, FIRST_EIGHTH, GLIA_Q4_K},
    {"Q3_K_M", DOWN, FIRST_SIXTEENTH, GLIA_Q5_K},
    {"Q3_K_M", DOWN, ALWAYS, GLIA_Q4_K},
    {"Q3_K_L", DOWN, ALWAYS, GLIA_Q5_K},
    {"Q4_K_M", DOWN, MORE_BITS, GLIA_Q6_K},
    {"Q5_K_M", DOWN, MORE_BITS, GLIA_Q6_K},
    {"Q4_K_S", DOWN, FIRST_EIGHTH, GLIA_Q5_K},
    {"IQ4_NL", DOWN, FIRST_EIGHTH_PLAIN, GLIA_Q5_K},
    {"IQ4_XS", DOWN, FIRST_EIGHTH_PLAIN, GLIA_Q5_K},
    {"Q4_0", DOWN, FIRST_EIGHTH_IMPORTANT, GLIA_Q4_1},
    {"Q5_0", DOWN, FIRST_EIGHTH_IMPORTANT, GLIA_Q5_1},
};

/* Types that stand in where rows are no multiple of 256. */
static const struct {
    glia_dtype from, to;
} stand_ins[] = {{GLIA_TQ1_0, GLIA_Q4_0}, {GLIA_TQ2_0, GLIA_Q4_0},    {GLIA_Q2_K, GLIA_Q4_0},
                 {GLIA_Q3_K, GLIA_Q4_0},  {GLIA_IQ4_XS, GLIA_IQ4_NL}, {GLIA_Q4_K, GLIA_Q5_0},
                 {GLIA_Q5_K, GLIA_Q5_1},  {GLIA_Q6_K, GLIA_Q8_0}};

const glia_mix *glia_mix_at(int i) { return i >= 0 && i < GLIA_COUNT(mixes) ? &mixes[i] : NULL; }

static bool same_word(const char *name, const char *given)
{
    for (; *name && *given; name++, given++)
        if ((*given >= 'a' && *given <= 'z' ? *given - 32 : *given) != *name) return false;
    return !*name && !*given;
}

const glia_mix *glia_mix_find(const char *name)
{
    for (int i = 0; i < GLIA_COUNT(mixes); i++)
        if (same_word(mixes[i].name, name)) return &mixes[i];
    return NULL;
}

int64_t glia_mix_layer(const char *name)
{
    int64_t n = 0;
    if (strncmp(name, "blk.", 4) || name[4] < '0' || name[4] > '9') return -1;
    for (const char *c = name + 4; *c >= '0' && *c <= '9' && n < INT32_MAX; c++) n = n * 10 + (*c - '0');
    return n;
}

bool glia_mix_changes(const char *name, int rank, const int64_t *dims)
{
    static const char *const kept[] = {"_norm.weight",
                                       "ffn_gate_inp.weight",
                                       "ffn_gate_inp_shexp.weight",
                                       "attn_rel_b.weight",
                                       "ssm_conv1d.weight",
                                       "shortconv.conv.weight",
                                       "time_mix_",
                                       "altup",
                                       "laurel",
                                       "per_layer_model_proj"};
    size_t n = strlen(name);
    int wide = 0; /* dimensions that are not 1, but for the outermost ones */
    for (int i = 0; i < rank; i++)
        if (wide || dims[i] != 1) wide++;
    if (wide < 2 || n < 6 || strcmp(name + n - 6, "weight")) return false;
    if (!strcmp(name, "position_embd.weight") || !strcmp(name, "token_types.weight")) return false;
    for (int i = 0; i < GLIA_COUNT(kept); i++)
        if (strstr(name, kept[i])) return false;
    return true;
}

static place place_of(const char *name)
{
    for (int i = 0; i < GLIA_COUNT(places); i++)
        if (strstr(name, places[i].part)) return places[i].place;
    return OTHER;
}

bool glia_mix_makes_values(const char *name) { return place_of(name) == VALUES; }

static bool more_bits(int64_t i, int64_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

/* i of n: the tensor's number among those that make values, or its layer. */
static bool holds(when w, const glia_mix_model *m, int64_t i, int64_t n)
{
    switch (w) {
    case ALWAYS: return true;
    case EIGHT_EXPERTS: return m->experts == 8;
    case SHARED_BY_4: return m->sharing >= 4;
    case MORE_BITS: return more_bits(i, n);
    case FIRST_2: return i < 2;
    case FIRST_4: return i < 4;
    case FIRST_EIGHTH: return i < n / 8;
    case FIRST_EIGHTH_PLAIN: return i < n / 8 && !m->imatrix;
    case FIRST_EIGHTH_IMPORTANT: return i < n / 8 && m->imatrix;
    case FIRST_SIXTEENTH: return i < n / 16;
    }
    return false;
}

static glia_dtype by_rules(const glia_mix *mix, const glia_mix_model *m, const char *name,
                           int64_t values_before)
{
    place p = place_of(name);
    int64_t i = p == VALUES ? values_before : glia_max(0, glia_mix_layer(name));
    int64_t n = p == VALUES ? m->values : m->layers;
    glia_dtype type = mix->base;
    for (int r = 0; p != OTHER && r < GLIA_COUNT(rules); r++) {
        const struct rule *rule = &rules[r];
        if (rule->place != p || (rule->mix && strcmp(rule->mix, mix->name)) || !holds(rule->when, m, i, n))
            continue;
        type = rule->type;
        break;
    }
    if (p == VALUES && m->large && m->experts != 8 && (type == GLIA_Q3_K || type == GLIA_Q4_K))
        type = GLIA_Q5_K;
    return type;
}

static bool is_output(const glia_mix_model *m, const char *name)
{
    return !strcmp(name, "output.weight") || (!m->output && !strcmp(name, "token_embd.weight"));
}

glia_dtype glia_mix_choose(const glia_mix *mix, const glia_mix_model *m, const char *name, int rank,
                           const int64_t *dims, int64_t values_before, bool *fallback)
{
    const int64_t k = dims[rank - 1];
    glia_dtype type = mix->base, wanted;
    bool blocks = (glia_dtype_get(mix->base)->classes & GLIA_CLASS_QUANT) != 0;
    if (blocks && !m->pure) {
        type = by_rules(mix, m, name, values_before);
        if (is_output(m, name)) /* the widest product: an error here touches every token */
            type = mix->base == GLIA_Q8_0 || k % glia_dtype_get(mix->base)->block_elements ? GLIA_Q8_0
                                                                                           : GLIA_Q6_K;
    }
    bool stacked = rank > 2 && dims[rank - 3] > 1;
    if (mix->base == GLIA_MXFP4 && !m->pure) type = stacked && !is_output(m, name) ? GLIA_MXFP4 : GLIA_Q8_0;
    wanted = type;
    for (int i = 0; i < GLIA_COUNT(stand_ins) && k % glia_dtype_get(type)->block_elements; i++)
        if (stand_ins[i].from == type) type = stand_ins[i].to;
    if (k % glia_dtype_get(type)->block_elements) type = GLIA_F16;
    *fallback = type != wanted;
    return type;
}
