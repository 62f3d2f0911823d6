/* The ONNX reader and writer: vectors made with the onnx package, files that are damaged or lie, external data, and
 * failures of the system. Element types of few bits: what ml_dtypes says their codes mean. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"

#include "base/check.h"
#include "format/onnx.h"
#include "format/onnx_write.h"
#include "tensor/dtype.h"
#include "tensor/lowbit.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/glia_onnx_XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *p = paths[next++ & 3];
    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static blob load(const char *path)
{
    blob b = {0};
    char piece[4096];
    FILE *f = fopen(path, "rb");
    if (!f) exit(2);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) put(&b, piece, (int64_t)n);
    fclose(f);
    return b;
}

#define VECTORS "tests/vectors/onnx/"

/* ---- protocol buffers by hand */

static void put_varint(blob *b, uint64_t v)
{
    for (; v > 127; v >>= 7) put_u8(b, v | 128);
    put_u8(b, v);
}
static void put_number(blob *b, int field, uint64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}
static void put_sub(blob *b, int field, const void *p, int64_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, (uint64_t)n);
    put(b, p, n);
}
static void put_word(blob *b, int field, const char *s) { put_sub(b, field, s, (int64_t)strlen(s)); }
/* b becomes the content of one field. */
static void wrap(blob *b, int field)
{
    blob out = {0};
    put_sub(&out, field, b->data, b->size);
    blob_free(b);
    *b = out;
}

static const char *code_of(const blob *b)
{
    static glia_error e;
    glia_onnx *m = NULL;
    e = (glia_error)GLIA_ERROR_INIT;
    void *copy = exact_copy(b->data, b->size);
    glia_status s = glia_onnx_parse(NULL, copy, b->size, folder, NULL, &m, &e);
    CHECK((s == GLIA_OK) == (m != NULL));
    if (s) CHECK(e.text[0] && glia_explain(e.code));
    glia_onnx_close(m);
    free(copy);
    return s ? e.code : "";
}

/* ---- what the onnx package wrote */

static int hex_digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static const glia_onnx_tensor *find_tensor(const glia_onnx *m, const char *name)
{
    for (int64_t i = 0; i < m->graph.initializer_count; i++) {
        if (!strcmp(m->graph.initializers[i].name.text, name)) return &m->graph.initializers[i];
    }
    return NULL;
}

/* One line of tensors.txt. */
static void check_line(const glia_onnx *m, char *line)
{
    char *name = strtok(line, " "), *type = strtok(NULL, " "), *dims = strtok(NULL, " "),
         *hex = strtok(NULL, " ");
    const glia_onnx_tensor *t = find_tensor(m, name);
    uint8_t bytes[512];
    CHECK(t != NULL);
    if (!t) return;
    if (t->onnx_type != atoi(type)) fprintf(stderr, "%s\n", name);
    CHECK_I64(t->onnx_type, atoi(type));
    int rank = 0;
    for (char *d = strtok(dims, "[],"); d; d = strtok(NULL, "[],"), rank++)
        CHECK_I64(t->dims[rank], atoll(d));
    CHECK_I64(t->rank, rank + t->complex);
    CHECK_I64(t->bytes * 2, strlen(hex));
    for (int64_t i = 0; i < t->bytes; i++) {
        if (hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]) == ((const uint8_t *)t->data)[i]) continue;
        fprintf(stderr, "%s: byte %lld\n", name, (long long)i);
        check_case_failures++;
        break;
    }
    CHECK(t->bytes == 0 || (uintptr_t)t->data % (unsigned)glia_dtype_get(t->dtype)->block_bytes == 0);
    CHECK(!glia_onnx_tensor_read(m, t, 0, t->bytes, bytes, NULL) &&
          !memcmp(bytes, t->data, (size_t)t->bytes));
    CHECK(glia_onnx_tensor_read(m, t, 1, t->bytes, bytes, NULL) == GLIA_E_ARG);
}

static void tensors(void)
{
    glia_onnx *m;
    glia_error e = GLIA_ERROR_INIT;
    CHECK(!glia_onnx_open(NULL, VECTORS "model.onnx", NULL, &m, &e));
    if (e.status) return;
    blob text = load(VECTORS "tensors.txt");
    put_u8(&text, 0);
    int lines = 0;
    for (char *line = (char *)text.data, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        *end = 0;
        check_line(m, line);
    }
    CHECK(lines > 50);
    const glia_onnx_tensor *t = find_tensor(m, "texts");
    CHECK(t && t->is_string && t->count == 4 && t->strings[2].size == 3 &&
          !memcmp(t->strings[2].text, "\xff\0x", 4));
    t = find_tensor(m, "empty_INT4");
    CHECK(t && t->dtype == GLIA_I4 && t->count == 0 && t->rank == 2 && t->dims[1] == 3);
    blob_free(&text);
    glia_onnx_close(m);
}

