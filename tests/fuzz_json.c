/* Any bytes through the JSON reader. What it accepts has the counts that it states, and, written again, is
 * read to an equal tree. */
#include "fuzz.h"

#include "base/json.h"
#include "base/reader.h"

enum { DEPTH_MAX = 32 };

/* Writes a tree without recursion: `at` holds the open levels. */
static void write_again(const glia_json *root, glia_json_writer *j)
{
    const glia_json *at[DEPTH_MAX + 1];
    int depth = 0;
    for (const glia_json *n = root; n;) {
        bool nested = n->kind == GLIA_JSON_ARRAY || n->kind == GLIA_JSON_OBJECT;
        const char *key = n->key;
        int64_t i;
        double f;
        /* The writer's keys end at a NUL. */
        FUZZ_CHECK(!key || (int64_t)strlen(key) <= n->key_size);
        switch (n->kind) {
        case GLIA_JSON_NULL: glia_json_put_null(j, key); break;
        case GLIA_JSON_BOOL: glia_json_put_bool(j, key, n->boolean); break;
        case GLIA_JSON_STRING: glia_json_put_string(j, key, n->text, n->text_size); break;
        case GLIA_JSON_NUMBER:
            if (glia_json_i64(n, &i)) glia_json_put_i64(j, key, i);
            else if (glia_json_f64(n, &f)) glia_json_put_f64(j, key, f);
            else glia_json_put_null(j, key);
            break;
        default: glia_json_open(j, key, n->kind == GLIA_JSON_ARRAY ? '[' : '{'); break;
        }
        if (nested) {
            FUZZ_CHECK(depth <= DEPTH_MAX);
            if (n->child) {
                at[depth++] = n;
                n = n->child;
                continue;
            }
            glia_json_close(j, n->kind == GLIA_JSON_ARRAY ? ']' : '}');
        }
        while (!n->next && depth) {
            n = at[--depth];
            glia_json_close(j, n->kind == GLIA_JSON_ARRAY ? ']' : '}');
        }
        n = depth ? n->next : NULL;
    }
}

/* Walks two trees side by side; numbers may have changed their text. */
static void compare(const glia_json *a, const glia_json *b)
{
    const glia_json *at[DEPTH_MAX + 1][2];
    int depth = 0;
    while (a) {
        int64_t i, k, children = 0;
        double f;
        FUZZ_CHECK(b);
        if (a->kind == GLIA_JSON_NUMBER && !glia_json_i64(a, &i) && !glia_json_f64(a, &f))
            FUZZ_CHECK(b->kind == GLIA_JSON_NULL);
        else FUZZ_CHECK(a->kind == b->kind && a->count == b->count && a->boolean == b->boolean);
        if (a->kind == GLIA_JSON_STRING)
            FUZZ_CHECK(a->text_size == b->text_size && !memcmp(a->text, b->text, (size_t)a->text_size));
        if (a->kind == GLIA_JSON_NUMBER && glia_json_i64(a, &i)) FUZZ_CHECK(glia_json_i64(b, &k) && i == k);
        for (const glia_json *c = a->child; c; c = c->next) children++;
        FUZZ_CHECK(children == a->count);
        if (a->child) {
            at[depth][0] = a, at[depth++][1] = b;
            a = a->child, b = b->child;
            continue;
        }
        while (!a->next && depth) {
            FUZZ_CHECK(!b->next);
            a = at[--depth][0], b = at[depth][1];
        }
        a = depth ? a->next : NULL;
        b = depth ? b->next : NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_arena arena;
    glia_error e = GLIA_ERROR_INIT;
    const glia_json *root = NULL, *again = NULL;
    glia_arena_init(&arena, NULL, 0);
    int flags = size & 1 ? GLIA_JSON_UNIQUE_KEYS : 0;
    glia_status s = glia_json_parse(&arena, (const char *)data, (int64_t)size, DEPTH_MAX, flags, &root, &e);
    if (s) {
        FUZZ_CHECK(e.status == s && e.text[0] && glia_explain(e.code));
    } else {
        glia_writer w = {.arena = &arena};
        glia_json_writer j = {.w = &w};
        write_again(root, &j);
        FUZZ_CHECK(!w.failed);
        FUZZ_CHECK(!glia_json_parse(&arena, (const char *)w.data, w.size, DEPTH_MAX, 0, &again, &e));
        compare(root, again);
    }
    glia_arena_free(&arena);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const texts[] = {
        "{\"a\":[1,-2.5e3,0,1e400,true,false,null],\"b\":{\"c\":\"\\u00e4\\ud83d\\ude00\\n\\\"\",\"d\":{}},"
        "\"e\":[[],[[]]],\"\\u0000\":\"\xc3\xa4\"}",
        " [ 9223372036854775807 , -9223372036854775808, 9223372036854775808, 0.1, 5e-324, "
        "1.7976931348623157e308 ] ",
        "\"text\"",
    };
    if (i > 2) return -1;
    int64_t n = (int64_t)strlen(texts[i]);
    memcpy(out, texts[i], (size_t)n);
    return n;
}
#endif
