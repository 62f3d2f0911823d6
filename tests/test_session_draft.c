/* Speculation: whatever is guessed, by a second model or by n-grams, the tokens, the statuses and what the
 * session holds afterwards are those of plain decoding, greedy and sampled; guesses that are right save
 * steps. */
#include "fault_os.h"
#include "subjects.h"

enum { CONTEXT = 120, MADE_MAX = 200, PROMPT = 6 };

typedef struct opened {
    glia_model *m;
    glia_session *s;
} opened;

static opened open_with(const char *path, int64_t context, int64_t rows, int64_t cache_tokens,
                        const glia_os *os)
{
    opened x = {NULL, NULL};
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    o.threads = o.slots = 1;
    o.context = context;
    o.batch = 32;
    o.logit_rows = rows;
    o.cache_tokens = cache_tokens;
    o.os = os;
    x.m = spine_open(path, &o);
    if (!x.m || glia_session_create(x.m, &x.s, &e)) exit(2);
    return x;
}

static void close_both(opened x)
{
    glia_session_destroy(x.s);
    glia_model_close(x.m);
}

typedef struct result {
    int32_t ids[MADE_MAX];
    int64_t count, made, held;
    glia_status status;
    char code[8];
    int32_t tokens[CONTEXT + 1];
    glia_session *cancels; /* cancelled after `after` tokens */
    int64_t after, stop_after;
} result;

static int on_token(void *user, int32_t id, const char *text, int64_t size)
{
    result *r = user;
    (void)text;
    (void)size;
    if (id < 0) return 0;
    if (r->count < MADE_MAX) r->ids[r->count++] = id;
    if (r->cancels && r->count == r->after) glia_session_cancel(r->cancels);
    return r->stop_after && r->count == r->stop_after;
}

static void generate(opened x, const int32_t *prompt, int64_t n, glia_generate_options o, result *r)
{
    glia_error e = GLIA_ERROR_INIT;
    o.on_token = on_token;
    o.user = r;
    r->status = glia_session_generate(x.s, prompt, n, &o, &r->made, &e);
    memcpy(r->code, e.code, sizeof r->code);
    r->held = glia_session_tokens(x.s, 0, r->tokens, CONTEXT);
}

static void same_result(const result *a, const result *b, const char *what)
{
    bool same = a->count == b->count && a->made == b->made && a->held == b->held && a->status == b->status &&
                !strcmp(a->code, b->code) && !memcmp(a->ids, b->ids, (size_t)a->count * 4) &&
                !memcmp(a->tokens, b->tokens, (size_t)a->held * 4);
    if (same) return;
    fprintf(stderr, "%s: %lld tokens (%s), plainly %lld (%s)\n", what, (long long)b->made, b->code,
            (long long)a->made, a->code);
    check_case_failures++;
}

/* The likeliest continuation and several drawn ones, with and without an end in sight. */
static glia_generate_options way(int i)
{
    glia_generate_options o = GLIA_GENERATE_OPTIONS_INIT;
    o.ignore_end = i % 3 != 2;
    o.tokens_max = i % 2 ? 70 : 0;
    if (i < 2) return o;
    o.temperature = i < 4 ? 0.6f : 1.3f;
    o.seed = (uint64_t)i;
    o.top_k = i % 2 ? 40 : 0;
    o.top_p = i == 4 ? 0.9f : 0;
    o.repeat_penalty = i == 5 ? 1.2f : 0;
    return o;
}

/* The pair on trial: a draft of the same weights, of the same in another type, and of others. */
static char target_path[512], near_path[512], far_path[512];
static int32_t prompt[PROMPT];

