/* Sequences that share pages: forks, equal beginnings, small pools, caches of several sessions and threads;
 * on every kind of model, the bits are those of sequences that are alone. */
#include "fault_os.h"
#include "subjects.h"

#include <pthread.h>

enum { TOKENS = SUBJECT_TOKENS, PAGE = 32 };

static const subject *small(void) { return &subjects[2]; } /* q8_0 */

static glia_session *session_of(glia_model *m)
{
    glia_session *s = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (!m || glia_session_create(m, &s, &e)) exit(2);
    return s;
}

/* a is forked to b and c at every kind of place; all go on, in one step or in turns, and are cut and go on.
 */
static void fork_subject(const subject *t)
{
    static const int64_t cuts[] = {0, 1, 31, 32, 33, TOKENS};
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = spine_open(t->path, &o);
    glia_session *s = session_of(m);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        int64_t cut = cuts[i];
        subject_feed(t, s, 0, 0, glia_session_length(s, 0), TOKENS);
        CHECK_I64(glia_session_fork(s, 1, 0, cut, &e), GLIA_OK);
        CHECK_I64(glia_session_fork(s, 2, 1, cut, &e), GLIA_OK);
        CHECK_I64(glia_session_length(s, 2), cut);
        CHECK_I64(glia_session_trim(s, 0, cut, &e), GLIA_OK);
        subject_feed(t, s, 2, 0, cut, TOKENS); /* the same as what 0 had: 0 must not be harmed */
        subject_feed(t, s, 1, 0, cut, TOKENS);
        subject_feed(t, s, 0, 0, cut, TOKENS);
        CHECK_I64(glia_session_trim(s, 0, 0, &e), GLIA_OK); /* another text where they shared */
        subject_feed(t, s, 0, 1, 0, TOKENS);
        CHECK_I64(glia_session_trim(s, 2, cut / 2, &e), GLIA_OK);
        subject_feed(t, s, 2, 0, cut / 2, TOKENS);
        CHECK_I64(glia_session_trim(s, 0, 0, &e), GLIA_OK);
    }
    glia_session_destroy(s);
    glia_model_close(m);
}

static void forks(void)
{
    for (int i = 0; i < subject_count; i++) fork_subject(&subjects[i]);
}

/* What a fork then reads or writes, told from what its origin reads or writes, in one step. */
static void fork_in_one_step(void)
{
    const subject *t = small();
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = spine_open(t->path, &o);
    glia_session *s = session_of(m), *alone = session_of(m);
    const float *logits;
    subject_feed(t, s, 0, 0, 0, 20);
    CHECK_I64(glia_session_fork(s, 1, 0, 20, &e), GLIA_OK);
    CHECK_I64(glia_session_fork(s, 2, 0, 11, &e), GLIA_OK);
    int32_t ids[3] = {t->ids[0][20], t->ids[1][3], t->ids[2][5]}, sequences[3] = {0, 1, 2},
            rows[3] = {0, 1, 2};
    glia_batch b = GLIA_BATCH_INIT;
    b.count = b.row_count = 3;
    b.ids = ids;
    b.sequences = sequences;
    b.rows = rows;
    CHECK_I64(glia_session_step(s, &b, &logits, &e), GLIA_OK);
    CHECK(spine_same_bits(logits, t->want[0] + 20 * t->vocab, t->vocab));
    for (int i = 1; i < 3; i++) {
        const float *want;
        int32_t all[21];
        int64_t n = i == 1 ? 20 : 11;
        memcpy(all, t->ids[0], (size_t)n * 4);
        all[n] = ids[i];
        CHECK_I64(glia_session_prefix(alone, all, n + 1, &want, &e), GLIA_OK);
        CHECK(spine_same_bits(logits + i * t->vocab, want, t->vocab));
        CHECK_I64(glia_session_trim(alone, 0, 0, &e), GLIA_OK);
    }
    subject_feed(t, s, 0, 0, 21, TOKENS);
    glia_session_destroy(s);
    glia_session_destroy(alone);
    glia_model_close(m);
}

