/* The steps that look back: penalties on tokens that are recent, and dry, which is against sequences that
 * repeat. Work is linear in the window and the candidates. */
#include "llm/sampler.h"

#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"

#include <math.h>
#include <string.h>

void glia_sampler_penalise(glia_sampler *s, const int32_t *recent, int64_t count)
{
    const glia_sampler_options *o = &s->o;
    const float repeat = o->repeat_penalty;
    const int64_t begin = o->penalty_last_n < 0 ? 0 : glia_max(0, count - o->penalty_last_n);
    if (begin == count) return;
    for (int64_t i = begin; i < count; i++) s->times[recent[i]]++;
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t c = s->times[s->id[i]];
        if (!c) continue;
        const float l = s->logit[i] > 0 ? s->logit[i] / repeat : s->logit[i] * repeat;
        s->logit[i] = l - fmaf((float)c, o->frequency_penalty, o->presence_penalty);
    }
    for (int64_t i = begin; i < count; i++) s->times[recent[i]] = 0;
    s->sorted = false;
}

/* ---- dry */

static glia_status bad_breakers(glia_error *e)
{
    return glia_fail(e, GLIA_E_ARG, "G0620",
                     "sampling option dry_breakers must be ids of the vocabulary, each sequence ended by -1");
}

glia_status glia_sampler_dry_open(glia_sampler *s, glia_error *e)
{
    const glia_sampler_options *o = &s->o;
    sampler_dry *d = &s->dry;
    const int64_t entries = o->dry_breaker_count;
    int64_t breakers = 0;
    if (entries < 0 || (entries && (!o->dry_breakers || o->dry_breakers[entries - 1] != -1)))
        return bad_breakers(e);
    for (int64_t i = 0; i < entries; i++) {
        const bool end = o->dry_breakers[i] == -1;
        if (end && (i == 0 || o->dry_breakers[i - 1] == -1)) return bad_breakers(e);
        if (!end && (o->dry_breakers[i] < 0 || o->dry_breakers[i] >= s->vocab)) return bad_breakers(e);
        breakers += end;
    }
    d->window = o->dry_last_n <= 0 ? SAMPLER_DRY_LAST_N : o->dry_last_n;
    int32_t *copy = GLIA_NEW_ARRAY(&s->arena, int32_t, entries);
    d->first = GLIA_NEW_ARRAY(&s->arena, int32_t, s->vocab);
    d->next = GLIA_NEW_ARRAY(&s->arena, int32_t, breakers);
    d->begin = GLIA_NEW_ARRAY(&s->arena, int64_t, breakers + 1);
    d->recent = GLIA_NEW_ARRAY(&s->arena, int32_t, d->window);
    d->match = GLIA_NEW_ARRAY(&s->arena, int32_t, d->window);
    if (s->arena.failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the sampler");
    if (entries) memcpy(copy, o->dry_breakers, (size_t)entries * sizeof *copy);
    s->o.dry_breakers = copy;
    for (int64_t i = 0, b = 0; b < breakers; b++) {
        d->begin[b] = i;
        d->next[b] = d->first[copy[i]];
        d->first[copy[i]] = (int32_t)b + 1;
        while (copy[i++] != -1) {
        }
        d->begin[b + 1] = i;
    }
    return GLIA_OK;
}

/* The tokens behind the newest breaker. r: newest first. A breaker that begins at r[i] runs towards r[0];
 * of several that begin there the longest counts. */
static int64_t since_breaker(const glia_sampler *s, const int32_t *r, int64_t n)
{
    const sampler_dry *d = &s->dry;
    for (int64_t i = 0; i < n; i++) {
        int64_t longest = 0;
        for (int32_t b = d->first[r[i]]; b; b = d->next[b - 1]) {
            const int32_t *ids = s->o.dry_breakers + d->begin[b - 1];
            const int64_t size = d->begin[b] - d->begin[b - 1] - 1;
            int64_t k = 1;
            while (k < size && k <= i && ids[k] == r[i - k]) k++;
            if (k == size) longest = glia_max(longest, size);
        }
        if (longest) return i + 1 - longest;
    }
    return n;
}

/* match[i]: how many of r[i], r[i+1], .. equal r[0], r[1], .. (the Z function). */
static void match_suffixes(const int32_t *r, int32_t *match, int64_t n)
{
    int64_t left = 0, right = 0; /* r[left..right) equals the beginning */
    match[0] = (int32_t)n;
    for (int64_t i = 1; i < n; i++) {
        int64_t k = i < right ? glia_min(right - i, match[i - left]) : 0;
        while (i + k < n && r[k] == r[i + k]) k++;
        match[i] = (int32_t)k;
        if (i + k > right) {
            left = i;
            right = i + k;
        }
    }
}

void glia_sampler_dry(glia_sampler *s, const int32_t *recent, int64_t count)
{
    const glia_sampler_options *o = &s->o;
    sampler_dry *d = &s->dry;
    const int64_t n = glia_min(count, d->window);
    for (int64_t i = 0; i < n; i++) d->recent[i] = recent[count - 1 - i];
    const int64_t limit = since_breaker(s, d->recent, n);
    if (n < 2 || limit < o->dry_allowed_length) return;
    match_suffixes(d->recent, d->match, n);
    /* What followed an earlier occurrence of the last `length` tokens is r[i - 1]. */
    for (int64_t i = 1; i < n; i++) {
        const int64_t length = glia_min(d->match[i], limit);
        int32_t *most = &s->times[d->recent[i - 1]];
        if (length >= o->dry_allowed_length && length > *most) *most = (int32_t)length;
    }
    /* Beyond this exponent the factor would be infinite in F32. */
    const double base = (double)o->dry_base;
    const double most = base > 1.000001 ? floor(88.7228391 / glia_log(base)) : INFINITY;
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t length = s->times[s->id[i]];
        if (!length) continue;
        double exponent = length - o->dry_allowed_length;
        if (exponent > most) exponent = most;
        s->logit[i] = (float)((double)s->logit[i] - (double)o->dry_multiplier * glia_pow(base, exponent));
    }
    for (int64_t i = 0; i < n; i++) s->times[d->recent[i]] = 0;
    s->sorted = false;
}
