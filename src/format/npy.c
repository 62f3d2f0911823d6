/* .npy files; see npy.h. The header is a Python literal; only the one shape of it that NumPy writes is read:
 * a dict with the keys descr, fortran_order and shape, each once, in any order. */
#include "format/npy.h"

#include "base/check.h"
#include "base/error.h"
#include "base/reader.h"
#include "format/file.h"
#include "tensor/dtype.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MAX ((int64_t)64 << 20)

/* A cursor over the text of the header. */
typedef struct scan {
    const char *s;
    int64_t at, size;
} scan;

static void skip_spaces(scan *c)
{
    while (c->at < c->size && (c->s[c->at] == ' ' || c->s[c->at] == '\n')) c->at++;
}

static bool take(scan *c, const char *word)
{
    skip_spaces(c);
    int64_t n = (int64_t)strlen(word);
    if (c->size - c->at < n || memcmp(c->s + c->at, word, (size_t)n)) return false;
    c->at += n;
    return true;
}

/* '...' or "...", without escapes; cut to what fits in out. */
static bool take_quoted(scan *c, char *out, int64_t size)
{
    skip_spaces(c);
    if (c->at >= c->size || (c->s[c->at] != '\'' && c->s[c->at] != '"')) return false;
    char quote = c->s[c->at++];
    int64_t n = 0;
    for (; c->at < c->size && c->s[c->at] != quote; c->at++) {
        if (n < size - 1) out[n++] = c->s[c->at];
    }
    out[n] = 0;
    return c->at++ < c->size;
}

static bool take_number(scan *c, int64_t *out)
{
    skip_spaces(c);
    int64_t begin = c->at, v = 0;
    for (; c->at < c->size && c->s[c->at] >= '0' && c->s[c->at] <= '9'; c->at++) {
        if (!glia_mul(v, 10, &v) || !glia_add(v, c->s[c->at] - '0', &v)) return false;
    }
    *out = v;
    return c->at > begin;
}

/* (), (3,), (3, 4) and (3, 4,). */
static glia_status take_shape(scan *c, glia_npy *a, glia_error *e)
{
    if (!take(c, "("))
        return glia_fail(e, GLIA_E_FORMAT, "G0431", "the shape of a .npy array is not a tuple");
    bool comma = true;
    while (!take(c, ")")) {
        int64_t dim;
        if (!comma || !take_number(c, &dim))
            return glia_fail(e, GLIA_E_FORMAT, "G0431", "the shape of a .npy array is not a list of numbers");
        if (a->rank == GLIA_RANK_MAX)
            return glia_fail(e, GLIA_E_LIMIT, "G0415", "a .npy array of more than %d dimensions",
                             GLIA_RANK_MAX);
        a->dims[a->rank++] = dim;
        comma = take(c, ",");
    }
    return GLIA_OK;
}

/* One byte has no order: NumPy writes `|`, and reads `<` and `=` as well. */
static const struct {
    char descr[4];
    glia_dtype dtype;
} known[] = {{"<f4", GLIA_F32}, {"<f8", GLIA_F64}, {"<f2", GLIA_F16}, {"|i1", GLIA_I8},
             {"<i2", GLIA_I16}, {"<i4", GLIA_I32}, {"<i8", GLIA_I64}, {"|u1", GLIA_U8},
             {"<u2", GLIA_U16}, {"<u4", GLIA_U32}, {"<u8", GLIA_U64}, {"|b1", GLIA_BOOL}};

static glia_status take_descr(scan *c, glia_npy *a, glia_error *e)
{
    char descr[32];
    if (take(c, "[")) return glia_fail(e, GLIA_E_UNSUPPORTED, "G0432", "a .npy array of records");
    if (!take_quoted(c, descr, sizeof descr))
        return glia_fail(e, GLIA_E_FORMAT, "G0431", "the descr of a .npy array is not a string");
    for (int i = 0; i < GLIA_COUNT(known); i++) {
        const bool one = known[i].descr[2] == '1' && (descr[0] == '<' || descr[0] == '=');
        if (strcmp(known[i].descr + one, descr + one) == 0) a->dtype = known[i].dtype;
    }
    return a->dtype
               ? GLIA_OK
               : glia_fail(e, GLIA_E_UNSUPPORTED, "G0432",
                           "a .npy array of dtype '%s'; little-endian floats, integers and bools are read",
                           descr);
}

