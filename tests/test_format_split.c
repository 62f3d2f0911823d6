/* Models in several GGUF files: opened as one, and everything that can be wrong with the set. The files are
 * built byte by byte here; a committed model is cut into parts and has to give the same logits. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"
#include "spine.h"

#include "format/gguf.h"
#include "format/gguf_write.h"
#include "format/source.h"

#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* What a part says of itself, and its one tensor; a null name: no tensor. */
typedef struct part {
    int no, count, tensors;
    const char *arch, *tensor;
} part;

static void save_part(const char *file, part p)
{
    blob b = {0};
    put(&b, "GGUF", 4), put_u32(&b, 3), put_u64(&b, p.tensor != NULL), put_u64(&b, p.arch ? 4 : 3);
    put_str(&b, "split.no"), put_u32(&b, 2), put_u16(&b, (uint64_t)p.no);
    put_str(&b, "split.count"), put_u32(&b, 2), put_u16(&b, (uint64_t)p.count);
    put_str(&b, "split.tensors.count"), put_u32(&b, 5), put_u32(&b, (uint64_t)p.tensors);
    if (p.arch) put_str(&b, "general.architecture"), put_u32(&b, 8), put_str(&b, p.arch);
    if (p.tensor) {
        put_str(&b, p.tensor), put_u32(&b, 1), put_u64(&b, 4), put_u32(&b, 0), put_u64(&b, 0);
        put_zeros(&b, (32 - b.size % 32) % 32);
        for (int i = 0; i < 4; i++) put_f32(&b, (float)(10 * p.no + i));
        put_zeros(&b, 16);
    }
    save_blob(in_folder(file), b.data, b.size);
    blob_free(&b);
}

/* A good set of three. */
static void save_set(void)
{
    save_part("m-00001-of-00003.gguf", (part){0, 3, 3, "llama", "a"});
    save_part("m-00002-of-00003.gguf", (part){1, 3, 3, NULL, "b"});
    save_part("m-00003-of-00003.gguf", (part){2, 3, 3, "llama", "c"});
}

static void expect(const char *file, glia_status status, const char *code, const char *word)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_gguf_open(NULL, in_folder(file), NULL, &g, &e), status);
    CHECK(g == NULL);
    CHECK_STR(e.code, code);
    if (!strstr(e.text, word)) fprintf(stderr, "no `%s` in: %s\n", word, e.text);
    CHECK(strstr(e.text, word) != NULL);
    glia_gguf_close(g);
}

static void opens_as_one(void)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    const void *map;
    save_set();
    CHECK_I64(glia_gguf_open(NULL, in_folder("m-00001-of-00003.gguf"), NULL, &g, &e), GLIA_OK);
    if (!g) return;
    CHECK_I64(glia_gguf_tensor_count(g), 3);
    CHECK_I64(glia_gguf_part_count(g), 3);
    for (int i = 0; i < 3; i++) {
        const char name[2] = {(char)('a' + i), 0};
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, name);
        float v[4] = {0};
        char file[32];
        snprintf(file, sizeof file, "m-0000%d-of-00003.gguf", i + 1);
        CHECK(t == glia_gguf_tensor_at(g, i));
        CHECK_I64(glia_gguf_read(g, t, 0, 16, v, &e), GLIA_OK);
        CHECK(v[0] == (float)(10 * i) && v[3] == (float)(10 * i + 3));
        CHECK_STR(glia_gguf_tensor_file(g, t), file);
        glia_source source = glia_source_from_gguf(g);
        glia_source_tensor st;
        CHECK(source.find(source.ctx, name, &st) && !strcmp(st.file, file));
    }
    CHECK_I64(glia_gguf_map(g, &map, &e), GLIA_E_UNSUPPORTED);
    glia_gguf_close(g);
    /* A first part that holds metadata alone, as one option of the usual tool makes it. */
    save_part("n-00001-of-00002.gguf", (part){0, 2, 1, "llama", NULL});
    save_part("n-00002-of-00002.gguf", (part){1, 2, 1, NULL, "a"});
    CHECK_I64(glia_gguf_open(NULL, in_folder("n-00001-of-00002.gguf"), NULL, &g, &e), GLIA_OK);
    glia_gguf_close(g);
    save_part("one.gguf", (part){0, 1, 1, "llama", "a"});
    CHECK_I64(glia_gguf_open(NULL, in_folder("one.gguf"), NULL, &g, &e), GLIA_OK);
    glia_gguf_close(g);
}

