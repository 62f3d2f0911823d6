/* Packing weights into panels of 16 rows, and giving rows back. layout.h has the pictures. */
#include "tensor/layout.h"

#include "base/check.h"
#include "tensor/formats.h"

enum { ROWS = 16, SCALARS_MAX = 3, GROUP_BYTES_MAX = 2 * 210 /* of one row in plain blocks: Q6_K's */ };

/* How the bytes of a plain block go into a group; layout.h has the pictures. */
typedef struct packing {
    uint8_t group; /* blocks; 0: the format has no such layout */
    struct {
        uint8_t at, bytes;
    } scalar[SCALARS_MAX];
    uint8_t at, words;   /* the rest, as words of four bytes */
    uint32_t flip, zero; /* words are stored xor flip; those of a padding block (stored) */
} packing;

static const packing packings[GLIA_DTYPE_COUNT] = {
    [GLIA_Q8_0] = {2, {{0, 2}}, 2, 8, 0x80808080u, 0x80808080u},
    [GLIA_Q4_0] = {2, {{0, 2}}, 2, 4, 0, 0x88888888u},
    [GLIA_IQ4_NL] = {2, {{0, 2}}, 2, 4, 0, 0},
    [GLIA_Q4_1] = {2, {{0, 2}, {2, 2}}, 4, 4, 0, 0},
    [GLIA_Q5_0] = {2, {{0, 2}, {2, 4}}, 6, 4, 0, 0},
    [GLIA_Q5_1] = {2, {{0, 2}, {2, 2}, {4, 4}}, 8, 4, 0, 0},
    [GLIA_MXFP4] = {4, {{0, 1}}, 1, 4, 0, 0},
    [GLIA_Q2_K] = {1, {{80, 2}, {82, 2}}, 0, 20, 0, 0},
    [GLIA_Q3_K] = {2, {{108, 2}}, 0, 27, 0, 0},
    [GLIA_Q4_K] = {1, {{0, 2}, {2, 2}}, 4, 35, 0, 0},
    [GLIA_Q5_K] = {1, {{0, 2}, {2, 2}}, 4, 43, 0, 0},
    [GLIA_Q6_K] = {2, {{208, 2}}, 0, 52, 0, 0},
    [GLIA_IQ4_XS] = {1, {{0, 2}, {2, 2}}, 4, 33, 0, 0},
    [GLIA_TQ1_0] = {2, {{52, 2}}, 0, 13, 0, 0},
    [GLIA_TQ2_0] = {2, {{64, 2}}, 0, 16, 0, 0},
};

static const packing *packing_of(glia_dtype t)
{
    const bool known = (unsigned)t < GLIA_DTYPE_COUNT && packings[t].group;
    return known ? &packings[t] : 0;
}

const char *glia_layout_name(int layout)
{
    static const char *const names[GLIA_LAYOUT_COUNT] = {"plain", "r16", "c16"};
    return (unsigned)layout < GLIA_LAYOUT_COUNT ? names[layout] : "none";
}

static int64_t group_bytes(glia_dtype t)
{
    return (int64_t)ROWS * packings[t].group * glia_dtype_get(t)->block_bytes;
}
static int float_bytes(glia_dtype t) { return t == GLIA_F32 ? 4 : t == GLIA_F16 || t == GLIA_BF16 ? 2 : 0; }

/* Bytes of a panel of 16 rows. */
static bool panel_bytes(glia_dtype t, int64_t k, int64_t *out)
{
    const packing *f = packing_of(t);
    const int64_t block = glia_dtype_get(t)->block_elements;
    if (k < 0) return false;
    if (float_bytes(t)) return glia_mul(k, ROWS * float_bytes(t), out);
    return f && k % block == 0 && glia_mul(glia_ceil_div(k / block, f->group), group_bytes(t), out);
}

bool glia_layout_bytes(int layout, glia_dtype t, int64_t n, int64_t k, int64_t *out)
{
    int64_t row, panel;
    if (n < 0 || k < 0) return false;
    if (layout == GLIA_LAYOUT_PLAIN) return glia_dtype_row_bytes(t, k, &row) && glia_mul(n, row, out);
    if (layout != GLIA_LAYOUT_R16) return false;
    return panel_bytes(t, k, &panel) && glia_mul(n / ROWS + (n % ROWS != 0), panel, out);
}

/* Four words of a row: loads and stores without a counter between, which is twice as fast as word by word. */
static inline void put_four(const uint8_t *from, uint32_t flip, uint8_t *to)
{
    uint32_t v[4];
    memcpy(v, from, sizeof v);
    for (int j = 0; j < 4; j++) {
        v[j] ^= flip;
        memcpy(to + j * ROWS * 4, &v[j], sizeof v[j]);
    }
}

