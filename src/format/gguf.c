/* The GGUF header parser and the access to tensor data. Typed access to values is in gguf_value.c.
 *
 *     magic "GGUF", u32 version, u64 tensors, u64 keys,
 *     per key:    string, u32 type, value
 *     per tensor: string, u32 rank, u64 dims[rank] (innermost first), u32 type, u64 offset
 *     padding to the alignment, then the data that the offsets count from
 *
 * (ggml, docs/gguf.md.) The header has no stated length: the file is read in growing pieces, and parsing
 * starts anew until a piece holds all of it. Nothing is allocated for a count before that many bytes are in
 * memory. */
#include "format/gguf_internal.h"

#include "base/check.h"
#include "base/error.h"
#include "base/reader.h"
#include "base/utf8.h"
#include "format/file.h"
#include "format/sort.h"
#include "tensor/dtype.h"

#include <string.h>

#ifdef GLIA_HOSTILE
#define FIRST_PIECE 3 /* every reading of the header is exercised */
#define GROWTH 2
#else
#define FIRST_PIECE (1 << 20)
#define GROWTH 8 /* each piece is parsed anew */
#endif
#define VALUE_BYTES_MIN 14  /* a key of one byte and a value of one byte */
#define TENSOR_BYTES_MIN 33 /* a name of one byte, one dimension */
#define RANK_MAX 4          /* of the format */
#define ALIGNMENT_MAX (1 << 20)

typedef struct parser {
    glia_gguf *g;
    glia_reader r;
    bool more; /* failed only because the file has more bytes than are in memory */
    glia_error *e;
} parser;

static glia_status out_of_memory(parser *p, const char *what, int64_t count)
{
    return glia_fail_at(p->e, GLIA_E_NOMEM, "G0801", p->r.at, "no memory for %lld %s of a GGUF header",
                        (long long)count, what);
}

static int64_t file_left(const parser *p) { return p->g->file_bytes - p->r.at; }

/* Says whether n more bytes of the header are in memory. */
static glia_status need(parser *p, int64_t n, const char *what)
{
    if (glia_reader_left(&p->r) >= n) return GLIA_OK;
    if (n > file_left(p))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0303", p->r.at,
                            "the file ends within %s: %lld bytes are needed at %lld, %lld are left", what,
                            (long long)n, (long long)p->r.at, (long long)file_left(p));
    if (n > p->g->limits.header_bytes - p->r.at)
        return glia_fail_at(p->e, GLIA_E_LIMIT, "G0305", p->r.at,
                            "the header needs more than %lld bytes, which is the limit (%s at %lld)",
                            (long long)p->g->limits.header_bytes, what, (long long)p->r.at);
    p->more = true;
    return GLIA_E_STATE;
}

/* A count of things of at least bytes_min each: first against the file, which is what tells nonsense from a
 * large file, then against the limit, then against memory. */
static glia_status read_count(parser *p, const char *what, int64_t bytes_min, int64_t limit, int64_t *out)
{
    glia_status s = need(p, 8, what);
    if (s) return s;
    int64_t at = p->r.at;
    uint64_t n = glia_read_u64(&p->r);
    if (n > (uint64_t)(file_left(p) / bytes_min))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0304", at,
                            "%llu %s cannot be in the %lld bytes that are left", (unsigned long long)n, what,
                            (long long)file_left(p));
    if (n > (uint64_t)limit)
        return glia_fail_at(p->e, GLIA_E_LIMIT, "G0305", at, "%llu %s, the limit is %lld",
                            (unsigned long long)n, what, (long long)limit);
    *out = (int64_t)n;
    return GLIA_OK;
}

