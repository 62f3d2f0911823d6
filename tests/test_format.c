/* GGUF: reading, writing, and what must be survived. Files are built byte by byte here (format_blob.h), so
 * that the reader is not tested against our own writer; counts of the outside files come from the gguf Python
 * package. */
#include "check.h"
#include "fault_os.h"
#include "format_blob.h"

#include "format/gguf.h"
#include "format/gguf_write.h"
#include "format/source.h"
#include "llm/synth.h"
#include "tensor/dtype.h"

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

static void put_header(blob *b, uint64_t tensors, uint64_t keys)
{
    put(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, tensors);
    put_u64(b, keys);
}

static void put_key(blob *b, const char *key, uint32_t type)
{
    put_str(b, key);
    put_u32(b, type);
}

static void put_tensor(blob *b, const char *name, int rank, const uint64_t *dims, uint32_t type,
                       uint64_t offset)
{
    put_str(b, name);
    put_u32(b, (uint32_t)rank);
    for (int i = 0; i < rank; i++) put_u64(b, dims[i]); /* innermost first */
    put_u32(b, type);
    put_u64(b, offset);
}

static void pad(blob *b, int64_t alignment) { put_zeros(b, (alignment - b->size % alignment) % alignment); }

/* Every type of value and of array, and two tensors. */
static blob every_type_file(int64_t *header_bytes)
{
    blob b = {0};
    put_header(&b, 2, 26);
    put_key(&b, "u8", 0), put_u8(&b, 200);
    put_key(&b, "i8", 1), put_u8(&b, 0x9c); /* -100 */
    put_key(&b, "u16", 2), put_u16(&b, 60000);
    put_key(&b, "i16", 3), put_u16(&b, 0x8ad0); /* -30000 */
    put_key(&b, "u32", 4), put_u32(&b, 4000000000u);
    put_key(&b, "i32", 5), put_u32(&b, 0x88ca6c00); /* -2000000000 */
    put_key(&b, "f32", 6), put_f32(&b, 0.25f);
    put_key(&b, "bool", 7), put_u8(&b, 1);
    put_key(&b, "string", 8), put_u64(&b, 3), put(&b, "a\0b", 3);
    put_key(&b, "u64", 10), put_u64(&b, UINT64_MAX);
    put_key(&b, "i64", 11), put_u64(&b, (uint64_t)1 << 63);
    put_key(&b, "f64", 12), put_f64(&b, -1.5e300);
    for (uint32_t t = 0; t <= 12; t++) {
        static const int bytes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        char key[16];
        snprintf(key, sizeof key, "array%u", t);
        if (t == 9) continue;
        put_key(&b, key, 9), put_u32(&b, t), put_u64(&b, 3);
        for (int i = 0; i < 3; i++) {
            if (t == 8) put_str(&b, i == 1 ? "" : "text");
            else if (t == 6) put_f32(&b, (float)i - 0.5f);
            else if (t == 12) put_f64(&b, i - 0.5);
            else put_int(&b, t == 7 ? (uint64_t)(i & 1) : (uint64_t)(i - 1), bytes[t]); /* -1, 0, 1 */
        }
    }
    put_key(&b, "empty", 9), put_u32(&b, 4), put_u64(&b, 0);
    put_key(&b, "no text", 8), put_u64(&b, 0);
    put_tensor(&b, "second", 2, (uint64_t[]){32, 3}, 8, 64); /* q8_0 [3, 32], 102 bytes */
    put_tensor(&b, "first", 3, (uint64_t[]){2, 3, 1}, 0, 0); /* f32 [1, 3, 2] */
    pad(&b, 32);
    *header_bytes = b.size;
    for (int i = 0; i < 6; i++) put_f32(&b, (float)i);
    while (b.size < *header_bytes + 64) put_u8(&b, 0);
    for (int i = 0; i < 102; i++) put_u8(&b, (uint64_t)i);
    return b;
}

static void check_every_type(const glia_gguf *g)
{
    glia_error e = GLIA_ERROR_INIT;
    uint64_t u = 0;
    int64_t i = 0;
    double f = 0;
    bool t = false;
    glia_gguf_string s;
    const glia_gguf_value *a;
    CHECK(!glia_gguf_u64(g, "u8", &u, &e) && u == 200);
    CHECK(!glia_gguf_i64(g, "i8", &i, &e) && i == -100);
    CHECK(!glia_gguf_u64(g, "u16", &u, &e) && u == 60000);
    CHECK(!glia_gguf_i64(g, "i16", &i, &e) && i == -30000);
    CHECK(!glia_gguf_u64(g, "u32", &u, &e) && u == 4000000000u);
    CHECK(!glia_gguf_i64(g, "i32", &i, &e) && i == -2000000000);
    CHECK(!glia_gguf_u64(g, "u64", &u, &e) && u == UINT64_MAX);
    CHECK(!glia_gguf_i64(g, "i64", &i, &e) && i == INT64_MIN);
    CHECK(!glia_gguf_f64(g, "f32", &f, &e) && f == 0.25);
    CHECK(!glia_gguf_f64(g, "f64", &f, &e) && f == -1.5e300);
    CHECK(!glia_gguf_bool(g, "bool", &t, &e) && t);
    CHECK(!glia_gguf_string_of(g, "string", &s, &e) && s.size == 3 && !memcmp(s.text, "a\0b", 3));
    CHECK(!glia_gguf_string_of(g, "no text", &s, &e) && s.size == 0);
    for (int type = 0; type <= 12; type++) {
        char key[16];
        snprintf(key, sizeof key, "array%d", type);
        if (type == 9) continue;
        CHECK(!glia_gguf_array_of(g, key, (glia_gguf_type)type, &a, &e) && a->count == 3);
        bool is_signed = type == 1 || type == 3 || type == 5 || type == 11,
             is_float = type == 6 || type == 12;
        if (is_float) CHECK(glia_gguf_element_f64(a, 2, &f) && f == 1.5);
        else if (type == 8)
            CHECK(a->strings[0].size == 4 && a->strings[1].size == 0 &&
                  !memcmp(a->strings[2].text, "text", 4));
        else CHECK(glia_gguf_element_i64(a, 2, &i) && i == (type == 7 ? 0 : 1));
        if (is_signed) CHECK(glia_gguf_element_i64(a, 0, &i) && i == -1);
        CHECK(!glia_gguf_element_i64(a, 3, &i) && !glia_gguf_element_i64(a, -1, &i) &&
              !glia_gguf_element_f64(a, 3, &f));
    }
    CHECK(!glia_gguf_array_of(g, "empty", GLIA_GGUF_U32, &a, &e) && a->count == 0);
    CHECK_I64(e.status, 0);
}

