/* Importance matrices: for each matrix of a model, how much each of its columns matters, as the mean square
 * of the inputs that it met on some text. Two kinds of files hold them:
 *
 *     GGUF   tensors NAME.in_sum2 f32 [experts, k] and NAME.counts f32 [experts, 1]
 *     .dat   i32 entries; for each: i32 n, the name, i32 calls, i32 count, f32 sums[count]; then i32 the last
 * call, i32 n, the name of the text
 *
 * Values are sums over counts; where nothing was counted, 1. Refused: negative and non-finite values, names
 * that repeat, sizes beyond the file. */
#ifndef GLIA_LLM_IMATRIX_H
#define GLIA_LLM_IMATRIX_H

#include "base/arena.h"
#include "base/error.h"

typedef struct glia_imatrix_entry {
    const char *name; /* of the weight: "blk.0.attn_q.weight" */
    int64_t count;    /* columns, or columns times experts */
    const float *values;
} glia_imatrix_entry;

typedef struct glia_imatrix {
    glia_arena arena;
    glia_imatrix_entry *entries; /* in the order of their names */
    int64_t count;
    const char *text; /* the name of the text it was made from; "" if unknown */
    int64_t chunks;   /* of that text */
} glia_imatrix;

/* GLIA_E_FORMAT (G0523), GLIA_E_IO, GLIA_E_LIMIT, GLIA_E_NOMEM. On error there is nothing to free. */
glia_status glia_imatrix_load(const glia_os *os, const char *path, glia_imatrix *out, glia_error *e);
void glia_imatrix_free(glia_imatrix *m);
/* Null if there is none. */
const glia_imatrix_entry *glia_imatrix_find(const glia_imatrix *m, const char *name);

#endif
