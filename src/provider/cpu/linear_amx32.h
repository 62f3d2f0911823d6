/* Blocks of 32 on matrix tiles. Part of linear_quant_amx.c.
 *
 * The integers of a block are multiplied as bf16: both factors are within 255 in magnitude, so bf16 holds
 * them exactly, and every partial sum of a block is an integer of at most 32 * 128 * 127 < 2^24, so fp32
 * holds it exactly in whatever order the tile adds. The tile's result is then the float of the exact sum S
 * that the specification asks for, and no conversion is left to do: beside tiles, a core has half its
 * multipliers, and they are what these products wait for (int8 tiles, whose sums have to be converted,
 * take 1.4 times as long).
 *
 * A word of four positions becomes two pairs: positions 0 and 2, positions 1 and 3. Row j of the weights'
 * tile has the even pairs of word j, row 8 + j the odd ones, and the activations lie likewise. */
#ifndef GLIA_PROVIDER_CPU_LINEAR_AMX32_H
#define GLIA_PROVIDER_CPU_LINEAR_AMX32_H

#include "provider/cpu/linear_amx.h"

enum { AMX32_CHUNK = 512 };

/* 16 rows of 64 bytes for the tile, then what scales and shifts their sums. */
typedef struct amx32_weights {
    uint8_t tile[1024];
    float d[16], m[16];
} amx32_weights;

typedef struct amx32_ready {
    uint8_t tile[1024];
    float d[16], sum[16];
} amx32_ready;

/* Two bytes of each lane as bf16, low half first. Shifts bring a byte to the top and back as an integer. */
AMX_INLINE __m512i amx_pair(__m512i v, const int low, const int high)
{
    const __m512 a =
        _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, (unsigned)(24 - 8 * low)), 24));
    const __m512 b =
        _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, (unsigned)(24 - 8 * high)), 24));
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(a), 16), _mm512_castps_si512(b));
}

/* Positions of 16 rows; a row's 32 are eight words, two rows fill a register. */
AMX_INLINE void amx32_quants(const uint8_t *x, int64_t x_bytes, int rows, uint8_t *tile)
{
    for (int i = 0; i < AMX_ROWS; i += 2) {
        __m512i v = _mm512_setzero_si512();
        if (i < rows)
            v = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(x + i * x_bytes)));
        if (i + 1 < rows)
            v = _mm512_inserti64x4(
                v, _mm256_loadu_si256((const __m256i *)(const void *)(x + (i + 1) * x_bytes)), 1);
        const __m512i even = amx_pair(v, 0, 2), odd = amx_pair(v, 1, 3);
        _mm512_store_si512(tile + 64 * i, _mm512_shuffle_i64x2(even, odd, 0x44));
        _mm512_store_si512(tile + 64 * i + 64, _mm512_shuffle_i64x2(even, odd, 0xee));
    }
}

static void amx32_ready_rows(const uint8_t *x, int64_t x_bytes, int64_t depth, int rows, int64_t at,
                             int count, uint8_t *to)
{
    const uint8_t *scales = x + depth + at / 8, *sums = scales + depth / 8;
    amx32_ready *r = (amx32_ready *)(void *)to;
    for (int b = 0; b < count / 32; b++) {
        amx32_quants(x + at + 32 * b, x_bytes, rows, r[b].tile);
        for (int i = 0; i < AMX_ROWS; i++) {
            int32_t s = 0;
            r[b].d[i] = 0;
            if (i < rows) {
                memcpy(&r[b].d[i], scales + i * x_bytes + 4 * b, 4);
                memcpy(&s, sums + i * x_bytes + 4 * b, 4);
            }
            r[b].sum[i] = (float)s;
        }
    }
    const int blocks = count / 32, all = (blocks + 3) / 4 * 4;
    memset(r + blocks, 0, (size_t)(all - blocks) * sizeof *r);
}

/* ---- weights */

/* Quants by their bytes: the value of byte v is v - offset. Below 32 a table of words gives the bf16. */
AMX_INLINE void amx32_block(const r16_int *q, const int offset, const int16_t *table, uint8_t *tile)
{
    const __m512i bias = _mm512_set1_epi8((char)offset);
    const __m512i values = table ? _mm512_loadu_si512(table) : bias;
    R16_UNROLL
    for (int j = 0; j < 8; j++) {
        const __m512i v = table ? q[j] : _mm512_sub_epi8(q[j], bias);
        const __m512i even = table ? _mm512_permutexvar_epi16(v, values) : amx_pair(v, 0, 2);
        const __m512i odd =
            table ? _mm512_permutexvar_epi16(_mm512_srli_epi16(v, 8), values) : amx_pair(v, 1, 3);
        _mm512_store_si512(tile + 64 * j, even);
        _mm512_store_si512(tile + 64 * (8 + j), odd);
    }
}

/* bf16 of i - offset, for i below 32. */
AMX_INLINE void amx32_table(int offset, int16_t *table)
{
    for (int i = 0; i < 32; i++) {
        const float v = (float)(i - offset);
        int32_t bits;
        memcpy(&bits, &v, 4);
        table[i] = (int16_t)(bits >> 16);
    }
}