/* 16 rows of up to 16 words, `stride` bytes apart, to words of 16 rows. Written so that a row is read through
 * before the next one, since rows may lie a power of two apart. */
static void put_words(const uint8_t *from, int64_t stride, int rows, int words, uint32_t flip, uint8_t *to)
{
    for (int r = 0; r < rows; r++, from += stride, to += 4) {
        int j = 0;
        for (; j + 4 <= words; j += 4) put_four(from + 4 * j, flip, to + j * ROWS * 4);
        for (; j < words; j++) {
            uint32_t v;
            memcpy(&v, from + 4 * j, sizeof v);
            v ^= flip;
            memcpy(to + j * ROWS * 4, &v, sizeof v);
        }
    }
}

/* The same for halves. */
static void put_halves(const uint8_t *from, int64_t stride, int rows, int halves, uint8_t *to)
{
    for (int r = 0; r < rows; r++, from += stride)
        for (int j = 0; j < halves; j++) memcpy(to + (j * ROWS + r) * 2, from + 2 * j, 2);
}

/* Rows [0, count) of a panel of floats; the others are zero. */
static void put_float_panel(int bytes, int64_t k, const uint8_t *from, int count, uint8_t *panel)
{
    if (count < ROWS) memset(panel, 0, (size_t)(k * ROWS * bytes));
    for (int64_t i = 0; i < k; i += 16, from += 16 * bytes, panel += 16 * ROWS * bytes) {
        const int here = (int)glia_min(16, k - i);
        if (bytes == 4) put_words(from, k * 4, count, here, 0, panel);
        else put_halves(from, k * 2, count, here, panel);
    }
}

/* One field of one block for all rows: consecutive in the panel. */
static void put_scalars(const uint8_t *from, int64_t stride, int rows, int bytes, uint8_t *to)
{
    for (int r = 0; r < rows; r++, from += stride, to += bytes) {
        if (bytes == 2) memcpy(to, from, 2);
        else if (bytes == 4) memcpy(to, from, 4);
        else *to = *from;
    }
}

/* The words of rows [rows, 16) of a block. */
static void pad_words(int rows, int words, uint32_t zero, uint8_t *to)
{
    for (int j = 0; j < words; j++)
        for (int r = rows; r < ROWS; r++) memcpy(to + (j * ROWS + r) * 4, &zero, sizeof zero);
}

/* Rows [0, count) of a panel of blocks; the other rows, and the blocks that fill the last group, mean zero.
 */
static void put_block_panel(glia_dtype t, int64_t k, const uint8_t *from, int64_t row_bytes, int count,
                            uint8_t *panel)
{
    const packing *f = &packings[t];
    const int block = glia_dtype_get(t)->block_bytes;
    const int64_t blocks = k / glia_dtype_get(t)->block_elements;
    for (int64_t b = 0; b < blocks; panel += group_bytes(t))
        for (int i = 0, last = f->group; i < last; i++, b++, from += block) {
            const int rows = b < blocks ? count : 0;
            uint8_t *to = panel;
            for (int s = 0; s < SCALARS_MAX && f->scalar[s].bytes; s++) {
                const int bytes = f->scalar[s].bytes;
                uint8_t *field = to + i * ROWS * bytes;
                put_scalars(from + f->scalar[s].at, row_bytes, rows, bytes, field);
                memset(field + rows * bytes, 0, (size_t)((ROWS - rows) * bytes));
                to += f->group * ROWS * bytes;
            }
            to += i * f->words * ROWS * 4;
            for (int j = 0; j < f->words; j += 16)
                put_words(from + f->at + 4 * j, row_bytes, rows, (int)glia_min(16, f->words - j), f->flip,
                          to + j * ROWS * 4);
            if (rows < ROWS) pad_words(rows, f->words, f->zero, to);
        }
}

/* Row `lane` of a group to its first `count` plain blocks. */
static void get_group(glia_dtype t, const uint8_t *group, int lane, int count, uint8_t *to)
{
    const packing *f = &packings[t];
    const int block = glia_dtype_get(t)->block_bytes;
    for (int s = 0; s < SCALARS_MAX && f->scalar[s].bytes; s++) {
        const int bytes = f->scalar[s].bytes;
        for (int i = 0; i < count; i++)
            memcpy(to + i * block + f->scalar[s].at, group + (i * ROWS + lane) * bytes, (size_t)bytes);
        group += f->group * ROWS * bytes;
    }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < f->words; j++) {
            uint32_t v;
            memcpy(&v, group + ((i * f->words + j) * ROWS + lane) * 4, sizeof v);
            v ^= f->flip;
            memcpy(to + i * block + f->at + 4 * j, &v, sizeof v);
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
        else put_block_panel(t, k, source, row, count, p);
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
    const int64_t blocks = k / glia_dtype_get(t)->block_elements, each = packings[t].group;
    for (int64_t b = 0; b < blocks; b += each, p += group_bytes(t))
        get_group(t, p, lane, (int)glia_min(each, blocks - b), to + b * glia_dtype_get(t)->block_bytes);
}

