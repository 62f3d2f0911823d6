/* What the tests of the whole spine share: reference vectors, temporary files, models and sessions. */
#ifndef GLIA_TESTS_SPINE_H
#define GLIA_TESTS_SPINE_H

#include "check.h"

#include <glia/glia.h>

#include "llm/model.h"
#include "llm/synth.h"

#include <unistd.h>

/* Under a sanitizer everything takes ten times as long: the same cases, fewer rounds. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SPINE_SLOW 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPINE_SLOW 1
#endif
#ifndef SPINE_SLOW
#define SPINE_SLOW 0
#endif

#define SPINE __attribute__((unused)) static

/* ---- files ------------------------------------------------------------------------------------------ */

SPINE char *spine_read(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    fseek(f, 0, SEEK_SET);
    char *data = malloc((size_t)n + 1);
    if (fread(data, 1, (size_t)n, f) != (size_t)n) n = 0;
    data[n] = 0;
    fclose(f);
    *size = n;
    return data;
}

SPINE bool spine_write(const char *path, const void *data, int64_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f) return false;
    bool ok = fwrite(data, 1, (size_t)size, f) == (size_t)size;
    return fclose(f) == 0 && ok;
}

/* A path in a folder of this process, which spine_clean removes. */
static char spine_dir[64];
SPINE const char *spine_temp(const char *name)
{
    static char path[4][160];
    static int next;
    if (!spine_dir[0]) {
        strcpy(spine_dir, "/tmp/glia-spine-XXXXXX");
        if (!mkdtemp(spine_dir)) exit(2);
    }
    char *p = path[next++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", spine_dir, name);
    return p;
}

SPINE void spine_clean(const char *const *names)
{
    for (; *names; names++) unlink(spine_temp(*names));
    if (spine_dir[0]) rmdir(spine_dir);
}

/* ---- reference vectors: the container of tests/oracles/gvec.py -------------------------------------- */

typedef struct spine_vec {
    char *file;
    const int32_t *ids;
    const double *logits; /* [tokens, vocab] */
    int64_t tokens, vocab;
} spine_vec;

SPINE bool spine_vec_open(const char *path, spine_vec *v)
{
    int64_t size;
    memset(v, 0, sizeof *v);
    v->file = spine_read(path, &size);
    if (!v->file || size < 12 || memcmp(v->file, "GVEC", 4)) return false;
    uint32_t count, name_size, dtype, rank;
    static const int element[4] = {1, 4, 4, 8};
    memcpy(&count, v->file + 8, 4);
    char *at = v->file + 12;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&name_size, at, 4);
        const char *name = at + 4;
        at += 4 + name_size;
        memcpy(&dtype, at, 4);
        memcpy(&rank, at + 4, 4);
        uint64_t dims[8] = {0}, n = 1;
        memcpy(dims, at + 8, rank * 8);
        for (uint32_t d = 0; d < rank; d++) n *= dims[d];
        at += 8 + rank * 8;
        void *copy = malloc(n * (size_t)element[dtype] + 1); /* the file aligns nothing */
        memcpy(copy, at, n * (size_t)element[dtype]);
        if (name_size == 3 && !memcmp(name, "ids", 3)) {
            v->ids = copy;
            v->tokens = (int64_t)dims[0];
        } else if (name_size == 6 && (!memcmp(name, "logits", 6) || !memcmp(name, "states", 6))) {
            v->logits = copy;
            v->vocab = (int64_t)dims[1];
        } else free(copy);
        at += n * (uint64_t)element[dtype];
    }
    return v->ids && v->logits && at == v->file + size;
}

SPINE void spine_vec_close(spine_vec *v)
{
    free(v->file);
    free((void *)(uintptr_t)v->ids);
    free((void *)(uintptr_t)v->logits);
}

/* ---- models ----------------------------------------------------------------------------------------- */

static const char *const spine_archs[] = {"llama_mha", "llama_gqa", "llama31", "qwen2",
                                          "qwen3",     "gpt2",      NULL};
#define SPINE_DEMO "models/demo-stories.gguf"

SPINE const char *spine_arch_path(const char *name, const char *ending)
{
    static char path[2][96];
    static int next;
    char *p = path[next++ & 1];
    snprintf(p, sizeof path[0], "tests/vectors/arch/%s.%s", name, ending);
    return p;
}

SPINE bool spine_there(const char *path) { return access(path, R_OK) == 0; }

SPINE glia_model *spine_open(const char *path, const glia_model_options *o)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = NULL;
    if (glia_model_open(path, o, &m, &e)) {
        fprintf(stderr, "%s: %s\n", path, e.text);
        check_case_failures++;
    }
    return m;
}

/* Small models are not worth waking a team, so a run would take the one-slot variant: this makes the team
 * worth it, and the work of every phase that can be cut worth handing out in tiles. */
SPINE glia_status spine_try_force_team(glia_model *m, glia_error *e)
{
    glia_plan *p = (glia_plan *)(uintptr_t)glia_model_plan(m);
    glia_status s = GLIA_OK;
    for (int i = 1; i < p->variant_count && !s; i++) {
        p->variants[i].alone_least = p->variants[i].alone_most = 1e9;
        s = glia_plan_cut_tiles(p, &p->variants[i], 0, e);
        if (!s) s = glia_plan_validate(p, &p->variants[i], e);
    }
    return s;
}

SPINE void spine_force_team(glia_model *m)
{
    if (spine_try_force_team(m, NULL)) check_case_failures++;
}

/* Steps ids[0..count) of one sequence in pieces; the logits of all of them go to out [count, vocab]. The
 * model has logit_rows >= piece. */
SPINE glia_status spine_feed(glia_session *s, int64_t vocab, const int32_t *ids, int64_t count,
                             int32_t sequence, int64_t piece, float *out)
{
    int32_t sequences[256], rows[256];
    for (int i = 0; i < 256; i++) {
        sequences[i] = sequence;
        rows[i] = i;
    }
    for (int64_t at = 0; at < count; at += piece) {
        glia_error e = GLIA_ERROR_INIT;
        const float *logits = NULL;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = (int32_t)(count - at < piece ? count - at : piece);
        b.ids = ids + at;
        b.sequences = sequences;
        b.rows = rows;
        b.row_count = b.count;
        glia_status st = glia_session_step(s, &b, &logits, &e);
        if (st) {
            fprintf(stderr, "step at %lld: %s\n", (long long)at, e.text);
            check_case_failures++;
            return st;
        }
        if (out) memcpy(out + at * vocab, logits, (size_t)(b.count * vocab) * sizeof *out);
    }
    return GLIA_OK;
}

/* Pseudo-random token ids below vocab: the same for the same seed. */
SPINE void spine_ids(int32_t *ids, int64_t count, int64_t vocab, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((seed >> 33) % (uint64_t)vocab);
    }
}

SPINE bool spine_same_bits(const float *a, const float *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!memcmp(&a[i], &b[i], 4)) continue;
        fprintf(stderr, "element %lld: %.9g and %.9g\n", (long long)i, (double)a[i], (double)b[i]);
        return false;
    }
    return true;
}

#endif
