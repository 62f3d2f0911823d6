/* See pack.h. */
#include "llm/pack.h"

#include "base/check.h"
#include "base/cpu.h"
#include "base/sha256.h"
#include "base/sum64.h"
#include "format/file.h"
#include "llm/internal.h"
#include "llm/pack_file.h"
#include "run/lane.h"
#include "tensor/layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    SAMPLES = 64, /* of each file of the source, spread evenly */
    SAMPLE_BYTES = 4096,
    PIECE = 1 << 16, /* of a header */
    TRY_ROWS = 32,
    TRY_COLUMNS = 512 /* whole blocks of every format */
};

static void add_i64(glia_sha256 *h, int64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)v >> 8 * i);
    glia_sha256_add(h, bytes, sizeof bytes);
}

static void add_text(glia_sha256 *h, const char *text)
{
    glia_sha256_add(h, text, (int64_t)strlen(text) + 1);
}

/* ---- what a source is ------------------------------------------------------------------------------- */

static glia_status stamp_part(glia_sha256 *h, const glia_gguf *g, int part, uint8_t *buffer, glia_error *e)
{
    const int64_t bytes = glia_gguf_part_bytes(g, part);
    const int64_t header = glia_min(bytes, part ? PIECE : glia_gguf_data_offset(g));
    glia_status s = GLIA_OK;
    add_i64(h, bytes);
    add_i64(h, glia_gguf_part_time(g, part));
    for (int64_t at = 0; at < header && !s; at += PIECE) {
        const int64_t n = glia_min(PIECE, header - at);
        s = glia_gguf_part_read(g, part, at, n, buffer, e);
        if (!s) add_i64(h, (int64_t)glia_sum64(buffer, n));
    }
    for (int i = 0; i < SAMPLES && !s; i++) {
        const int64_t n = glia_min(SAMPLE_BYTES, bytes);
        s = glia_gguf_part_read(g, part, (bytes - n) / (SAMPLES - 1) * i, n, buffer, e);
        if (!s) glia_sha256_add(h, buffer, n);
    }
    return s;
}

static const glia_gguf *source_at(const glia_model *m, int i)
{
    return i == 0 ? m->file : i <= GLIA_ADAPTERS_MAX ? m->adapters[i - 1] : NULL;
}

static glia_status stamp_of(const glia_model *m, uint8_t out[32], glia_error *e)
{
    glia_sha256 h;
    glia_status s = GLIA_OK;
    const glia_os *os = m->options.os;
    uint8_t *buffer = os->mem_alloc(os->ctx, PIECE, 64);
    if (!buffer) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for looking at a model's file");
    glia_sha256_init(&h);
    for (int i = 0; !s && source_at(m, i); i++)
        for (int part = 0; part < glia_gguf_part_count(source_at(m, i)) && !s; part++)
            s = stamp_part(&h, source_at(m, i), part, buffer, e);
    glia_sha256_done(&h, out);
    os->mem_free(os->ctx, buffer, PIECE);
    return s;
}

/* The checksum of every piece of the source, by all workers. */
typedef struct content {
    const glia_model *m;
    int64_t pieces;
    _Atomic int64_t next;
    _Atomic int32_t status;
    uint64_t *sums;
} content;

/* Piece i of all files one after the other: its source, part and place. */
static bool find_piece(const glia_model *m, int64_t i, const glia_gguf **g, int *part, int64_t *at)
{
    for (int k = 0; (*g = source_at(m, k)); k++)
        for (*part = 0; *part < glia_gguf_part_count(*g); ++*part) {
            const int64_t pieces = glia_ceil_div(glia_gguf_part_bytes(*g, *part), GLIA_PACK_BLOCK);
            *at = i * GLIA_PACK_BLOCK;
            if (i < pieces) return true;
            i -= pieces;
        }
    return false;
}

