/* Any bytes through the GGUF reader. What it accepts can be found by name, lies within the file, and is the
 * same after it was written again. */
#include "fuzz.h"

#include "format/gguf.h"
#include "format/gguf_write.h"

static void check_tensors(const glia_gguf *g)
{
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        uint8_t byte;
        FUZZ_CHECK(glia_gguf_tensor_find(g, t->name) == t);
        FUZZ_CHECK(t->rank >= 1 && t->rank <= 4 && t->offset >= glia_gguf_data_offset(g));
        FUZZ_CHECK(t->offset % glia_gguf_alignment(g) == 0 ||
                   glia_gguf_data_offset(g) % glia_gguf_alignment(g));
        if (t->dtype) {
            FUZZ_CHECK(t->bytes > 0 && t->bytes <= glia_gguf_file_bytes(g) - t->offset);
            FUZZ_CHECK(glia_gguf_read(g, t, t->bytes - 1, 1, &byte, NULL) == GLIA_OK);
            FUZZ_CHECK(glia_gguf_read(g, t, t->bytes, 1, &byte, NULL) == GLIA_E_ARG);
        } else {
            FUZZ_CHECK(glia_gguf_read(g, t, 0, 1, &byte, NULL) == GLIA_E_UNSUPPORTED);
        }
    }
}

static void check_values(const glia_gguf *g)
{
    for (int64_t i = 0; i < glia_gguf_count(g); i++) {
        const glia_gguf_value *v = glia_gguf_at(g, i);
        int64_t n;
        double f;
        uint64_t sum = 0;
        FUZZ_CHECK(glia_gguf_find(g, v->key) == v);
        for (int64_t j = 0; j < v->count; j++) {
            bool number = glia_gguf_element_i64(v, j, &n) || glia_gguf_element_f64(v, j, &f);
            FUZZ_CHECK(number != (v->strings != NULL) || v->element == GLIA_GGUF_U64);
            for (int64_t k = 0; v->strings && k < v->strings[j].size; k++)
                sum += (uint8_t)v->strings[j].text[k];
        }
        FUZZ_CHECK(sum < UINT64_MAX);
    }
}

static void check_rewrite(const glia_gguf *g)
{
    glia_gguf_writer *w;
    glia_gguf *again;
    const void *data;
    int64_t bytes, file_bytes;
    FUZZ_CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    for (int64_t i = 0; i < glia_gguf_count(g); i++) glia_gguf_set_value(w, glia_gguf_at(g, i));
    for (int64_t i = 0; i < glia_gguf_tensor_count(g); i++) {
        const glia_gguf_tensor *t = glia_gguf_tensor_at(g, i);
        if (t->dtype) glia_gguf_add_tensor(w, t->name, t->dtype, t->rank, t->dims);
    }
    FUZZ_CHECK(!glia_gguf_writer_header(w, &data, &bytes, &file_bytes, NULL));
    FUZZ_CHECK(!glia_gguf_parse(NULL, data, bytes, file_bytes, NULL, &again, NULL));
    FUZZ_CHECK(glia_gguf_count(again) == glia_gguf_count(g) &&
               glia_gguf_alignment(again) == glia_gguf_alignment(g));
    for (int64_t i = 0; i < glia_gguf_count(g); i++) {
        const glia_gguf_value *a = glia_gguf_at(g, i), *b = glia_gguf_at(again, i);
        FUZZ_CHECK(strcmp(a->key, b->key) == 0 && a->type == b->type && a->element == b->element &&
                   a->count == b->count && a->bits == b->bits);
    }
    glia_gguf_close(again);
    glia_gguf_writer_destroy(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_gguf *g;
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = glia_gguf_parse(NULL, data, (int64_t)size, (int64_t)size, NULL, &g, &e);
    FUZZ_CHECK((s == GLIA_OK) == (g != NULL));
    if (s) {
        FUZZ_CHECK(s == GLIA_E_FORMAT || s == GLIA_E_LIMIT || s == GLIA_E_UNSUPPORTED);
        FUZZ_CHECK(e.status == s && e.text[0] && glia_explain(e.code));
        return 0;
    }
    check_tensors(g);
    check_values(g);
    check_rewrite(g);
    glia_gguf_close(g);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
/* A small file with a value of every kind and three tensors. */
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const glia_gguf_string texts[2] = {{"one", 3}, {"", 0}};
    glia_gguf_writer *w;
    const void *data;
    int64_t bytes, file_bytes;
    if (i > 1) return -1;
    FUZZ_CHECK(!glia_gguf_writer_create(NULL, &w, NULL));
    glia_gguf_set_u32(w, "general.alignment", i ? 8 : 32);
    glia_gguf_set_string(w, "general.architecture", "llama", -1);
    if (i) {
        glia_gguf_set_u8(w, "a", 1), glia_gguf_set_i8(w, "b", -1), glia_gguf_set_u16(w, "c", 1),
            glia_gguf_set_i16(w, "d", -1);
        glia_gguf_set_i32(w, "e", -1), glia_gguf_set_u64(w, "f", 1), glia_gguf_set_i64(w, "g", -1);
        glia_gguf_set_f32(w, "h", 1), glia_gguf_set_f64(w, "i", 1), glia_gguf_set_bool(w, "j", true);
        glia_gguf_set_strings(w, "k", texts, 2), glia_gguf_set_array(w, "l", GLIA_GGUF_U16, "\1\2\3\4", 2);
        glia_gguf_set_array(w, "m", GLIA_GGUF_BOOL, "\0\1", 2);
    }
    glia_gguf_add_tensor(w, "first", GLIA_F32, 1, (int64_t[]){3});
    glia_gguf_add_tensor(w, "second", GLIA_Q8_0, 2, (int64_t[]){2, 32});
    glia_gguf_add_tensor(w, "third", GLIA_F16, 3, (int64_t[]){1, 2, 5});
    FUZZ_CHECK(!glia_gguf_writer_header(w, &data, &bytes, &file_bytes, NULL) && file_bytes <= FUZZ_BYTES_MAX);
    memcpy(out, data, (size_t)bytes);
    memset(out + bytes, 0x55, (size_t)(file_bytes - bytes));
    glia_gguf_writer_destroy(w);
    return file_bytes;
}
#endif
