/* The memory planner: offsets for buffers with lifetimes.
 *
 * Lower bound: the largest sum of bytes alive at one time. Ladder of greedy orders (by size, by length of
 * life, by area, by end, by begin, by the crowd it lives in and then by begin), each placing a buffer at the
 * lowest gap between the placed ones that are alive with it; then the best order is mended: the buffer that
 * sticks out is placed earlier, and all again. The smallest result wins, and the search stops as soon as one
 * meets the bound. */
#include "compile/plan.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { RUNGS = 6, BY_CROWD = 3, MENDS_MAX = 2000, MEND_STEPS_MAX = 50000000, CROWD_MAX = 4096 };

enum { MOST_TRIES = 2000, STEPS_MAX = 100000000 };

typedef struct keyed {
    int64_t key, second; /* larger first */
    int32_t index;
} keyed;

static int by_key_descending(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    if (x->second != y->second) return x->second < y->second ? 1 : -1;
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

/* The most bytes alive at once; crowd[i]: the most while buffer i lives. */
static int64_t bound_of(const glia_buffer *b, int64_t count, int64_t *crowd, glia_arena *scratch,
                        bool *failed)
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
    int64_t now = 0, most = 0, from = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
        now += ev[i].delta;
        most = glia_max(most, now);
        ev[i].delta = now; /* from here on: what is alive */
    }
    for (int64_t i = 0; count <= CROWD_MAX && i < count; i++) {
        for (from = 0; ev[from].time < 2 * (int64_t)b[i].begin; from++) {
        }
        for (int64_t j = from; j < 2 * count && ev[j].time <= 2 * (int64_t)b[i].end; j++)
            crowd[i] = glia_max(crowd[i], ev[j].delta);
    }
    return most;
}

/* Places b[order[..]] one by one; `placed` keeps the placed ones sorted by offset. *top: the place in `order`
 * of the one that reaches highest. */
static int64_t place_in_order(glia_buffer *b, const keyed *order, int64_t count, int32_t *placed,
                              int64_t give_up, int64_t *top)
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
        if (at + me->bytes > total) {
            total = at + me->bytes;
            *top = n;
        }
        if (total >= give_up) return total;
        while (into < n && b[placed[into]].offset <= at) into++;
        memmove(&placed[into + 1], &placed[into], (size_t)(n - into) * sizeof *placed);
        placed[into] = order[n].index;
    }
    return total;
}

static int64_t key_of(const glia_buffer *b, int64_t crowd, int rung)
{
    int64_t life = (int64_t)b->end - b->begin + 1, area;
    switch (rung) {
    case 0: return b->bytes;
    case 1: return life;
    case 2: return glia_mul(b->bytes, life, &area) ? area : INT64_MAX;
    case BY_CROWD: return crowd;
    case 4: return (int64_t)b->end;
    default: return -(int64_t)b->begin;
    }
}

typedef struct placing { /* a search at work */
    glia_buffer *b;
    int64_t count, bound, smallest;
    keyed *order, *best_order;
    int32_t *placed;
    int64_t *best; /* offsets */
} placing;

/* Tries p->order; *top as in place_in_order. */
static void try_order(placing *p, int64_t *top)
{
    int64_t total = place_in_order(p->b, p->order, p->count, p->placed, p->smallest, top);
    if (total >= p->smallest) return;
    p->smallest = total;
    memcpy(p->best_order, p->order, (size_t)p->count * sizeof *p->order);
    for (int64_t i = 0; i < p->count; i++) p->best[i] = p->b[i].offset;
}

/* Moves what sticks out to the front, half way or all the way in turn, until the bound is met or patience
 * ends. */
static void mend(placing *p)
{
    int64_t mends = glia_min(MENDS_MAX, MEND_STEPS_MAX / (p->count * p->count + 1)), top = 0;
    memcpy(p->order, p->best_order, (size_t)p->count * sizeof *p->order);
    for (int64_t i = 0; i < mends && p->smallest > p->bound; i++) {
        try_order(p, &top);
        int64_t to = i % 3 ? top / 2 : 0;
        keyed moved = p->order[top];
        memmove(&p->order[to + 1], &p->order[to], (size_t)(top - to) * sizeof moved);
        p->order[to] = moved;
    }
}

int64_t glia_place_buffers(glia_buffer *b, int64_t count, glia_arena *scratch, int64_t *lower_bound,
                           bool *failed)
{
    int64_t *crowd = GLIA_NEW_ARRAY(scratch, int64_t, count + 1), top = 0;
    placing p = {.b = b, .count = count, .smallest = INT64_MAX};
    p.order = GLIA_NEW_ARRAY(scratch, keyed, count + 1);
    p.best_order = GLIA_NEW_ARRAY(scratch, keyed, count + 1);
    p.placed = GLIA_NEW_ARRAY(scratch, int32_t, count + 1);
    p.best = GLIA_NEW_ARRAY(scratch, int64_t, count + 1);
    *lower_bound = 0;
    if (!crowd || !p.order || !p.best_order || !p.placed || !p.best) *failed = true;
    else *lower_bound = p.bound = bound_of(b, count, crowd, scratch, failed);
    if (*failed || !count) return 0;
    for (int rung = 0; rung < RUNGS && p.smallest > p.bound; rung++) {
        for (int64_t i = 0; i < count; i++) {
            int64_t second = rung == BY_CROWD ? -(int64_t)b[i].begin : b[i].bytes;
            p.order[i] = (keyed){key_of(&b[i], crowd[i], rung), second, (int32_t)i};
        }
        qsort(p.order, (size_t)count, sizeof *p.order, by_key_descending);
        try_order(&p, &top);
    }
    mend(&p);
    for (int64_t i = 0; i < count; i++) b[i].offset = p.best[i];
    return p.smallest;
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
