/* What the bytes of each block format mean in R16 panels (tensor/layout.h has the pictures): quants as
 * unsigned bytes, scales and mins as integers in lanes. Written in the steps of an instruction set, which are
 * included before.
 *
 * Words are numbered in the order of a row's elements: word i holds elements 4i..4i+3. A format of 32 gives
 * the eight words of a block. A super-block is given in four chunks of sixteen words each; chunk c holds
 *
 *     words 16c..16c+15                                     (Q4_K, Q5_K, IQ4_XS), or
 *     words 32(c/2) + 8p + 4(c%2) + i at [4p + i]           (planes: Q2_K, Q3_K, Q6_K, TQ2_0)
 *
 * as r16_word says, so that a chunk always has whole groups of the words that share a scale. */
#ifndef GLIA_PROVIDER_CPU_R16_UNPACK_H
#define GLIA_PROVIDER_CPU_R16_UNPACK_H

#include "tensor/formats.h"

enum { R16_LINE = 64 /* bytes of a word of 16 rows */, R16_CHUNK = 16 };

/* A word of a panel. */
R16_INLINE r16_int r16_at(const uint8_t *words, int i) { return i_load(words + i * R16_LINE); }
/* Bits [shift, shift + width) of each byte, where width is the ones of mask. */
R16_INLINE r16_int r16_bits(r16_int v, const int shift, const int mask)
{
    return i_and(i_shr(v, shift), b_set(mask));
}

/* ---- blocks of 32: q[8] of block i of a group */

typedef void r16_block_fn(const uint8_t *group, const int i, r16_int *q);

/* Four words of nibbles: low ones are elements 0..15, high ones 16..31. */
R16_INLINE void r16_nibbles(const uint8_t *words, r16_int *q)
{
    R16_UNROLL
    for (int j = 0; j < 4; j++) {
        const r16_int v = r16_at(words, j);
        q[j] = r16_bits(v, 0, 15);
        q[4 + j] = r16_bits(v, 4, 15);
    }
}

R16_INLINE void r16_pick(const uint8_t *values, r16_int *q)
{
    const r16_int table = b_table(values);
    R16_UNROLL
    for (int j = 0; j < 8; j++) q[j] = b_pick(table, q[j]);
}

/* Adds 16 where a row's word of fifth bits has the element's. */
R16_INLINE void r16_fifth(const uint8_t *high, r16_int *q)
{
    const r16_int bits = i_load(high);
    R16_UNROLL
    for (int j = 0; j < 8; j++)
        q[j] = b_raise(q[j], i_spread(bits, 0x01010101u * (uint32_t)(j / 2)),
                       i_set(j % 2 ? (int32_t)0x80402010u : 0x08040201), 16);
}

R16_INLINE void r16_block_q8_0(const uint8_t *group, const int i, r16_int *q)
{
    R16_UNROLL
    for (int j = 0; j < 8; j++) q[j] = r16_at(group + 64 + 512 * i, j);
}
R16_INLINE void r16_block_q4_0(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 64 + 256 * i, q);
}
R16_INLINE void r16_block_q4_1(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 128 + 256 * i, q);
}
R16_INLINE void r16_block_q5_0(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 192 + 256 * i, q);
    r16_fifth(group + 64 + 64 * i, q);
}
R16_INLINE void r16_block_q5_1(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 256 + 256 * i, q);
    r16_fifth(group + 128 + 64 * i, q);
}

