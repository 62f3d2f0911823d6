/* GGUF files that hold something else than a language model. They have tensors and metadata like any model,
 * so that without this check the first missing key would be blamed. */
#include "format/gguf.h"

#include "base/check.h"
#include "base/error.h"

#include <string.h>

static const struct {
    const char *key, *value, *what;
} kinds[] = {
    {"general.type", "adapter", "an adapter (LoRA), which changes a model and is none by itself"},
    {"general.type", "mmproj",
     "a multimodal projector, which turns images or sound into embeddings for a model"},
    {"general.type", "imatrix", "an importance matrix; it belongs to `glia quantize --imatrix`"},
    {"general.architecture", "clip",
     "a multimodal projector (clip), which turns images into embeddings for a model"},
};

glia_status glia_gguf_require_model(const glia_gguf *g, glia_error *e)
{
    for (int i = 0; i < GLIA_COUNT(kinds); i++) {
        const glia_gguf_value *v = glia_gguf_find(g, kinds[i].key);
        if (!v || v->type != GLIA_GGUF_STRING || v->strings[0].size != (int64_t)strlen(kinds[i].value) ||
            memcmp(v->strings[0].text, kinds[i].value, (size_t)v->strings[0].size))
            continue;
        return glia_fail_at(e, GLIA_E_UNSUPPORTED, "G0348", v->offset,
                            "the file is no language model but %s (%s = `%s`)", kinds[i].what, kinds[i].key,
                            kinds[i].value);
    }
    return GLIA_OK;
}
