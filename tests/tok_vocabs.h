/* Vocabularies for the tests of tokenizers: small ones by hand, random ones by a seed. */
#ifndef GLIA_TESTS_TOK_VOCABS_H
#define GLIA_TESTS_TOK_VOCABS_H

#include "llm/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB_MAX = 2048, MERGES_MAX = 2048 };

struct vocab {
    glia_vocab_source src;
    const char *text[VOCAB_MAX];
    int64_t size[VOCAB_MAX];
    float score[VOCAB_MAX];
    int32_t type[VOCAB_MAX];
    const char *merge[MERGES_MAX];
    int64_t merge_size[MERGES_MAX];
    char *owned[VOCAB_MAX + MERGES_MAX];
    int owned_count;
};

static inline char *vocab_keep(struct vocab *v, const char *s, int64_t size)
{
    char *p = malloc((size_t)size + 1);
    if (!p || v->owned_count == VOCAB_MAX + MERGES_MAX) abort();
    if (size) memcpy(p, s, (size_t)size);
    p[size] = 0;
    return v->owned[v->owned_count++] = p;
}

static inline int vocab_add_bytes(struct vocab *v, const char *s, int64_t size, float score, int type)
{
    const int64_t i = v->src.count++;
    v->text[i] = vocab_keep(v, s, size);
    v->size[i] = size;
    v->score[i] = score;
    v->type[i] = type;
    return (int)i;
}

static inline int vocab_add(struct vocab *v, const char *s, float score, int type)
{
    return vocab_add_bytes(v, s, (int64_t)strlen(s), score, type);
}

static inline void vocab_merge(struct vocab *v, const char *s)
{
    const int64_t i = v->src.merge_count++;
    v->merge[i] = vocab_keep(v, s, (int64_t)strlen(s));
    v->merge_size[i] = (int64_t)strlen(s);
}

static inline struct vocab *vocab_new(const char *kind, const char *pre)
{
    struct vocab *v = calloc(1, sizeof *v);
    if (!v) abort();
    v->src = (glia_vocab_source)GLIA_VOCAB_SOURCE_INIT;
    v->src.kind = kind;
    v->src.pre = pre;
    v->src.text = v->text;
    v->src.text_size = v->size;
    v->src.scores = v->score;
    v->src.types = v->type;
    v->src.merges = v->merge;
    v->src.merge_size = v->merge_size;
    return v;
}

static inline void vocab_free(struct vocab *v)
{
    for (int i = 0; i < v->owned_count; i++) free(v->owned[i]);
    free(v);
}

/* <unk> 0, <s> 1, </s> 2, the bytes 3..258, then what the caller adds. */
static inline struct vocab *vocab_spm(void)
{
    struct vocab *v = vocab_new("llama", "default");
    char s[16];
    vocab_add(v, "<unk>", 0, GLIA_TOK_TYPE_UNKNOWN);
    vocab_add(v, "<s>", 0, GLIA_TOK_TYPE_CONTROL);
    vocab_add(v, "</s>", 0, GLIA_TOK_TYPE_CONTROL);
    for (int b = 0; b < 256; b++) {
        snprintf(s, sizeof s, "<0x%02X>", b);
        vocab_add(v, s, 0, GLIA_TOK_TYPE_BYTE);
    }
    v->src.unk = 0;
    v->src.bos = 1;
    v->src.eos = 2;
    return v;
}

#define MARK "\xe2\x96\x81"

/* 259 "_", 260.. h e l o, 264 he, 265 ll, 266 llo, 267 _he, 268 hello, 269 _hello, 270 lo; see the cases. */
static inline struct vocab *vocab_hello(void)
{
    static const struct {
        const char *text;
        float score;
    } rows[] = {{MARK, -10},     {"h", -11},       {"e", -12},         {"l", -13},
                {"o", -14},      {"he", -1},       {"ll", -2},         {"llo", -3},
                {MARK "he", -4}, {"hello", -0.5f}, {MARK "hello", -5}, {"lo", -1.5f}};
    struct vocab *v = vocab_spm();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        vocab_add(v, rows[i].text, rows[i].score, GLIA_TOK_TYPE_NORMAL);
    return v;
}

/* The spelling of a byte in vocabularies of byte-level BPE, from its definition: bytes that are no printable
 * Latin-1 characters are numbered from U+0100 on. */
