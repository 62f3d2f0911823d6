/* A growing bump allocator over an os table: many allocations, one free.
 *
 * Not thread-safe. Memory is zeroed. In debug builds (GLIA_DEBUG) every allocation is
 * followed by a redzone that arena_free and arena_check verify, and ASan poisons the rest. */
#ifndef GLIA_BASE_ARENA_H
#define GLIA_BASE_ARENA_H

#include <glia/os.h>
#include <stdbool.h>

typedef struct glia_arena_block glia_arena_block;

typedef struct glia_arena {
    const glia_os *os;
    glia_arena_block *last; /* newest block; each points at the one before */
    int64_t used;           /* bytes taken from the os */
    int64_t limit;          /* the most that may be taken; 0: no limit */
    bool failed;            /* some allocation was refused */
} glia_arena;

/* os null: the default table. Takes no memory yet. */
void glia_arena_init(glia_arena *a, const glia_os *os, int64_t limit);

/* Zeroed bytes (0 is allowed and gives a unique pointer); align is a power of two up to 64.
 * Null when the os or the limit refuses. */
void *glia_arena_alloc(glia_arena *a, int64_t bytes, int64_t align);

/* count objects of `size` bytes, with the product checked. */
void *glia_arena_array(glia_arena *a, int64_t count, int64_t size, int64_t align);
#define GLIA_NEW(arena, type) ((type *)glia_arena_alloc(arena, sizeof(type), _Alignof(type)))
#define GLIA_NEW_ARRAY(arena, type, n) ((type *)glia_arena_array(arena, n, sizeof(type), _Alignof(type)))

/* Copies, NUL-terminated. */
char *glia_arena_strdup(glia_arena *a, const char *s);
char *glia_arena_strndup(glia_arena *a, const char *s, int64_t len);
char *glia_arena_printf(glia_arena *a, const char *format, ...) GLIA_PRINTF(2, 3);

/* Makes room for one more element in an array that lives in the arena: returns the array
 * (moved when it had to grow, the old one stays until the arena goes), or null.
 * *capacity is updated. */
void *glia_arena_grow(glia_arena *a, void *array, int64_t count, int64_t *capacity, int64_t size);

/* False when a redzone was overwritten (always true in release builds). */
bool glia_arena_check(const glia_arena *a);

/* Gives everything back. The arena can be used again. */
void glia_arena_free(glia_arena *a);

#endif