static void sum_pieces(void *arg, int worker)
{
    content *c = arg;
    const glia_os *os = c->m->options.os;
    uint8_t *buffer = os->mem_alloc(os->ctx, GLIA_PACK_BLOCK, 64);
    const glia_gguf *g;
    int part;
    int64_t i, at;
    (void)worker;
    if (!buffer) atomic_store(&c->status, GLIA_E_NOMEM);
    while (buffer && (i = atomic_fetch_add(&c->next, 1)) < c->pieces && !atomic_load(&c->status)) {
        if (!find_piece(c->m, i, &g, &part, &at)) break;
        const int64_t n = glia_min(GLIA_PACK_BLOCK, glia_gguf_part_bytes(g, part) - at);
        const glia_status s = glia_gguf_part_read(g, part, at, n, buffer, NULL);
        if (s) atomic_store(&c->status, s);
        c->sums[i] = glia_sum64(buffer, n);
    }
    if (buffer) os->mem_free(os->ctx, buffer, GLIA_PACK_BLOCK);
}

static glia_status content_of(const glia_model *m, uint8_t out[32], glia_error *e)
{
    content c = {.m = m};
    glia_arena a;
    glia_sha256 h;
    for (int k = 0; source_at(m, k); k++)
        for (int part = 0; part < glia_gguf_part_count(source_at(m, k)); part++)
            c.pieces += glia_ceil_div(glia_gguf_part_bytes(source_at(m, k), part), GLIA_PACK_BLOCK);
    glia_arena_init(&a, m->options.os, 0);
    c.sums = GLIA_NEW_ARRAY(&a, uint64_t, c.pieces);
    if (c.sums) glia_team_run(glia_lane_team(m->lane), sum_pieces, &c);
    const glia_status s = c.sums ? (glia_status)atomic_load(&c.status) : GLIA_E_NOMEM;
    glia_sha256_init(&h);
    for (int64_t i = 0; i < c.pieces && !s; i++) add_i64(&h, (int64_t)c.sums[i]);
    glia_sha256_done(&h, out);
    glia_arena_free(&a);
    if (!s) return GLIA_OK;
    return glia_fail(e, s, s == GLIA_E_NOMEM ? "G0801" : "G0802", "the model's file cannot be read again: %s",
                     glia_status_name(s));
}

/* ---- what the bytes of packed weights mean ------------------------------------------------------------- */

/* What a layout makes of a small tensor of any bytes. */
static bool add_layout(glia_sha256 *h, glia_arena *a, int layout, glia_dtype t)
{
    int64_t row, bytes;
    if (!glia_dtype_row_bytes(t, TRY_COLUMNS, &row) ||
        !glia_layout_bytes(layout, t, TRY_ROWS, TRY_COLUMNS, &bytes))
        return true; /* too few columns for a block: no such format is packed */
    uint8_t *plain = glia_arena_alloc(a, row * TRY_ROWS, 64), *packed = glia_arena_alloc(a, bytes, 64);
    if (!plain || !packed) return false;
    uint32_t seed = 1;
    for (int64_t i = 0; i < row * TRY_ROWS; i++) {
        seed = seed * 1664525u + 1013904223u;
        plain[i] = (uint8_t)(seed >> 24);
    }
    glia_layout_pack(layout, t, TRY_ROWS, TRY_COLUMNS, plain, 0, TRY_ROWS, packed);
    glia_sha256_add(h, packed, bytes);
    return true;
}

static glia_status layouts_of(const glia_model *m, uint8_t out[32], glia_error *e)
{
    const glia_plan *p = m->plan;
    uint8_t seen[GLIA_LAYOUT_COUNT][256] = {{0}};
    glia_sha256 h;
    glia_arena a;
    bool ok = true;
    glia_sha256_init(&h);
    glia_arena_init(&a, m->options.os, 0);
    for (int32_t i = 0; i < p->weight_count && ok; i++) {
        const glia_weight_record *w = &p->weights[i];
        const glia_value_info *v = glia_graph_value(p->graph, (glia_value){w->value});
        const int64_t facts[] = {v->type.dtype, v->type.rank, w->layout, w->base, w->offset, w->bytes};
        add_text(&h, v->name);
        add_text(&h, glia_layout_name(w->layout));
        for (int k = 0; k < GLIA_COUNT(facts); k++) add_i64(&h, facts[k]);
        for (int d = 0; d < v->type.rank; d++) add_i64(&h, v->type.dims[d]);
        uint8_t *tried = &seen[w->layout % GLIA_LAYOUT_COUNT][v->type.dtype % 256];
        if (w->layout != GLIA_LAYOUT_PLAIN && !*tried) ok = add_layout(&h, &a, w->layout, v->type.dtype);
        *tried = 1;
    }
    glia_sha256_done(&h, out);
    glia_arena_free(&a);
    return ok ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for trying layouts");
}