static void refuses(void)
{
    const char *first = "m-00001-of-00003.gguf";
    save_set();
    expect("m-00003-of-00003.gguf", GLIA_E_ARG, "G0343", first);
    save_part("other.gguf", (part){0, 3, 3, "llama", "a"});
    expect("other.gguf", GLIA_E_FORMAT, "G0342", "-00001-of-00003.gguf");
    save_part("m-00001-of-00004.gguf", (part){0, 3, 3, "llama", "a"});
    expect("m-00001-of-00004.gguf", GLIA_E_FORMAT, "G0342", "-00001-of-00003.gguf");
    unlink(in_folder("m-00002-of-00003.gguf"));
    expect(first, GLIA_E_IO, "G0344", "m-00002-of-00003.gguf");
    save_blob(in_folder("m-00002-of-00003.gguf"), "GGU", 3);
    expect(first, GLIA_E_FORMAT, "G0303", "m-00002-of-00003.gguf");
    save_part("m-00002-of-00003.gguf", (part){2, 3, 3, NULL, "b"});
    expect(first, GLIA_E_FORMAT, "G0345", "part 3 of 3");
    save_part("m-00002-of-00003.gguf", (part){1, 4, 3, NULL, "b"});
    expect(first, GLIA_E_FORMAT, "G0345", "part 2 of 4");
    save_part("m-00002-of-00003.gguf", (part){1, 3, 4, NULL, "b"});
    expect(first, GLIA_E_FORMAT, "G0345", "4 tensors");
    save_part("m-00002-of-00003.gguf", (part){1, 3, 3, "qwen2", "b"});
    expect(first, GLIA_E_FORMAT, "G0345", "general.architecture");
    save_part("m-00002-of-00003.gguf", (part){1, 3, 3, NULL, "a"});
    expect(first, GLIA_E_FORMAT, "G0347", "m-00002-of-00003.gguf");
    save_part("m-00002-of-00003.gguf", (part){1, 3, 3, NULL, NULL});
    expect(first, GLIA_E_FORMAT, "G0346", "2 tensors");
    save_part("m-00001-of-00003.gguf", (part){3, 3, 3, "llama", "a"});
    expect(first, GLIA_E_FORMAT, "G0341", "split.no is 3");
    save_part("m-00001-of-00003.gguf", (part){0, 1025, 3, "llama", "a"});
    expect(first, GLIA_E_FORMAT, "G0341", "1024");
    blob b = {0}; /* split.count alone, and as a text */
    put(&b, "GGUF", 4), put_u32(&b, 3), put_u64(&b, 0), put_u64(&b, 1);
    put_str(&b, "split.count"), put_u32(&b, 8), put_str(&b, "3");
    save_blob(in_folder(first), b.data, b.size);
    expect(first, GLIA_E_FORMAT, "G0341", "integers");
    blob_free(&b);
}

static void limits_hold(void)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf_limits limits = {.tensors = 2};
    save_set();
    CHECK_I64(glia_gguf_open(NULL, in_folder("m-00001-of-00003.gguf"), &limits, &g, &e), GLIA_E_LIMIT);
    CHECK_STR(e.code, "G0305");
}

/* ---- files of other kinds ---------------------------------------------------------------------------- */

static void refuse_kind(const char *key, const char *value, const char *word)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m;
    blob b = {0};
    put(&b, "GGUF", 4), put_u32(&b, 3), put_u64(&b, 1), put_u64(&b, 1);
    put_str(&b, key), put_u32(&b, 8), put_str(&b, value);
    put_str(&b, "x"), put_u32(&b, 1), put_u64(&b, 8), put_u32(&b, 0), put_u64(&b, 0);
    put_zeros(&b, (32 - b.size % 32) % 32 + 32);
    save_blob(in_folder("kind.gguf"), b.data, b.size);
    blob_free(&b);
    CHECK_I64(glia_model_open(in_folder("kind.gguf"), NULL, &m, &e), GLIA_E_UNSUPPORTED);
    CHECK_STR(e.code, "G0348");
    if (!strstr(e.text, word)) fprintf(stderr, "no `%s` in: %s\n", word, e.text);
    CHECK(strstr(e.text, word) != NULL);
}

