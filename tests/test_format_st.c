/* SafeTensors, sets of shards, and .npy files: reading, writing, and what must be survived. Facts about
 * outside files come from Python's json, struct and NumPy. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"

#include "format/npy.h"
#include "format/safetensors.h"
#include "format/source.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[8][256]; /* the last eight stay valid */
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static blob st_file(const char *header, int64_t data_bytes)
{
    blob b = {0};
    put_str(&b, header); /* the same as GGUF's string: a u64 and the text */
    for (int64_t i = 0; i < data_bytes; i++) put_u8(&b, (uint64_t)i);
    return b;
}

/* A parse of exactly these bytes; memory must be in proportion to the file. */
static glia_status parse_exact(const void *data, int64_t size, glia_error *e)
{
    glia_safetensors *st;
    struct fault_os f;
    fault_os_init(&f, NULL);
    void *copy = exact_copy(data, size);
    glia_status s = glia_safetensors_parse(&f.os, copy, size, size, NULL, &st, e);
    CHECK((st != NULL) == (s == GLIA_OK));
    if (st) {
        uint8_t byte;
        for (int64_t i = 0; i < glia_safetensors_count(st); i++) {
            const glia_safetensors_tensor *t = glia_safetensors_at(st, i);
            CHECK(glia_safetensors_find(st, t->name) == t);
            if (t->dtype && t->bytes) CHECK(!glia_safetensors_read(st, t, t->bytes - 1, 1, &byte, NULL));
        }
    }
    glia_safetensors_close(st);
    CHECK(f.peak_bytes <= 64 * size + (2 << 20));
    CHECK(fault_os_clean(&f));
    free(copy);
    return s;
}

static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\",\"empty\":\"\"},"
    "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
    "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"none\":{\"dtype\":\"F32\",\"shape\":[4,0],\"data_offsets\":[8,8]},"
    "\"h\\u00e4\":{\"dtype\":\"F8_E4M3\",\"shape\":[5],\"data_offsets\":[20,25]}}   ";

