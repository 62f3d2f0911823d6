/* Grammars: tables of texts that a grammar has and has not, taken byte by byte and in any cut into tokens;
 * the mask of allowed tokens against taking every token in turn; grammars that are refused, with the place;
 * hostile ones, which must end with an error and not with patience; JSON schemas. */
#include "check.h"
#include "fault_os.h"
#include "grammar_texts.h"

#include "base/rng.h"
#include "llm/grammar.h"

/* ---- a vocabulary: all bytes, the pieces below, and two tokens that end */

static const char *const pieces[] = {
    "ab",   "bc",    "abc", "aa", "aaa", "{\"",  "\":",      ": ",       "true",     "}}",
    "]]",   "[[",    "yes", "no", "xx",  "\xa4", "\xc3\xa4", "\x82\xac", "\xf0\x9f", "\x98\x80\n",
    ", \"", "\\u00", "1",   "12", " a",  "\n  ", "null",     "(a",       ") ",       "00"};
enum { PIECES = (int)(sizeof pieces / sizeof pieces[0]), TOKENS = 256 + PIECES + 3, END = TOKENS - 2 };

static glia_vocab_tree *vocabulary(const glia_os *os)
{
    static char bytes[256];
    grammar_token t[TOKENS] = {{0}};
    glia_vocab_tree *v = NULL;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        t[i] = (grammar_token){bytes + i, 1, false};
    }
    for (int i = 0; i < PIECES; i++)
        t[256 + i] = (grammar_token){pieces[i], (int64_t)strlen(pieces[i]), false};
    t[END].ends = t[END + 1].ends = true; /* the token before them has no text and does not end */
    glia_vocab_tree_from_tokens(os, t, TOKENS, &v, NULL);
    return v;
}

static glia_grammar *compile(const glia_vocab_tree *v, const char *text)
{
    glia_grammar *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (glia_grammar_create(v, text, (int64_t)strlen(text), &g, &e))
        fprintf(stderr, "%s\n%s: %s\n", text, e.code, e.text);
    CHECK(g != NULL);
    return g;
}

static glia_matcher *matcher(const glia_grammar *g)
{
    glia_matcher *m = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (glia_matcher_create(NULL, g, &m, &e)) fprintf(stderr, "%s: %s\n", e.code, e.text);
    CHECK(m != NULL);
    return m;
}

static bool bit(const uint64_t *bits, int64_t i) { return bits[i >> 6] >> (i & 63) & 1; }

/* Does the vocabulary's token `id` begin text? Its size, or 0. */
static int64_t begins(const glia_vocab_tree *v, int32_t id, const char *text)
{
    const int64_t size = v->begin[id + 1] - v->begin[id];
    return size && !strncmp(text, v->bytes + v->begin[id], (size_t)size) ? size : 0;
}

/* Takes text in tokens that r chooses; every token taken must have been in the mask. */
static bool take_tokens(glia_matcher *m, const glia_vocab_tree *v, const char *text, glia_rng *r)
{
    while (*text) {
        const uint64_t *bits;
        int32_t chosen = (uint8_t)*text;
        for (int32_t id = 256; id < TOKENS; id++)
            if (begins(v, id, text) && glia_rng_below(r, 2)) chosen = id;
        const bool listed = !glia_matcher_mask(m, &bits, NULL) && bit(bits, chosen);
        const bool taken = !glia_matcher_accept(m, chosen, NULL);
        CHECK(listed == taken);
        if (!taken) return false;
        text += begins(v, chosen, text);
    }
    return true;
}

static void case_texts(const grammar_case *c, const glia_vocab_tree *v)
{
    glia_grammar *g = compile(v, c->grammar);
    glia_matcher *m = g ? matcher(g) : NULL;
    glia_rng r = {5, 0, 0};
    for (int i = 0; m && i < 10; i++) {
        for (int yes = 0; yes < 2; yes++) {
            const char *text = yes ? c->yes[i] : c->no[i];
            const bool whole = !strchr(c->grammar, '<'); /* tokens by name: the cut matters */
            for (int round = 0; text && round < (whole ? 20 : 1); round++) {
                glia_matcher_reset(m);
                bool taken = true;
                if (round == 0)
                    for (const char *at = text; *at && taken; at++)
                        taken = !glia_matcher_accept(m, (uint8_t)*at, NULL);
                else taken = take_tokens(m, v, text, &r);
                const bool has = taken && glia_matcher_can_end(m);
                if (has != (bool)yes)
                    fprintf(stderr, "%s\ntext %s: %s\n", c->grammar, text, yes ? "not taken" : "taken");
                CHECK(has == (bool)yes);
                if (!has) continue;
                CHECK_I64(glia_matcher_accept(m, END, NULL), GLIA_OK);
                CHECK(glia_matcher_done(m));
                CHECK_I64(glia_matcher_accept(m, END, NULL), GLIA_E_GUARD);
            }
        }
    }
    glia_matcher_destroy(m);
    glia_grammar_destroy(g);
}

