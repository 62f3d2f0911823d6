/* glia bench: tokens a second of prefill and decode.
 *
 * Prefill: n random tokens into an empty context, with the logits of the last one. Decode: n tokens one by
 * one after `depth` tokens, each with its logits. Loading, the tokens before a decode, and one repetition
 * that warms caches are not counted.
 *
 * Every counted token is computed: sequences share pages of equal beginnings, so tokens are handed over in
 * steps, which never look for such pages, are drawn afresh for every repetition, and are counted. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "base/number.h"
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct result {
    int64_t n_prompt, n_gen, threads, slots;
    int64_t reused; /* tokens that were held but not computed, over all repetitions: 0, or it is no result */
    int64_t *ns;    /* [repetitions] */
} result;

typedef struct bench {
    cli *c;
    glia_model *m;
    glia_session *s;
    int64_t repetitions, prompt, gen, depth;
    uint64_t random;  /* state of the generator of ids */
    int64_t computed; /* tokens that steps have computed */
    int32_t *ids;     /* [longest] */
    result results[2 * 64];
    int count;
    const char *arch, *type;
    int64_t model_bytes;
    char file[256];
} bench;

enum { THREADS_MAX = 64 };

/* Token ids whose values do not matter, the same in every run (Knuth's MMIX generator). */
static void random_ids(bench *b, int64_t count)
{
    uint64_t vocab = (uint64_t)glia_model_vocab_size(b->m);
    for (int64_t i = 0; i < count; i++) {
        b->random = b->random * 6364136223846793005u + 1442695040888963407u;
        b->ids[i] = (int32_t)((b->random >> 33) % vocab);
    }
}

static uint64_t now_ns(void)
{
    const glia_os *os = glia_os_default();
    return os->clock_ns(os->ctx);
}

/* Appends ids [0, count) in steps of at most `most` tokens, each with the logits of its last one if `all`,
 * else those of the last one alone. */
static glia_status feed(bench *b, const int32_t *ids, int64_t count, int64_t most, bool all)
{
    const float *logits;
    for (int64_t i = 0; i < count;) {
        glia_batch step = GLIA_BATCH_INIT;
        int32_t n = (int32_t)glia_min(most, count - i), last = n - 1;
        step.count = n;
        step.ids = ids + i;
        step.rows = &last;
        step.row_count = all || i + n == count;
        glia_status s = glia_session_step(b->s, &step, &logits, &b->c->error);
        if (s) return s;
        b->computed += n;
        i += n;
    }
    return GLIA_OK;
}

/* A context of `count` fresh tokens. */
static glia_status prefill(bench *b, int64_t count)
{
    glia_status s = glia_session_trim(b->s, 0, 0, &b->c->error);
    return s ? s : feed(b, b->ids, count, glia_model_settings(b->m)->batch, false);
}

/* One kind of run; the first repetition warms caches and is not kept. */
static int measure(bench *b, bool decoding, int64_t threads)
{
    cli *c = b->c;
    result *r = &b->results[b->count++];
    *r = (result){decoding ? b->depth : b->prompt,
                  decoding ? b->gen : 0,
                  threads,
                  glia_model_settings(b->m)->slots,
                  0,
                  NULL};
    r->ns = GLIA_NEW_ARRAY(&c->arena, int64_t, b->repetitions);
    if (!r->ns) return cli_no_memory(c);
    for (int64_t i = -1; i < b->repetitions; i++) {
        int64_t count = !decoding ? b->prompt : i < 0 ? glia_min(4, b->gen) : b->gen;
        b->computed = 0;
        random_ids(b, glia_max(b->prompt, b->depth + b->gen));
        if (decoding && prefill(b, b->depth)) return cli_failed(c);
        uint64_t begin = now_ns();
        glia_status s = decoding ? feed(b, b->ids + b->depth, count, 1, true) : prefill(b, count);
        uint64_t end = now_ns();
        if (s || cli_interrupted()) return cli_failed(c);
        r->reused += glia_session_length(b->s, 0) - b->computed;
        if (i >= 0) r->ns[i] = (int64_t)glia_max(1, (int64_t)(end - begin));
        if (c->set.verbose && i >= 0)
            fprintf(stderr, "%s, %lld threads: repetition %lld of %lld\n", decoding ? "decode" : "prefill",
                    (long long)threads, (long long)i + 1, (long long)b->repetitions);
    }
    if (r->reused)
        return cli_refuse(c, GLIA_E_INTERNAL, "G0920", "%lld tokens were not computed: this is no result",
                          (long long)r->reused);
    return CLI_OK;
}