static const glia_onnx_attr *find_attr(const glia_onnx_node *n, const char *name)
{
    static const glia_onnx_attr none;
    for (int32_t i = 0; i < n->attr_count; i++) {
        if (!strcmp(n->attrs[i].name, name)) return &n->attrs[i];
    }
    check_case_failures++;
    return &none;
}

static void check_attrs(const glia_onnx_node *n)
{
    CHECK(find_attr(n, "f")->kind == GLIA_ONNX_ATTR_FLOAT && find_attr(n, "f")->f == 0.5f);
    CHECK(find_attr(n, "i")->i == -3);
    CHECK(find_attr(n, "s")->s.size == 3 && !memcmp(find_attr(n, "s")->s.text, "a\0b", 4));
    CHECK(find_attr(n, "t")->t && ((const int32_t *)find_attr(n, "t")->t->data)[2] == 2);
    CHECK(find_attr(n, "g")->g && !strcmp(find_attr(n, "g")->g->nodes[0].in[0], "x"));
    CHECK(find_attr(n, "floats")->count == 2 && find_attr(n, "floats")->floats[1] == -0.25f);
    CHECK(find_attr(n, "ints")->count == 3 && find_attr(n, "ints")->ints[2] == (int64_t)1 << 40);
    CHECK(find_attr(n, "strings")->count == 2 && find_attr(n, "strings")->strings[1].size == 0);
    CHECK(find_attr(n, "graphs")->count == 2 && find_attr(n, "graphs")->g[1].output_count == 1);
    CHECK(find_attr(n, "none")->kind == GLIA_ONNX_ATTR_TYPE && find_attr(n, "none")->type->dims[0] == 2);
    CHECK(find_attr(n, "tensors")->count == 2 &&
          ((const int64_t *)find_attr(n, "tensors")->t[1].data)[0] == 7);
    const glia_onnx_attr *sparse = find_attr(n, "sparse");
    CHECK(sparse->kind == GLIA_ONNX_ATTR_TENSOR && sparse->t->count == 12 &&
          ((const float *)sparse->t->data)[11] == -2);
}

static void check_model(const glia_onnx *m)
{
    CHECK_I64(m->ir_version, 10);
    CHECK_STR(m->producer, "vectors");
    CHECK_STR(m->doc, "a test");
    CHECK(m->opset_count == 3 && !*m->opsets[0].domain && m->opsets[0].version == 21 &&
          m->opsets[2].version == 3);
    CHECK(m->property_count == 1 && !strcmp(m->properties[0].value, "v"));
    const glia_onnx_graph *g = &m->graph;
    CHECK(g->node_count == 2 && g->input_count == 4 && g->output_count == 1 && g->value_count == 1);
    CHECK(g->nodes[0].in_count == 3 && !*g->nodes[0].in[1] && !strcmp(g->nodes[0].domain, "test"));
    check_attrs(&g->nodes[0]);
    const glia_onnx_type *x = &g->inputs[0].type, *o = &g->inputs[2].type, *kv = &g->inputs[3].type;
    CHECK(x->kind == GLIA_ONNX_TENSOR && x->rank == 3 && x->dims[0] == -1 && x->dims[1] == 3 &&
          x->dims[2] == -1);
    CHECK_STR(x->dim_names[0], "N");
    CHECK(!x->dim_names[2]);
    CHECK(g->inputs[1].type.kind == GLIA_ONNX_SEQUENCE && g->inputs[1].type.of->rank == -1);
    CHECK(o->kind == GLIA_ONNX_OPTIONAL && o->of->kind == GLIA_ONNX_SEQUENCE && o->of->of->onnx_type == 8);
    CHECK(kv->kind == GLIA_ONNX_MAP && kv->onnx_type == 7 && kv->of->rank == 0);
    CHECK(m->function_count == 1);
    const glia_onnx_function *f = m->functions;
    CHECK(f->node_count == 2 && f->attribute_count == 1 && f->default_count == 1 &&
          f->defaults[0].f == 0.125f);
    CHECK_STR(find_attr(&f->nodes[1], "alpha")->ref, "alpha");
}

static void structure(void)
{
    blob b = load(VECTORS "model.onnx");
    glia_onnx *m;
    CHECK(!glia_onnx_parse(NULL, b.data, b.size, NULL, NULL, &m, NULL));
    check_model(m);
    glia_onnx_close(m);
    blob_free(&b);
}

