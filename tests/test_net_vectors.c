/* Networks of a few nodes against outputs that other implementations gave: tests/vectors/net holds a file for each family of
 * operators, made by tests/oracles/make_net_vectors.py. With arguments, runs those instead: such files, or folders with a model and
 * test_data_set_0, as the ONNX project keeps its cases. */
#include <glia/net.h>

#include <dirent.h>

#include "base/arena.h"
#include "check.h"
#include "format/onnx.h"
#include "ops/box.h"

enum { PORTS = 64 };

typedef struct blob {
    const uint8_t *data;
    int64_t size;
    int kind; /* of glia_onnx_item; -1: left out */
} blob;

typedef struct one_case {
    char name[256];
    double relative, absolute;
    blob model, in[PORTS], out[PORTS];
    int in_count, out_count;
} one_case;

static glia_object *object_of_tensor(const glia_onnx_tensor *t)
{
    if (!t->is_string) return glia_object_tensor(NULL, t->dtype, t->rank, t->dims, t->data);
    const char **texts = calloc((size_t)t->count + 1, sizeof *texts);
    int64_t *sizes = calloc((size_t)t->count + 1, sizeof *sizes);
    for (int64_t i = 0; i < t->count; i++) texts[i] = t->strings[i].text, sizes[i] = t->strings[i].size;
    glia_object *o = glia_object_strings(NULL, t->rank, t->dims, texts, sizes);
    free(texts);
    free(sizes);
    return o;
}

/* Items nest as deep as the cases do: a sequence, perhaps in an optional. */
static glia_object *object_of(const glia_onnx_item *item)
{
    if (item->kind == GLIA_ONNX_TENSOR) return object_of_tensor(&item->tensor);
    if (item->kind == GLIA_ONNX_NO_TYPE) return glia_object_optional(NULL, NULL);
    glia_object *of[PORTS] = {0}, *all = NULL;
    const int64_t count = item->count < PORTS ? item->count : PORTS;
    for (int64_t i = 0; i < count; i++) of[i] = object_of(&item->items[i]);
    if (item->kind == GLIA_ONNX_SEQUENCE) all = glia_object_sequence(NULL, of, count);
    if (item->kind == GLIA_ONNX_OPTIONAL) all = glia_object_optional(NULL, of[0]);
    if (item->kind == GLIA_ONNX_MAP) {
        glia_object *keys = object_of_tensor(item->keys);
        all = glia_object_map(NULL, keys, of[0]);
        glia_object_release(keys);
    }
    for (int64_t i = 0; i < count; i++) glia_object_release(of[i]);
    return all;
}

static glia_object *object_of_blob(const blob *b)
{
    glia_arena a;
    glia_onnx_item item;
    glia_error e = GLIA_ERROR_INIT;
    glia_arena_init(&a, NULL, 0);
    glia_object *o = glia_onnx_item_parse(&a, b->data, b->size, b->kind, &item, &e) ? NULL : object_of(&item);
    if (!o) fprintf(stderr, "  data: %s\n", e.text);
    glia_arena_free(&a);
    return o;
}

/* ---- comparison ---- */

static bool near(double got, double want, const one_case *c)
{
    if (got != got || want != want) return got != got && want != want;
    if (got == want) return true;
    return fabs(got - want) <= c->absolute + c->relative * fabs(want);
}

static bool same_tensor(const glia_object *a, const glia_object *b, const one_case *c, int out)
{
    const int rank = glia_object_rank(b);
    bool shape = glia_object_rank(a) == rank && glia_object_dtype(a) == glia_object_dtype(b);
    for (int i = 0; i < rank && shape; i++) shape = glia_object_dims(a)[i] == glia_object_dims(b)[i];
    if (!shape) {
        fprintf(stderr, "  output %d is %s of %d axes [", out, glia_dtype_name(glia_object_dtype(a)),
                glia_object_rank(a));
        for (int i = 0; i < glia_object_rank(a); i++)
            fprintf(stderr, " %lld", (long long)glia_object_dims(a)[i]);
        fprintf(stderr, " ], want %s [", glia_dtype_name(glia_object_dtype(b)));
        for (int i = 0; i < rank; i++) fprintf(stderr, " %lld", (long long)glia_object_dims(b)[i]);
        fprintf(stderr, " ]\n");
        return false;
    }
    const glia_tensor x = {(void *)(uintptr_t)glia_object_data(a), NULL, 0, 0, glia_object_dtype(a)},
                      y = {(void *)(uintptr_t)glia_object_data(b), NULL, 0, 0, glia_object_dtype(b)};
    const bool wide = x.dtype == GLIA_I64 || x.dtype == GLIA_U64;
    for (int64_t i = 0; i < glia_object_count(b); i++) {
        if (wide ? glia_get_i64(&x, i) == glia_get_i64(&y, i)
                 : near(glia_get_f64(&x, i), glia_get_f64(&y, i), c))
            continue;
        fprintf(stderr, "  output %d element %lld is %.9g, want %.9g\n", out, (long long)i,
                glia_get_f64(&x, i), glia_get_f64(&y, i));
        return false;
    }
    return true;
}

