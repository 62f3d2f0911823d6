/* Low-rank adapters (LoRA: Hu et al., 2021) from GGUF files, applied while the model runs: beside each
 * product
 *
 *     y = x W^T   comes   y + s (x A^T) B^T,   s = scale * alpha / r,   A [r, k], B [n, r]
 *
 * so that weights stay in the format that they have, and the adapter's cost is its own bytes.
 *
 * An adapter file has general.type "adapter", adapter.type "lora", the model's architecture, and pairs of
 * tensors NAME.lora_a and NAME.lora_b for the model's tensor NAME. Refused by name: other kinds, other
 * architectures, halves of pairs, and tensors that meet no product of the model (token embeddings and stacks
 * of experts among them). */
#include "llm/adapter.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_text(const glia_gguf_string *s, const char *text)
{
    return s->size == (int64_t)strlen(text) && !memcmp(s->text, text, (size_t)s->size);
}

static glia_status expect_text(const glia_gguf *g, const char *key, const char *want, glia_error *e)
{
    glia_gguf_string have;
    glia_status s = glia_gguf_string_or(g, key, "", &have, e);
    if (s || is_text(&have, want)) return s;
    return glia_fail(e, GLIA_E_FORMAT, "G0550", "adapter %s: `%s` is `%.*s`; it must be `%s`",
                     glia_gguf_file_name(g), key, (int)glia_min(have.size, 64), have.text, want);
}

glia_status glia_adapter_open(const glia_os *os, const glia_adapter *given, const glia_gguf *model,
                              glia_gguf **out, glia_error *e)
{
    glia_gguf_string arch;
    char name[64];
    *out = NULL;
    if (!given->path || !isfinite(given->scale))
        return glia_fail(e, GLIA_E_ARG, "G0714", "an adapter has no path, or its scale is not finite");
    glia_status s = glia_gguf_string_of(model, "general.architecture", &arch, e);
    if (!s) s = glia_gguf_open(os, given->path, NULL, out, e);
    if (s) return s;
    snprintf(name, sizeof name, "%.*s", (int)glia_min(arch.size, 63), arch.text);
    s = expect_text(*out, "general.type", "adapter", e);
    if (!s) s = expect_text(*out, "adapter.type", "lora", e);
    if (!s) s = expect_text(*out, "general.architecture", name, e);
    if (s) {
        glia_gguf_close(*out);
        *out = NULL;
    }
    return s;
}

/* One half as a weight of the graph, its rows [begin, end) or all; null where the file has none. */
static glia_value half(glia_lm_builder *b, int adapter, const char *name, char which, int64_t begin,
                       int64_t end, glia_source_tensor *t)
{
    const glia_lm_adapter *a = &b->adapters[adapter];
    glia_source source = glia_source_from_gguf(a->file);
    const char *tensor = glia_lm_name(b, "%s.lora_%c", name, which);
    char origin[160];
    if (b->status || !source.find(source.ctx, tensor, t)) return (glia_value){0};
    a->used[glia_gguf_tensor_find(a->file, tensor) - glia_gguf_tensor_at(a->file, 0)] = 1;
    if (t->rank != 2 || t->dtype == GLIA_DTYPE_NONE || end > t->dims[0]) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0552",
                     "adapter tensor `%s` is no matrix of a known type with %lld rows or more", tensor,
                     (long long)glia_max(end, 1));
        return (glia_value){0};
    }
    glia_type type = {t->dtype, 2, 0, {end ? end - begin : t->dims[0], t->dims[1]}};
    const char *full =
        end ? glia_lm_name(b, "lora%d:%s[%lld:%lld]", adapter, tensor, (long long)begin, (long long)end)
            : glia_lm_name(b, "lora%d:%s", adapter, tensor);
    glia_value have = glia_graph_find(b->g, full); /* A of a fused matrix meets several products */
    if (!glia_is_null(have)) return have;
    glia_source_origin(t, origin, sizeof origin);
    return glia_graph_weight(b->g, full, &type, NULL, origin);
}