/* Written and read again a model is the same, and from then on byte for byte. */
static void round_trip(void)
{
    glia_onnx *m, *again;
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    CHECK(!glia_onnx_open(NULL, VECTORS "model.onnx", NULL, &m, NULL));
    CHECK(!glia_onnx_save(NULL, in_folder("again.onnx"), m, NULL));
    CHECK(!glia_onnx_open(NULL, in_folder("again.onnx"), NULL, &again, NULL));
    check_model(again);
    for (int64_t i = 0; i < m->graph.initializer_count; i++) {
        const glia_onnx_tensor *x = &m->graph.initializers[i], *y = &again->graph.initializers[i];
        CHECK(x->onnx_type == y->onnx_type && x->count == y->count && x->bytes == y->bytes);
        CHECK(!x->bytes || !memcmp(x->data, y->data, (size_t)x->bytes));
    }
    glia_writer w = {.arena = &a}, v = {.arena = &a};
    blob file = load(in_folder("again.onnx"));
    CHECK(!glia_onnx_write(m, &v, NULL) && v.size == file.size && !memcmp(v.data, file.data, (size_t)v.size));
    CHECK(!glia_onnx_write(again, &w, NULL) && w.size == v.size && !memcmp(w.data, v.data, (size_t)w.size));
    glia_onnx_tensor bad = {.count = 3, .bytes = 12, .dtype = GLIA_F32};
    CHECK_I64(glia_onnx_tensor_write(&bad, &w, NULL), GLIA_E_ARG);
    blob_free(&file);
    glia_onnx_close(again);
    glia_onnx_close(m);
    glia_arena_free(&a);
}

static void items(void)
{
    static const struct {
        const char *file;
        int kind;
        int64_t count;
    } cases[] = {{"sequence.pb", GLIA_ONNX_SEQUENCE, 2},
                 {"optional.pb", GLIA_ONNX_OPTIONAL, 1},
                 {"map.pb", GLIA_ONNX_MAP, 2}};
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        char path[128];
        glia_arena a;
        glia_onnx_item it;
        snprintf(path, sizeof path, VECTORS "%s", cases[i].file);
        blob b = load(path);
        for (int64_t n = 0; n <= b.size; n++) { /* cut at every byte */
            void *cut = exact_copy(b.data, n);
            glia_arena_init(&a, NULL, 0);
            glia_status s = glia_onnx_item_parse(&a, cut, n, cases[i].kind, &it, NULL);
            CHECK(n < b.size || !s);
            free(cut); /* data are copies */
            if (n < b.size) glia_arena_free(&a);
        }
        CHECK(it.kind == cases[i].kind && it.count == cases[i].count);
        const glia_onnx_tensor *t = &it.items[0].tensor;
        if (i == 0)
            CHECK(t->count == 2 && ((const int64_t *)t->data)[1] == 1 && it.items[1].tensor.dims[1] == 2);
        if (i == 1) CHECK(t->count == 1 && ((const float *)t->data)[0] == 1.5f);
        if (i == 2) CHECK(it.keys->count == 2 && ((const int64_t *)it.keys->data)[1] == -1 && t->rank == 0);
        glia_arena_free(&a);
        blob_free(&b);
    }
}

/* ---- damaged and hostile files */

static void damaged_everywhere(void)
{
    blob b = load(VECTORS "model.onnx");
    int refused = 0;
    for (int64_t n = 0; n < b.size; n++) {
        const blob cut = {b.data, n, n};
        refused += *code_of(&cut) != 0;
        b.data[n] ^= (uint8_t)(1u << (n * 5 & 7));
        code_of(&b);
        b.data[n] ^= (uint8_t)(1u << (n * 5 & 7));
    }
    CHECK(refused > b.size - 40); /* a cut between two fields of the model leaves a smaller one */
    blob_free(&b);
}

/* A model whose graph has these bytes. */
static void as_graph(blob *b) { wrap(b, 7); }
static void as_initializer(blob *b)
{
    wrap(b, 5);
    as_graph(b);
}

static void wire(void)
{
    static const struct {
        const char *bytes;
        int64_t size;
        const char *code;
    } cases[] = {
        {"", 0, "G1000"},
        {"\x08\x0a", 2, "G1000"},                                         /* a model without a graph */
        {"\x08", 1, "G1001"},                                             /* a number that is not there */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x3a\x00", 13, ""}, /* ten bytes: 2^64 - 1 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x3a\x00", 13, "G1001"}, /* beyond 64 bits */
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x3a\x00", 14, "G1001"},
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "G1001"}, /* a length of 2^64 - 1 */
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, "G1001"},     /* 2^63 - 1 */
        {"\x3a\x01", 2, "G1001"},                                      /* one byte beyond the end */
        {"\x3b\x3c", 2, "G1001"},                                      /* a group */
        {"\x3b\x3b\x3b\x3b", 4, "G1001"},
        {"\x3f\x00", 2, "G1001"}, /* wire type 7 */
        {"\x00\x00", 2, "G1001"}, /* field 0 */
        {"\x38\x00", 2, "G1002"}, /* the graph as a number */
        {"\x3a\x00\x3a\x00", 4, "G1000"},
        {"\x3a\x00\xa2\x06\x02\xff\xff", 7, ""}, /* unknown fields are skipped */
        {"\x3a\x04\x12\x02\xff\xfe", 6, "G1003"},
        {"\x3a\x04\x12\x02\x41\x00", 6, "G1003"},
        {"\x3a\x02\x0a\x00", 4, ""}, /* a node without anything */
    };
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        const blob b = {(uint8_t *)(uintptr_t)cases[i].bytes, cases[i].size, 0};
        const char *code = code_of(&b);
        if (strcmp(code, cases[i].code)) fprintf(stderr, "case %d\n", i);
        CHECK_STR(code, cases[i].code);
    }
}

