/* Sessions: sequences of tokens, the pages that they hold of a cache, and steps over them.
 *
 * A session is one block of memory: this struct, its sequences, their page tables and tokens, and the logits
 * of the last step. A step is admitted whole: pages are taken first, a page that others hold too is copied
 * before it is written, lengths count the new tokens only when the step has ended well, and a failed step
 * gives back what it took. Copies are kept even then: they change nothing that can be seen. */
#include "llm/internal.h"

#include "base/check.h"

#include <string.h>

typedef struct parts { /* offsets within a session's block */
    int64_t sequences, table, tokens, logits, all_rows, pooled, bytes;
} parts;

static int64_t add_part(int64_t *at, int64_t bytes)
{
    int64_t here = *at;
    *at = (here + bytes + 63) / 64 * 64;
    return here;
}

static parts lay_out(const glia_model *m)
{
    const glia_model_options *o = &m->options;
    parts p;
    int64_t at = 0;
    add_part(&at, sizeof(glia_session));
    p.sequences = add_part(&at, o->sequences * (int64_t)sizeof(glia_sequence));
    p.table = add_part(&at, o->sequences * m->pages_a_sequence * 4);
    p.tokens = add_part(&at, o->sequences * o->context * 4);
    p.logits = add_part(&at, o->logit_rows * glia_model_row_size(m) * 4);
    p.all_rows = add_part(&at, o->embeddings ? o->logit_rows * 4 : 0);
    p.pooled = add_part(&at, o->embeddings ? m->lm.width * 8 : 0);
    p.bytes = at;
    return p;
}

int64_t glia_session_bytes(const glia_model *m) { return lay_out(m).bytes; }

glia_status glia_session_create_in(glia_cache *c, glia_session **out, glia_error *e)
{
    glia_error_clear(e);
    if (!c || !out) return glia_fail(e, GLIA_E_ARG, "G0714", "a cache and out are needed");
    *out = NULL;
    glia_model *m = c->m;
    const glia_os *os = m->options.os;
    parts p = lay_out(m);
    uint8_t *block = os->mem_alloc(os->ctx, (size_t)p.bytes, 64);
    if (!block)
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a session: %lld bytes", (long long)p.bytes);
    glia_session *s = (glia_session *)(void *)block;
    s->m = m;
    s->cache = c;
    s->cancelled_by = &s->cancel;
    s->sequences = (glia_sequence *)(void *)(block + p.sequences);
    s->table = (int32_t *)(void *)(block + p.table);
    s->logits = (float *)(void *)(block + p.logits);
    s->all_rows = (int32_t *)(void *)(block + p.all_rows);
    s->pooled = (double *)(void *)(block + p.pooled);
    for (int32_t i = 0; m->options.embeddings && i < m->options.logit_rows; i++) s->all_rows[i] = i;
    for (int32_t q = 0; q < m->options.sequences; q++) {
        s->sequences[q].table = s->table + q * m->pages_a_sequence;
        s->sequences[q].tokens = (int32_t *)(void *)(block + p.tokens) + q * m->options.context;
    }
    *out = s;
    return GLIA_OK;
}

glia_status glia_session_create(glia_model *m, glia_session **out, glia_error *e)
{
    glia_cache *c;
    if (out) *out = NULL;
    glia_status st = glia_cache_create(m, &c, e);
    if (st) return st;
    st = glia_session_create_in(c, out, e);
    if (st) glia_cache_destroy(c);
    else (*out)->owns_cache = true;
    return st;
}

void glia_session_destroy(glia_session *s)
{
    if (!s) return;
    const glia_os *os = s->m->options.os;
    glia_cache *owned = s->owns_cache ? s->cache : NULL;
    for (int32_t q = 0; q < s->m->options.sequences; q++) glia_session_trim_held(s, q, 0);
    os->mem_free(os->ctx, s, (size_t)lay_out(s->m).bytes);
    glia_cache_destroy(owned);
}

/* ---- pages ---------------------------------------------------------------------------------------- */

static bool ends_within_page(const glia_sequence *q) { return q->length % GLIA_PAGE_TOKENS != 0; }

static int64_t new_pages(const glia_sequence *q)
{
    return glia_pages_of(q->length + q->added) - glia_pages_of(q->length);
}

/* Which sequences must copy their last page, since another one holds it too and is not about to leave it:
 * marked by `replaced`. Returns how many pages the step takes. Lock held. */
