/* WordPiece, kind "bert". A word is spelled by the longest token that it begins with, then the longest that
 * goes on from there, and so forth; a word that cannot be spelled is the unknown token as a whole.
 *
 * Words come from BERT's own cutting: control characters away, Chinese characters apart, accents off and
 * lower case unless the model keeps case, then cuts at white characters and around each punctuation mark.
 *
 * Traps: vocabularies here spell the beginning of a word with the mark U+2581 and a continuation without one,
 * as GGUF files do (others mark the continuation with "##"). Keys hold a space for that mark, which no word
 * contains. Words of more than word_chars_max characters are unknown, in the original too. */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/unicode.h"

#include <string.h>

static const char mark[3] = {'\xe2', '\x96', '\x81'};

static glia_status wordpiece_plan(glia_tokenizer *t, const glia_vocab_source *v, tok_norm *norm,
                                  glia_error *e)
{
    static const tok_stage stages[] = {TOK_STAGE("\\s+", TOK_REMOVED),
                                       TOK_STAGE(TOK_PUNCTUATION, TOK_ISOLATED)};
    const bool lower = v->lowercase != 0, strip = v->strip_accents < 0 ? lower : v->strip_accents > 0;
    if (!glia_tok_norm_add_bert(norm, true, true, strip, lower)) return glia_tok_nomem(e);
    if (t->bos < 0) t->bos = t->cls;
    if (t->cls < 0) t->cls = t->bos;
    t->drops_space = true;
    return glia_tok_pretok_build(&t->pretok, &t->arena, stages, GLIA_COUNT(stages), e);
}

static glia_status fill_keys(glia_tokenizer *t, tok_trie_build *b, glia_error *e)
{
    t->piece.at = GLIA_NEW_ARRAY(&t->arena, int64_t, (int64_t)t->count + 1);
    t->piece.bytes = GLIA_NEW_ARRAY(&t->arena, char, t->text.at[t->count]);
    if (!t->piece.at || !t->piece.bytes) return glia_tok_nomem(e);
    for (int32_t i = 0; i < t->count; i++) {
        const char *text = tok_at(&t->text, i);
        char *to = t->piece.bytes + t->piece.at[i];
        int64_t size = tok_size(&t->text, i);
        const bool plain = t->type[i] == GLIA_TOK_TYPE_NORMAL || t->type[i] == GLIA_TOK_TYPE_UNUSED;
        const bool more = t->attributes && t->attributes[i] & TOK_ATTR_CONTINUES;
        const bool begins = plain && !more && size > 3 && !memcmp(text, mark, 3);
        if (begins) {
            *to = ' ';
            memcpy(to + 1, text + 3, (size_t)size - 3);
            size -= 2;
        } else if (size) memcpy(to, text, (size_t)size);
        t->piece.at[i + 1] = t->piece.at[i] + size;
        const bool keyed = plain && size > 0 && size <= TOK_KEY_MAX;
        tok_key_set(t, i, keyed ? TOK_KEY_IS : TOK_KEY_NONE);
        if (keyed && !glia_tok_trie_add(b, to, size, i))
            return glia_fail(e, GLIA_E_LIMIT, "G0608",
                             "the vocabulary's texts are made to collide (token %d)", (int)i);
    }
    return GLIA_OK;
}

static glia_status wordpiece_keys(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    tok_trie_build b;
    (void)v;
    glia_status s =
        glia_tok_trie_begin(&b, t->os, t->text.at[t->count]) ? fill_keys(t, &b, e) : glia_tok_nomem(e);
    if (!s && !glia_tok_trie_end(&b, &t->trie, &t->arena)) s = glia_tok_nomem(e);
    glia_tok_trie_free(&b);
    return s;
}

static glia_status wordpiece_pairs(glia_tokenizer *t, const glia_vocab_source *v, glia_error *e)
{
    (void)t;
    (void)v;
    (void)e;
    return GLIA_OK;
}

/* The longest token from `node` on; *size its bytes; -1 if none. */
static int32_t longest(const glia_tokenizer *t, int32_t node, const char *s, int64_t left, int64_t *size)
{
    int32_t best = -1;
    for (int64_t i = 0; i < left; i++) {
        node = tok_trie_step(&t->trie, node, (uint8_t)s[i]);
        if (node < 0) break;
        if (t->trie.nodes[node].id < 0) continue;
        best = t->trie.nodes[node].id;
        *size = i + 1;
    }
    return best;
}

static glia_status wordpiece_encode(const glia_tokenizer *t, const char *word, int64_t size, bool first,
                                    tok_scratch *s, tok_out *out, glia_error *e)
{
    int64_t chars = 0, step = 0;
    (void)first;
    for (int64_t i = 0; i < size; i++) chars += ((uint8_t)word[i] & 0xC0) != 0x80;
    s->used = 0;
    int32_t node = t->trie.root[' '];
    for (int64_t at = 0; at < size; at += step, node = 0) {
        const int32_t id =
            node < 0 || chars > t->word_chars_max ? -1 : longest(t, node, word + at, size - at, &step);
        if (id < 0) { /* all of the word */
            if (t->unk < 0)
                return glia_fail(e, GLIA_E_NOT_FOUND, "G0609",
                                 "the vocabulary cannot spell a word, and has no token for the unknown");
            tok_emit(out, t->unk);
            return GLIA_OK;
        }
        if (!tok_scratch_push(s, id)) return glia_tok_nomem(e);
    }
    for (int64_t i = 0; i < s->used; i++) tok_emit(out, s->id[i]);
    return GLIA_OK;
}

const tok_kind glia_tok_kind_wordpiece = {.name = "bert",
                                          .adds_bos = true,
                                          .adds_sep = true,
                                          .words = true,
                                          .keys = wordpiece_keys,
                                          .pairs = wordpiece_pairs,
                                          .plan = wordpiece_plan,
                                          .encode = wordpiece_encode};
