/* Quantising whole models: the types of every tensor as another quantiser chooses them, the bytes against the
 * rows' own encoder, importance matrices, threads, and what is refused. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"
#include "spine.h"

#include "format/gguf.h"
#include "format/gguf_write.h"
#include "llm/imatrix.h"
#include "llm/quantize_mix.h"
#include "llm/synth.h"
#include "tensor/dtype.h"

#include <glia/convert.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[64][128]; /* the last 64 stay valid */
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* ---- mixtures ------------------------------------------------------------------------------------- */

enum { MIXES_MOST = 32, TENSORS_MOST = 1024 };

typedef struct hollow { /* a case of mixes.txt */
    char arch[32], name[32];
    int layers, heads, kv_heads, experts, weighed;
    char mixes[MIXES_MOST][16];
    int mix_count;
    char names[TENSORS_MOST][64];
    int64_t dims[TENSORS_MOST][3];
    int rank[TENSORS_MOST];
    int want[TENSORS_MOST][MIXES_MOST];
    int count;
} hollow;

static char *word_of(char **at, const char *ends)
{
    char *begin = *at + strspn(*at, ends), *end = begin + strcspn(begin, ends);
    *at = end + (*end != 0);
    *end = 0;
    return begin;
}

static void read_tensor(hollow *h, char *line)
{
    int i = h->count++;
    snprintf(h->names[i], sizeof h->names[i], "%s", word_of(&line, " "));
    char *dims = word_of(&line, " ");
    for (h->rank[i] = 0; *dims; h->rank[i]++) h->dims[i][h->rank[i]] = atoll(word_of(&dims, "x"));
    for (int m = 0; m < h->mix_count; m++) h->want[i][m] = atoi(word_of(&line, " "));
}

static glia_status zeros(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to, glia_error *e)
{
    (void)ctx, (void)tensor, (void)begin, (void)e;
    memset(to, 0, (size_t)bytes);
    return GLIA_OK;
}

