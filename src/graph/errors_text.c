/* Errors that teach: what failed, both sides with where each dim came from, why, and what would fit.
 *
 *     cannot compose `embed` with `blk.0.attn_q` (linear): inner dimensions differ
 *        |  x : f32[T, 1024]      from embed `embed`
 *        |  w : q8_0[2048, 2048]  from tensor `blk.0.attn_q.weight`, model.gguf at 0x1f40a0
 *        |                 ^^^^ linear needs x[.., k] and w[n, k] with the same k
 *        = k is 1024 (from x) and 2048 (from w); 1024 was fixed by `token_embd.weight` [151936, 1024]
 *
 * Whoever prints an error puts "error[G0102]: " in front; the record keeps the code beside the text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "graph/build.h"

enum { ROWS_MAX = 8, TYPE_TEXT = 200 };

/* ---- rows -------------------------------------------------------------------------------------- */

typedef struct row {
    char name[GLIA_SIG_NAME + 8], type[TYPE_TEXT], from[420];
} row;

/* The type's text; *begin and *length say where axis `axis` stands in it. */
static void type_with_axis(const glia_graph *g, const glia_type *t, int axis, char *buf, int *begin,
                           int *length)
{
    char dim[128];
    int at = snprintf(buf, TYPE_TEXT, "%s%s%s[", glia_dtype_name(t->dtype), t->layout ? ":" : "",
                      t->layout ? glia_layout_name(t->layout) : "");
    *begin = *length = 0;
    for (int i = 0; i < t->rank && at < TYPE_TEXT; i++) {
        if (i) at += snprintf(buf + at, (size_t)(TYPE_TEXT - at), ", ");
        if (at >= TYPE_TEXT) break;
        int n =
            snprintf(buf + at, (size_t)(TYPE_TEXT - at), "%s", glia_dim_text(g, t->dims[i], dim, sizeof dim));
        if (i == axis) {
            *begin = at;
            *length = n;
        }
        at += n;
    }
    if (at < TYPE_TEXT) snprintf(buf + at, (size_t)(TYPE_TEXT - at), "]");
}

static void where_from(const glia_graph *g, glia_value v, char *buf, size_t size)
{
    const glia_value_info *info = glia_graph_value(g, v);
    const char *kind = info->producer >= 0                 ? g->nodes[info->producer].op->name
                       : info->kind == GLIA_VALUE_INPUT    ? "input"
                       : info->kind == GLIA_VALUE_CONSTANT ? "constant"
                       : info->kind == GLIA_VALUE_STATE    ? "state"
                                                           : "tensor";
    snprintf(buf, size, "from %s `%.200s`%s%.150s", kind, info->name, info->origin ? ", " : "",
             info->origin ? info->origin : "");
}

static void input_name(const glia_building *b, int i, char *buf, size_t size)
{
    const glia_sig_tensor *t = b->has_signature ? glia_signature_input(b->sig, i) : 0;
    if (!t) snprintf(buf, size, "in%d", i);
    else if (t->variadic) snprintf(buf, size, "%s%d", t->name, i - (b->sig->in_count - 1));
    else snprintf(buf, size, "%s", t->name);
}

/* The rows of the inputs in `which`, in columns, with carets and a note under axis `axis` of the last (axis <
 * 0: no carets). */
static void put_rows(glia_building *b, const int *which, int count, int axis, const char *note)
{
    row rows[ROWS_MAX];
    int wide_name = 0, wide_type = 0, begin = 0, length = 0;
    if (count > ROWS_MAX) count = ROWS_MAX;
    for (int i = 0; i < count; i++) {
        input_name(b, which[i], rows[i].name, sizeof rows[i].name);
        type_with_axis(b->x.g, &b->x.in[which[i]], i == count - 1 ? axis : -1, rows[i].type, &begin, &length);
        where_from(b->x.g, b->in[which[i]], rows[i].from, sizeof rows[i].from);
        wide_name = (int)glia_max(wide_name, (int64_t)strlen(rows[i].name));
        wide_type = (int)glia_max(wide_type, (int64_t)strlen(rows[i].type));
    }
    for (int i = 0; i < count; i++)
        glia_error_more(&b->x.g->error, "   |  %-*s : %-*s  %s", wide_name, rows[i].name, wide_type,
                        rows[i].type, rows[i].from);
    if (axis < 0 || !length) return;
    char carets[65];
    if (length > 64) length = 64;
    memset(carets, '^', (size_t)length);
    carets[length] = 0;
    glia_error_more(&b->x.g->error, "   |  %*s%s%s%s", wide_name + 3 + begin, "", carets, note ? " " : "",
                    note ? note : "");
}