/* A tensor of a type and dims with so many bytes of raw data. */
static void put_tensor(blob *b, int type, int rank, const int64_t *dims, int64_t raw)
{
    static const uint8_t zeros[64];
    for (int i = 0; i < rank; i++) put_number(b, 1, (uint64_t)dims[i]);
    put_number(b, 2, (uint64_t)type);
    put_word(b, 8, "t");
    if (raw >= 0) put_sub(b, 9, zeros, raw);
}

static void lying_tensors(void)
{
    static const struct {
        int type, rank;
        int64_t dims[9], raw;
        const char *code;
    } cases[] = {
        {1, 1, {2}, 8, ""},
        {1, 1, {2}, 7, "G1007"},
        {1, 1, {2}, 9, "G1007"},
        {1, 1, {2}, -1, "G1007"},
        {1, 2, {0, 7}, 0, ""},
        {1, 2, {0, 7}, -1, ""},
        {1, 1, {-1}, 0, "G1006"},
        {1, 1, {INT64_MIN}, 0, "G1006"},
        {1, 1, {INT64_MAX}, 0, "G1006"},
        {1, 2, {(int64_t)1 << 32, (int64_t)1 << 32}, 0, "G1006"},
        {1, 1, {(int64_t)1 << 62}, 0, "G1006"}, /* its bytes wrap to 0 */
        {1, 8, {1, 1, 1, 1, 1, 1, 1, 1}, 4, ""},
        {1, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, 4, "G1006"},
        {0, 1, {1}, 4, "G1005"},
        {29, 1, {1}, 4, "G1005"},
        {INT32_MAX, 1, {1}, 4, "G1005"},
        {22, 1, {3}, 2, ""},
        {22, 1, {3}, 3, "G1007"},
        {26, 1, {5}, 2, ""},
        {27, 1, {5}, 4, ""},
        {28, 1, {4}, 4, "G1007"},
        {8, 1, {1}, 1, "G1007"}, /* strings as raw data */
        {14, 1, {2}, 16, ""},
        {14, 8, {1, 1, 1, 1, 1, 1, 1, 1}, 8, "G1006"},
    };
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        blob b = {0};
        put_tensor(&b, cases[i].type, cases[i].rank, cases[i].dims, cases[i].raw);
        as_initializer(&b);
        const char *code = code_of(&b);
        if (strcmp(code, cases[i].code)) fprintf(stderr, "case %d\n", i);
        CHECK_STR(code, cases[i].code);
        blob_free(&b);
    }
}

static void wrong_numbers(void)
{
    static const struct {
        int type, field;
        uint64_t v;
        const char *code;
    } cases[] = {
        {9, 5, 1, ""},
        {9, 5, 2, "G1008"},
        {3, 5, 127, ""},
        {3, 5, (uint64_t)-128, ""},
        {3, 5, 256, "G1008"},
        {3, 5, (uint64_t)-129, "G1008"},
        {10, 5, 65535, ""},
        {10, 5, 65536, "G1008"},
        {27, 5, 63, ""},
        {27, 5, 64, "G1008"},
        {6, 5, (uint64_t)1 << 40, "G1008"},
        {6, 7, 1, "G1007"}, /* int32 in int64_data */
        {12, 11, UINT32_MAX, ""},
        {12, 11, (uint64_t)UINT32_MAX + 1, "G1008"},
    };
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        blob b = {0};
        put_tensor(&b, cases[i].type, 1, (const int64_t[]){1}, -1);
        put_number(&b, cases[i].field, cases[i].v);
        as_initializer(&b);
        const char *code = code_of(&b);
        if (strcmp(code, cases[i].code)) fprintf(stderr, "case %d\n", i);
        CHECK_STR(code, cases[i].code);
        blob_free(&b);
    }
    blob b = {0};
    put_tensor(&b, 9, 1, (const int64_t[]){3}, -1);
    put_sub(&b, 9, "\0\1\2", 3);
    as_initializer(&b);
    CHECK_STR(code_of(&b), "G1008");
    blob_free(&b);
    put_tensor(&b, 1, 1, (const int64_t[]){1}, 4);
    put_sub(&b, 3, "", 0);
    as_initializer(&b);
    CHECK_STR(code_of(&b), "G1009");
    blob_free(&b);
}