static glia_status read_string(parser *p, const char *what, glia_gguf_string *out)
{
    glia_status s = need(p, 8, what);
    if (s) return s;
    int64_t at = p->r.at;
    uint64_t n = glia_read_u64(&p->r);
    if (n > (uint64_t)file_left(p))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0306", at, "%s has %llu bytes, but only %lld are left",
                            what, (unsigned long long)n, (long long)file_left(p));
    if (n > (uint64_t)p->g->limits.string_bytes)
        return glia_fail_at(p->e, GLIA_E_LIMIT, "G0305", at, "%s has %llu bytes, the limit is %lld", what,
                            (unsigned long long)n, (long long)p->g->limits.string_bytes);
    s = need(p, (int64_t)n, what);
    if (s) return s;
    out->size = (int64_t)n;
    out->text = (const char *)glia_read_bytes(&p->r, out->size);
    return GLIA_OK;
}

/* A key or a tensor's name: these are looked up and printed, so they must be texts. */
static glia_status read_name(parser *p, const char *what, const char **name, int64_t *size)
{
    int64_t at = p->r.at;
    glia_gguf_string t;
    glia_status s = read_string(p, what, &t);
    if (s) return s;
    if (t.size == 0 || memchr(t.text, 0, (size_t)t.size) || !glia_utf8_valid(t.text, t.size))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0307", at,
                            "%s at %lld is empty, holds a NUL or is not UTF-8", what, (long long)at);
    *name = glia_arena_strndup(&p->g->arena, t.text, t.size);
    if (!*name) return out_of_memory(p, what, 1);
    if (size) *size = t.size;
    return GLIA_OK;
}

static glia_status read_type(parser *p, const char *what, glia_gguf_type *out)
{
    glia_status s = need(p, 4, what);
    if (s) return s;
    uint32_t t = glia_read_u32(&p->r);
    if (t >= GLIA_GGUF_TYPE_COUNT)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0308", p->r.at - 4, "%s is %u, the types are 0 to 12",
                            what, t);
    *out = (glia_gguf_type)t;
    return GLIA_OK;
}

static glia_status read_scalar(parser *p, glia_gguf_value *v)
{
    glia_status s = need(p, glia_gguf_type_bytes((int)v->type), "a value");
    if (s) return s;
    glia_reader *r = &p->r;
    switch (v->type) {
    case GLIA_GGUF_U8:
    case GLIA_GGUF_BOOL: v->bits = glia_read_u8(r); break;
    case GLIA_GGUF_I8: v->bits = (uint64_t)(int64_t)(int8_t)glia_read_u8(r); break;
    case GLIA_GGUF_U16: v->bits = glia_read_u16(r); break;
    case GLIA_GGUF_I16: v->bits = (uint64_t)(int64_t)(int16_t)glia_read_u16(r); break;
    case GLIA_GGUF_U32:
    case GLIA_GGUF_F32: v->bits = glia_read_u32(r); break;
    case GLIA_GGUF_I32: v->bits = (uint64_t)(int64_t)(int32_t)glia_read_u32(r); break;
    default: v->bits = glia_read_u64(r); break;
    }
    if (v->type == GLIA_GGUF_BOOL && v->bits > 1)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0310", v->offset,
                            "the bool '%.64s' has the byte %u, neither 0 nor 1", v->key, (unsigned)v->bits);
    return GLIA_OK;
}

/* read_string for what vocabularies are made of, which is all of the time that a header takes. False, with
 * nothing read: it is long, or not in memory. */
static inline bool read_short(parser *p, glia_gguf_string *out)
{
    glia_reader r = p->r;
    if (glia_reader_left(&r) < 8) return false;
    const uint64_t n = glia_read_u64(&r);
    if (n > 4096 || (int64_t)n > glia_reader_left(&r) || (int64_t)n > p->g->limits.string_bytes) return false;
    out->size = (int64_t)n;
    out->text = (const char *)glia_read_bytes(&r, out->size);
    p->r = r;
    return true;
}

static glia_status read_strings(parser *p, glia_gguf_value *v)
{
    glia_gguf_string *strings = GLIA_NEW_ARRAY(&p->g->arena, glia_gguf_string, v->count);
    if (!strings) return out_of_memory(p, "strings", v->count);
    for (int64_t i = 0; i < v->count; i++) {
        if (read_short(p, &strings[i])) continue;
        glia_status s = read_string(p, "a string", &strings[i]);
        if (s) return s;
    }
    v->strings = strings;
    return GLIA_OK;
}

