/* glia explain: what an error code means. */
#include "cli/cli.h"

#include <string.h>

static int list_codes(cli *c)
{
    if (c->set.json) glia_json_open(&c->json, NULL, '[');
    for (int i = 0; glia_explain_code(i); i++) {
        const char *code = glia_explain_code(i), *text = glia_explain(code), *end = strchr(text, '\n');
        const char *title = strchr(text, ' ') + 1; /* after "G0102: " */
        int64_t size = end ? end - title : (int64_t)strlen(title);
        if (!c->set.json) {
            glia_write_text(&c->out, "%s  %.*s\n", code, (int)size, title);
            continue;
        }
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "code", code, -1);
        glia_json_put_string(&c->json, "title", title, size);
        glia_json_close(&c->json, '}');
    }
    if (c->set.json) {
        glia_json_close(&c->json, ']');
        glia_write_text(&c->out, "\n");
    }
    return CLI_OK;
}

int cli_cmd_explain(cli *c)
{
    if (!c->arg_count) return list_codes(c);
    const char *text = glia_explain(c->args[0]);
    if (!text) return cli_usage(c, "there is no error code `%.60s`; `glia explain` lists them", c->args[0]);
    if (!c->set.json) {
        glia_write_text(&c->out, "%s\n", text);
        return CLI_OK;
    }
    const char *title = strchr(text, ' ') + 1, *end = strstr(text, "\n\n");
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_string(&c->json, "code", c->args[0], -1);
    glia_json_put_string(&c->json, "title", title, end ? end - title : -1);
    glia_json_put_string(&c->json, "text", end ? end + 2 : "", -1);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}
