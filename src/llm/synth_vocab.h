/* The made-up vocabularies of synthetic models; see synth.h. */
#ifndef GLIA_LLM_SYNTH_VOCAB_H
#define GLIA_LLM_SYNTH_VOCAB_H

#include "base/arena.h"
#include "format/gguf_write.h"

/* Adds the tokenizer's metadata for `count` tokens. SentencePiece kind: <unk>, <s>, </s>, 256 byte tokens,
 * single characters, then pieces that are joined of two earlier ones, with falling scores. */
glia_status glia_synth_vocab_spm(glia_gguf_writer *w, glia_arena *a, int64_t count, uint64_t seed,
                                 glia_error *e);
/* WordPiece as BERT has it: five special tokens, letters, joined pieces. */
glia_status glia_synth_vocab_wordpiece(glia_gguf_writer *w, glia_arena *a, int64_t count, uint64_t seed,
                                       glia_error *e);
/* GPT-2 kind with the pre-tokenizer `pre`: 256 bytes, joined pieces with their merges, and 256 special
 * tokens at the end, named as LLaMA 3.2 names them. */
glia_status glia_synth_vocab_bpe(glia_gguf_writer *w, glia_arena *a, int64_t count, const char *pre,
                                 uint64_t seed, glia_error *e);

#endif
