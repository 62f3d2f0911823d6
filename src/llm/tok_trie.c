/* Keys by their bytes, to find all that a text begins with in one walk. While keys come, edges live in one
 * hash table; then nodes are numbered anew, breadth first. */
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

bool glia_tok_trie_begin(tok_trie_build *b, const glia_os *os, int64_t bytes)
{
    int64_t slots = 16;
    memset(b, 0, sizeof *b);
    glia_arena_init(&b->arena, os, 0);
    while (slots < bytes * 2) slots *= 2;
    b->edge = GLIA_NEW_ARRAY(&b->arena, uint64_t, slots);
    b->child = GLIA_NEW_ARRAY(&b->arena, int32_t, slots);
    b->id = GLIA_NEW_ARRAY(&b->arena, int32_t, bytes + 1);
    b->mask = (uint64_t)slots - 1;
    b->node_count = 1;
    if (!b->edge || !b->child || !b->id) return false;
    b->id[0] = -1;
    return true;
}

void glia_tok_trie_free(tok_trie_build *b) { glia_arena_free(&b->arena); }

bool glia_tok_trie_add(tok_trie_build *b, const char *key, int64_t size, int32_t id)
{
    int32_t node = 0;
    for (int64_t i = 0; i < size; i++) {
        const uint64_t want = ((uint64_t)node << 8 | (uint8_t)key[i]) + 1;
        uint64_t at = edge_hash(want) & b->mask;
        int probe = 0;
        while (b->edge[at] && b->edge[at] != want && probe++ < TOK_PROBE_MAX) at = (at + 1) & b->mask;
        if (probe > TOK_PROBE_MAX) return false;
        if (!b->edge[at]) {
            if (b->node_count == INT32_MAX) return false;
            b->edge[at] = want;
            b->id[b->node_count] = -1;
            b->child[at] = b->node_count++;
        }
        node = b->child[at];
    }
    if (node && b->id[node] < 0) b->id[node] = id;
    return true;
}

bool glia_tok_trie_end(tok_trie_build *b, tok_trie *r, glia_arena *a)
{
    const int64_t count = b->node_count;
    int32_t *from = GLIA_NEW_ARRAY(&b->arena, int32_t, count + 2); /* where a node's edges begin */
    int64_t *edge = GLIA_NEW_ARRAY(&b->arena, int64_t, count);     /* that leads to a node */
    int64_t *slot = GLIA_NEW_ARRAY(&b->arena, int64_t, count);     /* the edges, parent by parent */
    int32_t *old = GLIA_NEW_ARRAY(&b->arena, int32_t, count);      /* by new number */
    r->nodes = GLIA_NEW_ARRAY(a, tok_trie_node, count + 1);
    r->label = GLIA_NEW_ARRAY(a, uint8_t, count);
    memset(r->root, 0xFF, sizeof r->root);
    if (!from || !edge || !slot || !old || !r->nodes || !r->label) return false;
    r->node_count = b->node_count;
    for (uint64_t at = 0; at <= b->mask; at++) {
        if (!b->edge[at]) continue;
        from[((b->edge[at] - 1) >> 8) + 2]++;
        edge[b->child[at]] = (int64_t)at;
    }
    for (int64_t i = 1; i <= count; i++) from[i + 1] += from[i];
    for (int64_t i = 1; i < count; i++) slot[from[((b->edge[edge[i]] - 1) >> 8) + 1]++] = edge[i];
    int32_t next = 1;
    for (int64_t i = 0; i < count; i++) {
        r->nodes[i] = (tok_trie_node){.first = next, .id = b->id[old[i]]};
        for (int32_t k = from[old[i]]; k < from[old[i] + 1]; k++) {
            r->label[next] = (uint8_t)(b->edge[slot[k]] - 1);
            if (!i) r->root[r->label[next]] = next;
            old[next++] = b->child[slot[k]];
        }
    }
    r->nodes[count].first = next;
    return true;
}
