/* What the tokenizer's own files share. Nobody else includes this.
 *
 *     tokenizer.c   the object, its vocabulary, special tokens in text, encoding's outer loop
 *     tok_decode.c  ids to bytes
 *     tok_vocab.c   checking and copying a vocabulary, the key table
 *     tok_merge.c   the merge engine of both kinds: pairs of ids with a rank, lowest rank first
 *     tok_spm.c     symbols and pairs of SentencePiece BPE
 *     tok_bpe.c     symbols and pairs of byte-level BPE
 *     tok_wordpiece.c, tok_unigram.c   the kinds of their names
 *     tok_trie.c    all keys that a text begins with
 *     tok_norm.c    what happens to a text before it is cut
 *     pretok.c      the expressions that cut text into words
 *     tok_regex.c   expressions to automata, and their scan
 *     tok_special.c tokens that are looked for in text
 *     tok_gguf.c    a vocabulary out of GGUF metadata
 *     tok_json.c, tok_json_parts.c     a vocabulary and its pipeline out of tokenizer.json
 *
 * The *key* of a token is the text for which encoding may choose it: in SentencePiece its spelling
 * with the space mark as a space, in byte-level BPE the bytes that its spelling stands for. Control,
 * unknown and byte tokens have no key: plain text never turns into them by merging. */
#ifndef GLIA_LLM_TOK_H
#define GLIA_LLM_TOK_H

#include "base/arena.h"
#include "base/error.h"
#include "llm/tok_norm.h"
#include "llm/tok_regex.h"
#include "llm/tokenizer.h"

#include <stdatomic.h>
#include <string.h>

enum {
    TOK_KEY_MAX = 1024,   /* longer tokens are decoded but never chosen; bounds the work per byte */
    TOK_PROBE_MAX = 1024, /* a longer walk through a hash table means that somebody made it so */
#ifdef GLIA_HOSTILE
    TOK_SHORT = 2,
    TOK_SYMBOLS = 2,
    TOK_TRIE_NEAR = 1,
#else
    TOK_SHORT = 24,    /* symbols; up to here a scan beats a tree */
    TOK_SYMBOLS = 64,  /* room at first */
    TOK_TRIE_NEAR = 6, /* children; a loop looks at these, memchr at the others */
#endif
    TOK_SPECIAL_MAX = 65536 /* control and user-defined tokens */
};
enum { TOK_SPELLED = 384 }; /* characters below this have one byte or two, the first of these up to C5 */
#define TOK_VOCAB_MAX ((int64_t)1 << 24)
#define TOK_TEXT_MAX ((int64_t)256 << 20)
#define TOK_NO_RANK UINT32_MAX

/* Beside GLIA_TOK_ATTR_*: a continuation of WordPiece, which may begin with the mark itself. */
enum { TOK_ATTR_CONTINUES = 64 };

/* A symbol is a token id, or one without a token: a virtual symbol count..count+virtual_count-1 (a
 * character that only occurs inside tokens), or negative: TOK_CHAR(cp) or TOK_BYTE(b). */
#define TOK_BYTE_BASE 0x110000
#define TOK_CHAR(cp) (-1 - (int32_t)(cp))
#define TOK_BYTE(b) (-1 - TOK_BYTE_BASE - (int32_t)(b))

/* ---- merging */

typedef struct tok_pair {
    uint64_t key; /* left << 32 | right; TOK_PAIR_FREE: empty */
    uint32_t rank;
    int32_t merged;
} tok_pair;
#define TOK_PAIR_FREE UINT64_MAX

typedef struct tok_pairs {
    tok_pair *slots; /* a power of two */
    uint64_t mask;
    int64_t count;
} tok_pairs;

typedef struct tok_scratch { /* of one encode call; grows, never shrinks */
    const glia_os *os;
    int32_t *id, *next, *prev;
    uint32_t *tree; /* [2 * leaves] minimum of ranks */
    int64_t capacity;
    void *block;
    size_t block_bytes;
    int64_t used; /* symbols in id */
    void *extra;  /* unigram's places */
    int64_t extra_bytes;
} tok_scratch;

bool glia_tok_pairs_create(tok_pairs *p, glia_arena *a, int64_t count);
void glia_tok_pairs_prefetch(const tok_pairs *p, int32_t left, int32_t right);
/* Keeps the first of equal pairs. False: the table is being attacked. */
bool glia_tok_pairs_add(tok_pairs *p, int32_t left, int32_t right, uint32_t rank, int32_t merged);