/* The hollow model, and an importance matrix for all of its tensors. */
static void write_hollow(const hollow *h, const char *model, const char *imatrix)
{
    glia_gguf_writer *w = NULL, *v = NULL;
    char key[96];
    const int numbers[] = {h->layers, h->heads, h->kv_heads, h->experts};
    const char *const keys[] = {"block_count", "attention.head_count", "attention.head_count_kv",
                                "expert_count"};
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL) && !glia_gguf_writer_create(NULL, &v, NULL));
    glia_gguf_set_string(w, "general.architecture", h->arch, -1);
    glia_gguf_set_string(v, "general.type", "imatrix", -1);
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "%s.%s", h->arch, keys[i]);
        glia_gguf_set_u32(w, key, (uint32_t)numbers[i]);
    }
    for (int i = 0; i < h->count; i++) {
        int64_t k = h->dims[i][h->rank[i] - 1], one[2] = {1, 1}, sums[2] = {1, k};
        glia_gguf_add_tensor(w, h->names[i], GLIA_F32, h->rank[i], h->dims[i]);
        snprintf(key, sizeof key, "%s.in_sum2", h->names[i]);
        glia_gguf_add_tensor(v, key, GLIA_F32, 2, sums);
        snprintf(key, sizeof key, "%s.counts", h->names[i]);
        glia_gguf_add_tensor(v, key, GLIA_F32, 2, one);
    }
    CHECK_I64(glia_gguf_writer_write(w, model, zeros, NULL, NULL), GLIA_OK);
    CHECK_I64(glia_gguf_writer_write(v, imatrix, zeros, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    glia_gguf_writer_destroy(v);
}

typedef struct heard {
    const hollow *h;
    int mix, at;
} heard;

static int compare_type(void *user, const glia_quantize_tensor *t)
{
    heard *x = user;
    int got = glia_dtype_get(t->to)->gguf_type, want = x->h->want[x->at][x->mix];
    CHECK_STR(t->name, x->h->names[x->at]);
    if (got != want)
        fprintf(stderr, "%s, %s, %s: type %d, want %d\n", x->h->name, x->h->mixes[x->mix], t->name, got,
                want);
    check_case_failures += got != want;
    x->at++;
    return 0;
}

static void check_hollow(const hollow *h)
{
    write_hollow(h, in_folder("hollow.gguf"), in_folder("hollow.imatrix"));
    for (int m = 0; m < h->mix_count; m++) {
        glia_error e = GLIA_ERROR_INIT;
        heard x = {h, m, 0};
        glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
        o.dry_run = 1;
        o.on_tensor = compare_type;
        o.user = &x;
        if (h->weighed) o.imatrix = in_folder("hollow.imatrix");
        if (!glia_dtype_get(glia_mix_find(h->mixes[m])->base)->encode) continue;
        glia_status s = glia_quantize(in_folder("hollow.gguf"), NULL, h->mixes[m], &o, NULL, &e);
        if (s) fprintf(stderr, "%s, %s: %s %s\n", h->name, h->mixes[m], e.code, e.text);
        CHECK_I64(s, GLIA_OK);
        CHECK(s || x.at == h->count);
    }
}

static void mixtures(void)
{
    static hollow h;
    int64_t size;
    int cases = 0;
    char *text = spine_read("tests/vectors/quantize/mixes.txt", &size), *at = text;
    while (at && *at) {
        char *line = word_of(&at, "\n");
        if (!strncmp(line, "case ", 5)) {
            if (cases++) check_hollow(&h);
            memset(&h, 0, sizeof h);
            CHECK_I64(sscanf(line, "case %31s %31s %d %d %d %d %d", h.name, h.arch, &h.layers, &h.heads,
                             &h.kv_heads, &h.experts, &h.weighed),
                      7);
        } else if (!strncmp(line, "types ", 6)) {
            for (line += 6; *line && h.mix_count < MIXES_MOST; h.mix_count++)
                snprintf(h.mixes[h.mix_count], 16, "%s", word_of(&line, " "));
        } else if (h.count < TENSORS_MOST) {
            read_tensor(&h, line);
        }
    }
    if (cases) check_hollow(&h);
    CHECK(cases >= 8);
    free(text);
}

/* Rows that fit nothing, small tensors, and types that stay: what the other quantiser refuses or has not. */
static int remember_type(void *user, const glia_quantize_tensor *t)
{
    int *to = user;
    to[t->index] = t->to;
    CHECK(t->fallback == (t->index == 0));
    return 0;
}

static void odd_tensors(void)
{
    static const struct {
        const char *name;
        glia_dtype from;
        int64_t dims[3];
        int rank;
        glia_dtype to;
    } rows[] = {{"blk.0.ffn_down.weight", GLIA_F32, {4, 172}, 2, GLIA_F16},
                {"blk.0.attn_q.bias", GLIA_F32, {2, 256}, 2, GLIA_F32},
                {"blk.0.attn_q_norm.weight", GLIA_F16, {4, 256}, 2, GLIA_F16},
                {"blk.0.ffn_gate_inp_shexp.weight", GLIA_F32, {1, 256}, 2, GLIA_F32},
                {"position_embd.weight", GLIA_F32, {4, 256}, 2, GLIA_F32},
                {"blk.0.ffn_up.weight", GLIA_I32, {4, 256}, 2, GLIA_I32},
                {"blk.0.ffn_gate.weight", GLIA_Q8_0, {2, 2, 256}, 3, GLIA_Q4_K}};
    enum { COUNT = sizeof rows / sizeof rows[0] };
    glia_gguf_writer *w;
    glia_error e = GLIA_ERROR_INIT;
    int to[COUNT] = {0};
    CHECK(!glia_gguf_writer_create(NULL, &w, &e));
    for (int i = 0; i < COUNT; i++)
        glia_gguf_add_tensor(w, rows[i].name, rows[i].from, rows[i].rank, rows[i].dims);
    CHECK_I64(glia_gguf_writer_write(w, in_folder("odd.gguf"), zeros, NULL, &e), GLIA_OK);
    glia_gguf_writer_destroy(w);
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_quantize_summary s = GLIA_QUANTIZE_SUMMARY_INIT;
    o.on_tensor = remember_type;
    o.user = to;
    CHECK_I64(glia_quantize(in_folder("odd.gguf"), in_folder("odd-q.gguf"), "q4_k_m", &o, &s, &e), GLIA_OK);
    for (int i = 0; i < COUNT; i++) CHECK_I64(to[i], rows[i].to);
    CHECK_I64(s.tensors, COUNT);
    CHECK_I64(s.quantized, 2);
    CHECK_I64(s.fallbacks, 1);
    CHECK_I64(s.requantized, 1);
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

static bool same_files(const char *a, const char *b)
{
    int64_t n, m;
    char *x = spine_read(a, &n), *y = spine_read(b, &m);
    bool same = x && y && n == m && !memcmp(x, y, (size_t)n);
    free(x);
    free(y);
    return same;
}

/* Each tensor of `made`, against its rows of `from` through the encoder. */
static void check_bytes(const char *from, const char *made)
{
    glia_gguf *g, *h;
    glia_error e = GLIA_ERROR_INIT;
    CHECK(!glia_gguf_open(NULL, from, NULL, &g, &e) && !glia_gguf_open(NULL, made, NULL, &h, &e));
    CHECK_I64(glia_gguf_tensor_count(g), glia_gguf_tensor_count(h));
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *a = glia_gguf_tensor_at(g, i), *b = glia_gguf_tensor_at(h, i);
        int64_t k = a->dims[a->rank - 1], rows = 1, bytes;
        for (int d = 0; d + 1 < a->rank; d++) rows *= a->dims[d];
        CHECK_STR(a->name, b->name);
        float *row = malloc((size_t)k * 4);
        uint8_t *raw = malloc((size_t)a->bytes), *want = calloc(1, (size_t)b->bytes),
                *got = malloc((size_t)b->bytes);
        CHECK(!glia_gguf_read(g, a, 0, a->bytes, raw, &e) && !glia_gguf_read(h, b, 0, b->bytes, got, &e));
        CHECK(glia_dtype_row_bytes(b->dtype, k, &bytes));
        for (int64_t r = 0; r < rows; r++) {
            glia_dtype_get(a->dtype)->decode(raw + r * (a->bytes / rows), row, k);
            glia_dtype_get(b->dtype)->encode(row, want + r * bytes, k, NULL);
        }
        CHECK(!memcmp(want, got, (size_t)b->bytes));
        free(row), free(raw), free(want), free(got);
    }
    glia_gguf_close(g);
    glia_gguf_close(h);
}

static void bytes_and_threads(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    CHECK_I64(glia_synth(NULL, "tiny", GLIA_F32, 3, in_folder("tiny.gguf"), &e), GLIA_OK);
    for (int i = 0; glia_quantize_type(i); i++) {
        const char *type = glia_quantize_type(i);
        o.threads = 1;
        glia_status s = glia_quantize(in_folder("tiny.gguf"), in_folder("one.gguf"), type, &o, NULL, &e);
        if (s == GLIA_E_UNSUPPORTED && !strcmp(e.code, "G0521")) continue; /* no encoder yet */
        CHECK_I64(s, GLIA_OK);
        o.threads = 5;
        CHECK_I64(glia_quantize(in_folder("tiny.gguf"), in_folder("five.gguf"), type, &o, NULL, &e), GLIA_OK);
        CHECK(same_files(in_folder("one.gguf"), in_folder("five.gguf")));
        check_bytes(in_folder("tiny.gguf"), in_folder("five.gguf"));
    }
}

static void metadata(void)
{
    glia_gguf *g, *h;
    glia_error e = GLIA_ERROR_INIT;
    uint64_t number = 0;
    CHECK_I64(glia_quantize(in_folder("tiny.gguf"), in_folder("q.gguf"), "Q4_K_M", NULL, NULL, &e), GLIA_OK);
    CHECK(!glia_gguf_open(NULL, in_folder("tiny.gguf"), NULL, &g, &e) &&
          !glia_gguf_open(NULL, in_folder("q.gguf"), NULL, &h, &e));
    CHECK_I64(glia_gguf_count(g), glia_gguf_count(h));
    for (int64_t i = 0; i < glia_gguf_count(g); i++)
        CHECK(glia_gguf_find(h, glia_gguf_at(g, i)->key) != NULL);
    CHECK(!glia_gguf_u64(h, "general.file_type", &number, &e) && number == 15);
    CHECK(!glia_gguf_u64(h, "general.quantization_version", &number, &e) && number == 2);
    glia_gguf_close(g);
    glia_gguf_close(h);
}

/* ---- importance ----------------------------------------------------------------------------------- */

static void imatrix_files(void)
{
    static const char *const files[] = {"tests/vectors/quantize/small.imatrix.gguf",
                                        "tests/vectors/quantize/small.imatrix.dat"};
    glia_imatrix m[2];
    glia_error e = GLIA_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        CHECK_I64(glia_imatrix_load(NULL, files[i], &m[i], &e), GLIA_OK);
        CHECK_I64(m[i].count, 2);
        CHECK_I64(m[i].chunks, 3);
        CHECK_STR(m[i].text, "words.txt");
        CHECK(!glia_imatrix_find(&m[i], "c.weight"));
    }
    const glia_imatrix_entry *a = glia_imatrix_find(&m[0], "a.weight"),
                             *b = glia_imatrix_find(&m[1], "a.weight");
    CHECK(a && b && a->count == 16 && b->count == 16);
    CHECK(a && b && !memcmp(a->values, b->values, 8 * sizeof(float)) && a->values[0] >= 1 &&
          a->values[0] <= 9);
    for (int i = 8; a && i < 16; i++) CHECK(a->values[i] == 1.0f); /* never met */
    a = glia_imatrix_find(&m[0], "b.weight"), b = glia_imatrix_find(&m[1], "b.weight");
    CHECK(a && b && a->count == 8 && !memcmp(a->values, b->values, 8 * sizeof(float)));
    for (int i = 0; i < 2; i++) glia_imatrix_free(&m[i]);
    /* Every cut of both, and every byte of the older kind set to something else: a status, no more. */
    for (int i = 0; i < 2; i++) {
        int64_t size;
        char *data = spine_read(files[i], &size);
        for (int64_t n = 0; data && n < size; n += i ? 1 : 7) {
            save_blob(in_folder("cut"), data, n);
            glia_status s = glia_imatrix_load(NULL, in_folder("cut"), &m[0], NULL);
            /* the padding at the end of the one, and the text's name at the end of the other, may be missing
             */
            CHECK(s == GLIA_E_FORMAT || (!s && n >= size - 24 && (!i || n == size - 17)));
            glia_imatrix_free(&m[0]);
            if (!i) continue;
            data[n] ^= 0x5a;
            save_blob(in_folder("bent"), data, size);
            if (!glia_imatrix_load(NULL, in_folder("bent"), &m[0], NULL)) glia_imatrix_free(&m[0]);
            data[n] ^= 0x5a;
        }
        free(data);
    }
}

