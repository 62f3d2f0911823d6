/* glia run: a prompt and what follows it. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct generation {
    cli *c;
    glia_model *m;
    glia_session *s;
    const glia_tokenizer *t;
    glia_detok detok;
    char *piece; /* one token's text */
    int64_t piece_bytes;
    const int32_t *prompt;
    int64_t prompt_count;
    bool prompt_shown;
    glia_writer *to; /* JSON: texts are gathered; else null, they go to stdout */
    glia_writer prompt_text, text;
    cli_ints ids;
    uint64_t begin_ns, first_ns, last_ns;
    int64_t made;
    int32_t last_id;
    cli_run_session *session;
    const glia_sampler_options *sampling;
    glia_writer logprobs; /* an array that is not closed */
    glia_json_writer logprobs_json;
} generation;

static uint64_t now_ns(void)
{
    const glia_os *os = glia_os_default();
    return os->clock_ns(os->ctx);
}

static void show(generation *g, int64_t size)
{
    if (size <= 0) return;
    if (g->to) glia_write_bytes(g->to, g->piece, size);
    else fwrite(g->piece, 1, (size_t)size, stdout);
}

static void show_token(generation *g, int32_t id)
{
    show(g, glia_detok_push(g->t, &g->detok, id, g->piece, g->piece_bytes));
}

/* The prompt as decoded, but for its beginning token. Only once there is something to follow it, so that a
 * prompt that is refused leaves stdout empty. */
static void show_prompt(generation *g)
{
    if (g->prompt_shown) return;
    g->prompt_shown = true;
    int64_t first = g->session->held_count; /* what was loaded was shown when it was made */
    first += first == 0 && g->prompt_count > 0 && g->prompt[0] == glia_tokenizer_bos(g->t);
    for (int64_t i = first; i < g->prompt_count; i++) show_token(g, g->prompt[i]);
    if (g->to) g->to = &g->text;
}

static int on_token(void *user, int32_t id, const char *text, int64_t size)
{
    generation *g = user;
    (void)text; /* prompt and continuation are decoded as one text, by show_token */
    (void)size;
    if (id < 0) return 0;
    g->last_ns = now_ns();
    g->last_id = id;
    if (!g->first_ns) g->first_ns = g->last_ns;
    show_prompt(g);
    show_token(g, id);
    if (!g->to) return fflush(stdout) != 0 || cli_interrupted();
    int64_t *grown = glia_arena_grow(&g->c->arena, g->ids.v, g->ids.count, &g->ids.capacity, sizeof *grown);
    if (!grown) return 1;
    g->ids.v = grown;
    g->ids.v[g->ids.count++] = id;
    return cli_interrupted();
}

static void put_token(glia_json_writer *j, const glia_tokenizer *t, const glia_logprob *p)
{
    char text[256];
    const int64_t size = glia_tokenizer_piece(t, p->id, text, sizeof text, GLIA_TOK_RENDER);
    char valid[3 * sizeof text + 16];
    glia_detok d;
    glia_detok_init(t, &d, GLIA_TOK_RENDER | GLIA_TOK_CONTINUE);
    int64_t n = size > (int64_t)sizeof text ? 0 : glia_detok_push(t, &d, p->id, valid, sizeof valid);
    if (n >= 0) n += glia_max(0, glia_detok_flush(&d, valid + n, (int64_t)sizeof valid - n));
    glia_json_put_i64(j, "id", p->id);
    glia_json_put_string(j, "text", valid, glia_max(n, 0)); /* as UTF-8: cut characters are U+FFFD */
    glia_json_put_f64(j, "logprob", (double)p->logprob);
}

