/* Writes synthetic models; see synth.h. */
#include "llm/synth.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"
#include "format/gguf_write.h"
#include "llm/quantize_mix.h"
#include "llm/synth_shapes.h"
#include "llm/synth_vocab.h"
#include "tensor/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows of one slow type and length that are encoded once; a large model repeats them, mixed. */
enum { BANK_ROWS = 1024, BANKS_MAX = 16, LARGE_ELEMENTS = 1 << 25 };
typedef struct bank {
    glia_dtype dtype;
    int64_t k, row_bytes;
    uint8_t *rows; /* [BANK_ROWS, row_bytes] */
    bool made[BANK_ROWS];
} bank;

typedef struct plan_row {
    glia_synth_fill fill;
    glia_dtype dtype;
    int64_t k, row_bytes;
    bank *bank; /* or null: every row is its own */
} plan_row;

typedef struct synth {
    const glia_synth_model *model;
    glia_dtype type; /* of all matrices, where mix is null */
    const glia_mix *mix;
    glia_mix_model facts; /* of the model, for the mixture's rules */
    uint64_t seed;
    glia_gguf_writer *writer;
    glia_arena arena;
    plan_row *rows; /* of each tensor, in order */
    int64_t count, capacity;
    bank *banks[BANKS_MAX];
    int64_t elements; /* of all tensors */
    int64_t longest;  /* k */
    float *row;       /* [longest] */
} synth;

const char *glia_synth_shape(int i)
{
    const glia_synth_model *m = glia_synth_model_at(i);
    return m ? m->name : NULL;
}

/* llama.cpp's number of a file whose matrices have this type, which is told to users only. */
static uint32_t file_type(glia_dtype t)
{
    static const struct {
        glia_dtype type;
        uint32_t number;
    } known[] = {{GLIA_F32, 0},    {GLIA_F16, 1},     {GLIA_Q4_0, 2},    {GLIA_Q4_1, 3},  {GLIA_Q8_0, 7},
                 {GLIA_Q5_0, 8},   {GLIA_Q5_1, 9},    {GLIA_Q2_K, 10},   {GLIA_Q3_K, 12}, {GLIA_Q4_K, 15},
                 {GLIA_Q5_K, 17},  {GLIA_Q6_K, 18},   {GLIA_IQ4_NL, 25}, {GLIA_BF16, 32}, {GLIA_TQ1_0, 36},
                 {GLIA_TQ2_0, 37}, {GLIA_IQ4_XS, 30}, {GLIA_MXFP4, 38}};
    for (int i = 0; i < GLIA_COUNT(known); i++) {
        if (known[i].type == t) return known[i].number;
    }
    return 0;
}

enum { KEY_BYTES = 96 };

/* "ARCH.key" */
static const char *full_key(const synth *s, const char *key, char full[KEY_BYTES])
{
    snprintf(full, KEY_BYTES, "%s.%s", s->model->family->arch, key);
    return full;
}

static void set_size(synth *s, const char *key, int size)
{
    char full[KEY_BYTES];
    glia_gguf_set_u32(s->writer, full_key(s, key, full), (uint32_t)glia_synth_size_of(s->model, size));
}

/* What one architecture alone has. */
static void set_key(synth *s, const glia_synth_key *k)
{
    char full[KEY_BYTES];
    full_key(s, k->key, full);
    if (k->size) set_size(s, k->key, k->size);
    else if (k->type == 'f') glia_gguf_set_f32(s->writer, full, k->number);
    else if (k->type == 'b') glia_gguf_set_bool(s->writer, full, k->number != 0);
    else if (k->type == 's') glia_gguf_set_string(s->writer, full, k->text, -1);
    else glia_gguf_set_u32(s->writer, full, (uint32_t)k->number);
}

static void set_hyperparameters(synth *s)
{
    glia_gguf_writer *w = s->writer;
    const glia_synth_model *m = s->model;
    const glia_synth_family *f = m->family;
    char full[KEY_BYTES];
    glia_gguf_set_string(w, "general.architecture", f->arch, -1);
    glia_gguf_set_string(w, "general.name", m->name, -1);
    glia_gguf_set_string(w, "general.description", "random weights, for tests and benchmarks", -1);
    glia_gguf_set_u32(w, "general.file_type", s->mix ? s->mix->number : file_type(s->type));
    glia_gguf_set_u32(w, "general.quantization_version", 2);
    set_size(s, "block_count", GLIA_SIZE_LAYERS);
    set_size(s, "context_length", GLIA_SIZE_CONTEXT);
    set_size(s, "embedding_length", GLIA_SIZE_WIDTH);
    set_size(s, "feed_forward_length", GLIA_SIZE_FFN);
    set_size(s, "attention.head_count", GLIA_SIZE_HEADS);
    set_size(s, "attention.head_count_kv", GLIA_SIZE_GROUPS);
    glia_gguf_set_f32(w, full_key(s, f->eps_key, full), m->eps);
    if (f->rope) {
        set_size(s, "rope.dimension_count", GLIA_SIZE_HEAD);
        glia_gguf_set_f32(w, full_key(s, "rope.freq_base", full), m->rope_base);
    }
    set_size(s, "vocab_size", GLIA_SIZE_VOCAB);
    for (const glia_synth_key *k = f->keys; k->key; k++) set_key(s, k);
}

