/* Everything that the library exports. */
#ifndef GLIA_GLIA_H
#define GLIA_GLIA_H

#include "status.h"
#include "os.h"
#include "dtype.h"
#include "graph.h"
#include "op.h"
#include "chat.h"
#include "model.h"
#include "convert.h"
#include "sampler.h"
#include "net.h"
#include "tensors.h"

#endif