/* Pages of equal beginnings are held once, whoever made them, and found again after they were given back. */
static void beginnings(void)
{
    const subject *t = small();
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    const float *logits;
    o.cache_tokens = 8 * PAGE;
    glia_model *m = spine_open(t->path, &o);
    glia_cache *c = NULL;
    glia_session *a = NULL, *b = NULL;
    CHECK_I64(glia_cache_create(m, &c, &e), GLIA_OK);
    CHECK_I64(glia_session_create_in(c, &a, &e), GLIA_OK);
    CHECK_I64(glia_session_create_in(c, &b, &e), GLIA_OK);
    CHECK_I64(glia_cache_free_tokens(c), 8 * PAGE);
    subject_feed(t, a, 0, 0, 0, TOKENS);
    CHECK_I64(glia_cache_free_tokens(c), 6 * PAGE);
    subject_feed(t, a, 1, 0, 0, TOKENS); /* computed again, since its logits are wanted; held once */
    CHECK_I64(glia_cache_free_tokens(c), 5 * PAGE);
    CHECK_I64(glia_session_fill(b, 2, t->ids[0], TOKENS, &logits, &e), GLIA_OK);
    CHECK(spine_same_bits(logits, t->want[0] + (TOKENS - 1) * t->vocab, t->vocab));
    CHECK_I64(glia_cache_free_tokens(c), 4 * PAGE);
    glia_session_destroy(a);
    CHECK_I64(glia_cache_free_tokens(c), 6 * PAGE);
    CHECK_I64(glia_session_trim(b, 2, 0, &e), GLIA_OK);
    CHECK_I64(glia_cache_free_tokens(c), 8 * PAGE);
    /* given back, not overwritten: nothing but the last tokens is computed. A cancelled step shows how many
     * were there before it. */
    glia_session_cancel(b);
    CHECK_I64(glia_session_fill(b, 0, t->ids[0], TOKENS, &logits, &e), GLIA_E_CANCELLED);
    CHECK_I64(glia_session_length(b, 0), PAGE);
    CHECK_I64(glia_session_fill(b, 0, t->ids[0], TOKENS, &logits, &e), GLIA_OK);
    CHECK(spine_same_bits(logits, t->want[0] + (TOKENS - 1) * t->vocab, t->vocab));
    /* overwritten: not found */
    CHECK_I64(glia_session_trim(b, 0, 0, &e), GLIA_OK);
    for (int q = 0; q < 3; q++) subject_feed(t, b, q, 1 + q % 2, 0, TOKENS);
    CHECK_I64(glia_session_trim(b, 1, 0, &e), GLIA_OK);
    for (int q = 0; q < 3; q++) CHECK_I64(glia_session_trim(b, q, 0, &e), GLIA_OK);
    for (int q = 0; q < 3; q++) {
        int32_t other[TOKENS];
        spine_ids(other, TOKENS, t->vocab, (uint64_t)(50 + q));
        CHECK_I64(glia_session_fill(b, q, other, TOKENS, &logits, &e), GLIA_OK);
    }
    CHECK_I64(glia_session_trim(b, 0, 0, &e), GLIA_OK);
    subject_feed(t, b, 0, 0, 0, TOKENS);
    glia_session_destroy(b);
    glia_cache_destroy(c);
    glia_cache_destroy(NULL);
    glia_model_close(m);
}

/* Pages are opaque: whatever the cache keeps in them, copies and snapshots have the bits of a sequence alone.
 */
static void cache_types(void)
{
    static const glia_dtype types[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0};
    if (!spine_there(SPINE_DEMO)) {
        SKIP("cache_types", "no demo model");
        return;
    }
    for (int i = 0; i < 3; i++) {
        glia_model_options o = subject_options();
        glia_error e = GLIA_ERROR_INIT;
        int32_t ids[TOKENS];
        o.kv_dtype = types[i];
        glia_model *m = spine_open(SPINE_DEMO, &o);
        glia_session *alone = session_of(m), *s = session_of(m);
        int64_t vocab = glia_model_vocab_size(m);
        float *want = malloc((size_t)(TOKENS * vocab) * 4), *got = malloc((size_t)(TOKENS * vocab) * 4);
        spine_ids(ids, TOKENS, vocab, 9);
        spine_feed(alone, vocab, ids, TOKENS, 0, 1, want);
        spine_feed(s, vocab, ids, TOKENS, 0, 9, got);
        CHECK(spine_same_bits(got, want, TOKENS * vocab));
        for (int64_t cut = 3; cut < TOKENS; cut += 16) {
            CHECK_I64(glia_session_fork(s, 1, 0, cut, &e), GLIA_OK);
            int64_t size = glia_session_save_size(s, 1);
            void *bytes = malloc((size_t)size);
            CHECK_I64(glia_session_save(s, 1, bytes, size, &e), GLIA_OK);
            CHECK_I64(glia_session_restore(s, 2, bytes, size, &e), GLIA_OK);
            for (int32_t q = 1; q < 3; q++) {
                spine_feed(s, vocab, ids + cut, TOKENS - cut, q, 5, got);
                CHECK(spine_same_bits(got, want + cut * vocab, (TOKENS - cut) * vocab));
            }
            free(bytes);
        }
        free(want);
        free(got);
        glia_session_destroy(alone);
        glia_session_destroy(s);
        glia_model_close(m);
    }
}

