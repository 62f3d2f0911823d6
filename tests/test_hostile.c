/* What must be survived: files cut short, every request to the system refused, metadata that contradict
 * themselves or the tensors, and calls that make no sense. Always a status, never a crash, a hang or a leak.
 */
#include "fault_os.h"
#include "spine.h"

#include "format/gguf_write.h"

#include <math.h>
#include <sys/stat.h>

static const char *tiny_path(void)
{
    glia_error e = GLIA_ERROR_INIT;
    const char *path = spine_temp("tiny.gguf");
    if (!spine_there(path) && glia_synth(NULL, "tiny", GLIA_Q8_0, 5, path, &e))
        fprintf(stderr, "%s\n", e.text);
    return path;
}

static glia_model_options options_of(const glia_os *os)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.os = os;
    o.threads = o.slots = 2;
    o.batch = 4;
    o.context = 16;
    return o;
}

/* Load, plan, session, a prompt of three tokens and one more, everything back. */
static glia_status whole_life(const char *path, const glia_os *os, glia_error *e)
{
    glia_model_options o = options_of(os);
    glia_model *m = NULL;
    glia_session *s = NULL;
    const int32_t prompt[3] = {1, 20, 30};
    int64_t made = 0;
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    g.tokens_max = 2;
    g.ignore_end = 1;
    glia_status st = glia_model_open(path, &o, &m, e);
    if (!st) st = spine_try_force_team(m, e);
    if (!st) st = glia_session_create(m, &s, e);
    if (!st) st = glia_session_generate(s, prompt, 3, &g, &made, e);
    if (!st) CHECK_I64(made, 2);
    if (st && e->status != st) {
        fprintf(stderr, "status %d, the record says %d\n", st, e->status);
        check_case_failures++;
    }
    if (st && (!e->text[0] || !glia_explain(e->code))) {
        fprintf(stderr, "status %d: code %s, text %s\n", st, e->code, e->text);
        check_case_failures++;
    }
    glia_session_destroy(s);
    glia_model_close(m);
    return st;
}

/* ---- the file cut ------------------------------------------------------------------------------------ */

static void file_cut(void)
{
    int64_t size = 0;
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g = NULL;
    char *data = spine_read(tiny_path(), &size);
    CHECK_I64(glia_gguf_open(NULL, tiny_path(), NULL, &g, &e), GLIA_OK);
    int64_t header = glia_gguf_data_offset(g);
    glia_gguf_close(g);
    const char *path = spine_temp("cut.gguf");
    CHECK(data && spine_write(path, data, size));
    CHECK_I64(whole_life(path, NULL, &e), GLIA_OK);
    int loaded = 0, strange = 0;
    for (int64_t n = size - 1; n >= 0;) {
        struct fault_os f;
        fault_os_init(&f, NULL);
        if (truncate(path, n)) break;
        glia_error err = GLIA_ERROR_INIT;
        glia_status st = whole_life(path, &f.os, &err);
        loaded += st == GLIA_OK;
        strange += st != GLIA_E_FORMAT && st != GLIA_E_IO;
        if (!fault_os_clean(&f)) strange++;
        n -= n <= header ? (SPINE_SLOW ? 7 : 1) : n > size - 50 ? 1 : 211;
    }
    CHECK_I64(loaded, 0);
    CHECK_I64(strange, 0);
    free(data);
}

/* ---- every request refused ---------------------------------------------------------------------------- */

static glia_status expected_of(int class)
{
    switch (class) {
    case FAULT_MEMORY:
    case FAULT_RESERVE:
    case FAULT_COMMIT: return GLIA_E_NOMEM;
    case FAULT_THREAD: return GLIA_E_THREAD;
    default: return GLIA_E_IO;
    }
}