static int64_t count_pages(glia_session *s)
{
    int32_t n = s->m->options.sequences;
    int64_t need = 0;
    for (int32_t i = 0; i < n; i++) {
        glia_sequence *q = &s->sequences[i];
        q->replaced = -1;
        need += new_pages(q);
        if (!q->added || !ends_within_page(q)) continue;
        int32_t last = q->table[q->length / GLIA_PAGE_TOKENS];
        if (s->cache->pages[last].refs < 2) continue;
        s->cache->pages[last].refs--;
        q->replaced = last;
        need++;
    }
    for (int32_t i = 0; i < n; i++)
        if (s->sequences[i].replaced >= 0) s->cache->pages[s->sequences[i].replaced].refs++;
    return need;
}

static glia_status take_pages(glia_session *s, glia_error *e)
{
    glia_cache *c = s->cache;
    int32_t n = s->m->options.sequences;
    glia_cache_lock(c);
    int64_t need = count_pages(s), free_pages = c->free_count;
    for (int32_t i = 0; i < n && need <= free_pages; i++) {
        glia_sequence *q = &s->sequences[i];
        int64_t last = q->length / GLIA_PAGE_TOKENS;
        if (q->replaced >= 0) q->table[last] = glia_cache_take(c);
        else if (q->added && ends_within_page(q)) glia_cache_unseal(c, q->table[last]);
        for (int64_t p = 0; p < new_pages(q); p++)
            q->table[glia_pages_of(q->length) + p] = glia_cache_take(c);
    }
    glia_cache_unlock(c);
    if (need <= free_pages) return GLIA_OK;
    return glia_fail(e, GLIA_E_LIMIT, "G0719",
                     "the step needs %lld more pages of %d tokens; %lld of %d are free", (long long)need,
                     GLIA_PAGE_TOKENS, (long long)free_pages, c->page_count);
}

/* New pages start empty, so that a snapshot never shows what another sequence left there. */
static void prepare_pages(glia_session *s)
{
    bool copied = false;
    for (int32_t i = 0; i < s->m->options.sequences; i++) {
        const glia_sequence *q = &s->sequences[i];
        for (int64_t p = 0; p < new_pages(q); p++)
            glia_cache_clear(s->cache, q->table[glia_pages_of(q->length) + p]);
        if (q->replaced < 0) continue;
        glia_cache_copy(s->cache, q->table[q->length / GLIA_PAGE_TOKENS], q->replaced);
        copied = true;
    }
    if (!copied) return;
    glia_cache_lock(s->cache);
    for (int32_t i = 0; i < s->m->options.sequences; i++)
        if (s->sequences[i].replaced >= 0) glia_cache_let_go(s->cache, s->sequences[i].replaced);
    glia_cache_unlock(s->cache);
}

/* Lets go of the pages that hold tokens [length, held). The last goes first: it is needed again least. */
static void give_pages(glia_session *s, int32_t sequence, int64_t length, int64_t held)
{
    glia_sequence *q = &s->sequences[sequence];
    if (glia_pages_of(held) == glia_pages_of(length)) return;
    glia_cache_lock(s->cache);
    for (int64_t p = glia_pages_of(held) - 1; p >= glia_pages_of(length); p--)
        glia_cache_let_go(s->cache, q->table[p]);
    glia_cache_unlock(s->cache);
}

void glia_session_trim_held(glia_session *s, int32_t sequence, int64_t length)
{
    give_pages(s, sequence, length, s->sequences[sequence].length);
    s->sequences[sequence].length = length;
}

/* Seals the pages that became complete when the sequence grew from `before` tokens. Lock held. */
static void seal_pages(glia_session *s, glia_sequence *q, int64_t before)
{
    if (s->m->lm.encoder) return; /* its pages depend on tokens that follow them */
    for (int64_t p = before / GLIA_PAGE_TOKENS; p < q->length / GLIA_PAGE_TOKENS; p++)
        q->table[p] = glia_cache_seal(s->cache, q->table[p], p ? q->table[p - 1] : -1,
                                      q->tokens + p * GLIA_PAGE_TOKENS);
}

/* Replaces what the sequence holds by the longest beginning of ids [0, count) in whole pages that the cache
 * has, if that is more than `same` tokens. */
