/* .glia containers: what comes back from one is what the ONNX file gave, and bytes that lie are refused, with sums
 * that are wrong and with sums that were made to fit. */
#include <glia/net.h>

#include "base/arena.h"
#include "base/reader.h"
#include "base/sum64.h"
#include "check.h"
#include "fault_os.h"
#include "format/container.h"
#include "format/onnx.h"
#include "spine.h"

/* ---- an ONNX file, by hand: y = x + w, z = x * v, with w of 256 bytes and v of 4 ------------------------ */

static void varint(glia_writer *w, uint64_t v)
{
    for (; v >= 128; v >>= 7) glia_write_u8(w, (uint8_t)(v | 128));
    glia_write_u8(w, (uint8_t)v);
}
static void number(glia_writer *w, int field, uint64_t v)
{
    varint(w, (uint64_t)field << 3);
    varint(w, v);
}
static void bytes(glia_writer *w, int field, const void *p, int64_t n)
{
    varint(w, (uint64_t)field << 3 | 2);
    varint(w, (uint64_t)n);
    glia_write_bytes(w, p, n);
}
static void text(glia_writer *w, int field, const char *s) { bytes(w, field, s, (int64_t)strlen(s)); }

static void node(glia_arena *a, glia_writer *graph, const char *op, const char *x, const char *y,
                 const char *out)
{
    glia_writer w = {.arena = a};
    text(&w, 1, x);
    text(&w, 1, y);
    text(&w, 2, out);
    text(&w, 4, op);
    bytes(graph, 1, w.data, w.size);
}

static void tensor(glia_arena *a, glia_writer *graph, const char *name, const float *v, int64_t n)
{
    glia_writer w = {.arena = a};
    number(&w, 1, (uint64_t)n);
    number(&w, 2, 1); /* float */
    text(&w, 8, name);
    bytes(&w, 9, v, 4 * n);
    bytes(graph, 5, w.data, w.size);
}

static void port(glia_arena *a, glia_writer *graph, int field, const char *name)
{
    glia_writer dim = {.arena = a}, shape = {.arena = a}, t = {.arena = a}, type = {.arena = a},
                w = {.arena = a};
    number(&dim, 1, 64);
    bytes(&shape, 1, dim.data, dim.size);
    number(&t, 1, 1);
    bytes(&t, 2, shape.data, shape.size);
    bytes(&type, 1, t.data, t.size);
    text(&w, 1, name);
    bytes(&w, 2, type.data, type.size);
    bytes(graph, field, w.data, w.size);
}

static float weights[64], factor = 3;

static void write_onnx(const char *path)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer graph = {.arena = &a}, opset = {.arena = &a}, model = {.arena = &a};
    for (int i = 0; i < 64; i++) weights[i] = (float)i / 8;
    node(&a, &graph, "Add", "x", "w", "y");
    node(&a, &graph, "Mul", "x", "v", "z");
    text(&graph, 2, "two");
    tensor(&a, &graph, "w", weights, 64);
    tensor(&a, &graph, "v", &factor, 1);
    port(&a, &graph, 11, "x");
    port(&a, &graph, 12, "y");
    port(&a, &graph, 12, "z");
    number(&opset, 2, 13);
    number(&model, 1, 8);
    bytes(&model, 7, graph.data, graph.size);
    bytes(&model, 8, opset.data, opset.size);
    CHECK(spine_write(path, model.data, model.size));
    glia_arena_free(&a);
}

