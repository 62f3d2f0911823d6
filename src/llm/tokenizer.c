/* The tokenizer object and encoding's outer loop: special tokens are cut out of the text, what lies between
 * them goes to the kind. At each place the longest special token wins, from left to right.
 *
 * Traps: user-defined tokens are found in every text, control tokens only with GLIA_TOK_SPECIAL. */
#include "base/check.h"
#include "llm/tok.h"

#include <string.h>

static const tok_kind *const kinds[] = {&glia_tok_kind_spm, &glia_tok_kind_bpe, &glia_tok_kind_wordpiece,
                                        &glia_tok_kind_unigram, &glia_tok_kind_gemma};

/* What tokenizer.json says beside its vocabulary. */
static glia_status take_pipeline(glia_tokenizer *t, const tok_pipeline *p, glia_error *e)
{
    if (p->norm && p->norm->count) {
        t->norm = GLIA_NEW(&t->arena, tok_norm);
        if (!t->norm) return glia_tok_nomem(e);
        *t->norm = *p->norm;
        const glia_status s = glia_tok_norm_keep(t->norm, &t->arena, e);
        if (s) return s;
    }
    t->by_pipeline = true;
    t->ignore_merges = p->ignore_merges;
    t->byte_fallback = p->byte_fallback;
    t->fuse_unknown = p->fuse_unknown;
    t->word_chars_max = p->word_chars_max;
    t->drops_space = p->drops_space;
    t->prefix_count = p->prefix_count;
    t->suffix_count = p->suffix_count;
    memcpy(t->prefix, p->prefix, sizeof t->prefix);
    memcpy(t->suffix, p->suffix, sizeof t->suffix);
    t->adds_bos = p->prefix_count > 0;
    t->adds_eos = p->suffix_count > 0;
    if (!p->stage_count && !t->kind->words) return GLIA_OK;
    return glia_tok_pretok_build(&t->pretok, &t->arena, p->stages, p->stage_count, e);
}

/* The pipeline that goes with kind and pre, and the tokens around a text. */
static glia_status make_pipeline(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    tok_pre_traits traits = {false, t->kind->adds_bos, t->kind->adds_sep, false};
    glia_status s = GLIA_OK;
    t->adds_space = v->add_space_prefix < 0 ? t->kind->space_prefix : v->add_space_prefix > 0;
    t->drops_space = t->adds_space;
    t->word_chars_max = 100;
    t->fuse_unknown = true;
    if (t->kind->plan) {
        t->norm = GLIA_NEW(&t->arena, tok_norm);
        s = t->norm ? t->kind->plan(t, v, t->norm, e) : glia_tok_nomem(e);
    } else if (t->kind->words) s = glia_tok_pretok_create(&t->pretok, &t->arena, t->pre, &traits, e);
    if (!s && traits.composed) {
        t->norm = GLIA_NEW(&t->arena, tok_norm);
        if (!t->norm || !glia_tok_norm_add(t->norm, glia_tok_norm_form, TOK_FORM_COMPOSE))
            return glia_tok_nomem(e);
    }
    if (s) return s;
    if (t->norm && !t->norm->count) t->norm = NULL;
    t->ignore_merges = traits.ignore_merges;
    t->adds_bos = v->add_bos < 0 ? traits.adds_bos : v->add_bos > 0;
    t->adds_eos = v->add_eos < 0 ? t->kind->adds_eos : v->add_eos > 0;
    t->adds_sep = v->add_sep < 0 ? traits.adds_sep : v->add_sep > 0;
    if (t->adds_bos && t->bos >= 0) t->prefix[t->prefix_count++] = t->bos;
    if (t->adds_eos && t->eos >= 0) t->suffix[t->suffix_count++] = t->eos;
    else if (t->adds_sep && t->sep >= 0) t->suffix[t->suffix_count++] = t->sep;
    return GLIA_OK;
}

static glia_status build(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    glia_status s = glia_tok_vocab_load(t, v, e);
    if (s) return s;
    memset(t->byte_id, 0xFF, sizeof t->byte_id);
    t->keyed = GLIA_NEW_ARRAY(&t->arena, _Atomic uint8_t, t->count);
    t->pre = glia_arena_strdup(&t->arena, v->pre ? v->pre : "");
    if (!t->keyed || !t->pre) return glia_tok_nomem(e);
    s = v->pipeline ? take_pipeline(t, v->pipeline, e) : make_pipeline(t, v, e);
    if (!s) s = t->kind->keys(t, v, e);
    if (!s) s = t->kind->pairs(t, v, e);
    if (!s) s = glia_tok_specials_build(t, e);
    for (int32_t i = 0; i < t->count && !s; i++)
        t->piece_max = glia_max(t->piece_max, tok_size(&t->piece, i));
    return s;
}

