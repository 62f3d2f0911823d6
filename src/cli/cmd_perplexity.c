/* glia perplexity: how well a model predicts a text. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "base/fmath.h"
#include "base/number.h"

#include <stdio.h>

typedef struct scoring {
    cli *c;
    glia_session *s;
    int64_t vocab, batch;
    int32_t *rows;
    double sum; /* of -log p, in the order of the tokens */
    int64_t scored, windows;
} scoring;

/* -log softmax(logits)[id], in double precision: log sum exp(l - max) - (l[id] - max). */
static double surprise(const float *logits, int64_t vocab, int32_t id)
{
    float most = logits[0];
    double sum = 0;
    for (int64_t i = 1; i < vocab; i++) most = logits[i] > most ? logits[i] : most;
    for (int64_t i = 0; i < vocab; i++) sum += glia_exp((double)logits[i] - (double)most);
    return glia_log(sum) - ((double)logits[id] - (double)most);
}

/* The last token of a window predicts nothing within it, so it is not computed. */
static int score_window(scoring *g, const int32_t *ids, int64_t count)
{
    cli *c = g->c;
    if (glia_session_trim(g->s, 0, 0, &c->error)) return cli_failed(c);
    for (int64_t at = 0; at < count - 1; at += g->batch) {
        const float *logits;
        glia_batch b = GLIA_BATCH_INIT;
        b.count = b.row_count = (int32_t)glia_min(g->batch, count - 1 - at);
        b.ids = ids + at;
        b.rows = g->rows;
        if (glia_session_step(g->s, &b, &logits, &c->error)) return cli_failed(c);
        for (int32_t i = 0; i < b.count; i++)
            g->sum += surprise(logits + i * g->vocab, g->vocab, ids[at + i + 1]);
        g->scored += b.count;
    }
    g->windows++;
    return CLI_OK;
}

static void put_result(scoring *g, int64_t context)
{
    cli *c = g->c;
    double nll = g->sum / (double)g->scored, ppl = glia_exp(nll);
    char a[GLIA_NUMBER_TEXT], b[GLIA_NUMBER_TEXT];
    if (!c->set.json) {
        glia_number_format(nll, a);
        glia_number_format(ppl, b);
        glia_write_text(&c->out, "nll %s\nppl %s\ntokens %lld\n", a, b, (long long)g->scored);
        return;
    }
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_f64(&c->json, "nll", nll);
    glia_json_put_f64(&c->json, "ppl", ppl);
    glia_json_put_i64(&c->json, "tokens", g->scored);
    glia_json_put_i64(&c->json, "windows", g->windows);
    glia_json_put_i64(&c->json, "context", context);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
}

static int score(cli *c, glia_model *m, const char *text, int64_t size)
{
    const glia_model_options *o = glia_model_settings(m);
    scoring g = {.c = c, .vocab = glia_model_vocab_size(m), .batch = o->batch};
    int flags = GLIA_TOK_BOS | (c->set.special ? GLIA_TOK_SPECIAL : 0);
    int32_t *ids;
    int64_t count;
    int code = cli_encode(c, glia_model_tokenizer(m), text, size, flags, &ids, &count);
    if (code) return code;
    if (count < 2)
        return cli_refuse(c, GLIA_E_ARG, "G0904", "the text has %lld tokens; at least two are needed",
                          (long long)count);
    g.rows = GLIA_NEW_ARRAY(&c->arena, int32_t, g.batch);
    if (!g.rows) return cli_no_memory(c);
    for (int64_t i = 0; i < g.batch; i++) g.rows[i] = (int32_t)i;
    code = cli_session(c, m, &g.s);
    for (int64_t at = 0; at < count && !code; at += o->context) {
        code = score_window(&g, ids + at, glia_min(o->context, count - at));
        if (c->set.verbose && g.scored)
            fprintf(stderr, "window %lld: nll %.6f so far\n", (long long)g.windows, g.sum / (double)g.scored);
    }
    cli_session_close(g.s);
    if (!code) put_result(&g, o->context);
    return code;
}

int cli_cmd_perplexity(cli *c)
{
    const char *text;
    int64_t size;
    glia_model *m;
    if (c->set.context == 1) return cli_usage(c, "option --context is 1; a window needs two tokens at least");
    int code = cli_read_text(c, &text, &size);
    if (code) return code;
    glia_model_options o = cli_model_options(c);
    o.batch = o.batch ? o.batch : 128;
    o.logit_rows = o.batch;
    code = cli_open(c, &o, true, &m);
    if (code) return code;
    code = score(c, m, text, size);
    if (!code) code = cli_profile(c, m);
    glia_model_close(m);
    return code;
}
