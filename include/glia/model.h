/* Language models and sessions.
 *
 *     glia_model_query   exact bytes by class from the file's header, nothing loaded
 *     glia_model_open    loads: the model is immutable and may be shared by any number of sessions
 *     glia_cache_*       a pool of key-value pages that several sessions share; a session has its own
 * otherwise glia_session_*     sequences of tokens over the model: one thread at a time (docs/sessions.md)
 *
 * After glia_session_create nothing allocates: steps, generation and cancellation are straight-line. */
#ifndef GLIA_MODEL_H
#define GLIA_MODEL_H

#include "dtype.h"
#include "os.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glia_model glia_model;
typedef struct glia_cache glia_cache;
typedef struct glia_session glia_session;

/* A low-rank adapter (LoRA) in a GGUF file, which changes the model's products by scale times what it holds.
 */
typedef struct glia_adapter {
    const char *path; /* read while the model is opened */
    float scale;      /* 1: as trained */
} glia_adapter;

/* What a model does with pack_cache, added together. */
enum {
    GLIA_PACK_COPY = 1,  /* weights are copied from the packed file into memory of the process, in huge pages
                            where  the system has them, in place of being mapped */
    GLIA_PACK_VERIFY = 2 /* the whole model file is read and compared, by checksums, with what the packed file
                            was made of; else its size, time of change, header and samples are */
};

typedef struct glia_model_options {
    uint32_t size;          /* set by GLIA_MODEL_OPTIONS_INIT */
    int32_t threads;        /* worker threads, the caller's included; 0: the usable processors */
    const glia_os *os;      /* null: the default */
    int32_t slots;          /* shares of the work, at most 64; 0: as many as threads */
    int32_t sequences;      /* sequences that a session may hold; 0: 1 */
    int64_t context;        /* tokens a sequence; 0: the model's own, at most 4096 */
    int64_t batch;          /* most tokens in one step; 0: 128, for encoders the context */
    int64_t logit_rows;     /* most tokens of a step whose logits are asked for; 0: 1, for embeddings batch */
    glia_dtype kv_dtype;    /* of the key-value cache: GLIA_F32, GLIA_F16, or GLIA_Q8_0 (half of F16; heads in
                               multiples of 32, else G0513); NONE: F32 for encoders and models whose token
                               embedding is F32, else F16 */
    int32_t profile_events; /* room for so many events a thread; 0: no profile */
    int64_t memory_limit;   /* bytes of all classes together; 0: none. Checked before loading (G0804) */
    const char *isa; /* the name of an instruction set (docs/kernels.md): no faster one; null: the best */
    const glia_adapter *adapters; /* [adapter_count]; their effects add up */
    int32_t adapter_count;        /* 0 to 16 */
    int64_t cache_tokens; /* tokens that a cache has room for, in pages of 32; 0: sequences times context */
    int32_t embeddings;   /* 1: steps give the last hidden state of a token in place of its logits; the output
                             matrix is not loaded. Encoders (bert) have nothing else: they need 1 (G0540) */
    int32_t pack_flags;   /* GLIA_PACK_* */
    const char
        *pack_cache; /* a folder that is there already, or null: none. Weights as they lie in memory are kept
                        in it, in a file of its own for each model, shapes and instruction set, so that
                        later starts neither read nor pack them. All of it is checked against checksums
                        before use; what is damaged, cut, stale, of another model, version, layout or
                        instruction set is refused and made anew (by a temporary name and a rename, so that
                        any number of processes may do so at once). A file that cannot be made or used is no
                        failure: glia_model_pack_cache tells. The file is mapped while the model is open: its
                        pages belong to the page cache, shared by processes, and may be dropped and read
                        again. Whoever can write to the folder can give the model other weights, or end the
                        process by cutting the file: GLIA_PACK_COPY is safe from the latter. Read while the
                        model is opened, not kept */
} glia_model_options;
#define GLIA_MODEL_OPTIONS_INIT                                                                              \
    {                                                                                                        \
        .size = sizeof(glia_model_options)                                                                   \
    }

/* Exact memory by class, in bytes. One session, one lane. What describes the model comes on top and is not
 * limited here: its graph, header and vocabulary, a few MB that follow from the file's header. */
typedef struct glia_memory {
    uint32_t size;
    uint32_t reserved;
    int64_t weights;  /* weights in the file's own layout */
    int64_t packed;   /* weights in packed layouts */
    int64_t streamed; /* mapped weights beyond a limit */
    int64_t state;    /* key-value cache of one session */
    int64_t arena;    /* activations */
    int64_t scratch;  /* kernels' scratch */
    int64_t tables;   /* plan records, constants, page tables, token history */
    int64_t total;
    int64_t arena_lower_bound;
    int64_t session; /* of tables: what each further session over one shared cache takes */
    int64_t mapped;  /* of weights and packed: what is mapped from a cached packed file and can be dropped */
} glia_memory;
#define GLIA_MEMORY_INIT                                                                                     \
    {                                                                                                        \
        .size = sizeof(glia_memory)                                                                          \
    }