/* Subgraphs and types that nest: a limit, not the stack, ends them. */
static void nesting(void)
{
    static const struct {
        int depth;
        const char *code;
    } cases[] = {{1, ""}, {64, ""}, {65, "G1004"}, {2000, "G1004"}};
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        blob b = {0};
        for (int d = 0; d < cases[i].depth; d++) {
            wrap(&b, 6); /* a graph in an attribute of a node of a graph */
            put_number(&b, 20, GLIA_ONNX_ATTR_GRAPH);
            wrap(&b, 5);
            wrap(&b, 1);
        }
        as_graph(&b);
        CHECK_STR(code_of(&b), cases[i].code);
        blob_free(&b);
        put_number(&b, 1, 1);
        wrap(&b, 1);
        for (int d = 1; d < cases[i].depth; d++) {
            wrap(&b, 1); /* a sequence of that */
            wrap(&b, 4);
        }
        wrap(&b, 2);
        wrap(&b, 11);
        as_graph(&b);
        CHECK_STR(code_of(&b), cases[i].code);
        blob_free(&b);
        for (int d = 0; d < cases[i].depth; d++) wrap(&b, 5);
        glia_arena a;
        glia_onnx_item it;
        glia_arena_init(&a, NULL, 0);
        CHECK_I64(
            glia_onnx_item_parse(&a, b.data ? b.data : (uint8_t *)"", b.size, GLIA_ONNX_SEQUENCE, &it, NULL),
            cases[i].depth > 64 ? GLIA_E_LIMIT : GLIA_OK);
        glia_arena_free(&a);
        blob_free(&b);
    }
}

static void limits(void)
{
    blob b = load(VECTORS "model.onnx");
    const glia_onnx_limits cases[] = {{0, 3, 0}, {0, 0, 20}, {4096, 0, 0}};
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        glia_onnx *m;
        glia_error e = GLIA_ERROR_INIT;
        glia_status s = glia_onnx_parse(NULL, b.data, b.size, NULL, &cases[i], &m, &e);
        CHECK_I64(s, i == 2 ? GLIA_E_NOMEM : GLIA_E_LIMIT);
        CHECK(!m);
    }
    blob_free(&b);
    /* A count that the file could not hold takes no memory: a dense tensor out of a sparse one, and long lists. */
    struct fault_os f;
    glia_onnx *m;
    fault_os_init(&f, NULL);
    for (int i = 0; i < 100000; i++) put(&b, "\x0a\x00", 2); /* nodes */
    as_graph(&b);
    CHECK(!glia_onnx_parse(&f.os, b.data, b.size, NULL, NULL, &m, NULL));
    CHECK(f.peak_bytes < 200 * b.size);
    glia_onnx_close(m);
    CHECK(fault_os_clean(&f));
    blob_free(&b);
}

/* ---- sparse tensors */

static void sparse(void)
{
    static const struct {
        int rank;
        int64_t index[4], dims[2];
        const char *code;
    } cases[] = {{1, {0, 11}, {3, 4}, ""},           {1, {0, 12}, {3, 4}, "G1015"},
                 {1, {-1, 0}, {3, 4}, "G1015"},      {2, {0, 0, 2, 3}, {3, 4}, ""},
                 {2, {0, 4, 0, 0}, {3, 4}, "G1015"}, {2, {0, -1, 0, 0}, {3, 4}, "G1015"},
                 {2, {0, 0, 3, 0}, {3, 4}, "G1015"}, {1, {0, 1}, {INT64_MAX, 2}, "G1006"},
                 {1, {0, 1}, {0, 2}, "G1015"},       {1, {0, 1}, {(int64_t)1 << 30, 1 << 20}, "G0801"}};
    for (int i = 0; i < GLIA_COUNT(cases); i++) {
        blob values = {0}, index = {0}, b = {0};
        put_tensor(&values, 1, 1, (const int64_t[]){2}, 8);
        put_tensor(&index, 7, cases[i].rank, (const int64_t[]){2, 2}, -1);
        put_sub(&index, 9, cases[i].index, cases[i].rank * 16);
        put_sub(&b, 1, values.data, values.size);
        put_sub(&b, 2, index.data, index.size);
        put_number(&b, 3, (uint64_t)cases[i].dims[0]);
        put_number(&b, 3, (uint64_t)cases[i].dims[1]);
        wrap(&b, 15);
        as_graph(&b);
        const char *code = code_of(&b);
        if (strcmp(code, cases[i].code)) fprintf(stderr, "case %d\n", i);
        CHECK_STR(code, cases[i].code);
        blob_free(&values);
        blob_free(&index);
        blob_free(&b);
    }
}

