/* Einsum: the equation is read, diagonals are taken, and operands meet two by two. A pair of floats is one batched
 * product; other dtypes, and pairs that share nothing but what stays, are multiplied element by element and summed. */
#include "net/emitter.h"

#include <string.h>

enum { LABELS = 2 * GLIA_RANK_MAX + 2, DOTS = 256 /* labels of an ellipsis: DOTS + place from the right */ };

typedef struct term { /* a value and what its axes are called */
    glia_value v;
    int count;
    int label[GLIA_RANK_MAX];
} term;

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static int place_of(const term *t, int label)
{
    for (int i = 0; i < t->count; i++)
        if (t->label[i] == label) return i;
    return -1;
}

/* One term of the equation; `dots` axes stand for its ellipsis. Returns where it ends, null after an error. */
static const char *read_term(glia_emit *m, const char *at, int dots, term *t)
{
    t->count = 0;
    for (; *at && *at != ',' && strncmp(at, "->", 2); at++) {
        if (*at == ' ') continue;
        int count = is_letter(*at) ? 1 : dots;
        if (!is_letter(*at) && strncmp(at, "...", 3)) {
            glia_emit_fail(m, "the equation has a character that it cannot have");
            return NULL;
        }
        if (t->count + count > GLIA_RANK_MAX) {
            glia_emit_refuse(m, "a term of more than %d axes", GLIA_RANK_MAX);
            return NULL;
        }
        for (int i = 0; i < count; i++) t->label[t->count++] = is_letter(*at) ? *at : DOTS + count - 1 - i;
        if (!is_letter(*at)) at += 2;
    }
    return at;
}

static int letters_of(const char *at)
{
    int n = 0;
    for (; *at && *at != ',' && strncmp(at, "->", 2); at++) n += is_letter(*at);
    return n;
}

/* ---- axes ---- */

static void drop_axis(glia_emit *m, term *t, int axis, bool sum)
{
    int64_t dims[GLIA_RANK_MAX], which = axis;
    int rank = 0;
    for (int a = 0; a < t->count; a++)
        if (a != axis) dims[rank++] = glia_emit_dim(m, t->v, a);
    if (sum) t->v = glia_emit_node(m, "sum", (glia_attr_arg[]){GLIA_INTS("axes", &which, 1), {0}}, 1, t->v);
    else t->v = glia_emit_reshape(m, t->v, rank, dims);
    memmove(t->label + axis, t->label + axis + 1, (size_t)(t->count - axis - 1) * sizeof *t->label);
    t->count--;
}

/* A label met twice keeps the elements where both indices are equal: in [n, n] those n + 1 apart. */
static bool take_diagonals(glia_emit *m, term *t)
{
    for (int a = 0; a < t->count; a++)
        for (int b = a + 1; b < t->count; b++) {
            if (t->label[a] != t->label[b]) continue;
            const int64_t n = glia_emit_dim(m, t->v, a);
            int64_t perm[GLIA_RANK_MAX], dims[GLIA_RANK_MAX], begin[GLIA_RANK_MAX] = {0}, step[GLIA_RANK_MAX];
            int at = 0;
            if (glia_emit_dim(m, t->v, b) != n)
                return glia_emit_fail(m, "a diagonal of axes that differ in size");
            for (int i = 0; i < t->count; i++)
                if (i != a && i != b) perm[at++] = i;
            perm[at] = a, perm[at + 1] = b;
            t->v = glia_emit_transpose(m, t->v, perm);
            for (int i = 0; i < at; i++) dims[i] = glia_emit_dim(m, t->v, i), step[i] = 1;
            dims[at] = n * n;
            t->v = glia_emit_reshape(m, t->v, at + 1, dims);
            dims[at] = n, step[at] = n + 1;
            const glia_attr_arg attrs[] = {GLIA_INTS("begin", begin, at + 1),
                                           GLIA_INTS("dims", dims, at + 1),
                                           GLIA_INTS("step", step, at + 1),
                                           {0}};
            t->v = glia_emit_node(m, "slice", attrs, 1, t->v);
            const int kept = t->label[a];
            memmove(t->label + b, t->label + b + 1, (size_t)(t->count - b - 1) * sizeof *t->label);
            memmove(t->label + a, t->label + a + 1, (size_t)(t->count - a - 2) * sizeof *t->label);
            t->label[--t->count - 1] = kept;
            a = -1;
            break;
        }
    return true;
}