static const char *isa_name(const glia_model *m)
{
    const char *best = glia_cpu_isas[0]->name;
    for (int i = 0; glia_cpu_isas[i]; i++) {
        if (!(glia_cpu_isas[i]->needs & ~glia_cpu_features())) best = glia_cpu_isas[i]->name;
        if (m->options.isa && !strcmp(m->options.isa, glia_cpu_isas[i]->name)) break;
    }
    return best;
}

/* Everything a file is told apart by, and its name: the model's, and a number for shapes, layouts and
 * instruction set. A model that changed takes the place of what it was; models of one name and shape take
 * turns. */
static glia_status identify(glia_model *m, glia_error *e)
{
    glia_pack *k = &m->pack;
    glia_sha256 h;
    uint8_t digest[32];
    char hex[65];
    glia_status s = stamp_of(m, k->stamp, e);
    if (!s) s = layouts_of(m, k->layouts, e);
    if (s) return s;
    snprintf(k->isa, sizeof k->isa, "%s", isa_name(m));
    glia_sha256_init(&h);
    glia_sha256_add(&h, k->layouts, sizeof k->layouts);
    add_text(&h, k->isa);
    glia_sha256_done(&h, digest);
    glia_sha256_hex(digest, hex);
    const char *name = glia_gguf_file_name(m->file);
    const size_t n = strlen(name);
    const int stem = (int)(n > 5 && !strcmp(name + n - 5, ".gguf") ? n - 5 : n);
    k->path = glia_arena_printf(&k->arena, "%s/%.*s-%.16s.gliapack", m->options.pack_cache, stem, name, hex);
    return k->path ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a path");
}

/* ---- using a file -------------------------------------------------------------------------------------- */

typedef struct checking { /* what workers share while they go through the blocks of a file */
    glia_model *m;
    const glia_pack_header *h;
    const uint8_t *header; /* as it lies in the file */
    glia_file file;
    uint8_t *base[2]; /* of the sections in memory */
    bool copy;
    uint64_t *sums; /* of a file that is being made */
    _Atomic int64_t next, bad;
    _Atomic int32_t error; /* of reading or writing */
} checking;

static void check_blocks(void *arg, int worker)
{
    checking *c = arg;
    const glia_os *os = c->m->options.os;
    int64_t i;
    (void)worker;
    while ((i = atomic_fetch_add(&c->next, 1)) < c->h->blocks && !atomic_load(&c->error)) {
        const glia_pack_block b = glia_pack_block_at(c->h, i);
        uint8_t *at = c->base[b.section] + b.begin;
        int error = c->copy ? os->file_read(os->ctx, c->file, b.offset, at, (size_t)b.bytes) : 0;
        if (error) atomic_store(&c->error, error);
        else if (glia_sum64(at, b.bytes) != glia_pack_header_sum(c->header, i))
            atomic_store(&c->bad, b.offset + 1);
    }
}

static void forget_places(glia_model *m)
{
    const glia_os *os = m->options.os;
    if (m->pack.map) os->unmap(os->ctx, m->pack.map, (size_t)m->pack.map_bytes);
    else glia_model_give_weights(m);
    m->pack.map = m->weights = m->packed = NULL;
}

static glia_status place(glia_model *m, const glia_pack_header *h, const uint8_t *header, glia_file file,
                         glia_error *e)
{
    const glia_os *os = m->options.os;
    checking c = {.m = m, .h = h, .header = header, .file = file};
    c.copy = (m->options.pack_flags & GLIA_PACK_COPY) != 0;
    if (c.copy) {
        glia_status s = glia_model_take_weights(m, e);
        if (s) return s;
    } else {
        uint8_t *map = m->pack.map = os->map(os->ctx, file, (size_t)h->file_bytes);
        if (!map) return glia_fail(e, GLIA_E_IO, "G0565", "it cannot be mapped");
        m->pack.map_bytes = h->file_bytes;
        m->weights = map + h->offset[0];
        m->packed = map + h->offset[1];
    }
    c.base[0] = m->weights;
    c.base[1] = m->packed;
    glia_team_run(glia_lane_team(m->lane), check_blocks, &c);
    if (atomic_load(&c.error))
        return glia_fail(e, GLIA_E_IO, "G0565", "it cannot be read: %s",
                         glia_file_reason(atomic_load(&c.error)));
    if (atomic_load(&c.bad))
        return glia_fail_at(e, GLIA_E_FORMAT, "G0564", atomic_load(&c.bad) - 1,
                            "its bytes at %lld are not those that were written",
                            (long long)atomic_load(&c.bad) - 1);
    return GLIA_OK;
}

