/* Checks a vocabulary, copies it, and builds what lookups need. What contradicts itself is refused here,
 * so that encoding and decoding need no checks. Two tokens of one spelling are allowed: text gives the
 * lower id, both decode. Tokens without text are allowed and never chosen. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"

#include <string.h>

glia_status glia_tok_nomem(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory in the tokenizer");
}

bool glia_tok_table_create(tok_table *t, glia_arena *a, int64_t count)
{
    int64_t slots = 16;
    while (slots < count * 2) slots *= 2;
    t->slots = GLIA_NEW_ARRAY(a, tok_slot, slots);
    if (!t->slots) return false;
    memset(t->slots, 0xFF, (size_t)slots * sizeof *t->slots); /* ids of -1 */
    t->mask = (uint64_t)slots - 1;
    return true;
}

int32_t glia_tok_table_find(const tok_table *t, const tok_strings *all, const char *s, int64_t size,
                            uint64_t hash)
{
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (uint64_t at = hash & t->mask;; at = (at + 1) & t->mask) {
        const int32_t id = t->slots[at].id;
        if (id < 0) return -1;
        if (t->slots[at].tag == tag && tok_size(all, id) == size && !memcmp(tok_at(all, id), s, (size_t)size))
            return id;
    }
}

static inline bool add_hashed(tok_table *t, const tok_strings *all, int32_t id, uint64_t hash)
{
    const uint32_t tag = (uint32_t)(hash >> 32);
    uint64_t at = hash & t->mask;
    for (int probe = 0; probe < TOK_PROBE_MAX; probe++, at = (at + 1) & t->mask) {
        const int32_t have = t->slots[at].id;
        if (have < 0) {
            t->slots[at] = (tok_slot){tag, id};
            return true;
        }
        const int64_t size = tok_size(all, id);
        if (t->slots[at].tag == tag && tok_size(all, have) == size &&
            !memcmp(tok_at(all, have), tok_at(all, id), (size_t)size))
            return true;
    }
    return false;
}

bool glia_tok_table_add(tok_table *t, const tok_strings *all, int32_t id)
{
    return add_hashed(t, all, id, tok_hash(tok_at(all, id), tok_size(all, id)));
}

/* Slots are asked for some strings ahead: they lie all over the table. */
int32_t glia_tok_table_add_all(tok_table *t, const glia_tokenizer *of, const tok_strings *all, int32_t count,
                               bool keyed)
{
    enum { AHEAD = 16 };
    uint64_t hash[AHEAD];
    for (int32_t i = 0; i < count + AHEAD; i++) {
        const int32_t due = i - AHEAD;
        if (due >= 0 && !(keyed && tok_key_get(of, due) == TOK_KEY_NONE) &&
            !add_hashed(t, all, due, hash[due % AHEAD]))
            return due;
        if (i >= count) continue;
        hash[i % AHEAD] = tok_hash(tok_at(all, i), tok_size(all, i));
        __builtin_prefetch(&t->slots[hash[i % AHEAD] & t->mask], 1);
    }
    return -1;
}

int glia_tok_byte_of_text(const char *s, int64_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    int v = 0;
    if (size != 6 || memcmp(s, "<0x", 3) || s[5] != '>') return -1;
    for (int i = 3; i < 5; i++) {
        const char c = s[i] >= 'a' && s[i] <= 'f' ? (char)(s[i] - 'a' + 'A') : s[i];
        const char *d = memchr(digits, c, 16);
        if (!d) return -1;
        v = v * 16 + (int)(d - digits);
    }
    return v;
}

static glia_status copy_text(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    int64_t total = 0;
    for (int64_t i = 0; i < v->count; i++) {
        if (v->text_size[i] < 0 || (v->text_size[i] > 0 && !v->text[i]))
            return glia_fail(e, GLIA_E_ARG, "G0603", "token %lld has no text", (long long)i);
        if (!glia_add(total, v->text_size[i], &total) || !glia_add(total, 1, &total))
            return glia_fail(e, GLIA_E_LIMIT, "G0608", "the texts of the tokens are too long to add up");
    }
    t->text.gap = 1;
    t->text.at = GLIA_NEW_ARRAY(&t->arena, int64_t, v->count + 1);
    t->text.bytes = GLIA_NEW_ARRAY(&t->arena, char, total);
    if (!t->text.at || !t->text.bytes) return glia_tok_nomem(e);
    for (int64_t i = 0, at = 0; i < v->count; i++) {
        if (v->text_size[i]) memcpy(t->text.bytes + at, v->text[i], (size_t)v->text_size[i]);
        at += v->text_size[i] + 1;
        t->text.at[i + 1] = at;
    }
    if (!glia_tok_table_create(&t->by_text, &t->arena, v->count)) return glia_tok_nomem(e);
    const int32_t attacked = glia_tok_table_add_all(&t->by_text, t, &t->text, t->count, false);
    if (attacked >= 0)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "the vocabulary's texts are made to collide (token %d)",
                         (int)attacked);
    return GLIA_OK;
}