static void good_file(void)
{
    glia_safetensors *st;
    glia_error e = GLIA_ERROR_INIT;
    blob b = st_file(good_header, 25);
    CHECK_I64(glia_safetensors_parse(NULL, b.data, b.size, b.size, NULL, &st, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    if (st) {
        uint8_t bytes[12];
        CHECK_I64(glia_safetensors_count(st), 4);
        const glia_safetensors_tensor *t = glia_safetensors_find(st, "b");
        CHECK(t && t == glia_safetensors_at(st, 0) && t->dtype == GLIA_F16 && t->rank == 2 &&
              t->dims[0] == 2 && t->dims[1] == 3 && t->bytes == 12);
        CHECK(t && !glia_safetensors_read(st, t, 1, 2, bytes, &e) && bytes[0] == 9 && bytes[1] == 10);
        CHECK(t && glia_safetensors_read(st, t, 1, 12, bytes, NULL) == GLIA_E_ARG &&
              glia_safetensors_read(st, t, -1, 1, bytes, NULL) == GLIA_E_ARG);
        t = glia_safetensors_find(st, "a");
        CHECK(t && t->dtype == GLIA_I64 && t->rank == 0 && t->bytes == 8);
        t = glia_safetensors_find(st, "none");
        CHECK(t && t->bytes == 0 && !glia_safetensors_read(st, t, 0, 0, bytes, &e));
        t = glia_safetensors_find(st, "h\xc3\xa4");
        CHECK(t && t->dtype == GLIA_DTYPE_NONE && t->bytes == 5);
        CHECK(t && glia_safetensors_read(st, t, 0, 1, bytes, &e) == GLIA_E_UNSUPPORTED &&
              strstr(e.text, "F8_E4M3"));
        CHECK_STR(glia_safetensors_metadata(st, "format"), "pt");
        CHECK(!glia_safetensors_metadata(st, "absent") && !glia_safetensors_find(st, "c") &&
              !glia_safetensors_at(st, 4));
        glia_source s = glia_source_from_safetensors(st);
        glia_source_tensor x;
        CHECK(s.count(s.ctx) == 4 && s.find(s.ctx, "b", &x) && x.dims[1] == 3 &&
              !s.read(s.ctx, &x, 0, 1, bytes, &e) && bytes[0] == 8);
    }
    glia_safetensors_close(st);
    blob_free(&b);
}

static void expect(const char *name, const void *data, int64_t size, glia_status status, const char *code)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = parse_exact(data, size, &e);
    if (s == status && strcmp(e.code, code) == 0 && (!s || (glia_explain(code) && e.text[0]))) return;
    fprintf(stderr, "%s: %s %s %s, want %s %s\n", name, glia_status_name(s), e.code, e.text,
            glia_status_name(status), code);
    check_case_failures++;
}

static void hostile_lengths(void)
{
    static const struct {
        uint64_t n;
        const char *code;
    } cases[] = {{0, "G0411"},
                 {1, "G0411"},
                 {7, ""},
                 {8, "G0411"},
                 {(uint64_t)1 << 63, "G0411"},
                 {UINT64_MAX, "G0411"},
                 {UINT64_MAX - 7, "G0411"},
                 {2, "G0416"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put_u64(&b, cases[i].n);
        put(&b, "{}     ", 7);
        expect("length", b.data, b.size, *cases[i].code ? GLIA_E_FORMAT : GLIA_OK, cases[i].code);
        blob_free(&b);
    }
    for (int64_t n = 0; n < 8; n++) expect("short file", "\2\0\0\0\0\0\0", n, GLIA_E_FORMAT, "G0411");
    expect("not an object", "\2\0\0\0\0\0\0\0[]", 10, GLIA_E_FORMAT, "G0412");
    expect("blank first", "\3\0\0\0\0\0\0\0 {}", 11, GLIA_E_FORMAT, "G0412");
    blob big = {0};
    glia_safetensors *st;
    put_u64(&big, 3);
    put(&big, "{ }", 3);
    CHECK_I64(glia_safetensors_parse(NULL, big.data, big.size, big.size, &(glia_safetensors_limits){2, 0, 0},
                                     &st, NULL),
              GLIA_E_LIMIT);
    blob_free(&big);
}

#define T(dtype, shape, begin, end)                                                                          \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void hostile_headers(void)
{
    static const struct {
        const char *header;
        glia_status status;
        const char *code;
    } cases[] = {
        /* all with 16 bytes of data */
        {"{\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_OK, ""},
        {"{\"a\":" T("F32", "[4]", "0", "16") ",\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT,
         "G0403"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", GLIA_E_FORMAT,
         "G0403"},
        {"{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("F32", "[3]", "4", "16") "}", GLIA_E_FORMAT,
         "G0416"}, /* overlap */
        {"{\"a\":" T("F32", "[4]", "0", "16") ",\"b\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT,
         "G0416"},
        {"{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[2]", "8", "16") "}", GLIA_E_FORMAT,
         "G0416"},                                                          /* hole */
        {"{\"a\":" T("F32", "[3]", "4", "16") "}", GLIA_E_FORMAT, "G0416"}, /* hole at the beginning */
        {"{\"a\":" T("F32", "[3]", "0", "12") "}", GLIA_E_FORMAT, "G0416"}, /* trailing bytes */
        {"{\"a\":" T("F32", "[0]", "7", "7") ",\"b\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT,
         "G0416"}, /* empty, inside another */
        {"{}", GLIA_E_FORMAT, "G0416"},
        {"{\"a\":" T("F32", "[4]", "16", "0") "}", GLIA_E_FORMAT, "G0416"},
        {"{\"a\":" T("F32", "[4]", "-16", "0") "}", GLIA_E_FORMAT, "G0416"},
        {"{\"a\":" T("F32", "[4]", "0", "17") "}", GLIA_E_FORMAT, "G0416"},
        {"{\"a\":" T("F32", "[4]", "0", "9223372036854775807") "}", GLIA_E_FORMAT, "G0416"},
        {"{\"a\":" T("F32", "[4]", "0", "18446744073709551616") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":" T("F32", "[4]", "0", "1.6e1") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":" T("F32", "[5]", "0", "16") "}", GLIA_E_FORMAT, "G0417"},
        {"{\"a\":" T("F32", "[]", "0", "16") "}", GLIA_E_FORMAT, "G0417"},
        {"{\"a\":" T("F32", "[4,0]", "0", "16") "}", GLIA_E_FORMAT, "G0417"},
        {"{\"a\":" T("F64", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0417"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "0", "16") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[0,4294967296,4294967296]", "0", "0") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[4611686018427387905]", "0", "4") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[-4]", "0", "16") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[NaN]", "0", "16") "}", GLIA_E_FORMAT, "G0401"},
        {"{\"a\":" T("F32", "[1e400]", "0", "16") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[4.0]", "0", "16") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "[\"4\"]", "0", "16") "}", GLIA_E_FORMAT, "G0414"},
        {"{\"a\":" T("F32", "4", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,4]", "0", "16") "}", GLIA_E_LIMIT, "G0415"},
        {"{\"a\":" T("F4", "[32]", "0", "16") "}", GLIA_E_UNSUPPORTED, "G0418"},
        {"{\"a\":" T("f32", "[4]", "0", "16") "}", GLIA_E_UNSUPPORTED, "G0418"},
        {"{\"a\":{\"dtype\":0,\"shape\":[4],\"data_offsets\":[0,16]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,8,16]}}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":[]}", GLIA_E_FORMAT, "G0413"},
        {"{\"\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\\u0000b\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"__metadata__\":{\"k\":1},\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"__metadata__\":{\"k\":{}},\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"__metadata__\":null,\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_OK, ""},
        {"{\"__metadata__\":\"k\",\"a\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0413"},
        {"{\"a\":" T("F32", "[4]", "0", "16") "}}", GLIA_E_FORMAT, "G0401"},
        {"{\"a\":" T("F32", "[4]", "0", "16"), GLIA_E_FORMAT, "G0401"},
        {"{\"\xff\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0401"},
        {"{\"\\ud800\":" T("F32", "[4]", "0", "16") "}", GLIA_E_FORMAT, "G0401"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = st_file(cases[i].header, 16);
        expect(cases[i].header, b.data, b.size, cases[i].status, cases[i].code);
        blob_free(&b);
    }
}

static void hostile_depth(void)
{
    enum { DEPTH = 1000 };
    char text[2 * DEPTH + 16];
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', DEPTH);
    memset(text + 5 + DEPTH, ']', DEPTH);
    memcpy(text + 5 + 2 * DEPTH, "}", 2);
    blob b = st_file(text, 0);
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = parse_exact(b.data, b.size, &e);
    CHECK(s == GLIA_E_LIMIT || s == GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0402");
    blob_free(&b);
}

/* A text of nothing but commas and digits has the most nodes for its bytes. */
static void hostile_nodes(void)
{
    enum { N = 1 << 20 };
    char *text = malloc(2 * N + 16);
    if (!text) exit(2);
    memcpy(text, "{\"a\":[", 6);
    for (int i = 0; i < N; i++) memcpy(text + 6 + 2 * i, "1,", 2);
    memcpy(text + 6 + 2 * N - 1, "]}", 3);
    blob b = st_file(text, 0);
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = parse_exact(b.data, b.size, &e);
    CHECK(s == GLIA_E_FORMAT || s == GLIA_E_NOMEM || s == GLIA_E_LIMIT);
    blob_free(&b);
    free(text);
}

static void cut_and_flip(void)
{
    int64_t loaded = 0;
    blob b = st_file(good_header, 25);
    for (int64_t n = 0; n < b.size; n++) {
        glia_error e = GLIA_ERROR_INIT;
        CHECK_I64(parse_exact(b.data, n, &e), GLIA_E_FORMAT);
        CHECK(glia_explain(e.code) && e.text[0]);
    }
    for (int64_t bit = 0; bit < 8 * (b.size - 25); bit++) {
        glia_error e = GLIA_ERROR_INIT;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        glia_status s = parse_exact(b.data, b.size, &e);
        CHECK(s == GLIA_OK || s == GLIA_E_FORMAT || s == GLIA_E_LIMIT || s == GLIA_E_UNSUPPORTED);
        CHECK(s == GLIA_OK || (glia_explain(e.code) && e.text[0]));
        loaded += s == GLIA_OK;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(loaded > 0);
    blob_free(&b);
}

static void save_set(const char *index)
{
    blob one = st_file("{\"a\":" T("F32", "[2]", "0", "8") "}", 8),
         two = st_file("{\"b\":" T("U8", "[3]", "0", "3") "}", 3);
    save_blob(in_folder("one.safetensors"), one.data, one.size);
    save_blob(in_folder("two.safetensors"), two.data, two.size);
    save_blob(in_folder("m.index.json"), index, (int64_t)strlen(index));
    blob_free(&one);
    blob_free(&two);
}

static void shards(void)
{
    static const struct {
        const char *index;
        glia_status status;
        const char *code;
    } cases[] = {
        {"{\"metadata\":{\"total_size\":11},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two."
         "safetensors\"}}",
         GLIA_OK, ""},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"}}", GLIA_OK, ""},
        {"{\"weight_map\":{}}", GLIA_OK, ""},
        {"{}", GLIA_E_FORMAT, "G0421"},
        {"[]", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":[]}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"b\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":7}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\".\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"..\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"x\\\\one.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\\u0000/x\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"c:one.safetensors\"}}", GLIA_E_FORMAT, "G0421"},
        {"{\"weight_map\":{\"a\":\"absent.safetensors\"}}", GLIA_E_IO, "G0802"},
        {"{\"weight_map\":{\"a\":\"m.index.json\"}}", GLIA_E_FORMAT, "G0411"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", GLIA_E_FORMAT, "G0403"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        glia_safetensors *st;
        glia_error e = GLIA_ERROR_INIT;
        save_set(cases[i].index);
        glia_status s = glia_safetensors_open(NULL, in_folder("m.index.json"), NULL, &st, &e);
        if (s != cases[i].status || strcmp(e.code, cases[i].code)) {
            fprintf(stderr, "%s: %s %s %s\n", cases[i].index, glia_status_name(s), e.code, e.text);
            check_case_failures++;
        }
        if (st && i == 0) {
            uint8_t byte;
            const glia_safetensors_tensor *t = glia_safetensors_find(st, "b");
            CHECK(glia_safetensors_shard_count(st) == 2 && t && t->shard == 1);
            CHECK(t && !glia_safetensors_read(st, t, 2, 1, &byte, &e) && byte == 2);
            CHECK_STR(glia_safetensors_shard_name(st, 1), "two.safetensors");
        }
        glia_safetensors_close(st);
    }
    glia_safetensors *st;
    save_set(cases[0].index);
    CHECK_I64(glia_safetensors_open(NULL, in_folder("m.index.json"), &(glia_safetensors_limits){0, 0, 1}, &st,
                                    NULL),
              GLIA_E_LIMIT);
    CHECK_I64(glia_safetensors_open(NULL, in_folder("m.index.json"), &(glia_safetensors_limits){0, 1, 0}, &st,
                                    NULL),
              GLIA_E_LIMIT);
}

static glia_status open_set(const glia_os *os, const char *path)
{
    glia_safetensors *st;
    uint8_t byte;
    glia_status s = glia_safetensors_open(os, path, NULL, &st, NULL);
    if (!s) s = glia_safetensors_read(st, glia_safetensors_find(st, "b"), 0, 1, &byte, NULL);
    glia_safetensors_close(st);
    return s;
}

static glia_status write_npy(const glia_os *os, const char *path)
{
    return glia_npy_write_f32(os, path, 2, (int64_t[]){2, 3}, (const float[]){0, 1, 2, 3, 4, 5}, NULL);
}

static glia_status read_npy(const glia_os *os, const char *path)
{
    glia_npy a;
    glia_status s = glia_npy_read(os, path, 0, &a, NULL);
    CHECK(s || a.count == 6);
    glia_npy_free(os, &a);
    return s;
}

static void fail_in_turn(glia_status (*act)(const glia_os *os, const char *path), const char *path)
{
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        for (int64_t n = 1; n < 1000; n++) {
            struct fault_os f;
            fault_os_init(&f, NULL);
            fault_os_fail(&f, class, n, n & 1);
            glia_status s = act(&f.os, path);
            CHECK(fault_os_clean(&f));
            CHECK_I64(s, !f.failed ? GLIA_OK : class == FAULT_MEMORY ? GLIA_E_NOMEM : GLIA_E_IO);
            if (!f.failed) break;
        }
    }
}

static void every_call_fails(void)
{
    save_set("{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    fail_in_turn(open_set, in_folder("m.index.json"));
    fail_in_turn(write_npy, in_folder("a.npy"));
    fail_in_turn(read_npy, in_folder("a.npy"));
    CHECK(access(in_folder("a.npy.tmp"), F_OK) == -1);
}

/* What NumPy writes for arange(6, dtype='<f4').reshape(2, 3). */
static void npy_bytes(void)
{
    static const char header[] =
        "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    blob b = {0};
    put(&b, header, sizeof header - 1);
    while (b.size < 127) put(&b, " ", 1);
    put(&b, "\n", 1);
    for (int i = 0; i < 6; i++) put_f32(&b, (float)i);
    CHECK(!write_npy(NULL, in_folder("a.npy")));
    uint8_t got[256];
    FILE *f = fopen(in_folder("a.npy"), "rb");
    int64_t n = f ? (int64_t)fread(got, 1, sizeof got, f) : 0;
    if (f) fclose(f);
    CHECK(n == b.size && !memcmp(got, b.data, (size_t)n));
    glia_npy a;
    CHECK(!glia_npy_parse(NULL, b.data, b.size, &a, NULL));
    CHECK(a.dtype == GLIA_F32 && a.rank == 2 && a.dims[0] == 2 && a.dims[1] == 3 && a.count == 6 && a.data &&
          ((float *)a.data)[5] == 5);
    glia_npy_free(NULL, &a);
    for (int64_t i = 0; i < b.size; i++) {
        void *copy = exact_copy(b.data, i);
        CHECK_I64(glia_npy_parse(NULL, copy, i, &a, NULL), GLIA_E_FORMAT);
        free(copy);
    }
    for (int64_t bit = 0; bit < 8 * 128; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        glia_error e = GLIA_ERROR_INIT;
        glia_status s = glia_npy_parse(NULL, b.data, b.size, &a, &e);
        CHECK(s == GLIA_OK || s == GLIA_E_FORMAT || s == GLIA_E_UNSUPPORTED || s == GLIA_E_LIMIT);
        CHECK(!s || (glia_explain(e.code) && e.text[0]));
        glia_npy_free(NULL, &a);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    blob_free(&b);
}

static void npy_headers(void)
{
    static const struct {
        const char *dict;
        glia_status status;
        const char *code;
    } cases[] = {
        /* all with 16 bytes of data */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", GLIA_OK, ""},
        {"{'shape': (2, 2), 'fortran_order': False, \"descr\": '<i4'}\n", GLIA_OK, ""},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", GLIA_OK, ""},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", GLIA_OK, ""},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (16,), }", GLIA_OK, ""},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (8,), }", GLIA_OK, ""},
        {"{'descr': '<u8', 'fortran_order': False, 'shape': (2,), }", GLIA_OK, ""},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", GLIA_E_UNSUPPORTED, "G0432"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (), }", GLIA_E_FORMAT, "G0433"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (4,), }", GLIA_E_UNSUPPORTED, "G0432"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (4,), }", GLIA_E_UNSUPPORTED, "G0432"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }", GLIA_E_UNSUPPORTED, "G0432"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", GLIA_E_UNSUPPORTED, "G0432"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", GLIA_E_FORMAT, "G0433"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", GLIA_E_FORMAT, "G0433"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387908,), }", GLIA_E_FORMAT,
         "G0433"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296), }", GLIA_E_FORMAT,
         "G0433"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", GLIA_E_FORMAT,
         "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4, }", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 2), }", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4), }", GLIA_E_LIMIT, "G0415"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'shape': (4,)}", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (4,)}", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False}", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4", GLIA_E_FORMAT, "G0431"},
        {"{'descr': 4, 'fortran_order': False, 'shape': (4,), }", GLIA_E_FORMAT, "G0431"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), } x", GLIA_E_FORMAT, "G0431"},
        {"", GLIA_E_FORMAT, "G0431"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        glia_npy a;
        glia_error e = GLIA_ERROR_INIT;
        put(&b, "\x93NUMPY\x01\x00", 8);
        put_u16(&b, strlen(cases[i].dict));
        put(&b, cases[i].dict, (int64_t)strlen(cases[i].dict));
        put_zeros(&b, 16);
        void *copy = exact_copy(b.data, b.size);
        glia_status s = glia_npy_parse(NULL, copy, b.size, &a, &e);
        if (s != cases[i].status || strcmp(e.code, cases[i].code)) {
            fprintf(stderr, "%s: %s %s %s\n", cases[i].dict, glia_status_name(s), e.code, e.text);
            check_case_failures++;
        }
        glia_npy_free(NULL, &a);
        free(copy);
        blob_free(&b);
    }
    glia_npy a;
    CHECK_I64(glia_npy_read(NULL, in_folder("a.npy"), 16, &a, NULL), GLIA_E_LIMIT);
    CHECK_I64(glia_npy_read(NULL, in_folder("absent"), 0, &a, NULL), GLIA_E_IO);
    CHECK_I64(glia_npy_write_f32(NULL, in_folder("a.npy"), 1, (int64_t[]){-1}, (const float[]){0}, NULL),
              GLIA_E_SHAPE);
    CHECK_I64(glia_npy_write_f32(NULL, in_folder("a.npy"), 9, (int64_t[]){1}, (const float[]){0}, NULL),
              GLIA_E_ARG);
    CHECK(!glia_npy_write_f32(NULL, in_folder("a.npy"), 0, NULL, (const float[]){7}, NULL));
    CHECK(!glia_npy_read(NULL, in_folder("a.npy"), 0, &a, NULL) && a.rank == 0 && a.count == 1 &&
          *(float *)a.data == 7);
    glia_npy_free(NULL, &a);
    int64_t most = INT64_MAX; /* the longest preamble; nothing follows, since one dimension is 0 */
    CHECK(
        !glia_npy_write_f32(NULL, in_folder("a.npy"), 8, (int64_t[]){0, most, 1, 1, 1, 1, 1, 1}, NULL, NULL));
    CHECK(!glia_npy_read(NULL, in_folder("a.npy"), 0, &a, NULL) && a.rank == 8 && a.count == 0 &&
          a.dims[1] == most);
    glia_npy_free(NULL, &a);
}