static void refuse(int class, bool forever)
{
    int64_t refused = 0;
    for (int64_t n = 1;; n += SPINE_SLOW && n > 40 ? 1 + n / 20 : 1) {
        struct fault_os f;
        glia_error e = GLIA_ERROR_INIT;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, class, n, forever);
        glia_status st = whole_life(tiny_path(), &f.os, &e);
        if (!fault_os_clean(&f)) {
            fprintf(stderr, "class %d, call %lld%s: something was kept\n", class, (long long)n,
                    forever ? " and on" : "");
            check_case_failures++;
            return;
        }
        if (!f.failed) {
            CHECK_I64(st, GLIA_OK);
            break;
        }
        refused++;
        if (st != expected_of(class)) {
            fprintf(stderr, "class %d, call %lld%s: status %d (%s)\n", class, (long long)n,
                    forever ? " and on" : "", st, e.text);
            check_case_failures++;
        }
        if (n % 16 == 1) {
            fault_os_heal(&f);
            CHECK_I64(whole_life(tiny_path(), &f.os, &e), GLIA_OK);
        }
    }
    if (class == FAULT_MEMORY || class == FAULT_RESERVE || class == FAULT_COMMIT || class == FAULT_OPEN ||
        class == FAULT_READ || class == FAULT_THREAD)
        CHECK(refused > 0);
}

static void everything_refused(void)
{
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        refuse(class, false);
        refuse(class, true);
    }
}

/* A session that could not be made, on a model that lives on; then one that can. */
static void sessions_refused(void)
{
    static const int classes[] = {FAULT_MEMORY, FAULT_RESERVE, FAULT_COMMIT};
    struct fault_os f;
    glia_error e = GLIA_ERROR_INIT;
    fault_os_init(&f, NULL);
    glia_model_options o = options_of(&f.os);
    glia_model *m = spine_open(tiny_path(), &o);
    const int32_t prompt[3] = {1, 20, 30};
    for (int i = 0; i < 3; i++) {
        glia_session *s = NULL;
        int64_t bytes = f.live_bytes, reserved = f.live_reserved, made;
        fault_os_fail(&f, classes[i], 1, true);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_E_NOMEM);
        CHECK(!s && f.live_bytes == bytes && f.live_reserved == reserved);
        fault_os_heal(&f);
        CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
        fault_os_fail(&f, FAULT_MEMORY, 1, true); /* the sampler's memory: the session stays usable */
        CHECK_I64(glia_session_generate(s, prompt, 3, NULL, &made, &e), GLIA_E_NOMEM);
        CHECK_I64(made, 0);
        fault_os_heal(&f);
        CHECK_I64(glia_session_generate(s, prompt, 3, NULL, &made, &e), GLIA_OK);
        glia_session_destroy(s);
        CHECK(f.live_bytes == bytes && f.live_reserved == reserved);
    }
    glia_model_close(m);
    CHECK(fault_os_clean(&f));
}

/* ---- metadata and tensors ----------------------------------------------------------------------------- */

typedef struct edit {
    const char *key; /* this key is left out, */
    char put; /* and put with another value: u (u32), l (u64), f, s, i (i32), b, a (array of u32), t (tokens),
                 or 0 */
    double number;
    const char *text;
    const char *tensor; /* this tensor is left out, */
    int rank;           /* or given this shape (if rank > 0) */
    int64_t dims[4];
    glia_dtype dtype; /* and type (NONE: its own) */
    const char *more; /* a tensor of that name is added, [32] F32 */
} edit;

typedef struct copier {
    const glia_gguf *from;
    const glia_gguf_tensor *tensor[256];
} copier;

static glia_status produce(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to, glia_error *e)
{
    copier *c = ctx;
    const glia_gguf_tensor *t = c->tensor[tensor];
    if (t && begin + bytes <= t->bytes) return glia_gguf_read(c->from, t, begin, bytes, to, e);
    memset(to, 0, (size_t)bytes);
    return GLIA_OK;
}

static void put_value(glia_gguf_writer *w, const edit *x)
{
    static const uint32_t list[2] = {4, 4};
    switch (x->put) {
    case 'u': glia_gguf_set_u32(w, x->key, (uint32_t)x->number); break;
    case 'l': glia_gguf_set_u64(w, x->key, (uint64_t)x->number); break;
    case 'i': glia_gguf_set_i32(w, x->key, (int32_t)x->number); break;
    case 'f': glia_gguf_set_f32(w, x->key, (float)x->number); break;
    case 's': glia_gguf_set_string(w, x->key, x->text, -1); break;
    case 'b': glia_gguf_set_bool(w, x->key, true); break;
    case 'a': glia_gguf_set_array(w, x->key, GLIA_GGUF_U32, list, 2); break;
    default: break;
    }
}