static glia_status compare(glia_model *m, const glia_pack_header *h, bool load, glia_error *e)
{
    const glia_pack *k = &m->pack;
    uint8_t digest[32];
    if (memcmp(h->stamp, k->stamp, sizeof k->stamp))
        return glia_fail(e, GLIA_E_STATE, "G0562",
                         "it was made of another model, or of this one before it changed");
    if (strcmp(h->isa, k->isa))
        return glia_fail(e, GLIA_E_STATE, "G0563", "it was made for the instruction set %s; this is %s",
                         h->isa, k->isa);
    if (memcmp(h->layouts, k->layouts, sizeof k->layouts) || h->bytes[0] != m->plan->bytes.weights ||
        h->bytes[1] != m->plan->bytes.packed)
        return glia_fail(e, GLIA_E_STATE, "G0563", "its weights are arranged in another way");
    if (!load || !(m->options.pack_flags & GLIA_PACK_VERIFY)) return GLIA_OK;
    glia_status s = content_of(m, digest, e);
    if (!s && memcmp(digest, h->content, sizeof digest))
        s = glia_fail(e, GLIA_E_STATE, "G0562", "the model's content is not what it was made of");
    return s;
}

static glia_status use_file(glia_model *m, glia_file file, bool load, glia_error *e)
{
    const glia_os *os = m->options.os;
    glia_pack_header h;
    uint8_t fixed[GLIA_PACK_FIXED];
    int64_t file_bytes = 0, size = 0;
    int error = os->file_size(os->ctx, file, &file_bytes);
    const int64_t first = glia_min(file_bytes, GLIA_PACK_FIXED);
    if (!error && first) error = os->file_read(os->ctx, file, 0, fixed, (size_t)first);
    if (error) return glia_fail(e, GLIA_E_IO, "G0565", "it cannot be read: %s", glia_file_reason(error));
    glia_status s = glia_pack_header_size(fixed, first, file_bytes, &size, e);
    if (s) return s;
    uint8_t *header = glia_arena_alloc(&m->pack.arena, size, 64);
    if (!header) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for the header of a packed file");
    error = os->file_read(os->ctx, file, 0, header, (size_t)size);
    if (error) return glia_fail(e, GLIA_E_IO, "G0565", "it cannot be read: %s", glia_file_reason(error));
    s = glia_pack_header_read(header, size, file_bytes, &h, e);
    if (!s) s = compare(m, &h, load, e);
    if (!s && load) s = place(m, &h, header, file, e);
    if (s && load) forget_places(m);
    return s;
}

/* Only a lack of memory stops the model; everything else is only told. */
static glia_status only_memory(const glia_pack *k, glia_status s, glia_error *e)
{
    return s == GLIA_E_NOMEM ? glia_fail(e, s, k->why.code, "%s", k->why.text) : GLIA_OK;
}

glia_status glia_pack_open(glia_model *m, bool load, glia_error *e)
{
    const glia_os *os = m->options.os;
    glia_pack *k = &m->pack;
    glia_file file;
    if (!m->options.pack_cache) return GLIA_OK;
    k->why = (glia_error)GLIA_ERROR_INIT;
    k->use = GLIA_PACK_FAILED;
    glia_arena_init(&k->arena, os, 0);
    glia_status s = identify(m, &k->why);
    if (s) return only_memory(k, s, e);
    if (os->file_open(os->ctx, k->path, GLIA_FILE_READ, &file))
        return GLIA_OK; /* most likely there is none */
    s = use_file(m, file, load, &k->why);
    os->file_close(os->ctx, file);
    if (!s) k->use = GLIA_PACK_USED;
    else glia_error_context(&k->why, "%.512s", k->path);
    return only_memory(k, s, e);
}

/* ---- making a file ---------------------------------------------------------------------------------------
 */

