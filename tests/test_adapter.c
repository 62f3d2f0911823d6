/* Low-rank adapters: a model with adapters gives the logits of the model whose weights were changed
 * beforehand, W + s B A in double precision; and what bad adapter files must be refused with. */
#include "spine.h"

#include "format/gguf.h"
#include "format/gguf_write.h"

enum { RANK = 5, TENSORS_MAX = 64 };
#define ALPHA 10.0

/* Small numbers that depend on all of their arguments. */
static float entry(int seed, int64_t i, int64_t j)
{
    uint32_t h = (uint32_t)(seed * 7919 + i * 131 + j) * 2654435761u;
    return ((float)(h >> 16) / 65536.0f - 0.5f) * 0.4f;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

typedef struct change {
    const glia_gguf *model; /* null while an adapter is written */
    const char *const *names;
    const double *scales;
    int count, kinds; /* tensors that change, and adapters */
    float *data[2 * TENSORS_MAX];
} change;

static glia_status give_adapter(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                glia_error *e)
{
    const change *c = ctx;
    (void)e;
    memcpy(to, (const char *)c->data[tensor] + begin, (size_t)bytes);
    return GLIA_OK;
}

static bool is_changed(const change *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->names[i], name)) return true;
    return false;
}

/* Half a pair: A [RANK, k] has the seed, B [n, RANK] the seed + 1. */
static float *half(int64_t rows, int64_t columns, int seed)
{
    float *m = malloc((size_t)(rows * columns) * sizeof *m);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) m[i * columns + j] = entry(seed, i, j);
    return m;
}

typedef struct flaw { /* what is wrong with an adapter; all zero: nothing */
    const char *type, *kind, *arch;
    double alpha;
    const char *extra; /* a tensor more */
    bool no_b, thin_b;
} flaw;

static bool write_adapter(const glia_gguf *g, const char *const *names, int count, int seed, const flaw *f,
                          const char *path)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf_writer *w;
    glia_gguf_string arch;
    change c = {0};
    char name[128];
    int n = 0;
    if (glia_gguf_writer_create(NULL, &w, &e) || glia_gguf_string_of(g, "general.architecture", &arch, &e))
        return false;
    glia_gguf_set_string(w, "general.type", f->type ? f->type : "adapter", -1);
    glia_gguf_set_string(w, "adapter.type", f->kind ? f->kind : "lora", -1);
    glia_gguf_set_string(w, "general.architecture", f->arch ? f->arch : arch.text, f->arch ? -1 : arch.size);
    glia_gguf_set_f32(w, "adapter.lora.alpha", (float)(f->alpha != 0 ? f->alpha : ALPHA));
    for (int i = 0; i < count; i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, names[i]);
        int64_t a[2] = {RANK, t->dims[1]}, b[2] = {t->dims[0], f->thin_b ? RANK - 1 : RANK};
        snprintf(name, sizeof name, "%s.lora_a", names[i]);
        glia_gguf_add_tensor(w, name, GLIA_F32, 2, a);
        c.data[n++] = half(a[0], a[1], seed);
        if (f->no_b) continue;
        snprintf(name, sizeof name, "%s.lora_b", names[i]);
        glia_gguf_add_tensor(w, name, GLIA_F32, 2, b);
        c.data[n++] = half(b[0], b[1], seed + 1);
    }
    if (f->extra) {
        int64_t d[2] = {RANK, 4};
        glia_gguf_add_tensor(w, f->extra, GLIA_F32, 2, d);
        c.data[n++] = half(RANK, 4, 9);
    }
    glia_status s = glia_gguf_writer_write(w, path, give_adapter, &c, &e);
    if (s) fprintf(stderr, "%s\n", e.text);
    glia_gguf_writer_destroy(w);
    for (int i = 0; i < n; i++) free(c.data[i]);
    return !s;
}

