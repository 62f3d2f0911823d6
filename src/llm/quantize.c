/* Quantising a model file: header, mixture, then tensor after tensor as a stream. The rows of a piece are
 * shared by the workers; each row is read, decoded and encoded on its own, so threads change no byte. */
#include <glia/convert.h>

#include "base/check.h"
#include "base/error.h"
#include "base/reader.h"
#include "format/file.h"
#include "format/gguf_write.h"
#include "format/sort.h"
#include "llm/imatrix.h"
#include "llm/quantize_mix.h"
#include "run/team.h"
#include "tensor/dtype.h"

#include <math.h>
#include <string.h>

#define F16_MOST 65504.0f /* the scales of blocks are F16, too */

typedef struct row_plan { /* of one tensor */
    const glia_gguf_tensor *t;
    glia_dtype to;
    bool copy, fallback;
    int64_t bytes_to, row_bytes_from, row_bytes_to;
    const float *importance; /* [columns] or [experts, columns]; null: none */
    bool by_expert;
} row_plan;

typedef struct worker {
    uint8_t *raw;
    float *row;
    glia_status status;
    glia_error error;
} worker;

typedef struct quantizer {
    glia_quantize_options options;
    const glia_os *os;
    glia_arena arena;
    glia_gguf *file;
    glia_imatrix imatrix;
    const glia_mix *mix;
    glia_mix_model model;
    row_plan *plans;
    glia_quantize_summary summary;
    glia_team *team;
    worker *workers;
    /* the piece at hand */
    const row_plan *piece_plan;
    int64_t piece_row, piece_rows;
    uint8_t *piece_to;
} quantizer;

const char *glia_quantize_type(int i)
{
    const glia_mix *m = glia_mix_at(i);
    return m ? m->name : NULL;
}

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for quantising a model");
}

static bool writable(glia_dtype t)
{
    const glia_dtype_info *info = glia_dtype_get(t);
    return info->encode && info->gguf_type >= 0 && !(info->classes & GLIA_CLASS_ACTIVATION);
}

/* ---- what is to be done ------------------------------------------------------------------------------ */

/* An integer of the architecture's, or `fallback` where it is not there or differs by layer. */
static int64_t arch_number(const quantizer *q, const char *key, int64_t fallback)
{
    glia_gguf_string arch;
    char full[256];
    int64_t v = fallback;
    size_t n = strlen(key);
    glia_error ignored = GLIA_ERROR_INIT;
    if (glia_gguf_string_of(q->file, "general.architecture", &arch, &ignored)) return fallback;
    if (arch.size + 1 + (int64_t)n >= (int64_t)sizeof full) return fallback;
    memcpy(full, arch.text, (size_t)arch.size);
    full[arch.size] = '.';
    memcpy(full + arch.size + 1, key, n + 1);
    const glia_gguf_value *found = glia_gguf_find(q->file, full);
    if (found && !glia_gguf_element_i64(found, 0, &v)) v = fallback;
    return v;
}

static void read_model(quantizer *q)
{
    glia_mix_model *m = &q->model;
    int64_t heads = arch_number(q, "attention.head_count", 0);
    int64_t groups = arch_number(q, "attention.head_count_kv", heads);
    m->layers = arch_number(q, "block_count", 0);
    m->experts = arch_number(q, "expert_count", 0);
    m->sharing = groups > 0 ? heads / groups : 0;
    m->large = m->layers == 80 && heads != groups;
    m->imatrix = q->options.imatrix != NULL;
    m->pure = q->options.pure != 0;
    for (int64_t i = 0; i < glia_gguf_tensor_count(q->file); i++) {
        const char *name = glia_gguf_tensor_at(q->file, i)->name;
        m->values += glia_mix_makes_values(name);
        m->output = m->output || !strcmp(name, "output.weight");
    }
}

static bool value_less(const void *ctx, int32_t a, int32_t b)
{
    const glia_gguf *g = ctx;
    return glia_mix_layer(glia_gguf_tensor_at(g, a)->name) < glia_mix_layer(glia_gguf_tensor_at(g, b)->name);
}

/* How many tensors that make values lie in lower layers, for each tensor. */
static glia_status count_values(quantizer *q, int64_t *before, glia_error *e)
{
    int64_t n = glia_gguf_tensor_count(q->file), seen = 0, at_layer = 0, layer = INT64_MIN;
    int32_t *order = GLIA_NEW_ARRAY(&q->arena, int32_t, n);
    if (!order) return no_memory(e);
    glia_sort_order(order, n, value_less, q->file);
    for (int64_t i = 0; i < n; i++) {
        const char *name = glia_gguf_tensor_at(q->file, order[i])->name;
        if (glia_mix_layer(name) != layer) {
            layer = glia_mix_layer(name);
            at_layer = seen;
        }
        before[order[i]] = at_layer;
        seen += glia_mix_makes_values(name);
    }
    return GLIA_OK;
}

