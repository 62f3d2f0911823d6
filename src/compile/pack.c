/* Branch and bound for the memory planner.
 *
 * Time is cut into *sections*: the largest sets of buffers that live together, of which each buffer lives in a run.
 * Any placement can be pushed down until each buffer rests on another or on the floor, and then be rebuilt in the
 * order of offsets. So the search places buffers in that order, each on what lies below it:
 *
 *     floor(b)   the least offset that is left to b: the top of what is placed in its sections
 *     rest(s)    bytes of section s that are not placed yet
 *     prune      when  min over the unplaced of s of floor + rest(s) > capacity
 *
 * Candidates are the buffers with a floor below every unplaced buffer's floor + size (another could be slid under a
 * later one). A buffer that was passed over can come only on top of one of its unplaced neighbours, which raises its
 * floor. When what is unplaced falls apart into groups that share no section, each is solved for itself, and one that
 * cannot be solved goes back to before they fell apart. Steps are counted, never time: a plan is the same everywhere.
 *
 * Refuses more than COUNT_MAX buffers or PAIRS_MAX neighbours: the greedy ladder has to do there. */
#include "compile/pack.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 2048, PAIRS_MAX = 2000000, TRAIL_EACH = 256 };

typedef enum { FLOOR, LOOSE, LEAST } changed;

typedef struct change { /* to be undone */
    int64_t old;
    int32_t index;
    changed what;
} change;

typedef struct group { /* unplaced buffers of a range of sections, solved for themselves */
    int32_t begin, end;
    int32_t parent; /* the level whose choice made it; -1: none */
    int32_t next;   /* group to solve afterwards; -1: none */
    int32_t first;  /* its first level */
    int32_t rank;   /* of the buffer placed last */
    int64_t offset; /* of that buffer */
} group;

typedef struct level {
    int64_t now, end;   /* candidates that are left */
    int64_t candidates; /* first */
    int64_t trail;      /* mark before a choice */
    int32_t group, groups, chosen;
} level;

typedef struct ranked { /* larger first */
    double key, area;
    int32_t index;
} ranked;

struct glia_pack {
    int64_t count, sections, bound;
    const glia_buffer *b;
    int32_t *begin, *end;      /* sections of each buffer */
    int32_t *near_at, *near;   /* neighbours: near[near_at[i] .. near_at[i + 1]) */
    int32_t *alive_at, *alive; /* the same of a section's buffers */
    int64_t *crowd;            /* largest section of each buffer */
    int32_t *rank, *by_begin,
        *begins_at; /* by_begin[begins_at[s] ..]: buffers that begin in section s or later */
    ranked *sorted;
    /* of one search */
    int64_t *floor, *least, *rest, *offset;
    bool *done, *loose; /* loose: its floor is a bound on which nothing lies yet */
    int32_t *dirty, *stamp, *candidates;
    int32_t dirty_count, stamp_now;
    change *trail;
    int64_t trail_count, trail_max, candidate_count, candidate_max, steps;
    level *levels;
    group *groups;
    int32_t group_count;
};

/* ---- sections --------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static bool find_sections(glia_pack *p, glia_arena *a)
{
    int64_t *t = GLIA_NEW_ARRAY(a, int64_t, 2 * p->count + 1), *at = GLIA_NEW_ARRAY(a, int64_t, p->count + 1);
    if (!t || !at) return false;
    for (int64_t i = 0; i < p->count; i++) { /* of one time, begins come before ends, which are inclusive */
        t[2 * i] = 2 * (int64_t)p->b[i].begin;
        t[2 * i + 1] = 2 * (int64_t)p->b[i].end + 1;
    }
    qsort(t, (size_t)(2 * p->count), sizeof *t, by_number);
    for (int64_t i = 0; i + 1 < 2 * p->count; i++)
        if (!(t[i] & 1) && (t[i + 1] & 1)) at[p->sections++] = t[i] / 2;
    for (int64_t i = 0; i < p->count; i++) {
        int64_t low = 0, high = p->sections;
        while (low < high) { /* the first section that is not before it */
            int64_t middle = (low + high) / 2;
            if (at[middle] < p->b[i].begin) low = middle + 1;
            else high = middle;
        }
        p->begin[i] = (int32_t)low;
        while (low < p->sections && at[low] <= p->b[i].end) low++;
        p->end[i] = (int32_t)low;
    }
    return true;
}

