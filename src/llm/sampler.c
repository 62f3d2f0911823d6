/* The sampler itself. See include/glia/sampler.h for what is computed. */
#include "llm/sampler.h"

#include "base/check.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/fmath.h"
#include "base/rng.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

/* ---- options */

typedef struct float_option {
    const char *name;
    size_t at;
    float low, high;
    float when_zero; /* what 0 stands for */
} float_option;

#define FLOAT_MOST 3.4e38f
#define ROW(field, low, high, when_zero)                                                                     \
    {                                                                                                        \
#field, offsetof(glia_sampler_options, field), low, high, when_zero                                  \
    }
static const float_option float_options[] = {
    ROW(temperature, 0, FLOAT_MOST, 0),
    ROW(top_p, 0, 1, 0),
    ROW(min_p, 0, 1, 0),
    ROW(repeat_penalty, 0, FLOAT_MOST, 1),
    ROW(presence_penalty, -FLOAT_MOST, FLOAT_MOST, 0),
    ROW(frequency_penalty, -FLOAT_MOST, FLOAT_MOST, 0),
    ROW(typical_p, 0, 1, 0),
    ROW(top_n_sigma, 0, FLOAT_MOST, 0),
    ROW(xtc_probability, 0, 1, 0),
    ROW(xtc_threshold, 0, 1, 0.1f),
    ROW(dynatemp_range, 0, FLOAT_MOST, 0),
    ROW(dynatemp_exponent, 0, FLOAT_MOST, 1),
    ROW(mirostat_tau, 0, FLOAT_MOST, 5),
    ROW(mirostat_eta, 0, FLOAT_MOST, 0.1f),
    ROW(dry_multiplier, 0, FLOAT_MOST, 0),
    ROW(dry_base, 0, FLOAT_MOST, 1.75f),
};

static glia_status settle(glia_sampler_options *o, int64_t vocab, glia_error *e)
{
    const char *bad = NULL;
    for (int i = 0; i < GLIA_COUNT(float_options); i++) {
        const float_option *f = &float_options[i];
        float *v = (float *)(void *)((char *)o + f->at);
        if (!(*v >= f->low && *v <= f->high)) bad = f->name;
        else if (*v == 0) *v = f->when_zero;
    }
    if (!bad && o->dry_base < 1) bad = "dry_base";
    else if (o->top_k < 0) bad = "top_k";
    else if (o->penalty_last_n < -1) bad = "penalty_last_n";
    else if (o->min_keep < 0) bad = "min_keep";
    else if (o->mirostat < 0 || o->mirostat > 2) bad = "mirostat";
    else if (o->dry_allowed_length < 0) bad = "dry_allowed_length";
    else if (o->dry_last_n < -1) bad = "dry_last_n";
    else if (o->bias_count < 0 || (o->bias_count && !o->biases)) bad = "bias_count";
    for (int64_t i = 0; !bad && i < o->bias_count; i++)
        if (o->biases[i].id < 0 || o->biases[i].id >= vocab || !(o->biases[i].bias < INFINITY))
            bad = "biases";
    if (bad) return glia_fail(e, GLIA_E_ARG, "G0620", "sampling option %s is out of range", bad);
    if (o->penalty_last_n == 0) o->penalty_last_n = 64;
    if (o->min_keep == 0) o->min_keep = 1;
    if (o->dry_allowed_length == 0) o->dry_allowed_length = 2;
    return GLIA_OK;
}

static int step_named(const char *name, int64_t size)
{
    for (int i = 0; glia_sampler_chain[i].name; i++) {
        const char *names[] = {glia_sampler_chain[i].name, glia_sampler_chain[i].other_name};
        for (int k = 0; k < 2; k++)
            if (names[k] && (int64_t)strlen(names[k]) == size && !memcmp(names[k], name, (size_t)size))
                return i;
    }
    return -1;
}

static glia_status parse_order(glia_sampler *s, const char *order, glia_error *e)
{
    uint32_t seen = 0;
    s->step_count = 0;
    if (!order) {
        while (glia_sampler_chain[s->step_count].name) {
            s->steps[s->step_count] = (uint8_t)s->step_count;
            s->step_count++;
        }
        return GLIA_OK;
    }
    for (const char *at = order; *at; at += *at == ';') {
        const char *end = strchr(at, ';');
        const int64_t size = end ? end - at : (int64_t)strlen(at);
        const int i = step_named(at, size);
        if (i < 0)
            return glia_fail(e, GLIA_E_ARG, "G0665", "there is no sampling step `%.*s`",
                             (int)glia_min(size, 40), at);
        if (seen >> i & 1)
            return glia_fail(e, GLIA_E_ARG, "G0665", "the sampling step `%s` is named twice",
                             glia_sampler_chain[i].name);
        seen |= 1u << i;
        s->steps[s->step_count++] = (uint8_t)i;
        at += size;
    }
    return GLIA_OK;
}