static glia_status read_array(parser *p, glia_gguf_value *v)
{
    glia_status s = read_type(p, "the type of an array's elements", &v->element);
    if (s) return s;
    if (v->element == GLIA_GGUF_ARRAY)
        return glia_fail_at(p->e, GLIA_E_UNSUPPORTED, "G0309", p->r.at - 4, "'%.64s' is an array of arrays",
                            v->key);
    bool text = v->element == GLIA_GGUF_STRING;
    int64_t each = text ? 8 : glia_gguf_type_bytes((int)v->element);
    s = read_count(p, "array elements", each, p->g->limits.array_elements, &v->count);
    if (s) return s;
    s = need(p, v->count * each, "an array"); /* at most what the file has left */
    if (s) return s;
    if (text) return read_strings(p, v);
    const uint8_t *data = glia_read_bytes(&p->r, v->count * each);
    v->data = data;
    for (int64_t i = 0; v->element == GLIA_GGUF_BOOL && i < v->count; i++) {
        if (data[i] > 1)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0310", p->r.at - v->count + i,
                                "element %lld of '%.64s' has the byte %u, neither 0 nor 1", (long long)i,
                                v->key, data[i]);
    }
    return GLIA_OK;
}

static glia_status read_value(parser *p, glia_gguf_value *v)
{
    glia_status s = read_name(p, "a key", &v->key, &v->key_size);
    if (s) return s;
    s = read_type(p, "the type of a value", &v->type);
    if (s) return s;
    v->element = v->type;
    v->count = 1;
    v->offset = p->r.at;
    if (v->type == GLIA_GGUF_ARRAY) return read_array(p, v);
    if (v->type == GLIA_GGUF_STRING) return read_strings(p, v);
    return read_scalar(p, v);
}

static bool key_less(const void *g, int32_t a, int32_t b)
{
    const glia_gguf_value *v = ((const glia_gguf *)g)->values;
    return strcmp(v[a].key, v[b].key) < 0;
}

static bool name_less(const void *g, int32_t a, int32_t b)
{
    const glia_gguf_tensor *t = ((const glia_gguf *)g)->tensors;
    return strcmp(t[a].name, t[b].name) < 0;
}

static bool offset_less(const void *g, int32_t a, int32_t b)
{
    const glia_gguf_tensor *t = ((const glia_gguf *)g)->tensors;
    return t[a].offset < t[b].offset;
}

/* Null when memory is out. */
static int32_t *sorted(glia_gguf *g, int64_t n, glia_sort_less *less)
{
    int32_t *order = GLIA_NEW_ARRAY(&g->arena, int32_t, n);
    if (order) glia_sort_order(order, n, less, g);
    return order;
}

int32_t *glia_gguf_by_name(glia_gguf *g) { return sorted(g, g->tensor_count, name_less); }

static glia_status read_values(parser *p)
{
    glia_gguf *g = p->g;
    glia_status s = need(p, g->value_count * VALUE_BYTES_MIN, "the metadata");
    if (s) return s;
    g->values = GLIA_NEW_ARRAY(&g->arena, glia_gguf_value, g->value_count);
    if (!g->values) return out_of_memory(p, "keys", g->value_count);
    for (int64_t i = 0; i < g->value_count; i++) {
        s = read_value(p, &g->values[i]);
        if (s) return s;
    }
    g->values_by_key = sorted(g, g->value_count, key_less);
    if (!g->values_by_key) return out_of_memory(p, "keys", g->value_count);
    for (int64_t i = 1; i < g->value_count; i++) {
        const glia_gguf_value *a = &g->values[g->values_by_key[i - 1]], *b = &g->values[g->values_by_key[i]];
        if (strcmp(a->key, b->key) == 0)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0311", glia_max(a->offset, b->offset),
                                "the key '%.64s' is there twice", a->key);
    }
    return GLIA_OK;
}

