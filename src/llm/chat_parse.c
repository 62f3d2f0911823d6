/* The answer's parts. Text runs through until something that may be an opening mark is seen; from a mark to
 * its closing one the bytes belong to another part. Marks come as text or as control tokens, which have no
 * text in an answer: their spelling is taken from the vocabulary.
 *
 *     part      opens                      closes
 *     thinking  <think> [THINK]            </think> [/THINK]
 *     call      <tool_call>                </tool_call>
 *     calls     [TOOL_CALLS] <|python_tag|>  the end of the answer
 *     channel   <|channel|>NAME.. <|message|>  <|end|> <|call|> <|return|> <|start|>
 *
 * A part that only looked like a call is given out as text, with its marks. */
#include "llm/chat.h"

#include "base/check.h"
#include "base/json.h"
#include "base/reader.h"

#include <string.h>

enum { CALL_BYTES_MAX = 16 << 20 };

typedef enum {
    PART_TEXT,
    PART_THINK,
    PART_CALL,
    PART_REST,
    PART_HEADER,
    PART_CHANNEL_CALL,
    PART_SKIP,
    PART_JSON
} part_kind;

typedef struct mark {
    const char *open;
    part_kind kind;
    const char *close; /* null: the end of the answer */
} mark;

static const mark marks[] = {
    {"<think>", PART_THINK, "</think>"},
    {"[THINK]", PART_THINK, "[/THINK]"},
    {"<tool_call>", PART_CALL, "</tool_call>"},
    {"[TOOL_CALLS]", PART_REST, NULL},
    {"<|python_tag|>", PART_REST, NULL},
    {"<|channel|>", PART_HEADER, "<|message|>"},
    {"<|start|>", PART_SKIP, "<|channel|>"},
    {"<|end|>", PART_TEXT, NULL}, /* closes a channel; dropped between them */
    {"<|return|>", PART_TEXT, NULL},
    {"<|call|>", PART_TEXT, NULL},
};

enum { MARKS = sizeof marks / sizeof *marks, MARKS_PLAIN = 5 }; /* those of channels come last */

struct glia_chat_parser {
    const glia_os *os;
    const glia_tokenizer *tokenizer;
    glia_chat_sink sink;
    void *user;
    bool tools, begins_thinking, channels;
    part_kind kind;
    const char *close;
    const char *open;   /* the mark that opened this part */
    bool channel_think; /* what the channel at hand is */
    bool started;       /* something but white space has come */
    char name[256];     /* of the tool, from a channel's header */
    char *data;         /* what waits */
    int64_t size, capacity;
    int64_t looked; /* bytes of it without the closing mark */
};

glia_status glia_chat_parser_create(const glia_chat *c, const glia_chat_prompt *prompt, glia_chat_sink sink,
                                    void *user, glia_chat_parser **out, glia_error *e)
{
    glia_error_clear(e);
    if (!c || !sink || !out) return glia_fail(e, GLIA_E_ARG, "G0676", "parser: null argument");
    glia_chat_parser *p = c->os->mem_alloc(c->os->ctx, sizeof *p, _Alignof(glia_chat_parser));
    if (!p) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a parser");
    p->os = c->os;
    p->tokenizer = c->tokenizer;
    p->sink = sink;
    p->user = user;
    p->begins_thinking = prompt && prompt->reasoning;
    p->channels = glia_template_says(c->compiled, "<|channel|>");
    p->tools = glia_template_uses(c->compiled, "tools") && prompt && strstr(prompt->text, "\"parameters\"");
    *out = p;
    if (p->begins_thinking) {
        p->kind = PART_THINK;
        p->close = strstr(prompt->text, "[THINK]") ? "[/THINK]" : "</think>";
        p->open = "";
    }
    return GLIA_OK;
}

void glia_chat_parser_destroy(glia_chat_parser *p)
{
    if (!p) return;
    if (p->data) p->os->mem_free(p->os->ctx, p->data, (size_t)p->capacity);
    p->os->mem_free(p->os->ctx, p, sizeof *p);
}

