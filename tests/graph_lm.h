/* A small transformer for tests of the graph, with one thing wrong on demand. */
#ifndef GLIA_TESTS_GRAPH_LM_H
#define GLIA_TESTS_GRAPH_LM_H

#include <stdio.h>
#include <string.h>

#include <glia/graph.h>
#include "graph/graph.h"

/* Every leaf of the model asks for its type here, so that a mutation can change the n-th. */
typedef struct lm_mutation {
    int leaf;   /* which leaf is changed; -1: none */
    int change; /* how */
    int seen;   /* leaves so far */
    char name[64];
    glia_type before, after;
} lm_mutation;

typedef struct lm {
    glia_graph *g;
    glia_dim t;
    lm_mutation *m;
} lm;

enum {
    LM_EMBED = 96,
    LM_HEADS = 6,
    LM_GROUPS = 2,
    LM_HEAD = 32,
    LM_FFN = 160,
    LM_VOCAB = 224,
    LM_PAGES = 5,
    LM_SLOTS = 16,
    LM_TABLE = 3
};

/* The ways to spoil a type. All of them are wrong for a leaf whose axes are all shared with others. */
enum {
    LM_PLUS_ONE,
    LM_TWICE,
    LM_HALF,
    LM_ONE,
    LM_OTHER_DTYPE,
    LM_BOOL,
    LM_MORE_RANK,
    LM_LESS_RANK,
    LM_SWAPPED,
    LM_SYMBOL,
    LM_CHANGES_END = 2 * 4 + 5
};

/* False if the change does nothing to this type. Changes 0..7 are for axis 0 and 1, then dtypes and ranks. */
static inline bool lm_spoil(glia_graph *g, glia_type *t, int change)
{
    glia_type old = *t;
    if (change < 8) {
        int axis = change / 4;
        if (axis >= t->rank || t->dims[axis] < 0) return false;
        glia_dim d = t->dims[axis];
        t->dims[axis] = change % 4 == LM_PLUS_ONE ? d + 1
                        : change % 4 == LM_TWICE  ? 2 * d
                        : change % 4 == LM_HALF   ? d / 2
                                                  : 1;
    } else if (change == 8) {
        t->dtype = t->dtype == GLIA_I32 ? GLIA_F32 : GLIA_I32;
    } else if (change == 9) {
        t->dtype = GLIA_BOOL;
    } else if (change == 10) {
        t->dims[t->rank++] = 1;
    } else if (change == 11) {
        if (!t->rank) return false;
        t->rank--;
    } else {
        if (t->rank < 2 || t->dims[0] == t->dims[1]) return false;
        glia_dim d = t->dims[0];
        t->dims[0] = t->dims[1];
        t->dims[1] = d;
    }
    (void)g;
    return memcmp(&old, t, sizeof old) != 0;
}

static inline glia_type lm_type(lm *b, const char *name, glia_type t)
{
    if (b->m && b->m->seen++ == b->m->leaf) {
        b->m->before = t;
        snprintf(b->m->name, sizeof b->m->name, "%s", name);
        if (!lm_spoil(b->g, &t, b->m->change)) b->m->leaf = -2;
        b->m->after = t;
    }
    return t;
}

static inline glia_value lm_weight(lm *b, const char *name, glia_dtype d, int rank, int64_t n, int64_t k)
{
    glia_type t = lm_type(b, name, (glia_type){d, (int16_t)rank, 0, {n, k}});
    return glia_graph_weight(b->g, name, &t, NULL, "test.gguf at 0x40");
}

static inline glia_value lm_linear(lm *b, glia_value x, const char *name, int64_t n, int64_t k)
{
    char w[64];
    snprintf(w, sizeof w, "%s.weight", name);
    glia_value in[] = {x, lm_weight(b, w, GLIA_Q8_0, 2, n, k)};
    return glia_graph_node(b->g, "linear", name, in, 2, NULL);
}

static inline glia_value lm_norm(lm *b, glia_value x, const char *name, int64_t n)
{
    char w[64];
    snprintf(w, sizeof w, "%s.weight", name);
    glia_value in[] = {x, lm_weight(b, w, GLIA_F32, 1, n, 0)};
    glia_attr_arg a[] = {GLIA_FLOAT("eps", 1e-6), {0}};
    return glia_graph_node(b->g, "rms_norm", name, in, 2, a);
}

static inline glia_value lm_heads(lm *b, glia_value x, int64_t heads)
{
    int64_t dims[] = {b->t, heads, LM_HEAD};
    glia_attr_arg a[] = {GLIA_INTS("dims", dims, 3), {0}};
    return glia_graph_node(b->g, "reshape", NULL, &x, 1, a);
}

