/* See cache.h. Pages are records in one array; those free form a list, those sealed hang in buckets. */
#include "llm/cache.h"

#include "base/check.h"
#include "llm/internal.h"

#include <string.h>

#ifdef GLIA_HOSTILE
enum { BUCKETS_MOST = 1, HASH_BITS = 1 }; /* every find is told apart by tokens and predecessors alone */
#else
enum { BUCKETS_MOST = 1 << 30, HASH_BITS = 64 };
#endif

static int64_t page_count(const glia_model *m) { return m->pages; }

static int64_t bucket_count(int64_t pages)
{
    int64_t n = 1;
    while (n < pages && n < BUCKETS_MOST) n *= 2;
    return n;
}

typedef struct parts { /* offsets within a cache's block */
    int64_t pages, buckets, bytes;
} parts;

static parts lay_out(const glia_model *m)
{
    int64_t pages = page_count(m);
    parts p;
    p.pages = (int64_t)(sizeof(glia_cache) + 63) / 64 * 64;
    p.buckets = p.pages + pages * (int64_t)sizeof(glia_page);
    p.bytes = (p.buckets + bucket_count(pages) * 4 + 63) / 64 * 64;
    return p;
}

int64_t glia_cache_table_bytes(const glia_model *m) { return lay_out(m).bytes; }

static int64_t state_bytes(const glia_model *m) { return glia_max(64, m->plan->bytes.state); }

glia_status glia_cache_check(const glia_model *m, glia_error *e)
{
    const glia_plan *p = m->plan;
    for (int32_t i = 0; i < p->state_count; i++) {
        const glia_value_info *v = glia_graph_value(p->graph, (glia_value){p->states[i].value});
        if (v->type.rank < 2 || v->type.dims[0] != page_count(m) || p->states[i].bytes % page_count(m))
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0720",
                             "state `%s` is not kept in the %lld pages of a cache; sessions over such states "
                             "are not built here",
                             v->name, (long long)page_count(m));
    }
    return GLIA_OK;
}

/* ---- the list of free pages -------------------------------------------------------------------------- */

static void list_add(glia_cache *c, int32_t page, bool first)
{
    glia_page *p = &c->pages[page];
    p->prev = first ? -1 : c->free_last;
    p->next = first ? c->free_first : -1;
    if (p->prev >= 0) c->pages[p->prev].next = page;
    else c->free_first = page;
    if (p->next >= 0) c->pages[p->next].prev = page;
    else c->free_last = page;
    c->free_count++;
}

static void list_remove(glia_cache *c, int32_t page)
{
    glia_page *p = &c->pages[page];
    if (p->prev >= 0) c->pages[p->prev].next = p->next;
    else c->free_first = p->next;
    if (p->next >= 0) c->pages[p->next].prev = p->prev;
    else c->free_last = p->prev;
    c->free_count--;
}

/* ---- a cache ------------------------------------------------------------------------------------------ */

/* All workers of the lane commit the pages, unless a step is using them. */
static int commit(glia_model *m, void *state)
{
    const glia_os *os = m->options.os;
    if (!glia_queue_try(&m->queue)) return os->mem_commit(os->ctx, state, (size_t)state_bytes(m));
    int error = glia_team_commit(glia_lane_team(m->lane), state, state_bytes(m));
    glia_queue_leave(&m->queue);
    return error;
}

glia_status glia_cache_create(glia_model *m, glia_cache **out, glia_error *e)
{
    glia_error_clear(e);
    if (!m || !out || !m->lane) return glia_fail(e, GLIA_E_ARG, "G0714", "a loaded model and out are needed");
    *out = NULL;
    const glia_os *os = m->options.os;
    parts p = lay_out(m);
    uint8_t *block = os->mem_alloc(os->ctx, (size_t)p.bytes, 64);
    void *state = block ? os->mem_reserve(os->ctx, (size_t)state_bytes(m)) : NULL;
    if (!state || commit(m, state)) {
        if (state) os->mem_release(os->ctx, state, (size_t)state_bytes(m));
        if (block) os->mem_free(os->ctx, block, (size_t)p.bytes);
        return glia_fail(e, GLIA_E_NOMEM, "G0801",
                         "no memory for a cache: %lld bytes of pages, %lld of tables",
                         (long long)state_bytes(m), (long long)p.bytes);
    }
    glia_cache *c = (glia_cache *)(void *)block;
    c->m = m;
    c->state = state;
    c->pages = (glia_page *)(void *)(block + p.pages);
    c->buckets = (int32_t *)(void *)(block + p.buckets);
    c->page_count = (int32_t)page_count(m);
    c->bucket_count = (int32_t)bucket_count(c->page_count);
    c->free_first = c->free_last = -1;
    for (int32_t i = 0; i < c->bucket_count; i++) c->buckets[i] = -1;
    for (int32_t i = 0; i < c->page_count; i++) list_add(c, i, false);
    for (int32_t i = 0; i < m->plan->state_count; i++)
        c->page_bytes += m->plan->states[i].bytes / c->page_count;
    *out = c;
    return GLIA_OK;
}

void glia_cache_destroy(glia_cache *c)
{
    if (!c) return;
    const glia_os *os = c->m->options.os;
    os->mem_release(os->ctx, c->state, (size_t)state_bytes(c->m));
    os->mem_free(os->ctx, c, (size_t)lay_out(c->m).bytes);
}

