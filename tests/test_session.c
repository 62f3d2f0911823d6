/* Sessions: the same bits whatever the threads, slots, pieces, neighbours and instruction set; exclusion,
 * cancelling, deadlines, limits; and the account of memory. */
#include "malloc_count.c"

#include "fault_os.h"
#include "spine.h"

#include "base/cpu.h"
#include "ops/ops.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

enum { TOKENS = 40, SEQUENCES = 3 };

/* ---- files that everything is tried on -------------------------------------------------------------- */

typedef struct subject {
    char path[160];
    char name[40];
    int64_t vocab;
    int32_t ids[SEQUENCES][TOKENS];
    float *want[SEQUENCES]; /* [TOKENS, vocab]: one thread, one slot, portable, token by token, alone */
} subject;

static subject subjects[16];
static int subject_count;

static const glia_dtype tiny_types[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0, GLIA_Q4_0};

static void add_subject(const char *path, const char *name)
{
    subject *s = &subjects[subject_count++];
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->name, sizeof s->name, "%s", name);
}

static const char *tiny_path(glia_dtype t)
{
    char name[32];
    glia_error e = GLIA_ERROR_INIT;
    snprintf(name, sizeof name, "tiny-%s.gguf", glia_dtype_name(t));
    const char *path = spine_temp(name);
    if (!spine_there(path) && glia_synth(NULL, "tiny", t, 7, path, &e)) fprintf(stderr, "%s\n", e.text);
    return path;
}

static glia_model_options plain_options(void)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = o.slots = 1;
    o.sequences = SEQUENCES;
    o.batch = 48;
    o.logit_rows = 48;
    o.context = 45; /* no whole pages; gpt2.gguf has 48 positions */
    return o;
}

static void make_reference(subject *s)
{
    glia_model_options o = plain_options();
    glia_session *session = NULL;
    glia_error e = GLIA_ERROR_INIT;
    o.isa = "portable";
    glia_model *m = spine_open(s->path, &o);
    if (!m || glia_session_create(m, &session, &e)) return;
    s->vocab = glia_model_vocab_size(m);
    for (int q = 0; q < SEQUENCES; q++) {
        s->want[q] = malloc((size_t)(TOKENS * s->vocab) * sizeof(float));
        spine_ids(s->ids[q], TOKENS, s->vocab, (uint64_t)(q + 1));
        /* The whole vocabulary's logits of every token of sequence 0; of the others too, since they are
         * compared. */
        spine_feed(session, s->vocab, s->ids[q], TOKENS, 0, 1, s->want[q]);
        CHECK_I64(glia_session_trim(session, 0, 0, &e), GLIA_OK);
    }
    glia_session_destroy(session);
    glia_model_close(m);
}

static void references(void)
{
    if (spine_there(SPINE_DEMO)) add_subject(SPINE_DEMO, "demo");
    else SKIP("demo", "no demo model");
    for (size_t i = 0; i < sizeof tiny_types / sizeof tiny_types[0]; i++)
        add_subject(tiny_path(tiny_types[i]), glia_dtype_name(tiny_types[i]));
    for (int i = 0; spine_archs[i]; i++) add_subject(spine_arch_path(spine_archs[i], "gguf"), spine_archs[i]);
    for (int i = 0; i < subject_count; i++) make_reference(&subjects[i]);
    for (int i = 0; i < subject_count; i++) { /* what is compared later must say something */
        double sum = 0;
        for (int64_t j = 0; j < TOKENS * subjects[i].vocab; j++) sum += fabs((double)subjects[i].want[0][j]);
        CHECK(isfinite(sum) && sum > 1);
        CHECK(memcmp(subjects[i].want[0], subjects[i].want[1], (size_t)subjects[i].vocab * 4));
    }
}

/* ---- the same bits ---------------------------------------------------------------------------------- */

static void report(const subject *s, const glia_model_options *o, const char *what)
{
    fprintf(stderr, "%s: %s: threads %d, slots %d, isa %s\n", s->name, what, o->threads, o->slots,
            o->isa ? o->isa : "best");
    check_case_failures++;
}

