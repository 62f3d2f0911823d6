/* Fuzz target: bytes as the header of a cached packed file. Each input is read as it is, and with its digest
 * made good. What is taken says of itself what it is: every block lies within the file, behind the header,
 * and apart from the others, and writing it again gives the same bytes. */
#include "fuzz.h"

#include "base/sha256.h"
#include "llm/pack_file.h"

static int64_t claimed(const uint8_t *data, int64_t size)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0 && size >= 24; i--) v = v << 8 | data[16 + i];
    return v > INT64_MAX ? size : (int64_t)v;
}

static void check_header(const uint8_t *data, int64_t size, int64_t file_bytes)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_pack_header h;
    int64_t header = -1;
    const int64_t first = size < GLIA_PACK_FIXED ? size : GLIA_PACK_FIXED;
    glia_status s = glia_pack_header_size(data, first, file_bytes, &header, &e);
    FUZZ_CHECK(!s || (e.code[0] && e.text[0]));
    if (s) return;
    FUZZ_CHECK(header >= GLIA_PACK_FIXED + GLIA_PACK_DIGEST && header <= file_bytes &&
               header <= GLIA_PACK_HEADER_MAX);
    if (header > size) return;
    s = glia_pack_header_read(data, header, file_bytes, &h, &e);
    FUZZ_CHECK(!s || (e.code[0] && e.text[0]));
    if (s) return;
    FUZZ_CHECK(h.header_bytes == header && h.file_bytes == file_bytes);
    int64_t end = header;
    uint64_t *sums = malloc((size_t)h.blocks * 8 + 8);
    uint8_t *again = malloc((size_t)header);
    for (int64_t i = 0; i < h.blocks; i++) {
        const glia_pack_block b = glia_pack_block_at(&h, i);
        FUZZ_CHECK(b.bytes > 0 && b.bytes <= GLIA_PACK_BLOCK && b.offset >= end);
        FUZZ_CHECK(b.begin >= 0 && b.begin + b.bytes <= h.bytes[b.section]);
        end = b.offset + b.bytes;
        sums[i] = glia_pack_header_sum(data, i);
    }
    FUZZ_CHECK(end == file_bytes);
    glia_pack_header_write(&h, sums, again);
    FUZZ_CHECK(!memcmp(again, data, (size_t)header));
    free(sums);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t n = (int64_t)size;
    check_header(data, n, n);
    check_header(data, n, claimed(data, n));
    if (size < GLIA_PACK_FIXED + GLIA_PACK_DIGEST) return 0;
    uint8_t *copy = malloc(size);
    glia_sha256 h;
    if (!copy) return 0;
    memcpy(copy, data, size);
    for (int i = 0; i < 8; i++) copy[24 + i] = (uint8_t)((uint64_t)n >> 8 * i); /* its size, too */
    glia_sha256_init(&h);
    glia_sha256_add(&h, copy, n - GLIA_PACK_DIGEST);
    glia_sha256_done(&h, copy + n - GLIA_PACK_DIGEST);
    check_header(copy, n, claimed(copy, n));
    free(copy);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const int64_t sizes[][2] = {
        {0, 0}, {1, 0}, {0, 5000}, {100, 100}, {GLIA_PACK_BLOCK, 3 * GLIA_PACK_BLOCK + 1}};
    uint64_t sums[16];
    if (i >= 5) return -1;
    glia_pack_header h = {.bytes = {sizes[i][0], sizes[i][1]}, .isa = "portable"};
    if (!glia_pack_lay_out(&h)) exit(2);
#ifdef GLIA_HOSTILE
    if (h.blocks > 16) return fuzz_example(0, out);
#endif
    for (int k = 0; k < 16; k++) sums[k] = (uint64_t)k * 0x0102030405060708u;
    for (int k = 0; k < 32; k++) h.stamp[k] = h.content[k] = h.layouts[k] = (uint8_t)(k + i);
    glia_pack_header_write(&h, sums, out);
    return h.header_bytes;
}
#endif
