/* The SafeTensors reader; see safetensors.h. Every file goes through the same steps: the header's length
 * against the file, the JSON, each entry on its own, then all entries together in the order of their spans.
 */
#include "format/safetensors.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "format/file.h"
#include "format/sort.h"
#include "tensor/dtype.h"

#include <string.h>

#define JSON_DEPTH_MAX 64
#define METADATA "__metadata__"

typedef struct shard {
    const char *name;
    glia_file file;
    bool open;
    const uint8_t *memory; /* null: read from the file */
    int64_t memory_bytes;
    int64_t file_bytes;
    int64_t header_bytes; /* with the length itself: where the data begin */
    int64_t first, count; /* its tensors */
} shard;

struct glia_safetensors {
    const glia_os *os;
    glia_safetensors_limits limits;
    glia_arena arena; /* what is kept */
    shard *shards;
    int shard_count;
    glia_safetensors_tensor *tensors;
    int64_t count, capacity;
    int32_t *by_name;
    const char **metadata; /* key, value, key, value */
    int64_t metadata_count;
};

static const struct type_row {
    const char *name;
    glia_dtype dtype;
    int bytes;
} types[] = {
    {"F64", GLIA_F64, 8},
    {"F32", GLIA_F32, 4},
    {"F16", GLIA_F16, 2},
    {"BF16", GLIA_BF16, 2},
    {"I64", GLIA_I64, 8},
    {"I32", GLIA_I32, 4},
    {"I16", GLIA_I16, 2},
    {"I8", GLIA_I8, 1},
    {"U64", GLIA_U64, 8},
    {"U32", GLIA_U32, 4},
    {"U16", GLIA_U16, 2},
    {"U8", GLIA_U8, 1},
    {"BOOL", GLIA_BOOL, 1},
    {"F8_E4M3", GLIA_DTYPE_NONE, 1},
    {"F8_E5M2", GLIA_DTYPE_NONE, 1},
    {"F8_E8M0", GLIA_DTYPE_NONE, 1},
    {"C64", GLIA_DTYPE_NONE, 8},
};

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for the list of tensors");
}

static glia_status entry_type(const glia_json *j, glia_safetensors_tensor *t, int *element_bytes,
                              glia_error *e)
{
    const glia_json *type = glia_json_get(j, "dtype");
    if (!type || type->kind != GLIA_JSON_STRING)
        return glia_fail(e, GLIA_E_FORMAT, "G0413", "tensor '%.64s' has no dtype", t->name);
    for (int i = 0; i < GLIA_COUNT(types); i++) {
        if (strcmp(types[i].name, type->text)) continue;
        t->type_name = types[i].name;
        t->dtype = types[i].dtype;
        *element_bytes = types[i].bytes;
        return GLIA_OK;
    }
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0418",
                     "tensor '%.64s' has the dtype '%.32s', which is not known here", t->name, type->text);
}

static glia_status entry_shape(const glia_json *j, glia_safetensors_tensor *t, int element_bytes,
                               glia_error *e)
{
    const glia_json *shape = glia_json_get(j, "shape");
    if (!shape || shape->kind != GLIA_JSON_ARRAY)
        return glia_fail(e, GLIA_E_FORMAT, "G0413", "tensor '%.64s' has no shape", t->name);
    if (shape->count > GLIA_RANK_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0415", "tensor '%.64s' has %lld dimensions, the limit is %d",
                         t->name, (long long)shape->count, GLIA_RANK_MAX);
    /* Zeros come last into the product, so that a wrap is found whatever the order. */
    int64_t bytes = element_bytes;
    bool empty = false;
    for (const glia_json *d = shape->child; d; d = d->next) {
        int64_t dim;
        if (!glia_json_i64(d, &dim) || dim < 0)
            return glia_fail(e, GLIA_E_FORMAT, "G0414",
                             "dimension %d of tensor '%.64s' is not a number of elements", t->rank, t->name);
        t->dims[t->rank++] = dim;
        empty = empty || dim == 0;
        if (dim && !glia_mul(bytes, dim, &bytes))
            return glia_fail(e, GLIA_E_FORMAT, "G0414", "the size of tensor '%.64s' is beyond 2^63", t->name);
    }
    t->bytes = empty ? 0 : bytes;
    return GLIA_OK;
}