static glia_value apply(glia_lm_builder *b, int adapter, glia_value x, glia_value y, const char *name,
                        int64_t begin, int64_t end)
{
    glia_source_tensor ta, tb;
    glia_value first = half(b, adapter, name, 'a', 0, 0, &ta),
               second = half(b, adapter, name, 'b', begin, end, &tb);
    if (b->status || (glia_is_null(first) && glia_is_null(second))) return y;
    if (glia_is_null(first) || glia_is_null(second) || ta.dims[0] != tb.dims[1] || ta.dims[0] < 1) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0552",
                     "adapter %s: `%s.lora_a` and `%s.lora_b` must be there as [r, k] and [n, r] with one r",
                     glia_gguf_file_name(b->adapters[adapter].file), name, name);
        return y;
    }
    float s = (float)(b->adapters[adapter].scale * b->adapters[adapter].alpha / (double)ta.dims[0]);
    glia_type one = {GLIA_F32, 1, 0, {1}};
    const char *at = glia_lm_name(b, "lora%d:%s@%lld", adapter, name, (long long)begin);
    glia_value scale = glia_graph_constant(b->g, glia_lm_name(b, "%s.scale", at), &one, &s);
    glia_value low =
        glia_graph_node(b->g, "linear", glia_lm_name(b, "%s.a", at), (glia_value[]){x, first}, 2, NULL);
    low = glia_graph_node(b->g, "mul", glia_lm_name(b, "%s.scaled", at), (glia_value[]){low, scale}, 2, NULL);
    low = glia_graph_node(b->g, "linear", glia_lm_name(b, "%s.b", at), (glia_value[]){low, second}, 2, NULL);
    return glia_graph_node(b->g, "add", glia_lm_name(b, "%s.sum", at), (glia_value[]){y, low}, 2, NULL);
}

glia_value glia_lm_adapt(glia_lm_builder *b, glia_value x, glia_value y, const char *name, int64_t begin,
                         int64_t end)
{
    glia_lm_observe(b, x, name);
    for (int i = 0; i < b->adapter_count && !b->status; i++) y = apply(b, i, x, y, name, begin, end);
    return y;
}

void glia_lm_adapters_begin(glia_lm_builder *b, const glia_lm_options *o)
{
    b->adapters = GLIA_NEW_ARRAY(b->arena, glia_lm_adapter, o->adapter_count + 1);
    if (!b->adapters) glia_lm_fail(b, GLIA_E_NOMEM, "G0801", "out of memory while building the model");
    for (int i = 0; i < o->adapter_count && !b->status; i++) {
        glia_lm_adapter *a = &b->adapters[i];
        glia_error e = GLIA_ERROR_INIT;
        a->file = o->adapter_files[i];
        a->scale = (double)o->adapters[i].scale;
        a->used = GLIA_NEW_ARRAY(b->arena, uint8_t, glia_gguf_tensor_count(a->file) + 1);
        if (!a->used) glia_lm_fail(b, GLIA_E_NOMEM, "G0801", "out of memory while building the model");
        glia_status s = glia_gguf_f64(a->file, "adapter.lora.alpha", &a->alpha, &e);
        if (s) glia_lm_fail(b, s, e.code, "%s", e.text);
        else if (!isfinite(a->alpha))
            glia_lm_fail(b, GLIA_E_FORMAT, "G0550", "adapter %s: adapter.lora.alpha is not finite",
                         glia_gguf_file_name(a->file));
        b->adapter_count = i + 1;
    }
}

void glia_lm_adapters_end(glia_lm_builder *b)
{
    for (int i = 0; i < b->adapter_count; i++)
        for (int64_t t = 0; t < glia_gguf_tensor_count(b->adapters[i].file) && !b->status; t++)
            if (!b->adapters[i].used[t])
                glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0551",
                             "adapter tensor `%s` meets no product of architecture `%s` as built here",
                             glia_gguf_tensor_at(b->adapters[i].file, t)->name, b->arch);
}
