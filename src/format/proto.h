/* The wire format of protocol buffers, read field by field through the bounded reader. A message is a run of fields,
 * each a tag (number and wire type) and a value; what a field means is the caller's business, who may skip any.
 *
 *     wire type   0 varint   1 eight bytes   2 a length and as many bytes   5 four bytes
 *
 * Refused: groups (3 and 4, long out of use, and the only thing that would nest without a length), varints of more
 * than ten bytes, lengths beyond the message, field number 0. Nothing here allocates or recurses.
 * (protobuf.dev, Encoding.) */
#ifndef GLIA_FORMAT_PROTO_H
#define GLIA_FORMAT_PROTO_H

#include "base/reader.h"

typedef struct glia_span {
    const uint8_t *data;
    int64_t size;
} glia_span;

enum { GLIA_PROTO_VARINT = 0, GLIA_PROTO_8 = 1, GLIA_PROTO_BYTES = 2, GLIA_PROTO_4 = 5 };

typedef struct glia_proto {
    glia_reader r;
    const char *fault; /* what is wrong, as a clause; null: nothing so far */
    const uint8_t *at; /* where the fault is */
} glia_proto;

typedef struct glia_proto_field {
    uint32_t number; /* >= 1 */
    int wire;
    uint64_t bits;   /* of VARINT, 8 and 4 */
    glia_span bytes; /* of BYTES */
    const uint8_t *at;
} glia_proto_field;

static inline glia_proto glia_proto_make(glia_span s)
{
    glia_proto p = {glia_reader_make(s.data, s.size), 0, 0};
    return p;
}

/* The next field. False at the end, and at a fault, which `fault` then names. */
bool glia_proto_next(glia_proto *p, glia_proto_field *f);

/* The numbers of a repeated scalar field, packed (BYTES) or one a field, whose packed items have the wire type
 * `item`. Use: the count first, then a cursor over the field. */
int64_t glia_proto_count(const glia_proto_field *f, int item); /* -1: malformed, or another wire type */
/* Takes the next number off f->bytes, which glia_proto_count has accepted; or f->bits, where it is a single one. */
uint64_t glia_proto_take(glia_proto_field *f, int item);

#endif
