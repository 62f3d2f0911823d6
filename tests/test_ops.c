/* Every op with a sampler: its reference kernel against its definition in double precision (ops_define.h),
 * its kernel run in two boxes against the whole, and its gradient against central differences. */
#include "check.h"
#include "eval.h"
#include "ops/ops.h"
#include "ops_define.h"
#include "ops_define_index.h"
#include "tensor/dtype.h"

/* ---- random cases ---- */

static uint64_t next_random(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static int64_t pick(void *ctx, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next_random(ctx) % (uint64_t)(hi - lo + 1));
}
static double uniform(uint64_t *s, double lo, double hi)
{
    return lo + (hi - lo) * (double)(next_random(s) >> 11) * 0x1p-53;
}

typedef struct one_case {
    const glia_op *op;
    uint64_t random;
    glia_sample s;
    glia_graph *g;
    glia_value in[8], out[4], loss, grad[8], weight;
    int out_count;
    const glia_node *node;
    void *data[8];
    int64_t bytes[8];
} one_case;

/* The text of input i in a signature, after its colon; "" without one. */
static const char *input_text(const char *signature, int i)
{
    int depth = 0;
    for (const char *p = signature ? signature : ""; *p && strncmp(p, "->", 2); p++) {
        depth += (*p == '[' || *p == '(') - (*p == ']' || *p == ')');
        if (*p == ',' && depth == 0) i--;
        if (*p == ':' && i == 0) {
            while (*++p == ' ')
                ;
            return p;
        }
    }
    return "";
}
static bool is_state(const glia_op *op, int i) { return !strncmp(input_text(op->signature, i), "state", 5); }
static bool is_fixed(const glia_op *op, int i)
{
    const char *text = input_text(op->signature, i);
    return !strncmp(text, "f32", 3) && text[3] != '|';
}

static void fill(uint64_t *s, const glia_type *t, void *data, double lo, double hi)
{
    int64_t n = def_count(t->rank, t->dims);
    for (int64_t i = 0; i < n; i++) {
        double x = uniform(s, lo, hi);
        int64_t low = (int64_t)ceil(lo), high = (int64_t)floor(hi), z = pick(s, low, high > low ? high : low);
        switch (t->dtype) {
        case GLIA_F64: ((double *)data)[i] = x; break;
        case GLIA_F32: ((float *)data)[i] = (float)x; break;
        case GLIA_F16: ((uint16_t *)data)[i] = glia_f32_to_f16((float)x); break;
        case GLIA_BF16: ((uint16_t *)data)[i] = glia_f32_to_bf16((float)x); break;
        case GLIA_I32: ((int32_t *)data)[i] = (int32_t)z; break;
        case GLIA_I64: ((int64_t *)data)[i] = z; break;
        case GLIA_I8: ((int8_t *)data)[i] = (int8_t)z; break;
        case GLIA_U8:
        case GLIA_BOOL: ((uint8_t *)data)[i] = (uint8_t)z; break;
        default: CHECK(!"a dtype that samples do not use");
        }
    }
}

static double number(const void *data, glia_dtype t, int64_t i)
{
    switch (t) {
    case GLIA_F64: return ((const double *)data)[i];
    case GLIA_F32: return (double)((const float *)data)[i];
    case GLIA_F16: return (double)glia_f16_to_f32(((const uint16_t *)data)[i]);
    case GLIA_BF16: return (double)glia_bf16_to_f32(((const uint16_t *)data)[i]);
    case GLIA_I8: return ((const int8_t *)data)[i];
    case GLIA_U8:
    case GLIA_BOOL: return ((const uint8_t *)data)[i];
    case GLIA_I32: return ((const int32_t *)data)[i];
    case GLIA_I64: return (double)((const int64_t *)data)[i];
    default: return NAN;
    }
}

static void case_free(one_case *c)
{
    for (int i = 0; i < 8; i++) free(c->data[i]);
    glia_graph_destroy(c->g);
}

/* Samples, builds the node and fills its inputs. wide: f32 becomes f64 where the signature leaves it open. */
static bool case_make(one_case *c, const glia_op *op, uint64_t seed, bool wide)
{
    memset(c, 0, sizeof *c);
    c->op = op;
    c->random = seed;
    c->s.ctx = &c->random;
    c->s.pick = pick;
    op->sample(&c->s);
    if (glia_graph_create(NULL, &c->g, NULL)) return false;
    for (int i = 0; i < c->s.in_count; i++) {
        glia_type *t = &c->s.in[i];
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        if (wide && t->dtype == GLIA_F32 && !is_fixed(op, i)) t->dtype = GLIA_F64;
        if (t->dtype == GLIA_DTYPE_NONE) continue;
        c->in[i] = is_state(op, i) ? glia_graph_state(c->g, name, t) : glia_graph_input(c->g, name, t);
        glia_dtype_tensor_bytes(t->dtype, t->rank, t->dims, &c->bytes[i]);
        c->data[i] = malloc((size_t)c->bytes[i]);
        fill(&c->random, t, c->data[i], c->s.lo[i], c->s.hi[i]);
    }
    glia_attr_arg attrs[9] = {{0}};
    memcpy(attrs, c->s.attrs, sizeof c->s.attrs);
    c->out[0] = glia_graph_node(c->g, op->name, "node", c->in, c->s.in_count, attrs);
    if (glia_is_null(c->out[0])) return false;
    c->node = &c->g->nodes[glia_graph_value(c->g, c->out[0])->producer];
    c->out_count = c->node->out_count;
    for (int i = 0; i < c->out_count && i < 4; i++) c->out[i] = c->node->out[i];
    return true;
}

static eval *case_eval(one_case *c)
{
    eval *e = eval_make(c->g);
    for (int i = 0; i < c->s.in_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        if (!c->data[i]) continue;
        if (is_state(c->op, i)) eval_state(e, name, c->data[i]);
        else eval_bind(e, name, c->data[i]);
    }
    return e;
}

static bool case_seal(one_case *c)
{
    glia_error err = GLIA_ERROR_INIT;
    for (int i = 0; i < c->out_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "out%d", i);
        glia_graph_output(c->g, name, c->out[i]);
    }
    if (glia_graph_seal(c->g, &err) == GLIA_OK) {
        c->node = &c->g->nodes[glia_graph_value(c->g, c->out[0])->producer];
        return true;
    }
    fprintf(stderr, "%s: %s: %s\n", c->op->name, err.code, err.text);
    return false;
}

/* ---- 1. references against definitions ---- */