/* Blocks come in fours: those past the last are zero, which leaves a chain as it is. */
AMX_INLINE void amx32_unpack(const r16_format f, r16_block_fn *unpack, const bool small, const uint8_t *w,
                             int64_t depth, uint8_t *to)
{
    const int64_t blocks = depth / 32, all = glia_ceil_div(blocks, 4) * 4;
    amx32_weights *out = (amx32_weights *)(void *)to;
    int16_t table[32];
    amx32_table(f.sums.offset, table);
    for (int64_t b = 0; b < blocks; w += f.group_bytes) {
        r16_prefetch(w + 4096, f.group_bytes);
        R16_UNROLL
        for (int i = 0; i < f.blocks; i++, b++) {
            r16_int q[8];
            if (b >= blocks) break;
            unpack(w, i, q);
            amx32_block(q, f.sums.offset, small ? table : 0, out[b].tile);
            f_store(out[b].d, r16_scale_of(f, w, i));
            f_store(out[b].m, f.affine ? f_half(w + 64 + 32 * i) : f_zero());
        }
    }
    if (all > blocks) memset(out + blocks, 0, (size_t)(all - blocks) * sizeof *out);
}

/* ---- the product */

/* Tile C becomes the product of block i, by way of tiles A and B. */
#define AMX32_START(C, A, B, i)                                                                              \
    do {                                                                                                     \
        _tile_loadd(A, x[i].tile, 64);                                                                       \
        _tile_loadd(B, w[i].tile, 64);                                                                       \
        _tile_zero(C);                                                                                       \
        _tile_dpbf16ps(C, A, B);                                                                             \
    } while (0)

/* One block's sums onto the chains. */
AMX_INLINE void amx32_onto(const bool affine, const float *s, const amx32_weights *w, const amx32_ready *x,
                           __m512 *acc)
{
    const __m512 d = _mm512_load_ps(w->d), m = _mm512_load_ps(w->m);
    R16_UNROLL
    for (int i = 0; i < AMX_ROWS; i++) {
        const __m512 da = _mm512_set1_ps(x->d[i]);
        acc[i] = _mm512_fmadd_ps(_mm512_mul_ps(d, da), _mm512_load_ps(s + 16 * i), acc[i]);
        if (affine) acc[i] = _mm512_fmadd_ps(_mm512_mul_ps(m, da), _mm512_set1_ps(x->sum[i]), acc[i]);
    }
}

/* `count` blocks, in fours. Three products are under way and one result is being written while another is
 * read; what is loaded past the end is not used. */
AMX_INLINE void amx32_chain(const bool affine, const amx32_weights *w, const amx32_ready *x, int count,
                            float *ring, amx_sums *sums)
{
    __m512 acc[AMX_ROWS];
    R16_UNROLL
    for (int i = 0; i < AMX_ROWS; i++) acc[i] = _mm512_load_ps((*sums)[i]);
    amx_written();
    AMX32_START(0, 4, 6, 0);
    AMX32_START(1, 5, 7, 1);
    AMX32_START(2, 4, 6, 2);
    _tile_stored(0, ring, 64);
    _tile_stored(1, ring + 256, 64);
    for (int b = 0; b < count; b += 4, w += 4, x += 4) {
        AMX32_START(3, 5, 7, 3);
        _tile_stored(2, ring + 512, 64);
        amx32_onto(affine, ring, w, x, acc);
        AMX32_START(0, 4, 6, 4);
        _tile_stored(3, ring + 768, 64);
        amx32_onto(affine, ring + 256, w + 1, x + 1, acc);
        AMX32_START(1, 5, 7, 5);
        _tile_stored(0, ring, 64);
        amx32_onto(affine, ring + 512, w + 2, x + 2, acc);
        AMX32_START(2, 4, 6, 6);
        _tile_stored(1, ring + 256, 64);
        amx32_onto(affine, ring + 768, w + 3, x + 3, acc);
    }
    R16_UNROLL
    for (int i = 0; i < AMX_ROWS; i++) _mm512_store_ps((*sums)[i], acc[i]);
}

AMX_INLINE void amx32_multiply(const bool affine, const uint8_t *panel, uint8_t *const *ready, int tiles,
                               int count, uint8_t *ring, amx_sums *const *sums)
{
    const int blocks = (count / 32 + 3) / 4 * 4;
    for (int t = 0; t < tiles; t++)
        amx32_chain(affine, (const amx32_weights *)(const void *)panel, (const amx32_ready *)(void *)ready[t],
                    blocks, (float *)(void *)ring, sums[t]);
}

static void amx32_plain(const uint8_t *panel, uint8_t *const *ready, int tiles, int count, uint8_t *ring,
                        amx_sums *const *sums)
{
    amx32_multiply(false, panel, ready, tiles, count, ring, sums);
}
static void amx32_affine(const uint8_t *panel, uint8_t *const *ready, int tiles, int count, uint8_t *ring,
                         amx_sums *const *sums)
{
    amx32_multiply(true, panel, ready, tiles, count, ring, sums);
}

#endif