/* ---- the object */

static glia_status take_memory(glia_sampler *s, glia_error *e)
{
    glia_sampler_options *o = &s->o;
    glia_logit_bias *biases = GLIA_NEW_ARRAY(&s->arena, glia_logit_bias, o->bias_count);
    s->logit = glia_arena_array(&s->arena, s->vocab, sizeof(float), 64);
    s->id = GLIA_NEW_ARRAY(&s->arena, int32_t, s->vocab);
    s->p = glia_arena_array(&s->arena, s->vocab, sizeof(float), 64);
    s->heap = GLIA_NEW_ARRAY(&s->arena, sampler_candidate, s->vocab);
    s->times = GLIA_NEW_ARRAY(&s->arena, int32_t, s->vocab);
    if (o->order) o->order = glia_arena_strdup(&s->arena, o->order);
    if (s->arena.failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the sampler");
    if (o->bias_count) memcpy(biases, o->biases, (size_t)o->bias_count * sizeof *biases);
    o->biases = biases;
    return GLIA_OK;
}

static glia_status fill(glia_sampler *s, glia_error *e)
{
    glia_status st = settle(&s->o, s->vocab, e);
    if (!st) st = parse_order(s, s->o.order, e);
    if (!st) st = take_memory(s, e);
    if (!st && s->o.dry_multiplier > 0) st = glia_sampler_dry_open(s, e);
    if (!st && s->o.grammar && glia_grammar_vocab(s->o.grammar) > s->vocab)
        st = glia_fail(e, GLIA_E_ARG, "G0622", "the grammar's vocabulary has %lld tokens, the sampler's %lld",
                       (long long)glia_grammar_vocab(s->o.grammar), (long long)s->vocab);
    if (!st && s->o.grammar) st = glia_matcher_create(s->os, s->o.grammar, &s->matcher, e);
    return st;
}

glia_status glia_sampler_create(const glia_os *os, int64_t vocab_size, const glia_sampler_options *options,
                                glia_sampler **out, glia_error *e)
{
    glia_sampler_options o = GLIA_SAMPLER_OPTIONS_INIT;
    if (out) *out = NULL;
    if (!out || vocab_size < 1 || vocab_size > INT32_MAX || (options && options->size < sizeof o.size))
        return glia_fail(e, GLIA_E_ARG, "G0622", "a sampler for %lld tokens", (long long)vocab_size);
    if (options) memcpy(&o, options, (size_t)glia_min(options->size, (int64_t)sizeof o));
    o.size = sizeof o;
    if (!os) os = glia_os_default();
    glia_sampler *s = os->mem_alloc(os->ctx, sizeof *s, _Alignof(glia_sampler));
    if (!s) return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the sampler");
    s->os = os;
    s->o = o;
    s->vocab = vocab_size;
    glia_arena_init(&s->arena, os, 0);
    const glia_type row = {.dtype = GLIA_F32, .rank = 1};
    s->softmax = glia_cpu_bind(&glia_op_softmax, &row, 1, &row, 1, glia_cpu_features(), NULL);
    const glia_status st = fill(s, e);
    if (st) {
        glia_sampler_destroy(s);
        return st;
    }
    glia_sampler_reset(s);
    *out = s;
    return GLIA_OK;
}

void glia_sampler_destroy(glia_sampler *s)
{
    if (!s) return;
    glia_matcher_destroy(s->matcher);
    glia_arena_free(&s->arena);
    s->os->mem_free(s->os->ctx, s, sizeof *s);
}

uint64_t glia_sampler_position(const glia_sampler *s) { return s->position; }
void glia_sampler_seek(glia_sampler *s, uint64_t position) { s->position = position; }

void glia_sampler_reset(glia_sampler *s)
{
    s->position = 0;
    s->mu = 2 * (double)s->o.mirostat_tau;
    if (s->matcher) glia_matcher_reset(s->matcher);
}

glia_status glia_sampler_clone(const glia_sampler *s, glia_sampler **out, glia_error *e)
{
    if (out) *out = NULL;
    if (!s || !out) return glia_fail(e, GLIA_E_ARG, "G0622", "clone: a null argument");
    glia_sampler *copy;
    glia_status st = glia_sampler_create(s->os, s->vocab, &s->o, &copy, e);
    if (st) return st;
    st = glia_sampler_copy(copy, s, e);
    if (st) glia_sampler_destroy(copy);
    else *out = copy;
    return st;
}

glia_status glia_sampler_copy(glia_sampler *to, const glia_sampler *from, glia_error *e)
{
    if (!to || !from || to->vocab != from->vocab || to->o.grammar != from->o.grammar)
        return glia_fail(e, GLIA_E_ARG, "G0622", "copy: the samplers are not clones");
    to->position = from->position;
    to->mu = from->mu;
    if (to->matcher && to != from) glia_matcher_copy(to->matcher, from->matcher);
    return GLIA_OK;
}

int glia_sampler_done(const glia_sampler *s) { return s && s->matcher && glia_matcher_done(s->matcher); }

/* ---- candidates */

static glia_status bad_logit(glia_error *e, const float *logits, int64_t i)
{
    return glia_fail(e, GLIA_E_GUARD, "G0621", "the logit of token %lld is %s", (long long)i,
                     logits[i] > 0 ? "infinite" : "not a number");
}

/* Every token that is not forbidden, by id. p holds the logits with their biases. */
static glia_status gather(glia_sampler *s, const float *logits, glia_error *e)
{
    const uint64_t *allowed = NULL;
    int64_t m = 0, forbidden = 0;
    const int64_t masked = s->matcher ? glia_grammar_vocab(s->o.grammar) : s->vocab;
    if (s->matcher) {
        const glia_status st = glia_matcher_mask(s->matcher, &allowed, e);
        if (st) return st;
    }
    memcpy(s->p, logits, (size_t)s->vocab * sizeof *logits);
    for (int64_t i = 0; i < s->o.bias_count; i++) s->p[s->o.biases[i].id] += s->o.biases[i].bias;
    for (int64_t i = 0; i < s->vocab; i++) {
        if (!(s->p[i] < INFINITY)) return bad_logit(e, s->p, i);
        if (s->p[i] == -INFINITY) continue;
        if (allowed && (i >= masked || !(allowed[i >> 6] >> (i & 63) & 1))) {
            forbidden++;
            continue;
        }
        s->logit[m] = s->p[i];
        s->id[m++] = (int32_t)i;
    }
    s->n = m;
    s->sorted = false;
    if (m) return GLIA_OK;
    if (forbidden)
        return glia_fail(e, GLIA_E_GUARD, "G0656", "no token of the vocabulary fits the grammar here%s",
                         glia_matcher_done(s->matcher) ? ": it is at its end" : "");
    return glia_fail(e, GLIA_E_GUARD, "G0621", "no token has a logit above -infinity");
}

static int64_t best_of(const glia_sampler *s)
{
    int64_t best = 0;
    for (int64_t i = 1; i < s->n; i++)
        if (s->logit[i] > s->logit[best] || (s->logit[i] == s->logit[best] && s->id[i] < s->id[best]))
            best = i;
    return best;
}

/* Draws by p; the index among the candidates. */
static int64_t draw(glia_sampler *s)
{
    double total = 0, sum = 0;
    int64_t last = 0;
    glia_sampler_probabilities(s);
    for (int64_t i = 0; i < s->n; i++) total += (double)s->p[i];
    /* Each position has a block of the generator of its own. */
    glia_rng r = {s->o.seed, SAMPLER_STREAM_DRAW, s->position * 4};
    const double want = glia_rng_f64(&r) * total;
    for (int64_t i = 0; i < s->n; i++) {
        sum += (double)s->p[i];
        if (sum > want) return i;
        if (s->p[i] > 0) last = i;
    }
    return last; /* where rounding leaves a rest */
}

/* ---- mirostat (Basu et al. 2021): a cut that follows the surprise of what was drawn */

/* k from the exponent of a Zipf law, which the highest 100 probabilities give. */
static void mirostat_cut_1(glia_sampler *s)
{
    enum { HEADS = 100 };
    const int64_t n = s->n, m = glia_min(n, HEADS);
    double products = 0, squares = 0;
    const int64_t found = glia_sampler_best(s->logit, s->id, n, m, s->heap);
    for (int64_t i = 0; i + 1 < found; i++) {
        const double t = glia_log((double)(i + 2) / (double)(i + 1));
        products += t * ((double)s->heap[i].key - (double)s->heap[i + 1].key); /* of log p */
        squares += t * t;
    }
    const double zipf = squares > 0 ? products / squares : 1, epsilon = zipf - 1;
    const double k =
        glia_pow(epsilon * glia_pow(2, s->mu) / (1 - glia_pow((double)s->vocab, -epsilon)), 1 / zipf);
    if (k < (double)n) glia_sampler_keep_best(s, glia_max((int64_t)k, 1));
}

/* No candidate with a surprise above mu, but for the best. */
static void mirostat_cut_2(glia_sampler *s)
{
    int64_t m = 0;
    const int64_t best = best_of(s);
    const double least = glia_exp(-s->mu * 0.6931471805599453);
    glia_sampler_probabilities(s);
    for (int64_t i = 0; i < s->n; i++) {
        if (i != best && (double)s->p[i] < least) continue;
        s->logit[m] = s->logit[i];
        s->id[m++] = s->id[i];
    }
    s->n = m;
}

/* *mu: the state after this token, which the caller keeps once the token is taken. */
static int64_t mirostat(glia_sampler *s, double *mu)
{
    glia_sampler_temper(s, (double)s->o.temperature);
    if (s->o.mirostat == 1) mirostat_cut_1(s);
    else mirostat_cut_2(s);
    const int64_t i = draw(s);
    const double surprise = -glia_log((double)s->p[i]) * 1.4426950408889634;
    *mu = s->mu - (double)s->o.mirostat_eta * (surprise - (double)s->o.mirostat_tau);
    return i;
}

/* ---- sampling */

glia_status glia_sampler_sample(glia_sampler *s, const float *logits, const int32_t *recent, int64_t count,
                                int32_t *id, glia_error *e)
{
    if (!s || !logits || !id || count < 0 || (count && !recent))
        return glia_fail(e, GLIA_E_ARG, "G0622", "sample: null or negative argument");
    for (int64_t i = 0; i < count; i++)
        if (recent[i] < 0 || recent[i] >= s->vocab)
            return glia_fail(e, GLIA_E_ARG, "G0622",
                             "recent token %lld is %d; the vocabulary has %lld tokens", (long long)i,
                             (int)recent[i], (long long)s->vocab);
    glia_status st = gather(s, logits, e);
    if (st) return st;
    const bool greedy = s->o.temperature == 0, cuts = !greedy && !s->o.mirostat;
    for (int32_t i = 0; i < s->step_count; i++) {
        const sampler_step *step = &glia_sampler_chain[s->steps[i]];
        if ((cuts || step->greedy) && step->on(&s->o)) step->run(s, recent, count);
    }
    double mu = s->mu;
    const int64_t at = greedy ? best_of(s) : s->o.mirostat ? mirostat(s, &mu) : draw(s);
    if (s->matcher) {
        st = glia_matcher_accept(s->matcher, s->id[at], e);
        if (st) return st;
    }
    s->mu = mu;
    s->position++;
    *id = s->id[at];
    return GLIA_OK;
}

glia_status glia_sampler_accept(glia_sampler *s, int32_t id, glia_error *e)
{
    if (!s || id < 0 || id >= s->vocab)
        return glia_fail(e, GLIA_E_ARG, "G0622", "accept: token %d is not in the vocabulary", (int)id);
    if (s->matcher) {
        const glia_status st = glia_matcher_accept(s->matcher, id, e);
        if (st) return st;
    }
    s->position++;
    return GLIA_OK;
}

glia_status glia_sampler_logprobs(glia_sampler *s, const float *logits, glia_logprob *top, int64_t count,
                                  int64_t *found, glia_logprob *chosen, glia_error *e)
{
    if (!s || !logits || count < 0 || count > (s ? s->vocab : 0) || (count && (!top || !found)) ||
        (chosen && (chosen->id < 0 || chosen->id >= s->vocab)))
        return glia_fail(e, GLIA_E_ARG, "G0622", "logprobs: a null argument, or one out of range");
    for (int64_t i = 0; i < s->vocab; i++)
        if (!(logits[i] < INFINITY)) return bad_logit(e, logits, i);
    memcpy(s->logit, logits, (size_t)s->vocab * sizeof *logits);
    s->n = s->vocab;
    s->sorted = false;
    const float max = glia_sampler_max(s);
    if (max == -INFINITY) return glia_fail(e, GLIA_E_GUARD, "G0621", "no token has a logit above -infinity");
    glia_sampler_probabilities(s);
    float highest = 0;
    for (int64_t i = 0; i < s->n; i++) highest = s->p[i] > highest ? s->p[i] : highest;
    /* The highest probability is 1 / sum of exp(l - max). */
    const double base = glia_log((double)highest) - (double)max;
    const int64_t m = glia_sampler_best(s->logit, NULL, s->n, count, s->heap);
    for (int64_t i = 0; i < m; i++)
        top[i] = (glia_logprob){s->heap[i].id, (float)((double)s->heap[i].key + base)};
    if (found) *found = m;
    if (chosen) chosen->logprob = (float)((double)logits[chosen->id] + base);
    return GLIA_OK;
}
