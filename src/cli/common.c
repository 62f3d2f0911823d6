/* What the commands share: reports, input, models, and the session that SIGINT cancels. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The handler has no argument, so what it reaches is file-scope. */
static glia_session *_Atomic current_session;
static volatile sig_atomic_t interrupted;
static int wake_pipe[2] = {-1, -1};

enum { INPUT_BYTES_MAX = 256 << 20 };

static const char *name_of(const cli *c) { return c->command ? c->command->name : ""; }

int cli_usage(const cli *c, const char *format, ...)
{
    const char *space = c->command ? " " : "";
    va_list args;
    fprintf(stderr, "glia%s%s: ", space, name_of(c));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see glia%s%s --help\n", space, name_of(c));
    return CLI_USAGE;
}

static int report(const cli *c, int code)
{
    const glia_error *e = &c->error;
    if (e->status == GLIA_E_CANCELLED || cli_interrupted()) {
        fprintf(stderr, "glia: interrupted\n");
        return CLI_INTERRUPTED;
    }
    fprintf(stderr, "glia %s: ", name_of(c));
    if (e->code[0]) fprintf(stderr, "%s: ", e->code);
    fprintf(stderr, "%s\n", e->text[0] ? e->text : glia_status_name(e->status));
    return code;
}

int cli_refused(cli *c)
{
    glia_status s = c->error.status;
    bool ours = s == GLIA_E_NOMEM || s == GLIA_E_THREAD || s == GLIA_E_INTERNAL;
    return report(c, ours ? CLI_FAILED : CLI_REFUSED);
}

int cli_failed(cli *c) { return report(c, CLI_FAILED); }

int cli_refuse(cli *c, glia_status status, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glia_error_clear(&c->error);
    glia_fail(&c->error, status, code, "%s", text);
    return cli_refused(c);
}

int cli_no_memory(cli *c)
{
    return cli_refuse(c, GLIA_E_NOMEM, "G0801", "no memory for the program's own tables");
}

int cli_flush(cli *c)
{
    if (c->out.failed) return cli_no_memory(c);
    bool ok = !c->out.size || fwrite(c->out.data, 1, (size_t)c->out.size, stdout) == (size_t)c->out.size;
    c->out.size = 0;
    if (fflush(stdout) || ferror(stdout) || !ok) {
        if (!cli_interrupted())
            fprintf(stderr, "glia: the output could not be written: %s\n", strerror(errno));
        return cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
    }
    return CLI_OK;
}

