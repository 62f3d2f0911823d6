/* Super-blocks of 256 on matrix tiles. Part of linear_quant_amx.c.
 *
 * The integer scales of sub-blocks are multiplied into the quants beforehand, so that one tile runs through a
 * whole super-block. What that gives does not always fit a byte; then it is split into two planes of bytes,
 *
 *     scale * q = 2^shift * high + low        S = 2^shift * (sum of high * a) + sum of low * a
 *
 *   split    formats         planes
 *   THREES   Q4_K, Q5_K      the scale is split: q (s >> 3) and q (s & 7), at most 31 * 7 = 217, unsigned;
 * shift 3 SEVENS   Q6_K, IQ4_XS    v = s (u - offset), |v| <= 4096: v >> 7 in [-32, 32] and v & 127; shift 7
 *   SMALL    Q2_K            s q <= 15 * 3
 *   MINUS    Q3_K            -s (u - 4): from -128 (4 * -32) to 124, which fits where s (u - 4) does not; the
 *                            super-block's scale changes its sign too
 *   UNIT     TQ1_0, TQ2_0    u - 1
 *
 * A tile's sums are at most 256 * 255 * 127 < 2^23 in magnitude, S as in tensor/dot.c: all fit int32.
 *
 * M, the sum of mins times sums of 16 activations, is a product of bf16: a sum, at most 16 * 127 in
 * magnitude, is a multiple of 32 and a rest from -16 to 15, both of at most seven bits; mins have six.
 * Partial sums are integers below 16 * 63 * (2032 + 32) < 2^24, exact in fp32. */
#ifndef GLIA_PROVIDER_CPU_LINEAR_AMX256_H
#define GLIA_PROVIDER_CPU_LINEAR_AMX256_H

#include "provider/cpu/linear_amx.h"

enum { AMX256_CHUNK = 512 };

typedef enum amx_split { AMX_THREES, AMX_SEVENS, AMX_SMALL, AMX_MINUS, AMX_UNIT } amx_split;

/* Planes of four tiles each; the second where there is one. */
typedef struct amx256_weights {
    uint8_t low[4096], high[4096], mins[1024];
    float d[16], m[16]; /* m is minus dmin */
} amx256_weights;

typedef struct amx256_ready {
    uint8_t q[4096], sums[1024];
    float d[16];
} amx256_ready;

static void amx256_ready_rows(const uint8_t *x, int64_t x_bytes, int64_t depth, int rows, int64_t at,
                              int count, uint8_t *to)
{
    const uint8_t *scales = x + depth + at / 64, *sums = x + depth + depth / 64 + at / 4;
    amx256_ready *r = (amx256_ready *)(void *)to;
    const __m512i even = _mm512_set1_epi32((int)0xffff0000u);
    for (int b = 0; b < count / 256; b++)
        for (int i = 0; i < AMX_ROWS; i++) {
            __m512i s = _mm512_setzero_si512();
            r[b].d[i] = 0;
            if (i < rows) {
                memcpy(&r[b].d[i], scales + i * x_bytes + 4 * b, 4);
                s = _mm512_loadu_si512(sums + i * x_bytes + 64 * b);
            }
            const __m512i many =
                _mm512_and_si512(_mm512_add_epi32(s, _mm512_set1_epi32(16)), _mm512_set1_epi32(-32));
            const __m512 high = _mm512_cvtepi32_ps(many), low = _mm512_cvtepi32_ps(_mm512_sub_epi32(s, many));
            _mm512_store_si512(r[b].sums + 64 * i,
                               _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16),
                                               _mm512_and_si512(_mm512_castps_si512(high), even)));
            for (int j = 0; j < 4; j++)
                _mm512_store_si512(r[b].q + 1024 * j + 64 * i,
                                   i < rows ? _mm512_loadu_si512(x + i * x_bytes + at + 256 * b + 64 * j)
                                            : _mm512_setzero_si512());
        }
}

/* ---- weights */

/* A row of panel scales as int16 in both halves of each lane. */
AMX_INLINE __m512i amx_twice(__m512i v)
{
    const __m512i low = _mm512_and_si512(v, _mm512_set1_epi32(65535));
    return _mm512_or_si512(low, _mm512_slli_epi32(v, 16));
}

/* even where the byte is a lane's lower one. */
AMX_INLINE __m512i amx_weave(__m512i even, __m512i odd)
{
    return _mm512_ternarylogic_epi32(_mm512_set1_epi16(255), even, odd, 0xca);
}

/* What the words of one sub-block need of its scale. */
typedef struct amx_scale {
    __m512i a, b, c;
} amx_scale;

