/* Writes models as ONNX files, from the structs that the reader gives: a model read and written means the same. Tensors
 * are written as raw data, strings apart; what lay in an external file has to be in memory (data not null). */
#ifndef GLIA_FORMAT_ONNX_WRITE_H
#define GLIA_FORMAT_ONNX_WRITE_H

#include "base/reader.h"
#include "format/onnx.h"

/* Appends the model's bytes to w. arena and internal of m are not looked at, and texts may be null for "".
 * GLIA_E_ARG (G1017): a tensor without data, a rank out of range, or nested too deep; GLIA_E_NOMEM. */
glia_status glia_onnx_write(const glia_onnx *m, glia_writer *w, glia_error *e);
/* The same into a file that appears under its name when it is complete. */
glia_status glia_onnx_save(const glia_os *os, const char *path, const glia_onnx *m, glia_error *e);
/* A tensor on its own, as test data keep it. */
glia_status glia_onnx_tensor_write(const glia_onnx_tensor *t, glia_writer *w, glia_error *e);

#endif
