/* Sessions against a simple model of themselves: lists of tokens, and logits that a new session computes from
 * the first token on. A thousand operations drawn by lot, over sessions that share a small cache and one that
 * has its own; after each one every sequence must hold what the lists say, all logits must have the bits of
 * the new session, and the cache's books must balance. */
#include "spine.h"

#include "llm/internal.h"

enum {
    SESSIONS = 3,
    SEQUENCES = 3,
    CONTEXT = 101,
    BATCH = 40,
    BASES = 3,
    OPERATIONS = SPINE_SLOW ? 400 : 2500
};

static uint64_t lot_state = 20240611;

static int64_t lot(int64_t below)
{
    lot_state = lot_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((lot_state >> 33) % (uint64_t)below);
}

/* ---- the logits of every prefix that was ever asked for ---------------------------------------------- */

typedef struct node {
    int32_t id;
    struct node *child, *next;
    float *logits;
} node;

static node root;
static glia_model *model;
static int64_t vocab;
static int32_t bases[BASES][CONTEXT];

static node *child_of(node *n, int32_t id)
{
    for (node *c = n->child; c; c = c->next)
        if (c->id == id) return c;
    node *c = calloc(1, sizeof *c);
    c->id = id;
    c->next = n->child;
    n->child = c;
    return c;
}

static void free_nodes(node *first)
{
    while (first) { /* children are spliced in behind: no recursion */
        node *next = first->next, *last = first->child;
        if (last) {
            while (last->next) last = last->next;
            last->next = next;
            next = first->child;
        }
        free(first->logits);
        free(first);
        first = next;
    }
}

static const float *expected(const int32_t *ids, int64_t count)
{
    node *n = &root;
    for (int64_t i = 0; i < count; i++) n = child_of(n, ids[i]);
    if (n->logits) return n->logits;
    glia_session *fresh = NULL;
    glia_error e = GLIA_ERROR_INIT;
    float *all = malloc((size_t)(count * vocab) * sizeof *all);
    if (glia_session_create(model, &fresh, &e)) exit(2);
    spine_feed(fresh, vocab, ids, count, 0, BATCH, all);
    glia_session_destroy(fresh);
    n = &root;
    for (int64_t i = 0; i < count; i++) {
        n = child_of(n, ids[i]);
        if (n->logits) continue;
        n->logits = malloc((size_t)vocab * sizeof(float));
        memcpy(n->logits, all + i * vocab, (size_t)vocab * sizeof(float));
    }
    free(all);
    return n->logits;
}

/* ---- the sessions and their lists -------------------------------------------------------------------- */

typedef struct list {
    int32_t ids[CONTEXT];
    int64_t length;
} list;

static glia_cache *cache;
static glia_session *sessions[SESSIONS]; /* the last has a cache of its own */
static list lists[SESSIONS][SEQUENCES];
static int refused_for_pages, shared_most;

static void check_lists(int operation)
{
    int32_t ids[CONTEXT];
    for (int s = 0; s < SESSIONS; s++)
        for (int q = 0; q < SEQUENCES; q++) {
            const list *l = &lists[s][q];
            int64_t n = glia_session_tokens(sessions[s], q, ids, CONTEXT);
            if (n == l->length && !memcmp(ids, l->ids, (size_t)n * 4)) continue;
            fprintf(stderr, "operation %d: session %d, sequence %d holds other tokens\n", operation, s, q);
            check_case_failures++;
        }
}

/* Every page is free or held just as often as tables name it; a sealed one says what its sequences hold. */
static void check_books(const glia_cache *c, glia_session *const *of, int count)
{
    int held = 0, shared = 0;
    int32_t *refs = calloc((size_t)c->page_count, sizeof *refs);
    for (int s = 0; s < count; s++)
        for (int q = 0; q < SEQUENCES; q++) {
            const glia_sequence *x = &of[s]->sequences[q];
            for (int64_t p = 0; p < glia_pages_of(x->length); p++) {
                const glia_page *page = &c->pages[x->table[p]];
                refs[x->table[p]]++;
                if (!page->serial) continue;
                int64_t n = x->length - p * GLIA_PAGE_TOKENS;
                if (n > GLIA_PAGE_TOKENS) n = GLIA_PAGE_TOKENS;
                CHECK(!memcmp(page->ids, x->tokens + p * GLIA_PAGE_TOKENS, (size_t)n * 4));
                CHECK_I64(page->before, p ? x->table[p - 1] : -1);
                CHECK(!page->foreign);
            }
        }
    for (int32_t i = 0; i < c->page_count; i++) {
        CHECK_I64(c->pages[i].refs, refs[i]);
        held += refs[i] > 0;
        shared += refs[i] > 1;
    }
    CHECK_I64(c->free_count, c->page_count - held);
    if (shared > shared_most) shared_most = shared;
    free(refs);
}

