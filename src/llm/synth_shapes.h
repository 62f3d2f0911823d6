/* What synthetic models look like: the published shapes of known models, and for each architecture its
 * tensors and metadata as tables of sizes. */
#ifndef GLIA_LLM_SYNTH_SHAPES_H
#define GLIA_LLM_SYNTH_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

/* Sizes that a shape has, by which tensors and metadata are told. */
typedef enum glia_synth_size {
    GLIA_SIZE_NONE,
    GLIA_SIZE_WIDTH,
    GLIA_SIZE_LAYERS,
    GLIA_SIZE_HEADS,
    GLIA_SIZE_GROUPS, /* key-value heads */
    GLIA_SIZE_HEAD,   /* elements a head */
    GLIA_SIZE_FFN,
    GLIA_SIZE_VOCAB,
    GLIA_SIZE_CONTEXT,
    GLIA_SIZE_WINDOW, /* from here on 0: none */
    GLIA_SIZE_EXPERTS,
    GLIA_SIZE_EXPERTS_USED,
    GLIA_SIZE_EXPERT_FFN,
    GLIA_SIZE_GIVEN, /* how many are given; the rest follow from them */
    GLIA_SIZE_Q = GLIA_SIZE_GIVEN,
    GLIA_SIZE_KV,
    GLIA_SIZE_QKV,
    GLIA_SIZE_FFN_TWICE,
    GLIA_SIZE_ROPE_PAIRS,
    GLIA_SIZE_TWO,
    GLIA_SIZE_COUNT
} glia_synth_size;

/* How a tensor is filled and in which type it is kept. */
typedef enum glia_synth_fill {
    GLIA_FILL_MATRIX, /* about normal, deviation 1/sqrt(k), in the model's type */
    GLIA_FILL_TABLE,  /* the same in F32: learned positions, routers */
    GLIA_FILL_NORM,   /* around 1, F32 */
    GLIA_FILL_BIAS,   /* around 0, F32 */
    GLIA_FILL_ROPE    /* LLaMA 3.1's frequency divisors */
} glia_synth_fill;

typedef struct glia_synth_part {
    const char *name;
    uint8_t fill;    /* glia_synth_fill */
    uint8_t e, n, k; /* sizes [e, n, k], outermost first; none: left out */
} glia_synth_part;

/* Metadata "ARCH.key": a size as U32, or, where `size` is none, a number as F32 or BOOL or a text. */
typedef struct glia_synth_key {
    const char *key;
    uint8_t size;
    char type; /* 'f', 'b', 's' or 'u' with `number`, where size is none */
    float number;
    const char *text;
} glia_synth_key;

typedef enum { GLIA_SYNTH_SPM, GLIA_SYNTH_BPE, GLIA_SYNTH_WORDPIECE } glia_synth_vocab;

typedef struct glia_synth_family {
    const char *arch;                           /* general.architecture */
    const glia_synth_part *head, *layer, *tail; /* ended by a null name */
    const glia_synth_key *keys;
    const char *eps_key;
    bool rope;
} glia_synth_family;

typedef struct glia_synth_model {
    const char *name;
    const glia_synth_family *family;
    int64_t size[GLIA_SIZE_COUNT]; /* the given ones; see glia_synth_size_of */
    glia_synth_vocab vocab;
    const char *pre;                   /* of BPE */
    float rope_base, rope_factor, eps; /* rope_factor 0: no rope_freqs.weight */
    bool untied;                       /* output.weight */
    bool all_types;                    /* metadata of every type, for tests of readers */
} glia_synth_model;

/* Model i, or null past the end. */
const glia_synth_model *glia_synth_model_at(int i);
const glia_synth_model *glia_synth_model_find(const char *name);
/* The size, given or derived. */
int64_t glia_synth_size_of(const glia_synth_model *m, int size);

#endif