/* ---- external data */

static void put_entry(blob *b, const char *key, const char *value)
{
    blob entry = {0};
    put_word(&entry, 1, key);
    if (value) put_word(&entry, 2, value);
    put_sub(b, 13, entry.data, entry.size);
    blob_free(&entry);
}

/* A tensor of 16 bytes (four floats) that lies in `location`. */
static void put_external(blob *b, int type, int64_t count, const char *location, const char *offset,
                         const char *length)
{
    put_tensor(b, type, 1, &count, -1);
    put_number(b, 14, 1);
    if (location) put_entry(b, "location", location);
    if (offset) put_entry(b, "offset", offset);
    if (length) put_entry(b, "length", length);
}

static void make_files(void)
{
    uint8_t bytes[64];
    for (int i = 0; i < 64; i++) bytes[i] = (uint8_t)i;
    save_blob(in_folder("data"), bytes, 64);
    save_blob(in_folder("twice"), bytes, 64);
    CHECK(!mkdir(in_folder("sub"), 0700));
    save_blob(in_folder("sub/data"), bytes, 64);
    CHECK(!link(in_folder("twice"), in_folder("sub/twice")));
    CHECK(!symlink("data", in_folder("soft")));
    CHECK(!symlink("sub", in_folder("softsub")));
    CHECK(!symlink("/dev/zero", in_folder("zero")));
    CHECK(!mkfifo(in_folder("fifo"), 0600));
}

static const struct {
    const char *location, *offset, *length, *code;
} external_cases[] = {
    {"data", NULL, NULL, ""},
    {"data", "48", "16", ""},
    {"sub/data", "0", NULL, ""},
    {"data", "49", NULL, "G1013"},
    {"data", "64", NULL, "G1013"},
    {"data", "0", "15", "G1007"},
    {"data", "0", "64", "G1007"},
    {"data", "0", "1125899906842624", "G1007"},
    {"data", "-1", NULL, "G1013"},
    {"data", "9223372036854775807", NULL, "G1013"},
    {"data", "9223372036854775808", NULL, "G1013"},
    {"data", "99999999999999999999", NULL, "G1013"},
    {"data", " 1", NULL, "G1013"},
    {"data", "", NULL, "G1013"},
    {"data", "0x10", NULL, "G1013"},
    {"data", "0", "-16", "G1013"},
    {NULL, NULL, NULL, "G1011"},
    {"", NULL, NULL, "G1011"},
    {".", NULL, NULL, "G1011"},
    {"..", NULL, NULL, "G1011"},
    {"../data", NULL, NULL, "G1011"},
    {"sub/../data", NULL, NULL, "G1011"},
    {"sub/../../data", NULL, NULL, "G1011"},
    {"./data", NULL, NULL, "G1011"},
    {"sub//data", NULL, NULL, "G1011"},
    {"sub/", NULL, NULL, "G1011"},
    {"/etc/passwd", NULL, NULL, "G1011"},
    {"sub\\data", NULL, NULL, "G1011"},
    {"..\\data", NULL, NULL, "G1011"},
    {"soft", NULL, NULL, "G1012"},
    {"softsub/data", NULL, NULL, "G1012"},
    {"twice", NULL, NULL, "G1012"},
    {"sub/twice", NULL, NULL, "G1012"},
    {"fifo", NULL, NULL, "G1012"},
    {"zero", NULL, NULL, "G1012"},
    {"sub", NULL, NULL, "G1012"},
    {"absent", NULL, NULL, "G1012"},
    {"data/x", NULL, NULL, "G1012"},
};

/* The same tensor as an initializer, in a constant, in a constant of a subgraph, and of a function. */
static void place(blob *b, int where)
{
    if (where == 0) {
        as_initializer(b);
        return;
    }
    wrap(b, 5);
    put_number(b, 20, GLIA_ONNX_ATTR_TENSOR);
    wrap(b, 5);
    if (where == 2) {
        wrap(b, 1);
        wrap(b, 6);
        put_number(b, 20, GLIA_ONNX_ATTR_GRAPH);
        wrap(b, 5);
    }
    wrap(b, where == 3 ? 7 : 1);
    if (where == 3) {
        wrap(b, 25);
        put_sub(b, 7, "", 0);
    } else {
        as_graph(b);
    }
}

static void external(void)
{
    for (int i = 0; i < GLIA_COUNT(external_cases); i++) {
        for (int where = 0; where < 4; where++) {
            blob b = {0};
            put_external(&b, 1, 4, external_cases[i].location, external_cases[i].offset,
                         external_cases[i].length);
            place(&b, where);
            const char *code = code_of(&b);
            if (strcmp(code, external_cases[i].code)) fprintf(stderr, "case %d, place %d\n", i, where);
            CHECK_STR(code, external_cases[i].code);
            blob_free(&b);
        }
    }
}

