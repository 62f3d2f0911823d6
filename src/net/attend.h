/* Attention as nodes, for every operator that is a form of it: `sdpa` where that computes what is asked, else its
 * steps. Heads lie outside tokens, [b, h, t, d], or inside, [b, t, h, d], which needs no transpose. */
#ifndef GLIA_NET_ATTEND_H
#define GLIA_NET_ATTEND_H

#include "net/emitter.h"

typedef struct glia_attend {
    glia_value q, k, v; /* [b, h, t, d], [b, g, s, d], [b, g, s, e]; with tokens [b, t, h, d] and so on */
    bool tokens;
    double scale, cap;
    bool causal;
    int64_t past;    /* keys before the first query's own, for causal */
    glia_value bias; /* f32 (f64 for f64), added to scores: broadcasts to [b, h, t, s] with rank 4; or null */
    bool blank;      /* rows may be hidden whole, and give zeros */
    int mode; /* what `scores` becomes: 0 scaled products, 1 capped, 2 with the bias, 3 probabilities; -1: nothing */
    glia_value sink;   /* f32 [h]: one more score per head without a value; or null */
    glia_value scores; /* out */
} glia_attend;

/* y, shaped as q with v's last axis. */
glia_value glia_emit_attend(glia_emit *m, glia_attend *a);

/* [t, s]: 0 where query i at place i + past sees key j, -inf elsewhere. left, right: how far it sees; -1: all. */
glia_value glia_emit_window(glia_emit *m, glia_dtype t, int64_t rows, int64_t keys, int64_t past,
                            int64_t left, int64_t right);
/* The same where the keys that count are known to the run: `count` i64 [b]; the last query sees the last of them.
 * -> [b, 1, t, s] */
glia_value glia_emit_window_of(glia_emit *m, glia_dtype t, glia_value count, int64_t rows, int64_t keys,
                               int64_t left, int64_t right);
/* [b, 1, 1, s]: 0 for the first count[b] keys, -inf behind them. */
glia_value glia_emit_first_keys(glia_emit *m, glia_dtype t, glia_value count, int64_t keys, double hidden);
/* a + b; a null one counts nothing. */
glia_value glia_emit_sum_of(glia_emit *m, glia_value a, glia_value b);

/* [b, t, h * d] as [b, t, h, d]; what has another rank stays. */
glia_value glia_emit_split_heads(glia_emit *m, glia_value v, int64_t heads);
/* [b, t, h, d] as [b, h, t, d], or back. */
glia_value glia_emit_swap_heads(glia_emit *m, glia_value v);
/* Rows of a table [p, r] for positions [b, t], which the run checks. */
glia_value glia_emit_rows_at(glia_emit *m, glia_value table, glia_value positions);

/* x [b, t, h, d] (or [b, h, t, d]) turned by cosines and sines [b, t, r / 2]; r <= d. */
glia_value glia_emit_turned(glia_emit *m, glia_value x, bool tokens, glia_value cosines, glia_value sines,
                            bool interleaved);

#endif