void glia_explain_inputs(glia_building *b)
{
    int which[ROWS_MAX], count = 0;
    for (int i = 0; i < b->x.in_count && count < ROWS_MAX && b->x.in; i++) {
        if (b->x.in[i].dtype != GLIA_DTYPE_NONE) which[count++] = i;
    }
    glia_error_more(&b->x.g->error, "  --> node `%.200s` (%s)", b->node, b->x.op->name);
    put_rows(b, which, count, -1, 0);
}

static void put_signature(glia_building *b)
{
    if (b->has_signature) glia_error_more(&b->x.g->error, "   = %s: %s", b->x.op->name, b->x.op->signature);
}

/* The first line: what cannot be composed with what. */
static void headline(glia_building *b, glia_status status, const char *code, int input, const char *what)
{
    glia_graph_fail(b->x.g, status, code, "cannot compose `%.200s` with `%.200s` (%s): %s",
                    glia_graph_value(b->x.g, b->in[input])->name, b->node, b->x.op->name, what);
}

/* ---- where a size was fixed -------------------------------------------------------------------- */

/* Follows an axis of a value back through shared names to the value without a producer that fixed it. */
static bool trace_axis(const glia_graph *g, glia_value *v, int *axis)
{
    int steps = 0;
    for (; steps < 1000; steps++) {
        const glia_value_info *info = glia_graph_value(g, *v);
        glia_regions r;
        if (info->producer < 0) break;
        const glia_node *n = &g->nodes[info->producer];
        if (info->output || !glia_node_regions(g, n, &r)) return false;
        bool found = false;
        for (int i = 0; i < n->in_count && i < 16 && !found; i++) {
            if (glia_is_null(n->in[i])) continue;
            const glia_type *t = &glia_graph_value(g, n->in[i])->type;
            for (int a = 0; a < t->rank && !found; a++) {
                if (r.in[i].axis[a].kind != GLIA_AXIS_SAME || r.in[i].axis[a].axis != *axis) continue;
                *v = n->in[i];
                *axis = a;
                found = true;
            }
        }
        if (!found) return false;
    }
    return steps > 0;
}

/* "; 1024 was fixed by `token_embd.weight` [151936, 1024]" or nothing. */
static const char *fixed_by(const glia_building *b, int input, int axis, char *buf, size_t size)
{
    char type[TYPE_TEXT], dim[96];
    glia_value v = b->in[input];
    buf[0] = 0;
    if (!trace_axis(b->x.g, &v, &axis)) return buf;
    const glia_value_info *info = glia_graph_value(b->x.g, v);
    const char *shape = strchr(glia_type_text(b->x.g, &info->type, type, sizeof type), '[');
    snprintf(buf, size, "; %s was fixed by `%.200s` %s",
             glia_dim_text(b->x.g, info->type.dims[axis], dim, sizeof dim), info->name, shape ? shape : "");
    return buf;
}

/* ---- sizes ------------------------------------------------------------------------------------- */

static bool both_constant(glia_dim a, glia_dim b) { return a >= 0 && b >= 0; }

static const char *shape_of(const glia_building *b, int input, char *buf, size_t size)
{
    const glia_sig_tensor *t = glia_signature_input(b->sig, input);
    snprintf(buf, size, "%s%.*s", t->name, (int)t->shape_text_len, t->shape_text ? t->shape_text : "");
    return buf;
}

