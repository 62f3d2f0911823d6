/* Ids to bytes. No memory, work bounded by the piece; what a stream gives out is always UTF-8. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"

#include <string.h>

/* The bytes that a token gives, null if none. */
static const char *piece_of(const glia_tokenizer *t, int32_t id, int flags, int64_t *size)
{
    *size = 0;
    if (id < 0 || id >= t->count) return NULL;
    const bool silent = t->type[id] == GLIA_TOK_TYPE_CONTROL || t->type[id] == GLIA_TOK_TYPE_UNKNOWN;
    if (silent && !(flags & GLIA_TOK_RENDER)) return NULL;
    *size = tok_size(&t->piece, id);
    return tok_at(&t->piece, id);
}

int64_t glia_tokenizer_piece(const glia_tokenizer *t, int32_t id, char *buf, int64_t capacity, int flags)
{
    int64_t size;
    const char *s = piece_of(t, id, flags, &size);
    if (size && capacity > 0) memcpy(buf, s, (size_t)glia_min(size, capacity));
    return size;
}

/* Takes off the space that encoding put before the text, once the first token with text comes. */
static void drop_space(const glia_tokenizer *t, int32_t id, bool *at_start, const char **s, int64_t *size)
{
    if (!*at_start || !*size || t->type[id] == GLIA_TOK_TYPE_CONTROL) return;
    *at_start = false;
    if (**s != ' ') return;
    ++*s;
    --*size;
}

int64_t glia_tokenizer_decode(const glia_tokenizer *t, const int32_t *ids, int64_t count, char *out,
                              int64_t capacity, int flags)
{
    bool at_start = t->drops_space && !(flags & GLIA_TOK_CONTINUE);
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t size;
        const char *s = piece_of(t, ids[i], flags, &size);
        drop_space(t, ids[i], &at_start, &s, &size);
        if (total < capacity && size) memcpy(out + total, s, (size_t)glia_min(size, capacity - total));
        total += size;
    }
    return total;
}

void glia_detok_init(const glia_tokenizer *t, glia_detok *d, int flags)
{
    memset(d, 0, sizeof *d);
    d->flags = flags;
    d->at_start = t->drops_space && !(flags & GLIA_TOK_CONTINUE);
}

typedef struct sink { /* counts all, writes what fits */
    char *out;
    int64_t capacity, size;
} sink;

static void put(sink *k, const char *s, int64_t n)
{
    if (k->out && n <= k->capacity - k->size) memcpy(k->out + k->size, s, (size_t)n);
    k->size += n;
}

static const char replacement[3] = {'\xef', '\xbf', '\xbd'};

/* One byte of the stream. What waits is always the beginning of a character that may still be completed. */
static void detok_byte(glia_detok *d, char c, sink *k)
{
    int len;
    bool ok;
    d->pending[d->pending_size++] = c;
    glia_utf8_decode(d->pending, d->pending_size, &len, &ok);
    if (ok) {
        put(k, d->pending, len);
        d->pending_size = 0;
        return;
    }
    if (d->pending_size < 4 && glia_utf8_complete(d->pending, d->pending_size) == 0) return;
    put(k, replacement, 3);
    const bool again = d->pending_size > 1; /* c did not fit what waited; it may begin a character itself */
    d->pending_size = 0;
    if (!again) return;
    d->pending[0] = c;
    glia_utf8_decode(d->pending, 1, &len, &ok);
    if (ok) put(k, &c, 1);
    else if (glia_utf8_complete(&c, 1) == 0) d->pending_size = 1;
    else put(k, replacement, 3);
}

static void detok_run(glia_detok *d, const char *s, int64_t size, sink *k)
{
    for (int64_t i = 0; i < size; i++) {
        if (!d->pending_size && (uint8_t)s[i] < 0x80) put(k, s + i, 1);
        else detok_byte(d, s[i], k);
    }
}

int64_t glia_detok_push(const glia_tokenizer *t, glia_detok *d, int32_t id, char *out, int64_t capacity)
{
    int64_t size;
    glia_detok trial = *d;
    const char *s = piece_of(t, id, d->flags, &size);
    drop_space(t, id, &trial.at_start, &s, &size);
    sink k = {out, capacity, 0};
    detok_run(&trial, s, size, &k);
    if (k.size > capacity) return -1;
    *d = trial;
    return k.size;
}

int64_t glia_detok_flush(glia_detok *d, char *out, int64_t capacity)
{
    const int64_t need = d->pending_size ? 3 : 0;
    if (need > capacity) return -1;
    if (need) memcpy(out, replacement, 3);
    d->pending_size = 0;
    return need;
}
