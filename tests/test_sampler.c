/* Sampling: options that have a closed form, a naive second implementation with libm on random logits, the
 * distribution of draws by chi-square, and ids worked out from the published generator by another program;
 * the whole chain against vectors of an independent implementation in double precision. */
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

/* ---- the whole chain against vectors made by tests/oracles/make_sampler_vectors.py */

typedef struct section {
    void *data;
    int64_t rows, columns;
} section;

/* Sections of a GVEC file in the order of `names`; all are of four-byte elements but `kept`. */
static bool read_vectors(const char *path, const char *const *names, section *out)
{
    static const int element[4] = {1, 4, 4, 8};
    FILE *f = fopen(path, "rb");
    uint32_t head[3], name_size, shape[2];
    if (!f || fread(head, 4, 3, f) != 3) return false;
    bool ok = !memcmp(head, "GVEC", 4);
    for (uint32_t i = 0; ok && i < head[2]; i++) {
        char name[64] = {0};
        uint64_t dims[4] = {1, 1, 1, 1};
        ok = fread(&name_size, 4, 1, f) == 1 && name_size < sizeof name &&
             fread(name, 1, name_size, f) == name_size && fread(shape, 4, 2, f) == 2 && shape[1] <= 2 &&
             fread(dims, 8, shape[1], f) == shape[1];
        if (!ok || strcmp(name, names[i]) != 0) break;
        const size_t bytes = (size_t)(dims[0] * dims[1]) * (size_t)element[shape[0]];
        out[i] = (section){malloc(bytes), (int64_t)dims[0], (int64_t)dims[1]};
        ok = fread(out[i].data, 1, bytes, f) == bytes;
    }
    fclose(f);
    return ok;
}

static glia_sampler_options vector_options(const float *o, const section *breakers)
{
    return (glia_sampler_options){
        .size = sizeof(glia_sampler_options),
        .temperature = o[0],
        .top_k = (int32_t)o[1],
        .top_p = o[2],
        .min_p = o[3],
        .repeat_penalty = o[4],
        .presence_penalty = o[5],
        .frequency_penalty = o[6],
        .penalty_last_n = (int32_t)o[7],
        .typical_p = o[8],
        .top_n_sigma = o[9],
        .dynatemp_range = o[10],
        .dynatemp_exponent = o[11],
        .min_keep = (int32_t)o[12],
        .dry_multiplier = o[13],
        .dry_base = o[14],
        .dry_allowed_length = (int32_t)o[15],
        .dry_last_n = (int32_t)o[16],
        .xtc_threshold = o[17],
        .xtc_probability = o[17] > 0 ? 1 : 0,
        .dry_breakers = breakers->data,
        .dry_breaker_count = breakers->rows,
    };
}

static void chain_against_vectors(void)
{
    enum { LOGITS, OPTIONS, RECENT, BREAKERS, KEPT, PROBABILITIES, SECTIONS };
    static const char *const names[] = {"logits", "options", "recent", "breakers", "kept", "probabilities"};
    section v[SECTIONS] = {{0}};
    const bool read = read_vectors("tests/vectors/sampler/chain.vec", names, v);
    CHECK(read);
    const int64_t vocab = v[LOGITS].columns, recent = v[RECENT].columns;
    for (int64_t c = 0; read && c < v[LOGITS].rows; c++) {
        const float *p = (const float *)v[PROBABILITIES].data + c * vocab;
        const uint8_t *kept = (const uint8_t *)v[KEPT].data + c * vocab;
        glia_sampler *s = make(
            vocab, vector_options((const float *)v[OPTIONS].data + c * v[OPTIONS].columns, &v[BREAKERS]));
        draw(s, (const float *)v[LOGITS].data + c * vocab, (const int32_t *)v[RECENT].data + c * recent,
             recent);
        int64_t count = 0;
        int bad = 0;
        for (int64_t i = 0; i < vocab; i++) count += kept[i];
        for (int64_t i = 0; i < s->n; i++) bad += !kept[s->id[i]] || !(fabsf(s->p[i] - p[s->id[i]]) < 1e-5f);
        if (bad || s->n != count)
            fprintf(stderr, "case %lld: %lld candidates, want %lld; %d differ\n", (long long)c,
                    (long long)s->n, (long long)count, bad);
        CHECK(!bad && s->n == count);
        glia_sampler_destroy(s);
    }
    for (int i = 0; i < SECTIONS; i++) free(v[i].data);
}

/* ---- mirostat, order, clones, log-probabilities */

