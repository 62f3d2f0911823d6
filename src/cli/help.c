/* --help, the manual page and the shell completions, all from the tables of options.c. */
#include "cli/cli.h"

#include <string.h>

/* "-n, --tokens N" */
static int put_names(glia_writer *w, const cli_option *o)
{
    int64_t before = w->size;
    if (o->letter) glia_write_text(w, "-%c, ", o->letter);
    else glia_write_text(w, "    ");
    glia_write_text(w, "--%s", o->name);
    if (o->value) glia_write_text(w, " %s", o->value);
    return (int)(w->size - before);
}

static void put_options(glia_writer *w, int bit)
{
    glia_write_text(w, "\noptions:\n");
    for (const cli_option *o = cli_options; o->name; o++) {
        if (!(o->commands & bit)) continue;
        glia_write_text(w, "  ");
        int size = put_names(w, o);
        glia_write_text(w, "%*s%s", size < 28 ? 28 - size : 1, "", o->help);
        if (o->kind == CLI_CHOICE) glia_write_text(w, ": %s", o->choices);
        glia_write_text(w, "\n");
    }
}

void cli_write_help(const cli *c, glia_writer *w)
{
    if (c->command) {
        glia_write_text(w, "usage: glia %s %s [options]\n\n%s.\n%s", c->command->name, c->command->args,
                        c->command->summary, c->command->details);
        put_options(w, c->command->bit);
        glia_write_text(w, "\nexample:\n  %s\n", c->command->example);
        return;
    }
    glia_write_text(
        w, "usage: glia COMMAND [arguments] [options]\n\n"
           "Runs language models and ONNX networks on processors, with the same result every time.\n\n"
           "commands:\n");
    for (const cli_command *k = cli_commands; k->name; k++)
        glia_write_text(w, "  %-12s %s\n", k->name, k->summary);
    put_options(w, CLI_TOP);
    glia_write_text(
        w, "\n`glia COMMAND --help` shows the options of a command.\n"
           "exit codes: 0 done, 1 the run failed, 2 wrong usage, 3 refused input, 130 interrupted\n");
}

/* ---- the manual page ------------------------------------------------------------------------------ */

/* Text in roff: a minus that stays one, no control line by chance. */
static void put_roff(glia_writer *w, const char *s)
{
    bool start = true;
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\'')) glia_write_text(w, "\\&");
        if (*s == '-') glia_write_text(w, "\\-");
        else if (*s == '\\') glia_write_text(w, "\\e");
        else glia_write_bytes(w, s, 1);
        start = *s == '\n';
    }
}

static void put_roff_option(glia_writer *w, const cli_option *o)
{
    glia_write_text(w, ".TP\n");
    if (o->letter) glia_write_text(w, "\\fB\\-%c\\fR, ", o->letter);
    glia_write_text(w, "\\fB\\-\\-");
    put_roff(w, o->name);
    glia_write_text(w, "\\fR");
    if (o->value) glia_write_text(w, " \\fI%s\\fR", o->value);
    glia_write_text(w, "\n");
    put_roff(w, o->help);
    if (o->kind == CLI_CHOICE) glia_write_text(w, ": %s", o->choices);
    glia_write_text(w, "\n");
}

static void put_roff_command(glia_writer *w, const cli_command *k)
{
    const int shared = CLI_ALL;
    glia_write_text(w, ".SH GLIA %s\n.B glia %s\n", k->name, k->name);
    put_roff(w, k->args);
    glia_write_text(w, " [options]\n.PP\n");
    put_roff(w, k->summary);
    glia_write_text(w, ".\n");
    put_roff(w, k->details);
    for (const cli_option *o = cli_options; o->name; o++)
        if ((o->commands & k->bit) && o->commands != shared) put_roff_option(w, o);
    glia_write_text(w, ".PP\n.nf\n");
    put_roff(w, k->example);
    glia_write_text(w, "\n.fi\n");
}

void cli_write_man(glia_writer *w)
{
    glia_write_text(w,
                    ".TH GLIA 1 \"\" \"glia %s\"\n.SH NAME\nglia \\- run language models and ONNX networks\n",
                    glia_version());
    glia_write_text(w, ".SH SYNOPSIS\n.B glia\n\\fICOMMAND\\fR [arguments] [options]\n.SH COMMANDS\n");
    for (const cli_command *k = cli_commands; k->name; k++)
        glia_write_text(w, ".TP\n.B %s\n%s.\n", k->name, k->summary);
    glia_write_text(w, ".SH OPTIONS OF ALL COMMANDS\n");
    for (const cli_option *o = cli_options; o->name; o++)
        if (o->commands == CLI_ALL) put_roff_option(w, o);
    for (const cli_command *k = cli_commands; k->name; k++) put_roff_command(w, k);
    glia_write_text(
        w, ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nThe run failed.\n.TP\n2\nThe command line is wrong.\n"
           ".TP\n3\nThe model or the input was refused; nothing was written to stdout.\n"
           ".TP\n130\nInterrupted.\n");
}

/* ---- completions ---------------------------------------------------------------------------------- */

static void put_words(glia_writer *w, int bit)
{
    for (const cli_option *o = cli_options; o->name; o++)
        if (o->commands & bit) glia_write_text(w, " --%s", o->name);
}