AMX_INLINE amx_scale amx_scale_of(const amx_split split, const int offset, __m512i scale)
{
    const __m512i s = amx_twice(scale);
    const __m512i bytes = _mm512_and_si512(s, _mm512_set1_epi16(255));
    if (split == AMX_THREES)
        return (amx_scale){_mm512_and_si512(s, _mm512_set1_epi16(7)), _mm512_srli_epi16(s, 3), s};
    if (split == AMX_SEVENS)
        return (amx_scale){bytes, _mm512_slli_epi16(s, 8),
                           _mm512_mullo_epi16(s, _mm512_set1_epi16((short)-offset))};
    if (split == AMX_MINUS) {
        const __m512i four = _mm512_and_si512(_mm512_slli_epi16(s, 2), _mm512_set1_epi16(255));
        return (amx_scale){_mm512_sub_epi16(_mm512_setzero_si512(), s), s,
                           _mm512_or_si512(four, _mm512_slli_epi16(four, 8))};
    }
    return (amx_scale){s, s, s};
}

AMX_INLINE void amx_planes(const amx_split split, __m512i u, amx_scale s, uint8_t *low, uint8_t *high)
{
    if (split == AMX_THREES) { /* no byte's product carries into the next */
        _mm512_store_si512(low, _mm512_mullo_epi16(u, s.a));
        _mm512_store_si512(high, _mm512_mullo_epi16(u, s.b));
    } else if (split == AMX_SEVENS) {
        const __m512i even = _mm512_add_epi16(_mm512_maddubs_epi16(u, s.a), s.c);
        const __m512i odd = _mm512_add_epi16(_mm512_maddubs_epi16(u, s.b), s.c);
        const __m512i rest = amx_weave(even, _mm512_slli_epi16(odd, 8));
        _mm512_store_si512(low, _mm512_and_si512(rest, _mm512_set1_epi8(127)));
        _mm512_store_si512(high, amx_weave(_mm512_srli_epi16(even, 7), _mm512_slli_epi16(odd, 1)));
    } else if (split == AMX_MINUS) {
        const __m512i odd = _mm512_mullo_epi16(_mm512_andnot_si512(_mm512_set1_epi16(255), u), s.a);
        _mm512_store_si512(low, _mm512_add_epi8(amx_weave(_mm512_mullo_epi16(u, s.a), odd), s.c));
    } else if (split == AMX_SMALL) {
        _mm512_store_si512(low, _mm512_mullo_epi16(u, s.a));
    } else {
        _mm512_store_si512(low, _mm512_sub_epi8(u, _mm512_set1_epi8(1)));
    }
}

/* Row i of the mins' tile: the min of sub-block i of 16, as a pair, for both parts of a sum. */
AMX_INLINE void amx256_mins(const int pairs, const r16_int *min, uint8_t *tile)
{
    R16_UNROLL
    for (int i = 0; i < 16; i++) {
        const int at = pairs == 8 ? i : i / 2;
        const __m512i v = at % 2 ? _mm512_srli_epi32(min[at / 2], 16)
                                 : _mm512_and_si512(min[at / 2], _mm512_set1_epi32(65535));
        const __m512i f = _mm512_castps_si512(_mm512_cvtepi32_ps(v));
        _mm512_store_si512(tile + 64 * i, _mm512_or_si512(f, _mm512_srli_epi32(f, 16)));
    }
}

AMX_INLINE void amx256_unpack(const r16_format f, const amx_split split, r16_chunk_fn *chunk,
                              r16_scales_fn *scales, const uint8_t *w, int64_t depth, uint8_t *to)
{
    const int64_t blocks = depth / 256;
    amx256_weights *out = (amx256_weights *)(void *)to;
    for (int64_t b = 0; b < blocks; w += f.group_bytes) {
        r16_prefetch(w + 4096, f.group_bytes);
        for (int i = 0; i < f.blocks && b < blocks; i++, b++) {
            const uint8_t *words = w + f.scalar_bytes + i * f.word_bytes;
            r16_int scale[16], min[8];
            scales(w + 32 * i, words, scale, min);
            const r16_float d = f_half(w + 32 * i);
            f_store(out[b].d, split == AMX_MINUS ? f_minus(d) : d);
            if (f.sums.pairs) {
                f_store(out[b].m, f_minus(f_half(w + 32)));
                amx256_mins(f.sums.pairs, min, out[b].mins);
            }
            R16_UNROLL
            for (int c = 0; c < 4; c++) {
                r16_int q[R16_CHUNK];
                chunk(words, c, q);
                R16_UNROLL
                for (int g = 0; g < R16_CHUNK; g += 4) { /* four words always share a scale */
                    const int first = r16_word(f.sums, c, g);
                    amx_scale s = {q[0], q[0], q[0]};
                    if (split != AMX_UNIT) s = amx_scale_of(split, f.sums.offset, scale[first / f.sums.sub]);
                    R16_UNROLL
                    for (int v = 0; v < 4; v++)
                        amx_planes(split, q[g + v], s, out[b].low + 64 * (first + v),
                                   out[b].high + 64 * (first + v));
                }
            }
        }
    }
}