/* The tiny model with one thing changed. */
static const char *edited(const edit *x)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g = NULL;
    glia_gguf_writer *w = NULL;
    copier c;
    int count = 0;
    const char *path = spine_temp("edited.gguf");
    if (glia_gguf_open(NULL, tiny_path(), NULL, &g, &e) || glia_gguf_writer_create(NULL, &w, &e)) exit(2);
    c.from = g;
    for (int64_t i = 0; i < glia_gguf_count(g); i++) {
        const glia_gguf_value *v = glia_gguf_at(g, i);
        if (!x->key || strcmp(v->key, x->key)) glia_gguf_set_value(w, v);
    }
    if (x->key) put_value(w, x);
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        bool hit = x->tensor && !strcmp(t->name, x->tensor);
        if (hit && !x->rank) continue;
        c.tensor[count++] = t;
        glia_gguf_add_tensor(w, t->name, hit && x->dtype ? x->dtype : t->dtype, hit ? x->rank : t->rank,
                             hit ? x->dims : t->dims);
    }
    if (x->more) {
        c.tensor[count++] = NULL;
        glia_gguf_add_tensor(w, x->more, GLIA_F32, 1, (const int64_t[]){32});
    }
    if (glia_gguf_writer_write(w, path, produce, &c, &e)) {
        fprintf(stderr, "writing: %s\n", e.text);
        check_case_failures++;
    }
    glia_gguf_writer_destroy(w);
    glia_gguf_close(g);
    return path;
}

/* Expects `want`, or `other` where two answers are right. */
static void attack(const char *what, const edit *x, glia_status want, glia_status other)
{
    struct fault_os f;
    glia_error e = GLIA_ERROR_INIT;
    fault_os_init(&f, NULL);
    f.bytes_most = (int64_t)1 << 28; /* out of proportion */
    glia_status st = whole_life(edited(x), &f.os, &e);
    if ((st != want && st != other) || !fault_os_clean(&f) || f.largest > f.bytes_most) {
        fprintf(stderr, "%s: status %d (%s), want %d (%s); largest request %lld: %s\n", what, st,
                glia_status_name(st), want, glia_status_name(want), (long long)f.largest, e.text);
        check_case_failures++;
    }
}

static void keys_absent_and_of_wrong_type(void)
{
    static const char *const required[] = {"general.architecture",
                                           "llama.block_count",
                                           "llama.embedding_length",
                                           "llama.feed_forward_length",
                                           "llama.attention.head_count",
                                           "llama.context_length",
                                           "llama.attention.layer_norm_rms_epsilon",
                                           "tokenizer.ggml.model",
                                           "tokenizer.ggml.tokens",
                                           NULL};
    static const char *const all[] = {"general.architecture",
                                      "llama.block_count",
                                      "llama.embedding_length",
                                      "llama.feed_forward_length",
                                      "llama.attention.head_count",
                                      "llama.context_length",
                                      "llama.attention.layer_norm_rms_epsilon",
                                      "llama.attention.head_count_kv",
                                      "llama.rope.dimension_count",
                                      "llama.rope.freq_base",
                                      "llama.vocab_size",
                                      "tokenizer.ggml.model",
                                      "tokenizer.ggml.tokens",
                                      "tokenizer.ggml.scores",
                                      "tokenizer.ggml.token_type",
                                      "tokenizer.ggml.bos_token_id",
                                      "tokenizer.ggml.eos_token_id",
                                      NULL};
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(whole_life(edited(&(edit){0}), NULL, &e), GLIA_OK); /* the copy itself is sound */
    for (int i = 0; required[i]; i++) {
        edit x = {.key = required[i]};
        attack(required[i], &x, GLIA_E_NOT_FOUND, GLIA_E_NOT_FOUND);
    }
    for (int i = 0; all[i]; i++)
        for (const char *put = "usfba"; *put; put++) {
            bool text = !strcmp(all[i], "general.architecture") || !strcmp(all[i], "tokenizer.ggml.model");
            bool real = strstr(all[i], "epsilon") || strstr(all[i], "freq_base"),
                 list = strstr(all[i], "ggml.tokens") || strstr(all[i], "scores") ||
                        strstr(all[i], "token_type");
            if ((text && *put == 's') || (real && *put == 'f') || (!text && !real && !list && *put == 'u') ||
                (strstr(all[i], "token_type") && *put == 'a'))
                continue;
            edit x = {.key = all[i], .put = *put, .number = 1, .text = "x"};
            char what[96];
            snprintf(what, sizeof what, "%s as %c", all[i], *put);
            attack(what, &x, GLIA_E_FORMAT, GLIA_E_UNSUPPORTED);
        }
}

