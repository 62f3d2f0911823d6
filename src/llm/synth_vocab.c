/* Vocabularies of synthetic models. Pieces are made as a BPE trainer would leave them: each is two earlier
 * pieces joined, so that a tokenizer can reach every one of them, and no two are alike. Letters come in the
 * order of their frequency in English and earlier pieces are preferred, so that some pieces occur in real
 * text. */
#include "llm/synth_vocab.h"

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <string.h>

#define PIECE_BYTES_MAX 24
#define SPECIAL_COUNT 256 /* of the GPT-2 kind */

/* GGUF's numbers of token types. */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_BYTE = 6 };

static const char letters[] =
    "etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCMFWYPVBGKJQXZ0123456789.,;:!?'\"-()[]{}/\\*+=<>@#$%^&_|~`";

typedef struct vocab {
    glia_arena *arena;
    glia_gguf_string *tokens;
    int64_t count, capacity;
    int32_t *types;
    int32_t *slots; /* open addressing: token + 1, or 0 */
    int64_t slot_mask;
} vocab;

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a vocabulary");
}

static glia_status make_vocab(vocab *v, glia_arena *a, int64_t count, glia_error *e)
{
    int64_t slots = 64;
    while (slots < 2 * count) slots *= 2;
    *v = (vocab){.arena = a, .capacity = count, .slot_mask = slots - 1};
    v->tokens = GLIA_NEW_ARRAY(a, glia_gguf_string, count);
    v->types = GLIA_NEW_ARRAY(a, int32_t, count);
    v->slots = GLIA_NEW_ARRAY(a, int32_t, slots);
    return v->tokens && v->types && v->slots ? GLIA_OK : no_memory(e);
}

/* Where this text is, or would be put. Our own texts: nobody can aim at one slot. */
static int64_t slot_of(const vocab *v, const char *text, int64_t size)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (int64_t i = 0; i < size; i++) h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    int64_t at = (int64_t)((h ^ h >> 32) & (uint64_t)v->slot_mask);
    for (; v->slots[at]; at = (at + 1) & v->slot_mask) {
        const glia_gguf_string *t = &v->tokens[v->slots[at] - 1];
        if (t->size == size && memcmp(t->text, text, (size_t)size) == 0) break;
    }
    return at;
}

/* False when memory is out; a text that is there already, or no place for it, changes nothing. */
static bool add(vocab *v, const char *text, int64_t size, int32_t type)
{
    int64_t at = slot_of(v, text, size);
    if (v->slots[at] || v->count == v->capacity) return true;
    char *copy = glia_arena_strndup(v->arena, text, size);
    if (!copy) return false;
    v->tokens[v->count] = (glia_gguf_string){copy, size};
    v->types[v->count] = type;
    v->slots[at] = (int32_t)++v->count;
    return true;
}

/* One of the pieces [first, first + n), the earlier ones more often. */
static int64_t pick(glia_rng *r, int64_t first, int64_t n)
{
    double u = glia_rng_f64(r);
    return first + (int64_t)((double)n * u * u * u);
}

static bool begins_with(const glia_gguf_string *t, const char *mark)
{
    int64_t n = (int64_t)strlen(mark);
    return t->size >= n && memcmp(t->text, mark, (size_t)n) == 0;
}

/* Fills the vocabulary up to `end` with joined pieces. `mark` stands for a blank, and begins a piece or is
 * not in it. merges, if not null, gets "left right" for each. */
