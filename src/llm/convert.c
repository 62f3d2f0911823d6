/* Leads a conversion: the folder, its config, the table, the tokenizer, the file. See convert.h. */
#include "llm/convert.h"

#include "base/check.h"
#include "format/file.h"

#include <glia/convert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_BYTES_MAX (8 << 20)
#define JSON_DEPTH_MAX 64

typedef struct job {
    glia_converter c;
    glia_convert_options options;
} job;

void glia_convert_fail(glia_converter *c, glia_status s, const char *code, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (c->status) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->status = glia_fail(c->e, s, code, "%s", text);
}

bool glia_convert_one_of(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; size && *at;) {
        size_t n = strcspn(at, "|");
        if (n == size && !memcmp(at, word, n)) return true;
        at += n + (at[n] == '|');
    }
    return false;
}

static const char *path_of(glia_converter *c, const char *name)
{
    const char *path = glia_arena_printf(&c->arena, "%s%s", c->folder, name);
    if (!path) glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for a path");
    return path;
}

static bool is_there(glia_converter *c, const char *name)
{
    glia_file f;
    const char *path = path_of(c, name);
    if (!path || c->os->file_open(c->os->ctx, path, GLIA_FILE_READ, &f)) return false;
    c->os->file_close(c->os->ctx, f);
    return true;
}

const char *glia_convert_read(glia_converter *c, const char *name, int64_t bytes_max, int64_t *size)
{
    char *data;
    *size = 0;
    if (c->status || !is_there(c, name)) return NULL;
    glia_status s = glia_file_load(c->os, path_of(c, name), bytes_max, &data, size, c->e);
    if (s) {
        c->status = s;
        return NULL;
    }
    const char *kept = glia_arena_strndup(&c->arena, data, *size);
    c->os->mem_free(c->os->ctx, data, (size_t)*size + 1);
    if (!kept) glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for `%s`", name);
    return kept;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* `in` is a folder, or a file of weights in it. */
static void open_weights(glia_converter *c, const char *in)
{
    const char *file = NULL, *slash = strrchr(in, '/');
    if (ends_with(in, ".safetensors") || ends_with(in, ".json")) {
        file = slash ? slash + 1 : in;
        c->folder = glia_arena_strndup(&c->arena, in, slash ? slash + 1 - in : 0);
    } else {
        c->folder = glia_arena_printf(&c->arena, ends_with(in, "/") ? "%s" : "%s/", in);
    }
    if (!c->folder) {
        glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for a path");
        return;
    }
    if (!file)
        file = is_there(c, "model.safetensors.index.json") ? "model.safetensors.index.json"
                                                           : "model.safetensors";
    if (!is_there(c, file) && is_there(c, "pytorch_model.bin"))
        glia_convert_fail(
            c, GLIA_E_UNSUPPORTED, "G0527",
            "%.512s: pytorch_model.bin may run code when it is read; save the model as SafeTensors", in);
    const char *path = c->status ? NULL : path_of(c, file);
    if (path) c->status = glia_safetensors_open(c->os, path, NULL, &c->weights, c->e);
}

static void read_config(glia_converter *c)
{
    int64_t size;
    const char *text = glia_convert_read(c, "config.json", CONFIG_BYTES_MAX, &size);
    if (c->status) return;
    if (!text) {
        glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0527", "%.512s: there is no config.json beside the weights",
                          c->folder);
        return;
    }
    c->status =
        glia_json_parse(&c->arena, text, size, JSON_DEPTH_MAX, GLIA_JSON_UNIQUE_KEYS, &c->config, c->e);
    if (c->status) glia_error_context(c->e, "config.json");
    else if (c->config->kind != GLIA_JSON_OBJECT)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0529", "config.json is no object");
}

static void find_arch(glia_converter *c)
{
    const glia_json *list = glia_json_get(c->config, "architectures");
    const glia_json *first = list && list->kind == GLIA_JSON_ARRAY ? list->child : NULL;
    if (!first || first->kind != GLIA_JSON_STRING) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0528", "config.json names no architecture");
        return;
    }
    for (const glia_convert_arch *a = glia_convert_archs; a->name && !c->arch; a++)
        if (glia_convert_one_of(a->classes, first->text)) c->arch = a;
    if (!c->arch)
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0528", "the architecture `%.80s` has no table here",
                          first->text);
    if (glia_convert_get(c->config, "quantization_config") && strcmp(c->arch ? c->arch->name : "", "gpt-oss"))
        glia_convert_fail(
            c, GLIA_E_UNSUPPORTED, "G0530",
            "config.json: the weights are already quantised (quantization_config); convert the original");
}