/* The offset is still relative to the data. */
static glia_status entry_span(const glia_json *j, glia_safetensors_tensor *t, int64_t data_bytes,
                              glia_error *e)
{
    const glia_json *span = glia_json_get(j, "data_offsets");
    int64_t begin, end;
    if (!span || span->kind != GLIA_JSON_ARRAY || span->count != 2 || !glia_json_i64(span->child, &begin) ||
        !glia_json_i64(span->child->next, &end))
        return glia_fail(e, GLIA_E_FORMAT, "G0413", "tensor '%.64s' has no pair of data_offsets", t->name);
    if (begin < 0 || end < begin || end > data_bytes)
        return glia_fail(e, GLIA_E_FORMAT, "G0416",
                         "tensor '%.64s' lies from %lld to %lld in data of %lld bytes", t->name,
                         (long long)begin, (long long)end, (long long)data_bytes);
    if (end - begin != t->bytes)
        return glia_fail(e, GLIA_E_FORMAT, "G0417",
                         "tensor '%.64s' has a span of %lld bytes, its shape and dtype need %lld", t->name,
                         (long long)(end - begin), (long long)t->bytes);
    t->offset = begin;
    return GLIA_OK;
}

static glia_status read_entry(glia_safetensors *s, int shard_index, const glia_json *j, int64_t data_bytes,
                              glia_error *e)
{
    glia_safetensors_tensor t = {.shard = shard_index};
    int element_bytes = 0;
    if (j->kind != GLIA_JSON_OBJECT)
        return glia_fail(e, GLIA_E_FORMAT, "G0413", "tensor '%.64s' is not described by an object", j->key);
    if (j->key_size == 0 || (int64_t)strlen(j->key) != j->key_size)
        return glia_fail(e, GLIA_E_FORMAT, "G0413", "a tensor's name is empty or holds a NUL");
    t.name = j->key;
    glia_status status = entry_type(j, &t, &element_bytes, e);
    if (!status) status = entry_shape(j, &t, element_bytes, e);
    if (!status) status = entry_span(j, &t, data_bytes, e);
    if (status) return status;
    if (s->count >= s->limits.tensors)
        return glia_fail(e, GLIA_E_LIMIT, "G0415", "more than %lld tensors, which is the limit",
                         (long long)s->limits.tensors);
    glia_safetensors_tensor *grown = glia_arena_grow(&s->arena, s->tensors, s->count, &s->capacity, sizeof t);
    t.name = glia_arena_strndup(&s->arena, j->key, j->key_size);
    if (!grown || !t.name) return no_memory(e);
    s->tensors = grown;
    s->tensors[s->count++] = t;
    return GLIA_OK;
}

static glia_status read_metadata(glia_safetensors *s, const glia_json *j, bool keep, glia_error *e)
{
    if (j->kind == GLIA_JSON_NULL) return GLIA_OK; /* there are such files */
    if (j->kind != GLIA_JSON_OBJECT)
        return glia_fail(e, GLIA_E_FORMAT, "G0413", METADATA " is not an object");
    const char **kept = keep ? GLIA_NEW_ARRAY(&s->arena, const char *, 2 * j->count) : NULL;
    if (keep && !kept) return no_memory(e);
    int64_t n = 0;
    for (const glia_json *c = j->child; c; c = c->next) {
        if (c->kind != GLIA_JSON_STRING)
            return glia_fail(e, GLIA_E_FORMAT, "G0413", METADATA " '%.64s' is not a string", c->key);
        if (!keep) continue;
        kept[2 * n] = glia_arena_strndup(&s->arena, c->key, c->key_size);
        kept[2 * n + 1] = glia_arena_strndup(&s->arena, c->text, c->text_size);
        if (!kept[2 * n] || !kept[2 * n + 1]) return no_memory(e);
        n++;
    }
    if (keep) {
        s->metadata = kept;
        s->metadata_count = n;
    }
    return GLIA_OK;
}

static bool name_less(const void *tensors, int32_t a, int32_t b)
{
    const glia_safetensors_tensor *t = tensors;
    return strcmp(t[a].name, t[b].name) < 0;
}

/* Empty tensors come before the one that begins where they lie. */
static bool span_less(const void *tensors, int32_t a, int32_t b)
{
    const glia_safetensors_tensor *t = tensors;
    return t[a].offset != t[b].offset ? t[a].offset < t[b].offset : t[a].bytes < t[b].bytes;
}

