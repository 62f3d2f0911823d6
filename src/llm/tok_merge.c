/* The merge engine: from a row of symbols, again and again the pair of lowest rank (of equal ones the
 * leftmost) becomes one symbol, until no pair has a rank. Both kinds of tokenizer are this, with ranks
 * from merge order or from scores.
 *
 * Short rows are scanned. Long ones keep the ranks of all pairs in a tree of minima:
 *
 *     tree[1] = min of all;  tree[k] = min(tree[2k], tree[2k+1]);  leaf of pair i = tree[leaves + i]
 *
 * so n symbols take O(n log n), with no recursion, whatever the text and the vocabulary. */
#include "base/check.h"
#include "llm/tok.h"

#include <string.h>

static inline uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline uint64_t pair_hash(uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u;
    key ^= key >> 29;
    key *= 0xBF58476D1CE4E5B9u;
    return key ^ key >> 32;
}

bool glia_tok_pairs_create(tok_pairs *p, glia_arena *a, int64_t count)
{
    int64_t slots = 16;
    while (slots < count + count / 2) slots *= 2;
    p->slots = GLIA_NEW_ARRAY(a, tok_pair, slots);
    if (!p->slots) return false;
    memset(p->slots, 0xFF, (size_t)slots * sizeof *p->slots); /* keys of TOK_PAIR_FREE */
    p->mask = (uint64_t)slots - 1;
    p->count = 0;
    return true;
}

void glia_tok_pairs_prefetch(const tok_pairs *p, int32_t left, int32_t right)
{
    __builtin_prefetch(&p->slots[pair_hash(pair_key(left, right)) & p->mask], 1);
}

bool glia_tok_pairs_add(tok_pairs *p, int32_t left, int32_t right, uint32_t rank, int32_t merged)
{
    const uint64_t key = pair_key(left, right);
    uint64_t at = pair_hash(key) & p->mask;
    for (int probe = 0; probe < TOK_PROBE_MAX; probe++, at = (at + 1) & p->mask) {
        if (p->slots[at].key == key) return true;
        if (p->slots[at].key != TOK_PAIR_FREE) continue;
        p->slots[at] = (tok_pair){key, rank, merged};
        p->count++;
        return true;
    }
    return false;
}

/* The table is at most two thirds full, so the walk ends at a free slot. */
static inline const tok_pair *pair_find(const tok_pairs *p, int32_t left, int32_t right)
{
    if ((left | right) < 0) return NULL;
    const uint64_t key = pair_key(left, right);
    for (uint64_t at = pair_hash(key) & p->mask;; at = (at + 1) & p->mask) {
        if (p->slots[at].key == key) return &p->slots[at];
        if (p->slots[at].key == TOK_PAIR_FREE) return NULL;
    }
}

static inline uint32_t pair_rank(const tok_pairs *p, int32_t left, int32_t right)
{
    const tok_pair *f = pair_find(p, left, right);
    return f ? f->rank : TOK_NO_RANK;
}

void glia_tok_scratch_init(tok_scratch *s, const glia_os *os)
{
    memset(s, 0, sizeof *s);
    s->os = os;
}

void glia_tok_scratch_free(tok_scratch *s)
{
    if (s->block) s->os->mem_free(s->os->ctx, s->block, s->block_bytes);
    if (s->extra) s->os->mem_free(s->os->ctx, s->extra, (size_t)s->extra_bytes);
    glia_tok_scratch_init(s, s->os);
}

void *glia_tok_scratch_extra(tok_scratch *s, int64_t bytes, int64_t *room)
{
    int64_t grown = s->extra_bytes ? s->extra_bytes : 1024;
    while (grown < bytes)
        if (!glia_mul(grown, 2, &grown)) return NULL;
    if (grown > s->extra_bytes || !s->extra) {
        void *extra = s->os->mem_alloc(s->os->ctx, (size_t)grown, 64);
        if (!extra) return NULL;
        if (s->extra) memcpy(extra, s->extra, (size_t)s->extra_bytes);
        if (s->extra) s->os->mem_free(s->os->ctx, s->extra, (size_t)s->extra_bytes);
        s->extra = extra;
        s->extra_bytes = grown;
    }
    *room = s->extra_bytes;
    return s->extra;
}

