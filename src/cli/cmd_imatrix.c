/* glia imatrix: what matters in a model's matrices, measured on a text. */
#include "cli/cli.h"

#include <glia/convert.h>
#include <stdio.h>
#include <string.h>

static int on_chunk(void *user, int64_t done, int64_t count)
{
    const cli *c = user;
    if (!c->set.json) fprintf(stderr, "chunk %lld of %lld\n", (long long)done, (long long)count);
    return cli_interrupted();
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

int cli_cmd_imatrix(cli *c)
{
    const cli_settings *set = &c->set;
    const char *text;
    int64_t size;
    glia_imatrix_options o = GLIA_IMATRIX_OPTIONS_INIT;
    glia_imatrix_summary s = GLIA_IMATRIX_SUMMARY_INIT;
    if (!set->out) return cli_usage(c, "-o FILE is missing");
    int code = cli_read_text(c, &text, &size);
    if (code) return code;
    o.threads = set->threads == CLI_UNSET ? 0 : (int32_t)set->threads;
    o.context = set->context == CLI_UNSET ? 0 : set->context;
    o.chunks = set->chunks == CLI_UNSET ? 0 : set->chunks;
    o.text_name = last_part(set->file);
    o.on_chunk = on_chunk;
    o.user = c;
    cli_catch_interrupt();
    if (glia_imatrix_make(c->args[0], text, size, set->out, &o, &s, &c->error)) return cli_refused(c);
    if (set->json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "file", set->out, -1);
        glia_json_put_i64(&c->json, "entries", s.entries);
        glia_json_put_i64(&c->json, "unmeasured", s.unmeasured);
        glia_json_put_i64(&c->json, "tokens", s.tokens);
        glia_json_put_i64(&c->json, "chunks", s.chunks);
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
        return CLI_OK;
    }
    glia_write_text(&c->out, "%s: %lld matrices, %lld tokens in %lld chunks\n", set->out,
                    (long long)s.entries, (long long)s.tokens, (long long)s.chunks);
    if (s.unmeasured)
        glia_write_text(&c->out, "%lld stacks of experts are not measured\n", (long long)s.unmeasured);
    return CLI_OK;
}
