/* Rows of lstm, gru and resample against their references; part of test_kernels.c. */
#include "ops/box.h"

/* Both kernels over the box of rows [low, high) of a batch; all outputs are compared whole. */
static void recurrent_case(const glia_cpu_kernel *row, int64_t steps, int64_t batch, int64_t n)
{
    const bool is_lstm = row->op == &glia_op_lstm, extra = pick(0, 3) == 0;
    const int64_t gates = is_lstm ? 4 : 3, q = gates * n, xd[3] = {steps, batch, q}, rd[2] = {q, n},
                  hd[2] = {batch, n}, ed = is_lstm ? 3 * n : n, yd[3] = {steps, batch, n},
                  low = pick(0, batch), high = pick(low, batch);
    const int64_t usual[3] = {0, 1, 1}, other[3] = {7, 9, 10};
    int64_t packed = 0, bytes[3] = {steps * batch * n * 4, batch * n * 4, batch * n * 4};
    static float plain[1 << 18];
    call c = {.in_count = 0};
    if (!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_F32, q, n, &packed) || q * n > (int64_t)GLIA_COUNT(plain))
        return;
    fill_floats(plain, q * n);
    set_in(&c, 0, GLIA_F32, 0, 3, xd)->data = edge(0, steps * batch * q * 4);
    set_in(&c, 1, GLIA_F32, GLIA_LAYOUT_R16, 2, rd)->data = edge(1, packed);
    set_in(&c, 2, GLIA_F32, 0, 2, hd)->data = edge(2, batch * n * 4);
    if (is_lstm) set_in(&c, 3, GLIA_F32, 0, 2, hd)->data = edge(3, batch * n * 4);
    if (extra) set_in(&c, is_lstm ? 4 : 3, GLIA_F32, 0, 1, &ed)->data = edge(4, ed * 4);
    glia_layout_pack(GLIA_LAYOUT_R16, GLIA_F32, q, n, plain, 0, q, c.in[1].data);
    for (int i = 0; i < c.in_count; i++)
        if (i != 1 && c.in[i].data) fill_floats(c.in[i].data, glia_tensor_elements(&c.in[i]));
    glia_attr attr[10] = {{0}};
    attr[0].i = pick(0, 1);
    attr[1] = (glia_attr){.i = is_lstm ? 3 : 2, .ints = pick(0, 3) ? usual : other};
    attr[2].f = 0.2, attr[5].f = 0.5;
    attr[8].f = pick(0, 3) ? 0 : 0.5;
    attr[9].i = pick(0, 1);
    const int64_t begin[3] = {0, low, 0}, end[3] = {steps, high, n};
    uint8_t *made[2][3];
    for (int which = 0; which < 2; which++) {
        glia_tensor out[3];
        for (int o = 0; o < 3; o++) {
            made[which][o] = edge(5 + 3 * which + o, bytes[o]);
            memset(made[which][o] - 64, 0x5a, (size_t)bytes[o] + 64);
            out[o] = (glia_tensor){made[which][o], o ? hd : yd, o ? 2 : 3, 0, GLIA_F32};
        }
        glia_kargs k = {c.in, out, c.in_count, is_lstm ? 3 : 2, begin, end, attr, NULL, NULL};
        void *scratch = aligned_alloc(64, (size_t)(row->op->scratch(&k) + 127) / 64 * 64);
        k.scratch = scratch;
        (which ? row->run : row->op->reference)(&k);
        free(scratch);
    }
    for (int o = 0; o < 3; o++) CHECK(!memcmp(made[0][o] - 64, made[1][o] - 64, (size_t)bytes[o] + 64));
}

static void check_recurrent(const glia_cpu_kernel *row)
{
    for (int64_t n = 4; n <= 40; n++) recurrent_case(row, pick(1, 4), pick(1, 5), n);
    recurrent_case(row, 3, 2, 130);
    recurrent_case(row, 2, 1, 250);
}

static void check_resample(const glia_cpu_kernel *row)
{
    for (int64_t i = 0; i < 60; i++) {
        const int64_t axis = i % 3, n = pick(1, 9), taps = pick(1, 5),
                      xd[3] = {pick(1, 4), pick(1, 6), i + 1}, td[2] = {n, taps};
        int64_t yd[3] = {xd[0], xd[1], xd[2]};
        call c = {.in_count = 0};
        yd[axis] = n;
        set_in(&c, 0, GLIA_F32, 0, 3, xd)->data = edge(0, xd[0] * xd[1] * xd[2] * 4);
        set_in(&c, 1, GLIA_I32, 0, 2, td)->data = edge(1, n * taps * 4);
        set_in(&c, 2, GLIA_F32, 0, 2, td)->data = edge(2, n * taps * 4);
        fill_floats(c.in[0].data, xd[0] * xd[1] * xd[2]);
        fill_floats(c.in[2].data, n * taps);
        for (int64_t t = 0; t < n * taps; t++)
            ((int32_t *)c.in[1].data)[t] = (int32_t)pick(t % taps || pick(0, 3) ? 0 : -1, xd[axis] - 1);
        set_out(&c, GLIA_F32, 3, yd);
        c.attr[0].i = axis;
        c.attr[1].f = 0.25;
        compare(row->op, row->run, &c);
    }
}
