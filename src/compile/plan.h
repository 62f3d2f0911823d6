/* A compiled plan: what runs, where it lies, and where threads meet.
 *
 * compile: graph -> passes -> partition into phases -> lifetimes and offsets -> records. The records of one
 * variant are one contiguous array without pointers (kernel numbers, base numbers, offsets), so one
 * array serves every lane and session and can lie in a file. A plan never owns memory that runs use:
 * the caller provides bases (weights, packed, arena, state, table) of the sizes in `bytes`.
 *
 * A *slot* is a share of the work; workers (threads) run one or several slots. A *chain* is what one slot
 * runs between two meetings, a *phase* what lies between them. A *variant* is a schedule for a range of
 * the first symbol (tokens in a step) and a number of slots; results do not depend on the choice.
 *
 * Refused by name: subgraphs, values of open rank, sizes that depend on data. */
#ifndef GLIA_COMPILE_PLAN_H
#define GLIA_COMPILE_PLAN_H

#include "graph/graph.h"
#include "provider/cpu/kernel.h"

enum { GLIA_CACHED_BYTES = 32 << 20 }; /* of weights: a shared cache keeps them from step to step */
enum { GLIA_SLOTS_MAX = 64, GLIA_VARIANTS_MAX = 8, GLIA_IN_MAX = 16, GLIA_OUT_MAX = 8 };

/* Memory spaces that a record's offset is relative to. */
typedef enum {
    GLIA_BASE_WEIGHTS,
    GLIA_BASE_PACKED,
    GLIA_BASE_ARENA,
    GLIA_BASE_STATE,
    GLIA_BASE_TABLE,
    GLIA_BASE_ABSOLUTE, /* address 0: weights that live elsewhere, glia_plan_bind_weights */
    GLIA_BASE_COUNT
} glia_base;

typedef struct glia_arg_record { /* one tensor of an item */
    int64_t offset;              /* bytes from the base; -1: an absent optional input */
    int64_t slot_stride;         /* private values: bytes between the copies of two slots; else 0 */
    uint32_t dims;               /* first entry in the dims table */
    uint8_t base, rank, dtype, layout;
} glia_arg_record;

typedef enum {
    GLIA_PART_WHOLE,      /* one slot (item.slot) computes everything */
    GLIA_PART_REPLICATED, /* every slot computes everything into its private copy */
    GLIA_PART_SPLIT       /* slot s of S computes units [U*s/S, U*(s+1)/S) of `granule` elements of `axis` */
} glia_part_kind;

typedef struct glia_item {
    uint32_t kernel; /* index into plan->kernels */
    uint32_t args;   /* first record: inputs, then outputs */
    uint32_t attrs;  /* first entry in the attribute table */
    uint32_t node;   /* node index in plan->graph */
    int64_t granule; /* SPLIT */
    int64_t scratch; /* arena offset of scratch, slot 0 */
    int64_t scratch_stride;
    uint32_t axis_dim; /* entry of the dims table that holds the size of the split axis */
    uint16_t slot;     /* WHOLE */
    uint8_t kind;      /* glia_part_kind */
    uint8_t axis;      /* SPLIT: axis of output 0 */
    uint8_t in_count, out_count, attr_count;
    uint8_t guard;   /* the kernel may set the fault word */
    uint32_t pieces; /* the box is run in so many pieces, so that cancellation is bounded; at least 1 */
    int64_t piece_granule;
    uint8_t piece_axis; /* axis of output 0 that the pieces cut */
} glia_item;

typedef struct glia_phase {
    uint32_t first, count; /* items */
    uint32_t
        tiles;    /* 0: static shares, one a slot. Else the work is cut into so many shares, of which workers
                     take runs from a counter, longer ones first: a slow or busy processor takes fewer */
    uint32_t own; /* with tiles: so many first items are REPLICATED and run once by each slot; all others
                     are SPLIT into the same number of units */
} glia_phase;

typedef struct glia_placed { /* where a value lies; by value id of plan->graph */
    int64_t offset, bytes, slot_stride;
    int32_t begin, end; /* lifetime in items, inclusive; arena only */
    int16_t base;       /* -1: not placed (unused, or a view's root is asked) */
    int16_t kind;       /* glia_part_kind of its producer */
    int32_t root;       /* value id whose memory this is (itself, or through views, parts and in-place) */
    int64_t delta;      /* bytes of the root before it, where it is a part of it; `offset` has them */
} glia_placed;

typedef struct glia_variant {
    int64_t symbol_min, symbol_max; /* range of symbol 0 */
    int32_t slots;
    /* the records, one block */
    const void *records;
    int64_t record_bytes;
    const glia_phase *phases;
    const glia_item *items;
    const glia_arg_record *args;
    const glia_dim *dims; /* expressions; constants as they are */
    int32_t phase_count, item_count, arg_count, dim_count;
    int64_t arena_bytes, arena_lower_bound, scratch_bytes; /* arena includes scratch */
    const glia_placed *placed;                             /* [graph->value_count] */
    /* the scheduler's estimates at symbol_min (at least 1) and at symbol_max: of this schedule, and of one
     * slot alone */
    double cost_least, cost_seconds, alone_least, alone_most;
} glia_variant;