static bool meet(const glia_pack *p, int64_t i, int64_t j)
{
    return i != j && p->begin[i] < p->end[j] && p->begin[j] < p->end[i];
}

static bool list_neighbours(glia_pack *p, glia_arena *a)
{
    int64_t pairs = 0, members = 0;
    for (int64_t i = 0; i < p->count; i++) {
        members += p->end[i] - p->begin[i];
        for (int64_t j = 0; j < p->count; j++) pairs += meet(p, i, j);
    }
    if (pairs > PAIRS_MAX || members > PAIRS_MAX) return false;
    p->near = GLIA_NEW_ARRAY(a, int32_t, pairs + 1);
    p->alive = GLIA_NEW_ARRAY(a, int32_t, members + 1);
    if (!p->near || !p->alive) return false;
    pairs = members = 0;
    for (int64_t i = 0; i < p->count; i++) {
        p->near_at[i] = (int32_t)pairs;
        for (int64_t j = 0; j < p->count; j++)
            if (meet(p, i, j)) p->near[pairs++] = (int32_t)j;
    }
    p->near_at[p->count] = (int32_t)pairs;
    for (int64_t s = 0; s < p->sections; s++) {
        int64_t sum = 0;
        p->alive_at[s] = (int32_t)members;
        for (int64_t i = 0; i < p->count; i++) {
            if (p->begin[i] > s || p->end[i] <= s) continue;
            p->alive[members++] = (int32_t)i;
            sum += p->b[i].bytes;
        }
        for (int64_t k = p->alive_at[s]; k < members; k++)
            p->crowd[p->alive[k]] = glia_max(p->crowd[p->alive[k]], sum);
    }
    p->alive_at[p->sections] = (int32_t)members;
    int32_t listed = 0;
    for (int64_t s = 0; s <= p->sections; s++) {
        p->begins_at[s] = listed;
        for (int64_t i = 0; i < p->count; i++)
            if (p->begin[i] == s) p->by_begin[listed++] = (int32_t)i;
    }
    return true;
}

glia_pack *glia_pack_prepare(const glia_buffer *b, int64_t count, glia_arena *a)
{
    glia_pack *p = GLIA_NEW(a, glia_pack);
    if (!p || count > COUNT_MAX) return NULL;
    const int64_t n = count + 1;
    p->count = count;
    p->b = b;
    p->begin = GLIA_NEW_ARRAY(a, int32_t, n);
    p->end = GLIA_NEW_ARRAY(a, int32_t, n);
    p->near_at = GLIA_NEW_ARRAY(a, int32_t, n);
    p->alive_at = GLIA_NEW_ARRAY(a, int32_t, n);
    p->rank = GLIA_NEW_ARRAY(a, int32_t, n);
    p->by_begin = GLIA_NEW_ARRAY(a, int32_t, n);
    p->begins_at = GLIA_NEW_ARRAY(a, int32_t, n + 1);
    p->sorted = GLIA_NEW_ARRAY(a, ranked, n);
    p->dirty = GLIA_NEW_ARRAY(a, int32_t, n);
    p->stamp = GLIA_NEW_ARRAY(a, int32_t, n);
    p->crowd = GLIA_NEW_ARRAY(a, int64_t, n);
    p->floor = GLIA_NEW_ARRAY(a, int64_t, n);
    p->least = GLIA_NEW_ARRAY(a, int64_t, n);
    p->rest = GLIA_NEW_ARRAY(a, int64_t, n);
    p->offset = GLIA_NEW_ARRAY(a, int64_t, n);
    p->done = GLIA_NEW_ARRAY(a, bool, n);
    p->loose = GLIA_NEW_ARRAY(a, bool, n);
    p->levels = GLIA_NEW_ARRAY(a, level, n);
    p->groups = GLIA_NEW_ARRAY(a, group, 4 * n);
    p->candidate_max = n * TRAIL_EACH;
    p->candidates = GLIA_NEW_ARRAY(a, int32_t, p->candidate_max);
    p->trail_max = n * TRAIL_EACH;
    p->trail = GLIA_NEW_ARRAY(a, change, p->trail_max);
    if (a->failed || !find_sections(p, a) || !list_neighbours(p, a)) return NULL;
    return p;
}

