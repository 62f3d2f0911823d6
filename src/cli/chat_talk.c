/* The conversation of `glia chat`: messages as JSON, in order. */
#include "cli/cli_chat.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

bool cli_talk_add(cli_talk *t, const char *json, int64_t size, const char *role)
{
    if (t->count == t->capacity) {
        int64_t capacity = 2 * t->capacity + 16;
        cli_message *m = realloc(t->m, (size_t)capacity * sizeof *m);
        if (!m) return false;
        t->m = m;
        t->capacity = capacity;
    }
    char *copy = malloc((size_t)size + 1);
    if (!copy) return false;
    memcpy(copy, json, (size_t)size);
    copy[size] = 0;
    t->m[t->count++] = (cli_message){copy, !strcmp(role, "user"), !strcmp(role, "system")};
    return true;
}

static void remove_at(cli_talk *t, int64_t i)
{
    free(t->m[i].json);
    memmove(t->m + i, t->m + i + 1, (size_t)(t->count - i - 1) * sizeof *t->m);
    t->count--;
}

bool cli_talk_set_system(cli_talk *t, const char *text)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    glia_json_writer j = {.w = &w};
    while (t->count && t->m[0].system) remove_at(t, 0);
    glia_json_open(&j, NULL, '{');
    glia_json_put_string(&j, "role", "system", -1);
    glia_json_put_string(&j, "content", text, -1);
    glia_json_close(&j, '}');
    bool ok = !w.failed && (!text[0] || cli_talk_add(t, (const char *)w.data, w.size, "system"));
    glia_arena_free(&a);
    if (!ok || !text[0]) return ok;
    cli_message last = t->m[t->count - 1];
    memmove(t->m + 1, t->m, (size_t)(t->count - 1) * sizeof *t->m);
    t->m[0] = last;
    return true;
}

void cli_talk_cut(cli_talk *t, int64_t count)
{
    while (t->count > count) remove_at(t, t->count - 1);
}

bool cli_talk_drop_oldest(cli_talk *t)
{
    int64_t begin = 0, end;
    while (begin < t->count && t->m[begin].system) begin++;
    for (end = begin + 1; end < t->count && !t->m[end].user; end++) {
    }
    if (end >= t->count) return false;
    for (; end > begin; end--) remove_at(t, begin);
    return true;
}

void cli_talk_write(const cli_talk *t, glia_writer *w, int64_t count)
{
    glia_write_text(w, "[");
    for (int64_t i = 0; i < count; i++) glia_write_text(w, "%s\n%s", i ? "," : "", t->m[i].json);
    glia_write_text(w, "\n]\n");
}

glia_status cli_talk_read(cli_talk *t, const char *json, int64_t size, glia_error *e)
{
    const glia_json *root;
    cli_talk made = {0};
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_status s = glia_json_parse(&a, json, size, 64, 0, &root, e);
    if (!s && root->kind != GLIA_JSON_ARRAY)
        s = glia_fail(e, GLIA_E_FORMAT, "G0682", "a chat is a JSON array");
    /* A line of the file for each message would do, but other writers break lines elsewhere: each message is
     * cut out of the text by walking over it once, with strings and depth in mind. */
    int64_t depth = 0, begin = 0;
    bool string = false;
    for (const glia_json *m = s ? NULL : root->child; m && !s; m = m->next) {
        const glia_json *role = glia_json_get(m, "role");
        if (!role || role->kind != GLIA_JSON_STRING)
            s = glia_fail(e, GLIA_E_FORMAT, "G0682", "a message without a role");
    }
    const glia_json *m = s ? NULL : root->child;
    for (int64_t i = 0; i < size && m && !s; i++) {
        char c = json[i];
        if (string) {
            if (c == '\\') i++;
            else string = c != '"';
            continue;
        }
        string = c == '"';
        if (c == '{' || c == '[') {
            if (++depth == 2) begin = i;
        } else if (c == '}' || c == ']') {
            if (depth-- != 2) continue;
            if (!cli_talk_add(&made, json + begin, i + 1 - begin, glia_json_get(m, "role")->text))
                s = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a chat");
            m = m->next;
        }
    }
    glia_arena_free(&a);
    if (s) {
        cli_talk_free(&made);
        return s;
    }
    cli_talk_free(t);
    *t = made;
    return GLIA_OK;
}

void cli_talk_free(cli_talk *t)
{
    cli_talk_cut(t, 0);
    free(t->m);
    *t = (cli_talk){0};
}