static glia_status copy_types(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    t->type = GLIA_NEW_ARRAY(&t->arena, uint8_t, v->count);
    t->score = GLIA_NEW_ARRAY(&t->arena, float, v->scores ? v->count : 1);
    if (!t->type || !t->score) return glia_tok_nomem(e);
    for (int64_t i = 0; i < v->count; i++) {
        const int32_t type = v->types ? v->types[i] : GLIA_TOK_TYPE_NORMAL;
        if (type < GLIA_TOK_TYPE_UNDEFINED || type > GLIA_TOK_TYPE_BYTE)
            return glia_fail(e, GLIA_E_FORMAT, "G0604", "token %lld has type %d; types are 0 to 6",
                             (long long)i, (int)type);
        t->type[i] = (uint8_t)type;
        if (!v->scores) continue;
        if (v->scores[i] != v->scores[i])
            return glia_fail(e, GLIA_E_FORMAT, "G0605", "the score of token %lld is not a number",
                             (long long)i);
        t->score[i] = v->scores[i] + 0.0f; /* -0 and 0 rank alike */
    }
    if (!v->scores) t->score = NULL;
    return GLIA_OK;
}

static glia_status take_id(const char *name, int64_t id, int64_t count, int32_t *out, glia_error *e)
{
    if (id < -1 || id >= count)
        return glia_fail(e, GLIA_E_FORMAT, "G0607",
                         "the %s token is %lld, but the vocabulary has %lld tokens", name, (long long)id,
                         (long long)count);
    *out = (int32_t)id;
    return GLIA_OK;
}

static void add_eog(glia_tokenizer *t, int32_t id)
{
    if (id < 0 || glia_tokenizer_is_eog(t, id) || t->eog_count == (int32_t)(sizeof t->eog / sizeof t->eog[0]))
        return;
    t->eog[t->eog_count++] = id;
}

/* What published models end a turn or a text with. The first that exists is the end of turn, unless the
 * metadata names one. */
static const char *const turn_ends[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "< EOT >",
    "<\xef\xbd\x9c\x65nd\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
};

static glia_status copy_special_ids(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    const struct {
        const char *name;
        int64_t id;
        int32_t *out;
    } ids[] = {{"bos", v->bos, &t->bos},       {"eos", v->eos, &t->eos},   {"unknown", v->unk, &t->unk},
               {"padding", v->pad, &t->pad},   {"eot", v->eot, &t->eot},   {"eom", v->eom, &t->eom},
               {"separator", v->sep, &t->sep}, {"class", v->cls, &t->cls}, {"mask", v->mask, &t->mask}};
    for (int i = 0; i < GLIA_COUNT(ids); i++) {
        glia_status s = take_id(ids[i].name, ids[i].id, v->count, ids[i].out, e);
        if (s) return s;
    }
    if (!v->types) { /* nothing says which tokens are control tokens: those that have a role */
        if (t->bos >= 0) t->type[t->bos] = GLIA_TOK_TYPE_CONTROL;
        if (t->eos >= 0) t->type[t->eos] = GLIA_TOK_TYPE_CONTROL;
        if (t->sep >= 0) t->type[t->sep] = GLIA_TOK_TYPE_CONTROL;
        if (t->cls >= 0) t->type[t->cls] = GLIA_TOK_TYPE_CONTROL;
        if (t->mask >= 0) t->type[t->mask] = GLIA_TOK_TYPE_CONTROL;
        if (t->unk >= 0) t->type[t->unk] = GLIA_TOK_TYPE_UNKNOWN;
    }
    add_eog(t, t->eos);
    add_eog(t, t->eot);
    add_eog(t, t->eom);
    for (int i = 0; i < GLIA_COUNT(turn_ends); i++) {
        const int32_t id = glia_tokenizer_find(t, turn_ends[i], (int64_t)strlen(turn_ends[i]));
        if (id >= 0 && t->eot < 0) t->eot = id;
        add_eog(t, id);
    }
    return GLIA_OK;
}

glia_status glia_tok_vocab_load(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    if (v->count < 1 || !v->text || !v->text_size)
        return glia_fail(e, GLIA_E_FORMAT, "G0603", "the vocabulary has no tokens");
    if (v->count > TOK_VOCAB_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "%lld tokens; the limit is %lld", (long long)v->count,
                         (long long)TOK_VOCAB_MAX);
    if (v->merge_count < 0 || (v->merge_count > 0 && (!v->merges || !v->merge_size)))
        return glia_fail(e, GLIA_E_ARG, "G0606", "merge_count is %lld without merges",
                         (long long)v->merge_count);
    t->count = (int32_t)v->count;
    glia_status s = copy_text(t, v, e);
    if (!s) s = copy_types(t, v, e);
    if (!s) s = copy_special_ids(t, v, e);
    if (!s && v->attributes) {
        uint8_t *attributes = GLIA_NEW_ARRAY(&t->arena, uint8_t, v->count);
        if (!attributes) return glia_tok_nomem(e);
        memcpy(attributes, v->attributes, (size_t)v->count);
        t->attributes = attributes;
    }
    return s;
}