static void find_models(void)
{
    const char *dir = check_data_dir();
    if (dir) {
        snprintf(target_path, sizeof target_path, "%s/llm/stories260K/stories260K-f32.gguf", dir);
        snprintf(near_path, sizeof near_path, "%s/llm/stories260K/stories260K-f16.gguf", dir);
    } else {
        SKIP("a real pair of models", "no GLIA_TEST_DATA");
        snprintf(target_path, sizeof target_path, "%s", subjects[0].path);
        snprintf(near_path, sizeof near_path, "%s", subjects[1].path);
    }
    snprintf(far_path, sizeof far_path, "%s", spine_temp("far.gguf"));
    /* the same vocabulary; the weights' signs are turned in the file's last third, which is data alone */
    int64_t size = 0;
    char *file = spine_read(subjects[0].path, &size);
    for (int64_t i = size / 3 * 2 / 4 * 4 + 3; i < size; i += 8) file[i] ^= (char)0x80;
    if (!spine_write(far_path, file, size)) exit(2);
    free(file);
    for (int i = 0; i < PROMPT; i++) prompt[i] = 1 + 37 * i;
}

static void draft_models(void)
{
    const char *paths[] = {target_path, near_path};
    opened plain = open_with(target_path, CONTEXT, 1, 0, NULL),
           fast = open_with(target_path, CONTEXT, 17, 0, NULL);
    for (int k = 0; k < 2; k++) {
        opened draft = open_with(paths[k], k ? 64 : CONTEXT, 1, 0, NULL); /* a draft may have less context */
        for (int i = 0; i < 6; i++)
            for (int most = 0; most < 17; most += SPINE_SLOW ? 6 : most < 5 ? 2 : 12) {
                result want = {.count = 0}, got = {.count = 0};
                glia_draft_counts counts;
                glia_generate_options o = way(i);
                generate(plain, prompt, PROMPT, o, &want);
                o.draft = draft.s;
                o.draft_max = most;
                o.draft_counts = &counts;
                generate(fast, prompt, PROMPT, o, &got);
                same_result(&want, &got, paths[k]);
                CHECK(counts.accepted <= counts.guessed && counts.steps + counts.accepted >= got.made - 1);
                if (k == 0 && i < 2) { /* its own likeliest tokens: none is wrong */
                    CHECK(counts.guessed > 0 && counts.guessed - counts.accepted <= (most ? most : 8));
                    CHECK(counts.steps < got.made / 2 + 2);
                }
            }
        close_both(draft);
    }
    close_both(plain);
    close_both(fast);
}

/* A draft that knows nothing, on models whose text means nothing. */
static void bad_drafts(void)
{
    opened plain = open_with(subjects[0].path, CONTEXT, 1, 0, NULL),
           fast = open_with(subjects[0].path, CONTEXT, 9, 0, NULL),
           draft = open_with(far_path, CONTEXT, 1, 0, NULL);
    for (int i = 0; i < 6; i++) {
        result want = {.count = 0}, got = {.count = 0};
        glia_generate_options o = way(i);
        generate(plain, prompt, PROMPT, o, &want);
        o.draft = draft.s;
        generate(fast, prompt, PROMPT, o, &got);
        same_result(&want, &got, "a draft of other weights");
    }
    close_both(plain);
    close_both(fast);
    close_both(draft);
}

static void ngrams(void)
{
    int64_t accepted = 0;
    for (int k = 0; k < 3; k++) {
        const char *path = k ? subjects[k - 1].path : target_path;
        opened plain = open_with(path, CONTEXT, 1, 0, NULL), fast = open_with(path, CONTEXT, 9, 0, NULL);
        for (int i = 0; i < 6; i++)
            for (int n = 1; n < 5; n += 1 + SPINE_SLOW) {
                result want = {.count = 0}, got = {.count = 0};
                glia_draft_counts counts;
                glia_generate_options o = way(i);
                int32_t twice[2 * PROMPT];
                memcpy(twice, prompt, sizeof prompt);
                memcpy(twice + PROMPT, prompt, sizeof prompt);
                generate(plain, twice, 2 * PROMPT, o, &want);
                o.draft_ngram = n;
                o.draft_counts = &counts;
                generate(fast, twice, 2 * PROMPT, o, &got);
                same_result(&want, &got, "n-grams");
                accepted += counts.accepted;
            }
        close_both(plain);
        close_both(fast);
    }
    CHECK(accepted > 0);
}

