/* Normalizers, pre-tokenizers, post-processors and decoders of tokenizer.json. Each kind of part is a row of
 * a table: its name, and the function that turns it into steps and stages of a tok_pipeline.
 *
 * Traps: stages after ByteLevel see its spelling of bytes. Metaspace and ByteLevel may put a space before
 * each piece that a stage before them cut; built is that only where no stage stands before them, or
 * WhitespaceSplit alone, which is the same as one space between words. A Split by a string is that string,
 * not an expression. */
#include "llm/tok_json_parts.h"
#include "base/check.h"
#include "llm/unicode.h"

#include <string.h>

static const char mark[] = "\xe2\x96\x81";

glia_status glia_tok_json_refuse(const char *part, const glia_json *what, glia_error *e)
{
    const glia_json *type = what && what->kind == GLIA_JSON_OBJECT ? glia_json_get(what, "type") : what;
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: the %s \"%.64s\" is not built", part,
                     type && type->text ? type->text : "(malformed)");
}

typedef glia_status read_part(glia_tok_json *j, const glia_json *part, glia_error *e);
typedef struct part_row {
    const char *name;
    read_part *read;
} part_row;

/* Calls the row of a part; a Sequence is its members, one after another. */
typedef struct part_kind {
    const char *what, *members;
    const part_row *rows;
    int count;
} part_kind;

static glia_status read_part_of(const part_kind *k, glia_tok_json *j, const glia_json *part, int nesting,
                                glia_error *e)
{
    if (!part || part->kind == GLIA_JSON_NULL) return GLIA_OK;
    const glia_json *type = glia_json_get(part, "type");
    if (!type || nesting > TOK_JSON_NESTING) return glia_tok_json_refuse(k->what, part, e);
    if (tok_json_is(type, "Sequence")) {
        const glia_json *members = glia_json_get(part, k->members);
        if (!members || members->kind != GLIA_JSON_ARRAY) return glia_tok_json_refuse(k->what, part, e);
        for (const glia_json *m = members->child; m; m = m->next) {
            const glia_status s =
                read_part_of(k, j, m, nesting + 1, e); /* TOK_JSON_NESTING deep at the most */
            if (s) return s;
        }
        return GLIA_OK;
    }
    for (int i = 0; i < k->count; i++)
        if (tok_json_is(type, k->rows[i].name)) return k->rows[i].read(j, part, e);
    return glia_tok_json_refuse(k->what, part, e);
}

/* ---- steps and stages */

static glia_status add_step(glia_tok_json *j, tok_norm_run *run, uint32_t flags, const char *text,
                            int64_t text_size, const char *with, int64_t with_size, const tok_regex *regex,
                            glia_error *e)
{
    tok_norm_step *s = glia_tok_norm_add(&j->norm, run, flags);
    if (!s)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: more than %d steps of normalizing",
                         TOK_NORM_STEPS);
    s->text = text ? glia_arena_strndup(&j->arena, text, text_size) : NULL;
    s->with = with ? glia_arena_strndup(&j->arena, with, with_size) : NULL;
    s->text_size = text_size;
    s->with_size = with_size;
    s->regex = regex;
    return (text && !s->text) || (with && !s->with) ? glia_tok_nomem(e) : GLIA_OK;
}

static glia_status add_stage(glia_tok_json *j, const char *expression, int64_t size, int behaviour,
                             bool invert, glia_error *e)
{
    tok_pipeline *p = &j->pipeline;
    if (p->stage_count == TOK_STAGES)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: more than %d steps of cutting",
                         TOK_STAGES);
    char *own = glia_arena_strndup(&j->arena, expression, size);
    if (!own) return glia_tok_nomem(e);
    j->stages[p->stage_count++] = (tok_stage){own, size, behaviour, invert, j->bytes_next};
    j->word_split = false;
    return GLIA_OK;
}

#define LITERAL(s) s, (int64_t)sizeof(s) - 1

/* The expression that is just this string. */
static glia_status quote(glia_tok_json *j, const glia_json *s, const char **out, int64_t *size, glia_error *e)
{
    char *q = glia_arena_alloc(&j->arena, 2 * s->text_size + 1, 1);
    int64_t n = 0;
    if (!q) return glia_tok_nomem(e);
    for (int64_t i = 0; i < s->text_size; i++) {
        if (strchr("\\.[]{}()*+?^$|&-", s->text[i]) && s->text[i]) q[n++] = '\\';
        q[n++] = s->text[i];
    }
    *out = q;
    *size = n;
    return GLIA_OK;
}