/* Null when memory is out. */
static int32_t *sorted(glia_arena *a, const glia_safetensors_tensor *t, int64_t n, glia_sort_less *less)
{
    int32_t *order = GLIA_NEW_ARRAY(a, int32_t, n);
    if (order) glia_sort_order(order, n, less, t);
    return order;
}

/* The spans must tile the data from the first byte to the last. */
static glia_status check_spans(glia_safetensors *s, const shard *h, glia_arena *scratch, glia_error *e)
{
    glia_safetensors_tensor *t = s->tensors + h->first;
    int32_t *order = sorted(scratch, t, h->count, span_less);
    if (!order) return no_memory(e);
    int64_t at = 0;
    for (int64_t i = 0; i < h->count; i++) {
        const glia_safetensors_tensor *x = &t[order[i]];
        if (x->offset < at)
            return glia_fail_at(
                e, GLIA_E_FORMAT, "G0416", h->header_bytes + x->offset,
                "tensor '%.64s' begins at %lld and overlaps the one before, which ends at %lld", x->name,
                (long long)x->offset, (long long)at);
        if (x->offset > at)
            return glia_fail_at(e, GLIA_E_FORMAT, "G0416", h->header_bytes + at,
                                "there is a hole from %lld to %lld before tensor '%.64s'", (long long)at,
                                (long long)x->offset, x->name);
        at = x->offset + x->bytes;
    }
    if (at != h->file_bytes - h->header_bytes)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0416", h->header_bytes + at,
                            "%lld bytes follow the last tensor",
                            (long long)(h->file_bytes - h->header_bytes - at));
    for (int64_t i = 0; i < h->count; i++) t[i].offset += h->header_bytes;
    return GLIA_OK;
}

static glia_status read_header(glia_safetensors *s, int shard_index, const char *text, int64_t size,
                               glia_arena *scratch, glia_error *e)
{
    shard *h = &s->shards[shard_index];
    const glia_json *root;
    if (size < 2 || text[0] != '{')
        return glia_fail_at(e, GLIA_E_FORMAT, "G0412", 8, "the header does not begin with '{'");
    glia_status status =
        glia_json_parse(scratch, text, size, JSON_DEPTH_MAX, GLIA_JSON_UNIQUE_KEYS, &root, e);
    if (status && e && e->offset >= 0) e->offset += 8; /* from the text's to the file's */
    if (status) return status;
    h->first = s->count;
    for (const glia_json *j = root->child; j && !status; j = j->next) {
        if (strcmp(j->key, METADATA) == 0) status = read_metadata(s, j, shard_index == 0, e);
        else status = read_entry(s, shard_index, j, h->file_bytes - h->header_bytes, e);
    }
    h->count = s->count - h->first;
    return status ? status : check_spans(s, h, scratch, e);
}

/* A tree takes many times the bytes of its text; one that takes more than that is not a list of tensors. */
static int64_t tree_limit(int64_t text_bytes) { return 32 * text_bytes + (1 << 20); }

static glia_status parse_shard(glia_safetensors *s, int shard_index, const char *text, int64_t size,
                               glia_error *e)
{
    glia_arena scratch;
    glia_arena_init(&scratch, s->os, tree_limit(size));
    glia_status status = read_header(s, shard_index, text, size, &scratch, e);
    glia_arena_free(&scratch);
    return status;
}

static glia_status header_length(glia_safetensors *s, shard *h, const uint8_t *first, glia_error *e)
{
    glia_reader r = glia_reader_make(first, glia_min(8, h->file_bytes));
    uint64_t n = glia_read_u64(&r);
    if (r.failed)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0411", 0, "the file has %lld bytes, too few for a header",
                            (long long)h->file_bytes);
    if (n > (uint64_t)(h->file_bytes - 8))
        return glia_fail_at(e, GLIA_E_FORMAT, "G0411", 0,
                            "the header is said to have %llu bytes, the file has %lld after its length",
                            (unsigned long long)n, (long long)(h->file_bytes - 8));
    if (n < 2)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0411", 0, "the header is said to have %llu bytes",
                            (unsigned long long)n);
    if (n > (uint64_t)s->limits.header_bytes)
        return glia_fail_at(e, GLIA_E_LIMIT, "G0415", 0, "the header has %llu bytes, the limit is %lld",
                            (unsigned long long)n, (long long)s->limits.header_bytes);
    h->header_bytes = 8 + (int64_t)n;
    return GLIA_OK;
}

