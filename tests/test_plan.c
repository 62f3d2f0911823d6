/* Plans: where threads meet, where values lie, what the validator refuses, and that small random graphs mean
 * the same compiled for any number of slots as they do node by node. */
#include "eval.h"
#include "spine.h"

#include "base/check.h"
#include "base/cpu.h"
#include "compile/plan.h"
#include "tensor/layout.h"

/* ---- meetings --------------------------------------------------------------------------------------- */

/* The phase in which the first item of layer `layer` runs, or -1. */
static int first_phase(const glia_plan *p, const glia_variant *v, int layer)
{
    char start[32];
    snprintf(start, sizeof start, "blk.%d.", layer);
    for (int ph = 0; ph < v->phase_count; ph++)
        for (uint32_t i = 0; i < v->phases[ph].count; i++)
            if (!strncmp(p->graph->nodes[v->items[v->phases[ph].first + i].node].name, start, strlen(start)))
                return ph;
    return -1;
}

/* Meetings of one interior layer at decode, by the plan; and of the whole step, counted while it runs. */
static int meetings(const char *path, int slots)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_session *s = NULL;
    glia_error e = GLIA_ERROR_INIT;
    o.threads = 2;
    o.slots = slots;
    o.batch = 32;
    o.context = 32;
    glia_model *m = spine_open(path, &o);
    if (!m) return -1;
    spine_force_team(m);
    const glia_plan *p = glia_model_plan(m);
    const glia_variant *v = &p->variants[1];
    CHECK(v->slots == slots && v->symbol_max == 1);
    int layers = 0, each = -1;
    while (first_phase(p, v, layers) >= 0) layers++;
    for (int i = 1; i < layers; i++) {
        int now = first_phase(p, v, i) - first_phase(p, v, i - 1);
        if (i == 1) each = now;
        CHECK(now <= 5);
    }
    CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
    for (int32_t i = 0; i < 3; i++) {
        CHECK_I64(spine_feed(s, glia_model_vocab_size(m), &i, 1, 0, 1, NULL), GLIA_OK);
        CHECK(glia_lane_variant(glia_model_lane(m)) == v);
        CHECK_I64(glia_lane_meetings(glia_model_lane(m)), v->phase_count);
    }
    glia_session_destroy(s);
    glia_model_close(m);
    return each;
}

/* Four where the key-value groups divide over the slots, else five. */
static void meetings_of_a_layer(void)
{
    if (!spine_there(SPINE_DEMO)) {
        SKIP("meetings_of_a_layer", "no demo model");
        return;
    }
    CHECK_I64(meetings(SPINE_DEMO, 2), 4); /* 8 heads, 4 key-value heads */
    CHECK_I64(meetings(SPINE_DEMO, 4), 4);
    CHECK(meetings(SPINE_DEMO, 3) <= 5 && meetings(SPINE_DEMO, 8) <= 5);
    CHECK_I64(meetings(spine_arch_path("llama_mha", "gguf"), 2), 4);
    CHECK_I64(meetings(spine_arch_path("gpt2", "gguf"), 2), 4);
    CHECK_I64(meetings(spine_arch_path("qwen3", "gguf"), 2), 4);
}

static void meetings_with_small_heads(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/llm/stories260K/stories260K-f32.gguf", check_data_dir());
    CHECK_I64(meetings(path, 2), 4); /* heads of 8: half a panel of 16 rows */
    CHECK_I64(meetings(path, 4), 4);
    CHECK(meetings(path, 3) <= 5 && meetings(path, 8) <= 5);
}

/* ---- where values lie ------------------------------------------------------------------------------- */

typedef struct span { /* one block of memory, and when its bytes must stay: times are phases, or items of
                         private values */
    int64_t begin_byte, end_byte;
    int32_t begin, end;
} span;

static void touch(span *s, int32_t time)
{
    if (s->begin < 0 || time < s->begin) s->begin = time;
    if (time > s->end) s->end = time;
}