static void outside_files(void)
{
    char path[512];
    glia_safetensors *st;
    glia_error e = GLIA_ERROR_INIT;
    float v;
    snprintf(path, sizeof path, "%s/onnx/silero-vad/silero_vad_16k.safetensors", check_data_dir());
    CHECK_I64(glia_safetensors_open(NULL, path, NULL, &st, &e), GLIA_OK);
    if (st) {
        const glia_safetensors_tensor *t = glia_safetensors_find(st, "conv2.weight");
        CHECK_I64(glia_safetensors_count(st), 15);
        CHECK(t && t->rank == 3 && t->dims[0] == 64 && t->dims[1] == 128 && t->dims[2] == 3 &&
              t->offset == 8 + 1208 + 462848 && t->bytes == 98304);
        CHECK(t && !glia_safetensors_read(st, t, 20, 4, &v, &e) && v == 0.013079373f);
    }
    glia_safetensors_close(st);
    snprintf(path, sizeof path, "%s/llm/tiny-random/lora_adapters.safetensors", check_data_dir());
    CHECK_I64(glia_safetensors_open(NULL, path, NULL, &st, &e), GLIA_OK);
    if (st) {
        const glia_safetensors_tensor *t =
            glia_safetensors_find(st, "model.layers.31.self_attn.v_proj.lora_b");
        CHECK_I64(glia_safetensors_count(st), 8);
        CHECK(t && t->dims[0] == 8 && t->dims[1] == 1024 && !glia_safetensors_read(st, t, 20, 4, &v, &e) &&
              v == -0.010878342f);
    }
    glia_safetensors_close(st);
    glia_npy a;
    snprintf(path, sizeof path, "%s/ltc-cheetah/trace_0000.npy", check_data_dir());
    CHECK_I64(glia_npy_read(NULL, path, 0, &a, &e), GLIA_OK);
    CHECK(a.dtype == GLIA_F64 && a.rank == 2 && a.dims[0] == 1000 && a.dims[1] == 17 &&
          ((double *)a.data)[10] == -0.01069385841772154);
    glia_npy_free(NULL, &a);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/glia-format-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    RUN(good_file);
    RUN(hostile_lengths);
    RUN(hostile_headers);
    RUN(hostile_depth);
    RUN(hostile_nodes);
    RUN(cut_and_flip);
    RUN(shards);
    RUN(every_call_fails);
    RUN(npy_bytes);
    RUN(npy_headers);
    if (check_data_dir()) RUN(outside_files);
    else SKIP("outside_files", "GLIA_TEST_DATA is not set");
    const char *left[] = {"one.safetensors", "two.safetensors", "m.index.json", "a.npy"};
    for (int i = 0; i < 4; i++) unlink(in_folder(left[i]));
    return CHECK_EXIT() | (rmdir(folder) != 0);
}