/* Output i as doubles; quantised and packed rows are decoded. */
static double *doubles(const eval *e, glia_value v)
{
    const glia_type *t = &glia_graph_value(e->g, v)->type;
    const int64_t *dims = e->values[v.id].dims;
    int64_t n = def_count(t->rank, dims), last = t->rank ? dims[t->rank - 1] : 1, row = 0;
    double *out = malloc(sizeof *out * (size_t)(n + 1));
    float *wide = malloc(sizeof *wide * (size_t)(last + 1));
    glia_dtype_row_bytes(t->dtype, last, &row);
    for (int64_t i = 0; i < n; i++) {
        if (t->layout && i % last == 0)
            glia_layout_row(t->layout, t->dtype, dims[0], last, e->values[v.id].data, i / last, wide);
        else if (!t->layout && glia_dtype_get(t->dtype)->block_elements > 1 && i % last == 0)
            glia_dtype_get(t->dtype)->decode((const char *)e->values[v.id].data + i / last * row, wide, last);
        bool decoded = t->layout || glia_dtype_get(t->dtype)->block_elements > 1;
        out[i] = decoded ? (double)wide[i % last] : number(e->values[v.id].data, t->dtype, i);
    }
    free(wide);
    return out;
}

static double tolerance(const glia_op *op, glia_dtype out, bool wide)
{
    if (out == GLIA_A8X32 || out == GLIA_A8X256) return 0.5 * 3.0 / 127 * 1.0001;
    if (out == GLIA_F16) return 0x1p-11;
    if (out == GLIA_BF16) return 0x1p-8;
    if (!strcmp(op->name, "rope_table")) return 2e-7;
    return wide && out == GLIA_F64 ? 2e-13 : 3e-6;
}

static int64_t out_elements(const one_case *c, const eval *e, int i)
{
    return def_count(glia_graph_value(c->g, c->out[i])->type.rank, e->values[c->out[i].id].dims);
}

static bool check_definition(one_case *c, const eval *e, bool wide)
{
    define d = {.in_count = c->s.in_count, .attr = c->node->attr};
    double *in[8] = {0}, *got[4] = {0};
    bool ok = true;
    for (int i = 0; i < c->s.in_count; i++) {
        const glia_type *t = &c->s.in[i];
        if (t->dtype == GLIA_DTYPE_NONE) continue;
        int64_t n = def_count(t->rank, t->dims);
        in[i] = malloc(sizeof(double) * (size_t)(n + 1));
        for (int64_t j = 0; j < n; j++) in[i][j] = number(c->data[i], t->dtype, j);
        d.in[i] = in[i];
        d.rank[i] = t->rank;
        d.dims[i] = t->dims;
    }
    const glia_type *y = &glia_graph_value(c->g, c->out[0])->type;
    d.out_rank = y->rank;
    d.out_dims = e->values[c->out[0].id].dims;
    d.out_dtype = y->dtype;
    for (int i = 0; i < c->out_count; i++) {
        got[i] = doubles(e, c->out[i]);
        d.out[i] = calloc((size_t)out_elements(c, e, i) + 1, sizeof(double));
    }
    if (!define_run(c->op->name, &d) && !define_index_run(c->op->name, &d)) {
        fprintf(stderr, "%s has no definition in ops_define.h\n", c->op->name);
        ok = false;
    }
    for (int o = 0; o < c->out_count && ok; o++) {
        double tol = tolerance(c->op, glia_graph_value(c->g, c->out[o])->type.dtype, wide);
        for (int64_t i = 0; i < out_elements(c, e, o) && ok; i++) {
            double want = d.out[o][i], off = fabs(got[o][i] - want);
            if (off <= tol * fmax(1, fabs(want))) continue;
            fprintf(stderr, "%s (%s): output %d element %lld is %.17g, want %.17g\n", c->op->name,
                    wide ? "f64" : "f32", o, (long long)i, got[o][i], want);
            ok = false;
        }
    }
    for (int i = 0; i < 8; i++) free(in[i]);
    for (int i = 0; i < 4; i++) free(got[i]), free(d.out[i]);
    return ok;
}

/* Ops that compute in f32 alone, or not in floats. */
static bool only_narrow(const glia_op *op)
{
    static const char *const names[] = {
        "sdpa",        "sdpa_tokens", "attend",           "kv_put",  "quantise", "pack", "rope_table",
        "guard_range", "guard_index", "linear_attention", "one_hot", "qconv",    "not",  "and",
        "or",          "xor"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(names[i], op->name)) return true;
    return false;
}

static void references_match_definitions(void)
{
    for (int i = 0; glia_ops[i]; i++) {
        const glia_op *op = glia_ops[i];
        if (!op->sample) {
            printf("  no sampler: %s\n", op->name);
            continue;
        }
        for (uint64_t seed = 0; seed < 60; seed++) {
            bool wide = seed % 2 && !only_narrow(op);
            one_case c;
            bool made = case_make(&c, op, 1000 * seed + (uint64_t)i, wide);
            if (!made)
                fprintf(stderr, "%s (%s): %s\n", op->name, wide ? "f64" : "f32", c.g ? c.g->error.text : "");
            bool ok = made && case_seal(&c);
            if (ok) {
                eval *e = case_eval(&c);
                ok = eval_run(e);
                if (!ok) fprintf(stderr, "%s: %s\n", op->name, e->error);
                else ok = check_definition(&c, e, wide);
                eval_free(e);
            }
            case_free(&c);
            CHECK(ok);
            if (!ok) break;
        }
    }
}

/* ---- 2. boxes ---- */

typedef struct split {
    int axis;
    int64_t cut; /* negative: the whole */
    int half;    /* 0 below the cut, 1 above, 2 both one after the other */
} split;

/* Runs the node's kernel on a part, in a fresh evaluation. */
static eval *run_part(one_case *c, split p)
{
    eval *e = case_eval(c);
    int64_t begin[GLIA_RANK_MAX] = {0}, end[GLIA_RANK_MAX];
    glia_tensor in[8], out[4];
    int32_t fault = 0;
    for (int i = 0; i < c->s.in_count; i++) {
        eval_shape(e, c->in[i], e->values[c->in[i].id].dims, &e->values[c->in[i].id].bytes);
        in[i] = eval_tensor(e, c->in[i]);
    }
    for (int i = 0; i < c->out_count; i++) {
        CHECK(eval_place(e, c->node, i));
        out[i] = eval_tensor(e, c->node->out[i]);
    }
    glia_kargs k = {in, out, c->s.in_count, c->out_count, begin, end, c->node->attr, NULL, &fault};
    memcpy(end, out[0].dims, sizeof(int64_t) * (size_t)out[0].rank);
    for (int half = p.half == 2 ? 0 : p.half; half <= (p.half == 2 ? 1 : p.half); half++) {
        if (p.cut >= 0) {
            begin[p.axis] = half ? p.cut : 0;
            end[p.axis] = half ? out[0].dims[p.axis] : p.cut;
        }
        int64_t scratch = c->op->scratch ? c->op->scratch(&k) : 0;
        k.scratch = scratch ? aligned_alloc(64, (size_t)(scratch + 63) / 64 * 64) : NULL;
        c->op->reference(&k);
        free(k.scratch);
        if (p.cut < 0) break;
    }
    return e;
}