/* The type in which most bytes of the weights are. */
static void describe(bench *b)
{
    const glia_gguf *g = glia_model_file(b->m);
    int64_t bytes[256] = {0}, most = -1;
    b->model_bytes = 0;
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        if (t->bytes < 0 || t->gguf_type < 0 || t->gguf_type > 255) continue;
        b->model_bytes += t->bytes;
        bytes[t->gguf_type] += t->bytes;
    }
    for (int i = 0; i < 256; i++) {
        if (bytes[i] <= most) continue;
        most = bytes[i];
        b->type = glia_gguf_tensor_type_name(i);
    }
    b->arch = glia_model_architecture(b->m);
    snprintf(b->file, sizeof b->file, "%s", b->c->set.synth ? b->c->set.synth : glia_gguf_file_name(g));
    b->arch = glia_arena_strdup(&b->c->arena, b->arch);
}

static int measure_threads(bench *b, int64_t threads)
{
    cli *c = b->c;
    glia_model_options o = cli_model_options(c);
    int64_t longest = glia_max(glia_max(b->prompt, b->depth + b->gen), 1);
    o.threads = (int32_t)threads;
    if (!o.context) o.context = longest;
    int code = cli_open(c, &o, true, &b->m);
    if (code) return code;
    if (longest > glia_model_context(b->m))
        code =
            cli_refuse(c, GLIA_E_CONTEXT, "G0718", "the measurement needs %lld tokens; the context is %lld",
                       (long long)longest, (long long)glia_model_context(b->m));
    if (!code) {
        b->ids = GLIA_NEW_ARRAY(&c->arena, int32_t, longest);
        code = b->ids ? cli_session(c, b->m, &b->s) : cli_no_memory(c);
    }
    if (!code) {
        describe(b);
        if (b->prompt) code = measure(b, false, threads);
        if (!code && b->gen) code = measure(b, true, threads);
    }
    cli_session_close(b->s);
    b->s = NULL;
    glia_model_close(b->m);
    return code;
}

/* ---- results -------------------------------------------------------------------------------------- */

static double speed(const result *r, int64_t i)
{
    return (double)(r->n_gen ? r->n_gen : r->n_prompt) * 1e9 / (double)r->ns[i];
}

static void mean_speed(const result *r, int64_t n, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += speed(r, i);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (speed(r, i) - *mean) * (speed(r, i) - *mean);
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

static int64_t mean_ns(const result *r, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)r->ns[i];
    return (int64_t)(sum / (double)n);
}

static void put_json_result(const bench *b, const result *r)
{
    glia_json_writer *j = &b->c->json;
    double mean, deviation;
    mean_speed(r, b->repetitions, &mean, &deviation);
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "model_filename", b->file, -1);
    glia_json_put_string(j, "model_type", glia_arena_printf(&b->c->arena, "%s %s", b->arch, b->type), -1);
    glia_json_put_i64(j, "model_size", b->model_bytes);
    glia_json_put_i64(j, "n_prompt", r->n_prompt);
    glia_json_put_i64(j, "n_gen", r->n_gen);
    glia_json_put_i64(j, "n_threads", r->threads);
    glia_json_put_i64(j, "n_slots", r->slots);
    glia_json_put_i64(j, "n_reused", r->reused);
    glia_json_put_i64(j, "avg_ns", mean_ns(r, b->repetitions));
    glia_json_put_f64(j, "avg_ts", mean);
    glia_json_put_f64(j, "stddev_ts", deviation);
    glia_json_open(j, "samples_ns", '[');
    for (int64_t i = 0; i < b->repetitions; i++) glia_json_put_i64(j, NULL, r->ns[i]);
    glia_json_close(j, ']');
    glia_json_open(j, "samples_ts", '[');
    for (int64_t i = 0; i < b->repetitions; i++) glia_json_put_f64(j, NULL, speed(r, i));
    glia_json_close(j, ']');
    glia_json_close(j, '}');
}

static void put_json(const bench *b)
{
    glia_json_open(&b->c->json, NULL, '[');
    for (int i = 0; i < b->count; i++) put_json_result(b, &b->results[i]);
    glia_json_close(&b->c->json, ']');
    glia_write_text(&b->c->out, "\n");
}