/* From the records and the graph alone: blocks whose lives meet must not share a byte; everything lies in the
 * arena. The lower bound is counted again for one-slot variants. */
static void check_memory(const char *name, const glia_plan *p, const glia_variant *v)
{
    const glia_graph *g = p->graph;
    span *shared = calloc((size_t)g->value_count + 1, sizeof *shared),
         *own = calloc((size_t)g->value_count + 1, sizeof *own);
    for (int64_t i = 0; i < g->value_count; i++)
        shared[i].begin = shared[i].end = own[i].begin = own[i].end = -1;
    for (int32_t ph = 0; ph < v->phase_count; ph++)
        for (uint32_t j = 0; j < v->phases[ph].count; j++) {
            int32_t item = (int32_t)(v->phases[ph].first + j);
            const glia_node *n = &g->nodes[v->items[item].node];
            for (int k = 0; k < n->in_count + n->out_count; k++) {
                glia_value x = k < n->in_count ? n->in[k] : n->out[k - n->in_count];
                if (glia_is_null(x) || v->placed[x.id].base != GLIA_BASE_ARENA) continue;
                int32_t root = v->placed[x.id].root;
                bool mine = v->slots == 1 || v->placed[root].slot_stride;
                touch(mine ? &own[root] : &shared[root], mine ? item : ph);
            }
        }
    for (int64_t i = 1; i < g->value_count; i++) {
        int32_t root = v->placed[i].root;
        if (v->placed[i].base != GLIA_BASE_ARENA || g->values[i].kind != GLIA_VALUE_INPUT) continue;
        bool mine = v->slots == 1;
        touch(mine ? &own[root] : &shared[root], 0);
        touch(mine ? &own[root] : &shared[root],
              mine ? v->item_count : v->phase_count); /* inputs are written before a run */
    }
    for (int64_t i = 0; i < g->output_count; i++) {
        int32_t root = v->placed[g->outputs[i].value.id].root;
        if (v->placed[root].base == GLIA_BASE_ARENA)
            touch(v->slots == 1 ? &own[root] : &shared[root], v->slots == 1 ? v->item_count : v->phase_count);
    }
    int bad = 0;
    for (int64_t i = 1; i < g->value_count; i++) {
        const glia_placed *a = &v->placed[i];
        if (a->base != GLIA_BASE_ARENA || a->root != i) continue;
        int64_t last = a->offset + a->bytes + (v->slots - 1) * a->slot_stride;
        bad += a->offset < 0 || a->offset % 64 || last > v->arena_bytes;
        for (int64_t j = 1; j < i; j++) {
            const glia_placed *b = &v->placed[j];
            if (b->base != GLIA_BASE_ARENA || b->root != j || !a->bytes || !b->bytes) continue;
            bool a_own = own[i].begin >= 0, b_own = own[j].begin >= 0;
            const span *x = a_own ? &own[i] : &shared[i], *y = b_own ? &own[j] : &shared[j];
            if (x->begin < 0 || y->begin < 0) continue; /* nobody touches it */
            if (a_own == b_own && (x->end < y->begin || y->end < x->begin)) continue;
            for (int s = 0; s < v->slots; s++)
                for (int t = 0; t < v->slots; t++) {
                    if (a_own && b_own && s != t && a->slot_stride == 0) continue;
                    int64_t ab = a->offset + s * a->slot_stride, bb = b->offset + t * b->slot_stride;
                    bad += ab < bb + b->bytes && bb < ab + a->bytes;
                }
        }
    }
    if (bad) fprintf(stderr, "%s: %d slots: %d values lie on others or outside\n", name, v->slots, bad);
    CHECK_I64(bad, 0);
    if (v->arena_bytes != v->arena_lower_bound)
        fprintf(stderr, "%s: %d slots, to %lld tokens: %lld bytes, bound %lld\n", name, v->slots,
                (long long)v->symbol_max, (long long)v->arena_bytes, (long long)v->arena_lower_bound);
    CHECK_I64(v->arena_bytes, v->arena_lower_bound);
    free(shared);
    free(own);
}