/* A pattern: {"String": ...} or {"Regex": ...}; *literal gets the string, or null. */
static glia_status read_pattern(const char *part, const glia_json *pattern, const glia_json **literal,
                                const glia_json **regex, glia_error *e)
{
    *literal = glia_json_get(pattern, "String");
    *regex = glia_json_get(pattern, "Regex");
    const glia_json *one = *literal ? *literal : *regex;
    if (one && one->kind == GLIA_JSON_STRING && one->text_size > 0) return GLIA_OK;
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: a %s without a pattern", part);
}

/* ---- normalizers */

typedef struct simple_row {
    const char *name;
    tok_norm_run *run;
    uint32_t flags;
} simple_row;
static const simple_row simple[] = {
    {"NFC", glia_tok_norm_form, TOK_FORM_COMPOSE},
    {"NFD", glia_tok_norm_form, 0},
    {"NFKC", glia_tok_norm_form, TOK_FORM_COMPOSE | TOK_FORM_COMPATIBLE},
    {"NFKD", glia_tok_norm_form, TOK_FORM_COMPATIBLE},
    {"Lowercase", glia_tok_norm_lower, 0},
    {"Nmt", glia_tok_norm_nmt, 0},
    {"StripAccents", glia_tok_norm_drop, TOK_UNI_BIT(MN) | TOK_UNI_BIT(MC) | TOK_UNI_BIT(ME)},
};

static glia_status norm_simple(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *type = glia_json_get(part, "type");
    for (int i = 0; i < GLIA_COUNT(simple); i++)
        if (tok_json_is(type, simple[i].name))
            return add_step(j, simple[i].run, simple[i].flags, NULL, 0, NULL, 0, NULL, e);
    return glia_tok_json_refuse("normalizer", part, e);
}

static glia_status norm_strip(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const uint32_t flags = (tok_json_flag(part, "strip_left", true) ? TOK_STRIP_LEFT : 0u) |
                           (tok_json_flag(part, "strip_right", true) ? TOK_STRIP_RIGHT : 0u);
    return add_step(j, glia_tok_norm_strip, flags, NULL, 0, NULL, 0, NULL, e);
}

static glia_status norm_prepend(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *text = glia_json_get(part, "prepend");
    if (!text || text->kind != GLIA_JSON_STRING) return glia_tok_json_refuse("normalizer", part, e);
    return add_step(j, glia_tok_norm_prepend, 0, text->text, text->text_size, NULL, 0, NULL, e);
}

static glia_status norm_replace(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *literal, *regex, *with = glia_json_get(part, "content");
    glia_status s = read_pattern("Replace", glia_json_get(part, "pattern"), &literal, &regex, e);
    if (s) return s;
    if (!with || with->kind != GLIA_JSON_STRING) return glia_tok_json_refuse("normalizer", part, e);
    if (literal)
        return add_step(j, glia_tok_norm_replace, 0, literal->text, literal->text_size, with->text,
                        with->text_size, NULL, e);
    tok_regex *r = GLIA_NEW(&j->arena, tok_regex);
    if (!r) return glia_tok_nomem(e);
    s = glia_tok_regex_compile(r, &j->arena, regex->text, regex->text_size, false, e);
    if (s) return s;
    if (tok_json_is(regex, " {2,}") && tok_json_is(with, " ")) j->source.remove_extra_spaces = 1;
    return add_step(j, glia_tok_norm_regex, 0, NULL, 0, with->text, with->text_size, r, e);
}

static glia_status norm_bert(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const bool lower = tok_json_flag(part, "lowercase", true),
               strip = tok_json_flag(part, "strip_accents", lower);
    j->source.lowercase = lower;
    j->source.strip_accents = strip;
    if (glia_tok_norm_add_bert(&j->norm, tok_json_flag(part, "clean_text", true),
                               tok_json_flag(part, "handle_chinese_chars", true), strip, lower))
        return GLIA_OK;
    return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624", "tokenizer.json: more than %d steps of normalizing",
                     TOK_NORM_STEPS);
}

static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *d = c ? strchr(digits, c) : NULL;
    return d ? (int)(d - digits) : -1;
}