/* Stopped by the callback, by cancelling, or for want of pages: as plainly, and the session can be used
 * again. */
static void endings(void)
{
    opened plain = open_with(target_path, CONTEXT, 1, 0, NULL),
           fast = open_with(target_path, CONTEXT, 9, 0, NULL),
           draft = open_with(near_path, CONTEXT, 1, 0, NULL);
    for (int64_t after = 1; after < 30; after += 4)
        for (int how = 0; how < 2; how++) {
            result want = {.count = 0}, got = {.count = 0};
            glia_generate_options o = way(0);
            if (how) want.stop_after = got.stop_after = after;
            else {
                want.after = got.after = after;
                want.cancels = plain.s;
                got.cancels = fast.s;
            }
            generate(plain, prompt, PROMPT, o, &want);
            o.draft = draft.s;
            generate(fast, prompt, PROMPT, o, &got);
            same_result(&want, &got, "stopped");
            CHECK_I64(got.status, how ? GLIA_OK : GLIA_E_CANCELLED);
            CHECK_I64(got.held, PROMPT + got.made - 1);
            CHECK_I64(glia_session_length(fast.s, 0), got.held);
        }
    close_both(fast);
    fast =
        open_with(target_path, CONTEXT, 9, 64, NULL); /* two pages, then no more, with guesses or without */
    result want = {.count = 0}, got = {.count = 0};
    glia_generate_options o = way(0);
    generate(fast, prompt, PROMPT, o, &want);
    CHECK_I64(want.status, GLIA_E_LIMIT);
    o.draft = draft.s;
    generate(fast, prompt, PROMPT, o, &got);
    same_result(&want, &got, "a small pool");
    close_both(plain);
    close_both(fast);
    close_both(draft);
}

