/* tokenizer.json: the model with its vocabulary, the added tokens, the tokens that have a role;
 * tok_json_parts.c reads the rest.
 *
 * Texts are kept as GGUF spells them, so that the same kinds of tokenizer serve both: WordPiece marks the
 * beginning of a word instead of its continuation. Ids that no token has are tokens without text, which are
 * never chosen.
 *
 * Traps: BPE is byte-level exactly when ByteLevel is named; else it is over characters. Merges are "a b" or
 * ["a", "b"]. An added token replaces the one in the vocabulary. Where tokenizer_config.json is not there to
 * say which tokens begin and end a text, the template does, then their usual spelling. */
#include "llm/tok_json.h"
#include "base/check.h"
#include "llm/tok_json_parts.h"

#include <string.h>

static const char mark[3] = {'\xe2', '\x96', '\x81'};

static glia_status malformed(const char *what, int64_t i, glia_error *e)
{
    return glia_fail(e, GLIA_E_FORMAT, "G0624", "tokenizer.json: %s %lld is malformed", what, (long long)i);
}

/* ---- vocabulary */

/* The most that an id may be: one below the count. */
static glia_status count_ids(const glia_json *vocab, const glia_json *added, int64_t *count, glia_error *e)
{
    int64_t n = 0, id, i = 0;
    if (vocab->kind == GLIA_JSON_ARRAY) n = vocab->count;
    else
        for (const glia_json *t = vocab->child; t; t = t->next, i++) {
            if (!glia_json_i64(t, &id) || id < 0 || id >= TOK_VOCAB_MAX)
                return malformed("id of token", i, e);
            n = glia_max(n, id + 1);
        }
    i = 0;
    for (const glia_json *t = added ? added->child : NULL; t; t = t->next, i++) {
        if (!glia_json_i64(glia_json_get(t, "id"), &id) || id < 0 || id >= TOK_VOCAB_MAX)
            return malformed("id of added token", i, e);
        n = glia_max(n, id + 1);
    }
    if (n < 1 || n > TOK_VOCAB_MAX)
        return glia_fail(e, GLIA_E_FORMAT, "G0603", "tokenizer.json: %lld tokens", (long long)n);
    /* An object of few entries may not ask for much memory. */
    if (n > 1024 && n / 64 > vocab->count + (added ? added->count : 0))
        return glia_fail(e, GLIA_E_FORMAT, "G0603", "tokenizer.json: ids up to %lld for %lld tokens",
                         (long long)n - 1, (long long)vocab->count);
    *count = n;
    return GLIA_OK;
}

static glia_status make_room(glia_tok_json *j, int64_t n, bool scores, glia_error *e)
{
    j->text = GLIA_NEW_ARRAY(&j->arena, const char *, n);
    j->text_size = GLIA_NEW_ARRAY(&j->arena, int64_t, n);
    j->types = GLIA_NEW_ARRAY(&j->arena, int32_t, n);
    j->attributes = GLIA_NEW_ARRAY(&j->arena, uint8_t, n);
    j->scores = scores ? GLIA_NEW_ARRAY(&j->arena, float, n) : NULL;
    j->fine_scores = scores ? GLIA_NEW_ARRAY(&j->arena, double, n) : NULL;
    if (!j->text || !j->text_size || !j->types || !j->attributes ||
        (scores && (!j->scores || !j->fine_scores)))
        return glia_tok_nomem(e);
    for (int64_t i = 0; i < n; i++) {
        j->text[i] = "";
        j->types[i] = GLIA_TOK_TYPE_UNUSED;
    }
    j->source.count = n;
    j->source.text = j->text;
    j->source.text_size = j->text_size;
    j->source.types = j->types;
    j->source.scores = j->scores;
    j->source.attributes = j->attributes;
    return GLIA_OK;
}