/* The axis of output o that is output 0's `axis`; -1: none. */
static int axis_of_output(const glia_regions *r, int o, int rank, int axis)
{
    if (!r || o == 0) return axis;
    for (int a = 0; a < rank; a++)
        if (r->out[o].axis[a].kind == GLIA_AXIS_SAME && r->out[o].axis[a].axis == axis) return a;
    return -1;
}

/* Outside its box a kernel leaves the 0xCD of fresh memory, inside it gives the bytes of the whole. */
static bool part_is_clean(const one_case *c, const glia_regions *r, const eval *whole, const eval *part,
                          split p)
{
    for (int o = 0; o < c->out_count; o++) {
        const glia_type *t = &glia_graph_value(c->g, c->out[o])->type;
        const glia_dtype_info *d = glia_dtype_get(t->dtype);
        const int64_t *dims = whole->values[c->out[o].id].dims;
        const char *a = whole->values[c->out[o].id].data, *b = part->values[c->out[o].id].data;
        int64_t n = def_count(t->rank, dims), index[GLIA_RANK_MAX];
        bool shared = is_state(c->op, 0) || (c->op->traits & (GLIA_GUARD | GLIA_VIEW));
        int axis = axis_of_output(r, o, t->rank, p.axis);
        if (d->block_elements != 1 || t->layout || shared) continue;
        if (axis < 0) return false;
        for (int64_t i = 0; i < n; i++) {
            def_unravel(t->rank, dims, i, index);
            bool inside = (index[axis] >= p.cut) == (p.half == 1);
            for (int j = 0; j < d->block_bytes; j++) {
                char want = inside ? a[i * d->block_bytes + j] : (char)0xCD;
                if (b[i * d->block_bytes + j] != want) return false;
            }
        }
    }
    return true;
}

static bool same_bytes(const one_case *c, const eval *a, const eval *b)
{
    for (int o = 0; o < c->out_count; o++)
        if (memcmp(a->values[c->out[o].id].data, b->values[c->out[o].id].data,
                   (size_t)a->values[c->out[o].id].bytes))
            return false;
    return true;
}

/* Is an element of input i at `index` read for the box, by what the regions say? */
static bool declared(const glia_regions *r, const glia_type *t, int i, const int64_t *index, split p,
                     int64_t end)
{
    int64_t low = p.half ? p.cut : 0, high = p.half ? end : p.cut;
    for (int a = 0; a < t->rank; a++) {
        const glia_axis_region *x = &r->in[i].axis[a];
        if ((x->kind != GLIA_AXIS_SAME && x->kind != GLIA_AXIS_SCALED) || x->axis != p.axis) continue;
        int64_t num = x->kind == GLIA_AXIS_SAME ? 1 : x->num, den = x->kind == GLIA_AXIS_SAME ? 1 : x->den;
        if (index[a] < low * num / den || index[a] >= (high * num + den - 1) / den) return false;
    }
    return true;
}

/* Puts NaN into every float that the box may not read; gives back copies to restore. */
static void poison(one_case *c, const glia_regions *r, split p, int64_t end, void **copies)
{
    for (int i = 0; i < c->s.in_count; i++) {
        const glia_type *t = &c->s.in[i];
        int64_t index[GLIA_RANK_MAX];
        copies[i] = c->data[i];
        if (t->dtype != GLIA_F32 && t->dtype != GLIA_F16) continue;
        c->data[i] = malloc((size_t)c->bytes[i] + 1);
        memcpy(c->data[i], copies[i], (size_t)c->bytes[i]);
        for (int64_t j = 0; j < def_count(t->rank, t->dims); j++) {
            def_unravel(t->rank, t->dims, j, index);
            if (declared(r, t, i, index, p, end)) continue;
            if (t->dtype == GLIA_F32) ((float *)c->data[i])[j] = NAN;
            else ((uint16_t *)c->data[i])[j] = 0x7e00;
        }
    }
}

static void restore(one_case *c, void **copies)
{
    for (int i = 0; i < c->s.in_count; i++)
        if (copies[i] != c->data[i]) {
            free(c->data[i]);
            c->data[i] = copies[i];
        }
}

static int64_t least_multiple(int64_t a, int64_t b)
{
    int64_t x = a, y = b;
    while (y) {
        int64_t t = x % y;
        x = y;
        y = t;
    }
    return a / x * b;
}

/* One axis, cut once: each half alone, and both one after the other. */
static void check_cut(one_case *c, const glia_regions *r, const eval *whole, split p, int64_t end)
{
    static const char *const what[] = {"the lower half", "the upper half", "the sum of both halves"};
    for (p.half = 0; p.half < 3; p.half++) {
        void *copies[8] = {0};
        bool strict = r && p.half < 2 && !is_state(c->op, 0);
        if (strict) poison(c, r, p, end, copies);
        eval *part = run_part(c, p);
        if (strict) restore(c, copies);
        bool ok = p.half == 2 ? same_bytes(c, whole, part) : part_is_clean(c, r, whole, part, p);
        if (!ok)
            fprintf(stderr, "%s: axis %d cut at %lld: %s differs\n", c->op->name, p.axis, (long long)p.cut,
                    what[p.half]);
        CHECK(ok);
        eval_free(part);
    }
}