/* The codebooks plus 128 and plus 12. */
static const uint8_t r16_iq4_values[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                           129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t r16_mxfp4_values[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

R16_INLINE void r16_block_iq4_nl(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 64 + 256 * i, q);
    r16_pick(r16_iq4_values, q);
}
R16_INLINE void r16_block_mxfp4(const uint8_t *group, const int i, r16_int *q)
{
    r16_nibbles(group + 64 + 256 * i, q);
    r16_pick(r16_mxfp4_values, q);
}

/* ---- super-blocks: chunk c of the words of a block */

typedef void r16_chunk_fn(const uint8_t *words, const int c, r16_int *q);
/* scale[8 or 16] and min[4 or 8] of one block; `scalars` are those of this block. Scales that meet i_mad have
 * an upper half of zero; mins are pairs of int16 that meet the activation's sums of 32 or of 16. */
typedef void r16_scales_fn(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min);

R16_INLINE void r16_no_scales(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    (void)scalars, (void)words, (void)scale, (void)min;
}

/* Byte b of each lane. */
R16_INLINE r16_int r16_byte(r16_int v, const int b) { return i_spread(v, 0x80808000u | (uint32_t)b); }
/* Bytes b and b + 1 of each lane as int16. */
R16_INLINE r16_int r16_pair(r16_int v, const int b)
{
    return i_spread(v, 0x80008000u | (uint32_t)(b + 1) << 16 | (uint32_t)b);
}

/* Two-bit fields: words h * 8 + i of half h hold planes of 32 elements. */
R16_INLINE void r16_two_bits(const uint8_t *words, const int c, r16_int *q)
{
    R16_UNROLL
    for (int i = 0; i < 4; i++) {
        const r16_int v = r16_at(words, c / 2 * 8 + c % 2 * 4 + i);
        R16_UNROLL
        for (int p = 0; p < 4; p++) q[4 * p + i] = r16_bits(v, 2 * p, 3);
    }
}

R16_INLINE void r16_chunk_tq2_0(const uint8_t *words, const int c, r16_int *q) { r16_two_bits(words, c, q); }

R16_INLINE void r16_chunk_q2_k(const uint8_t *words, const int c, r16_int *q)
{
    r16_two_bits(words + 4 * R16_LINE, c, q);
}
/* A byte is a scale below a min. */
R16_INLINE void r16_scales_q2_k(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    (void)scalars;
    R16_UNROLL
    for (int t = 0; t < 4; t++) {
        const r16_int v = r16_at(words, t), low = r16_bits(v, 0, 15), high = r16_bits(v, 4, 15);
        R16_UNROLL
        for (int b = 0; b < 4; b++) scale[4 * t + b] = r16_byte(low, b);
        min[2 * t] = r16_pair(high, 0);
        min[2 * t + 1] = r16_pair(high, 2);
    }
}

/* The mask's bit is the third one: a quant is the sum minus four. */
R16_INLINE void r16_chunk_q3_k(const uint8_t *words, const int c, r16_int *q)
{
    r16_two_bits(words + 8 * R16_LINE, c, q);
    R16_UNROLL
    for (int i = 0; i < 4; i++) {
        const r16_int v = r16_at(words, c % 2 * 4 + i);
        R16_UNROLL
        for (int p = 0; p < 4; p++) q[4 * p + i] = i_or(q[4 * p + i], r16_bits(v, c / 2 * 4 + p - 2, 4));
    }
}
/* Six bits, the low four in nibbles and the high two in the last word; minus 32. */
R16_INLINE void r16_scales_q3_k(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    const r16_int top = r16_at(words, 26), bias = i_set(32 * 65537), low = i_set(65535);
    (void)scalars, (void)min;
    R16_UNROLL
    for (int t = 0; t < 4; t++) {
        const r16_int v =
            i_or(r16_bits(r16_at(words, 24 + t % 2), t / 2 * 4, 15), r16_bits(top, 2 * t - 4, 48));
        R16_UNROLL
        for (int b = 0; b < 4; b += 2) {
            const r16_int two = i_sub16(r16_pair(v, b), bias);
            scale[4 * t + b] = i_and(two, low);
            scale[4 * t + b + 1] = i_shr(two, 16);
        }
    }
}

/* Four-bit fields: words 8c + i hold 64 elements in planes of 32. */
R16_INLINE void r16_four_bits(const uint8_t *words, const int c, r16_int *q)
{
    R16_UNROLL
    for (int i = 0; i < 8; i++) {
        const r16_int v = r16_at(words, 8 * c + i);
        q[i] = r16_bits(v, 0, 15);
        q[8 + i] = r16_bits(v, 4, 15);
    }
}
/* Eight scales and eight mins of six bits: words 0 and 1 hold the first four of each, and on top two bits of
 * the others, whose low nibbles are word 2. */
R16_INLINE void r16_scales_q4_k(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    const r16_int a = r16_at(words, 0), m = r16_at(words, 1), h = r16_at(words, 2);
    const r16_int s[2] = {r16_bits(a, 0, 63), i_or(r16_bits(h, 0, 15), r16_bits(a, 2, 48))};
    const r16_int n[2] = {r16_bits(m, 0, 63), i_or(r16_bits(h, 4, 15), r16_bits(m, 2, 48))};
    (void)scalars;
    R16_UNROLL
    for (int t = 0; t < 2; t++) {
        R16_UNROLL
        for (int b = 0; b < 4; b++) scale[4 * t + b] = r16_byte(s[t], b);
        min[2 * t] = r16_pair(n[t], 0);
        min[2 * t + 1] = r16_pair(n[t], 2);
    }
}
R16_INLINE void r16_chunk_q4_k(const uint8_t *words, const int c, r16_int *q)
{
    r16_four_bits(words + 3 * R16_LINE, c, q);
}
R16_INLINE void r16_chunk_q5_k(const uint8_t *words, const int c, r16_int *q)
{
    r16_four_bits(words + 11 * R16_LINE, c, q);
    R16_UNROLL
    for (int i = 0; i < 8; i++) {
        const r16_int v = r16_at(words, 3 + i);
        q[i] = i_or(q[i], r16_bits(v, 2 * c - 4, 16));
        q[8 + i] = i_or(q[8 + i], r16_bits(v, 2 * c + 1 - 4, 16));
    }
}

/* Low nibbles in two planes of 64, high pairs in four planes of 32. */
R16_INLINE void r16_chunk_q6_k(const uint8_t *words, const int c, r16_int *q)
{
    const int half = c / 2, at = c % 2 * 4;
    R16_UNROLL
    for (int i = 0; i < 4; i++) {
        const r16_int a = r16_at(words, 16 * half + at + i), b = r16_at(words, 16 * half + 8 + at + i),
                      h = r16_at(words, 32 + 8 * half + at + i);
        q[i] = i_or(r16_bits(a, 0, 15), r16_bits(h, -4, 48));
        q[4 + i] = i_or(r16_bits(b, 0, 15), r16_bits(h, -2, 48));
        q[8 + i] = i_or(r16_bits(a, 4, 15), r16_bits(h, 0, 48));
        q[12 + i] = i_or(r16_bits(b, 4, 15), r16_bits(h, 2, 48));
    }
}
R16_INLINE void r16_scales_q6_k(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    (void)scalars, (void)min;
    R16_UNROLL
    for (int t = 0; t < 4; t++) {
        const r16_int v = r16_at(words, 48 + t);
        R16_UNROLL
        for (int b = 0; b < 4; b++) scale[4 * t + b] = i_top_byte(i_shr(v, 8 * b - 24));
    }
}

/* Two sub-blocks of 32, each as in IQ4_NL. */
R16_INLINE void r16_chunk_iq4_xs(const uint8_t *words, const int c, r16_int *q)
{
    r16_nibbles(words + (1 + 8 * c) * R16_LINE, q);
    r16_nibbles(words + (5 + 8 * c) * R16_LINE, q + 8);
    r16_pick(r16_iq4_values, q);
    r16_pick(r16_iq4_values, q + 8);
}
/* Four low bits in the nibbles of a word, two high ones in a scalar; minus 32. */
R16_INLINE void r16_scales_iq4_xs(const uint8_t *scalars, const uint8_t *words, r16_int *scale, r16_int *min)
{
    const r16_int low = r16_at(words, 0), high = i_load_u16(scalars + 32), top = i_set(48), bias = i_set(32);
    (void)min;
    R16_UNROLL
    for (int s = 0; s < 8; s++) {
        const r16_int v = r16_byte(r16_bits(low, s % 2 * 4, 15), s / 2);
        scale[s] = i_sub(i_or(v, i_and(i_shr(high, 2 * s - 4), top)), bias);
    }
}

/* Digits in base three: digit n of a byte x is floor(3 (x 3^n mod 256) / 256). Word w of the row, by planes
 * of 32, then 16, then 4 elements. */
R16_INLINE void r16_digits(const uint8_t *words, const int c, r16_int *q)
{
    R16_UNROLL
    for (int i = 0; i < R16_CHUNK; i++) {
        const int w = 16 * c + i, plane = w < 40 ? w / 8 : w < 60 ? (w - 40) / 4 : w - 60;
        r16_int x = r16_at(words, w < 40 ? w % 8 : w < 60 ? 8 + (w - 40) % 4 : 12);
        R16_UNROLL
        for (int n = 0; n < plane; n++) x = b_add(x, b_add(x, x));
        q[i] = b_count(b_count(i_zero(), x, 86), x, 171);
    }
}
#if R16_SMALL
/* The number of steps to a digit is known only where the chunk is. */
__attribute__((noinline)) static void r16_chunk_tq1_0(const uint8_t *words, const int c, r16_int *q)
{
    switch (c) {
    case 0: r16_digits(words, 0, q); break;
    case 1: r16_digits(words, 1, q); break;
    case 2: r16_digits(words, 2, q); break;
    default: r16_digits(words, 3, q); break;
    }
}
#else
R16_INLINE void r16_chunk_tq1_0(const uint8_t *words, const int c, r16_int *q) { r16_digits(words, c, q); }
#endif

#endif
