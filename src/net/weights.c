/* Where the weights of a part come from. A name is looked for among the values of the plan's graph that hold their
 * data, then among the initializers; "NAME^T" is an initializer [k, n] read as [n, k], row by row, so that no second
 * copy of it ever exists. */
#include "net/weights.h"

#include "base/check.h"

#include <string.h>

enum { TILE_BYTES = 4096 };

typedef struct found {
    const void *data; /* in memory, or null */
    const glia_onnx_tensor *tensor;
    bool swapped;
} found;

/* Which kind a handle is: it points at a value with data, or at a tensor; swapped ones differ in the name alone. */
static found resolve(const glia_net_weights *w, const glia_source_tensor *t)
{
    found f = {NULL, NULL, false};
    int64_t size = (int64_t)strlen(t->name);
    f.swapped = size > 2 && !strcmp(t->name + size - 2, "^T");
    if (!f.swapped) f.data = ((const glia_value_info *)t->handle)->data;
    for (int64_t i = 0; !f.data && i < w->slot_count; i++) {
        const glia_net_slot *s = &w->slots[i];
        int64_t n = size - (f.swapped ? 2 : 0);
        if (s->initializer && !strncmp(s->name, t->name, (size_t)n) && !s->name[n]) f.tensor = s->initializer;
    }
    if (f.tensor && f.tensor->data) f.data = f.tensor->data;
    return f;
}

static int64_t count(const void *ctx)
{
    (void)ctx;
    return 0;
}

static bool at(const void *ctx, int64_t i, glia_source_tensor *out)
{
    (void)ctx;
    (void)i;
    (void)out;
    return false;
}

static bool find(const void *ctx, const char *name, glia_source_tensor *out)
{
    const glia_net_weights *w = ctx;
    glia_value v = glia_graph_find(w->graph, name);
    if (!v.id) return false;
    const glia_value_info *info = glia_graph_value(w->graph, v);
    *out = (glia_source_tensor){.name = info->name,
                                .dtype = info->type.dtype,
                                .rank = info->type.rank,
                                .bytes = -1,
                                .handle = info,
                                .file = ""};
    for (int i = 0; i < info->type.rank; i++) out->dims[i] = info->type.dims[i];
    found f = resolve(w, out);
    return f.data || f.tensor;
}

/* Rows [first, last) of the [n, k] tensor of 4-byte elements whose [k, n] form is in `from`: 16 rows at a time, so that
 * both sides are read and written in runs that stay in cache. */
static void swap_words(const uint32_t *from, int64_t k, int64_t n, int64_t first, int64_t last, uint32_t *to)
{
    enum { ROWS = 16 };
    for (int64_t row = first; row < last; row += ROWS) {
        const int64_t rows = glia_min(ROWS, last - row);
        uint32_t *out = to + (row - first) * k;
        for (int64_t i = 0; i < k; i++)
            for (int64_t r = 0; r < rows; r++) out[r * k + i] = from[i * n + row + r];
    }
}

/* Bytes [begin, begin + bytes) of the [n, k] tensor whose [k, n] form is in `from`. */
static void swap_rows(const uint8_t *from, int64_t k, int64_t n, int64_t size, int64_t begin, int64_t bytes,
                      uint8_t *to)
{
    const int64_t row = k * size;
    const bool words = size == 4 && ((uintptr_t)from | (uintptr_t)to) % 4 == 0 && row > 0;
    if (words && begin % row == 0 && bytes % row == 0) {
        swap_words((const uint32_t *)(const void *)from, k, n, begin / row, (begin + bytes) / row,
                   (uint32_t *)(void *)to);
        return;
    }
    for (int64_t i = begin / size; i < (begin + bytes) / size; i++, to += size)
        memcpy(to, from + (i % k * n + i / k) * size, (size_t)size);
}

/* The same of an external file: a column is read in strips. */
static glia_status swap_file(const glia_net_weights *w, const glia_onnx_tensor *t, int64_t size,
                             int64_t begin, int64_t bytes, uint8_t *to, glia_error *e)
{
    const int64_t k = t->dims[0], n = t->dims[1], first = begin / size / k,
                  last = glia_ceil_div((begin + bytes) / size, k);
    uint8_t strip[TILE_BYTES];
    const int64_t wide = TILE_BYTES / size;
    for (int64_t column = first; column < last; column += wide)
        for (int64_t row = 0; row < k; row++) {
            int64_t take = glia_min(wide, last - column);
            glia_status s =
                glia_onnx_tensor_read(w->file, t, (row * n + column) * size, take * size, strip, e);
            if (s) return s;
            for (int64_t c = 0; c < take; c++) {
                int64_t place = ((column + c) * k + row) * size - begin;
                if (place >= 0 && place < bytes) memcpy(to + place, strip + c * size, (size_t)size);
            }
        }
    return GLIA_OK;
}

static glia_status read(const void *ctx, const glia_source_tensor *t, int64_t begin, int64_t bytes, void *to,
                        glia_error *e)
{
    const glia_net_weights *w = ctx;
    const found f = resolve(w, t);
    const int64_t size = glia_dtype_get(t->dtype)->block_bytes;
    if (!f.data && !f.tensor)
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0502", "tensor `%.200s` is missing", t->name);
    if (f.swapped && f.data) swap_rows(f.data, f.tensor->dims[0], f.tensor->dims[1], size, begin, bytes, to);
    else if (f.swapped) return swap_file(w, f.tensor, size, begin, bytes, to, e);
    else if (f.data) memcpy(to, (const uint8_t *)f.data + begin, (size_t)bytes);
    else return glia_onnx_tensor_read(w->file, f.tensor, begin, bytes, to, e);
    return GLIA_OK;
}

glia_source glia_net_weights_source(const glia_net_weights *w)
{
    return (glia_source){w, count, at, find, read};
}
