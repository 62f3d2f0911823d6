/* The results of glia bench as JSON, CSV and Markdown. JSON and CSV have the same fields, in one list; their
 * names are those of llama-bench where both have them. */
#include "cli/bench.h"

#include "base/check.h"
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void bench_sort(int64_t *v, int64_t n)
{
    if (n > 1) qsort(v, (size_t)n, sizeof *v, by_value);
}

int64_t bench_quantile(const int64_t *v, int64_t n, double share)
{
    int64_t at = (int64_t)ceil(share * (double)n) - 1;
    return n ? v[glia_max(0, glia_min(at, n - 1))] : 0;
}

/* ---- what follows from the samples ---------------------------------------------------------------- */

static double tokens_of(const bench_result *r)
{
    return (double)((r->test.prompt + r->test.gen) * r->parallel);
}

typedef struct moments {
    double mean, deviation;
} moments;

static moments of_samples(const bench_result *r, int64_t n, bool speeds)
{
    moments m = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double v = speeds ? tokens_of(r) * 1e9 / (double)r->ns[i] : (double)r->ns[i];
            sum += pass ? (v - m.mean) * (v - m.mean) : v;
        }
        if (!pass) m.mean = sum / (double)n;
        else m.deviation = n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
    }
    return m;
}

static double int_limit(const cli_limits *l)
{
    return l->unit[CLI_UNIT_INT8_TILES] > l->unit[CLI_UNIT_INT8] ? l->unit[CLI_UNIT_INT8_TILES]
                                                                 : l->unit[CLI_UNIT_INT8];
}

/* The seconds that reading, or arithmetic, needs at the measured limit, over those that were taken. */
static double read_fraction(const bench_result *r, double seconds)
{
    double rate = r->limits.read[CLI_READ_MEMORY];
    return rate > 0 ? r->work.read_bytes / rate / seconds : 0;
}

static double arithmetic_fraction(const bench_result *r, double seconds)
{
    double i = int_limit(&r->limits), f = r->limits.unit[CLI_UNIT_FP32];
    if ((r->work.int_ops > 0 && i <= 0) || (r->work.float_ops > 0 && f <= 0)) return 0;
    return ((i > 0 ? r->work.int_ops / i : 0) + (f > 0 ? r->work.float_ops / f : 0)) / seconds;
}

/* ---- fields --------------------------------------------------------------------------------------- */

typedef enum { JSON, HEADER, ROW } style;

typedef struct sink {
    style form;
    cli *c;
    bool more; /* a field was written */
} sink;

/* A text of a CSV file (RFC 4180). */
static void put_quoted(glia_writer *w, const char *s)
{
    glia_write_text(w, "\"");
    for (; *s; s++) {
        if (*s == '"') glia_write_text(w, "\"");
        glia_write_bytes(w, s, 1);
    }
    glia_write_text(w, "\"");
}

/* True when the value follows; CSV's commas and its header are done here. */
static bool begin_field(sink *s, const char *name)
{
    if (s->form == JSON) return true;
    if (s->more) glia_write_text(&s->c->out, ",");
    s->more = true;
    if (s->form == HEADER) glia_write_text(&s->c->out, "%s", name);
    return s->form == ROW;
}

static void text(sink *s, const char *name, const char *v)
{
    if (!begin_field(s, name)) return;
    if (s->form == JSON) glia_json_put_string(&s->c->json, name, v, -1);
    else put_quoted(&s->c->out, v);
}

static void whole(sink *s, const char *name, int64_t v)
{
    if (!begin_field(s, name)) return;
    if (s->form == JSON) glia_json_put_i64(&s->c->json, name, v);
    else glia_write_text(&s->c->out, "%lld", (long long)v);
}

static void real(sink *s, const char *name, double v)
{
    char number[GLIA_NUMBER_TEXT];
    if (!begin_field(s, name)) return;
    if (s->form == JSON) {
        glia_json_put_f64(&s->c->json, name, v);
        return;
    }
    glia_number_format(v, number);
    glia_write_text(&s->c->out, "%s", number);
}