static void texts_of_grammars(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof grammar_cases / sizeof grammar_cases[0]; i++)
        case_texts(&grammar_cases[i], v);
    glia_vocab_tree_destroy(v);
}

/* At every place of every text: the mask has exactly the tokens that can be taken. */
static void masks_are_what_can_be_taken(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof grammar_cases / sizeof grammar_cases[0]; i++) {
        glia_grammar *g = compile(v, grammar_cases[i].grammar);
        glia_matcher *m = matcher(g), *trial = matcher(g);
        for (int k = 0; k < 3 && grammar_cases[i].yes[k]; k++) {
            glia_matcher_reset(m);
            for (const char *at = grammar_cases[i].yes[k];; at++) {
                const uint64_t *bits;
                CHECK_I64(glia_matcher_mask(m, &bits, NULL), GLIA_OK);
                for (int32_t id = 0; id < TOKENS; id++) {
                    glia_matcher_copy(trial, m);
                    CHECK(bit(bits, id) == !glia_matcher_accept(trial, id, NULL));
                }
                if (!*at || glia_matcher_accept(m, (uint8_t)*at, NULL)) break;
            }
        }
        glia_matcher_destroy(m);
        glia_matcher_destroy(trial);
        glia_grammar_destroy(g);
    }
    glia_vocab_tree_destroy(v);
}

static void refused_with_their_place(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof grammar_refused / sizeof grammar_refused[0]; i++) {
        const char *text = grammar_refused[i].grammar;
        glia_grammar *g = NULL;
        glia_error e = GLIA_ERROR_INIT;
        const glia_status st = glia_grammar_create(v, text, (int64_t)strlen(text), &g, &e);
        CHECK(st && !g);
        CHECK_STR(e.code, grammar_refused[i].code);
        if (!strstr(e.text, grammar_refused[i].place)) fprintf(stderr, "%s\n%s\n", text, e.text);
        CHECK(strstr(e.text, grammar_refused[i].place));
        CHECK(glia_explain(e.code));
    }
    glia_grammar *g;
    CHECK_I64(glia_grammar_create(NULL, "", 0, &g, NULL), GLIA_E_ARG);
    CHECK_I64(glia_grammar_create(v, NULL, 1, &g, NULL), GLIA_E_ARG);
    CHECK_I64(glia_grammar_create(v, "", -1, &g, NULL), GLIA_E_ARG);
    CHECK_I64(glia_grammar_create(v, "", 0, NULL, NULL), GLIA_E_ARG);
    glia_vocab_tree_destroy(v);
}

/* ---- hostile grammars */

static char *repeated(const char *head, const char *part, int64_t times, const char *tail)
{
    const size_t size = strlen(part);
    char *s = malloc(strlen(head) + size * (size_t)times + strlen(tail) + 1);
    char *at = s + sprintf(s, "%s", head);
    for (int64_t i = 0; i < times; i++, at += size) memcpy(at, part, size);
    strcpy(at, tail);
    return s;
}

static void deep_and_long_grammars(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    static const struct {
        const char *head, *part, *tail, *code;
    } t[] = {
        {"root ::= ", "(", "\"x\"", "G0654"},   {"root ::= \"x\"", "*", "", "G0650"},
        {"root ::= ", "\"x\" | ", "\"y\"", ""}, {"root ::= ", "\"x\"? ", "\"y\"", ""},
        {"root ::= ", "\n", "\"y\"", ""},       {"root ::= \"", "\xc3\xa4", "\"", ""},
        {"root ::= [", "\xc3\xa4", "]", ""},    {"root ::= ", "root ", "", "G0652"},
        {"#", "#", "\nroot ::= \"x\"", ""},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char *text = repeated(t[i].head, t[i].part, 80000, t[i].tail);
        glia_grammar *g = NULL;
        glia_error e = GLIA_ERROR_INIT;
        glia_grammar_create(v, text, (int64_t)strlen(text), &g, &e);
        CHECK_STR(e.code, t[i].code);
        glia_grammar_destroy(g);
        free(text);
    }
    glia_vocab_tree_destroy(v);
}