/* How many axes of this sample were cut. */
static int check_boxes(one_case *c)
{
    glia_regions r;
    int cuts = 0;
    eval *whole = run_part(c, (split){0, -1, 0});
    const eval_value *y = &whole->values[c->out[0].id];
    const glia_type *t = &glia_graph_value(c->g, c->out[0])->type;
    bool known = glia_node_regions(c->g, c->node, &r);
    glia_tensor in[8], out[4];
    for (int i = 0; i < c->s.in_count; i++) in[i] = eval_tensor(whole, c->in[i]);
    for (int i = 0; i < c->out_count; i++) out[i] = eval_tensor(whole, c->out[i]);
    glia_kargs k = {in, out, c->s.in_count, c->out_count, NULL, NULL, c->node->attr, NULL, NULL};
    for (int a = 0; a < t->rank; a++) {
        /* Where no region is known the kernel still owes its box on every axis; it reads what it likes. */
        if (known && !r.split[a]) continue;
        int64_t granule = c->op->granule ? c->op->granule(&k, a) : 1;
        if (known) granule = least_multiple(granule, r.granule[a] > 0 ? r.granule[a] : 1);
        int64_t parts = y->dims[a] / granule, cut = granule * pick(&c->random, 0, parts > 0 ? parts : 0);
        if (parts < 1 || (cut == y->dims[a] && parts > 1)) continue;
        check_cut(c, known ? &r : NULL, whole, (split){a, cut, 0}, y->dims[a]);
        cuts++;
    }
    eval_free(whole);
    return cuts;
}

static void boxes_equal_the_whole(void)
{
    for (int i = 0; glia_ops[i]; i++) {
        int cuts = 0;
        if (!glia_ops[i]->sample || !glia_ops[i]->reference) continue;
        for (uint64_t seed = 0; seed < 30; seed++) {
            one_case c;
            if (case_make(&c, glia_ops[i], 7000 * seed + (uint64_t)i, false) && case_seal(&c))
                cuts += check_boxes(&c);
            else CHECK(!"a sample that does not build");
            case_free(&c);
        }
        if (!cuts) printf("  never split: %s\n", glia_ops[i]->name);
    }
}

/* ---- 3. gradients ---- */

/* loss = sum(y * weight), all in f64, with gradients of the float inputs as outputs "grad0".. */
static bool build_loss(one_case *c)
{
    glia_type t = glia_graph_value(c->g, c->out[0])->type;
    c->weight = glia_graph_input(c->g, "weight", &t);
    glia_value product[2] = {c->out[0], c->weight};
    glia_value y = glia_graph_node(c->g, "mul", NULL, product, 2, NULL);
    c->loss = glia_graph_node(c->g, "sum", NULL, &y, 1, NULL);
    glia_graph_output(c->g, "loss", c->loss);
    glia_value wrt[8] = {{0}};
    int which[8], count = 0;
    for (int i = 0; i < c->s.in_count; i++)
        if (c->s.in[i].dtype == GLIA_F64) which[count] = i, wrt[count++] = c->in[i];
    glia_value grads[8] = {{0}};
    glia_graph_gradients(c->g, c->loss, wrt, count, grads);
    for (int i = 0; i < count; i++) {
        char name[16];
        c->grad[which[i]] = grads[i];
        snprintf(name, sizeof name, "grad%d", which[i]);
        if (!glia_is_null(grads[i])) glia_graph_output(c->g, name, grads[i]);
    }
    return case_seal(c);
}

static double loss_of(eval *e)
{
    if (!eval_run(e)) return NAN;
    return *(const double *)eval_output(e, "loss");
}

/* Central differences at a few elements of each input, h = 6e-6 max(1, |x|). */
static bool check_gradient(one_case *c, double *worst, int *kinks)
{
    const glia_type *t = &glia_graph_value(c->g, c->out[0])->type;
    int64_t n = def_count(t->rank, t->dims);
    double *weight = malloc(sizeof(double) * (size_t)(n + 1));
    bool ok = true;
    for (int64_t i = 0; i < n; i++) weight[i] = uniform(&c->random, -1, 1);
    eval *e = case_eval(c);
    eval_bind(e, "weight", weight);
    double at = loss_of(e);
    if (at != at) fprintf(stderr, "%s: %s\n", c->op->name, e->error), ok = false;
    for (int i = 0; i < c->s.in_count && ok; i++) {
        if (c->s.in[i].dtype != GLIA_F64) continue;
        int64_t elements = def_count(c->s.in[i].rank, c->s.in[i].dims);
        double *g = calloc((size_t)elements + 1, sizeof *g), *x = c->data[i];
        if (!glia_is_null(c->grad[i])) memcpy(g, eval_data(e, c->grad[i]), sizeof *g * (size_t)elements);
        for (int probe = 0; probe < 6 && ok; probe++) {
            int64_t j = pick(&c->random, 0, elements - 1);
            double keep = x[j], h = 6e-6 * fmax(1, fabs(keep)), up, down;
            x[j] = keep + h;
            up = loss_of(e);
            x[j] = keep - h;
            down = loss_of(e);
            x[j] = keep;
            double slope = (up - down) / (2 * h),
                   off = fabs(slope - g[j]) / fmax(1, fmax(fabs(slope), fabs(at)));
            double bend =
                fabs((up - at) - (at - down)) / h; /* h f'' where smooth, a jump of the slope at a kink */
            if (bend > 1e-2 * fmax(1, fabs(slope)) && ++*kinks) continue;
            *worst = fmax(*worst, off);
            if (off <= 1e-7) continue;
            fprintf(stderr, "%s: gradient of input %d at %lld is %.12g, differences give %.12g\n",
                    c->op->name, i, (long long)j, g[j], slope);
            ok = false;
        }
        loss_of(e);
        free(g);
    }
    eval_free(e);
    free(weight);
    return ok;
}

static void gradients_match_differences(void)
{
    double worst = 0;
    int kinks = 0;
    for (int i = 0; glia_ops[i]; i++) {
        const glia_op *op = glia_ops[i];
        if (!op->sample) continue;
        if (!op->grad) {
            CHECK(op->no_grad);
            continue;
        }
        for (uint64_t seed = 0; seed < 24; seed++) {
            one_case c;
            bool made = case_make(&c, op, 31000 * seed + (uint64_t)i, true);
            bool floats = made && glia_graph_value(c.g, c.out[0])->type.dtype == GLIA_F64;
            if (made && !floats) { /* a cast to something coarser: steps have no slope */
                case_free(&c);
                continue;
            }
            bool ok = made && build_loss(&c);
            if (!ok) fprintf(stderr, "%s: %s\n", op->name, c.g ? c.g->error.text : "");
            ok = ok && check_gradient(&c, &worst, &kinks);
            case_free(&c);
            CHECK(ok);
            if (!ok) break;
        }
    }
    printf("  worst difference of a gradient: %.2g; points at a kink, left out: %d\n", worst, kinks);
    CHECK(kinks <= 5);
}

/* ---- single facts ---- */

