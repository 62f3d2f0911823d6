/* The tokenizer of a checkpoint as GGUF metadata: tokenizer.json through tok_json.h, chat templates and end
 * tokens from the files beside it.
 *
 * Traps: embeddings often have more rows than the vocabulary has tokens; the rest is filled with unused
 * tokens. generation_config.json may list several end tokens: those that the tokenizer does not name are kept
 * as end-of-turn and end-of-message. */
#include "llm/convert.h"

#include "base/check.h"
#include "llm/tok_json.h"

#include <string.h>

#define KEY "tokenizer.ggml."
#define TOKENIZER_BYTES_MAX (256 << 20)
#define COMPANION_BYTES_MAX (16 << 20)
#define UNUSED_SCORE -1000.0f

static void no_memory(glia_converter *c)
{
    glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary");
}

/* Null, without an error, if there is no such file. */
static const glia_json *read_json(glia_converter *c, const char *name)
{
    int64_t size;
    const glia_json *j = NULL;
    const char *text = glia_convert_read(c, name, COMPANION_BYTES_MAX, &size);
    if (!text || c->status) return NULL;
    c->status = glia_json_parse(&c->arena, text, size, 64, GLIA_JSON_UNIQUE_KEYS, &j, c->e);
    if (c->status) glia_error_context(c->e, "%s", name);
    return c->status ? NULL : j;
}

/* Rows of the embedding: the tokens that the file has to have. */
static int64_t embedding_rows(const glia_converter *c)
{
    for (int64_t i = 0; i < c->count; i++)
        if (!strcmp(c->tensors[i].name, "token_embd.weight")) return c->tensors[i].dims[0];
    return 0;
}

static void put_tokens(glia_converter *c, const glia_vocab_source *v, int64_t rows)
{
    glia_gguf_string *text = GLIA_NEW_ARRAY(&c->arena, glia_gguf_string, rows);
    int32_t *types = GLIA_NEW_ARRAY(&c->arena, int32_t, rows);
    float *scores = v->scores ? GLIA_NEW_ARRAY(&c->arena, float, rows) : NULL;
    if (!text || !types || (v->scores && !scores)) {
        no_memory(c);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        bool own = i < v->count;
        const char *name = own ? v->text[i] : glia_arena_printf(&c->arena, "[PAD%lld]", (long long)i);
        if (!name) {
            no_memory(c);
            return;
        }
        text[i] = (glia_gguf_string){name, own ? v->text_size[i] : (int64_t)strlen(name)};
        types[i] = !own ? GLIA_TOK_TYPE_UNUSED : v->types ? v->types[i] : GLIA_TOK_TYPE_NORMAL;
        if (scores) scores[i] = own ? v->scores[i] : UNUSED_SCORE;
    }
    glia_gguf_set_strings(c->writer, KEY "tokens", text, rows);
    if (scores) glia_gguf_set_array(c->writer, KEY "scores", GLIA_GGUF_F32, scores, rows);
    glia_gguf_set_array(c->writer, KEY "token_type", GLIA_GGUF_I32, types, rows);
}

static void put_merges(glia_converter *c, const glia_vocab_source *v)
{
    glia_gguf_string *text = GLIA_NEW_ARRAY(&c->arena, glia_gguf_string, v->merge_count);
    if (!v->merge_count) return;
    if (!text) {
        no_memory(c);
        return;
    }
    for (int64_t i = 0; i < v->merge_count; i++) text[i] = (glia_gguf_string){v->merges[i], v->merge_size[i]};
    glia_gguf_set_strings(c->writer, KEY "merges", text, v->merge_count);
}

/* Ids of config.json and generation_config.json stand in for what the tokenizer does not say. */
static void find_ids(glia_converter *c, glia_vocab_source *v, int64_t rows)
{
    const glia_json *generation = read_json(c, "generation_config.json");
    const glia_json *files[] = {generation, c->config};
    const struct {
        const char *name;
        int64_t *id;
    } singles[] = {{"bos_token_id", &v->bos}, {"pad_token_id", &v->pad}};
    int64_t *const ends[] = {&v->eos, &v->eot, &v->eom};
    for (int f = 0; f < 2 && !c->status; f++) {
        const glia_json *eos = glia_convert_get(files[f], "eos_token_id");
        const glia_json *first = eos && eos->kind == GLIA_JSON_ARRAY ? eos->child : eos;
        for (int i = 0; i < 2; i++) {
            const glia_json *j = glia_convert_get(files[f], singles[i].name);
            int64_t id;
            if (j && *singles[i].id < 0 && glia_json_i64(j, &id) && id >= 0 && id < rows) *singles[i].id = id;
        }
        for (const glia_json *j = first; j; j = j == eos ? NULL : j->next) {
            int64_t id;
            if (!glia_json_i64(j, &id) || id < 0 || id >= rows || id == v->eos || id == v->eot ||
                id == v->eom)
                continue;
            for (int i = 0; i < 3; i++)
                if (*ends[i] < 0) {
                    *ends[i] = id;
                    break;
                }
        }
    }
}