/* More sequences than the pool holds tokens for: refused with both numbers and no change, taken once there is
 * room. */
static void small_pool(void)
{
    const subject *t = small();
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    int32_t sequences[48] = {0};
    o.cache_tokens = 3 * PAGE - 5; /* three pages */
    glia_model *m = spine_open(t->path, &o);
    glia_session *s = session_of(m);
    subject_feed(t, s, 0, 0, 0, 30);
    subject_feed(t, s, 1, 1, 0, TOKENS);
    glia_batch b = GLIA_BATCH_INIT;
    b.count = 7; /* five of sequence 0, which need a page, two of sequence 2, which need another */
    b.ids = t->ids[0] + 30;
    for (int i = 5; i < 7; i++) sequences[i] = 2;
    b.sequences = sequences;
    CHECK_I64(glia_session_step(s, &b, NULL, &e), GLIA_E_LIMIT);
    CHECK_STR(e.code, "G0719");
    CHECK(strstr(e.text, "2 more pages") && strstr(e.text, "0 of 3 are free"));
    CHECK_I64(glia_session_length(s, 0), 30);
    CHECK_I64(glia_session_length(s, 2), 0);
    CHECK_I64(glia_session_fork(s, 2, 0, 30, &e), GLIA_OK); /* takes nothing */
    b.count = 1;
    sequences[0] = 2;
    CHECK_I64(glia_session_step(s, &b, NULL, &e), GLIA_E_LIMIT); /* its copy has no room */
    CHECK(strstr(e.text, "1 more pages") != NULL);
    CHECK_I64(glia_session_trim(s, 1, 0, &e), GLIA_OK);
    subject_feed(t, s, 2, 0, 30, TOKENS);
    CHECK_I64(glia_session_trim(s, 2, 0, &e), GLIA_OK);
    subject_feed(t, s, 0, 0, 30, TOKENS);
    glia_session_destroy(s);
    glia_model_close(m);
    static const int64_t bad[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 31};
    for (int i = 0; i < 4; i++) {
        o.cache_tokens = bad[i];
        CHECK_I64(glia_model_open(t->path, &o, &m, &e), GLIA_E_ARG);
        CHECK_STR(e.code, "G0709");
    }
}