/* Runs an op on constants; returns its first output's bytes in `to`. */
static bool run_one(const char *op, const glia_type *types, const void *const *data, int count,
                    const glia_attr_arg *attrs, void *to, int64_t bytes)
{
    glia_graph *g;
    glia_value in[8];
    char name[16];
    bool ok = false;
    if (glia_graph_create(NULL, &g, NULL)) return false;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "in%d", i);
        in[i] = glia_graph_input(g, name, &types[i]);
    }
    glia_value y = glia_graph_node(g, op, NULL, in, count, attrs);
    glia_graph_output(g, "y", y);
    glia_error err = GLIA_ERROR_INIT;
    if (glia_graph_seal(g, &err) == GLIA_OK) {
        eval *e = eval_make(g);
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof name, "in%d", i);
            eval_bind(e, name, data[i]);
        }
        ok = eval_run(e) && eval_bytes(e, y) == bytes;
        if (ok) memcpy(to, eval_data(e, y), (size_t)bytes);
        eval_free(e);
    }
    glia_graph_destroy(g);
    return ok;
}

static void special_values(void)
{
    const float x[6] = {NAN, 1, -INFINITY, INFINITY, -0.0f, 3};
    const float y[6] = {1, NAN, 2, 2, 0.0f, -4};
    const glia_type t[2] = {{GLIA_F32, 1, 0, {6}}, {GLIA_F32, 1, 0, {6}}};
    const void *const in[2] = {x, y};
    float z[6];
    CHECK(run_one("max", t, in, 2, NULL, z, sizeof z));
    CHECK(z[0] != z[0] && z[1] != z[1] && z[2] == 2 && z[3] == INFINITY && z[5] == 3);
    CHECK(run_one("min", t, in, 2, NULL, z, sizeof z));
    CHECK(z[0] != z[0] && z[1] != z[1] && z[2] == -INFINITY && z[3] == 2 && z[5] == -4);
    uint8_t b[6];
    CHECK(run_one("lt", t, in, 2, NULL, b, sizeof b));
    CHECK(!b[0] && !b[1] && b[2] && !b[3] && !b[4] && !b[5]);
    CHECK(run_one("relu", t, in, 1, NULL, z, sizeof z));
    CHECK(z[0] != z[0] && z[2] == 0 && z[3] == INFINITY);
    const glia_attr_arg to_i32[] = {GLIA_TYPE_ATTR("to", GLIA_I32), {0}};
    int32_t c[6];
    CHECK(run_one("cast", t, in, 1, to_i32, c, sizeof c));
    CHECK(c[0] == 0 && c[1] == 1 && c[2] == INT32_MIN && c[3] == INT32_MAX && c[4] == 0 && c[5] == 3);
}

static void integers_wrap_and_divide_by_zero_gives_zero(void)
{
    const int32_t x[4] = {INT32_MAX, INT32_MIN, 7, -7}, y[4] = {1, -1, 0, 2};
    const glia_type t[2] = {{GLIA_I32, 1, 0, {4}}, {GLIA_I32, 1, 0, {4}}};
    const void *const in[2] = {x, y};
    int32_t z[4];
    CHECK(run_one("add", t, in, 2, NULL, z, sizeof z));
    CHECK(z[0] == INT32_MIN && z[1] == INT32_MAX && z[2] == 7 && z[3] == -5);
    CHECK(run_one("div", t, in, 2, NULL, z, sizeof z));
    CHECK(z[0] == INT32_MAX && z[1] == INT32_MIN && z[2] == 0 && z[3] == -3);
    const int64_t wide[2] = {INT64_MIN, 5}, by[2] = {-1, 0};
    const glia_type tw[2] = {{GLIA_I64, 1, 0, {2}}, {GLIA_I64, 1, 0, {2}}};
    const void *const inw[2] = {wide, by};
    int64_t q[2];
    CHECK(run_one("div", tw, inw, 2, NULL, q, sizeof q));
    CHECK(q[0] == INT64_MIN && q[1] == 0);
}

/* f64 to f16 rounds once: 1 + 2^-11 + 2^-40 lies above the tie, so it goes up, though its f32 is the tie. */
static void casts_round_once(void)
{
    const double x[3] = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, 1e300};
    const glia_type t[1] = {{GLIA_F64, 1, 0, {3}}};
    const void *const in[1] = {x};
    const glia_attr_arg to[] = {GLIA_TYPE_ATTR("to", GLIA_F16), {0}};
    uint16_t h[3];
    CHECK(run_one("cast", t, in, 1, to, h, sizeof h));
    CHECK_I64(h[0], 0x3c01);
    CHECK_I64(h[1], 0x3c00);
    CHECK_I64(h[2], 0x7c00);
}

static void guard_sets_fault(void)
{
    const int32_t x[3] = {0, 5, 3}, bad[3] = {0, 6, 3}, low[3] = {0, -1, 3};
    const glia_type t[1] = {{GLIA_I32, 1, 0, {3}}};
    const glia_attr_arg max[] = {GLIA_INT("max", 6), {0}};
    int32_t y[3];
    const void *in[1] = {x};
    CHECK(run_one("guard_range", t, in, 1, max, y, sizeof y));
    CHECK(!memcmp(x, y, sizeof y));
    in[0] = bad;
    CHECK(!run_one("guard_range", t, in, 1, max, y, sizeof y));
    in[0] = low;
    CHECK(!run_one("guard_range", t, in, 1, max, y, sizeof y));
}

/* linear over quantised rows: the same weights plain and packed give the same bits, near the float product.
 */
