/* The arena: a list of blocks from the os table, each filled from its start.
 *
 * Release:  | block | a | b | c | free ...
 * Debug:    | block | record a, a, zone | record b, b, zone | free ...
 *
 * In debug builds a zone of ZONE bytes follows every allocation (longer when padding is needed). Under ASan
 * the zones and the free rest are poisoned. Hostile builds take one os block per allocation. */
#include "arena.h"
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define UNCHECKED __attribute__((no_sanitize("address")))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define UNCHECKED
#endif

#define BLOCK_ALIGN 64
#define BLOCK_FIRST 4096
#define BLOCK_MOST (1 << 20)

#ifdef GLIA_DEBUG
#define ZONE 16
#else
#define ZONE 0
#endif
#define ZONE_BYTE 0xFD

/* In debug builds, in front of each allocation. */
typedef struct record {
    struct record *before;
    uint8_t *zone;
    int64_t zone_bytes;
} record;

struct glia_arena_block {
    glia_arena_block *before;
    int64_t bytes; /* of the whole block, as asked of the os */
    int64_t used;  /* bytes from the block's start */
    record *last;  /* newest record; null in release builds */
};

void glia_arena_init(glia_arena *a, const glia_os *os, int64_t limit)
{
    memset(a, 0, sizeof *a);
    a->os = os ? os : glia_os_default();
    a->limit = limit;
}

/* Where `bytes` would start in a block filled up to `used`, and where they would end with their zone. */
static bool place(int64_t used, int64_t bytes, int64_t align, int64_t *begin, int64_t *end)
{
    if (ZONE && !glia_add(used, (int64_t)sizeof(record), &used)) return false;
    if (!glia_round_up(used, align, begin)) return false;
    if (!glia_add(*begin, bytes ? bytes : 1, end) || !glia_add(*end, ZONE, end)) return false;
    return glia_round_up(*end, (int64_t) _Alignof(record), end);
}

/* A new block with room for `need` bytes in all, the header included. A block of one large allocation
 * goes behind the newest, whose free rest stays in use. */
static glia_arena_block *block_new(glia_arena *a, int64_t need)
{
    int64_t size = BLOCK_FIRST, total;
    bool alone = false;
    if (a->last) size = glia_min(glia_max(a->last->bytes, BLOCK_FIRST / 2) * 2, BLOCK_MOST);
    if (size < need) {
        size = need;
        alone = a->last != NULL;
    }
#ifdef GLIA_HOSTILE
    size = need;
    alone = false;
#endif
    if (a->limit && (!glia_add(a->used, size, &total) || total > a->limit)) size = need;
    if (!glia_add(a->used, size, &total) || (a->limit && total > a->limit)) return NULL;
    if ((uint64_t)size > SIZE_MAX) return NULL;
    glia_arena_block *b = a->os->mem_alloc(a->os->ctx, (size_t)size, BLOCK_ALIGN);
    if (!b) return NULL;
    b->bytes = size;
    b->used = sizeof *b;
    if (alone) {
        b->before = a->last->before;
        a->last->before = b;
    } else {
        b->before = a->last;
        a->last = b;
    }
    a->used = total;
    POISON((uint8_t *)b + b->used, (size_t)(b->bytes - b->used));
    return b;
}

#ifdef GLIA_DEBUG
/* Writes the record and the zone of the allocation at [begin, begin + bytes) of the block. */
static void record_add(glia_arena_block *b, int64_t begin, int64_t bytes, int64_t end)
{
    uint8_t *base = (uint8_t *)b;
    int64_t at = (begin - (int64_t)sizeof(record)) & ~(int64_t)(_Alignof(record) - 1);
    record *r = (record *)(void *)(base + at);
    UNPOISON(r, sizeof *r);
    r->before = b->last;
    r->zone = base + begin + bytes;
    r->zone_bytes = end - begin - bytes;
    UNPOISON(r->zone, (size_t)r->zone_bytes);
    memset(r->zone, ZONE_BYTE, (size_t)r->zone_bytes);
    POISON(r->zone, (size_t)r->zone_bytes);
    b->last = r;
    POISON(r, sizeof *r);
}
#endif