/* ---- orders ----------------------------------------------------------------------------------- */

static double area_of(const glia_pack *p, int64_t i)
{
    return ((double)p->b[i].end - (double)p->b[i].begin + 1) * (double)p->b[i].bytes;
}

static double key_of(const glia_pack *p, int64_t i, glia_pack_order order)
{
    switch (order) {
    case GLIA_PACK_AREA: return area_of(p, i);
    case GLIA_PACK_SECTIONS: return p->end[i] - p->begin[i];
    case GLIA_PACK_SIZE: return (double)p->b[i].bytes;
    case GLIA_PACK_CROWD: return (double)p->crowd[i];
    default: return p->near_at[i + 1] - p->near_at[i];
    }
}

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    if (x->area != y->area) return x->area > y->area ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Other runs vary the keys by up to a quarter. */
static void set_ranks(glia_pack *p, glia_pack_order order, uint64_t shuffle)
{
    ranked *r = p->sorted;
    uint64_t x = shuffle * 0x9E3779B97F4A7C15u;
    for (int64_t i = 0; i < p->count; i++) {
        r[i] = (ranked){key_of(p, i, order), area_of(p, i), (int32_t)i};
        if (!shuffle) continue;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        r[i].key *= 1 - (double)(x >> 56) / 1024;
    }
    qsort(r, (size_t)p->count, sizeof *r, by_key);
    for (int64_t i = 0; i < p->count; i++) p->rank[r[i].index] = (int32_t)i;
}

/* ---- changes ---------------------------------------------------------------------------------- */

static bool note(glia_pack *p, changed what, int32_t index, int64_t old)
{
    if (p->trail_count == p->trail_max) {
        p->steps = -1; /* nothing is proved */
        return false;
    }
    p->trail[p->trail_count++] = (change){old, index, what};
    return true;
}

static void undo(glia_pack *p, int64_t mark)
{
    while (p->trail_count > mark) {
        const change *c = &p->trail[--p->trail_count];
        if (c->what == FLOOR) p->floor[c->index] = c->old;
        else if (c->what == LOOSE) p->loose[c->index] = c->old != 0;
        else p->least[c->index] = c->old;
    }
}

static bool raise(glia_pack *p, int32_t b, int64_t to, bool loose)
{
    if (!note(p, FLOOR, b, p->floor[b])) return false;
    p->floor[b] = to;
    if (p->loose[b] != loose) {
        if (!note(p, LOOSE, b, p->loose[b])) return false;
        p->loose[b] = loose;
    }
    for (int32_t s = p->begin[b]; s < p->end[b]; s++) {
        if (p->stamp[s] == p->stamp_now) continue;
        p->stamp[s] = p->stamp_now;
        p->dirty[p->dirty_count++] = s;
    }
    return true;
}

static void begin_changes(glia_pack *p)
{
    p->stamp_now++;
    p->dirty_count = 0;
}

/* Do all sections that changed still fit? */
static bool fits(glia_pack *p, int64_t capacity)
{
    for (int32_t i = 0; i < p->dirty_count; i++) {
        const int32_t s = p->dirty[i], to = p->alive_at[s + 1];
        int64_t least = INT64_MAX;
        for (int32_t k = p->alive_at[s]; k < to; k++)
            if (!p->done[p->alive[k]] && p->floor[p->alive[k]] < least) least = p->floor[p->alive[k]];
        p->steps -= to - p->alive_at[s];
        if (least == INT64_MAX) least = 0; /* nothing is left of it */
        if (least != p->least[s]) {
            if (!note(p, LEAST, s, p->least[s])) return false;
            p->least[s] = least;
        }
        if (least + p->rest[s] > capacity) return false;
    }
    return true;
}