static const char *tiny_path(void)
{
    glia_error e = GLIA_ERROR_INIT;
    const char *path = spine_temp("tiny.gguf");
    if (!spine_there(path) && glia_synth(NULL, "tiny", GLIA_Q8_0, 3, path, &e))
        fprintf(stderr, "%s\n", e.text);
    return path;
}

/* Calls f for models and numbers of slots. */
static void for_plans(void (*f)(const char *name, glia_plan *p))
{
    static const int slots[] = {1, 2, 3, 4, 8};
    for (int i = -2; i < 0 || spine_archs[i]; i++) {
        const char *path = i == -2   ? SPINE_DEMO
                           : i == -1 ? tiny_path()
                                     : spine_arch_path(spine_archs[i], "gguf");
        if (!spine_there(path)) continue;
        for (int j = 0; j < 5; j++) {
            glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
            glia_error e = GLIA_ERROR_INIT;
            glia_model *m = NULL;
            o.threads = o.slots = slots[j];
            o.batch = 40;
            o.context = 48;
            o.logit_rows = 3;
            if (glia_model_prepare(path, &o, false, &m, &e)) {
                fprintf(stderr, "%s: %s\n", path, e.text);
                check_case_failures++;
                continue;
            }
            f(path, (glia_plan *)(uintptr_t)glia_model_plan(m));
            glia_model_close(m);
        }
    }
}

static void check_memory_of(const char *name, glia_plan *p)
{
    int64_t most = 0;
    for (int i = 0; i < p->variant_count; i++) {
        check_memory(name, p, &p->variants[i]);
        if (p->variants[i].arena_bytes > most) most = p->variants[i].arena_bytes;
    }
    CHECK_I64(p->bytes.arena, most);
}
static void memory_of_models(void) { for_plans(check_memory_of); }

static uint64_t lot = 1;
static int64_t draw(int64_t below)
{
    lot = lot * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((lot >> 33) % (uint64_t)below);
}

/* ---- the validator ----------------------------------------------------------------------------------- */

static bool refused(const glia_plan *p, const glia_variant *v)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = glia_plan_validate(p, v, &e);
    CHECK(s == GLIA_OK || s == GLIA_E_INTERNAL);
    return s != GLIA_OK;
}

static int64_t mutants, mutants_refused;