static void linear_over_quantised_rows(void)
{
    static const glia_dtype formats[] = {GLIA_Q8_0,   GLIA_Q4_0,  GLIA_Q4_1, GLIA_Q5_0,  GLIA_Q5_1,
                                         GLIA_IQ4_NL, GLIA_Q4_K,  GLIA_Q6_K, GLIA_TQ2_0, GLIA_MXFP4,
                                         GLIA_IQ4_XS, GLIA_TQ1_0, GLIA_Q1_0, GLIA_Q2_0};
    enum { T = 3, N = 20, K = 512 };
    uint64_t s = 5;
    float x[T * K], w[N * K];
    for (int i = 0; i < T * K; i++) x[i] = (float)uniform(&s, -1, 1);
    for (int i = 0; i < N * K; i++) w[i] = (float)uniform(&s, -1, 1);
    for (int f = 0; f < (int)(sizeof formats / sizeof *formats); f++) {
        const glia_dtype_info *d = glia_dtype_get(formats[f]);
        glia_type xt = {GLIA_F32, 2, 0, {T, K}}, wt = {formats[f], 2, 0, {N, K}};
        int64_t row = 0;
        glia_dtype_row_bytes(formats[f], K, &row);
        if (!d->encode) continue;
        char *packed = malloc((size_t)(row * N));
        float *decoded = malloc(sizeof(float) * N * K);
        for (int n = 0; n < N; n++) {
            d->encode(w + n * K, packed + n * row, K, NULL);
            d->decode(packed + n * row, decoded + n * K, K);
        }
        glia_graph *g;
        CHECK(glia_graph_create(NULL, &g, NULL) == GLIA_OK);
        glia_value in[2] = {glia_graph_input(g, "x", &xt), glia_graph_weight(g, "w", &wt, packed, NULL)};
        const glia_attr_arg to[] = {GLIA_TYPE_ATTR("to", d->activation), {0}},
                            r16[] = {GLIA_INT("layout", GLIA_LAYOUT_R16), {0}};
        int64_t packed_bytes;
        bool has_layout = glia_layout_bytes(GLIA_LAYOUT_R16, formats[f], N, K, &packed_bytes);
        glia_value q = glia_graph_node(g, "quantise", NULL, in, 1, to);
        glia_value pair[2] = {q, in[1]}, y = glia_graph_node(g, "linear", NULL, pair, 2, NULL), z = y;
        if (has_layout) {
            pair[1] = glia_graph_node(g, "pack", NULL, in + 1, 1, r16);
            z = glia_graph_node(g, "linear", NULL, pair, 2, NULL);
        }
        glia_value exact = glia_graph_node(g, "linear", NULL, in, 2, NULL);
        glia_graph_output(g, "y", y);
        glia_graph_output(g, "z", z);
        glia_graph_output(g, "exact", exact);
        glia_error err = GLIA_ERROR_INIT;
        CHECK(glia_graph_seal(g, &err) == GLIA_OK);
        if (err.status) fprintf(stderr, "%s\n", err.text);
        eval *e = eval_make(g);
        eval_bind(e, "x", x);
        bool ran = eval_run(e);
        CHECK(ran);
        if (!ran) fprintf(stderr, "%s\n", e->error);
        for (int i = 0; ran && i < T * N; i++) {
            double want = 0, size = 0;
            for (int j = 0; j < K; j++) {
                double p = (double)x[i / N * K + j] * (double)decoded[i % N * K + j];
                want += p;
                size += p * p;
            }
            double got = (double)((const float *)eval_output(e, "y"))[i],
                   plain = (double)((const float *)eval_output(e, "exact"))[i];
            CHECK(fabs(plain - want) < 1e-4);
            CHECK(fabs(got - want) <
                  0.03 * sqrt(size) + 1e-3); /* int8 activations: about 0.4 % of a term each */
            CHECK(!memcmp((const float *)eval_output(e, "y") + i, (const float *)eval_output(e, "z") + i, 4));
        }
        eval_free(e);
        glia_graph_destroy(g);
        free(packed);
        free(decoded);
    }
}

/* Weights with fewer than 16 rows take the lanes, others the chain: both bound by k eps. Also long rows:
 * several segments of both kinds. */
static void linear_over_long_rows(void)
{
    enum { K = 9001 };
    uint64_t s = 9;
    float *x = malloc(sizeof(float) * K), *w = malloc(sizeof(float) * K * 17), y[17];
    for (int i = 0; i < K; i++) x[i] = (float)uniform(&s, -1, 1);
    for (int i = 0; i < K * 17; i++) w[i] = (float)uniform(&s, -1, 1);
    for (int n = 15; n <= 17; n += 2) {
        const glia_type t[2] = {{GLIA_F32, 2, 0, {1, K}}, {GLIA_F32, 2, 0, {n, K}}};
        const void *const in[2] = {x, w};
        CHECK(run_one("linear", t, in, 2, NULL, y, 4 * n));
        for (int j = 0; j < n; j++) {
            double want = 0;
            for (int i = 0; i < K; i++) want += (double)x[i] * (double)w[j * K + i];
            CHECK(fabs((double)y[j] - want) < 1e-4);
        }
    }
    free(x);
    free(w);
}

/* Every op's sample prints, parses back and prints the same: attributes with symbols and defaults too. */
static bool round_trip(const glia_graph *g)
{
    char *first = NULL, *second = NULL;
    int64_t size = 0, again = 0;
    glia_graph *back = NULL;
    glia_error err = GLIA_ERROR_INIT;
    bool ok = glia_graph_print(g, &first, &size, &err) == GLIA_OK &&
              glia_graph_parse(first, size, NULL, &back, &err) == GLIA_OK &&
              glia_graph_print(back, &second, &again, &err) == GLIA_OK && size == again &&
              !memcmp(first, second, (size_t)size);
    if (!ok) fprintf(stderr, "%s\n%s\n%s\n", err.text, first ? first : "", second ? second : "");
    if (first) glia_text_free(NULL, first, size);
    if (second) glia_text_free(NULL, second, again);
    glia_graph_destroy(back);
    return ok;
}

/* Sizes that are known at run time only: one graph for T = 1..5, its loss and its gradient, against the
 * formula. y = mean(softmax(x)^2) over [T, 4], seen as [T, 2, 2], with a row of zeros joined and cut off
 * again */