void glia_tok_scratch_init(tok_scratch *s, const glia_os *os);
void glia_tok_scratch_free(tok_scratch *s);
/* Room for n symbols in s->id (what was there stays). */
bool glia_tok_scratch_reserve(tok_scratch *s, int64_t n);
/* Room for so many bytes, and what was in the room stays; *room is how many there are. Null: no memory. */
void *glia_tok_scratch_extra(tok_scratch *s, int64_t bytes, int64_t *room);
static inline bool tok_scratch_push(tok_scratch *s, int32_t id)
{
    if (s->used == s->capacity && !glia_tok_scratch_reserve(s, s->used + 1)) return false;
    s->id[s->used++] = id;
    return true;
}
/* Merges s->id[0..used) in place. */
void glia_tok_merge(const tok_pairs *p, tok_scratch *s);

/* ---- the object */

typedef struct tok_slot {
    uint32_t tag; /* upper bits of the hash */
    int32_t id;   /* -1: empty */
} tok_slot;

typedef struct tok_table { /* strings to ids, open addressing */
    tok_slot *slots;
    uint64_t mask;
} tok_table;

typedef struct tok_strings { /* n strings one after another in one block */
    char *bytes;
    int64_t *at; /* [n + 1] */
    int64_t gap; /* bytes between neighbours: 1 where each is followed by a NUL */
} tok_strings;

struct tok_pretok;
typedef struct tok_words tok_words;

typedef struct tok_out { /* where encode puts its ids */
    int32_t *ids;
    int64_t capacity, count;
} tok_out;
static inline void tok_emit(tok_out *o, int32_t id)
{
    if (o->count < o->capacity) o->ids[o->count] = id;
    o->count++;
}

/* How a kind encodes what lies between special tokens, word by word where there are stages. */
typedef glia_status tok_encode_fn(const glia_tokenizer *t, const char *text, int64_t size, bool first,
                                  tok_scratch *s, tok_out *out, glia_error *e);

typedef struct tok_kind {
    const char *name;
    bool adds_bos, adds_eos, adds_sep, space_prefix;
    bool words; /* cuts text into words before it encodes; `pre` names how, or the kind knows */
    /* Fills pieces, keys and byte ids; then pairs, once the key table stands. */
    glia_status (*keys)(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e);
    glia_status (*pairs)(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e);
    /* Normalizer and stages where no pipeline says them; null: `pre` names the stages. */
    glia_status (*plan)(glia_tokenizer *t, const glia_vocab_source *v, tok_norm *norm, glia_error *e);
    /* Encodes a word, or all between special tokens; `first` where a space prefix belongs. */
    tok_encode_fn *encode;
} tok_kind;

extern const tok_kind glia_tok_kind_spm, glia_tok_kind_bpe, glia_tok_kind_wordpiece, glia_tok_kind_unigram,
    glia_tok_kind_gemma;

/* What is done with the matches of a stage. */
enum { TOK_ISOLATED, TOK_REMOVED, TOK_WITH_PREVIOUS, TOK_WITH_NEXT, TOK_CONTIGUOUS };
typedef struct tok_stage {
    const char *expression;
    int64_t size;
    int behaviour;
    bool invert; /* what lies between the matches counts as the matches */
    bool bytes;  /* reads byte-level spelling, because it comes after it */
} tok_stage;
#define TOK_STAGE(expression, behaviour)                                                                     \
    {                                                                                                        \
        expression, sizeof(expression) - 1, behaviour, false, false                                          \
    }

/* What a tokenizer.json says beside its vocabulary. */
enum { TOK_AFFIX_MAX = 8 };
typedef struct tok_pipeline {
    const tok_norm *norm;
    const tok_stage *stages;
    int stage_count;
    bool ignore_merges, byte_fallback, fuse_unknown, drops_space;
    int64_t word_chars_max;
    const double *scores;           /* [count] of unigram, as exact as the file has them */
    int prefix_count, suffix_count; /* tokens around the text */
    int32_t prefix[TOK_AFFIX_MAX], suffix[TOK_AFFIX_MAX];
} tok_pipeline;

typedef struct tok_specials { /* tokens that are looked for in text */
    int32_t *ids;             /* [count] sorted by key */
    int32_t count;
    tok_strings keys; /* [count] */
    int64_t max;      /* bytes of the longest */
    uint8_t begins[256];
} tok_specials;

/* Keys by their bytes. Nodes are numbered by depth, so that the children of one are neighbours and what most
 * walks visit lies together. Node 0 is the root; every walk starts there, so its children are in an array. */
typedef struct tok_trie_node {
    int32_t first; /* its first child; it has as many as lie before those of the next node */
    int32_t id;    /* the token that ends here, or -1 */
} tok_trie_node;
typedef struct tok_trie {
    tok_trie_node *nodes; /* [node_count + 1] */
    uint8_t *label;       /* [node_count] the byte that leads here */
    int32_t node_count, root[256];
} tok_trie;