static glia_status read_alignment(parser *p)
{
    glia_gguf *g = p->g;
    g->alignment = 32;
    const glia_gguf_value *v = glia_gguf_find(g, "general.alignment");
    if (!v) return GLIA_OK;
    if (v->type != GLIA_GGUF_U32)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0312", v->offset, "general.alignment is a %s, not a U32",
                            glia_gguf_type_name((int)v->type));
    if (v->bits < 8 || v->bits > ALIGNMENT_MAX || (v->bits & (v->bits - 1)))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0312", v->offset,
                            "general.alignment is %llu, not a power of two from 8 to %d",
                            (unsigned long long)v->bits, ALIGNMENT_MAX);
    g->alignment = (int64_t)v->bits;
    return GLIA_OK;
}

static glia_status read_dims(parser *p, glia_gguf_tensor *t)
{
    glia_status s = need(p, 4, "a tensor's rank");
    if (s) return s;
    uint32_t rank = glia_read_u32(&p->r);
    if (rank < 1 || rank > RANK_MAX)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0313", p->r.at - 4,
                            "tensor '%.64s' has %u dimensions, the format has 1 to %d", t->name, rank,
                            RANK_MAX);
    s = need(p, 8 * (int64_t)rank + 12, "a tensor's description");
    if (s) return s;
    t->rank = (int)rank;
    int64_t elements = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        uint64_t dim = glia_read_u64(&p->r);
        if (dim < 1 || dim > INT64_MAX)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0314", p->r.at - 8,
                                "tensor '%.64s' has a dimension of %llu", t->name, (unsigned long long)dim);
        t->dims[i] = (int64_t)dim;
        if (!glia_mul(elements, t->dims[i], &elements))
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0315", p->r.at - 8,
                                "the number of elements of tensor '%.64s' is beyond 2^63", t->name);
    }
    return GLIA_OK;
}

/* The offset is still the file's own, relative to the data. */
static glia_status read_tensor(parser *p, glia_gguf_tensor *t)
{
    t->info_offset = p->r.at;
    glia_status s = read_name(p, "a tensor's name", &t->name, NULL);
    if (s) return s;
    s = read_dims(p, t);
    if (s) return s;
    uint32_t type = glia_read_u32(&p->r);
    t->gguf_type = type > INT32_MAX ? INT32_MAX : (int)type;
    t->dtype = glia_dtype_from_gguf(type);
    t->bytes = -1;
    int block, block_bytes;
    if (glia_gguf_tensor_type_size(t->gguf_type, &block, &block_bytes)) {
        const char *name = glia_gguf_tensor_type_name(t->gguf_type);
        if (t->dims[t->rank - 1] % block)
            return glia_fail_at(
                p->e, GLIA_E_FORMAT, "G0316", t->info_offset,
                "tensor '%.64s' is %s in rows of %lld, which is no multiple of the block of %d", t->name,
                name, (long long)t->dims[t->rank - 1], block);
        t->bytes = t->dims[t->rank - 1] / block;
        bool fits = glia_mul(t->bytes, block_bytes, &t->bytes);
        for (int i = 0; i < t->rank - 1; i++) fits = fits && glia_mul(t->bytes, t->dims[i], &t->bytes);
        if (!fits)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0315", t->info_offset,
                                "the size of tensor '%.64s' is beyond 2^63 bytes", t->name);
    }
    uint64_t offset = glia_read_u64(&p->r);
    if (offset > INT64_MAX)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0317", p->r.at - 8,
                            "tensor '%.64s' begins at %llu, beyond the file", t->name,
                            (unsigned long long)offset);
    if ((int64_t)offset % p->g->alignment)
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0319", p->r.at - 8,
                            "tensor '%.64s' begins at %llu, which is no multiple of the alignment %lld",
                            t->name, (unsigned long long)offset, (long long)p->g->alignment);
    t->offset = (int64_t)offset;
    return GLIA_OK;
}