/* "h of x and k of y": the names of sides as the rows show them. */
static void put_two_sizes(glia_building *b, const char *label, glia_dim left, int left_input, int left_axis,
                          glia_dim right, int right_input)
{
    char l[96], r[96], ln[24], rn[24], fixed[420];
    input_name(b, left_input, ln, sizeof ln);
    input_name(b, right_input, rn, sizeof rn);
    glia_dim_text(b->x.g, left, l, sizeof l);
    glia_dim_text(b->x.g, right, r, sizeof r);
    glia_error_more(&b->x.g->error, "   = %s is %s (from %s) and %s (from %s)%s",
                    *label && *label != '\'' ? label : "the size", l, ln, r, rn,
                    fixed_by(b, left_input, left_axis, fixed, sizeof fixed));
    if (!both_constant(left, right)) glia_error_more(&b->x.g->error, "   = %s = %s has no solution", r, l);
}

/* Would the last two axes the other way round fit? The usual slip with weights of other conventions. */
static bool transposed_fits(const glia_building *b, const glia_bound_dim *first, int input, int axis)
{
    const glia_type *t = &b->x.in[input];
    if (t->rank < 2 || axis < t->rank - 2) return false;
    int other = axis == t->rank - 1 ? t->rank - 2 : t->rank - 1;
    return t->dims[other] == first->dim;
}

bool glia_explain_dims(glia_building *b, const char *label, const glia_bound_dim *first, int input, int axis,
                       glia_dim dim)
{
    char what[160], left[64], right[64], note[200];
    bool constant = both_constant(first->dim, dim), group = !*label || *label == '\'';
    if (constant)
        snprintf(what, sizeof what, "%s", group ? "leading dimensions differ" : "inner dimensions differ");
    else snprintf(what, sizeof what, "sizes disagree along `%s`", group ? ".." : label);
    headline(b, GLIA_E_SHAPE, constant ? "G0102" : "G0117", first->input == input ? input : first->input,
             what);
    if (first->input == input) {
        const int one[] = {input};
        snprintf(note, sizeof note, "%s needs %s with one size `%s`", b->x.op->name,
                 shape_of(b, input, left, sizeof left), label);
        put_rows(b, one, 1, axis, note);
    } else {
        const int two[] = {first->input, input};
        snprintf(note, sizeof note, "%s needs %s and %s with the same %s", b->x.op->name,
                 shape_of(b, first->input, left, sizeof left), shape_of(b, input, right, sizeof right),
                 group ? ".." : label);
        put_rows(b, two, 2, axis, note);
    }
    put_two_sizes(b, label, first->dim, first->input, first->axis, dim, input);
    if (glia_graph_value(b->x.g, b->in[input])->kind == GLIA_VALUE_WEIGHT && constant)
        glia_error_more(&b->x.g->error,
                        transposed_fits(b, first, input, axis)
                            ? "   = help: the axes of this tensor may be swapped: weights are [out, in]"
                            : "   = help: is this tensor from another model, or of another layer?");
    else if (!constant)
        glia_error_more(&b->x.g->error,
                        "   = help: slice the larger side, or declare the sizes with one symbol");
    return false;
}

bool glia_explain_number(glia_building *b, int input, int axis, glia_dim want)
{
    char need[80], have[80], note[200], shape[64], what[240];
    const int one[] = {input};
    bool constant = both_constant(want, b->x.in[input].dims[axis]);
    glia_dim_text(b->x.g, want, need, sizeof need);
    glia_dim_text(b->x.g, b->x.in[input].dims[axis], have, sizeof have);
    snprintf(what, sizeof what, "axis %d is %s and has to fit %s", axis, have, need);
    headline(b, GLIA_E_SHAPE, constant ? "G0102" : "G0117", input, what);
    snprintf(note, sizeof note, "%s needs %s", b->x.op->name, shape_of(b, input, shape, sizeof shape));
    put_rows(b, one, 1, axis, note);
    put_signature(b);
    return false;
}