/* pieces: sizes of the steps, 0 ends; the rest goes token by token. */
static void compare_run(glia_model *m, const subject *s, const glia_model_options *o, const int *pieces)
{
    glia_session *session = NULL;
    glia_error e = GLIA_ERROR_INIT;
    float *got = malloc((size_t)(TOKENS * s->vocab) * sizeof *got);
    int64_t at = 0;
    if (glia_session_create(m, &session, &e)) {
        report(s, o, e.text);
        free(got);
        return;
    }
    while (at < TOKENS) {
        int64_t n = *pieces ? *pieces : 1;
        if (n > TOKENS - at) n = TOKENS - at;
        pieces += *pieces != 0 && pieces[1] != -1;
        if (spine_feed(session, s->vocab, s->ids[0] + at, n, 0, n, got + at * s->vocab)) break;
        const glia_variant *v = glia_lane_variant(glia_model_lane(m));
        if (v->slots != o->slots || n > v->symbol_max) report(s, o, "not the variant that was meant");
        at += n;
    }
    if (at == TOKENS && !spine_same_bits(got, s->want[0], TOKENS * s->vocab)) report(s, o, "other bits");
    free(got);
    glia_session_destroy(session);
}

static void compare(const subject *s, const glia_model_options *o, const int *pieces)
{
    glia_model *m = spine_open(s->path, o);
    if (!m) return;
    spine_force_team(m);
    compare_run(m, s, o, pieces);
    glia_model_close(m);
}

static const int all_classes[] = {25, 7, 0}; /* one step of every size class */

static void bits_threads(void)
{
    static const int counts[] = {2, 3, 4, 8};
    for (int i = 0; i < subject_count; i++)
        for (int j = 0; j < 4; j++) {
            glia_model_options o = plain_options();
            o.threads = o.slots = counts[j];
            compare(&subjects[i], &o, all_classes);
        }
}

static void bits_slots(void)
{
    static const int pairs[][2] = {{1, 2}, {1, 3}, {1, 4}, {2, 8}, {4, 1}, {4, 3}, {3, 2}, {8, 4}, {1, 64}};
    for (int i = 0; i < subject_count; i++)
        for (int j = 0; j < 9; j++) {
            glia_model_options o = plain_options();
            if ((i || SPINE_SLOW) && j != 3 && j != 5) continue; /* all of them on the first, two on each */
            o.threads = pairs[j][0];
            o.slots = pairs[j][1];
            compare(&subjects[i], &o, all_classes);
        }
}

static void bits_pieces(void)
{
    static const int pieces[][4] = {{40, 0}, {1, -1}, {7, -1}, {32, -1}};
    for (int i = 0; i < subject_count; i++) {
        glia_model_options o = plain_options();
        o.threads = o.slots = 2;
        glia_model *m = spine_open(subjects[i].path, &o);
        if (!m) continue;
        spine_force_team(m);
        for (int j = 0; j < 4; j++) compare_run(m, &subjects[i], &o, pieces[j]);
        glia_model_close(m);
    }
}

/* Tokens of three sequences in one step, in an order drawn by lot; each must see only its own. */
static void interleave(const subject *s, const glia_model_options *o)
{
    glia_session *session = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = spine_open(s->path, o);
    int at[SEQUENCES] = {0};
    uint64_t lot = 12345;
    if (!m || glia_session_create(m, &session, &e)) return;
    spine_force_team(m);
    for (int left = SEQUENCES * TOKENS; left > 0;) {
        int32_t ids[48], sequences[48], rows[48];
        const float *logits;
        glia_batch b = GLIA_BATCH_INIT;
        lot = lot * 6364136223846793005u + 1442695040888963407u;
        int most = 1 + (int)((lot >> 40) % 45);
        int start[SEQUENCES], of[48];
        memcpy(start, at, sizeof at);
        while (b.count < most && left > 0) {
            lot = lot * 6364136223846793005u + 1442695040888963407u;
            int q = (int)((lot >> 40) % SEQUENCES);
            if (at[q] == TOKENS) continue;
            of[b.count] = at[q];
            ids[b.count] = s->ids[q][at[q]++];
            sequences[b.count] = q;
            left--;
            b.count++;
        }
        b.row_count = b.count;
        for (int i = 0; i < b.count; i++) rows[i] = b.count - 1 - i; /* rows in any order */
        b.ids = ids;
        b.sequences = sequences;
        b.rows = rows;
        if (glia_session_step(session, &b, &logits, &e)) {
            report(s, o, e.text);
            break;
        }
        for (int i = 0; i < b.count; i++)
            if (!spine_same_bits(logits + i * s->vocab, s->want[sequences[rows[i]]] + of[rows[i]] * s->vocab,
                                 s->vocab)) {
                report(s, o, "other bits beside other sequences");
                left = 0;
                break;
            }
    }
    glia_session_destroy(session);
    glia_model_close(m);
}