/* {"text": id, ...} or [["text", score], ...] */
static glia_status fill_vocab(glia_tok_json *j, const glia_json *vocab, glia_error *e)
{
    int64_t i = 0;
    for (const glia_json *t = vocab->child; t; t = t->next, i++) {
        const glia_json *text = t->child, *score = text ? text->next : NULL;
        double v = 0;
        int64_t id = i;
        if (vocab->kind == GLIA_JSON_OBJECT) {
            glia_json_i64(t, &id);
            j->text[id] = t->key;
            j->text_size[id] = t->key_size;
        } else {
            if (t->kind != GLIA_JSON_ARRAY || !text || text->kind != GLIA_JSON_STRING ||
                !glia_json_f64(score, &v))
                return malformed("token", i, e);
            j->text[id] = text->text;
            j->text_size[id] = text->text_size;
            j->scores[id] = (float)v;
            j->fine_scores[id] = v;
        }
        j->types[id] = GLIA_TOK_TYPE_NORMAL;
    }
    return GLIA_OK;
}

static glia_status fill_added(glia_tok_json *j, const glia_json *added, glia_error *e)
{
    static const struct {
        const char *key;
        uint8_t attribute;
    } flags[] = {{"lstrip", GLIA_TOK_ATTR_LSTRIP},
                 {"rstrip", GLIA_TOK_ATTR_RSTRIP},
                 {"single_word", GLIA_TOK_ATTR_WORD},
                 {"normalized", GLIA_TOK_ATTR_NORMALIZED}};
    int64_t i = 0, id = 0;
    for (const glia_json *t = added ? added->child : NULL; t; t = t->next, i++) {
        const glia_json *text = glia_json_get(t, "content");
        if (!text || text->kind != GLIA_JSON_STRING) return malformed("added token", i, e);
        glia_json_i64(glia_json_get(t, "id"), &id);
        j->text[id] = text->text;
        j->text_size[id] = text->text_size;
        j->types[id] =
            tok_json_flag(t, "special", false) ? GLIA_TOK_TYPE_CONTROL : GLIA_TOK_TYPE_USER_DEFINED;
        for (int k = 0; k < GLIA_COUNT(flags); k++)
            if (tok_json_flag(t, flags[k].key, false)) j->attributes[id] |= flags[k].attribute;
    }
    return GLIA_OK;
}

/* ---- roles */

static int64_t find(const glia_tok_json *j, const char *text, int64_t size)
{
    for (int64_t i = 0; i < j->source.count; i++)
        if (j->text_size[i] == size && !memcmp(j->text[i], text, (size_t)size)) return i;
    return -1;
}

/* The id of the token that a key of tokenizer_config.json names: a string, or an object with its content. */
static int64_t config_role(const glia_tok_json *j, const glia_json *config, const char *key)
{
    const glia_json *v = glia_json_get(config, key);
    if (v && v->kind == GLIA_JSON_OBJECT) v = glia_json_get(v, "content");
    return v && v->kind == GLIA_JSON_STRING ? find(j, v->text, v->text_size) : -1;
}

