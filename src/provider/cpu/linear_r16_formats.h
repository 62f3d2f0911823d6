/* The block formats of linear_r16.h: each as data, and the functions that are made of it. */
#ifndef GLIA_PROVIDER_CPU_LINEAR_R16_FORMATS_H
#define GLIA_PROVIDER_CPU_LINEAR_R16_FORMATS_H

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

/* ---- tiles; formats that are summed alike share them */

static void r16_tile_wide32(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_32(255, false, rows, w, x, count, sum);
}
static void r16_tile_plain32(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_32(31, false, rows, w, x, count, sum);
}
static void r16_tile_affine32(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_32(31, true, rows, w, x, count, sum);
}
static void r16_tile_q2_k(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_q2_k.sums, rows, w, x, count, sum);
}
static void r16_tile_q3_k(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_q3_k.sums, rows, w, x, count, sum);
}
static void r16_tile_q4_k(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_q4_k.sums, rows, w, x, count, sum);
}
static void r16_tile_q5_k(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_q5_k.sums, rows, w, x, count, sum);
}
static void r16_tile_q6_k(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_q6_k.sums, rows, w, x, count, sum);
}
static void r16_tile_iq4_xs(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_iq4_xs.sums, rows, w, x, count, sum);
}
static void r16_tile_tq2_0(int rows, const r16_panel *w, r16_x x, int count, r16_chain *sum)
{
    r16_tiles_super(r16_tq2_0.sums, rows, w, x, count, sum);
}

/* ---- formats */

