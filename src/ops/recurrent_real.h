/* The recurrent layers in one precision, included once for f32 and once for f64 by recurrent.c with
 *
 *     REAL       float or double          REAL_DTYPE    its dtype
 *     IN(name)   the name with its suffix FN(name)      glia_name's function of that precision
 *     FMA, READ, WRITE
 */

static REAL IN(activate)(const glia_attr *attr, int which, REAL x)
{
    const REAL alpha = (REAL)attr[GLIA_CELL_ALPHA + which].f, beta = (REAL)attr[GLIA_CELL_BETA + which].f;
    const REAL clip = (REAL)attr[GLIA_CELL_CLIP].f, zero = 0, one = 1;
    if (clip > 0) x = x < -clip ? -clip : x > clip ? clip : x;
    switch (attr[GLIA_CELL_ACTS].ints[which]) {
    case GLIA_ACT_SIGMOID: return one / (one + FN(exp)(-x));
    case GLIA_ACT_TANH: return FN(tanh)(x);
    case GLIA_ACT_RELU: return x < 0 ? zero : x;
    case GLIA_ACT_AFFINE: return FMA(alpha, x, beta);
    case GLIA_ACT_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case GLIA_ACT_THRESHOLDED_RELU: return x < alpha ? zero : x;
    case GLIA_ACT_SCALED_TANH: return alpha * FN(tanh)(beta * x);
    case GLIA_ACT_HARD_SIGMOID: x = FMA(alpha, x, beta); return x < 0 ? zero : x > 1 ? one : x;
    case GLIA_ACT_ELU: return x < 0 ? alpha * (FN(exp)(x) - one) : x;
    case GLIA_ACT_SOFTSIGN: return x / (one + (x < 0 ? -x : x));
    default: return (x > 0 ? x : zero) + FN(log)(one + FN(exp)(x < 0 ? x : -x));
    }
}

/* Gates i, o, f and the candidate g:
 *     i = f(x_i + d_i + p_i c)     f likewise, or 1 - i     c' = fma(f, c, i g)
 *     o = f(x_o + d_o + p_o c')    h = o h(c') */
static void IN(lstm_first)(const IN(glia_cell) * c)
{
    const int64_t n = c->n;
    const REAL *x = c->x, *d = c->dot, *p = c->extra;
    glia_attr open[GLIA_CELL_FORM]; /* the clip bounds what goes into gates, and not the cell's own output */
    memcpy(open, c->attr, sizeof open);
    open[GLIA_CELL_CLIP].f = 0;
    for (int64_t i = 0; i < n; i++) {
        REAL in = x[i] + d[i], forget = x[2 * n + i] + d[2 * n + i], out = x[n + i] + d[n + i];
        if (p) in = FMA(p[i], c->c[i], in), forget = FMA(p[2 * n + i], c->c[i], forget);
        in = IN(activate)(c->attr, 0, in);
        forget = c->attr[GLIA_CELL_FORM].i ? 1 - in : IN(activate)(c->attr, 0, forget);
        const REAL candidate = IN(activate)(c->attr, 1, x[3 * n + i] + d[3 * n + i]);
        const REAL cell = FMA(forget, c->c[i], in * candidate);
        if (p) out = FMA(p[n + i], cell, out);
        c->c[i] = cell;
        out = IN(activate)(c->attr, 0, out);
        c->h[i] = out * IN(activate)(open, 2, cell);
    }
}

/* Gates z, r, then the candidate n. The reset gate before the product: turn = r h; the second half follows it. */
static void IN(gru_first)(const IN(glia_cell) * c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i++) {
        c->dot[i] = IN(activate)(c->attr, 0, c->x[i] + c->dot[i]);
        c->turn[i] = IN(activate)(c->attr, 0, c->x[n + i] + c->dot[n + i]) * c->h[i];
    }
}

static REAL IN(between)(REAL z, REAL candidate, REAL h) { return FMA(z, h, (1 - z) * candidate); }

static void IN(gru_second)(const IN(glia_cell) * c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i++) {
        const REAL candidate = IN(activate)(c->attr, 1, c->x[2 * n + i] + c->dot[2 * n + i]);
        c->h[i] = IN(between)(c->dot[i], candidate, c->h[i]);
    }
}

/* The reset gate after the product: candidate = g(x_n + r (d_n + bias)). */
static void IN(gru_after)(const IN(glia_cell) * c)
{
    const int64_t n = c->n;
    for (int64_t i = 0; i < n; i++) {
        const REAL z = IN(activate)(c->attr, 0, c->x[i] + c->dot[i]),
                   r = IN(activate)(c->attr, 0, c->x[n + i] + c->dot[n + i]);
        const REAL product = c->extra ? c->dot[2 * n + i] + c->extra[i] : c->dot[2 * n + i];
        c->h[i] = IN(between)(z, IN(activate)(c->attr, 1, FMA(r, product, c->x[2 * n + i])), c->h[i]);
    }
}