static glia_status read_tensors(parser *p)
{
    glia_gguf *g = p->g;
    glia_status s = need(p, g->tensor_count * TENSOR_BYTES_MIN, "the list of tensors");
    if (s) return s;
    g->tensors = GLIA_NEW_ARRAY(&g->arena, glia_gguf_tensor, g->tensor_count);
    if (!g->tensors) return out_of_memory(p, "tensors", g->tensor_count);
    for (int64_t i = 0; i < g->tensor_count; i++) {
        s = read_tensor(p, &g->tensors[i]);
        if (s) return s;
    }
    g->tensors_by_name = glia_gguf_by_name(g);
    if (!g->tensors_by_name) return out_of_memory(p, "tensors", g->tensor_count);
    for (int64_t i = 1; i < g->tensor_count; i++) {
        const glia_gguf_tensor *a = &g->tensors[g->tensors_by_name[i - 1]],
                               *b = &g->tensors[g->tensors_by_name[i]];
        if (strcmp(a->name, b->name) == 0)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0320", glia_max(a->info_offset, b->info_offset),
                                "the tensor '%.64s' is there twice", a->name);
    }
    return GLIA_OK;
}

/* Makes offsets absolute; every tensor must lie within the file and apart from the others. */
static glia_status place_tensors(parser *p)
{
    glia_gguf *g = p->g;
    int64_t end;
    if (!glia_round_up(p->r.at, g->alignment, &g->data_offset))
        return glia_fail(p->e, GLIA_E_INTERNAL, "G0303", "the header's end wraps");
    for (int64_t i = 0; i < g->tensor_count; i++) {
        glia_gguf_tensor *t = &g->tensors[i];
        int64_t bytes = glia_max(t->bytes, 0); /* of an unknown type only the beginning can be checked */
        if (!glia_add(g->data_offset, t->offset, &t->offset) || !glia_add(t->offset, bytes, &end) ||
            end > g->file_bytes)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0317", t->info_offset,
                                "tensor '%.64s' needs %lld bytes at %lld, beyond the end of the file at %lld",
                                t->name, (long long)bytes, (long long)t->offset, (long long)g->file_bytes);
    }
    int32_t *by_offset = sorted(g, g->tensor_count, offset_less);
    if (!by_offset) return out_of_memory(p, "tensors", g->tensor_count);
    for (int64_t i = 1; i < g->tensor_count; i++) {
        const glia_gguf_tensor *a = &g->tensors[by_offset[i - 1]], *b = &g->tensors[by_offset[i]];
        if (a->offset + glia_max(a->bytes, 1) > b->offset)
            return glia_fail_at(p->e, GLIA_E_FORMAT, "G0318", glia_max(a->info_offset, b->info_offset),
                                "tensors '%.64s' and '%.64s' overlap at %lld", a->name, b->name,
                                (long long)b->offset);
    }
    return GLIA_OK;
}

/* What else begins with letters that tell it. */
static const char *other_kind(const uint8_t magic[4])
{
    static const struct {
        char magic[5];
        const char *what;
    } others[] = {{"lmgg", ": it is of a format before GGUF (ggml)"},
                  {"fmgg", ": it is of a format before GGUF (ggmf)"},
                  {"tjgg", ": it is of a format before GGUF (ggjt)"},
                  {"algg", ": it is an adapter of a format before GGUF (ggla)"},
                  {"PK\3\4", ": it is a ZIP archive, as PyTorch writes checkpoints"}};
    for (int i = 0; i < GLIA_COUNT(others); i++)
        if (!memcmp(magic, others[i].magic, 4)) return others[i].what;
    return "";
}