static void bits_batch(void)
{
    for (int i = 0; i < subject_count; i++)
        for (int threads = 1; threads < 4; threads += 2) {
            glia_model_options o = plain_options();
            o.threads = o.slots = threads;
            interleave(&subjects[i], &o);
        }
}

/* ---- instruction sets ------------------------------------------------------------------------------- */

/* The set that has to serve op on these types when `isa` is forced: the best at or below it with any row for
 * them. The expectation is written down here, not read from the tables, for what models spend their time on.
 */
static const char *expected_isa(const glia_plan *p, const glia_node *n, const char *isa)
{
    static const struct {
        const char *isa, *blocks, *others;
    } sets[] = {
        {"portable", "portable", "portable"},   {"avx2", "avx2", "avx2"},
        {"avxvnni", "avxvnni", "avx2"},         {"avx512", "avx512", "avx512"},
        {"avx512vnni", "avx512vnni", "avx512"}, {"neon", "neon", "neon"},
        {"dotprod", "dotprod", "neon"},         {"i8mm", "i8mm", "neon"},
    };
    const glia_op *const ops[] = {&glia_op_linear,   &glia_op_attend, &glia_op_rms_norm, &glia_op_swiglu,
                                  &glia_op_quantise, &glia_op_rope,   &glia_op_kv_put};
    const bool blocks =
        n->op == &glia_op_linear && glia_graph_value(p->graph, n->in[0])->type.dtype == GLIA_A8X32;
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++)
        for (size_t i = 0; !strcmp(sets[s].isa, isa) && i < sizeof ops / sizeof ops[0]; i++)
            if (n->op == ops[i]) return blocks ? sets[s].blocks : sets[s].others;
    return NULL;
}

static void check_items(const subject *s, const glia_model *m, const char *isa, bool *listed)
{
    const glia_plan *p = glia_model_plan(m);
    for (int v = 0; v < p->variant_count; v++)
        for (int i = 0; i < p->variants[v].item_count; i++) {
            const glia_item *it = &p->variants[v].items[i];
            const glia_node *n = &p->graph->nodes[it->node];
            const char *want = expected_isa(p, n, isa), *have = p->kernels[it->kernel].isa;
            if (want && strcmp(have, want)) {
                fprintf(stderr, "%s: node %s (%s) runs on %s, not on %s\n", s->name, n->name, n->op->name,
                        have, want);
                check_case_failures++;
                return;
            }
            if (want || strcmp(have, "portable")) continue;
            int64_t op = 0;
            while (glia_ops[op] != n->op) op++;
            if (!listed[op]) printf("note: %s has no kernel beyond the reference\n", n->op->name);
            listed[op] = true;
        }
}

static void bits_isa(void)
{
    static bool listed[256];
    for (int k = 0; glia_cpu_isas[k]; k++) {
        const glia_cpu_isa *isa = glia_cpu_isas[k];
        if (isa->needs & ~glia_cpu_features()) {
            SKIP(isa->name, "not on this processor");
            continue;
        }
        for (int i = 0; i < subject_count; i++) {
            glia_model_options o = plain_options();
            if (SPINE_SLOW && (k == 0 ? i != 1 && i != 3 : k == 1 && i == 0))
                continue; /* the slow and the large */
            o.isa = isa->name;
            o.threads = o.slots = 2;
            glia_model *m = spine_open(subjects[i].path, &o);
            if (!m) continue;
            spine_force_team(m);
            check_items(&subjects[i], m, isa->name, listed);
            compare_run(m, &subjects[i], &o, all_classes);
            glia_model_close(m);
        }
    }
}

/* Longer than the attention's chunk of 256 keys and than many pages. */
static void bits_long(void)
{
    enum { LONG = SPINE_SLOW ? 290 : 530 };
    const char *path = tiny_path(GLIA_F16);
    static int32_t ids[LONG];
    float *want = NULL, *got = NULL;
    int64_t vocab = 0;
    static const struct {
        int threads, piece;
        const char *isa;
    } ways[] = {{1, 48, "portable"}, {2, 31, NULL}, {3, 48, NULL}, {2, 1, NULL}, {1, 1, "portable"}};
    for (int i = 0; i < 5 - SPINE_SLOW; i++) {
        glia_model_options o = plain_options();
        glia_session *session = NULL;
        glia_error e = GLIA_ERROR_INIT;
        o.threads = o.slots = ways[i].threads;
        o.isa = ways[i].isa;
        o.context = LONG;
        o.sequences = 1;
        glia_model *m = spine_open(path, &o);
        if (!m) break;
        spine_force_team(m);
        vocab = glia_model_vocab_size(m);
        if (!want) {
            want = malloc((size_t)(LONG * vocab) * sizeof *want);
            got = malloc((size_t)(LONG * vocab) * sizeof *got);
            spine_ids(ids, LONG, vocab, 99);
        }
        CHECK_I64(glia_session_create(m, &session, &e), GLIA_OK);
        spine_feed(session, vocab, ids, LONG, 0, ways[i].piece, i ? got : want);
        CHECK(i == 0 || spine_same_bits(got, want, LONG * vocab));
        glia_session_destroy(session);
        glia_model_close(m);
    }
    free(want);
    free(got);
}

