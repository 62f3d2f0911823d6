/* What printing and parsing the text form share. */
#ifndef GLIA_GRAPH_TEXT_H
#define GLIA_GRAPH_TEXT_H

#include "graph/graph.h"

enum {
    GLIA_TEXT_DIM_MAX = 65536,
    GLIA_TEXT_NESTING_MAX = 64, /* brackets inside a dimension */
    GLIA_TEXT_LIST_MAX = 65536, /* integers of one attribute */
    GLIA_TEXT_ATTRS_MAX = 32
};

/* INTS attributes called `dims` hold dimensions, INT64_MIN standing for one that is inferred. */
bool glia_attr_holds_dims(const glia_attr_spec *s);

#endif
