/* Reads the weights of a file into their places: the workers take chunks of rows from a counter, read or copy
 * them, and pack them. */
#include "run/load.h"

#include "base/check.h"
#include "base/number.h"
#include "tensor/layout.h"

#include <stdatomic.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 18 }; /* every worker has a buffer of this size; larger ones are no faster */

typedef struct job { /* one weight */
    glia_source source;
    glia_source_tensor tensor;
    int64_t skip; /* bytes before the rows that are wanted */
    int64_t n, k, row_bytes, rows_a_chunk, chunks;
    const glia_weight_record *weight;
    glia_dtype dtype;
    const glia_type *type;
} job;

typedef struct loader {
    const glia_plan *p;
    const glia_os *os;
    uint8_t *weights, *packed;
    job *jobs;
    int64_t total; /* chunks of all jobs */
    _Atomic int64_t next;
    _Atomic int32_t status;
    _Atomic uint32_t reporting;
    glia_error error;
} loader;

static void report(loader *l, glia_status s, const glia_error *e)
{
    if (atomic_exchange(&l->reporting, 1)) return;
    l->error = *e;
    atomic_store(&l->status, s);
}

/* Weights that were bound have an address of their own. */
static uint8_t *place(const glia_weight_record *w, uint8_t *base)
{
    return w->base == GLIA_BASE_ABSOLUTE ? (uint8_t *)(uintptr_t)w->offset : base + w->offset;
}

static glia_status load_chunk(loader *l, const job *j, int64_t chunk, uint8_t *buffer, glia_error *e)
{
    const glia_weight_record *w = j->weight;
    int64_t row = chunk * j->rows_a_chunk, end = glia_min(j->n, row + j->rows_a_chunk);
    int64_t begin = j->skip + row * j->row_bytes, bytes = (end - row) * j->row_bytes;
    if (w->layout == GLIA_LAYOUT_PLAIN)
        return j->source.read(j->source.ctx, &j->tensor, begin, bytes,
                              place(w, l->weights) + row * j->row_bytes, e);
    glia_status s = j->source.read(j->source.ctx, &j->tensor, begin, bytes, buffer, e);
    if (!s && w->layout == GLIA_LAYOUT_C16)
        glia_layout_pack_taps(j->dtype, j->type->rank, j->type->dims, buffer, row, end, place(w, l->packed));
    else if (!s) glia_layout_pack(w->layout, j->dtype, j->n, j->k, buffer, row, end, place(w, l->packed));
    return s;
}

static void load_worker(void *arg, int worker)
{
    loader *l = arg;
    uint8_t *buffer = NULL;
    int64_t buffer_bytes = 0, at, job_index = 0, before = 0;
    (void)worker;
    while ((at = atomic_fetch_add(&l->next, 1)) < l->total && !atomic_load(&l->status)) {
        while (at >= before + l->jobs[job_index].chunks) before += l->jobs[job_index++].chunks;
        const job *j = &l->jobs[job_index];
        glia_error e = GLIA_ERROR_INIT;
        int64_t need = j->weight->layout == GLIA_LAYOUT_PLAIN ? 0 : j->rows_a_chunk * j->row_bytes;
        if (need > buffer_bytes) {
            if (buffer) l->os->mem_free(l->os->ctx, buffer, (size_t)buffer_bytes);
            buffer = l->os->mem_alloc(l->os->ctx, (size_t)need, 64);
            buffer_bytes = buffer ? need : 0;
        }
        glia_status s = need && !buffer
                            ? glia_fail(&e, GLIA_E_NOMEM, "G0801", "no memory for reading weights")
                            : load_chunk(l, j, at - before, buffer, &e);
        if (s) report(l, s, &e);
    }
    if (buffer) l->os->mem_free(l->os->ctx, buffer, (size_t)buffer_bytes);
}