static void put_commands(glia_writer *w)
{
    for (const cli_command *k = cli_commands; k->name; k++) glia_write_text(w, " %s", k->name);
}

static void put_choice_words(glia_writer *w, const cli_option *o)
{
    for (const char *s = o->choices; *s; s++) glia_write_u8(w, *s == '|' ? ' ' : (uint8_t)*s);
}

static void put_bash(glia_writer *w)
{
    glia_write_text(
        w, "_glia() {\n    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
           "    case ${COMP_WORDS[1]}:$before in\n");
    for (const cli_command *k = cli_commands; k->name; k++)
        for (const cli_option *o = cli_options; o->name; o++) {
            if (o->kind != CLI_CHOICE || !(o->commands & k->bit)) continue;
            glia_write_text(w, "    %s:--%s) words='", k->name, o->name);
            put_choice_words(w, o);
            glia_write_text(w, "' ;;\n");
        }
    glia_write_text(w, "    *) if [ \"$COMP_CWORD\" -eq 1 ]; then words='");
    put_commands(w);
    put_words(w, CLI_TOP);
    glia_write_text(w, "'; else case ${COMP_WORDS[1]} in\n");
    for (const cli_command *k = cli_commands; k->name; k++) {
        glia_write_text(w, "        %s) words='", k->name);
        put_words(w, k->bit);
        glia_write_text(w, "' ;;\n");
    }
    glia_write_text(w, "        esac; case $word in -*) ;; *) words= ;; esac; fi ;;\n    esac\n"
                       "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                       "complete -o default -F _glia glia\n");
}

/* A help text within [...] and single quotes. */
static void put_zsh_text(glia_writer *w, const char *s)
{
    for (; *s; s++) {
        if (*s == '[' || *s == ']' || *s == ':') glia_write_u8(w, '\\');
        glia_write_u8(w, *s == '\'' ? '`' : (uint8_t)*s);
    }
}

static void put_zsh_option(glia_writer *w, const cli_option *o)
{
    glia_write_text(w, " '%s--%s[", o->kind == CLI_BIAS || o->kind == CLI_ADAPTER ? "*" : "", o->name);
    put_zsh_text(w, o->help);
    glia_write_text(w, "]");
    if (o->kind == CLI_CHOICE) {
        glia_write_text(w, ":%s:(", o->value);
        put_choice_words(w, o);
        glia_write_text(w, ")");
    } else if (o->value) {
        glia_write_text(w, ":%s:%s", o->value, strcmp(o->value, "FILE") ? "" : "_files");
    }
    glia_write_text(w, "'");
}

static void put_zsh(glia_writer *w)
{
    glia_write_text(w, "#compdef glia\n_glia() {\n    if (( CURRENT == 2 )); then\n        compadd --");
    put_commands(w);
    put_words(w, CLI_TOP);
    glia_write_text(
        w, "\n        return\n    fi\n    local command=$words[2]\n    shift words; (( CURRENT-- ))\n"
           "    case $command in\n");
    for (const cli_command *k = cli_commands; k->name; k++) {
        glia_write_text(w, "    %s) _arguments", k->name);
        for (const cli_option *o = cli_options; o->name; o++)
            if (o->commands & k->bit) put_zsh_option(w, o);
        glia_write_text(w, " '*:file:_files' ;;\n");
    }
    /* Loaded as a function of that name by zsh itself, or sourced by the user. */
    glia_write_text(
        w, "    esac\n}\nif [[ $funcstack[1] == _glia ]]; then _glia \"$@\"; else compdef _glia glia; fi\n");
}

static void put_fish_text(glia_writer *w, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') glia_write_u8(w, '\\');
        glia_write_bytes(w, s, 1);
    }
}

static void put_fish_option(glia_writer *w, const cli_option *o, const char *condition, const char *command)
{
    glia_write_text(w, "complete -c glia -n '%s%s' -l %s", condition, command, o->name);
    if (o->letter) glia_write_text(w, " -s %c", o->letter);
    if (o->kind == CLI_CHOICE) {
        glia_write_text(w, " -x -a '");
        put_choice_words(w, o);
        glia_write_text(w, "'");
    } else if (o->value) {
        glia_write_text(w, " -r");
    }
    glia_write_text(w, " -d '");
    put_fish_text(w, o->help);
    glia_write_text(w, "'\n");
}

static void put_fish(glia_writer *w)
{
    for (const cli_command *k = cli_commands; k->name; k++) {
        glia_write_text(w, "complete -c glia -n __fish_use_subcommand -a %s -d '", k->name);
        put_fish_text(w, k->summary);
        glia_write_text(w, "'\n");
    }
    for (const cli_option *o = cli_options; o->name; o++) {
        if (o->commands & CLI_TOP) put_fish_option(w, o, "__fish_use_subcommand", "");
        for (const cli_command *k = cli_commands; k->name; k++)
            if (o->commands & k->bit) put_fish_option(w, o, "__fish_seen_subcommand_from ", k->name);
    }
}

bool cli_write_completion(glia_writer *w, const char *shell)
{
    static const struct {
        const char *name;
        void (*put)(glia_writer *w);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, shell)) continue;
        shells[i].put(w);
        return true;
    }
    return false;
}
