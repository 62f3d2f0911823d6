/* tokenizer.json: ids of generated texts against hashes of what Hugging Face's library gave for the same
 * texts (vectors/tokenizer/json, made by tests/oracles/make_tok_vectors.py), published files, and hostile
 * ones. Byte-level ones are tried twice: as the file says, and by the name that GGUF has for their
 * pre-tokenizer. */
#include "check.h"
#include "fault_os.h"

#include "base/json.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/tok_json.h"

#include <time.h>

#define DIR "tests/vectors/tokenizer/json/"

static char *slurp(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    *size = 0;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    char *s = malloc((size_t)*size + 1);
    if (fread(s, 1, (size_t)*size, f) != (size_t)*size) *size = 0;
    s[*size] = 0;
    fclose(f);
    return s;
}

/* ---- the generator, as in make_tok_vectors.py */

static struct pool {
    char text[200][64];
    int64_t size[200];
    int count;
} pool;

static const uint32_t ranges[][2] = {{0x20, 0x7E},     {0xA0, 0x17F},    {0x370, 0x3FF},     {0x400, 0x52F},
                                     {0x5D0, 0x5EA},   {0x620, 0x65F},   {0x904, 0x939},     {0xE01, 0xE3A},
                                     {0x1E00, 0x1EFF}, {0x2010, 0x2027}, {0x3041, 0x3096},   {0x30A1, 0x30FA},
                                     {0x4E00, 0x4FFF}, {0xAC00, 0xADFF}, {0x1F600, 0x1F64F}, {0x300, 0x33F}};

static int64_t below(uint64_t *s, uint64_t n)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return (int64_t)((*s * 0x2545F4914F6CDD1Du >> 33) % n);
}

static void load_pool(void)
{
    char line[256];
    FILE *f = fopen(DIR "pool.vec", "r");
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f) && pool.count < 200) {
        unsigned byte;
        int64_t n = 0;
        while (sscanf(line + 2 * n, "%2x", &byte) == 1) pool.text[pool.count][n++] = (char)byte;
        pool.size[pool.count++] = n;
    }
    if (f) fclose(f);
    CHECK(pool.count > 100);
}

static int64_t next_text(uint64_t *seed, char *text)
{
    int64_t size = 0;
    for (int64_t n = 1 + below(seed, 20); n > 0; n--) {
        if (below(seed, 4)) {
            const int64_t i = below(seed, (uint64_t)pool.count);
            memcpy(text + size, pool.text[i], (size_t)pool.size[i]);
            size += pool.size[i];
            continue;
        }
        const uint32_t *r = ranges[below(seed, sizeof ranges / sizeof ranges[0])];
        size += glia_utf8_encode(r[0] + (uint32_t)below(seed, r[1] - r[0] + 1), text + size);
    }
    return size;
}

struct hash {
    uint64_t sum, i;
};
static void hash_number(struct hash *h, uint64_t v)
{
    h->i++;
    h->sum += (v + 1) * (h->i * 0x9E3779B97F4A7C15u | 1);
}

/* ---- vectors */

static glia_tokenizer *load(const char *path)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_tokenizer *t = NULL;
    int64_t size;
    char *json = slurp(path, &size);
    if (!json || glia_tokenizer_from_json(NULL, json, size, &t, &e))
        fprintf(stderr, "%s: %s %s\n", path, e.code, e.text);
    free(json);
    return t;
}