static inline int spell_byte(int b, char out[3])
{
    int cp = 0, next = 256;
    for (int i = 0; i < 256; i++) {
        const int printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || (i >= 174 && i <= 255);
        const int at = printable ? i : next++;
        if (i == b) cp = at;
    }
    if (cp < 128) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xC0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 63));
    return 2;
}

/* Tokens 0..255 are the bytes in order. */
static inline struct vocab *vocab_bpe(const char *pre)
{
    struct vocab *v = vocab_new("gpt2", pre);
    char s[3];
    for (int b = 0; b < 256; b++) {
        const int n = spell_byte(b, s);
        vocab_add_bytes(v, s, n, 0, GLIA_TOK_TYPE_NORMAL);
    }
    return v;
}

/* 256 he, 257 ll, 258 " he", 259 llo, 260 hello, 261 <ud> user-defined, 262 <|end|> control. */
static inline struct vocab *vocab_bpe_hello(const char *pre)
{
    struct vocab *v = vocab_bpe(pre);
    static const char *const tokens[] = {"he", "ll", "\xc4\xa0he", "llo", "hello"};
    static const char *const merges[] = {"h e", "l l", "\xc4\xa0 he", "ll o", "he llo"};
    for (int i = 0; i < 5; i++) {
        vocab_add(v, tokens[i], 0, GLIA_TOK_TYPE_NORMAL);
        vocab_merge(v, merges[i]);
    }
    vocab_add(v, "<ud>", 0, GLIA_TOK_TYPE_USER_DEFINED);
    vocab_add(v, "<|end|>", 0, GLIA_TOK_TYPE_CONTROL);
    return v;
}

/* A small generator that is nobody's: xorshift. */
static inline uint32_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* Random tokens over few characters, some characters themselves missing; equal scores are common. */
static inline struct vocab *vocab_spm_random(uint64_t *seed, int inner_spaces)
{
    static const char *const alphabet[] = {"a", "b", "c", "\xc3\xa9", "\xe4\xb8\xad", MARK};
    struct vocab *v = vocab_spm();
    for (int i = 0; i < 6; i++)
        if (test_random(seed) % 4) vocab_add(v, alphabet[i], -20, GLIA_TOK_TYPE_NORMAL);
    for (int i = 0, n = 20 + (int)(test_random(seed) % 100); i < n; i++) {
        char s[64] = "";
        const int len = 2 + (int)(test_random(seed) % 5);
        for (int k = 0; k < len; k++) strcat(s, alphabet[test_random(seed) % (k && !inner_spaces ? 5 : 6)]);
        vocab_add(v, s, -(float)(test_random(seed) % 10), GLIA_TOK_TYPE_NORMAL);
    }
    return v;
}

/* Random merges of letters, then some of them swapped, so that a pair may come before those that make it. */
static inline struct vocab *vocab_bpe_random(uint64_t *seed, const char *pre)
{
    struct vocab *v = vocab_bpe(pre);
    for (int i = 0, n = 20 + (int)(test_random(seed) % 200); i < n; i++) {
        const int64_t letters = 4, grown = v->src.count - 256;
        const int64_t pick[2] = {test_random(seed) % (letters + grown),
                                 test_random(seed) % (letters + grown)};
        const char *part[2];
        char joined[128], merge[130];
        for (int k = 0; k < 2; k++)
            part[k] = v->text[pick[k] < letters ? 'a' + pick[k] : 256 + pick[k] - letters];
        if (strlen(part[0]) + strlen(part[1]) > 40) continue;
        snprintf(joined, sizeof joined, "%s%s", part[0], part[1]);
        snprintf(merge, sizeof merge, "%s %s", part[0], part[1]);
        int64_t have = 256;
        while (have < v->src.count && strcmp(v->text[have], joined)) have++;
        if (have == v->src.count) vocab_add(v, joined, 0, GLIA_TOK_TYPE_NORMAL);
        vocab_merge(v, merge);
    }
    for (int64_t i = 0; i + 1 < v->src.merge_count; i += 3) {
        const int64_t k = test_random(seed) % v->src.merge_count;
        const char *s = v->merge[i];
        const int64_t n = v->merge_size[i];
        v->merge[i] = v->merge[k];
        v->merge_size[i] = v->merge_size[k];
        v->merge[k] = s;
        v->merge_size[k] = n;
    }
    return v;
}

#endif