static void refusals(void)
{
    opened one = open_with(subjects[0].path, CONTEXT, 1, 0, NULL),
           fast = open_with(subjects[0].path, CONTEXT, 5, 0, NULL),
           draft = open_with(far_path, CONTEXT, 1, 0, NULL),
           other = open_with(spine_arch_path("qwen2", "gguf"), 40, 1, 0, NULL);
    glia_error e = GLIA_ERROR_INIT;
    struct {
        glia_session *s, *draft;
        int32_t ngram, most;
        const char *code;
    } bad[] = {{one.s, draft.s, 0, 0, "G0726"},   {one.s, NULL, 2, 0, "G0726"},
               {fast.s, draft.s, 2, 0, "G0726"},  {fast.s, draft.s, 0, 5, "G0726"},
               {fast.s, draft.s, 0, -1, "G0726"}, {fast.s, NULL, -1, 0, "G0726"},
               {fast.s, NULL, 65, 0, "G0726"},    {fast.s, fast.s, 0, 0, "G0726"},
               {fast.s, other.s, 0, 0, "G0727"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        glia_generate_options o = way(1);
        int64_t made = -1;
        o.draft = bad[i].draft;
        o.draft_ngram = bad[i].ngram;
        o.draft_max = bad[i].most;
        CHECK_I64(glia_session_generate(bad[i].s, prompt, PROMPT, &o, &made, &e), GLIA_E_ARG);
        CHECK_STR(e.code, bad[i].code);
        CHECK_I64(made, 0);
    }
    glia_generate_options o = way(1);
    result r = {.count = 0}; /* nobody was left in a session */
    o.draft = draft.s;
    o.draft_max = 4;
    generate(fast, prompt, PROMPT, o, &r);
    CHECK_I64(r.status, GLIA_OK);
    CHECK_I64(glia_session_trim(draft.s, 0, 0, &e), GLIA_OK);
    close_both(one);
    close_both(fast);
    close_both(draft);
    close_both(other);
}

/* Any sequence, beside others that stay as they are. */
static void other_sequences(void)
{
    const subject *t = &subjects[0];
    glia_model_options mo = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    opened plain = open_with(t->path, mo.context, 1, 0, NULL), x = {spine_open(t->path, &mo), NULL};
    if (!x.m || glia_session_create(x.m, &x.s, &e)) exit(2);
    subject_feed(t, x.s, 1, 0, 0, 20);
    for (int i = 0; i < 6; i++) {
        result want = {.count = 0}, got = {.count = 0};
        glia_generate_options o = way(i);
        o.tokens_max = 30;
        generate(plain, prompt, PROMPT, o, &want);
        o.sequence = 2;
        o.draft_ngram = i % 2 ? 1 : 0;
        generate(x, prompt, PROMPT, o, &got);
        CHECK_I64(got.held, 0);
        got.held = glia_session_tokens(x.s, 2, got.tokens, CONTEXT);
        same_result(&want, &got, "another sequence");
    }
    subject_feed(t, x.s, 1, 0, 20, SUBJECT_TOKENS);
    static const int32_t bad[] = {-1, 3, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        glia_generate_options o = way(0);
        o.sequence = bad[i];
        CHECK_I64(glia_session_generate(x.s, prompt, PROMPT, &o, NULL, &e), GLIA_E_ARG);
    }
    close_both(plain);
    close_both(x);
}

/* Nothing is taken between the first token and the last. */
typedef struct watch {
    const struct fault_os *f;
    int64_t calls, tokens;
} watch;

static int on_watched(void *user, int32_t id, const char *text, int64_t size)
{
    watch *w = user;
    (void)text;
    (void)size;
    if (id >= 0 && w->tokens++ == 0) w->calls = w->f->calls_any;
    if (id >= 0) CHECK_I64(w->f->calls_any, w->calls);
    return 0;
}

static void no_allocation(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    opened fast = open_with(target_path, CONTEXT, 9, 0, &f.os),
           draft = open_with(near_path, CONTEXT, 1, 0, &f.os);
    glia_generate_options o = way(3);
    watch w = {&f, 0, 0};
    glia_error e = GLIA_ERROR_INIT;
    int64_t made;
    o.draft = draft.s;
    o.on_token = on_watched;
    o.user = &w;
    CHECK_I64(glia_session_generate(fast.s, prompt, PROMPT, &o, &made, &e), GLIA_OK);
    CHECK_I64(w.tokens, made);
    close_both(fast);
    close_both(draft);
    CHECK(fault_os_clean(&f));
}

/* What it rests on: a step of n tokens has the bits of n steps of one. */
static void pieces(void)
{
    for (int i = 0; i < subject_count; i++) {
        const subject *t = &subjects[i];
        glia_model_options o = subject_options();
        glia_session *s = NULL;
        glia_error e = GLIA_ERROR_INIT;
        glia_model *m = spine_open(t->path, &o);
        float *got = malloc((size_t)(SUBJECT_TOKENS * t->vocab) * sizeof *got);
        if (!m || glia_session_create(m, &s, &e)) exit(2);
        for (int piece = 2; piece < 10; piece += 1 + 2 * SPINE_SLOW) {
            spine_feed(s, t->vocab, t->ids[0], SUBJECT_TOKENS, 0, piece, got);
            CHECK(spine_same_bits(got, t->want[0], SUBJECT_TOKENS * t->vocab));
            CHECK_I64(glia_session_trim(s, 0, 0, &e), GLIA_OK);
        }
        free(got);
        glia_session_destroy(s);
        glia_model_close(m);
    }
}

int main(void)
{
    subjects_open();
    find_models();
    RUN(draft_models);
    RUN(bad_drafts);
    RUN(ngrams);
    RUN(endings);
    RUN(refusals);
    RUN(other_sequences);
    RUN(no_allocation);
    RUN(pieces);
    unlink(far_path);
    subjects_close();
    return CHECK_EXIT();
}