static bool add_joined(vocab *v, int64_t first, int64_t end, const char *mark, glia_rng *r,
                       glia_gguf_string *merges)
{
    char text[2 * PIECE_BYTES_MAX + 1];
    while (v->count < end) {
        const glia_gguf_string *left = &v->tokens[pick(r, first, v->count - first)];
        const glia_gguf_string *right = &v->tokens[pick(r, first, v->count - first)];
        if (left->size + right->size > PIECE_BYTES_MAX || begins_with(right, mark)) continue;
        memcpy(text, left->text, (size_t)left->size);
        memcpy(text + left->size, right->text, (size_t)right->size);
        int64_t before = v->count;
        if (!add(v, text, left->size + right->size, TOKEN_NORMAL)) return false;
        if (!merges || v->count == before) continue;
        char *merge = glia_arena_printf(v->arena, "%.*s %.*s", (int)left->size, left->text, (int)right->size,
                                        right->text);
        if (!merge) return false;
        *merges++ = (glia_gguf_string){merge, left->size + right->size + 1};
    }
    return true;
}

static bool add_spm_base(vocab *v)
{
    bool ok = add(v, "<unk>", 5, TOKEN_UNKNOWN) && add(v, "<s>", 3, TOKEN_CONTROL) &&
              add(v, "</s>", 4, TOKEN_CONTROL);
    for (int b = 0; b < 256 && ok; b++) {
        static const char hex[] = "0123456789ABCDEF";
        char text[] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
        ok = add(v, text, sizeof text, TOKEN_BYTE);
    }
    ok = ok && add(v, "\xe2\x96\x81", 3, TOKEN_NORMAL); /* U+2581 stands for a blank */
    for (const char *c = letters; *c && ok; c++) ok = add(v, c, 1, TOKEN_NORMAL);
    return ok;
}

glia_status glia_synth_vocab_spm(glia_gguf_writer *w, glia_arena *a, int64_t count, uint64_t seed,
                                 glia_error *e)
{
    const int64_t first = 3 + 256;
    vocab v;
    glia_rng r = {seed, 0x73706d, 0};
    glia_status s = make_vocab(&v, a, count, e);
    if (s) return s;
    float *scores = GLIA_NEW_ARRAY(a, float, count);
    if (!scores || !add_spm_base(&v) || !add_joined(&v, first, count, "\xe2\x96\x81", &r, NULL))
        return no_memory(e);
    for (int64_t i = first; i < count; i++) scores[i] = -(float)(i - first);
    glia_gguf_set_string(w, "tokenizer.ggml.model", "llama", -1);
    glia_gguf_set_string(w, "tokenizer.ggml.pre", "default", -1);
    glia_gguf_set_strings(w, "tokenizer.ggml.tokens", v.tokens, count);
    glia_gguf_set_array(w, "tokenizer.ggml.scores", GLIA_GGUF_F32, scores, count);
    glia_gguf_set_array(w, "tokenizer.ggml.token_type", GLIA_GGUF_I32, v.types, count);
    glia_gguf_set_u32(w, "tokenizer.ggml.bos_token_id", 1);
    glia_gguf_set_u32(w, "tokenizer.ggml.eos_token_id", 2);
    glia_gguf_set_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    glia_gguf_set_bool(w, "tokenizer.ggml.add_bos_token", true);
    glia_gguf_set_bool(w, "tokenizer.ggml.add_eos_token", false);
    glia_gguf_set_bool(w, "tokenizer.ggml.add_space_prefix", true);
    return GLIA_OK;
}