typedef struct glia_kernel_entry {
    glia_kernel run;
    const char *name, *isa;
} glia_kernel_entry;

typedef struct glia_weight_record { /* what to load: a weight and the layout it is wanted in */
    uint32_t value;                 /* the plain weight's value id */
    uint32_t packed;                /* value id of the pack node's output */
    int32_t layout;
    glia_base base;
    int64_t offset, bytes;
} glia_weight_record;

typedef struct glia_state_record {
    uint32_t value;
    int64_t offset, bytes; /* within the state base */
} glia_state_record;

typedef struct glia_pass_report {
    const char *name;
    int32_t runs, changes;
} glia_pass_report;

/* What the rewrite rules did (rules.h): how often each fired, and where one fitted but for a condition. */
typedef struct glia_rule_report {
    const char *name;
    int32_t kind; /* 1 exact, 2 reassociating, 3 approximate */
    int32_t fired, missed;
} glia_rule_report;

typedef struct glia_rule_miss {
    const char *rule, *node, *condition; /* the condition that failed, as the rule writes it */
} glia_rule_miss;

typedef struct glia_rule_trace {
    glia_rule_report *rules;
    glia_rule_miss *misses; /* the first so many */
    int32_t rule_count, miss_count;
} glia_rule_trace;

typedef struct glia_bytes { /* exact memory by class */
    int64_t weights;        /* weights in their plain layout */
    int64_t packed;         /* weights in packed layouts */
    int64_t streamed;       /* mapped weights beyond the limit (never, unless asked for) */
    int64_t state;          /* KV cache and other states of one session */
    int64_t arena;          /* activations of one lane, scratch not counted */
    int64_t scratch;        /* kernel scratch of one lane */
    int64_t tables;         /* constants, records, page tables and other bookkeeping */
} glia_bytes;

typedef struct glia_rates {    /* of one core; rates.c */
    double flops, integer_ops; /* a second */
    double stream, cache;      /* bytes a second: of weights and states; of activations */
    double unpack;        /* bytes a second: of weights that a split does not divide, beside their reading */
    double node, meeting; /* seconds */
} glia_rates;

typedef struct glia_plan {
    glia_arena arena;  /* owns everything below */
    glia_graph *graph; /* after the passes; owned */
    int32_t variant_count;
    glia_variant variants[GLIA_VARIANTS_MAX];
    glia_kernel_entry *kernels;
    int32_t kernel_count;
    glia_attr *attrs; /* attribute table */
    int32_t attr_count;
    glia_weight_record *weights;
    int32_t weight_count;
    glia_state_record *states;
    int32_t state_count;
    const uint8_t *table; /* constants */
    int64_t table_bytes;
    glia_bytes bytes;
    int64_t arena_lower_bound;
    glia_pass_report passes[8];
    int32_t pass_count;
    glia_rule_trace trace;
    int32_t slots;
    int32_t dim_count_max; /* of all variants */
    int64_t place_steps;   /* as asked for */
    bool plain_memory;
    glia_rates rates;
} glia_plan;

typedef struct glia_compile_options {
    const glia_os *os;
    int32_t slots;       /* at least 1 */
    uint32_t features;   /* GLIA_CPU_*, from glia_cpu_features() */
    const char *isa_max; /* force a set and those below it; null: the best */
    int64_t symbol_max;  /* the largest value that symbol 0 will take; at most its own bound */
    int32_t level;       /* of rewriting: 1 (and 0) exact rules alone, 2 also those that reassociate, 3 also
                            approximate ones */
    int32_t plain;       /* not 0: no rewriting */
    int64_t place_steps; /* of the memory planner's search; 0: its default */
    bool plain_memory;   /* no value lies in another: concat and slice copy */
} glia_compile_options;

/* Compiles a sealed graph; `source` stays the caller's and is not needed afterwards, but constants' and
 * weights' names and data pointers are copied as pointers where they point outside the graph. */
glia_status glia_compile(const glia_graph *source, const glia_compile_options *options, glia_plan **out,
                         glia_error *e);
void glia_plan_free(glia_plan *p);

/* Weights that live elsewhere: gives each weight record the address that resolve answers, of memory that holds
 * record->bytes in record->layout (packed layouts: aligned to 64) and outlives the plan. Several plans may share
 * it. Afterwards the plan's records cannot be moved, and runs need neither `weights` nor `packed`. A null address
 * is refused by the weight's name (G0230) and leaves the plan as it was. Before any lane of the plan. bind.c */
typedef const void *(*glia_weight_resolve)(void *ctx, const glia_plan *p, const glia_weight_record *record);
glia_status glia_plan_bind_weights(glia_plan *p, glia_weight_resolve resolve, void *ctx, glia_error *e);