/* The axes in the order of `want`, which names all of them. */
static void order_axes(glia_emit *m, term *t, const int *want, int count)
{
    int64_t perm[GLIA_RANK_MAX];
    for (int i = 0; i < count; i++) perm[i] = place_of(t, want[i]);
    t->v = glia_emit_transpose(m, t->v, perm);
    memcpy(t->label, want, (size_t)count * sizeof *want);
}

static bool needed(int label, const term *rest, int count)
{
    for (int i = 0; i < count; i++)
        if (place_of(&rest[i], label) >= 0) return true;
    return false;
}

/* Axes that nobody asks for later are summed; those of size one that the other has larger are dropped. */
static void settle(glia_emit *m, term *t, const term *other, const term *rest, int count)
{
    for (int a = t->count - 1; a >= 0; a--) {
        const int there = other ? place_of(other, t->label[a]) : -1;
        const int64_t n = glia_emit_dim(m, t->v, a);
        if (there >= 0 && n == 1 && glia_emit_dim(m, other->v, there) != 1) drop_axis(m, t, a, false);
        else if (there < 0 && !needed(t->label[a], rest, count)) drop_axis(m, t, a, true);
    }
}

/* ---- pairs ---- */

enum { BATCH, LEFT, RIGHT, INNER, KINDS };

typedef struct pairing { /* labels of each kind, with their sizes' product */
    int label[KINDS][LABELS], count[KINDS];
    int64_t size[KINDS];
} pairing;

static bool pair_labels(glia_emit *m, const term *a, const term *b, const term *rest, int count, pairing *p)
{
    memset(p, 0, sizeof *p);
    for (int k = 0; k < KINDS; k++) p->size[k] = 1;
    for (int side = 0; side < 2; side++) {
        const term *t = side ? b : a, *other = side ? a : b;
        for (int i = 0; i < t->count; i++) {
            const int label = t->label[i], there = place_of(other, label);
            const int64_t n = glia_emit_dim(m, t->v, i);
            if (there >= 0 && n != glia_emit_dim(m, other->v, there))
                return glia_emit_fail(m, "one label has two sizes, %lld and %lld", (long long)n,
                                      (long long)glia_emit_dim(m, other->v, there));
            if (there >= 0 && side) continue;
            const int kind = there < 0 ? (side ? RIGHT : LEFT) : needed(label, rest, count) ? BATCH : INNER;
            p->label[kind][p->count[kind]++] = label;
            p->size[kind] *= n;
        }
    }
    return true;
}

static glia_value as_matrix(glia_emit *m, term *t, const pairing *p, int rows)
{
    const int kinds[3] = {BATCH, rows, INNER};
    int64_t dims[3];
    int want[GLIA_RANK_MAX] = {0}, n = 0;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < p->count[kinds[k]]; i++) want[n++] = p->label[kinds[k]][i];
        dims[k] = p->size[kinds[k]];
    }
    order_axes(m, t, want, n);
    return glia_emit_reshape(m, t->v, 3, dims);
}

/* batch, left, right, and the sizes of each label. */
static bool joined_labels(glia_emit *m, const term *a, const term *b, const pairing *p, term *out,
                          int64_t *dims)
{
    out->count = 0;
    for (int k = BATCH; k <= RIGHT; k++)
        for (int i = 0; i < p->count[k]; i++) {
            const int label = p->label[k][i], at = place_of(a, label);
            if (out->count == GLIA_RANK_MAX)
                return glia_emit_refuse(m, "a product of more than %d axes", GLIA_RANK_MAX);
            dims[out->count] =
                at >= 0 ? glia_emit_dim(m, a->v, at) : glia_emit_dim(m, b->v, place_of(b, label));
            out->label[out->count++] = label;
        }
    return true;
}

/* t with axes of size one for labels that it lacks, in the order given. */
static glia_value spread(glia_emit *m, term *t, const int *label, int count)
{
    int want[GLIA_RANK_MAX] = {0}, n = 0;
    int64_t dims[GLIA_RANK_MAX];
    for (int i = 0; i < count; i++)
        if (place_of(t, label[i]) >= 0) want[n++] = label[i];
    order_axes(m, t, want, n);
    for (int i = 0; i < count; i++) {
        const int at = place_of(t, label[i]);
        dims[i] = at >= 0 ? glia_emit_dim(m, t->v, at) : 1;
    }
    return glia_emit_reshape(m, t->v, count, dims);
}

