/* Tokenizers: vocabularies worked out by hand, a naive second implementation on random ones, another
 * program's word cuts (vectors/tokenizer), published id lists (GLIA_TEST_DATA), and everything that must be
 * survived. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"
#include "tok_vocabs.h"

#include "base/utf8.h"
#include "format/gguf.h"
#include "llm/tok.h"

#include <pthread.h>
#include <time.h>

static glia_tokenizer *make(const struct vocab *v)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_tokenizer *t = NULL;
    if (glia_tokenizer_create(NULL, &v->src, &t, &e)) fprintf(stderr, "create: %s %s\n", e.code, e.text);
    CHECK(t != NULL);
    return t;
}

/* Encodes a text and compares with ids that end in -1. */
static void encodes(const glia_tokenizer *t, const char *text, int64_t size, int flags, const int32_t *want)
{
    int32_t ids[256];
    int64_t count = 0, n = 0;
    while (want[n] >= 0) n++;
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_tokenizer_encode(t, text, size, flags, ids, 256, &count, &e), GLIA_OK);
    CHECK_I64(count, n);
    for (int64_t i = 0; i < count && i < n; i++) CHECK_I64(ids[i], want[i]);
}
#define ENCODES(t, text, flags, ...)                                                                         \
    encodes(t, text, (int64_t)sizeof(text) - 1, flags, (const int32_t[]){__VA_ARGS__, -1})

/* What the ids of a text decode to is the text. */
static bool returns(const glia_tokenizer *t, const char *text, int64_t size)
{
    int32_t *ids = malloc((size_t)(size + 8) * 4 * sizeof *ids);
    char *back = malloc((size_t)size + 8);
    int64_t count = 0, n = -1;
    if (!glia_tokenizer_encode(t, text, size, 0, ids, (size + 8) * 4, &count, NULL))
        n = glia_tokenizer_decode(t, ids, count, back, size + 8, 0);
    const bool same = n == size && !memcmp(back, text, (size_t)size);
    free(ids);
    free(back);
    return same;
}