/* The definition in double precision: the cut, and the state after the token that was drawn. */
static void mirostat_follows_its_definition(void)
{
    enum { VOCAB = 200 };
    glia_rng r = {11, 0, 0};
    for (int version = 1; version <= 2; version++) {
        glia_sampler *s = MAKE(VOCAB, .temperature = 0.8f, .mirostat = version, .mirostat_tau = 3, .seed = 5);
        double mu = 6;
        for (int round = 0; round < 200; round++) {
            float l[VOCAB];
            double q[VOCAB], sorted[VOCAB], total = 0;
            for (int i = 0; i < VOCAB; i++)
                total += q[i] = exp((double)(l[i] = 3 * glia_rng_normal(&r)) / (double)0.8f);
            for (int i = 0; i < VOCAB; i++) sorted[i] = q[i] /= total;
            for (int i = 1; i < VOCAB; i++)
                for (int k = i; k > 0 && sorted[k] > sorted[k - 1]; k--) {
                    const double swap = sorted[k];
                    sorted[k] = sorted[k - 1];
                    sorted[k - 1] = swap;
                }
            int keep = 0;
            if (version == 2)
                while (keep < VOCAB && (!keep || -log2(sorted[keep]) <= mu)) keep++;
            else {
                double num = 0, den = 0;
                for (int i = 0; i < 99; i++) {
                    const double t = log((i + 2.0) / (i + 1.0));
                    num += t * log(sorted[i] / sorted[i + 1]);
                    den += t * t;
                }
                const double z = num / den, eps = z - 1;
                const double k = pow(eps * pow(2, mu) / (1 - pow(VOCAB, -eps)), 1 / z);
                keep = k < 1 ? 1 : k > VOCAB ? VOCAB : (int)k;
            }
            const int32_t id = draw(s, l, NULL, 0);
            double rest = 0;
            for (int i = 0; i < keep; i++) rest += sorted[i];
            CHECK(llabs(s->n - keep) <= 1); /* rounding may move a bound */
            if (s->n == keep) CHECK(q[id] >= sorted[keep - 1] * 0.999);
            mu -= 0.1 * (-log2(q[id] / rest) - 3);
            if (s->n == keep) CHECK(fabs(s->mu - mu) < 1e-3);
            mu = s->mu;
        }
        glia_sampler_destroy(s);
    }
}

static void the_order_is_kept(void)
{
    /* p .5 .3 .15 .05: at temperature 4 before top-p, the four are nearly even. */
    const double p[N] = {0.5, 0.3, 0.15, 0.05, 0, 0, 0, 0};
    float l[N];
    for (int i = 0; i < N; i++) l[i] = p[i] > 0 ? (float)log(p[i]) : -INFINITY;
    CHECK_I64(support((glia_sampler_options){.temperature = 4, .top_p = 0.7f}, l), 3);
    CHECK_I64(
        support((glia_sampler_options){.temperature = 4, .top_p = 0.7f, .order = "temperature;top_p"}, l), 7);
    CHECK_I64(support((glia_sampler_options){.temperature = 1, .top_k = 2, .order = "top_p"}, l), 15);
    CHECK_I64(support((glia_sampler_options){.temperature = 1, .top_k = 2, .order = ""}, l), 15);
    const char *const bad[] = {"top", "top_k;", "top_k;top_k", ";top_k", "top_k;;temp", "temp;temperature"};
    const char *const codes[] = {"G0665", "", "G0665", "G0665", "G0665", "G0665"};
    for (int i = 0; i < 6; i++) {
        glia_sampler_options o = {.size = sizeof o, .order = bad[i]};
        glia_sampler *s = NULL;
        glia_error e = GLIA_ERROR_INIT;
        glia_sampler_create(NULL, N, &o, &s, &e);
        CHECK_STR(e.code, codes[i]);
        glia_sampler_destroy(s);
    }
}

/* A clone goes on as its original does; a copy rewinds. */
static void clones_go_on_alike(void)
{
    float l[N];
    glia_sampler *a = MAKE(N, .temperature = 1, .mirostat = 2, .mirostat_tau = 2, .seed = 9), *b = NULL,
                 *c = NULL;
    int32_t ids[40];
    for (int i = 0; i < 60; i++) {
        for (int k = 0; k < N; k++) l[k] = 2 * glia_rng_normal(&(glia_rng){7, 0, (uint64_t)(i * N + k) * 8});
        if (i == 20) {
            CHECK_I64(glia_sampler_clone(a, &b, NULL), GLIA_OK);
            CHECK_I64(glia_sampler_clone(a, &c, NULL), GLIA_OK);
        }
        const int32_t id = draw(a, l, NULL, 0);
        if (i < 20) continue;
        ids[i - 20] = id;
        CHECK_I64(draw(b, l, NULL, 0), id);
    }
    CHECK_I64(glia_sampler_copy(a, c, NULL), GLIA_OK);
    CHECK_I64(glia_sampler_position(a), 20);
    for (int i = 20; i < 60; i++) {
        for (int k = 0; k < N; k++) l[k] = 2 * glia_rng_normal(&(glia_rng){7, 0, (uint64_t)(i * N + k) * 8});
        CHECK_I64(draw(a, l, NULL, 0), ids[i - 20]);
    }
    CHECK_I64(glia_sampler_copy(a, NULL, NULL), GLIA_E_ARG);
    glia_sampler *none = a;
    CHECK_I64(glia_sampler_clone(NULL, &none, NULL), GLIA_E_ARG);
    CHECK(!none);
    glia_sampler_destroy(a);
    glia_sampler_destroy(b);
    glia_sampler_destroy(c);
}