typedef struct tok_trie_build { /* a trie that still grows: a hash table of edges */
    glia_arena arena;
    uint64_t *edge; /* node << 8 | byte, plus 1; 0: free */
    int32_t *child;
    int32_t *id; /* [node_count] */
    uint64_t mask;
    int32_t node_count;
} tok_trie_build;

struct glia_tokenizer {
    glia_arena arena;
    const glia_os *os;
    const tok_kind *kind;
    const char *pre;
    int32_t count, virtual_count;
    tok_strings text;  /* [count] the vocabulary's spelling, each followed by a NUL */
    tok_strings piece; /* [count] raw bytes */
    tok_strings virt;  /* [virtual_count] characters that only occur inside tokens; symbols count.. */
    uint8_t *type;     /* [count] */
    _Atomic uint8_t
        *keyed;   /* [count] TOK_KEY_*: what encoding learns of words is kept here; results are the same */
    float *score; /* [count]; SentencePiece only */
    tok_table by_text, by_key, by_virt;
    int64_t key_max, piece_max;
    int32_t byte_id[256];
    int16_t spelled[TOK_SPELLED]; /* byte-level BPE: the byte that a character stands for, or -1 */
    int32_t ascii_id[128];        /* symbol of each ASCII character, before merging */
    tok_pairs merges;
    const struct tok_pretok *pretok; /* byte-level BPE */
    bool ignore_merges;              /* a word that is a token is that token, reachable or not */
    bool words_end_at_spaces;        /* SentencePiece: no key has a space after a non-space */
    tok_specials special[2];         /* looked for before and after normalizing */
    const uint8_t *attributes;       /* [count] or null */
    tok_regex word;                  /* \w, where an attribute asks for it */
    tok_norm *norm;                  /* or null */
    tok_trie trie;                   /* WordPiece, unigram */
    double *walk_score;              /* [count] unigram: what a token adds */
    double score_min;
    bool byte_fallback, fuse_unknown, by_pipeline;
    int64_t word_chars_max;
    int prefix_count, suffix_count;
    int32_t prefix[TOK_AFFIX_MAX], suffix[TOK_AFFIX_MAX];
    int32_t bos, eos, unk, pad, eot, eom, sep, cls, mask;
    int32_t eog[16];
    int32_t eog_count;
    bool adds_bos, adds_eos, adds_sep, adds_space, drops_space;
};

static inline int64_t tok_size(const tok_strings *s, int64_t i) { return s->at[i + 1] - s->at[i] - s->gap; }
static inline const char *tok_at(const tok_strings *s, int64_t i) { return s->bytes + s->at[i]; }

/* A polynomial hash: of every prefix and suffix of a string in one pass. tok_hash_end mixes it. */
#define TOK_HASH_BASE 0x9E3779B97F4A7C55u
static inline uint64_t tok_hash_add(uint64_t h, uint8_t c) { return h * TOK_HASH_BASE + c + 1; }
static inline uint64_t tok_hash_end(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    return h;
}
static inline uint64_t tok_hash(const char *s, int64_t size)
{
    uint64_t h = 0;
    for (int64_t i = 0; i < size; i++) h = tok_hash_add(h, (uint8_t)s[i]);
    return tok_hash_end(h);
}

/* What is known of a token's key. */
enum {
    TOK_KEY_NONE,
    TOK_KEY_IS,    /* its piece is its key */
    TOK_KEY_WHOLE, /* and merging the key alone gives this very token, so a word that equals it needs no
                      merging */
    TOK_KEY_PARTS  /* and merging it gives others */
};
static inline int tok_key_get(const glia_tokenizer *t, int64_t id)
{
    return atomic_load_explicit(&t->keyed[id], memory_order_relaxed);
}
static inline void tok_key_set(const glia_tokenizer *t, int64_t id, int state)
{
    atomic_store_explicit(&t->keyed[id], (uint8_t)state, memory_order_relaxed);
}
/* A word that equals the key of `id` was merged. */
static inline void tok_key_learn(const glia_tokenizer *t, int32_t id, const tok_scratch *merged)
{
    if (id >= 0 && tok_key_get(t, id) == TOK_KEY_IS)
        tok_key_set(t, id, merged->used == 1 && merged->id[0] == id ? TOK_KEY_WHOLE : TOK_KEY_PARTS);
}

bool glia_tok_table_create(tok_table *t, glia_arena *a, int64_t count);
/* The id of a string in `all` with this hash, or -1. */
int32_t glia_tok_table_find(const tok_table *t, const tok_strings *all, const char *s, int64_t size,
                            uint64_t hash);
/* Adds unless an equal string is there. False: the table is being attacked. */
bool glia_tok_table_add(tok_table *t, const tok_strings *all, int32_t id);
/* Adds strings 0 to count - 1, those alone that have a key if `keyed`; the id at which the table is being
 * attacked, or -1. */