static void put_ids(glia_converter *c, const glia_vocab_source *v, int64_t rows)
{
    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{KEY "bos_token_id", v->bos},       {KEY "eos_token_id", v->eos},
               {KEY "unknown_token_id", v->unk},   {KEY "padding_token_id", v->pad},
               {KEY "eot_token_id", v->eot},       {KEY "eom_token_id", v->eom},
               {KEY "seperator_token_id", v->sep}, /* so spelled */
               {KEY "cls_token_id", v->cls},       {KEY "mask_token_id", v->mask}};
    const struct {
        const char *key;
        int on;
    } switches[] = {{KEY "add_bos_token", v->add_bos},
                    {KEY "add_eos_token", v->add_eos},
                    {KEY "add_sep_token", v->add_sep},
                    {KEY "add_space_prefix", v->add_space_prefix},
                    {KEY "remove_extra_whitespaces", v->remove_extra_spaces},
                    {KEY "normalizer.lowercase", v->lowercase},
                    {KEY "normalizer.strip_accents", v->strip_accents}};
    for (int i = 0; i < GLIA_COUNT(ids); i++)
        if (ids[i].id >= 0 && ids[i].id < rows) glia_gguf_set_u32(c->writer, ids[i].key, (uint32_t)ids[i].id);
    for (int i = 0; i < GLIA_COUNT(switches); i++)
        if (switches[i].on >= 0) glia_gguf_set_bool(c->writer, switches[i].key, switches[i].on != 0);
    if (v->charsmap_size > 0)
        glia_gguf_set_array(c->writer, KEY "precompiled_charsmap", GLIA_GGUF_U8, v->charsmap,
                            v->charsmap_size);
}

/* ---- chat templates ---------------------------------------------------------------------------------- */

static bool plain_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n && n <= 64 && !name[n];
}

/* [{"name": .., "template": ..}, ..]; the one called `default` is the template. */
static void put_named_templates(glia_converter *c, const glia_json *list)
{
    for (const glia_json *j = list->child; j && !c->status; j = j->next) {
        const char *name = glia_convert_text(c, j, "name"), *text = glia_convert_text(c, j, "template");
        char *key = glia_arena_printf(&c->arena, "tokenizer.chat_template.%.64s", name);
        if (!key) no_memory(c);
        else if (!plain_name(name) || !text[0])
            glia_convert_fail(c, GLIA_E_FORMAT, "G0529",
                              "tokenizer_config.json: a chat template without a plain name");
        else if (!strcmp(name, "default"))
            glia_gguf_set_string(c->writer, "tokenizer.chat_template", text, -1);
        else glia_gguf_set_string(c->writer, key, text, -1);
    }
}

static void put_templates(glia_converter *c)
{
    int64_t size;
    const char *own = glia_convert_read(c, "chat_template.jinja", COMPANION_BYTES_MAX, &size);
    const glia_json *config = read_json(c, "tokenizer_config.json");
    const glia_json *j = glia_convert_get(config, "chat_template");
    if (c->status) return;
    if (own) glia_gguf_set_string(c->writer, "tokenizer.chat_template", own, size);
    else if (j && j->kind == GLIA_JSON_STRING)
        glia_gguf_set_string(c->writer, "tokenizer.chat_template", j->text, j->text_size);
    else if (j && j->kind == GLIA_JSON_ARRAY) put_named_templates(c, j);
    else if (j)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "tokenizer_config.json: chat_template is no text");
}

/* ---- the whole --------------------------------------------------------------------------------------- */

static void put_vocabulary(glia_converter *c, glia_tok_json *j)
{
    int64_t rows = embedding_rows(c);
    c->status = glia_tok_json_gguf(j, c->e);
    if (c->status) return;
    glia_vocab_source v = *glia_tok_json_source(j);
    if (v.count > rows) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0533",
                          "tokenizer.json has %lld tokens, the embedding %lld rows", (long long)v.count,
                          (long long)rows);
        return;
    }
    find_ids(c, &v, rows);
    if (c->status) return;
    glia_gguf_set_string(c->writer, KEY "model", v.kind, -1);
    if (v.pre) glia_gguf_set_string(c->writer, KEY "pre", v.pre, -1);
    put_tokens(c, &v, rows);
    put_merges(c, &v);
    put_ids(c, &v, rows);
    put_templates(c);
}

void glia_convert_tokenizer(glia_converter *c)
{
    int64_t size, config_size, ignored;
    glia_tok_json *j = NULL;
    const char *text = glia_convert_read(c, "tokenizer.json", TOKENIZER_BYTES_MAX, &size);
    const char *config = glia_convert_read(c, "tokenizer_config.json", COMPANION_BYTES_MAX, &config_size);
    if (c->status) return;
    if (!text) {
        bool piece = glia_convert_read(c, "tokenizer.model", TOKENIZER_BYTES_MAX, &ignored) != NULL;
        glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0534", "there is no tokenizer.json%s",
                          piece ? "; tokenizer.model alone is not read" : "");
        return;
    }
    c->status = glia_tok_json_read(c->os, text, size, config, config_size, &j, c->e);
    if (c->status) glia_error_context(c->e, "tokenizer.json");
    else put_vocabulary(c, j);
    glia_tok_json_free(j);
}