/* ---- one session over time --------------------------------------------------------------------------- */

/* The subject for what follows: small, quantised, with attention over groups. */
static const subject *small(void)
{
    for (int i = 0; i < subject_count; i++)
        if (!strcmp(subjects[i].name, "q8_0")) return &subjects[i];
    return &subjects[0];
}

typedef struct opened {
    glia_model *m;
    glia_session *s;
} opened;

static opened open_both(const subject *s, const glia_model_options *o)
{
    opened x = {spine_open(s->path, o), NULL};
    glia_error e = GLIA_ERROR_INIT;
    if (!x.m || glia_session_create(x.m, &x.s, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    spine_force_team(x.m);
    return x;
}

static void close_both(opened x)
{
    glia_session_destroy(x.s);
    glia_model_close(x.m);
}

static int64_t runs_since_clear(glia_model *m)
{
    int64_t count, dropped, runs = 0;
    const glia_event *ev = glia_lane_events(glia_model_lane(m), 0, &count, &dropped);
    CHECK_I64(dropped, 0);
    for (int64_t i = 0; i < count; i++) runs += i == 0 || ev[i].run != ev[i - 1].run;
    glia_lane_profile_clear(glia_model_lane(m));
    return runs;
}

/* Kept, trimmed and rebuilt prefixes: the last token's logits are those of a session that saw the tokens
 * anew, and what is the same is not computed again. */
static void prefix_reuse(void)
{
    const subject *t = small();
    glia_model_options o = plain_options();
    glia_error e = GLIA_ERROR_INIT;
    const float *logits;
    o.batch = 8;
    o.logit_rows = 1;
    o.threads = o.slots = 2;
    o.profile_events = 20000;
    opened x = open_both(t, &o);
    int32_t ids[TOKENS];
    memcpy(ids, t->ids[0], sizeof ids);
    struct {
        int64_t count, other, runs;
    } way[] = {
        {20, 0, 3}, {24, 0, 1},  {40, 0, 2}, {40, 0, 1}, {17, 0, 1}, {18, 0, 1},
        {40, 5, 5}, {40, 40, 5}, {3, 0, 1},  {1, 0, 1},  {33, 0, 4},
    };
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        memcpy(ids, t->ids[0], sizeof ids);
        if (way[i].other == 5) ids[4]++; /* from there on anew */
        if (way[i].other == TOKENS) memcpy(ids, t->ids[1], sizeof ids);
        runs_since_clear(x.m);
        CHECK_I64(glia_session_prefix(x.s, ids, way[i].count, &logits, &e), GLIA_OK);
        CHECK_I64(glia_session_length(x.s, 0), way[i].count);
        CHECK_I64(runs_since_clear(x.m), way[i].runs);
        if (way[i].other == TOKENS)
            CHECK(spine_same_bits(logits, t->want[1] + (way[i].count - 1) * t->vocab, t->vocab));
        else if (!way[i].other)
            CHECK(spine_same_bits(logits, t->want[0] + (way[i].count - 1) * t->vocab, t->vocab));
    }
    close_both(x);
    /* steps, trims and steps again, pages given back and taken by another sequence between */
    o = plain_options();
    x = open_both(t, &o);
    float *got = malloc((size_t)(TOKENS * t->vocab) * 4);
    for (int64_t cut = TOKENS; cut >= 0; cut -= 13) {
        for (int q = 0; q < SEQUENCES; q++) CHECK_I64(glia_session_trim(x.s, q, 0, &e), GLIA_OK);
        spine_feed(x.s, t->vocab, t->ids[2], TOKENS, 1, 16, NULL);
        spine_feed(x.s, t->vocab, t->ids[1], TOKENS, 0, 16, NULL);
        CHECK_I64(glia_session_trim(x.s, 0, 0, &e), GLIA_OK);
        spine_feed(x.s, t->vocab, t->ids[0], TOKENS, 0, 7, got);
        CHECK_I64(glia_session_trim(x.s, 0, cut, &e), GLIA_OK);
        spine_feed(x.s, t->vocab, t->ids[2], 3, 2, 3, NULL);
        spine_feed(x.s, t->vocab, t->ids[0] + cut, TOKENS - cut, 0, 5, got + cut * t->vocab);
        CHECK(spine_same_bits(got, t->want[0], TOKENS * t->vocab));
    }
    free(got);
    close_both(x);
}

/* ---- threads ----------------------------------------------------------------------------------------- */

typedef struct intruder {
    glia_session *s;
    int busy, calls;
} intruder;

static void *intrude(void *arg)
{
    intruder *i = arg;
    const float *logits;
    int32_t id = 1;
    glia_batch b = GLIA_BATCH_INIT;
    int64_t made;
    b.count = 1;
    b.ids = &id;
    i->busy += glia_session_step(i->s, &b, &logits, NULL) == GLIA_E_BUSY;
    i->busy += glia_session_prefix(i->s, &id, 1, &logits, NULL) == GLIA_E_BUSY;
    i->busy += glia_session_trim(i->s, 0, 0, NULL) == GLIA_E_BUSY;
    i->busy += glia_session_generate(i->s, &id, 1, NULL, &made, NULL) == GLIA_E_BUSY;
    i->calls += 4;
    return NULL;
}

static int let_in(void *user, int32_t id, const char *text, int64_t size)
{
    pthread_t t;
    (void)text;
    (void)size;
    if (id < 0) return 0;
    pthread_create(&t, NULL, intrude, user);
    pthread_join(t, NULL);
    return 0;
}

static void busy(void)
{
    const subject *t = small();
    glia_model_options o = plain_options();
    opened x = open_both(t, &o);
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    intruder who = {x.s, 0, 0};
    glia_error e = GLIA_ERROR_INIT;
    int64_t made;
    g.tokens_max = 5;
    g.ignore_end = 1;
    g.on_token = let_in;
    g.user = &who;
    CHECK_I64(glia_session_generate(x.s, t->ids[0], 9, &g, &made, &e), GLIA_OK);
    CHECK_I64(made, 5);
    CHECK_I64(who.calls, 20);
    CHECK_I64(who.busy, 20);
    float *got = malloc((size_t)(TOKENS * t->vocab) * 4);
    CHECK_I64(glia_session_trim(x.s, 0, 0, &e), GLIA_OK);
    spine_feed(x.s, t->vocab, t->ids[0], TOKENS, 0, 11, got);
    CHECK(spine_same_bits(got, t->want[0], TOKENS * t->vocab));
    free(got);
    close_both(x);
}

typedef struct user {
    glia_model *m;
    const subject *t;
    int which, rounds;
    bool same;
} user;

static void *use(void *arg)
{
    user *u = arg;
    glia_session *s = NULL;
    int64_t count = TOKENS * u->t->vocab;
    float *got = malloc((size_t)count * 4);
    u->same = !glia_session_create(u->m, &s, NULL);
    for (int i = 0; i < u->rounds && u->same; i++) {
        if (glia_session_trim(s, 0, 0, NULL) ||
            spine_feed(s, u->t->vocab, u->t->ids[u->which], TOKENS, 0, 1 + (i + u->which) % 9, got))
            u->same = false;
        else u->same = spine_same_bits(got, u->t->want[u->which], count);
    }
    glia_session_destroy(s);
    free(got);
    return NULL;
}

static void sessions_side_by_side(void)
{
    const subject *t = small();
    glia_model_options o = plain_options();
    o.threads = o.slots = 2;
    glia_model *m = spine_open(t->path, &o);
    user u[SEQUENCES];
    pthread_t thread[SEQUENCES];
    spine_force_team(m);
    for (int i = 0; i < SEQUENCES; i++) {
        u[i] = (user){m, t, i, 6, false};
        pthread_create(&thread[i], NULL, use, &u[i]);
    }
    for (int i = 0; i < SEQUENCES; i++) {
        pthread_join(thread[i], NULL);
        CHECK(u[i].same);
    }
    glia_model_close(m);
}

typedef struct canceller {
    glia_session *s;
    _Atomic int stop;
} canceller;

static void *cancel_at_random(void *arg)
{
    canceller *c = arg;
    uint64_t seed = 4;
    while (!atomic_load(&c->stop)) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct timespec t = {0, (long)(seed >> 33) % 400000};
        nanosleep(&t, NULL);
        glia_session_cancel(c->s);
    }
    return NULL;
}