static void find_roles(glia_tok_json *j, const glia_json *config)
{
    glia_vocab_source *v = &j->source;
    const tok_pipeline *p = &j->pipeline;
    const struct {
        int64_t *out;
        const char *key;
        int64_t by_template;
        const char *usual[6];
    } roles[] = {
        {&v->bos,
         "bos_token",
         p->prefix_count == 1 ? p->prefix[0] : -1,
         {"<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "[BOS]"}},
        {&v->eos,
         "eos_token",
         p->suffix_count == 1 ? p->suffix[0] : -1,
         {"</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>", "[EOS]"}},
        {&v->unk, "unk_token", -1, {"<unk>", "[UNK]"}},
        {&v->pad, "pad_token", -1, {"<pad>", "[PAD]"}},
        {&v->sep, "sep_token", -1, {"[SEP]"}},
        {&v->cls, "cls_token", -1, {"[CLS]"}},
        {&v->mask, "mask_token", -1, {"[MASK]", "<mask>"}},
    };
    for (int i = 0; i < GLIA_COUNT(roles); i++) {
        if (config && *roles[i].out < 0) *roles[i].out = config_role(j, config, roles[i].key);
        if (!config && *roles[i].out < 0) *roles[i].out = roles[i].by_template;
        for (int k = 0; !config && k < 6 && roles[i].usual[k] && *roles[i].out < 0; k++) {
            const int64_t id = find(j, roles[i].usual[k], (int64_t)strlen(roles[i].usual[k]));
            if (id >= 0 && j->types[id] != GLIA_TOK_TYPE_NORMAL) *roles[i].out = id;
        }
    }
    if (v->bos < 0 && v->eos >= 0 && !config && !strcmp(v->kind, "gpt2")) v->bos = v->eos;
    v->add_bos = p->prefix_count > 0;
    v->add_eos = v->add_sep = 0;
    if (p->suffix_count && p->suffix[0] == v->sep) v->add_sep = 1;
    else v->add_eos = p->suffix_count > 0;
}

/* ---- models */

static glia_status read_merges(glia_tok_json *j, const glia_json *merges, glia_error *e)
{
    if (!merges || merges->kind != GLIA_JSON_ARRAY) return malformed("list of merges", 0, e);
    const char **text = GLIA_NEW_ARRAY(&j->arena, const char *, merges->count);
    int64_t *size = GLIA_NEW_ARRAY(&j->arena, int64_t, merges->count), i = 0;
    if (!text || !size) return glia_tok_nomem(e);
    for (const glia_json *m = merges->child; m; m = m->next, i++) {
        const glia_json *a = m->child, *b = a ? a->next : NULL;
        if (m->kind == GLIA_JSON_STRING) {
            text[i] = m->text;
            size[i] = m->text_size;
            continue;
        }
        if (m->kind != GLIA_JSON_ARRAY || m->count != 2 || a->kind != GLIA_JSON_STRING ||
            b->kind != GLIA_JSON_STRING)
            return malformed("merge", i, e);
        if (memchr(a->text, ' ', (size_t)a->text_size) || memchr(b->text, ' ', (size_t)b->text_size))
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624",
                             "tokenizer.json: merge %lld has a space in a token", (long long)i);
        char *both = glia_arena_alloc(&j->arena, a->text_size + b->text_size + 1, 1);
        if (!both) return glia_tok_nomem(e);
        memcpy(both, a->text, (size_t)a->text_size);
        both[a->text_size] = ' ';
        memcpy(both + a->text_size + 1, b->text, (size_t)b->text_size);
        text[i] = both;
        size[i] = a->text_size + b->text_size + 1;
    }
    j->source.merges = text;
    j->source.merge_size = size;
    j->source.merge_count = merges->count;
    return GLIA_OK;
}

/* A value that must be absent, null, false, zero or an empty string. */
static bool is_off(const glia_json *v)
{
    double d;
    return !v || v->kind == GLIA_JSON_NULL || (v->kind == GLIA_JSON_BOOL && !v->boolean) ||
           (v->kind == GLIA_JSON_STRING && !v->text_size) || (glia_json_f64(v, &d) && d == 0);
}

static int64_t unknown_of(const glia_tok_json *j, const glia_json *model)
{
    const glia_json *u = glia_json_get(model, "unk_token");
    return u && u->kind == GLIA_JSON_STRING ? find(j, u->text, u->text_size) : -1;
}

static void mark_bytes(glia_tok_json *j)
{
    for (int64_t i = 0; i < j->source.count; i++)
        if (j->types[i] == GLIA_TOK_TYPE_NORMAL && glia_tok_byte_of_text(j->text[i], j->text_size[i]) >= 0)
            j->types[i] = GLIA_TOK_TYPE_BYTE;
}

/* Scores that order the tokens as the merges that make them do, for files whose format has scores. */
static glia_status scores_of_merges(glia_tok_json *j, glia_error *e)
{
    glia_vocab_source *v = &j->source;
    glia_arena work;
    tok_table table = {0};
    glia_arena_init(&work, j->os, 0);
    int64_t *at = GLIA_NEW_ARRAY(&work, int64_t, v->count + 1), total = 0;
    for (int64_t i = 0; i < v->count; i++) total += j->text_size[i];
    char *bytes = glia_arena_alloc(&work, total, 1), *joined = glia_arena_alloc(&work, TOK_KEY_MAX, 1);
    j->scores = GLIA_NEW_ARRAY(&j->arena, float, v->count);
    bool ok = at && bytes && joined && j->scores && glia_tok_table_create(&table, &work, v->count);
    for (int64_t i = 0; i < v->count && ok; i++) {
        memcpy(bytes + at[i], j->text[i], (size_t)j->text_size[i]);
        at[i + 1] = at[i] + j->text_size[i];
        j->scores[i] = j->types[i] == GLIA_TOK_TYPE_NORMAL ? -1e9f : 0.0f;
    }
    const tok_strings all = {bytes, at, 0};
    for (int64_t i = 0; i < v->count && ok; i++) ok = glia_tok_table_add(&table, &all, (int32_t)i);
    for (int64_t i = v->merge_count; i-- > 0 && ok;) { /* the first merge that makes a token comes last */
        const char *s = v->merges[i], *gap = memchr(s, ' ', (size_t)v->merge_size[i]);
        const int64_t n = gap ? gap - s : 0, m = v->merge_size[i] - n - 1;
        if (!gap || m < 0 || n + m > TOK_KEY_MAX) continue;
        memcpy(joined, s, (size_t)n);
        memcpy(joined + n, gap + 1, (size_t)m);
        const int32_t id = glia_tok_table_find(&table, &all, joined, n + m, tok_hash(joined, n + m));
        if (id >= 0 && j->types[id] == GLIA_TOK_TYPE_NORMAL) j->scores[id] = -(float)i;
    }
    glia_arena_free(&work);
    v->scores = j->scores;
    return ok ? GLIA_OK : glia_tok_nomem(e);
}

static glia_status model_bpe(glia_tok_json *j, const glia_json *model, glia_error *e)
{
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < GLIA_COUNT(off); i++)
        if (!is_off(glia_json_get(model, off[i])))
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: BPE with %s is not built",
                             off[i]);
    j->pipeline.ignore_merges = tok_json_flag(model, "ignore_merges", false);
    j->pipeline.byte_fallback = tok_json_flag(model, "byte_fallback", false);
    j->pipeline.fuse_unknown = tok_json_flag(model, "fuse_unk", false);
    j->source.kind = j->byte_level || j->byte_decoder ? "gpt2" : "llama";
    if (j->byte_decoder && !j->byte_level)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624",
                         "tokenizer.json: byte-level decoding without byte-level cutting is not built");
    glia_status s = read_merges(j, glia_json_get(model, "merges"), e);
    j->source.unk = unknown_of(j, model);
    if (s || j->byte_level) return s;
    if (j->pipeline.ignore_merges)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: ignore_merges without ByteLevel");
    if (j->pipeline.byte_fallback) mark_bytes(j);
    return GLIA_OK;
}

