/* The kernel table of the CPU provider: rows {op, types, function}, one const table per instruction
 * set. Binding starts from the op's reference kernel and takes the last matching row of the best sets
 * that the machine (or the caller) allows. Dispatch, tests and benchmarks walk the same rows. */
#ifndef GLIA_PROVIDER_CPU_KERNEL_H
#define GLIA_PROVIDER_CPU_KERNEL_H

#include "graph/op.h"

/* types: input dtypes, "->", output dtypes, each "dtype" or "dtype:layout"; a trailing "?" says that the
 * input may be absent; "*" matches any type. "a8x32,q8_0:r16,f32?->f32". */
typedef struct glia_cpu_kernel {
    const glia_op *op;
    const char *types;
    glia_kernel run;
    const char *name; /* for plans and profiles, e.g. "linear_q8_0_r16_vnni" */
} glia_cpu_kernel;

typedef struct glia_cpu_isa {
    const char *name; /* "portable", or one of isas.def */
    uint32_t needs;   /* GLIA_CPU_* */
    const glia_cpu_kernel *rows;
    int32_t count;
} glia_cpu_isa;

/* From slowest to fastest, one set's tables side by side; ends with null. The first is "portable" (rows may
 * be empty: references serve). */
extern const glia_cpu_isa *const glia_cpu_isas[];
const glia_cpu_isa *glia_cpu_isa_find(const char *name);

typedef struct glia_bound_kernel {
    glia_kernel run;
    const char *name; /* "reference" if no row matches */
    const char *isa;  /* "portable" then */
} glia_bound_kernel;

/* Binds op on the given types (dtype NONE: absent). isa_max: the name of the set to go up to, or null for the
 * best that `features` allows. Always gives a kernel unless op->reference is null (views). */
glia_bound_kernel glia_cpu_bind(const glia_op *op, const glia_type *in, int in_count, const glia_type *out,
                                int out_count, uint32_t features, const char *isa_max);

/* The packed layout that linear wants for a weight of this format and these constant dims. */
int glia_cpu_layout(glia_dtype t, int64_t n, int64_t k, uint32_t features, const char *isa_max);

/* Has op, a convolution, a row for a weight of this type, packed by taps? */
bool glia_cpu_takes_taps(const glia_op *op, const glia_type *w, uint32_t features, const char *isa_max);

#endif
