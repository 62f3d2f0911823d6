/* The memory planner: offsets for buffers with lifetimes.
 *
 * Lower bound: the largest sum of bytes alive at one time. First a ladder of greedy orders (by size, by length of
 * life, by area, by end, by begin, by the crowd it lives in and then by begin), each placing a buffer at the lowest
 * gap between the placed ones that are alive with it; then the best order is mended: the buffer that sticks out is
 * placed earlier, and all again. Where that does not meet the bound, a branch and bound (pack.c) looks for better ones
 * from several orders, in rounds that grow, at the bound and half way to it. Steps are counted, never time, so that a
 * plan is the same everywhere; the smallest result wins, and the search stops as soon as one meets the bound. */
#include "compile/plan.h"

#include "base/check.h"
#include "compile/pack.h"

#include <stdlib.h>
#include <string.h>

enum { RUNGS = 6, BY_CROWD = 3, MENDS_MAX = 2000, MEND_STEPS_MAX = 20000000, CROWD_MAX = 4096 };
enum { STEPS = 10000000, SLICE_FIRST = 8000000, SLICE = 2000000 }; /* of the branch and bound */

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

typedef struct hunt { /* the branch and bound at work */
    placing *p;
    glia_pack *pack;
    int64_t *offsets;
    int64_t steps, least; /* left; nothing smaller than `least` is looked for */
} hunt;

static void try_capacity(hunt *h, int64_t capacity, int order, uint64_t round, int64_t most)
{
    placing *p = h->p;
    const int64_t part = glia_min(h->steps, most);
    int64_t left = part;
    if (part <= 0 || p->smallest <= h->least) return;
    int found = glia_pack_search(h->pack, capacity, (glia_pack_order)order, round, &left, h->offsets);
    h->steps -= part - left;
    if (found == 0) h->least = capacity + 1; /* proved: nothing is that small */
    if (found <= 0) return;
    p->smallest = 0;
    for (int64_t i = 0; i < p->count; i++) {
        p->best[i] = h->offsets[i];
        p->smallest = glia_max(p->smallest, h->offsets[i] + p->b[i].bytes);
    }
}

/* First every order at the goal, for long: some sets fall at once. Then rounds of short searches that grow, every other
 * one for a half, a third or an eighth of what is left to gain. */
static void search(placing *p, const glia_place_options *o, glia_arena *scratch)
{
    static const int64_t parts[] = {2, 3, 8};
    hunt h = {.p = p, .steps = o->steps > 0 ? o->steps : STEPS, .least = glia_max(p->bound, o->enough)};
    int64_t slice = glia_min(SLICE, h.steps / 20), tries = 0;
    if (p->smallest <= h.least) return;
    h.pack = glia_pack_prepare(p->b, p->count, scratch);
    h.offsets = GLIA_NEW_ARRAY(scratch, int64_t, p->count + 1);
    if (!h.pack || !h.offsets) return;
    for (int order = 0; order < GLIA_PACK_ORDERS; order++)
        try_capacity(&h, h.least, order, 0, glia_min(SLICE_FIRST, h.steps / 8));
    for (uint64_t round = 1; h.steps > 0 && p->smallest > h.least; round++, slice += slice / 8)
        for (int order = 0; order < GLIA_PACK_ORDERS; order++, tries++) {
            const int64_t gain = p->smallest - h.least, part = glia_ceil_div(gain, parts[tries / 2 % 3]);
            try_capacity(&h, tries % 2 ? p->smallest - part : h.least, order, round, slice + 1);
        }
}

int64_t glia_place_buffers(glia_buffer *b, int64_t count, const glia_place_options *options,
                           glia_arena *scratch, int64_t *lower_bound, bool *failed)
{
    static const glia_place_options none = {0, 0};
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
    if (p.smallest > p.bound) mend(&p);
    if (p.smallest > p.bound) search(&p, options ? options : &none, scratch);
    for (int64_t i = 0; i < count; i++) b[i].offset = p.best[i];
    return p.smallest;
}

/* ---- the check, which knows nothing of the above ----------------------------------------------- */

typedef struct turn { /* a buffer begins or ends */
    int64_t time;     /* twice the item; ends are odd, since they are inclusive */
    int32_t index;
} turn;

static int by_turn(const void *a, const void *b)
{
    const turn *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The first of the living, which are sorted by offset, at or above `offset`. */
static int64_t above(const glia_buffer *b, const int32_t *living, int64_t count, int64_t offset)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (b[living[middle]].offset < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Sweeps over time; what lives is kept sorted by offset, so that only neighbours in memory are compared. */
bool glia_check_buffers(const glia_buffer *b, int64_t count, int64_t bytes, glia_arena *scratch)
{
    int32_t *living = GLIA_NEW_ARRAY(scratch, int32_t, count + 1);
    turn *t = GLIA_NEW_ARRAY(scratch, turn, 2 * count + 1);
    int64_t turns = 0, now = 0;
    if (!living || !t) return false;
    for (int64_t i = 0; i < count; i++) {
        if (b[i].offset < 0 || b[i].bytes < 0 || b[i].offset > bytes - b[i].bytes || b[i].end < b[i].begin)
            return false;
        if (!b[i].bytes) continue;
        t[turns++] = (turn){2 * (int64_t)b[i].begin, (int32_t)i};
        t[turns++] = (turn){2 * (int64_t)b[i].end + 1, (int32_t)i};
    }
    qsort(t, (size_t)turns, sizeof *t, by_turn);
    for (int64_t i = 0; i < turns; i++) {
        const glia_buffer *x = &b[t[i].index];
        const int64_t at = above(b, living, now, x->offset);
        if (t[i].time & 1) {
            memmove(&living[at], &living[at + 1], (size_t)(--now - at) * sizeof *living);
            continue;
        }
        if (at < now && b[living[at]].offset < x->offset + x->bytes) return false;
        if (at > 0 && b[living[at - 1]].offset + b[living[at - 1]].bytes > x->offset) return false;
        memmove(&living[at + 1], &living[at], (size_t)(now++ - at) * sizeof *living);
        living[at] = t[i].index;
    }
    return true;
}
