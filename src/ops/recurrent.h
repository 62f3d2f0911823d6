/* Recurrent layers over a whole sequence, shared by the reference and the kernels of instruction sets: how steps, rows
 * and lengths are walked is here once; the product with the recurrent weight is any kernel of `linear`, and a cell's
 * arithmetic is a table of functions. */
#ifndef GLIA_OPS_RECURRENT_H
#define GLIA_OPS_RECURRENT_H

#include "graph/op.h"

enum { /* the activations that a cell may have, in the order of the attribute `acts` */
       GLIA_ACT_SIGMOID,
       GLIA_ACT_TANH,
       GLIA_ACT_RELU,
       GLIA_ACT_AFFINE,
       GLIA_ACT_LEAKY_RELU,
       GLIA_ACT_THRESHOLDED_RELU,
       GLIA_ACT_SCALED_TANH,
       GLIA_ACT_HARD_SIGMOID,
       GLIA_ACT_ELU,
       GLIA_ACT_SOFTSIGN,
       GLIA_ACT_SOFTPLUS,
       GLIA_ACT_COUNT
};

enum { /* attributes of the three ops, in the order of their table */
       GLIA_CELL_REVERSE,
       GLIA_CELL_ACTS,
       GLIA_CELL_ALPHA,
       GLIA_CELL_BETA = GLIA_CELL_ALPHA + 3,
       GLIA_CELL_CLIP = GLIA_CELL_BETA + 3,
       GLIA_CELL_FORM /* lstm: input and forget gates are coupled; gru: the reset gate comes after the product */
};

/* One step of one row. x: what the input gives to each gate [gates, n]; dot: the recurrent products [gates, n]; h, c:
 * the state, updated in place; extra: peepholes [3, n] of lstm, or the bias inside the reset gate of gru [n], or null;
 * turn: r * h for gru's second product [n]. */
#define GLIA_CELL_FIELDS(real)                                                                               \
    int64_t n;                                                                                               \
    const real *x, *extra;                                                                                   \
    real *dot, *h, *c, *turn;                                                                                \
    const glia_attr *attr;

typedef struct glia_cell_f32 {
    GLIA_CELL_FIELDS(float)
} glia_cell_f32;
typedef struct glia_cell_f64 {
    GLIA_CELL_FIELDS(double)
} glia_cell_f64;

/* `first` runs after the product with h. Where `second` is set, another product, of `turn` with the last gate's rows,
 * follows it, and then `second`. */
typedef struct glia_cells_f32 {
    void (*first)(const glia_cell_f32 *c);
    void (*second)(const glia_cell_f32 *c);
} glia_cells_f32;
typedef struct glia_cells_f64 {
    void (*first)(const glia_cell_f64 *c);
    void (*second)(const glia_cell_f64 *c);
} glia_cells_f64;

/* The box of a `lstm`, `gru` or `rnn` call. */
void glia_recurrent_f32(const glia_kargs *k, glia_kernel linear, const glia_cells_f32 *cells);
void glia_recurrent_f64(const glia_kargs *k, glia_kernel linear, const glia_cells_f64 *cells);

/* The portable cells, for forms that a kernel does not have. */
const glia_cells_f32 *glia_lstm_cells_f32(const glia_attr *attr);
const glia_cells_f32 *glia_gru_cells_f32(const glia_attr *attr);

/* Is the cell the usual one: sigmoid gates, tanh for the rest, no clip, not the other form? */
bool glia_recurrent_usual(const glia_attr *attr, int gates);

#endif