static void check_net(const char *path)
{
    static const int64_t dims[1] = {64};
    glia_error e = GLIA_ERROR_INIT;
    glia_net *net = NULL;
    float x[64];
    CHECK_I64(glia_net_open(path, NULL, &net, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    for (int i = 0; i < 64; i++) x[i] = 1 - (float)i;
    glia_object *in = glia_object_tensor(NULL, GLIA_F32, 1, dims, x), *out[2] = {0};
    if (net && !glia_net_run(net, &in, out, NULL, &e)) {
        const float *y = glia_object_data(out[0]), *z = glia_object_data(out[1]);
        for (int i = 0; i < 64; i++) CHECK(y[i] == x[i] + weights[i] && z[i] == x[i] * factor);
    } else {
        CHECK(!"it runs");
    }
    glia_object_release(in);
    glia_object_release(out[0]);
    glia_object_release(out[1]);
    glia_net_close(net);
}

static char onnx_path[512], glia_path[512];

static void comes_back(void)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_onnx *m = NULL;
    write_onnx(onnx_path);
    CHECK_I64(glia_container_write(NULL, onnx_path, glia_path, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    check_net(onnx_path);
    check_net(glia_path);
    CHECK(!glia_onnx_open(NULL, glia_path, NULL, &m, &e));
    if (m) { /* the large one lies in the mapping, aligned; the small one in the message */
        const glia_onnx_tensor *w = &m->graph.initializers[0];
        CHECK_STR(w->name.text, "w");
        CHECK(!w->location && (uintptr_t)w->data % 64 == 0 && !memcmp(w->data, weights, sizeof weights));
    }
    glia_onnx_close(m);
    CHECK_I64(glia_container_write(NULL, glia_path, "again.glia", &e), GLIA_E_ARG);
    CHECK_I64(glia_container_write(NULL, "absent.onnx", glia_path, &e), GLIA_E_IO);
    CHECK_I64(glia_container_write(NULL, NULL, glia_path, &e), GLIA_E_ARG);
    check_net(glia_path); /* as it was */
}

/* ---- bytes that lie ------------------------------------------------------------------------------------- */

static glia_status open_bytes(const char *path, const uint8_t *p, int64_t n, glia_error *e)
{
    glia_net *net = NULL;
    glia_net_options o = GLIA_NET_OPTIONS_INIT;
    o.threads = 1;
    CHECK(spine_write(path, p, n));
    *e = (glia_error)GLIA_ERROR_INIT;
    glia_status s = glia_net_open(path, &o, &net, e);
    CHECK((s == GLIA_OK) == (net != NULL));
    glia_net_close(net);
    return s;
}

static void put64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* Makes the sums fit again, as far as sections lie in the file. */
static void seal(uint8_t *p, int64_t n)
{
    const uint32_t count = p[12];
    for (uint32_t i = 0; i < count && 32 + 32 * ((int64_t)i + 1) <= n; i++) {
        uint8_t *s = p + 32 + 32 * (size_t)i;
        uint64_t at = get64(s + 8), size = get64(s + 16);
        if (at <= (uint64_t)n && size <= (uint64_t)n - at) put64(s + 24, glia_sum64(p + at, (int64_t)size));
    }
    if (32 + 32 * (int64_t)count <= n) put64(p + 24, glia_sum64(p + 32, 32 * (int64_t)count));
}

static void bytes_that_lie(void)
{
    char path[512 + 8];
    int64_t size = 0;
    glia_error e = GLIA_ERROR_INIT;
    snprintf(path, sizeof path, "%s.bad", glia_path);
    uint8_t *good = (uint8_t *)spine_read(glia_path, &size), *p = malloc((size_t)size + 1);
    CHECK(good && size > 8192);
    const int64_t graph = (int64_t)get64(good + 32 + 16);
    for (int64_t n = 8; n < size; n += n < 160 || n > size - 8 ? 1 : 97) /* cut */
        CHECK_I64(open_bytes(path, good, n, &e), GLIA_E_FORMAT);
    memcpy(p, good, (size_t)size);
    p[size] = 0;
    CHECK_I64(open_bytes(path, p, size + 1, &e), GLIA_E_FORMAT);
    for (int64_t i = 8; i < 96; i++) { /* every byte of the header, sums as they were */
        memcpy(p, good, (size_t)size);
        p[i] ^= 1;
        CHECK_I64(open_bytes(path, p, size, &e), GLIA_E_FORMAT);
    }
    static const uint64_t odd[] = {0, 1, 4095, 4096, 8192, 1u << 31, 1ull << 62, INT64_MAX, UINT64_MAX};
    for (int64_t at = 32; at < 96; at += 8) /* every field of the table, with sums that fit */
        for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++) {
            memcpy(p, good, (size_t)size);
            put64(p + at, odd[k]);
            seal(p, size);
            if (memcmp(p, good, (size_t)size)) CHECK(open_bytes(path, p, size, &e) != GLIA_OK);
        }
    memcpy(p, good, (size_t)size);
    p[size - 1] ^= 1;
    CHECK_I64(open_bytes(path, p, size, &e), GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0243");
    memcpy(p, good, (size_t)size);
    p[4096 - 1] = 1;
    CHECK_I64(open_bytes(path, p, size, &e), GLIA_E_FORMAT);
    for (int64_t i = 4096; i < 4096 + graph;
         i++) /* the graph, with sums that fit: a status, whatever it says */
        for (int bit = 0; bit < 8; bit += 3) {
            memcpy(p, good, (size_t)size);
            p[i] ^= (uint8_t)(1 << bit);
            seal(p, size);
            open_bytes(path, p, size, &e);
        }
    remove(path);
    free(good);
    free(p);
}

/* Every call to the system refused in turn: a status, nothing kept, and nothing half-written under the name. */
static void faults(void)
{
    for (int64_t n = 1;; n++) {
        struct fault_os f;
        glia_error e = GLIA_ERROR_INIT;
        glia_onnx *m = NULL;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_ANY, n, false);
        glia_status s = glia_container_write(&f.os, onnx_path, glia_path, &e);
        if (!s) s = glia_onnx_open(&f.os, glia_path, NULL, &m, &e);
        glia_onnx_close(m);
        CHECK(fault_os_clean(&f));
        if (!f.failed) {
            CHECK_I64(s, GLIA_OK);
            break;
        }
        if (check_case_failures) break;
    }
    check_net(glia_path);
}

int main(void)
{
    snprintf(onnx_path, sizeof onnx_path, "%s", spine_temp("container.onnx"));
    snprintf(glia_path, sizeof glia_path, "%s", spine_temp("container.glia"));
    RUN(comes_back);
    RUN(bytes_that_lie);
    RUN(faults);
    spine_clean((const char *const[]){"container.onnx", "container.glia", NULL});
    return CHECK_EXIT();
}
