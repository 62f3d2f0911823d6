/* Golden bits: the logits of a small model of every architecture in every format, hashed. The same for any
 * number of threads and slots, any instruction set and any cutting of the text into steps; a change of a hash
 * is a change of the numeric specification, and is never made by accident.
 *
 *     test_golden           compares with tests/golden/logits.txt
 *     test_golden --write   prints that file
 *
 * Right logits are the business of test_arch (against other implementations); these are about equal ones. */
#include "spine.h"

#include "base/sha256.h"
#include "llm/synth_shapes.h"
#include "tensor/dtype.h"

enum { TOKENS = 24, NAME_MAX_ = 64, GOLDEN_MAX = 1024 };

static const char golden_path[] = "tests/golden/logits.txt";

typedef struct golden {
    char shape[NAME_MAX_], type[NAME_MAX_], hash[65];
} golden;

typedef struct way { /* of computing the same thing */
    int32_t threads, slots, piece;
    const char *isa;
} way;

static const way plain = {1, 1, TOKENS, NULL};
static const way ways[] = {
    {2, 2, TOKENS, NULL},   {8, 8, 7, NULL},          {3, 5, 1, NULL},
    {1, 1, 13, "portable"}, {2, 2, TOKENS, "avx2"},   {2, 3, 3, "avx2"},
    {1, 1, 1, "avx512"},    {2, 2, TOKENS, "avx512"}, {2, 2, 16, "avx512vnni"},
};

static void hash_of(const float *logits, int64_t count, char hex[65])
{
    glia_sha256 h;
    uint8_t digest[32];
    glia_sha256_init(&h);
    glia_sha256_add(&h, logits, count * (int64_t)sizeof *logits);
    glia_sha256_done(&h, digest);
    glia_sha256_hex(digest, hex);
}

/* Null when the model cannot be opened: *status says why. */
static float *logits_of(const char *path, const way *w, int64_t *count, glia_error *e)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_model *m;
    glia_session *s = NULL;
    int32_t ids[TOKENS];
    o.threads = w->threads;
    o.slots = w->slots;
    o.isa = w->isa;
    o.batch = o.logit_rows = w->piece;
    o.context = TOKENS;
    glia_status st = glia_model_open(path, &o, &m, e);
    bool encoder = st && !strcmp(e->code, "G0540"); /* its hidden states, in one step always */
    if (encoder) {
        o.embeddings = 1;
        o.batch = o.logit_rows = TOKENS;
        st = glia_model_open(path, &o, &m, e);
    }
    if (st) return NULL;
    spine_force_team(m);
    int64_t vocab = encoder ? glia_model_embedding_size(m) : glia_model_vocab_size(m);
    float *out = malloc((size_t)(TOKENS * vocab) * sizeof *out);
    spine_ids(ids, TOKENS, glia_model_vocab_size(m), 99);
    *count = TOKENS * vocab;
    st = glia_session_create(m, &s, e);
    if (!st && encoder) st = glia_session_embed(s, ids, TOKENS, GLIA_POOLING_NONE, out, e);
    else if (!st) st = spine_feed(s, vocab, ids, TOKENS, 0, w->piece, out);
    glia_session_destroy(s);
    glia_model_close(m);
    if (!st) return out;
    free(out);
    return NULL;
}

static bool write_model(const char *shape, glia_dtype type, const char *path)
{
    glia_error e = GLIA_ERROR_INIT;
    if (!glia_synth(NULL, shape, type, 5, path, &e)) return true;
    fprintf(stderr, "%s: %s\n", shape, e.text);
    return false;
}

/* Types that models are written in. */
static bool is_model_type(glia_dtype t)
{
    const glia_dtype_info *info = glia_dtype_get(t);
    return info && info->encode && info->gguf_type >= 0 && t != GLIA_F64 && t != GLIA_Q8_K &&
           (info->classes & (GLIA_CLASS_FLOAT | GLIA_CLASS_QUANT)) &&
           !(info->classes & GLIA_CLASS_ACTIVATION);
}

static int write_golden(void)
{
    for (int i = 0; glia_synth_shape(i); i++) {
        const char *shape = glia_synth_shape(i);
        if (strncmp(shape, "tiny-", 5)) continue;
        for (int t = 1; t < GLIA_DTYPE_COUNT; t++) {
            glia_error e = GLIA_ERROR_INIT;
            char hex[65];
            int64_t count = 0;
            if (!is_model_type((glia_dtype)t)) continue;
            if (!write_model(shape, (glia_dtype)t, spine_temp("m.gguf"))) return 1;
            float *logits = logits_of(spine_temp("m.gguf"), &plain, &count, &e);
            if (!logits) {
                fprintf(stderr, "%s %s: %s\n", shape, glia_dtype_name((glia_dtype)t), e.text);
                break;
            }
            hash_of(logits, count, hex);
            printf("%s %s %s\n", shape, glia_dtype_name((glia_dtype)t), hex);
            free(logits);
        }
    }
    return 0;
}

static golden known[GOLDEN_MAX];
static int known_count;

static void read_golden(void)
{
    FILE *f = fopen(golden_path, "r");
    while (f && known_count < GOLDEN_MAX &&
           fscanf(f, "%63s %63s %64s", known[known_count].shape, known[known_count].type,
                  known[known_count].hash) == 3)
        known_count++;
    if (f) fclose(f);
}

/* All types as one step on one thread; of each type one other way, in turn, so that all ways see all kinds.
 */
static void check_shape(const char *shape, int number)
{
    for (int i = 0, n = number; i < known_count; i++) {
        glia_error e = GLIA_ERROR_INIT;
        const golden *g = &known[i];
        char hex[65] = "";
        int64_t count = 0;
        if (strcmp(g->shape, shape) || (SPINE_SLOW && i % 20 != number % 20)) continue;
        if (!write_model(shape, glia_dtype_parse(g->type), spine_temp("m.gguf"))) {
            check_case_failures++;
            continue;
        }
        for (int round = 0; round < 2; round++) {
            const way *w = round ? &ways[n++ % (int)(sizeof ways / sizeof *ways)] : &plain;
            float *logits = logits_of(spine_temp("m.gguf"), w, &count, &e);
            if (!logits && (!strcmp(e.code, "G0711") || !strcmp(e.code, "G0712")))
                continue; /* not on this processor */
            if (logits) hash_of(logits, count, hex);
            else fprintf(stderr, "%s\n", e.text);
            if (strcmp(hex, g->hash)) {
                fprintf(stderr, "%s %s, %d threads, %d slots, pieces of %d, %s: other bits\n", shape, g->type,
                        w->threads, w->slots, w->piece, w->isa ? w->isa : "best");
                check_case_failures++;
            }
            free(logits);
        }
    }
}

int main(int argc, char **argv)
{
    static const char *const files[] = {"m.gguf", NULL};
    int number = 0;
    if (argc > 1 && !strcmp(argv[1], "--write")) return write_golden();
    read_golden();
    for (int i = 0; glia_synth_shape(i); i++) {
        char name[96];
        const char *shape = glia_synth_shape(i);
        bool there = false;
        for (int k = 0; k < known_count; k++) there |= !strcmp(known[k].shape, shape);
        if (!there) continue;
        snprintf(name, sizeof name, "golden_%s", shape);
        check_case_failures = 0;
        check_shape(shape, number++);
        check_failures += check_case_failures;
        printf("%s %s\n", check_case_failures ? "FAIL" : "ok", name);
    }
    if (!number) {
        printf("FAIL golden_file\n");
        check_failures++;
    }
    spine_clean(files);
    return check_failures != 0;
}
