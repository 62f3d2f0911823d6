/* TfIdfVectorizer: counts of the n-grams of a pool in each row, with up to max_skip_count elements left out between
 * two of an n-gram.
 *
 * Elements of the pool are numbered (equal ones alike); n-grams are the paths of a tree whose edges {node, element}
 * lie in one hash table:
 *
 *     pool 1-grams: a b   2-grams: a b, b a       root -a-> 1 -b-> 3      a node may end an n-gram: its number + 1
 *                                                 root -b-> 2 -a-> 4
 *
 * Weights belong to the n-grams of the pool. */
#include "base/arena.h"
#include "base/check.h"
#include "net/host_ops.h"
#include "net/host_util.h"

#include <string.h>

typedef struct edge {
    int32_t from, element, to; /* from -1: free */
} edge;

typedef struct key {
    uint64_t hash;
    int64_t at; /* in the pool; -1: free */
} key;

typedef struct grams {
    const int64_t *numbers; /* the pool, or */
    const glia_onnx_text *texts;
    int64_t pool, slots; /* slots: of both tables, a power of two above twice the pool */
    key *keys;
    edge *edges;
    int64_t *ends;    /* [nodes] the n-gram that ends here, + 1 */
    int32_t *element; /* [pool] */
    int32_t nodes;
    const int64_t *coordinate; /* [gram_count] */
    int64_t gram_count, width; /* n-grams; of the output */
    int64_t shortest, longest, skips;
} grams;

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDull;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53ull;
    return h ^ h >> 33;
}

static uint64_t text_hash(const char *s, int64_t size)
{
    uint64_t h = 0xCBF29CE484222325ull;
    for (int64_t i = 0; i < size; i++) h = (h ^ (uint8_t)s[i]) * 0x100000001B3ull;
    return mix(h);
}

/* The place of an element in the table of keys: it, or a free one. */
static key *key_of(const grams *g, uint64_t hash, int64_t number, const char *s, int64_t size)
{
    for (uint64_t i = hash;; i++) {
        key *k = &g->keys[i & (uint64_t)(g->slots - 1)];
        if (k->at < 0) return k;
        if (k->hash != hash) continue;
        const glia_onnx_text *t = g->texts ? &g->texts[k->at] : NULL;
        if (t ? t->size == size && !memcmp(t->text, s, (size_t)size) : g->numbers[k->at] == number) return k;
    }
}

static edge *edge_of(const grams *g, int32_t from, int32_t element)
{
    for (uint64_t i = mix((uint64_t)(uint32_t)from << 32 | (uint32_t)element);; i++) {
        edge *e = &g->edges[i & (uint64_t)(g->slots - 1)];
        if (e->from < 0 || (e->from == from && e->element == element)) return e;
    }
}

static bool tables_new(grams *g, glia_arena *a)
{
    for (g->slots = 16; g->slots < 2 * g->pool + 2; g->slots *= 2) {
    }
    g->keys = GLIA_NEW_ARRAY(a, key, g->slots);
    g->edges = GLIA_NEW_ARRAY(a, edge, g->slots);
    g->ends = GLIA_NEW_ARRAY(a, int64_t, g->pool + 1);
    g->element = GLIA_NEW_ARRAY(a, int32_t, g->pool);
    if (!g->keys || !g->edges || !g->ends || !g->element) return false;
    for (int64_t i = 0; i < g->slots; i++) g->keys[i].at = g->edges[i].from = -1;
    g->nodes = 1;
    for (int64_t i = 0; i < g->pool; i++) {
        const uint64_t hash =
            g->texts ? text_hash(g->texts[i].text, g->texts[i].size) : mix((uint64_t)g->numbers[i]);
        key *k = g->texts ? key_of(g, hash, 0, g->texts[i].text, g->texts[i].size)
                          : key_of(g, hash, g->numbers[i], NULL, 0);
        if (k->at < 0) *k = (key){hash, i};
        g->element[i] = (int32_t)k->at;
    }
    return true;
}

static void add_gram(grams *g, const int32_t *elements, int64_t size, int64_t gram)
{
    int32_t node = 0;
    for (int64_t i = 0; i < size; i++) {
        edge *e = edge_of(g, node, elements[i]);
        if (e->from < 0) *e = (edge){node, elements[i], g->nodes++};
        node = e->to;
    }
    g->ends[node] = gram + 1;
}

static glia_status read_pool(glia_host *h, grams *g, glia_arena *a)
{
    const glia_onnx_attr *texts = glia_host_attr_of(h, "pool_strings", GLIA_ONNX_ATTR_STRINGS),
                         *numbers = glia_host_attr_of(h, "pool_int64s", GLIA_ONNX_ATTR_INTS);
    const glia_onnx_attr *counts = glia_host_attr_of(h, "ngram_counts", GLIA_ONNX_ATTR_INTS),
                         *at = glia_host_attr_of(h, "ngram_indexes", GLIA_ONNX_ATTR_INTS);
    if (texts && texts->count) g->texts = texts->strings;
    else if (numbers) g->numbers = numbers->ints;
    g->pool = g->texts ? texts->count : numbers ? numbers->count : 0;
    if ((!g->texts && !g->numbers) || !counts || !at || !at->count || g->pool > INT32_MAX)
        return glia_host_fail(h, "TfIdfVectorizer needs a pool, ngram_counts and ngram_indexes");
    g->coordinate = at->ints;
    g->gram_count = at->count;
    for (int64_t i = 0; i < at->count; i++) {
        if (at->ints[i] < 0 || at->ints[i] > INT32_MAX)
            return glia_host_fail(h, "an index in ngram_indexes out of range");
        g->width = glia_max(g->width, at->ints[i] + 1);
    }
    if (!tables_new(g, a)) return glia_host_no_object(h);
    int64_t gram = 0;
    for (int64_t n = 1; n <= counts->count; n++) {
        const int64_t from = counts->ints[n - 1], to = n < counts->count ? counts->ints[n] : g->pool;
        if (from < 0 || to < from || to > g->pool || (to - from) % n ||
            gram + (to - from) / n > g->gram_count)
            return glia_host_fail(h, "ngram_counts do not fit to the pool and to ngram_indexes");
        for (int64_t i = from; i < to; i += n, gram++)
            if (n >= g->shortest && n <= g->longest) add_gram(g, g->element + i, n, gram);
    }
    return GLIA_OK;
}