/* A field of a CSV file (RFC 4180). */
static void put_field(glia_writer *w, const char *s)
{
    glia_write_text(w, "\"");
    for (; *s; s++) {
        if (*s == '"') glia_write_text(w, "\"");
        glia_write_bytes(w, s, 1);
    }
    glia_write_text(w, "\"");
}

static void put_csv(const bench *b)
{
    glia_writer *w = &b->c->out;
    glia_write_text(
        w, "model_filename,model_type,model_size,n_prompt,n_gen,n_threads,n_slots,avg_ns,avg_ts,stddev_ts\n");
    for (int i = 0; i < b->count; i++) {
        const result *r = &b->results[i];
        double mean, deviation;
        char a[GLIA_NUMBER_TEXT], d[GLIA_NUMBER_TEXT];
        mean_speed(r, b->repetitions, &mean, &deviation);
        glia_number_format(mean, a);
        glia_number_format(deviation, d);
        put_field(w, b->file);
        glia_write_text(w, ",%s %s,%lld,%lld,%lld,%lld,%lld,%lld,%s,%s\n", b->arch, b->type,
                        (long long)b->model_bytes, (long long)r->n_prompt, (long long)r->n_gen,
                        (long long)r->threads, (long long)r->slots, (long long)mean_ns(r, b->repetitions), a,
                        d);
    }
}

static void put_markdown(const bench *b)
{
    glia_writer *w = &b->c->out;
    char human[32];
    glia_write_text(w, "| model | type | size | threads | test | tokens/s |\n|---|---|---:|---:|---|---:|\n");
    for (int i = 0; i < b->count; i++) {
        const result *r = &b->results[i];
        double mean, deviation;
        mean_speed(r, b->repetitions, &mean, &deviation);
        glia_write_text(w, "| ");
        cli_write_safe(w, b->file, (int64_t)strlen(b->file), 80);
        glia_write_text(w, " | %s %s | %s | %lld | ", b->arch, b->type, cli_bytes_text(b->model_bytes, human),
                        (long long)r->threads);
        if (r->n_gen)
            glia_write_text(w, "decode %lld after %lld", (long long)r->n_gen, (long long)r->n_prompt);
        else glia_write_text(w, "prefill %lld", (long long)r->n_prompt);
        glia_write_text(w, " | %.2f ± %.2f |\n", mean, deviation);
    }
}

static int64_t or_default(int64_t v, int64_t fallback) { return v == CLI_UNSET ? fallback : v; }

static int bench_model(cli *c)
{
    cli_settings *set = &c->set;
    bench b = {.c = c, .type = "?", .random = 12345};
    b.prompt = or_default(set->bench_prompt, 512);
    b.gen = or_default(set->tokens, 128);
    b.depth = or_default(set->depth, b.prompt);
    b.repetitions = or_default(set->repetitions, 5);
    if (!b.prompt && !b.gen)
        return cli_usage(c, "--prompt and --tokens are both 0: there is nothing to measure");
    if (set->thread_list.count > THREADS_MAX)
        return cli_usage(c, "--threads lists more than %d numbers", THREADS_MAX);
    if (set->json && set->format && set->format[0] != 'j')
        return cli_usage(c, "--json and --output %s exclude each other", set->format);
    int code = CLI_OK;
    if (!set->thread_list.count) {
        const glia_os *os = glia_os_default();
        code = measure_threads(&b, glia_min(os->cpu_count(os->ctx), 1024));
    }
    for (int64_t i = 0; i < set->thread_list.count && !code; i++)
        code = measure_threads(&b, set->thread_list.v[i]);
    if (code) return code;
    char form = set->json ? 'j' : set->format ? set->format[0] : 'm';
    if (form == 'j') put_json(&b);
    else if (form == 'c') put_csv(&b);
    else put_markdown(&b);
    return CLI_OK;
}

int cli_cmd_bench(cli *c)
{
    char path[512];
    if ((c->arg_count == 1) == (c->set.synth != NULL)) return cli_usage(c, "give either MODEL or --synth");
    if (!c->set.synth) return bench_model(c);
    int code = cli_synth_temporary(c, c->set.synth, path, sizeof path);
    if (code) return code;
    c->args[0] = path;
    code = bench_model(c);
    unlink(path);
    return code;
}
