/* Any bytes as a tokenizer.json: refused with a code, or a tokenizer that gives ids of its vocabulary for any
 * text, whose stream is UTF-8, and whose source makes the same tokenizer again. The text to encode is the
 * file itself. */
#include "fuzz.h"

#include "base/error.h"
#include "base/utf8.h"
#include "llm/tok_json.h"

static void use(const glia_tokenizer *t, const char *text, int64_t size, int flags)
{
    int64_t count = 0, again = 0;
    glia_error e = GLIA_ERROR_INIT;
    const glia_status s = glia_tokenizer_encode(t, text, size, flags, NULL, 0, &count, &e);
    if (s && s != GLIA_E_LIMIT) {
        FUZZ_CHECK(s == GLIA_E_NOT_FOUND);
        return;
    }
    if (!count) return;
    int32_t *ids = malloc((size_t)count * sizeof *ids);
    const int64_t capacity = 3 * (glia_tokenizer_piece_max(t) + GLIA_DETOK_PENDING);
    char *out = malloc((size_t)capacity);
    FUZZ_CHECK(ids && out);
    FUZZ_CHECK(!glia_tokenizer_encode(t, text, size, flags, ids, count, &again, &e) && again == count);
    glia_detok d;
    glia_detok_init(t, &d, GLIA_TOK_RENDER);
    for (int64_t i = 0; i < count; i++) {
        FUZZ_CHECK(ids[i] >= 0 && ids[i] < glia_tokenizer_vocab_size(t));
        const int64_t n = glia_detok_push(t, &d, ids[i], out, capacity);
        FUZZ_CHECK(n >= 0 && glia_utf8_valid(out, n));
    }
    free(ids);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_tok_json *j = NULL;
    glia_tokenizer *t = NULL;
    const char *text = (const char *)data;
    if (size > 8192) return 0;
    if (glia_tok_json_read(NULL, text, (int64_t)size, NULL, 0, &j, &e)) {
        FUZZ_CHECK(!j && e.code[0] == 'G' && e.text[0] && glia_explain(e.code));
        return 0;
    }
    if (glia_tok_json_gguf(j, &e)) FUZZ_CHECK(glia_explain(e.code));
    if (!glia_tokenizer_create(NULL, glia_tok_json_source(j), &t, &e))
        for (int flags = 0; flags < 4; flags++) use(t, text, (int64_t)size, flags);
    else FUZZ_CHECK(e.code[0] == 'G' && e.text[0] && glia_explain(e.code));
    glia_tokenizer_destroy(t);
    glia_tok_json_free(j);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
/* One of each model, with most parts. */
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const rows[] = {
        "{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true,\"lstrip\":true},{\"id\":5,"
        "\"content\":\"ab\","
        "\"single_word\":true,\"normalized\":true}],\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{"
        "\"type\":\"NFC\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a+b\"},\"content\":\"x\"}]},\"pre_tokenizer\":{"
        "\"type\":\"Sequence\","
        "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s)|[^\\\\p{L}&&[a-z]]?\\\\p{L}+"
        "|\\\\s+(?!\\\\S)|\\\\s++\"},"
        "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"use_regex\":false}]},"
        "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",0],\"cls\":[\"b\",1]},\"decoder\":"
        "{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"ignore_merges\":false,\"vocab\":{\"a\":0,\"b\":1,\"\\u0120\":2,\"aa\":"
        "3},"
        "\"merges\":[[\"a\",\"a\"]]}}",
        "{\"added_tokens\":[{\"id\":0,\"content\":\"[UNK]\",\"special\":true}],\"normalizer\":{\"type\":"
        "\"BertNormalizer\","
        "\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":"
        "\"TemplateProcessing\","
        "\"single\":[{\"SpecialToken\":{\"id\":\"[UNK]\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":"
        "{\"[UNK]\":{\"ids\":[0]}}},"
        "\"decoder\":{\"type\":\"WordPiece\"},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
        "\"continuing_subword_prefix\":\"##\","
        "\"max_input_chars_per_word\":10,\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"e\":3,\"##x\":4}}}",
        "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAEAAAABAAAYQA=\"},\"pre_"
        "tokenizer\":{\"type\":"
        "\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\",\"split\":true},\"decoder\":{"
        "\"type\":\"Metaspace\","
        "\"replacement\":\"\\u2581\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],["
        "\"a\",-1.5],[\"\\u2581\",-2],"
        "[\"\\u2581a\",-2.5],[\"ab\",-3]]}}",
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
        "\"\\u2581\"},{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\" "
        "\"},\"content\":\"\\u2581\"}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},"
        "{\"type\":\"Strip\",\"content\":\" "
        "\",\"start\":1,\"stop\":0}]},\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"fuse_unk\":true,"
        "\"byte_fallback\":true,\"vocab\":{\"u\":0,\"<0x41>\":1,\"a\":2,\"\\u2581\":3,\"\\u2581a\":4},"
        "\"merges\":[\"\\u2581 a\"]}}",
    };
    if (i >= (int)(sizeof rows / sizeof rows[0])) return -1;
    memcpy(out, rows[i], strlen(rows[i]));
    return (int64_t)strlen(rows[i]);
}
#endif