static glia_status append(glia_chat_parser *p, const char *text, int64_t size, glia_error *e)
{
    if (size > CALL_BYTES_MAX - p->size)
        return glia_fail(e, GLIA_E_LIMIT, "G0684", "a part of an answer has more than %d bytes",
                         CALL_BYTES_MAX);
    if (p->size + size > p->capacity) {
        int64_t capacity = 2 * (p->size + size) + 256;
        char *data = p->os->mem_alloc(p->os->ctx, (size_t)capacity, 16);
        if (!data) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for an answer");
        if (p->size) memcpy(data, p->data, (size_t)p->size);
        if (p->data) p->os->mem_free(p->os->ctx, p->data, (size_t)p->capacity);
        p->data = data;
        p->capacity = capacity;
    }
    if (size) memcpy(p->data + p->size, text, (size_t)size);
    p->size += size;
    return GLIA_OK;
}

static void drop(glia_chat_parser *p, int64_t n)
{
    p->size -= n;
    p->looked = 0;
    if (p->size) memmove(p->data, p->data + n, (size_t)p->size);
}

static void give(glia_chat_parser *p, glia_chat_part part, const char *text, int64_t size)
{
    if (size > 0) p->sink(p->user, part, text, size, NULL);
}

static void give_front(glia_chat_parser *p, glia_chat_part part, int64_t n)
{
    give(p, part, p->data, n);
    drop(p, n);
}

/* ---- calls ---------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The arguments of a call as text: an object as it stands, text as it is. */
static bool put_json(glia_writer *w, const glia_json *root)
{
    const glia_json *at[64];
    glia_json_writer j = {.w = w};
    int depth = 0;
    for (const glia_json *n = root; n;) {
        const char *key = n == root ? NULL : n->key;
        bool nested = n->kind == GLIA_JSON_ARRAY || n->kind == GLIA_JSON_OBJECT;
        int64_t i;
        double f;
        if (n->kind == GLIA_JSON_NULL) glia_json_put_null(&j, key);
        else if (n->kind == GLIA_JSON_BOOL) glia_json_put_bool(&j, key, n->boolean);
        else if (n->kind == GLIA_JSON_STRING) glia_json_put_string(&j, key, n->text, n->text_size);
        else if (n->kind == GLIA_JSON_NUMBER && glia_json_i64(n, &i)) glia_json_put_i64(&j, key, i);
        else if (n->kind == GLIA_JSON_NUMBER && glia_json_f64(n, &f)) glia_json_put_f64(&j, key, f);
        else if (n->kind == GLIA_JSON_NUMBER) return false;
        else glia_json_open(&j, key, n->kind == GLIA_JSON_ARRAY ? '[' : '{');
        if (nested && n->child) {
            if (depth == 60) return false;
            at[depth++] = n;
            n = n->child;
            continue;
        }
        if (nested) glia_json_close(&j, n->kind == GLIA_JSON_ARRAY ? ']' : '}');
        if (n == root) break;
        while (depth && !n->next) {
            n = at[--depth];
            glia_json_close(&j, n->kind == GLIA_JSON_ARRAY ? ']' : '}');
        }
        if (!depth) break;
        n = n->next;
    }
    return !w->failed;
}

/* One call as JSON, {"name": .., "arguments" or "parameters": ..}. */
static bool is_call(const glia_json *j, const glia_json **name, const glia_json **arguments)
{
    const glia_json *inner = glia_json_get(j, "function");
    if (inner && inner->kind == GLIA_JSON_OBJECT) j = inner;
    *name = glia_json_get(j, "name");
    *arguments = glia_json_get(j, "arguments");
    if (!*arguments) *arguments = glia_json_get(j, "parameters");
    return *name && (*name)->kind == GLIA_JSON_STRING && *arguments &&
           ((*arguments)->kind == GLIA_JSON_OBJECT || (*arguments)->kind == GLIA_JSON_STRING);
}

static bool give_call(glia_chat_parser *p, glia_arena *a, const glia_json *j)
{
    const glia_json *name, *arguments;
    glia_writer w = {.arena = a};
    if (!is_call(j, &name, &arguments)) return false;
    if (arguments->kind == GLIA_JSON_STRING) {
        p->sink(p->user, GLIA_CHAT_CALL, arguments->text, arguments->text_size, name->text);
        return true;
    }
    if (!put_json(&w, arguments)) return false;
    p->sink(p->user, GLIA_CHAT_CALL, (const char *)w.data, w.size, name->text);
    return true;
}

