/* Any bytes as a grammar, and as a JSON schema. What is accepted is walked: the mask has exactly the tokens
 * that can be taken, a copy goes on as the original does, and all of it ends in bounded time. */
#include "fuzz.h"
#include "grammar_texts.h"

#include "llm/grammar.h"

enum { BYTES = 128, PIECES = 8, TOKENS = BYTES + PIECES + 1, END = TOKENS - 1 };

static glia_vocab_tree *vocabulary(void)
{
    static const char *const pieces[PIECES] = {"ab",  "aaa",  "\xc3\xa4", "{\"",
                                               "\":", "true", "\xe2\x82", "xx"};
    static char bytes[BYTES];
    grammar_token t[TOKENS] = {{0}};
    glia_vocab_tree *v = NULL;
    for (int i = 0; i < BYTES; i++) {
        bytes[i] = (char)i;
        t[i] = (grammar_token){bytes + i, 1, false};
    }
    for (int i = 0; i < PIECES; i++)
        t[BYTES + i] = (grammar_token){pieces[i], (int64_t)strlen(pieces[i]), false};
    t[END].ends = true;
    FUZZ_CHECK(!glia_vocab_tree_from_tokens(NULL, t, TOKENS, &v, NULL));
    return v;
}

static bool bit(const uint64_t *bits, int64_t i) { return bits[i >> 6] >> (i & 63) & 1; }

static void walk(const glia_grammar *g, uint64_t seed)
{
    glia_matcher *m = NULL, *copy = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (glia_matcher_create(NULL, g, &m, &e)) {
        FUZZ_CHECK(!strcmp(e.code, "G0657"));
        return;
    }
    FUZZ_CHECK(!glia_matcher_create(NULL, g, &copy, NULL));
    for (int step = 0; step < 24; step++) {
        const uint64_t *bits;
        int32_t allowed[TOKENS], count = 0;
        if (glia_matcher_mask(m, &bits, &e)) break; /* the budget */
        for (int32_t id = 0; id < TOKENS; id++)
            if (bit(bits, id)) allowed[count++] = id;
        FUZZ_CHECK(bit(bits, END) == glia_matcher_can_end(m));
        for (int i = 0; i < 3; i++) { /* three tokens, allowed or not */
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const int32_t id = (int32_t)((seed >> 33) % TOKENS);
            glia_matcher_copy(copy, m);
            const glia_status st = glia_matcher_accept(copy, id, NULL);
            FUZZ_CHECK(st == GLIA_E_LIMIT || !st == bit(bits, id));
        }
        if (!count) break;
        glia_matcher_copy(copy, m);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const int32_t id = allowed[(seed >> 33) % (uint64_t)count];
        const glia_status st = glia_matcher_accept(m, id, NULL);
        FUZZ_CHECK(glia_matcher_accept(copy, id, NULL) == st);
        FUZZ_CHECK(!st || st == GLIA_E_LIMIT);
        FUZZ_CHECK(glia_matcher_can_end(m) == glia_matcher_can_end(copy));
        if (st || id == END) break;
    }
    glia_matcher_destroy(m);
    glia_matcher_destroy(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static glia_vocab_tree *v;
    glia_grammar *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    uint64_t seed = 1469598103934665603u;
    if (!v) v = vocabulary();
    if (size > 16384) size = 16384; /* a budget is large: many long rules take long to walk */
    for (size_t i = 0; i < size; i++) seed = (seed ^ data[i]) * 1099511628211u;
    const bool schema = size && (data[0] == '{' || data[0] == '[');
    const glia_status st = schema
                               ? glia_grammar_create_json_schema(v, (const char *)data, (int64_t)size, &g, &e)
                               : glia_grammar_create(v, (const char *)data, (int64_t)size, &g, &e);
    FUZZ_CHECK(!st == (g != NULL));
    if (st) FUZZ_CHECK(e.status == st && e.text[0] && glia_explain(e.code));
    else walk(g, seed);
    glia_grammar_destroy(g);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const schemas[] = {
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":1200},"
        "\"b\":{\"type\":"
        "\"string\",\"pattern\":\"^[a-c]+\\\\d{2,3}(x|y)?$\"},\"c\":{\"$ref\":\"#/$defs/"
        "d\"}},\"required\":[\"a\"],"
        "\"additionalProperties\":{\"type\":\"null\"},\"$defs\":{\"d\":{\"anyOf\":[{\"type\":\"array\","
        "\"items\":{\"$ref\":"
        "\"#\"},\"minItems\":1,\"maxItems\":3},{\"enum\":[1,\"x\",null]}]}}}",
        "{\"allOf\":[{\"type\":[\"object\",\"string\"],\"properties\":{\"k\":{\"const\":[1]}}},{"
        "\"minLength\":1,"
        "\"maxLength\":4}],\"title\":\"t\"}",
        "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":9},{"
        "\"format\":"
        "\"uuid\"}],\"items\":{\"oneOf\":[{\"type\":\"boolean\"},{\"type\":\"null\"}]},\"minItems\":1}",
    };
    const int grammars = (int)(sizeof grammar_cases / sizeof grammar_cases[0]);
    if (i >= grammars + 3) return -1;
    const char *text = i < grammars ? grammar_cases[i].grammar : schemas[i - grammars];
    const int64_t n = (int64_t)strlen(text);
    memcpy(out, text, (size_t)n);
    return n;
}
#endif