static glia_status find_importance(quantizer *q, row_plan *p, glia_error *e)
{
    const glia_gguf_tensor *t = p->t;
    const glia_imatrix_entry *entry = glia_imatrix_find(&q->imatrix, t->name);
    int64_t k = t->dims[t->rank - 1], stacked = 1;
    bool ends = !strcmp(t->name, "token_embd.weight") || !strcmp(t->name, "output.weight");
    for (int i = 0; i + 2 < t->rank; i++) stacked *= t->dims[i];
    if (!entry) {
        q->summary.unimportant += !ends;
        return GLIA_OK;
    }
    p->by_expert = stacked > 1 && entry->count == stacked * k;
    if (entry->count == k || p->by_expert) p->importance = entry->values;
    else if (!ends)
        return glia_fail(
            e, GLIA_E_SHAPE, "G0524",
            "the importance matrix has %lld columns for `%.128s`, which has %lld: it was made for "
            "another model",
            (long long)entry->count, t->name, (long long)(stacked * k));
    return GLIA_OK;
}

static glia_status plan_tensor(quantizer *q, row_plan *p, int64_t values_before, glia_error *e)
{
    const glia_gguf_tensor *t = p->t;
    const glia_dtype_info *from = glia_dtype_get(t->dtype);
    int64_t k = t->dims[t->rank - 1];
    bool decodes = from->decode && (from->classes & (GLIA_CLASS_FLOAT | GLIA_CLASS_QUANT));
    if (!t->dtype)
        return glia_fail_at(e, GLIA_E_UNSUPPORTED, "G0323", t->info_offset,
                            "tensor '%.64s' has the type %d (%s), which is not built here", t->name,
                            t->gguf_type, glia_gguf_tensor_type_name(t->gguf_type));
    p->to = t->dtype;
    if (decodes && glia_mix_changes(t->name, t->rank, t->dims))
        p->to = glia_mix_choose(q->mix, &q->model, t->name, t->rank, t->dims, values_before, &p->fallback);
    p->copy = p->to == t->dtype;
    if (!writable(p->to) && !p->copy)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0521",
                         "tensor '%.64s' should be %s, which has no encoder here", t->name,
                         glia_dtype_name(p->to));
    if (!glia_dtype_row_bytes(t->dtype, k, &p->row_bytes_from) ||
        !glia_dtype_row_bytes(p->to, k, &p->row_bytes_to) ||
        !glia_dtype_tensor_bytes(p->to, t->rank, t->dims, &p->bytes_to) ||
        !glia_add(q->summary.bytes_to, p->bytes_to, &q->summary.bytes_to))
        return glia_fail(e, GLIA_E_SHAPE, "G0315", "the size of tensor '%.64s' is beyond 2^63 bytes",
                         t->name);
    q->summary.bytes_from += t->bytes; /* each lies in the file */
    q->summary.quantized += !p->copy;
    q->summary.fallbacks += p->fallback && !p->copy;
    q->summary.requantized += !p->copy && (from->classes & GLIA_CLASS_QUANT);
    bool blocks = (glia_dtype_get(p->to)->classes & GLIA_CLASS_QUANT) != 0;
    return q->options.imatrix && blocks && !p->copy ? find_importance(q, p, e) : GLIA_OK;
}

static glia_status plan_tensors(quantizer *q, glia_error *e)
{
    int64_t n = glia_gguf_tensor_count(q->file);
    int64_t *before = GLIA_NEW_ARRAY(&q->arena, int64_t, n);
    q->plans = GLIA_NEW_ARRAY(&q->arena, row_plan, n);
    if (!before || !q->plans) return no_memory(e);
    read_model(q);
    glia_status s = count_values(q, before, e);
    q->summary.tensors = n;
    for (int64_t i = 0; i < n && !s; i++) {
        q->plans[i].t = glia_gguf_tensor_at(q->file, i);
        s = plan_tensor(q, &q->plans[i], before[i], e);
    }
    return s;
}

static glia_status tell(const quantizer *q, int64_t i, glia_error *e)
{
    const row_plan *p = &q->plans[i];
    glia_quantize_tensor t = {.size = sizeof t,
                              .rank = p->t->rank,
                              .name = p->t->name,
                              .from = p->t->dtype,
                              .to = p->to,
                              .bytes_from = p->t->bytes,
                              .bytes_to = p->bytes_to,
                              .index = i,
                              .count = q->summary.tensors,
                              .fallback = p->fallback && !p->copy,
                              .important = p->importance != NULL};
    memcpy(t.dims, p->t->dims, (size_t)p->t->rank * sizeof t.dims[0]);
    if (!q->options.on_tensor || !q->options.on_tensor(q->options.user, &t)) return GLIA_OK;
    return glia_fail(e, GLIA_E_CANCELLED, "G0525", "cancelled before tensor '%.64s'", t.name);
}