static void on_logprobs(void *user, const glia_logprob *chosen, const glia_logprob *top, int64_t count)
{
    generation *g = user;
    glia_json_writer *j = &g->logprobs_json;
    glia_json_open(j, NULL, '{');
    put_token(j, g->t, chosen);
    glia_json_open(j, "top", '[');
    for (int64_t i = 0; i < count; i++) {
        glia_json_open(j, NULL, '{');
        put_token(j, g->t, &top[i]);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    glia_json_close(j, '}');
}

static glia_generate_options generate_options(const cli_settings *s, const glia_sampler_options *sampler)
{
    glia_generate_options o = GLIA_GENERATE_OPTIONS_INIT;
    o.tokens_max = s->tokens == CLI_UNSET ? 0 : s->tokens;
    o.sampler = sampler;
    o.ignore_end = s->ignore_end ? 2 : 0;
    o.bias_count = (int32_t)s->biases.count;
    o.bias_ids = s->biases.ids;
    o.bias_values = s->biases.values;
    if (s->logprobs != CLI_UNSET) {
        o.logprobs = (int32_t)s->logprobs;
        o.on_logprobs = on_logprobs;
    }
    return o;
}

/* Tokens a second after the first token, which belongs to the prompt's time. */
static double speed(int64_t count, uint64_t ns)
{
    return count > 0 && ns > 0 ? (double)count * 1e9 / (double)ns : 0;
}

static void put_ids(glia_json_writer *j, const char *key, const int32_t *ids32, const int64_t *ids64,
                    int64_t count)
{
    glia_json_open(j, key, '[');
    for (int64_t i = 0; i < count; i++) glia_json_put_i64(j, NULL, ids32 ? ids32[i] : ids64[i]);
    glia_json_close(j, ']');
}

static void put_json(generation *g, double prompt_speed, double text_speed)
{
    glia_json_writer *j = &g->c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "prompt", g->prompt_text.size ? (const char *)g->prompt_text.data : "",
                         g->prompt_text.size);
    glia_json_put_string(j, "text", g->text.size ? (const char *)g->text.data : "", g->text.size);
    put_ids(j, "prompt_ids", g->prompt, NULL, g->prompt_count);
    put_ids(j, "ids", NULL, g->ids.v, g->ids.count);
    if (g->c->set.logprobs != CLI_UNSET) {
        glia_json_open(j, "logprobs", '[');
        glia_write_bytes(&g->c->out, g->logprobs.data + 1, g->logprobs.size - 1); /* behind its own bracket */
        glia_json_close(j, ']');
    }
    glia_json_put_i64(j, "prompt_tokens", g->prompt_count);
    glia_json_put_i64(j, "tokens", g->made);
    glia_json_put_f64(j, "prompt_tokens_per_second", prompt_speed);
    glia_json_put_f64(j, "tokens_per_second", text_speed);
    if (cli_run_session_guesses(g->c)) {
        glia_json_put_i64(j, "draft_steps", g->session->counts.steps);
        glia_json_put_i64(j, "draft_guessed", g->session->counts.guessed);
        glia_json_put_i64(j, "draft_accepted", g->session->counts.accepted);
    }
    glia_json_close(j, '}');
    glia_write_text(&g->c->out, "\n");
}

/* Is a newline put behind the text? A file or a pipe gets the text alone, to the byte. */
static bool ends_line(const cli_settings *set) { return !set->json && (set->loop || isatty(STDOUT_FILENO)); }

static int finish(generation *g)
{
    const cli_settings *set = &g->c->set;
    show_prompt(g);
    show(g, glia_detok_flush(&g->detok, g->piece, g->piece_bytes));
    int64_t prompt_new = glia_max(1, g->prompt_count - g->session->held_count);
    double prompt_speed = speed(prompt_new, g->first_ns - g->begin_ns);
    double text_speed = speed(g->made - 1, g->last_ns - g->first_ns);
    if (set->json) put_json(g, g->first_ns ? prompt_speed : 0, text_speed);
    else if (ends_line(set)) putchar('\n');
    if ((set->verbose || isatty(STDERR_FILENO)) && g->first_ns)
        fprintf(stderr, "prompt %lld tokens, %.1f tokens/s; text %lld tokens, %.1f tokens/s\n",
                (long long)g->prompt_count, prompt_speed, (long long)g->made, text_speed);
    const glia_draft_counts *d = &g->session->counts;
    if (set->verbose && cli_run_session_guesses(g->c))
        fprintf(stderr, "draft %lld guesses in %lld steps, %lld right (%.1f %%)\n", (long long)d->guessed,
                (long long)d->steps, (long long)d->accepted,
                d->guessed ? 100 * (double)d->accepted / (double)d->guessed : 0);
    int code = cli_flush(g->c);
    return code ? code
                : cli_run_session_save(g->c, g->s, glia_model_context(g->m), g->prompt_count + g->made,
                                       g->last_id);
}

static int prepare(generation *g, const char *text, int64_t size, int32_t **ids)
{
    cli *c = g->c;
    int flags = (g->session->held_count ? 0 : GLIA_TOK_BOS) | (c->set.special ? GLIA_TOK_SPECIAL : 0);
    int code = cli_encode(c, g->t, text, size, flags, ids, &g->prompt_count);
    if (!code) code = cli_run_session_join(c, g->session, ids, &g->prompt_count);
    if (code) return code;
    if (g->prompt_count == 0) {
        (*ids)[0] = glia_tokenizer_bos(g->t);
        if ((*ids)[0] < 0)
            return cli_refuse(c, GLIA_E_ARG, "G0901",
                              "the prompt is empty and the model has no beginning token to start from");
        g->prompt_count = 1;
    }
    g->prompt = *ids;
    if (g->prompt_count > glia_model_context(g->m))
        return cli_refuse(c, GLIA_E_CONTEXT, "G0718", "the prompt has %lld tokens; the context is %lld",
                          (long long)g->prompt_count, (long long)glia_model_context(g->m));
    for (int64_t i = 0; i < c->set.biases.count; i++)
        if (c->set.biases.ids[i] >= glia_model_vocab_size(g->m))
            return cli_refuse(c, GLIA_E_ARG, "G0902", "--logit-bias names token %d; the vocabulary has %lld",
                              c->set.biases.ids[i], (long long)glia_model_vocab_size(g->m));
    return CLI_OK;
}

