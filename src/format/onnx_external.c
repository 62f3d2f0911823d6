/* Tensors whose data lie in files beside the model. The model's text decides which, so the path is hostile: it goes
 * through the os table's file_open_below, which follows no link and takes only a regular file with one name. A file
 * is looked at when the model is opened (it is there, and long enough) and again when it is read. A few stay open. */
#include "format/onnx_internal.h"

#include "base/check.h"
#include "base/error.h"
#include "format/container.h"
#include "format/file.h"
#include "tensor/dtype.h"
#include "tensor/lowbit.h"

#include <stddef.h>
#include <string.h>

enum { OPEN_MOST = 8, CHUNK = 4096 };

struct glia_onnx_files {
    const char *folder; /* null: none */
    struct {
        const char *name; /* null: free */
        glia_file file;
        int64_t size;
    } open[OPEN_MOST];
    int next; /* the one to give up for another */
};

glia_onnx_files *glia_onnx_files_new(glia_arena *a, const char *folder)
{
    glia_onnx_files *f = GLIA_NEW(a, glia_onnx_files);
    if (!f) return NULL;
    f->folder = folder ? glia_arena_strdup(a, folder) : NULL;
    return folder && !f->folder ? NULL : f;
}

void glia_onnx_files_close(const glia_onnx *m)
{
    glia_onnx_files *f = m->internal;
    const glia_os *os = m->arena.os;
    for (int i = 0; f && i < OPEN_MOST; i++) {
        if (f->open[i].name) os->file_close(os->ctx, f->open[i].file);
        f->open[i].name = NULL;
    }
}

static glia_status open_file(const glia_onnx *m, const glia_onnx_tensor *t, glia_file *file, int64_t *size,
                             glia_error *e)
{
    glia_onnx_files *f = m->internal;
    const glia_os *os = m->arena.os;
    for (int i = 0; i < OPEN_MOST; i++) {
        if (!f->open[i].name || strcmp(f->open[i].name, t->location)) continue;
        *file = f->open[i].file;
        *size = f->open[i].size;
        return GLIA_OK;
    }
    if (!f->folder)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G1011",
                         "tensor '%.64s' lies in the file '%.256s', and no folder was given for such files",
                         t->name.text, t->location);
    if (os->size < offsetof(glia_os, file_open_below) + sizeof os->file_open_below || !os->file_open_below)
        return glia_fail(e, GLIA_E_UNSUPPORTED, "G1011",
                         "tensor '%.64s' lies in an external file, which this os table cannot open safely",
                         t->name.text);
    int error = os->file_open_below(os->ctx, f->folder, t->location, file);
    if (error)
        return glia_fail(e, GLIA_E_IO, "G1012", "tensor '%.64s' lies in the external file '%.256s': %s",
                         t->name.text, t->location, glia_file_reason(error));
    error = os->file_size(os->ctx, *file, size);
    if (error) {
        os->file_close(os->ctx, *file);
        return glia_fail(e, GLIA_E_IO, "G1012", "the external file '%.256s' has no size: %s", t->location,
                         glia_file_reason(error));
    }
    const int i = f->next;
    f->next = (i + 1) % OPEN_MOST;
    if (f->open[i].name) os->file_close(os->ctx, f->open[i].file);
    f->open[i].name = t->location;
    f->open[i].file = *file;
    f->open[i].size = *size;
    return GLIA_OK;
}

/* Bytes of the tensor's elements inside that file. */
static glia_status check_extent(const glia_onnx_tensor *t, int64_t size, int64_t *bytes, glia_error *e)
{
    int64_t end;
    if (!glia_onnx_file_bytes(t, bytes) || !glia_add(t->external_offset, *bytes, &end) || end > size)
        return glia_fail(e, GLIA_E_FORMAT, "G1013",
                         "tensor '%.64s' has %lld bytes at %lld of '%.256s', which has %lld", t->name.text,
                         (long long)*bytes, (long long)t->external_offset, t->location, (long long)size);
    return GLIA_OK;
}

/* Names parted by single slashes, none of them `.` or `..`, without backslashes: a path that stays below. */
static bool is_plain_path(const char *path)
{
    for (;;) {
        const size_t n = strcspn(path, "/\\");
        if (!n || path[n] == '\\' || (path[0] == '.' && (n == 1 || (n == 2 && path[1] == '.')))) return false;
        if (!path[n]) return true;
        path += n + 1;
    }
}

static bool number_of(const glia_onnx_text *s, int64_t *out)
{
    int64_t v = 0;
    for (int64_t i = 0; i < s->size; i++) {
        if (s->text[i] < '0' || s->text[i] > '9' || !glia_mul(v, 10, &v) ||
            !glia_add(v, s->text[i] - '0', &v))
            return false;
    }
    *out = v;
    return s->size > 0;
}

static glia_status check_bools(const glia_onnx_tensor *t, const uint8_t *b, int64_t n, glia_error *e)
{
    for (int64_t i = 0; t->dtype == GLIA_BOOL && i < n; i++) {
        if (b[i] > 1)
            return glia_fail(e, GLIA_E_FORMAT, "G1008", "a bool of tensor '%.64s' is %d, neither 0 nor 1",
                             t->name.text, b[i]);
    }
    return GLIA_OK;
}

