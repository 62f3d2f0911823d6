/* What happens to a text before it is cut: a list of steps, each from bytes to bytes. */
#ifndef GLIA_LLM_TOK_NORM_H
#define GLIA_LLM_TOK_NORM_H

#include "llm/tok_regex.h"

#include <string.h>

typedef struct tok_text { /* bytes that grow; from the os table */
    const glia_os *os;
    char *bytes;
    int64_t size, capacity, limit;
    bool over; /* the limit was reached */
} tok_text;

void glia_tok_text_init(tok_text *t, const glia_os *os, int64_t limit);
void glia_tok_text_free(tok_text *t);
/* Room for n more bytes, which are not counted yet. */
bool glia_tok_text_reserve(tok_text *t, int64_t n);
static inline bool glia_tok_text_push(tok_text *t, const char *s, int64_t n)
{
    if ((n > t->capacity - t->size || n > t->limit - t->size) && !glia_tok_text_reserve(t, n)) return false;
    if (n == 1) t->bytes[t->size] = *s;
    else if (n) memcpy(t->bytes + t->size, s, (size_t)n);
    t->size += n;
    return true;
}

typedef struct tok_charsmap { /* of SentencePiece: a double-array trie, and the texts that its values point at
                               */
    const uint32_t *units;
    int64_t unit_count;
    const char *texts; /* each ends in NUL, and so does the last */
    int64_t texts_size;
    bool plain[128]; /* ASCII that stays as it is before another such character, or at the end */
} tok_charsmap;

struct tok_norm;
typedef struct tok_norm_step {
    bool (*run)(const struct tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out);
    const char *text; /* what to put in; to strip or find */
    int64_t text_size;
    const char *with;
    int64_t with_size;
    uint32_t flags;
    const tok_regex *regex;
    tok_charsmap map;
} tok_norm_step;

enum { TOK_NORM_STEPS = 24 };
typedef struct tok_norm {
    int count;
    tok_norm_step steps[TOK_NORM_STEPS];
} tok_norm;

/* Steps. The comments say what `flags` and the texts are. */
typedef bool tok_norm_run(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out);
tok_norm_run glia_tok_norm_form;     /* TOK_FORM_* */
tok_norm_run glia_tok_norm_lower;    /* each code point by itself */
tok_norm_run glia_tok_norm_drop;     /* flags: categories that go */
tok_norm_run glia_tok_norm_clean;    /* BERT: control characters go, white ones become spaces */
tok_norm_run glia_tok_norm_cjk;      /* BERT: spaces around Chinese characters */
tok_norm_run glia_tok_norm_strip;    /* TOK_STRIP_*: white characters at the ends */
tok_norm_run glia_tok_norm_replace;  /* every `text` becomes `with` */
tok_norm_run glia_tok_norm_regex;    /* every match becomes `with` */
tok_norm_run glia_tok_norm_prepend;  /* `text` before a text that is not empty; TOK_PREPEND_* */
tok_norm_run glia_tok_norm_collapse; /* runs of spaces become one, none at the ends; TOK_COLLAPSE_* */
tok_norm_run glia_tok_norm_trim;     /* every `text` at the end goes */
tok_norm_run glia_tok_norm_charsmap; /* the longest match of the map at each place */
tok_norm_run glia_tok_norm_nmt;      /* some control characters go, some white ones become spaces */
enum { TOK_FORM_COMPOSE = 1, TOK_FORM_COMPATIBLE = 2 };
enum { TOK_STRIP_LEFT = 1, TOK_STRIP_RIGHT = 2 };
enum { TOK_COLLAPSE_WHITE = 1 /* of all white characters */, TOK_COLLAPSE_MARK = 2 /* none before U+2581 */ };
enum { TOK_PREPEND_FIRST = 1, TOK_PREPEND_UNLESS = 2 };

/* Appends a step; null when there are too many. */
tok_norm_step *glia_tok_norm_add(tok_norm *n, tok_norm_run *run, uint32_t flags);
/* BERT's own: clean, spaces around Chinese, accents off, lower case. */
bool glia_tok_norm_add_bert(tok_norm *n, bool clean, bool cjk, bool strip, bool lower);

/* Reads the blob that files call precompiled_charsmap; the bytes are copied into a. G0625. */
glia_status glia_tok_charsmap_read(tok_charsmap *m, glia_arena *a, const char *bytes, int64_t size,
                                   glia_error *e);

/* Moves what the steps point at into a. */
glia_status glia_tok_norm_keep(tok_norm *n, glia_arena *a, glia_error *e);

/* Applies all steps. *out points into in, or into one of the two buffers. first: the text's own beginning.
 * GLIA_E_NOMEM, GLIA_E_LIMIT (G0612). */
glia_status glia_tok_norm_apply(const tok_norm *n, const char *in, int64_t size, bool first, tok_text work[2],
                                const char **out, int64_t *out_size, glia_error *e);

#endif