static int run_text(generation *shared, const char *text, int64_t size)
{
    generation g = *shared;
    cli *c = g.c;
    int32_t *ids;
    int code = prepare(&g, text, size, &ids);
    if (code) return code;
    g.prompt_text.arena = g.text.arena = g.logprobs.arena = &c->arena;
    g.logprobs_json = (glia_json_writer){.w = &g.logprobs};
    glia_json_open(&g.logprobs_json, NULL, '[');
    if (c->set.logprobs > glia_model_vocab_size(g.m))
        return cli_refuse(c, GLIA_E_ARG, "G0902", "--logprobs is %lld; the vocabulary has %lld tokens",
                          (long long)c->set.logprobs, (long long)glia_model_vocab_size(g.m));
    if (c->set.json) g.to = &g.prompt_text;
    glia_detok_init(g.t, &g.detok,
                    (c->set.special ? GLIA_TOK_RENDER : 0) | (g.session->held_count ? GLIA_TOK_CONTINUE : 0));
    glia_generate_options o = generate_options(&c->set, g.sampling);
    o.on_token = on_token;
    o.user = &g;
    cli_run_session_guess(c, g.session, &o);
    g.begin_ns = now_ns();
    glia_status s = glia_session_generate(g.s, g.prompt, g.prompt_count, &o, &g.made, &c->error);
    if (s == GLIA_OK && !cli_interrupted()) return finish(&g);
    if (s == GLIA_E_CONTEXT && g.made) { /* what fits is printed all the same */
        code = finish(&g);
        return code ? code : cli_failed(c);
    }
    if (g.prompt_shown && ends_line(&c->set)) putchar('\n');
    fflush(stdout);
    return cli_failed(c);
}

/* One line of --loop, in an arena of its own: a loop may run for long. */
static int run_line(generation *g, const char *line, int64_t size)
{
    cli *c = g->c;
    glia_arena kept = c->arena;
    glia_arena_init(&c->arena, NULL, 0);
    glia_error_clear(&c->error);
    int code = run_text(g, line, size);
    glia_arena_free(&c->arena);
    c->arena = kept;
    c->out = (glia_writer){.arena = &c->arena}; /* its bytes went with the line's arena */
    return code;
}

/* A prompt a line. A line that is refused is reported, and the next one read. */
static int run_lines(generation *g, int fd)
{
    cli_lines lines = {.fd = fd};
    const char *line;
    int64_t size;
    int worst = CLI_OK;
    while (cli_line_next(&lines, &line, &size)) {
        int code = run_line(g, line, size);
        if (code > worst) worst = code;
    }
    cli_lines_free(&lines);
    return cli_interrupted() ? CLI_INTERRUPTED : worst;
}

static int run_loop(generation *g)
{
    const char *path = g->c->set.file;
    if (!path || !strcmp(path, "-")) return run_lines(g, STDIN_FILENO);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_refuse(g->c, GLIA_E_IO, "G0802", "%.200s: %s", path, strerror(errno));
    int code = run_lines(g, fd);
    close(fd);
    return code;
}

int cli_cmd_run(cli *c)
{
    cli_run_session session = {0};
    generation g = {.c = c, .session = &session};
    const char *text = "";
    int64_t size = 0;
    cli_sampling sampling = {0};
    if (cli_is_net(c->args[0])) return cli_net_run(c);
    if (c->set.inputs.count || c->set.out || c->set.random != CLI_UNSET)
        return cli_usage(c, "--input, --output and --random are for ONNX networks (MODEL.onnx)");
    if (c->set.logprobs != CLI_UNSET && !c->set.json) return cli_usage(c, "--logprobs needs --json");
    if (c->set.loop && c->set.prompt) return cli_usage(c, "--loop and --prompt exclude each other");
    bool no_text = c->set.loop || (c->set.load_session && !c->set.prompt && !c->set.file);
    int code = no_text ? CLI_OK : cli_read_text(c, &text, &size);
    if (code) return code;
    glia_model_options o = cli_model_options(c);
    code = cli_run_session_options(c, &o);
    if (code) return code;
    code = cli_open(c, &o, true, &g.m);
    if (code) return code;
    g.t = glia_model_tokenizer(g.m);
    g.piece_bytes = 3 * (glia_tokenizer_piece_max(g.t) + GLIA_DETOK_PENDING);
    g.piece = glia_arena_alloc(&c->arena, g.piece_bytes, 1);
    code = g.piece ? cli_session(c, g.m, &g.s) : cli_no_memory(c);
    if (!code) code = cli_sampling_open(c, g.m, &sampling);
    g.sampling = &sampling.options;
    if (!code) code = cli_run_session_open(c, g.m, g.s, &session);
    if (!code) code = c->set.loop ? run_loop(&g) : run_text(&g, text, size);
    if (!code) code = cli_profile(c, g.m);
    cli_sampling_close(&sampling);
    cli_run_session_close(&session);
    cli_session_close(g.s);
    glia_model_close(g.m);
    return code;
}
