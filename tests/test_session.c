/* Sessions: the same bits whatever the threads, slots, pieces, neighbours and instruction set; exclusion, cancelling,
 * deadlines, limits; and the account of memory. */
#include "fault_os.h"
#include "spine.h"

#include "base/cpu.h"
#include "ops/ops.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

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
        /* The whole vocabulary's logits of every token of sequence 0; of the others too, since they are compared. */
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
    for (size_t i = 0; i < sizeof tiny_types / sizeof tiny_types[0]; i++) add_subject(tiny_path(tiny_types[i]), glia_dtype_name(tiny_types[i]));
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
    fprintf(stderr, "%s: %s: threads %d, slots %d, isa %s\n", s->name, what, o->threads, o->slots, o->isa ? o->isa : "best");
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
            if (i && j != 3 && j != 5) continue; /* all of them on the first, two on each */
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
            if (!spine_same_bits(logits + i * s->vocab, s->want[sequences[rows[i]]] + of[rows[i]] * s->vocab, s->vocab)) {
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

/* The set that has to serve op on these types when `isa` is forced: the best at or below it with any row for them. The
 * expectation is written down here, not read from the tables, for what models spend their time on. */
static const char *expected_isa(const glia_plan *p, const glia_node *n, const char *isa)
{
    if (!strcmp(isa, "portable")) return "portable";
    bool vnni = !strcmp(isa, "avx512vnni");
    if (n->op == &glia_op_linear && (glia_graph_value(p->graph, n->in[0])->type.dtype == GLIA_A8X32))
        return vnni ? "avx512vnni" : "avx2";
    const glia_op *const ops[] = {&glia_op_linear, &glia_op_attend, &glia_op_rms_norm, &glia_op_swiglu, &glia_op_quantise, &glia_op_rope, &glia_op_kv_put};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (n->op == ops[i]) return vnni ? "avx512" : isa;
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
                fprintf(stderr, "%s: node %s (%s) runs on %s, not on %s\n", s->name, n->name, n->op->name, have, want);
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
    enum { LONG = 530 };
    const char *path = tiny_path(GLIA_F16);
    static int32_t ids[LONG];
    float *want = NULL, *got = NULL;
    int64_t vocab = 0;
    static const struct { int threads, piece; const char *isa; } ways[] = {{1, 1, "portable"}, {1, 48, "portable"}, {2, 31, NULL}, {3, 48, NULL}, {2, 1, NULL}};
    for (int i = 0; i < 5; i++) {
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

int main(void)
{
    RUN(references);
    RUN(bits_threads);
    RUN(bits_slots);
    RUN(bits_pieces);
    RUN(bits_batch);
    RUN(bits_isa);
    RUN(bits_long);
    for (int i = 0; i < subject_count; i++)
        for (int q = 0; q < SEQUENCES; q++) free(subjects[i].want[q]);
    spine_clean((const char *const[]){"tiny-f32.gguf", "tiny-f16.gguf", "tiny-q8_0.gguf", "tiny-q4_0.gguf", NULL});
    return CHECK_EXIT();
}
