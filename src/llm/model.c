/* Opening a model: header, graph, plan, memory check, weights. */
#include "llm/internal.h"

#include "base/check.h"
#include "base/cpu.h"
#include "llm/adapter.h"
#include "run/load.h"

#include <string.h>

static const char isa_names[] = "portable"
#define X(name) ", " #name
#include "provider/cpu/isas.def"
#undef X
    ;

static glia_status bad_option(glia_error *e, const char *name, long long v, long long least, long long most)
{
    return glia_fail(e, GLIA_E_ARG, "G0709", "option %s is %lld; it must be %lld to %lld", name, v, least,
                     most);
}

/* Copies what the caller's size covers and fills in defaults, but for the context, which the file decides. */
static glia_status settle(const glia_model_options *given, glia_model_options *o, glia_error *e)
{
    *o = (glia_model_options)GLIA_MODEL_OPTIONS_INIT;
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    if (!o->os) o->os = glia_os_default();
    if (!o->threads) o->threads = (int32_t)glia_min(o->os->cpu_count(o->os->ctx), GLIA_SLOTS_MAX);
    if (!o->slots) o->slots = (int32_t)glia_min(o->threads, GLIA_SLOTS_MAX);
    if (!o->sequences) o->sequences = 1;
    if (!o->batch && !o->embeddings) o->batch = 128; /* for embeddings the architecture decides */
    if (!o->logit_rows && !o->embeddings) o->logit_rows = 1;
    if (o->threads < 1 || o->threads > 1024) return bad_option(e, "threads", o->threads, 1, 1024);
    if (o->slots < 1 || o->slots > GLIA_SLOTS_MAX) return bad_option(e, "slots", o->slots, 1, GLIA_SLOTS_MAX);
    if (o->sequences < 1 || o->sequences > 4096) return bad_option(e, "sequences", o->sequences, 1, 4096);
    if (o->context < 0 || o->context > INT32_MAX / 2)
        return bad_option(e, "context", o->context, 1, INT32_MAX / 2);
    if (o->embeddings < 0 || o->embeddings > 1) return bad_option(e, "embeddings", o->embeddings, 0, 1);
    if (o->batch < !o->embeddings || o->batch > 65536) return bad_option(e, "batch", o->batch, 1, 65536);
    if (o->logit_rows < !o->embeddings || o->logit_rows > (o->batch ? o->batch : 65536))
        return bad_option(e, "logit_rows", o->logit_rows, 1, o->batch ? o->batch : 65536);
    if (o->profile_events < 0) return bad_option(e, "profile_events", o->profile_events, 0, INT32_MAX);
    if (o->cache_tokens < 0 || o->cache_tokens > INT32_MAX / 2)
        return bad_option(e, "cache_tokens", o->cache_tokens, 1, INT32_MAX / 2);
    if (o->pack_flags < 0 || o->pack_flags > (GLIA_PACK_COPY | GLIA_PACK_VERIFY))
        return bad_option(e, "pack_flags", o->pack_flags, 0, GLIA_PACK_COPY | GLIA_PACK_VERIFY);
    if (o->memory_limit < 0) return bad_option(e, "memory_limit", o->memory_limit, 0, INT64_MAX);
    if (o->adapter_count < 0 || o->adapter_count > GLIA_ADAPTERS_MAX || (o->adapter_count && !o->adapters))
        return bad_option(e, "adapter_count", o->adapter_count, 0, GLIA_ADAPTERS_MAX);
    if (o->kv_dtype != GLIA_DTYPE_NONE && o->kv_dtype != GLIA_F16 && o->kv_dtype != GLIA_F32 &&
        o->kv_dtype != GLIA_Q8_0)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0710",
                         "a key-value cache of %s is not built here; f32, f16 and q8_0 are",
                         glia_dtype_name(o->kv_dtype));
    if (o->isa) {
        const glia_cpu_isa *isa = glia_cpu_isa_find(o->isa);
        if (!isa)
            return glia_fail(e, GLIA_E_NOT_FOUND, "G0711",
                             "there is no instruction set `%.40s`; known are %s", o->isa, isa_names);
        if (isa->needs & ~glia_cpu_features())
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0712", "this processor has no `%s`", o->isa);
    }
    return GLIA_OK;
}

