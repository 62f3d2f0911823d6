/* What a model is, as 32 bytes: that keys and values of one model are never taken for those of another.
 *
 * SHA-256 over the metadata and the tensors' names, shapes and types, over samples of the tensors' bytes (all
 * of those up to 8 KiB, else 4 pieces of 2 KiB spread evenly, the first and the last bytes among them), and
 * over what the graph has beyond the file: operations, real-valued attributes, names of weights. The cost is
 * bounded: the header, and 8 KiB for each tensor. Two files that differ only in bytes between the samples are
 * taken for one another; training changes all of a tensor, so models do not. */
#include "base/check.h"
#include "base/sha256.h"
#include "llm/internal.h"

#include <string.h>

enum { WHOLE_BYTES = 8192, PIECES = 4, PIECE_BYTES = 2048 };

static void add_u64(glia_sha256 *h, uint64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(v >> 8 * i);
    glia_sha256_add(h, bytes, sizeof bytes);
}

static void add_text(glia_sha256 *h, const char *text, int64_t size)
{
    add_u64(h, (uint64_t)size);
    if (size) glia_sha256_add(h, text, size);
}

static void add_name(glia_sha256 *h, const char *name) { add_text(h, name, (int64_t)strlen(name)); }

void glia_graph_identity(const glia_graph *g, uint8_t out[32])
{
    glia_sha256 h;
    glia_sha256_init(&h);
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        add_name(&h, n->op->name);
        for (int a = 0; n->op->attrs && n->op->attrs[a].name; a++) {
            uint64_t bits;
            if (n->op->attrs[a].kind != GLIA_ATTR_FLOAT) continue;
            memcpy(&bits, &n->attr[a].f, sizeof bits);
            add_u64(&h, bits);
        }
        for (int32_t k = 0; k < n->in_count; k++)
            if (!glia_is_null(n->in[k]) && g->values[n->in[k].id].kind == GLIA_VALUE_WEIGHT)
                add_name(&h, g->values[n->in[k].id].name);
    }
    glia_sha256_done(&h, out);
}

static void add_value(glia_sha256 *h, const glia_gguf_value *v)
{
    add_text(h, v->key, v->key_size);
    add_u64(h, v->type);
    add_u64(h, v->element);
    add_u64(h, (uint64_t)v->count);
    if (v->strings)
        for (int64_t i = 0; i < v->count; i++) add_text(h, v->strings[i].text, v->strings[i].size);
    else if (v->data) glia_sha256_add(h, v->data, v->count * glia_gguf_type_bytes(v->element));
    else add_u64(h, v->bits);
}

static glia_status add_tensor(glia_sha256 *h, const glia_gguf *file, const glia_gguf_tensor *t, glia_error *e)
{
    uint8_t bytes[PIECE_BYTES];
    add_name(h, t->name);
    add_u64(h, (uint64_t)t->gguf_type);
    add_u64(h, (uint64_t)t->rank);
    for (int i = 0; i < t->rank; i++) add_u64(h, (uint64_t)t->dims[i]);
    bool whole = t->bytes <= WHOLE_BYTES;
    int64_t count = whole ? glia_ceil_div(glia_max(0, t->bytes), PIECE_BYTES) : PIECES;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = whole ? i * PIECE_BYTES : (t->bytes - PIECE_BYTES) / (PIECES - 1) * i;
        if (!whole && i == PIECES - 1) at = t->bytes - PIECE_BYTES;
        int64_t n = glia_min(PIECE_BYTES, t->bytes - at);
        glia_status s = glia_gguf_read(file, t, at, n, bytes, e);
        if (s) return s;
        glia_sha256_add(h, bytes, n);
    }
    return GLIA_OK;
}

static glia_status add_file(glia_sha256 *h, const glia_gguf *file, glia_error *e)
{
    add_u64(h, (uint64_t)glia_gguf_count(file));
    for (int64_t i = 0; i < glia_gguf_count(file); i++) add_value(h, glia_gguf_at(file, i));
    add_u64(h, (uint64_t)glia_gguf_tensor_count(file));
    for (int64_t i = 0; i < glia_gguf_tensor_count(file); i++) {
        glia_status s = add_tensor(h, file, glia_gguf_tensor_at(file, i), e);
        if (s) return s;
    }
    return GLIA_OK;
}

glia_status glia_model_identity(const glia_model *m, uint8_t out[32], glia_error *e)
{
    glia_sha256 h;
    glia_sha256_init(&h);
    glia_sha256_add(&h, m->graph_identity, sizeof m->graph_identity);
    glia_status s = add_file(&h, m->file, e);
    for (int i = 0; !s && i < GLIA_ADAPTERS_MAX && m->adapters[i]; i++) s = add_file(&h, m->adapters[i], e);
    if (!s) glia_sha256_done(&h, out);
    return s;
}