/* What was not measured is null in JSON and empty in CSV. */
static void real_if(sink *s, const char *name, double v, bool known)
{
    if (known) real(s, name, v);
    else if (begin_field(s, name) && s->form == JSON) glia_json_put_null(&s->c->json, name);
}

static void whole_if(sink *s, const char *name, int64_t v, bool known)
{
    if (known) whole(s, name, v);
    else if (begin_field(s, name) && s->form == JSON) glia_json_put_null(&s->c->json, name);
}

static void put_settings(sink *s, const bench *b, const bench_result *r)
{
    char type[64];
    snprintf(type, sizeof type, "%s %s", b->arch, b->type);
    text(s, "build_commit", glia_version());
    text(s, "cpu_info", b->cpu);
    text(s, "backends", "glia");
    text(s, "model_filename", b->file);
    text(s, "model_type", type);
    whole(s, "model_size", b->model_bytes);
    whole(s, "model_n_params", b->parameters);
    whole(s, "n_batch", r->batch);
    whole(s, "n_ubatch", r->batch);
    whole(s, "n_prompt", r->test.prompt);
    whole(s, "n_gen", r->test.gen);
    whole(s, "n_depth", r->test.depth);
    whole(s, "n_threads", r->threads);
    whole(s, "n_slots", r->slots);
    whole(s, "n_parallel", r->parallel);
    text(s, "type_k", r->kv);
    text(s, "type_v", r->kv);
    text(s, "isa", r->isa);
    text(s, "test_time", r->time);
}

static void put_times(sink *s, const bench *b, const bench_result *r)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"step_p50_ns", 0.5},
                     {"step_p90_ns", 0.9},
                     {"step_p99_ns", 0.99},
                     {"step_p99_9_ns", 0.999},
                     {"step_max_ns", 1}};
    moments ns = of_samples(r, b->repetitions, false), ts = of_samples(r, b->repetitions, true);
    whole(s, "n_reused", r->reused);
    whole(s, "avg_ns", (int64_t)ns.mean);
    whole(s, "stddev_ns", (int64_t)ns.deviation);
    real(s, "avg_ts", ts.mean);
    real(s, "stddev_ts", ts.deviation);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        whole_if(s, quantiles[i].name, bench_quantile(r->steps, r->step_count, quantiles[i].share),
                 r->step_count > 0);
    bool prompt = r->test.prompt && !r->test.gen && r->parallel == 1;
    whole(s, "load_ns", r->load_ns);
    whole_if(s, "first_token_cold_ns", r->first_cold_ns, r->first_cold_ns > 0);
    whole_if(s, "first_token_warm_ns", (int64_t)ns.mean, prompt);
    whole(s, "peak_rss", r->peak_bytes);
    whole(s, "allocations", r->allocations);
    whole(s, "page_faults_minor", r->faults_minor);
    whole(s, "page_faults_major", r->faults_major);
    whole(s, "meetings", r->meetings);
    real_if(s, "waiting", r->waiting, r->waiting >= 0);
}

