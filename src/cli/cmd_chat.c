/* glia chat: a conversation with a model, by its own template. */
#include "cli/cli_chat.h"

#include "base/error.h"

#include <glia/chat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct talker {
    cli *c;
    glia_model *m;
    glia_session *s;
    glia_chat *chat;
    cli_sampling sampling;
    cli_typing typing;
    cli_talk talk;
    int32_t thinking; /* 1, -1, 0: the template's own choice */
    uint64_t tries;   /* of the answer at hand, by /regen */
    int worst;        /* exit code */
    /* the answer at hand */
    glia_chat_parser *parser;
    glia_arena arena;
    glia_writer text, reasoning, calls;
    glia_json_writer calls_json;
    glia_status parsed;
    bool dim, colour, shown;
    int64_t prompt_tokens, tokens;
} talker;

/* ---- showing -------------------------------------------------------------------------------------- */

/* What a model writes does not steer the terminal. */
static void put_safe(const talker *t, const char *text, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        bool c1 = c == 0xC2 && i + 1 < size && (uint8_t)text[i + 1] < 0xA0;
        putchar(t->typing.terminal && control ? '?' : c1 && t->typing.terminal ? '?' : c);
        i += c1 && t->typing.terminal;
    }
}

static void set_dim(talker *t, bool dim)
{
    if (t->colour && dim != t->dim) fputs(dim ? "\033[2m" : "\033[0m", stdout);
    if (dim != t->dim && !dim && t->shown && !t->c->set.json) putchar('\n');
    t->dim = dim;
}

static void on_part(void *user, glia_chat_part part, const char *text, int64_t size, const char *name)
{
    talker *t = user;
    bool show = !t->c->set.json;
    if (part == GLIA_CHAT_CALL) {
        glia_json_open(&t->calls_json, NULL, '{');
        glia_json_put_string(&t->calls_json, "type", "function", -1);
        glia_json_open(&t->calls_json, "function", '{');
        glia_json_put_string(&t->calls_json, "name", name, -1);
        glia_json_put_string(&t->calls_json, "arguments", text, size);
        glia_json_close(&t->calls_json, '}');
        glia_json_close(&t->calls_json, '}');
        if (!show) return;
        set_dim(t, false);
        fputs("[call ", stdout);
        put_safe(t, name, (int64_t)strlen(name));
        putchar(' ');
        put_safe(t, text, size);
        putchar(']');
        t->shown = true;
        return;
    }
    glia_write_bytes(part == GLIA_CHAT_TEXT ? &t->text : &t->reasoning, text, size);
    if (!show) return;
    set_dim(t, part == GLIA_CHAT_REASONING);
    put_safe(t, text, size);
    t->shown = true;
}

static int on_token(void *user, int32_t id, const char *text, int64_t size)
{
    talker *t = user;
    glia_error e = GLIA_ERROR_INIT;
    if (!t->parsed && (id >= 0 || size)) t->parsed = glia_chat_parser_push(t->parser, id, text, size, &e);
    return t->parsed || fflush(stdout) || cli_interrupted();
}

/* ---- an answer ------------------------------------------------------------------------------------ */

static int64_t local_now(void)
{
    time_t now = time(NULL);
    struct tm tm;
    if (!localtime_r(&now, &tm)) return 0;
    return (int64_t)now + tm.tm_gmtoff;
}

static glia_status make_prompt(talker *t, glia_chat_prompt **out)
{
    glia_writer w = {.arena = &t->arena};
    cli_talk_write(&t->talk, &w, t->talk.count);
    if (w.failed) return glia_fail(&t->c->error, GLIA_E_NOMEM, "G0801", "no memory for the messages");
    glia_chat_request r = GLIA_CHAT_REQUEST_INIT;
    r.messages = (const char *)w.data;
    r.messages_size = w.size;
    r.thinking = t->thinking;
    r.now = local_now();
    return glia_chat_prompt_create(t->chat, &r, out, &t->c->error);
}

