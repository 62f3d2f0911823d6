/* What passes share: a rebuild in progress. */
#ifndef GLIA_COMPILE_PASSES_H
#define GLIA_COMPILE_PASSES_H

#include "compile/plan.h"

struct glia_rule; /* rules.h */

typedef struct glia_rewrite {
    const glia_graph *src;
    glia_graph *dst;
    glia_arena scratch;
    glia_arena *keep; /* outlives the graphs: data of weights that passes make */
    glia_value *map;  /* by value id of src: the value in dst */
    uint8_t *live;    /* by node of src */
    int32_t *next;    /* cse: chains of dst nodes with one hash, index + 1 */
    int32_t *heads;
    int64_t head_count;
    uint8_t *packable;    /* pack: by value id of src */
    const int32_t *order; /* in which the nodes are taken; null: as they are */
    int32_t changes;
    const glia_compile_options *options;
    void *own; /* the pass's */
} glia_rewrite;

/* Answers a node: true when the outputs are mapped already. */
typedef bool (*glia_rewrite_fn)(glia_rewrite *r, const glia_node *n, const glia_value *in);

typedef struct glia_pass {
    const char *name;
    bool (*begin)(glia_rewrite *r); /* may be null */
    glia_rewrite_fn node;
    bool (*wanted)(const glia_graph *g); /* false: there is nothing to do, and no rebuild; null: always */
} glia_pass;

glia_value glia_rewrite_mapped(glia_rewrite *r, glia_value v);
/* The attributes of a node as arguments again, in r->scratch; null: no memory. */
glia_attr_arg *glia_rewrite_attrs(glia_rewrite *r, const glia_node *n);
/* own: handed to the pass. */
glia_status glia_passes_rebuild(const glia_graph *src, const glia_pass *p, const glia_compile_options *o,
                                glia_arena *keep, void *own, glia_graph **out, int32_t *changes,
                                glia_error *e);

/* Marks what outputs and states need, by node; null: no memory. */
uint8_t *glia_graph_live(const glia_graph *g, glia_arena *scratch);

/* An order of the nodes that keeps fewer bytes alive at the given symbols, in `a`; null: none is worth it.
 * order.c */
const int32_t *glia_order_nodes(const glia_graph *g, const int64_t *symbols, glia_arena *a);

/* Runs the rules to a fixed point. *graph, if there is one, is what they begin from instead of the source, and is
 * destroyed when another takes its place. keep: the plan's arena. only: one rule alone; null: all. rules.c */
glia_status glia_rules_run(const glia_graph *source, const glia_compile_options *o, glia_arena *keep,
                           glia_graph **graph, const struct glia_rule *only, glia_rule_trace *trace,
                           int32_t *fired, glia_error *e);

#endif