void *glia_arena_alloc(glia_arena *a, int64_t bytes, int64_t align)
{
    int64_t begin, end;
    glia_arena_block *b = a->last;
    if (bytes < 0 || align <= 0 || align > BLOCK_ALIGN || (align & (align - 1))) goto refused;
#ifdef GLIA_HOSTILE
    b = NULL;
#endif
    if (!b || !place(b->used, bytes, align, &begin, &end) || end > b->bytes) {
        if (!place(sizeof *b, bytes, align, &begin, &end)) goto refused;
        b = block_new(a, end);
        if (!b) goto refused;
    }
    uint8_t *p = (uint8_t *)b + begin;
#ifdef GLIA_DEBUG
    record_add(b, begin, bytes, end);
#endif
    b->used = end;
    UNPOISON(p, (size_t)bytes);
    return p;
refused:
    a->failed = true;
    return NULL;
}

void *glia_arena_array(glia_arena *a, int64_t count, int64_t size, int64_t align)
{
    int64_t bytes;
    if (!glia_mul(count, size, &bytes)) {
        a->failed = true;
        return NULL;
    }
    return glia_arena_alloc(a, bytes, align);
}

char *glia_arena_strdup(glia_arena *a, const char *s) { return glia_arena_strndup(a, s, (int64_t)strlen(s)); }

char *glia_arena_strndup(glia_arena *a, const char *s, int64_t len)
{
    int64_t bytes;
    if (!glia_add(len, 1, &bytes)) {
        a->failed = true;
        return NULL;
    }
    char *copy = glia_arena_alloc(a, bytes, 1);
    if (copy && len) memcpy(copy, s, (size_t)len);
    return copy;
}

char *glia_arena_printf(glia_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : glia_arena_alloc(a, (int64_t)n + 1, 1);
    if (!text) {
        a->failed = true;
        return NULL;
    }
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void *glia_arena_grow(glia_arena *a, void *array, int64_t count, int64_t *capacity, int64_t size)
{
    if (array && count < *capacity) return array;
    int64_t more, bytes;
#ifdef GLIA_HOSTILE
    more = count < 16 ? count + 1 : count; /* every early append moves the array */
    if (count >= 16 && !glia_mul(count, 2, &more)) goto refused;
#else
    if (!glia_mul(glia_max(count, 4), 2, &more)) goto refused;
#endif
    if (!glia_mul(more, size, &bytes)) goto refused;
    void *moved = glia_arena_alloc(a, bytes, 16);
    if (!moved) return NULL;
    if (count) memcpy(moved, array, (size_t)(count * size));
    *capacity = more;
    return moved;
refused:
    a->failed = true;
    return NULL;
}

/* Reads poisoned bytes on purpose, hence by hand and unchecked. */
UNCHECKED bool glia_arena_check(const glia_arena *a)
{
    for (const glia_arena_block *b = a->last; b; b = b->before)
        for (const record *r = b->last; r; r = r->before) {
            const volatile uint8_t *zone = r->zone;
            for (int64_t i = 0; i < r->zone_bytes; i++)
                if (zone[i] != ZONE_BYTE) return false;
        }
    return true;
}

void glia_arena_free(glia_arena *a)
{
#ifdef GLIA_DEBUG
    /* Somebody wrote past an allocation: stop in the debugger, while the evidence is there. */
    if (!glia_arena_check(a)) __builtin_trap();
#endif
    for (glia_arena_block *b = a->last, *before; b; b = before) {
        before = b->before;
        int64_t bytes = b->bytes;
        UNPOISON(b, (size_t)bytes);
        a->os->mem_free(a->os->ctx, b, (size_t)bytes);
    }
    a->last = NULL;
    a->used = 0;
    a->failed = false;
}