/* A prompt that leaves room for an answer: what is dropped is said. */
static glia_status fit_prompt(talker *t, glia_chat_prompt **out)
{
    const int64_t context = glia_model_context(t->m);
    const bool drop = t->c->set.when_full && !strcmp(t->c->set.when_full, "drop");
    int64_t dropped = 0;
    glia_status s;
    while (!(s = make_prompt(t, out)) && (*out)->count >= context - (drop ? context / 8 : 0)) {
        int64_t count = (*out)->count;
        glia_chat_prompt_destroy(*out);
        *out = NULL;
        if (!drop || !cli_talk_drop_oldest(&t->talk))
            return glia_fail(
                &t->c->error, GLIA_E_CONTEXT, "G0718",
                "the chat has %lld tokens; the context is %lld. /undo takes back a turn, /reset begins anew, "
                "-c sets a larger context, --when-full drop drops the oldest turns whole",
                (long long)count, (long long)context);
        dropped++;
    }
    if (dropped)
        fprintf(stderr, "glia chat: the context is full; oldest turns dropped: %lld\n", (long long)dropped);
    return s;
}

static void put_answer(talker *t, glia_json_writer *j, bool counts)
{
    const char *text = t->text.size ? (const char *)t->text.data : "";
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "role", "assistant", -1);
    glia_json_put_string(j, "content", text, t->text.size);
    if (t->reasoning.size)
        glia_json_put_string(j, "reasoning_content", (const char *)t->reasoning.data, t->reasoning.size);
    if (t->calls.size > 1) {
        glia_json_open(j, "tool_calls", '[');
        glia_write_bytes(j->w, t->calls.data + 1, t->calls.size - 1); /* behind its own bracket */
        glia_json_close(j, ']');
    }
    if (counts) {
        glia_json_put_i64(j, "prompt_tokens", t->prompt_tokens);
        glia_json_put_i64(j, "tokens", t->tokens);
    }
    glia_json_close(j, '}');
}

static void report(talker *t)
{
    fflush(stdout);
    int code = t->c->error.status == GLIA_E_CONTEXT || t->c->error.status == GLIA_E_ARG ? cli_refused(t->c)
                                                                                        : cli_failed(t->c);
    if (code > t->worst) t->worst = code;
    glia_error_clear(&t->c->error);
}

/* Keeps what came, also of an answer that was stopped. */
static bool keep_answer(talker *t)
{
    glia_writer w = {.arena = &t->arena};
    glia_json_writer j = {.w = &w};
    put_answer(t, &j, false);
    if (w.failed || !cli_talk_add(&t->talk, (const char *)w.data, w.size, "assistant")) return false;
    if (!t->c->set.json) return true;
    put_answer(t, &t->c->json, true);
    glia_write_text(&t->c->out, "\n");
    return cli_flush(t->c) == CLI_OK;
}

static glia_status generate(talker *t, const glia_chat_prompt *p)
{
    glia_sampler_options sampler = t->sampling.options;
    glia_generate_options o = GLIA_GENERATE_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    sampler.seed += t->tries;
    o.tokens_max = t->c->set.tokens == CLI_UNSET ? 0 : t->c->set.tokens;
    o.sampler = &sampler;
    o.bias_count = (int32_t)t->c->set.biases.count;
    o.bias_ids = t->c->set.biases.ids;
    o.bias_values = t->c->set.biases.values;
    o.on_token = on_token;
    o.user = t;
    t->prompt_tokens = p->count;
    glia_status s = glia_session_generate(t->s, p->ids, p->count, &o, &t->tokens, &t->c->error);
    if (s == GLIA_E_CANCELLED && !cli_interrupted()) { /* a Ctrl-C that came too late for the answer before */
        glia_error_clear(&t->c->error);
        s = glia_session_generate(t->s, p->ids, p->count, &o, &t->tokens, &t->c->error);
    }
    if (!t->parsed) t->parsed = glia_chat_parser_finish(t->parser, &e);
    bool full = t->prompt_tokens + t->tokens >= glia_model_context(t->m);
    set_dim(t, false);
    if (t->shown) putchar('\n');
    fflush(stdout);
    if (cli_interrupted() || s == GLIA_E_CANCELLED) { /* the answer ends, the program goes on */
        glia_error_clear(&t->c->error);
        fprintf(stderr, "glia chat: stopped\n");
        cli_interrupt_reset();
        return GLIA_OK;
    }
    if (full && (!s || s == GLIA_E_CONTEXT)) {
        glia_error_clear(&t->c->error);
        fprintf(stderr,
                "glia chat: the answer was cut: %lld of %lld tokens of context are used. /undo takes back a "
                "turn, /reset "
                "begins anew\n",
                (long long)(t->prompt_tokens + t->tokens), (long long)glia_model_context(t->m));
        return GLIA_OK;
    }
    return s;
}