/* JSON of one call or an array of calls; false: it is none. */
static bool give_calls(glia_chat_parser *p, const char *text, int64_t size)
{
    const glia_json *j, *name, *arguments;
    glia_arena a;
    glia_arena_init(&a, p->os, (int64_t)256 << 20);
    bool ok = !glia_json_parse(&a, text, size, 48, 0, &j, NULL);
    if (ok && j->kind == GLIA_JSON_ARRAY) {
        ok = j->child != NULL;
        for (const glia_json *c = j->child; c; c = c->next) ok = ok && is_call(c, &name, &arguments);
        for (const glia_json *c = j->child; c && ok; c = c->next) ok = give_call(p, &a, c);
    } else if (ok) {
        ok = give_call(p, &a, j);
    }
    glia_arena_free(&a);
    return ok;
}

/* "name[ARGS]{..}", as newer templates write calls. */
static bool give_named(glia_chat_parser *p, const char *text, int64_t size)
{
    static const char args[] = "[ARGS]";
    char name[256];
    const char *at = size > 6 ? memmem(text, (size_t)size, args, 6) : NULL;
    const glia_json *j;
    if (!at || at == text || at - text > 255) return false;
    memcpy(name, text, (size_t)(at - text));
    name[at - text] = 0;
    glia_arena a;
    glia_arena_init(&a, p->os, (int64_t)256 << 20);
    bool ok =
        !glia_json_parse(&a, at + 6, size - (at + 6 - text), 48, 0, &j, NULL) && j->kind == GLIA_JSON_OBJECT;
    glia_arena_free(&a);
    if (ok) p->sink(p->user, GLIA_CHAT_CALL, at + 6, size - (at + 6 - text), name);
    return ok;
}

/* ---- parts ---------------------------------------------------------------------------------------- */

static void enter(glia_chat_parser *p, part_kind kind, const char *open, const char *close)
{
    p->kind = kind;
    p->open = open;
    p->close = close;
}

/* "analysis", "final", "commentary to=functions.NAME <|constrain|>json": what a channel's header says. */
static void read_header(glia_chat_parser *p, int64_t size)
{
    static const char to[] = "to=functions.";
    const char *h = p->data, *at = memmem(h, (size_t)size, to, sizeof to - 1);
    p->channel_think = size >= 8 && !memcmp(h, "analysis", 8);
    p->name[0] = 0;
    if (!at) return;
    int64_t n = 0;
    for (at += sizeof to - 1; at < h + size && !is_space(*at) && *at != '<' && n < 255; at++)
        p->name[n++] = *at;
    p->name[n] = 0;
}

/* The part at hand ended with `n` bytes of p->data; its closing mark is behind them. */
static void end_part(glia_chat_parser *p, int64_t n)
{
    if (p->kind == PART_THINK) give(p, GLIA_CHAT_REASONING, p->data, n);
    if (p->kind == PART_CHANNEL_CALL) p->sink(p->user, GLIA_CHAT_CALL, p->data, n, p->name);
    bool call = p->kind == PART_CALL || p->kind == PART_REST || p->kind == PART_JSON;
    if (call && !give_calls(p, p->data, n) && !give_named(p, p->data, n)) {
        give(p, GLIA_CHAT_TEXT, p->open, (int64_t)strlen(p->open));
        give(p, GLIA_CHAT_TEXT, p->data, n);
        if (p->close) give(p, GLIA_CHAT_TEXT, p->close, (int64_t)strlen(p->close));
    }
    if (p->kind == PART_HEADER) read_header(p, n);
}

/* How many bytes at the end of data may be the beginning of `what`. */
static int64_t partial(const char *data, int64_t size, const char *what)
{
    int64_t n = glia_min(size, (int64_t)strlen(what) - 1);
    for (; n > 0; n--)
        if (!memcmp(data + size - n, what, (size_t)n)) return n;
    return 0;
}

/* The next part behind a closing mark. */
static void after_part(glia_chat_parser *p, part_kind was)
{
    if (was == PART_SKIP) enter(p, PART_HEADER, "<|channel|>", "<|message|>");
    else if (was == PART_HEADER && p->name[0]) enter(p, PART_CHANNEL_CALL, "", "<|call|>");
    else if (was == PART_HEADER && p->channel_think) enter(p, PART_THINK, "", "<|end|>");
    else enter(p, PART_TEXT, "", NULL);
}