/* ---- doing it ---------------------------------------------------------------------------------------- */

static glia_status check_row(const row_plan *p, const float *row, int64_t k, int64_t at, glia_error *e)
{
    float most = p->to == GLIA_F32 || p->to == GLIA_BF16 || p->to == GLIA_F64 ? 3.4028235e38f : F16_MOST;
    for (int64_t i = 0; i < k; i++) {
        if (fabsf(row[i]) <= most) continue;
        return glia_fail(e, GLIA_E_FORMAT, "G0522",
                         "tensor '%.64s' has the weight %g in row %lld, column %lld, which "
                         "%s cannot hold",
                         p->t->name, (double)row[i], (long long)at, (long long)i, glia_dtype_name(p->to));
    }
    return GLIA_OK;
}

static glia_status make_row(const quantizer *q, const row_plan *p, int64_t at, worker *w, uint8_t *to,
                            glia_error *e)
{
    const glia_gguf_tensor *t = p->t;
    int64_t k = t->dims[t->rank - 1];
    glia_status s = glia_gguf_read(q->file, t, at * p->row_bytes_from, p->row_bytes_from, w->raw, e);
    if (s) return s;
    glia_dtype_get(t->dtype)->decode(w->raw, w->row, k);
    s = check_row(p, w->row, k, at, e);
    if (s) return s;
    const float *importance = p->importance;
    if (importance && p->by_expert) importance += at / t->dims[t->rank - 2] * k;
    glia_dtype_get(p->to)->encode(w->row, to, k, importance);
    return GLIA_OK;
}

static void make_rows(void *arg, int index)
{
    quantizer *q = arg;
    worker *w = &q->workers[index];
    int64_t workers = glia_team_workers(q->team), each = q->piece_rows / workers,
            rest = q->piece_rows % workers;
    int64_t begin = index * each + glia_min(index, rest), end = begin + each + (index < rest);
    for (int64_t i = begin; i < end && !w->status; i++)
        w->status = make_row(q, q->piece_plan, q->piece_row + i, w,
                             q->piece_to + i * q->piece_plan->row_bytes_to, &w->error);
}

static glia_status produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                           glia_error *e)
{
    quantizer *q = ctx;
    const row_plan *p = &q->plans[tensor];
    glia_status s = byte_begin == 0 ? tell(q, tensor, e) : GLIA_OK;
    if (s || p->copy) return s ? s : glia_gguf_read(q->file, p->t, byte_begin, bytes, to, e);
    q->piece_plan = p;
    q->piece_row = byte_begin / p->row_bytes_to;
    q->piece_rows = bytes / p->row_bytes_to;
    q->piece_to = to;
    glia_team_run(q->team, make_rows, q);
    for (int i = 0; i < glia_team_workers(q->team); i++) { /* the first in the order of rows */
        const worker *w = &q->workers[i];
        if (w->status) return glia_fail_at(e, w->status, w->error.code, w->error.offset, "%s", w->error.text);
    }
    return GLIA_OK;
}

static glia_status make_workers(quantizer *q, glia_error *e)
{
    int threads = q->options.threads ? q->options.threads : q->os->cpu_count(q->os->ctx);
    int64_t raw = 0, k = 0;
    for (int64_t i = 0; i < q->summary.tensors; i++) {
        const row_plan *p = &q->plans[i];
        if (p->copy) continue;
        raw = glia_max(raw, p->row_bytes_from);
        k = glia_max(k, p->t->dims[p->t->rank - 1]);
    }
    glia_status s = glia_team_create(q->os, threads, &q->team, e);
    if (s) return s;
    q->workers = GLIA_NEW_ARRAY(&q->arena, worker, threads);
    for (int i = 0; q->workers && i < threads; i++) {
        q->workers[i].raw = glia_arena_alloc(&q->arena, raw, 64);
        q->workers[i].row = glia_arena_array(&q->arena, k, sizeof(float), 64);
        q->workers[i].error = (glia_error)GLIA_ERROR_INIT;
        if (!q->workers[i].raw || !q->workers[i].row) return no_memory(e);
    }
    return q->workers ? GLIA_OK : no_memory(e);
}

