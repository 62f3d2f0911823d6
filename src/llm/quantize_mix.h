/* Mixtures: which type each tensor of a model gets when the whole is made "Q4_K_M". The names and the rules
 * are those that published files follow (llama.cpp, quantize), as a table. */
#ifndef GLIA_LLM_QUANTIZE_MIX_H
#define GLIA_LLM_QUANTIZE_MIX_H

#include <glia/dtype.h>
#include <stdbool.h>

typedef struct glia_mix {
    const char *name;
    glia_dtype base; /* of the matrices that no rule names */
    uint32_t number; /* general.file_type */
} glia_mix;
const glia_mix *glia_mix_at(int i); /* null past the end */
/* Upper or lower case; null if there is none. */
const glia_mix *glia_mix_find(const char *name);

typedef struct glia_mix_model { /* what the rules ask about a model */
    int64_t layers, experts;
    int64_t sharing; /* attention heads that share a key-value head */
    int64_t values;  /* tensors that make values: glia_mix_makes_values */
    bool output;     /* there is an output.weight, so token_embd.weight only embeds */
    bool large;      /* 80 layers with shared heads: values are so small that more bits cost nothing */
    bool imatrix, pure;
} glia_mix_model;

/* Whether a tensor is a matrix that mixtures change: vectors, norms, routers, positions, token types and the
 * small matrices of recurrent layers are not. */
bool glia_mix_changes(const char *name, int rank, const int64_t *dims);
/* Whether it makes the values that attention mixes, alone or with queries and keys. */
bool glia_mix_makes_values(const char *name);
/* The type of such a tensor. values_before: tensors that make values in lower layers. *fallback: the rows are
 * no multiple of the wanted type's block, and another stands in. */
glia_dtype glia_mix_choose(const glia_mix *mix, const glia_mix_model *m, const char *name, int rank,
                           const int64_t *dims, int64_t values_before, bool *fallback);
/* N of "blk.N.", or -1. */
int64_t glia_mix_layer(const char *name);

#endif
