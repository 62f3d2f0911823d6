/* The .glia container: a network in one file that opens in milliseconds.
 *
 *     0   8  magic, 0x89 "GLIA" 0x0d 0x0a 0x1a
 *     8   4  version, 1
 *    12   4  sections, 1 to GLIA_CONTAINER_SECTIONS
 *    16   8  size of the file
 *    24   8  checksum (sum64) of the section table
 *    32  32  for each section: kind (4), zero (4), offset (8), bytes (8), checksum (8)
 *
 * All numbers are little-endian. Sections lie in the order of the table, each at the next multiple of 4096 behind the
 * one before (the first: behind the table), zeros between them, and the last one ends the file.
 *
 *     GRAPH    the model as an ONNX message. Its initializers may name the external file "glia.weights": then their
 *              bytes lie in the section WEIGHTS, at a multiple of 64
 *     WEIGHTS  bytes, read where they lie in the mapped file
 *
 * A checksum finds damage, and is no defence: whatever the sections say goes through the same readers, type checks and
 * planning as an ONNX file's. Nothing compiled is stored, so nothing can be stale. Refused: other versions and kinds,
 * sections that overlap, lie elsewhere or outside, bytes behind the last, and external files. */
#ifndef GLIA_FORMAT_CONTAINER_H
#define GLIA_FORMAT_CONTAINER_H

#include <glia/os.h>
#include <stdbool.h>

#include "format/proto.h"

enum {
    GLIA_CONTAINER_SECTIONS = 16,
    GLIA_CONTAINER_ALIGN = 4096,
    GLIA_CONTAINER_GRAPH = 1,
    GLIA_CONTAINER_WEIGHTS = 2
};
#define GLIA_CONTAINER_FILE "glia.weights"

typedef struct glia_container {
    glia_span graph, weights; /* weights: may be empty */
} glia_container;

/* Does it begin like a container? */
bool glia_container_is(const void *data, int64_t size);
/* Checks the header, the table and the sums. GLIA_E_FORMAT (G0240 to G0243). */
glia_status glia_container_view(const void *data, int64_t size, glia_container *out, glia_error *e);
/* From an ONNX file, with the external data in its folder, to a container, which appears under its name when it is
 * complete and has been read back. GLIA_E_IO, GLIA_E_FORMAT, GLIA_E_UNSUPPORTED, GLIA_E_NOMEM. */
glia_status glia_container_write(const glia_os *os, const char *onnx, const char *path, glia_error *e);

#endif