static glia_status read_magic(parser *p)
{
    glia_status s = need(p, 8, "the magic and the version");
    if (s) return s;
    const uint8_t *magic = glia_read_bytes(&p->r, 4);
    if (memcmp(magic, "GGUF", 4))
        return glia_fail_at(p->e, GLIA_E_FORMAT, "G0301", 0,
                            "not a GGUF file: it begins with %02x %02x %02x %02x%s", magic[0], magic[1],
                            magic[2], magic[3], other_kind(magic));
    uint32_t version = glia_read_u32(&p->r);
    if (version == 2 || version == 3) {
        p->g->version = (int)version;
        return GLIA_OK;
    }
    if (version && (version & 0xffff) == 0)
        return glia_fail_at(p->e, GLIA_E_UNSUPPORTED, "G0302", 4, "a big-endian GGUF file");
    return glia_fail_at(p->e, GLIA_E_UNSUPPORTED, "G0302", 4, "GGUF version %u; versions 2 and 3 are read",
                        version);
}

static glia_status parse_header(parser *p)
{
    glia_gguf *g = p->g;
    glia_status s = read_magic(p);
    if (!s) s = read_count(p, "tensors", TENSOR_BYTES_MIN, g->limits.tensors, &g->tensor_count);
    if (!s) s = read_count(p, "keys", VALUE_BYTES_MIN, g->limits.keys, &g->value_count);
    if (!s) s = read_values(p);
    if (!s) s = read_alignment(p);
    if (!s) s = read_tensors(p);
    if (!s) s = place_tensors(p);
    return s;
}

/* Parses what is in memory; *more is set where that was too little. */
static glia_status parse(glia_gguf *g, bool *more, glia_error *e)
{
    parser p = {g, glia_reader_make(g->memory, glia_min(g->memory_bytes, g->limits.header_bytes)), false, e};
    glia_status s = parse_header(&p);
    *more = p.more;
    if (!s && p.r.failed)
        return glia_fail_at(e, GLIA_E_INTERNAL, "G0303", p.r.at, "a read that was not checked");
    return s;
}

glia_gguf *glia_gguf_create(const glia_os *os, const glia_gguf_limits *limits, glia_error *e)
{
    static const glia_gguf_limits defaults = {(int64_t)256 << 20, 65536, 65536, (int64_t)64 << 20,
                                              (int64_t)16 << 20};
    if (!os) os = glia_os_default();
    glia_gguf *g = glia_file_memory(os, sizeof *g, "a GGUF reader", e);
    if (!g) return NULL;
    g->os = os;
    g->limits = limits ? *limits : defaults;
    /* The counts of a file are held in 32 bits here. */
    if (g->limits.header_bytes <= 0) g->limits.header_bytes = defaults.header_bytes;
    if (g->limits.tensors <= 0 || g->limits.tensors > INT32_MAX) g->limits.tensors = defaults.tensors;
    if (g->limits.keys <= 0 || g->limits.keys > INT32_MAX) g->limits.keys = defaults.keys;
    if (g->limits.string_bytes <= 0) g->limits.string_bytes = defaults.string_bytes;
    if (g->limits.array_elements <= 0) g->limits.array_elements = defaults.array_elements;
    glia_arena_init(&g->arena, os, 0);
    return g;
}

void glia_gguf_close(glia_gguf *g)
{
    if (!g) return;
    const glia_os *os = g->os;
    for (int i = 1; i < g->part_count; i++) glia_gguf_close(g->parts[i]);
    if (g->mapping) os->unmap(os->ctx, g->mapping, (size_t)g->file_bytes);
    if (g->file_open) os->file_close(os->ctx, g->file);
    if (g->owned) os->mem_free(os->ctx, g->owned, (size_t)g->owned_bytes);
    glia_arena_free(&g->arena);
    os->mem_free(os->ctx, g, sizeof *g);
}