static uint64_t hash_of_words(const glia_tokenizer *t, int count)
{
    char text[2048];
    struct hash h = {0, 0};
    uint64_t seed = 88172645463325252u;
    tok_text work[2];
    glia_tok_text_init(&work[0], t->os, 0);
    glia_tok_text_init(&work[1], t->os, 0);
    for (int i = 0; i < count; i++) {
        int64_t sizes[2048], begin, end, size = next_text(&seed, text), n = 0;
        const char *plain = text;
        tok_words w;
        if (t->norm) glia_tok_norm_apply(t->norm, text, size, true, work, &plain, &size, NULL);
        glia_tok_words_init(&w, t->pretok, t->os, plain, size);
        while (glia_tok_words_next(&w, &begin, &end)) sizes[n++] = end - begin;
        glia_tok_words_free(&w);
        hash_number(&h, (uint64_t)n);
        for (int64_t k = 0; k < n; k++) hash_number(&h, (uint64_t)sizes[k]);
    }
    glia_tok_text_free(&work[0]);
    glia_tok_text_free(&work[1]);
    return h.sum;
}

enum { ALL = GLIA_TOK_SPECIAL | GLIA_TOK_BOS };

/* Hashes of the ids of the first 10^4 texts, and of all. */
static void hash_of_ids(const glia_tokenizer *t, int count, int flags, uint64_t out[2])
{
    char text[2048];
    int32_t ids[8192];
    struct hash h = {0, 0};
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < count; i++) {
        int64_t n = 0;
        const int64_t size = next_text(&seed, text);
        glia_error e = GLIA_ERROR_INIT;
        if (glia_tokenizer_encode(t, text, size, flags, ids, 8192, &n, &e))
            fprintf(stderr, "encode: %s %s\n", e.code, e.text);
        hash_number(&h, (uint64_t)n);
        for (int64_t k = 0; k < n; k++) hash_number(&h, (uint64_t)ids[k]);
        if (i == 9999) out[0] = h.sum;
    }
    out[1] = h.sum;
}

#if defined(__SANITIZE_ADDRESS__) || defined(GLIA_DEBUG)
enum { TEXTS = 10000 };
#else
enum { TEXTS = 100000 };
#endif

/* The same vocabulary under the name of its pre-tokenizer. */
static void check_named(const char *name, const char *path, const uint64_t want[2])
{
    glia_error e = GLIA_ERROR_INIT;
    glia_tok_json *j = NULL;
    glia_tokenizer *t = NULL;
    int64_t size;
    uint64_t got[2] = {0};
    char *json = slurp(path, &size);
    CHECK_I64(glia_tok_json_read(NULL, json, size, NULL, 0, &j, &e), GLIA_OK);
    free(json);
    if (!j) return;
    if (glia_tok_json_gguf(j, &e)) fprintf(stderr, "%s: %s\n", name, e.text);
    glia_vocab_source v = *glia_tok_json_source(j);
    CHECK(v.pre && !strcmp(v.pre, name));
    v.pipeline = NULL;
    v.pre = name;
    v.attributes = NULL;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_OK);
    glia_tok_json_free(j);
    if (!t) return;
    hash_of_ids(t, 10000, ALL, got);
    CHECK(got[0] == want[0]);
    glia_tokenizer_destroy(t);
}

static void vectors(void)
{
    char line[256], name[64], words[32], path[256];
    unsigned long long want[2];
    int rows = 0;
    FILE *f = fopen(DIR "hashes.vec", "r");
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%63s %llx %llx %31s", name, &want[0], &want[1], words) != 4) continue;
        if (!strcmp(name, "unigram_spm")) continue; /* SentencePiece's own: see by_fields */
        snprintf(path, sizeof path, DIR "%s.json", name);
        rows++;
        glia_tokenizer *t = load(path);
        CHECK(t != NULL);
        if (!t) continue;
        uint64_t got[2] = {0}, both[2] = {want[0], want[1]};
        hash_of_ids(t, TEXTS, ALL, got);
        bool same = got[0] == both[0] && (TEXTS == 10000 || got[1] == both[1]);
        if (words[0] != '-') same &= hash_of_words(t, 10000) == strtoull(words, NULL, 16);
        if (!same) fprintf(stderr, "%s differs\n", name);
        CHECK(same);
        glia_tokenizer_destroy(t);
        if (words[0] != '-') check_named(name, path, both);
    }
    if (f) fclose(f);
    CHECK_I64(rows, 42);
}