/* Changes that make slots race in any schedule without a meeting too many. */
static void mutate(const char *name, const glia_plan *p, const glia_variant *v)
{
    glia_item *items = malloc((size_t)v->item_count * sizeof *items);
    glia_phase *phases = malloc((size_t)v->phase_count * sizeof *phases);
    glia_placed *placed = malloc((size_t)p->graph->value_count * sizeof *placed);
    memcpy(items, v->items, (size_t)v->item_count * sizeof *items);
    memcpy(phases, v->phases, (size_t)v->phase_count * sizeof *phases);
    memcpy(placed, v->placed, (size_t)p->graph->value_count * sizeof *placed);
    glia_variant w = *v;
    w.items = items;
    w.phases = phases;
    w.placed = placed;
    CHECK(!refused(p, &w));
    for (int32_t i = 0; i < v->item_count; i++) { /* a share becomes the whole: every slot writes it */
        const glia_placed *to = &v->placed[p->graph->nodes[items[i].node].out[0].id];
        if (items[i].kind != GLIA_PART_SPLIT || to->slot_stride) continue;
        items[i].kind = GLIA_PART_REPLICATED;
        mutants++;
        if (refused(p, &w)) mutants_refused++;
        else fprintf(stderr, "%s: %d slots: item %d replicated passes\n", name, v->slots, i);
        items[i] = v->items[i];
    }
    for (int64_t i = 1; i < p->graph->value_count; i++) { /* private copies become one */
        if (placed[i].base != GLIA_BASE_ARENA || !placed[i].slot_stride || placed[i].root != i) continue;
        bool split = false; /* an own copy that is made in shares is harmless when shared */
        for (int64_t j = 1; j < p->graph->value_count; j++) {
            if (placed[j].root != i || p->graph->values[j].producer < 0) continue;
            for (int32_t k = 0; k < v->item_count; k++)
                split |= items[k].node == (uint32_t)p->graph->values[j].producer && items[k].guard;
            placed[j].slot_stride = 0;
        }
        mutants++;
        if (split || refused(p, &w)) mutants_refused++;
        else fprintf(stderr, "%s: %d slots: value %lld shared passes\n", name, v->slots, (long long)i);
        memcpy(placed, v->placed, (size_t)p->graph->value_count * sizeof *placed);
    }
    for (int32_t i = 0; i + 1 < v->phase_count; i++) { /* a meeting is left out */
        phases[i].count += phases[i + 1].count;
        phases[i + 1].count = 0;
        phases[i].tiles = 0;
        mutants++;
        if (refused(p, &w)) mutants_refused++;
        else fprintf(stderr, "%s: %d slots: without meeting %d passes\n", name, v->slots, i);
        memcpy(phases, v->phases, (size_t)v->phase_count * sizeof *phases);
    }
    free(items);
    free(phases);
    free(placed);
}

static void mutate_all(const char *name, glia_plan *p)
{
    for (int i = 1; i < p->variant_count; i++) mutate(name, p, &p->variants[i]);
}
static void validator_refuses(void)
{
    mutants = mutants_refused = 0;
    for_plans(mutate_all);
    CHECK(mutants > 1000);
    CHECK_I64(mutants_refused, mutants);
}

/* In the phase of attention: a rotation of other heads than its product's, other heads than its keys'. */
static void validator_refuses_shares(void)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    glia_error e = GLIA_ERROR_INIT;
    glia_model *m = NULL;
    o.slots = 2;
    o.batch = 1;
    if (!spine_there(SPINE_DEMO) || glia_model_prepare(SPINE_DEMO, &o, false, &m, &e)) return;
    const glia_plan *p = glia_model_plan(m);
    glia_variant w = p->variants[1];
    glia_item *items = malloc((size_t)w.item_count * sizeof *items);
    int changed = 0;
    for (int32_t i = 0; i < w.item_count; i++) {
        const glia_node *n = &p->graph->nodes[w.items[i].node];
        if (strcmp(n->name, "blk.1.q_rope") && strcmp(n->name, "blk.1.k_put") &&
            strcmp(n->name, "blk.1.attend") && strcmp(n->name, "blk.1.swiglu"))
            continue;
        memcpy(items, p->variants[1].items, (size_t)w.item_count * sizeof *items);
        CHECK(items[i].kind == GLIA_PART_SPLIT);
        for (int change = 0; change < 2; change++) {
            items[i] = p->variants[1].items[i];
            if (change == 0) items[i].granule = 3;
            else {
                items[i].axis = 0;
                items[i].axis_dim -= p->variants[1].items[i].axis;
            }
            w.items = items;
            changed++;
            if (!refused(p, &w)) {
                fprintf(stderr, "%s: change %d passes\n", n->name, change);
                check_case_failures++;
            }
        }
    }
    CHECK_I64(changed, 8);
    free(items);
    glia_model_close(m);
}

/* ---- random graphs ----------------------------------------------------------------------------------- */

enum { VALUES_MAX = 40, ROWS_MAX = 9 };

