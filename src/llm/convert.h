/* What the files of the converter share: checkpoints of Hugging Face's layout (config.json, SafeTensors,
 * tokenizer.json) become GGUF files with the keys and names that other programs use.
 *
 *     convert.c          reads the folder, leads, writes
 *     convert_arch.c     the tables: which tensor becomes which, and each architecture's own keys
 *     convert_config.c   config.json, checked, as GGUF keys
 *     convert_tensor.c   the tensors: names through the table, rows through the transformations
 *     convert_tok.c      tokenizer.json and its companions
 *
 * Refused by name: architectures without a table, tensors that no row takes, tensors that are missing,
 * settings that GGUF cannot say or that would change results, weights in other kinds of files. */
#ifndef GLIA_LLM_CONVERT_H
#define GLIA_LLM_CONVERT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "format/gguf_write.h"
#include "format/safetensors.h"
#include "llm/quantize_mix.h"

enum {                             /* how rows change */
       GLIA_CONVERT_PAIRS_Q = 1,   /* the halves of each head interleaved: rotary pairs become neighbours */
       GLIA_CONVERT_PAIRS_K = 2,   /* the same with the key-value heads */
       GLIA_CONVERT_TRANSPOSE = 4, /* each matrix */
       GLIA_CONVERT_PLUS_ONE = 8,
       GLIA_CONVERT_STACK = 16,  /* one matrix an expert becomes one tensor */
       GLIA_CONVERT_FIRST = 32,  /* the first half of each matrix's rows */
       GLIA_CONVERT_LAST = 64,   /* the last */
       GLIA_CONVERT_EVEN = 128,  /* rows 0, 2, 4 .. of each matrix */
       GLIA_CONVERT_ODD = 256,   /* rows 1, 3, 5 .. */
       GLIA_CONVERT_MXFP4 = 512, /* NAME_blocks and NAME_scales become MXFP4 */
       GLIA_CONVERT_TERNARY =
           1024,                 /* rounded to -1, 0, 1 times the mean magnitude, as training rounds them */
       GLIA_CONVERT_SKIP = 8192, /* known and not needed */
       GLIA_CONVERT_UNTIED = 16384, /* an output that is dropped where config ties it to the embedding */
};

/* One kind of tensor. '#' stands for the layer's number, '@' for the expert's; a '*' at the end for `weight`
 * and `bias`, of which the bias may be missing. Each goal has to be reached in every layer, by one row of
 * those that lead to it. */
typedef struct glia_convert_row {
    const char *from, *to;
    int how;
} glia_convert_row;

typedef struct glia_convert_key { /* a key of config.json, "a|b|c": the first that is there */
    const char *to;               /* without the architecture's name */
    const char *from;
    bool real, optional;
} glia_convert_key;

typedef struct glia_converter glia_converter;

typedef struct glia_convert_arch {
    const char *name;                  /* general.architecture */
    const char *classes;               /* config.json's "architectures", "A|B" */
    const char *prefixes;              /* of tensor names, which may be there or not, "model.|transformer." */
    const char *activations;           /* config.json's hidden_act, "silu|swish" */
    const glia_convert_row *rows;      /* ends with a null */
    const glia_convert_key *keys;      /* beside the common ones; may be null */
    void (*finish)(glia_converter *c); /* what is computed or refused; may be null */
} glia_convert_arch;
extern const glia_convert_arch glia_convert_archs[]; /* ends with a null name */

typedef struct glia_convert_tensor {
    const char *name;
    const glia_convert_row *row;
    const glia_safetensors_tensor **sources; /* [matrices] with STACK, else one; MXFP4: blocks, scales */
    int64_t source_count;
    const float *values; /* instead of sources: a vector that was computed */
    glia_dtype dtype;
    int rank;
    int64_t dims[4];           /* outermost first */
    int64_t matrices, rows, k; /* vectors have k == 1 */
    int64_t unit_bytes;        /* of a row in the file that is written; of vectors the whole */
    int64_t heads;             /* with PAIRS */
    float scale;               /* with TERNARY */
} glia_convert_tensor;

struct glia_converter {
    const glia_os *os;
    glia_arena arena;
    glia_error *e;
    glia_status status; /* the first failure */
    const char *folder; /* ends with a slash, or empty */
    const glia_json *config;
    const glia_convert_arch *arch;
    const glia_mix *mix;
    glia_safetensors *weights;
    glia_gguf_writer *writer;
    int64_t layers, experts, heads, groups, head_dim, vocab;
    bool tied;
    glia_convert_tensor **slots; /* [layers + 1][rows][2], null where there is none */
    int64_t slot_count, row_count;
    glia_convert_tensor *tensors; /* as they are written */
    int64_t count, capacity;
    uint8_t *raw;
    float *row;
    int64_t raw_bytes, row_elements;
};

/* Records the first failure. */
void glia_convert_fail(glia_converter *c, glia_status s, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);
/* A file of the folder as text, terminated, in the arena; null with *size 0 if there is none. */
const char *glia_convert_read(glia_converter *c, const char *name, int64_t bytes_max, int64_t *size);
/* Whether `word` is one of "a|b|c". */
bool glia_convert_one_of(const char *words, const char *word);

/* ---- convert_config.c */
/* The first of "a|b|c" that is there and not null, or null. */
const glia_json *glia_convert_get(const glia_json *j, const char *names);
/* A number of config.json; required unless fallback is given (>= 0, or NAN for none). Failures stick. */
int64_t glia_convert_int(glia_converter *c, const glia_json *j, const char *names, int64_t fallback,
                         int64_t most);
double glia_convert_real(glia_converter *c, const glia_json *j, const char *names, double fallback);
bool glia_convert_bool(glia_converter *c, const glia_json *j, const char *names, bool fallback);
/* "" if it is not there. */
const char *glia_convert_text(glia_converter *c, const glia_json *j, const char *names);
/* Keys "ARCH.key". */
void glia_convert_put_int(glia_converter *c, const char *key, int64_t v);
void glia_convert_put_real(glia_converter *c, const char *key, double v);
void glia_convert_put_text(glia_converter *c, const char *key, const char *text);
/* Reads what every architecture shares into c, and writes the metadata. */
void glia_convert_metadata(glia_converter *c);
/* A vector of the writer's own. */
void glia_convert_add_values(glia_converter *c, const char *name, const float *values, int64_t count);
/* Rope's base and its scaling: keys, and vectors where the scaling needs them. */
void glia_convert_rope(glia_converter *c);

/* ---- convert_tensor.c */
/* Finds each tensor's row; then c->tensors are complete and in order. */
void glia_convert_plan(glia_converter *c);
/* For glia_gguf_writer_write. */
glia_status glia_convert_produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                                 glia_error *e);

/* ---- convert_tok.c */
void glia_convert_tokenizer(glia_converter *c);

#endif
