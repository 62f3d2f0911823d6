/* Sessions: a key-value cache in pages, what lies in it, and steps over it.
 *
 * A session is one block of memory: this struct, the length of each sequence, the page table [sequences,
 * pages], the stack of free pages, the tokens of sequence 0, and the logits of the last step. A step is
 * admitted whole: pages are taken first, the lengths count them only when the step has ended well, and a
 * failed step gives them back. */
#include "llm/internal.h"

#include "base/check.h"

#include <string.h>

typedef struct parts { /* offsets within a session's block */
    int64_t lengths, added, table, free_pages, tokens, logits, bytes;
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
    int64_t at = 0, pages = o->sequences * m->pages_a_sequence;
    add_part(&at, sizeof(glia_session));
    p.lengths = add_part(&at, o->sequences * 8);
    p.added = add_part(&at, o->sequences * 8);
    p.table = add_part(&at, pages * 4);
    p.free_pages = add_part(&at, pages * 4);
    p.tokens = add_part(&at, o->context * 4);
    p.logits = add_part(&at, o->logit_rows * m->lm.vocab * 4);
    p.bytes = at;
    return p;
}

int64_t glia_session_bytes(const glia_model *m) { return lay_out(m).bytes; }

glia_status glia_session_create(glia_model *m, glia_session **out, glia_error *e)
{
    glia_error_clear(e);
    if (!m || !out || !m->lane) return glia_fail(e, GLIA_E_ARG, "G0714", "a loaded model and out are needed");
    *out = NULL;
    const glia_os *os = m->options.os;
    parts p = lay_out(m);
    uint8_t *block = os->mem_alloc(os->ctx, (size_t)p.bytes, 64);
    int64_t state = glia_max(64, m->plan->bytes.state);
    void *cache = block ? os->mem_reserve(os->ctx, (size_t)state) : NULL;
    if (!cache || os->mem_commit(os->ctx, cache, (size_t)state)) {
        if (cache) os->mem_release(os->ctx, cache, (size_t)state);
        if (block) os->mem_free(os->ctx, block, (size_t)p.bytes);
        return glia_fail(e, GLIA_E_NOMEM, "G0801",
                         "no memory for a session: %lld bytes of cache, %lld of tables", (long long)state,
                         (long long)p.bytes);
    }
    glia_session *s = (glia_session *)(void *)block;
    s->m = m;
    s->state = cache;
    s->lengths = (int64_t *)(void *)(block + p.lengths);
    s->added = (int64_t *)(void *)(block + p.added);
    s->table = (int32_t *)(void *)(block + p.table);
    s->free_pages = (int32_t *)(void *)(block + p.free_pages);
    s->tokens = (int32_t *)(void *)(block + p.tokens);
    s->logits = (float *)(void *)(block + p.logits);
    int64_t pages = m->options.sequences * m->pages_a_sequence;
    for (int64_t i = pages - 1; i >= 0; i--) s->free_pages[s->free_count++] = (int32_t)i;
    *out = s;
    return GLIA_OK;
}

void glia_session_destroy(glia_session *s)
{
    if (!s) return;
    const glia_os *os = s->m->options.os;
    os->mem_release(os->ctx, s->state, (size_t)glia_max(64, s->m->plan->bytes.state));
    os->mem_free(os->ctx, s, (size_t)lay_out(s->m).bytes);
}

/* ---- pages ---------------------------------------------------------------------------------------- */

static int64_t pages_of(int64_t tokens) { return glia_ceil_div(tokens, GLIA_PAGE_TOKENS); }

static void take_pages(glia_session *s, int64_t sequence, int64_t from, int64_t to)
{
    int32_t *row = s->table + sequence * s->m->pages_a_sequence;
    for (int64_t p = pages_of(from); p < pages_of(to); p++) row[p] = s->free_pages[--s->free_count];
}

static void give_pages(glia_session *s, int64_t sequence, int64_t from, int64_t to)
{
    int32_t *row = s->table + sequence * s->m->pages_a_sequence;
    for (int64_t p = pages_of(to) - 1; p >= pages_of(from); p--) s->free_pages[s->free_count++] = row[p];
}

/* ---- steps ---------------------------------------------------------------------------------------- */

glia_status glia_session_enter(glia_session *s, glia_error *e)
{
    if (atomic_exchange(&s->busy, 1))
        return glia_fail(e, GLIA_E_BUSY, "G0715", "another thread is in this session");
    return GLIA_OK;
}

void glia_session_leave(glia_session *s) { atomic_store(&s->busy, 0); }

static glia_status admit(glia_session *s, const glia_batch *b, glia_error *e)
{
    const glia_model_options *o = &s->m->options;
    if (b->count < 1 || b->count > o->batch || !b->ids)
        return glia_fail(e, GLIA_E_ARG, "G0716", "a step of %d tokens; it must be 1 to %lld", b->count,
                         (long long)o->batch);
    if (b->row_count < 0 || b->row_count > o->logit_rows || (b->row_count && !b->rows))
        return glia_fail(e, GLIA_E_ARG, "G0716", "logits of %d tokens; at most %lld", b->row_count,
                         (long long)o->logit_rows);
    memset(s->added, 0, (size_t)o->sequences * sizeof *s->added);
    for (int32_t i = 0; i < b->count; i++) {
        int32_t q = b->sequences ? b->sequences[i] : 0;
        if (q < 0 || q >= o->sequences)
            return glia_fail(e, GLIA_E_ARG, "G0716", "token %d is of sequence %d; there are %d", i, q,
                             o->sequences);
        if (b->ids[i] < 0 || b->ids[i] >= s->m->lm.vocab)
            return glia_fail(e, GLIA_E_ARG, "G0717", "token %d has id %d; the vocabulary has %lld", i,
                             b->ids[i], (long long)s->m->lm.vocab);
        s->added[q]++;
    }
    for (int32_t i = 0; i < b->row_count; i++)
        if (b->rows[i] < 0 || b->rows[i] >= b->count)
            return glia_fail(e, GLIA_E_ARG, "G0716", "logits of token %d of %d are asked for", b->rows[i],
                             b->count);
    for (int32_t q = 0; q < o->sequences; q++)
        if (s->lengths[q] + s->added[q] > o->context)
            return glia_fail(e, GLIA_E_CONTEXT, "G0718",
                             "sequence %d would hold %lld tokens; the context is %lld", q,
                             (long long)(s->lengths[q] + s->added[q]), (long long)o->context);
    return GLIA_OK;
}

