/* The memory planner: offsets for buffers with lifetimes.
 *
 * Lower bound: the largest sum of bytes alive at one time. Ladder of greedy orders (by size, by length of
 * life, by area, by begin), each placing a buffer at the lowest gap between the placed ones that are alive with it;
 * the smallest result wins, and the ladder stops as soon as one meets the bound. */
#include "compile/plan.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

typedef struct keyed {
    int64_t key;
    int32_t index;
} keyed;

static int by_key_descending(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

typedef struct event {
    int64_t time; /* twice the item number: ends come after begins of the same item */
    int64_t delta;
} event;

static int by_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->delta < 0) - (y->delta < 0);
}

static int64_t bound_of(const glia_buffer *b, int64_t count, glia_arena *scratch, bool *failed)
{
    event *ev = GLIA_NEW_ARRAY(scratch, event, 2 * count + 1);
    if (!ev) {
        *failed = true;
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        ev[2 * i] = (event){2 * (int64_t)b[i].begin, b[i].bytes};
        ev[2 * i + 1] = (event){2 * (int64_t)b[i].end + 1, -b[i].bytes};
    }
    qsort(ev, (size_t)(2 * count), sizeof *ev, by_time);
    int64_t now = 0, most = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
        now += ev[i].delta;
        most = glia_max(most, now);
    }
    return most;
}

/* Places b[order[..]] one by one; `placed` keeps the placed ones sorted by offset. */
static int64_t place_in_order(glia_buffer *b, const keyed *order, int64_t count, int32_t *placed, int64_t give_up)
{
    int64_t total = 0;
    for (int64_t n = 0; n < count; n++) {
        glia_buffer *me = &b[order[n].index];
        int64_t at = 0, into = 0;
        for (int64_t j = 0; j < n; j++) {
            const glia_buffer *o = &b[placed[j]];
            if (o->end < me->begin || o->begin > me->end) continue;
            if (o->offset - at >= me->bytes) break;
            at = glia_max(at, o->offset + o->bytes);
        }
        me->offset = at;
        total = glia_max(total, at + me->bytes);
        if (total >= give_up) return total;
        while (into < n && b[placed[into]].offset <= at) into++;
        memmove(&placed[into + 1], &placed[into], (size_t)(n - into) * sizeof *placed);
        placed[into] = order[n].index;
    }
    return total;
}

static int64_t key_of(const glia_buffer *b, int rung)
{
    int64_t life = (int64_t)b->end - b->begin + 1, area;
    switch (rung) {
    case 0: return b->bytes;
    case 1: return life;
    case 2: return glia_mul(b->bytes, life, &area) ? area : INT64_MAX;
    default: return -(int64_t)b->begin;
    }
}

int64_t glia_place_buffers(glia_buffer *b, int64_t count, glia_arena *scratch, int64_t *lower_bound, bool *failed)
{
    *lower_bound = bound_of(b, count, scratch, failed);
    keyed *order = GLIA_NEW_ARRAY(scratch, keyed, count + 1);
    int32_t *placed = GLIA_NEW_ARRAY(scratch, int32_t, count + 1);
    int64_t *best = GLIA_NEW_ARRAY(scratch, int64_t, count + 1);
    if (!order || !placed || !best) {
        *failed = true;
        return 0;
    }
    int64_t smallest = INT64_MAX;
    for (int rung = 0; rung < 4 && smallest > *lower_bound; rung++) {
        for (int64_t i = 0; i < count; i++) order[i] = (keyed){key_of(&b[i], rung), (int32_t)i};
        qsort(order, (size_t)count, sizeof *order, by_key_descending);
        int64_t total = place_in_order(b, order, count, placed, smallest);
        if (total >= smallest) continue;
        smallest = total;
        for (int64_t i = 0; i < count; i++) best[i] = b[i].offset;
    }
    for (int64_t i = 0; i < count; i++) b[i].offset = best[i];
    return count ? smallest : 0;
}

bool glia_check_buffers(const glia_buffer *b, int64_t count, int64_t bytes)
{
    for (int64_t i = 0; i < count; i++) {
        if (b[i].offset < 0 || b[i].bytes < 0 || b[i].offset > bytes - b[i].bytes) return false;
        for (int64_t j = 0; j < i; j++) {
            bool together = b[i].begin <= b[j].end && b[j].begin <= b[i].end;
            bool overlap = b[i].offset < b[j].offset + b[j].bytes && b[j].offset < b[i].offset + b[i].bytes;
            if (together && overlap && b[i].bytes && b[j].bytes) return false;
        }
    }
    return true;
}