static void count_in(glia_pack *p, int32_t b, int sign)
{
    p->done[b] = sign < 0;
    for (int32_t s = p->begin[b]; s < p->end[b]; s++) p->rest[s] += sign * p->b[b].bytes;
}

/* ---- levels ----------------------------------------------------------------------------------- */

/* Buffers that were passed over come on top of a neighbour, if at all. */
static bool pass_over(glia_pack *p, const group *g, int64_t offset, int32_t rank, int64_t capacity)
{
    begin_changes(p);
    for (int32_t k = p->begins_at[g->begin]; k < p->begins_at[g->end]; k++) {
        const int32_t b = p->by_begin[k];
        if (p->done[b] || p->floor[b] > offset) continue;
        if (p->floor[b] == offset && (p->loose[b] || p->rank[b] > rank)) continue;
        int64_t least = INT64_MAX;
        for (int32_t i = p->near_at[b]; i < p->near_at[b + 1]; i++)
            if (!p->done[p->near[i]]) least = glia_min(least, p->b[p->near[i]].bytes);
        p->steps -= p->near_at[b + 1] - p->near_at[b];
        if (least == INT64_MAX || !raise(p, b, offset + least, true)) return false;
    }
    return fits(p, capacity);
}

/* The level's candidates, lowest floor first. */
static void list_candidates(glia_pack *p, const group *g, level *l, int64_t capacity)
{
    int64_t below = INT64_MAX, count = 0;
    const int32_t from = p->begins_at[g->begin], to = p->begins_at[g->end];
    for (int32_t k = from; k < to; k++) {
        const int32_t b = p->by_begin[k];
        if (!p->done[b]) below = glia_min(below, p->floor[b] + p->b[b].bytes);
    }
    for (int32_t k = from; k < to; k++) {
        const int32_t b = p->by_begin[k];
        if (p->done[b] || p->loose[b] || p->floor[b] >= below || p->floor[b] + p->b[b].bytes > capacity)
            continue;
        if (p->candidate_count + count == p->candidate_max) {
            p->steps = -1;
            break;
        }
        int64_t at = p->candidate_count + count++; /* insertion: few at a time */
        for (; at > p->candidate_count; at--) {
            const int32_t o = p->candidates[at - 1];
            if (p->floor[o] < p->floor[b] || (p->floor[o] == p->floor[b] && p->rank[o] < p->rank[b])) break;
            p->candidates[at] = o;
        }
        p->candidates[at] = b;
    }
    p->steps -= 2 * (to - from);
    l->candidates = l->now = p->candidate_count;
    l->end = p->candidate_count += count;
}

static int32_t add_group(glia_pack *p, const group *g)
{
    p->groups[p->group_count] = *g;
    return p->group_count++;
}

/* Cuts a group where none of its unplaced buffers crosses. Returns the first piece, or the group that is next when
 * nothing is left; -1: all is done. */
static int32_t cut_group(glia_pack *p, int32_t index, int32_t depth, int64_t offset, int32_t rank)
{
    while (index >= 0) {
        group g = p->groups[index];
        int32_t from = -1, end = -1, first = -1, last = -1;
        if (g.first == depth) offset = g.offset, rank = g.rank;
        for (int32_t k = p->begins_at[g.begin]; k <= p->begins_at[g.end]; k++) {
            const int32_t b = k < p->begins_at[g.end] ? p->by_begin[k] : -1;
            if (b >= 0 && p->done[b]) continue;
            if (b >= 0 && from >= 0 && p->begin[b] < end) {
                end = (int32_t)glia_max(end, p->end[b]);
                continue;
            }
            if (from >= 0) {
                int32_t piece = add_group(p, &(group){from, end, depth - 1, g.next, -1, rank, offset});
                if (first < 0) first = piece;
                if (last >= 0) p->groups[last].next = piece;
                last = piece;
            }
            if (b >= 0) from = p->begin[b], end = p->end[b];
        }
        p->steps -= p->begins_at[g.end] - p->begins_at[g.begin];
        if (first < 0) {
            index = g.next;
            if (index >= 0) p->groups[index].first = depth;
            continue;
        }
        if (first == last && depth) { /* still one */
            p->group_count--;
            return index;
        }
        p->groups[first].first = depth;
        return first;
    }
    return -1;
}

