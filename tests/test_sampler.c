/* Sampling: options that have a closed form, a naive second implementation with libm on random logits, the
 * distribution of draws by chi-square, and ids worked out from the published generator by another program. */
#include "check.h"
#include "fault_os.h"

#include "base/rng.h"
#include "llm/sampler.h"

enum { N = 8 };

static glia_sampler *make(int64_t vocab, glia_sampler_options o)
{
    glia_sampler *s = NULL;
    glia_error e = GLIA_ERROR_INIT;
    o.size = sizeof o;
    if (glia_sampler_create(NULL, vocab, &o, &s, &e)) fprintf(stderr, "%s %s\n", e.code, e.text);
    CHECK(s != NULL);
    return s;
}
#define MAKE(vocab, ...) make(vocab, (glia_sampler_options){__VA_ARGS__})

static int32_t draw(glia_sampler *s, const float *logits, const int32_t *recent, int64_t count)
{
    int32_t id = -1;
    CHECK_I64(glia_sampler_sample(s, logits, recent, count, &id, NULL), GLIA_OK);
    return id;
}

/* One greedy choice. */
static int32_t choice(glia_sampler_options o, const float *logits, const int32_t *recent, int64_t count)
{
    glia_sampler *s = make(N, o);
    const int32_t id = draw(s, logits, recent, count);
    glia_sampler_destroy(s);
    return id;
}
#define CHOICE(logits, recent, count, ...) choice((glia_sampler_options){__VA_ARGS__}, logits, recent, count)