/* Counts one row, whose elements are numbered (-1: not in the pool). 1-grams are counted once, not for each skip. */
static void count_row(const grams *g, const int32_t *row, int64_t size, double *out)
{
    int64_t shortest = g->shortest;
    for (int64_t skip = 1; skip <= g->skips + 1; skip++) {
        for (int64_t begin = 0; begin < size; begin++) {
            int32_t node = 0;
            int64_t n = 1;
            for (int64_t i = begin; n <= g->longest && i < size && row[i] >= 0; i += skip, n++) {
                const edge *e = edge_of(g, node, row[i]);
                if (e->from < 0) break;
                node = e->to;
                if (n >= shortest && g->ends[node]) out[g->coordinate[g->ends[node] - 1]]++;
            }
        }
        if (skip >= size) break;
        if (shortest == 1 && ++shortest > g->longest) break;
    }
}

static void number_row(const grams *g, const glia_object *x, int64_t begin, int64_t size, int32_t *row)
{
    for (int64_t i = 0; i < size; i++) {
        int64_t n = 0;
        const char *s = g->texts ? glia_object_string(x, begin + i, &n) : NULL;
        const int64_t number = g->texts ? 0 : glia_object_integer(x, begin + i);
        const key *k = key_of(g, s ? text_hash(s, n) : mix((uint64_t)number), number, s, n);
        row[i] = (int32_t)k->at;
    }
}

/* Counts to what the mode makes of them. */
static void weigh(glia_host *h, const grams *g, const double *counts, float *out)
{
    const char *mode = glia_host_string(h, "mode", "TF");
    const glia_onnx_attr *w = glia_host_attr_of(h, "weights", GLIA_ONNX_ATTR_FLOATS);
    const bool idf = !strcmp(mode, "IDF"), weighted = w && w->count && strcmp(mode, "TF") != 0;
    for (int64_t i = 0; i < g->width; i++) out[i] = (float)(idf && counts[i] > 1 ? 1 : counts[i]);
    if (!weighted) return;
    for (int64_t i = 0; i < g->gram_count; i++) {
        const int64_t at = g->coordinate[i];
        const double c = idf && counts[at] > 1 ? 1 : counts[at];
        out[at] = (float)(c * (i < w->count ? (double)w->floats[i] : 0));
    }
}

static glia_status tfidf_rows(glia_host *h, grams *g, glia_arena *a, const glia_object *x)
{
    const int64_t rows = x->rank == 2 ? x->dims[0] : 1, size = x->rank == 0 ? 1 : x->dims[x->rank - 1];
    const int64_t dims[2] = {x->rank == 2 ? rows : g->width, g->width};
    void *data;
    int32_t *row = GLIA_NEW_ARRAY(a, int32_t, size);
    double *counts = GLIA_NEW_ARRAY(a, double, g->width);
    if (!row || !counts) return glia_host_no_object(h);
    glia_object *o = glia_host_tensor(h, GLIA_F32, x->rank == 2 ? 2 : 1, dims, &data);
    if (!o) return glia_host_error(h)->status;
    for (int64_t r = 0; r < rows; r++) {
        memset(counts, 0, (size_t)g->width * sizeof counts[0]);
        number_row(g, x, r * size, size, row);
        count_row(g, row, size, counts);
        weigh(h, g, counts, (float *)data + r * g->width);
    }
    glia_host_set(h, 0, o);
    return GLIA_OK;
}

glia_status glia_host_tfidf(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    grams g = {.shortest = glia_host_int(h, "min_gram_length", 1),
               .longest = glia_host_int(h, "max_gram_length", 1),
               .skips = glia_host_int(h, "max_skip_count", 0)};
    glia_arena a;
    if (!x || x->kind > GLIA_OBJECT_STRINGS || x->rank > 2)
        return glia_host_fail(h, "TfIdfVectorizer takes [C] or [B, C]");
    if (g.shortest < 1 || g.longest < g.shortest || g.skips < 0)
        return glia_host_fail(h, "lengths of n-grams out of range");
    glia_arena_init(&a, glia_host_os(h), 0);
    glia_status status = read_pool(h, &g, &a);
    if (!status && glia_is_strings(x) != (g.texts != NULL))
        status = glia_host_wrong(h, "G1041", "the pool and the input are not of one kind");
    if (!status) status = tfidf_rows(h, &g, &a, x);
    glia_arena_free(&a);
    return status;
}