static glia_status read_shard(glia_safetensors *s, int shard_index, const char *path, glia_error *e)
{
    shard *h = &s->shards[shard_index];
    const glia_os *os = s->os;
    uint8_t first[8] = {0};
    int error = os->file_open(os->ctx, path, GLIA_FILE_READ, &h->file);
    if (error) return glia_fail(e, GLIA_E_IO, "G0802", "cannot open: %s", glia_file_reason(error));
    h->open = true;
    error = os->file_size(os->ctx, h->file, &h->file_bytes);
    if (!error && h->file_bytes >= 8) error = os->file_read(os->ctx, h->file, 0, first, 8);
    if (error) return glia_fail(e, GLIA_E_IO, "G0802", "cannot read: %s", glia_file_reason(error));
    glia_status status = header_length(s, h, first, e);
    if (status) return status;
    int64_t n = h->header_bytes - 8;
    char *text = glia_file_memory(os, n, "a SafeTensors header", e);
    if (!text) return GLIA_E_NOMEM;
    error = os->file_read(os->ctx, h->file, 8, text, (size_t)n);
    if (error) status = glia_fail_at(e, GLIA_E_IO, "G0802", 8, "cannot read: %s", glia_file_reason(error));
    else status = parse_shard(s, shard_index, text, n, e);
    os->mem_free(os->ctx, text, (size_t)n);
    return status;
}

static glia_safetensors *create(const glia_os *os, const glia_safetensors_limits *limits, glia_error *e)
{
    if (!os) os = glia_os_default();
    glia_safetensors *s = glia_file_memory(os, sizeof *s, "a SafeTensors reader", e);
    if (!s) return NULL;
    s->os = os;
    if (limits) s->limits = *limits;
    if (s->limits.header_bytes <= 0) s->limits.header_bytes = (int64_t)256 << 20;
    if (s->limits.tensors <= 0 || s->limits.tensors > INT32_MAX) s->limits.tensors = 65536;
    if (s->limits.shards <= 0 || s->limits.shards > 65536) s->limits.shards = 1024;
    glia_arena_init(&s->arena, os, 0);
    return s;
}

static glia_status make_shards(glia_safetensors *s, int n, glia_error *e)
{
    s->shards = GLIA_NEW_ARRAY(&s->arena, shard, n);
    if (!s->shards) return no_memory(e);
    s->shard_count = n;
    return GLIA_OK;
}

void glia_safetensors_close(glia_safetensors *s)
{
    if (!s) return;
    const glia_os *os = s->os;
    for (int i = 0; i < s->shard_count; i++) {
        if (s->shards[i].open) os->file_close(os->ctx, s->shards[i].file);
    }
    glia_arena_free(&s->arena);
    os->mem_free(os->ctx, s, sizeof *s);
}

static glia_status index_names(glia_safetensors *s, glia_error *e)
{
    s->by_name = sorted(&s->arena, s->tensors, s->count, name_less);
    if (!s->by_name) return no_memory(e);
    for (int64_t i = 1; i < s->count; i++) {
        const glia_safetensors_tensor *a = &s->tensors[s->by_name[i - 1]], *b = &s->tensors[s->by_name[i]];
        if (strcmp(a->name, b->name) == 0)
            return glia_fail(e, GLIA_E_FORMAT, "G0420", "tensor '%.64s' is in both %s and %s", a->name,
                             s->shards[a->shard].name, s->shards[b->shard].name);
    }
    return GLIA_OK;
}

