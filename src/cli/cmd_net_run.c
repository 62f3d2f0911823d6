/* glia run for networks: inputs from files, outputs into a folder. */
#include "cli/cli_net.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int put_outputs(cli *c, const glia_net *net, glia_object *const *out)
{
    char text[160];
    int code = CLI_OK;
    if (c->set.json) glia_json_open(&c->json, NULL, '[');
    for (int i = 0; i < glia_net_output_count(net) && !code; i++) {
        glia_port p = GLIA_PORT_INIT;
        glia_net_output(net, i, &p);
        if (c->set.out) code = cli_net_write(c, c->set.out, p.name, out[i]);
        if (c->set.json) {
            glia_json_open(&c->json, NULL, '{');
            glia_json_put_string(&c->json, "output", p.name, -1);
            glia_json_put_string(&c->json, "type", cli_net_text(out[i], text, sizeof text), -1);
            glia_json_close(&c->json, '}');
        } else {
            cli_write_safe(&c->out, p.name, (int64_t)strlen(p.name), 100);
            glia_write_text(&c->out, ": %s\n", cli_net_text(out[i], text, sizeof text));
        }
    }
    if (c->set.json) {
        glia_json_close(&c->json, ']');
        glia_write_text(&c->out, "\n");
    }
    return code;
}

int cli_net_run(cli *c)
{
    glia_net *net;
    if (c->set.prompt || c->set.file)
        return cli_usage(c, "an ONNX network takes inputs (--input NAME=FILE), no prompt");
    int code = cli_net_open(c, c->set.threads, &net);
    if (code) return code;
    const int in_count = glia_net_input_count(net), out_count = glia_net_output_count(net);
    glia_object **in = GLIA_NEW_ARRAY(&c->arena, glia_object *, in_count);
    glia_object **out = GLIA_NEW_ARRAY(&c->arena, glia_object *, out_count);
    code = in && out ? cli_net_inputs(c, net, in) : cli_no_memory(c);
    if (!code && c->set.out && mkdir(c->set.out, 0777) && errno != EEXIST)
        code = cli_refuse(c, GLIA_E_IO, "G0802", "%.300s: %s", c->set.out, strerror(errno));
    if (!code && glia_net_run(net, in, out, NULL, &c->error))
        code = c->error.status == GLIA_E_ARG || c->error.status == GLIA_E_TYPE ||
                       c->error.status == GLIA_E_SHAPE || c->error.status == GLIA_E_DTYPE ||
                       c->error.status == GLIA_E_UNSUPPORTED
                   ? cli_refused(c)
                   : cli_failed(c);
    if (!code) code = put_outputs(c, net, out);
    if (in) cli_net_release(in, in_count);
    if (out) cli_net_release(out, out_count);
    glia_net_close(net);
    return code;
}