static void every_type(void)
{
    int64_t header;
    glia_error e = GLIA_ERROR_INIT;
    glia_gguf *g;
    blob b = every_type_file(&header);
    void *file = exact_copy(b.data, b.size);
    CHECK_I64(glia_gguf_parse(NULL, file, b.size, b.size, NULL, &g, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    if (g) {
        CHECK_I64(glia_gguf_count(g), 26);
        CHECK_I64(glia_gguf_version(g), 3);
        CHECK_I64(glia_gguf_data_offset(g), header);
        check_every_type(g);
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, "second");
        CHECK(t && t == glia_gguf_tensor_at(g, 0) && t->dtype == GLIA_Q8_0 && t->rank == 2 &&
              t->dims[0] == 3 && t->dims[1] == 32);
        CHECK(t && t->offset == header + 64 && t->bytes == 102);
        t = glia_gguf_tensor_find(g, "first");
        CHECK(t && t->dtype == GLIA_F32 && t->rank == 3 && t->dims[0] == 1 && t->dims[1] == 3 &&
              t->dims[2] == 2);
        float two[2];
        CHECK(t && !glia_gguf_read(g, t, 8, 8, two, &e) && two[0] == 2 && two[1] == 3);
        CHECK(!glia_gguf_tensor_find(g, "third") && !glia_gguf_tensor_at(g, 2) && !glia_gguf_at(g, 26) &&
              !glia_gguf_at(g, -1));
    }
    glia_gguf_close(g);
    free(file);
    blob_free(&b);
}

static void getters_refuse(void)
{
    int64_t header, i = 7;
    uint64_t u = 7;
    double f = 7;
    bool t;
    glia_gguf_string s;
    const glia_gguf_value *a;
    glia_gguf *g;
    blob b = every_type_file(&header);
    CHECK_I64(glia_gguf_parse(NULL, b.data, b.size, b.size, NULL, &g, NULL), GLIA_OK);
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_gguf_u64(g, "absent", &u, &e), GLIA_E_NOT_FOUND);
    CHECK_STR(e.code, "G0321");
    CHECK_I64(glia_gguf_u64(g, "i8", &u, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_u64(g, "f32", &u, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_u64(g, "bool", &u, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_u64(g, "array4", &u, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_i64(g, "u64", &i, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_f64(g, "u8", &f, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_bool(g, "u8", &t, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_string_of(g, "array8", &s, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_array_of(g, "array8", GLIA_GGUF_U32, &a, NULL), GLIA_E_FORMAT);
    CHECK_I64(glia_gguf_array_of(g, "u8", GLIA_GGUF_U8, &a, NULL), GLIA_E_FORMAT);
    CHECK(u == 7 && i == 7 && f == 7);
    CHECK(!glia_gguf_u64_or(g, "absent", 5, &u, NULL) && u == 5);
    CHECK_I64(glia_gguf_u64_or(g, "f32", 5, &u, NULL), GLIA_E_FORMAT);
    CHECK(!glia_gguf_f64_or(g, "absent", 0.5, &f, NULL) && f == 0.5);
    CHECK(!glia_gguf_bool_or(g, "absent", true, &t, NULL) && t);
    CHECK(!glia_gguf_string_or(g, "absent", "x", &s, NULL) && s.size == 1);
    CHECK(!glia_gguf_array_or_null(g, "absent", GLIA_GGUF_U8, &a, NULL) && !a);
    glia_gguf_close(g);
    blob_free(&b);
}

/* The writer makes the same bytes as the hand. */
static void writer_bytes(void)
{
    int64_t header, bytes, file_bytes;
    const void *data;
    glia_gguf *g;
    glia_gguf_writer *w;
    glia_error e = GLIA_ERROR_INIT;
    blob b = every_type_file(&header);
    CHECK(!glia_gguf_parse(NULL, b.data, b.size, b.size, NULL, &g, &e));
    CHECK(!glia_gguf_writer_create(NULL, &w, &e));
    for (int64_t i = 0; i < glia_gguf_count(g); i++) glia_gguf_set_value(w, glia_gguf_at(g, i));
    /* In the order of the file; the hand put the second one's data last, the writer puts it first. */
    glia_gguf_add_tensor(w, "second", GLIA_Q8_0, 2, (int64_t[]){3, 32});
    glia_gguf_add_tensor(w, "first", GLIA_F32, 3, (int64_t[]){1, 3, 2});
    CHECK_I64(glia_gguf_writer_header(w, &data, &bytes, &file_bytes, &e), GLIA_OK);
    CHECK_STR(e.text, "");
    CHECK_I64(bytes, header);
    CHECK_I64(file_bytes, header + 128 + 32);
    int64_t same = 0, list = 8 + 6 + 4 + 16 + 4 + 8 + 8 + 5 + 4 + 24 + 4 + 8;
    while (same < header && ((const uint8_t *)data)[same] == b.data[same]) same++;
    CHECK(same >= header - list - 31); /* up to the first tensor's offset */
    glia_gguf_writer_destroy(w);
    glia_gguf_close(g);
    blob_free(&b);
}

static glia_status produce_count(void *ctx, int64_t tensor, int64_t begin, int64_t bytes, void *to,
                                 glia_error *e)
{
    (void)e;
    if (tensor == 1 && ctx) return GLIA_E_CANCELLED;
    for (int64_t i = 0; i < bytes; i++) ((uint8_t *)to)[i] = (uint8_t)(tensor * 100 + begin + i);
    return GLIA_OK;
}

static void writer_file(void)
{
    glia_gguf_writer *w;
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    const char *path = in_folder("written.gguf");
    for (int stop = 1; stop >= 0; stop--) {
        CHECK(!glia_gguf_writer_create(NULL, &w, &e));
        glia_gguf_set_u32(w, "general.alignment", 64);
        glia_gguf_add_tensor(w, "a", GLIA_F16, 1, (int64_t[]){5});
        glia_gguf_add_tensor(w, "b", GLIA_Q4_0, 2, (int64_t[]){2, 64});
        CHECK_I64(glia_gguf_writer_write(w, path, produce_count, stop ? &e : NULL, &e),
                  stop ? GLIA_E_CANCELLED : GLIA_OK);
        glia_gguf_writer_destroy(w);
        CHECK(access(path, F_OK) == (stop ? -1 : 0));
        CHECK(access(in_folder("written.gguf.tmp"), F_OK) == -1);
    }
    CHECK_I64(glia_gguf_open(NULL, path, NULL, &g, &e), GLIA_OK);
    if (g) {
        CHECK_I64(glia_gguf_alignment(g), 64);
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, "b");
        uint8_t part[3];
        const void *map;
        CHECK(t && t->offset % 64 == 0 && !glia_gguf_read(g, t, 4, 3, part, &e) && part[0] == 104 &&
              part[2] == 106);
        CHECK(t && !glia_gguf_map(g, &map, &e) && ((const uint8_t *)map)[t->offset + 5] == 105);
        glia_source s = glia_source_from_gguf(g);
        glia_source_tensor st;
        char text[64];
        CHECK(s.count(s.ctx) == 2 && s.find(s.ctx, "a", &st) && st.dtype == GLIA_F16 && st.dims[0] == 5);
        glia_source_origin(&st, text, sizeof text);
        CHECK_STR(text, "written.gguf at 0xc0");
        CHECK(!s.read(s.ctx, &st, 9, 1, part, &e) && part[0] == 9);
        CHECK_I64(glia_source_require(&s, "c", &st, &e), GLIA_E_NOT_FOUND);
    }
    glia_gguf_close(g);
}

static void writer_refuses(void)
{
    const struct {
        int what;
        glia_status status;
    } cases[] = {{0, GLIA_E_FORMAT}, {1, GLIA_E_FORMAT}, {2, GLIA_E_DTYPE}, {3, GLIA_E_SHAPE},
                 {4, GLIA_E_ARG},    {5, GLIA_E_SHAPE},  {6, GLIA_E_FORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        glia_gguf_writer *w;
        glia_error e = GLIA_ERROR_INIT;
        CHECK(!glia_gguf_writer_create(NULL, &w, &e));
        glia_gguf_add_tensor(w, "a", GLIA_F32, 1, (int64_t[]){4});
        switch (cases[i].what) {
        case 0: glia_gguf_add_tensor(w, "a", GLIA_F32, 1, (int64_t[]){4}); break;
        case 1: glia_gguf_set_u8(w, "k", 1), glia_gguf_set_u8(w, "k", 1); break;
        case 2: glia_gguf_add_tensor(w, "b", GLIA_A8X32, 1, (int64_t[]){32}); break;
        case 3: glia_gguf_add_tensor(w, "b", GLIA_Q8_0, 1, (int64_t[]){31}); break;
        case 4: glia_gguf_set_u32(w, "general.alignment", 3); break;
        case 5: glia_gguf_add_tensor(w, "b", GLIA_F32, 2, (int64_t[]){INT64_MAX, 4}); break;
        case 6: glia_gguf_set_u8(w, "", 1); break;
        }
        CHECK_I64(glia_gguf_writer_write(w, in_folder("refused.gguf"), produce_count, NULL, &e),
                  cases[i].status);
        CHECK(access(in_folder("refused.gguf"), F_OK) == -1);
        glia_gguf_writer_destroy(w);
    }
}

/* A parse of exactly these bytes; memory must be in proportion to the file. */
static glia_status parse_exact(const void *data, int64_t available, int64_t file_size, glia_error *e)
{
    glia_gguf *g;
    struct fault_os f;
    fault_os_init(&f, NULL);
    void *copy = exact_copy(data, available);
    glia_status s = glia_gguf_parse(&f.os, copy, available, file_size, NULL, &g, e);
    CHECK((g != NULL) == (s == GLIA_OK));
    if (g) {
        uint8_t byte;
        for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
            const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
            CHECK(glia_gguf_tensor_find(g, t->name) == t);
            if (t->dtype) CHECK(!glia_gguf_read(g, t, t->bytes - 1, 1, &byte, NULL));
        }
        for (int64_t i = 0; i < glia_gguf_count(g); i++)
            CHECK(glia_gguf_find(g, glia_gguf_at(g, i)->key) == glia_gguf_at(g, i));
    }
    glia_gguf_close(g);
    CHECK(f.peak_bytes <= 32 * available + (256 << 10));
    CHECK(fault_os_clean(&f));
    free(copy);
    return s;
}

static void cut_everywhere(void)
{
    int64_t header;
    blob b = every_type_file(&header);
    for (int64_t n = 0; n < b.size; n++) {
        glia_error e = GLIA_ERROR_INIT;
        CHECK_I64(parse_exact(b.data, n, n, &e), GLIA_E_FORMAT);
        CHECK(e.code[0] == 'G' && e.offset >= 0 && e.offset <= n && glia_explain(e.code));
        if (n < header - 31)
            CHECK_I64(parse_exact(b.data, n, b.size, &e),
                      GLIA_E_FORMAT); /* the file is whole, but not in memory */
    }
    CHECK_I64(parse_exact(b.data, b.size, b.size, NULL), GLIA_OK);
    blob_free(&b);
}

/* A vocabulary ends with its last value: no byte of it may be missing. */
static void cut_vocabulary(void)
{
    static const int bytes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (uint32_t t = 0; t <= 12; t++) {
        for (int array = 0; array < 2; array++) {
            blob b = {0};
            if (t == 9) continue;
            put_header(&b, 0, 1);
            put_key(&b, "key", array ? 9 : t);
            if (array) put_u32(&b, t), put_u64(&b, 2);
            for (int i = 0; i <= array; i++) {
                if (t == 8) put_str(&b, "text");
                else put_int(&b, 1, bytes[t]);
            }
            for (int64_t n = 0; n < b.size; n++) CHECK_I64(parse_exact(b.data, n, n, NULL), GLIA_E_FORMAT);
            CHECK_I64(parse_exact(b.data, b.size, b.size, NULL), GLIA_OK);
            blob_free(&b);
        }
    }
}

static void flip_every_bit(void)
{
    int64_t header, loaded = 0;
    blob b = every_type_file(&header);
    for (int64_t bit = 0; bit < 8 * header; bit++) {
        glia_error e = GLIA_ERROR_INIT;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        glia_status s = parse_exact(b.data, b.size, b.size, &e);
        CHECK(s == GLIA_OK || s == GLIA_E_FORMAT || s == GLIA_E_LIMIT || s == GLIA_E_UNSUPPORTED);
        CHECK(s == GLIA_OK || (glia_explain(e.code) && e.text[0]));
        loaded += s == GLIA_OK;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(loaded > 0 && loaded < 8 * header);
    blob_free(&b);
}

static void expect(const char *name, const blob *b, int64_t file_size, glia_status status, const char *code)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = parse_exact(b->data, b->size, file_size, &e);
    if (s == status && strcmp(e.code, code) == 0) return;
    fprintf(stderr, "%s: %s %s %s, want %s %s\n", name, glia_status_name(s), e.code, e.text,
            glia_status_name(status), code);
    check_case_failures++;
}

static void hostile_counts(void)
{
    static const uint64_t counts[] = {
        1, (uint64_t)1 << 31, (uint64_t)1 << 32, ((uint64_t)1 << 59) + 1, (uint64_t)1 << 63, UINT64_MAX};
    for (int i = 0; i < 6; i++) {
        for (int which = 0; which < 2; which++) {
            blob b = {0};
            put_header(&b, which ? counts[i] : 0, which ? 0 : counts[i]);
            if (i) put_zeros(&b, 100);
            expect("count", &b, b.size, GLIA_E_FORMAT, "G0304");
            blob_free(&b);
        }
    }
    blob b = {0};
    put_header(&b, 0, 0);
    expect("empty", &b, b.size, GLIA_OK, "");
    blob_free(&b);
    put_header(&b, 0, 8); /* 8 * 14 > 111 */
    put_zeros(&b, 111);
    expect("one too many keys", &b, b.size, GLIA_E_FORMAT, "G0304");
    blob_free(&b);
    put_header(&b, 4, 0); /* 4 * 33 > 131 */
    put_zeros(&b, 131);
    expect("one too many tensors", &b, b.size, GLIA_E_FORMAT, "G0303"); /* seen behind the keys */
    blob_free(&b);
    put_header(&b, 0, 65537);
    put_zeros(&b, 65537 * 14);
    expect("keys over the limit", &b, b.size, GLIA_E_LIMIT, "G0305");
    blob_free(&b);
    put_header(&b, 65537, 0);
    put_zeros(&b, 65537 * 33);
    expect("tensors over the limit", &b, b.size, GLIA_E_LIMIT, "G0305");
    blob_free(&b);
}

static void hostile_versions(void)
{
    static const struct {
        const char *magic;
        uint32_t version;
        glia_status status;
        const char *code;
    } cases[] = {
        {"GGUF", 2, GLIA_OK, ""},
        {"GGUF", 1, GLIA_E_UNSUPPORTED, "G0302"},
        {"GGUF", 0, GLIA_E_UNSUPPORTED, "G0302"},
        {"GGUF", 4, GLIA_E_UNSUPPORTED, "G0302"},
        {"GGUF", 0x03000000, GLIA_E_UNSUPPORTED, "G0302"},
        {"GGUF", UINT32_MAX, GLIA_E_UNSUPPORTED, "G0302"},
        {"FUGG", 3, GLIA_E_FORMAT, "G0301"},
        {"gguf", 3, GLIA_E_FORMAT, "G0301"},
        {"PK\3\4", 3, GLIA_E_FORMAT, "G0301"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put(&b, cases[i].magic, 4);
        put_u32(&b, cases[i].version);
        put_zeros(&b, 16);
        expect("version", &b, b.size, cases[i].status, cases[i].code);
        blob_free(&b);
    }
}

static void hostile_strings(void)
{
    static const struct {
        const char *name;
        uint64_t length; /* stated */
        int there;
        const char *text;
        glia_status status;
        const char *code;
    } cases[] = {
        {"2^64-1", UINT64_MAX, 4, "text", GLIA_E_FORMAT, "G0306"},
        {"2^63", (uint64_t)1 << 63, 4, "text", GLIA_E_FORMAT, "G0306"},
        {"remaining+1", 6, 4, "text", GLIA_E_FORMAT, "G0306"},
        {"remaining", 5, 4, "text", GLIA_OK, ""},
        {"0", 0, 0, "", GLIA_OK, ""},
        {"nul", 4, 4, "a\0bc", GLIA_OK, ""}, /* values may hold any byte */
        {"not utf-8", 4, 4, "\xff\xfe\xc0\x80", GLIA_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put_header(&b, 0, 1);
        put_key(&b, "k", 8);
        put_u64(&b, cases[i].length);
        put(&b, cases[i].text, cases[i].there);
        put_u8(&b, 0);
        expect(cases[i].name, &b, b.size, cases[i].status, cases[i].code);
        blob_free(&b);
    }
    /* Keys and names must be texts. */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put_header(&b, 0, 1);
        put_u64(&b, cases[i].length);
        put(&b, cases[i].text, cases[i].there);
        put_u32(&b, 0);
        put_zeros(&b, 8);
        if (cases[i].length <= 4) expect(cases[i].name, &b, b.size, GLIA_E_FORMAT, "G0307");
        else if (cases[i].length > 100) expect(cases[i].name, &b, b.size, GLIA_E_FORMAT, "G0306");
        blob_free(&b);
    }
}

static void hostile_arrays(void)
{
    static const uint64_t counts[] = {(uint64_t)1 << 61,
                                      ((uint64_t)1 << 61) + 1,
                                      ((uint64_t)1 << 62) + 1,
                                      (uint64_t)1 << 63,
                                      UINT64_MAX,
                                      (uint64_t)1 << 30,
                                      9};
    for (uint32_t t = 0; t <= 13; t++) {
        for (int i = 0; i < 7; i++) {
            blob b = {0};
            put_header(&b, 0, 1);
            put_key(&b, "k", 9), put_u32(&b, t), put_u64(&b, counts[i]);
            put_zeros(&b, 8);
            if (t == 9) expect("array of arrays", &b, b.size, GLIA_E_UNSUPPORTED, "G0309");
            else if (t == 13) expect("element type", &b, b.size, GLIA_E_FORMAT, "G0308");
            else expect("array count", &b, b.size, GLIA_E_FORMAT, "G0304");
            blob_free(&b);
        }
    }
    blob b = {0};
    put_header(&b, 0, 1);
    put_key(&b, "k", 9), put_u32(&b, 0), put_u64(&b, (16 << 20) + 1);
    put_zeros(&b, (16 << 20) + 1);
    expect("array over the limit", &b, b.size, GLIA_E_LIMIT, "G0305");
    blob_free(&b);
    put_header(&b, 0, 1);
    put_key(&b, "k", 9), put_u32(&b, 7), put_u64(&b, 2), put_u8(&b, 1), put_u8(&b, 2);
    expect("bools of 2", &b, b.size, GLIA_E_FORMAT, "G0310");
    blob_free(&b);
    put_header(&b, 0, 1);
    put_key(&b, "k", 7), put_u8(&b, 255);
    expect("bool of 255", &b, b.size, GLIA_E_FORMAT, "G0310");
    blob_free(&b);
    for (uint32_t t = 13; t; t = t == 13 ? 255 : t == 255 ? UINT32_MAX : 0) {
        put_header(&b, 0, 1);
        put_key(&b, "k", t), put_zeros(&b, 8);
        expect("value type", &b, b.size, GLIA_E_FORMAT, "G0308");
        blob_free(&b);
    }
    put_header(&b, 0, 2);
    put_key(&b, "k", 0), put_u8(&b, 1), put_key(&b, "k", 4), put_u32(&b, 1);
    expect("key twice", &b, b.size, GLIA_E_FORMAT, "G0311");
    blob_free(&b);
}

static void hostile_tensors(void)
{
    static const struct {
        const char *name;
        uint64_t dims[4];
        int rank;
        uint32_t type;
        uint64_t offset;
        glia_status status;
        const char *code;
    } cases[] = {
        {"fits", {64}, 1, 0, 0, GLIA_OK, ""},
        {"dim 0", {0}, 1, 0, 0, GLIA_E_FORMAT, "G0314"},
        {"dim -1", {UINT64_MAX}, 1, 0, 0, GLIA_E_FORMAT, "G0314"},
        {"dim 2^63", {(uint64_t)1 << 63}, 1, 0, 0, GLIA_E_FORMAT, "G0314"},
        {"dim 2^63-1", {INT64_MAX}, 1, 0, 0, GLIA_E_FORMAT, "G0315"},
        {"dim 2^63-1 of bytes", {INT64_MAX}, 1, 24, 0, GLIA_E_FORMAT, "G0317"},
        {"product wraps to 0", {(uint64_t)1 << 32, (uint64_t)1 << 32}, 2, 0, 0, GLIA_E_FORMAT, "G0315"},
        {"product wraps to 16", {((uint64_t)1 << 60) + 1, 16}, 2, 0, 0, GLIA_E_FORMAT, "G0315"},
        {"bytes wrap", {(uint64_t)1 << 62}, 1, 0, 0, GLIA_E_FORMAT, "G0315"},
        {"unknown type wraps", {(uint64_t)1 << 62, 4}, 2, 77, 0, GLIA_E_FORMAT, "G0315"},
        {"no multiple of the block", {33}, 1, 8, 0, GLIA_E_FORMAT, "G0316"},
        {"no multiple of 256", {128}, 1, 12, 0, GLIA_E_FORMAT, "G0316"},
        {"one byte beyond", {65}, 1, 24, 192, GLIA_E_FORMAT, "G0317"},
        {"up to the last byte", {64}, 1, 24, 192, GLIA_OK, ""},
        {"begins beyond", {1}, 1, 24, 256, GLIA_E_FORMAT, "G0317"},
        {"offset 2^63", {1}, 1, 24, (uint64_t)1 << 63, GLIA_E_FORMAT, "G0317"},
        {"offset 2^64-32", {1}, 1, 24, UINT64_MAX - 31, GLIA_E_FORMAT, "G0317"},
        {"offset + size wraps", {64}, 1, 0, INT64_MAX - 31, GLIA_E_FORMAT, "G0317"},
        {"unaligned", {1}, 1, 24, 16, GLIA_E_FORMAT, "G0319"},
        {"unknown type", {7}, 1, 77, 32, GLIA_OK, ""},
        {"unknown type beyond", {7}, 1, 77, 512, GLIA_E_FORMAT, "G0317"},
        {"type 2^32-1", {7}, 1, UINT32_MAX, 0, GLIA_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put_header(&b, 1, 0);
        put_tensor(&b, "t", cases[i].rank, cases[i].dims, cases[i].type, cases[i].offset);
        pad(&b, 32);
        put_zeros(&b, 256);
        expect(cases[i].name, &b, b.size, cases[i].status, cases[i].code);
        blob_free(&b);
    }
    static const uint32_t ranks[] = {0, 5, 8, 255, UINT32_MAX};
    for (int i = 0; i < 5; i++) {
        blob b = {0};
        put_header(&b, 1, 0);
        put_str(&b, "t"), put_u32(&b, ranks[i]);
        for (int j = 0; j < 9; j++) put_u64(&b, 1);
        put_zeros(&b, 256);
        expect("rank", &b, b.size, GLIA_E_FORMAT, "G0313");
        blob_free(&b);
    }
}

static void hostile_pairs(void)
{
    static const struct {
        const char *name, *second;
        uint64_t size, offset;
        glia_status status;
        const char *code;
    } cases[] = {
        {"apart", "b", 32, 32, GLIA_OK, ""},
        {"overlap by one", "b", 33, 32, GLIA_E_FORMAT, "G0318"},
        {"same place", "b", 32, 0, GLIA_E_FORMAT, "G0318"},
        {"within", "b", 128, 32, GLIA_E_FORMAT, "G0318"},
        {"same name", "a", 32, 32, GLIA_E_FORMAT, "G0320"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int swap = 0; swap < 2; swap++) {
            blob b = {0};
            put_header(&b, 2, 0);
            if (!swap) put_tensor(&b, "a", 1, &cases[i].size, 24, 0);
            put_tensor(&b, cases[i].second, 1, (uint64_t[]){32}, 24, cases[i].offset);
            if (swap) put_tensor(&b, "a", 1, &cases[i].size, 24, 0);
            pad(&b, 32);
            put_zeros(&b, 256);
            expect(cases[i].name, &b, b.size, cases[i].status, cases[i].code);
            blob_free(&b);
        }
    }
}

static void hostile_alignment(void)
{
    static const struct {
        uint64_t v;
        uint32_t type;
        glia_status status;
    } cases[] = {{8, 4, GLIA_OK},
                 {64, 4, GLIA_OK},
                 {0, 4, GLIA_E_FORMAT},
                 {1, 4, GLIA_E_FORMAT},
                 {3, 4, GLIA_E_FORMAT},
                 {48, 4, GLIA_E_FORMAT},
                 {(uint64_t)1 << 31, 4, GLIA_E_FORMAT},
                 {UINT32_MAX, 4, GLIA_E_FORMAT},
                 {32, 5, GLIA_E_FORMAT},
                 {32, 10, GLIA_E_FORMAT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        put_header(&b, 1, 1);
        put_key(&b, "general.alignment", cases[i].type), put_int(&b, cases[i].v, cases[i].type == 10 ? 8 : 4);
        put_tensor(&b, "t", 1, (uint64_t[]){8}, 0, 64);
        pad(&b, 64);
        put_zeros(&b, 128);
        expect("alignment", &b, b.size, cases[i].status, cases[i].status ? "G0312" : "");
        blob_free(&b);
    }
    blob b = {0};
    put_header(&b, 0, 1);
    put_key(&b, "general.alignment", 8), put_str(&b, "32");
    expect("alignment as text", &b, b.size, GLIA_E_FORMAT, "G0312");
    blob_free(&b);
}

/* Types that are listed but not read: their size where it is known, and a refusal that says why. */
static void unread_types(void)
{
    static const struct {
        uint32_t type;
        int64_t bytes;
        const char *words[2];
    } cases[] = {{9, 288, {"Q8_1", "activations"}},
                 {32, 144, {"Q4_0_4_8", "withdrawn"}},
                 {36, -1, {"I2_S", "processor"}},
                 {77, -1, {"77 (?)", "does not know"}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob b = {0};
        uint8_t byte;
        glia_gguf *g;
        glia_error e = GLIA_ERROR_INIT;
        put_header(&b, 1, 0);
        put_tensor(&b, "t", 1, (uint64_t[]){256}, cases[i].type, 0);
        pad(&b, 32);
        put_zeros(&b, 288);
        CHECK(!glia_gguf_parse(NULL, b.data, b.size, b.size, NULL, &g, &e));
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, 0);
        CHECK(t->dtype == GLIA_DTYPE_NONE && t->gguf_type == (int)cases[i].type);
        CHECK_I64(t->bytes, cases[i].bytes);
        CHECK_I64(glia_gguf_read(g, t, 0, 1, &byte, &e), GLIA_E_UNSUPPORTED);
        CHECK_STR(e.code, "G0323");
        for (int w = 0; w < 2; w++) CHECK(strstr(e.text, cases[i].words[w]));
        glia_gguf_close(g);
        blob_free(&b);
    }
}

/* A header longer than the first piece that is read, and limits of the caller. */
static void long_header(void)
{
    blob b = {0};
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    put_header(&b, 0, 2);
    put_key(&b, "many", 9), put_u32(&b, 8), put_u64(&b, 300000);
    for (int i = 0; i < 300000; i++) put_str(&b, "abc");
    put_key(&b, "last", 0), put_u8(&b, 7);
    save_blob(in_folder("long.gguf"), b.data, b.size);
    CHECK_I64(glia_gguf_open(NULL, in_folder("long.gguf"), NULL, &g, &e), GLIA_OK);
    uint64_t u = 0;
    CHECK(g && !glia_gguf_u64(g, "last", &u, &e) && u == 7);
    glia_gguf_close(g);
    const glia_gguf_limits limits[] = {
        {2000000, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, 0, 2, 0}, {0, 0, 0, 0, 299999}};
    for (int i = 0; i < 4; i++) {
        CHECK_I64(glia_gguf_open(NULL, in_folder("long.gguf"), &limits[i], &g, &e), GLIA_E_LIMIT);
        CHECK_STR(e.code, "G0305");
    }
    unlink(in_folder("long.gguf"));
    blob_free(&b);
}

static void open_refuses(void)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_gguf_open(NULL, in_folder("absent"), NULL, &g, &e), GLIA_E_IO);
    CHECK_STR(e.code, "G0802");
    CHECK(strstr(e.text, "no such file"));
    CHECK_I64(glia_gguf_open(NULL, folder, NULL, &g, &e), GLIA_E_IO);
    CHECK_I64(glia_gguf_open(NULL, NULL, NULL, &g, &e), GLIA_E_ARG);
    save_blob(in_folder("empty"), "", 0);
    CHECK_I64(glia_gguf_open(NULL, in_folder("empty"), NULL, &g, &e), GLIA_E_FORMAT);
    unlink(in_folder("empty"));
}

/* The file loses its end after it was opened. */
static void cut_after_open(void)
{
    int64_t header;
    uint8_t byte;
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    blob b = every_type_file(&header);
    put_zeros(&b, 2 << 20); /* so that the data are not among what is read with the header */
    memcpy(b.data + 8, (uint64_t[]){3}, 8);
    blob c = {0};
    int64_t list = header;
    while (memcmp(b.data + list - 5, "first", 5)) list--;
    put(&c, b.data, list - 13);
    put_tensor(&c, "far", 1, (uint64_t[]){1 << 20}, 24, 1 << 20);
    put(&c, b.data + list - 13, 13 + 4 + 24 + 4 + 8);
    pad(&c, 32);
    put_zeros(&c, 2 << 20);
    save_blob(in_folder("cut.gguf"), c.data, c.size);
    CHECK_I64(glia_gguf_open(NULL, in_folder("cut.gguf"), NULL, &g, &e), GLIA_OK);
    const glia_gguf_tensor *t = g ? glia_gguf_tensor_find(g, "far") : NULL;
    CHECK(t && !glia_gguf_read(g, t, t->bytes - 1, 1, &byte, &e));
    CHECK(truncate(in_folder("cut.gguf"), 1 << 20) == 0);
    CHECK(t && glia_gguf_read(g, t, t->bytes - 1, 1, &byte, &e) == GLIA_E_IO);
    CHECK(t && glia_gguf_read(g, t, t->bytes, 1, &byte, NULL) == GLIA_E_ARG);
    CHECK(t && glia_gguf_read(g, t, -1, 1, &byte, NULL) == GLIA_E_ARG);
    CHECK(t && glia_gguf_read(g, t, 1, INT64_MAX, &byte, NULL) == GLIA_E_ARG);
    glia_gguf_close(g);
    unlink(in_folder("cut.gguf"));
    blob_free(&b);
    blob_free(&c);
}

/* Every call to the system fails in turn, for opening, reading and writing. */
static glia_status open_and_read(const glia_os *os, const char *path)
{
    glia_gguf *g;
    uint8_t bytes[102];
    glia_status s = glia_gguf_open(os, path, NULL, &g, NULL);
    if (!s) s = glia_gguf_read(g, glia_gguf_tensor_find(g, "second"), 0, 102, bytes, NULL);
    glia_gguf_close(g);
    return s;
}

static glia_status copy_file(const glia_os *os, const char *path)
{
    glia_gguf_writer *w;
    glia_status s = glia_gguf_writer_create(os, &w, NULL);
    if (s) return s;
    glia_gguf_set_string(w, "k", "v", -1);
    glia_gguf_add_tensor(w, "a", GLIA_F32, 1, (int64_t[]){100});
    glia_gguf_add_tensor(w, "b", GLIA_F32, 2, (int64_t[]){3, 5});
    s = glia_gguf_writer_write(w, path, produce_count, NULL, NULL);
    glia_gguf_writer_destroy(w);
    return s;
}

static glia_status synthesise(const glia_os *os, const char *path)
{
    return glia_synth(os, "tiny", GLIA_Q8_0, 1, path, NULL);
}

static void fail_in_turn(glia_status (*act)(const glia_os *os, const char *path), const char *path,
                         bool writes)
{
    for (int class = 0; class < FAULT_CLASSES; class ++) {
        for (int forever = 0; forever < 2; forever++) {
            for (int64_t n = 1; n < 10000; n++) {
                struct fault_os f;
                fault_os_init(&f, NULL);
                fault_os_fail(&f, class, n, forever);
                glia_status s = act(&f.os, path);
                CHECK(fault_os_clean(&f));
                if (!f.failed) {
                    CHECK_I64(s, GLIA_OK);
                    break;
                }
                CHECK_I64(s, class == FAULT_MEMORY ? GLIA_E_NOMEM : GLIA_E_IO);
                if (writes) CHECK(access(path, F_OK) == -1);
            }
            if (writes) unlink(path);
        }
    }
}

static void every_call_fails(void)
{
    int64_t header;
    blob b = every_type_file(&header);
    save_blob(in_folder("whole.gguf"), b.data, b.size);
    fail_in_turn(open_and_read, in_folder("whole.gguf"), false);
    fail_in_turn(copy_file, in_folder("copy.gguf"), true);
    fail_in_turn(synthesise, in_folder("synth.gguf"), true);
    CHECK(access(in_folder("copy.gguf.tmp"), F_OK) == -1);
    unlink(in_folder("whole.gguf"));
    blob_free(&b);
}

/* Many names that differ in the last letter only, in falling order: sorting and finding stay fast. */
static void many_tensors(void)
{
    enum { N = 20000 };
    char name[64];
    blob b = {0};
    put_header(&b, N, 0);
    for (int i = N; i-- > 0;) {
        snprintf(name, sizeof name, "the.same.beginning.of.every.name.%08d", i);
        put_tensor(&b, name, 1, (uint64_t[]){8}, 0, (uint64_t)i * 32);
    }
    pad(&b, 32);
    put_zeros(&b, N * 32);
    expect("many tensors", &b, b.size, GLIA_OK, "");
    blob_free(&b);
}

static void synth_loads(void)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    const char *path = in_folder("synth.gguf");
    static const struct {
        glia_dtype type;
        double error; /* the most that a weight may be off, in deviations of 1/sqrt(32) */
    } types[] = {{GLIA_F32, 0}, {GLIA_F16, 0.002}, {GLIA_Q8_0, 0.02}};
    float exact[32], row[32];
    for (int i = 0; i < 3; i++) {
        CHECK_I64(glia_synth(NULL, "tiny", types[i].type, 1, path, &e), GLIA_OK);
        CHECK_I64(glia_gguf_open(NULL, path, NULL, &g, &e), GLIA_OK);
        if (!g) continue;
        const glia_gguf_tensor *t = glia_gguf_tensor_find(g, "blk.1.ffn_up.weight");
        const glia_gguf_value *tokens = glia_gguf_find(g, "tokenizer.ggml.tokens");
        CHECK(t && t->dtype == types[i].type && t->dims[0] == 64 && t->dims[1] == 32);
        CHECK(tokens && tokens->count == 384 && tokens->strings[258].size == 6 &&
              !memcmp(tokens->strings[258].text, "<0xFF>", 6));
        CHECK_I64(glia_gguf_tensor_count(g), 2 + 2 * 9);
        uint8_t bytes[128];
        if (t && !glia_gguf_read(g, t, t->bytes / 64 * 3, t->bytes / 64, bytes, &e)) {
            if (types[i].type == GLIA_F32) memcpy(row, bytes, 128), memcpy(exact, row, 128);
            else {
                for (int j = 0; j < 32; j++) {
                    uint16_t h;
                    memcpy(&h, bytes + (types[i].type == GLIA_F16 ? 2 * j : 0), 2);
                    row[j] =
                        glia_f16_to_f32(h) * (types[i].type == GLIA_F16 ? 1 : (float)(int8_t)bytes[2 + j]);
                }
            }
            for (int j = 0; j < 32; j++)
                CHECK(fabs((double)row[j] - (double)exact[j]) <= types[i].error / sqrt(32));
        }
        glia_gguf_close(g);
    }
    CHECK_I64(glia_synth(NULL, "absent", GLIA_F32, 1, path, &e), GLIA_E_NOT_FOUND);
    CHECK_I64(glia_synth(NULL, "tiny", GLIA_I32, 1, path, &e), GLIA_E_UNSUPPORTED);
    CHECK_I64(glia_synth(NULL, "tiny", GLIA_A8X32, 1, path, &e), GLIA_E_UNSUPPORTED);
    CHECK_STR(glia_synth_shape(0), "tiny");
    CHECK(!glia_synth_shape(-1) && !glia_synth_shape(99));
    unlink(path);
}

/* What the gguf Python package (0.17) says of the outside files. */
static void outside_files(void)
{
    static const struct {
        const char *path;
        int version;
        int64_t keys, tensors, tokens;
        const char *last;
        int64_t offset, bytes;
    } files[] = {
        {"llm/stories260K/stories260K-f16.gguf", 3, 20, 48, 512, "output.weight", 535648, 65536},
        {"llm/stories260K/stories260K-f32.gguf", 3, 20, 48, 512, "output.weight", 1054304, 131072},
        {"llm/tiny-random/llama-2-tiny-random.gguf", 3, 18, 12, 32000, "output.weight", 1238560, 512000},
        {"tokenizers/gguf-vocabs/derived/ggml-vocab-llama-bpe.gguf", 3, 10, 0, 128256, "", 0, 0},
        {"tokenizers/gguf-vocabs/derived/ggml-vocab-qwen2.gguf", 3, 10, 0, 151936, "", 0, 0},
        {"tokenizers/gguf-vocabs/ggml-vocab-bert-bge.gguf", 3, 20, 0, 30522, "", 0, 0},
        {"tokenizers/gguf-vocabs/ggml-vocab-deepseek-coder.gguf", 3, 25, 0, 32256, "", 0, 0},
        {"tokenizers/gguf-vocabs/ggml-vocab-gpt-2.gguf", 3, 16, 0, 50257, "", 0, 0},
        {"tokenizers/gguf-vocabs/ggml-vocab-llama-spm.gguf", 3, 22, 0, 32000, "", 0, 0},
        {"tokenizers/gguf-vocabs/ggml-vocab-starcoder.gguf", 3, 19, 0, 49152, "", 0, 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[512];
        glia_gguf *g;
        glia_error e = GLIA_ERROR_INIT;
        snprintf(path, sizeof path, "%s/%s", check_data_dir(), files[i].path);
        CHECK_I64(glia_gguf_open(NULL, path, NULL, &g, &e), GLIA_OK);
        CHECK_STR(e.text, "");
        if (!g) continue;
        CHECK_I64(glia_gguf_version(g), files[i].version);
        CHECK_I64(glia_gguf_count(g), files[i].keys);
        CHECK_I64(glia_gguf_tensor_count(g), files[i].tensors);
        const glia_gguf_value *tokens = glia_gguf_find(g, "tokenizer.ggml.tokens");
        CHECK(tokens && tokens->count == files[i].tokens);
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, files[i].tensors - 1);
        CHECK(!t == !files[i].bytes);
        if (t)
            CHECK(!strcmp(t->name, files[i].last) && t->offset == files[i].offset &&
                  t->bytes == files[i].bytes);
        t = i == 1 ? glia_gguf_tensor_find(g, "blk.2.ffn_down.weight") : NULL;
        if (t) {
            float v;
            CHECK(t->rank == 2 && t->dims[0] == 64 && t->dims[1] == 172);
            CHECK(!glia_gguf_read(g, t, (3 * 172 + 7) * 4, 4, &v, &e) && v == -0.1722779f);
        }
        glia_gguf_close(g);
    }
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/glia-format-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    RUN(every_type);
    RUN(getters_refuse);
    RUN(writer_bytes);
    RUN(writer_file);
    RUN(writer_refuses);
    RUN(cut_everywhere);
    RUN(cut_vocabulary);
    RUN(flip_every_bit);
    RUN(hostile_counts);
    RUN(hostile_versions);
    RUN(hostile_strings);
    RUN(hostile_arrays);
    RUN(hostile_tensors);
    RUN(hostile_pairs);
    RUN(hostile_alignment);
    RUN(unread_types);
    RUN(long_header);
    RUN(open_refuses);
    RUN(cut_after_open);
    RUN(every_call_fails);
    RUN(many_tensors);
    RUN(synth_loads);
    if (check_data_dir()) RUN(outside_files);
    else SKIP("outside_files", "GLIA_TEST_DATA is not set");
    unlink(in_folder("written.gguf"));
    return CHECK_EXIT() | (rmdir(folder) != 0);
}