static glia_status norm_precompiled(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *map = glia_json_get(part, "precompiled_charsmap");
    if (!map || map->kind != GLIA_JSON_STRING) return glia_tok_json_refuse("normalizer", part, e);
    if (!map->text_size) return GLIA_OK;
    char *bytes = glia_arena_alloc(&j->arena, map->text_size, 1);
    int64_t n = 0, end = map->text_size;
    uint32_t bits = 0;
    if (!bytes) return glia_tok_nomem(e);
    while (end > 0 && map->text[end - 1] == '=') end--;
    for (int64_t i = 0; i < end; i++) {
        const int six = sextet(map->text[i]);
        if (six < 0) return glia_fail(e, GLIA_E_FORMAT, "G0625", "the charsmap is not base64");
        bits = bits << 6 | (uint32_t)six;
        if (i % 4) bytes[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 255);
    }
    tok_norm_step *s = glia_tok_norm_add(&j->norm, glia_tok_norm_charsmap, 0);
    if (!s || j->source.charsmap) return glia_tok_json_refuse("normalizer", part, e);
    j->source.charsmap = bytes;
    j->source.charsmap_size = n;
    return glia_tok_charsmap_read(&s->map, &j->arena, bytes, n, e);
}

static const part_row normalizers[] = {
    {"NFC", norm_simple},      {"NFD", norm_simple},          {"NFKC", norm_simple},
    {"NFKD", norm_simple},     {"Lowercase", norm_simple},    {"Nmt", norm_simple},
    {"Strip", norm_strip},     {"StripAccents", norm_simple}, {"Prepend", norm_prepend},
    {"Replace", norm_replace}, {"BertNormalizer", norm_bert}, {"Precompiled", norm_precompiled},
};

glia_status glia_tok_json_normalizer(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e)
{
    const part_kind k = {"normalizer", "normalizers", normalizers, GLIA_COUNT(normalizers)};
    return read_part_of(&k, j, part, nesting, e);
}

/* ---- pre-tokenizers */

static bool read_behaviour(const glia_json *part, int otherwise, int *out)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const glia_json *b = glia_json_get(part, "behavior");
    *out = otherwise;
    if (!b) return true;
    for (int i = 0; i < GLIA_COUNT(names); i++) { /* in the order of TOK_ISOLATED ... TOK_CONTIGUOUS */
        *out = i;
        if (tok_json_is(b, names[i])) return true;
    }
    return false;
}

static glia_status pre_split(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *literal, *regex;
    const char *text;
    int64_t size;
    int behaviour;
    glia_status s = read_pattern("Split", glia_json_get(part, "pattern"), &literal, &regex, e);
    if (s) return s;
    if (!read_behaviour(part, TOK_ISOLATED, &behaviour))
        return glia_tok_json_refuse("behaviour of Split", part, e);
    if (regex) {
        text = regex->text;
        size = regex->text_size;
    } else s = quote(j, literal, &text, &size, e);
    return s ? s : add_stage(j, text, size, behaviour, tok_json_flag(part, "invert", false), e);
}

static glia_status pre_digits(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    return tok_json_flag(part, "individual_digits", false)
               ? add_stage(j, LITERAL("\\p{N}"), TOK_ISOLATED, false, e)
               : add_stage(j, LITERAL("\\p{N}+"), TOK_ISOLATED, false, e);
}

static glia_status pre_punctuation(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    int behaviour;
    if (!read_behaviour(part, TOK_ISOLATED, &behaviour))
        return glia_tok_json_refuse("behaviour of Punctuation", part, e);
    if (behaviour == TOK_CONTIGUOUS)
        return add_stage(j, LITERAL(TOK_PUNCTUATION "+"), TOK_ISOLATED, false, e);
    return add_stage(j, LITERAL(TOK_PUNCTUATION), behaviour, false, e);
}

static glia_status pre_whitespace(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)part;
    return add_stage(j, LITERAL("\\w+|[^\\w\\s]+"), TOK_REMOVED, true, e);
}

static glia_status pre_whitespace_split(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)part;
    const bool alone = !j->pipeline.stage_count;
    const glia_status s = add_stage(j, LITERAL("\\s"), TOK_REMOVED, false, e);
    j->word_split = alone;
    return s;
}

static glia_status pre_bert(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)part;
    const glia_status s = add_stage(j, LITERAL("\\s"), TOK_REMOVED, false, e);
    return s ? s : add_stage(j, LITERAL(TOK_PUNCTUATION), TOK_ISOLATED, false, e);
}

