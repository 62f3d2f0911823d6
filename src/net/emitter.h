/* The state of an emission, for the files that drive it (emit.c, emit_nodes.c, ops_control.c). */
#ifndef GLIA_NET_EMITTER_H
#define GLIA_NET_EMITTER_H

#include "net/internal.h"
#include "ops/box.h"

typedef struct glia_emit_several { /* a node of several outputs that was evaluated */
    uint32_t first;
    glia_value out[GLIA_OUT_MAX];
    struct glia_emit_several *next;
} glia_emit_several;

typedef struct glia_emit_pair { /* a weight, and the weight that is it with its last two axes swapped */
    uint32_t plain, swapped;
    struct glia_emit_pair *next;
} glia_emit_pair;

struct glia_emit {
    glia_net *net;
    const glia_net_block *block;
    glia_net_part *part;
    glia_graph *g;
    glia_arena scratch;
    const glia_net_node *node; /* at hand */
    glia_value *map;           /* by slot */
    int64_t input_capacity;
    glia_status status; /* an error; else `end` may say why the part ends before the node */
    enum { GLIA_EMIT_ON, GLIA_EMIT_NEED, GLIA_EMIT_HOST } end;
    const char *why;
    glia_error *error;
    bool typed_only, computes;
    int64_t names, folded_bytes;
    glia_emit_several *several;
    glia_emit_pair *pairs;
};

glia_type glia_emit_type_of_dims(glia_dtype t, int rank, const int64_t *dims);
glia_value glia_emit_slot(glia_emit *m, int32_t slot);
/* One node, also of a body that is written out into the part. False: the emission ends before it. */
bool glia_emit_one(glia_emit *m, const glia_net_node *n);

#endif
