/* Chats: the template of a model, messages to a prompt. The prompt's control tokens come from the template's
 * own bytes alone, unless the caller trusts the content. */
#include "llm/chat.h"

#include "base/check.h"
#include "format/gguf.h"
#include "llm/model.h"

#include <stdio.h>
#include <string.h>

enum { JSON_DEPTH = 64 };

/* ---- templates of the library's -------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
} builtins[] = {
    {"chatml",
     "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n{% endfor %}"
     "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"},
    {"llama2", "{% set s = messages[0].content if messages and messages[0].role == 'system' else none %}"
               "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token if loop.index0 > 1 }}[INST] "
               "{% if s is not none and loop.index0 < 2 %}<<SYS>>\n{{ s }}\n<</SYS>>\n\n{% endif %}{{ "
               "m.content }} [/INST]"
               "{% elif m.role == 'assistant' %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"},
    {"llama3", "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
               "{{ (m.content or '')|trim }}<|eot_id|>{% endfor %}"
               "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"},
    {"gemma",
     "{% set s = messages[0].content ~ '\n\n' if messages and messages[0].role == 'system' else '' %}"
     "{% for m in messages %}{% if m.role != 'system' %}<start_of_turn>{{ 'model' if m.role == 'assistant' "
     "else m.role }}\n"
     "{% if m.role == 'user' and loop.index0 < 2 %}{{ s }}{% endif %}{{ (m.content or '')|trim "
     "}}<end_of_turn>\n{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"},
    {"phi3", "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content or '' }}<|end|>\n{% endfor %}"
             "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"},
    {"mistral",
     "{% set s = messages[0].content ~ '\n\n' if messages and messages[0].role == 'system' else '' %}"
     "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ s if loop.index0 < 2 }}{{ m.content }} "
     "[/INST]"
     "{% elif m.role == 'assistant' %} {{ m.content|trim }}{{ eos_token }}{% endif %}{% endfor %}"},
};

const char *glia_chat_builtin(int i) { return i >= 0 && i < GLIA_COUNT(builtins) ? builtins[i].name : NULL; }

const char *glia_chat_builtin_text(const char *name)
{
    for (int i = 0; i < GLIA_COUNT(builtins); i++)
        if (!strcmp(builtins[i].name, name)) return builtins[i].text;
    return NULL;
}

/* ---- opening -------------------------------------------------------------------------------------- */

static bool fill_denied(glia_chat *c)
{
    int64_t n = glia_tokenizer_vocab_size(c->tokenizer);
    c->denied = c->os->mem_alloc(c->os->ctx, (size_t)n, 16);
    if (!c->denied) return false;
    for (int32_t i = 0; i < n; i++)
        if (glia_tokenizer_type(c->tokenizer, i) == GLIA_TOK_TYPE_USER_DEFINED)
            c->denied[i] = glia_template_says(c->compiled, glia_tokenizer_text(c->tokenizer, i, NULL));
    return true;
}

glia_status glia_chat_from_text(const glia_os *os, const glia_tokenizer *t, const char *text, int64_t size,
                                bool own, bool trust_content, glia_chat **out, glia_error *e)
{
    if (!os) os = glia_os_default();
    *out = NULL;
    glia_chat *c = os->mem_alloc(os->ctx, sizeof *c, _Alignof(glia_chat));
    if (!c) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a chat");
    c->os = os;
    c->tokenizer = t;
    c->own_template = own;
    c->trust_content = trust_content;
    glia_status s = glia_template_compile(os, text, size, &c->compiled, e);
    if (!s && !fill_denied(c)) s = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a chat");
    if (s) {
        glia_chat_destroy(c);
        return s;
    }
    c->has_think = glia_template_says(c->compiled, "think>");
    *out = c;
    return GLIA_OK;
}

/* The template that the model's file has, by the name of its variant. */
static glia_status model_template(const glia_model *m, const char *variant, glia_gguf_string *out,
                                  glia_error *e)
{
    char key[128] = "tokenizer.chat_template";
    if (variant) snprintf(key, sizeof key, "tokenizer.chat_template.%.64s", variant);
    glia_status s = glia_gguf_string_or(glia_model_file(m), key, NULL, out, e);
    if (s) return s;
    if (!out->text)
        return glia_fail(e, GLIA_E_NOT_FOUND, "G0680",
                         "the model has no `%s`; name a template, such as chatml, or give one", key);
    return GLIA_OK;
}