/* Rules that call each other in a row: 10^4 of them, then a cycle of as many. */
static void chains_and_cycles(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    enum { RULES = 10000 };
    char *text = malloc(RULES * 32 + 64);
    for (int cycle = 0; cycle < 2; cycle++) {
        char *at = text + sprintf(text, "root ::= r0\n");
        for (int i = 0; i < RULES; i++) at += sprintf(at, "r%d ::= r%d \"x\"?\n", i, i + 1);
        sprintf(at, "r%d ::= %s\n", RULES, cycle ? "\"y\" | r0" : "\"y\"");
        glia_grammar *g = NULL;
        glia_matcher *m = NULL;
        glia_error e = GLIA_ERROR_INIT;
        glia_grammar_create(v, text, (int64_t)strlen(text), &g, &e);
        CHECK_STR(e.code, cycle ? "G0652" : "");
        /* Ten thousand rules open at once are more than the room of one closure: an error, not a crash. */
        if (g) CHECK_I64(glia_matcher_create(NULL, g, &m, &e), GLIA_E_LIMIT);
        glia_matcher_destroy(m);
        glia_grammar_destroy(g);
    }
    free(text);
    glia_vocab_tree_destroy(v);
}

/* Long texts: the pools are full many times over, and what is dropped must not be missed. */
static void long_texts(void)
{
    static const struct {
        const char *grammar, *open, *close;
        int64_t times;
    } t[] = {
        {"root ::= \"(\" root \")\" | \"x\"", "(", ")", 5000},
        {"root ::= a\na ::= \"(\" a \")\" | \"(\" b \")\" | \"x\"\nb ::= \"(\" a \")\" | \"(\" b \"]\"", "(",
         ")", 300},
        {"root ::= ([a-z] [a-z]? | \"ab\" \"cd\")* \"x\"", "abcd", "", 20000},
        {"root ::= ws \"x\"\nws ::= (\" \" ws)?", " ", "", 50000},
        {"root ::= [a-z]{0,9000} \"x\"", "a", "", 8000},
    };
#ifdef GLIA_HOSTILE
    const int64_t shorter = 20; /* nesting takes places, and there are few of them */
#else
    const int64_t shorter = 1;
#endif
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        glia_grammar *g = compile(v, t[i].grammar);
        glia_matcher *m = g ? matcher(g) : NULL;
        char *begin = repeated("", t[i].open, t[i].times / shorter, "x"),
             *end = repeated("", t[i].close, t[i].times / shorter, "");
        glia_error e = GLIA_ERROR_INIT;
        if (m) {
            CHECK_I64(glia_matcher_accept_bytes(m, begin, (int64_t)strlen(begin), &e), GLIA_OK);
            if (e.code[0]) fprintf(stderr, "%s: %s\n", t[i].grammar, e.text);
            if (*end) CHECK(!glia_matcher_can_end(m));
            CHECK_I64(glia_matcher_accept_bytes(m, end, (int64_t)strlen(end), NULL), GLIA_OK);
            CHECK(glia_matcher_can_end(m));
        }
        free(begin);
        free(end);
        glia_matcher_destroy(m);
        glia_grammar_destroy(g);
    }
    glia_vocab_tree_destroy(v);
}