static void answer(talker *t)
{
    glia_chat_prompt *p = NULL;
    glia_arena_init(&t->arena, NULL, 0);
    t->text = t->reasoning = t->calls = (glia_writer){.arena = &t->arena};
    t->calls_json = (glia_json_writer){.w = &t->calls};
    t->dim = t->shown = false;
    t->parsed = GLIA_OK;
    t->tokens = 0;
    glia_json_open(&t->calls_json, NULL, '[');
    glia_status s = fit_prompt(t, &p);
    if (!s) s = glia_chat_parser_create(t->chat, p, on_part, t, &t->parser, &t->c->error);
    if (!s) s = generate(t, p);
    if (s) {
        report(t);
        cli_talk_cut(&t->talk, t->talk.count - 1); /* the user's message that has no answer */
    } else if (!keep_answer(t)) {
        cli_no_memory(t->c);
    }
    glia_chat_parser_destroy(t->parser);
    t->parser = NULL;
    glia_chat_prompt_destroy(p);
    glia_arena_free(&t->arena);
}

static void say(talker *t, const char *text, int64_t size)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    glia_json_writer j = {.w = &w};
    glia_json_open(&j, NULL, '{');
    glia_json_put_string(&j, "role", "user", -1);
    glia_json_put_string(&j, "content", text, size);
    glia_json_close(&j, '}');
    bool ok = !w.failed && cli_talk_add(&t->talk, (const char *)w.data, w.size, "user");
    glia_arena_free(&a);
    t->tries = 0;
    if (ok) answer(t);
    else cli_no_memory(t->c);
}

/* ---- commands ------------------------------------------------------------------------------------- */

static void note(const char *text) { fprintf(stderr, "glia chat: %s\n", text); }

/* Where the last user's message is, or -1. */
static int64_t last_user(const talker *t)
{
    int64_t i = t->talk.count - 1;
    while (i >= 0 && !t->talk.m[i].user) i--;
    return i;
}

static void do_undo(talker *t, const char *arg)
{
    int64_t i = last_user(t);
    (void)arg;
    if (i < 0) note("there is nothing to take back");
    else cli_talk_cut(&t->talk, i);
}

static void do_regen(talker *t, const char *arg)
{
    int64_t i = last_user(t);
    (void)arg;
    if (i < 0) {
        note("there is no answer to make again");
        return;
    }
    cli_talk_cut(&t->talk, i + 1);
    t->tries++;
    answer(t);
}

static void do_reset(talker *t, const char *arg)
{
    (void)arg;
    cli_talk_cut(&t->talk, t->talk.count && t->talk.m[0].system ? 1 : 0);
}

static void do_system(talker *t, const char *arg)
{
    if (!cli_talk_set_system(&t->talk, arg)) cli_no_memory(t->c);
}

static void do_save(talker *t, const char *arg)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    cli_talk_write(&t->talk, &w, t->talk.count);
    FILE *f = w.failed || !arg[0] ? NULL : fopen(arg, "wb");
    bool ok = f && fwrite(w.data, 1, (size_t)w.size, f) == (size_t)w.size;
    if (f) ok = !fclose(f) && ok;
    if (!arg[0]) note("/save needs the name of a file");
    else if (!ok) fprintf(stderr, "glia chat: %s could not be written: %s\n", arg, strerror(errno));
    if (!ok) t->worst = CLI_FAILED;
    glia_arena_free(&a);
}

static void do_load(talker *t, const char *arg)
{
    const char *text;
    int64_t size;
    glia_arena kept = t->c->arena;
    if (!arg[0] || !strcmp(arg, "-")) {
        note("/load needs the name of a file");
        return;
    }
    glia_arena_init(&t->c->arena, NULL, 0);
    int code = cli_read_file(t->c, arg, &text, &size);
    if (!code && cli_talk_read(&t->talk, text, size, &t->c->error)) report(t);
    if (code) t->worst = code;
    glia_error_clear(&t->c->error);
    glia_arena_free(&t->c->arena);
    t->c->arena = kept;
}

static void do_think(talker *t, const char *arg)
{
    if (!strcmp(arg, "on")) t->thinking = 1;
    else if (!strcmp(arg, "off")) t->thinking = -1;
    else note("/think on or /think off");
}

