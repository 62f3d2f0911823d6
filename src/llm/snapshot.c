/* Snapshots: one sequence as bytes. All numbers are little-endian.
 *
 *      0  "GLIASNAP"
 *      8  u32 version of this format     12  u32 version of the arithmetic (docs/numerics.md)
 *     16  u64 bytes of the whole         24  u64 tokens
 *     32  the model's identity (identity.c), 32 bytes
 *     64  the form of its pages, 32 bytes: SHA-256 over the states' names, dtypes and shapes
 *     96  u32 kv dtype                  100  u32 tokens a page
 *    104  u64 bytes of a page           112  u64 vocabulary
 *    120  i32 ids [tokens], then the pages, each the shares of all states in the plan's order
 *         SHA-256 of all before, 32 bytes
 *
 * Restoring reads everything, checks everything, and then does what cannot fail. The checksum finds damage;
 * it does not stop who can compute one. What such a one can reach is that the restored sequence says
 * something else: lengths, ids and sizes are checked whatever the checksum says, and pages that came from a
 * snapshot are never found by other sequences.
 *
 * Refused: other versions, other models, other forms of pages. */
#include "base/check.h"
#include "base/reader.h"
#include "base/sha256.h"
#include "llm/internal.h"

#include <string.h>

enum { FORMAT_VERSION = 1, NUMERIC_VERSION = 1, HEADER_BYTES = 120, DIGEST_BYTES = 32 };

static const char magic[8] = {'G', 'L', 'I', 'A', 'S', 'N', 'A', 'P'};

typedef struct header {
    uint64_t size, tokens, page_bytes, vocab;
    uint32_t format, numeric, kv_dtype, page_tokens;
    uint8_t model[DIGEST_BYTES], form[DIGEST_BYTES];
} header;

static void put(uint8_t **to, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) *(*to)++ = (uint8_t)(v >> 8 * i);
}

static void form_of_pages(const glia_model *m, uint8_t out[DIGEST_BYTES])
{
    glia_sha256 h;
    glia_sha256_init(&h);
    for (int32_t i = 0; i < m->plan->state_count; i++) {
        const glia_value_info *v = glia_graph_value(m->plan->graph, (glia_value){m->plan->states[i].value});
        uint8_t shape[8 * (GLIA_RANK_MAX + 2)], *at = shape;
        put(&at, v->type.dtype, 8);
        put(&at, (uint64_t)v->type.rank, 8);
        for (int d = 1; d < v->type.rank; d++) put(&at, (uint64_t)v->type.dims[d], 8);
        glia_sha256_add(&h, v->name, (int64_t)strlen(v->name) + 1);
        glia_sha256_add(&h, shape, at - shape);
    }
    glia_sha256_done(&h, out);
}

static void digest_of(const uint8_t *bytes, int64_t size, uint8_t out[DIGEST_BYTES])
{
    glia_sha256 h;
    glia_sha256_init(&h);
    glia_sha256_add(&h, bytes, size);
    glia_sha256_done(&h, out);
}

/* Of a snapshot of so many tokens; false if it cannot be represented. */
static bool snapshot_bytes(int64_t tokens, int64_t page_bytes, int64_t *out)
{
    int64_t ids, pages;
    return glia_mul(tokens, 4, &ids) && glia_mul(glia_pages_of(tokens), page_bytes, &pages) &&
           glia_add(ids, pages, &ids) && glia_add(ids, HEADER_BYTES + DIGEST_BYTES, out);
}

/* ---- saving ---------------------------------------------------------------------------------------- */

int64_t glia_session_save_size(const glia_session *s, int32_t sequence)
{
    int64_t bytes, tokens = glia_session_length(s, sequence);
    return tokens >= 0 && snapshot_bytes(tokens, s->cache->page_bytes, &bytes) ? bytes : -1;
}