/* A key of every type, and an array of every type that arrays have. */
static void set_all_types(glia_gguf_writer *w)
{
    static const uint8_t bytes[24] = {1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1};
    static const glia_gguf_string texts[3] = {{"one", 3}, {"", 0}, {"\xc3\xa4\0b", 4}};
    glia_gguf_set_u8(w, "glia.test.u8", 200);
    glia_gguf_set_i8(w, "glia.test.i8", -100);
    glia_gguf_set_u16(w, "glia.test.u16", 60000);
    glia_gguf_set_i16(w, "glia.test.i16", -30000);
    glia_gguf_set_u32(w, "glia.test.u32", 4000000000u);
    glia_gguf_set_i32(w, "glia.test.i32", -2000000000);
    glia_gguf_set_u64(w, "glia.test.u64", UINT64_MAX);
    glia_gguf_set_i64(w, "glia.test.i64", INT64_MIN);
    glia_gguf_set_f32(w, "glia.test.f32", 0.25f);
    glia_gguf_set_f64(w, "glia.test.f64", -1.5e300);
    glia_gguf_set_bool(w, "glia.test.bool", true);
    glia_gguf_set_string(w, "glia.test.string", "a\0b", 3);
    glia_gguf_set_strings(w, "glia.test.array.string", texts, GLIA_COUNT(texts));
    for (int t = 0; t < GLIA_GGUF_TYPE_COUNT; t++) {
        char key[32] = "glia.test.array.";
        int n = (int)strlen(key);
        for (const char *c = glia_gguf_type_name(t); *c; c++) key[n++] = *c;
        if (glia_gguf_type_bytes(t))
            glia_gguf_set_array(w, key, (glia_gguf_type)t, bytes, 24 / glia_gguf_type_bytes(t));
    }
    glia_gguf_set_array(w, "glia.test.array.empty", GLIA_GGUF_U32, NULL, 0);
}

/* In the mixture each layer makes its values once. */
static glia_dtype type_of(const synth *s, const glia_synth_part *part, const char *name, int rank,
                          const int64_t *dims)
{
    int64_t k = dims[rank - 1], layer = glia_mix_layer(name);
    bool fallback;
    if (part->fill != GLIA_FILL_MATRIX) return GLIA_F32;
    if (s->mix) return glia_mix_choose(s->mix, &s->facts, name, rank, dims, glia_max(0, layer), &fallback);
    if (k % glia_dtype_get(s->type)->block_elements == 0) return s->type;
    return k % 32 ? GLIA_F16 : GLIA_Q8_0;
}

static glia_status add_tensor(synth *s, const char *prefix, const glia_synth_part *part, glia_error *e)
{
    const uint8_t sizes[3] = {part->e, part->n, part->k};
    int64_t dims[3], k = glia_synth_size_of(s->model, part->k);
    int rank = 0;
    for (int i = 0; i < 3; i++)
        if (sizes[i]) dims[rank++] = glia_synth_size_of(s->model, sizes[i]);
    const char *name = glia_arena_printf(&s->arena, "%s%s", prefix, part->name);
    glia_dtype dtype = name ? type_of(s, part, name, rank, dims) : GLIA_F32;
    plan_row row = {(glia_synth_fill)part->fill, dtype, k, 0, NULL};
    plan_row *grown = glia_arena_grow(&s->arena, s->rows, s->count, &s->capacity, sizeof row);
    if (!grown || !name || !glia_dtype_row_bytes(dtype, k, &row.row_bytes))
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a list of tensors");
    s->rows = grown;
    s->rows[s->count++] = row;
    s->longest = glia_max(s->longest, k);
    int64_t elements = 1;
    for (int i = 0; i < rank; i++) elements *= dims[i];
    s->elements += elements;
    glia_gguf_add_tensor(s->writer, name, dtype, rank, dims);
    return GLIA_OK;
}

static glia_status add_parts(synth *s, const char *prefix, const glia_synth_part *parts, glia_error *e)
{
    glia_status status = GLIA_OK;
    for (const glia_synth_part *p = parts; p->name && !status; p++) status = add_tensor(s, prefix, p, e);
    return status;
}

