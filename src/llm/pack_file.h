/* The header of a cached packed file: weights as they lie in memory once a model is open, so that the next
 * start maps them in place of reading and packing. All numbers are little-endian.
 *
 *      0  "GLIAPACK"
 *      8  u32 version of this format     12  u32 bytes a block
 *     16  u64 bytes of the file          24  u64 bytes of the header, its digest included
 *     32  the source's stamp, 32 bytes: its size, time, header and samples (pack.c)
 *     64  the source's content, 32 bytes: SHA-256 over the checksums of all its pieces (pack.c)
 *     96  the layouts, 32 bytes: SHA-256 over what each weight is, where it lies and how its bytes lie
 *    128  the instruction set, 16 bytes, padded with NUL
 *    144  u64 bytes of plain weights    152  u64 of packed ones
 *    160  u64 blocks; then for each block the u64 checksum of its bytes (base/sum64.h)
 *         SHA-256 of all before, 32 bytes
 *
 * Plain weights begin at the next multiple of 4096, packed ones at the next behind them (an empty section
 * takes no room); each section is cut into blocks, the last of which may be short. Nothing in the file is an
 * offset that is followed: where things lie follows from the two sizes, which the reader's own plan has to
 * agree with. */
#ifndef GLIA_LLM_PACK_FILE_H
#define GLIA_LLM_PACK_FILE_H

#include "base/error.h"

#include <stdbool.h>

enum {
    GLIA_PACK_VERSION = 1,
    GLIA_PACK_FIXED = 168, /* bytes before the checksums */
    GLIA_PACK_DIGEST = 32,
    GLIA_PACK_ALIGN = 4096,
#ifdef GLIA_HOSTILE
    GLIA_PACK_BLOCK = 256,
#else
    GLIA_PACK_BLOCK = 1 << 20,
#endif
    GLIA_PACK_HEADER_MAX = 64 << 20
};

typedef struct glia_pack_header {
    int64_t file_bytes, header_bytes, blocks;
    int64_t bytes[2], offset[2], first_block[2]; /* of plain and of packed weights */
    uint8_t stamp[GLIA_PACK_DIGEST], content[GLIA_PACK_DIGEST], layouts[GLIA_PACK_DIGEST];
    char isa[16];
} glia_pack_header;

typedef struct glia_pack_block { /* a piece of a section */
    int section;                 /* 0: plain, 1: packed */
    int64_t begin, bytes;        /* within its section */
    int64_t offset;              /* in the file */
} glia_pack_block;

/* Fills in what follows from bytes[]; false if it cannot be represented. */
bool glia_pack_lay_out(glia_pack_header *h);
glia_pack_block glia_pack_block_at(const glia_pack_header *h, int64_t i);
/* The header as bytes [header_bytes]; sums [blocks]. */
void glia_pack_header_write(const glia_pack_header *h, const uint64_t *sums, uint8_t *to);

/* How many bytes the header has, from the first GLIA_PACK_FIXED bytes of a file of so many bytes;
 * `available`: what there is of them. GLIA_E_FORMAT (G0560: none, cut, or contradicting itself),
 * GLIA_E_UNSUPPORTED (G0561: another version). */
glia_status glia_pack_header_size(const uint8_t *bytes, int64_t available, int64_t file_bytes, int64_t *out,
                                  glia_error *e);
/* The header itself, bytes [size], size as glia_pack_header_size says. GLIA_E_FORMAT (G0560). */
glia_status glia_pack_header_read(const uint8_t *bytes, int64_t size, int64_t file_bytes,
                                  glia_pack_header *out, glia_error *e);
/* The checksum of block i, in the bytes of a header that was read. */
uint64_t glia_pack_header_sum(const uint8_t *bytes, int64_t i);

#endif