/* sum over a tensor of importance times squared error */
static double weighed_error(const char *model, const char *name, const float *truth, int64_t rows, int64_t k,
                            const float *importance)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    double sum = 0;
    if (glia_gguf_open(NULL, model, NULL, &g, &e)) return INFINITY;
    const glia_gguf_tensor *t = glia_gguf_tensor_find(g, name);
    uint8_t *raw = malloc((size_t)t->bytes);
    float *row = malloc((size_t)k * 4);
    CHECK(!glia_gguf_read(g, t, 0, t->bytes, raw, &e));
    for (int64_t r = 0; r < rows; r++) {
        glia_dtype_get(t->dtype)->decode(raw + r * (t->bytes / rows), row, k);
        for (int64_t i = 0; i < k; i++) {
            double d = (double)row[i] - (double)truth[r * k + i];
            sum += (double)importance[(rows > 8 ? r / 8 * k : 0) + i] * d * d;
        }
    }
    free(raw), free(row);
    glia_gguf_close(g);
    return sum;
}

enum { COLUMNS = 256, ROWS = 16 }; /* two experts of 8 rows */
static float weights[ROWS * COLUMNS], importance[2 * COLUMNS];

static glia_status give_weights(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                glia_error *e)
{
    (void)ctx, (void)tensor, (void)e;
    memcpy(to, (const char *)weights + begin, (size_t)bytes);
    return GLIA_OK;
}

