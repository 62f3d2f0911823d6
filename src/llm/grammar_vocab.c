/* The tokens of a vocabulary as a tree of bytes, flat and in the order of a walk: a subtree that cannot match
 * is skipped with one step. Tokens are sorted by their bytes; each node's own tokens lie together. */
#include "llm/grammar.h"

#include "base/check.h"
#include "base/error.h"
#include "llm/internal.h"

#include <string.h>

enum { TOKEN_BYTES_MAX = 1 << 16 }; /* longer ones never match */

static const char *text_of(const glia_vocab_tree *v, int32_t id, int64_t *size)
{
    *size = v->begin[id + 1] - v->begin[id];
    return v->bytes + v->begin[id];
}

static int compare(const glia_vocab_tree *v, int32_t a, int32_t b)
{
    int64_t m, n;
    const char *s = text_of(v, a, &m), *t = text_of(v, b, &n);
    const int c = memcmp(s, t, (size_t)glia_min(m, n));
    return c ? c : m < n ? -1 : m > n ? 1 : a - b;
}

/* Merge sort from runs of one; `other` is as long as `ids`. */
static void sort_tokens(const glia_vocab_tree *v, int32_t *ids, int32_t *other, int64_t count)
{
    int32_t *from = ids, *to = other;
    for (int64_t run = 1; run < count; run *= 2) {
        for (int64_t low = 0; low < count; low += 2 * run) {
            const int64_t middle = glia_min(low + run, count), high = glia_min(low + 2 * run, count);
            int64_t i = low, k = middle;
            for (int64_t at = low; at < high; at++)
                to[at] =
                    i < middle && (k == high || compare(v, from[i], from[k]) < 0) ? from[i++] : from[k++];
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != ids) memcpy(ids, from, (size_t)count * sizeof *ids);
}

/* Bytes that a and b share at their beginning. */
static int64_t shared(const glia_vocab_tree *v, int32_t a, int32_t b)
{
    int64_t m, n, i = 0;
    const char *s = text_of(v, a, &m), *t = text_of(v, b, &n);
    while (i < m && i < n && s[i] == t[i]) i++;
    return i;
}

/* open[d]: the node of depth d + 1 on the way to the token at hand. */
static void build_nodes(glia_vocab_tree *v, int32_t *open, int64_t count)
{
    int64_t depth = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t size;
        const char *text = text_of(v, v->sorted[i], &size);
        const int64_t keep = i ? shared(v, v->sorted[i - 1], v->sorted[i]) : 0;
        while (depth > keep) v->nodes[open[--depth]].next = (int32_t)v->node_count;
        for (; depth < size; depth++) {
            open[depth] = (int32_t)v->node_count;
            v->nodes[v->node_count++] =
                (vocab_node){0, (int32_t)i, 0, (int32_t)(depth + 1) << 8 | (uint8_t)text[depth]};
        }
        v->nodes[open[size - 1]].tokens++;
    }
    while (depth > 0) v->nodes[open[--depth]].next = (int32_t)v->node_count;
}

