/* A network's weights as a source for loading: tensors of the file, tensors with their axes swapped ("NAME^T"), and
 * what emission has computed. */
#ifndef GLIA_NET_WEIGHTS_H
#define GLIA_NET_WEIGHTS_H

#include "run/load.h"
#include "format/source.h"
#include "net/internal.h"

typedef struct glia_net_weights {
    const glia_onnx *file;
    const glia_net_slot *slots;
    int64_t slot_count;
    const glia_graph *graph; /* whose values may hold their data */
} glia_net_weights;

/* Borrows w. */
glia_source glia_net_weights_source(const glia_net_weights *w);

#endif
