/* Tokenizers: text to token ids and back, for the kinds that GGUF files name.
 *
 *     "llama"  SentencePiece BPE: pairs merge by score, unknown bytes become byte tokens
 *     "gpt2"   byte-level BPE: a published expression cuts the text into words, pairs merge by rank
 *     "bert"   WordPiece: words are spelled by the longest tokens from left to right
 *     "t5"     SentencePiece unigram: the spelling of highest score
 *     "gemma4" BPE with merges over characters, unknown ones become byte tokens
 *
 * Other kinds, and expressions that are not in the table of pretok.c, are refused by name. What a
 * tokenizer.json says is read by tok_json.h. A tokenizer is immutable after creation and may be shared by any
 * threads. Encoding belongs to the control plane: its scratch memory comes from the os table and is gone when
 * it returns. Turning a token into bytes belongs to the data plane: no memory, bounded work.
 *
 * Text is bytes. Malformed UTF-8 is never an error: byte-level BPE carries the bytes through as they
 * are, SentencePiece spells them with its byte tokens. */
#ifndef GLIA_LLM_TOKENIZER_H
#define GLIA_LLM_TOKENIZER_H

#include <glia/os.h>
#include <stdbool.h>

struct glia_gguf;

typedef struct glia_tokenizer glia_tokenizer;

/* Token types, as GGUF numbers them. */
enum {
    GLIA_TOK_TYPE_UNDEFINED = 0,
    GLIA_TOK_TYPE_NORMAL = 1,
    GLIA_TOK_TYPE_UNKNOWN = 2,
    GLIA_TOK_TYPE_CONTROL = 3,
    GLIA_TOK_TYPE_USER_DEFINED = 4,
    GLIA_TOK_TYPE_UNUSED = 5,
    GLIA_TOK_TYPE_BYTE = 6
};

/* A vocabulary as the caller holds it. Everything is copied by glia_tokenizer_create.
 * Ids are -1 where there is none, switches -1 where the source does not say. */
typedef struct glia_vocab_source {
    uint32_t size;            /* sizeof, set by GLIA_VOCAB_SOURCE_INIT */
    const char *kind;         /* tokenizer.ggml.model: "llama", "gpt2", "bert", "t5", "gemma4" */
    const char *pre;          /* tokenizer.ggml.pre, or null */
    int64_t count;            /* tokens */
    const char *const *text;  /* [count], need not end in NUL */
    const int64_t *text_size; /* [count] bytes */
    const float *scores;      /* [count] or null */
    const int32_t *types;     /* [count] or null (all normal) */
    int64_t merge_count;
    const char *const *merges; /* [merge_count] "left right" */
    const int64_t *merge_size; /* [merge_count] bytes */
    int64_t bos, eos, unk, pad, eot, eom;
    int add_bos, add_eos, add_space_prefix; /* -1, 0, 1 */
    int64_t sep, cls, mask;
    int add_sep, remove_extra_spaces, lowercase, strip_accents; /* -1, 0, 1 */
    const char *charsmap; /* SentencePiece's map of characters, or null */
    int64_t charsmap_size;
    const uint8_t *attributes; /* [count] GLIA_TOK_ATTR_*, or null */
    int64_t
        stride; /* bytes from one entry of text, text_size, merges and merge_size to the next; 0: arrays */
    const struct tok_pipeline *pipeline; /* what tokenizer.json says; null: by kind and pre */
} glia_vocab_source;

/* How a token that is looked for in text behaves there. */
enum {
    GLIA_TOK_ATTR_LSTRIP = 1,    /* white characters before it belong to it */
    GLIA_TOK_ATTR_RSTRIP = 2,    /* those behind it */
    GLIA_TOK_ATTR_WORD = 4,      /* only where no word character touches it */
    GLIA_TOK_ATTR_NORMALIZED = 8 /* looked for after the text was normalized */
};

#define GLIA_VOCAB_SOURCE_INIT                                                                               \
    {                                                                                                        \
        .size = sizeof(glia_vocab_source), .bos = -1, .eos = -1, .unk = -1, .pad = -1, .eot = -1, .eom = -1, \
        .add_bos = -1, .add_eos = -1, .add_space_prefix = -1, .sep = -1, .cls = -1, .mask = -1,              \
        .add_sep = -1, .remove_extra_spaces = -1, .lowercase = -1, .strip_accents = -1                       \
    }

/* Builds a tokenizer. os null: the default table.
 * GLIA_E_ARG (null), GLIA_E_UNSUPPORTED (kind or expression, by name), GLIA_E_FORMAT (the vocabulary
 * contradicts itself: G0603 to G0608), GLIA_E_LIMIT, GLIA_E_NOMEM. */
glia_status glia_tokenizer_create(const glia_os *os, const glia_vocab_source *source, glia_tokenizer **out,
                                  glia_error *e);

/* The same from the metadata of an open GGUF file; nothing of the file is kept. */
glia_status glia_tokenizer_from_gguf(const glia_os *os, const struct glia_gguf *gguf, glia_tokenizer **out,
                                     glia_error *e);

/* Null is allowed. */
void glia_tokenizer_destroy(glia_tokenizer *t);

