/* Networks from inside: a linked model, its parts, and what a run keeps.
 *
 * Linking (link.c) gives every name of the file a *slot*: one per value of each graph and of each place where a
 * function of the model is used, since functions are written out where they stand. A *block* is a list of nodes: the
 * model's graph or a body. A *part* is a plan for consecutive nodes of a block and given shapes of what they read. */
#ifndef GLIA_NET_INTERNAL_H
#define GLIA_NET_INTERNAL_H

#include <glia/net.h>

#include "compile/plan.h"
#include "format/onnx.h"
#include "net/emit.h"
#include "net/host.h"
#include "net/object.h"
#include "run/lane.h"

enum {
    GLIA_NET_DEPTH = 64,       /* of bodies and functions within each other */
    GLIA_NET_ARGS = 4096,      /* inputs or outputs of one node */
    GLIA_NET_CALL_SLOTS = 64,  /* inputs and outputs of glia_host_call */
    GLIA_NET_KEY_MAX = 1 << 20 /* bytes of a value that decides a plan */
};

typedef struct glia_net_block glia_net_block;
typedef struct glia_net_part glia_net_part;
typedef struct glia_net_weight glia_net_weight;

typedef struct glia_net_node {
    const char *name; /* for messages: the file's, or the operator with a number */
    const char *op_name, *domain;
    const glia_net_op *op;
    int64_t version;
    const int32_t *in, *out; /* slots; -1: absent */
    int32_t in_count, out_count, attr_count, body_count;
    const glia_onnx_attr *const *attrs; /* references resolved */
    glia_net_block *bodies;             /* one per attribute that holds a graph, in the attributes' order */
    const char **body_attrs;            /* [body_count] their names */
} glia_net_node;

typedef struct glia_net_slot {
    const char *name;                    /* unique among slots */
    const glia_onnx_tensor *initializer; /* or null */
    const glia_net_block *owner;
    int32_t last_use; /* node of the owner that reads it last; -1 none; INT32_MAX the block's end */
    bool typed;       /* `type` is known before a run (opening a network of fixed shapes) */
    glia_type type;
    glia_object *value; /* a reference while it is alive */
} glia_net_slot;

struct glia_net_block {
    const glia_onnx_graph *graph; /* null for calls */
    glia_net_node *nodes;
    int64_t node_count, node_capacity;
    const int32_t *in, *out;
    int32_t in_count, out_count;
    glia_net_part **parts; /* [node_count] by first node: those that were built, newest first */
};

typedef struct glia_net_part_input {
    int32_t slot;
    const char *name; /* in the plan's graph */
    glia_type type;
    const void *key; /* the plan holds for these numbers alone; null: for any */
    int64_t bytes;
    bool used; /* the plan reads it */
    void *to;  /* where it is written for a run */
} glia_net_part_input;

typedef struct glia_net_part_output {
    int32_t slot;
    glia_type type;
    int64_t bytes;
    int32_t same;       /* slot whose value it is, unchanged; -1: none */
    glia_object *fixed; /* known before the run, or null */
    const void *from;   /* where the plan leaves it */
} glia_net_part_output;

struct glia_net_part {
    glia_net_part *next;
    glia_arena arena;   /* owns this and what follows */
    int32_t begin, end; /* nodes; end == begin: the first node runs on objects */
    glia_net_part_input *inputs;
    glia_net_part_output *outputs;
    int32_t input_count, output_count;
    glia_plan *plan; /* null: nothing is left to compute */
    glia_lane *lane;
    glia_net_weight *weights; /* of its own */
    const char *why;          /* why it ends where it ends */
    int64_t bytes;            /* memory of plan and lane */
};

struct glia_net {
    glia_arena arena;
    glia_net_options options;
    const struct glia_custom_ops *custom; /* operations from outside, or null */
    const glia_net_op *custom_rows;       /* [custom->count] */
    glia_onnx *file;                      /* null: a graph built by hand */
    const glia_graph *graph;
    glia_net_slot *slots; /* [slot_count + GLIA_NET_CALL_SLOTS] */
    int64_t slot_count, slot_capacity;
    glia_net_block main;
    glia_port *inputs, *outputs;
    int32_t *input_slots; /* of the block; graph: value ids */
    int32_t input_count, output_count;
    bool *given;              /* [input_count] what the last run was given for inputs with a default */
    glia_team *team;          /* of all lanes */
    glia_net_weight *weights; /* of all parts */
    glia_net_part *whole;     /* the one part that is the network, or null */
    bool ready;               /* whole: its memory exists, and every output is the plan's */
    _Atomic uint32_t busy;
    int64_t part_count;
    glia_account *account; /* objects of runs are charged to it */
    int32_t call_top;      /* call slots in use */
    int64_t *symbols;      /* graph */
    /* of the run at hand */
    const glia_net_run_options *run;
    int64_t ticks;
};

/* link.c: names to slots; GLIA_E_UNSUPPORTED for operators that are not built. */
glia_status glia_net_link(glia_net *net, glia_error *e);

/* emit.c: a part that begins at node `begin`. What its inputs are follows from the slots. When the emission cannot
 * pass the first node, the part is empty (end == begin). typed_only: nothing has values yet. */
glia_status glia_net_emit(glia_net *net, glia_net_block *b, int32_t begin, bool typed_only,
                          glia_net_part **out, glia_error *e);

/* part.c */
glia_status glia_net_part_finish(glia_net *net, glia_net_part *p, const glia_graph *g,
                                 glia_error *e); /* compile, load */
void glia_net_part_free(glia_net *net, glia_net_part *p);
/* A kept part for what the slots hold now, or null. */
glia_net_part *glia_net_part_find(const glia_net *net, const glia_net_block *b, int32_t begin);
glia_status glia_net_part_run(glia_net *net, glia_net_part *p, glia_error *e);
/* A reference to what a slot holds, also an initializer; null with an error. */
glia_object *glia_net_slot_object(glia_net *net, int32_t slot, glia_error *e);
/* An initializer as an object; null with an error. */
glia_object *glia_net_initializer(glia_net *net, const glia_onnx_tensor *t, glia_error *e);
glia_status glia_net_run_graph(glia_net *net, glia_object *const *in, glia_object **out, glia_error *e);
/* The part that is a whole graph built by hand. */
glia_status glia_net_part_of_graph(glia_net *net, glia_error *e);
void glia_net_flush(glia_net *net, glia_net_block *b);

/* custom.c: rows of operators for the options' operations from outside, and finding one. */
glia_status glia_net_custom(glia_net *net, glia_error *e);
const glia_net_op *glia_net_custom_find(const glia_net *net, const char *domain, const char *name);

/* host.c */
/* Why an object could not be made: the limit or the os. */
glia_status glia_net_no_object(glia_net *net, glia_error *e);
/* One operator on objects; n without slots. out[] gets references. */
glia_status glia_net_call(glia_net *net, glia_net_node *n, glia_object *const *in, glia_object **out,
                          glia_error *e);
glia_status glia_net_host_node(glia_net *net, const glia_net_node *n, glia_error *e);

/* net.c */
glia_status glia_net_run_block(glia_net *net, glia_net_block *b, glia_error *e);
void glia_net_slot_set(glia_net *net, int32_t slot,
                       glia_object *o); /* takes the reference, drops the old one */
/* Cancellation, deadline, and the limit of nodes. */
glia_status glia_net_tick(glia_net *net, glia_error *e);
const char *glia_net_object_text(const glia_object *o, char *buf, int size); /* "f32[2, 3]" */

/* The attribute of a node, or null. */
const glia_onnx_attr *glia_net_node_attr(const glia_net_node *n, const char *name);

#endif
