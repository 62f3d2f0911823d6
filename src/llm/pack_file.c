/* See pack_file.h: header to bytes and back. */
#include "llm/pack_file.h"

#include "base/check.h"
#include "base/reader.h"
#include "base/sha256.h"

#include <string.h>

static const char magic[8] = {'G', 'L', 'I', 'A', 'P', 'A', 'C', 'K'};

bool glia_pack_lay_out(glia_pack_header *h)
{
    int64_t at;
    h->blocks = 0;
    for (int i = 0; i < 2; i++) {
        if (h->bytes[i] < 0) return false;
        h->first_block[i] = h->blocks;
        h->blocks += h->bytes[i] / GLIA_PACK_BLOCK + (h->bytes[i] % GLIA_PACK_BLOCK != 0);
    }
    if (!glia_mul(h->blocks, 8, &h->header_bytes)) return false;
    if (!glia_add(h->header_bytes, GLIA_PACK_FIXED + GLIA_PACK_DIGEST, &h->header_bytes)) return false;
    at = h->header_bytes;
    for (int i = 0; i < 2; i++) {
        h->offset[i] = at;
        if (h->bytes[i] && !glia_round_up(at, GLIA_PACK_ALIGN, &h->offset[i])) return false;
        if (!glia_add(h->offset[i], h->bytes[i], &at)) return false;
    }
    h->file_bytes = at;
    return h->header_bytes <= GLIA_PACK_HEADER_MAX;
}

glia_pack_block glia_pack_block_at(const glia_pack_header *h, int64_t i)
{
    glia_pack_block b = {.section = i >= h->first_block[1]};
    b.begin = (i - h->first_block[b.section]) * GLIA_PACK_BLOCK;
    b.bytes = glia_min(GLIA_PACK_BLOCK, h->bytes[b.section] - b.begin);
    b.offset = h->offset[b.section] + b.begin;
    return b;
}

static void put(uint8_t **to, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) *(*to)++ = (uint8_t)(v >> 8 * i);
}

static void put_bytes(uint8_t **to, const void *p, int bytes)
{
    memcpy(*to, p, (size_t)bytes);
    *to += bytes;
}

static void digest_of(const uint8_t *bytes, int64_t size, uint8_t out[GLIA_PACK_DIGEST])
{
    glia_sha256 h;
    glia_sha256_init(&h);
    glia_sha256_add(&h, bytes, size);
    glia_sha256_done(&h, out);
}

void glia_pack_header_write(const glia_pack_header *h, const uint64_t *sums, uint8_t *to)
{
    uint8_t *at = to;
    put_bytes(&at, magic, sizeof magic);
    put(&at, GLIA_PACK_VERSION, 4);
    put(&at, GLIA_PACK_BLOCK, 4);
    put(&at, (uint64_t)h->file_bytes, 8);
    put(&at, (uint64_t)h->header_bytes, 8);
    put_bytes(&at, h->stamp, GLIA_PACK_DIGEST);
    put_bytes(&at, h->content, GLIA_PACK_DIGEST);
    put_bytes(&at, h->layouts, GLIA_PACK_DIGEST);
    put_bytes(&at, h->isa, sizeof h->isa);
    put(&at, (uint64_t)h->bytes[0], 8);
    put(&at, (uint64_t)h->bytes[1], 8);
    put(&at, (uint64_t)h->blocks, 8);
    for (int64_t i = 0; i < h->blocks; i++) put(&at, sums[i], 8);
    digest_of(to, at - to, at);
}

static glia_status damaged(glia_error *e, const char *what)
{
    return glia_fail(e, GLIA_E_FORMAT, "G0560", "%s", what);
}

glia_status glia_pack_header_size(const uint8_t *bytes, int64_t available, int64_t file_bytes, int64_t *out,
                                  glia_error *e)
{
    glia_reader r = glia_reader_make(bytes, available);
    const uint8_t *m = glia_read_bytes(&r, sizeof magic);
    if (!m || memcmp(m, magic, sizeof magic)) return damaged(e, "it is no cached packed file");
    const uint32_t version = glia_read_u32(&r), block = glia_read_u32(&r);
    if (r.failed) return damaged(e, "it ends within its header");
    if (version != GLIA_PACK_VERSION)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0561", "it has version %u of the format; %d is read",
                         version, GLIA_PACK_VERSION);
    const uint64_t file = glia_read_u64(&r), header = glia_read_u64(&r);
    if (r.failed || available < GLIA_PACK_FIXED) return damaged(e, "it ends within its header");
    if (block != GLIA_PACK_BLOCK)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0561", "its blocks have %u bytes; %d are read", block,
                         GLIA_PACK_BLOCK);
    if (file_bytes < 0 || file != (uint64_t)file_bytes)
        return glia_fail(e, GLIA_E_FORMAT, "G0560", "it has %lld bytes and says that it has %llu",
                         (long long)file_bytes, (unsigned long long)file);
    if (header < GLIA_PACK_FIXED + GLIA_PACK_DIGEST || header > file || header > GLIA_PACK_HEADER_MAX)
        return damaged(e, "its header contradicts itself");
    *out = (int64_t)header;
    return GLIA_OK;
}

glia_status glia_pack_header_read(const uint8_t *bytes, int64_t size, int64_t file_bytes,
                                  glia_pack_header *out, glia_error *e)
{
    int64_t header;
    uint8_t digest[GLIA_PACK_DIGEST];
    glia_status s = glia_pack_header_size(bytes, size, file_bytes, &header, e);
    if (s) return s;
    if (header != size) return damaged(e, "it ends within its header");
    digest_of(bytes, size - GLIA_PACK_DIGEST, digest);
    if (memcmp(digest, bytes + size - GLIA_PACK_DIGEST, sizeof digest))
        return damaged(e, "its header is damaged");
    glia_pack_header h = {0};
    glia_reader r = glia_reader_make(bytes, size);
    r.at = 32;
    memcpy(h.stamp, glia_read_bytes(&r, GLIA_PACK_DIGEST), GLIA_PACK_DIGEST);
    memcpy(h.content, glia_read_bytes(&r, GLIA_PACK_DIGEST), GLIA_PACK_DIGEST);
    memcpy(h.layouts, glia_read_bytes(&r, GLIA_PACK_DIGEST), GLIA_PACK_DIGEST);
    memcpy(h.isa, glia_read_bytes(&r, sizeof h.isa), sizeof h.isa);
    const uint64_t plain = glia_read_u64(&r), packed = glia_read_u64(&r), blocks = glia_read_u64(&r);
    if (plain > INT64_MAX || packed > INT64_MAX || h.isa[sizeof h.isa - 1])
        return damaged(e, "its header contradicts itself");
    h.bytes[0] = (int64_t)plain;
    h.bytes[1] = (int64_t)packed;
    if (!glia_pack_lay_out(&h) || h.header_bytes != size || h.file_bytes != file_bytes ||
        blocks != (uint64_t)h.blocks)
        return damaged(e, "its header contradicts itself");
    *out = h;
    return GLIA_OK;
}

uint64_t glia_pack_header_sum(const uint8_t *bytes, int64_t i)
{
    glia_reader r = glia_reader_make(bytes + GLIA_PACK_FIXED + 8 * i, 8);
    return glia_read_u64(&r);
}