static void write_inputs(glia_session *s, const glia_batch *b)
{
    const glia_model *m = s->m;
    int32_t *ids = glia_lane_input(m->lane, m->ids), *pos = glia_lane_input(m->lane, m->pos),
            *seq = glia_lane_input(m->lane, m->seq);
    memset(s->added, 0, (size_t)m->options.sequences * sizeof *s->added);
    for (int32_t i = 0; i < b->count; i++) {
        int32_t q = b->sequences ? b->sequences[i] : 0;
        ids[i] = b->ids[i];
        seq[i] = q;
        pos[i] = (int32_t)(s->lengths[q] + s->added[q]++);
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
    glia_run run = {m->weights, m->packed, s->state, &s->cancel, s->deadline_ns};
    glia_status st = glia_queue_enter(&m->queue, s->deadline_ns, &s->cancel, e);
    if (st) return st;
    st = glia_lane_begin(m->lane, symbols, e);
    if (!st) {
        write_inputs(s, b);
        st = glia_lane_run(m->lane, &run, e);
    }
    if (!st && b->row_count)
        memcpy(s->logits, glia_lane_output(m->lane, m->logits),
               (size_t)b->row_count * (size_t)m->lm.vocab * sizeof(float));
    glia_queue_leave(&m->queue);
    return st;
}

glia_status glia_session_step_held(glia_session *s, const glia_batch *b, const float **logits, glia_error *e)
{
    glia_status st = admit(s, b, e);
    int32_t sequences = s->m->options.sequences;
    if (st) return st;
    for (int32_t q = 0; q < sequences; q++) take_pages(s, q, s->lengths[q], s->lengths[q] + s->added[q]);
    st = compute(s, b, e);
    if (st == GLIA_E_CANCELLED) atomic_store(&s->cancel, 0);
    if (st) { /* as it was */
        memset(s->added, 0, (size_t)sequences * sizeof *s->added);
        for (int32_t i = 0; i < b->count; i++) s->added[b->sequences ? b->sequences[i] : 0]++;
        for (int32_t q = sequences - 1; q >= 0; q--)
            give_pages(s, q, s->lengths[q], s->lengths[q] + s->added[q]);
        return st;
    }
    for (int32_t i = 0; i < b->count; i++) {
        int32_t q = b->sequences ? b->sequences[i] : 0;
        if (q == 0) s->tokens[s->lengths[0]] = b->ids[i];
        s->lengths[q]++;
    }
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

static void trim(glia_session *s, int32_t sequence, int64_t length)
{
    give_pages(s, sequence, length, s->lengths[sequence]);
    s->lengths[sequence] = length;
}

glia_status glia_session_prefix_held(glia_session *s, const int32_t *ids, int64_t count, const float **logits,
                                     glia_error *e)
{
    const glia_model_options *o = &s->m->options;
    if (count < 1 || !ids)
        return glia_fail(e, GLIA_E_ARG, "G0716", "a prefix of %lld tokens; at least one is needed",
                         (long long)count);
    if (count > o->context)
        return glia_fail(e, GLIA_E_CONTEXT, "G0718", "the prompt has %lld tokens; the context is %lld",
                         (long long)count, (long long)o->context);
    int64_t same = 0;
    while (same < count - 1 && same < s->lengths[0] && s->tokens[same] == ids[same]) same++;
    trim(s, 0, same);
    while (same < count) {
        int32_t n = (int32_t)glia_min(o->batch, count - same), last = n - 1;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = n;
        b.ids = ids + same;
        b.rows = &last;
        b.row_count = same + n == count;
        glia_status st = glia_session_step_held(s, &b, logits, e);
        if (st) return st;
        same += n;
    }
    return GLIA_OK;
}

glia_status glia_session_prefix(glia_session *s, const int32_t *ids, int64_t count, const float **logits,
                                glia_error *e)
{
    glia_error_clear(e);
    if (!s) return glia_fail(e, GLIA_E_ARG, "G0714", "the session is null");
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    st = glia_session_prefix_held(s, ids, count, logits, e);
    glia_session_leave(s);
    return st;
}

int64_t glia_session_length(const glia_session *s, int32_t sequence)
{
    return s && sequence >= 0 && sequence < s->m->options.sequences ? s->lengths[sequence] : -1;
}

glia_status glia_session_trim(glia_session *s, int32_t sequence, int64_t length, glia_error *e)
{
    glia_error_clear(e);
    if (!s || sequence < 0 || sequence >= s->m->options.sequences)
        return glia_fail(e, GLIA_E_ARG, "G0714", "there is no sequence %d", sequence);
    glia_status st = glia_session_enter(s, e);
    if (st) return st;
    if (length < 0 || length > s->lengths[sequence])
        st = glia_fail(e, GLIA_E_ARG, "G0716", "sequence %d holds %lld tokens; it cannot be trimmed to %lld",
                       sequence, (long long)s->lengths[sequence], (long long)length);
    else trim(s, sequence, length);
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