/* Weights of a container lie in its own bytes, which stay where they are. */
static bool use_blob(glia_onnx_parser *p, glia_onnx_tensor *t, int64_t bytes)
{
    const int bits = glia_lowbit_bits(t->dtype);
    if (t->external_offset % 64 || bytes > p->blob->size || t->external_offset > p->blob->size - bytes ||
        (bits && bits < 8))
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1013", NULL,
                              "tensor '%.64s' has %lld bytes at %lld of a container's %lld weights",
                              t->name.text, (long long)bytes, (long long)t->external_offset,
                              (long long)p->blob->size);
    t->data = p->blob->data + t->external_offset;
    t->location = NULL;
    p->status = check_bools(t, t->data, t->count, p->e);
    return !p->status;
}

bool glia_onnx_place_external(glia_onnx_parser *p, glia_onnx_tensor *t, const glia_onnx_text *keys,
                              const glia_onnx_text *values, int64_t count)
{
    glia_file file;
    int64_t size, bytes;
    for (int64_t i = 0; i < count; i++) {
        int64_t *number = NULL;
        if (!strcmp(keys[i].text, "location")) t->location = values[i].text;
        else if (!strcmp(keys[i].text, "offset")) number = &t->external_offset;
        else if (!strcmp(keys[i].text, "length")) number = &t->external_length;
        if (number && !number_of(&values[i], number))
            return glia_onnx_fail(p, GLIA_E_FORMAT, "G1013", NULL,
                                  "tensor '%.64s': its external %s is '%.64s'", t->name.text, keys[i].text,
                                  values[i].text);
    }
    if (!t->location || !is_plain_path(t->location))
        return glia_onnx_fail(p, GLIA_E_FORMAT, "G1011", NULL,
                              "tensor '%.64s': its external file '%.256s' is no relative path of plain names",
                              t->name.text, t->location ? t->location : "");
    if (!p->m)
        return glia_onnx_fail(p, GLIA_E_UNSUPPORTED, "G1011", NULL,
                              "tensor '%.64s' lies in the external file '%.256s': here tensors stand alone",
                              t->name.text, t->location);
    if (!glia_onnx_file_bytes(t, &bytes) || (t->external_length >= 0 && t->external_length != bytes))
        return glia_onnx_fail(
            p, GLIA_E_FORMAT, "G1007", NULL,
            "tensor '%.64s' has %lld external bytes where its shape and type (%s) ask for %lld", t->name.text,
            (long long)t->external_length, glia_onnx_type_name(t->onnx_type), (long long)bytes);
    if (!t->count) return true;
    if (p->blob && !strcmp(t->location, GLIA_CONTAINER_FILE)) return use_blob(p, t, bytes);
    p->status = open_file(p->m, t, &file, &size, p->e);
    if (!p->status) p->status = check_extent(t, size, &bytes, p->e);
    return !p->status;
}

/* Elements of 6, 4 or 2 bits, unpacked chunk by chunk; CHUNK elements fill whole bytes. */
static int read_packed(const glia_os *os, glia_file file, const glia_onnx_tensor *t, int64_t begin, int64_t n,
                       uint8_t *to)
{
    uint8_t packed[CHUNK], elements[CHUNK];
    for (int64_t at = begin / CHUNK * CHUNK; at < begin + n; at += CHUNK) {
        const int64_t count = glia_min(CHUNK, t->count - at), from = glia_max(begin, at);
        int64_t offset, bytes;
        if (!glia_lowbit_packed_bytes(t->dtype, at, &offset) ||
            !glia_lowbit_packed_bytes(t->dtype, count, &bytes))
            return -1;
        const int error = os->file_read(os->ctx, file, t->external_offset + offset, packed, (size_t)bytes);
        if (error) return error;
        glia_lowbit_unpack(t->dtype, packed, count, elements);
        memcpy(to + (from - begin), elements + (from - at), (size_t)(glia_min(begin + n, at + count) - from));
    }
    return 0;
}

glia_status glia_onnx_tensor_read(const glia_onnx *m, const glia_onnx_tensor *t, int64_t begin, int64_t bytes,
                                  void *to, glia_error *e)
{
    int64_t end, size, have;
    glia_file file;
    const glia_os *os = m->arena.os;
    if (!glia_add(begin, bytes, &end) || end > t->bytes || t->is_string)
        return glia_fail(e, GLIA_E_ARG, "G1017", "%lld bytes at %lld of tensor '%.64s', which has %lld",
                         (long long)bytes, (long long)begin, t->name.text, (long long)t->bytes);
    if (!bytes) return GLIA_OK;
    if (t->data) {
        memcpy(to, (const uint8_t *)t->data + begin, (size_t)bytes);
        return GLIA_OK;
    }
    glia_status s = open_file(m, t, &file, &size, e);
    if (!s) s = check_extent(t, size, &have, e);
    if (s) return s;
    const int bits = glia_lowbit_bits(t->dtype);
    const int error = bits && bits < 8
                          ? read_packed(os, file, t, begin, bytes, to)
                          : os->file_read(os->ctx, file, t->external_offset + begin, to, (size_t)bytes);
    if (error)
        return glia_fail(e, GLIA_E_IO, "G1012", "the external file '%.256s' cannot be read: %s", t->location,
                         glia_file_reason(error));
    return check_bools(t, to, bytes, e);
}
