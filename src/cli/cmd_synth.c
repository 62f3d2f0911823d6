/* glia synth: a model of a known shape with random weights, in a file or, for glia bench --synth, in a
 * temporary one. */
#include "cli/cli.h"

#include "base/error.h"
#include "llm/synth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool known_shape(const char *name)
{
    for (int i = 0; glia_synth_shape(i); i++)
        if (!strcmp(glia_synth_shape(i), name)) return true;
    return false;
}

static int unknown_shape(cli *c, const char *name)
{
    glia_writer w = {.arena = &c->arena};
    for (int i = 0; glia_synth_shape(i); i++) glia_write_text(&w, "%s%s", i ? ", " : "", glia_synth_shape(i));
    return cli_usage(c, "there is no shape `%.60s`; known are %.*s", name, (int)w.size,
                     w.data ? (const char *)w.data : "");
}

static int write_synth(cli *c, const char *shape, const char *type, const char *path)
{
    if (!known_shape(shape)) return unknown_shape(c, shape);
    uint64_t seed = c->set.seed == CLI_UNSET ? 0 : (uint64_t)c->set.seed;
    glia_status s = glia_synth_named(NULL, shape, type, seed, path, &c->error);
    if (s == GLIA_E_NOT_FOUND) return cli_usage(c, "%s", c->error.text);
    return !s ? CLI_OK : s == GLIA_E_UNSUPPORTED ? cli_refused(c) : cli_failed(c);
}

int cli_synth_temporary(cli *c, const char *spec, char *path, int64_t size)
{
    const char *colon = strchr(spec, ':'), *folder = getenv("TMPDIR");
    char shape[64];
    int n = colon ? (int)(colon - spec) : (int)strlen(spec);
    if (n >= (int)sizeof shape) return unknown_shape(c, spec);
    snprintf(shape, sizeof shape, "%.*s", n, spec);
    snprintf(path, (size_t)size, "%s/glia-synth-XXXXXX", folder && folder[0] ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0) return cli_refuse(c, GLIA_E_IO, "G0802", "%.200s: %s", path, strerror(errno));
    close(fd);
    if (c->set.verbose) fprintf(stderr, "writing %s with random weights to %s\n", spec, path);
    int code = write_synth(c, shape, colon ? colon + 1 : "Q4_0", path);
    if (code) unlink(path);
    return code;
}

int cli_cmd_synth(cli *c)
{
    const cli_settings *set = &c->set;
    const char *type = set->type ? set->type : "Q4_0";
    if (!set->shape) return cli_usage(c, "--shape NAME is missing");
    int code = write_synth(c, set->shape, type, c->args[0]);
    if (code || !set->json) return code;
    glia_json_open(&c->json, NULL, '{');
    glia_json_put_string(&c->json, "output", c->args[0], -1);
    glia_json_put_string(&c->json, "shape", set->shape, -1);
    glia_json_put_string(&c->json, "type", type, -1);
    glia_json_close(&c->json, '}');
    glia_write_text(&c->out, "\n");
    return CLI_OK;
}
