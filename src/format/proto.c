/* The wire reader of protocol buffers; see proto.h. */
#include "format/proto.h"

#define VARINT_BYTES_MOST 10

/* False: it does not end within ten bytes, or has more than 64 bits; or the bytes end (the reader has failed). */
static bool varint(glia_reader *r, uint64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < VARINT_BYTES_MOST; i++) {
        const uint8_t b = glia_read_u8(r);
        if (r->failed) return false;
        if (i == VARINT_BYTES_MOST - 1 && b > 1) return false;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool fault(glia_proto *p, const glia_proto_field *f, const char *what)
{
    p->fault = what;
    p->at = f->at;
    return false;
}

bool glia_proto_next(glia_proto *p, glia_proto_field *f)
{
    uint64_t tag, n;
    f->at = p->r.data ? p->r.data + p->r.at : 0;
    if (p->fault || !glia_reader_left(&p->r)) return false;
    f->bits = 0;
    f->bytes = (glia_span){0, 0};
    if (!varint(&p->r, &tag) || tag > UINT32_MAX) return fault(p, f, "a tag that is no number");
    f->number = (uint32_t)(tag >> 3);
    f->wire = (int)(tag & 7);
    if (!f->number) return fault(p, f, "a field with the number 0");
    switch (f->wire) {
    case GLIA_PROTO_VARINT:
        if (!varint(&p->r, &f->bits)) return fault(p, f, "a number that does not end");
        return true;
    case GLIA_PROTO_8:
        f->bits = glia_read_u64(&p->r);
        return p->r.failed ? fault(p, f, "a field that ends beyond its message") : true;
    case GLIA_PROTO_4:
        f->bits = glia_read_u32(&p->r);
        return p->r.failed ? fault(p, f, "a field that ends beyond its message") : true;
    case GLIA_PROTO_BYTES:
        if (!varint(&p->r, &n)) return fault(p, f, "a length that does not end");
        if (n > (uint64_t)glia_reader_left(&p->r)) return fault(p, f, "a field that ends beyond its message");
        f->bytes.size = (int64_t)n;
        f->bytes.data = glia_read_bytes(&p->r, f->bytes.size);
        return true;
    case 3:
    case 4: return fault(p, f, "a group, which protocol buffers have given up");
    default: return fault(p, f, "an unknown wire type");
    }
}

int64_t glia_proto_count(const glia_proto_field *f, int item)
{
    if (f->wire == item) return 1;
    if (f->wire != GLIA_PROTO_BYTES) return -1;
    const int64_t size = f->bytes.size, each = item == GLIA_PROTO_4 ? 4 : 8;
    if (item != GLIA_PROTO_VARINT) return size % each ? -1 : size / each;
    int64_t count = 0, run = 0;
    for (int64_t i = 0; i < size; i++) {
        const uint8_t b = f->bytes.data[i];
        if (++run > VARINT_BYTES_MOST || (run == VARINT_BYTES_MOST && b > 1)) return -1;
        if (b & 0x80) continue;
        count++;
        run = 0;
    }
    return run ? -1 : count;
}

uint64_t glia_proto_take(glia_proto_field *f, int item)
{
    if (f->wire == item) return f->bits;
    glia_reader r = glia_reader_make(f->bytes.data, f->bytes.size);
    uint64_t v = 0;
    if (item == GLIA_PROTO_4) v = glia_read_u32(&r);
    else if (item == GLIA_PROTO_8) v = glia_read_u64(&r);
    else varint(&r, &v);
    f->bytes.data += r.at;
    f->bytes.size -= r.at;
    return v;
}