void cli_write_safe(glia_writer *w, const char *text, int64_t size, int64_t most)
{
    for (int64_t i = 0; i < size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(text + i, size - i, &len, &ok);
        if (i + len > most) {
            glia_write_text(w, "...");
            return;
        }
        bool control = cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
        /* U+202A..E and U+2066..9 turn the direction of what follows on the line. */
        control = control || (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
        if (cp == '\n') glia_write_text(w, "\\n");
        else if (cp == '\t') glia_write_text(w, "\\t");
        else if (!ok || control)
            for (int b = 0; b < len; b++) glia_write_text(w, "\\x%02x", (unsigned)(uint8_t)text[i + b]);
        else glia_write_bytes(w, text + i, len);
        i += len;
    }
}

const char *cli_bytes_text(int64_t bytes, char buf[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int unit = 0;
    while (v >= 1024 && unit < 4) {
        v /= 1024;
        unit++;
    }
    snprintf(buf, 32, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return buf;
}

/* ---- input ---------------------------------------------------------------------------------------- */

static int read_stream(cli *c, FILE *f, const char *path, const char **text, int64_t *size)
{
    glia_writer w = {.arena = &c->arena};
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
        glia_write_bytes(&w, piece, (int64_t)n);
        if (w.failed) return cli_no_memory(c);
        if (w.size > INPUT_BYTES_MAX)
            return cli_refuse(c, GLIA_E_LIMIT, "G0612", "%.200s has more than %d bytes", path,
                              INPUT_BYTES_MAX);
    }
    if (ferror(f)) return cli_refuse(c, GLIA_E_IO, "G0802", "%.200s: %s", path, strerror(errno));
    *text = w.data ? (const char *)w.data : "";
    *size = w.size;
    return CLI_OK;
}

int cli_read_file(cli *c, const char *path, const char **text, int64_t *size)
{
    if (!strcmp(path, "-")) return read_stream(c, stdin, "stdin", text, size);
    FILE *f = fopen(path, "rb");
    if (!f) return cli_refuse(c, GLIA_E_IO, "G0802", "%.200s: %s", path, strerror(errno));
    int code = read_stream(c, f, path, text, size);
    fclose(f);
    return code;
}

int cli_read_text(cli *c, const char **text, int64_t *size)
{
    const cli_settings *s = &c->set;
    if (s->prompt && s->file) return cli_usage(c, "--prompt and --file exclude each other");
    if (s->prompt) {
        *text = s->prompt;
        *size = (int64_t)strlen(s->prompt);
        return CLI_OK;
    }
    if (!s->file)
        return cli_usage(c, "a text is missing: give --file FILE%s",
                         c->command->bit == CLI_RUN ? " or --prompt TEXT" : "");
    return cli_read_file(c, s->file, text, size);
}

/* ---- models --------------------------------------------------------------------------------------- */

static int64_t or_zero(int64_t v) { return v == CLI_UNSET ? 0 : v; }

glia_model_options cli_model_options(const cli *c)
{
    const cli_settings *s = &c->set;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = (int32_t)or_zero(s->threads);
    o.slots = (int32_t)or_zero(s->slots);
    o.context = or_zero(s->context);
    o.batch = or_zero(s->batch);
    o.memory_limit = or_zero(s->memory_limit);
    o.isa = s->isa;
    o.adapters = s->adapters.v;
    o.adapter_count = (int32_t)s->adapters.count;
    o.kv_dtype = s->kv ? glia_dtype_parse(s->kv) : GLIA_DTYPE_NONE;
    if (s->pack_cache && strcmp(s->pack_cache, "off")) o.pack_cache = s->pack_cache;
    o.pack_flags = (s->pack_copy ? GLIA_PACK_COPY : 0) | (s->pack_verify ? GLIA_PACK_VERIFY : 0);
    if (s->profile) o.profile_events = o.threads > 16 ? 1 << 16 : 1 << 18; /* of 32 bytes, for each thread */
    return o;
}

/* What a user should know of the packed file: why there is none, or why it was made anew. */
static void pack_notice(cli *c, const glia_model *m)
{
    glia_error why = GLIA_ERROR_INIT;
    const glia_pack_use use = glia_model_pack_cache(m, &why);
    if (!why.status || (use != GLIA_PACK_MADE && use != GLIA_PACK_FAILED)) return;
    fprintf(stderr, "glia %s: %s packed file: %s [%s]\n", c->command->name,
            use == GLIA_PACK_MADE ? "made a new" : "without a", why.text, why.code);
}

int cli_open(cli *c, const glia_model_options *o, bool load, glia_model **out)
{
    glia_status s = glia_model_prepare(c->args[0], o, load, out, &c->error);
    if (s) return cli_refused(c);
    if (load) pack_notice(c, *out);
    return CLI_OK;
}

static void on_interrupt(int sig)
{
    (void)sig;
    int saved = errno;
    interrupted = 1;
    glia_session *s = atomic_load(&current_session);
    if (s) glia_session_cancel(s);
    if (write(wake_pipe[1], "", 1) < 0) interrupted = 1; /* the pipe is an aid only */
    errno = saved;
}

int cli_wake_fd(void) { return wake_pipe[0]; }

bool cli_interrupted(void) { return interrupted; }

void cli_catch_interrupt(void)
{
    if (wake_pipe[0] < 0 && pipe(wake_pipe)) wake_pipe[0] = wake_pipe[1] = -1;
    /* Reset after the first, so that a second one ends the process; no SA_RESTART, so that
     * a system call ends. */
    struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
}

void cli_interrupt_reset(void)
{
    struct pollfd f = {.fd = wake_pipe[0], .events = POLLIN};
    char byte;
    while (wake_pipe[0] >= 0 && poll(&f, 1, 0) > 0 && read(wake_pipe[0], &byte, 1) == 1) {
    }
    interrupted = 0;
    cli_catch_interrupt();
}

int cli_session(cli *c, glia_model *m, glia_session **out)
{
    if (glia_session_create(m, out, &c->error)) return cli_failed(c);
    atomic_store(&current_session, *out);
    cli_catch_interrupt();
    return CLI_OK;
}

void cli_session_close(glia_session *s)
{
    atomic_store(&current_session, NULL);
    glia_session_destroy(s);
}

int cli_encode(cli *c, const glia_tokenizer *t, const char *text, int64_t size, int flags, int32_t **ids,
               int64_t *count)
{
    int64_t capacity = size + 16; /* a token has at least a byte, but for those that policy adds */
    for (int attempt = 0; attempt < 2; attempt++) {
        *ids = GLIA_NEW_ARRAY(&c->arena, int32_t, capacity);
        if (!*ids) return cli_no_memory(c);
        *count = 0;
        glia_status s = glia_tokenizer_encode(t, text, size, flags, *ids, capacity, count, &c->error);
        if (!s) return CLI_OK;
        if (s != GLIA_E_LIMIT || *count <= capacity) break;
        capacity = *count;
        glia_error_clear(&c->error);
    }
    return cli_refused(c);
}

int cli_ids(cli *c, const glia_model *m, const char *text, int64_t size, int32_t **ids, int64_t *count)
{
    const cli_ints *given = &c->set.ids;
    int flags = GLIA_TOK_BOS | (c->set.special ? GLIA_TOK_SPECIAL : 0);
    if (!given->count) return cli_encode(c, glia_model_tokenizer(m), text, size, flags, ids, count);
    *count = given->count;
    *ids = GLIA_NEW_ARRAY(&c->arena, int32_t, given->count);
    if (!*ids) return cli_no_memory(c);
    for (int64_t i = 0; i < given->count; i++) {
        if (given->v[i] >= glia_model_vocab_size(m))
            return cli_refuse(c, GLIA_E_ARG, "G0902", "--ids has token %lld; the vocabulary has %lld",
                              (long long)given->v[i], (long long)glia_model_vocab_size(m));
        (*ids)[i] = (int32_t)given->v[i];
    }
    return CLI_OK;
}

int cli_profile(cli *c, const glia_model *m)
{
    if (!c->set.profile) return CLI_OK;
    glia_arena arena;
    glia_arena_init(&arena, NULL, 0);
    glia_writer w = {.arena = &arena};
    bool table = !strcmp(c->set.profile, "-");
    if (table) glia_profile_table(glia_model_lane(m), &w);
    else glia_profile_trace(glia_model_lane(m), &w);
    FILE *f = w.failed ? NULL : table ? stderr : fopen(c->set.profile, "wb");
    bool ok = f && fwrite(w.data, 1, (size_t)w.size, f) == (size_t)w.size;
    if (f && f != stderr) ok = !fclose(f) && ok;
    if (!ok)
        fprintf(stderr, "glia %s: %s could not be written: %s\n", name_of(c), c->set.profile,
                strerror(errno));
    glia_arena_free(&arena);
    return ok ? CLI_OK : CLI_FAILED;
}