typedef struct garden { /* a graph in the making; all data are kept until the end */
    glia_graph *g;
    glia_dim t;
    glia_value v[VALUES_MAX]; /* [T, width] */
    int64_t width[VALUES_MAX];
    int count, weights;
    bool quantised;
    int64_t fixed; /* rows, of a graph without symbols; 0: T of them */
    void *data[64];
    int data_count;
    float x[ROWS_MAX * 48], z[ROWS_MAX * 48];
} garden;

static float *floats(garden *a, int64_t count)
{
    float *p = malloc((size_t)count * sizeof *p);
    for (int64_t i = 0; i < count; i++) p[i] = (float)(draw(2001) - 1000) / 700;
    a->data[a->data_count++] = p;
    return p;
}

static glia_value weight(garden *a, glia_dtype t, int rank, int64_t n, int64_t k)
{
    char name[16];
    int64_t rows = rank == 2 ? n : 1, bytes;
    float *f = floats(a, rows * k);
    snprintf(name, sizeof name, "w%d", a->weights++);
    glia_type type = {t, (int16_t)rank, 0, {rank == 2 ? n : k, k}};
    void *data = f;
    if (t != GLIA_F32) {
        glia_dtype_row_bytes(t, k, &bytes);
        data = malloc((size_t)(rows * bytes));
        a->data[a->data_count++] = data;
        for (int64_t r = 0; r < rows; r++)
            glia_dtype_get(t)->encode(f + r * k, (uint8_t *)data + r * bytes, k, NULL);
    }
    return glia_graph_weight(a->g, name, &type, data, NULL);
}

static void keep(garden *a, glia_value v, int64_t width)
{
    if (a->count == VALUES_MAX) return;
    a->v[a->count] = v;
    a->width[a->count++] = width;
}

static int like(const garden *a, int64_t width) /* some value of that width; there is one */
{
    for (;;) {
        int i = (int)draw(a->count);
        if (a->width[i] == width) return i;
    }
}

static glia_value apply(garden *a, const char *op, const glia_value *in, int count,
                        const glia_attr_arg *attrs)
{
    return glia_graph_node(a->g, op, NULL, in, count, attrs);
}

/* Several values one after the other, and some of their rows: where memory may be shared. */
static void stack(garden *a, int i)
{
    const int64_t w = a->width[i], t = a->fixed;
    const int count = 2 + (int)draw(2);
    glia_value in[3] = {a->v[i], a->v[like(a, w)], a->v[like(a, w)]};
    glia_attr_arg first[] = {GLIA_INT("axis", 0), {0}};
    for (int k = 0; k < count; k++) /* often one of its own */
        if (draw(2)) in[k] = apply(a, "tanh", &in[k], 1, NULL);
    glia_value all = apply(a, "concat", in, count, first);
    if (draw(2)) all = apply(a, draw(2) ? "neg" : "softmax", &all, 1, NULL);
    int64_t begin[2] = {draw((count - 1) * t + 1), 0}, dims[2] = {t, w};
    glia_attr_arg rows[] = {GLIA_INTS("begin", begin, 2), GLIA_INTS("dims", dims, 2), {0}};
    keep(a, apply(a, "slice", &all, 1, rows), w);
}