static void external_bytes(void)
{
    uint8_t got[20];
    glia_onnx *m;
    blob b = {0};
    put_external(&b, 1, 4, "sub/data", "8", NULL);
    as_initializer(&b);
    CHECK_I64(glia_onnx_parse(NULL, b.data, b.size, NULL, NULL, &m, NULL), GLIA_E_UNSUPPORTED);
    CHECK(!glia_onnx_parse(NULL, b.data, b.size, folder, NULL, &m, NULL));
    const glia_onnx_tensor *t = m->graph.initializers;
    CHECK(!t->data && !strcmp(t->location, "sub/data") && t->external_offset == 8);
    CHECK(!glia_onnx_tensor_read(m, t, 4, 8, got, NULL) && got[0] == 12 && got[7] == 19);
    glia_onnx_close(m);
    blob_free(&b);
    put_external(&b, 22, 19, "data", "1", NULL); /* int4: ten bytes from byte 1 on */
    as_initializer(&b);
    CHECK(!glia_onnx_parse(NULL, b.data, b.size, folder, NULL, &m, NULL));
    t = m->graph.initializers;
    CHECK(!glia_onnx_tensor_read(m, t, 2, 17, got, NULL) && got[0] == 2 && got[14] == 0xf9 && got[1] == 0);
    glia_onnx_close(m);
    blob_free(&b);
    /* bools in an external file, and a file that shrinks after it was looked at */
    put_external(&b, 9, 4, "data", NULL, NULL);
    as_initializer(&b);
    CHECK(!glia_onnx_parse(NULL, b.data, b.size, folder, NULL, &m, NULL));
    CHECK(!glia_onnx_tensor_read(m, m->graph.initializers, 0, 2, got, NULL));
    CHECK_I64(glia_onnx_tensor_read(m, m->graph.initializers, 0, 3, got, NULL), GLIA_E_FORMAT);
    CHECK(!truncate(in_folder("data"), 1));
    CHECK_I64(glia_onnx_tensor_read(m, m->graph.initializers, 0, 2, got, NULL), GLIA_E_IO);
    glia_onnx_close(m);
    blob_free(&b);
}

/* Every allocation and every call of the system failing in turn, once and from then on. */
static void every_call_fails(void)
{
    blob b = load(VECTORS "model.onnx");
    save_blob(in_folder("model.onnx"), b.data, b.size);
    blob_free(&b);
    for (int round = 0; round < 2 * FAULT_CLASSES; round++) {
        for (int64_t n = 1; n < 1000; n++) {
            struct fault_os f;
            glia_onnx *m;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, round / 2, n, round & 1);
            glia_status s = glia_onnx_open(&f.os, in_folder("model.onnx"), NULL, &m, NULL);
            if (!s) s = glia_onnx_save(&f.os, in_folder("out.onnx"), m, NULL);
            glia_onnx_close(m);
            CHECK(fault_os_clean(&f));
            /* The look at a file's first bytes may fail once: reading the whole file then decides. */
            const bool look =
                (round / 2 == FAULT_OPEN || round / 2 == FAULT_SIZE || round / 2 == FAULT_READ) &&
                !(round & 1) && n == 1;
            CHECK_I64(s, !f.failed || look ? GLIA_OK : round / 2 == FAULT_MEMORY ? GLIA_E_NOMEM : GLIA_E_IO);
            if (!f.failed) break;
        }
    }
}

/* ---- types of few bits */

static glia_dtype lowbit_line(char *line, float *want)
{
    char *name = strtok(line, " "), *hex = strtok(NULL, " ");
    for (int i = 0; i < (int)strlen(hex) / 8; i++) {
        uint32_t bits = 0;
        for (int k = 0; k < 8; k++) bits = bits << 4 | (uint32_t)hex_digit(hex[8 * i + k]);
        memcpy(&want[i], &bits, sizeof bits);
    }
    return glia_dtype_parse(name);
}

/* The code of the nearest of the values, the even one of two; of what is too large, the largest. */
static int nearest(const float *values, int count, float v)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        if (values[i] != values[i] || isinf(values[i])) continue;
        if (signbit(values[i]) != signbit(v) && values[i] == 0) continue;
        const double off = fabs((double)values[i] - (double)v);
        const double least = best < 0 ? INFINITY : fabs((double)values[best] - (double)v);
        if (off < least || (off == least && !(i & 1))) best = i;
    }
    return best;
}

