/* See sampler.h for what is computed. The highest k come from a heap of k, the fewest for top-p from a heap
 * of all that is only emptied as far as needed: no full sort of a vocabulary. */
#include "llm/sampler.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

struct glia_sampler {
    glia_arena arena;
    const glia_os *os;
    glia_sampler_options o;
    glia_logit_bias *biases;
    int64_t vocab;
    uint64_t position;
    float *work;     /* [vocab] logits after bias and penalties */
    int32_t *times;  /* [vocab] occurrences among recent tokens; all zero between calls */
    candidate *heap; /* [vocab] */
    candidate *kept; /* [vocab] best first, or by id where nothing is sorted */
    double *weight;  /* [vocab] of kept */
};

static bool in_range(float v, float low, float high) { return v >= low && v <= high; }

static glia_status check_options(const glia_sampler_options *o, int64_t vocab, glia_error *e)
{
    const char *bad = NULL;
    if (!in_range(o->temperature, 0, 3.4e38f)) bad = "temperature";
    else if (o->top_k < 0) bad = "top_k";
    else if (!in_range(o->top_p, 0, 1)) bad = "top_p";
    else if (!in_range(o->min_p, 0, 1)) bad = "min_p";
    else if (!in_range(o->repeat_penalty, 0, 3.4e38f)) bad = "repeat_penalty";
    else if (!in_range(o->presence_penalty, -3.4e38f, 3.4e38f)) bad = "presence_penalty";
    else if (!in_range(o->frequency_penalty, -3.4e38f, 3.4e38f)) bad = "frequency_penalty";
    else if (o->penalty_last_n < -1) bad = "penalty_last_n";
    else if (o->bias_count < 0 || (o->bias_count && !o->biases)) bad = "bias_count";
    for (int64_t i = 0; !bad && i < o->bias_count; i++)
        if (o->biases[i].id < 0 || o->biases[i].id >= vocab || !(o->biases[i].bias < INFINITY))
            bad = "biases";
    return bad ? glia_fail(e, GLIA_E_ARG, "G0620", "sampling option %s is out of range", bad) : GLIA_OK;
}

glia_status glia_sampler_create(const glia_os *os, int64_t vocab_size, const glia_sampler_options *options,
                                glia_sampler **out, glia_error *e)
{
    glia_sampler_options o = GLIA_SAMPLER_OPTIONS_INIT;
    if (out) *out = NULL;
    if (!out || vocab_size < 1 || vocab_size > INT32_MAX || (options && options->size < sizeof o.size))
        return glia_fail(e, GLIA_E_ARG, "G0622", "a sampler for %lld tokens", (long long)vocab_size);
    if (options) memcpy(&o, options, (size_t)glia_min(options->size, (int64_t)sizeof o));
    const glia_status status = check_options(&o, vocab_size, e);
    if (status) return status;
    if (!os) os = glia_os_default();
    glia_sampler *s = os->mem_alloc(os->ctx, sizeof *s, _Alignof(glia_sampler));
    if (!s) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the sampler");
    s->os = os;
    s->o = o;
    s->vocab = vocab_size;
    glia_arena_init(&s->arena, os, 0);
    s->biases = GLIA_NEW_ARRAY(&s->arena, glia_logit_bias, o.bias_count);
    s->work = GLIA_NEW_ARRAY(&s->arena, float, vocab_size);
    s->times = GLIA_NEW_ARRAY(&s->arena, int32_t, vocab_size);
    s->heap = GLIA_NEW_ARRAY(&s->arena, candidate, vocab_size);
    s->kept = GLIA_NEW_ARRAY(&s->arena, candidate, vocab_size);
    s->weight = GLIA_NEW_ARRAY(&s->arena, double, vocab_size);
    if (s->arena.failed || !s->biases || !s->work || !s->times || !s->heap || !s->kept || !s->weight) {
        glia_sampler_destroy(s);
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the sampler");
    }
    if (o.bias_count) memcpy(s->biases, o.biases, (size_t)o.bias_count * sizeof *s->biases);
    s->o.biases = s->biases;
    *out = s;
    return GLIA_OK;
}

void glia_sampler_destroy(glia_sampler *s)
{
    if (!s) return;
    glia_arena_free(&s->arena);
    s->os->mem_free(s->os->ctx, s, sizeof *s);
}

uint64_t glia_sampler_position(const glia_sampler *s) { return s->position; }
void glia_sampler_seek(glia_sampler *s, uint64_t position) { s->position = position; }

/* ---- steps 1 and 2 */

static void penalise(glia_sampler *s, const int32_t *recent, int64_t count)
{
    const glia_sampler_options *o = &s->o;
    const float repeat = o->repeat_penalty == 0 ? 1 : o->repeat_penalty;
    const int64_t window = o->penalty_last_n == 0 ? 64 : o->penalty_last_n < 0 ? count : o->penalty_last_n;
    const int64_t begin = glia_max(0, count - window);
    if (repeat == 1 && o->presence_penalty == 0 && o->frequency_penalty == 0) return;
    for (int64_t i = begin; i < count; i++) s->times[recent[i]]++;
    for (int64_t i = begin; i < count; i++) {
        const int32_t id = recent[i], c = s->times[id];
        if (!c) continue; /* done at its first occurrence */
        float l = s->work[id];
        l = l > 0 ? l / repeat : l * repeat;
        s->work[id] = l - fmaf((float)c, o->frequency_penalty, o->presence_penalty);
        s->times[id] = 0;
    }
}