/* Per symbol: id, next, prev, and two tree nodes; a capacity is a power of two, so it is the leaf count. */
bool glia_tok_scratch_reserve(tok_scratch *s, int64_t n)
{
    int64_t capacity = s->capacity ? s->capacity : TOK_SYMBOLS, bytes;
    if (n <= s->capacity) return true;
    while (capacity < n)
        if (!glia_mul(capacity, 2, &capacity)) return false;
    if (!glia_mul(capacity, 5 * (int64_t)sizeof(int32_t), &bytes) || (uint64_t)bytes > SIZE_MAX) return false;
    int32_t *block = s->os->mem_alloc(s->os->ctx, (size_t)bytes, 64);
    if (!block) return false;
    if (s->used) memcpy(block, s->id, (size_t)s->used * sizeof *block);
    if (s->block) s->os->mem_free(s->os->ctx, s->block, s->block_bytes);
    s->block = block;
    s->block_bytes = (size_t)bytes;
    s->id = block;
    s->next = block + capacity;
    s->prev = block + 2 * capacity;
    s->tree = (uint32_t *)(block + 3 * capacity);
    s->capacity = capacity;
    return true;
}

static void merge_short(const tok_pairs *p, tok_scratch *s)
{
    uint32_t rank[TOK_SHORT + 1];
    int32_t *id = s->id;
    int64_t n = s->used;
    for (int64_t i = 0; i + 1 < n; i++) rank[i] = pair_rank(p, id[i], id[i + 1]);
    while (n > 1) {
        int64_t best = 0;
        for (int64_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == TOK_NO_RANK) break;
        id[best] = pair_find(p, id[best], id[best + 1])->merged;
        for (int64_t i = best + 1; i + 1 < n; i++) {
            id[i] = id[i + 1];
            rank[i] = rank[i + 1];
        }
        n--;
        if (best + 1 < n) rank[best] = pair_rank(p, id[best], id[best + 1]);
        if (best > 0) rank[best - 1] = pair_rank(p, id[best - 1], id[best]);
    }
    s->used = n;
}

static void tree_set(uint32_t *tree, int64_t leaves, int64_t i, uint32_t rank)
{
    int64_t k = leaves + i;
    tree[k] = rank;
    while (k > 1) {
        k /= 2;
        const uint32_t v = tree[2 * k] < tree[2 * k + 1] ? tree[2 * k] : tree[2 * k + 1];
        if (tree[k] == v) return;
        tree[k] = v;
    }
}

static int64_t tree_leftmost(const uint32_t *tree, int64_t leaves)
{
    int64_t k = 1;
    while (k < leaves) k = tree[2 * k] == tree[k] ? 2 * k : 2 * k + 1;
    return k - leaves;
}

static void merge_long(const tok_pairs *p, tok_scratch *s)
{
    const int64_t n = s->used;
    int64_t leaves = 2;
    while (leaves < n) leaves *= 2;
    uint32_t *tree = s->tree;
    for (int64_t i = 0; i < n; i++) {
        s->next[i] = (int32_t)(i + 1 < n ? i + 1 : -1);
        s->prev[i] = (int32_t)(i - 1);
    }
    for (int64_t i = 0; i < leaves; i++)
        tree[leaves + i] = i + 1 < n ? pair_rank(p, s->id[i], s->id[i + 1]) : TOK_NO_RANK;
    for (int64_t k = leaves - 1; k >= 1; k--)
        tree[k] = tree[2 * k] < tree[2 * k + 1] ? tree[2 * k] : tree[2 * k + 1];
    while (tree[1] != TOK_NO_RANK) {
        const int64_t i = tree_leftmost(tree, leaves), r = s->next[i], after = s->next[r],
                      before = s->prev[i];
        s->id[i] = pair_find(p, s->id[i], s->id[r])->merged;
        s->next[i] = (int32_t)after;
        if (after >= 0) s->prev[after] = (int32_t)i;
        tree_set(tree, leaves, r, TOK_NO_RANK);
        tree_set(tree, leaves, i, after >= 0 ? pair_rank(p, s->id[i], s->id[after]) : TOK_NO_RANK);
        if (before >= 0) tree_set(tree, leaves, before, pair_rank(p, s->id[before], s->id[i]));
    }
    int64_t to = 0;
    for (int64_t i = 0; i >= 0; i = s->next[i]) s->id[to++] = s->id[i];
    s->used = to;
}

void glia_tok_merge(const tok_pairs *p, tok_scratch *s)
{
    if (s->used < 2 || p->count == 0) return;
    if (s->used <= TOK_SHORT) merge_short(p, s);
    else merge_long(p, s);
}