static void lowbit_values(void)
{
    blob text = load(VECTORS "lowbit.txt");
    put_u8(&text, 0);
    int types = 0;
    for (char *line = (char *)text.data, *end; (end = strchr(line, '\n')); line = end + 1, types++) {
        float want[256];
        *end = 0;
        const glia_dtype t = lowbit_line(line, want);
        const int count = 1 << glia_lowbit_bits(t);
        CHECK(t && glia_lowbit_bits(t));
        for (int i = 0; i < count; i++) {
            const float have = glia_lowbit_to_f32(t, (uint8_t)i);
            CHECK(have == want[i] ? signbit(have) == signbit(want[i]) : have != have && want[i] != want[i]);
            const float back = glia_lowbit_to_f32(t, glia_lowbit_from_f32(t, want[i], false));
            CHECK(back == want[i] || (want[i] != want[i] && (back != back || back == 0)));
        }
        uint32_t state = 7;
        const bool zero = t == GLIA_F8E4M3FNUZ || t == GLIA_F8E5M2FNUZ;
        for (int i = 0; i < 20000 && t != GLIA_F8E8M0; i++) {
            state = state * 1664525u + 1013904223u;
            const float v = ldexpf((float)(int32_t)state * 0x1p-31f, (int)(state >> 8) % 40 - 22);
            const uint8_t code = glia_lowbit_from_f32(t, v, true);
            const int best = nearest(want, count, zero && code == 0 ? fabsf(v) : v);
            if (code != best) fprintf(stderr, "%s: %g is %d, want %d\n", glia_dtype_name(t), v, code, best);
            CHECK(code == best);
        }
    }
    CHECK_I64(types, 8);
    blob_free(&text);
}

static void lowbit_edges(void)
{
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FN, INFINITY, true), 0x7e);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FN, -1e9f, true), 0xfe);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FN, 1e9f, false), 0x7f);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FN, 464, false), 0x7e);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FN, 465, false), 0x7f);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E5M2, -INFINITY, false), 0xfc);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E5M2, INFINITY, true), 0x7b);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E4M3FNUZ, -0.0f, true), 0);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F8E5M2FNUZ, INFINITY, false), 0x80);
    CHECK_I64(glia_lowbit_from_f32(GLIA_F4E2M1, -100, true), 0xf);
    CHECK_I64(glia_lowbit_from_f32(GLIA_I4, 2.5f, true), 2);
    CHECK_I64(glia_lowbit_from_f32(GLIA_I4, -100, true), 0xf8);
    CHECK_I64(glia_lowbit_from_f32(GLIA_U2, 7, true), 3);
    CHECK_I64(glia_e8m0_from_f32(1.1f, GLIA_E8M0_UP, true), 128);
    CHECK_I64(glia_e8m0_from_f32(1.9f, GLIA_E8M0_DOWN, true), 127);
    CHECK_I64(glia_e8m0_from_f32(1.5f, GLIA_E8M0_NEAREST, true), 128);
    CHECK_I64(glia_e8m0_from_f32(INFINITY, GLIA_E8M0_UP, true), 254);
    CHECK_I64(glia_e8m0_from_f32(INFINITY, GLIA_E8M0_UP, false), 255);
    CHECK_I64(glia_e8m0_from_f32(0, GLIA_E8M0_UP, true), 0);
    uint8_t in[23], packed[23], out[23];
    static const glia_dtype types[] = {GLIA_I4,     GLIA_U4,     GLIA_I2,    GLIA_U2,
                                       GLIA_F4E2M1, GLIA_F6E2M3, GLIA_F8E5M2};
    for (int i = 0; i < GLIA_COUNT(types); i++) {
        for (int64_t n = 0; n < 23; n++) {
            int64_t bytes;
            const bool wide = types[i] == GLIA_I4 || types[i] == GLIA_I2;
            for (int k = 0; k < 23; k++) {
                const int bits = glia_lowbit_bits(types[i]), v = k * 37 & ((1 << bits) - 1);
                in[k] = (uint8_t)(wide && v >> (bits - 1) ? v - (1 << bits) : v);
            }
            CHECK(glia_lowbit_packed_bytes(types[i], n, &bytes) &&
                  bytes == (n * glia_lowbit_bits(types[i]) + 7) / 8);
            glia_lowbit_pack(types[i], in, n, packed);
            glia_lowbit_unpack(types[i], packed, n, out);
            CHECK(!memcmp(in, out, (size_t)n));
        }
    }
}

int main(void)
{
    if (!mkdtemp(folder)) return 2;
    make_files();
    RUN(tensors);
    RUN(structure);
    RUN(round_trip);
    RUN(items);
    RUN(wire);
    RUN(damaged_everywhere);
    RUN(lying_tensors);
    RUN(wrong_numbers);
    RUN(nesting);
    RUN(limits);
    RUN(sparse);
    RUN(external);
    RUN(external_bytes);
    RUN(every_call_fails);
    RUN(lowbit_values);
    RUN(lowbit_edges);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command)) return 2;
    return CHECK_EXIT();
}
