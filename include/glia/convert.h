/* Making model files: other types of weights, and other kinds of files.
 *
 *     glia_quantize       a GGUF model with its matrices in smaller types
 *     glia_imatrix_make   what matters in a model's matrices, measured on a text, for glia_quantize
 *     glia_convert        a checkpoint of Hugging Face's layout as a GGUF model
 *
 * Files are written beside their place and renamed when they are complete, so that no half-written model is
 * ever found under the name that was asked for. Tensors pass through memory a few rows at a time. The same
 * input and options give the same bytes for any number of threads. */
#ifndef GLIA_CONVERT_H
#define GLIA_CONVERT_H

#include "dtype.h"
#include "os.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of one tensor. */
typedef struct glia_quantize_tensor {
    uint32_t size;
    int32_t rank;
    const char *name; /* valid during the call */
    glia_dtype from, to;
    int64_t dims[4]; /* outermost first */
    int64_t bytes_from, bytes_to;
    int64_t index, count; /* this one, of how many */
    int32_t
        fallback; /* 1: its rows are no multiple of the block that was wanted, so another type stands in */
    int32_t important; /* 1: an importance matrix weighs its columns */
} glia_quantize_tensor;

typedef struct glia_quantize_options {
    uint32_t size;       /* set by GLIA_QUANTIZE_OPTIONS_INIT */
    int32_t threads;     /* the caller's included; 0: the usable processors */
    const glia_os *os;   /* null: the default */
    const char *imatrix; /* path of an importance matrix (GGUF, or the older .dat); null: none */
    int32_t pure;        /* 1: every matrix gets the same type, where its rows allow it */
    int32_t dry_run;     /* 1: nothing is written; on_tensor hears what would be */
    /* Called before each tensor, by the caller's thread; may be null. Nonzero: GLIA_E_CANCELLED. */
    int (*on_tensor)(void *user, const glia_quantize_tensor *t);
    void *user;
} glia_quantize_options;
#define GLIA_QUANTIZE_OPTIONS_INIT                                                                           \
    {                                                                                                        \
        .size = sizeof(glia_quantize_options)                                                                \
    }

typedef struct glia_quantize_summary {
    uint32_t size;
    uint32_t reserved;
    int64_t tensors;              /* in the file */
    int64_t quantized;            /* that changed their type */
    int64_t fallbacks;            /* that got another type than the mixture wants, because of their rows */
    int64_t requantized;          /* that were in a block format before, so that both errors add up */
    int64_t unimportant;          /* that the importance matrix should know and does not */
    int64_t bytes_from, bytes_to; /* of all tensors' data */
} glia_quantize_summary;
#define GLIA_QUANTIZE_SUMMARY_INIT                                                                           \
    {                                                                                                        \
        .size = sizeof(glia_quantize_summary)                                                                \
    }

/* The i-th name that glia_quantize takes ("Q4_K_M"), or null past the end. Thread-safe. */
GLIA_API const char *glia_quantize_type(int i);

/* Writes the GGUF model at `in` (its first file, if it is split) to `out` with the matrices in the mixture
 * `type`: a name of glia_quantize_type, in upper or lower case. Vectors, norms, routers, positions and small
 * tensors keep their type. Weights may come in any type that can be read. options and summary may be null;
 * out is null with dry_run. Thread-safe. GLIA_E_ARG, GLIA_E_NOT_FOUND (G0520: no such type),
 * GLIA_E_UNSUPPORTED (a type without an encoder, a file that is no model), GLIA_E_FORMAT (the model's file;
 * G0522: a weight that is no finite number; G0523: the importance matrix), GLIA_E_SHAPE (G0524: an importance
 * matrix of another model), GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_THREAD, GLIA_E_CANCELLED. */
GLIA_API glia_status glia_quantize(const char *in, const char *out, const char *type,
                                   const glia_quantize_options *options, glia_quantize_summary *summary,
                                   glia_error *e);

typedef struct glia_imatrix_options {
    uint32_t size;         /* set by GLIA_IMATRIX_OPTIONS_INIT */
    int32_t threads;       /* the caller's included; 0: the usable processors */
    const glia_os *os;     /* null: the default */
    int64_t context;       /* tokens of a chunk; 0: 512 */
    int64_t chunks;        /* the most that are read; 0: the whole text */
    const char *text_name; /* kept in the file; null: "text" */
    /* Called after each chunk; may be null. Nonzero: GLIA_E_CANCELLED. */
    int (*on_chunk)(void *user, int64_t done, int64_t count);
    void *user;
} glia_imatrix_options;
#define GLIA_IMATRIX_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        .size = sizeof(glia_imatrix_options)                                                                 \
    }

typedef struct glia_imatrix_summary {
    uint32_t size;
    uint32_t reserved;
    int64_t entries;    /* matrices that were measured */
    int64_t unmeasured; /* stacked experts, which are not */
    int64_t tokens, chunks;
} glia_imatrix_summary;
#define GLIA_IMATRIX_SUMMARY_INIT                                                                            \
    {                                                                                                        \
        .size = sizeof(glia_imatrix_summary)                                                                 \
    }

/* Lets the model at `model` read text[0, size), in chunks with an empty context each, and writes an
 * importance matrix for glia_quantize to `out` (GGUF): for every matrix but the output, the embedding and
 * stacked experts, the sums of squares of each column's inputs. The same text gives the same bytes for any
 * number of threads. options and summary may be null. The statuses of glia_model_open, and GLIA_E_ARG (G0526;
 * G0535: the text is too short), GLIA_E_CANCELLED. Thread-safe. */
GLIA_API glia_status glia_imatrix_make(const char *model, const char *text, int64_t size, const char *out,
                                       const glia_imatrix_options *options, glia_imatrix_summary *summary,
                                       glia_error *e);

typedef struct glia_convert_options {
    uint32_t size;     /* set by GLIA_CONVERT_OPTIONS_INIT */
    const glia_os *os; /* null: the default */
    const char *type;  /* of the matrices: "F32", "F16", "BF16", "Q8_0"; null: the checkpoint's own */
    /* Called before each tensor; may be null. Nonzero: GLIA_E_CANCELLED. */
    int (*on_tensor)(void *user, const char *name, int64_t index, int64_t count);
    void *user;
} glia_convert_options;
#define GLIA_CONVERT_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        .size = sizeof(glia_convert_options)                                                                 \
    }

/* Writes the checkpoint at `in` as a GGUF model to `out`. `in` is a folder with config.json, tokenizer.json
 * and model.safetensors or model.safetensors.index.json, or one of the latter two; shards lie in the same
 * folder. Architectures: docs/convert.md. Vectors and small tensors become F32. options may be null.
 * Thread-safe. GLIA_E_ARG, GLIA_E_NOT_FOUND (a file, key or tensor is missing; it is named),
 * GLIA_E_UNSUPPORTED (an architecture, tensor or setting without a place; it is named), GLIA_E_FORMAT,
 * GLIA_E_SHAPE, GLIA_E_LIMIT, GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_CANCELLED. */
GLIA_API glia_status glia_convert(const char *in, const char *out, const glia_convert_options *options,
                                  glia_error *e);

#ifdef __cplusplus
}
#endif
#endif