static void grow(garden *a)
{
    static const int64_t widths[] = {8, 16, 24, 32, 48};
    static const glia_dtype types[] = {GLIA_F32, GLIA_F32, GLIA_F16, GLIA_Q8_0};
    static const char *const unary[] = {"silu", "gelu", "softmax", "neg", "tanh"}, *const binary[] = {
                                                                                       "add", "mul", "sub",
                                                                                       "swiglu"};
    int i = (int)draw(a->count);
    int64_t w = a->width[i], n = widths[draw(5)];
    glia_attr_arg eps[] = {GLIA_FLOAT("eps", 1e-5), {0}};
    glia_value x = a->v[i], y;
    switch (draw(a->fixed ? 11 : 8)) {
    case 8:
    case 9:
    case 10: stack(a, i); break;
    case 0:
    case 1: {
        glia_dtype t = types[draw(4)];
        if (t == GLIA_Q8_0 && w % 32) t = GLIA_F16;
        a->quantised |= t == GLIA_Q8_0;
        glia_value in[3] = {x, weight(a, t, 2, n, w),
                            draw(2) ? weight(a, GLIA_F32, 1, 1, n) : (glia_value){0}};
        keep(a, apply(a, "linear", in, 3, NULL), n);
        break;
    }
    case 2: {
        glia_value in[2] = {x, weight(a, GLIA_F32, 2, n, w)};
        keep(a, apply(a, "matmul", in, 2, NULL), n);
        break;
    }
    case 3: keep(a, apply(a, "rms_norm", (glia_value[]){x, weight(a, GLIA_F32, 1, 1, w)}, 2, eps), w); break;
    case 4:
        keep(a,
             apply(a, "layer_norm",
                   (glia_value[]){x, weight(a, GLIA_F32, 1, 1, w), weight(a, GLIA_F32, 1, 1, w)}, 3, eps),
             w);
        break;
    case 5: keep(a, apply(a, unary[draw(5)], &x, 1, NULL), w); break;
    case 6: keep(a, apply(a, binary[draw(4)], (glia_value[]){x, a->v[like(a, w)]}, 2, NULL), w); break;
    default: { /* by heads, and back */
        int64_t heads[3] = {a->t, w / 8, 8}, flat[2] = {a->t, w};
        glia_attr_arg split[] = {GLIA_INTS("dims", heads, 3), {0}},
                      join[] = {GLIA_INTS("dims", flat, 2), {0}};
        y = apply(a, "reshape", &x, 1, split);
        if (draw(2)) y = apply(a, "softmax", &y, 1, NULL);
        else y = apply(a, "rms_norm", (glia_value[]){y, weight(a, GLIA_F32, 1, 1, 8)}, 2, eps);
        keep(a, apply(a, "reshape", &y, 1, join), w);
    }
    }
}

static void plant(garden *a, int64_t fixed)
{
    glia_error e = GLIA_ERROR_INIT;
    memset(a, 0, sizeof *a);
    CHECK_I64(glia_graph_create(NULL, &a->g, &e), GLIA_OK);
    a->fixed = fixed;
    a->t = fixed ? fixed : glia_graph_symbol(a->g, "T", 1, ROWS_MAX);
    glia_type x = {GLIA_F32, 2, 0, {a->t, 32}}, z = {GLIA_F32, 2, 0, {a->t, 48}};
    keep(a, glia_graph_input(a->g, "x", &x), 32);
    keep(a, glia_graph_input(a->g, "z", &z), 48);
    for (size_t i = 0; i < sizeof a->x / sizeof a->x[0]; i++) {
        a->x[i] = (float)(draw(2001) - 1000) / 500;
        a->z[i] = (float)(draw(2001) - 1000) / 500;
    }
    int nodes = 3 + (int)draw(14);
    for (int i = 0; i < nodes; i++) grow(a);
    glia_graph_output(a->g, "last", a->v[a->count - 1]);
    glia_graph_output(a->g, "some", a->v[2 + draw(a->count - 2)]);
    glia_status s = glia_graph_seal(a->g, &e);
    if (s) fprintf(stderr, "%s\n", e.text);
    CHECK_I64(s, GLIA_OK);
}

static void pull_up(garden *a)
{
    for (int i = 0; i < a->data_count; i++) free(a->data[i]);
    glia_graph_destroy(a->g);
}

static void fill_weights(const glia_plan *p, uint8_t *plain, uint8_t *packed)
{
    for (int32_t i = 0; i < p->weight_count; i++) {
        const glia_weight_record *w = &p->weights[i];
        const glia_value_info *v = glia_graph_value(p->graph, (glia_value){w->value});
        if (w->base == GLIA_BASE_WEIGHTS) memcpy(plain + w->offset, v->data, (size_t)w->bytes);
        else
            glia_layout_pack(w->layout, v->type.dtype, v->type.dims[0], v->type.dims[1], v->data, 0,
                             v->type.dims[0], packed + w->offset);
    }
}

