/* Any bytes as a vocabulary and a text: the vocabulary is refused, or everything works with it. What must
 * hold: the count does not depend on the room, ids are in the vocabulary, a stream gives UTF-8, and where
 * every byte has a token of its own, ids give the text back. */
#include "fuzz.h"
#include "tok_vocabs.h"

#include "base/utf8.h"

/* Not those that normalize: ids give the text back. */
static const char *const pres[] = {"gpt-2",     "llama-bpe",      "deepseek-v3", "gpt-4o",
                                   "starcoder", "deepseek-coder", "falcon",      "no-such"};

/* Strings of the input: a length byte, then that many. */
static const char *take(const uint8_t **data, size_t *size, int64_t *n)
{
    *n = 0;
    if (!*size) return "";
    size_t want = *(*data)++ & 15;
    --*size;
    if (want > *size) want = *size;
    const char *s = (const char *)*data;
    *data += want;
    *size -= want;
    *n = (int64_t)want;
    return s;
}

static void use(const glia_tokenizer *t, const char *text, int64_t size, int flags, bool whole)
{
    int64_t count = 0, again = 0, n = 0;
    glia_error e = GLIA_ERROR_INIT;
    const glia_status s = glia_tokenizer_encode(t, text, size, flags, NULL, 0, &count, &e);
    if (s == GLIA_E_NOT_FOUND) return;
    FUZZ_CHECK(s == (count ? GLIA_E_LIMIT : GLIA_OK));
    int32_t *ids = malloc((size_t)count * sizeof *ids + 1);
    char *back = malloc((size_t)size + 64);
    FUZZ_CHECK(ids && back);
    FUZZ_CHECK(!glia_tokenizer_encode(t, text, size, flags, ids, count, &again, &e) && again == count);
    glia_detok d;
    glia_detok_init(t, &d, GLIA_TOK_RENDER);
    for (int64_t i = 0; i < count; i++) {
        char out[256];
        FUZZ_CHECK(ids[i] >= 0 && ids[i] < glia_tokenizer_vocab_size(t));
        n = glia_detok_push(t, &d, ids[i], out, sizeof out);
        FUZZ_CHECK(n >= 0 && glia_utf8_valid(out, n));
    }
    if (whole && !flags) {
        n = glia_tokenizer_decode(t, ids, count, back, size + 64, 0);
        FUZZ_CHECK(n == size && !memcmp(back, text, (size_t)size));
    }
    free(ids);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) return 0;
    const int spm = data[0] & 1, whole = data[0] & 2, tokens = data[1], merges = data[2];
    struct vocab *v = whole ? (spm ? vocab_spm() : vocab_bpe(pres[data[3] % 7]))
                            : vocab_new(spm ? "llama" : "gpt2", pres[data[3] % 8]);
    if (data[0] & 4) v->src.unk = 0;
    data += 4;
    size -= 4;
    for (int i = 0; i < tokens && size; i++) {
        const int type = data[0] >> 3;
        int64_t n;
        const char *s = take(&data, &size, &n);
        vocab_add_bytes(v, s, n, (float)(n ? s[0] % 4 : 0),
                        whole || type < 24 ? GLIA_TOK_TYPE_NORMAL : type - 24);
    }
    for (int i = 0; i < merges && size > 1 && !spm && v->src.count; i++) {
        char text[128];
        const char *a = v->text[data[0] % v->src.count], *b = v->text[data[1] % v->src.count];
        const size_t left = strlen(a), right = strlen(b);
        if (left + right > 60) break;
        data += 2;
        size -= 2;
        snprintf(text, sizeof text, "%s %s", a, b);
        vocab_merge(v, text);
        memmove(text + left, text + left + 1, right + 1);
        if (whole) vocab_add(v, text, 0, GLIA_TOK_TYPE_NORMAL);
    }
    if (whole) v->src.add_space_prefix = 0;
    const char *text = (const char *)data;
    int spaces = 0; /* without a token of its own a space comes back as its mark */
    for (size_t i = 0; i < size; i++) spaces |= text[i] == ' ' || (uint8_t)text[i] == 0xE2;
    glia_tokenizer *t = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (!glia_tokenizer_create(NULL, &v->src, &t, &e))
        for (int flags = 0; flags < 4; flags++) use(t, text, (int64_t)size, flags, whole && !(spm && spaces));
    else FUZZ_CHECK(e.code[0] == 'G' && e.text[0] && glia_explain(e.code));
    glia_tokenizer_destroy(t);
    vocab_free(v);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
/* Both kinds, with and without the 256 bytes. */
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const struct {
        const char *bytes;
        int size;
    } rows[] = {
#define ROW(s) {s, sizeof(s) - 1}
        ROW("\x03\x05\0\0"
            "\1a"
            "\2ab"
            "\3\xe2\x96\x81"
            "\6<0x41>"
            "\4\xc3\xa9zz"
            "abaab \xc3\xa9zz\xff<0x41>aabab"),
        ROW("\x02\x02\x04\1"
            "\1a"
            "\2<>"
            "abbcad"
            "aa"
            "ababacab can't WE'LL 1234 \n\n  x\xe4\xb8\xad\xff<><"),
        ROW("\x05\x04\0\0"
            "\5<unk>"
            "\1a"
            "\2aa"
            "\xe3\xe2\x96\x81"
            "aaa a<unk>aaaa"),
        ROW("\x04\x04\x01\0"
            "\1a"
            "\1b"
            "\2ab"
            "\xe3<b>"
            "\0\1"
            "abab<b>ba"),
        ROW("\x02\0\x08\2"
            "aabbccdeAB00  ..aa"
            "the quick brown fox aabbccaabb  \xcc\x81\xf0\x9f\xa6\x99 don't"),
#undef ROW
    };
    if (i >= (int)(sizeof rows / sizeof rows[0])) return -1;
    memcpy(out, rows[i].bytes, (size_t)rows[i].size);
    return rows[i].size;
}
#endif
