/* Loading a model's weights from its file into their planned places and layouts. */
#ifndef GLIA_RUN_LOAD_H
#define GLIA_RUN_LOAD_H

#include "compile/plan.h"
#include "format/source.h"
#include "run/team.h"

/* Reads every weight of the plan from the first of the sources, and those called "loraN:name" from source N
 * + 1.
 */
glia_status glia_load_weights(const glia_plan *p, const glia_source *sources, int32_t count,
                              const glia_os *os, glia_team *team, void *weights, void *packed, glia_error *e);
/* The same of those weights i with wanted[i] (null: all). Weights that were bound (glia_plan_bind_weights) go to their
 * own addresses; the others below `weights` and `packed`. */
glia_status glia_load_some(const glia_plan *p, const glia_source *sources, int32_t count, const glia_os *os,
                           glia_team *team, void *weights, void *packed, const bool *wanted, glia_error *e);

#endif