static glia_status pre_delimiter(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *d = glia_json_get(part, "delimiter");
    const char *text;
    int64_t size;
    if (!d || d->kind != GLIA_JSON_STRING || !d->text_size)
        return glia_tok_json_refuse("pre-tokenizer", part, e);
    const glia_status s = quote(j, d, &text, &size, e);
    return s ? s : add_stage(j, text, size, TOK_REMOVED, false, e);
}

static glia_status pre_byte_level(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    glia_status s = GLIA_OK;
    if (j->byte_level) return glia_tok_json_refuse("second pre-tokenizer", part, e);
    if (tok_json_flag(part, "add_prefix_space", true)) {
        if (j->pipeline.stage_count)
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0624",
                             "tokenizer.json: ByteLevel with add_prefix_space after another pre-tokenizer");
        s = add_step(j, glia_tok_norm_prepend, TOK_PREPEND_UNLESS, " ", 1, NULL, 0, NULL, e);
        j->no_gguf = "a space before the text in byte-level BPE";
    }
    if (!s && tok_json_flag(part, "use_regex", true))
        s = add_stage(
            j, LITERAL("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"),
            TOK_ISOLATED, false, e);
    j->byte_level = j->bytes_next = true;
    return s;
}

static glia_status pre_metaspace(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *with = glia_json_get(part, "replacement"),
                    *scheme = glia_json_get(part, "prepend_scheme");
    const bool never = scheme ? tok_json_is(scheme, "never") : !tok_json_flag(part, "add_prefix_space", true);
    const bool split = tok_json_flag(part, "split", true), words = j->word_split;
    if (!tok_json_is(with, mark) || j->byte_level || (j->pipeline.stage_count && !(words && split && !never)))
        return glia_tok_json_refuse("pre-tokenizer in this place", part, e);
    glia_status s = GLIA_OK;
    if (words) { /* each word gets its mark: one space between words, and one before the first */
        j->pipeline.stage_count = 0;
        j->source.remove_extra_spaces = 1;
        s = add_step(j, glia_tok_norm_collapse, TOK_COLLAPSE_WHITE | TOK_COLLAPSE_MARK, NULL, 0, NULL, 0,
                     NULL, e);
    }
    if (!s) s = add_step(j, glia_tok_norm_replace, 0, " ", 1, mark, 3, NULL, e);
    if (!s && !never)
        s = add_step(j, glia_tok_norm_prepend,
                     TOK_PREPEND_UNLESS | (tok_json_is(scheme, "first") && !words ? TOK_PREPEND_FIRST : 0u),
                     mark, 3, NULL, 0, NULL, e);
    j->source.add_space_prefix = !never;
    return !s && split ? add_stage(j, mark, 3, TOK_WITH_NEXT, false, e) : s;
}

static const part_row pre_tokenizers[] = {
    {"ByteLevel", pre_byte_level},
    {"Split", pre_split},
    {"Digits", pre_digits},
    {"Punctuation", pre_punctuation},
    {"Whitespace", pre_whitespace},
    {"WhitespaceSplit", pre_whitespace_split},
    {"Metaspace", pre_metaspace},
    {"BertPreTokenizer", pre_bert},
    {"CharDelimiterSplit", pre_delimiter},
};

glia_status glia_tok_json_pre_tokenizer(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e)
{
    const part_kind k = {"pre-tokenizer", "pretokenizers", pre_tokenizers, GLIA_COUNT(pre_tokenizers)};
    return read_part_of(&k, j, part, nesting, e);
}

/* ---- post-processors */

static bool add_affix(int32_t *list, int *count, int64_t id, int64_t vocab)
{
    if (*count == TOK_AFFIX_MAX || id < 0 || id >= vocab) return false;
    list[(*count)++] = (int32_t)id;
    return true;
}

/* The ids of a special token of a template. */
static bool template_ids(glia_tok_json *j, const glia_json *part, const glia_json *token, bool before)
{
    const glia_json *name = glia_json_get(token, "id"), *all = glia_json_get(part, "special_tokens");
    const glia_json *row = name && name->text ? glia_json_get(all, name->text) : NULL;
    const glia_json *ids = glia_json_get(row, "ids");
    tok_pipeline *p = &j->pipeline;
    if (!ids || ids->kind != GLIA_JSON_ARRAY) return false;
    for (const glia_json *i = ids->child; i; i = i->next) {
        int64_t id;
        if (!glia_json_i64(i, &id) ||
            !add_affix(before ? p->prefix : p->suffix, before ? &p->prefix_count : &p->suffix_count, id,
                       j->source.count))
            return false;
    }
    return true;
}