glia_status glia_tokenizer_create(const glia_os *os, const glia_vocab_source *source, glia_tokenizer **out,
                                  glia_error *e)
{
    const tok_kind *kind = NULL;
    glia_vocab_source v = GLIA_VOCAB_SOURCE_INIT;
    if (out) *out = NULL;
    if (!source || !out || source->size < sizeof v.size)
        return glia_fail(e, GLIA_E_ARG, "G0603", "a vocabulary and a place for the tokenizer are needed");
    memcpy(&v, source, glia_min(source->size, (int64_t)sizeof v));
    for (int i = 0; i < GLIA_COUNT(kinds); i++)
        if (v.kind && !strcmp(v.kind, kinds[i]->name)) kind = kinds[i];
    if (!kind)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0601",
                         "tokenizers of kind \"%.64s\" are not built; llama, gpt2, bert, t5 and gemma4 are",
                         v.kind ? v.kind : "(none)");
    if (!os) os = glia_os_default();
    glia_tokenizer *t = os->mem_alloc(os->ctx, sizeof *t, _Alignof(glia_tokenizer));
    if (!t) return glia_tok_nomem(e);
    t->os = os;
    t->kind = kind;
    glia_arena_init(&t->arena, os, 0);
    const glia_status s = build(t, &v, e);
    if (s) {
        glia_tokenizer_destroy(t);
        return s;
    }
    *out = t;
    return GLIA_OK;
}

void glia_tokenizer_destroy(glia_tokenizer *t)
{
    if (!t) return;
    glia_arena_free(&t->arena);
    t->os->mem_free(t->os->ctx, t, sizeof *t);
}

glia_status glia_tok_emit_byte(const glia_tokenizer *t, uint8_t b, tok_out *out, glia_error *e)
{
    const int32_t id = t->byte_id[b] >= 0 ? t->byte_id[b] : t->unk;
    if (id < 0)
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0609",
                         "the vocabulary has no token for byte 0x%02X and none for the unknown", b);
    tok_emit(out, id);
    return GLIA_OK;
}

/* What one call to encode works with. */
typedef struct encoder {
    const glia_tokenizer *t;
    tok_scratch scratch;
    tok_text work[2]; /* normalizing */
    tok_out *out;
    tok_trust trust[2]; /* of the whole text, and of a part of it after normalizing */
} encoder;

/* A text without special tokens, normalized: its words, or the whole. */
static glia_status encode_plain(encoder *c, const char *text, int64_t size, bool first, glia_error *e)
{
    const glia_tokenizer *t = c->t;
    tok_words w;
    int64_t begin, end;
    glia_status s = GLIA_OK;
    if (!t->pretok) return t->kind->encode(t, text, size, first, &c->scratch, c->out, e);
    glia_tok_words_init(&w, t->pretok, t->os, text, size);
    while (!s && glia_tok_words_next(&w, &begin, &end))
        s = t->kind->encode(t, text + begin, end - begin, first && !begin, &c->scratch, c->out, e);
    if (!s) s = glia_tok_words_status(&w, e);
    glia_tok_words_free(&w);
    return s;
}

static glia_status encode_parts(encoder *c, int list, const char *text, int64_t size, bool origin,
                                glia_error *e);

/* What lies between the tokens of a list goes on to the next step. */
static glia_status encode_between(encoder *c, int list, const char *text, int64_t size, bool origin,
                                  glia_error *e)
{
    if (list == 1) return encode_plain(c, text, size, true, e);
    if (c->t->norm) {
        const glia_status s = glia_tok_norm_apply(c->t->norm, text, size, origin, c->work, &text, &size, e);
        if (s || !size) return s;
    }
    return c->t->special[1].count ? encode_parts(c, 1, text, size, origin, e)
                                  : encode_plain(c, text, size, true, e);
}

/* Normalizing moves bytes, so that a part with any data in it is all data behind it. */
static void trust_part(encoder *c, int list, int64_t begin, int64_t end)
{
    const uint8_t *marks = c->trust[0].marks;
    if (list) return;
    c->trust[1] = (tok_trust){.control = c->trust[0].control, .denied = c->trust[0].denied};
    if (marks && end > begin) c->trust[1].all_data = memchr(marks + begin, 1, (size_t)(end - begin)) != NULL;
}

/* Cuts the tokens of a list out of the text. It calls itself once, for the second list. */
static glia_status encode_parts(encoder *c, int list, const char *text, int64_t size, bool origin,
                                glia_error *e)
{
    const tok_specials *l = &c->t->special[list];
    const tok_trust *trust = &c->trust[list];
    int64_t raw = 0, at = 0, begin = 0, end = 0;
    while (l->count) {
        while (at < size && !l->begins[(uint8_t)text[at]]) at++;
        if (at >= size) break;
        const int32_t id = glia_tok_special_at(c->t, l, text, raw, at, size, trust, &begin, &end);
        if (id < 0) {
            at++;
            continue;
        }
        if (begin > raw) {
            trust_part(c, list, raw, begin);
            const glia_status s = encode_between(c, list, text + raw, begin - raw, origin && !raw, e);
            if (s) return s;
        }
        tok_emit(c->out, id);
        raw = at = end;
    }
    trust_part(c, list, raw, size);
    return size > raw ? encode_between(c, list, text + raw, size - raw, origin && !raw, e) : GLIA_OK;
}