/* Everything that the file says, but for what is no longer true. */
static void set_metadata(const quantizer *q, glia_gguf_writer *w)
{
    static const char *const replaced[] = {"general.file_type", "general.quantization_version"};
    for (int64_t i = 0; i < glia_gguf_count(q->file); i++) {
        const glia_gguf_value *v = glia_gguf_at(q->file, i);
        if (!strncmp(v->key, "split.", 6) || !strncmp(v->key, "quantize.imatrix.", 17)) continue;
        bool old = false;
        for (int r = 0; r < GLIA_COUNT(replaced); r++) old = old || !strcmp(v->key, replaced[r]);
        if (!old) glia_gguf_set_value(w, v);
    }
    glia_gguf_set_u32(w, "general.quantization_version", 2);
    glia_gguf_set_u32(w, "general.file_type", q->mix->number);
    if (!q->options.imatrix) return;
    char name[256];
    glia_file_name(q->options.imatrix, name, sizeof name);
    glia_gguf_set_string(w, "quantize.imatrix.file", name, -1);
    if (q->imatrix.text[0]) glia_gguf_set_string(w, "quantize.imatrix.dataset", q->imatrix.text, -1);
    glia_gguf_set_i32(w, "quantize.imatrix.entries_count", (int32_t)q->imatrix.count);
    if (q->imatrix.chunks > 0 && q->imatrix.chunks <= INT32_MAX)
        glia_gguf_set_i32(w, "quantize.imatrix.chunks_count", (int32_t)q->imatrix.chunks);
}

static glia_status write_model(quantizer *q, const char *out, glia_error *e)
{
    glia_gguf_writer *w;
    glia_status s = make_workers(q, e);
    if (!s) s = glia_gguf_writer_create(q->os, &w, e);
    if (s) return s;
    set_metadata(q, w);
    for (int64_t i = 0; i < q->summary.tensors; i++) {
        const glia_gguf_tensor *t = q->plans[i].t;
        glia_gguf_add_tensor(w, t->name, q->plans[i].to, t->rank, t->dims);
    }
    s = glia_gguf_writer_write(w, out, produce, q, e);
    glia_gguf_writer_destroy(w);
    return s;
}

static glia_status run(quantizer *q, const char *in, const char *out, glia_error *e)
{
    glia_status s = glia_gguf_open(q->os, in, NULL, &q->file, e);
    if (!s) s = glia_gguf_require_model(q->file, e);
    if (!s && q->options.imatrix) s = glia_imatrix_load(q->os, q->options.imatrix, &q->imatrix, e);
    if (!s) s = plan_tensors(q, e);
    if (s) return s;
    if (!q->options.dry_run) return write_model(q, out, e);
    for (int64_t i = 0; i < q->summary.tensors && !s; i++) s = tell(q, i, e);
    return s;
}

static glia_status find_mix(quantizer *q, const char *type, glia_error *e)
{
    q->mix = glia_mix_find(type);
    if (q->mix && writable(q->mix->base)) return GLIA_OK;
    if (q->mix)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0521", "%s needs the type %s, which has no encoder here",
                         q->mix->name, glia_dtype_name(q->mix->base));
    glia_fail(e, GLIA_E_NOT_FOUND, "G0520", "there is no type `%.40s`; known are", type);
    glia_writer names = {.arena = &q->arena};
    for (int i = 0; glia_mix_at(i); i++) glia_write_text(&names, "%s%s", i ? ", " : "", glia_mix_at(i)->name);
    if (!names.failed && e) glia_error_more(e, "%.*s", (int)names.size, (const char *)names.data);
    return GLIA_E_NOT_FOUND;
}

glia_status glia_quantize(const char *in, const char *out, const char *type,
                          const glia_quantize_options *options, glia_quantize_summary *summary, glia_error *e)
{
    quantizer q = {.options = GLIA_QUANTIZE_OPTIONS_INIT, .summary = GLIA_QUANTIZE_SUMMARY_INIT};
    glia_error_clear(e);
    if (options) memcpy(&q.options, options, (size_t)glia_min(options->size, sizeof q.options));
    if (!in || !type || (!out && !q.options.dry_run))
        return glia_fail(e, GLIA_E_ARG, "G0526", "a model, a type and a file to write are needed");
    if (out && !strcmp(in, out))
        return glia_fail(e, GLIA_E_ARG, "G0526", "the model would replace itself; give another name");
    if (q.options.threads < 0 || q.options.threads > 1024)
        return glia_fail(e, GLIA_E_ARG, "G0526", "%d threads; there may be 1 to 1024", q.options.threads);
    q.os = q.options.os ? q.options.os : glia_os_default();
    q.imatrix.text = "";
    glia_arena_init(&q.arena, q.os, 0);
    glia_status s = find_mix(&q, type, e);
    if (!s) s = run(&q, in, out, e);
    glia_team_destroy(q.team);
    glia_imatrix_free(&q.imatrix);
    glia_gguf_close(q.file);
    glia_arena_free(&q.arena);
    if (summary) {
        uint32_t size =
            summary->size && summary->size < sizeof q.summary ? summary->size : (uint32_t)sizeof q.summary;
        memcpy(summary, &q.summary, size);
        summary->size = size;
    }
    return s;
}
