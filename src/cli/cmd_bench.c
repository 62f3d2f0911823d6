/* glia bench: speed of a model, beside what the machine can do.
 *
 * Prefill: tokens in one go, with the logits of the last one. Decode: tokens one by one, each with its
 * logits. Both behind `depth` tokens that the context already holds. Loading and what warms caches are not
 * counted. Every combination of depths, tests and threads is one result. */
#include "cli/bench.h"
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/error.h"
#include "format/gguf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TESTS_MOST = 4096, LATENCY_CONTEXT = 512, BATCH = 128 };

/* The type in which most bytes of the weights are. */
static void describe(bench *b)
{
    const glia_gguf *g = glia_model_file(b->m);
    int64_t bytes[256] = {0}, most = -1;
    b->model_bytes = b->parameters = 0;
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        if (t->bytes < 0 || t->gguf_type < 0 || t->gguf_type > 255) continue;
        b->model_bytes += t->bytes;
        int64_t elements = 1;
        for (int k = 0; k < t->rank; k++) elements *= t->dims[k];
        b->parameters += elements;
        bytes[t->gguf_type] += t->bytes;
    }
    for (int i = 0; i < 256; i++) {
        if (bytes[i] <= most) continue;
        most = bytes[i];
        b->type = glia_gguf_tensor_type_name(i);
    }
    b->arch = glia_arena_strdup(&b->c->arena, glia_model_architecture(b->m));
    snprintf(b->file, sizeof b->file, "%s", b->c->set.synth ? b->c->set.synth : glia_gguf_file_name(g));
    bench_cpu_name(b->cpu, sizeof b->cpu);
}

static int measure_threads(bench *b, int64_t threads)
{
    int code = bench_open(b, threads);
    if (!code) describe(b);
    if (!code && b->c->set.latency) code = bench_latency(b);
    else
        for (int64_t i = 0; i < b->test_count && !code; i++) code = bench_measure(b, &b->tests[i]);
    bench_close(b);
    return code;
}

/* ---- what is asked for ---------------------------------------------------------------------------- */

static int add_test(bench *b, int64_t *capacity, int64_t prompt, int64_t gen, int64_t depth)
{
    if (!prompt && !gen) return CLI_OK;
    if (b->test_count >= TESTS_MOST) return cli_usage(b->c, "these are more than %d tests", TESTS_MOST);
    bench_test *t = glia_arena_grow(&b->c->arena, b->tests, b->test_count, capacity, sizeof *t);
    if (!t) return cli_no_memory(b->c);
    b->tests = t;
    b->tests[b->test_count++] = (bench_test){prompt, gen, depth};
    b->context = glia_max(b->context, depth + prompt + gen);
    return CLI_OK;
}

/* The list that was given, or else one number. */
static cli_ints list_or(const cli_ints *given, int64_t *one)
{
    return given->count ? *given : (cli_ints){one, 1, 1};
}

static int list_tests(bench *b)
{
    const cli_settings *set = &b->c->set;
    const bool pairs_alone = set->bench_pairs.count && !set->bench_prompts.count && !set->bench_gens.count;
    int64_t prompt = pairs_alone ? 0 : 512, gen = pairs_alone ? 0 : 128, depth = 0, capacity = 0;
    const cli_ints prompts = list_or(&set->bench_prompts, &prompt), gens = list_or(&set->bench_gens, &gen),
                   depths = list_or(&set->depths, &depth), *pairs = &set->bench_pairs;
    if (pairs->count % 2) return cli_usage(b->c, "--pg takes pairs: PROMPT,TOKENS");
    int code = CLI_OK;
    for (int64_t d = 0; d < depths.count; d++) {
        for (int64_t i = 0; i < prompts.count && !code; i++)
            code = add_test(b, &capacity, prompts.v[i], 0, depths.v[d]);
        for (int64_t i = 0; i < gens.count && !code; i++)
            code = add_test(b, &capacity, 0, gens.v[i], depths.v[d]);
        for (int64_t i = 0; i < pairs->count && !code; i += 2)
            code = add_test(b, &capacity, pairs->v[i], pairs->v[i + 1], depths.v[d]);
    }
    if (set->latency && !code) b->context = (b->test_count ? b->tests[0].depth : 0) + LATENCY_CONTEXT;
    if (!code && !b->test_count)
        return cli_usage(b->c, "--prompt and --tokens are both 0: there is nothing to measure");
    return code;
}

static int64_t or_default(int64_t v, int64_t fallback) { return v == CLI_UNSET ? fallback : v; }

/* Names that users of llama-bench know, for what has another name here. */
static int take_synonyms(cli *c)
{
    cli_settings *set = &c->set;
    if (set->ubatch != CLI_UNSET && (set->batch == CLI_UNSET || set->ubatch < set->batch))
        set->batch = set->ubatch;
    const char *types[3] = {set->kv, set->type_k, set->type_v};
    for (int i = 1; i < 3; i++) {
        if (types[i] && types[0] && strcmp(types[i], types[0]))
            return cli_usage(c, "keys and values have the same type; %s and %s differ", types[0], types[i]);
        if (types[i]) types[0] = types[i];
    }
    set->kv = types[0];
    if (set->json && set->format && set->format[0] != 'j')
        return cli_usage(c, "--json and --output %s exclude each other", set->format);
    return CLI_OK;
}

/* A step takes a token of every sequence. */
static int fit_batch(cli *c, int64_t parallel)
{
    cli_settings *set = &c->set;
    if (set->batch == CLI_UNSET && parallel > BATCH) set->batch = parallel;
    if (set->batch == CLI_UNSET || parallel <= set->batch) return CLI_OK;
    return cli_usage(c, "--parallel %lld is more than a step takes, %lld tokens", (long long)parallel,
                     (long long)set->batch);
}

static int bench_model(cli *c)
{
    const cli_settings *set = &c->set;
    bench b = {.c = c, .type = "?", .random = 12345};
    b.repetitions = or_default(set->repetitions, 5);
    b.parallel = or_default(set->parallel, 1);
    int code = take_synonyms(c);
    if (!code) code = fit_batch(c, b.parallel);
    if (!code) code = list_tests(&b);
    if (code) return code;
    const glia_os *os = glia_os_default();
    int64_t all = glia_min(os->cpu_count(os->ctx), 1024);
    const cli_ints threads = list_or(&set->thread_list, &all);
    for (int64_t i = 0; i < threads.count && !code; i++) code = measure_threads(&b, threads.v[i]);
    if (!code && !set->latency) bench_put(&b);
    return code;
}

int cli_cmd_bench(cli *c)
{
    char path[512];
    if (c->set.kernels) return bench_kernels(c);
    if (c->arg_count == 1 && cli_is_net(c->args[0])) return cli_net_bench(c);
    if (c->set.against) return cli_usage(c, "--against is for ONNX networks (MODEL.onnx)");
    if ((c->arg_count == 1) == (c->set.synth != NULL)) return cli_usage(c, "give either MODEL or --synth");
    if (!c->set.synth) return bench_model(c);
    int code = cli_synth_temporary(c, c->set.synth, path, sizeof path);
    if (code) return code;
    c->args[0] = path;
    code = bench_model(c);
    unlink(path);
    return code;
}