glia_status glia_synth_vocab_wordpiece(glia_gguf_writer *w, glia_arena *a, int64_t count, uint64_t seed,
                                       glia_error *e)
{
    static const struct {
        const char *text, *key;
    } special[] = {{"[PAD]", "tokenizer.ggml.padding_token_id"},
                   {"[UNK]", "tokenizer.ggml.unknown_token_id"},
                   {"[CLS]", "tokenizer.ggml.cls_token_id"},
                   {"[SEP]", "tokenizer.ggml.seperator_token_id"}, /* spelled so in files */
                   {"[MASK]", "tokenizer.ggml.mask_token_id"}};
    vocab v;
    glia_rng r = {seed, 0x6d726f77, 0};
    glia_status s = make_vocab(&v, a, count, e);
    if (s) return s;
    bool ok = true;
    for (int i = 0; i < GLIA_COUNT(special) && ok; i++) {
        ok = add(&v, special[i].text, (int64_t)strlen(special[i].text), TOKEN_CONTROL);
        glia_gguf_set_u32(w, special[i].key, (uint32_t)i);
    }
    for (const char *c = letters; *c && ok; c++) { /* within a word, and at its beginning */
        char begin[4] = {(char)0xe2, (char)0x96, (char)0x81, *c};
        ok = add(&v, c, 1, TOKEN_NORMAL) && add(&v, begin, sizeof begin, TOKEN_NORMAL);
    }
    if (!ok || !add_joined(&v, GLIA_COUNT(special), count, "\xe2\x96\x81", &r, NULL)) return no_memory(e);
    glia_gguf_set_string(w, "tokenizer.ggml.model", "bert", -1);
    glia_gguf_set_string(w, "tokenizer.ggml.pre", "default", -1);
    glia_gguf_set_u32(w, "tokenizer.ggml.token_type_count", 2);
    glia_gguf_set_strings(w, "tokenizer.ggml.tokens", v.tokens, count);
    glia_gguf_set_array(w, "tokenizer.ggml.token_type", GLIA_GGUF_I32, v.types, count);
    return GLIA_OK;
}

static bool is_shown(int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; }

/* GPT-2 writes each byte as a character that can be seen: shown bytes as themselves, the others from U+0100
 * on. The shown ones come first. */
static bool add_bpe_base(vocab *v)
{
    bool ok = true;
    for (int b = 0; b < 256 && ok; b++) {
        char text[4];
        if (is_shown(b)) ok = add(v, text, glia_utf8_encode((uint32_t)b, text), TOKEN_NORMAL);
    }
    for (uint32_t b = 0, other = 256; b < 256 && ok; b++) {
        char text[4];
        if (!is_shown((int)b)) ok = add(v, text, glia_utf8_encode(other++, text), TOKEN_NORMAL);
    }
    return ok;
}

/* The last 256 tokens. */
static bool add_bpe_special(vocab *v)
{
    static const char *const names[] = {
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|reserved_special_token_0|>",
        "<|reserved_special_token_1|>",
        "<|finetune_right_pad_id|>",
        "<|reserved_special_token_2|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eom_id|>",
        "<|eot_id|>",
        "<|python_tag|>",
    };
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *name = i < GLIA_COUNT(names)
                               ? names[i]
                               : glia_arena_printf(v->arena, "<|reserved_special_token_%d|>", i - 8);
        if (!name || !add(v, name, (int64_t)strlen(name), TOKEN_CONTROL)) return false;
    }
    return true;
}

glia_status glia_synth_vocab_bpe(glia_gguf_writer *w, glia_arena *a, int64_t count, const char *pre,
                                 uint64_t seed, glia_error *e)
{
    vocab v;
    glia_rng r = {seed, 0x627065, 0};
    int64_t special = count - SPECIAL_COUNT, merge_count = special - 256;
    glia_status s = make_vocab(&v, a, count, e);
    if (s) return s;
    glia_gguf_string *merges = GLIA_NEW_ARRAY(a, glia_gguf_string, merge_count);
    if (!merges || !add_bpe_base(&v) || !add_joined(&v, 0, special, "\xc4\xa0", &r, merges) ||
        !add_bpe_special(&v))
        return no_memory(e);
    glia_gguf_set_string(w, "tokenizer.ggml.model", "gpt2", -1);
    glia_gguf_set_string(w, "tokenizer.ggml.pre", pre, -1);
    glia_gguf_set_strings(w, "tokenizer.ggml.tokens", v.tokens, count);
    glia_gguf_set_array(w, "tokenizer.ggml.token_type", GLIA_GGUF_I32, v.types, count);
    glia_gguf_set_strings(w, "tokenizer.ggml.merges", merges, merge_count);
    glia_gguf_set_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)special);
    glia_gguf_set_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)special + 1);
    glia_gguf_set_bool(w, "tokenizer.ggml.add_bos_token", true);
    return GLIA_OK;
}