bool glia_explain_broadcast(glia_building *b, const glia_bound_dim *left, const glia_bound_dim *right)
{
    char l[96], r[96], name[24];
    bool constant = both_constant(left->dim, right->dim);
    const int two[] = {left->input, right->input};
    glia_dim_text(b->x.g, left->dim, l, sizeof l);
    glia_dim_text(b->x.g, right->dim, r, sizeof r);
    if (constant)
        glia_graph_fail(b->x.g, GLIA_E_SHAPE, "G0105", "shapes do not broadcast: %s meets %s", l, r);
    else
        glia_graph_fail(b->x.g, GLIA_E_SHAPE, "G0117", "sizes disagree: one axis has to be both %s and %s", r,
                        l);
    glia_error_more(&b->x.g->error, "  --> node `%.200s` (%s)", b->node, b->x.op->name);
    put_rows(b, two, 2, right->axis, 0);
    if (constant)
        glia_error_more(&b->x.g->error,
                        "   = axes are matched from the last; sizes are equal, or one of them is 1");
    else
        glia_error_more(&b->x.g->error,
                        "   = %s = %s has no solution; broadcasting does not apply: neither size is 1", l, r);
    int64_t lo, hi;
    glia_dim_difference_bounds(b->x.g, left->dim, right->dim, &lo, &hi);
    input_name(b, lo > 0 ? left->input : right->input, name, sizeof name);
    if (!constant)
        glia_error_more(&b->x.g->error, "   = help: slice %s to %s along axis %d", name, lo > 0 ? r : l,
                        lo > 0 ? left->axis : right->axis);
    else if (b->x.in[left->input].rank != b->x.in[right->input].rank)
        glia_error_more(&b->x.g->error, "   = help: reshape to add axes of size 1 where they are missing");
    return false;
}

/* ---- ranks, dtypes, conditions ----------------------------------------------------------------- */

bool glia_explain_rank(glia_building *b, int input)
{
    char what[120], shape[64];
    const int one[] = {input};
    snprintf(what, sizeof what, "rank %d does not fit %s", b->x.in[input].rank,
             shape_of(b, input, shape, sizeof shape));
    headline(b, GLIA_E_SHAPE, "G0106", input, what);
    put_rows(b, one, 1, -1, 0);
    put_signature(b);
    glia_error_more(&b->x.g->error, "   = help: `reshape` adds or joins axes; `..` stands for any number of "
                                    "them, the same wherever it occurs");
    return false;
}

bool glia_explain_dtype(glia_building *b, int input)
{
    char what[160];
    const glia_sig_tensor *t = glia_signature_input(b->sig, input);
    const int one[] = {input};
    snprintf(what, sizeof what, "`%s` is %s and has to be %.*s", t->name,
             glia_dtype_name(b->x.in[input].dtype), (int)t->dtype_text_len, t->dtype_text);
    headline(b, GLIA_E_DTYPE, "G0101", input, what);
    put_rows(b, one, 1, -1, 0);
    put_signature(b);
    static const char *const classes_of[][2] = {{"F", "f64, f32, f16 or bf16"},
                                                {"Q", "a block format of weights"},
                                                {"A", "a8x32 or a8x256"},
                                                {"I", "an integer"},
                                                {"B", "bool"},
                                                {"T", "a float, an integer or bool"}};
    for (int i = 0; i < GLIA_COUNT(classes_of); i++) {
        if (memchr(t->dtype_text, classes_of[i][0][0], (size_t)t->dtype_text_len))
            glia_error_more(&b->x.g->error, "   = %s is %s", classes_of[i][0], classes_of[i][1]);
    }
    uint32_t classes = glia_dtype_get(b->x.in[input].dtype)->classes;
    if (classes & GLIA_CLASS_QUANT)
        glia_error_more(
            &b->x.g->error,
            "   = help: `decode` turns a block format into f32; `linear` and `embed` take it as it is");
    else
        glia_error_more(
            &b->x.g->error,
            "   = help: dtypes are never converted by themselves; `cast` does it where you write it");
    return false;
}