/* What GGUF has fields for, without the pipeline: "llama" by scores, "t5" by its switches. */
static void by_fields(void)
{
    static const struct {
        const char *name;
        int add_bos, add_eos;
    } rows[] = {{"llama2", 1, 0}, {"gemma", 1, 1}, {"unigram_spm", 0, 0}, {"bert_lower", 1, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[256], line[256], name[64];
        unsigned long long want = 0;
        FILE *f = fopen(DIR "hashes.vec", "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "%63s", name) == 1 && !strcmp(name, rows[i].name))
                sscanf(line, "%*s %llx", &want);
        if (f) fclose(f);
        snprintf(path, sizeof path, DIR "%s.json", rows[i].name);
        const bool sentencepiece = !strcmp(rows[i].name, "unigram_spm"); /* knows no tokens in text */
        glia_error e = GLIA_ERROR_INIT;
        glia_tok_json *j = NULL;
        glia_tokenizer *t = NULL;
        int64_t size;
        uint64_t got[2] = {0};
        char *json = slurp(path, &size);
        CHECK_I64(glia_tok_json_read(NULL, json, size, NULL, 0, &j, &e), GLIA_OK);
        free(json);
        if (!j) continue;
        CHECK_I64(glia_tok_json_gguf(j, &e), GLIA_OK);
        glia_vocab_source v = *glia_tok_json_source(j);
        CHECK_I64(v.add_bos, rows[i].add_bos);
        CHECK_I64(v.add_eos, rows[i].add_eos);
        v.pipeline = NULL;
        v.merge_count = 0;
        CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_OK);
        glia_tok_json_free(j);
        if (!t) continue;
        hash_of_ids(t, 10000, sentencepiece ? 0 : ALL, got);
        if (got[0] != want) fprintf(stderr, "%s differs\n", rows[i].name);
        CHECK(got[0] == want);
        glia_tokenizer_destroy(t);
    }
}

/* ---- time */

/* A mebibyte of one thing under every name: the automata read each byte a bounded number of times. */
static void linear(void)
{
    static const char *const names[] = {
        "gpt-2",    "llama-bpe", "qwen2",        "qwen35",         "gpt-4o",     "tekken",
        "kimi-k2",  "starcoder", "deepseek-llm", "deepseek-coder", "falcon",     "deepseek-v3",
        "bloom",    "viking",    "bailingmoe",   "seed-coder",     "exaone-moe", "jais-2",
        "minicpm5", "chameleon", "default",      "stablelm2",      "olmo",       "roberta-bpe"};
    static const char *const units[] = {
        "a", " ", "\n", " \n", "\xcc\x81", "\xff",        "\xc3\xa9", "\xe4\xb8\xad", "a ",
        "'", "1", "!",  "A",   "aA",       "<sentinel:1", "IMGIMGAB", "\r\n",         "\xf0\x9f\xa6\x99"};
    const int64_t size = 1 << 17;
    char *text = malloc((size_t)size + 1);
    double worst = 0;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const struct tok_pretok *p = NULL;
        tok_pre_traits traits;
        glia_error e = GLIA_ERROR_INIT;
        glia_arena a;
        glia_arena_init(&a, NULL, 0);
        CHECK_I64(glia_tok_pretok_create(&p, &a, names[n], &traits, &e), GLIA_OK);
        if (!p) fprintf(stderr, "%s: %s\n", names[n], e.text);
        for (size_t u = 0; u < sizeof units / sizeof units[0] && p; u++) {
            const int64_t unit = (int64_t)strlen(units[u]);
            int64_t begin, end, at = 0;
            for (int64_t i = 0; i < size; i++) text[i] = units[u][i % unit];
            text[size - 1] = 'x'; /* so that a run of spaces does not reach the end */
            tok_words w;
            glia_tok_words_init(&w, p, glia_os_default(), text, size);
            while (glia_tok_words_next(&w, &begin, &end)) {
                CHECK(begin == at && end > begin);
                at = end;
            }
            CHECK(at == size && glia_tok_words_status(&w, NULL) == GLIA_OK);
            const double steps = (double)w.steps / (double)size;
            worst = steps > worst ? steps : worst;
            glia_tok_words_free(&w);
        }
        glia_arena_free(&a);
    }
    fprintf(stderr, "linear: at most %.1f steps a byte\n", worst);
    CHECK(worst < 120);
    free(text);
}

