/* Cuts text into words, as models were trained with: a row of stages, each an expression (tok_regex.c) and
 * what is done with its matches. Stages apply one after another, each to the pieces of the one before, and a
 * piece is a whole text to it: (?!\S) and $ hold at its end. What no match covers is a piece of its own.
 *
 * The table below has the published expressions under the names that tokenizer.ggml.pre gives them; a name
 * that is not in it is refused, since another expression would give other tokens without any other sign. Not
 * in it although the name is known: superbpe, tiny_aya, afmoe (look-ahead over more than one set), whitespace
 * (its model is not byte-level).
 *
 * Traps: files write \s+(?!\S) with and without a last |\s+, which is the same, since one space that is left
 * over is a piece anyway. A search is linear: see tok_trail; a text for which even that fails is refused
 * (G0630). */
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/tok_regex.h"

#include <string.h>

/* ---- the expressions */

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS(digits) "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES
#define LLAMA3(digits) CONTRACTIONS "|" WORDS(digits)
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(upper, lower, tail)                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower "*" tail
#define O200K(digits, tail) CASED(UPPER, LOWER, tail) "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES
#define NOT_HAN "&&[^\\p{Han}]]"
#define KIMI                                                                                                 \
    "[\\p{Han}]+|" CASED("[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" NOT_HAN,                                      \
                         "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" NOT_HAN,                                             \
                         CONTRACTIONS "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES
#define CJK_KANA "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+"
#define CJK_OLD "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+"
#define ASCII_WORD "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
#define DEEPSEEK3 ASCII_WORD "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" SPACES
/* Letters of the scripts that have cases, as that model lists them. */
#define CASED_LETTERS                                                                                        \
    "A-Za-z\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293\\u0295-"       \
    "\\u02AF"                                                                                                \
    "\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386\\u0388-\\u038A\\u038C\\u038E-\\u03A1"        \
    "\\u03A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F\\u0531-\\u0556\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-"     \
    "\\u13FD"                                                                                                \
    "\\u1C90-\\u1CBA\\u1CBD-\\u1CBF\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15\\u1F18-"     \
    "\\u1F1D"                                                                                                \
    "\\u1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D\\u1F5F-\\u1F7D\\u1F80-\\u1FB4"       \
    "\\u1FB6-\\u1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC\\u1FD0-\\u1FD3\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC"      \
    "\\u1FF2-\\u1FF4\\u1FF6-\\u1FFC\\u2102\\u2107\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128" \
    "\\u212A-\\u212D\\u212F-\\u2134\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184\\u2C00-"       \
    "\\u2C7B"                                                                                                \
    "\\u2C7E-\\u2CE4\\u2CEB-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D\\uA680-\\uA69B\\uA722-\\uA76F\\uA771-"      \
    "\\uA787"                                                                                                \
    "\\uA78B-\\uA78E\\uAB70-\\uABBF\\uFB00-\\uFB06\\uFB13-\\uFB17\\uFF21-\\uFF3A\\uFF41-\\uFF5A"             \
    "\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{"    \
    "10CF2}"                                                                                                 \
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"
#define WIDE_MARKS "[!-/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002]+"
#define BLOOM " ?[^(\\s|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+"
#define JAIS2_SPACES                                                                                         \
    "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|"          \
    "\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"

enum { NAMES = 14, WORD_LEVEL = 1, WITH_BOS = 2, WITH_SEP = 4, COMPOSED = 8 };

typedef struct pre_row {
    const char *names[NAMES];
    const char *expressions[TOK_STAGES];
    int traits;
    int bytes_from; /* stages from here on read byte-level spelling; 0: none */
} pre_row;

static const pre_row pre_rows[] = {
    {{"gpt-2", "phi-2", "jais", "trillion", "granite-docling", "jina-v2-es", "jina-v2-de", "jina-es",
      "jina-de", "exaone4", "modern-bert"},
     {GPT2},
     0,
     0},
    {{"olmo", "mpt"}, {GPT2}, COMPOSED, 0},
    {{"roberta-bpe", "jina-v1-en", "jina-v2-code"}, {GPT2}, WITH_SEP, 0},
    {{"gigachat", "a.x-4.0", "mellum"}, {GPT2}, 0, 0},
    {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
      "jina-v5-nano"},
     {LLAMA3("\\p{N}{1,3}")},
     WORD_LEVEL | WITH_BOS,
     0},
    {{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, {LLAMA3("\\p{N}{1,3}")}, 0, 0},
    {{"qwen2", "megrez"}, {LLAMA3("\\p{N}")}, COMPOSED, 0},
    {{"deepseek-r1-qwen", "stablelm2", "hunyuan", "grok-2", "solar-open", "kormo", "f2llmv2"},
     {LLAMA3("\\p{N}")},
     0,
     0},
    {{"qwen35"},
     {CONTRACTIONS
      "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES},
     COMPOSED,
     0},
    {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {O200K("\\p{N}{1,3}", CONTRACTIONS "?")}, 0, 0},
    {{"tekken"}, {O200K("\\p{N}", "")}, WORD_LEVEL | WITH_BOS, 0},
    {{"kimi-k2"}, {KIMI}, 0, 0},
    {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
     {"\\p{N}", GPT2},
     0,
     0},
    {{"deepseek-llm"},
     {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+", "\\s?" WIDE_MARKS, "\\s+$", CJK_OLD, "\\p{N}+"},
     0,
     0},
    {{"deepseek-coder"}, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_OLD, "\\p{N}"}, 0, 0},
    {{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, {"\\p{N}{1,3}", CJK_KANA, DEEPSEEK3}, 0, 0},
    {{"falcon"}, {TOK_PUNCTUATION "+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, 0, 2},
    {{"bloom", "poro-chat", "gpt3-finnish"}, {BLOOM}, 0, 0},
    {{"viking"}, {BLOOM, "\\p{N}"}, 0, 0},
    {{"bailingmoe", "bailingmoe2", "llada-moe"},
     {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
      "\\s+(?!\\S)|\\s+"},
     0,
     0},
    {{"seed-coder"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" SPACES},
     0,
     0},
    {{"exaone-moe"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|"
                   " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     0,
     0},
    {{"jais-2"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                   "\\s*[\\r\\n]+|" JAIS2_SPACES},
     0,
     0},
    {{"minicpm5"}, {"\\p{N}{1,3}", LLAMA3("\\p{N}+")}, WORD_LEVEL, 0},
    {{"chameleon"},
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
      "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     WITH_BOS,
     0},
    {{"default", ""},
     {"[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
      "[0-9][0-9][0-9]"},
     0,
     0},
};

typedef struct stage {
    tok_regex regex;
    int behaviour;
    bool invert;
} stage;

struct tok_pretok {
    int count;
    stage stages[TOK_STAGES];
};

glia_status glia_tok_pretok_build(const struct tok_pretok **out, glia_arena *a, const tok_stage *stages,
                                  int count, glia_error *e)
{
    if (count > TOK_STAGES)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0623",
                         "%d steps of cutting text into words; the limit is %d", count, TOK_STAGES);
    struct tok_pretok *p = GLIA_NEW(a, struct tok_pretok);
    if (!p) return glia_tok_nomem(e);
    for (; p->count < count; p->count++) {
        const tok_stage *s = &stages[p->count];
        p->stages[p->count].behaviour = s->behaviour;
        p->stages[p->count].invert = s->invert;
        const glia_status status =
            glia_tok_regex_compile(&p->stages[p->count].regex, a, s->expression, s->size, s->bytes, e);
        if (status) return status;
    }
    *out = p;
    return GLIA_OK;
}

static const pre_row *find_row(const char *pre)
{
    for (int i = 0; i < GLIA_COUNT(pre_rows); i++)
        for (int k = 0; k < NAMES && pre_rows[i].names[k]; k++)
            if (!strcmp(pre_rows[i].names[k], pre)) return &pre_rows[i];
    return NULL;
}

glia_status glia_tok_pretok_create(const struct tok_pretok **out, glia_arena *a, const char *pre,
                                   tok_pre_traits *traits, glia_error *e)
{
    const pre_row *row = find_row(pre);
    tok_stage stages[TOK_STAGES] = {{0}};
    int count = 0;
    if (!row)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0602", "the pre-tokenizer \"%.64s\" is not built", pre);
    for (; count < TOK_STAGES && row->expressions[count]; count++)
        stages[count] = (tok_stage){row->expressions[count], (int64_t)strlen(row->expressions[count]),
                                    TOK_ISOLATED, false, row->bytes_from && count >= row->bytes_from};
    *traits = (tok_pre_traits){row->traits & WORD_LEVEL, row->traits & WITH_BOS, row->traits & WITH_SEP,
                               row->traits & COMPOSED};
    return glia_tok_pretok_build(out, a, stages, count, e);
}

/* Equal expressions give equal automata however they are spelled. */
static bool same_regex(const tok_regex *a, const tok_regex *b)
{
    const int64_t steps = a->state_count * (a->class_count + 1);
    return a->class_count == b->class_count && a->bytes == b->bytes && a->page_count == b->page_count &&
           a->state_count == b->state_count && !memcmp(a->ascii, b->ascii, sizeof a->ascii) &&
           !memcmp(a->page, b->page, sizeof a->page) &&
           !memcmp(a->pages, b->pages, (size_t)a->page_count * 256) &&
           !memcmp(a->step, b->step, (size_t)steps * sizeof *a->step);
}

static bool same_stages(const struct tok_pretok *a, const struct tok_pretok *b)
{
    bool same = a->count == b->count;
    for (int i = 0; i < a->count && same; i++)
        same = a->stages[i].behaviour == b->stages[i].behaviour &&
               a->stages[i].invert == b->stages[i].invert &&
               same_regex(&a->stages[i].regex, &b->stages[i].regex);
    return same;
}

glia_status glia_tok_pretok_name(const glia_os *os, const tok_stage *stages, int count, bool word_level,
                                 bool composed, const char **name, glia_error *e)
{
    const struct tok_pretok *want, *have;
    tok_pre_traits traits;
    glia_arena a;
    *name = NULL;
    glia_arena_init(&a, os, 0);
    glia_status s = glia_tok_pretok_build(&want, &a, stages, count, e);
    for (int i = 0; i < GLIA_COUNT(pre_rows) && !s && !*name; i++) {
        const pre_row *row = &pre_rows[i];
        const bool traits_fit =
            word_level == !!(row->traits & WORD_LEVEL) && composed == !!(row->traits & COMPOSED);
        int stage_count = 0;
        while (stage_count < TOK_STAGES && row->expressions[stage_count]) stage_count++;
        if (!traits_fit || stage_count != count) continue;
        s = glia_tok_pretok_create(&have, &a, row->names[0], &traits, e);
        if (!s && same_stages(want, have)) *name = row->names[0];
    }
    glia_arena_free(&a);
    return s;
}

/* ---- cutting */

void glia_tok_words_init(tok_words *w, const struct tok_pretok *p, const glia_os *os, const char *text,
                         int64_t size)
{
    memset(w, 0, sizeof *w);
    w->p = p;
    w->os = os;
    w->text = text;
    w->size = size;
    w->steps_max = 4096 + 256 * size * (p->count ? p->count : 1);
    w->stage[0].end = size;
}

void glia_tok_words_free(tok_words *w)
{
    for (int i = 0; i < TOK_STAGES; i++)
        if (w->stage[i].trail.state)
            w->os->mem_free(w->os->ctx, w->stage[i].trail.state,
                            (size_t)((w->size >> TOK_TRAIL_SHIFT) + 1) * sizeof *w->stage[i].trail.state);
    memset(w->stage, 0, sizeof w->stage);
}

glia_status glia_tok_words_status(const tok_words *w, glia_error *e)
{
    if (w->nomem) return glia_tok_nomem(e);
    if (w->steps > w->steps_max)
        return glia_fail(
            e, GLIA_E_LIMIT, "G0630",
            "cutting %lld bytes into words took %lld steps; the expression is not fit for this text",
            (long long)w->size, (long long)w->steps);
    return GLIA_OK;
}

static int64_t match_at(tok_words *w, int d, int64_t at)
{
    bool far = false;
    tok_trail *trail = &w->stage[d].trail;
    const int64_t stop =
        glia_tok_regex_match(&w->p->stages[d].regex, w->text, at, w->stage[d].end, trail, &w->steps, &far);
    if (far && !trail->state) {
        trail->state =
            w->os->mem_alloc(w->os->ctx, (size_t)((w->size >> TOK_TRAIL_SHIFT) + 1) * sizeof *trail->state,
                             sizeof *trail->state);
        w->nomem = !trail->state;
    }
    return stop;
}

/* Cuts the next piece off a stage: a match, or what lies before the next one. */
static void segment(tok_words *w, int d, int64_t *begin, int64_t *end, bool *match)
{
    const tok_regex *r = &w->p->stages[d].regex;
    int64_t at = w->stage[d].at, stop = -1;
    const int64_t last = w->stage[d].end;
    *begin = at;
    *match = !w->p->stages[d].invert;
    if (w->stage[d].match_end > at) {
        *end = w->stage[d].at = w->stage[d].match_end;
        return;
    }
    while ((at = tok_regex_skip(r, w->text, at, last)) < last && (stop = match_at(w, d, at)) <= at &&
           w->steps <= w->steps_max && !w->nomem)
        at += glia_tok_regex_char(r, w->text + at, last - at);
    if (at > *begin) {
        *match = !*match;
        *end = w->stage[d].at = at;
        w->stage[d].match_end = at < last ? stop : at;
    } else *end = w->stage[d].at = stop > at ? stop : last;
}

/* The next piece of a stage by its behaviour; false: the piece is dropped. */
static bool cut(tok_words *w, int d, int64_t *begin, int64_t *end)
{
    const int behaviour = w->p->stages[d].behaviour;
    bool match, next;
    int64_t b, n;
    segment(w, d, begin, end, &match);
    if (behaviour == TOK_ISOLATED) return true;
    if (behaviour == TOK_REMOVED) return !match;
    while (w->stage[d].at < w->stage[d].end && w->steps <= w->steps_max && !w->nomem) {
        const int64_t at = w->stage[d].at, match_end = w->stage[d].match_end;
        segment(w, d, &b, &n, &next);
        const bool joins = behaviour == TOK_CONTIGUOUS      ? next == match
                           : behaviour == TOK_WITH_PREVIOUS ? !match && next
                                                            : match && !next;
        if (!joins) { /* it comes with the next call */
            w->stage[d].at = at;
            w->stage[d].match_end = match_end;
            return true;
        }
        *end = n;
        if (behaviour != TOK_CONTIGUOUS) return true;
    }
    return true;
}

bool glia_tok_words_next(tok_words *w, int64_t *begin, int64_t *end)
{
    if (!w->p->count) { /* nothing cuts */
        *begin = 0;
        *end = w->size;
        return w->depth-- == 0 && w->size > 0;
    }
    while (w->depth >= 0 && w->steps <= w->steps_max && !w->nomem) {
        const int d = w->depth;
        if (w->stage[d].at >= w->stage[d].end) {
            w->depth--;
            continue;
        }
        if (!cut(w, d, begin, end)) continue;
        if (d + 1 == w->p->count) return true;
        w->depth = d + 1;
        w->stage[d + 1].at = *begin;
        w->stage[d + 1].end = *end;
        w->stage[d + 1].match_end = 0;
        w->stage[d + 1].trail.begin = w->stage[d + 1].trail.end = 0;
    }
    return false;
}