static void do_tokens(talker *t, const char *arg)
{
    glia_chat_prompt *p = NULL;
    (void)arg;
    glia_arena_init(&t->arena, NULL, 0);
    if (!t->talk.count) note("the chat is empty");
    else if (make_prompt(t, &p)) report(t);
    else
        fprintf(stderr, "glia chat: %lld tokens of %lld; %lld are kept from the last answer\n",
                (long long)p->count, (long long)glia_model_context(t->m),
                (long long)glia_session_length(t->s, 0));
    glia_chat_prompt_destroy(p);
    glia_arena_free(&t->arena);
}

static void do_help(talker *t, const char *arg);

static const struct {
    const char *name, *arg, *help;
    void (*run)(talker *t, const char *arg);
} commands[] = {
    {"/help", "", "this list", do_help},
    {"/save", "FILE", "write the messages as JSON", do_save},
    {"/load", "FILE", "read them back", do_load},
    {"/system", "TEXT", "set the system message; without a text it goes", do_system},
    {"/reset", "", "forget all but the system message", do_reset},
    {"/undo", "", "take back the last turn", do_undo},
    {"/regen", "", "answer the last message again, with the next seed", do_regen},
    {"/think", "on|off", "ask the template for thinking or none", do_think},
    {"/tokens", "", "how much of the context is used", do_tokens},
};

static void do_help(talker *t, const char *arg)
{
    (void)t;
    (void)arg;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "  %-8s %-7s %s\n", commands[i].name, commands[i].arg, commands[i].help);
    fprintf(stderr, "A line that ends with \\ goes on; between two lines of \"\"\" all is one message.\n"
                    "Ctrl-C stops an answer, Ctrl-D ends.\n");
}

static void command(talker *t, const char *line)
{
    size_t size = strcspn(line, " ");
    const char *arg = line + size + strspn(line + size, " ");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strlen(commands[i].name) == size && !strncmp(commands[i].name, line, size)) {
            commands[i].run(t, arg);
            return;
        }
    fprintf(stderr, "glia chat: there is no command %.*s; /help lists them\n", (int)(size < 60 ? size : 60),
            line);
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static int loop(talker *t)
{
    for (;;) {
        cli_typed typed = cli_typing_next(&t->typing);
        if (typed == CLI_TYPED_INTERRUPT) {
            cli_interrupt_reset();
            if (!t->typing.terminal) return CLI_INTERRUPTED;
            putchar('\n');
            continue;
        }
        if (typed == CLI_TYPED_END) break;
        if (!t->typing.size) continue;
        if (t->typing.text[0] == '/') command(t, t->typing.text);
        else say(t, t->typing.text, (int64_t)t->typing.size);
    }
    if (t->typing.terminal) putchar('\n');
    return t->worst;
}

static int open_chat(talker *t)
{
    cli *c = t->c;
    glia_chat_options o = GLIA_CHAT_OPTIONS_INIT;
    const char *name = c->set.chat_template;
    o.trust_content = c->set.special;
    o.variant = c->set.chat_variant;
    for (int i = 0; name && glia_chat_builtin(i); i++)
        if (!strcmp(glia_chat_builtin(i), name)) o.builtin = name;
    if (name && !o.builtin) {
        int code = cli_read_file(c, name, &o.template_text, &o.template_size);
        if (code) return code;
    }
    if (glia_chat_create(t->m, &o, &t->chat, &c->error)) return cli_refused(c);
    if (c->set.system && !cli_talk_set_system(&t->talk, c->set.system)) return cli_no_memory(c);
    return CLI_OK;
}

int cli_cmd_chat(cli *c)
{
    talker t = {.c = c};
    const char *no_colour = getenv("NO_COLOR");
    glia_model_options o = cli_model_options(c);
    int code = cli_open(c, &o, true, &t.m);
    if (code) return code;
    code = open_chat(&t);
    if (!code) code = cli_session(c, t.m, &t.s);
    if (!code) code = cli_sampling_open(c, t.m, &t.sampling);
    cli_typing_open(&t.typing, c->set.history);
    t.colour = isatty(STDOUT_FILENO) && !c->set.json && !(no_colour && no_colour[0]);
    if (!code && t.typing.terminal) note("/help lists commands, Ctrl-D ends");
    if (!code) code = loop(&t);
    cli_typing_close(&t.typing);
    cli_sampling_close(&t.sampling);
    cli_session_close(t.s);
    glia_chat_destroy(t.chat);
    cli_talk_free(&t.talk);
    glia_model_close(t.m);
    return code;
}
