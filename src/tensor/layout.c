/* Packing weights into panels of 16 rows, and giving rows back. layout.h has the pictures. */
#include "tensor/layout.h"

#include "base/check.h"
#include "tensor/formats.h"

enum { ROWS = 16, BLOCK = 32, PAIR = 2 * BLOCK, DELTAS = 2 * ROWS * 2 /* bytes of the scales of a pair */ };

const char *glia_layout_name(int layout)
{
    static const char *const names[GLIA_LAYOUT_COUNT] = {"plain", "r16"};
    return (unsigned)layout < GLIA_LAYOUT_COUNT ? names[layout] : "none";
}

/* Bytes of quants per block of a panel: 512 for Q8_0, 256 for Q4_0; 0 for other formats. */
static int quant_bytes(glia_dtype t) { return t == GLIA_Q8_0 ? ROWS * 32 : t == GLIA_Q4_0 ? ROWS * 16 : 0; }
static int pair_bytes(glia_dtype t) { return DELTAS + 2 * quant_bytes(t); }
static int float_bytes(glia_dtype t) { return t == GLIA_F32 ? 4 : t == GLIA_F16 || t == GLIA_BF16 ? 2 : 0; }

/* Bytes of a panel of 16 rows. */
static bool panel_bytes(glia_dtype t, int64_t k, int64_t *out)
{
    if (k < 0) return false;
    if (float_bytes(t)) return glia_mul(k, ROWS * float_bytes(t), out);
    return quant_bytes(t) && k % BLOCK == 0 && glia_mul(k / PAIR + (k % PAIR != 0), pair_bytes(t), out);
}

bool glia_layout_bytes(int layout, glia_dtype t, int64_t n, int64_t k, int64_t *out)
{
    int64_t row, panel;
    if (n < 0 || k < 0) return false;
    if (layout == GLIA_LAYOUT_PLAIN) return glia_dtype_row_bytes(t, k, &row) && glia_mul(n, row, out);
    if (layout != GLIA_LAYOUT_R16) return false;
    return panel_bytes(t, k, &panel) && glia_mul(n / ROWS + (n % ROWS != 0), panel, out);
}

/* Rows [0, count) of a panel of floats; the others are zero. */
static void put_float_panel(int bytes, int64_t k, const uint8_t *from, int count, uint8_t *panel)
{
    memset(panel, 0, (size_t)(k * ROWS * bytes));
    for (int64_t i = 0; i < k; i++)
        for (int r = 0; r < count; r++)
            memcpy(panel + (i * ROWS + r) * bytes, from + (r * k + i) * bytes, (size_t)bytes);
}

