/* Selection without a full sort. The k best come from a heap of k; the fewest that reach a sum, from a heap
 * of all that is emptied only as far as needed: both linear in the candidates while few are kept. */
#include "llm/sampler.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

static inline bool better(sampler_candidate a, sampler_candidate b)
{
    return a.key > b.key || (a.key == b.key && a.id < b.id);
}

static void sift_down(sampler_candidate *h, int64_t root, int64_t n, bool worst)
{
    const sampler_candidate it = h[root];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && better(h[child + 1], h[child]) != worst) child++;
        if (better(h[child], it) == worst) break;
        h[root] = h[child];
    }
    h[root] = it;
}

void glia_sampler_sift(sampler_candidate *h, int64_t n, bool worst_on_top)
{
    if (n > 0) sift_down(h, 0, n, worst_on_top);
}

void glia_sampler_heap(sampler_candidate *h, int64_t n, bool worst_on_top)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(h, i, n, worst_on_top);
}

int64_t glia_sampler_best(const float *keys, const int32_t *ids, int64_t n, int64_t k,
                          sampler_candidate *heap)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n && k > 0; i++) {
        const sampler_candidate c = {keys[i], ids ? ids[i] : (int32_t)i};
        if (c.key == -INFINITY) continue;
        if (count < k) {
            heap[count++] = c;
            if (count == k) glia_sampler_heap(heap, count, true);
        } else if (better(c, heap[0])) {
            heap[0] = c;
            sift_down(heap, 0, count, true);
        }
    }
    if (count < k) glia_sampler_heap(heap, count, true);
    for (int64_t left = count - 1; left > 0; left--) { /* the worst goes behind what is left */
        const sampler_candidate worst = heap[0];
        heap[0] = heap[left];
        heap[left] = worst;
        sift_down(heap, 0, left, true);
    }
    return count;
}

void glia_sampler_keep_best(glia_sampler *s, int64_t k)
{
    k = glia_max(k, 1);
    if (s->sorted) {
        s->n = glia_min(s->n, k);
        return;
    }
    s->n = glia_sampler_best(s->logit, s->id, s->n, k, s->heap);
    for (int64_t i = 0; i < s->n; i++) {
        s->logit[i] = s->heap[i].key;
        s->id[i] = s->heap[i].id;
    }
    s->sorted = true;
}

void glia_sampler_keep_sum(glia_sampler *s, double sum, int64_t least)
{
    double reached = 0;
    int64_t m = 0;
    glia_sampler_probabilities(s);
    if (s->sorted) {
        while (m < s->n && (m < least || reached < sum)) reached += (double)s->p[m++];
        s->n = m;
        return;
    }
    for (int64_t i = 0; i < s->n; i++) s->heap[i] = (sampler_candidate){s->logit[i], (int32_t)i};
    glia_sampler_heap(s->heap, s->n, false);
    /* The heap shrinks from its end, and what was taken is kept there, the best last. */
    int64_t left = s->n;
    while (left > 0 && (s->n - left < least || reached < sum)) {
        const sampler_candidate best = s->heap[0];
        reached += (double)s->p[best.id];
        s->heap[0] = s->heap[--left];
        s->heap[left] = (sampler_candidate){best.key, s->id[best.id]};
        glia_sampler_sift(s->heap, left, false);
    }
    m = s->n - left;
    for (int64_t i = 0; i < m; i++) {
        s->logit[i] = s->heap[s->n - 1 - i].key;
        s->id[i] = s->heap[s->n - 1 - i].id;
    }
    s->n = m;
    s->sorted = true;
}