int32_t glia_tok_table_add_all(tok_table *t, const glia_tokenizer *of, const tok_strings *all, int32_t count,
                               bool keyed);
static inline int32_t tok_key_find(const glia_tokenizer *t, const char *s, int64_t size)
{
    return glia_tok_table_find(&t->by_key, &t->piece, s, size, tok_hash(s, size));
}

/* Checks the source and fills text, type, score and the special ids. */
glia_status glia_tok_vocab_load(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e);
glia_status glia_tok_specials_build(glia_tokenizer *t, glia_error *e);
typedef struct tok_trust { /* which tokens may be found in a text */
    bool control;          /* control tokens */
    bool all_data;         /* all of the text is data */
    const uint8_t *marks;  /* [size of the text] 1: data; null: none of it is, unless all_data */
    const uint8_t *denied; /* [vocabulary] user-defined tokens that data must not become; null: none */
} tok_trust;

/* The longest token of the list that text[at..size) begins with and that may stand there, or -1; what belongs
 * to it is [*begin, *end), begin >= from. */
int32_t glia_tok_special_at(const glia_tokenizer *t, const tok_specials *list, const char *text, int64_t from,
                            int64_t at, int64_t size, const tok_trust *trust, int64_t *begin, int64_t *end);
/* Room for keys of so many bytes together. */
bool glia_tok_trie_begin(tok_trie_build *b, const glia_os *os, int64_t bytes);
/* False: the table is being attacked. The first of equal keys stays. */
bool glia_tok_trie_add(tok_trie_build *b, const char *key, int64_t size, int32_t id);
/* Makes the trie from what was added. */
bool glia_tok_trie_end(tok_trie_build *b, tok_trie *r, glia_arena *a);
void glia_tok_trie_free(tok_trie_build *b);
/* The node behind `node` on byte b, or -1. */
static inline int32_t tok_trie_step(const tok_trie *r, int32_t node, uint8_t b)
{
    if (!node) return r->root[b];
    int32_t i = r->nodes[node].first;
    const int32_t end = r->nodes[node + 1].first, near = end - i > TOK_TRIE_NEAR ? i + TOK_TRIE_NEAR : end;
    for (; i < near; i++)
        if (r->label[i] == b) return i;
    const uint8_t *at = i < end ? memchr(r->label + i, b, (size_t)(end - i)) : NULL;
    return at ? (int32_t)(at - r->label) : -1;
}
/* The byte of "<0xHH>", or -1. */
int glia_tok_byte_of_text(const char *s, int64_t size);
/* The byte token of b, or unk, or G0609. */
glia_status glia_tok_emit_byte(const glia_tokenizer *t, uint8_t b, tok_out *out, glia_error *e);
glia_status glia_tok_nomem(glia_error *e);

/* ---- pretok.c */

/* Punctuation as Hugging Face's library means it: category P, or an ASCII character that is no letter, digit
 * or space. */
#define TOK_PUNCTUATION "[\\p{P}$+<=>^`|~]"

/* A cut of text into words: the next word is [*begin, *end). */
enum { TOK_STAGES = 12 };
struct tok_words {
    const struct tok_pretok *p;
    const glia_os *os;
    const char *text;
    int64_t size, steps, steps_max; /* characters read */
    struct {
        int64_t at, end;   /* not yet handed on */
        int64_t match_end; /* above `at`: a match [at, match_end) that was found behind a gap */
        tok_trail trail;
    } stage[TOK_STAGES];
    int depth;
    bool nomem;
};
typedef struct tok_pre_traits {
    bool ignore_merges, adds_bos, adds_sep, composed; /* composed: the text is brought to NFC first */
} tok_pre_traits;

/* By the name of tokenizer.ggml.pre: G0602 for others. */
glia_status glia_tok_pretok_create(const struct tok_pretok **out, glia_arena *a, const char *pre,
                                   tok_pre_traits *traits, glia_error *e);
/* Of any stages; 0: the whole text is a word. */
glia_status glia_tok_pretok_build(const struct tok_pretok **out, glia_arena *a, const tok_stage *stages,
                                  int count, glia_error *e);
/* The name that GGUF has for these stages, or null. */
glia_status glia_tok_pretok_name(const glia_os *os, const tok_stage *stages, int count, bool word_level,
                                 bool composed, const char **name, glia_error *e);
void glia_tok_words_init(tok_words *w, const struct tok_pretok *p, const glia_os *os, const char *text,
                         int64_t size);
/* False at the end, and when glia_tok_words_status has something to say. */
bool glia_tok_words_next(tok_words *w, int64_t *begin, int64_t *end);
glia_status glia_tok_words_status(const tok_words *w, glia_error *e); /* G0630, GLIA_E_NOMEM */
void glia_tok_words_free(tok_words *w);

#endif
