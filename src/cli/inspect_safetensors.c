/* glia inspect for SafeTensors: the tensors of one file, or of the shards that an index names. */
#include "cli/cli.h"

#include "format/safetensors.h"

#include <string.h>

static void put_json(cli *c, const glia_safetensors *s)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_open(j, "files", '[');
    for (int i = 0; i < glia_safetensors_shard_count(s); i++)
        glia_json_put_string(j, NULL, glia_safetensors_shard_name(s, i), -1);
    glia_json_close(j, ']');
    glia_json_open(j, "tensors", '[');
    for (int64_t i = 0; i < glia_safetensors_count(s); i++) {
        const glia_safetensors_tensor *t = glia_safetensors_at(s, i);
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "name", t->name, -1);
        glia_json_put_string(j, "type", t->type_name, -1);
        glia_json_put_bool(j, "readable", t->dtype != GLIA_DTYPE_NONE);
        glia_json_open(j, "dims", '[');
        for (int d = 0; d < t->rank; d++) glia_json_put_i64(j, NULL, t->dims[d]);
        glia_json_close(j, ']');
        glia_json_put_i64(j, "bytes", t->bytes);
        glia_json_put_i64(j, "offset", t->offset);
        glia_json_put_string(j, "file", glia_safetensors_shard_name(s, t->shard), -1);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    glia_json_close(j, '}');
    glia_write_text(&c->out, "\n");
}

static void put_text(cli *c, const glia_safetensors *s)
{
    glia_writer *w = &c->out;
    char human[32];
    int64_t together = 0;
    for (int i = 0; i < glia_safetensors_shard_count(s); i++) {
        const char *name = glia_safetensors_shard_name(s, i);
        glia_write_text(w, "file: ");
        cli_write_safe(w, name, (int64_t)strlen(name), 4096);
        glia_write_text(w, "\n");
    }
    glia_write_text(w, "\ntensors: %lld\n", (long long)glia_safetensors_count(s));
    for (int64_t i = 0; i < glia_safetensors_count(s); i++) {
        const glia_safetensors_tensor *t = glia_safetensors_at(s, i);
        glia_write_text(w, "  ");
        cli_write_safe(w, t->name, (int64_t)strlen(t->name), 120);
        glia_write_text(w, "  [");
        for (int d = 0; d < t->rank; d++) glia_write_text(w, d ? ", %lld" : "%lld", (long long)t->dims[d]);
        glia_write_text(w, "]  %s  %lld bytes\n", t->type_name, (long long)t->bytes);
        together += t->bytes;
    }
    glia_write_text(w, "  together %lld bytes (%s)\n", (long long)together, cli_bytes_text(together, human));
}

int cli_inspect_safetensors(cli *c)
{
    glia_safetensors *s;
    if (glia_safetensors_open(NULL, c->args[0], NULL, &s, &c->error)) return cli_refused(c);
    if (c->set.json) put_json(c, s);
    else put_text(c, s);
    glia_safetensors_close(s);
    return CLI_OK;
}