/* Inside of a part: true when it ended and more may be done. */
static bool inside(glia_chat_parser *p)
{
    int64_t from = p->close ? glia_max(0, p->looked - (int64_t)strlen(p->close)) : 0;
    const char *found = p->close && p->size
                            ? memmem(p->data + from, (size_t)(p->size - from), p->close, strlen(p->close))
                            : NULL;
    p->looked = found ? 0 : p->size;
    if (!found) {
        if (p->kind == PART_THINK)
            give_front(p, GLIA_CHAT_REASONING, p->size - partial(p->data, p->size, p->close));
        return false;
    }
    part_kind was = p->kind;
    end_part(p, found - p->data);
    drop(p, found - p->data + (int64_t)strlen(p->close));
    after_part(p, was);
    return p->size > 0;
}

/* In text: true when a part began. */
static bool in_text(glia_chat_parser *p)
{
    const mark *best = NULL;
    int64_t at = p->size, wait = 0;
    for (int i = 0; i < (p->channels ? MARKS : MARKS_PLAIN); i++) {
        const char *found =
            p->size ? memmem(p->data, (size_t)p->size, marks[i].open, strlen(marks[i].open)) : NULL;
        if (found && found - p->data < at) {
            at = found - p->data;
            best = &marks[i];
        }
        wait = glia_max(wait, partial(p->data, p->size, marks[i].open));
    }
    int64_t plain = best ? at : p->size - wait, blank = 0;
    while (blank < plain && is_space(p->data[blank])) blank++;
    if (!p->started && p->tools && blank < plain && p->data[blank] == '{') {
        p->started = true;
        enter(p, PART_JSON, "", NULL);
        return false;
    }
    if (!p->started && p->tools && !best && blank == plain)
        return false; /* what comes first is not known yet */
    p->started = p->started || blank < plain;
    give_front(p, GLIA_CHAT_TEXT, plain);
    if (!best) return false;
    drop(p, (int64_t)strlen(best->open));
    enter(p, best->kind, best->open, best->close);
    return true;
}

static void work(glia_chat_parser *p)
{
    while (p->kind == PART_TEXT ? in_text(p) : inside(p)) {
    }
}

glia_status glia_chat_parser_push(glia_chat_parser *p, int32_t id, const char *text, int64_t size,
                                  glia_error *e)
{
    glia_error_clear(e);
    if (!p || size < 0 || (size && !text))
        return glia_fail(e, GLIA_E_ARG, "G0676", "parser: null or negative argument");
    /* A control token has no text in an answer. Only those that are marks matter; others stay silent. */
    if (!size && id >= 0 && p->tokenizer && glia_tokenizer_type(p->tokenizer, id) == GLIA_TOK_TYPE_CONTROL) {
        int64_t n;
        const char *spelling = glia_tokenizer_text(p->tokenizer, id, &n);
        bool known = p->close && !strcmp(spelling, p->close);
        for (int i = 0; i < (p->channels ? MARKS : MARKS_PLAIN); i++)
            known = known || !strcmp(spelling, marks[i].open);
        if (!known && strcmp(spelling, "[ARGS]") && strcmp(spelling, "<|constrain|>")) return GLIA_OK;
        text = spelling;
        size = n;
    }
    glia_status s = append(p, text, size, e);
    if (!s) work(p);
    return s;
}

glia_status glia_chat_parser_finish(glia_chat_parser *p, glia_error *e)
{
    glia_error_clear(e);
    if (!p) return glia_fail(e, GLIA_E_ARG, "G0676", "parser: null argument");
    if (p->kind == PART_TEXT) {
        give(p, GLIA_CHAT_TEXT, p->data, p->size);
    } else {
        p->close = NULL; /* it did not come */
        if (p->kind == PART_HEADER || p->kind == PART_SKIP) give(p, GLIA_CHAT_TEXT, p->data, p->size);
        else end_part(p, p->size);
    }
    p->size = p->looked = 0;
    p->started = false;
    p->name[0] = 0;
    if (p->begins_thinking) enter(p, PART_THINK, "", "</think>");
    else enter(p, PART_TEXT, "", NULL);
    return GLIA_OK;
}