bool glia_explain_letter(glia_building *b, int input, char letter)
{
    char what[160], note[100];
    const int other = b->letter[letter & 31].input, two[] = {other, input};
    snprintf(what, sizeof what, "dtypes differ: %s and %s", glia_dtype_name(b->letter[letter & 31].dtype),
             glia_dtype_name(b->x.in[input].dtype));
    headline(b, GLIA_E_DTYPE, "G0123", other, what);
    put_rows(b, two, 2, -1, 0);
    snprintf(note, sizeof note, "%c stands for one dtype wherever it stands alone", letter);
    put_signature(b);
    glia_error_more(&b->x.g->error, "   = %s\n   = help: `cast` one of the two", note);
    return false;
}

bool glia_explain_layout(glia_building *b, int input)
{
    char what[120];
    const int one[] = {input};
    snprintf(what, sizeof what, "`%s` is packed as %s and has to be plain",
             glia_signature_input(b->sig, input)->name, glia_layout_name(b->x.in[input].layout));
    headline(b, GLIA_E_TYPE, "G0121", input, what);
    put_rows(b, one, 1, -1, 0);
    put_signature(b);
    glia_error_more(&b->x.g->error, "   = help: `decode` gives plain f32 rows back");
    return false;
}

bool glia_explain_condition(glia_building *b, const glia_sig_condition *c, glia_dim left, glia_dim right,
                            bool open)
{
    char l[96], r[96];
    glia_dim_text(b->x.g, left, l, sizeof l);
    glia_dim_text(b->x.g, right, r, sizeof r);
    glia_graph_fail(b->x.g, GLIA_E_SHAPE, "G0107", "`%.200s` (%s): `%.*s` %s", b->node, b->x.op->name,
                    (int)c->text_len, c->text,
                    open ? "cannot be decided for all values of the symbols" : "does not hold");
    glia_explain_inputs(b);
    glia_error_more(&b->x.g->error, "   = %s %s %s", l,
                    c->relation == GLIA_SIG_DIVIDES   ? "does not divide"
                    : c->relation == GLIA_SIG_AT_MOST ? "is more than"
                                                      : "is not",
                    r);
    put_signature(b);
    return false;
}

bool glia_explain_count(glia_building *b, int missing)
{
    if (missing >= 0)
        glia_graph_fail(b->x.g, GLIA_E_ARG, missing < b->x.in_count ? "G0112" : "G0114",
                        "`%.200s` (%s): the input `%s` is missing", b->node, b->x.op->name,
                        glia_signature_input(b->sig, missing)->name);
    else
        glia_graph_fail(b->x.g, GLIA_E_ARG, "G0114", "`%.200s` (%s) takes %d inputs, not %d", b->node,
                        b->x.op->name, (int)b->sig->in_count, (int)b->x.in_count);
    put_signature(b);
    return false;
}

void glia_explain_guard(glia_graph *g, const glia_entry_guard *guard, glia_dim left, glia_dim right)
{
    char a[160], b[160], c[160], d[160];
    const glia_node *n = &g->nodes[guard->node < g->node_count ? guard->node : 0];
    glia_dim_text(g, guard->left, a, sizeof a);
    glia_dim_text(g, guard->right, b, sizeof b);
    glia_dim_text(g, left, c, sizeof c);
    glia_dim_text(g, right, d, sizeof d);
    glia_graph_fail(g, GLIA_E_SHAPE, "G0117", "sizes disagree: %s has to be %s", a, b);
    if (guard->node < g->node_count)
        glia_error_more(&g->error, "  --> node `%.200s` (%s)", n->name, n->op->name);
    if (strcmp(a, c) || strcmp(b, d))
        glia_error_more(&g->error, "   = with what the other nodes demand, this is %s = %s", c, d);
    glia_error_more(&g->error, "   = it has no solution within the bounds of the symbols\n   = help: declare "
                               "equal sizes with one symbol, or widen the bounds");
}
