/* Attention over plain tensors: what the reference and the vector kernels of sdpa and sdpa_tokens share. */
#ifndef GLIA_OPS_SDPA_H
#define GLIA_OPS_SDPA_H

#include "base/check.h"
#include "graph/op.h"

enum {
    GLIA_SDPA_CHUNK = 256, /* keys */
    GLIA_SDPA_SET = 12     /* queries that share a pass over a chunk, at most */
};

typedef struct glia_sdpa { /* sizes, and elements between two heads and two rows */
    int64_t heads, groups, rows, keys, d, e, past;
    int64_t q_head, q_row, k_head, k_row, v_head, v_row, y_head, y_row;
    int64_t mask[4]; /* strides against [b, h, t, s] */
    float scale, cap;
    bool causal;
} glia_sdpa;

void glia_sdpa_read(const glia_kargs *k, bool tokens, glia_sdpa *s);

/* So many first keys are seen by query t. */
static inline int64_t glia_sdpa_seen(const glia_sdpa *s, int64_t t)
{
    return s->causal ? glia_max(glia_min(t + s->past + 1, s->keys), 0) : s->keys;
}

/* Floats of scratch for heads of `d` at the most. */
static inline int64_t glia_sdpa_room(int64_t d)
{
    const int64_t pitch = (d + 15) / 16 * 16;
    return 2 * GLIA_SDPA_CHUNK * pitch + 3 * GLIA_SDPA_SET * (GLIA_SDPA_CHUNK + 16) + 256;
}

#endif