void glia_layout_row(int layout, glia_dtype t, int64_t n, int64_t k, const void *tensor, int64_t row,
                     float *out)
{
    int64_t bytes = 0, panel = 0;
    (void)n;
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
    uint8_t plain[GROUP_BYTES_MAX];
    const int64_t blocks = k / info->block_elements, each = packings[t].group;
    for (int64_t b = 0; b < blocks; b += each, p += group_bytes(t)) {
        const int64_t count = glia_min(each, blocks - b);
        get_group(t, p, lane, (int)count, plain);
        info->decode(plain, out + b * info->block_elements, count * info->block_elements);
    }
}

/* ---- C16 */

int64_t glia_layout_taps_panel(glia_dtype t, int64_t k)
{
    if (t == GLIA_F32) return k * ROWS * 4;
    return t == GLIA_I8 || t == GLIA_U8 ? glia_ceil_div(k, 4) * ROWS * 4 + ROWS * 4 : 0;
}

bool glia_layout_tensor_bytes(int layout, glia_dtype t, int rank, const int64_t *dims, int64_t *out)
{
    int64_t rows = 1, k = 1, padded;
    if (layout == GLIA_LAYOUT_PLAIN) return glia_dtype_tensor_bytes(t, rank, dims, out);
    if (rank < 2) return false;
    if (layout != GLIA_LAYOUT_C16) {
        for (int a = 0; a + 1 < rank; a++)
            if (!glia_mul(rows, dims[a], &rows)) return false;
        return glia_layout_bytes(layout, t, rows, dims[rank - 1], out);
    }
    for (int a = 1; a < rank; a++)
        if (dims[a] < 0 || !glia_mul(k, dims[a], &k)) return false;
    /* room for the padding of a row and of the last panel */
    if (dims[0] < 0 || !glia_add(k, 8, &padded) || !glia_mul(padded, ROWS * 4, &padded)) return false;
    const int64_t panel = glia_layout_taps_panel(t, k);
    return panel > 0 && glia_mul(glia_ceil_div(dims[0], ROWS), panel, out);
}

/* Rows [0, count) of a panel; [c, taps] becomes [taps, c]. */
static void put_taps_f32(const float *from, int64_t c, int64_t taps, int count, float *to)
{
    if (count < ROWS) memset(to, 0, (size_t)(c * taps * ROWS) * sizeof *to);
    for (int r = 0; r < count; r++, from += c * taps)
        for (int64_t i = 0; i < c; i++)
            for (int64_t t = 0; t < taps; t++) to[(t * c + i) * ROWS + r] = from[i * taps + t];
}

static void put_taps_i8(const uint8_t *from, int64_t c, int64_t taps, int count, uint8_t flip, uint8_t *to)
{
    const int64_t k = c * taps, words = glia_ceil_div(k, 4);
    int32_t sums[ROWS] = {0};
    memset(to, 0, (size_t)(words * ROWS * 4));
    for (int r = 0; r < count; r++, from += k)
        for (int64_t i = 0; i < k; i++) {
            const int64_t at = i % taps * c + i / taps;
            const uint8_t v = from[i] ^ flip;
            to[at / 4 * (ROWS * 4) + r * 4 + at % 4] = v;
            sums[r] += (int8_t)v;
        }
    memcpy(to + words * ROWS * 4, sums, sizeof sums);
}

void glia_layout_pack_taps(glia_dtype t, int rank, const int64_t *dims, const void *from, int64_t row_begin,
                           int64_t row_end, void *to)
{
    int64_t taps = 1;
    for (int a = 2; a < rank; a++) taps *= dims[a];
    const int64_t c = dims[1], k = c * taps, panel = glia_layout_taps_panel(t, k);
    for (int64_t r = row_begin; r < row_end; r += ROWS) {
        const int count = (int)glia_min(ROWS, row_end - r);
        uint8_t *p = (uint8_t *)to + r / ROWS * panel;
        if (t == GLIA_F32)
            put_taps_f32((const float *)from + (r - row_begin) * k, c, taps, count, (float *)p);
        else
            put_taps_i8((const uint8_t *)from + (r - row_begin) * k, c, taps, count, t == GLIA_U8 ? 0x80 : 0,
                        p);
    }
}
