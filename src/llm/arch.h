/* Architectures: each is one file that turns a model file's metadata into a graph.
 *
 * The graph of a step, whatever the architecture:
 *     inputs   ids i32[T], pos i32[T], seq i32[T], table i32[S, M] (pages of each sequence), rows i32[R]
 *     states   blk.N.k [P, g, d, c] and blk.N.v [P, g, c, d] (c: tokens a page)
 *     output   logits f32[R, vocab]
 * T is symbol 0 (tokens of a step), R symbol 1 (rows whose logits are wanted).
 *
 * Refused by name: unknown architectures, missing or superfluous tensors, rope scalings and settings that an
 * architecture file does not implement. */
#ifndef GLIA_LLM_ARCH_H
#define GLIA_LLM_ARCH_H

#include "format/gguf.h"
#include "format/source.h"
#include "graph/graph.h"
#include <glia/model.h>

enum { GLIA_PAGE_TOKENS = 32 };

typedef struct glia_lm_options {
    const glia_os *os;
    int64_t batch, logit_rows, sequences, context; /* all at least 1 */
    glia_dtype kv_dtype;                           /* NONE: chosen by the token embedding's dtype */
    const glia_adapter *adapters;                  /* [adapter_count] */
    glia_gguf *const *adapter_files;               /* [adapter_count], open */
    int32_t adapter_count;
    int64_t cache_tokens; /* 0: sequences times context */
} glia_lm_options;

/* How many pages a cache has. */
int64_t glia_lm_pages(const glia_lm_options *o);

typedef struct glia_lm_adapter {
    const glia_gguf *file;
    double scale, alpha;
    uint8_t *used; /* by tensor of the file */
} glia_lm_adapter;

typedef struct glia_lm_builder {
    const glia_gguf *file;
    glia_source source;
    glia_lm_options options;
    glia_graph *g;
    glia_arena *arena; /* names */
    glia_error *e;
    glia_status status; /* the first failure that is not the graph's own */
    const char *arch;
    uint8_t *used; /* by tensor of the file */
    glia_lm_adapter *adapters;
    int32_t adapter_count;
    /* common metadata */
    int64_t layers, width, heads, groups, head_dim, value_dim, hidden, vocab, context_train, rope_dims;
    double eps, rope_base, rope_scale;
    /* common values */
    glia_dim tokens, rows;
    glia_value ids, pos, seq, table, out_rows, rope;
} glia_lm_builder;

typedef struct glia_arch {
    const char *name; /* general.architecture */
    void (*build)(glia_lm_builder *b);
} glia_arch;
extern const glia_arch glia_arch_llama, glia_arch_qwen2, glia_arch_qwen3, glia_arch_gpt2;
const glia_arch *glia_arch_at(int i); /* null past the end */

typedef struct glia_lm_graph {
    glia_graph *graph; /* sealed; owned by the caller */
    const glia_arch *arch;
    int64_t vocab, context_train, layers;
    glia_dtype kv_dtype;
} glia_lm_graph;

/* Builds and seals the step's graph. options->context 0: the model's own, at most 4096 (then written back).
 */
glia_status glia_lm_build(const glia_gguf *file, glia_lm_options *options, glia_lm_graph *out, glia_error *e);

/* ---- words in which architecture files are written; failures stick in b ------------------------- */
/* "blk.3.attn_q.weight" from the format; lives in the builder's arena. */
const char *glia_lm_name(glia_lm_builder *b, const char *format, ...) GLIA_PRINTF(2, 3);
/* A tensor of the file as a weight; a missing one is an error that names it. */
glia_value glia_lm_weight(glia_lm_builder *b, const char *name);
/* The same, null if the file has none. */
glia_value glia_lm_weight_if(glia_lm_builder *b, const char *name);
/* Rows [begin, begin + rows) of a tensor as a weight of its own, called "name[begin:end]". */
glia_value glia_lm_weight_rows(glia_lm_builder *b, const char *name, int64_t begin, int64_t rows,
                               bool required);
/* The rows that the metadata `key` promises of a tensor, if it is there. */
void glia_lm_expect_rows(glia_lm_builder *b, const char *name, int64_t rows, const char *key);
void glia_lm_fail(glia_lm_builder *b, glia_status s, const char *code, const char *format, ...)
    GLIA_PRINTF(4, 5);
/* Metadata "ARCH.key"; `fallback` < 0: required. Integers are positive, bounded by max. */
int64_t glia_lm_int(glia_lm_builder *b, const char *key, int64_t fallback, int64_t max);
double glia_lm_float(glia_lm_builder *b, const char *key, double fallback, bool required);
/* Reads what all architectures share into b and checks it. */
void glia_lm_common(glia_lm_builder *b, const char *eps_key);
/* Declares inputs, looks up token embeddings: the first hidden state [T, width]. */
glia_value glia_lm_begin(glia_lm_builder *b);
/* One table of cosines and sines for all layers. */
void glia_lm_rope_table(glia_lm_builder *b);
glia_value glia_lm_linear(glia_lm_builder *b, glia_value x,
                          const char *prefix); /* prefix.weight, prefix.bias if there */
/* The product with rows [begin, begin + rows) of a fused matrix, and of its bias if there is one. */
glia_value glia_lm_linear_rows(glia_lm_builder *b, glia_value x, const char *prefix, int64_t begin,
                               int64_t rows, const char *name);
/* y, the product of x with rows [begin, end) of the file's tensor `name` (end 0: with all), as the adapters
 * change it. */
glia_value glia_lm_adapt(glia_lm_builder *b, glia_value x, glia_value y, const char *name, int64_t begin,
                         int64_t end);
glia_value glia_lm_rms_norm(glia_lm_builder *b, glia_value x, const char *name);
glia_value glia_lm_layer_norm(glia_lm_builder *b, glia_value x, const char *prefix);
glia_value glia_lm_rope(glia_lm_builder *b, glia_value x, bool neox, const char *name);
glia_value glia_lm_heads(glia_lm_builder *b, glia_value x, int64_t heads, int64_t dim,
                         const char *name); /* [T, n] as [T, heads, dim] */
/* q [T, h, d], k and v [T, g, d] of layer `layer`: appends to the cache and attends; [T, h * d]. */
glia_value glia_lm_attend(glia_lm_builder *b, int64_t layer, glia_value q, glia_value k, glia_value v);
glia_value glia_lm_add(glia_lm_builder *b, glia_value x, glia_value y, const char *name);
/* silu(x gate) * (x up), down. */
glia_value glia_lm_swiglu(glia_lm_builder *b, int64_t layer, glia_value x);
/* Picks the wanted rows of the normalised x and gives the logits, with tied embeddings if there is no
 * output.weight. */
void glia_lm_end(glia_lm_builder *b, glia_value x);

/* The whole decoder that LLaMA made common: RMSNorm before rotary attention with grouped heads, RMSNorm
 * before SwiGLU. Biases are taken where the file has them. neox: rotary pairs are halves, not neighbours.
 * head_norms: q and k are normalised per head before the rotation. */
void glia_lm_rotary_decoder(glia_lm_builder *b, bool neox, bool head_norms);

#endif
