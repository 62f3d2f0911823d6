/* Low-rank adapters while a model's graph is built; see adapter.c. */
#ifndef GLIA_LLM_ADAPTER_H
#define GLIA_LLM_ADAPTER_H

#include "llm/arch.h"

/* Opens an adapter for this model and checks what kind of file it is. GLIA_E_FORMAT (G0550), GLIA_E_ARG, and
 * what opening a GGUF file returns. */
glia_status glia_adapter_open(const glia_os *os, const glia_adapter *given, const glia_gguf *model,
                              glia_gguf **out, glia_error *e);

/* Before the first product, and after the last: every tensor of an adapter must have met its product. */
void glia_lm_adapters_begin(glia_lm_builder *b, const glia_lm_options *o);
void glia_lm_adapters_end(glia_lm_builder *b);

#endif