static void cancel(void)
{
    const subject *t = small();
    glia_model_options o = plain_options();
    o.threads = o.slots = 2;
    opened x = open_both(t, &o);
    canceller c = {x.s, 0};
    pthread_t thread;
    int cancelled = 0, wrong = 0;
    float *got = malloc((size_t)(TOKENS * t->vocab) * 4);
    int32_t rows[48];
    for (int i = 0; i < 48; i++) rows[i] = i;
    pthread_create(&thread, NULL, cancel_at_random, &c);
    for (int round = 0; round < (SPINE_SLOW ? 6 : 40); round++) {
        int64_t piece = 1 + round % 20;
        for (int64_t at = 0; at < TOKENS;) {
            glia_batch b = GLIA_BATCH_INIT;
            const float *logits = NULL;
            b.count = b.row_count = (int32_t)(TOKENS - at < piece ? TOKENS - at : piece);
            b.ids = t->ids[0] + at;
            b.rows = rows;
            glia_status st = glia_session_step(x.s, &b, &logits, NULL);
            if (st == GLIA_E_CANCELLED) {
                cancelled++;
                wrong += glia_session_length(x.s, 0) != at;
                continue;
            }
            wrong += st != GLIA_OK;
            if (st) break;
            memcpy(got + at * t->vocab, logits, (size_t)(b.count * t->vocab) * 4);
            at += b.count;
        }
        wrong += !spine_same_bits(got, t->want[0], TOKENS * t->vocab);
        CHECK_I64(glia_session_trim(x.s, 0, 0, NULL), GLIA_OK);
    }
    atomic_store(&c.stop, 1);
    pthread_join(thread, NULL);
    CHECK_I64(wrong, 0);
    CHECK(cancelled > 0);
    /* asked for between steps: the next one, once */
    glia_error e = GLIA_ERROR_INIT;
    const float *logits;
    glia_session_prefix(x.s, t->ids[0], 1, &logits, &e); /* takes what may be left of the thread's */
    glia_session_cancel(x.s);
    CHECK_I64(glia_session_prefix(x.s, t->ids[0], 9, &logits, &e), GLIA_E_CANCELLED);
    CHECK_I64(glia_session_prefix(x.s, t->ids[0], 9, &logits, &e), GLIA_OK);
    CHECK(spine_same_bits(logits, t->want[0] + 8 * t->vocab, t->vocab));
    free(got);
    close_both(x);
}