glia_status glia_tokenizer_encode(const glia_tokenizer *t, const char *text, int64_t size, int flags,
                                  int32_t *ids, int64_t capacity, int64_t *count, glia_error *e)
{
    return glia_tokenizer_encode_marked(t, text, size, flags, NULL, ids, capacity, count, e);
}

glia_status glia_tokenizer_encode_marked(const glia_tokenizer *t, const char *text, int64_t size, int flags,
                                         const glia_tok_marks *marks, int32_t *ids, int64_t capacity,
                                         int64_t *count, glia_error *e)
{
    tok_out out = {ids, capacity, 0};
    if (!t || !count || size < 0 || capacity < 0 || (size && !text) || (capacity && !ids))
        return glia_fail(e, GLIA_E_ARG, "G0611", "encode: null or negative argument");
    *count = 0;
    if (size > TOK_TEXT_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0612", "a text of %lld bytes; the limit is %lld", (long long)size,
                         (long long)TOK_TEXT_MAX);
    encoder c = {.t = t, .out = &out};
    c.trust[0].control = flags & GLIA_TOK_SPECIAL;
    if (marks) c.trust[0].marks = marks->marks, c.trust[0].denied = marks->denied;
    glia_tok_scratch_init(&c.scratch, t->os);
    glia_tok_text_init(&c.work[0], t->os, 0);
    glia_tok_text_init(&c.work[1], t->os, 0);
    for (int i = 0; i < t->prefix_count && flags & GLIA_TOK_BOS; i++) tok_emit(&out, t->prefix[i]);
    const glia_status status = encode_parts(&c, 0, text, size, true, e);
    glia_tok_scratch_free(&c.scratch);
    glia_tok_text_free(&c.work[0]);
    glia_tok_text_free(&c.work[1]);
    if (status) return status;
    for (int i = 0; i < t->suffix_count && flags & GLIA_TOK_BOS; i++) tok_emit(&out, t->suffix[i]);
    *count = out.count;
    if (out.count > capacity)
        return glia_fail(e, GLIA_E_LIMIT, "G0613", "the text has %lld tokens; there is room for %lld",
                         (long long)out.count, (long long)capacity);
    return GLIA_OK;
}

int64_t glia_tokenizer_vocab_size(const glia_tokenizer *t) { return t->count; }
int32_t glia_tokenizer_bos(const glia_tokenizer *t) { return t->bos; }
int32_t glia_tokenizer_eos(const glia_tokenizer *t) { return t->eos; }
int32_t glia_tokenizer_eot(const glia_tokenizer *t) { return t->eot; }
int32_t glia_tokenizer_unk(const glia_tokenizer *t) { return t->unk; }
int32_t glia_tokenizer_pad(const glia_tokenizer *t) { return t->pad; }
int32_t glia_tokenizer_sep(const glia_tokenizer *t) { return t->sep; }
int32_t glia_tokenizer_mask(const glia_tokenizer *t) { return t->mask; }
bool glia_tokenizer_adds_bos(const glia_tokenizer *t) { return t->adds_bos; }
bool glia_tokenizer_adds_eos(const glia_tokenizer *t) { return t->adds_eos; }
const char *glia_tokenizer_kind(const glia_tokenizer *t) { return t->kind->name; }
const char *glia_tokenizer_pre(const glia_tokenizer *t) { return t->pre; }
int64_t glia_tokenizer_piece_max(const glia_tokenizer *t) { return t->piece_max; }

bool glia_tokenizer_is_eog(const glia_tokenizer *t, int32_t id)
{
    for (int32_t i = 0; i < t->eog_count; i++)
        if (t->eog[i] == id) return true;
    return false;
}

const char *glia_tokenizer_text(const glia_tokenizer *t, int32_t id, int64_t *size)
{
    if (id < 0 || id >= t->count) return NULL;
    if (size) *size = tok_size(&t->text, id);
    return tok_at(&t->text, id);
}

int32_t glia_tokenizer_find(const glia_tokenizer *t, const char *text, int64_t size)
{
    if (!text || size < 0) return -1;
    return glia_tok_table_find(&t->by_text, &t->text, text, size, tok_hash(text, size));
}

int glia_tokenizer_type(const glia_tokenizer *t, int32_t id)
{
    return id < 0 || id >= t->count ? GLIA_TOK_TYPE_UNDEFINED : t->type[id];
}
