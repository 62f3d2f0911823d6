/* A cache: a pool of pages of 32 tokens that the sequences of its sessions hold, alone or together.
 *
 * A page is *sealed* when its 32 tokens are complete and all pages before it are sealed: it is then found by
 * its tokens and by the page before it, and never written until it is unsealed. Of equal beginnings there is
 * one sealed page. A page that nobody holds keeps its contents, and can be found, until it is needed for
 * something else; the one given back first goes first.
 *
 *     page 7: tokens 0..31  ◄── page 3: tokens 32..63  ◄── page 9 (session 1)
 *                                                      ◄── page 4 (session 2)
 *
 * Finding compares the tokens and the page before; the hash only says where to look. The page before is named
 * by its number and the serial that it got when it was sealed, so one that was overwritten cannot be
 * mistaken. A sequence that holds a sealed page holds the one before it too.
 *
 * What pages contain is opaque here: a share of each of the plan's states, whose first axis counts pages.
 * Refused: plans with a state that is not kept in pages. Functions lock for tens of instructions a page;
 * copying and clearing contents happens outside the lock, by whoever alone holds the page. */
#ifndef GLIA_LLM_CACHE_H
#define GLIA_LLM_CACHE_H

#include "llm/arch.h"

#include <glia/model.h>
#include <stdatomic.h>

typedef struct glia_page {
    int32_t refs;           /* sequences that hold it */
    int32_t before;         /* sealed: the page before, -1 for a first one */
    int32_t bucket_next;    /* sealed: the next in its bucket, -1 ends */
    int32_t prev, next;     /* free: its neighbours in the list, -1 ends */
    bool foreign;           /* its contents came from a snapshot: never sealed */
    uint64_t serial;        /* sealed: when; else 0 */
    uint64_t before_serial; /* sealed: serial of the page before */
    uint64_t hash;          /* sealed: of the serial before and the tokens */
    int32_t ids[GLIA_PAGE_TOKENS];
} glia_page;

struct glia_cache {
    glia_model *m;
    _Atomic uint32_t lock;
    uint8_t *state;
    glia_page *pages;
    int32_t *buckets; /* [bucket_count], -1: empty */
    int32_t page_count, bucket_count;
    int32_t free_first, free_last, free_count; /* taken from the first */
    uint64_t serials;
    int64_t page_bytes; /* of all states together */
};

/* Bytes of a cache's tables; its pages are the plan's states. */
int64_t glia_cache_table_bytes(const glia_model *m);
/* GLIA_E_UNSUPPORTED (G0720) if the plan has a state that is not kept in pages. */
glia_status glia_cache_check(const glia_model *m, glia_error *e);

void glia_cache_lock(glia_cache *c);
void glia_cache_unlock(glia_cache *c);

/* ---- with the lock held ---------------------------------------------------------------------------- */
/* A free page, held once, its contents left as they are; there must be one. */
int32_t glia_cache_take(glia_cache *c);
/* Holds a page once more, be it free or held. */
void glia_cache_hold(glia_cache *c, int32_t page);
void glia_cache_let_go(glia_cache *c, int32_t page);
/* The sealed page of these 32 ids behind `before` (-1: none before), or -1. */
int32_t glia_cache_find(const glia_cache *c, int32_t before, const int32_t *ids);
/* The complete page behind `before` is sealed, if that is allowed; returns the page to hold from now on: it,
 * or the one of the same tokens that is sealed already, which is then held in its place. */
int32_t glia_cache_seal(glia_cache *c, int32_t page, int32_t before, const int32_t *ids);
/* Not found any more; about to be written by its one holder. */
void glia_cache_unseal(glia_cache *c, int32_t page);

/* ---- contents, by the one holder -------------------------------------------------------------------- */
void glia_cache_copy(glia_cache *c, int32_t to, int32_t from);
void glia_cache_clear(glia_cache *c, int32_t page);
/* All states' shares one after the other, page_bytes. */
void glia_cache_page_out(const glia_cache *c, int32_t page, uint8_t *to);
void glia_cache_page_in(glia_cache *c, int32_t page, const uint8_t *from);

#endif
