/* The files that a model consists of, as bytes: what a cache of derived data is checked against. */
#include "format/gguf_internal.h"

#include "base/check.h"
#include "base/error.h"
#include "format/file.h"

#include <stddef.h>
#include <string.h>

static const glia_gguf *part_at(const glia_gguf *g, int part)
{
    return part >= 0 && part < g->part_count ? g->parts[part] : part ? NULL : g;
}

int64_t glia_gguf_part_bytes(const glia_gguf *g, int part)
{
    const glia_gguf *p = part_at(g, part);
    return p ? p->file_bytes : 0;
}

int64_t glia_gguf_part_time(const glia_gguf *g, int part)
{
    const glia_gguf *p = part_at(g, part);
    int64_t time = 0;
    if (!p || !p->file_open || p->os->size < offsetof(glia_os, file_time) + sizeof p->os->file_time) return 0;
    if (!p->os->file_time || p->os->file_time(p->os->ctx, p->file, &time)) return 0;
    return time;
}

glia_status glia_gguf_part_read(const glia_gguf *g, int part, int64_t begin, int64_t bytes, void *to,
                                glia_error *e)
{
    int64_t end;
    const glia_gguf *p = part_at(g, part);
    if (!p || !glia_add(begin, bytes, &end) || end > p->file_bytes)
        return glia_fail(e, GLIA_E_ARG, "G0325", "%lld bytes at %lld of part %d, which are not there",
                         (long long)bytes, (long long)begin, part + 1);
    if (!bytes) return GLIA_OK;
    if (end <= p->memory_bytes) {
        memcpy(to, p->memory + begin, (size_t)bytes);
        return GLIA_OK;
    }
    int error = p->file_open ? p->os->file_read(p->os->ctx, p->file, begin, to, (size_t)bytes) : -1;
    if (!error) return GLIA_OK;
    return glia_fail_at(e, GLIA_E_IO, "G0802", begin, "%s cannot be read: %s", p->file_name,
                        p->file_open ? glia_file_reason(error) : "it is not in the memory that was given");
}