static bool meet(glia_emit *m, term *a, term *b, const term *rest, int count, term *out)
{
    pairing p;
    int64_t dims[GLIA_RANK_MAX];
    settle(m, a, b, rest, count);
    settle(m, b, a, rest, count);
    if (!pair_labels(m, a, b, rest, count, &p) || !joined_labels(m, a, b, &p, out, dims)) return false;
    if (glia_emit_is_float(m, a->v) && (p.count[INNER] || (p.count[LEFT] && p.count[RIGHT]))) {
        glia_value x = as_matrix(m, a, &p, LEFT), y = as_matrix(m, b, &p, RIGHT);
        out->v = glia_emit_reshape(m, glia_emit_node(m, "matmul", NULL, 2, x, y), out->count, dims);
        return !m->status;
    }
    const int outer = out->count;
    int64_t axes[GLIA_RANK_MAX];
    if (outer + p.count[INNER] > GLIA_RANK_MAX)
        return glia_emit_refuse(m, "a product of more than %d axes", GLIA_RANK_MAX);
    int label[GLIA_RANK_MAX], all = 0;
    for (int i = 0; i < outer; i++) label[all++] = out->label[i];
    for (int i = 0; i < p.count[INNER]; i++) axes[i] = all, label[all++] = p.label[INNER][i];
    out->v = glia_emit_binary(m, "mul", spread(m, a, label, all), spread(m, b, label, all));
    if (p.count[INNER])
        out->v = glia_emit_node(m, "sum", (glia_attr_arg[]){GLIA_INTS("axes", axes, p.count[INNER]), {0}}, 1,
                                out->v);
    return !m->status;
}

/* ---- the equation ---- */

/* Without an arrow: the ellipsis, then the labels that occur once, in the order of the alphabet. */
static bool implied_output(glia_emit *m, const term *t, int count, int dots, term *out)
{
    out->count = 0;
    for (int i = 0; i < dots; i++) out->label[out->count++] = DOTS + dots - 1 - i;
    for (int c = 'A'; c <= 'z'; c++) {
        int seen = 0;
        for (int i = 0; i < count; i++)
            for (int a = 0; a < t[i].count; a++) seen += t[i].label[a] == c;
        if (seen != 1) continue;
        if (out->count == GLIA_RANK_MAX)
            return glia_emit_refuse(m, "a result of more than %d axes", GLIA_RANK_MAX);
        out->label[out->count++] = c;
    }
    return true;
}

/* terms[count] from the inputs, and the output's labels behind them. */
static bool read_equation(glia_emit *m, term *terms, int count)
{
    const char *at = glia_emit_string(m, "equation", "");
    int dots = 0;
    for (int i = 0; i < count; i++) {
        const int rank = glia_emit_rank(m, glia_emit_in(m, i)), letters = letters_of(at);
        const int own = rank - letters;
        terms[i].v = glia_emit_in(m, i);
        if (!terms[i].v.id) return false;
        if (own < 0 || !(at = read_term(m, at, own, &terms[i])))
            return glia_emit_fail(m, "term %d of the equation has more labels than its operand axes", i);
        if (terms[i].count != rank) return glia_emit_fail(m, "term %d of the equation has another rank", i);
        if (own > dots) dots = own;
        if ((*at == ',') != (i + 1 < count)) return glia_emit_fail(m, "the equation has not %d terms", count);
        if (*at == ',') at++;
    }
    if (!*at) return implied_output(m, terms, count, dots, &terms[count]);
    at = read_term(m, at + 2, dots, &terms[count]);
    if (!at) return false;
    for (int i = 0; i < terms[count].count; i++)
        if (!needed(terms[count].label[i], terms, count) ||
            place_of(&terms[count], terms[count].label[i]) != i)
            return glia_emit_fail(m, "a label of the result is in no term, or twice in the result");
    return !*at || glia_emit_fail(m, "the equation goes on behind its result");
}

static bool emit_einsum(glia_emit *m)
{
    enum { TERMS = 32 };
    term terms[TERMS + 1];
    const int count = glia_emit_in_count(m);
    memset(terms, 0, sizeof terms);
    if (count < 1 || count > TERMS) return glia_emit_refuse(m, "an equation of %d terms", count);
    if (!read_equation(m, terms, count)) return false;
    for (int i = 0; i < count; i++)
        if (!take_diagonals(m, &terms[i])) return false;
    for (int i = 1; i < count; i++) {
        term joined = {0};
        if (!meet(m, &terms[i - 1], &terms[i], &terms[i + 1], count - i, &joined)) return false;
        terms[i] = joined;
    }
    term *last = &terms[count - 1], *out = &terms[count];
    settle(m, last, NULL, out, 1);
    order_axes(m, last, out->label, out->count);
    glia_emit_set(m, 0, last->v);
    return true;
}

const glia_net_op glia_net_ops_einsum[] = {
    {"", "Einsum", emit_einsum, NULL, 0},
    {0},
};
