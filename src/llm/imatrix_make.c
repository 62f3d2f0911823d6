/* Makes an importance matrix: the model reads a text, and the graph of its step has, for every matrix
 * product, the sum over tokens of the squares of what it meets as a further output (glia_lm_observe). Sums of
 * a step are f32 in the order of the specification, sums over steps are f64 in order of the text, so threads
 * change no bit.
 *
 * Not measured: stacked experts (each token meets few of them), the output matrix and the embedding. */
#include <glia/convert.h>

#include "base/check.h"
#include "base/error.h"
#include "format/file.h"
#include "format/gguf_write.h"
#include "llm/internal.h"

#include <string.h>

enum { CONTEXT = 512, BATCH = 128, CONTEXT_MAX = 1 << 20 };

typedef struct entry {
    const char *name; /* of the weight */
    uint32_t value;   /* id of the output */
    int64_t k;
    double *sums; /* [k] */
    float *mean;  /* [k] for the file: sums as f32 */
} entry;

typedef struct maker {
    glia_imatrix_options options;
    glia_arena arena;
    glia_model *model;
    glia_session *session;
    entry *entries;
    int64_t count;
    float tokens; /* as the file has it; exact up to 2^24 */
    glia_imatrix_summary summary;
} maker;

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for an importance matrix");
}

/* Before the graph is sealed, by glia_lm_adapt for each product. */
void glia_lm_observe(glia_lm_builder *b, glia_value x, const char *name)
{
    static const int64_t tokens[1] = {0};
    const char *full = glia_lm_name(b, GLIA_LM_OBSERVED "%s", name);
    if (!b->options.observe || b->status || !strcmp(name, "output.weight")) return;
    if (!glia_is_null(glia_graph_find(b->g, full))) return; /* another part of the same matrix */
    glia_attr_arg axes[] = {GLIA_INTS("axes", tokens, 1), {0}};
    glia_graph_output(b->g, full, glia_graph_node(b->g, "sum_squares", full, &x, 1, axes));
}

static glia_status find_entries(maker *k, glia_error *e)
{
    const glia_graph *g = k->model->plan->graph;
    const size_t prefix = strlen(GLIA_LM_OBSERVED);
    k->entries = GLIA_NEW_ARRAY(&k->arena, entry, g->output_count);
    if (!k->entries) return no_memory(e);
    for (int64_t i = 0; i < g->output_count; i++) {
        const glia_value_info *v = glia_graph_value(g, g->outputs[i].value);
        if (strncmp(g->outputs[i].name, GLIA_LM_OBSERVED, prefix)) continue;
        entry *x = &k->entries[k->count++];
        *x = (entry){g->outputs[i].name + prefix, g->outputs[i].value.id, v->type.dims[0], NULL, NULL};
        x->sums = GLIA_NEW_ARRAY(&k->arena, double, x->k);
        x->mean = GLIA_NEW_ARRAY(&k->arena, float, x->k);
        if (!x->sums || !x->mean) return no_memory(e);
    }
    for (int64_t i = 0; i < glia_gguf_tensor_count(k->model->file); i++)
        k->summary.unmeasured += strstr(glia_gguf_tensor_at(k->model->file, i)->name, "_exps.weight") != NULL;
    return GLIA_OK;
}

static glia_status read_step(maker *k, const int32_t *ids, int32_t count, glia_error *e)
{
    glia_batch b = GLIA_BATCH_INIT;
    b.ids = ids;
    b.count = count;
    glia_status s = glia_session_step(k->session, &b, NULL, e);
    if (s) return s;
    for (int64_t i = 0; i < k->count; i++) {
        const float *sums = glia_lane_output(k->model->lane, k->entries[i].value);
        for (int64_t j = 0; j < k->entries[i].k; j++) k->entries[i].sums[j] += (double)sums[j];
    }
    k->summary.tokens += count;
    return GLIA_OK;
}

static glia_status read_text(maker *k, const int32_t *ids, int64_t count, glia_error *e)
{
    int64_t context = k->model->options.context, batch = k->model->options.batch;
    int64_t chunks = glia_ceil_div(count, context);
    if (k->options.chunks > 0) chunks = glia_min(chunks, k->options.chunks);
    for (int64_t c = 0; c < chunks; c++) {
        int64_t begin = c * context, end = glia_min(count, begin + context);
        glia_status s = glia_session_trim(k->session, 0, 0, e);
        for (int64_t at = begin; at < end && !s; at += batch)
            s = read_step(k, ids + at, (int32_t)glia_min(batch, end - at), e);
        if (s) return s;
        k->summary.chunks++;
        if (k->options.on_chunk && k->options.on_chunk(k->options.user, c + 1, chunks))
            return glia_fail(e, GLIA_E_CANCELLED, "G0525", "cancelled after chunk %lld of %lld",
                             (long long)c + 1, (long long)chunks);
    }
    return GLIA_OK;
}

