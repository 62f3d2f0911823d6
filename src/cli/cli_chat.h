/* What the files of `glia chat` share. */
#ifndef GLIA_CLI_CLI_CHAT_H
#define GLIA_CLI_CLI_CHAT_H

#include "cli/cli.h"

typedef struct cli_typing {
    const char *history; /* a file, or null */
    bool terminal;
    cli_lines lines;
    char *text; /* what was typed last, NUL-terminated */
    size_t size, capacity;
} cli_typing;

typedef enum { CLI_TYPED_TEXT, CLI_TYPED_END, CLI_TYPED_INTERRUPT } cli_typed;

void cli_typing_open(cli_typing *t, const char *history);
cli_typed cli_typing_next(cli_typing *t);
void cli_typing_close(cli_typing *t);

/* The conversation: each message is a JSON object as text. */
typedef struct cli_message {
    char *json;
    bool user, system;
} cli_message;

typedef struct cli_talk {
    cli_message *m;
    int64_t count, capacity;
} cli_talk;

/* Copies; false: no memory. */
bool cli_talk_add(cli_talk *t, const char *json, int64_t size, const char *role);
bool cli_talk_set_system(cli_talk *t, const char *text);
void cli_talk_cut(cli_talk *t, int64_t count); /* the messages from `count` on go */
/* The oldest turn goes: a user's message and what follows up to the next one. False: only one is left. */
bool cli_talk_drop_oldest(cli_talk *t);
void cli_talk_write(const cli_talk *t, glia_writer *w, int64_t count); /* a JSON array of the first `count` */
/* Replaces the conversation by a JSON array of messages; false and an error: it is none. */
glia_status cli_talk_read(cli_talk *t, const char *json, int64_t size, glia_error *e);
void cli_talk_free(cli_talk *t);

#endif
