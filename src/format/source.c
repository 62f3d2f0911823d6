/* The weight sources; see source.h. */
#include "format/source.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static glia_source_tensor of_gguf(const glia_gguf *g, const glia_gguf_tensor *t)
{
    glia_source_tensor out = {
        t->name, t->dtype, t->rank, {0}, t->bytes, t->offset, glia_gguf_tensor_file(g, t), t};
    memcpy(out.dims, t->dims, sizeof out.dims);
    return out;
}

static int64_t gguf_count(const void *ctx) { return glia_gguf_tensor_count(ctx); }

static bool gguf_at(const void *ctx, int64_t i, glia_source_tensor *out)
{
    const glia_gguf_tensor *t = glia_gguf_tensor_at(ctx, i);
    if (t) *out = of_gguf(ctx, t);
    return t != NULL;
}

static bool gguf_find(const void *ctx, const char *name, glia_source_tensor *out)
{
    const glia_gguf_tensor *t = glia_gguf_tensor_find(ctx, name);
    if (t) *out = of_gguf(ctx, t);
    return t != NULL;
}

static glia_status gguf_read(const void *ctx, const glia_source_tensor *t, int64_t byte_begin, int64_t bytes,
                             void *to, glia_error *e)
{
    return glia_gguf_read(ctx, t->handle, byte_begin, bytes, to, e);
}

glia_source glia_source_from_gguf(const glia_gguf *g)
{
    return (glia_source){g, gguf_count, gguf_at, gguf_find, gguf_read};
}

static glia_source_tensor of_safetensors(const glia_safetensors *s, const glia_safetensors_tensor *t)
{
    glia_source_tensor out = {
        t->name, t->dtype, t->rank, {0}, t->bytes, t->offset, glia_safetensors_shard_name(s, t->shard), t};
    memcpy(out.dims, t->dims, sizeof out.dims);
    return out;
}

static int64_t safetensors_count(const void *ctx) { return glia_safetensors_count(ctx); }

static bool safetensors_at(const void *ctx, int64_t i, glia_source_tensor *out)
{
    const glia_safetensors_tensor *t = glia_safetensors_at(ctx, i);
    if (t) *out = of_safetensors(ctx, t);
    return t != NULL;
}

static bool safetensors_find(const void *ctx, const char *name, glia_source_tensor *out)
{
    const glia_safetensors_tensor *t = glia_safetensors_find(ctx, name);
    if (t) *out = of_safetensors(ctx, t);
    return t != NULL;
}

static glia_status safetensors_read(const void *ctx, const glia_source_tensor *t, int64_t byte_begin,
                                    int64_t bytes, void *to, glia_error *e)
{
    return glia_safetensors_read(ctx, t->handle, byte_begin, bytes, to, e);
}

glia_source glia_source_from_safetensors(const glia_safetensors *s)
{
    return (glia_source){s, safetensors_count, safetensors_at, safetensors_find, safetensors_read};
}

glia_status glia_source_require(const glia_source *s, const char *name, glia_source_tensor *out,
                                glia_error *e)
{
    if (s->find(s->ctx, name, out)) return GLIA_OK;
    return glia_fail(e, GLIA_E_NOT_FOUND, "G0326", "the tensor '%.128s' is missing", name);
}

void glia_source_origin(const glia_source_tensor *t, char *text, int64_t size)
{
    snprintf(text, (size_t)size, "%s at 0x%llx", t->file, (unsigned long long)t->offset);
}
