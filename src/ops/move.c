/* Strided copies. Axes that lie together on both sides are joined first; then a copy is runs of memory, runs of one
 * element, or a transposition, which goes by tiles so that both sides stay in cache. */
#include "ops/move.h"

enum { TILE = 16 };

void glia_dense_strides(const glia_tensor *t, int64_t *stride)
{
    int64_t step = 1;
    for (int a = t->rank - 1; a >= 0; a--) {
        stride[a] = step;
        step *= t->dims[a];
    }
}

/* ---- rows of each size ---- */

static void row_1(void *to, int64_t ts, const void *from, int64_t fs, int64_t n)
{
    const uint8_t *x = from;
    uint8_t *y = to;
    for (int64_t i = 0; i < n; i++) y[i * ts] = x[i * fs];
}
static void row_2(void *to, int64_t ts, const void *from, int64_t fs, int64_t n)
{
    const uint16_t *x = from;
    uint16_t *y = to;
    for (int64_t i = 0; i < n; i++) y[i * ts] = x[i * fs];
}
static void row_4(void *to, int64_t ts, const void *from, int64_t fs, int64_t n)
{
    const uint32_t *x = from;
    uint32_t *y = to;
    for (int64_t i = 0; i < n; i++) y[i * ts] = x[i * fs];
}
static void row_8(void *to, int64_t ts, const void *from, int64_t fs, int64_t n)
{
    const uint64_t *x = from;
    uint64_t *y = to;
    for (int64_t i = 0; i < n; i++) y[i * ts] = x[i * fs];
}

typedef void row_fn(void *to, int64_t ts, const void *from, int64_t fs, int64_t n);

static row_fn *row_of(int64_t size)
{
    return size == 1 ? row_1 : size == 2 ? row_2 : size == 4 ? row_4 : row_8;
}

void glia_move_fill(void *to, const void *value, int64_t count, int64_t size)
{
    row_of(size)(to, 1, value, 0, count);
}

/* ---- axes ---- */

static void drop(glia_move *m, int a)
{
    for (int i = a; i + 1 < m->rank; i++) {
        m->dims[i] = m->dims[i + 1];
        m->to_stride[i] = m->to_stride[i + 1];
        m->from_stride[i] = m->from_stride[i + 1];
    }
    m->rank--;
}

/* Axes of size one go; neighbours that one stride walks on both sides become one. */
static void join(glia_move *m)
{
    for (int a = m->rank - 1; a >= 0; a--)
        if (m->dims[a] == 1) drop(m, a);
    for (int a = m->rank - 2; a >= 0; a--) {
        if (m->to_stride[a] != m->to_stride[a + 1] * m->dims[a + 1] ||
            m->from_stride[a] != m->from_stride[a + 1] * m->dims[a + 1])
            continue;
        m->dims[a + 1] *= m->dims[a];
        drop(m, a);
    }
}

static void swap_axes(glia_move *m, int a, int b)
{
    int64_t *const lists[] = {m->dims, m->to_stride, m->from_stride};
    for (int i = 0; i < 3; i++) {
        int64_t t = lists[i][a];
        lists[i][a] = lists[i][b];
        lists[i][b] = t;
    }
}

/* A plane [rows, n] whose source runs along rows and whose target along n: in tiles. */
static void transposed(const glia_move *m, int rows, char *to, const char *from, int64_t size, row_fn *row)
{
    const int64_t count = m->dims[rows], n = m->dims[m->rank - 1], ts = m->to_stride[rows],
                  tn = m->to_stride[m->rank - 1], fs = m->from_stride[rows], fn = m->from_stride[m->rank - 1];
    for (int64_t i = 0; i < count; i += TILE) {
        const int64_t i_end = glia_min(count, i + TILE);
        for (int64_t j = 0; j < n; j += TILE) {
            const int64_t width = glia_min(n - j, TILE);
            for (int64_t r = i; r < i_end; r++)
                row(to + (r * ts + j * tn) * size, tn, from + (r * fs + j * fn) * size, fn, width);
        }
    }
}

void glia_move_run(glia_move *m, void *to, const void *from, int64_t size)
{
    char *y = to;
    const char *x = from;
    int64_t index[GLIA_RANK_MAX] = {0};
    row_fn *row = row_of(size);
    for (int a = 0; a < m->rank; a++)
        if (m->dims[a] <= 0) return;
    join(m);
    if (m->rank == 0) {
        memcpy(y, x, (size_t)size);
        return;
    }
    const int last = m->rank - 1;
    const int64_t n = m->dims[last], ts = m->to_stride[last], fs = m->from_stride[last];
    int lead = last, tiled = -1;
    for (int a = 0; a < last && ts == 1 && fs != 1 && fs != 0; a++)
        if (m->from_stride[a] == 1 && m->dims[a] > 1) tiled = a;
    if (tiled >= 0) {
        swap_axes(m, tiled, last - 1);
        tiled = lead = last - 1;
    }
    for (;;) {
        if (tiled >= 0) transposed(m, tiled, y, x, size, row);
        else if (ts == 1 && fs == 1) memcpy(y, x, (size_t)(n * size));
        else row(y, ts, x, fs, n);
        int a = lead - 1;
        for (; a >= 0; a--) {
            y += m->to_stride[a] * size;
            x += m->from_stride[a] * size;
            if (++index[a] < m->dims[a]) break;
            y -= m->to_stride[a] * m->dims[a] * size;
            x -= m->from_stride[a] * m->dims[a] * size;
            index[a] = 0;
        }
        if (a < 0) return;
    }
}
