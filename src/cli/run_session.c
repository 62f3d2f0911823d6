/* What `run` does beyond one prompt and one model: guesses by a draft model or n-grams, and sessions that are
 * loaded before the prompt and saved after the text. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "format/file.h"

#include <string.h>

enum { GUESSES_DEFAULT = 8 };

static bool guesses(const cli_settings *s) { return s->draft || s->draft_ngram != CLI_UNSET; }

int cli_run_session_options(cli *c, glia_model_options *o)
{
    const cli_settings *s = &c->set;
    if (s->draft && s->draft_ngram != CLI_UNSET)
        return cli_usage(c, "--draft and --draft-ngram exclude each other");
    if (s->draft_max != CLI_UNSET && !guesses(s))
        return cli_usage(c, "--draft-max needs --draft or --draft-ngram");
    if (s->loop && (s->load_session || s->save_session))
        return cli_usage(c, "--loop goes with neither --load-session nor --save-session");
    if (!guesses(s)) return CLI_OK;
    int64_t most = s->draft_max == CLI_UNSET ? GUESSES_DEFAULT : s->draft_max;
    if (s->batch != CLI_UNSET && s->batch <= most)
        return cli_usage(c, "--batch is %lld; it must be above the %lld guesses of --draft-max",
                         (long long)s->batch, (long long)most);
    o->logit_rows = most + 1;
    return CLI_OK;
}

/* The draft model is opened with the same options, and what the other leaves of the memory limit. */
static int open_draft(cli *c, const glia_model *m, cli_run_session *x)
{
    glia_model_options o = cli_model_options(c);
    glia_memory used = GLIA_MEMORY_INIT;
    glia_model_memory(m, &used);
    if (o.memory_limit) o.memory_limit = glia_max(1, o.memory_limit - used.total);
    o.profile_events = 0;
    o.adapters = NULL;
    o.adapter_count = 0;
    glia_status st = glia_model_open(c->set.draft, &o, &x->draft_model, &c->error);
    if (st) return cli_refused(c);
    return glia_session_create(x->draft_model, &x->draft, &c->error) ? cli_failed(c) : CLI_OK;
}

static int load(cli *c, const glia_model *m, glia_session *s, cli_run_session *x)
{
    const glia_os *os = glia_os_default();
    char *data = NULL;
    int64_t size = 0;
    glia_status st = glia_file_load(os, c->set.load_session, INT64_MAX / 2, &data, &size, &c->error);
    if (st) return cli_refused(c);
    st = glia_session_restore(s, 0, data, size, &c->error);
    os->mem_free(os->ctx, data, (size_t)size + 1);
    if (st) {
        glia_error_context(&c->error, "%.512s", c->set.load_session);
        return cli_refused(c);
    }
    x->held_count = glia_session_length(s, 0);
    x->held = GLIA_NEW_ARRAY(&c->arena, int32_t, glia_model_context(m));
    if (!x->held) return cli_no_memory(c);
    glia_session_tokens(s, 0, x->held, x->held_count);
    return CLI_OK;
}

int cli_run_session_open(cli *c, const glia_model *m, glia_session *s, cli_run_session *x)
{
    int code = c->set.draft ? open_draft(c, m, x) : CLI_OK;
    if (!code && c->set.load_session) code = load(c, m, s, x);
    return code;
}

void cli_run_session_close(cli_run_session *x)
{
    glia_session_destroy(x->draft);
    glia_model_close(x->draft_model);
}

void cli_run_session_guess(const cli *c, cli_run_session *x, glia_generate_options *o)
{
    if (!guesses(&c->set)) return;
    o->draft = x->draft;
    o->draft_ngram = c->set.draft_ngram == CLI_UNSET ? 0 : (int32_t)c->set.draft_ngram;
    o->draft_max = c->set.draft_max == CLI_UNSET ? 0 : (int32_t)c->set.draft_max;
    o->draft_counts = &x->counts;
}

int cli_run_session_join(cli *c, const cli_run_session *x, int32_t **ids, int64_t *count)
{
    int64_t total = x->held_count + *count;
    if (!x->held_count) return CLI_OK;
    int32_t *all = GLIA_NEW_ARRAY(&c->arena, int32_t, total);
    if (!all) return cli_no_memory(c);
    memcpy(all, x->held, (size_t)x->held_count * sizeof *all);
    memcpy(all + x->held_count, *ids, (size_t)*count * sizeof *all);
    *ids = all;
    *count = total;
    return CLI_OK;
}

bool cli_run_session_guesses(const cli *c) { return guesses(&c->set); }

/* The last token of a text is not in the session yet, since nothing had to follow it: it is added, so that
 * what is loaded goes on right behind the text. */
static glia_status add_last(glia_session *s, int64_t context, int64_t want, int32_t last, glia_error *e)
{
    glia_batch b = GLIA_BATCH_INIT;
    b.count = 1;
    b.ids = &last;
    int64_t held = glia_session_length(s, 0);
    return held == want - 1 && held < context ? glia_session_step(s, &b, NULL, e) : GLIA_OK;
}

int cli_run_session_save(cli *c, glia_session *s, int64_t context, int64_t want, int32_t last)
{
    if (!c->set.save_session) return CLI_OK;
    const glia_os *os = glia_os_default();
    glia_file_writer w = {0};
    if (add_last(s, context, want, last, &c->error)) return cli_failed(c);
    int64_t size = glia_session_save_size(s, 0);
    void *data = os->mem_alloc(os->ctx, (size_t)size, 64);
    if (!data) return cli_no_memory(c);
    glia_status st = glia_session_save(s, 0, data, size, &c->error);
    if (!st) st = glia_file_create(&w, os, c->set.save_session, &c->error);
    if (!st) st = glia_file_append(&w, data, size, &c->error);
    if (!st) st = glia_file_finish(&w, &c->error);
    if (st && w.os) glia_file_abandon(&w);
    os->mem_free(os->ctx, data, (size_t)size);
    return st ? cli_failed(c) : CLI_OK;
}
