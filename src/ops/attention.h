/* Blocks in pages of Q8_0, for the ops over pages and their kernels; the layout is told in attention.c. */
#ifndef GLIA_OPS_ATTENTION_H
#define GLIA_OPS_ATTENTION_H

#include <string.h>

#include "tensor/dtype.h"

#define GLIA_PAGE_BLOCK 32       /* dims that share a scale */
#define GLIA_PAGE_BLOCK_BYTES 34 /* a scale in F16 and 32 int8 */

/* 32 dims of one position. */
typedef struct glia_page_block {
    uint8_t *scale; /* F16, unaligned */
    int8_t *q;
    int64_t stride; /* from one dim to the next */
} glia_page_block;

/* head: page * groups + group; d dims and `slots` positions a page; b: which 32 dims. */
static inline glia_page_block glia_page_key(void *pages, int64_t head, int64_t slot, int64_t slots, int64_t d,
                                            int64_t b)
{
    uint8_t *at = (uint8_t *)pages + (head * (d / GLIA_PAGE_BLOCK) + b) * slots * GLIA_PAGE_BLOCK_BYTES;
    return (glia_page_block){at + 2 * slot, (int8_t *)at + 2 * slots + slot, slots};
}

static inline glia_page_block glia_page_value(void *pages, int64_t head, int64_t slot, int64_t slots,
                                              int64_t d, int64_t b)
{
    uint8_t *at =
        (uint8_t *)pages + ((head * slots + slot) * (d / GLIA_PAGE_BLOCK) + b) * GLIA_PAGE_BLOCK_BYTES;
    return (glia_page_block){at, (int8_t *)at + 2, 1};
}

/* Scratch of attend, in floats, for heads of d: kernels widen a chunk's keys and values into it, and keep q,
 * p and o of a set of queries there. Longer heads are the reference's. */
#define GLIA_ATTEND_CHUNK 256
#define GLIA_ATTEND_HEAD_MAX 256
#define GLIA_ATTEND_SET 12
static inline int64_t glia_attend_room(int64_t d)
{
    const int64_t pitch = (d + 15) / 16 * 16;
    return d > GLIA_ATTEND_HEAD_MAX ? 0
                                    : GLIA_ATTEND_CHUNK * (2 * pitch + pitch / GLIA_PAGE_BLOCK + 1) +
                                          3 * GLIA_ATTEND_SET * (GLIA_ATTEND_HEAD_MAX + 16);
}

static inline float glia_page_scale(const glia_page_block *b)
{
    uint16_t h;
    memcpy(&h, b->scale, sizeof h);
    return glia_f16_to_f32(h);
}

#endif