static void write_snapshot(const glia_session *s, int32_t sequence, const uint8_t model[DIGEST_BYTES],
                           uint8_t *to, int64_t size)
{
    const glia_sequence *q = &s->sequences[sequence];
    uint8_t *at = to;
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    put(&at, FORMAT_VERSION, 4);
    put(&at, NUMERIC_VERSION, 4);
    put(&at, (uint64_t)size, 8);
    put(&at, (uint64_t)q->length, 8);
    memcpy(at, model, DIGEST_BYTES);
    form_of_pages(s->m, at + DIGEST_BYTES);
    at += 2 * DIGEST_BYTES;
    put(&at, (uint64_t)s->m->options.kv_dtype, 4);
    put(&at, GLIA_PAGE_TOKENS, 4);
    put(&at, (uint64_t)s->cache->page_bytes, 8);
    put(&at, (uint64_t)s->m->lm.vocab, 8);
    for (int64_t i = 0; i < q->length; i++) put(&at, (uint32_t)q->tokens[i], 4);
    for (int64_t p = 0; p < glia_pages_of(q->length); p++, at += s->cache->page_bytes)
        glia_cache_page_out(s->cache, q->table[p], at);
    digest_of(to, size - DIGEST_BYTES, at);
}

glia_status glia_session_save(glia_session *s, int32_t sequence, void *to, int64_t size, glia_error *e)
{
    uint8_t model[DIGEST_BYTES];
    glia_error_clear(e);
    if (!s || !to) return glia_fail(e, GLIA_E_ARG, "G0714", "the session or the buffer is null");
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    int64_t need = glia_session_save_size(s, sequence);
    if (need < 0) st = glia_fail(e, GLIA_E_ARG, "G0721", "there is no sequence %d to save", sequence);
    else if (size != need)
        st = glia_fail(e, GLIA_E_ARG, "G0721", "the snapshot takes %lld bytes; the buffer has %lld",
                       (long long)need, (long long)size);
    if (!st) st = glia_model_identity(s->m, model, e);
    if (!st) write_snapshot(s, sequence, model, to, size);
    glia_session_leave(s);
    return st;
}

/* ---- restoring ------------------------------------------------------------------------------------- */

static bool read_header(glia_reader *r, header *h)
{
    const uint8_t *start = glia_read_bytes(r, sizeof magic), *digests;
    h->format = glia_read_u32(r);
    h->numeric = glia_read_u32(r);
    h->size = glia_read_u64(r);
    h->tokens = glia_read_u64(r);
    digests = glia_read_bytes(r, 2 * DIGEST_BYTES);
    h->kv_dtype = glia_read_u32(r);
    h->page_tokens = glia_read_u32(r);
    h->page_bytes = glia_read_u64(r);
    h->vocab = glia_read_u64(r);
    if (r->failed || memcmp(start, magic, sizeof magic)) return false;
    memcpy(h->model, digests, DIGEST_BYTES);
    memcpy(h->form, digests + DIGEST_BYTES, DIGEST_BYTES);
    return true;
}

static glia_status damaged(glia_error *e, int64_t offset, const char *what)
{
    return glia_fail_at(e, GLIA_E_FORMAT, "G0722", offset, "the snapshot is damaged: %s", what);
}

/* Is it a whole snapshot, undamaged, of this version? */
static glia_status check_whole(const header *h, const uint8_t *bytes, int64_t size, glia_error *e)
{
    uint8_t digest[DIGEST_BYTES];
    if (h->format != FORMAT_VERSION || h->numeric != NUMERIC_VERSION)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0723",
                         "the snapshot has version %u and arithmetic %u; here they are %d and %d", h->format,
                         h->numeric, FORMAT_VERSION, NUMERIC_VERSION);
    if (h->size != (uint64_t)size)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0722", 16, "the snapshot has %llu bytes; %lld were given",
                            (unsigned long long)h->size, (long long)size);
    digest_of(bytes, size - DIGEST_BYTES, digest);
    if (memcmp(digest, bytes + size - DIGEST_BYTES, DIGEST_BYTES))
        return damaged(e, size - DIGEST_BYTES, "its checksum is another one");
    return GLIA_OK;
}

/* Is it of this model and this kind of cache? */
static glia_status check_model(const glia_session *s, const header *h, glia_error *e)
{
    const glia_model *m = s->m;
    uint8_t digest[DIGEST_BYTES];
    glia_status st = glia_model_identity(m, digest, e);
    if (st) return st;
    if (memcmp(digest, h->model, DIGEST_BYTES))
        return glia_fail(e, GLIA_E_STATE, "G0724", "the snapshot was taken of another model than this `%s`",
                         m->lm.arch->name);
    if (h->kv_dtype != (uint32_t)m->options.kv_dtype)
        return glia_fail(e, GLIA_E_STATE, "G0725", "the snapshot's keys and values are %s, this cache's %s",
                         h->kv_dtype < GLIA_DTYPE_COUNT ? glia_dtype_name((glia_dtype)h->kv_dtype) : "?",
                         glia_dtype_name(m->options.kv_dtype));
    form_of_pages(m, digest);
    if (memcmp(digest, h->form, DIGEST_BYTES)) return damaged(e, 64, "its pages have another form");
    if (h->page_tokens != GLIA_PAGE_TOKENS) return damaged(e, 100, "its pages hold another number of tokens");
    if (h->page_bytes != (uint64_t)s->cache->page_bytes)
        return damaged(e, 104, "its pages have another size");
    if (h->vocab != (uint64_t)m->lm.vocab) return damaged(e, 112, "it has another vocabulary");
    return GLIA_OK;
}