static glia_status add_tensors(synth *s, glia_error *e)
{
    static const glia_synth_part rope = {"rope_freqs.weight", GLIA_FILL_ROPE, 0, 0, GLIA_SIZE_ROPE_PAIRS};
    static const glia_synth_part output = {"output.weight", GLIA_FILL_MATRIX, 0, GLIA_SIZE_VOCAB,
                                           GLIA_SIZE_WIDTH};
    const glia_synth_model *m = s->model;
    glia_status status = add_parts(s, "", m->family->head, e);
    if (!status && m->rope_factor > 0) status = add_tensor(s, "", &rope, e);
    for (int64_t i = 0; i < m->size[GLIA_SIZE_LAYERS] && !status; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "blk.%lld.", (long long)i);
        status = add_parts(s, prefix, m->family->layer, e);
    }
    if (!status) status = add_parts(s, "", m->family->tail, e);
    if (!status && m->untied) status = add_tensor(s, "", &output, e);
    return status;
}

/* A bijection of 64 bits without visible structure (splitmix64: Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Less 510, the sum of a word's four bytes is about normal (Irwin-Hall), of deviation 147.8. */
static int32_t byte_sum(uint32_t word)
{
    uint32_t pairs = (word & 0x00ff00ffu) + (word >> 8 & 0x00ff00ffu);
    return (int32_t)(pairs & 0xffff) + (int32_t)(pairs >> 16);
}

/* About normal, reaching to 3.45 deviations. A billion numbers are drawn for a small model, so this is the
 * cheapest that will do: half a mixed counter for each, and no function that machines could disagree on. */
static void normal_row(uint64_t seed, uint64_t stream, int64_t k, float mean, float deviation, float *out)
{
    const float scale = deviation / 147.80054f; /* sqrt(4 (256^2 - 1) / 12) */
    const uint64_t key = mix(seed + mix(stream + 0x9e3779b97f4a7c15u));
    for (int64_t i = 0; i < k; i += 2) {
        uint64_t two = mix(key + (uint64_t)i / 2 * 0x9e3779b97f4a7c15u);
        out[i] = (float)(byte_sum((uint32_t)two) - 510) * scale + mean;
        if (i + 1 < k) out[i + 1] = (float)(byte_sum((uint32_t)(two >> 32)) - 510) * scale + mean;
    }
}

/* LLaMA 3.1's factors for long contexts: short waves stay, waves longer than the first context of 8192 are
 * stretched by `factor`, those from a quarter of it on in between (Llama 3 reference, apply_scaling). */
static void rope_row(const glia_synth_model *m, int64_t k, float *out)
{
    const double two_pi = 6.283185307179586, context = 8192, low = 1, high = 4;
    for (int64_t i = 0; i < k; i++) {
        double wave = two_pi * glia_pow((double)m->rope_base, (double)i / (double)k);
        double smooth = (context / wave - low) / (high - low);
        smooth = smooth < 0 ? 0 : smooth > 1 ? 1 : smooth;
        out[i] = (float)(1 / ((1 - smooth) / (double)m->rope_factor + smooth));
    }
}

static void fill_row(const synth *s, const plan_row *p, uint64_t stream)
{
    switch (p->fill) {
    case GLIA_FILL_MATRIX:
    case GLIA_FILL_TABLE: normal_row(s->seed, stream, p->k, 0, 1 / sqrtf((float)p->k), s->row); break;
    case GLIA_FILL_NORM: normal_row(s->seed, stream, p->k, 1, 0.1f, s->row); break;
    case GLIA_FILL_BIAS: normal_row(s->seed, stream, p->k, 0, 0.02f, s->row); break;
    case GLIA_FILL_ROPE: rope_row(s->model, p->k, s->row); break;
    }
}

/* The row of the bank that stands for this one. */
static const uint8_t *bank_row(const synth *s, const plan_row *p, uint64_t stream)
{
    const uint64_t i = mix(s->seed ^ mix(stream)) % BANK_ROWS;
    uint8_t *row = p->bank->rows + (int64_t)i * p->row_bytes;
    if (!p->bank->made[i]) {
        fill_row(s, p, UINT64_MAX - i);
        glia_dtype_get(p->dtype)->encode(s->row, row, p->k, NULL);
        p->bank->made[i] = true;
    }
    return row;
}

static glia_status produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                           glia_error *e)
{
    const synth *s = ctx;
    const plan_row *p = &s->rows[tensor];
    (void)e;
    for (int64_t at = 0; at < bytes; at += p->row_bytes) {
        uint64_t stream = (uint64_t)tensor << 32 | (uint64_t)((byte_begin + at) / p->row_bytes);
        if (p->bank) {
            memcpy((uint8_t *)to + at, bank_row(s, p, stream), (size_t)p->row_bytes);
            continue;
        }
        fill_row(s, p, stream);
        glia_dtype_get(p->dtype)->encode(s->row, (uint8_t *)to + at, p->k, NULL);
    }
    return GLIA_OK;
}

