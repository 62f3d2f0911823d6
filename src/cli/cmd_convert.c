/* glia convert: a checkpoint of Hugging Face's layout as a GGUF file. */
#include "cli/cli.h"

#include <glia/convert.h>
#include <stdio.h>

typedef struct progress {
    bool lines;
    int64_t tensors;
} progress;

static int on_tensor(void *user, const char *name, int64_t index, int64_t count)
{
    progress *p = user;
    p->tensors = count;
    if (p->lines) fprintf(stderr, "[%4lld/%lld] %s\n", (long long)index + 1, (long long)count, name);
    return cli_interrupted();
}

int cli_cmd_convert(cli *c)
{
    progress p = {!c->set.json, 0};
    glia_convert_options o = GLIA_CONVERT_OPTIONS_INIT;
    o.type = c->set.type;
    o.on_tensor = on_tensor;
    o.user = &p;
    cli_catch_interrupt();
    if (glia_convert(c->args[0], c->args[1], &o, &c->error)) return cli_refused(c);
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "file", c->args[1], -1);
        glia_json_put_i64(&c->json, "tensors", p.tensors);
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
    } else {
        glia_write_text(&c->out, "%s: %lld tensors\n", c->args[1], (long long)p.tensors);
    }
    return CLI_OK;
}
