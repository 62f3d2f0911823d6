/* glia compile: an ONNX network into a .glia container. */
#include "cli/cli_net.h"

#include "format/container.h"

int cli_cmd_compile(cli *c)
{
    if (!c->set.out) return cli_usage(c, "-o is missing: the .glia file to write");
    glia_status s = glia_container_write(NULL, c->args[0], c->set.out, &c->error);
    if (!s) return CLI_OK;
    return s == GLIA_E_NOMEM || s == GLIA_E_IO ? cli_failed(c) : cli_refused(c);
}
