/* glia tokenize: text to ids and back. */
#include "cli/cli.h"

#include "base/check.h"
#include "base/error.h"
#include "format/file.h"
#include "format/gguf.h"
#include "llm/tok_json.h"

#include <string.h>

static void put_piece(cli *c, const glia_tokenizer *t, int32_t id, char *buf, int64_t capacity)
{
    int64_t n = glia_min(capacity, glia_tokenizer_piece(t, id, buf, capacity, GLIA_TOK_RENDER));
    if (c->set.json) {
        glia_json_put_string(&c->json, NULL, buf, n);
        return;
    }
    glia_write_text(&c->out, "%d\t", id);
    cli_write_safe(&c->out, buf, n, INT64_MAX - 4);
    glia_write_text(&c->out, "\n");
}

static int put_pieces(cli *c, const glia_tokenizer *t, const int32_t *ids, int64_t count)
{
    int64_t capacity = glia_tokenizer_piece_max(t) + 256;
    char *buf = glia_arena_alloc(&c->arena, capacity, 1);
    if (!buf) return cli_no_memory(c);
    for (int64_t i = 0; i < count; i++) put_piece(c, t, ids[i], buf, capacity);
    return CLI_OK;
}

static int put_ids(cli *c, const glia_tokenizer *t, const int32_t *ids, int64_t count)
{
    int code = CLI_OK;
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_open(&c->json, "ids", '[');
        for (int64_t i = 0; i < count; i++) glia_json_put_i64(&c->json, NULL, ids[i]);
        glia_json_close(&c->json, ']');
        glia_json_open(&c->json, "pieces", '[');
        code = put_pieces(c, t, ids, count);
        glia_json_close(&c->json, ']');
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
        return code;
    }
    if (c->set.pieces) return put_pieces(c, t, ids, count);
    for (int64_t i = 0; i < count; i++) glia_write_text(&c->out, i ? " %d" : "%d", ids[i]);
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}

/* Ids as this command writes them, or as JSON lists them: digits between blanks, commas and brackets. */
static int read_ids(cli *c, const glia_tokenizer *t, const char *text, int64_t size, int32_t *ids,
                    int64_t *count)
{
    int64_t vocab = glia_tokenizer_vocab_size(t);
    *count = 0;
    for (int64_t i = 0; i < size;) {
        if (text[i] && strchr(" \t\r\n,[]", text[i])) {
            i++;
            continue;
        }
        int64_t begin = i, v = 0;
        while (i < size && text[i] >= '0' && text[i] <= '9' && v < vocab) v = v * 10 + (text[i++] - '0');
        if (i == begin)
            return cli_refuse(c, GLIA_E_FORMAT, "G0903",
                              "byte %lld of the ids is neither a digit nor a blank", (long long)i);
        if (v >= vocab)
            return cli_refuse(c, GLIA_E_ARG, "G0902",
                              "number %lld of the ids is not in the vocabulary of %lld tokens",
                              (long long)*count + 1, (long long)vocab);
        ids[(*count)++] = (int32_t)v;
    }
    return CLI_OK;
}

static int decode(cli *c, const glia_tokenizer *t, const char *text, int64_t size)
{
    int64_t count, flags = c->set.special ? GLIA_TOK_RENDER : 0;
    int32_t *ids = GLIA_NEW_ARRAY(&c->arena, int32_t, size / 2 + 1);
    if (!ids) return cli_no_memory(c);
    int code = read_ids(c, t, text, size, ids, &count);
    if (code) return code;
    int64_t bytes = glia_tokenizer_decode(t, ids, count, NULL, 0, (int)flags);
    char *out = glia_arena_alloc(&c->arena, bytes + 1, 1);
    if (!out) return cli_no_memory(c);
    glia_tokenizer_decode(t, ids, count, out, bytes, (int)flags);
    if (!c->set.json) {
        glia_write_bytes(&c->out, out, bytes);
        return CLI_OK;
    }
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_string(&c->json, "text", out, bytes);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}

static int encode(cli *c, const glia_tokenizer *t, const char *text, int64_t size)
{
    int flags = (c->set.no_bos ? 0 : GLIA_TOK_BOS) | (c->set.special ? GLIA_TOK_SPECIAL : 0);
    int32_t *ids;
    int64_t count;
    int code = cli_encode(c, t, text, size, flags, &ids, &count);
    return code ? code : put_ids(c, t, ids, count);
}

static glia_status open_json(const char *path, glia_tokenizer **t, glia_error *e)
{
    const glia_os *os = glia_os_default();
    char *bytes;
    int64_t size;
    glia_status s = glia_file_load(os, path, (int64_t)256 << 20, &bytes, &size, e);
    if (s) return s;
    s = glia_tokenizer_from_json(os, bytes, size, t, e);
    os->mem_free(os->ctx, bytes, (size_t)size + 1);
    return s;
}

int cli_cmd_tokenize(cli *c)
{
    const char *text;
    int64_t size;
    glia_gguf *file = NULL;
    glia_tokenizer *t = NULL;
    if (c->set.decode && c->set.pieces) return cli_usage(c, "--decode and --pieces exclude each other");
    if (!c->set.prompt && !c->set.file) c->set.file = "-";
    const size_t name = strlen(c->args[0]);
    const bool json = name > 5 && !strcmp(c->args[0] + name - 5, ".json");
    glia_status s = json ? open_json(c->args[0], &t, &c->error)
                         : glia_gguf_open(NULL, c->args[0], NULL, &file, &c->error);
    if (!s && !json) s = glia_tokenizer_from_gguf(NULL, file, &t, &c->error);
    glia_gguf_close(file);
    if (s) return cli_refused(c);
    int code = cli_read_text(c, &text, &size);
    if (!code) code = c->set.decode ? decode(c, t, text, size) : encode(c, t, text, size);
    glia_tokenizer_destroy(t);
    return code;
}
