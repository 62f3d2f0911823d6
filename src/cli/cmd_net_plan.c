/* glia plan for networks: what glia_net_report says, and the page of --html. A network whose shapes are open is run
 * once, on random inputs or those of --dim, since its plans are made for shapes. */
#include "cli/cli_net.h"

#include "base/error.h"
#include "net/internal.h"

#include <stdio.h>
#include <string.h>

static int run_once(cli *c, glia_net *net)
{
    const int in_count = glia_net_input_count(net), out_count = glia_net_output_count(net);
    glia_object **in = GLIA_NEW_ARRAY(&c->arena, glia_object *, in_count);
    glia_object **out = GLIA_NEW_ARRAY(&c->arena, glia_object *, out_count);
    if (!in || !out) return cli_no_memory(c);
    if (c->set.random == CLI_UNSET) c->set.random = 0;
    int code = cli_net_inputs(c, net, in);
    if (!code && glia_net_run(net, in, out, NULL, &c->error)) {
        fprintf(stderr, "glia plan: a run on random inputs stopped early: %s: %.400s\n", c->error.code,
                c->error.text);
        glia_error_clear(&c->error);
    }
    cli_net_release(in, in_count);
    cli_net_release(out, out_count);
    return code;
}

int cli_net_plan(cli *c)
{
    glia_net *net;
    char *text;
    int64_t size;
    int code = cli_net_open(c, c->set.threads, &net);
    if (code) return code;
    if (!net->whole) code = run_once(c, net);
    if (!code && c->set.html) code = cli_net_html(c, net);
    if (!code && glia_net_report(net, c->set.json, &text, &size, &c->error)) code = cli_failed(c);
    else if (!code) {
        glia_write_bytes(&c->out, text, size);
        if (c->set.json) glia_write_text(&c->out, "\n");
        glia_text_free(NULL, text, size);
    }
    glia_net_close(net);
    return code;
}
