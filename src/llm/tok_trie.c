/* Keys by their bytes, to find all that a text begins with in one walk. Edges live in one hash table; those
 * of the root in an array, since every walk starts there. */
#include "base/check.h"
#include "llm/tok.h"

#include <string.h>

static uint64_t edge_hash(uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u;
    key ^= key >> 32;
    key *= 0xD6E8FEB86659FD93u;
    return key ^ key >> 29;
}

bool glia_tok_trie_create(tok_trie *r, glia_arena *a, int64_t bytes)
{
    int64_t slots = 16;
    while (slots < bytes * 2) slots *= 2;
    r->edge = GLIA_NEW_ARRAY(a, uint64_t, slots);
    r->child = GLIA_NEW_ARRAY(a, int32_t, slots);
    r->id = GLIA_NEW_ARRAY(a, int32_t, bytes + 1);
    r->mask = (uint64_t)slots - 1;
    r->node_count = 1;
    memset(r->root, 0xFF, sizeof r->root);
    if (!r->edge || !r->child || !r->id) return false;
    r->id[0] = -1;
    return true;
}

bool glia_tok_trie_add(tok_trie *r, const char *key, int64_t size, int32_t id)
{
    int32_t node = 0;
    for (int64_t i = 0; i < size; i++) {
        const uint8_t b = (uint8_t)key[i];
        const uint64_t want = ((uint64_t)node << 8 | b) + 1;
        uint64_t at = edge_hash(want) & r->mask;
        int probe = 0;
        while (r->edge[at] && r->edge[at] != want && probe++ < TOK_PROBE_MAX) at = (at + 1) & r->mask;
        if (probe > TOK_PROBE_MAX) return false;
        if (!r->edge[at]) {
            r->edge[at] = want;
            r->id[r->node_count] = -1;
            r->child[at] = r->node_count++;
            if (!node) r->root[b] = r->child[at];
        }
        node = r->child[at];
    }
    if (node && r->id[node] < 0) r->id[node] = id;
    return true;
}

/* The table is at most half full, so the walk ends at a free slot. */
int32_t glia_tok_trie_step(const tok_trie *r, int32_t node, uint8_t b)
{
    if (!node) return r->root[b];
    const uint64_t want = ((uint64_t)node << 8 | b) + 1;
    for (uint64_t at = edge_hash(want) & r->mask;; at = (at + 1) & r->mask) {
        if (r->edge[at] == want) return r->child[at];
        if (!r->edge[at]) return -1;
    }
}
