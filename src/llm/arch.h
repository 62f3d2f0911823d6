/* Architectures: each is one file that turns a model file's metadata into a graph.
 *
 * The graph of a step, whatever the architecture:
 *     inputs   ids i32[T], pos i32[T], seq i32[T], table i32[S, M] (pages of each sequence), rows i32[R]
 *     states   blk.N.k [P, g, d, c] and blk.N.v [P, g, c, d] (c: tokens a page)
 *     output   logits f32[R, vocab], or, where the model is opened for embeddings, embeddings f32[R, width]
 * Encoders have one more input, until i32[T]: the last position of a token's text, up to which it sees.
 * T is symbol 0 (tokens of a step), R symbol 1 (rows whose logits are wanted).
 *
 * Refused by name: unknown architectures, missing or superfluous tensors, rope scalings that rope.c does not
 * know, and settings that change results unless the architecture says that it takes them. */
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
    int32_t embeddings;   /* 1: hidden states instead of logits; batch and logit_rows may be 0 then */
    bool observe;         /* what each matrix meets is an output as well; see glia_lm_observe */
} glia_lm_options;

/* How many pages a cache has. */
int64_t glia_lm_pages(const glia_lm_options *o);

typedef struct glia_lm_adapter {
    const glia_gguf *file;
    double scale, alpha;
    uint8_t *used; /* by tensor of the file */
} glia_lm_adapter;

/* A mixture of experts, in every layer alike; experts 0: there is none. */
typedef struct glia_lm_mixture {
    int64_t experts, used, hidden, shared_hidden; /* from the file */
    bool softmax_of_chosen;                       /* probabilities among the chosen, not among all */
    bool normalise;                               /* the chosen weights are divided by their sum */
    double scale, alpha, limit;                   /* limit above 0: swiglu_limited */
} glia_lm_mixture;

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
    double eps;
    glia_lm_mixture mixture;
    bool encoder; /* attention.causal is false, and the architecture takes it: a token sees its whole text */
    /* common values */
    glia_dim tokens, rows;
    glia_value ids, pos, seq, table, out_rows, until;
    glia_value rope; /* the rotary table that glia_lm_rope applies */
} glia_lm_builder;

typedef struct glia_arch {
    const char *name; /* general.architecture */
    void (*build)(glia_lm_builder *b);
    /* Settings beyond the common ones that `build` reads, as "key" of "ARCH.key"; null ends the list. Others
     * that would change results are refused unless they have their neutral value; see arch.c. */
    const char *takes[12];
} glia_arch;
#define ARCH(name) extern const glia_arch glia_arch_##name;
#include "llm/archs.def"
#undef ARCH
const glia_arch *glia_arch_at(int i); /* null past the end */