glia_status glia_chat_create(const glia_model *m, const glia_chat_options *options, glia_chat **out,
                             glia_error *e)
{
    glia_chat_options o = GLIA_CHAT_OPTIONS_INIT;
    glia_gguf_string text = {0};
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!m || !out || !glia_model_tokenizer(m))
        return glia_fail(e, GLIA_E_ARG, "G0676", "chat: a loaded model and a place for the chat are needed");
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    bool own = o.builtin && !o.template_text;
    if (o.template_text) {
        text = (glia_gguf_string){o.template_text, o.template_size};
    } else if (own) {
        text.text = glia_chat_builtin_text(o.builtin);
        if (!text.text)
            return glia_fail(
                e, GLIA_E_NOT_FOUND, "G0681",
                "there is no template `%.60s`; there are chatml, llama2, llama3, gemma, phi3, mistral",
                o.builtin);
        text.size = (int64_t)strlen(text.text);
    } else {
        glia_status s = model_template(m, o.variant, &text, e);
        if (s) return s;
    }
    return glia_chat_from_text(glia_model_settings(m)->os, glia_model_tokenizer(m), text.text, text.size, own,
                               o.trust_content, out, e);
}

void glia_chat_destroy(glia_chat *c)
{
    if (!c) return;
    glia_template_destroy(c->compiled);
    if (c->denied) c->os->mem_free(c->os->ctx, c->denied, (size_t)glia_tokenizer_vocab_size(c->tokenizer));
    c->os->mem_free(c->os->ctx, c, sizeof *c);
}

/* ---- prompts -------------------------------------------------------------------------------------- */

typedef struct prompt { /* what glia_chat_prompt_create gives out is its first member */
    glia_chat_prompt shown;
    const glia_os *os;
    glia_arena arena;
} prompt;

static glia_status nomem(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a prompt");
}

static glia_status read_json(glia_arena *a, const char *text, int64_t size, glia_json_kind kind,
                             const char *what, const glia_json **out, glia_error *e)
{
    *out = NULL;
    if (!text) return GLIA_OK;
    if (size < 0) return glia_fail(e, GLIA_E_ARG, "G0676", "the size of %s is negative", what);
    glia_status s = glia_json_parse(a, text, size, JSON_DEPTH, 0, out, e);
    if (s) {
        glia_error_context(e, "%s", what);
        return s;
    }
    if ((*out)->kind != kind)
        return glia_fail(e, GLIA_E_FORMAT, "G0682", "%s must be a JSON %s", what,
                         kind == GLIA_JSON_ARRAY ? "array" : "object");
    return GLIA_OK;
}

static bool add_member(glia_arena *a, glia_json *object, const char *key, const glia_json *value)
{
    glia_json *copy = GLIA_NEW(a, glia_json);
    if (!copy) return false;
    *copy = *value;
    copy->key = key;
    copy->key_size = (int64_t)strlen(key);
    copy->next = object->child;
    object->child = copy;
    object->count++;
    return true;
}

/* A message has a role, and its reasoning under every name that templates read. The tree is the call's own.
 */
static glia_status settle_message(glia_arena *a, glia_json *m, int64_t index, glia_error *e)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    const glia_json *role = glia_json_get(m, "role"), *reasoning = NULL;
    if (m->kind != GLIA_JSON_OBJECT || !role || role->kind != GLIA_JSON_STRING)
        return glia_fail(e, GLIA_E_FORMAT, "G0682", "message %lld is no object with a `role`",
                         (long long)index);
    for (int i = 0; i < GLIA_COUNT(names) && !reasoning; i++) {
        reasoning = glia_json_get(m, names[i]);
        if (reasoning && reasoning->kind == GLIA_JSON_NULL) reasoning = NULL;
    }
    for (int i = 0; i < 2 && reasoning; i++)
        if (!glia_json_get(m, names[i]) && !add_member(a, m, names[i], reasoning)) return nomem(e);
    return GLIA_OK;
}

typedef struct variables {
    glia_template_variable v[64];
    glia_json own[8]; /* values that are not in any JSON */
    int64_t count, own_count;
} variables;

static glia_json *add_own(variables *x, const char *name, glia_json_kind kind)
{
    glia_json *j = &x->own[x->own_count++];
    *j = (glia_json){.kind = kind, .text = ""};
    x->v[x->count++] = (glia_template_variable){name, j, true};
    return j;
}

static void add_token(variables *x, const glia_tokenizer *t, const char *name, int32_t id)
{
    if (id < 0) return;
    glia_json *j = add_own(x, name, GLIA_JSON_STRING);
    j->text = glia_tokenizer_text(t, id, &j->text_size);
}