/* The next token of a sequence: mostly what its base says, so that beginnings coincide. */
static int32_t next_id(const list *l, int base)
{
    return lot(60) ? bases[base][l->length] : (int32_t)lot(vocab);
}

static void check_row(const list *l, int64_t length, const float *logits)
{
    if (!spine_same_bits(logits, expected(l->ids, length), vocab)) check_case_failures++;
}

static void step(int s)
{
    int32_t ids[BATCH], sequences[BATCH], rows[BATCH], count = 0, most = 1 + (int32_t)lot(BATCH);
    int64_t lengths[BATCH];
    list after[SEQUENCES];
    const float *logits;
    glia_error e = GLIA_ERROR_INIT;
    int base = (int)lot(BASES), one = lot(2) ? (int)lot(SEQUENCES) : -1;
    memcpy(after, lists[s], sizeof after);
    for (; count < most; count++) {
        int q = one >= 0 ? one : (int)lot(SEQUENCES);
        if (after[q].length == CONTEXT) break;
        ids[count] = next_id(&after[q], base);
        after[q].ids[after[q].length++] = ids[count];
        sequences[count] = q;
        lengths[count] = after[q].length;
        rows[count] = count;
    }
    if (!count) return;
    glia_batch b = GLIA_BATCH_INIT;
    b.count = b.row_count = count;
    b.ids = ids;
    b.sequences = sequences;
    b.rows = rows;
    bool cancelled = lot(8) == 0;
    if (cancelled) glia_session_cancel(sessions[s]);
    glia_status st = glia_session_step(sessions[s], &b, &logits, &e);
    if (st == GLIA_E_LIMIT) {
        CHECK_STR(e.code, "G0719");
        refused_for_pages++;
        if (cancelled) { /* still asked for: the next step takes it */
            lists[s][0].length = 0;
            CHECK_I64(glia_session_trim(sessions[s], 0, 0, &e), GLIA_OK);
            b.count = 1;
            b.row_count = 0;
            b.sequences = NULL;
            st = glia_session_step(sessions[s], &b, NULL, &e);
            CHECK(st == GLIA_E_CANCELLED || st == GLIA_E_LIMIT);
            atomic_store(&sessions[s]->cancel, 0);
        }
        return;
    }
    CHECK_I64(st, cancelled ? GLIA_E_CANCELLED : GLIA_OK);
    if (st) return;
    memcpy(lists[s], after, sizeof after);
    for (int32_t i = 0; i < count; i++) check_row(&lists[s][sequences[i]], lengths[i], logits + i * vocab);
}

static void fill(int s)
{
    int q = (int)lot(SEQUENCES), base = (int)lot(BASES);
    list l = {.length = 0};
    const float *logits;
    glia_error e = GLIA_ERROR_INIT;
    int64_t n = 1 + lot(CONTEXT);
    if (lot(3) == 0) l = lists[s][q];
    if (l.length >= n) l.length = n - 1;
    while (l.length < n) {
        l.ids[l.length] = next_id(&l, base);
        l.length++;
    }
    glia_status st = glia_session_fill(sessions[s], q, l.ids, n, &logits, &e);
    if (st == GLIA_E_LIMIT) {
        refused_for_pages++;
        l.length = glia_session_length(sessions[s], q); /* a prefix of what was handed over */
        CHECK(l.length < n);
    } else {
        CHECK_I64(st, GLIA_OK);
        check_row(&l, n, logits);
    }
    lists[s][q] = l;
}

static void trim(int s)
{
    int q = (int)lot(SEQUENCES);
    glia_error e = GLIA_ERROR_INIT;
    int64_t n = lot(4) ? lot(lists[s][q].length + 1) : 0;
    CHECK_I64(glia_session_trim(sessions[s], q, n, &e), GLIA_OK);
    lists[s][q].length = n;
}