static glia_status copy_tokens(glia_vocab_tree *v, const grammar_token *tokens, int64_t count, glia_error *e)
{
    int64_t total = 0, ends = 0;
    for (int64_t i = 0; i < count; i++) {
        if (tokens[i].size < 0 || !glia_add(total, tokens[i].size, &total) || total > INT32_MAX / 2)
            return glia_fail(e, GLIA_E_LIMIT, "G0654", "the vocabulary's texts are too long for a tree");
        ends += tokens[i].ends;
    }
    v->count = count;
    v->bytes = GLIA_NEW_ARRAY(&v->arena, char, total);
    v->begin = GLIA_NEW_ARRAY(&v->arena, int64_t, count + 1);
    v->sorted = GLIA_NEW_ARRAY(&v->arena, int32_t, count);
    v->ends = GLIA_NEW_ARRAY(&v->arena, int32_t, ends);
    if (v->arena.failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary's tree");
    for (int64_t i = 0; i < count; i++) {
        const int64_t size = tokens[i].size > TOKEN_BYTES_MAX || tokens[i].ends ? 0 : tokens[i].size;
        if (size) memcpy(v->bytes + v->begin[i], tokens[i].text, (size_t)size);
        v->begin[i + 1] = v->begin[i] + size;
        v->depth_max = glia_max(v->depth_max, size);
        if (tokens[i].ends) v->ends[v->end_count++] = (int32_t)i;
    }
    return GLIA_OK;
}

static glia_status build(glia_vocab_tree *v, glia_error *e)
{
    glia_arena scratch;
    glia_arena_init(&scratch, v->os, 0);
    int32_t *other = GLIA_NEW_ARRAY(&scratch, int32_t, v->count);
    int32_t *open = GLIA_NEW_ARRAY(&scratch, int32_t, v->depth_max);
    glia_status st = GLIA_OK;
    if (!scratch.failed) {
        int64_t used = 0, nodes = 0;
        for (int64_t i = 0; i < v->count; i++)
            if (v->begin[i + 1] > v->begin[i]) v->sorted[used++] = (int32_t)i;
        sort_tokens(v, v->sorted, other, used);
        for (int64_t i = 0, size; i < used; i++) {
            text_of(v, v->sorted[i], &size);
            nodes += size - (i ? shared(v, v->sorted[i - 1], v->sorted[i]) : 0);
        }
        v->nodes = GLIA_NEW_ARRAY(&v->arena, vocab_node, nodes);
        if (v->nodes) build_nodes(v, open, used);
    }
    if (scratch.failed || !v->nodes)
        st = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary's tree");
    glia_arena_free(&scratch);
    return st;
}

glia_status glia_vocab_tree_from_tokens(const glia_os *os, const grammar_token *tokens, int64_t count,
                                        glia_vocab_tree **out, glia_error *e)
{
    if (out) *out = NULL;
    if (!out || !tokens || count < 1 || count > INT32_MAX)
        return glia_fail(e, GLIA_E_ARG, "G0666", "a tree of %lld tokens", (long long)count);
    if (!os) os = glia_os_default();
    glia_vocab_tree *v = os->mem_alloc(os->ctx, sizeof *v, _Alignof(glia_vocab_tree));
    if (!v) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary's tree");
    v->os = os;
    glia_arena_init(&v->arena, os, 0);
    glia_status st = copy_tokens(v, tokens, count, e);
    if (!st) st = build(v, e);
    if (st) glia_vocab_tree_destroy(v);
    else *out = v;
    return st;
}

glia_status glia_vocab_tree_create(const glia_model *m, glia_vocab_tree **out, glia_error *e)
{
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!m || !m->tokenizer || !out)
        return glia_fail(e, GLIA_E_ARG, "G0666", "a null argument to a vocabulary's tree");
    const glia_tokenizer *t = m->tokenizer;
    const int64_t count = glia_tokenizer_vocab_size(t);
    glia_arena a;
    glia_arena_init(&a, m->options.os, 0);
    grammar_token *tokens = GLIA_NEW_ARRAY(&a, grammar_token, count);
    for (int64_t i = 0; i < count && !a.failed; i++) {
        tokens[i].ends = glia_tokenizer_is_eog(t, (int32_t)i);
        tokens[i].size = glia_tokenizer_piece(t, (int32_t)i, NULL, 0, 0);
        char *text = glia_arena_alloc(&a, tokens[i].size, 1);
        tokens[i].text = text;
        if (text) glia_tokenizer_piece(t, (int32_t)i, text, tokens[i].size, 0);
    }
    glia_status st = a.failed ? glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary's tree")
                              : glia_vocab_tree_from_tokens(m->options.os, tokens, count, out, e);
    if (!st) (*out)->tokenizer = t;
    glia_arena_free(&a);
    return st;
}

void glia_vocab_tree_destroy(glia_vocab_tree *v)
{
    if (!v) return;
    const glia_os *os = v->os;
    glia_arena_free(&v->arena);
    os->mem_free(os->ctx, v, sizeof *v);
}
