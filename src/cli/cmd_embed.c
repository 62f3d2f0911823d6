/* glia embed: embeddings of texts, one a line of the input. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "format/npy.h"

#include <stdio.h>
#include <string.h>

typedef struct embedding_run {
    glia_session *s;
    const glia_model *m;
    glia_pooling pooling;
    int64_t width;
    float *v; /* [rows, width]; a row a text, or a token without pooling */
    int64_t rows, capacity;
    int64_t *tokens; /* [texts] */
    int64_t texts, text_capacity;
} embedding_run;

static const char *const pooling_names[] = {"", "mean", "cls", "last", "none"};

static glia_pooling pooling_of(const cli *c)
{
    for (int i = GLIA_POOLING_MEAN; c->set.pooling && i <= GLIA_POOLING_NONE; i++)
        if (!strcmp(c->set.pooling, pooling_names[i])) return (glia_pooling)i;
    return GLIA_POOLING_DEFAULT;
}

/* Room for `rows` more rows, in the arena. */
static float *room_for(cli *c, embedding_run *r, int64_t rows)
{
    int64_t need, bytes;
    if (!glia_add(r->rows, rows, &need) || !glia_mul(need, r->width * (int64_t)sizeof(float), &bytes))
        return NULL;
    if (need > r->capacity) {
        int64_t capacity = glia_max(need, 2 * r->capacity);
        float *v = glia_mul(capacity, r->width, &bytes) ? GLIA_NEW_ARRAY(&c->arena, float, bytes) : NULL;
        if (!v) return NULL;
        if (r->rows) memcpy(v, r->v, (size_t)(r->rows * r->width) * sizeof *v);
        r->v = v;
        r->capacity = capacity;
    }
    return r->v + r->rows * r->width;
}

static int embed_text(cli *c, embedding_run *r, const char *text, int64_t size)
{
    int32_t *ids;
    int64_t count;
    int code = cli_ids(c, r->m, text, size, &ids, &count);
    if (code) return code;
    if (!count)
        return cli_refuse(c, GLIA_E_ARG, "G0901", "text %lld has no tokens, and the model adds none",
                          (long long)r->texts + 1);
    int64_t rows = r->pooling == GLIA_POOLING_NONE ? count : 1;
    int64_t *tokens = glia_arena_grow(&c->arena, r->tokens, r->texts, &r->text_capacity, sizeof *tokens);
    float *to = room_for(c, r, rows);
    if (!tokens || !to) return cli_no_memory(c);
    glia_status s = glia_session_embed(r->s, ids, count, r->pooling, to, &c->error);
    bool input = s == GLIA_E_CONTEXT || s == GLIA_E_LIMIT;
    if (input) {
        glia_error e = c->error;
        return cli_refuse(c, s, e.code, "text %lld: %s", (long long)r->texts + 1, e.text);
    }
    if (s) return cli_failed(c);
    for (int64_t i = 0; c->set.normalize && i < rows; i++)
        glia_embedding_normalize(to + i * r->width, r->width);
    r->tokens = tokens;
    r->tokens[r->texts++] = count;
    r->rows += rows;
    return CLI_OK;
}

/* Every line of the file is a text; the last needs no newline. */
static int embed_lines(cli *c, embedding_run *r, const char *text, int64_t size)
{
    int code = CLI_OK;
    for (int64_t at = 0; at < size && !code;) {
        const char *end = memchr(text + at, '\n', (size_t)(size - at));
        int64_t length = end ? end - (text + at) : size - at;
        bool cr = length && text[at + length - 1] == '\r';
        code = embed_text(c, r, text + at, length - cr);
        at += length + 1;
    }
    return code;
}

static void put_rows(cli *c, const embedding_run *r)
{
    char number[32];
    for (int64_t i = 0; i < r->rows; i++)
        for (int64_t d = 0; d < r->width; d++) {
            snprintf(number, sizeof number, "%.9g", (double)r->v[i * r->width + d]);
            glia_write_text(&c->out, "%s%s", number, d + 1 < r->width ? " " : "\n");
        }
}

static void put_json(cli *c, const embedding_run *r)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "pooling", pooling_names[r->pooling], -1);
    glia_json_put_bool(j, "normalized", c->set.normalize);
    glia_json_put_i64(j, "width", r->width);
    glia_json_open(j, "tokens", '[');
    for (int64_t i = 0; i < r->texts; i++) glia_json_put_i64(j, NULL, r->tokens[i]);
    glia_json_close(j, ']');
    if (c->set.out) glia_json_put_string(j, "output", c->set.out, -1);
    else {
        glia_json_open(j, "embeddings", '[');
        for (int64_t i = 0; i < r->rows; i++) {
            glia_json_open(j, NULL, '[');
            for (int64_t d = 0; d < r->width; d++) glia_json_put_f64(j, NULL, (double)r->v[i * r->width + d]);
            glia_json_close(j, ']');
        }
        glia_json_close(j, ']');
    }
    glia_json_close(j, '}');
    glia_write_text(&c->out, "\n");
}

static int put_result(cli *c, const embedding_run *r)
{
    const int64_t dims[2] = {r->rows, r->width};
    if (c->set.out && glia_npy_write_f32(NULL, c->set.out, 2, dims, r->v, &c->error)) return cli_failed(c);
    if (c->set.verbose)
        fprintf(stderr, "%lld texts, %lld embeddings of %lld elements, pooling %s\n", (long long)r->texts,
                (long long)r->rows, (long long)r->width, pooling_names[r->pooling]);
    if (c->set.json) put_json(c, r);
    else if (!c->set.out) put_rows(c, r);
    return CLI_OK;
}

int cli_cmd_embed(cli *c)
{
    const char *text = "";
    int64_t size = 0;
    glia_model *m;
    embedding_run r = {.pooling = pooling_of(c)};
    const bool one = c->set.prompt || c->set.ids.count;
    if (c->set.ids.count && (c->set.prompt || c->set.file))
        return cli_usage(c, "--ids excludes --prompt and --file");
    if (!one && !c->set.file) c->set.file = "-";
    int code = c->set.ids.count ? CLI_OK : cli_read_text(c, &text, &size);
    if (code) return code;
    glia_model_options o = cli_model_options(c);
    o.embeddings = 1;
    code = cli_open(c, &o, true, &m);
    if (code) return code;
    r.m = m;
    r.width = glia_model_embedding_size(m);
    if (r.pooling == GLIA_POOLING_DEFAULT) r.pooling = glia_model_pooling(m);
    code = cli_session(c, m, &r.s);
    if (!code) code = one ? embed_text(c, &r, text, size) : embed_lines(c, &r, text, size);
    cli_session_close(r.s);
    if (!code) code = put_result(c, &r);
    if (!code) code = cli_profile(c, m);
    glia_model_close(m);
    return code;
}