static glia_status build(glia_model *m, glia_error *e)
{
    const glia_model_options *o = &m->options;
    glia_lm_options lo = {.os = o->os,
                          .batch = o->batch,
                          .logit_rows = o->logit_rows,
                          .sequences = o->sequences,
                          .context = o->context,
                          .kv_dtype = o->kv_dtype,
                          .adapters = o->adapters,
                          .adapter_files = m->adapters,
                          .adapter_count = o->adapter_count,
                          .cache_tokens = o->cache_tokens,
                          .embeddings = o->embeddings,
                          .observe = m->observe};
    glia_status s = GLIA_OK;
    for (int i = 0; i < o->adapter_count && !s; i++)
        s = glia_adapter_open(o->os, &o->adapters[i], m->file, &m->adapters[i], e);
    if (!s) s = glia_lm_build(m->file, &lo, &m->lm, e);
    m->options.adapters = NULL; /* the caller's */
    if (s) return s;
    m->options.context = lo.context;
    m->options.batch = lo.batch;
    m->options.logit_rows = lo.logit_rows;
    m->options.kv_dtype = lo.kv_dtype;
    m->pages_a_sequence = glia_ceil_div(lo.context, GLIA_PAGE_TOKENS);
    m->pages = glia_lm_pages(&lo);
    m->options.cache_tokens = m->pages * GLIA_PAGE_TOKENS;
    glia_graph_identity(m->lm.graph, m->graph_identity);
    glia_compile_options co = {.os = o->os,
                               .slots = o->slots,
                               .features = glia_cpu_features(),
                               .isa_max = o->isa,
                               .symbol_max = lo.batch,
                               .level = 1,
                               .plain = 1};
    s = glia_compile(m->lm.graph, &co, &m->plan, e);
    glia_graph_destroy(m->lm.graph);
    m->lm.graph = NULL;
    return s ? s : glia_cache_check(m, e);
}

static uint32_t value_named(const glia_plan *p, const char *name)
{
    return glia_graph_find(p->graph, name).id;
}

static glia_status find_ports(glia_model *m, glia_error *e)
{
    const glia_plan *p = m->plan;
    m->ids = value_named(p, "ids");
    m->pos = value_named(p, "pos");
    m->seq = value_named(p, "seq");
    m->table = value_named(p, "table");
    m->rows = value_named(p, "rows");
    const char *output = m->options.embeddings ? "embeddings" : "logits";
    m->until = value_named(p, "until"); /* of encoders alone */
    for (int64_t i = 0; i < p->graph->output_count; i++)
        if (!strcmp(p->graph->outputs[i].name, output)) m->logits = p->graph->outputs[i].value.id;
    if (!m->ids || !m->pos || !m->seq || !m->table || !m->rows || !m->logits ||
        m->lm.encoder != (m->until != 0))
        return glia_fail(e, GLIA_E_INTERNAL, "G0713", "the step's graph has lost an input or its output");
    return GLIA_OK;
}

void glia_model_memory(const glia_model *m, glia_memory *out)
{
    glia_memory r = GLIA_MEMORY_INIT;
    if (!out) return;
    if (m) {
        const glia_bytes *b = &m->plan->bytes;
        r.weights = b->weights;
        r.packed = b->packed;
        r.streamed = b->streamed;
        r.state = b->state;
        r.arena = b->arena;
        r.scratch = b->scratch;
        r.tables = b->tables + glia_cache_table_bytes(m) + glia_session_bytes(m);
        r.session = glia_session_bytes(m);
        if (m->pack.use == GLIA_PACK_USED && !(m->options.pack_flags & GLIA_PACK_COPY))
            r.mapped = r.weights + r.packed;
        r.total = r.weights + r.packed + r.streamed + r.state + r.arena + r.scratch + r.tables;
        r.arena_lower_bound = m->plan->arena_lower_bound;
    }
    uint32_t size = out->size && out->size < sizeof r ? out->size : (uint32_t)sizeof r;
    memcpy(out, &r, size);
    out->size = size;
}

static glia_status check_limit(const glia_model *m, glia_error *e)
{
    glia_memory now = GLIA_MEMORY_INIT;
    glia_model_memory(m, &now);
    if (!m->options.memory_limit || now.total <= m->options.memory_limit) return GLIA_OK;
    return glia_fail(e, GLIA_E_LIMIT, "G0804",
                     "the model needs %lld bytes with these options; the limit is %lld", (long long)now.total,
                     (long long)m->options.memory_limit);
}

static void *take(const glia_os *os, glia_team *team, int64_t bytes)
{
    if (bytes == 0) bytes = 64;
    void *p = os->mem_reserve(os->ctx, (size_t)bytes);
    if (p && glia_team_commit(team, p, bytes)) {
        os->mem_release(os->ctx, p, (size_t)bytes);
        p = NULL;
    }
    return p;
}

