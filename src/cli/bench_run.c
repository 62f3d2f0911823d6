/* Runs the tests of glia bench on one model that is open.
 *
 * Every counted token is computed: sequences share pages of equal beginnings, so tokens are handed over in
 * steps, which never look for such pages, are drawn afresh for every repetition, and are counted. The limits
 * of the machine are measured by the lane's own threads, before and after the repetitions. */
#include "cli/bench.h"

#include "base/check.h"
#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS = 8192, WARM_STEPS = 4 };

uint64_t bench_now_ns(void)
{
    const glia_os *os = glia_os_default();
    return os->clock_ns(os->ctx);
}

/* Token ids whose values do not matter, the same in every run (Knuth's MMIX generator). */
void bench_random_ids(bench *b, int64_t count)
{
    uint64_t vocab = (uint64_t)glia_model_vocab_size(b->m);
    for (int64_t i = 0; i < count; i++) {
        b->random = b->random * 6364136223846793005u + 1442695040888963407u;
        b->ids[i] = (int32_t)((b->random >> 33) % vocab);
    }
}

glia_status bench_trim(bench *b, int64_t length)
{
    glia_status s = GLIA_OK;
    for (int32_t q = 0; q < b->parallel && !s; q++) s = glia_session_trim(b->s, q, length, &b->c->error);
    return s;
}

glia_status bench_feed(bench *b, int32_t sequence, const int32_t *ids, int64_t count)
{
    const int64_t most = glia_model_settings(b->m)->batch;
    const float *logits;
    for (int64_t i = 0; i < most; i++) b->own[i] = sequence;
    for (int64_t i = 0; i < count;) {
        glia_batch step = GLIA_BATCH_INIT;
        int32_t n = (int32_t)glia_min(most, count - i), last = n - 1;
        step.count = n;
        step.ids = ids + i;
        step.sequences = b->own;
        step.rows = &last;
        step.row_count = i + n == count;
        glia_status s = glia_session_step(b->s, &step, &logits, &b->c->error);
        if (s) return s;
        b->computed += n;
        i += n;
    }
    return GLIA_OK;
}

glia_status bench_decode(bench *b, const int32_t *ids, int64_t count)
{
    const float *logits;
    for (int64_t i = 0; i < count; i++) {
        uint64_t begin = bench_now_ns();
        glia_batch step = GLIA_BATCH_INIT;
        step.count = step.row_count = (int32_t)b->parallel;
        step.ids = ids + i * b->parallel;
        step.sequences = step.rows = b->each;
        glia_status s = glia_session_step(b->s, &step, &logits, &b->c->error);
        if (s) return s;
        b->computed += b->parallel;
        if (b->clock) *b->clock++ = (int64_t)(bench_now_ns() - begin);
    }
    return GLIA_OK;
}

/* ---- one repetition ------------------------------------------------------------------------------- */

/* Fresh tokens behind the first `depth`; *ns gets the time from there on. */
static glia_status repeat(bench *b, const bench_test *t, int64_t prompt, int64_t gen, int64_t *ns)
{
    glia_status s = bench_trim(b, t->depth);
    b->computed = t->depth * b->parallel;
    bench_random_ids(b, (prompt + gen) * b->parallel);
    uint64_t begin = bench_now_ns();
    for (int32_t q = 0; prompt && q < b->parallel && !s; q++)
        s = bench_feed(b, q, b->ids + q * prompt, prompt);
    if (!s) s = bench_decode(b, b->ids + prompt * b->parallel, gen);
    *ns = glia_max(1, (int64_t)(bench_now_ns() - begin));
    return s;
}

static int64_t held(const bench *b)
{
    int64_t sum = 0;
    for (int32_t q = 0; q < b->parallel; q++) sum += glia_session_length(b->s, q);
    return sum;
}

/* All sequences hold `depth` fresh tokens. */
static glia_status fill(bench *b, int64_t depth)
{
    glia_status s = bench_trim(b, 0);
    bench_random_ids(b, depth * b->parallel);
    for (int32_t q = 0; depth && q < b->parallel && !s; q++) s = bench_feed(b, q, b->ids + q * depth, depth);
    return s;
}