static int64_t adopt_pages(glia_session *s, int32_t sequence, const int32_t *ids, int64_t count, int64_t same)
{
    glia_cache *c = s->cache;
    glia_sequence *q = &s->sequences[sequence];
    int64_t found = 0;
    glia_cache_lock(c);
    for (int32_t page = -1; (found + 1) * GLIA_PAGE_TOKENS <= count; found++) {
        page = glia_cache_find(c, page, ids + found * GLIA_PAGE_TOKENS);
        if (page < 0) break;
    }
    if (found * GLIA_PAGE_TOKENS > same) {
        int64_t held = glia_pages_of(q->length);
        int32_t page = -1;
        for (int64_t p = 0; p < found; p++) {
            page = glia_cache_find(c, page, ids + p * GLIA_PAGE_TOKENS);
            glia_cache_hold(c, page);
            if (p < held) glia_cache_let_go(c, q->table[p]);
            q->table[p] = page;
        }
        for (int64_t p = held - 1; p >= found; p--) glia_cache_let_go(c, q->table[p]);
        same = q->length = found * GLIA_PAGE_TOKENS;
        memcpy(q->tokens, ids, (size_t)same * sizeof *ids);
    }
    glia_cache_unlock(c);
    return same;
}

/* ---- steps ---------------------------------------------------------------------------------------- */

glia_status glia_session_enter(glia_session *s, glia_error *e)
{
    if (atomic_exchange(&s->busy, 1))
        return glia_fail(e, GLIA_E_BUSY, "G0715", "another thread is in this session");
    return GLIA_OK;
}

void glia_session_leave(glia_session *s) { atomic_store(&s->busy, 0); }

static int32_t sequence_of(const glia_batch *b, int32_t i) { return b->sequences ? b->sequences[i] : 0; }

static glia_status admit(glia_session *s, const glia_batch *b, glia_error *e)
{
    const glia_model_options *o = &s->m->options;
    if (b->count < 1 || b->count > o->batch || !b->ids)
        return glia_fail(e, GLIA_E_ARG, "G0716", "a step of %d tokens; it must be 1 to %lld", b->count,
                         (long long)o->batch);
    if (b->row_count < 0 || b->row_count > o->logit_rows || (b->row_count && !b->rows))
        return glia_fail(e, GLIA_E_ARG, "G0716", "logits of %d tokens; at most %lld", b->row_count,
                         (long long)o->logit_rows);
    for (int32_t q = 0; q < o->sequences; q++) s->sequences[q].added = 0;
    for (int32_t i = 0; i < b->count; i++) {
        int32_t q = sequence_of(b, i);
        if (q < 0 || q >= o->sequences)
            return glia_fail(e, GLIA_E_ARG, "G0716", "token %d is of sequence %d; there are %d", i, q,
                             o->sequences);
        if (b->ids[i] < 0 || b->ids[i] >= s->m->lm.vocab)
            return glia_fail(e, GLIA_E_ARG, "G0717", "token %d has id %d; the vocabulary has %lld", i,
                             b->ids[i], (long long)s->m->lm.vocab);
        s->sequences[q].added++;
    }
    for (int32_t i = 0; i < b->row_count; i++)
        if (b->rows[i] < 0 || b->rows[i] >= b->count)
            return glia_fail(e, GLIA_E_ARG, "G0716", "logits of token %d of %d are asked for", b->rows[i],
                             b->count);
    for (int32_t i = 0; i < o->sequences; i++) {
        const glia_sequence *q = &s->sequences[i];
        if (s->m->lm.encoder && q->length && q->added)
            return glia_fail(
                e, GLIA_E_STATE, "G0543",
                "sequence %d holds %lld tokens: architecture `%s` reads a text in one step, since "
                "its first token sees its last; trim the sequence before the next",
                i, (long long)q->length, glia_model_architecture(s->m));
        if (q->length + q->added > o->context)
            return glia_fail(e, GLIA_E_CONTEXT, "G0718",
                             "sequence %d would hold %lld tokens; the context is %lld", i,
                             (long long)(q->length + q->added), (long long)o->context);
    }
    return GLIA_OK;
}