static glia_status model_unigram(glia_tok_json *j, const glia_json *model, glia_error *e)
{
    int64_t id = -1;
    const glia_json *unk = glia_json_get(model, "unk_id");
    if (unk && unk->kind != GLIA_JSON_NULL && !glia_json_i64(unk, &id)) return malformed("unk_id", 0, e);
    j->source.kind = "t5";
    j->source.unk = id;
    j->pipeline.fuse_unknown = true;
    j->pipeline.byte_fallback = tok_json_flag(model, "byte_fallback", false);
    if (j->byte_level)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: Unigram over ByteLevel");
    if (j->pipeline.byte_fallback) mark_bytes(j);
    return GLIA_OK;
}

static glia_status model_wordpiece(glia_tok_json *j, const glia_json *model, glia_error *e)
{
    const glia_json *prefix = glia_json_get(model, "continuing_subword_prefix");
    int64_t most = 100;
    glia_json_i64(glia_json_get(model, "max_input_chars_per_word"), &most);
    if ((prefix && !tok_json_is(prefix, "##")) || j->byte_level)
        return glia_fail(
            e, GLIA_E_UNSUPPORTED, "G0624",
            "tokenizer.json: WordPiece with another mark of continuation than ##, or over ByteLevel");
    j->source.kind = "bert";
    j->source.unk = unknown_of(j, model);
    j->pipeline.word_chars_max = most;
    for (int64_t i = 0; i < j->source.count; i++) {
        if (j->types[i] != GLIA_TOK_TYPE_NORMAL) continue;
        if (j->text_size[i] > 2 && !memcmp(j->text[i], "##", 2)) {
            j->text[i] += 2;
            j->text_size[i] -= 2;
            j->attributes[i] |= TOK_ATTR_CONTINUES;
            continue;
        }
        char *marked = glia_arena_alloc(&j->arena, j->text_size[i] + 3, 1);
        if (!marked) return glia_tok_nomem(e);
        memcpy(marked, mark, 3);
        memcpy(marked + 3, j->text[i], (size_t)j->text_size[i]);
        j->text[i] = marked;
        j->text_size[i] += 3;
    }
    return GLIA_OK;
}

