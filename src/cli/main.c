/* The program `glia`: finds the command, parses its options, runs it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Whole numbers that no option has set are CLI_UNSET. */
static void settings_init(cli_settings *s)
{
    const int64_t unset = CLI_UNSET;
    *s = (cli_settings){0};
    for (const cli_option *o = cli_options; o->name; o++)
        if (o->kind == CLI_INT || o->kind == CLI_BYTES) memcpy((char *)s + o->offset, &unset, sizeof unset);
    s->rtol = 1e-3;
    s->atol = 1e-7;
}

static int print_version(cli *c)
{
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "name", "glia", -1);
        glia_json_put_string(&c->json, "version", glia_version(), -1);
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
    } else {
        glia_write_text(&c->out, "glia %s\n", glia_version());
    }
    return CLI_OK;
}

static int dispatch(cli *c, int argc, char **argv)
{
    int next = 1, code = cli_parse(c, argc, argv, 1, &next);
    if (code) return code;
    if (next < argc && !c->set.help && !c->set.version && !c->set.man && !c->set.completion) {
        c->command = cli_command_find(argv[next]);
        if (!c->command) return cli_usage(c, "there is no command `%.60s`", argv[next]);
        code = cli_parse(c, argc, argv, next + 1, &next);
        if (code) return code;
    } else if (next < argc) {
        return cli_usage(c, "extra argument `%.60s`", argv[next]);
    }
    if (c->set.version) return print_version(c);
    if (c->set.help) cli_write_help(c, &c->out);
    else if (c->set.man) cli_write_man(&c->out);
    else if (c->set.completion) return cli_write_completion(&c->out, c->set.completion) ? CLI_OK : CLI_FAILED;
    else if (!c->command) return cli_usage(c, "a command is missing");
    else return c->command->run(c);
    return CLI_OK;
}

int main(int argc, char **argv)
{
    cli c = {.error = GLIA_ERROR_INIT};
    settings_init(&c.set);
    glia_arena_init(&c.arena, NULL, 0);
    c.out.arena = &c.arena;
    c.json.w = &c.out;
    int code = dispatch(&c, argc, argv);
    if (code == CLI_OK) code = cli_flush(&c);
    glia_arena_free(&c.arena);
    return code;
}