static glia_status read_dict(scan *c, glia_npy *a, glia_error *e)
{
    char key[16];
    bool order = false, shape = false;
    if (!take(c, "{")) return glia_fail(e, GLIA_E_FORMAT, "G0431", "the .npy header is not a dict");
    while (!take(c, "}")) {
        glia_status s = GLIA_OK;
        if (!take_quoted(c, key, sizeof key) || !take(c, ":"))
            return glia_fail(e, GLIA_E_FORMAT, "G0431", "the .npy header is not a dict of names");
        if (strcmp(key, "descr") == 0 && !a->dtype) {
            s = take_descr(c, a, e);
        } else if (strcmp(key, "fortran_order") == 0 && !order) {
            order = take(c, "False");
            if (!order && take(c, "True"))
                return glia_fail(e, GLIA_E_UNSUPPORTED, "G0432", "a .npy array in Fortran order");
            if (!order)
                return glia_fail(e, GLIA_E_FORMAT, "G0431", "fortran_order is neither True nor False");
        } else if (strcmp(key, "shape") == 0 && !shape) {
            shape = true;
            s = take_shape(c, a, e);
        } else {
            return glia_fail(e, GLIA_E_FORMAT, "G0431",
                             "the .npy header has '%s' twice, or where it does not belong", key);
        }
        if (s) return s;
        take(c, ",");
    }
    skip_spaces(c);
    if (!a->dtype || !order || !shape || c->at != c->size)
        return glia_fail(e, GLIA_E_FORMAT, "G0431", "the .npy header is not complete");
    return GLIA_OK;
}

static glia_status parse(const glia_os *os, const void *file, int64_t size, glia_npy *a, glia_error *e)
{
    glia_reader r = glia_reader_make(file, size);
    const uint8_t *magic = glia_read_bytes(&r, 6);
    if (!magic || memcmp(magic, "\x93NUMPY", 6))
        return glia_fail_at(e, GLIA_E_FORMAT, "G0430", 0, "not a .npy file");
    int major = glia_read_u8(&r);
    glia_read_u8(&r);
    if (!r.failed && (major < 1 || major > 3))
        return glia_fail_at(e, GLIA_E_UNSUPPORTED, "G0432", 6, ".npy version %d; 1 to 3 are read", major);
    int64_t n = major == 1 ? glia_read_u16(&r) : (int64_t)glia_read_u32(&r);
    const char *text = (const char *)glia_read_bytes(&r, n);
    if (!text || r.failed)
        return glia_fail_at(e, GLIA_E_FORMAT, "G0430", size, "the .npy header ends beyond the file");
    scan c = {text, 0, n};
    glia_status s = read_dict(&c, a, e);
    if (s) return s;
    a->count = 1;
    for (int i = 0; i < a->rank; i++) {
        if (!glia_mul(a->count, a->dims[i], &a->count))
            return glia_fail(e, GLIA_E_FORMAT, "G0433", "the shape of a .npy array wraps");
    }
    if (!glia_mul(a->count, glia_dtype_get(a->dtype)->block_bytes, &a->bytes) ||
        a->bytes != glia_reader_left(&r))
        return glia_fail_at(e, GLIA_E_FORMAT, "G0433", r.at,
                            "a .npy array of %lld elements, but %lld bytes of data", (long long)a->count,
                            (long long)glia_reader_left(&r));
    if (a->bytes == 0) return GLIA_OK;
    a->data = glia_file_memory(os, a->bytes, "a .npy array", e);
    if (!a->data) return GLIA_E_NOMEM;
    memcpy(a->data, glia_read_bytes(&r, a->bytes), (size_t)a->bytes);
    for (int64_t i = 0; a->dtype == GLIA_BOOL && i < a->count; i++) {
        if (((const uint8_t *)a->data)[i] < 2) continue;
        glia_npy_free(os, a);
        return glia_fail(e, GLIA_E_FORMAT, "G0433", "a bool of a .npy array is neither 0 nor 1");
    }
    return GLIA_OK;
}

