/* JSON schema to grammar. */
#include "base/error.h"
#include "llm/grammar.h"

glia_status glia_grammar_create_json_schema(const glia_vocab_tree *v, const char *text, int64_t size,
                                            glia_grammar **out, glia_error *e)
{
    (void)v, (void)text, (void)size, (void)out;
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0661", "JSON schemas");
}
