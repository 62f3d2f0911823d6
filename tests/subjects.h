/* The models that sessions are tried on: the demo, small ones of several weight types, and one of each
 * architecture; each with three sequences of tokens and what a session that sees one of them alone, token
 * after token, gives for it. */
#ifndef GLIA_TESTS_SUBJECTS_H
#define GLIA_TESTS_SUBJECTS_H

#include "spine.h"

enum { SUBJECT_TOKENS = 40, SUBJECT_SEQUENCES = 3 };

typedef struct subject {
    char path[160];
    char name[40];
    int64_t vocab;
    int32_t ids[SUBJECT_SEQUENCES][SUBJECT_TOKENS];
    float *want[SUBJECT_SEQUENCES]; /* [SUBJECT_TOKENS, vocab] */
} subject;

static subject subjects[16];
static int subject_count;

SPINE glia_model_options subject_options(void)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = o.slots = 1;
    o.sequences = SUBJECT_SEQUENCES;
    o.batch = 48;
    o.logit_rows = 48;
    o.context = 45; /* no whole pages; gpt2.gguf has 48 positions */
    return o;
}

SPINE void subject_add(const char *path, const char *name)
{
    subject *s = &subjects[subject_count];
    glia_model_options o = subject_options();
    glia_session *session = NULL;
    glia_error e = GLIA_ERROR_INIT;
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->name, sizeof s->name, "%s", name);
    glia_model *m = spine_open(s->path, &o);
    if (!m) return;
    s->vocab = glia_model_vocab_size(m);
    for (int q = 0; q < SUBJECT_SEQUENCES; q++) {
        if (glia_session_create(m, &session, &e)) exit(2);
        s->want[q] = malloc((size_t)(SUBJECT_TOKENS * s->vocab) * sizeof(float));
        spine_ids(s->ids[q], SUBJECT_TOKENS, s->vocab, (uint64_t)(q + 1));
        spine_feed(session, s->vocab, s->ids[q], SUBJECT_TOKENS, 0, 1, s->want[q]);
        glia_session_destroy(session);
    }
    glia_model_close(m);
    subject_count++;
}

SPINE void subjects_open(void)
{
    static const glia_dtype types[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0};
    glia_error e = GLIA_ERROR_INIT;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "tiny-%s.gguf", glia_dtype_name(types[i]));
        const char *path = spine_temp(name);
        if (!spine_there(path) && glia_synth(NULL, "tiny", types[i], 7, path, &e))
            fprintf(stderr, "%s\n", e.text);
        subject_add(path, glia_dtype_name(types[i]));
    }
    for (int i = 0; spine_archs[i]; i++) subject_add(spine_arch_path(spine_archs[i], "gguf"), spine_archs[i]);
    if (!spine_there(SPINE_DEMO)) SKIP("demo", "no demo model");
    else if (!SPINE_SLOW) subject_add(SPINE_DEMO, "demo");
}

SPINE void subjects_close(void)
{
    for (int i = 0; i < subject_count; i++)
        for (int q = 0; q < SUBJECT_SEQUENCES; q++) free(subjects[i].want[q]);
    spine_clean((const char *const[]){"tiny-f32.gguf", "tiny-f16.gguf", "tiny-q8_0.gguf", NULL});
}

/* Feeds tokens [from, to) of ids[which] to a sequence, a few at a time; their logits must be those of a
 * session of its own. */
SPINE bool subject_feed(const subject *t, glia_session *s, int32_t sequence, int which, int64_t from,
                        int64_t to)
{
    float *got = malloc((size_t)((to - from + 1) * t->vocab) * sizeof *got);
    bool same = !spine_feed(s, t->vocab, t->ids[which] + from, to - from, sequence, 7, got) &&
                spine_same_bits(got, t->want[which] + from * t->vocab, (to - from) * t->vocab);
    if (!same) {
        fprintf(stderr, "%s: tokens %lld to %lld of %d differ\n", t->name, (long long)from, (long long)to,
                which);
        check_case_failures++;
    }
    free(got);
    return same;
}

#endif