/* h e l l o: he (-1), then lo (-1.5) before ll (-2), then llo, hello, _hello. */
static void spm_by_hand(void)
{
    struct vocab *v = vocab_hello();
    glia_tokenizer *t = make(v);
    ENCODES(t, "hello", 0, 269);
    ENCODES(t, "hell", 0, 267, 265);
    ENCODES(t, "hello hello", 0, 269, 269);
    ENCODES(t, " hello", 0, 259, 269);
    ENCODES(t, "h h", 0, 259, 260, 259, 260);
    ENCODES(t, "\xc3\xa9", 0, 259, 3 + 0xC3, 3 + 0xA9);
    ENCODES(t, "h" MARK "hello", 0, 259, 260, 269); /* a mark in the text is a space */
    ENCODES(t, "hello", GLIA_TOK_BOS, 1, 269);
    ENCODES(t, "<s>hello", 0, 259, 3 + '<', 3 + 's', 3 + '>', 268);
    ENCODES(t, "<s>hello", GLIA_TOK_SPECIAL, 1, 269);
    ENCODES(t, "hello</s>hello", GLIA_TOK_SPECIAL, 269, 2, 269);
    ENCODES(t, "", 0, -1);
    ENCODES(t, "", GLIA_TOK_BOS, 1);
    ENCODES(t, "\0", 0, 259, 3);
    ENCODES(t, "\xff\xe2\x96", 0, 259, 3 + 0xFF, 3 + 0xE2, 3 + 0x96);
    CHECK(returns(t, "hello  hell\xff o\xc3\xa9\n", 16));
    CHECK_I64(glia_tokenizer_vocab_size(t), 271);
    CHECK_I64(glia_tokenizer_bos(t), 1);
    CHECK_I64(glia_tokenizer_eos(t), 2);
    CHECK_I64(glia_tokenizer_type(t, 3), GLIA_TOK_TYPE_BYTE);
    CHECK_I64(glia_tokenizer_type(t, -1), GLIA_TOK_TYPE_UNDEFINED);
    CHECK_I64(glia_tokenizer_type(t, 271), GLIA_TOK_TYPE_UNDEFINED);
    CHECK_I64(glia_tokenizer_find(t, MARK "hello", 8), 269);
    CHECK_I64(glia_tokenizer_find(t, "none", 4), -1);
    CHECK_STR(glia_tokenizer_text(t, 268, NULL), "hello");
    CHECK_STR(glia_tokenizer_kind(t), "llama");
    CHECK_STR(glia_tokenizer_pre(t), "default");
    CHECK(glia_tokenizer_is_eog(t, 2) && !glia_tokenizer_is_eog(t, 1) && !glia_tokenizer_is_eog(t, -1));
    CHECK(glia_tokenizer_adds_bos(t) && !glia_tokenizer_adds_eos(t));
    glia_tokenizer_destroy(t);
    v->src.add_bos = 0;
    v->src.add_eos = 1;
    v->src.add_space_prefix = 0;
    t = make(v);
    ENCODES(t, "hello", GLIA_TOK_BOS, 268, 2);
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

static void bpe_by_hand(void)
{
    struct vocab *v = vocab_bpe_hello("gpt-2");
    glia_tokenizer *t = make(v);
    ENCODES(t, "hello hello", 0, 260, 258, 259);
    ENCODES(t, "hell", 0, 256, 257);
    ENCODES(t, "hello<ud>hello", 0, 260, 261, 260);
    ENCODES(t, "<|end|>", GLIA_TOK_SPECIAL, 262);
    ENCODES(t, "<|end|>", 0, '<', '|', 'e', 'n', 'd', '|', '>');
    ENCODES(t, "\xff\x00 ", 0, 0xFF, 0, ' ');
    CHECK(returns(t, "hello  he\xff\n\t<ud> \xc3\xa9", 19));
    CHECK(glia_tokenizer_is_eog(t, 262));
    CHECK_I64(glia_tokenizer_eot(t), 262);
    CHECK(!glia_tokenizer_adds_bos(t));
    char buf[8];
    CHECK_I64(glia_tokenizer_piece(t, 258, buf, 8, 0), 3);
    CHECK(!memcmp(buf, " he", 3));
    CHECK_I64(glia_tokenizer_piece(t, 262, buf, 8, 0), 0);
    CHECK_I64(glia_tokenizer_piece(t, 262, buf, 4, GLIA_TOK_RENDER), 7);
    CHECK(!memcmp(buf, "<|en", 4));
    CHECK_I64(glia_tokenizer_piece(t, -1, buf, 8, 0), 0);
    CHECK_I64(glia_tokenizer_piece(t, 263, buf, 8, 0), 0);
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

/* A word that is a token but that no merge makes: taken only where the model ignores merges. */
static void bpe_ignore_merges(void)
{
    for (int ignore = 0; ignore < 2; ignore++) {
        struct vocab *v = vocab_bpe_hello(ignore ? "llama-bpe" : "gpt-2");
        vocab_add(v, "hey", 0, GLIA_TOK_TYPE_NORMAL);
        glia_tokenizer *t = make(v);
        if (ignore) ENCODES(t, "hey", 0, 263);
        else ENCODES(t, "hey", 0, 256, 'y');
        glia_tokenizer_destroy(t);
        vocab_free(v);
    }
}

/* The longest special token wins, from left to right; control tokens are no text. */
static void specials_longest(void)
{
    struct vocab *v = vocab_bpe("gpt-2");
    vocab_add(v, "<a", 0, GLIA_TOK_TYPE_USER_DEFINED);     /* 256 */
    vocab_add(v, "<a>", 0, GLIA_TOK_TYPE_CONTROL);         /* 257 */
    vocab_add(v, "<a><b>", 0, GLIA_TOK_TYPE_USER_DEFINED); /* 258 */
    vocab_add(v, "b><c", 0, GLIA_TOK_TYPE_USER_DEFINED);   /* 259 */
    vocab_add(v, "<a>", 0, GLIA_TOK_TYPE_USER_DEFINED);    /* 260: as 257, which comes first */
    vocab_add(v, "", 0, GLIA_TOK_TYPE_CONTROL);            /* 261 */
    glia_tokenizer *t = make(v);
    ENCODES(t, "<a><b><c", GLIA_TOK_SPECIAL, 258, '<', 'c');
    ENCODES(t, "<a><b", GLIA_TOK_SPECIAL, 257, '<', 'b');
    ENCODES(t, "<a", 0, 256);
    ENCODES(t, "<a>", 0, 256, '>');
    ENCODES(t, "<<a", 0, '<', 256);
    ENCODES(t, "b><", 0, 'b', '>', '<');
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

/* ---- a second implementation: strings, and every pair looked at every time */

struct naive {
    char text[512][64];
    int count;
};

static void naive_join(struct naive *n, int i)
{
    char right[64];
    memcpy(right, n->text[i + 1], sizeof right);
    strcat(n->text[i], right);
    memmove(n->text[i + 1], n->text[i + 2], (size_t)(n->count - i - 2) * sizeof n->text[0]);
    n->count--;
}

/* The first token of this text from `from` on, or -1. */
static int naive_find(const struct vocab *v, int64_t from, const char *s)
{
    for (int64_t i = from; i < v->src.count; i++)
        if (!strcmp(v->text[i], s)) return (int)i;
    return -1;
}

static int64_t naive_spm(const struct vocab *v, const char *text, int32_t *ids)
{
    static struct naive n;
    char pair[128];
    int64_t count = 0;
    n.count = 0;
    for (const char *s = text; *s;) {
        const int len = (uint8_t)*s < 0x80 ? 1 : (uint8_t)*s < 0xE0 ? 2 : 3;
        snprintf(n.text[n.count++], 64, "%.*s", *s == ' ' ? 3 : len, *s == ' ' ? MARK : s);
        s += len;
    }
    for (;;) {
        int best = -1;
        float score = 0;
        for (int i = 0; i + 1 < n.count; i++) {
            snprintf(pair, sizeof pair, "%s%s", n.text[i], n.text[i + 1]);
            const int id = naive_find(v, 259, pair);
            if (id < 0 || (best >= 0 && v->score[id] <= score)) continue;
            best = i;
            score = v->score[id];
        }
        if (best < 0) break;
        naive_join(&n, best);
    }
    for (int i = 0; i < n.count; i++) {
        const int id = naive_find(v, 259, n.text[i]);
        if (id >= 0) ids[count++] = id;
        else
            for (const char *s = n.text[i]; *s; s++) ids[count++] = 3 + (uint8_t)*s;
    }
    return count;
}

static int64_t naive_bpe(const struct vocab *v, const char *word, int32_t *ids)
{
    static struct naive n;
    char pair[130];
    n.count = 0;
    for (const char *s = word; *s; s++) snprintf(n.text[n.count++], 64, "%c", *s);
    for (;;) {
        int64_t best = -1, rank = 0;
        for (int i = 0; i + 1 < n.count; i++) {
            snprintf(pair, sizeof pair, "%s %s", n.text[i], n.text[i + 1]);
            for (int64_t m = 0; m < v->src.merge_count; m++) {
                if (strcmp(v->merge[m], pair)) continue;
                if (best < 0 || m < rank) {
                    best = i;
                    rank = m;
                }
                break;
            }
        }
        if (best < 0) break;
        naive_join(&n, (int)best);
    }
    for (int i = 0; i < n.count; i++) ids[i] = naive_find(v, 0, n.text[i]);
    return n.count;
}

static void random_against_naive(bool spm)
{
    static const char *const alphabet[] = {"a", "b", "c", "\xc3\xa9", "\xe4\xb8\xad", " "};
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 60 && !check_case_failures; round++) {
        struct vocab *v = spm ? vocab_spm_random(&seed, round % 2) : vocab_bpe_random(&seed, "gpt-2");
        if (spm) v->src.add_space_prefix = 0;
        glia_tokenizer *t = make(v);
        for (int k = 0; k < 20; k++) {
            char text[1024] = "";
            int32_t want[2048], got[2048];
            const int len = 1 + (int)(test_random(&seed) % (k ? 40 : 250));
            for (int i = 0; i < len; i++) {
                if (spm) strcat(text, alphabet[test_random(&seed) % 6]);
                else text[i] = (char)('a' + test_random(&seed) % 4);
            }
            int64_t count, n = spm ? naive_spm(v, text, want) : naive_bpe(v, text, want);
            CHECK_I64(glia_tokenizer_encode(t, text, (int64_t)strlen(text), 0, got, 2048, &count, NULL),
                      GLIA_OK);
            CHECK_I64(count, n);
            if (count == n) CHECK(!memcmp(got, want, (size_t)n * sizeof *got));
        }
        glia_tokenizer_destroy(t);
        vocab_free(v);
    }
}

static void spm_against_naive(void) { random_against_naive(true); }
static void bpe_against_naive(void) { random_against_naive(false); }

/* ---- words */

static void pretok_vectors(void)
{
    static char line[1 << 16], text[1 << 15];
    FILE *f = fopen("tests/vectors/tokenizer/pretok.vec", "r");
    CHECK(f != NULL);
    if (!f) return;
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    int lines = 0;
    while (fgets(line, sizeof line, f)) {
        const struct tok_pretok *p = NULL;
        tok_pre_traits traits;
        const char *name = strtok(line, " \n"), *hex = strtok(NULL, " \n"), *want;
        int64_t size = 0, begin, end, at = 0;
        unsigned byte;
        CHECK_I64(glia_tok_pretok_create(&p, &a, name, &traits, NULL), GLIA_OK);
        while (sscanf(hex + 2 * size, "%2x", &byte) == 1) text[size++] = (char)byte;
        tok_words w;
        glia_tok_words_init(&w, p, glia_os_default(), text, size);
        while ((want = strtok(NULL, " \n"))) {
            const bool more = glia_tok_words_next(&w, &begin, &end);
            CHECK(more && begin == at && end - begin == atoll(want));
            at = end;
        }
        CHECK(!glia_tok_words_next(&w, &begin, &end) && at == size);
        glia_tok_words_free(&w);
        lines++;
    }
    CHECK_I64(lines, 280);
    glia_arena_free(&a);
    fclose(f);
}

/* ---- decoding */

static void detok_streams(void)
{
    struct vocab *v = vocab_bpe("gpt-2");
    glia_tokenizer *t = make(v);
    static const struct {
        const char *in, *out; /* bytes one by one; '.' in `sizes`: nothing came, else a digit */
        const char *sizes;
    } rows[] = {
        {"\xf0\x9f\xa6\x99", "\xf0\x9f\xa6\x99", "...4"},
        {"a\xc3\xa9z", "a\xc3\xa9z", "1.21"},
        {"\xff"
         "a",
         "\xef\xbf\xbd"
         "a",
         "31"},
        {"\xe2\x96"
         "A",
         "\xef\xbf\xbd"
         "A",
         "..4"},
        {"\xe2\xc3\xa9", "\xef\xbf\xbd\xc3\xa9", ".32"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", ".63"},
        {"\xf0\x9f\xa6\xff", "\xef\xbf\xbd\xef\xbf\xbd", "...6"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd", "33"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        glia_detok d;
        char out[64];
        int64_t n = 0;
        glia_detok_init(t, &d, 0);
        for (size_t i = 0; rows[r].in[i]; i++) {
            const int64_t got = glia_detok_push(t, &d, (uint8_t)rows[r].in[i], out + n, 64 - n);
            CHECK_I64(got, rows[r].sizes[i] == '.' ? 0 : rows[r].sizes[i] - '0');
            n += got;
        }
        out[n] = 0;
        CHECK_STR(out, rows[r].out);
        CHECK_I64(glia_detok_flush(&d, out, 64), 0);
    }
    glia_detok d;
    char out[8];
    glia_detok_init(t, &d, 0);
    CHECK_I64(glia_detok_push(t, &d, 0xC3, out, 0), 0);
    CHECK_I64(glia_detok_push(t, &d, 0xA9, out, 1), -1); /* no room: nothing happened */
    CHECK_I64(glia_detok_push(t, &d, 0xA9, out, 2), 2);
    CHECK_I64(glia_detok_push(t, &d, 0xE2, out, 2), 0);
    CHECK_I64(glia_detok_flush(&d, out, 2), -1);
    CHECK_I64(glia_detok_flush(&d, out, 3), 3);
    CHECK(!memcmp(out, "\xef\xbf\xbd", 3));
    CHECK_I64(glia_detok_push(t, &d, -5, out, 8), 0);
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

/* Any bytes at all give UTF-8, and bytes that were UTF-8 come back as they were. */
static void detok_random(void)
{
    struct vocab *v = vocab_bpe("gpt-2");
    glia_tokenizer *t = make(v);
    static const uint8_t pool[] = {'a',  0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x96, 0x81, 0xF0,
                                   0x9F, 0xA6, 0x99, 0xED, 0xA0, 0xF4, 0x90, 0xFF, 0xC0};
    uint64_t seed = 42;
    for (int round = 0; round < 3000; round++) {
        char in[24], out[128];
        const int size = (int)(test_random(&seed) % 24);
        int64_t n = 0;
        glia_detok d;
        glia_detok_init(t, &d, 0);
        for (int i = 0; i < size; i++) {
            in[i] = (char)pool[test_random(&seed) % sizeof pool];
            n += glia_detok_push(t, &d, (uint8_t)in[i], out + n, 128 - n);
            CHECK(glia_utf8_valid(out, n));
        }
        n += glia_detok_flush(&d, out + n, 128 - n);
        CHECK(glia_utf8_valid(out, n));
        if (glia_utf8_valid(in, size)) CHECK(n == size && !memcmp(in, out, (size_t)n));
    }
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

static void spm_first_space(void)
{
    struct vocab *v = vocab_hello();
    glia_tokenizer *t = make(v);
    glia_detok d;
    char out[64];
    const int32_t ids[] = {1, 269, 269, 2};
    CHECK_I64(glia_tokenizer_decode(t, ids, 4, out, 64, 0), 11);
    CHECK(!memcmp(out, "hello hello", 11));
    CHECK_I64(glia_tokenizer_decode(t, ids, 4, out, 3, 0), 11); /* tells the need */
    CHECK_I64(glia_tokenizer_decode(t, ids, 4, out, 64, GLIA_TOK_CONTINUE), 12);
    CHECK_I64(glia_tokenizer_decode(t, ids, 4, out, 64, GLIA_TOK_RENDER), 18);
    CHECK(!memcmp(out, "<s>hello hello</s>", 18));
    glia_detok_init(t, &d, 0);
    CHECK_I64(glia_detok_push(t, &d, 1, out, 64), 0);
    CHECK_I64(glia_detok_push(t, &d, 269, out, 4), -1);
    CHECK_I64(glia_detok_push(t, &d, 269, out, 64), 5);
    CHECK_I64(glia_detok_push(t, &d, 269, out, 64), 6);
    glia_detok_init(t, &d, GLIA_TOK_CONTINUE);
    CHECK_I64(glia_detok_push(t, &d, 269, out, 64), 6);
    CHECK_I64(glia_tokenizer_piece_max(t), 6);
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

/* ---- what must be survived */

static void capacity_tells_need(void)
{
    struct vocab *v = vocab_hello();
    glia_tokenizer *t = make(v);
    glia_error e = GLIA_ERROR_INIT;
    int32_t ids[4] = {-7, -7, -7, -7};
    int64_t count = 0;
    CHECK_I64(glia_tokenizer_encode(t, "hello hell", 10, GLIA_TOK_BOS, NULL, 0, &count, &e), GLIA_E_LIMIT);
    CHECK_STR(e.code, "G0613");
    CHECK_I64(count, 4);
    CHECK_I64(glia_tokenizer_encode(t, "hello hell", 10, GLIA_TOK_BOS, ids, 3, &count, NULL), GLIA_E_LIMIT);
    CHECK(ids[0] == 1 && ids[1] == 269 && ids[2] == 267 && ids[3] == -7);
    CHECK_I64(glia_tokenizer_encode(t, "hello hell", 10, GLIA_TOK_BOS, ids, 4, &count, NULL), GLIA_OK);
    CHECK_I64(glia_tokenizer_encode(t, NULL, 0, 0, ids, 4, &count, NULL), GLIA_OK);
    CHECK_I64(glia_tokenizer_encode(t, NULL, 1, 0, ids, 4, &count, NULL), GLIA_E_ARG);
    CHECK_I64(glia_tokenizer_encode(t, "a", -1, 0, ids, 4, &count, NULL), GLIA_E_ARG);
    CHECK_I64(glia_tokenizer_encode(t, "a", 1, 0, NULL, 4, &count, NULL), GLIA_E_ARG);
    CHECK_I64(glia_tokenizer_encode(t, "a", 1, 0, ids, 4, NULL, NULL), GLIA_E_ARG);
    CHECK_I64(glia_tokenizer_encode(t, "a", (int64_t)1 << 40, 0, ids, 4, &count, NULL), GLIA_E_LIMIT);
    CHECK_I64(glia_tokenizer_encode(NULL, "a", 1, 0, ids, 4, &count, NULL), GLIA_E_ARG);
    glia_tokenizer_destroy(t);
    glia_tokenizer_destroy(NULL);
    vocab_free(v);
}

/* Creates and gives the status; a tokenizer that came is used once. */
static glia_status hostile_create(struct vocab *v, const char *code)
{
    struct fault_os f;
    glia_error e = GLIA_ERROR_INIT;
    glia_tokenizer *t = NULL;
    fault_os_init(&f, NULL);
    const glia_status s = glia_tokenizer_create(&f.os, &v->src, &t, &e);
    CHECK((t != NULL) == (s == GLIA_OK));
    if (code) CHECK_STR(e.code, code);
    if (t) {
        int64_t count;
        int32_t ids[64];
        glia_tokenizer_encode(t, "hello <s>\xff x", 12, GLIA_TOK_SPECIAL | GLIA_TOK_BOS, ids, 64, &count,
                              NULL);
    }
    glia_tokenizer_destroy(t);
    CHECK(fault_os_clean(&f));
    vocab_free(v);
    return s;
}

static void hostile_tokens(void)
{
    static const char *const byte_tokens[] = {"<0x-1>", "<0xZZ>", "<0x100>", "<0x>",
                                              "",       "<0x0",   "0x00",    "<0x 1>"};
    for (size_t i = 0; i < sizeof byte_tokens / sizeof byte_tokens[0]; i++) {
        struct vocab *v = vocab_hello();
        vocab_add(v, byte_tokens[i], 0, GLIA_TOK_TYPE_BYTE);
        CHECK_I64(hostile_create(v, "G0604"), GLIA_E_FORMAT);
        v = vocab_hello();
        vocab_add(v, byte_tokens[i], 0, GLIA_TOK_TYPE_NORMAL); /* as a text it is harmless */
        CHECK_I64(hostile_create(v, NULL), GLIA_OK);
    }
    static const int32_t types[] = {-1, 7, INT32_MIN, INT32_MAX, 256 + 1};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct vocab *v = vocab_hello();
        vocab_add(v, "x", 0, types[i]);
        CHECK_I64(hostile_create(v, "G0604"), GLIA_E_FORMAT);
    }
    struct vocab *v = vocab_hello();
    vocab_add(v, "x", NAN, GLIA_TOK_TYPE_NORMAL);
    CHECK_I64(hostile_create(v, "G0605"), GLIA_E_FORMAT);
    v = vocab_hello();
    vocab_add(v, "hh", INFINITY, GLIA_TOK_TYPE_NORMAL);
    vocab_add(v, "ee", -INFINITY, GLIA_TOK_TYPE_NORMAL);
    CHECK_I64(hostile_create(v, NULL), GLIA_OK);
}

static void hostile_duplicates(void)
{
    struct vocab *v = vocab_hello();
    vocab_add(v, "hello", 5, GLIA_TOK_TYPE_NORMAL);
    vocab_add(v, "", 0, GLIA_TOK_TYPE_NORMAL);
    vocab_add(v, "", 0, GLIA_TOK_TYPE_NORMAL);
    glia_tokenizer *t = make(v);
    char buf[8];
    CHECK_I64(glia_tokenizer_find(t, "hello", 5), 268); /* the lower id of two */
    CHECK_I64(glia_tokenizer_piece(t, 271, buf, 8, 0), 5);
    ENCODES(t, "hello", 0, 269);
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

static void hostile_sizes(void)
{
    struct vocab *v = vocab_hello();
    v->src.count = 0;
    CHECK_I64(hostile_create(v, "G0603"), GLIA_E_FORMAT);
    v = vocab_hello();
    v->src.count = -1;
    CHECK_I64(hostile_create(v, "G0603"), GLIA_E_FORMAT);
    v = vocab_hello();
    v->src.count = INT64_MAX;
    CHECK_I64(hostile_create(v, "G0608"), GLIA_E_LIMIT);
    v = vocab_hello();
    v->size[5] = -1;
    CHECK_I64(hostile_create(v, "G0603"), GLIA_E_ARG);
    v = vocab_hello();
    v->size[5] = v->size[6] = INT64_MAX;
    CHECK_I64(hostile_create(v, "G0608"), GLIA_E_LIMIT);
    v = vocab_hello();
    v->text[5] = NULL;
    CHECK_I64(hostile_create(v, "G0603"), GLIA_E_ARG);
    v = vocab_bpe_hello("gpt-2");
    v->src.merge_count = -1;
    CHECK_I64(hostile_create(v, "G0606"), GLIA_E_ARG);
    v = vocab_bpe_hello("gpt-2");
    v->src.merges = NULL;
    CHECK_I64(hostile_create(v, "G0606"), GLIA_E_ARG);
    v = vocab_hello();
    v->src.scores = NULL; /* all equal then */
    v->src.types = NULL;
    CHECK_I64(hostile_create(v, NULL), GLIA_OK);
    glia_tokenizer *t = NULL;
    CHECK_I64(glia_tokenizer_create(NULL, NULL, &t, NULL), GLIA_E_ARG);
    v = vocab_hello();
    CHECK_I64(glia_tokenizer_create(NULL, &v->src, NULL, NULL), GLIA_E_ARG);
    vocab_free(v);
}

static void hostile_special_ids(void)
{
    static const int64_t ids[] = {271, INT32_MAX, (int64_t)1 << 32, INT64_MAX, -2, INT64_MIN};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        for (int which = 0; which < 6; which++) {
            struct vocab *v = vocab_hello();
            int64_t *const field[] = {&v->src.bos, &v->src.eos, &v->src.unk,
                                      &v->src.pad, &v->src.eot, &v->src.eom};
            *field[which] = ids[i];
            CHECK_I64(hostile_create(v, "G0607"), GLIA_E_FORMAT);
        }
    }
}

static void hostile_merges(void)
{
    static const char *const merges[] = {"",      " ",   "x",       "hello",   " he",        "he ",   "zz zz",
                                         "he zz", "z e", "he  llo", "h e llo", "\xff\xfe e", "e \xc3"};
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++) {
        struct vocab *v = vocab_bpe_hello("gpt-2");
        vocab_merge(v, merges[i]);
        CHECK_I64(hostile_create(v, "G0606"), GLIA_E_FORMAT);
    }
    struct vocab *v = vocab_bpe_hello("gpt-2");
    vocab_merge(v, "h e"); /* twice: the first counts */
    CHECK_I64(hostile_create(v, NULL), GLIA_OK);
    v = vocab_bpe_hello("gpt-2");
    char *big = malloc(1 << 20);
    memset(big, 'a', 1 << 20);
    big[(1 << 20) - 1] = 0;
    big[1 << 19] = ' ';
    vocab_merge(v, big);
    free(big);
    CHECK_I64(hostile_create(v, "G0606"), GLIA_E_FORMAT);
}

static void hostile_names(void)
{
    static const char *const kinds[] = {"plamo2", "rwkv", "LLAMA", "", NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct vocab *v = vocab_hello();
        v->src.kind = kinds[i];
        CHECK_I64(hostile_create(v, "G0601"), GLIA_E_UNSUPPORTED);
    }
    CHECK_I64(hostile_create(vocab_bpe_hello("no-such"), "G0602"), GLIA_E_UNSUPPORTED);
    CHECK_I64(hostile_create(vocab_bpe_hello(NULL), NULL), GLIA_OK);
    CHECK_I64(hostile_create(vocab_bpe_hello(""), NULL), GLIA_OK);
}

/* A token of 2^20 bytes decodes; as a special token it is refused. */
static void hostile_long_token(void)
{
    const int64_t size = 1 << 20;
    char *big = malloc((size_t)size), *back = malloc((size_t)size);
    memset(big, 'l', (size_t)size);
    struct vocab *v = vocab_hello();
    const int id = vocab_add_bytes(v, big, size, 0, GLIA_TOK_TYPE_NORMAL);
    glia_tokenizer *t = make(v);
    CHECK_I64(glia_tokenizer_piece(t, id, back, size, 0), size);
    CHECK(!memcmp(big, back, (size_t)size));
    CHECK_I64(glia_tokenizer_piece_max(t), size);
    CHECK(returns(t, big, size));
    glia_tokenizer_destroy(t);
    vocab_free(v);
    v = vocab_hello();
    vocab_add_bytes(v, big, size, 0, GLIA_TOK_TYPE_CONTROL);
    CHECK_I64(hostile_create(v, "G0608"), GLIA_E_LIMIT);
    free(big);
    free(back);
}

/* Without byte tokens the unknown token stands in; without that, too, the text is refused. */
static void bytes_missing(void)
{
    for (int unk = 0; unk < 2; unk++) {
        struct vocab *v = vocab_new("llama", NULL);
        vocab_add(v, "<unk>", 0, GLIA_TOK_TYPE_UNKNOWN);
        vocab_add(v, MARK, 0, GLIA_TOK_TYPE_NORMAL);
        if (unk) v->src.unk = 0;
        glia_tokenizer *t = make(v);
        glia_error e = GLIA_ERROR_INIT;
        int64_t count;
        int32_t ids[8];
        if (unk) ENCODES(t, "\xc3\xa9", 0, 1, 0, 0);
        else {
            CHECK_I64(glia_tokenizer_encode(t, "x", 1, 0, ids, 8, &count, &e), GLIA_E_NOT_FOUND);
            CHECK_STR(e.code, "G0609");
        }
        glia_tokenizer_destroy(t);
        vocab_free(v);
    }
}

/* Up to a MiB of one thing: linear time, and the text comes back. The bound is loose; a quadratic path takes
 * hours. Each text is tried long with one tokenizer and shorter with the others. */
static void million_bytes(void)
{
    static const char *const units[] = {"a",
                                        " ",
                                        "ab",
                                        "'",
                                        "'s",
                                        "1",
                                        "\n",
                                        " \n",
                                        "\xcc\x81",
                                        "\xff",
                                        "\xe2\x96\x81",
                                        "\xc3\xa9",
                                        "\xe4\xb8\xad",
                                        "hello",
                                        "<|",
                                        "<s",
                                        "a ",
                                        "\xf0\x9f\xa6\x99",
                                        "\t\r",
                                        "A",
                                        "!\n",
                                        "_"};
    static const char *const pres[] = {NULL,     "gpt-2",     "llama-bpe",      "qwen2",
                                       "gpt-4o", "starcoder", "deepseek-coder", "default"};
    char *text = malloc(1 << 20);
    double worst = 0;
    for (size_t p = 0; p < sizeof pres / sizeof pres[0]; p++) {
        struct vocab *v = p ? vocab_bpe_hello(pres[p]) : vocab_hello();
        char run[600];
        for (int n = 2; n <= 512; n *= 2) { /* runs of a: deep merges */
            memset(run, 'a', (size_t)n);
            run[n] = 0;
            vocab_add(v, run, (float)n, GLIA_TOK_TYPE_NORMAL);
            if (p) {
                run[n / 2] = ' ';
                memset(run + n / 2 + 1, 'a', (size_t)n / 2);
                run[n + 1] = 0;
                vocab_merge(v, run);
            }
        }
        if (!p) {
            vocab_add(v, "a", -1, GLIA_TOK_TYPE_NORMAL);
            vocab_add(v, "a" MARK, -1, GLIA_TOK_TYPE_NORMAL); /* words no longer end at spaces */
        }
        vocab_add(v, "<|<|<|<|<|<|<|<|>", 0, GLIA_TOK_TYPE_USER_DEFINED);
        glia_tokenizer *t = make(v);
        for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
            const int64_t n = (int64_t)strlen(units[u]), size = u % 8 == p ? 1 << 20 : 1 << 17;
            for (int64_t i = 0; i < size; i++) text[i] = units[u][i % n];
            struct timespec a, b;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
            const bool same = returns(t, text, size - size % n);
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
            const double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
            CHECK(same || (!p && !strcmp(units[u], "\xe2\x96\x81"))); /* a mark comes back as a space */
            CHECK(s < 20);
            if (s > worst) worst = s;
        }
        glia_tokenizer_destroy(t);
        vocab_free(v);
    }
    fprintf(stderr, "million_bytes: slowest text took %.2f s\n", worst);
    free(text);
}

static void allocations_fail(void)
{
    for (int k = 0; k < 2; k++) {
        struct vocab *v = k ? vocab_bpe_hello("llama-bpe") : vocab_hello();
        bool done = false;
        for (int64_t n = 1; n < 200 && !done; n++) {
            struct fault_os f;
            glia_tokenizer *t = NULL;
            int32_t ids[512];
            int64_t count = 0;
            char text[300];
            memset(text, 'h', sizeof text);
            fault_os_init(&f, NULL);
            fault_os_fail(&f, FAULT_MEMORY, n, false);
            glia_status s = glia_tokenizer_create(&f.os, &v->src, &t, NULL);
            if (!s) s = glia_tokenizer_encode(t, text, sizeof text, 0, ids, 512, &count, NULL);
            CHECK(s == (f.failed ? GLIA_E_NOMEM : GLIA_OK));
            if (t && s)
                CHECK_I64(glia_tokenizer_encode(t, text, sizeof text, 0, ids, 512, &count, NULL), GLIA_OK);
            done = !f.failed;
            glia_tokenizer_destroy(t);
            CHECK(fault_os_clean(&f));
        }
        CHECK(done);
        vocab_free(v);
    }
}

/* ---- one tokenizer, many threads */

struct worker {
    const glia_tokenizer *t;
    int failures;
};

static void *encode_often(void *arg)
{
    struct worker *w = arg;
    char text[512];
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof text; i++) text[i] = "hello "[test_random(&seed) % 6];
    int32_t first[512], ids[512];
    int64_t first_count = 0, count = 0;
    for (int i = 0; i < 50; i++) {
        w->failures += glia_tokenizer_encode(w->t, text, sizeof text, 0, i ? ids : first, 512,
                                             i ? &count : &first_count, NULL) != GLIA_OK;
        if (i) w->failures += count != first_count || memcmp(ids, first, (size_t)count * sizeof *ids);
    }
    return NULL;
}

static void shared_by_threads(void)
{
    struct vocab *v = vocab_hello();
    glia_tokenizer *t = make(v);
    pthread_t threads[4];
    struct worker workers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){t, 0};
        CHECK_I64(pthread_create(&threads[i], NULL, encode_often, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK_I64(workers[i].failures, 0);
    }
    glia_tokenizer_destroy(t);
    vocab_free(v);
}

/* ---- metadata of files, byte by byte */

static void key(blob *b, const char *name, uint32_t type)
{
    char full[96];
    snprintf(full, sizeof full, "tokenizer.ggml.%s", name);
    put_str(b, full);
    put_u32(b, type);
}

static void array_of(blob *b, const char *name, uint32_t element, uint64_t count)
{
    key(b, name, GLIA_GGUF_ARRAY);
    put_u32(b, element);
    put_u64(b, count);
}

/* A file of four tokens with this many scores and types, this bos, and a model of this name (null: no key).
 */
static glia_status file_create(const char *model, int scores, int types, uint32_t bos, int switch_type,
                               const char *code)
{
    blob b = {0};
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g = NULL;
    glia_tokenizer *t = NULL;
    put(&b, "GGUF", 4);
    put_u32(&b, 3);
    put_u64(&b, 0);
    put_u64(&b, model ? 6 : 5);
    if (model) {
        key(&b, "model", GLIA_GGUF_STRING);
        put_str(&b, model);
    }
    array_of(&b, "tokens", GLIA_GGUF_STRING, 4);
    put_str(&b, "<unk>");
    put_str(&b, "<s>");
    put_str(&b, "</s>");
    put_str(&b, "a");
    array_of(&b, "scores", GLIA_GGUF_F32, (uint64_t)scores);
    for (int i = 0; i < scores; i++) put_f32(&b, 0);
    array_of(&b, "token_type", GLIA_GGUF_I32, (uint64_t)types);
    for (int i = 0; i < types; i++) put_u32(&b, i == 0 ? 2 : i < 3 ? 3 : 1);
    key(&b, "bos_token_id", GLIA_GGUF_U32);
    put_u32(&b, bos);
    key(&b, "add_space_prefix", (uint32_t)switch_type);
    if (switch_type == GLIA_GGUF_BOOL) put_u8(&b, 0);
    else put_u32(&b, 0);
    put_zeros(&b, 64 - b.size % 32);
    CHECK_I64(glia_gguf_parse(NULL, b.data, b.size, b.size, NULL, &g, &e), GLIA_OK);
    const glia_status s = glia_tokenizer_from_gguf(NULL, g, &t, &e);
    glia_gguf_close(g);
    blob_free(&b);
    if (code) CHECK_STR(e.code, code);
    if (!s) { /* the roles that the file leaves out come from the kind; nothing of the file is needed any more
               */
        CHECK_I64(glia_tokenizer_bos(t), 1);
        CHECK_I64(glia_tokenizer_eos(t), 2);
        CHECK_I64(glia_tokenizer_unk(t), 0);
        ENCODES(t, "a", GLIA_TOK_BOS, 1, 3);
    }
    glia_tokenizer_destroy(t);
    return s;
}

static void files_by_hand(void)
{
    CHECK_I64(file_create("llama", 4, 4, 1, GLIA_GGUF_BOOL, NULL), GLIA_OK);
    CHECK_I64(file_create("llama", 4, 4, UINT32_MAX, GLIA_GGUF_BOOL, NULL), GLIA_OK); /* "none", as -1 */
    CHECK_I64(file_create("llama", 3, 4, 1, GLIA_GGUF_BOOL, "G0603"), GLIA_E_FORMAT);
    CHECK_I64(file_create("llama", 5, 4, 1, GLIA_GGUF_BOOL, "G0603"), GLIA_E_FORMAT);
    CHECK_I64(file_create("llama", 4, 0, 1, GLIA_GGUF_BOOL, "G0603"), GLIA_E_FORMAT);
    CHECK_I64(file_create("llama", 4, 5, 1, GLIA_GGUF_BOOL, "G0603"), GLIA_E_FORMAT);
    CHECK_I64(file_create("llama", 4, 4, 4, GLIA_GGUF_BOOL, "G0607"), GLIA_E_FORMAT);
    CHECK_I64(file_create("llama", 4, 4, 1, GLIA_GGUF_U32, "G0322"), GLIA_E_FORMAT);
    CHECK_I64(file_create("rwkv", 4, 4, 1, GLIA_GGUF_BOOL, "G0601"), GLIA_E_UNSUPPORTED);
    CHECK_I64(file_create(NULL, 4, 4, 1, GLIA_GGUF_BOOL, "G0321"), GLIA_E_NOT_FOUND);
    glia_tokenizer *t = NULL;
    CHECK_I64(glia_tokenizer_from_gguf(NULL, NULL, &t, NULL), GLIA_E_ARG);
}

/* ---- published vocabularies */

static char *slurp(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
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

static glia_tokenizer *open_vocab(const char *path)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g = NULL;
    glia_tokenizer *t = NULL;
    if (glia_gguf_open(NULL, path, NULL, &g, &e)) return NULL;
    if (glia_tokenizer_from_gguf(NULL, g, &t, &e)) fprintf(stderr, "%s: %s %s\n", path, e.code, e.text);
    glia_gguf_close(g);
    return t;
}

/* Every text of the .inp file gives the ids of its line in the .out file, and these give the text. */
static void check_pairs(const glia_tokenizer *t, const char *in_path, const char *out_path)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    int64_t in_size = 0, out_size = 0, texts = 0;
    char *in = slurp(in_path, &in_size), *out = slurp(out_path, &out_size), *line = out;
    CHECK(in && out);
    for (char *at = in, *end; at && line && (end = strstr(at, separator));
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
        CHECK(!strcmp(glia_tokenizer_kind(t), "bert") || returns(t, at, end - at)); /* it keeps no spaces */
        line = stop ? stop + 1 : NULL;
    }
    CHECK(texts >= 45);
    free(in);
    free(out);
}

static const struct {
    const char *name, *file;
    const char *chat; /* a text with control tokens, and its ids by another implementation */
    int32_t ids[16];
} published[] = {
    {"llama-spm",
     "ggml-vocab-llama-spm.gguf",
     "<s>[INST] Hi  there [/INST]</s> x",
     {1, 518, 25580, 29962, 6324, 29871, 727, 518, 29914, 25580, 29962, 2, 29871, 921, -1}},
    {"gpt-2", "ggml-vocab-gpt-2.gguf", "", {-1}},
    {"llama-bpe",
     "derived/ggml-vocab-llama-bpe.gguf",
     "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi there<|eot_id|><|start_header_id|>",
     {128000, 128006, 882, 128007, 271, 13347, 1070, 128009, 128006, -1}},
    {"qwen2",
     "derived/ggml-vocab-qwen2.gguf",
     "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>",
     {151644, 872, 198, 13048, 1052, 151645, 198, 151644, -1}},
    {"starcoder", "ggml-vocab-starcoder.gguf", "", {-1}},
    {"deepseek-coder", "ggml-vocab-deepseek-coder.gguf", "", {-1}},
    {"bert-bge",
     "ggml-vocab-bert-bge.gguf",
     "[CLS] H\xc3\xa9llo, world [MASK]",
     {101, 7592, 1010, 2088, 103, -1}},
};

static void check_published(int i)
{
    char vocab[512], in[512], out[512];
    const char *dir = check_data_dir();
    snprintf(vocab, sizeof vocab, "%s/tokenizers/gguf-vocabs/%s", dir, published[i].file);
    glia_tokenizer *t = open_vocab(vocab);
    CHECK(t != NULL);
    if (!t) return;
    for (int newer = 0; newer < 2; newer++) {
        snprintf(in, sizeof in, "%s/tokenizers/gguf-vocabs/%sggml-vocab-%s.gguf.inp", dir,
                 newer ? "newer/" : "", published[i].name);
        snprintf(out, sizeof out, "%s/tokenizers/gguf-vocabs/%sggml-vocab-%s.gguf.out", dir,
                 newer ? "newer/" : "", published[i].name);
        check_pairs(t, in, out);
    }
    encodes(t, published[i].chat, (int64_t)strlen(published[i].chat), GLIA_TOK_SPECIAL, published[i].ids);
    snprintf(in, sizeof in, "%s/text/wikitext-2.valid.txt", dir);
    int64_t size = 0;
    char *text = slurp(in, &size);
    CHECK(text && (i == 6 || returns(t, text, size)));
    free(text);
    glia_tokenizer_destroy(t);
}

static void published_llama_spm(void) { check_published(0); }
static void published_gpt_2(void) { check_published(1); }
static void published_llama_bpe(void) { check_published(2); }
static void published_qwen2(void) { check_published(3); }
static void published_starcoder(void) { check_published(4); }
static void published_deepseek_coder(void) { check_published(5); }
static void published_bert_bge(void) { check_published(6); }

int main(void)
{
    RUN(spm_by_hand);
    RUN(bpe_by_hand);
    RUN(bpe_ignore_merges);
    RUN(specials_longest);
    RUN(spm_against_naive);
    RUN(bpe_against_naive);
    RUN(pretok_vectors);
    RUN(detok_streams);
    RUN(detok_random);
    RUN(spm_first_space);
    RUN(capacity_tells_need);
    RUN(hostile_tokens);
    RUN(hostile_duplicates);
    RUN(hostile_sizes);
    RUN(hostile_special_ids);
    RUN(hostile_merges);
    RUN(hostile_names);
    RUN(hostile_long_token);
    RUN(bytes_missing);
    RUN(million_bytes);
    RUN(allocations_fail);
    RUN(shared_by_threads);
    RUN(files_by_hand);
    if (check_data_dir()) {
        RUN(published_llama_spm);
        RUN(published_gpt_2);
        RUN(published_llama_bpe);
        RUN(published_qwen2);
        RUN(published_starcoder);
        RUN(published_deepseek_coder);
        RUN(published_bert_bge);
    } else SKIP("published_vocabularies", "GLIA_TEST_DATA is not set");
    return CHECK_EXIT();
}