/* Brings the first `bytes` of the file into memory. */
static glia_status load(glia_gguf *g, int64_t bytes, glia_error *e)
{
    uint8_t *to = glia_file_memory(g->os, bytes, "a GGUF header", e);
    if (!to) return GLIA_E_NOMEM;
    int64_t old = g->memory_bytes;
    if (old) memcpy(to, g->memory, (size_t)old);
    if (g->owned) g->os->mem_free(g->os->ctx, g->owned, (size_t)g->owned_bytes);
    g->owned = to;
    g->owned_bytes = glia_max(bytes, 1);
    g->memory = to;
    g->memory_bytes = bytes;
    int error = bytes > old ? g->os->file_read(g->os->ctx, g->file, old, to + old, (size_t)(bytes - old)) : 0;
    return error ? glia_fail_at(e, GLIA_E_IO, "G0802", old, "cannot read: %s", glia_file_reason(error))
                 : GLIA_OK;
}

glia_status glia_gguf_open_file(glia_gguf *g, const char *path, glia_error *e)
{
    const glia_os *os = g->os;
    int error = os->file_open(os->ctx, path, GLIA_FILE_READ, &g->file);
    if (error) return glia_fail(e, GLIA_E_IO, "G0802", "cannot open: %s", glia_file_reason(error));
    g->file_open = true;
    error = os->file_size(os->ctx, g->file, &g->file_bytes);
    if (error) return glia_fail(e, GLIA_E_IO, "G0802", "cannot tell its size: %s", glia_file_reason(error));
    int64_t whole = glia_min(g->file_bytes, g->limits.header_bytes);
    for (int64_t piece = glia_min(FIRST_PIECE, whole);;
         piece = piece > whole / GROWTH ? whole : GROWTH * piece) {
        glia_status s = load(g, piece, e);
        if (s) return s;
        bool more;
        s = parse(g, &more, e);
        if (!more) return s;
        glia_arena_free(&g->arena);
        if (piece == whole) return glia_fail(e, GLIA_E_INTERNAL, "G0303", "the header has no end");
    }
}

glia_status glia_gguf_open(const glia_os *os, const char *path, const glia_gguf_limits *limits,
                           glia_gguf **out, glia_error *e)
{
    *out = NULL;
    glia_error_clear(e);
    if (!path) return glia_fail(e, GLIA_E_ARG, "G0802", "no path");
    glia_gguf *g = glia_gguf_create(os, limits, e);
    if (!g) return GLIA_E_NOMEM;
    glia_file_name(path, g->file_name, sizeof g->file_name);
    glia_status s = glia_gguf_open_file(g, path, e);
    if (!s) s = glia_gguf_join(g, path, e);
    if (s) {
        glia_error_context(e, "%.512s", path);
        glia_gguf_close(g);
        return s;
    }
    *out = g;
    return GLIA_OK;
}

glia_status glia_gguf_parse(const glia_os *os, const void *data, int64_t header_available, int64_t file_size,
                            const glia_gguf_limits *limits, glia_gguf **out, glia_error *e)
{
    *out = NULL;
    glia_error_clear(e);
    if (header_available < 0 || file_size < header_available || (!data && header_available))
        return glia_fail(e, GLIA_E_ARG, "G0303", "%lld bytes of a file of %lld", (long long)header_available,
                         (long long)file_size);
    glia_gguf *g = glia_gguf_create(os, limits, e);
    if (!g) return GLIA_E_NOMEM;
    glia_file_name("memory", g->file_name, sizeof g->file_name);
    g->memory = data;
    g->memory_bytes = header_available;
    g->file_bytes = file_size;
    bool more;
    glia_status s = parse(g, &more, e);
    if (more)
        s = glia_fail_at(e, GLIA_E_FORMAT, "G0303", header_available,
                         "the header goes on behind the %lld bytes given", (long long)header_available);
    if (s) {
        glia_gguf_close(g);
        return s;
    }
    *out = g;
    return GLIA_OK;
}

const char *glia_gguf_file_name(const glia_gguf *g) { return g->file_name; }
int glia_gguf_version(const glia_gguf *g) { return g->version; }
int64_t glia_gguf_alignment(const glia_gguf *g) { return g->alignment; }
int64_t glia_gguf_data_offset(const glia_gguf *g) { return g->data_offset; }
int64_t glia_gguf_count(const glia_gguf *g) { return g->value_count; }
int64_t glia_gguf_tensor_count(const glia_gguf *g) { return g->tensor_count; }

