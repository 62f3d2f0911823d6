/* Loading a model's weights from its file into their planned places and layouts. */
#ifndef GLIA_LLM_LOAD_H
#define GLIA_LLM_LOAD_H

#include "compile/plan.h"
#include "format/source.h"
#include "run/team.h"

/* Reads every weight of the plan, panel by panel, by all workers of the team; each has one buffer of about 1
 * MiB. GLIA_E_IO, GLIA_E_NOMEM, GLIA_E_NOT_FOUND. */
glia_status glia_load_weights(const glia_plan *p, const glia_source *source, const glia_os *os,
                              glia_team *team, void *weights, void *packed, glia_error *e);

#endif
