/* The reader of the .glia container's frame; see container.h. */
#include "format/container.h"

#include "base/check.h"
#include "base/error.h"
#include "base/sum64.h"

#include <string.h>

enum { HEADER = 32, ENTRY = 32, VERSION = 1 };

static const uint8_t magic[8] = {0x89, 'G', 'L', 'I', 'A', 0x0d, 0x0a, 0x1a};

bool glia_container_is(const void *data, int64_t size)
{
    return size >= (int64_t)sizeof magic && !memcmp(data, magic, sizeof magic);
}

static glia_status damaged(glia_error *e, const char *what)
{
    return glia_fail(e, GLIA_E_FORMAT, "G0241", "a .glia file is damaged: %s", what);
}

/* One section; `end`: where the one before it ends. */
static glia_status take_section(glia_reader *r, const uint8_t *file, int64_t size, int64_t *end,
                                glia_container *out, glia_error *e)
{
    const uint32_t kind = glia_read_u32(r), zero = glia_read_u32(r);
    const uint64_t offset = glia_read_u64(r), bytes = glia_read_u64(r), sum = glia_read_u64(r);
    int64_t begin;
    if (zero) return damaged(e, "a reserved field of a section is not zero");
    if (!glia_round_up(*end, GLIA_CONTAINER_ALIGN, &begin) || offset != (uint64_t)begin || begin > size ||
        bytes > (uint64_t)(size - begin))
        return damaged(e, "a section lies outside the file, or not behind the one before it");
    for (int64_t i = *end; i < begin; i++)
        if (file[i]) return damaged(e, "there are bytes between the sections");
    *end = begin + (int64_t)bytes;
    glia_span *to = kind == GLIA_CONTAINER_GRAPH     ? &out->graph
                    : kind == GLIA_CONTAINER_WEIGHTS ? &out->weights
                                                     : NULL;
    if (!to)
        return glia_fail(e, GLIA_E_FORMAT, "G0242", "a .glia file has a section of the unknown kind %lu",
                         (unsigned long)kind);
    if (to->data) return damaged(e, "two sections are of one kind");
    *to = (glia_span){file + begin, (int64_t)bytes};
    if (glia_sum64(to->data, to->size) != sum)
        return glia_fail(e, GLIA_E_FORMAT, "G0243",
                         "the %s of a .glia file has another checksum than it was written with",
                         kind == GLIA_CONTAINER_GRAPH ? "graph" : "weights");
    return GLIA_OK;
}

glia_status glia_container_view(const void *data, int64_t size, glia_container *out, glia_error *e)
{
    glia_reader r = glia_reader_make(data, size);
    *out = (glia_container){{0, 0}, {0, 0}};
    if (!glia_container_is(data, size))
        return glia_fail(e, GLIA_E_FORMAT, "G0240", "not a .glia file: it begins with other bytes");
    glia_read_bytes(&r, sizeof magic);
    const uint32_t version = glia_read_u32(&r), count = glia_read_u32(&r);
    const uint64_t all = glia_read_u64(&r), sum = glia_read_u64(&r);
    if (r.failed) return damaged(e, "it ends within its header");
    if (version != VERSION)
        return glia_fail(e, GLIA_E_FORMAT, "G0240",
                         "a .glia file of version %lu; this program reads version %d", (unsigned long)version,
                         VERSION);
    if (count < 1 || count > GLIA_CONTAINER_SECTIONS)
        return damaged(e, "the number of sections is out of range");
    if (all != (uint64_t)size) return damaged(e, "it has another size than it was written with");
    int64_t end = HEADER + (int64_t)count * ENTRY;
    if (end > size) return damaged(e, "it ends within its table");
    if (glia_sum64((const uint8_t *)data + HEADER, end - HEADER) != sum)
        return damaged(e, "its table has another checksum");
    glia_status s = GLIA_OK;
    for (uint32_t i = 0; i < count && !s; i++) s = take_section(&r, data, size, &end, out, e);
    if (!s && end != size) s = damaged(e, "bytes follow the last section");
    if (!s && !out->graph.data) s = damaged(e, "it has no graph");
    return s;
}