static void write_blocks(void *arg, int worker)
{
    checking *c = arg;
    const glia_os *os = c->m->options.os;
    int64_t i;
    (void)worker;
    while ((i = atomic_fetch_add(&c->next, 1)) < c->h->blocks && !atomic_load(&c->error)) {
        const glia_pack_block b = glia_pack_block_at(c->h, i);
        const uint8_t *at = c->base[b.section] + b.begin;
        const int error = os->file_write(os->ctx, c->file, b.offset, at, (size_t)b.bytes);
        c->sums[i] = glia_sum64(at, b.bytes);
        if (error) atomic_store(&c->error, error);
    }
}

static int write_file(glia_model *m, const glia_pack_header *h, glia_file file)
{
    const glia_os *os = m->options.os;
    checking c = {.m = m, .h = h, .file = file, .base = {m->weights, m->packed}};
    c.sums = GLIA_NEW_ARRAY(&m->pack.arena, uint64_t, h->blocks);
    uint8_t *header = glia_arena_alloc(&m->pack.arena, h->header_bytes, 64);
    if (!c.sums || !header) return ENOMEM;
    glia_team_run(glia_lane_team(m->lane), write_blocks, &c);
    int error = atomic_load(&c.error);
    glia_pack_header_write(h, c.sums, header);
    if (!error) error = os->file_write(os->ctx, file, 0, header, (size_t)h->header_bytes);
    return error ? error : os->file_sync(os->ctx, file);
}

static glia_status no_file(glia_error *e, const char *act, int error)
{
    return glia_fail(e, GLIA_E_IO, "G0565", "it cannot be %s: %s", act, glia_file_reason(error));
}

/* Under a name that no other writer has; what it writes appears whole, by rename. */
static glia_status make_file(glia_model *m, const glia_pack_header *h, glia_error *e)
{
    const glia_os *os = m->options.os;
    glia_pack *k = &m->pack;
    glia_file file;
    const uint64_t unique = os->clock_ns(os->ctx) ^ (uint64_t)(uintptr_t)m << 16;
    const char *temporary =
        glia_arena_printf(&k->arena, "%s.%016llx.tmp", k->path, (unsigned long long)unique);
    if (!temporary) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a path");
    int error = os->file_open(os->ctx, temporary, GLIA_FILE_WRITE, &file);
    if (error) return no_file(e, "created", error);
    error = write_file(m, h, file);
    os->file_close(os->ctx, file);
    glia_status s = error ? no_file(e, "written", error) : GLIA_OK;
    if (!s && (error = os->file_rename(os->ctx, temporary, k->path))) s = no_file(e, "renamed", error);
    if (s) os->file_remove(os->ctx, temporary);
    return s;
}

void glia_pack_make(glia_model *m)
{
    glia_pack *k = &m->pack;
    glia_pack_header h = {.bytes = {m->plan->bytes.weights, m->plan->bytes.packed}};
    glia_error e = GLIA_ERROR_INIT;
    if (!k->path) return;
    memcpy(h.layouts, k->layouts, sizeof h.layouts);
    memcpy(h.isa, k->isa, sizeof h.isa);
    glia_status s = content_of(m, h.content, &e);
    if (!s) s = stamp_of(m, h.stamp, &e);
    if (!s && memcmp(h.stamp, k->stamp, sizeof h.stamp))
        s = glia_fail(&e, GLIA_E_STATE, "G0562", "the model's file changed while it was read");
    if (!s && !glia_pack_lay_out(&h))
        s = glia_fail(&e, GLIA_E_LIMIT, "G0565", "so many weights have no room in a packed file");
    if (!s) s = make_file(m, &h, &e);
    k->use = s ? GLIA_PACK_FAILED : GLIA_PACK_MADE;
    if (!s) return;
    glia_error_context(&e, "%.512s", k->path);
    k->why = e;
}

void glia_pack_close(glia_model *m)
{
    if (m->options.pack_cache) glia_arena_free(&m->pack.arena);
    if (m->pack.map) forget_places(m);
}

glia_pack_use glia_model_pack_cache(const glia_model *m, glia_error *why)
{
    if (!m || !m->options.pack_cache) return GLIA_PACK_OFF;
    if (why) *why = m->pack.why;
    return m->pack.use;
}
