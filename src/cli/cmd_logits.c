/* glia logits: the logits of every token, as a NumPy file. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "format/npy.h"

#include <stdio.h>
#include <string.h>

/* Computes all rows in steps of at most `chunk` tokens; nothing of an earlier run is in the session. */
static int compute(cli *c, glia_session *s, int64_t chunk, int64_t vocab, const int32_t *ids, int64_t count,
                   float *out)
{
    int32_t *rows = GLIA_NEW_ARRAY(&c->arena, int32_t, chunk);
    if (!rows) return cli_no_memory(c);
    for (int64_t i = 0; i < chunk; i++) rows[i] = (int32_t)i;
    for (int64_t at = 0; at < count; at += chunk) {
        const float *logits;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = b.row_count = (int32_t)glia_min(chunk, count - at);
        b.ids = ids + at;
        b.rows = rows;
        if (glia_session_step(s, &b, &logits, &c->error)) return cli_failed(c);
        memcpy(out + at * vocab, logits, (size_t)b.count * (size_t)vocab * sizeof *out);
    }
    return CLI_OK;
}

static int put_result(cli *c, int64_t count, int64_t vocab)
{
    if (!c->set.json) return CLI_OK;
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_string(&c->json, "output", c->set.out, -1);
    glia_json_put_i64(&c->json, "tokens", count);
    glia_json_put_i64(&c->json, "vocab", vocab);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}

static int write_logits(cli *c, glia_model *m, const char *text, int64_t size)
{
    glia_session *s = NULL;
    int32_t *ids;
    int64_t count, bytes, vocab = glia_model_vocab_size(m);
    int code = cli_ids(c, m, text, size, &ids, &count);
    if (code) return code;
    if (!count) return cli_refuse(c, GLIA_E_ARG, "G0901", "the text has no tokens, and the model adds none");
    if (count > glia_model_context(m))
        return cli_refuse(c, GLIA_E_CONTEXT, "G0718", "the text has %lld tokens; the context is %lld",
                          (long long)count, (long long)glia_model_context(m));
    float *out = glia_mul(count, vocab, &bytes) ? GLIA_NEW_ARRAY(&c->arena, float, bytes) : NULL;
    if (!out) return cli_no_memory(c);
    code = cli_session(c, m, &s);
    if (!code) code = compute(c, s, glia_model_settings(m)->batch, vocab, ids, count, out);
    cli_session_close(s);
    if (code) return code;
    const int64_t dims[2] = {count, vocab};
    if (glia_npy_write_f32(NULL, c->set.out, 2, dims, out, &c->error)) return cli_failed(c);
    if (c->set.verbose)
        fprintf(stderr, "%lld tokens, %lld logits each\n", (long long)count, (long long)vocab);
    return put_result(c, count, vocab);
}

int cli_cmd_logits(cli *c)
{
    const char *text = NULL;
    int64_t size = 0;
    glia_model *m;
    if (!c->set.out) return cli_usage(c, "--output FILE is missing");
    if (c->set.ids.count && c->set.file) return cli_usage(c, "--ids and --file exclude each other");
    int code = c->set.ids.count ? CLI_OK : cli_read_text(c, &text, &size);
    if (code) return code;
    glia_model_options o = cli_model_options(c);
    o.batch = o.batch ? o.batch : 128;
    o.logit_rows = o.batch;
    code = cli_open(c, &o, true, &m);
    if (code) return code;
    code = write_logits(c, m, text, size);
    if (!code) code = cli_profile(c, m);
    glia_model_close(m);
    return code;
}
