/* Lines that a person or a script types for `glia chat`: edited with libedit on a terminal where the program
 * was built with it, plain otherwise. A line that ends with a backslash goes on; between two lines of """ all
 * is one text. */
#include "cli/cli_chat.h"

#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef GLIA_LIBEDIT
#include <editline/readline.h>
#endif

void cli_typing_open(cli_typing *t, const char *history)
{
    *t = (cli_typing){.history = history};
    t->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
#ifdef GLIA_LIBEDIT
    if (t->terminal) {
        using_history();
        stifle_history(1000);
        if (history) read_history(history);
    }
#endif
}

void cli_typing_close(cli_typing *t)
{
#ifdef GLIA_LIBEDIT
    if (t->terminal && t->history && write_history(t->history))
        fprintf(stderr, "glia chat: %s could not be written\n", t->history);
#endif
    cli_lines_free(&t->lines);
    free(t->text);
}

static bool append(cli_typing *t, const char *s, size_t size)
{
    if (t->size + size + 1 > t->capacity) {
        size_t capacity = 2 * (t->size + size) + 256;
        char *text = realloc(t->text, capacity);
        if (!text) return false;
        t->text = text;
        t->capacity = capacity;
    }
    memcpy(t->text + t->size, s, size);
    t->size += size;
    t->text[t->size] = 0;
    return true;
}

/* One line, appended; false at the end of input and after an interruption. */
static bool one_line(cli_typing *t, const char *prompt)
{
    const char *line;
    int64_t size;
#ifdef GLIA_LIBEDIT
    if (t->terminal) {
        char *typed = readline(prompt);
        bool ok = typed && append(t, typed, strlen(typed));
        free(typed);
        return ok;
    }
#endif
    if (t->terminal) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    return cli_line_next(&t->lines, &line, &size) && append(t, line, (size_t)size);
}

cli_typed cli_typing_next(cli_typing *t)
{
    bool block = false, more = true;
    t->size = 0;
    while (more) {
        size_t begin = t->size;
        if (!one_line(t, begin || block ? ". " : "> ")) {
            if (cli_interrupted()) return CLI_TYPED_INTERRUPT;
            if (!begin && !block) return CLI_TYPED_END;
            break;
        }
        bool quotes = !strcmp(t->text + begin, "\"\"\"");
        if (quotes && (block || !begin)) {
            t->size = begin ? begin - 1 : 0; /* nor the newline before it */
            t->text[t->size] = 0;
            if (block) break;
            block = true;
            continue;
        }
        bool slash = !block && t->size > begin && t->text[t->size - 1] == '\\';
        t->size -= slash;
        more = block || slash;
        if (more && !append(t, "\n", 1)) return CLI_TYPED_END;
    }
    if (!t->text && !append(t, "", 0)) return CLI_TYPED_END;
#ifdef GLIA_LIBEDIT
    if (t->terminal && t->size) add_history(t->text);
#endif
    return CLI_TYPED_TEXT;
}
