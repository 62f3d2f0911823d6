/* Tokenizers in Hugging Face's format: tokenizer.json, and of tokenizer_config.json which tokens have a role.
 *
 * Read are the models BPE, WordPiece and Unigram, and the normalizers, pre-tokenizers, post-processors and
 * decoders that docs/tokenizers.md lists; all else is refused by name (G0624). The file is hostile: it is
 * parsed within the limits of base/json.h, and its expressions are compiled within those of tok_regex.h. */
#ifndef GLIA_LLM_TOK_JSON_H
#define GLIA_LLM_TOK_JSON_H

#include "llm/tokenizer.h"

typedef struct glia_tok_json glia_tok_json;

/* Reads the text of a tokenizer.json and, where config is not null, of the tokenizer_config.json beside it.
 * Nothing of either is kept by reference. os null: the default table. GLIA_E_ARG, GLIA_E_FORMAT (G0624, G0625
 * and the codes of base/json.h), GLIA_E_UNSUPPORTED (G0623, G0624), GLIA_E_LIMIT, GLIA_E_NOMEM. */
glia_status glia_tok_json_read(const glia_os *os, const char *json, int64_t size, const char *config,
                               int64_t config_size, glia_tok_json **out, glia_error *e);
void glia_tok_json_free(glia_tok_json *j); /* null is allowed */

/* What was read, as long as j lives: kind "gpt2", "llama", "bert" or "t5"; texts in the spelling that GGUF
 * files use; scores (null for gpt2 and bert), types as GGUF numbers them, merges as "left right", the ids
 * that have a role (-1: none), the switches (-1: unknown). glia_tokenizer_create takes it. */
const glia_vocab_source *glia_tok_json_source(const glia_tok_json *j);

/* Whether GGUF metadata can say all of it, so that a tokenizer made from them gives the same ids: GLIA_OK, or
 * GLIA_E_UNSUPPORTED with G0626 and what is in the way (such as an expression without a name). With GLIA_OK,
 * source->pre is the name for tokenizer.ggml.pre. */
glia_status glia_tok_json_gguf(const glia_tok_json *j, glia_error *e);

/* The tokenizer itself, from the bytes of a tokenizer.json. */
glia_status glia_tokenizer_from_json(const glia_os *os, const char *json, int64_t size, glia_tokenizer **out,
                                     glia_error *e);

#endif