static inline glia_value lm_put(lm *b, const char *name, glia_value x, const glia_value *where,
                                int transposed)
{
    glia_type t = {GLIA_F16,
                   4,
                   0,
                   {LM_PAGES, LM_GROUPS, transposed ? LM_HEAD : LM_SLOTS, transposed ? LM_SLOTS : LM_HEAD}};
    t = lm_type(b, name, t);
    glia_value in[] = {glia_graph_state(b->g, name, &t), x, where[0], where[1], where[2]};
    glia_attr_arg a[] = {GLIA_INT("transposed", transposed), {0}};
    return glia_graph_node(b->g, "kv_put", NULL, in, 5, a);
}

static inline glia_value lm_layer(lm *b, int l, glia_value x, glia_value rope, const glia_value *where)
{
    char name[9][32];
    static const char *const part[9] = {"norm1", "q", "k", "v", "o", "norm2", "gate", "up", "down"};
    for (int i = 0; i < 9; i++) snprintf(name[i], sizeof name[i], "blk.%d.%s", l, part[i]);
    char keys[32], values[32];
    snprintf(keys, sizeof keys, "blk.%d.keys", l);
    snprintf(values, sizeof values, "blk.%d.values", l);
    glia_value h = lm_norm(b, x, name[0], LM_EMBED);
    glia_value q = lm_heads(b, lm_linear(b, h, name[1], LM_HEADS * LM_HEAD, LM_EMBED), LM_HEADS);
    glia_value k = lm_heads(b, lm_linear(b, h, name[2], LM_GROUPS * LM_HEAD, LM_EMBED), LM_GROUPS);
    glia_value v = lm_heads(b, lm_linear(b, h, name[3], LM_GROUPS * LM_HEAD, LM_EMBED), LM_GROUPS);
    q = glia_graph_node(b->g, "rope", NULL, (glia_value[]){q, rope}, 2, NULL);
    k = glia_graph_node(b->g, "rope", NULL, (glia_value[]){k, rope}, 2, NULL);
    glia_value in[] = {
        q, lm_put(b, keys, k, where, 1), lm_put(b, values, v, where, 0), where[0], where[1], where[2]};
    glia_attr_arg scale[] = {GLIA_FLOAT("scale", 0.125), {0}};
    glia_value y = glia_graph_node(b->g, "attend", NULL, in, 6, scale);
    int64_t dims[] = {b->t, LM_HEADS * LM_HEAD};
    glia_attr_arg flat[] = {GLIA_INTS("dims", dims, 2), {0}};
    y = lm_linear(b, glia_graph_node(b->g, "reshape", NULL, &y, 1, flat), name[4], LM_EMBED,
                  LM_HEADS * LM_HEAD);
    x = glia_graph_node(b->g, "add", NULL, (glia_value[]){x, y}, 2, NULL);
    h = lm_norm(b, x, name[5], LM_EMBED);
    glia_value gate = lm_linear(b, h, name[6], LM_FFN, LM_EMBED),
               up = lm_linear(b, h, name[7], LM_FFN, LM_EMBED);
    h = glia_graph_node(b->g, "swiglu", NULL, (glia_value[]){gate, up}, 2, NULL);
    return glia_graph_node(b->g, "add", NULL, (glia_value[]){x, lm_linear(b, h, name[8], LM_EMBED, LM_FFN)},
                           2, NULL);
}

/* The graph is not sealed. */
static inline void lm_build(glia_graph *g, int layers, lm_mutation *m)
{
    lm b = {g, glia_graph_symbol(g, "T", 1, 64), m};
    glia_dim s = glia_graph_symbol(g, "S", 1, 8);
    glia_type ids = {GLIA_I32, 1, 0, {b.t}}, table = {GLIA_I32, 2, 0, {s, LM_TABLE}};
    glia_value id = glia_graph_input(g, "ids", &ids), pos = glia_graph_input(g, "pos", &ids),
               seq = glia_graph_input(g, "seq", &ids);
    glia_value where[] = {glia_graph_input(g, "table", &table), seq, pos};
    /* Tied: both axes of the embedding are shared with the norm and the logits' bias. */
    glia_type w = lm_type(&b, "embed.weight", (glia_type){GLIA_F32, 2, 0, {LM_VOCAB, LM_EMBED}});
    glia_value embed = glia_graph_weight(g, "embed.weight", &w, NULL, NULL);
    glia_value x = glia_graph_node(g, "embed", NULL, (glia_value[]){embed, id}, 2, NULL);
    glia_attr_arg rope_attrs[] = {GLIA_INT("dims", LM_HEAD), GLIA_FLOAT("base", 10000), {0}};
    glia_value factors = lm_weight(&b, "rope.factors", GLIA_F32, 1, LM_HEAD / 2, 0);
    glia_value rope = glia_graph_node(g, "rope_table", NULL, (glia_value[]){pos, factors}, 2, rope_attrs);
    for (int l = 0; l < layers; l++) x = lm_layer(&b, l, x, rope, where);
    x = lm_norm(&b, x, "norm", LM_EMBED);
    glia_value bias = lm_weight(&b, "bias", GLIA_F32, 1, LM_VOCAB, 0);
    glia_graph_output(g, "logits",
                      glia_graph_node(g, "linear", "output", (glia_value[]){x, embed, bias}, 3, NULL));
}

#endif