static bool same(const glia_object *a, const glia_object *b, const one_case *c, int out)
{
    const glia_object_kind kind = glia_object_kind_of(b);
    if (glia_object_kind_of(a) != kind || glia_object_count(a) != glia_object_count(b)) {
        fprintf(stderr, "  output %d: kind %d of %lld, want %d of %lld\n", out, (int)glia_object_kind_of(a),
                (long long)glia_object_count(a), (int)kind, (long long)glia_object_count(b));
        return false;
    }
    if (kind == GLIA_OBJECT_TENSOR) return same_tensor(a, b, c, out);
    for (int64_t i = 0; i < glia_object_count(b); i++) {
        int64_t n, m;
        if (kind == GLIA_OBJECT_STRINGS) {
            const char *s = glia_object_string(a, i, &n), *t = glia_object_string(b, i, &m);
            if (n == m && !memcmp(s, t, (size_t)n)) continue;
            fprintf(stderr, "  output %d string %lld is `%s`, want `%s`\n", out, (long long)i, s, t);
            return false;
        }
        if (!same(glia_object_item(a, i), glia_object_item(b, i), c, out)) return false;
    }
    return kind != GLIA_OBJECT_MAP || same(glia_object_keys(a), glia_object_keys(b), c, out);
}

/* ---- one case ---- */

/* The network is opened with any number of threads: results do not depend on it. */
static bool run_case(const one_case *c)
{
    glia_net *net = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_object *in[PORTS] = {0}, *got[PORTS] = {0}, *want = NULL;
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    o.threads = 2;
    bool ok = !glia_net_open_memory(c->model.data, c->model.size, NULL, &o, &net, &e);
    for (int i = 0; i < c->in_count && ok; i++)
        if (c->in[i].kind >= 0) ok = (in[i] = object_of_blob(&c->in[i])) != NULL;
    ok = ok && !glia_net_run(net, in, got, NULL, &e);
    if (!ok) fprintf(stderr, "  %s: %s\n", e.code, e.text);
    for (int i = 0; i < c->out_count && ok; i++) {
        if (c->out[i].kind < 0) continue;
        ok = (want = object_of_blob(&c->out[i])) != NULL && same(got[i], want, c, i);
        glia_object_release(want);
    }
    for (int i = 0; i < PORTS; i++) glia_object_release(in[i]), glia_object_release(got[i]);
    glia_net_close(net);
    if (!ok) fprintf(stderr, "%s failed\n", c->name);
    return ok;
}

static uint8_t *read_file(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    uint8_t *data = malloc((size_t)*size + 1);
    if (fread(data, 1, (size_t)*size, f) != (size_t)*size) *size = 0;
    fclose(f);
    return data;
}

/* ---- the file of cases: for each its name, tolerances, model, inputs, outputs; numbers are little-endian ---- */

static uint32_t take_u32(const uint8_t **at)
{
    uint32_t v;
    memcpy(&v, *at, sizeof v);
    *at += sizeof v;
    return v;
}
static blob take_blob(const uint8_t **at)
{
    blob b;
    b.kind = (int)(int32_t)take_u32(at);
    b.size = take_u32(at);
    b.data = *at;
    *at += b.size;
    return b;
}

static int run_file(const char *path, int *count)
{
    int64_t size = 0;
    int failed = 0;
    uint8_t *data = read_file(path, &size);
    for (const uint8_t *at = data; at && at < data + size;) {
        one_case c = {.in_count = 0};
        blob name = take_blob(&at);
        snprintf(c.name, sizeof c.name, "%.*s", (int)name.size, (const char *)name.data);
        memcpy(&c.relative, at, 8);
        memcpy(&c.absolute, at + 8, 8);
        at += 16;
        c.model = take_blob(&at);
        c.in_count = (int)take_u32(&at);
        for (int i = 0; i < c.in_count; i++) c.in[i] = take_blob(&at);
        c.out_count = (int)take_u32(&at);
        for (int i = 0; i < c.out_count; i++) c.out[i] = take_blob(&at);
        ++*count;
        failed += !run_case(&c);
    }
    free(data);
    return failed;
}

static void stored_outputs_are_matched(void)
{
    const char *folder = "tests/vectors/net";
    DIR *d = opendir(folder);
    int files = 0, count = 0;
    CHECK(d);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (!strstr(e->d_name, ".bin")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        CHECK_I64(run_file(path, &count), 0);
        files++;
    }
    if (d) closedir(d);
    printf("  %d cases in %d files\n", count, files);
    CHECK(count > 0);
}

/* ---- folders ---- */

static int read_side(const char *folder, const char *side, blob *to, uint8_t **keep)
{
    int n = 0;
    for (; n < PORTS; n++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, side, n);
        if (!(keep[n] = read_file(path, &to[n].size))) break;
        to[n].data = keep[n];
        to[n].kind = GLIA_ONNX_TENSOR;
    }
    return n;
}

static bool run_folder(const char *folder)
{
    one_case c = {.relative = 1e-3, .absolute = 1e-7};
    uint8_t *in[PORTS] = {0}, *out[PORTS] = {0};
    char path[1024];
    snprintf(c.name, sizeof c.name, "%s", folder);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    uint8_t *model = read_file(path, &c.model.size);
    c.model.data = model;
    c.in_count = read_side(folder, "input", c.in, in);
    c.out_count = read_side(folder, "output", c.out, out);
    bool ok = model && run_case(&c);
    for (int i = 0; i < PORTS; i++) free(in[i]), free(out[i]);
    free(model);
    return ok;
}

int main(int argc, char **argv)
{
    int failed = 0, count = 0;
    for (int i = 1; i < argc; i++) {
        if (strstr(argv[i], ".bin")) failed += run_file(argv[i], &count);
        else failed += !run_folder(argv[i]), count++;
    }
    if (argc > 1) return printf("%d of %d passed\n", count - failed, count), failed != 0;
    RUN(stored_outputs_are_matched);
    return CHECK_EXIT();
}