/* An expression for which even the trail fails is stopped. */
static void not_linear(void)
{
    static const tok_stage stage = TOK_STAGE("(?:aa|a(?:aaa)*b)+c", TOK_ISOLATED),
                           end = TOK_STAGE("a+b", TOK_ISOLATED);
    const int64_t size = 1 << 18;
    char *text = malloc((size_t)size);
    memset(text, 'a', (size_t)size);
    for (int k = 0; k < 2; k++) {
        const struct tok_pretok *p = NULL;
        glia_arena a;
        glia_arena_init(&a, NULL, 0);
        CHECK_I64(glia_tok_pretok_build(&p, &a, k ? &end : &stage, 1, NULL), GLIA_OK);
        int64_t b, n;
        tok_words w;
        glia_tok_words_init(&w, p, glia_os_default(), text, size);
        while (glia_tok_words_next(&w, &b, &n)) {
        }
        CHECK(w.steps <= w.steps_max + size);
        if (k) CHECK_I64(glia_tok_words_status(&w, NULL), GLIA_OK);
        glia_tok_words_free(&w);
        glia_arena_free(&a);
    }
    free(text);
}

/* ---- expressions */

static void expressions(void)
{
    static const struct {
        const char *expression, *text, *words; /* words with '|' between; null: refused */
    } rows[] = {
        {"a+?", "aaa", "a|a|a"},
        {"a++a", "aaa", "aaa"}, /* nothing left for the last a: no match, one gap */
        {"a?+ab|a", "aab", "aab"},
        {"(?=[0-9])..", "a12b3", "a|12|b3"},
        {"x{2,3}", "xxxxxxx", "xxx|xxx|x"},
        {"x{2}+y", "xxxxy", "xxxxy"},
        {"x{,2}y", "xxxy", "x|xxy"},
        {"[^\\S\\n]+", "a  \n b", "a|  |\n| |b"},
        {"[a-z&&[^bc]]+", "abca", "a|bc|a"},
        {"[[a-c]x]+", "zabxz", "z|abx|z"},
        {"\\x41|\\u0042|\\x{43}", "ABCD", "A|B|C|D"},
        {"\\s+$", "a  \n b  ", "a|  |\n b|  "},
        {"(?i)the|x", "THEXthe", "THE|X|the"},
        {"(?i:s)t", "\xc5\xbftst", "\xc5\xbft|st"},
        {"\\p{Han}+",
         "a\xe4\xb8\xad\xe6\x96\x87"
         "b",
         "a|\xe4\xb8\xad\xe6\x96\x87|b"},
        {"\\P{L}", "a1b", "a|1|b"},
        {"a|", "bab", "b|a|b"},
        {"(a|b){2}c*", "abccba", "abcc|ba"},
        {"{a}", "x{a}", "x|{a}"},
        {"(?<=a)b", "", NULL},
        {"(?<!a)b", "", NULL},
        {"(?=ab)", "", NULL},
        {"(?>a)b", "", NULL},
        {"\\bx", "", NULL},
        {"^x", "", NULL},
        {"\\1", "", NULL},
        {"(ab)++", "", NULL},
        {"(a", "", NULL},
        {"a)", "", NULL},
        {"[a", "", NULL},
        {"[]", "", NULL},
        {"*a", "", NULL},
        {"[z-a]", "", NULL},
        {"a{3,2}", "", NULL},
        {"\\p{Klingon}", "", NULL},
        {"[[:alpha:]]", "", NULL},
        {"(?i:\xc3\xa9)", "", NULL},
        {"a\\", "", NULL},
        {"a{9999}", "", NULL},
        {"(((a{99}){99}){99}){99}", "", NULL},
        {"((((((((((((((a))))))))))))))", "", NULL},
        {"\xff", "", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        glia_error e = GLIA_ERROR_INIT;
        const struct tok_pretok *p = NULL;
        glia_arena a;
        glia_arena_init(&a, NULL, 0);
        const tok_stage stage = {rows[i].expression, (int64_t)strlen(rows[i].expression), TOK_ISOLATED, false,
                                 false};
        const glia_status s = glia_tok_pretok_build(&p, &a, &stage, 1, &e);
        char got[256] = "";
        if (!rows[i].words) {
            CHECK_I64(s, GLIA_E_UNSUPPORTED);
            CHECK_STR(e.code, "G0623");
        } else if (!s) {
            tok_words w;
            int64_t begin, end;
            glia_tok_words_init(&w, p, glia_os_default(), rows[i].text, (int64_t)strlen(rows[i].text));
            while (glia_tok_words_next(&w, &begin, &end))
                snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", *got ? "|" : "",
                         (int)(end - begin), rows[i].text + begin);
            glia_tok_words_free(&w);
            CHECK_STR(got, rows[i].words);
        } else {
            fprintf(stderr, "%s: %s\n", rows[i].expression, e.text);
            CHECK(false);
        }
        glia_arena_free(&a);
    }
}