static void put_limits(sink *s, const bench *b, const bench_result *r)
{
    static const char *const reads[CLI_READ_LEVELS] = {"limit_read", "limit_read_l3", "limit_read_l2"},
                             *const read_sizes[CLI_READ_LEVELS] = {"limit_read_bytes", "limit_read_l3_bytes",
                                                                   "limit_read_l2_bytes"},
                             *const units[CLI_UNITS] = {"limit_int8", "limit_int8_tiles", "limit_fp32"},
                             *const names[CLI_UNITS] = {"limit_int8_unit", "limit_int8_tiles_unit",
                                                        "limit_fp32_unit"},
                             *const doubts[CLI_UNITS] = {"limit_int8_doubtful", "limit_int8_tiles_doubtful",
                                                         "limit_fp32_doubtful"};
    const cli_limits *l = &r->limits;
    double seconds = 1e-9 * of_samples(r, b->repetitions, false).mean;
    real(s, "read_bytes", r->work.read_bytes);
    real(s, "int_ops", r->work.int_ops);
    real(s, "float_ops", r->work.float_ops);
    for (int i = 0; i < CLI_READ_LEVELS; i++) {
        real_if(s, reads[i], l->read[i], l->read[i] > 0);
        whole_if(s, read_sizes[i], l->read_bytes[i], l->read[i] > 0);
    }
    for (int i = 0; i < CLI_UNITS; i++) {
        real_if(s, units[i], l->unit[i], l->unit[i] > 0);
        text(s, names[i], l->unit_name[i] ? l->unit_name[i] : "none");
        whole(s, doubts[i], cli_limits_doubtful(l, i));
    }
    real_if(s, "clock_hz", l->clock_hz, l->clock_hz > 0);
    real(s, "fraction_read", read_fraction(r, seconds));
    real(s, "fraction_arithmetic", arithmetic_fraction(r, seconds));
}

static void put_fields(sink *s, const bench *b, const bench_result *r)
{
    put_settings(s, b, r);
    put_times(s, b, r);
    put_limits(s, b, r);
}