static glia_status give(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to, glia_error *e)
{
    const maker *k = ctx;
    (void)e;
    const void *from = tensor % 2 ? (const void *)&k->tokens : (const void *)k->entries[tensor / 2].mean;
    memcpy(to, (const char *)from + byte_begin, (size_t)bytes);
    return GLIA_OK;
}

static glia_status write_file(maker *k, const char *out, glia_error *e)
{
    glia_gguf_writer *w;
    const char *name = k->options.text_name ? k->options.text_name : "text";
    glia_gguf_string text = {name, (int64_t)strlen(name)};
    glia_status s = glia_gguf_writer_create(k->options.os, &w, e);
    if (s) return s;
    glia_gguf_set_string(w, "general.type", "imatrix", -1);
    glia_gguf_set_strings(w, "imatrix.datasets", &text, 1);
    glia_gguf_set_u32(w, "imatrix.chunk_count", (uint32_t)k->summary.chunks);
    glia_gguf_set_u32(w, "imatrix.chunk_size", (uint32_t)k->model->options.context);
    k->tokens = (float)k->summary.tokens;
    for (int64_t i = 0; i < k->count && !s; i++) {
        const entry *x = &k->entries[i];
        const int64_t dims[2] = {1, x->k}, one[2] = {1, 1};
        char *sums = glia_arena_printf(&k->arena, "%s.in_sum2", x->name);
        char *counts = glia_arena_printf(&k->arena, "%s.counts", x->name);
        if (!sums || !counts) s = no_memory(e);
        else
            glia_gguf_add_tensor(w, sums, GLIA_F32, 2, dims),
                glia_gguf_add_tensor(w, counts, GLIA_F32, 2, one);
        for (int64_t j = 0; j < x->k; j++) x->mean[j] = (float)x->sums[j];
    }
    if (!s) s = glia_gguf_writer_write(w, out, give, k, e);
    glia_gguf_writer_destroy(w);
    return s;
}

static glia_status read_all(maker *k, const char *text, int64_t size, glia_error *e)
{
    int64_t count = 0;
    glia_status s = glia_tokenizer_encode(k->model->tokenizer, text, size, GLIA_TOK_BOS, NULL, 0, &count, e);
    if (s == GLIA_E_LIMIT) glia_error_clear(e);
    else if (s) return s;
    int32_t *ids = GLIA_NEW_ARRAY(&k->arena, int32_t, count + 1);
    if (!ids) return no_memory(e);
    s = glia_tokenizer_encode(k->model->tokenizer, text, size, GLIA_TOK_BOS, ids, count, &count, e);
    if (!s && count < 2)
        s = glia_fail(e, GLIA_E_ARG, "G0535", "the text has %lld tokens; at least two are needed",
                      (long long)count);
    if (!s) s = glia_session_create(k->model, &k->session, e);
    return s ? s : read_text(k, ids, count, e);
}

glia_status glia_imatrix_make(const char *model, const char *text, int64_t size, const char *out,
                              const glia_imatrix_options *options, glia_imatrix_summary *summary,
                              glia_error *e)
{
    maker k = {.options = GLIA_IMATRIX_OPTIONS_INIT, .summary = GLIA_IMATRIX_SUMMARY_INIT};
    glia_model_options mo = GLIA_MODEL_OPTIONS_INIT;
    glia_error_clear(e);
    if (options) memcpy(&k.options, options, (size_t)glia_min(options->size, sizeof k.options));
    if (!model || !text || size < 0 || !out || !strcmp(model, out))
        return glia_fail(e, GLIA_E_ARG, "G0526", "a model, a text and another file to write are needed");
    if (k.options.context < 0 || k.options.context > CONTEXT_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0526", "chunks of %lld tokens; there may be 1 to %d",
                         (long long)k.options.context, CONTEXT_MAX);
    mo.os = k.options.os;
    mo.threads = k.options.threads;
    mo.context = k.options.context ? k.options.context : CONTEXT;
    mo.batch = glia_min(BATCH, mo.context);
    glia_arena_init(&k.arena, k.options.os, 0);
    glia_status s = glia_model_prepare_observed(model, &mo, &k.model, e);
    if (!s) s = find_entries(&k, e);
    if (!s) s = read_all(&k, text, size, e);
    if (!s) s = write_file(&k, out, e);
    k.summary.entries = k.count;
    glia_session_destroy(k.session);
    glia_model_close(k.model);
    glia_arena_free(&k.arena);
    if (summary) {
        uint32_t bytes =
            summary->size && summary->size < sizeof k.summary ? summary->size : (uint32_t)sizeof k.summary;
        memcpy(summary, &k.summary, bytes);
        summary->size = bytes;
    }
    return s;
}