/* XTC draws from a stream of its own: how often it strikes, and that it does not move the other draws. */
static void xtc_strikes_as_often_as_asked(void)
{
    const float l[N] = {2, 2, -20, -20, -20, -20, -20, -20}; /* .5, .5: with xtc always id 1 */
    glia_sampler *with = MAKE(N, .temperature = 1, .seed = 4, .xtc_probability = 0.3f, .xtc_threshold = 0.1f);
    glia_sampler *without = MAKE(N, .temperature = 1, .seed = 4);
    int zeros = 0, moved = 0;
    for (int i = 0; i < 20000; i++) {
        const int32_t a = draw(with, l, NULL, 0), b = draw(without, l, NULL, 0);
        zeros += a == 0;
        moved += a == 0 && b != 0;
    }
    CHECK(abs(zeros - 7000) < 250); /* .7 * .5; the deviation is 68 */
    CHECK_I64(moved, 0);
    glia_sampler_destroy(with);
    glia_sampler_destroy(without);
}

static void logprobs_are_log_softmax(void)
{
    enum { VOCAB = 300 };
    glia_rng r = {21, 0, 0};
    float l[VOCAB];
    double total = 0;
    for (int i = 0; i < VOCAB; i++) total += exp((double)(l[i] = 4 * glia_rng_normal(&r) + 100) - 100);
    l[17] = -INFINITY;
    total = 0;
    for (int i = 0; i < VOCAB; i++) total += exp((double)l[i] - 100);
    glia_sampler *s = MAKE(VOCAB, .temperature = 0.1f, .top_k = 1);
    glia_logprob top[VOCAB], chosen = {5, 0};
    int64_t found;
    CHECK_I64(glia_sampler_logprobs(s, l, top, VOCAB, &found, &chosen, NULL), GLIA_OK);
    CHECK_I64(found, VOCAB - 1);
    for (int64_t i = 0; i < found; i++) {
        const double want = (double)l[top[i].id] - 100 - log(total);
        CHECK(fabs((double)top[i].logprob - want) < 1e-5 * fmax(1, fabs(want)));
        if (i) CHECK(top[i].logprob <= top[i - 1].logprob);
    }
    CHECK(fabs((double)chosen.logprob - ((double)l[5] - 100 - log(total))) < 1e-4);
    chosen.id = 17;
    CHECK_I64(glia_sampler_logprobs(s, l, top, 3, &found, &chosen, NULL), GLIA_OK);
    CHECK(found == 3 && chosen.logprob == -INFINITY);
    CHECK_I64(glia_sampler_logprobs(s, l, top, VOCAB + 1, &found, NULL, NULL), GLIA_E_ARG);
    l[4] = NAN;
    CHECK_I64(glia_sampler_logprobs(s, l, top, 3, &found, NULL, NULL), GLIA_E_GUARD);
    glia_sampler_destroy(s);
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
    static const int32_t unended[] = {1}, beyond[] = {N, -1}, empty[] = {1, -1, -1};
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
        {.typical_p = 1.5f},
        {.top_n_sigma = -1},
        {.xtc_probability = NAN},
        {.xtc_threshold = -0.1f},
        {.dynatemp_range = INFINITY},
        {.dynatemp_exponent = -1},
        {.min_keep = -1},
        {.mirostat = 3},
        {.mirostat = -1},
        {.mirostat_tau = -1},
        {.mirostat_eta = NAN},
        {.dry_multiplier = -1},
        {.dry_base = 0.5f},
        {.dry_allowed_length = -1},
        {.dry_last_n = -2},
        {.dry_multiplier = 1, .dry_breaker_count = 1},
        {.dry_multiplier = 1, .dry_breakers = unended, .dry_breaker_count = 1},
        {.dry_multiplier = 1, .dry_breakers = beyond, .dry_breaker_count = 2},
        {.dry_multiplier = 1, .dry_breakers = empty, .dry_breaker_count = 3},
        {.dry_multiplier = 1, .dry_breakers = empty, .dry_breaker_count = -1},
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
                                    .repeat_penalty = 1.1f,
                                    .typical_p = 0.9f,
                                    .xtc_probability = 0.5f,
                                    .dry_multiplier = 1,
                                    .dry_last_n = 64,
                                    .order = "dry;penalties;typ_p;top_k;xtc;temp"};
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
    RUN(chain_against_vectors);
    RUN(mirostat_follows_its_definition);
    RUN(the_order_is_kept);
    RUN(clones_go_on_alike);
    RUN(xtc_strikes_as_often_as_asked);
    RUN(logprobs_are_log_softmax);
    RUN(bad_logits_are_guarded);
    RUN(bad_arguments_are_refused);
    RUN(memory_is_taken_once);
    return CHECK_EXIT();
}