enum {
    GLIA_TOK_BOS = 1,     /* add beginning (and end) tokens by the model's policy */
    GLIA_TOK_SPECIAL = 2, /* control tokens written in the text become their ids; without it only
                             user-defined ones do, so that what a user types cannot forge a turn */
    GLIA_TOK_RENDER = 4,  /* decoding: control tokens give their text instead of nothing */
    GLIA_TOK_CONTINUE = 8 /* decoding: the text goes on, so a first space is meant */
};

/* Encodes text[0..size). *count is always the number of ids the text needs (once it got that far);
 * with too small a capacity the status is GLIA_E_LIMIT, ids hold the first `capacity` of them, and
 * a second call with *count entries succeeds. ids may be null when capacity is 0.
 * GLIA_E_ARG, GLIA_E_LIMIT (also: text above 256 MiB), GLIA_E_NOMEM. Thread-safe. */
glia_status glia_tokenizer_encode(const glia_tokenizer *t, const char *text, int64_t size, int flags,
                                  int32_t *ids, int64_t capacity, int64_t *count, glia_error *e);

/* Where a text came from: a control token is found only where all of its bytes have mark 0. Text that no such
 * token is cut out of is tokenized as ever, across the borders of marks. */
typedef struct glia_tok_marks {
    const uint8_t *marks;  /* [size] 0 or 1 (data) */
    const uint8_t *denied; /* [vocabulary] 1: this user-defined token is not found in data either; or null */
} glia_tok_marks;

/* glia_tokenizer_encode with marks; null: none. */
glia_status glia_tokenizer_encode_marked(const glia_tokenizer *t, const char *text, int64_t size, int flags,
                                         const glia_tok_marks *marks, int32_t *ids, int64_t capacity,
                                         int64_t *count, glia_error *e);

/* The raw bytes of one token as they appear inside running text (SentencePiece's space mark is a
 * space; bytes of one character may be spread over tokens). Writes at most `capacity` bytes and
 * returns how many the token has; 0 for ids outside the vocabulary and for control tokens without
 * GLIA_TOK_RENDER. Never allocates. */
int64_t glia_tokenizer_piece(const glia_tokenizer *t, int32_t id, char *buf, int64_t capacity, int flags);

/* The longest piece of any token: a buffer for one glia_detok_push needs this and
 * GLIA_DETOK_PENDING bytes. */
int64_t glia_tokenizer_piece_max(const glia_tokenizer *t);

enum { GLIA_DETOK_PENDING = 4 };

/* A streaming detokeniser: what it gives out is cut only at character bounds. Bytes that can still
 * become a character wait; bytes that cannot are given as U+FFFD, so output is always UTF-8. */
typedef struct glia_detok {
    char pending[GLIA_DETOK_PENDING];
    int32_t pending_size;
    int32_t flags;
    bool at_start; /* SentencePiece's added first space is still to be dropped */
} glia_detok;

/* flags: GLIA_TOK_RENDER, GLIA_TOK_CONTINUE. */
void glia_detok_init(const glia_tokenizer *t, glia_detok *d, int flags);
/* Takes one token; returns the bytes written to out, or -1 when `capacity` is below the need
 * (3 * (piece + GLIA_DETOK_PENDING) always suffices; d is then unchanged). Never allocates. */
int64_t glia_detok_push(const glia_tokenizer *t, glia_detok *d, int32_t id, char *out, int64_t capacity);
/* Gives the bytes that waited (as U+FFFD each cut sequence); the same return. */
int64_t glia_detok_flush(glia_detok *d, char *out, int64_t capacity);

/* Whole texts at once: raw bytes of all ids, SentencePiece's first space dropped, no repair of
 * UTF-8. Returns the bytes needed; at most `capacity` are written. */
int64_t glia_tokenizer_decode(const glia_tokenizer *t, const int32_t *ids, int64_t count, char *out,
                              int64_t capacity, int flags);

int64_t glia_tokenizer_vocab_size(const glia_tokenizer *t);
int32_t glia_tokenizer_bos(const glia_tokenizer *t); /* -1: none; so the others */
int32_t glia_tokenizer_eos(const glia_tokenizer *t);
int32_t glia_tokenizer_eot(const glia_tokenizer *t);
int32_t glia_tokenizer_unk(const glia_tokenizer *t);
int32_t glia_tokenizer_pad(const glia_tokenizer *t);
int32_t glia_tokenizer_sep(const glia_tokenizer *t);
int32_t glia_tokenizer_mask(const glia_tokenizer *t);
/* Ends a generation: eos, eot, eom and the tokens whose text is known to end a turn. */
bool glia_tokenizer_is_eog(const glia_tokenizer *t, int32_t id);
bool glia_tokenizer_adds_bos(const glia_tokenizer *t);
bool glia_tokenizer_adds_eos(const glia_tokenizer *t);
/* The vocabulary's own spelling, NUL-terminated; *size (may be null) is its bytes; null for a bad id. */
const char *glia_tokenizer_text(const glia_tokenizer *t, int32_t id, int64_t *size);
/* The id of the token spelled so (the lowest where several are), or -1. */
int32_t glia_tokenizer_find(const glia_tokenizer *t, const char *text, int64_t size);
/* A GLIA_TOK_TYPE_*; UNDEFINED for a bad id. */
int glia_tokenizer_type(const glia_tokenizer *t, int32_t id);
const char *glia_tokenizer_kind(const glia_tokenizer *t); /* the kind it was made as */
const char *glia_tokenizer_pre(const glia_tokenizer *t);  /* "" if none */

#endif