glia_status glia_npy_parse(const glia_os *os, const void *file, int64_t size, glia_npy *out, glia_error *e)
{
    glia_error_clear(e);
    *out = (glia_npy){0};
    glia_status s = parse(os ? os : glia_os_default(), file, size, out, e);
    if (s) *out = (glia_npy){0};
    return s;
}

glia_status glia_npy_read(const glia_os *os, const char *path, int64_t bytes_max, glia_npy *out,
                          glia_error *e)
{
    char *file;
    int64_t size;
    glia_error_clear(e);
    *out = (glia_npy){0};
    if (!path) return glia_fail(e, GLIA_E_ARG, "G0802", "no path");
    if (!os) os = glia_os_default();
    glia_status s = glia_file_load(os, path, bytes_max > 0 ? bytes_max : BYTES_MAX, &file, &size, e);
    if (s) return s;
    s = glia_npy_parse(os, file, size, out, e);
    if (s) glia_error_context(e, "%.512s", path);
    os->mem_free(os->ctx, file, (size_t)size + 1);
    return s;
}

void glia_npy_free(const glia_os *os, glia_npy *a)
{
    if (!os) os = glia_os_default();
    if (a->data) os->mem_free(os->ctx, a->data, (size_t)a->bytes);
    *a = (glia_npy){0};
}

/* The preamble is padded with spaces so that the data are aligned to 64 bytes. */
static int64_t write_preamble(char *out, int64_t size, const char *descr, int rank, const int64_t *dims)
{
    int64_t n = 10 + snprintf(out + 10, (size_t)size - 10,
                              "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        n += snprintf(out + n, (size_t)(size - n),
                      i + 1 < rank ? "%lld, "
                      : rank == 1  ? "%lld,"
                                   : "%lld",
                      (long long)dims[i]);
    n += snprintf(out + n, (size_t)(size - n), "), }");
    int64_t end = (n + 1 + 63) / 64 * 64;
    memset(out + n, ' ', (size_t)(end - n));
    out[end - 1] = '\n';
    int64_t header = end - 10;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(header & 255);
    out[9] = (char)(header >> 8);
    return end;
}

glia_status glia_npy_write(const glia_os *os, const char *path, glia_dtype dtype, int rank,
                           const int64_t *dims, const void *data, glia_error *e)
{
    char preamble[512]; /* 8 dims of at most 21 characters, and 64 bytes of text */
    int64_t bytes;
    const char *descr = NULL;
    glia_error_clear(e);
    for (int i = 0; i < GLIA_COUNT(known); i++) {
        if (known[i].dtype == dtype) descr = known[i].descr;
    }
    if (!descr)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G0432", "NumPy has no dtype %s", glia_dtype_name(dtype));
    if (!path || rank < 0 || rank > GLIA_RANK_MAX || (rank && !dims))
        return glia_fail(e, GLIA_E_ARG, "G0434", "no path or no shape");
    if (!glia_dtype_tensor_bytes(dtype, rank, dims, &bytes))
        return glia_fail(e, GLIA_E_SHAPE, "G0433", "the shape of a .npy array wraps");
    if (bytes && !data) return glia_fail(e, GLIA_E_ARG, "G0434", "no data");
    if (!os) os = glia_os_default();
    int64_t n = write_preamble(preamble, sizeof preamble, descr, rank, dims);
    glia_file_writer w;
    glia_status s = glia_file_create(&w, os, path, e);
    if (!s) s = glia_file_append(&w, preamble, n, e);
    if (!s) s = glia_file_append(&w, data, bytes, e);
    if (!s) s = glia_file_finish(&w, e);
    glia_file_abandon(&w);
    return s;
}

glia_status glia_npy_write_f32(const glia_os *os, const char *path, int rank, const int64_t *dims,
                               const float *data, glia_error *e)
{
    return glia_npy_write(os, path, GLIA_F32, rank, dims, data, e);
}