/* What loading `path` with these options will take, from the header alone. Thread-safe.
 * GLIA_E_IO, GLIA_E_FORMAT, GLIA_E_UNSUPPORTED (the architecture, tensor or setting is named),
 * GLIA_E_NOT_FOUND (a missing tensor or key is named), GLIA_E_LIMIT, GLIA_E_NOMEM. */
GLIA_API glia_status glia_model_query(const char *path, const glia_model_options *options, glia_memory *out,
                                      glia_error *e);

/* Loads a GGUF language model. On success *out is owned by the caller. The statuses of glia_model_query, and
 * GLIA_E_THREAD. */
GLIA_API glia_status glia_model_open(const char *path, const glia_model_options *options, glia_model **out,
                                     glia_error *e);
/* What became of options.pack_cache. */
typedef enum glia_pack_use {
    GLIA_PACK_OFF,   /* no folder was given */
    GLIA_PACK_USED,  /* the weights are those of a packed file */
    GLIA_PACK_MADE,  /* the model's file was read, and a packed file was made for the next time */
    GLIA_PACK_FAILED /* the model's file was read, and no packed file could be made */
} glia_pack_use;
/* Thread-safe. *why (may be null): MADE: why a file that was there was not used, or GLIA_OK; FAILED: what
 * failed. G0560 (no packed file, cut or damaged), G0561 (another version), G0562 (of another model, or of
 * this one before it changed), G0563 (another instruction set or layout), G0564 (damaged weights), G0565
 * (read, written or made in vain). */
GLIA_API glia_pack_use glia_model_pack_cache(const glia_model *m, glia_error *why);
/* All sessions must have been destroyed. Null is allowed. */
GLIA_API void glia_model_close(glia_model *m);

/* Facts of an open model. Thread-safe. */
GLIA_API int64_t glia_model_vocab_size(const glia_model *m);
GLIA_API int64_t glia_model_context(const glia_model *m); /* tokens that a session may hold per sequence */
GLIA_API const char *glia_model_architecture(const glia_model *m);
GLIA_API int64_t glia_model_embedding_size(const glia_model *m); /* elements of a hidden state */
GLIA_API int glia_model_is_encoder(const glia_model *m);         /* 1: every token of a text sees all of it */
GLIA_API void glia_model_memory(const glia_model *m,
                                glia_memory *out);               /* what is in use, one session counted */
GLIA_API int32_t glia_model_bos(const glia_model *m);            /* -1: none */
GLIA_API int glia_model_is_end(const glia_model *m, int32_t id); /* 1: the token ends a generation */

/* Text to ids. special != 0: control tokens written in the text are taken as such. bos != 0: by the model's
 * policy. *count is the number of ids the text needs; GLIA_E_LIMIT when capacity is too small. Allocates and
 * frees scratch memory. Thread-safe. */
GLIA_API glia_status glia_model_tokenize(const glia_model *m, const char *text, int64_t size, int bos,
                                         int special, int32_t *ids, int64_t capacity, int64_t *count,
                                         glia_error *e);
/* The bytes of one token in running text; returns the bytes needed, writes up to capacity. Thread-safe. */
GLIA_API int64_t glia_model_piece(const glia_model *m, int32_t id, char *text, int64_t capacity);

/* A cache: a pool of pages for keys and values, with room for options.cache_tokens tokens, taken whole now.
 * Any number of sessions of the model may be created over it, and used from as many threads; each has its own
 * sequences, deadline and cancellation, and a step of one never changes what another holds. Pages of equal
 * beginnings are held once. A step that finds too few free pages is refused (GLIA_E_LIMIT, G0719, both
 * numbers) with no change; it succeeds once another session has let go. Whether a beginning was held already
 * shows in the time a step takes: sessions that must not learn this of each other need caches of their own.
 * GLIA_E_NOMEM. */
GLIA_API glia_status glia_cache_create(glia_model *m, glia_cache **out, glia_error *e);
/* All its sessions must have been destroyed. Null is allowed. */
GLIA_API void glia_cache_destroy(glia_cache *c);
/* Tokens for which pages are free now, a multiple of 32. Thread-safe. */
GLIA_API int64_t glia_cache_free_tokens(glia_cache *c);

/* A session with a cache of its own. Takes the cache and its tables now. GLIA_E_NOMEM. */
GLIA_API glia_status glia_session_create(glia_model *m, glia_session **out, glia_error *e);
/* A session over a cache that others use too. Takes its tables now. GLIA_E_NOMEM. */
GLIA_API glia_status glia_session_create_in(glia_cache *c, glia_session **out, glia_error *e);
/* Null is allowed. */
GLIA_API void glia_session_destroy(glia_session *s);