void glia_cache_lock(glia_cache *c)
{
    const glia_os *os = c->m->options.os;
    uint32_t free_word = 0;
    for (int i = 0; !atomic_compare_exchange_weak_explicit(&c->lock, &free_word, 1, memory_order_acquire,
                                                           memory_order_relaxed);
         i++) {
        free_word = 0;
        if (i > 100) os->futex_wait(os->ctx, (const uint32_t *)(const void *)&c->lock, 1, 20000);
    }
}

void glia_cache_unlock(glia_cache *c) { atomic_store_explicit(&c->lock, 0, memory_order_release); }

int64_t glia_cache_free_tokens(glia_cache *c)
{
    if (!c) return 0;
    glia_cache_lock(c);
    int64_t pages = c->free_count;
    glia_cache_unlock(c);
    return pages * GLIA_PAGE_TOKENS;
}

/* ---- holding ------------------------------------------------------------------------------------------- */

int32_t glia_cache_take(glia_cache *c)
{
    int32_t page = c->free_first;
    list_remove(c, page);
    glia_cache_unseal(c, page);
    c->pages[page].refs = 1;
    c->pages[page].foreign = false;
    return page;
}

void glia_cache_hold(glia_cache *c, int32_t page)
{
    if (c->pages[page].refs++ == 0) list_remove(c, page);
}

/* What cannot be found again is the first to be taken. */
void glia_cache_let_go(glia_cache *c, int32_t page)
{
    if (--c->pages[page].refs == 0) list_add(c, page, c->pages[page].serial == 0);
}

/* ---- sealing ------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t hash_of(uint64_t serial, const int32_t *ids)
{
    uint64_t h = mix(0, serial);
    for (int i = 0; i < GLIA_PAGE_TOKENS; i++) h = mix(h, (uint32_t)ids[i]);
    return mix(h, h >> 32) >> (64 - HASH_BITS);
}

static int32_t *bucket_of(const glia_cache *c, uint64_t hash)
{
    return &c->buckets[hash & (uint64_t)(c->bucket_count - 1)];
}

int32_t glia_cache_find(const glia_cache *c, int32_t before, const int32_t *ids)
{
    uint64_t serial = before < 0 ? 0 : c->pages[before].serial, hash = hash_of(serial, ids);
    for (int32_t i = *bucket_of(c, hash); i >= 0; i = c->pages[i].bucket_next) {
        const glia_page *p = &c->pages[i];
        if (p->hash == hash && p->before == before && p->before_serial == serial &&
            !memcmp(p->ids, ids, sizeof p->ids))
            return i;
    }
    return -1;
}

int32_t glia_cache_seal(glia_cache *c, int32_t page, int32_t before, const int32_t *ids)
{
    glia_page *p = &c->pages[page];
    if (p->serial || p->foreign || (before >= 0 && !c->pages[before].serial)) return page;
    int32_t same = glia_cache_find(c, before, ids);
    if (same >= 0) {
        glia_cache_hold(c, same);
        glia_cache_let_go(c, page);
        return same;
    }
    p->before = before;
    p->before_serial = before < 0 ? 0 : c->pages[before].serial;
    p->serial = ++c->serials;
    p->hash = hash_of(p->before_serial, ids);
    memcpy(p->ids, ids, sizeof p->ids);
    int32_t *bucket = bucket_of(c, p->hash);
    p->bucket_next = *bucket;
    *bucket = page;
    return page;
}

void glia_cache_unseal(glia_cache *c, int32_t page)
{
    glia_page *p = &c->pages[page];
    if (!p->serial) return;
    int32_t *at = bucket_of(c, p->hash);
    while (*at != page) at = &c->pages[*at].bucket_next;
    *at = p->bucket_next;
    p->serial = 0;
}

/* ---- contents ------------------------------------------------------------------------------------------ */

/* The share of a page in state i. */
static uint8_t *share(const glia_cache *c, int32_t page, int32_t i, size_t *bytes)
{
    const glia_state_record *r = &c->m->plan->states[i];
    *bytes = (size_t)(r->bytes / c->page_count);
    return c->state + r->offset + (size_t)page * *bytes;
}

void glia_cache_copy(glia_cache *c, int32_t to, int32_t from)
{
    size_t bytes;
    for (int32_t i = 0; i < c->m->plan->state_count; i++) {
        const uint8_t *source = share(c, from, i, &bytes);
        memcpy(share(c, to, i, &bytes), source, bytes);
    }
    c->pages[to].foreign = c->pages[from].foreign;
}

void glia_cache_clear(glia_cache *c, int32_t page)
{
    size_t bytes;
    for (int32_t i = 0; i < c->m->plan->state_count; i++) {
        uint8_t *at = share(c, page, i, &bytes);
        memset(at, 0, bytes);
    }
}

void glia_cache_page_out(const glia_cache *c, int32_t page, uint8_t *to)
{
    size_t bytes;
    for (int32_t i = 0; i < c->m->plan->state_count; i++, to += bytes) {
        const uint8_t *at = share(c, page, i, &bytes);
        memcpy(to, at, bytes);
    }
}

void glia_cache_page_in(glia_cache *c, int32_t page, const uint8_t *from)
{
    size_t bytes;
    for (int32_t i = 0; i < c->m->plan->state_count; i++, from += bytes) {
        uint8_t *at = share(c, page, i, &bytes);
        memcpy(at, from, bytes);
    }
    c->pages[page].foreign = true;
}