/* Their encoders search: a large model would take an hour. */
static bool is_slow(glia_dtype t)
{
    return glia_dtype_get(t)->block_elements == 256 || t == GLIA_IQ4_NL || t == GLIA_MXFP4;
}

static glia_status add_banks(synth *s, glia_error *e)
{
    for (int64_t i = 0; i < s->count; i++) {
        plan_row *p = &s->rows[i];
        int b = 0;
        if (p->fill != GLIA_FILL_MATRIX || !is_slow(p->dtype)) continue;
        while (b < BANKS_MAX && s->banks[b] && (s->banks[b]->dtype != p->dtype || s->banks[b]->k != p->k))
            b++;
        if (b == BANKS_MAX) continue;
        if (!s->banks[b]) {
            bank *k = GLIA_NEW(&s->arena, bank);
            if (!k || !(k->rows = GLIA_NEW_ARRAY(&s->arena, uint8_t, BANK_ROWS * p->row_bytes)))
                return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for rows");
            k->dtype = p->dtype;
            k->k = p->k;
            s->banks[b] = k;
        }
        p->bank = s->banks[b];
    }
    return GLIA_OK;
}

static glia_status add_vocab(synth *s, glia_error *e)
{
    const glia_synth_model *m = s->model;
    int64_t count = m->size[GLIA_SIZE_VOCAB];
    switch (m->vocab) {
    case GLIA_SYNTH_SPM: return glia_synth_vocab_spm(s->writer, &s->arena, count, s->seed, e);
    case GLIA_SYNTH_BPE: return glia_synth_vocab_bpe(s->writer, &s->arena, count, m->pre, s->seed, e);
    default: return glia_synth_vocab_wordpiece(s->writer, &s->arena, count, s->seed, e);
    }
}

static glia_status write_model(synth *s, const char *path, glia_error *e)
{
    set_hyperparameters(s);
    if (s->model->all_types) set_all_types(s->writer);
    glia_status status = add_vocab(s, e);
    if (!status) status = add_tensors(s, e);
    if (!status && s->elements > LARGE_ELEMENTS) status = add_banks(s, e);
    if (status) return status;
    s->row = GLIA_NEW_ARRAY(&s->arena, float, s->longest);
    if (!s->row) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a row");
    return glia_gguf_writer_write(s->writer, path, produce, s, e);
}

static bool can_write(glia_dtype type)
{
    const glia_dtype_info *info = glia_dtype_get(type);
    return info->encode && info->gguf_type >= 0 && (info->classes & (GLIA_CLASS_FLOAT | GLIA_CLASS_QUANT)) &&
           !(info->classes & GLIA_CLASS_ACTIVATION);
}

static glia_status synthesise(synth *s, const glia_os *os, const char *shape, const char *path, glia_error *e)
{
    glia_error_clear(e);
    if (!shape || !path) return glia_fail(e, GLIA_E_ARG, "G0340", "no shape or no path");
    s->model = glia_synth_model_find(shape);
    if (!s->model) return glia_fail(e, GLIA_E_NOT_FOUND, "G0340", "no shape is called '%.64s'", shape);
    if (!can_write(s->type))
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0340", "models cannot be written in the type %s",
                         glia_dtype_name(s->type));
    const int64_t *size = s->model->size;
    s->facts = (glia_mix_model){.layers = size[GLIA_SIZE_LAYERS],
                                .experts = size[GLIA_SIZE_EXPERTS],
                                .sharing = size[GLIA_SIZE_HEADS] / size[GLIA_SIZE_GROUPS],
                                .values = size[GLIA_SIZE_LAYERS],
                                .output = s->model->untied,
                                .large = size[GLIA_SIZE_LAYERS] == 80};
    glia_status status = glia_gguf_writer_create(os, &s->writer, e);
    if (status) return status;
    glia_arena_init(&s->arena, os, 0);
    status = write_model(s, path, e);
    glia_arena_free(&s->arena);
    glia_gguf_writer_destroy(s->writer);
    return status;
}

glia_status glia_synth(const glia_os *os, const char *shape, glia_dtype type, uint64_t seed, const char *path,
                       glia_error *e)
{
    synth s = {.type = type, .seed = seed};
    return synthesise(&s, os, shape, path, e);
}

glia_status glia_synth_named(const glia_os *os, const char *shape, const char *type, uint64_t seed,
                             const char *path, glia_error *e)
{
    synth s = {.type = type ? glia_dtype_parse(type) : GLIA_DTYPE_NONE, .seed = seed};
    if (type && s.type == GLIA_DTYPE_NONE) s.mix = glia_mix_find(type);
    if (s.mix) s.type = s.mix->base;
    if (s.type == GLIA_DTYPE_NONE)
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0340", "no type or mixture is called '%.64s'",
                         type ? type : "");
    return synthesise(&s, os, shape, path, e);
}