static void fork_one(int s)
{
    int from = (int)lot(SEQUENCES), to = (from + 1 + (int)lot(SEQUENCES - 1)) % SEQUENCES;
    glia_error e = GLIA_ERROR_INIT;
    int64_t n = lot(3) ? lists[s][from].length : lot(lists[s][from].length + 1);
    CHECK_I64(glia_session_fork(sessions[s], to, from, n, &e), GLIA_OK);
    lists[s][to] = lists[s][from];
    lists[s][to].length = n;
}

/* Saved from one session, restored into any; at times damaged on the way. */
static void save_restore(int s)
{
    int q = (int)lot(SEQUENCES), to = (int)lot(SESSIONS), r = (int)lot(SEQUENCES);
    glia_error e = GLIA_ERROR_INIT;
    int64_t size = glia_session_save_size(sessions[s], q);
    uint8_t *bytes = malloc((size_t)size);
    CHECK_I64(glia_session_save(sessions[s], q, bytes, size, &e), GLIA_OK);
    bool damaged = lot(4) == 0;
    if (damaged) bytes[lot(size)] ^= (uint8_t)(1 << lot(8));
    glia_status st = glia_session_restore(sessions[to], r, bytes, size, &e);
    if (damaged) CHECK(st == GLIA_E_FORMAT || st == GLIA_E_UNSUPPORTED);
    else if (st == GLIA_E_LIMIT) refused_for_pages++;
    else {
        CHECK_I64(st, GLIA_OK);
        list copy = lists[s][q];
        lists[to][r] = copy;
    }
    free(bytes);
}

static void renew(int s)
{
    glia_error e = GLIA_ERROR_INIT;
    if (lot(4)) return;
    glia_session_destroy(sessions[s]);
    memset(lists[s], 0, sizeof lists[s]);
    CHECK_I64(s == SESSIONS - 1 ? glia_session_create(model, &sessions[s], &e)
                                : glia_session_create_in(cache, &sessions[s], &e),
              GLIA_OK);
}

static void (*const operation[])(int) = {step, step, step,     step,     step,         fill,
                                         fill, trim, fork_one, fork_one, save_restore, renew};

static void random_operations(void)
{
    const char *dir = check_data_dir();
    char path[512];
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = o.slots = 1;
    o.sequences = SEQUENCES;
    o.context = CONTEXT;
    o.batch = o.logit_rows = BATCH;
    o.cache_tokens = 15 * GLIA_PAGE_TOKENS; /* six sequences of up to four pages: too few */
    if (dir) snprintf(path, sizeof path, "%s/llm/stories260K/stories260K-f32.gguf", dir);
    else {
        snprintf(path, sizeof path, "%s", spine_temp("tiny.gguf"));
        if (glia_synth(NULL, "tiny", GLIA_F32, 7, path, &e)) exit(2);
    }
    model = spine_open(path, &o);
    if (!model) return;
    vocab = glia_model_vocab_size(model);
    for (int i = 0; i < BASES; i++) {
        spine_ids(bases[i], CONTEXT, vocab, (uint64_t)i + 1);
        memcpy(bases[i], bases[0], (size_t)(20 * i) * 4); /* two share a page's beginning, not the page */
    }
    memcpy(bases[2], bases[1], 64 * 4);
    CHECK_I64(glia_cache_create(model, &cache, &e), GLIA_OK);
    for (int s = 0; s < SESSIONS; s++)
        CHECK_I64(s == SESSIONS - 1 ? glia_session_create(model, &sessions[s], &e)
                                    : glia_session_create_in(cache, &sessions[s], &e),
                  GLIA_OK);
    for (int i = 0; i < OPERATIONS && !check_case_failures; i++) {
        operation[lot(sizeof operation / sizeof operation[0])]((int)lot(SESSIONS));
        check_lists(i);
        check_books(cache, sessions, SESSIONS - 1);
        check_books(sessions[SESSIONS - 1]->cache, &sessions[SESSIONS - 1], 1);
        if (check_case_failures) fprintf(stderr, "at operation %d\n", i);
    }
    CHECK(refused_for_pages > 0 && shared_most > 2); /* else the lots were drawn badly */
    for (int s = 0; s < SESSIONS; s++) glia_session_destroy(sessions[s]);
    CHECK_I64(glia_cache_free_tokens(cache), 15 * GLIA_PAGE_TOKENS);
    glia_cache_destroy(cache);
    glia_model_close(model);
    free_nodes(root.child);
}

int main(void)
{
    RUN(random_operations);
    spine_clean((const char *const[]){"tiny.gguf", NULL});
    return CHECK_EXIT();
}
