/* Shared by the file formats; see file.h. */
#include "format/file.h"

#include "base/check.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

const char *glia_file_reason(int error)
{
    switch (error) {
    case ENOENT: return "no such file";
    case EACCES:
    case EPERM: return "permission denied";
    case EISDIR: return "it is a directory";
    case ENOTDIR: return "a part of the path is no directory";
    case EINVAL: return "it is not a regular file";
    case ENOSPC:
    case EDQUOT: return "no space is left";
    case EFBIG: return "it would be too large";
    case ELOOP: return "a symbolic link, or too many of them";
    case EMLINK: return "the file has several names (hard links)";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENOMEM: return "out of memory";
    case EROFS: return "the file system is read-only";
    case EIO: return "an input or output error, or the file was cut";
    default: return "the operating system refused";
    }
}

void *glia_file_memory(const glia_os *os, int64_t bytes, const char *what, glia_error *e)
{
    void *p = bytes < 0 || (uint64_t)bytes > SIZE_MAX
                  ? NULL
                  : os->mem_alloc(os->ctx, (size_t)glia_max(bytes, 1), 64);
    if (!p) glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory: %lld bytes for %s", (long long)bytes, what);
    return p;
}

static glia_status load_open(const glia_os *os, glia_file f, int64_t bytes_max, char **data, int64_t *size,
                             glia_error *e)
{
    int64_t n;
    int error = os->file_size(os->ctx, f, &n);
    if (error) return glia_fail(e, GLIA_E_IO, "G0802", "cannot tell its size: %s", glia_file_reason(error));
    if (n > bytes_max)
        return glia_fail(e, GLIA_E_LIMIT, "G0415", "the file has %lld bytes, the limit is %lld", (long long)n,
                         (long long)bytes_max);
    char *p = glia_file_memory(os, n + 1, "a file", e);
    if (!p) return GLIA_E_NOMEM;
    error = n ? os->file_read(os->ctx, f, 0, p, (size_t)n) : 0;
    if (error) {
        os->mem_free(os->ctx, p, (size_t)n + 1);
        return glia_fail(e, GLIA_E_IO, "G0802", "cannot read: %s", glia_file_reason(error));
    }
    p[n] = 0;
    *data = p;
    *size = n;
    return GLIA_OK;
}

glia_status glia_file_load(const glia_os *os, const char *path, int64_t bytes_max, char **data, int64_t *size,
                           glia_error *e)
{
    glia_file f;
    *data = NULL;
    *size = 0;
    int error = os->file_open(os->ctx, path, GLIA_FILE_READ, &f);
    if (error)
        return glia_fail(e, GLIA_E_IO, "G0802", "%.512s: cannot open: %s", path, glia_file_reason(error));
    glia_status s = load_open(os, f, bytes_max, data, size, e);
    os->file_close(os->ctx, f);
    if (s) glia_error_context(e, "%.512s", path);
    return s;
}

void glia_file_name(const char *path, char *out, int64_t size)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int64_t n = glia_min((int64_t)strlen(name), size - 1);
    memcpy(out, name, (size_t)n);
    out[n] = 0;
}

static glia_status refused(const glia_file_writer *w, const char *act, int error, glia_error *e)
{
    return glia_fail(e, GLIA_E_IO, "G0802", "%.512s: cannot %s: %s", w->path, act, glia_file_reason(error));
}

glia_status glia_file_create(glia_file_writer *w, const glia_os *os, const char *path, glia_error *e)
{
    *w = (glia_file_writer){.os = os, .path = path};
    int64_t n = (int64_t)strlen(path);
    w->temporary_bytes = n + 5;
    w->temporary = glia_file_memory(os, w->temporary_bytes, "a path", e);
    if (!w->temporary) return GLIA_E_NOMEM;
    memcpy(w->temporary, path, (size_t)n);
    memcpy(w->temporary + n, ".tmp", 5);
    int error = os->file_open(os->ctx, w->temporary, GLIA_FILE_WRITE, &w->file);
    w->open = error == 0;
    return error ? refused(w, "create", error, e) : GLIA_OK;
}

glia_status glia_file_append(glia_file_writer *w, const void *p, int64_t bytes, glia_error *e)
{
    int error = bytes ? w->os->file_write(w->os->ctx, w->file, w->at, p, (size_t)bytes) : 0;
    if (error) return refused(w, "write", error, e);
    w->at += bytes;
    return GLIA_OK;
}

glia_status glia_file_finish(glia_file_writer *w, glia_error *e)
{
    int error = w->os->file_sync(w->os->ctx, w->file);
    if (error) return refused(w, "sync", error, e);
    w->os->file_close(w->os->ctx, w->file);
    w->open = false;
    error = w->os->file_rename(w->os->ctx, w->temporary, w->path);
    if (error) w->os->file_remove(w->os->ctx, w->temporary);
    w->os->mem_free(w->os->ctx, w->temporary, (size_t)w->temporary_bytes);
    w->temporary = NULL;
    return error ? refused(w, "rename", error, e) : GLIA_OK;
}

void glia_file_abandon(glia_file_writer *w)
{
    if (w->open) {
        w->os->file_close(w->os->ctx, w->file);
        w->os->file_remove(w->os->ctx, w->temporary);
        w->open = false;
    }
    if (w->temporary) w->os->mem_free(w->os->ctx, w->temporary, (size_t)w->temporary_bytes);
    w->temporary = NULL;
}