static void numbers_that_contradict(void)
{
    static const struct {
        const char *key;
        char put;
        double number;
        glia_status want, other;
    } list[] = {
        {"llama.block_count", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.block_count", 'u', 1, GLIA_E_UNSUPPORTED,
         GLIA_E_UNSUPPORTED}, /* the second layer's tensors are too many */
        {"llama.block_count", 'u', 3, GLIA_E_NOT_FOUND, GLIA_E_NOT_FOUND},
        {"llama.block_count", 'u', 513, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.block_count", 'u', 2147483648.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.block_count", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.block_count", 'l', 9223372036854775808.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.block_count", 'i', -1, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.head_count", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.head_count", 'u', 1, GLIA_E_FORMAT,
         GLIA_E_SHAPE}, /* fewer heads than key-value heads */
        {"llama.attention.head_count", 'u', 3, GLIA_E_FORMAT, GLIA_E_SHAPE},
        {"llama.attention.head_count", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.attention.head_count_kv", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.head_count_kv", 'u', 3, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.head_count_kv", 'u', 4, GLIA_E_SHAPE, GLIA_E_FORMAT}, /* the tensors say 2 */
        {"llama.attention.head_count_kv", 'u', 8, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.dimension_count", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.dimension_count", 'u', 7, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.dimension_count", 'u', 10, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.dimension_count", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.embedding_length", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.embedding_length", 'u', 64, GLIA_E_SHAPE, GLIA_E_FORMAT},
        {"llama.embedding_length", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.feed_forward_length", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.feed_forward_length", 'u', 96, GLIA_E_SHAPE, GLIA_E_FORMAT},
        {"llama.vocab_size", 'u', 385, GLIA_E_FORMAT, GLIA_E_SHAPE},
        {"llama.vocab_size", 'u', 10, GLIA_E_FORMAT, GLIA_E_SHAPE},
        {"llama.context_length", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.context_length", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_LIMIT},
        {"llama.attention.layer_norm_rms_epsilon", 'f', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.layer_norm_rms_epsilon", 'f', -1e-5, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.layer_norm_rms_epsilon", 'f', (double)NAN, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.layer_norm_rms_epsilon", 'f', (double)INFINITY, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.freq_base", 'f', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.freq_base", 'f', (double)NAN, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.freq_base", 'f', -10000, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.key_length", 'u', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.key_length", 'u', 16, GLIA_E_SHAPE, GLIA_E_UNSUPPORTED},
        {"llama.attention.value_length", 'u', 16, GLIA_E_UNSUPPORTED, GLIA_E_SHAPE},
        {"llama.expert_count", 'u', 8, GLIA_E_UNSUPPORTED, GLIA_E_NOT_FOUND},
        {"llama.attention.sliding_window", 'u', 16, GLIA_OK, GLIA_OK},
        {"llama.attention.sliding_window", 'u', 4294967295.0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.attention.scale", 'f', 0.5, GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED},
        {"llama.attn_logit_softcapping", 'f', 50, GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED},
        {"llama.attention.sliding_window_pattern", 'u', 6, GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED},
        {"llama.rope.scaling.factor", 'f', 4, GLIA_OK, GLIA_OK}, /* linear, without a type */
        {"llama.rope.scaling.factor", 'f', 0, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.scaling.factor", 'f', (double)NAN, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.scaling.factor", 'f', 1e30, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"llama.rope.scaling.yarn_log_multiplier", 'f', 0.1, GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED},
        {"tokenizer.ggml.bos_token_id", 'u', 384, GLIA_E_FORMAT, GLIA_E_FORMAT},
        {"tokenizer.ggml.eos_token_id", 'u', 384, GLIA_E_FORMAT, GLIA_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char what[96];
        edit x = {.key = list[i].key, .put = list[i].put, .number = list[i].number};
        snprintf(what, sizeof what, "%s = %g", x.key, x.number);
        attack(what, &x, list[i].want, list[i].other);
    }
    attack("another architecture", &(edit){.key = "general.architecture", .put = 's', .text = "mamba"},
           GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED);
    attack("another scaling", &(edit){.key = "llama.rope.scaling.type", .put = 's', .text = "su"},
           GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED);
    attack("yarn without a factor", &(edit){.key = "llama.rope.scaling.type", .put = 's', .text = "yarn"},
           GLIA_E_NOT_FOUND, GLIA_E_FORMAT);
    attack("longrope without factors",
           &(edit){.key = "llama.rope.scaling.type", .put = 's', .text = "longrope"}, GLIA_E_NOT_FOUND,
           GLIA_E_FORMAT);
    attack("another activation", &(edit){.key = "llama.hidden_activation", .put = 's', .text = "xielu"},
           GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED);
    attack("a tokenizer of another kind", &(edit){.key = "tokenizer.ggml.model", .put = 's', .text = "rwkv"},
           GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED);
}

static void tensors_attacked(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g = NULL;
    CHECK_I64(glia_gguf_open(NULL, tiny_path(), NULL, &g, &e), GLIA_OK);
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        char what[128];
        edit x = {.tensor = t->name};
        snprintf(what, sizeof what, "%s missing", t->name);
        attack(what, &x, GLIA_E_NOT_FOUND, GLIA_E_NOT_FOUND);
        for (int axis = 0; axis < t->rank; axis++)
            for (int less = 0; less < 2; less++) {
                x = (edit){.tensor = t->name, .rank = t->rank, .dtype = t->dtype};
                memcpy(x.dims, t->dims, sizeof x.dims);
                x.dims[axis] += less ? -32 : 32;
                if (x.dims[axis] <= 0) continue;
                bool vocabulary = !strcmp(t->name, "token_embd.weight") &&
                                  axis == 0; /* more rows than tokens are padding */
                snprintf(what, sizeof what, "%s with axis %d %s", t->name, axis, less ? "short" : "long");
                if (vocabulary && !less && !glia_gguf_find(g, "llama.vocab_size")) continue;
                attack(what, &x, GLIA_E_SHAPE, GLIA_E_FORMAT);
            }
        if (t->rank == 2) {
            x = (edit){.tensor = t->name, .rank = 1, .dims = {t->dims[0] * t->dims[1]}};
            snprintf(what, sizeof what, "%s flat", t->name);
            attack(what, &x, GLIA_E_SHAPE, GLIA_E_FORMAT);
        }
        x = (edit){.tensor = t->name, .rank = t->rank, .dtype = GLIA_I32};
        memcpy(x.dims, t->dims, sizeof x.dims);
        snprintf(what, sizeof what, "%s of integers", t->name);
        attack(what, &x, GLIA_E_DTYPE, GLIA_E_UNSUPPORTED);
    }
    glia_gguf_close(g);
    attack("a tensor too many", &(edit){.more = "blk.0.attn_sinks.weight"}, GLIA_E_UNSUPPORTED,
           GLIA_E_UNSUPPORTED);
    attack("a tensor of a layer that is not there", &(edit){.more = "blk.7.attn_norm.weight"},
           GLIA_E_UNSUPPORTED, GLIA_E_UNSUPPORTED);
}

/* ---- calls -------------------------------------------------------------------------------------------- */

static void calls_to_open(void)
{
    glia_model *m = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_memory memory = GLIA_MEMORY_INIT;
    char folder[160];
    CHECK_I64(glia_model_open(NULL, NULL, &m, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_open(tiny_path(), NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_open(NULL, NULL, NULL, NULL), GLIA_E_ARG);
    CHECK_I64(glia_model_query(tiny_path(), NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_query(NULL, NULL, &memory, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_open(spine_temp("nothing.gguf"), NULL, &m, &e), GLIA_E_IO);
    snprintf(folder, sizeof folder, "%s", spine_dir);
    CHECK_I64(glia_model_open(folder, NULL, &m, &e), GLIA_E_IO);
    CHECK_I64(glia_model_open("", NULL, &m, &e), GLIA_E_IO);
    CHECK(spine_write(spine_temp("edited.gguf"), "", 0));
    CHECK_I64(glia_model_open(spine_temp("edited.gguf"), NULL, &m, &e), GLIA_E_FORMAT);
    CHECK(m == NULL);
    static const struct {
        int32_t threads, slots, sequences, kv;
        int64_t context, batch, rows, limit;
        const char *isa;
        glia_status want;
    } bad[] = {
        {-1, 0, 0, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1025, 0, 0, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {INT32_MIN, 0, 0, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, -1, 0, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 65, 0, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, -1, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, INT32_MAX, 0, 0, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, -1, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, INT64_MAX, 0, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, 0, -1, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, 0, INT64_MAX, 0, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, 0, 4, 5, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, 0, 4, -1, 0, NULL, GLIA_E_ARG},
        {1, 1, 1, 0, 0, 4, 1, -1, NULL, GLIA_E_ARG},
        {1, 1, 1, GLIA_Q8_0, 0, 4, 1, 0, NULL, GLIA_E_UNSUPPORTED}, /* heads of 8 */
        {1, 1, 1, GLIA_Q4_0, 0, 4, 1, 0, NULL, GLIA_E_UNSUPPORTED},
        {1, 1, 1, 9999, 0, 4, 1, 0, NULL, GLIA_E_UNSUPPORTED},
        {1, 1, 1, -5, 0, 4, 1, 0, NULL, GLIA_E_UNSUPPORTED},
        {1, 1, 1, 0, 0, 4, 1, 0, "sse9", GLIA_E_NOT_FOUND},
        {1, 1, 1, 0, 0, 4, 1, 0, "", GLIA_E_NOT_FOUND},
        {1, 1, 1, 0, 0, 4, 1, 1, NULL, GLIA_E_LIMIT},
        {1, 1, 4096, 0, INT32_MAX / 2, 4, 1, 1000000, NULL, GLIA_E_LIMIT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        o.threads = bad[i].threads;
        o.slots = bad[i].slots;
        o.sequences = bad[i].sequences;
        o.kv_dtype = (glia_dtype)bad[i].kv;
        o.context = bad[i].context;
        o.batch = bad[i].batch;
        o.logit_rows = bad[i].rows;
        o.memory_limit = bad[i].limit;
        o.isa = bad[i].isa;
        glia_status st = glia_model_open(tiny_path(), &o, &m, &e);
        if (st != bad[i].want) fprintf(stderr, "options %d: %s\n", (int)i, e.text);
        CHECK_I64(st, bad[i].want);
    }
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT; /* only what the size covers is read */
    o.threads = -7;
    static const uint32_t sizes[] = {0, 4, 5};
    for (int i = 0; i < 3; i++) {
        o.size = sizes[i];
        CHECK_I64(glia_model_query(tiny_path(), &o, &memory, &e), GLIA_OK);
    }
    glia_model_close(NULL);
    glia_session_destroy(NULL);
    glia_session_cancel(NULL);
    glia_session_set_deadline(NULL, 1);
}

static void calls_on_nothing(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    glia_memory memory = GLIA_MEMORY_INIT;
    const int32_t id = 1;
    int64_t made, count;
    CHECK_I64(glia_session_create(NULL, &s, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_step(NULL, NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_prefix(NULL, &id, 1, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_trim(NULL, 0, 0, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_generate(NULL, &id, 1, NULL, &made, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_length(NULL, 0), -1);
    CHECK_I64(glia_model_tokenize(NULL, "a", 1, 0, 0, NULL, 0, &count, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_piece(NULL, 1, NULL, 0), 0);
    CHECK_I64(glia_model_vocab_size(NULL), 0);
    CHECK_I64(glia_model_context(NULL), 0);
    CHECK_STR(glia_model_architecture(NULL), "");
    CHECK_I64(glia_model_bos(NULL), -1);
    CHECK_I64(glia_model_is_end(NULL, 1), 0);
    memory.total = 7;
    glia_model_memory(NULL, &memory);
    CHECK_I64(memory.total, 0);
    glia_model_memory(NULL, NULL);
}

static void bad_batches(glia_session *s)
{
    glia_error e = GLIA_ERROR_INIT;
    const float *logits = NULL;
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8}, sequences[8] = {0}, rows[8] = {0};
    static const struct {
        int32_t count, id, sequence, row, row_count;
        bool no_ids, no_rows;
        glia_status want;
    } bad[] = {
        {0, 1, 0, 0, 0, false, false, GLIA_E_ARG},
        {-1, 1, 0, 0, 0, false, false, GLIA_E_ARG},
        {5, 1, 0, 0, 0, false, false, GLIA_E_ARG},
        {INT32_MAX, 1, 0, 0, 0, false, false, GLIA_E_ARG},
        {INT32_MIN, 1, 0, 0, 0, false, false, GLIA_E_ARG},
        {1, 1, 0, 0, 0, true, false, GLIA_E_ARG},
        {2, -1, 0, 0, 0, false, false, GLIA_E_ARG},
        {2, 384, 0, 0, 0, false, false, GLIA_E_ARG},
        {2, INT32_MAX, 0, 0, 0, false, false, GLIA_E_ARG},
        {2, 1, 2, 0, 0, false, false, GLIA_E_ARG},
        {2, 1, -1, 0, 0, false, false, GLIA_E_ARG},
        {2, 1, 0, 2, 1, false, false, GLIA_E_ARG},
        {2, 1, 0, -1, 1, false, false, GLIA_E_ARG},
        {2, 1, 0, 0, 3, false, false, GLIA_E_ARG},
        {2, 1, 0, 0, -1, false, false, GLIA_E_ARG},
        {2, 1, 0, 0, 1, false, true, GLIA_E_ARG},
        {2, 1, 0, 1, 2, false, false, GLIA_OK},
        {4, 1, 1, 3, 1, false, false, GLIA_OK},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        glia_batch b = GLIA_BATCH_INIT;
        int64_t before = glia_session_length(s, 0) + glia_session_length(s, 1);
        ids[1] = bad[i].id;
        sequences[1] = bad[i].sequence;
        rows[0] = bad[i].row;
        b.count = bad[i].count;
        b.ids = bad[i].no_ids ? NULL : ids;
        b.sequences = sequences;
        b.rows = bad[i].no_rows ? NULL : rows;
        b.row_count = bad[i].row_count;
        glia_status st = glia_session_step(s, &b, i % 2 ? &logits : NULL, i % 3 ? &e : NULL);
        if (st != bad[i].want) fprintf(stderr, "batch %d: %s\n", (int)i, e.text);
        CHECK_I64(st, bad[i].want);
        CHECK_I64(glia_session_length(s, 0) + glia_session_length(s, 1) - before, st ? 0 : b.count);
    }
}

static void bad_generations(glia_session *s, const int32_t *ids)
{
    glia_error e = GLIA_ERROR_INIT;
    int64_t made;
    CHECK_I64(glia_session_generate(s, ids, 3, NULL, NULL, NULL), GLIA_OK);
    glia_generate_options g = GLIA_GENERATE_OPTIONS_INIT;
    static const float weird[] = {-1, NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++)
        for (int field = 0; field < 6; field++) {
            g = (glia_generate_options)GLIA_GENERATE_OPTIONS_INIT;
            g.tokens_max = 1;
            float *fields[] = {
                &g.temperature,      &g.top_p, &g.min_p, &g.repeat_penalty, &g.presence_penalty,
                &g.frequency_penalty};
            *fields[field] = weird[i];
            glia_status st = glia_session_generate(s, ids, 3, &g, &made, &e);
            /* An endless temperature samples flat; penalties may be negative. */
            bool may = st == GLIA_OK && (isinf(weird[i]) ? field == 0 : field >= 3) && !isnan(weird[i]);
            if (st != GLIA_E_ARG && !may) fprintf(stderr, "field %d = %g: %d\n", field, (double)weird[i], st);
            CHECK(st == GLIA_E_ARG || may);
        }
    g = (glia_generate_options)GLIA_GENERATE_OPTIONS_INIT;
    g.tokens_max = -1;
    CHECK_I64(glia_session_generate(s, ids, 3, &g, &made, &e), GLIA_E_ARG);
    g.tokens_max = 1;
    g.bias_count = 1;
    CHECK_I64(glia_session_generate(s, ids, 3, &g, &made, &e), GLIA_E_ARG);
    g.bias_count = -1;
    CHECK_I64(glia_session_generate(s, ids, 3, &g, &made, &e), GLIA_E_ARG);
    g.bias_ids = (const int32_t[]){384};
    g.bias_values = (const float[]){1};
    g.bias_count = 1;
    CHECK_I64(glia_session_generate(s, ids, 3, &g, &made, &e), GLIA_E_ARG);
}

static void bad_texts(const glia_model *m)
{
    glia_error e = GLIA_ERROR_INIT;
    int32_t ids[8];
    int64_t count;
    CHECK_I64(glia_model_tokenize(m, NULL, 1, 0, 0, ids, 8, &count, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_tokenize(m, "a", -1, 0, 0, ids, 8, &count, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_tokenize(m, "a", 1, 0, 0, NULL, 8, &count, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_tokenize(m, "a", 1, 0, 0, ids, 8, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_model_tokenize(m, "abcdef ghi jkl", 14, 1, 0, ids, 1, &count, &e), GLIA_E_LIMIT);
    CHECK(count > 1);
    CHECK_I64(glia_model_piece(m, -1, NULL, 0), 0);
    CHECK_I64(glia_model_piece(m, 100000, NULL, 0), 0);
    CHECK_I64(glia_model_is_end(m, -1), 0);
    CHECK_I64(glia_model_is_end(m, 100000), 0);
}

static void calls_on_a_session(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = options_of(NULL);
    o.sequences = 2;
    o.logit_rows = 2;
    glia_model *m = spine_open(tiny_path(), &o);
    glia_session *s = NULL;
    const float *logits = NULL;
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    CHECK_I64(glia_session_create(m, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
    CHECK_I64(glia_session_step(s, NULL, &logits, &e), GLIA_E_ARG);
    bad_batches(s);
    glia_batch small = GLIA_BATCH_INIT;
    small.size = 4; /* covers nothing: an empty step */
    small.count = 1;
    small.ids = ids;
    CHECK_I64(glia_session_step(s, &small, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_prefix(s, NULL, 3, &logits, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_prefix(s, ids, 0, &logits, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_prefix(s, ids, -1, &logits, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_prefix(s, ids, INT64_MAX, &logits, &e), GLIA_E_CONTEXT);
    CHECK_I64(glia_session_prefix(s, ids, 3, NULL, NULL), GLIA_OK);
    ids[2] = 4000;
    CHECK_I64(glia_session_prefix(s, ids, 4, &logits, &e), GLIA_E_ARG);
    ids[2] = 3;
    CHECK_I64(glia_session_trim(s, 2, 0, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_trim(s, -1, 0, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_trim(s, 0, -1, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_trim(s, 0, 1000, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_length(s, 2), -1);
    CHECK_I64(glia_session_length(s, -1), -1);
    bad_generations(s, ids);
    bad_texts(m);
    glia_memory part = {.size = 8, .weights = -3};
    glia_model_memory(m, &part);
    CHECK(part.weights == -3 && part.size == 8);
    glia_session_destroy(s);
    glia_model_close(m);
}

int main(void)
{
    RUN(file_cut);
    RUN(everything_refused);
    RUN(sessions_refused);
    RUN(keys_absent_and_of_wrong_type);
    RUN(numbers_that_contradict);
    RUN(tensors_attacked);
    RUN(calls_to_open);
    RUN(calls_on_nothing);
    RUN(calls_on_a_session);
    spine_clean((const char *const[]){"tiny.gguf", "cut.gguf", "edited.gguf", NULL});
    return CHECK_EXIT();
}