/* "name[a:b]" names rows a to b of tensor "name". */
static bool find_rows(const glia_source *s, const char *name, glia_source_tensor *t, int64_t *first)
{
    char base[256];
    const char *open = strrchr(name, '[');
    *first = 0;
    if (s->find(s->ctx, name, t)) return true;
    if (!open || open - name >= (int64_t)sizeof base) return false;
    memcpy(base, name, (size_t)(open - name));
    base[open - name] = 0;
    for (const char *c = open + 1; *c >= '0' && *c <= '9' && *first < INT32_MAX; c++)
        *first = *first * 10 + (*c - '0');
    return s->find(s->ctx, base, t);
}

/* "lora2:name" is of the third adapter, whose source is the fourth; other names are the model's own. */
static const char *choose_source(const glia_source *sources, int32_t count, const char *name,
                                 glia_source *out)
{
    int32_t i = 0;
    const char *c = name + 4;
    *out = sources[0];
    if (strncmp(name, "lora", 4)) return name;
    for (; *c >= '0' && *c <= '9' && i < count; c++) i = 10 * i + (*c - '0');
    if (*c != ':' || i + 1 >= count) return name;
    *out = sources[i + 1];
    return c + 1;
}

static glia_status make_job(const glia_plan *p, const glia_source *sources, int32_t count,
                            const glia_weight_record *w, job *j, glia_error *e)
{
    const glia_value_info *v = glia_graph_value(p->graph, (glia_value){w->value});
    const char *name = choose_source(sources, count, v->name, &j->source);
    int64_t first;
    j->weight = w;
    j->dtype = v->type.dtype;
    if (!find_rows(&j->source, name, &j->tensor, &first))
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0502", "tensor `%s` is missing", v->name);
    j->k = v->type.rank ? v->type.dims[v->type.rank - 1] : 1;
    j->n = 1;
    for (int i = 0; i + 1 < v->type.rank; i++) j->n *= v->type.dims[i];
    j->type = &v->type;
    if (w->layout == GLIA_LAYOUT_C16) { /* rows are whole output channels */
        j->k *= j->n / glia_max(1, v->type.dims[0]);
        j->n = v->type.dims[0];
    }
    if (!glia_dtype_row_bytes(j->dtype, j->k, &j->row_bytes))
        return glia_fail(e, GLIA_E_FORMAT, "G0510", "tensor `%s` has rows of no whole blocks", v->name);
    j->skip = first * (v->type.rank > 1 ? j->row_bytes : glia_dtype_get(j->dtype)->block_bytes);
    j->rows_a_chunk = glia_max(1, CHUNK_BYTES / glia_max(1, j->row_bytes) / 16) * 16;
    j->chunks = glia_ceil_div(j->n, j->rows_a_chunk);
    return GLIA_OK;
}

glia_status glia_load_weights(const glia_plan *p, const glia_source *sources, int32_t count,
                              const glia_os *os, glia_team *team, void *weights, void *packed, glia_error *e)
{
    return glia_load_some(p, sources, count, os, team, weights, packed, NULL, e);
}

glia_status glia_load_some(const glia_plan *p, const glia_source *sources, int32_t count, const glia_os *os,
                           glia_team *team, void *weights, void *packed, const bool *wanted, glia_error *e)
{
    glia_arena a;
    glia_arena_init(&a, os, 0);
    loader *l = GLIA_NEW(&a, loader);
    glia_status s = GLIA_OK;
    if (!l || !(l->jobs = GLIA_NEW_ARRAY(&a, job, p->weight_count + 1)))
        s = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for loading weights");
    for (int32_t i = 0, jobs = 0; !s && i < p->weight_count; i++) {
        if (wanted && !wanted[i]) continue;
        s = make_job(p, sources, count, &p->weights[i], &l->jobs[jobs], e);
        if (!s) l->total += l->jobs[jobs++].chunks;
    }
    if (!s) {
        l->p = p;
        l->os = a.os;
        l->weights = weights;
        l->packed = packed;
        glia_team_run(team, load_worker, l);
        s = (glia_status)atomic_load(&l->status);
        if (s) glia_fail_at(e, s, l->error.code, l->error.offset, "%s", l->error.text);
    }
    glia_arena_free(&a);
    return s;
}