/* The tokens go behind what their sequences hold; there they count once the step has ended well. */
static void write_inputs(glia_session *s, const glia_batch *b)
{
    const glia_model *m = s->m;
    int32_t *ids = glia_lane_input(m->lane, m->ids), *pos = glia_lane_input(m->lane, m->pos),
            *seq = glia_lane_input(m->lane, m->seq);
    for (int32_t q = 0; q < m->options.sequences; q++) s->sequences[q].added = 0;
    for (int32_t i = 0; i < b->count; i++) {
        glia_sequence *q = &s->sequences[sequence_of(b, i)];
        ids[i] = b->ids[i];
        seq[i] = sequence_of(b, i);
        pos[i] = (int32_t)(q->length + q->added);
        q->tokens[q->length + q->added++] = b->ids[i];
    }
    if (m->lm.encoder) { /* each token sees its text up to the last one */
        int32_t *until = glia_lane_input(m->lane, m->until);
        for (int32_t i = 0; i < b->count; i++) {
            const glia_sequence *q = &s->sequences[sequence_of(b, i)];
            until[i] = (int32_t)(q->length + q->added - 1);
        }
    }
    memcpy(glia_lane_input(m->lane, m->table), s->table,
           (size_t)(m->options.sequences * m->pages_a_sequence) * sizeof *s->table);
    if (b->row_count)
        memcpy(glia_lane_input(m->lane, m->rows), b->rows, (size_t)b->row_count * sizeof *b->rows);
}

static glia_status compute(glia_session *s, const glia_batch *b, glia_error *e)
{
    glia_model *m = s->m;
    int64_t symbols[2] = {b->count, b->row_count};
    glia_run run = {m->weights, m->packed, s->cache->state, s->cancelled_by, s->deadline_ns};
    glia_status st = glia_queue_enter(&m->queue, s->deadline_ns, s->cancelled_by, e);
    if (st) return st;
    st = glia_lane_begin(m->lane, symbols, e);
    if (!st) {
        write_inputs(s, b);
        st = glia_lane_run(m->lane, &run, e);
    }
    if (!st && b->row_count)
        memcpy(s->logits, glia_lane_output(m->lane, m->logits),
               (size_t)b->row_count * (size_t)glia_model_row_size(m) * sizeof(float));
    glia_queue_leave(&m->queue);
    return st;
}

/* The step ended well: its tokens count. */
static void commit(glia_session *s)
{
    glia_cache_lock(s->cache);
    for (int32_t i = 0; i < s->m->options.sequences; i++) {
        glia_sequence *q = &s->sequences[i];
        int64_t before = q->length;
        if (!q->added) continue;
        q->length += q->added;
        /* An encoder's keys depend on the whole text, so no beginning of it can serve another. */
        if (!s->m->lm.encoder) seal_pages(s, q, before);
    }
    glia_cache_unlock(s->cache);
}

glia_status glia_session_step_held(glia_session *s, const glia_batch *b, const float **logits, glia_error *e)
{
    glia_status st = admit(s, b, e);
    if (!st) st = take_pages(s, e);
    if (st) return st;
    prepare_pages(s);
    st = compute(s, b, e);
    if (st == GLIA_E_CANCELLED) atomic_store(s->cancelled_by, 0);
    if (st) { /* as it was */
        for (int32_t q = s->m->options.sequences - 1; q >= 0; q--)
            give_pages(s, q, s->sequences[q].length, s->sequences[q].length + s->sequences[q].added);
        return st;
    }
    commit(s);
    if (logits) *logits = s->logits;
    return GLIA_OK;
}

glia_status glia_session_step(glia_session *s, const glia_batch *given, const float **logits, glia_error *e)
{
    glia_batch b = GLIA_BATCH_INIT;
    glia_error_clear(e);
    if (!s || !given) return glia_fail(e, GLIA_E_ARG, "G0714", "the session or the batch is null");
    memcpy(&b, given, given->size < sizeof b ? given->size : sizeof b);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = glia_session_step_held(s, &b, logits, e);
    glia_session_leave(s);
    return st;
}

/* The ids of a step of one sequence, with the sequence's number beside each: in pieces, so that nothing is
 * allocated. */
glia_status glia_session_fill_held(glia_session *s, int32_t sequence, const int32_t *ids, int64_t count,
                                   const float **logits, glia_error *e)
{
    enum { PIECE = 512 };
    const glia_model_options *o = &s->m->options;
    const glia_sequence *q = &s->sequences[sequence];
    int32_t numbers[PIECE];
    if (count < 1 || !ids)
        return glia_fail(e, GLIA_E_ARG, "G0716", "a prefix of %lld tokens; at least one is needed",
                         (long long)count);
    if (count > o->context)
        return glia_fail(e, GLIA_E_CONTEXT, "G0718", "the prompt has %lld tokens; the context is %lld",
                         (long long)count, (long long)o->context);
    for (int i = 0; i < PIECE; i++) numbers[i] = sequence;
    int64_t same = 0;
    if (s->m->lm.encoder) glia_session_trim_held(s, sequence, 0);
    while (same < count - 1 && same < q->length && q->tokens[same] == ids[same]) same++;
    same = adopt_pages(s, sequence, ids, count - 1, same);
    glia_session_trim_held(s, sequence, same);
    while (same < count) {
        int64_t most = sequence ? glia_min(o->batch, PIECE) : o->batch;
        int32_t n = (int32_t)glia_min(most, count - same), last = n - 1;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = n;
        b.ids = ids + same;
        b.sequences = sequence ? numbers : NULL;
        b.rows = &last;
        b.row_count = same + n == count;
        glia_status st = glia_session_step_held(s, &b, logits, e);
        if (st) return st;
        same += n;
    }
    return GLIA_OK;
}