int64_t glia_gguf_file_bytes(const glia_gguf *g)
{
    int64_t bytes = g->file_bytes;
    for (int i = 1; i < g->part_count; i++) bytes += g->parts[i]->file_bytes;
    return bytes;
}

int glia_gguf_part_count(const glia_gguf *g) { return g->part_count ? g->part_count : 1; }

const char *glia_gguf_tensor_file(const glia_gguf *g, const glia_gguf_tensor *t)
{
    return glia_gguf_part_of(g, t)->file_name;
}

const glia_gguf_value *glia_gguf_at(const glia_gguf *g, int64_t i)
{
    return i >= 0 && i < g->value_count ? &g->values[i] : NULL;
}

const glia_gguf_tensor *glia_gguf_tensor_at(const glia_gguf *g, int64_t i)
{
    return i >= 0 && i < g->tensor_count ? &g->tensors[i] : NULL;
}

const glia_gguf_value *glia_gguf_find(const glia_gguf *g, const char *key)
{
    int64_t low = 0, high = g->value_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const glia_gguf_value *v = &g->values[g->values_by_key[middle]];
        int order = strcmp(key, v->key);
        if (order == 0) return v;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

const glia_gguf_tensor *glia_gguf_tensor_find(const glia_gguf *g, const char *name)
{
    int64_t low = 0, high = g->tensor_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const glia_gguf_tensor *t = &g->tensors[g->tensors_by_name[middle]];
        int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

glia_status glia_gguf_read(const glia_gguf *g, const glia_gguf_tensor *t, int64_t byte_begin, int64_t bytes,
                           void *to, glia_error *e)
{
    int64_t end;
    if (!t->dtype)
        return glia_fail_at(e, GLIA_E_UNSUPPORTED, "G0323", t->info_offset,
                            "tensor '%.64s' has the type %d (%s), which is not built here: %s", t->name,
                            t->gguf_type, glia_gguf_tensor_type_name(t->gguf_type),
                            glia_gguf_tensor_type_reason(t->gguf_type));
    if (!glia_add(byte_begin, bytes, &end) || end > t->bytes)
        return glia_fail(e, GLIA_E_ARG, "G0325", "%lld bytes at %lld of tensor '%.64s', which has %lld",
                         (long long)bytes, (long long)byte_begin, t->name, (long long)t->bytes);
    if (bytes == 0) return GLIA_OK;
    g = glia_gguf_part_of(g, t);
    int64_t begin = t->offset + byte_begin; /* within the file: checked when it was placed */
    if (begin + bytes <= g->memory_bytes) {
        memcpy(to, g->memory + begin, (size_t)bytes);
        return GLIA_OK;
    }
    if (!g->file_open)
        return glia_fail_at(e, GLIA_E_IO, "G0802", begin,
                            "tensor '%.64s' is not in the memory that was given", t->name);
    int error = g->os->file_read(g->os->ctx, g->file, begin, to, (size_t)bytes);
    if (error)
        return glia_fail_at(e, GLIA_E_IO, "G0802", begin, "tensor '%.64s' cannot be read: %s", t->name,
                            glia_file_reason(error));
    return GLIA_OK;
}

glia_status glia_gguf_map(glia_gguf *g, const void **data, glia_error *e)
{
    *data = NULL;
    if (g->part_count)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0349", "a model in %d files cannot be mapped as one",
                         g->part_count);
    if (!g->file_open && g->memory_bytes == g->file_bytes) {
        *data = g->memory;
        return GLIA_OK;
    }
    if (!g->mapping && g->file_open) g->mapping = g->os->map(g->os->ctx, g->file, (size_t)g->file_bytes);
    if (!g->mapping)
        return glia_fail(e, GLIA_E_IO, "G0802", "a file of %lld bytes cannot be mapped",
                         (long long)g->file_bytes);
    *data = g->mapping;
    return GLIA_OK;
}
