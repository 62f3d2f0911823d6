/* glia synth: a model of a known shape with random weights. */
#include "cli/cli.h"

#include "base/error.h"
#include "llm/synth.h"
#include "tensor/dtype.h"

#include <string.h>

static bool known_shape(const char *name)
{
    for (int i = 0; glia_synth_shape(i); i++)
        if (!strcmp(glia_synth_shape(i), name)) return true;
    return false;
}

int cli_cmd_synth(cli *c)
{
    const cli_settings *set = &c->set;
    const char *type = set->type ? set->type : "Q4_0";
    glia_dtype t = glia_dtype_parse(type);
    if (!set->shape) return cli_usage(c, "--shape NAME is missing");
    if (!known_shape(set->shape)) return cli_usage(c, "there is no shape `%.60s`", set->shape);
    if (t == GLIA_DTYPE_NONE) return cli_usage(c, "there is no type `%.60s`", type);
    glia_status s = glia_synth(NULL, set->shape, t, set->seed == CLI_UNSET ? 0 : (uint64_t)set->seed,
                               c->args[0], &c->error);
    if (s == GLIA_E_UNSUPPORTED) return cli_refused(c);
    if (s) return cli_failed(c);
    if (!set->json) return CLI_OK;
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_string(&c->json, "output", c->args[0], -1);
    glia_json_put_string(&c->json, "shape", set->shape, -1);
    glia_json_put_string(&c->json, "type", glia_dtype_name(t), -1);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}