/* ---- the product */

typedef struct amx256_sums {
    int32_t low[256], high[256];
    float m[256];
} amx256_sums;

/* One super-block of `tiles` tiles of rows: all sums are on their way to s. */
AMX_INLINE void amx256_start(const bool two, const bool raw, const bool mins, const int tiles,
                             const amx256_weights *w, const amx256_ready *x, const amx256_ready *y,
                             amx256_sums *s)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int j = 0; j < 4; j++) {
        _tile_loadd(4, x->q + 1024 * j, 64);
        _tile_loadd(6, w->low + 1024 * j, 64);
        if (raw) _tile_dpbsud(0, 4, 6);
        else _tile_dpbssd(0, 4, 6);
        if (two) {
            _tile_loadd(7, w->high + 1024 * j, 64);
            if (raw) _tile_dpbsud(1, 4, 7);
            else _tile_dpbssd(1, 4, 7);
        }
        if (tiles == 1) continue;
        _tile_loadd(5, y->q + 1024 * j, 64);
        if (raw) _tile_dpbsud(2, 5, 6);
        else _tile_dpbssd(2, 5, 6);
        if (two && raw) _tile_dpbsud(3, 5, 7);
        else if (two) _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, s[0].low, 64);
    if (two) _tile_stored(1, s[0].high, 64);
    if (tiles == 2) _tile_stored(2, s[1].low, 64);
    if (tiles == 2 && two) _tile_stored(3, s[1].high, 64);
    if (!mins) return;
    _tile_zero(0);
    _tile_zero(2);
    _tile_loadd(4, x->sums, 64);
    _tile_loadd(6, w->mins, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (tiles == 2) {
        _tile_loadd(5, y->sums, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_stored(2, s[1].m, 64);
    }
    _tile_stored(0, s[0].m, 64);
}

AMX_INLINE void amx256_onto(const int shift, const bool two, const bool mins, const amx256_sums *s,
                            const amx256_weights *w, const amx256_ready *x, amx_sums *sums)
{
    const __m512 d = _mm512_load_ps(w->d), m = _mm512_load_ps(w->m);
    R16_UNROLL
    for (int i = 0; i < AMX_ROWS; i++) {
        const __m512 da = _mm512_set1_ps(x->d[i]);
        __m512i v = _mm512_load_si512(s->low + 16 * i);
        if (two)
            v = _mm512_add_epi32(v, _mm512_slli_epi32(_mm512_load_si512(s->high + 16 * i), (unsigned)shift));
        __m512 acc = _mm512_fmadd_ps(_mm512_mul_ps(d, da), _mm512_cvtepi32_ps(v), _mm512_load_ps((*sums)[i]));
        if (mins) acc = _mm512_fmadd_ps(_mm512_mul_ps(m, da), _mm512_load_ps(s->m + 16 * i), acc);
        _mm512_store_ps((*sums)[i], acc);
    }
}

/* A super-block is on its way while the one before it is added. */
AMX_INLINE void amx256_chain(const int shift, const bool raw, const bool mins, const int tiles,
                             const uint8_t *panel, uint8_t *const *ready, int count, uint8_t *ring,
                             amx_sums *const *sums)
{
    const amx256_weights *w = (const amx256_weights *)(const void *)panel;
    const amx256_ready *x = (const amx256_ready *)(void *)ready[0],
                       *y = (const amx256_ready *)(void *)ready[1];
    amx256_sums(*s)[AMX_TILES] = (amx256_sums(*)[AMX_TILES])(void *)ring;
    const bool two = shift > 0;
    amx_written();
    for (int b = 0; b <= count; b++) {
        if (b < count) amx256_start(two, raw, mins, tiles, w + b, x + b, y + b, s[b % 2]);
        if (!b) continue;
        amx256_onto(shift, two, mins, &s[(b - 1) % 2][0], w + b - 1, x + b - 1, sums[0]);
        if (tiles == 2) amx256_onto(shift, two, mins, &s[(b - 1) % 2][1], w + b - 1, y + b - 1, sums[1]);
    }
}

#define AMX256_MULTIPLY(name, shift, raw, mins)                                                              \
    static void name(const uint8_t *panel, uint8_t *const *ready, int tiles, int count, uint8_t *ring,       \
                     amx_sums *const *sums)                                                                  \
    {                                                                                                        \
        if (tiles == 2) amx256_chain(shift, raw, mins, 2, panel, ready, count / 256, ring, sums);            \
        else amx256_chain(shift, raw, mins, 1, panel, ready, count / 256, ring, sums);                       \
    }
AMX256_MULTIPLY(amx256_threes, 3, true, true)
AMX256_MULTIPLY(amx256_sevens, 7, false, false)
AMX256_MULTIPLY(amx256_affine, 0, true, true)
AMX256_MULTIPLY(amx256_plain, 0, false, false)

#endif
