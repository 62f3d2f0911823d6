/* The public face of SafeTensors files (glia/tensors.h). */
#include <glia/tensors.h>

#include "base/check.h"
#include "base/error.h"
#include "format/safetensors.h"

#include <string.h>

static const glia_safetensors *inner(const glia_tensors *t) { return (const glia_safetensors *)t; }

glia_status glia_tensors_open(const char *path, const glia_os *os, glia_tensors **out, glia_error *e)
{
    glia_safetensors *file = NULL;
    if (!path || !out) return glia_fail(e, GLIA_E_ARG, "G0714", "a path or a place for the result is null");
    glia_status s = glia_safetensors_open(os, path, NULL, &file, e);
    *out = (glia_tensors *)file;
    return s;
}

void glia_tensors_close(glia_tensors *t) { glia_safetensors_close((glia_safetensors *)t); }

int64_t glia_tensors_count(const glia_tensors *t) { return t ? glia_safetensors_count(inner(t)) : 0; }

glia_status glia_tensors_at(const glia_tensors *t, int64_t i, glia_tensor_info *out)
{
    const glia_safetensors_tensor *of = t ? glia_safetensors_at(inner(t), i) : NULL;
    glia_tensor_info info = GLIA_TENSOR_INFO_INIT;
    if (!of || !out) return GLIA_E_ARG;
    info.size = out->size < sizeof info ? out->size : (uint32_t)sizeof info;
    info.name = of->name;
    info.type_name = of->type_name;
    info.dtype = of->dtype;
    info.rank = of->rank;
    memcpy(info.dims, of->dims, sizeof info.dims);
    info.bytes = of->bytes;
    memcpy(out, &info, info.size);
    return GLIA_OK;
}

glia_status glia_tensors_read(const glia_tensors *t, int64_t i, void *to, int64_t bytes, glia_error *e)
{
    const glia_safetensors_tensor *of = t ? glia_safetensors_at(inner(t), i) : NULL;
    if (!of || (bytes && !to))
        return glia_fail(e, GLIA_E_ARG, "G0714", "there is no such tensor, or no room");
    if (bytes != of->bytes)
        return glia_fail(e, GLIA_E_ARG, "G0714", "tensor `%.200s` has %lld bytes; there is room for %lld",
                         of->name, (long long)of->bytes, (long long)bytes);
    return glia_safetensors_read(inner(t), of, 0, bytes, to, e);
}