/* Weights as they would be found elsewhere: what the plan was told, by record. */
typedef struct elsewhere {
    const uint8_t *plain, *packed, *refused;
} elsewhere;

static const void *find_weight(void *ctx, const glia_plan *p, const glia_weight_record *w)
{
    const elsewhere *x = ctx;
    (void)p;
    return x->refused ? NULL : (w->base == GLIA_BASE_PACKED ? x->packed : x->plain) + w->offset;
}

/* borrowed: weights bound to addresses, a team and an arena that belong to the caller. */
static const char *run_plan(const garden *a, glia_plan *p, int threads, eval *e, int64_t rows, bool borrowed)
{
    static const char *const names[] = {"last", "some"};
    glia_lane_options lo = {.workers = threads};
    glia_lane *l = NULL;
    const char *bad = NULL;
    uint8_t *plain = aligned_alloc(64, (size_t)(p->bytes.weights + 64) / 64 * 64),
            *packed = aligned_alloc(64, (size_t)(p->bytes.packed + 64) / 64 * 64);
    glia_run run = {NULL, NULL, NULL, NULL, 0};
    if (borrowed) {
        elsewhere x = {plain, packed, plain};
        fill_weights(p, plain, packed);
        if (p->weight_count && glia_plan_bind_weights(p, find_weight, &x, NULL) != GLIA_E_ARG)
            bad = "no address";
        x.refused = NULL;
        if (glia_plan_bind_weights(p, find_weight, &x, NULL)) bad = "addresses";
        lo.arena_bytes = glia_lane_arena_bytes(p);
        lo.arena = aligned_alloc(64, (size_t)(lo.arena_bytes + 63) / 64 * 64);
        if (glia_team_create(NULL, threads, &lo.team, NULL)) bad = "team";
        lo.arena_bytes--;
        if (glia_lane_create(p, &lo, &l, NULL) != GLIA_E_ARG) bad = "an arena that is too small";
        lo.arena_bytes++;
    } else {
        fill_weights(p, plain, packed);
        run.weights = plain;
        run.packed = packed;
    }
    if (glia_lane_create(p, &lo, &l, NULL) || glia_lane_begin(l, &rows, NULL)) bad = "begin";
    void *x = bad ? NULL : glia_lane_input(l, glia_graph_find(p->graph, "x").id),
         *z = bad ? NULL : glia_lane_input(l, glia_graph_find(p->graph, "z").id);
    if (x) memcpy(x, a->x, (size_t)rows * 32 * 4);
    if (z) memcpy(z, a->z, (size_t)rows * 48 * 4);
    if (!bad && borrowed && glia_lane_variant(l)->item_count) { /* stopped before anything is computed */
        _Atomic uint32_t cancel = 1;
        glia_run stop = run, late = run;
        stop.cancel = &cancel;
        late.deadline_ns = 1;
        if (glia_lane_run(l, &stop, NULL) != GLIA_E_CANCELLED) bad = "cancel";
        if (glia_lane_run(l, &late, NULL) != GLIA_E_DEADLINE) bad = "deadline";
    }
    if (!bad && glia_lane_run(l, &run, NULL)) bad = "run";
    for (int i = 0; i < 2 && !bad; i++) {
        glia_value v = {0}, ref = {0};
        for (int64_t j = 0; j < p->graph->output_count; j++)
            if (!strcmp(p->graph->outputs[j].name, names[i])) v = p->graph->outputs[j].value;
        for (int64_t j = 0; j < e->g->output_count; j++)
            if (!strcmp(e->g->outputs[j].name, names[i])) ref = e->g->outputs[j].value;
        const void *got = glia_lane_output(l, v.id);
        if (!got || memcmp(got, eval_output(e, names[i]), (size_t)eval_bytes(e, ref))) bad = names[i];
    }
    glia_lane_destroy(l);
    glia_team_destroy(lo.team);
    free(lo.arena);
    free(plain);
    free(packed);
    return bad;
}