static glia_status post_template(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *single = glia_json_get(part, "single");
    bool before = true;
    if (!single || single->kind != GLIA_JSON_ARRAY) return glia_tok_json_refuse("post-processor", part, e);
    for (const glia_json *m = single->child; m; m = m->next) {
        const glia_json *token = glia_json_get(m, "SpecialToken"), *text = glia_json_get(m, "Sequence");
        if (text && before) before = false;
        else if (!token || !template_ids(j, part, token, before))
            return glia_tok_json_refuse("template of post-processor", part, e);
    }
    return before ? glia_tok_json_refuse("template of post-processor", part, e) : GLIA_OK;
}

/* "sep": [text, id] and "cls": [text, id]. */
static glia_status post_pair(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    static const char *const keys[] = {"cls", "sep"};
    tok_pipeline *p = &j->pipeline;
    for (int k = 0; k < 2; k++) {
        const glia_json *pair = glia_json_get(part, keys[k]);
        int64_t id;
        if (!pair || pair->count != 2 || !pair->child || !glia_json_i64(pair->child->next, &id) ||
            !add_affix(k ? p->suffix : p->prefix, k ? &p->suffix_count : &p->prefix_count, id,
                       j->source.count))
            return glia_tok_json_refuse("post-processor", part, e);
        *(k ? &j->source.sep : &j->source.cls) = id;
    }
    return GLIA_OK;
}

static glia_status nothing(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)j;
    (void)part;
    (void)e;
    return GLIA_OK;
}

static const part_row post_processors[] = {{"TemplateProcessing", post_template},
                                           {"BertProcessing", post_pair},
                                           {"RobertaProcessing", post_pair},
                                           {"ByteLevel", nothing}};

glia_status glia_tok_json_post_processor(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e)
{
    const part_kind k = {"post-processor", "processors", post_processors, GLIA_COUNT(post_processors)};
    return read_part_of(&k, j, part, nesting, e);
}

/* ---- decoders */

static glia_status decode_byte_level(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)part;
    (void)e;
    j->byte_decoder = true;
    return GLIA_OK;
}

static glia_status decode_metaspace(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *scheme = glia_json_get(part, "prepend_scheme");
    (void)e;
    j->pipeline.drops_space =
        scheme ? !tok_json_is(scheme, "never") : tok_json_flag(part, "add_prefix_space", true);
    return GLIA_OK;
}

static glia_status decode_wordpiece(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    (void)part;
    (void)e;
    j->pipeline.drops_space = true;
    return GLIA_OK;
}

static glia_status decode_strip(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    int64_t start = 0, stop = 0;
    glia_json_i64(glia_json_get(part, "start"), &start);
    glia_json_i64(glia_json_get(part, "stop"), &stop);
    if (!tok_json_is(glia_json_get(part, "content"), " ") || start > 1 || start < 0 || stop)
        return glia_tok_json_refuse("decoder", part, e);
    j->pipeline.drops_space = start == 1;
    return GLIA_OK;
}

/* Marks are spaces in pieces already. */
static glia_status decode_replace(glia_tok_json *j, const glia_json *part, glia_error *e)
{
    const glia_json *literal, *regex;
    (void)j;
    const glia_status s = read_pattern("Replace", glia_json_get(part, "pattern"), &literal, &regex, e);
    if (s) return s;
    if (tok_json_is(literal, mark) && tok_json_is(glia_json_get(part, "content"), " ")) return GLIA_OK;
    return glia_tok_json_refuse("decoder", part, e);
}

static const part_row decoders[] = {
    {"ByteLevel", decode_byte_level},
    {"Metaspace", decode_metaspace},
    {"WordPiece", decode_wordpiece},
    {"Strip", decode_strip},
    {"Replace", decode_replace},
    {"ByteFallback", nothing},
    {"Fuse", nothing},
};

glia_status glia_tok_json_decoder(glia_tok_json *j, const glia_json *part, int nesting, glia_error *e)
{
    const part_kind k = {"decoder", "decoders", decoders, GLIA_COUNT(decoders)};
    return read_part_of(&k, j, part, nesting, e);
}