/* Rows of a tensor of the model, changed by all adapters: adapter number i has the seed 10 i. */
static glia_status give_changed(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                glia_error *e)
{
    const change *c = ctx;
    const glia_gguf_tensor *t = glia_gguf_tensor_at(c->model, tensor);
    glia_status s = glia_gguf_read(c->model, t, begin, bytes, to, e);
    if (s || !is_changed(c, t->name)) return s;
    int64_t k = t->dims[1], first = begin / (4 * k), rows = bytes / (4 * k);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < k; j++) {
            float *w = (float *)to + i * k + j;
            double sum = 0;
            for (int a = 0; a < c->kinds; a++)
                for (int64_t r = 0; r < RANK; r++)
                    sum += c->scales[a] * ALPHA / RANK * (double)entry(10 * a + 1, first + i, r) *
                           (double)entry(10 * a, r, j);
            *w = (float)((double)*w + sum);
        }
    return GLIA_OK;
}

static bool write_changed(const glia_gguf *g, change c, const char *path)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf_writer *w;
    if (glia_gguf_writer_create(NULL, &w, &e)) return false;
    for (int64_t i = 0; i < glia_gguf_count(g); i++) glia_gguf_set_value(w, glia_gguf_at(g, i));
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        glia_gguf_add_tensor(w, t->name, GLIA_F32, t->rank, t->dims);
    }
    c.model = g;
    glia_status s = glia_gguf_writer_write(w, path, give_changed, &c, &e);
    if (s) fprintf(stderr, "%s\n", e.text);
    glia_gguf_writer_destroy(w);
    return !s;
}

/* ---- cases ------------------------------------------------------------------------------------------ */

static const char *const llama_names[] = {"blk.0.attn_q.weight",      "blk.0.attn_v.weight",
                                          "blk.1.attn_output.weight", "blk.1.ffn_gate.weight",
                                          "blk.1.ffn_down.weight",    "output.weight"};
static const char *const gpt2_names[] = {"blk.0.attn_qkv.weight", "blk.1.ffn_up.weight"};

static bool logits_of(const char *path, const glia_adapter *adapters, int count, int32_t threads,
                      const spine_vec *v, float *out)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_session *s = NULL;
    o.threads = threads;
    o.batch = o.logit_rows = v->tokens;
    o.adapters = adapters;
    o.adapter_count = count;
    glia_model *m = spine_open(path, &o);
    if (!m) return false;
    spine_force_team(m);
    bool ok =
        !glia_session_create(m, &s, &e) && !spine_feed(s, v->vocab, v->ids, v->tokens, 0, v->tokens, out);
    glia_session_destroy(s);
    glia_model_close(m);
    return ok;
}

static void check_sum(const char *arch, const char *const *names, int count)
{
    static const double scales[2] = {1, -0.5};
    const char *model = spine_arch_path(arch, "gguf");
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g;
    spine_vec v;
    change c = {NULL, names, scales, count, 2, {0}};
    flaw none = {0};
    CHECK(spine_vec_open(spine_arch_path(arch, "vec"), &v));
    CHECK_I64(glia_gguf_open(NULL, model, NULL, &g, &e), GLIA_OK);
    CHECK(write_adapter(g, names, count, 0, &none, spine_temp("a.gguf")));
    CHECK(write_adapter(g, names, count, 10, &none, spine_temp("b.gguf")));
    CHECK(write_changed(g, c, spine_temp("changed.gguf")));
    glia_gguf_close(g);
    glia_adapter adapters[2] = {{spine_temp("a.gguf"), 1}, {spine_temp("b.gguf"), -0.5f}};
    int64_t n = v.tokens * v.vocab;
    float *want = malloc((size_t)n * 4), *have = malloc((size_t)n * 4), *again = malloc((size_t)n * 4);
    if (logits_of(spine_temp("changed.gguf"), NULL, 0, 1, &v, want) &&
        logits_of(model, adapters, 2, 1, &v, have) && logits_of(model, adapters, 2, 3, &v, again)) {
        double error = 0, power = 0, effect = 0;
        for (int64_t i = 0; i < n; i++) {
            error += ((double)have[i] - want[i]) * ((double)have[i] - want[i]);
            effect += (v.logits[i] - want[i]) * (v.logits[i] - want[i]);
            power += (double)want[i] * want[i];
        }
        if (error > 1e-9 * power) fprintf(stderr, "%s: NMSE %g\n", arch, error / power);
        CHECK(error <= 1e-9 * power);
        CHECK(effect > 1e-3 * power); /* the adapters do something */
        CHECK(spine_same_bits(have, again, n));
    }
    free(want);
    free(have);
    free(again);
    spine_vec_close(&v);
}