/* Tokens of any mix of sequences, each sequence's in order; they are appended to what the session holds. */
typedef struct glia_batch {
    uint32_t size;
    int32_t count;            /* 1 .. the model's batch */
    const int32_t *ids;       /* [count] */
    const int32_t *sequences; /* [count], 0 .. sequences-1; null: all 0 */
    const int32_t *rows;      /* [row_count] tokens of this batch whose logits are wanted */
    int32_t row_count;
} glia_batch;
#define GLIA_BATCH_INIT                                                                                      \
    {                                                                                                        \
        .size = sizeof(glia_batch)                                                                           \
    }

/* One step. Admitted whole before it computes, else refused with no change: GLIA_E_CONTEXT (both numbers),
 * GLIA_E_LIMIT (too few free pages; both numbers), GLIA_E_ARG, GLIA_E_BUSY (another thread is in this
 * session). GLIA_E_CANCELLED and GLIA_E_DEADLINE leave the session as it was before the step. *logits:
 * [row_count, vocab] F32, owned by the session, valid until its next step; may be null. */
GLIA_API glia_status glia_session_step(glia_session *s, const glia_batch *batch, const float **logits,
                                       glia_error *e);

/* Hands over what `sequence` shall hold, whole: it keeps the longest common prefix of what it holds and takes
 * over whole pages that any sequence of the cache holds, or held and has not been overwritten, for the same
 * beginning; drops the rest; and computes what is new in steps. Then *logits are those of the last token.
 * count >= 1. GLIA_E_CONTEXT when count exceeds the context; statuses of glia_session_step otherwise: then
 * the sequence holds a prefix of ids. */
GLIA_API glia_status glia_session_fill(glia_session *s, int32_t sequence, const int32_t *ids, int64_t count,
                                       const float **logits, glia_error *e);
/* The same for sequence 0. */
GLIA_API glia_status glia_session_prefix(glia_session *s, const int32_t *ids, int64_t count,
                                         const float **logits, glia_error *e);

/* Tokens held by a sequence; -1 for a bad sequence. */
GLIA_API int64_t glia_session_length(const glia_session *s, int32_t sequence);
/* Their ids, up to capacity; returns how many there are, -1 for a bad sequence. By the thread that steps. */
GLIA_API int64_t glia_session_tokens(const glia_session *s, int32_t sequence, int32_t *ids, int64_t capacity);
/* Drops tokens from the end so that `length` stay; 0 lets go of the sequence. GLIA_E_ARG, GLIA_E_BUSY. */
GLIA_API glia_status glia_session_trim(glia_session *s, int32_t sequence, int64_t length, glia_error *e);
/* Sequence `to` becomes a copy of the first `length` tokens of `from`. Nothing is copied now: pages are
 * shared, and one that a later step of either would write is copied by that step, which needs a free page for
 * it. GLIA_E_ARG, GLIA_E_BUSY. */
GLIA_API glia_status glia_session_fork(glia_session *s, int32_t to, int32_t from, int64_t length,
                                       glia_error *e);

/* A snapshot: the tokens of one sequence and their keys and values as bytes, with a checksum, bound to the
 * model (docs/sessions.md says how) and to its kv_dtype; the context, batch, threads and instruction set may
 * differ. glia_session_save_size: the bytes a snapshot takes now; -1 for a bad sequence. glia_session_save:
 * size must be just that (GLIA_E_ARG). GLIA_E_IO: the model's file could not be read. */
GLIA_API int64_t glia_session_save_size(const glia_session *s, int32_t sequence);
GLIA_API glia_status glia_session_save(glia_session *s, int32_t sequence, void *to, int64_t size,
                                       glia_error *e);
/* The sequence becomes what the snapshot holds: later logits have the bits they would have had there. Every
 * field is checked before anything is changed; on error the session is as it was. GLIA_E_FORMAT (G0722: no
 * snapshot, damaged or contradicting itself), GLIA_E_UNSUPPORTED (G0723: another version), GLIA_E_STATE
 * (G0724: of another model, G0725: of another kv_dtype), GLIA_E_CONTEXT, GLIA_E_LIMIT (G0719), GLIA_E_IO,
 * GLIA_E_ARG, GLIA_E_BUSY. A checksum is no signature: keys and values from a snapshot are not shared with
 * other sessions by glia_session_fill. */
GLIA_API glia_status glia_session_restore(glia_session *s, int32_t sequence, const void *from, int64_t size,
                                          glia_error *e);