/* The passes alone: a new graph, equal in value. keep: outlives the graph, holds what passes compute. passes.c */
glia_status glia_passes_run(const glia_graph *source, const glia_compile_options *options, glia_arena *keep,
                            glia_graph **out, glia_pass_report *reports, int32_t *report_count,
                            glia_rule_trace *trace, glia_error *e);

/* ---- between the parts of the compiler ---------------------------------------------------- */
typedef struct glia_part { /* a node's partition */
    glia_part_kind kind;
    int32_t axis;
    int64_t granule;
    int32_t phase;
} glia_part;

/* For the best instruction set that the machine and isa_max (null: any) allow, and so many bytes of weights.
 */
glia_rates glia_rates_of(uint32_t features, const char *isa_max, int64_t weight_bytes);

/* Chooses a partition and a phase for every node (views take their root's); schedule.c.
 * parts [node_count]; *phases gets the number of phases. symbols: the values for which costs are taken. */
glia_status glia_schedule(const glia_graph *g, int32_t slots, const glia_rates *rates, const int64_t *symbols,
                          glia_arena *scratch, glia_part *parts, int32_t *phases, glia_error *e);
/* What a schedule takes for other values of the symbols, in seconds. */
double glia_schedule_seconds(const glia_graph *g, int32_t slots, const glia_rates *rates,
                             const int64_t *symbols, const glia_part *parts);

typedef struct glia_buffer { /* for the planner */
    int64_t bytes;           /* rounded up to 64 */
    int32_t begin, end;      /* item times, inclusive */
    int64_t offset;          /* result */
} glia_buffer;
typedef struct glia_place_options {
    int64_t
        steps; /* of search where greedy orders do not meet the bound, of some nanoseconds each; 0: 10 million */
    int64_t enough; /* stop at this size; 0: at the bound */
} glia_place_options;
/* Returns the size of the arena, and the lower bound. options may be null. memory.c */
int64_t glia_place_buffers(glia_buffer *b, int64_t count, const glia_place_options *options,
                           glia_arena *scratch, int64_t *lower_bound, bool *failed);
/* Independent check: no two buffers alive at once overlap, all within `bytes`. False too without memory. */
bool glia_check_buffers(const glia_buffer *b, int64_t count, int64_t bytes, glia_arena *scratch);

/* Seconds of one core for a node on the given dims, arithmetic and memory apart: what the scheduler and the
 * cutting of long items go by. */
typedef struct glia_work {
    double flops, bytes;
} glia_work;
glia_work glia_node_work(const glia_op *op, const glia_rates *rates, const glia_kargs *k);

typedef struct glia_shapes { /* a node's tensors at given symbols, without data */
    glia_tensor in[GLIA_IN_MAX], out[GLIA_OUT_MAX];
    int64_t dims[GLIA_IN_MAX + GLIA_OUT_MAX][GLIA_RANK_MAX], zero[GLIA_RANK_MAX];
    glia_kargs k;
} glia_shapes;
void glia_node_shapes(const glia_graph *g, const glia_node *n, const int64_t *symbols, glia_shapes *s);
enum { GLIA_PIECE_GRANULES = 4 }; /* products run fastest on a few panels at a time */

/* Lets workers take the work of long phases from a counter, in tiles of at least about `seconds`; 0: in as
 * many as there can be, however short (for tests). tiles.c */
glia_status glia_plan_cut_tiles(const glia_plan *p, glia_variant *v, double seconds, glia_error *e);

/* One variant's records from its schedule: roots, lifetimes, offsets, records. encode.c */
typedef struct glia_node_binding { /* what is the same in every variant */
    uint32_t kernel, attrs;
    uint8_t attr_count;
    bool item; /* has an item (views and packs of weights have none) */
} glia_node_binding;
glia_status glia_encode_variant(glia_plan *p, glia_variant *v, const glia_node_binding *bind,
                                const glia_part *parts, int32_t phases, const int64_t *symbols,
                                glia_error *e);

/* The share of slot `slot` of `slots` of an axis, cut at multiples of granule. */
static inline void glia_share(int64_t size, int64_t granule, int64_t slots, int64_t slot, int64_t *begin,
                              int64_t *end)
{
    int64_t units = (size + granule - 1) / granule, b = units * slot / slots * granule,
            t = units * (slot + 1) / slots * granule;
    *begin = b < size ? b : size;
    *end = t < size ? t : size;
}

/* Proves that no item of a phase writes what another slot writes or reads; validate.c. */
glia_status glia_plan_validate(const glia_plan *p, const glia_variant *v, glia_error *e);
/* The same of one phase: GLIA_OK, what validate says of a race, or GLIA_E_NOMEM. */
glia_status glia_plan_phase_check(const glia_plan *p, const glia_variant *v, int32_t phase);

/* Sizes at the upper bound of every symbol. */
glia_status glia_value_bytes_max(const glia_graph *g, const glia_type *t, const int64_t *symbols,
                                 int64_t *out, glia_error *e);

#endif
