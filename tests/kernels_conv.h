/* Cases of test_kernels.c for convolutions and pools; part of that file. */

/* ---- conv: packed weights and depthwise ones, all strides, groups that panels do not respect, planes of few pixels */

static void conv_case(const glia_cpu_kernel *row, int rank, int64_t n, int64_t group, int64_t c, int64_t m,
                      const int64_t *size, const int64_t *kernel)
{
    call c_ = {.in_count = 0}, *k = &c_;
    const int layout = strstr(row->types, "c16") ? GLIA_LAYOUT_C16 : GLIA_LAYOUT_PLAIN;
    static float plain[1 << 19];
    static int64_t ints[12];
    int64_t x[5] = {n, group * c}, w[5] = {group * m, c}, y[5] = {n, group * m}, w_bytes,
            count[3] = {1, 1, 1};
    for (int a = 0; a < rank; a++) {
        const int64_t *i = ints + a;
        ints[a] = pick(0, 2) ? pick(1, 2) : pick(1, 3);
        ints[3 + a] = pick(0, 2) ? 1 : pick(1, 3);
        ints[6 + a] = pick(0, kernel[a]);
        ints[6 + rank + a] = pick(0, kernel[a]);
        x[2 + a] = size[a], w[2 + a] = kernel[a];
        const int64_t left = size[a] + i[6] + ints[6 + rank + a] - (kernel[a] - 1) * i[3] - 1;
        if (left < 0) return;
        y[2 + a] = left / i[0] + 1;
    }
    for (int a = 0; a < rank + 2; a++) count[0] *= x[a], count[1] *= w[a], count[2] *= y[a];
    if (count[1] > (int64_t)(sizeof plain / sizeof *plain) || count[0] * 4 > EDGE_BYTES ||
        count[2] * 4 > EDGE_BYTES)
        return;
    glia_layout_tensor_bytes(layout, GLIA_F32, rank + 2, w, &w_bytes);
    fill_floats(set_in(k, 0, GLIA_F32, 0, rank + 2, x)->data = edge(0, count[0] * 4), count[0]);
    fill_floats(plain, count[1]);
    set_in(k, 1, GLIA_F32, layout, rank + 2, w)->data = edge(1, w_bytes);
    if (layout) glia_layout_pack_taps(GLIA_F32, rank + 2, w, plain, 0, w[0], k->in[1].data);
    else memcpy(k->in[1].data, plain, (size_t)w_bytes);
    set_in(k, 2, pick(0, 1) ? GLIA_F32 : GLIA_DTYPE_NONE, 0, 1, w)->data = edge(2, w[0] * 4);
    if (k->in[2].dtype) fill_floats(k->in[2].data, w[0]);
    else k->in[2].data = 0;
    if (pick(0, 3) == 0)
        fill_floats(set_in(k, 3, GLIA_F32, 0, rank + 2, y)->data = edge(3, count[2] * 4), count[2]);
    set_out(k, GLIA_F32, rank + 2, y);
    for (int i = 0; i < 3; i++) k->attr[i] = (glia_attr){i < 2 ? rank : 2 * rank, 0, ints + 3 * i};
    k->attr[3].i = group;
    k->attr[4].i = pick(0, 1) ? pick(0, 10) : 0;
    k->attr[5].f = k->attr[4].i == 2 ? -0.2 : 0.25;
    k->attr[6].f = 0.5;
    compare(row->op, row->run, k);
}

static void check_conv(const glia_cpu_kernel *row)
{
    const bool depthwise = strstr(row->name, "depth");
    for (int i = 0; i < 160; i++) {
        const int rank = i % 7 == 6 ? 3 : i % 5 == 4 ? 1 : 2;
        const bool single = i % 4 == 3, small = i % 3 == 0;
        int64_t size[3], kernel[3];
        for (int a = 0; a < rank; a++) {
            size[a] = rank == 1 ? pick(1, 150) : small ? pick(1, 8) : pick(1, rank == 3 ? 9 : 33);
            kernel[a] = single ? 1 : pick(1, 5);
        }
        if (depthwise)
            conv_case(row, rank, pick(1, 2), pick(1, 5), pick(0, 9) ? 1 : 2, pick(0, 3) ? 1 : pick(1, 3),
                      size, kernel);
        else
            conv_case(row, rank, pick(1, 2), pick(0, 2) ? 1 : pick(1, 3), pick(1, i % 9 ? 20 : 300),
                      pick(1, 50), size, kernel);
    }
}

/* ---- qconv: both signs of inputs and weights, zero points of all kinds, sums and requantised sums */

static void fill_bytes(uint8_t *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = random_u32() % 9 ? (uint8_t)random_u32() : random_u32() % 2 ? 0x80 : 0xff;
}