static void put_json(const bench *b)
{
    glia_json_writer *j = &b->c->json;
    glia_json_open(j, NULL, '[');
    for (int64_t i = 0; i < b->count; i++) {
        const bench_result *r = &b->results[i];
        sink s = {JSON, b->c, false};
        glia_json_open(j, NULL, '{');
        put_fields(&s, b, r);
        glia_json_open(j, "samples_ns", '[');
        for (int64_t k = 0; k < b->repetitions; k++) glia_json_put_i64(j, NULL, r->ns[k]);
        glia_json_close(j, ']');
        glia_json_open(j, "samples_ts", '[');
        for (int64_t k = 0; k < b->repetitions; k++)
            glia_json_put_f64(j, NULL, tokens_of(r) * 1e9 / (double)r->ns[k]);
        glia_json_close(j, ']');
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    glia_write_text(&b->c->out, "\n");
}

static void put_csv(const bench *b)
{
    for (int64_t i = -1; i < b->count; i++) {
        sink s = {i < 0 ? HEADER : ROW, b->c, false};
        put_fields(&s, b, &b->results[glia_max(i, 0)]);
        glia_write_text(&b->c->out, "\n");
    }
}

/* ---- for people ----------------------------------------------------------------------------------- */

static void put_test(glia_writer *w, const bench_result *r)
{
    const bench_test *t = &r->test;
    if (t->prompt) glia_write_text(w, "prefill %lld", (long long)t->prompt);
    if (t->gen) glia_write_text(w, "%sdecode %lld", t->prompt ? ", " : "", (long long)t->gen);
    if (t->depth) glia_write_text(w, " after %lld", (long long)t->depth);
    if (r->parallel > 1) glia_write_text(w, ", %lld sequences", (long long)r->parallel);
}

static void put_row(const bench *b, const bench_result *r)
{
    glia_writer *w = &b->c->out;
    char human[32];
    moments ns = of_samples(r, b->repetitions, false), ts = of_samples(r, b->repetitions, true);
    glia_write_text(w, "| ");
    cli_write_safe(w, b->file, (int64_t)strlen(b->file), 80);
    glia_write_text(w, " | %s %s | %s | %lld | ", b->arch, b->type, cli_bytes_text(b->model_bytes, human),
                    (long long)r->threads);
    put_test(w, r);
    glia_write_text(w, " | %.2f ± %.2f | ", ts.mean, ts.deviation);
    if (r->step_count)
        glia_write_text(w, "%.3g, %.3g, %.3g", 1e-6 * (double)bench_quantile(r->steps, r->step_count, 0.5),
                        1e-6 * (double)bench_quantile(r->steps, r->step_count, 0.99),
                        1e-6 * (double)r->steps[r->step_count - 1]);
    glia_write_text(w, " | %.0f %% | %.0f %% |\n", 100 * read_fraction(r, 1e-9 * ns.mean),
                    100 * arithmetic_fraction(r, 1e-9 * ns.mean));
}

/* What the last result with these threads says about the machine. */
static void put_machine(const bench *b, const bench_result *r)
{
    glia_writer *w = &b->c->out;
    const cli_limits *l = &r->limits;
    char human[32];
    glia_write_text(w, "limits of %lld threads, measured beside it: reading %.1f GB/s of %s",
                    (long long)r->threads, 1e-9 * l->read[CLI_READ_MEMORY],
                    cli_bytes_text(l->read_bytes[CLI_READ_MEMORY], human));
    if (l->read[CLI_READ_L3] > 0)
        glia_write_text(w, ", %.0f of %s", 1e-9 * l->read[CLI_READ_L3],
                        cli_bytes_text(l->read_bytes[CLI_READ_L3], human));
    if (l->read[CLI_READ_L2] > 0)
        glia_write_text(w, ", %.0f of %s", 1e-9 * l->read[CLI_READ_L2],
                        cli_bytes_text(l->read_bytes[CLI_READ_L2], human));
    static const char *const kinds[CLI_UNITS] = {"int8", "int8 in tiles", "fp32"};
    for (int i = 0; i < CLI_UNITS; i++) {
        if (l->unit[i] <= 0) continue;
        glia_write_text(w, "; %s %.0f Gop/s by %s", kinds[i], 1e-9 * l->unit[i], l->unit_name[i]);
        if (cli_limits_doubtful(l, i))
            glia_write_text(w, " (DOUBTFUL: clock and ports allow %.0f)", 1e-9 * l->unit_expected[i]);
    }
    if (l->clock_hz > 0) glia_write_text(w, "; clock %.2f GHz", 1e-9 * l->clock_hz);
    glia_write_text(w, "\n");
}

static void put_notes(const bench *b)
{
    glia_writer *w = &b->c->out;
    char human[32];
    const bench_result *first = &b->results[0];
    int64_t allocations = 0, minor = 0, major = 0;
    glia_write_text(w,
                    "\nms a step: p50, p99 and most. read, ops: the time that the measured limit of reading, "
                    "of arithmetic, would take.\n");
    for (int64_t i = 0; i < b->count; i++) {
        const bench_result *r = &b->results[i];
        allocations += r->allocations;
        minor += r->faults_minor;
        major += r->faults_major;
        if (i + 1 == b->count || r[1].threads != r->threads) put_machine(b, r);
    }
    const bench_result *last = &b->results[b->count - 1];
    glia_write_text(w, "load %.0f ms", 1e-6 * (double)first->load_ns);
    if (first->first_cold_ns)
        glia_write_text(w, ", first token %.0f ms with it", 1e-6 * (double)first->first_cold_ns);
    glia_write_text(w,
                    "; peak %s; while measured: %lld allocations, %lld and %lld page faults (minor, major), "
                    "%lld tokens reused; meetings in a step: %lld",
                    cli_bytes_text(last->peak_bytes, human), (long long)allocations, (long long)minor,
                    (long long)major, (long long)last->reused, (long long)last->meetings);
    if (last->waiting >= 0) glia_write_text(w, ", %.1f %% of the time waiting", 100 * last->waiting);
    glia_write_text(w, "\n");
}

static void put_markdown(const bench *b)
{
    glia_write_text(&b->c->out,
                    "| model | type | size | threads | test | tokens/s | ms a step | read | ops |\n"
                    "|---|---|---:|---:|---|---:|---:|---:|---:|\n");
    for (int64_t i = 0; i < b->count; i++) put_row(b, &b->results[i]);
    if (b->count) put_notes(b);
}

void bench_put(const bench *b)
{
    const cli_settings *set = &b->c->set;
    char form = set->json ? 'j' : set->format ? set->format[0] : 'm';
    if (form == 'j') put_json(b);
    else if (form == 'c') put_csv(b);
    else put_markdown(b);
}
