/* Error records and the table of documented codes. Text that comes from files or callers may
 * be in a message, so what is not valid UTF-8 or would steer a terminal is replaced here, once. */
#include "error.h"
#include "check.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *code;
    const char *text;
} explanation;

static const explanation explanations[] = {
#define E(code, title, text) {code, code ": " title "\n\n" text},
#include "errors.def"
#undef E
};

static const char *const status_names[GLIA_STATUS_COUNT] = {
    [GLIA_OK] = "ok",
    [GLIA_E_ARG] = "invalid argument",
    [GLIA_E_DTYPE] = "element type does not fit",
    [GLIA_E_SHAPE] = "shapes do not fit",
    [GLIA_E_TYPE] = "ill-typed composition",
    [GLIA_E_NOMEM] = "out of memory",
    [GLIA_E_LIMIT] = "limit exceeded",
    [GLIA_E_IO] = "input or output failed",
    [GLIA_E_FORMAT] = "malformed data",
    [GLIA_E_UNSUPPORTED] = "not supported",
    [GLIA_E_NOT_FOUND] = "not found",
    [GLIA_E_BUSY] = "busy",
    [GLIA_E_CANCELLED] = "cancelled",
    [GLIA_E_DEADLINE] = "deadline passed",
    [GLIA_E_CONTEXT] = "context is full",
    [GLIA_E_GUARD] = "data broke a rule",
    [GLIA_E_STATE] = "wrong state",
    [GLIA_E_THREAD] = "thread could not be started",
    [GLIA_E_INTERNAL] = "internal error",
};

const char *glia_version(void) { return GLIA_VERSION_STRING; }

const char *glia_status_name(glia_status status)
{
    int i = (int)status;
    return i >= 0 && i < GLIA_STATUS_COUNT ? status_names[i] : "unknown status";
}

const char *glia_explain(const char *code)
{
    if (!code) return NULL;
    for (int i = 0; i < GLIA_COUNT(explanations); i++)
        if (!strcmp(explanations[i].code, code)) return explanations[i].text;
    return NULL;
}

const char *glia_explain_code(int i)
{
    return i >= 0 && i < GLIA_COUNT(explanations) ? explanations[i].code : NULL;
}

/* Bytes of text in the caller's record, which may be of an older and shorter kind; 0: no room at all. */
static size_t text_room(const glia_error *e)
{
    size_t end = e ? e->size : 0, begin = offsetof(glia_error, text);
    if (end > begin + sizeof e->text) end = begin + sizeof e->text;
    return end > begin ? end - begin : 0;
}

/* Makes text[0..] printable UTF-8: a character that vsnprintf cut goes, other bad bytes become '?'. */
static void make_printable(char *text)
{
    int64_t size = (int64_t)strlen(text);
    size = glia_utf8_complete(text, size);
    text[size] = 0;
    for (int64_t i = 0; i < size;) {
        int len;
        bool ok;
        uint32_t cp = glia_utf8_decode(text + i, size - i, &len, &ok);
        bool control = (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0);
        if (!ok || control)
            for (int b = 0; b < len; b++) text[i + b] = '?';
        i += len;
    }
}

static void fill(glia_error *e, glia_status status, const char *code, int64_t offset, const char *format,
                 va_list args)
{
    size_t room = text_room(e);
    if (!room || e->status != GLIA_OK) return;
    e->status = status;
    e->offset = offset;
    snprintf(e->code, sizeof e->code, "%s", code ? code : "");
    if (vsnprintf(e->text, room, format, args) < 0) e->text[0] = 0;
    make_printable(e->text);
}

glia_status glia_fail(glia_error *e, glia_status status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(e, status, code, -1, format, args);
    va_end(args);
    return status;
}

glia_status glia_fail_at(glia_error *e, glia_status status, const char *code, int64_t offset,
                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(e, status, code, offset, format, args);
    va_end(args);
    return status;
}

void glia_error_more(glia_error *e, const char *format, ...)
{
    size_t room = text_room(e);
    if (!room) return;
    size_t used = strlen(e->text);
    if (used + 2 >= room) return;
    va_list args;
    va_start(args, format);
    size_t start = used;
    if (used) e->text[used++] = '\n';
    if (vsnprintf(e->text + used, room - used, format, args) < 0) e->text[start] = 0;
    va_end(args);
    make_printable(e->text);
}

void glia_error_context(glia_error *e, const char *format, ...)
{
    size_t room = text_room(e);
    if (!room) return;
    char prefix[512];
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(prefix, sizeof prefix - 2, format, args);
    va_end(args);
    if (wrote < 0) return;
    make_printable(prefix);
    size_t size = strlen(prefix);
    prefix[size++] = ':';
    prefix[size++] = ' ';
    if (size >= room) return;
    size_t old = strlen(e->text), keep = old < room - 1 - size ? old : room - 1 - size;
    memmove(e->text + size, e->text, keep);
    memcpy(e->text, prefix, size);
    e->text[size + keep] = 0;
    make_printable(e->text);
}

void glia_error_clear(glia_error *e)
{
    if (!text_room(e)) return;
    e->status = GLIA_OK;
    e->offset = -1;
    memset(e->code, 0, sizeof e->code);
    e->text[0] = 0;
}