static void give(const glia_os *os, void *p, int64_t bytes)
{
    if (p) os->mem_release(os->ctx, p, (size_t)(bytes ? bytes : 64));
}

glia_status glia_model_take_weights(glia_model *m, glia_error *e)
{
    const glia_bytes *b = &m->plan->bytes;
    m->weights = take(m->options.os, glia_lane_team(m->lane), b->weights);
    m->packed = take(m->options.os, glia_lane_team(m->lane), b->packed);
    if (m->weights && m->packed) return GLIA_OK;
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for %lld bytes of weights",
                     (long long)(b->weights + b->packed));
}

void glia_model_give_weights(glia_model *m)
{
    give(m->options.os, m->weights, m->plan->bytes.weights);
    give(m->options.os, m->packed, m->plan->bytes.packed);
    m->weights = m->packed = NULL;
}

/* The tokenizer needs the header alone, so that a thread of its own builds it while the graph is compiled and
 * the weights are read. */
typedef struct vocabulary {
    glia_model *m;
    glia_status status;
    glia_error error;
    glia_thread thread;
    bool started;
} vocabulary;

enum { VOCABULARY_APART = 1 << 20 }; /* bytes of header that are worth a thread */

static void build_vocabulary(void *arg)
{
    vocabulary *v = arg;
    glia_model *m = v->m;
    v->error = (glia_error)GLIA_ERROR_INIT;
    v->status = glia_tokenizer_from_gguf(m->options.os, m->file, &m->tokenizer, &v->error);
}

/* Where one thread is asked for, the header is short, or no thread can be had, vocabulary_end builds it. */
static void vocabulary_begin(vocabulary *v, glia_model *m)
{
    const glia_os *os = m->options.os;
    *v = (vocabulary){.m = m};
    v->started = m->options.threads > 1 && glia_gguf_data_offset(m->file) >= VOCABULARY_APART &&
                 !os->thread_start(os->ctx, build_vocabulary, v, -1, &v->thread);
}

static glia_status vocabulary_end(vocabulary *v, glia_error *e)
{
    glia_model *m = v->m;
    if (v->started) m->options.os->thread_join(m->options.os->ctx, v->thread);
    else build_vocabulary(v);
    if (v->status) return glia_fail_at(e, v->status, v->error.code, v->error.offset, "%s", v->error.text);
    if (glia_tokenizer_vocab_size(m->tokenizer) <= m->lm.vocab) return GLIA_OK;
    return glia_fail(e, GLIA_E_FORMAT, "G0504",
                     "the vocabulary has %lld tokens, `token_embd.weight` only %lld rows",
                     (long long)glia_tokenizer_vocab_size(m->tokenizer), (long long)m->lm.vocab);
}

static glia_status load(glia_model *m, glia_error *e)
{
    const glia_os *os = m->options.os;
    const glia_plan *p = m->plan;
    glia_lane_options lo = {
        .os = os, .workers = m->options.threads, .profile_events = m->options.profile_events};
    glia_status s = glia_lane_create(p, &lo, &m->lane, e);
    if (s) return s;
    s = glia_pack_open(m, true, e);
    if (s || m->pack.use == GLIA_PACK_USED) return s;
    s = glia_model_take_weights(m, e);
    if (s) return s;
    glia_source sources[1 + GLIA_ADAPTERS_MAX] = {glia_source_from_gguf(m->file)};
    for (int i = 0; i < m->options.adapter_count; i++) sources[1 + i] = glia_source_from_gguf(m->adapters[i]);
    s = glia_load_weights(p, sources, 1 + m->options.adapter_count, os, glia_lane_team(m->lane), m->weights,
                          m->packed, e);
    if (!s) glia_pack_make(m);
    return s;
}

static glia_status compile(glia_model *m, glia_error *e)
{
    glia_status s = build(m, e);
    if (!s) s = find_ports(m, e);
    return s ? s : check_limit(m, e);
}

static glia_status compile_and_look(glia_model *m, glia_error *e)
{
    glia_status s = compile(m, e);
    return s ? s : glia_pack_open(m, false, e);
}

static glia_status compile_and_load(glia_model *m, glia_error *e)
{
    vocabulary v;
    glia_error ignored = GLIA_ERROR_INIT;
    vocabulary_begin(&v, m);
    glia_status s = compile(m, e);
    if (!s && !v.started) s = vocabulary_end(&v, e);
    if (!s) s = load(m, e);
    if (!v.started) return s;
    glia_status t = vocabulary_end(&v, s ? &ignored : e);
    return s ? s : t;
}