static void r16_fill_q8_0(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q8_0, sums, at, count, to);
}
static void r16_unpack_q8_0(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_q8_0, r16_block_q8_0, w, blocks, to);
}
static void r16_few_q8_0(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_q8_0, r16_block_q8_0, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q8_0 = {r16_fill_q8_0, r16_unpack_q8_0, r16_tile_wide32, r16_few_q8_0, 32,
                                           8704};
static void linear_q8_0(const glia_kargs *k) { r16_linear(k, &r16_kernel_q8_0); }
static void expert_q8_0(const glia_kargs *k) { glia_expert_products(k, linear_q8_0); }

static void r16_fill_q4_0(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q4_0, sums, at, count, to);
}
static void r16_unpack_q4_0(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_q4_0, r16_block_q4_0, w, blocks, to);
}
static void r16_few_q4_0(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_q4_0, r16_block_q4_0, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q4_0 = {r16_fill_q4_0, r16_unpack_q4_0, r16_tile_plain32, r16_few_q4_0, 32,
                                           4608};
static void linear_q4_0(const glia_kargs *k) { r16_linear(k, &r16_kernel_q4_0); }
static void expert_q4_0(const glia_kargs *k) { glia_expert_products(k, linear_q4_0); }

static void r16_fill_q4_1(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q4_1, sums, at, count, to);
}
static void r16_unpack_q4_1(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_q4_1, r16_block_q4_1, w, blocks, to);
}
static void r16_few_q4_1(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_q4_1, r16_block_q4_1, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q4_1 = {
    r16_fill_q4_1, r16_unpack_q4_1, r16_tile_affine32, r16_few_q4_1, 32, 5120};
static void linear_q4_1(const glia_kargs *k) { r16_linear(k, &r16_kernel_q4_1); }
static void expert_q4_1(const glia_kargs *k) { glia_expert_products(k, linear_q4_1); }

static void r16_fill_q5_0(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q5_0, sums, at, count, to);
}
static void r16_unpack_q5_0(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_q5_0, r16_block_q5_0, w, blocks, to);
}
static void r16_few_q5_0(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_q5_0, r16_block_q5_0, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q5_0 = {r16_fill_q5_0, r16_unpack_q5_0, r16_tile_plain32, r16_few_q5_0, 32,
                                           5632};
static void linear_q5_0(const glia_kargs *k) { r16_linear(k, &r16_kernel_q5_0); }
static void expert_q5_0(const glia_kargs *k) { glia_expert_products(k, linear_q5_0); }

static void r16_fill_q5_1(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q5_1, sums, at, count, to);
}
static void r16_unpack_q5_1(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_q5_1, r16_block_q5_1, w, blocks, to);
}
static void r16_few_q5_1(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_q5_1, r16_block_q5_1, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q5_1 = {
    r16_fill_q5_1, r16_unpack_q5_1, r16_tile_affine32, r16_few_q5_1, 32, 6144};
static void linear_q5_1(const glia_kargs *k) { r16_linear(k, &r16_kernel_q5_1); }
static void expert_q5_1(const glia_kargs *k) { glia_expert_products(k, linear_q5_1); }

static void r16_fill_iq4_nl(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_iq4_nl, sums, at, count, to);
}
static void r16_unpack_iq4_nl(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_iq4_nl, r16_block_iq4_nl, w, blocks, to);
}
static void r16_few_iq4_nl(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_iq4_nl, r16_block_iq4_nl, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_iq4_nl = {
    r16_fill_iq4_nl, r16_unpack_iq4_nl, r16_tile_wide32, r16_few_iq4_nl, 32, 4608};
static void linear_iq4_nl(const glia_kargs *k) { r16_linear(k, &r16_kernel_iq4_nl); }
static void expert_iq4_nl(const glia_kargs *k) { glia_expert_products(k, linear_iq4_nl); }

static void r16_fill_mxfp4(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_mxfp4, sums, at, count, to);
}
static void r16_unpack_mxfp4(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_32(r16_mxfp4, r16_block_mxfp4, w, blocks, to);
}
static void r16_few_mxfp4(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_32(r16_mxfp4, r16_block_mxfp4, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_mxfp4 = {
    r16_fill_mxfp4, r16_unpack_mxfp4, r16_tile_plain32, r16_few_mxfp4, 32, 4352};
static void linear_mxfp4(const glia_kargs *k) { r16_linear(k, &r16_kernel_mxfp4); }
static void expert_mxfp4(const glia_kargs *k) { glia_expert_products(k, linear_mxfp4); }

static void r16_fill_q2_k(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q2_k, sums, at, count, to);
}
static void r16_unpack_q2_k(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_q2_k, r16_chunk_q2_k, r16_scales_q2_k, w, blocks, to);
}
static void r16_few_q2_k(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_q2_k, r16_chunk_q2_k, r16_scales_q2_k, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q2_k = {r16_fill_q2_k, r16_unpack_q2_k, r16_tile_q2_k, r16_few_q2_k, 256,
                                           2688};
static void linear_q2_k(const glia_kargs *k) { r16_linear(k, &r16_kernel_q2_k); }
static void expert_q2_k(const glia_kargs *k) { glia_expert_products(k, linear_q2_k); }

static void r16_fill_q3_k(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q3_k, sums, at, count, to);
}
static void r16_unpack_q3_k(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_q3_k, r16_chunk_q3_k, r16_scales_q3_k, w, blocks, to);
}
static void r16_few_q3_k(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_q3_k, r16_chunk_q3_k, r16_scales_q3_k, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q3_k = {r16_fill_q3_k, r16_unpack_q3_k, r16_tile_q3_k, r16_few_q3_k, 256,
                                           3520};
static void linear_q3_k(const glia_kargs *k) { r16_linear(k, &r16_kernel_q3_k); }
static void expert_q3_k(const glia_kargs *k) { glia_expert_products(k, linear_q3_k); }

static void r16_fill_q4_k(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q4_k, sums, at, count, to);
}
static void r16_unpack_q4_k(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_q4_k, r16_chunk_q4_k, r16_scales_q4_k, w, blocks, to);
}
static void r16_few_q4_k(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_q4_k, r16_chunk_q4_k, r16_scales_q4_k, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q4_k = {r16_fill_q4_k, r16_unpack_q4_k, r16_tile_q4_k, r16_few_q4_k, 256,
                                           4608};
static void linear_q4_k(const glia_kargs *k) { r16_linear(k, &r16_kernel_q4_k); }
static void expert_q4_k(const glia_kargs *k) { glia_expert_products(k, linear_q4_k); }

static void r16_fill_q5_k(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q5_k, sums, at, count, to);
}
static void r16_unpack_q5_k(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_q5_k, r16_chunk_q5_k, r16_scales_q4_k, w, blocks, to);
}
static void r16_few_q5_k(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_q5_k, r16_chunk_q5_k, r16_scales_q4_k, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q5_k = {r16_fill_q5_k, r16_unpack_q5_k, r16_tile_q5_k, r16_few_q5_k, 256,
                                           5632};
static void linear_q5_k(const glia_kargs *k) { r16_linear(k, &r16_kernel_q5_k); }
static void expert_q5_k(const glia_kargs *k) { glia_expert_products(k, linear_q5_k); }

static void r16_fill_q6_k(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_q6_k, sums, at, count, to);
}
static void r16_unpack_q6_k(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_q6_k, r16_chunk_q6_k, r16_scales_q6_k, w, blocks, to);
}
static void r16_few_q6_k(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_q6_k, r16_chunk_q6_k, r16_scales_q6_k, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_q6_k = {r16_fill_q6_k, r16_unpack_q6_k, r16_tile_q6_k, r16_few_q6_k, 256,
                                           6720};
static void linear_q6_k(const glia_kargs *k) { r16_linear(k, &r16_kernel_q6_k); }
static void expert_q6_k(const glia_kargs *k) { glia_expert_products(k, linear_q6_k); }

static void r16_fill_iq4_xs(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_iq4_xs, sums, at, count, to);
}
static void r16_unpack_iq4_xs(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_iq4_xs, r16_chunk_iq4_xs, r16_scales_iq4_xs, w, blocks, to);
}
static void r16_few_iq4_xs(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_iq4_xs, r16_chunk_iq4_xs, r16_scales_iq4_xs, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_iq4_xs = {
    r16_fill_iq4_xs, r16_unpack_iq4_xs, r16_tile_iq4_xs, r16_few_iq4_xs, 256, 4352};
static void linear_iq4_xs(const glia_kargs *k) { r16_linear(k, &r16_kernel_iq4_xs); }
static void expert_iq4_xs(const glia_kargs *k) { glia_expert_products(k, linear_iq4_xs); }

static void r16_fill_tq1_0(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_tq1_0, sums, at, count, to);
}
static void r16_unpack_tq1_0(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_tq1_0, r16_chunk_tq1_0, r16_no_scales, w, blocks, to);
}
static void r16_few_tq1_0(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_tq1_0, r16_chunk_tq1_0, r16_no_scales, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_tq1_0 = {
    r16_fill_tq1_0, r16_unpack_tq1_0, r16_tile_tq2_0, r16_few_tq1_0, 256, 1728};
static void linear_tq1_0(const glia_kargs *k) { r16_linear(k, &r16_kernel_tq1_0); }
static void expert_tq1_0(const glia_kargs *k) { glia_expert_products(k, linear_tq1_0); }

static void r16_fill_tq2_0(const uint8_t *sums, int64_t at, int count, r16_part *to)
{
    r16_fill(r16_tq2_0, sums, at, count, to);
}
static void r16_unpack_tq2_0(const uint8_t *w, int blocks, r16_panel *to)
{
    r16_unpack_super(r16_tq2_0, r16_chunk_tq2_0, r16_no_scales, w, blocks, to);
}
static void r16_few_tq2_0(const glia_linear_call *c, int64_t row, int rows, int64_t panel, int panels)
{
    r16_few_super(r16_tq2_0, r16_chunk_tq2_0, r16_no_scales, c, row, rows, panel, panels);
}
static const r16_kernel r16_kernel_tq2_0 = {
    r16_fill_tq2_0, r16_unpack_tq2_0, r16_tile_tq2_0, r16_few_tq2_0, 256, 2112};
static void linear_tq2_0(const glia_kargs *k) { r16_linear(k, &r16_kernel_tq2_0); }
static void expert_tq2_0(const glia_kargs *k) { glia_expert_products(k, linear_tq2_0); }

/* The rows of the kernel table: R16_ROW(format, activation). */
#define R16_ROW(format, activation)                                                                          \
    {&glia_op_linear, activation "," #format ":r16,f32?->f32", linear_##format,                              \
     "linear_" #format "_r16_" R16_NAME},                                                                    \
    {                                                                                                        \
        &glia_op_expert_linear, activation "," #format ":r16,i32,f32?->f32", expert_##format,                \
            "expert_linear_" #format "_r16_" R16_NAME                                                        \
    }
#define R16_KERNEL_ROWS                                                                                      \
    R16_ROW(q8_0, "a8x32"), R16_ROW(q4_0, "a8x32"), R16_ROW(q4_1, "a8x32"), R16_ROW(q5_0, "a8x32"),          \
        R16_ROW(q5_1, "a8x32"), R16_ROW(iq4_nl, "a8x32"), R16_ROW(mxfp4, "a8x32"), R16_ROW(q2_k, "a8x256"),  \
        R16_ROW(q3_k, "a8x256"), R16_ROW(q4_k, "a8x256"), R16_ROW(q5_k, "a8x256"), R16_ROW(q6_k, "a8x256"),  \
        R16_ROW(iq4_xs, "a8x256"), R16_ROW(tq1_0, "a8x256"), R16_ROW(tq2_0, "a8x256")

#endif