/* ---- hostile files */

#define BPE(parts, vocab, merges)                                                                            \
    "{" parts "\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":" vocab      \
    ",\"merges\":" merges "}}"

static void hostile(void)
{
    static const struct {
        const char *json, *code;
    } rows[] = {
        {BPE("", "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\"]"), NULL},
        {BPE("", "{\"a\":0,\"b\":1,\"ab\":2}", "[[\"a\",\"b\"]]"), NULL},
        {"", "G0401"},
        {"{}", "G0624"},
        {"[]", "G0624"},
        {"{\"model\":{}}", "G0624"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}", "G0624"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":{\"a\":0}}}", "G0624"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "G0624"},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",0]]}}", "G0624"},
        {"{\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"@\",\"vocab\":{\"a\":0}}}",
         "G0624"},
        {BPE("", "{\"a\":-1}", "[]"), "G0624"},
        {BPE("", "{\"a\":1.5}", "[]"), "G0624"},
        {BPE("", "{\"a\":16777217}", "[]"), "G0624"},
        {BPE("", "{\"a\":9999999}", "[]"), "G0603"},
        {BPE("", "{}", "[]"), "G0603"},
        {BPE("", "{\"a\":0}", "[\"a b\"]"), "G0606"},
        {BPE("", "{\"a\":0}", "[[\"a\"]]"), "G0624"},
        {BPE("", "{\"a\":0}", "[7]"), "G0624"},
        {BPE("", "{\"a\":0}", "{}"), "G0624"},
        {BPE("\"added_tokens\":[{\"id\":1}],", "{\"a\":0}", "[]"), "G0624"},
        {BPE("\"added_tokens\":[{\"id\":-1,\"content\":\"x\"}],", "{\"a\":0}", "[]"), "G0624"},
        {BPE("\"normalizer\":{\"type\":\"Magic\"},", "{\"a\":0}", "[]"), "G0624"},
        {BPE("\"normalizer\":{\"type\":\"Sequence\"},", "{\"a\":0}", "[]"), "G0624"},
        {BPE("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"},", "{\"a\":0}", "[]"),
         "G0625"},
        {BPE("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"},", "{\"a\":0}",
             "[]"),
         "G0625"},
        {BPE("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?<=a)\"},\"content\":\"\"},",
             "{\"a\":0}", "[]"),
         "G0623"},
        {BPE("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
             "\"x\"}}]},",
             "{\"a\":0}", "[]"),
         "G0624"},
        {BPE("\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"a\",99],\"cls\":[\"a\",0]},",
             "{\"a\":0}", "[]"),
         "G0624"},
        {BPE("\"decoder\":{\"type\":\"CTC\"},", "{\"a\":0}", "[]"), "G0624"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        glia_error e = GLIA_ERROR_INIT;
        glia_tokenizer *t = NULL;
        struct fault_os f;
        fault_os_init(&f, NULL);
        const glia_status s =
            glia_tokenizer_from_json(&f.os, rows[i].json, (int64_t)strlen(rows[i].json), &t, &e);
        CHECK((s == GLIA_OK) == !rows[i].code && (t != NULL) == (s == GLIA_OK));
        if (rows[i].code && strcmp(e.code, rows[i].code))
            fprintf(stderr, "%s: %s %s\n", rows[i].json, e.code, e.text);
        if (rows[i].code) CHECK_STR(e.code, rows[i].code);
        glia_tokenizer_destroy(t);
        CHECK(fault_os_clean(&f));
    }
    glia_tokenizer *t = NULL;
    CHECK_I64(glia_tokenizer_from_json(NULL, NULL, 0, &t, NULL), GLIA_E_ARG);
    CHECK_I64(glia_tokenizer_from_json(NULL, "{}", 2, NULL, NULL), GLIA_E_ARG);
}