/* A file beside the index, and nothing else. */
static bool is_plain_name(const char *name, int64_t size)
{
    if (size == 0 || size > 255 || (int64_t)strlen(name) != size) return false;
    if (strchr(name, '/') || strchr(name, '\\') || strchr(name, ':')) return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int find_shard(const glia_safetensors *s, const char *name)
{
    for (int i = 0; i < s->shard_count; i++) {
        if (strcmp(s->shards[i].name, name) == 0) return i;
    }
    return -1;
}

/* The shards that the map names, in the order in which it first names them. */
static glia_status list_shards(glia_safetensors *s, const glia_json *map, glia_error *e)
{
    int64_t limit = glia_min(s->limits.shards, map->count);
    glia_status status = make_shards(s, (int)limit, e);
    if (status) return status;
    s->shard_count = 0;
    const char *last = "";
    for (const glia_json *j = map->child; j; j = j->next) {
        if (j->kind != GLIA_JSON_STRING)
            return glia_fail(e, GLIA_E_FORMAT, "G0421", "weight_map gives no file for '%.64s'", j->key);
        if (strcmp(last, j->text) == 0 && j->text_size) continue; /* most lines repeat the one before */
        if (!is_plain_name(j->text, j->text_size))
            return glia_fail(
                e, GLIA_E_FORMAT, "G0421",
                "weight_map puts '%.64s' into '%.64s', which is not the name of a file beside it", j->key,
                j->text);
        last = j->text;
        if (find_shard(s, j->text) >= 0) continue;
        if (s->shard_count == s->limits.shards)
            return glia_fail(e, GLIA_E_LIMIT, "G0415", "more than %lld shards, which is the limit",
                             (long long)s->limits.shards);
        const char *name = glia_arena_strndup(&s->arena, j->text, j->text_size);
        if (!name) return no_memory(e);
        s->shards[s->shard_count++].name = name;
    }
    return GLIA_OK;
}

static glia_status check_map(const glia_safetensors *s, const glia_json *map, glia_error *e)
{
    if (map->count != s->count)
        return glia_fail(e, GLIA_E_FORMAT, "G0421", "the index lists %lld tensors, its files hold %lld",
                         (long long)map->count, (long long)s->count);
    for (const glia_json *j = map->child; j; j = j->next) {
        const glia_safetensors_tensor *t = glia_safetensors_find(s, j->key);
        if (!t || strcmp(s->shards[t->shard].name, j->text))
            return glia_fail(e, GLIA_E_FORMAT, "G0421",
                             "tensor '%.64s' is not in %.64s, where the index puts it", j->key, j->text);
    }
    return GLIA_OK;
}

static glia_status open_index(glia_safetensors *s, const char *path, const char *text, int64_t size,
                              glia_arena *scratch, glia_error *e)
{
    const glia_json *root;
    glia_status status =
        glia_json_parse(scratch, text, size, JSON_DEPTH_MAX, GLIA_JSON_UNIQUE_KEYS, &root, e);
    if (status) return status;
    const glia_json *map = glia_json_get(root, "weight_map");
    if (!map || map->kind != GLIA_JSON_OBJECT)
        return glia_fail(e, GLIA_E_FORMAT, "G0421", "the index has no weight_map");
    status = list_shards(s, map, e);
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    for (int i = 0; !status && i < s->shard_count; i++) {
        const char *shard_path = glia_arena_printf(scratch, "%.*s%s", folder, path, s->shards[i].name);
        if (!shard_path) return no_memory(e);
        status = read_shard(s, i, shard_path, e);
        if (status) glia_error_context(e, "%s", s->shards[i].name);
    }
    if (!status) status = index_names(s, e);
    return status ? status : check_map(s, map, e);
}

static glia_status open_set(glia_safetensors *s, const char *path, glia_error *e)
{
    char *text;
    int64_t size;
    glia_status status = glia_file_load(s->os, path, s->limits.header_bytes, &text, &size, e);
    if (status) return status;
    glia_arena scratch;
    glia_arena_init(&scratch, s->os, tree_limit(size));
    status = open_index(s, path, text, size, &scratch, e);
    glia_arena_free(&scratch);
    s->os->mem_free(s->os->ctx, text, (size_t)size + 1);
    return status;
}

static glia_status open_one(glia_safetensors *s, const char *path, glia_error *e)
{
    char name[128];
    glia_file_name(path, name, sizeof name);
    glia_status status = make_shards(s, 1, e);
    if (status) return status;
    s->shards[0].name = glia_arena_strdup(&s->arena, name);
    if (!s->shards[0].name) return no_memory(e);
    status = read_shard(s, 0, path, e);
    return status ? status : index_names(s, e);
}

glia_status glia_safetensors_open(const glia_os *os, const char *path, const glia_safetensors_limits *limits,
                                  glia_safetensors **out, glia_error *e)
{
    *out = NULL;
    glia_error_clear(e);
    if (!path) return glia_fail(e, GLIA_E_ARG, "G0802", "no path");
    glia_safetensors *s = create(os, limits, e);
    if (!s) return GLIA_E_NOMEM;
    size_t n = strlen(path);
    bool is_index = n >= 5 && strcmp(path + n - 5, ".json") == 0;
    glia_status status = is_index ? open_set(s, path, e) : open_one(s, path, e);
    if (status) {
        glia_error_context(e, "%.512s", path);
        glia_safetensors_close(s);
        return status;
    }
    *out = s;
    return GLIA_OK;
}

static glia_status parse_memory(glia_safetensors *s, const void *data, int64_t available, int64_t file_size,
                                glia_error *e)
{
    glia_status status = make_shards(s, 1, e);
    if (status) return status;
    shard *h = &s->shards[0];
    h->name = "memory";
    h->memory = data;
    h->memory_bytes = available;
    h->file_bytes = file_size;
    if (available < glia_min(8, file_size))
        return glia_fail(e, GLIA_E_ARG, "G0411", "the length of the header is not in memory");
    status = header_length(s, h, data, e);
    if (status) return status;
    if (available < h->header_bytes)
        return glia_fail(e, GLIA_E_FORMAT, "G0411", "the header is not in memory");
    status = parse_shard(s, 0, (const char *)data + 8, h->header_bytes - 8, e);
    return status ? status : index_names(s, e);
}

glia_status glia_safetensors_parse(const glia_os *os, const void *data, int64_t available, int64_t file_size,
                                   const glia_safetensors_limits *limits, glia_safetensors **out,
                                   glia_error *e)
{
    *out = NULL;
    glia_error_clear(e);
    if (available < 0 || file_size < available || (!data && available))
        return glia_fail(e, GLIA_E_ARG, "G0411", "%lld bytes of a file of %lld", (long long)available,
                         (long long)file_size);
    glia_safetensors *s = create(os, limits, e);
    if (!s) return GLIA_E_NOMEM;
    glia_status status = parse_memory(s, data, available, file_size, e);
    if (status) {
        glia_safetensors_close(s);
        return status;
    }
    *out = s;
    return GLIA_OK;
}

int64_t glia_safetensors_count(const glia_safetensors *s) { return s->count; }
int glia_safetensors_shard_count(const glia_safetensors *s) { return s->shard_count; }

const glia_safetensors_tensor *glia_safetensors_at(const glia_safetensors *s, int64_t i)
{
    return i >= 0 && i < s->count ? &s->tensors[i] : NULL;
}

const char *glia_safetensors_shard_name(const glia_safetensors *s, int i)
{
    return i >= 0 && i < s->shard_count ? s->shards[i].name : "?";
}

const glia_safetensors_tensor *glia_safetensors_find(const glia_safetensors *s, const char *name)
{
    int64_t low = 0, high = s->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const glia_safetensors_tensor *t = &s->tensors[s->by_name[middle]];
        int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

const char *glia_safetensors_metadata(const glia_safetensors *s, const char *key)
{
    for (int64_t i = 0; i < s->metadata_count; i++) {
        if (strcmp(s->metadata[2 * i], key) == 0) return s->metadata[2 * i + 1];
    }
    return NULL;
}

glia_status glia_safetensors_read(const glia_safetensors *s, const glia_safetensors_tensor *t,
                                  int64_t byte_begin, int64_t bytes, void *to, glia_error *e)
{
    const shard *h = &s->shards[t->shard];
    int64_t end;
    if (!t->dtype)
        return glia_fail_at(e, GLIA_E_UNSUPPORTED, "G0418", t->offset,
                            "tensor '%.64s' is %s, which is not built here", t->name, t->type_name);
    if (!glia_add(byte_begin, bytes, &end) || end > t->bytes)
        return glia_fail(e, GLIA_E_ARG, "G0419", "%lld bytes at %lld of tensor '%.64s', which has %lld",
                         (long long)bytes, (long long)byte_begin, t->name, (long long)t->bytes);
    int64_t begin = t->offset + byte_begin;
    if (bytes == 0) return GLIA_OK;
    if (h->memory && begin + bytes <= h->memory_bytes) {
        memcpy(to, h->memory + begin, (size_t)bytes);
        return GLIA_OK;
    }
    int error = h->open ? s->os->file_read(s->os->ctx, h->file, begin, to, (size_t)bytes) : -1;
    if (error)
        return glia_fail_at(e, GLIA_E_IO, "G0802", begin, "tensor '%.64s' of %s cannot be read: %s", t->name,
                            h->name, glia_file_reason(error));
    return GLIA_OK;
}
