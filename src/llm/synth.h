/* Synthetic models: GGUF files in the shapes of well-known models, with random weights and a made-up
 * but complete vocabulary of the true size. They are for tests and benchmarks where no trained model is at
 * hand: the work per token and the bytes moved are the real ones, what comes out has no meaning.
 *
 * Weights are a pure function of (seed, tensor, row, column), the same for every type before it is encoded
 * (but for models above 32 M weights in types whose encoders search: those repeat 1024 rows of a kind,
 * mixed): matrices [n, k] are about normal with deviation 1/sqrt(k), so that activations keep their size
 * through the layers, norms lie around 1. */
#ifndef GLIA_LLM_SYNTH_H
#define GLIA_LLM_SYNTH_H

#include <glia/dtype.h>
#include <glia/os.h>

/* The name of shape i ("tiny", "llama-3.2-1b"), or null past the end. */
const char *glia_synth_shape(int i);

/* Writes the model to `path`. All matrices have the type `type`, or, where their rows are no multiple of its
 * block, Q8_0 or F16; vectors, routers
 * and learned positions are F32. os may be null. Returns GLIA_E_NOT_FOUND (no such shape), GLIA_E_UNSUPPORTED
 * (a type without an encoder), and what glia_gguf_writer_write returns. */
glia_status glia_synth(const glia_os *os, const char *shape, glia_dtype type, uint64_t seed, const char *path,
                       glia_error *e);

/* The same with a type by name, or a mixture ("Q4_K_M"): then each matrix has the type that glia_quantize
 * gives it. GLIA_E_NOT_FOUND: no such type. */
glia_status glia_synth_named(const glia_os *os, const char *shape, const char *type, uint64_t seed,
                             const char *path, glia_error *e);

#endif
