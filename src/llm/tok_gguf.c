/* A vocabulary out of GGUF metadata: tokenizer.ggml.*. Arrays that must be as long as the token list and
 * are not, are refused here; the rest is glia_tokenizer_create's. */
#include "base/check.h"
#include "format/gguf.h"
#include "llm/tok.h"

#include <string.h>

#define KEY "tokenizer.ggml."

/* An id; absent, or 2^32-1 as some converters write "none": -1. */
static glia_status read_id(const glia_gguf *g, const char *key, int64_t *out, glia_error *e)
{
    const glia_status s = glia_gguf_i64_or(g, key, -1, out, e);
    if (!s && *out == (int64_t)UINT32_MAX) *out = -1;
    return s;
}

static glia_status read_switch(const glia_gguf *g, const char *key, int *out, glia_error *e)
{
    bool b = false;
    if (!glia_gguf_find(g, key)) return GLIA_OK;
    const glia_status s = glia_gguf_bool(g, key, &b, e);
    if (!s) *out = b;
    return s;
}

/* The strings as they lie in the reader, which stays open as long as the source is used. */
static void take_strings(const glia_gguf_value *v, const char *const **text, const int64_t **size)
{
    *text = &v->strings->text;
    *size = &v->strings->size;
}

static glia_status same_count(const glia_gguf_value *v, int64_t count, glia_error *e)
{
    if (v->count == count) return GLIA_OK;
    return glia_fail_at(e, GLIA_E_FORMAT, "G0603", v->offset,
                        "%s has %lld entries, the vocabulary %lld tokens", v->key, (long long)v->count,
                        (long long)count);
}

static glia_status read_scores(glia_arena *a, const glia_gguf *g, glia_vocab_source *v, glia_error *e)
{
    const glia_gguf_value *s, *y;
    glia_status status = glia_gguf_array_or_null(g, KEY "scores", GLIA_GGUF_F32, &s, e);
    if (!status && s) status = same_count(s, v->count, e);
    if (status) return status;
    y = glia_gguf_find(g, KEY "token_type");
    if (y) status = same_count(y, v->count, e);
    if (status) return status;
    float *scores = s ? GLIA_NEW_ARRAY(a, float, v->count) : NULL;
    int32_t *types = y ? GLIA_NEW_ARRAY(a, int32_t, v->count) : NULL;
    if ((s && !scores) || (y && !types)) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->count; i++) {
        double score = 0;
        int64_t type = 0;
        if (s && glia_gguf_element_f64(s, i, &score)) scores[i] = (float)score;
        if (!y) continue;
        if (!glia_gguf_element_i64(y, i, &type) || type < INT32_MIN || type > INT32_MAX)
            return glia_fail_at(e, GLIA_E_FORMAT, "G0604", y->offset,
                                "token %lld: its type is no small integer", (long long)i);
        types[i] = (int32_t)type;
    }
    v->scores = scores;
    v->types = types;
    return GLIA_OK;
}

static glia_status read_switches(const glia_gguf *g, glia_vocab_source *v, glia_error *e)
{
    const struct {
        const char *key;
        int64_t *out;
    } ids[] = {{KEY "bos_token_id", &v->bos},      {KEY "eos_token_id", &v->eos},
               {KEY "unknown_token_id", &v->unk},  {KEY "padding_token_id", &v->pad},
               {KEY "eot_token_id", &v->eot},      {KEY "eom_token_id", &v->eom},
               {KEY "cls_token_id", &v->cls},      {KEY "mask_token_id", &v->mask},
               {KEY "seperator_token_id", &v->sep} /* so spelled */};
    glia_status s = GLIA_OK;
    for (int i = 0; i < GLIA_COUNT(ids) && !s; i++) s = read_id(g, ids[i].key, ids[i].out, e);
    if (!s) s = read_switch(g, KEY "add_bos_token", &v->add_bos, e);
    if (!s) s = read_switch(g, KEY "add_eos_token", &v->add_eos, e);
    if (!s) s = read_switch(g, KEY "add_space_prefix", &v->add_space_prefix, e);
    if (!s) s = read_switch(g, KEY "add_sep_token", &v->add_sep, e);
    if (!s) s = read_switch(g, KEY "remove_extra_whitespaces", &v->remove_extra_spaces, e);
    if (!s) s = read_switch(g, KEY "normalizer.lowercase", &v->lowercase, e);
    if (!s) s = read_switch(g, KEY "normalizer.strip_accents", &v->strip_accents, e);
    return s;
}

static glia_status read_name(glia_arena *a, const glia_gguf *g, const char *key, bool needed,
                             const char **out, glia_error *e)
{
    glia_gguf_string s = {NULL, 0};
    const glia_status status =
        needed ? glia_gguf_string_of(g, key, &s, e) : glia_gguf_string_or(g, key, NULL, &s, e);
    if (status || !s.text) return status;
    if (s.size > 256 || memchr(s.text, 0, (size_t)s.size))
        return glia_fail(e, GLIA_E_FORMAT, "G0601", "%s is no name", key);
    *out = glia_arena_strndup(a, s.text, s.size);
    return *out ? GLIA_OK : glia_tok_nomem(e);
}