static glia_status read_model(glia_tok_json *j, const glia_json *model, glia_error *e)
{
    const glia_json *type = glia_json_get(model, "type");
    const bool pairs = glia_json_get(model, "merges") != NULL;
    if (tok_json_is(type, "BPE") || (!type && pairs)) return model_bpe(j, model, e);
    if (tok_json_is(type, "WordPiece")) return model_wordpiece(j, model, e);
    if (tok_json_is(type, "Unigram")) return model_unigram(j, model, e);
    return glia_tok_json_refuse("model", model, e);
}

/* ---- GGUF's words for it */

static bool only_bert(const glia_tok_json *j)
{
    tok_norm same = {0};
    bool equal =
        glia_tok_norm_add_bert(&same, true, true, j->source.strip_accents > 0, j->source.lowercase > 0) &&
        same.count == j->norm.count;
    for (int i = 0; i < same.count && equal; i++) equal = same.steps[i].run == j->norm.steps[i].run;
    return equal && j->pipeline.stage_count == 2 && j->stages[0].behaviour == TOK_REMOVED;
}

/* The steps that the kinds "llama" and "t5" have themselves. */
static bool only_spaces(const glia_tok_json *j, bool unigram)
{
    for (int i = 0; i < j->norm.count; i++) {
        const tok_norm_step *s = &j->norm.steps[i];
        const bool escape = s->run == glia_tok_norm_replace && s->text_size == 1 && *s->text == ' ' &&
                            s->with_size == 3 && !memcmp(s->with, mark, 3);
        const bool prefix = s->run == glia_tok_norm_prepend && s->text_size == 3 && !memcmp(s->text, mark, 3);
        const bool spaces =
            unigram && (s->run == glia_tok_norm_charsmap || s->run == glia_tok_norm_collapse ||
                        s->run == glia_tok_norm_strip || s->run == glia_tok_norm_regex);
        if (!escape && !prefix && !spaces) return false;
    }
    const tok_stage *cut = j->stages;
    return !j->pipeline.stage_count ||
           (j->pipeline.stage_count == 1 &&
            (cut->behaviour == TOK_WITH_NEXT || cut->behaviour == TOK_WITH_PREVIOUS));
}

static bool only_compose(const glia_tok_json *j)
{
    return j->norm.count == 1 && j->norm.steps[0].run == glia_tok_norm_form &&
           j->norm.steps[0].flags == TOK_FORM_COMPOSE;
}

static glia_status name_for_gguf(glia_tok_json *j, glia_error *e)
{
    glia_vocab_source *v = &j->source;
    const char *kind = v->kind;
    if (!strcmp(kind, "gpt2")) {
        if (!j->no_gguf && j->norm.count && !only_compose(j)) j->no_gguf = "its normalizer";
        if (j->no_gguf) return GLIA_OK;
        const glia_status s = glia_tok_pretok_name(j->os, j->stages, j->pipeline.stage_count,
                                                   j->pipeline.ignore_merges, only_compose(j), &v->pre, e);
        if (!s && !v->pre) j->no_gguf = "its expressions, which have no name there";
        return s;
    }
    v->pre = "default";
    if (!strcmp(kind, "bert")) {
        if (!only_bert(j)) j->no_gguf = "another normalizer or pre-tokenizer than BERT's";
        return GLIA_OK;
    }
    const bool unigram = !strcmp(kind, "t5");
    if (!only_spaces(j, unigram)) j->no_gguf = "its normalizer or pre-tokenizer";
    if (v->add_space_prefix < 0) v->add_space_prefix = 0;
    for (int i = 0; i < j->norm.count; i++)
        if (j->norm.steps[i].run == glia_tok_norm_prepend) v->add_space_prefix = 1;
    return unigram ? GLIA_OK : scores_of_merges(j, e);
}

/* ---- the whole */