/* Sources of the newer kinds that contradict themselves. */
static void hostile_sources(void)
{
    static const char *const text[] = {"<unk>", "\xe2\x96\x81", "a"};
    static const int64_t sizes[] = {5, 3, 1};
    static const float scores[] = {0, -1, -2};
    static const int32_t types[] = {GLIA_TOK_TYPE_UNKNOWN, GLIA_TOK_TYPE_NORMAL, GLIA_TOK_TYPE_NORMAL};
    glia_vocab_source v = GLIA_VOCAB_SOURCE_INIT;
    glia_tokenizer *t = NULL;
    glia_error e = GLIA_ERROR_INIT;
    int64_t count;
    int32_t ids[8];
    v.kind = "t5";
    v.count = 3;
    v.text = text;
    v.text_size = sizes;
    v.types = types;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0605");
    e = (glia_error)GLIA_ERROR_INIT;
    v.scores = scores;
    v.charsmap = "\x08\0\0\0abc";
    v.charsmap_size = 8;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0625");
    e = (glia_error)GLIA_ERROR_INIT;
    v.charsmap_size = 0;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_OK);
    CHECK_I64(glia_tokenizer_encode(t, "a", 1, 0, ids, 8, &count, &e), GLIA_OK);
    CHECK(count == 2 && ids[0] == 1 && ids[1] == 2);
    CHECK_I64(glia_tokenizer_encode(t, "z", 1, 0, ids, 8, &count, &e), GLIA_E_NOT_FOUND);
    CHECK_STR(e.code, "G0609");
    e = (glia_error)GLIA_ERROR_INIT;
    glia_tokenizer_destroy(t);
    v.kind = "bert";
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_OK);
    CHECK_I64(glia_tokenizer_encode(t, "zz", 2, 0, ids, 8, &count, NULL), GLIA_E_NOT_FOUND);
    glia_tokenizer_destroy(t);
    v.sep = 3;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, &e), GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0607");
    e = (glia_error)GLIA_ERROR_INIT;
}