/* Every allocation refused in turn. */
static void memory_may_run_out(void)
{
    for (int64_t n = 1, done = 0; n < 500 && !done; n++) {
        struct fault_os f;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, false);
        glia_vocab_tree *v = vocabulary(&f.os);
        glia_grammar *g = NULL;
        glia_matcher *m = NULL;
        glia_status st = GLIA_OK;
        if (v)
            st = glia_grammar_create(v, grammar_cases[2].grammar, (int64_t)strlen(grammar_cases[2].grammar),
                                     &g, NULL);
        if (g) st = glia_matcher_create(&f.os, g, &m, NULL);
        CHECK(f.failed ? !m && (!v || st == GLIA_E_NOMEM) : m != NULL);
        done = !f.failed;
        const int64_t calls = f.calls_any;
        const uint64_t *bits;
        if (m) CHECK_I64(glia_matcher_mask(m, &bits, NULL), GLIA_OK);
        if (m) CHECK_I64(glia_matcher_accept(m, 'a', NULL), GLIA_OK);
        CHECK_I64(f.calls_any, calls);
        glia_matcher_destroy(m);
        glia_grammar_destroy(g);
        glia_vocab_tree_destroy(v);
        CHECK(fault_os_clean(&f));
    }
}

/* ---- JSON schemas */

#define S(text) "\"" text "\""
static const struct {
    const char *schema, *yes[8], *no[8];
} schemas[] = {
    {"true",
     {"1", "{\"a\": [null, \"\\u00e4\"]}", "\"x\"", "-0.5e+3", "[]", "[ 1, 2 ]"},
     {"", "01", "{a:1}", "nul", "[1,]", S("\\ud800")}},
    {"{\"type\":\"integer\",\"minimum\":-17,\"maximum\":105}",
     {"-17", "-10", "-9", "-1", "0", "99", "100", "105"},
     {"-18", "-20", "106", "110", "-0", "00", "1.0", "1000"}},
    {"{\"type\":\"integer\",\"minimum\":1,\"exclusiveMaximum\":1000000}",
     {"1", "999999", "345", "100000"},
     {"0", "1000000", "-1"}},
    {"{\"type\":\"number\",\"minimum\":0,\"exclusiveMaximum\":2}",
     {"0", "0.5", "1.25", "1"},
     {"2", "2.5", "-0.5", "1.5e3"}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {S("ab"), S("\xc3\xa4\xe2\x82\xac"), S("\\n\\u00e4x")},
     {S("a"), S("abcd"), S("a\n"), "ab", S("\\x")}},
    {"{\"type\":\"string\",\"pattern\":\"^(a|bc)+-\\\\d{2}$\"}",
     {S("a-12"), S("abca-00")},
     {S("-12"), S("a-1"), S("a-123"), S("xa-12")}},
    {"{\"type\":\"string\",\"pattern\":\"b\"}", {S("b"), S("abc"), S("\\\"b")}, {S("a"), S("")}},
    {"{\"type\":\"string\",\"format\":\"date\"}",
     {S("2024-02-28"), S("1999-12-01")},
     {S("2024-13-01"), S("2024-1-1"), S("2024-00-10")}},
    {"{\"enum\":[\"a\",1,{\"b\":[]}]}", {S("a"), "1", "{\"b\":[]}"}, {"2", "a", "{}"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":2}",
     {"[null]", "[null, null]", "[ null ]"},
     {"[]", "[null,null,null]", "[1]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"},{\"type\":\"boolean\"}]}",
     {"[]", "[null]", "[null, true]"},
     {"[true]", "[null,true,1]"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"boolean\"},\"c\":{"
     "\"type\":\"null\"}},\"required\":[\"b\"]}",
     {"{\"b\":true}", "{\"a\":null,\"b\":true}", "{\"b\":false, \"c\":null}",
      "{ \"a\": null, \"b\": true, \"c\": null }"},
     {"{}", "{\"a\":null}", "{\"a\":null,\"c\":null}", "{\"b\":true,}", "{,\"b\":true}",
      "{\"b\":true,\"d\":1}"}},
    {"{\"type\":\"object\",\"properties\":{\"ab\":{\"type\":\"null\"},\"abc\":{\"type\":\"null\"}},"
     "\"additionalProperties\":{\"type\":\"boolean\"}}",
     {"{}", "{\"ab\":null}", "{\"a\":true}", "{\"abd\":true}", "{\"abcd\":true, \"x\":false}",
      "{\"abc\":null,\"\":true}"},
     {"{\"ab\":true}", "{\"abc\":true}", "{\"a\":null}", "{\"\\u0061b\":true}"}},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}",
     {"null", "[]", "[null,[[null]]]"},
     {"[1]", "[[]"}},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},{\"properties\":{"
     "\"a\":{\"maximum\":3,\"minimum\":2}}}]}",
     {"{\"a\":2}", "{\"a\":3}"},
     {"{}", "{\"a\":4}", "{\"a\":1}"}},
};