static glia_status check_tokens(const glia_session *s, const header *h, const uint8_t *bytes, int64_t size,
                                glia_error *e)
{
    int64_t need;
    if (h->tokens > INT64_MAX / 2 || !snapshot_bytes((int64_t)h->tokens, s->cache->page_bytes, &need) ||
        need != size)
        return damaged(e, 24, "it is not as long as its tokens ask for");
    if ((int64_t)h->tokens > s->m->options.context)
        return glia_fail(e, GLIA_E_CONTEXT, "G0718", "the snapshot has %lld tokens; the context is %lld",
                         (long long)h->tokens, (long long)s->m->options.context);
    glia_reader r = glia_reader_make(bytes + HEADER_BYTES, (int64_t)h->tokens * 4);
    for (int64_t i = 0; i < (int64_t)h->tokens; i++)
        if (glia_read_u32(&r) >= (uint64_t)s->m->lm.vocab)
            return damaged(e, HEADER_BYTES + 4 * i, "a token is beyond the vocabulary");
    return GLIA_OK;
}

/* New pages for `tokens` tokens in place of what the sequence holds. */
static glia_status exchange_pages(glia_session *s, glia_sequence *q, int64_t tokens, glia_error *e)
{
    glia_cache *c = s->cache;
    int64_t held = glia_pages_of(q->length), need = glia_pages_of(tokens), room;
    glia_cache_lock(c);
    room = c->free_count;
    for (int64_t p = 0; p < held; p++) room += c->pages[q->table[p]].refs == 1;
    if (need <= room) {
        for (int64_t p = held - 1; p >= 0; p--) glia_cache_let_go(c, q->table[p]);
        for (int64_t p = 0; p < need; p++) q->table[p] = glia_cache_take(c);
    }
    glia_cache_unlock(c);
    if (need <= room) return GLIA_OK;
    return glia_fail(e, GLIA_E_LIMIT, "G0719",
                     "the snapshot needs %lld pages of %d tokens; %lld of %d are free", (long long)need,
                     GLIA_PAGE_TOKENS, (long long)room, c->page_count);
}

static glia_status restore(glia_session *s, glia_sequence *q, const uint8_t *bytes, int64_t size,
                           glia_error *e)
{
    header h;
    glia_reader r = glia_reader_make(bytes, size);
    if (!read_header(&r, &h) || glia_reader_left(&r) < DIGEST_BYTES)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0722", 0, "these %lld bytes are no snapshot of a session",
                            (long long)size);
    glia_status st = check_whole(&h, bytes, size, e);
    if (!st) st = check_model(s, &h, e);
    if (!st) st = check_tokens(s, &h, bytes, size, e);
    if (!st) st = exchange_pages(s, q, (int64_t)h.tokens, e);
    if (st) return st;
    q->length = (int64_t)h.tokens;
    for (int64_t i = 0; i < q->length; i++) q->tokens[i] = (int32_t)glia_read_u32(&r);
    for (int64_t p = 0; p < glia_pages_of(q->length); p++)
        glia_cache_page_in(s->cache, q->table[p], glia_read_bytes(&r, s->cache->page_bytes));
    return GLIA_OK;
}

glia_status glia_session_restore(glia_session *s, int32_t sequence, const void *from, int64_t size,
                                 glia_error *e)
{
    glia_error_clear(e);
    if (!s || !from || size < 0)
        return glia_fail(e, GLIA_E_ARG, "G0714", "the session or the snapshot is null");
    if (sequence < 0 || sequence >= s->m->options.sequences)
        return glia_fail(e, GLIA_E_ARG, "G0714", "there is no sequence %d", sequence);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = restore(s, &s->sequences[sequence], from, size, e);
    glia_session_leave(s);
    return st;
}