static void deadline(void)
{
    const subject *t = small();
    glia_error e = GLIA_ERROR_INIT;
    const glia_os *os = glia_os_default();
    for (int threads = 1; threads < 3; threads++) {
        glia_model_options o = plain_options();
        const float *logits;
        o.threads = o.slots = threads;
        opened x = open_both(t, &o);
        CHECK_I64(glia_session_prefix(x.s, t->ids[0], 7, &logits, &e), GLIA_OK);
        glia_session_set_deadline(x.s, os->clock_ns(os->ctx) - 1);
        CHECK_I64(glia_session_prefix(x.s, t->ids[0], 20, &logits, &e), GLIA_E_DEADLINE);
        CHECK_STR(e.code, "G0707");
        CHECK_I64(glia_session_length(x.s, 0), 7);
        glia_session_set_deadline(x.s, os->clock_ns(os->ctx) + 60000000000u);
        CHECK_I64(glia_session_prefix(x.s, t->ids[0], 20, &logits, &e), GLIA_OK);
        CHECK(spine_same_bits(logits, t->want[0] + 19 * t->vocab, t->vocab));
        glia_session_set_deadline(x.s, 0);
        CHECK_I64(glia_session_prefix(x.s, t->ids[0], 21, &logits, &e), GLIA_OK);
        close_both(x);
    }
}