/* What warms caches is no result; the first test of a model warms with all of it, for the time of the first
 * token. */
static glia_status warm(bench *b, const bench_test *t, bool whole, int64_t *ns)
{
    int64_t some = whole ? t->prompt : glia_min(t->prompt, glia_model_settings(b->m)->batch);
    return repeat(b, t, some, glia_min(t->gen, WARM_STEPS), ns);
}

/* ---- one test ------------------------------------------------------------------------------------- */

static bool make_room(bench *b)
{
    bench_result *grown =
        glia_arena_grow(&b->c->arena, b->results, b->count, &b->capacity, sizeof *b->results);
    if (grown) b->results = grown;
    return grown != NULL;
}

static bool make_samples(bench *b, bench_result *r)
{
    glia_arena *a = &b->c->arena;
    r->step_count = r->test.gen * b->repetitions;
    r->ns = GLIA_NEW_ARRAY(a, int64_t, b->repetitions);
    r->steps = GLIA_NEW_ARRAY(a, int64_t, r->step_count + 1);
    if (!r->ns || !r->steps) return false;
    memset(r->steps, 1, (size_t)r->step_count * sizeof *r->steps); /* no page is new while it is measured */
    return true;
}

/* Of all steps of a repetition. */
static bench_work work_of(const bench *b, const bench_test *t)
{
    const int64_t most = glia_model_settings(b->m)->batch;
    bench_work w = {0};
    for (int64_t at = 0; at < t->prompt; at += most) {
        int64_t n = glia_min(most, t->prompt - at);
        bench_work step = bench_step_work(b->m, n, at + n == t->prompt);
        w.read_bytes += step.read_bytes * (double)b->parallel;
        w.int_ops += step.int_ops * (double)b->parallel;
        w.float_ops += step.float_ops * (double)b->parallel;
    }
    bench_work step = bench_step_work(b->m, b->parallel, b->parallel);
    double behind = (double)(t->depth + t->prompt) + 0.5 * (double)t->gen;
    if (t->gen) step.read_bytes += bench_token_bytes(b->m) * behind * (double)b->parallel;
    w.read_bytes += step.read_bytes * (double)t->gen;
    w.int_ops += step.int_ops * (double)t->gen;
    w.float_ops += step.float_ops * (double)t->gen;
    return w;
}

/* The share of the threads' time in which they wait for each other, over one more short repetition with the
 * lane's record of events; the last phase's wait is not in it. */
static glia_status waiting_share(bench *b, const bench_test *t, double *share)
{
    glia_lane *l = glia_model_lane(b->m);
    int64_t ns, wait = 0, all = 0;
    *share = -1;
    glia_lane_profile_record(l, true);
    glia_lane_profile_clear(l);
    glia_status s = warm(b, t, false, &ns);
    for (int w = 0; w < glia_lane_workers(l); w++) {
        int64_t count, dropped;
        const glia_event *e = glia_lane_events(l, w, &count, &dropped);
        for (int64_t i = 0; i < count; i++) {
            int64_t took = (int64_t)(e[i].end_ns - e[i].begin_ns);
            all += took;
            if (e[i].item < 0) wait += took;
        }
    }
    glia_lane_profile_record(l, false);
    if (all > 0) *share = (double)wait / (double)all;
    return s;
}

static glia_status repetitions(bench *b, bench_result *r)
{
    const bench_test *t = &r->test;
    glia_status s = GLIA_OK;
    b->clock = t->gen ? r->steps : NULL;
    for (int64_t i = 0; i < b->repetitions && !s; i++) {
        int64_t minor, major, minor_then, major_then, taken = bench_allocations();
        bench_faults(&minor, &major);
        s = repeat(b, t, t->prompt, t->gen, &r->ns[i]);
        bench_faults(&minor_then, &major_then);
        r->faults_minor += minor_then - minor;
        r->faults_major += major_then - major;
        r->allocations += bench_allocations() - taken;
        r->reused += held(b) - b->computed;
        if (b->c->set.verbose)
            fprintf(stderr, "prefill %lld, decode %lld, %lld threads: repetition %lld of %lld\n",
                    (long long)t->prompt, (long long)t->gen, (long long)r->threads, (long long)i + 1,
                    (long long)b->repetitions);
        if (cli_interrupted()) s = GLIA_E_CANCELLED;
    }
    b->clock = NULL;
    r->meetings = glia_lane_meetings(glia_model_lane(b->m));
    bench_sort(r->steps, r->step_count);
    return s;
}