static glia_status give_importance(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                   glia_error *e)
{
    static const float ones[2] = {1, 1};
    (void)ctx, (void)e;
    memcpy(to, (const char *)(tensor ? ones : importance) + begin, (size_t)bytes);
    return GLIA_OK;
}

static void write_weighed(const char *model, const char *imatrix)
{
    glia_gguf_writer *w;
    int64_t dims[3] = {2, ROWS / 2, COLUMNS}, sums[2] = {2, COLUMNS}, counts[2] = {2, 1};
    uint32_t seed = 9;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        float sum = 0;
        for (int j = 0; j < 4; j++)
            sum += (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
        weights[i] = sum;
    }
    for (int i = 0; i < 2 * COLUMNS; i++) importance[i] = i % 7 == 0 ? 50.0f : 0.1f;
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight", GLIA_F32, 3, dims);
    CHECK_I64(glia_gguf_writer_write(w, model, give_weights, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_set_string(w, "general.type", "imatrix", -1);
    glia_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight.in_sum2", GLIA_F32, 2, sums);
    glia_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight.counts", GLIA_F32, 2, counts);
    CHECK_I64(glia_gguf_writer_write(w, imatrix, give_importance, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
}

static void importance_helps(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_gguf *g;
    write_weighed(in_folder("w.gguf"), in_folder("w.imatrix"));
    static const char *const types[] = {"Q2_K", "Q3_K_S", "Q4_K_S", "IQ4_NL"};
    for (int i = 0; i < 4; i++) {
        o.imatrix = NULL;
        CHECK_I64(glia_quantize(in_folder("w.gguf"), in_folder("plain.gguf"), types[i], &o, NULL, &e),
                  GLIA_OK);
        o.imatrix = in_folder("w.imatrix");
        CHECK_I64(glia_quantize(in_folder("w.gguf"), in_folder("better.gguf"), types[i], &o, NULL, &e),
                  GLIA_OK);
        double plain = weighed_error(in_folder("plain.gguf"), "blk.0.ffn_up_exps.weight", weights, ROWS,
                                     COLUMNS, importance);
        double better = weighed_error(in_folder("better.gguf"), "blk.0.ffn_up_exps.weight", weights, ROWS,
                                      COLUMNS, importance);
        if (!(better < plain)) fprintf(stderr, "%s: %g without, %g with\n", types[i], plain, better);
        CHECK(better < plain);
    }
    CHECK(!glia_gguf_open(NULL, in_folder("better.gguf"), NULL, &g, &e));
    CHECK(glia_gguf_find(g, "quantize.imatrix.file") && glia_gguf_find(g, "quantize.imatrix.entries_count"));
    glia_gguf_close(g);
}

/* What the first layer's q, k and v meet has a closed form: the normalised embeddings of the text's tokens.
 */
static void check_first_layer(const glia_imatrix *m, const int32_t *ids, int64_t count)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    double eps = 0;
    static float embedding[128 * 64], norm[64];
    static double want[64];
    CHECK_I64(glia_gguf_open(NULL, spine_arch_path("llama_mha", "gguf"), NULL, &g, &e), GLIA_OK);
    const glia_gguf_tensor *t = glia_gguf_tensor_find(g, "token_embd.weight");
    CHECK(t && t->dims[0] == 128 && t->dims[1] == 64);
    CHECK(!glia_gguf_read(g, t, 0, sizeof embedding, embedding, &e));
    CHECK(!glia_gguf_read(g, glia_gguf_tensor_find(g, "blk.0.attn_norm.weight"), 0, sizeof norm, norm, &e));
    CHECK(!glia_gguf_f64(g, "llama.attention.layer_norm_rms_epsilon", &eps, &e));
    memset(want, 0, sizeof want);
    for (int64_t i = 0; i < count; i++) {
        const float *x = embedding + 64 * ids[i];
        double mean = 0;
        for (int j = 0; j < 64; j++) mean += (double)x[j] * (double)x[j] / 64;
        for (int j = 0; j < 64; j++) {
            double y = (double)x[j] * (double)norm[j];
            want[j] += y * y / (mean + eps) / (double)count;
        }
    }
    const char *const names[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"};
    for (int n = 0; n < 3; n++) {
        const glia_imatrix_entry *x = glia_imatrix_find(m, names[n]);
        CHECK(x && x->count == 64);
        for (int j = 0; x && j < 64; j++) CHECK(fabs((double)x->values[j] - want[j]) <= 1e-5 * want[j]);
    }
    glia_gguf_close(g);
}

static void imatrix_made(void)
{
    static const char text[] = "the inner and the other thing is not on the list, or so the men said to her";
    const char *model = spine_arch_path("llama_mha", "gguf");
    glia_error e = GLIA_ERROR_INIT;
    glia_imatrix_options o = GLIA_IMATRIX_OPTIONS_INIT;
    glia_imatrix_summary s = GLIA_IMATRIX_SUMMARY_INIT;
    glia_imatrix m;
    int32_t ids[256];
    int64_t count = 0;
    o.threads = 1;
    o.context = 16;
    CHECK_I64(glia_imatrix_make(model, text, sizeof text - 1, in_folder("a.imatrix"), &o, &s, &e), GLIA_OK);
    o.threads = 3;
    CHECK_I64(glia_imatrix_make(model, text, sizeof text - 1, in_folder("b.imatrix"), &o, NULL, &e), GLIA_OK);
    CHECK(same_files(in_folder("a.imatrix"), in_folder("b.imatrix")));
    CHECK_I64(s.entries, 14); /* seven a layer, and two layers */
    CHECK(s.tokens > 16 && s.chunks == (s.tokens + 15) / 16 && s.unmeasured == 0);
    CHECK_I64(glia_imatrix_load(NULL, in_folder("a.imatrix"), &m, &e), GLIA_OK);
    CHECK_I64(m.count, 14);
    CHECK_I64(m.chunks, s.chunks);
    glia_model_options mo = GLIA_MODEL_OPTIONS_INIT;
    glia_model *open = spine_open(model, &mo);
    CHECK(open && !glia_model_tokenize(open, text, sizeof text - 1, 1, 0, ids, 256, &count, &e));
    glia_model_close(open);
    CHECK_I64(count, s.tokens);
    check_first_layer(&m, ids, count);
    glia_imatrix_free(&m);
    glia_quantize_options q = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_quantize_summary qs = GLIA_QUANTIZE_SUMMARY_INIT;
    q.imatrix = in_folder("a.imatrix");
    CHECK_I64(glia_quantize(model, in_folder("q.gguf"), "Q4_0", &q, &qs, &e), GLIA_OK);
    CHECK(qs.quantized > 0 && qs.unimportant == 0);
    CHECK_I64(glia_imatrix_make(model, "", 0, in_folder("c.imatrix"), &o, NULL, &e), GLIA_E_ARG);
    CHECK_STR(e.code, "G0535");
    CHECK_I64(glia_imatrix_make(model, text, -1, in_folder("c.imatrix"), &o, NULL, &e), GLIA_E_ARG);
    CHECK(access(in_folder("c.imatrix"), F_OK));
}

/* ---- refused -------------------------------------------------------------------------------------- */

static int stop_at_second(void *user, const glia_quantize_tensor *t)
{
    (void)user;
    return t->index == 1;
}

static void expect(const char *in, const char *type, const glia_quantize_options *o, glia_status status,
                   const char *code)
{
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_quantize(in, in_folder("never.gguf"), type, o, NULL, &e), status);
    CHECK_STR(e.code, code);
    CHECK(access(in_folder("never.gguf"), F_OK) && access(in_folder("never.gguf.tmp"), F_OK));
}

static void refuses(void)
{
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    const char *tiny = in_folder("tiny.gguf");
    expect(tiny, "Q9_K", NULL, GLIA_E_NOT_FOUND, "G0520");
    expect(tiny, "", NULL, GLIA_E_NOT_FOUND, "G0520");
    expect(in_folder("none.gguf"), "Q4_0", NULL, GLIA_E_IO, "G0802");
    expect("tests/vectors/quantize/small.imatrix.gguf", "Q4_0", NULL, GLIA_E_UNSUPPORTED, "G0348");
    CHECK_I64(glia_quantize(tiny, tiny, "Q4_0", NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_quantize(tiny, NULL, "Q4_0", NULL, NULL, &e), GLIA_E_ARG);
    CHECK_I64(glia_quantize(NULL, tiny, "Q4_0", NULL, NULL, &e), GLIA_E_ARG);
    o.threads = 1025;
    expect(tiny, "Q4_0", &o, GLIA_E_ARG, "G0526");
    o.threads = 2;
    o.imatrix = tiny;
    expect(tiny, "Q4_0", &o, GLIA_E_FORMAT, "G0523");
    o.imatrix = in_folder("none");
    expect(tiny, "Q4_0", &o, GLIA_E_IO, "G0802");
    o.imatrix = NULL;
    o.on_tensor = stop_at_second;
    expect(tiny, "Q4_0", &o, GLIA_E_CANCELLED, "G0525");
    o.on_tensor = NULL;
    /* Another model's importance, and weights that no type can hold. */
    o.imatrix = in_folder("w.imatrix");
    write_weighed(in_folder("w.gguf"), in_folder("w.imatrix"));
    weights[ROWS * COLUMNS - 1] = INFINITY;
    glia_gguf_writer *w;
    int64_t dims[2] = {ROWS / 2, 2 * COLUMNS};
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_add_tensor(w, "blk.0.ffn_up.weight", GLIA_F32, 2, dims);
    CHECK_I64(glia_gguf_writer_write(w, in_folder("inf.gguf"), give_weights, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight", GLIA_F32, 2, dims + 0);
    CHECK_I64(glia_gguf_writer_write(w, in_folder("wide.gguf"), zeros, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    expect(in_folder("inf.gguf"), "Q4_0", NULL, GLIA_E_FORMAT, "G0522");
    expect(in_folder("inf.gguf"), "BF16", NULL, GLIA_E_FORMAT, "G0522");
    importance[3] = -1;
    dims[0] = 1;
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    int64_t sums[2] = {1, 2 * COLUMNS}, counts[2] = {1, 1};
    glia_gguf_set_string(w, "general.type", "imatrix", -1);
    glia_gguf_add_tensor(w, "x.in_sum2", GLIA_F32, 2, sums);
    glia_gguf_add_tensor(w, "x.counts", GLIA_F32, 2, counts);
    CHECK_I64(glia_gguf_writer_write(w, in_folder("negative"), give_importance, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    o.imatrix = in_folder("negative");
    expect(tiny, "Q4_0", &o, GLIA_E_FORMAT, "G0523");
}

static void other_models_importance(void)
{
    glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
    glia_gguf_writer *w;
    int64_t dims[2] = {2, 96};
    write_weighed(in_folder("w.gguf"), in_folder("w.imatrix"));
    CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_add_tensor(w, "blk.0.ffn_up_exps.weight", GLIA_F32, 2, dims);
    CHECK_I64(glia_gguf_writer_write(w, in_folder("other.gguf"), zeros, NULL, NULL), GLIA_OK);
    glia_gguf_writer_destroy(w);
    o.imatrix = in_folder("w.imatrix");
    expect(in_folder("other.gguf"), "Q4_0", &o, GLIA_E_SHAPE, "G0524");
}

static void calls_fail(void)
{
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        for (int64_t n = 1; n < 1000; n++) {
            struct fault_os f;
            glia_error e = GLIA_ERROR_INIT;
            glia_quantize_options o = GLIA_QUANTIZE_OPTIONS_INIT;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, class, n, false);
            o.os = &f.os;
            o.threads = 2;
            o.imatrix = "tests/vectors/quantize/small.imatrix.dat";
            glia_status s = glia_quantize(in_folder("tiny.gguf"), in_folder("f.gguf"), "Q4_0", &o, NULL, &e);
            CHECK(fault_os_clean(&f));
            CHECK((s == GLIA_OK) == (f.failed == 0));
            CHECK((access(in_folder("f.gguf"), F_OK) == 0) == (s == GLIA_OK));
            CHECK(access(in_folder("f.gguf.tmp"), F_OK));
            unlink(in_folder("f.gguf"));
            if (!f.failed) break;
        }
    }
}

/* ---- models run ----------------------------------------------------------------------------------- */

/* A quantised model's logits stay near the truth of its F32 file: 8 bits very near, fewer not far. */
static void models_run(void)
{
    static const struct {
        const char *type;
        double most;
    } cases[] = {{"F16", 1e-5}, {"Q8_0", 2e-3}, {"Q5_1", 5e-2}, {"Q4_1", 2e-1}, {"IQ4_NL", 2e-1}};
    spine_vec v;
    CHECK(spine_vec_open(spine_arch_path("qwen2", "vec"), &v));
    float *logits = malloc((size_t)(v.tokens * v.vocab) * sizeof *logits);
    for (int i = 0; i < 5; i++) {
        glia_error e = GLIA_ERROR_INIT;
        glia_session *s = NULL;
        glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
        CHECK_I64(glia_quantize(spine_arch_path("qwen2", "gguf"), in_folder("m.gguf"), cases[i].type, NULL,
                                NULL, &e),
                  GLIA_OK);
        o.threads = 1;
        o.batch = o.logit_rows = v.tokens;
        glia_model *m = spine_open(in_folder("m.gguf"), &o);
        if (!m || glia_session_create(m, &s, &e)) break;
        CHECK(!spine_feed(s, v.vocab, v.ids, v.tokens, 0, v.tokens, logits));
        double error = 0, power = 0;
        for (int64_t j = 0; j < v.tokens * v.vocab; j++) {
            double d = (double)logits[j] - v.logits[j];
            error += d * d;
            power += v.logits[j] * v.logits[j];
        }
        if (!(error <= cases[i].most * power)) fprintf(stderr, "%s: NMSE %g\n", cases[i].type, error / power);
        CHECK(error <= cases[i].most * power && error > 0);
        glia_session_destroy(s);
        glia_model_close(m);
    }
    free(logits);
    spine_vec_close(&v);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/glia-quantize-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    RUN(mixtures);
    RUN(odd_tensors);
    RUN(bytes_and_threads);
    RUN(metadata);
    RUN(imatrix_files);
    RUN(importance_helps);
    RUN(imatrix_made);
    RUN(refuses);
    RUN(other_models_importance);
    RUN(calls_fail);
    RUN(models_run);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) || CHECK_EXIT();
}
