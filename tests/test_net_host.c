/* Nodes that run on objects, where things go wrong: loops that never end, values that grow, positions, keys, texts,
 * patterns and tables that are wrong. Each network of tests/vectors/net_refused.bin has the code of the error that is
 * due; after it the network still runs. What well-formed networks give is in test_net_vectors.c. */
#include <glia/net.h>

#include "base/arena.h"
#include "check.h"
#include "fault_os.h"
#include "format/onnx.h"
#include "text/regex.h"

enum { PORTS = 8 };

typedef struct one_case {
    char name[128], code[8];
    int64_t nodes_max, memory;
    const uint8_t *model, *in[PORTS];
    int64_t model_size, in_size[PORTS];
    int in_count;
} one_case;

static uint8_t *file_data;
static int64_t file_size;

static const uint8_t *take(const uint8_t **at, int64_t *size)
{
    uint32_t n;
    memcpy(&n, *at, sizeof n);
    const uint8_t *data = *at + sizeof n;
    *at = data + n;
    *size = n;
    return data;
}

static void take_text(const uint8_t **at, char *to, int size)
{
    int64_t n;
    const uint8_t *text = take(at, &n);
    snprintf(to, (size_t)size, "%.*s", (int)n, (const char *)text);
}

static one_case take_case(const uint8_t **at)
{
    one_case c = {.in_count = 0};
    uint32_t count;
    take_text(at, c.name, sizeof c.name);
    take_text(at, c.code, sizeof c.code);
    memcpy(&c.nodes_max, *at, 8);
    memcpy(&c.memory, *at + 8, 8);
    *at += 16;
    c.model = take(at, &c.model_size);
    memcpy(&count, *at, 4);
    *at += 4;
    for (c.in_count = (int)count; count; count--) {
        const int i = c.in_count - (int)count;
        c.in[i] = take(at, &c.in_size[i]);
    }
    return c;
}

static glia_object *object_of(const uint8_t *data, int64_t size)
{
    glia_arena a;
    glia_onnx_item item;
    glia_error e = GLIA_ERROR_INIT;
    glia_object *o = NULL;
    glia_arena_init(&a, NULL, 0);
    if (!glia_onnx_item_parse(&a, data, size, GLIA_ONNX_TENSOR, &item, &e)) {
        const glia_onnx_tensor *t = &item.tensor;
        const char **texts = calloc((size_t)t->count + 1, sizeof *texts);
        int64_t *sizes = calloc((size_t)t->count + 1, sizeof *sizes);
        for (int64_t i = 0; t->is_string && i < t->count; i++) {
            texts[i] = t->strings[i].text;
            sizes[i] = t->strings[i].size;
        }
        o = t->is_string ? glia_object_strings(NULL, t->rank, t->dims, texts, sizes)
                         : glia_object_tensor(NULL, t->dtype, t->rank, t->dims, t->data);
        free(texts);
        free(sizes);
    }
    glia_arena_free(&a);
    CHECK(o);
    return o;
}

static glia_status run_case(const one_case *c, const glia_os *os, const glia_net_run_options *r,
                            glia_error *e)
{
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    glia_object *in[PORTS] = {0}, *out[PORTS] = {0};
    glia_net *net = NULL;
    o.os = os;
    o.threads = 1;
    o.memory_limit = c->memory;
    glia_status s = glia_net_open_memory(c->model, c->model_size, NULL, &o, &net, e);
    for (int i = 0; i < c->in_count; i++) in[i] = object_of(c->in[i], c->in_size[i]);
    for (int again = 0; !s && again < 2; again++) {
        s = glia_net_run(net, in, out, r, e);
        for (int i = 0; i < PORTS; i++) {
            glia_object_release(out[i]);
            out[i] = NULL;
        }
    }
    for (int i = 0; i < PORTS; i++) glia_object_release(in[i]);
    glia_net_close(net);
    return s;
}