static void bad_calls(void)
{
    const subject *t = small();
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = spine_open(t->path, &o);
    glia_session *s = session_of(m);
    int32_t ids[TOKENS];
    subject_feed(t, s, 0, 0, 0, 20);
    static const struct {
        int32_t to, from;
        int64_t length;
    } bad[] = {{0, 0, 3},         {-1, 0, 3}, {3, 0, 3},  {1, -1, 0},        {1, 3, 0},
               {1, INT32_MIN, 0}, {1, 0, -1}, {1, 0, 21}, {1, 0, INT64_MAX}, {1, 2, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_I64(glia_session_fork(s, bad[i].to, bad[i].from, bad[i].length, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fork(NULL, 1, 0, 0, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fill(NULL, 0, ids, 1, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fill(s, 3, t->ids[0], 1, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fill(s, 1, t->ids[0], 0, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fill(s, 1, NULL, 1, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_fill(s, 1, t->ids[0], 46, NULL, &e), GLIA_E_CONTEXT);
    CHECK_I64(glia_session_tokens(s, 3, ids, TOKENS), -1);
    CHECK_I64(glia_session_tokens(NULL, 0, ids, TOKENS), -1);
    CHECK_I64(glia_session_tokens(s, 0, NULL, 0), 20);
    ids[5] = -7;
    CHECK_I64(glia_session_tokens(s, 0, ids, 5), 20);
    CHECK(!memcmp(ids, t->ids[0], 20) && ids[5] == -7);
    CHECK_I64(glia_session_create_in(NULL, &s, &e), GLIA_E_ARG);
    CHECK_I64(glia_cache_create(NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_cache_free_tokens(NULL), 0);
    subject_feed(t, s, 0, 0, 20, TOKENS);
    glia_session_destroy(s);
    glia_model_close(m);
}

/* What is taken, by class and to the byte; each request refused in turn; nothing after creation. */
static void memory(void)
{
    const subject *t = small();
    struct fault_os f;
    glia_error e = GLIA_ERROR_INIT;
    glia_memory have = GLIA_MEMORY_INIT;
    glia_model_options o = subject_options();
    glia_cache *c;
    glia_session *s[3];
    fault_os_init(&f, NULL);
    o.os = &f.os;
    o.cache_tokens = 500;
    glia_model *m = spine_open(t->path, &o);
    glia_model_memory(m, &have);
    int64_t blocks = f.live_bytes, reserved = f.live_reserved;
    CHECK_I64(glia_cache_create(m, &c, &e), GLIA_OK);
    CHECK_I64(f.live_reserved - reserved, have.state);
    int64_t cache_tables = f.live_bytes - blocks;
    for (int i = 0; i < 3; i++) CHECK_I64(glia_session_create_in(c, &s[i], &e), GLIA_OK);
    CHECK_I64(f.live_bytes - blocks, cache_tables + 3 * have.session);
    CHECK_I64(f.live_reserved - reserved, have.state);
    int64_t calls = f.calls_any;
    for (int i = 0; i < 3; i++) subject_feed(t, s[i], 0, i, 0, TOKENS);
    CHECK_I64(glia_session_fork(s[0], 1, 0, 35, &e), GLIA_OK);
    subject_feed(t, s[0], 1, 0, 35, TOKENS);
    CHECK_I64(glia_session_fill(s[1], 2, t->ids[0], TOKENS, NULL, &e), GLIA_OK);
    CHECK_I64(f.calls_any, calls);
    for (int i = 0; i < 3; i++) glia_session_destroy(s[i]);
    glia_cache_destroy(c);
    CHECK_I64(f.live_bytes, blocks);
    static const int classes[] = {FAULT_MEMORY, FAULT_RESERVE, FAULT_COMMIT};
    for (int k = 0; k < 3; k++)
        for (int n = 1; n < 3; n++) {
            fault_os_fail(&f, classes[k], n, false);
            glia_status st = glia_session_create(m, &s[0], &e);
            CHECK(f.failed ? st == GLIA_E_NOMEM && s[0] == NULL : st == GLIA_OK);
            fault_os_heal(&f);
            if (!st) glia_session_destroy(s[0]);
            CHECK_I64(f.live_bytes, blocks);
            CHECK_I64(f.live_reserved, reserved);
        }
    glia_model_close(m);
    CHECK(fault_os_clean(&f));
}

/* ---- threads ----------------------------------------------------------------------------------------- */

typedef struct user {
    const subject *t;
    glia_cache *c;
    int which, rounds, refused;
    bool same;
} user;

static void *use(void *arg)
{
    user *u = arg;
    const subject *t = u->t;
    glia_session *s = NULL;
    u->same = !glia_session_create_in(u->c, &s, NULL);
    for (int i = 0; i < u->rounds && u->same; i++) {
        int which = (i + u->which) % SUBJECT_SEQUENCES;
        int64_t cut = 1 + (i * 7 + u->which * 5) % (TOKENS - 1), n = TOKENS - i % 5;
        const float *logits;
        glia_status st = glia_session_fill(s, i % 3, t->ids[which], n, &logits, NULL);
        u->refused += st == GLIA_E_LIMIT;
        if (st == GLIA_E_LIMIT) { /* the others hold it all: let go and go on */
            for (int q = 0; q < 3; q++) u->same = u->same && !glia_session_trim(s, q, 0, NULL);
            continue;
        }
        u->same = !st && spine_same_bits(logits, t->want[which] + (n - 1) * t->vocab, t->vocab);
        if (cut < n) u->same = u->same && !glia_session_fork(s, (i + 1) % 3, i % 3, cut, NULL);
        if (i % 4 == 3) u->same = u->same && !glia_session_trim(s, i % 3, cut / 2, NULL);
    }
    glia_session_destroy(s);
    return NULL;
}

static void threads(void)
{
    const subject *t = small();
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    o.cache_tokens = 10 * PAGE;
    glia_model *m = spine_open(t->path, &o);
    glia_cache *c = NULL;
    user u[3];
    pthread_t thread[3];
    CHECK_I64(glia_cache_create(m, &c, &e), GLIA_OK);
    for (int i = 0; i < 3; i++) {
        u[i] = (user){t, c, i, SPINE_SLOW ? 30 : 150, 0, false};
        pthread_create(&thread[i], NULL, use, &u[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        CHECK(u[i].same);
    }
    CHECK_I64(glia_cache_free_tokens(c), 10 * PAGE);
    glia_cache_destroy(c);
    glia_model_close(m);
}

int main(void)
{
    subjects_open();
    RUN(forks);
    RUN(fork_in_one_step);
    RUN(beginnings);
    RUN(cache_types);
    RUN(small_pool);
    RUN(bad_calls);
    RUN(memory);
    RUN(threads);
    subjects_close();
    return CHECK_EXIT();
}
