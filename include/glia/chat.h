/* Chats: messages to a prompt by the model's own template, and the answer back into its parts.
 *
 * Messages, tools and variables are JSON, in the form that chat clients speak: an array of objects with
 * `role` and `content`, and as the template reads them `tool_calls`, `tool_call_id`, `name`,
 * `reasoning_content` (`reasoning` and `thinking` are understood as other names of it).
 *
 * What comes from messages and tools never becomes a control token, whatever it spells: marks follow each
 * byte through the template, and only bytes of the template itself are looked through for control tokens
 * (docs/chat.md says exactly where this holds). `trust_content` switches that off. */
#ifndef GLIA_CHAT_H
#define GLIA_CHAT_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glia_chat glia_chat;

typedef struct glia_chat_options {
    uint32_t size;
    int32_t trust_content;     /* 1: control tokens written in messages are taken as such */
    const char *builtin;       /* a name of glia_chat_builtin instead of the model's template; null: none */
    const char *template_text; /* a template of the caller's instead; null: none */
    int64_t template_size;
    const char *variant; /* tokenizer.chat_template.NAME of the model; null: the one without a name */
} glia_chat_options;
#define GLIA_CHAT_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        .size = sizeof(glia_chat_options)                                                                    \
    }

/* Names of the templates that come with the library: "chatml", "gemma", ..; null past the end. */
GLIA_API const char *glia_chat_builtin(int i);

/* Compiles the template. The model must outlive the chat; everything else is copied. options null: the
 * model's own template. GLIA_E_NOT_FOUND (G0680: the model has none; G0681: no such name), GLIA_E_FORMAT,
 * GLIA_E_UNSUPPORTED, GLIA_E_LIMIT (the template: G067x), GLIA_E_NOMEM. Thread-safe; so are all functions on
 * an open chat. */
GLIA_API glia_status glia_chat_create(const glia_model *m, const glia_chat_options *options, glia_chat **out,
                                      glia_error *e);
/* Null is allowed. */
GLIA_API void glia_chat_destroy(glia_chat *c);

typedef struct glia_chat_request {
    uint32_t size;
    int32_t no_generation_prompt; /* 1: the text ends with the last message */
    const char *messages;         /* JSON array */
    int64_t messages_size;
    const char *tools; /* JSON array; null: none */
    int64_t tools_size;
    const char *variables; /* JSON object of further variables of the template; null: none */
    int64_t variables_size;
    int64_t now;      /* seconds since 1970 in local time, for templates that write the date; 0: unknown */
    int32_t thinking; /* the variable enable_thinking: 1 true, -1 false, 0 not set */
} glia_chat_request;
#define GLIA_CHAT_REQUEST_INIT                                                                               \
    {                                                                                                        \
        .size = sizeof(glia_chat_request)                                                                    \
    }

typedef struct glia_chat_prompt {
    const char *text; /* as rendered, NUL-terminated */
    int64_t text_size;
    const int32_t *ids; /* [count] */
    int64_t count;
    int32_t reasoning; /* 1: the prompt ends inside the thinking part */
} glia_chat_prompt;

/* Renders and tokenizes. No beginning token is added but what the template writes; the library's own
 * templates follow the model's policy. *out is owned by the caller. GLIA_E_FORMAT (G0682: the JSON is not
 * what it must be; G0673), GLIA_E_ARG (G0672: the template refuses the conversation), GLIA_E_LIMIT,
 * GLIA_E_UNSUPPORTED, GLIA_E_NOMEM. */
GLIA_API glia_status glia_chat_prompt_create(const glia_chat *c, const glia_chat_request *request,
                                             glia_chat_prompt **out, glia_error *e);
/* Null is allowed. */
GLIA_API void glia_chat_prompt_destroy(glia_chat_prompt *p);

/* ---- the answer ----------------------------------------------------------------------------------- */

typedef enum {
    GLIA_CHAT_TEXT,      /* a piece of the answer */
    GLIA_CHAT_REASONING, /* a piece of the thinking part */
    GLIA_CHAT_CALL       /* a whole tool call: text is its arguments (JSON), name the tool's name */
} glia_chat_part;

typedef struct glia_chat_parser glia_chat_parser;

typedef void (*glia_chat_sink)(void *user, glia_chat_part part, const char *text, int64_t size,
                               const char *name);

/* Keeps thinking and tool calls apart from the text while tokens come in. Known are <think>, [THINK], the
 * channels of gpt-oss; <tool_call> (JSON), [TOOL_CALLS], <|python_tag|>, gpt-oss's commentary; and, where the
 * request had tools, an answer that is one JSON object with name and parameters. What looks like a call and
 * is none is given out as text: apart from the marks themselves no byte is lost. prompt null: nothing is
 * known of it. GLIA_E_NOMEM. One thread at a time. */
GLIA_API glia_status glia_chat_parser_create(const glia_chat *c, const glia_chat_prompt *prompt,
                                             glia_chat_sink sink, void *user, glia_chat_parser **out,
                                             glia_error *e);
/* A token and its text, as on_token of glia_generate_options gives them; end tokens need not be handed over.
 * GLIA_E_LIMIT (G0684: a call of more than 16 MiB), GLIA_E_NOMEM. */
GLIA_API glia_status glia_chat_parser_push(glia_chat_parser *p, int32_t id, const char *text, int64_t size,
                                           glia_error *e);
/* The end of the answer: what waited is given out. The parser can then be used for another answer. */
GLIA_API glia_status glia_chat_parser_finish(glia_chat_parser *p, glia_error *e);
/* Null is allowed. */
GLIA_API void glia_chat_parser_destroy(glia_chat_parser *p);

#ifdef __cplusplus
}
#endif
#endif