static glia_status read_all(glia_tok_json *j, const glia_json *root, const glia_json *config, glia_error *e)
{
    const glia_json *model = glia_json_get(root, "model"), *added = glia_json_get(root, "added_tokens");
    const glia_json *vocab = glia_json_get(model, "vocab"), *merges = glia_json_get(model, "merges");
    const bool list = vocab && vocab->kind == GLIA_JSON_ARRAY;
    int64_t count = 0;
    if (!vocab || (vocab->kind != GLIA_JSON_OBJECT && !list) || (list && merges) ||
        (added && added->kind != GLIA_JSON_ARRAY && added->kind != GLIA_JSON_NULL))
        return glia_tok_json_refuse("model", model ? model : root, e);
    glia_status s = count_ids(vocab, added, &count, e);
    if (!s) s = make_room(j, count, list, e);
    if (!s) s = fill_vocab(j, vocab, e);
    if (!s) s = fill_added(j, added, e);
    if (!s) s = glia_tok_json_normalizer(j, glia_json_get(root, "normalizer"), 0, e);
    if (!s) s = glia_tok_json_pre_tokenizer(j, glia_json_get(root, "pre_tokenizer"), 0, e);
    if (!s) s = glia_tok_json_decoder(j, glia_json_get(root, "decoder"), 0, e);
    if (!s) s = read_model(j, model, e);
    if (!s && list != !strcmp(j->source.kind, "t5")) s = malformed("vocabulary of model", 0, e);
    if (!s) s = glia_tok_json_post_processor(j, glia_json_get(root, "post_processor"), 0, e);
    if (s) return s;
    if (j->source.unk >= count) return malformed("unk_id", j->source.unk, e);
    if (j->source.unk >= 0) j->types[j->source.unk] = GLIA_TOK_TYPE_UNKNOWN;
    find_roles(j, config);
    return name_for_gguf(j, e);
}

glia_status glia_tok_json_read(const glia_os *os, const char *json, int64_t size, const char *config,
                               int64_t config_size, glia_tok_json **out, glia_error *e)
{
    const glia_json *root = NULL, *side = NULL;
    if (out) *out = NULL;
    if (!json || !out || size < 0 || config_size < 0)
        return glia_fail(e, GLIA_E_ARG, "G0603", "the text of tokenizer.json and a place for it are needed");
    if (size > TOK_JSON_MAX || config_size > TOK_JSON_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0608", "a tokenizer.json of %lld bytes; the limit is %lld",
                         (long long)size, (long long)TOK_JSON_MAX);
    if (!os) os = glia_os_default();
    glia_tok_json *j = os->mem_alloc(os->ctx, sizeof *j, _Alignof(glia_tok_json));
    if (!j) return glia_tok_nomem(e);
    j->os = os;
    glia_arena_init(&j->arena, os, 0);
    j->source = (glia_vocab_source)GLIA_VOCAB_SOURCE_INIT;
    glia_status s = glia_json_parse(&j->arena, json, size, TOK_JSON_DEPTH, 0, &root, e);
    if (!s && config) s = glia_json_parse(&j->arena, config, config_size, TOK_JSON_DEPTH, 0, &side, e);
    if (!s) s = read_all(j, root, side, e);
    if (s) {
        glia_tok_json_free(j);
        return s;
    }
    j->pipeline.norm = &j->norm;
    j->pipeline.scores = j->fine_scores;
    j->pipeline.stages = j->stages;
    j->source.pipeline = &j->pipeline;
    *out = j;
    return GLIA_OK;
}

void glia_tok_json_free(glia_tok_json *j)
{
    if (!j) return;
    glia_arena_free(&j->arena);
    j->os->mem_free(j->os->ctx, j, sizeof *j);
}

const glia_vocab_source *glia_tok_json_source(const glia_tok_json *j) { return &j->source; }

glia_status glia_tok_json_gguf(const glia_tok_json *j, glia_error *e)
{
    if (!j->no_gguf) return GLIA_OK;
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0626", "GGUF metadata cannot say of this tokenizer: %s",
                     j->no_gguf);
}

glia_status glia_tokenizer_from_json(const glia_os *os, const char *json, int64_t size, glia_tokenizer **out,
                                     glia_error *e)
{
    glia_tok_json *j = NULL;
    if (!out) return glia_fail(e, GLIA_E_ARG, "G0603", "a place for the tokenizer is needed");
    *out = NULL;
    glia_status s = glia_tok_json_read(os, json, size, NULL, 0, &j, e);
    if (!s) s = glia_tokenizer_create(os, &j->source, out, e);
    glia_tok_json_free(j);
    return s;
}