static void context_full(void)
{
    const subject *t = small();
    glia_model_options o = plain_options();
    glia_error e = GLIA_ERROR_INIT;
    const float *logits;
    int32_t ids[60] = {0}, sequences[48];
    int64_t made;
    o.context = 37;
    opened x = open_both(t, &o);
    CHECK_I64(glia_session_prefix(x.s, t->ids[0], 38, &logits, &e), GLIA_E_CONTEXT);
    CHECK(strstr(e.text, "38") && strstr(e.text, "37"));
    CHECK_I64(glia_session_length(x.s, 0), 0);
    spine_feed(x.s, t->vocab, t->ids[0], 30, 0, 30, NULL);
    spine_feed(x.s, t->vocab, t->ids[1], 36, 1, 36, NULL);
    glia_batch b = GLIA_BATCH_INIT;
    b.count = 6;
    b.ids = ids;
    b.sequences = sequences;
    for (int i = 0; i < 6; i++) sequences[i] = i % 2; /* 3 of sequence 0 fit, 3 of sequence 1 do not */
    CHECK_I64(glia_session_step(x.s, &b, &logits, &e), GLIA_E_CONTEXT);
    CHECK(strstr(e.text, "39") && strstr(e.text, "37"));
    CHECK_I64(glia_session_length(x.s, 0), 30);
    CHECK_I64(glia_session_length(x.s, 1), 36);
    b.count = 2; /* one too many */
    sequences[0] = 1;
    CHECK_I64(glia_session_step(x.s, &b, &logits, &e), GLIA_E_CONTEXT);
    CHECK(strstr(e.text, "38") && strstr(e.text, "37"));
    CHECK_I64(glia_session_length(x.s, 1), 36);
    b.count = 1;
    CHECK_I64(glia_session_step(x.s, &b, &logits, &e), GLIA_OK);
    CHECK_I64(glia_session_step(x.s, &b, &logits, &e), GLIA_E_CONTEXT);
    CHECK_I64(glia_session_length(x.s, 1), 37);
    float *got = malloc((size_t)(7 * t->vocab) * 4);
    spine_feed(x.s, t->vocab, t->ids[0] + 30, 7, 0, 7, got);
    CHECK(spine_same_bits(got, t->want[0] + 30 * t->vocab, 7 * t->vocab));
    free(got);
    /* generation ends with the context: an error only if more was asked for */
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    g.ignore_end = 1;
    CHECK_I64(glia_session_generate(x.s, t->ids[0], 30, &g, &made, &e), GLIA_OK);
    CHECK_I64(made, 8); /* seven are fed back, the eighth has no room to be */
    g.tokens_max = 100;
    CHECK_I64(glia_session_generate(x.s, t->ids[0], 30, &g, &made, &e), GLIA_E_CONTEXT);
    CHECK(made == 8 && strstr(e.text, "100") && strstr(e.text, "37"));
    close_both(x);
}

/* ---- memory ------------------------------------------------------------------------------------------ */

static int64_t requests(const struct fault_os *f) { return f->calls_any; }

typedef struct watch {
    const struct fault_os *f;
    int64_t asked;
    long mallocs, maps, faults;
    int32_t tokens;
} watch;

static long page_faults(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt + r.ru_majflt;
}

static int watch_token(void *arg, int32_t id, const char *text, int64_t size)
{
    watch *w = arg;
    (void)text;
    (void)size;
    if (id < 0) return 0;
    if (w->tokens++ == 2) { /* once through everything first */
        w->asked = requests(w->f);
        w->mallocs = atomic_load(&malloc_calls);
        w->maps = atomic_load(&malloc_maps);
        w->faults = page_faults();
    }
    return 0;
}

static void no_allocation(void)
{
    const subject *t = small();
    struct fault_os f;
    glia_error e = GLIA_ERROR_INIT;
    fault_os_init(&f, NULL);
    long warm = atomic_load(&malloc_calls);
    void *volatile some = malloc(100);
    free(some);
    CHECK(!malloc_counts || atomic_load(&malloc_calls) > warm);
    glia_model_options o = plain_options();
    o.os = &f.os;
    o.threads = o.slots = 2;
    o.context = 1100;
    o.sequences = 2;
    opened x = open_both(t, &o);
    /* steps: from the first on */
    int64_t before = requests(&f);
    long mallocs = atomic_load(&malloc_calls), maps = atomic_load(&malloc_maps);
    spine_feed(x.s, t->vocab, t->ids[0], TOKENS, 1, 16, NULL);
    for (int i = 0; i < 20; i++) spine_feed(x.s, t->vocab, t->ids[i % 3], TOKENS, 1, 1 + i, NULL);
    CHECK_I64(glia_session_trim(x.s, 1, 5, &e), GLIA_OK);
    CHECK_I64(requests(&f), before);
    CHECK_I64(atomic_load(&malloc_calls), mallocs);
    CHECK_I64(atomic_load(&malloc_maps), maps);
    /* generation: a sampler before the first token, nothing after it */
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    watch w = {&f, 0, 0, 0, 0, 0};
    int64_t made;
    g.tokens_max = 1003;
    g.ignore_end = 1;
    g.temperature = 0.8f;
    g.top_k = 40;
    g.top_p = 0.95f;
    g.repeat_penalty = 1.1f;
    g.on_token = watch_token;
    g.user = &w;
    CHECK_I64(glia_session_generate(x.s, t->ids[0], 4, &g, &made, &e), GLIA_OK);
    CHECK_I64(made, 1003);
    CHECK_I64(requests(&f), w.asked);
    CHECK_I64(atomic_load(&malloc_calls), w.mallocs);
    CHECK_I64(atomic_load(&malloc_maps), w.maps);
#if !defined(MALLOC_SANITIZED)
    CHECK(page_faults() - w.faults <=
          8); /* the program's own stack; 1000 tokens of ours would be thousands */
#endif
    close_both(x);
    CHECK(fault_os_clean(&f));
}