/* Where the file is silent: the original's own numbers, if the texts or types agree. */
static void default_ids(glia_vocab_source *v)
{
    const struct {
        const char *kind, *text; /* text null: what SentencePiece numbers so, if the type agrees */
        int64_t *out, id;
        int32_t type;
    } rows[] = {{"llama", NULL, &v->unk, 0, GLIA_TOK_TYPE_UNKNOWN},
                {"llama", NULL, &v->bos, 1, GLIA_TOK_TYPE_CONTROL},
                {"llama", NULL, &v->eos, 2, GLIA_TOK_TYPE_CONTROL},
                {"t5", NULL, &v->pad, 0, GLIA_TOK_TYPE_CONTROL},
                {"t5", NULL, &v->eos, 1, GLIA_TOK_TYPE_CONTROL},
                {"t5", NULL, &v->unk, 2, GLIA_TOK_TYPE_UNKNOWN},
                {"bert", "[UNK]", &v->unk, 100, 0},
                {"bert", "[CLS]", &v->cls, 101, 0},
                {"bert", "[SEP]", &v->sep, 102, 0},
                {"bert", "[MASK]", &v->mask, 103, 0}};
    for (int i = 0; i < GLIA_COUNT(rows); i++) {
        const int64_t id = rows[i].id;
        if (strcmp(v->kind, rows[i].kind) || *rows[i].out >= 0 || id >= v->count) continue;
        const tok_span t = tok_source_token(v, id);
        const bool same = rows[i].text ? t.size == (int64_t)strlen(rows[i].text) &&
                                             !memcmp(t.text, rows[i].text, strlen(rows[i].text))
                                       : v->types && v->types[id] == rows[i].type;
        if (same) *rows[i].out = id;
    }
}

static glia_status read_charsmap(const glia_gguf *g, glia_vocab_source *v, glia_error *e)
{
    const glia_gguf_value *m = glia_gguf_find(g, KEY "precompiled_charsmap");
    if (!m) return GLIA_OK;
    if (m->type != GLIA_GGUF_ARRAY || (m->element != GLIA_GGUF_I8 && m->element != GLIA_GGUF_U8))
        return glia_fail_at(e, GLIA_E_FORMAT, "G0625", m->offset, "the charsmap is no array of bytes");
    v->charsmap = m->data;
    v->charsmap_size = m->count;
    return GLIA_OK;
}

/* <mask> takes the space before it in the models with these pre-tokenizers. */
static glia_status read_attributes(glia_arena *a, glia_vocab_source *v, glia_error *e)
{
    static const char *const pres[] = {"jina-v2-de", "jina-v2-es", "jina-v2-code", "roberta-bpe"};
    bool any = false;
    for (int i = 0; i < GLIA_COUNT(pres); i++) any |= v->pre && !strcmp(v->pre, pres[i]);
    if (!any) return GLIA_OK;
    uint8_t *attributes = GLIA_NEW_ARRAY(a, uint8_t, v->count);
    if (!attributes) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->count; i++) {
        const tok_span t = tok_source_token(v, i);
        if (t.size == 6 && !memcmp(t.text, "<mask>", 6)) attributes[i] = GLIA_TOK_ATTR_LSTRIP;
    }
    v->attributes = attributes;
    return GLIA_OK;
}

static glia_status fill(glia_arena *a, const glia_gguf *g, glia_vocab_source *v, glia_error *e)
{
    const glia_gguf_value *tokens, *merges;
    glia_status s = read_name(a, g, KEY "model", true, &v->kind, e);
    if (!s) s = read_name(a, g, KEY "pre", false, &v->pre, e);
    if (!s) s = glia_gguf_array_of(g, KEY "tokens", GLIA_GGUF_STRING, &tokens, e);
    if (s) return s;
    v->count = tokens->count;
    v->stride = sizeof(glia_gguf_string);
    if (tokens->count) take_strings(tokens, &v->text, &v->text_size);
    s = read_scores(a, g, v, e);
    if (!s) s = glia_gguf_array_or_null(g, KEY "merges", GLIA_GGUF_STRING, &merges, e);
    if (s) return s;
    if (merges) {
        v->merge_count = merges->count;
        if (merges->count) take_strings(merges, &v->merges, &v->merge_size);
    }
    if (!s) s = read_switches(g, v, e);
    if (!s) s = read_charsmap(g, v, e);
    if (!s) s = read_attributes(a, v, e);
    if (!s) default_ids(v);
    return s;
}

glia_status glia_tokenizer_from_gguf(const glia_os *os, const glia_gguf *gguf, glia_tokenizer **out,
                                     glia_error *e)
{
    glia_vocab_source v = GLIA_VOCAB_SOURCE_INIT;
    glia_arena a;
    if (out) *out = NULL;
    if (!gguf || !out)
        return glia_fail(e, GLIA_E_ARG, "G0603", "an open file and a place for the tokenizer are needed");
    if (!os) os = glia_os_default();
    glia_arena_init(&a, os, 0);
    glia_status s = fill(&a, gguf, &v, e);
    if (!s) s = glia_tokenizer_create(os, &v, out, e);
    glia_arena_free(&a);
    return s;
}