/* The type of the matrices, where none was asked for: the checkpoint's own. */
static void find_type(glia_converter *c, const char *type)
{
    for (int64_t i = 0; !type && i < glia_safetensors_count(c->weights); i++) {
        const glia_safetensors_tensor *t = glia_safetensors_at(c->weights, i);
        if (t->rank < 2) continue;
        if (t->dtype == GLIA_F16) type = "F16";
        if (t->dtype == GLIA_BF16) type = "BF16";
        if (t->dtype == GLIA_F32 || t->dtype == GLIA_F64) type = "F32";
    }
    c->mix =
        type && glia_convert_one_of("F32|F16|BF16|Q8_0|f32|f16|bf16|q8_0", type) ? glia_mix_find(type) : NULL;
    if (!c->mix)
        glia_convert_fail(
            c, GLIA_E_NOT_FOUND, "G0520",
            "`%.40s` is none of F32, F16, BF16 and Q8_0; glia quantize makes the others from those",
            type ? type : "");
}

static void find_ties(glia_converter *c)
{
    const glia_json *tie = glia_json_get(c->config, "tie_word_embeddings");
    bool output = glia_safetensors_find(c->weights, "lm_head.weight") != NULL;
    bool gemma = !strncmp(c->arch->name, "gemma", 5);
    c->tied = tie ? glia_convert_bool(c, c->config, "tie_word_embeddings", true) : !output;
    if (gemma || !strcmp(c->arch->name, "gpt2")) c->tied = c->tied || !tie; /* their class's default */
}

static glia_status produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                           glia_error *e)
{
    job *j = ctx;
    const glia_convert_options *o = &j->options;
    if (byte_begin == 0 && o->on_tensor &&
        o->on_tensor(o->user, j->c.tensors[tensor].name, tensor, j->c.count))
        return glia_fail(e, GLIA_E_CANCELLED, "G0525", "cancelled before tensor '%.64s'",
                         j->c.tensors[tensor].name);
    return glia_convert_produce(&j->c, tensor, byte_begin, bytes, to, e);
}

static void run(job *j, const char *in, const char *out)
{
    glia_converter *c = &j->c;
    open_weights(c, in);
    if (!c->status) read_config(c);
    if (!c->status) find_arch(c);
    if (!c->status) find_type(c, j->options.type);
    if (!c->status) find_ties(c);
    if (!c->status) c->status = glia_gguf_writer_create(c->os, &c->writer, c->e);
    if (!c->status) glia_convert_metadata(c);
    if (!c->status) glia_convert_plan(c);
    if (!c->status) glia_convert_tokenizer(c);
    for (int64_t i = 0; i < c->count && !c->status; i++)
        glia_gguf_add_tensor(c->writer, c->tensors[i].name, c->tensors[i].dtype, c->tensors[i].rank,
                             c->tensors[i].dims);
    if (!c->status) c->status = glia_gguf_writer_write(c->writer, out, produce, j, c->e);
}

glia_status glia_convert(const char *in, const char *out, const glia_convert_options *options, glia_error *e)
{
    job j = {.options = GLIA_CONVERT_OPTIONS_INIT};
    glia_error_clear(e);
    if (options) memcpy(&j.options, options, (size_t)glia_min(options->size, sizeof j.options));
    if (!in || !out || !strcmp(in, out))
        return glia_fail(e, GLIA_E_ARG, "G0526", "a checkpoint and another file to write are needed");
    j.c.os = j.options.os ? j.options.os : glia_os_default();
    j.c.e = e;
    glia_arena_init(&j.c.arena, j.c.os, 0);
    run(&j, in, out);
    glia_gguf_writer_destroy(j.c.writer);
    glia_safetensors_close(j.c.weights);
    glia_arena_free(&j.c.arena);
    return j.c.status;
}
