/* The chain: a row for each step, in the default order. A step sees what earlier ones have left, and leaves
 * at least one candidate. Sums are in double precision, in the order of the candidates. */
#include "llm/sampler.h"

#include "base/check.h"
#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>

float glia_sampler_max(const glia_sampler *s)
{
    float max = s->logit[0];
    if (s->sorted) return max;
    for (int64_t i = 1; i < s->n; i++) max = s->logit[i] > max ? s->logit[i] : max;
    return max;
}

void glia_sampler_probabilities(glia_sampler *s)
{
    const int64_t begin = 0, dims[1] = {s->n};
    const glia_tensor in = {.data = s->logit, .dims = dims, .rank = 1, .dtype = GLIA_F32};
    const glia_tensor out = {.data = s->p, .dims = dims, .rank = 1, .dtype = GLIA_F32};
    const glia_kargs k = {
        .in = &in, .out = &out, .in_count = 1, .out_count = 1, .begin = &begin, .end = dims};
    s->softmax.run(&k);
}

/* Moves candidate i to place `to`. */
static void keep(glia_sampler *s, int64_t i, int64_t to)
{
    s->logit[to] = s->logit[i];
    s->id[to] = s->id[i];
}

/* Keeps the candidates with a logit of at least `bound`, but no fewer than `least`. */
static void keep_from(glia_sampler *s, double bound, int64_t least)
{
    int64_t m = 0;
    for (int64_t i = 0; i < s->n; i++) m += (double)s->logit[i] >= bound;
    if (m < least) {
        glia_sampler_keep_best(s, least);
        return;
    }
    m = 0;
    for (int64_t i = 0; i < s->n; i++)
        if ((double)s->logit[i] >= bound) keep(s, i, m++);
    s->n = m;
}

/* -log p of candidate i is log_sum - logit[i]. */
static double log_sum(const glia_sampler *s)
{
    const float max = glia_sampler_max(s);
    float highest = 0;
    for (int64_t i = 0; i < s->n; i++) highest = s->p[i] > highest ? s->p[i] : highest;
    return (double)max - glia_log((double)highest); /* the highest p is 1 / sum of exp(l - max) */
}

static double entropy(const glia_sampler *s, double sum)
{
    double h = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (s->p[i] > 0) h += (double)s->p[i] * (sum - (double)s->logit[i]);
    return h;
}

/* ---- steps */

static void top_n_sigma(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    double sum = 0, squares = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (s->logit[i] == -INFINITY) continue;
        sum += (double)s->logit[i];
        finite++;
    }
    const double mean = sum / (double)finite;
    for (int64_t i = 0; i < s->n; i++) {
        const double d = (double)s->logit[i] - mean;
        if (s->logit[i] != -INFINITY) squares += d * d;
    }
    const double deviation = sqrt(squares / (double)finite);
    keep_from(s, (double)glia_sampler_max(s) - (double)s->o.top_n_sigma * deviation, 1);
}

static void top_k(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    if (s->o.top_k < s->n) glia_sampler_keep_best(s, s->o.top_k);
}

/* Locally typical sampling (Meister et al. 2022). */
static void typ_p(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    glia_sampler_probabilities(s);
    const double sum = log_sum(s), h = entropy(s, sum);
    for (int64_t i = 0; i < s->n; i++)
        s->heap[i] = (sampler_candidate){(float)-fabs(sum - (double)s->logit[i] - h), (int32_t)i};
    glia_sampler_heap(s->heap, s->n, false);
    double reached = 0;
    int64_t left = s->n;
    while (left > 0 && (s->n - left < s->o.min_keep || reached <= (double)s->o.typical_p)) {
        const sampler_candidate best = s->heap[0];
        reached += (double)s->p[best.id];
        s->heap[0] = s->heap[--left];
        s->heap[left] = (sampler_candidate){s->logit[best.id], s->id[best.id]};
        glia_sampler_sift(s->heap, left, false);
    }
    const int64_t m = s->n - left;
    for (int64_t i = 0; i < m; i++) {
        s->logit[i] = s->heap[s->n - 1 - i].key;
        s->id[i] = s->heap[s->n - 1 - i].id;
    }
    s->n = m;
    s->sorted = false;
}

