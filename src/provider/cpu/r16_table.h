/* The block formats in R16 as data, for the templates of linear_r16.h. The instruction set's steps come
 * before it. */
#ifndef GLIA_PROVIDER_CPU_R16_TABLE_H
#define GLIA_PROVIDER_CPU_R16_TABLE_H

#include "provider/cpu/linear_r16.h"

/* Offset of quants that fill a byte. */
enum { R16_WIDE = 128 - R16_WIDE_LESS };

/* blocks, elements of a block, bytes of a group's scalars, of a group, of a block's words; sums */
static const r16_format r16_q8_0 = {2, 32, 64, 1088, 512, {.offset = R16_WIDE, .most = 255}, false, false};
static const r16_format r16_q4_0 = {2, 32, 64, 576, 256, {.offset = 8, .most = 15}, false, false};
static const r16_format r16_q4_1 = {2, 32, 128, 640, 256, {.offset = 0, .most = 15}, true, false};
static const r16_format r16_q5_0 = {2, 32, 192, 704, 256, {.offset = 16, .most = 31}, false, false};
static const r16_format r16_q5_1 = {2, 32, 256, 768, 256, {.offset = 0, .most = 31}, true, false};
static const r16_format r16_iq4_nl = {2, 32, 64, 576, 256, {.offset = R16_WIDE, .most = 255}, false, false};
static const r16_format r16_mxfp4 = {4, 32, 64, 1088, 256, {.offset = 12, .most = 24}, false, true};
static const r16_format r16_q2_k = {1, 256, 64, 1344, 1280, {4, 4, true, 0, 8, true, 3}, false, false};
static const r16_format r16_q3_k = {2, 256, 64, 3520, 1728, {4, 4, true, 4, 0, true, 7}, false, false};
static const r16_format r16_q4_k = {1, 256, 64, 2304, 2240, {8, 4, true, 0, 4, false, 15}, false, false};
static const r16_format r16_q5_k = {1, 256, 64, 2816, 2752, {8, 8, false, 0, 4, false, 31}, false, false};
static const r16_format r16_q6_k = {2, 256, 64, 6720, 3328, {4, 4, false, 32, 0, true, 63}, false, false};
static const r16_format r16_iq4_xs = {1,     256,  64, 2176, 2112, {8, 8, false, R16_WIDE, 0, false, 255},
                                      false, false};
static const r16_format r16_tq1_0 = {2, 256, 64, 1728, 832, {64, 4, false, 1, 0, false, 3}, false, false};
static const r16_format r16_tq2_0 = {2, 256, 64, 2112, 1024, {64, 4, false, 1, 0, true, 3}, false, false};

#endif