static int64_t tiled; /* phases that hand out tiles */

static void check_slots(const garden *a, const glia_graph *meaning, int round, int slots)
{
    static const int64_t sizes[] = {1, 5, ROWS_MAX};
    glia_compile_options o = {
        .slots = slots, .features = glia_cpu_features(), .isa_max = slots % 2 ? NULL : "portable"};
    glia_plan *p = NULL;
    glia_error err = GLIA_ERROR_INIT;
    if (glia_compile(a->g, &o, &p, &err)) {
        fprintf(stderr, "round %d, %d slots: %s\n", round, slots, err.text);
        check_case_failures++;
        return;
    }
    for (int i = 1; i < p->variant_count; i++) {
        p->variants[i].alone_least = p->variants[i].alone_most = 1e9; /* always the team */
        if (round % 2) continue;
        CHECK_I64(glia_plan_cut_tiles(p, &p->variants[i], 0, NULL), GLIA_OK);
        CHECK_I64(glia_plan_validate(p, &p->variants[i], NULL), GLIA_OK);
        for (int32_t k = 0; k < p->variants[i].phase_count; k++) tiled += p->variants[i].phases[k].tiles != 0;
    }
    for (int i = 0; i < p->variant_count; i++) check_memory("random graph", p, &p->variants[i]);
    for (int i = 0; i < 3; i++) {
        if (a->fixed && a->fixed != sizes[i]) continue;
        eval *e = eval_make(meaning);
        if (!a->fixed) eval_symbol(e, "T", sizes[i]);
        for (int j = 0; j < 2; j++) /* an input that nobody reads may be gone */
            if (!glia_is_null(glia_graph_find(meaning, j ? "z" : "x")))
                eval_bind(e, j ? "z" : "x", j ? a->z : a->x);
        const char *bad = eval_run(e) ? run_plan(a, p, 1 + (slots + i) % 3, e, sizes[i], i == 2) : e->error;
        if (bad)
            fprintf(stderr, "round %d, %d slots, %lld rows: %s differs\n", round, slots, (long long)sizes[i],
                    bad);
        CHECK(!bad);
        eval_free(e);
    }
    glia_plan_free(p);
}

/* Where weights are quantised, products take quantised activations: then the graph after the passes is what
 * is meant. */
static void random_graphs(void)
{
    lot = 20240;
    for (int round = 0; round < (SPINE_SLOW ? 16 : 60) && !check_case_failures; round++) {
        static garden a;
        glia_plan *p = NULL;
        glia_compile_options portable = {.slots = 1, .isa_max = "portable"};
        plant(&a, round % 3 == 0 ? 5 : 0);
        if (a.quantised) CHECK_I64(glia_compile(a.g, &portable, &p, NULL), GLIA_OK);
        for (int slots = 1; slots <= 8 && (p || !a.quantised); slots++)
            check_slots(&a, p ? p->graph : a.g, round, slots);
        glia_plan_free(p);
        pull_up(&a);
    }
    CHECK(tiled > (SPINE_SLOW ? 20 : 100)); /* fewer graphs, fewer phases in tiles */
}

int main(void)
{
    RUN(meetings_of_a_layer);
    RUN(memory_of_models);
    RUN(validator_refuses);
    RUN(validator_refuses_shares);
    RUN(random_graphs);
    if (check_data_dir()) {
        RUN(meetings_with_small_heads);
    } else {
        SKIP("meetings_with_small_heads", "GLIA_TEST_DATA is not set");
    }
    spine_clean((const char *const[]){"tiny.gguf", NULL});
    return CHECK_EXIT();
}