static const struct {
    const char *schema, *code;
} schemas_refused[] = {
    {"{\"not\":{}}", "G0661"},
    {"{\"type\":\"string\",\"minLenght\":3}", "G0661"},
    {"{\"if\":{}}", "G0661"},
    {"{\"properties\":{\"a\":{\"patternProperties\":{}}}}", "G0661"},
    {"{\"uniqueItems\":true}", "G0661"},
    {"{\"multipleOf\":2}", "G0661"},
    {"{\"type\":\"string\",\"format\":\"iri\"}", "G0661"},
    {"{\"type\":\"string\",\"pattern\":\"a\",\"minLength\":3}", "G0661"},
    {"{\"enum\":[1],\"minimum\":3}", "G0661"},
    {"{\"type\":\"integer\",\"minimum\":1e300}", "G0661"},
    {"{\"items\":[{}]}", "G0661"},
    {"{\"type\":\"thing\"}", "G0660"},
    {"{\"type\":7}", "G0660"},
    {"{\"enum\":7}", "G0660"},
    {"{\"anyOf\":[]}", "G0660"},
    {"{\"properties\":[]}", "G0660"},
    {"{\"required\":\"a\"}", "G0660"},
    {"{\"required\":[1]}", "G0660"},
    {"{\"type\":\"string\",\"minLength\":-1}", "G0660"},
    {"{\"type\":\"string\",\"minLength\":1.5}", "G0660"},
    {"{\"minimum\":\"1\"}", "G0660"},
    {"7", "G0660"},
    {"false", "G0662"},
    {"{\"enum\":[]}", "G0662"},
    {"{\"enum\":[1],\"type\":\"string\"}", "G0662"},
    {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "G0662"},
    {"{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", "G0662"},
    {"{\"minLength\":3,\"maxLength\":2}", "G0662"},
    {"{\"minItems\":3,\"maxItems\":2}", "G0662"},
    {"{\"minItems\":1,\"items\":false}", "G0662"},
    {"{\"required\":[\"a\"],\"additionalProperties\":false}", "G0662"},
    {"{\"properties\":{\"a\":false},\"required\":[\"a\"]}", "G0662"},
    {"{\"anyOf\":[false]}", "G0662"},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "G0661"},
    {"{\"oneOf\":[{\"properties\":{\"a\":{\"type\":\"null\"}}},{\"properties\":{\"b\":{\"type\":\"null\"}}}]"
     "}",
     "G0661"},
    {"{\"oneOf\":[{\"const\":1},{\"enum\":[2,1.0]}]}", "G0661"},
    {"{\"$ref\":\"#/nowhere\"}", "G0663"},
    {"{\"$ref\":\"http://example.org\"}", "G0663"},
    {"{\"$ref\":\"#\"}", "G0663"},
    {"{\"$ref\":7}", "G0663"},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}}}",
     "G0663"},
    {"{\"anyOf\":[{\"$ref\":\"#\"}]}", "G0652"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "G0653"},
    {"{\"pattern\":\"(?=a)\"}", "G0664"},
    {"{\"pattern\":\"a\\\\b\"}", "G0664"},
    {"{\"pattern\":\"(a\"}", "G0664"},
    {"{\"pattern\":\"a)\"}", "G0664"},
    {"{\"pattern\":\"*\"}", "G0664"},
    {"{\"pattern\":\"[b-a]\"}", "G0664"},
    {"{\"pattern\":\"a^b\"}", "G0664"},
    {"{\"pattern\":\"(\\\\1)\"}", "G0664"},
    {"{\"minLength\":99999999}", "G0654"},
    {"{", "G0401"},
    {"{\"a\":1,\"a\":2}", "G0403"},
};

