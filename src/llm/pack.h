/* The cached packed file of a model: finding, checking and using it, and making it. pack_file.h has its form.
 *
 * A file is used when its header is whole, was made from this source (the stamp: sizes, times of change,
 * headers and samples of the source's files) for these layouts and this instruction set, and all of its
 * blocks have their checksums; the whole file is read for that, which also faults it in. It is then mapped,
 * read-only and private, or copied into memory of the process (GLIA_PACK_COPY). A file that is refused is
 * made anew.
 *
 * Traps: what the layouts' bytes mean is not written down as a number that somebody must remember to raise,
 * but found out: a small tensor is packed in each layout that the plan uses, and the result is part of the
 * digest. A mapped file that another process cuts ends this one (SIGBUS); ours are only ever replaced whole,
 * by rename. */
#ifndef GLIA_LLM_PACK_H
#define GLIA_LLM_PACK_H

#include "base/arena.h"

#include <glia/model.h>

typedef struct glia_pack {
    glia_arena arena; /* while `path` is set */
    glia_pack_use use;
    glia_error why;   /* why a file was refused, or none could be made */
    const char *path; /* null: no folder was given */
    uint8_t stamp[32], layouts[32];
    char isa[16];
    void *map; /* the whole file */
    int64_t map_bytes;
} glia_pack;

/* Opens the model's file in options.pack_cache, if there is one that can be used; `load`: and puts the
 * weights in their places, m->weights and m->packed. A file that cannot be used is no failure; GLIA_E_NOMEM.
 */
glia_status glia_pack_open(glia_model *m, bool load, glia_error *e);
/* Writes the file from the weights of a model that was loaded in another way. */
void glia_pack_make(glia_model *m);
void glia_pack_close(glia_model *m);

#endif
