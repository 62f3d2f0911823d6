/* What tok_json.c and tok_json_parts.c share: the object that reading a tokenizer.json builds up. */
#ifndef GLIA_LLM_TOK_JSON_PARTS_H
#define GLIA_LLM_TOK_JSON_PARTS_H

#include "base/json.h"
#include "llm/tok.h"
#include "llm/tok_json.h"

#include <string.h>

struct glia_tok_json {
    glia_arena arena;
    const glia_os *os;
    glia_vocab_source source;
    tok_pipeline pipeline;
    tok_norm norm;
    tok_stage stages[TOK_STAGES];
    bool byte_level, bytes_next; /* ByteLevel was named; what comes after it reads its spelling */
    bool word_split;             /* WhitespaceSplit came first, and nothing else so far */
    bool byte_decoder;
    const char *no_gguf; /* what GGUF has no words for, or null */

    /* vocabulary under construction, [count] */
    const char **text;
    int64_t *text_size;
    float *scores;
    double *fine_scores; /* Unigram's */
    int32_t *types;
    uint8_t *attributes;
};

#define TOK_JSON_MAX ((int64_t)256 << 20)
enum { TOK_JSON_DEPTH = 32, TOK_JSON_NESTING = 4 };

static inline bool tok_json_is(const glia_json *j, const char *text)
{
    return j && j->kind == GLIA_JSON_STRING && !strcmp(j->text, text);
}
static inline bool tok_json_flag(const glia_json *object, const char *key, bool otherwise)
{
    const glia_json *j = glia_json_get(object, key);
    return j && j->kind == GLIA_JSON_BOOL ? j->boolean : otherwise;
}
/* GLIA_E_UNSUPPORTED with G0624. */
glia_status glia_tok_json_refuse(const char *part, const glia_json *what, glia_error *e);

/* Each reads its part, which may be null or JSON's null. */
glia_status glia_tok_json_normalizer(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e);
glia_status glia_tok_json_pre_tokenizer(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e);
glia_status glia_tok_json_post_processor(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e);
glia_status glia_tok_json_decoder(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e);

#endif
