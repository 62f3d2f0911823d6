/* Squares of 16 x 16 floats turned over, for products whose second side lies in plain rows. Memory operands
 * do half of the work: a register takes four quarters of rows as it is loaded, so that only steps within
 * quarters are left for the one port that shuffles. */
#ifndef GLIA_PROVIDER_CPU_TRANSPOSE16_H
#define GLIA_PROVIDER_CPU_TRANSPOSE16_H

#include "provider/cpu/simd16.h"

#if defined(__AVX512F__)

/* Elements x[4 q + j][0..3] of the rows j, 4 + j, 8 + j and 12 + j, side by side. */
GLIA_INLINE __m512 quarters(const float *const *row, int64_t at, int j)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(row[j] + at));
    v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(row[4 + j] + at));
    v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(row[8 + j] + at));
    return _mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(row[12 + j] + at));
}

/* to[i][r] = row[r][at + i] for i = 0..15, r = 0..15. */
GLIA_INLINE void transpose_16(const float *const *row, int64_t at, float *to)
{
    GLIA_UNROLL
    for (int g = 0; g < 4; g++) {
        const __m512 a = quarters(row, at + 4 * g, 0), b = quarters(row, at + 4 * g, 1),
                     c = quarters(row, at + 4 * g, 2), d = quarters(row, at + 4 * g, 3);
        const __m512d ab0 = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)),
                      ab2 = _mm512_castps_pd(_mm512_unpackhi_ps(a, b)),
                      cd0 = _mm512_castps_pd(_mm512_unpacklo_ps(c, d)),
                      cd2 = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
        v16_store(to + 64 * g, _mm512_castpd_ps(_mm512_unpacklo_pd(ab0, cd0)));
        v16_store(to + 64 * g + 16, _mm512_castpd_ps(_mm512_unpackhi_pd(ab0, cd0)));
        v16_store(to + 64 * g + 32, _mm512_castpd_ps(_mm512_unpacklo_pd(ab2, cd2)));
        v16_store(to + 64 * g + 48, _mm512_castpd_ps(_mm512_unpackhi_pd(ab2, cd2)));
    }
}

#elif defined(__AVX2__)

GLIA_INLINE __m256 quarters(const float *const *row, int64_t at, int j)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[j] + at)),
                                _mm_loadu_ps(row[4 + j] + at), 1);
}

/* to[i][r] = row[r][at + i] for i = 0..15, r = 0..15. */
GLIA_INLINE void transpose_16(const float *const *row, int64_t at, float *to)
{
    GLIA_UNROLL
    for (int g = 0; g < 8; g++) { /* four positions, eight rows */
        const float *const *from = row + (g & 1) * 8;
        float *y = to + (g >> 1) * 64 + (g & 1) * 8;
        const int64_t i = at + (g >> 1) * 4;
        const __m256 a = quarters(from, i, 0), b = quarters(from, i, 1), c = quarters(from, i, 2),
                     d = quarters(from, i, 3);
        const __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)),
                      ab2 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b)),
                      cd0 = _mm256_castps_pd(_mm256_unpacklo_ps(c, d)),
                      cd2 = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
        _mm256_storeu_ps(y, _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, cd0)));
        _mm256_storeu_ps(y + 16, _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, cd0)));
        _mm256_storeu_ps(y + 32, _mm256_castpd_ps(_mm256_unpacklo_pd(ab2, cd2)));
        _mm256_storeu_ps(y + 48, _mm256_castpd_ps(_mm256_unpackhi_pd(ab2, cd2)));
    }
}

#else

/* to[i][r] = row[r][at + i] for i = 0..15, r = 0..15. */
GLIA_INLINE void transpose_16(const float *const *row, int64_t at, float *to)
{
    for (int i = 0; i < 16; i++)
        for (int r = 0; r < 16; r++) to[i * 16 + r] = row[r][at + i];
}

#endif

#endif