static int64_t at_least_64(int64_t v) { return v > 64 ? v : 64; }

static void memory_account(void)
{
    for (int i = 0; i < subject_count; i++)
        for (int way = 0; way < 3; way++) {
            if (SPINE_SLOW && way != i % 3) continue;
            struct fault_os f;
            glia_error e = GLIA_ERROR_INIT;
            glia_session *s = NULL;
            glia_memory asked = GLIA_MEMORY_INIT, have = GLIA_MEMORY_INIT;
            glia_model_options o = plain_options();
            fault_os_init(&f, NULL);
            o.os = &f.os;
            o.threads = o.slots = 1 + way;
            o.kv_dtype = way == 1 ? GLIA_F16 : GLIA_DTYPE_NONE;
            if (way == 2) o.isa = "portable";
            CHECK_I64(glia_model_query(subjects[i].path, &o, &asked, &e), GLIA_OK);
            CHECK(fault_os_clean(&f));
            CHECK_I64(f.calls[FAULT_RESERVE], 0);
            glia_model *m = spine_open(subjects[i].path, &o);
            if (!m) continue;
            glia_model_memory(m, &have);
            CHECK(!memcmp(&asked, &have, sizeof have));
            CHECK_I64(have.total, have.weights + have.packed + have.streamed + have.state + have.arena +
                                      have.scratch + have.tables);
            CHECK_I64(f.live_reserved, at_least_64(have.weights) + at_least_64(have.packed) +
                                           at_least_64(have.arena + have.scratch));
            int64_t reserved = f.live_reserved, blocks = f.live_bytes;
            CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
            CHECK_I64(f.live_reserved - reserved, have.state);
            CHECK_I64(f.live_bytes - blocks, have.tables - glia_model_plan(m)->bytes.tables);
            CHECK_I64(have.arena, have.arena_lower_bound);
            glia_session_destroy(s);
            CHECK_I64(f.live_bytes, blocks);
            glia_model_close(m);
            CHECK(fault_os_clean(&f));
            /* one byte too few: refused before any weight has a place; exactly enough: taken */
            o.memory_limit = asked.total - 1;
            memset(f.calls, 0, sizeof f.calls);
            char number[32];
            m = NULL;
            CHECK_I64(glia_model_open(subjects[i].path, &o, &m, &e), GLIA_E_LIMIT);
            CHECK(m == NULL && fault_os_clean(&f));
            CHECK_I64(f.calls[FAULT_RESERVE] + f.calls[FAULT_COMMIT] + f.calls[FAULT_MAP] +
                          f.calls[FAULT_THREAD],
                      0);
            snprintf(number, sizeof number, "%lld", (long long)asked.total);
            CHECK(strstr(e.text, number) != NULL);
            snprintf(number, sizeof number, "%lld", (long long)asked.total - 1);
            CHECK(strstr(e.text, number) != NULL);
            CHECK_I64(glia_model_query(subjects[i].path, &o, &have, &e), GLIA_E_LIMIT);
            o.memory_limit = asked.total;
            CHECK_I64(glia_model_open(subjects[i].path, &o, &m, &e), GLIA_OK);
            glia_model_close(m);
        }
}

int main(void)
{
    RUN(references);
    RUN(bits_threads);
    RUN(bits_slots);
    RUN(bits_pieces);
    RUN(bits_batch);
    RUN(bits_isa);
    RUN(bits_long);
    RUN(prefix_reuse);
    RUN(busy);
    RUN(sessions_side_by_side);
    RUN(cancel);
    RUN(deadline);
    RUN(context_full);
    RUN(no_allocation);
    RUN(memory_account);
    for (int i = 0; i < subject_count; i++)
        for (int q = 0; q < SEQUENCES; q++) free(subjects[i].want[q]);
    spine_clean(
        (const char *const[]){"tiny-f32.gguf", "tiny-f16.gguf", "tiny-q8_0.gguf", "tiny-q4_0.gguf", NULL});
    return CHECK_EXIT();
}