int bench_measure(bench *b, const bench_test *t)
{
    cli *c = b->c;
    const glia_model_options *o = glia_model_settings(b->m);
    const bool first = !b->count || b->results[b->count - 1].threads != o->threads;
    if (!make_room(b)) return cli_no_memory(c);
    bench_result *r = &b->results[b->count];
    *r = (bench_result){.test = *t, .threads = o->threads, .slots = o->slots, .parallel = b->parallel};
    r->batch = o->batch;
    r->load_ns = b->load_ns;
    r->kv = glia_dtype_name(o->kv_dtype);
    r->isa = o->isa ? o->isa : "best";
    if (!make_samples(b, r)) return cli_no_memory(c);
    bench_time_text(r->time);
    bench_peak_reset();
    int64_t ns;
    if (fill(b, t->depth) || warm(b, t, first, &ns)) return cli_failed(c);
    if (first && t->prompt && !t->gen && !t->depth && b->parallel == 1) r->first_cold_ns = b->load_ns + ns;
    r->peak_bytes = bench_peak_bytes();
    r->work = work_of(b, t);
    cli_probe p;
    if (!cli_probe_open(&p, glia_lane_team(glia_model_lane(b->m)), glia_cpu_features(), b->model_bytes))
        return cli_no_memory(c);
    cli_probe_round(&p);
    glia_status s = warm(b, t, false, &ns);
    if (!s) s = repetitions(b, r);
    if (!s) cli_probe_round(&p);
    if (!s) s = waiting_share(b, t, &r->waiting);
    r->limits = p.best;
    cli_probe_close(&p);
    if (s || cli_interrupted()) return cli_failed(c);
    if (r->reused)
        return cli_refuse(c, GLIA_E_INTERNAL, "G0920", "%lld tokens were not computed: this is no result",
                          (long long)r->reused);
    b->count++;
    return CLI_OK;
}

/* ---- the model ------------------------------------------------------------------------------------ */

int bench_open(bench *b, int64_t threads)
{
    cli *c = b->c;
    glia_model_options o = cli_model_options(c);
    o.threads = (int32_t)threads;
    o.sequences = (int32_t)b->parallel;
    o.logit_rows = b->parallel;
    o.profile_events = EVENTS;
    o.os = bench_os();
    if (!o.context) o.context = b->context;
    uint64_t begin = bench_now_ns();
    int code = cli_open(c, &o, true, &b->m);
    if (code) return code;
    glia_lane_profile_record(glia_model_lane(b->m), false);
    code = cli_session(c, b->m, &b->s);
    b->load_ns = (int64_t)(bench_now_ns() - begin);
    if (code) return code;
    if (b->context > glia_model_context(b->m))
        return cli_refuse(c, GLIA_E_CONTEXT, "G0718",
                          "the measurement needs %lld tokens; the context is %lld", (long long)b->context,
                          (long long)glia_model_context(b->m));
    int64_t most = glia_model_settings(b->m)->batch;
    b->ids = GLIA_NEW_ARRAY(&c->arena, int32_t, b->context * b->parallel);
    b->own = GLIA_NEW_ARRAY(&c->arena, int32_t, most);
    b->each = GLIA_NEW_ARRAY(&c->arena, int32_t, b->parallel);
    if (!b->ids || !b->own || !b->each) return cli_no_memory(c);
    for (int64_t i = 0; i < b->parallel; i++) b->each[i] = (int32_t)i;
    return CLI_OK;
}

void bench_close(bench *b)
{
    cli_session_close(b->s);
    glia_model_close(b->m);
    b->s = NULL;
    b->m = NULL;
}