static glia_status prepare(const char *path, const glia_model_options *options, bool want_weights,
                           bool observe, glia_model **out, glia_error *e)
{
    glia_model_options o;
    glia_error_clear(e);
    if (!out) return glia_fail(e, GLIA_E_ARG, "G0714", "out is null");
    *out = NULL;
    if (!path) return glia_fail(e, GLIA_E_ARG, "G0714", "path is null");
    glia_status s = settle(options, &o, e);
    if (s) return s;
    glia_model *m = o.os->mem_alloc(o.os->ctx, sizeof *m, 64);
    if (!m) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a model");
    m->options = o;
    m->queue.os = o.os;
    m->observe = observe;
    s = glia_gguf_open(o.os, path, NULL, &m->file, e);
    if (!s && want_weights) s = compile_and_load(m, e);
    else if (!s) s = compile_and_look(m, e);
    if (s) {
        glia_model_close(m);
        return s;
    }
    *out = m;
    return GLIA_OK;
}

glia_status glia_model_prepare(const char *path, const glia_model_options *options, bool want_weights,
                               glia_model **out, glia_error *e)
{
    return prepare(path, options, want_weights, false, out, e);
}

glia_status glia_model_prepare_observed(const char *path, const glia_model_options *options, glia_model **out,
                                        glia_error *e)
{
    return prepare(path, options, true, true, out, e);
}

glia_status glia_model_open(const char *path, const glia_model_options *options, glia_model **out,
                            glia_error *e)
{
    return glia_model_prepare(path, options, true, out, e);
}

glia_status glia_model_query(const char *path, const glia_model_options *options, glia_memory *out,
                             glia_error *e)
{
    glia_model *m;
    if (!out) return glia_fail(e, GLIA_E_ARG, "G0714", "out is null");
    glia_status s = glia_model_prepare(path, options, false, &m, e);
    if (s) return s;
    glia_model_memory(m, out);
    glia_model_close(m);
    return GLIA_OK;
}

void glia_model_close(glia_model *m)
{
    if (!m) return;
    const glia_os *os = m->options.os;
    glia_pack_close(m);
    if (m->plan) glia_model_give_weights(m);
    glia_lane_destroy(m->lane);
    glia_tokenizer_destroy(m->tokenizer);
    glia_plan_free(m->plan);
    glia_graph_destroy(m->lm.graph);
    glia_gguf_close(m->file);
    for (int i = 0; i < GLIA_ADAPTERS_MAX; i++) glia_gguf_close(m->adapters[i]);
    os->mem_free(os->ctx, m, sizeof *m);
}

int64_t glia_model_vocab_size(const glia_model *m) { return m ? m->lm.vocab : 0; }
int64_t glia_model_context(const glia_model *m) { return m ? m->options.context : 0; }
int64_t glia_model_embedding_size(const glia_model *m) { return m ? m->lm.width : 0; }
int glia_model_is_encoder(const glia_model *m) { return m && m->lm.encoder; }
const char *glia_model_architecture(const glia_model *m) { return m ? m->lm.arch->name : ""; }
int32_t glia_model_bos(const glia_model *m)
{
    return m && m->tokenizer ? glia_tokenizer_bos(m->tokenizer) : -1;
}
int glia_model_is_end(const glia_model *m, int32_t id)
{
    return m && m->tokenizer && glia_tokenizer_is_eog(m->tokenizer, id);
}
const glia_plan *glia_model_plan(const glia_model *m) { return m->plan; }
glia_lane *glia_model_lane(const glia_model *m) { return m->lane; }
const glia_tokenizer *glia_model_tokenizer(const glia_model *m) { return m->tokenizer; }
const glia_gguf *glia_model_file(const glia_model *m) { return m->file; }
const glia_model_options *glia_model_settings(const glia_model *m) { return &m->options; }

glia_status glia_model_tokenize(const glia_model *m, const char *text, int64_t size, int bos, int special,
                                int32_t *ids, int64_t capacity, int64_t *count, glia_error *e)
{
    glia_error_clear(e);
    if (!m || !m->tokenizer || !count || size < 0 || (size && !text) || capacity < 0 || (capacity && !ids))
        return glia_fail(e, GLIA_E_ARG, "G0714", "a null or negative argument");
    return glia_tokenizer_encode(m->tokenizer, text, size,
                                 (bos ? GLIA_TOK_BOS : 0) | (special ? GLIA_TOK_SPECIAL : 0), ids, capacity,
                                 count, e);
}

int64_t glia_model_piece(const glia_model *m, int32_t id, char *text, int64_t capacity)
{
    return m && m->tokenizer ? glia_tokenizer_piece(m->tokenizer, id, text, capacity, 0) : 0;
}