static void symbolic_sizes(void)
{
    glia_graph *g;
    glia_error err = GLIA_ERROR_INIT;
    CHECK(glia_graph_create(NULL, &g, NULL) == GLIA_OK);
    glia_dim t = glia_graph_symbol(g, "T", 1, 100);
    glia_type xt = {GLIA_F64, 2, 0, {t, 4}}, zt = {GLIA_F64, 2, 0, {1, 4}};
    const double zeros[4] = {0};
    glia_value x = glia_graph_input(g, "x", &xt), zero = glia_graph_constant(g, "zero", &zt, zeros);
    const int64_t split_dims[] = {t, 2, 2}, join_dims[] = {GLIA_DIM_INFER, 4}, begin[] = {0, 0},
                  cut_dims[] = {t, 4};
    const glia_attr_arg to_three[] = {GLIA_INTS("dims", split_dims, 3), {0}},
                        back[] = {GLIA_INTS("dims", join_dims, 2), {0}};
    const glia_attr_arg axis[] = {GLIA_INT("axis", 0), {0}},
                        cut[] = {GLIA_INTS("begin", begin, 2), GLIA_INTS("dims", cut_dims, 2), {0}};
    glia_value v = glia_graph_node(g, "reshape", NULL, &x, 1, to_three);
    v = glia_graph_node(g, "reshape", NULL, &v, 1, back);
    glia_value pair[2] = {v, zero};
    v = glia_graph_node(g, "concat", NULL, pair, 2, axis);
    v = glia_graph_node(g, "slice", NULL, &v, 1, cut);
    v = glia_graph_node(g, "softmax", NULL, &v, 1, NULL);
    glia_value two[2] = {v, v};
    v = glia_graph_node(g, "mul", NULL, two, 2, NULL);
    glia_value loss = glia_graph_node(g, "mean", NULL, &v, 1, NULL), grad = {0};
    glia_graph_gradients(g, loss, &x, 1, &grad);
    glia_graph_output(g, "loss", loss);
    glia_graph_output(g, "grad", grad);
    CHECK(glia_graph_seal(g, &err) == GLIA_OK);
    if (err.status) fprintf(stderr, "%s\n", err.text);
    CHECK(round_trip(g));
    for (int64_t n = 1; n <= 5 && !err.status; n++) {
        double data[20], want = 0;
        uint64_t random = (uint64_t)n;
        for (int i = 0; i < 4 * n; i++) data[i] = uniform(&random, -1, 1);
        eval *e = eval_make(g);
        eval_symbol(e, "T", n);
        eval_bind(e, "x", data);
        bool ran = eval_run(e);
        CHECK(ran);
        if (!ran) fprintf(stderr, "%s\n", e->error);
        for (int64_t r = 0; r < n && ran; r++) {
            double p[4], sum = 0, dot = 0;
            for (int i = 0; i < 4; i++) sum += p[i] = exp(data[4 * r + i]);
            for (int i = 0; i < 4; i++)
                p[i] /= sum, want += p[i] * p[i] / (double)(4 * n), dot += 2 * p[i] * p[i] / (double)(4 * n);
            for (int i = 0; i < 4; i++) {
                double slope = p[i] * (2 * p[i] / (double)(4 * n) - dot);
                CHECK(fabs(((const double *)eval_output(e, "grad"))[4 * r + i] - slope) < 1e-15);
            }
        }
        CHECK(ran && fabs(*(const double *)eval_output(e, "loss") - want) < 1e-15);
        eval_free(e);
    }
    glia_graph_destroy(g);
}

static void text_round_trips(void)
{
    for (int i = 0; glia_ops[i]; i++)
        for (uint64_t seed = 0; seed < 8 && glia_ops[i]->sample; seed++) {
            one_case c;
            bool ok = case_make(&c, glia_ops[i], 500 * seed + (uint64_t)i, false) && case_seal(&c) &&
                      round_trip(c.g);
            case_free(&c);
            CHECK(ok);
            if (!ok) break;
        }
}

/* Every descriptor is found by its name, and is whole. */
static void descriptors_are_whole(void)
{
    for (int i = 0; glia_ops[i]; i++) {
        const glia_op *op = glia_ops[i];
        CHECK(glia_op_find(op->name) == op);
        CHECK(op->signature || op->infer);
        CHECK(op->grad || op->no_grad);
        CHECK(op->reference || (op->traits & GLIA_VIEW));
    }
    CHECK(!glia_op_find("no_such_op"));
    CHECK(!glia_op_find(NULL));
}

/* What is ill-typed is refused when the node is built, with a code; the ops' own codes are explained. */
static void refused(const char *op, const glia_type *types, int count, const glia_attr_arg *attrs,
                    const char *why)
{
    glia_graph *g;
    glia_value in[8];
    char name[16];
    CHECK(glia_graph_create(NULL, &g, NULL) == GLIA_OK);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "in%d", i);
        in[i] = glia_graph_input(g, name, &types[i]);
    }
    glia_value y = glia_graph_node(g, op, NULL, in, count, attrs);
    bool own = strcmp(g->error.code, "G0150") >= 0;
    if (!glia_is_null(y) || !g->error.code[0] || (own && !glia_explain(g->error.code))) {
        fprintf(stderr, "%s: %s was not refused, or without an explained code (%s: %s)\n", op, why,
                g->error.code, g->error.text);
        CHECK(!"refused");
    }
    glia_graph_destroy(g);
}