static void IN(rnn_first)(const IN(glia_cell) * c)
{
    for (int64_t i = 0; i < c->n; i++) c->h[i] = IN(activate)(c->attr, 0, c->x[i] + c->dot[i]);
}

static const IN(glia_cells) IN(lstm_cells) = {IN(lstm_first), NULL};
static const IN(glia_cells) IN(gru_cells) = {IN(gru_first), IN(gru_second)};
static const IN(glia_cells) IN(gru_after_cells) = {IN(gru_after), NULL};
static const IN(glia_cells) IN(rnn_cells) = {IN(rnn_first), NULL};

/* Rows of `from` widened into `to`; zeros where there is no tensor. */
static void IN(take)(const glia_tensor *from, int64_t at, int64_t n, REAL *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from ? READ(from, at + i) : 0;
}
static void IN(give)(const glia_tensor *to, int64_t at, int64_t n, const REAL *from)
{
    for (int64_t i = 0; i < n; i++) WRITE(to, at + i, from[i]);
}

/* dot[rows, begin..end) = h[rows, n] r^T */
static void IN(product)(const glia_kargs *k, glia_kernel linear, const REAL *h, REAL *dot,
                        const int64_t *span, void *scratch)
{
    const glia_tensor *r = &k->in[1];
    const int64_t rows = k->end[1] - k->begin[1], n = r->dims[1], q = r->dims[0];
    const int64_t hd[2] = {rows, n}, dd[2] = {rows, q}, begin[2] = {0, span[0]}, end[2] = {rows, span[1]};
    const glia_tensor in[3] = {{(void *)(uintptr_t)h, hd, 2, 0, REAL_DTYPE}, *r, {0}};
    const glia_tensor out = {dot, dd, 2, 0, REAL_DTYPE};
    const glia_kargs one = {in, &out, 3, 1, begin, end, NULL, scratch, NULL};
    linear(&one);
}

void IN(glia_recurrent)(const glia_kargs *k, glia_kernel linear, const IN(glia_cells) * cells)
{
    const glia_tensor *x = &k->in[0], *y = &k->out[0], *h0 = glia_optional(k, 2), *c0 = c0_of(k),
                      *lens = lens_of(k), *extra = extra_of(k);
    const int64_t steps = y->dims[0], batch = y->dims[1], n = y->dims[2], q = x->dims[2], first = k->begin[1],
                  rows = k->end[1] - first, spans[2][2] = {{0, cells->second ? q - n : q}, {q - n, q}};
    if (rows <= 0) return;
    REAL *h = k->scratch, *turn = h + rows * n, *c = turn + rows * n, *dot = c + rows * n,
         *wide = dot + rows * q, *more = wide + q;
    void *scratch = (char *)k->scratch + parts_bytes(k, sizeof(REAL));
    if (extra) IN(take)(extra, 0, glia_tensor_elements(extra), more);
    for (int64_t b = 0; b < rows; b++) {
        IN(take)(h0, (first + b) * n, n, h + b * n);
        IN(take)(c0, (first + b) * n, n, c + b * n);
    }
    for (int64_t s = 0; s < steps; s++) {
        IN(product)(k, linear, h, dot, spans[0], scratch);
        for (int pass = 0; pass < (cells->second ? 2 : 1); pass++) {
            if (pass) IN(product)(k, linear, turn, dot, spans[1], scratch);
            for (int64_t b = 0; b < rows; b++) {
                const int64_t count = count_of(lens, first + b, steps);
                const int64_t t = k->attr[GLIA_CELL_REVERSE].i ? count - 1 - s : s;
                if (s >= count) continue;
                const int64_t from = (t * batch + first + b) * q;
                const REAL *row = x->dtype == REAL_DTYPE ? (const REAL *)x->data + from : wide;
                if (row == wide) IN(take)(x, from, q, wide);
                const IN(glia_cell) cell = {n,         row,       extra ? more : NULL, dot + b * q,
                                            h + b * n, c + b * n, turn + b * n,        k->attr};
                (pass ? cells->second : cells->first)(&cell);
                if (pass + 1 == (cells->second ? 2 : 1))
                    IN(give)(y, (t * batch + first + b) * n, n, h + b * n);
            }
        }
    }
    for (int64_t b = 0; b < rows; b++) {
        for (int64_t i = 0; i < n; i++) turn[i] = 0;
        for (int64_t t = count_of(lens, first + b, steps); t < steps; t++)
            IN(give)(y, (t * batch + first + b) * n, n, turn);
        IN(give)(&k->out[1], (first + b) * n, n, h + b * n);
        if (k->out_count > 2) IN(give)(&k->out[2], (first + b) * n, n, c + b * n);
    }
}
