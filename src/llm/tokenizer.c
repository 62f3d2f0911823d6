/* The tokenizer object and encoding's outer loop: special tokens are cut out of the text, what lies between
 * them goes to the kind. At each place the longest special token wins, from left to right.
 *
 * Traps: user-defined tokens are found in every text, control tokens only with GLIA_TOK_SPECIAL. */
#include "base/check.h"
#include "llm/tok.h"

#include <string.h>

static const tok_kind *const kinds[] = {&glia_tok_kind_spm, &glia_tok_kind_bpe};

static glia_status build(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    tok_pre_traits traits = {false, t->kind->adds_bos, false};
    glia_status s = glia_tok_vocab_load(t, v, e);
    if (s) return s;
    memset(t->byte_id, 0xFF, sizeof t->byte_id);
    t->keyed = GLIA_NEW_ARRAY(&t->arena, uint8_t, t->count);
    t->pre = glia_arena_strdup(&t->arena, v->pre ? v->pre : "");
    if (!t->keyed || !t->pre) return glia_tok_nomem(e);
    if (t->kind == &glia_tok_kind_bpe) s = glia_tok_pretok_create(&t->pretok, &t->arena, t->pre, &traits, e);
    t->ignore_merges = traits.ignore_merges;
    t->adds_bos = v->add_bos < 0 ? traits.adds_bos : v->add_bos > 0;
    t->adds_eos = v->add_eos > 0;
    t->adds_space = v->add_space_prefix < 0 ? t->kind->space_prefix : v->add_space_prefix > 0;
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
                         "tokenizers of kind \"%.64s\" are not built; \"llama\" and \"gpt2\" are",
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

/* The first index in special[lo, hi) whose byte at `depth` is at least c (ended ones come first). */
static int32_t special_bound(const glia_tokenizer *t, int32_t lo, int32_t hi, int64_t depth, int c)
{
    while (lo < hi) {
        const int32_t mid = lo + (hi - lo) / 2, id = t->special[mid];
        const int have = tok_size(&t->piece, id) <= depth ? -1 : (uint8_t)tok_at(&t->piece, id)[depth];
        if (have < c) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* The longest special token that text[0, left) begins with, or -1. The sorted list is narrowed byte by byte.
 */
static int32_t special_at(const glia_tokenizer *t, const char *text, int64_t left, bool control)
{
    int32_t lo = 0, hi = t->special_count, best = -1;
    for (int64_t depth = 0; depth < left && depth < t->special_max; depth++) {
        const int c = (uint8_t)text[depth];
        lo = special_bound(t, lo, hi, depth, c);
        hi = special_bound(t, lo, hi, depth, c + 1);
        if (lo >= hi) break;
        const int32_t id = t->special[lo];
        if (tok_size(&t->piece, id) == depth + 1 && (control || t->type[id] == GLIA_TOK_TYPE_USER_DEFINED))
            best = id;
    }
    return best;
}

static glia_status encode_parts(const glia_tokenizer *t, const char *text, int64_t size, bool control,
                                tok_scratch *s, tok_out *out, glia_error *e)
{
    int64_t raw = 0, at = 0;
    bool first = true;
    while (at < size) {
        const int32_t id =
            t->special_first[(uint8_t)text[at]] ? special_at(t, text + at, size - at, control) : -1;
        if (id < 0) {
            at++;
            continue;
        }
        if (at > raw) {
            const glia_status status = t->kind->encode(t, text + raw, at - raw, first, s, out, e);
            if (status) return status;
        }
        tok_emit(out, id);
        first = true;
        at += tok_size(&t->piece, id);
        raw = at;
    }
    return size > raw ? t->kind->encode(t, text + raw, size - raw, first, s, out, e) : GLIA_OK;
}

glia_status glia_tokenizer_encode(const glia_tokenizer *t, const char *text, int64_t size, int flags,
                                  int32_t *ids, int64_t capacity, int64_t *count, glia_error *e)
{
    tok_scratch s;
    tok_out out = {ids, capacity, 0};
    if (!t || !count || size < 0 || capacity < 0 || (size && !text) || (capacity && !ids))
        return glia_fail(e, GLIA_E_ARG, "G0611", "encode: null or negative argument");
    *count = 0;
    if (size > TOK_TEXT_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0612", "a text of %lld bytes; the limit is %lld", (long long)size,
                         (long long)TOK_TEXT_MAX);
    glia_tok_scratch_init(&s, t->os);
    if (flags & GLIA_TOK_BOS && t->adds_bos && t->bos >= 0) tok_emit(&out, t->bos);
    const glia_status status = encode_parts(t, text, size, flags & GLIA_TOK_SPECIAL, &s, &out, e);
    glia_tok_scratch_free(&s);
    if (status) return status;
    if (flags & GLIA_TOK_BOS && t->adds_eos && t->eos >= 0) tok_emit(&out, t->eos);
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