static void texts_of_schemas(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        glia_grammar *g = NULL;
        glia_error e = GLIA_ERROR_INIT;
        if (glia_grammar_create_json_schema(v, schemas[i].schema, (int64_t)strlen(schemas[i].schema), &g, &e))
            fprintf(stderr, "%s\n%s: %s\n", schemas[i].schema, e.code, e.text);
        CHECK(g != NULL);
        glia_matcher *m = g ? matcher(g) : NULL;
        for (int k = 0; m && k < 16; k++) {
            const char *text = k < 8 ? schemas[i].yes[k] : schemas[i].no[k - 8];
            if (!text) continue;
            glia_matcher_reset(m);
            const bool taken = !glia_matcher_accept_bytes(m, text, (int64_t)strlen(text), NULL);
            const bool has = taken && glia_matcher_can_end(m);
            if (has != (k < 8))
                fprintf(stderr, "%s\ntext %s: %s\n", schemas[i].schema, text, has ? "taken" : "not taken");
            CHECK(has == (k < 8));
        }
        glia_matcher_destroy(m);
        glia_grammar_destroy(g);
    }
    glia_vocab_tree_destroy(v);
}

static void schemas_refused_by_name(void)
{
    glia_vocab_tree *v = vocabulary(NULL);
    for (size_t i = 0; i < sizeof schemas_refused / sizeof schemas_refused[0]; i++) {
        const char *text = schemas_refused[i].schema;
        glia_grammar *g = NULL;
        glia_error e = GLIA_ERROR_INIT;
        const glia_status st = glia_grammar_create_json_schema(v, text, (int64_t)strlen(text), &g, &e);
        if (strcmp(e.code, schemas_refused[i].code) != 0) fprintf(stderr, "%s\n%s\n", text, e.text);
        CHECK(st && !g);
        CHECK_STR(e.code, schemas_refused[i].code);
        glia_grammar_destroy(g);
    }
    glia_vocab_tree_destroy(v);
}

/* A random text, with a liking for what closes something once it is long; false if it came to no end. */
static bool random_text(glia_matcher *m, const glia_vocab_tree *v, glia_rng *r, char *text, int64_t capacity)
{
    int64_t size = 0;
    glia_matcher_reset(m);
    for (int step = 0; step < 400 && !glia_matcher_done(m); step++) {
        const uint64_t *bits;
        int32_t allowed[TOKENS], count = 0;
        if (glia_matcher_can_end(m) && glia_rng_below(r, 4) == 0) break;
        if (glia_matcher_mask(m, &bits, NULL)) return false;
        for (int32_t id = 0; id < END; id++)
            if (bit(bits, id)) allowed[count++] = id;
        if (!count) break;
        int32_t id = allowed[glia_rng_below(r, (uint64_t)count)];
        const bool close = glia_rng_below(r, 200) < (uint64_t)(20 + step);
        for (const char *c = "]}\""; close && *c; c++)
            if (bit(bits, *c)) id = *c;
        const int64_t n = v->begin[id + 1] - v->begin[id];
        if (size + n >= capacity || glia_matcher_accept(m, id, NULL)) return false;
        memcpy(text + size, v->bytes + v->begin[id], (size_t)n);
        size += n;
    }
    text[size] = 0;
    return glia_matcher_can_end(m);
}

/* test_grammar sample SCHEMA SEED COUNT, for tests/oracles/check_schema_texts.py */
static int sample_texts(const char *schema, uint64_t seed, int count)
{
    glia_vocab_tree *v = vocabulary(NULL);
    glia_grammar *g = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (glia_grammar_create_json_schema(v, schema, (int64_t)strlen(schema), &g, &e))
        return fprintf(stderr, "%s: %s\n", e.code, e.text), 1;
    glia_matcher *m = matcher(g);
    glia_rng r = {seed, 0, 0};
    for (int i = 0; i < count; i++) {
        char text[4096];
        if (random_text(m, v, &r, text, sizeof text)) printf("%s\x1e", text);
    }
    glia_matcher_destroy(m);
    glia_grammar_destroy(g);
    glia_vocab_tree_destroy(v);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "sample"))
        return sample_texts(argv[2], (uint64_t)atoll(argv[3]), atoi(argv[4]));
    RUN(texts_of_grammars);
    RUN(masks_are_what_can_be_taken);
    RUN(refused_with_their_place);
    RUN(deep_and_long_grammars);
    RUN(chains_and_cycles);
    RUN(long_texts);
    RUN(texts_of_schemas);
    RUN(schemas_refused_by_name);
    RUN(memory_may_run_out);
    return CHECK_EXIT();
}