static glia_status gather(const glia_chat *c, const glia_chat_request *r, glia_arena *a, variables *x,
                          glia_error *e)
{
    const glia_json *messages, *tools, *more;
    int64_t index = 0;
    if (!r->messages) return glia_fail(e, GLIA_E_ARG, "G0676", "the messages are null");
    glia_status s = read_json(a, r->messages, r->messages_size, GLIA_JSON_ARRAY, "messages", &messages, e);
    if (!s) s = read_json(a, r->tools, r->tools_size, GLIA_JSON_ARRAY, "tools", &tools, e);
    if (!s) s = read_json(a, r->variables, r->variables_size, GLIA_JSON_OBJECT, "variables", &more, e);
    if (s) return s;
    for (glia_json *m = messages->child; m && !s; m = m->next) s = settle_message(a, m, index++, e);
    if (s) return s;
    x->v[x->count++] = (glia_template_variable){"messages", messages, false};
    if (tools) x->v[x->count++] = (glia_template_variable){"tools", tools, false};
    else add_own(x, "tools", GLIA_JSON_NULL);
    add_own(x, "add_generation_prompt", GLIA_JSON_BOOL)->boolean = !r->no_generation_prompt;
    if (r->thinking) add_own(x, "enable_thinking", GLIA_JSON_BOOL)->boolean = r->thinking > 0;
    add_token(x, c->tokenizer, "bos_token", glia_tokenizer_bos(c->tokenizer));
    add_token(x, c->tokenizer, "eos_token", glia_tokenizer_eos(c->tokenizer));
    bool documents = false;
    for (const glia_json *j = more ? more->child : NULL; j; j = j->next) {
        if (x->count == GLIA_COUNT(x->v) - 1)
            return glia_fail(e, GLIA_E_LIMIT, "G0682", "more than %d variables", GLIA_COUNT(x->v) - 9);
        documents = documents || !strcmp(j->key, "documents");
        x->v[x->count++] = (glia_template_variable){j->key, j, false};
    }
    if (!documents) add_own(x, "documents", GLIA_JSON_NULL);
    return GLIA_OK;
}

static glia_status tokenize(const glia_chat *c, const glia_template_output *text, prompt *p, glia_error *e)
{
    int64_t capacity = text->size + 16;
    glia_tok_marks marks = {text->marks, c->denied};
    int flags = GLIA_TOK_SPECIAL | (c->own_template ? GLIA_TOK_BOS : 0);
    int32_t *ids = NULL;
    for (int attempt = 0; attempt < 2; attempt++) {
        ids = GLIA_NEW_ARRAY(&p->arena, int32_t, capacity);
        if (!ids) return nomem(e);
        glia_status s =
            glia_tokenizer_encode_marked(c->tokenizer, text->text, text->size, flags,
                                         c->trust_content ? NULL : &marks, ids, capacity, &p->shown.count, e);
        p->shown.ids = ids;
        if (s != GLIA_E_LIMIT || p->shown.count <= capacity) return s;
        capacity = p->shown.count;
        glia_error_clear(e);
    }
    return GLIA_OK;
}

/* Does the text end with an opened thinking part, but for white space? */
static bool ends_thinking(const char *text, int64_t size)
{
    static const char *const opens[] = {"<think>", "[THINK]"};
    while (size && strchr(" \n\t\r", text[size - 1])) size--;
    for (int i = 0; i < GLIA_COUNT(opens); i++) {
        int64_t n = (int64_t)strlen(opens[i]);
        if (size >= n && !memcmp(text + size - n, opens[i], (size_t)n)) return true;
    }
    return false;
}

static glia_status make_prompt(const glia_chat *c, const glia_chat_request *r, prompt *p, glia_error *e)
{
    variables x = {.count = 0};
    glia_template_output text;
    glia_status s = gather(c, r, &p->arena, &x, e);
    if (s) return s;
    glia_template_input in = {.variables = x.v, .variable_count = x.count, .now = r->now};
    s = glia_template_render(c->compiled, &in, &p->arena, &text, e);
    if (s) return s;
    p->shown.text = text.text;
    p->shown.text_size = text.size;
    p->shown.reasoning = ends_thinking(text.text, text.size);
    return tokenize(c, &text, p, e);
}

glia_status glia_chat_prompt_create(const glia_chat *c, const glia_chat_request *request,
                                    glia_chat_prompt **out, glia_error *e)
{
    glia_chat_request r = GLIA_CHAT_REQUEST_INIT;
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!c || !request || !out) return glia_fail(e, GLIA_E_ARG, "G0676", "prompt: null argument");
    memcpy(&r, request, request->size < sizeof r ? request->size : sizeof r);
    prompt *p = c->os->mem_alloc(c->os->ctx, sizeof *p, _Alignof(prompt));
    if (!p) return nomem(e);
    p->os = c->os;
    glia_arena_init(&p->arena, c->os, 0);
    glia_status s = make_prompt(c, &r, p, e);
    if (s) glia_chat_prompt_destroy(&p->shown);
    else *out = &p->shown;
    return s;
}

void glia_chat_prompt_destroy(glia_chat_prompt *shown)
{
    prompt *p = (prompt *)(void *)shown;
    if (!p) return;
    glia_arena_free(&p->arena);
    p->os->mem_free(p->os->ctx, p, sizeof *p);
}