static uint32_t load4(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Rows [0, count) of a panel of quants; the other rows, and the block that makes an odd count even, are zero.
 * Written in the order of the panel, since the rows are the ones that stay in cache. */
static void put_quant_panel(glia_dtype t, int64_t k, const uint8_t *from, int64_t row_bytes, int count,
                            uint8_t *panel)
{
    const int plain = glia_dtype_get(t)->block_bytes, groups = quant_bytes(t) / 64;
    const uint32_t flip = t == GLIA_Q8_0 ? 0x80808080u : 0, zero = t == GLIA_Q8_0 ? 0x80808080u : 0x88888888u;
    for (int64_t b = 0; b < (k / PAIR + (k % PAIR != 0)) * 2; b++) {
        uint8_t *pair = panel + b / 2 * pair_bytes(t), *deltas = pair + b % 2 * ROWS * 2;
        uint8_t *quants = pair + DELTAS + b % 2 * quant_bytes(t);
        const int rows = b * BLOCK < k ? count : 0;
        for (int r = 0; r < ROWS; r++) {
            const uint8_t *block = r < rows ? from + r * row_bytes + b * plain : 0;
            if (block) memcpy(deltas + 2 * r, block, 2);
            else memset(deltas + 2 * r, 0, 2);
            for (int j = 0; j < groups; j++) {
                const uint32_t v = block ? load4(block + 2 + 4 * j) ^ flip : zero;
                memcpy(quants + j * 64 + r * 4, &v, sizeof v);
            }
        }
    }
}

void glia_layout_pack(int layout, glia_dtype t, int64_t n, int64_t k, const void *from, int64_t row_begin,
                      int64_t row_end, void *to)
{
    int64_t row = 0, panel = 0;
    if (!glia_dtype_row_bytes(t, k, &row)) return;
    if (layout == GLIA_LAYOUT_PLAIN) {
        memcpy((uint8_t *)to + row_begin * row, from, (size_t)((row_end - row_begin) * row));
        return;
    }
    if (!panel_bytes(t, k, &panel)) return;
    (void)n;
    for (int64_t r = row_begin; r < row_end; r += ROWS) {
        const uint8_t *source = (const uint8_t *)from + (r - row_begin) * row;
        const int count = (int)glia_min(ROWS, row_end - r);
        uint8_t *p = (uint8_t *)to + r / ROWS * panel;
        if (float_bytes(t)) put_float_panel(float_bytes(t), k, source, count, p);
        else put_quant_panel(t, k, source, row, count, p);
    }
}

void glia_layout_unpack_row(int layout, glia_dtype t, int64_t n, int64_t k, const void *tensor, int64_t row,
                            void *out)
{
    int64_t bytes = 0, panel = 0;
    uint8_t *to = out;
    (void)n;
    if (!glia_dtype_row_bytes(t, k, &bytes)) return;
    if (layout == GLIA_LAYOUT_PLAIN) {
        memcpy(out, (const uint8_t *)tensor + row * bytes, (size_t)bytes);
        return;
    }
    if (!panel_bytes(t, k, &panel)) return;
    const uint8_t *p = (const uint8_t *)tensor + row / ROWS * panel;
    const int lane = (int)(row % ROWS), size = float_bytes(t);
    if (size) {
        for (int64_t i = 0; i < k; i++) memcpy(to + i * size, p + (i * ROWS + lane) * size, (size_t)size);
        return;
    }
    const int plain = glia_dtype_get(t)->block_bytes, groups = quant_bytes(t) / 64;
    const uint8_t flip = t == GLIA_Q8_0 ? 128 : 0;
    for (int64_t b = 0; b < k / BLOCK; b++, to += plain) {
        const uint8_t *pair = p + b / 2 * pair_bytes(t),
                      *quants = pair + DELTAS + b % 2 * quant_bytes(t) + lane * 4;
        memcpy(to, pair + b % 2 * ROWS * 2 + lane * 2, 2);
        for (int j = 0; j < groups; j++)
            for (int i = 0; i < 4; i++) to[2 + 4 * j + i] = quants[j * 64 + i] ^ flip;
    }
}

void glia_layout_row(int layout, glia_dtype t, int64_t n, int64_t k, const void *tensor, int64_t row,
                     float *out)
{
    int64_t bytes = 0, panel = 0;
    const glia_dtype_info *info = glia_dtype_get(t);
    if (!info->decode || !glia_dtype_row_bytes(t, k, &bytes)) return;
    if (layout == GLIA_LAYOUT_PLAIN) {
        info->decode((const uint8_t *)tensor + row * bytes, out, k);
        return;
    }
    if (!panel_bytes(t, k, &panel)) return;
    const uint8_t *p = (const uint8_t *)tensor + row / ROWS * panel;
    const int lane = (int)(row % ROWS), size = float_bytes(t);
    if (size) {
        for (int64_t i = 0; i < k; i++) info->decode(p + (i * ROWS + lane) * size, out + i, 1);
        return;
    }
    /* A pair seen alone is a packed panel of two blocks, so that a row of any length needs no memory of its
     * own. */
    uint8_t two[2 * 34];
    for (int64_t at = 0; at < k; at += PAIR, p += pair_bytes(t)) {
        const int64_t here = glia_min(PAIR, k - at);
        glia_layout_unpack_row(GLIA_LAYOUT_R16, t, n, here, p, lane, two);
        info->decode(two, out + at, here);
    }
}