static void allocations_fail(void)
{
    static const char *const names[] = {"added", "llama2", "unigram_spm", "bert_lower"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        int64_t size;
        snprintf(path, sizeof path, DIR "%s.json", names[i]);
        char *json = slurp(path, &size);
        bool done = false;
        for (int64_t n = 1; n < 400000 && !done; n += n < 60 ? 1 : 1 + n / 8) {
            struct fault_os f;
            glia_tokenizer *t = NULL;
            int32_t ids[512];
            int64_t count = 0;
            const char text[] = "The  <mask> hello \xc3\x85ngstr\xc3\xb6m e\xcc\x81 \xe4\xb8\xad <w> x";
            fault_os_init(&f, NULL);
            fault_os_fail(&f, FAULT_MEMORY, n, false);
            glia_status s = glia_tokenizer_from_json(&f.os, json, size, &t, NULL);
            if (!s) s = glia_tokenizer_encode(t, text, sizeof text - 1, 3, ids, 512, &count, NULL);
            CHECK(s == (f.failed ? GLIA_E_NOMEM : GLIA_OK));
            done = !f.failed;
            glia_tokenizer_destroy(t);
            CHECK(fault_os_clean(&f));
        }
        CHECK(done);
        free(json);
    }
}

/* ---- tokenizer_config.json */

static void config_roles(void)
{
    static const char json[] = BPE("\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],",
                                   "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\"]");
    static const char config[] =
        "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"ab\",\"pad_token\":null}";
    glia_tok_json *j = NULL;
    CHECK_I64(glia_tok_json_read(NULL, json, sizeof json - 1, config, sizeof config - 1, &j, NULL), GLIA_OK);
    if (!j) return;
    const glia_vocab_source *v = glia_tok_json_source(j);
    CHECK_I64(v->bos, 3);
    CHECK_I64(v->eos, 2);
    CHECK_I64(v->pad, -1);
    CHECK_I64(v->count, 4);
    CHECK_I64(v->types[3], GLIA_TOK_TYPE_CONTROL);
    CHECK_STR(v->kind, "gpt2");
    glia_error e = GLIA_ERROR_INIT; /* ByteLevel puts a space before the text unless told not to */
    CHECK_I64(glia_tok_json_gguf(j, &e), GLIA_E_UNSUPPORTED);
    CHECK_STR(e.code, "G0626");
    glia_tok_json_free(j);
}

/* ---- published files */

/* The ids of "token_ids" in a reference file. */
static void check_reference(const glia_tokenizer *t, const char *text_path, const char *ids_path, int flags)
{
    char path[512];
    int64_t text_size, size, count = 0, at = 0;
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/rten-reftests/%s", check_data_dir(), text_path);
    char *text = slurp(path, &text_size);
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/rten-reftests/%s", check_data_dir(), ids_path);
    char *json = slurp(path, &size);
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    const glia_json *root = NULL, *ids;
    CHECK(text && json && !glia_json_parse(&a, json, size, 8, 0, &root, NULL));
    ids = glia_json_get(root, "token_ids");
    int32_t *got = malloc((size_t)(text_size + 8) * sizeof *got);
    CHECK_I64(glia_tokenizer_encode(t, text, text_size, flags, got, text_size + 8, &count, NULL), GLIA_OK);
    CHECK_I64(count, ids ? ids->count : -1);
    for (const glia_json *i = ids ? ids->child : NULL; i && at < count; i = i->next, at++) {
        int64_t want = -1;
        CHECK(glia_json_i64(i, &want) && want == got[at]);
    }
    free(got);
    free(text);
    free(json);
    glia_arena_free(&a);
}

static void published_gpt2(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/gpt2/tokenizer.json", check_data_dir());
    glia_tokenizer *t = load(path);
    CHECK(t != NULL);
    if (t) check_reference(t, "monty-python-credits.txt", "monty-python-credits-gpt2.json", GLIA_TOK_BOS);
    glia_tokenizer_destroy(t);
}