static void top_p(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    glia_sampler_keep_sum(s, (double)s->o.top_p, s->o.min_keep);
}

/* exp(l - max) >= min_p without an exp each */
static void min_p(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    keep_from(s, (double)glia_sampler_max(s) + glia_log((double)s->o.min_p), s->o.min_keep);
}

/* Is candidate a worse than b? */
static bool worse(const glia_sampler *s, int64_t a, int64_t b)
{
    return s->logit[a] < s->logit[b] || (s->logit[a] == s->logit[b] && s->id[a] > s->id[b]);
}

static void xtc(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    glia_rng r = {s->o.seed, SAMPLER_STREAM_XTC, s->position * 4};
    const double u = glia_rng_f64(&r);
    if (s->n < 2 || s->o.xtc_threshold > 0.5f || u >= (double)s->o.xtc_probability) return;
    int64_t above = 0, last = -1, m = 0;
    glia_sampler_probabilities(s);
    for (int64_t i = 0; i < s->n; i++) {
        if (s->p[i] < s->o.xtc_threshold) continue;
        above++;
        if (last < 0 || worse(s, i, last)) last = i;
    }
    if (above < 2 || s->n - (above - 1) < s->o.min_keep) return;
    for (int64_t i = 0; i < s->n; i++)
        if (i == last || s->p[i] < s->o.xtc_threshold) keep(s, i, m++);
    s->n = m;
}

void glia_sampler_temper(glia_sampler *s, double temperature)
{
    if (temperature <= 0) {
        glia_sampler_keep_best(s, 1);
        return;
    }
    const float max = glia_sampler_max(s), t = (float)temperature;
    if (t == 1) return;
    for (int64_t i = 0; i < s->n; i++) s->logit[i] = (s->logit[i] - max) / t; /* the highest stays finite */
}

static void temperature(glia_sampler *s, const int32_t *recent, int64_t count)
{
    (void)recent, (void)count;
    const double t = (double)s->o.temperature, range = (double)s->o.dynatemp_range;
    if (range == 0) {
        glia_sampler_temper(s, t);
        return;
    }
    if (s->n < 2) return;
    glia_sampler_probabilities(s);
    const double low = t > range ? t - range : 0, high = t + range;
    double part = entropy(s, log_sum(s)) / glia_log((double)s->n);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    glia_sampler_temper(s, low + (high - low) * glia_pow(part, (double)s->o.dynatemp_exponent));
}

/* ---- the table */

static bool penalties_on(const glia_sampler_options *o)
{
    return o->repeat_penalty != 1 || o->presence_penalty != 0 || o->frequency_penalty != 0;
}
static bool dry_on(const glia_sampler_options *o) { return o->dry_multiplier > 0; }
static bool top_n_sigma_on(const glia_sampler_options *o) { return o->top_n_sigma > 0; }
static bool top_k_on(const glia_sampler_options *o) { return o->top_k > 0; }
static bool typ_p_on(const glia_sampler_options *o) { return o->typical_p > 0 && o->typical_p < 1; }
static bool top_p_on(const glia_sampler_options *o) { return o->top_p > 0 && o->top_p < 1; }
static bool min_p_on(const glia_sampler_options *o) { return o->min_p > 0; }
static bool xtc_on(const glia_sampler_options *o) { return o->xtc_probability > 0; }
static bool temperature_on(const glia_sampler_options *o) { return o->temperature > 0; }

const sampler_step glia_sampler_chain[] = {
    {"penalties", "penalty", true, penalties_on, glia_sampler_penalise},
    {"dry", NULL, true, dry_on, glia_sampler_dry},
    {"top_n_sigma", NULL, false, top_n_sigma_on, top_n_sigma},
    {"top_k", NULL, false, top_k_on, top_k},
    {"typ_p", "typical_p", false, typ_p_on, typ_p},
    {"top_p", NULL, false, top_p_on, top_p},
    {"min_p", NULL, false, min_p_on, min_p},
    {"xtc", NULL, false, xtc_on, xtc},
    {"temperature", "temp", false, temperature_on, temperature},
    {0},
};
