/* glia bench --latency: how even the time of a token is, beside work of fixed size on the same threads.
 *
 * Tokens and pieces of fixed work (a chain of additions on every thread, about as long as a token) take
 * turns, so both meet what the machine does to them: interrupts, neighbours, a changing clock. What the tail
 * of the tokens has beyond the tail of the fixed work is ours. The sequence grows to the end of the context
 * and is then cut back to `depth`, which is not timed. */
#include "cli/bench.h"

#include "base/check.h"

#include <string.h>

enum { TOKENS = 20000, CALIBRATE = 32 };

typedef struct fixed_work {
    glia_team *team;
    int64_t rounds;
} fixed_work;

static void add_up(void *arg, int worker)
{
    (void)worker;
    cli_adds(((const fixed_work *)arg)->rounds);
}

static int64_t run_fixed(fixed_work *w)
{
    uint64_t begin = bench_now_ns();
    glia_team_run(w->team, add_up, w);
    return (int64_t)(bench_now_ns() - begin);
}

/* Rounds that take as long as the median of the first tokens. */
static void calibrate(fixed_work *w, int64_t token_ns)
{
    int64_t ns = 0;
    for (w->rounds = 64; w->rounds < (int64_t)1 << 40; w->rounds *= 2) {
        ns = run_fixed(w);
        if (ns > 100000) break;
    }
    for (int i = 0; i < 8; i++) ns = glia_min(ns, run_fixed(w));
    w->rounds = glia_max(1, (int64_t)((double)w->rounds * (double)token_ns / (double)glia_max(1, ns)));
}

static glia_status one_token(bench *b, int64_t depth)
{
    if (glia_session_length(b->s, 0) >= glia_model_context(b->m)) {
        glia_status s = bench_trim(b, depth);
        if (s) return s;
    }
    bench_random_ids(b, b->parallel);
    return bench_decode(b, b->ids, 1);
}

static glia_status run_both(bench *b, int64_t count, int64_t *tokens, int64_t *fixed)
{
    fixed_work w = {.team = glia_lane_team(glia_model_lane(b->m))};
    const int64_t depth = b->tests[0].depth;
    glia_status s = bench_trim(b, 0);
    bench_random_ids(b, depth);
    if (!s && depth) s = bench_feed(b, 0, b->ids, depth);
    b->clock = tokens;
    for (int i = 0; i < CALIBRATE && !s; i++) s = one_token(b, depth);
    bench_sort(tokens, CALIBRATE);
    if (!s) calibrate(&w, tokens[CALIBRATE / 2]);
    b->clock = tokens;
    for (int64_t i = 0; i < count && !s; i++) {
        s = one_token(b, depth);
        fixed[i] = run_fixed(&w);
        if (cli_interrupted()) s = GLIA_E_CANCELLED;
    }
    b->clock = NULL;
    return s;
}

/* ---- the report ----------------------------------------------------------------------------------- */

static const struct {
    const char *name, *title;
    double share;
} columns[] = {{"p50_ns", "p50", 0.5},
               {"p90_ns", "p90", 0.9},
               {"p99_ns", "p99", 0.99},
               {"p99_9_ns", "p99.9", 0.999},
               {"max_ns", "most", 1}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static double tail(const int64_t *v, int64_t n)
{
    return (double)bench_quantile(v, n, 0.999) / (double)glia_max(1, bench_quantile(v, n, 0.5));
}

static void put_json(const bench *b, const char *name, const int64_t *v, int64_t n)
{
    glia_json_writer *j = &b->c->json;
    glia_json_open(j, name, '{');
    for (int i = 0; i < COLUMNS; i++)
        glia_json_put_i64(j, columns[i].name, bench_quantile(v, n, columns[i].share));
    glia_json_put_f64(j, "p99_9_over_p50", tail(v, n));
    glia_json_close(j, '}');
}

static void put_row(const bench *b, const char *name, const int64_t *v, int64_t n)
{
    glia_writer *w = &b->c->out;
    glia_write_text(w, "| %s", name);
    for (int i = 0; i < COLUMNS; i++)
        glia_write_text(w, " | %.4g", 1e-6 * (double)bench_quantile(v, n, columns[i].share));
    glia_write_text(w, " | %.3f |\n", tail(v, n));
}

static void put(const bench *b, int64_t threads, int64_t count, const int64_t *tokens, const int64_t *fixed)
{
    const cli_settings *set = &b->c->set;
    glia_writer *w = &b->c->out;
    if (set->json || (set->format && set->format[0] == 'j')) {
        glia_json_writer *j = &b->c->json;
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "model_filename", b->file, -1);
        glia_json_put_i64(j, "n_threads", threads);
        glia_json_put_i64(j, "n_parallel", b->parallel);
        glia_json_put_i64(j, "n_depth", b->tests[0].depth);
        glia_json_put_i64(j, "context", glia_model_context(b->m));
        glia_json_put_i64(j, "tokens", count);
        put_json(b, "step", tokens, count);
        put_json(b, "fixed", fixed, count);
        glia_json_close(j, '}');
        glia_write_text(w, "\n");
        return;
    }
    glia_write_text(w, "%s, %lld threads, %lld steps, ms:\n\n| |", b->file, (long long)threads,
                    (long long)count);
    for (int i = 0; i < COLUMNS; i++) glia_write_text(w, " %s |", columns[i].title);
    glia_write_text(w, " p99.9 / p50 |\n|---|---:|---:|---:|---:|---:|---:|\n");
    put_row(b, "decode", tokens, count);
    put_row(b, "fixed work", fixed, count);
}

int bench_latency(bench *b)
{
    cli *c = b->c;
    const cli_settings *set = &c->set;
    int64_t count = set->bench_gens.count ? set->bench_gens.v[0] : TOKENS;
    count = glia_max(count, CALIBRATE);
    int64_t *tokens = GLIA_NEW_ARRAY(&c->arena, int64_t, count),
            *fixed = GLIA_NEW_ARRAY(&c->arena, int64_t, count);
    if (!tokens || !fixed) return cli_no_memory(c);
    memset(tokens, 1, (size_t)count * sizeof *tokens); /* no page is new while it is measured */
    memset(fixed, 1, (size_t)count * sizeof *fixed);
    glia_status s = run_both(b, count, tokens, fixed);
    if (s || cli_interrupted()) return cli_failed(c);
    bench_sort(tokens, count);
    bench_sort(fixed, count);
    put(b, glia_model_settings(b->m)->threads, count, tokens, fixed);
    return CLI_OK;
}
