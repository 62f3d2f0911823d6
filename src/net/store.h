/* Weights that the plans of a network share. */
#ifndef GLIA_NET_STORE_H
#define GLIA_NET_STORE_H

#include "net/internal.h"

struct glia_net_weight {
    glia_net_weight *next;
    void *data;
    int64_t room, text;
    int layout;
    bool fresh; /* has memory, and is not read yet */
    char name[];
};

/* Gives every weight of the part's plan its memory, and reads those that are new. G0230 where there is none. */
glia_status glia_net_store_bind(glia_net *net, glia_net_part *p, glia_error *e);
void glia_net_store_free(glia_net *net, glia_net_weight *w);

#endif