static bool enter(glia_pack *p, int32_t depth, int32_t index, int64_t capacity)
{
    level *l = &p->levels[depth];
    int64_t offset = 0;
    int32_t rank = -1;
    if (depth) {
        offset = p->offset[l[-1].chosen];
        rank = p->rank[l[-1].chosen];
    }
    l->group = cut_group(p, index, depth, offset, rank);
    if (l->group < 0) return false;
    const group *g = &p->groups[l->group];
    if (g->first == depth) offset = g->offset, rank = g->rank;
    l->groups = p->group_count;
    l->now = l->end = l->candidates = p->candidate_count;
    if (pass_over(p, g, offset, rank, capacity)) list_candidates(p, g, l, capacity);
    l->trail = p->trail_count;
    return true;
}

/* Puts b on its floor; false when what is left cannot fit any more. */
static bool put(glia_pack *p, int32_t b, int64_t capacity)
{
    const int64_t top = p->floor[b] + p->b[b].bytes;
    p->offset[b] = p->floor[b];
    count_in(p, b, -1);
    begin_changes(p);
    for (int32_t s = p->begin[b]; s < p->end[b]; s++) {
        p->stamp[s] = p->stamp_now;
        p->dirty[p->dirty_count++] = s;
    }
    for (int32_t i = p->near_at[b]; i < p->near_at[b + 1]; i++) {
        const int32_t k = p->near[i];
        if (p->done[k] || p->floor[k] > top || (p->floor[k] == top && !p->loose[k])) continue;
        if (!raise(p, k, top, false)) return false;
    }
    p->steps -= p->near_at[b + 1] - p->near_at[b];
    return fits(p, capacity);
}

static void start(glia_pack *p)
{
    for (int64_t s = 0; s < p->sections; s++) p->rest[s] = p->least[s] = p->stamp[s] = 0;
    for (int64_t i = 0; i < p->count; i++) {
        p->floor[i] = 0;
        p->offset[i] = 0;
        p->loose[i] = false;
        p->done[i] = true; /* nothing can be put on or under what has no bytes */
        if (p->b[i].bytes) count_in(p, (int32_t)i, 1);
    }
    p->stamp_now = 0;
    p->trail_count = p->candidate_count = 0;
    p->groups[0] = (group){0, (int32_t)p->sections, -1, -1, 0, -1, 0};
    p->group_count = 1;
}

int glia_pack_search(glia_pack *p, int64_t capacity, glia_pack_order order, uint64_t shuffle, int64_t *steps,
                     int64_t *offsets)
{
    int32_t d = 0;
    set_ranks(p, order, shuffle);
    start(p);
    p->steps = *steps;
    bool more = enter(p, 0, 0, capacity);
    while (more && p->steps > 0) {
        level *l = &p->levels[d];
        if (l->now == l->end) {
            const group *g = &p->groups[l->group];
            const int32_t to = g->first == d ? g->parent : d - 1;
            if (to < 0) break;
            while (d > to) count_in(p, p->levels[--d].chosen, 1);
            undo(p, p->levels[d].trail);
            p->group_count = p->levels[d].groups;
            p->candidate_count = p->levels[d].end;
            continue;
        }
        l->chosen = p->candidates[l->now++];
        if (put(p, l->chosen, capacity)) {
            more = enter(p, d + 1, l->group, capacity);
            d++;
            continue;
        }
        count_in(p, l->chosen, 1);
        undo(p, l->trail);
    }
    *steps = p->steps;
    if (!more) memcpy(offsets, p->offset, (size_t)p->count * sizeof *offsets);
    return !more ? 1 : p->steps > 0 ? 0 : -1;
}