static bool has_sequence(const glia_session *s, int32_t sequence)
{
    return s && sequence >= 0 && sequence < s->m->options.sequences;
}

static glia_status no_sequence(int32_t sequence, glia_error *e)
{
    return glia_fail(e, GLIA_E_ARG, "G0714", "there is no sequence %d", sequence);
}

glia_status glia_session_fill(glia_session *s, int32_t sequence, const int32_t *ids, int64_t count,
                              const float **logits, glia_error *e)
{
    glia_error_clear(e);
    if (!s) return glia_fail(e, GLIA_E_ARG, "G0714", "the session is null");
    if (!has_sequence(s, sequence)) return no_sequence(sequence, e);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = glia_session_fill_held(s, sequence, ids, count, logits, e);
    glia_session_leave(s);
    return st;
}

glia_status glia_session_prefix(glia_session *s, const int32_t *ids, int64_t count, const float **logits,
                                glia_error *e)
{
    return glia_session_fill(s, 0, ids, count, logits, e);
}

/* ---- what sequences hold ---------------------------------------------------------------------------- */

int64_t glia_session_length(const glia_session *s, int32_t sequence)
{
    return has_sequence(s, sequence) ? s->sequences[sequence].length : -1;
}

int64_t glia_session_tokens(const glia_session *s, int32_t sequence, int32_t *ids, int64_t capacity)
{
    if (!has_sequence(s, sequence)) return -1;
    const glia_sequence *q = &s->sequences[sequence];
    int64_t n = glia_min(q->length, capacity);
    if (ids && n > 0) memcpy(ids, q->tokens, (size_t)n * sizeof *ids);
    return q->length;
}

glia_status glia_session_trim(glia_session *s, int32_t sequence, int64_t length, glia_error *e)
{
    glia_error_clear(e);
    if (!has_sequence(s, sequence)) return no_sequence(sequence, e);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    if (length < 0 || length > s->sequences[sequence].length)
        st = glia_fail(e, GLIA_E_ARG, "G0716", "sequence %d holds %lld tokens; it cannot be trimmed to %lld",
                       sequence, (long long)s->sequences[sequence].length, (long long)length);
    else glia_session_trim_held(s, sequence, length);
    glia_session_leave(s);
    return st;
}

static void fork_held(glia_session *s, int32_t to, int32_t from, int64_t length)
{
    glia_sequence *a = &s->sequences[to];
    const glia_sequence *b = &s->sequences[from];
    glia_session_trim_held(s, to, 0);
    glia_cache_lock(s->cache);
    for (int64_t p = 0; p < glia_pages_of(length); p++) {
        a->table[p] = b->table[p];
        glia_cache_hold(s->cache, a->table[p]);
    }
    glia_cache_unlock(s->cache);
    memcpy(a->tokens, b->tokens, (size_t)length * sizeof *a->tokens);
    a->length = length;
}

glia_status glia_session_fork(glia_session *s, int32_t to, int32_t from, int64_t length, glia_error *e)
{
    glia_error_clear(e);
    if (!has_sequence(s, to)) return no_sequence(to, e);
    if (!has_sequence(s, from)) return no_sequence(from, e);
    if (to == from)
        return glia_fail(e, GLIA_E_ARG, "G0714", "sequence %d cannot become a copy of itself", to);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    if (length < 0 || length > s->sequences[from].length)
        st = glia_fail(e, GLIA_E_ARG, "G0716", "sequence %d holds %lld tokens; %lld of it cannot be copied",
                       from, (long long)s->sequences[from].length, (long long)length);
    else fork_held(s, to, from, length);
    glia_session_leave(s);
    return st;
}

void glia_session_cancel(glia_session *s)
{
    if (s) atomic_store(&s->cancel, 1);
}
void glia_session_set_deadline(glia_session *s, uint64_t clock_ns)
{
    if (s) s->deadline_ns = clock_ns;
}