/* The 46 texts of roberta-bpe, whose vocabulary is a tokenizer.json. */
static void published_roberta(void)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[512];
    int64_t in_size, out_size, texts = 0;
    snprintf(path, sizeof path, "%s/tokenizers/tokenizers-raw/hf/roberta-base/tokenizer.json",
             check_data_dir());
    glia_tokenizer *t = load(path);
    snprintf(path, sizeof path, "%s/tokenizers/gguf-vocabs/ggml-vocab-roberta-bpe.gguf.inp",
             check_data_dir());
    char *in = slurp(path, &in_size);
    snprintf(path, sizeof path, "%s/tokenizers/gguf-vocabs/ggml-vocab-roberta-bpe.gguf.out",
             check_data_dir());
    char *out = slurp(path, &out_size), *line = out;
    CHECK(t && in && out);
    for (char *at = in, *end; t && at && line && (end = strstr(at, separator));
         at = end + sizeof separator - 1, texts++) {
        int32_t ids[2048];
        int64_t count = 0;
        bool same = true;
        CHECK_I64(glia_tokenizer_encode(t, at, end - at, 0, ids, 2048, &count, NULL), GLIA_OK);
        char *stop = strchr(line, '\n'), *next = line;
        if (stop) *stop = 0;
        for (int64_t i = 0; i < count; i++) same &= strtol(next, &next, 10) == ids[i];
        while (*next == ' ') next++;
        CHECK(same && !*next);
        line = stop ? stop + 1 : NULL;
    }
    CHECK(texts >= 45);
    free(in);
    free(out);
    glia_tokenizer_destroy(t);
}

/* vocab.txt: a token a line, "##" before a continuation; as a source of kind "bert". */
static void published_bert(void)
{
    enum { TOKENS = 40000 };
    static char texts[TOKENS][64];
    static const char *text[TOKENS];
    static int64_t sizes[TOKENS];
    static int32_t types[TOKENS];
    char path[512], line[512];
    snprintf(path, sizeof path,
             "%s/tokenizers/tokenizers-raw/rten-reftests/models/bert-base-uncased/vocab.txt",
             check_data_dir());
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    glia_vocab_source v = GLIA_VOCAB_SOURCE_INIT;
    while (f && v.count < TOKENS && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        const bool special = line[0] == '[' && line[1] && v.count < 104 && strncmp(line, "[unused", 7);
        const bool more = !strncmp(line, "##", 2) && line[2];
        snprintf(texts[v.count], 64, "%s%.56s", special || more ? "" : "\xe2\x96\x81",
                 more ? line + 2 : line);
        text[v.count] = texts[v.count];
        sizes[v.count] = (int64_t)strlen(text[v.count]);
        types[v.count++] = special ? GLIA_TOK_TYPE_CONTROL : GLIA_TOK_TYPE_NORMAL;
    }
    if (f) fclose(f);
    v.kind = "bert";
    v.text = text;
    v.text_size = sizes;
    v.types = types;
    v.unk = 100;
    v.cls = 101;
    v.sep = 102;
    glia_tokenizer *t = NULL;
    CHECK_I64(glia_tokenizer_create(NULL, &v, &t, NULL), GLIA_OK);
    if (!t) return;
    check_reference(t, "Metal_umlaut.txt", "Metal_umlaut-bert-base-uncased.json", GLIA_TOK_BOS);
    check_reference(t, "monty-python-credits.txt", "monty-python-credits-bert-base-uncased.json",
                    GLIA_TOK_BOS);
    glia_tokenizer_destroy(t);
}

int main(void)
{
    load_pool();
    RUN(expressions);
    RUN(vectors);
    RUN(by_fields);
    RUN(linear);
    RUN(not_linear);
    RUN(hostile);
    RUN(hostile_sources);
    RUN(allocations_fail);
    RUN(config_roles);
    if (check_data_dir()) {
        RUN(published_gpt2);
        RUN(published_roberta);
        RUN(published_bert);
    } else SKIP("published_tokenizers", "GLIA_TEST_DATA is not set");
    return CHECK_EXIT();
}