static void ill_typed_nodes_are_refused(void)
{
    const glia_type x = {GLIA_F32, 2, 0, {3, 64}}, w = {GLIA_F32, 2, 0, {5, 64}}, i = {GLIA_I32, 1, 0, {3}},
                    b = {GLIA_BOOL, 1, 0, {3}};
    const glia_type q = {GLIA_Q8_0, 2, 0, {5, 64}}, a256 = {GLIA_A8X256, 2, 0, {3, 256}},
                    q256 = {GLIA_Q8_0, 2, 0, {5, 256}}, w64 = {GLIA_F64, 2, 0, {5, 64}};
    int64_t bad_dims[] = {7, GLIA_DIM_INFER}, two[] = {GLIA_DIM_INFER, GLIA_DIM_INFER}, perm[] = {0, 0},
            far_begin[] = {0, 60}, sizes[] = {3, 5}, neg[] = {-1, 0};
    refused("linear", (glia_type[]){a256, q256}, 2, NULL, "a8x256 against q8_0");
    refused("linear", (glia_type[]){x, w64}, 2, NULL, "an f64 weight against f32");
    refused("linear", (glia_type[]){x, {GLIA_F32, 2, 0, {5, 63}}}, 2, NULL, "another k");
    refused("quantise", (glia_type[]){{GLIA_F32, 2, 0, {3, 60}}}, 1,
            (glia_attr_arg[]){GLIA_TYPE_ATTR("to", GLIA_A8X32), {0}}, "60 is no multiple of 32");
    refused("quantise", &x, 1, (glia_attr_arg[]){GLIA_TYPE_ATTR("to", GLIA_Q8_0), {0}},
            "q8_0 is no activation format");
    refused("rms_norm", (glia_type[]){x, {GLIA_F32, 1, 0, {64}}}, 2,
            (glia_attr_arg[]){GLIA_FLOAT("eps", -1.0), {0}}, "a negative eps");
    refused("rms_norm", (glia_type[]){x, {GLIA_F32, 1, 0, {64}}}, 2,
            (glia_attr_arg[]){GLIA_FLOAT("eps", NAN), {0}}, "eps NaN");
    refused("rope_table", &i, 1, (glia_attr_arg[]){GLIA_INT("dims", 7), {0}}, "odd dims");
    refused("rope_table", (glia_type[]){i, {GLIA_F32, 1, 0, {5}}}, 2,
            (glia_attr_arg[]){GLIA_INT("dims", 8), {0}}, "five factors for four frequencies");
    refused("add", (glia_type[]){b, b}, 2, NULL, "booleans");
    refused("add", (glia_type[]){x, q}, 2, NULL, "a block format");
    refused("cast", &q, 1, (glia_attr_arg[]){GLIA_TYPE_ATTR("to", GLIA_F32), {0}}, "from a block format");
    refused("cast", &x, 1, (glia_attr_arg[]){GLIA_TYPE_ATTR("to", 999), {0}}, "to a dtype that is none");
    refused("reshape", &x, 1, (glia_attr_arg[]){GLIA_INTS("dims", bad_dims, 2), {0}},
            "192 is no multiple of 7");
    refused("reshape", &x, 1, (glia_attr_arg[]){GLIA_INTS("dims", two, 2), {0}}, "two sizes to infer");
    refused("transpose", &x, 1, (glia_attr_arg[]){GLIA_INTS("perm", perm, 2), {0}}, "no permutation");
    refused("slice", &x, 1,
            (glia_attr_arg[]){GLIA_INTS("begin", far_begin, 2), GLIA_INTS("dims", sizes, 2), {0}},
            "beyond the end");
    refused("slice", &x, 1, (glia_attr_arg[]){GLIA_INTS("begin", neg, 2), GLIA_INTS("dims", sizes, 2), {0}},
            "a negative begin");
    refused("pad", &x, 1,
            (glia_attr_arg[]){GLIA_INTS("before", far_begin, 2), GLIA_INTS("dims", sizes, 2), {0}},
            "smaller than its input");
    refused("expand", &x, 1, (glia_attr_arg[]){GLIA_INTS("dims", sizes, 2), {0}}, "64 to 5");
    refused("flip", &x, 1, (glia_attr_arg[]){GLIA_INT("axis", 2), {0}}, "axis 2 of rank 2");
    refused("sum", &x, 1, (glia_attr_arg[]){GLIA_INTS("axes", perm, 2), {0}}, "an axis twice");
    refused("sum", &b, 1, NULL, "booleans");
    refused("mean", &i, 1, NULL, "integers");
    refused("top_k", &x, 1, (glia_attr_arg[]){GLIA_INT("k", 65), {0}}, "65 of 64");
    refused("gather", (glia_type[]){x, x}, 2, NULL, "float indices");
    refused("gather", (glia_type[]){x, i}, 2, (glia_attr_arg[]){GLIA_INT("axis", 2), {0}},
            "axis 2 of rank 2");
    refused("one_hot", &i, 1, (glia_attr_arg[]){GLIA_INT("depth", 4), GLIA_TYPE_ATTR("to", GLIA_Q8_0), {0}},
            "a block format");
    refused("matmul", (glia_type[]){x, w64}, 2, NULL, "two dtypes");
    refused("clip", &x, 1, (glia_attr_arg[]){GLIA_FLOAT("min", 2.0), GLIA_FLOAT("max", 1.0), {0}},
            "min above max");
    refused("concat", (glia_type[]){x, w}, 2, (glia_attr_arg[]){GLIA_INT("axis", 1), {0}},
            "other sizes beside the axis");
    refused("concat", (glia_type[]){x, w64}, 2, (glia_attr_arg[]){GLIA_INT("axis", 0), {0}}, "two dtypes");
    refused("pack", &w, 1, (glia_attr_arg[]){GLIA_INT("layout", 77), {0}}, "no such layout");
    refused("pack", (glia_type[]){{GLIA_IQ3_S, 2, 0, {16, 256}}}, 1,
            (glia_attr_arg[]){GLIA_INT("layout", GLIA_LAYOUT_R16), {0}}, "no r16 of iq3_s");
}

/* A packed weight goes to linear, embed and decode; everything that would read it as plain rows refuses it.
 */
static void packed_weights_stay_with_their_readers(void)
{
    static const char *const names[] = {
        "add",   "sub",         "silu",   "swiglu",    "exp",     "rms_norm", "softmax", "log_softmax",
        "sum",   "gather_rows", "gather", "transpose", "reshape", "cast",     "matmul",  "tril",
        "top_k", "quantise",    "mse",    "eq",        "slice",   "concat",   "cumsum",  "pack",
        "clip",  "expand",      "flip",   "pow",       "relu",    "elu"};
    const glia_type wt = {GLIA_F32, 2, 0, {32, 32}}, one = {GLIA_F32, 1, 0, {32}},
                    ids = {GLIA_I32, 1, 0, {4}};
    const int64_t two[] = {0, 1}, sizes[] = {32, 32};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        const glia_op *op = glia_op_find(names[i]);
        glia_graph *g;
        CHECK(glia_graph_create(NULL, &g, NULL) == GLIA_OK);
        const glia_attr_arg layout[] = {GLIA_INT("layout", GLIA_LAYOUT_R16), {0}};
        glia_value w = glia_graph_weight(g, "w", &wt, NULL, NULL), in[2];
        in[0] = glia_graph_node(g, "pack", NULL, &w, 1, layout);
        CHECK(!glia_is_null(in[0]));
        bool norm = !strcmp(op->name, "rms_norm"), rows = !strncmp(op->name, "gather", 6);
        in[1] = glia_graph_input(g, "b", norm ? &one : rows ? &ids : &wt);
        glia_attr_arg attrs[8] = {{0}};
        int count = 0;
        for (const glia_attr_spec *a = op->attrs; a && a->name; a++)
            if (a->required || a->kind == GLIA_ATTR_INTS)
                attrs[count++] = (glia_attr_arg){a->name,
                                                 a->kind,
                                                 a->kind == GLIA_ATTR_DTYPE ? GLIA_F64 : 1,
                                                 1,
                                                 strcmp(a->name, "dims") ? two : sizes,
                                                 2};
        bool one_input = !op->signature ? strcmp(op->name, "gather") && strcmp(op->name, "concat")
                                        : !strchr(op->signature, ':') || !*input_text(op->signature, 1);
        glia_value y = glia_graph_node(g, op->name, NULL, in, one_input ? 1 : 2, attrs);
        if (!glia_is_null(y)) fprintf(stderr, "%s took a packed weight\n", op->name);
        CHECK(glia_is_null(y));
        glia_graph_destroy(g);
    }
}

int main(void)
{
    RUN(descriptors_are_whole);
    RUN(references_match_definitions);
    RUN(boxes_equal_the_whole);
    RUN(gradients_match_differences);
    RUN(special_values);
    RUN(integers_wrap_and_divide_by_zero_gives_zero);
    RUN(casts_round_once);
    RUN(guard_sets_fault);
    RUN(linear_over_quantised_rows);
    RUN(linear_over_long_rows);
    RUN(text_round_trips);
    RUN(symbolic_sizes);
    RUN(ill_typed_nodes_are_refused);
    RUN(packed_weights_stay_with_their_readers);
    return CHECK_EXIT();
}