static void refused_by_name(void)
{
    int count = 0;
    for (const uint8_t *at = file_data; at && at < file_data + file_size; count++) {
        const one_case c = take_case(&at);
        struct fault_os f;
        glia_error e = GLIA_ERROR_INIT;
        glia_net_run_options r = GLIA_NET_RUN_OPTIONS_INIT;
        fault_os_init(&f, NULL);
        r.nodes_max = c.nodes_max;
        const glia_status s = run_case(&c, &f.os, &r, &e);
        const bool good = c.code[0] ? s && !strcmp(e.code, c.code) && e.text[0] : !s;
        if (!good) fprintf(stderr, "%s: want %s, have %s: %s\n", c.name, c.code, e.code, e.text);
        CHECK(good);
        CHECK(fault_os_clean(&f));
    }
    CHECK(count > 80);
}

static one_case find_case(const char *name)
{
    for (const uint8_t *at = file_data; at && at < file_data + file_size;) {
        const one_case c = take_case(&at);
        if (!strcmp(c.name, name)) return c;
    }
    CHECK(!"a case of that name");
    return (one_case){.in_count = 0};
}

/* A loop without an end is stopped by the clock and by the caller. */
static void stopped_from_outside(void)
{
    const one_case c = find_case("loop for ever");
    const volatile uint32_t stop = 1;
    const glia_os *os = glia_os_default();
    glia_error e = GLIA_ERROR_INIT;
    glia_net_run_options r = GLIA_NET_RUN_OPTIONS_INIT;
    r.deadline_ns = os->clock_ns(os->ctx) + 20000000;
    CHECK_I64(run_case(&c, NULL, &r, &e), GLIA_E_DEADLINE);
    r = (glia_net_run_options)GLIA_NET_RUN_OPTIONS_INIT;
    r.cancel = &stop;
    e = (glia_error)GLIA_ERROR_INIT;
    CHECK_I64(run_case(&c, NULL, &r, &e), GLIA_E_CANCELLED);
}

/* Each allocation fails in turn: a status, or it did without, and everything is given back. */
static void without_memory(void)
{
    static const char *const names[] = {"stacked output of another shape", "join what differs",
                                        "trees: as they should be", "labels: lengths"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const one_case c = find_case(names[i]);
        for (int64_t n = 1; n < 100000; n += n < 40 ? 1 : n / 8) {
            struct fault_os f;
            glia_error e = GLIA_ERROR_INIT;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, FAULT_MEMORY, n, false);
            const glia_status s = run_case(&c, &f.os, NULL, &e);
            CHECK(fault_os_clean(&f));
            if (!f.failed) break;
            CHECK(!s || e.code[0]);
        }
    }
}

/* Where time is linear this takes no time at all; the length of the text times the pattern, not 2 to its power. */
static void patterns_are_linear(void)
{
    enum { SIZE = 200000 };
    char *text = malloc(SIZE);
    glia_arena a;
    glia_regex *r = NULL;
    glia_error e = GLIA_ERROR_INIT;
    memset(text, 'a', SIZE);
    glia_arena_init(&a, NULL, 0);
    CHECK(!glia_regex_compile(&a, "(a|a|aa)*(a*)*b", 15, &r, &e) && !glia_regex_full_match(r, text, SIZE));
    text[SIZE - 1] = 'b';
    CHECK(r && glia_regex_full_match(r, text, SIZE));
    CHECK(r && !glia_regex_full_match(r, "\xFF", 1));
    glia_arena_free(&a);
    free(text);
}

int main(void)
{
    FILE *f = fopen("tests/vectors/net_refused.bin", "rb");
    if (f) {
        fseek(f, 0, SEEK_END);
        file_size = ftell(f);
        rewind(f);
        file_data = malloc((size_t)file_size + 1);
        if (fread(file_data, 1, (size_t)file_size, f) != (size_t)file_size) file_size = 0;
        fclose(f);
    }
    RUN(refused_by_name);
    RUN(stopped_from_outside);
    RUN(without_memory);
    RUN(patterns_are_linear);
    free(file_data);
    return CHECK_EXIT();
}