/* How the hidden states of a text's tokens become its embedding. */
typedef enum glia_pooling {
    GLIA_POOLING_DEFAULT, /* as the file says; if it says nothing, MEAN for encoders, else LAST */
    GLIA_POOLING_MEAN,    /* each element's mean, summed in ascending order in double precision */
    GLIA_POOLING_FIRST,   /* that of the first token ([CLS]) */
    GLIA_POOLING_LAST,    /* that of the last token */
    GLIA_POOLING_NONE     /* all of them */
} glia_pooling;
/* The pooling that DEFAULT stands for. Thread-safe. */
GLIA_API glia_pooling glia_model_pooling(const glia_model *m);

/* The embedding of the text ids[0..count): its last hidden states after the final norm, pooled, into out
 * [embedding size], for NONE [count, embedding size]. Sequence 0 is emptied before and after. The model was
 * opened with embeddings 1 (GLIA_E_STATE, G0542). An encoder takes a text in one step: count is at most the
 * model's batch, for MEAN and NONE its logit_rows (GLIA_E_LIMIT, G0543). GLIA_E_ARG, GLIA_E_CONTEXT, and the
 * statuses of glia_session_step. Nothing is allocated. */
GLIA_API glia_status glia_session_embed(glia_session *s, const int32_t *ids, int64_t count,
                                        glia_pooling pooling, float *out, glia_error *e);
/* v[0..n) divided by its Euclidean length, which is taken in double precision; zeros stay. */
GLIA_API void glia_embedding_normalize(float *v, int64_t n);

/* Stops the step that runs now, or else the next one, from any thread (or a signal handler). */
GLIA_API void glia_session_cancel(glia_session *s);
/* Steps fail with GLIA_E_DEADLINE once the os clock has passed this; 0: none. */
GLIA_API void glia_session_set_deadline(glia_session *s, uint64_t clock_ns);

struct glia_sampler_options;
struct glia_logprob;

typedef struct glia_draft_counts {    /* how speculation went */
    int64_t steps, guessed, accepted; /* steps of the model; tokens guessed, and those that were right */
} glia_draft_counts;

typedef struct glia_generate_options {
    uint32_t size;
    float temperature;  /* 0: greedy */
    int64_t tokens_max; /* 0: until the end token or the context's end */
    float top_p, min_p; /* 0: off */
    float repeat_penalty, presence_penalty, frequency_penalty; /* 0: off */
    int32_t top_k;                                             /* 0: off */
    int32_t penalty_last_n;                                    /* 0: 64 */
    uint64_t seed;
    int32_t ignore_end; /* 1: go on after end tokens; 2: never choose them */
    int32_t bias_count;
    const int32_t *bias_ids; /* [bias_count] */
    const float *bias_values;
    /* Called for every token with its text, cut at character bounds (size 0 while a character is incomplete).
     * Non-zero stops. Called once more with id -1 and what was left over. */
    int (*on_token)(void *user, int32_t id, const char *text, int64_t size);
    void *user;
    /* Every option of the sampler (glia/sampler.h), the grammar among them. Not null: the sampling fields
     * above are not read, but for the biases, which are added. */
    const struct glia_sampler_options *sampler;
    /* Called before on_token, where it is not null: the log-probability of the token, and the `logprobs`
     * likeliest ones, of the model's own distribution, before bias, grammar and chain. */
    int32_t logprobs; /* 0 .. vocabulary */
    int32_t reserved;
    void (*on_logprobs)(void *user, const struct glia_logprob *chosen, const struct glia_logprob *top,
                        int64_t count);
    /* Speculation: tokens are guessed and several checked in one step. The text is that of plain decoding,
     * bit for bit. Guesses are the likeliest tokens of `draft`, a session of another model with the same
     * vocabulary, whose sequence 0 is used and which no other thread may be in; or what followed the last
     * draft_ngram tokens when they occurred before. The model needs logit_rows of draft_max + 1. While this
     * runs, glia_session_length may count guesses. */
    glia_session *draft;
    int32_t draft_ngram;             /* 0: none; up to 64 */
    int32_t draft_max;               /* guesses a step, up to 64; 0: 8, or as logit_rows allows */
    glia_draft_counts *draft_counts; /* filled in, if not null */
    int32_t sequence;                /* the sequence that is continued */
} glia_generate_options;
#define GLIA_GENERATE_OPTIONS_INIT                                                                           \
    {                                                                                                        \
        .size = sizeof(glia_generate_options)                                                                \
    }

/* Continues a sequence from ids[0..count) (see glia_session_fill). *made gets the number of new tokens,
 * also on errors. Statuses of glia_session_prefix. The end of the context ends the generation with
 * GLIA_E_CONTEXT only when tokens_max asked for more. A grammar that is at its end ends it too. Allocates the
 * sampler before the first step, nothing after it. */
GLIA_API glia_status glia_session_generate(glia_session *s, const int32_t *ids, int64_t count,
                                           const glia_generate_options *options, int64_t *made,
                                           glia_error *e);

#ifdef __cplusplus
}
#endif
#endif
