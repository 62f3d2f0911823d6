/* What the program and the tests see of a model beyond include/glia/model.h. */
#ifndef GLIA_LLM_MODEL_H
#define GLIA_LLM_MODEL_H

#include <glia/model.h>

#include "compile/plan.h"
#include "llm/tokenizer.h"
#include "run/lane.h"

/* Opens, builds and compiles; load false: no weights, no lane, no tokenizer; the model can only be asked
 * about. */
glia_status glia_model_prepare(const char *path, const glia_model_options *options, bool load,
                               glia_model **out, glia_error *e);

const glia_plan *glia_model_plan(const glia_model *m);
glia_lane *glia_model_lane(const glia_model *m); /* null if not loaded */
const glia_tokenizer *glia_model_tokenizer(const glia_model *m);
const struct glia_gguf *glia_model_file(const glia_model *m);
/* The options as they were filled in: no zero is left. */
const glia_model_options *glia_model_settings(const glia_model *m);

#endif
