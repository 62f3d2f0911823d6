/* Texts that break a repetition, as sequences of tokens: every token whose bytes hold the text; and every
 * token that ends with a first part of it, followed by the tokens of the rest. */
#include "llm/sampler.h"

#include "base/check.h"
#include "base/error.h"
#include "llm/internal.h"

#include <string.h>

enum { BREAKER_BYTES_MAX = 256 };

typedef struct out {
    int32_t *ids;
    int64_t capacity, count;
} out;

static void put(out *o, int32_t id)
{
    if (o->count < o->capacity) o->ids[o->count] = id;
    o->count++;
}

static bool holds(const char *piece, int64_t size, const char *text, int64_t text_size)
{
    for (int64_t i = 0; i + text_size <= size; i++)
        if (!memcmp(piece + i, text, (size_t)text_size)) return true;
    return false;
}

/* The token that ends with the first `part` bytes, and the tokens of the rest. */
static glia_status put_split(const glia_tokenizer *t, int32_t id, const char *rest, int64_t size, out *o,
                             glia_error *e)
{
    int32_t tail[BREAKER_BYTES_MAX + 8];
    int64_t count = 0;
    const glia_status st = glia_tokenizer_encode(t, rest, size, 0, tail, GLIA_COUNT(tail), &count, e);
    if (st) return st;
    put(o, id);
    for (int64_t i = 0; i < count; i++) put(o, tail[i]);
    put(o, -1);
    return GLIA_OK;
}

static glia_status add_breaker(const glia_tokenizer *t, const char *text, char *piece, out *o, glia_error *e)
{
    const int64_t size = (int64_t)strlen(text);
    if (size == 0 || size > BREAKER_BYTES_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0622", "a sequence breaker has 1 to %d bytes", BREAKER_BYTES_MAX);
    for (int64_t id = 0; id < glia_tokenizer_vocab_size(t); id++) {
        const int64_t n = glia_tokenizer_piece(t, (int32_t)id, piece, glia_tokenizer_piece_max(t), 0);
        if (holds(piece, n, text, size)) {
            put(o, (int32_t)id);
            put(o, -1);
            continue;
        }
        for (int64_t part = glia_min(n, size - 1); part > 0; part--) {
            if (memcmp(piece + n - part, text, (size_t)part)) continue;
            const glia_status st = put_split(t, (int32_t)id, text + part, size - part, o, e);
            if (st) return st;
        }
    }
    return GLIA_OK;
}

glia_status glia_sampler_breakers(const glia_model *m, const char *const *texts, int64_t text_count,
                                  int32_t *ids, int64_t capacity, int64_t *count, glia_error *e)
{
    glia_error_clear(e);
    if (!m || !m->tokenizer || text_count < 0 || (text_count && !texts) || capacity < 0 ||
        (capacity && !ids) || !count)
        return glia_fail(e, GLIA_E_ARG, "G0622", "breakers: a null or negative argument");
    const glia_os *os = m->options.os;
    const int64_t bytes = glia_tokenizer_piece_max(m->tokenizer) + 1;
    char *piece = os->mem_alloc(os->ctx, (size_t)bytes, 16);
    if (!piece) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a token's text");
    out o = {ids, capacity, 0};
    glia_status st = GLIA_OK;
    for (int64_t i = 0; i < text_count && !st; i++) st = add_breaker(m->tokenizer, texts[i], piece, &o, e);
    os->mem_free(os->ctx, piece, (size_t)bytes);
    *count = o.count;
    return st;
}