static void other_kinds(void)
{
    refuse_kind("general.type", "adapter", "an adapter");
    refuse_kind("general.type", "mmproj", "a multimodal projector");
    refuse_kind("general.type", "imatrix", "an importance matrix");
    refuse_kind("general.architecture", "clip", "a multimodal projector");
    save_blob(in_folder("old.gguf"), "tjgg\3\0\0\0", 8);
    expect("old.gguf", GLIA_E_FORMAT, "G0301", "ggjt");
}

/* Every call to the system failing in turn: a status, and nothing left behind. */
static void calls_fail(void)
{
    save_set();
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        for (int64_t n = 1; n < 1000; n++) {
            struct fault_os f;
            glia_gguf *g;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, class, n, false);
            glia_status s = glia_gguf_open(&f.os, in_folder("m-00001-of-00003.gguf"), NULL, &g, NULL);
            glia_gguf_close(g);
            CHECK(fault_os_clean(&f));
            CHECK_I64(s, !f.failed ? GLIA_OK : class == FAULT_MEMORY ? GLIA_E_NOMEM : GLIA_E_IO);
            if (!f.failed) break;
        }
    }
}

/* ---- a model -------------------------------------------------------------------------------------- */

typedef struct cut {
    glia_gguf *g;
    int64_t first;
} cut;

static glia_status copy_piece(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                              glia_error *e)
{
    const cut *c = ctx;
    return glia_gguf_read(c->g, glia_gguf_tensor_at(c->g, c->first + tensor), begin, bytes, to, e);
}

/* Part `no` of two of the model g. */
static void save_half(glia_gguf *g, int no, const char *path)
{
    glia_gguf_writer *w;
    glia_error e = GLIA_ERROR_INIT;
    int64_t count = glia_gguf_tensor_count(g), first = no ? count / 2 : 0, end = no ? count : count / 2;
    cut c = {g, first};
    CHECK_I64(glia_gguf_writer_create(NULL, &w, &e), GLIA_OK);
    for (int64_t i = 0; !no && i < glia_gguf_count(g); i++) glia_gguf_set_value(w, glia_gguf_at(g, i));
    glia_gguf_set_u16(w, "split.no", (uint16_t)no);
    glia_gguf_set_u16(w, "split.count", 2);
    glia_gguf_set_i32(w, "split.tensors.count", (int32_t)count);
    for (int64_t i = first; i < end; i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        glia_gguf_add_tensor(w, t->name, t->dtype, t->rank, t->dims);
    }
    CHECK_I64(glia_gguf_writer_write(w, path, copy_piece, &c, &e), GLIA_OK);
    glia_gguf_writer_destroy(w);
}

static void logits_of(const char *path, const spine_vec *v, float *logits)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_session *s = NULL;
    glia_error e = GLIA_ERROR_INIT;
    o.threads = 1;
    o.batch = o.logit_rows = v->tokens;
    glia_model *m = spine_open(path, &o);
    CHECK(m != NULL);
    if (m && !glia_session_create(m, &s, &e))
        CHECK(!spine_feed(s, v->vocab, v->ids, v->tokens, 0, v->tokens, logits));
    glia_session_destroy(s);
    glia_model_close(m);
}

static void model_in_two(void)
{
    spine_vec v;
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    CHECK(spine_vec_open(spine_arch_path("qwen2", "vec"), &v));
    CHECK_I64(glia_gguf_open(NULL, spine_arch_path("qwen2", "gguf"), NULL, &g, &e), GLIA_OK);
    if (!g) return;
    save_half(g, 0, in_folder("q-00001-of-00002.gguf"));
    save_half(g, 1, in_folder("q-00002-of-00002.gguf"));
    glia_gguf_close(g);
    size_t bytes = (size_t)(v.tokens * v.vocab) * sizeof(float);
    float *whole = calloc(1, bytes), *split = calloc(1, bytes);
    logits_of(spine_arch_path("qwen2", "gguf"), &v, whole);
    logits_of(in_folder("q-00001-of-00002.gguf"), &v, split);
    CHECK(whole && split && !memcmp(whole, split, bytes));
    free(whole);
    free(split);
    spine_vec_close(&v);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/glia-split-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    RUN(opens_as_one);
    RUN(refuses);
    RUN(limits_hold);
    RUN(other_kinds);
    RUN(calls_fail);
    RUN(model_in_two);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) || CHECK_EXIT();
}
