/* What chat.c and chat_parse.c share, and what tests see of a chat beyond include/glia/chat.h. */
#ifndef GLIA_LLM_CHAT_H
#define GLIA_LLM_CHAT_H

#include <glia/chat.h>

#include "llm/tokenizer.h"
#include "text/template.h"

struct glia_chat {
    const glia_os *os;
    const glia_tokenizer *tokenizer;
    glia_template *compiled;
    uint8_t *denied; /* [vocabulary] user-defined tokens that the template writes */
    bool trust_content;
    bool own_template; /* one of the library's: beginning tokens follow the model's policy */
    bool has_think;    /* the template knows of <think> */
};

/* The same as glia_chat_create from a tokenizer and a template's text; name null. */
glia_status glia_chat_from_text(const glia_os *os, const glia_tokenizer *t, const char *text, int64_t size,
                                bool own, bool trust_content, glia_chat **out, glia_error *e);
/* The text of a template of the library's, or null. */
const char *glia_chat_builtin_text(const char *name);

#endif