static void check_qconv(const glia_cpu_kernel *row)
{
    const glia_dtype wt = strstr(row->types, ",u8") ? GLIA_U8 : GLIA_I8;
    const int layout = strstr(row->types, ":c16") ? GLIA_LAYOUT_C16 : GLIA_LAYOUT_PLAIN;
    for (int i = 0; i < 120; i++) {
        call c = {.in_count = 0};
        static uint8_t plain[1 << 18];
        static int64_t ints[8];
        const glia_dtype xt = i % 2 ? GLIA_U8 : GLIA_I8, to = pick(0, 1) ? GLIA_U8 : GLIA_I8;
        const int64_t group = pick(0, 2) ? 1 : pick(1, 20), n = pick(1, 2);
        const int64_t w[4] = {group * pick(1, group > 1 ? 3 : 40), layout ? pick(1, i % 5 ? 9 : 70) : 1,
                              pick(1, 3), pick(1, 3)};
        const int64_t x[4] = {n, group * w[1], w[2] + pick(0, 20), w[3] + pick(0, 20)}, one = 1;
        int64_t y[4] = {n, w[0]}, bytes;
        for (int a = 0; a < 2; a++) {
            ints[a] = pick(1, 2), ints[2 + a] = pick(0, 2), ints[4 + a] = pick(0, 2);
            y[2 + a] = (x[2 + a] + ints[2 + a] + ints[4 + a] - w[2 + a]) / ints[a] + 1;
        }
        fill_bytes(set_in(&c, 0, xt, 0, 4, x)->data = edge(0, x[0] * x[1] * x[2] * x[3]),
                   x[0] * x[1] * x[2] * x[3]);
        fill_bytes(plain, w[0] * w[1] * w[2] * w[3]);
        glia_layout_tensor_bytes(layout, wt, 4, w, &bytes);
        uint8_t *packed = set_in(&c, 1, wt, layout, 4, w)->data = edge(1, bytes);
        if (layout) glia_layout_pack_taps(wt, 4, w, plain, 0, w[0], packed);
        else memcpy(packed, plain, (size_t)bytes);
        c.in_count = 7;
        if (pick(0, 3)) fill_bytes(set_in(&c, 2, xt, 0, 1, &one)->data = edge(2, 1), 1);
        const bool each = pick(0, 1);
        if (pick(0, 2))
            fill_bytes(set_in(&c, 3, wt, 0, 1, each ? w : &one)->data = edge(3, each ? w[0] : 1),
                       each ? w[0] : 1);
        if (pick(0, 1)) fill_bytes(set_in(&c, 4, GLIA_I32, 0, 1, w)->data = edge(4, w[0] * 4), w[0] * 4);
        const bool scaled = pick(0, 2);
        if (scaled) {
            float *s = set_in(&c, 5, GLIA_F32, 0, 1, each ? w : &one)->data = edge(5, (each ? w[0] : 1) * 4);
            for (int64_t j = 0; j < (each ? w[0] : 1); j++) s[j] = fabsf(random_f32()) * 0x1p-12f;
            if (c.in[4].dtype)
                for (int64_t j = 0; j < w[0]; j++) ((int32_t *)c.in[4].data)[j] >>= 16;
            if (pick(0, 1)) fill_bytes(set_in(&c, 6, to, 0, 1, &one)->data = edge(6, 1), 1);
        }
        set_out(&c, scaled ? to : GLIA_I32, 4, y);
        c.attr[0] = (glia_attr){2, 0, ints}, c.attr[2] = (glia_attr){4, 0, ints + 2}, c.attr[3].i = group;
        compare(row->op, row->run, &c);
    }
}

static void check_pool(const glia_cpu_kernel *row)
{
    for (int i = 0; i < 120; i++) {
        call c = {.in_count = 0};
        const int rank = i % 5 == 4 ? 1 : i % 13 == 12 ? 3 : 2;
        static int64_t ints[15]; /* strides, dilations, pads of both ends, kernel */
        int64_t x[5] = {pick(1, 2), pick(1, 4)}, y[5] = {x[0], x[1]}, count[2] = {1, 1};
        for (int a = 0; a < rank; a++) {
            int64_t *s = ints + a;
            s[12] = pick(1, 4), s[0] = pick(1, 3), s[3] = pick(0, 2) ? 1 : pick(1, 3);
            s[6] = pick(0, s[12] - 1), ints[6 + rank + a] = pick(0, s[12] - 1);
            x[2 + a] = (s[12] - 1) * s[3] + 1 + pick(0, rank == 1 ? 120 : 40);
        }
        c.attr[4].i = pick(0, 1);
        for (int a = 0; a < rank; a++) {
            const int64_t *s = ints + a, left = x[2 + a] + s[6] + ints[6 + rank + a] - (s[12] - 1) * s[3] - 1;
            y[2 + a] = left / s[0] + 1;
            if (c.attr[4].i && left % s[0] && y[2 + a] * s[0] < x[2 + a] + s[6]) y[2 + a]++;
        }
        int64_t kernel[3];
        memcpy(kernel, ints + 12, sizeof kernel);
        for (int a = 0; a < rank + 2; a++) count[0] *= x[a], count[1] *= y[a];
        if (count[0] * 4 > EDGE_BYTES || count[1] * 4 > EDGE_BYTES) continue;
        float *v = set_in(&c, 0, GLIA_F32, 0, rank + 2, x)->data = edge(0, count[0] * 4);
        fill_any(v, count[0]);
        for (int64_t j = 0; j < count[0]; j++)
            if (random_u32() % 3 == 0) v[j] = random_u32() % 2 ? -0.0f : 0.0f;
        set_out(&c, GLIA_F32, rank + 2, y);
        for (int a = 0; a < 3; a++) c.attr[a] = (glia_attr){a < 2 ? rank : 2 * rank, 0, ints + 3 * a};
        c.attr[3] = (glia_attr){rank, 0, kernel};
        c.attr[5].i = row->op == &glia_op_avg_pool ? pick(0, 1) : 0;
        compare(row->op, row->run, &c);
    }
}