/* Fills work; *best is the id of the highest logit, the lowest of equal ones. */
static glia_status adjust(glia_sampler *s, const float *logits, const int32_t *recent, int64_t count,
                          int32_t *best, glia_error *e)
{
    for (int64_t i = 0; i < count; i++)
        if (recent[i] < 0 || recent[i] >= s->vocab)
            return glia_fail(e, GLIA_E_ARG, "G0622",
                             "recent token %lld is %d; the vocabulary has %lld tokens", (long long)i,
                             (int)recent[i], (long long)s->vocab);
    memcpy(s->work, logits, (size_t)s->vocab * sizeof *logits);
    for (int64_t i = 0; i < s->o.bias_count; i++) s->work[s->biases[i].id] += s->biases[i].bias;
    penalise(s, recent, count);
    *best = 0;
    for (int64_t i = 0; i < s->vocab; i++) {
        if (!(s->work[i] < INFINITY))
            return glia_fail(e, GLIA_E_GUARD, "G0621", "the logit of token %lld is %s", (long long)i,
                             s->work[i] > 0 ? "infinite" : "not a number");
        if (s->work[i] > s->work[*best]) *best = (int32_t)i;
    }
    if (s->work[*best] == -INFINITY)
        return glia_fail(e, GLIA_E_GUARD, "G0621", "no token has a logit above -infinity");
    return GLIA_OK;
}

/* ---- steps 4 to 6 */

static inline bool better(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* Heaps with the worst (sign true) or the best on top. */
static void sift_down(candidate *h, int64_t root, int64_t n, bool worst)
{
    const candidate it = h[root];
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && better(h[child + 1], h[child]) != worst) child++;
        if (better(h[child], it) == worst) break;
        h[root] = h[child];
    }
    h[root] = it;
}

static void heapify(candidate *h, int64_t n, bool worst)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(h, i, n, worst);
}

/* The k best of all candidates into kept, best first. */
static int64_t take_top_k(glia_sampler *s, int64_t k)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->vocab; i++) {
        const candidate c = {s->work[i], (int32_t)i};
        if (c.logit == -INFINITY) continue;
        if (n < k) {
            s->heap[n++] = c;
            if (n == k) heapify(s->heap, n, true);
        } else if (c.logit > s->heap[0].logit) { /* an equal one has the higher id and loses */
            s->heap[0] = c;
            sift_down(s->heap, 0, n, true);
        }
    }
    if (n < k) heapify(s->heap, n, true);
    for (int64_t left = n; left > 0; left--) {
        s->kept[left - 1] = s->heap[0];
        s->heap[0] = s->heap[left - 1];
        sift_down(s->heap, 0, left - 1, true);
    }
    return n;
}

static double weigh(glia_sampler *s, int64_t n, float max, double temperature)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        s->weight[i] = glia_exp(((double)s->kept[i].logit - (double)max) / temperature);
        total += s->weight[i];
    }
    return total;
}

/* All candidates into kept by id; with top-p only the fewest that reach it, best first. */
static int64_t take_all(glia_sampler *s, float max)
{
    const double p = s->o.top_p;
    int64_t n = 0, m = 0;
    for (int64_t i = 0; i < s->vocab; i++)
        if (s->work[i] != -INFINITY) s->kept[n++] = (candidate){s->work[i], (int32_t)i};
    if (p <= 0 || p >= 1) return n;
    const double want = p * weigh(s, n, max, 1);
    memcpy(s->heap, s->kept, (size_t)n * sizeof *s->heap);
    heapify(s->heap, n, false);
    for (double sum = 0; m < n && sum < want;) {
        s->kept[m] = s->heap[0];
        sum += glia_exp((double)s->kept[m].logit - (double)max);
        s->heap[0] = s->heap[n - ++m];
        sift_down(s->heap, 0, n - m, false);
    }
    return m;
}

static int64_t choose(glia_sampler *s, float max)
{
    const double p = s->o.top_p;
    int64_t n;
    if (s->o.top_k > 0 && s->o.top_k < s->vocab) {
        n = take_top_k(s, s->o.top_k);
        if (p > 0 && p < 1) {
            const double want = p * weigh(s, n, max, 1);
            double sum = 0;
            int64_t m = 0;
            while (m < n && sum < want) sum += s->weight[m++];
            n = m;
        }
    } else n = take_all(s, max);
    if (s->o.min_p <= 0) return n;
    const double least =
        (double)max + glia_log((double)s->o.min_p); /* exp(l - max) >= min_p without an exp each */
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if ((double)s->kept[i].logit >= least) s->kept[m++] = s->kept[i];
    return m;
}

glia_status glia_sampler_sample(glia_sampler *s, const float *logits, const int32_t *recent, int64_t count,
                                int32_t *id, glia_error *e)
{
    int32_t best = 0;
    if (!s || !logits || !id || count < 0 || (count && !recent))
        return glia_fail(e, GLIA_E_ARG, "G0622", "sample: null or negative argument");
    const glia_status status = adjust(s, logits, recent, count, &best, e);
    if (status) return status;
    if (s->o.temperature > 0) {
        const float max = s->work[best];
        const int64_t n = choose(s, max);
        const double total = weigh(s, n, max, s->o.temperature);
        /* Each position has a block of the generator of its own. */
        glia_rng r = {s->o.seed, 0, s->position * 4};
        const double want = glia_rng_f64(&r) * total;
        double sum = 0;
        for (int64_t i = 0; i < n; i++) { /* best stays where rounding leaves a rest */
            sum += s->weight[i];
            if (sum <= want) continue;
            best = s->kept[i].id;
            break;
        }
    }
    s->position++;
    *id = best;
    return GLIA_OK;
}