static void greedy_lowest_of_ties(void)
{
    const float l[N] = {-3, 2, 5, 5, 5, -INFINITY, 4.999f, 0};
    CHECK_I64(CHOICE(l, NULL, 0, .seed = 1), 2);
    CHECK_I64(CHOICE(l, NULL, 0, .top_k = 1, .top_p = 0.1f), 2);
    CHECK_I64(CHOICE(l, NULL, 0, .temperature = 1, .top_k = 1), 2);
    const float low[N] = {-INFINITY, -INFINITY, -INFINITY, -3e38f,
                          -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    CHECK_I64(CHOICE(low, NULL, 0, .seed = 1), 3);
    CHECK_I64(CHOICE(low, NULL, 0, .temperature = 1), 3);
    glia_sampler *s = NULL;
    CHECK_I64(glia_sampler_create(NULL, N, NULL, &s, NULL), GLIA_OK); /* no options: greedy */
    CHECK_I64(draw(s, l, NULL, 0), 2);
    glia_sampler_destroy(s);
}

static void bias_moves_logits(void)
{
    const float l[N] = {0, 1, 2, 3, 4, 5, 6, 7};
    const glia_logit_bias ban[] = {{7, -INFINITY}, {6, -1.5f}, {0, 3}, {0, 2.25f}}; /* 6: 4.5, 0: 5.25 */
    CHECK_I64(CHOICE(l, NULL, 0, .biases = ban, .bias_count = 1), 6);
    CHECK_I64(CHOICE(l, NULL, 0, .biases = ban, .bias_count = 2), 5);
    CHECK_I64(CHOICE(l, NULL, 0, .biases = ban, .bias_count = 3), 5);
    CHECK_I64(CHOICE(l, NULL, 0, .biases = ban, .bias_count = 4), 0);
    CHECK_I64(CHOICE(l, NULL, 0, .biases = ban, .bias_count = 4, .temperature = 1, .top_k = 1), 0);
}

/* The penalised logit is bracketed by a neighbour just above and just below. */
static void penalties_bracketed(void)
{
    const int32_t recent[] = {1, 0, 0, 0, 1};
    for (int above = 0; above < 2; above++) {
        const float d = above ? 0.001f : -0.001f;
        float l[N] = {4, -9, 2 + d, -9, -9, -9, -9, -9}; /* 4 / 2 = 2 */
        CHECK_I64(CHOICE(l, recent, 5, .repeat_penalty = 2), above ? 2 : 0);
        l[0] = -4, l[2] = -6 + d; /* -4 * 1.5 = -6 */
        CHECK_I64(CHOICE(l, recent, 5, .repeat_penalty = 1.5f), above ? 2 : 0);
        l[0] = 4, l[2] = 3.5f + d; /* 4 - 0.5 */
        CHECK_I64(CHOICE(l, recent, 5, .presence_penalty = 0.5f), above ? 2 : 0);
        l[2] = 2.5f + d; /* 4 - 3 * 0.5 */
        CHECK_I64(CHOICE(l, recent, 5, .frequency_penalty = 0.5f), above ? 2 : 0);
        l[2] = 3 + d; /* the last three have it twice: 4 - 2 * 0.5 */
        CHECK_I64(CHOICE(l, recent, 5, .frequency_penalty = 0.5f, .penalty_last_n = 3), above ? 2 : 0);
        l[2] = 0.25f + d; /* 4 / 2 - 0.25 - 3 * 0.5 */
        CHECK_I64(CHOICE(l, recent, 5, .repeat_penalty = 2, .presence_penalty = 0.25f,
                         .frequency_penalty = 0.5f, .penalty_last_n = -1),
                  above ? 2 : 0);
    }
    const float l[N] = {4, 3, 2};
    int32_t far[65] = {0};
    for (int i = 1; i < 65; i++) far[i] = 5;
    CHECK_I64(CHOICE(l, far, 65, .presence_penalty = 3), 0); /* beyond the 64 that are looked at */
    CHECK_I64(CHOICE(l, far, 64, .presence_penalty = 3), 1);
    CHECK_I64(CHOICE(l, far, 65, .presence_penalty = 3, .penalty_last_n = -1), 1);
    CHECK_I64(CHOICE(l, far, 65, .penalty_last_n = -1), 0);
}

/* Which ids come in 4000 draws, as bits. */
static unsigned support(glia_sampler_options o, const float *logits)
{
    glia_sampler *s = make(N, o);
    unsigned seen = 0;
    for (int i = 0; i < 4000; i++) seen |= 1u << draw(s, logits, NULL, 0);
    glia_sampler_destroy(s);
    return seen;
}
#define SUPPORT(logits, ...) support((glia_sampler_options){.temperature = 1, __VA_ARGS__}, logits)

static void cuts_keep_the_right_ids(void)
{
    /* Probabilities .05 .2 .3 .1 .05 .2 .1 0 of ids 0..7. */
    const double p[N] = {0.05, 0.2, 0.3, 0.1, 0.05, 0.2, 0.1, 0};
    float l[N];
    for (int i = 0; i < N; i++) l[i] = p[i] > 0 ? (float)log(p[i]) + 3 : -INFINITY;
    CHECK_I64(SUPPORT(l, .seed = 1), 0x7F);
    CHECK_I64(SUPPORT(l, .top_k = 1), 1 << 2);
    CHECK_I64(SUPPORT(l, .top_k = 2), 1 << 2 | 1 << 1); /* of two equal ones the lower id */
    CHECK_I64(SUPPORT(l, .top_k = 3), 1 << 2 | 1 << 1 | 1 << 5);
    CHECK_I64(SUPPORT(l, .top_k = 100), 0x7F);
    CHECK_I64(SUPPORT(l, .top_p = 0.29f), 1 << 2);
    CHECK_I64(SUPPORT(l, .top_p = 0.31f), 1 << 2 | 1 << 1);
    CHECK_I64(SUPPORT(l, .top_p = 0.51f), 1 << 2 | 1 << 1 | 1 << 5);
    CHECK_I64(SUPPORT(l, .top_p = 1), 0x7F);
    CHECK_I64(SUPPORT(l, .min_p = 0.6f), 1 << 2 | 1 << 1 | 1 << 5);
    CHECK_I64(SUPPORT(l, .min_p = 0.7f), 1 << 2);
    CHECK_I64(SUPPORT(l, .min_p = 0.3f), 0x6E);
    CHECK_I64(SUPPORT(l, .min_p = 1), 1 << 2);
    /* Among the best two the first has 0.6: top-p sees what top-k left. */
    CHECK_I64(SUPPORT(l, .top_k = 2, .top_p = 0.55f), 1 << 2);
    CHECK_I64(SUPPORT(l, .top_k = 2, .top_p = 0.65f), 1 << 2 | 1 << 1);
    /* The cuts come before the temperature, however flat it makes what is left. */
    CHECK_I64(support((glia_sampler_options){.temperature = 1000, .top_p = 0.29f}, l), 1 << 2);
    CHECK_I64(support((glia_sampler_options){.temperature = 1000, .min_p = 0.6f}, l),
              1 << 2 | 1 << 1 | 1 << 5);
    CHECK_I64(support((glia_sampler_options){.temperature = 0.001f}, l), 1 << 2);
}

/* Chi-square of 100000 draws against p^(1/T). 7 degrees of freedom: 24.3 is passed once in a thousand. */
static void draws_have_the_distribution(void)
{
    const double p[N] = {0.02, 0.2, 0.3, 0.1, 0.05, 0.13, 0.1, 0.1};
    const float temperatures[] = {1, 0.5f, 2};
    float l[N];
    for (int i = 0; i < N; i++) l[i] = (float)log(p[i]) - 50;
    for (int k = 0; k < 3; k++) {
        glia_sampler *s = MAKE(N, .temperature = temperatures[k], .seed = 7);
        const int draws = 100000;
        int seen[N] = {0};
        double total = 0, chi = 0;
        for (int i = 0; i < draws; i++) seen[draw(s, l, NULL, 0)]++;
        for (int i = 0; i < N; i++) total += pow(p[i], 1 / (double)temperatures[k]);
        for (int i = 0; i < N; i++) {
            const double want = draws * pow(p[i], 1 / (double)temperatures[k]) / total;
            chi += (seen[i] - want) * (seen[i] - want) / want;
        }
        if (chi >= 24.3) fprintf(stderr, "temperature %g: chi-square %g\n", (double)temperatures[k], chi);
        CHECK(chi < 24.3);
        glia_sampler_destroy(s);
    }
}

/* Weights 1..8; block n of Philox 4x32-10 with this seed, computed by a program of its own. */
static void ids_of_a_seed(void)
{
    static const int32_t want[] = {6, 4, 5, 5, 7, 7, 7, 6, 5, 7, 6, 4, 4, 4, 5, 6, 7, 6, 6, 5, 7, 2, 7, 5};
    const int64_t count = (int64_t)(sizeof want / sizeof want[0]);
    float l[N];
    for (int i = 0; i < N; i++) l[i] = logf((float)(i + 1));
    glia_sampler *s = MAKE(N, .temperature = 1, .seed = 0x123456789abcdef);
    for (int64_t i = 0; i < count; i++) CHECK_I64(draw(s, l, NULL, 0), want[i]);
    CHECK_I64(glia_sampler_position(s), count);
    glia_sampler_seek(s, 5);
    CHECK_I64(draw(s, l, NULL, 0), want[5]);
    glia_sampler_destroy(s);
}

/* ---- a second implementation: sort everything, libm */

static const double *naive_logits;

static int naive_order(const void *a, const void *b)
{
    const int i = *(const int *)a, k = *(const int *)b;
    const double x = naive_logits[i], y = naive_logits[k];
    return x > y ? -1 : x < y ? 1 : i - k;
}

static int naive_by_id(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static int naive_sample(const float *logits, int vocab, const glia_sampler_options *o, uint64_t position)
{
    static double l[64];
    int id[64], n = vocab, m = 0;
    double total = 0, sum = 0;
    for (int i = 0; i < vocab; i++) {
        l[i] = (double)logits[i];
        id[i] = i;
    }
    naive_logits = l;
    qsort(id, (size_t)n, sizeof *id, naive_order);
    const double max = l[id[0]];
    if (o->top_k && o->top_k < n) n = o->top_k;
    if (o->top_p > 0 && o->top_p < 1) {
        for (int i = 0; i < n; i++) total += exp(l[id[i]] - max);
        for (m = 0; m < n && sum < (double)o->top_p * total; m++) sum += exp(l[id[m]] - max);
        n = m;
    }
    for (m = 0; m < n && exp(l[id[m]] - max) >= (double)o->min_p; m++) {
    }
    n = m;
    if (!(o->top_k && o->top_k < vocab) && !(o->top_p > 0 && o->top_p < 1))
        qsort(id, (size_t)n, sizeof *id, naive_by_id);
    uint32_t w[4];
    glia_philox(o->seed, 0, position, w);
    total = sum = 0;
    for (int i = 0; i < n; i++) total += exp((l[id[i]] - max) / (double)o->temperature);
    const double want = (double)(((uint64_t)w[1] << 32 | w[0]) >> 11) * 0x1p-53 * total;
    for (int i = 0; i < n; i++) {
        sum += exp((l[id[i]] - max) / (double)o->temperature);
        if (sum > want) return id[i];
    }
    return id[n - 1];
}

static void random_against_naive(void)
{
    glia_rng r = {99, 0, 0};
    for (int round = 0; round < 3000; round++) {
        const int vocab = 1 + (int)glia_rng_below(&r, 60);
        float l[64];
        for (int i = 0; i < vocab; i++)
            l[i] = (float)(int)glia_rng_below(&r, 40) * 0.25f - 5; /* ties are common */
        const glia_sampler_options o = {
            .size = sizeof o,
            .temperature = 0.25f + glia_rng_f32(&r) * 2,
            .top_k = glia_rng_below(&r, 2) ? (int32_t)glia_rng_below(&r, 20) : 0,
            .top_p = glia_rng_below(&r, 2) ? glia_rng_f32(&r) : 0,
            .min_p = glia_rng_below(&r, 2) ? glia_rng_f32(&r) * 0.3f : 0,
            .seed = glia_rng_u64(&r),
        };
        glia_sampler *s = make(vocab, o);
        for (uint64_t k = 0; k < 5; k++) CHECK_I64(draw(s, l, NULL, 0), naive_sample(l, vocab, &o, k));
        glia_sampler_destroy(s);
    }
}

/* ---- what must be survived */

static void bad_logits_are_guarded(void)
{
    const float kinds[] = {NAN, INFINITY, -NAN};
    for (int k = 0; k < 3; k++) {
        for (int t = 0; t < 2; t++) {
            float l[N] = {0, 1, 2, 3, 4, 5, 6, 7};
            glia_error e = GLIA_ERROR_INIT;
            glia_sampler *s = MAKE(N, .temperature = (float)t, .seed = 3);
            int32_t id = -7;
            l[6] = kinds[k];
            CHECK_I64(glia_sampler_sample(s, l, NULL, 0, &id, &e), GLIA_E_GUARD);
            CHECK_STR(e.code, "G0621");
            CHECK_I64(id, -7);
            CHECK_I64(glia_sampler_position(s), 0);
            glia_sampler_destroy(s);
        }
    }
    float l[N];
    for (int i = 0; i < N; i++) l[i] = -INFINITY;
    glia_sampler *s = MAKE(N, .seed = 1);
    int32_t id;
    CHECK_I64(glia_sampler_sample(s, l, NULL, 0, &id, NULL), GLIA_E_GUARD);
    glia_sampler_destroy(s);
}

static void bad_arguments_are_refused(void)
{
    const glia_logit_bias outside = {N, 1}, negative = {-1, 1}, nan = {0, NAN}, up = {0, INFINITY};
    const glia_sampler_options bad[] = {
        {.temperature = -1},
        {.temperature = NAN},
        {.temperature = INFINITY},
        {.top_k = -1},
        {.top_p = -0.1f},
        {.top_p = 1.1f},
        {.top_p = NAN},
        {.min_p = -1},
        {.min_p = 2},
        {.min_p = NAN},
        {.repeat_penalty = -1},
        {.repeat_penalty = NAN},
        {.repeat_penalty = INFINITY},
        {.presence_penalty = NAN},
        {.presence_penalty = INFINITY},
        {.frequency_penalty = NAN},
        {.frequency_penalty = -INFINITY},
        {.penalty_last_n = -2},
        {.penalty_last_n = INT32_MIN},
        {.bias_count = -1},
        {.bias_count = 1},
        {.biases = &outside, .bias_count = 1},
        {.biases = &negative, .bias_count = 1},
        {.biases = &nan, .bias_count = 1},
        {.biases = &up, .bias_count = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        glia_sampler_options o = bad[i];
        glia_sampler *s = NULL;
        glia_error e = GLIA_ERROR_INIT;
        o.size = sizeof o;
        CHECK_I64(glia_sampler_create(NULL, N, &o, &s, &e), GLIA_E_ARG);
        CHECK_STR(e.code, "G0620");
        CHECK(s == NULL);
    }
    glia_sampler *s = NULL;
    CHECK_I64(glia_sampler_create(NULL, 0, NULL, &s, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_create(NULL, -1, NULL, &s, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_create(NULL, INT64_MAX, NULL, &s, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_create(NULL, N, NULL, NULL, NULL), GLIA_E_ARG);
    s = MAKE(N, .presence_penalty = 1);
    const float l[N] = {0};
    const int32_t outside_recent[] = {0, N}, negative_recent[] = {-1};
    int32_t id;
    CHECK_I64(glia_sampler_sample(s, l, outside_recent, 2, &id, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_sample(s, l, negative_recent, 1, &id, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_sample(s, l, NULL, 1, &id, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_sample(s, l, NULL, -1, &id, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_sample(s, NULL, NULL, 0, &id, NULL), GLIA_E_ARG);
    CHECK_I64(glia_sampler_sample(NULL, l, NULL, 0, &id, NULL), GLIA_E_ARG);
    glia_sampler_destroy(s);
    glia_sampler_destroy(NULL);
}

/* Only creation takes memory, and a refusal there leaves nothing behind. */
static void memory_is_taken_once(void)
{
    const glia_sampler_options o = {.size = sizeof o,
                                    .temperature = 1,
                                    .top_k = 5,
                                    .top_p = 0.9f,
                                    .min_p = 0.01f,
                                    .repeat_penalty = 1.1f};
    bool done = false;
    for (int64_t n = 1; n < 50 && !done; n++) {
        struct fault_os f;
        glia_sampler *s = NULL;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, false);
        const glia_status status = glia_sampler_create(&f.os, 1000, &o, &s, NULL);
        CHECK_I64(status, f.failed ? GLIA_E_NOMEM : GLIA_OK);
        done = !f.failed;
        const int64_t calls = f.calls_any;
        float l[1000];
        const int32_t recent[] = {1, 2, 3};
        for (int i = 0; i < 1000; i++) l[i] = (float)(i % 37);
        for (int i = 0; s && i < 100; i++) draw(s, l, recent, 3);
        CHECK_I64(f.calls_any, calls);
        glia_sampler_destroy(s);
        CHECK(fault_os_clean(&f));
    }
    CHECK(done);
}

int main(void)
{
    RUN(greedy_lowest_of_ties);
    RUN(bias_moves_logits);
    RUN(penalties_bracketed);
    RUN(cuts_keep_the_right_ids);
    RUN(draws_have_the_distribution);
    RUN(ids_of_a_seed);
    RUN(random_against_naive);
    RUN(bad_logits_are_guarded);
    RUN(bad_arguments_are_refused);
    RUN(memory_is_taken_once);
    return CHECK_EXIT();
}