static void sum_llama(void) { check_sum("llama_gqa", llama_names, 6); }
static void sum_gpt2(void) { check_sum("gpt2", gpt2_names, 2); }

/* The vectors' own logits with the adapter at scale 0. */
static void scale_zero(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g;
    spine_vec v;
    flaw none = {0};
    CHECK(spine_vec_open(spine_arch_path("llama_gqa", "vec"), &v));
    CHECK_I64(glia_gguf_open(NULL, spine_arch_path("llama_gqa", "gguf"), NULL, &g, &e), GLIA_OK);
    CHECK(write_adapter(g, llama_names, 6, 0, &none, spine_temp("a.gguf")));
    glia_gguf_close(g);
    glia_adapter adapter = {spine_temp("a.gguf"), 0};
    int64_t n = v.tokens * v.vocab;
    float *a = malloc((size_t)n * 4), *b = malloc((size_t)n * 4);
    CHECK(logits_of(spine_arch_path("llama_gqa", "gguf"), NULL, 0, 2, &v, a));
    CHECK(logits_of(spine_arch_path("llama_gqa", "gguf"), &adapter, 1, 2, &v, b));
    CHECK(spine_same_bits(a, b, n));
    free(a);
    free(b);
    spine_vec_close(&v);
}

static void refuse(const flaw *f, const char *code, glia_status status)
{
    const char *model = spine_arch_path("llama_gqa", "gguf");
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g;
    glia_memory memory = GLIA_MEMORY_INIT;
    CHECK_I64(glia_gguf_open(NULL, model, NULL, &g, &e), GLIA_OK);
    CHECK(write_adapter(g, llama_names, 2, 0, f, spine_temp("bad.gguf")));
    glia_gguf_close(g);
    glia_adapter adapter = {spine_temp("bad.gguf"), 1};
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.adapters = &adapter;
    o.adapter_count = 1;
    CHECK_I64(glia_model_query(model, &o, &memory, &e), status);
    CHECK_STR(e.code, code);
}

static void refusals(void)
{
    refuse(&(flaw){.type = "model"}, "G0550", GLIA_E_FORMAT);
    refuse(&(flaw){.kind = "ia3"}, "G0550", GLIA_E_FORMAT);
    refuse(&(flaw){.arch = "qwen2"}, "G0550", GLIA_E_FORMAT);
    refuse(&(flaw){.alpha = NAN}, "G0550", GLIA_E_FORMAT);
    refuse(&(flaw){.extra = "blk.0.attn_q.weight.lora_c"}, "G0551", GLIA_E_UNSUPPORTED);
    refuse(&(flaw){.extra = "token_embd.weight.lora_a"}, "G0551", GLIA_E_UNSUPPORTED);
    refuse(&(flaw){.extra = "blk.9.attn_q.weight.lora_a"}, "G0551", GLIA_E_UNSUPPORTED);
    refuse(&(flaw){.no_b = true}, "G0552", GLIA_E_FORMAT);
    refuse(&(flaw){.thin_b = true}, "G0552", GLIA_E_FORMAT);
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_memory memory = GLIA_MEMORY_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_adapter adapter = {"/nowhere/a.gguf", 1};
    o.adapters = &adapter;
    o.adapter_count = 1;
    CHECK_I64(glia_model_query(spine_arch_path("llama_gqa", "gguf"), &o, &memory, &e), GLIA_E_IO);
    o.adapter_count = 17;
    CHECK_I64(glia_model_query(spine_arch_path("llama_gqa", "gguf"), &o, &memory, &e), GLIA_E_ARG);
    o.adapter_count = 1;
    adapter.scale = INFINITY;
    CHECK_I64(glia_model_query(spine_arch_path("llama_gqa", "gguf"), &o, &memory, &e), GLIA_E_ARG);
}

int main(void)
{
    static const char *const files[] = {"a.gguf", "b.gguf", "changed.gguf", "bad.gguf", NULL};
    RUN(sum_llama);
    RUN(sum_gpt2);
    RUN(scale_zero);
    RUN(refusals);
    spine_clean(files);
    return check_failures != 0;
}