typedef struct glia_lm_graph {
    glia_graph *graph; /* sealed; owned by the caller */
    const glia_arch *arch;
    int64_t vocab, width, context_train, layers;
    bool encoder;
    glia_pooling pooling; /* DEFAULT: the file does not say */
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
/* A number that may be missing: 0 then, and if it is 0. */
double glia_lm_float_if(glia_lm_builder *b, const char *key);
/* Is the text of metadata "ARCH.key" this one? A missing key is no text. */
bool glia_lm_says(glia_lm_builder *b, const char *key, const char *text);
bool glia_lm_has(glia_lm_builder *b, const char *key);
/* Reads what all architectures share into b and checks it. */
void glia_lm_common(glia_lm_builder *b, const char *eps_key);
/* Declares inputs, looks up token embeddings: the first hidden state [T, width]. */
glia_value glia_lm_begin(glia_lm_builder *b);
/* The table of cosines and sines that metadata and tensors ask for, into b->rope: plain, linear, dynamic,
 * yarn and longrope scalings; rope_freqs.weight; rope_factors_long.weight or _short.weight by the context. */
void glia_lm_rope_table(glia_lm_builder *b);
/* The same with yarn's ramp between exact dims instead of whole ones. */
void glia_lm_rope_table_exact_ramp(glia_lm_builder *b);
/* A table without scaling, called `name`. */
glia_value glia_lm_rope_plain(glia_lm_builder *b, const char *name, double base);
glia_value glia_lm_linear(glia_lm_builder *b, glia_value x,
                          const char *prefix); /* prefix.weight, prefix.bias if there */
/* The product with rows [begin, begin + rows) of a fused matrix, and of its bias if there is one. */
glia_value glia_lm_linear_rows(glia_lm_builder *b, glia_value x, const char *prefix, int64_t begin,
                               int64_t rows, const char *name);
/* With options.observe: the sum over tokens of x's squares [k], x being what meets the file's tensor `name`,
 * becomes an output of the graph. The output matrix is left out. imatrix_make.c. */
#define GLIA_LM_OBSERVED "observed:"
void glia_lm_observe(glia_lm_builder *b, glia_value x, const char *name);
/* y, the product of x with rows [begin, end) of the file's tensor `name` (end 0: with all), as the adapters
 * change it. */
glia_value glia_lm_adapt(glia_lm_builder *b, glia_value x, glia_value y, const char *name, int64_t begin,
                         int64_t end);
glia_value glia_lm_rms_norm(glia_lm_builder *b, glia_value x, const char *name);
glia_value glia_lm_layer_norm(glia_lm_builder *b, glia_value x, const char *prefix);
glia_value glia_lm_rope(glia_lm_builder *b, glia_value x, bool neox, const char *name);
glia_value glia_lm_heads(glia_lm_builder *b, glia_value x, int64_t heads, int64_t dim,
                         const char *name); /* [T, n] as [T, heads, dim] */
/* How a layer attends; all zero: over everything, with scale 1 / sqrt(head_dim). */
typedef struct glia_lm_attention {
    double scale;     /* 0: 1 / sqrt(head_dim) */
    int64_t window;   /* positions that a token sees, itself included; 0: all */
    double softcap;   /* 0: none */
    glia_value sinks; /* f32 [heads]; null: none */
} glia_lm_attention;
/* q [T, h, d], k and v [T, g, d] of layer `layer`: appends to the cache and attends; [T, h * d]. how null:
 * all zero. */
glia_value glia_lm_attend(glia_lm_builder *b, int64_t layer, glia_value q, glia_value k, glia_value v,
                          const glia_lm_attention *how);
/* x * factor; x itself where the factor is 1. */
glia_value glia_lm_scale(glia_lm_builder *b, glia_value x, double factor, const char *name);
glia_value glia_lm_add(glia_lm_builder *b, glia_value x, glia_value y, const char *name);
/* silu(x gate) * (x up), down. */
glia_value glia_lm_swiglu(glia_lm_builder *b, int64_t layer, glia_value x);
/* Reads what the file says of its mixture of experts, if it is one, into b->mixture; what the file does not
 * say is the architecture's to set before. "expert_count" has to be among the keys that it takes. */
void glia_lm_experts(glia_lm_builder *b);
/* Picks the wanted rows of the normalised x and gives the logits [R, vocab], with tied embeddings if there is
 * no output.weight. */
glia_value glia_lm_logits(glia_lm_builder *b, glia_value x);
/* The wanted rows themselves, as the graph's output `embeddings`; the output matrix stays in the file. */
void glia_lm_embeddings(glia_lm_builder *b, glia_value x);
/* Embeddings or logits, as the options say, as the graph's output. */
void glia_lm_end(glia_lm_builder *b, glia_value x);

/* ---- the whole decoder ---------------------------------------------------------------------------
 * What LLaMA made common, and what others change of it; all zero is LLaMA with rotary pairs of neighbours:
 *
 *     x = embed(ids) * embed_scale
 *     each layer:  x += post(attend(rope(norm(q)), rope(norm(k)), v), sub_norm, output) * residual_scale
 *                  x += post(act(x gate) * (x up), sub_norm, down) * residual_scale
 *     logits = cap(output(norm(x))) / logit_divisor
 *
 * Biases are taken where the file has them. */
typedef enum { GLIA_LM_HEADS_AS_THEY_ARE, GLIA_LM_HEADS_NORMED, GLIA_LM_WIDTH_NORMED } glia_lm_head_norms;

typedef struct glia_lm_decoder {
    bool neox;                     /* rotary pairs are halves, not neighbours */
    glia_lm_head_norms head_norms; /* q and k before the rotation: per head, or over all heads at once */
    bool layer_norms;              /* norms with a mean and a bias, instead of RMS */
    bool no_pre_norms;             /* no attn_norm and ffn_norm */
    bool post_norms;               /* post_attention_norm and post_ffw_norm before the sums */
    bool sub_norms;                /* attn_sub_norm and ffn_sub_norm before the last product of each half */
    bool fused;                    /* attn_qkv is q, k, v; ffn_up is gate, up */
    bool gateless;                 /* no gate: down(act(up(x))) */
    bool sinks;                    /* attn_sinks: a logit a head in the softmax, with no value */
    bool exact_ramp;               /* yarn's ramp lies between exact dims */
    const char *ffn_norm;          /* what the file calls the norm before the second half; null: ffn_norm */
    const char *activation;        /* "silu", "gelu_pytorch_tanh", "relu2"; null: "silu". The file's
                                      hidden_activation overrides */
    double embed_scale, residual_scale, logit_divisor; /* 0: 1 */
    double attention_scale, softcap, final_softcap;    /* 0: the default, none */
    int64_t window;                                    /* 0: none */
    int64_t global_every;    /* layers i with (i + 1) % global_every == 0 have no window; 0: none of them */
    double local_base;       /* rotary base of layers with a window, without scaling; 0: as all others */
    int64_t unrotated_every; /* layers i with (i + 1) % unrotated_every == 0 do not rotate; 0: all do */
    /* Null, or what stands in place of a layer's feed-forward half; x is normalised. */
    glia_value (*ffn)(glia_lm_builder *b, int64_t layer, glia_value x);
} glia_lm_decoder;

/* After glia_lm_common: everything up to the logits. */
void glia_lm_decode(glia_lm_builder *b, const glia_lm_decoder *d);
/* "attention.sliding_window", 0 if there is none. */
int64_t glia_lm_window(glia_lm_builder *b);

/* For glia_lm_decoder.ffn: the mixture of experts if the file is one, else null. */
typedef glia_value glia_lm_ffn(glia_lm_builder *b, int64_t layer, glia_value x);
glia_lm_ffn *glia_lm_mixture_if(const glia_lm_builder *b);

#define GLIA_LM_RMS_EPS "attention.layer_norm_rms_epsilon"
#define GLIA_LM_NORM_EPS "attention.layer_norm_epsilon"

#endif
